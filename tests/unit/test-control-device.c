/*
 * test-control-device.c - the ioctls of the control protocol against the numbers swtpm's clients
 * use, and messages in their unions.
 *
 * What the emulator does with them is in test-device-control.c, and under a kernel in tests/guest.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "control/client.h"
#include "control/device.h"

static void test_numbers(void)
{
    static const struct {
        uint32_t command;
        unsigned long request;
    } expected[] = {
        { HF_CONTROL_GET_CAPABILITY, _IOC(_IOC_READ, 'P', 0, 8) },
        { HF_CONTROL_INIT, _IOC(_IOC_READ | _IOC_WRITE, 'P', 1, 4) },
        { HF_CONTROL_SHUTDOWN, _IOC(_IOC_READ, 'P', 2, 4) },
        { HF_CONTROL_GET_TPMESTABLISHED, _IOC(_IOC_READ, 'P', 3, 8) },
        { HF_CONTROL_SET_LOCALITY, _IOC(_IOC_READ | _IOC_WRITE, 'P', 4, 4) },
        { HF_CONTROL_HASH_START, _IOC(_IOC_READ, 'P', 5, 4) },
        { HF_CONTROL_HASH_DATA, _IOC(_IOC_READ | _IOC_WRITE, 'P', 6, 4100) },
        { HF_CONTROL_HASH_END, _IOC(_IOC_READ, 'P', 7, 4) },
        { HF_CONTROL_CANCEL_TPM_CMD, _IOC(_IOC_READ, 'P', 8, 4) },
        { HF_CONTROL_STORE_VOLATILE, _IOC(_IOC_READ, 'P', 9, 4) },
        { HF_CONTROL_RESET_TPMESTABLISHED, _IOC(_IOC_READ | _IOC_WRITE, 'P', 10, 4) },
        { HF_CONTROL_GET_STATEBLOB, _IOC(_IOC_READ | _IOC_WRITE, 'P', 11, 3088) },
        { HF_CONTROL_SET_STATEBLOB, _IOC(_IOC_READ | _IOC_WRITE, 'P', 12, 3084) },
        { HF_CONTROL_STOP, _IOC(_IOC_READ, 'P', 13, 4) },
        { HF_CONTROL_GET_CONFIG, _IOC(_IOC_READ, 'P', 14, 8) },
        { HF_CONTROL_SET_DATAFD, _IOC(_IOC_READ, 'P', 15, 4) },
        { HF_CONTROL_SET_BUFFERSIZE, _IOC(_IOC_READ | _IOC_WRITE, 'P', 16, 16) },
        { HF_CONTROL_GET_INFO, _IOC(_IOC_READ | _IOC_WRITE, 'P', 17, 3088) },
        { HF_CONTROL_LOCK_STORAGE, _IOC(_IOC_READ | _IOC_WRITE, 'P', 18, 4) },
    };
    size_t count = 0;
    (void)hf_control_rows(&count);
    g_assert_cmpuint(G_N_ELEMENTS(expected), ==, count);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        const HfControlRow *row = hf_control_row(expected[i].command);
        g_test_message("%s", row->name);
        g_assert_cmphex(hf_control_device_request(row), ==, expected[i].request);
        g_assert_cmpuint(hf_control_device_size(row), <=, HF_CONTROL_DEVICE_MAX);
    }
}

static void test_request(void)
{
    uint8_t buffer[HF_CONTROL_DEVICE_MAX];
    const uint8_t tail[] = { 1, 2, 3 };
    const uint32_t fixed[3] = { 2, 1, sizeof(tail) };
    HfControlMessage message = { .row = hf_control_row(HF_CONTROL_SET_STATEBLOB) };
    message.value[HF_FIELD_FLAGS] = fixed[0];
    message.value[HF_FIELD_TYPE] = fixed[1];
    message.value[HF_FIELD_LENGTH] = fixed[2];
    memset(buffer, 0xee, sizeof(buffer));
    hf_control_device_put(buffer, &message, tail, sizeof(tail));
    g_assert_cmpmem(buffer, sizeof(fixed), fixed, sizeof(fixed));
    g_assert_cmpmem(buffer + sizeof(fixed), sizeof(tail), tail, sizeof(tail));
    for (size_t i = sizeof(fixed) + sizeof(tail); i < sizeof(buffer); i++) {
        g_assert_cmpuint(buffer[i], ==, 0); /* nothing of what was there before goes out */
    }

    const uint64_t flags = G_GUINT64_CONSTANT(0x1122334455667788);
    const uint32_t offset = 77;
    message = (HfControlMessage){ .row = hf_control_row(HF_CONTROL_GET_INFO) };
    message.value[HF_FIELD_FLAGS] = flags;
    message.value[HF_FIELD_OFFSET] = offset;
    hf_control_device_put(buffer, &message, NULL, 0);
    g_assert_cmpmem(buffer, sizeof(flags), &flags, sizeof(flags));
    g_assert_cmpmem(buffer + sizeof(flags), sizeof(offset), &offset, sizeof(offset));
}

static void test_response(void)
{
    uint8_t buffer[HF_CONTROL_DEVICE_MAX] = { 0 };
    const uint32_t fixed[4] = { 0x800, 2, 5000, 3072 };
    const uint8_t *tail = NULL;
    HfControlMessage message = { .row = hf_control_row(HF_CONTROL_GET_STATEBLOB) };
    memcpy(buffer, fixed, sizeof(fixed));
    buffer[sizeof(fixed)] = 0xab;
    hf_control_device_get(buffer, &message, &tail);
    g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 0x800);
    g_assert_cmpuint(message.value[HF_FIELD_FLAGS], ==, 2);
    g_assert_cmpuint(message.value[HF_FIELD_TOTAL], ==, 5000);
    g_assert_cmpuint(message.value[HF_FIELD_LENGTH], ==, 3072);
    g_assert_true(tail == buffer + sizeof(fixed));

    /* One number of 64 bits, no result. */
    const uint64_t bits = 0x16fff;
    message = (HfControlMessage){ .row = hf_control_row(HF_CONTROL_GET_CAPABILITY) };
    memcpy(buffer, &bits, sizeof(bits));
    hf_control_device_get(buffer, &message, NULL);
    g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 0);
    g_assert_cmphex(message.value[HF_FIELD_FLAGS], ==, bits);

    const uint32_t established[2] = { 0, GUINT32_TO_LE(1) };
    message = (HfControlMessage){ .row = hf_control_row(HF_CONTROL_GET_TPMESTABLISHED) };
    memcpy(buffer, established, sizeof(established));
    hf_control_device_get(buffer, &message, NULL);
    g_assert_cmpuint(message.value[HF_FIELD_BIT], ==, 1);
}

/* Every field of `slots` has the value that test_both_ends gave it; `skip` of them have not. */
static void check_fields(const HfControlSlot *slots, size_t skip, const HfControlMessage *message)
{
    for (size_t s = skip; s < HF_CONTROL_SLOTS_MAX && slots[s].width > 0; s++) {
        if (slots[s].field < HF_FIELD_COUNT) {
            g_assert_cmpuint(message->value[slots[s].field], ==, slots[s].field + 1);
        }
    }
}

/* What one end writes the other one reads, for every row. */
static void test_both_ends(void)
{
    uint8_t buffer[HF_CONTROL_DEVICE_MAX];
    const uint8_t piece[] = { 9, 8, 7 };
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        const HfControlRow *row = &rows[i];
        HfControlMessage sent = { .row = row };
        HfControlMessage read = { .row = row };
        const uint8_t *tail = NULL;
        g_test_message("%s", row->name);
        for (size_t f = 0; f < HF_FIELD_COUNT; f++) {
            sent.value[f] = f + 1; /* fits every width */
        }
        hf_control_device_put(buffer, &sent, piece, row->request_tail ? sizeof(piece) : 0);
        hf_control_device_request_get(buffer, &read, &tail);
        check_fields(row->request, 0, &read);
        g_assert_true(!row->request_tail || memcmp(tail, piece, sizeof(piece)) == 0);
        memset(buffer, 0xee, sizeof(buffer));
        hf_control_device_response_put(buffer, &sent, piece,
                                       row->response_tail ? sizeof(piece) : 0);
        hf_control_device_get(buffer, &read, &tail);
        check_fields(row->response, row->number == HF_CONTROL_GET_CAPABILITY, &read);
        g_assert_true(!row->response_tail || memcmp(tail, piece, sizeof(piece)) == 0);
        g_assert_cmpuint(buffer[sizeof(buffer) - 1], ==, 0); /* nothing old goes out */
    }
}

/* An ioctl is known by its number, its size and its direction. */
static void test_rows(void)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        const HfControlRow *found = hf_control_device_row(hf_control_device_request(&rows[i]));
        g_assert_true(found == (rows[i].descriptor ? NULL : &rows[i]));
    }
    g_assert_null(hf_control_device_row(0));
    g_assert_null(hf_control_device_row(_IOC(_IOC_READ, 'P', 19, 4)));
    g_assert_null(hf_control_device_row(_IOC(_IOC_READ, 'P', 1, 4)));
    g_assert_null(hf_control_device_row(_IOC(_IOC_READ | _IOC_WRITE, 'P', 1, 8)));
    g_assert_null(hf_control_device_row(TCGETS));
}

/* What opens as a device and is none. */
static void test_refused(void)
{
    g_autoptr(GError) error = NULL;
    uint32_t bits = 0;
    g_assert_null(hf_control_client_open_device("/nonexistent/device", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_autoptr(HfControlClient) client = hf_control_client_open_device("/dev/null", &error);
    g_assert_no_error(error);
    g_assert_false(hf_control_client_get_capability(client, &bits, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_IO);
    g_assert_cmpstr(error->message, ==, "GET_CAPABILITY: Inappropriate ioctl for device");
    g_clear_error(&error);
    g_assert_false(hf_control_client_set_stateblob(client, 1, 0, "x", 1, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_IO);
    g_clear_error(&error);
    g_assert_false(hf_control_client_set_datafd(client, 0, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_UNSUPPORTED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/control/device/numbers", test_numbers);
    g_test_add_func("/control/device/request", test_request);
    g_test_add_func("/control/device/response", test_response);
    g_test_add_func("/control/device/both-ends", test_both_ends);
    g_test_add_func("/control/device/rows", test_rows);
    g_test_add_func("/control/device/refused", test_refused);
    return g_test_run();
}
