noinst_LIBRARIES += libtools.a
libtools_a_SOURCES = \
    src/tools/common/ak_enrolment.c src/tools/common/ak_enrolment.h \
    src/tools/common/approval_file.c src/tools/common/approval_file.h \
    src/tools/common/authority_dir.c src/tools/common/authority_dir.h \
    src/tools/common/authority_keys.c src/tools/common/authority_keys.h \
    src/tools/common/authority_parts.h \
    src/tools/common/blob_file.c src/tools/common/blob_file.h \
    src/tools/common/ca_connection.c src/tools/common/ca_connection.h \
    src/tools/common/enrolment.c src/tools/common/enrolment.h \
    src/tools/common/enrolment_kinds.c src/tools/common/enrolment_kinds.h \
    src/tools/common/evidence.c src/tools/common/evidence.h \
    src/tools/common/fields.c src/tools/common/fields.h \
    src/tools/common/host_connection.c src/tools/common/host_connection.h \
    src/tools/common/firmware_log.c src/tools/common/firmware_log.h \
    src/tools/common/manifest.c src/tools/common/manifest.h \
    src/tools/common/parcel.c src/tools/common/parcel.h \
    src/tools/common/pcr_lines.c src/tools/common/pcr_lines.h \
    src/tools/common/secret_source.c src/tools/common/secret_source.h \
    src/tools/common/swtpm_config.c src/tools/common/swtpm_config.h
libtools_a_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
# What a program needs that opens an authority, in link order; libnet.a for the clients of a CA.
authority_libs = libtools.a libnet.a libhwtpm.a libpki.a libtpm2.a libcrypto.a libbase.a \
    $(TSS2_LIBS) $(GNUTLS_LIBS) $(LIBCRYPTO_LIBS) $(JSON_LIBS) $(GLIB_LIBS)
