/*
 * link.h - the client of a server of exchanges: a connection, requests, answers.
 *
 * Addresses: "unix:PATH"; "HOST:PORT" or "tls:HOST:PORT", which is always TLS with the server
 * verified (net/tls.h). Every wait has a deadline.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_LINK_H
#define HOLDFAST_NET_LINK_H

#include "net/frame.h"
#include "net/tls.h"

typedef struct HfLink HfLink;

/* True when `url` is one that needs an HfTls; HF_ERROR_USAGE when it is none. */
bool hf_link_check(const char *url, bool *ret_tls, GError **error);
/* Connects and, with TLS, verifies the server; tls may be NULL for UNIX sockets. */
HfLink *hf_link_open(const char *url, HfTls *tls, unsigned seconds, GError **error);
/* Sends a request and returns the payload of its answer. A refusal is an error that begins with "the
 * server refuses: " and has the kind that the server gave. */
GBytes *hf_link_ask(HfLink *link, const HfExchange *exchange, GBytes *payload, unsigned seconds,
                    GError **error);
void hf_link_free(HfLink *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfLink, hf_link_free)

#endif
