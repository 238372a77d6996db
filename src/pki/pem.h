/*
 * pem.h - text armour around DER (RFC 7468).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_PEM_H
#define HOLDFAST_PKI_PEM_H

#include <glib.h>
#include <stdbool.h>

/* True when the bytes do not begin as DER does (a SEQUENCE). */
bool hf_pem_is_text(GBytes *data);

/* The contents of all blocks of a type ("CERTIFICATE", "PUBLIC KEY", ...) in their order; GBytes,
 * freed with the array. Text around blocks and blocks of other types are skipped.
 * HF_ERROR_INVALID when there is no block, more than `max`, or one is damaged. */
GPtrArray *hf_pem_read(GBytes *data, const char *type, unsigned max, const char *label,
                       GError **error);

/* The same where the data may also be DER, one structure after the other; at least one. `what` is
 * how messages call one of them ("certificate"). */
GPtrArray *hf_pem_bundle(GBytes *data, const char *type, const char *what, unsigned max,
                         const char *label, GError **error);

/* One block, lines of 64 characters, ending in a newline. Caller frees. */
char *hf_pem_write(GBytes *der, const char *type);

#endif
