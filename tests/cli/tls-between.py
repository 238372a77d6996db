#!/usr/bin/python3
"""tls-between.py - a man in the middle of TLS connections, and one who has a record of some.

Usage: tls-between.py relay PORT SERVER-PORT [CONNECTION:SIDE:RECORD:OPERATION...]
       tls-between.py record PORT SERVER-PORT NAME
       tls-between.py replay PORT NAME
       tls-between.py resend SERVER-PORT FILE
       tls-between.py terminate PORT SERVER-PORT CERTIFICATE KEY
       tls-between.py speak PORT CERTIFICATE KEY 1.1|static-rsa
       tls-between.py http PORT

relay passes TLS records on; each named one (both counted from 1; SIDE c: the client's, s: the
server's) is first treated: flip, flip-last, drop, dup, swap (with the next one), cut (both sides),
tls12 (a client's first: it does not offer TLS 1.3), short (all but its last byte, then cut). record
keeps the bytes of each connection in NAME.N.c and NAME.N.s; replay answers with them. resend sends
what a client has sent once more, prints what comes and fails if that is an answer. terminate is a
server of its own that reads and passes on all. speak offers only what is too old. All listen at
127.0.0.1 and say "ready".
SPDX-License-Identifier: BSD-3-Clause
"""
import socket
import ssl
import struct
import sys
import threading


def serve(port, each):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(16)
    print("ready", flush=True)
    number = 0
    while True:
        connection, _ = listener.accept()
        number += 1
        threading.Thread(target=each, args=(connection, number), daemon=True).start()


def exactly(connection, size):
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except OSError:
            more = b""
        if not more:
            return None
        data += more
    return data


def one_record(connection):
    head = exactly(connection, 5)
    body = exactly(connection, struct.unpack(">H", head[3:])[0]) if head else None
    return None if body is None else head + body


def close_both(*connections):
    for connection in connections:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def without_tls13(hello):
    """A ClientHello record without the extension supported_versions."""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + struct.unpack(">H", hello[at:at + 2])[0]
    at += 1 + hello[at]
    kept, here = b"", at + 2
    while here < len(hello):
        kind, size = struct.unpack(">HH", hello[here:here + 4])
        if kind != 43:
            kept += hello[here:here + 4 + size]
        here += 4 + size
    body = hello[9:at] + struct.pack(">H", len(kept)) + kept
    return hello[:3] + struct.pack(">H", len(body) + 4) + b"\x01" + struct.pack(">I", len(body))[1:] + body


def pump(source, target, treatment):
    number = 0
    held = b""
    while True:
        record = one_record(source)
        number += 1
        what = treatment.get(number) if record else "cut"
        out = record
        if what == "cut":
            break
        if what == "flip":
            out = record[:10] + bytes([record[10] ^ 1]) + record[11:]
        elif what == "flip-last":
            out = record[:-1] + bytes([record[-1] ^ 1])
        elif what == "drop":
            continue
        elif what == "dup":
            out = record + record
        elif what == "swap":
            held = record
            continue
        elif what == "tls12":
            out = without_tls13(record)
        elif what == "short":
            target.sendall(record[:-1])
            break
        try:
            target.sendall(out + held)
        except OSError:
            break
        held = b""
    close_both(source, target)


def relay(port, server, *edits):
    def each(client, number):
        target = socket.create_connection(("127.0.0.1", int(server)))
        treatment = {"c": {}, "s": {}}
        for edit in edits:
            connection, side, record, what = edit.split(":")
            if int(connection) == number:
                treatment[side][int(record)] = what
        threading.Thread(target=pump, args=(client, target, treatment["c"]), daemon=True).start()
        pump(target, client, treatment["s"])
    serve(port, each)


def record(port, server, name):
    def copy(source, target, path):
        with open(path, "wb") as out:
            while True:
                try:
                    data = source.recv(65536)
                    out.write(data)
                    out.flush()
                    target.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    break
        close_both(source, target)

    def each(client, number):
        target = socket.create_connection(("127.0.0.1", int(server)))
        threading.Thread(target=copy, args=(client, target, f"{name}.{number}.c"), daemon=True).start()
        copy(target, client, f"{name}.{number}.s")
    serve(port, each)


def replay(port, name):
    def each(client, number):
        one_record(client)
        try:
            client.sendall(open(f"{name}.{number}.s", "rb").read())
            while client.recv(65536):
                pass
        except OSError:
            pass
        client.close()
    serve(port, each)


def resend(server, name):
    target = socket.create_connection(("127.0.0.1", int(server)), 20)
    target.sendall(open(name, "rb").read())
    target.shutdown(socket.SHUT_WR)
    kinds = []
    while True:
        record = one_record(target)
        if record is None:
            break
        kinds.append(record[0])
    print("records:", *kinds)
    # Nobody can have answered who has not the keys of this connection: at most its handshake (22,
    # 20, encrypted 23) and an alert; application data would come after the client's Finished.
    assert kinds and len(kinds) <= 8, kinds


def terminate(port, server, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    outward.check_hostname = False
    outward.verify_mode = ssl.CERT_NONE

    def each(client, number):
        try:
            inner = context.wrap_socket(client, server_side=True)
            target = outward.wrap_socket(socket.create_connection(("127.0.0.1", int(server))))
            data = inner.recv(1 << 21)
            print("read:", len(data), flush=True)
            target.sendall(data)
            inner.sendall(target.recv(1 << 21))
        except OSError as error:
            print("failed:", error, flush=True)
        client.close()
    serve(port, each)


def speak(port, certificate, key, what):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0" if what == "1.1" else "kRSA:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1 if what == "1.1" else ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)

    def each(client, number):
        try:
            context.wrap_socket(client, server_side=True)
            print("shaken hands", flush=True)
        except OSError as error:
            print("failed:", error, flush=True)
        client.close()
    serve(port, each)


def http(port):
    def each(client, number):
        client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        client.close()
    serve(port, each)


COMMANDS = {f.__name__: f for f in (relay, record, replay, resend, terminate, speak, http)}
COMMANDS[sys.argv[1]](*sys.argv[2:])
