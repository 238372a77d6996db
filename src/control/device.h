/*
 * device.h - control messages as ioctls of a character device (CUSE), made from the rows.
 *
 * An ioctl carries one union of request and response: the fields of the row in their order, each at
 * its natural place and in the host's byte order, and behind them a piece of the tail. What does
 * not fit into one piece travels in further ioctls. Size and direction of an ioctl follow from the
 * row. GET_CAPABILITY alone has another shape: one 64-bit number and no result.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CONTROL_DEVICE_H
#define HOLDFAST_CONTROL_DEVICE_H

#include "control/codec.h"

/* Bytes of a tail in one ioctl: of HASH_DATA, and of all others. */
#define HF_CONTROL_DEVICE_HASH_PIECE 4096u
#define HF_CONTROL_DEVICE_PIECE 3072u
/* The largest union. */
#define HF_CONTROL_DEVICE_MAX (4u + HF_CONTROL_DEVICE_HASH_PIECE)

/* The request number for ioctl(2), and what its union has in bytes. */
unsigned long hf_control_device_request(const HfControlRow *row);
size_t hf_control_device_size(const HfControlRow *row);
/* How many bytes of a tail one ioctl takes or gives; 0 when the command has none. */
size_t hf_control_device_piece(const HfControlRow *row);

/* Writes the request's fields, and `n` bytes of the tail (at most a piece) behind them; all other
 * bytes of the union become 0. `buffer` has HF_CONTROL_DEVICE_MAX bytes. */
void hf_control_device_put(uint8_t *buffer, const HfControlMessage *message, const void *tail,
                           size_t n);
/* Reads the response's fields into message (its row is given); *ret_tail, which may be NULL, points
 * to a piece of the tail in `buffer`. */
void hf_control_device_get(const uint8_t *buffer, HfControlMessage *message,
                           const uint8_t **ret_tail);

/* The other end. The row of a request number; NULL: there is no such ioctl, or it belongs to a
 * socket alone (SET_DATAFD). */
const HfControlRow *hf_control_device_row(unsigned long request);
/* Reads the request's fields; *ret_tail points to the piece in `buffer`, which has the size of the
 * row's union. How long the piece says it is (HF_FIELD_LENGTH) is not checked. */
void hf_control_device_request_get(const uint8_t *buffer, HfControlMessage *message,
                                   const uint8_t **ret_tail);
/* Writes the response's fields, and `n` bytes of the tail (at most a piece) behind them. */
void hf_control_device_response_put(uint8_t *buffer, const HfControlMessage *message,
                                    const void *tail, size_t n);

#endif
