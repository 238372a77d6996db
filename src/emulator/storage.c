/*
 * storage.c - the store and its lock.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/storage.h"

#include "base/error.h"

/* After the state was handed out, its new owner may hold the lock for a moment: 300 x 10 ms. */
#define REGAIN_RETRIES 300u

struct HfStorage {
    HfStore *store;
    bool must_exist;
    GMutex mutex; /* serialises lock and unlock; `locked` is written under it, read without */
    gint locked;
    bool made; /* there was a permanent state: it is never absent again */
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
        hf_storage_release(storage);
        hf_store_free(storage->store);
        g_mutex_clear(&storage->mutex);
        g_free(storage);
    }
}

static GBytes *load(void *user, HfBlobKind kind, GError **error)
{
    HfStorage *storage = user;
    GError *failure = NULL;
    GBytes *blob = storage->store->class->load(storage->store, kind_of(kind), &failure);
    if (blob) {
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

static bool save(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error)
{
    HfStorage *storage = user;
    if (!may_write(storage, kind, error) ||
        !storage->store->class->save(storage->store, kind_of(kind), data, size, error)) {
        return false;
    }
    storage->made = storage->made || kind == HF_BLOB_PERMANENT;
    return true;
}

static bool drop(void *user, HfBlobKind kind, GError **error)
{
    HfStorage *storage = user;
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

bool hf_storage_lock(HfStorage *storage, unsigned retries, GError **error)
{
    g_mutex_lock(&storage->mutex);
    bool locked =
        hf_storage_locked(storage) || storage->store->class->lock(storage->store, retries, error);
    g_atomic_int_set(&storage->locked, locked);
    g_mutex_unlock(&storage->mutex);
    return locked;
}

void hf_storage_release(HfStorage *storage)
{
    g_mutex_lock(&storage->mutex);
    if (hf_storage_locked(storage)) {
        storage->store->class->unlock(storage->store);
    }
    g_atomic_int_set(&storage->locked, 0);
    g_mutex_unlock(&storage->mutex);
}

bool hf_storage_regain(HfStorage *storage, GError **error)
{
    return hf_storage_locked(storage) || hf_storage_lock(storage, REGAIN_RETRIES, error);
}

bool hf_storage_has(HfStorage *storage, HfBlobKind kind)
{
    int64_t size = -1;
    return storage->store->class->stat(storage->store, kind_of(kind), &size, NULL) && size >= 0;
}
