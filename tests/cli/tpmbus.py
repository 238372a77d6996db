#!/usr/bin/python3
"""tpmbus.py - somebody on the wire between a program and its host TPM.

    bus = Bus(DIR, TARGET, Watch())      # DIR/sock and DIR/sock.ctrl, as swtpm has them
    tpmbus.py DIR TARGET MODE            # the same as a program

Everything is passed on to TARGET and TARGET.ctrl, but for what a Meddler does to it. Modes:
    watch      nothing; writes the command codes it saw to DIR/seen when the client leaves
    sign       flips a bit in every signature that TPM2_Sign returns
    increment  keeps TPM2_NV_Increment from the TPM and answers "done" in its place
    busy       answers the first two TPM2_Sign with TPM_RC_RETRY, without passing them on
    hmac       flips a bit in every answer to TPM2_HMAC
    hmacless   has no TPM2_HMAC: neither in the list of commands nor when it is called
    rate       answers the first three TPM2_NV_Increment with TPM_RC_NV_RATE
    always     answers every TPM2_NV_ReadPublic with TPM_RC_LOCKOUT
    gone       from the second TPM2_Sign on the line goes dead at each
    slow       waits 200 ms before it passes a command on
    testing    answers the first three TPM2_Sign with TPM_RC_TESTING
    lockout    answers every TPM2_Sign with TPM_RC_LOCKOUT
Must not: know holdfast.
SPDX-License-Identifier: BSD-3-Clause
"""
import os
import socket
import struct
import sys
import threading
import time

SIGN, INCREMENT, NV_READ_PUBLIC = 0x15D, 0x134, 0x169
HMAC, GET_CAPABILITY, CAP_COMMANDS = 0x155, 0x17A, 2
RETRY, LOCKOUT, NV_RATE, COMMAND_CODE, TESTING = 0x922, 0x921, 0x920, 0x143, 0x90A


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
    rest = exactly(sock, struct.unpack(">I", head[2:6])[0] - 6)
    return None if rest is None else head + rest


def code_of(command):
    return struct.unpack(">I", command[6:10])[0]


def refusal(rc):
    return struct.pack(">HII", 0x8001, 10, rc)


class Meddler:
    """Passes everything on. What it saw is in `seen`: (command, answer) pairs, over however many
    connections the program makes of it."""

    def __init__(self):
        self.seen = []
        self.count = 0

    def command(self, n, command):
        """What the TPM gets as command number n; None: nothing, and forged() answers."""
        return command

    def forged(self, n, command):
        """The answer to a command the TPM never got; None: the line goes dead."""
        return None

    def answer(self, n, command, answer):
        """What the client gets; None: the line goes dead."""
        return answer


class Mode(Meddler):
    def __init__(self, mode):
        super().__init__()
        self.mode = mode
        self.signed = 0
        self.left = {"busy": (SIGN, RETRY, 2), "rate": (INCREMENT, NV_RATE, 3),
                     "testing": (SIGN, TESTING, 3), "lockout": (SIGN, LOCKOUT, 1 << 30),
                     "always": (NV_READ_PUBLIC, LOCKOUT, 1 << 30),
                     "hmacless": (HMAC, COMMAND_CODE, 1 << 30)}.get(mode, (0, 0, 0))

    def command(self, n, command):
        code, _, times = self.left
        if self.mode == "slow":
            time.sleep(0.2)
        if self.mode == "gone" and code_of(command) == SIGN:
            self.signed += 1
            if self.signed > 1:
                return None
        if times > 0 and code_of(command) == code:
            return None
        return None if self.mode == "increment" and code_of(command) == INCREMENT else command

    def forged(self, n, command):
        if self.mode == "increment":
            session = struct.pack(">H32sBH32s", 32, bytes(32), 1, 32, bytes(32))
            return struct.pack(">HIII", 0x8002, 14 + len(session), 0, 0) + session
        if self.mode == "gone":
            return None
        code, rc, times = self.left
        self.left = code, rc, times - 1
        return refusal(rc)

    def answer(self, n, command, answer):
        if self.mode == "sign" and code_of(command) == SIGN and len(answer) > 60:
            answer = bytearray(answer)
            answer[30] ^= 1  # inside r: head 14, algorithm and hash 4, size of r 2
        if self.mode == "hmac" and code_of(command) == HMAC and len(answer) > 20:
            answer = answer[:20] + bytes([answer[20] ^ 1]) + answer[21:]
        if self.mode == "hmacless" and \
                command[6:18] == struct.pack(">III", GET_CAPABILITY, CAP_COMMANDS, HMAC):
            attributes = struct.unpack(">I", answer[19:23])[0]
            answer = answer[:19] + struct.pack(">I", attributes & 0xFFFF0000 | HMAC + 1)
        return bytes(answer)


class Bus:
    """Serves one client after the other; `meddler` may be changed between them."""

    def __init__(self, directory, target, meddler, left=None):
        self.directory, self.target, self.meddler, self.left = directory, target, meddler, left
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, "sock")
        self.threads = [self.listen(self.path + ".ctrl", self.serve_control),
                        self.listen(self.path, self.serve_data)]
        for thread in self.threads:
            thread.start()

    def wait(self):
        for thread in self.threads:
            thread.join()

    @staticmethod
    def listen(path, serve):
        server = socket.socket(socket.AF_UNIX)
        server.bind(path + ".new")
        server.listen(4)
        os.rename(path + ".new", path)  # who sees it can connect

        def loop():
            while True:
                client, _ = server.accept()
                try:
                    serve(client)
                except OSError:
                    pass
                client.close()

        return threading.Thread(target=loop, daemon=True)

    def serve_data(self, client):
        meddler = self.meddler
        tpm = socket.socket(socket.AF_UNIX)
        tpm.connect(self.target)
        try:
            self.converse(client, tpm, meddler)
        finally:
            tpm.close()
            if self.left:
                self.left(meddler)

    @staticmethod
    def converse(client, tpm, meddler):
        while (command := message(client)) is not None:
            n = meddler.count
            meddler.count += 1
            passed = meddler.command(n, command)
            if passed is None:
                answer = meddler.forged(n, command)
            else:
                tpm.sendall(passed)
                true = message(tpm)
                answer = None if true is None else meddler.answer(n, command, true)
            if answer is None:
                return
            meddler.seen.append((command, answer))
            client.sendall(answer)

    def serve_control(self, client):
        tpm = socket.socket(socket.AF_UNIX)
        tpm.connect(self.target + ".ctrl")
        back = threading.Thread(target=pump, args=(tpm, client), daemon=True)
        back.start()
        pump(client, tpm)
        back.join()
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


def main():
    directory, target, mode = sys.argv[1:4]

    def left(meddler):
        path = os.path.join(directory, "seen")
        new = f"{path}.{threading.get_ident()}"
        with open(new, "w", encoding="ascii") as f:
            f.writelines(f"{code_of(command):03x}\n" for command, _ in meddler.seen)
        os.replace(new, path)  # whoever reads it finds a whole one

    Bus(directory, target, Mode(mode), left).wait()


if __name__ == "__main__":
    main()
