/*
 * test-store-file.c - what every store in one file or device does, one body for all of them: linear
 * files and slots.
 *
 * Their bytes are in test-store-linear.c and test-store-slots.c, crashes in test-store-crash.c.
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
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "state/store.h"
#include "store-place.h"

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
            store_lacks(store, HF_STATE_VOLATILE);
            store_removes(store, HF_STATE_VOLATILE);
        }
    }
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpint(st.st_size, <=,
                    strcmp(place->scheme, "file") == 0 ? 192 + 5 * 32768 : 4096 + 6 * 32768);
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
    g_assert_null(memmem(bytes->data, bytes->len, "SSSSSSSS", 8));
    store_saves(store, HF_STATE_VOLATILE, secret, 5000);
    store_saves(store, HF_STATE_VOLATILE, (const uint8_t *)"a", 1);
    store_saves(store, HF_STATE_VOLATILE, (const uint8_t *)"b", 1);
    if (strcmp(place->scheme, "slots") == 0) {
        /* A linear file lets it lie until something needs its space. */
        g_autoptr(GByteArray) later = place_content(place);
        g_assert_null(memmem(later->data, later->len, "SSSSSSSS", 8));
    }
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
    store_lacks(looking, HF_STATE_PERMANENT);
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

    g_autofree char *deep = g_strdup_printf("%s://%s/missing/state", place->scheme, place->dir);
    g_assert_null(hf_store_open_uri(deep, &exact, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, "missing");
    g_assert_null(hf_store_open_uri(deep, &look, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, "missing");
    g_autofree char *nameless = g_strconcat(place->scheme, "://", NULL);
    g_assert_null(hf_store_open_uri(nameless, &exact, &error));
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
        place_refuses(place, HF_ERROR_INVALID, "found something else, which is left alone");
        g_autoptr(GByteArray) after = place_content(place);
        g_assert_cmpmem(after->data, after->len, disk, 5u << 20);
    }
    place_put(place, "x", 1);
    place_refuses(place, HF_ERROR_INVALID, "something else");
    place_put(place, "\2\1\0\12\0\0\0\0\0\22\0\1\0\0\0\2ok", 18);
    place_refuses(place, HF_ERROR_INVALID, "something else");
    /* Nothing at all, and nothing but zeros, become a store. */
    memset(disk, 0, 5u << 20);
    place_put(place, disk, 5u << 20);
    g_autoptr(HfStore) store = place_open(place, NULL);
    store_lacks(store, HF_STATE_PERMANENT);
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

static void test_wrong_kinds(Place *place, gconstpointer data)
{
    g_autofree char *target = g_build_filename(place->dir, "target", NULL);

    (void)data;
    g_assert_true(g_file_set_contents(target, "", 0, NULL));
    g_assert_cmpint(symlink("target", place->path), ==, 0);
    place_refuses(place, HF_ERROR_INVALID, "found a symbolic link");
    g_assert_cmpint(g_remove(target), ==, 0);
    place_refuses(place, HF_ERROR_NOT_FOUND, place->path);
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_assert_cmpint(symlink("/dev/null", place->path), ==, 0);
    place_refuses(place, HF_ERROR_INVALID, "found a symbolic link");
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_assert_cmpint(mkfifo(place->path, 0600), ==, 0);
    place_refuses(place, HF_ERROR_INVALID, "found something else");
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_assert_cmpint(mkdir(place->path, 0700), ==, 0);
    place_refuses(place, HF_ERROR_IO, place->path);
    g_assert_cmpint(g_rmdir(place->path), ==, 0);
}

/* --- locks --- */

static int try_lock(const Place *place)
{
    const HfStoreConfig config = { .lock = true, .fsync = true };
    g_autoptr(HfStore) store = place_open(place, &config);
    g_autoptr(GError) error = NULL;

    return store->class->lock(store, 0, &error) ? 0 : hf_error_is(error, HF_ERROR_BUSY) ? 1 : 2;
}

static void test_lock(Place *place, gconstpointer data)
{
    const HfStoreConfig config = { .lock = true, .fsync = true };
    GError *error = NULL;

    (void)data;
    g_autoptr(HfStore) without = place_open(place, NULL);
    g_assert_true(without->class->lock(without, 0, &error));
    /* A linear file is locked when that is asked for, slots always. */
    g_assert_cmpint(place_in_child(try_lock, place), ==, strcmp(place->scheme, "slots") == 0);
    hf_store_free(g_steal_pointer(&without));
    g_autoptr(HfStore) store = place_open(place, &config);
    g_assert_true(store->class->lock(store, 0, &error));
    g_assert_true(store->class->lock(store, 0, &error));
    g_assert_cmpint(place_in_child(try_lock, place), ==, 1);
    store_saves(store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(place_in_child(try_lock, place), ==, 1);
    store->class->unlock(store);
    g_assert_cmpint(place_in_child(try_lock, place), ==, 0);
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

        if (i >= 10) {
            g_assert_true(writer->class->lock(writer, 0, NULL));
        }
        store_saves(writer, HF_STATE_PERMANENT, &i, 1);
        store_saves(writer, HF_STATE_PERMANENT, &i, 1);
        store_loads(reader, HF_STATE_PERMANENT, &i, 1);
        writer->class->unlock(writer);
    }
}

int main(int argc, char **argv)
{
    static const char *const schemes[] = { "file", "slots" };
    static const struct {
        const char *name;
        void (*test)(Place *, gconstpointer);
    } tests[] = {
        { "many", test_many },
        { "no-remains", test_no_remains },
        { "made", test_made },
        { "foreign", test_foreign },
        { "foreign-later", test_foreign_later },
        { "wrong-kinds", test_wrong_kinds },
        { "lock", test_lock },
        { "turns", test_turns },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(schemes) * G_N_ELEMENTS(tests); i++) {
        const char *scheme = schemes[i / G_N_ELEMENTS(tests)];
        size_t which = i % G_N_ELEMENTS(tests);
        g_autofree char *name = g_strdup_printf("/%s/%s", scheme, tests[which].name);

        g_test_add(name, Place, scheme, place_new, tests[which].test, place_free);
    }
    return g_test_run();
}
