#!/usr/bin/env python3
"""emulator-handover.py - who may go on with a TPM: an old owner that takes its storage back, a
migration that comes to nothing, a stored volatile state after it was resumed.

For every kind of store. Nobody writes older state over newer, and a state that a guest has gone
beyond is not resumed.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import sys
import tempfile

import vtpm
from vtpm import Emulator, Tap

tap = Tap()
INDEX = 0x01500010
INCOMING = ("--migration", "release-lock-outgoing,incoming")
STALE = "the stored state is not the one that was handed out"
PLATFORM = 0x4000000C
CHANGE_EPS, CHANGE_PPS, CLEAR = 0x124, 0x125, 0x126


@contextlib.contextmanager
def place(kind):
    """What is behind --tpmstate for a store of that kind."""
    with tempfile.TemporaryDirectory(prefix="hf-hand.") as directory:
        yield directory if kind == "dir" else f"{kind}://{directory}/tpm"


class Vm(Emulator):
    """An emulator that locks its state whatever the store."""

    def __init__(self, *more, state, **rest):
        if state.startswith("file://"):
            more += ("--tpmstate", f"backend-uri={state},lock")
        super().__init__(*more, state=state, **rest)


def first_owner(state):
    """An emulator whose TPM has an NV index, and whose guest has extended a PCR."""
    one = Vm(state=state)
    c, tpm = one.start()
    assert tpm.nv_define(INDEX, 8) == 0 and tpm.nv_write(INDEX, b"from one") == 0
    assert tpm.pcr_extend(16) == 0
    return one, c, tpm


def hand_out(c):
    return {kind: c.get_blob(kind)[3] for kind in (vtpm.PERMANENT, vtpm.VOLATILE, vtpm.SAVESTATE)}


def take_over(state, blobs):
    """The other side of a migration over shared storage, as QEMU does it."""
    two = Vm(*INCOMING, state=state)
    c = two.control()
    codes = [c.stop(), c.set_blob(vtpm.PERMANENT, blobs[vtpm.PERMANENT]),
             c.set_blob(vtpm.VOLATILE, blobs[vtpm.VOLATILE]), c.init(1)]
    assert codes == [0, 0, 0, 0], (codes, two.messages())
    return two, c


def what_is_stored(state):
    """NV as the next owner finds it."""
    with Vm(state=state) as e:
        _, tpm = e.start()
        return tpm.nv_read(INDEX, 8)


def went_on(state, blobs, how):
    """The TPM was used elsewhere meanwhile."""
    two, c = take_over(state, blobs)
    with two:
        tpm = c.data()
        assert tpm.nv_write(INDEX, b"from two") == 0
        if how == "killed":
            two.kill()
        else:
            c.shutdown()
            two.wait()


def test_old_owner(kind):
    """Everything with which the old owner could write: refused, with its reason."""
    def by_command(one, c, tpm):
        tpm.sock.sendall(vtpm.Tpm.pack(0x17B, parameters=b"\0\4"))
        return one.wait()

    for name, how, act, wanted in (
            ("a command: the process ends", "shut down", by_command, 1),
            ("the same after a crash of the new owner", "killed", by_command, 1),
            ("LOCK_STORAGE", "shut down", lambda one, c, tpm: c.lock_storage(300), 9),
            ("STORE_VOLATILE", "killed", lambda one, c, tpm: c.store_volatile(), 9)):
        with place(kind) as state:
            one, c, tpm = first_owner(state)
            with one:
                went_on(state, hand_out(c), how)
                found = act(one, c, tpm)
                tap.ok(found == wanted and STALE in one.messages(),
                       f"{kind}: the TPM went on elsewhere; {name}", f"{found} {one.messages()}")
                if one.process.poll() is None:
                    tap.equal(c.stop(), 0, f"{kind}: STOP after it works, and stores nothing")
                    c.shutdown()
                    one.wait()
            tap.equal(what_is_stored(state), b"from two", f"{kind}: the newer state is there")


def test_old_owner_again(kind):
    """Switched on again, the old owner has what is stored."""
    with place(kind) as state:
        one, c, tpm = first_owner(state)
        with one:
            went_on(state, hand_out(c), "shut down")
            tap.ok(c.init() == 0 and tpm.startup() == 0 and tpm.nv_read(INDEX, 8) == b"from two",
                   f"{kind}: INIT of the old owner loads the newer state", one.messages())


def test_came_to_nothing(kind):
    """A migration that ends before the guest runs there: the source goes on."""
    for name, end in (("its target is killed", lambda two, c: two.kill()),
                      ("its target is stopped", lambda two, c: (c.stop(), two.kill())),
                      ("its target is shut down", lambda two, c: (c.shutdown(), two.wait()))):
        with place(kind) as state:
            one, c, tpm = first_owner(state)
            with one:
                pcr = tpm.pcr_read(16)
                two, other = take_over(state, hand_out(c))
                with two:
                    end(two, other)
                tap.equal(c.lock_storage(300), 0, f"{kind}: migration to nothing, {name}")
                good = tpm.nv_write(INDEX, b"goes on!") == 0 and tpm.pcr_read(16) == pcr
                tap.ok(good, f"{kind}: and the source goes on", one.messages())
            tap.equal(what_is_stored(state), b"goes on!", f"{kind}: its state is stored")


def test_moved(kind):
    """What the new owner has is stored with its first command, whatever that is."""
    with place(kind) as state:
        one, c, tpm = first_owner(state)
        with one:
            pcr = tpm.pcr_read(16)
            two, other = take_over(state, hand_out(c))
            with two:
                twin = other.data()
                tap.equal((twin.pcr_read(16), twin.nv_read(INDEX, 8)), (pcr, b"from one"),
                          f"{kind}: the TPM has moved")
                tap.equal(other.store_volatile(), 0, f"{kind}: STORE_VOLATILE there")
                two.kill()
        with Vm(state=state) as three:
            control = three.control()
            tap.equal(control.init(), 0, f"{kind}: both states fit")
            tap.equal(control.data().pcr_read(16), pcr, f"{kind}: and are resumed")


def test_early_look(kind):
    """A target that looked at the state before its owner was done with it."""
    with place(kind) as state:
        one, c, tpm = first_owner(state)
        with one, Vm(*INCOMING, state=state) as two:
            other = two.control()
            assert other.init() == 0, two.messages()
            twin = other.data()
            assert tpm.nv_write(INDEX, b"later on") == 0
            c.shutdown()
            one.wait()
            twin.sock.sendall(vtpm.Tpm.pack(0x144, parameters=b"\0\0"))
            tap.ok(two.wait() == 1 and STALE in two.messages(),
                   f"{kind}: who read the state before it changed does not use it",
                   two.messages())
        tap.equal(what_is_stored(state), b"later on", f"{kind}: the newer state is there")


def suspended(state):
    """A stored volatile state; returns the PCR in it."""
    with Vm(state=state) as e:
        c, tpm = e.start()
        assert tpm.nv_define(INDEX, 8) == 0 and tpm.pcr_extend(16) == 0
        pcr = tpm.pcr_read(16)
        assert c.store_volatile() == 0
        e.kill()
    return pcr


def test_resumed_once(kind):
    """A stored volatile state is there until its guest goes on, and not after."""
    with place(kind) as state:
        pcr = suspended(state)
        for name, end in (("killed", lambda e, c: e.kill()),
                          ("stopped", lambda e, c: (c.stop(), e.kill())),
                          ("shut down", lambda e, c: (c.shutdown(), e.wait()))):
            with Vm(state=state) as e:
                c = e.control()
                assert c.init() == 0, e.messages()
                end(e, c)
            tap.ok(True, f"{kind}: resumed and {name} before a command")
        with Vm(state=state) as e:
            c = e.control()
            tap.equal((c.init(), c.data().pcr_read(16)), (0, pcr),
                      f"{kind}: it is resumed when its guest goes on")
            e.kill()
        with Vm(state=state) as e:
            _, tpm = e.start()
            tap.equal(tpm.pcr_read(16), bytes(32), f"{kind}: and not a second time")


def test_new_seeds(kind):
    """A volatile state goes with the seeds of its TPM: with others the TPM must still start."""
    for name, code, handle in (("TPM2_ChangeEPS", CHANGE_EPS, PLATFORM),
                               ("TPM2_ChangePPS", CHANGE_PPS, PLATFORM),
                               ("TPM2_Clear", CLEAR, PLATFORM)):
        for when in ("resumed", "just stored"):
            with place(kind) as state:
                suspended(state)
                with Vm(state=state) as e:
                    c = e.control()
                    assert c.init() == 0, e.messages()
                    tpm = c.data()
                    if when == "just stored":
                        assert tpm.random(4) and c.store_volatile() == 0
                    assert tpm.run(code, (handle,), b"", 1)[0] == 0
                    e.kill()
                with Vm(state=state) as e:
                    tap.ok(e.control().init() == 0,
                           f"{kind}: volatile state {when}, {name}, kill: it starts", e.messages())


for store in ("dir", "file", "slots"):
    for test in (test_old_owner, test_old_owner_again, test_came_to_nothing, test_moved,
                 test_early_look, test_resumed_once, test_new_seeds):
        tap.attempt(test, store)
sys.exit(tap.finish())
