/*
 * test-pki-identity.c - IAK and IDevID certificates: issued below a vMA that was delegated to for
 * them, verified, and refused wherever one thing is not as it must be.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include <string.h>

#include "base/error.h"
#include "pki/ak_chain.h"
#include "pki/builder.h"
#include "pki/extension.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/spki.h"

#define SERIAL "IBM:00112233445566778899aabbccddeeff00112233:0123456789abcdef"

/* A world whose vMA may certify identity keys, and such a key. */
typedef struct {
    World *w;
    HfCertificate *vma;
    HfSigner *key;
    GBytes *bond;
    HfEndorsement in;
} Fixture;

static void fixture_clear(Fixture *f)
{
    hf_certificate_unref(f->vma);
    hf_signer_free(f->key);
    g_bytes_unref(f->bond);
    world_free(f->w);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static Fixture fixture_new(HfRooted rooted)
{
    g_autoptr(GError) error = NULL;
    Fixture f = { .w = world_new(rooted) };
    const HfDelegation delegation = { .spki = f.w->vma_key->spki,
                                      .rooted = rooted,
                                      .organization = "Fleet",
                                      .name_constraints = true,
                                      .identity_keys = true,
                                      .not_before = WORLD_BIRTH,
                                      .days = 365 };
    f.vma = hf_delegation_new(&delegation, f.w->root_key, f.w->root, &error);
    g_assert_no_error(error);
    f.key = world_key(f.w, HF_KEYFILE_P256);
    f.bond = hf_spki_digest(f.w->ek.spki);
    f.in = f.w->ek;
    f.in.spki = f.key->spki;
    f.in.ak_endorsement = f.bond;
    f.in.tpm_serial = SERIAL;
    return f;
}

static void refused(Fixture *f, HfLeafKind kind, HfCertificate *leaf, HfCertificate *vma,
                    HfErrorCode code, const char *text)
{
    g_autoptr(GPtrArray) chain = world_chain(leaf, vma, NULL);
    g_autoptr(GError) error = NULL;
    f->w->rules.kind = kind;
    g_assert_false(hf_chain_verify(chain, f->w->roots, &f->w->rules, NULL, &error));
    world_refused(&error, code, text);
}

static void accepted(Fixture *f, HfLeafKind kind, HfCertificate *leaf)
{
    g_autoptr(GPtrArray) chain = world_chain(leaf, f->vma, NULL);
    g_autoptr(GError) error = NULL;
    f->w->rules.kind = kind;
    g_assert_true(hf_chain_verify(chain, f->w->roots, &f->w->rules, NULL, &error));
    g_assert_no_error(error);
}

static void test_delegation(void)
{
    g_auto(Fixture) f = fixture_new(HF_ROOTED_HARDWARE);
    const char *const wanted[] = { HF_OID_PURPOSE_EK, HF_OID_PURPOSE_PLATFORM, HF_OID_PURPOSE_AK,
                                   HF_OID_PURPOSE_IDENTITY, NULL };
    g_assert_true(g_strv_equal((const char *const *)f.vma->purposes, wanted));
    g_assert_true(hf_delegation_has_identity_keys(f.vma));
    g_assert_false(hf_delegation_has_identity_keys(f.w->vma));
    /* What it may do besides is as before. */
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&f.w->ek, f.w->vma_key, f.vma, NULL);
    accepted(&f, HF_LEAF_EK, ek);
}

static void test_issue(void)
{
    const HfRooted kinds[] = { HF_ROOTED_HARDWARE, HF_ROOTED_SOFTWARE };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_auto(Fixture) f = fixture_new(kinds[i]);
        g_autoptr(GError) error = NULL;
        g_autoptr(HfCertificate) iak = hf_endorsement_iak(&f.in, f.w->vma_key, f.vma, &error);
        g_assert_no_error(error);
        g_autoptr(HfCertificate) idevid = hf_endorsement_idevid(&f.in, f.w->vma_key, f.vma, &error);
        g_assert_no_error(error);
        HfCertificate *const both[] = { iak, idevid };
        const char *const purposes[] = { HF_OID_PURPOSE_AK, HF_OID_PURPOSE_IDENTITY };
        for (size_t k = 0; k < 2; k++) {
            const HfCertificate *c = both[k];
            g_autofree char *subject = hf_certificate_subject_text(c);
            g_assert_cmpstr(subject, ==, "serialNumber=guest:4dcd6b3c-2f0e-4a52-a8fa-5e8c4e0b7f11");
            g_assert_cmpstr(c->purposes[0], ==, purposes[k]);
            g_assert_cmpuint(g_strv_length(c->purposes), ==, 1);
            g_assert_cmphex(c->key_usage, ==, HF_USAGE_SIGNATURE);
            g_assert_cmpstr(c->tpm_serial, ==, SERIAL);
            g_assert_false(c->alt_name_foreign || c->alt_name_critical || c->spec_family);
            g_assert_true(g_bytes_equal(c->bond, f.bond));
            g_assert_true(hf_certificate_has_policy(c, hf_rooted_policy(kinds[i])));
            g_assert_nonnull(c->holding);
            g_assert_cmpint(c->not_after, ==, HF_DER_TIME_NEVER);
        }
        accepted(&f, HF_LEAF_IAK, iak);
        accepted(&f, HF_LEAF_IDEVID, idevid);
        /* The one signs anything: it is no attestation key, nor an endorsement key. */
        refused(&f, HF_LEAF_IAK, idevid, f.vma, HF_ERROR_POLICY,
                "IAK certificate lacks the extended key usage 2.23.133.8.3");
        refused(&f, HF_LEAF_IDEVID, iak, f.vma, HF_ERROR_POLICY,
                "IDevID certificate lacks the extended key usage");
        refused(&f, HF_LEAF_EK, iak, f.vma, HF_ERROR_POLICY, "lacks the extended key usage");
        refused(&f, HF_LEAF_EK, idevid, f.vma, HF_ERROR_POLICY, "lacks the extended key usage");
    }
}

static void test_not_delegated(void)
{
    g_auto(Fixture) f = fixture_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_assert_null(hf_endorsement_iak(&f.in, f.w->vma_key, f.w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "may not issue certificates for the usage 2.23.133.8.3");
    g_assert_null(hf_endorsement_idevid(&f.in, f.w->vma_key, f.w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "may not issue certificates for the usage " HF_OID_ARC);
    /* Signed all the same, by whoever has the key: the vMA's certificate lacks the right. */
    g_autoptr(HfCertificate) iak = hf_endorsement_iak(&f.in, f.w->vma_key, f.vma, &error);
    g_autoptr(HfCertificate) idevid = hf_endorsement_idevid(&f.in, f.w->vma_key, f.vma, &error);
    refused(&f, HF_LEAF_IAK, iak, f.w->vma, HF_ERROR_POLICY,
            "vMA certificate lacks the extended key usage 2.23.133.8.3");
    refused(&f, HF_LEAF_IDEVID, idevid, f.w->vma, HF_ERROR_POLICY,
            "vMA certificate lacks the extended key usage " HF_OID_ARC);
}

static void test_input(void)
{
    g_auto(Fixture) f = fixture_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    HfEndorsement in = f.in;
    in.ak_endorsement = NULL;
    g_assert_null(hf_endorsement_iak(&in, f.w->vma_key, f.vma, &error));
    world_refused(&error, HF_ERROR_INVALID, "nothing is known of the endorsement key");
    in = f.in;
    in.spki = f.w->ek.spki;
    g_assert_null(hf_endorsement_iak(&in, f.w->vma_key, f.vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "the key is the TPM's endorsement key itself");
    g_autofree char *full = g_strnfill(128, 's');
    g_autofree char *over = g_strnfill(129, 's');
    const struct {
        const char *serial;
        const char *text;
    } rows[] = { { NULL, "expected 1 to 128 characters, found 0" },
                 { "", "expected 1 to 128 characters, found 0" },
                 { over, "found 129" },
                 { "a b", "letters, digits and marks" } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        in = f.in;
        in.tpm_serial = rows[i].serial;
        g_assert_null(hf_endorsement_idevid(&in, f.w->vma_key, f.vma, &error));
        world_refused(&error, HF_ERROR_INVALID, rows[i].text);
    }
    in = f.in;
    in.tpm_serial = full;
    g_autoptr(HfCertificate) longest = hf_endorsement_idevid(&in, f.w->vma_key, f.vma, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(longest->tpm_serial, ==, full);
}

/* A subject is what X.520 allows of a serial number, and still each machine's own. */
static void test_subject(void)
{
    g_auto(Fixture) f = fixture_new(HF_ROOTED_HARDWARE);
    g_autofree char *full = g_strnfill(64, 'x');
    g_autofree char *over = g_strnfill(65, 'x');
    const struct {
        const char *vmid;
        const char *pattern;
    } rows[] = { { "vm 1 (a+b)/c:d.e=f?", "serialNumber=*vm 1 (a*b)/c:d.e*f?" },
                 { full, "serialNumber=xxxxxxxx*xxxxxxxx" },
                 { over, "serialNumber=xxxxxxxx*x-????????????????" },
                 { "a_b", "serialNumber=a-b-????????????????" },
                 { "a@b", "serialNumber=a-b-????????????????" },
                 { "\xc3\xa4", "serialNumber=---????????????????" },
                 { "", "serialNumber=-????????????????" },
                 { NULL, "serialNumber=" SERIAL } };
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        f.in.vmid = rows[i].vmid;
        g_autoptr(HfCertificate) c = hf_endorsement_iak(&f.in, f.w->vma_key, f.vma, &error);
        g_assert_no_error(error);
        char *subject = hf_certificate_subject_text(c);
        if (!g_pattern_match_simple(rows[i].pattern, subject)) {
            g_error("\"%s\" expected, found \"%s\"", rows[i].pattern, subject);
        }
        g_assert_true(g_hash_table_add(seen, subject));
        accepted(&f, HF_LEAF_IAK, c);
    }
}

/* --- forged by somebody who has the vMA's key --- */

typedef struct {
    GBytes *subject;
    GByteArray *alt_name;
    uint16_t usage;
    const char *purposes[3];
    GBytes *bond;
    const HfHolding *holding;
} Forgery;

static void try(Fixture *f, const Forgery *forgery, HfErrorCode code, const char *text)
{
    g_autoptr(GError) error = NULL;
    const char *const policies[] = { hf_rooted_policy(f->w->vma_key->rooted), NULL };
    g_autoptr(HfBuilder) b =
        hf_builder_new(forgery->subject, f->key->spki, WORLD_NOW, HF_DER_TIME_NEVER);
    hf_builder_add(b, HF_OID_BASIC_CONSTRAINTS, true, hf_extension_basic_constraints(false, -1));
    hf_builder_add(b, HF_OID_KEY_USAGE, true, hf_extension_key_usage(forgery->usage));
    if (forgery->purposes[0]) {
        hf_builder_add(b, HF_OID_PURPOSES, false, hf_extension_purposes(forgery->purposes));
    }
    hf_builder_add(b, HF_OID_POLICIES, false, hf_extension_policies(policies));
    hf_builder_add(b, HF_OID_AUTHORITY_KEY_ID, false, hf_extension_authority_id(f->vma->key_id));
    if (forgery->alt_name) {
        hf_builder_add(b, HF_OID_SUBJECT_ALT_NAME, false, g_byte_array_ref(forgery->alt_name));
    }
    if (forgery->bond) {
        hf_builder_add(b, HF_OID_BOND, false, hf_extension_bond(forgery->bond));
    }
    if (forgery->holding) {
        GByteArray *value = g_byte_array_new();
        g_assert_true(hf_holding_write(forgery->holding, value, NULL));
        hf_builder_add(b, HF_OID_HOLDING, false, value);
    }
    g_autoptr(HfCertificate) made = hf_builder_sign(b, f->w->vma_key, f->vma, &error);
    g_assert_no_error(error);
    if (text) {
        refused(f, HF_LEAF_IAK, made, f->vma, code, text);
    } else {
        accepted(f, HF_LEAF_IAK, made);
    }
}

#define TRY(field, value, code, text) \
    do {                              \
        Forgery spoilt = good;        \
        spoilt.field = value;         \
        try(&f, &spoilt, code, text); \
    } while (0)

/* One otherName: its OID, hwType, and its content after the serial number. */
static GByteArray *other_name(const char *oid, const char *type, const char *serial, bool twice)
{
    GByteArray *w = g_byte_array_new();
    size_t names = hf_der_begin(w, HF_DER_SEQUENCE);
    for (int i = 0; i < (twice ? 2 : 1); i++) {
        size_t other = hf_der_begin(w, HF_DER_CONTEXT_OF(0));
        hf_der_put_oid(w, oid);
        size_t value = hf_der_begin(w, HF_DER_CONTEXT_OF(0));
        size_t module = hf_der_begin(w, HF_DER_SEQUENCE);
        hf_der_put_oid(w, type);
        hf_der_put(w, HF_DER_OCTETS, serial, strlen(serial));
        hf_der_end(w, module);
        hf_der_end(w, value);
        hf_der_end(w, other);
    }
    hf_der_end(w, names);
    return w;
}

static void test_forged(void)
{
    g_auto(Fixture) f = fixture_new(HF_ROOTED_HARDWARE);
    g_autoptr(GBytes) subject = hf_name_new_serial("vm");
    g_autoptr(GBytes) empty = hf_name_empty();
    g_autoptr(GByteArray) module = hf_extension_hardware_module(SERIAL);
    g_autoptr(GByteArray) twice =
        other_name(HF_OID_HARDWARE_MODULE_NAME, HF_OID_TPM_HARDWARE_TYPE, SERIAL, true);
    g_autoptr(GByteArray) another =
        other_name("1.3.6.1.4.1.311.20.2.3", HF_OID_TPM_HARDWARE_TYPE, SERIAL, false);
    g_autoptr(GByteArray) type = other_name(HF_OID_HARDWARE_MODULE_NAME, "1.2.3", SERIAL, false);
    g_autoptr(GByteArray) blank =
        other_name(HF_OID_HARDWARE_MODULE_NAME, HF_OID_TPM_HARDWARE_TYPE, "a b", false);
    g_autoptr(GByteArray) none =
        other_name(HF_OID_HARDWARE_MODULE_NAME, HF_OID_TPM_HARDWARE_TYPE, "", false);
    HfHolding elsewhere = f.w->holding;
    elsewhere.host_ek = NULL;
    const Forgery good = { .subject = subject,
                           .alt_name = module,
                           .usage = HF_USAGE_SIGNATURE,
                           .purposes = { HF_OID_PURPOSE_AK },
                           .bond = f.bond,
                           .holding = &f.w->holding };
    try(&f, &good, 0, NULL);
    TRY(subject, empty, HF_ERROR_INVALID, "subject of the IAK certificate is empty");
    TRY(alt_name, NULL, HF_ERROR_INVALID, "not the serial number of a TPM");
    TRY(alt_name, twice, HF_ERROR_INVALID, "not the serial number of a TPM");
    TRY(alt_name, another, HF_ERROR_INVALID, "not the serial number of a TPM");
    TRY(alt_name, type, HF_ERROR_INVALID, "not the serial number of a TPM");
    TRY(alt_name, blank, HF_ERROR_INVALID, "not the serial number of a TPM");
    TRY(alt_name, none, HF_ERROR_INVALID, "not the serial number of a TPM");
    TRY(usage, HF_USAGE_SIGNATURE | HF_USAGE_KEY_AGREEMENT, HF_ERROR_POLICY,
        "key usage of the IAK");
    TRY(usage, HF_USAGE_KEY_AGREEMENT, HF_ERROR_POLICY, "key usage of the IAK");
    TRY(purposes[0], NULL, HF_ERROR_POLICY, "lacks the extended key usage 2.23.133.8.3");
    TRY(purposes[1], HF_OID_PURPOSE_IDENTITY, HF_ERROR_POLICY, "further extended key usages");
    TRY(bond, NULL, HF_ERROR_INVALID, "does not say of which endorsement key's TPM it is");
    TRY(holding, NULL, HF_ERROR_INVALID, "does not name the host TPM");
    TRY(holding, &elsewhere, HF_ERROR_INVALID, "does not name the host TPM");
}

/* hardwareModuleName that is cut off, or has something behind: the certificate is malformed. */
static void test_malformed(void)
{
    g_autoptr(GByteArray) good = hf_extension_hardware_module("S");
    /* SEQUENCE, [0], OID, [0], SEQUENCE, OID, OCTET STRING: where their lengths are */
    const size_t lengths[] = { 1, 3, 5, 15, 17, 19, 26 };
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (int change = -1; change <= 1; change += 2) {
            HfCertificate c = { 0 };
            g_autofree uint8_t *copy = g_memdup2(good->data, good->len);
            copy[lengths[i]] = (uint8_t)(copy[lengths[i]] + change);
            g_autoptr(GBytes) bytes = g_bytes_new(copy, good->len);
            bool read = hf_extension_read(&c, HF_OID_SUBJECT_ALT_NAME, false, hf_reader_for(bytes));
            if (read) {
                g_error("length at %zu: not refused", lengths[i]);
            }
            g_free(c.tpm_serial);
        }
    }
    HfCertificate c = { 0 };
    g_autoptr(GBytes) bytes = g_bytes_new(good->data, good->len);
    g_assert_true(hf_extension_read(&c, HF_OID_SUBJECT_ALT_NAME, false, hf_reader_for(bytes)));
    g_assert_cmpstr(c.tpm_serial, ==, "S");
    g_free(c.tpm_serial);
}

/* A fleet's root that is a privacy CA's as well: the vMA below it still certifies no attestation keys for
 * those who pin privacy CAs, with or without the right to IAKs. */
static void test_no_privacy_ca(void)
{
    g_auto(Fixture) f = fixture_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) iak = hf_endorsement_iak(&f.in, f.w->vma_key, f.vma, &error);
    g_autoptr(GPtrArray) chain = world_chain(iak, f.vma, NULL);
    g_autoptr(GPtrArray) vma_alone = world_chain(f.vma, NULL);
    g_assert_false(hf_ak_chain_verify(chain, f.w->roots, f.w->rules.at, NULL, &error));
    world_refused(&error, HF_ERROR_POLICY, "authority that makes virtual TPMs (vMA)");
    g_assert_false(hf_ak_chain_verify(chain, vma_alone, f.w->rules.at, NULL, &error));
    world_refused(&error, HF_ERROR_POLICY, "authority that makes virtual TPMs (vMA)");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pki-identity/delegation", test_delegation);
    g_test_add_func("/pki-identity/issue", test_issue);
    g_test_add_func("/pki-identity/not-delegated", test_not_delegated);
    g_test_add_func("/pki-identity/input", test_input);
    g_test_add_func("/pki-identity/subject", test_subject);
    g_test_add_func("/pki-identity/forged", test_forged);
    g_test_add_func("/pki-identity/malformed", test_malformed);
    g_test_add_func("/pki-identity/no-privacy-ca", test_no_privacy_ca);
    return g_test_run();
}
