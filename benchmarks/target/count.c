/* A TCG plugin for qemu: counts the instructions that a program runs between two marks.
 *
 * A mark is the system call MARK, which Linux does not have, with a number as its argument. At each
 * one a line is written: the number, the instructions since the last mark, and how many of them
 * had each name, as "name=count".
 *
 *   qemu-aarch64 -plugin count.so,out=FILE program
 *
 * The few declarations of qemu's plugin interface are written out, because Debian packages no
 * header for it. Only functions are used that are the same in every version of the interface;
 * its number is given to the compiler as API.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK 0x7e57
#define NAMES 4096
#define LENGTH 16
#define SDOT_MASK 0xbfe0fc00u /* by vector, of bytes */
#define SDOT 0x0e809400u
#define SDOT_LANE_MASK 0xbfc0f400u /* by element */
#define SDOT_LANE 0x0f80e000u

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
typedef void (*on_translation)(plugin_id, struct qemu_plugin_tb *);
typedef void (*on_run)(unsigned, void *);
typedef void (*on_call)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, on_run, int, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_call);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *);

int qemu_plugin_version = API;

struct block { /* of instructions that run one after another */
    struct block *next;
    uint64_t runs;
    size_t length;
    uint16_t names[];
};
static struct block *blocks;
static char names[NAMES][LENGTH];
static unsigned known;
static FILE *out;

/* The mnemonic; old disassemblers write a dot product as four bytes. */
static void read_name(const char *text, char *name)
{
    unsigned byte[4];
    strcpy(name, "?");
    if (!text)
        return;
    if (sscanf(text, ".byte %x, %x, %x, %x", byte, byte + 1, byte + 2, byte + 3) == 4) {
        uint32_t word = byte[0] | byte[1] << 8 | byte[2] << 16 | (uint32_t)byte[3] << 24;
        if ((word & SDOT_MASK) == SDOT || (word & SDOT_LANE_MASK) == SDOT_LANE)
            strcpy(name, "sdot");
        return;
    }
    sscanf(text, "%15s", name);
}

static uint16_t number_of(const char *text)
{
    char name[LENGTH];
    unsigned number;
    read_name(text, name);
    for (number = 0; number < known; number++)
        if (!strcmp(names[number], name))
            return number;
    if (known == NAMES) {
        fprintf(stderr, "count: more than %d mnemonics\n", NAMES);
        exit(1);
    }
    strcpy(names[known], name);
    return known++;
}

static void ran(unsigned cpu, void *block)
{
    (void)cpu;
    ((struct block *)block)->runs++;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    size_t length = qemu_plugin_tb_n_insns(tb);
    struct block *block = calloc(1, sizeof *block + length * sizeof block->names[0]);
    (void)id;
    if (!block)
        exit(1);
    for (block->length = 0; block->length < length; block->length++) {
        char *text = qemu_plugin_insn_disas(qemu_plugin_tb_get_insn(tb, block->length));
        block->names[block->length] = number_of(text);
        free(text);
    }
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, 0, block);
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t mark, uint64_t a2, uint64_t a3, uint64_t a4,
                   uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    static uint64_t counts[NAMES];
    uint64_t total = 0;
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != MARK)
        return;
    memset(counts, 0, sizeof counts);
    for (struct block *block = blocks; block; block = block->next) {
        total += block->runs * block->length;
        if (block->runs)
            for (size_t i = 0; i < block->length; i++)
                counts[block->names[i]] += block->runs;
        block->runs = 0;
    }
    fprintf(out, "%llu %llu", (unsigned long long)mark, (unsigned long long)total);
    for (unsigned i = 0; i < known; i++)
        if (counts[i])
            fprintf(out, " %s=%llu", names[i], (unsigned long long)counts[i]);
    fputc('\n', out);
    fflush(out);
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **words)
{
    (void)info;
    if (count != 1 || strncmp(words[0], "out=", 4) || !(out = fopen(words[0] + 4, "w")))
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
