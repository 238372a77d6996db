/*
 * test-net.c - frames, connections of a server and the client that asks: in pieces of every size, cut
 * at every byte, with everything wrong that can be; and a server under many clients at once.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/socket.h"
#include "net/address.h"
#include "net/caller.h"
#include "net/link.h"
#include "net/server.h"
#include "tools/common/enrolment_kinds.h"

#define PAYLOAD 37u

static const HfExchange table[] = {
    { 1, 2, "question", 64, 48 },
    { 3, 4, "long question", 1024 * 1024, 200000 },
    { 0 },
};

static GBytes *pattern(size_t size)
{
    guint8 *bytes = g_malloc(size + 1);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (guint8)(i * 7 + 1);
    }
    return g_bytes_new_take(bytes, size);
}

static GBytes *request(uint16_t kind, size_t size)
{
    g_autoptr(GBytes) payload = pattern(size);

    return hf_frame_new(kind, payload);
}

/* Frames. */

static void test_head(void)
{
    static const struct {
        unsigned at;
        uint8_t value;
        HfErrorCode error;
        const char *text;
    } wrong[] = {
        { 0, 'G', HF_ERROR_INVALID, "*does not speak*4846454e expected, found 4746454e" },
        { 3, 'n', HF_ERROR_INVALID, "*does not speak*" },
        { 4, 1, HF_ERROR_UNSUPPORTED, "*version 1 expected, found 257" },
        { 5, 2, HF_ERROR_UNSUPPORTED, "*version 1 expected, found 2" },
        { 5, 0, HF_ERROR_UNSUPPORTED, "*version 1 expected, found 0" },
    };
    g_autoptr(GBytes) frame = request(0x1234, PAYLOAD);
    const uint8_t *bytes = g_bytes_get_data(frame, NULL);
    uint16_t kind = 0;
    uint32_t length = 0;

    g_assert_cmpuint(g_bytes_get_size(frame), ==, HF_FRAME_HEAD_SIZE + PAYLOAD);
    g_assert_true(hf_frame_parse_head(bytes, &kind, &length, NULL));
    g_assert_cmpuint(kind, ==, 0x1234);
    g_assert_cmpuint(length, ==, PAYLOAD);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        uint8_t head[HF_FRAME_HEAD_SIZE];

        memcpy(head, bytes, sizeof(head));
        head[wrong[i].at] = wrong[i].value;
        g_assert_false(hf_frame_parse_head(head, &kind, &length, &error));
        g_assert_true(hf_error_is(error, wrong[i].error));
        g_assert_true(g_pattern_match_simple(wrong[i].text, error->message));
    }
}

static GError *told(HfErrorCode code, const char *text)
{
    g_autoptr(GError) why = NULL;
    GError *error = NULL;
    g_autoptr(GBytes) frame = NULL;
    g_autoptr(GBytes) payload = NULL;

    hf_error_set(&why, code, "%s", text);
    frame = hf_frame_refusal(why);
    g_assert_cmpuint(g_bytes_get_size(frame), <=, HF_FRAME_HEAD_SIZE + HF_FRAME_REFUSED_MAX);
    payload = g_bytes_new_from_bytes(frame, HF_FRAME_HEAD_SIZE,
                                     g_bytes_get_size(frame) - HF_FRAME_HEAD_SIZE);
    g_assert_false(hf_frame_refused(payload, &error));
    return error;
}

static void test_refusal(void)
{
    static const HfErrorCode kept[] = {
        HF_ERROR_INVALID, HF_ERROR_UNSUPPORTED, HF_ERROR_POLICY,    HF_ERROR_AUTH,
        HF_ERROR_BUSY,    HF_ERROR_TIMEOUT,     HF_ERROR_NOT_FOUND, HF_ERROR_STATE,
    };
    g_autofree char *long_text = g_strnfill(5000, 'x');

    for (unsigned i = 0; i < G_N_ELEMENTS(kept); i++) {
        g_autoptr(GError) error = told(kept[i], "nonce: used");

        g_assert_true(hf_error_is(error, kept[i]));
        g_assert_cmpstr(error->message, ==, "the server refuses: nonce: used");
    }
    g_autoptr(GError) own = told(HF_ERROR_IO, "/secret/place: disk full");
    g_assert_true(hf_error_is(own, HF_ERROR_FAILED));
    g_assert_null(strstr(own->message, "secret"));
    g_autoptr(GError) cut = told(HF_ERROR_INVALID, long_text);
    g_assert_cmpuint(strlen(cut->message), ==, strlen("the server refuses: ") + 4094);
    g_autoptr(GError) escape = told(HF_ERROR_POLICY, "a\033[2Jb\nc");
    g_assert_cmpstr(escape->message, ==, "the server refuses: a?[2Jb?c");
}

static void test_refusal_malformed(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        HfErrorCode error;
        const char *text;
    } cases[] = {
        { "", 0, HF_ERROR_INVALID, "refusal: malformed" },
        { "\0", 1, HF_ERROR_INVALID, "refusal: malformed" },
        { "\0\3", 2, HF_ERROR_POLICY, "the server refuses: " },
        { "\x7f\xff?", 3, HF_ERROR_FAILED, "the server refuses: ?" },
        { "\0\3a\xff", 4, HF_ERROR_POLICY, "the server refuses: a\xef\xbf\xbd" },
        { "\0\3a\0b", 5, HF_ERROR_POLICY, "the server refuses: a" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GBytes) payload = g_bytes_new(cases[i].bytes, cases[i].size);
        g_autoptr(GError) error = NULL;

        g_assert_false(hf_frame_refused(payload, &error));
        g_assert_true(hf_error_is(error, cases[i].error));
        g_assert_cmpstr(error->message, ==, cases[i].text);
    }
}

/* What the protocol's table promises to whoever adds a row. */
static void test_kinds(void)
{
    for (const HfExchange *row = hf_enrolment_kinds(); row->request != 0; row++) {
        g_assert_cmpuint(row->request % 2, ==, 1);
        g_assert_cmpuint(row->answer, ==, row->request + 1);
        g_assert_cmpuint(row->request, <, 48);
        g_assert_cmpuint(row->request_max, >, 0);
        g_assert_cmpuint(row->request_max, <=, 1024 * 1024);
        g_assert_cmpuint(row->answer_max, <=, 1024 * 1024);
        g_assert_nonnull(row->name);
        g_assert_true(hf_exchange_find(hf_enrolment_kinds(), row->request) == row);
        g_assert_null(hf_exchange_find(hf_enrolment_kinds(), row->answer));
    }
    g_assert_null(hf_exchange_find(hf_enrolment_kinds(), 0));
    g_assert_null(hf_exchange_find(hf_enrolment_kinds(), 0xffff));
}

static void test_address(void)
{
    static const struct {
        const char *text, *host;
        unsigned port;
    } cases[] = {
        { "host:1", "host", 1 },
        { "10.0.0.1:65535", "10.0.0.1", 65535 },
        { "[::1]:8443", "::1", 8443 },
        { "[fe80::1%eth0]:2", "fe80::1%eth0", 2 },
        { "host", NULL, 0 },
        { "host:", NULL, 0 },
        { "host:0", NULL, 0 },
        { "host:65536", NULL, 0 },
        { "host:1x", NULL, 0 },
        { "host:-1", NULL, 0 },
        { ":1", NULL, 0 },
        { "[]:1", NULL, 0 },
        { "::1:1", NULL, 0 },
        { "[::1]", NULL, 0 },
        { "", NULL, 0 },
        { "host: 1", NULL, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *host = NULL;
        uint16_t port = 0;
        bool good = hf_address_parse(cases[i].text, "server", &host, &port, &error);

        g_assert_cmpint(good, ==, cases[i].host != NULL);
        g_assert_cmpstr(host, ==, cases[i].host);
        g_assert_cmpuint(port, ==, cases[i].port);
        g_assert_true(good || hf_error_is(error, HF_ERROR_USAGE));
    }
}

/* One connection of a server. */

typedef struct {
    HfCaller *caller;
    int other;
    GString *log; /* what was told to the operator */
} Line;

static void line_open(Line *line)
{
    int pair[2];
    GError *error = NULL;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    line->caller = hf_caller_new(1, hf_stream_plain(pair[0], &error), "peer", "source");
    g_assert_no_error(error);
    line->other = pair[1];
    line->log = g_string_new(NULL);
}

static void line_close(Line *line)
{
    hf_caller_free(line->caller);
    if (line->other >= 0) {
        (void)close(line->other);
    }
    g_string_free(line->log, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Line, line_close)

static void line_step(Line *line)
{
    g_autoptr(GError) error = NULL;

    if (!hf_caller_step(line->caller, table, &error)) {
        g_assert_nonnull(error);
        g_string_append(line->log, error->message);
    } else {
        g_assert_no_error(error);
    }
}

static void line_send(Line *line, const uint8_t *bytes, size_t n)
{
    if (n > 0) {
        g_assert_cmpint(send(line->other, bytes, n, MSG_NOSIGNAL), ==, (ssize_t)n);
    }
    line_step(line);
}

/* What the client has got: one frame, or nothing. */
static GBytes *line_receive(Line *line, uint16_t *ret_kind)
{
    uint8_t buffer[8192];
    uint32_t length = 0;
    ssize_t got = recv(line->other, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (got <= 0) {
        return NULL;
    }
    g_assert_true(hf_frame_parse_head(buffer, ret_kind, &length, NULL));
    g_assert_cmpuint((size_t)got, ==, HF_FRAME_HEAD_SIZE + length);
    return g_bytes_new(buffer + HF_FRAME_HEAD_SIZE, length);
}

static void line_answer(Line *line, bool last)
{
    g_autoptr(GBytes) frame = request(2, 11);
    g_autoptr(GBytes) payload = NULL;
    uint16_t kind = 0;

    hf_caller_answer(line->caller, frame, last);
    line_step(line);
    payload = line_receive(line, &kind);
    g_assert_nonnull(payload);
    g_assert_cmpuint(kind, ==, 2);
    g_assert_cmpuint(g_bytes_get_size(payload), ==, 11);
}

/* A request in two pieces, cut at every byte, then byte by byte. */
static void test_pieces(void)
{
    g_autoptr(GBytes) frame = request(1, PAYLOAD);
    g_autoptr(GBytes) wanted = pattern(PAYLOAD);
    size_t size = 0;
    const uint8_t *bytes = g_bytes_get_data(frame, &size);

    for (size_t cut = 0; cut <= size + 1; cut++) {
        g_auto(Line) line;
        g_autoptr(GBytes) payload = NULL;

        line_open(&line);
        line_step(&line);
        if (cut <= size) {
            line_send(&line, bytes, cut);
            g_assert_cmpint(line.caller->state == HF_CALLER_WAITING, ==, cut == size);
            line_send(&line, bytes + cut, size - cut);
        } else {
            for (size_t i = 0; i < size; i++) {
                g_assert_cmpint(line.caller->state, <, HF_CALLER_WAITING);
                line_send(&line, bytes + i, 1);
            }
        }
        g_assert_cmpint(line.caller->state, ==, HF_CALLER_WAITING);
        g_assert_cmpstr(line.caller->exchange->name, ==, "question");
        payload = hf_caller_take(line.caller);
        g_assert_true(g_bytes_equal(payload, wanted));
        line_answer(&line, false);
        g_assert_cmpint(line.caller->state, ==, HF_CALLER_HEAD);
        g_assert_cmpstr(line.log->str, ==, "");
    }
}

/* The connection ends after each byte: told to the operator, but not between requests. */
static void test_cut(void)
{
    g_autoptr(GBytes) frame = request(1, PAYLOAD);
    size_t size = 0;
    const uint8_t *bytes = g_bytes_get_data(frame, &size);

    for (size_t cut = 0; cut < size; cut++) {
        g_auto(Line) line;

        line_open(&line);
        line_send(&line, bytes, cut);
        (void)close(line.other);
        line.other = -1;
        line_step(&line);
        g_assert_cmpint(line.caller->state, ==, HF_CALLER_GONE);
        g_assert_cmpstr(line.log->str, ==,
                        cut > 0 ? "the connection ended in the middle of a request" : "");
    }
}

/* Everything wrong in a head, in pieces of every size: refused before the payload is there. */
static void test_wrong_head(void)
{
    static const struct {
        unsigned at;
        uint8_t value;
        unsigned code;
        const char *text;
    } wrong[] = {
        { 0, 'h', 1, "does not speak" },    { 5, 9, 2, "version 1 expected, found 9" },
        { 7, 2, 2, "kind 2: not known" },   { 7, 0, 2, "kind 0: not known" },
        { 6, 0xff, 2, "kind 65281" },       { 11, 65, 1, "at most 64 bytes expected, found 65" },
        { 8, 0xff, 1, "found 4278190117" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        for (size_t cut = 0; cut <= HF_FRAME_HEAD_SIZE; cut++) {
            g_auto(Line) line;
            g_autoptr(GBytes) frame = request(1, PAYLOAD);
            g_autoptr(GBytes) payload = NULL;
            uint8_t head[HF_FRAME_HEAD_SIZE];
            uint16_t kind = 0;

            memcpy(head, g_bytes_get_data(frame, NULL), sizeof(head));
            head[wrong[i].at] = wrong[i].value;
            line_open(&line);
            line_send(&line, head, cut);
            line_send(&line, head + cut, sizeof(head) - cut);
            payload = line_receive(&line, &kind);
            g_assert_nonnull(payload);
            g_assert_cmpuint(kind, ==, HF_FRAME_REFUSED);
            g_assert_cmpuint(hf_fetch_u16(g_bytes_get_data(payload, NULL)), ==, wrong[i].code);
            g_assert_nonnull(strstr(line.log->str, wrong[i].text));
            g_assert_cmpint(line.caller->state, ==, HF_CALLER_LINGER);
            (void)close(line.other);
            line.other = -1;
            line_step(&line);
            g_assert_cmpint(line.caller->state, ==, HF_CALLER_GONE);
        }
    }
}

/* Requests of the longest length and of none; several in one piece; no more than sixteen. */
static void test_lengths(void)
{
    static const size_t sizes[] = { 0, 1, 63, 64 };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_auto(Line) line;
        g_autoptr(GBytes) frame = request(1, sizes[i]);
        g_autoptr(GBytes) payload = NULL;

        line_open(&line);
        line_send(&line, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));
        g_assert_cmpint(line.caller->state, ==, HF_CALLER_WAITING);
        payload = hf_caller_take(line.caller);
        g_assert_cmpuint(g_bytes_get_size(payload), ==, sizes[i]);
    }
}

static void test_many(void)
{
    g_auto(Line) line;
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GBytes) one = request(1, 5);

    line_open(&line);
    for (unsigned i = 0; i < 20; i++) {
        hf_put_gbytes(all, one);
    }
    line_send(&line, all->data, all->len);
    for (unsigned i = 0; i < 16; i++) {
        g_autoptr(GBytes) payload = NULL;

        g_assert_cmpint(line.caller->state, ==, HF_CALLER_WAITING);
        /* Nothing of the next one is taken for this one. */
        payload = hf_caller_take(line.caller);
        g_assert_cmpuint(g_bytes_get_size(payload), ==, 5);
        line_answer(&line, false);
        line_step(&line);
    }
    g_assert_cmpint(line.caller->state, ==, HF_CALLER_LINGER);
    g_assert_cmpuint(line.caller->asked, ==, 16);
}

/* A client that does not take its answer: the rest waits for it, up to a deadline. */
static void test_slow_taker(void)
{
    g_auto(Line) line;
    g_autoptr(GBytes) frame = request(1, 1);
    g_autoptr(GBytes) big = request(2, 1024 * 1024);
    g_autoptr(GBytes) payload = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *got = g_malloc(2 * 1024 * 1024);
    size_t at = 0;

    line_open(&line);
    line_send(&line, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));
    payload = hf_caller_take(line.caller);
    hf_caller_answer(line.caller, big, true);
    line_step(&line);
    g_assert_cmpint(line.caller->state, ==, HF_CALLER_ANSWER);
    g_assert_cmpint(line.caller->events, ==, POLLOUT);
    while (line.caller->state == HF_CALLER_ANSWER) {
        ssize_t n = recv(line.other, got + at, 1024 * 1024, MSG_DONTWAIT);

        g_assert_cmpint(n, >, 0);
        at += (size_t)n;
        line_step(&line);
    }
    for (ssize_t n; (n = recv(line.other, got + at, 65536, 0)) > 0;) {
        at += (size_t)n;
    }
    g_assert_cmpmem(got, at, g_bytes_get_data(big, NULL), g_bytes_get_size(big));
    hf_caller_answer(line.caller, big, true);
    g_assert_true(hf_caller_expire(line.caller, &error));
    g_assert_cmpstr(error->message, ==, "too slow with taking the answer");
}

static void test_expire(void)
{
    static const struct {
        size_t sent;
        const char *text; /* NULL: nothing to tell */
    } cases[] = {
        { 0, NULL },
        { 1, "too slow with its request" },
        { HF_FRAME_HEAD_SIZE, "too slow with its request" },
        { HF_FRAME_HEAD_SIZE + PAYLOAD - 1, "too slow with its request" },
    };
    g_autoptr(GBytes) frame = request(1, PAYLOAD);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(Line) line;
        g_autoptr(GError) error = NULL;
        int64_t deadline;

        line_open(&line);
        line_step(&line);
        line_send(&line, g_bytes_get_data(frame, NULL), cases[i].sent);
        deadline = line.caller->deadline;
        line_step(&line);
        g_assert_cmpint(line.caller->deadline, ==, deadline); /* waiting does not prolong it */
        g_assert_cmpint(hf_caller_expire(line.caller, &error), ==, cases[i].text != NULL);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i].text);
        g_assert_cmpint(line.caller->state, ==, HF_CALLER_GONE);
    }
}

/* A client, and servers that mean no good. */

typedef struct {
    char *directory, *path, *url;
    int listener;
    const uint8_t *bytes; /* what the server says */
    size_t size, piece;
} Liar;

static void liar_open(Liar *liar)
{
    GError *error = NULL;

    memset(liar, 0, sizeof(*liar));
    liar->directory = g_dir_make_tmp("hf-test.XXXXXX", &error);
    g_assert_no_error(error);
    liar->path = g_build_filename(liar->directory, "s", NULL);
    liar->url = g_strconcat("unix:", liar->path, NULL);
    liar->listener = hf_socket_listen_unix(liar->path, 0600, (uid_t)-1, (gid_t)-1, 8, &error);
    g_assert_no_error(error);
}

static void liar_close(Liar *liar)
{
    (void)close(liar->listener);
    (void)unlink(liar->path);
    (void)rmdir(liar->directory);
    g_free(liar->directory);
    g_free(liar->path);
    g_free(liar->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Liar, liar_close)

static void *liar_speak(void *p)
{
    const Liar *liar = p;
    int fd = accept4(liar->listener, NULL, NULL, SOCK_CLOEXEC);
    size_t piece = liar->piece > 0 ? liar->piece : liar->size;

    for (size_t at = 0; at < liar->size; at += piece) {
        (void)!send(fd, liar->bytes + at, MIN(piece, liar->size - at), MSG_NOSIGNAL);
    }
    (void)shutdown(fd, SHUT_WR);
    for (uint8_t byte; recv(fd, &byte, 1, 0) > 0;) { /* until the client has gone */
    }
    (void)close(fd);
    return NULL;
}

static GBytes *liar_asked(Liar *liar, const void *bytes, size_t size, GError **error)
{
    GThread *thread;
    GBytes *answer = NULL;
    g_autoptr(GBytes) payload = pattern(3);
    HfLink *link;

    liar->bytes = bytes;
    liar->size = size;
    thread = g_thread_new("liar", liar_speak, liar);
    link = hf_link_open(liar->url, NULL, 20, error);
    answer = link ? hf_link_ask(link, &table[0], payload, 20, error) : NULL;
    hf_link_free(link);
    (void)g_thread_join(thread);
    return answer;
}

static void test_answers(void)
{
    g_auto(Liar) liar;
    g_autoptr(GBytes) frame = request(2, PAYLOAD);
    g_autoptr(GBytes) wanted = pattern(PAYLOAD);
    size_t size = 0;
    const uint8_t *bytes = g_bytes_get_data(frame, &size);

    liar_open(&liar);
    for (liar.piece = 0; liar.piece <= size; liar.piece++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) answer = liar_asked(&liar, bytes, size, &error);

        g_assert_no_error(error);
        g_assert_true(g_bytes_equal(answer, wanted));
    }
    liar.piece = 0;
    for (size_t cut = 0; cut < size; cut++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(liar_asked(&liar, bytes, cut, &error));
        g_assert_true(hf_error_is(error, HF_ERROR_CLOSED));
        g_assert_nonnull(strstr(error->message, "the server closed the connection"));
    }
}

static void test_lies(void)
{
    static const struct {
        unsigned at;
        uint8_t value;
        const char *text;
    } lies[] = {
        { 0, 'X', "does not speak" },
        { 5, 2, "version 1 expected, found 2" },
        { 7, 4, "answer to question: kind 2 expected, found 4" },
        { 7, 1, "answer to question: kind 2 expected, found 1" },
        { 7, 0, "kind 2 expected, found 0" },
        { 11, 49, "answer to question: at most 48 bytes expected, found 49" },
        { 8, 0x7f, "found 2130706469" },
    };
    g_auto(Liar) liar;
    g_autoptr(GBytes) frame = request(2, PAYLOAD);
    g_autoptr(GBytes) longest = request(2, 48);
    g_autoptr(GBytes) refusal = NULL;
    g_autoptr(GError) why = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) answer = NULL;

    liar_open(&liar);
    for (unsigned i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autoptr(GError) found = NULL;
        g_autofree uint8_t *bytes =
            g_memdup2(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame));

        bytes[lies[i].at] = lies[i].value;
        g_assert_null(liar_asked(&liar, bytes, g_bytes_get_size(frame), &found));
        g_assert_nonnull(strstr(found->message, lies[i].text));
    }
    answer = liar_asked(&liar, g_bytes_get_data(longest, NULL), g_bytes_get_size(longest), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(answer), ==, 48);
    hf_error_set(&why, HF_ERROR_POLICY, "no");
    refusal = hf_frame_refusal(why);
    g_assert_null(
        liar_asked(&liar, g_bytes_get_data(refusal, NULL), g_bytes_get_size(refusal), &error));
    g_assert_true(hf_error_is(error, HF_ERROR_POLICY));
    g_assert_cmpstr(error->message, ==, "the server refuses: no");
}

/* The server under many clients. */

#define CLIENTS 12
#define ROUNDS 20

typedef struct {
    Liar place; /* its path and url */
    HfServer *server;
    int interrupt;
    gint answered, reported;
} Service;

static GBytes *service_answer(void *user, uint16_t kind, GBytes *payload, const char *peer,
                              GError **error)
{
    Service *service = user;
    const uint8_t *bytes = g_bytes_get_data(payload, NULL);
    size_t size = g_bytes_get_size(payload);

    g_assert_true(g_str_has_prefix(peer, "user "));
    g_atomic_int_inc(&service->answered);
    if (kind == 1 && size > 0 && bytes[0] == 0xff) {
        hf_error_set(error, HF_ERROR_POLICY, "not this one");
        return NULL;
    }
    return g_bytes_new(bytes, MIN(size, kind == 1 ? 48 : 200000));
}

static void service_report(void *user, const char *peer, const GError *error)
{
    g_assert_nonnull(peer);
    g_assert_nonnull(error);
    g_atomic_int_inc(&((Service *)user)->reported);
}

static void service_interrupted(void *user, HfServer *server)
{
    (void)user;
    hf_server_stop(server);
}

static void *service_run(void *p)
{
    Service *service = p;
    GError *error = NULL;

    g_assert_true(hf_server_run(service->server, service->interrupt, &error));
    g_assert_no_error(error);
    return NULL;
}

/* Long and short, granted and refused ones; some say nonsense, some go away in between. */
static void *client_run(void *p)
{
    const Service *service = p;

    for (unsigned round = 0; round < ROUNDS; round++) {
        g_autoptr(GError) error = NULL;
        const HfExchange *exchange = &table[round % 2];
        size_t size = round % 2 ? 150000 + round : round + 1;
        g_autoptr(GBytes) payload = pattern(size);
        g_autoptr(GBytes) bad = g_bytes_new_static("\xff", 1);
        g_autoptr(GBytes) answer = NULL;
        g_autoptr(GBytes) none = NULL;
        int fd = hf_socket_connect_unix(service->place.path, &error);
        g_autoptr(HfLink) link = NULL;

        g_assert_no_error(error);
        (void)!send(fd, "HFEN\0\1\0\1\0\0\0\40x", round % 14, MSG_NOSIGNAL);
        (void)close(fd);
        link = hf_link_open(service->place.url, NULL, 60, &error);
        g_assert_no_error(error);
        answer = hf_link_ask(link, exchange, payload, 60, &error);
        g_assert_no_error(error);
        g_assert_true(g_bytes_equal(answer, payload));
        none = hf_link_ask(link, &table[0], bad, 60, &error);
        g_assert_null(none);
        g_assert_cmpstr(error->message, ==, "the server refuses: not this one");
    }
    return NULL;
}

static void test_server(void)
{
    static const HfServerFunctions functions = { service_answer, service_report,
                                                 service_interrupted };
    static const HfServerLimits limits = { .connections = 64, .a_source = 64 };
    Service service = { 0 };
    GThread *clients[CLIENTS], *thread;
    GError *error = NULL;
    uint64_t one = 1;

    liar_open(&service.place);
    service.interrupt = eventfd(0, EFD_CLOEXEC);
    service.server = hf_server_new(&functions, &service, table, &limits);
    hf_server_listen_unix(service.server, dup(service.place.listener), NULL, 0);
    g_assert_true(hf_server_start(service.server, &error));
    g_assert_no_error(error);
    thread = g_thread_new("server", service_run, &service);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = g_thread_new("client", client_run, &service);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)g_thread_join(clients[i]);
    }
    g_assert_cmpint(write(service.interrupt, &one, sizeof(one)), ==, sizeof(one));
    (void)g_thread_join(thread);
    g_assert_cmpint(g_atomic_int_get(&service.answered), ==, 2 * CLIENTS * ROUNDS);
    hf_server_free(service.server);
    (void)close(service.interrupt);
    liar_close(&service.place);
}

/* A server that was started and never ran, or never started, leaves nothing behind. */
static void test_server_unused(void)
{
    static const HfServerFunctions functions = { service_answer, service_report,
                                                 service_interrupted };
    static const HfServerLimits limits = { .connections = 4, .a_source = 1 };
    static const HfServerLimits absurd = { .connections = 4000000000u, .a_source = 1 };
    g_autoptr(HfServer) idle = hf_server_new(&functions, NULL, table, &limits);
    g_autoptr(HfServer) started = hf_server_new(&functions, NULL, table, &limits);
    g_autoptr(HfServer) large = hf_server_new(&functions, NULL, table, &absurd);
    g_autoptr(GError) error = NULL;

    g_assert_true(hf_server_start(started, &error));
    g_assert_no_error(error);
    g_assert_false(hf_server_start(large, &error));
    g_assert_true(hf_error_is(error, HF_ERROR_USAGE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/frame/head", test_head);
    g_test_add_func("/net/frame/refusal", test_refusal);
    g_test_add_func("/net/frame/refusal-malformed", test_refusal_malformed);
    g_test_add_func("/net/kinds", test_kinds);
    g_test_add_func("/net/address", test_address);
    g_test_add_func("/net/caller/pieces", test_pieces);
    g_test_add_func("/net/caller/cut", test_cut);
    g_test_add_func("/net/caller/wrong-head", test_wrong_head);
    g_test_add_func("/net/caller/lengths", test_lengths);
    g_test_add_func("/net/caller/many", test_many);
    g_test_add_func("/net/caller/slow-taker", test_slow_taker);
    g_test_add_func("/net/caller/expire", test_expire);
    g_test_add_func("/net/link/answers", test_answers);
    g_test_add_func("/net/link/lies", test_lies);
    g_test_add_func("/net/server/many", test_server);
    g_test_add_func("/net/server/unused", test_server_unused);
    return g_test_run();
}
