"""swtpm-emulator.py - the emulator under the name swtpm, where swtpm's own test suite and scripts look closely.

Log shape, defaults of --server, descriptors of other kinds, the pid file of --pid fd=, results of INIT.

SPDX-License-Identifier: BSD-3-Clause
"""
import fcntl
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile

import vtpm
from vtpm import Emulator, Tap, Tpm, run, wait_until

tap = Tap()
BASE = tempfile.mkdtemp(prefix="hf-test.")
SWTPM = os.path.join(BASE, "swtpm")
os.symlink(os.path.abspath(vtpm.emulator_program()), SWTPM)
GET_RANDOM = Tpm.pack(0x17B, parameters=struct.pack(">H", 8))


def dumps(lines, title):
    """The bytes of every hex dump with this title."""
    found, at = [], None
    for line in lines:
        begin = re.fullmatch(rf" {re.escape(title)} length (\d+)", line)
        if begin:
            found.append(b"")
            at = int(begin.group(1))
        elif at and re.fullmatch(r" (?:[0-9A-F]{2} )+", line):
            found[-1] += bytes.fromhex(line)
            at -= len(bytes.fromhex(line))
        else:
            at = None
    return found


def logged(level, program):
    path = os.path.join(BASE, "log")
    if os.path.exists(path):
        os.unlink(path)
    with Emulator("--log", f"file={path},level={level}", program=program) as e:
        control, tpm = e.start()
        answer = tpm.command(GET_RANDOM)
        control.get_blob(1)
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines(), answer


def test_log():
    lines, answer = logged(2, SWTPM)
    tap.ok(GET_RANDOM in dumps(lines, "SWTPM_IO_Read:"), "level 2: commands in hex, in swtpm's shape")
    tap.ok(answer in dumps(lines, "SWTPM_IO_Write:"), "level 2: and responses")
    tap.ok(struct.pack(">II", 2, 0) in dumps(lines, "Ctrl Cmd:"), "level 2: control commands")
    tap.equal({len(d) for d in dumps(lines, "Ctrl Rsp:")}, {4, 16}, "level 2: and results, a blob's without its seeds")
    lines, _ = logged(1, SWTPM)
    tap.equal([s for s in lines if s.startswith(" ")], [], "level 1: nothing of it")
    path = os.path.join(BASE, "log12")
    with Emulator("--log", f"file={path},level=20", tpm2=False, program=SWTPM) as e:
        e.control().init()
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    counts = [sum(re.match(" " * n + "[^ ]", s) is not None for s in lines) for n in range(1, 8)]
    tap.ok(counts[0] > 0 and sum(counts[3:]) > 0, "level 20: the library's messages have four blanks and more", counts)
    lines, _ = logged(4, None)
    tap.equal(dumps(lines, "SWTPM_IO_Read:") + dumps(lines, "Ctrl Cmd:"), [],
              "under our own name no level shows what may hold secrets")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_server():
    port = free_port()
    with Emulator("--server", f"port={port},disconnect=true", program=SWTPM) as e:
        e.control().init()
        tpm = Tpm.tcp(port)
        tap.equal(tpm.startup(), 0, "--server without a type is tcp")
    result = run(SWTPM, "socket", "--tpmstate", f"dir={BASE}", "--ctrl", "path=/x")
    tap.ok(result.returncode == 1 and "type is missing" in result.stderr, "--ctrl without a type is refused")
    result = run(SWTPM, "socket", "--tpmstate", f"dir={BASE}", "--ctrl", f"type=unixio,path={BASE}/c", "--server",
                 f"path={BASE}/d")
    tap.ok(result.returncode == 1 and "type=unixio" in result.stderr, "a path without a type is refused")


def test_descriptors():
    master, slave = os.openpty()
    with Emulator("--fd", str(master), pass_fds=(master,), program=SWTPM) as e:
        tap.equal(e.control().init(), 0, "--fd takes a character device")
    os.close(master)
    os.close(slave)
    with open(os.path.join(BASE, "plain"), "wb") as f:
        result = run(SWTPM, "socket", "--tpmstate", f"dir={BASE}", "--ctrl", f"type=unixio,path={BASE}/c", "--fd",
                     str(f.fileno()), pass_fds=(f.fileno(),))
    tap.ok(result.returncode == 1 and "stream socket" in result.stderr, "but no regular file")
    pid = os.path.join(BASE, "pid")
    with open(pid, "wb") as f:
        e = Emulator("--pid", f"fd={f.fileno()}", pass_fds=(f.fileno(),), program=SWTPM)
    with e:
        wait_until(lambda: os.path.getsize(pid) > 0, "the pid file")
        with open(pid, encoding="ascii") as f:
            tap.equal(f.read(), str(e.process.pid), "--pid fd= has the process number")
        e.control().shutdown()
        tap.equal(e.wait(), 0, "SHUTDOWN ends it")
        tap.ok(not os.path.exists(pid), "and the file that was inherited is gone")
    read, write = os.pipe()
    with Emulator("--pid", f"fd={write}", pass_fds=(write,), program=SWTPM) as e:
        os.close(write)
        tap.equal(os.read(read, 99).decode(), str(e.process.pid), "--pid fd= may be a pipe")
    os.close(read)


def test_nothing_to_do():
    """What swtpm starts with, though it is of no use: a signal ends it."""
    for what, options, said in (("no channel", ("--flags", "not-need-init,startup-clear"), "nothing to serve"),
                                ("port 0", ("--port", "0", "--flags", "not-need-init"), "nothing to serve"),
                                ("no way to INIT", ("--server", f"type=unixio,path={BASE}/d"), "never be started")):
        state = tempfile.mkdtemp(dir=BASE)
        pid = os.path.join(state, "pid")
        with subprocess.Popen((SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--pid", f"file={pid}",
                               "--locality", "", "--log", "", *options), stderr=subprocess.PIPE, text=True) as emulator:
            wait_until(lambda path=pid: os.path.exists(path) and os.path.getsize(path) > 0, "the pid file")
            if "--flags" in options:
                wait_until(lambda path=state: "tpm2-00.permall" in os.listdir(path), "the TPM")
            emulator.terminate()
            tap.equal(emulator.wait(60), 0, f"{what}: runs until a signal comes")
            tap.ok(said in emulator.stderr.read(), f"{what}: says so")
            tap.ok(not os.path.exists(pid), f"{what}: the pid file goes")


def test_standard_output():
    """The log on standard output, as tpm2-tss has its emulator."""
    state = tempfile.mkdtemp(dir=BASE)
    with subprocess.Popen((SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--log", "fd=1,level=1000", "--ctrl",
                           f"type=unixio,path={state}/c"), stdout=subprocess.PIPE, text=True) as emulator:
        wait_until(lambda: os.path.exists(f"{state}/c"), "the socket")
        control = vtpm.Control.unix(f"{state}/c")
        tap.equal((control.init(), control.shutdown()), (0, 0), "--log fd=1: INIT, SHUTDOWN")
        tap.ok("Ctrl Cmd: length" in emulator.stdout.read(), "what it does is told on standard output")


def capabilities(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return {line.split()[0][3:-1]: int(line.split()[1], 16) for line in f if line.startswith("Cap")}


def test_another_user():
    """Root works in a directory, and with files, of another user."""
    if os.geteuid() != 0:
        tap.skip("root in another user's directory", "not root")
        return
    override = 1 << 1
    without = ("setpriv", "--bounding-set", "-dac_override")
    for what, theirs, wanted in (("its own directory", (), 0), ("another user's directory", ("",), override),
                                 ("another user's file", ("tpm2-00.permall",), override)):
        state = tempfile.mkdtemp(dir=BASE)
        options = ("--pid", f"file={state}/pid", "--ctrl", f"type=unixio,path={state}/c")
        for attempt in range(2):
            if attempt == 1:
                for name in theirs:
                    path = os.path.join(state, name)
                    os.chown(path, 65534, 65534)
                    os.chmod(path, 0o700 if name == "" else 0o600)
            with subprocess.Popen((SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", *options)) as emulator:
                wait_until(lambda path=f"{state}/pid": os.path.exists(path), "the pid file")
                control = vtpm.Control.unix(f"{state}/c")
                tap.equal(control.init(), 0, f"{what}, {attempt}: INIT")
                sets = capabilities(emulator)
                kept = wanted if attempt == 1 else 0
                tap.equal(sets, {"Inh": 0, "Prm": kept, "Eff": kept, "Bnd": 0, "Amb": 0}, f"{what}: capabilities")
                tap.equal((control.init(), control.store_volatile(), control.shutdown()), (0, 0, 0), f"{what}: it writes")
            tap.equal(sorted(os.listdir(state)), [".lock", "tpm2-00.permall", "tpm2-00.volatilestate"], f"{what}: it tidies up")
        if "" in theirs:
            result = run(*without, SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "not-need-init")
            tap.ok(result.returncode == 1 and "--runas" in result.stderr, f"{what}: root without that capability is refused",
                   result.stderr)


def test_farewell():
    """Who has the answer to SHUTDOWN can start the next one: nothing is left."""
    port = free_port()
    state = tempfile.mkdtemp(dir=BASE)
    left, results = [], set()
    for _ in range(20):
        with subprocess.Popen((SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--pid", f"file={state}/pid",
                               "--server", f"type=tcp,port={port}", "--ctrl", f"type=unixio,path={state}/c",
                               "--flags", "startup-clear")) as emulator:
            wait_until(lambda: os.path.exists(f"{state}/pid"), "the pid file")
            control = vtpm.Control.unix(f"{state}/c")
            client = socket.create_connection(("127.0.0.1", port))
            control.send(vtpm.SHUTDOWN)
            results.add(control.result())
            left += [name for name in os.listdir(state) if name in ("pid", "c")]
            with open(f"{state}/.lock", "rb+") as lock:
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    left.append("lock")
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                left.append("port")
            except ConnectionRefusedError:
                pass
            client.close()
            results.add(emulator.wait(60))
    tap.equal(results, {0}, "SHUTDOWN, twenty times")
    tap.equal(left, [], "after SHUTDOWN's answer there is no socket, pid file or lock")


def test_messages():
    """Sockets of messages, as swtpm takes them: a message is a command, another the response."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        control, theirs = socket.socketpair(socket.AF_UNIX, kind)
        data, others = socket.socketpair(socket.AF_UNIX, kind)
        state = tempfile.mkdtemp(dir=BASE)
        fds = (theirs.fileno(), others.fileno())
        with subprocess.Popen((SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl",
                               f"type=unixio,clientfd={fds[0]}", "--fd", str(fds[1])), pass_fds=fds) as emulator:
            control.settimeout(60)
            data.settimeout(60)
            control.send(struct.pack(">II", 2, 0))
            tap.equal(control.recv(99), bytes(4), f"{kind.name}: INIT")
            for _ in range(2):
                data.send(Tpm.pack(0x144, parameters=bytes(2)))
                tap.ok(data.recv(4096)[6:] in (bytes(4), struct.pack(">I", 0x100)), f"{kind.name}: a command")
            control.send(struct.pack(">I", 3))
            tap.equal(control.recv(99), bytes(4), f"{kind.name}: SHUTDOWN")
            tap.equal(emulator.wait(60), 0, f"{kind.name}: which ends it")
        for end in (control, theirs, data, others):
            end.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        result = run(SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={BASE}", "--flags", "not-need-init", "--fd",
                     str(udp.fileno()), pass_fds=(udp.fileno(),))
    tap.ok(result.returncode == 1 and "stream socket" in result.stderr, "but no UDP", result.stderr)


def test_init():
    """What INIT answers for state that cannot be read: swtpm's results."""
    keys = {"right": "00" * 16, "wrong": "11" * 16, "long": "00" * 32}
    for name, text in keys.items():
        with open(os.path.join(BASE, name), "w", encoding="ascii") as f:
            f.write(text)
    right, wrong = (f"file={BASE}/{name}" for name in ("right", "wrong"))
    long = f"file={BASE}/long,mode=aes-256-cbc"
    for tpm2, results in ((False, (0x21, 0x28, 9)), (True, (0x101,) * 3)):
        state = tempfile.mkdtemp(dir=BASE)
        with Emulator("--key", right, state=state, tpm2=tpm2) as e:
            e.control().init()
        for what, options, wanted in (("another key", ("--key", wrong), results[0]),
                                      ("a key of another size", ("--key", long), results[1]),
                                      ("no key", (), results[2])):
            with Emulator(*options, state=state, tpm2=tpm2) as e:
                tap.equal(e.control().init(), wanted, f"INIT, TPM {'2.0' if tpm2 else '1.2'}, {what}")
        with Emulator("--key", right, state=state, tpm2=tpm2) as e:
            tap.equal(e.control().init(), 0, "and the right one still opens it")


test_log()
test_server()
test_descriptors()
test_nothing_to_do()
test_standard_output()
test_another_user()
test_farewell()
test_messages()
test_init()
sys.exit(tap.finish())
