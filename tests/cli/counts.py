#!/usr/bin/env python3
"""counts.py - what does not depend on the machine: system calls of commands, of an NV write and of a
start, the bytes of state that are written, what a manufacture takes, and memory of an idle TPM.

A round of commands is traced twice, short and long; the difference is what a command costs. The
goals stand in HACKING.md ("Measuring"); `make bench` has the figures that need a clock, and
instructions.py counts instructions.

SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))
from vtpm import PERMANENT, Emulator, Tap, emulator_program

SHORT, LONG = 20, 220
INDEX = 0x01000001
tap = Tap()


def traced(work, rounds, state=None):
    """Calls by name that a TPM makes while work(tpm, n) is done for n in range(rounds); "bytes" is
    what it writes, answers among them, "state" the size of its state at the end."""
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
            size = control.get_blob(PERMANENT)[2]
            control.shutdown()
            e.wait()
        with open(log, encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()
    names = [line.split(None, 1)[1].split("(")[0] for line in lines
             if "(" in line and " resumed>" not in line and "+++" not in line]
    # How fstat() is done is the C library's choice.
    calls = collections.Counter("fstat" if name == "newfstatat" else name for name in names)
    calls["bytes"] = sum(int(found.group(1)) for line in lines
                         if (found := re.search(r"\b(?:write|pwrite64)\b.* = (\d+)$", line)))
    calls["state"] = size
    return calls


def a_command(work, state=None):
    """Calls a command makes, by name; what start-up does differently from run to run is lost in
    the rounding."""
    few, many = traced(work, SHORT, state), traced(work, LONG, state)
    each = {name: round((many[name] - few[name]) / (LONG - SHORT), 1) for name in many}
    each["state"] = many["state"]
    return {name: count for name, count in each.items() if count != 0}


def calls_of(found):
    return {name: count for name, count in found.items() if name not in ("bytes", "state")}


def look(name, found, wanted, room):
    """`room`: bytes that a write to the state may have beside the state itself and the answer."""
    tap.equal(calls_of(found), wanted, f"{name}: {sum(wanted.values()):.0f} system calls")
    if room is not None:
        most = found["state"] + ANSWER + room
        tap.diag(f"{name}: {found['bytes']} bytes, state {found['state']}")
        tap.ok(found["state"] < found["bytes"] <= most,
               f"{name}: the state is written once, with at most {room} bytes more",
               f"found {found['bytes']} bytes, expected more than {found['state']}, at most {most}")


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


ANSWER = 19  # bytes of TPM2_NV_Write's response
WRITES, LOCKED = 36, 36  # 32 and 33 are made; one by one and each in pages of its own it were 54
VARIABLES = 80  # KB; 36 are used, 164 were cleared only
START = 300  # exec, libraries (newer ones make 20 more), sandbox, INIT, Startup, fetching the state, shutdown


def manufacture():
    """What holdfast-setup itself does for a TPM with two keys; its engines' processes are not counted."""
    program = os.path.join(os.environ.get("top_builddir", "."), "holdfast-setup")
    with tempfile.TemporaryDirectory(prefix="hf-counts.") as base:
        log, state = os.path.join(base, "strace"), os.path.join(base, "state")
        os.mkdir(state)
        subprocess.run(["strace", "-qq", "-o", log, program, "--tpm2", "--createek", "--tpm-state",
                        state], check=True, stdout=subprocess.DEVNULL)
        with open(log, encoding="utf-8", errors="replace") as f:
            calls = collections.Counter(line.split("(")[0] for line in f if "(" in line)
    # The libraries' own calls depend on the libraries.
    told, kept = calls["write"], calls["mlock"]
    tap.diag(f"manufacture: {told} writes, {kept} locked pages, {sum(calls.values())} calls in all")
    tap.ok(told <= WRITES, f"a manufacture: at most {WRITES} messages and lines", f"found {told}")
    tap.ok(kept <= LOCKED, f"a manufacture: at most {LOCKED} times locked pages", f"found {kept}")


def most_at_once(log):
    """Of the processes that the first one in the log starts: how many there are at a time."""
    first, alive, most = None, set(), 0
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            pid, call = line.split(None, 1)
            first = first or pid
            made = re.search(r"\b(?:clone3?|v?fork)(?:\(| resumed).* = (\d+)$", call)
            if made and pid == first:
                alive.add(made.group(1))
                most = max(most, len(alive))
            elif call.startswith("+++"):
                alive.discard(pid)
    return most


def batch():
    """As many TPMs at a time as are told, or as there are processors."""
    program = os.path.join(os.environ.get("top_builddir", "."), "holdfast-setup")
    processors = len(os.sched_getaffinity(0))
    for jobs, wanted in ((["--jobs", "1"], 1), (["--jobs", "3"], 3), ([], processors)):
        with tempfile.TemporaryDirectory(prefix="hf-counts.") as base:
            log, lines = os.path.join(base, "strace"), os.path.join(base, "lines")
            with open(lines, "w", encoding="ascii") as f:
                for n in range(3 * wanted):
                    os.mkdir(os.path.join(base, str(n)))
                    f.write(f"--tpm-state {base}/{n}\n")
            subprocess.run(["strace", "-q", "-f", "-e", "trace=process", "-o", log, program,
                            "--tpm2", "--batch", lines, *jobs], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # One process more has the authority's key.
            tap.equal(most_at_once(log) - 1, wanted,
                      f"a batch {' '.join(jobs) or 'on all processors'}: {wanted} at a time")


def variables_kb(pid):
    """Anonymous memory behind libtpms' own: its variables without a value. None in a static program."""
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as f:
        parts = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", f.read())
    for before, part in zip(parts, parts[1:]):
        if "libtpms.so" in before.split("\n", 1)[0] and "libtpms.so" not in part:
            return int(re.search(r"^Anonymous: *(\d+) kB", part, re.M).group(1))
    return None


def idle_memory():
    what = f"an idle TPM keeps at most {VARIABLES} KB of libtpms' variables"
    with Emulator() as e:
        control, tpm = e.start()
        for _ in range(2):  # what was given back after the first answer is gone before the second
            tpm.random(32)
        try:
            found = variables_kb(e.process.pid)
        except PermissionError:
            tap.skip(what, "the kernel shows other processes' memory to root alone")
            return
        control.shutdown()
        e.wait()
    if found is None:
        tap.skip(what, "libtpms is not a library of its own")
    else:
        tap.ok(found <= VARIABLES, what, f"found {found} KB")


def main():
    if not shutil.which("strace"):
        print("1..0 # SKIP strace is not installed")
        return 0
    with tempfile.TemporaryDirectory(prefix="hf-counts.") as base:
        if os.system(f"strace -qq -o {base}/log true 2>{base}/error") != 0:
            print("1..0 # SKIP strace may not trace here")
            return 0
    if sanitized():
        print("1..0 # SKIP sanitizers and coverage make calls of their own")
        return 0
    for work, wanted in ((get_random, TWO), (pcr_read, TWO), (pcr_extend, TWO), (nv_read, TWO),
                         (nv_write, DURABLE)):
        look(work.__name__, a_command(work), wanted, 64 if wanted is DURABLE else None)
    look("nv_write into slots", a_command(nv_write, "slots://%s/slots"), SLOTS, 4096)
    start = collections.Counter(calls_of(traced(None, 0)))
    tap.ok(sum(start.values()) <= START, f"start and stop: at most {START} system calls",
           f"found {sum(start.values())}: {dict(start.most_common())}")
    manufacture()
    batch()
    idle_memory()
    return tap.finish()


def sanitized():
    with open(emulator_program(), "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__gcov_init" in program


if __name__ == "__main__":
    sys.exit(main())
