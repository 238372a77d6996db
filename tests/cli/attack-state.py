"""attack-state.py - the state directory against somebody who works in it while the TPM runs.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
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


for test in (test_removed,):
    try:
        test()
    except Exception as problem:  # a broken test must not hide the others
        tap.ok(False, test.__name__, repr(problem))
sys.exit(tap.finish())
