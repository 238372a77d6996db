/*
 * sandbox.h - the stages in which a process gives up what it does not need.
 *
 * Stage 1, first thing in main: not dumpable, no new privileges, stdio descriptors present.
 * Stage 2, when everything named on the command line is open: user changed, supplementary groups
 *          set, capabilities dropped, Landlock: files only below the directories given.
 * Stage 3, before the first guest byte: seccomp allow-list of the profile.
 * There is no way back from a stage. Each system call of a profile stands in its list with the code
 * that needs it.
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

typedef struct {
    const char *user; /* --runas: name or number (numeric: gid = uid); NULL: stay */
} HfSandboxUser;

/* initgroups + setgid + setuid; NULL: stay. Then drops every capability (bounding, ambient,
 * inheritable, permitted, effective) that `keep_caps` (bit mask, usually 0) does not name. */
bool hf_sandbox_become(const char *user, GError **error);
bool hf_sandbox_drop_capabilities(GError **error);

/* Directories (open descriptors) below which files may still be made, read, written, renamed and
 * removed, and those in which only removing is needed (sockets, pid file). Everything else on the
 * file system becomes unreachable. Where the kernel has no Landlock: true, with *ret_active false.
 */
typedef struct {
    const int *state_dirs; /* read, write, create, rename, remove */
    size_t n_state_dirs;
    const int *unlink_dirs; /* remove only */
    size_t n_unlink_dirs;
    bool keep_network; /* leave TCP connect/bind alone (needed before all sockets are open) */
} HfSandboxPaths;
bool hf_sandbox_landlock(const HfSandboxPaths *paths, bool *ret_active, GError **error);

typedef enum {
    HF_SECCOMP_KILL, /* default: the process dies */
    HF_SECCOMP_LOG,  /* violations are logged by the kernel and allowed */
    HF_SECCOMP_NONE, /* no filter */
} HfSeccompAction;

typedef enum {
    HF_PROFILE_EMULATOR,    /* holdfast socket, in service */
    HF_PROFILE_MANUFACTURE, /* holdfast-setup's engine child: state directory and one pipe */
} HfSeccompProfile;

bool hf_sandbox_seccomp(HfSeccompProfile profile, HfSeccompAction action, GError **error);

#endif
