/*
 * ca_confine.c - memory, files and system calls of a CA that serves.
 *
 * A file that is replaced is another one to Landlock, so the right to read is one on directories: that
 * of each file that the options name, or the directory that they name.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/sandbox.h"

/* Options with files that are read again. */
static const char *const single[] = {
    "approver-public", "environments", "tls-certificate", "tls-key", "tls-clients",
};
static const char *const several[] = {
    "approved-pcrs", "ek-roots", "ek-list", "vma-root", "vma", "crl",
};

bool hf_ca_confine_memory(GError **error)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    struct rlimit now;

    /* Below a limit, locked memory would be memory that cannot grow. */
    if (setrlimit(RLIMIT_MEMLOCK, &all) != 0 &&
        (getrlimit(RLIMIT_MEMLOCK, &now) != 0 || now.rlim_cur != RLIM_INFINITY)) {
        hf_log(1,
               "memory is not locked and may be swapped out, but for keys that wait: the limit for "
               "locked memory is not \"infinity\"");
        return true;
    }
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 ||
           hf_error_errno(error, errno, "cannot lock memory");
}

static bool is_elsewhere(const HfCaDir *ca)
{
    return strcmp(ca->signer->class->name, "file") != 0;
}

/* Adds the directory in which `path` is, or that it is; where it is a link, also the one in which the
 * file is, for the next one may appear there. */
static bool add_place(GArray *places, const char *path, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *real = realpath(path, NULL);
    g_autofree char *home = real ? g_path_get_dirname(real) : NULL;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOTDIR) {
        int behind = home ? open(home, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

        if (behind >= 0) {
            g_array_append_val(places, behind);
        }
        fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        return hf_error_errno(error, errno, "%s", path);
    }
    g_array_append_val(places, fd);
    return true;
}

static bool find_places(const HfOptions *options, GArray *places, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(single); i++) {
        const char *path = hf_options_string(options, single[i]);

        if (path && !add_place(places, path, error)) {
            return false;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(several); i++) {
        for (const char *const *path = hf_options_list(options, several[i]); *path; path++) {
            if (!add_place(places, *path, error)) {
                return false;
            }
        }
    }
    return true;
}

static void close_place(void *place)
{
    hf_fd_close(place);
}

bool hf_ca_confine_files(const HfOptions *options, const HfCaDir *ca, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(int));
    HfSandboxPaths paths = { .state_dirs = &ca->fd, .n_state_dirs = 1 };
    bool active = false;

    if (is_elsewhere(ca)) {
        hf_log(1, "the CA's key is not in its directory: files and system calls are not confined");
        return true;
    }
    g_array_set_clear_func(places, close_place);
    if (!find_places(options, places, error)) {
        return false;
    }
    paths.read_dirs = (const int *)(const void *)places->data;
    paths.n_read_dirs = places->len;
    if (!hf_sandbox_landlock(&paths, &active, error)) {
        return false;
    }
    if (!active) {
        hf_log(1, "this kernel has no Landlock: files are not confined");
    }
    return true;
}

bool hf_ca_confine_calls(const HfOptions *options, const HfCaDir *ca, GError **error)
{
    const char *word = hf_options_string(options, "seccomp");
    HfSeccompAction action = strcmp(word, "none") == 0  ? HF_SECCOMP_NONE
                             : strcmp(word, "log") == 0 ? HF_SECCOMP_LOG
                                                        : HF_SECCOMP_KILL;

    return is_elsewhere(ca) || hf_sandbox_seccomp(HF_PROFILE_CA, action, error);
}
