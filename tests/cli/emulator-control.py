"""emulator-control.py - the control channel: every command, in any pieces, and what is refused.

Each refusal is followed by a command that works, so that a stream that lost its step is seen.

SPDX-License-Identifier: BSD-3-Clause
"""
import array
import contextlib
import hashlib
import os
import select
import socket
import struct
import sys
import time

import vtpm
from vtpm import Emulator, Tap, Tpm, wait_until

tap = Tap()


def quiet(sock, seconds=0.05):
    """Nothing arrives and the connection stays."""
    return not select.select([sock], [], [], seconds)[0]


def closed(sock):
    """The other end closes, without another byte."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def in_pieces(control, data, answer_size, fds=()):
    """Sends data byte by byte (each in a segment of its own), returns the answer."""
    for i in range(len(data)):
        if i == 0 and fds:
            control.sock.sendmsg([data[:1]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                               array.array("i", fds))])
        else:
            control.sock.sendall(data[i:i + 1])
    return vtpm.recv_exact(control.sock, answer_size)


def at_split(control, data, split, answer_size):
    """Sends data in two pieces; the first is read before the second is sent."""
    control.sock.sendall(data[:split])
    assert quiet(control.sock, 0.002)
    control.sock.sendall(data[split:])
    return vtpm.recv_exact(control.sock, answer_size)


REQUESTS = [  # name, request, length and start of the answer; in this order, the TPM running
    ("GET_CAPABILITY", struct.pack(">I", 1), 8, struct.pack(">II", 0, 0x1FFFF)),
    ("INIT", struct.pack(">II", 2, 0), 4, bytes(4)),
    ("GET_TPMESTABLISHED", struct.pack(">I", 4), 8, bytes(4)),
    ("SET_LOCALITY", struct.pack(">IB3x", 5, 3), 4, bytes(4)),
    ("SET_LOCALITY, one byte", struct.pack(">IB", 5, 0), 4, bytes(4)),
    ("HASH_START", struct.pack(">I", 6), 4, bytes(4)),
    ("HASH_DATA", struct.pack(">II", 7, 5) + b"hello", 4, bytes(4)),
    ("HASH_END", struct.pack(">I", 8), 4, bytes(4)),
    ("CANCEL_TPM_CMD", struct.pack(">I", 9), 4, bytes(4)),
    ("STORE_VOLATILE", struct.pack(">I", 10), 4, bytes(4)),
    ("RESET_TPMESTABLISHED", struct.pack(">IB", 11, 3), 4, bytes(4)),
    ("RESET_TPMESTABLISHED with rubbish", struct.pack(">IB", 11, 3) + b"\xde\xad\x10", 4, bytes(4)),
    ("SET_STATEBLOB while running", struct.pack(">IIII", 13, 0, 1, 4) + b"data", 4,
     struct.pack(">I", 0x0A)),
    ("GET_CONFIG", struct.pack(">I", 15), 8, bytes(8)),
    ("SET_BUFFERSIZE", struct.pack(">II", 17, 0), 16, struct.pack(">II", 0, 4096)),
    ("SET_BUFFERSIZE while running", struct.pack(">II", 17, 4096), 4, struct.pack(">I", 0x0A)),
    ("GET_INFO past the end", struct.pack(">IQII", 18, 1, 9999, 0), 4, struct.pack(">I", 3)),
    ("LOCK_STORAGE", struct.pack(">II", 19, 0), 4, bytes(4)),
    ("GET_STATEBLOB, none", struct.pack(">IIII", 12, 1, 3, 0), 16, struct.pack(">I", 0x800)),
    ("GET_STATEBLOB, no such type", struct.pack(">IIII", 12, 1, 9, 0), 16, struct.pack(">I", 9)),
    ("an unknown command", struct.pack(">I", 0x14), 4, struct.pack(">I", 0x0A)),
    ("STOP", struct.pack(">I", 14), 4, bytes(4)),
]


def test_every_split():
    with Emulator() as e:
        c = e.control()
        c.init()
        for name, data, size, start in REQUESTS:
            found = []
            for split in range(1, len(data)):
                # The padding of a request is no part of it: its answer may come before.
                if data[3] in (5, 11) and split > 4:
                    continue
                if name == "STOP":
                    c.init()
                answer = at_split(c, data, split, size)
                if not answer.startswith(start):
                    found.append((split, answer))
            tap.equal(found, [], f"{name}: split at every byte")
        c.init()
        wrong = [name for name, data, size, start in REQUESTS
                 if not in_pieces(c, data, size).startswith(start)]
        tap.equal(wrong, [], "all requests, byte by byte")
        # QEMU sends SET_LOCALITY with three bytes of padding: they may come late, too.
        for split in range(5, 8):
            data = struct.pack(">IB3x", 5, 1)
            c.sock.sendall(data[:split])
            result = c.result()
            c.sock.sendall(data[split:])
            tap.ok(result == 0 and c.capability() == 0x1FFFF,
                   f"SET_LOCALITY: padding that comes after the answer (split at {split})")
        c.sock.sendall(b"".join(data for _, data, _, _ in REQUESTS[:8]))
        answers = [vtpm.recv_exact(c.sock, size) for _, _, size, _ in REQUESTS[:8]]
        tap.ok(all(a.startswith(r[3]) for a, r in zip(answers, REQUESTS)),
               "requests sent at once are answered in order")


def test_timeouts():
    with Emulator() as e:
        c = e.control()
        c.init()
        for name, data in [("part of a number", b"\0\0"), ("INIT", struct.pack(">I", 2) + b"\0\0"),
                           ("GET_INFO", struct.pack(">IQ", 18, 1)),
                           ("GET_STATEBLOB", struct.pack(">III", 12, 1, 1))]:
            c = e.control()
            begun = time.monotonic()
            c.sock.sendall(data)
            gone = closed(c.sock)
            took = time.monotonic() - begun
            tap.ok(gone and 0.4 < took < 5, f"{name}: disconnected without an answer",
                   f"after {took:.2f} s")
        c = e.control()
        c.send(vtpm.HASH_DATA, struct.pack(">I", 100) + b"only this")
        tap.ok(closed(c.sock), "HASH_DATA: a client that stalls is disconnected")
        c = e.control()
        c.send(vtpm.HASH_DATA, struct.pack(">I", 10))
        tap.equal(in_pieces(c, b"0123456789", 4), bytes(4),
                  "HASH_DATA: one that is only slow is served")
        c.close()
        c = e.control()
        tap.equal(c.stop(), 0, "and the next client")
        c.send(vtpm.SET_STATEBLOB, struct.pack(">III", 0, 1, 100))
        tap.ok(closed(c.sock), "SET_STATEBLOB: a client that stalls is disconnected")
        c = e.control()
        c.send(vtpm.SET_STATEBLOB, struct.pack(">III", 0, 1, 512 * 1024 + 1) + b"x" * 5000)
        tap.equal(c.result(), 9, "SET_STATEBLOB: more than 512 KiB is refused")
        tap.ok(closed(c.sock), "and the connection ends, which keeps the stream in step")
        c = e.control()
        c.send(vtpm.SET_STATEBLOB, struct.pack(">III", 0, 1, 0xFFFFFFFF))
        tap.equal(c.result(), 9, "SET_STATEBLOB: 4 GiB are refused")
        c = e.control()
        tap.equal(c.set_blob(7, b"x" * 100), 3, "SET_STATEBLOB: unknown type")
        c.init()
        blob = c.get_blob(1)[3]
        c.stop()
        tap.equal(c.set_blob(1, blob, flags=2), 0x0D, "SET_STATEBLOB: encrypted, no key")
        for flags in (1, 2):
            tap.equal(c.set_blob(1, blob[:5] + bytes([4 | flags]) + blob[6:]), 0x0D,
                      f"SET_STATEBLOB: the blob itself says so (flag {flags})")
        tap.ok(c.set_blob(1, b"x" * 100) not in (0, 0x800), "SET_STATEBLOB: rubbish")
        tap.equal(c.capability(), 0x1FFFF, "the stream is in step after each")


def test_established():
    """An error of 4 bytes, as from swtpm, but for virtual machine monitors."""
    with Emulator() as e:
        c = e.control()
        for state in "before INIT", "after STOP":
            tap.equal(c.plain(4), 10, f"GET_TPMESTABLISHED {state}")
            tap.equal(c.capability(), 0x1FFFF, "nothing comes behind it")
            tap.equal((c.init(), c.established(), c.stop()), (0, 0, 0), "it needs a running TPM")
        tap.equal((c.plain(16), c.plain(4)), (3, 10), "SET_DATAFD without a descriptor changes nothing")
        c.data()
        tap.equal(c.established(), 0, "a monitor is told that nothing is established")
        c.close()
        c = e.control()
        tap.equal(c.plain(4), 10, "the next client gets the error again")


def test_before_init():
    with Emulator() as e:
        c = e.control()
        tpm = c.data()
        probe = bytes.fromhex("80010000000a00000181")
        tap.equal(tpm.command(probe).hex(), "80010000000a00000101", "data before INIT: a failure")
        for number, body, size in [(6, b"", 4), (7, b"\0\0\0\2ab", 4), (8, b"", 4), (9, b"", 4),
                                   (10, b"", 4), (11, b"\3", 4), (12, bytes(12), 16)]:
            c.send(number, body)
            answer = vtpm.recv_exact(c.sock, size)
            tap.equal(answer, struct.pack(">I", 10) + bytes(size - 4),
                      f"command {number} needs a running TPM")
        tap.equal(c.established(), 0, "GET_TPMESTABLISHED does not for who has set a data channel: QEMU would wait")
        tap.equal(c.stop(), 0, "STOP of a stopped TPM")
        tap.equal(c.buffersize(0xF80), (0xF80, 2808, 4096), "SET_BUFFERSIZE")
        tap.equal(c.buffersize(1)[0], 2808, "SET_BUFFERSIZE below the minimum")
        tap.equal(c.buffersize(1 << 31)[0], 4096, "SET_BUFFERSIZE above the maximum")
        tap.ok('"TPMSpecification"' in c.info(7), "GET_INFO")
        tap.equal(c.init(), 0, "INIT")
        tap.equal(tpm.startup(), 0, "then the TPM answers")
        tap.equal(c.set_blob(1, b"x"), 10, "SET_STATEBLOB needs a stopped TPM")
        for locality, result in [(0, 0), (4, 0), (5, 0x3D), (255, 0x3D)]:
            tap.equal(c.set_locality(locality), result, f"SET_LOCALITY {locality}")
        tap.equal(c.reset_established(5), 0x3D, "RESET_TPMESTABLISHED 5")
        tap.ok(c.reset_established(0) != 0, "RESET_TPMESTABLISHED 0: the TPM refuses")
        tap.equal(c.set_locality(0), 0, "the stream is in step")
    with Emulator("--locality", "reject-locality-4") as e:
        tap.equal(e.control().set_locality(4), 0x3D, "reject-locality-4")


def test_descriptors():
    def strangers():
        return sorted(target for target in e.fds().values() if "strange" in target)

    with Emulator() as e, contextlib.ExitStack() as stack:
        c, tpm = e.start()
        before = len(e.fds())
        paths = []
        for i in range(20):
            paths.append(stack.enter_context(open(os.path.join(e.base, f"strange{i}"), "wb")))
        fds = [f.fileno() for f in paths]
        tap.equal(c.plain(vtpm.SET_LOCALITY, b"\0", fds[:3]), 0, "a request with descriptors")
        tap.equal(c.plain(vtpm.STOP, b"", fds[:1]), 0, "another one")
        c.send(vtpm.GET_CAPABILITY, b"", fds[:2])
        vtpm.recv_exact(c.sock, 8)
        c.send(0x99, b"", fds[:2])
        tap.equal(c.result(), 10, "an unknown command with descriptors")
        tap.equal(c.plain(vtpm.SET_DATAFD), 3, "SET_DATAFD without one")
        tap.equal(c.set_datafd(fds[0]), 3, "SET_DATAFD with a file")
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as endless:
            tap.equal(c.set_datafd(endless.fileno()), 3, "SET_DATAFD with a socket that nobody can shut down")
        left, right = socket.socketpair()
        with left, right:
            tap.equal(c.set_datafd(left.fileno()), 0x1F, "SET_DATAFD while there is a connection")
        c.init()
        tap.equal((strangers(), len(e.fds())), ([], before), "none of them stays open")
        tpm.close()
        left, right = socket.socketpair()
        with right:
            wait_until(lambda: c.set_datafd(right.fileno()) == 0, "the slot to become free")
            extra = c.set_datafd(right.fileno())
        tap.equal(extra, 0x1F, "SET_DATAFD again once the connection is gone, and no third")
        tpm = Tpm(left)
        tap.equal(tpm.startup(), 0, "it is served")
        tpm.close()
        one, other = socket.socketpair()
        wait_until(lambda: len(e.fds()) == before - 1, "the descriptor to be closed")
        answer = in_pieces(c, struct.pack(">I", vtpm.SET_DATAFD), 4, [other.fileno()])
        tap.equal(answer, bytes(4), "SET_DATAFD byte by byte, descriptor with the first")
        other.close()
        answer = Tpm(one)
        tap.ok(answer.random(4), "it is served, too")
        c.sock.sendmsg([b"\0\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                    struct.pack("4i", *fds[:4]))])
        c.close()
        wait_until(lambda: not strangers() and len(e.fds()) == before - 1,
                   "descriptors of a client that left to be closed")
        tap.ok(True, "descriptors of a client that leaves in the middle are closed")


def test_two_clients():
    with Emulator() as e:
        first = e.control()
        first.init()
        second = e.control()
        second.send(vtpm.GET_CAPABILITY)
        tap.ok(quiet(second.sock, 0.2), "a second client waits")
        tap.equal(first.stop(), 0, "while the first is served")
        first.close()
        tap.equal(second.result(), 0, "then it is its turn")


def test_cancel():
    with Emulator() as e:
        c, tpm = e.start()
        cancelled = 0
        for i in range(12):
            tpm.sock.sendall(Tpm.rsa_primary(3072, struct.pack(">I", i) * 4))
            begun = time.monotonic()
            capability = c.capability()
            asked = time.monotonic() - begun
            result = c.cancel()
            response = tpm.response()
            code = struct.unpack(">I", response[6:10])[0]
            if code == 0x909:
                cancelled += 1
            elif code == 0:
                tpm.flush(struct.unpack(">I", response[10:14])[0])
            if capability != 0x1FFFF or result != 0 or asked > 5 or code not in (0, 0x909):
                tap.ok(False, "CANCEL", f"{capability:#x} {result:#x} {asked} {code:#x}")
        tap.ok(cancelled > 0, f"CANCEL ends CreatePrimary of an RSA-3072 key ({cancelled} of 12)")
        tap.ok(tpm.random(8), "the next command is not cancelled")
        tap.equal(c.cancel(), 0, "CANCEL with no command")
        tap.ok(tpm.random(8), "nor the one after that")


def test_hash():
    with Emulator() as e:
        c = e.control()
        tpm = c.data()
        c.init()
        data = os.urandom(100000)
        results = [c.hash_start(), c.hash_data(data[:1]), c.hash_data(data[1:]), c.hash_data(b""),
                   c.hash_end()]
        tap.equal(results, [0] * 5, "HASH_START, HASH_DATA, HASH_END before Startup")
        tap.equal(c.established(), 1, "it sets tpmEstablished")
        tpm.startup()
        start = bytes(31) + b"\x04"
        wanted = hashlib.sha256(start + hashlib.sha256(data).digest()).digest()
        tap.equal(tpm.pcr_read(0), wanted, "the measurement is in PCR 0")
        tap.equal(c.reset_established(3), 0, "RESET_TPMESTABLISHED")
        tap.equal(c.established(), 0, "resets it")
        tpm.pcr_extend(23)
        tap.equal(c.hash_start() | c.hash_data(b"later") | c.hash_end(), 0, "again after Startup")
        wanted = hashlib.sha256(bytes(32) + hashlib.sha256(b"later").digest()).digest()
        tap.equal(tpm.pcr_read(17), wanted, "the measurement is in PCR 17")


def test_locality():
    with Emulator() as e:
        c, tpm = e.start()
        codes = []
        for locality in (0, 3):
            c.set_locality(locality)
            codes.append(tpm.pcr_extend(18))
        tap.ok(codes[0] != 0 and codes[1] == 0, "SET_LOCALITY applies to the next command", codes)


for test in (test_every_split, test_timeouts, test_established, test_before_init, test_descriptors,
             test_two_clients, test_cancel, test_hash, test_locality):
    tap.attempt(test)
sys.exit(tap.finish())
