"""pytss-client.py - what tests/interop/pytss.sh asks of a TPM through tpm2-pytss.

    /usr/bin/python3 pytss-client.py TCTI DIRECTORY_WITH_EK_CERTIFICATES

Prints a line for each result: "ok" or "wrong", then what was tried; the traceback of anything
unforeseen goes to stderr. Must not start or configure the TPM: that is the shell's work.

SPDX-License-Identifier: BSD-3-Clause
"""
import hashlib
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from tpm2_pytss import (ESAPI, ESYS_TR, TPM2_ALG, TPM2B_NV_PUBLIC, TPM2B_PUBLIC, TPMA_NV, TPMA_OBJECT,
                        TPMS_ATTEST, TPMS_NV_PUBLIC, TSS2_Exception)

SIGNER = (TPMA_OBJECT.SIGN_ENCRYPT | TPMA_OBJECT.RESTRICTED | TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT |
          TPMA_OBJECT.SENSITIVEDATAORIGIN | TPMA_OBJECT.USERWITHAUTH)
EK_CERTIFICATES = {0x01C00002: "ek-rsa2048.crt", 0x01C00016: "ek-secp384r1.crt"}
EK_KEYS = {0x01C00002: 0x81010001, 0x01C00016: 0x81010016}


def say(good, what):
    print("ok" if good else "wrong", what, flush=True)


def refused(what, code, function, *arguments, **named):
    """The TPM answers with this code (format-one codes without their parameter bits)."""
    try:
        function(*arguments, **named)
        say(False, what + ": done instead")
    except TSS2_Exception as error:
        found = error.rc & 0xBF if error.rc & 0x80 else error.rc
        say(found == code, f"{what} ({error})")


def signature_is_right(key, signature, message):
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            parts = signature.signature.ecdsa
            der = encode_dss_signature(int.from_bytes(bytes(parts.signatureR), "big"),
                                       int.from_bytes(bytes(parts.signatureS), "big"))
            key.verify(der, message, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(bytes(signature.signature.rsassa.sig), message, padding.PKCS1v15(), hashes.SHA256())
    except Exception:
        return False
    return True


def random_bytes(tpm):
    first, second = bytes(tpm.get_random(32)), bytes(tpm.get_random(32))
    say(len(first) == 32 and first != second, "random bytes")


def keys_and_quotes(tpm):
    for kind in ("rsa2048:rsassa-sha256:null", "ecc256:ecdsa-sha256:null"):
        handle, public, *_ = tpm.create_primary(None, TPM2B_PUBLIC.parse(kind, SIGNER))
        key = load_pem_public_key(public.to_pem())
        say(True, f"{kind}: a primary key")
        attest, signature = tpm.quote(handle, "sha256:0,16", b"a nonce")
        message = bytes(attest)
        say(signature_is_right(key, signature, message), f"{kind}: a quote, verified elsewhere")
        say(not signature_is_right(key, signature, message[:-1] + b"?"), f"{kind}: and not when it is changed")
        info, _ = TPMS_ATTEST.unmarshal(message)
        say(bytes(info.extraData) == b"a nonce", f"{kind}: with the nonce")
        pcrs = b"".join(bytes(digest) for digest in tpm.pcr_read("sha256:0,16")[2])
        say(bytes(info.attested.quote.pcrDigest) == hashlib.sha256(pcrs).digest(), f"{kind}: over these PCRs")
        tpm.flush_context(handle)
    refused("a key whose attributes contradict each other", 0x82,
            tpm.create_primary, None, TPM2B_PUBLIC.parse("ecc256", TPMA_OBJECT.USERWITHAUTH))


def nv_memory(tpm):
    public = TPM2B_NV_PUBLIC(nvPublic=TPMS_NV_PUBLIC(
        nvIndex=0x01500002, nameAlg=TPM2_ALG.SHA256, dataSize=700,
        attributes=TPMA_NV.AUTHREAD | TPMA_NV.AUTHWRITE | TPMA_NV.NO_DA))
    index = tpm.nv_define_space("pass", public)
    data = os.urandom(700)
    tpm.nv_write(index, data)
    say(bytes(tpm.nv_read(index, 700)) == data, "NV: written and read")
    refused("NV: not beyond its end", 0x146, tpm.nv_read, index, 10, 695)
    tpm.tr_set_auth(index, "wrong")
    refused("NV: not with a wrong password", 0xA2, tpm.nv_read, index, 10)
    tpm.nv_undefine_space(index)
    refused("NV: undefined, it is gone", 0x8B, tpm.tr_from_tpmpublic, 0x01500002)


def ek_certificates(tpm, directory):
    for number, name in EK_CERTIFICATES.items():
        index = tpm.tr_from_tpmpublic(number)
        public, _ = tpm.nv_read_public(index)
        content, size = b"", public.nvPublic.dataSize
        while len(content) < size:
            content += bytes(tpm.nv_read(index, min(512, size - len(content)), len(content), index))
        with open(os.path.join(directory, name), "rb") as file:
            say(content.startswith(file.read().rstrip(b"\0")), f"{name}: the certificate in NV is the one that was written")
        certificate = x509.load_der_x509_certificate(content)
        ek, *_ = tpm.read_public(tpm.tr_from_tpmpublic(EK_KEYS[number]))
        held = load_pem_public_key(ek.to_pem()).public_numbers()
        say(certificate.public_key().public_numbers() == held, f"{name}: it is for the EK that the TPM holds")
        refused(f"{name}: it cannot be written over", 0x148, tpm.nv_write, index, b"x", 0, ESYS_TR.OWNER)


def main():
    with ESAPI(sys.argv[1]) as tpm:
        random_bytes(tpm)
        keys_and_quotes(tpm)
        nv_memory(tpm)
        ek_certificates(tpm, sys.argv[2])
    return 0


sys.exit(main())
