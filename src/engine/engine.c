/*
 * engine.c - the life of the engine: made, powered on, powered off, freed; and the small things
 * libtpms can be asked.
 *
 * Powering on is where TPMs get lost, so it trusts nothing libtpms returns: state is read ahead,
 * and a failed store that libtpms passes over in silence turns the success into a failure. An
 * engine that failed to start is off and starts nothing else in its place.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_tis.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_private.h"

static TPMLIB_TPMVersion library_version(HfTpmVersion version)
{
    return version == HF_TPM_2_0 ? TPMLIB_TPM_VERSION_2 : TPMLIB_TPM_VERSION_1_2;
}

uint32_t hf_engine_failure(const HfEngine *engine)
{
    return engine->version == HF_TPM_2_0 ? HF_TPM_RC_FAILURE : HF_TPM_FAIL;
}

/* The result for state that cannot be read. A TPM 1.2 tells what is wrong with its key, a TPM 2.0 has
 * one answer for everything. */
static uint32_t unreadable(const HfEngine *engine, const GError *error)
{
    if (engine->version == HF_TPM_1_2 && hf_error_is(error, HF_ERROR_KEY)) {
        return TPM_BAD_KEY_PROPERTY;
    }
    if (engine->version == HF_TPM_1_2 && hf_error_is(error, HF_ERROR_AUTH)) {
        return TPM_DECRYPT_ERROR;
    }
    return hf_engine_failure(engine);
}

const char *hf_engine_result_words(uint32_t result)
{
    static const struct {
        uint32_t result;
        const char *words;
    } table[] = {
        { TPM_FAIL, "the engine failed" },
        { TPM_BAD_PARAM_SIZE, "it is too short or too long" },
        { TPM_INVALID_STRUCTURE, "it is not the state of such a TPM" },
        { TPM_BAD_VERSION, "its version is not known to this libtpms" },
        { TPM_BAD_TYPE, "a TPM of this version has none" },
        { TPM_SIZE, "out of memory" },
        { 0x1e, "its marks are wrong: it is not such a state" },
        { 0x83, "its checksum is wrong" },
        { 0x84, "it belongs to another TPM, or a value is out of range" },
        { 0x95, "a size in it is wrong" },
        { 0x9a, "it is truncated" },
        { HF_TPM_RC_FAILURE, "the TPM went into failure mode" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].result == result) {
            return table[i].words;
        }
    }
    return "libtpms refuses it";
}

bool hf_engine_result_damaged(uint32_t result)
{
    return result != TPM_SUCCESS && result != TPM_BAD_VERSION && result != TPM_SIZE;
}

bool hf_engine_supports(HfTpmVersion version)
{
    return TPMLIB_ChooseTPMVersion(library_version(version)) == TPM_SUCCESS;
}

bool hf_engine_has_profiles(void)
{
#ifdef HAVE_TPMLIB_SETPROFILE
    return true;
#else
    return false;
#endif
}

char *hf_engine_library_version(void)
{
    uint32_t version = TPMLIB_GetVersion();
    return g_strdup_printf("%u.%u.%u", version >> 16, (version >> 8) & 0xff, version & 0xff);
}

bool hf_engine_set_profile(HfEngine *engine, const char *json, GError **error)
{
    if (!hf_engine_has_profiles()) {
        g_autofree char *version = hf_engine_library_version();
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "libtpms %s has no profiles, libtpms 0.10 is the first that has",
                            version);
    }
    g_free(engine->profile);
    engine->profile = g_strdup(json);
    engine->profile_applied = false;
    return true;
}

HfEngine *hf_engine_new(HfTpmVersion version, const HfEngineStorage *storage, void *user,
                        GError **error)
{
    g_autoptr(HfEngine) engine = g_new0(HfEngine, 1);

    engine->version = version;
    engine->storage = storage;
    engine->user = user;
    engine->rsa = hf_rsa_cache_new();
    hf_cancel_init(&engine->cancel);
    hf_engine_register(engine);
    if (!hf_trace_open(&engine->trace, error)) {
        return NULL;
    }
    if (!hf_engine_random_linked()) {
        hf_error_set(error, HF_ERROR_FAILED,
                     "this program is linked wrongly: libtpms would not use its random numbers");
        return NULL;
    }
    if (TPMLIB_ChooseTPMVersion(library_version(version)) != TPM_SUCCESS) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "this libtpms has no TPM %s",
                     version == HF_TPM_2_0 ? "2.0" : "1.2");
        return NULL;
    }
    return g_steal_pointer(&engine);
}

static void response_clear(HfResponse *response)
{
    if (response->data) {
        explicit_bzero(response->data, response->room);
    }
    free(response->data);
}

void hf_engine_free(HfEngine *engine)
{
    if (!engine) {
        return;
    }
    hf_engine_power_off(engine);
    hf_engine_drop_blobs(engine);
    hf_engine_register(NULL);
    hf_secret_free(engine->rsa);
    hf_trace_close(&engine->trace);
    hf_cancel_clear(&engine->cancel);
    response_clear(&engine->guest);
    response_clear(&engine->own);
    if (engine->command) {
        explicit_bzero(engine->command, engine->command_room);
    }
    g_free(engine->command);
    g_free(engine->profile);
    g_clear_error(&engine->storage_error);
    g_free(engine);
}

bool hf_engine_running(const HfEngine *engine)
{
    return engine->running;
}

const GError *hf_engine_storage_error(const HfEngine *engine)
{
    return engine->storage_error;
}

void hf_engine_power_off(HfEngine *engine)
{
    if (!engine->running) {
        return;
    }
    TPMLIB_Terminate();
    hf_rsa_cache_clear(engine->rsa);
    engine->running = false;
    engine->pristine = false;
    engine->was_shut_down = false;
    engine->stir_at_startup = false;
}

static size_t supplied(const HfEngine *engine, HfBlobKind kind)
{
    GBytes *blob = engine->supply[kind - 1].blob;

    return blob ? g_bytes_get_size(blob) : 0;
}

/* A profile is for the TPM that is made by the power on; afterwards it is part of its state. */
static uint32_t apply_profile(HfEngine *engine, GError **error)
{
    g_autofree char *said = NULL;
    uint32_t result = TPM_SUCCESS;
#ifdef HAVE_TPMLIB_SETPROFILE
    if (engine->profile && !engine->profile_applied) {
        hf_trace_begin(&engine->trace);
        result = TPMLIB_SetProfile(engine->profile);
        said = hf_trace_end(&engine->trace);
    }
#endif
    if (result != TPM_SUCCESS) {
        hf_error_set(error, HF_ERROR_INVALID, "libtpms refuses the profile %s: %s (0x%x)%s%s",
                     engine->profile, hf_engine_result_words(result), result, said ? "; " : "",
                     said ? said : "");
    }
    return result;
}

static uint32_t check_profile(HfEngine *engine, GError **error)
{
#ifdef HAVE_TPMLIB_SETPROFILE
    if (engine->profile && !engine->profile_applied && !TPMLIB_WasManufactured()) {
        hf_error_set(error, HF_ERROR_STATE,
                     "a profile was given, but the TPM exists already and has its own");
        return TPM_FAIL;
    }
#endif
    engine->profile_applied = true;
    (void)error;
    return TPM_SUCCESS;
}

static uint32_t start_library(uint32_t unused)
{
    (void)unused;
    return TPMLIB_MainInit();
}

/* Switches libtpms on with what was read ahead; says what it made of it. */
static uint32_t main_init(HfEngine *engine, GError **error)
{
    size_t permanent = supplied(engine, HF_BLOB_PERMANENT);
    size_t running = supplied(engine, HF_BLOB_VOLATILE);
    g_autofree char *said = NULL;
    uint32_t result;

    hf_trace_begin(&engine->trace);
    result = hf_engine_land(engine, start_library, 0);
    said = hf_trace_end(&engine->trace);
    if (result == TPM_SUCCESS) {
        hf_engine_store_set(engine);
    }
    if (engine->storage_error) {
        g_propagate_prefixed_error(error, g_error_copy(engine->storage_error),
                                   "the TPM is not started: ");
        return result != TPM_SUCCESS ? result : hf_engine_failure(engine);
    }
    if (result != TPM_SUCCESS) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "the TPM does not start from its state (permanent %zu bytes, volatile %zu "
                     "bytes): %s (0x%x)%s%s",
                     permanent, running, hf_engine_result_words(result), result, said ? "; " : "",
                     said ? said : "");
    }
    return result;
}

/* libtpms has taken the blobs that were set: they are gone from it, whatever became of them. */
static void blobs_consumed(HfEngine *engine, uint32_t result)
{
    bool had = hf_engine_has_set_blobs(engine);

    memset(engine->set, 0, sizeof engine->set);
    engine->set_volatile = false;
    hf_engine_supply_end(engine);
    if (had && engine->version == HF_TPM_1_2) {
        (void)malloc_trim(0); /* the copies that libtpms made of them */
    }
    if (had && result != TPM_SUCCESS) {
        /* The storage does not have them: another start would be of another TPM, or of a new one.
         */
        hf_engine_refuse(engine, "the start from the state that was set has failed");
    }
}

uint32_t hf_engine_power_on(HfEngine *engine, bool resume_volatile, GError **error)
{
    g_autoptr(GError) why = NULL;
    bool resumed;
    bool made;
    uint32_t result;

    hf_engine_power_off(engine);
    if (engine->refusal) {
        hf_error_set(error, HF_ERROR_STATE, "the TPM is not started after refused state: %s",
                     engine->refusal);
        return hf_engine_failure(engine);
    }
    g_clear_error(&engine->storage_error);
    if (!hf_engine_supply(engine, resume_volatile, &why)) {
        hf_engine_supply_end(engine);
        result = unreadable(engine, why);
        g_propagate_error(error, g_steal_pointer(&why));
        return result;
    }
    resumed = hf_engine_supplies_volatile(engine);
    made = engine->supply[HF_BLOB_PERMANENT - 1].from == HF_SUPPLY_ABSENT;
    result = apply_profile(engine, error);
    if (result == TPM_SUCCESS) {
        result = main_init(engine, error);
    }
    blobs_consumed(engine, result);
    engine->running = true;
    if (result == TPM_SUCCESS) {
        result = check_profile(engine, error);
    }
    if (result == TPM_SUCCESS && resumed && !hf_engine_stir(engine, error)) {
        result = hf_engine_failure(engine);
    }
    engine->pristine = made && result == TPM_SUCCESS;
    if (result != TPM_SUCCESS) {
        hf_engine_power_off(engine);
    }
    hf_engine_wipe_stack(engine);
    return result;
}

uint32_t hf_engine_get_established(HfEngine *engine, bool *ret_bit)
{
    TPM_BOOL bit = FALSE;
    uint32_t result;

    g_assert(engine->running);
    result = TPM_IO_TpmEstablished_Get(&bit);
    if (result == TPM_SUCCESS) {
        *ret_bit = bit != FALSE;
    }
    return result;
}

uint32_t hf_engine_reset_established(HfEngine *engine, uint8_t locality)
{
    g_assert(engine->running);
    engine->locality = locality;
    return TPM_IO_TpmEstablished_Reset();
}

uint32_t hf_engine_hash_start(HfEngine *engine)
{
    g_assert(engine->running);
    engine->pristine = false;
    return TPM_IO_Hash_Start();
}

uint32_t hf_engine_hash_data(HfEngine *engine, const uint8_t *data, size_t size)
{
    g_assert(engine->running);
    return TPM_IO_Hash_Data(data, (uint32_t)size);
}

uint32_t hf_engine_hash_end(HfEngine *engine)
{
    g_assert(engine->running);
    return TPM_IO_Hash_End();
}

uint32_t hf_engine_buffer_size(HfEngine *engine, uint32_t wanted, uint32_t *ret_min,
                               uint32_t *ret_max)
{
    (void)engine;
    return TPMLIB_SetBufferSize(wanted, ret_min, ret_max);
}

char *hf_engine_info(HfEngine *engine, uint64_t flags)
{
    (void)engine;
    return TPMLIB_GetInfo((enum TPMLIB_InfoFlags)flags);
}
