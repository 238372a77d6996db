noinst_HEADERS += \
    src/tpm2/attest.h \
    src/tpm2/command.h \
    src/tpm2/constants.h \
    src/tpm2/credential.h \
    src/tpm2/nvindex.h \
    src/tpm2/pcr.h \
    src/tpm2/policy.h \
    src/tpm2/public.h \
    src/tpm2/response.h \
    src/tpm2/template.h
