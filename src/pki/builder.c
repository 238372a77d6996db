/*
 * builder.c - TBSCertificate, signature, check.
 *
 * What the signer answers is not believed: the result is parsed again and verified under the key in
 * the issuer's certificate before anybody sees it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/builder.h"

#include "base/error.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "pki/oid.h"
#include "pki/spki.h"

#define SERIAL_SIZE 20

HfBuilder *hf_builder_new(GBytes *subject, GBytes *spki, gint64 not_before, gint64 not_after)
{
    HfBuilder *builder = g_new0(HfBuilder, 1);
    builder->subject = g_bytes_ref(subject);
    builder->spki = g_bytes_ref(spki);
    builder->not_before = not_before;
    builder->not_after = not_after;
    builder->extensions = g_byte_array_new();
    return builder;
}

void hf_builder_free(HfBuilder *builder)
{
    if (builder) {
        g_bytes_unref(builder->subject);
        g_bytes_unref(builder->spki);
        g_byte_array_unref(builder->extensions);
        g_clear_pointer(&builder->serial, g_bytes_unref);
        g_free(builder);
    }
}

void hf_builder_add(HfBuilder *builder, const char *oid, bool critical, GByteArray *value)
{
    GByteArray *w = builder->extensions;
    size_t extension = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, oid);
    if (critical) { /* FALSE is the default and not encoded */
        hf_der_put_bool(w, true);
    }
    hf_der_put(w, HF_DER_OCTETS, value->data, value->len);
    hf_der_end(w, extension);
    g_byte_array_unref(value);
}

void hf_builder_put_algorithm(GByteArray *w, HfSignAlgorithm algorithm)
{
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, hf_sign_algorithm_oid(algorithm));
    if (algorithm == HF_SIGN_RSA_SHA256 || algorithm == HF_SIGN_RSA_SHA384) {
        hf_der_put(w, HF_DER_NULL, NULL, 0);
    }
    hf_der_end(w, sequence);
}

static void blame(const HfSigner *signer, GError **error)
{
    g_prefix_error(error, "the signer \"%s\" gave a wrong signature: ", signer->class->name);
}

/* Whoever calls this verifies `*ret_signature`. */
static GBytes *seal(GBytes *part, HfSigner *signer, const char *what, GBytes **ret_signature,
                    GError **error)
{
    size_t n = 0;
    const void *data = g_bytes_get_data(part, &n);
    HfDigest digest = hf_digest_of(hf_sign_algorithm_hash(signer->algorithm), data, n);
    g_autoptr(GBytes) signature = signer->class->sign(signer, digest.data, digest.size, error);
    if (!signature) {
        g_prefix_error(error, "%s cannot be signed: ", what);
        return NULL;
    }
    GByteArray *w = g_byte_array_new();
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_put_gbytes(w, part);
    hf_builder_put_algorithm(w, signer->algorithm);
    hf_der_put_bits(w, g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
    hf_der_end(w, sequence);
    *ret_signature = g_steal_pointer(&signature);
    return g_byte_array_free_to_bytes(w);
}

GBytes *hf_builder_seal(GBytes *part, HfSigner *signer, const char *what, GError **error)
{
    g_autoptr(GBytes) signature = NULL;
    g_autoptr(GBytes) sealed = seal(part, signer, what, &signature, error);
    if (!sealed) {
        return NULL;
    }
    if (!hf_spki_verify(signer->spki, signer->algorithm, part, signature, what, error)) {
        blame(signer, error);
        return NULL;
    }
    return g_steal_pointer(&sealed);
}

static void put_serial(GByteArray *w, GBytes *given)
{
    if (given) {
        hf_der_put_number(w, g_bytes_get_data(given, NULL), g_bytes_get_size(given));
        return;
    }
    uint8_t serial[SERIAL_SIZE];
    hf_random_bytes(serial, sizeof serial);
    /* Positive, never zero, always 20 octets. */
    serial[0] = (serial[0] & 0x7f) | 0x40;
    hf_der_put_number(w, serial, sizeof serial);
}

static GBytes *write_tbs(const HfBuilder *builder, HfSignAlgorithm algorithm, GBytes *issuer)
{
    GByteArray *w = g_byte_array_new();
    size_t tbs = hf_der_begin(w, HF_DER_SEQUENCE);
    size_t version = hf_der_begin(w, HF_DER_CONTEXT_OF(0));
    hf_der_put_uint(w, 2); /* v3 */
    hf_der_end(w, version);
    put_serial(w, builder->serial);
    hf_builder_put_algorithm(w, algorithm);
    hf_put_gbytes(w, issuer);
    size_t validity = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_time(w, builder->not_before);
    hf_der_put_time(w, builder->not_after);
    hf_der_end(w, validity);
    hf_put_gbytes(w, builder->subject);
    hf_put_gbytes(w, builder->spki);
    size_t tagged = hf_der_begin(w, HF_DER_CONTEXT_OF(3));
    size_t extensions = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_put_bytes(w, builder->extensions->data, builder->extensions->len);
    hf_der_end(w, extensions);
    hf_der_end(w, tagged);
    hf_der_end(w, tbs);
    return g_byte_array_free_to_bytes(w);
}

HfCertificate *hf_builder_sign(const HfBuilder *builder, HfSigner *signer,
                               const HfCertificate *issuer, GError **error)
{
    if (!g_bytes_equal(signer->spki, issuer ? issuer->spki : builder->spki)) {
        hf_error_set(error, HF_ERROR_STATE,
                     "the signing key is not the one in the issuer's certificate");
        return NULL;
    }
    g_autoptr(GBytes) tbs =
        write_tbs(builder, signer->algorithm, issuer ? issuer->subject : builder->subject);
    g_autoptr(GBytes) signature = NULL;
    g_autoptr(GBytes) der = seal(tbs, signer, "the certificate", &signature, error);
    if (!der) {
        return NULL;
    }
    if (g_bytes_get_size(der) > HF_CERTIFICATE_MAX) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "the certificate would have %zu bytes, more than the %d that fit into a TPM",
                     g_bytes_get_size(der), HF_CERTIFICATE_MAX);
        return NULL;
    }
    g_autoptr(HfCertificate) made = hf_certificate_new(der, "the new certificate", error);
    if (!made) {
        return NULL;
    }
    /* Its issuer's key is the signer's. */
    if (!hf_certificate_signed_by(made, issuer ? issuer : made, "the new certificate", error)) {
        blame(signer, error);
        return NULL;
    }
    return g_steal_pointer(&made);
}
