/*
 * control_handlers.h - what the commands of the control channel do.
 *
 * One handler a row of the protocol's table. Handlers know the emulator, not the socket: the
 * server collects a request (and feeds its tail), asks here, and sends the response.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_CONTROL_HANDLERS_H
#define HOLDFAST_EMULATOR_CONTROL_HANDLERS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/codec.h"
#include "emulator/data_channel.h"
#include "emulator/emulator.h"

/* What a handler works with; one for the life of the server. Zero it, set the first two. */
typedef struct {
    HfEmulator *emulator;
    HfDataChannel *data; /* NULL: SET_DATAFD is not possible */
    bool monitor;        /* the client has done SET_DATAFD: a virtual machine monitor */
    GBytes *blob;        /* of the last GET_STATEBLOB, so that a fetch in pieces is one state */
    uint32_t blob_type;
    uint32_t blob_request_flags; /* it was fetched with */
    uint32_t blob_flags;         /* HF_CONTROL_STATE_ENCRYPTED or 0 */
} HfControlContext;

typedef struct {
    HfControlMessage message;
    int fd;           /* the descriptor that came along, or -1; a handler that keeps it sets -1 */
    GByteArray *tail; /* SET_STATEBLOB: the data */
} HfControlRequest;

typedef struct {
    HfControlMessage message; /* its row is set */
    GBytes *tail;             /* appended; NULL: none. Owned */
} HfControlResponse;

/* Whether the command has a handler. */
bool hf_control_handled(uint32_t number);
/* Before the tail: whether the request is refused already (its tail is skipped then). */
uint32_t hf_control_admit(HfControlContext *context, const HfControlRequest *request);
/* HASH_DATA: a piece of the tail, as it arrives. SET_STATEBLOB: appends it to request->tail. */
uint32_t hf_control_feed(HfControlContext *context, HfControlRequest *request, const uint8_t *data,
                         size_t size);
/* The command. `again` is set when it should be asked once more 10 ms later (LOCK_STORAGE with
 * retries); the response is not final then. */
void hf_control_handle(HfControlContext *context, HfControlRequest *request,
                       HfControlResponse *response, bool *ret_again);
/* After the response was sent. */
void hf_control_settle(HfControlContext *context, const HfControlRequest *request);
void hf_control_context_clear(HfControlContext *context);

#endif
