/*
 * test-control.c - the control protocol: the table agrees with itself, the codec takes a request in
 * any pieces, answers have the lengths that clients wait for, every command has a handler.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/bytes.h"
#include "control/codec.h"
#include "emulator/control_handlers.h"

static size_t width_of(const HfControlSlot *slots)
{
    size_t sum = 0;
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && slots[i].width > 0; i++) {
        sum += slots[i].width;
    }
    return sum;
}

static bool has_field(const HfControlSlot *slots, HfControlField field)
{
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && slots[i].width > 0; i++) {
        if (slots[i].field == field) {
            return true;
        }
    }
    return false;
}

static void test_table(void)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    g_assert_cmpuint(count, ==, HF_CONTROL_LOCK_STORAGE);
    for (size_t i = 0; i < count; i++) {
        const HfControlRow *row = &rows[i];
        g_test_message("%s", row->name);
        g_assert_cmpuint(row->number, ==, i + 1);
        g_assert_cmpuint(row->ioctl, ==, i);
        g_assert_true(hf_control_row(row->number) == row);
        g_assert_cmpuint(row->request_size, ==, width_of(row->request));
        g_assert_cmpuint(row->response_size, ==, width_of(row->response));
        g_assert_true(row->response[0].field == HF_FIELD_RESULT && row->response[0].width == 4);
        g_assert_true(row->error_size == 4 || row->error_size == row->response_size);
        g_assert_cmpint(has_field(row->request, HF_FIELD_LENGTH), ==, row->request_tail);
        g_assert_cmpint(has_field(row->response, HF_FIELD_LENGTH), ==, row->response_tail);
        g_assert_true(row->capability != 0 || row->number == HF_CONTROL_GET_CAPABILITY);
        g_assert_true(hf_control_handled(row->number));
    }
    g_assert_null(hf_control_row(0));
    g_assert_null(hf_control_row((uint32_t)count + 1));
    g_assert_null(hf_control_row(UINT32_MAX));
    g_assert_false(hf_control_handled(0));
    g_assert_false(hf_control_handled((uint32_t)count + 1));
    g_assert_cmphex(hf_control_capabilities() | HF_CONTROL_CAP_SEND_COMMAND_HEADER, ==, 0x1ffff);
}

/* Capability bits are one each; HASH_* share theirs. */
static void test_capabilities(void)
{
    size_t count = 0;
    uint32_t seen = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        uint32_t bit = rows[i].capability;
        g_assert_cmphex(bit & (bit - 1), ==, 0);
        if (bit != HF_CONTROL_CAP_HASHING) {
            g_assert_cmphex(seen & bit, ==, 0);
        }
        seen |= bit;
    }
}

static HfControlMessage sample(const HfControlRow *row)
{
    HfControlMessage message = { .row = row };
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && row->request[i].width > 0; i++) {
        if (row->request[i].field < HF_FIELD_COUNT) {
            unsigned shift = 64 - 8 * row->request[i].width;
            message.value[row->request[i].field] = UINT64_C(0x8877665544332211) >> shift;
        }
    }
    return message;
}

/* Every request, cut off at every byte, is incomplete; whole it is what was put in. */
static void test_requests(void)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        HfControlMessage put = sample(&rows[i]);
        HfControlMessage got = { 0 };
        size_t used = 0;
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        hf_control_request_put(bytes, &put);
        g_assert_cmpuint(bytes->len, ==, 4 + rows[i].request_size);
        g_assert_cmpint(hf_control_request_parse(bytes->data, 0, NULL, &got, &used), ==,
                        HF_CONTROL_PARSE_IDLE);
        for (size_t n = 1; n < bytes->len; n++) {
            g_assert_cmpint(hf_control_request_parse(bytes->data, n, NULL, &got, &used), ==,
                            HF_CONTROL_PARSE_MORE);
        }
        hf_put_u32(bytes, HF_CONTROL_STOP); /* the next request is left alone */
        g_assert_cmpint(hf_control_request_parse(bytes->data, bytes->len, NULL, &got, &used), ==,
                        HF_CONTROL_PARSE_READY);
        g_assert_cmpuint(used, ==, 4 + rows[i].request_size);
        g_assert_true(got.row == &rows[i]);
        g_assert_cmpmem(got.value, sizeof(got.value), put.value, sizeof(put.value));
    }
}

static void test_unknown(void)
{
    static const uint8_t commands[][4] = {
        { 0, 0, 0, 0 }, { 0, 0, 0, 0x14 }, { 0, 0, 1, 1 }, { 0xff, 0xff, 0xff, 0xff }
    };
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        HfControlMessage got = { 0 };
        size_t used = 0;
        g_assert_cmpint(hf_control_request_parse(commands[i], 4, NULL, &got, &used), ==,
                        HF_CONTROL_PARSE_UNKNOWN);
        g_assert_cmpuint(used, ==, 4);
    }
}

/* What follows SET_LOCALITY: 0 to 3 bytes of any value, then each command, in any pieces. */
static void check_padding(const uint8_t *padding, size_t size, const HfControlRow *next)
{
    const HfControlRow *previous = hf_control_row(HF_CONTROL_SET_LOCALITY);
    HfControlMessage put = sample(next);
    HfControlMessage got = { 0 };
    size_t used = 0;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_byte_array_append(bytes, padding, (guint)size);
    hf_control_request_put(bytes, &put);
    for (size_t n = 0; n < bytes->len; n++) {
        HfControlParse parse = hf_control_request_parse(bytes->data, n, previous, &got, &used);
        g_assert_true(parse == HF_CONTROL_PARSE_IDLE || parse == HF_CONTROL_PARSE_MORE);
        g_assert_true(parse == HF_CONTROL_PARSE_MORE || n <= 3);
    }
    g_assert_cmpint(hf_control_request_parse(bytes->data, bytes->len, previous, &got, &used), ==,
                    HF_CONTROL_PARSE_READY);
    g_assert_cmpuint(used, ==, bytes->len);
    g_assert_true(got.row == next);
}

static void test_padding(void)
{
    static const uint8_t values[] = { 0, 1, 5, 0x10, 0x13, 0x7f, 0xff };
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        check_padding(NULL, 0, &rows[i]);
        for (size_t v = 0; v < 343; v++) {
            const uint8_t padding[3] = { values[v % 7], values[v / 7 % 7], values[v / 49] };
            check_padding(padding, 3, &rows[i]);
        }
    }
}

/* The lengths that QEMU 7.2 and 9.2 wait for; see the head of protocol.c. */
static void test_error_lengths(void)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        HfControlMessage message = { .row = &rows[i] };
        size_t wanted = 4;
        g_autoptr(GByteArray) out = g_byte_array_new();
        message.value[HF_FIELD_RESULT] = HF_CONTROL_FAIL;
        hf_control_response_put(out, &message);
        switch (rows[i].number) {
        case HF_CONTROL_GET_STATEBLOB: wanted = 16; break;
        case HF_CONTROL_GET_CAPABILITY:
        case HF_CONTROL_GET_CONFIG: wanted = 8; break;
        default: break;
        }
        g_assert_cmpuint(out->len, ==, wanted);
        g_assert_cmphex(hf_fetch_u32(out->data), ==, HF_CONTROL_FAIL);
    }
}

static void test_responses(void)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        HfControlMessage message = { .row = &rows[i] };
        HfControlMessage got = { 0 };
        for (size_t k = 1; k < HF_CONTROL_SLOTS_MAX && rows[i].response[k].width > 0; k++) {
            if (rows[i].response[k].field < HF_FIELD_COUNT) {
                message.value[rows[i].response[k].field] = 0x11 * k;
            }
        }
        g_autoptr(GByteArray) out = g_byte_array_new();
        hf_control_response_put(out, &message);
        g_assert_cmpuint(out->len, ==, rows[i].response_size);
        g_assert_false(hf_control_response_parse(out->data, out->len - 1, &rows[i], &got));
        g_assert_true(hf_control_response_parse(out->data, out->len, &rows[i], &got));
        g_assert_cmpmem(got.value, sizeof(got.value), message.value, sizeof(message.value));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/control/table", test_table);
    g_test_add_func("/control/capabilities", test_capabilities);
    g_test_add_func("/control/requests", test_requests);
    g_test_add_func("/control/unknown", test_unknown);
    g_test_add_func("/control/padding", test_padding);
    g_test_add_func("/control/error-lengths", test_error_lengths);
    g_test_add_func("/control/responses", test_responses);
    return g_test_run();
}
