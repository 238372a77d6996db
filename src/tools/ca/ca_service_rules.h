/*
 * ca_service_rules.h - whom a CA that serves answers, hosts, guests or both, and by which rules.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_SERVICE_RULES_H
#define HOLDFAST_TOOLS_CA_CA_SERVICE_RULES_H

#include "tools/ca/ca_attestation.h"
#include "tools/ca/ca_rules.h"

/* The words of --answer. */
#define HF_CA_ANSWER_CHOICES "hosts|guests|all"

typedef struct {
    HfCaRules *hosts;    /* introductions and delegations; NULL: not answered */
    HfCaAkRules *guests; /* certificates of attestation keys; NULL: not answered */
} HfCaServiceRules;

/* From the options and the files that they name, and `environments` in the CA's directory.
 * HF_ERROR_USAGE also when an option is for those whom --answer leaves out. */
HfCaServiceRules *hf_ca_service_rules_new(const HfOptions *options, const HfCaDir *ca,
                                          GError **error);
void hf_ca_service_rules_free(HfCaServiceRules *rules);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaServiceRules, hf_ca_service_rules_free)

#endif
