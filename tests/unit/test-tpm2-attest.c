/*
 * test-tpm2-attest.c - quotes, certifications and credentials from a real TPM: they verify; and
 * refuse when any one thing is not as it should be.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "live_tpm.h"
#include "tpm2/attest.h"
#include "tpm2/constants.h"
#include "tpm2/credential.h"
#include "tpm2/template.h"

#define DATA(bytes) g_bytes_get_data(bytes, NULL)
#define SIZE(bytes) g_bytes_get_size(bytes)

/* A TPM with an attestation key and a quote by it. */
typedef struct {
    LiveTpm *live;
    uint32_t key;
    HfPublic ak;
    HfTpmName signer;
    GBytes *nonce;
    HfPcrSelection selection;
    HfPcrValues *values;
    GBytes *attest;
    GBytes *signature;
} Quoted;

static void quoted_setup(Quoted *q, uint16_t scheme)
{
    HfTpmName endorsement = hf_tpm_name_of_handle(TPM2_RH_ENDORSEMENT);
    GError *error = NULL;
    HfTpmName name;
    HfPublic template;

    q->live = live_tpm_new();
    g_assert_true(hf_tpm_startup(&q->live->transport, TPM2_SU_CLEAR, &error));
    live_tpm_ak_template(scheme, &template);
    g_assert_true(hf_tpm_create_primary(&q->live->transport, TPM2_RH_ENDORSEMENT, NULL, &template,
                                        &q->key, &q->ak, &error));
    g_assert_no_error(error);
    name = hf_public_name(&q->ak);
    q->signer = hf_tpm_name_qualify(&endorsement, &name);
    q->nonce = g_bytes_new("fresh nonce", 11);
    g_assert_true(hf_pcr_selection_parse("sha256:0,2,4,7+sha1:1", &q->selection, NULL));
    q->values = hf_tpm_pcr_read(&q->live->transport, &q->selection, &error);
    g_assert_no_error(error);
    live_tpm_quote(q->live, q->key, q->nonce, &q->selection, &q->attest, &q->signature);
}

static void quoted_clear(Quoted *q)
{
    live_tpm_free(q->live);
    hf_pcr_values_free(q->values);
    g_bytes_unref(q->nonce);
    g_bytes_unref(q->attest);
    g_bytes_unref(q->signature);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Quoted, quoted_clear)

static HfAttestExpected expected_of(const Quoted *q)
{
    return (HfAttestExpected){ .key = &q->ak,
                               .nonce = DATA(q->nonce),
                               .nonce_size = SIZE(q->nonce),
                               .signer = &q->signer,
                               .selection = &q->selection,
                               .values = q->values };
}

static void assert_quote_refused(const Quoted *q, const HfAttestExpected *expected,
                                 const char *check)
{
    g_autoptr(GError) error = NULL;
    HfAttest attest = { .type = 0x1234 };

    g_assert_false(hf_attest_verify_quote(DATA(q->attest), SIZE(q->attest), DATA(q->signature),
                                          SIZE(q->signature), expected, &attest, &error));
    g_assert_nonnull(error);
    if (!g_str_has_prefix(error->message, check)) {
        g_test_fail_printf("expected check \"%s\", found \"%s\"", check, error->message);
    }
    g_assert_cmphex(attest.type, ==, 0x1234);
}

static void test_quote(gconstpointer scheme)
{
    g_auto(Quoted) q = { 0 };
    HfAttestExpected expected;
    GError *error = NULL;
    HfAttest attest;

    quoted_setup(&q, (uint16_t)GPOINTER_TO_UINT(scheme));
    expected = expected_of(&q);
    g_assert_true(hf_attest_verify_quote(DATA(q.attest), SIZE(q.attest), DATA(q.signature),
                                         SIZE(q.signature), &expected, &attest, &error));
    g_assert_no_error(error);
    g_assert_cmphex(attest.type, ==, TPM2_ST_ATTEST_QUOTE);
    g_assert_cmpuint(attest.pcr_digest_size, ==, 32);
    g_assert_true(attest.safe);
    expected.values = NULL;
    expected.signer = NULL;
    g_assert_true(hf_attest_verify_quote(DATA(q.attest), SIZE(q.attest), DATA(q.signature),
                                         SIZE(q.signature), &expected, NULL, &error));
}

/* What is expected differs in one thing; the signature is good all the time. */
static void test_quote_refused(void)
{
    g_auto(Quoted) q = { 0 };
    HfAttestExpected expected;
    HfPcrSelection other;
    HfPublic key;
    HfTpmName signer;
    HfDigest event = hf_digest_of(TPM2_ALG_SHA256, "event", 5);
    g_autoptr(HfPcrValues) changed = NULL;

    quoted_setup(&q, TPM2_ALG_ECDSA);
    expected = expected_of(&q);
    expected.nonce = "other nonce";
    assert_quote_refused(&q, &expected, "nonce: ");
    expected = expected_of(&q);
    expected.nonce_size--;
    assert_quote_refused(&q, &expected, "nonce: ");
    expected = expected_of(&q);
    expected.nonce_size = 0;
    assert_quote_refused(&q, &expected, "nonce: ");
    expected = expected_of(&q);
    signer = q.signer;
    signer.data[5] ^= 1;
    expected.signer = &signer;
    assert_quote_refused(&q, &expected, "signer: ");
    expected = expected_of(&q);
    expected.selection = &other;
    g_assert_true(hf_pcr_selection_parse("sha256:0,2,4", &other, NULL));
    assert_quote_refused(&q, &expected, "selection: ");
    g_assert_true(hf_pcr_selection_parse("sha1:1+sha256:0,2,4,7", &other, NULL));
    assert_quote_refused(&q, &expected, "selection: ");
    expected = expected_of(&q);
    expected.key = &key;
    key = q.ak;
    key.attributes &= ~TPMA_OBJECT_RESTRICTED;
    assert_quote_refused(&q, &expected, "attestation key: ");
    key = q.ak;
    key.scheme.hash = TPM2_ALG_SHA384;
    assert_quote_refused(&q, &expected, "signature: expected the key's scheme");
    key = q.ak;
    key.y[0] ^= 1;
    assert_quote_refused(&q, &expected, "signature: public key: the point is not on its curve");
    /* PCR 7 moved after the quote: the values are no longer those that were signed. */
    g_assert_true(hf_tpm_pcr_extend(&q.live->transport, 7, &event, 1, NULL));
    changed = hf_tpm_pcr_read(&q.live->transport, &q.selection, NULL);
    expected = expected_of(&q);
    expected.values = changed;
    assert_quote_refused(&q, &expected, "PCR digest: ");
}

/* Another key of the same TPM, and a key of another kind, are not the key. */
static void test_quote_other_key(void)
{
    g_auto(Quoted) q = { 0 };
    HfAttestExpected expected;
    HfPublic template;
    HfPublic other;
    uint32_t handle;

    quoted_setup(&q, TPM2_ALG_ECDSA);
    expected = expected_of(&q);
    expected.signer = NULL;
    expected.key = &other;
    live_tpm_ak_template(TPM2_ALG_ECDSA, &template);
    g_assert_true(hf_tpm_create_primary(&q.live->transport, TPM2_RH_OWNER, NULL, &template, &handle,
                                        &other, NULL));
    assert_quote_refused(&q, &expected, "signature: signature does not verify");
    live_tpm_ak_template(TPM2_ALG_RSASSA, &template);
    g_assert_true(hf_tpm_create_primary(&q.live->transport, TPM2_RH_OWNER, NULL, &template, &handle,
                                        &other, NULL));
    assert_quote_refused(&q, &expected, "signature: expected the key's scheme");
}

/* Every bit of attestation and signature counts. */
static void test_quote_flipped(gconstpointer scheme)
{
    g_auto(Quoted) q = { 0 };
    HfAttestExpected expected;
    g_autofree uint8_t *attest = NULL;
    g_autofree uint8_t *signature = NULL;

    quoted_setup(&q, (uint16_t)GPOINTER_TO_UINT(scheme));
    expected = expected_of(&q);
    attest = g_memdup2(DATA(q.attest), SIZE(q.attest));
    signature = g_memdup2(DATA(q.signature), SIZE(q.signature));
    for (size_t i = 0; i < SIZE(q.attest) * 8; i++) {
        attest[i / 8] ^= (uint8_t)(1u << (i % 8));
        g_assert_false(hf_attest_verify_quote(attest, SIZE(q.attest), signature, SIZE(q.signature),
                                              &expected, NULL, NULL));
        attest[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t i = 0; i < SIZE(q.signature) * 8; i++) {
        signature[i / 8] ^= (uint8_t)(1u << (i % 8));
        g_assert_false(hf_attest_verify_quote(attest, SIZE(q.attest), signature, SIZE(q.signature),
                                              &expected, NULL, NULL));
        signature[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    g_assert_true(hf_attest_verify_quote(attest, SIZE(q.attest), signature, SIZE(q.signature),
                                         &expected, NULL, NULL));
}

static void assert_attest_refused(const uint8_t *bytes, size_t n, const char *field)
{
    g_autoptr(GError) error = NULL;
    HfAttest attest;

    g_assert_false(hf_attest_parse(bytes, n, &attest, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    if (!g_str_has_prefix(error->message, field)) {
        g_test_fail_printf("expected \"%s\", found \"%s\"", field, error->message);
    }
}

static void test_parse_refused(void)
{
    g_auto(Quoted) q = { 0 };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    HfTpmSignature signature;
    size_t n;

    quoted_setup(&q, TPM2_ALG_ECDSA);
    n = SIZE(q.attest);
    for (size_t i = 0; i < n; i++) {
        g_autofree uint8_t *copy = g_memdup2(DATA(q.attest), i);
        HfAttest attest;

        g_assert_false(hf_attest_parse(copy, i, &attest, NULL));
    }
    for (size_t i = 0; i < SIZE(q.signature); i++) {
        g_autofree uint8_t *copy = g_memdup2(DATA(q.signature), i);

        g_assert_false(hf_tpm_signature_parse(copy, i, &signature, NULL));
    }
    hf_put_gbytes(bytes, q.attest);
    hf_put_u8(bytes, 0);
    assert_attest_refused(bytes->data, n + 1, "attestation: 1 bytes follow");
    hf_set_u32_at(bytes, 0, 0xff544348);
    assert_attest_refused(bytes->data, n, "magic: ");
    hf_set_u32_at(bytes, 0, TPM2_GENERATED_VALUE);
    hf_set_u16_at(bytes, 4, 0x8019); /* time attestation */
    assert_attest_refused(bytes->data, n, "type: ");
    hf_set_u16_at(bytes, 4, TPM2_ST_ATTEST_QUOTE);
    hf_set_u16_at(bytes, 6, 33);
    assert_attest_refused(bytes->data, n, "qualifiedSigner: ");
    hf_set_u16_at(bytes, 6, 34);
    hf_set_u16_at(bytes, 42, 67);
    assert_attest_refused(bytes->data, n, "extraData: ");
    hf_set_u16_at(bytes, 42, 11);
    bytes->data[42 + 2 + 11 + 16] = 2; /* clockInfo.safe */
    assert_attest_refused(bytes->data, n, "clock: safe: ");
    g_byte_array_set_size(bytes, 0);
    hf_put_gbytes(bytes, q.signature);
    hf_set_u16_at(bytes, 0, TPM2_ALG_ECDAA);
    g_assert_false(hf_tpm_signature_parse(bytes->data, bytes->len, &signature, NULL));
    hf_set_u16_at(bytes, 0, TPM2_ALG_ECDSA);
    hf_set_u16_at(bytes, 2, TPM2_ALG_NULL);
    g_assert_false(hf_tpm_signature_parse(bytes->data, bytes->len, &signature, NULL));
    hf_set_u16_at(bytes, 2, TPM2_ALG_SHA256);
    hf_put_u8(bytes, 0);
    g_assert_false(hf_tpm_signature_parse(bytes->data, bytes->len, &signature, NULL));
}

/* CertifyCreation and Certify of a key made with a nonce in outsideInfo. */
typedef struct {
    Quoted q;
    LiveKey key;
    GBytes *outside;
    GBytes *attest;
    GBytes *signature;
} Certified;

static void certified_clear(Certified *c)
{
    quoted_clear(&c->q);
    live_key_clear(&c->key);
    g_bytes_unref(c->outside);
    g_bytes_unref(c->attest);
    g_bytes_unref(c->signature);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Certified, certified_clear)

static void certified_setup(Certified *c)
{
    uint32_t srk;
    HfPublic template;

    quoted_setup(&c->q, TPM2_ALG_ECDSA);
    c->outside = g_bytes_new("outside", 7);
    hf_template_public(HF_TEMPLATE_SRK_P256, &template);
    g_assert_true(hf_tpm_create_primary(&c->q.live->transport, TPM2_RH_OWNER, NULL, &template, &srk,
                                        NULL, NULL));
    live_tpm_create_key(c->q.live, srk, c->outside, &c->key);
    live_tpm_certify_creation(c->q.live, c->q.key, &c->key, c->q.nonce, &c->attest, &c->signature);
}

static bool verify_creation(const Certified *c, const HfAttestExpected *expected,
                            const HfPublic *object, const void *creation, size_t creation_size,
                            const char *outside, GError **error)
{
    return hf_attest_verify_creation(DATA(c->attest), SIZE(c->attest), DATA(c->signature),
                                     SIZE(c->signature), expected, object, creation, creation_size,
                                     outside, strlen(outside), error);
}

static void assert_prefix(GError **error, const char *prefix)
{
    g_assert_nonnull(*error);
    if (!g_str_has_prefix((*error)->message, prefix)) {
        g_test_fail_printf("expected \"%s\", found \"%s\"", prefix, (*error)->message);
    }
    g_clear_error(error);
}

static void test_creation(void)
{
    g_auto(Certified) c = { 0 };
    HfAttestExpected expected;
    g_autofree uint8_t *altered = NULL;
    GError *error = NULL;
    HfCreationData parsed;
    HfPublic other;
    size_t n;

    certified_setup(&c);
    n = SIZE(c.key.creation);
    expected = expected_of(&c.q);
    g_assert_true(
        verify_creation(&c, &expected, &c.key.pub, DATA(c.key.creation), n, "outside", &error));
    g_assert_no_error(error);
    g_assert_false(
        verify_creation(&c, &expected, &c.key.pub, DATA(c.key.creation), n, "0utside", &error));
    assert_prefix(&error, "outside info: ");
    altered = g_memdup2(DATA(c.key.creation), n);
    altered[n - 1] ^= 1;
    g_assert_false(verify_creation(&c, &expected, &c.key.pub, altered, n, "outside", &error));
    assert_prefix(&error, "creation hash: ");
    other = c.key.pub;
    other.attributes ^= TPMA_OBJECT_FIXEDPARENT;
    g_assert_false(
        verify_creation(&c, &expected, &other, DATA(c.key.creation), n, "outside", &error));
    assert_prefix(&error, "object name: ");
    expected.nonce_size--;
    g_assert_false(
        verify_creation(&c, &expected, &c.key.pub, DATA(c.key.creation), n, "outside", &error));
    assert_prefix(&error, "nonce: ");
    for (size_t i = 0; i < n; i++) {
        g_autofree uint8_t *copy = g_memdup2(DATA(c.key.creation), i);

        g_assert_false(hf_creation_data_parse(copy, i, &parsed, NULL));
    }
    g_assert_true(hf_creation_data_parse(DATA(c.key.creation), n, &parsed, NULL));
    g_assert_cmpuint(parsed.outside_size, ==, 7);
}

/* One kind of attestation does not pass for another. */
static void test_kinds(void)
{
    g_auto(Certified) c = { 0 };
    g_autoptr(GBytes) attest = NULL;
    g_autoptr(GBytes) signature = NULL;
    HfAttestExpected expected;
    GError *error = NULL;
    HfTpmName wrong = { .size = 34 };
    HfPublic other;

    certified_setup(&c);
    expected = expected_of(&c.q);
    live_tpm_certify(c.q.live, c.q.key, c.key.handle, c.q.nonce, &attest, &signature);
    g_assert_true(hf_attest_verify_certify(DATA(attest), SIZE(attest), DATA(signature),
                                           SIZE(signature), &expected, &c.key.pub, NULL, &error));
    g_assert_no_error(error);
    g_assert_false(hf_attest_verify_certify(DATA(attest), SIZE(attest), DATA(signature),
                                            SIZE(signature), &expected, &c.key.pub, &wrong,
                                            &error));
    assert_prefix(&error, "qualified name: ");
    other = c.key.pub;
    other.attributes ^= TPMA_OBJECT_NODA;
    g_assert_false(hf_attest_verify_certify(DATA(attest), SIZE(attest), DATA(signature),
                                            SIZE(signature), &expected, &other, NULL, &error));
    assert_prefix(&error, "object name: ");
    g_assert_false(hf_attest_verify_quote(DATA(attest), SIZE(attest), DATA(signature),
                                          SIZE(signature), &expected, NULL, &error));
    assert_prefix(&error, "type: ");
    g_assert_false(hf_attest_verify_certify(DATA(c.attest), SIZE(c.attest), DATA(c.signature),
                                            SIZE(c.signature), &expected, &c.key.pub, NULL,
                                            &error));
    assert_prefix(&error, "type: ");
}

/* MakeCredential here, ActivateCredential in the TPM: the right key and EK give the secret back,
 * another key, another EK or an altered blob do not. */
static void test_credential(gconstpointer which)
{
    HfTemplate template = (HfTemplate)GPOINTER_TO_INT(which);
    g_auto(Quoted) q = { 0 };
    g_autoptr(HfCredential) credential = NULL;
    g_autoptr(HfCredential) again = NULL;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GBytes) secret = NULL;
    g_autoptr(GBytes) refused = NULL;
    g_autofree uint8_t *altered = NULL;
    g_autoptr(GBytes) bad = NULL;
    GError *error = NULL;
    HfPublic pub;
    HfPublic ek;
    HfTpmName name;
    uint32_t handle;
    uint32_t code = 0;

    quoted_setup(&q, TPM2_ALG_ECDSA);
    hf_template_public(template, &pub);
    g_assert_true(hf_tpm_create_primary(&q.live->transport, TPM2_RH_ENDORSEMENT, NULL, &pub,
                                        &handle, &ek, &error));
    name = hf_public_name(&q.ak);
    credential = hf_credential_make(&ek, &name, "sixteen byte key", 16, &error);
    g_assert_no_error(error);
    file = hf_credential_to_file(credential);
    again = hf_credential_from_file(DATA(file), SIZE(file), &error);
    g_assert_no_error(error);
    secret =
        live_tpm_activate(q.live, q.key, handle, again->id_object, again->encrypted_secret, &code);
    g_assert_cmphex(code, ==, 0);
    g_assert_cmpmem(DATA(secret), SIZE(secret), "sixteen byte key", 16);

    refused =
        live_tpm_activate(q.live, handle, handle, again->id_object, again->encrypted_secret, &code);
    g_assert_null(refused);
    g_assert_cmphex(code, !=, 0);
    altered = g_memdup2(DATA(again->id_object), SIZE(again->id_object));
    altered[SIZE(again->id_object) - 1] ^= 1;
    bad = g_bytes_new(altered, SIZE(again->id_object));
    refused = live_tpm_activate(q.live, q.key, handle, bad, again->encrypted_secret, &code);
    g_assert_null(refused);
    g_assert_cmphex(code, ==, 0x1df); /* TPM_RC_INTEGRITY, parameter 1 */
}

static void test_credential_refused(void)
{
    uint8_t modulus[256];
    g_autoptr(HfPublicKey) key = NULL;
    g_autoptr(HfCredential) credential = NULL;
    g_autoptr(GBytes) file = NULL;
    g_autofree uint8_t *copy = NULL;
    HfTpmName name = hf_tpm_name_of_handle(TPM2_RH_NULL);
    uint8_t secret[33] = { 0 };
    GError *error = NULL;
    HfPublic ek;
    HfPublic bad;

    memset(modulus, 0xff, sizeof modulus);
    key = hf_public_key_from_rsa(modulus, sizeof modulus, 65537, NULL);
    g_assert_true(hf_template_for_key(key, &ek, NULL));
    g_assert_null(hf_credential_make(&ek, &name, secret, 33, &error));
    assert_prefix(&error, "credential: expected a secret of 1 to 32 bytes, found 33");
    g_assert_null(hf_credential_make(&ek, &name, secret, 0, &error));
    assert_prefix(&error, "credential: ");
    bad = ek;
    bad.attributes &= ~TPMA_OBJECT_FIXEDTPM;
    g_assert_null(hf_credential_make(&bad, &name, secret, 16, &error));
    assert_prefix(&error, "endorsement key: attribute fixedTPM must be set");
    bad = ek;
    bad.symmetric.alg = TPM2_ALG_NULL;
    g_assert_null(hf_credential_make(&bad, &name, secret, 16, &error));
    assert_prefix(&error, "endorsement key: symmetric");
    bad = ek;
    bad.unique_size = 0;
    g_assert_null(hf_credential_make(&bad, &name, secret, 16, &error));
    assert_prefix(&error, "public key: ");

    credential = hf_credential_make(&ek, &name, secret, 32, &error);
    file = hf_credential_to_file(credential);
    for (size_t n = 0; n < SIZE(file); n++) {
        g_autofree uint8_t *cut = g_memdup2(DATA(file), n);

        g_assert_null(hf_credential_from_file(cut, n, NULL));
    }
    copy = g_memdup2(DATA(file), SIZE(file));
    copy[7] = 2;
    g_assert_null(hf_credential_from_file(copy, SIZE(file), &error));
    assert_prefix(&error, "credential file: expected magic");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/tpm2/quote/ecdsa", GUINT_TO_POINTER(TPM2_ALG_ECDSA), test_quote);
    g_test_add_data_func("/tpm2/quote/rsassa", GUINT_TO_POINTER(TPM2_ALG_RSASSA), test_quote);
    g_test_add_data_func("/tpm2/quote/rsapss", GUINT_TO_POINTER(TPM2_ALG_RSAPSS), test_quote);
    g_test_add_func("/tpm2/quote/refused", test_quote_refused);
    g_test_add_func("/tpm2/quote/other-key", test_quote_other_key);
    g_test_add_data_func("/tpm2/quote/flipped-ecdsa", GUINT_TO_POINTER(TPM2_ALG_ECDSA),
                         test_quote_flipped);
    g_test_add_data_func("/tpm2/quote/flipped-rsassa", GUINT_TO_POINTER(TPM2_ALG_RSASSA),
                         test_quote_flipped);
    g_test_add_func("/tpm2/attest/parse-refused", test_parse_refused);
    g_test_add_func("/tpm2/attest/creation", test_creation);
    g_test_add_func("/tpm2/attest/kinds", test_kinds);
    g_test_add_data_func("/tpm2/credential/rsa2048", GINT_TO_POINTER(HF_TEMPLATE_EK_RSA2048),
                         test_credential);
    g_test_add_data_func("/tpm2/credential/p256", GINT_TO_POINTER(HF_TEMPLATE_EK_P256),
                         test_credential);
    g_test_add_data_func("/tpm2/credential/p384", GINT_TO_POINTER(HF_TEMPLATE_EK_P384),
                         test_credential);
    g_test_add_func("/tpm2/credential/refused", test_credential_refused);
    return g_test_run();
}
