/*
 * ca_lines.c - records of lines.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* Bytes up to and with the last newline. */
static size_t complete(GBytes *content)
{
    size_t n = 0;
    const char *data = g_bytes_get_data(content, &n);

    while (n > 0 && data[n - 1] != '\n') {
        n--;
    }
    return n;
}

GPtrArray *hf_ca_lines_read(const HfCaDir *ca, const char *name, HfCaLineParse parse,
                            GDestroyNotify free, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, name, NULL);
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(free);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) content = hf_file_read_at(ca->fd, name, HF_CA_LINES_MAX, label, &local);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        return g_steal_pointer(&entries);
    }
    if (!content) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    text = complete(content) > 0 ? g_strndup(g_bytes_get_data(content, NULL), complete(content))
                                 : g_strdup("");
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        g_autofree char *where = g_strdup_printf("%s: line %u", label, i + 1);
        gpointer entry;

        if (!*lines[i]) {
            continue;
        }
        entry = parse(lines[i], where, error);
        if (!entry) {
            return NULL;
        }
        g_ptr_array_add(entries, entry);
    }
    return g_steal_pointer(&entries);
}

/* Cuts off what is after the last newline. */
static bool mend(int fd, const char *label, GError **error)
{
    struct stat st;
    g_autoptr(GBytes) content = NULL;
    char last;

    if (fstat(fd, &st) != 0) {
        return hf_error_errno(error, errno, "%s", label);
    }
    if (st.st_size == 0 || (pread(fd, &last, 1, st.st_size - 1) == 1 && last == '\n')) {
        return true;
    }
    content = hf_fd_read_all(fd, HF_CA_LINES_MAX, label, error);
    if (!content) {
        return false;
    }
    return ftruncate(fd, (off_t)complete(content)) == 0 ||
           hf_error_errno(error, errno, "%s", label);
}

bool hf_ca_lines_append(HfCaDir *ca, const char *name, const char *line, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, name, NULL);
    hf_autofd int fd =
        openat(ca->fd, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return hf_error_errno(error, errno, "%s", label);
    }
    if (!mend(fd, label, error) || !hf_fd_write_all(fd, line, strlen(line), label, error)) {
        return false;
    }
    return (fsync(fd) == 0 && fsync(ca->fd) == 0) || hf_error_errno(error, errno, "%s", label);
}
