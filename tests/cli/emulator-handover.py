#!/usr/bin/env python3
"""emulator-handover.py - who may go on with a TPM: an old owner that takes its storage back, a
migration that comes to nothing, a stored volatile state after it was resumed.

For every kind of store, TPM 2.0 and TPM 1.2. Nobody writes older state over newer, and a state that a guest has gone
beyond is not resumed.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import hashlib
import os
import sys
import tempfile

import vtpm
from vtpm import Emulator, Tap, Tpm, Tpm12



class Results(Tap):
    """With the kind of TPM in front."""

    def ok(self, condition, description, why=""):
        return super().ok(condition, f"TPM {2 if Guest.tpm2 else 1.2}, {description}", why)


tap = Results()
INDEX = 0x01500010
INDEX12 = 0x00011010
INCOMING = ("--migration", "release-lock-outgoing,incoming")
STALE = "the stored state is not the one that was handed out"
PLATFORM = 0x4000000C
CHANGE_EPS, CHANGE_PPS, CLEAR = 0x124, 0x125, 0x126


@contextlib.contextmanager
def place(kind):
    """What is behind --tpmstate for a store of that kind."""
    with tempfile.TemporaryDirectory(prefix="hf-hand.") as directory:
        yield directory if kind == "dir" else f"{kind}://{directory}/tpm"


class Guest2(Tpm):
    """What these tests do with a TPM: an NV index of 8 bytes, a PCR."""
    tpm2 = True
    nothing = bytes(32)  # of a PCR

    def define(self):
        return self.nv_define(INDEX, 8)

    def write(self, data):
        return self.nv_write(INDEX, data)

    def read(self):
        return self.nv_read(INDEX, 8)

    def extend(self):
        return self.pcr_extend(16)

    def pcr(self):
        return self.pcr_read(16)

    def shut_down_well(self):
        """The clock is safe: it was TPM2_Shutdown that ended the time before."""
        return self.run(0x181)[1][24] == 1

    def send_random(self):
        self.sock.sendall(self.pack(0x17B, parameters=b"\0\4"))


class Guest12(Tpm12):
    """The same with a TPM 1.2."""
    tpm2 = False
    nothing = bytes(20)

    def startup(self):
        return self.startup12()

    def define(self):
        return self.nv_define12(INDEX12, 8)

    def write(self, data):
        return self.nv_write12(INDEX12, data)

    def read(self):
        return self.nv_read12(INDEX12, 8)

    def extend(self):
        return Tpm12.extend(self, 10)

    def pcr(self):
        return Tpm12.pcr(self, 10)

    def shut_down_well(self):
        return True  # a TPM 1.2 has nothing to lose there

    def send_random(self):
        self.sock.sendall(bytes.fromhex("00c10000000e0000004600000004"))


Guest = Guest2  # of the tests that run


class Vm(Emulator):
    """An emulator that locks its state whatever the store."""

    def __init__(self, *more, state, **rest):
        if state.startswith("file://"):
            more += ("--tpmstate", f"backend-uri={state},lock")
        super().__init__(*more, state=state, tpm2=Guest.tpm2, **rest)

    def started(self):
        control = self.control()
        assert control.init() == 0, self.messages()
        tpm = guest(control)
        assert tpm.startup() in (0, 0x100, 0x26)  # resumed
        return control, tpm


def guest(control):
    return Guest(control.data().sock)


def first_owner(state):
    """An emulator whose TPM has an NV index, and whose guest has extended a PCR."""
    one = Vm(state=state)
    c, tpm = one.started()
    assert tpm.define() == 0 and tpm.write(b"from one") == 0
    assert tpm.extend() == 0
    return one, c, tpm


def files(state):
    """Digests of all that is stored."""
    path = state.split("://")[-1]
    names = [path] if os.path.isfile(path) else [os.path.join(path, n) for n in sorted(os.listdir(path))]
    return {n: hashlib.sha256(open(n, "rb").read()).hexdigest() for n in names}


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
        _, tpm = e.started()
        return tpm.read()


def went_on(state, blobs, how):
    """The TPM was used elsewhere meanwhile."""
    two, c = take_over(state, blobs)
    with two:
        tpm = guest(c)
        assert tpm.write(b"from two") == 0
        if how == "killed":
            two.kill()
        else:
            c.shutdown()
            two.wait()


def test_old_owner(kind):
    """Everything with which the old owner could write: refused, with its reason."""
    def by_command(one, c, tpm):
        tpm.send_random()
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
            tap.ok(c.init() == 0 and tpm.startup() == 0 and tpm.read() == b"from two",
                   f"{kind}: INIT of the old owner loads the newer state", one.messages())


def test_came_to_nothing(kind):
    """A migration that ends before the guest runs there: the source goes on."""
    for name, end in (("its target is killed", lambda two, c: two.kill()),
                      ("its target is stopped", lambda two, c: (c.stop(), two.kill())),
                      ("its target is shut down", lambda two, c: (c.shutdown(), two.wait()))):
        with place(kind) as state:
            one, c, tpm = first_owner(state)
            with one:
                pcr = tpm.pcr()
                two, other = take_over(state, hand_out(c))
                with two:
                    end(two, other)
                tap.equal(c.lock_storage(300), 0, f"{kind}: migration to nothing, {name}")
                good = tpm.write(b"goes on!") == 0 and tpm.pcr() == pcr
                tap.ok(good, f"{kind}: and the source goes on", one.messages())
            tap.equal(what_is_stored(state), b"goes on!", f"{kind}: its state is stored")


def test_reset(kind):
    """A guest that is reset where it has come to, before its first command: it goes on with what
    came with it, and nothing is stored by then."""
    for name, goes_on in (("goes on there", True), ("its target is killed", False)):
        with place(kind) as state:
            one, c, tpm = first_owner(state)
            with one:
                blobs = hand_out(c)
                before = files(state)
                two, other = take_over(state, blobs)
                with two:
                    assert (other.stop(), other.init()) == (0, 0), two.messages()
                    tap.equal(files(state), before, f"{kind}: reset before a command: nothing is stored")
                    twin = guest(other)
                    if goes_on:
                        codes = (twin.startup(), twin.read(), twin.pcr())
                        tap.equal(codes, (0, b"from one", Guest.nothing), f"{kind}: {name}")
                        tap.ok(twin.shut_down_well(), f"{kind}: and was shut down before it")
                        assert twin.write(b"after it") == 0
                    two.kill()
                if not goes_on:
                    tap.equal((c.lock_storage(300), tpm.write(b"after it")), (0, 0),
                              f"{kind}: {name}, and the source goes on")
            tap.equal(what_is_stored(state), b"after it", f"{kind}: its state is stored")


def test_early_sets(kind):
    """Blobs are set, the storage is handed out before INIT: INIT takes it again."""
    with place(kind) as state:
        one, c, _ = first_owner(state)
        with one, Vm(*INCOMING, state=state) as two:
            blobs = hand_out(c)
            other = two.control()
            before = files(state)
            codes = [other.set_blob(number, blobs[number]) for number in (1, 2)]
            other.get_blob(vtpm.SAVESTATE)
            tap.equal((codes, other.init(1)), ([0, 0], 0), f"{kind}: SET_STATEBLOB, hand-over, INIT")
            tap.equal(files(state), before, f"{kind}: and nothing is stored")
            tap.equal(guest(other).read(), b"from one", f"{kind}: it runs")


def test_handed_on(kind):
    """A target that hands the TPM on before its guest's first command has changed nothing."""
    with place(kind) as state:
        one, c, _ = first_owner(state)
        with one:
            blobs = hand_out(c)
            before = files(state)
            two, other = take_over(state, blobs)
            with two:
                again = hand_out(other)
                tap.equal(files(state), before, f"{kind}: handed on before a command: nothing is stored")
                three, third = take_over(state, again)
                with three:
                    tap.equal(guest(third).read(), b"from one", f"{kind}: it goes on at the third")
                    three.kill()


def test_saved(kind):
    """A TPM 1.2 that is asleep, with a saved state, comes into a storage of its own, or one that is
    shared: it wakes up there, also after a kill, and can give the saved state up."""
    for shared, how in ((False, "wakes up"), (False, "is killed"), (False, "does not sleep"),
                        (True, "wakes up"), (True, "does not sleep")):
        with place(kind) as state, place(kind) as own:
            where = f"{kind}, {'shared' if shared else 'own'} storage, a TPM with a saved state {how}"
            target = state if shared else own
            one, c, tpm = first_owner(state)
            with one:
                pcr = tpm.pcr()
                assert tpm.save_state() == 0
                blobs = hand_out(c)
                before = files(state)
                two = Vm(*(INCOMING if shared else ()), state=target)
                other = two.control()
                codes = [other.set_blob(number, blobs[number]) for number in (1, 2, 3)]
                tap.equal((codes, other.init(1)), ([0] * 3, 0), where)
                tap.ok(not shared or files(state) == before, f"{where}: nothing is stored yet")
                if how == "is killed":
                    two.kill()
                    two.end()
                    two = Vm(state=target)
                    other = two.control()
                with two:
                    if how != "does not sleep":
                        other.stop()
                        assert other.init() == 0, two.messages()
                    twin = guest(other)
                    if how != "does not sleep":
                        tap.equal(twin.startup12(2), 0, f"{where}: Startup(STATE)")
                    tap.equal((twin.pcr(), twin.write(b"goes on!"), twin.read()), (pcr, 0, b"goes on!"),
                              f"{where}: the TPM goes on")
                    two.kill()


def test_saved_before(kind):
    """A saved state that was stored before another TPM came: it is not woken up with that."""
    with place(kind) as state, place(kind) as own:
        old, _, tpm = first_owner(own)
        with old:
            assert tpm.save_state() == 0
            old.kill()
        one, c, _ = first_owner(state)
        with one:
            two, other = take_over(own, hand_out(c))
            with two:
                tap.equal(guest(other).read(), b"from one", f"{kind}: another TPM comes")
                other.stop()
                assert other.init() == 0, two.messages()
                tap.ok(guest(other).startup12(2) != 0, f"{kind}: the saved state of the one before is gone")


def test_moved(kind):
    """What the new owner has is stored with its first command, whatever that is."""
    with place(kind) as state:
        one, c, tpm = first_owner(state)
        with one:
            pcr = tpm.pcr()
            two, other = take_over(state, hand_out(c))
            with two:
                twin = guest(other)
                tap.equal((twin.pcr(), twin.read()), (pcr, b"from one"),
                          f"{kind}: the TPM has moved")
                tap.equal(other.store_volatile(), 0, f"{kind}: STORE_VOLATILE there")
                two.kill()
        with Vm(state=state) as three:
            control = three.control()
            tap.equal(control.init(), 0, f"{kind}: both states fit")
            tap.equal(guest(control).pcr(), pcr, f"{kind}: and are resumed")


def test_early_look(kind):
    """A target that looked at the state before its owner was done with it."""
    with place(kind) as state:
        one, c, tpm = first_owner(state)
        with one, Vm(*INCOMING, state=state) as two:
            other = two.control()
            assert other.init() == 0, two.messages()
            twin = guest(other)
            assert tpm.write(b"later on") == 0
            c.shutdown()
            one.wait()
            twin.send_random()
            tap.ok(two.wait() == 1 and STALE in two.messages(),
                   f"{kind}: who read the state before it changed does not use it",
                   two.messages())
        tap.equal(what_is_stored(state), b"later on", f"{kind}: the newer state is there")


def suspended(state):
    """A stored volatile state; returns the PCR in it."""
    with Vm(state=state) as e:
        c, tpm = e.started()
        assert tpm.define() == 0 and tpm.extend() == 0
        pcr = tpm.pcr()
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
            tap.equal((c.init(), guest(c).pcr()), (0, pcr),
                      f"{kind}: it is resumed when its guest goes on")
            e.kill()
        with Vm(state=state) as e:
            _, tpm = e.started()
            tap.equal(tpm.pcr(), Guest.nothing, f"{kind}: and not a second time")


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
                    tpm = guest(c)
                    if when == "just stored":
                        assert tpm.random(4) and c.store_volatile() == 0
                    assert tpm.run(code, (handle,), b"", 1)[0] == 0
                    e.kill()
                with Vm(state=state) as e:
                    tap.ok(e.control().init() == 0,
                           f"{kind}: volatile state {when}, {name}, kill: it starts", e.messages())


for Guest in (Guest2, Guest12):
    for store in ("dir", "file", "slots"):
        for test in (test_old_owner, test_old_owner_again, test_came_to_nothing, test_reset,
                     test_early_sets, test_handed_on, test_moved, test_early_look, test_resumed_once):
            tap.attempt(test, store)
        for test in (test_new_seeds,) if Guest.tpm2 else (test_saved, test_saved_before):
            tap.attempt(test, store)
sys.exit(tap.finish())
