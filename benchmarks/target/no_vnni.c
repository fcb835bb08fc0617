/* Preloaded into a program on x86-64 Linux, this hides int8 dot products from it.
 *
 *   gcc -shared -fPIC -o no_vnni.so no_vnni.c && LD_PRELOAD=./no_vnni.so program
 *
 * The kernel makes the instruction `cpuid` fault, and the handler answers in its place, without
 * AVX-512 VNNI, AVX-VNNI, their successors of 8 and 16 bits, and AMX. Needs a processor and a
 * kernel with cpuid faulting ("cpuid_fault" in /proc/cpuinfo).
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define AVX512_VNNI (1u << 11)                              /* leaf 7, ECX */
#define AMX (1u << 22 | 1u << 24 | 1u << 25)                /* leaf 7, EDX */
#define AVX_VNNI (1u << 4)                                  /* leaf 7.1, EAX */
#define AVX_VNNI_INT8_INT16 (1u << 4 | 1u << 10 | 1u << 19) /* leaf 7.1, EDX; bit 19 is AVX10 */

static void answer(int signal_number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)registers[REG_RIP];
    unsigned leaf = (unsigned)registers[REG_RAX], sub = (unsigned)registers[REG_RCX], a, b, c, d;
    (void)info;
    if (code[0] != 0x0f || code[1] != 0xa2) { /* another fault: as without us */
        signal(signal_number, SIG_DFL);
        return;
    }
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __cpuid_count(leaf, sub, a, b, c, d);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    if (leaf == 7 && sub == 0) {
        c &= ~AVX512_VNNI;
        d &= ~AMX;
    } else if (leaf == 7 && sub == 1) {
        a &= ~AVX_VNNI;
        d &= ~AVX_VNNI_INT8_INT16;
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0)) {
        fprintf(stderr, "no_vnni: this processor or kernel cannot hide VNNI (no cpuid faulting).\n");
        exit(3);
    }
}
