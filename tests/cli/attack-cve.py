"""attack-cve.py - the attacks of this field that have a number, against this emulator.

On swtpm's own code: CVE-2022-23645 and CVE-2026-75900 (headers of state blobs that are shorter than
they say; here for every way into the process). CVE-2020-28407, links at its paths, is
attack-paths.py. On libtpms, whose code does the work here too: CVE-2021-3446 and CVE-2026-21444 (the
IV that a cipher returns), CVE-2021-3505 (weak RSA keys), CVE-2021-3569 (RSA decryption that writes
over the stack), CVE-2021-3623 and CVE-2021-3746 (sizes of refused values that stay in the state),
CVE-2023-1017 and CVE-2023-1018 (an encrypted parameter that is not there), CVE-2025-49133 (an HMAC
key with the scheme of another kind of key). A library in which one is open fails this test.

SPDX-License-Identifier: BSD-3-Clause
"""
import hashlib
import hmac
import itertools
import math
import os
import struct
import sys

import vtpm
from vtpm import NULL, OWNER, Emulator, Tap

tap = Tap()
SHA1, SHA256, SHA384, SHA512, NO_ALG = 0x0004, 0x000B, 0x000C, 0x000D, 0x0010
AES, CAMELLIA, TDES = 0x0006, 0x0026, 0x0003
CTR, OFB, CBC, CFB = 0x0040, 0x0041, 0x0042, 0x0043
FIXED = 0x00000072  # fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth
DECRYPT, SIGN = 0x00020000, 0x00040000
RETRY = 0x922
KINDS = {"permanent": 1, "volatile": 2, "savestate": 3}


def sized(data):
    return struct.pack(">H", len(data)) + data


def primary(tpm, public, sensitive=b""):
    """(response code, handle) of a key in the null hierarchy."""
    parameters = sized(sized(b"") + sized(sensitive)) + sized(public) + sized(b"") + bytes(4)
    code, rest = tpm.run(0x131, (NULL,), parameters, 1)
    return code, struct.unpack(">I", rest[:4])[0] if code == 0 else 0


def answer(rest):
    """The parameters of a response with a session area."""
    size = struct.unpack(">I", rest[:4])[0]
    return rest[4:4 + size]


def lives(e, tpm):
    return e.process.poll() is None and tpm.random(8)


# --- CVE-2022-23645, CVE-2026-75900 ---

def hostile_blobs():
    """Blobs as swtpm frames them, whose header or length does not fit what is there."""
    for size in range(24):
        yield b"\2\1\0\x0a" + bytes(max(size - 4, 0)) if size >= 4 else b"\2\1\0\x0a"[:size]
    for header in (0, 1, 8, 9, 11, 12, 16, 255, 0x7FFF, 0x8000, 0xFFFF):
        for total in (0, 9, 10, 26, 0xFFFFFFFF):
            yield struct.pack(">BBHHI", 2, 1, header, 0, total) + bytes(16)
    for flags, total in itertools.product((0, 1, 2, 0xFFFF), (0, 10, 26, 27, 0x7FFFFFFF)):
        yield struct.pack(">BBHHI", 2, 1, 10, flags, total) + bytes(16)


def test_headers():
    blobs = list(hostile_blobs())
    with Emulator() as e:
        control, tpm = e.start()
        tpm.nv_define(0x01500000, 8)
        whole = control.get_blob(1)[3]
        control.stop()
        before = open(os.path.join(e.state, "tpm2-00.permall"), "rb").read()
        for name, kind in KINDS.items():
            taken = [b for b in blobs if control.set_blob(kind, b) == 0 and b]
            tap.equal(taken, [], f"SET_STATEBLOB {name}: none of {len(blobs)} blobs is taken")
        # A state that the library refused in parts must not be followed by one it makes up.
        tap.equal(control.init(), 0x101, "the TPM does not start with what was refused")
        tap.equal((control.set_blob(1, whole), control.init(), tpm.startup()), (0, 0, 0),
                  "the process lives, and starts with a whole state")
        control.stop()
        results = set()
        for blob in blobs:
            with open(os.path.join(e.state, "tpm2-00.permall"), "wb") as f:
                f.write(blob)
            results.add(control.init())
        tap.ok(0 not in results, f"INIT with them as a file: results {sorted(results)}")
        with open(os.path.join(e.state, "tpm2-00.permall"), "wb") as f:
            f.write(before)
        tap.equal((control.init(), tpm.startup()), (0, 0), "with the state back, the TPM is back")
        tap.equal(tpm.nv_write(0x01500000, b"12345678"), 0, "with its NV index")


# --- CVE-2021-3446, CVE-2026-21444 ---

def encrypt(tpm, key, mode, iv, data):
    """(data, next IV)"""
    parameters = sized(data) + b"\0" + struct.pack(">H", mode) + sized(iv)
    code, rest = tpm.run(0x193, (key,), parameters, 1)
    if code == RETRY:  # the first use of a key that is protected against guessing
        code, rest = tpm.run(0x193, (key,), parameters, 1)
    if code:
        return code, None
    rest = answer(rest)
    out, rest = rest[2:2 + len(data)], rest[2 + len(data):]
    return out, rest[2:]


def test_next_iv():
    """What follows is enciphered with the IV that came back as if it had come in one piece."""
    with Emulator() as e:
        _, tpm = e.start()
        for name, algorithm, bits, block in (("AES-128", AES, 128, 16), ("AES-256", AES, 256, 16),
                                             ("Camellia-128", CAMELLIA, 128, 16),
                                             ("TDES-128", TDES, 128, 8)):
            public = struct.pack(">HHIHHHH", 0x0025, SHA256, FIXED | DECRYPT | SIGN, 0, algorithm,
                                 bits, NO_ALG) + sized(b"")
            code, key = primary(tpm, public)
            if code:
                tap.skip(name, f"this library has no such cipher, response {code:#x}")
                continue
            for mode_name, mode in (("CTR", CTR), ("OFB", OFB), ("CBC", CBC), ("CFB", CFB)):
                for split in (block, 3 * block):
                    iv, data = os.urandom(block), os.urandom(6 * block)
                    whole, _ = encrypt(tpm, key, mode, iv, data)
                    first, middle = encrypt(tpm, key, mode, iv, data[:split])
                    second, _ = encrypt(tpm, key, mode, middle or b"", data[split:])
                    if isinstance(whole, int):
                        tap.skip(f"{name} {mode_name}", f"response {whole:#x}")
                        break
                    tap.ok(not isinstance(second, int) and first + second == whole,
                           f"{name} {mode_name}: goes on after {split} bytes",
                           f"IV {iv.hex()} then {(middle or b'').hex()}")
            tpm.flush(key)


# --- CVE-2021-3505, CVE-2021-3569 ---

def rsa_key(tpm, unique):
    """An unrestricted decryption key without a scheme: handle, modulus."""
    public = struct.pack(">HHIHHHHI", 0x0001, SHA256, FIXED | DECRYPT, 0, NO_ALG, NO_ALG, 2048,
                         0) + sized(unique)
    parameters = sized(sized(b"") + sized(b"")) + sized(public) + sized(b"") + bytes(4)
    code, rest = tpm.run(0x131, (NULL,), parameters, 1)
    if code:
        raise OSError(f"CreatePrimary: {code:#x}")
    handle = struct.unpack(">I", rest[:4])[0]
    at = rest.index(struct.pack(">HI", 2048, 0)) + 6
    size = struct.unpack(">H", rest[at:at + 2])[0]
    return handle, int.from_bytes(rest[at + 2:at + 2 + size], "big")


def close_primes(n, steps=2000):
    """Fermat: finds factors that have their upper halves in common."""
    a = math.isqrt(n)
    for _ in range(steps):
        a += 1
        if math.isqrt(a * a - n) ** 2 == a * a - n:
            return True
    return False


def test_rsa():
    with Emulator() as e:
        _, tpm = e.start()
        moduli, responses = [], set()
        for i in range(4):
            handle, modulus = rsa_key(tpm, bytes([i + 1]) * 256)
            moduli.append(modulus)
            tried = range(0, 301) if i == 0 else (256,)
            for size, scheme in itertools.product(tried, (NO_ALG, 0x0015, 0x0017)):
                for data in (bytes(size), b"\xff" * size, os.urandom(size)):
                    wanted = struct.pack(">H", scheme) + (b"\0\x0b" if scheme == 0x0017 else b"")
                    code, _ = tpm.run(0x159, (handle,), sized(data) + wanted + sized(b"label\0"), 1)
                    responses.add(code)
            # All of the modulus' length comes out, and goes back in.
            number = int.from_bytes(os.urandom(255), "big")
            sent = pow(number, 65537, modulus).to_bytes(256, "big")
            code, rest = tpm.run(0x159, (handle,), sized(sent) + b"\0\x10" + sized(b""), 1)
            tap.equal((code, code or int.from_bytes(answer(rest)[2:], "big")), (0, number),
                      f"CVE-2021-3569: RSA key {i + 1} decrypts a block of full length")
            tpm.flush(handle)
        tap.ok(lives(e, tpm) and len(responses) > 1,
               "CVE-2021-3569: RSA_Decrypt of all sizes: answered",
               ", ".join(map(hex, sorted(responses))))
        tap.ok(all(math.gcd(a, b) == 1 for a, b in itertools.combinations(moduli, 2))
               and not any(map(close_primes, moduli)) and all(m.bit_length() == 2048 for m in moduli),
               "CVE-2021-3505: no primes in common, none close together, full length")


# --- CVE-2021-3623, CVE-2021-3746 ---

def oversized(tpm):
    """Commands with values that are too long for what they are; all must be refused."""
    for size in (33, 49, 64, 65, 66, 127, 128, 200, 1024, 2048, 0x7FFF, 0xFFFF):
        value = struct.pack(">H", size) + bytes(min(size, 1500))
        if size > 64:
            yield "HierarchyChangeAuth", (OWNER,), value, True
        yield "SetPrimaryPolicy", (OWNER,), value + struct.pack(">H", SHA256), True
        yield "HashSequenceStart", (), value + struct.pack(">H", SHA256), size > 64
        yield "StartAuthSession", (NULL, NULL), (value + sized(b"") + b"\0" + struct.pack(
            ">HH", NO_ALG, SHA256)), size > 64
        yield "LoadExternal", (), sized(b"") + value + struct.pack(">I", NULL), True
        yield "NV_DefineSpace", (OWNER,), value + sized(b""), True
        yield "Create", (NULL,), value + value, True


CODES = {"HierarchyChangeAuth": 0x129, "SetPrimaryPolicy": 0x12E, "HashSequenceStart": 0x186,
         "StartAuthSession": 0x176, "LoadExternal": 0x167, "NV_DefineSpace": 0x12A,
         "Create": 0x153}


def test_sizes_in_state():
    with Emulator() as e:
        control, tpm = e.start()
        refused, accepted = 0, []
        for name, handles, parameters, must in oversized(tpm):
            sessions = None if name in ("HashSequenceStart", "StartAuthSession", "LoadExternal") else 1
            code, rest = tpm.run(CODES[name], handles, parameters, sessions)
            refused += code != 0
            if code == 0 and must:
                accepted.append((name, parameters[:2]))
            if code == 0 and name in ("HashSequenceStart", "StartAuthSession"):
                tpm.flush(struct.unpack(">I", rest[:4])[0])
            # What was refused is not in what is kept of it.
            if control.store_volatile():
                raise RuntimeError(f"{name}: the volatile state cannot be kept")
        tap.ok(not accepted and refused > 50, f"{refused} values that are too long are refused",
               str(accepted))
        value = tpm.pcr_extend(16) or tpm.pcr_read(16)
        sequences = []
        for algorithm in (SHA1, SHA256, SHA384, SHA512)[:3]:
            code, rest = tpm.run(0x186, (), sized(b"") + struct.pack(">H", algorithm))
            handle = struct.unpack(">I", rest[:4])[0] if code == 0 else 0
            code |= tpm.run(0x15C, (handle,), sized(b"a" * 1000), 1)[0]
            sequences.append((algorithm, handle, code))
        permanent, volatile = control.get_blob(1)[3], control.get_blob(2)[3]
        control.stop()
        tap.equal((control.set_blob(1, permanent), control.set_blob(2, volatile), control.init()),
                  (0, 0, 0), "the state goes out and in again")
        tap.equal(tpm.pcr_read(16), value, "with its PCR")
        for algorithm, handle, code in sequences:
            name = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384"}[algorithm]
            wanted = hashlib.new(name, b"a" * 1000 + b"end").digest()
            done, rest = tpm.run(0x13E, (handle,), sized(b"end") + struct.pack(">I", NULL), 1)
            found = answer(rest)[2:2 + len(wanted)] if done == 0 else b""
            tap.equal((code, done, found), (0, 0, wanted), f"and a {name} sequence in the middle")
        for at in range(0, len(volatile), 97):  # counts and sizes in the middle of it, too
            bad = volatile[:at] + b"\xff\xff" + volatile[at + 2:]
            control.stop()
            control.set_blob(1, permanent)
            if control.set_blob(2, bad) == 0:
                control.init()
        control.stop()
        control.set_blob(1, permanent)
        control.set_blob(2, volatile)
        tap.ok(control.init() == 0 and tpm.pcr_read(16) == value,
               "a volatile state with any two bytes at their highest does no harm")


# --- CVE-2023-1017, CVE-2023-1018 ---

class Session:
    """An HMAC session without secrets, which enciphers the first parameter."""

    def __init__(self, tpm):
        self.tpm = tpm
        self.caller = os.urandom(32)
        parameters = (sized(self.caller) + sized(b"") + b"\0" + struct.pack(">HHHH", AES, 128, CFB,
                                                                          SHA256))
        code, rest = tpm.run(0x176, (NULL, NULL), parameters)
        if code:
            raise OSError(f"StartAuthSession: {code:#x}")
        self.handle = struct.unpack(">I", rest[:4])[0]
        self.nonce = rest[6:6 + 32]

    def command(self, code, parameters):
        """A command without handles, parameters as given, that asks for a deciphered first one."""
        attributes = b"\x21"  # continueSession, decrypt
        digest = hashlib.sha256(struct.pack(">I", code) + parameters).digest()
        self.caller = os.urandom(32)
        mac = hmac.new(b"", digest + self.caller + self.nonce + attributes, "sha256").digest()
        area = struct.pack(">I", self.handle) + sized(self.caller) + attributes + sized(mac)
        body = struct.pack(">I", len(area)) + area + parameters
        response = self.tpm.command(struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
        result = struct.unpack(">I", response[6:10])[0]
        if result == 0:
            size = struct.unpack(">I", response[10:14])[0]
            self.nonce = response[14 + size + 2:14 + size + 34]
        return result


def test_missing_parameter():
    with Emulator() as e:
        _, tpm = e.start()
        session = Session(tpm)
        stir = 0x146
        tap.equal(session.command(stir, sized(b"12345678")), 0,
                  "control: a parameter that is there is deciphered and used")
        for what, parameters in (("no parameter", b""), ("half a size", b"\0"),
                                 ("a size and nothing", b"\0\x08"), ("a byte too few", b"\0\x081234567"),
                                 ("the largest size", b"\xff\xff" + bytes(8)),
                                 ("a size past the buffer", b"\x0f\xff" + bytes(64))):
            code = session.command(stir, parameters)
            tap.ok(code != 0 and lives(e, tpm), f"{what}: refused", hex(code))
        tap.equal(session.command(stir, sized(b"12345678")), 0, "and the session still works")
        # As found: the command ends where the buffer does.
        for room in range(4):
            tap.ok(session.command(stir, b"\0" * room) in (0,) if room == 2
                   else session.command(stir, b"\0" * room) != 0,
                   f"{room} bytes where the size is: {'empty' if room == 2 else 'refused'}")
        tap.ok(lives(e, tpm), "and the process lives")


# --- CVE-2025-49133 ---

def test_hmac_schemes():
    schemes = {"HMAC": 0x0005, "RSASSA": 0x0014, "RSAPSS": 0x0016, "ECDSA": 0x0018, "ECDAA": 0x001A,
               "SM2": 0x001B, "Schnorr": 0x001C, "null": NO_ALG}
    hashes = {"SHA-1": SHA1, "SHA-256": SHA256, "SHA-384": SHA384, "SHA-512": SHA512,
              "none": NO_ALG, "unknown": 0x7777}
    with Emulator() as e:
        _, tpm = e.start()
        keys = {}
        for name, use, own in (("HMAC-SHA-256", SIGN, struct.pack(">HH", 0x0005, SHA256)),
                               ("none", SIGN | DECRYPT, struct.pack(">H", NO_ALG))):
            public = struct.pack(">HHIH", 0x0008, SHA256, FIXED | use, 0) + own + sized(b"")
            code, keys[name] = primary(tpm, public)
            tap.equal(code, 0, f"an HMAC key, its scheme: {name}")
        ticket = struct.pack(">HI", 0x8024, NULL) + sized(b"")
        signed, wrong = set(), []
        for (name, key), (scheme, number), (hash_name, algorithm) in itertools.product(
                keys.items(), schemes.items(), hashes.items()):
            for size in (0, 20, 32, 48, 64):
                sent = struct.pack(">H", number)
                if number != NO_ALG:
                    sent += struct.pack(">H", algorithm)
                if scheme == "ECDAA":
                    sent += b"\0\1"
                code, _ = tpm.run(0x15D, (key,), sized(b"\x5a" * size) + sent + ticket, 1)
                if code == 0:
                    signed.add((name, scheme, hash_name if number != NO_ALG else "-"))
                    if scheme not in ("HMAC", "null"):
                        wrong.append((name, scheme, hash_name))
        tap.equal(wrong, [], "no HMAC key signs by the scheme of another kind of key")
        tap.ok(("HMAC-SHA-256", "null", "-") in signed and lives(e, tpm),
               "it does by its own, and the process lives", str(signed))


for test in (test_headers, test_next_iv, test_rsa, test_sizes_in_state, test_missing_parameter,
             test_hmac_schemes):
    tap.attempt(test)
sys.exit(tap.finish())
