/*
 * caller.c - the states of a connection.
 *
 * The time for a request runs from its first byte to its last and is not prolonged by single bytes.
 * Memory for a payload is taken as it arrives, not as its length promises.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/caller.h"

#include <poll.h>
#include <string.h>

#include "base/error.h"

#define HANDSHAKE_S 10
#define REQUEST_S 30
#define ANSWER_S 30
#define IDLE_S 30
#define LINGER_S 2
#define REQUESTS_MAX 16
#define CHUNK 16384u
/* Chunks in one step: then it is somebody else's turn. */
#define CHUNKS_A_STEP 8

static int64_t in_seconds(int seconds)
{
    return g_get_monotonic_time() + (int64_t)seconds * G_USEC_PER_SEC;
}

static void enter(HfCaller *caller, HfCallerState state)
{
    static const int seconds[] = {
        [HF_CALLER_HANDSHAKE] = HANDSHAKE_S,
        [HF_CALLER_HEAD] = IDLE_S,
        [HF_CALLER_ANSWER] = ANSWER_S,
        [HF_CALLER_LINGER] = LINGER_S,
    };

    caller->state = state;
    if (state == HF_CALLER_WAITING) {
        caller->deadline = INT64_MAX;
        caller->events = 0;
    } else if (state != HF_CALLER_GONE && state != HF_CALLER_BODY) {
        caller->deadline = in_seconds(seconds[state]);
        caller->events = state == HF_CALLER_ANSWER ? POLLOUT : POLLIN;
    }
}

HfCaller *hf_caller_new(uint64_t id, HfStream *stream, const char *peer, const char *source)
{
    HfCaller *caller = g_new0(HfCaller, 1);

    caller->id = id;
    caller->stream = stream;
    caller->peer = g_strdup(peer);
    caller->source = g_strdup(source);
    caller->since = g_get_monotonic_time();
    caller->in = g_byte_array_new();
    enter(caller, HF_CALLER_HANDSHAKE);
    return caller;
}

void hf_caller_free(HfCaller *caller)
{
    if (!caller) {
        return;
    }
    hf_stream_free(caller->stream);
    g_byte_array_unref(caller->in);
    g_clear_pointer(&caller->out, g_bytes_unref);
    g_free(caller->peer);
    g_free(caller->source);
    g_free(caller);
}

bool hf_caller_pending(const HfCaller *caller)
{
    return (caller->state == HF_CALLER_HEAD || caller->state == HF_CALLER_BODY ||
            caller->state == HF_CALLER_LINGER) &&
           hf_stream_pending(caller->stream);
}

GBytes *hf_caller_take(HfCaller *caller)
{
    GBytes *payload = g_byte_array_free_to_bytes(caller->in);

    caller->in = g_byte_array_new();
    return payload;
}

void hf_caller_answer(HfCaller *caller, GBytes *frame, bool last)
{
    g_clear_pointer(&caller->out, g_bytes_unref);
    caller->out = g_bytes_ref(frame);
    caller->out_at = 0;
    caller->last = last || caller->asked >= REQUESTS_MAX;
    enter(caller, HF_CALLER_ANSWER);
}

bool hf_caller_expire(HfCaller *caller, GError **error)
{
    static const char *const what[] = {
        [HF_CALLER_HANDSHAKE] = "the TLS handshake",
        [HF_CALLER_BODY] = "its request",
        [HF_CALLER_ANSWER] = "taking the answer",
    };
    HfCallerState state = caller->state;

    if (state == HF_CALLER_HEAD && caller->in->len > 0) {
        state = HF_CALLER_BODY;
    }
    caller->state = HF_CALLER_GONE;
    if (state == HF_CALLER_HEAD || state == HF_CALLER_LINGER) {
        return false;
    }
    hf_error_set(error, HF_ERROR_TIMEOUT, "too slow with %s", what[state]);
    return true;
}

/* What is wrong with the form of a request is told, and ends the connection. */
static bool refuse(HfCaller *caller, GError *why, GError **error)
{
    g_autoptr(GBytes) frame = hf_frame_refusal(why);

    g_propagate_error(error, why);
    hf_caller_answer(caller, frame, true);
    return false;
}

static bool take_head(HfCaller *caller, const HfExchange *exchanges, GError **error)
{
    GError *wrong = NULL;
    uint16_t kind = 0;

    if (!hf_frame_parse_head(caller->in->data, &kind, &caller->length, &wrong)) {
        return refuse(caller, wrong, error);
    }
    caller->exchange = hf_exchange_find(exchanges, kind);
    if (!caller->exchange) {
        hf_error_set(&wrong, HF_ERROR_UNSUPPORTED, "request of kind %u: not known here", kind);
        return refuse(caller, wrong, error);
    }
    if (caller->length > caller->exchange->request_max) {
        hf_error_set(&wrong, HF_ERROR_INVALID, "%s: at most %u bytes expected, found %u",
                     caller->exchange->name, caller->exchange->request_max, caller->length);
        return refuse(caller, wrong, error);
    }
    g_byte_array_set_size(caller->in, 0);
    enter(caller, HF_CALLER_BODY);
    return true;
}

/* A head or a payload is complete. */
static bool advance(HfCaller *caller, const HfExchange *exchanges, GError **error)
{
    if (caller->state == HF_CALLER_HEAD && caller->in->len == HF_FRAME_HEAD_SIZE &&
        !take_head(caller, exchanges, error)) {
        return false;
    }
    if (caller->state == HF_CALLER_BODY && caller->in->len == caller->length) {
        caller->asked++;
        enter(caller, HF_CALLER_WAITING);
    }
    return true;
}

static bool gone(HfCaller *caller)
{
    caller->state = HF_CALLER_GONE;
    return true;
}

/* Waiting, at its end, or failed. */
static bool settle(HfCaller *caller, HfStreamResult result, GError **error)
{
    switch (result) {
    case HF_STREAM_WANT_READ: caller->events = POLLIN; return true;
    case HF_STREAM_WANT_WRITE: caller->events = POLLOUT; return true;
    case HF_STREAM_END:
        if (caller->in->len > 0 || caller->state == HF_CALLER_BODY) {
            (void)gone(caller);
            return hf_error_set(error, HF_ERROR_CLOSED,
                                "the connection ended in the middle of a request");
        }
        return gone(caller);
    default: (void)gone(caller); return caller->asked > 0 && hf_error_is(*error, HF_ERROR_CLOSED);
    }
}

static bool receive(HfCaller *caller, const HfExchange *exchanges, GError **error)
{
    uint8_t buffer[CHUNK];

    for (unsigned i = 0; i < CHUNKS_A_STEP; i++) {
        size_t want = caller->state == HF_CALLER_HEAD ? HF_FRAME_HEAD_SIZE - caller->in->len
                                                      : caller->length - caller->in->len;
        size_t got = 0;
        HfStreamResult result =
            hf_stream_read(caller->stream, buffer, MIN(want, sizeof(buffer)), &got, error);

        if (result != HF_STREAM_DONE) {
            return settle(caller, result, error);
        }
        if (caller->state == HF_CALLER_HEAD && caller->in->len == 0) {
            caller->deadline = in_seconds(REQUEST_S);
        }
        g_byte_array_append(caller->in, buffer, (guint)got);
        if (!advance(caller, exchanges, error)) {
            return false;
        }
        if (caller->state != HF_CALLER_HEAD && caller->state != HF_CALLER_BODY) {
            return true;
        }
    }
    return true;
}

static bool send_answer(HfCaller *caller, GError **error)
{
    size_t size = 0;
    const uint8_t *data = g_bytes_get_data(caller->out, &size);

    while (caller->out_at < size) {
        size_t put = 0;
        HfStreamResult result = hf_stream_write(caller->stream, data + caller->out_at,
                                                size - caller->out_at, &put, error);

        if (result != HF_STREAM_DONE) {
            return settle(caller, result, error);
        }
        caller->out_at += put;
    }
    g_clear_pointer(&caller->out, g_bytes_unref);
    g_byte_array_set_size(caller->in, 0);
    if (caller->last) {
        hf_stream_shut(caller->stream);
    }
    enter(caller, caller->last ? HF_CALLER_LINGER : HF_CALLER_HEAD);
    return true;
}

/* Closing with bytes unread would take the answer away from a client that has not read it yet. */
static bool linger(HfCaller *caller)
{
    uint8_t buffer[CHUNK];
    size_t got = 0;
    HfStreamResult result = HF_STREAM_DONE;

    for (unsigned i = 0; i < CHUNKS_A_STEP && result == HF_STREAM_DONE; i++) {
        g_autoptr(GError) local = NULL;

        result = hf_stream_read(caller->stream, buffer, sizeof(buffer), &got, &local);
    }
    return result == HF_STREAM_END || result == HF_STREAM_FAILED ? gone(caller) : true;
}

static bool shake_hands(HfCaller *caller, GError **error)
{
    HfStreamResult result = hf_stream_handshake(caller->stream, error);
    g_autofree char *subject = NULL;

    if (result == HF_STREAM_FAILED) {
        hf_stream_shut(caller->stream);
        enter(caller, HF_CALLER_LINGER);
        return false;
    }
    if (result != HF_STREAM_DONE) {
        return settle(caller, result, error);
    }
    subject = hf_stream_subject(caller->stream);
    if (subject) {
        char *peer = g_strdup_printf("%s, %s", caller->peer, subject);

        g_free(caller->peer);
        caller->peer = peer;
    }
    enter(caller, HF_CALLER_HEAD);
    return true;
}

bool hf_caller_step(HfCaller *caller, const HfExchange *exchanges, GError **error)
{
    g_autoptr(GError) local = NULL;
    bool quiet = true;

    if (caller->state == HF_CALLER_HANDSHAKE) {
        quiet = shake_hands(caller, &local);
    }
    if (caller->state == HF_CALLER_HEAD || caller->state == HF_CALLER_BODY) {
        quiet = receive(caller, exchanges, &local);
    }
    if (caller->state == HF_CALLER_ANSWER) {
        g_autoptr(GError) sending = NULL;
        bool sent = send_answer(caller, &sending);

        if (!sent && !local) {
            local = g_steal_pointer(&sending);
            quiet = false;
        }
    }
    if (caller->state == HF_CALLER_LINGER) {
        (void)linger(caller);
    }
    if (!quiet) {
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return quiet;
}
