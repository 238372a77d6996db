/*
 * der.h - DER, written and read, as far as certificates need it.
 *
 * The writer appends to a GByteArray; a constructed value is opened with hf_der_begin and closed
 * with hf_der_end. The reader works on HfReader and takes nothing but DER: definite lengths in
 * their shortest form, low tag numbers, less than 16 MiB. A getter that does not find what it is
 * asked for marks the reader failed and returns an empty, failed reader: read the whole structure,
 * then ask hf_reader_done once for every constructed value.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_DER_H
#define HOLDFAST_PKI_DER_H

#include "base/bytes.h"

enum {
    HF_DER_BOOLEAN = 0x01,
    HF_DER_INTEGER = 0x02,
    HF_DER_BITS = 0x03,
    HF_DER_OCTETS = 0x04,
    HF_DER_NULL = 0x05,
    HF_DER_OID = 0x06,
    HF_DER_ENUMERATED = 0x0a,
    HF_DER_UTF8 = 0x0c,
    HF_DER_PRINTABLE = 0x13,
    HF_DER_IA5 = 0x16,
    HF_DER_UTC_TIME = 0x17,
    HF_DER_TIME = 0x18,
    HF_DER_SEQUENCE = 0x30,
    HF_DER_SET = 0x31,
};
/* Context-specific tags [n], primitive and constructed. */
#define HF_DER_CONTEXT(n) (0x80 | (n))
#define HF_DER_CONTEXT_OF(n) (0xa0 | (n))

/* Octets of a serial number, and of a revocation list's own number (RFC 5280). */
#define HF_DER_SERIAL_MAX 20

/* No expiry: 99991231235959Z, in seconds since 1970. */
#define HF_DER_TIME_NEVER G_GINT64_CONSTANT(253402300799)

/* Opens a constructed value; give the result to hf_der_end after the content was appended. */
size_t hf_der_begin(GByteArray *w, uint8_t tag);
void hf_der_end(GByteArray *w, size_t mark);
/* One primitive value. */
void hf_der_put(GByteArray *w, uint8_t tag, const void *data, size_t n);
void hf_der_put_text(GByteArray *w, uint8_t tag, const char *text);
/* [n] EXPLICIT UTF8String */
void hf_der_put_tagged_text(GByteArray *w, unsigned n, const char *text);
void hf_der_put_bool(GByteArray *w, bool value);
void hf_der_put_uint(GByteArray *w, uint64_t value);
/* INTEGER from an unsigned big-endian number of any length (leading zeros are dropped). */
void hf_der_put_number(GByteArray *w, const void *data, size_t n);
/* BIT STRING of whole octets. */
void hf_der_put_bits(GByteArray *w, const void *data, size_t n);
/* Dotted text; a malformed one is the programmer's error and asserts. */
void hf_der_put_oid(GByteArray *w, const char *oid);
/* UTCTime up to 2049, GeneralizedTime from 2050 on. Range: years 1950 to 9999 (asserted). */
void hf_der_put_time(GByteArray *w, gint64 seconds);

/* Tag of the next value; 0 at the end or after a failure. */
uint8_t hf_der_peek(const HfReader *r);
/* Content of the next value, which must have this tag. */
HfReader hf_der_get(HfReader *r, uint8_t tag);
/* The next value with its tag and length (tag 0: any). */
HfReader hf_der_whole(HfReader *r, uint8_t tag);
/* The OID as dotted text; NULL on failure. Caller frees. */
char *hf_der_oid(HfReader *r);
bool hf_der_bool(HfReader *r);
/* A non-negative INTEGER of at most 63 bits. */
uint64_t hf_der_uint(HfReader *r);
/* Content octets of a non-negative INTEGER of at most `max` octets beside the one of its sign. */
HfReader hf_der_number(HfReader *r, size_t max);
/* UTF8String, PrintableString or IA5String without NUL; NULL on failure. Caller frees. */
char *hf_der_text(HfReader *r);
/* [n] EXPLICIT UTF8String; NULL on failure. Caller frees. */
char *hf_der_tagged_text(HfReader *r, unsigned n);
/* The next Extension of X.509: its value and, in *ret_oid, its OID (caller frees); false when it is
 * malformed. */
bool hf_der_extension(HfReader *r, char **ret_oid, bool *ret_critical, HfReader *ret_value);
/* UTCTime or GeneralizedTime in the forms of RFC 5280, as seconds since 1970. */
gint64 hf_der_time(HfReader *r);
/* What is left of a reader as bytes of their own. */
GBytes *hf_der_bytes(HfReader r);

#endif
