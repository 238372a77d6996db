# guest_tests += tests/guest/NAME.sh
