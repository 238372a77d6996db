#!/bin/sh
# Makes ./configure from configure.ac.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$(dirname "$0")"
mkdir -p m4
exec autoreconf --install --force
