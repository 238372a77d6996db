#!/usr/bin/env python3
"""counts.py - what does not depend on the machine: system calls of commands and of an NV write.

A round of commands is traced twice, short and long; the difference is what a command costs. The
goals stand in HACKING.md ("Measuring"); `make bench` has the figures that need a clock.

SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import os
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))
from vtpm import Emulator, Tap, emulator_program

SHORT, LONG = 20, 220
INDEX = 0x01000001
tap = Tap()


def traced(work, rounds, state=None):
    """Calls by name that a TPM makes while work(tpm, n) is done for n in range(rounds)."""
    with tempfile.TemporaryDirectory(prefix="hf-counts.") as base:
        log = os.path.join(base, "strace")
        with Emulator(wrapper=["strace", "-qq", "-f", "-o", log],
                      state=state and state % base) as e:
            control, tpm = e.start()
            if work is nv_write or work is nv_read:
                assert tpm.nv_define(INDEX, 64) == 0
                assert tpm.nv_write(INDEX, bytes(64)) == 0
            for n in range(rounds):
                work(tpm, n)
            control.shutdown()
            e.wait()
        with open(log, encoding="utf-8", errors="replace") as f:
            names = [line.split(None, 1)[1].split("(")[0] for line in f
                     if "(" in line and " resumed>" not in line and "+++" not in line]
    # How fstat() is done is the C library's choice.
    return collections.Counter("fstat" if name == "newfstatat" else name for name in names)


def a_command(work, state=None):
    """Calls a command makes, by name; what start-up does differently from run to run is lost in
    the rounding."""
    few, many = traced(work, SHORT, state), traced(work, LONG, state)
    each = {name: round((many[name] - few[name]) / (LONG - SHORT), 1) for name in many}
    return {name: count for name, count in each.items() if count != 0}


def get_random(tpm, _):
    assert tpm.random(32)


def pcr_read(tpm, _):
    assert tpm.pcr_read(16)


def pcr_extend(tpm, _):
    assert tpm.pcr_extend(16) == 0


def nv_read(tpm, _):
    assert tpm.nv_read(INDEX, 64) is not None


def nv_write(tpm, n):
    assert tpm.nv_write(INDEX, struct.pack(">I", n + 1) * 16) == 0


TWO = {"read": 1.0, "write": 1.0}
# A temporary, its content, on disk; in place of the old, on disk.
DURABLE = {"read": 1.0, "write": 2.0, "openat": 1.0, "fdatasync": 1.0, "close": 1.0,
           "renameat": 1.0, "fsync": 1.0}

# Is it still ours, one write, on disk.
SLOTS = {"read": 1.0, "write": 1.0, "fstat": 2.0, "pread64": 1.0, "pwrite64": 1.0,
         "fdatasync": 1.0}


def main():
    if not shutil.which("strace"):
        print("1..0 # SKIP strace is not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="hf-counts.") as base:
        if os.system(f"strace -qq -o {base}/log true 2>{base}/error") != 0:
            print("1..0 # SKIP strace may not trace here")
            return 0
    if sanitized():
        print("1..0 # SKIP sanitizers make calls of their own")
        return 0
    for work, wanted in ((get_random, TWO), (pcr_read, TWO), (pcr_extend, TWO), (nv_read, TWO),
                         (nv_write, DURABLE)):
        found = a_command(work)
        tap.equal(found, wanted, f"{work.__name__}: {sum(wanted.values()):.0f} system calls")
    found = a_command(nv_write, "slots://%s/slots")
    tap.equal(found, SLOTS, f"nv_write into slots: {sum(SLOTS.values()):.0f} system calls")
    return tap.finish()


def sanitized():
    with open(emulator_program(), "rb") as f:
        return b"__asan_init" in f.read()


if __name__ == "__main__":
    sys.exit(main())
