/*
 * ca_rules.c - the operator's decisions, from options and the files they name.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_rules.h"

#include "base/file.h"
#include "pki/pem.h"
#include "tpm2/approval.h"
#include "tpm2/hostkey.h"

/* What stands for the name of an environment that has none. */
#define UNNAMED "unnamed"

HfCaRules *hf_ca_rules_new(void)
{
    HfCaRules *rules = g_new0(HfCaRules, 1);

    rules->environments = g_ptr_array_new_with_free_func((GDestroyNotify)hf_ca_environment_free);
    return rules;
}

void hf_ca_rules_free(HfCaRules *rules)
{
    if (!rules) {
        return;
    }
    hf_ca_voucher_free(rules->voucher);
    hf_crl_set_free(rules->crls);
    g_ptr_array_unref(rules->environments);
    g_free(rules->organization);
    g_free(rules->crl_url);
    g_free(rules);
}

bool hf_ca_rules_read_voucher(HfCaRules *rules, const HfOptions *options, GError **error)
{
    rules->voucher = hf_ca_voucher_new(options, error);
    return rules->voucher != NULL;
}

static bool load_approver(const char *path, HfPublic *ret_approver, GError **error)
{
    g_autoptr(GBytes) pem = hf_file_read(path, 65536, error);
    g_autoptr(GPtrArray) blocks = pem ? hf_pem_read(pem, "PUBLIC KEY", 1, path, error) : NULL;
    g_autoptr(HfPublicKey) key = NULL;
    GBytes *der;

    if (!blocks) {
        return false;
    }
    der = g_ptr_array_index(blocks, 0);
    key = hf_public_key_from_spki(g_bytes_get_data(der, NULL), g_bytes_get_size(der), error);
    if (!key || !hf_approver_public(key, ret_approver, error)) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    return true;
}

/* Files of values without a name. */
static bool load_values(const HfOptions *options, GPtrArray *environments, GError **error)
{
    const char *const *files = hf_options_list(options, "approved-pcrs");
    HfPcrSelection selection;

    if (!hf_pcr_selection_parse(hf_options_string(options, "pcrs"), &selection, error)) {
        return false;
    }
    for (; *files; files++) {
        g_autoptr(HfCaEnvironment) environment = hf_ca_environment_new(UNNAMED);
        g_autoptr(GBytes) file = hf_file_read(*files, 65536, error);

        if (!file) {
            return false;
        }
        environment->selection = selection;
        environment->values = hf_pcr_values_parse(g_bytes_get_data(file, NULL),
                                                  g_bytes_get_size(file), &selection, error);
        if (!environment->values) {
            g_prefix_error(error, "%s: ", *files);
            return false;
        }
        g_ptr_array_add(environments, g_steal_pointer(&environment));
    }
    return true;
}

/* The named ones of --environments, or of the CA's own file; NULL when there is no file. */
static bool load_named(const HfOptions *options, const HfCaDir *ca, GPtrArray **ret_named,
                       GError **error)
{
    const char *path = hf_options_string(options, "environments");
    g_autofree char *own = g_build_filename(ca->path, HF_CA_ENVIRONMENTS_FILE, NULL);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) file = hf_file_read(path ? path : own, HF_CA_ENVIRONMENTS_SIZE_MAX, &local);

    *ret_named = NULL;
    if (!file && !path && hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        return true;
    }
    if (!file) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    *ret_named = hf_ca_environments_parse(file, path ? path : own, error);
    return *ret_named != NULL;
}

/* With --approved-pcrs alone, only those count. */
static bool load_environments(const HfOptions *options, const HfCaDir *ca, GPtrArray *environments,
                              GError **error)
{
    const char *const *names = hf_options_list(options, "environment");
    g_autoptr(GPtrArray) named = NULL;

    if (!load_values(options, environments, error) || !load_named(options, ca, &named, error)) {
        return false;
    }
    for (; *names; names++) {
        HfCaEnvironment *environment = named ? hf_ca_environment_find(named, *names) : NULL;
        unsigned at = 0;

        if (!environment) {
            return hf_error_set(error, HF_ERROR_NOT_FOUND,
                                "--environment: no environment \"%s\" is approved", *names);
        }
        (void)g_ptr_array_find(named, environment, &at);
        g_ptr_array_add(environments, g_ptr_array_steal_index(named, at));
    }
    if (named && environments->len == 0) {
        g_ptr_array_extend_and_steal(environments, g_steal_pointer(&named));
    }
    return true;
}

bool hf_ca_rules_read_delegation(HfCaRules *rules, const HfOptions *options, const HfCaDir *ca,
                                 GError **error)
{
    const char *approver = hf_options_string(options, "approver-public");

    rules->allow_unproved_ek = hf_options_flag(options, "allow-unproved-ek");
    rules->allow_software = hf_options_flag(options, "allow-software");
    rules->organization = g_strdup(hf_options_string(options, "organization"));
    rules->crl_url = g_strdup(hf_options_string(options, "crl-url"));
    rules->name_constraints = hf_options_flag(options, "name-constraints");
    rules->identity_keys = hf_options_flag(options, "identity-keys");
    rules->days = (unsigned)hf_options_int(options, "days");
    rules->has_approver = approver != NULL;
    return hf_ca_voucher_load_crls(options, &rules->crls, error) &&
           load_environments(options, ca, rules->environments, error) &&
           (!approver || load_approver(approver, &rules->approver, error));
}
