/*
 * ca_connection.h - the CA that serves, as a client's options name it: where it is, whom to believe
 * that it is, what to show to it, how long to wait.
 *
 * A request has a connection of its own: a TPM may take its time between two of them. Options:
 * --server, --server-ca, --client-certificate, --client-key, --timeout; the rows are here, so that
 * all clients have the same.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_CA_CONNECTION_H
#define HOLDFAST_TOOLS_COMMON_CA_CONNECTION_H

#include "base/options.h"
#include "net/tls.h"

/* Rows of the option table. required: HF_OPTION_REQUIRED, or 0. */
#define HF_CA_CONNECTION_OPTIONS(commands, required)                                          \
    { .name = "server",                                                                       \
      .kind = HF_KIND_STRING,                                                                 \
      .arg = "URL",                                                                           \
      .help = "the CA that serves: unix:PATH, or HOST:PORT or tls:HOST:PORT (TLS, verified)", \
      .where = (commands),                                                                    \
      .flags = (required) },                                                                  \
        { .name = "server-ca",                                                                \
          .kind = HF_KIND_PATH,                                                               \
          .arg = "PEM",                                                                       \
          .help = "only servers whose certificate leads to one of these (default: what the "  \
                  "system trusts)",                                                           \
          .where = (commands) },                                                              \
        { .name = "client-certificate",                                                       \
          .kind = HF_KIND_PATH,                                                               \
          .arg = "PEM",                                                                       \
          .help = "to show to the server, where it asks for one",                             \
          .where = (commands) },                                                              \
        { .name = "client-key",                                                               \
          .kind = HF_KIND_PATH,                                                               \
          .arg = "PEM",                                                                       \
          .help = "its private key",                                                          \
          .where = (commands) },                                                              \
    {                                                                                         \
        .name = "timeout", .kind = HF_KIND_INT, .arg = "SECONDS",                             \
        .help = "how long the server may take for one answer", .preset = "60", .min = 1,      \
        .max = 3600, .where = (commands)                                                      \
    }

typedef struct {
    char *url;
    HfTls *tls; /* NULL: a UNIX socket */
    unsigned seconds;
} HfCaConnection;

/* Connects to nothing yet. HF_ERROR_USAGE when the options do not fit. */
HfCaConnection *hf_ca_connection_new(const HfOptions *options, GError **error);
void hf_ca_connection_free(HfCaConnection *connection);
/* One request of enrolment_kinds.h and its answer. HF_ERROR_INVALID when the payload is too long to
 * be sent; else as hf_link_ask. */
GBytes *hf_ca_connection_ask(const HfCaConnection *connection, uint16_t kind, GBytes *payload,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaConnection, hf_ca_connection_free)

#endif
