/*
 * format.h - swtpm's blob file: a header, then records.
 *
 * A state file, and a blob on the control channel, is (all integers big-endian)
 *     0  u8   version      2 (1: read only)
 *     1  u8   min_version  the oldest reader that understands it: 1; we are a reader of version 2
 *     2  u16  hdrsize      10
 *     4  u16  flags        HF_FORMAT_* below, no others
 *     6  u32  totlen       everything, this header included
 * and in version 2 records up to totlen: u16 tag, u32 length, value. The order of records is free,
 * unknown tags are passed over, a known tag appears once. In version 1 the payload follows the
 * header directly.
 *
 * A plain state file has flags 0 and one record HF_FORMAT_DATA: libtpms' own blob, 1 to
 * HF_STATE_BLOB_MAX bytes. Header and records are not authenticated.
 * Everything here is a bounded reader over hostile bytes; `label` is how messages call them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_FORMAT_H
#define HOLDFAST_STATE_FORMAT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define HF_FORMAT_VERSION 2u
#define HF_FORMAT_RECORD_HEADER 6u
#define HF_FORMAT_HEADER_SIZE 10u
#define HF_STATE_BLOB_MAX (512u * 1024u)              /* of libtpms */
#define HF_STATE_FILE_MAX (HF_STATE_BLOB_MAX + 1024u) /* with header, padding, IV and MAC */

enum {
    HF_FORMAT_ENCRYPTED = 1,           /* the payload, with the state's key */
    HF_FORMAT_MIGRATION_ENCRYPTED = 2, /* the migration layer */
    HF_FORMAT_MIGRATION = 4,           /* has a migration layer: not a state file */
    HF_FORMAT_ENCRYPTED_256 = 8,       /* the key has 256 bits, else 128 */
    HF_FORMAT_MIGRATION_256 = 0x10,
    HF_FORMAT_FLAGS = 0x1f
};

enum {
    HF_FORMAT_DATA = 1,
    HF_FORMAT_CIPHERTEXT = 2,
    HF_FORMAT_MAC = 3,
    HF_FORMAT_MIGRATION_DATA = 4,
    HF_FORMAT_MIGRATION_CIPHERTEXT = 5,
    HF_FORMAT_IV = 6,
    HF_FORMAT_MIGRATION_IV = 7
};

typedef struct {
    uint8_t version;
    uint8_t min_version;
    uint16_t flags;
    HfReader body; /* borrowed: records (version 2) or the payload (version 1) */
} HfFormat;

/* What was wrong with a header, for those who answer with a code instead of a line. */
typedef enum {
    HF_FORMAT_OK,
    HF_FORMAT_BAD_LENGTH,  /* too short, or totlen does not fit */
    HF_FORMAT_BAD_HEADER,  /* hdrsize is not 10: something else altogether */
    HF_FORMAT_BAD_VERSION, /* too new, or 0 */
    HF_FORMAT_BAD_FLAGS    /* flags nobody has defined */
} HfFormatFault;

/* Checks the header, and that it spans `size` bytes exactly. HF_ERROR_INVALID; HF_ERROR_UNSUPPORTED
 * for what a later version may mean. ret_fault may be NULL and is always set. */
bool hf_format_read(HfFormat *ret_format, const void *data, size_t size, const char *label,
                    HfFormatFault *ret_fault, GError **error);

/* Value of the record `tag` (borrowed) of a sequence of records. All records are walked: one that
 * reaches past the end, or `tag` twice, is HF_ERROR_INVALID; no such record HF_ERROR_INVALID too,
 * with `what` in the message. */
bool hf_format_find(HfReader records, uint16_t tag, const char *what, const char *label,
                    HfReader *ret_value, GError **error);

/* The same for a record that may be missing: then *ret_found is false and *ret_value empty. */
bool hf_format_look(HfReader records, uint16_t tag, const char *what, const char *label,
                    HfReader *ret_value, bool *ret_found, GError **error);

/* Writing: begin, put records, end (which fills in totlen and takes the array; wiped when it is
 * freed). `room`: at most so many bytes will be put, so that the array does not grow, which would
 * leave a copy behind. */
GByteArray *hf_format_begin(uint16_t flags, size_t room);
void hf_format_put(GByteArray *out, uint16_t tag, const void *data, size_t size);
GBytes *hf_format_end(GByteArray *out);

#endif
