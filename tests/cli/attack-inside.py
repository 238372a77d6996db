"""attack-inside.py - an emulator that a guest has taken over.

What an attacker could do who runs code in a process in service: system calls are made in it from
outside, with ptrace, at the place where it waits for its next request. Each is one that an attack
needs: the network, another program, another process, memory to run code from, files that are not
the TPM's. The control cases show that a call made this way works where it is permitted.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import sys
import tempfile

import vtpm
from taken import AT_FDCWD, Taken, forbidden, has_landlock, is_sanitized, may_trace, outcome
from vtpm import Emulator, Tap

tap = Tap()


def test_killed(sanitized):
    for what, name, *arguments in forbidden(sanitized):
        with Emulator() as e:
            e.start()
            taken = Taken(e.process)
            tap.equal(outcome(taken, name, *arguments), "SIGSYS", f"{what}: the process ends")
            taken.release()


def refused_paths(e, bystander):
    """Opened, made, removed or moved outside of the state directory."""
    inside = os.path.join(e.state, "tpm2-00.permall")
    return [
        ("a file of everybody", "openat", AT_FDCWD, "/etc/passwd", os.O_RDONLY, 0),
        ("the same with a way out of the state directory", "openat", AT_FDCWD,
         e.state + "/../../../etc/passwd", os.O_RDONLY, 0),
        ("a directory", "openat", AT_FDCWD, "/", os.O_RDONLY | os.O_DIRECTORY, 0),
        ("another TPM's file", "openat", AT_FDCWD, bystander, os.O_RDONLY, 0),
        ("the same, to write", "openat", AT_FDCWD, bystander, os.O_WRONLY, 0),
        ("its own memory", "openat", AT_FDCWD, "/proc/self/mem", os.O_RDWR, 0),
        ("its own environment", "openat", AT_FDCWD, "/proc/self/environ", os.O_RDONLY, 0),
        ("a device", "openat", AT_FDCWD, "/dev/zero", os.O_RDONLY, 0),
        ("a new file", "openat", AT_FDCWD, bystander + ".new", os.O_CREAT | os.O_WRONLY, 0o600),
        ("a file removed", "unlinkat", AT_FDCWD, bystander, 0),
        ("a file replaced by the state", "renameat", AT_FDCWD, inside, AT_FDCWD, bystander),
        ("the state replaced by a file", "renameat", AT_FDCWD, bystander, AT_FDCWD, inside),
    ]


def test_paths():
    with tempfile.TemporaryDirectory() as directory, Emulator() as e:
        bystander = os.path.join(directory, "tpm2-00.permall")
        with open(bystander, "w") as f:
            f.write("not yours")
        control, tpm = e.start()
        taken = Taken(e.process)
        tap.equal(outcome(taken, "openat", AT_FDCWD, os.path.join(e.state, "tpm2-00.permall"),
                          os.O_RDONLY | os.O_CLOEXEC, 0), "done", "control: its own state opens")
        for what, name, *arguments in refused_paths(e, bystander):
            found = outcome(taken, name, *arguments)
            tap.ok(found in ("EACCES", "EXDEV"), f"{what}: refused", found)
        taken.release()
        with open(bystander) as f:
            tap.equal((f.read(), os.listdir(directory)), ("not yours", ["tpm2-00.permall"]),
                      "the other TPM is as it was")
        tap.ok(tpm.random(8) and control.capability() == 0x1FFFF, "and this one still serves")


def main():
    reason = may_trace()
    if reason:
        tap.skip("system calls from inside", reason)
        return tap.finish()
    test_killed(is_sanitized(vtpm.emulator_program()))
    if has_landlock():
        test_paths()
    else:
        tap.skip("files from inside", "this kernel has no Landlock")
    return tap.finish()


sys.exit(main())
