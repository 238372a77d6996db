# Measurements: `make bench`, `make bench-quick`, BENCH_FLAGS='--static PROGRAM'; see HACKING.md. Counts that do not depend on the
# machine are a test, tests/cli/counts.py.
EXTRA_PROGRAMS =
bench_programs = tests/bench/bench-driver tests/bench/bench-minimal tests/bench/bench-forked
EXTRA_PROGRAMS += $(bench_programs)
tests_bench_bench_driver_SOURCES = tests/bench/bench-driver.c \
    tests/bench/bench_subject.c tests/bench/bench_subject.h \
    tests/bench/bench_work.c tests/bench/bench_work.h
tests_bench_bench_driver_LDADD = libcontrol.a libtpm2.a libcrypto.a libbase.a $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
tests_bench_bench_minimal_SOURCES = tests/bench/bench-minimal.c
tests_bench_bench_minimal_CFLAGS = $(AM_CFLAGS) $(LIBTPMS_CFLAGS)
tests_bench_bench_minimal_LDADD = $(LIBTPMS_LIBS)
tests_bench_bench_forked_SOURCES = tests/bench/bench-forked.c
tests_bench_bench_forked_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_bench_bench_forked_LDADD = $(ENGINE_LIBS)
EXTRA_DIST += tests/bench/bench.py tests/bench/goals.py

.PHONY: bench bench-quick
bench: all $(bench_programs)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' python3 $(top_srcdir)/tests/bench/bench.py $(BENCH_FLAGS)
bench-quick: all $(bench_programs)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' python3 $(top_srcdir)/tests/bench/bench.py --quick $(BENCH_FLAGS)
CLEANFILES += $(bench_programs)
