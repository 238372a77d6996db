/*
 * authority_evidence.c - what an authority tells the fleet's CA of itself, made with the host TPM.
 *
 * The signing key must have been made for the CA's nonce: until a certificate is installed a
 * request with another nonce makes the key anew. A renewal keeps the key. A challenge is opened
 * before anything is changed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/authority/authority_evidence.h"

#include <string.h>

#include "base/error.h"
#include "hwtpm/hwendorsement.h"
#include "hwtpm/hwquote.h"
#include "hwtpm/hwsigner.h"
#include "pki/request.h"
#include "tools/common/blob_file.h"
#include "tools/common/pcr_lines.h"
#include "tpm2/approval.h"
#include "tpm2/attest.h"

/* The CA gives the certificate a subject of its own; this one is for people who look at requests.
 */
#define REQUEST_NAME "holdfast vMA"

static GBytes *public_bytes(const HfPublic *pub)
{
    GByteArray *w = g_byte_array_new();

    hf_public_write(pub, w);
    return g_byte_array_free_to_bytes(w);
}

static GBytes *text_bytes(const char *text)
{
    return g_bytes_new(text, strlen(text));
}

static bool made_for(const HfKeyBlob *blob, GBytes *nonce, bool *ret_made, GError **error)
{
    HfCreationData data;

    if (!hf_creation_data_parse(g_bytes_get_data(blob->creation_data, NULL),
                                g_bytes_get_size(blob->creation_data), &data, error)) {
        return false;
    }
    *ret_made = data.outside_size == g_bytes_get_size(nonce) &&
                memcmp(data.outside, g_bytes_get_data(nonce, NULL), data.outside_size) == 0;
    return true;
}

/* Makes the key anew for the nonce where that is due. */
static bool fit_key(HfAuthorityDir *authority, GBytes *nonce, const char *file, GError **error)
{
    g_autofree char *label = hf_authority_key_label(authority, file);
    HfDigest policy = hf_approval_auth_policy(&authority->approver, HF_APPROVAL_SIGN);
    HfConnection *connection;
    HfKeyBlob *blob;
    bool made = false;

    if (authority->certificate || authority->certificate_error) {
        return true;
    }
    if (!made_for(authority->blob, nonce, &made, error)) {
        return false;
    }
    if (made) {
        return true;
    }
    connection = hf_authority_connection(authority, error);
    blob = connection
               ? hf_key_create(connection, authority->entry->algorithm, &policy, nonce, error)
               : NULL;
    if (!blob || !hf_blob_save(blob, authority->key_fd, file, label, error)) {
        hf_key_blob_free(blob);
        return false;
    }
    hf_key_blob_free(authority->blob);
    authority->blob = blob;
    authority->is_next = strcmp(file, HF_BLOB_NEXT) == 0;
    return true;
}

/* What the generation counter is at: approvals for less are dead. */
static bool add_counter(HfAuthorityDir *authority, HfHostKey *ak, GBytes *extra,
                        HfEvidence *evidence, GError **error)
{
    HfCounter *counter = hf_authority_counter(authority, error);
    uint8_t number[4];

    if (!counter) {
        return false;
    }
    hf_store_u32(number, authority->manifest->counter_index);
    evidence->parts[HF_EVIDENCE_COUNTER_INDEX] = g_bytes_new(number, sizeof(number));
    return hf_hwcertify_counter(authority->connection, ak, counter, extra,
                                &evidence->parts[HF_EVIDENCE_COUNTER_ATTEST],
                                &evidence->parts[HF_EVIDENCE_COUNTER_SIGNATURE], error);
}

static bool add_attestation(HfAuthorityDir *authority, HfSigner *signer, HfEvidence *evidence,
                            GError **error)
{
    HfConnection *connection = authority->connection;
    const HfPcrSelection *selection = &authority->manifest->pcrs;
    GBytes **parts = evidence->parts;
    HfHostKey *key = hf_signer_host_key(signer);
    HfTpmName name = hf_public_name(hf_host_key_public(key));
    HfDigest digest =
        hf_evidence_digest(parts[HF_EVIDENCE_NONCE], &name, parts[HF_EVIDENCE_REQUEST]);
    g_autoptr(GBytes) extra = g_bytes_new(digest.data, digest.size);
    g_autoptr(HfHostKey) ak = hf_key_attestation(connection, error);
    g_autoptr(HfPcrValues) values = NULL;
    g_autofree char *lines = NULL;

    if (!ak ||
        !hf_hwcertify_creation(connection, ak, key, authority->blob, parts[HF_EVIDENCE_NONCE],
                               &parts[HF_EVIDENCE_CREATION_ATTEST],
                               &parts[HF_EVIDENCE_CREATION_SIGNATURE], error) ||
        !hf_hwquote(connection, ak, selection, extra, &parts[HF_EVIDENCE_QUOTE],
                    &parts[HF_EVIDENCE_QUOTE_SIGNATURE], error) ||
        !add_counter(authority, ak, extra, evidence, error)) {
        return false;
    }
    values = hf_hwpcr_read(connection, selection, error);
    if (!values) {
        return false;
    }
    lines = hf_pcr_lines(values, selection);
    parts[HF_EVIDENCE_PCRS] = text_bytes(lines);
    parts[HF_EVIDENCE_AK] = public_bytes(hf_host_key_public(ak));
    parts[HF_EVIDENCE_KEY] = public_bytes(hf_host_key_public(key));
    parts[HF_EVIDENCE_CREATION] = g_bytes_ref(authority->blob->creation_data);
    return true;
}

static bool add_endorsement(HfAuthorityDir *authority, HfEvidence *evidence, GError **error)
{
    HfPublic ek;

    if (!hf_authority_endorsement(authority, &ek, &evidence->parts[HF_EVIDENCE_EK_CERTIFICATE],
                                  error)) {
        return false;
    }
    evidence->parts[HF_EVIDENCE_EK] = public_bytes(&ek);
    evidence->parts[HF_EVIDENCE_HOST_TPM] = text_bytes(authority->manifest->host_tpm_text);
    return true;
}

/* Last: the key itself signs the whole. */
static bool add_proof(HfSigner *signer, HfEvidence *evidence, GError **error)
{
    bool longer =
        signer->algorithm == HF_SIGN_ECDSA_SHA384 || signer->algorithm == HF_SIGN_RSA_SHA384;
    HfDigest digest = hf_evidence_proof(evidence, longer ? HF_HASH_SHA384 : HF_HASH_SHA256);

    evidence->parts[HF_EVIDENCE_PROOF] =
        signer->class->sign(signer, digest.data, digest.size, error);
    return evidence->parts[HF_EVIDENCE_PROOF] != NULL;
}

/* The secret that only this TPM can open, and only for its own attestation key. */
static HfSecret *open_challenge(HfAuthorityDir *authority, const HfChallenge *challenge,
                                GError **error)
{
    g_autoptr(HfHostKey) ak = hf_key_attestation(authority->connection, error);
    HfTpmName name;

    if (!ak) {
        return NULL;
    }
    name = hf_public_name(hf_host_key_public(ak));
    if (g_bytes_get_size(challenge->ak_name) != name.size ||
        memcmp(g_bytes_get_data(challenge->ak_name, NULL), name.data, name.size) != 0) {
        hf_error_set(error, HF_ERROR_AUTH,
                     "challenge: it is for another attestation key than this host's");
        return NULL;
    }
    return hf_endorsement_activate(authority->connection, ak, challenge->credential,
                                   challenge->seed, error);
}

static char *platform_text(const HfManifest *manifest)
{
    return g_strdup_printf("%s|%s|%s", manifest->platform_manufacturer, manifest->platform_model,
                           manifest->platform_version);
}

static HfEvidence *collect(HfAuthorityDir *authority, GBytes *nonce, const HfSecret *secret,
                           GBytes *event_log, GError **error)
{
    const HfManifest *manifest = authority->manifest;
    HfSigner *signer = hf_authority_signer(authority, error);
    g_autoptr(HfEvidence) evidence = NULL;
    g_autofree char *platform = platform_text(manifest);

    if (!signer) {
        return NULL;
    }
    evidence = hf_evidence_new(manifest->host_tpm ? HF_ROOTED_HARDWARE : HF_ROOTED_SOFTWARE);
    evidence->parts[HF_EVIDENCE_NONCE] = g_bytes_ref(nonce);
    evidence->parts[HF_EVIDENCE_MIGRATION] = text_bytes(authority->entry->migration_policy);
    if (authority->entry->device_model) {
        evidence->parts[HF_EVIDENCE_DEVICE_MODEL] = text_bytes(authority->entry->device_model);
    }
    evidence->parts[HF_EVIDENCE_PLATFORM] = text_bytes(platform);
    evidence->parts[HF_EVIDENCE_REQUEST] = hf_request_new(NULL, REQUEST_NAME, signer, error);
    if (!evidence->parts[HF_EVIDENCE_REQUEST]) {
        return NULL;
    }
    if (manifest->host_tpm && (!add_attestation(authority, signer, evidence, error) ||
                               !add_endorsement(authority, evidence, error))) {
        return NULL;
    }
    if (manifest->host_tpm && event_log) {
        evidence->parts[HF_EVIDENCE_EVENT_LOG] = g_bytes_ref(event_log);
    }
    if (secret) {
        evidence->parts[HF_EVIDENCE_ANSWER] = hf_evidence_answer(evidence, secret);
    }
    return add_proof(signer, evidence, error) ? g_steal_pointer(&evidence) : NULL;
}

static bool introduce_host(HfAuthorityDir *authority, HfIntroduction *introduction, GError **error)
{
    HfConnection *connection = authority->connection;
    g_autoptr(HfHostKey) ak = NULL;
    HfPublic ek;

    if (!hf_authority_endorsement(authority, &ek,
                                  &introduction->parts[HF_INTRODUCTION_EK_CERTIFICATE], error)) {
        return false;
    }
    ak = hf_key_attestation(connection, error);
    if (!ak) {
        return false;
    }
    introduction->parts[HF_INTRODUCTION_AK] = public_bytes(hf_host_key_public(ak));
    introduction->parts[HF_INTRODUCTION_EK] = public_bytes(&ek);
    introduction->parts[HF_INTRODUCTION_ABOVE] = hf_endorsement_above(connection);
    introduction->parts[HF_INTRODUCTION_HOST_TPM] = text_bytes(authority->manifest->host_tpm_text);
    return true;
}

HfIntroduction *hf_authority_introduce(HfAuthorityDir *authority, GError **error)
{
    const HfManifest *manifest = authority->manifest;
    g_autoptr(HfIntroduction) introduction =
        hf_introduction_new(manifest->host_tpm ? HF_ROOTED_HARDWARE : HF_ROOTED_SOFTWARE);
    g_autofree char *platform = platform_text(manifest);

    introduction->parts[HF_INTRODUCTION_MIGRATION] = text_bytes(authority->entry->migration_policy);
    introduction->parts[HF_INTRODUCTION_PLATFORM] = text_bytes(platform);
    if (manifest->host_tpm && !introduce_host(authority, introduction, error)) {
        return NULL;
    }
    return g_steal_pointer(&introduction);
}

HfEvidence *hf_authority_evidence(HfAuthorityDir *authority, const HfChallenge *challenge,
                                  GBytes *event_log, const char *key_file, GError **error)
{
    bool host_tpm = authority->manifest->host_tpm;
    g_autoptr(HfSecret) secret = NULL;

    if (challenge->credential && !host_tpm) {
        hf_error_set(error, HF_ERROR_STATE,
                     "challenge: it is for a host TPM, this authority has none");
        return NULL;
    }
    if (challenge->credential) {
        secret = open_challenge(authority, challenge, error);
        if (!secret) {
            return NULL;
        }
    }
    if (host_tpm && !fit_key(authority, challenge->nonce, key_file, error)) {
        return NULL;
    }
    return collect(authority, challenge->nonce, secret, event_log, error);
}
