/*
 * store_slots.c - reading and crash-safely updating a slots file; see store_slots.h.
 *
 * The order of writes and syncs (settle, put_state, mark_held) is what keeps a TPM;
 * tests/unit/test-store-crash.c replays every crash in it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/store_slots.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "crypto/random.h"
#include "state/format.h"
#include "state/slot_format.h"

#define NOTHING HF_SLOTS /* as a slot's index */
#define PAIR_BYTES (2u * HF_SLOT_FIRST_ROOM)
#define BLOCK 4096u

/* What the file holds, as it was read. */
typedef struct {
    bool blank; /* no header yet */
    HfSlotsHeader header;
    unsigned current; /* the slot of the state, or NOTHING */
    HfSlotHead head;  /* of that; zeros for NOTHING */
    bool pair_full;   /* the other slot of its pair has a state too */
    uint64_t broken;  /* the highest number of a slot that is not whole */
    /* Bytes at the beginning of each slot that may not be zero. */
    uint32_t used[HF_SLOTS];
} Scene;

typedef struct {
    HfStore store;
    HfStoreConfig config;
    HfEnvelope *own_envelope; /* when the caller gave none */
    HfMedium *medium;
    bool locked;
    bool known; /* `scene` is what the file holds; only while locked */
    Scene scene;
    bool settled;   /* `scene` is on disk; only while known */
    bool failed;    /* a write has failed: what is read may not be on disk */
    uint64_t tried; /* the highest number given to a state, also of one that was not stored */
} HfStoreSlots;

static HfStoreSlots *self(HfStore *store)
{
    return (HfStoreSlots *)store;
}

static HfEnvelope *envelope_of(const HfStoreSlots *slots)
{
    return slots->config.envelope ? slots->config.envelope : slots->own_envelope;
}

static char *label_of(const HfStoreSlots *slots, HfStateKind kind)
{
    return g_strdup_printf("%s (%s)", hf_medium_path(slots->medium), hf_state_kind_name(kind));
}

static void forget(HfStoreSlots *slots)
{
    slots->known = false;
    slots->settled = false;
}

static void give_up(HfStoreSlots *slots)
{
    forget(slots);
    slots->failed = true;
}

/* --- reading ----------------------------------------------------------------------------------- */

static bool read_header(const HfStoreSlots *slots, uint64_t size, Scene *scene, GError **error)
{
    const char *path = hf_medium_path(slots->medium);
    uint8_t data[HF_SLOTS_HEADER_SIZE] = { 0 };
    size_t have = (size_t)MIN(size, sizeof data);
    bool blank = false;

    if (!hf_medium_read(slots->medium, 0, data, have, error)) {
        return false;
    }
    if (!hf_slots_header_looks(data, have)) {
        scene->blank = true;
        return hf_medium_blank(slots->medium, &blank, error) &&
               (blank || hf_error_set(error, HF_ERROR_INVALID,
                                      "%s: expected TPM state in slots or nothing, found something "
                                      "else, which is left alone (zeros all over make it empty)",
                                      path));
    }
    if (have < sizeof data) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: has %zu bytes: it is truncated", path,
                            have);
    }
    if (!hf_slots_header_read(&scene->header, data, path, error)) {
        return false;
    }
    return scene->header.tpm2 == slots->config.tpm2 ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "%s: expected the state of a TPM %s, found that of a TPM %s", path,
                        slots->config.tpm2 ? "2.0" : "1.2", scene->header.tpm2 ? "2.0" : "1.2");
}

/* Whether head and blobs of a slot are whole. */
static bool check_slot(const HfStoreSlots *slots, unsigned index, const HfSlotHead *head,
                       uint64_t size, bool *ret_whole, GError **error)
{
    uint32_t span = hf_slot_span(head);
    uint8_t *data;
    bool read;

    *ret_whole = hf_slot_offset(index) + span <= size;
    if (!*ret_whole) {
        return true;
    }
    data = g_malloc(span);
    read = hf_medium_read(slots->medium, hf_slot_offset(index), data, span, error);
    *ret_whole = read && hf_slot_intact(head, data);
    hf_secret_wipe_free(data, span);
    return read;
}

/* Looks whether slot `index` holds a state that is newer than the one found so far. */
static bool consider(const HfStoreSlots *slots, unsigned index, const HfSlotHead *head,
                     uint64_t size, Scene *scene, GError **error)
{
    bool whole = false;

    if (scene->current != NOTHING && head->number < scene->head.number) {
        scene->pair_full = scene->pair_full || scene->current / 2 == index / 2;
        return true;
    }
    if (!check_slot(slots, index, head, size, &whole, error)) {
        return false;
    }
    if (!whole) {
        scene->broken = MAX(scene->broken, head->number);
        return true;
    }
    if (scene->current != NOTHING && head->number == scene->head.number) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: slots %u and %u both have the number %" PRIu64,
                            hf_medium_path(slots->medium), scene->current, index, head->number);
    }
    scene->pair_full = scene->current != NOTHING && scene->current / 2 == index / 2;
    scene->current = index;
    scene->head = *head;
    return true;
}

static bool read_slots(const HfStoreSlots *slots, uint64_t size, Scene *scene, GError **error)
{
    for (unsigned i = 0; i < HF_SLOTS && hf_slot_offset(i) + HF_SLOT_HEAD_SIZE <= size; i++) {
        uint8_t data[HF_SLOT_HEAD_SIZE];
        HfSlotHead head;
        HfSlotKind kind;

        if (!hf_medium_read(slots->medium, hf_slot_offset(i), data, sizeof data, error)) {
            return false;
        }
        kind = hf_slot_head_read(&head, data, i, scene->header.id);
        scene->used[i] = kind == HF_SLOT_UNUSED  ? 0
                         : kind == HF_SLOT_OTHER ? hf_slot_room(i)
                                                 : hf_slot_span(&head);
        if (kind == HF_SLOT_HEAD && !consider(slots, i, &head, size, scene, error)) {
            return false;
        }
        if (kind == HF_SLOT_OTHER && i < 2) {
            scene->broken = UINT64_MAX; /* the first pair was zeros when the file was made */
        }
    }
    return true;
}

/* With a permanent blob behind it, a file never is empty again by accident. */
static bool check_held(const HfStoreSlots *slots, const Scene *scene, GError **error)
{
    if (!scene->header.held || scene->head.size[HF_STATE_PERMANENT] > 0) {
        return true;
    }
    return hf_error_set(error, HF_ERROR_INVALID,
                        "%s: expected a slot with a TPM's permanent state, found none that is "
                        "whole: it is damaged",
                        hf_medium_path(slots->medium));
}

static bool read_scene(const HfStoreSlots *slots, Scene *ret_scene, GError **error)
{
    Scene scene = { .current = NOTHING };
    uint64_t size = 0;

    if (!hf_medium_size(slots->medium, &size, error) || !read_header(slots, size, &scene, error)) {
        return false;
    }
    if (!scene.blank &&
        (!read_slots(slots, size, &scene, error) || !check_held(slots, &scene, error))) {
        return false;
    }
    *ret_scene = scene;
    return true;
}

/* What is remembered, if nobody took the file from under it. */
static bool still_there(const HfStoreSlots *slots, GError **error)
{
    uint8_t found[HF_SLOTS_HEADER_SIZE] = { 0 };
    uint8_t expected[HF_SLOTS_HEADER_SIZE];
    uint64_t size = 0;

    if (!hf_medium_size(slots->medium, &size, error) ||
        !hf_medium_read(slots->medium, 0, found, (size_t)MIN(size, sizeof found), error)) {
        return false;
    }
    hf_slots_header_write(&slots->scene.header, expected);
    return memcmp(found, expected, sizeof found) == 0 ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "%s: expected the header that was there, found something else, which is "
                        "left alone",
                        hf_medium_path(slots->medium));
}

static bool look(HfStoreSlots *slots, GError **error)
{
    if (slots->known && !slots->scene.blank) {
        return still_there(slots, error);
    }
    forget(slots);
    if (!read_scene(slots, &slots->scene, error)) {
        return false;
    }
    slots->known = slots->locked;
    slots->tried = MAX(slots->tried, slots->scene.head.number);
    return true;
}

static GBytes *slots_load(HfStore *store, HfStateKind kind, GError **error)
{
    HfStoreSlots *slots = self(store);
    const HfSlotHead *head = &slots->scene.head;
    HfEnvelope *envelope = envelope_of(slots);
    g_autofree char *label = label_of(slots, kind);
    uint8_t *data;
    g_autoptr(GBytes) stored = NULL;
    g_autoptr(GBytes) blob = NULL;

    if (!look(slots, error)) {
        return NULL;
    }
    if (head->size[kind] == 0) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: there is none", label);
        return NULL;
    }
    if (head->size[kind] > HF_STATE_FILE_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected at most %u bytes, found %u", label,
                     HF_STATE_FILE_MAX, head->size[kind]);
        return NULL;
    }
    data = g_malloc(head->size[kind]);
    stored = hf_secret_bytes_take(data, head->size[kind]);
    if (!hf_medium_read(slots->medium,
                        hf_slot_offset(slots->scene.current) + hf_slot_blob_at(head, kind), data,
                        head->size[kind], error)) {
        return NULL;
    }
    if (kind == HF_STATE_PERMANENT && slots->scene.broken > head->number) {
        g_free(store->remark);
        store->remark =
            g_strdup_printf("%s: a newer slot is not whole (a write that was cut off, or "
                            "damage): the state before it is used",
                            hf_medium_path(slots->medium));
    }
    blob = envelope->class->unwrap(envelope, stored, label, error);
    if (blob && !hf_slot_authentic(head, envelope)) {
        hf_error_set(error, HF_ERROR_AUTH,
                     "%s: it and what is stored with it were not put together with this key",
                     label);
        return NULL;
    }
    return g_steal_pointer(&blob);
}

static bool slots_stat(HfStore *store, HfStateKind kind, int64_t *ret_size, GError **error)
{
    HfStoreSlots *slots = self(store);

    if (!look(slots, error)) {
        return false;
    }
    *ret_size = slots->scene.head.size[kind] > 0 ? (int64_t)slots->scene.head.size[kind] : -1;
    return true;
}

/* --- writing ----------------------------------------------------------------------------------- */

static bool write_header(HfStoreSlots *slots, GError **error)
{
    uint8_t data[HF_SLOTS_HEADER_SIZE];

    hf_slots_header_write(&slots->scene.header, data);
    return hf_medium_write(slots->medium, 0, data, sizeof data, error);
}

/* Header and first pair of a new file, with its space: a later write changes no metadata. */
static bool begin(HfStoreSlots *slots, GError **error)
{
    g_autofree uint8_t *data = NULL;
    uint64_t size = HF_SLOTS_BEGIN + PAIR_BYTES;

    if (hf_medium_fixed(slots->medium) && !hf_medium_size(slots->medium, &size, error)) {
        return false;
    }
    if (size < HF_SLOTS_BEGIN + PAIR_BYTES) {
        return hf_error_set(error, HF_ERROR_NO_SPACE,
                            "%s: expected room for %u bytes, found a device of %" PRIu64,
                            hf_medium_path(slots->medium), HF_SLOTS_BEGIN + PAIR_BYTES, size);
    }
    slots->scene = (Scene){ .current = NOTHING, .header.tpm2 = slots->config.tpm2 };
    hf_random_bytes(slots->scene.header.id, sizeof slots->scene.header.id);
    data = g_malloc0(HF_SLOTS_BEGIN + PAIR_BYTES);
    hf_slots_header_write(&slots->scene.header, data);
    return hf_medium_write(slots->medium, 0, data, HF_SLOTS_BEGIN + PAIR_BYTES, error) &&
           hf_medium_sync(slots->medium, error);
}

/* Header and state over themselves: what is read is not always what a disk has. */
static bool renew(HfStoreSlots *slots, GError **error)
{
    const Scene *scene = &slots->scene;

    if (scene->current != NOTHING) {
        uint64_t offset = hf_slot_offset(scene->current);
        uint32_t span = hf_slot_span(&scene->head);
        uint8_t *data = g_malloc(span);
        bool done = hf_medium_read(slots->medium, offset, data, span, error) &&
                    hf_medium_write(slots->medium, offset, data, span, error);

        hf_secret_wipe_free(data, span);
        if (!done) {
            return false;
        }
    }
    return write_header(slots, error) && hf_medium_sync(slots->medium, error);
}

static bool settle(HfStoreSlots *slots, GError **error)
{
    bool done;

    if (slots->scene.blank) {
        done = begin(slots, error);
    } else {
        done = (slots->known && slots->settled) || !slots->config.fsync || renew(slots, error);
    }
    if (!done) {
        give_up(slots);
        return false;
    }
    slots->settled = true;
    slots->failed = false;
    return true;
}

/* The slot for a state of `span` bytes: the one beside the current, or the first of a larger pair.
 * NOTHING: there is no room. */
static unsigned slot_for(const HfStoreSlots *slots, uint32_t span, uint64_t limit)
{
    const unsigned current = slots->scene.current;
    unsigned index = current == NOTHING ? 0 : current ^ 1u;

    for (; index < HF_SLOTS; index = (index / 2 + 1) * 2) {
        if (hf_slot_offset(index) + hf_slot_room(index) > limit) {
            break;
        }
        if (span <= hf_slot_room(index)) {
            return index;
        }
    }
    return NOTHING;
}

static bool find_slot(const HfStoreSlots *slots, uint32_t span, unsigned *ret_index, GError **error)
{
    uint64_t limit = UINT64_MAX;

    if (hf_medium_fixed(slots->medium) && !hf_medium_size(slots->medium, &limit, error)) {
        return false;
    }
    *ret_index = slot_for(slots, span, limit);
    return *ret_index != NOTHING || hf_error_set(error, HF_ERROR_NO_SPACE,
                                                 "%s: no slot for %u bytes on a device of %" PRIu64,
                                                 hf_medium_path(slots->medium), span, limit);
}

/* How much is written for a state of `span` bytes: over what the slot had, and at the first use of a
 * pair all of it, so that the file has the space of both. */
static uint32_t extent_of(const HfStoreSlots *slots, unsigned index, uint32_t span, uint64_t size)
{
    uint32_t room = hf_slot_room(index);
    uint32_t whole = (span + BLOCK - 1) / BLOCK * BLOCK;

    if (!hf_medium_fixed(slots->medium) && hf_slot_offset(index | 1u) + room > size) {
        return index % 2 ? room : 2 * room;
    }
    return MIN(room, MAX(whole, slots->scene.used[index]));
}

/* What is written for a state, without its head: all blobs in their stored form, with `stored` (NULL:
 * none) for `kind`. The others are read from the current slot. *ret_data is what is in it. */
static GBytes *compose(const HfStoreSlots *slots, HfStateKind kind, GBytes *stored,
                       unsigned *ret_index, HfSlotHead *ret_head, uint8_t **ret_data,
                       GError **error)
{
    const HfSlotHead *old = &slots->scene.head;
    HfSlotHead head = { .number = slots->tried + 1 };
    g_autoptr(GBytes) keeper = NULL;
    uint8_t *data;
    uint32_t extent;
    uint64_t size = 0;

    memcpy(head.size, old->size, sizeof head.size);
    head.size[kind] = stored ? (uint32_t)g_bytes_get_size(stored) : 0;
    if (!find_slot(slots, hf_slot_span(&head), ret_index, error) ||
        !hf_medium_size(slots->medium, &size, error)) {
        return NULL;
    }
    extent = extent_of(slots, *ret_index, hf_slot_span(&head), size);
    data = g_malloc0(extent);
    keeper = hf_secret_bytes_take(data, extent);
    for (unsigned i = 0; i < HF_STATE_COUNT; i++) {
        uint8_t *to = data + hf_slot_blob_at(&head, (HfStateKind)i);

        if (i == (unsigned)kind && stored) {
            memcpy(to, g_bytes_get_data(stored, NULL), head.size[i]);
        } else if (head.size[i] > 0 && !hf_medium_read(slots->medium,
                                                       hf_slot_offset(slots->scene.current) +
                                                           hf_slot_blob_at(old, (HfStateKind)i),
                                                       to, head.size[i], error)) {
            return NULL;
        }
    }
    *ret_head = head;
    *ret_data = data;
    return g_steal_pointer(&keeper);
}

/* Nothing of `old` may follow into a state that vouches for it with our key. */
static bool check_authentic(const HfStoreSlots *slots, GError **error)
{
    return slots->scene.current == NOTHING ||
           hf_slot_authentic(&slots->scene.head, envelope_of(slots)) ||
           hf_error_set(error, HF_ERROR_AUTH,
                        "%s: what is stored there was not put together with this key",
                        hf_medium_path(slots->medium));
}

static bool put_state(HfStoreSlots *slots, HfStateKind kind, GBytes *stored, GError **error)
{
    Scene *scene = &slots->scene;
    g_autoptr(GBytes) keeper = NULL;
    uint8_t *data = NULL;
    HfSlotHead head;
    unsigned index = NOTHING;

    if (slots->tried == UINT64_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: there is no higher number than that of "
                            "its state",
                            hf_medium_path(slots->medium));
    }
    keeper = compose(slots, kind, stored, &index, &head, &data, error);
    if (!keeper) {
        return false;
    }
    hf_slot_seal(&head, scene->header.id, envelope_of(slots), data);
    slots->tried = head.number;
    if (!hf_medium_write(slots->medium, hf_slot_offset(index), data, g_bytes_get_size(keeper),
                         error) ||
        !hf_medium_sync(slots->medium, error)) {
        give_up(slots);
        return false;
    }
    scene->pair_full = scene->current != NOTHING && scene->current / 2 == index / 2;
    scene->current = index;
    scene->head = head;
    scene->broken = 0;
    scene->used[index] = hf_slot_span(&head);
    return true;
}

/* Says in the header, durably, whether there is a permanent blob. */
static bool mark_held(HfStoreSlots *slots, bool held, GError **error)
{
    if (slots->scene.header.held == held) {
        return true;
    }
    slots->scene.header.held = held;
    if (!write_header(slots, error) || !hf_medium_sync(slots->medium, error)) {
        give_up(slots);
        return false;
    }
    return true;
}

/* Old states that nothing needs any more. A wish: not synced, may fail. */
static void wipe(HfStoreSlots *slots, unsigned index)
{
    g_autofree uint8_t *zeros = g_malloc0(slots->scene.used[index] + 1);

    (void)hf_medium_write(slots->medium, hf_slot_offset(index), zeros, slots->scene.used[index],
                          NULL);
    slots->scene.used[index] = 0;
}

static void wipe_smaller(HfStoreSlots *slots)
{
    unsigned end = slots->scene.pair_full ? slots->scene.current / 2 * 2 : 0;

    for (unsigned i = 0; i < end; i++) {
        if (slots->scene.used[i] > 0) {
            wipe(slots, i);
        }
    }
}

static bool slots_save(HfStore *store, HfStateKind kind, const uint8_t *data, size_t size,
                       GError **error)
{
    HfStoreSlots *slots = self(store);
    g_autofree char *label = label_of(slots, kind);
    g_autoptr(GBytes) stored = NULL;

    stored = envelope_of(slots)->class->wrap(envelope_of(slots), data, size, label, error);
    if (!stored || !look(slots, error) || !check_authentic(slots, error) || !settle(slots, error) ||
        !put_state(slots, kind, stored, error) ||
        !mark_held(slots, slots->scene.head.size[HF_STATE_PERMANENT] > 0, error)) {
        return false;
    }
    wipe_smaller(slots);
    return true;
}

static bool slots_remove(HfStore *store, HfStateKind kind, GError **error)
{
    HfStoreSlots *slots = self(store);
    unsigned old;

    if (!look(slots, error)) {
        return false;
    }
    if (slots->scene.head.size[kind] == 0) {
        return slots->scene.blank || !slots->failed || settle(slots, error);
    }
    old = slots->scene.current;
    if (!check_authentic(slots, error) || !settle(slots, error) ||
        (kind == HF_STATE_PERMANENT && !mark_held(slots, false, error)) ||
        !put_state(slots, kind, NULL, error)) {
        return false;
    }
    wipe(slots, old);
    slots->scene.pair_full = false;
    return true;
}

/* --- the rest ---------------------------------------------------------------------------------- */

static bool slots_lock(HfStore *store, unsigned retries, GError **error)
{
    HfStoreSlots *slots = self(store);

    if (!slots->locked) {
        forget(slots);
        slots->locked = hf_medium_lock(slots->medium, retries, error);
    }
    return slots->locked;
}

static void slots_unlock(HfStore *store)
{
    HfStoreSlots *slots = self(store);

    hf_medium_unlock(slots->medium);
    slots->locked = false;
    forget(slots);
}

static void slots_free(HfStore *store)
{
    HfStoreSlots *slots = self(store);

    hf_medium_free(slots->medium);
    hf_envelope_free(slots->own_envelope);
    g_free(slots);
}

HfStore *hf_store_slots_open(const char *path, const HfStoreConfig *config, GError **error)
{
    static const HfStoreClass slots_class = {
        .scheme = "slots",
        .load = slots_load,
        .save = slots_save,
        .remove = slots_remove,
        .stat = slots_stat,
        .lock = slots_lock,
        .unlock = slots_unlock,
        .free = slots_free,
    };
    g_autoptr(HfMedium) medium = hf_store_medium_open(path, config, error);
    HfStoreSlots *slots;

    if (!medium) {
        return NULL;
    }
    slots = g_new0(HfStoreSlots, 1);
    slots->store.class = &slots_class;
    slots->config = *config;
    slots->own_envelope = config->envelope ? NULL : hf_envelope_plain_new();
    slots->medium = g_steal_pointer(&medium);
    if (!look(slots, error)) {
        slots_free(&slots->store);
        return NULL;
    }
    return &slots->store;
}
