/*
 * envelope_plain.c - state without encryption.
 *
 * Recognises what it cannot open, encrypted files and migration blobs, and says so; it must never
 * take them for damaged or absent.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "state/envelope.h"
#include "state/format.h"

static GBytes *plain_wrap(HfEnvelope *envelope, const uint8_t *data, size_t size, const char *label,
                          GError **error)
{
    GByteArray *out;

    (void)envelope;
    if (size == 0 || size > HF_STATE_BLOB_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected 1 to %u bytes of state, found %zu",
                     label, HF_STATE_BLOB_MAX, size);
        return NULL;
    }
    out = hf_format_begin(0, HF_FORMAT_RECORD_HEADER + size);
    hf_format_put(out, HF_FORMAT_DATA, data, size);
    return hf_format_end(out);
}

static bool check_flags(const HfFormat *format, const char *label, GError **error)
{
    if (format->flags & HF_FORMAT_MIGRATION) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected a state file, found a migration blob", label);
    }
    if (format->flags & HF_FORMAT_ENCRYPTED) {
        return hf_error_set(error, HF_ERROR_STATE, "%s is encrypted, and no key was given", label);
    }
    if (format->flags != 0) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: flags 0x%x make no sense in a state file",
                            label, format->flags);
    }
    return true;
}

static GBytes *plain_unwrap(HfEnvelope *envelope, GBytes *stored, const char *label, GError **error)
{
    HfFormat format;
    HfReader value;
    size_t size;
    const uint8_t *data = g_bytes_get_data(stored, &size);

    (void)envelope;
    if (!hf_format_read(&format, data, size, label, NULL, error) ||
        !check_flags(&format, label, error)) {
        return NULL;
    }
    value = format.body;
    if (format.version >= 2 &&
        !hf_format_find(format.body, HF_FORMAT_DATA, "the state", label, &value, error)) {
        return NULL;
    }
    size = hf_reader_left(&value);
    if (size == 0 || size > HF_STATE_BLOB_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected 1 to %u bytes of state, found %zu",
                     label, HF_STATE_BLOB_MAX, size);
        return NULL;
    }
    return g_bytes_new_from_bytes(stored, (gsize)(value.data + value.offset - data), size);
}

static void plain_tag(HfEnvelope *envelope, const uint8_t *data, size_t size,
                      uint8_t ret_tag[HF_ENVELOPE_TAG_SIZE])
{
    (void)envelope;
    (void)data;
    (void)size;
    memset(ret_tag, 0, HF_ENVELOPE_TAG_SIZE);
}

static void plain_free(HfEnvelope *envelope)
{
    g_free(envelope);
}

HfEnvelope *hf_envelope_plain_new(void)
{
    static const HfEnvelopeClass plain_class = { "plain", plain_wrap, plain_unwrap, plain_tag,
                                                 plain_free };
    HfEnvelope *envelope = g_new0(HfEnvelope, 1);

    envelope->class = &plain_class;
    return envelope;
}
