/*
 * command.h - TPM 2.0 commands: built, sent through a callback, answered in C types.
 *
 * For code that owns a TPM with nobody else on it (the engine during manufacture, tests). Only
 * password authorisation: no session protects what travels, so this is not for a host TPM behind a
 * bus (src/hwtpm does that). Commands that a TPM answers with TPM_RC_RETRY or TPM_RC_YIELDED are
 * sent again, at most 100 times. Any other response code becomes HF_ERROR_TPM with the code in
 * words; a malformed response HF_ERROR_INVALID.
 *
 * auth arguments: NULL means the empty auth value.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_COMMAND_H
#define HOLDFAST_TPM2_COMMAND_H

#include "base/secret.h"
#include "tpm2/nvindex.h"
#include "tpm2/pcr.h"
#include "tpm2/public.h"

#define HF_COMMAND_MAX 4096u
#define HF_NV_PIECE 1024u /* bytes of one NV_Write or NV_Read */

typedef struct {
    /* Sends one command, waits for the whole response and puts it into `response` (empty on entry).
     * False and *error when there is none. */
    bool (*transmit)(void *user, const uint8_t *command, size_t size, GByteArray *response,
                     GError **error);
    void *user;
} HfTransport;

/* -- the builder, for commands that have no function below -- */

typedef struct HfTpmCommand HfTpmCommand;

/* Order of calls: handles, then auths, then parameters with hf_put_* on the returned array, then
 * run. */
HfTpmCommand *hf_tpm_command_new(uint32_t command_code);
void hf_tpm_command_free(HfTpmCommand *command); /* wipes auth values and parameters */
void hf_tpm_command_handle(HfTpmCommand *command, uint32_t handle);
/* A password session for the next handle that needs authorisation. */
void hf_tpm_command_auth(HfTpmCommand *command, const HfSecret *auth);
/* An existing session (a policy session without HMAC). */
void hf_tpm_command_session(HfTpmCommand *command, uint32_t session);
GByteArray *hf_tpm_command_parameters(HfTpmCommand *command);

typedef struct {
    GByteArray *bytes;   /* the whole response */
    uint32_t handle;     /* when one was asked for */
    HfReader parameters; /* into bytes, without the session area */
} HfTpmResponse;

/* Runs it. NULL and *error on any response code but success. `wants_handle`: the response has a
 * handle before its parameters. ret_code (may be NULL) gets the response code also on HF_ERROR_TPM,
 * 0 when there was no response. */
HfTpmResponse *hf_tpm_command_run(HfTpmCommand *command, const HfTransport *tpm, bool wants_handle,
                                  uint32_t *ret_code, GError **error);
void hf_tpm_response_free(HfTpmResponse *response);

/* -- the commands -- */

/* TPM2_SU_*. A TPM that is started already (TPM_RC_INITIALIZE) is an error too. */
bool hf_tpm_startup(const HfTransport *tpm, uint16_t type, GError **error);
bool hf_tpm_shutdown(const HfTransport *tpm, uint16_t type, GError **error);
bool hf_tpm_self_test(const HfTransport *tpm, bool full, GError **error);

/* A primary key with empty auth of its own. ret_public may be NULL. */
bool hf_tpm_create_primary(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                           const HfPublic *template, uint32_t *ret_handle, HfPublic *ret_public,
                           GError **error);
/* Makes a transient object persistent, or (object == persistent) removes a persistent one. */
bool hf_tpm_evict_control(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                          uint32_t object, uint32_t persistent, GError **error);
bool hf_tpm_flush_context(const HfTransport *tpm, uint32_t handle, GError **error);
/* Checks that the Name in the response is the one of the public area. */
bool hf_tpm_read_public(const HfTransport *tpm, uint32_t handle, HfPublic *ret_public,
                        GError **error);

/* The index gets auth `index_auth`. */
bool hf_tpm_nv_define(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                      const HfNvPublic *pub, const HfSecret *index_auth, GError **error);
bool hf_tpm_nv_undefine(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                        uint32_t index, GError **error);
/* auth_handle: the hierarchy or the index itself. Any size, in pieces. */
bool hf_tpm_nv_write(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                     uint32_t index, const void *data, size_t n, GError **error);
bool hf_tpm_nv_write_lock(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                          uint32_t index, GError **error);
/* `size` bytes from its beginning. */
GBytes *hf_tpm_nv_read_size(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                            uint32_t index, size_t size, GError **error);
/* The whole index. */
GBytes *hf_tpm_nv_read(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                       uint32_t index, GError **error);
/* Checks the Name as hf_tpm_read_public does. */
bool hf_tpm_nv_read_public(const HfTransport *tpm, uint32_t index, HfNvPublic *ret_public,
                           GError **error);

/* Banks the TPM implements, with the PCRs allocated in each. */
bool hf_tpm_get_pcrs(const HfTransport *tpm, HfPcrSelection *ret_selection, GError **error);
/* One TPM2_PT_*; HF_ERROR_NOT_FOUND when the TPM does not have it. */
bool hf_tpm_get_property(const HfTransport *tpm, uint32_t property, uint32_t *ret_value,
                         GError **error);
/* Handles of the range that begins with `first` (0x81000000 persistent, 0x01000000 NV, ...), all of
 * them: guint32. */
GArray *hf_tpm_get_handles(const HfTransport *tpm, uint32_t first, GError **error);

/* Takes effect at the next reset. The selection has a row for every implemented bank. False when
 * the TPM says it has no room. */
bool hf_tpm_pcr_allocate(const HfTransport *tpm, const HfSecret *platform_auth,
                         const HfPcrSelection *selection, GError **error);
/* All selected values (several commands when needed); HF_ERROR_NOT_FOUND when one is not
 * allocated. */
HfPcrValues *hf_tpm_pcr_read(const HfTransport *tpm, const HfPcrSelection *selection,
                             GError **error);
bool hf_tpm_pcr_extend(const HfTransport *tpm, unsigned index, const HfDigest *digests,
                       size_t count, GError **error);

bool hf_tpm_hierarchy_change_auth(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                                  const HfSecret *new_auth, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfTpmCommand, hf_tpm_command_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfTpmResponse, hf_tpm_response_free)

#endif
