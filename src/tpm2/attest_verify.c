/*
 * attest_verify.c - the checks that turn a parsed attestation into a proof.
 *
 * Cheap structural checks come first, the signature before anything about PCR values, so that the
 * error an operator reads is the first thing that is really wrong. Every check is needed: a key
 * that is not restricted could sign a forged TPMS_ATTEST; a quote of other PCRs has a fine
 * signature too.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/attest.h"
#include "tpm2/constants.h"

bool hf_tpm_signature_verify(const HfTpmSignature *signature, const HfPublic *key, const void *data,
                             size_t n, GError **error)
{
    HfVerifyScheme scheme = signature->scheme == TPM2_ALG_ECDSA    ? HF_VERIFY_ECDSA
                            : signature->scheme == TPM2_ALG_RSAPSS ? HF_VERIFY_RSAPSS
                                                                   : HF_VERIFY_RSASSA;
    g_autoptr(HfPublicKey) public_key = NULL;
    g_autoptr(GBytes) bytes = NULL;
    HfDigest digest;

    if (key->scheme.alg != TPM2_ALG_NULL &&
        (key->scheme.alg != signature->scheme || key->scheme.hash != signature->hash)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "signature: expected the key's scheme 0x%04x with hash 0x%04x, found "
                            "0x%04x with 0x%04x",
                            key->scheme.alg, key->scheme.hash, signature->scheme, signature->hash);
    }
    if (hf_hash_size(signature->hash) < 32) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "signature: expected a hash of SHA-256 or stronger, found 0x%04x",
                            signature->hash);
    }
    public_key = hf_public_key_of(key, error);
    if (!public_key) {
        g_prefix_error(error, "signature: ");
        return false;
    }
    bytes = hf_tpm_signature_der(signature);
    digest = hf_digest_of(signature->hash, data, n);
    if (!hf_public_key_verify(public_key, scheme, signature->hash, digest.data, digest.size,
                              g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error)) {
        g_prefix_error(error, "signature: ");
        return false;
    }
    return true;
}

bool hf_attest_check_type(const HfAttest *attest, uint16_t type, GError **error)
{
    if (attest->type != type) {
        return hf_error_set(error, HF_ERROR_AUTH, "type: expected 0x%04x, found 0x%04x", type,
                            attest->type);
    }
    return true;
}

bool hf_attest_check_nonce(const HfAttest *attest, const void *nonce, size_t n, GError **error)
{
    g_autofree char *expected = NULL;
    g_autofree char *found = NULL;

    if (attest->extra_size == n && hf_secret_equal(attest->extra, nonce, n)) {
        return true;
    }
    expected = hf_hex(nonce, n);
    found = hf_hex(attest->extra, attest->extra_size);
    return hf_error_set(error, HF_ERROR_AUTH, "nonce: expected %s, found %s", expected,
                        found[0] ? found : "none");
}

bool hf_attest_check_signer(const HfAttest *attest, const HfTpmName *qualified, GError **error)
{
    if (!hf_tpm_name_equal(&attest->signer, qualified)) {
        g_autofree char *expected = hf_hex(qualified->data, qualified->size);
        g_autofree char *found = hf_hex(attest->signer.data, attest->signer.size);

        return hf_error_set(error, HF_ERROR_AUTH, "signer: expected qualified name %s, found %s",
                            expected, found);
    }
    return true;
}

bool hf_attest_check_selection(const HfAttest *attest, const HfPcrSelection *expected,
                               GError **error)
{
    if (!hf_pcr_selection_equal(&attest->selection, expected)) {
        g_autofree char *wanted = hf_pcr_selection_text(expected);
        g_autofree char *found = hf_pcr_selection_text(&attest->selection);

        return hf_error_set(error, HF_ERROR_AUTH, "selection: expected %s, found %s", wanted,
                            found);
    }
    return true;
}

bool hf_attest_check_pcrs(const HfAttest *attest, uint16_t hash, const HfPcrValues *values,
                          GError **error)
{
    g_autofree char *expected = NULL;
    g_autofree char *found = NULL;
    HfDigest digest;

    if (!hf_pcr_values_digest(values, &attest->selection, hash, &digest, error)) {
        g_prefix_error(error, "PCR digest: ");
        return false;
    }
    if (attest->pcr_digest_size == digest.size &&
        memcmp(attest->pcr_digest, digest.data, digest.size) == 0) {
        return true;
    }
    expected = hf_hex(digest.data, digest.size);
    found = hf_hex(attest->pcr_digest, attest->pcr_digest_size);
    return hf_error_set(error, HF_ERROR_AUTH,
                        "PCR digest: expected %s from the given values, found %s", expected,
                        found[0] ? found : "none");
}

/* What all kinds of attestation have in common; the signature comes last here. */
static bool verify_common(const void *data, size_t n, const void *signature, size_t signature_size,
                          uint16_t type, const HfAttestExpected *expected, HfAttest *ret_attest,
                          HfTpmSignature *ret_signature, GError **error)
{
    if (!hf_public_check_ak(expected->key, error) || !hf_attest_parse(data, n, ret_attest, error) ||
        !hf_attest_check_type(ret_attest, type, error) ||
        !hf_attest_check_nonce(ret_attest, expected->nonce, expected->nonce_size, error) ||
        (expected->signer && !hf_attest_check_signer(ret_attest, expected->signer, error))) {
        return false;
    }
    return hf_tpm_signature_parse(signature, signature_size, ret_signature, error) &&
           hf_tpm_signature_verify(ret_signature, expected->key, data, n, error);
}

bool hf_attest_verify_quote(const void *data, size_t n, const void *signature,
                            size_t signature_size, const HfAttestExpected *expected,
                            HfAttest *ret_attest, GError **error)
{
    HfAttest attest;
    HfTpmSignature sig;

    g_assert(expected->selection);
    if (!verify_common(data, n, signature, signature_size, TPM2_ST_ATTEST_QUOTE, expected, &attest,
                       &sig, error) ||
        !hf_attest_check_selection(&attest, expected->selection, error) ||
        (expected->values && !hf_attest_check_pcrs(&attest, sig.hash, expected->values, error))) {
        return false;
    }
    if (ret_attest) {
        *ret_attest = attest;
    }
    return true;
}

static bool check_name(const char *what, const HfTpmName *expected, const HfTpmName *found,
                       GError **error)
{
    if (!hf_tpm_name_equal(expected, found)) {
        g_autofree char *want = hf_hex(expected->data, expected->size);
        g_autofree char *have = hf_hex(found->data, found->size);

        return hf_error_set(error, HF_ERROR_AUTH, "%s: expected %s, found %s", what, want, have);
    }
    return true;
}

bool hf_attest_verify_creation(const void *data, size_t n, const void *signature,
                               size_t signature_size, const HfAttestExpected *expected,
                               const HfPublic *object, const void *creation, size_t creation_size,
                               const void *outside, size_t outside_size, GError **error)
{
    HfTpmName name = hf_public_name(object);
    HfDigest hash = hf_digest_of(object->name_alg, creation, creation_size);
    HfCreationData parsed;
    HfTpmSignature sig;
    HfAttest attest;

    if (!verify_common(data, n, signature, signature_size, TPM2_ST_ATTEST_CREATION, expected,
                       &attest, &sig, error) ||
        !check_name("object name", &name, &attest.name, error)) {
        return false;
    }
    if (attest.creation_hash_size != hash.size ||
        memcmp(attest.creation_hash, hash.data, hash.size) != 0) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "creation hash: is not the digest of the creation data given");
    }
    if (!hf_creation_data_parse(creation, creation_size, &parsed, error)) {
        return false;
    }
    if (parsed.outside_size != outside_size ||
        !hf_secret_equal(parsed.outside, outside, outside_size)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "outside info: the creation data has another than expected");
    }
    return true;
}

bool hf_attest_verify_certify(const void *data, size_t n, const void *signature,
                              size_t signature_size, const HfAttestExpected *expected,
                              const HfPublic *object, const HfTpmName *qualified, GError **error)
{
    HfTpmName name = hf_public_name(object);
    HfTpmSignature sig;
    HfAttest attest;

    return verify_common(data, n, signature, signature_size, TPM2_ST_ATTEST_CERTIFY, expected,
                         &attest, &sig, error) &&
           check_name("object name", &name, &attest.name, error) &&
           (!qualified || check_name("qualified name", qualified, &attest.qualified_name, error));
}

bool hf_attest_verify_counter(const void *data, size_t n, const void *signature,
                              size_t signature_size, const HfAttestExpected *expected,
                              const HfTpmName *index, uint64_t *ret_value, GError **error)
{
    HfTpmSignature sig;
    HfAttest attest;
    HfReader r;

    if (!verify_common(data, n, signature, signature_size, TPM2_ST_ATTEST_NV, expected, &attest,
                       &sig, error) ||
        !check_name("index name", index, &attest.name, error)) {
        return false;
    }
    if (attest.nv_offset != 0 || attest.nv_size != 8) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "contents: 8 bytes at offset 0 expected, found %u at %u",
                            attest.nv_size, attest.nv_offset);
    }
    r = hf_reader(attest.nv, attest.nv_size);
    *ret_value = hf_reader_u64(&r);
    return true;
}
