/*
 * engine_blobs.c - state in and out of libtpms: what migration, snapshots and manufacture use.
 *
 * A TPM 2's blobs are kept here until the next power on; libtpms checks them when they are given
 * and reads them then, both times from the callbacks (engine_callbacks.c), which put zeros behind them: TPMLIB_SetState
 * would parse a copy of its own, of just the size of the state, and a damaged one leads it past the
 * end of that. A TPM 1.2's are libtpms' until then. On any refusal all of them are forgotten; powered on
 * after that libtpms would quietly manufacture another TPM. So a refusal is remembered here and
 * power on fails until the caller makes up its mind.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/engine_private.h"

#define PERMANENT_MAGIC 0xab364723u /* at the end of a TPM 2's */
#define TPM2_RC_INSUFFICIENT 0x9au

static enum TPMLIB_StateType state_type(HfBlobKind kind)
{
    static const enum TPMLIB_StateType types[HF_BLOB_KINDS] = {
        TPMLIB_STATE_PERMANENT,
        TPMLIB_STATE_VOLATILE,
        TPMLIB_STATE_SAVE_STATE,
    };

    return types[kind - 1];
}

bool hf_engine_has_set_blobs(const HfEngine *engine)
{
    return engine->set[0] || engine->set[1] || engine->set[2];
}

void hf_engine_forget_blobs(HfEngine *engine)
{
    static const unsigned char refused[1] = { 0 };

    /* libtpms has no call for this: it forgets on a change of version, and when it refuses. */
    if (engine->version == HF_TPM_1_2 &&
        TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) == TPM_SUCCESS) {
        (void)TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_1_2);
    } else if (engine->version == HF_TPM_1_2) {
        (void)TPMLIB_SetState(TPMLIB_STATE_PERMANENT, refused, sizeof refused);
    }
    memset(engine->set, 0, sizeof engine->set);
    engine->set_volatile = false;
    hf_engine_supply_end(engine);
}

void hf_engine_refuse(HfEngine *engine, const char *reason)
{
    g_free(engine->refusal);
    engine->refusal = g_strdup(reason);
}

void hf_engine_drop_blobs(HfEngine *engine)
{
    g_clear_pointer(&engine->refusal, g_free);
    if (!engine->running && hf_engine_has_set_blobs(engine)) {
        hf_engine_forget_blobs(engine);
    }
}

GBytes *hf_engine_get_blob(HfEngine *engine, HfBlobKind kind, uint32_t *ret_result, GError **error)
{
    unsigned char *data = NULL;
    uint32_t size = 0;
    uint32_t result = TPM_RETRY;

    g_assert(kind >= HF_BLOB_PERMANENT && kind <= HF_BLOB_SAVESTATE);
    if (!engine->running && engine->supply[kind - 1].blob) {
        if (ret_result) {
            *ret_result = TPM_SUCCESS;
        }
        return g_bytes_ref(engine->supply[kind - 1].blob);
    }
    if (engine->running || (engine->set[kind - 1] && engine->version == HF_TPM_1_2)) {
        result = TPMLIB_GetState(state_type(kind), &data, &size);
        hf_engine_wipe_stack(engine);
    }
    if (ret_result) {
        *ret_result = result;
    }
    if (result == TPM_SUCCESS && data && size > 0) {
        GBytes *blob = hf_secret_bytes(data, size);
        explicit_bzero(data, size);
        free(data);
        return blob;
    }
    free(data);
    if (result == TPM_SUCCESS || result == TPM_RETRY) {
        if (ret_result) {
            *ret_result = TPM_RETRY;
        }
        hf_error_set(error, HF_ERROR_NOT_FOUND, "the TPM has no %s", hf_blob_words(kind));
        return NULL;
    }
    hf_error_set(error, HF_ERROR_TPM, "the engine does not give its %s: %s (0x%x)",
                 hf_blob_words(kind), hf_engine_result_words(result), result);
    return NULL;
}

/* Nothing that was accepted earlier may be used without what was refused now. */
static uint32_t refuse_blob(HfEngine *engine, uint32_t result, const GError *why)
{
    hf_engine_forget_blobs(engine);
    hf_engine_refuse(engine, why->message);
    return result;
}

/* What libtpms is given when it asks for it, now and at power on: it must not see what the storage
 * has. */
static void supply_blob(HfSupply *supply, const uint8_t *data, size_t size)
{
    g_clear_pointer(&supply->blob, g_bytes_unref);
    supply->from = size > 0 ? HF_SUPPLY_BLOB : HF_SUPPLY_ABSENT;
    if (size > 0) {
        supply->blob = hf_secret_bytes(data, size);
    }
}

static void accept_blob(HfEngine *engine, HfBlobKind kind, const uint8_t *data, size_t size)
{
    engine->set[kind - 1] = true;
    if (kind == HF_BLOB_VOLATILE) {
        engine->set_volatile = size > 0;
    }
    if (kind == HF_BLOB_PERMANENT) {
        if (engine->version == HF_TPM_1_2) {
            supply_blob(&engine->supply[kind - 1], data, size);
        }
        g_clear_pointer(&engine->refusal, g_free);
    }
}

static uint32_t validate(uint32_t kinds)
{
    return TPMLIB_ValidateState((enum TPMLIB_StateType)kinds, 0);
}

/* A TPM 2's. A volatile state is checked against the permanent one that libtpms has read last: the
 * one that was set just before, or it is read now. */
static uint32_t check_state(HfEngine *engine, HfBlobKind kind, const uint8_t *data, size_t size)
{
    uint32_t kinds = (uint32_t)state_type(kind);
    uint32_t result;

    if (size == 0 || kind == HF_BLOB_SAVESTATE) {
        supply_blob(&engine->supply[kind - 1], NULL, 0);
        return size == 0 ? TPM_SUCCESS : TPM_BAD_TYPE;
    }
    if (kind == HF_BLOB_VOLATILE &&
        (!engine->set[HF_BLOB_PERMANENT - 1] || engine->set[HF_BLOB_VOLATILE - 1])) {
        kinds |= TPMLIB_STATE_PERMANENT;
    }
    supply_blob(&engine->supply[kind - 1], data, size);
    result = hf_engine_land(engine, validate, kinds);
    /* Where a permanent state ends too early libtpms has seen zeros: what is missing is the mark of
     * its end. */
    return result != TPM_SUCCESS && kind == HF_BLOB_PERMANENT && result != TPM_SIZE &&
                   (size < 4 || hf_fetch_u32(data + size - 4) != PERMANENT_MAGIC)
               ? TPM2_RC_INSUFFICIENT
               : result;
}

static uint32_t set_state(HfEngine *engine, HfBlobKind kind, const uint8_t *data, size_t size)
{
    return engine->version == HF_TPM_2_0
               ? check_state(engine, kind, data, size)
               : TPMLIB_SetState(state_type(kind), size > 0 ? data : NULL, (uint32_t)size);
}

uint32_t hf_engine_set_blob(HfEngine *engine, HfBlobKind kind, const uint8_t *data, size_t size,
                            GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *said = NULL;
    uint32_t result = TPM_FAIL;

    g_assert(kind >= HF_BLOB_PERMANENT && kind <= HF_BLOB_SAVESTATE);
    if (engine->running) {
        hf_error_set(error, HF_ERROR_STATE, "the %s cannot be set while the TPM runs",
                     hf_blob_words(kind));
        return TPM_INVALID_POSTINIT;
    }
    g_clear_error(&engine->storage_error);
    if (size == 0 && kind == HF_BLOB_PERMANENT) {
        hf_error_set(&why, HF_ERROR_INVALID,
                     "the permanent state is empty: that would be a TPM without secrets");
    } else if (size > HF_BLOB_MAX) {
        hf_error_set(&why, HF_ERROR_INVALID, "the %s has %zu bytes, expected at most %u",
                     hf_blob_words(kind), size, HF_BLOB_MAX);
    } else {
        hf_trace_begin(&engine->trace);
        result = set_state(engine, kind, data, size);
        hf_engine_wipe_stack(engine);
        said = hf_trace_end(&engine->trace);
        if (result == TPM_SUCCESS) {
            accept_blob(engine, kind, data, size);
            return TPM_SUCCESS;
        }
        hf_error_set(&why, HF_ERROR_INVALID, "the %s of %zu bytes is refused: %s (0x%x)%s%s%s%s",
                     hf_blob_words(kind), size, hf_engine_result_words(result), result,
                     said ? "; " : "", said ? said : "", engine->storage_error ? "; " : "",
                     engine->storage_error ? engine->storage_error->message : "");
    }
    result = refuse_blob(engine, result, why);
    g_propagate_error(error, g_steal_pointer(&why));
    return result;
}
