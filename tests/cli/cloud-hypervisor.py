#!/usr/bin/env python3
"""cloud-hypervisor.py - the TPM client that cloud-hypervisor has in it, for tests/cli/samples.sh.

    cloud-hypervisor.py --tpm socket=PATH [ANYTHING]

Does what cloud-hypervisor does with the emulator at that socket, in its order and with its manners:
one read of 16 bytes for each control response, 100 ms for a response on the data channel, which
is taken with one recv, any established bit counts as a failure. A short guest follows, then the end
without a word, as when a machine is killed. Exit code 0: the emulator did all that is expected.
Must not be gentler than the real one.

SPDX-License-Identifier: BSD-3-Clause
"""
import array
import socket
import struct
import sys

GET_CAPABILITY, INIT, GET_TPMESTABLISHED, SET_LOCALITY, CANCEL = 1, 2, 4, 5, 9
STOP, SET_DATAFD, SET_BUFFERSIZE = 14, 16, 17
# The capability bits of the commands it cannot do without.
NEEDED = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x400 | 0x1000 | 0x2000
TPM2_STARTUP_CLEAR = bytes.fromhex("80010000000c000001440000")
TPM2_GET_RANDOM = bytes.fromhex("80010000000c0000017b0010")


def fail(what):
    sys.exit(f"cloud-hypervisor.py: {what}")


def control(sock, command, payload=b"", fd=None, want=4):
    """A control command; its response is what a single read of 16 bytes gives."""
    message = struct.pack(">I", command) + payload
    if fd is None:
        sock.sendall(message)
    else:
        rights = array.array("i", [fd])
        sock.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    answer = sock.recv(16)
    if len(answer) != want:
        fail(f"command {command}: {len(answer)} bytes with one read, expected {want}")
    if command != GET_CAPABILITY and struct.unpack(">I", answer[:4])[0] != 0:
        fail(f"command {command}: result {answer[:4].hex()}")
    return answer


def guest(data, command):
    data.sendall(command)
    try:
        answer = data.recv(4096)
    except TimeoutError:
        fail("no response within 100 ms")
    if len(answer) < 10 or len(answer) != struct.unpack(">I", answer[2:6])[0]:
        fail(f"{len(answer)} bytes with one read are not a response")
    return struct.unpack(">I", answer[6:10])[0], answer[10:]


def main():
    words = sys.argv[1:]
    if "--tpm" not in words or not words[words.index("--tpm") + 1].startswith("socket="):
        fail("no --tpm socket=PATH")
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(words[words.index("--tpm") + 1][len("socket="):])
    data, theirs = socket.socketpair()
    data.settimeout(0.1)
    control(sock, SET_DATAFD, fd=theirs.fileno())
    theirs.close()
    capabilities = struct.unpack(">Q", control(sock, GET_CAPABILITY, want=8))[0]
    if capabilities & NEEDED != NEEDED:
        fail(f"capabilities {capabilities:#x} lack {NEEDED & ~capabilities:#x}")
    if control(sock, GET_TPMESTABLISHED, want=8)[4] != 0:
        fail("a TPM that is off has its established bit set")
    control(sock, STOP)
    size = struct.unpack(">IIII", control(sock, SET_BUFFERSIZE, struct.pack(">I", 4096), want=16))[1]
    if size != 4096:
        fail(f"a buffer of {size} bytes, expected 4096")
    control(sock, INIT, struct.pack(">I", 0))
    if control(sock, GET_TPMESTABLISHED, want=8)[4] != 0:
        fail("a new TPM has its established bit set")
    control(sock, SET_LOCALITY, b"\0")
    code, _ = guest(data, TPM2_STARTUP_CLEAR)
    if code != 0:
        fail(f"TPM2_Startup: {code:#x}")
    for _ in range(3):
        code, answer = guest(data, TPM2_GET_RANDOM)
        if code != 0 or len(answer) != 18:
            fail(f"TPM2_GetRandom: {code:#x}, {len(answer)} bytes")
    control(sock, CANCEL)
    # A reboot of the guest.
    control(sock, STOP)
    control(sock, INIT, struct.pack(">I", 0))
    if guest(data, TPM2_GET_RANDOM)[0] != 0x100:
        fail("TPM2_GetRandom before TPM2_Startup is not refused")
    print("cloud-hypervisor.py: done")


main()
