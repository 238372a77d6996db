# X.509.
noinst_LIBRARIES += libpki.a
libpki_a_CFLAGS = $(AM_CFLAGS) $(GNUTLS_CFLAGS)
libpki_a_SOURCES = \
    src/pki/oid.h src/pki/signer.h \
    src/pki/der.c src/pki/der.h \
    src/pki/outline.c src/pki/outline.h \
    src/pki/pem.c src/pki/pem.h \
    src/pki/name.c src/pki/name.h \
    src/pki/spki.c src/pki/spki.h \
    src/pki/keyfile.c src/pki/keyfile.h \
    src/pki/signer_gnutls.c src/pki/signer_gnutls.h \
    src/pki/signer_file.c \
    src/pki/signer_pkcs11.c \
    src/pki/holding.c src/pki/holding.h \
    src/pki/mandate.c src/pki/mandate.h \
    src/pki/extension.c src/pki/extension.h \
    src/pki/extension_reader.c \
    src/pki/certificate.c src/pki/certificate.h \
    src/pki/builder.c src/pki/builder.h \
    src/pki/sealed.c src/pki/sealed.h \
    src/pki/issuer.c src/pki/issuer.h \
    src/pki/crl.c src/pki/crl.h \
    src/pki/crl_issue.c \
    src/pki/crl_set.c src/pki/crl_set.h \
    src/pki/endorsement.c src/pki/endorsement.h \
    src/pki/delegation.c src/pki/delegation.h \
    src/pki/swtpm_profile.c src/pki/swtpm_profile.h \
    src/pki/request.c src/pki/request.h \
    src/pki/chain.c src/pki/chain.h \
    src/pki/ak_chain.c src/pki/ak_chain.h \
    src/pki/vendor.c src/pki/vendor.h
