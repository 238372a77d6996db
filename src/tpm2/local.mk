noinst_LIBRARIES += libtpm2.a
libtpm2_a_SOURCES = \
    src/tpm2/constants.h \
    src/tpm2/public.c src/tpm2/public.h \
    src/tpm2/pcr.c src/tpm2/pcr.h \
    src/tpm2/pcr_values.c \
    src/tpm2/policy.c src/tpm2/policy.h \
    src/tpm2/attest.c src/tpm2/attest.h \
    src/tpm2/attest_verify.c \
    src/tpm2/event_log.c src/tpm2/event_log.h \
    src/tpm2/credential.c src/tpm2/credential.h \
    src/tpm2/template.c src/tpm2/template.h \
    src/tpm2/nvindex.c src/tpm2/nvindex.h \
    src/tpm2/response.c src/tpm2/response.h \
    src/tpm2/command.c src/tpm2/command.h \
    src/tpm2/command_nv.c src/tpm2/command_pcr.c
libtpm2_a_SOURCES += \
    src/tpm2/approval.c src/tpm2/approval.h \
    src/tpm2/hostkey.c src/tpm2/hostkey.h
libtpm2_a_CFLAGS = $(AM_CFLAGS) -Wconversion
