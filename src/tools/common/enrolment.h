/*
 * enrolment.h - what goes between an authority and the fleet's CA before the delegation request:
 * introduction and challenge, a file each.
 *
 * host: introduction -> CA: challenge -> host: delegation request with the answer (evidence.h) ->
 * CA: delegation certificate. Parcels (parcel.h):
 *
 * introduction, magic "HFHELLO1", version 1; everything in it is a claim:
 *     1 rooted            u8: 0 hardware, 1 software
 *     2 migration policy  name, UTF-8
 *     3 platform          "MANUFACTURER|MODEL|VERSION"
 *   hardware only:
 *     4 AK                TPMT_PUBLIC of the host's attestation key
 *     5 EK                TPMT_PUBLIC of the host TPM's endorsement key
 *     6 EK certificate    DER, may be absent
 *     7 above             certificates above it, DER one after the other, may be absent
 *     8 host TPM          for people
 *
 * challenge, magic "HFCHALL1", version 1:
 *     1 nonce             32 bytes, goes into key, quote and request
 *   hardware only:
 *     2 AK name           whom it is for
 *     3 credential        contents of TPM2B_ID_OBJECT
 *     4 seed              contents of TPM2B_ENCRYPTED_SECRET
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_ENROLMENT_H
#define HOLDFAST_TOOLS_COMMON_ENROLMENT_H

#include "pki/signer.h"
#include "tpm2/public.h"

typedef enum {
    HF_INTRODUCTION_ROOTED,
    HF_INTRODUCTION_MIGRATION,
    HF_INTRODUCTION_PLATFORM,
    HF_INTRODUCTION_AK,
    HF_INTRODUCTION_EK,
    HF_INTRODUCTION_EK_CERTIFICATE,
    HF_INTRODUCTION_ABOVE,
    HF_INTRODUCTION_HOST_TPM,
    HF_INTRODUCTION_PARTS
} HfIntroductionPart;

typedef struct {
    HfRooted rooted;
    GBytes *parts[HF_INTRODUCTION_PARTS]; /* owned */
} HfIntroduction;

HfIntroduction *hf_introduction_new(HfRooted rooted);
void hf_introduction_free(HfIntroduction *introduction);
GBytes *hf_introduction_write(const HfIntroduction *introduction);
HfIntroduction *hf_introduction_read(GBytes *file, const char *label, GError **error);

typedef struct {
    GBytes *nonce;   /* all owned */
    GBytes *ak_name; /* NULL, with the next two: nothing to open, the host is software-rooted */
    GBytes *credential;
    GBytes *seed;
} HfChallenge;

void hf_challenge_free(HfChallenge *challenge);
GBytes *hf_challenge_write(const HfChallenge *challenge);
HfChallenge *hf_challenge_read(GBytes *file, const char *label, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfIntroduction, hf_introduction_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfChallenge, hf_challenge_free)

#endif
