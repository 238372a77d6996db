# A TPM at rest.
noinst_LIBRARIES += libstate.a
libstate_a_SOURCES = \
    src/state/cipher_layer.c src/state/cipher_layer.h \
    src/state/envelope.h src/state/envelope_aes.c src/state/envelope_plain.c \
    src/state/format.c src/state/format.h \
    src/state/keys.c src/state/keys.h \
    src/state/linear_map.c src/state/linear_map.h \
    src/state/medium.c src/state/medium.h \
    src/state/migration_blob.c src/state/migration_blob.h \
    src/state/record_lock.c src/state/record_lock.h \
    src/state/slot_format.c src/state/slot_format.h \
    src/state/store.c src/state/store.h \
    src/state/store_dir.c src/state/store_dir.h \
    src/state/store_linear.c src/state/store_linear.h \
    src/state/store_slots.c src/state/store_slots.h
libstate_a_CFLAGS = $(AM_CFLAGS)
