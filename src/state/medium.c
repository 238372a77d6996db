/*
 * medium.c - opening and using a file or block device; see medium.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/medium.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "state/record_lock.h"

#define DEFAULT_MODE 0640
#define OPEN_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define BLANK_HEAD (4u * 1024u * 1024u)
#define BLANK_TAIL (128u * 1024u)
#define BLANK_STEP 65536u

struct HfMedium {
    char *path;
    int fd; /* -1: missing, and only looked at */
    bool fixed;
    uint64_t device_size;
    bool locked;
    HfMediumConfig config;
};

static ssize_t system_write(void *user, int fd, const void *data, size_t n, off_t offset)
{
    (void)user;
    return pwrite(fd, data, n, offset);
}

static int system_sync(void *user, int fd)
{
    (void)user;
    return fdatasync(fd);
}

static const HfMediumOps system_ops = { system_write, system_sync };

static bool wrong_kind(const char *path, const struct stat *st, GError **error)
{
    return hf_error_set(error, HF_ERROR_INVALID,
                        "%s: expected a regular file or a block device, found %s", path,
                        S_ISDIR(st->st_mode)   ? "a directory"
                        : S_ISLNK(st->st_mode) ? "a symbolic link"
                                               : "something else");
}

/* Behind a symbolic link only a block device is opened; what was looked at is what is opened. */
static int open_behind_link(const char *path, int access, GError **error)
{
    hf_autofd int found = TEMP_FAILURE_RETRY(open(path, O_PATH | O_CLOEXEC));
    const struct stat link = { .st_mode = S_IFLNK };
    g_autofree char *held = NULL;
    struct stat st;
    int fd;

    if (found < 0 || fstat(found, &st) != 0) {
        hf_error_errno(error, errno, "cannot open %s", path);
        return -1;
    }
    if (!S_ISBLK(st.st_mode)) {
        wrong_kind(path, &link, error);
        return -1;
    }
    held = g_strdup_printf("/proc/self/fd/%d", found);
    fd = TEMP_FAILURE_RETRY(open(held, access | O_CLOEXEC));
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot open %s", path);
    }
    return fd;
}

static bool sync_parent(int dir, const char *path, GError **error)
{
    return fsync(dir) == 0 ||
           hf_error_errno(error, errno, "cannot write the directory of %s to disk", path);
}

/* Nothing is at `path`. That must be certain: a directory that is missing is an error. */
static int create(const char *path, const HfMediumConfig *config, bool *ret_missing, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    hf_autofd int dir = TEMP_FAILURE_RETRY(open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    hf_autofd int fd = -1;

    if (dir < 0) {
        hf_error_errno(error, errno, "cannot open directory %s", parent);
        return -1;
    }
    if (config->look_only) {
        *ret_missing = true;
        return -1;
    }
    fd = TEMP_FAILURE_RETRY(open(path, O_RDWR | O_CREAT | O_EXCL | OPEN_FLAGS,
                                 config->mode_given ? 0600 : DEFAULT_MODE));
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot make %s", path);
        return -1;
    }
    if (config->mode_given && fchmod(fd, config->mode) != 0) {
        hf_error_errno(error, errno, "cannot set the mode of %s", path);
        return -1;
    }
    return sync_parent(dir, path, error) ? hf_fd_steal(&fd) : -1;
}

static int open_or_create(const char *path, const HfMediumConfig *config, bool *ret_missing,
                          GError **error)
{
    int access = config->look_only ? O_RDONLY : O_RDWR;
    int fd = TEMP_FAILURE_RETRY(open(path, access | OPEN_FLAGS));

    if (fd >= 0) {
        return fd;
    }
    if (errno == ENOENT) {
        return create(path, config, ret_missing, error);
    }
    if (errno == ELOOP) {
        return open_behind_link(path, access, error);
    }
    hf_error_errno(error, errno, "cannot open %s", path);
    return -1;
}

static bool examine(HfMedium *medium, GError **error)
{
    struct stat st;
    off_t end;

    if (fstat(medium->fd, &st) != 0) {
        return hf_error_errno(error, errno, "cannot examine %s", medium->path);
    }
    if (S_ISREG(st.st_mode)) {
        return true;
    }
    if (!S_ISBLK(st.st_mode)) {
        return wrong_kind(medium->path, &st, error);
    }
    end = lseek(medium->fd, 0, SEEK_END);
    if (end < 0) {
        return hf_error_errno(error, errno, "cannot find the size of %s", medium->path);
    }
    medium->fixed = true;
    medium->device_size = (uint64_t)end;
    return true;
}

HfMedium *hf_medium_open(const char *path, const HfMediumConfig *config, GError **error)
{
    g_autoptr(HfMedium) medium = NULL;
    bool missing = false;

    if (*path == '\0') {
        hf_error_set(error, HF_ERROR_INVALID, "the file of the state has no name");
        return NULL;
    }
    medium = g_new0(HfMedium, 1);
    medium->path = g_strdup(path);
    medium->config = *config;
    if (!config->ops) {
        medium->config.ops = &system_ops;
    }
    medium->fd = open_or_create(path, config, &missing, error);
    if (medium->fd < 0) {
        return missing ? g_steal_pointer(&medium) : NULL;
    }
    return examine(medium, error) ? g_steal_pointer(&medium) : NULL;
}

void hf_medium_free(HfMedium *medium)
{
    if (medium) {
        hf_fd_close(&medium->fd);
        g_free(medium->path);
        g_free(medium);
    }
}

const char *hf_medium_path(const HfMedium *medium)
{
    return medium->path;
}

bool hf_medium_fixed(const HfMedium *medium)
{
    return medium->fixed;
}

bool hf_medium_size(const HfMedium *medium, uint64_t *ret_size, GError **error)
{
    struct stat st = { 0 };

    if (medium->fixed) {
        *ret_size = medium->device_size;
        return true;
    }
    if (medium->fd >= 0 && fstat(medium->fd, &st) != 0) {
        return hf_error_errno(error, errno, "cannot examine %s", medium->path);
    }
    /* A file that was removed while it was open would take the state and lose it. */
    if (medium->fd >= 0 && st.st_nlink == 0) {
        return hf_error_set(error, HF_ERROR_IO, "%s was removed", medium->path);
    }
    *ret_size = (uint64_t)st.st_size;
    return true;
}

bool hf_medium_read(const HfMedium *medium, uint64_t offset, void *buffer, size_t n, GError **error)
{
    uint8_t *at = buffer;

    while (n > 0) {
        ssize_t got = pread(medium->fd, at, n, (off_t)offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return hf_error_errno(error, errno, "cannot read %s", medium->path);
        }
        if (got == 0) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s ends at %" PRIu64 ": it is truncated",
                                medium->path, offset);
        }
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return true;
}

bool hf_medium_write(HfMedium *medium, uint64_t offset, const void *data, size_t n, GError **error)
{
    const uint8_t *at = data;

    if (medium->fd < 0 || medium->config.look_only) {
        return hf_error_set(error, HF_ERROR_STATE, "%s is only looked at", medium->path);
    }
    while (n > 0) {
        ssize_t done =
            medium->config.ops->write(medium->config.user, medium->fd, at, n, (off_t)offset);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return hf_error_errno(error, done < 0 ? errno : EIO, "cannot write %s", medium->path);
        }
        at += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

bool hf_medium_sync(HfMedium *medium, GError **error)
{
    while (medium->config.fsync && medium->config.ops->sync(medium->config.user, medium->fd) != 0) {
        if (errno != EINTR) {
            return hf_error_errno(error, errno, "cannot write %s to disk", medium->path);
        }
    }
    return true;
}

static bool zero_between(const HfMedium *medium, uint64_t from, uint64_t end, bool *ret_zero,
                         GError **error)
{
    g_autofree uint8_t *buffer = g_malloc(BLANK_STEP);

    *ret_zero = true;
    while (from < end && *ret_zero) {
        size_t n = (size_t)MIN(end - from, BLANK_STEP);

        if (!hf_medium_read(medium, from, buffer, n, error)) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            *ret_zero = *ret_zero && buffer[i] == 0;
        }
        from += n;
    }
    return true;
}

bool hf_medium_blank(const HfMedium *medium, bool *ret_blank, GError **error)
{
    uint64_t size = 0;

    if (!hf_medium_size(medium, &size, error) ||
        !zero_between(medium, 0, MIN(size, BLANK_HEAD), ret_blank, error)) {
        return false;
    }
    return !*ret_blank ||
           zero_between(medium, size > BLANK_TAIL ? size - BLANK_TAIL : 0, size, ret_blank, error);
}

bool hf_medium_lock(HfMedium *medium, unsigned retries, GError **error)
{
    if (!medium->locked) {
        medium->locked = hf_record_lock(medium->fd, retries, medium->path, error);
    }
    return medium->locked;
}

void hf_medium_unlock(HfMedium *medium)
{
    if (medium->locked) {
        hf_record_unlock(medium->fd);
    }
    medium->locked = false;
}
