#!/usr/bin/env python3
"""What a TPM 1.2 shows of itself through a TCP data channel: tpm12-look.py PORT [OWNERPASS]; an empty password is swtpm_setup's well-known one

Flags, NV areas with attributes and (by the owner, when a password is given) their content, whether the
endorsement key can be read. Sizes of certificates differ from CA to CA and are left out.
SPDX-License-Identifier: BSD-3-Clause
"""
import hashlib
import hmac
import os
import socket
import struct
import sys

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))


def exchange(tag, ordinal, params):
    sock.sendall(struct.pack(">HII", tag, 10 + len(params), ordinal) + params)
    head = b""
    while len(head) < 10:
        head += sock.recv(10 - len(head))
    _, size, code = struct.unpack(">HII", head)
    body = b""
    while len(body) < size - 10:
        body += sock.recv(size - 10 - len(body))
    return code, body


def plain(ordinal, params=b""):
    return exchange(0xC1, ordinal, params)


def owned(ordinal, params, secret):
    _, body = plain(0x0A)  # OIAP
    handle, even, odd = body[:4], body[4:24], os.urandom(20)
    digest = hashlib.sha1(struct.pack(">I", ordinal) + params).digest()
    proof = hmac.new(secret, digest + even + odd + b"\0", "sha1").digest()
    return exchange(0xC2, ordinal, params + handle + odd + b"\0" + proof)


def capability(area, sub=None):
    params = struct.pack(">II", area, 0) if sub is None else struct.pack(">III", area, 4, sub)
    code, body = plain(0x65, params)
    return body[4:] if code == 0 else b""


print("permanent flags", capability(4, 0x108).hex())
print("volatile flags", capability(4, 0x109).hex())
print("endorsement key readable", plain(0x7C, bytes(20))[0])
areas = capability(0x0D)
for (index,) in struct.iter_unpack(">I", areas):
    public = capability(0x11, index)
    size = struct.unpack(">I", public[-4:])[0]
    print(f"area 0x{index:08x}", public[:-4].hex())
    read = struct.pack(">III", index, 0, 7)
    print(f"area 0x{index:08x} read by anybody:", plain(0xCF, read)[0])
    if len(sys.argv) > 2:
        secret = hashlib.sha1(sys.argv[2].encode() or bytes(20)).digest()
        code, body = owned(0xCF, struct.pack(">III", index, 0, min(size, 1024)), secret)
        content = body[4:4 + min(size, 1024)]
        length = struct.unpack(">H", content[3:5])[0] if len(content) > 5 else 0
        print(f"area 0x{index:08x} read by the owner:", code, content[:3].hex(), content[5:7].hex(),
              length == size - 5, content[7:9].hex())
