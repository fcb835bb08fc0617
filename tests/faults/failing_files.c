/* A file layer between a program and the C library, in which every n-th write, flush or rename fails.

   cc -shared -fPIC -O2 -o failing_files.so failing_files.c -ldl
   FAULT_FOLDER=/folder FAULT_CONTROL=/control LD_PRELOAD=failing_files.so program

   Only calls on files below FAULT_FOLDER count. FAULT_CONTROL is a file of four 64-bit numbers that
   all processes map: n (0 = nothing fails), calls so far, failed calls, and which kinds (1 = writes,
   2 = flushes, 4 = renames). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITES = 1, FLUSHES = 2, RENAMES = 4 };

static volatile int64_t *control; /* n, calls, failed, kinds */
static const char *folder;

__attribute__((constructor)) static void load(void) {
    const char *name = getenv("FAULT_CONTROL");
    folder = getenv("FAULT_FOLDER");
    if (name == NULL || folder == NULL) return;
    int file = open(name, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *map = mmap(NULL, 4 * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED) control = map;
}

static int is_ours(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int is_ours_by_number(int number) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", number);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

/* Whether this call fails: one in n of its kinds. */
static int fails(int kind) {
    if (control == NULL || control[0] <= 0 || !(control[3] & kind)) return 0;
    int64_t call = __sync_add_and_fetch((int64_t *)&control[1], 1);
    if (call % control[0] != 0) return 0;
    __sync_add_and_fetch((int64_t *)&control[2], 1);
    return 1;
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(condition, kind, reason)              \
    if (control != NULL && (condition) && fails(kind)) { \
        errno = reason;                            \
        return -1;                                 \
    }

ssize_t write(int number, const void *data, size_t size) {
    FAIL(is_ours_by_number(number), WRITES, ENOSPC);
    return REAL(write)(number, data, size);
}

ssize_t pwrite(int number, const void *data, size_t size, off_t at) {
    FAIL(is_ours_by_number(number), WRITES, EIO);
    return REAL(pwrite)(number, data, size, at);
}

ssize_t pwrite64(int number, const void *data, size_t size, off64_t at) {
    FAIL(is_ours_by_number(number), WRITES, EIO);
    return REAL(pwrite64)(number, data, size, at);
}

int fsync(int number) {
    FAIL(is_ours_by_number(number), FLUSHES, EIO);
    return REAL(fsync)(number);
}

int fdatasync(int number) {
    FAIL(is_ours_by_number(number), FLUSHES, EIO);
    return REAL(fdatasync)(number);
}

int rename(const char *from, const char *to) {
    FAIL(is_ours(to), RENAMES, EIO);
    return REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    FAIL(is_ours(to), RENAMES, EIO);
    return REAL(renameat)(from_folder, from, to_folder, to);
}
