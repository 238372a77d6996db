# cli_tests += tests/cli/NAME.sh
