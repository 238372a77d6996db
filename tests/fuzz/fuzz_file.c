/*
 * fuzz_file.c - the input as a file, for readers that take a path: one file a process, on tmpfs
 * where there is one, removed when the process ends.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[64];
static char path[80];
static int directory_fd = -1;

static void clean(void)
{
    (void)unlink(path);
    (void)rmdir(directory);
}

static void make_directory(void)
{
    const char *top = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    g_snprintf(directory, sizeof(directory), "%s/holdfast-fuzz-XXXXXX", top);
    g_assert_nonnull(mkdtemp(directory));
    g_snprintf(path, sizeof(path), "%s/input", directory);
    directory_fd = open(directory, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(directory_fd, >=, 0);
    (void)atexit(clean);
}

int fuzz_file_dir(void)
{
    if (directory_fd < 0) {
        make_directory();
    }
    return directory_fd;
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
    int fd = openat(fuzz_file_dir(), "input", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        g_assert_cmpint(n, >, 0);
        data += n;
        size -= (size_t)n;
    }
    g_assert_cmpint(close(fd), ==, 0);
    return path;
}
