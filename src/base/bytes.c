/*
 * bytes.c - the cursor's getters and the writer's appends.
 *
 * Every getter goes through hf_reader_bytes, the only place that moves the cursor.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/bytes.h"

#include "base/error.h"

#include <string.h>

HfReader hf_reader(const void *data, size_t size)
{
    g_assert(data || size == 0);
    return (HfReader){ .data = data, .size = data ? size : 0 };
}

HfReader hf_reader_for(GBytes *bytes)
{
    size_t size = 0;
    const void *data = g_bytes_get_data(bytes, &size);
    return hf_reader(data, size);
}

const uint8_t *hf_reader_bytes(HfReader *r, size_t n)
{
    /* A valid address also when there are no bytes: NULL means failure alone. */
    static const uint8_t nothing[1] = { 0 };
    if (r->failed || n > hf_reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = n == 0 ? nothing : r->data + r->offset;
    r->offset += n;
    return p;
}

static uint64_t get_be(HfReader *r, size_t n)
{
    const uint8_t *p = hf_reader_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++) {
        v = (v << 8) | p[i];
    }
    return v;
}

static uint64_t get_le(HfReader *r, size_t n)
{
    const uint8_t *p = hf_reader_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = n; p && i > 0; i--) {
        v = (v << 8) | p[i - 1];
    }
    return v;
}

uint8_t hf_reader_u8(HfReader *r)
{
    return (uint8_t)get_be(r, 1);
}

uint16_t hf_reader_u16(HfReader *r)
{
    return (uint16_t)get_be(r, 2);
}

uint32_t hf_reader_u32(HfReader *r)
{
    return (uint32_t)get_be(r, 4);
}

uint64_t hf_reader_u64(HfReader *r)
{
    return get_be(r, 8);
}

uint16_t hf_reader_u16_le(HfReader *r)
{
    return (uint16_t)get_le(r, 2);
}

uint32_t hf_reader_u32_le(HfReader *r)
{
    return (uint32_t)get_le(r, 4);
}

HfReader hf_reader_sub(HfReader *r, size_t n)
{
    const uint8_t *p = hf_reader_bytes(r, n);
    HfReader sub = hf_reader(p, p ? n : 0);
    sub.failed = p == NULL;
    return sub;
}

HfReader hf_reader_tpm2b(HfReader *r, size_t max)
{
    size_t n = hf_reader_u16(r);
    if (n > max) {
        r->failed = true;
    }
    return hf_reader_sub(r, n);
}

HfReader hf_reader_rest(HfReader *r)
{
    return hf_reader_sub(r, hf_reader_left(r));
}

void hf_put_bytes(GByteArray *w, const void *data, size_t n)
{
    g_assert(n <= G_MAXUINT - w->len);
    if (n > 0) {
        g_byte_array_append(w, data, (guint)n);
    }
}

void hf_put_gbytes(GByteArray *w, GBytes *bytes)
{
    size_t n = 0;
    const void *data = g_bytes_get_data(bytes, &n);
    hf_put_bytes(w, data, n);
}

static void put_be(GByteArray *w, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
    hf_put_bytes(w, b, n);
}

static void put_le(GByteArray *w, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++) {
        b[i] = (uint8_t)(v >> (8 * i));
    }
    hf_put_bytes(w, b, n);
}

void hf_put_u8(GByteArray *w, uint8_t v)
{
    put_be(w, v, 1);
}

void hf_put_u16(GByteArray *w, uint16_t v)
{
    put_be(w, v, 2);
}

void hf_put_u32(GByteArray *w, uint32_t v)
{
    put_be(w, v, 4);
}

void hf_put_u64(GByteArray *w, uint64_t v)
{
    put_be(w, v, 8);
}

void hf_put_u16_le(GByteArray *w, uint16_t v)
{
    put_le(w, v, 2);
}

void hf_put_u32_le(GByteArray *w, uint32_t v)
{
    put_le(w, v, 4);
}

void hf_put_u64_le(GByteArray *w, uint64_t v)
{
    put_le(w, v, 8);
}

void hf_put_tpm2b(GByteArray *w, const void *data, size_t n)
{
    g_assert(n <= UINT16_MAX);
    hf_put_u16(w, (uint16_t)n);
    hf_put_bytes(w, data, n);
}

void hf_set_u16_at(GByteArray *w, size_t offset, uint16_t v)
{
    g_assert(offset + 2 <= w->len);
    hf_store_u16(w->data + offset, v);
}

void hf_set_u32_at(GByteArray *w, size_t offset, uint32_t v)
{
    g_assert(offset + 4 <= w->len);
    hf_store_u32(w->data + offset, v);
}

char *hf_hex(const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    char *text = g_malloc(2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[p[i] >> 4];
        text[2 * i + 1] = digits[p[i] & 15];
    }
    text[2 * n] = '\0';
    return text;
}

GBytes *hf_hex_parse(const char *text, const char *what, GError **error)
{
    size_t length = strlen(text);
    if (length % 2 != 0) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: expected an even number of hex digits, found %zu", what, length);
        return NULL;
    }
    g_autofree uint8_t *out = g_malloc(length / 2 + 1);
    for (size_t i = 0; i < length; i += 2) {
        int high = g_ascii_xdigit_value(text[i]);
        int low = g_ascii_xdigit_value(text[i + 1]);
        if (high < 0 || low < 0) {
            hf_error_set(error, HF_ERROR_INVALID, "%s: expected hex digits, found '%c%c' at %zu",
                         what, g_ascii_isprint(text[i]) ? text[i] : '?',
                         g_ascii_isprint(text[i + 1]) ? text[i + 1] : '?', i);
            return NULL;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return g_bytes_new_take(g_steal_pointer(&out), length / 2);
}
