/*
 * host_connection.c - the host TPM as the tools open it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/host_connection.h"

#include "base/log.h"

static void say(const HfConnectionWork *work, void *data)
{
    double seconds = (double)work->spent_us / G_USEC_PER_SEC;
    const char *whose = data ? "TPM" : "host TPM";

    if (work->patience) {
        hf_log(1, "%s: waiting, it answered %s (%s; %u commands, %.1f s so far)", whose,
               work->patience, work->command, work->count, seconds);
    } else {
        hf_log(1, "%s: at work on %s (%u commands, %.1f s so far)", whose, work->command,
               work->count, seconds);
    }
}

static HfConnection *open_watched(const char *tcti, bool own, GError **error)
{
    HfConnection *connection = hf_connection_open(tcti, error);

    if (connection) {
        hf_connection_watch(connection, say, own ? connection : NULL);
    }
    return connection;
}

HfConnection *hf_host_connection(const char *tcti, GError **error)
{
    return open_watched(tcti, false, error);
}

HfConnection *hf_own_connection(const char *tcti, GError **error)
{
    return open_watched(tcti, true, error);
}

void hf_own_error(GError *error)
{
    g_auto(GStrv) parts = g_strsplit(error->message, "host TPM", -1);

    g_free(error->message);
    error->message = g_strjoinv("TPM", parts);
}
