/*
 * seccomp.c - stage 3: the system calls that a process in service may still make.
 *
 * An allow-list: one row a permitted call, with the code that needs it; two rows when two kinds of
 * arguments are permitted. What is not in the table kills the process (SIGSYS), so a call that is
 * missing shows in the first test that reaches it. A few rows answer with an error instead: the C
 * library asks something that nobody here needs to know. What is left out on purpose: socket, connect and
 * bind (all sockets exist), clone and execve (all threads exist, no program is started), signal
 * handlers (there are none), prctl, ptrace, memory that is executable, signals to others.
 * Paths cannot be seen from here: where openat and unlinkat may go is Landlock's part. Other
 * processor modes (32 bit, x32) are not in the table, so they kill. A row is added together with
 * the code that needs it, and removed with it. The filter is made here and not by libseccomp, whose
 * header gives the numbers only: at run time it was a seventh of the time a VM waits for its TPM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp_filter.h"

enum {
    CHANNELS = 1 << HF_PROFILE_EMULATOR | 1 << HF_PROFILE_EMULATOR_FILE,
    CUSE = 1 << HF_PROFILE_CUSE | 1 << HF_PROFILE_CUSE_FILE,
    DIRECTORY = 1 << HF_PROFILE_EMULATOR | 1 << HF_PROFILE_CUSE,
    ONE_FILE = 1 << HF_PROFILE_EMULATOR_FILE | 1 << HF_PROFILE_CUSE_FILE,
    EMULATOR = DIRECTORY | ONE_FILE,
    MANUFACTURE = 1 << HF_PROFILE_MANUFACTURE,
    BOTH = EMULATOR | MANUFACTURE,
    CA = 1 << HF_PROFILE_CA,
    ALL = BOTH | CA,
};

typedef struct {
    const char *name;
    int number;
    unsigned profiles;
    const char *reason;
    const char *condition; /* `compare` in words; NULL: any arguments */
    HfSeccompCompare compare;
    bool own_process; /* the first argument must be the process itself */
    int refused;      /* errno that the caller gets, the call is not made; 0: it is permitted */
} Row;

#define CALL(call) #call, SCMP_SYS(call)
/* clang-format off */
#define ANY NULL, { 0 }, false, 0
#define REFUSED(error) NULL, { 0 }, false, error
#define OWN_PROCESS "on the process itself", { 0 }, true, 0
/* The kernel looks at the lower half of an int argument, so the filter does the same. */
#define ONLY(arg, value) #value, { true, arg, 0xffffffff, value }, false, 0
#define REFUSED_ONLY(arg, value, error) #value, { true, arg, 0xffffffff, value }, false, error
#define NOT_EXECUTABLE "memory that is not executable", { true, 2, PROT_EXEC, 0 }, false, 0
#define FUTEX_ONLY(op) #op, { true, 1, (uint32_t)FUTEX_CMD_MASK, op }, false, 0
/* clang-format on */

static const Row rows[] = {
#ifdef HF_COVERAGE
    { CALL(lseek), ALL, "gcov: counts of earlier runs are read, and written over", ANY },
    { CALL(fcntl), ALL, "gcov: counts are added up by one process at a time", ONLY(1, F_SETLKW) },
    { CALL(fcntl), ALL, "gcov: stream of the counts", ONLY(1, F_GETFL) },
    { CALL(exit), MANUFACTURE, "gcov: as the emulator", ANY },
#endif

    /* the channels: two of the emulator; a socket pair of the manufacturing child */
    { CALL(read), ALL,
      "data channel: command; control thread: signals, CUSE requests; socket pair; files", ANY },
    { CALL(write), ALL, "data channel: response; waking a thread; socket pair; files; log", ANY },
    { CALL(writev), CUSE, "libfuse: all answers to the kernel, a header and data", ANY },
    { CALL(sendto), CHANNELS | CA, "control channel: response (send, MSG_NOSIGNAL)", ANY },
    { CALL(recvmsg), CHANNELS, "control channel: request, with the data descriptor", ANY },
    { CALL(poll), EMULATOR | CA, "both threads: who has something; 10 ms between tries of a lock",
      ANY },
    { CALL(accept4), CHANNELS | CA, "both channels: next client", ANY },
    { CALL(shutdown), CHANNELS | CA, "control thread: ends a blocking read of the data thread",
      ANY },
    { CALL(fcntl), CHANNELS, "data descriptor handed over: blocking?", ONLY(1, F_GETFL) },
    { CALL(fcntl), CHANNELS, "data descriptor handed over: make it block", ONLY(1, F_SETFL) },

    /* state and its lock */
    { CALL(openat), ALL, "state and lock files; openssl.cnf (Landlock says which)", ANY },
    { CALL(close), ALL, "files, clients, descriptors nobody asked for", ANY },
    { CALL(newfstatat), ALL, "state files: type, size; whose socket to remove; fstat of glibc",
      ANY },
    { CALL(fstat), ALL, "the same: fstat of glibc before 2.33 and of late ones", ANY },
    { CALL(fcntl), EMULATOR, "state: lock", ONLY(1, F_SETLK) },
    { CALL(fcntl), EMULATOR, "state: who holds the lock, for the message", ONLY(1, F_GETLK) },
    { CALL(fdatasync), EMULATOR | CA, "state: durable, before the rename or the next write", ANY },
    { CALL(fchmod), DIRECTORY | CA, "state files: exact mode", ANY },
    { CALL(renameat), DIRECTORY | CA, "state files: replace", ANY },
    { CALL(fsync), DIRECTORY | CA, "state directory: rename durable", ANY },
    { CALL(pread64), ONE_FILE | CA, "state in one file or device: header and blobs", ANY },
    { CALL(pwrite64), ONE_FILE, "state in one file or device: blobs, then the header", ANY },
    { CALL(unlinkat), EMULATOR | CA, "volatile state; failed temporaries; sockets and pid file",
      ANY },

    /* a CA that serves */
    { CALL(recvfrom), CA, "clients: requests, TLS records", ANY },
    { CALL(sendmsg), CA, "clients: TLS records (GnuTLS)", ANY },
    { CALL(getpeername), CA, "a new client: from where", ANY },
    { CALL(getsockopt), CA, "a new client: which user", ONLY(2, SO_PEERCRED) },
    { CALL(fcntl), CA, "a new client: does it block", ONLY(1, F_GETFL) },
    { CALL(fcntl), CA, "a new client: must not block", ONLY(1, F_SETFL) },
    { CALL(ftruncate), CA, "records: a line that was not finished when all ended", ANY },
    { CALL(flock), CA, "the CA's directory: one at a time", ANY },
    { CALL(linkat), CA, "nonces: new, never over another", ANY },
    { CALL(getdents64), CA, "nonces: how many; directories of certificates", ANY },
    { CALL(dup), CA, "the same, from the beginning", ANY },
    { CALL(fcntl), CA, "the same: not for programs", ONLY(1, F_SETFD) },
    { CALL(lseek), CA, "the same", ONLY(2, SEEK_SET) },

    /* memory */
    { CALL(brk), ALL, "malloc: first arena", ANY },
    { CALL(mmap), ALL, "malloc: large blocks, arenas; secrets", NOT_EXECUTABLE },
    { CALL(mprotect), ALL, "malloc: growing an arena that is not the first", NOT_EXECUTABLE },
    { CALL(mremap), ALL, "malloc: realloc of a large block", ANY },
    { CALL(munmap), ALL, "malloc: large blocks; secrets", ANY },
    { CALL(madvise), ALL,
      "malloc: trimming; stack of a thread that ends; what libtpms only cleared",
      ONLY(2, MADV_DONTNEED) },
    { CALL(madvise), MANUFACTURE | CA, "secrets: out of core dumps", ONLY(2, MADV_DONTDUMP) },
    { CALL(mlock), MANUFACTURE | CA, "secrets: not swapped out", ANY },

    /* the engine: libtpms and libcrypto */
    { CALL(getrandom), ALL, "all random numbers; names of temporaries", ANY },
    { CALL(getpid), ALL, "libcrypto: has the process forked; abort", ANY },
    { CALL(clock_gettime), ALL, "processor time; any time where the vDSO has none", ANY },
    { CALL(gettimeofday), ALL, "libtpms: time where the vDSO has none", ANY },
    /* libtpms says what it has to say with dprintf, which asks about its descriptor first and is as
     * content with an error: the log is then a stream, and no terminal. */
    { CALL(lseek), BOTH, "libtpms: messages, where the log stands", REFUSED(ESPIPE) },
    { CALL(ioctl), BOTH, "libtpms: messages, is the log a terminal",
      REFUSED_ONLY(1, TCGETS, ENOTTY) },

    /* threads and their end */
    { CALL(futex), ALL, "mutexes, condition variables", FUTEX_ONLY(FUTEX_WAIT) },
    { CALL(futex), ALL, "mutexes, condition variables", FUTEX_ONLY(FUTEX_WAKE) },
    { CALL(futex), ALL, "condition variables, join", FUTEX_ONLY(FUTEX_WAIT_BITSET) },
    { CALL(rt_sigprocmask), ALL, "end of a thread; abort", ANY },
    { CALL(restart_syscall), EMULATOR | CA, "the kernel: a poll that SIGSTOP interrupted goes on",
      ANY },
    { CALL(gettid), ALL, "abort", ANY },
    { CALL(tgkill), ALL, "abort", OWN_PROCESS },
    { CALL(exit), EMULATOR | CA, "end of the data thread", ANY },
    { CALL(exit_group), ALL, "end of the process", ANY },

#ifdef HF_SANITIZERS
    /* AddressSanitizer's reports, and LeakSanitizer, which at the end starts a task that stops all
     * threads with ptrace and reads /proc/self. */
    { CALL(open), ALL, "sanitizers: /proc/self/maps and task", ANY },
    { CALL(getdents), ALL, "sanitizers: threads in /proc/self/task", ANY },
    { CALL(readlink), ALL, "sanitizers: name of the program, for a report", ANY },
    { CALL(ioctl), ALL, "sanitizers: does a report go to a terminal", ANY },
    { CALL(madvise), ALL, "sanitizers: shadow memory", ANY },
    { CALL(sched_yield), ALL, "sanitizers: locks", ANY },
    { CALL(prctl), ALL, "sanitizers: consent to ptrace", ANY },
    { CALL(clone), ALL, "sanitizers: the stopping task", ANY },
    { CALL(getppid), ALL, "sanitizers: the stopping task", ANY },
    { CALL(sigaltstack), ALL, "sanitizers: the stopping task", ANY },
    { CALL(rt_sigaction), ALL, "sanitizers: the stopping task", ANY },
    { CALL(ptrace), ALL, "sanitizers: the stopping task", ANY },
    { CALL(wait4), ALL, "sanitizers: the stopping task", ANY },
    { CALL(exit), MANUFACTURE, "sanitizers: the stopping task", ANY },
#endif
};

bool hf_seccomp_rule(HfSeccompProfile profile, size_t index, HfSeccompRule *ret_rule)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        if ((row->profiles & 1u << profile) == 0) {
            continue;
        }
        if (index-- == 0) {
            *ret_rule = (HfSeccompRule){ row->name, row->number, row->condition, row->reason,
                                         row->refused };
            return true;
        }
    }
    return false;
}

/* Whether the kernel can do what is done with other calls (both came with Linux 4.14). */
static bool has_action(uint32_t action, GError **error)
{
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
        return true;
    }
    return hf_error_set(error, HF_ERROR_UNSUPPORTED, "seccomp: the kernel cannot %s",
                        action == SECCOMP_RET_LOG ? "log system calls" : "end a process");
}

static void add_row(HfSeccompFilter *filter, const Row *row)
{
    const HfSeccompCompare own = { true, 0, 0xffffffff, row->own_process ? (uint32_t)getpid() : 0 };
    if (row->number >= 0) { /* else this processor has no such call */
        hf_seccomp_filter_add(filter, (uint32_t)row->number,
                              row->own_process ? &own : &row->compare, row->refused);
    }
}

static bool load(const HfSeccompFilter *filter, GError **error)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return hf_error_errno(error, errno, "cannot set no_new_privs");
    }
    const struct sock_fprog program = hf_seccomp_filter_program(filter);
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (rc > 0) {
        return hf_error_set(error, HF_ERROR_STATE, "seccomp: thread %ld has a filter of its own",
                            rc);
    }
    return rc == 0 || hf_error_errno(error, errno, "seccomp: the kernel refused the filter");
}

bool hf_sandbox_seccomp(HfSeccompProfile profile, HfSeccompAction action, GError **error)
{
    if (action == HF_SECCOMP_NONE) {
        return true;
    }
    uint32_t otherwise = action == HF_SECCOMP_LOG ? SECCOMP_RET_LOG : SECCOMP_RET_KILL_PROCESS;
    if (!has_action(otherwise, error)) {
        return false;
    }
    HfSeccompFilter filter;
    hf_seccomp_filter_begin(&filter, otherwise);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((rows[i].profiles & 1u << profile) != 0) {
            add_row(&filter, &rows[i]);
        }
    }
    hf_seccomp_filter_end(&filter);
    return load(&filter, error);
}
