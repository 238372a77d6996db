/*
 * tls.h - who a side of a TLS connection is, and whom it believes.
 *
 * TLS 1.2 and 1.3 only, no renegotiation, no resumption. A client always verifies the server: chain
 * to what it trusts, validity, purpose, and the name or address that it wanted to reach. A server
 * that is told which clients to believe takes no others. Reference-counted: connections keep what
 * they were made with when a server reads its files again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_TLS_H
#define HOLDFAST_NET_TLS_H

#include <glib.h>
#include <stdbool.h>

typedef struct HfTls HfTls;

/* Files, PEM. certificate: own first, then those above it; key: read as hf_keyfile_read does.
 * believed: certificates of CAs, or single certificates of the other side. */
typedef struct {
    const char *certificate; /* with key; NULL: none (clients only) */
    const char *key;
    const char *believed; /* NULL: a server asks for no certificate, a client trusts what the system
                           * does */
} HfTlsFiles;

HfTls *hf_tls_server(const HfTlsFiles *files, GError **error);
HfTls *hf_tls_client(const HfTlsFiles *files, GError **error);
HfTls *hf_tls_ref(HfTls *tls);
void hf_tls_unref(HfTls *tls);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfTls, hf_tls_unref)

#endif
