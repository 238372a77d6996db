bin_PROGRAMS += holdfast-authority
holdfast_authority_SOURCES = \
    src/tools/authority/approver_offline.c src/tools/authority/approver_offline.h \
    src/tools/authority/authority_approve.c \
    src/tools/authority/authority_commands.h \
    src/tools/authority/authority_derivation.c \
    src/tools/authority/authority_enrol.c \
    src/tools/authority/authority_evidence.c src/tools/authority/authority_evidence.h \
    src/tools/authority/authority_files.c src/tools/authority/authority_files.h \
    src/tools/authority/authority_init.c \
    src/tools/authority/authority_key.c src/tools/authority/authority_key.h \
    src/tools/authority/authority_install.c src/tools/authority/authority_install.h \
    src/tools/authority/authority_options.c src/tools/authority/authority_options.h \
    src/tools/authority/authority_main.c \
    src/tools/authority/authority_register.c \
    src/tools/authority/authority_request.c \
    src/tools/authority/authority_sign.c \
    src/tools/authority/authority_status.c \
    src/tools/authority/authority_advice.c src/tools/authority/authority_advice.h
holdfast_authority_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
holdfast_authority_LDADD = libsandbox.a $(authority_libs)
