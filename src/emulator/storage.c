/*
 * storage.c - the store and its lock.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/storage.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "crypto/hash.h"

/* After the state was handed out, its new owner may hold the lock for a moment: 300 x 10 ms. */
#define REGAIN_RETRIES 300u

/* What is stored, without padding: two are compared by their bytes. */
typedef struct {
    bool readable;
    bool there[HF_STATE_COUNT];
    uint8_t digest[HF_STATE_COUNT][32];
} Identity;

struct HfStorage {
    HfStore *store;
    bool must_exist;
    GMutex mutex; /* serialises lock and unlock; `locked` is written under it, read without */
    gint locked;
    bool made; /* there was a permanent state: it is never absent again */

    /* Of what was stored when the lock was given up; under the mutex. */
    bool remembered;
    Identity identity;

    bool hold_back;
    GBytes *held_back; /* the newest permanent state, not stored, or NULL */
    GBytes *saved;     /* a saved state that came with a migration, not stored, or NULL */
    bool saved_none;   /* none came with the permanent one: what is stored belongs to another */
};

static HfStateKind kind_of(HfBlobKind kind)
{
    switch (kind) {
    case HF_BLOB_VOLATILE: return HF_STATE_VOLATILE;
    case HF_BLOB_SAVESTATE: return HF_STATE_SAVESTATE;
    case HF_BLOB_PERMANENT:
    default: return HF_STATE_PERMANENT;
    }
}

HfStorage *hf_storage_new(HfStore *store, bool must_exist)
{
    HfStorage *storage = g_new0(HfStorage, 1);
    storage->store = store;
    storage->must_exist = must_exist;
    g_mutex_init(&storage->mutex);
    return storage;
}

void hf_storage_free(HfStorage *storage)
{
    if (storage) {
        hf_storage_drop_back(storage);
        storage->store->class->unlock(storage->store);
        hf_store_free(storage->store);
        g_mutex_clear(&storage->mutex);
        g_free(storage);
    }
}

/* Without a word in the log of what stands in for what. */
static GBytes *load_quietly(HfStorage *storage, HfStateKind kind, GError **error)
{
    GBytes *blob = storage->store->class->load(storage->store, kind, error);
    g_clear_pointer(&storage->store->remark, g_free);
    return blob;
}

static GBytes *load(void *user, HfBlobKind kind, GError **error)
{
    HfStorage *storage = user;
    GError *failure = NULL;
    if (kind == HF_BLOB_PERMANENT && storage->held_back) {
        return g_bytes_ref(storage->held_back);
    }
    if (kind == HF_BLOB_SAVESTATE && storage->saved) {
        return g_bytes_ref(storage->saved);
    }
    GBytes *blob = storage->store->class->load(storage->store, kind_of(kind), &failure);
    if (blob) {
        g_autofree char *remark = g_steal_pointer(&storage->store->remark);
        if (remark) {
            hf_log(1, "%s", remark);
        }
        storage->made |= kind == HF_BLOB_PERMANENT;
        return blob;
    }
    bool absent = kind == HF_BLOB_PERMANENT && hf_error_is(failure, HF_ERROR_NOT_FOUND);
    if (absent && (storage->made || storage->must_exist)) {
        /* Taken for absent, another TPM would be made in its place. */
        hf_error_set(error, HF_ERROR_STATE, "%s: %s",
                     storage->made ? "the TPM's state was removed while it was in use"
                                   : "the TPM must exist (must-exist), none is made",
                     failure->message);
        g_error_free(failure);
        return NULL;
    }
    g_propagate_error(error, failure);
    return NULL;
}

static bool may_write(HfStorage *storage, HfBlobKind kind, GError **error)
{
    return hf_storage_locked(storage) ||
           hf_error_set(error, HF_ERROR_STATE,
                        "%s: expected to hold the storage lock, found it given up",
                        hf_state_kind_name(kind_of(kind)));
}

/* With the storage locked. */
static bool store_blob(HfStorage *storage, HfBlobKind kind, const uint8_t *data, size_t size,
                       GError **error)
{
    if (!storage->store->class->save(storage->store, kind_of(kind), data, size, error)) {
        return false;
    }
    storage->made = storage->made || kind == HF_BLOB_PERMANENT;
    return true;
}

static bool save(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error)
{
    HfStorage *storage = user;
    if (!may_write(storage, kind, error)) {
        return false;
    }
    if (kind == HF_BLOB_SAVESTATE) {
        g_clear_pointer(&storage->saved, g_bytes_unref);
    }
    if (storage->hold_back && kind == HF_BLOB_PERMANENT) {
        g_clear_pointer(&storage->held_back, g_bytes_unref);
        storage->held_back = hf_secret_bytes(data, size);
        return true;
    }
    return store_blob(storage, kind, data, size, error);
}

static bool drop(void *user, HfBlobKind kind, GError **error)
{
    HfStorage *storage = user;
    if (kind == HF_BLOB_SAVESTATE) {
        g_clear_pointer(&storage->saved, g_bytes_unref);
    }
    return may_write(storage, kind, error) &&
           storage->store->class->remove(storage->store, kind_of(kind), error);
}

const HfEngineStorage *hf_storage_callbacks(void)
{
    static const HfEngineStorage callbacks = { .load = load, .save = save, .remove = drop };
    return &callbacks;
}

bool hf_storage_locked(HfStorage *storage)
{
    return g_atomic_int_get(&storage->locked) != 0;
}

/* All blobs, in clear: an envelope may be another one each time. */
static bool identify(HfStorage *storage, Identity *ret_identity, GError **error)
{
    Identity identity = { .readable = true };

    for (unsigned i = 0; i < HF_STATE_COUNT; i++) {
        GError *failure = NULL;
        g_autoptr(GBytes) blob = load_quietly(storage, (HfStateKind)i, &failure);

        if (blob) {
            identity.there[i] = true;
            hf_hash_sha256_bare(g_bytes_get_data(blob, NULL), g_bytes_get_size(blob),
                                identity.digest[i]);
        } else if (hf_error_is(failure, HF_ERROR_NOT_FOUND)) {
            g_error_free(failure);
        } else {
            g_propagate_error(error, failure);
            return false;
        }
    }
    *ret_identity = identity;
    return true;
}

/* Under the mutex. */
static void remember(HfStorage *storage)
{
    storage->identity = (Identity){ 0 };
    (void)identify(storage, &storage->identity, NULL);
    storage->remembered = true;
}

/* Whether the TPM in memory may go on with what is stored. Under the mutex. */
static bool check_same(HfStorage *storage, GError **error)
{
    Identity now;

    if (!storage->remembered) {
        return true;
    }
    if (!storage->identity.readable) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "what is stored could not be read when it was handed out: whether the "
                            "TPM was used elsewhere meanwhile cannot be told");
    }
    if (!identify(storage, &now, error)) {
        return false;
    }
    return memcmp(&now, &storage->identity, sizeof now) == 0 ||
           hf_error_set(error, HF_ERROR_STATE,
                        "the stored state is not the one that was handed out: the TPM was used "
                        "elsewhere meanwhile, and what this process has of it is out of date");
}

bool hf_storage_lock(HfStorage *storage, unsigned retries, GError **error)
{
    g_mutex_lock(&storage->mutex);
    bool locked = hf_storage_locked(storage);
    if (!locked && storage->store->class->lock(storage->store, retries, error)) {
        locked = check_same(storage, error);
        if (!locked) {
            storage->store->class->unlock(storage->store);
        }
    }
    if (locked) {
        storage->remembered = false;
    }
    g_atomic_int_set(&storage->locked, locked);
    g_mutex_unlock(&storage->mutex);
    return locked;
}

void hf_storage_release(HfStorage *storage)
{
    g_mutex_lock(&storage->mutex);
    if (hf_storage_locked(storage)) {
        remember(storage);
        storage->store->class->unlock(storage->store);
    }
    g_atomic_int_set(&storage->locked, 0);
    g_mutex_unlock(&storage->mutex);
}

void hf_storage_remember(HfStorage *storage)
{
    g_mutex_lock(&storage->mutex);
    remember(storage);
    g_mutex_unlock(&storage->mutex);
}

void hf_storage_forget(HfStorage *storage)
{
    g_mutex_lock(&storage->mutex);
    storage->remembered = false;
    g_mutex_unlock(&storage->mutex);
}

bool hf_storage_regain(HfStorage *storage, GError **error)
{
    return hf_storage_locked(storage) || hf_storage_lock(storage, REGAIN_RETRIES, error);
}

bool hf_storage_lacks(HfStorage *storage, HfBlobKind kind)
{
    int64_t size = 0;
    return storage->store->class->stat(storage->store, kind_of(kind), &size, NULL) && size < 0;
}

GBytes *hf_storage_look(HfStorage *storage, GError **error)
{
    return load_quietly(storage, HF_STATE_PERMANENT, error);
}

bool hf_storage_use_backup(HfStorage *storage, const char *why)
{
    return hf_store_dir_use_backup(storage->store, why);
}

void hf_storage_hold_back(HfStorage *storage)
{
    storage->hold_back = true;
}

bool hf_storage_held_back(const HfStorage *storage)
{
    return storage->held_back;
}

void hf_storage_bring_saved(HfStorage *storage, const uint8_t *data, size_t size)
{
    g_clear_pointer(&storage->saved, g_bytes_unref);
    storage->saved = size > 0 ? hf_secret_bytes(data, size) : NULL;
    storage->saved_none = size == 0;
}

static bool flush_blob(HfStorage *storage, HfBlobKind kind, GBytes **blob, GError **error)
{
    gsize size = 0;
    const uint8_t *data = *blob ? g_bytes_get_data(*blob, &size) : NULL;
    if (data &&
        (!may_write(storage, kind, error) || !store_blob(storage, kind, data, size, error))) {
        return false;
    }
    g_clear_pointer(blob, g_bytes_unref);
    return true;
}

bool hf_storage_flush(HfStorage *storage, GError **error)
{
    if (!flush_blob(storage, HF_BLOB_PERMANENT, &storage->held_back, error)) {
        return false;
    }
    storage->hold_back = false;
    if (storage->saved_none && !hf_storage_lacks(storage, HF_BLOB_SAVESTATE) &&
        !drop(storage, HF_BLOB_SAVESTATE, error)) {
        return false;
    }
    storage->saved_none = false;
    return flush_blob(storage, HF_BLOB_SAVESTATE, &storage->saved, error);
}

void hf_storage_drop_back(HfStorage *storage)
{
    storage->hold_back = false;
    g_clear_pointer(&storage->held_back, g_bytes_unref);
    g_clear_pointer(&storage->saved, g_bytes_unref);
    storage->saved_none = false;
}
