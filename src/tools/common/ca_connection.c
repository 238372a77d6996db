/*
 * ca_connection.c - requests to a CA that serves.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/ca_connection.h"

#include "base/error.h"
#include "net/link.h"
#include "tools/common/enrolment_kinds.h"

HfCaConnection *hf_ca_connection_new(const HfOptions *options, GError **error)
{
    const HfTlsFiles files = {
        .certificate = hf_options_string(options, "client-certificate"),
        .key = hf_options_string(options, "client-key"),
        .believed = hf_options_string(options, "server-ca"),
    };
    g_autoptr(HfCaConnection) connection = g_new0(HfCaConnection, 1);
    bool needs_tls = false;

    connection->url = g_strdup(hf_options_string(options, "server"));
    connection->seconds = (unsigned)hf_options_int(options, "timeout");
    if (!hf_link_check(connection->url, &needs_tls, error)) {
        g_prefix_error(error, "--");
        return NULL;
    }
    if ((files.certificate == NULL) != (files.key == NULL)) {
        hf_error_set(error, HF_ERROR_USAGE,
                     "--client-certificate and --client-key: both or none expected");
        return NULL;
    }
    connection->tls = needs_tls ? hf_tls_client(&files, error) : NULL;
    return connection->tls || !needs_tls ? g_steal_pointer(&connection) : NULL;
}

void hf_ca_connection_free(HfCaConnection *connection)
{
    if (connection) {
        hf_tls_unref(connection->tls);
        g_free(connection->url);
        g_free(connection);
    }
}

GBytes *hf_ca_connection_ask(const HfCaConnection *connection, uint16_t kind, GBytes *payload,
                             GError **error)
{
    const HfExchange *exchange = hf_exchange_find(hf_enrolment_kinds(), kind);
    g_autoptr(HfLink) link = NULL;

    if (g_bytes_get_size(payload) > exchange->request_max) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: at most %u bytes can be sent, it has %zu",
                     exchange->name, exchange->request_max, g_bytes_get_size(payload));
        return NULL;
    }
    link = hf_link_open(connection->url, connection->tls, connection->seconds, error);
    return link ? hf_link_ask(link, exchange, payload, connection->seconds, error) : NULL;
}
