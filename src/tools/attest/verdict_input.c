/*
 * verdict_input.c - what `verify` is given: an evidence file, or the parts one by one.
 *
 * Reads and takes apart; believes nothing. Whatever a guest sent is refused here only when it cannot
 * be read at all.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "base/error.h"
#include "base/file.h"
#include "tools/attest/attest_input.h"
#include "tools/attest/crl_seen.h"
#include "tools/attest/quote_file.h"
#include "tools/attest/verdict.h"
#include "tools/common/evidence.h"
#include "tools/common/parcel.h"

#define SIGNATURE_MAX 2048u
#define VALUES_MAX 65536u

/* How the attestation key is to be believed, and where all comes from. */
enum { EVIDENCE = 1 << 0, CERTIFICATE = 1 << 1, CHALLENGE = 1 << 2, MANUFACTURER = 1 << 3 };

static unsigned mode_of(const HfOptions *options)
{
    bool by_manufacturer = hf_options_has(options, "root") && !hf_options_has(options, "ca-root");

    if (*hf_options_operands(options)) {
        return EVIDENCE;
    }
    if (!hf_options_string(options, "ak-certificate")) {
        return CHALLENGE;
    }
    return by_manufacturer ? MANUFACTURER : CERTIFICATE;
}

static bool check_options(const HfOptions *options, unsigned mode, GError **error)
{
    static const struct {
        const char *name;
        unsigned known, needed;
    } rows[] = {
        { "quote", CERTIFICATE | CHALLENGE | MANUFACTURER, CERTIFICATE | CHALLENGE | MANUFACTURER },
        { "signature", CERTIFICATE | CHALLENGE | MANUFACTURER,
          CERTIFICATE | CHALLENGE | MANUFACTURER },
        { "ak-public", CERTIFICATE | CHALLENGE | MANUFACTURER,
          CERTIFICATE | CHALLENGE | MANUFACTURER },
        { "pcrs", CERTIFICATE | CHALLENGE | MANUFACTURER, 0 },
        { "event-log", CERTIFICATE | CHALLENGE | MANUFACTURER, 0 },
        { "ek-certificate", CERTIFICATE | CHALLENGE, CHALLENGE },
        { "ek-public", CERTIFICATE | CHALLENGE, 0 },
        { "secret", CHALLENGE, CHALLENGE },
        { "activated", CHALLENGE, CHALLENGE },
        { "chain", EVIDENCE | CERTIFICATE | CHALLENGE | MANUFACTURER, CHALLENGE },
        { "root", EVIDENCE | CERTIFICATE | CHALLENGE | MANUFACTURER, CHALLENGE | MANUFACTURER },
        { "ak-certificate", CERTIFICATE | MANUFACTURER, CERTIFICATE | MANUFACTURER },
        { "ca-root", EVIDENCE | CERTIFICATE, EVIDENCE | CERTIFICATE },
        { "ek-roots", EVIDENCE | CERTIFICATE, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool given = hf_options_has(options, rows[i].name);

        if (given && !(rows[i].known & mode)) {
            return hf_error_set(error, HF_ERROR_USAGE, "option --%s does not go with %s",
                                rows[i].name,
                                mode == EVIDENCE      ? "an evidence file"
                                : mode == CERTIFICATE ? "--ak-certificate"
                                : mode == MANUFACTURER
                                    ? "--ak-certificate of an initial attestation key (--ca-root "
                                      "is missing)"
                                    : "a challenge (--ak-certificate is missing)");
        }
        if (!given && (rows[i].needed & mode)) {
            return hf_error_set(error, HF_ERROR_USAGE, "option --%s is missing", rows[i].name);
        }
    }
    return true;
}

/* All certificates of several files. */
static GPtrArray *load_bundles(const char *const *paths, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);

    for (size_t i = 0; paths[i]; i++) {
        g_autoptr(GPtrArray) bundle = hf_certificate_load_bundle(paths[i], error);

        if (!bundle) {
            return NULL;
        }
        for (guint j = 0; j < bundle->len; j++) {
            g_ptr_array_add(all, hf_certificate_ref(g_ptr_array_index(bundle, j)));
        }
    }
    return g_steal_pointer(&all);
}

/* The verifier's own: whom he trusts. */
static bool load_roots(HfVerdict *v, const HfOptions *options, GError **error)
{
    const char *ca_root = hf_options_string(options, "ca-root");

    v->given_chain = load_bundles(hf_options_list(options, "chain"), error);
    v->roots = v->given_chain ? load_bundles(hf_options_list(options, "root"), error) : NULL;
    v->vendors = hf_vendor_roots_new();
    if (!v->roots) {
        return false;
    }
    for (const char *const *path = hf_options_list(options, "ek-roots"); *path; path++) {
        if (!hf_vendor_roots_add(v->vendors, *path, error)) {
            return false;
        }
    }
    v->ca_roots = ca_root ? hf_certificate_load_bundle(ca_root, error) : NULL;
    return !ca_root || v->ca_roots;
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

/* What was asked for, and how the machine should be. */
static bool load_expected(HfVerdict *v, const HfOptions *options, GError **error)
{
    const char *reference = hf_options_string(options, "reference");

    v->reference_out = hf_options_string(options, "write-reference");
    if (!hf_attest_input_nonce(options, &v->nonce, error) ||
        !hf_pcr_selection_parse(hf_options_string(options, "selection"), &v->selection, error)) {
        return false;
    }
    v->reference = reference ? hf_reference_load(reference, error) : NULL;
    return !reference ||
           (v->reference && hf_reference_check_selection(v->reference, &v->selection, error));
}

static GBytes *take(HfQuoteFile *file, HfQuotePart part)
{
    return g_steal_pointer(&file->parts[part]);
}

/* DER certificates, the AK's and those above it, one after the other. */
static GPtrArray *ak_chain_of(const HfQuoteFile *file, const char *label, GError **error)
{
    g_autofree char *what = g_strdup_printf("%s: AK certificate", label);
    GByteArray *w = g_byte_array_new();
    g_autoptr(GBytes) all = NULL;

    hf_put_gbytes(w, file->parts[HF_QUOTE_AK_CERTIFICATE]);
    if (file->parts[HF_QUOTE_AK_ABOVE]) {
        hf_put_gbytes(w, file->parts[HF_QUOTE_AK_ABOVE]);
    }
    all = g_byte_array_free_to_bytes(w);
    return hf_certificate_parse_bundle(all, what, error);
}

bool hf_verdict_take_evidence(HfVerdict *v, GBytes *bytes, const char *path, GError **error)
{
    g_autoptr(HfQuoteFile) file = hf_quote_file_read(bytes, path, error);
    GBytes *ak = file ? file->parts[HF_QUOTE_AK] : NULL;

    if (!ak) {
        return false;
    }
    if (!hf_public_parse(g_bytes_get_data(ak, NULL), g_bytes_get_size(ak), &v->ak, error)) {
        g_prefix_error(error, "%s: AK: ", path);
        return false;
    }
    v->ak_chain = ak_chain_of(file, path, error);
    v->quote = take(file, HF_QUOTE_ATTEST);
    v->signature = take(file, HF_QUOTE_SIGNATURE);
    v->values_text = take(file, HF_QUOTE_PCRS);
    v->ek_area = take(file, HF_QUOTE_EK);
    v->ek_certificate = take(file, HF_QUOTE_EK_CERTIFICATE);
    v->ek_above = take(file, HF_QUOTE_EK_ABOVE);
    v->event_log = take(file, HF_QUOTE_EVENT_LOG);
    v->certified = true;
    v->signer_needed = true;
    return v->ak_chain != NULL;
}

static bool load_evidence(HfVerdict *v, const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = hf_file_read_input(path, HF_PARCEL_FILE_MAX, error);

    return bytes && hf_verdict_take_evidence(v, bytes, path, error);
}

static bool load_values(HfVerdict *v, const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "pcrs");
    const char *log = hf_options_string(options, "event-log");
    g_autoptr(GBytes) bytes = NULL;

    if (!path) {
        return !(log || v->reference || v->reference_out) ||
               hf_error_set(error, HF_ERROR_USAGE,
                            "--event-log, --reference, --write-reference: only with --pcrs");
    }
    bytes = hf_file_read_input(path, VALUES_MAX, error);
    if (!bytes) {
        return false;
    }
    v->values = hf_pcr_values_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                    &v->selection, error);
    if (!v->values) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    v->event_log = log ? hf_file_read_input(log, HF_EVIDENCE_LOG_MAX, error) : NULL;
    return !log || v->event_log;
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
    v->activated = hf_file_read_secret(hf_options_string(options, "activated"), 128, error);
    return v->activated != NULL;
}

static bool load_parts(HfVerdict *v, const HfOptions *options, GError **error)
{
    const char *ek = hf_options_string(options, "ek-certificate");
    const char *ak = hf_options_string(options, "ak-certificate");
    g_autoptr(HfCertificate) certificate = ek ? hf_certificate_load(ek, error) : NULL;

    if ((ek && !certificate) ||
        !hf_attest_input_public(hf_options_string(options, "ak-public"), &v->ak, error)) {
        return false;
    }
    v->ek_certificate = certificate ? g_bytes_ref(certificate->der) : NULL;
    v->ek_path = hf_options_string(options, "ek-public");
    if (v->certified && !(v->ak_chain = hf_certificate_load_bundle(ak, error))) {
        return false;
    }
    if (!v->certified && !load_secrets(v, options, error)) {
        return false;
    }
    v->quote = hf_file_read(hf_options_string(options, "quote"), HF_ATTEST_MAX, error);
    v->signature = v->quote
                       ? hf_file_read(hf_options_string(options, "signature"), SIGNATURE_MAX, error)
                       : NULL;
    return v->signature && load_values(v, options, error);
}

HfVerdict *hf_verdict_new(const HfOptions *options, GError **error)
{
    g_autoptr(HfVerdict) v = g_new0(HfVerdict, 1);
    unsigned mode = mode_of(options);

    v->now = g_get_real_time() / G_USEC_PER_SEC;
    v->hardware_only = hf_options_flag(options, "hardware-only");
    v->nested = (unsigned)hf_options_int(options, "nested");
    v->certified = mode != CHALLENGE;
    v->manufactured = mode == MANUFACTURER;
    if (!check_options(options, mode, error) || !load_expected(v, options, error) ||
        !load_roots(v, options, error) || !load_crls(v, options, error)) {
        return NULL;
    }
    return (mode == EVIDENCE ? load_evidence(v, *hf_options_operands(options), error)
                             : load_parts(v, options, error))
               ? g_steal_pointer(&v)
               : NULL;
}

static void free_given(HfVerdict *v)
{
    g_clear_pointer(&v->ak_chain, g_ptr_array_unref);
    g_clear_pointer(&v->ca_roots, g_ptr_array_unref);
    g_clear_pointer(&v->given_chain, g_ptr_array_unref);
    g_clear_pointer(&v->roots, g_ptr_array_unref);
    hf_vendor_roots_free(v->vendors);
    hf_crl_set_free(v->crls);
    g_clear_pointer(&v->ek_certificate, g_bytes_unref);
    g_clear_pointer(&v->ek_above, g_bytes_unref);
    g_clear_pointer(&v->ek_area, g_bytes_unref);
    g_clear_pointer(&v->quote, g_bytes_unref);
    g_clear_pointer(&v->signature, g_bytes_unref);
    g_clear_pointer(&v->nonce, g_bytes_unref);
    hf_pcr_values_free(v->values);
    g_clear_pointer(&v->values_text, g_bytes_unref);
    g_clear_pointer(&v->event_log, g_bytes_unref);
    hf_reference_free(v->reference);
    hf_secret_free(v->secret);
    hf_secret_free(v->activated);
}

void hf_verdict_free(HfVerdict *verdict)
{
    if (verdict) {
        free_given(verdict);
        hf_reference_facts_clear(&verdict->facts);
        g_clear_pointer(&verdict->chain, g_ptr_array_unref);
        g_clear_pointer(&verdict->ek_spki, g_bytes_unref);
        g_clear_pointer(&verdict->differences, g_ptr_array_unref);
        g_free(verdict->vendor_root);
        g_free(verdict);
    }
}
