/*
 * test-store-linear.c - the linear store: its bytes, and every way a file can be wrong.
 *
 * What it has in common with other stores in one file is in test-store-file.c, crashes are in
 * test-store-crash.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "state/format.h"
#include "state/linear_map.h"
#include "state/store_linear.h"
#include "store-place.h"

/* --- what is on disk --- */

static void test_layout(Place *place, gconstpointer data)
{
    static const uint8_t header[] = { 'n', 'i', 'l', 'm', 'p', 't', 'w', 's', 1,  0, 192, 0,
                                      192, 0,   0,   0,   21,  0,   0,   0,   32, 0, 0,   0 };
    static const uint8_t file[] = { 2, 1, 0, 10, 0, 0,   0,   0,   0,   21, 0,
                                    1, 0, 0, 0,  5, 'h', 'e', 'l', 'l', 'o' };
    g_autoptr(HfStore) store = place_open(place, NULL);
    g_autoptr(GByteArray) bytes = NULL;
    int64_t size = 0;

    (void)data;
    store_lacks(store, HF_STATE_PERMANENT);
    store_saves(store, HF_STATE_PERMANENT, "hello", 5);
    store_loads(store, HF_STATE_PERMANENT, "hello", 5);
    g_assert_true(store->class->stat(store, HF_STATE_PERMANENT, &size, NULL));
    g_assert_cmpint(size, ==, sizeof file);
    bytes = place_content(place);
    g_assert_cmpuint(bytes->len, ==, 192 + 32);
    g_assert_cmpmem(bytes->data, sizeof header, header, sizeof header);
    g_assert_cmpmem(bytes->data + 192, sizeof file, file, sizeof file);
    for (size_t i = sizeof header; i < 192; i++) {
        g_assert_cmpuint(bytes->data[i], ==, 0);
    }
}

/* --- what is refused --- */

static void put_u32_le(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void test_wrong_headers(Place *place, gconstpointer data)
{
    static const struct {
        size_t at;
        uint32_t value;
        HfErrorCode code;
        const char *words;
    } faults[] = {
        { 8, 2 | 192 << 16, HF_ERROR_UNSUPPORTED, "found version 2" },
        { 8, 0 | 192 << 16, HF_ERROR_UNSUPPORTED, "found version 0" },
        { 8, 1 | 191 << 16, HF_ERROR_UNSUPPORTED, "one of 191" },
        { 12, 191, HF_ERROR_INVALID, "lies in the header" },
        { 12, 1, HF_ERROR_INVALID, "lies in the header" },
        { 12, 225, HF_ERROR_INVALID, "reaches past the end" },
        { 12, 0xffffffff, HF_ERROR_INVALID, "reaches past the end" },
        { 16, 33, HF_ERROR_INVALID, "33 bytes of data in a room of 32" },
        { 20, 20, HF_ERROR_INVALID, "21 bytes of data in a room of 20" },
        { 20, 33, HF_ERROR_INVALID, "overlap" },
        { 24, 223, HF_ERROR_INVALID, "sections 0 and 1 overlap" },
        { 28, 0xffffffff, HF_ERROR_INVALID, "section 1" },
    };
    g_autoptr(HfStore) store = place_open(place, NULL);
    g_autoptr(GByteArray) good = NULL;

    (void)data;
    store_saves(store, HF_STATE_PERMANENT, "hello", 5);
    store_saves(store, HF_STATE_VOLATILE, "hello", 5);
    good = place_content(place);
    g_assert_cmpuint(good->len, ==, 192 + 64);
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree uint8_t *bytes = g_memdup2(good->data, good->len);

        put_u32_le(bytes + faults[i].at, faults[i].value);
        if (faults[i].at == 12 && faults[i].value == 225) {
            put_u32_le(bytes + 24, 0); /* the other one is not in the way */
            put_u32_le(bytes + 12, 192 + 64 - 20);
        }
        place_put(place, bytes, good->len);
        place_refuses(place, faults[i].code, faults[i].words);
        g_autoptr(GByteArray) after = place_content(place);
        g_assert_cmpmem(after->data, after->len, bytes, good->len);
    }
    for (size_t n = 1; n < good->len; n++) {
        place_put(place, good->data, n);
        /* The last section's padding may be missing. */
        if (n < 224 + 21) {
            place_refuses(place, HF_ERROR_INVALID, n < 8 ? "something else" : "truncated");
        } else {
            g_autoptr(HfStore) cut = place_open(place, NULL);
            store_loads(cut, HF_STATE_VOLATILE, "hello", 5);
        }
    }
}

/* A blob that is no blob is an error, never absent. */
static void test_wrong_blobs(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = place_open(place, NULL);
    g_autoptr(GByteArray) good = NULL;
    GError *error = NULL;

    (void)data;
    store_saves(store, HF_STATE_PERMANENT, "hello", 5);
    good = place_content(place);
    for (uint32_t used = 0; used < 21; used++) {
        put_u32_le(good->data + 16, used);
        place_put(place, good->data, good->len);
        g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
        expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "(permall)");
    }
    put_u32_le(good->data + 16, 21);
    good->data[193 + 4] ^= 1; /* the flags: encrypted */
    place_put(place, good->data, good->len);
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_STATE, "is encrypted");
    /* Larger than any blob, in a file that has all of it. */
    g_autofree uint8_t *zeros = g_malloc0(HF_STATE_FILE_MAX);
    g_byte_array_append(good, zeros, HF_STATE_FILE_MAX);
    put_u32_le(good->data + 16, HF_STATE_FILE_MAX + 1);
    put_u32_le(good->data + 20, HF_STATE_FILE_MAX + 1);
    place_put(place, good->data, good->len);
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "at most");
}

/* swtpm_setup empties a block device by zeroing the magic: that may be made a store again. */
static void test_erased(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = place_open(place, NULL);
    g_autoptr(GByteArray) bytes = NULL;

    (void)data;
    store_saves(store, HF_STATE_PERMANENT, "hello", 5);
    store_saves(store, HF_STATE_VOLATILE, "hello", 5);
    bytes = place_content(place);
    memset(bytes->data, 0, 8);
    place_put(place, bytes->data, bytes->len);
    g_autoptr(HfStore) erased = place_open(place, NULL);
    store_lacks(erased, HF_STATE_PERMANENT);
    store_saves(erased, HF_STATE_PERMANENT, "new", 3);
    store_loads(erased, HF_STATE_PERMANENT, "new", 3);
    store_lacks(erased, HF_STATE_VOLATILE);
    memset(bytes->data, 0, 9);
    place_put(place, bytes->data, bytes->len);
    place_refuses(place, HF_ERROR_INVALID, "something else");
}

/* --- placing --- */

static void test_places(void)
{
    HfLinearMap map = { 0 };
    HfLinearSection s = { 0 };

    g_assert_true(hf_linear_map_place(&map, 33, 256, &s));
    g_assert_cmpuint(s.offset, ==, 192);
    g_assert_cmpuint(s.room, ==, 64);
    g_assert_true(hf_linear_map_place(&map, 33, 255, &s));
    g_assert_cmpuint(s.room, ==, 33);
    g_assert_true(hf_linear_map_place(&map, 33, 225, &s));
    g_assert_false(hf_linear_map_place(&map, 33, 224, &s));
    /* Gaps of 100 at 192 and of 300 at 400. */
    map.slot[5] = (HfLinearSection){ 700, 1, 50 };
    map.slot[0] = (HfLinearSection){ 292, 1, 108 };
    g_assert_true(hf_linear_map_place(&map, 64, UINT32_MAX, &s));
    g_assert_cmpuint(s.offset, ==, 192);
    g_assert_true(hf_linear_map_place(&map, 65, UINT32_MAX, &s));
    g_assert_cmpuint(s.offset, ==, 400);
    g_assert_cmpuint(s.room, ==, 128);
    g_assert_true(hf_linear_map_place(&map, 257, UINT32_MAX, &s));
    g_assert_cmpuint(s.offset, ==, 750);
    g_assert_true(hf_linear_map_place(&map, 300, 760, &s));
    g_assert_cmpuint(s.offset, ==, 400);
    g_assert_cmpuint(s.room, ==, 300);
    g_assert_false(hf_linear_map_place(&map, 301, 760, &s));
    /* At the end of what 32 bits can name. */
    map.slot[1] = (HfLinearSection){ 750, 1, UINT32_MAX - 750 - 64 };
    g_assert_true(!hf_linear_map_place(&map, 301, UINT64_MAX, &s));
    map.slot[2] = (HfLinearSection){ 400, 1, 300 };
    map.slot[3] = (HfLinearSection){ 192, 1, 100 };
    g_assert_true(hf_linear_map_place(&map, 64, UINT64_MAX, &s));
    g_assert_cmpuint(s.offset, ==, UINT32_MAX - 64);
    g_assert_false(hf_linear_map_place(&map, 65, UINT64_MAX, &s));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Place *, gconstpointer);
    } tests[] = {
        { "/linear/layout", test_layout },
        { "/linear/wrong-headers", test_wrong_headers },
        { "/linear/wrong-blobs", test_wrong_blobs },
        { "/linear/erased", test_erased },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Place, NULL, place_new, tests[i].test, place_free);
    }
    g_test_add_func("/linear/places", test_places);
    return g_test_run();
}
