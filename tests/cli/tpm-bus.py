#!/usr/bin/python3
"""tpm-bus.py - somebody on the wire between a program and its host TPM.

    tpm-bus.py DIR TARGET MODE

Listens at DIR/sock and DIR/sock.ctrl, as swtpm does, and passes everything on to TARGET and
TARGET.ctrl. What MODE does to the traffic:
    watch      nothing; writes the command codes it saw to DIR/seen when the client leaves
    sign       flips a bit in every signature that TPM2_Sign returns
    increment  keeps TPM2_NV_Increment from the TPM and answers "done" in its place
    busy       answers the first two TPM2_Sign with TPM_RC_RETRY, without passing them on
    hmacless   has no TPM2_HMAC: neither in the list of commands nor when it is called
    hmac       flips a bit in every answer to TPM2_HMAC
    always     answers every TPM2_NV_ReadPublic with TPM_RC_LOCKOUT
Must not: know holdfast. Only the head of a command is looked at.
SPDX-License-Identifier: BSD-3-Clause
"""
import os
import socket
import struct
import sys
import threading

SIGN, INCREMENT, NV_READ_PUBLIC = 0x15D, 0x134, 0x169
HMAC, GET_CAPABILITY, CAP_COMMANDS = 0x155, 0x17A, 2
RETRY, LOCKOUT, COMMAND_CODE = 0x922, 0x921, 0x143
directory, target, mode = sys.argv[1:4]
seen = []
busy = 2


def exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            return None
        data += part
    return data


def message(sock):
    head = exactly(sock, 6)
    if head is None:
        return None
    return head + exactly(sock, struct.unpack(">I", head[2:6])[0] - 6)


def forged(command):
    """The bus' own answer, or None to let the TPM answer."""
    global busy
    code = struct.unpack(">I", command[6:10])[0]
    seen.append(code)
    if mode == "busy" and code == SIGN and busy > 0:
        busy -= 1
        return struct.pack(">HII", 0x8001, 10, RETRY)
    if mode == "always" and code == NV_READ_PUBLIC:
        return struct.pack(">HII", 0x8001, 10, LOCKOUT)
    if mode == "hmacless" and code == HMAC:
        return struct.pack(">HII", 0x8001, 10, COMMAND_CODE)
    if mode == "increment" and code == INCREMENT:
        session = struct.pack(">H32sBH32s", 32, bytes(32), 1, 32, bytes(32))
        return struct.pack(">HIII", 0x8002, 14 + len(session), 0, 0) + session
    return None


def changed(command, answer):
    if mode == "sign" and struct.unpack(">I", command[6:10])[0] == SIGN and len(answer) > 60:
        answer = bytearray(answer)
        answer[30] ^= 1  # inside r: head 14, algorithm and hash 4, size of r 2
        answer = bytes(answer)
    if mode == "hmac" and struct.unpack(">I", command[6:10])[0] == HMAC and len(answer) > 20:
        answer = answer[:20] + bytes([answer[20] ^ 1]) + answer[21:]
    if mode == "hmacless" and command[6:18] == struct.pack(">III", GET_CAPABILITY, CAP_COMMANDS, HMAC):
        attributes = struct.unpack(">I", answer[19:23])[0]
        answer = answer[:19] + struct.pack(">I", attributes & 0xFFFF0000 | HMAC + 1)
    return answer


def serve_data(client):
    tpm = socket.socket(socket.AF_UNIX)
    tpm.connect(target)
    while (command := message(client)) is not None:
        answer = forged(command)
        if answer is None:
            tpm.sendall(command)
            answer = changed(command, message(tpm))
        client.sendall(answer)
    with open(os.path.join(directory, "seen"), "w", encoding="ascii") as f:
        f.writelines(f"{code:03x}\n" for code in seen)
    tpm.close()


def pump(a, b):
    """Until one side ends; then both do, also for the thread that pumps the other way."""
    try:
        while data := a.recv(4096):
            b.sendall(data)
    except OSError:
        pass
    for end in a, b:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve_control(client):
    tpm = socket.socket(socket.AF_UNIX)
    tpm.connect(target + ".ctrl")
    back = threading.Thread(target=pump, args=(tpm, client), daemon=True)
    back.start()
    pump(client, tpm)
    back.join()
    tpm.close()


def listen(path, serve):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(4)

    def loop():
        while True:
            client, _ = server.accept()
            try:
                serve(client)
            except OSError:
                pass
            client.close()

    return threading.Thread(target=loop, daemon=True)


os.makedirs(directory, exist_ok=True)
for name in "sock", "sock.ctrl":
    if os.path.exists(os.path.join(directory, name)):
        os.unlink(os.path.join(directory, name))
threads = [listen(os.path.join(directory, "sock.ctrl"), serve_control),
           listen(os.path.join(directory, "sock"), serve_data)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
