/*
 * ca_service_rules.c - the rules of a CA that serves, from its options.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_service_rules.h"

#include <string.h>

#include "base/error.h"

/* An option that would count for nothing is refused: who gives it believes that it does. */
static bool check_unused(const HfOptions *options, const char *const *names, GError **error)
{
    for (; *names; names++) {
        if (hf_options_has(options, *names)) {
            return hf_error_set(error, HF_ERROR_USAGE, "--%s: not with --answer %s", *names,
                                hf_options_string(options, "answer"));
        }
    }
    return true;
}

static HfCaRules *rules_for_hosts(const HfOptions *options, const HfCaDir *ca, GError **error)
{
    g_autoptr(HfCaRules) rules = hf_ca_rules_new();

    rules->only_delegable = true;
    return hf_ca_rules_read_voucher(rules, options, error) &&
                   hf_ca_rules_read_delegation(rules, options, ca, error)
               ? g_steal_pointer(&rules)
               : NULL;
}

HfCaServiceRules *hf_ca_service_rules_new(const HfOptions *options, const HfCaDir *ca,
                                          GError **error)
{
    static const char *const of_hosts[] = {
        "organization",   "approver-public",   "approved-pcrs",
        "environments",   "environment",       "pcrs",
        "days",           "name-constraints",  "identity-keys",
        "allow-software", "allow-unproved-ek", NULL,
    };
    /* --vma-root, --vma and --crl are also for hosts that are guests themselves. */
    static const char *const of_guests[] = { "hours", "hardware-only", NULL };
    const char *whom = hf_options_string(options, "answer");
    g_autoptr(HfCaServiceRules) rules = g_new0(HfCaServiceRules, 1);
    bool hosts = strcmp(whom, "guests") != 0;
    bool guests = strcmp(whom, "hosts") != 0;

    if ((!hosts && !check_unused(options, of_hosts, error)) ||
        (!guests && !check_unused(options, of_guests, error))) {
        return NULL;
    }
    if (hosts && !(rules->hosts = rules_for_hosts(options, ca, error))) {
        return NULL;
    }
    if (guests && !(rules->guests = hf_ca_ak_rules_new(options, error))) {
        return NULL;
    }
    return g_steal_pointer(&rules);
}

void hf_ca_service_rules_free(HfCaServiceRules *rules)
{
    if (rules) {
        hf_ca_rules_free(rules->hosts);
        hf_ca_ak_rules_free(rules->guests);
        g_free(rules);
    }
}
