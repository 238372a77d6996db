/*
 * guest_quote.c - `holdfast-attest quote`: what a verifier needs to judge this machine, in a file.
 *
 * The values are read beside the quote and held against its digest, so what leaves here is of one
 * moment: the verifier sees no difference between values that changed under us and forged ones.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "hwtpm/hwquote.h"
#include "pki/certificate.h"
#include "tools/attest/attest_input.h"
#include "tools/attest/guest.h"
#include "tools/attest/quote_file.h"
#include "tools/common/firmware_log.h"
#include "tools/common/pcr_lines.h"
#include "tpm2/attest.h"

#define TRIES_MAX 8

typedef struct {
    HfPcrSelection selection;
    GBytes *nonce;
    GBytes *attest;
    GBytes *signature;
    HfPcrValues *values;
} Quote;

static void quote_clear(Quote *quote)
{
    g_clear_pointer(&quote->nonce, g_bytes_unref);
    g_clear_pointer(&quote->attest, g_bytes_unref);
    g_clear_pointer(&quote->signature, g_bytes_unref);
    hf_pcr_values_free(quote->values);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Quote, quote_clear)

/* *ret_same: the quote is over these values, in this order. */
static bool compare(const Quote *quote, const HfPublic *ak, bool *ret_same, GError **error)
{
    g_autoptr(GError) local = NULL;
    HfAttest attest;

    if (!hf_attest_parse(g_bytes_get_data(quote->attest, NULL), g_bytes_get_size(quote->attest),
                         &attest, error) ||
        !hf_attest_check_selection(&attest, &quote->selection, error)) {
        g_prefix_error(error, "what the TPM quoted: ");
        return false;
    }
    *ret_same = hf_attest_check_pcrs(&attest, ak->scheme.hash, quote->values, &local);
    return true;
}

static bool make_quote(const HfGuest *guest, Quote *quote, GError **error)
{
    bool same = false;

    for (int i = 0; i < TRIES_MAX && !same; i++) {
        g_clear_pointer(&quote->values, hf_pcr_values_free);
        g_clear_pointer(&quote->attest, g_bytes_unref);
        g_clear_pointer(&quote->signature, g_bytes_unref);
        quote->values = hf_hwpcr_read(guest->connection, &quote->selection, error);
        if (!quote->values ||
            !hf_hwquote(guest->connection, guest->ak, &quote->selection, quote->nonce,
                        &quote->attest, &quote->signature, error) ||
            !compare(quote, hf_host_key_public(guest->ak), &same, error)) {
            return false;
        }
    }
    return same || hf_error_set(error, HF_ERROR_TPM, "the TPM's PCRs do not hold still");
}

static GBytes *concatenated(GPtrArray *certificates, unsigned first)
{
    GByteArray *w = g_byte_array_new();

    for (unsigned i = first; i < certificates->len; i++) {
        hf_put_gbytes(w, ((const HfCertificate *)certificates->pdata[i])->der);
    }
    return g_byte_array_free_to_bytes(w);
}

/* ak.pem, which may be there from an earlier key. */
static bool add_ak_certificate(const HfGuest *guest, HfQuoteFile *file, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, HF_GUEST_CERTIFICATE);
    g_autoptr(GBytes) pem = NULL;
    g_autoptr(HfPublicKey) key = hf_public_key_of(hf_host_key_public(guest->ak), error);
    g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;
    g_autoptr(GPtrArray) chain = NULL;

    if (!spki || !hf_file_read_if_at(guest->fd, HF_GUEST_CERTIFICATE, HF_CERTIFICATE_FILE_MAX,
                                     label, &pem, error)) {
        return false;
    }
    if (!pem) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "%s: the attestation key has no certificate yet (run holdfast-attest "
                            "enroll)",
                            guest->path);
    }
    chain = hf_certificate_parse_bundle(pem, label, error);
    if (!chain) {
        return false;
    }
    if (!g_bytes_equal(((const HfCertificate *)chain->pdata[0])->spki, spki)) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "%s: it is for an earlier attestation key (run holdfast-attest enroll)",
                            label);
    }
    file->parts[HF_QUOTE_AK_CERTIFICATE] =
        g_bytes_ref(((const HfCertificate *)chain->pdata[0])->der);
    if (chain->len > 1) {
        file->parts[HF_QUOTE_AK_ABOVE] = concatenated(chain, 1);
    }
    return true;
}

static GBytes *public_bytes(const HfPublic *pub)
{
    GByteArray *w = g_byte_array_new();

    hf_public_write(pub, w);
    return g_byte_array_free_to_bytes(w);
}

static void add_ek(const HfGuest *guest, HfQuoteFile *file)
{
    file->parts[HF_QUOTE_EK] = public_bytes(&guest->ek);
    if (guest->ek_certificate) {
        file->parts[HF_QUOTE_EK_CERTIFICATE] = g_bytes_ref(guest->ek_certificate);
        file->parts[HF_QUOTE_EK_ABOVE] = hf_endorsement_above(guest->connection);
    }
}

/* out: a file, or "-" for standard output. */
static bool put_out(const char *out, GBytes *bytes, GError **error)
{
    size_t size = 0;
    const void *data = g_bytes_get_data(bytes, &size);

    return strcmp(out, "-") == 0
               ? hf_fd_write_all(STDOUT_FILENO, data, size, "standard output", error)
               : hf_file_replace(out, data, size, 0644, error);
}

/* The evidence: all in one file. */
static bool write_evidence(const HfOptions *options, const HfGuest *guest, const Quote *quote,
                           const char *out, GError **error)
{
    g_autoptr(HfQuoteFile) file = hf_quote_file_new();
    g_autofree char *lines = hf_pcr_lines(quote->values, &quote->selection);
    g_autofree char *selection = hf_pcr_selection_text(&quote->selection);
    g_autoptr(GBytes) bytes = NULL;

    file->parts[HF_QUOTE_ATTEST] = g_bytes_ref(quote->attest);
    file->parts[HF_QUOTE_SIGNATURE] = g_bytes_ref(quote->signature);
    file->parts[HF_QUOTE_AK] = public_bytes(hf_host_key_public(guest->ak));
    file->parts[HF_QUOTE_PCRS] = g_bytes_new(lines, strlen(lines));
    if (!add_ak_certificate(guest, file, error) ||
        !hf_firmware_log(hf_options_string(options, "event-log"), guest->tcti,
                         &file->parts[HF_QUOTE_EVENT_LOG], error)) {
        return false;
    }
    if (!hf_options_flag(options, "without-ek")) {
        add_ek(guest, file);
    }
    bytes = hf_quote_file_write(file);
    if (!put_out(out, bytes, error)) {
        return false;
    }
    fprintf(strcmp(out, "-") == 0 ? stderr : stdout, "%s: quote of %s, %s event log%s\n",
            strcmp(out, "-") == 0 ? "standard output" : out, selection,
            file->parts[HF_QUOTE_EVENT_LOG] ? "with the" : "without an",
            file->parts[HF_QUOTE_EK] && !file->parts[HF_QUOTE_EK_CERTIFICATE]
                ? "; the TPM has no EK certificate"
                : "");
    return true;
}

/* What --quote, --signature, --pcrs and --ak-public ask for, as tpm2-tools have it. */
static bool write_parts(const HfOptions *options, const HfGuest *guest, const Quote *quote,
                        GError **error)
{
    g_autoptr(GBytes) area = public_bytes(hf_host_key_public(guest->ak));
    g_autoptr(GBytes) values = hf_pcr_values_dump(quote->values, &quote->selection);
    const struct {
        const char *option;
        GBytes *bytes;
    } parts[] = {
        { "quote", quote->attest },
        { "signature", quote->signature },
        { "pcrs", values },
        { "ak-public", area },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        const char *path = hf_options_string(options, parts[i].option);

        if (path && !hf_file_replace(path, g_bytes_get_data(parts[i].bytes, NULL),
                                     g_bytes_get_size(parts[i].bytes), 0644, error)) {
            return false;
        }
    }
    return true;
}

bool hf_guest_quote(const HfOptions *options, GError **error)
{
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfGuest) guest = NULL;
    g_auto(Quote) quote = { 0 };

    if (!out && !hf_options_string(options, "quote")) {
        return hf_error_set(error, HF_ERROR_USAGE, "quote: --out or --quote expected");
    }
    if (!hf_attest_input_nonce(options, &quote.nonce, error) ||
        !hf_pcr_selection_parse(hf_options_string(options, "selection"), &quote.selection, error)) {
        return false;
    }
    guest = hf_guest_open(options, false, error);
    return guest && make_quote(guest, &quote, error) &&
           write_parts(options, guest, &quote, error) &&
           (!out || write_evidence(options, guest, &quote, out, error));
}
