/*
 * migration_blob.c - putting state into the form of the control channel and taking it out again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/migration_blob.h"

#include <string.h>

#include "base/error.h"
#include "state/cipher_layer.h"

#define LABEL "state blob"
#define RESULT_BAD_PARAMETER 3u
#define RESULT_FAIL 9u
#define RESULT_KEY_NOT_FOUND 0x0du
#define RESULT_DECRYPT_ERROR 0x21u
#define RESULT_BAD_KEY_PROPERTY 0x28u
#define RESULT_BAD_DATASIZE 0x2bu
#define RESULT_BAD_VERSION 0x2eu

GBytes *hf_migration_blob_wrap(const HfStateKeys *keys, bool decrypted, const uint8_t *data,
                               size_t size, bool *ret_encrypted)
{
    const HfSecret *key = decrypted ? NULL : keys->state;
    uint16_t flags = HF_FORMAT_MIGRATION | hf_cipher_layer_flags(&hf_cipher_layer_state, key) |
                     hf_cipher_layer_flags(&hf_cipher_layer_migration, keys->migration);
    GByteArray *inner = g_byte_array_sized_new((guint)(size + HF_CIPHER_LAYER_ROOM));
    GByteArray *out = hf_format_begin(flags, size + 2 * HF_CIPHER_LAYER_ROOM);

    g_assert(size > 0 && size <= HF_STATE_BLOB_MAX);
    hf_cipher_layer_put(inner, &hf_cipher_layer_state, key, data, size);
    hf_cipher_layer_put(out, &hf_cipher_layer_migration, keys->migration, inner->data, inner->len);
    explicit_bzero(inner->data, inner->len);
    g_byte_array_unref(inner);
    if (ret_encrypted) {
        *ret_encrypted = key != NULL;
    }
    return hf_format_end(out);
}

static uint32_t fault_result(HfFormatFault fault)
{
    switch (fault) {
    case HF_FORMAT_BAD_LENGTH: return RESULT_BAD_PARAMETER;
    case HF_FORMAT_BAD_HEADER: return RESULT_BAD_DATASIZE;
    case HF_FORMAT_BAD_VERSION: return RESULT_BAD_VERSION;
    case HF_FORMAT_BAD_FLAGS:
    case HF_FORMAT_OK: break;
    }
    return RESULT_FAIL;
}

static uint32_t cipher_result(HfCipherFault fault)
{
    switch (fault) {
    case HF_CIPHER_OK: return 0;
    case HF_CIPHER_KEY_SIZE: return RESULT_BAD_KEY_PROPERTY;
    case HF_CIPHER_NOT_AUTHENTIC: return RESULT_DECRYPT_ERROR;
    case HF_CIPHER_MALFORMED: break;
    }
    return RESULT_FAIL;
}

/* Takes a layer off `body`. *ret_plain keeps a decrypted one alive. */
static uint32_t peel(const HfFormat *format, HfReader *body, const HfCipherLayer *layer,
                     bool encrypted, const HfSecret *key, GBytes **ret_plain, GError **error)
{
    bool migration = layer == &hf_cipher_layer_migration;
    HfCipherFault fault;

    if (!encrypted && format->version < 2) {
        return 0;
    }
    if (!encrypted) {
        const char *what = migration ? "a migration layer" : "the state";
        return hf_format_find(*body, layer->tag_plain, what, LABEL, body, error) ? 0 : RESULT_FAIL;
    }
    if (!key) {
        hf_error_set(error, HF_ERROR_AUTH, LABEL " is encrypted%s, and no %s was given",
                     migration ? " for migration" : "", migration ? "migration key" : "key");
        return RESULT_KEY_NOT_FOUND;
    }
    *ret_plain =
        hf_cipher_layer_open(format, *body, layer, key,
                             migration ? LABEL " (migration key)" : LABEL " (key)", &fault, error);
    if (*ret_plain) {
        *body = hf_reader_for(*ret_plain);
    }
    return cipher_result(fault);
}

/* Header and both layers; the result for the channel. */
static uint32_t unwrap(const HfStateKeys *keys, const uint8_t *data, size_t size,
                       bool says_encrypted, GBytes **ret_blob, GError **error)
{
    HfFormatFault fault;
    HfFormat format;
    g_autoptr(GBytes) outer = NULL;
    g_autoptr(GBytes) inner = NULL;
    uint32_t result;

    if (!hf_format_read(&format, data, size, LABEL, &fault, error)) {
        return fault_result(fault);
    }
    HfReader body = format.body;
    if (hf_reader_left(&body) == 0) {
        *ret_blob = g_bytes_new(NULL, 0);
        return 0;
    }
    result =
        peel(&format, &body, &hf_cipher_layer_migration,
             (format.flags & HF_FORMAT_MIGRATION_ENCRYPTED) != 0, keys->migration, &outer, error);
    if (result == 0) {
        result = peel(&format, &body, &hf_cipher_layer_state,
                      says_encrypted || (format.flags & HF_FORMAT_ENCRYPTED), keys->state, &inner,
                      error);
    }
    if (result != 0) {
        return result;
    }
    if (hf_reader_left(&body) > HF_STATE_BLOB_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, LABEL ": expected at most %u bytes, found %zu",
                     HF_STATE_BLOB_MAX, hf_reader_left(&body));
        return RESULT_FAIL;
    }
    *ret_blob = hf_secret_bytes(body.data ? body.data + body.offset : NULL, hf_reader_left(&body));
    return 0;
}

GBytes *hf_migration_blob_unwrap(const HfStateKeys *keys, const uint8_t *data, size_t size,
                                 bool says_encrypted, uint32_t *ret_result, GError **error)
{
    GBytes *blob = NULL;

    if (size == 0) {
        *ret_result = 0;
        return g_bytes_new(NULL, 0);
    }
    *ret_result = unwrap(keys, data, size, says_encrypted, &blob, error);
    return blob;
}
