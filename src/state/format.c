/*
 * format.c - reading and writing swtpm's blob header and records; see format.h for the layout.
 *
 * No file is opened and nothing is decrypted here.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/secret.h"
#include "state/format.h"

#define TOTLEN_AT 6u

/* What a stranger's file looks like, when it is one that people mistake for a state file. */
static const char *stranger(const uint8_t *data, size_t size)
{
    static const struct {
        uint8_t magic[8];
        size_t size;
        const char *words;
    } table[] = {
        { { 'n', 'i', 'l', 'm', 'p', 't', 'w', 's' }, 8, "a linear store (file://)" },
        { { 'h', 'o', 'l', 'd', 'f', 'a', 's', 't' }, 8, "a file of slots (slots://)" },
        { { 0x00, 0x03, 0xab, 0x36, 0x47, 0x23 }, 6, "a bare TPM 2 blob without this header" },
        { { 0x00, 0x04, 0xab, 0x36, 0x47, 0x23 }, 6, "a bare TPM 2 blob without this header" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (size >= table[i].size && memcmp(data, table[i].magic, table[i].size) == 0) {
            return table[i].words;
        }
    }
    return "something else";
}

static HfFormatFault check_header(const HfFormat *format, uint16_t header_size, uint32_t total,
                                  const uint8_t *data, size_t size, const char *label,
                                  GError **error)
{
    if (header_size != HF_FORMAT_HEADER_SIZE) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: expected TPM state (a header of %u bytes), found %s (%u)", label,
                     HF_FORMAT_HEADER_SIZE, stranger(data, size), header_size);
        return HF_FORMAT_BAD_HEADER;
    }
    if (format->version == 0 || format->min_version == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected version 1 or 2, found 0", label);
        return HF_FORMAT_BAD_VERSION;
    }
    if (format->min_version > HF_FORMAT_VERSION) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "%s: needs a reader of version %u, this one is of version %u", label,
                     format->min_version, HF_FORMAT_VERSION);
        return HF_FORMAT_BAD_VERSION;
    }
    if (total != size) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: its header says %u bytes, there are %zu: it is %s", label, total, size,
                     size < total ? "truncated" : "followed by something else");
        return HF_FORMAT_BAD_LENGTH;
    }
    if (format->flags & ~HF_FORMAT_FLAGS) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "%s: unknown flags 0x%x", label,
                     format->flags & ~HF_FORMAT_FLAGS);
        return HF_FORMAT_BAD_FLAGS;
    }
    return HF_FORMAT_OK;
}

bool hf_format_read(HfFormat *ret_format, const void *data, size_t size, const char *label,
                    HfFormatFault *ret_fault, GError **error)
{
    HfReader reader = hf_reader(data, size);
    HfFormat format = { 0 };
    HfFormatFault fault = HF_FORMAT_BAD_LENGTH;
    uint16_t header_size;
    uint32_t total;

    format.version = hf_reader_u8(&reader);
    format.min_version = hf_reader_u8(&reader);
    header_size = hf_reader_u16(&reader);
    format.flags = hf_reader_u16(&reader);
    total = hf_reader_u32(&reader);
    if (reader.failed) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: expected TPM state of at least %u bytes, found %zu", label,
                     HF_FORMAT_HEADER_SIZE, size);
    } else {
        fault = check_header(&format, header_size, total, data, size, label, error);
    }
    if (ret_fault) {
        *ret_fault = fault;
    }
    if (fault != HF_FORMAT_OK) {
        return false;
    }
    format.body = hf_reader_rest(&reader);
    *ret_format = format;
    return true;
}

bool hf_format_look(HfReader records, uint16_t tag, const char *what, const char *label,
                    HfReader *ret_value, bool *ret_found, GError **error)
{
    HfReader found = { 0 };
    bool have = false;

    while (hf_reader_left(&records) > 0) {
        size_t at = records.offset;
        uint16_t this_tag = hf_reader_u16(&records);
        uint32_t length = hf_reader_u32(&records);
        HfReader value = hf_reader_sub(&records, length);

        if (records.failed) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "%s: the record at offset %zu reaches past the end", label, at);
        }
        if (this_tag == tag && have) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: has two records with %s", label,
                                what);
        }
        if (this_tag == tag) {
            found = hf_reader(value.data, value.size);
            have = true;
        }
    }
    *ret_value = found;
    *ret_found = have;
    return true;
}

bool hf_format_find(HfReader records, uint16_t tag, const char *what, const char *label,
                    HfReader *ret_value, GError **error)
{
    HfReader value;
    bool found = false;

    if (!hf_format_look(records, tag, what, label, &value, &found, error)) {
        return false;
    }
    if (!found) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: has no record with %s", label, what);
    }
    *ret_value = value;
    return true;
}

GByteArray *hf_format_begin(uint16_t flags, size_t room)
{
    GByteArray *out = g_byte_array_sized_new((guint)(HF_FORMAT_HEADER_SIZE + room));

    hf_put_u8(out, HF_FORMAT_VERSION);
    hf_put_u8(out, 1);
    hf_put_u16(out, HF_FORMAT_HEADER_SIZE);
    hf_put_u16(out, flags);
    hf_put_u32(out, 0);
    return out;
}

void hf_format_put(GByteArray *out, uint16_t tag, const void *data, size_t size)
{
    g_assert(size <= G_MAXUINT32 - HF_FORMAT_RECORD_HEADER - out->len);
    hf_put_u16(out, tag);
    hf_put_u32(out, (uint32_t)size);
    hf_put_bytes(out, data, size);
}

GBytes *hf_format_end(GByteArray *out)
{
    hf_set_u32_at(out, TOTLEN_AT, out->len);
    return hf_secret_bytes_of_array(out);
}
