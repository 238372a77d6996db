"""Every field of one certificate against its profile, by a DER decoder of its own.

    der-profile.py [FACTS] root|vma|platform|ek-rsa2048|ek-rsa3072|ek-p256|ek-p384 FILE.der
    der-profile.py [FACTS] --nested vma|platform|ek-... FILE.der       of an authority in a virtual TPM
    der-profile.py [FACTS] --ek EK.der ak-p256|ak-p384|ak-rsa2048 FILE.der
    der-profile.py [FACTS] --ek EK.der --vmid TEXT iak-...|idevid-... FILE.der
    der-profile.py serials FILE.der...

Written from the TCG's profile and RFC 5280, not from the sources: what is not listed here, an
extension above all, is wrong. Says what differs and exits with 1.
SPDX-License-Identifier: BSD-3-Clause
"""
import argparse
import hashlib
import re
import sys

FAR = "99991231235959Z"


def fail(what, found=None):
    sys.exit("%s%s" % (what, "" if found is None else ": found %r" % (found,)))


def expect(what, found, wanted):
    if found != wanted:
        fail("%s: expected %r" % (what, wanted), found)


def one(data, at=0):
    """(tag, content, whole, end); lengths in their shortest form."""
    tag, n, head = data[at], data[at + 1], 2
    if n & 0x80:
        k = n & 0x7F
        n = int.from_bytes(data[at + 2 : at + 2 + k], "big")
        head += k
        if n < 0x80 or data[at + 2] == 0:
            fail("DER: a length that is not the shortest")
    end = at + head + n
    if end > len(data):
        fail("DER: truncated")
    return tag, data[at + head : end], data[at:end], end


def items(data):
    out, at = [], 0
    while at < len(data):
        tag, content, whole, at = one(data, at)
        out.append((tag, content, whole))
    return out


def oid(content):
    parts, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            parts.append(value)
            value = 0
    first = min(parts[0] // 40, 2)
    return ".".join(map(str, [first, parts[0] - 40 * first] + parts[1:]))


def name(content):
    """[(oid, text)] of the RDNs, each with one attribute, a UTF8String; of a serialNumber a PrintableString."""
    out = []
    for tag, rdn, _ in items(content):
        expect("name: RDN", tag, 0x31)
        (attribute,) = items(rdn)
        kind, value = items(attribute[1])
        expect("name: string type", value[0], 0x13 if oid(kind[1]) == "2.5.4.5" else 0x0C)
        out.append((oid(kind[1]), value[1].decode("utf-8")))
    return out


def time(item):
    """GeneralizedTime's form of either; UTCTime until 2049, GeneralizedTime from then on."""
    text = item[1].decode("ascii")
    if item[0] == 0x17:
        return ("20" if int(text[:2]) < 50 else "19") + text
    expect("validity: time type", item[0], 0x18)
    if text < "2050":
        fail("validity: GeneralizedTime before 2050", text)
    return text


class Certificate:
    def __init__(self, path):
        self.der = open(path, "rb").read()
        if len(self.der) > 8192:
            fail("size: at most 8192 bytes", len(self.der))
        tag, content, _, end = one(self.der)
        expect("DER: bytes behind the certificate", end, len(self.der))
        tbs, outer, _ = items(content)
        fields = items(tbs[1])
        expect("version", fields[0][2], bytes.fromhex("a003020102"))
        self.serial = fields[1][1]
        expect("signature algorithm, inner and outer", fields[2][2], outer[2])
        self.algorithm = oid(items(fields[2][1])[0][1])
        self.issuer, self.subject = name(fields[3][1]), name(fields[5][1])
        self.not_before, self.not_after = map(time, items(fields[4][1]))
        self.spki = fields[6][2]
        expect("tbs: fields", len(fields), 8)
        expect("extensions: tag", fields[7][0], 0xA3)
        self.extensions = {}
        for _, body, _ in items(items(fields[7][1])[0][1]):
            parts = items(body)
            key = oid(parts[0][1])
            critical = len(parts) == 3
            if critical:
                expect("%s: DER TRUE" % key, parts[1][2], b"\x01\x01\xff")
            if key in self.extensions:
                fail("%s: twice" % key)
            self.extensions[key] = (critical, parts[-1][1])

    def take(self, key, what, critical):
        if key not in self.extensions:
            fail("%s: missing" % what)
        found, value = self.extensions.pop(key)
        expect("%s: critical" % what, found, critical)
        return value


def sequence(data):
    tag, content, _, end = one(data)
    expect("SEQUENCE", (tag, end), (0x30, len(data)))
    return content


def check_basic(c, ca, path):
    body = items(sequence(c.take("2.5.29.19", "basicConstraints", True)))
    wanted = [(1, b"\xff")] if ca else []
    if path is not None:
        wanted.append((2, bytes([path])))
    expect("basicConstraints", [(t, v) for t, v, _ in body], wanted)


def check_usage(c, wanted):
    tag, content, _, _ = one(c.take("2.5.29.15", "keyUsage", True))
    expect("keyUsage: BIT STRING", tag, 3)
    bits = {8 * i + j for i, byte in enumerate(content[1:]) for j in range(8) if byte & 0x80 >> j}
    expect("keyUsage", bits, wanted)


def oids(value):
    return [oid(content) for _, content, _ in items(sequence(value))]


def check_policies(c, wanted):
    found = [items(p)[0] for _, p, _ in items(sequence(c.take("2.5.29.32", "certificatePolicies", False)))]
    expect("certificatePolicies", [oid(p[1]) for p in found], wanted)


def check_authority(c, issuer):
    body = items(sequence(c.take("2.5.29.35", "authorityKeyIdentifier", False)))
    expect("authorityKeyIdentifier: keyIdentifier alone", [t for t, _, _ in body], [0x80])
    known = one(issuer.extensions["2.5.29.14"][1])[1]
    expect("authorityKeyIdentifier", body[0][1], known)
    expect("issuer", c.issuer, issuer.subject)


def check_alt_name(c, critical, wanted):
    body = items(sequence(c.take("2.5.29.17", "subjectAltName", critical)))
    expect("subjectAltName: one directoryName", [t for t, _, _ in body], [0xA4])
    found = name(sequence(body[0][1]))
    expect("subjectAltName: attributes", [k for k, _ in found], [k for k, _ in wanted])
    for (_, text), (_, pattern) in zip(found, wanted):
        if not re.fullmatch(pattern, text):
            fail("subjectAltName: %s expected" % pattern, text)


def check_holding(c, facts):
    body = items(sequence(c.take(facts.arc + ".2.1", "own extension (holding)", False)))
    expect("holding: members", [t for t, _, _ in body], [2, 0x80, 0x81, 0x82, 0x0C, 1, 0xA3])
    expect("holding: version", body[0][1], b"\x02")
    expect("holding: host EK", body[1][1].hex(), facts.host_ek)
    expect("holding: measurement of the emulator", len(body[2][1]), 32)
    expect("holding: TCB policy", body[3][1].hex(), facts.tcb)
    expect("holding: migration policy", body[4][1], b"none")
    expect("holding: reproducible", body[5][1], b"\x00")
    expect("holding: device model", one(body[6][1])[:2], (0x0C, b"tpm-2.0"))


def check_info(c, facts):
    (only,) = items(sequence(c.take("1.3.6.1.5.5.7.1.1", "authorityInfoAccess", False)))
    method, where = items(only[1])
    expect("authorityInfoAccess", (oid(method[1]), where[0], where[1].decode()),
           ("1.3.6.1.5.5.7.48.2", 0x86, facts.aia))


KEYS = {
    "rsa2048": ("1.2.840.113549.1.1.1", 2048),
    "rsa3072": ("1.2.840.113549.1.1.1", 3072),
    "p256": ("1.2.840.10045.2.1", "1.2.840.10045.3.1.7"),
    "p384": ("1.2.840.10045.2.1", "1.3.132.0.34"),
}


def check_key(c, kind):
    algorithm, bits = items(sequence(c.spki))
    parts = items(algorithm[1])
    expect("key: algorithm", oid(parts[0][1]), KEYS[kind][0])
    if kind.startswith("rsa"):
        expect("key: parameters", parts[1][2], b"\x05\x00")
        modulus, exponent = items(sequence(bits[1][1:]))
        expect("key: bits", int.from_bytes(modulus[1], "big").bit_length(), KEYS[kind][1])
        expect("key: exponent", int.from_bytes(exponent[1], "big"), 65537)
    else:
        expect("key: named curve", oid(parts[1][1]), KEYS[kind][1])
        expect("key: uncompressed point", bits[1][1], 4)


def properties(path):
    """TPM2_PT_* as tpm2_getcap prints them: name -> raw number."""
    text = open(path).read()
    return {m[0]: int(m[1], 16) for m in re.findall(r"(TPM2_PT_\w+):\s+raw: (0x[0-9A-Fa-f]+)", text)}


def check_root(c, facts):
    expect("issuer", c.issuer, c.subject)
    check_basic(c, True, 1)
    check_usage(c, {5, 6})
    expect("subjectKeyIdentifier", len(one(c.take("2.5.29.14", "subjectKeyIdentifier", False))[1]), 20)


def check_vma(c, facts):
    check_authority(c, Certificate(facts.root))
    check_basic(c, True, 0)
    check_usage(c, {5})
    expect("extKeyUsage", oids(c.take("2.5.29.37", "extKeyUsage", False)),
           ["2.23.133.8.1", "2.23.133.8.2"] +
           (["2.23.133.8.3", facts.arc + ".3.1"] if facts.identity_keys else []))
    # The TCG's two are said of keys in hardware alone.
    check_policies(c, [facts.arc + ".1.3"] if facts.nested else
                   ["2.23.133.11.1.1", "2.23.133.11.1.2", facts.arc + ".1.1"])
    key_id = one(c.take("2.5.29.14", "subjectKeyIdentifier", False))[1]
    expect("subject", c.subject, [
        ("2.5.4.10", "Fleet"), ("2.5.4.11", "migration policy none"),
        ("2.5.4.11", "device model tpm-2.0"), ("2.5.4.3", "holdfast vMA " + key_id.hex())])
    if facts.crl.encode() not in c.take("2.5.29.31", "cRLDistributionPoints", False):
        fail("cRLDistributionPoints: %s expected" % facts.crl)
    constraints = items(sequence(c.take("2.5.29.30", "nameConstraints", True)))
    forms = [[t for _, sub, _ in items(part[1]) for t, _, _ in items(sub)[:1]] for part in constraints]
    expect("nameConstraints: permitted DNS and e-mail, excluded addresses", forms,
           [[0x82, 0x81], [0x87, 0x87]])
    mandate = items(sequence(c.take(facts.arc + ".2.2", "own extension (mandate)", False)))
    expect("mandate: members", [t for t, _, _ in mandate],
           [2, 0x0C, 0x0C, 0x80, 0xA3] + ([0xA4] if facts.nested else []))
    expect("mandate: version", mandate[0][1], b"\x03" if facts.nested else b"\x02")
    expect("mandate: migration policy", mandate[2][1], b"none")
    expect("mandate: host EK", mandate[3][1].hex(), facts.host_ek)
    expect("mandate: device model", one(mandate[4][1])[1], b"tpm-2.0")
    if facts.nested:
        expect("mandate: one level, not on software", [v for _, v, _ in items(sequence(mandate[5][1]))],
               [b"\x01", b"\x00"])
    if not c.not_after < "2100":
        fail("validity: an end expected", c.not_after)


def check_leaf(c, facts, purpose, usage):
    check_authority(c, Certificate(facts.vma))
    check_basic(c, False, None)
    check_usage(c, usage)
    expect("extKeyUsage", oids(c.take("2.5.29.37", "extKeyUsage", False)), [purpose])
    check_policies(c, [facts.arc + (".1.3" if facts.nested else ".1.1")])
    check_info(c, facts)
    check_holding(c, facts)
    expect("validity: no expiry", c.not_after, FAR)


def check_tpm(c, tpm, critical):
    """The TPM's names and its specification, as the TPM itself reports them."""
    check_alt_name(c, critical, [
        ("2.23.133.2.1", "id:%08X" % tpm["TPM2_PT_MANUFACTURER"]),
        ("2.23.133.2.2", "holdfast vTPM on .+"),
        ("2.23.133.2.3", "id:%08X" % tpm["TPM2_PT_FIRMWARE_VERSION_1"])])
    (attribute,) = items(sequence(c.take("2.5.29.9", "subjectDirectoryAttributes", False)))
    kind_of, values = items(attribute[1])
    expect("TPM specification", oid(kind_of[1]), "2.23.133.2.16")
    family, level, revision = items(sequence(values[1]))
    expect("TPM specification: values",
           (family[1], level[1], int.from_bytes(revision[1], "big")),
           (b"2.0", b"\x00", tpm["TPM2_PT_REVISION"]))


def check_ek(c, facts, kind):
    check_leaf(c, facts, "2.23.133.8.1", {2} if kind.startswith("rsa") else {4})
    check_key(c, kind)
    expect("subject: empty", c.subject, [])
    check_tpm(c, properties(facts.properties), True)


def check_bond(c, facts):
    version, bond = items(sequence(c.take(facts.arc + ".2.3", "own extension (bond)", False)))
    expect("bond: version", version[1], b"\x01")
    expect("bond: endorsement key", bond[1].hex(), hashlib.sha256(Certificate(facts.ek).spki).hexdigest())


def check_identity(c, facts, kind, purpose):
    """IAK and IDevID, by the manufacturer: RFC 4108 has the name, the TCG its hwType."""
    ek = Certificate(facts.ek)
    check_leaf(c, facts, purpose, {0})
    check_key(c, kind)
    expect("subject: a serial number", c.subject, [("2.5.4.5", facts.vmid)])
    ((tag, other, _),) = items(sequence(c.take("2.5.29.17", "subjectAltName", False)))
    expect("subjectAltName: one otherName", tag, 0xA0)
    kind_of, value = items(other)
    expect("subjectAltName: hardwareModuleName", (kind_of[0], oid(kind_of[1]), value[0]), (6, "1.3.6.1.5.5.7.8.4", 0xA0))
    hardware, number = items(sequence(value[1]))
    expect("hardwareModuleName: hwType", (hardware[0], oid(hardware[1])), (6, "2.23.133.1.2"))
    maker = properties(facts.properties)["TPM2_PT_MANUFACTURER"].to_bytes(4, "big").rstrip(b"\0").decode()
    issuer = one(Certificate(facts.vma).extensions["2.5.29.14"][1])[1]
    expect("hardwareModuleName: hwSerialNum", (number[0], number[1].decode()),
           (4, "%s:%s:%s" % (maker, issuer.hex(), ek.serial.hex())))
    check_bond(c, facts)


def check_ak(c, facts, kind):
    """By a privacy CA, whose root is the issuer: what is in the EK certificate, and which EK that was."""
    check_authority(c, Certificate(facts.root))
    check_basic(c, False, None)
    check_usage(c, {0})
    check_key(c, kind)
    expect("extKeyUsage", oids(c.take("2.5.29.37", "extKeyUsage", False)), ["2.23.133.8.3"])
    check_policies(c, [facts.arc + ".1.1", "2.23.133.11.1.1", "2.23.133.11.1.2"])
    check_tpm(c, properties(facts.properties), False)
    check_holding(c, facts)
    bits = items(sequence(c.spki))[1][1][1:]
    expect("subject: named after the key", c.subject,
           [("2.5.4.3", "AK " + hashlib.sha256(bits).hexdigest()[:40])])
    check_bond(c, facts)
    if facts.crl.encode() not in c.take("2.5.29.31", "cRLDistributionPoints", False):
        fail("cRLDistributionPoints: %s expected" % facts.crl)
    if not c.not_after < "2100":
        fail("validity: an end expected", c.not_after)


def check_platform(c, facts):
    rsa = oid(items(items(sequence(c.spki))[0][1])[0][1]) == KEYS["rsa2048"][0]
    check_leaf(c, facts, "2.23.133.8.2", {2} if rsa else {4})
    expect("subject: CN alone", [k for k, _ in c.subject], ["2.5.4.3"])
    check_alt_name(c, False, [("2.23.133.5.1.1", "Maker"), ("2.23.133.5.1.4", "Board"), ("2.23.133.5.1.5", "7")])


def check_serial(c):
    if not 1 <= len(c.serial) <= 20 or c.serial[0] & 0x80 or not any(c.serial):
        fail("serial: positive, at most 20 octets", c.serial.hex())
    if len(c.serial) < 8:
        fail("serial: random, at least 64 bits", c.serial.hex())


def main():
    parser = argparse.ArgumentParser()
    for option in "arc", "aia", "crl", "host-ek", "tcb", "properties", "vma", "root", "ek", "vmid":
        parser.add_argument("--" + option)
    parser.add_argument("--nested", action="store_true")
    parser.add_argument("--identity-keys", action="store_true")
    parser.add_argument("kind")
    parser.add_argument("files", nargs="+")
    facts = parser.parse_args()
    if facts.kind == "serials":
        serials = [Certificate(path).serial for path in facts.files]
        for path in facts.files:
            check_serial(Certificate(path))
        if len(set(serials)) != len(serials):
            fail("serial: one of them twice")
        return
    c = Certificate(facts.files[0])
    check_serial(c)
    expect("signature algorithm", c.algorithm, "1.2.840.10045.4.3.2")
    if facts.kind.startswith("ek-"):
        check_ek(c, facts, facts.kind[3:])
    elif facts.kind.startswith("iak-"):
        check_identity(c, facts, facts.kind[4:], "2.23.133.8.3")
    elif facts.kind.startswith("idevid-"):
        check_identity(c, facts, facts.kind[7:], facts.arc + ".3.1")
    elif facts.kind.startswith("ak-"):
        check_ak(c, facts, facts.kind[3:])
    else:
        {"root": check_root, "vma": check_vma, "platform": check_platform}[facts.kind](c, facts)
    if c.extensions:
        fail("extensions that are in no profile", sorted(c.extensions))


main()
