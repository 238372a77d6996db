/*
 * test-tpm2-public.c - public areas, Names, templates and NV public areas: round trips, known
 * answers made by tpm2-tools, every field that can be wrong, every truncation.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"
#include "tpm2/nvindex.h"
#include "tpm2/public.h"
#include "tpm2/template.h"

/* tpm2_createak -G ecc -g sha256 -s ecdsa of tpm2-tools 5.4: its -u and -n files. */
#define AK_PUBLIC                                                                      \
    "00580023000b00050072000000100018000b000300100020bb507b1e12dd7c9dc4464b15ae430ba4" \
    "9033d318f837a00dd8e30ea0fe25ff4500205033f516bb29446fa24074f9ca2d2575774685b4c7af" \
    "bcf53a7ebffed0b2e63f"
#define AK_NAME "000be4a8358904a96730aba937b0d690cb5a3f6f093770e6adb57d8ed54d61b3c7ba"

static GByteArray *written(const HfPublic *pub)
{
    GByteArray *w = g_byte_array_new();

    hf_public_write(pub, w);
    return w;
}

static void test_known_answer(void)
{
    g_autoptr(GBytes) bytes = hf_hex_parse(AK_PUBLIC, "AK", NULL);
    g_autoptr(GBytes) expected = hf_hex_parse(AK_NAME, "name", NULL);
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_autofree char *attributes = NULL;
    GError *error = NULL;
    HfTpmName name;
    HfPublic pub;

    g_assert_true(
        hf_public_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &pub, &error));
    g_assert_no_error(error);
    name = hf_public_name(&pub);
    g_assert_cmpmem(name.data, name.size, g_bytes_get_data(expected, NULL),
                    g_bytes_get_size(expected));
    hf_public_write_2b(&pub, again);
    g_assert_cmpmem(again->data, again->len, g_bytes_get_data(bytes, NULL),
                    g_bytes_get_size(bytes));
    attributes = hf_public_attributes_text(pub.attributes | 0x100);
    g_assert_cmpstr(attributes, ==,
                    "fixedTPM|fixedParent|sensitiveDataOrigin|userWithAuth|restricted|sign|0x100");
    g_assert_true(hf_public_check_ak(&pub, &error));
    /* Without the size in front it is the same. */
    g_assert_true(hf_public_parse((const uint8_t *)g_bytes_get_data(bytes, NULL) + 2,
                                  g_bytes_get_size(bytes) - 2, &pub, &error));
    g_assert_no_error(error);
}

/* Sizes of the standard templates as they stand in the TCG EK profile. */
static void test_templates(void)
{
    static const size_t sizes[HF_TEMPLATE_COUNT] = {
        [HF_TEMPLATE_EK_RSA2048] = 314,    [HF_TEMPLATE_EK_P256] = 122,
        [HF_TEMPLATE_EK_P384] = 74,        [HF_TEMPLATE_EK_P521] = 90,
        [HF_TEMPLATE_EK_RSA3072] = 74,     [HF_TEMPLATE_EK_RSA4096] = 74,
        [HF_TEMPLATE_SRK_RSA2048] = 282,   [HF_TEMPLATE_SRK_P256] = 90,
        [HF_TEMPLATE_SRK_RSA3072] = 410,   [HF_TEMPLATE_SRK_P384] = 122,
        [HF_TEMPLATE_IAK_RSA2048] = 59,    [HF_TEMPLATE_IAK_RSA3072] = 75,
        [HF_TEMPLATE_IAK_RSA4096] = 75,    [HF_TEMPLATE_IDEVID_RSA4096] = 78,
        [HF_TEMPLATE_IAK_P256] = 59,       [HF_TEMPLATE_IAK_P384] = 75,
        [HF_TEMPLATE_IDEVID_RSA2048] = 62, [HF_TEMPLATE_IDEVID_RSA3072] = 78,
        [HF_TEMPLATE_IDEVID_P256] = 62,    [HF_TEMPLATE_IDEVID_P384] = 78,
    };

    for (int i = 0; i < HF_TEMPLATE_COUNT; i++) {
        g_autoptr(GByteArray) bytes = NULL;
        g_autoptr(GByteArray) again = NULL;
        GError *error = NULL;
        HfPublic pub;
        HfPublic read;

        hf_template_public((HfTemplate)i, &pub);
        bytes = written(&pub);
        g_assert_cmpuint(bytes->len, ==, sizes[i]);
        if (i >= HF_TEMPLATE_IAK_RSA2048 && pub.rsa_bits > 0) {
            /* Its unique field is a label: only a template may have that. */
            g_assert_false(hf_public_parse(bytes->data, bytes->len, &read, NULL));
        } else {
            g_assert_true(hf_public_parse(bytes->data, bytes->len, &read, &error));
            g_assert_no_error(error);
            again = written(&read);
            g_assert_cmpmem(bytes->data, bytes->len, again->data, again->len);
        }
        if (i <= HF_TEMPLATE_EK_RSA4096) {
            g_assert_cmphex(pub.attributes & ~0x40u, ==, 0x300b2);
            g_assert_true(hf_public_check_ek(&pub, &error));
            hf_template_allow_signing(&pub, false);
            g_assert_cmphex(pub.attributes & ~0x40u, ==, 0x400b2);
            g_assert_false(hf_public_check_ek(&pub, NULL));
        } else if (i <= HF_TEMPLATE_SRK_P384) {
            g_assert_cmphex(pub.attributes, ==, 0x30472);
        } else {
            g_assert_cmphex(pub.attributes, ==, i <= HF_TEMPLATE_IAK_P384 ? 0x500f2 : 0x400f2);
            g_assert_cmpuint(pub.policy_size, ==, hf_hash_size(pub.name_alg));
        }
        bool is_iak = i >= HF_TEMPLATE_IAK_RSA2048 && i <= HF_TEMPLATE_IAK_P384;
        g_assert_true(hf_public_check_ak(&pub, NULL) == is_iak);
    }
}

static void test_template_for_key(void)
{
    uint8_t modulus[384];
    g_autoptr(HfPublicKey) key = NULL;
    g_autoptr(HfPublicKey) again = NULL;
    g_autoptr(HfPublicKey) odd = NULL;
    g_autoptr(GError) error = NULL;
    HfPublic pub;

    memset(modulus, 0xff, sizeof modulus);
    key = hf_public_key_from_rsa(modulus, 384, 65537, &error);
    g_assert_no_error(error);
    g_assert_true(hf_template_for_key(key, &pub, &error));
    g_assert_cmpuint(pub.rsa_bits, ==, 3072);
    g_assert_cmphex(pub.name_alg, ==, TPM2_ALG_SHA384);
    again = hf_public_key_of(&pub, &error);
    g_assert_true(hf_public_key_equal(key, again));
    odd = hf_public_key_from_rsa(modulus, 384, 3, &error);
    g_assert_false(hf_template_for_key(odd, &pub, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_clear_pointer(&odd, hf_public_key_free);
    odd = hf_public_key_from_rsa(modulus, 320, 65537, &error);
    g_assert_no_error(error);
    g_assert_false(hf_template_for_key(odd, &pub, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_UNSUPPORTED);
}

static void test_truncated(void)
{
    for (int i = 0; i <= HF_TEMPLATE_SRK_P384; i++) {
        g_autoptr(GByteArray) bytes = NULL;
        GError *error = NULL;
        HfPublic pub;

        hf_template_public((HfTemplate)i, &pub);
        bytes = written(&pub);
        for (size_t n = 0; n < bytes->len; n++) {
            /* A copy of its own, so that reading past the end is seen by the sanitizer. */
            g_autofree uint8_t *copy = g_memdup2(bytes->data, n);
            HfPublic read = { .type = 0x7777 };

            g_assert_false(hf_public_parse(copy, n, &read, &error));
            g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
            g_assert_cmphex(read.type, ==, 0x7777);
            g_clear_error(&error);
        }
        hf_put_u8(bytes, 0);
        g_assert_false(hf_public_parse(bytes->data, bytes->len, &pub, &error));
        g_assert_nonnull(strstr(error->message, "1 bytes follow"));
        g_clear_error(&error);
    }
}

static void test_fields_refused(void)
{
    /* The P-256 EK template with two bytes at an offset replaced. */
    static const struct {
        size_t offset;
        uint16_t value;
        const char *message;
    } rows[] = {
        { 0, 0x0025, "type: expected RSA, ECC or KEYEDHASH, found 0x25" },
        { 2, 0x0010, "nameAlg: expected SHA-1 or SHA-2, found 0x10" },
        { 4, 0x8003, "attributes: expected reserved bits clear, found 0x800300b2" },
        { 8, 0x0014, "authPolicy size: expected 0 or that of nameAlg, found 0x14" },
        { 8, 0x0041, "authPolicy: expected at most 64 bytes, found 65" },
        { 42, 0x0013, "symmetric algorithm: expected AES or NULL, found 0x13" },
        { 44, 0x0040, "AES key bits: expected 128, 192 or 256, found 0x40" },
        { 46, 0x0042, "AES mode: expected CFB or NULL, found 0x42" },
        { 48, 0x0014, "scheme: expected one for this kind of key, found 0x14" },
        { 50, 0x0001, "curve: expected NIST P-256, P-384 or P-521, found 0x1" },
        { 52, 0x0001, "KDF: expected a key derivation scheme or NULL, found 0x1" },
        { 54, 0x0021, "point x: expected at most 32 bytes, found 33" },
        { 88, 0x0021, "point y: expected at most 32 bytes, found 33" },
    };
    HfPublic pub;

    hf_template_public(HF_TEMPLATE_EK_P256, &pub);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GByteArray) bytes = written(&pub);
        g_autoptr(GError) error = NULL;
        HfPublic read;

        hf_set_u16_at(bytes, rows[i].offset, rows[i].value);
        g_assert_false(hf_public_parse(bytes->data, bytes->len, &read, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
        if (!strstr(error->message, rows[i].message)) {
            g_test_fail_printf("expected \"%s\", found \"%s\"", rows[i].message, error->message);
        }
    }
}

static void test_rsa_refused(void)
{
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;
    HfPublic pub;

    hf_template_public(HF_TEMPLATE_EK_RSA2048, &pub);
    bytes = written(&pub);
    hf_set_u16_at(bytes, 50, 2047);
    g_assert_false(hf_public_parse(bytes->data, bytes->len, &pub, &error));
    g_assert_nonnull(strstr(error->message, "RSA key bits"));
    g_clear_error(&error);
    hf_set_u16_at(bytes, 50, 3072);
    g_assert_false(hf_public_parse(bytes->data, bytes->len, &pub, &error));
    g_assert_nonnull(strstr(error->message, "RSA modulus size"));
    g_clear_error(&error);
    /* A template's zeros are no key. */
    hf_template_public(HF_TEMPLATE_EK_RSA2048, &pub);
    g_assert_null(hf_public_key_of(&pub, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
}

static void test_keyedhash(void)
{
    HfPublic pub = { .type = TPM2_ALG_KEYEDHASH,
                     .name_alg = TPM2_ALG_SHA256,
                     .attributes = 0x40072,
                     .scheme = { TPM2_ALG_HMAC, TPM2_ALG_SHA256, 0 },
                     .unique_size = 32 };
    g_autoptr(GByteArray) bytes = written(&pub);
    g_autoptr(GError) error = NULL;
    HfPublic read;

    g_assert_cmpuint(bytes->len, ==, 2 + 2 + 4 + 2 + 4 + 2 + 32);
    g_assert_true(hf_public_parse(bytes->data, bytes->len, &read, &error));
    g_assert_cmphex(read.scheme.hash, ==, TPM2_ALG_SHA256);
    g_assert_null(hf_public_key_of(&read, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_UNSUPPORTED);
    g_assert_false(hf_public_check_ak(&read, NULL));
    g_assert_false(hf_public_check_ek(&read, NULL));
    for (size_t n = 0; n < bytes->len; n++) {
        g_assert_false(hf_public_parse(bytes->data, n, &read, NULL));
    }
}

/* Each attribute an attestation key must (not) have, by name. */
static void test_ak_attributes(void)
{
    static const struct {
        uint32_t flip;
        const char *message;
    } rows[] = {
        { TPMA_OBJECT_FIXEDTPM, "fixedTPM must be set" },
        { TPMA_OBJECT_FIXEDPARENT, "fixedParent must be set" },
        { TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin must be set" },
        { TPMA_OBJECT_RESTRICTED, "restricted must be set" },
        { TPMA_OBJECT_SIGN_ENCRYPT, "sign must be set" },
        { TPMA_OBJECT_DECRYPT, "decrypt must be clear" },
    };
    g_autoptr(GBytes) bytes = hf_hex_parse(AK_PUBLIC, "AK", NULL);
    g_autoptr(GError) error = NULL;
    HfPublic good;
    HfPublic bad;

    g_assert_true(
        hf_public_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &good, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bad = good;
        bad.attributes ^= rows[i].flip;
        g_assert_false(hf_public_check_ak(&bad, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_POLICY);
        g_assert_nonnull(strstr(error->message, rows[i].message));
        g_clear_error(&error);
    }
    bad = good;
    bad.scheme.alg = TPM2_ALG_NULL;
    g_assert_false(hf_public_check_ak(&bad, &error));
    g_assert_nonnull(strstr(error->message, "scheme:"));
    g_clear_error(&error);
    bad = good;
    bad.scheme.hash = TPM2_ALG_SHA1;
    g_assert_false(hf_public_check_ak(&bad, &error));
    g_assert_nonnull(strstr(error->message, "scheme hash"));
}

static void test_names(void)
{
    static const uint8_t names[][7] = {
        { 0, 0 },                   /* empty */
        { 0, 4, 0x40, 0, 0, 0x01 }, /* handle */
        { 0, 3, 0, 0x0b, 1 },       /* digest too short */
        { 0, 5, 0, 0x99, 1, 2, 3 }, /* unknown hash */
        { 0, 1, 0 },                /* not even an algorithm */
    };
    static const size_t sizes[] = { 2, 6, 5, 7, 3 };
    HfTpmName owner = hf_tpm_name_of_handle(TPM2_RH_OWNER);
    g_autoptr(GBytes) ak = hf_hex_parse(AK_NAME, "name", NULL);
    HfTpmName name = { .size = 34 };
    HfTpmName qualified;
    HfDigest digest;
    uint8_t both[38];

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        HfReader r = hf_reader(names[i], sizes[i]);
        HfTpmName read;

        g_assert_cmpint(hf_tpm_name_read(&r, "name", &read, NULL), ==, i < 2);
        r = hf_reader(names[i], sizes[i] - 1);
        g_assert_false(hf_tpm_name_read(&r, "name", &read, NULL));
    }
    memcpy(name.data, g_bytes_get_data(ak, NULL), 34);
    memcpy(both, owner.data, 4);
    memcpy(both + 4, name.data, 34);
    digest = hf_digest_of(TPM2_ALG_SHA256, both, sizeof both);
    qualified = hf_tpm_name_qualify(&owner, &name);
    g_assert_cmpmem(qualified.data + 2, qualified.size - 2u, digest.data, 32);
    g_assert_false(hf_tpm_name_equal(&owner, &name));
}

static void test_nv_public(void)
{
    HfNvPublic pub = { 0x01c00002, TPM2_ALG_SHA256, 0x42072001, 0, { 0 }, 1019 };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    HfNvPublic read;

    hf_nv_public_write(&pub, bytes);
    g_assert_true(hf_nv_public_parse(bytes->data, bytes->len, &read, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(read.size, ==, 1019);
    for (size_t n = 0; n < bytes->len; n++) {
        g_autofree uint8_t *copy = g_memdup2(bytes->data, n);

        g_assert_false(hf_nv_public_parse(copy, n, &read, NULL));
    }
    hf_set_u32_at(bytes, 0, 0x81010001);
    g_assert_false(hf_nv_public_parse(bytes->data, bytes->len, &read, &error));
    g_assert_nonnull(strstr(error->message, "index"));
    g_clear_error(&error);
    hf_set_u32_at(bytes, 0, 0x01c00002);
    hf_set_u16_at(bytes, 4, 0x0010);
    g_assert_false(hf_nv_public_parse(bytes->data, bytes->len, &read, &error));
    g_assert_nonnull(strstr(error->message, "nameAlg"));
    g_clear_error(&error);
    pub.policy_size = 31;
    g_byte_array_set_size(bytes, 0);
    hf_nv_public_write(&pub, bytes);
    g_assert_false(hf_nv_public_parse(bytes->data, bytes->len, &read, &error));
    g_assert_nonnull(strstr(error->message, "authPolicy"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm2/public/known-answer", test_known_answer);
    g_test_add_func("/tpm2/public/templates", test_templates);
    g_test_add_func("/tpm2/public/template-for-key", test_template_for_key);
    g_test_add_func("/tpm2/public/truncated", test_truncated);
    g_test_add_func("/tpm2/public/fields-refused", test_fields_refused);
    g_test_add_func("/tpm2/public/rsa-refused", test_rsa_refused);
    g_test_add_func("/tpm2/public/keyedhash", test_keyedhash);
    g_test_add_func("/tpm2/public/ak-attributes", test_ak_attributes);
    g_test_add_func("/tpm2/public/names", test_names);
    g_test_add_func("/tpm2/public/nv-public", test_nv_public);
    return g_test_run();
}
