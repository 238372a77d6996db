/*
 * stream.h - bytes over a connection that never blocks, plain (UNIX sockets) or in TLS.
 *
 * Each call does what it can now and says what it waits for. Deadlines are the caller's.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_NET_STREAM_H
#define HOLDFAST_NET_STREAM_H

#include <stddef.h>

#include "net/tls.h"

typedef struct HfStream HfStream;

typedef enum {
    HF_STREAM_DONE,       /* the call did something */
    HF_STREAM_WANT_READ,  /* again when the descriptor is readable */
    HF_STREAM_WANT_WRITE, /* ... writable */
    HF_STREAM_END,        /* the other side has closed */
    HF_STREAM_FAILED,     /* *error is set */
} HfStreamResult;

/* Take the descriptor, which becomes non-blocking, also on failure. */
HfStream *hf_stream_plain(int fd, GError **error);
/* host: the name or address that a client wants to reach; NULL for a server. */
HfStream *hf_stream_tls(int fd, HfTls *tls, const char *host, GError **error);
/* Closes at once. */
void hf_stream_free(HfStream *stream);

int hf_stream_fd(const HfStream *stream);
/* TLS only; a plain stream is done at once. HF_ERROR_AUTH: the other side is not who it should be.
 * The other side is told; after a failure hf_stream_read gives bytes to throw away. */
HfStreamResult hf_stream_handshake(HfStream *stream, GError **error);
HfStreamResult hf_stream_read(HfStream *stream, void *buffer, size_t n, size_t *ret_got,
                              GError **error);
HfStreamResult hf_stream_write(HfStream *stream, const void *data, size_t n, size_t *ret_put,
                               GError **error);
/* Bytes are there already, whatever poll() says of the descriptor. */
bool hf_stream_pending(const HfStream *stream);
/* Says that we send no more, as far as that goes without waiting. */
void hf_stream_shut(HfStream *stream);
/* Subject of the certificate that the other side has shown; NULL: none. Caller frees. */
char *hf_stream_subject(const HfStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfStream, hf_stream_free)

#endif
