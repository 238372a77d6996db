/*
 * attest.c - TPMS_ATTEST, TPMT_SIGNATURE and TPMS_CREATION_DATA, read strictly.
 *
 * What the fields mean, and whether they are what was expected, is attest_verify.c's.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/attest.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"

/* A TPM2B of at most `max` bytes into a fixed array. */
static bool take(HfReader *r, const char *field, size_t max, uint8_t *ret_data, uint16_t *ret_size,
                 GError **error)
{
    HfReader sub = hf_reader_tpm2b(r, max);

    if (r->failed || sub.failed) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: ends early or is longer than %zu bytes",
                            field, max);
    }
    if (sub.size > 0) {
        memcpy(ret_data, sub.data, sub.size);
    }
    *ret_size = (uint16_t)sub.size;
    return true;
}

static bool read_clock(HfReader *r, HfAttest *attest, GError **error)
{
    uint8_t safe;

    attest->clock = hf_reader_u64(r);
    attest->reset_count = hf_reader_u32(r);
    attest->restart_count = hf_reader_u32(r);
    safe = hf_reader_u8(r);
    attest->safe = safe != 0;
    attest->firmware = hf_reader_u64(r);
    if (r->failed) {
        return hf_error_set(error, HF_ERROR_INVALID, "attestation: ends within its clock");
    }
    if (safe > 1) {
        return hf_error_set(error, HF_ERROR_INVALID, "clock: safe: expected 0 or 1, found %u",
                            safe);
    }
    return true;
}

static bool read_attested(HfReader *r, HfAttest *attest, GError **error)
{
    switch (attest->type) {
    case TPM2_ST_ATTEST_QUOTE:
        return hf_pcr_selection_read(r, &attest->selection, error) &&
               take(r, "pcrDigest", HF_HASH_MAX, attest->pcr_digest, &attest->pcr_digest_size,
                    error);
    case TPM2_ST_ATTEST_CERTIFY:
        return hf_tpm_name_read(r, "name", &attest->name, error) &&
               hf_tpm_name_read(r, "qualifiedName", &attest->qualified_name, error);
    case TPM2_ST_ATTEST_NV:
        if (!hf_tpm_name_read(r, "indexName", &attest->name, error)) {
            return false;
        }
        attest->nv_offset = hf_reader_u16(r);
        return take(r, "nvContents", sizeof attest->nv, attest->nv, &attest->nv_size, error);
    default:
        return hf_tpm_name_read(r, "objectName", &attest->name, error) &&
               take(r, "creationHash", HF_HASH_MAX, attest->creation_hash,
                    &attest->creation_hash_size, error);
    }
}

bool hf_attest_parse(const void *data, size_t n, HfAttest *ret_attest, GError **error)
{
    HfReader r = hf_reader(data, n);
    HfAttest attest = { 0 };
    uint32_t magic = hf_reader_u32(&r);

    attest.type = hf_reader_u16(&r);
    if (r.failed || n > HF_ATTEST_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "attestation: expected 6 to %u bytes, found %zu", HF_ATTEST_MAX, n);
    }
    if (magic != TPM2_GENERATED_VALUE) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "magic: expected 0x%08x (made inside a TPM), found 0x%08x",
                            TPM2_GENERATED_VALUE, magic);
    }
    if (attest.type != TPM2_ST_ATTEST_QUOTE && attest.type != TPM2_ST_ATTEST_CERTIFY &&
        attest.type != TPM2_ST_ATTEST_CREATION && attest.type != TPM2_ST_ATTEST_NV) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "type: expected quote, certify, creation or NV, found 0x%04x",
                            attest.type);
    }
    if (!hf_tpm_name_read(&r, "qualifiedSigner", &attest.signer, error) ||
        !take(&r, "extraData", sizeof attest.extra, attest.extra, &attest.extra_size, error) ||
        !read_clock(&r, &attest, error) || !read_attested(&r, &attest, error)) {
        return false;
    }
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_INVALID, "attestation: %zu bytes follow its end",
                            hf_reader_left(&r));
    }
    *ret_attest = attest;
    return true;
}

bool hf_tpm_signature_read(HfReader *r, HfTpmSignature *ret_signature, GError **error)
{
    HfTpmSignature signature = { .scheme = hf_reader_u16(r), .hash = hf_reader_u16(r) };
    bool ecdsa = signature.scheme == TPM2_ALG_ECDSA;

    if (r->failed) {
        return hf_error_set(error, HF_ERROR_INVALID, "signature: ends too early");
    }
    if (!ecdsa && signature.scheme != TPM2_ALG_RSASSA && signature.scheme != TPM2_ALG_RSAPSS) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "signature: scheme: expected ECDSA, RSASSA or RSAPSS, found 0x%04x",
                            signature.scheme);
    }
    if (hf_hash_size(signature.hash) == 0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "signature: hash: expected SHA-1 or SHA-2, found 0x%04x",
                            signature.hash);
    }
    if (!take(r, ecdsa ? "signature: r" : "signature: sig",
              ecdsa ? HF_EC_MAX_BYTES : HF_RSA_MAX_BYTES, signature.r, &signature.r_size, error) ||
        (ecdsa &&
         !take(r, "signature: s", HF_EC_MAX_BYTES, signature.s, &signature.s_size, error))) {
        return false;
    }
    *ret_signature = signature;
    return true;
}

bool hf_tpm_signature_parse(const void *data, size_t n, HfTpmSignature *ret_signature,
                            GError **error)
{
    HfReader r = hf_reader(data, n);
    HfTpmSignature signature;

    if (!hf_tpm_signature_read(&r, &signature, error)) {
        return false;
    }
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_INVALID, "signature: %zu bytes follow its end",
                            hf_reader_left(&r));
    }
    *ret_signature = signature;
    return true;
}

GBytes *hf_tpm_signature_der(const HfTpmSignature *signature)
{
    if (signature->scheme == TPM2_ALG_ECDSA) {
        return hf_ecdsa_der(signature->r, signature->r_size, signature->s, signature->s_size);
    }
    return g_bytes_new(signature->r, signature->r_size);
}

bool hf_creation_data_parse(const void *data, size_t n, HfCreationData *ret_data, GError **error)
{
    HfReader r = hf_reader(data, n);
    HfCreationData creation = { 0 };

    if (!hf_pcr_selection_read(&r, &creation.selection, error) ||
        !take(&r, "creation data: pcrDigest", HF_HASH_MAX, creation.pcr_digest,
              &creation.pcr_digest_size, error)) {
        return false;
    }
    creation.locality = hf_reader_u8(&r);
    creation.parent_name_alg = hf_reader_u16(&r);
    if (!hf_tpm_name_read(&r, "creation data: parentName", &creation.parent, error) ||
        !hf_tpm_name_read(&r, "creation data: parentQualifiedName", &creation.qualified_parent,
                          error) ||
        !take(&r, "creation data: outsideInfo", sizeof creation.outside, creation.outside,
              &creation.outside_size, error)) {
        return false;
    }
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_INVALID, "creation data: %zu bytes follow its end",
                            hf_reader_left(&r));
    }
    *ret_data = creation;
    return true;
}
