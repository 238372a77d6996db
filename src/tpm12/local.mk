# The TPM 1.2 command language, as far as a manufacturer needs it.
noinst_LIBRARIES += libtpm12.a
libtpm12_a_SOURCES = \
    src/tpm12/command12.c src/tpm12/command12.h \
    src/tpm12/exchange12.c src/tpm12/exchange12.h
libtpm12_a_CFLAGS = $(AM_CFLAGS)
