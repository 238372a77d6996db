/*
 * fuzz-control.c - the control stream: however it is cut into pieces, the same requests are found.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "control/codec.h"
#include "control/device.h"
#include "fuzz.h"

/* Takes the first request off, fed byte by byte; bytes used, 0: none is complete. */
static size_t take(const uint8_t *data, size_t size, const HfControlRow *previous,
                   HfControlMessage *ret_message, HfControlParse *ret_parse)
{
    HfControlMessage message = { 0 };
    size_t used = 0;
    for (size_t n = 0; n <= size && n < 64; n++) {
        *ret_parse = hf_control_request_parse(data, n, previous, &message, &used);
        if (*ret_parse == HF_CONTROL_PARSE_READY || *ret_parse == HF_CONTROL_PARSE_UNKNOWN) {
            g_assert_cmpuint(used, <=, n);
            g_assert_cmpuint(used, >, 0);
            *ret_message = message;
            return used;
        }
    }
    g_assert_cmpuint(size, <, 64); /* no request is longer */
    return 0;
}

/* What was read is written and read again; as a message of the device it fits. */
static void back(const HfControlMessage *message)
{
    uint8_t buffer[HF_CONTROL_DEVICE_MAX];
    HfControlMessage got = { 0 };
    size_t used = 0;
    g_autoptr(GByteArray) out = g_byte_array_new();
    hf_control_request_put(out, message);
    g_assert_cmpint(hf_control_request_parse(out->data, out->len, NULL, &got, &used), ==,
                    HF_CONTROL_PARSE_READY);
    g_assert_cmpuint(used, ==, out->len);
    g_assert_true(got.row == message->row);
    g_assert_cmpmem(got.value, sizeof(got.value), message->value, sizeof(got.value));
    hf_control_device_put(buffer, message, NULL, 0);
    g_assert_cmpuint(hf_control_device_size(message->row), <=, sizeof(buffer));
}

static void requests(const uint8_t *data, size_t size)
{
    const HfControlRow *previous = NULL;
    while (size > 0) {
        HfControlMessage message = { 0 };
        HfControlParse parse = HF_CONTROL_PARSE_IDLE;
        HfControlMessage whole = { 0 };
        size_t whole_used = 0;
        size_t used = take(data, size, previous, &message, &parse);
        if (used == 0) {
            return;
        }
        g_assert_cmpint(hf_control_request_parse(data, size, previous, &whole, &whole_used), ==,
                        parse);
        if (parse == HF_CONTROL_PARSE_UNKNOWN) {
            return;
        }
        g_assert_cmpuint(whole_used, ==, used);
        g_assert_true(whole.row == message.row);
        back(&message);
        previous = message.row;
        data += used;
        size -= used;
        if (previous->request_tail) {
            size_t tail = (size_t)MIN(message.value[HF_FIELD_LENGTH], size);
            data += tail;
            size -= tail;
        }
        (void)hf_control_rest(data, size, previous);
    }
}

static void responses(const uint8_t *data, size_t size)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        HfControlMessage message = { 0 };
        uint8_t buffer[HF_CONTROL_DEVICE_MAX] = { 0 };
        const uint8_t *tail = NULL;
        if (hf_control_response_parse(data, size, &rows[i], &message)) {
            g_autoptr(GByteArray) out = g_byte_array_new();
            hf_control_response_put(out, &message);
            g_assert_cmpuint(out->len, <=, rows[i].response_size);
        }
        memcpy(buffer, data, MIN(size, sizeof(buffer)));
        message = (HfControlMessage){ .row = &rows[i] };
        hf_control_device_get(buffer, &message, &tail);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    requests(data, size);
    responses(data, size);
    return 0;
}
