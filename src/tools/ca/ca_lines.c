/*
 * ca_lines.c - records of lines.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define CHUNK (64u * 1024u)

/* -1 and no error when there is no such record. */
static int open_record(const HfCaDir *ca, const char *name, const char *label, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(
        openat(ca->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat st;

    if (fd < 0) {
        if (errno != ENOENT) {
            hf_error_errno(error, errno, "%s", label);
        }
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: a regular file expected", label);
        return -1;
    }
    return hf_fd_steal(&fd);
}

/* One record on its way through memory. */
typedef struct {
    const char *label;
    HfCaLineSeen seen;
    void *user;
    GByteArray *have; /* read and not yet handed out */
    unsigned line;
} Pass;

static bool hand_out(Pass *pass, GError **error)
{
    size_t done = 0;
    const uint8_t *newline;

    while ((newline = memchr(pass->have->data + done, '\n', pass->have->len - done))) {
        size_t size = (size_t)(newline - pass->have->data) - done;
        g_autofree char *where = g_strdup_printf("%s: line %u", pass->label, ++pass->line);
        char *line = (char *)pass->have->data + done;

        line[size] = '\0';
        if (size > HF_CA_LINE_MAX) {
            break;
        }
        if (!pass->seen(line, size, where, pass->user, error)) {
            return false;
        }
        done += size + 1;
    }
    g_byte_array_remove_range(pass->have, 0, (unsigned)done);
    return pass->have->len <= HF_CA_LINE_MAX ||
           hf_error_set(error, HF_ERROR_INVALID, "%s: line %u: longer than %u bytes", pass->label,
                        pass->line + 1, HF_CA_LINE_MAX);
}

/* end: HF_CA_LINES_COMPLETE or how many bytes there must be. */
static bool run(Pass *pass, int fd, int64_t end, GError **error)
{
    int64_t left = end < 0 ? G_MAXINT64 : end;

    while (left > 0) {
        uint8_t chunk[CHUNK];
        ssize_t n = TEMP_FAILURE_RETRY(read(fd, chunk, (size_t)MIN((int64_t)CHUNK, left)));

        if (n < 0) {
            return hf_error_errno(error, errno, "cannot read %s", pass->label);
        }
        if (n == 0) {
            break;
        }
        left -= n;
        g_byte_array_append(pass->have, chunk, (unsigned)n);
        if (!hand_out(pass, error)) {
            return false;
        }
    }
    if (end >= 0 && (left > 0 || pass->have->len > 0)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            left > 0 ? "%s: it ends after line %u, and more is expected"
                                     : "%s: line %u: no end where it is expected",
                            pass->label, left > 0 ? pass->line : pass->line + 1);
    }
    return true;
}

bool hf_ca_lines_each(const HfCaDir *ca, const char *name, int64_t end, HfCaLineSeen seen,
                      void *user, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, name, NULL);
    g_autoptr(GByteArray) have = g_byte_array_new();
    g_autoptr(GError) local = NULL;
    hf_autofd int fd = open_record(ca, name, label, &local);
    Pass pass = { label, seen, user, have, 0 };

    if (fd < 0) {
        if (!local && end > 0) {
            return hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: missing", label);
        }
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        return true;
    }
    return run(&pass, fd, end, error);
}

typedef struct {
    HfCaLineParse parse;
    GPtrArray *entries;
} Collection;

static bool collect(const char *line, size_t size, const char *where, void *user, GError **error)
{
    Collection *collection = user;
    gpointer entry = size > 0 ? collection->parse(line, where, error) : NULL;

    if (entry) {
        g_ptr_array_add(collection->entries, entry);
    }
    return entry || size == 0;
}

GPtrArray *hf_ca_lines_read(const HfCaDir *ca, const char *name, HfCaLineParse parse,
                            GDestroyNotify free, GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(free);
    Collection collection = { parse, entries };

    return hf_ca_lines_each(ca, name, HF_CA_LINES_COMPLETE, collect, &collection, error)
               ? g_steal_pointer(&entries)
               : NULL;
}

/* Up to HF_CA_LINE_MAX + 2 bytes before `end`: a line, its newline and the one before. */
static bool read_before(int fd, int64_t end, const char *label, char *buffer, size_t *ret_size,
                        GError **error)
{
    size_t size = (size_t)MIN(end, (int64_t)HF_CA_LINE_MAX + 2);
    ssize_t n = TEMP_FAILURE_RETRY(pread(fd, buffer, size, end - (int64_t)size));

    if (n != (ssize_t)size) {
        return n < 0 ? hf_error_errno(error, errno, "cannot read %s", label)
                     : hf_error_set(error, HF_ERROR_INVALID, "%s: shorter than expected", label);
    }
    *ret_size = size;
    return true;
}

/* Bytes up to and with the last newline. */
static bool complete(int fd, const char *label, int64_t *ret_end, GError **error)
{
    g_autofree char *buffer = g_malloc(HF_CA_LINE_MAX + 2);
    const char *newline;
    struct stat st;
    size_t size = 0;

    if (fstat(fd, &st) != 0) {
        return hf_error_errno(error, errno, "%s", label);
    }
    if (!read_before(fd, st.st_size, label, buffer, &size, error)) {
        return false;
    }
    newline = memrchr(buffer, '\n', size);
    if (!newline && (int64_t)size < st.st_size) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: its last line is longer than %u bytes",
                            label, HF_CA_LINE_MAX);
    }
    *ret_end = newline ? st.st_size - (int64_t)size + (newline + 1 - buffer) : 0;
    return true;
}

bool hf_ca_lines_last(const HfCaDir *ca, const char *name, int64_t end, char **ret_line,
                      GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, name, NULL);
    g_autofree char *buffer = g_malloc(HF_CA_LINE_MAX + 2);
    g_autoptr(GError) local = NULL;
    hf_autofd int fd = open_record(ca, name, label, &local);
    const char *before;
    size_t size = 0;

    *ret_line = NULL;
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    if (fd < 0) {
        return end <= 0 || hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: missing", label);
    }
    if ((end < 0 && !complete(fd, label, &end, error)) ||
        !read_before(fd, end, label, buffer, &size, error)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    before = memrchr(buffer, '\n', size - 1);
    if (buffer[size - 1] != '\n' || (!before && (int64_t)size < end)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: no end of a line at byte %" PRId64, label,
                            end);
    }
    before = before ? before + 1 : buffer;
    *ret_line = g_strndup(before, size - 1 - (size_t)(before - buffer));
    return true;
}

bool hf_ca_lines_append(HfCaDir *ca, const char *name, int64_t end, const char *line,
                        GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, name, NULL);
    hf_autofd int fd = TEMP_FAILURE_RETRY(
        openat(ca->fd, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat st;

    if (fd < 0) {
        return hf_error_errno(error, errno, "%s", label);
    }
    if (end < 0 && !complete(fd, label, &end, error)) {
        return false;
    }
    if (fstat(fd, &st) != 0 || (st.st_size > end && TEMP_FAILURE_RETRY(ftruncate(fd, end)) != 0)) {
        return hf_error_errno(error, errno, "%s", label);
    }
    if (st.st_size < end) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: shorter than expected", label);
    }
    if (!hf_fd_write_all(fd, line, strlen(line), label, error)) {
        return false;
    }
    /* A record that was there before is in the directory for good. */
    return (TEMP_FAILURE_RETRY(fsync(fd)) == 0 &&
            (st.st_size > 0 || TEMP_FAILURE_RETRY(fsync(ca->fd)) == 0)) ||
           hf_error_errno(error, errno, "%s", label);
}

/* Who wrote the last line may have been killed before it was durable. */
static bool sync_record(const HfCaDir *ca, const char *name, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, name, NULL);
    hf_autofd int fd = TEMP_FAILURE_RETRY(openat(ca->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));

    return (fd >= 0 && TEMP_FAILURE_RETRY(fsync(fd)) == 0) ||
           hf_error_errno(error, errno, "%s", label);
}

bool hf_ca_lines_append_once(HfCaDir *ca, const char *name, const char *line, GError **error)
{
    g_autofree char *last = NULL;

    if (!hf_ca_lines_last(ca, name, HF_CA_LINES_COMPLETE, &last, error)) {
        return false;
    }
    if (last && strlen(last) + 1 == strlen(line) && g_str_has_prefix(line, last)) {
        return sync_record(ca, name, error);
    }
    return hf_ca_lines_append(ca, name, HF_CA_LINES_COMPLETE, line, error);
}
