/*
 * test-pki-issue.c - every field of every certificate we issue, by parsing it again; and everything
 * that must not be issued.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"
#include "pki/ak_chain.h"
#include "crypto/pubkey.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/spki.h"

#include <string.h>

static void assert_list(char *const *list, const char *first, const char *second, const char *third)
{
    const char *expected[] = { first, second, third, NULL };
    g_assert_nonnull(list);
    for (size_t i = 0; i < 3; i++) {
        g_assert_cmpstr(list[i], ==, expected[i]);
        if (!expected[i]) {
            return;
        }
    }
    g_assert_null(list[3]);
}

static void assert_bytes(GBytes *found, GBytes *expected)
{
    g_assert_nonnull(found);
    g_assert_true(g_bytes_equal(found, expected));
}

static void test_root(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    const HfCertificate *c = w->root;
    g_autofree char *subject = hf_certificate_subject_text(c);
    g_autoptr(GBytes) key_id = hf_spki_key_id(w->root_key->spki);
    g_assert_cmpstr(subject, ==, "CN=Fleet root,O=Fleet");
    assert_bytes(c->issuer, c->subject);
    assert_bytes(c->spki, w->root_key->spki);
    assert_bytes(c->key_id, key_id);
    g_assert_true(c->algorithm_known && c->algorithm == HF_SIGN_ECDSA_SHA384);
    g_assert_true(c->is_ca && c->basic_constraints_critical);
    g_assert_cmpint(c->path_length, ==, 1);
    g_assert_true(c->key_usage_critical);
    g_assert_cmphex(c->key_usage, ==, HF_USAGE_CERTIFICATES | HF_USAGE_CRL);
    g_assert_null(c->purposes);
    g_assert_null(c->policies);
    g_assert_cmpint(c->not_before, ==, WORLD_BIRTH);
    g_assert_cmpint(c->not_after, ==, HF_DER_TIME_NEVER);
    g_assert_true(hf_certificate_signed_by(c, c, "root", NULL));
}

static void test_delegation(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    const HfCertificate *c = w->vma;
    g_autoptr(GBytes) key_id = hf_spki_key_id(w->vma_key->spki);
    g_autofree char *hex = hf_hex(g_bytes_get_data(key_id, NULL), 20);
    g_autofree char *expected = g_strdup_printf("CN=holdfast vMA %s,O=Fleet", hex);
    g_autofree char *subject = hf_certificate_subject_text(c);
    g_assert_cmpstr(subject, ==, expected);
    assert_bytes(c->issuer, w->root->subject);
    assert_bytes(c->spki, w->vma_key->spki);
    assert_bytes(c->key_id, key_id);
    assert_bytes(c->authority_id, w->root->key_id);
    g_assert_false(c->authority_has_more);
    g_assert_true(c->is_ca && c->basic_constraints_critical);
    g_assert_cmpint(c->path_length, ==, 0);
    g_assert_true(c->key_usage_critical);
    g_assert_cmphex(c->key_usage, ==, HF_USAGE_CERTIFICATES);
    assert_list(c->purposes, HF_OID_PURPOSE_EK, HF_OID_PURPOSE_PLATFORM, NULL);
    assert_list(c->policies, HF_OID_POLICY_TPM_RESIDENCY, HF_OID_POLICY_TPM_FIXED,
                HF_OID_POLICY_HARDWARE);
    g_assert_true(c->has_name_constraints);
    g_assert_false(c->name_constraints_foreign);
    g_assert_cmpstr(c->crl_url, ==, "http://ca.example/fleet.crl");
    g_assert_cmpint(c->not_after, ==, WORLD_BIRTH + 365 * WORLD_DAY);
    g_assert_null(c->unknown_critical);

    g_autoptr(World) software = world_new(HF_ROOTED_SOFTWARE);
    assert_list(software->vma->policies, HF_OID_POLICY_SOFTWARE, NULL, NULL);
}

/* Renewal: same key, other dates; subject and key identifier stay, so old leaves still verify. */
static void test_renewal(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    HfDelegation again = { .spki = w->vma_key->spki,
                           .rooted = HF_ROOTED_HARDWARE,
                           .organization = "Fleet",
                           .not_before = WORLD_BIRTH + 400 * WORLD_DAY,
                           .days = 365 };
    g_autoptr(HfCertificate) renewed = hf_delegation_new(&again, w->root_key, w->root, &error);
    g_assert_no_error(error);
    assert_bytes(renewed->subject, w->vma->subject);
    assert_bytes(renewed->key_id, w->vma->key_id);
    g_assert_false(g_bytes_equal(renewed->serial, w->vma->serial));
    w->rules.at = WORLD_BIRTH + 500 * WORLD_DAY;
    g_autoptr(GPtrArray) old = world_chain(ek, w->vma, NULL);
    g_autoptr(GPtrArray) chain = world_chain(ek, renewed, NULL);
    g_assert_false(hf_chain_verify(old, w->roots, &w->rules, NULL, &error));
    world_refused(&error, HF_ERROR_POLICY, "the vMA certificate has expired");
    g_assert_true(hf_chain_verify(chain, w->roots, &w->rules, NULL, &error));
    g_assert_no_error(error);
}

static void assert_holding(const HfHolding *found, const HfHolding *expected)
{
    g_assert_nonnull(found);
    assert_bytes(found->device_model, expected->device_model);
    g_assert_true((found->host_ek != NULL) == (expected->host_ek != NULL));
    g_assert_true((found->tcb_policy != NULL) == (expected->tcb_policy != NULL));
    if (expected->host_ek) {
        assert_bytes(found->host_ek, expected->host_ek);
        assert_bytes(found->tcb_policy, expected->tcb_policy);
    }
    g_assert_cmpstr(found->migration_policy, ==, expected->migration_policy);
    g_assert_true(found->reproducible == expected->reproducible);
}

static void test_ek(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) c = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    g_assert_no_error(error);
    g_autofree char *subject = hf_certificate_subject_text(c);
    g_assert_cmpstr(subject, ==, "");
    g_assert_cmpuint(g_bytes_get_size(c->subject), ==, 2);
    assert_bytes(c->issuer, w->vma->subject);
    assert_bytes(c->spki, w->ek_key->spki);
    g_assert_true(c->algorithm_known && c->algorithm == HF_SIGN_ECDSA_SHA256);
    g_assert_true(c->has_basic_constraints && c->basic_constraints_critical && !c->is_ca);
    g_assert_cmpint(c->path_length, ==, -1);
    g_assert_true(c->key_usage_critical);
    g_assert_cmphex(c->key_usage, ==, HF_USAGE_KEY_AGREEMENT);
    g_assert_true(c->has_alt_name && c->alt_name_critical && !c->alt_name_foreign);
    g_assert_cmpstr(c->tpm_manufacturer, ==, "id:00001014");
    g_assert_cmpstr(c->tpm_model, ==, "holdfast virtual TPM");
    g_assert_cmpstr(c->tpm_version, ==, "id:20191023");
    g_assert_null(c->platform_manufacturer);
    assert_list(c->purposes, HF_OID_PURPOSE_EK, NULL, NULL);
    g_assert_false(c->purposes_critical);
    assert_bytes(c->authority_id, w->vma->key_id);
    g_assert_false(c->authority_has_more);
    g_assert_cmpstr(c->spec_family, ==, "2.0");
    g_assert_cmpuint(c->spec_level, ==, 0);
    g_assert_cmpuint(c->spec_revision, ==, 164);
    assert_list(c->policies, HF_OID_POLICY_HARDWARE, NULL, NULL);
    g_assert_cmpstr(c->ca_issuers_url, ==, "http://ca.example/vma.der");
    g_assert_null(c->crl_url);
    g_assert_null(c->key_id);
    g_assert_cmpint(c->not_before, ==, WORLD_NOW);
    g_assert_cmpint(c->not_after, ==, HF_DER_TIME_NEVER);
    assert_holding(c->holding, &w->holding);
    g_assert_null(c->unknown_critical);
    g_assert_cmpuint(g_bytes_get_size(c->der), <=, HF_CERTIFICATE_MAX);

    size_t n = g_bytes_get_size(c->serial);
    const uint8_t *serial = g_bytes_get_data(c->serial, NULL);
    g_assert_cmpuint(n, ==, 20);
    g_assert_false(serial[0] & 0x80);
    g_autoptr(HfCertificate) another = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    g_assert_false(g_bytes_equal(c->serial, another->serial));
}

/* The bytes that swtpm_cert writes for the same values (spec, 6.1): same form, other model. */
static void test_ek_bytes(void)
{
    static const uint8_t names[] = {
        0x30, 0x46, 0xa4, 0x44, 0x30, 0x42, 0x31, 0x16, 0x30, 0x14, 0x06, 0x05, 0x67, 0x81, 0x05,
        0x02, 0x01, 0x0c, 0x0b, 'i',  'd',  ':',  '0',  '0',  '0',  '0',  '1',  '0',  '1',  '4',
        0x31, 0x10, 0x30, 0x0e, 0x06, 0x05, 0x67, 0x81, 0x05, 0x02, 0x02, 0x0c, 0x05, 's',  'w',
        't',  'p',  'm',  0x31, 0x16, 0x30, 0x14, 0x06, 0x05, 0x67, 0x81, 0x05, 0x02, 0x03, 0x0c,
        0x0b, 'i',  'd',  ':',  '2',  '0',  '1',  '9',  '1',  '0',  '2',  '3'
    };
    static const uint8_t specification[] = { 0x30, 0x19, 0x30, 0x17, 0x06, 0x05, 0x67, 0x81, 0x05,
                                             0x02, 0x10, 0x31, 0x0e, 0x30, 0x0c, 0x0c, 0x03, '2',
                                             '.',  '0',  0x02, 0x01, 0x00, 0x02, 0x02, 0x00, 0xa4 };
    static const uint8_t usage[] = { 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff,
                                     0x04, 0x04, 0x03, 0x02, 0x03, 0x08 };
    static const uint8_t constraints[] = { 0x55, 0x1d, 0x13, 0x01, 0x01,
                                           0xff, 0x04, 0x02, 0x30, 0x00 };
    static const struct {
        const uint8_t *data;
        size_t n;
    } parts[] = { { names, sizeof names },
                  { specification, sizeof specification },
                  { usage, sizeof usage },
                  { constraints, sizeof constraints } };
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    w->ek.tpm_model = "swtpm";
    g_autoptr(HfCertificate) c = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    g_assert_no_error(error);
    size_t n = 0;
    const void *der = g_bytes_get_data(c->der, &n);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_assert_nonnull(memmem(der, n, parts[i].data, parts[i].n));
    }
}

static void test_usages(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autoptr(HfSigner) rsa = world_key(w, HF_KEYFILE_RSA3072);
    const struct {
        HfSigner *key;
        unsigned use;
        uint16_t usage;
    } rows[] = {
        { rsa, 0, HF_USAGE_KEY_ENCIPHERMENT },
        { rsa, HF_ENDORSEMENT_SIGN, HF_USAGE_SIGNATURE },
        { rsa, HF_ENDORSEMENT_SIGN | HF_ENDORSEMENT_DECRYPT,
          HF_USAGE_SIGNATURE | HF_USAGE_KEY_ENCIPHERMENT },
        { w->ek_key, 0, HF_USAGE_KEY_AGREEMENT },
        { w->ek_key, HF_ENDORSEMENT_SIGN, HF_USAGE_SIGNATURE },
        { w->ek_key, HF_ENDORSEMENT_SIGN | HF_ENDORSEMENT_DECRYPT,
          HF_USAGE_SIGNATURE | HF_USAGE_KEY_AGREEMENT },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        w->ek.spki = rows[i].key->spki;
        w->ek.use = rows[i].use;
        g_autoptr(HfCertificate) c = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
        g_assert_no_error(error);
        g_assert_cmphex(c->key_usage, ==, rows[i].usage);
        g_autoptr(GPtrArray) chain = world_chain(c, w->vma, NULL);
        g_assert_true(hf_chain_verify(chain, w->roots, &w->rules, NULL, &error));
    }
}

/* An RSA vMA signs with PKCS#1 v1.5, the only RSA that keylime takes. */
static void test_rsa_authority(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSigner) rsa = world_key(w, HF_KEYFILE_RSA3072);
    HfDelegation in = {
        .spki = rsa->spki, .rooted = HF_ROOTED_SOFTWARE, .not_before = WORLD_BIRTH, .days = 365
    };
    g_autoptr(HfCertificate) vma = hf_delegation_new(&in, w->root_key, w->root, &error);
    g_assert_no_error(error);
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, rsa, vma, &error);
    g_assert_no_error(error);
    g_assert_true(ek->algorithm_known && ek->algorithm == HF_SIGN_RSA_SHA256);
    g_autoptr(GPtrArray) chain = world_chain(ek, vma, w->root, NULL);
    g_assert_true(hf_chain_verify(chain, w->roots, &w->rules, NULL, &error));
    g_assert_no_error(error);
}

static void test_platform(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) c = hf_endorsement_platform(&w->ek, w->vma_key, w->vma, &error);
    g_assert_no_error(error);
    g_autofree char *subject = hf_certificate_subject_text(c);
    g_assert_cmpstr(subject, ==, "CN=guest:4dcd6b3c-2f0e-4a52-a8fa-5e8c4e0b7f11");
    assert_list(c->purposes, HF_OID_PURPOSE_PLATFORM, NULL, NULL);
    assert_list(c->policies, HF_OID_POLICY_HARDWARE, NULL, NULL);
    g_assert_cmpstr(c->platform_manufacturer, ==, "Example");
    g_assert_cmpstr(c->platform_model, ==, "QEMU on Example Host");
    g_assert_cmpstr(c->platform_version, ==, "7.2");
    g_assert_null(c->tpm_manufacturer);
    g_assert_false(c->alt_name_foreign);
    g_assert_cmphex(c->key_usage, ==, HF_USAGE_KEY_AGREEMENT);
    g_assert_true(c->has_basic_constraints && c->basic_constraints_critical && !c->is_ca);
    assert_bytes(c->spki, w->ek_key->spki);
    assert_bytes(c->authority_id, w->vma->key_id);
    assert_holding(c->holding, &w->holding);

    /* A name too long for a CN is cut, and stays unique. */
    g_autofree char *one = g_strnfill(80, 'x');
    g_autofree char *other = g_strconcat(one, "y", NULL);
    w->ek.vmid = one;
    g_autoptr(HfCertificate) first = hf_endorsement_platform(&w->ek, w->vma_key, w->vma, &error);
    w->ek.vmid = other;
    g_autoptr(HfCertificate) second = hf_endorsement_platform(&w->ek, w->vma_key, w->vma, &error);
    g_assert_no_error(error);
    g_autofree char *name = hf_certificate_subject_text(first);
    g_assert_cmpuint(strlen(name), ==, strlen("CN=") + 64);
    g_assert_false(g_bytes_equal(first->subject, second->subject));

    w->ek.vmid = NULL;
    g_autoptr(HfCertificate) nameless = hf_endorsement_platform(&w->ek, w->vma_key, w->vma, &error);
    g_autofree char *unknown = hf_certificate_subject_text(nameless);
    g_assert_cmpstr(unknown, ==, "CN=unknown");
    w->ek.vmid = "line\nbreak";
    g_assert_null(hf_endorsement_platform(&w->ek, w->vma_key, w->vma, &error));
    world_refused(&error, HF_ERROR_INVALID, "control character");
}

static void test_ak(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSigner) ak = world_key(w, HF_KEYFILE_P256);
    HfEndorsement in = w->ek;
    in.spki = ak->spki;
    in.vmid = "host AK";
    g_assert_null(hf_endorsement_ak(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "end of its validity");
    in.not_after = WORLD_NOW + WORLD_DAY;
    g_assert_null(hf_endorsement_ak(&in, w->vma_key, w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "may not issue certificates for the usage 2.23.133.8.3");
    g_autoptr(HfCertificate) c = hf_endorsement_ak(&in, w->root_key, w->root, &error);
    g_assert_no_error(error);
    g_autofree char *subject = hf_certificate_subject_text(c);
    g_assert_cmpstr(subject, ==, "CN=host AK");
    assert_list(c->purposes, HF_OID_PURPOSE_AK, NULL, NULL);
    g_assert_cmphex(c->key_usage, ==, HF_USAGE_SIGNATURE);
    g_assert_cmpstr(c->tpm_model, ==, "holdfast virtual TPM");
    g_assert_false(c->alt_name_critical);
    g_assert_cmpint(c->not_after, ==, WORLD_NOW + WORLD_DAY);
    g_assert_null(c->holding);
}

static void ak_refused(HfCertificate *leaf, HfCertificate *root, gint64 at, HfErrorCode code,
                       const char *words)
{
    g_autoptr(GPtrArray) chain = g_ptr_array_new();
    g_autoptr(GPtrArray) roots = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_ptr_array_add(chain, leaf);
    g_ptr_array_add(roots, root);
    g_assert_false(hf_ak_chain_verify(chain, roots, at, NULL, &error));
    world_refused(&error, code, words);
}

/* What the privacy CA says stands in the certificate, and only its own certificates count. */
static void test_ak_chain(void)
{
    static const char *const policies[] = { HF_OID_POLICY_HARDWARE, HF_OID_POLICY_TPM_FIXED, NULL };
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(World) other = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSigner) ak = world_key(w, HF_KEYFILE_P256);
    g_autoptr(GBytes) bond = hf_spki_digest(w->ek.spki);
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    HfEndorsement in = w->ek;
    in.spki = ak->spki;
    in.not_after = WORLD_NOW + WORLD_DAY;
    in.ak_policies = policies;
    in.ak_endorsement = bond;
    g_autoptr(HfCertificate) c = hf_endorsement_ak(&in, w->root_key, w->root, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(c->bond, bond));
    g_assert_nonnull(c->holding);

    g_autoptr(GPtrArray) chain = g_ptr_array_new();
    g_autoptr(GPtrArray) roots = g_ptr_array_new();
    HfAkProof proof;
    g_ptr_array_add(chain, c);
    g_ptr_array_add(roots, w->root);
    g_assert_true(hf_ak_chain_verify(chain, roots, WORLD_NOW + 1, &proof, &error));
    g_assert_no_error(error);
    g_assert_true(proof.is_virtual && proof.rooted == HF_ROOTED_HARDWARE && proof.root == w->root);

    ak_refused(c, w->root, WORLD_NOW + 2 * WORLD_DAY, HF_ERROR_POLICY, "has expired");
    ak_refused(c, w->root, WORLD_NOW - WORLD_DAY, HF_ERROR_POLICY, "not valid yet");
    ak_refused(c, other->root, WORLD_NOW + 1, HF_ERROR_AUTH, "");
    ak_refused(ek, w->vma, WORLD_NOW + 1, HF_ERROR_POLICY, "may not issue for attestation keys");
    ak_refused(w->vma, w->root, WORLD_NOW + 1, HF_ERROR_POLICY, "key usage of the AK certificate");
}

/* One row: a change to the inputs of an EK certificate, and what the refusal says. */
static void test_ek_refusals(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GBytes) short_digest = g_bytes_new("x", 1);
    g_autoptr(GBytes) not_spki = g_bytes_new("0", 1);
    HfHolding no_host = w->holding;
    no_host.host_ek = NULL;
    HfHolding odd_digest = w->holding;
    odd_digest.device_model = short_digest;
    HfHolding no_policy = w->holding;
    no_policy.migration_policy = "";
    g_autofree char *long_text = g_strnfill(65, 'm');
    g_autofree char *long_url = g_strnfill(600, 'u');
    memcpy(long_url, "http://", 7);
    struct {
        HfEndorsement in;
        const char *text;
    } rows[20];
    size_t n = 0;
#define ROW(field, value, message) \
    rows[n].in = w->ek;            \
    rows[n].in.field = value;      \
    rows[n++].text = message
    ROW(tpm_manufacturer, "IBM", "TPM manufacturer: expected \"id:\" and 8 hex digits");
    ROW(tpm_manufacturer, NULL, "TPM manufacturer");
    ROW(tpm_manufacturer, "id:0000101", "TPM manufacturer");
    ROW(tpm_manufacturer, "id:000010144", "TPM manufacturer");
    ROW(tpm_version, "id:2019102g", "TPM version");
    ROW(tpm_model, "", "TPM model: expected 1 to 64 characters, found 0");
    ROW(tpm_model, long_text, "TPM model: expected 1 to 64 characters, found 65");
    ROW(tpm_model, "a\x01", "TPM model: has a control character");
    ROW(tpm_model, "\xff", "TPM model: expected UTF-8 text");
    ROW(spec_family, NULL, "family of the TPM specification");
    ROW(holding, NULL, "nothing is known");
    ROW(holding, &no_host, "needs the digests of the host TPM's EK");
    ROW(holding, &odd_digest, "must have 32, 48 or 64 bytes, found 1");
    ROW(holding, &no_policy, "name of the migration policy");
    ROW(ca_issuers_url, "file:///etc/passwd", "expected an http, https or ldap URL");
    ROW(ca_issuers_url, "http://a b/", "expected an http, https or ldap URL");
    ROW(ca_issuers_url, long_url, "expected an http, https or ldap URL");
    ROW(spki, not_spki, "the TPM's key");
    ROW(not_after, WORLD_NOW, "end after its beginning");
#undef ROW
    g_assert_cmpuint(n, <=, G_N_ELEMENTS(rows));
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(hf_endorsement_ek(&rows[i].in, w->vma_key, w->vma, &error));
        world_refused(&error, HF_ERROR_INVALID, rows[i].text);
    }
}

static void test_issuer_refusals(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    g_assert_no_error(error);

    g_assert_null(hf_endorsement_ek(&w->ek, w->ek_key, w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "lacks the policy"); /* a file key is software-rooted */
    w->ek_key->rooted = HF_ROOTED_HARDWARE;
    g_assert_null(hf_endorsement_ek(&w->ek, w->ek_key, w->vma, &error));
    world_refused(&error, HF_ERROR_STATE, "not the one in the issuer's certificate");
    g_assert_null(hf_endorsement_ek(&w->ek, w->ek_key, ek, &error));
    world_refused(&error, HF_ERROR_POLICY, "not a CA");
    HfEndorsement early = w->ek;
    early.not_before = WORLD_BIRTH - 1;
    g_assert_null(hf_endorsement_ek(&early, w->vma_key, w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "is not valid yet");
    HfEndorsement late = w->ek;
    late.not_before = WORLD_BIRTH + 366 * WORLD_DAY;
    g_assert_null(hf_endorsement_ek(&late, w->vma_key, w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "has expired");

    g_autoptr(World) software = world_new(HF_ROOTED_SOFTWARE);
    software->vma_key->rooted = HF_ROOTED_HARDWARE;
    software->ek.holding = &w->holding;
    g_assert_null(hf_endorsement_ek(&software->ek, software->vma_key, software->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "(hardware-rooted)");
    software->vma_key->rooted = HF_ROOTED_SOFTWARE;
    g_assert_null(hf_endorsement_ek(&software->ek, software->vma_key, software->vma, &error));
    world_refused(&error, HF_ERROR_INVALID, "a software-rooted TPM has no host TPM");
}

/* A signer that answers with something else than a signature: bus, TPM or program at fault. */
typedef struct {
    HfSigner base;
    HfSigner *real;
    bool fails;
} Liar;

static GBytes *liar_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    Liar *liar = (Liar *)signer;
    if (liar->fails) {
        hf_error_set(error, HF_ERROR_TPM, "the TPM answered 0x1c4");
        return NULL;
    }
    g_autofree uint8_t *other = g_memdup2(digest, size);
    other[0] ^= 1;
    return liar->real->class->sign(liar->real, other, size, error);
}

static void liar_free(HfSigner *signer)
{
    (void)signer; /* on the stack */
}

static void test_lying_signer(void)
{
    static const HfSignerClass class = { .name = "liar", .sign = liar_sign, .free = liar_free };
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    Liar liar = { .base = *w->vma_key, .real = w->vma_key };
    liar.base.class = &class;
    g_assert_null(hf_endorsement_ek(&w->ek, &liar.base, w->vma, &error));
    world_refused(&error, HF_ERROR_AUTH, "\"liar\" gave a wrong signature");
    liar.fails = true;
    g_assert_null(hf_endorsement_ek(&w->ek, &liar.base, w->vma, &error));
    world_refused(&error, HF_ERROR_TPM, "cannot be signed: the TPM answered 0x1c4");
}

static void test_delegation_refusals(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    const HfDelegation good = { .spki = w->vma_key->spki,
                                .rooted = HF_ROOTED_HARDWARE,
                                .not_before = WORLD_BIRTH,
                                .days = 365 };
    HfDelegation in = good;
    in.days = 0;
    g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "must be 1 to 3660 days, found 0");
    in.days = HF_DELEGATION_DAYS_MAX + 1;
    g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "found 3661");
    in = good;
    in.as_root = true;
    g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_POLICY, "only a software-rooted delegation");
    in.rooted = HF_ROOTED_SOFTWARE;
    g_autoptr(HfCertificate) lasting = hf_delegation_new(&in, w->root_key, w->root, &error);
    g_assert_no_error(error);
    g_assert_cmpint(lasting->not_after, ==, w->root->not_after);
    in = good;
    in.spki = w->root_key->spki;
    g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_POLICY, "key of the root itself");
    in = good;
    in.organization = "Fleet";
    in.common_name = "Fleet root";
    g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "name of the root itself");
    g_assert_null(hf_delegation_new(&good, w->vma_key, w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "allows no CA below it");
    in = good;
    in.crl_url = "ftp://x/";
    g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "URL of the revocation list");
    HfRootInput short_lived = { .common_name = "short", .not_before = WORLD_BIRTH, .days = 10 };
    g_autoptr(HfCertificate) root = hf_delegation_root(&short_lived, w->root_key, &error);
    g_assert_null(hf_delegation_new(&good, w->root_key, root, &error));
    world_refused(&error, HF_ERROR_POLICY, "root's certificate expires before");
    HfRootInput nameless = { .common_name = NULL, .not_before = WORLD_BIRTH };
    g_assert_null(hf_delegation_root(&nameless, w->root_key, &error));
    world_refused(&error, HF_ERROR_INVALID, "common name");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pki/issue/root", test_root);
    g_test_add_func("/pki/issue/delegation", test_delegation);
    g_test_add_func("/pki/issue/renewal", test_renewal);
    g_test_add_func("/pki/issue/ek", test_ek);
    g_test_add_func("/pki/issue/ek-bytes", test_ek_bytes);
    g_test_add_func("/pki/issue/usages", test_usages);
    g_test_add_func("/pki/issue/rsa-authority", test_rsa_authority);
    g_test_add_func("/pki/issue/platform", test_platform);
    g_test_add_func("/pki/issue/ak", test_ak);
    g_test_add_func("/pki/issue/ak-chain", test_ak_chain);
    g_test_add_func("/pki/issue/ek-refusals", test_ek_refusals);
    g_test_add_func("/pki/issue/issuer-refusals", test_issuer_refusals);
    g_test_add_func("/pki/issue/lying-signer", test_lying_signer);
    g_test_add_func("/pki/issue/delegation-refusals", test_delegation_refusals);
    return g_test_run();
}
