/*
 * file.c - opening, reading and replacing files below a held directory.
 *
 * Opens are O_NOFOLLOW and O_NONBLOCK (a FIFO planted at a name must not hang us); what is not a
 * regular file is refused after fstat. Nothing here retries or falls back: the caller decides.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

void hf_fd_cleanup(int *fd)
{
    hf_fd_close(fd);
}

void hf_fd_close(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        (void)close(*fd);
        errno = saved;
        *fd = -1;
    }
}

int hf_fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

int hf_dir_open_at(int dir, const char *name, GError **error)
{
    int fd = TEMP_FAILURE_RETRY(openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0) {
        int saved = errno;
        struct stat st;
        bool link = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        if (link) {
            hf_error_set(error, HF_ERROR_INVALID, "%s: expected a directory, found a symbolic link",
                         name);
        } else {
            hf_error_errno(error, saved, "cannot open directory %s", name);
        }
    }
    return fd;
}

int hf_dir_open(const char *path, GError **error)
{
    return hf_dir_open_at(AT_FDCWD, path, error);
}

int hf_dir_make(const char *path, mode_t mode, GError **error)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST) {
        hf_error_errno(error, errno, "cannot make directory %s", path);
        return -1;
    }
    return hf_dir_open(path, error);
}

/* A regular file, open for reading; -1 otherwise. ret_size: what fstat says. */
static int open_regular(int dir, const char *name, const char *label, size_t max, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(
        openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (fd < 0) {
        if (errno == ELOOP) {
            hf_error_set(error, HF_ERROR_INVALID,
                         "%s: expected a regular file, found a symbolic link", label);
        } else {
            hf_error_errno(error, errno, "cannot open %s", label);
        }
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        hf_error_errno(error, errno, "cannot examine %s", label);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a regular file, found %s", label,
                     S_ISDIR(st.st_mode) ? "a directory" : "a special file");
        return -1;
    }
    if ((uint64_t)st.st_size > max) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected at most %zu bytes, found %" PRIu64,
                     label, max, (uint64_t)st.st_size);
        return -1;
    }
    return hf_fd_steal(&fd);
}

/* Fills buffer (max + 1 bytes) from fd; *ret_size is what came. */
static bool read_all(int fd, uint8_t *buffer, size_t max, const char *label, size_t *ret_size,
                     GError **error)
{
    size_t have = 0;
    for (;;) {
        ssize_t n = read(fd, buffer + have, max + 1 - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return hf_error_errno(error, errno, "cannot read %s", label);
        }
        if (n == 0) {
            break;
        }
        have += (size_t)n;
        if (have > max) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: expected at most %zu bytes", label,
                                max);
        }
    }
    *ret_size = have;
    return true;
}

/* How much to have ready for fd: the file's size when it is a regular file that tells it, else max.
 * (Files that the kernel makes up say 0.) */
static size_t reading_limit(int fd, size_t max)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size < max) {
        return (size_t)st.st_size;
    }
    return max;
}

GBytes *hf_fd_read_all(int fd, size_t max, const char *label, GError **error)
{
    size_t limit = reading_limit(fd, max);
    uint8_t *buffer = g_malloc(limit + 1);
    size_t size = 0;
    if (!read_all(fd, buffer, limit, label, &size, error)) {
        hf_secret_wipe_free(buffer, limit + 1);
        return NULL;
    }
    return hf_secret_bytes_take(buffer, size); /* it may be the state of a TPM */
}

HfSecret *hf_fd_read_secret(int fd, size_t max, const char *label, GError **error)
{
    g_autoptr(HfSecret) secret = hf_secret_new(max + 1);
    size_t size = 0;
    if (!read_all(fd, secret->data, max, label, &size, error)) {
        return NULL;
    }
    hf_secret_truncate(secret, size);
    return g_steal_pointer(&secret);
}

GBytes *hf_file_read_at(int dir, const char *name, size_t max, const char *label, GError **error)
{
    hf_autofd int fd = open_regular(dir, name, label, max, error);
    return fd < 0 ? NULL : hf_fd_read_all(fd, max, label, error);
}

int hf_file_open_input(const char *path, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (fd < 0 || fcntl(fd, F_SETFL, 0) != 0) {
        hf_error_errno(error, errno, "cannot open %s", path);
        return -1;
    }
    return hf_fd_steal(&fd);
}

GBytes *hf_file_read_input(const char *path, size_t max, GError **error)
{
    hf_autofd int fd = hf_file_open_input(path, error);
    return fd < 0 ? NULL : hf_fd_read_all(fd, max, path, error);
}

GBytes *hf_file_read(const char *path, size_t max, GError **error)
{
    return hf_file_read_at(AT_FDCWD, path, max, path, error);
}

bool hf_file_read_if_at(int dir, const char *name, size_t max, const char *label, GBytes **ret_file,
                        GError **error)
{
    g_autoptr(GError) local = NULL;

    *ret_file = hf_file_read_at(dir, name, max, label, &local);
    if (*ret_file || hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}

HfSecret *hf_file_read_secret(const char *path, size_t max, GError **error)
{
    hf_autofd int fd = open_regular(AT_FDCWD, path, path, max, error);
    return fd < 0 ? NULL : hf_fd_read_secret(fd, max, path, error);
}

bool hf_fd_write_all(int fd, const void *data, size_t n, const char *label, GError **error)
{
    const uint8_t *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return hf_error_errno(error, errno, "cannot write %s", label);
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* A new file of a name nobody has yet: ".NAME.XXXXXXXXXXXXXXXX.tmp". */
static int open_temporary(int dir, const char *name, const char *label, char **ret_name,
                          GError **error)
{
    int cause = EEXIST;
    for (int attempt = 0; attempt < 16 && cause == EEXIST; attempt++) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
            hf_error_errno(error, errno, "no random bytes for a temporary name of %s", label);
            return -1;
        }
        char *temporary = g_strdup_printf(".%s.%016" PRIx64 ".tmp", name, random);
        int fd = TEMP_FAILURE_RETRY(
            openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (fd >= 0) {
            *ret_name = temporary;
            return fd;
        }
        cause = errno;
        g_free(temporary);
    }
    hf_error_errno(error, cause, "cannot make a temporary file for %s", label);
    return -1;
}

/* Content, mode and fdatasync of a file that has no reader yet. */
static bool fill(int fd, const void *data, size_t n, mode_t mode, const char *label, GError **error)
{
    if (!hf_fd_write_all(fd, data, n, label, error)) {
        return false;
    }
    if (fchmod(fd, mode) != 0) {
        return hf_error_errno(error, errno, "cannot set the mode of %s", label);
    }
    if (TEMP_FAILURE_RETRY(fdatasync(fd)) != 0) {
        return hf_error_errno(error, errno, "cannot sync %s", label);
    }
    return true;
}

static bool sync_directory(int dir, const char *label, GError **error)
{
    if (TEMP_FAILURE_RETRY(fsync(dir)) != 0) {
        return hf_error_errno(error, errno, "cannot sync the directory of %s", label);
    }
    return true;
}

/* A file with this content that waits for its name; its name until then, or NULL. */
static char *make_temporary(int dir, const char *name, const void *data, size_t n, mode_t mode,
                            const char *label, GError **error)
{
    g_autofree char *temporary = NULL;
    hf_autofd int fd = open_temporary(dir, name, label, &temporary, error);
    if (fd < 0) {
        return NULL;
    }
    if (!fill(fd, data, n, mode, label, error)) {
        (void)unlinkat(dir, temporary, 0);
        return NULL;
    }
    return g_steal_pointer(&temporary);
}

bool hf_file_replace_at(int dir, const char *name, const void *data, size_t n, mode_t mode,
                        const char *label, GError **error)
{
    g_autofree char *temporary = make_temporary(dir, name, data, n, mode, label, error);
    if (!temporary) {
        return false;
    }
    if (renameat(dir, temporary, dir, name) != 0) {
        hf_error_errno(error, errno, "cannot replace %s", label);
        (void)unlinkat(dir, temporary, 0);
        return false;
    }
    return sync_directory(dir, label, error);
}

bool hf_file_remove_at(int dir, const char *name, const char *label, GError **error)
{
    if (unlinkat(dir, name, 0) != 0 && errno != ENOENT) {
        return hf_error_errno(error, errno, "cannot remove %s", label);
    }
    return sync_directory(dir, label, error);
}

/* The directory of `path`, open, and the name in it (borrowed from path). */
static int open_parent(const char *path, const char **ret_name, GError **error)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (*name == '\0') {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected the name of a file", path);
        return -1;
    }
    g_autofree char *parent = g_path_get_dirname(path);
    /* The parent may be reached over links: only the last component is ours to protect. */
    int dir = TEMP_FAILURE_RETRY(open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir < 0) {
        hf_error_errno(error, errno, "cannot open directory %s", parent);
        return -1;
    }
    *ret_name = name;
    return dir;
}

bool hf_file_replace(const char *path, const void *data, size_t n, mode_t mode, GError **error)
{
    const char *name = NULL;
    hf_autofd int dir = open_parent(path, &name, error);
    return dir >= 0 && hf_file_replace_at(dir, name, data, n, mode, path, error);
}

/* Whether nobody but root and this user can put a name into the directory. */
static bool only_ours(int dir)
{
    struct stat st;
    return fstat(dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool hf_file_write(const char *path, const void *data, size_t n, mode_t mode, GError **error)
{
    struct stat st;
    const char *name = NULL;
    hf_autofd int dir = open_parent(path, &name, error);
    if (dir < 0) {
        return false;
    }
    bool absent = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
    if (absent || S_ISREG(st.st_mode)) {
        return hf_file_replace_at(dir, name, data, n, mode, path, error);
    }
    /* /dev/stdout is a link; one in a directory of others may lead to any file of ours. */
    int follow = only_ours(dir) ? O_TRUNC | O_CREAT : O_NOFOLLOW;
    hf_autofd int fd =
        TEMP_FAILURE_RETRY(openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOCTTY | follow, mode));
    if (fd < 0 && errno == ELOOP) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: a symbolic link in a directory that others can write to", path);
    }
    if (fd < 0) {
        return hf_error_errno(error, errno, "cannot open %s", path);
    }
    return hf_fd_write_all(fd, data, n, path, error);
}

/* That `path` names the open file, and nothing else does. A link that is taken away between open and
 * fstat would leave a file of somebody else's with its one name, so the name is asked. */
static bool has_one_name(const char *path, const struct stat *opened, GError **error)
{
    struct stat named;
    if (lstat(path, &named) != 0) {
        return hf_error_errno(error, errno, "cannot open %s", path);
    }
    if (named.st_dev != opened->st_dev || named.st_ino != opened->st_ino) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "cannot open %s: it was replaced while it was opened", path);
    }
    return named.st_nlink == 1 ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "cannot open %s: the file has %ju names (hard links), expected one", path,
                        (uintmax_t)named.st_nlink);
}

/* The kernel finds a file and then reads how many names it has, and a link may go in between. It has
 * to be there again for the next look, and to go in that very moment, too. */
static bool stays_with_one_name(const char *path, const struct stat *opened, GError **error)
{
    for (int looks = 0; looks < 3; looks++) {
        if (!has_one_name(path, opened, error)) {
            return false;
        }
    }
    return true;
}

int hf_file_open_output(const char *path, HfOutput how, mode_t mode, GError **error)
{
    const int append = (how & HF_OUTPUT_APPEND) != 0 ? O_APPEND : 0;
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, flags | append, mode));
    struct stat st;
    if (fd < 0 && errno == ELOOP) {
        hf_error_set(error, HF_ERROR_INVALID, "cannot open %s: it is a symbolic link", path);
        return -1;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        hf_error_errno(error, errno, "cannot open %s", path);
        return -1;
    }
    if (S_ISREG(st.st_mode) && !stays_with_one_name(path, &st, error)) {
        return -1;
    }
    /* Only now: what was refused is as it was. */
    bool cut = (how & HF_OUTPUT_EMPTY) != 0 && S_ISREG(st.st_mode);
    if ((cut && ftruncate(fd, 0) != 0) || fcntl(fd, F_SETFL, append) != 0) {
        hf_error_errno(error, errno, "cannot set up %s", path);
        return -1;
    }
    return hf_fd_steal(&fd);
}

bool hf_file_create_at(int dir, const char *name, const void *data, size_t n, mode_t mode,
                       const char *label, GError **error)
{
    g_autofree char *temporary = make_temporary(dir, name, data, n, mode, label, error);
    if (!temporary) {
        return false;
    }
    /* A link fails where a rename would replace. */
    int linked = linkat(dir, temporary, dir, name, 0);
    int saved = errno;
    (void)unlinkat(dir, temporary, 0);
    if (linked != 0) {
        return hf_error_errno(error, saved, "cannot make %s", label);
    }
    return sync_directory(dir, label, error);
}
