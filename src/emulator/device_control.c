/*
 * device_control.c - ioctls, by the table of control commands.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/device_control.h"

#include <string.h>

#include "base/log.h"
#include "emulator/control_handlers.h"

typedef enum { TRANSFER_NONE, TRANSFER_OUT, TRANSFER_IN } Transfer;

struct HfDeviceControl {
    HfControlContext context;
    HfControlRequest request; /* the last one; its tail collects a blob on its way in */
    Transfer transfer;
    size_t offset;         /* of a blob on its way out: what comes next */
    uint32_t type;         /* of a blob on its way in */
    uint32_t flags;        /* the same */
    bool again;            /* LOCK_STORAGE waits */
    bool settles;          /* the last answer was from a handler */
    HfControlRequest lock; /* the one that waits */
};

HfDeviceControl *hf_device_control_new(HfEmulator *emulator)
{
    HfDeviceControl *control = g_new0(HfDeviceControl, 1);
    control->context.emulator = emulator;
    control->request.fd = -1;
    return control;
}

static void tail_free(HfDeviceControl *control)
{
    GByteArray *tail = control->request.tail;
    if (tail) {
        /* A state blob holds the TPM's seeds. */
        if (tail->len > 0) {
            explicit_bzero(tail->data, tail->len);
        }
        g_byte_array_unref(tail);
        control->request.tail = NULL;
    }
}

static void end_transfer(HfDeviceControl *control)
{
    control->transfer = TRANSFER_NONE;
    tail_free(control);
}

void hf_device_control_reset(HfDeviceControl *control)
{
    end_transfer(control);
    hf_control_context_clear(&control->context);
}

void hf_device_control_free(HfDeviceControl *control)
{
    if (control) {
        hf_device_control_reset(control);
        g_free(control);
    }
}

static uint32_t field(const HfDeviceControl *control, HfControlField name)
{
    return (uint32_t)control->request.message.value[name];
}

/* Bytes of a blob on its way in. */
static bool append(HfDeviceControl *control, const uint8_t *data, size_t size)
{
    if (size > HF_CONTROL_BLOB_MAX - control->request.tail->len) {
        hf_log(1, "SET_STATEBLOB: expected at most %u bytes, found more", HF_CONTROL_BLOB_MAX);
        end_transfer(control);
        return false;
    }
    g_byte_array_append(control->request.tail, data, (guint)size);
    return true;
}

/* A piece of a blob; the blob is complete with one that is not whole. An empty one at the start may
 * be the blob (that of a TPM that has none such), or announce that the blob comes by `write`. */
static uint32_t take_piece(HfDeviceControl *control, const uint8_t *piece)
{
    HfControlRequest *request = &control->request;
    uint32_t length = field(control, HF_FIELD_LENGTH);
    uint32_t type = field(control, HF_FIELD_TYPE);
    bool first = control->transfer != TRANSFER_IN || control->type != type ||
                 control->flags != field(control, HF_FIELD_FLAGS);
    bool last = length < HF_CONTROL_DEVICE_PIECE;
    HfControlResponse response = { .message = { .row = request->message.row } };
    bool again = false;

    if (first) {
        end_transfer(control);
        request->tail = g_byte_array_sized_new(HF_CONTROL_BLOB_MAX); /* growth would leave copies */
    }
    control->transfer = TRANSFER_IN;
    control->type = type;
    control->flags = field(control, HF_FIELD_FLAGS);
    if (!append(control, piece, length)) {
        return HF_CONTROL_FAIL;
    }
    bool announced = first && length == 0;
    if (!last || (announced && type == HF_CONTROL_BLOB_PERMANENT)) {
        return HF_CONTROL_OK;
    }
    hf_control_handle(&control->context, request, &response, &again);
    uint32_t result = (uint32_t)response.message.value[HF_FIELD_RESULT];
    if (!announced || result != HF_CONTROL_OK) {
        end_transfer(control);
    }
    return result;
}

/* What a handler gave, cut to a piece. */
static size_t give_piece(HfDeviceControl *control, HfControlResponse *response,
                         const uint8_t **ret_piece)
{
    gsize size = 0;
    *ret_piece = response->tail ? g_bytes_get_data(response->tail, &size) : NULL;
    if (response->message.row->number != HF_CONTROL_GET_STATEBLOB || !response->tail) {
        return size;
    }
    size_t piece = MIN(size, HF_CONTROL_DEVICE_PIECE);
    size_t total = g_bytes_get_size(control->context.blob);
    control->offset = total - size + piece;
    control->transfer = control->offset < total ? TRANSFER_OUT : TRANSFER_NONE;
    response->message.value[HF_FIELD_TOTAL] = total;
    response->message.value[HF_FIELD_LENGTH] = piece;
    return piece;
}

static HfDeviceAnswer respond(HfDeviceControl *control, HfControlResponse *response,
                              uint8_t *buffer, size_t *ret_size)
{
    const HfControlRow *row = response->message.row;
    const uint8_t *piece = NULL;
    size_t n = give_piece(control, response, &piece);
    if (row->number == HF_CONTROL_GET_CAPABILITY) {
        /* There is no descriptor to hand over, and the data channel knows no headers. */
        response->message.value[HF_FIELD_FLAGS] &=
            ~(uint64_t)(HF_CONTROL_CAP_SET_DATAFD | HF_CONTROL_CAP_SEND_COMMAND_HEADER);
    }
    hf_control_device_response_put(buffer, &response->message, piece, n);
    *ret_size = hf_control_device_size(row);
    g_clear_pointer(&response->tail, g_bytes_unref);
    hf_log(2, " CMD_%s: result 0x%x", row->name,
           (unsigned)response->message.value[HF_FIELD_RESULT]);
    return HF_DEVICE_DONE;
}

/* The request, and what came of it. */
static uint32_t handle(HfDeviceControl *control, const uint8_t *piece, HfControlResponse *response,
                       bool *ret_again)
{
    HfControlRequest *request = &control->request;
    const HfControlRow *row = request->message.row;
    uint32_t result = hf_control_admit(&control->context, request);
    if (result != HF_CONTROL_OK) {
        end_transfer(control);
        return result;
    }
    if (row->request_tail) {
        if (field(control, HF_FIELD_LENGTH) > hf_control_device_piece(row)) {
            end_transfer(control);
            return HF_CONTROL_BAD_PARAMETER;
        }
        if (row->number == HF_CONTROL_SET_STATEBLOB) {
            return take_piece(control, piece);
        }
        result =
            hf_control_feed(&control->context, request, piece, field(control, HF_FIELD_LENGTH));
    }
    if (result == HF_CONTROL_OK) {
        hf_control_handle(&control->context, request, response, ret_again);
        result = (uint32_t)response->message.value[HF_FIELD_RESULT];
    }
    return result;
}

HfDeviceAnswer hf_device_control_ioctl(HfDeviceControl *control, unsigned long request,
                                       const uint8_t *in, size_t in_size, size_t out_size,
                                       uint8_t *buffer, size_t *ret_size)
{
    const HfControlRow *row = hf_control_device_row(request);
    if (!row || out_size < hf_control_device_size(row) ||
        (row->request_size > 0 && in_size < hf_control_device_size(row))) {
        return HF_DEVICE_UNKNOWN;
    }
    if (row->number == HF_CONTROL_LOCK_STORAGE && control->again) {
        return HF_DEVICE_BUSY;
    }
    if (row->number != HF_CONTROL_SET_STATEBLOB) {
        end_transfer(control);
    }
    const uint8_t *piece = NULL;
    bool again = false;
    HfControlResponse response = { .message = { .row = row } };
    control->request.message = (HfControlMessage){ .row = row };
    if (row->request_size > 0) {
        hf_control_device_request_get(in, &control->request.message, &piece);
    }
    control->settles = true;
    response.message.value[HF_FIELD_RESULT] = handle(control, piece, &response, &again);
    if (again) {
        control->again = true;
        control->lock = control->request;
        return HF_DEVICE_AGAIN;
    }
    return respond(control, &response, buffer, ret_size);
}

HfDeviceAnswer hf_device_control_again(HfDeviceControl *control, uint8_t *buffer, size_t *ret_size)
{
    HfControlResponse response = { .message = { .row = control->lock.message.row } };
    hf_control_handle(&control->context, &control->lock, &response, &control->again);
    return control->again ? HF_DEVICE_AGAIN : respond(control, &response, buffer, ret_size);
}

void hf_device_control_forget(HfDeviceControl *control)
{
    control->again = false;
}

void hf_device_control_settle(HfDeviceControl *control)
{
    if (control->settles) {
        control->settles = false;
        hf_control_settle(&control->context, &control->request);
    }
}

bool hf_device_control_read(HfDeviceControl *control, size_t max, const uint8_t **ret_data,
                            size_t *ret_size)
{
    gsize size = 0;
    if (control->transfer != TRANSFER_OUT) {
        return false;
    }
    const uint8_t *data = g_bytes_get_data(control->context.blob, &size);
    *ret_data = data + control->offset;
    *ret_size = MIN(max, size - control->offset);
    control->offset += *ret_size;
    if (control->offset == size) {
        control->transfer = TRANSFER_NONE;
    }
    return true;
}

bool hf_device_control_write(HfDeviceControl *control, const uint8_t *data, size_t size,
                             bool *ret_taken)
{
    if (control->transfer != TRANSFER_IN) {
        end_transfer(control);
        return false;
    }
    *ret_taken = append(control, data, size);
    return true;
}
