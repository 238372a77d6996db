/*
 * fuzz_store.c - uses a store that may be damaged.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz_store.h"

#include <string.h>
#include <unistd.h>

static ssize_t memory_write(void *user, int fd, const void *data, size_t n, off_t offset)
{
    (void)user;
    return pwrite(fd, data, n, offset);
}

static int memory_sync(void *user, int fd)
{
    (void)user;
    (void)fd;
    return 0;
}

const HfMediumOps fuzz_medium = { memory_write, memory_sync };

static void unchanged(const char *path, const uint8_t *data, size_t size)
{
    g_autofree char *text = NULL;
    gsize n = 0;
    g_assert_true(g_file_get_contents(path, &text, &n, NULL));
    g_assert_cmpmem(text, n, data, size);
}

/* Every blob that is there, then one of them written, removed, and the others still as they were. */
static void use(HfStore *store)
{
    static const uint8_t mark[] = "a blob";
    GBytes *before[HF_STATE_COUNT] = { NULL };
    GError *error = NULL;
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        int64_t stored = 0;
        before[kind] = store->class->load(store, kind, &error);
        fuzz_told(before[kind] != NULL, &error);
        fuzz_told(store->class->stat(store, kind, &stored, &error), &error);
    }
    bool saved = store->class->save(store, HF_STATE_VOLATILE, mark, sizeof(mark), &error);
    fuzz_told(saved, &error);
    if (saved) {
        g_autoptr(GBytes) got = store->class->load(store, HF_STATE_VOLATILE, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(g_bytes_get_data(got, NULL), g_bytes_get_size(got), mark, sizeof(mark));
        fuzz_told(store->class->remove(store, HF_STATE_VOLATILE, &error), &error);
    }
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        if (before[kind] && kind != HF_STATE_VOLATILE) {
            g_autoptr(GBytes) now = store->class->load(store, kind, &error);
            g_assert_no_error(error);
            g_assert_true(g_bytes_equal(before[kind], now));
        }
        g_clear_pointer(&before[kind], g_bytes_unref);
    }
}

void fuzz_store_use(HfStore *store, const char *path, const uint8_t *data, size_t size)
{
    if (store) {
        use(store);
    } else {
        unchanged(path, data, size);
    }
}
