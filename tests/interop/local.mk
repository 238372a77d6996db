# interop_tests += tests/interop/NAME.sh
