/*
 * stream.c - connections that never block.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/file.h"
#include "net/tls_private.h"

struct HfStream {
    int fd;
    HfTls *tls;               /* NULL: plain, with the next four */
    gnutls_session_t session; /* of tls */
    bool failed;              /* tls no longer says anything */
    char *host;
    gnutls_typed_vdata_st wanted[2]; /* what the other side's certificate must be for */
};

static HfStream *stream_new(int fd, GError **error)
{
    HfStream *stream = g_new0(HfStream, 1);
    int flags = fcntl(fd, F_GETFL);

    stream->fd = fd;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        hf_error_errno(error, errno, "connection");
        hf_stream_free(stream);
        return NULL;
    }
    return stream;
}

HfStream *hf_stream_plain(int fd, GError **error)
{
    return stream_new(fd, error);
}

/* Names are sent, so that a server with several can choose; addresses are not names. */
static void send_name(HfStream *stream)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, stream->host, &address) != 1 &&
        inet_pton(AF_INET6, stream->host, &address) != 1) {
        (void)gnutls_server_name_set(stream->session, GNUTLS_NAME_DNS, stream->host,
                                     strlen(stream->host));
    }
}

HfStream *hf_stream_tls(int fd, HfTls *tls, const char *host, GError **error)
{
    g_autoptr(HfStream) stream = stream_new(fd, error);
    unsigned count = 0;

    if (!stream || !hf_tls_session(tls, &stream->session, error)) {
        return NULL;
    }
    stream->tls = hf_tls_ref(tls);
    gnutls_transport_set_int(stream->session, fd);
    if (!tls->verifies) {
        return g_steal_pointer(&stream);
    }
    stream->wanted[count].type = GNUTLS_DT_KEY_PURPOSE_OID;
    stream->wanted[count++].data =
        (unsigned char *)(uintptr_t)(tls->server ? GNUTLS_KP_TLS_WWW_CLIENT
                                                 : GNUTLS_KP_TLS_WWW_SERVER);
    if (!tls->server) {
        g_assert(host); /* never unverified */
        stream->host = g_strdup(host);
        stream->wanted[count].type = GNUTLS_DT_DNS_HOSTNAME;
        stream->wanted[count++].data = (unsigned char *)stream->host;
        send_name(stream);
    }
    gnutls_session_set_verify_cert2(stream->session, stream->wanted, count, 0);
    return g_steal_pointer(&stream);
}

void hf_stream_free(HfStream *stream)
{
    if (!stream) {
        return;
    }
    if (stream->session) {
        gnutls_deinit(stream->session);
    }
    hf_tls_unref(stream->tls);
    hf_fd_close(&stream->fd);
    g_free(stream->host);
    g_free(stream);
}

int hf_stream_fd(const HfStream *stream)
{
    return stream->fd;
}

/* Why the other side's certificate does not do, in GnuTLS' words. */
static HfStreamResult not_believed(HfStream *stream, GError **error)
{
    unsigned status = gnutls_session_get_verify_cert_status(stream->session);
    gnutls_datum_t text = { 0 };

    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0) {
        text.data = NULL;
    }
    hf_error_set(error, HF_ERROR_AUTH, "TLS: the other side does not prove that it is %s: %s",
                 stream->host ? stream->host : "a client of ours",
                 text.data ? g_strchomp((char *)text.data) : "not verified");
    gnutls_free(text.data);
    return HF_STREAM_FAILED;
}

static HfStreamResult tls_result(HfStream *stream, ssize_t rc, const char *what, GError **error)
{
    if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED) {
        return gnutls_record_get_direction(stream->session) == 0 ? HF_STREAM_WANT_READ
                                                                 : HF_STREAM_WANT_WRITE;
    }
    if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
        return not_believed(stream, error);
    }
    if (rc == GNUTLS_E_PREMATURE_TERMINATION || rc == GNUTLS_E_PULL_ERROR ||
        rc == GNUTLS_E_PUSH_ERROR) {
        hf_error_set(error, HF_ERROR_CLOSED, "TLS: %s: the connection was cut", what);
    } else if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        const char *alert = gnutls_alert_get_name(gnutls_alert_get(stream->session));

        hf_error_set(error, HF_ERROR_AUTH, "TLS: %s: the other side refuses: %s", what,
                     alert ? alert : "no reason given");
    } else {
        hf_error_set(error, HF_ERROR_INVALID, "TLS: %s: %s", what, gnutls_strerror((int)rc));
    }
    return HF_STREAM_FAILED;
}

static HfStreamResult plain_result(HfStreamResult wait, GError **error)
{
    if (errno == EAGAIN || errno == EINTR) {
        return wait;
    }
    if (errno == EPIPE || errno == ECONNRESET) {
        hf_error_set(error, HF_ERROR_CLOSED, "the connection was cut");
    } else {
        hf_error_errno(error, errno, "connection");
    }
    return HF_STREAM_FAILED;
}

HfStreamResult hf_stream_handshake(HfStream *stream, GError **error)
{
    int rc = 0;

    if (!stream->tls) {
        return HF_STREAM_DONE;
    }
    do {
        rc = gnutls_handshake(stream->session);
    } while (rc < 0 && rc != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(rc));
    if (rc == 0) {
        return HF_STREAM_DONE;
    }
    if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
        (void)gnutls_alert_send(stream->session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
    } else if (rc != GNUTLS_E_AGAIN) {
        /* So that the other side hears of it too, as far as that goes without waiting. */
        (void)gnutls_alert_send_appropriate(stream->session, rc);
    }
    stream->failed = rc != GNUTLS_E_AGAIN;
    return tls_result(stream, rc, "handshake", error);
}

HfStreamResult hf_stream_read(HfStream *stream, void *buffer, size_t n, size_t *ret_got,
                              GError **error)
{
    bool tls = stream->tls && !stream->failed;
    ssize_t got =
        tls ? gnutls_record_recv(stream->session, buffer, n) : recv(stream->fd, buffer, n, 0);

    if (got == 0) {
        return HF_STREAM_END;
    }
    if (got < 0) {
        return tls ? tls_result(stream, got, "reading", error)
                   : plain_result(HF_STREAM_WANT_READ, error);
    }
    *ret_got = (size_t)got;
    return HF_STREAM_DONE;
}

HfStreamResult hf_stream_write(HfStream *stream, const void *data, size_t n, size_t *ret_put,
                               GError **error)
{
    ssize_t put = stream->tls ? gnutls_record_send(stream->session, data, n)
                              : send(stream->fd, data, n, MSG_NOSIGNAL);

    if (put < 0) {
        return stream->tls ? tls_result(stream, put, "writing", error)
                           : plain_result(HF_STREAM_WANT_WRITE, error);
    }
    *ret_put = (size_t)put;
    return HF_STREAM_DONE;
}

bool hf_stream_pending(const HfStream *stream)
{
    return stream->tls && !stream->failed && gnutls_record_check_pending(stream->session) > 0;
}

void hf_stream_shut(HfStream *stream)
{
    if (stream->tls && !stream->failed) {
        (void)gnutls_bye(stream->session, GNUTLS_SHUT_WR);
    }
    (void)shutdown(stream->fd, SHUT_WR);
}

char *hf_stream_subject(const HfStream *stream)
{
    const gnutls_datum_t *shown;
    gnutls_x509_crt_t certificate = NULL;
    gnutls_datum_t text = { 0 };
    unsigned count = 0;
    char *subject = NULL;

    shown = stream->tls ? gnutls_certificate_get_peers(stream->session, &count) : NULL;
    if (!shown || count == 0 || gnutls_x509_crt_init(&certificate) < 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(certificate, &shown[0], GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_x509_crt_get_dn3(certificate, &text, 0) >= 0) {
        subject = g_strndup((const char *)text.data, text.size);
        gnutls_free(text.data);
    }
    gnutls_x509_crt_deinit(certificate);
    return subject;
}
