/*
 * fuzz-caller.c - what clients send to a CA that serves. The first byte says in pieces of which size
 * the others arrive (0: all at once); then the client says that it sends no more.
 *
 * Whatever comes: a request that is complete is of a known kind and no longer than that may be; the
 * connection ends; what is refused is told in a frame.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "net/caller.h"
#include "tools/common/enrolment_kinds.h"

#define SIZE_MAX_IN 8192u

/* Everything that was told so far is whole frames; the last may be under way no more. */
static void check_told(int fd)
{
    uint8_t buffer[16384];
    size_t at = 0, have = 0;
    ssize_t got;

    while (have < sizeof(buffer) &&
           (got = recv(fd, buffer + have, sizeof(buffer) - have, MSG_DONTWAIT)) > 0) {
        have += (size_t)got;
    }
    while (at < have) {
        uint16_t kind = 0;
        uint32_t length = 0;

        g_assert_cmpuint(have - at, >=, HF_FRAME_HEAD_SIZE);
        g_assert_true(hf_frame_parse_head(buffer + at, &kind, &length, NULL));
        g_assert_true(kind == HF_FRAME_REFUSED || kind == HF_TELL_CHALLENGE);
        at += HF_FRAME_HEAD_SIZE + length;
    }
    g_assert_cmpuint(at, ==, have);
}

static void work(HfCaller *caller)
{
    while (caller->state == HF_CALLER_WAITING) {
        const HfExchange *exchange = caller->exchange;
        g_autoptr(GBytes) payload = hf_caller_take(caller);
        g_autoptr(GBytes) frame = hf_frame_new(HF_TELL_CHALLENGE, NULL);

        g_assert_true(hf_exchange_find(hf_enrolment_kinds(), exchange->request) == exchange);
        g_assert_cmpuint(g_bytes_get_size(payload), <=, exchange->request_max);
        hf_caller_answer(caller, frame, false);
        g_assert_true(hf_caller_step(caller, hf_enrolment_kinds(), NULL) ||
                      caller->state >= HF_CALLER_ANSWER);
    }
}

static void step(HfCaller *caller)
{
    GError *error = NULL;
    bool quiet = hf_caller_step(caller, hf_enrolment_kinds(), &error);

    fuzz_told(quiet, &error);
    work(caller);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    size_t piece = size > 0 && data[0] > 0 ? data[0] : SIZE_MAX_IN;

    if (size > SIZE_MAX_IN || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return 0;
    }
    HfStream *stream = hf_stream_plain(pair[0], NULL);
    g_autoptr(HfCaller) caller = hf_caller_new(1, stream, "somebody", "somewhere");
    step(caller);
    for (size_t at = 1; at < size && caller->state < HF_CALLER_LINGER; at += piece) {
        size_t n = MIN(piece, size - at);
        g_assert_cmpint(send(pair[1], data + at, n, MSG_NOSIGNAL), ==, (ssize_t)n);
        step(caller);
    }
    (void)shutdown(pair[1], SHUT_WR);
    for (unsigned i = 0; i < 64 && caller->state != HF_CALLER_GONE; i++) {
        step(caller);
    }
    g_assert_cmpint(caller->state, ==, HF_CALLER_GONE);
    check_told(pair[1]);
    (void)close(pair[1]);
    return 0;
}
