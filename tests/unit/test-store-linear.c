/*
 * test-store-linear.c - the linear store: its bytes, and every way a file can be wrong.
 *
 * Crashes are in test-store-crash.c.
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

static void absent(HfStore *store, HfStateKind kind)
{
    GError *error = NULL;
    int64_t size = 0;

    g_assert_null(store->class->load(store, kind, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, hf_state_kind_name(kind));
    g_assert_true(store->class->stat(store, kind, &size, &error));
    g_assert_cmpint(size, ==, -1);
}

static void refuses_open(const Place *place, HfErrorCode code, const char *words)
{
    static const HfStoreConfig plain = { .tpm2 = true, .fsync = true };
    GError *error = NULL;

    g_assert_null(hf_store_linear_open(place->path, &plain, &error));
    expect_error(error, code, words);
}

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
    absent(store, HF_STATE_PERMANENT);
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

/* Blobs come, grow and go; the file stays small, and all others keep their content. */
static void test_many(Place *place, gconstpointer data)
{
    g_autofree uint8_t *blob = g_malloc0(40000);
    g_autoptr(HfStore) store = place_open(place, NULL);
    struct stat st;

    (void)data;
    store_saves(store, HF_STATE_SAVESTATE, "save", 4);
    for (unsigned i = 1; i <= 400; i++) {
        size_t size = 1000 + i * 60 + (i % 7) * 900;

        memset(blob, (int)i, size);
        store_saves(store, HF_STATE_PERMANENT, blob, size);
        store_saves(store, HF_STATE_VOLATILE, blob, size / 3);
        store_loads(store, HF_STATE_PERMANENT, blob, size);
        store_loads(store, HF_STATE_VOLATILE, blob, size / 3);
        store_loads(store, HF_STATE_SAVESTATE, "save", 4);
        if (i % 3 == 0) {
            store_removes(store, HF_STATE_VOLATILE);
            absent(store, HF_STATE_VOLATILE);
            store_removes(store, HF_STATE_VOLATILE);
        }
    }
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpint(st.st_size, <, 192 + 5 * 32768);
    g_autoptr(HfStore) again = place_open(place, NULL);
    store_loads(again, HF_STATE_SAVESTATE, "save", 4);
}

/* A removed blob is not left behind in the file, nor an older one behind a shorter. */
static void test_no_remains(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = place_open(place, NULL);
    g_autofree uint8_t *secret = g_malloc(5000);

    (void)data;
    memset(secret, 'S', 5000);
    store_saves(store, HF_STATE_PERMANENT, "x", 1);
    store_saves(store, HF_STATE_VOLATILE, secret, 5000);
    store_removes(store, HF_STATE_VOLATILE);
    g_autoptr(GByteArray) bytes = place_content(place);
    g_assert_null(memchr(bytes->data, 'S', bytes->len));
    store_saves(store, HF_STATE_VOLATILE, secret, 5000);
    store_saves(store, HF_STATE_VOLATILE, (const uint8_t *)"a", 1);
    store_saves(store, HF_STATE_VOLATILE, (const uint8_t *)"b", 1);
    store_loads(store, HF_STATE_VOLATILE, "b", 1);
}

static void test_made(Place *place, gconstpointer data)
{
    const HfStoreConfig look = { .look_only = true };
    const HfStoreConfig exact = { .mode_given = true, .mode = 0604, .fsync = true };
    mode_t mask = umask(0077);
    struct stat st;
    GError *error = NULL;

    (void)data;
    g_autoptr(HfStore) looking = place_open(place, &look);
    absent(looking, HF_STATE_PERMANENT);
    g_assert_cmpint(stat(place->path, &st), ==, -1);
    g_assert_false(
        looking->class->save(looking, HF_STATE_PERMANENT, (const uint8_t *)"x", 1, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_STATE, "only looked at");
    g_autoptr(HfStore) store = place_open(place, &exact);
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0604);
    g_assert_cmpint(g_remove(place->path), ==, 0);
    /* What is written to a file without a name is lost. */
    g_assert_false(store->class->save(store, HF_STATE_PERMANENT, (const uint8_t *)"x", 1, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_IO, "was removed");
    g_autoptr(HfStore) other = place_open(place, NULL);
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    umask(mask);

    g_autofree char *deep = g_build_filename(place->dir, "missing", "state", NULL);
    g_assert_null(hf_store_linear_open(deep, &exact, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, "missing");
    g_assert_null(hf_store_linear_open(deep, &look, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, "missing");
    g_assert_null(hf_store_linear_open("", &exact, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "no name");
}

/* --- what is refused --- */

static void test_foreign(Place *place, gconstpointer data)
{
    g_autofree uint8_t *disk = g_malloc0(5u << 20);
    static const size_t places[] = { 0, 191, 192, 1080, 65600, (4u << 20) - 1, (5u << 20) - 1 };

    (void)data;
    /* One byte that is not zero, wherever it is; ext4 has its magic at 1080. */
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        memset(disk, 0, 5u << 20);
        disk[places[i]] = 0x53;
        place_put(place, disk, 5u << 20);
        refuses_open(place, HF_ERROR_INVALID, "found something else, which is left alone");
        g_autoptr(GByteArray) after = place_content(place);
        g_assert_cmpmem(after->data, after->len, disk, 5u << 20);
    }
    place_put(place, "x", 1);
    refuses_open(place, HF_ERROR_INVALID, "something else");
    place_put(place, "\2\1\0\12\0\0\0\0\0\22\0\1\0\0\0\2ok", 18);
    refuses_open(place, HF_ERROR_INVALID, "something else");
    /* Nothing at all, and nothing but zeros, become a store. */
    memset(disk, 0, 5u << 20);
    place_put(place, disk, 5u << 20);
    g_autoptr(HfStore) store = place_open(place, NULL);
    absent(store, HF_STATE_PERMANENT);
    store_saves(store, HF_STATE_PERMANENT, "x", 1);
    store_loads(store, HF_STATE_PERMANENT, "x", 1);
}

/* It became foreign after it was opened: still nothing is written. */
static void test_foreign_later(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = place_open(place, NULL);
    GError *error = NULL;
    int64_t size = 0;

    (void)data;
    place_put(place, "precious", 8);
    g_assert_false(store->class->save(store, HF_STATE_PERMANENT, (const uint8_t *)"x", 1, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_assert_false(store->class->stat(store, HF_STATE_PERMANENT, &size, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_assert_false(store->class->remove(store, HF_STATE_PERMANENT, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_autoptr(GByteArray) after = place_content(place);
    g_assert_cmpmem(after->data, after->len, "precious", 8);
}

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
        refuses_open(place, faults[i].code, faults[i].words);
        g_autoptr(GByteArray) after = place_content(place);
        g_assert_cmpmem(after->data, after->len, bytes, good->len);
    }
    for (size_t n = 1; n < good->len; n++) {
        place_put(place, good->data, n);
        /* The last section's padding may be missing. */
        if (n < 224 + 21) {
            refuses_open(place, HF_ERROR_INVALID, n < 8 ? "something else" : "truncated");
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
    expect_error(g_steal_pointer(&error), HF_ERROR_AUTH, "is encrypted");
    /* Larger than any blob, in a file that has all of it. */
    g_autofree uint8_t *zeros = g_malloc0(HF_STATE_FILE_MAX);
    g_byte_array_append(good, zeros, HF_STATE_FILE_MAX);
    put_u32_le(good->data + 16, HF_STATE_FILE_MAX + 1);
    put_u32_le(good->data + 20, HF_STATE_FILE_MAX + 1);
    place_put(place, good->data, good->len);
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "at most");
}

static void test_wrong_kinds(Place *place, gconstpointer data)
{
    g_autofree char *target = g_build_filename(place->dir, "target", NULL);

    (void)data;
    g_assert_true(g_file_set_contents(target, "", 0, NULL));
    g_assert_cmpint(symlink("target", place->path), ==, 0);
    refuses_open(place, HF_ERROR_INVALID, "found a symbolic link");
    g_assert_cmpint(g_remove(target), ==, 0);
    refuses_open(place, HF_ERROR_NOT_FOUND, place->path);
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_assert_cmpint(symlink("/dev/null", place->path), ==, 0);
    refuses_open(place, HF_ERROR_INVALID, "found a symbolic link");
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_assert_cmpint(mkfifo(place->path, 0600), ==, 0);
    refuses_open(place, HF_ERROR_INVALID, "found something else");
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_assert_cmpint(mkdir(place->path, 0700), ==, 0);
    refuses_open(place, HF_ERROR_IO, place->path);
    g_assert_cmpint(g_rmdir(place->path), ==, 0);
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
    absent(erased, HF_STATE_PERMANENT);
    store_saves(erased, HF_STATE_PERMANENT, "new", 3);
    store_loads(erased, HF_STATE_PERMANENT, "new", 3);
    absent(erased, HF_STATE_VOLATILE);
    memset(bytes->data, 0, 9);
    place_put(place, bytes->data, bytes->len);
    refuses_open(place, HF_ERROR_INVALID, "something else");
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

/* --- locks --- */

static int try_lock(const Place *place)
{
    const HfStoreConfig config = { .lock = true, .fsync = true };
    g_autoptr(HfStore) store = place_open(place, &config);
    g_autoptr(GError) error = NULL;

    return store->class->lock(store, 0, &error) ? 0 : hf_error_is(error, HF_ERROR_BUSY) ? 1 : 2;
}

static int in_child(int (*body)(const Place *), const Place *place)
{
    int status = 0;
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        alarm(60);
        _exit(body(place));
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_lock(Place *place, gconstpointer data)
{
    const HfStoreConfig config = { .lock = true, .fsync = true };
    GError *error = NULL;

    (void)data;
    g_autoptr(HfStore) without = place_open(place, NULL);
    g_assert_true(without->class->lock(without, 0, &error));
    g_assert_cmpint(in_child(try_lock, place), ==, 0);
    hf_store_free(g_steal_pointer(&without));
    g_autoptr(HfStore) store = place_open(place, &config);
    g_assert_true(store->class->lock(store, 0, &error));
    g_assert_true(store->class->lock(store, 0, &error));
    g_assert_cmpint(in_child(try_lock, place), ==, 1);
    store_saves(store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(in_child(try_lock, place), ==, 1);
    store->class->unlock(store);
    g_assert_cmpint(in_child(try_lock, place), ==, 0);
    store_loads(store, HF_STATE_PERMANENT, "x", 1);
}

/* Two processes take turns: each finds what the other wrote. */
static void test_turns(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) one = place_open(place, NULL);
    g_autoptr(HfStore) two = place_open(place, NULL);

    (void)data;
    for (uint8_t i = 0; i < 20; i++) {
        HfStore *writer = i % 2 ? one : two;
        HfStore *reader = i % 2 ? two : one;

        store_saves(writer, HF_STATE_PERMANENT, &i, 1);
        store_loads(reader, HF_STATE_PERMANENT, &i, 1);
        writer->class->unlock(writer);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Place *, gconstpointer);
    } tests[] = {
        { "/linear/layout", test_layout },
        { "/linear/many", test_many },
        { "/linear/no-remains", test_no_remains },
        { "/linear/made", test_made },
        { "/linear/foreign", test_foreign },
        { "/linear/foreign-later", test_foreign_later },
        { "/linear/wrong-headers", test_wrong_headers },
        { "/linear/wrong-blobs", test_wrong_blobs },
        { "/linear/wrong-kinds", test_wrong_kinds },
        { "/linear/erased", test_erased },
        { "/linear/lock", test_lock },
        { "/linear/turns", test_turns },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Place, NULL, place_new, tests[i].test, place_free);
    }
    g_test_add_func("/linear/places", test_places);
    return g_test_run();
}
