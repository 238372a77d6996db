#!/usr/bin/env python3
"""swtpm-faults.py - faults that users of swtpm have met, one by one, and where it is shown that they
are not here. What no other test shows is shown in this file.

    a request or command in two segments        emulator-control.py test_every_split, emulator-data.py test_pieces
    slow work blocks the control channel        here; emulator-control.py test_cancel
    a stalled client blocks the TPM             emulator-control.py test_timeouts
    descriptors of a request stay open          emulator-control.py test_descriptors; of a lock, after INIT: here
    deadlines by the wall clock                 here
    key wipes that the compiler removes         attack-secrets.py (memory of the processes), test-base.c
    a core dump has the keys                    attack-secrets.py
    a failed --reconfigure, --overwrite         interop/setup-state.sh, fault/crash.py test_setup, fault/faults.py
    an empty volume becomes a new TPM           emulator-options.py (must-exist)
    0x101 without a reason                      here; emulator-options.py (off), emulator-state.py (INIT)
    state that is not on disk, or half of it    fault/crash.py, emulator-state.py test_full_disk
    older state over newer after a migration    emulator-handover.py
    a volatile state that is resumed again      emulator-handover.py
    a reset looks like an attack (DA lockout)   emulator-state.py test_auto_shutdown
    relative paths with --daemon                emulator-process.py test_daemon
    an emulator that outlives QEMU              guest/guest-kill.sh, emulator-data.py test_terminate
    CVE-2020-28407, symbolic links              emulator-process.py test_unusable, emulator-state.py test_corrupt
    CVE-2022-23645, CVE-2026-75900, blob header here; fuzz/fuzz-migration.c, fuzz/fuzz-state.c
    a CA directory that two setups use at once  swtpm-localca.sh

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/fault"))
from interpose import reason_not_here  # pylint: disable=wrong-import-position

import vtpm  # pylint: disable=wrong-import-position
from vtpm import Emulator, Tap, Tpm  # pylint: disable=wrong-import-position

tap = Tap()
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
CLOCK = os.path.join(BUILD, "tests/fault/clock.so")
CREATE = 0x153
DA_INDEX = 0x01500020


def pending(sock):
    return bool(select.select([sock], [], [], 0)[0])


def create_rsa(parent):
    """TPM2_Create of an RSA-3072 key: OpenSSL makes it, nothing can cancel it."""
    sensitive = struct.pack(">HHH", 4, 0, 0)
    public = struct.pack(">HHIHHHHIH", 0x0001, 0x000B, 0x00060072, 0, 0x0010, 0x0010, 3072, 0, 0)
    parameters = sensitive + struct.pack(">H", len(public)) + public + b"\0\0" + b"\0\0\0\0"
    return Tpm.pack(CREATE, (parent,), parameters, 1)


def test_slow_work():
    with Emulator() as e:
        c, tpm = e.start()
        response = tpm.command(Tpm.rsa_primary(2048))
        parent = struct.unpack(">I", response[10:14])[0]
        asked = (("GET_CAPABILITY", lambda: c.capability() == 0x1FFFF),
                 ("GET_CONFIG", lambda: c.config() == 0),
                 ("SET_LOCALITY", lambda: c.set_locality(0) == 0),
                 ("LOCK_STORAGE", lambda: c.lock_storage(0) == 0),
                 ("CANCEL_TPM_CMD", lambda: c.cancel() == 0))
        for name, ask in asked:
            during = False
            for _ in range(10):  # a key may be found at once
                tpm.sock.sendall(create_rsa(parent))
                good = ask()
                during = good and not pending(tpm.sock)
                code = struct.unpack(">I", tpm.response()[6:10])[0]
                if code != 0 or not good or during:
                    break
            tap.ok(during and code == 0, f"while a key is made: {name} is answered", hex(code))


def clocked(way):
    return {**os.environ, "LD_PRELOAD": CLOCK, "HF_CLOCK": way}


def test_wall_clock(way):
    env = clocked(way)
    jumps = subprocess.run([sys.executable, "-c", "import time; a = time.time(); print(time.time() - a)"],
                           env=env, capture_output=True, text=True, check=True).stdout
    tap.ok(abs(float(jumps)) > 3000, f"a clock that is set {way}: it is", jumps)
    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory, env=env) as one, Emulator(state=directory, env=env) as two:
            c, tpm = one.start()
            other = two.control()
            other.send(vtpm.LOCK_STORAGE, struct.pack(">I", 1000))
            tap.ok(tpm.nv_define(DA_INDEX, 8) == 0 and not pending(other.sock),
                   f"{way}: LOCK_STORAGE goes on trying")
            c.get_blob(vtpm.SAVESTATE)
            tap.equal(other.result(), 0, f"{way}: until it has the lock")
    with Emulator(env=env) as e:
        c, tpm = e.start()
        slow = e.control()
        c.close()
        for byte in struct.pack(">II", vtpm.INIT, 0):
            slow.sock.sendall(bytes([byte]))
            slow_is_served = not pending(slow.sock)
        tap.equal((slow_is_served, slow.result()), (True, 0), f"{way}: a request in pieces is served")
        slow.sock.sendall(b"\0\0")
        try:
            gone = slow.sock.recv(1) == b""
        except ConnectionResetError:
            gone = True
        tap.ok(gone, f"{way}: one that does not go on ends")
        tpm.sock.sendall(b"\x80\x01\0\0\0\x0c")
        tap.ok(struct.unpack(">I", tpm.response()[6:10])[0] != 0, f"{way}: a command that does not, too")
        tap.equal(tpm.startup(), 0, f"{way}: the TPM works")
        first = tpm.run(0x181)[1][:8]
        tap.ok(0 <= struct.unpack(">Q", tpm.run(0x181)[1][:8])[0] - struct.unpack(">Q", first)[0] < 3600000,
               f"{way}: and its own clock is not concerned")
        ctl = os.path.join(BUILD, "holdfast-ctl")
        for program, arguments in ((ctl, ("--unix", e.path, "capabilities")),
                                   (os.path.join(BUILD, "swtpm-names/swtpm_ioctl"), ("--unix", e.path, "-c"))):
            slow.close()
            result = vtpm.run(program, *arguments, env=env)
            tap.ok(result.returncode == 0, f"{way}: {os.path.basename(program)} waits for an answer", result.stderr)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "silent")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(path)
            silent.listen()
            result = vtpm.run(ctl, "--unix", path, "--timeout", "1", "capabilities", env=env)
            tap.ok(result.returncode == 1 and "no data within the time" in result.stderr, f"{way}: and does not wait for ever",
                   f"{result.returncode} {result.stderr}")
        result = vtpm.run(os.path.join(BUILD, "holdfast-setup"), "--tpm2", "--tpm-state", directory, "--createek", "--ecc",
                          env=env)
        tap.ok(result.returncode == 0, f"{way}: a TPM is made", result.stderr)


def test_locks():
    """swtpm 0.7 left a descriptor of the lock open at every INIT."""
    with Emulator() as e:
        c, tpm = e.start()
        before = len(e.fds())
        codes = {c.init() for _ in range(50)}
        codes.add(tpm.startup())
        for _ in range(20):
            c.get_blob(vtpm.SAVESTATE)
            codes.add(c.lock_storage(0))
        tap.equal((codes, len(e.fds())), ({0}, before), "50 INITs and 20 hand-overs leave no descriptor")


def test_failure_mode():
    """libtpms says 0x101 itself: the log says for which command, once."""
    with Emulator() as e:
        c, tpm = e.start()
        blob = c.get_blob(vtpm.VOLATILE)
        e.messages()
        path = os.path.join(e.state, "tpm2-00.permall")
        os.rename(path, path + ".away")
        os.mkdir(path)
        code = tpm.nv_define(DA_INDEX, 8)
        again = tpm.run(0x17B, parameters=b"\0\4")[0]
        said = e.messages()
        tap.ok((code, again) == (0x101, 0x101) and "could not be stored" in said and "permall" in said and
               said.count("failure mode") == 1, "0x101 on a command: the log has the reason, once",
               f"{code:#x} {again:#x} {said}")
        os.rmdir(path)
        os.rename(path + ".away", path)
        tap.equal((c.init(), tpm.startup(), blob[0]), (0, 0, 0), "and INIT brings it back")


def test_blob_header():
    """Short blobs, and headers of every size: refused, within what was sent."""
    with Emulator() as e:
        c, _ = e.start()
        whole = c.get_blob(vtpm.PERMANENT)[3]
        c.stop()
        bad = [whole[:n] for n in range(1, 40)]
        bad += [struct.pack(">BBHHI", 2, 1, 10, 0, n) + bytes(n - 10) for n in (11, 16)]
        bad += [whole[:2] + struct.pack(">H", size) + whole[4:] for size in (0, 1, 9, 11, 255, 0x7FFF, 0xFFFF)]
        bad += [whole[:6] + struct.pack(">I", size) + whole[10:] for size in (0, 9, len(whole) - 1, len(whole) + 1, 0xFFFFFFFF)]
        accepted = [b.hex() for kind in (1, 2, 3) for b in bad if c.set_blob(kind, b) == 0]
        tap.ok(accepted == [] and e.process.poll() is None, "headers that lie: refused", accepted[:3])
        tap.equal((c.set_blob(vtpm.PERMANENT, whole), c.init()), (0, 0), "the whole one is accepted")


TESTS = [(test_slow_work,), (test_locks,), (test_failure_mode,), (test_blob_header,)]
reason = reason_not_here(vtpm.emulator_program())
if reason:
    tap.skip("a wall clock that is set", reason)
else:
    TESTS += [(test_wall_clock, "forward"), (test_wall_clock, "back")]
for test, *arguments in TESTS:
    tap.attempt(test, *arguments)
sys.exit(tap.finish())
