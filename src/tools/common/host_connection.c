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

    (void)data;
    if (work->patience) {
        hf_log(1, "host TPM: waiting, it answered %s (%s; %u commands, %.1f s so far)",
               work->patience, work->command, work->count, seconds);
    } else {
        hf_log(1, "host TPM: at work on %s (%u commands, %.1f s so far)", work->command,
               work->count, seconds);
    }
}

HfConnection *hf_host_connection(const char *tcti, GError **error)
{
    HfConnection *connection = hf_connection_open(tcti, error);

    if (connection) {
        hf_connection_watch(connection, say, NULL);
    }
    return connection;
}
