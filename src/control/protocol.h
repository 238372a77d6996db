/*
 * protocol.h - the control protocol as a table: one row a command.
 *
 * Everything that is known about a command stands in its row: numbers, capability bit, the fields
 * of request and response in wire order, whether a tail or a descriptor comes with it, in which
 * state of the TPM it is allowed. The codec, the client and the server are derived from the rows;
 * what a command does is the server's business (src/emulator).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CONTROL_PROTOCOL_H
#define HOLDFAST_CONTROL_PROTOCOL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/control.h"

/* Values that travel in messages. Every response starts with the result. */
typedef enum {
    HF_FIELD_RESULT,
    HF_FIELD_FLAGS,
    HF_FIELD_TYPE,
    HF_FIELD_OFFSET,
    HF_FIELD_LENGTH, /* of the tail */
    HF_FIELD_TOTAL,
    HF_FIELD_LOCALITY,
    HF_FIELD_BIT,
    HF_FIELD_SIZE,
    HF_FIELD_MIN,
    HF_FIELD_MAX,
    HF_FIELD_RETRIES,
    HF_FIELD_COUNT,
    HF_FIELD_ZERO, /* written as 0, not looked at when read */
} HfControlField;

/* A field on the wire: `width` bytes, big-endian; width 0 ends a list. */
typedef struct {
    HfControlField field;
    uint8_t width;
} HfControlSlot;

#define HF_CONTROL_SLOTS_MAX 5

typedef enum {
    HF_CONTROL_WHEN_ANY,
    HF_CONTROL_WHEN_RUNNING, /* otherwise HF_CONTROL_BAD_ORDINAL */
    HF_CONTROL_WHEN_STOPPED, /* otherwise HF_CONTROL_BAD_ORDINAL */
} HfControlWhen;

typedef struct {
    const char *name;    /* "CMD_INIT" without the "CMD_" */
    uint32_t number;     /* on the socket */
    uint32_t ioctl;      /* on the character device */
    uint32_t capability; /* bit in GET_CAPABILITY's answer; 0: none */
    HfControlWhen when;
    size_t request_size;  /* bytes of `request`: the fixed body, the number not counted */
    size_t padding;       /* up to so many bytes more may follow; they mean nothing */
    bool request_tail;    /* HF_FIELD_LENGTH more bytes follow */
    bool descriptor;      /* a descriptor belongs to it */
    size_t response_size; /* bytes of `response` on success, the tail not counted */
    size_t error_size;    /* bytes of the response when the result is not 0 */
    bool response_tail;   /* HF_FIELD_LENGTH more bytes follow on success */
    HfControlSlot request[HF_CONTROL_SLOTS_MAX];
    HfControlSlot response[HF_CONTROL_SLOTS_MAX];
} HfControlRow;

/* The rows, in the order of their numbers, *ret_count of them. */
const HfControlRow *hf_control_rows(size_t *ret_count);
/* NULL when there is no such command. */
const HfControlRow *hf_control_row(uint32_t number);
/* OR of the capability bits of all rows. SEND_COMMAND_HEADER is no command: added by the server. */
uint32_t hf_control_capabilities(void);

#endif
