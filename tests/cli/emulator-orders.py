#!/usr/bin/env python3
"""emulator-orders.py - control commands in any order, also while a long TPM command runs: each is
answered, the process lives, and what was acknowledged is there at the end.

The orders are random and always the same: a seed each, which is named when something is wrong.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import random
import struct
import sys
import tempfile

import vtpm
from vtpm import Emulator, Tap, Tpm

tap = Tap()
INDEX = 0x01500010
ROUNDS = 25
SEEDS = range(6)


class Life:
    """A TPM with a counter in NV."""

    def __init__(self, state, seed):
        self.state, self.random = state, random.Random(seed)
        self.told = []
        self.emulator = Emulator(state=state)
        self.control, self.tpm = self.emulator.start()
        self.tpm.nv_define(INDEX, 8)
        self.value = 0
        self.write()

    def write(self):
        if self.tpm.nv_write(INDEX, struct.pack(">Q", self.value + 1)) == 0:
            self.value += 1

    def stop(self):
        return self.control.stop()

    def init(self):
        result = self.control.init(self.random.randint(0, 1))
        if self.random.random() < 0.8:
            self.pending(self.tpm.startup)
        return result

    def fetch(self):
        return [self.control.get_blob(kind)[0] for kind in self.random.sample((1, 2, 3), 2)]

    def set(self):
        """What it has, in an order that may be wrong."""
        blobs = {kind: self.control.get_blob(kind) for kind in (1, 2)}
        if any(blob[0] for blob in blobs.values()):
            return None
        self.control.stop()
        order = self.random.choice(((1, 2), (2, 1), (1,), (2,)))
        return [self.control.set_blob(kind, blobs[kind][3]) for kind in order]

    def store(self):
        return self.control.store_volatile()

    def lock(self):
        return self.control.lock_storage(2)

    def measure(self):
        control = self.control
        return (control.hash_start(), control.hash_data(bytes(self.random.randint(0, 9000))),
                control.hash_end())

    def cancel(self):
        return self.control.cancel()

    def kill(self):
        self.emulator.kill()
        self.emulator.end()
        self.emulator = Emulator(state=self.state)
        self.control, self.tpm = self.emulator.start()

    def pending(self, act):
        """After the answer to a long command."""
        if self.running:
            self.tpm.response()
            self.running = False
        act()

    def step(self):
        act = self.random.choice((self.stop, self.init, self.init, self.fetch, self.set, self.store,
                                  self.lock, self.measure, self.cancel, self.write, self.write, self.write,
                                  self.kill, self.kill))
        self.running = act not in (self.write, self.kill) and self.random.random() < 0.5
        self.told.append((act.__name__, self.running))
        if self.running:
            self.tpm.sock.sendall(Tpm.rsa_primary(2048, os.urandom(8)))
        result = act()
        self.told[-1] += (result,)
        self.pending(lambda: None)


def test_orders(kind):
    for seed in SEEDS:
        with tempfile.TemporaryDirectory(prefix="hf-orders.") as directory:
            life = Life(directory if kind == "dir" else f"{kind}://{directory}/tpm", seed)
            problem = None
            try:
                for _ in range(ROUNDS):
                    life.step()
            except (OSError, EOFError) as found:
                problem = repr(found)
            alive = life.emulator.process.poll() is None
            said = life.emulator.messages()
            life.emulator.kill()
            life.emulator.end()
            with Emulator(state=life.state) as e:
                _, tpm = e.start(1)
                found = struct.unpack(">Q", tpm.nv_read(INDEX, 8))[0]
            tap.ok(alive and not problem and found == life.value, f"{kind}: orders of seed {seed}",
                   f"{problem}; {life.value} was written, {found} found; {life.told} {said}")


def test_shutdown(kind):
    """SHUTDOWN while a command runs, and behind every other command."""
    for before in ("stop", "init", "lock_storage", "store_volatile", "hash_start", "cancel"):
        with tempfile.TemporaryDirectory(prefix="hf-orders.") as directory:
            state = directory if kind == "dir" else f"{kind}://{directory}/tpm"
            with Emulator(state=state) as e:
                control, tpm = e.start()
                assert tpm.nv_define(INDEX, 8) == 0 and tpm.nv_write(INDEX, b"precious") == 0
                tpm.sock.sendall(Tpm.rsa_primary(2048, os.urandom(8)))
                getattr(control, before)()
                codes = control.shutdown(), e.wait()
            with Emulator(state=state) as e:
                _, tpm = e.start()
                tap.equal((codes, tpm.nv_read(INDEX, 8)), ((0, 0), b"precious"),
                          f"{kind}: {before}, then SHUTDOWN, while a command runs")


for store in ("dir", "file", "slots"):
    tap.attempt(test_orders, store)
    tap.attempt(test_shutdown, store)
sys.exit(tap.finish())
