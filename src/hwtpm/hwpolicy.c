/*
 * hwpolicy.c - walking an approved policy.
 *
 * The same response code means different things in different steps (0x1c4 from PolicyPCR: the PCRs
 * are not the approved ones; from PolicyAuthorize: the approval is for something else), so each
 * step puts its own refusals into words.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwpolicy.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "pki/der.h"
#include "tpm2/approval.h"

/* r or s of a DER signature into a TPM2B; a leading zero is DER's, not the TPM's. */
static bool read_number(HfReader *sequence, TPM2B_ECC_PARAMETER *ret_number)
{
    HfReader content = hf_der_get(sequence, HF_DER_INTEGER);
    size_t size = hf_reader_left(&content);
    const uint8_t *data = hf_reader_bytes(&content, size);

    while (data && size > 0 && data[0] == 0) {
        data++;
        size--;
    }
    if (!data || size == 0 || size > sizeof(ret_number->buffer)) {
        return false;
    }
    ret_number->size = (UINT16)size;
    memcpy(ret_number->buffer, data, size);
    return true;
}

/* The approver's signature as it lies in files (DER or PKCS#1) in the TPM's form. */
static bool signature_for_tpm(const HfPublic *approver, GBytes *signature, TPMT_SIGNATURE *ret,
                              GError **error)
{
    TPMT_SIGNATURE result = { 0 };

    if (approver->type == TPM2_ALG_RSA) {
        result.sigAlg = TPM2_ALG_RSASSA;
        result.signature.rsassa.hash = TPM2_ALG_SHA256;
        if (!HF_ESYS_FILL(signature, "approver's signature", &result.signature.rsassa.sig, error)) {
            return false;
        }
    } else {
        HfReader r = hf_reader_for(signature);
        HfReader sequence = hf_der_get(&r, HF_DER_SEQUENCE);

        result.sigAlg = TPM2_ALG_ECDSA;
        result.signature.ecdsa.hash = TPM2_ALG_SHA256;
        if (!read_number(&sequence, &result.signature.ecdsa.signatureR) ||
            !read_number(&sequence, &result.signature.ecdsa.signatureS) ||
            !hf_reader_done(&sequence) || !hf_reader_done(&r)) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "approver's signature: DER of r and s expected");
        }
    }
    *ret = result;
    return true;
}

bool hf_hwpolicy_ticket(HfConnection *connection, const HfPublic *approver,
                        const HfDigest *approved, const char *reference, GBytes *signature,
                        TPMT_TK_VERIFIED *ret_ticket, GError **error)
{
    HfDigest digest = hf_approval_digest(approved, reference);
    TPM2B_DIGEST digest_2b = { .size = digest.size };
    hf_autoesys TPMT_TK_VERIFIED *ticket = NULL;
    TPM2B_PUBLIC area = { 0 };
    TPMT_SIGNATURE converted;
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc;

    memcpy(digest_2b.buffer, digest.data, digest.size);
    if (!signature_for_tpm(approver, signature, &converted, error) ||
        !hf_esys_template(approver, &area, error) ||
        !HF_TPM("load the approver's public key", error,
                Esys_LoadExternal(connection->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                  &area, ESYS_TR_RH_OWNER, &key))) {
        return false;
    }
    hf_esys_own(connection, key);
    rc = HF_TPM_RC(Esys_VerifySignature(connection->esys, key, connection->session, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &digest_2b, &converted, &ticket));
    hf_esys_flush(connection, key);
    if (hf_esys_base_code(rc) == TPM2_RC_SIGNATURE) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "approval: the signature is not the approver's (0x%x)", rc);
    }
    if (!hf_esys_check(rc, "verify the approver's signature", error)) {
        return false;
    }
    *ret_ticket = *ticket;
    return true;
}

static void fill_selection(const HfPcrSelection *selection, TPML_PCR_SELECTION *ret_pcrs)
{
    *ret_pcrs = (TPML_PCR_SELECTION){ 0 };
    for (uint32_t i = 0; i < selection->count && i < TPM2_NUM_PCR_BANKS; i++) {
        TPMS_PCR_SELECTION *bank = &ret_pcrs->pcrSelections[ret_pcrs->count++];

        bank->hash = selection->banks[i].hash;
        bank->sizeofSelect = selection->banks[i].size;
        for (uint8_t n = 0; n < selection->banks[i].size && n < TPM2_PCR_SELECT_MAX; n++) {
            bank->pcrSelect[n] = (BYTE)(selection->banks[i].mask >> (8 * n));
        }
    }
}

void hf_esys_selection(const HfPcrSelection *selection, TPML_PCR_SELECTION *ret_pcrs)
{
    fill_selection(selection, ret_pcrs);
}

static bool step_pcr(HfConnection *connection, ESYS_TR session, const HfEnvironment *environment,
                     const char *key, GError **error)
{
    TPM2B_DIGEST digest = { .size = environment->pcr_digest.size };
    TPML_PCR_SELECTION pcrs;
    TSS2_RC rc;

    memcpy(digest.buffer, environment->pcr_digest.data, digest.size);
    fill_selection(&environment->selection, &pcrs);
    rc = HF_TPM_RC(Esys_PolicyPCR(connection->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &digest, &pcrs));
    if (hf_esys_base_code(rc) == TPM2_RC_VALUE) {
        g_autofree char *text = hf_pcr_selection_text(&environment->selection);

        return hf_error_set(error, HF_ERROR_POLICY,
                            "PCRs changed since the approval (%s): the host TPM does not let the "
                            "%s be used (0x%x)",
                            text, key, rc);
    }
    return hf_esys_check(rc, "PolicyPCR", error);
}

bool hf_hwpolicy_counter(HfConnection *connection, ESYS_TR session, ESYS_TR counter,
                         uint64_t generation, TPM2_EO operation, GError **error)
{
    TPM2B_OPERAND operand = { .size = 8 };
    TSS2_RC rc;

    hf_store_u32(operand.buffer, (uint32_t)(generation >> 32));
    hf_store_u32(operand.buffer + 4, (uint32_t)generation);
    rc = HF_TPM_RC(Esys_PolicyNV(connection->esys, counter, counter, session, connection->session,
                                 ESYS_TR_NONE, ESYS_TR_NONE, &operand, 0, operation));
    if (hf_esys_base_code(rc) == TPM2_RC_POLICY) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "generation revoked: the approval is for generation %" G_GUINT64_FORMAT
                            ", the host TPM's counter has passed it (0x%x)",
                            generation, rc);
    }
    return hf_esys_check(rc, "PolicyNV", error);
}

bool hf_hwpolicy_environment(HfConnection *connection, ESYS_TR session, ESYS_TR counter,
                             const HfEnvironment *environment, const HfUseInfo *use, GError **error)
{
    return step_pcr(connection, session, environment, use->key, error) &&
           hf_hwpolicy_counter(connection, session, counter, environment->generation,
                               TPM2_EO_UNSIGNED_LE, error) &&
           HF_TPM("PolicyCommandCode", error,
                  Esys_PolicyCommandCode(connection->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                         ESYS_TR_NONE, use->command_code));
}

bool hf_hwpolicy_authorize(HfConnection *connection, ESYS_TR session, const HfPublic *approver,
                           const HfDigest *approved, const char *reference,
                           const TPMT_TK_VERIFIED *ticket, GError **error)
{
    HfTpmName name = hf_public_name(approver);
    TPM2B_DIGEST digest = { .size = approved->size };
    TPM2B_NONCE ref = { .size = (UINT16)strlen(reference) };
    TPM2B_NAME name_2b = { .size = name.size };
    TSS2_RC rc;

    memcpy(digest.buffer, approved->data, approved->size);
    memcpy(ref.buffer, reference, ref.size);
    memcpy(name_2b.name, name.data, name.size);
    rc = HF_TPM_RC(Esys_PolicyAuthorize(connection->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &digest, &ref, &name_2b, ticket));
    if (hf_esys_base_code(rc) == TPM2_RC_VALUE) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the approval is for another policy than the host TPM has computed "
                            "(0x%x): approve again",
                            rc);
    }
    return hf_esys_check(rc, "PolicyAuthorize", error);
}
