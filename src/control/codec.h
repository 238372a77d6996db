/*
 * codec.h - control messages, bytes in, bytes out, by the rows of protocol.h.
 *
 * Both ends use it. It reads no socket and knows no deadline: the caller collects bytes and asks
 * whether a message is complete. Tails (HASH_DATA, SET_STATEBLOB, blobs and text in responses) are
 * not copied; they follow the message in the stream.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CONTROL_CODEC_H
#define HOLDFAST_CONTROL_CODEC_H

#include "control/protocol.h"

typedef struct {
    const HfControlRow *row;
    uint64_t value[HF_FIELD_COUNT]; /* by HfControlField; those the row has not are 0 */
} HfControlMessage;

typedef enum {
    HF_CONTROL_PARSE_IDLE,    /* nothing, or only padding of the command before: no hurry */
    HF_CONTROL_PARSE_MORE,    /* a command has begun: the rest is due */
    HF_CONTROL_PARSE_READY,   /* *ret_message is complete */
    HF_CONTROL_PARSE_UNKNOWN, /* no such command */
} HfControlParse;

/* Looks for a request at the start of `data`. `previous` is the row of the request before on this
 * connection (NULL: none): rows with padding may be followed by up to that many bytes that mean
 * nothing. They are told from a command by what follows: a command number is never 0 and fits one
 * byte, so whatever three bytes the padding holds, `00 00 00 NN` with NN not 0 is found at one
 * offset only. *ret_used is how many bytes the request takes, padding before it included. */
HfControlParse hf_control_request_parse(const uint8_t *data, size_t size,
                                        const HfControlRow *previous, HfControlMessage *ret_message,
                                        size_t *ret_used);

typedef enum {
    HF_CONTROL_REST_NONE,    /* nothing follows */
    HF_CONTROL_REST_PADDING, /* just the padding of the request */
    HF_CONTROL_REST_REQUEST, /* the next request, or the beginning of one or of the padding */
    HF_CONTROL_REST_UNSURE,  /* too short to tell: more of a number, or too long a request */
    HF_CONTROL_REST_SURPLUS, /* no request begins like this: the one before it was too long */
} HfControlRest;

/* What the bytes are that came together with a request of this row, after it and its tail. */
HfControlRest hf_control_rest(const uint8_t *data, size_t size, const HfControlRow *row);

/* Appends a request: number and fixed body. */
void hf_control_request_put(GByteArray *out, const HfControlMessage *message);

/* Appends a response of the length that the result asks for (row->error_size when it is not 0;
 * fields that do not fit are left out). */
void hf_control_response_put(GByteArray *out, const HfControlMessage *message);

/* Reads the fixed part of a response: row->response_size bytes. */
bool hf_control_response_parse(const uint8_t *data, size_t size, const HfControlRow *row,
                               HfControlMessage *ret_message);

#endif
