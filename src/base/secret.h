/*
 * secret.h - memory for keys and passphrases.
 *
 * A secret lives on pages of its own: locked where the limit allows it, out of core dumps, wiped
 * with explicit_bzero before the pages go back. Its size is fixed when it is made. Comparison takes
 * the same time wherever the difference is.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_SECRET_H
#define HOLDFAST_BASE_SECRET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint8_t *data; /* never NULL, also for size 0 */
    size_t size;
    size_t mapped; /* private: bytes of the mapping */
} HfSecret;

/* All zero. Aborts when there is no memory, as GLib does. */
HfSecret *hf_secret_new(size_t size);
/* Takes a copy; the source stays the caller's to wipe. */
HfSecret *hf_secret_copy(const void *data, size_t size);
/* Wipes and frees; NULL is allowed. */
void hf_secret_free(HfSecret *secret);
/* Forgets all but the first `size` bytes (wiped). size must not exceed secret->size. */
void hf_secret_truncate(HfSecret *secret, size_t size);

/* What passes through as GBytes and is as secret (the state of a TPM): in ordinary memory, wiped when
 * the last reference goes. The first takes a copy, the others take over what g_malloc has given, or
 * an array, of which nothing may have been left behind by growth. */
GBytes *hf_secret_bytes(const void *data, size_t size);
GBytes *hf_secret_bytes_take(void *data, size_t size);
GBytes *hf_secret_bytes_of_array(GByteArray *array);
/* Wipes and g_frees; NULL is allowed. */
void hf_secret_wipe_free(void *data, size_t size);

/* Constant time in the contents. */
bool hf_secret_equal(const void *a, const void *b, size_t n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSecret, hf_secret_free)

#endif
