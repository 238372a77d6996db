/*
 * frame.h - one message of a request protocol: a head of 12 bytes and a payload.
 *
 *     magic    4 bytes "HFEN"
 *     version  u16: 1
 *     kind     u16
 *     length   u32, of the payload
 *
 * Big-endian. The protocol that uses it is a table of exchanges, which kind is answered by which and
 * how long either may be; HF_FRAME_REFUSED can take the place of any answer: a code (u16) and a
 * text, UTF-8. man/holdfast-enrolment.7.pod is the specification.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_FRAME_H
#define HOLDFAST_NET_FRAME_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HF_FRAME_VERSION 1u
#define HF_FRAME_HEAD_SIZE 12u
#define HF_FRAME_REFUSED 0xffffu
/* Of the payload of a refusal. */
#define HF_FRAME_REFUSED_MAX 4096u

/* A row: what may be asked. A table ends with a row of zeros. */
typedef struct {
    uint16_t request;
    uint16_t answer;
    const char *name;     /* for messages: "introduction" */
    uint32_t request_max; /* bytes of payload */
    uint32_t answer_max;
} HfExchange;

/* NULL when nothing of that kind may be asked. */
const HfExchange *hf_exchange_find(const HfExchange *table, uint16_t request);

/* HF_ERROR_INVALID: not this protocol; HF_ERROR_UNSUPPORTED: another version. */
bool hf_frame_parse_head(const uint8_t head[HF_FRAME_HEAD_SIZE], uint16_t *ret_kind,
                         uint32_t *ret_length, GError **error);
/* Head and payload; payload may be NULL. */
GBytes *hf_frame_new(uint16_t kind, GBytes *payload);

/* The whole frame that tells of an error. Of what is the server's own business (files, disks) the
 * text says only that there is something. */
GBytes *hf_frame_refusal(const GError *why);
/* Sets *error to what the payload of a refusal says; control characters are shown as '?'. Always
 * false. */
bool hf_frame_refused(GBytes *payload, GError **error);

#endif
