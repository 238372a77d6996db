# cli_tests += tests/cli/NAME.sh
EXTRA_DIST += tests/cli/vtpm.py
