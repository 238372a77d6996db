/*
 * address.h - "HOST:PORT" in its parts; an IPv6 address is in brackets.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_ADDRESS_H
#define HOLDFAST_NET_ADDRESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* HF_ERROR_USAGE naming `what`. Caller frees the host. */
bool hf_address_parse(const char *text, const char *what, char **ret_host, uint16_t *ret_port,
                      GError **error);

#endif
