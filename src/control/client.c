/*
 * client.c - the client's end of the control channel.
 *
 * Every command goes through exchange(): request from the row, answer by the row. The answer is
 * read as QEMU 9.2 does, the result first and the rest when it is 0, because servers differ in how
 * long an error is; what else came with an error is taken off the socket before the next request.
 * On a character device an exchange is one ioctl, or as many as the tail has pieces.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "control/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "control/codec.h"
#include "control/device.h"

#define DEFAULT_TIMEOUT_MS 20000u
#define RESPONSE_MAX 16u

struct HfControlClient {
    int fd;
    unsigned timeout_ms;
    uint32_t result;
    size_t piece;          /* a tail is written in pieces of at most this size; 0: at once */
    uint8_t *ioctl_buffer; /* on a device: the union of the last ioctl; NULL on a socket */
};

HfControlClient *hf_control_client_new(int fd)
{
    HfControlClient *client = g_new0(HfControlClient, 1);
    client->fd = fd;
    client->timeout_ms = DEFAULT_TIMEOUT_MS;
    return client;
}

HfControlClient *hf_control_client_connect_unix(const char *path, GError **error)
{
    int fd = hf_socket_connect_unix(path, error);
    return fd < 0 ? NULL : hf_control_client_new(fd);
}

HfControlClient *hf_control_client_connect_tcp(const char *host, uint16_t port, GError **error)
{
    int fd = hf_socket_connect_tcp(host, port, error);
    return fd < 0 ? NULL : hf_control_client_new(fd);
}

HfControlClient *hf_control_client_open_device(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot open %s", path);
        return NULL;
    }
    HfControlClient *client = hf_control_client_new(fd);
    client->ioctl_buffer = g_malloc0(HF_CONTROL_DEVICE_MAX);
    return client;
}

void hf_control_client_free(HfControlClient *client)
{
    if (client) {
        hf_fd_close(&client->fd);
        if (client->ioctl_buffer) {
            explicit_bzero(client->ioctl_buffer, HF_CONTROL_DEVICE_MAX);
        }
        g_free(client->ioctl_buffer);
        g_free(client);
    }
}

void hf_control_client_set_timeout(HfControlClient *client, unsigned milliseconds)
{
    client->timeout_ms = milliseconds;
}

void hf_control_client_set_piece(HfControlClient *client, size_t size)
{
    client->piece = size;
}

uint32_t hf_control_client_result(const HfControlClient *client)
{
    return client->result;
}

static int64_t deadline_of(const HfControlClient *client)
{
    return client->timeout_ms == 0 ? HF_NO_DEADLINE
                                   : g_get_monotonic_time() + client->timeout_ms * INT64_C(1000);
}

static const char *result_text(uint32_t result)
{
    switch (result) {
    case HF_CONTROL_BAD_PARAMETER: return "bad parameter";
    case HF_CONTROL_FAIL: return "failed";
    case HF_CONTROL_BAD_ORDINAL: return "not possible in this state, or not known";
    case HF_CONTROL_KEY_NOT_FOUND: return "the emulator lacks the key";
    case HF_CONTROL_IO_ERROR: return "input/output error, or the storage is locked";
    case HF_CONTROL_BAD_LOCALITY: return "bad locality";
    case HF_CONTROL_TPM_FAILURE: return "the TPM could not start";
    case HF_CONTROL_RETRY: return "there is no such state";
    default: return "refused";
    }
}

static bool refused(HfControlClient *client, const HfControlRow *row, uint32_t result,
                    GError **error)
{
    uint8_t rest[RESPONSE_MAX];
    client->result = result;
    /* An error of holdfast may be as long as a success; it arrived in one piece. */
    ssize_t n = recv(client->fd, rest, row->response_size - 4, MSG_DONTWAIT);
    (void)n;
    return hf_error_set(error, HF_ERROR_TPM, "%s: result 0x%x (%s)", row->name, result,
                        result_text(result));
}

/* One ioctl with `n` bytes of the request's tail. */
static bool device_ioctl(HfControlClient *client, HfControlMessage *message, const void *tail,
                         size_t n, GError **error)
{
    const HfControlRow *row = message->row;
    hf_control_device_put(client->ioctl_buffer, message, tail, n);
    if (ioctl(client->fd, hf_control_device_request(row), client->ioctl_buffer) < 0) {
        return hf_error_errno(error, errno, "%s", row->name);
    }
    hf_control_device_get(client->ioctl_buffer, message, NULL);
    client->result = (uint32_t)message->value[HF_FIELD_RESULT];
    return client->result == HF_CONTROL_OK ||
           hf_error_set(error, HF_ERROR_TPM, "%s: result 0x%x (%s)", row->name, client->result,
                        result_text(client->result));
}

/* exchange() on a device. A state blob ends with a piece that is shorter than a whole one. */
static bool device_exchange(HfControlClient *client, HfControlMessage *message, const void *tail,
                            size_t tail_size, GError **error)
{
    const HfControlRow *row = message->row;
    size_t piece = hf_control_device_piece(row);
    bool more = true;
    if (row->descriptor) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED, "%s: not possible on a device", row->name);
    }
    client->result = 0;
    for (size_t at = 0; more;) {
        size_t n = row->request_tail ? MIN(piece, tail_size - at) : 0;
        if (row->request_tail) {
            message->value[HF_FIELD_LENGTH] = n;
        }
        if (!device_ioctl(client, message, tail ? (const uint8_t *)tail + at : NULL, n, error)) {
            return false;
        }
        at += n;
        more = row->request_tail &&
               (row->number == HF_CONTROL_SET_STATEBLOB ? n == piece : at < tail_size);
    }
    return true;
}

static bool tail_write(const HfControlClient *client, const uint8_t *tail, size_t size,
                       GError **error)
{
    size_t piece = client->piece ? client->piece : size;
    for (size_t at = 0; at < size; at += piece) {
        if (!hf_socket_write_full(client->fd, tail + at, MIN(piece, size - at), error)) {
            return false;
        }
    }
    return true;
}

/* Sends message (with `tail`, or the descriptor `passed`), reads the fixed part of the answer. */
static bool exchange(HfControlClient *client, HfControlMessage *message, const void *tail,
                     size_t tail_size, int passed, GError **error)
{
    const HfControlRow *row = message->row;
    int64_t deadline = deadline_of(client);
    uint8_t answer[RESPONSE_MAX];

    if (client->ioctl_buffer) {
        return device_exchange(client, message, tail, tail_size, error);
    }
    client->result = 0;
    g_autoptr(GByteArray) request = g_byte_array_new();
    hf_control_request_put(request, message);
    bool sent = passed >= 0
                    ? hf_socket_send_fd(client->fd, request->data, request->len, passed, error)
                    : hf_socket_write_full(client->fd, request->data, request->len, error);
    if (!sent || !tail_write(client, tail, tail_size, error) ||
        !hf_socket_read_full(client->fd, answer, 4, deadline, error)) {
        g_prefix_error(error, "%s: ", row->name);
        return false;
    }
    uint32_t result = hf_fetch_u32(answer);
    if (result != HF_CONTROL_OK) {
        return refused(client, row, result, error);
    }
    if (row->response_size > 4 &&
        !hf_socket_read_full(client->fd, answer + 4, row->response_size - 4, deadline, error)) {
        g_prefix_error(error, "%s: ", row->name);
        return false;
    }
    return hf_control_response_parse(answer, row->response_size, row, message);
}

static HfControlMessage message_for(uint32_t number)
{
    return (HfControlMessage){ .row = hf_control_row(number) };
}

/* A command with at most one field and nothing in its answer. */
static bool plain(HfControlClient *client, uint32_t number, HfControlField field, uint64_t value,
                  GError **error)
{
    HfControlMessage message = message_for(number);
    if (field != HF_FIELD_RESULT) {
        message.value[field] = value;
    }
    return exchange(client, &message, NULL, 0, -1, error);
}

bool hf_control_client_get_capability(HfControlClient *client, uint32_t *ret_bits, GError **error)
{
    HfControlMessage message = message_for(HF_CONTROL_GET_CAPABILITY);
    if (!exchange(client, &message, NULL, 0, -1, error)) {
        return false;
    }
    *ret_bits = (uint32_t)message.value[HF_FIELD_FLAGS];
    return true;
}

bool hf_control_client_init(HfControlClient *client, uint32_t flags, GError **error)
{
    return plain(client, HF_CONTROL_INIT, HF_FIELD_FLAGS, flags, error);
}

bool hf_control_client_shutdown(HfControlClient *client, GError **error)
{
    return plain(client, HF_CONTROL_SHUTDOWN, HF_FIELD_RESULT, 0, error);
}

bool hf_control_client_stop(HfControlClient *client, GError **error)
{
    return plain(client, HF_CONTROL_STOP, HF_FIELD_RESULT, 0, error);
}

bool hf_control_client_get_established(HfControlClient *client, bool *ret_bit, GError **error)
{
    HfControlMessage message = message_for(HF_CONTROL_GET_TPMESTABLISHED);
    if (!exchange(client, &message, NULL, 0, -1, error)) {
        return false;
    }
    *ret_bit = message.value[HF_FIELD_BIT] != 0;
    return true;
}

bool hf_control_client_reset_established(HfControlClient *client, uint8_t locality, GError **error)
{
    return plain(client, HF_CONTROL_RESET_TPMESTABLISHED, HF_FIELD_LOCALITY, locality, error);
}

bool hf_control_client_set_locality(HfControlClient *client, uint8_t locality, GError **error)
{
    return plain(client, HF_CONTROL_SET_LOCALITY, HF_FIELD_LOCALITY, locality, error);
}

bool hf_control_client_hash_start(HfControlClient *client, GError **error)
{
    return plain(client, HF_CONTROL_HASH_START, HF_FIELD_RESULT, 0, error);
}

bool hf_control_client_hash_data(HfControlClient *client, const void *data, size_t size,
                                 GError **error)
{
    if (size > UINT32_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "HASH_DATA: expected at most 4294967295 bytes, found %zu", size);
    }
    HfControlMessage message = message_for(HF_CONTROL_HASH_DATA);
    message.value[HF_FIELD_LENGTH] = size;
    return exchange(client, &message, data, size, -1, error);
}

bool hf_control_client_hash_end(HfControlClient *client, GError **error)
{
    return plain(client, HF_CONTROL_HASH_END, HF_FIELD_RESULT, 0, error);
}

bool hf_control_client_cancel(HfControlClient *client, GError **error)
{
    return plain(client, HF_CONTROL_CANCEL_TPM_CMD, HF_FIELD_RESULT, 0, error);
}

bool hf_control_client_store_volatile(HfControlClient *client, GError **error)
{
    return plain(client, HF_CONTROL_STORE_VOLATILE, HF_FIELD_RESULT, 0, error);
}

bool hf_control_client_get_config(HfControlClient *client, uint32_t *ret_flags, GError **error)
{
    HfControlMessage message = message_for(HF_CONTROL_GET_CONFIG);
    if (!exchange(client, &message, NULL, 0, -1, error)) {
        return false;
    }
    *ret_flags = (uint32_t)message.value[HF_FIELD_FLAGS];
    return true;
}

bool hf_control_client_set_datafd(HfControlClient *client, int passed, GError **error)
{
    HfControlMessage message = message_for(HF_CONTROL_SET_DATAFD);
    return exchange(client, &message, NULL, 0, passed, error);
}

bool hf_control_client_set_buffersize(HfControlClient *client, uint32_t size, uint32_t *ret_size,
                                      uint32_t *ret_min, uint32_t *ret_max, GError **error)
{
    HfControlMessage message = message_for(HF_CONTROL_SET_BUFFERSIZE);
    message.value[HF_FIELD_SIZE] = size;
    if (!exchange(client, &message, NULL, 0, -1, error)) {
        return false;
    }
    if (ret_size) {
        *ret_size = (uint32_t)message.value[HF_FIELD_SIZE];
    }
    if (ret_min) {
        *ret_min = (uint32_t)message.value[HF_FIELD_MIN];
    }
    if (ret_max) {
        *ret_max = (uint32_t)message.value[HF_FIELD_MAX];
    }
    return true;
}

bool hf_control_client_lock_storage(HfControlClient *client, uint32_t retries, GError **error)
{
    return plain(client, HF_CONTROL_LOCK_STORAGE, HF_FIELD_RETRIES, retries, error);
}

/* tail_read() on a device: the piece is in the union; the total is that of the whole blob. */
static bool device_tail(const HfControlClient *client, const HfControlMessage *message,
                        GByteArray *have, guint at, bool *ret_more, GError **error)
{
    HfControlMessage again = *message;
    const uint8_t *tail = NULL;
    uint64_t length = message->value[HF_FIELD_LENGTH];
    if (length > hf_control_device_piece(message->row)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: answer of %" G_GUINT64_FORMAT " bytes where one ioctl has %zu",
                            message->row->name, length, hf_control_device_piece(message->row));
    }
    hf_control_device_get(client->ioctl_buffer, &again, &tail);
    if (length > 0) {
        memcpy(have->data + at, tail, length);
    }
    *ret_more = length > 0 && have->len < message->value[HF_FIELD_TOTAL];
    return true;
}

/* Reads an answer's tail behind `have`; whether more is to be asked for is *ret_more. */
static bool tail_read(HfControlClient *client, const HfControlMessage *message, GByteArray *have,
                      bool *ret_more, GError **error)
{
    uint64_t total = message->value[HF_FIELD_TOTAL];
    uint64_t length = message->value[HF_FIELD_LENGTH];
    guint at = have->len;

    if (length > total || total > HF_CONTROL_BLOB_MAX || length > HF_CONTROL_BLOB_MAX - at) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: answer of %" G_GUINT64_FORMAT " bytes of %" G_GUINT64_FORMAT
                            " where at most %u are expected",
                            message->row->name, length, total, HF_CONTROL_BLOB_MAX);
    }
    g_byte_array_set_size(have, at + (guint)length);
    if (client->ioctl_buffer) {
        return device_tail(client, message, have, at, ret_more, error);
    }
    if (length > 0 &&
        !hf_socket_read_full(client->fd, have->data + at, length, deadline_of(client), error)) {
        g_prefix_error(error, "%s: ", message->row->name);
        return false;
    }
    *ret_more = length > 0 && length < total;
    return true;
}

char *hf_control_client_get_info(HfControlClient *client, uint64_t flags, GError **error)
{
    g_autoptr(GByteArray) text = g_byte_array_new();
    bool more = true;
    while (more) {
        HfControlMessage message = message_for(HF_CONTROL_GET_INFO);
        message.value[HF_FIELD_FLAGS] = flags;
        message.value[HF_FIELD_OFFSET] = text->len;
        if (!exchange(client, &message, NULL, 0, -1, error) ||
            !tail_read(client, &message, text, &more, error)) {
            return NULL;
        }
        /* totlength is that of the whole text, its NUL included, whatever the offset. */
        more = more && text->len < message.value[HF_FIELD_TOTAL];
    }
    return g_strndup((const char *)text->data, text->len);
}

GBytes *hf_control_client_get_stateblob(HfControlClient *client, uint32_t type, uint32_t flags,
                                        uint32_t *ret_flags, GError **error)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();
    uint32_t blob_flags = 0;
    bool more = true;
    while (more) {
        HfControlMessage message = message_for(HF_CONTROL_GET_STATEBLOB);
        message.value[HF_FIELD_FLAGS] = flags;
        message.value[HF_FIELD_TYPE] = type;
        message.value[HF_FIELD_OFFSET] = blob->len;
        if (!exchange(client, &message, NULL, 0, -1, error)) {
            if (error && client->result == HF_CONTROL_RETRY) {
                (*error)->code = HF_ERROR_NOT_FOUND;
            }
            return NULL;
        }
        blob_flags = (uint32_t)message.value[HF_FIELD_FLAGS];
        if (!tail_read(client, &message, blob, &more, error)) {
            return NULL;
        }
    }
    if (ret_flags) {
        *ret_flags = blob_flags;
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&blob));
}

bool hf_control_client_set_stateblob(HfControlClient *client, uint32_t type, uint32_t flags,
                                     const void *data, size_t size, GError **error)
{
    if (size > HF_CONTROL_BLOB_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "SET_STATEBLOB: expected at most %u bytes, found %zu",
                            HF_CONTROL_BLOB_MAX, size);
    }
    HfControlMessage message = message_for(HF_CONTROL_SET_STATEBLOB);
    message.value[HF_FIELD_FLAGS] = flags;
    message.value[HF_FIELD_TYPE] = type;
    message.value[HF_FIELD_LENGTH] = size;
    return exchange(client, &message, data, size, -1, error);
}
