/*
 * linear_map.h - the header of swtpm's linear file: which blob lies where.
 *
 *     0   u64 magic, on disk "nilmptws"
 *     8   u8  version 1
 *     9   u8  zero
 *     10  u16 hdrsize 192
 *     12  15 slots: u32 offset (0: unused), u32 data length, u32 section length
 *     192 sections
 * Integers are little-endian. Slot 0 is permall, 1 volatilestate, 2 savestate; the others belong to
 * nobody yet and are left as they are. swtpm makes section lengths powers of two and puts a new
 * section behind all others, but reads any that do not overlap.
 * Pure arithmetic: no file is touched here.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_LINEAR_MAP_H
#define HOLDFAST_STATE_LINEAR_MAP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_LINEAR_HEADER_SIZE 192u
#define HF_LINEAR_SLOTS 15u

typedef struct {
    uint32_t offset; /* 0: none */
    uint32_t used;   /* bytes of data */
    uint32_t room;   /* bytes set aside */
} HfLinearSection;

typedef struct {
    HfLinearSection slot[HF_LINEAR_SLOTS];
} HfLinearMap;

typedef enum {
    HF_LINEAR_FOREIGN, /* no such header */
    HF_LINEAR_ERASED,  /* one whose magic is zero: how swtpm_setup empties a block device */
    HF_LINEAR_OURS,    /* at least the magic is there */
} HfLinearKind;

/* By the first `size` bytes, at most the header's. */
HfLinearKind hf_linear_kind(const uint8_t *header, size_t size);

/* Checks a header with the magic, in a file of `size` bytes: version, and that the data of every
 * slot lies in the file and no two sections overlap. HF_ERROR_INVALID; HF_ERROR_UNSUPPORTED for
 * another version. */
bool hf_linear_map_read(HfLinearMap *ret_map, const uint8_t header[HF_LINEAR_HEADER_SIZE],
                        uint64_t size, const char *label, GError **error);
void hf_linear_map_write(const HfLinearMap *map, uint8_t ret_header[HF_LINEAR_HEADER_SIZE]);

/* The lowest place for `used` bytes that touches no section of the map and ends at or before
 * `limit`; as much room as the next power of two, or if that is nowhere, just enough. False: there
 * is none. */
bool hf_linear_map_place(const HfLinearMap *map, uint32_t used, uint64_t limit,
                         HfLinearSection *ret_section);

#endif
