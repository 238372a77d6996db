# Fuzz targets. `make check` replays every corpus (replay-NAME: the target with a main of its own);
# `make check-fuzz FUZZ_SECONDS=60 [FUZZ_TARGETS="control linear"]` has libFuzzer look for more, so
# long for all of them together; FUZZ_TARGET_SECONDS is the time of each.
fuzz_targets = control frame state migration linear slots options config profile certificate crl request der \
    evidence ak vendor manifest public attest pcr credential engine eventlog enrolment \
    quote reference audit tools
EXTRA_DIST += tests/fuzz/run-fuzz tests/fuzz/run-afl tests/fuzz/gen_corpus.c tests/fuzz/corpus

fuzz_main = tests/fuzz/replay.c tests/fuzz/fuzz.h
fuzz_file = $(fuzz_main) tests/fuzz/fuzz_file.c
fuzz_store = $(fuzz_file) tests/fuzz/fuzz_store.c tests/fuzz/fuzz_store.h
fuzz_tpm2_libs = libtpm2.a libcrypto.a libbase.a $(LIBCRYPTO_LIBS) $(GLIB_LIBS)

unit_tests += tests/fuzz/replay-control
tests_fuzz_replay_control_SOURCES = tests/fuzz/fuzz-control.c $(fuzz_main)
tests_fuzz_replay_control_LDADD = libcontrol.a libbase.a $(GLIB_LIBS)
unit_tests += tests/fuzz/replay-frame
tests_fuzz_replay_frame_SOURCES = tests/fuzz/fuzz-frame.c $(fuzz_main)
tests_fuzz_replay_frame_LDADD = libemulator.a libbase.a $(GLIB_LIBS)
unit_tests += tests/fuzz/replay-state
tests_fuzz_replay_state_SOURCES = tests/fuzz/fuzz-state.c $(fuzz_file)
tests_fuzz_replay_state_LDADD = $(state_test_libs)
unit_tests += tests/fuzz/replay-migration
tests_fuzz_replay_migration_SOURCES = tests/fuzz/fuzz-migration.c $(fuzz_main)
tests_fuzz_replay_migration_LDADD = $(state_test_libs)
unit_tests += tests/fuzz/replay-linear
tests_fuzz_replay_linear_SOURCES = tests/fuzz/fuzz-linear.c $(fuzz_store)
tests_fuzz_replay_linear_LDADD = $(state_test_libs)
unit_tests += tests/fuzz/replay-slots
tests_fuzz_replay_slots_SOURCES = tests/fuzz/fuzz-slots.c $(fuzz_store)
tests_fuzz_replay_slots_LDADD = $(state_test_libs)
unit_tests += tests/fuzz/replay-options
tests_fuzz_replay_options_SOURCES = tests/fuzz/fuzz-options.c $(fuzz_main)
tests_fuzz_replay_options_LDADD = $(emulator_test_libs)
tests_fuzz_replay_options_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
# The tools' command lines.
fuzz_tools = src/tools/attest/attest_options.c src/tools/attest/attest_options.h \
    src/tools/authority/authority_options.c src/tools/authority/authority_options.h \
    src/tools/ca/ca_options.c src/tools/ca/ca_options.h \
    src/tools/ctl/ctl_commands.c src/tools/ctl/ctl_commands.h \
    src/tools/ctl/ctl_options.c src/tools/ctl/ctl_options.h \
    src/tools/ctl/swtpm_bios.c src/tools/ctl/swtpm_ioctl.c src/tools/ctl/swtpm_tools.h \
    src/tools/ctl/tcp_target.c src/tools/ctl/tcp_target.h \
    src/tools/localca/cert_tool.c src/tools/localca/cert_tool.h \
    src/tools/localca/localca_store.c src/tools/localca/localca_store.h \
    src/tools/localca/localca_tool.c src/tools/localca/localca_tool.h \
    src/tools/localca/password.c src/tools/localca/password.h
unit_tests += tests/fuzz/replay-tools
tests_fuzz_replay_tools_SOURCES = tests/fuzz/fuzz-tools.c $(fuzz_main) $(fuzz_tools)
tests_fuzz_replay_tools_LDADD = libcontrol.a $(SETUP_LIBS)
tests_fuzz_replay_tools_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_fuzz_replay_tools_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
unit_tests += tests/fuzz/replay-config
tests_fuzz_replay_config_SOURCES = tests/fuzz/fuzz-config.c $(fuzz_file)
tests_fuzz_replay_config_LDADD = $(SETUP_LIBS)
tests_fuzz_replay_config_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
unit_tests += tests/fuzz/replay-profile
tests_fuzz_replay_profile_SOURCES = tests/fuzz/fuzz-profile.c $(fuzz_main)
tests_fuzz_replay_profile_LDADD = $(emulator_test_libs)
tests_fuzz_replay_profile_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
unit_tests += tests/fuzz/replay-certificate
tests_fuzz_replay_certificate_SOURCES = tests/fuzz/fuzz-certificate.c $(fuzz_main)
tests_fuzz_replay_certificate_LDADD = $(pki_test_libs)
unit_tests += tests/fuzz/replay-crl
tests_fuzz_replay_crl_SOURCES = tests/fuzz/fuzz-crl.c $(fuzz_main)
tests_fuzz_replay_crl_LDADD = $(pki_test_libs)
unit_tests += tests/fuzz/replay-request
tests_fuzz_replay_request_SOURCES = tests/fuzz/fuzz-request.c $(fuzz_main)
tests_fuzz_replay_request_LDADD = $(pki_test_libs)
unit_tests += tests/fuzz/replay-der
tests_fuzz_replay_der_SOURCES = tests/fuzz/fuzz-der.c $(fuzz_main)
tests_fuzz_replay_der_LDADD = $(pki_test_libs)
unit_tests += tests/fuzz/replay-evidence
tests_fuzz_replay_evidence_SOURCES = tests/fuzz/fuzz-evidence.c $(fuzz_main) src/tools/ca/ca_environment.c src/tools/ca/ca_environment.h src/tools/ca/ca_verify.c src/tools/ca/ca_verify.h
tests_fuzz_replay_evidence_LDADD = $(holdfast_ca_LDADD)
tests_fuzz_replay_evidence_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
unit_tests += tests/fuzz/replay-ak
tests_fuzz_replay_ak_SOURCES = tests/fuzz/fuzz-ak.c $(fuzz_main)
tests_fuzz_replay_ak_LDADD = $(holdfast_ca_LDADD)
tests_fuzz_replay_ak_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
unit_tests += tests/fuzz/replay-vendor
tests_fuzz_replay_vendor_SOURCES = tests/fuzz/fuzz-vendor.c $(fuzz_file) src/tools/ca/ca_ek_list.c src/tools/ca/ca_ek_list.h
tests_fuzz_replay_vendor_LDADD = $(pki_test_libs)
unit_tests += tests/fuzz/replay-manifest
tests_fuzz_replay_manifest_SOURCES = tests/fuzz/fuzz-manifest.c $(fuzz_file)
tests_fuzz_replay_manifest_LDADD = $(holdfast_ca_LDADD)
tests_fuzz_replay_manifest_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
unit_tests += tests/fuzz/replay-public
tests_fuzz_replay_public_SOURCES = tests/fuzz/fuzz-public.c $(fuzz_main)
tests_fuzz_replay_public_LDADD = $(fuzz_tpm2_libs)
unit_tests += tests/fuzz/replay-attest
tests_fuzz_replay_attest_SOURCES = tests/fuzz/fuzz-attest.c $(fuzz_main)
tests_fuzz_replay_attest_LDADD = $(fuzz_tpm2_libs)
unit_tests += tests/fuzz/replay-pcr
tests_fuzz_replay_pcr_SOURCES = tests/fuzz/fuzz-pcr.c $(fuzz_main)
tests_fuzz_replay_pcr_LDADD = $(fuzz_tpm2_libs)
unit_tests += tests/fuzz/replay-credential
tests_fuzz_replay_credential_SOURCES = tests/fuzz/fuzz-credential.c $(fuzz_main)
tests_fuzz_replay_credential_LDADD = $(fuzz_tpm2_libs)
unit_tests += tests/fuzz/replay-eventlog
tests_fuzz_replay_eventlog_SOURCES = tests/fuzz/fuzz-eventlog.c $(fuzz_main)
tests_fuzz_replay_eventlog_LDADD = $(fuzz_tpm2_libs)
unit_tests += tests/fuzz/replay-enrolment
tests_fuzz_replay_enrolment_SOURCES = tests/fuzz/fuzz-enrolment.c $(fuzz_main) src/tools/ca/ca_environment.c src/tools/ca/ca_environment.h
tests_fuzz_replay_enrolment_LDADD = $(holdfast_ca_LDADD)
# The verifier's part of holdfast-attest.
fuzz_attest = src/tools/attest/attest_input.c src/tools/attest/attest_input.h \
    src/tools/attest/crl_seen.c src/tools/attest/crl_seen.h \
    src/tools/attest/quote_file.c src/tools/attest/quote_file.h \
    src/tools/attest/reference.c src/tools/attest/reference.h \
    src/tools/attest/verdict.c src/tools/attest/verdict.h src/tools/attest/verdict_input.c
unit_tests += tests/fuzz/replay-quote
tests_fuzz_replay_quote_SOURCES = tests/fuzz/fuzz-quote.c $(fuzz_main) $(fuzz_attest)
tests_fuzz_replay_quote_LDADD = $(holdfast_attest_LDADD)
tests_fuzz_replay_quote_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
unit_tests += tests/fuzz/replay-reference
tests_fuzz_replay_reference_SOURCES = tests/fuzz/fuzz-reference.c $(fuzz_main) $(fuzz_attest)
tests_fuzz_replay_reference_LDADD = $(holdfast_attest_LDADD)
tests_fuzz_replay_reference_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
unit_tests += tests/fuzz/replay-audit
tests_fuzz_replay_audit_SOURCES = tests/fuzz/fuzz-audit.c $(fuzz_main) \
    src/tools/ca/ca_audit.c src/tools/ca/ca_audit.h src/tools/ca/ca_issued.c src/tools/ca/ca_issued.h
tests_fuzz_replay_audit_LDADD = $(holdfast_ca_LDADD)
tests_fuzz_replay_audit_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
fuzz_targets += caller link
unit_tests += tests/fuzz/replay-caller
tests_fuzz_replay_caller_SOURCES = tests/fuzz/fuzz-caller.c $(fuzz_main)
tests_fuzz_replay_caller_LDADD = $(holdfast_ca_LDADD)
unit_tests += tests/fuzz/replay-link
tests_fuzz_replay_link_SOURCES = tests/fuzz/fuzz-link.c $(fuzz_main)
tests_fuzz_replay_link_LDADD = $(holdfast_ca_LDADD)
unit_tests += tests/fuzz/replay-engine
tests_fuzz_replay_engine_SOURCES = tests/fuzz/fuzz-engine.c $(fuzz_main)
tests_fuzz_replay_engine_LDADD = $(emulator_test_libs)
tests_fuzz_replay_engine_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)

# The same sources once more, by clang with libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer, below fuzz-build/ of the build directory.
FUZZ_CC = clang
FUZZ_SECONDS = 60
FUZZ_TARGET_SECONDS =
FUZZ_TARGETS = $(fuzz_targets)
fuzz_cflags = -std=gnu11 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=undefined -UNDEBUG
fuzz_cppflags = $(DEFS) $(AM_CPPFLAGS) -U_FORTIFY_SOURCE $(GLIB_CFLAGS) $(GIO_CFLAGS) $(JSON_CFLAGS) \
    $(LIBTPMS_CFLAGS) $(LIBCRYPTO_CFLAGS) $(GNUTLS_CFLAGS) $(LIBTASN1_CFLAGS) $(SECCOMP_CFLAGS) \
    $(TSS2_CFLAGS) $(FUSE_CFLAGS)
fuzz_libs = $(LIBTPMS_LIBS) $(TSS2_LIBS) $(GNUTLS_LIBS) $(LIBTASN1_LIBS) $(SECCOMP_LIBS) $(JSON_LIBS) \
    $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
fuzz_sources = $(sort $(filter %.c, $(libbase_a_SOURCES) $(libcrypto_a_SOURCES) $(libtpm12_a_SOURCES) $(libtpm2_a_SOURCES) \
    $(libcontrol_a_SOURCES) $(libstate_a_SOURCES) $(libpki_a_SOURCES) $(libnet_a_SOURCES) $(libengine_a_SOURCES) \
    $(libsandbox_a_SOURCES) $(libhwtpm_a_SOURCES) $(libemulator_a_SOURCES) $(libtools_a_SOURCES) \
    $(libsetup_a_SOURCES) src/tools/ca/ca_audit.c src/tools/ca/ca_ek_list.c src/tools/ca/ca_environment.c src/tools/ca/ca_issued.c src/tools/ca/ca_verify.c \
    $(fuzz_attest) $(fuzz_tools) tests/fuzz/fuzz_file.c tests/fuzz/fuzz_store.c))
fuzz_objects = $(fuzz_sources:%.c=fuzz-build/%.o)

.SECONDARY: $(fuzz_targets:%=fuzz-build/tests/fuzz/fuzz-%.o)
fuzz-build/%.o: %.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(FUZZ_CC) $(fuzz_cflags) -fsanitize=fuzzer-no-link,address,undefined $(fuzz_cppflags) -MMD -MP -c -o $@ $<
fuzz-build/libholdfast.a: $(fuzz_objects)
	$(AM_V_AR)rm -f $@ && $(AR) cr $@ $(fuzz_objects)
fuzz-build/fuzz-%: fuzz-build/tests/fuzz/fuzz-%.o fuzz-build/libholdfast.a
	$(AM_V_CCLD)$(FUZZ_CC) -g -fsanitize=fuzzer,address,undefined $(ENGINE_LDFLAGS) -o $@ $< fuzz-build/libholdfast.a $(fuzz_libs)
-include $(fuzz_objects:.o=.d) $(fuzz_targets:%=fuzz-build/tests/fuzz/fuzz-%.d)

.PHONY: check-fuzz
check-fuzz:
	@echo 'int LLVMFuzzerTestOneInput(const void *p, unsigned long n); int LLVMFuzzerTestOneInput(const void *p, unsigned long n) { return p && n ? 0 : 0; }' \
	    >fuzz-try.c; \
	if $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o fuzz-try fuzz-try.c >/dev/null 2>&1; then \
	    rm -f fuzz-try fuzz-try.c; \
	    $(MAKE) $(AM_MAKEFLAGS) $(FUZZ_TARGETS:%=fuzz-build/fuzz-%) && \
	    FUZZ_TARGET_SECONDS='$(FUZZ_TARGET_SECONDS)' $(BASH_PROG) $(top_srcdir)/tests/fuzz/run-fuzz $(top_srcdir)/tests/fuzz/corpus fuzz-build \
	        '$(FUZZ_SECONDS)' $(FUZZ_TARGETS); \
	else \
	    rm -f fuzz-try fuzz-try.c; \
	    echo 'check-fuzz: SKIP: $(FUZZ_CC) with libFuzzer is not there (packages clang and libclang-rt-14-dev)'; \
	fi

# The same targets under AFL++, with its own instrumentation and AddressSanitizer, below afl-build/.
AFL_CC = afl-clang-fast
AFL_SECONDS = 60
AFL_TARGETS = $(fuzz_targets)
afl_objects = $(fuzz_sources:%.c=afl-build/%.o)
.SECONDARY: $(fuzz_targets:%=afl-build/tests/fuzz/fuzz-%.o)
afl-build/%.o: %.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)AFL_QUIET=1 AFL_USE_ASAN=1 $(AFL_CC) $(fuzz_cflags) -fsanitize=undefined $(fuzz_cppflags) -MMD -MP -c -o $@ $<
afl-build/libholdfast.a: $(afl_objects)
	$(AM_V_AR)rm -f $@ && $(AR) cr $@ $(afl_objects)
afl-build/afl-%: afl-build/tests/fuzz/fuzz-%.o afl-build/libholdfast.a
	$(AM_V_CCLD)AFL_QUIET=1 AFL_USE_ASAN=1 $(AFL_CC) -g -fsanitize=fuzzer,undefined $(ENGINE_LDFLAGS) -o $@ $< afl-build/libholdfast.a $(fuzz_libs)
-include $(afl_objects:.o=.d)

.PHONY: check-afl
check-afl:
	@if $(AFL_CC) --version >/dev/null 2>&1 && command -v afl-fuzz >/dev/null; then \
	    $(MAKE) $(AM_MAKEFLAGS) $(AFL_TARGETS:%=afl-build/afl-%) && \
	    $(BASH_PROG) $(top_srcdir)/tests/fuzz/run-afl $(top_srcdir)/tests/fuzz/corpus afl-build \
	        '$(AFL_SECONDS)' $(AFL_TARGETS); \
	else \
	    echo 'check-afl: SKIP: $(AFL_CC) and afl-fuzz are not there (package afl++)'; \
	fi

# The seeds, made anew: make gen-corpus && ./gen-corpus DIRECTORY
EXTRA_PROGRAMS += gen-corpus
gen_corpus_SOURCES = tests/fuzz/gen_corpus.c $(pki_world) $(live_tpm_sources)
gen_corpus_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
gen_corpus_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
gen_corpus_LDADD = libcontrol.a libstate.a libpki.a libtpm2.a $(ENGINE_LIBS) $(GNUTLS_LIBS)
CLEANFILES += gen-corpus
