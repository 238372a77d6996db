/*
 * cipher_layer.c - writing and opening swtpm's encrypted records; see cipher_layer.h.
 *
 * Keys are secrets (base/secret.h). Plaintext is in ordinary memory, as it is in libtpms, and wiped
 * when it is let go: locking it page by page would let every process in service do so.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/cipher_layer.h"

#include <string.h>

#include "base/error.h"
#include "crypto/cbc.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/random.h"

#define MAC_SIZE 32u
#define DIGEST_SIZE 32u
#define KEY_MAX 32u

const HfCipherLayer hf_cipher_layer_state = {
    .flag = HF_FORMAT_ENCRYPTED,
    .flag_256 = HF_FORMAT_ENCRYPTED_256,
    .tag_plain = HF_FORMAT_DATA,
    .tag_ciphertext = HF_FORMAT_CIPHERTEXT,
    .tag_iv = HF_FORMAT_IV,
};

const HfCipherLayer hf_cipher_layer_migration = {
    .flag = HF_FORMAT_MIGRATION_ENCRYPTED,
    .flag_256 = HF_FORMAT_MIGRATION_256,
    .tag_plain = HF_FORMAT_MIGRATION_DATA,
    .tag_ciphertext = HF_FORMAT_MIGRATION_CIPHERTEXT,
    .tag_iv = HF_FORMAT_MIGRATION_IV,
};

static const uint8_t zero_iv[HF_CBC_BLOCK_SIZE];

typedef struct {
    HfReader ciphertext, mac, iv;
    bool has_iv;
} Records;

/* Memory that is wiped when it is freed. */
typedef struct {
    size_t size; /* of what is in use */
    size_t room;
    uint8_t data[];
} Plain;

static Plain *plain_new(size_t size)
{
    Plain *plain = g_malloc0(sizeof *plain + size);

    plain->size = size;
    plain->room = size;
    return plain;
}

static void plain_free(gpointer data)
{
    Plain *plain = data;

    if (plain) {
        explicit_bzero(plain->data, plain->room);
        g_free(plain);
    }
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plain, plain_free)

static GBytes *plain_to_bytes(Plain *plain)
{
    return g_bytes_new_with_free_func(plain->data, plain->size, plain_free, plain);
}

uint16_t hf_cipher_layer_flags(const HfCipherLayer *layer, const HfSecret *key)
{
    if (!key) {
        return 0;
    }
    g_assert(key->size == 16 || key->size == KEY_MAX);
    return layer->flag | (key->size == KEY_MAX ? layer->flag_256 : 0);
}

static void mac_over(const HfSecret *key, const uint8_t *ciphertext, size_t size, const uint8_t *iv,
                     size_t iv_size, uint8_t *ret_mac)
{
    g_autoptr(HfHmac) hmac = hf_hmac_new(HF_HASH_SHA256, key->data, key->size);

    hf_hmac_update(hmac, ciphertext, size);
    hf_hmac_update(hmac, iv, iv_size);
    hf_hmac_finish(hmac, ret_mac);
}

void hf_cipher_layer_put(GByteArray *out, const HfCipherLayer *layer, const HfSecret *key,
                         const void *data, size_t size)
{
    g_autoptr(Plain) padded = NULL;
    uint8_t iv[KEY_MAX];
    uint8_t mac[MAC_SIZE];
    size_t pad;

    if (!key) {
        hf_format_put(out, layer->tag_plain, data, size);
        return;
    }
    pad = key->size - size % key->size;
    padded = plain_new(size + pad);
    memcpy(padded->data, data, size);
    memset(padded->data + size, (int)pad, pad);
    hf_random_bytes(iv, key->size);
    hf_cbc_encrypt(key->data, key->size, iv, padded->data, padded->size, padded->data);
    mac_over(key, padded->data, padded->size, iv, key->size, mac);
    hf_format_put(out, layer->tag_ciphertext, padded->data, padded->size);
    hf_format_put(out, HF_FORMAT_MAC, mac, sizeof mac);
    hf_format_put(out, layer->tag_iv, iv, key->size);
}

static const uint8_t *bytes_of(const HfReader *reader)
{
    return reader->data + reader->offset;
}

static HfCipherFault malformed(GError **error, const char *label, const char *what, size_t size)
{
    hf_error_set(error, HF_ERROR_INVALID, "%s: %s of %zu bytes is not possible", label, what, size);
    return HF_CIPHER_MALFORMED;
}

static HfCipherFault not_authentic(GError **error, const char *label)
{
    hf_error_set(error, HF_ERROR_AUTH,
                 "%s cannot be decrypted: it was encrypted with another key, or altered", label);
    return HF_CIPHER_NOT_AUTHENTIC;
}

/* The cipher's padding alone; 0: there is none. */
static size_t padding_of(const uint8_t *plain, size_t size, size_t key_size)
{
    size_t pad = size > 0 ? plain[size - 1] : 0;

    if (pad == 0 || pad > key_size || pad > size) {
        return 0;
    }
    for (size_t i = 1; i <= pad; i++) {
        if (plain[size - i] != pad) {
            return 0;
        }
    }
    return pad;
}

static HfCipherFault check_key_size(const HfFormat *format, const HfCipherLayer *layer,
                                    const HfSecret *key, const char *label, GError **error)
{
    size_t wanted = format->flags & layer->flag_256 ? KEY_MAX : 16;

    if (wanted == key->size) {
        return HF_CIPHER_OK;
    }
    hf_error_set(error, HF_ERROR_KEY,
                 "%s: expected a key of %zu bits (mode=aes-%zu-cbc), found one of %zu", label,
                 wanted * 8, wanted * 8, key->size * 8);
    return HF_CIPHER_KEY_SIZE;
}

static HfCipherFault find_records(HfReader body, const HfCipherLayer *layer, const HfSecret *key,
                                  const char *label, Records *ret_records, GError **error)
{
    Records r = { 0 };
    size_t size;

    if (!hf_format_find(body, layer->tag_ciphertext, "encrypted data", label, &r.ciphertext,
                        error) ||
        !hf_format_find(body, HF_FORMAT_MAC, "the HMAC", label, &r.mac, error) ||
        !hf_format_look(body, layer->tag_iv, "the IV", label, &r.iv, &r.has_iv, error)) {
        return HF_CIPHER_MALFORMED;
    }
    size = hf_reader_left(&r.ciphertext);
    if (size == 0 || size % HF_CBC_BLOCK_SIZE != 0) {
        return malformed(error, label, "encrypted data", size);
    }
    size = hf_reader_left(&r.mac);
    if (size != MAC_SIZE) {
        return malformed(error, label, "an HMAC", size);
    }
    /* Not one byte more or less: the MAC does not tell where the ciphertext ends. */
    size = hf_reader_left(&r.iv);
    if (r.has_iv && size != key->size) {
        return malformed(error, label, "an IV", size);
    }
    *ret_records = r;
    return HF_CIPHER_OK;
}

/* A file without an IV record, whose MAC is right: is it a file with one, whose IV was moved to the
 * end of the ciphertext? Then the rest decrypts with that IV to proper padding, which one old file
 * in 256 does too; but of those only the genuine one begins as every blob of libtpms does, with a
 * zero. */
static bool is_recut(const HfSecret *key, const Records *r, const Plain *as_old)
{
    size_t size = hf_reader_left(&r->ciphertext);
    g_autoptr(Plain) as_new = NULL;

    if (size < 2 * key->size) {
        return false;
    }
    size -= key->size;
    as_new = plain_new(size);
    hf_cbc_decrypt(key->data, key->size, bytes_of(&r->ciphertext) + size, bytes_of(&r->ciphertext),
                   size, as_new->data);
    return padding_of(as_new->data, size, key->size) > 0 && as_old->data[0] != 0;
}

static HfCipherFault open_version_2(HfReader body, const HfCipherLayer *layer, const HfSecret *key,
                                    const char *label, Plain **ret_plain, GError **error)
{
    Records r;
    uint8_t mac[MAC_SIZE];
    g_autoptr(Plain) plain = NULL;
    size_t size, pad;
    HfCipherFault fault = find_records(body, layer, key, label, &r, error);

    if (fault != HF_CIPHER_OK) {
        return fault;
    }
    size = hf_reader_left(&r.ciphertext);
    mac_over(key, bytes_of(&r.ciphertext), size, r.has_iv ? bytes_of(&r.iv) : NULL,
             hf_reader_left(&r.iv), mac);
    if (!hf_secret_equal(mac, bytes_of(&r.mac), sizeof mac)) {
        return not_authentic(error, label);
    }
    plain = plain_new(size);
    hf_cbc_decrypt(key->data, key->size, r.has_iv ? bytes_of(&r.iv) : zero_iv,
                   bytes_of(&r.ciphertext), size, plain->data);
    pad = padding_of(plain->data, size, key->size);
    if (pad == 0 || (!r.has_iv && is_recut(key, &r, plain))) {
        return not_authentic(error, label);
    }
    plain->size = size - pad;
    *ret_plain = g_steal_pointer(&plain);
    return HF_CIPHER_OK;
}

/* There is nothing to check before decrypting; the digest inside is what there is. */
static HfCipherFault open_version_1(HfReader body, const HfSecret *key, const char *label,
                                    Plain **ret_plain, GError **error)
{
    size_t size = hf_reader_left(&body);
    g_autoptr(Plain) all = NULL;
    uint8_t digest[DIGEST_SIZE];
    size_t pad;

    if (size < DIGEST_SIZE + HF_CBC_BLOCK_SIZE || size % HF_CBC_BLOCK_SIZE != 0) {
        return malformed(error, label, "encrypted data", size);
    }
    all = plain_new(size);
    hf_cbc_decrypt(key->data, key->size, zero_iv, bytes_of(&body), size, all->data);
    pad = padding_of(all->data, size, key->size);
    if (pad == 0 || size - pad < DIGEST_SIZE) {
        return not_authentic(error, label);
    }
    size -= pad + DIGEST_SIZE;
    hf_hash_once(HF_HASH_SHA256, all->data + DIGEST_SIZE, size, digest);
    if (!hf_secret_equal(digest, all->data, sizeof digest)) {
        return not_authentic(error, label);
    }
    memmove(all->data, all->data + DIGEST_SIZE, size);
    all->size = size;
    *ret_plain = g_steal_pointer(&all);
    return HF_CIPHER_OK;
}

GBytes *hf_cipher_layer_open(const HfFormat *format, HfReader body, const HfCipherLayer *layer,
                             const HfSecret *key, const char *label, HfCipherFault *ret_fault,
                             GError **error)
{
    Plain *plain = NULL;
    HfCipherFault fault;

    if (format->version < 2) {
        fault = open_version_1(body, key, label, &plain, error);
    } else {
        fault = check_key_size(format, layer, key, label, error);
        if (fault == HF_CIPHER_OK) {
            fault = open_version_2(body, layer, key, label, &plain, error);
        }
    }
    if (ret_fault) {
        *ret_fault = fault;
    }
    return plain ? plain_to_bytes(plain) : NULL;
}
