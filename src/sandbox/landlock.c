/*
 * landlock.c - stage 2, second half: files only below the directories given.
 *
 * Landlock takes rights away from what a process may open later; what it holds open keeps working.
 * All rights that the running kernel knows are handled, so all are denied unless a rule grants
 * them. The C library has no functions for it and Debian's headers are older than the kernels we
 * run on, so numbers and structures stand here, as linux/landlock.h of Linux 6.12 has them. Where
 * the kernel has no Landlock the caller is told and decides; nothing here logs.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "sandbox/process.h"
#include "sandbox/sandbox.h"

/* The same numbers on every processor. */
enum { CALL_CREATE_RULESET = 444, CALL_ADD_RULE = 445, CALL_RESTRICT_SELF = 446 };
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,    /* from version 2: move or link between directories */
    FS_TRUNCATE = 1 << 14, /* from version 3 */
    FS_IOCTL_DEV = 1 << 15 /* from version 5 */
};
enum { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1 };            /* from version 4 */
enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* from version 6 */

/* A state directory is flat: files in it are replaced by rename; READ_DIR is for opening the
 * directory itself to sync it. */
#define STATE_RIGHTS \
    (FS_READ_FILE | FS_WRITE_FILE | FS_READ_DIR | FS_MAKE_REG | FS_REMOVE_FILE | FS_TRUNCATE)
#define UNLINK_RIGHTS FS_REMOVE_FILE
#define READ_RIGHTS (FS_READ_FILE | FS_READ_DIR)

typedef struct {
    uint64_t handled_fs;
    uint64_t handled_net; /* from version 4 */
    uint64_t scoped;      /* from version 6 */
} Ruleset;

typedef struct {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed)) PathRule;

int hf_sandbox_landlock_abi(void)
{
    long abi = syscall(CALL_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

/* The kernel refuses a structure with bits or members that it does not know. */
static Ruleset ruleset_for(int abi, bool keep_network, size_t *ret_size)
{
    Ruleset set = { .handled_fs = FS_REFER - 1 };
    *ret_size = sizeof set.handled_fs;
    if (abi >= 2) {
        set.handled_fs |= FS_REFER;
    }
    if (abi >= 3) {
        set.handled_fs |= FS_TRUNCATE;
    }
    if (abi >= 4) {
        set.handled_net = keep_network ? 0 : NET_BIND_TCP | NET_CONNECT_TCP;
        *ret_size = offsetof(Ruleset, scoped);
    }
    if (abi >= 5) {
        set.handled_fs |= FS_IOCTL_DEV;
    }
    if (abi >= 6) {
        set.scoped = SCOPE_SIGNAL | (keep_network ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET);
        *ret_size = sizeof set;
    }
    return set;
}

static bool allow(int ruleset, const int *dirs, size_t n, uint64_t rights, GError **error)
{
    for (size_t i = 0; i < n; i++) {
        const PathRule rule = { .allowed = rights, .parent_fd = dirs[i] };
        if (syscall(CALL_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0) {
            return hf_error_errno(error, errno, "landlock: cannot add directory descriptor %d",
                                  dirs[i]);
        }
    }
    return true;
}

/* What a program built with instruments writes or reads when it ends. */
static bool allow_instruments(int ruleset G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
#ifdef HF_SANITIZERS
    /* The leak checker: /proc/self/{maps,task}. */
    hf_autofd int proc = hf_dir_open("/proc", error);
    if (proc < 0 || !allow(ruleset, &proc, 1, FS_READ_FILE | FS_READ_DIR, error)) {
        return false;
    }
#endif
#ifdef HF_COVERAGE
    /* The counts; out of reach in another root directory. */
    hf_autofd int counts = hf_dir_open(HF_COVERAGE, NULL);
    return counts < 0 || allow(ruleset, &counts, 1, STATE_RIGHTS, error);
#else
    return true;
#endif
}

bool hf_sandbox_landlock(const HfSandboxPaths *paths, bool *ret_active, GError **error)
{
    if (!hf_process_is_single("landlock", error)) {
        return false;
    }
    int abi = hf_sandbox_landlock_abi();
    if (abi == 0) {
        *ret_active = false;
        return true;
    }
    size_t size = 0;
    const Ruleset set = ruleset_for(abi, paths->keep_network, &size);
    hf_autofd int ruleset = (int)syscall(CALL_CREATE_RULESET, &set, size, 0);
    if (ruleset < 0) {
        return hf_error_errno(error, errno, "landlock: cannot make a ruleset (version %d)", abi);
    }
    if (!allow(ruleset, paths->state_dirs, paths->n_state_dirs, STATE_RIGHTS & set.handled_fs,
               error) ||
        !allow(ruleset, paths->unlink_dirs, paths->n_unlink_dirs, UNLINK_RIGHTS, error) ||
        !allow(ruleset, paths->read_dirs, paths->n_read_dirs, READ_RIGHTS, error) ||
        !allow_instruments(ruleset, error)) {
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(CALL_RESTRICT_SELF, ruleset, 0) != 0) {
        return hf_error_errno(error, errno, "landlock: cannot restrict the process");
    }
    *ret_active = true;
    return true;
}
