/*
 * codec.c - control messages by the rows: one loop over slots each way.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "control/codec.h"

#include <string.h>

#include "base/bytes.h"

#define NUMBER_SIZE 4u

static uint64_t slot_read(HfReader *reader, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value = value << 8 | hf_reader_u8(reader);
    }
    return value;
}

static void slot_put(GByteArray *out, uint64_t value, unsigned width)
{
    for (unsigned i = width; i-- > 0;) {
        hf_put_u8(out, (uint8_t)(value >> (8 * i)));
    }
}

static bool slots_read(HfReader *reader, const HfControlSlot *slots, uint64_t *value)
{
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && slots[i].width > 0; i++) {
        uint64_t read = slot_read(reader, slots[i].width);
        if (slots[i].field < HF_FIELD_COUNT) {
            value[slots[i].field] = read;
        }
    }
    return !reader->failed;
}

static void slots_put(GByteArray *out, const HfControlSlot *slots, const uint64_t *value)
{
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && slots[i].width > 0; i++) {
        bool zero = slots[i].field >= HF_FIELD_COUNT;
        slot_put(out, zero ? 0 : value[slots[i].field], slots[i].width);
    }
}

/* Where the next command number starts after up to `padding` meaningless bytes. False: not known
 * before more bytes come. */
static bool number_find(const uint8_t *data, size_t size, size_t padding, size_t *ret_start)
{
    for (size_t start = 0; start <= padding; start++) {
        if (start + NUMBER_SIZE > size) {
            return false;
        }
        uint32_t number = hf_fetch_u32(data + start);
        if (number >= 1 && number <= UINT8_MAX) {
            *ret_start = start;
            return true;
        }
    }
    *ret_start = 0; /* no number anywhere: an unknown command, as it stands */
    return true;
}

HfControlParse hf_control_request_parse(const uint8_t *data, size_t size,
                                        const HfControlRow *previous, HfControlMessage *ret_message,
                                        size_t *ret_used)
{
    size_t padding = previous ? previous->padding : 0;
    if (size <= padding) {
        return HF_CONTROL_PARSE_IDLE;
    }
    size_t start = 0;
    if (!number_find(data, size, padding, &start)) {
        return HF_CONTROL_PARSE_MORE;
    }
    HfReader reader = hf_reader(data + start, size - start);
    const HfControlRow *row = hf_control_row(hf_reader_u32(&reader));
    if (!row) {
        *ret_used = start + NUMBER_SIZE;
        return HF_CONTROL_PARSE_UNKNOWN;
    }
    HfControlMessage message = { .row = row };
    if (!slots_read(&reader, row->request, message.value)) {
        return HF_CONTROL_PARSE_MORE;
    }
    *ret_message = message;
    *ret_used = start + reader.offset;
    return HF_CONTROL_PARSE_READY;
}

HfControlRest hf_control_rest(const uint8_t *data, size_t size, const HfControlRow *row)
{
    static const uint8_t zero[NUMBER_SIZE - 1];
    size_t start = 0;
    if (size == 0) {
        return HF_CONTROL_REST_NONE;
    }
    if (size == row->padding) {
        return HF_CONTROL_REST_PADDING;
    }
    if (size < row->padding) {
        return HF_CONTROL_REST_REQUEST; /* a part of the padding, or of a number: time will tell */
    }
    if (size < NUMBER_SIZE) {
        /* All numbers begin with zeros. */
        return memcmp(data, zero, size) == 0 ? HF_CONTROL_REST_UNSURE : HF_CONTROL_REST_SURPLUS;
    }
    bool found =
        number_find(data, size, row->padding, &start) && hf_control_row(hf_fetch_u32(data + start));
    return found ? HF_CONTROL_REST_REQUEST : HF_CONTROL_REST_SURPLUS;
}

void hf_control_request_put(GByteArray *out, const HfControlMessage *message)
{
    hf_put_u32(out, message->row->number);
    slots_put(out, message->row->request, message->value);
}

void hf_control_response_put(GByteArray *out, const HfControlMessage *message)
{
    guint start = out->len;
    slots_put(out, message->row->response, message->value);
    if (message->value[HF_FIELD_RESULT] != HF_CONTROL_OK) {
        g_byte_array_set_size(out, start + (guint)message->row->error_size);
    }
}

bool hf_control_response_parse(const uint8_t *data, size_t size, const HfControlRow *row,
                               HfControlMessage *ret_message)
{
    HfReader reader = hf_reader(data, size);
    HfControlMessage message = { .row = row };
    if (!slots_read(&reader, row->response, message.value)) {
        return false;
    }
    *ret_message = message;
    return true;
}
