# source_tests += tests/source/NAME.sh
