/*
 * leftovers.c - remembering files and removing them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

typedef struct {
    char *name;
    int file; /* held open (O_PATH), so that its inode number belongs to nobody else */
} Leftover;

struct HfLeftovers {
    GArray *files; /* of Leftover */
    GArray *dirs;  /* of int, one a file */
};

HfLeftovers *hf_leftovers_new(void)
{
    HfLeftovers *leftovers = g_new0(HfLeftovers, 1);
    leftovers->files = g_array_new(FALSE, TRUE, sizeof(Leftover));
    leftovers->dirs = g_array_new(FALSE, TRUE, sizeof(int));
    return leftovers;
}

static void remove_file(int dir, const Leftover *file)
{
    struct stat ours;
    struct stat found;
    if (fstat(file->file, &ours) != 0 ||
        fstatat(dir, file->name, &found, AT_SYMLINK_NOFOLLOW) != 0 || ours.st_dev != found.st_dev ||
        ours.st_ino != found.st_ino) {
        return;
    }
    if (unlinkat(dir, file->name, 0) != 0 && errno != ENOENT) {
        hf_log(1, "cannot remove %s: %s", file->name, g_strerror(errno));
    }
}

void hf_leftovers_free(HfLeftovers *leftovers)
{
    if (!leftovers) {
        return;
    }
    for (guint i = 0; i < leftovers->files->len; i++) {
        Leftover *file = &g_array_index(leftovers->files, Leftover, i);
        int *dir = &g_array_index(leftovers->dirs, int, i);
        remove_file(*dir, file);
        hf_fd_close(dir);
        hf_fd_close(&file->file);
        g_free(file->name);
    }
    g_array_unref(leftovers->files);
    g_array_unref(leftovers->dirs);
    g_free(leftovers);
}

bool hf_leftovers_add(HfLeftovers *leftovers, const char *path, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    /* The way to it may lead over symbolic links; the file itself may not. O_PATH: a directory that may be written to,
     * but not read, will do, and libvirt's AppArmor profiles have it so. */
    hf_autofd int dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return hf_error_errno(error, errno, "cannot open directory %s", parent);
    }
    Leftover file = { .name = g_path_get_basename(path), .file = -1 };
    file.file = openat(dir, file.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file.file < 0) {
        g_free(file.name);
        return hf_error_errno(error, errno, "cannot examine %s", path);
    }
    int held = hf_fd_steal(&dir);
    g_array_append_val(leftovers->files, file);
    g_array_append_val(leftovers->dirs, held);
    return true;
}

const int *hf_leftovers_dirs(const HfLeftovers *leftovers, size_t *ret_count)
{
    *ret_count = leftovers->dirs->len;
    return (const int *)(const void *)leftovers->dirs->data;
}
