# One program a module: unit_tests += tests/unit/test-NAME, its sources and libraries below.
