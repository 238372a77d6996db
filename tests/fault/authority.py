"""authority.py - holdfast-authority when calls fail: a full disk, an I/O error, an interruption, half a read or write,
no descriptors, no locked pages, no memory; each at every call in turn.

A new authority is there and works, or the next init makes it; a request and a saved state are whole
or not there. The program says what happened.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import shutil
import subprocess
import sys
import tempfile

from interpose import reason_not_here
from sweep import FAULTS, run, sweep

from vtpm import Tap

BUILD = os.environ.get("top_builddir", ".")
AUTHORITY = os.path.join(BUILD, "holdfast-authority")
BASE = tempfile.mkdtemp(prefix="hf-fault.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
WORK = os.path.join(BASE, "work")

tap = Tap()


def plain(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_init():
    home = os.path.join(WORK, "authority")

    def act(environment):
        shutil.rmtree(home, ignore_errors=True)
        return run(environment, AUTHORITY, "init", "--software", "--dir", home)

    def judge(exit_code):
        again, said = plain(AUTHORITY, "init", "--software", "--dir", home)
        if exit_code == 0 and again == 0:
            return "and there was none"
        if again != 0 and "already" not in said:
            return f"and the next init fails: {said!r}"
        out = os.path.join(WORK, "request")
        works, said = plain(AUTHORITY, "request", "--dir", home, "--nonce", "00" * 32, "--out", out)
        return f"and what is there does not work: {said!r}" if works != 0 else None
    sweep(tap, "init", act, judge, WORK, FAULTS, allocations=97)


def test_interrupted():
    """A key without a manifest, as an init leaves it that did not get to its end."""
    first, second = os.path.join(WORK, "first"), os.path.join(WORK, "second")
    for home in (first, second):
        plain(AUTHORITY, "init", "--software", "--dir", home)
    key = os.path.join(first, "vma.key")
    with open(key, "rb") as f:
        before = f.read()
    os.unlink(os.path.join(first, "manifest.json"))
    code, said = plain(AUTHORITY, "init", "--dir", first, "--key-file", os.path.join(second, "vma.key"))
    tap.ok(code == 1 and "another key already" in said, "another key is not put in its place", said)
    code, said = plain(AUTHORITY, "init", "--dir", first, "--key-file", key)
    tap.equal((code, code and said), (0, 0), "the same is taken")
    os.unlink(os.path.join(first, "manifest.json"))
    code, said = plain(AUTHORITY, "init", "--software", "--dir", first)
    with open(key, "rb") as f:
        tap.equal((code, f.read() == before), (0, True), "a new init goes on with it")
    os.unlink(os.path.join(first, "manifest.json"))
    with open(key, "w") as f:
        f.write("no key")
    code, said = plain(AUTHORITY, "init", "--software", "--dir", first)
    tap.ok(code == 1 and key in said, "what is no key is refused", said)


def test_request():
    home, out = os.path.join(WORK, "requests"), os.path.join(WORK, "out")
    code, said = plain(AUTHORITY, "init", "--software", "--dir", home)
    tap.equal((code, code and said), (0, 0), "an authority")

    def files():
        return sorted(n for n in os.listdir(WORK) if n.startswith((".out", "out")))

    def act(environment):
        if os.path.exists(out):
            os.unlink(out)
        return run(environment, AUTHORITY, "request", "--dir", home, "--nonce", "00" * 32, "--out", out)

    def judge(exit_code):
        if files() != (["out"] if exit_code == 0 else []):
            # A file that could not be made durable may be there, whole.
            if exit_code != 1 or files() != ["out"]:
                return f"files: {files()}"
        return "the request is cut" if files() and os.path.getsize(out) < 200 else None
    sweep(tap, "request", act, judge, WORK, FAULTS, allocations=199)


def main():
    reason = reason_not_here(AUTHORITY)
    os.mkdir(WORK, 0o700)
    for test in (test_init, test_interrupted, test_request):
        if reason:
            tap.skip(test.__name__, reason)
            continue
        tap.attempt(test)
    shutil.rmtree(BASE, ignore_errors=True)
    return tap.finish()


sys.exit(main())
