"""emulator-device.py - holdfast chardev: a TPM on a pseudo terminal, on inherited descriptors.

What only a guest's kernel can show (the vTPM proxy, CUSE) is in tests/guest.

SPDX-License-Identifier: BSD-3-Clause
"""
import fcntl
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import tty

import vtpm
from vtpm import Control, Tap, Tpm, run, wait_until

tap = Tap()
PROGRAM = os.path.abspath(vtpm.emulator_program())
BASE = tempfile.mkdtemp(prefix="hf-test.")


class DeviceSocket:
    """What Tpm needs of a socket, on a character device."""

    def __init__(self, fd):
        self.fd = fd

    def settimeout(self, _):
        pass

    def sendall(self, data):
        os.write(self.fd, data)

    def recv(self, size):
        if not select.select([self.fd], [], [], vtpm.DEADLINE)[0]:
            raise TimeoutError("no response")
        return os.read(self.fd, size)

    def close(self):
        os.close(self.fd)


class Chardev:
    """`holdfast chardev` with a new state directory."""

    def __init__(self, *options, tpm2=True, fds=(), program=PROGRAM):
        self.base = tempfile.mkdtemp(dir=BASE)
        self.state = os.path.join(self.base, "state")
        os.mkdir(self.state, 0o700)
        self.path = os.path.join(self.base, "control")
        argv = [program, "chardev"] + (["--tpm2"] if tpm2 else [])
        argv += ["--tpmstate", f"dir={self.state}", *options]
        with open(os.path.join(self.base, "log"), "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=fds)

    def control(self):
        def attempt():
            try:
                return Control.unix(self.path)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None:
                    raise RuntimeError("the emulator ended: " + self.said()) from None
                return None
        return wait_until(attempt, "the control socket")

    def said(self):
        with open(os.path.join(self.base, "log"), encoding="utf-8") as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def terminal():
    """A pseudo terminal that changes no byte: (ours, its path)."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    return master, slave, path


def use(tpm, what):
    tap.equal(tpm.startup(), 0, f"{what}: Startup")
    tap.ok(len(tpm.random(20) or b"") == 20, f"{what}: GetRandom")
    tap.equal(tpm.pcr_extend(16), 0, f"{what}: PCR_Extend")
    tap.equal(tpm.nv_define(0x1500001, 8), 0, f"{what}: NV_DefineSpace")
    tap.equal(tpm.nv_write(0x1500001, b"holdfast"), 0, f"{what}: NV_Write")
    tap.equal(tpm.nv_read(0x1500001, 8), b"holdfast", f"{what}: NV_Read")


def test_terminal():
    for how in ("--chardev", "-c", "--fd", "-f"):
        master, slave, path = terminal()
        value = path if how in ("--chardev", "-c") else str(slave)
        with Chardev(how, value, "--flags", "not-need-init", fds=(slave,)) as e:
            what = f"a terminal by {how}"
            use(Tpm(DeviceSocket(master)), what)
            # A command in two pieces, and two commands in one.
            command = Tpm.pack(0x17B, parameters=struct.pack(">H", 8))
            tpm = Tpm(DeviceSocket(master))
            os.write(master, command[:5])
            os.write(master, command[5:])
            tap.equal(len(tpm.response()), 20, f"{what}: a command in two pieces")
            os.write(master, command + command)
            tap.equal([len(tpm.response()), len(tpm.response())], [20, 20],
                      f"{what}: two commands at once")
            os.close(slave)
            os.close(master)
            tap.equal(e.process.wait(vtpm.DEADLINE), 0, f"{what}: the process ends with it")


def test_idle_end():
    """Nobody can shut a device down: the thread that waits for it must still end."""
    for signal, name in ((15, "SIGTERM"), (2, "SIGINT")):
        master, slave, path = terminal()
        with Chardev("-c", path, "--flags", "not-need-init,startup-clear") as e:
            tap.ok(Tpm(DeviceSocket(master)).random(8), f"{name}: the TPM is there")
            e.process.send_signal(signal)
            tap.equal(e.process.wait(vtpm.DEADLINE), 0, f"{name} ends it while it waits")
        os.close(slave)
        os.close(master)


def test_full():
    """A client that takes no answers: the thread that has one to give away must still end."""
    master, slave, path = terminal()
    os.set_blocking(master, False)
    with Chardev("-c", path, "--flags", "not-need-init,startup-clear") as e:
        command = Tpm.pack(0x17B, parameters=struct.pack(">H", 64))
        waiting = []

        def full():
            try:
                while True:
                    os.write(master, command)
            except BlockingIOError:
                waiting.append(fcntl.ioctl(master, termios.FIONREAD, bytes(4)))
            return len(waiting) > 10 and waiting[-10:].count(waiting[-1]) == 10

        wait_until(full, "the terminal to be full both ways")
        e.process.send_signal(15)
        tap.equal(e.process.wait(vtpm.DEADLINE), 0, "SIGTERM ends it while it has an answer to write")
    os.close(slave)
    os.close(master)


def test_control():
    master, slave, path = terminal()
    with Chardev("-c", path, "--ctrl", "type=unixio,path=" + os.path.join(BASE, "ctl"),
                 "--locality", "allow-set-locality") as e:
        e.path = os.path.join(BASE, "ctl")
        control, tpm = e.control(), Tpm(DeviceSocket(master))
        tap.equal(tpm.startup(), 0x101, "before INIT the TPM answers with a failure")
        tap.equal(control.init(), 0, "INIT")
        tap.equal(tpm.startup(), 0, "then it works")
        tap.ok(control.capability() & 0x9000 == 0x9000, "its capabilities are those of the sockets")
        ours, theirs = socket.socketpair()
        tap.equal(control.set_datafd(theirs.fileno()), 0x1F, "SET_DATAFD: there is a data channel")
        ours.close()
        theirs.close()
        # Cancel while the data thread makes a key; then it answers again.
        os.write(master, Tpm.rsa_primary(2048))
        control.cancel()
        code = struct.unpack(">I", tpm.response()[6:10])[0]
        tap.ok(code in (0, 0x909), "a command can be cancelled", hex(code))
        tap.equal(control.shutdown(), 0, "SHUTDOWN")
        tap.equal(e.process.wait(vtpm.DEADLINE), 0, "ends the process")
        tap.ok(not os.path.exists(e.path), "and its socket is gone")
    os.close(slave)
    os.close(master)


def test_set_locality():
    """The command with which the kernel's proxy sets the locality."""
    cases = [(True, 0x20001000, True, 0, 0x107, 0x9A), (True, 0x20001000, False, 0x101, 0x101, 0x101),
             (False, 0x20001000, True, 0, 0x3D, 0x19), (False, 0x50001000, True, 0, 0x3D, 0x19),
             (False, 0x20001000, False, 9, 9, 9)]
    for tpm2, ordinal, allowed, good, above, short in cases:
        ours, theirs = socket.socketpair()
        options = ("--locality", "allow-set-locality") if allowed else ()
        what = f"TPM {2 if tpm2 else 1.2}, {ordinal:#x}, {'' if allowed else 'not '}allowed"
        with Chardev("--fd", str(theirs.fileno()), "--ctrl",
                     f"type=unixio,path={BASE}/c{len(os.listdir(BASE))}", *options, tpm2=tpm2,
                     fds=(theirs.fileno(),)):
            theirs.close()
            tpm = Tpm(ours)

            def send(body, ordinal=ordinal, tpm2=tpm2, tpm=tpm):
                head = struct.pack(">HII", 0x8002 if tpm2 else 0xC1, 10 + len(body), ordinal)
                return struct.unpack(">I", tpm.command(head + body)[6:10])[0]
            tap.equal(send(b"\3"), good, f"SetLocality ({what}): before INIT already")
            tap.equal(send(b"\5"), above, f"SetLocality ({what}): 5")
            tap.equal(send(b""), short, f"SetLocality ({what}): without a locality")
            ours.close()


def test_socket_fd():
    for tpm2 in (True, False):
        ours, theirs = socket.socketpair()
        with Chardev("--fd", str(theirs.fileno()), "--flags", "startup-clear",
                     fds=(theirs.fileno(),), tpm2=tpm2) as e:
            theirs.close()
            tpm = Tpm(ours)
            command = tpm.pack(0x17B, parameters=b"\0\x10")
            if not tpm2:
                command = bytes.fromhex("00c10000000e0000004600000010")
            response = tpm.command(command)
            tap.equal((response[6:10], len(response) > 20), (b"\0\0\0\0", True),
                      f"a socket by --fd, {'TPM 2' if tpm2 else 'TPM 1.2'}")
            ours.close()
            tap.equal(e.process.wait(vtpm.DEADLINE), 0, "its end is the end of the process")


def refuse(code, pattern, *options, interface="chardev", **more):
    state = tempfile.mkdtemp(dir=BASE)
    result = run(PROGRAM, interface, "--tpm2", "--tpmstate", f"dir={state}", *options, **more)
    tap.ok(result.returncode == code and re.search(pattern, result.stderr) and
           not os.listdir(state), f"refused: {interface} {' '.join(options)}",
           f"exit {result.returncode}: {result.stderr}")


def test_refusals():
    init = ("--flags", "not-need-init")
    regular = os.path.join(BASE, "regular")
    with open(regular, "wb"):
        pass
    refuse(2, "nothing to serve: --chardev, --fd or --vtpm-proxy", *init)
    refuse(2, "never be started", "-c", "/dev/null")
    refuse(2, "exclude each other", "-c", "/dev/null", "--fd", "7", *init)
    refuse(2, "exclude each other", "-c", "/dev/null", "--vtpm-proxy", *init)
    refuse(1, "No such file", "-c", "/dev/nothing-of-this-name", *init)
    refuse(1, "expected a character device, found a regular file", "-c", regular, *init)
    refuse(1, "directory", "-c", BASE, *init)
    refuse(1, "Bad file descriptor", "--fd", "97", *init)
    refuse(2, "--fd", "--fd", "2", *init)
    refuse(2, "--terminate", "-c", "/dev/null", "--terminate", *init)
    refuse(2, "--port", "-c", "/dev/null", "--port", "1", *init)
    refuse(2, "--chardev", "--chardev", "/dev/null", *init, interface="socket")
    refuse(2, "--vtpm-proxy", "--vtpm-proxy", interface="socket")
    with open(regular, "rb") as f:
        refuse(1, "expected a character device or a socket, found a regular file", "--fd",
               str(f.fileno()), *init, pass_fds=(f.fileno(),))
    if os.path.exists("/dev/vtpmx"):
        tap.skip("refused: no vTPM proxy", "this machine has one")
    else:
        refuse(1, "/dev/vtpmx: No such file.*tpm_vtpm_proxy|/dev/vtpmx.*module", "--vtpm-proxy")


def test_capabilities():
    def features(interface):
        result = run(PROGRAM, interface, "--tpm2", "--print-capabilities")
        return result.returncode, json.loads(result.stdout or "{}").get("features", [])
    code, words = features("chardev")
    tap.equal((code, words), features("socket"), "chardev: the capabilities of socket")
    link = os.path.join(BASE, "swtpm")
    os.symlink(PROGRAM, link)
    commands = run(PROGRAM, "--help").stdout
    if re.search(r"^  cuse ", commands, re.M):
        code, words = features("cuse")
        tap.equal(code, 0, "cuse: it prints its capabilities")
        tap.ok("tpm-send-command-header" not in words and "tpm-2.0" in words,
               "without the header of the TCG", words)
        state = tempfile.mkdtemp(dir=BASE)
        for program, usage in ((PROGRAM, 2), (link, 1)):
            for options, wanted, pattern in [
                    ((), usage, "--name NAME is missing"),
                    (("-n", "a/b"), usage, "expected a name of letters"),
                    (("-n", ".."), usage, "expected a name of letters"),
                    (("-n", ""), usage, "--name"),
                    (("-n", "x" * 101), usage, "expected a name of letters"),
                    (("-n", "x\nDEVNAME=y"), usage, "expected a name of letters"),
                    (("-n", "x", "--maj", "512"), usage, "--maj"),
                    (("-n", "x", "-M", "-1"), usage, "-M|--maj"),
                    (("-n", "x", "--min", "1048576"), usage, "--min"),
                    (("-n", "x", "--ctrl", "type=tcp,port=1"), usage, "--ctrl"),
                    (("-n", "null"), 1, "/dev/null: is there already")]:
                r = run(program, "cuse", "--tpm2", "--tpmstate", f"dir={state}", *options)
                tap.ok(r.returncode == wanted and re.search(pattern, r.stderr),
                       f"{os.path.basename(program)} refused: cuse {options!r}",
                       f"exit {r.returncode}: {r.stderr}")
        if os.path.exists("/dev/cuse"):
            tap.skip("cuse without CUSE", "this machine has /dev/cuse")
        else:
            r = run(PROGRAM, "cuse", "--tpmstate", f"dir={state}", "-n", "hf-no-such")
            tap.ok(r.returncode == 1 and "/dev/cuse" in r.stderr, "cuse without CUSE", r.stderr)
    else:
        for program, code in ((PROGRAM, 2), (link, 1)):
            r = run(program, "cuse", "--name", "x")
            tap.ok(r.returncode == code and "Unsupported TPM interface type 'cuse'." in r.stderr,
                   f"{os.path.basename(program)} built without libfuse says so as swtpm does", r.stderr)


try:
    for test in (test_terminal, test_idle_end, test_full, test_control, test_set_locality,
                 test_socket_fd, test_refusals, test_capabilities):
        test()
finally:
    shutil.rmtree(BASE, ignore_errors=True)
sys.exit(tap.finish())
