/*
 * test-crypto.c - known answers for every primitive of src/crypto, and refusals for every input
 * that must not pass.
 *
 * Sources of the vectors stand beside them: FIPS 180-4 examples, RFC 4231, RFC 5869, McGrew and
 * Viega's GCM test cases, NIST SP 800-38A, RFC 6979; PBKDF2 by Python's hashlib. KDFa and KDFe were
 * computed with OpenSSL's own KBKDF and SSKDF; RSA signatures with the openssl command and a
 * throw-away key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/aead.h"
#include "crypto/cbc.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/kdf.h"
#include "crypto/pubkey.h"
#include "crypto/random.h"

#define RSA_SPKI                                                                               \
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100dbe809aaed44d0608ba153" \
    "8397b14f23069c609dc8cd19772915d6016c8da1dc809934b49fd87acf2667b8f2a3e16ca08312dfed25c003" \
    "f985429893be6fadf7c3c037298831456cf8cd423e4f186cc20034284e8cebb7a3d2460d430465346136d757" \
    "c9ea686ca799c3027d4acb7ddc041e4b9bff8e45b695d5c8238285646ed2859f1b4d29137ff6aeaaf4856c4b" \
    "fa5499e4c78d0d4f9343cbf0ff6c2b715359311c89b132dd129c9b61218013b45f23080687c27987f7e8fbfc" \
    "aa252fe695d7acd87df711fae7be695170779be2bd60a9f552f11d7e15ed1695570ba0c8351b7eaac18a9bbe" \
    "e264bd664dca7b9ce07ebbbb1a220160b7cf33c98482b3f3f70203010001"

#define RSASSA_SAMPLE                                                                          \
    "494a74822368b92c7a31790a4085d225480f2b8290a8aed1ccee34568d15942fc618922492c44026f9052f64" \
    "b988978ad6723aa3ec5c70b735dec1c00de349474ef6e13d56812869c6ad3720b4833d65c3f6732f7894c748" \
    "f688149576e1d3ba89d55201020b1d02e4bee44fa7e4ffed683877bf3b055a6e8274904326ec548f29b3edff" \
    "e94c234990e0fdb6782f0c5baa23aea605bf3e131aa442b481536b4f43a13f185c6828293267191b85a0c6e1" \
    "ec12396e21054a3126e721fe17715a9d20f07708cd47435c0a7774e89a815a4e48d77eba705bee71e0661a12" \
    "419f2675985fda16a2084f667beea984d6f8f08cbaf515b8fe12d3e10f39e5b3fe01654f"

#define RSAPSS_SAMPLE                                                                          \
    "50f9bd8762ff675a1a6ef0344ca56b83aceb8d0320df57a3cf3f58bdf02897d6b3752a8647cec6609c354c75" \
    "a8d916d83fbb76e16e8b0982a3f686636321aaf73c83bd16fb893f84dbdeaeffb1a9e0b657c2fdaf6a2009a5" \
    "f55e67b431125b777a89746c2f113d343d8f6855fe23d4e7f17cf7e0a4752a2d0131793b78f5557c56cfc54c" \
    "0a1e08e188135aac87d31eb403fa1b402e69be407abe17969acded43cbb3caf207daa0b98a6d5174c8034e02" \
    "502630472511611f4c1aa211b13b25e7b1a76b7f44245fc39f70669ceda93e840dd95cb95e06000c0ac9984b" \
    "adfb02a977a5aef9854fb2006e75cfb37c032a09a752c98f1f274f39b3cc87260fa93d46"

static GBytes *unhex(const char *text)
{
    GError *error = NULL;
    GBytes *bytes = hf_hex_parse(text, "test vector", &error);

    g_assert_no_error(error);
    return bytes;
}

static void assert_hex(const void *data, size_t n, const char *expected)
{
    g_autofree char *hex = hf_hex(data, n);
    g_autofree char *lower = g_ascii_strdown(expected, -1);

    g_assert_cmpstr(hex, ==, lower);
}

#define DATA(bytes) g_bytes_get_data(bytes, NULL)
#define SIZE(bytes) g_bytes_get_size(bytes)

static void test_hash(void)
{
    static const struct {
        uint16_t alg;
        const char *name;
        const char *digest;
    } rows[] = {
        /* FIPS 180-4 examples for "abc" */
        { HF_HASH_SHA1, "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { HF_HASH_SHA256, "sha256",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { HF_HASH_SHA384, "sha384",
          "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca1"
          "34c825a7" },
        { HF_HASH_SHA512, "sha512",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23"
          "a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        HfDigest digest = hf_digest_of(rows[i].alg, "abc", 3);
        g_autoptr(HfHash) hash = hf_hash_new(rows[i].alg);
        uint8_t pieces[HF_HASH_MAX];

        assert_hex(digest.data, digest.size, rows[i].digest);
        hf_hash_update(hash, "a", 1);
        hf_hash_update(hash, NULL, 0);
        hf_hash_update(hash, "bc", 2);
        hf_hash_finish(hash, pieces);
        g_assert_cmpmem(pieces, digest.size, digest.data, digest.size);
        g_assert_cmpstr(hf_hash_name(rows[i].alg), ==, rows[i].name);
        g_assert_cmpuint(hf_hash_by_name(rows[i].name), ==, rows[i].alg);
    }
    g_assert_cmpuint(hf_hash_size(0x0012), ==, 0);
    g_assert_null(hf_hash_name(0));
    g_assert_cmpuint(hf_hash_by_name("SHA256"), ==, 0);
    g_assert_cmpuint(hf_hash_by_name("md5"), ==, 0);
}

static void test_digest_equal(void)
{
    HfDigest a = hf_digest_of(HF_HASH_SHA256, "abc", 3);
    HfDigest b = a;
    HfDigest c = hf_digest_of(HF_HASH_SHA384, "abc", 3);

    g_assert_true(hf_digest_equal(&a, &b));
    b.data[31] ^= 1;
    g_assert_false(hf_digest_equal(&a, &b));
    g_assert_false(hf_digest_equal(&a, &c));
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
static void test_hmac(void)
{
    static const struct {
        uint16_t alg;
        const char *key;
        const char *data;
        const char *mac;
    } rows[] = {
        { HF_HASH_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { HF_HASH_SHA384, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
          "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8"
          "b2fa9cb6" },
        { HF_HASH_SHA512, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65"
          "f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
        { HF_HASH_SHA256, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    };
    uint8_t long_key[131];
    uint8_t mac[HF_HASH_MAX];
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GBytes) key = unhex(rows[i].key);
        g_autoptr(GBytes) data = unhex(rows[i].data);

        hf_hmac_once(rows[i].alg, DATA(key), SIZE(key), DATA(data), SIZE(data), mac);
        assert_hex(mac, hf_hash_size(rows[i].alg), rows[i].mac);
    }
    memset(long_key, 0xaa, sizeof long_key);
    hf_hmac_once(HF_HASH_SHA256, long_key, sizeof long_key, text, strlen(text), mac);
    assert_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* An empty key is a key (HMAC-SHA-256 of nothing under it: widely published). */
    hf_hmac_once(HF_HASH_SHA256, NULL, 0, NULL, 0, mac);
    assert_hex(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869, A.1, A.2 and A.3. */
static void test_hkdf(void)
{
    uint8_t ikm[80];
    uint8_t salt[80];
    uint8_t info[80];
    uint8_t out[82];

    memset(ikm, 0x0b, 22);
    for (uint8_t i = 0; i < 80; i++) {
        salt[i] = i;
        info[i] = (uint8_t)(0xf0 + i);
    }
    hf_kdf_hkdf(HF_HASH_SHA256, ikm, 22, salt, 13, info, 10, out, 42);
    assert_hex(
        out, 42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    hf_kdf_hkdf(HF_HASH_SHA256, ikm, 22, NULL, 0, NULL, 0, out, 42);
    assert_hex(
        out, 42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    for (uint8_t i = 0; i < 80; i++) {
        ikm[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    hf_kdf_hkdf(HF_HASH_SHA256, ikm, 80, salt, 80, info, 80, out, 82);
    assert_hex(
        out, 82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb"
        "41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

static void test_tpm_kdfs(void)
{
    static const uint8_t key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t out[48];

    hf_kdf_a(HF_HASH_SHA256, key, 16, "STORAGE", "contextU", 8, "contextV", 8, out, 48);
    assert_hex(
        out, 48,
        "ceb0fb36fb0c32ddf46bd5cf32aa11c80b323e35eaac770319f04af43adf023f3c8c7604b32ab0f28cbb"
        "7d3895c9b2db");
    hf_kdf_a(HF_HASH_SHA384, key, 16, "INTEGRITY", NULL, 0, NULL, 0, out, 40);
    assert_hex(out, 40,
               "55d34a39fba4924d3ed3f4dd2b22bff7884f3dbe2b1c5d349c184d3ffbc128e16835fec43f4dc60f");
    hf_kdf_e(HF_HASH_SHA256, key, 16, "IDENTITY", "partyU", 6, "partyV", 6, out, 48);
    assert_hex(
        out, 48,
        "4307927b35b38be3893f4f6d5bfc58f95789c0bff4626a8edf3d0295fc8afbdb90a0bbf799e1ac980b97"
        "987596c692c9");
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16. */
static void test_gcm(void)
{
    uint8_t zeros[32] = { 0 };
    g_autoptr(GBytes) none = hf_aead_seal(zeros, zeros, NULL, 0, NULL, 0);
    g_autoptr(GBytes) block = hf_aead_seal(zeros, zeros, NULL, 0, zeros, 16);
    g_autoptr(GBytes) key =
        unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    g_autoptr(GBytes) nonce = unhex("cafebabefacedbaddecaf888");
    g_autoptr(GBytes) aad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    g_autoptr(GBytes) plain =
        unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf"
              "0e2449a6b525b16aedf5aa0de657ba637b39");
    g_autoptr(GBytes) sealed =
        hf_aead_seal(DATA(key), DATA(nonce), DATA(aad), SIZE(aad), DATA(plain), SIZE(plain));

    assert_hex(DATA(none), SIZE(none), "530f8afbc74536b9a963b4f1c4cb738b");
    assert_hex(DATA(block), SIZE(block),
               "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    assert_hex(
        DATA(sealed), SIZE(sealed),
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b0"
        "8b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
}

static void test_gcm_refuses(void)
{
    uint8_t key[32] = { 1 };
    uint8_t nonce[12] = { 2 };
    g_autoptr(GBytes) sealed = hf_aead_seal(key, nonce, "aad", 3, "plaintext", 9);
    size_t size = SIZE(sealed);
    g_autofree uint8_t *copy = g_memdup2(DATA(sealed), size);
    g_autoptr(HfSecret) good = hf_aead_open(key, nonce, "aad", 3, copy, size, NULL);

    g_assert_cmpmem(good->data, good->size, "plaintext", 9);
    for (size_t i = 0; i < size * 8; i++) {
        g_autoptr(GError) error = NULL;

        copy[i / 8] ^= (uint8_t)(1 << (i % 8));
        g_assert_null(hf_aead_open(key, nonce, "aad", 3, copy, size, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_AUTH);
        copy[i / 8] ^= (uint8_t)(1 << (i % 8));
    }
    for (size_t n = 0; n < size; n++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(hf_aead_open(key, nonce, "aad", 3, copy, n, &error));
        g_assert_error(error, HF_ERROR, (n < 16 ? HF_ERROR_INVALID : HF_ERROR_AUTH));
    }
    g_assert_null(hf_aead_open(key, nonce, "aae", 3, copy, size, NULL));
    nonce[0]++;
    g_assert_null(hf_aead_open(key, nonce, "aad", 3, copy, size, NULL));
    nonce[0]--;
    key[31]++;
    g_assert_null(hf_aead_open(key, nonce, "aad", 3, copy, size, NULL));
}

/* NIST SP 800-38A, F.3.13 and F.3.17 (CFB128). */
static void test_cfb(void)
{
    g_autoptr(GBytes) key128 = unhex("2b7e151628aed2a6abf7158809cf4f3c");
    g_autoptr(GBytes) key256 =
        unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    g_autoptr(GBytes) iv = unhex("000102030405060708090a0b0c0d0e0f");
    g_autoptr(GBytes) plain =
        unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    uint8_t out[32];

    hf_cfb_encrypt(DATA(key128), 16, DATA(iv), DATA(plain), 32, out);
    assert_hex(out, 32, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b");
    hf_cfb_decrypt(DATA(key128), 16, DATA(iv), out, 32, out);
    g_assert_cmpmem(out, 32, DATA(plain), 32);
    hf_cfb_encrypt(DATA(key256), 32, DATA(iv), DATA(plain), 32, out);
    assert_hex(out, 32, "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b");
    hf_cfb_decrypt(DATA(key256), 32, DATA(iv), out, 5, out);
    g_assert_cmpmem(out, 5, DATA(plain), 5);
}

/* RFC 6979, A.2.5 and A.2.6, message "sample". */
static const struct {
    uint16_t curve;
    uint16_t hash;
    const char *x, *y, *r, *s;
} ecdsa_rows[] = {
    { HF_CURVE_P256, HF_HASH_SHA256,
      "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
      "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
      "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
      "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8" },
    { HF_CURVE_P384, HF_HASH_SHA384,
      "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A25451548"
      "0BC13",
      "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD25332"
      "64720",
      "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80F"
      "ABE46",
      "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A386"
      "28AC8" },
};

static HfPublicKey *ecdsa_key(size_t row)
{
    g_autoptr(GBytes) x = unhex(ecdsa_rows[row].x);
    g_autoptr(GBytes) y = unhex(ecdsa_rows[row].y);
    GError *error = NULL;
    HfPublicKey *key =
        hf_public_key_from_ec(ecdsa_rows[row].curve, DATA(x), SIZE(x), DATA(y), SIZE(y), &error);

    g_assert_no_error(error);
    return key;
}

static void test_ecdsa(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ecdsa_rows); i++) {
        uint16_t hash = ecdsa_rows[i].hash;
        g_autoptr(HfPublicKey) key = ecdsa_key(i);
        g_autoptr(GBytes) r = unhex(ecdsa_rows[i].r);
        g_autoptr(GBytes) s = unhex(ecdsa_rows[i].s);
        g_autoptr(GBytes) der = hf_ecdsa_der(DATA(r), SIZE(r), DATA(s), SIZE(s));
        g_autoptr(GBytes) swapped = hf_ecdsa_der(DATA(s), SIZE(s), DATA(r), SIZE(r));
        HfDigest digest = hf_digest_of(hash, "sample", 6);
        g_autoptr(GError) error = NULL;

        g_assert_true(hf_public_key_verify(key, HF_VERIFY_ECDSA, hash, digest.data, digest.size,
                                           DATA(der), SIZE(der), &error));
        g_assert_no_error(error);
        g_assert_false(hf_public_key_verify(key, HF_VERIFY_ECDSA, hash, digest.data, digest.size,
                                            DATA(swapped), SIZE(swapped), &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_AUTH);
        g_clear_error(&error);
        g_assert_false(hf_public_key_verify(key, HF_VERIFY_ECDSA, hash, digest.data, digest.size,
                                            DATA(der), SIZE(der) - 1, NULL));
        digest.data[0] ^= 1;
        g_assert_false(hf_public_key_verify(key, HF_VERIFY_ECDSA, hash, digest.data, digest.size,
                                            DATA(der), SIZE(der), NULL));
        g_assert_false(hf_public_key_verify(key, HF_VERIFY_RSASSA, hash, digest.data, digest.size,
                                            DATA(der), SIZE(der), &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
        g_clear_error(&error);
        g_assert_false(hf_public_key_verify(key, HF_VERIFY_ECDSA, HF_HASH_SHA512, digest.data,
                                            digest.size, DATA(der), SIZE(der), &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    }
}

/* DER by hand: a leading zero where the top bit is set, none where it is not, long form above 127
 * bytes. */
static void test_ecdsa_der(void)
{
    static const uint8_t r[4] = { 0x00, 0x00, 0x80, 0x01 };
    static const uint8_t s[2] = { 0x00, 0x7f };
    uint8_t big[66];
    g_autoptr(GBytes) small = hf_ecdsa_der(r, sizeof r, s, sizeof s);
    g_autoptr(GBytes) zero = hf_ecdsa_der(NULL, 0, s, 1);
    g_autoptr(GBytes) large = NULL;

    assert_hex(DATA(small), SIZE(small), "3008020300800102017f");
    assert_hex(DATA(zero), SIZE(zero), "3006020100020100");
    memset(big, 0x01, sizeof big);
    large = hf_ecdsa_der(big, sizeof big, big, sizeof big);
    assert_hex(DATA(large), 5, "3081880242");
    g_assert_cmpuint(SIZE(large), ==, 3 + 2 * 68);
}

static void test_rsa(void)
{
    g_autoptr(GBytes) spki = unhex(RSA_SPKI);
    g_autoptr(GBytes) ssa = unhex(RSASSA_SAMPLE);
    g_autoptr(GBytes) pss = unhex(RSAPSS_SAMPLE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfPublicKey) key = hf_public_key_from_spki(DATA(spki), SIZE(spki), &error);
    HfDigest digest = hf_digest_of(HF_HASH_SHA256, "sample", 6);

    g_assert_no_error(error);
    g_assert_true(hf_public_key_verify(key, HF_VERIFY_RSASSA, HF_HASH_SHA256, digest.data, 32,
                                       DATA(ssa), SIZE(ssa), &error));
    g_assert_true(hf_public_key_verify(key, HF_VERIFY_RSAPSS, HF_HASH_SHA256, digest.data, 32,
                                       DATA(pss), SIZE(pss), &error));
    g_assert_no_error(error);
    g_assert_false(hf_public_key_verify(key, HF_VERIFY_RSAPSS, HF_HASH_SHA256, digest.data, 32,
                                        DATA(ssa), SIZE(ssa), &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_AUTH);
    g_assert_false(hf_public_key_verify(key, HF_VERIFY_RSASSA, HF_HASH_SHA256, digest.data, 32,
                                        DATA(pss), SIZE(pss), NULL));
    g_assert_false(hf_public_key_verify(key, HF_VERIFY_ECDSA, HF_HASH_SHA256, digest.data, 32,
                                        DATA(ssa), SIZE(ssa), NULL));
    g_assert_false(hf_public_key_verify(key, HF_VERIFY_RSASSA, HF_HASH_SHA256, digest.data, 32,
                                        DATA(ssa), SIZE(ssa) - 1, NULL));
    digest.data[31] ^= 0x80;
    g_assert_false(hf_public_key_verify(key, HF_VERIFY_RSASSA, HF_HASH_SHA256, digest.data, 32,
                                        DATA(ssa), SIZE(ssa), NULL));
    g_assert_false(hf_public_key_verify(key, HF_VERIFY_RSAPSS, HF_HASH_SHA256, digest.data, 32,
                                        DATA(pss), SIZE(pss), NULL));
}

/* Numbers out, numbers in, the same SPKI. */
static void test_spki_round_trip(void)
{
    g_autoptr(GBytes) spki = unhex(RSA_SPKI);
    g_autoptr(HfPublicKey) rsa = hf_public_key_from_spki(DATA(spki), SIZE(spki), NULL);
    uint32_t exponent = 0;
    g_autoptr(GBytes) n = hf_public_key_modulus(rsa, &exponent);
    g_autoptr(HfPublicKey) rsa2 = hf_public_key_from_rsa(DATA(n), SIZE(n), exponent, NULL);
    g_autoptr(GBytes) spki2 = hf_public_key_spki(rsa2);
    g_autofree char *text = hf_public_key_describe(rsa);

    g_assert_cmpuint(exponent, ==, 65537);
    g_assert_true(g_bytes_equal(spki, spki2));
    g_assert_true(hf_public_key_equal(rsa, rsa2));
    g_assert_cmpstr(text, ==, "RSA-2048");
    for (size_t i = 0; i < G_N_ELEMENTS(ecdsa_rows); i++) {
        g_autoptr(HfPublicKey) key = ecdsa_key(i);
        g_autoptr(GBytes) der = hf_public_key_spki(key);
        g_autoptr(HfPublicKey) again = hf_public_key_from_spki(DATA(der), SIZE(der), NULL);
        g_autoptr(GBytes) x = NULL;
        g_autoptr(GBytes) y = NULL;

        g_assert_true(hf_public_key_equal(key, again));
        g_assert_false(hf_public_key_equal(key, rsa));
        hf_public_key_point(again, &x, &y);
        assert_hex(DATA(x), SIZE(x), ecdsa_rows[i].x);
        assert_hex(DATA(y), SIZE(y), ecdsa_rows[i].y);
        g_assert_cmpuint(hf_public_key_curve(again), ==, ecdsa_rows[i].curve);
    }
}

static void assert_spki_refused(const char *hex, HfErrorCode code)
{
    g_autoptr(GBytes) der = unhex(hex);
    g_autoptr(GError) error = NULL;

    g_assert_null(hf_public_key_from_spki(DATA(der), SIZE(der), &error));
    g_assert_error(error, HF_ERROR, (int)code);
}

static void test_keys_refused(void)
{
    g_autoptr(GBytes) spki = unhex(RSA_SPKI);
    g_autoptr(GBytes) x = unhex(ecdsa_rows[0].x);
    g_autoptr(GBytes) y = unhex(ecdsa_rows[0].y);
    g_autofree uint8_t *bad = g_memdup2(DATA(y), SIZE(y));
    uint8_t modulus[256];
    g_autoptr(GError) error = NULL;

    for (size_t n = 0; n < SIZE(spki); n++) {
        g_assert_null(hf_public_key_from_spki(DATA(spki), n, NULL));
    }
    assert_spki_refused(RSA_SPKI "00", HF_ERROR_INVALID);
    /* Ed25519, RFC 8410, 10.1; and P-224 with its generator */
    assert_spki_refused(
        "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
        HF_ERROR_UNSUPPORTED);
    assert_spki_refused("304e301006072a8648ce3d020106052b81040021033a0004b70e0cbd6bb4bf7f321390b94a"
                        "03c1d356c21122343280"
                        "d6115c1d21bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34",
                        HF_ERROR_UNSUPPORTED);
    bad[0] ^= 1;
    g_assert_null(hf_public_key_from_ec(HF_CURVE_P256, DATA(x), 32, bad, 32, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_assert_null(hf_public_key_from_ec(HF_CURVE_P256, DATA(x), 0, bad, 32, NULL));
    g_assert_null(hf_public_key_from_ec(0x0002, DATA(x), 32, DATA(y), 32, NULL));
    memset(modulus, 0xff, sizeof modulus);
    g_assert_null(hf_public_key_from_rsa(modulus, 128, 65537, NULL));
    g_assert_null(hf_public_key_from_rsa(modulus, 256, 65536, NULL));
    g_assert_null(hf_public_key_from_rsa(modulus, 256, 1, NULL));
    modulus[255] = 0xfe;
    g_assert_null(hf_public_key_from_rsa(modulus, 256, 65537, NULL));
    g_assert_null(hf_public_key_from_rsa(modulus, 0, 65537, NULL));
}

static void test_random(void)
{
    uint8_t a[64] = { 0 };
    uint8_t b[64] = { 0 };

    hf_random_bytes(a, sizeof a);
    hf_random_bytes(b, sizeof b);
    hf_random_bytes(NULL, 0);
    g_assert_false(memcmp(a, b, sizeof a) == 0);
}

/* What comes out differs each time and has the right size; that it can be opened again is shown
 * against a TPM in tests/interop/tpm2.sh. */
static void test_encrypt_and_agree(void)
{
    g_autoptr(GBytes) spki = unhex(RSA_SPKI);
    g_autoptr(HfPublicKey) rsa = hf_public_key_from_spki(DATA(spki), SIZE(spki), NULL);
    g_autoptr(HfPublicKey) ec = ecdsa_key(1);
    uint8_t big[200] = { 0 };
    g_autoptr(GBytes) one =
        hf_public_key_encrypt_oaep(rsa, HF_HASH_SHA256, "IDENTITY", 9, big, 32, NULL);
    g_autoptr(GBytes) two =
        hf_public_key_encrypt_oaep(rsa, HF_HASH_SHA256, "IDENTITY", 9, big, 32, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;
    g_autoptr(HfSecret) z = NULL;

    g_assert_cmpuint(SIZE(one), ==, 256);
    g_assert_false(g_bytes_equal(one, two));
    g_assert_null(
        hf_public_key_encrypt_oaep(rsa, HF_HASH_SHA256, NULL, 0, big, sizeof big, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_assert_true(hf_public_key_agree(ec, &x, &y, &z, NULL));
    g_assert_cmpuint(SIZE(x), ==, 48);
    g_assert_cmpuint(SIZE(y), ==, 48);
    g_assert_cmpuint(z->size, ==, 48);
}

/* NIST SP 800-38A F.2.1 and F.2.5. */
static void test_cbc(void)
{
    static const struct {
        const char *key, *cipher;
    } rows[] = { { "2b7e151628aed2a6abf7158809cf4f3c",
                   "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" },
                 { "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                   "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d" } };
    g_autoptr(GBytes) iv = unhex("000102030405060708090a0b0c0d0e0f");
    g_autoptr(GBytes) plain =
        unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
    uint8_t out[32];

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GBytes) key = unhex(rows[i].key);
        const uint8_t *k = g_bytes_get_data(key, NULL);

        hf_cbc_encrypt(k, g_bytes_get_size(key), g_bytes_get_data(iv, NULL),
                       g_bytes_get_data(plain, NULL), sizeof out, out);
        assert_hex(out, sizeof out, rows[i].cipher);
        hf_cbc_decrypt(k, g_bytes_get_size(key), g_bytes_get_data(iv, NULL), out, sizeof out, out);
        g_assert_cmpmem(out, sizeof out, g_bytes_get_data(plain, NULL), g_bytes_get_size(plain));
    }
}

static void test_pbkdf2(void)
{
    uint8_t out[64];

    hf_kdf_pbkdf2(HF_HASH_SHA512, "password", 8, "salt", 4, 1, out, 64);
    assert_hex(out, 64,
               "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"
               "c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce");
    hf_kdf_pbkdf2(HF_HASH_SHA512, "secret\n", 7, "swtpm", 5, 1000, out, 32);
    assert_hex(out, 32, "92bb9ef4ea654697a65e1689d0a0185b4e7f7e2b3173633277e1408c93d83826");
    hf_kdf_pbkdf2(HF_HASH_SHA512, NULL, 0, "swtpm", 5, 1000, out, 16);
    assert_hex(out, 16, "c55dfd0c4fbdffdf11d67b7016497837");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crypto/hash", test_hash);
    g_test_add_func("/crypto/digest-equal", test_digest_equal);
    g_test_add_func("/crypto/hmac", test_hmac);
    g_test_add_func("/crypto/hkdf", test_hkdf);
    g_test_add_func("/crypto/tpm-kdfs", test_tpm_kdfs);
    g_test_add_func("/crypto/gcm", test_gcm);
    g_test_add_func("/crypto/gcm-refuses", test_gcm_refuses);
    g_test_add_func("/crypto/cfb", test_cfb);
    g_test_add_func("/crypto/cbc", test_cbc);
    g_test_add_func("/crypto/pbkdf2", test_pbkdf2);
    g_test_add_func("/crypto/ecdsa", test_ecdsa);
    g_test_add_func("/crypto/ecdsa-der", test_ecdsa_der);
    g_test_add_func("/crypto/rsa", test_rsa);
    g_test_add_func("/crypto/spki-round-trip", test_spki_round_trip);
    g_test_add_func("/crypto/keys-refused", test_keys_refused);
    g_test_add_func("/crypto/random", test_random);
    g_test_add_func("/crypto/encrypt-and-agree", test_encrypt_and_agree);
    return g_test_run();
}
