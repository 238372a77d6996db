/*
 * parcel.h - a file of byte strings: how key blobs and delegation requests are written.
 *
 *     magic      8 bytes, says what it is
 *     version    u16
 *     minimum    u16, the oldest reader version that understands it
 *     size       u32, of the whole file
 *     count      u16
 *     then count records: tag u16, size u32, bytes; tags ascending, each once
 *
 * Big-endian. A reader whose version is below `minimum` refuses; records of unknown tags are
 * refused unless the file's version is newer than the reader's.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_PARCEL_H
#define HOLDFAST_TOOLS_COMMON_PARCEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HF_PARCEL_FILE_MAX (1024u * 1024u)
#define HF_PARCEL_ITEMS_MAX 32u

/* The kinds of records of one format; the tag is the row's number + 1. */
typedef struct {
    const char *name;  /* how messages call it */
    uint32_t min, max; /* bytes; min 0: may also be absent */
} HfParcelItem;

typedef struct {
    const char *magic; /* 8 characters */
    uint16_t version;
    const char *what; /* "delegation request" */
    const HfParcelItem *items;
    unsigned count; /* at most HF_PARCEL_ITEMS_MAX */
} HfParcelFormat;

/* values: one a row, NULL: absent. Sizes are the caller's care (asserted). */
GBytes *hf_parcel_write(const HfParcelFormat *format, GBytes *const *values);
/* Fills ret_values (all NULL before), one a row. HF_ERROR_INVALID naming label and record. */
bool hf_parcel_read(const HfParcelFormat *format, GBytes *file, const char *label,
                    GBytes **ret_values, GError **error);
void hf_parcel_clear(GBytes **values, unsigned count);

#endif
