/*
 * evidence.h - a delegation request: what a vMA sends to the fleet's CA, in one file.
 *
 * A parcel (parcel.h) of magic "HFENROL1", version 2 or 3, with these records:
 *     1 rooted              u8: 0 hardware, 1 software (HfRooted)
 *     2 nonce               the CA's, 32 bytes
 *     3 request             PKCS#10, DER
 *     4 migration policy    name, UTF-8
 *     5 platform            "MANUFACTURER|MODEL|VERSION" of the host, UTF-8
 *   hardware only:
 *     6 key                 TPMT_PUBLIC of the vMA key
 *     7 creation data       TPMS_CREATION_DATA of it
 *     8 creation attest     TPMS_ATTEST of CertifyCreation, extraData = nonce
 *     9 creation signature  TPMT_SIGNATURE by the AK
 *    10 AK                  TPMT_PUBLIC of the host's attestation key
 *    11 quote               TPMS_ATTEST, extraData = hf_evidence_digest
 *    12 quote signature     TPMT_SIGNATURE by the AK
 *    13 PCR values          text lines "sha256:0:HEX" that were quoted
 *    14 EK                  TPMT_PUBLIC of the host TPM's endorsement key
 *    15 EK certificate      DER, may be absent
 *    16 host TPM            manufacturer, model and firmware, for people, UTF-8
 *   then:
 *    17 proof               signature by the key over hf_evidence_proof, DER or PKCS#1
 *    18 answer              to the CA's challenge (enrolment.h), hf_evidence_answer; hardware only,
 *                           absent where nothing was challenged
 *   hardware only, each may be absent:
 *    19 counter index       u32, NV index of the generation counter
 *    20 counter attest      TPMS_ATTEST of NV_Certify, extraData = hf_evidence_digest
 *    21 counter signature   TPMT_SIGNATURE by the AK
 *    22 event log           of the host's firmware, as it is (event_log.h)
 *   of either kind, may be absent:
 *    23 device model        name of what the key is for, or "any", UTF-8; with it the file's version
 *                           is 3
 *
 * Everything in it is a claim until the CA has verified it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_EVIDENCE_H
#define HOLDFAST_TOOLS_COMMON_EVIDENCE_H

#include "base/secret.h"
#include "pki/signer.h"
#include "tpm2/public.h"

#define HF_NONCE_SIZE 32u
#define HF_EVIDENCE_LOG_MAX (512u * 1024u)

typedef enum {
    HF_EVIDENCE_ROOTED,
    HF_EVIDENCE_NONCE,
    HF_EVIDENCE_REQUEST,
    HF_EVIDENCE_MIGRATION,
    HF_EVIDENCE_PLATFORM,
    HF_EVIDENCE_KEY,
    HF_EVIDENCE_CREATION,
    HF_EVIDENCE_CREATION_ATTEST,
    HF_EVIDENCE_CREATION_SIGNATURE,
    HF_EVIDENCE_AK,
    HF_EVIDENCE_QUOTE,
    HF_EVIDENCE_QUOTE_SIGNATURE,
    HF_EVIDENCE_PCRS,
    HF_EVIDENCE_EK,
    HF_EVIDENCE_EK_CERTIFICATE,
    HF_EVIDENCE_HOST_TPM,
    HF_EVIDENCE_PROOF,
    HF_EVIDENCE_ANSWER,
    HF_EVIDENCE_COUNTER_INDEX,
    HF_EVIDENCE_COUNTER_ATTEST,
    HF_EVIDENCE_COUNTER_SIGNATURE,
    HF_EVIDENCE_EVENT_LOG,
    HF_EVIDENCE_DEVICE_MODEL,
    HF_EVIDENCE_PARTS
} HfEvidencePart;

typedef struct {
    HfRooted rooted;
    GBytes *parts[HF_EVIDENCE_PARTS]; /* owned */
} HfEvidence;

HfEvidence *hf_evidence_new(HfRooted rooted);
void hf_evidence_free(HfEvidence *evidence);
GBytes *hf_evidence_write(const HfEvidence *evidence);
HfEvidence *hf_evidence_read(GBytes *file, const char *label, GError **error);

/* H("ENROL" ‖ nonce ‖ Name of the key ‖ H(request)), SHA-256: what the quote is over. */
HfDigest hf_evidence_digest(GBytes *nonce, const HfTpmName *name, GBytes *request);
/* H("holdfast delegation request" ‖ the file without record 17), SHA-256 or SHA-384 as `hash` says:
 * what the key itself signs, so that nothing in the request can be exchanged on the way. */
HfDigest hf_evidence_proof(const HfEvidence *evidence, uint16_t hash);
/* HMAC-SHA256 under the secret that the host's TPM has opened, over "holdfast challenge answer" and
 * the file without records 17 and 18: the answer is good for this request alone. */
GBytes *hf_evidence_answer(const HfEvidence *evidence, const HfSecret *secret);
/* How a key that is in no TPM is called: SHA-256 identifier and digest of its DER SPKI. */
HfTpmName hf_evidence_software_name(GBytes *spki);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfEvidence, hf_evidence_free)

#endif
