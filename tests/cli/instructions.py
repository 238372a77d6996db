#!/usr/bin/env python3
"""instructions.py - what the processor has to do for a command and for a start, counted by callgrind.

Instructions do not depend on how busy the machine is, so they can gate where a time cannot. They
are counted by the object they are in: what is ours (program and GLib) has a bound of its own, with
any library beneath; what the whole costs has one with the libraries named in LIBRARIES, whose share
depends on the processor too, hence the room. A command's cost is the difference between a long run
and a short one; the start is what comes before the first command, without Startup.

A figure above its bound: find out why (callgrind_annotate), and cut, or raise the bound with the
reason in the commit. Far below it: lower the bound.

SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))
from vtpm import Emulator, Tap, emulator_program

SHORT, LONG = 20, 220
LIBRARIES = ("libtpms 0.9.2", "libcrypto 3.0", "x86_64")
# Instructions a command, or a start: ours, and all.
BOUNDS = {
    "GetRandom": (700, 13500),
    "PCR_Extend": (700, 8600),
    "start": (47000, 4350000),
}
OURS = ("holdfast", "libglib-2.0.so")
tap = Tap()


def by_object(path):
    """Instructions by the file name of the object they are in, from callgrind's output."""
    names, cost, current, inclusive = {}, collections.Counter(), None, False
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            found = re.match(r"(c?)ob=\((\d+)\)(?: (.*))?$", line.rstrip("\n"))
            if found:
                called, number, name = found.groups()
                if name:
                    names[number] = os.path.basename(name)
                if not called:
                    current = names[number]
            elif line.startswith("calls="):
                inclusive = True  # the next line is the callee's cost, which it has itself
            elif line[0] in "+-*0123456789":
                if not inclusive and len(line.split()) > 1:
                    cost[current] += int(line.split()[1])
                inclusive = False
    return cost


def counted(work, rounds):
    with tempfile.TemporaryDirectory(prefix="hf-instructions.") as base:
        out = os.path.join(base, "callgrind")
        wrapper = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
        # valgrind makes system calls of its own.
        with Emulator("--seccomp", "action=none", wrapper=wrapper) as e:
            control = e.control()
            assert control.init() == 0
            if work:
                tpm = control.data()
                assert tpm.startup() == 0
                for _ in range(rounds):
                    work(tpm)
            control.shutdown()
            e.wait()
        return by_object(out)


def ours(cost):
    return sum(n for name, n in cost.items() if name.startswith(OURS))


def judge(name, own, everything):
    bounds = BOUNDS[name]
    tap.diag(f"{name}: {own} instructions of ours, {everything} in all")
    tap.ok(own <= bounds[0], f"{name}: at most {bounds[0]} instructions of ours",
           f"found {own}: {own / bounds[0]:.2f} times the bound; see the head of this test")
    what = f"{name}: at most {bounds[1]} instructions in all"
    if known_libraries():
        tap.ok(everything <= bounds[1], what,
               f"found {everything}: {everything / bounds[1]:.2f} times the bound")
    else:
        tap.skip(what, f"the bound is for {', '.join(LIBRARIES)}")


def known_libraries():
    def version(package):
        return subprocess.run(["pkg-config", "--modversion", package], capture_output=True,
                              text=True, check=False).stdout.strip()
    return [version("libtpms"), version("libcrypto").rpartition(".")[0], os.uname().machine] == \
        [text.split()[-1] for text in LIBRARIES]


def foreign():
    """Why instructions of this program say nothing, or None."""
    with open(emulator_program(), "rb") as f:
        program = f.read()
    if b"__asan_init" in program or b"__gcov_init" in program:
        return "the program counts or checks itself"
    if b"libtpms.so" not in program:
        return "a static program is one object"
    return None


def main():
    why = None if shutil.which("valgrind") else "valgrind is not installed"
    why = why or foreign()
    if why:
        print(f"1..0 # SKIP {why}")
        return 0
    for name, work in (("GetRandom", lambda tpm: tpm.random(32)),
                       ("PCR_Extend", lambda tpm: tpm.pcr_extend(16))):
        few, many = counted(work, SHORT), counted(work, LONG)
        each = [round((f(many) - f(few)) / (LONG - SHORT)) for f in (ours, lambda c: sum(c.values()))]
        judge(name, *each)
    start = counted(None, 0)
    judge("start", ours(start), sum(start.values()))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
