/*
 * caller.h - one connection of a server: what it has asked so far, what it is told, until when.
 *
 * A state machine that never blocks; the server (server.c) polls its descriptor for `events` and
 * steps it. A request that is complete waits (HF_CALLER_WAITING) until the server answers it.
 * Private to src/net.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_CALLER_H
#define HOLDFAST_NET_CALLER_H

#include "net/frame.h"
#include "net/stream.h"

typedef enum {
    HF_CALLER_HANDSHAKE,
    HF_CALLER_HEAD,    /* the head of a request, or nothing yet */
    HF_CALLER_BODY,    /* its payload */
    HF_CALLER_WAITING, /* for the server's answer: exchange and payload are there */
    HF_CALLER_ANSWER,  /* the answer is being sent */
    HF_CALLER_LINGER,  /* everything is said; what still comes is thrown away */
    HF_CALLER_GONE,    /* to be freed */
} HfCallerState;

typedef struct {
    uint64_t id;
    HfStream *stream;
    char *peer;   /* for people: "10.1.2.3 port 4567, CN=host" */
    char *source; /* what limits count by: an address, a user */
    HfCallerState state;
    short events;     /* for poll() */
    int64_t since;    /* monotonic microseconds: accepted */
    int64_t deadline; /* the same: dropped then */
    const HfExchange *exchange;
    GByteArray *in; /* of the request: head, then payload */
    uint32_t length;
    GBytes *out;
    size_t out_at;
    unsigned asked; /* requests so far */
    bool last;      /* the connection ends with this answer */
} HfCaller;

/* Takes the stream; peer and source are copied. */
HfCaller *hf_caller_new(uint64_t id, HfStream *stream, const char *peer, const char *source);
void hf_caller_free(HfCaller *caller);

/* Goes on as far as that is possible now. False with *error when there is something to tell the
 * operator: a request that is refused for its form (it is being told), a connection that was cut or
 * is not what it should be (it is gone). */
bool hf_caller_step(HfCaller *caller, const HfExchange *exchanges, GError **error);
/* Bytes are there that poll() does not know of. */
bool hf_caller_pending(const HfCaller *caller);
/* The payload of the request; the caller's buffer is empty then. */
GBytes *hf_caller_take(HfCaller *caller);
/* A whole frame. last: close afterwards. */
void hf_caller_answer(HfCaller *caller, GBytes *frame, bool last);
/* Its time is up. True with what to log when that was in the middle of something. */
bool hf_caller_expire(HfCaller *caller, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaller, hf_caller_free)

#endif
