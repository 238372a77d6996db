noinst_HEADERS += \
    src/crypto/aead.h \
    src/crypto/hash.h \
    src/crypto/hmac.h \
    src/crypto/kdf.h \
    src/crypto/pubkey.h \
    src/crypto/random.h
