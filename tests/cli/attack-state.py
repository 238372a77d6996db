"""attack-state.py - state that is removed while the TPM runs, or damaged byte by byte.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import struct
import sys

from vtpm import Emulator, Tap

INDEX = 0x01500010

tap = Tap()


def test_removed():
    """A TPM whose state was removed is not another TPM at the next INIT."""
    with Emulator() as e:
        control, tpm = e.start()
        tpm.nv_define(INDEX, 8)
        control.stop()
        path = os.path.join(e.state, "tpm2-00.permall")
        with open(path, "rb") as f:
            content = f.read()
        os.unlink(path)
        tap.ok(control.init() == 0x101 and control.init() == 0x101, "INIT without the state fails")
        tap.ok("was removed" in e.messages(), "and says why", e.messages())
        tap.equal(os.path.exists(path), False, "no other TPM is made")
        with open(path, "wb") as f:
            f.write(content)
        tap.equal(control.init(), 0, "with the state back it starts")
        tap.equal(tpm.startup(), 0, "and is the same TPM")
        tap.equal(tpm.nv_write(INDEX, b"12345678"), 0, "with its NV index")


def state_file(blob):
    return struct.pack(">BBHHIHI", 2, 1, 10, 0, len(blob) + 16, 1, len(blob)) + blob


def test_damaged():
    """Lengths in a state that lead past its end do not lead libtpms out of our memory."""
    with Emulator() as e:
        control, tpm = e.start()
        tpm.nv_define(INDEX, 8)
        tpm.nv_write(INDEX, b"12345678")
        whole = control.get_blob(1)[3]
        blob = whole[22:]  # header, record, record
        path = os.path.join(e.state, "tpm2-00.permall")
        starts = {"SET_STATEBLOB": 0, "a state file": 0}
        for offset in range(len(blob)):
            bad = blob[:offset] + b"\xff" + blob[offset + 1:]
            control.stop()
            with open(path, "wb") as f:
                f.write(state_file(bad))
            starts["a state file"] += control.init() == 0
            control.stop()
            accepted = control.set_blob(1, whole[:22] + bad) == 0
            starts["SET_STATEBLOB"] += control.init() == 0 and accepted
        for way, count in starts.items():
            tap.ok(0 < count < len(blob), f"{way} with a byte changed: refused, or another TPM",
                   f"{count} of {len(blob)} started")
        control.stop()
        with open(path, "wb") as f:
            f.write(state_file(blob))
        tap.equal(control.set_blob(1, whole), 0, "the whole one is accepted")
        tap.equal(control.init(), 0, "and starts")
        tpm.startup()
        tap.equal(tpm.nv_read(INDEX, 8), b"12345678", "with its NV index")


for test in (test_removed, test_damaged):
    tap.attempt(test)
sys.exit(tap.finish())
