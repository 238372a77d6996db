# sources of src/tools/attest
bin_PROGRAMS += holdfast-attest
holdfast_attest_SOURCES = \
    src/tools/attest/attest_input.c src/tools/attest/attest_input.h \
    src/tools/attest/crl_seen.c src/tools/attest/crl_seen.h \
    src/tools/attest/challenge.c src/tools/attest/challenge.h \
    src/tools/attest/guest.c src/tools/attest/guest.h \
    src/tools/attest/guest_enroll.c \
    src/tools/attest/guest_quote.c \
    src/tools/attest/quote_file.c src/tools/attest/quote_file.h \
    src/tools/attest/verdict.c src/tools/attest/verdict.h \
    src/tools/attest/reference.c src/tools/attest/reference.h \
    src/tools/attest/verdict_input.c \
    src/tools/attest/verdict_json.c \
    src/tools/attest/verdict_print.c \
    src/tools/attest/attest_options.c src/tools/attest/attest_options.h \
    src/tools/attest/attest_main.c
holdfast_attest_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
holdfast_attest_LDADD = $(authority_libs)
