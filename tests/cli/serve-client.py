#!/usr/bin/python3
"""serve-client.py - clients of a CA that serves which mean no good, and a man in the middle.

Usage: serve-client.py plain ADDR | magic|version|kind|long|many PATH | loris PATH ADDR N |
       replay PATH FILE | ask PATH KIND FILE OUT | between PATH SERVER MODE [ARG...] |
       places ADDR FROM,... | activate LISTENER,... COMMAND...
Modes of `between`: record; cut LETTER BYTES; keep LETTER; swap LETTER FILE; flip LETTER.
Used through serving.sh.
SPDX-License-Identifier: BSD-3-Clause
"""
import fcntl
import os
import select
import socket
import struct
import sys
import time


def unix(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    return connection


def tcp(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 20)


def exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return data
        data += more
    return data


def frame(connection):
    head = exactly(connection, 12)
    if len(head) < 12:
        return head
    return head + exactly(connection, struct.unpack(">I", head[8:])[0])


def refused(connection, head, code, text):
    connection.sendall(head)
    answer = frame(connection)
    assert answer[:4] == b"HFEN" and answer[6:8] == b"\xff\xff", answer
    assert struct.unpack(">H", answer[12:14])[0] == code, answer
    assert text in answer[14:], answer
    assert connection.recv(1) == b"", "the connection goes on"


def head(kind, length, magic=b"HFEN", version=1):
    return magic + struct.pack(">HHI", version, kind, length)


def plain(address):
    connection = tcp(address)
    connection.sendall(head(1, 4) + b"oops")
    while True:
        try:
            data = connection.recv(4096)
        except ConnectionError:
            break
        if not data:
            break
        assert b"HFEN" not in data, data


def many(path):
    connection = unix(path)
    for number in range(16):
        connection.sendall(head(1, 4) + b"oops")
        answer = frame(connection)
        assert answer[6:8] == b"\xff\xff" and answer[12:14] == b"\0\1", (number, answer)
    assert connection.recv(1) == b"", "the 17th is possible"


def loris(path, address, count):
    held = []
    for number in range(int(count)):
        connection = unix(path) if number % 2 else tcp(address)
        try:
            connection.sendall(b"HFEN"[:number % 4 + 1] if number % 2 else b"\x16\x03")
        except OSError:
            pass
        held.append(connection)
    print("ready", flush=True)
    time.sleep(120)


def replay(path, name):
    connection = unix(path)
    connection.sendall(open(name, "rb").read())
    answer = frame(connection)
    assert answer[6:8] == b"\xff\xff" and b"used already" in answer, answer


def ask(path, kind, name, out):
    """A request with this payload; its answer's to OUT, a refusal is printed and exit code 1."""
    connection = unix(path)
    payload = open(name, "rb").read()
    connection.sendall(head(int(kind), len(payload)) + payload)
    answer = frame(connection)
    if answer[6:8] == b"\xff\xff":
        sys.exit("refused, code %d: %s" % (answer[13], answer[14:].decode()))
    assert answer[6:8] == struct.pack(">H", int(kind) + 1), answer
    open(out, "wb").write(answer[12:])


def places(address, sources):
    """Holds a connection from each source; says which of them the server has closed."""
    host, port = address.rsplit(":", 1)
    held = [socket.create_connection((host.strip("[]"), int(port)), 20, (source, 0))
            for source in sources.split(",")]
    poll = select.poll()
    for connection in held:
        poll.register(connection, select.POLLIN)
    poll.poll(20000)
    closed = {fd for fd, _ in poll.poll(200)}
    print("closed:", *[number for number, connection in enumerate(held)
                       if connection.fileno() in closed])


def listener(text):
    kind, _, where = text.partition(":")
    if kind == "file":
        return os.open(where, os.O_RDONLY)
    if kind in ("unix", "deaf"):
        made = socket.socket(socket.AF_UNIX)
        made.bind(where)
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, port = where.rsplit(":", 1)
        made.bind((host, int(port)))
    if kind in ("unix", "tcp"):
        made.listen(8)
    return made.detach()


def activate(listeners, *command):
    """Starts COMMAND as a service manager does, in this process; a child prints what it is told."""
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind("\0hf-notify-%d" % os.getpid())
    fds = [listener(text) for text in listeners.split(",")]
    pid = os.getpid()
    if os.fork() == 0:
        for fd in fds:
            os.close(fd)
        told.settimeout(60)
        try:
            print(told.recv(4096).decode(), flush=True)
        except OSError:
            pass
        os._exit(0)
    told.close()
    fds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
    for number, fd in enumerate(fds):
        os.dup2(fd, 3 + number)
        os.close(fd)
    environment = dict(os.environ, LISTEN_PID=str(pid), LISTEN_FDS=str(len(fds)),
                       NOTIFY_SOCKET="@hf-notify-%d" % pid)
    os.execvpe(command[0], command, environment)


def between(path, server, mode, *args):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(8)
    os.rename(path + ".new", path)  # who sees it can connect
    letter = 0
    while True:
        client, _ = listener.accept()
        letter += 1
        request = frame(client)
        print("asked", flush=True)
        target = unix(server)
        target.sendall(request)
        answer = frame(target)
        mine = mode == "record" or int(args[0]) == letter
        if mode == "record":
            open(f"letter-{letter}", "wb").write(request)
            open(f"answer-{letter}", "wb").write(answer)
        elif mine and mode == "cut":
            answer = answer[:int(args[1])]
        elif mine and mode == "keep":
            time.sleep(30)
        elif mine and mode == "swap":
            answer = open(args[1], "rb").read()
        elif mine and mode == "flip":
            answer = answer[:-20] + bytes([answer[-20] ^ 1]) + answer[-19:]
        try:
            client.sendall(answer)
        except OSError:
            pass
        client.close()
        target.close()


COMMANDS = {
    "plain": plain,
    "magic": lambda p: refused(unix(p), head(1, 4, magic=b"GET "), 1, b"does not speak"),
    "version": lambda p: refused(unix(p), head(1, 4, version=2), 2, b"version 1 expected"),
    "kind": lambda p: refused(unix(p), head(999, 4), 2, b"kind 999"),
    "long": lambda p: refused(unix(p), head(1, 0xffffffff), 1, b"at most 65536"),
    "many": many, "loris": loris, "replay": replay, "ask": ask, "places": places, "activate": activate, "between": between,
}

COMMANDS[sys.argv[1]](*sys.argv[2:])
