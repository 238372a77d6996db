/*
 * server.h - a server of exchanges (net/frame.h) that no client can block.
 *
 * One thread polls all connections and never waits for one; another works on complete requests, one
 * after the other, in the order in which they were complete. Who is slow, sends too much, something
 * else or nothing is dropped at a deadline; when all places are taken the oldest connection on which
 * nothing is being worked on gives way, first of the same address or user.
 *
 * Must not: log, or know what the exchanges are about.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_SERVER_H
#define HOLDFAST_NET_SERVER_H

#include <sys/types.h>

#include "net/frame.h"
#include "net/tls.h"

typedef struct HfServer HfServer;

/* Functions of the user of a server; all required. */
typedef struct {
    /* On the worker's thread: the payload of the answer, or NULL and *error. peer: for people. */
    GBytes *(*answer)(void *user, uint16_t kind, GBytes *payload, const char *peer, GError **error);
    /* On the thread of hf_server_run: something about a connection that the operator may want to
     * know. */
    void (*report)(void *user, const char *peer, const GError *error);
    /* The same thread: `interrupt_fd` is readable. */
    void (*interrupted)(void *user, HfServer *server);
} HfServerFunctions;

typedef struct {
    unsigned connections; /* at the same time */
    unsigned a_source;    /* of one address (IPv6: /64) or user */
} HfServerLimits;

HfServer *hf_server_new(const HfServerFunctions *functions, void *user, const HfExchange *exchanges,
                        const HfServerLimits *limits);
/* Not while it runs. */
void hf_server_free(HfServer *server);

/* Take listening descriptors, which become non-blocking. peers: users that may ask, beside root and the server's own. */
void hf_server_listen_unix(HfServer *server, int fd, const uid_t *peers, size_t n_peers);
void hf_server_listen_tls(HfServer *server, int fd);
/* Whom new TLS connections meet; before hf_server_run, and again while it runs. */
void hf_server_set_tls(HfServer *server, HfTls *tls);

/* Starts the worker, which is there when this returns: the place to give up what a server that has
 * begun needs no more. */
bool hf_server_start(HfServer *server, GError **error);
/* After hf_server_start: serves until hf_server_stop. interrupt_fd: borrowed; a signalfd. */
bool hf_server_run(HfServer *server, int interrupt_fd, GError **error);
/* From `interrupted`: accept nothing more, answer what is being worked on, return. */
void hf_server_stop(HfServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfServer, hf_server_free)

#endif
