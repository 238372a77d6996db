#!/usr/bin/python3
"""attack-bus.py - a man in the middle of the host TPM's bus, at every command of every act.

The acts of an authority: it is made, it introduces itself, it answers a challenge, it moves the
generation on, it signs the certificates of a virtual TPM. For each command that an act sends, the
man flips bits of it or of its answer, lets the line go dead, answers "done" himself, plays an
answer of an earlier run, or asks for patience. Each time the act must end, by itself and soon; and
what it says it has done must be done indeed, as the CA, OpenSSL or the TPM itself sees it.

What goes over the bus is also read: the secret of a challenge must not be in it.

Must not: take our own word for a success.
SPDX-License-Identifier: BSD-3-Clause
"""
import glob
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

import tpmbus
from vtpm import Tap, wait_until

NO_SESSIONS, SESSIONS = 0x8001, 0x8002
FLUSH, GET_CAPABILITY, ACTIVATE = 0x165, 0x17A, 0x147
CASE_LIMIT = 60  # seconds, for a machine under load; an act takes less than one

top = os.environ.get("top_builddir", os.getcwd())
programs = {name: os.environ.get("HOLDFAST_" + name.upper(), f"{top}/holdfast-{name}")
            for name in ("authority", "ca", "setup")}
tap = Tap()
random.seed(20)


class Man(tpmbus.Meddler):
    """Does one thing to one command."""

    def __init__(self, kind="nothing", at=-1, recorded=None):
        super().__init__()
        self.kind, self.at, self.recorded, self.done = kind, at, recorded, False

    @staticmethod
    def flipped(data, first):
        data = bytearray(data)
        data[random.randrange(first, len(data))] ^= 1 << random.randrange(8)
        return bytes(data)

    def command(self, n, command):
        if n != self.at or self.done:
            return command
        if self.kind == "command flipped":
            self.done = True
            return self.flipped(command, 10) if len(command) > 10 else command
        if self.kind in ("line cut before", "done by nobody", "done by nobody, with a session",
                         "patience asked for"):
            self.done = True
            return None
        return command

    def forged(self, n, command):
        if self.kind == "done by nobody":
            return tpmbus.refusal(0)
        if self.kind == "done by nobody, with a session":
            session = struct.pack(">H32sBH32s", 32, bytes(32), 1, 32, bytes(32))
            return struct.pack(">HIII", SESSIONS, 14 + len(session), 0, 0) + session
        return tpmbus.refusal(tpmbus.RETRY) if self.kind == "patience asked for" else None

    def answer(self, n, command, answer):
        if n != self.at or self.done:
            return answer
        self.done = True
        if self.kind == "answer flipped" and len(answer) > 10:
            return self.flipped(answer, 10)
        if self.kind == "answer cut off" and len(answer) > 11:
            size = random.randrange(10, len(answer) - 1)
            return answer[:2] + struct.pack(">I", size) + answer[6:size]
        if self.kind == "line cut after":
            return None
        if self.kind == "old answer" and n < len(self.recorded):
            return self.recorded[n][1]
        return answer


KINDS = ("answer flipped", "command flipped", "answer cut off", "line cut before",
         "line cut after", "done by nobody", "done by nobody, with a session", "old answer",
         "patience asked for")


class World:
    """A host with its TPM behind the bus, a CA, and an authority that has been approved."""

    def __init__(self, directory):
        self.directory = directory
        os.chdir(directory)
        os.mkdir("tpm")
        self.tpm = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", "dir=tpm",
             "--server", "type=unixio,path=tpm/sock", "--ctrl", "type=unixio,path=tpm/sock.ctrl",
             "--flags", "not-need-init,startup-clear"], stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists("tpm/sock") and os.path.exists("tpm/sock.ctrl"),
                   "the host TPM")
        self.honest = "swtpm:path=" + os.path.abspath("tpm/sock")
        self.bus = tpmbus.Bus("bus", os.path.abspath("tpm/sock"), Man())
        self.watched = "swtpm:path=" + os.path.abspath("bus/sock")
        self.must("authority", "approver-key", "approver.key")
        self.must("authority", "init", "--dir", "A", "--tcti", self.honest,
                  "--approver-public", "approver.key.pub")
        self.must("authority", "approve", "--dir", "A", "--approver-key", "approver.key")
        self.must("ca", "init", "--dir", "C")
        with open("values", "w", encoding="ascii") as f:
            f.write(self.must("authority", "pcrs", "--dir", "A"))
        self.ek = self.status("A")["host-ek"]

    def close(self):
        self.tpm.terminate()
        self.tpm.wait()

    @staticmethod
    def run(program, *arguments, limit=CASE_LIMIT):
        return subprocess.run([programs[program], *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=limit, check=False)

    def must(self, program, *arguments):
        done = self.run(program, *arguments)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def status(self, directory):
        done = self.run("authority", "status", "--dir", directory, "--tcti", self.honest, "--json")
        return json.loads(done.stdout)

    def tidy(self):
        """No object and no session of a run that ended early stays in the TPM."""
        with socket.socket(socket.AF_UNIX) as tpm:
            tpm.connect("tpm/sock")

            def ask(body):
                tpm.sendall(struct.pack(">HI", NO_SESSIONS, 6 + len(body)) + body)
                return tpmbus.message(tpm)

            for kind in 0x80000000, 0x02000000, 0x03000000:
                answer = ask(struct.pack(">IIII", GET_CAPABILITY, 1, kind, 64))
                count = struct.unpack(">I", answer[15:19])[0]
                for handle in struct.unpack(f">{count}I", answer[19:19 + 4 * count]):
                    if kind != 0x80000000:
                        handle = handle & 0xFFFFFF | (0x02000000 if kind == 0x02000000 else
                                                      handle & 0xFF000000)
                    ask(struct.pack(">II", FLUSH, handle))


class Act:
    """One thing that an authority does, and how to see whether it was done."""

    name = ""

    def __init__(self, world):
        self.world = world

    def arguments(self):
        raise NotImplementedError

    def prepare(self):
        pass

    def held(self):
        """None, or what is wrong although the program said "done"."""
        raise NotImplementedError

    def refused(self):
        """None, or what is wrong although the program said that it failed."""
        return None

    def run(self, man):
        self.world.bus.meddler = man
        self.prepare()
        try:
            done = self.world.run(*self.arguments())
        except subprocess.TimeoutExpired:
            return None, "did not end"
        finally:
            self.world.tidy()
        if done.returncode not in (0, 1):
            return done, f"ended with {done.returncode}: {done.stderr}"
        if done.returncode == 1 and not done.stderr.strip() and not done.stdout.strip():
            return done, "failed without a word"
        wrong = self.held() if done.returncode == 0 else self.refused()
        return done, wrong and f"{wrong} (exit {done.returncode}: {done.stderr.strip()})"


class Init(Act):
    name = "init"

    def prepare(self):
        shutil.rmtree("I", ignore_errors=True)

    def arguments(self):
        return ("authority", "init", "--dir", "I", "--tcti", self.world.watched,
                "--approver-public", "approver.key.pub")

    def held(self):
        status = self.world.status("I")
        codes = [problem["code"] for problem in status["problems"]]
        if codes != ["no-approval", "no-certificate"]:
            return f"the authority is not what a new one is: {codes}"
        told = {key: status.get(key) for key in ("host-ek", "host-tpm")}
        true = {key: self.world.status("A").get(key) for key in told}
        return None if told == true else f"it believes of the TPM: {told}, not {true}"

    def refused(self):
        return "a half-made authority stayed" if os.path.exists("I/manifest.json") else None


class Introduce(Act):
    name = "request"

    def prepare(self):
        if os.path.exists("introduction"):
            os.unlink("introduction")

    def arguments(self):
        return ("authority", "request", "--dir", "A", "--tcti", self.world.watched,
                "--out", "introduction")

    def held(self):
        done = self.world.run("ca", "challenge", "--dir", "C", "--request", "introduction",
                              "--ek-digest", self.world.ek, "--out", "c")
        return None if done.returncode == 0 else f"the CA refuses it: {done.stderr.strip()}"

    def refused(self):
        return "something was written" if os.path.exists("introduction") else None


class Respond(Act):
    name = "respond"

    def __init__(self, world):
        super().__init__(world)
        world.must("authority", "request", "--dir", "A", "--tcti", world.honest, "--out", "i")
        for old in glob.glob("C/nonces/*"):
            os.unlink(old)
        world.must("ca", "challenge", "--dir", "C", "--request", "i", "--ek-digest", world.ek,
                   "--out", "challenge")
        with open(glob.glob("C/nonces/*")[0], encoding="ascii") as f:
            self.secret = bytes.fromhex(json.load(f)["secret"])

    def prepare(self):
        if os.path.exists("response"):
            os.unlink("response")

    def arguments(self):
        return ("authority", "respond", "--dir", "A", "--tcti", self.world.watched,
                "--challenge", "challenge", "--out", "response")

    def held(self):
        shutil.rmtree("C2", ignore_errors=True)
        shutil.copytree("C", "C2")
        done = self.world.run("ca", "delegate", "--dir", "C2", "--request", "response",
                              "--approver-public", "approver.key.pub",
                              "--approved-pcrs", "values", "--out", "vma.pem")
        return None if done.returncode == 0 else f"the CA refuses it: {done.stderr.strip()}"

    def refused(self):
        return "something was written" if os.path.exists("response") else None


class Bump(Act):
    name = "bump-generation"

    def prepare(self):
        self.before = self.world.status("A")["generation"]

    def arguments(self):
        return ("authority", "bump-generation", "--dir", "A", "--tcti", self.world.watched,
                "--approver-key", "approver.key")

    def held(self):
        after = self.world.status("A")["generation"]
        return None if after == self.before + 1 else f"generation {self.before} became {after}"


class Setup(Act):
    """The certificates of a virtual TPM: P-256 only, so that it is quick."""

    name = "holdfast-setup"

    def __init__(self, world):
        super().__init__(world)
        world.must("authority", "approve", "--dir", "A", "--approver-key", "approver.key")
        world.must("authority", "request", "--dir", "A", "--tcti", world.honest, "--out", "i")
        world.must("ca", "challenge", "--dir", "C", "--request", "i", "--ek-digest", world.ek,
                   "--out", "challenge")
        world.must("authority", "respond", "--dir", "A", "--challenge", "challenge",
                   "--out", "response")
        world.must("ca", "delegate", "--dir", "C", "--request", "response", "--approver-public",
                   "approver.key.pub", "--approved-pcrs", "values", "--out", "vma.pem")
        world.must("authority", "install-certificate", "--dir", "A", "vma.pem")

    def prepare(self):
        shutil.rmtree("vm", ignore_errors=True)
        os.mkdir("vm")

    def arguments(self):
        return ("setup", "--tpm2", "--tpmstate", "vm", "--create-ek-cert", "--ecc",
                "--authority", "A", "--tcti", self.world.watched,
                "--write-ek-cert-files", "vm")

    def held(self):
        for path in glob.glob("vm/*.crt") + glob.glob("vm/*.pem"):
            done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", "C/root.pem",
                                   "-untrusted", "vma.pem", path], capture_output=True, text=True,
                                  check=False)
            if done.returncode == 0:
                return None
            return f"{path}: {done.stderr.strip()}"
        return "no certificate was written"

    def refused(self):
        left = [name for name in os.listdir("vm") if not name.startswith(".")]
        return f"left behind: {left}" if left else None


def attack(act):
    honest = Man()
    done, wrong = act.run(honest)
    tap.ok(done and done.returncode == 0 and not wrong, f"{act.name}: works over an honest bus",
           wrong or (done and done.stderr))
    recorded = list(honest.seen)
    again = Man()
    act.run(again)
    tap.ok(recorded and abs(len(recorded) - len(again.seen)) <= 1,
           f"{act.name}: {len(recorded)} commands each time")
    for kind in KINDS:
        failures, refused = [], 0
        for at in range(len(recorded)):
            done, wrong = act.run(Man(kind, at, recorded))
            if kind == "patience asked for" and not wrong and done.returncode != 0:
                wrong = f"gave up: {done.stderr.strip()}"
            if wrong:
                failures.append(f"command {at} ({tpmbus.code_of(recorded[at][0]):#x}): {wrong}")
            refused += bool(done and done.returncode)
        tap.ok(not failures, f"{act.name}: {kind}: {len(recorded)} times, {refused} refused",
               "\n".join(failures[:5]))
    return recorded


def main():
    missing = [name for name in ("swtpm", "openssl") if not shutil.which(name)]
    if missing:
        print(f"1..0 # SKIP {' '.join(missing)} not installed")
        return
    with tempfile.TemporaryDirectory(prefix="hf-test.") as directory:
        world = World(directory)
        try:
            only = sys.argv[1:]
            for kind in Init, Introduce, Respond, Bump, Setup:
                act = kind(world)
                if only and act.name not in only:
                    continue
                recorded = attack(act)
                if isinstance(act, Respond):
                    bus = b"".join(c + a for c, a in recorded)
                    tap.ok(act.secret not in bus, "the secret of the challenge is not on the bus")
                    tap.ok(any(tpmbus.code_of(c) == ACTIVATE for c, _ in recorded),
                           "though it was opened there")
        finally:
            os.chdir("/")
            world.close()
    tap.finish()


main()
