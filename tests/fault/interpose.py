"""interpose.py - the interposer from a test: what to set in the environment, and faults to arm.

    trace = Trace(path)                    # made by crash-replay new, or empty
    Emulator(env=trace.environment())
    trace.arm(FILES, FAIL, errno.ENOSPC, at=3)

The layout is that of trace.h.
SPDX-License-Identifier: BSD-3-Clause
"""
import mmap
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))

FILES, DESCRIPTORS, MEMORY, PAGES, CHANNELS = 1, 2, 4, 8, 16
FAIL, SHORT, KILL = 1, 2, 3

HEADER = struct.Struct("=IIQQQQIIQiII28s96s")
BUILD = os.path.join(os.environ.get("top_builddir", "."), "tests/fault")
INTERPOSER = os.path.abspath(os.path.join(BUILD, "interposer.so"))
REPLAY = os.path.join(BUILD, "crash-replay")


def reason_not_here(program):
    """Why the interposer cannot be used with a program, or None."""
    with open(program, "rb") as f:
        content = f.read()
    if b"__asan_init" in content:
        return "AddressSanitizer does not let another library stand before it"
    if b"/ld-linux" not in content:
        return "a static program takes no other library"
    return None


class Trace:
    def __init__(self, path, directory):
        self.path = path
        subprocess.run([REPLAY, "new", path, directory], check=True)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), HEADER.size)

    def environment(self, crash=False):
        return {**os.environ, "LD_PRELOAD": INTERPOSER, "HF_TRACE": self.path, **({"HF_TRACE_CRASH": "1"} if crash else {})}

    def _fields(self):
        names = ("magic", "full", "used", "first", "directory", "seen", "kinds", "action", "at",
                 "errno", "stays", "fired", "call", "crash")
        return dict(zip(names, HEADER.unpack(self.map[:HEADER.size])))

    def arm(self, kinds, action=FAIL, number=0, at=0, stays=False):
        """The at-th call of these kinds from now on; at=0: only count them."""
        self.map[40:44] = struct.pack("=I", 0)
        self.map[32:40] = struct.pack("=Q", 0)
        self.map[44:68] = struct.pack("=IQiII", action, at, number, stays, 0)
        self.map[68:192] = bytes(124)
        self.map[40:44] = struct.pack("=I", kinds)

    def disarm(self):
        """(calls seen since it was armed, how often it went off, where)"""
        self.map[40:44] = struct.pack("=I", 0)
        fields = self._fields()
        return fields["seen"], fields["fired"], fields["call"].rstrip(b"\0").decode()

    def crash(self):
        """(library, function) in which a process died of SIGSEGV since it was armed; environment(crash=True)."""
        words = self._fields()["crash"].rstrip(b"\0").decode().split(" ", 1)
        return tuple(words) if len(words) == 2 else None

    def check(self, uri, *options):
        """crash-replay's exit code and output."""
        done = subprocess.run([REPLAY, "check", self.path, uri, *options], capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def close(self):
        self.map.close()
        os.unlink(self.path)
