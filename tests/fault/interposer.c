/*
 * interposer.c - a layer between a program and the kernel: LD_PRELOAD=interposer.so.
 *
 * Writes down every call that changes a file or a directory, and every answer that leaves over a
 * socket (trace.h); and lets a call fail when the test says so. Needs nothing that a sandbox could
 * refuse: the trace is mapped before main, and what it asks of the kernel is fstat. Not for
 * programs built with AddressSanitizer or linked statically.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "trace.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static TraceHeader *the_trace;
static uint64_t room; /* for records */

#define PLACES 1024
/* Where write() goes on in a descriptor: the kernel does not say in a sandbox without lseek. */
static int64_t places[PLACES];

/* Whose code died: the library at the top of the stack, and the first of its functions there that
 * has a name. The signal then takes its course. */
static void say_crash(int number)
{
    void *stack[24];
    int n = backtrace(stack, 24);
    const char *library = NULL;
    const char *function = NULL;
    signal(number, SIG_DFL);
    /* Two frames are this function's and the signal's. */
    for (int i = 2; the_trace && i < n && !function; i++) {
        Dl_info info = { 0 };
        if (!dladdr(stack[i], &info) || (library && strcmp(library, info.dli_fname) != 0)) {
            break;
        }
        library = info.dli_fname;
        function = info.dli_sname;
    }
    if (library) {
        const char *slash = strrchr(library, '/');
        snprintf(the_trace->crash, sizeof(the_trace->crash), "%s %s", slash ? slash + 1 : library,
                 function ? function : "?");
    }
    (void)raise(number);
}

static void catch_crash(void)
{
    void *stack[1];
    struct sigaction action = { .sa_handler = say_crash };
    (void)backtrace(stack, 1); /* loads what it needs while there is memory */
    (void)sigaction(SIGSEGV, &action, NULL);
}

__attribute__((constructor)) static void map_trace(void)
{
    const char *path = getenv("HF_TRACE");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= (off_t)sizeof(TraceHeader)) {
        abort();
    }
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        abort();
    }
    syscall(SYS_close, fd);
    room = (uint64_t)st.st_size - sizeof(TraceHeader);
    if (getenv("HF_TRACE_CRASH")) {
        catch_crash();
    }
    the_trace = map;
}

/* --- faults ---------------------------------------------------------------------------------- */

/* The action for this call, 0: none. */
static unsigned fault(unsigned kinds, const char *call)
{
    TraceHeader *trace = the_trace;
    if (!trace || (__atomic_load_n(&trace->kinds, __ATOMIC_SEQ_CST) & kinds) == 0) {
        return 0;
    }
    uint64_t now = __atomic_add_fetch(&trace->seen, 1, __ATOMIC_SEQ_CST);
    if (trace->at == 0 || now < trace->at || (now > trace->at && !trace->stays)) {
        return 0;
    }
    __atomic_add_fetch(&trace->fired, 1, __ATOMIC_SEQ_CST);
    strncpy(trace->call, call, sizeof(trace->call) - 1);
    if (trace->action == TRACE_KILL) {
        syscall(SYS_kill, (int)syscall(SYS_getpid), SIGKILL);
    }
    errno = trace->fault_errno;
    return trace->action;
}

static bool fails(unsigned kinds, const char *call)
{
    return fault(kinds, call) == TRACE_FAIL;
}

/* How much of n bytes a call may do; 0 when it is to fail. n > 0. */
static size_t portion(unsigned kinds, const char *call, size_t n)
{
    unsigned action = fault(kinds, call);
    return action == TRACE_FAIL ? 0 : action == TRACE_SHORT ? (n + 1) / 2 : n;
}

/* --- records --------------------------------------------------------------------------------- */

typedef struct {
    uint16_t op;
    uint64_t inode, dir, dir2, offset;
    const char *name, *name2;
    const void *data;
    size_t data_size;
} Entry;

static void put(const Entry *entry)
{
    TraceHeader *trace = the_trace;
    int saved = errno;
    size_t n1 = entry->name ? strlen(entry->name) : 0;
    size_t n2 = entry->name2 ? strlen(entry->name2) : 0;
    uint64_t size = (sizeof(TraceRecord) + n1 + n2 + entry->data_size + 7) / 8 * 8;
    if (!trace) {
        return;
    }
    uint64_t at = __atomic_fetch_add(&trace->used, size, __ATOMIC_SEQ_CST);
    if (at + size + sizeof(TraceRecord) > room) {
        trace->full = 1;
        return;
    }
    uint8_t *out = (uint8_t *)(trace + 1) + at;
    TraceRecord *record = (TraceRecord *)out;
    record->op = entry->op;
    record->name_size = (uint16_t)n1;
    record->name2_size = (uint16_t)n2;
    record->data_size = (uint32_t)entry->data_size;
    record->inode = entry->inode;
    record->dir = entry->dir;
    record->dir2 = entry->dir2;
    record->offset = entry->offset;
    out += sizeof(*record);
    memcpy(out, entry->name ? entry->name : "", n1);
    memcpy(out + n1, entry->name2 ? entry->name2 : "", n2);
    memcpy(out + n1 + n2, entry->data ? entry->data : "", entry->data ? entry->data_size : 0);
    __atomic_store_n(&record->size, (uint32_t)size, __ATOMIC_SEQ_CST);
    errno = saved;
}

/* S_IFMT of what fd is, and its inode. */
static mode_t kind_of(int fd, uint64_t *ret_inode)
{
    int saved = errno;
    struct stat st = { 0 };
    mode_t kind = fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
    *ret_inode = st.st_ino;
    errno = saved;
    return kind;
}

static unsigned kinds_of(int fd)
{
    uint64_t inode;
    mode_t kind = kind_of(fd, &inode);
    return kind == S_IFREG || kind == S_IFDIR ? TRACE_FILES : kind == S_IFSOCK ? TRACE_CHANNELS : 0;
}

/* The directory of a name, and its last component. */
static uint64_t parent_of(int dir, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    struct stat st = { 0 };
    char parent[4096];
    int saved = errno;
    *ret_name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= sizeof(parent)) {
        abort();
    }
    memcpy(parent, path, n);
    parent[n] = '\0';
    (void)fstatat(dir, n > 0 ? parent : ".", &st, 0);
    if (dir != AT_FDCWD && n == 0) {
        (void)fstat(dir, &st);
    }
    errno = saved;
    return st.st_ino;
}

/* --- files ----------------------------------------------------------------------------------- */

static int do_open(int dir, const char *path, int flags, mode_t mode, const char *call)
{
    struct stat st;
    if (fails(TRACE_FILES | TRACE_DESCRIPTORS, call)) {
        return -1;
    }
    bool existed = (flags & (O_CREAT | O_TRUNC)) == 0 || fstatat(dir, path, &st, 0) == 0;
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    uint64_t inode;
    if (fd >= 0 && fd < PLACES) {
        places[fd] = 0;
    }
    if (fd < 0 || (flags & (O_CREAT | O_TRUNC)) == 0 || kind_of(fd, &inode) != S_IFREG) {
        return fd;
    }
    const char *name;
    uint64_t parent = parent_of(dir, path, &name);
    if (!existed) {
        put(&(Entry){ .op = TRACE_CREATE, .inode = inode, .dir = parent, .name = name });
    } else if ((flags & O_TRUNC) != 0) {
        put(&(Entry){ .op = TRACE_SIZE, .inode = inode });
    }
    return fd;
}

#define OPEN_MODE(flags, mode)                      \
    mode_t mode = 0;                                \
    if (((flags) & (O_CREAT | __O_TMPFILE)) != 0) { \
        va_list list;                               \
        va_start(list, flags);                      \
        mode = va_arg(list, mode_t);                \
        va_end(list);                               \
    }

int open(const char *path, int flags, ...)
{
    OPEN_MODE(flags, mode)
    return do_open(AT_FDCWD, path, flags, mode, "open");
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dir, const char *path, int flags, ...)
{
    OPEN_MODE(flags, mode)
    return do_open(dir, path, flags, mode, "openat");
}

int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0, "open");
}

int __open64_2(const char *path, int flags) __attribute__((alias("__open_2")));

int __openat_2(int dir, const char *path, int flags);
int __openat_2(int dir, const char *path, int flags)
{
    return do_open(dir, path, flags, 0, "openat");
}

int __openat64_2(int dir, const char *path, int flags) __attribute__((alias("__openat_2")));

ssize_t read(int fd, void *buffer, size_t n)
{
    size_t some = n > 0 ? portion(kinds_of(fd), "read", n) : 0;
    return some > 0 || n == 0 ? syscall(SYS_read, fd, buffer, some) : -1;
}

ssize_t pread(int fd, void *buffer, size_t n, off_t offset)
{
    size_t some = n > 0 ? portion(TRACE_FILES, "pread", n) : 0;
    return some > 0 || n == 0 ? syscall(SYS_pread64, fd, buffer, some, offset) : -1;
}

ssize_t pread64(int fd, void *buffer, size_t n, off_t offset) __attribute__((alias("pread")));

ssize_t write(int fd, const void *data, size_t n)
{
    uint64_t inode;
    mode_t kind = kind_of(fd, &inode);
    if (fd == STDERR_FILENO || (kind != S_IFREG && kind != S_IFSOCK)) { /* stderr: the log */
        return syscall(SYS_write, fd, data, n);
    }
    int64_t at = kind == S_IFREG ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
    if (at < 0 && fd < PLACES) {
        at = places[fd];
    }
    size_t some = portion(kind == S_IFREG ? TRACE_FILES : TRACE_CHANNELS, "write", n);
    if (some == 0 && n > 0) {
        return -1;
    }
    if (kind == S_IFSOCK) { /* before it leaves: who gets it may act before we come back */
        put(&(Entry){ .op = TRACE_ANSWER });
    }
    ssize_t done = syscall(SYS_write, fd, data, some);
    if (done > 0 && kind == S_IFREG) {
        if (fd < PLACES) {
            places[fd] = at + done;
        }
        put(&(Entry){ .op = TRACE_WRITE,
                      .inode = inode,
                      .offset = (uint64_t)at,
                      .data = data,
                      .data_size = (size_t)done });
    }
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    uint64_t inode;
    (void)kind_of(fd, &inode);
    size_t some = portion(TRACE_FILES, "pwrite", n);
    if (some == 0 && n > 0) {
        return -1;
    }
    ssize_t done = syscall(SYS_pwrite64, fd, data, some, offset);
    if (done > 0) {
        put(&(Entry){ .op = TRACE_WRITE,
                      .inode = inode,
                      .offset = (uint64_t)offset,
                      .data = data,
                      .data_size = (size_t)done });
    }
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t offset) __attribute__((alias("pwrite")));

static int do_sync(long number, int fd, const char *call)
{
    uint64_t inode;
    (void)kind_of(fd, &inode);
    if (fails(TRACE_FILES, call)) {
        return -1;
    }
    int result = (int)syscall(number, fd);
    if (result == 0) {
        put(&(Entry){ .op = TRACE_SYNC, .inode = inode });
    }
    return result;
}

int fsync(int fd)
{
    return do_sync(SYS_fsync, fd, "fsync");
}

int fdatasync(int fd)
{
    return do_sync(SYS_fdatasync, fd, "fdatasync");
}

int ftruncate(int fd, off_t size)
{
    uint64_t inode;
    (void)kind_of(fd, &inode);
    if (fails(TRACE_FILES, "ftruncate")) {
        return -1;
    }
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0) {
        put(&(Entry){ .op = TRACE_SIZE, .inode = inode, .offset = (uint64_t)size });
    }
    return result;
}

int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));

/* Only as it is used: makes the file at least so long. */
int fallocate(int fd, int mode, off_t offset, off_t size)
{
    uint64_t inode;
    struct stat st = { 0 };
    (void)kind_of(fd, &inode);
    if (fails(TRACE_FILES, "fallocate")) {
        return -1;
    }
    int result = (int)syscall(SYS_fallocate, fd, mode, offset, size);
    if (result == 0 && mode == 0 && fstat(fd, &st) == 0) {
        put(&(Entry){ .op = TRACE_SIZE, .inode = inode, .offset = (uint64_t)st.st_size });
    }
    return result;
}

int fallocate64(int fd, int mode, off_t offset, off_t size) __attribute__((alias("fallocate")));

int posix_fallocate(int fd, off_t offset, off_t size)
{
    return fallocate(fd, 0, offset, size) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off_t offset, off_t size) __attribute__((alias("posix_fallocate")));

int renameat(int dir, const char *from, int dir2, const char *to)
{
    Entry entry = { .op = TRACE_RENAME };
    entry.dir = parent_of(dir, from, &entry.name);
    entry.dir2 = parent_of(dir2, to, &entry.name2);
    if (fails(TRACE_FILES, "renameat")) {
        return -1;
    }
    int result = (int)syscall(SYS_renameat, dir, from, dir2, to);
    if (result == 0) {
        put(&entry);
    }
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int dir, const char *from, int dir2, const char *to, int flags)
{
    Entry entry = { .op = TRACE_LINK };
    struct stat st = { 0 };
    entry.dir = parent_of(dir2, to, &entry.name);
    if (fails(TRACE_FILES, "linkat")) {
        return -1;
    }
    (void)fstatat(dir, from, &st, AT_SYMLINK_NOFOLLOW);
    entry.inode = st.st_ino;
    int result = (int)syscall(SYS_linkat, dir, from, dir2, to, flags);
    if (result == 0) {
        put(&entry);
    }
    return result;
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    Entry entry = { .op = TRACE_UNLINK };
    entry.dir = parent_of(dir, path, &entry.name);
    if (fails(TRACE_FILES, "unlinkat")) {
        return -1;
    }
    int result = (int)syscall(SYS_unlinkat, dir, path, flags);
    if (result == 0) {
        put(&entry);
    }
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int fchmod(int fd, mode_t mode)
{
    return fails(TRACE_FILES, "fchmod") ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int mkdir(const char *path, mode_t mode)
{
    return fails(TRACE_FILES, "mkdir") ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    bool lock = command == F_SETLK || command == F_SETLKW;
    if ((lock && fails(TRACE_FILES, "fcntl(F_SETLK)")) ||
        ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) &&
         fails(TRACE_DESCRIPTORS, "fcntl(F_DUPFD)"))) {
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

/* --- descriptors ----------------------------------------------------------------------------- */

int socket(int domain, int type, int protocol)
{
    return fails(TRACE_DESCRIPTORS, "socket") ? -1
                                              : (int)syscall(SYS_socket, domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int pair[2])
{
    return fails(TRACE_DESCRIPTORS, "socketpair")
               ? -1
               : (int)syscall(SYS_socketpair, domain, type, protocol, pair);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return fails(TRACE_DESCRIPTORS, "accept4")
               ? -1
               : (int)syscall(SYS_accept4, fd, address, size, flags);
}

int eventfd(unsigned count, int flags)
{
    return fails(TRACE_DESCRIPTORS, "eventfd") ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

int signalfd(int fd, const sigset_t *mask, int flags)
{
    return fails(TRACE_DESCRIPTORS, "signalfd")
               ? -1
               : (int)syscall(SYS_signalfd4, fd, mask, (size_t)8, flags);
}

int pipe2(int pair[2], int flags)
{
    return fails(TRACE_DESCRIPTORS, "pipe2") ? -1 : (int)syscall(SYS_pipe2, pair, flags);
}

int pipe(int pair[2])
{
    return pipe2(pair, 0);
}

int dup(int fd)
{
    return fails(TRACE_DESCRIPTORS, "dup") ? -1 : (int)syscall(SYS_dup, fd);
}

/* --- channels -------------------------------------------------------------------------------- */

ssize_t send(int fd, const void *data, size_t n, int flags)
{
    size_t some = portion(TRACE_CHANNELS, "send", n);
    if (some == 0 && n > 0) {
        return -1;
    }
    put(&(Entry){ .op = TRACE_ANSWER });
    return syscall(SYS_sendto, fd, data, some, flags, NULL, 0);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return fails(TRACE_CHANNELS, "recvmsg") ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    return fails(TRACE_CHANNELS, "poll") ? -1 : (int)syscall(SYS_poll, fds, n, timeout);
}

/* --- memory ---------------------------------------------------------------------------------- */

void *malloc(size_t n)
{
    return fails(TRACE_MEMORY, "malloc") ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(TRACE_MEMORY, "calloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    return fails(TRACE_MEMORY, "realloc") ? NULL : __libc_realloc(old, n);
}

int posix_memalign(void **ret, size_t alignment, size_t n)
{
    void *memory = fails(TRACE_MEMORY, "posix_memalign") ? NULL : __libc_memalign(alignment, n);
    if (!memory) {
        return ENOMEM;
    }
    *ret = memory;
    return 0;
}

int mlock(const void *address, size_t n)
{
    return fails(TRACE_PAGES, "mlock") ? -1 : (int)syscall(SYS_mlock, address, n);
}

int madvise(void *address, size_t n, int advice)
{
    return fails(TRACE_PAGES, "madvise") ? -1 : (int)syscall(SYS_madvise, address, n, advice);
}
