/*
 * store-work.c - a store in use, for the interposer: store-work URI [fsync|no-fsync|backup].
 *
 * Blobs of all kinds that grow, shrink and go; after each call an answer leaves over a socket.
 * Without fsync that answer is a lie, which crash-replay has to find.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state/format.h"
#include "state/store.h"

int main(int argc, char **argv)
{
    static const struct {
        HfStateKind kind;
        size_t size; /* 0: remove */
    } steps[] = { { 0, 1 }, { 0, 1300 }, { 1, 900 },  { 0, 1310 }, { 1, 4000 }, { 2, 60 },
                  { 1, 0 }, { 0, 300 },  { 1, 2000 }, { 2, 0 },    { 0, 9000 }, { 1, 2100 },
                  { 1, 0 }, { 1, 0 },    { 0, 100 },  { 2, 513 },  { 0, 2600 }, { 0, 2601 } };
    const HfStoreConfig config = { .tpm2 = true,
                                   .fsync = argc < 3 || strcmp(argv[2], "no-fsync") != 0,
                                   .backup = argc > 2 && strcmp(argv[2], "backup") == 0,
                                   .lock = true };
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *blob = g_malloc(HF_STATE_BLOB_MAX);
    g_autoptr(HfStore) store = argc >= 2 ? hf_store_open_uri(argv[1], &config, &error) : NULL;
    int pair[2];
    g_assert_no_error(error);
    g_assert_nonnull(store);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_true(store->class->lock(store, 0, &error));
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        for (size_t j = 0; j < steps[i].size; j++) {
            blob[j] = (uint8_t)(j * 7 + j / 256 + i + 1);
        }
        g_assert_true(steps[i].size > 0
                          ? store->class->save(store, steps[i].kind, blob, steps[i].size, &error)
                          : store->class->remove(store, steps[i].kind, &error));
        g_assert_cmpint(send(pair[0], "!", 1, 0), ==, 1);
    }
    return 0;
}
