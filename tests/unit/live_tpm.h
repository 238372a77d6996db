/*
 * live_tpm.h - a real TPM (libtpms in this process, state in memory) for tests of src/tpm2.
 *
 * Beside the transport it offers the few commands that need sessions, so that a test can play the
 * TPM's side of quote, certification and credential activation.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_LIVE_TPM_H
#define HOLDFAST_TESTS_LIVE_TPM_H

#include "engine/engine.h"
#include "tpm2/command.h"

typedef struct {
    HfEngine *engine;
    GBytes *permanent;
    HfTransport transport;
    unsigned sent; /* commands */
} LiveTpm;

/* Manufactured and powered on; TPM2_Startup is the test's. One at a time. */
LiveTpm *live_tpm_new(void);
void live_tpm_free(LiveTpm *live);

/* An attestation key under the endorsement hierarchy: P-256 ECDSA, RSASSA or RSAPSS (TPM_ALG_ID).
 */
void live_tpm_ak_template(uint16_t scheme, HfPublic *ret_public);
/* TPM2_Quote with the key's own scheme. */
void live_tpm_quote(LiveTpm *live, uint32_t key, GBytes *nonce, const HfPcrSelection *selection,
                    GBytes **ret_attest, GBytes **ret_signature);
/* TPM2_Create of an unrestricted P-256 signing key under `parent` with outsideInfo, loaded; with
 * its creation data, hash and ticket. */
typedef struct {
    uint32_t handle;
    HfPublic pub;
    GBytes *creation;
    GBytes *creation_hash;
    GBytes *ticket;
} LiveKey;
void live_tpm_create_key(LiveTpm *live, uint32_t parent, GBytes *outside, LiveKey *ret_key);
void live_key_clear(LiveKey *key);
void live_tpm_certify_creation(LiveTpm *live, uint32_t signer, const LiveKey *key, GBytes *nonce,
                               GBytes **ret_attest, GBytes **ret_signature);
void live_tpm_certify(LiveTpm *live, uint32_t signer, uint32_t object, GBytes *nonce,
                      GBytes **ret_attest, GBytes **ret_signature);
/* TPM2_StartAuthSession, unbound and unsalted, SHA-256. */
#define LIVE_POLICY 0x01u
#define LIVE_TRIAL 0x03u
uint32_t live_tpm_session(LiveTpm *live, uint8_t type);
/* TPM2_PolicySecret with empty auth. */
void live_tpm_policy_secret(LiveTpm *live, uint32_t session, uint32_t entity, GBytes *ref);
/* Runs a command that has to work; the answer has no handle. */
HfTpmResponse *live_tpm_run(LiveTpm *live, HfTpmCommand *command);

/* TPM2_ActivateCredential, by password where the EK has userWithAuth, else by policy A. NULL and
 * the response code when refused. */
GBytes *live_tpm_activate(LiveTpm *live, uint32_t object, uint32_t ek, GBytes *id_object,
                          GBytes *encrypted_secret, uint32_t *ret_code);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LiveTpm, live_tpm_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LiveKey, live_key_clear)

#endif
