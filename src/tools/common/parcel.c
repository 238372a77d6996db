/*
 * parcel.c - files of byte strings.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/parcel.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define MAGIC_SIZE 8u
#define SIZE_OFFSET 12u

void hf_parcel_clear(GBytes **values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_clear_pointer(&values[i], g_bytes_unref);
    }
}

GBytes *hf_parcel_write(const HfParcelFormat *format, GBytes *const *values)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    uint16_t count = 0;

    for (unsigned i = 0; i < format->count; i++) {
        count = (uint16_t)(count + (values[i] != NULL));
    }
    hf_put_bytes(w, format->magic, MAGIC_SIZE);
    hf_put_u16(w, format->version);
    hf_put_u16(w, format->version);
    hf_put_u32(w, 0);
    hf_put_u16(w, count);
    for (unsigned i = 0; i < format->count; i++) {
        if (values[i]) {
            size_t size = g_bytes_get_size(values[i]);

            g_assert(size >= format->items[i].min && size <= format->items[i].max);
            hf_put_u16(w, (uint16_t)(i + 1));
            hf_put_u32(w, (uint32_t)size);
            hf_put_gbytes(w, values[i]);
        }
    }
    hf_set_u32_at(w, SIZE_OFFSET, w->len);
    return g_byte_array_free_to_bytes(g_steal_pointer(&w));
}

static bool wrong(GError **error, const HfParcelFormat *format, const char *label, const char *why)
{
    return hf_error_set(error, HF_ERROR_INVALID, "%s: %s: %s", label, format->what, why);
}

static bool read_head(const HfParcelFormat *format, HfReader *r, const char *label, bool *ret_newer,
                      uint16_t *ret_count, GError **error)
{
    const uint8_t *magic = hf_reader_bytes(r, MAGIC_SIZE);
    uint16_t version = hf_reader_u16(r);
    uint16_t minimum = hf_reader_u16(r);
    uint32_t size = hf_reader_u32(r);

    *ret_count = hf_reader_u16(r);
    if (!magic || memcmp(magic, format->magic, MAGIC_SIZE) != 0) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: not a %s", label, format->what);
    }
    if (r->failed || size != r->size) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: %s: size: %u bytes expected, found %zu (truncated or extended)",
                            label, format->what, size, r->size);
    }
    if (version == 0 || minimum == 0 || minimum > version) {
        return wrong(error, format, label, "version numbers are wrong");
    }
    if (minimum > format->version) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: %s: needs a reader of version %u, this one is %u", label,
                            format->what, minimum, format->version);
    }
    *ret_newer = version > format->version;
    return true;
}

static bool check_sizes(const HfParcelFormat *format, GBytes *const *values, const char *label,
                        GError **error)
{
    for (unsigned i = 0; i < format->count; i++) {
        const HfParcelItem *item = &format->items[i];
        size_t size = values[i] ? g_bytes_get_size(values[i]) : 0;

        if (size < item->min || size > item->max) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "%s: %s: %s: %u to %u bytes expected, found %zu", label,
                                format->what, item->name, item->min, item->max, size);
        }
    }
    return true;
}

bool hf_parcel_read(const HfParcelFormat *format, GBytes *file, const char *label,
                    GBytes **ret_values, GError **error)
{
    GBytes *values[HF_PARCEL_ITEMS_MAX] = { NULL };
    HfReader r = hf_reader_for(file);
    bool newer = false;
    uint16_t count = 0;
    unsigned last = 0;
    bool good = true;

    g_assert(format->count <= HF_PARCEL_ITEMS_MAX);
    if (!read_head(format, &r, label, &newer, &count, error)) {
        return false;
    }
    for (unsigned i = 0; i < count && good; i++) {
        unsigned tag = hf_reader_u16(&r);
        uint32_t size = hf_reader_u32(&r);
        const uint8_t *data = hf_reader_bytes(&r, size);

        good = data && tag > last && (tag <= format->count || newer);
        if (good && tag <= format->count) {
            values[tag - 1] = g_bytes_new(data, size);
        }
        last = tag;
    }
    if (!good || !hf_reader_done(&r)) {
        hf_parcel_clear(values, format->count);
        return wrong(error, format, label, "malformed records");
    }
    if (!check_sizes(format, values, label, error)) {
        hf_parcel_clear(values, format->count);
        return false;
    }
    memcpy(ret_values, values, format->count * sizeof(values[0]));
    return true;
}
