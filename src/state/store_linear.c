/*
 * store_linear.c - reading and crash-safely updating a linear store; see store_linear.h.
 *
 * The order of writes and syncs in linear_save is what keeps a TPM; tests/unit/test-store-crash.c
 * replays every crash in it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/store_linear.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "state/format.h"
#include "state/linear_map.h"

typedef struct {
    HfStore store;
    HfStoreConfig config;
    HfEnvelope *own_envelope; /* when the caller gave none */
    HfMedium *medium;
    bool settled; /* the header is on disk as it is read */
    bool failed;  /* it was written, and that failed: what is read may not be on disk */
} HfStoreLinear;

static HfStoreLinear *self(HfStore *store)
{
    return (HfStoreLinear *)store;
}

static HfEnvelope *envelope_of(const HfStoreLinear *linear)
{
    return linear->config.envelope ? linear->config.envelope : linear->own_envelope;
}

static char *label_of(const HfStoreLinear *linear, HfStateKind kind)
{
    return g_strdup_printf("%s (%s)", hf_medium_path(linear->medium), hf_state_kind_name(kind));
}

/* What has no header must have nothing else either. */
static bool check_blank(const HfStoreLinear *linear, GError **error)
{
    bool blank = false;

    if (!hf_medium_blank(linear->medium, &blank, error)) {
        return false;
    }
    return blank ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "%s: expected TPM state or nothing, found something else, which is "
                        "left alone (zeros all over make it empty)",
                        hf_medium_path(linear->medium));
}

/* The map; without a single blob when nothing was stored yet (*ret_blank). */
static bool read_map(const HfStoreLinear *linear, HfLinearMap *ret_map, bool *ret_blank,
                     GError **error)
{
    uint8_t header[HF_LINEAR_HEADER_SIZE] = { 0 };
    HfLinearMap map = { 0 };
    uint64_t size = 0;
    size_t have;
    HfLinearKind kind;

    if (!hf_medium_size(linear->medium, &size, error)) {
        return false;
    }
    have = (size_t)MIN(size, sizeof header);
    if (!hf_medium_read(linear->medium, 0, header, have, error)) {
        return false;
    }
    kind = hf_linear_kind(header, have);
    if (kind == HF_LINEAR_OURS && have < sizeof header) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: has %zu bytes: it is truncated",
                            hf_medium_path(linear->medium), have);
    }
    if (kind == HF_LINEAR_OURS &&
        !hf_linear_map_read(&map, header, size, hf_medium_path(linear->medium), error)) {
        return false;
    }
    if (kind == HF_LINEAR_FOREIGN && !check_blank(linear, error)) {
        return false;
    }
    *ret_map = map;
    *ret_blank = kind != HF_LINEAR_OURS;
    return true;
}

static GBytes *linear_load(HfStore *store, HfStateKind kind, GError **error)
{
    HfStoreLinear *linear = self(store);
    g_autofree char *label = label_of(linear, kind);
    g_autoptr(GBytes) stored = NULL;
    uint8_t *data;
    const HfLinearSection *section;
    HfLinearMap map;
    bool blank = false;

    if (!read_map(linear, &map, &blank, error)) {
        return NULL;
    }
    section = &map.slot[kind];
    if (section->offset == 0) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: there is none", label);
        return NULL;
    }
    if (section->used > HF_STATE_FILE_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected at most %u bytes, found %u", label,
                     HF_STATE_FILE_MAX, section->used);
        return NULL;
    }
    data = g_malloc(section->used + 1);
    stored = hf_secret_bytes_take(data, section->used);
    if (!hf_medium_read(linear->medium, section->offset, data, section->used, error)) {
        return NULL;
    }
    return envelope_of(linear)->class->unwrap(envelope_of(linear), stored, label, error);
}

/* Writes the header and makes it durable. When that fails, either may be on disk, the new one or
 * that of before, so nothing may be written to the space of either: see settle. */
static bool commit(HfStoreLinear *linear, const HfLinearMap *map, GError **error)
{
    uint8_t header[HF_LINEAR_HEADER_SIZE];

    hf_linear_map_write(map, header);
    linear->settled = hf_medium_write(linear->medium, 0, header, sizeof header, error) &&
                      hf_medium_sync(linear->medium, error);
    linear->failed = !linear->settled;
    return linear->settled;
}

/* The header as it was read may not be on disk: written by a process that died, or by ourselves
 * without success. And a medium with something on it, but no header yet, would be refused later. */
static bool settle(HfStoreLinear *linear, const HfLinearMap *map, bool blank, GError **error)
{
    return (linear->settled && !blank) || commit(linear, map, error);
}

static bool find_place(const HfStoreLinear *linear, const HfLinearMap *map, size_t size,
                       HfLinearSection *ret_section, GError **error)
{
    uint64_t limit = UINT32_MAX;

    if (hf_medium_fixed(linear->medium) && !hf_medium_size(linear->medium, &limit, error)) {
        return false;
    }
    if (hf_linear_map_place(map, (uint32_t)size, limit, ret_section)) {
        return true;
    }
    return hf_error_set(error, HF_ERROR_NO_SPACE,
                        "%s: no room for %zu bytes beside what is in use, on a device of %" PRIu64,
                        hf_medium_path(linear->medium), size, limit);
}

/* Fills the whole section, so that no older blob shows behind the data, and the file ends behind
 * it (swtpm maps all of it). */
static bool write_section(HfStoreLinear *linear, const HfLinearSection *section, GBytes *stored,
                          GError **error)
{
    size_t size;
    const void *data = g_bytes_get_data(stored, &size);
    uint8_t *buffer = g_malloc0(section->room);
    bool written;

    memcpy(buffer, data, size);
    written = hf_medium_write(linear->medium, section->offset, buffer, section->room, error) &&
              hf_medium_sync(linear->medium, error);
    hf_secret_wipe_free(buffer, section->room);
    return written;
}

static bool linear_save(HfStore *store, HfStateKind kind, const uint8_t *data, size_t size,
                        GError **error)
{
    HfStoreLinear *linear = self(store);
    g_autofree char *label = label_of(linear, kind);
    g_autoptr(GBytes) stored = NULL;
    HfLinearMap map;
    HfLinearSection section;
    bool blank = false;

    stored = envelope_of(linear)->class->wrap(envelope_of(linear), data, size, label, error);
    if (!stored || !read_map(linear, &map, &blank, error) || !settle(linear, &map, blank, error) ||
        !find_place(linear, &map, g_bytes_get_size(stored), &section, error) ||
        !write_section(linear, &section, stored, error)) {
        return false;
    }
    map.slot[kind] = section;
    return commit(linear, &map, error);
}

static bool linear_remove(HfStore *store, HfStateKind kind, GError **error)
{
    HfStoreLinear *linear = self(store);
    g_autofree uint8_t *zeros = NULL;
    HfLinearMap map;
    HfLinearSection old;
    bool blank = false;

    if (!read_map(linear, &map, &blank, error)) {
        return false;
    }
    old = map.slot[kind];
    if (blank || old.offset == 0) {
        return blank || !linear->failed || commit(linear, &map, error);
    }
    map.slot[kind] = (HfLinearSection){ 0 };
    if (!commit(linear, &map, error)) {
        return false;
    }
    /* It is gone already. That its bytes do not stay around is a wish: not synced, may fail. */
    zeros = g_malloc0(old.used);
    (void)hf_medium_write(linear->medium, old.offset, zeros, old.used, NULL);
    return true;
}

static bool linear_stat(HfStore *store, HfStateKind kind, int64_t *ret_size, GError **error)
{
    HfLinearMap map;
    bool blank = false;

    if (!read_map(self(store), &map, &blank, error)) {
        return false;
    }
    *ret_size = map.slot[kind].offset != 0 ? (int64_t)map.slot[kind].used : -1;
    return true;
}

static bool linear_lock(HfStore *store, unsigned retries, GError **error)
{
    HfStoreLinear *linear = self(store);

    return !linear->config.lock || hf_medium_lock(linear->medium, retries, error);
}

static void linear_unlock(HfStore *store)
{
    HfStoreLinear *linear = self(store);

    hf_medium_unlock(linear->medium);
    linear->settled = false;
}

static void linear_free(HfStore *store)
{
    HfStoreLinear *linear = self(store);

    hf_medium_free(linear->medium);
    hf_envelope_free(linear->own_envelope);
    g_free(linear);
}

HfStore *hf_store_linear_open(const char *path, const HfStoreConfig *config, GError **error)
{
    static const HfStoreClass linear_class = {
        .scheme = "file",
        .load = linear_load,
        .save = linear_save,
        .remove = linear_remove,
        .stat = linear_stat,
        .lock = linear_lock,
        .unlock = linear_unlock,
        .free = linear_free,
    };
    g_autoptr(HfMedium) medium = hf_store_medium_open(path, config, error);
    HfStoreLinear *linear;
    HfLinearMap map;
    bool blank = false;

    if (!medium) {
        return NULL;
    }
    linear = g_new0(HfStoreLinear, 1);
    linear->store.class = &linear_class;
    linear->config = *config;
    linear->own_envelope = config->envelope ? NULL : hf_envelope_plain_new();
    linear->medium = g_steal_pointer(&medium);
    if (!read_map(linear, &map, &blank, error)) {
        linear_free(&linear->store);
        return NULL;
    }
    return &linear->store;
}
