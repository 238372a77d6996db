/*
 * authority_request.c - `holdfast-authority request`: everything the CA wants to see, in one file.
 *
 * The signing key must have been made for the CA's nonce: until a certificate is installed a
 * request with another nonce makes the key anew. A renewal keeps the key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/file.h"
#include "hwtpm/hwendorsement.h"
#include "hwtpm/hwquote.h"
#include "hwtpm/hwsigner.h"
#include "pki/request.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/common/blob_file.h"
#include "tools/common/evidence.h"
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
static bool fit_key(HfAuthorityDir *authority, GBytes *nonce, GError **error)
{
    g_autofree char *label = hf_authority_label(authority, HF_BLOB_FILE);
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
               ? hf_key_create(connection, authority->manifest->algorithm, &policy, nonce, error)
               : NULL;
    if (!blob || !hf_blob_save(blob, authority->fd, label, error)) {
        hf_key_blob_free(blob);
        return false;
    }
    hf_key_blob_free(authority->blob);
    authority->blob = blob;
    return true;
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
                    &parts[HF_EVIDENCE_QUOTE_SIGNATURE], error)) {
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

    if (!hf_endorsement_read(authority->connection, &ek,
                             &evidence->parts[HF_EVIDENCE_EK_CERTIFICATE], error)) {
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

static HfEvidence *collect(HfAuthorityDir *authority, GBytes *nonce, GError **error)
{
    const HfManifest *manifest = authority->manifest;
    HfSigner *signer = hf_authority_signer(authority, error);
    g_autoptr(HfEvidence) evidence = NULL;
    g_autofree char *platform =
        g_strdup_printf("%s|%s|%s", manifest->platform_manufacturer, manifest->platform_model,
                        manifest->platform_version);

    if (!signer) {
        return NULL;
    }
    evidence = hf_evidence_new(signer->rooted);
    evidence->parts[HF_EVIDENCE_NONCE] = g_bytes_ref(nonce);
    evidence->parts[HF_EVIDENCE_MIGRATION] = text_bytes(manifest->migration_policy);
    evidence->parts[HF_EVIDENCE_PLATFORM] = text_bytes(platform);
    evidence->parts[HF_EVIDENCE_REQUEST] = hf_request_new(NULL, REQUEST_NAME, signer, error);
    if (!evidence->parts[HF_EVIDENCE_REQUEST]) {
        return NULL;
    }
    if (manifest->host_tpm && (!add_attestation(authority, signer, evidence, error) ||
                               !add_endorsement(authority, evidence, error))) {
        return NULL;
    }
    return add_proof(signer, evidence, error) ? g_steal_pointer(&evidence) : NULL;
}

bool hf_authority_command_request(const HfOptions *options, GError **error)
{
    const char *out = hf_options_string(options, "out");
    g_autoptr(GBytes) nonce = hf_hex_parse(hf_options_string(options, "nonce"), "--nonce", error);
    g_autoptr(HfAuthorityDir) authority = NULL;
    g_autoptr(HfEvidence) evidence = NULL;
    g_autoptr(GBytes) file = NULL;

    if (!nonce) {
        return false;
    }
    if (g_bytes_get_size(nonce) != HF_NONCE_SIZE) {
        return hf_error_set(error, HF_ERROR_INVALID, "--nonce: %u bytes expected, found %zu",
                            HF_NONCE_SIZE, g_bytes_get_size(nonce));
    }
    authority = hf_authority_open_parts(hf_options_string(options, "dir"),
                                        hf_options_string(options, "tcti"), error);
    if (!authority) {
        return false;
    }
    if (authority->manifest->host_tpm) {
        HfConnection *connection = hf_authority_connection(authority, error);

        if (!connection ||
            !hf_authority_auth(options, "endorsement-auth-file", connection,
                               HF_HIERARCHY_ENDORSEMENT, error) ||
            !fit_key(authority, nonce, error)) {
            return false;
        }
    }
    evidence = collect(authority, nonce, error);
    if (!evidence) {
        return false;
    }
    file = hf_evidence_write(evidence);
    return hf_file_replace(out, g_bytes_get_data(file, NULL), g_bytes_get_size(file), 0644, error);
}
