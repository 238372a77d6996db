"""attack-control.py - the control channel against clients that do not know its rules.

Requests that are too long, clients that leave while their command runs, commands sent faster than
they run, no descriptors left. After each, the stream must be in step and the TPM the same.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import resource
import select
import socket
import struct
import sys
import tempfile

import vtpm
from vtpm import Emulator, Tap, Tpm, wait_until

tap = Tap()

# name, request, the one answer
TOO_LONG = [
    ("INIT", struct.pack(">III", 2, 0, 0), struct.pack(">I", 3)),
    ("INIT with a byte", struct.pack(">IIB", 2, 0, 1), struct.pack(">I", 3)),
    ("INIT with a zero", struct.pack(">IIB", 2, 0, 0), struct.pack(">I", 3)),
    ("STOP", struct.pack(">I", 14) + b"\xff" * 7, struct.pack(">I", 3)),
    ("HASH_START", struct.pack(">II", 6, 0), struct.pack(">I", 3)),
    ("HASH_DATA", struct.pack(">II", 7, 2) + b"abcdefgh", struct.pack(">I", 3)),
    ("STORE_VOLATILE", struct.pack(">II", 10, 0), struct.pack(">I", 3)),
    ("LOCK_STORAGE", struct.pack(">III", 19, 0, 77), struct.pack(">I", 3)),
    ("SET_STATEBLOB", struct.pack(">IIII", 13, 0, 1, 0) + b"more", struct.pack(">I", 10)),
    ("GET_CAPABILITY", struct.pack(">II", 1, 0), struct.pack(">II", 0, 0x1FFFF)),
    ("SET_LOCALITY", struct.pack(">IB", 5, 0) + bytes(16), struct.pack(">I", 0)),
    ("SET_BUFFERSIZE", struct.pack(">II", 17, 0) + b"\xff" * 12,
     struct.pack(">IIII", 0, 4096, 2808, 4096)),
    ("GET_STATEBLOB", struct.pack(">IIII", 12, 1, 3, 0) + bytes(8),
     struct.pack(">IIII", 0x800, 0, 0, 0)),
    ("an unknown command and its body", struct.pack(">I", 0x20) + bytes(64), struct.pack(">I", 10)),
    ("another one", b"\xff" * 16, struct.pack(">I", 10)),
]


def answer(control, seconds=1.0):
    """All that comes before the connection is quiet for a moment."""
    data = b""
    while select.select([control.sock], [], [], seconds)[0]:
        part = control.sock.recv(4096)
        if not part:
            return data + b"(closed)"
        data += part
        seconds = 0.05
    return data


def test_too_long():
    with Emulator() as e:
        control, tpm = e.start()
        tpm.pcr_extend(16)
        value = tpm.pcr_read(16)
        for name, request, wanted in TOO_LONG:
            control.sock.sendall(request)
            tap.equal(answer(control), wanted, f"{name}, too long: one answer")
            tap.equal(control.capability(), 0x1FFFF, f"{name}, too long: the stream is in step")
        tap.equal(tpm.pcr_read(16), value, "no INIT or STOP was done")
        control.stop()
        control.sock.sendall(struct.pack(">II", 6, 0))
        tap.equal(answer(control), struct.pack(">I", 10), "HASH_START of a stopped TPM, too long")
        # A number of a command is no surplus, also when it comes in two pieces.
        control.sock.sendall(struct.pack(">II", 2, 0) + b"\0\0")
        tap.equal(answer(control, 0.1), b"", "INIT and half a number: no answer yet")
        control.sock.sendall(b"\0\1")
        tap.equal(answer(control), struct.pack(">III", 0, 0, 0x1FFFF), "both are done")


def test_successor():
    """The next data connection is taken once the last was closed, not when its command ends."""
    with Emulator() as e:
        control, tpm = e.start()
        for i in range(4):
            tpm.sock.sendall(Tpm.rsa_primary(3072, struct.pack(">I", i) * 4))
            tpm.close()
            first = control.data()
            first.close()
            tpm = control.data()
            tap.ok(control.set_datafd(tpm.sock.fileno()) == 0x1F, "but no third one")
        tap.ok(tpm.random(8), "SET_DATAFD while the command of a client that left still runs")


def test_turns():
    """A client that sends many slow commands at once does not keep the control channel waiting."""
    with Emulator() as e:
        control, tpm = e.start()
        count = 30
        for name, request in [("GET_TPMESTABLISHED", control.established),
                              ("SET_BUFFERSIZE", control.buffersize),
                              ("STOP", control.stop), ("INIT", control.init)]:
            tpm.sock.sendall(Tpm.pack(0x143, parameters=b"\1") * count)  # full self-tests
            codes = [tpm.response()[6:10]]
            request()
            if request in (control.stop, control.init):
                codes += [tpm.response()[6:10] for _ in range(count - 1)]
            else:
                tpm.sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    codes += [bytes(4)] * (len(tpm.sock.recv(10 * count)) // 10)
                tpm.sock.settimeout(vtpm.DEADLINE)
                vtpm.recv_exact(tpm.sock, 10 * (count - len(codes)))
            done = codes.count(bytes(4))
            tap.ok(done < count / 2, f"{name} waits for one command, not for all that were sent",
                   f"{done} of {count} were run first")
            control.init()
            tpm.startup()


def ticks(process):
    """Processor time of a process, in clock ticks."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
        return sum(int(word) for word in f.read().rsplit(")", 1)[1].split()[11:13])


def test_no_descriptors():
    """Clients that cannot be accepted wait; the emulator neither spins nor fills the log."""
    with tempfile.TemporaryDirectory(prefix="hf-test.") as base, \
            Emulator("--server", f"type=unixio,path={base}/data") as e:
        hard = resource.prlimit(e.process.pid, resource.RLIMIT_NOFILE)[1]
        first = e.control()  # it serves, so it has opened all it needs
        first.capability()
        served = len(e.fds())
        first.close()
        vtpm.wait_until(lambda: len(e.fds()) < served, "the end of the first client")
        highest = max(e.fds())
        resource.prlimit(e.process.pid, resource.RLIMIT_NOFILE, (highest + 1, hard))
        control = e.control()
        tpm = Tpm.unix(f"{base}/data")
        vtpm.wait_until(lambda: e.messages().count("Too many open files") >= 2, "both messages")
        before = ticks(e.process)
        waited = select.select([control.sock, tpm.sock], [], [], 0.5)[0]
        tap.ok(not waited and ticks(e.process) - before < 20, "no descriptors left: it waits")
        tap.equal(e.messages().count("\n"), 2, "and says so once for each channel")
        resource.prlimit(e.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        tap.equal(control.init(), 0, "the control client is served when there are some again")
        tap.equal(tpm.startup(), 0, "the data client too")


def test_descriptor_flood():
    """As many descriptors as a message can carry, again and again: none stays open."""
    with Emulator() as e, socket.socket() as spare:
        control, tpm = e.start()
        before = e.fds()
        for number, wanted in ((vtpm.GET_CAPABILITY, 0), (vtpm.SET_DATAFD, None)):
            results = set()
            for _ in range(20):
                results.add(control.plain(number, b"", [spare.fileno()] * 253))
                if number == vtpm.GET_CAPABILITY:
                    vtpm.recv_exact(control.sock, 4)
            tap.ok(wanted in results if wanted is not None else 0 not in results,
                   f"253 descriptors with command {number}: {sorted(results)}")
            tap.ok(wait_until(lambda: len(e.fds()) == len(before), "their end"), "all are closed again")
        tap.ok(tpm.random(8) and control.capability() == 0x1FFFF, "and both channels work")


def test_slow():
    """Clients that send a byte and wait: the TPM serves its guest, and the next client its turn."""
    with Emulator() as e:
        control, tpm = e.start()
        control.sock.sendall(b"\0\0")  # half a number, and no more
        tap.ok(all(tpm.random(8) for _ in range(20)), "a slow control client stops no guest")
        control.sock.sendall(b"\0\1")
        tap.equal(answer(control), struct.pack(">II", 0, 0x1FFFF), "it is answered in the end")
        tpm.sock.sendall(Tpm.pack(0x17B, parameters=b"\0\x08")[:5])  # half a command
        tap.equal(control.capability(), 0x1FFFF, "a slow guest stops no control request")
        tap.equal(control.init(), 0, "not even INIT")


for test in (test_too_long, test_successor, test_turns, test_no_descriptors,
             test_descriptor_flood, test_slow):
    tap.attempt(test)
sys.exit(tap.finish())
