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
    $(LIBTPMS_CFLAGS) $(GNUTLS_CFLAGS) $(LIBTASN1_CFLAGS) $(SECCOMP_CFLAGS) $(TSS2_CFLAGS))

.PHONY: check-tidy check-cppcheck check-valgrind
check-tidy:
	cd $(top_srcdir) && clang-tidy --quiet --warnings-as-errors='*' \
	    $$(find src -name '*.c' | sort) -- -I$(abs_top_builddir) $(analysis_flags) \
	    -Isrc -Iinclude -Wno-unknown-warning-option -Wno-unused-command-line-argument
check-cppcheck:
	cd $(top_srcdir) && cppcheck --quiet --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --error-exitcode=1 --suppressions-list=tests/source/cppcheck.suppress \
	    -D__GNUC__=12 -D__x86_64__=1 -DPACKAGE_VERSION='"x"' -Isrc -Iinclude src
check-valgrind: $(check_PROGRAMS)
	@failed=0; for test in $(unit_tests); do \
	    case " $(valgrind_skips) " in *" $$test "*) echo "SKIP $$test (needs seccomp or fork tricks)"; continue;; esac; \
	    if G_SLICE=always-malloc G_DEBUG=gc-friendly G_TEST_SRCDIR=$(abs_top_srcdir)/tests \
	        valgrind --quiet --fair-sched=yes --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	        --child-silent-after-fork=yes --suppressions=$(top_srcdir)/tests/source/valgrind.supp \
	        ./$$test --tap >$$test.valgrind.log 2>&1; then echo "PASS $$test"; \
	    else echo "FAIL $$test"; tail -n 30 $$test.valgrind.log; failed=1; fi; done; exit $$failed
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
valgrind_skips = tests/unit/test-setup-engine
MOSTLYCLEANFILES += tests/unit/*.valgrind.log
EXTRA_DIST += tests/source/cppcheck.suppress tests/source/valgrind.supp .clang-tidy .clang-format
