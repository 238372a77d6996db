# Crashes and faults: a layer between the programs and the kernel (interposer.so) writes down what
# they do to files, or lets a call fail; crash-replay tries every crash in what was written down.
# `make check-soak SOAK_SECONDS=600 SOAK_VMS=200`: many TPMs under load, killed, moved, restarted.
check_PROGRAMS += tests/fault/interposer.so tests/fault/clock.so tests/fault/crash-replay tests/fault/store-work
tests_fault_interposer_so_SOURCES = tests/fault/interposer.c tests/fault/trace.h
tests_fault_interposer_so_CFLAGS = -std=gnu11 -Wall -Wextra -Wshadow -fPIC
tests_fault_interposer_so_CPPFLAGS = -D_GNU_SOURCE -U_FORTIFY_SOURCE -U_FILE_OFFSET_BITS
tests_fault_interposer_so_LDFLAGS = -shared
tests_fault_clock_so_SOURCES = tests/fault/clock.c
tests_fault_clock_so_CFLAGS = -std=gnu11 -Wall -Wextra -Wshadow -fPIC
tests_fault_clock_so_CPPFLAGS = -D_GNU_SOURCE -U_FORTIFY_SOURCE -U_FILE_OFFSET_BITS
tests_fault_clock_so_LDFLAGS = -shared
tests_fault_crash_replay_SOURCES = tests/fault/crash-replay.c tests/fault/disk.c \
    tests/fault/disk.h tests/fault/trace.h
tests_fault_crash_replay_LDADD = $(emulator_test_libs)
tests_fault_crash_replay_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_fault_store_work_SOURCES = tests/fault/store-work.c
tests_fault_store_work_LDADD = $(state_test_libs)

fault_tests += tests/fault/authority.py tests/fault/ca-acts.py tests/fault/crash.py tests/fault/faults.py tests/fault/localca.py tests/fault/soak.py tests/fault/swtpm-faults.py tests/fault/tools.py

SOAK_SECONDS = 600
SOAK_VMS = 200
.PHONY: check-soak
check-soak: all
	top_srcdir='$(top_srcdir)' top_builddir=. SOAK_SECONDS='$(SOAK_SECONDS)' SOAK_VMS='$(SOAK_VMS)' \
	    PYTHONDONTWRITEBYTECODE=1 python3 $(top_srcdir)/tests/fault/soak.py
EXTRA_DIST += $(fault_tests) tests/fault/interpose.py tests/fault/sweep.py
