/*
 * test-store-linear.c - the linear store: its bytes, every way a file can be wrong, and a crash
 * after every write and every part of a write.
 *
 * The crash tests run the store on a file, with a medium that keeps a record of its writes and
 * syncs. Each moment of the record is then played to what a disk may hold if the power fails there:
 * everything before the last sync, and of the sectors written since any choice.
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

#define SECTOR 512u

typedef struct {
    char *dir;
    char *path;
} Place;

static void place_new(Place *place, gconstpointer data)
{
    (void)data;
    place->dir = g_dir_make_tmp("holdfast-linear-XXXXXX", NULL);
    g_assert_nonnull(place->dir);
    place->path = g_build_filename(place->dir, "state", NULL);
}

static void place_free(Place *place, gconstpointer data)
{
    (void)data;
    (void)g_remove(place->path);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->path);
    g_free(place->dir);
}

static HfStore *store_open(const Place *place, const HfStoreConfig *config)
{
    static const HfStoreConfig plain = { .tpm2 = true }; /* syncs are counted, not made */
    GError *error = NULL;
    g_autofree char *uri = g_strconcat("file://", place->path, NULL);
    HfStore *store = hf_store_open_uri(uri, config ? config : &plain, &error);

    g_assert_no_error(error);
    return store;
}

static void saves(HfStore *store, HfStateKind kind, const void *data, size_t size)
{
    GError *error = NULL;

    g_assert_true(store->class->save(store, kind, data, size, &error));
    g_assert_no_error(error);
}

static void removes(HfStore *store, HfStateKind kind)
{
    GError *error = NULL;

    g_assert_true(store->class->remove(store, kind, &error));
    g_assert_no_error(error);
}

static void loads(HfStore *store, HfStateKind kind, const void *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) blob = store->class->load(store, kind, &error);

    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(blob, NULL), g_bytes_get_size(blob), data, size);
}

static void expect(GError *error, HfErrorCode code, const char *words)
{
    g_assert_error(error, HF_ERROR, (int)code);
    if (!strstr(error->message, words)) {
        g_error("\"%s\" does not say \"%s\"", error->message, words);
    }
    g_error_free(error);
}

static void absent(HfStore *store, HfStateKind kind)
{
    GError *error = NULL;
    int64_t size = 0;

    g_assert_null(store->class->load(store, kind, &error));
    expect(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, hf_state_kind_name(kind));
    g_assert_true(store->class->stat(store, kind, &size, &error));
    g_assert_cmpint(size, ==, -1);
}

static GByteArray *content(const Place *place)
{
    char *text = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(place->path, &text, &size, NULL));
    return g_byte_array_new_take((guint8 *)text, size);
}

static void put_file(const Place *place, const void *data, size_t size)
{
    hf_autofd int fd = open(place->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(hf_fd_write_all(fd, data, size, place->path, NULL));
}

static void refuses_open(const Place *place, HfErrorCode code, const char *words)
{
    static const HfStoreConfig plain = { .tpm2 = true, .fsync = true };
    GError *error = NULL;

    g_assert_null(hf_store_linear_open(place->path, &plain, &error));
    expect(error, code, words);
}

/* --- what is on disk --- */

static void test_layout(Place *place, gconstpointer data)
{
    static const uint8_t header[] = { 'n', 'i', 'l', 'm', 'p', 't', 'w', 's', 1,  0, 192, 0,
                                      192, 0,   0,   0,   21,  0,   0,   0,   32, 0, 0,   0 };
    static const uint8_t file[] = { 2, 1, 0, 10, 0, 0,   0,   0,   0,   21, 0,
                                    1, 0, 0, 0,  5, 'h', 'e', 'l', 'l', 'o' };
    g_autoptr(HfStore) store = store_open(place, NULL);
    g_autoptr(GByteArray) bytes = NULL;
    int64_t size = 0;

    (void)data;
    absent(store, HF_STATE_PERMANENT);
    saves(store, HF_STATE_PERMANENT, "hello", 5);
    loads(store, HF_STATE_PERMANENT, "hello", 5);
    g_assert_true(store->class->stat(store, HF_STATE_PERMANENT, &size, NULL));
    g_assert_cmpint(size, ==, sizeof file);
    bytes = content(place);
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
    g_autoptr(HfStore) store = store_open(place, NULL);
    struct stat st;

    (void)data;
    saves(store, HF_STATE_SAVESTATE, "save", 4);
    for (unsigned i = 1; i <= 400; i++) {
        size_t size = 1000 + i * 60 + (i % 7) * 900;

        memset(blob, (int)i, size);
        saves(store, HF_STATE_PERMANENT, blob, size);
        saves(store, HF_STATE_VOLATILE, blob, size / 3);
        loads(store, HF_STATE_PERMANENT, blob, size);
        loads(store, HF_STATE_VOLATILE, blob, size / 3);
        loads(store, HF_STATE_SAVESTATE, "save", 4);
        if (i % 3 == 0) {
            removes(store, HF_STATE_VOLATILE);
            absent(store, HF_STATE_VOLATILE);
            removes(store, HF_STATE_VOLATILE);
        }
    }
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpint(st.st_size, <, 192 + 5 * 32768);
    g_autoptr(HfStore) again = store_open(place, NULL);
    loads(again, HF_STATE_SAVESTATE, "save", 4);
}

/* A removed blob is not left behind in the file, nor an older one behind a shorter. */
static void test_no_remains(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = store_open(place, NULL);
    g_autofree uint8_t *secret = g_malloc(5000);

    (void)data;
    memset(secret, 'S', 5000);
    saves(store, HF_STATE_PERMANENT, "x", 1);
    saves(store, HF_STATE_VOLATILE, secret, 5000);
    removes(store, HF_STATE_VOLATILE);
    g_autoptr(GByteArray) bytes = content(place);
    g_assert_null(memchr(bytes->data, 'S', bytes->len));
    saves(store, HF_STATE_VOLATILE, secret, 5000);
    saves(store, HF_STATE_VOLATILE, (const uint8_t *)"a", 1);
    saves(store, HF_STATE_VOLATILE, (const uint8_t *)"b", 1);
    loads(store, HF_STATE_VOLATILE, "b", 1);
}

static void test_made(Place *place, gconstpointer data)
{
    const HfStoreConfig look = { .look_only = true };
    const HfStoreConfig exact = { .mode_given = true, .mode = 0604, .fsync = true };
    mode_t mask = umask(0077);
    struct stat st;
    GError *error = NULL;

    (void)data;
    g_autoptr(HfStore) looking = store_open(place, &look);
    absent(looking, HF_STATE_PERMANENT);
    g_assert_cmpint(stat(place->path, &st), ==, -1);
    g_assert_false(
        looking->class->save(looking, HF_STATE_PERMANENT, (const uint8_t *)"x", 1, &error));
    expect(g_steal_pointer(&error), HF_ERROR_STATE, "only looked at");
    g_autoptr(HfStore) store = store_open(place, &exact);
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0604);
    g_assert_cmpint(g_remove(place->path), ==, 0);
    /* What is written to a file without a name is lost. */
    g_assert_false(store->class->save(store, HF_STATE_PERMANENT, (const uint8_t *)"x", 1, &error));
    expect(g_steal_pointer(&error), HF_ERROR_IO, "was removed");
    g_autoptr(HfStore) other = store_open(place, NULL);
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    umask(mask);

    g_autofree char *deep = g_build_filename(place->dir, "missing", "state", NULL);
    g_assert_null(hf_store_linear_open(deep, &exact, &error));
    expect(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, "missing");
    g_assert_null(hf_store_linear_open(deep, &look, &error));
    expect(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, "missing");
    g_assert_null(hf_store_linear_open("", &exact, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "no name");
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
        put_file(place, disk, 5u << 20);
        refuses_open(place, HF_ERROR_INVALID, "found something else, which is left alone");
        g_autoptr(GByteArray) after = content(place);
        g_assert_cmpmem(after->data, after->len, disk, 5u << 20);
    }
    put_file(place, "x", 1);
    refuses_open(place, HF_ERROR_INVALID, "something else");
    put_file(place, "\2\1\0\12\0\0\0\0\0\22\0\1\0\0\0\2ok", 18);
    refuses_open(place, HF_ERROR_INVALID, "something else");
    /* Nothing at all, and nothing but zeros, become a store. */
    memset(disk, 0, 5u << 20);
    put_file(place, disk, 5u << 20);
    g_autoptr(HfStore) store = store_open(place, NULL);
    absent(store, HF_STATE_PERMANENT);
    saves(store, HF_STATE_PERMANENT, "x", 1);
    loads(store, HF_STATE_PERMANENT, "x", 1);
}

/* It became foreign after it was opened: still nothing is written. */
static void test_foreign_later(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = store_open(place, NULL);
    GError *error = NULL;
    int64_t size = 0;

    (void)data;
    put_file(place, "precious", 8);
    g_assert_false(store->class->save(store, HF_STATE_PERMANENT, (const uint8_t *)"x", 1, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_assert_false(store->class->stat(store, HF_STATE_PERMANENT, &size, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_assert_false(store->class->remove(store, HF_STATE_PERMANENT, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "left alone");
    g_autoptr(GByteArray) after = content(place);
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
    g_autoptr(HfStore) store = store_open(place, NULL);
    g_autoptr(GByteArray) good = NULL;

    (void)data;
    saves(store, HF_STATE_PERMANENT, "hello", 5);
    saves(store, HF_STATE_VOLATILE, "hello", 5);
    good = content(place);
    g_assert_cmpuint(good->len, ==, 192 + 64);
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree uint8_t *bytes = g_memdup2(good->data, good->len);

        put_u32_le(bytes + faults[i].at, faults[i].value);
        if (faults[i].at == 12 && faults[i].value == 225) {
            put_u32_le(bytes + 24, 0); /* the other one is not in the way */
            put_u32_le(bytes + 12, 192 + 64 - 20);
        }
        put_file(place, bytes, good->len);
        refuses_open(place, faults[i].code, faults[i].words);
        g_autoptr(GByteArray) after = content(place);
        g_assert_cmpmem(after->data, after->len, bytes, good->len);
    }
    for (size_t n = 1; n < good->len; n++) {
        put_file(place, good->data, n);
        /* The last section's padding may be missing. */
        if (n < 224 + 21) {
            refuses_open(place, HF_ERROR_INVALID, n < 8 ? "something else" : "truncated");
        } else {
            g_autoptr(HfStore) cut = store_open(place, NULL);
            loads(cut, HF_STATE_VOLATILE, "hello", 5);
        }
    }
}

/* A blob that is no blob is an error, never absent. */
static void test_wrong_blobs(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) store = store_open(place, NULL);
    g_autoptr(GByteArray) good = NULL;
    GError *error = NULL;

    (void)data;
    saves(store, HF_STATE_PERMANENT, "hello", 5);
    good = content(place);
    for (uint32_t used = 0; used < 21; used++) {
        put_u32_le(good->data + 16, used);
        put_file(place, good->data, good->len);
        g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
        expect(g_steal_pointer(&error), HF_ERROR_INVALID, "(permall)");
    }
    put_u32_le(good->data + 16, 21);
    good->data[193 + 4] ^= 1; /* the flags: encrypted */
    put_file(place, good->data, good->len);
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect(g_steal_pointer(&error), HF_ERROR_AUTH, "is encrypted");
    /* Larger than any blob, in a file that has all of it. */
    g_byte_array_set_size(good, 192 + HF_STATE_FILE_MAX + 1);
    put_u32_le(good->data + 16, HF_STATE_FILE_MAX + 1);
    put_u32_le(good->data + 20, HF_STATE_FILE_MAX + 1);
    put_file(place, good->data, good->len);
    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "at most");
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
    g_autoptr(HfStore) store = store_open(place, NULL);
    g_autoptr(GByteArray) bytes = NULL;

    (void)data;
    saves(store, HF_STATE_PERMANENT, "hello", 5);
    saves(store, HF_STATE_VOLATILE, "hello", 5);
    bytes = content(place);
    memset(bytes->data, 0, 8);
    put_file(place, bytes->data, bytes->len);
    g_autoptr(HfStore) erased = store_open(place, NULL);
    absent(erased, HF_STATE_PERMANENT);
    saves(erased, HF_STATE_PERMANENT, "new", 3);
    loads(erased, HF_STATE_PERMANENT, "new", 3);
    absent(erased, HF_STATE_VOLATILE);
    memset(bytes->data, 0, 9);
    put_file(place, bytes->data, bytes->len);
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
    g_autoptr(HfStore) store = store_open(place, &config);
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
    g_autoptr(HfStore) without = store_open(place, NULL);
    g_assert_true(without->class->lock(without, 0, &error));
    g_assert_cmpint(in_child(try_lock, place), ==, 0);
    hf_store_free(g_steal_pointer(&without));
    g_autoptr(HfStore) store = store_open(place, &config);
    g_assert_true(store->class->lock(store, 0, &error));
    g_assert_true(store->class->lock(store, 0, &error));
    g_assert_cmpint(in_child(try_lock, place), ==, 1);
    saves(store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(in_child(try_lock, place), ==, 1);
    store->class->unlock(store);
    g_assert_cmpint(in_child(try_lock, place), ==, 0);
    loads(store, HF_STATE_PERMANENT, "x", 1);
}

/* Two processes take turns: each finds what the other wrote. */
static void test_turns(Place *place, gconstpointer data)
{
    g_autoptr(HfStore) one = store_open(place, NULL);
    g_autoptr(HfStore) two = store_open(place, NULL);

    (void)data;
    for (uint8_t i = 0; i < 20; i++) {
        HfStore *writer = i % 2 ? one : two;
        HfStore *reader = i % 2 ? two : one;

        saves(writer, HF_STATE_PERMANENT, &i, 1);
        loads(reader, HF_STATE_PERMANENT, &i, 1);
        writer->class->unlock(writer);
    }
}

/* --- crashes --- */

typedef struct {
    off_t offset; /* -1: a sync */
    GBytes *data;
} Event;

typedef struct {
    GArray *events; /* of Event */
    int fail_write; /* counts down; at 0 a write fails with ENOSPC */
    int fail_sync;  /* the same with EIO */
    unsigned syncs;
} Record;

static ssize_t record_write(void *user, int fd, const void *data, size_t n, off_t offset)
{
    Record *record = user;
    const Event event = { offset, g_bytes_new(data, n) };

    if (record->fail_write >= 0 && record->fail_write-- == 0) {
        g_bytes_unref(event.data);
        errno = ENOSPC;
        return -1;
    }
    g_array_append_val(record->events, event);
    return pwrite(fd, data, n, offset);
}

static int record_sync(void *user, int fd)
{
    Record *record = user;
    const Event event = { -1, NULL };

    (void)fd;
    record->syncs++;
    if (record->fail_sync >= 0 && record->fail_sync-- == 0) {
        errno = EIO;
        return -1;
    }
    g_array_append_val(record->events, event);
    return 0;
}

static const HfMediumOps record_ops = { record_write, record_sync };

static void event_clear(gpointer data)
{
    Event *event = data;

    if (event->data) {
        g_bytes_unref(event->data);
    }
}

static void record_init(Record *record)
{
    *record = (Record){ .fail_write = -1, .fail_sync = -1 };
    record->events = g_array_new(FALSE, FALSE, sizeof(Event));
    g_array_set_clear_func(record->events, event_clear);
}

static HfStore *open_recorded(const Place *place, Record *record)
{
    const HfStoreConfig config = {
        .tpm2 = true, .fsync = true, .medium_ops = &record_ops, .medium_user = record
    };

    return store_open(place, &config);
}

static void apply(GByteArray *disk, off_t offset, const uint8_t *data, size_t n)
{
    if (disk->len < (size_t)offset + n) {
        guint before = disk->len;

        g_byte_array_set_size(disk, (guint)((size_t)offset + n));
        memset(disk->data + before, 0, disk->len - before);
    }
    memcpy(disk->data + offset, data, n);
}

/* The part of an event that lies in sectors for which the choice says yes. A sector is whole. */
static void apply_sectors(GByteArray *disk, const Event *event, GRand *choice, int chance)
{
    gsize size;
    const uint8_t *data = g_bytes_get_data(event->data, &size);

    for (size_t at = 0; at < size;) {
        size_t sector_end = (((size_t)event->offset + at) / SECTOR + 1) * SECTOR;
        size_t n = MIN(size - at, sector_end - (size_t)event->offset - at);

        if (g_rand_int_range(choice, 0, 100) < chance) {
            apply(disk, event->offset + (off_t)at, data + at, n);
        }
        at += n;
    }
}

/* What the blobs were when `acknowledged` operations had returned; the script below. */
typedef struct {
    size_t size[HF_STATE_COUNT]; /* 0: absent */
    uint8_t fill[HF_STATE_COUNT];
} Expected;

typedef struct {
    Expected states[64];
    guint until[64]; /* number of events when the operation had returned */
    unsigned n;
} Script;

static bool matches(HfStore *store, const Expected *expected, HfStateKind kind)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) blob = store->class->load(store, kind, &error);
    gsize size;
    const uint8_t *bytes;

    if (!blob) {
        return expected->size[kind] == 0 && hf_error_is(error, HF_ERROR_NOT_FOUND);
    }
    bytes = g_bytes_get_data(blob, &size);
    if (size != expected->size[kind]) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != expected->fill[kind]) {
            return false;
        }
    }
    return true;
}

/* The disk holds the last acknowledged state of all blobs, or the next one of all. */
static void check_disk(const Place *place, const GByteArray *disk, const Script *script,
                       unsigned acknowledged)
{
    unsigned next = MIN(acknowledged + 1, script->n - 1);
    bool is_last = true;
    bool is_next = true;

    put_file(place, disk->data, disk->len);
    g_autoptr(HfStore) store = store_open(place, NULL);
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        is_last = is_last && matches(store, &script->states[acknowledged], (HfStateKind)kind);
        is_next = is_next && matches(store, &script->states[next], (HfStateKind)kind);
    }
    if (!is_last && !is_next) {
        g_error("after operation %u: neither the old state nor the new one", acknowledged);
    }
    /* And it can be written to. */
    saves(store, HF_STATE_PERMANENT, "after", 5);
    loads(store, HF_STATE_PERMANENT, "after", 5);
    for (int kind = 1; kind < HF_STATE_COUNT; kind++) {
        g_assert_true(
            matches(store, &script->states[is_last ? acknowledged : next], (HfStateKind)kind));
    }
}

/* Saves and removals of growing and shrinking blobs. */
static void run_script(HfStore *store, const Record *record, Script *script)
{
    g_autofree uint8_t *data = g_malloc0(20000);
    static const struct {
        HfStateKind kind;
        size_t size;
    } steps[] = { { 0, 3000 }, { 0, 3100 }, { 1, 900 },  { 0, 7000 }, { 0, 7100 }, { 2, 60 },
                  { 1, 0 },    { 0, 300 },  { 1, 2000 }, { 0, 9000 }, { 1, 2100 }, { 1, 0 },
                  { 0, 9001 }, { 2, 0 },    { 0, 100 },  { 0, 9002 }, { 0, 9003 } };

    script->states[0] = (Expected){ 0 };
    script->until[0] = 0;
    script->n = 1;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        Expected *now = &script->states[script->n];

        *now = script->states[script->n - 1];
        now->size[steps[i].kind] = steps[i].size;
        now->fill[steps[i].kind] = (uint8_t)(i + 1);
        memset(data, (int)(i + 1), steps[i].size);
        if (steps[i].size > 0) {
            saves(store, steps[i].kind, data, steps[i].size);
        } else {
            removes(store, steps[i].kind);
        }
        script->until[script->n++] = record->events->len;
    }
}

/* Everything before event `from` is on disk; of those in [from, to) any choice of sectors. */
static void crash_at(const Place *place, const Record *record, const Script *script,
                     const GByteArray *base, guint from, guint to, GRand *choice)
{
    unsigned acknowledged = 0;

    while (acknowledged + 1 < script->n && script->until[acknowledged + 1] <= to) {
        acknowledged++;
    }
    for (int round = 0; round < 12; round++) {
        /* None, all, and between. */
        int chance = round == 0 ? 0 : round == 1 ? 100 : 10 * (round - 1);
        g_autoptr(GByteArray) disk = g_byte_array_new();

        g_byte_array_append(disk, base->data, base->len);
        for (guint i = from; i < to; i++) {
            const Event *event = &g_array_index(record->events, Event, i);

            if (event->data) {
                apply_sectors(disk, event, choice, chance);
            }
        }
        check_disk(place, disk, script, acknowledged);
    }
}

static void replay(const Place *place, const Record *record, const Script *script)
{
    g_autoptr(GByteArray) base = g_byte_array_new();
    GRand *choice = g_rand_new_with_seed(20261121);
    guint synced = 0;

    for (guint to = 0; to <= record->events->len; to++) {
        if (to > 0 && !g_array_index(record->events, Event, to - 1).data) {
            for (guint i = synced; i < to; i++) {
                const Event *event = &g_array_index(record->events, Event, i);
                gsize size = 0;
                const uint8_t *data = event->data ? g_bytes_get_data(event->data, &size) : NULL;

                if (data) {
                    apply(base, event->offset, data, size);
                }
            }
            synced = to;
        }
        crash_at(place, record, script, base, synced, to, choice);
    }
    g_rand_free(choice);
}

static void test_crashes(Place *place, gconstpointer data)
{
    Record record;
    Script script;
    g_autoptr(HfStore) store = NULL;

    (void)data;
    record_init(&record);
    store = open_recorded(place, &record);
    run_script(store, &record, &script);
    g_assert_cmpuint(record.events->len, >, 40);
    hf_store_free(g_steal_pointer(&store));
    replay(place, &record, &script);
    g_array_unref(record.events);
}

/* One of the blobs of one byte repeated 3000 times that are given, or g_error. */
static void check_fill(const Place *place, const GByteArray *disk, uint8_t from, uint8_t to)
{
    put_file(place, disk->data, disk->len);
    g_autoptr(HfStore) store = store_open(place, NULL);
    for (uint8_t fill = from; fill <= to; fill++) {
        const Expected one = { .size = { 3000 }, .fill = { fill } };

        if (matches(store, &one, HF_STATE_PERMANENT)) {
            return;
        }
    }
    g_error("none of the blobs %u to %u is there", from, to);
}

/* Applies the writes of [from, to) to a copy, of all their sectors only `one`, or all but that.
 * False: there are not so many. */
static bool check_one_sector(const Place *place, const Record *record, const GByteArray *disk,
                             guint from, guint to, unsigned one)
{
    g_autoptr(GByteArray) only = g_byte_array_new();
    g_autoptr(GByteArray) without = g_byte_array_new();
    unsigned sector = 0;

    g_byte_array_append(only, disk->data, disk->len);
    g_byte_array_append(without, disk->data, disk->len);
    for (guint i = from; i < to; i++) {
        const Event *event = &g_array_index(record->events, Event, i);
        gsize size;
        const uint8_t *data = g_bytes_get_data(event->data, &size);

        for (size_t at = 0; at < size; sector++) {
            size_t n = SECTOR - ((size_t)event->offset + at) % SECTOR;

            n = MIN(n, size - at);
            apply(sector == one ? only : without, event->offset + (off_t)at, data + at, n);
            at += n;
        }
    }
    if (one >= sector) {
        return false;
    }
    check_fill(place, only, 3, 5);
    check_fill(place, without, 3, 5);
    return true;
}

/* All moments from event `from` on; what is before is on disk as far as it was synced. */
static void lose_sectors(const Place *place, const Record *record, guint from)
{
    g_autoptr(GByteArray) disk = g_byte_array_new();
    guint synced = 0;

    for (guint to = 0; to < record->events->len; to++) {
        if (g_array_index(record->events, Event, to).data) {
            continue;
        }
        for (unsigned one = 0; to >= from && check_one_sector(place, record, disk, synced, to, one);
             one++) {
        }
        for (guint i = synced; i < to; i++) {
            const Event *event = &g_array_index(record->events, Event, i);
            gsize size;
            const uint8_t *data = g_bytes_get_data(event->data, &size);

            apply(disk, event->offset, data, size);
        }
        synced = to + 1;
    }
    check_fill(place, disk, 5, 5);
}

/* A process is killed before each of the writes and syncs of a save; another one goes on with what
 * the page cache has, of which nothing need be on disk; then the power fails. */
static void test_kill_then_crash(Place *place, gconstpointer data)
{
    (void)data;
    for (int killed_at = 0; killed_at < 4; killed_at++) {
        Record record;
        uint8_t blob[3000];
        guint third = 0;

        (void)g_remove(place->path);
        record_init(&record);
        g_autoptr(HfStore) first = open_recorded(place, &record);
        for (uint8_t i = 1; i <= 4; i++) {
            third = i < 4 ? record.events->len : third;
            record.fail_write = i == 4 && killed_at < 2 ? killed_at : -1;
            record.fail_sync = i == 4 && killed_at >= 2 ? killed_at - 2 : -1;
            memset(blob, i, sizeof blob);
            g_assert_true(first->class->save(first, HF_STATE_PERMANENT, blob, sizeof blob, NULL) ==
                          (i < 4));
        }
        third = record.events->len > third ? third + 4 : third; /* two writes, two syncs */
        hf_store_free(g_steal_pointer(&first));
        g_autoptr(HfStore) second = open_recorded(place, &record);
        memset(blob, 5, sizeof blob);
        saves(second, HF_STATE_PERMANENT, blob, sizeof blob);
        hf_store_free(g_steal_pointer(&second));
        lose_sectors(place, &record, third);
        g_array_unref(record.events);
    }
}

/* Every write and every sync fails once: the old state stays, in the file and on the disk, however
 * many saves fail in a row; and the next one works. */
static void test_failures(Place *place, gconstpointer data)
{
    uint8_t blob[2000];

    (void)data;
    for (int what = 0; what < 4; what++) {
        Record record;
        GError *error = NULL;

        (void)g_remove(place->path);
        record_init(&record);
        g_autoptr(HfStore) store = open_recorded(place, &record);
        memset(blob, 1, sizeof blob);
        saves(store, HF_STATE_PERMANENT, blob, sizeof blob);
        g_autoptr(GByteArray) disk = content(place);
        for (uint8_t i = 2; i < 12; i++) {
            guint before = record.events->len;

            memset(blob, i, sizeof blob);
            record.fail_write = what < 2 ? what : -1;
            /* Once a header is in doubt, the first sync is that of the header again. */
            record.fail_sync = what < 2 ? -1 : what == 3 && i > 2 ? 0 : what - 2;
            g_assert_false(
                store->class->save(store, HF_STATE_PERMANENT, blob, sizeof blob, &error));
            g_assert_true(hf_error_is(error, what < 2 ? HF_ERROR_NO_SPACE : HF_ERROR_IO));
            g_clear_error(&error);
            /* Nothing that was written since the first save touches what the disk still needs. */
            for (guint e = before; e < record.events->len; e++) {
                const Event *event = &g_array_index(record.events, Event, e);
                gsize size = 0;

                if (event->data) {
                    (void)g_bytes_get_data(event->data, &size);
                    g_assert_true(event->offset == 0 || event->offset >= 192 + 2048);
                    g_assert_true(event->offset != 0 || size == 192);
                }
            }
        }
        record.fail_write = -1;
        record.fail_sync = -1;
        put_file(place, disk->data, disk->len);
        memset(blob, 1, sizeof blob);
        loads(store, HF_STATE_PERMANENT, blob, sizeof blob);
        memset(blob, 99, sizeof blob);
        saves(store, HF_STATE_PERMANENT, blob, sizeof blob);
        loads(store, HF_STATE_PERMANENT, blob, sizeof blob);
        g_array_unref(record.events);
    }
}

/* A save is two syncs, the first one of a process three. */
static void test_cost(Place *place, gconstpointer data)
{
    Record record;

    (void)data;
    record_init(&record);
    g_autoptr(HfStore) store = open_recorded(place, &record);
    saves(store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpuint(record.syncs, ==, 3);
    saves(store, HF_STATE_PERMANENT, "y", 1);
    g_assert_cmpuint(record.syncs, ==, 5);
    removes(store, HF_STATE_PERMANENT);
    g_assert_cmpuint(record.syncs, ==, 6);
    hf_store_free(g_steal_pointer(&store));
    store = open_recorded(place, &record);
    saves(store, HF_STATE_PERMANENT, "z", 1);
    g_assert_cmpuint(record.syncs, ==, 9);
    const HfStoreConfig quick = { .medium_ops = &record_ops, .medium_user = &record };
    g_autoptr(HfStore) fast = store_open(place, &quick);
    saves(fast, HF_STATE_PERMANENT, "z", 1);
    g_assert_cmpuint(record.syncs, ==, 9);
    g_array_unref(record.events);
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
        { "/linear/crashes", test_crashes },
        { "/linear/kill-then-crash", test_kill_then_crash },
        { "/linear/failures", test_failures },
        { "/linear/cost", test_cost },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Place, NULL, place_new, tests[i].test, place_free);
    }
    g_test_add_func("/linear/places", test_places);
    return g_test_run();
}
