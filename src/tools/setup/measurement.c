/*
 * measurement.c - finds the emulator and the engine, and digests them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/measurement.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/hash.h"

#define LABEL "holdfast device model 1" /* hashed with its terminating zero */
#define EMULATOR "holdfast"
#define ENGINE "libtpms.so"
#define DIGEST_SIZE 32

static bool digest_file(const char *path, uint8_t *ret_digest, GError **error)
{
    /* Program and library files are reached through links of the distribution's making. */
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        return hf_error_errno(error, errno, "cannot measure \"%s\"", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return hf_error_set(error, HF_ERROR_INVALID, "cannot measure \"%s\": not a regular file",
                            path);
    }
    g_autoptr(HfHash) hash = hf_hash_new(HF_HASH_SHA256);
    g_autofree uint8_t *buffer = g_malloc(65536);
    for (;;) {
        ssize_t n = read(fd, buffer, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return hf_error_errno(error, errno, "cannot measure \"%s\"", path);
        }
        if (n == 0) {
            break;
        }
        hf_hash_update(hash, buffer, (size_t)n);
    }
    hf_hash_finish(hash, ret_digest);
    return true;
}

GBytes *hf_measurement_of(const char *emulator, const char *engine, GError **error)
{
    uint8_t digests[2 * DIGEST_SIZE];
    if (!digest_file(emulator, digests, error)) {
        return NULL;
    }
    if (!engine) {
        hf_hash_once(HF_HASH_SHA256, "", 0, digests + DIGEST_SIZE);
    } else if (!digest_file(engine, digests + DIGEST_SIZE, error)) {
        return NULL;
    }
    g_autoptr(HfHash) hash = hf_hash_new(HF_HASH_SHA256);
    uint8_t result[DIGEST_SIZE];
    hf_hash_update(hash, LABEL, sizeof(LABEL));
    hf_hash_update(hash, digests, sizeof(digests));
    hf_hash_finish(hash, result);
    return g_bytes_new(result, sizeof(result));
}

static int find_engine(struct dl_phdr_info *info, size_t size G_GNUC_UNUSED, void *user)
{
    char **found = user;
    const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
    if (slash && g_str_has_prefix(slash + 1, ENGINE)) {
        *found = g_strdup(info->dlpi_name);
        return 1;
    }
    return 0;
}

GBytes *hf_measurement_take(GError **error)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    if (!self) {
        hf_error_set(error, HF_ERROR_FAILED, "/proc/self/exe cannot be read: is /proc mounted?");
        return NULL;
    }
    g_autofree char *dir = g_path_get_dirname(self);
    g_autofree char *emulator = g_build_filename(dir, EMULATOR, NULL);
    g_autofree char *engine = NULL;
    dl_iterate_phdr(find_engine, &engine);
    return hf_measurement_of(emulator, engine, error);
}
