# sources of src/tools/attest
bin_PROGRAMS += holdfast-attest
holdfast_attest_SOURCES = \
    src/tools/attest/attest_input.c src/tools/attest/attest_input.h \
    src/tools/attest/challenge.c src/tools/attest/challenge.h \
    src/tools/attest/verdict.c src/tools/attest/verdict.h \
    src/tools/attest/verdict_print.c \
    src/tools/attest/attest_main.c
holdfast_attest_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
holdfast_attest_LDADD = libtpm2.a libpki.a libcrypto.a libbase.a $(GNUTLS_LIBS) $(LIBTASN1_LIBS) \
    $(LIBCRYPTO_LIBS) $(JSON_LIBS) $(GLIB_LIBS)
