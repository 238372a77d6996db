/*
 * test-pki-chain.c - the strict verifier: what it proves, and every attack it must refuse, each by
 * its own message. Forgeries are real: they are signed with the key an attacker would have.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"
#include "pki/builder.h"
#include "pki/extension.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/spki.h"

#include <string.h>

/* A certificate with any content; what is NULL or 0 is left out. */
typedef struct {
    GBytes *subject;
    GBytes *spki;
    GByteArray *alt_name;
    bool alt_name_plain; /* not critical */
    GByteArray *constraints;
    bool constraints_plain;
    uint16_t usage;
    bool usage_plain;
    const char *purposes[3];
    const char *policies[4];
    GBytes *key_id;
    GBytes *authority_id;
    const char *spec_family;
    const HfHolding *holding;
    bool unknown_critical;
    bool unknown_plain;
    GByteArray *name_constraints;
    gint64 not_before;
    gint64 not_after;
} Forgery;

static HfCertificate *forge(Forgery *f, HfSigner *signer, const HfCertificate *issuer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfBuilder) b = hf_builder_new(f->subject, f->spki, f->not_before, f->not_after);
    if (f->constraints) {
        hf_builder_add(b, HF_OID_BASIC_CONSTRAINTS, !f->constraints_plain,
                       g_byte_array_ref(f->constraints));
    }
    if (f->usage) {
        hf_builder_add(b, HF_OID_KEY_USAGE, !f->usage_plain, hf_extension_key_usage(f->usage));
    }
    if (f->purposes[0]) {
        hf_builder_add(b, HF_OID_PURPOSES, false, hf_extension_purposes(f->purposes));
    }
    if (f->policies[0]) {
        hf_builder_add(b, HF_OID_POLICIES, false, hf_extension_policies(f->policies));
    }
    if (f->key_id) {
        hf_builder_add(b, HF_OID_SUBJECT_KEY_ID, false, hf_extension_key_id(f->key_id));
    }
    if (f->authority_id) {
        hf_builder_add(b, HF_OID_AUTHORITY_KEY_ID, false,
                       hf_extension_authority_id(f->authority_id));
    }
    if (f->alt_name) {
        hf_builder_add(b, HF_OID_SUBJECT_ALT_NAME, !f->alt_name_plain,
                       g_byte_array_ref(f->alt_name));
    }
    if (f->spec_family) {
        hf_builder_add(b, HF_OID_SUBJECT_DIRECTORY, false,
                       hf_extension_specification(f->spec_family, 0, 164));
    }
    if (f->holding) {
        GByteArray *value = g_byte_array_new();
        g_assert_true(hf_holding_write(f->holding, value, NULL));
        hf_builder_add(b, HF_OID_HOLDING, false, value);
    }
    if (f->name_constraints) {
        hf_builder_add(b, HF_OID_NAME_CONSTRAINTS, true, g_byte_array_ref(f->name_constraints));
    }
    if (f->unknown_critical || f->unknown_plain) {
        GByteArray *value = g_byte_array_new();
        hf_der_put(value, HF_DER_NULL, NULL, 0);
        hf_builder_add(b, "1.2.3.4", f->unknown_critical, value);
    }
    HfCertificate *made = hf_builder_sign(b, signer, issuer, &error);
    g_assert_no_error(error);
    return made;
}

static GByteArray *tpm_names(const char *extra_oid)
{
    const char *const pairs[][2] = { { HF_OID_TPM_MANUFACTURER, "id:00001014" },
                                     { HF_OID_TPM_MODEL, "holdfast virtual TPM" },
                                     { HF_OID_TPM_VERSION, "id:20191023" },
                                     { extra_oid, "extra" },
                                     { NULL, NULL } };
    return hf_extension_directory_name(pairs);
}

/* The forgery that is in truth a good EK certificate: rows below spoil one thing each. */
static Forgery good_ek(const World *w)
{
    return (Forgery){ .subject = hf_name_empty(),
                      .spki = w->ek_key->spki,
                      .alt_name = tpm_names(NULL),
                      .constraints = hf_extension_basic_constraints(false, -1),
                      .usage = HF_USAGE_KEY_AGREEMENT,
                      .purposes = { HF_OID_PURPOSE_EK },
                      .policies = { hf_rooted_policy(w->vma_key->rooted) },
                      .authority_id = w->vma->key_id,
                      .spec_family = "2.0",
                      .holding = &w->holding,
                      .not_before = WORLD_NOW,
                      .not_after = HF_DER_TIME_NEVER };
}

static Forgery good_vma(const World *w, GBytes *key_id)
{
    return (Forgery){ .subject = hf_name_new(NULL, "vMA", NULL),
                      .spki = w->vma_key->spki,
                      .constraints = hf_extension_basic_constraints(true, 0),
                      .usage = HF_USAGE_CERTIFICATES,
                      .purposes = { HF_OID_PURPOSE_EK, HF_OID_PURPOSE_PLATFORM },
                      .policies = { HF_OID_POLICY_TPM_RESIDENCY, HF_OID_POLICY_TPM_FIXED,
                                    hf_rooted_policy(w->vma_key->rooted) },
                      .key_id = key_id,
                      .authority_id = w->root->key_id,
                      .not_before = WORLD_BIRTH,
                      .not_after = WORLD_BIRTH + 365 * WORLD_DAY };
}

static void forgery_clear(Forgery *f)
{
    g_clear_pointer(&f->subject, g_bytes_unref);
    g_clear_pointer(&f->alt_name, g_byte_array_unref);
    g_clear_pointer(&f->constraints, g_byte_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Forgery, forgery_clear)

static void refused(World *w, GPtrArray *chain, int code, const char *text)
{
    g_autoptr(GError) error = NULL;
    HfChainProof proof = { 0 };
    g_assert_false(hf_chain_verify(chain, w->roots, &w->rules, &proof, &error));
    g_assert_null(proof.leaf); /* written only on success */
    world_refused(&error, code, text);
}

static void accepted(World *w, GPtrArray *chain)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(hf_chain_verify(chain, w->roots, &w->rules, NULL, &error));
    g_assert_no_error(error);
}

static void test_proof(void)
{
    /* Nested ones are in test-pki-nested.c. */
    const HfRooted kinds[] = { HF_ROOTED_HARDWARE, HF_ROOTED_SOFTWARE };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(World) w = world_new(kinds[i]);
        g_autoptr(GError) error = NULL;
        g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
        g_autoptr(HfCertificate) platform =
            hf_endorsement_platform(&w->ek, w->vma_key, w->vma, &error);
        g_assert_no_error(error);
        g_autoptr(GPtrArray) two = world_chain(ek, w->vma, NULL);
        g_autoptr(GPtrArray) three = world_chain(ek, w->vma, w->root, NULL);
        g_autoptr(GPtrArray) other = world_chain(platform, w->vma, NULL);
        HfChainProof proof = { 0 };
        g_assert_true(hf_chain_verify(two, w->roots, &w->rules, &proof, &error));
        g_assert_cmpint(proof.rooted, ==, kinds[i]);
        g_assert_true(proof.leaf == ek && proof.vma == w->vma && proof.root == w->root);
        g_assert_true(proof.holding == ek->holding);
        accepted(w, three);
        refused(w, other, HF_ERROR_POLICY, "EK certificate lacks the extended key usage");
        w->rules.kind = HF_LEAF_PLATFORM;
        accepted(w, other);
        refused(w, two, HF_ERROR_POLICY, "platform certificate lacks the extended key usage");
    }
}

static void test_rules(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, NULL);
    g_autoptr(GPtrArray) chain = world_chain(ek, w->vma, NULL);
    w->rules.hardware_only = true;
    refused(w, chain, HF_ERROR_POLICY, "is software-rooted, but only hardware-rooted");
    w->rules.hardware_only = false;
    w->rules.required_policy = HF_OID_POLICY_SOFTWARE;
    accepted(w, chain);
    w->rules.required_policy = "1.2.3";
    refused(w, chain, HF_ERROR_POLICY, "EK certificate lacks the policy 1.2.3");
    w->rules.required_policy = NULL;
    w->rules.at = WORLD_NOW - 1;
    refused(w, chain, HF_ERROR_POLICY, "the EK certificate is not valid yet");
    w->rules.at = WORLD_BIRTH - 1;
    refused(w, chain, HF_ERROR_POLICY, "the root certificate is not valid yet");
    w->rules.at = WORLD_BIRTH + 365 * WORLD_DAY;
    accepted(w, chain);
    w->rules.at++;
    refused(w, chain, HF_ERROR_POLICY, "the vMA certificate has expired");
}

static void test_order(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(World) other = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, NULL);
    g_autoptr(GPtrArray) one = world_chain(ek, NULL);
    g_autoptr(GPtrArray) four = world_chain(ek, w->vma, w->root, w->root, NULL);
    g_autoptr(GPtrArray) reverse = world_chain(w->root, w->vma, ek, NULL);
    g_autoptr(GPtrArray) swapped = world_chain(w->vma, ek, NULL);
    g_autoptr(GPtrArray) no_vma = world_chain(ek, w->root, NULL);
    g_autoptr(GPtrArray) other_vma = world_chain(ek, other->vma, NULL);
    g_autoptr(GPtrArray) other_root = world_chain(ek, w->vma, other->root, NULL);
    g_autoptr(GPtrArray) whole_other = world_chain(ek, w->vma, NULL);
    refused(w, one, HF_ERROR_INVALID, "expected a chain of 2 or 3 certificates, found 1");
    refused(w, four, HF_ERROR_INVALID, "found 4");
    refused(w, reverse, HF_ERROR_INVALID, "the first certificate is one of a CA");
    refused(w, swapped, HF_ERROR_INVALID, "the first certificate is one of a CA");
    refused(w, no_vma, HF_ERROR_POLICY, "there is no vMA certificate between");
    refused(w, other_vma, HF_ERROR_AUTH, "but the next certificate is the one of");
    refused(w, other_root, HF_ERROR_AUTH, "at the end of the chain is not one of the trusted");
    refused(other, whole_other, HF_ERROR_AUTH, "of the vMA certificate is not one of the trusted");
    g_autoptr(GPtrArray) nobody = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_assert_false(hf_chain_verify(whole_other, nobody, &w->rules, NULL, &error));
    world_refused(&error, HF_ERROR_AUTH, "is not one of the trusted roots");
}

/* Whoever has no vMA key can still copy every name and identifier. */
static void test_forged_signature(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(HfSigner) key = world_key(w, HF_KEYFILE_P256);
    g_auto(Forgery) ca = good_vma(w, w->vma->key_id);
    g_clear_pointer(&ca.subject, g_bytes_unref);
    ca.subject = g_bytes_ref(w->vma->subject);
    ca.spki = key->spki;
    /* Signed by a false root of the same name and key identifier. */
    g_autoptr(HfSigner) root_key = world_key(w, HF_KEYFILE_P384);
    Forgery root = { .subject = w->root->subject,
                     .spki = root_key->spki,
                     .key_id = w->root->key_id,
                     .usage = HF_USAGE_CERTIFICATES,
                     .constraints = hf_extension_basic_constraints(true, 1),
                     .not_before = WORLD_BIRTH,
                     .not_after = HF_DER_TIME_NEVER };
    g_autoptr(HfCertificate) false_root = forge(&root, root_key, NULL);
    g_byte_array_unref(root.constraints);
    g_autoptr(HfCertificate) false_vma = forge(&ca, root_key, false_root);
    g_auto(Forgery) leaf = good_ek(w);
    g_autoptr(HfCertificate) ek = forge(&leaf, key, false_vma);
    g_autoptr(GPtrArray) leaf_forged = world_chain(ek, w->vma, NULL);
    g_autoptr(GPtrArray) vma_forged = world_chain(ek, false_vma, NULL);
    g_autoptr(GPtrArray) all_forged = world_chain(ek, false_vma, false_root, NULL);
    refused(w, leaf_forged, HF_ERROR_AUTH, "EK certificate: the signature does not verify");
    refused(w, vma_forged, HF_ERROR_AUTH, "vMA certificate: the signature does not verify");
    refused(w, all_forged, HF_ERROR_AUTH, "at the end of the chain is not one of the trusted");
}

/* A vMA key that went bad issues a CA, and the CA an EK certificate. */
static void test_sub_ca(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(HfSigner) key = world_key(w, HF_KEYFILE_P256);
    g_autoptr(GBytes) key_id = hf_spki_key_id(key->spki);
    g_auto(Forgery) ca = good_vma(w, key_id);
    ca.spki = key->spki;
    ca.authority_id = w->vma->key_id;
    g_autoptr(HfCertificate) sub = forge(&ca, w->vma_key, w->vma);
    g_auto(Forgery) leaf = good_ek(w);
    leaf.authority_id = key_id;
    g_autoptr(HfCertificate) ek = forge(&leaf, key, sub);
    g_autoptr(GPtrArray) whole = world_chain(ek, sub, w->vma, w->root, NULL);
    g_autoptr(GPtrArray) without_root = world_chain(ek, sub, w->vma, NULL);
    g_autoptr(GPtrArray) without_vma = world_chain(ek, sub, NULL);
    g_autoptr(GPtrArray) skipping = world_chain(ek, sub, w->root, NULL);
    g_autoptr(GPtrArray) as_leaf = world_chain(sub, w->vma, NULL);
    refused(w, whole, HF_ERROR_INVALID, "exactly one CA stands between");
    refused(w, without_root, HF_ERROR_AUTH, "is not one of the trusted roots");
    refused(w, without_vma, HF_ERROR_AUTH, "is not one of the trusted roots");
    refused(w, skipping, HF_ERROR_AUTH, "not issued by the root certificate");
    refused(w, as_leaf, HF_ERROR_INVALID, "the first certificate is one of a CA");
}

/* A TLS server certificate below the vMA is no EK certificate, whatever else it has. */
static void test_tls_server(void)
{
    static const char dns[] = "\x30\x0e\x82\x0c"
                              "vtpm.invalid";
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_auto(Forgery) leaf = good_ek(w);
    g_clear_pointer(&leaf.subject, g_bytes_unref);
    g_clear_pointer(&leaf.alt_name, g_byte_array_unref);
    leaf.subject = hf_name_new(NULL, "vtpm.invalid", NULL);
    leaf.alt_name = g_byte_array_new();
    hf_put_bytes(leaf.alt_name, dns, sizeof dns - 1);
    leaf.alt_name_plain = true;
    leaf.usage = HF_USAGE_SIGNATURE;
    leaf.purposes[0] = "1.3.6.1.5.5.7.3.1";
    g_autoptr(HfCertificate) tls = forge(&leaf, w->vma_key, w->vma);
    g_autoptr(GPtrArray) chain = world_chain(tls, w->vma, NULL);
    refused(w, chain, HF_ERROR_POLICY, "lacks the extended key usage 2.23.133.8.1");
    leaf.purposes[1] = HF_OID_PURPOSE_EK;
    g_autoptr(HfCertificate) both = forge(&leaf, w->vma_key, w->vma);
    g_autoptr(GPtrArray) second = world_chain(both, w->vma, NULL);
    refused(w, second, HF_ERROR_POLICY, "further extended key usages");
    leaf.purposes[0] = HF_OID_PURPOSE_EK;
    leaf.purposes[1] = NULL;
    g_autoptr(HfCertificate) named = forge(&leaf, w->vma_key, w->vma);
    g_autoptr(GPtrArray) third = world_chain(named, w->vma, NULL);
    refused(w, third, HF_ERROR_INVALID, "subject of the EK certificate is not empty");
}

/* Verifies a forged leaf below the real vMA; text NULL: it is good. */
static void try_leaf(World *w, Forgery *f, int code, const char *text)
{
    g_autoptr(HfCertificate) leaf = forge(f, w->vma_key, w->vma);
    g_autoptr(GPtrArray) chain = world_chain(leaf, w->vma, NULL);
    if (text) {
        refused(w, chain, code, text);
    } else {
        accepted(w, chain);
    }
}

/* Spoils one field of the good EK certificate in a copy and tries it. */
#define TRY_LEAF(field, value, code, text) \
    do {                                   \
        Forgery spoilt = good;             \
        spoilt.field = value;              \
        try_leaf(w, &spoilt, code, text);  \
    } while (0)

static void test_leaf_checks(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_auto(Forgery) good = good_ek(w);
    g_autoptr(GByteArray) extra_name = tpm_names("2.5.4.3");
    g_autoptr(GByteArray) twice = tpm_names(HF_OID_TPM_MODEL);
    g_autoptr(GByteArray) platform_too = tpm_names(HF_OID_PLATFORM_MODEL);
    g_autoptr(GBytes) wrong_id = g_bytes_new("12345678901234567890", 20);
    HfHolding no_host = w->holding;
    no_host.host_ek = NULL;
    try_leaf(w, &good, 0, NULL);
    TRY_LEAF(unknown_plain, true, 0, NULL);
    TRY_LEAF(unknown_critical, true, HF_ERROR_INVALID, "critical extension that is not known: 1.2");
    TRY_LEAF(purposes[0], NULL, HF_ERROR_POLICY, "lacks the extended key usage 2.23.133.8.1");
    TRY_LEAF(purposes[0], "2.5.29.37.0", HF_ERROR_POLICY, "lacks the extended key usage");
    TRY_LEAF(constraints, NULL, HF_ERROR_INVALID, "no critical basic constraints");
    TRY_LEAF(constraints_plain, true, HF_ERROR_INVALID, "no critical basic constraints");
    TRY_LEAF(usage, 0, HF_ERROR_POLICY, "key usage of the EK certificate");
    TRY_LEAF(usage_plain, true, HF_ERROR_POLICY, "key usage of the EK certificate");
    TRY_LEAF(usage, HF_USAGE_KEY_ENCIPHERMENT, HF_ERROR_POLICY, "key usage of the EK certificate");
    TRY_LEAF(usage, HF_USAGE_KEY_AGREEMENT | HF_USAGE_CERTIFICATES, HF_ERROR_POLICY, "key usage");
    TRY_LEAF(usage, HF_USAGE_SIGNATURE, 0, NULL);
    TRY_LEAF(alt_name, NULL, HF_ERROR_INVALID, "no critical subject alternative name");
    TRY_LEAF(alt_name_plain, true, HF_ERROR_INVALID, "no critical subject alternative name");
    TRY_LEAF(alt_name, extra_name, HF_ERROR_INVALID, "manufacturer, model and version alone");
    TRY_LEAF(alt_name, twice, HF_ERROR_INVALID, "manufacturer, model and version alone");
    TRY_LEAF(alt_name, platform_too, HF_ERROR_INVALID, "manufacturer, model and version alone");
    TRY_LEAF(spec_family, NULL, HF_ERROR_INVALID, "does not name the TPM specification");
    TRY_LEAF(policies[0], NULL, HF_ERROR_POLICY, "does not have exactly one of the policies");
    TRY_LEAF(policies[1], HF_OID_POLICY_SOFTWARE, HF_ERROR_POLICY, "exactly one of the policies");
    TRY_LEAF(policies[0], HF_OID_POLICY_SOFTWARE, HF_ERROR_POLICY, "vMA certificate lacks the");
    TRY_LEAF(holding, NULL, HF_ERROR_INVALID, "does not name the host TPM");
    TRY_LEAF(holding, &no_host, HF_ERROR_INVALID, "does not name the host TPM");
    TRY_LEAF(authority_id, NULL, HF_ERROR_INVALID, "has no key identifier of its issuer");
    TRY_LEAF(authority_id, wrong_id, HF_ERROR_AUTH, "is not the one of the vMA certificate");
    TRY_LEAF(not_before, w->rules.at + 1, HF_ERROR_POLICY, "EK certificate is not valid yet");
    TRY_LEAF(not_after, w->rules.at - 1, HF_ERROR_POLICY, "EK certificate has expired");
}

/* The same for the vMA certificate, with a good leaf below it. */
static void try_vma(World *w, Forgery *f, int code, const char *text)
{
    g_autoptr(HfCertificate) vma = forge(f, w->root_key, w->root);
    g_auto(Forgery) below = good_ek(w);
    g_autoptr(HfCertificate) leaf = forge(&below, w->vma_key, vma);
    g_autoptr(GPtrArray) chain = world_chain(leaf, vma, NULL);
    if (text) {
        refused(w, chain, code, text);
    } else {
        accepted(w, chain);
    }
}

#define TRY_VMA(field, value, code, text) \
    do {                                  \
        Forgery spoilt = good;            \
        spoilt.field = value;             \
        try_vma(w, &spoilt, code, text);  \
    } while (0)

static void test_vma_checks(void)
{
    /* permitted: directoryName; the form that breaks OpenSSL and Go */
    static const char directory[] = "\x30\x08\xa0\x06\x30\x04\xa4\x02\x30\x00";
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_auto(Forgery) good = good_vma(w, w->vma->key_id);
    g_autoptr(GByteArray) unlimited = hf_extension_basic_constraints(true, -1);
    g_autoptr(GByteArray) deeper = hf_extension_basic_constraints(true, 1);
    g_autoptr(GByteArray) no_ca = hf_extension_basic_constraints(false, -1);
    g_autoptr(GBytes) wrong_id = g_bytes_new("12345678901234567890", 20);
    try_vma(w, &good, 0, NULL);
    TRY_VMA(constraints, NULL, HF_ERROR_POLICY, "vMA certificate is not one of a CA");
    TRY_VMA(constraints, no_ca, HF_ERROR_POLICY, "vMA certificate is not one of a CA");
    TRY_VMA(constraints_plain, true, HF_ERROR_POLICY, "basic constraints are not critical");
    TRY_VMA(constraints, unlimited, HF_ERROR_POLICY, "path length of the vMA certificate is not 0");
    TRY_VMA(constraints, deeper, HF_ERROR_POLICY, "path length of the vMA certificate is not 0");
    TRY_VMA(usage, HF_USAGE_CRL, HF_ERROR_POLICY, "does not allow to sign certificates");
    TRY_VMA(usage, 0, HF_ERROR_POLICY, "does not allow to sign certificates");
    TRY_VMA(usage_plain, true, HF_ERROR_POLICY, "key usage of the vMA certificate is not critical");
    TRY_VMA(purposes[0], NULL, HF_ERROR_POLICY, "vMA certificate lacks the extended key usage");
    TRY_VMA(purposes[0], HF_OID_PURPOSE_AK, HF_ERROR_POLICY, "lacks the extended key usage");
    TRY_VMA(purposes[1], NULL, 0, NULL); /* enough for an EK certificate */
    TRY_VMA(policies[0], "1.2.3", HF_ERROR_POLICY, "does not say that its key was verified");
    TRY_VMA(policies[2], HF_OID_POLICY_SOFTWARE, HF_ERROR_POLICY, "vMA certificate lacks the");
    TRY_VMA(authority_id, NULL, HF_ERROR_AUTH, "is not one of the trusted roots");
    TRY_VMA(authority_id, wrong_id, HF_ERROR_AUTH, "is not one of the trusted roots");
    TRY_VMA(key_id, NULL, HF_ERROR_INVALID, "vMA certificate has no key identifier");
    TRY_VMA(key_id, wrong_id, HF_ERROR_AUTH, "is not the one of the vMA certificate");
    TRY_VMA(unknown_critical, true, HF_ERROR_INVALID, "critical extension that is not known");
    TRY_VMA(not_after, w->rules.at - 1, HF_ERROR_POLICY, "vMA certificate has expired");
    g_autoptr(GByteArray) usual = hf_extension_name_constraints();
    TRY_VMA(name_constraints, usual, 0, NULL);
    g_autoptr(GByteArray) names = g_byte_array_new();
    hf_put_bytes(names, directory, sizeof directory - 1);
    TRY_VMA(name_constraints, names, HF_ERROR_UNSUPPORTED, "constrains names of other kinds");
}

static void test_root_checks(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    GByteArray *limits[] = { hf_extension_basic_constraints(true, 0),
                             hf_extension_basic_constraints(false, -1),
                             hf_extension_basic_constraints(true, -1) };
    const char *texts[] = { "path length of the root certificate allows no CA",
                            "root certificate is not one of a CA", NULL };
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        Forgery f = { .subject = w->root->subject,
                      .spki = w->root_key->spki,
                      .key_id = w->root->key_id,
                      .usage = HF_USAGE_CERTIFICATES,
                      .constraints = limits[i],
                      .not_before = WORLD_BIRTH,
                      .not_after = HF_DER_TIME_NEVER };
        g_autoptr(HfCertificate) root = forge(&f, w->root_key, NULL);
        g_byte_array_unref(limits[i]);
        g_autoptr(HfCertificate) ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, NULL);
        g_autoptr(GPtrArray) chain = world_chain(ek, w->vma, NULL);
        g_ptr_array_unref(w->roots);
        w->roots = world_chain(root, NULL);
        if (texts[i]) {
            refused(w, chain, HF_ERROR_POLICY, texts[i]);
        } else {
            accepted(w, chain);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pki/chain/proof", test_proof);
    g_test_add_func("/pki/chain/rules", test_rules);
    g_test_add_func("/pki/chain/order", test_order);
    g_test_add_func("/pki/chain/forged-signature", test_forged_signature);
    g_test_add_func("/pki/chain/sub-ca", test_sub_ca);
    g_test_add_func("/pki/chain/tls-server", test_tls_server);
    g_test_add_func("/pki/chain/leaf", test_leaf_checks);
    g_test_add_func("/pki/chain/vma", test_vma_checks);
    g_test_add_func("/pki/chain/root", test_root_checks);
    return g_test_run();
}
