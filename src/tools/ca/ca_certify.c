/*
 * ca_certify.c - `holdfast-ca certify`: the privacy CA's rules from the options, and one request.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "tools/ca/ca_attestation.h"
#include "tools/ca/ca_commands.h"
#include "tools/common/parcel.h"

static bool pins_something(const HfOptions *options)
{
    static const char *const pins[] = { "vma-root", "ek-roots", "ek-digest", "ek-list" };

    for (unsigned i = 0; i < G_N_ELEMENTS(pins); i++) {
        if (*hf_options_list(options, pins[i])) {
            return true;
        }
    }
    return false;
}

HfCaAkRules *hf_ca_ak_rules_new(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaAkRules) rules = g_new0(HfCaAkRules, 1);

    if (!pins_something(options)) {
        hf_error_set(error, HF_ERROR_USAGE,
                     "whose TPMs are to be believed? --vma-root for virtual ones; --ek-roots, "
                     "--ek-digest or --ek-list for others");
        return NULL;
    }
    rules->hardware_only = hf_options_flag(options, "hardware-only");
    rules->hours = (unsigned)hf_options_int(options, "hours");
    rules->crl_url = g_strdup(hf_options_string(options, "crl-url"));
    if (!hf_ca_voucher_load_crls(options, &rules->crls, error)) {
        return NULL;
    }
    rules->nested = (unsigned)hf_options_int(options, "nested");
    rules->voucher = hf_ca_voucher_new(options, error);
    rules->vma_roots = rules->voucher ? hf_ca_voucher_load(options, "vma-root", error) : NULL;
    rules->vmas = rules->vma_roots ? hf_ca_voucher_load(options, "vma", error) : NULL;
    return rules->vmas ? g_steal_pointer(&rules) : NULL;
}

void hf_ca_ak_rules_free(HfCaAkRules *rules)
{
    if (rules) {
        g_clear_pointer(&rules->vma_roots, g_ptr_array_unref);
        g_clear_pointer(&rules->vmas, g_ptr_array_unref);
        hf_ca_voucher_free(rules->voucher);
        hf_crl_set_free(rules->crls);
        g_free(rules->crl_url);
        g_free(rules);
    }
}

bool hf_ca_command_certify(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "request");
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autoptr(HfCaAkRules) rules = ca ? hf_ca_ak_rules_new(options, error) : NULL;
    g_autoptr(GBytes) file = rules ? hf_file_read(path, HF_PARCEL_FILE_MAX, error) : NULL;
    g_autoptr(HfCaAttested) attested = file ? hf_ca_attest(ca, rules, file, path, error) : NULL;
    g_autofree char *subject = NULL;

    if (!attested || !hf_file_replace(out, g_bytes_get_data(attested->answer, NULL),
                                      g_bytes_get_size(attested->answer), 0644, error)) {
        return false;
    }
    subject = hf_certificate_subject_text(attested->certificate);
    printf("%s: certificate of %s for a %s, encrypted to it\n", out, subject, attested->tpm);
    return true;
}
