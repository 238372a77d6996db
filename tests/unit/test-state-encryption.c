/*
 * test-state-encryption.c - swtpm's encryption: known answers, every way a file can be wrong, keys
 * and passphrases, and the layers of a migration blob.
 *
 * The files were made by a program of its own (Python, `cryptography`) from the written rules, with
 * keys 00 01 02 ... and IVs 40 41 42 ...; swtpm itself is met in tests/interop.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "crypto/cbc.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "state/cipher_layer.h"
#include "state/envelope.h"
#include "state/format.h"
#include "state/keys.h"
#include "state/migration_blob.h"

/* clang-format off */
#define ENCRYPTED_128 \
    "0201000a00010000005c0002000000107482b2a16ce0a836039ebfffb32626590003000000206739f83cfa" \
    "74e16b25e08cb5339084d2b5b6b84225c26d0c12bc963e732b110900060000001040414243444546474849" \
    "4a4b4c4d4e4f"

#define ENCRYPTED_256 \
    "0201000a00090000007c000200000020d5ca86a04b6946ec9eba209b3b2b34f0740229b5f6681e10a5b87a" \
    "582fa216660003000000207888bcb51752367801e49c279cde5fcdb8a9d28c841aa5362fe40fe735b3580b" \
    "000600000020404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"

#define NO_IV_128 \
    "0201000a0001000000460002000000102e975428bc6cc8c8b28d1a94a532173e000300000020d4a292fb7f" \
    "d85939ab61d75a5a74b2aea3a5a85e735de7ca8699a5709755cf16"

#define VERSION_1 \
    "0101000a00010000003abf34440b295aab7794dc949e43e6015893e509e80c93d365fdc2c055f69df61fa8" \
    "40cb2344610257274c090b67db2304"

#define MIGRATION_BOTH \
    "0201000a000f000000cc000500000080d4a1aa3e2259eabc268ac0034cc6eb2b56cbfbb973b332aba87816" \
    "fe23c616b28b69aac71d7048bcbce6199b613ff9c601b2abc0b0b73070314ee68a4211011a6cc16c7e68fd" \
    "686790caad0d01ac7deb0482c22f664d9b5e2c228dd4fba67de820c097d455b218834c87c6ea0c7fe33405" \
    "4962c4796ac273320b904fcf4481aa000300000020680844523c8ed0e35548d75f439bc4f20b73b3f3d598" \
    "94aba85232218cdbbbd3000700000010404142434445464748494a4b4c4d4e4f"

#define MIGRATION_VERSION_1 \
    "0101000a00070000006ac8cd856a8f3e8bd80dca5861195f7c0ceee89de09ab3225f194d2fd23f82e0ed88" \
    "79eeef02e912cab23360b5b0e41c22d2d7b2cf90da0198adbe2aec7f1506a02a00757631d5204ac0c6b36c" \
    "29e73e8ff7bbb7c970dd99151c3ed72d97c64d59"
/* clang-format on */

static const char text[] = "\0state of a TPM";
#define TEXT_SIZE (sizeof text - 1)

static HfSecret *key_of(size_t size)
{
    HfSecret *key = hf_secret_new(size);

    for (size_t i = 0; i < size; i++) {
        key->data[i] = (uint8_t)i;
    }
    return key;
}

static GByteArray *unhex(const char *hex)
{
    GError *error = NULL;
    GBytes *bytes = hf_hex_parse(hex, "test vector", &error);

    g_assert_no_error(error);
    return g_bytes_unref_to_array(bytes);
}

static void expect(GError *error, HfErrorCode code, const char *words)
{
    g_assert_error(error, HF_ERROR, (int)code);
    if (!strstr(error->message, words)) {
        g_error("\"%s\" does not say \"%s\"", error->message, words);
    }
    g_error_free(error);
}

static GBytes *unwrap(HfEnvelope *envelope, const uint8_t *data, size_t size, GError **error)
{
    g_autoptr(GBytes) stored = g_bytes_new(data, size);

    return envelope->class->unwrap(envelope, stored, "file", error);
}

static void opens(const char *hex, size_t key_size)
{
    GError *error = NULL;
    g_autoptr(HfSecret) key = key_of(key_size);
    g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);
    g_autoptr(GByteArray) file = unhex(hex);
    g_autoptr(GBytes) plain = unwrap(envelope, file->data, file->len, &error);

    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain), text, TEXT_SIZE);
}

static void refuses(const uint8_t *data, size_t size, size_t key_size, HfErrorCode code,
                    const char *words)
{
    GError *error = NULL;
    g_autoptr(HfSecret) key = key_of(key_size);
    g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);

    g_assert_null(unwrap(envelope, data, size, &error));
    expect(error, code, words);
}

static void test_known_files(void)
{
    opens(ENCRYPTED_128, 16);
    opens(ENCRYPTED_256, 32);
    opens(NO_IV_128, 16);
    opens(VERSION_1, 16);
}

/* Layout and sizes of what is written, for every remainder of the padding; no two are equal. */
static void test_written(void)
{
    uint8_t data[70];

    memset(data, 0xa5, sizeof data);
    for (size_t key_size = 16; key_size <= 32; key_size += 16) {
        g_autoptr(HfSecret) key = key_of(key_size);
        g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);

        for (size_t n = 1; n <= sizeof data; n++) {
            GError *error = NULL;
            g_autoptr(GBytes) file = envelope->class->wrap(envelope, data, n, "file", &error);
            g_autoptr(GBytes) again = envelope->class->wrap(envelope, data, n, "file", &error);
            gsize size;
            const uint8_t *bytes = g_bytes_get_data(file, &size);
            size_t padded = (n / key_size + 1) * key_size;
            g_autoptr(GBytes) plain = unwrap(envelope, bytes, size, &error);

            g_assert_no_error(error);
            g_assert_false(g_bytes_equal(file, again));
            g_assert_cmpmem(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain), data, n);
            g_assert_cmpuint(size, ==, 10 + 6 + padded + 6 + 32 + 6 + key_size);
            g_assert_cmpuint(hf_fetch_u16(bytes + 4), ==, key_size == 16 ? 1 : 9);
            g_assert_cmpuint(hf_fetch_u16(bytes + 10), ==, 2);
            g_assert_cmpuint(hf_fetch_u16(bytes + 16 + padded), ==, 3);
            g_assert_cmpuint(hf_fetch_u16(bytes + 54 + padded), ==, 6);
            g_assert_cmpuint(hf_fetch_u32(bytes + 56 + padded), ==, key_size);
        }
    }
}

static void test_written_limits(void)
{
    g_autoptr(HfSecret) key = key_of(16);
    g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);
    g_autofree uint8_t *data = g_malloc0(HF_STATE_BLOB_MAX + 1);
    GError *error = NULL;
    g_autoptr(GBytes) file =
        envelope->class->wrap(envelope, data, HF_STATE_BLOB_MAX, "file", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(file), <=, HF_STATE_FILE_MAX);
    g_assert_null(envelope->class->wrap(envelope, data, 0, "file", &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "found 0");
    g_assert_null(envelope->class->wrap(envelope, data, HF_STATE_BLOB_MAX + 1, "file", &error));
    expect(error, HF_ERROR_INVALID, "found 524289");
}

/* Every bit of a file that is turned over, and every truncation: refused. */
static void test_every_bit(void)
{
    static const struct {
        const char *hex;
        size_t key_size;
    } files[] = {
        { ENCRYPTED_128, 16 }, { ENCRYPTED_256, 32 }, { NO_IV_128, 16 }, { VERSION_1, 16 }
    };

    for (size_t f = 0; f < G_N_ELEMENTS(files); f++) {
        g_autoptr(GByteArray) file = unhex(files[f].hex);
        g_autoptr(HfSecret) key = key_of(files[f].key_size);
        g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);

        for (size_t bit = 0; bit < 8 * (size_t)file->len; bit++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(GBytes) plain = NULL;

            file->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            plain = unwrap(envelope, file->data, file->len, &error);
            /* The version of a file of version 2 says only who wrote it, and a file of version 1
             * knows no size of key. */
            bool harmless = files[f].hex[1] == '1' ? bit == 43 : bit < 16;
            if (plain && !harmless) {
                g_error("file %zu is accepted with bit %zu turned over", f, bit);
            }
            g_assert_true(plain || error);
            file->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t n = 0; n < file->len; n++) {
            g_autoptr(GError) error = NULL;

            g_assert_null(unwrap(envelope, file->data, n, &error));
            g_assert_nonnull(error);
        }
    }
}

static void test_wrong_keys(void)
{
    g_autoptr(GByteArray) small = unhex(ENCRYPTED_128);
    g_autoptr(GByteArray) large = unhex(ENCRYPTED_256);
    g_autoptr(GByteArray) old = unhex(NO_IV_128);
    g_autoptr(GByteArray) oldest = unhex(VERSION_1);
    GByteArray *const files[] = { small, old, oldest };
    g_autoptr(HfSecret) other = key_of(16);
    g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(other);

    refuses(small->data, small->len, 32, HF_ERROR_KEY,
            "expected a key of 128 bits (mode=aes-128-cbc), found one of 256");
    refuses(large->data, large->len, 16, HF_ERROR_KEY,
            "expected a key of 256 bits (mode=aes-256-cbc), found one of 128");
    other->data[15] ^= 1;
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        GError *error = NULL;

        g_assert_null(unwrap(envelope, files[i]->data, files[i]->len, &error));
        expect(error, HF_ERROR_AUTH, "encrypted with another key, or altered");
    }
}

static void test_flags(void)
{
    static const uint8_t plain[] = { 2, 1, 0, 10, 0, 0, 0, 0, 0, 18, 0, 1, 0, 0, 0, 2, 'o', 'k' };
    static const uint8_t plain1[] = { 1, 1, 0, 10, 0, 0, 0, 0, 0, 12, 'o', 'k' };
    g_autoptr(GByteArray) file = unhex(ENCRYPTED_128);
    g_autoptr(HfEnvelope) without = hf_envelope_plain_new();
    GError *error = NULL;

    /* With a key nothing plain, whatever the version, and no flag makes it so. */
    refuses(plain, sizeof plain, 16, HF_ERROR_STATE, "is not encrypted, and a key was given");
    refuses(plain1, sizeof plain1, 16, HF_ERROR_STATE, "is not encrypted, and a key was given");
    file->data[5] = 0;
    refuses(file->data, file->len, 16, HF_ERROR_STATE, "is not encrypted");
    g_assert_null(unwrap(without, file->data, file->len, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "no record with the state");
    file->data[5] = 1;
    g_assert_null(unwrap(without, file->data, file->len, &error));
    expect(g_steal_pointer(&error), HF_ERROR_STATE, "is encrypted, and no key was given");
    file->data[5] = 5;
    refuses(file->data, file->len, 16, HF_ERROR_INVALID, "migration blob");
    file->data[5] = 3;
    refuses(file->data, file->len, 16, HF_ERROR_INVALID, "make no sense");
    file->data[5] = 9;
    refuses(file->data, file->len, 16, HF_ERROR_KEY, "expected a key of 256 bits");
    /* Said to be of version 1, it is not taken for one. */
    file->data[5] = 1;
    file->data[0] = 1;
    refuses(file->data, file->len, 16, HF_ERROR_INVALID, "not possible");
}

/* A file of records with a right MAC over what there is. */
static GBytes *make_file(const HfSecret *key, const uint8_t *ciphertext, size_t size,
                         const uint8_t *iv, size_t iv_size)
{
    g_autoptr(HfHmac) hmac = hf_hmac_new(HF_HASH_SHA256, key->data, key->size);
    GByteArray *out = hf_format_begin(hf_cipher_layer_flags(&hf_cipher_layer_state, key), size);
    uint8_t mac[32];

    hf_hmac_update(hmac, ciphertext, size);
    hf_hmac_update(hmac, iv, iv_size);
    hf_hmac_finish(hmac, mac);
    hf_format_put(out, HF_FORMAT_CIPHERTEXT, ciphertext, size);
    hf_format_put(out, HF_FORMAT_MAC, mac, sizeof mac);
    if (iv) {
        hf_format_put(out, HF_FORMAT_IV, iv, iv_size);
    }
    return hf_format_end(out);
}

static void refuses_made(const HfSecret *key, const uint8_t *ciphertext, size_t size,
                         const uint8_t *iv, size_t iv_size, HfErrorCode code, const char *words)
{
    g_autoptr(GBytes) file = make_file(key, ciphertext, size, iv, iv_size);
    gsize file_size;
    const uint8_t *data = g_bytes_get_data(file, &file_size);

    refuses(data, file_size, key->size, code, words);
}

/* Records cut up in another way, the MAC still right: each boundary is checked by itself. */
static void test_records_recut(void)
{
    g_autoptr(HfSecret) key = key_of(32);
    uint8_t all[32 + 32 + 32] = { 0 };

    memcpy(all, text, TEXT_SIZE);
    all[63] = 1; /* the padding */
    for (uint8_t i = 0; i < 32; i++) {
        all[64 + i] = (uint8_t)(0x40 + i);
    }
    hf_cbc_encrypt(key->data, key->size, all + 64, all, 64, all);
    g_autoptr(GBytes) good = make_file(key, all, 64, all + 64, 32);
    g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);
    g_autoptr(GBytes) plain = envelope->class->unwrap(envelope, good, "file", NULL);
    g_assert_nonnull(plain);
    g_assert_cmpuint(g_bytes_get_size(plain), ==, 63);

    refuses_made(key, all, 80, all + 80, 16, HF_ERROR_INVALID, "an IV of 16 bytes");
    refuses_made(key, all, 48, all + 48, 48, HF_ERROR_INVALID, "an IV of 48 bytes");
    refuses_made(key, all, 95, all + 95, 1, HF_ERROR_INVALID, "encrypted data of 95 bytes");
    refuses_made(key, all, 96, all, 0, HF_ERROR_INVALID, "an IV of 0 bytes");
    refuses_made(key, all, 0, all, 32, HF_ERROR_INVALID, "encrypted data of 0 bytes");
    refuses_made(key, all, 15, NULL, 0, HF_ERROR_INVALID, "encrypted data of 15 bytes");
    /* The IV appended to the ciphertext and left out. */
    refuses_made(key, all, 96, NULL, 0, HF_ERROR_AUTH, "altered");
}

/* The same for so many IVs that one of them ends in what looks like padding: 4,000 files would give
 * about 15 that the padding alone lets through. */
static void test_recut_many(void)
{
    g_autoptr(HfSecret) key = key_of(16);
    g_autoptr(HfEnvelope) envelope = hf_envelope_aes_new(key);
    unsigned padded = 0;
    unsigned accepted = 0;

    for (uint32_t i = 0; i < 4000; i++) {
        uint8_t all[48] = { 0 };
        uint8_t seen[48];

        memset(all + 16, 16, 16);
        hf_hash_once(HF_HASH_SHA1, &i, sizeof i, seen);
        memcpy(all + 32, seen, 16);
        hf_cbc_encrypt(key->data, key->size, all + 32, all, 32, all);
        g_autoptr(GBytes) file = make_file(key, all, sizeof all, NULL, 0);
        g_autoptr(GBytes) plain = envelope->class->unwrap(envelope, file, "file", NULL);
        static const uint8_t zero[16];
        hf_cbc_decrypt(key->data, key->size, zero, all, sizeof all, seen);
        padded += seen[47] == 1;
        accepted += plain != NULL;
    }
    g_assert_cmpuint(padded, >, 4);
    g_assert_cmpuint(accepted, <=, 1);
}

/* A right MAC over something whose padding is wrong: nobody with the key wrote it. */
static void test_padding(void)
{
    static const uint8_t tails[][2] = { { 16, 0 }, { 16, 17 }, { 3, 2 }, { 0, 0xff } };
    g_autoptr(HfSecret) key = key_of(16);

    for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
        uint8_t data[32];
        uint8_t iv[16] = { 1 };

        memset(data, tails[i][0], sizeof data);
        data[31] = tails[i][1];
        hf_cbc_encrypt(key->data, key->size, iv, data, sizeof data, data);
        refuses_made(key, data, sizeof data, iv, sizeof iv, HF_ERROR_AUTH, "altered");
    }
    /* Nothing but padding is a state of no bytes. */
    uint8_t nothing[16];
    uint8_t iv[16] = { 2 };
    memset(nothing, 16, sizeof nothing);
    hf_cbc_encrypt(key->data, key->size, iv, nothing, sizeof nothing, nothing);
    refuses_made(key, nothing, sizeof nothing, iv, sizeof iv, HF_ERROR_INVALID, "found 0");
}

typedef struct {
    char *dir;
    char *path;
} Place;

static void place_new(Place *place, gconstpointer data)
{
    (void)data;
    place->dir = g_dir_make_tmp("holdfast-keys-XXXXXX", NULL);
    g_assert_nonnull(place->dir);
    place->path = g_build_filename(place->dir, "key", NULL);
}

static void place_free(Place *place, gconstpointer data)
{
    (void)data;
    (void)g_remove(place->path);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->path);
    g_free(place->dir);
}

static HfSecret *read_key(Place *place, const char *content, size_t size, HfKeySource source,
                          GError **error)
{
    g_assert_true(g_file_set_contents(place->path, content, (gssize)size, NULL));
    source.option = "--key";
    source.file = place->path;
    source.fd = -1;
    return hf_key_read(&source, error);
}

#define HEX_16 "000102030405060708090a0b0c0d0e0f"
#define HEX_16_UPPER "000102030405060708090A0B0C0D0E0F"
#define HEX_32 HEX_16 "101112131415161718191a1b1c1d1e1f"

static void test_keys(Place *place, gconstpointer data)
{
    static const struct {
        const char *content;
        size_t size; /* of content; 0: a string */
        HfKeySource source;
        const char *hex;
    } rows[] = {
        { HEX_16, 0, { .form = HF_KEY_HEX, .size = 16 }, HEX_16 },
        { "0x" HEX_16_UPPER "\n", 0, { .form = HF_KEY_HEX, .size = 16 }, HEX_16 },
        { HEX_32 " \r\n\t", 0, { .form = HF_KEY_HEX, .size = 32 }, HEX_32 },
        { "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
          16,
          { .form = HF_KEY_BINARY, .size = 16 },
          HEX_16 },
        /* With their newline; by Python's hashlib. */
        { "secret\n",
          0,
          { .form = HF_KEY_PBKDF2, .size = 32 },
          "92bb9ef4ea654697a65e1689d0a0185b4e7f7e2b3173633277e1408c93d83826" },
        { "secret\n",
          0,
          { .form = HF_KEY_PBKDF2, .size = 16 },
          "92bb9ef4ea654697a65e1689d0a0185b" },
        { "secret\n",
          0,
          { .form = HF_KEY_SHA512, .size = 32 },
          "eaa16b9ced0b5c6ece7aae07cb47c671e8c8f03bfe807f941809477a847337af" },
        { "secret", 0, { .form = HF_KEY_SHA512, .size = 16 }, "bd2b1aaf7ef4f09be9f52ce2d8d59967" },
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        GError *error = NULL;
        size_t size = rows[i].size ? rows[i].size : strlen(rows[i].content);
        g_autoptr(HfSecret) key = read_key(place, rows[i].content, size, rows[i].source, &error);
        g_autofree char *hex = NULL;

        g_assert_no_error(error);
        hex = hf_hex(key->data, key->size);
        g_assert_cmpstr(hex, ==, rows[i].hex);
        g_assert_true(g_file_test(place->path, G_FILE_TEST_EXISTS));
    }
}

static void test_keys_refused(Place *place, gconstpointer data)
{
    static const struct {
        const char *content;
        HfKeySource source;
        const char *words;
    } rows[] = {
        { "", { .form = HF_KEY_HEX, .size = 16 }, "expected 32 hexadecimal digits, found 0" },
        { "0x", { .form = HF_KEY_HEX, .size = 16 }, "found 0" },
        { HEX_16, { .form = HF_KEY_HEX, .size = 32 }, "expected 64 hexadecimal digits, found 32" },
        { HEX_32, { .form = HF_KEY_HEX, .size = 16 }, "found 64" },
        { HEX_16 "0", { .form = HF_KEY_HEX, .size = 16 }, "found 33" },
        { "0xg" HEX_16, { .form = HF_KEY_HEX, .size = 16 }, "something else as digit 1" },
        { " " HEX_16, { .form = HF_KEY_HEX, .size = 16 }, "something else as digit 1" },
        { "0x0x" HEX_16, { .form = HF_KEY_HEX, .size = 16 }, "something else as digit 2" },
        { "short", { .form = HF_KEY_BINARY, .size = 16 }, "expected 16 bytes, found 5" },
        { HEX_16, { .form = HF_KEY_BINARY, .size = 16 }, "expected 16 bytes, found 32" },
        { "", { .form = HF_KEY_PBKDF2, .size = 16 }, "expected a passphrase, found nothing" },
        { "", { .form = HF_KEY_SHA512, .size = 16 }, "expected a passphrase, found nothing" },
    };
    g_autofree char *large = g_strnfill(HF_PASSPHRASE_MAX + 1, 'a');
    GError *error = NULL;

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        HfKeySource source = rows[i].source;

        source.remove = true;
        g_assert_null(read_key(place, rows[i].content, strlen(rows[i].content), source, &error));
        /* The message has nothing of the key; the file is still there. */
        g_assert_null(strstr(error->message, "0001"));
        expect(g_steal_pointer(&error), HF_ERROR_INVALID, rows[i].words);
        g_assert_true(g_file_test(place->path, G_FILE_TEST_EXISTS));
    }
    g_assert_null(read_key(place, large, HF_PASSPHRASE_MAX + 1,
                           (HfKeySource){ .form = HF_KEY_PBKDF2, .size = 16 }, &error));
    expect(g_steal_pointer(&error), HF_ERROR_INVALID, "at most 65536");
    g_assert_cmpint(g_remove(place->path), ==, 0);
    const HfKeySource missing = { "--key", place->path, -1, HF_KEY_HEX, 16, false };
    g_assert_null(hf_key_read(&missing, &error));
    expect(g_steal_pointer(&error), HF_ERROR_NOT_FOUND, place->path);
    const HfKeySource closed = { "--migration-key", NULL, 999, HF_KEY_HEX, 16, false };
    g_assert_null(hf_key_read(&closed, &error));
    expect(error, HF_ERROR_IO, "--migration-key: descriptor 999");
}

static void test_key_removed(Place *place, gconstpointer data)
{
    GError *error = NULL;
    g_autoptr(HfSecret) key = read_key(
        place, HEX_16, 32, (HfKeySource){ .form = HF_KEY_HEX, .size = 16, .remove = true }, &error);

    (void)data;
    g_assert_no_error(error);
    g_assert_false(g_file_test(place->path, G_FILE_TEST_EXISTS));
}

/* From a pipe, in two pieces; the descriptor is closed. */
static void test_key_descriptor(void)
{
    int ends[2];
    GError *error = NULL;

    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(write(ends[1], HEX_16, 20), ==, 20);
    g_assert_cmpint(write(ends[1], &HEX_16[20], 12), ==, 12);
    close(ends[1]);
    const HfKeySource source = { "--key", NULL, ends[0], HF_KEY_HEX, 16, true };
    g_autoptr(HfSecret) key = hf_key_read(&source, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(key->data[15], ==, 15);
    g_assert_cmpint(fcntl(ends[0], F_GETFD), ==, -1);
}

static void test_modes(void)
{
    g_assert_cmpuint(hf_key_mode_size("aes-cbc"), ==, 16);
    g_assert_cmpuint(hf_key_mode_size("aes-128-cbc"), ==, 16);
    g_assert_cmpuint(hf_key_mode_size("aes-256-cbc"), ==, 32);
    g_assert_cmpuint(hf_key_mode_size("aes-192-cbc"), ==, 0);
}

/* Which keys a blob was made with and which are there to read it: the result, 0 for "reads". */
static void test_migration_keys(void)
{
    g_autoptr(HfSecret) small = key_of(16);
    g_autoptr(HfSecret) large = key_of(32);
    g_autoptr(HfSecret) other = key_of(16);
    const struct {
        HfStateKeys made, read;
        bool decrypted;
        uint16_t flags;
        uint32_t result;
    } rows[] = {
        { { NULL, NULL }, { NULL, NULL }, false, 4, 0 },
        { { NULL, NULL }, { small, large }, false, 4, 0 },
        { { small, NULL }, { small, NULL }, false, 5, 0 },
        { { large, NULL }, { large, NULL }, false, 0xd, 0 },
        { { small, NULL }, { NULL, NULL }, false, 5, 0x0d },
        { { small, NULL }, { other, NULL }, false, 5, 0x21 },
        { { small, NULL }, { large, NULL }, false, 5, 0x28 },
        { { small, NULL }, { NULL, small }, false, 5, 0x0d },
        { { small, NULL }, { NULL, NULL }, true, 4, 0 },
        { { NULL, small }, { NULL, small }, false, 6, 0 },
        { { NULL, large }, { small, large }, true, 0x16, 0 },
        { { NULL, small }, { NULL, NULL }, false, 6, 0x0d },
        { { NULL, small }, { small, NULL }, false, 6, 0x0d },
        { { NULL, small }, { NULL, other }, false, 6, 0x21 },
        { { NULL, small }, { NULL, large }, false, 6, 0x28 },
        { { small, large }, { small, large }, false, 0x17, 0 },
        { { large, small }, { large, small }, false, 0xf, 0 },
        { { small, large }, { NULL, large }, false, 0x17, 0x0d },
        { { small, large }, { other, large }, false, 0x17, 0x21 },
        { { small, large }, { NULL, large }, true, 0x16, 0 },
    };

    other->data[0] ^= 0x80;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bool encrypted = false;
        uint32_t result = 99;
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) blob = hf_migration_blob_wrap(
            &rows[i].made, rows[i].decrypted, (const uint8_t *)text, TEXT_SIZE, &encrypted);
        gsize size;
        const uint8_t *bytes = g_bytes_get_data(blob, &size);
        g_autoptr(GBytes) plain =
            hf_migration_blob_unwrap(&rows[i].read, bytes, size, encrypted, &result, &error);

        g_assert_cmphex(hf_fetch_u16(bytes + 4), ==, rows[i].flags);
        g_assert_true(encrypted == ((rows[i].flags & 1) != 0));
        g_assert_cmphex(result, ==, rows[i].result);
        if (rows[i].result != 0) {
            g_assert_null(plain);
            g_assert_nonnull(error);
            continue;
        }
        g_assert_no_error(error);
        g_assert_cmpmem(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain), text, TEXT_SIZE);
    }
}

static void reads_migration(const char *hex, const HfStateKeys *keys)
{
    uint32_t result = 99;
    GError *error = NULL;
    g_autoptr(GByteArray) blob = unhex(hex);
    g_autoptr(GBytes) plain =
        hf_migration_blob_unwrap(keys, blob->data, blob->len, true, &result, &error);

    g_assert_no_error(error);
    g_assert_cmphex(result, ==, 0);
    g_assert_cmpmem(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain), text, TEXT_SIZE);
}

static void test_migration_known(void)
{
    g_autoptr(HfSecret) small = key_of(16);
    g_autoptr(HfSecret) large = key_of(32);
    static const uint8_t version_1[] = { 1, 1, 0, 10, 0, 4, 0, 0, 0, 12, 'h', 'i' };
    const HfStateKeys both = { large, small };
    const HfStateKeys same = { small, small };
    const HfStateKeys none = { NULL, NULL };
    uint32_t result = 99;
    g_autoptr(GBytes) plain = NULL;

    reads_migration(MIGRATION_BOTH, &both);
    reads_migration(MIGRATION_VERSION_1, &same);
    plain = hf_migration_blob_unwrap(&none, version_1, sizeof version_1, false, &result, NULL);
    g_assert_cmphex(result, ==, 0);
    g_assert_cmpmem(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain), "hi", 2);
}

/* Every bit of a blob that is encrypted twice. Those that only tell who wrote it do no harm. */
static void test_migration_every_bit(void)
{
    g_autoptr(HfSecret) small = key_of(16);
    g_autoptr(HfSecret) large = key_of(32);
    const HfStateKeys keys = { large, small };
    g_autoptr(GByteArray) blob = unhex(MIGRATION_BOTH);

    for (size_t bit = 0; bit < 8 * (size_t)blob->len; bit++) {
        uint32_t result = 99;
        g_autoptr(GError) error = NULL;

        blob->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        g_autoptr(GBytes) plain =
            hf_migration_blob_unwrap(&keys, blob->data, blob->len, true, &result, &error);
        blob->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        g_assert_true((plain != NULL) == (result == 0));
        if (!plain) {
            g_assert_nonnull(error);
            continue;
        }
        /* Version, the flag that says "migration blob", and the one the request says as well. */
        g_assert_true(bit < 16 || bit == 42 || bit == 40);
        g_assert_cmpmem(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain), text, TEXT_SIZE);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/encryption/known-files", test_known_files);
    g_test_add_func("/encryption/written", test_written);
    g_test_add_func("/encryption/written-limits", test_written_limits);
    g_test_add_func("/encryption/every-bit", test_every_bit);
    g_test_add_func("/encryption/wrong-keys", test_wrong_keys);
    g_test_add_func("/encryption/flags", test_flags);
    g_test_add_func("/encryption/records-recut", test_records_recut);
    g_test_add_func("/encryption/recut-many", test_recut_many);
    g_test_add_func("/encryption/padding", test_padding);
    g_test_add("/keys/read", Place, NULL, place_new, test_keys, place_free);
    g_test_add("/keys/refused", Place, NULL, place_new, test_keys_refused, place_free);
    g_test_add("/keys/removed", Place, NULL, place_new, test_key_removed, place_free);
    g_test_add_func("/keys/descriptor", test_key_descriptor);
    g_test_add_func("/keys/modes", test_modes);
    g_test_add_func("/migration/keys", test_migration_keys);
    g_test_add_func("/migration/known", test_migration_known);
    g_test_add_func("/migration/every-bit", test_migration_every_bit);
    return g_test_run();
}
