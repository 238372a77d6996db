/*
 * slot_format.h - the bytes of a slots file: its header, the head of a slot, where slots lie.
 *
 * man/holdfast-state.5.pod, SLOTS, is the specification. Two slots a pair, each pair twice as large
 * as the one before; a state lies in the slot with the highest number whose digest is right.
 * Pure arithmetic over hostile bytes: no file is touched here, and whether a digest is right is
 * asked of the bytes that are given, never assumed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_SLOT_FORMAT_H
#define HOLDFAST_STATE_SLOT_FORMAT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/envelope.h"
#include "state/store.h"

#define HF_SLOTS_HEADER_SIZE 128u /* of the file */
#define HF_SLOT_HEAD_SIZE 128u    /* of a slot; the blobs follow */
#define HF_SLOTS_BEGIN 4096u      /* the first slot */
#define HF_SLOT_FIRST_ROOM 32768u /* bytes of a slot of the first pair, its head included */
#define HF_SLOTS 14u              /* seven pairs */
#define HF_SLOTS_ID_SIZE 16u
#define HF_SLOT_DIGEST_SIZE 32u

typedef struct {
    bool tpm2;
    bool held; /* a permanent blob is stored: without one the file is damaged, not empty */
    uint8_t id[HF_SLOTS_ID_SIZE];
} HfSlotsHeader;

/* By the first bytes alone: is this meant to be a slots file? */
bool hf_slots_header_looks(const uint8_t *data, size_t size);
/* HF_ERROR_INVALID; HF_ERROR_UNSUPPORTED for what only a later version can read. */
bool hf_slots_header_read(HfSlotsHeader *ret_header, const uint8_t data[HF_SLOTS_HEADER_SIZE],
                          const char *label, GError **error);
void hf_slots_header_write(const HfSlotsHeader *header, uint8_t ret_data[HF_SLOTS_HEADER_SIZE]);

/* Of slot `index`: offset in the file and bytes of room. */
uint64_t hf_slot_offset(unsigned index);
uint32_t hf_slot_room(unsigned index);

typedef struct {
    uint64_t number;
    uint32_t size[HF_STATE_COUNT]; /* of the stored forms; 0: absent */
    uint8_t digest[HF_SLOT_DIGEST_SIZE];
    uint8_t tag[HF_ENVELOPE_TAG_SIZE];
} HfSlotHead;

typedef enum {
    HF_SLOT_UNUSED, /* zeros */
    HF_SLOT_OTHER,  /* nothing of this file, or not whole */
    HF_SLOT_HEAD,   /* a head that may be right: its digest tells */
} HfSlotKind;

/* The head of slot `index` of the file `id`, whose blobs must fit into the slot. */
HfSlotKind hf_slot_head_read(HfSlotHead *ret_head, const uint8_t data[HF_SLOT_HEAD_SIZE],
                             unsigned index, const uint8_t id[HF_SLOTS_ID_SIZE]);
/* Bytes of head and blobs. */
uint32_t hf_slot_span(const HfSlotHead *head);
/* Of a blob, from the beginning of the slot. */
uint32_t hf_slot_blob_at(const HfSlotHead *head, HfStateKind kind);
/* Whether the digest of `head` is that of a slot of hf_slot_span() bytes. */
bool hf_slot_intact(const HfSlotHead *head, const uint8_t *slot);

/* Writes the head before the blobs that are in place in `slot`; fills in digest and tag. */
void hf_slot_seal(HfSlotHead *head, const uint8_t id[HF_SLOTS_ID_SIZE], HfEnvelope *envelope,
                  uint8_t *slot);
/* Whether this envelope's key put the state together; with a plain envelope: whether none did. */
bool hf_slot_authentic(const HfSlotHead *head, HfEnvelope *envelope);

#endif
