/*
 * engine_callbacks.c - what libtpms calls: its storage, the locality, physical presence.
 *
 * The rules that keep a TPM from being lost: "absent" (TPM_RETRY, on which libtpms manufactures a
 * new TPM) is said only when the storage is certain; success is never said without data (libtpms
 * would read a file of its own in the working directory); every failure is remembered in the
 * engine, because libtpms ignores some. What power on needs is read ahead: unreadable state never
 * gets as far as libtpms.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_memory.h>
#include <libtpms/tpm_nvfilename.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_private.h"

/* Writable because libtpms' callbacks carry no user pointer: the one engine of this process. */
static HfEngine *the_engine;

static const char *const blob_names[HF_BLOB_KINDS] = {
    TPM_PERMANENT_ALL_NAME,
    TPM_VOLATILESTATE_NAME,
    TPM_SAVESTATE_NAME,
};

const char *hf_blob_words(HfBlobKind kind)
{
    static const char *const words[HF_BLOB_KINDS] = { "permanent state", "volatile state",
                                                      "saved state" };

    return words[kind - 1];
}

HfEngine *hf_engine_current(void)
{
    return the_engine;
}

HfSecret *hf_engine_rsa_cache(void)
{
    return the_engine ? the_engine->rsa : NULL;
}

/* 0 when libtpms uses a name that no version we know has. */
static HfBlobKind kind_of(const char *name)
{
    for (unsigned i = 0; i < HF_BLOB_KINDS; i++) {
        if (strcmp(name, blob_names[i]) == 0) {
            return (HfBlobKind)(i + 1);
        }
    }
    return (HfBlobKind)0;
}

void hf_engine_remember(HfEngine *engine, GError *error)
{
    if (engine->storage_error) {
        g_error_free(error);
    } else {
        engine->storage_error = error;
    }
}

static TPM_RESULT unknown_name(const char *name)
{
    hf_engine_remember(the_engine,
                       g_error_new(HF_ERROR, HF_ERROR_UNSUPPORTED,
                                   "libtpms asks for state of the unknown kind \"%s\"", name));
    return TPM_FAIL;
}

/* A blob the storage handed out, with the sizes checked that libtpms does not survive. */
static GBytes *load_checked(HfEngine *engine, HfBlobKind kind, GError **error)
{
    g_autoptr(GBytes) blob = engine->storage->load(engine->user, kind, error);
    size_t size;

    if (!blob) {
        return NULL;
    }
    size = g_bytes_get_size(blob);
    if (size == 0 || size > HF_BLOB_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "the %s has %zu bytes, expected 1 to %u",
                     hf_blob_words(kind), size, HF_BLOB_MAX);
        return NULL;
    }
    return g_steal_pointer(&blob);
}

static TPM_RESULT hand_out(GBytes *blob, unsigned char **ret_data, uint32_t *ret_length)
{
    size_t size;
    const void *data = g_bytes_get_data(blob, &size);
    unsigned char *copy = calloc(1, size + HF_PADDING_MAPPED);

    if (!copy) {
        return TPM_SIZE;
    }
    memcpy(copy, data, size);
    *ret_data = copy;
    *ret_length = (uint32_t)size;
    return TPM_SUCCESS;
}

static TPM_RESULT nvram_init(void)
{
    return the_engine ? TPM_SUCCESS : TPM_FAIL;
}

static TPM_RESULT nvram_load(unsigned char **data, uint32_t *length, uint32_t number,
                             const char *name)
{
    HfBlobKind kind = kind_of(name);
    g_autoptr(GBytes) blob = NULL;
    GError *error = NULL;

    (void)number;
    if (!the_engine) {
        return TPM_FAIL;
    }
    hf_cancel_progress(&the_engine->cancel, HF_PROGRESS_INSIDE);
    if (kind == 0) {
        return unknown_name(name);
    }
    if (the_engine->supply[kind - 1].from == HF_SUPPLY_ABSENT) {
        return TPM_RETRY;
    }
    if (the_engine->supply[kind - 1].from == HF_SUPPLY_BLOB) {
        return hand_out(the_engine->supply[kind - 1].blob, data, length);
    }
    blob = load_checked(the_engine, kind, &error);
    if (blob) {
        return hand_out(blob, data, length);
    }
    if (hf_error_is(error, HF_ERROR_NOT_FOUND)) {
        g_error_free(error);
        return TPM_RETRY;
    }
    hf_engine_remember(the_engine, error);
    return TPM_FAIL;
}

static TPM_RESULT store(const unsigned char *data, uint32_t length, const char *name)
{
    HfBlobKind kind = kind_of(name);
    HfSupply *supply;
    GError *error = NULL;

    hf_cancel_progress(&the_engine->cancel, HF_PROGRESS_INSIDE);
    if (kind == 0) {
        return unknown_name(name);
    }
    if (!data || length == 0 || length > HF_BLOB_MAX) {
        hf_error_set(&error, HF_ERROR_INVALID, "libtpms stores a %s of %u bytes, expected 1 to %u",
                     hf_blob_words(kind), data ? length : 0, HF_BLOB_MAX);
    } else if (the_engine->storage->save(the_engine->user, kind, data, length, &error)) {
        /* During power on libtpms reads back what it has just stored. */
        supply = &the_engine->supply[kind - 1];
        if (supply->from != HF_SUPPLY_STORAGE) {
            g_clear_pointer(&supply->blob, g_bytes_unref);
            supply->blob = hf_secret_bytes(data, length);
            supply->from = HF_SUPPLY_BLOB;
        }
        return TPM_SUCCESS;
    }
    hf_engine_remember(the_engine, error);
    return TPM_FAIL;
}

static TPM_RESULT nvram_store(const unsigned char *data, uint32_t length, uint32_t number,
                              const char *name)
{
    TPM_RESULT result = the_engine ? store(data, length, name) : TPM_FAIL;

    (void)number;
    if (the_engine) {
        the_engine->stack_used = true;
    }
    if (data) {
        /* A buffer made for this call, which libtpms frees now as it is, with the TPM's seeds in it. */
        explicit_bzero((void *)(uintptr_t)data, length);
    }
    return result;
}

void hf_engine_store_set(HfEngine *engine)
{
    g_autoptr(GBytes) blob = NULL;

    if (engine->version == HF_TPM_2_0 && engine->set[HF_BLOB_PERMANENT - 1]) {
        blob = g_bytes_ref(engine->supply[HF_BLOB_PERMANENT - 1].blob);
        (void)store(g_bytes_get_data(blob, NULL), (uint32_t)g_bytes_get_size(blob),
                    TPM_PERMANENT_ALL_NAME);
    }
}

static TPM_RESULT nvram_delete(uint32_t number, const char *name, TPM_BOOL must_exist)
{
    HfBlobKind kind = kind_of(name);
    g_autoptr(GBytes) blob = NULL;
    GError *error = NULL;

    (void)number;
    if (!the_engine) {
        return TPM_FAIL;
    }
    hf_cancel_progress(&the_engine->cancel, HF_PROGRESS_INSIDE);
    if (kind == 0) {
        return unknown_name(name);
    }
    if (must_exist) {
        blob = load_checked(the_engine, kind, &error);
    }
    if ((must_exist && !blob) || !the_engine->storage->remove(the_engine->user, kind, &error)) {
        hf_engine_remember(the_engine, error);
        return TPM_FAIL;
    }
    return TPM_SUCCESS;
}

static TPM_RESULT io_init(void)
{
    return TPM_SUCCESS;
}

static TPM_RESULT io_get_locality(TPM_MODIFIER_INDICATOR *locality, uint32_t number)
{
    (void)number;
    hf_cancel_progress(&the_engine->cancel, HF_PROGRESS_LOCALITY);
    *locality = the_engine->locality;
    return TPM_SUCCESS;
}

static TPM_RESULT io_get_physical_presence(TPM_BOOL *presence, uint32_t number)
{
    (void)number;
    *presence = FALSE;
    return TPM_SUCCESS;
}

void hf_engine_register(HfEngine *engine)
{
    struct libtpms_callbacks callbacks = {
        .sizeOfStruct = sizeof callbacks,
        .tpm_nvram_init = nvram_init,
        .tpm_nvram_loaddata = nvram_load,
        .tpm_nvram_storedata = nvram_store,
        .tpm_nvram_deletename = nvram_delete,
        .tpm_io_init = io_init,
        .tpm_io_getlocality = io_get_locality,
        .tpm_io_getphysicalpresence = io_get_physical_presence,
    };

    g_assert(!engine || !the_engine);
    the_engine = engine;
    if (engine) {
        (void)TPMLIB_RegisterCallbacks(&callbacks);
    }
}

/* Reads one kind ahead; absent is fine. */
static bool read_ahead(HfEngine *engine, HfBlobKind kind, GError **error)
{
    HfSupply *supply = &engine->supply[kind - 1];
    GError *failure = NULL;

    supply->blob = load_checked(engine, kind, &failure);
    if (supply->blob) {
        supply->from = HF_SUPPLY_BLOB;
        return true;
    }
    if (hf_error_is(failure, HF_ERROR_NOT_FOUND)) {
        supply->from = HF_SUPPLY_ABSENT;
        g_error_free(failure);
        return true;
    }
    g_propagate_error(error, failure);
    return false;
}

bool hf_engine_supply(HfEngine *engine, bool resume_volatile, GError **error)
{
    HfSupply *permanent = &engine->supply[HF_BLOB_PERMANENT - 1];
    HfSupply *running = &engine->supply[HF_BLOB_VOLATILE - 1];

    /* With a permanent blob set, its supply is that blob: what the storage has is replaced. */
    if (!engine->set[HF_BLOB_PERMANENT - 1] && !read_ahead(engine, HF_BLOB_PERMANENT, error)) {
        return false;
    }
    if (engine->set[HF_BLOB_VOLATILE - 1] && engine->version == HF_TPM_2_0) {
        return true; /* its supply is that blob, too */
    }
    if (!resume_volatile || engine->set[HF_BLOB_PERMANENT - 1] ||
        engine->set[HF_BLOB_VOLATILE - 1]) {
        running->from = HF_SUPPLY_ABSENT;
        return true;
    }
    if (!read_ahead(engine, HF_BLOB_VOLATILE, error)) {
        return false;
    }
    if (running->from == HF_SUPPLY_BLOB && permanent->from == HF_SUPPLY_ABSENT) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "there is a volatile state but no permanent state it could belong to");
    }
    return true;
}

void hf_engine_supply_end(HfEngine *engine)
{
    for (unsigned i = 0; i < HF_BLOB_KINDS; i++) {
        g_clear_pointer(&engine->supply[i].blob, g_bytes_unref);
        engine->supply[i].from = HF_SUPPLY_STORAGE;
    }
}

bool hf_engine_supplies_volatile(const HfEngine *engine)
{
    return engine->set_volatile || engine->supply[HF_BLOB_VOLATILE - 1].from == HF_SUPPLY_BLOB;
}
