# holdfast-setup: makes a virtual TPM. The engine is in it, behind a fork and a filter.
noinst_LIBRARIES += libsetup.a
libsetup_a_SOURCES = \
    src/tools/setup/batch.c src/tools/setup/batch.h \
    src/tools/setup/batch_file.c src/tools/setup/batch_file.h \
    src/tools/setup/capabilities.c src/tools/setup/capabilities.h \
    src/tools/setup/certificate_match.c src/tools/setup/certificate_match.h \
    src/tools/setup/certificate_files.c src/tools/setup/certificate_files.h \
    src/tools/setup/child_message.c src/tools/setup/child_message.h \
    src/tools/setup/ek_table.c src/tools/setup/ek_table.h \
    src/tools/setup/reproducible.c src/tools/setup/reproducible.h \
    src/tools/setup/engine_child.c src/tools/setup/engine_child.h \
    src/tools/setup/certifier.c src/tools/setup/certifier.h \
    src/tools/setup/certifier_authority.c src/tools/setup/certifier_file.c \
    src/tools/setup/certifier_tool.c \
    src/tools/setup/manufacture.c src/tools/setup/manufacture.h \
    src/tools/setup/manufacture12.c src/tools/setup/manufacture_check.c \
    src/tools/setup/measurement.c src/tools/setup/measurement.h \
    src/tools/setup/narration.c src/tools/setup/narration.h \
    src/tools/setup/pcr_banks.c src/tools/setup/pcr_banks.h \
    src/tools/setup/manufacture_job.h src/tools/setup/reissue.c src/tools/setup/reissue.h \
    src/tools/setup/replacement.c src/tools/setup/replacement.h \
    src/tools/setup/setup_config.c src/tools/setup/setup_config.h \
    src/tools/setup/setup_options.c src/tools/setup/setup_options.h \
    src/tools/setup/setup_plan.c \
    src/tools/setup/setup_profile.c src/tools/setup/setup_profile.h \
    src/tools/setup/setup_run.c src/tools/setup/setup_run.h \
    src/tools/setup/signing_desk.c src/tools/setup/signing_desk.h \
    src/tools/setup/state_copy.c src/tools/setup/state_copy.h \
    src/tools/setup/swtpm_setup_config.c src/tools/setup/swtpm_setup_config.h \
    src/tools/setup/tool_run.c src/tools/setup/tool_run.h
libsetup_a_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)

bin_PROGRAMS += holdfast-setup
holdfast_setup_SOURCES = src/tools/setup/setup_main.c
holdfast_setup_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
SETUP_LIBS = libsetup.a libtools.a libhwtpm.a libpki.a libtpm12.a libtpm2.a libstate.a libsandbox.a \
    libengine.a libcrypto.a libbase.a $(LIBTPMS_LIBS) $(TSS2_LIBS) $(GNUTLS_LIBS) \
    $(LIBTASN1_LIBS) $(JSON_LIBS) $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
holdfast_setup_LDADD = $(SETUP_LIBS)
