bin_PROGRAMS += holdfast-ca
holdfast_ca_SOURCES = \
    src/tools/ca/ca_challenge.c \
    src/tools/ca/ca_act.c src/tools/ca/ca_act.h \
    src/tools/ca/ca_audit.c src/tools/ca/ca_audit.h \
    src/tools/ca/ca_audit_check.c src/tools/ca/ca_audit_check.h \
    src/tools/ca/ca_audit_print.c \
    src/tools/ca/ca_issued.c src/tools/ca/ca_issued.h \
    src/tools/ca/ca_attestation.c src/tools/ca/ca_attestation.h \
    src/tools/ca/ca_certify.c \
    src/tools/ca/ca_commands.h \
    src/tools/ca/ca_confine.c src/tools/ca/ca_confine.h \
    src/tools/ca/ca_core.c src/tools/ca/ca_core.h \
    src/tools/ca/ca_crl.c src/tools/ca/ca_crl.h \
    src/tools/ca/ca_delegate.c \
    src/tools/ca/ca_ek_list.c src/tools/ca/ca_ek_list.h \
    src/tools/ca/ca_environment.c src/tools/ca/ca_environment.h \
    src/tools/ca/ca_dir.c src/tools/ca/ca_dir.h \
    src/tools/ca/ca_init.c \
    src/tools/ca/ca_issue.c \
    src/tools/ca/ca_issuer.c src/tools/ca/ca_issuer.h \
    src/tools/ca/ca_key.c src/tools/ca/ca_key.h \
    src/tools/ca/ca_lines.c src/tools/ca/ca_lines.h \
    src/tools/ca/ca_list.c \
    src/tools/ca/ca_options.c src/tools/ca/ca_options.h \
    src/tools/ca/ca_main.c \
    src/tools/ca/ca_nonce.c src/tools/ca/ca_nonce.h \
    src/tools/ca/ca_revoke.c \
    src/tools/ca/ca_revoked.c src/tools/ca/ca_revoked.h \
    src/tools/ca/ca_select.c src/tools/ca/ca_select.h \
    src/tools/ca/ca_rules.c src/tools/ca/ca_rules.h \
    src/tools/ca/ca_serve.c \
    src/tools/ca/ca_service.c src/tools/ca/ca_service.h \
    src/tools/ca/ca_service_rules.c src/tools/ca/ca_service_rules.h \
    src/tools/ca/ca_verify.c src/tools/ca/ca_verify.h \
    src/tools/ca/ca_voucher.c src/tools/ca/ca_voucher.h
holdfast_ca_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
holdfast_ca_LDADD = libtools.a libnet.a libsandbox.a libhwtpm.a libpki.a libtpm2.a libcrypto.a libbase.a \
    $(TSS2_LIBS) $(GNUTLS_LIBS) $(LIBCRYPTO_LIBS) $(JSON_LIBS) $(GLIB_LIBS)
