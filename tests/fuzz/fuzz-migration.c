/*
 * fuzz-migration.c - state from the control channel, with every combination of keys here.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "state/migration_blob.h"

static void unwrap(const HfStateKeys *keys, const uint8_t *data, size_t size, bool says_encrypted)
{
    GError *error = NULL;
    uint32_t result = 0xffffffff;
    g_autoptr(GBytes) blob =
        hf_migration_blob_unwrap(keys, data, size, says_encrypted, &result, &error);
    g_assert_cmpint(blob != NULL, ==, result == 0);
    fuzz_told(blob != NULL, &error);
    if (!blob || g_bytes_get_size(blob) == 0) {
        return;
    }
    gsize n = 0;
    const uint8_t *plain = g_bytes_get_data(blob, &n);
    bool encrypted = false;
    g_autoptr(GBytes) wrapped = hf_migration_blob_wrap(keys, false, plain, n, &encrypted);
    gsize m = 0;
    const uint8_t *stored = g_bytes_get_data(wrapped, &m);
    g_autoptr(GBytes) again = hf_migration_blob_unwrap(keys, stored, m, encrypted, &result, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(blob, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(HfSecret) state = hf_secret_new(32); /* the same as gen_corpus.py's */
    g_autoptr(HfSecret) migration = hf_secret_new(16);
    for (uint8_t i = 0; i < 32; i++) {
        state->data[i] = i;
        migration->data[i % 16] = i % 16;
    }
    for (unsigned i = 0; i < 8; i++) {
        HfStateKeys keys = { .state = (i & 1) ? state : NULL,
                             .migration = (i & 2) ? migration : NULL };
        unwrap(&keys, data, size, (i & 4) != 0);
    }
    return 0;
}
