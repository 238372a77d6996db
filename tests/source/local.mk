# Gates over the sources themselves; see gates.py.
source_tests += \
    tests/source/includes.sh \
    tests/source/sizes.sh \
    tests/source/globals.sh \
    tests/source/files.sh \
    tests/source/formatting.sh \
    tests/source/shellcheck.sh \
    tests/source/options.sh
EXTRA_DIST += tests/source/gates.py tests/source/exceptions

# Slower checks, by hand and in CI.
analysis_flags = $(subst -I/usr/,-isystem /usr/,$(DEFS) $(AM_CPPFLAGS) -std=gnu11 $(GLIB_CFLAGS) $(GIO_CFLAGS) $(JSON_CFLAGS) \
    $(LIBTPMS_CFLAGS) $(LIBCRYPTO_CFLAGS) $(GNUTLS_CFLAGS) $(LIBTASN1_CFLAGS) $(SECCOMP_CFLAGS) \
    $(TSS2_CFLAGS) $(FUSE_CFLAGS))

.PHONY: check-tidy check-cppcheck check-valgrind check-sanitizers check-coverage
# A file at a time: with several, clang-tidy 14 takes the va_list of a later one for uninitialized.
check-tidy:
	@cd $(top_srcdir) && find src -name '*.c' | sort | xargs -P "$$(nproc)" -n 1 sh -c \
	    'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- -I$(abs_top_builddir) $(analysis_flags) \
	    -Isrc -Iinclude -Wno-unknown-warning-option -Wno-unused-command-line-argument' tidy \
	    >$(abs_top_builddir)/tidy.log 2>&1 || \
	    { grep -v ' warnings\? generated\.$$' $(abs_top_builddir)/tidy.log; exit 1; }; \
	echo "check-tidy: $$(find src -name '*.c' | wc -l) files, clang-tidy $$(clang-tidy --version | sed -n 's/.*LLVM version //p'): nothing found"
# What cppcheck cannot read without GLib's headers; a file with a macro it does not know is not read at all.
cppcheck_macros = G_DEFINE_AUTOPTR_CLEANUP_FUNC(t,f) G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(t,f) \
    G_DEFINE_AUTO_CLEANUP_FREE_FUNC(t,f,n) G_DEFINE_QUARK(q,n)
check-cppcheck:
	cd $(top_srcdir) && cppcheck --quiet -j "$$(nproc)" --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --error-exitcode=1 --suppressions-list=tests/source/cppcheck.suppress \
	    --library=gtk --library=posix $(cppcheck_macros:%='-D%=') \
	    -D__GNUC__=12 -D__x86_64__=1 -DPACKAGE_VERSION='"x"' -Isrc -Iinclude src
	@cd $(top_srcdir) && echo "check-cppcheck: $$(find src -name '*.c' | wc -l) files, $$(cppcheck --version): nothing found"
check-valgrind: $(check_PROGRAMS)
	@G_TEST_SRCDIR=$(abs_top_srcdir)/tests top_srcdir=$(abs_top_srcdir) $(BASH_PROG) \
	    $(top_srcdir)/tests/source/run-valgrind $(top_srcdir)/tests/source/valgrind.supp \
	    $(filter-out $(valgrind_skips),$(unit_tests))
EXTRA_DIST += tests/source/run-valgrind
# gcc's own analyzer over each file, before any optimization: what it says is in analyzer.log.
.PHONY: check-analyzer
check-analyzer:
	@cd $(top_srcdir) && find src -name '*.c' | sort | xargs -P "$$(nproc)" -n 1 \
	    $(CC) -fanalyzer -O0 -Wno-analyzer-too-complex -DHF_ANALYSIS $(analysis_flags) -U_FORTIFY_SOURCE \
	    -I$(abs_top_builddir) -Isrc -Iinclude -c -o /dev/null >$(abs_top_builddir)/analyzer.log 2>&1; \
	if grep -q 'Wanalyzer\|error:' $(abs_top_builddir)/analyzer.log; then \
	    cat $(abs_top_builddir)/analyzer.log; exit 1; fi; \
	echo "check-analyzer: $$(find src -name '*.c' | wc -l) files, $$($(CC) --version | head -n 1): nothing found"
MOSTLYCLEANFILES += analyzer.log tidy.log

# The emulator's two threads under ThreadSanitizer: both channels at once, and the inputs of the
# engine's fuzz target, which has both servers in one process.
tsan_sources = $(sort $(filter %.c, $(libbase_a_SOURCES) $(libcrypto_a_SOURCES) $(libtpm2_a_SOURCES) \
    $(libcontrol_a_SOURCES) $(libstate_a_SOURCES) $(libengine_a_SOURCES) $(libsandbox_a_SOURCES) \
    $(libemulator_a_SOURCES))) tests/source/tsan_glib.c
tsan_objects = $(tsan_sources:%.c=tsan-build/%.o)
tsan_mains = tests/fuzz/fuzz-engine tests/fuzz/replay tests/unit/test-two-threads
tsan-build/%.o: %.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) -std=gnu11 -g -O1 -fsanitize=thread $(fuzz_cppflags) -MMD -MP -c -o $@ $<
tsan-build/replay-engine: $(tsan_objects) tsan-build/tests/fuzz/fuzz-engine.o tsan-build/tests/fuzz/replay.o
	$(AM_V_CCLD)$(CC) -fsanitize=thread $(ENGINE_LDFLAGS) -o $@ $^ $(fuzz_libs)
tsan-build/test-two-threads: $(tsan_objects) tsan-build/tests/unit/test-two-threads.o
	$(AM_V_CCLD)$(CC) -fsanitize=thread $(ENGINE_LDFLAGS) -o $@ $^ $(fuzz_libs)
-include $(tsan_objects:.o=.d) $(tsan_mains:%=tsan-build/%.d)
.PHONY: check-tsan
check-tsan: tsan-build/replay-engine tsan-build/test-two-threads
	@for program in test-two-threads replay-engine; do \
	    top_srcdir='$(abs_top_srcdir)' HF_ROUNDS=300 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
	        setarch -R tsan-build/$$program >tsan-build/$$program.log 2>&1 || \
	        { cat tsan-build/$$program.log; exit 1; }; \
	    echo "check-tsan: $$program: $$(grep -c '^ok' tsan-build/$$program.log) cases, no data race"; \
	done
EXTRA_DIST += tests/source/tsan_glib.c

.PHONY: coverage
# Lines and branches of each folder that the tests run (TESTS: as for check); fails below 90 % of the
# lines of the folders named here.
coverage_gate = src/base src/control src/state src/pki src/tpm2
coverage:
if COVERAGE
	-$(MAKE) $(AM_MAKEFLAGS) check
	python3 $(top_srcdir)/tests/source/coverage.py $(top_builddir) --at-least 90 $(coverage_gate)
else
	@echo "coverage: first ./configure --enable-coverage" >&2; exit 1
endif
EXTRA_DIST += tests/source/coverage.py
MOSTLYCLEANFILES += src/*/*.gcda src/*/*/*.gcda tests/*/*.gcda
# Two have a confined process of the engine, one asks how its child has ended; the ten thousand spoilt
# certificates of the last are read with sanitizers.
valgrind_skips = tests/unit/test-setup-engine tests/unit/test-tpm12 tests/unit/test-device-control tests/unit/test-pki-hostile
MOSTLYCLEANFILES += tests/unit/*.valgrind.log
EXTRA_DIST += tests/source/cppcheck.suppress tests/source/valgrind.supp .clang-tidy .clang-format

# What tests/run runs in a tree of --enable-sanitizers: what reads bytes from outside, in all programs.
sanitizer_tests = $(unit_tests) tests/cli/emulator-control.py tests/cli/emulator-data.py tests/cli/emulator-state.py \
    tests/cli/ctl.sh tests/cli/authority.sh tests/cli/authority-keys.sh tests/cli/enrol.sh tests/cli/ca-records.sh \
    tests/cli/serve.sh tests/cli/serve-tls.sh tests/cli/ak-serve.sh tests/cli/attest.sh
check-sanitizers:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$(sanitizer_tests)"
# ... and in one of --enable-coverage: all that says something of the sources.
coverage_tests = $(filter-out tests/cli/counts.py tests/cli/instructions.py tests/cli/enrol-crash.sh,$(unit_tests) $(cli_tests))
check-coverage:
	$(MAKE) $(AM_MAKEFLAGS) coverage TESTS="$(coverage_tests)"
