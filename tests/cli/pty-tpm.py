#!/usr/bin/env python3
"""pty-tpm.py - a TPM that serves at a UNIX socket, as a character device: pty-tpm.py SOCKET LINK.

LINK becomes a symbolic link to a pseudo-terminal that takes commands and gives answers as /dev/tpm0
does: non-blocking, readable in parts, and nothing to poll for once an answer was read to its end.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import pty
import socket
import struct
import sys
import tty


def read_exactly(read, n):
    data = b""
    while len(data) < n:
        part = read(n - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def message(read):
    head = read_exactly(read, 10)
    return head + read_exactly(read, struct.unpack(">HII", head)[1] - 10)


tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
outer, inner = pty.openpty()  # `inner` stays open, or the terminal hangs up when a client leaves
tty.setraw(outer)
tty.setraw(inner)
os.symlink(os.ttyname(inner), sys.argv[2])
while True:
    tpm.sendall(message(lambda n: os.read(outer, n)))
    os.write(outer, message(tpm.recv))
