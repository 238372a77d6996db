/*
 * memory.c - memory of libcrypto: there, or the process ends with a message.
 *
 * libcrypto, and libtpms, which calls it for every number, use what comes back; where memory is
 * used up they would read through NULL. GLib's allocator ends the process instead, as it does for all of
 * our own code: what is on disk is whole at any moment, so that is a power cut and no more.
 * Must not be slower than malloc: these are plain calls of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "crypto/memory.h"

#include <glib.h>
#include <openssl/crypto.h>

static void *allocate(size_t n, const char *file G_GNUC_UNUSED, int line G_GNUC_UNUSED)
{
    return g_malloc(n);
}

static void *reallocate(void *old, size_t n, const char *file G_GNUC_UNUSED, int line G_GNUC_UNUSED)
{
    return g_realloc(old, n);
}

static void release(void *memory, const char *file G_GNUC_UNUSED, int line G_GNUC_UNUSED)
{
    g_free(memory);
}

void hf_crypto_take_memory(void)
{
    (void)CRYPTO_set_mem_functions(allocate, reallocate, release);
}
