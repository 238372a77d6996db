/*
 * privileges.c - stage 2, first half: which user the process is and what it may do as that user.
 *
 * The change of user is for good and is checked by trying to go back. Capabilities are dropped from
 * all five sets with the bare system calls: libcap would be one more library in every emulator.
 * Nothing here opens a file but what the name service needs to look a user up.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "sandbox/process.h"
#include "sandbox/sandbox.h"

#define MAX_PASSWD_ENTRY (1024 * 1024)
#define MAX_GROUPS 65536
#define OVERRIDE (UINT32_C(1) << CAP_DAC_OVERRIDE)

typedef struct {
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* owned; of a name: those of the group data base; of a number: none */
    int n_groups;
} Target;

static void target_clear(Target *target)
{
    g_free(target->groups);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_clear)

bool hf_process_is_single(const char *step, GError **error)
{
    struct stat st;
    /* The directory has ".", ".." and one directory a thread. */
    if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "%s must come before the first thread; there are %lu", step,
                            (unsigned long)st.st_nlink - 2);
    }
    return true;
}

static bool parse_number(const char *user, Target *ret, GError **error)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(user, 10, 0, UINT32_MAX - 1, &number, NULL)) {
        return hf_error_set(error, HF_ERROR_INVALID, "user number %s: expected 0 to %u", user,
                            UINT32_MAX - 1);
    }
    *ret = (Target){ .uid = (uid_t)number, .gid = (gid_t)number };
    return true;
}

static bool look_up_groups(const char *user, Target *target, GError **error)
{
    target->n_groups = 16;
    target->groups = g_new(gid_t, (size_t)target->n_groups);
    while (getgrouplist(user, target->gid, target->groups, &target->n_groups) < 0) {
        if (target->n_groups > MAX_GROUPS) {
            return hf_error_set(error, HF_ERROR_INVALID, "user '%s' is in more than %d groups",
                                user, MAX_GROUPS);
        }
        target->groups = g_renew(gid_t, target->groups, (size_t)target->n_groups);
    }
    return true;
}

static bool look_up_name(const char *user, Target *ret, GError **error)
{
    for (size_t size = 1024; size <= MAX_PASSWD_ENTRY; size *= 4) {
        g_autofree char *buffer = g_malloc(size);
        struct passwd entry;
        struct passwd *found = NULL;
        int rc = getpwnam_r(user, &entry, buffer, size, &found);
        if (rc == ERANGE) {
            continue;
        }
        if (found != NULL) {
            *ret = (Target){ .uid = found->pw_uid, .gid = found->pw_gid };
            return look_up_groups(user, ret, error);
        }
        if (rc != 0 && rc != ENOENT && rc != ESRCH) {
            return hf_error_errno(error, rc, "cannot look up user '%s'", user);
        }
        return hf_error_set(error, HF_ERROR_NOT_FOUND, "user '%s' does not exist", user);
    }
    return hf_error_set(error, HF_ERROR_INVALID, "user '%s': its entry is larger than %d bytes",
                        user, MAX_PASSWD_ENTRY);
}

static bool is_already(const Target *target)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (uid[i] != target->uid || gid[i] != target->gid) {
            return false;
        }
    }
    return true;
}

static bool change_ids(const char *user, const Target *target, GError **error)
{
    if (setgroups((size_t)target->n_groups, target->groups) != 0) {
        return hf_error_errno(error, errno, "cannot set the groups of user '%s'", user);
    }
    if (setresgid(target->gid, target->gid, target->gid) != 0) {
        return hf_error_errno(error, errno, "cannot set group %u of user '%s'", target->gid, user);
    }
    if (setresuid(target->uid, target->uid, target->uid) != 0) {
        return hf_error_errno(error, errno, "cannot become user '%s' (%u)", user, target->uid);
    }
    return true;
}

/* Nothing of the old identity may come back. */
static bool check_ids(const char *user, const Target *target, uid_t old_uid, gid_t old_gid,
                      GError **error)
{
    bool back = false;
    if (target->uid != 0) {
        back = setresuid((uid_t)-1, 0, (uid_t)-1) == 0;
        back |= target->uid != old_uid && setresuid((uid_t)-1, old_uid, (uid_t)-1) == 0;
        back |= target->gid != old_gid && setresgid((gid_t)-1, old_gid, (gid_t)-1) == 0;
    }
    if (back || !is_already(target)) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "became user '%s', but could still change back to another", user);
    }
    return true;
}

static bool look_up(const char *user, Target *ret, GError **error)
{
    bool number = g_ascii_isdigit(user[0]) && strspn(user, "0123456789") == strlen(user);
    return number ? parse_number(user, ret, error) : look_up_name(user, ret, error);
}

bool hf_sandbox_look_up(const char *user, uid_t *ret_uid, GError **error)
{
    g_auto(Target) target = { 0 };
    if (!look_up(user, &target, error)) {
        return false;
    }
    *ret_uid = target.uid;
    return true;
}

static bool change_root(const char *root, GError **error)
{
    if (root != NULL && (chroot(root) != 0 || chdir("/") != 0)) {
        return hf_error_errno(error, errno, "cannot make %s the root directory", root);
    }
    return true;
}

bool hf_sandbox_become(const char *user, GError **error)
{
    return hf_sandbox_become_in(NULL, user, error);
}

bool hf_sandbox_become_in(const char *root, const char *user, GError **error)
{
    g_auto(Target) target = { 0 };
    if (user == NULL) {
        return change_root(root, error);
    }
    if (!look_up(user, &target, error) || !change_root(root, error)) {
        return false;
    }
    uid_t old_uid = getuid();
    gid_t old_gid = getgid();
    if (is_already(&target) && geteuid() != 0) {
        return true;
    }
    return change_ids(user, &target, error) && check_ids(user, &target, old_uid, old_gid, error) &&
           hf_process_hide(error);
}

static bool drop_bounding_set(GError **error)
{
    for (unsigned long cap = 0;; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) {
            continue;
        }
        if (errno == EINVAL) {
            return true; /* past the kernel's last capability */
        }
        /* An ordinary user may not touch the bounding set. It has nothing to hand on either: there
         * is no capability to start from, and no_new_privs stops programs that would bring some. */
        if (errno == EPERM && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
            return true;
        }
        return hf_error_errno(error, errno, "cannot drop capability %lu from the bounding set",
                              cap);
    }
}

/* Sets and reads back: permitted and effective are these, inheritable none. */
static bool set_capabilities(uint32_t permitted, uint32_t effective, GError **error)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
    sets[0].permitted = permitted;
    sets[0].effective = effective;
    if (syscall(SYS_capset, &header, sets) != 0) {
        return hf_error_errno(error, errno, "cannot drop the capabilities");
    }
    memset(sets, 0, sizeof(sets));
    if (syscall(SYS_capget, &header, sets) != 0) {
        return hf_error_errno(error, errno, "cannot read the capabilities back");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        if (sets[i].permitted != (i == 0 ? permitted : 0) ||
            sets[i].effective != (i == 0 ? effective : 0) || sets[i].inheritable != 0) {
            return hf_error_set(error, HF_ERROR_FAILED,
                                "capabilities are left after dropping them all");
        }
    }
    return true;
}

static bool has_override(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
    return syscall(SYS_capget, &header, sets) == 0 && (sets[0].permitted & OVERRIDE) != 0;
}

bool hf_sandbox_drop_capabilities_unless(bool (*blocked)(const void *user), const void *user,
                                         bool *ret_kept, GError **error)
{
    bool asked = blocked && geteuid() == 0 && has_override();
    if (!hf_process_is_single("dropping capabilities", error) || !drop_bounding_set(error)) {
        return false;
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        return hf_error_errno(error, errno, "cannot clear the ambient capabilities");
    }
    if (!set_capabilities(asked ? OVERRIDE : 0, 0, error)) {
        return false;
    }
    bool kept = asked && blocked(user);
    if (asked && !set_capabilities(kept ? OVERRIDE : 0, kept ? OVERRIDE : 0, error)) {
        return false;
    }
    *ret_kept = kept;
    return hf_process_hide(error);
}

bool hf_sandbox_drop_capabilities(GError **error)
{
    bool kept = false;
    return hf_sandbox_drop_capabilities_unless(NULL, NULL, &kept, error);
}
