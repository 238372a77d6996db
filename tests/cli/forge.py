#!/usr/bin/env python3
"""forge.py - evidence of holdfast-attest, event logs and certificates, made and forged for tests.

    forge.py log OUT PCR:TEXT...           an event log (sha1 and sha256) of these events
    forge.py extends LOG                   the same as arguments of tpm2_pcrextend
    forge.py log-edit OUT LOG EDIT...      digest=N size=N data=N swap=N append=PCR:TEXT drop=N cut=BYTES
                                           (events are counted from 1, the header is 0)
    forge.py area OUT KEY [CLEAR-MASK]     TPMT_PUBLIC of an attestation key that is in no TPM
    forge.py quote OUT OLD KEY [EDIT...]   evidence OLD with a quote that KEY signs: magic=HEX type=HEX
                                           nonce=HEX select=BANK:HEXMAP[+...] digest=HEX values=FILE
                                           area=FILE signer=HEX tail=HEX
    forge.py resign OUT CERT KEY EDIT      a DER certificate, changed and signed again: expired, early

Signatures are openssl's. Must not: use code of ours; what is tested must not forge itself.
SPDX-License-Identifier: BSD-3-Clause
"""
import hashlib
import struct
import subprocess
import sys

HASHES = {"sha1": (4, 20), "sha256": (0xB, 32), "sha384": (0xC, 48)}


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


# Event logs

def event(pcr, text, kind=0xD):
    data = text.encode()
    digests = b"".join(struct.pack("<H", HASHES[n][0]) + hashlib.new(n, data).digest()
                       for n in ("sha1", "sha256"))
    return [pcr, kind, digests, data]


def pack_event(e, size=None):
    pcr, kind, digests, data = e
    return (struct.pack("<III", pcr, kind, 2) + digests +
            struct.pack("<I", len(data) if size is None else size) + data)


def parse_pairs(texts):
    return [event(int(t.split(":", 1)[0]), t.split(":", 1)[1]) for t in texts]


def log_header():
    spec = b"Spec ID Event03\0" + struct.pack("<IBBBB", 0, 0, 2, 0, 2)
    spec += struct.pack("<IHHHHB", 2, 4, 20, 0xB, 32, 0)
    return struct.pack("<II20sI", 0, 3, bytes(20), len(spec)) + spec


def parse_log(data):
    size = struct.unpack("<I", data[28:32])[0]
    at, events = 32 + size, []
    while at < len(data):
        pcr, kind, _ = struct.unpack("<III", data[at:at + 12])
        digests = data[at + 12:at + 12 + 2 + 20 + 2 + 32]
        at += 12 + len(digests)
        n = struct.unpack("<I", data[at:at + 4])[0]
        events.append([pcr, kind, digests, data[at + 4:at + 4 + n]])
        at += 4 + n
    return data[:32 + size], events


def log_extends(path):
    for pcr, _, digests, _ in parse_log(read(path))[1]:
        print(f"{pcr}:sha1={digests[2:22].hex()},sha256={digests[24:56].hex()}")


def log_edit(out, path, edits):
    header, events = parse_log(read(path))
    sizes, cut = {}, 0
    for edit in edits:
        what, value = edit.split("=", 1)
        if what == "append":
            events += parse_pairs([value])
            continue
        n = int(value)
        if what == "digest":
            events[n - 1][2] = events[n - 1][2][:-1] + bytes([events[n - 1][2][-1] ^ 1])
        elif what == "data":
            events[n - 1][3] = b"#" + events[n - 1][3][1:]
        elif what == "size":
            sizes[n - 1] = len(events[n - 1][3]) + 0x1000
        elif what == "swap":
            events[n - 1], events[n] = events[n], events[n - 1]
        elif what == "drop":
            del events[n - 1]
        elif what == "cut":
            cut = n
        else:
            sys.exit(f"unknown edit {what}")
    data = header + b"".join(pack_event(e, sizes.get(i)) for i, e in enumerate(events))
    write(out, data[:len(data) - cut])


# TPM structures

def tpm2b(data):
    return struct.pack(">H", len(data)) + data


def key_point(key):
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                         stdout=subprocess.PIPE, check=True).stdout
    return der[-64:-32], der[-32:]


def area(key, clear=0):
    x, y = key_point(key)
    # sign, restricted, userWithAuth, sensitiveDataOrigin, fixedParent, fixedTPM
    attributes = 0x00050072 & ~clear
    return (struct.pack(">HHI", 0x23, 0xB, attributes) + tpm2b(b"") + struct.pack(">H", 0x10) +
            struct.pack(">HHHH", 0x18, 0xB, 3, 0x10) + tpm2b(x) + tpm2b(y))


def openssl_sign(key, data):
    return subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=data,
                          stdout=subprocess.PIPE, check=True).stdout


def der_int(data, at):
    size = data[at + 1]
    return data[at + 2:at + 2 + size].lstrip(b"\0").rjust(32, b"\0"), at + 2 + size


def tpm_signature(key, data):
    der = openssl_sign(key, data)
    r, at = der_int(der, 2)
    s, _ = der_int(der, at)
    return struct.pack(">HH", 0x18, 0xB) + tpm2b(r) + tpm2b(s)


def records(path):
    data, at, found = read(path), 18, {}
    while at < len(data):
        tag, size = struct.unpack(">HI", data[at:at + 6])
        found[tag] = data[at + 6:at + 6 + size]
        at += 6 + size
    return data[:12], found


def write_records(path, head, found):
    body = b"".join(struct.pack(">HI", t, len(v)) + v for t, v in sorted(found.items()))
    write(path, head + struct.pack(">IH", 18 + len(body), len(found)) + body)


def take_2b(data, at):
    size = struct.unpack(">H", data[at:at + 2])[0]
    return data[at + 2:at + 2 + size], at + 2 + size


def parse_attest(data):
    a = {"magic": data[:4], "type": data[4:6]}
    a["signer"], at = take_2b(data, 6)
    a["nonce"], at = take_2b(data, at)
    a["clock"] = data[at:at + 25]
    at += 25
    count = struct.unpack(">I", data[at:at + 4])[0]
    end = at + 4
    for _ in range(count):
        end += 3 + data[end + 2]
    a["select"] = data[at:end]
    a["digest"], _ = take_2b(data, end)
    a["tail"] = b""
    return a


def pack_attest(a):
    return (a["magic"] + a["type"] + tpm2b(a["signer"]) + tpm2b(a["nonce"]) + a["clock"] +
            a["select"] + tpm2b(a["digest"]) + a["tail"])


def selection(text):
    banks = [b.split(":") for b in text.split("+")]
    return struct.pack(">I", len(banks)) + b"".join(
        struct.pack(">HB", HASHES[name][0], len(m) // 2) + bytes.fromhex(m) for name, m in banks)


def forge_quote(out, old, key, edits):
    head, found = records(old)
    attest = parse_attest(found[1])
    found[3] = area(key)
    for edit in edits:
        what, value = edit.split("=", 1)
        if what == "values":
            found[4] = read(value)
        elif what == "area":
            found[3] = read(value)
        elif what == "select":
            attest["select"] = selection(value)
        else:
            attest[what] = bytes.fromhex(value)
    found[1] = pack_attest(attest)
    found[2] = tpm_signature(key, found[1])
    write_records(out, head, found)


# Certificates

def der_span(data, at):
    size, head = data[at + 1], 2
    if size & 0x80:
        head += size & 0x7F
        size = int.from_bytes(data[at + 2:at + head], "big")
    return at + head, at + head + size


def der_wrap(tag, body):
    n = len(body)
    size = bytes([n]) if n < 128 else b"\x82" + struct.pack(">H", n)
    return bytes([tag]) + size + body


def resign(out, path, key, edit):
    cert = read(path)
    tbs_at = der_span(cert, 0)[0]
    tbs_start, tbs_end = der_span(cert, tbs_at)
    at = tbs_start
    for _ in range(4):  # version, serial number, algorithm, issuer
        at = der_span(cert, at)[1]
    algorithm_end = der_span(cert, tbs_end)[1]
    years = ("20200101000000Z", "20210101000000Z") if edit == "expired" else \
        ("20480101000000Z", "20490101000000Z")
    validity = der_wrap(0x30, b"".join(der_wrap(0x17, y[2:].encode()) for y in years))
    tbs = der_wrap(0x30, cert[tbs_start:at] + validity + cert[der_span(cert, at)[1]:tbs_end])
    signature = der_wrap(0x03, b"\0" + openssl_sign(key, tbs))
    write(out, der_wrap(0x30, tbs + cert[tbs_end:algorithm_end] + signature))


def main(command, *args):
    if command == "log":
        write(args[0], log_header() + b"".join(map(pack_event, parse_pairs(args[1:]))))
    elif command == "extends":
        log_extends(args[0])
    elif command == "log-edit":
        log_edit(args[0], args[1], args[2:])
    elif command == "area":
        write(args[0], area(args[1], int(args[2], 0) if len(args) > 2 else 0))
    elif command == "quote":
        forge_quote(args[0], args[1], args[2], args[3:])
    elif command == "resign":
        resign(*args)
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
