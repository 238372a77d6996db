#!/usr/bin/env bash
# The gate "globals" of gates.py, as a test.
# SPDX-License-Identifier: BSD-3-Clause
exec /usr/bin/python3 "${top_srcdir:-.}/tests/source/gates.py" globals
