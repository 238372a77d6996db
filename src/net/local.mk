# Requests over connections: frames, TLS, a server that nobody can block, a client.
noinst_LIBRARIES += libnet.a
libnet_a_CFLAGS = $(AM_CFLAGS) $(GNUTLS_CFLAGS)
libnet_a_SOURCES = \
    src/net/frame.c src/net/frame.h \
    src/net/tls.c src/net/tls.h src/net/tls_private.h \
    src/net/stream.c src/net/stream.h \
    src/net/source.c src/net/source.h \
    src/net/caller.c src/net/caller.h \
    src/net/server.c src/net/server.h \
    src/net/address.c src/net/address.h \
    src/net/link.c src/net/link.h
