#!/usr/bin/env python3
"""emulator-slots.py - a TPM in slots://FILE: kill -9, damage, lock and hand-over, keys, devices.

The format's own faults are in tests/unit/test-store-slots.c, power cuts in test-store-crash.c.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

import vtpm
from vtpm import Emulator, Tap, emulator_program

tap = Tap()
INDEX = 0x01500010
SETUP = os.path.join(os.environ.get("top_builddir", "."), "holdfast-setup")
FIRST, SECOND = 4096, 4096 + 32768


@contextlib.contextmanager
def place():
    with tempfile.TemporaryDirectory(prefix="hf-slots.") as directory:
        yield os.path.join(directory, "tpm")


def content(path):
    with open(path, "rb") as f:
        return f.read()


def damage(path, *offsets):
    with open(path, "r+b") as f:
        for offset in offsets:
            f.seek(offset)
            byte = f.read(1)[0]
            f.seek(offset)
            f.write(bytes([byte ^ 0x55]))


def write_until_killed(tpm, value):
    """The last value whose write was acknowledged."""
    with contextlib.suppress(EOFError, ConnectionError, BrokenPipeError):
        while tpm.nv_write(INDEX, struct.pack(">Q", value + 1)) == 0:
            value += 1
    return value


def test_kill():
    lost, rng = [], random.Random(11)
    with place() as path:
        with Emulator(state="slots://" + path) as e:
            _, tpm = e.start()
            assert tpm.nv_define(INDEX, 8) == 0 and tpm.nv_write(INDEX, bytes(8)) == 0
        value = 0
        for i in range(25):
            with Emulator(state="slots://" + path) as e:
                _, tpm = e.start()
                found = struct.unpack(">Q", tpm.nv_read(INDEX, 8) or b"\xff" * 8)[0]
                # The write that was not answered may be there or not.
                if found not in (value, value + 1):
                    lost.append((i, value, found))
                killer = threading.Timer(rng.uniform(0.0005, 0.03), e.process.kill)
                killer.start()
                value = write_until_killed(tpm, found)
                killer.join()
                e.wait()
        tap.equal(lost, [], "kill -9, 25 times: every acknowledged NV write is there")
        tap.ok(value > 10, f"and there was something to lose ({value} writes)")
        tap.equal(os.path.getsize(path), 4096 + 65536, "the file has kept its size")


def test_damage():
    with place() as path:
        with Emulator(state="slots://" + path) as e:
            _, tpm = e.start()
            tpm.nv_define(INDEX, 8)
            tpm.nv_write(INDEX, b"precious")
            tpm.nv_write(INDEX, b"valuable")
            e.kill()
        newer = max(FIRST, SECOND, key=lambda at: content(path)[at + 24:at + 32])
        whole = content(path)
        for offset in (0, 8, 24, 36, 70, 300):  # magic, id, number, length, digest, blob
            with open(path, "wb") as f:
                f.write(whole)
            damage(path, newer + offset)
            with Emulator(state="slots://" + path) as e:
                control, tpm = e.start()
                tap.equal(tpm.nv_read(INDEX, 8), b"precious", f"the newer slot torn at {offset}: the one before")
                tap.equal(e.messages().count("a newer slot is not whole"), 1, "and the log says so")
                tpm.nv_write(INDEX, b"valuable")
                control.init()
                tap.equal(e.messages().count("a newer slot is not whole"), 1, "until it was written over")
                e.kill()
        damage(path, FIRST + 40, SECOND + 40)
        before = content(path)
        with Emulator(state="slots://" + path, wait=False) as e:
            tap.equal(e.wait(), 1, "both slots damaged: no start")
            tap.ok("it is damaged" in e.messages(), "and the log says so", e.messages())
        tap.ok(content(path) == before, "the file is left as it was")


def test_lock():
    with place() as path:
        state = "slots://" + path
        with Emulator(state=state) as one, Emulator(state=state) as two:
            c1, tpm1 = one.start()
            c2 = two.control()
            tap.equal(c2.init(), 9, "a state in use: INIT fails")
            tap.ok("locked by process" in two.messages(), "and says who", two.messages())
            tpm1.nv_define(INDEX, 8)
            tpm1.nv_write(INDEX, b"from one")
            c1.get_blob(vtpm.SAVESTATE)
            tap.equal(c2.lock_storage(300), 0, "GET_STATEBLOB of the savestate hands the lock over")
            tap.equal(c2.init(), 0, "the other one starts")
            tpm2 = c2.data()
            tpm2.startup()
            tap.equal(tpm2.nv_read(INDEX, 8), b"from one", "with what the first one wrote")
            tap.equal(tpm2.nv_write(INDEX, b"from two"), 0, "and writes")
            one.kill()
            two.kill()
        with Emulator(state=state) as three:
            _, tpm = three.start()
            tap.equal(tpm.nv_read(INDEX, 8), b"from two", "which is what is there afterwards")


def test_volatile():
    with place() as path:
        with Emulator(state="slots://" + path) as e:
            c, tpm = e.start()
            tpm.pcr_extend(16)
            pcr = tpm.pcr_read(16)
            tap.equal(c.store_volatile(), 0, "STORE_VOLATILE")
            e.kill()
        with Emulator(state="slots://" + path) as e:
            c = e.control()
            c.init(1)
            tap.equal(c.data().pcr_read(16), pcr, "INIT resumes it")
            e.kill()
        out = subprocess.run([emulator_program(), "socket", "--tpm2", "--print-states",
                              "--tpmstate", f"backend-uri=slots://{path}"],
                             capture_output=True, text=True, check=False).stdout
        tap.ok("permall" in out and "volatile" not in out, "and DELETE_VOLATILE removes it", out)


def test_key():
    with place() as path:
        key = path + ".key"
        with open(key, "w", encoding="ascii") as f:
            f.write("00112233445566778899aabbccddeeff")
        options = ("--key", f"file={key}")
        with Emulator(*options, state="slots://" + path) as e:
            _, tpm = e.start()
            tpm.nv_define(INDEX, 30)
            tpm.nv_write(INDEX, b"words that nobody else may see")
            e.kill()
        tap.ok(b"nobody else" not in content(path), "--key: nothing is in clear")
        with Emulator(*options, state="slots://" + path) as e:
            _, tpm = e.start()
            tap.equal(tpm.nv_read(INDEX, 30), b"words that nobody else may see", "it opens")
        before = content(path)
        with Emulator(state="slots://" + path) as e:
            tap.ok(e.control().init() != 0 and "is encrypted, and no key" in e.messages(),
                   "not without the key", e.messages())
        tap.ok(content(path) == before, "and the file is left as it was")


def test_setup():
    with place() as path:
        argv = [SETUP, "--tpm2", "--tpm-state", "slots://" + path, "--create-spk"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        tap.equal(done.returncode, 0, "holdfast-setup makes a TPM in slots")
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        tap.ok(done.returncode == 1 and "there is a TPM already" in done.stderr,
               "and does not replace it", done.stderr)
        with Emulator(state="slots://" + path) as e:
            _, tpm = e.start()
            _, found = tpm.run(0x17A, parameters=struct.pack(">III", 1, 0x81000000, 8))
            tap.ok(b"\x81\x00\x00\x01" in found, "its storage key is there", found)


def refused(words, description, path, *options, tpm2=True, state=None):
    before = content(path)
    with Emulator(*options, state=state or "slots://" + path, tpm2=tpm2, wait=False) as e:
        tap.ok(e.wait() != 0 and words in e.messages(), description, e.messages())
    tap.ok(content(path) == before, f"{description}: it stays as it is")


def test_refusals():
    with place() as path:
        with open(path, "wb") as f:
            f.write(b"a letter")
        refused("left alone", "a file with something in it", path)
        refused("backup is for a directory", "backup", path,
                state=f"slots://{path},backup")
        os.remove(path)
        with Emulator(state="slots://" + path) as e:
            e.start()
        refused("found that of a TPM 2.0", "a TPM 2.0 without --tpm2", path, tpm2=False)
        refused("something else", "as a linear file", path, state="file://" + path)


def test_device():
    """A block device, where one can be had."""
    if not shutil.which("losetup"):
        tap.skip("a block device", "no losetup here")
        return
    with place() as path:
        with open(path, "wb") as f:
            f.truncate(1 << 20)
        found = subprocess.run(["losetup", "--find", "--show", path], capture_output=True,
                               text=True, check=False)
        if found.returncode:
            tap.skip("a block device", "no loop device here")
            return
        device = found.stdout.strip()
        try:
            with Emulator(state="slots://" + device) as e:
                _, tpm = e.start()
                tpm.nv_define(INDEX, 8)
                tap.equal(tpm.nv_write(INDEX, b"precious"), 0, "a block device: a write")
                e.kill()
            with Emulator(state="slots://" + device) as e:
                _, tpm = e.start()
                tap.equal(tpm.nv_read(INDEX, 8), b"precious", "a block device: it is there")
        finally:
            subprocess.run(["losetup", "-d", device], check=False)


def main():
    for test in (test_kill, test_damage, test_lock, test_volatile, test_key, test_setup,
                 test_refusals, test_device):
        test()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
