/*
 * frame.c - heads and refusals.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/frame.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define MAGIC 0x4846454eu /* "HFEN" */
#define TEXT_MAX (HF_FRAME_REFUSED_MAX - 2)

/* Codes are for good; what is not in the table is sent as "failed" without its text. */
static const struct {
    uint16_t code;
    HfErrorCode error;
} codes[] = {
    { 1, HF_ERROR_INVALID },   { 2, HF_ERROR_UNSUPPORTED }, { 3, HF_ERROR_POLICY },
    { 4, HF_ERROR_AUTH },      { 5, HF_ERROR_BUSY },        { 6, HF_ERROR_TIMEOUT },
    { 7, HF_ERROR_NOT_FOUND }, { 8, HF_ERROR_STATE },
};
#define CODE_FAILED 0

const HfExchange *hf_exchange_find(const HfExchange *table, uint16_t request)
{
    for (; table->request != 0; table++) {
        if (table->request == request) {
            return table;
        }
    }
    return NULL;
}

bool hf_frame_parse_head(const uint8_t head[HF_FRAME_HEAD_SIZE], uint16_t *ret_kind,
                         uint32_t *ret_length, GError **error)
{
    if (hf_fetch_u32(head) != MAGIC) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the other side does not speak holdfast's enrolment protocol: magic "
                            "%08x expected, found %08x",
                            MAGIC, hf_fetch_u32(head));
    }
    if (hf_fetch_u16(head + 4) != HF_FRAME_VERSION) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "enrolment protocol: version %u expected, found %u", HF_FRAME_VERSION,
                            hf_fetch_u16(head + 4));
    }
    *ret_kind = hf_fetch_u16(head + 6);
    *ret_length = hf_fetch_u32(head + 8);
    return true;
}

GBytes *hf_frame_new(uint16_t kind, GBytes *payload)
{
    GByteArray *w = g_byte_array_new();

    hf_put_u32(w, MAGIC);
    hf_put_u16(w, HF_FRAME_VERSION);
    hf_put_u16(w, kind);
    hf_put_u32(w, payload ? (uint32_t)g_bytes_get_size(payload) : 0);
    if (payload) {
        hf_put_gbytes(w, payload);
    }
    return g_byte_array_free_to_bytes(w);
}

GBytes *hf_frame_refusal(const GError *why)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    g_autoptr(GBytes) payload = NULL;
    const char *text = "the server cannot do this now; its log says why";
    uint16_t code = CODE_FAILED;

    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (hf_error_is(why, codes[i].error)) {
            code = codes[i].code;
            text = why->message;
        }
    }
    hf_put_u16(w, code);
    hf_put_bytes(w, text, MIN(strlen(text), TEXT_MAX));
    payload = g_byte_array_free_to_bytes(g_steal_pointer(&w));
    return hf_frame_new(HF_FRAME_REFUSED, payload);
}

bool hf_frame_refused(GBytes *payload, GError **error)
{
    HfReader r = hf_reader_for(payload);
    uint16_t code = hf_reader_u16(&r);
    size_t size = hf_reader_left(&r);
    const uint8_t *bytes = hf_reader_bytes(&r, size);
    HfErrorCode found = HF_ERROR_FAILED;
    g_autofree char *text = NULL;
    g_autofree char *valid = NULL;

    if (r.failed || size > TEXT_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "refusal: malformed");
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        found = codes[i].code == code ? codes[i].error : found;
    }
    text = g_strndup((const char *)bytes, size);
    valid = g_utf8_make_valid(text, -1);
    for (char *p = valid; *p; p++) {
        *p = g_ascii_iscntrl(*p) ? '?' : *p;
    }
    return hf_error_set(error, found, "the server refuses: %s", valid);
}
