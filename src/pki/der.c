/*
 * der.c - the DER writer and the strict reader.
 *
 * Every reader function goes through read_header, the only place that decodes tag and length.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/der.h"

#include <string.h>

#define LENGTH_MAX ((size_t)0xffffff) /* three octets of length */
#define OID_ARCS_MAX 32

size_t hf_der_begin(GByteArray *w, uint8_t tag)
{
    hf_put_u8(w, tag);
    return w->len;
}

void hf_der_end(GByteArray *w, size_t mark)
{
    g_assert(mark <= w->len);
    size_t n = w->len - mark;
    uint8_t length[1 + sizeof(uint32_t)];
    size_t octets = 0;
    if (n < 0x80) {
        length[octets++] = (uint8_t)n;
    } else {
        g_assert(n <= G_MAXUINT32);
        size_t bytes = n > 0xffffff ? 4 : n > 0xffff ? 3 : n > 0xff ? 2 : 1;
        length[octets++] = (uint8_t)(0x80 | bytes);
        for (size_t i = bytes; i > 0; i--) {
            length[octets++] = (uint8_t)(n >> (8 * (i - 1)));
        }
    }
    g_byte_array_set_size(w, (guint)(w->len + octets));
    memmove(w->data + mark + octets, w->data + mark, n);
    memcpy(w->data + mark, length, octets);
}

void hf_der_put(GByteArray *w, uint8_t tag, const void *data, size_t n)
{
    size_t mark = hf_der_begin(w, tag);
    hf_put_bytes(w, data, n);
    hf_der_end(w, mark);
}

void hf_der_put_text(GByteArray *w, uint8_t tag, const char *text)
{
    hf_der_put(w, tag, text, strlen(text));
}

void hf_der_put_tagged_text(GByteArray *w, unsigned n, const char *text)
{
    size_t mark = hf_der_begin(w, (uint8_t)HF_DER_CONTEXT_OF(n));
    hf_der_put_text(w, HF_DER_UTF8, text);
    hf_der_end(w, mark);
}

void hf_der_put_bool(GByteArray *w, bool value)
{
    uint8_t octet = value ? 0xff : 0x00;
    hf_der_put(w, HF_DER_BOOLEAN, &octet, 1);
}

void hf_der_put_uint(GByteArray *w, uint64_t value)
{
    uint8_t octets[8];
    hf_store_u32(octets, (uint32_t)(value >> 32));
    hf_store_u32(octets + 4, (uint32_t)value);
    hf_der_put_number(w, octets, sizeof octets);
}

void hf_der_put_number(GByteArray *w, const void *data, size_t n)
{
    const uint8_t *p = data;
    while (n > 0 && *p == 0) {
        p++;
        n--;
    }
    size_t mark = hf_der_begin(w, HF_DER_INTEGER);
    if (n == 0 || (*p & 0x80)) {
        hf_put_u8(w, 0); /* zero itself, or the sign of a number whose top bit is set */
    }
    hf_put_bytes(w, p, n);
    hf_der_end(w, mark);
}

void hf_der_put_bits(GByteArray *w, const void *data, size_t n)
{
    size_t mark = hf_der_begin(w, HF_DER_BITS);
    hf_put_u8(w, 0); /* unused bits of the last octet */
    hf_put_bytes(w, data, n);
    hf_der_end(w, mark);
}

static void put_base128(GByteArray *w, uint64_t value)
{
    uint8_t octets[10];
    size_t n = 0;
    do {
        octets[n++] = (uint8_t)(value & 0x7f);
        value >>= 7;
    } while (value);
    while (n > 0) {
        n--;
        hf_put_u8(w, n ? octets[n] | 0x80 : octets[n]);
    }
}

void hf_der_put_oid(GByteArray *w, const char *oid)
{
    g_auto(GStrv) arcs = g_strsplit(oid, ".", OID_ARCS_MAX);
    guint64 first = 0;
    size_t mark = hf_der_begin(w, HF_DER_OID);
    for (size_t i = 0; arcs[i]; i++) {
        guint64 arc = 0;
        g_assert(g_ascii_string_to_unsigned(arcs[i], 10, 0, G_MAXUINT32, &arc, NULL));
        if (i == 0) {
            g_assert(arc <= 2 && arcs[1]);
            first = arc;
        } else if (i == 1) {
            g_assert(first == 2 || arc < 40);
            put_base128(w, first * 40 + arc);
        } else {
            put_base128(w, arc);
        }
    }
    hf_der_end(w, mark);
}

void hf_der_put_time(GByteArray *w, gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    g_assert(time && g_date_time_get_year(time) >= 1950);
    bool is_short = g_date_time_get_year(time) < 2050;
    g_autofree char *text = g_date_time_format(time, is_short ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ");
    hf_der_put_text(w, is_short ? HF_DER_UTC_TIME : HF_DER_TIME, text);
}

uint8_t hf_der_peek(const HfReader *r)
{
    return r->failed || hf_reader_left(r) == 0 ? 0 : r->data[r->offset];
}

static HfReader failure(HfReader *r)
{
    r->failed = true;
    return (HfReader){ .failed = true };
}

/* Reads tag and length; *ret_length is what follows. */
static bool read_header(HfReader *r, uint8_t tag, size_t *ret_length)
{
    uint8_t found = hf_reader_u8(r);
    if (r->failed || (found & 0x1f) == 0x1f || (tag && found != tag)) {
        return false;
    }
    size_t length = hf_reader_u8(r);
    if (length > 0x80) {
        size_t octets = length & 0x7f;
        if (octets > 3) {
            return false;
        }
        length = 0;
        for (size_t i = 0; i < octets; i++) {
            length = (length << 8) | hf_reader_u8(r);
        }
        if (length < 0x80 || (octets > 1 && length >> (8 * (octets - 1)) == 0)) {
            return false; /* not the shortest form */
        }
    } else if (length == 0x80) {
        return false; /* indefinite */
    }
    *ret_length = length;
    return !r->failed && length <= LENGTH_MAX && length <= hf_reader_left(r);
}

HfReader hf_der_get(HfReader *r, uint8_t tag)
{
    size_t length = 0;
    if (!read_header(r, tag, &length)) {
        return failure(r);
    }
    return hf_reader_sub(r, length);
}

HfReader hf_der_whole(HfReader *r, uint8_t tag)
{
    size_t start = r->offset;
    size_t length = 0;
    if (!read_header(r, tag, &length) || !hf_reader_bytes(r, length)) {
        return failure(r);
    }
    return hf_reader(r->data + start, r->offset - start);
}

/* One arc in base 128; false when it is not minimal or larger than 32 bits. */
static bool read_arc(HfReader *r, uint64_t *ret_arc)
{
    uint64_t arc = 0;
    uint8_t octet = 0x80;
    for (size_t i = 0; octet & 0x80; i++) {
        octet = hf_reader_u8(r);
        if (r->failed || (i == 0 && octet == 0x80)) {
            return false;
        }
        arc = (arc << 7) | (octet & 0x7f);
        if (arc > (uint64_t)G_MAXUINT32 + 80) {
            return false;
        }
    }
    *ret_arc = arc;
    return true;
}

char *hf_der_oid(HfReader *r)
{
    HfReader content = hf_der_get(r, HF_DER_OID);
    g_autoptr(GString) text = g_string_new(NULL);
    size_t arcs = 0;
    while (!content.failed && hf_reader_left(&content) > 0) {
        uint64_t arc = 0;
        if (!read_arc(&content, &arc) || ++arcs >= OID_ARCS_MAX) {
            break;
        }
        if (arcs == 1) {
            uint64_t first = arc < 80 ? arc / 40 : 2;
            g_string_printf(text, "%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, first,
                            arc - first * 40);
        } else {
            g_string_append_printf(text, ".%" G_GUINT64_FORMAT, arc);
        }
    }
    if (!hf_reader_done(&content) || arcs == 0) {
        r->failed = true;
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

bool hf_der_bool(HfReader *r)
{
    HfReader content = hf_der_get(r, HF_DER_BOOLEAN);
    uint8_t octet = hf_reader_u8(&content);
    if (!hf_reader_done(&content) || (octet != 0x00 && octet != 0xff)) {
        r->failed = true;
        return false;
    }
    return octet == 0xff;
}

uint64_t hf_der_uint(HfReader *r)
{
    HfReader content = hf_der_get(r, HF_DER_INTEGER);
    size_t n = hf_reader_left(&content);
    bool bad = content.failed || n == 0 || n > 8 || (content.data[0] & 0x80) ||
               (n > 1 && content.data[0] == 0 && !(content.data[1] & 0x80));
    if (bad) {
        r->failed = true;
        return 0;
    }
    uint64_t value = 0;
    while (hf_reader_left(&content) > 0) {
        value = (value << 8) | hf_reader_u8(&content);
    }
    return value;
}

HfReader hf_der_number(HfReader *r, size_t max)
{
    HfReader content = hf_der_get(r, HF_DER_INTEGER);
    size_t n = hf_reader_left(&content);
    if (content.failed || n == 0) {
        return failure(r);
    }
    bool padded = n > 1 && content.data[0] == 0 && !(content.data[1] & 0x80);
    bool longer = n > max && !(n == max + 1 && content.data[0] == 0);
    if (longer || (content.data[0] & 0x80) || padded) {
        return failure(r);
    }
    return content;
}

char *hf_der_text(HfReader *r)
{
    uint8_t tag = hf_der_peek(r);
    HfReader content = hf_der_get(r, tag);
    size_t n = hf_reader_left(&content);
    const char *text = (const char *)hf_reader_bytes(&content, n);
    bool is_text = tag == HF_DER_UTF8 || tag == HF_DER_PRINTABLE || tag == HF_DER_IA5;
    bool bad =
        content.failed || !is_text || memchr(text, 0, n) || !g_utf8_validate_len(text, n, NULL);
    if (bad) {
        r->failed = true;
        return NULL;
    }
    return g_strndup(text, n);
}

char *hf_der_tagged_text(HfReader *r, unsigned n)
{
    HfReader inner = hf_der_get(r, (uint8_t)HF_DER_CONTEXT_OF(n));
    g_autofree char *text = hf_der_peek(&inner) == HF_DER_UTF8 ? hf_der_text(&inner) : NULL;
    if (!text || !hf_reader_done(&inner)) {
        r->failed = true;
        return NULL;
    }
    return g_steal_pointer(&text);
}

bool hf_der_extension(HfReader *r, char **ret_oid, bool *ret_critical, HfReader *ret_value)
{
    HfReader extension = hf_der_get(r, HF_DER_SEQUENCE);
    g_autofree char *oid = hf_der_oid(&extension);

    *ret_oid = NULL;
    *ret_critical = hf_der_peek(&extension) == HF_DER_BOOLEAN && hf_der_bool(&extension);
    *ret_value = hf_der_get(&extension, HF_DER_OCTETS);
    if (!oid || !hf_reader_done(&extension)) {
        return false;
    }
    *ret_oid = g_steal_pointer(&oid);
    return true;
}

/* Two decimal digits; -1 when they are none. */
static int two_digits(const uint8_t *p)
{
    if (!g_ascii_isdigit(p[0]) || !g_ascii_isdigit(p[1])) {
        return -1;
    }
    return (p[0] - '0') * 10 + (p[1] - '0');
}

/* YYYYMMDDHHMMSSZ in 15 octets, as seconds since 1970. */
static gint64 parse_time(const uint8_t *p, bool *ret_bad)
{
    int field[7];
    for (size_t i = 0; i < G_N_ELEMENTS(field); i++) {
        field[i] = two_digits(p + 2 * i);
        if (field[i] < 0) {
            *ret_bad = true;
            return 0;
        }
    }
    g_autoptr(GDateTime) time = NULL;
    if (p[14] == 'Z') {
        /* NULL for a day, hour, minute or second that does not exist. */
        time = g_date_time_new_utc(field[0] * 100 + field[1], field[2], field[3], field[4],
                                   field[5], field[6]);
    }
    *ret_bad = time == NULL;
    return time ? g_date_time_to_unix(time) : 0;
}

gint64 hf_der_time(HfReader *r)
{
    uint8_t tag = hf_der_peek(r);
    HfReader content = hf_der_get(r, tag);
    size_t n = hf_reader_left(&content);
    uint8_t text[15];
    bool bad = content.failed;
    if (!bad && tag == HF_DER_UTC_TIME && n == 13) {
        bool last_century = content.data[0] >= '5';
        text[0] = last_century ? '1' : '2';
        text[1] = last_century ? '9' : '0';
        memcpy(text + 2, content.data, n);
    } else if (!bad && tag == HF_DER_TIME && n == sizeof text) {
        memcpy(text, content.data, n);
    } else {
        bad = true;
    }
    gint64 seconds = bad ? 0 : parse_time(text, &bad);
    if (bad) {
        r->failed = true;
        return 0;
    }
    return seconds;
}

GBytes *hf_der_bytes(HfReader r)
{
    /* A failed reader has no buffer, and NULL + 0 is no pointer in C. */
    return g_bytes_new(r.data ? r.data + r.offset : NULL, hf_reader_left(&r));
}
