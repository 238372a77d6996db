/*
 * tcp_target.h - where a TPM listens, as swtpm's tools write it: [HOST]:[PORT].
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CTL_TCP_TARGET_H
#define HOLDFAST_TOOLS_CTL_TCP_TARGET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "HOST:PORT", "HOST", ":PORT", ":", "[ADDRESS]:PORT"; what is left out is 127.0.0.1 and `port`.
 * HF_ERROR_USAGE with swtpm's words when the port is none. Caller frees *ret_host. */
bool hf_tcp_target_parse(const char *text, uint16_t port, char **ret_host, uint16_t *ret_port,
                         GError **error);

#endif
