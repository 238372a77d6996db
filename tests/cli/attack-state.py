"""attack-state.py - state that is removed while the TPM runs, or damaged byte by byte.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import struct
import sys

import vtpm
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


ECC_PRIMARY = bytes.fromhex("000400000000" "001a" "0023000b00030472" "0000" "0006008000430010" "000300100000" "0000"
                            "0000" "00000000")
PERSISTENT = 0x81000001


def make_key(tpm):
    """The handle of a storage key."""
    code, rest = tpm.run(0x131, (vtpm.OWNER,), ECC_PRIMARY, 1)
    tap.equal(code, 0, "a key")
    return struct.unpack(">I", rest[:4])[0]


def test_damaged():
    """Lengths in a state that lead past its end do not lead libtpms out of our memory; what it holds for impossible
    in a key does not end the process."""
    with Emulator() as e:
        control, tpm = e.start()
        tap.equal(tpm.run(0x120, (vtpm.OWNER, make_key(tpm)), struct.pack(">I", PERSISTENT), 1)[0], 0, "kept in the TPM")
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


def test_damaged_volatile():
    """The same with a volatile state that has a key, a session and a hash sequence in it."""
    with Emulator() as e:
        control, tpm = e.start()
        make_key(tpm)
        started = tpm.run(0x176, (vtpm.NULL, vtpm.NULL), struct.pack(">H16xHBHH", 16, 0, 1, 0x10, 0xB))[0]
        tap.equal((started, tpm.run(0x186, (), struct.pack(">HH", 0, 0xB))[0]), (0, 0), "a session, a hash sequence")
        value = tpm.pcr_extend(16) or tpm.pcr_read(16)
        permanent, volatile = control.get_blob(1)[3], control.get_blob(2)[3]
        past = [volatile[:at] + b"\1\xff\xff" for at in range(22, len(volatile), 61)]  # a skip over 64 KiB at the end
        ill = [volatile[:at] + b"\xff" + volatile[at + 1:] for at in range(22, len(volatile), 2) if volatile[at] != 0xFF]
        ill += [volatile[:at] + b"\1\xff\xff" + volatile[at + 3:] for at in range(22, len(volatile) - 3, 61)]
        accepted = [i for i, blob in enumerate(past + ill)
                    if (control.stop(), control.set_blob(1, permanent)) == (0, 0) and control.set_blob(2, blob) == 0]
        tap.equal(accepted, [], f"{len(past + ill)} damaged volatile states are refused one by one")
        tap.ok(control.init() != 0, "and INIT starts nothing in their place")
        tap.equal((control.set_blob(1, permanent), control.set_blob(2, volatile), control.init()), (0, 0, 0),
                  "the whole one starts")
        tap.equal(tpm.pcr_read(16), value, "and goes on where it was")


for test in (test_removed, test_damaged, test_damaged_volatile):
    tap.attempt(test)
sys.exit(tap.finish())
