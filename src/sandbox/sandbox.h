/*
 * sandbox.h - the stages in which a process gives up what it does not need.
 *
 * Stage 1, first thing in main: not dumpable, no new privileges, stdio descriptors present, no
 *          core files.
 * Stage 2, when everything named on the command line is open: user changed, supplementary groups
 *          set, capabilities dropped, Landlock: files only below the directories given.
 * Stage 3, before the first guest byte: seccomp allow-list of the profile.
 * There is no way back from a stage. Stage 2 binds the calling thread and those it starts later, so
 * it refuses (HF_ERROR_STATE) once there are other threads; stage 3 binds every thread there is.
 * Each system call of a profile stands in its list with the code that needs it (seccomp.c).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_SANDBOX_SANDBOX_H
#define HOLDFAST_SANDBOX_SANDBOX_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

bool hf_sandbox_stage1(GError **error);

/* The number of a user given by name or number. HF_ERROR_NOT_FOUND: no such user. */
bool hf_sandbox_look_up(const char *user, uid_t *ret_uid, GError **error);

/* Becomes another user for good: a name (its group and supplementary groups) or a number (group =
 * the same number, no supplementary groups). NULL, or the user that the process is already: nothing
 * happens. HF_ERROR_NOT_FOUND: no such user; HF_ERROR_ACCESS: not allowed to. */
bool hf_sandbox_become(const char *user, GError **error);

/* The same with `root` (NULL: none) as the root directory from then on, and the working directory.
 * The user is looked up before, so the new root needs no user data base. HF_ERROR_ACCESS: only root
 * may. */
bool hf_sandbox_become_in(const char *root, const char *user, GError **error);

/* Drops every capability from the bounding, ambient, inheritable, permitted and effective sets. A
 * process that stays root can then open only what root owns or what is open to everybody. */
bool hf_sandbox_drop_capabilities(GError **error);
/* The same, but where `blocked` says, while no capability is in force, that root cannot work like
 * that, CAP_DAC_OVERRIDE stays if it is there (*ret_kept): no other, and no way back to more. */
bool hf_sandbox_drop_capabilities_unless(bool (*blocked)(const void *user), const void *user,
                                         bool *ret_kept, GError **error);

/* Directories (open descriptors; O_PATH will do; borrowed, only needed during the call) below which
 * files may still be made, read, written, truncated, renamed and removed, and those in which only
 * removing is needed (sockets, pid file). Nothing else on the file system can be opened, made,
 * renamed, removed or executed. Descriptors that are open already keep working. */
typedef struct {
    const int *state_dirs;
    size_t n_state_dirs;
    const int *unlink_dirs;
    size_t n_unlink_dirs;
    const int *read_dirs; /* below which files may only be read */
    size_t n_read_dirs;
    bool keep_network; /* leave TCP connect and bind alone (needed before all sockets are open) */
} HfSandboxPaths;

/* Where the kernel has no Landlock: true, with *ret_active false. */
bool hf_sandbox_landlock(const HfSandboxPaths *paths, bool *ret_active, GError **error);

/* The kernel's Landlock version; 0: none. TCP is covered from 4 on, signals and abstract sockets
 * from 6 on. */
int hf_sandbox_landlock_abi(void);

typedef enum {
    HF_SECCOMP_KILL, /* default: the process dies of SIGSYS */
    HF_SECCOMP_LOG,  /* violations are logged by the kernel and allowed */
    HF_SECCOMP_NONE, /* no filter */
} HfSeccompAction;

typedef enum {
    HF_PROFILE_EMULATOR,      /* holdfast socket, in service: its threads and sockets exist; its
                               * state is in a directory */
    HF_PROFILE_EMULATOR_FILE, /* the same, its state in one file or device that is open */
    HF_PROFILE_CUSE,          /* holdfast cuse: its worker and the descriptor of /dev/cuse exist */
    HF_PROFILE_CUSE_FILE,     /* the same, its state in one file or device that is open */
    HF_PROFILE_MANUFACTURE,   /* holdfast-setup's engine child: one thread, one socket, no files */
    HF_PROFILE_CA,            /* holdfast-ca serve: its worker and its listening sockets exist */
} HfSeccompProfile;

/* Binds all threads. A thread made before must have begun to run its function: on its way there the
 * C library makes calls that no profile has. The engine must exist too (it opens descriptors). */
bool hf_sandbox_seccomp(HfSeccompProfile profile, HfSeccompAction action, GError **error);

/* One rule of a profile; a system call with several permitted arguments has several rules. */
typedef struct {
    const char *name;      /* of the system call */
    int number;            /* on this processor; negative: it has no such call */
    const char *condition; /* in words, which arguments; NULL: any */
    const char *reason;    /* which code needs it */
    int refused;           /* the call is not made, the caller gets this errno; 0: it is made */
} HfSeccompRule;

/* The rule at `index`; false past the last one. Builds with sanitizers have more rules. */
bool hf_seccomp_rule(HfSeccompProfile profile, size_t index, HfSeccompRule *ret_rule);

#endif
