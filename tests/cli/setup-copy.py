#!/usr/bin/env python3
"""setup-copy.py - holdfast-setup --copy-from: a TPM from one kind of store into another, whole, with the
source as it was; and what is refused leaves both as they were. Its crashes are in tests/fault/crash.py.

SPDX-License-Identifier: BSD-3-Clause
"""
import hashlib
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))
from vtpm import Emulator, Tap

tap = Tap()
SETUP = os.path.join(os.environ.get("top_builddir", "."), "holdfast-setup")
INDEX = 0x01500010
CONTENT = b"eight by"


def setup(*options):
    return subprocess.run([SETUP, "--tpm2", *options], capture_output=True, text=True, check=False,
                          env={**os.environ, "XDG_CONFIG_HOME": "/nonexistent"})


def copies(what, source, target, *options):
    before = sums(source)
    done = setup("--tpm-state", target, "--copy-from", source, *options)
    tap.ok(done.returncode == 0 and "use one of them only" in done.stdout, what,
           done.stdout + done.stderr)
    tap.equal(sums(source), before, f"{what}: the source is as it was")


def refuses(what, pattern, source, target, *options, code=1):
    before = sums(source), sums(target)
    done = setup("--tpm-state", target, "--copy-from", source, *options)
    tap.ok(done.returncode == code and re.search(pattern, done.stderr), what,
           f"exit code {done.returncode}, wanted {code}: {done.stderr}")
    tap.equal((sums(source), sums(target)), before, f"{what}: nothing is changed")


def path_of(state):
    return state.rpartition("://")[2]


def sums(state):
    """What is there, but for the lock file."""
    path = path_of(state)
    names = [path] if not os.path.isdir(path) else \
        [os.path.join(path, name) for name in sorted(os.listdir(path)) if name != ".lock"]
    return {name: digest(name) for name in names if os.path.exists(name)}


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def make_source(path):
    """A TPM with something in NV, something in a PCR, suspended."""
    os.mkdir(path)
    with Emulator(state=path) as e:
        control, tpm = e.start()
        assert tpm.nv_define(INDEX, 8) == 0 and tpm.nv_write(INDEX, CONTENT) == 0
        assert tpm.pcr_extend(16) == 0
        pcr = tpm.pcr_read(16)
        assert control.store_volatile() == 0
        control.stop()
        e.kill()
    return pcr


def lives(what, state, pcr, *options):
    with Emulator(*options, state=state) as e:
        control = e.control()
        tap.equal(control.init(), 0, f"{what}: it goes on")
        tpm = control.data()
        tap.equal(tpm.nv_read(INDEX, 8), CONTENT, f"{what}: its NV")
        tap.equal(tpm.pcr_read(16), pcr, f"{what}: its PCRs")
        control.shutdown()
        e.wait()


def there_and_back(base):
    source = f"{base}/dir"
    pcr = make_source(source)
    first = sums(source)
    copies("directory to slots", source, f"slots://{base}/slots")
    copies("slots to linear", f"slots://{base}/slots", f"file://{base}/linear")
    os.mkdir(f"{base}/back")
    copies("linear to directory", f"file://{base}/linear", f"dir://{base}/back")
    tap.equal(sorted(sums(f"{base}/back").values()), sorted(first.values()),
              "there and back: byte for byte")
    lives("slots", f"slots://{base}/slots", pcr)
    lives("linear", f"file://{base}/linear", pcr)


def with_a_key(base):
    source, key = f"{base}/secret", f"{base}/key"
    with open(key, "w", encoding="ascii") as f:
        f.write("00112233445566778899aabbccddeeff\n")
    with open(key + ".other", "w", encoding="ascii") as f:
        f.write("ff112233445566778899aabbccddeeff\n")
    os.mkdir(source)
    assert setup("--tpm-state", source, "--keyfile", key).returncode == 0
    copies("encrypted", source, f"slots://{base}/secret.slots", "--keyfile", key)
    with Emulator("--key", f"file={key}", state=f"slots://{base}/secret.slots") as e:
        tap.equal(e.control().init(), 0, "encrypted: it starts with the key")
    refuses("without the key", "encrypted|key", source, f"slots://{base}/secret.none")
    refuses("with another key", "key|HMAC|authentic", source, f"slots://{base}/secret.none",
            "--keyfile", key + ".other")


def refusals(base):
    source, other = f"{base}/dir2", f"{base}/dir3"
    make_source(source)
    make_source(other)
    refuses("a target with a TPM", "there is a TPM already: nothing is copied", source, other)
    refuses("onto itself", "there is a TPM already: nothing is copied", source, source)
    os.mkdir(f"{base}/empty")
    refuses("an empty source", "there is no TPM to copy", f"{base}/empty", f"slots://{base}/no")
    refuses("a source that is not there", "No such file|there is no TPM to copy", f"file://{base}/missing",
            f"slots://{base}/no")
    tap.ok(not os.path.exists(f"{base}/missing"), "it is not made")
    refuses("a target directory that is not there", "No such file", source, f"{base}/nodir")
    refuses("a kind that there is not", "unknown kind of store", source, "x://y")
    refuses("something foreign", "expected|empty", source, f"slots://{__file__}")
    with Emulator(state=source) as e:
        e.start()
        refuses("a TPM that runs", "dir2 is in use by a running TPM", source, f"slots://{base}/run")
    for option in ("--createek", "--overwrite", "--reconfigure", "--pcr-banks=sha256"):
        refuses(f"with {option}", "copies a TPM as it is: it cannot go with", source,
                f"slots://{base}/no", option, code=2)
    tap.ok(setup("--tpm-state", other, "--copy-from", source, "--not-overwrite").returncode == 0,
           "--not-overwrite keeps a target with a TPM")


def interrupted(base):
    """A copy without its last step: it goes on. What is of another TPM does not."""
    source, target = f"{base}/dir4", f"{base}/half"
    pcr = make_source(source)
    os.mkdir(target)
    copies("a first copy", source, target)
    os.unlink(f"{target}/tpm2-00.permall")
    copies("one that was interrupted", source, target)
    lives("after an interruption", target, pcr)
    make_source(f"{base}/dir5")
    os.unlink(f"{base}/dir5/tpm2-00.permall")
    refuses("a rest of another TPM", "there is the volatilestate of another TPM", source,
            f"{base}/dir5")


def batch(base):
    with open(f"{base}/lines", "w", encoding="ascii") as f:
        for n in range(3):
            make_source(f"{base}/b{n}")
            f.write(f"--copy-from {base}/b{n} --tpm-state slots://{base}/b{n}.slots\n")
    for found in ("3 done, 0 there already", "0 done, 3 there already"):
        done = setup("--batch", f"{base}/lines")
        tap.ok(done.returncode == 0 and found in done.stdout, f"in a batch: {found}",
               done.stdout + done.stderr)


def main():
    for test in (there_and_back, with_a_key, refusals, interrupted, batch):
        with tempfile.TemporaryDirectory(prefix="hf-copy.") as base:
            test(base)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
