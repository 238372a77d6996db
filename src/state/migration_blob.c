/*
 * migration_blob.c - putting state into the form of the control channel and taking it out again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "base/error.h"
#include "state/format.h"
#include "state/migration_blob.h"

#define LABEL "state blob"
#define RESULT_BAD_PARAMETER 3u
#define RESULT_FAIL 9u
#define RESULT_KEY_NOT_FOUND 0x0du
#define RESULT_BAD_DATASIZE 0x2bu
#define RESULT_BAD_VERSION 0x2eu

GBytes *hf_migration_blob_wrap(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) inner = g_byte_array_new();
    GByteArray *out = hf_format_begin(HF_FORMAT_MIGRATION);

    g_assert(size > 0 && size <= HF_STATE_BLOB_MAX);
    hf_format_put(inner, HF_FORMAT_DATA, data, size);
    hf_format_put(out, HF_FORMAT_MIGRATION_DATA, inner->data, inner->len);
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

/* Header and both layers; the result for the channel. */
static uint32_t unwrap(const uint8_t *data, size_t size, bool says_encrypted, HfReader *ret_value,
                       GError **error)
{
    HfFormatFault fault;
    HfFormat format;
    HfReader layer;

    if (!hf_format_read(&format, data, size, LABEL, &fault, error)) {
        return fault_result(fault);
    }
    if (hf_reader_left(&format.body) == 0) {
        *ret_value = format.body;
        return 0;
    }
    if (format.flags & HF_FORMAT_MIGRATION_ENCRYPTED) {
        hf_error_set(error, HF_ERROR_AUTH,
                     LABEL " is encrypted for migration, and no migration key was given");
        return RESULT_KEY_NOT_FOUND;
    }
    if (says_encrypted || (format.flags & HF_FORMAT_ENCRYPTED)) {
        hf_error_set(error, HF_ERROR_AUTH, LABEL " is encrypted, and no key was given");
        return RESULT_KEY_NOT_FOUND;
    }
    if (format.version < 2) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, LABEL ": expected version 2, found %u",
                     format.version);
        return RESULT_BAD_VERSION;
    }
    if (!hf_format_find(format.body, HF_FORMAT_MIGRATION_DATA, "a migration layer", LABEL, &layer,
                        error) ||
        !hf_format_find(layer, HF_FORMAT_DATA, "the state", LABEL, ret_value, error)) {
        return RESULT_FAIL;
    }
    if (hf_reader_left(ret_value) > HF_STATE_BLOB_MAX) {
        hf_error_set(error, HF_ERROR_INVALID, LABEL ": expected at most %u bytes, found %zu",
                     HF_STATE_BLOB_MAX, hf_reader_left(ret_value));
        return RESULT_FAIL;
    }
    return 0;
}

GBytes *hf_migration_blob_unwrap(const uint8_t *data, size_t size, bool says_encrypted,
                                 uint32_t *ret_result, GError **error)
{
    HfReader value = { 0 };
    uint32_t result = size > 0 ? unwrap(data, size, says_encrypted, &value, error) : 0;

    *ret_result = result;
    if (result != 0) {
        return NULL;
    }
    return g_bytes_new(value.data ? value.data + value.offset : NULL, hf_reader_left(&value));
}
