"""emulator-data.py - the data channel: framing, clients, the ways to connect.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import select
import socket
import struct
import sys
import tempfile

import vtpm
from vtpm import Emulator, Tap, Tpm, wait_until

tap = Tap()
RANDOM = Tpm.pack(0x17B, parameters=struct.pack(">H", 8))  # GetRandom(8)
FAILURE = bytes.fromhex("80010000000a00000101")


def quiet(sock, seconds=0.01):
    return not select.select([sock], [], [], seconds)[0]


def code(response):
    return struct.unpack(">I", response[6:10])[0]


def free_port(taken=()):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return free_port(taken) if port in taken else port


def tcp(port):
    """Connects as soon as somebody listens."""
    def attempt():
        try:
            return Tpm.tcp(port)
        except ConnectionRefusedError:
            return None
    return wait_until(attempt, "the port")


def test_pieces():
    with Emulator() as e:
        _, tpm = e.start()
        wrong = []
        for split in range(1, len(RANDOM)):
            tpm.sock.sendall(RANDOM[:split])
            early = not quiet(tpm.sock, 0.003)
            tpm.sock.sendall(RANDOM[split:])
            if early or code(tpm.response()) != 0:
                wrong.append(split)
        tap.equal(wrong, [], "a command in two pieces, split at every byte")
        for byte in RANDOM:
            tpm.sock.sendall(bytes([byte]))
        tap.equal(code(tpm.response()), 0, "a command byte by byte")
        tpm.sock.sendall(RANDOM * 5)
        tap.equal([code(tpm.response()) for _ in range(5)], [0] * 5, "five commands at once")
        tpm.sock.sendall(RANDOM + RANDOM[:7])
        first = code(tpm.response())
        tpm.sock.sendall(RANDOM[7:])
        tap.equal((first, code(tpm.response())), (0, 0), "one and a half, then the rest")
        long = Tpm.pack(0x17B, parameters=b"\0\x08" + bytes(4096 - 12))
        tap.ok(code(tpm.command(long)) != 0, "a command of 4096 bytes is answered")
        tap.equal(code(tpm.command(RANDOM)), 0, "the stream is in step")


def test_sizes():
    with Emulator() as e:
        _, tpm = e.start()
        for size in (0, 1, 6, 9, 4097, 65536, 0x7FFFFFFF, 0xFFFFFFFF):
            bad = struct.pack(">HII", 0x8001, size, 0x17B) + b"\0\x08"
            refused = code(tpm.command(bad))
            tap.ok(refused != 0 and tpm.random(4), f"size field {size:#x}: an error, then in step",
                   f"{refused:#x}")
        tpm.sock.sendall(struct.pack(">HI", 0x8001, 6))
        tap.ok(code(tpm.response()) != 0, "a command of six bytes that says so")
        tpm.sock.sendall(struct.pack(">HII", 0x8001, 100, 0x17B))
        tap.ok(code(tpm.response()) != 0 and tpm.random(4),
               "a command that never ends is answered with an error in the end")
        tap.ok(code(tpm.command(bytes(10))) != 0, "ten zero bytes")
        tap.ok(tpm.random(4), "the stream is in step")
        big = struct.pack(">HII", 0x8001, 10000, 0x17B) + bytes(9990)
        tpm.sock.sendall(big)
        tap.ok(code(tpm.response()) != 0, "10000 bytes: an error")
    with Emulator() as e:
        _, tpm = e.start()
        tap.ok(tpm.random(4), "another TPM is not impressed")


def test_prefix():
    def framed(locality, command):
        return struct.pack(">IBI", 8, locality, len(command)) + command

    with Emulator() as e:
        c, tpm = e.start()
        command = framed(0, RANDOM)
        for split in (1, 4, 8, 9, 15, len(command) - 1):
            tpm.sock.sendall(command[:split])
            assert quiet(tpm.sock)
            tpm.sock.sendall(command[split:])
            size = struct.unpack(">I", vtpm.recv_exact(tpm.sock, 4))[0]
            answer = vtpm.recv_exact(tpm.sock, size)
            trailer = vtpm.recv_exact(tpm.sock, 4)
            tap.equal((code(answer), trailer), (0, bytes(4)), f"TCG header, split at {split}")

        def through(locality, inner):
            tpm.sock.sendall(framed(locality, inner))
            size = struct.unpack(">I", vtpm.recv_exact(tpm.sock, 4))[0]
            answer = vtpm.recv_exact(tpm.sock, size)
            assert vtpm.recv_exact(tpm.sock, 4) == bytes(4)
            return code(answer)

        extend = Tpm.pack(0x182, (18,), struct.pack(">IH", 1, 0xB) + bytes(32), 1)
        tap.ok(through(0, extend) != 0 and through(3, extend) == 0, "its locality counts")
        tap.equal(tpm.pcr_extend(18), 0, "and stays")
        tap.equal(through(7, RANDOM), 0x907, "a locality above 4 is refused in band")
        tap.equal(c.set_locality(0), 0, "SET_LOCALITY goes on working")
    with Emulator("--locality", "reject-locality-4") as e:
        _, tpm = e.start()
        tpm.sock.sendall(framed(4, RANDOM))
        answer = vtpm.recv_exact(tpm.sock, 18)
        tap.equal(code(answer[4:]), 0x907, "reject-locality-4 holds here too")


def test_set_locality_command():
    command = struct.pack(">HIIB", 0x8001, 11, 0x20001000, 3)
    with Emulator("--locality", "allow-set-locality") as e:
        _, tpm = e.start()
        tap.equal(code(tpm.command(command)), 0, "SetLocality of the vTPM proxy")
        tap.equal(tpm.pcr_extend(18), 0, "counts")
        tap.equal(code(tpm.command(command[:10] + b"\5")), 0x107, "not above 4")
        tap.equal(code(tpm.command(struct.pack(">HII", 0x8001, 10, 0x20001000))), 0x9A, "too short")
    with Emulator() as e:
        _, tpm = e.start()
        tap.equal(code(tpm.command(command)), 0x101, "SetLocality is refused without the option")


def test_clients():
    port = free_port()
    with Emulator("--server", f"type=tcp,port={port}", "--flags", "startup-clear") as e:
        first = tcp(port)
        tap.ok(first.random(4), "a TCP client is served")
        second = tcp(port)
        second.sock.sendall(RANDOM)
        tap.ok(quiet(second.sock, 0.2) and first.random(4), "a second one waits")
        first.close()
        tap.equal(code(second.response()), 0, "then it is its turn")
        control = e.control()
        third = control.data()
        tap.ok(third.random(4), "SET_DATAFD displaces it")
        tap.equal(second.sock.recv(1), b"", "it is disconnected")
        third.close()
        again = tcp(port)
        tap.ok(again.random(4), "the listener is served again after that")
        tap.ok(e.process.poll() is None, "and nothing of this ends the emulator")
    port = free_port()
    with Emulator("-p", str(port), "--flags", "startup-clear"):
        client = tcp(port)
        tap.ok(client.random(4) and client.sock.recv(1) == b"", "--port: disconnect after a command")
        tap.ok(tcp(port).random(4), "the next one")


def test_inherited():
    ours, theirs = socket.socketpair()
    with theirs:
        e = Emulator("--fd", str(theirs.fileno()), "--flags", "not-need-init",
                     pass_fds=[theirs.fileno()])
    with e:
        tpm = Tpm(ours)
        tap.equal(tpm.startup(), 0, "--fd")
        left, right = socket.socketpair()
        with left, right:
            tap.equal(e.control().set_datafd(left.fileno()), 0x1F, "SET_DATAFD is refused then")
        tpm.close()
        tap.equal(e.wait(), 0, "its end ends the emulator")
    ours, theirs = socket.socketpair()
    with theirs:
        e = Emulator("--server", f"type=tcp,fd={theirs.fileno()}", "--flags", "not-need-init",
                     pass_fds=[theirs.fileno()])
    with e:
        tpm = Tpm(ours)
        tap.equal(tpm.startup(), 0, "--server type=tcp,fd")
        ours.shutdown(socket.SHUT_WR)
        tap.equal(e.wait(), 0, "its end ends the emulator")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        e = Emulator("--server", f"type=unixio,fd={listener.fileno()}", "--flags", "startup-clear",
                     pass_fds=[listener.fileno()])
    with e:
        tap.ok(Tpm.tcp(port).random(4), "--server type=unixio,fd: a socket that listens")
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with theirs, Emulator() as e:
        c = e.control()
        c.set_datafd(theirs.fileno())
        c.init()
        tap.equal(Tpm(ours).startup(), 0, "a descriptor that does not block is made to")


def test_terminate():
    with Emulator("--terminate") as e:
        _, tpm = e.start()
        tpm.close()
        tap.equal(e.wait(), 0, "--terminate: the end of SET_DATAFD's connection ends the emulator")
    port = free_port()
    with Emulator("-t", "--server", f"type=tcp,port={port}") as e:
        tcp(port).close()
        tap.equal(e.wait(), 0, "--terminate: or of a listener's client")
    with Emulator() as e:
        control = e.control()
        control.close()
        tap.equal(e.control().stop(), 0, "the end of a control connection ends nothing")
    with Emulator() as e:
        path = e.path
    with Emulator(control=f"type=unixio,path={path},terminate", wait=False) as e:
        tap.equal(e.wait(), 1, "a control socket in a directory that is gone")
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/c"
        with Emulator(control=f"type=unixio,path={path},terminate", wait=False) as e:
            e.path = path
            e.control().close()
            tap.equal(e.wait(), 0, "--ctrl terminate: the end of a control connection ends it")


for test in (test_pieces, test_sizes, test_prefix, test_set_locality_command, test_clients,
             test_inherited, test_terminate):
    tap.attempt(test)
sys.exit(tap.finish())
