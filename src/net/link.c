/*
 * link.c - asking a server.
 *
 * What the server sends is as hostile as what a client sends: another kind of answer, a longer one
 * or the end of the connection is an error and nothing is believed of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "net/address.h"
#include "net/stream.h"

#define UNIX_PREFIX "unix:"
#define TLS_PREFIX "tls:"

struct HfLink {
    HfStream *stream;
    char *url;
    int64_t deadline; /* of the call that runs */
};

void hf_link_free(HfLink *link)
{
    if (link) {
        hf_stream_free(link->stream);
        g_free(link->url);
        g_free(link);
    }
}

static const char *after(const char *url, const char *prefix)
{
    return g_str_has_prefix(url, prefix) ? url + strlen(prefix) : NULL;
}

bool hf_link_check(const char *url, bool *ret_tls, GError **error)
{
    const char *path = after(url, UNIX_PREFIX);
    const char *address = after(url, TLS_PREFIX);
    g_autofree char *host = NULL;
    uint16_t port = 0;

    *ret_tls = path == NULL;
    if (path) {
        return *path != '\0' ||
               hf_error_set(error, HF_ERROR_USAGE, "server: unix:PATH expected, found '%s'", url);
    }
    return hf_address_parse(address ? address : url, "server", &host, &port, error);
}

/* Until the stream can go on. */
static bool wait_for(HfLink *link, HfStreamResult want, GError **error)
{
    struct pollfd entry = { .fd = hf_stream_fd(link->stream),
                            .events = want == HF_STREAM_WANT_READ ? POLLIN : POLLOUT };

    for (;;) {
        int64_t left = (link->deadline - g_get_monotonic_time() + 999) / 1000;
        int n = left > 0 ? poll(&entry, 1, (int)MIN(left, 60000)) : 0;

        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return hf_error_errno(error, errno, "%s", link->url);
        }
        if (left <= 0) {
            return hf_error_set(error, HF_ERROR_TIMEOUT, "%s: no answer within the time allowed",
                                link->url);
        }
    }
}

/* True: done; false: failed, or the other side has closed. Waits in between. */
static bool proceed(HfLink *link, HfStreamResult result, bool *ret_again, GError **error)
{
    *ret_again = result == HF_STREAM_WANT_READ || result == HF_STREAM_WANT_WRITE;
    if (*ret_again) {
        return wait_for(link, result, error);
    }
    if (result == HF_STREAM_END) {
        return hf_error_set(error, HF_ERROR_CLOSED, "%s: the server closed the connection",
                            link->url);
    }
    if (result == HF_STREAM_FAILED) {
        g_prefix_error(error, "%s: ", link->url);
        return false;
    }
    return true;
}

static bool shake_hands(HfLink *link, GError **error)
{
    bool again = true;

    while (again) {
        if (!proceed(link, hf_stream_handshake(link->stream, error), &again, error)) {
            return false;
        }
    }
    return true;
}

static int connect_to(const char *url, unsigned seconds, char **ret_host, GError **error)
{
    const char *path = after(url, UNIX_PREFIX);
    const char *address = after(url, TLS_PREFIX);
    uint16_t port = 0;

    if (path) {
        return hf_socket_connect_unix(path, error);
    }
    if (!hf_address_parse(address ? address : url, "server", ret_host, &port, error)) {
        return -1;
    }
    return hf_socket_connect_tcp_within(*ret_host, port, seconds, error);
}

HfLink *hf_link_open(const char *url, HfTls *tls, unsigned seconds, GError **error)
{
    g_autoptr(HfLink) link = g_new0(HfLink, 1);
    g_autofree char *host = NULL;
    hf_autofd int fd = connect_to(url, seconds, &host, error);

    if (fd < 0) {
        return NULL;
    }
    g_assert(!host || tls); /* nothing goes over TCP in clear */
    link->url = g_strdup(url);
    link->deadline = g_get_monotonic_time() + (int64_t)seconds * G_USEC_PER_SEC;
    link->stream = host ? hf_stream_tls(hf_fd_steal(&fd), tls, host, error)
                        : hf_stream_plain(hf_fd_steal(&fd), error);
    return link->stream && shake_hands(link, error) ? g_steal_pointer(&link) : NULL;
}

static bool send_all(HfLink *link, GBytes *frame, GError **error)
{
    size_t size = 0, at = 0;
    const uint8_t *data = g_bytes_get_data(frame, &size);

    while (at < size) {
        size_t put = 0;
        bool again = false;

        if (!proceed(link, hf_stream_write(link->stream, data + at, size - at, &put, error), &again,
                     error)) {
            return false;
        }
        at += put;
    }
    return true;
}

static bool receive_all(HfLink *link, uint8_t *data, size_t size, GError **error)
{
    size_t at = 0;

    while (at < size) {
        size_t got = 0;
        bool again = false;

        if (!proceed(link, hf_stream_read(link->stream, data + at, size - at, &got, error), &again,
                     error)) {
            return false;
        }
        at += got;
    }
    return true;
}

static GBytes *receive_answer(HfLink *link, const HfExchange *exchange, GError **error)
{
    uint8_t head[HF_FRAME_HEAD_SIZE];
    g_autofree uint8_t *payload = NULL;
    g_autoptr(GBytes) bytes = NULL;
    uint32_t length = 0, max;
    uint16_t kind = 0;

    if (!receive_all(link, head, sizeof(head), error) ||
        !hf_frame_parse_head(head, &kind, &length, error)) {
        return NULL;
    }
    if (kind != exchange->answer && kind != HF_FRAME_REFUSED) {
        hf_error_set(error, HF_ERROR_INVALID, "answer to %s: kind %u expected, found %u",
                     exchange->name, exchange->answer, kind);
        return NULL;
    }
    max = kind == HF_FRAME_REFUSED ? HF_FRAME_REFUSED_MAX : exchange->answer_max;
    if (length > max) {
        hf_error_set(error, HF_ERROR_INVALID, "answer to %s: at most %u bytes expected, found %u",
                     exchange->name, max, length);
        return NULL;
    }
    payload = g_malloc(length + 1);
    if (!receive_all(link, payload, length, error)) {
        return NULL;
    }
    bytes = g_bytes_new_take(g_steal_pointer(&payload), length);
    if (kind == HF_FRAME_REFUSED) {
        (void)hf_frame_refused(bytes, error);
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

GBytes *hf_link_ask(HfLink *link, const HfExchange *exchange, GBytes *payload, unsigned seconds,
                    GError **error)
{
    g_autoptr(GBytes) frame = hf_frame_new(exchange->request, payload);

    g_assert(g_bytes_get_size(payload) <= exchange->request_max);
    link->deadline = g_get_monotonic_time() + (int64_t)seconds * G_USEC_PER_SEC;
    return send_all(link, frame, error) ? receive_answer(link, exchange, error) : NULL;
}
