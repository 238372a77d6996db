/*
 * test-store-crash.c - a crash of a store in one file after every write and every part of a write.
 *
 * The tests run the store on a file, with a medium that keeps a record of its writes and syncs.
 * Each moment of the record is then played to what a disk may hold if the power fails there:
 * everything before the last sync, and of the sectors written since any choice.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "state/store.h"
#include "store-place.h"

#define SECTOR 512u

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

    HfStore *store = place_open(place, &config);

    /* Slots remember what they know only while they are locked. */
    g_assert_true(store->class->lock(store, 0, NULL));
    return store;
}

static bool is_linear(const Place *place)
{
    return strcmp(place->scheme, "file") == 0;
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

    place_put(place, disk->data, disk->len);
    g_autoptr(HfStore) store = place_open(place, NULL);
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        is_last = is_last && matches(store, &script->states[acknowledged], (HfStateKind)kind);
        is_next = is_next && matches(store, &script->states[next], (HfStateKind)kind);
    }
    if (!is_last && !is_next) {
        g_error("after operation %u: neither the old state nor the new one", acknowledged);
    }
    /* And it can be written to. */
    store_saves(store, HF_STATE_PERMANENT, "after", 5);
    store_loads(store, HF_STATE_PERMANENT, "after", 5);
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
            store_saves(store, steps[i].kind, data, steps[i].size);
        } else {
            store_removes(store, steps[i].kind);
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
    place_put(place, disk->data, disk->len);
    g_autoptr(HfStore) store = place_open(place, NULL);
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
    const int steps = is_linear(place) ? 2 : 1; /* writes of a save, and as many syncs */

    for (int killed_at = 0; killed_at < 2 * steps; killed_at++) {
        Record record;
        uint8_t blob[3000];
        guint third = 0;

        (void)g_remove(place->path);
        record_init(&record);
        g_autoptr(HfStore) first = open_recorded(place, &record);
        for (uint8_t i = 1; i <= 4; i++) {
            third = i < 4 ? record.events->len : third;
            record.fail_write = i == 4 && killed_at < steps ? killed_at : -1;
            record.fail_sync = i == 4 && killed_at >= steps ? killed_at - steps : -1;
            memset(blob, i, sizeof blob);
            g_assert_true(first->class->save(first, HF_STATE_PERMANENT, blob, sizeof blob, NULL) ==
                          (i < 4));
        }
        third = record.events->len > third ? third + 2 * (guint)steps : third;
        hf_store_free(g_steal_pointer(&first));
        g_autoptr(HfStore) second = open_recorded(place, &record);
        memset(blob, 5, sizeof blob);
        store_saves(second, HF_STATE_PERMANENT, blob, sizeof blob);
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
        store_saves(store, HF_STATE_PERMANENT, blob, sizeof blob);
        g_autoptr(GByteArray) disk = place_content(place);
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
        place_put(place, disk->data, disk->len);
        memset(blob, 1, sizeof blob);
        store_loads(store, HF_STATE_PERMANENT, blob, sizeof blob);
        memset(blob, 99, sizeof blob);
        store_saves(store, HF_STATE_PERMANENT, blob, sizeof blob);
        store_loads(store, HF_STATE_PERMANENT, blob, sizeof blob);
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
    store_saves(store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpuint(record.syncs, ==, 3);
    store_saves(store, HF_STATE_PERMANENT, "y", 1);
    g_assert_cmpuint(record.syncs, ==, 5);
    store_removes(store, HF_STATE_PERMANENT);
    g_assert_cmpuint(record.syncs, ==, 6);
    hf_store_free(g_steal_pointer(&store));
    store = open_recorded(place, &record);
    store_saves(store, HF_STATE_PERMANENT, "z", 1);
    g_assert_cmpuint(record.syncs, ==, 9);
    const HfStoreConfig quick = { .medium_ops = &record_ops, .medium_user = &record };
    g_autoptr(HfStore) fast = place_open(place, &quick);
    store_saves(fast, HF_STATE_PERMANENT, "z", 1);
    g_assert_cmpuint(record.syncs, ==, 9);
    g_array_unref(record.events);
}

/* Each write and each sync fails, ten times in a row: on every disk that could be left is the state
 * that was acknowledged, or one of those that were tried; and the next save works. */
static void test_slot_failures(Place *place, gconstpointer data)
{
    uint8_t blob[3000];

    (void)data;
    for (int what = 0; what < 2; what++) {
        Record record;

        (void)g_remove(place->path);
        record_init(&record);
        g_autoptr(HfStore) store = open_recorded(place, &record);
        memset(blob, 1, sizeof blob);
        store_saves(store, HF_STATE_PERMANENT, blob, sizeof blob);
        g_autoptr(GByteArray) disk = place_content(place);
        guint before = record.events->len;
        for (uint8_t i = 2; i < 12; i++) {
            memset(blob, i, sizeof blob);
            record.fail_write = what == 0 ? 0 : -1;
            record.fail_sync = what == 1 ? 0 : -1;
            g_assert_false(store->class->save(store, HF_STATE_PERMANENT, blob, sizeof blob, NULL));
        }
        GRand *choice = g_rand_new_with_seed(7);
        for (int round = 0; round < 50; round++) {
            g_autoptr(GByteArray) left = g_byte_array_new();

            g_byte_array_append(left, disk->data, disk->len);
            for (guint e = before; e < record.events->len; e++) {
                if (g_array_index(record.events, Event, e).data) {
                    apply_sectors(left, &g_array_index(record.events, Event, e), choice, 2 * round);
                }
            }
            check_fill(place, left, 1, 11);
        }
        g_rand_free(choice);
        record.fail_write = -1;
        record.fail_sync = -1;
        place_put(place, disk->data, disk->len);
        memset(blob, 99, sizeof blob);
        store_saves(store, HF_STATE_PERMANENT, blob, sizeof blob);
        store_loads(store, HF_STATE_PERMANENT, blob, sizeof blob);
        g_array_unref(record.events);
    }
}

/* A save is one sync, the first one under a lock two; the first of a TPM three. */
static void test_slot_cost(Place *place, gconstpointer data)
{
    Record record;

    (void)data;
    record_init(&record);
    g_autoptr(HfStore) store = open_recorded(place, &record);
    store_saves(store, HF_STATE_PERMANENT, "x", 1);
    g_assert_cmpuint(record.syncs, ==, 3);
    guint before = record.events->len;
    store_saves(store, HF_STATE_PERMANENT, "y", 1);
    g_assert_cmpuint(record.syncs, ==, 4);
    g_assert_cmpuint(record.events->len, ==, before + 2); /* one write, one sync */
    store_saves(store, HF_STATE_VOLATILE, "v", 1);
    g_assert_cmpuint(record.syncs, ==, 5);
    store_removes(store, HF_STATE_VOLATILE);
    g_assert_cmpuint(record.syncs, ==, 6);
    store_removes(store, HF_STATE_VOLATILE);
    g_assert_cmpuint(record.syncs, ==, 6);
    store->class->unlock(store);
    g_assert_true(store->class->lock(store, 0, NULL));
    store_saves(store, HF_STATE_PERMANENT, "z", 1);
    g_assert_cmpuint(record.syncs, ==, 8);
    store_removes(store, HF_STATE_PERMANENT);
    g_assert_cmpuint(record.syncs, ==, 10);
    const HfStoreConfig quick = { .tpm2 = true, .medium_ops = &record_ops, .medium_user = &record };
    g_autoptr(HfStore) fast = place_open(place, &quick);
    store_saves(fast, HF_STATE_PERMANENT, "z", 1);
    g_assert_cmpuint(record.syncs, ==, 10);
    g_array_unref(record.events);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/linear/crashes", Place, "file", place_new, test_crashes, place_free);
    g_test_add("/slots/crashes", Place, "slots", place_new, test_crashes, place_free);
    g_test_add("/linear/kill-then-crash", Place, "file", place_new, test_kill_then_crash,
               place_free);
    g_test_add("/slots/kill-then-crash", Place, "slots", place_new, test_kill_then_crash,
               place_free);
    g_test_add("/linear/failures", Place, "file", place_new, test_failures, place_free);
    g_test_add("/slots/failures", Place, "slots", place_new, test_slot_failures, place_free);
    g_test_add("/linear/cost", Place, "file", place_new, test_cost, place_free);
    g_test_add("/slots/cost", Place, "slots", place_new, test_slot_cost, place_free);
    return g_test_run();
}
