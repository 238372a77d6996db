"""soak.py - many TPMs for a long time: $SOAK_SECONDS, $SOAK_VMS, $SOAK_SEED; a short run without.

Mixed load, SIGKILL also in the middle of a command, restarts, power cycles, suspends, migrations.
After each of these the TPM has what was last acknowledged. One in ten is never killed: its memory,
descriptors and threads stay what they were. Prints TAP and, in comments, the figures.

SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))
import vtpm
from vtpm import Emulator, Tap

INDEX = 0x01500000
GROWTH_MAX_KIB = 512
ECC_PRIMARY = vtpm.Tpm.pack(0x131, (vtpm.NULL,), bytes.fromhex(
    "000400000000" "001a" "0023000b00030472000000060080004300100003001000000000" "0000"
    "00000000"), 1)

tap = Tap()
done = collections.Counter()
wrong = []


class Vm:
    def __init__(self, base, number, spared):
        self.base = base
        self.number = number
        self.spared = spared  # never killed
        self.moves = 0
        self.value = 0
        self.pcr = bytes(32)
        self.emulator = None
        self.place()
        self.run()
        self.tpm.nv_define(INDEX, 8)
        self.write()

    def place(self):
        self.state = f"{self.base}/{self.number}.{self.moves}"
        os.mkdir(self.state, 0o700)

    def run(self, *options):
        self.emulator = Emulator(*options, state=self.state)
        self.control = self.emulator.control()
        if not options:
            self.power_on()

    def power_on(self, flags=0):
        result = self.control.init(flags)
        if result:
            raise OSError(f"INIT {result:#x}: {self.emulator.messages()}")
        self.tpm = self.control.data()
        code = self.tpm.startup()
        if code == 0:
            self.pcr = bytes(32)
        elif code != 0x100:
            raise OSError(f"Startup {code:#x}")

    def end(self, number=signal.SIGKILL):
        self.emulator.kill(number)
        self.control.close()
        self.tpm.close()
        self.emulator.end()

    def check(self, *others):
        data = self.tpm.nv_read(INDEX, 8)
        found = struct.unpack(">Q", data)[0] if data else None
        if found not in (self.value, *others):
            wrong.append(f"VM {self.number}: wanted {self.value}, found {found}")
        self.value = found or 0
        pcr = self.tpm.pcr_read(16)
        if pcr != self.pcr:
            wrong.append(f"VM {self.number}: PCR 16 is {pcr.hex()}, wanted {self.pcr.hex()}")

    # What can happen to a VM.

    def write(self):
        self.value += 1
        code = self.tpm.nv_write(INDEX, struct.pack(">Q", self.value))
        if code:
            wrong.append(f"VM {self.number}: NV_Write {code:#x}: {self.emulator.messages()}")

    def load(self):
        self.tpm.random(32)
        self.tpm.pcr_extend(16)
        self.pcr = self.tpm.pcr_read(16)
        self.check()

    def make_key(self):
        response = self.tpm.command(ECC_PRIMARY)
        code, handle = struct.unpack(">II", response[6:14])
        if code or self.tpm.flush(handle):
            wrong.append(f"VM {self.number}: CreatePrimary {code:#x}")

    def ask(self):
        self.control.capability()
        self.control.get_blob(vtpm.PERMANENT)
        client = self.emulator.path and self.control.established()
        if client not in (0, 1):
            wrong.append(f"VM {self.number}: established {client}")

    def cycle(self):
        self.tpm.close()
        self.power_on()
        self.check()

    def kill(self):
        self.end()
        self.run()
        self.check()

    def kill_busy(self):
        number = self.value + 1
        parameters = struct.pack(">HQH", 8, number, 0)
        self.tpm.sock.sendall(vtpm.Tpm.pack(0x137, (vtpm.OWNER, INDEX), parameters, 1))
        if random.random() < 0.5:
            time.sleep(random.random() * 0.002)  # anywhere in the command
        self.end()
        self.run()
        self.check(number)

    def suspend(self):
        result = self.control.store_volatile()
        self.end(random.choice((signal.SIGKILL, signal.SIGTERM)))
        self.emulator = Emulator(state=self.state)
        self.control = self.emulator.control()
        if result:
            wrong.append(f"VM {self.number}: STORE_VOLATILE {result:#x}")
        self.power_on(1)
        self.check()

    def migrate(self):
        blobs = [(kind, self.control.get_blob(kind)) for kind in (1, 2, 3)]
        old, old_state = (self.emulator, self.control, self.tpm), self.state
        self.moves += 1
        self.place()
        self.run("--migration", "incoming")
        for kind, (result, flags, _, blob) in blobs:
            code = self.control.set_blob(kind, blob, flags) if result == 0 else 0
            if code:
                wrong.append(f"VM {self.number}: SET_STATEBLOB {kind}: {code:#x}")
        for part in old:
            part.close() if part is not old[0] else part.kill()
        old[0].end()
        shutil.rmtree(old_state)
        self.power_on()
        self.check()


GENTLE = (("write", 40), ("load", 20), ("make_key", 3), ("ask", 8), ("cycle", 3))
ROUGH = (("kill", 4), ("kill_busy", 4), ("suspend", 3), ("migrate", 3))


def size(vm):
    """Resident KiB that are the process's own, descriptors, threads."""
    pid = vm.emulator.process.pid
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        status = dict(line.split(":", 1) for line in f)
    return (int(status["RssAnon"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")),
            int(status["Threads"]))


def soak(vms, seconds):
    """Random actions until the time is over; sizes of the spared ones, early and late."""
    begun, early = time.monotonic(), None
    while True:
        passed = time.monotonic() - begun
        if early is None and passed > seconds / 5:
            early = {vm: size(vm) for vm in vms if vm.spared}
        if passed > seconds:
            return early, {vm: size(vm) for vm in vms if vm.spared}
        vm = random.choice(vms)
        actions = GENTLE if vm.spared else GENTLE + ROUGH
        action = random.choices([a for a, _ in actions], [w for _, w in actions])[0]
        getattr(vm, action)()
        done[action] += 1


def main():
    seconds, count = (int(os.environ.get(name) or least)
                      for name, least in (("SOAK_SECONDS", 5), ("SOAK_VMS", 10)))
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1 << 32))
    tap.diag(f"{count} TPMs for {seconds} s, seed {seed}")
    random.seed(seed)
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="hf-soak.", dir=memory) as base:
        vms = [Vm(base, i, i % 10 == 0) for i in range(count)]
        early, late = soak(vms, seconds)
        for vm in vms:
            vm.check()
        sizes = [size(vm) for vm in vms]
        for vm in vms:
            vm.end()
    tap.ok(not wrong, f"{sum(done.values())} actions on {count} TPMs: what was acknowledged is there",
           "\n".join(wrong[:20]))
    tap.diag(", ".join(f"{name} {n}" for name, n in sorted(done.items())))
    growth = [late[vm][0] - early[vm][0] for vm in early]
    tap.ok(max(growth) <= GROWTH_MAX_KIB, f"memory of {len(growth)} that were never killed: flat",
           f"grew by {sorted(growth)} KiB")
    tap.diag(f"own resident memory: {min(s[0] for s in sizes)} to {max(s[0] for s in sizes)} KiB; "
             f"growth of the {len(growth)} over four fifths of the time: median "
             f"{sorted(growth)[len(growth) // 2]} KiB, most {max(growth)} KiB")
    tap.equal([early[vm][1:] for vm in early], [late[vm][1:] for vm in early],
              "their descriptors and threads: the same")
    tap.equal({s[1:] for s in sizes}, {sizes[0][1:]}, "and of all TPMs in the end, killed or not")
    tap.diag(f"descriptors and threads of each: {sizes[0][1:]}")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
