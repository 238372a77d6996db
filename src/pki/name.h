/*
 * name.h - distinguished names: ours made (O, OU and CN, or a serial number), anybody's shown as text.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_NAME_H
#define HOLDFAST_PKI_NAME_H

#include "pki/der.h"

#define HF_NAME_TEXT_MAX 64 /* characters of one attribute (X.520 upper bound) */

/* A text that may stand in a certificate: UTF-8, 1 to 64 characters, none of them a control
 * character. `what` names it in messages. */
bool hf_name_check_text(const char *text, const char *what, GError **error);

/* DER Name of O (left out when NULL) and CN; both checked as above. */
GBytes *hf_name_new(const char *organization, const char *common_name, GError **error);
/* The same with OUs between them (NULL-terminated; NULL: none), each checked as above. */
GBytes *hf_name_new_units(const char *organization, const char *const *units,
                          const char *common_name, GError **error);
/* DER Name of one serialNumber (X.520): `text` as it is when it has 1 to 64 characters that such a
 * number may have (letters, digits, blank, '()+,-./:=?), else with "-" for the others, cut, and with
 * "-" and 16 hex digits of its SHA-256 at the end. */
GBytes *hf_name_new_serial(const char *text);
/* DER of the empty Name. */
GBytes *hf_name_empty(void);
/* `text` as it is when it has at most 64 characters, else its beginning, "~" and 16 hex digits of
 * its SHA-256. Caller frees. */
char *hf_name_fit(const char *text);

/* The next value, a Name: SEQUENCE OF SET OF SEQUENCE { OID, value }. Its DER, or NULL. */
GBytes *hf_name_read(HfReader *r);

/* RFC 4514 text of a DER Name; what a terminal must not see is escaped. "" for the empty name, "?"
 * for one that cannot be shown. Caller frees. */
char *hf_name_text(GBytes *name);

#endif
