/*
 * ca_voucher.h - who vouches for a host's endorsement key: a pinned vendor, or the operator's list.
 *
 * --ek-roots: certificates of TPM vendors (pki/vendor.h); --ek-digest and --ek-list: SHA-256 of the
 * DER SubjectPublicKeyInfo of single keys, as `holdfast-authority status --json` prints it
 * ("host-ek"). In a list each line begins with one in hex; what follows after a blank is for people,
 * and '#' begins a comment.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_VOUCHER_H
#define HOLDFAST_TOOLS_CA_CA_VOUCHER_H

#include "base/error.h"
#include "base/options.h"

typedef struct HfCaVoucher HfCaVoucher;

HfCaVoucher *hf_ca_voucher_new(const HfOptions *options, GError **error);
void hf_ca_voucher_free(HfCaVoucher *voucher);
/* spki: of the endorsement key; certificate and above (pki/vendor.h) may be NULL. Returns in words
 * who vouches ("vendor CN=...", "listed"); caller frees. HF_ERROR_POLICY when nobody does. */
char *hf_ca_voucher_ask(const HfCaVoucher *voucher, GBytes *spki, GBytes *certificate,
                        GBytes *above, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaVoucher, hf_ca_voucher_free)

#endif
