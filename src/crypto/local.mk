noinst_LIBRARIES += libcrypto.a
libcrypto_a_SOURCES = \
    src/crypto/hash.c src/crypto/hash.h \
    src/crypto/hmac.c src/crypto/hmac.h \
    src/crypto/kdf.c src/crypto/kdf.h \
    src/crypto/aead.c src/crypto/aead.h \
    src/crypto/cbc.c src/crypto/cbc.h \
    src/crypto/random.c src/crypto/random.h \
    src/crypto/memory.c src/crypto/memory.h \
    src/crypto/keygen.c src/crypto/keygen.h \
    src/crypto/pubkey.c src/crypto/pubkey.h \
    src/crypto/pubkey_use.c src/crypto/pubkey_private.h
libcrypto_a_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
