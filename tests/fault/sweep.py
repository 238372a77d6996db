"""sweep.py - a program with a fault at each of its calls in turn: what every tool is tried with.

    sweep(tap, "what", act, judge, directory, FAULTS)

act(environment) runs it; judge(exit code) says what is wrong with what it left, or None.
SPDX-License-Identifier: BSD-3-Clause
"""
import errno
import os
import signal
import subprocess

from interpose import CHANNELS, DESCRIPTORS, FAIL, FILES, MEMORY, PAGES, SHORT, Trace

# How GLib ends a process whose memory is used up: g_error.
NO_MEMORY = (-signal.SIGTRAP, -signal.SIGABRT)
# libtasn1 does not look at what malloc gives these (and takes no allocator): it is the kernel that ends the process.
# (library, function); all other crashes are ours.
NOT_OURS = {("libtasn1.so.6", "asn1_create_element"), ("libtasn1.so.6", "asn1_der_coding"),
            ("libtasn1.so.6", "asn1_der_decoding2"), ("libtasn1.so.6", "asn1_delete_element"),
            ("libtasn1.so.6", "asn1_write_value"), ("libtasn1.so.6", "asn1_copy_node"),
            ("libtasn1.so.6", "asn1_array2tree")}
# Calls that a signal may interrupt; they are made again.
RESTARTED = {"open", "openat", "read", "pread", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "fcntl(F_SETLK)",
             "send", "recvmsg", "poll"}
DEADLINE = 60

# name, kinds of call, action, errno
ENOSPC = ("ENOSPC", FILES, FAIL, errno.ENOSPC)
EDQUOT = ("EDQUOT", FILES, FAIL, errno.EDQUOT)
EIO = ("EIO", FILES, FAIL, errno.EIO)
EINTR = ("EINTR", FILES | CHANNELS, FAIL, errno.EINTR)
HALF = ("half of it", FILES | CHANNELS, SHORT, 0)
EMFILE = ("EMFILE", DESCRIPTORS, FAIL, errno.EMFILE)
LOST = ("a connection that breaks", CHANNELS, FAIL, errno.ECONNRESET)
LOCKED = ("ENOMEM, locked pages", PAGES, FAIL, errno.ENOMEM)
NOTHING = ("no memory", MEMORY, FAIL, errno.ENOMEM)
FAULTS = (ENOSPC, EDQUOT, EIO, EINTR, HALF, EMFILE, LOCKED, NOTHING)


def run(environment, *argv, cwd=None):
    """(exit code, output); None: it hangs."""
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=cwd,
                              errors="replace", timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        return None, "it hangs"
    return done.returncode, done.stdout + done.stderr


class Case:
    """What came of one call with a fault."""

    def __init__(self, fault, call, code, said, crash):
        self.name, self.kinds, self.action, _ = fault
        self.call, self.code, self.said, self.crash = call, code, said, crash

    def problem(self, codes):
        if self.code is None:
            return "it hangs"
        if self.code == -signal.SIGSEGV and self.kinds == MEMORY and self.crash in NOT_OURS:
            return None
        if self.code not in codes and not (self.kinds == MEMORY and self.code in NO_MEMORY):
            return f"crash in {self.crash}" if self.crash else "exit code"
        if self.code != 0 and not self.said:
            return "nothing said"
        if self.code != 0 and (self.action == SHORT or (self.name == "EINTR" and self.call in RESTARTED)):
            return "no reason to fail"
        return None


def sweep(tap, what, act, judge, directory, faults=FAULTS, step=1, allocations=101, codes=(0, 1)):
    """step: every so manieth call; allocations: the same of those."""
    trace = Trace(directory + ".trace", directory)
    for fault in faults:
        stride = allocations if fault[1] == MEMORY else step
        problems, at = [], 0
        while True:
            at += stride
            trace.arm(fault[1], fault[2], fault[3], at)
            code, said = act(trace.environment(crash=True))
            _, fired, call = trace.disarm()
            if not fired:
                break
            for problem in (Case(fault, call, code, said, trace.crash()).problem(codes), judge(code)):
                if problem:
                    problems.append(f"{call} ({at}): {problem}; exit code {code}; it said {said[-300:]!r}")
        tap.ok(not problems and (at > stride or fault in (LOCKED, EINTR, EMFILE)),
               f"{what}, {fault[0]} at {at // stride - 1} calls", "\n".join(problems[:12]))
    trace.close()
    return None
