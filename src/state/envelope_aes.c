/*
 * envelope_aes.c - state encrypted with the key of --key.
 *
 * Opens nothing but encrypted files: a plain one is not what was stored with this key, and somebody
 * who cannot encrypt must not be able to put it there.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "base/error.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "state/cipher_layer.h"
#include "state/envelope.h"

typedef struct {
    HfEnvelope envelope;
    const HfSecret *key;
} HfEnvelopeAes;

static bool check_size(size_t size, const char *label, GError **error)
{
    return (size > 0 && size <= HF_STATE_BLOB_MAX) ||
           hf_error_set(error, HF_ERROR_INVALID, "%s: expected 1 to %u bytes of state, found %zu",
                        label, HF_STATE_BLOB_MAX, size);
}

static GBytes *aes_wrap(HfEnvelope *envelope, const uint8_t *data, size_t size, const char *label,
                        GError **error)
{
    const HfSecret *key = ((HfEnvelopeAes *)envelope)->key;
    GByteArray *out;

    if (!check_size(size, label, error)) {
        return NULL;
    }
    out = hf_format_begin(hf_cipher_layer_flags(&hf_cipher_layer_state, key),
                          size + HF_CIPHER_LAYER_ROOM);
    hf_cipher_layer_put(out, &hf_cipher_layer_state, key, data, size);
    return hf_format_end(out);
}

static bool check_flags(const HfFormat *format, const char *label, GError **error)
{
    if (format->flags & HF_FORMAT_MIGRATION) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected a state file, found a migration blob", label);
    }
    if (!(format->flags & HF_FORMAT_ENCRYPTED)) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "%s is not encrypted, and a key was given: expected encrypted state",
                            label);
    }
    if (format->flags & ~(HF_FORMAT_ENCRYPTED | HF_FORMAT_ENCRYPTED_256)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: flags 0x%x make no sense in a state file",
                            label, format->flags);
    }
    return true;
}

static GBytes *aes_unwrap(HfEnvelope *envelope, GBytes *stored, const char *label, GError **error)
{
    const HfSecret *key = ((HfEnvelopeAes *)envelope)->key;
    HfFormat format;
    g_autoptr(GBytes) plain = NULL;
    size_t size;
    const void *data = g_bytes_get_data(stored, &size);

    if (!hf_format_read(&format, data, size, label, NULL, error) ||
        !check_flags(&format, label, error)) {
        return NULL;
    }
    plain =
        hf_cipher_layer_open(&format, format.body, &hf_cipher_layer_state, key, label, NULL, error);
    if (!plain || !check_size(g_bytes_get_size(plain), label, error)) {
        return NULL;
    }
    return g_steal_pointer(&plain);
}

static void aes_tag(HfEnvelope *envelope, const uint8_t *data, size_t size,
                    uint8_t ret_tag[HF_ENVELOPE_TAG_SIZE])
{
    const HfSecret *key = ((HfEnvelopeAes *)envelope)->key;

    hf_hmac_once(HF_HASH_SHA256, key->data, key->size, data, size, ret_tag);
}

static void aes_free(HfEnvelope *envelope)
{
    g_free(envelope);
}

HfEnvelope *hf_envelope_aes_new(const HfSecret *key)
{
    static const HfEnvelopeClass aes_class = { "aes", aes_wrap, aes_unwrap, aes_tag, aes_free };
    HfEnvelopeAes *aes = g_new0(HfEnvelopeAes, 1);

    g_assert(key->size == 16 || key->size == 32);
    aes->envelope.class = &aes_class;
    aes->key = key;
    return &aes->envelope;
}
