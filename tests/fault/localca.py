"""localca.py - swtpm_localca on a fresh CA directory, killed before each call that changes a file, or with that call failing,
interrupted or half done.

Whatever is left, the next setup completes it: one CA, whose parts belong together; no certificate is half there.

SPDX-License-Identifier: BSD-3-Clause
"""
import errno
import glob
import os
import shutil
import subprocess
import sys
import tempfile

from interpose import DESCRIPTORS, FAIL, FILES, KILL, SHORT, Trace, reason_not_here
from sweep import RESTARTED
from vtpm import Tap

TOOL = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "swtpm-names/swtpm_localca"))
BASE = tempfile.mkdtemp(prefix="hf-fault.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
KEYS = ("swtpm-localca-rootca-privkey.pem", "signkey.pem")
tap = Tap()


def openssl(*arguments):
    return subprocess.run(("openssl",) + arguments, capture_output=True, text=True, check=False)


class Ca:
    """A directory of its own; making it costs no keys when there are some to begin with."""
    def __init__(self, keys):
        self.dir = tempfile.mkdtemp(dir=BASE)
        self.out = tempfile.mkdtemp(dir=BASE)
        for name in KEYS if keys else ():
            shutil.copy(os.path.join(keys, name), self.dir)
        self.config = os.path.join(self.dir, "config")
        with open(self.config, "w", encoding="ascii") as f:
            for key, name in (("statedir", ""), ("signingkey", "signkey.pem"), ("issuercert", "issuercert.pem"),
                              ("certserial", "certserial")):
                f.write(f"{key} = {self.dir}/{name}\n")

    def path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, env=None):
        modulus = "c" + "5" * 511
        return subprocess.run((TOOL, "--type", "ek", "--ek", modulus, "--dir", self.out, "--configfile", self.config,
                               "--optsfile", "/dev/null", "--tpm2", "--tpm-spec-family", "2.0", "--tpm-spec-revision",
                               "164", "--tpm-spec-level", "0", "--tpm-manufacturer", "id:00001014", "--tpm-model",
                               "swtpm", "--tpm-version", "id:1"), env=env, capture_output=True, text=True, check=False)

    def whole(self):
        """None, or what is wrong with the CA and the certificate it made."""
        pem = os.path.join(self.out, "ek.pem")
        made = openssl("x509", "-inform", "DER", "-in", os.path.join(self.out, "ek.cert"), "-out", pem)
        chain = openssl("verify", "-CAfile", self.path("swtpm-localca-rootca-cert.pem"), "-untrusted",
                        self.path("issuercert.pem"), pem)
        left = glob.glob(self.path(".*.tmp"))
        if made.returncode or chain.returncode:
            return made.stderr + chain.stderr
        return f"left over: {left}" if left else None


def sweep(title, keys, action, number, step=1, kinds=FILES, harmless=False):
    """Each call in turn; None of them leaves a directory that the next setup cannot use."""
    empty = tempfile.mkdtemp(dir=BASE)
    trace = Trace(os.path.join(BASE, "trace"), empty)
    problems, at, fired = [], 1 - step, 1
    while fired:
        at += step
        ca = Ca(keys)
        trace.arm(kinds, action, number, at)
        done = ca.issue(trace.environment())
        _, fired, call = trace.disarm()
        certificate = os.path.join(ca.out, "ek.cert")
        partial = os.path.exists(certificate) and openssl("x509", "-inform", "DER", "-in", certificate).returncode
        if fired and action == FAIL and done.returncode and not done.stderr:
            problems.append(f"{call} ({at}): no word about it")
        if harmless and done.returncode and (action == SHORT or call in RESTARTED):
            problems.append(f"{call} ({at}): {done.stderr}")
        again = ca.issue()
        wrong = "half a certificate" if partial else again.stderr if again.returncode else ca.whole()
        if wrong:
            problems.append(f"{call} ({at}): {wrong}")
        shutil.rmtree(ca.dir)
        shutil.rmtree(ca.out)
    trace.close()
    what = "each" if step == 1 else f"one in {step}"
    tap.ok(not problems and at > (10 if kinds == FILES else 2), f"{title}: at {what} of {at - 1} calls", "\n".join(problems[:9]))


def main():
    reason = reason_not_here(TOOL) or (None if shutil.which("openssl") else "openssl is not installed")
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    first = Ca(None)
    tap.equal(first.issue().returncode, 0, "a certificate of a fresh CA")
    tap.equal(first.whole(), None, "which is whole")
    sweep("killed, keys made before", first.dir, KILL, 0)
    sweep("a full disk, keys made before", first.dir, FAIL, errno.ENOSPC)
    sweep("an I/O error, keys made before", first.dir, FAIL, errno.EIO, 3)
    sweep("half of it, keys made before", first.dir, SHORT, 0, 3, harmless=True)
    sweep("interrupted, keys made before", first.dir, FAIL, errno.EINTR, 3, harmless=True)
    sweep("no descriptors, keys made before", first.dir, FAIL, errno.EMFILE, 2, kinds=DESCRIPTORS)
    sweep("killed, keys and all", None, KILL, 0, 5) # each costs two RSA keys
    shutil.rmtree(BASE)
    return tap.finish()


sys.exit(main())
