/*
 * engine.h - libtpms as one object: a TPM that is off, or on and answering commands.
 *
 * The only user of libtpms. libtpms keeps its TPM in statics and its callbacks carry no user
 * pointer, so a process has at most one engine (asserted).
 *
 * Threads: every function but hf_engine_cancel and hf_engine_busy must be called by one thread at a
 * time (the caller's lock). hf_engine_cancel may be called at any time by any thread.
 *
 * Errors: whether storage failed is remembered here, beside libtpms' own result, because libtpms
 * loses it (a failed store during manufacture returns success). "Absent" is reported to libtpms
 * only when the storage says HF_ERROR_NOT_FOUND is certain; any other failure to load is a failure
 * to start, never a new TPM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_ENGINE_ENGINE_H
#define HOLDFAST_ENGINE_ENGINE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

typedef enum { HF_TPM_1_2 = 1, HF_TPM_2_0 = 2 } HfTpmVersion;

/* The three blobs a TPM has; the numbers are those of the control channel. */
typedef enum { HF_BLOB_PERMANENT = 1, HF_BLOB_VOLATILE = 2, HF_BLOB_SAVESTATE = 3 } HfBlobKind;

/* No blob of libtpms is larger (measured: 151,619 bytes permanent, 12,645 volatile). */
#define HF_BLOB_MAX (512u * 1024u)
#define HF_TPM_BUFFER_MAX 4096u

/* Where blobs are kept. All functions required; `user` is handed through. */
typedef struct {
    /* NULL with *error HF_ERROR_NOT_FOUND only when the blob is certainly absent. */
    GBytes *(*load)(void *user, HfBlobKind kind, GError **error);
    /* Durable when it returns true. */
    bool (*save)(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error);
    /* Gone for good when it returns true; absent before is fine. */
    bool (*remove)(void *user, HfBlobKind kind, GError **error);
} HfEngineStorage;

typedef struct HfEngine HfEngine;

/* TPM result codes this interface hands out itself; everything else is libtpms' own. */
#define HF_TPM_SUCCESS 0u
#define HF_TPM_FAIL 9u
#define HF_TPM_RC_FAILURE 0x101u

/* Whether this libtpms has profiles (0.10 and later), and what it says of itself: "0.9.2". */
bool hf_engine_has_profiles(void);
char *hf_engine_library_version(void);

/* How a process with an engine in it uses malloc, so that an idle TPM holds little memory: one arena,
 * as one thread at a time does the work; blocks from HF_MALLOC_MAPS bytes on are pages of their own
 * and given back, smaller ones (libtpms' buffer for a state is 277,184 bytes) stay. What glibc does by
 * itself depends on what was freed first. */
#define HF_MALLOC_MAPS (384u * 1024u)
void hf_engine_tune_malloc(void);

/* Gives back the memory that libtpms has cleared at power on and not used since: 170 KB. Nobody may
 * be at work in the engine meanwhile. */
void hf_engine_release_zeros(void);

/* The engine of this process, off. `storage` and `user` must outlive it. Fails when this libtpms
 * has no such TPM, or when the program was linked without ENGINE_LDFLAGS (src/engine/local.mk).
 * Opens every descriptor the engine ever needs (/dev/null, a pipe): make it before confinement. */
HfEngine *hf_engine_new(HfTpmVersion version, const HfEngineStorage *storage, void *user,
                        GError **error);
void hf_engine_free(HfEngine *engine); /* powers off; NULL allowed */
/* Where libtpms' own messages go; level 0 or fd -1 (the default): nowhere. The descriptor is
 * borrowed. Beware: when a TPM enters failure mode libtpms writes the command in hex, secrets
 * included. */
void hf_engine_set_debug(HfEngine *engine, int fd, unsigned level, const char *prefix);

/* The profile (JSON object) of a TPM 2.0 that the next power on makes; that power on refuses when
 * there is a TPM already. HF_ERROR_UNSUPPORTED: this libtpms has no profiles. */
bool hf_engine_set_profile(HfEngine *engine, const char *json, GError **error);

bool hf_engine_running(const HfEngine *engine);

/* Power on (TPM_Init); while running it is a power cycle. Returns the TPM result for the control
 * channel (0, or what failed); on failure the engine is off and *error says why in words.
 * With no permanent blob stored or set, a new TPM is manufactured and stored; with a volatile blob
 * stored and no permanent one it refuses.
 * resume_volatile false hides a stored volatile blob, true restores it when there is one; a blob
 * that was set is restored in any case, and with a permanent blob set the stored volatile one is
 * not looked at. After a restore the random generator is stirred with fresh bytes (two copies would
 * repeat each other otherwise). The engine never removes the stored volatile blob: a caller that
 * does not want to resume the same moment again removes it. */
uint32_t hf_engine_power_on(HfEngine *engine, bool resume_volatile, GError **error);
void hf_engine_power_off(HfEngine *engine);

/* Runs one command of `size` bytes; *ret_response points into a buffer of the engine that stays
 * valid until the next call. Always yields a response when the engine runs: bad framing and
 * failure mode are answered in band. A storage failure during the command is reported through
 * hf_engine_storage_error. Asserts that the engine is running.
 * Returns the response's size. */
size_t hf_engine_process(HfEngine *engine, const uint8_t *command, size_t size, uint8_t locality,
                         const uint8_t **ret_response);

/* The first storage failure since the last power on, or NULL. Borrowed. */
const GError *hf_engine_storage_error(const HfEngine *engine);

/* Asks the running command to stop; it arrives also when the command had not yet entered libtpms,
 * and it never reaches the command after. No command running: nothing happens. Any thread. Returns
 * when the command has used about 2 ms of processor time, or is over; what libtpms cannot interrupt
 * (the RSA keys of TPM2_Create) runs on. Returns a TPM result (TPM 1.2: FAIL). The engine's own
 * commands (startup, auto shutdown) cannot be cancelled. */
uint32_t hf_engine_cancel(HfEngine *engine);
/* A command is being processed right now. Any thread. */
bool hf_engine_busy(const HfEngine *engine);

/* TPM2_Shutdown(STATE), on failure (CLEAR); nothing when off, or when the last command was a
 * successful TPM2_Shutdown. Returns false when neither worked. */
bool hf_engine_auto_shutdown(HfEngine *engine, GError **error);
/* TPM2_Startup / TPM_Startup of the given type (TPM_SU_*: 0 CLEAR, 1 STATE for TPM 2; for TPM 1.2
 * 1 CLEAR, 2 STATE, 3 DEACTIVATED). Returns the response code. */
uint32_t hf_engine_startup(HfEngine *engine, uint16_t type);

/* Blobs of the running TPM (TPM 2: permanent, volatile), or those set for the next power on; what
 * is stored is not looked at. None: NULL, HF_ERROR_NOT_FOUND and result 0x800. */
GBytes *hf_engine_get_blob(HfEngine *engine, HfBlobKind kind, uint32_t *ret_result, GError **error);
/* While off: checked by libtpms now, used by the next power on. size 0: "this blob is empty" for
 * volatile and savestate; refused for permanent (it would make a TPM with empty seeds).
 * Order: permanent, volatile, savestate. A refusal, or a power on that fails after blobs were set,
 * drops all of them; the next power on then refuses to start rather than to manufacture, until
 * hf_engine_drop_blobs is called or a permanent blob is accepted. Nothing is stored before the
 * power on. Returns the TPM result. */
uint32_t hf_engine_set_blob(HfEngine *engine, HfBlobKind kind, const uint8_t *data, size_t size,
                            GError **error);
void hf_engine_drop_blobs(HfEngine *engine);
/* Whether such a result says that the bytes are damaged: not that a later libtpms has made them, or
 * that there is no memory. */
bool hf_engine_result_damaged(uint32_t result);
/* Some wait for the next power on. */
bool hf_engine_has_set_blobs(const HfEngine *engine);

/* Gives a TPM 2.0 this endorsement primary seed: HF_ENDORSEMENT_SEED_SIZE secret bytes, not all
 * zero. Only a TPM that the last power on has made and that has run no command since; it is on
 * afterwards, as after power on, and stored. All other seeds and proofs stay as they were made. On
 * failure the TPM is off and what is stored must be thrown away: HF_ERROR_STATE not such a TPM,
 * HF_ERROR_UNSUPPORTED a libtpms whose state or key derivation is not known. */
#define HF_ENDORSEMENT_SEED_SIZE 64u
bool hf_engine_set_endorsement_seed(HfEngine *engine, const HfSecret *seed, GError **error);
/* The level of key derivation that it insists on. */
#define HF_SEED_COMPAT_LEVEL 1u
/* Whether it works with that version of libtpms (TPMLIB_GetVersion); HF_ERROR_UNSUPPORTED. */
bool hf_engine_seed_known(uint32_t version, GError **error);

/* These five assert that the engine runs; they return libtpms' result. */
uint32_t hf_engine_get_established(HfEngine *engine, bool *ret_bit);
uint32_t hf_engine_reset_established(HfEngine *engine, uint8_t locality);
uint32_t hf_engine_hash_start(HfEngine *engine);
uint32_t hf_engine_hash_data(HfEngine *engine, const uint8_t *data, size_t size);
uint32_t hf_engine_hash_end(HfEngine *engine);

/* 0 queries. Clamped to [min, max]; returns the size in force. */
uint32_t hf_engine_buffer_size(HfEngine *engine, uint32_t wanted, uint32_t *ret_min,
                               uint32_t *ret_max);
/* JSON of TPMLIB_GetInfo(flags). Caller frees. A libtpms without profiles tells {} of them. */
#define HF_ENGINE_INFO_PROFILES 0x40u
#define HF_ENGINE_INFO_PROFILE 0x20u /* that of the TPM that is on */
char *hf_engine_info(HfEngine *engine, uint64_t flags);

/* Whether the library supports a version at all; no engine needed, but none may exist. */
bool hf_engine_supports(HfTpmVersion version);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfEngine, hf_engine_free)

#endif
