/*
 * host_connection.h - the TPM as the tools open it: when it is slow, the log says so.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_HOST_CONNECTION_H
#define HOLDFAST_TOOLS_COMMON_HOST_CONNECTION_H

#include "hwtpm/connection.h"

/* hf_connection_open, with progress in lines on the log (base/log.h) from two seconds on. */
HfConnection *hf_host_connection(const char *tcti, GError **error);
/* The same in a guest, whose own TPM it is: nothing of a host in the log. hf_own_error says so of an
 * error that came up from src/hwtpm, whose words are a host's. */
HfConnection *hf_own_connection(const char *tcti, GError **error);
void hf_own_error(GError *error);

#endif
