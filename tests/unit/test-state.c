/*
 * test-state.c - swtpm's file format, the migration blob and the directory store: one case for each
 * way a file can be wrong, and none of them may pass for an absent file or cost a stored one.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "state/envelope.h"
#include "state/format.h"
#include "state/migration_blob.h"
#include "state/store_dir.h"

static const HfStateKeys no_keys = { 0 };
static const HfStoreConfig config = { .tpm2 = true, .fsync = true };

typedef struct {
    char *path;
    HfStore *store;
} Place;

static void place_open(Place *place)
{
    GError *error = NULL;

    place->store = hf_store_open_uri(place->path, &config, &error);
    g_assert_no_error(error);
}

static void place_new(Place *place, gconstpointer data)
{
    GError *error = NULL;

    (void)data;
    place->path = g_dir_make_tmp("holdfast-state-XXXXXX", &error);
    g_assert_no_error(error);
    place_open(place);
}

static void place_free(Place *place, gconstpointer data)
{
    GDir *dir = g_dir_open(place->path, 0, NULL);
    const char *name;

    (void)data;
    hf_store_free(place->store);
    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(place->path, name, NULL);

        g_assert_cmpint(g_remove(path), ==, 0);
    }
    if (dir) {
        g_dir_close(dir);
        g_assert_cmpint(g_rmdir(place->path), ==, 0);
    }
    g_free(place->path);
}

static char *in(const Place *place, const char *name)
{
    return g_build_filename(place->path, name, NULL);
}

static void write_file(const Place *place, const char *name, const void *data, size_t size)
{
    g_autofree char *path = in(place, name);
    hf_autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(hf_fd_write_all(fd, data, size, path, NULL));
}

static bool exists(const Place *place, const char *name)
{
    g_autofree char *path = in(place, name);
    struct stat st;

    return lstat(path, &st) == 0;
}

static void saves(HfStore *store, HfStateKind kind, const void *data, size_t size)
{
    GError *error = NULL;

    g_assert_true(store->class->save(store, kind, data, size, &error));
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

static void refuses_load(HfStore *store, HfErrorCode code, const char *words)
{
    GError *error = NULL;

    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect(error, code, words);
}

static void refuses_file(Place *place, const void *data, size_t size, HfErrorCode code,
                         const char *words)
{
    write_file(place, "tpm2-00.permall", data, size);
    refuses_load(place->store, code, words);
}

static void test_round_trip(Place *place, gconstpointer data)
{
    static const char *const names[] = { "tpm2-00.permall", "tpm2-00.volatilestate",
                                         "tpm2-00.savestate" };
    static const uint8_t wanted[] = { 2, 1, 0, 10, 0, 0,   0,   0,   0,   21, 0,
                                      1, 0, 0, 0,  5, 'h', 'e', 'l', 'l', 'o' };
    g_autofree char *permall = in(place, "tpm2-00.permall");
    g_autofree char *text = NULL;
    gsize size;
    int64_t stored = 0;
    GError *error = NULL;

    (void)data;
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        g_assert_false(exists(place, names[kind]));
        g_assert_null(place->store->class->load(place->store, kind, &error));
        expect(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, names[kind]);
        g_assert_true(place->store->class->stat(place->store, kind, &stored, &error));
        g_assert_cmpint(stored, ==, -1);
        saves(place->store, kind, "hello", 5);
        loads(place->store, kind, "hello", 5);
        g_assert_true(exists(place, names[kind]));
        g_assert_true(place->store->class->stat(place->store, kind, &stored, &error));
        g_assert_cmpint(stored, ==, sizeof wanted);
    }
    g_assert_true(g_file_get_contents(permall, &text, &size, NULL));
    g_assert_cmpmem(text, size, wanted, sizeof wanted);
    g_assert_false(exists(place, "TMP2-00.permall"));

    saves(place->store, HF_STATE_PERMANENT, "other", 5);
    loads(place->store, HF_STATE_PERMANENT, "other", 5);
    g_assert_true(place->store->class->remove(place->store, HF_STATE_VOLATILE, &error));
    g_assert_true(place->store->class->remove(place->store, HF_STATE_VOLATILE, &error));
    g_assert_false(exists(place, names[HF_STATE_VOLATILE]));
    loads(place->store, HF_STATE_SAVESTATE, "hello", 5);
}

static void test_modes(Place *place, gconstpointer data)
{
    HfStoreConfig exact = { .mode_given = true, .mode = 0604 };
    g_autofree char *path2 = in(place, "tpm2-00.permall");
    g_autofree char *path12 = in(place, "tpm-00.permall");
    mode_t mask = umask(0027);
    g_autoptr(HfStore) other = hf_store_dir_open(place->path, &exact, NULL);
    struct stat st;

    (void)data;
    saves(place->store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(stat(path2, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0640);
    umask(0077);
    saves(place->store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(stat(path2, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
    /* A given mode is exact, and TPM 1.2 has names of its own (and this one does not sync). */
    saves(other, HF_STATE_PERMANENT, "y", 1);
    g_assert_cmpint(stat(path12, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0604);
    umask(mask);
    loads(place->store, HF_STATE_PERMANENT, "x", 1);
    loads(other, HF_STATE_PERMANENT, "y", 1);
}

static void test_old_and_odd_formats(Place *place, gconstpointer data)
{
    /* Version 1 has no records; records may come in any order among unknown ones. */
    static const uint8_t version1[] = { 1, 1, 0, 10, 0, 0, 0, 0, 0, 12, 'o', 'k' };
    static const uint8_t records[] = { 9, 2, 0, 10, 0, 0, 0, 0,   0,    31, 0x77, 0, 0, 0, 0, 1,
                                       0, 0, 1, 0,  0, 0, 1, 'k', 0x78, 0,  0,    0, 0, 1, 1 };

    (void)data;
    write_file(place, "tpm2-00.permall", version1, sizeof version1);
    loads(place->store, HF_STATE_PERMANENT, "ok", 2);
    write_file(place, "tpm2-00.permall", records, sizeof records);
    loads(place->store, HF_STATE_PERMANENT, "k", 1);
}

static void test_wrong_files(Place *place, gconstpointer data)
{
    static const uint8_t good[] = { 2, 1, 0, 10, 0, 0, 0, 0, 0, 18, 0, 1, 0, 0, 0, 2, 'o', 'k' };
    static const struct {
        uint8_t bytes[40];
        size_t size;
        HfErrorCode code;
        const char *words;
    } cases[] = {
        { { 2 }, 1, HF_ERROR_INVALID, "at least 10 bytes, found 1" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 18 }, 10, HF_ERROR_INVALID, "truncated" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "no record with the state" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 10, 1 }, 11, HF_ERROR_INVALID, "followed by" },
        { { 2, 1, 0, 11, 0, 0, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "expected TPM state" },
        { { 2, 1, 0, 0, 0, 0, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "expected TPM state" },
        { { 3, 3, 0, 10, 0, 0, 0, 0, 0, 10 }, 10, HF_ERROR_UNSUPPORTED, "reader of version 3" },
        { { 0, 0, 0, 10, 0, 0, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "version 1 or 2, found 0" },
        { { 2, 1, 0, 10, 0x80, 0, 0, 0, 0, 10 }, 10, HF_ERROR_UNSUPPORTED, "unknown flags" },
        { { 2, 1, 0, 10, 0, 1, 0, 0, 0, 10 }, 10, HF_ERROR_STATE, "is encrypted, and no key" },
        { { 2, 1, 0, 10, 0, 9, 0, 0, 0, 10 }, 10, HF_ERROR_STATE, "is encrypted, and no key" },
        { { 1, 1, 0, 10, 0, 1, 0, 0, 0, 10 }, 10, HF_ERROR_STATE, "is encrypted, and no key" },
        { { 2, 1, 0, 10, 0, 4, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "migration blob" },
        { { 2, 1, 0, 10, 0, 8, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "make no sense" },
        { { 1, 1, 0, 10, 0, 0, 0, 0, 0, 10 }, 10, HF_ERROR_INVALID, "found 0" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 13, 0, 1, 0 }, 13, HF_ERROR_INVALID, "past the end" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 17, 0, 1, 0, 0, 0, 2, 'o' },
          17,
          HF_ERROR_INVALID,
          "offset 0 reaches past" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 17, 0, 1, 0xff, 0xff, 0xff, 0xff, 'o' },
          17,
          HF_ERROR_INVALID,
          "past the end" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0 }, 16, HF_ERROR_INVALID, "found 0" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 17, 0, 2, 0, 0, 0, 1, 'x' },
          17,
          HF_ERROR_INVALID,
          "no record with the state" },
        { { 2, 1, 0, 10, 0, 0, 0, 0, 0, 24, 0, 1, 0, 0, 0, 1, 'x', 0, 1, 0, 0, 0, 1, 'y' },
          24,
          HF_ERROR_INVALID,
          "two records" },
        { { 'n', 'i', 'l', 'm', 'p', 't', 'w', 's', 1, 0, 0, 192 },
          12,
          HF_ERROR_INVALID,
          "linear store" },
        { { 0, 3, 0xab, 0x36, 0x47, 0x23, 0, 3, 0, 0 }, 10, HF_ERROR_INVALID, "without this" },
    };
    g_autofree uint8_t *large = g_malloc0(HF_STATE_FILE_MAX + 1);
    size_t size = HF_STATE_BLOB_MAX + 17;

    (void)data;
    refuses_file(place, "", 0, HF_ERROR_INVALID, "at least 10 bytes, found 0");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        refuses_file(place, cases[i].bytes, cases[i].size, cases[i].code, cases[i].words);
    }
    /* Every truncation of a good file, and every file is still there afterwards. */
    for (size_t n = 0; n < sizeof good; n++) {
        refuses_file(place, good, n, HF_ERROR_INVALID, "tpm2-00.permall");
    }
    g_assert_true(exists(place, "tpm2-00.permall"));
    write_file(place, "tpm2-00.permall", good, sizeof good);
    loads(place->store, HF_STATE_PERMANENT, "ok", 2);

    refuses_file(place, large, HF_STATE_FILE_MAX + 1, HF_ERROR_INVALID, "at most");
    memcpy(large, good, 16);
    hf_store_u32(large + 6, (uint32_t)size);
    hf_store_u32(large + 12, HF_STATE_BLOB_MAX + 1);
    refuses_file(place, large, size, HF_ERROR_INVALID, "found 524289");
    hf_store_u32(large + 6, (uint32_t)size - 1);
    hf_store_u32(large + 12, HF_STATE_BLOB_MAX);
    write_file(place, "tpm2-00.permall", large, size - 1);
    loads(place->store, HF_STATE_PERMANENT, large + 16, HF_STATE_BLOB_MAX);
}

static void test_wrong_kinds(Place *place, gconstpointer data)
{
    static const uint8_t good[] = { 2, 1, 0, 10, 0, 0, 0, 0, 0, 18, 0, 1, 0, 0, 0, 2, 'o', 'k' };
    g_autofree char *path = in(place, "tpm2-00.permall");
    g_autofree char *target = in(place, "target");
    int64_t size;
    GError *error = NULL;

    (void)data;
    write_file(place, "target", good, sizeof good);
    g_assert_cmpint(symlink("target", path), ==, 0);
    refuses_load(place->store, HF_ERROR_INVALID, "symbolic link");
    g_assert_false(place->store->class->stat(place->store, HF_STATE_PERMANENT, &size, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "symbolic link");
    /* A link to nowhere is not an absent state either. */
    g_assert_cmpint(g_remove(target), ==, 0);
    refuses_load(place->store, HF_ERROR_INVALID, "symbolic link");
    g_assert_cmpint(g_remove(path), ==, 0);

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    refuses_load(place->store, HF_ERROR_INVALID, "regular file");
    g_assert_cmpint(g_remove(path), ==, 0);
    g_assert_cmpint(mkdir(path, 0700), ==, 0);
    refuses_load(place->store, HF_ERROR_INVALID, "a directory");
    g_assert_false(place->store->class->save(place->store, HF_STATE_PERMANENT, good, 1, &error));
    expect(g_steal_pointer(&error), HF_ERROR_IO, "tpm2-00.permall");
    g_assert_false(place->store->class->remove(place->store, HF_STATE_PERMANENT, &error));
    g_clear_error(&error);
    g_assert_false(exists(place, "TMP2-00.permall"));
}

/* Runs `body` in a child and returns its exit code; it has to succeed within a minute. */
static int in_child(int (*body)(Place *), Place *place)
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

static int load_as_nobody(Place *place)
{
    g_autoptr(GError) error = NULL;

    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
        return 2;
    }
    return !place->store->class->load(place->store, HF_STATE_PERMANENT, &error) &&
                   hf_error_is(error, HF_ERROR_ACCESS)
               ? 0
               : 1;
}

static void test_unreadable(Place *place, gconstpointer data)
{
    g_autofree char *path = in(place, "tpm2-00.permall");

    (void)data;
    saves(place->store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(chmod(path, 0), ==, 0);
    g_assert_cmpint(chmod(place->path, 0755), ==, 0);
    g_assert_cmpint(in_child(load_as_nobody, place), ==, 0);
}

static void test_temporary_planted(Place *place, gconstpointer data)
{
    g_autofree char *temporary = in(place, "TMP2-00.permall");
    g_autofree char *victim = in(place, "victim");
    g_autofree char *text = NULL;

    (void)data;
    /* What a crash left, and what an attacker plants: neither is written into nor followed. */
    write_file(place, "TMP2-00.permall", "half", 4);
    saves(place->store, HF_STATE_PERMANENT, "x", 1);
    write_file(place, "victim", "precious", 8);
    g_assert_cmpint(symlink("victim", temporary), ==, 0);
    saves(place->store, HF_STATE_PERMANENT, "y", 1);
    g_assert_cmpint(link(victim, temporary), ==, 0);
    saves(place->store, HF_STATE_PERMANENT, "z", 1);
    loads(place->store, HF_STATE_PERMANENT, "z", 1);
    g_assert_true(g_file_get_contents(victim, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "precious");
    g_assert_false(exists(place, "TMP2-00.permall"));
}

static int save_too_much(Place *place)
{
    static const struct rlimit limit = { 4096, 4096 };
    g_autofree uint8_t *data = g_malloc0(20000);
    g_autoptr(GError) error = NULL;

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 2;
    }
    return place->store->class->save(place->store, HF_STATE_PERMANENT, data, 20000, &error) ? 1 : 0;
}

static void test_write_fails(Place *place, gconstpointer data)
{
    g_autofree uint8_t *zeros = g_malloc0(HF_STATE_BLOB_MAX + 1);
    GError *error = NULL;

    (void)data;
    saves(place->store, HF_STATE_PERMANENT, "old", 3);
    g_assert_cmpint(in_child(save_too_much, place), ==, 0);
    loads(place->store, HF_STATE_PERMANENT, "old", 3);
    g_assert_false(exists(place, "TMP2-00.permall"));

    g_assert_false(place->store->class->save(place->store, HF_STATE_PERMANENT, zeros,
                                             HF_STATE_BLOB_MAX + 1, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "found 524289");
    g_assert_false(place->store->class->save(place->store, HF_STATE_PERMANENT, zeros, 0, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "found 0");
    loads(place->store, HF_STATE_PERMANENT, "old", 3);
}

#define CHILD_CANNOT 77

static int fill_disk(Place *place)
{
    g_autofree uint8_t *data = g_malloc0(200000);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfStore) store = NULL;
    g_autoptr(GBytes) old = NULL;
    g_autofree char *temporary = in(place, "TMP2-00.permall");

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", place->path, "tmpfs", 0, "size=128k") != 0) {
        return CHILD_CANNOT;
    }
    store = hf_store_dir_open(place->path, &config, NULL);
    if (!store || !store->class->save(store, HF_STATE_PERMANENT, data, 1000, NULL)) {
        return 1;
    }
    if (store->class->save(store, HF_STATE_PERMANENT, data, 200000, &error) ||
        !hf_error_is(error, HF_ERROR_NO_SPACE)) {
        return 2;
    }
    old = store->class->load(store, HF_STATE_PERMANENT, NULL);
    if (!old || g_bytes_get_size(old) != 1000 || access(temporary, F_OK) == 0) {
        return 3;
    }
    return store->class->save(store, HF_STATE_PERMANENT, data, 2000, NULL) ? 0 : 4;
}

static void test_disk_full(Place *place, gconstpointer data)
{
    int code = in_child(fill_disk, place);

    (void)data;
    if (code == CHILD_CANNOT) {
        g_test_skip("may not mount a small file system here");
        return;
    }
    g_assert_cmpint(code, ==, 0);
}

/* Saves counted blobs for ever and tells each one that is durable. */
static int save_for_ever(Place *place, int progress)
{
    g_autofree uint8_t *data = g_malloc0(20000);

    for (uint32_t i = 0;; i++) {
        size_t size = 4 + (i * 977) % 19000;

        memset(data, (int)(i & 0xff), size);
        hf_store_u32(data, i);
        if (!place->store->class->save(place->store, HF_STATE_PERMANENT, data, size, NULL) ||
            write(progress, data, 4) != 4) {
            return 1;
        }
    }
}

/* Kills the child after `rounds` acknowledged saves and whatever it was in the middle of. */
static uint32_t kill_after(Place *place, unsigned rounds)
{
    uint8_t counter[4] = { 0 };
    int ends[2];
    pid_t pid;

    g_assert_cmpint(pipe(ends), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        alarm(60);
        _exit(save_for_ever(place, ends[1]));
    }
    close(ends[1]);
    for (unsigned i = 0; i < rounds; i++) {
        g_assert_cmpint(read(ends[0], counter, 4), ==, 4);
    }
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    while (read(ends[0], counter, 4) == 4) {
        /* What else was acknowledged before the end. */
    }
    close(ends[0]);
    return hf_fetch_u32(counter);
}

static void test_killed(Place *place, gconstpointer data)
{
    (void)data;
    for (unsigned round = 1; round <= 40; round++) {
        uint32_t acknowledged = kill_after(place, round % 7 + 1);
        GError *error = NULL;
        g_autoptr(GBytes) blob =
            place->store->class->load(place->store, HF_STATE_PERMANENT, &error);
        size_t size;
        const uint8_t *bytes;
        uint32_t counter;

        g_assert_no_error(error);
        bytes = g_bytes_get_data(blob, &size);
        g_assert_cmpuint(size, >=, 4);
        counter = hf_fetch_u32(bytes);
        g_assert_cmpuint(counter, >=, acknowledged);
        g_assert_cmpuint(size, ==, 4 + (counter * 977) % 19000);
        for (size_t i = 4; i < size; i++) {
            g_assert_cmpuint(bytes[i], ==, counter & 0xff);
        }
    }
}

static void test_open(Place *place, gconstpointer data)
{
    g_autofree char *uri = g_strconcat("dir://", place->path, NULL);
    g_autofree char *missing = in(place, "missing");
    g_autofree char *file = in(place, "file");
    g_autofree char *link_path = in(place, "link");
    g_autoptr(HfStore) store = NULL;
    g_autoptr(HfStore) linked = NULL;
    GError *error = NULL;

    (void)data;
    g_assert_cmpint(hf_store_dir_fd(place->store), >=, 0);
    saves(place->store, HF_STATE_PERMANENT, "x", 1);
    store = hf_store_open_uri(uri, &config, &error);
    g_assert_no_error(error);
    loads(store, HF_STATE_PERMANENT, "x", 1);
    /* The operator may name the directory by a link. */
    g_assert_cmpint(symlink(place->path, link_path), ==, 0);
    linked = hf_store_open_uri(link_path, &config, &error);
    g_assert_no_error(error);
    loads(linked, HF_STATE_PERMANENT, "x", 1);

    g_assert_null(hf_store_open_uri(missing, &config, &error));
    expect(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, missing);
    g_assert_false(exists(place, "missing"));
    write_file(place, "file", "x", 1);
    g_assert_null(hf_store_open_uri(file, &config, &error));
    expect(g_steal_pointer(&error), HF_ERROR_IO, file);
    g_assert_null(hf_store_open_uri("http://x", &config, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "expected dir://");
    g_assert_null(hf_store_open_uri("", &config, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "no name");
    g_assert_null(hf_store_open_uri("dir://", &config, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "no name");
}

static void test_directory_removed(Place *place, gconstpointer data)
{
    int64_t size;
    GError *error = NULL;

    (void)data;
    g_assert_cmpint(g_rmdir(place->path), ==, 0);
    refuses_load(place->store, HF_ERROR_IO, "was removed");
    g_assert_false(place->store->class->stat(place->store, HF_STATE_PERMANENT, &size, &error));
    expect(g_steal_pointer(&error), HF_ERROR_IO, "was removed");
    g_assert_false(place->store->class->save(place->store, HF_STATE_PERMANENT, (const uint8_t *)"x",
                                             1, &error));
    g_clear_error(&error);
}

/* Whether some descriptor of this process is open on .lock. */
static bool lock_is_open(void)
{
    GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;
    bool found = false;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename("/proc/self/fd", name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        found = found || (target && g_str_has_suffix(target, "/.lock"));
    }
    g_dir_close(dir);
    return found;
}

/* How another process sees the lock: 0 free, 1 locked for writing by our parent. */
static int look_at_lock(Place *place)
{
    g_autofree char *path = in(place, ".lock");
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR);

    if (fd < 0 || fcntl(fd, F_GETLK, &lock) != 0) {
        return 2;
    }
    return lock.l_type == F_UNLCK ? 0 : lock.l_type == F_WRLCK && lock.l_pid == getppid() ? 1 : 3;
}

static void locks(HfStore *store, unsigned retries)
{
    GError *error = NULL;

    g_assert_true(store->class->lock(store, retries, &error));
    g_assert_no_error(error);
}

static void test_lock(Place *place, gconstpointer data)
{
    (void)data;
    g_assert_false(exists(place, ".lock"));
    locks(place->store, 0);
    locks(place->store, 0);
    g_assert_true(lock_is_open());
    g_assert_cmpint(in_child(look_at_lock, place), ==, 1);
    saves(place->store, HF_STATE_PERMANENT, "x", 1);
    loads(place->store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpint(in_child(look_at_lock, place), ==, 1);
    place->store->class->unlock(place->store);
    g_assert_false(lock_is_open());
    g_assert_cmpint(in_child(look_at_lock, place), ==, 0);
    place->store->class->unlock(place->store);
}

static void test_lock_held(Place *place, gconstpointer data)
{
    g_autofree char *holder = NULL;
    GError *error = NULL;
    int to_child[2], from_child[2];
    char byte = 0;
    pid_t pid;

    (void)data;
    g_assert_cmpint(pipe(to_child), ==, 0);
    g_assert_cmpint(pipe(from_child), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        close(to_child[1]);
        alarm(60);
        if (place->store->class->lock(place->store, 0, NULL) && write(from_child[1], "l", 1) == 1 &&
            read(to_child[0], &byte, 1) == 1) {
            /* Ends with the lock held: the kernel gives it back. */
        }
        _exit(0);
    }
    g_assert_cmpint(read(from_child[0], &byte, 1), ==, 1);
    g_assert_false(place->store->class->lock(place->store, 2, &error));
    holder = g_strdup_printf("locked by process %d", (int)pid);
    expect(g_steal_pointer(&error), HF_ERROR_BUSY, holder);
    g_assert_false(lock_is_open());
    g_assert_cmpint(write(to_child[1], "x", 1), ==, 1);
    locks(place->store, 3000);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    place->store->class->unlock(place->store);
    for (int i = 0; i < 2; i++) {
        close(to_child[i]);
        close(from_child[i]);
    }
}

static void test_lock_planted(Place *place, gconstpointer data)
{
    g_autofree char *lock_path = in(place, ".lock");
    g_autofree char *victim = in(place, "victim");
    g_autofree char *text = NULL;
    GError *error = NULL;

    (void)data;
    write_file(place, "victim", "precious", 8);
    g_assert_cmpint(symlink("victim", lock_path), ==, 0);
    g_assert_false(place->store->class->lock(place->store, 0, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "symbolic link");
    g_assert_cmpint(g_remove(lock_path), ==, 0);
    g_assert_cmpint(mkfifo(lock_path, 0600), ==, 0);
    g_assert_false(place->store->class->lock(place->store, 0, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "regular file");
    g_assert_cmpint(g_remove(lock_path), ==, 0);
    g_assert_cmpint(link(victim, lock_path), ==, 0);
    locks(place->store, 0);
    g_assert_true(g_file_get_contents(victim, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "precious");
    place->store->class->unlock(place->store);
}

static void unwraps(const uint8_t *data, size_t size, const void *wanted, size_t wanted_size)
{
    GError *error = NULL;
    uint32_t result = 99;
    g_autoptr(GBytes) blob = hf_migration_blob_unwrap(&no_keys, data, size, false, &result, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(result, ==, 0);
    g_assert_cmpmem(g_bytes_get_data(blob, NULL), g_bytes_get_size(blob), wanted, wanted_size);
}

static void refuses_unwrap(const uint8_t *data, size_t size, bool encrypted, uint32_t wanted)
{
    GError *error = NULL;
    uint32_t result = 0;

    g_assert_null(hf_migration_blob_unwrap(&no_keys, data, size, encrypted, &result, &error));
    g_assert_nonnull(error);
    g_assert_cmphex(result, ==, wanted);
    g_error_free(error);
}

static void test_migration_blob(void)
{
    static const uint8_t wanted[] = { 2, 1, 0, 10, 0, 4, 0, 0, 0, 24, 0,   4,
                                      0, 0, 0, 8,  0, 1, 0, 0, 0, 2,  'h', 'i' };
    static const uint8_t header[] = { 2, 1, 0, 10, 0, 4, 0, 0, 0, 10 };
    g_autoptr(GBytes) blob =
        hf_migration_blob_wrap(&no_keys, false, (const uint8_t *)"hi", 2, NULL);
    uint8_t bytes[sizeof wanted];

    g_assert_cmpmem(g_bytes_get_data(blob, NULL), g_bytes_get_size(blob), wanted, sizeof wanted);
    unwraps(wanted, sizeof wanted, "hi", 2);
    unwraps(NULL, 0, NULL, 0);
    unwraps(header, sizeof header, NULL, 0);
    refuses_unwrap(wanted, sizeof wanted, true, 0x0d);
    for (size_t n = 1; n < sizeof wanted; n++) {
        refuses_unwrap(wanted, n, false, 3);
    }
    /* One byte wrong in each field. */
    static const struct {
        size_t at;
        uint8_t value;
        uint32_t result;
    } faults[] = { { 1, 3, 0x2e }, { 3, 9, 0x2b }, { 5, 6, 0x0d },  { 5, 5, 0x0d },  { 9, 25, 3 },
                   { 9, 23, 3 },   { 4, 1, 9 },    { 11, 9, 9 },    { 12, 0xff, 9 }, { 15, 7, 9 },
                   { 15, 9, 9 },   { 17, 2, 9 },   { 18, 0xff, 9 }, { 21, 1, 9 },    { 21, 3, 9 } };
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        memcpy(bytes, wanted, sizeof wanted);
        bytes[faults[i].at] = faults[i].value;
        refuses_unwrap(bytes, sizeof bytes, false, faults[i].result);
    }
}

static void test_migration_blob_limits(void)
{
    g_autofree uint8_t *data = g_malloc0(HF_STATE_BLOB_MAX + 100);
    g_autoptr(GBytes) blob = hf_migration_blob_wrap(&no_keys, false, data, HF_STATE_BLOB_MAX, NULL);
    size_t size;
    const uint8_t *bytes = g_bytes_get_data(blob, &size);

    unwraps(bytes, size, data, HF_STATE_BLOB_MAX);
    /* One byte more. */
    memcpy(data, bytes, 22);
    hf_store_u32(data + 6, (uint32_t)size + 1);
    hf_store_u32(data + 12, (uint32_t)size - 15);
    hf_store_u32(data + 18, HF_STATE_BLOB_MAX + 1);
    refuses_unwrap(data, size + 1, false, 9);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Place *, gconstpointer);
    } tests[] = {
        { "/state/round-trip", test_round_trip },
        { "/state/modes", test_modes },
        { "/state/old-and-odd-formats", test_old_and_odd_formats },
        { "/state/wrong-files", test_wrong_files },
        { "/state/wrong-kinds", test_wrong_kinds },
        { "/state/unreadable", test_unreadable },
        { "/state/temporary-planted", test_temporary_planted },
        { "/state/write-fails", test_write_fails },
        { "/state/disk-full", test_disk_full },
        { "/state/killed", test_killed },
        { "/state/open", test_open },
        { "/state/directory-removed", test_directory_removed },
        { "/state/lock", test_lock },
        { "/state/lock-held", test_lock_held },
        { "/state/lock-planted", test_lock_planted },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Place, NULL, place_new, tests[i].test, place_free);
    }
    g_test_add_func("/state/migration-blob", test_migration_blob);
    g_test_add_func("/state/migration-blob-limits", test_migration_blob_limits);
    return g_test_run();
}
