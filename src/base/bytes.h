/*
 * bytes.h - cursors over hostile bytes, and a writer for our own.
 *
 * HfReader never reads past its end: a getter that would returns zero and marks the reader failed;
 * all later getters return zero too. So a parser reads a whole structure and asks once. Integers
 * are big-endian unless the name says _le. HfWriter is a GByteArray with typed appends.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_BYTES_H
#define HOLDFAST_BASE_BYTES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *data; /* borrowed */
    size_t size;
    size_t offset; /* of the next byte; never greater than size */
    bool failed;   /* a getter asked for more than there was */
} HfReader;

HfReader hf_reader(const void *data, size_t size);
HfReader hf_reader_for(GBytes *bytes);

static inline size_t hf_reader_left(const HfReader *r)
{
    return r->size - r->offset;
}

/* Everything was read and nothing was missing. */
static inline bool hf_reader_done(const HfReader *r)
{
    return !r->failed && r->offset == r->size;
}

uint8_t hf_reader_u8(HfReader *r);
uint16_t hf_reader_u16(HfReader *r);
uint32_t hf_reader_u32(HfReader *r);
uint64_t hf_reader_u64(HfReader *r);
uint16_t hf_reader_u16_le(HfReader *r);
uint32_t hf_reader_u32_le(HfReader *r);

/* The next n bytes, borrowed from the buffer; NULL (and failed) when there are fewer. n may be 0.
 */
const uint8_t *hf_reader_bytes(HfReader *r, size_t n);

/* The next n bytes as a reader of their own (failed when there are fewer). */
HfReader hf_reader_sub(HfReader *r, size_t n);

/* A u16 length followed by that many bytes (TPM2B_*), at most `max` of them. */
HfReader hf_reader_tpm2b(HfReader *r, size_t max);

/* The rest. */
HfReader hf_reader_rest(HfReader *r);

void hf_put_u8(GByteArray *w, uint8_t v);
void hf_put_u16(GByteArray *w, uint16_t v);
void hf_put_u32(GByteArray *w, uint32_t v);
void hf_put_u64(GByteArray *w, uint64_t v);
void hf_put_u16_le(GByteArray *w, uint16_t v);
void hf_put_u32_le(GByteArray *w, uint32_t v);
void hf_put_u64_le(GByteArray *w, uint64_t v);
void hf_put_bytes(GByteArray *w, const void *data, size_t n);
void hf_put_gbytes(GByteArray *w, GBytes *bytes);
/* u16 length + bytes; n must be <= 65535 (asserted: the caller owns the data). */
void hf_put_tpm2b(GByteArray *w, const void *data, size_t n);
/* Overwrites 2 or 4 bytes at `offset`, for sizes that are known last. */
void hf_set_u16_at(GByteArray *w, size_t offset, uint16_t v);
void hf_set_u32_at(GByteArray *w, size_t offset, uint32_t v);

static inline void hf_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void hf_store_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline uint16_t hf_fetch_u16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t hf_fetch_u32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

/* Lower-case hex, no separators. Caller frees. */
char *hf_hex(const void *data, size_t n);

/* Parses hex digits of any case, nothing else, an even number of them. NULL and *error
 * (HF_ERROR_INVALID, naming `what`) otherwise. */
GBytes *hf_hex_parse(const char *text, const char *what, GError **error);

#endif
