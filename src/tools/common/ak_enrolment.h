/*
 * ak_enrolment.h - what goes between a guest and a privacy CA for the certificate of an attestation
 * key (AK): request and answer, a file each.
 *
 * Parcels (parcel.h). Request, magic "HFAKREQ1", version 1; everything in it is a claim:
 *     1 nonce             32 bytes, random; makes every request another one
 *     2 AK                TPMT_PUBLIC
 *     3 EK                TPMT_PUBLIC of the TPM's endorsement key
 *     4 EK certificate    DER, may be absent
 *     5 above             certificates above it, DER one after the other, may be absent
 *
 * Answer, magic "HFAKANS1", version 1:
 *     1 request           SHA-256 of the request's file
 *     2 AK name           whom it is for
 *     3 credential        contents of TPM2B_ID_OBJECT
 *     4 seed              contents of TPM2B_ENCRYPTED_SECRET
 *     5 sealed            AES-256-GCM of the certificates (DER one after the other: the AK's, then
 *                         those of the CAs above it), with records 1 to 4 as additional data
 *
 * The credential holds a random secret that only the TPM with that EK gives out, and only while it
 * has that AK (TPM2_ActivateCredential). Key and nonce of the sealing are HKDF-SHA256 of the secret,
 * salt record 1, info "holdfast AK certificate". So whoever reads the answer on the way, or gives it
 * to another TPM, learns nothing of the certificate.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_AK_ENROLMENT_H
#define HOLDFAST_TOOLS_COMMON_AK_ENROLMENT_H

#include "base/secret.h"
#include "tpm2/public.h"

typedef enum {
    HF_AK_REQUEST_NONCE,
    HF_AK_REQUEST_AK,
    HF_AK_REQUEST_EK,
    HF_AK_REQUEST_EK_CERTIFICATE,
    HF_AK_REQUEST_ABOVE,
    HF_AK_REQUEST_PARTS
} HfAkRequestPart;

typedef struct {
    GBytes *parts[HF_AK_REQUEST_PARTS]; /* owned */
    GBytes *digest;                     /* SHA-256 of the file it was read from; owned */
} HfAkRequest;

/* With a fresh nonce. */
HfAkRequest *hf_ak_request_new(void);
void hf_ak_request_free(HfAkRequest *request);
GBytes *hf_ak_request_write(const HfAkRequest *request);
HfAkRequest *hf_ak_request_read(GBytes *file, const char *label, GError **error);

typedef struct {
    GBytes *request; /* all owned */
    GBytes *ak_name;
    GBytes *credential;
    GBytes *seed;
    GBytes *sealed;
} HfAkAnswer;

void hf_ak_answer_free(HfAkAnswer *answer);
GBytes *hf_ak_answer_write(const HfAkAnswer *answer);
HfAkAnswer *hf_ak_answer_read(GBytes *file, const char *label, GError **error);

/* Encrypts `certificates` so that only the TPM with the request's EK and AK can read them; ek and ak
 * are the request's, parsed and checked by the caller. */
HfAkAnswer *hf_ak_answer_seal(const HfAkRequest *request, const HfPublic *ek, const HfPublic *ak,
                              GBytes *certificates, GError **error);
/* The certificates. secret: what the TPM gave out. HF_ERROR_AUTH when the answer was altered or
 * secret is not the one it was sealed with. */
GBytes *hf_ak_answer_open(const HfAkAnswer *answer, const HfSecret *secret, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfAkRequest, hf_ak_request_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfAkAnswer, hf_ak_answer_free)

#endif
