/*
 * ca_voucher.h - who vouches for a host's endorsement key: a pinned vendor, a pinned fleet for the
 * virtual TPM of a host that is itself a guest, or the operator's list.
 *
 * --ek-roots: certificates of TPM vendors (pki/vendor.h); --ek-digest and --ek-list: SHA-256 of the
 * DER SubjectPublicKeyInfo of single keys, as `holdfast-authority status --json` prints it
 * ("host-ek"). In a list each line begins with one in hex; what follows after a blank is for people,
 * and '#' begins a comment. --vma-root: roots of fleets whose virtual TPMs may be host TPMs, --vma: vMA
 * certificates for those that have an old one, --crl: lists that are then required. A TPM whose certificate says that it is virtual is never
 * taken for hardware, listed or not.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_VOUCHER_H
#define HOLDFAST_TOOLS_CA_CA_VOUCHER_H

#include "base/error.h"
#include "base/options.h"
#include "pki/crl_set.h"
#include "tools/ca/ca_dir.h"

typedef struct HfCaVoucher HfCaVoucher;

HfCaVoucher *hf_ca_voucher_new(const HfOptions *options, GError **error);
void hf_ca_voucher_free(HfCaVoucher *voucher);
/* Who vouches, and for what. */
typedef struct {
    char *words;     /* "vendor CN=...", "listed", "fleet CN=... (...)"; caller frees */
    unsigned nested; /* virtual TPMs that stand on each other, this one too; 0: it is not virtual */
    bool on_software; /* the last of them is software-rooted */
    /* Of a virtual one, PEM, else NULL; caller frees: the verified chain, leaf first, and the roots
     * that it led to. */
    char *chain;
    char *roots;
} HfCaVouched;

/* spki: of the endorsement key; certificate and above (pki/vendor.h) may be NULL. ca: whose record of
 * revoked certificates counts. HF_ERROR_POLICY when nobody vouches; those of pki/chain.h for a
 * virtual TPM. */
bool hf_ca_voucher_ask(const HfCaVoucher *voucher, const HfCaDir *ca, GBytes *spki,
                       GBytes *certificate, GBytes *above, HfCaVouched *ret_vouched,
                       GError **error);
/* Does what was verified then (`chain` and `roots` as above) still verify now, with these lists (or
 * NULL) and this CA's record of revoked certificates? Errors as of hf_ca_voucher_ask. */
bool hf_ca_voucher_again(const HfCaDir *ca, HfCrlSet *crls, const char *chain, const char *roots,
                         GError **error);
/* The lists of --crl; NULL without the option. */
bool hf_ca_voucher_load_crls(const HfOptions *options, HfCrlSet **ret_crls, GError **error);
/* The certificates of all files of this option, which may be given several times. */
GPtrArray *hf_ca_voucher_load(const HfOptions *options, const char *option, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaVoucher, hf_ca_voucher_free)

#endif
