/*
 * ca_challenge.h - a host's introduction is checked and answered with a challenge.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_CHALLENGE_H
#define HOLDFAST_TOOLS_CA_CA_CHALLENGE_H

#include "tools/ca/ca_nonce.h"
#include "tools/ca/ca_voucher.h"
#include "tools/common/enrolment.h"

/* Checks the attestation key to the last attribute, the endorsement key, and that somebody vouches
 * for it; remembers nonce and secret in the CA's directory. ret_vouched: who does, in words; NULL
 * for a software-rooted host, which gets a nonce alone. Caller frees. */
HfChallenge *hf_ca_challenge(HfCaDir *ca, const HfCaVoucher *voucher,
                             const HfIntroduction *introduction, char **ret_vouched,
                             GError **error);

#endif
