/*
 * source.h - who is at the other end of a connection: for people, and for counting.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_SOURCE_H
#define HOLDFAST_NET_SOURCE_H

#include <stdbool.h>
#include <sys/types.h>

/* UNIX: peer "user 0, process 123", source "user 0", uid. TCP: peer "10.1.2.3 port 4567", source
 * the address, of IPv6 its first 64 bits. False when the connection is gone already. Caller frees
 * both. */
bool hf_source_of(int fd, char **ret_peer, char **ret_source, uid_t *ret_uid);

#endif
