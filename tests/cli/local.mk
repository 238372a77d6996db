# cli_tests += tests/cli/NAME.sh
EXTRA_DIST += tests/cli/vtpm.py
check_PROGRAMS += tests/cli/pki-probe
tests_cli_pki_probe_SOURCES = tests/cli/pki-probe.c
tests_cli_pki_probe_LDADD = $(pki_test_libs)
cli_tests += tests/cli/pki-accepted.sh
cli_tests += tests/cli/ctl.sh
