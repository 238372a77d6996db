# sources of src/tools/localca: one program, installed for swtpm's names only
pkglibexec_PROGRAMS += holdfast-localca
holdfast_localca_SOURCES = \
    src/tools/localca/cert_tool.c src/tools/localca/cert_tool.h \
    src/tools/localca/localca_main.c \
    src/tools/localca/localca_store.c src/tools/localca/localca_store.h \
    src/tools/localca/localca_tool.c src/tools/localca/localca_tool.h \
    src/tools/localca/password.c src/tools/localca/password.h
holdfast_localca_LDADD = libsandbox.a libtools.a libpki.a libcrypto.a libbase.a \
    $(GNUTLS_LIBS) $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
