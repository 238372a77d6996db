/*
 * verdict.c - the checks of `verify`, as a table.
 *
 * Order matters for what an operator reads, not for safety: all must pass. From the outside in:
 * whose TPM (chain), is the AK inside that TPM (activation), is it an AK, did it sign this, is this
 * what was asked for. The quote is read with our own parser because others leave out checks (magic,
 * selection).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/verdict.h"

#include "base/error.h"
#include "base/file.h"
#include "pki/spki.h"
#include "tools/attest/attest_input.h"
#include "tools/attest/crl_seen.h"
#include "tpm2/constants.h"

#define SIGNATURE_MAX 2048u
#define VALUES_MAX 65536u

static bool check_chain(HfVerdict *v, GError **error)
{
    HfChainRules rules = {
        .kind = HF_LEAF_EK,
        .at = v->now,
        .hardware_only = v->hardware_only,
        .nested = v->nested,
        .crls = v->crls,
    };

    return hf_chain_verify(v->chain, v->roots, &rules, &v->proof, error) &&
           (!v->crl_seen || hf_crl_seen_save(v->crl_seen, v->crls, error));
}

static bool check_ek(HfVerdict *v, GError **error)
{
    return hf_attest_input_ek(v->proof.leaf, v->ek_path, &v->ek, error) &&
           hf_public_check_ek(&v->ek, error);
}

static bool check_activation(HfVerdict *v, GError **error)
{
    uint8_t value[HF_CHALLENGE_SIZE];
    bool equal;

    v->ak_name = hf_public_name(&v->ak);
    if (v->activated->size != HF_CHALLENGE_SIZE) {
        return hf_error_set(error, HF_ERROR_AUTH, "expected %u bytes from the TPM, found %zu",
                            HF_CHALLENGE_SIZE, v->activated->size);
    }
    hf_attest_challenge_value(v->secret, v->proof.leaf, &v->ak_name, value);
    equal = hf_secret_equal(value, v->activated->data, sizeof value);
    explicit_bzero(value, sizeof value);
    if (!equal) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "the TPM's answer is not the one to this challenge for this EK and "
                            "attestation key");
    }
    return true;
}

static bool check_ak(HfVerdict *v, GError **error)
{
    return hf_public_check_ak(&v->ak, error);
}

static bool check_quote(HfVerdict *v, GError **error)
{
    return hf_attest_parse(g_bytes_get_data(v->quote, NULL), g_bytes_get_size(v->quote), &v->attest,
                           error) &&
           hf_attest_check_type(&v->attest, TPM2_ST_ATTEST_QUOTE, error);
}

static bool check_signature(HfVerdict *v, GError **error)
{
    return hf_tpm_signature_parse(g_bytes_get_data(v->signature, NULL),
                                  g_bytes_get_size(v->signature), &v->tpm_signature, error) &&
           hf_tpm_signature_verify(&v->tpm_signature, &v->ak, g_bytes_get_data(v->quote, NULL),
                                   g_bytes_get_size(v->quote), error);
}

static bool check_nonce(HfVerdict *v, GError **error)
{
    return hf_attest_check_nonce(&v->attest, g_bytes_get_data(v->nonce, NULL),
                                 g_bytes_get_size(v->nonce), error);
}

static bool check_selection(HfVerdict *v, GError **error)
{
    return hf_attest_check_selection(&v->attest, &v->selection, error);
}

static bool check_values(HfVerdict *v, GError **error)
{
    return !v->values || hf_attest_check_pcrs(&v->attest, v->tpm_signature.hash, v->values, error);
}

typedef struct {
    const char *name;
    bool (*run)(HfVerdict *v, GError **error);
} Check;

static const Check checks[] = {
    { "EK certificate chain", check_chain },
    { "endorsement key", check_ek },
    { "credential activation", check_activation },
    { "attestation key", check_ak },
    { "quote", check_quote },
    { "signature", check_signature },
    { "nonce", check_nonce },
    { "PCR selection", check_selection },
    { "PCR values", check_values },
};

const char *hf_verdict_check_name(const HfVerdict *verdict, unsigned i)
{
    g_assert(i < G_N_ELEMENTS(checks));
    return checks[i].run == check_values && !verdict->values ? NULL : checks[i].name;
}

bool hf_verdict_reach(HfVerdict *verdict, GError **error)
{
    for (verdict->passed = 0; verdict->passed < G_N_ELEMENTS(checks); verdict->passed++) {
        const Check *check = &checks[verdict->passed];

        if (!check->run(verdict, error)) {
            verdict->failed = check->name;
            g_prefix_error(error, "check \"%s\" failed: ", check->name);
            return false;
        }
    }
    return true;
}

/* All certificates of several files, after those that are there. */
static bool load_bundles(const char *const *paths, GPtrArray *certificates, GError **error)
{
    for (size_t i = 0; paths[i]; i++) {
        g_autoptr(GPtrArray) bundle = hf_certificate_load_bundle(paths[i], error);

        if (!bundle) {
            return false;
        }
        for (guint j = 0; j < bundle->len; j++) {
            g_ptr_array_add(certificates, hf_certificate_ref(g_ptr_array_index(bundle, j)));
        }
    }
    return true;
}

static bool load_certificates(HfVerdict *v, const HfOptions *options, GError **error)
{
    HfCertificate *leaf = hf_certificate_load(hf_options_string(options, "ek-certificate"), error);

    v->chain = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    v->roots = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    if (!leaf) {
        return false;
    }
    g_ptr_array_add(v->chain, leaf);
    return load_bundles(hf_options_list(options, "chain"), v->chain, error) &&
           load_bundles(hf_options_list(options, "root"), v->roots, error);
}

static bool load_crls(HfVerdict *v, const HfOptions *options, GError **error)
{
    const char *const *paths = hf_options_list(options, "crl");

    v->crl_seen = hf_options_string(options, "crl-seen");
    if (!*paths) {
        return !v->crl_seen || hf_error_set(error, HF_ERROR_USAGE, "--crl-seen: only with --crl");
    }
    v->crls = hf_crl_set_new();
    for (; *paths; paths++) {
        if (!hf_crl_set_load(v->crls, *paths, error)) {
            return false;
        }
    }
    return !v->crl_seen || hf_crl_seen_load(v->crl_seen, v->crls, error);
}

static bool load_values(HfVerdict *v, const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;

    if (!path) {
        return true;
    }
    bytes = hf_file_read(path, VALUES_MAX, error);
    if (!bytes) {
        return false;
    }
    v->values = hf_pcr_values_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                    &v->selection, error);
    if (!v->values) {
        g_prefix_error(error, "%s: ", path);
    }
    return v->values != NULL;
}

/* The two arguments that are not files. */
static bool parse_words(HfVerdict *v, const HfOptions *options, GError **error)
{
    return hf_attest_input_nonce(options, &v->nonce, error) &&
           hf_pcr_selection_parse(hf_options_string(options, "selection"), &v->selection, error);
}

static bool load_secrets(HfVerdict *v, const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "secret");

    v->secret = hf_file_read_secret(path, HF_CHALLENGE_SIZE, error);
    if (!v->secret) {
        return false;
    }
    if (v->secret->size != HF_CHALLENGE_SIZE) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: expected %u bytes, found %zu", path,
                            HF_CHALLENGE_SIZE, v->secret->size);
    }
    v->activated = hf_file_read_secret(hf_options_string(options, "activated"), HF_HASH_MAX, error);
    return v->activated != NULL;
}

HfVerdict *hf_verdict_new(const HfOptions *options, GError **error)
{
    g_autoptr(HfVerdict) v = g_new0(HfVerdict, 1);

    v->now = g_get_real_time() / G_USEC_PER_SEC;
    v->hardware_only = hf_options_flag(options, "hardware-only");
    v->nested = (unsigned)hf_options_int(options, "nested");
    v->ek_path = hf_options_string(options, "ek-public");
    if (!parse_words(v, options, error) || !load_certificates(v, options, error) ||
        !load_crls(v, options, error) ||
        !hf_attest_input_public(hf_options_string(options, "ak-public"), &v->ak, error) ||
        !load_secrets(v, options, error)) {
        return NULL;
    }
    v->quote = hf_file_read(hf_options_string(options, "quote"), HF_ATTEST_MAX, error);
    v->signature = v->quote
                       ? hf_file_read(hf_options_string(options, "signature"), SIGNATURE_MAX, error)
                       : NULL;
    if (!v->signature || !load_values(v, hf_options_string(options, "pcrs"), error)) {
        return NULL;
    }
    return g_steal_pointer(&v);
}

void hf_verdict_free(HfVerdict *verdict)
{
    if (verdict) {
        g_clear_pointer(&verdict->chain, g_ptr_array_unref);
        g_clear_pointer(&verdict->roots, g_ptr_array_unref);
        hf_crl_set_free(verdict->crls);
        g_clear_pointer(&verdict->quote, g_bytes_unref);
        g_clear_pointer(&verdict->signature, g_bytes_unref);
        g_clear_pointer(&verdict->nonce, g_bytes_unref);
        hf_pcr_values_free(verdict->values);
        hf_secret_free(verdict->secret);
        hf_secret_free(verdict->activated);
        g_free(verdict);
    }
}
