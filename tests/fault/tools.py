"""tools.py - holdfast-ctl, swtpm_ioctl, swtpm_bios, holdfast-attest, holdfast-ca's reports, swtpm_cert and the batches of
holdfast-setup when calls fail: a full disk, an I/O error, an interruption, half a read or write, a connection that
breaks, no descriptors, no locked pages, no memory; each at every call in turn.

An error and an exit code; what is written is whole or not there; nothing hangs.
SPDX-License-Identifier: BSD-3-Clause
"""
import hashlib
import hmac
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import sweep
from interpose import reason_not_here

import vtpm
from vtpm import Emulator, Tap

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
CTL, CA, ATTEST, SETUP = (os.path.join(BUILD, f"holdfast-{name}") for name in ("ctl", "ca", "attest", "setup"))
IOCTL, BIOS, CERT = (os.path.join(BUILD, "swtpm-names", name) for name in ("swtpm_ioctl", "swtpm_bios", "swtpm_cert"))
PROBE = os.path.join(BUILD, "tests/cli/pki-probe")
BASE = tempfile.mkdtemp(prefix="hf-fault.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
FILES = (sweep.ENOSPC, sweep.EDQUOT, sweep.EIO, sweep.HALF, sweep.EINTR)
REST = (sweep.EMFILE, sweep.LOCKED, sweep.NOTHING)
CONNECTED = FILES + (sweep.LOST,) + REST
AK = bytes.fromhex("000400000000" "0018" "0023000b00050072" "0000" "0010" "0018000b" "0003" "0010" "00000000"
                   "0000" "00000000")

tap = Tap()


def must(*argv, cwd=None):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise OSError(f"{argv}: {done.stdout}{done.stderr}")
    return done.stdout


def place(name):
    path = os.path.join(BASE, name)
    os.mkdir(path, 0o700)
    return path


def content(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def files(directory, stem):
    return sorted(n for n in os.listdir(directory) if stem in n)


class Out:
    """A file that a command makes: what it is when all went well, or not there."""

    def __init__(self, directory, name, wanted=None):
        self.directory, self.name, self.wanted = directory, name, wanted
        self.path = os.path.join(directory, name)

    def begin(self):
        for name in files(self.directory, self.name):
            os.unlink(os.path.join(self.directory, name))

    def problem(self, code):
        found, names = content(self.path), files(self.directory, self.name)
        if names not in ([], [self.name]):
            return f"left over: {names}"
        if found is None:
            return "done, and there is no file" if code == 0 else None
        good = self.wanted(found) if callable(self.wanted) else found == self.wanted
        return None if good else f"half a file of {len(found)} bytes"


def test_ctl():
    """The emulator is not under the interposer; it goes on, whatever became of its client."""
    work = place("ctl")
    with Emulator() as e:
        control, tpm = e.start()
        tap.equal((tpm.nv_define(0x01500000, 8), tpm.nv_write(0x01500000, b"precious")), (0, 0), "a TPM with something in it")
        blob = control.get_blob(vtpm.PERMANENT, flags=0)[3]
        out = Out(work, "blob", blob)
        whole = os.path.join(work, "whole")
        with open(whole, "wb") as f:
            f.write(blob)
        tpm.close()
        control.close()  # one client at a time

        def alive():
            again = vtpm.Control.unix(e.path)
            again.config()
            again.close()

        def judge(code):
            alive()
            return out.problem(code) if out else None

        def saves(*argv):
            def act(environment):
                out.begin()
                return sweep.run(environment, *argv)
            return act
        sweep.sweep(tap, "holdfast-ctl save", saves(CTL, "save", "--unix", e.path, "permanent", out.path), judge, work,
                    CONNECTED, allocations=11)
        sweep.sweep(tap, "swtpm_ioctl --save", saves(IOCTL, "--unix", e.path, "--save", "permanent", out.path), judge,
                    work, CONNECTED, allocations=11)
        out = None
        for name, argv in (("holdfast-ctl info", (CTL, "info", "--unix", e.path, "--json")),
                           ("swtpm_ioctl -c", (IOCTL, "--unix", e.path, "-c"))):
            sweep.sweep(tap, name, lambda environment, argv=argv: sweep.run(environment, *argv), judge, work,
                        (sweep.EINTR, sweep.HALF, sweep.LOST, *REST), allocations=11)

        def load(environment):
            must(CTL, "stop", "--unix", e.path)
            return sweep.run(environment, CTL, "load", "--unix", e.path, "permanent", whole)

        def loaded(code):
            alive()
            if code == 0:
                must(CTL, "init", "--unix", e.path)
            return None
        sweep.sweep(tap, "holdfast-ctl load", load, loaded, work, CONNECTED, allocations=5)
        must(CTL, "stop", "--unix", e.path)
        must(CTL, "load", "--unix", e.path, "permanent", whole)
        must(CTL, "init", "--unix", e.path)
        with vtpm.Control.unix(e.path).sock as sock:
            data = vtpm.Control(sock).data()
            tap.ok(data.startup() in (0, 0x100) and data.nv_read(0x01500000, 8) == b"precious",
                   "after all this the TPM is the one that was saved")
            data.close()


def test_bios():
    work = place("bios")
    with Emulator("--server", f"type=unixio,path={work}/data") as e:
        control = e.control()

        def act(environment):
            control.init()
            return sweep.run(environment, BIOS, "--tpm2", "-c", "--unix", f"{work}/data")
        sweep.sweep(tap, "swtpm_bios", act, lambda _: None, work, (sweep.EINTR, sweep.HALF, sweep.LOST, *REST), allocations=3,
                    codes=(0, 255))
        tap.equal(act(None), (0, ""), "and the next one starts the TPM")


def guest():
    """A directory with what a verifier gets: EK and its certificate, attestation key, quote, PCR values."""
    work = place("attest")
    must("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{work}/ek.key")
    must("openssl", "pkey", "-in", f"{work}/ek.key", "-pubout", "-outform", "DER", "-out", f"{work}/ek.der")
    os.mkdir(f"{work}/ek")
    must(PROBE, "write", f"{work}/ek", "p256", f"{work}/ek.der")
    with Emulator() as e:
        _, tpm = e.start()
        code, rest = tpm.run(0x131, (0x4000000B,), AK, 1)
        if code:
            raise OSError(f"CreatePrimary: {code:#x}")
        handle, size = struct.unpack(">I4xH", rest[:10])
        with open(f"{work}/ak.pub", "wb") as f:
            f.write(rest[8:10 + size])
        selection = struct.pack(">IHB", 1, 0xB, 3) + b"\x95\0\0"
        code = 0x922  # TPM_RC_RETRY: the first use of a key that dictionary attacks are counted for
        while code == 0x922:
            code, rest = tpm.run(0x158, (handle,), b"\0\2\xaa\xbb" + struct.pack(">H", 0x10) + selection, 1)
        if code:
            raise OSError(f"Quote: {code:#x}")
        size = struct.unpack(">H", rest[4:6])[0]
        with open(f"{work}/q.msg", "wb") as f:
            f.write(rest[6:6 + size])
        with open(f"{work}/q.sig", "wb") as f:
            f.write(rest[6 + size:6 + size + 72])
        with open(f"{work}/q.pcrs", "w", encoding="ascii") as f:
            f.writelines(f"sha256:{n}:{tpm.pcr_read(n).hex()}\n" for n in (0, 2, 4, 7))
    return work


def test_attest():
    work = guest()
    credential, secret = Out(work, "c.credential", lambda b: len(b) > 60), Out(work, "c.secret", lambda b: len(b) == 32)

    def challenge(environment):
        credential.begin()
        secret.begin()
        return sweep.run(environment, ATTEST, "challenge", "--ek-certificate", "ek/ek.pem", "--ak-public", "ak.pub", "--out",
                         "c.credential", "--secret-out", "c.secret", cwd=work)

    def challenged(code):
        return credential.problem(code) or secret.problem(code)
    sweep.sweep(tap, "holdfast-attest challenge", challenge, challenged, work, FILES + REST, allocations=97)
    must(ATTEST, "challenge", "--ek-certificate", "ek/ek.pem", "--ak-public", "ak.pub", "--out", "c.credential",
         "--secret-out", "c.secret", cwd=work)
    # What a TPM gives back for the credential.
    name = b"\0\x0b" + hashlib.sha256(content(f"{work}/ak.pub")[2:]).digest()
    with open(f"{work}/activated", "wb") as f:
        f.write(hmac.digest(content(f"{work}/c.secret"), b"holdfast challenge\0" + content(f"{work}/ek.der") + name, "sha256"))
    arguments = ("verify", "--quote", "q.msg", "--signature", "q.sig", "--ak-public", "ak.pub", "--nonce", "aabb", "--pcrs", "q.pcrs",
                 "--selection", "sha256:0,2,4,7", "--ek-certificate", "ek/ek.pem", "--chain", "ek/vma.pem", "--root",
                 "ek/root.pem", "--secret", "c.secret", "--activated", "activated", "--write-reference", "reference")
    must(ATTEST, *arguments, cwd=work)
    reference = Out(work, "reference", content(f"{work}/reference"))

    def verify(environment):
        reference.begin()
        return sweep.run(environment, ATTEST, *arguments, cwd=work)
    sweep.sweep(tap, "holdfast-attest verify", verify, reference.problem, work, FILES + REST, allocations=397)


def test_ca_reports():
    work = place("reports")
    home = os.path.join(work, "C")
    must(CA, "init", "--dir", home)
    for _ in range(3):
        must(CA, "nonce", "--dir", home)
    for name in "list", "audit":
        argv = (CA, name, "--dir", home, "--json")
        wanted = json.loads(must(*argv))
        said = ""

        def act(environment, argv=argv):
            nonlocal said
            code, said = sweep.run(environment, *argv)
            return code, said

        def judge(code, wanted=wanted):
            return "it tells something else" if code == 0 and json.loads(said) != wanted else None
        sweep.sweep(tap, f"holdfast-ca {name}", act, judge, work, FILES + REST, allocations=197)


def test_cert():
    work = place("cert")
    for name in "signkey", "ek":
        must("openssl", "genrsa", "-out", f"{work}/{name}.pem", "2048")
    must("openssl", "req", "-x509", "-new", "-key", f"{work}/signkey.pem", "-subj", "/CN=issuer", "-days", "9", "-out",
         f"{work}/issuer.pem")
    must("openssl", "pkey", "-in", f"{work}/ek.pem", "-pubout", "-out", f"{work}/ek.pub")

    def whole(_):
        return subprocess.run(("openssl", "verify", "-CAfile", f"{work}/issuer.pem", "-partial_chain", f"{work}/certificate"),
                              check=False, capture_output=True).returncode == 0
    out = Out(work, "certificate", whole)

    def act(environment):
        out.begin()
        return sweep.run(environment, CERT, "--type", "ek", "--pubkey", "ek.pub", "--signkey", "signkey.pem", "--issuercert",
                         "issuer.pem", "--out-cert", "certificate", "--pem", "--days", "9", "--serial", "7", "--tpm2",
                         "--tpm-manufacturer", "id:00001014", "--tpm-model", "swtpm", "--tpm-version", "id:1",
                         "--tpm-spec-family", "2.0", "--tpm-spec-revision", "164", "--tpm-spec-level", "0", cwd=work)
    sweep.sweep(tap, "swtpm_cert", act, out.problem, work, FILES + REST, allocations=397)


def test_batch():
    """Each TPM is made or not there; the same call again makes what is missing."""
    work = place("batch")
    states = [os.path.join(work, str(n)) for n in range(2)]
    with open(f"{work}/list", "w", encoding="ascii") as f:
        f.writelines(f"--tpm-state {state} --ecc --createek\n" for state in states)
    argv = (SETUP, "--tpm2", "--batch", f"{work}/list", "--jobs", "1", "--not-overwrite")

    def act(environment):
        for state in states:
            shutil.rmtree(state, ignore_errors=True)
            os.mkdir(state, 0o700)
        return sweep.run(environment, *argv)

    def made():
        return [os.path.exists(f"{state}/tpm2-00.permall") for state in states]

    def judge(code):
        if code == 0 and not all(made()):
            return f"done, and there are {made()}"
        again, said = sweep.run(None, *argv)
        if again != 0 or not all(made()):
            return f"the same call again: {again}, {made()}: {said[-300:]}"
        left = [n for state in states for n in os.listdir(state) if n not in ("tpm2-00.permall", ".lock")]
        return f"left over: {left}" if left else None
    sweep.sweep(tap, "holdfast-setup --batch", act, judge, work, (sweep.ENOSPC, sweep.EINTR, sweep.HALF, sweep.EMFILE, sweep.NOTHING),
                step=11, allocations=2003)
    for state in states:
        with Emulator(state=state) as e:
            e.start()
    tap.ok(True, "and they start")


def main():
    reason = reason_not_here(SETUP) or (None if shutil.which("openssl") else "openssl is not installed")
    only = sys.argv[1:]
    for test in (test_ctl, test_bios, test_attest, test_ca_reports, test_cert, test_batch):
        if only and test.__name__ not in only:
            continue
        if reason:
            tap.skip(test.__name__, reason)
            continue
        tap.attempt(test)
    shutil.rmtree(BASE, ignore_errors=True)
    return tap.finish()


sys.exit(main())
