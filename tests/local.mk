# Tests speak TAP; the driver adds them up. `make check` runs units, command line and source gates;
# check-interop and check-guest need other programs and machines (see HACKING.md).
TEST_EXTENSIONS = .sh .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(BASH_PROG)
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = python3
AM_TESTS_ENVIRONMENT = \
    top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
    top_builddir='$(abs_top_builddir)'; export top_builddir; \
    G_TEST_SRCDIR='$(abs_top_srcdir)/tests'; export G_TEST_SRCDIR; \
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:disable_coredump=1; export ASAN_OPTIONS; \
    PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE;

TESTS = $(unit_tests) $(cli_tests) $(fault_tests) $(source_tests)
check_PROGRAMS += $(unit_tests)
EXTRA_DIST += tests/run tests/tap.sh $(cli_tests) $(source_tests) $(interop_tests) $(guest_tests)

UNIT_LIBS = $(GLIB_LIBS)
unit_libs_base = libbase.a $(GLIB_LIBS)

include tests/unit/local.mk
include tests/cli/local.mk
include tests/source/local.mk
include tests/interop/local.mk
include tests/guest/local.mk
include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/fault/local.mk

.PHONY: check-interop check-guest
check-interop: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$(interop_tests)"
check-guest: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS="$(guest_tests)"
