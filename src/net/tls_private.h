/*
 * tls_private.h - what a connection takes from an HfTls; private to src/net.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_TLS_PRIVATE_H
#define HOLDFAST_NET_TLS_PRIVATE_H

#include <gnutls/gnutls.h>

#include "net/tls.h"

struct HfTls {
    gatomicrefcount references;
    gnutls_certificate_credentials_t credentials;
    bool server;
    bool verifies; /* the other side must show a certificate, and it is verified */
};

/* A session for one connection; not connected to a descriptor yet. */
bool hf_tls_session(HfTls *tls, gnutls_session_t *ret_session, GError **error);

#endif
