/*
 * ca_rules.h - by which rules the fleet's CA challenges and delegates: everything that the operator
 * has decided, read once.
 *
 * Made from a command's options, then only read: the core (ca_core.h) gets
 * rules and bytes, and knows neither options nor files. `holdfast-ca serve` has one of these and
 * replaces it as a whole when it reads its environments again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_RULES_H
#define HOLDFAST_TOOLS_CA_CA_RULES_H

#include "tools/ca/ca_dir.h"
#include "tools/ca/ca_environment.h"
#include "tools/ca/ca_voucher.h"
#include "tpm2/public.h"

typedef struct {
    /* To challenge. */
    HfCaVoucher *voucher;
    bool only_delegable; /* a nonce only for whom could be delegated to by these rules */
    /* To delegate: what a host must show. */
    bool has_approver; /* without: only software-rooted requests can pass */
    HfPublic approver;
    GPtrArray *environments; /* HfCaEnvironment: the first that fits is the host's */
    bool allow_software;
    bool allow_unproved_ek;
    HfCrlSet *crls; /* of the fleets that nested hosts stand on; NULL: none given */
    /* What its certificate says. */
    char *organization; /* or NULL */
    char *crl_url;      /* or NULL */
    bool name_constraints;
    bool identity_keys; /* IAK and IDevID certificates, too */
    unsigned days;
} HfCaRules;

/* The options --ek-roots, --ek-digest, --ek-list, --vma-root and --vma. */
bool hf_ca_rules_read_voucher(HfCaRules *rules, const HfOptions *options, GError **error);
/* The other ones, and --crl. `environments` of the CA's directory is read when the options name no other. */
bool hf_ca_rules_read_delegation(HfCaRules *rules, const HfOptions *options, const HfCaDir *ca,
                                 GError **error);
HfCaRules *hf_ca_rules_new(void);
void hf_ca_rules_free(HfCaRules *rules);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaRules, hf_ca_rules_free)

#endif
