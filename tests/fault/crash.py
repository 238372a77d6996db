"""crash.py - every crash of stores, of an emulator in service and of holdfast-setup.

Each is traced through the interposer; crash-replay then tries, after every call, every loss a disk
may suffer. A few of the disks are started by a real emulator, which is traced again.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import struct
import subprocess
import sys
import tempfile

from interpose import BUILD, Trace, reason_not_here

import vtpm
from vtpm import Emulator, Tap

INDEX = 0x01500000
SETUP = os.path.join(os.environ.get("top_builddir", "."), "holdfast-setup")
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
STORES = (("dir", "dir://%s"), ("file", "file://%s/state"),
          ("slots", "slots://%s/state"))

tap = Tap()


@contextlib.contextmanager
def place():
    """A directory of state, and a path for a trace beside it."""
    with tempfile.TemporaryDirectory(prefix="hf-crash.", dir=MEMORY) as base:
        state = os.path.join(base, "state")
        os.mkdir(state, 0o700)
        yield state, os.path.join(base, "trace")


def result(trace, uri, what, *options):
    """What crash-replay says, as ours; the number of disks it tried goes into the description."""
    code, output = trace.check(uri, *options)
    found = [line for line in output.splitlines() if line.startswith(("ok 1", "not ok 1"))]
    tap.ok(code == 0, f"{what}: {found[0].split(' - ', 1)[1] if found else 'no result'}", output)


def test_stores():
    for name, uri in STORES:
        for sync in ("fsync", "no-fsync") + (("backup",) if name == "dir" else ()):
            with place() as (state, path):
                trace = Trace(path, state)
                subprocess.run([f"{BUILD}/store-work", uri.replace("%s", state), sync],
                               env=trace.environment(), check=True)
                if sync != "no-fsync":
                    result(trace, uri, f"store {name}, {sync}")
                else:
                    code, output = trace.check(uri)
                    tap.ok(code == 1 and output.startswith("# after call"),
                           f"store {name}: a store that does not sync is found out", output)


def nv_write(tpm, value):
    code = tpm.nv_write(INDEX, struct.pack(">Q", value))
    if code:
        raise OSError(f"NV_Write: {code:#x}")


def serve(state, path, uri, work, *options):
    """A traced emulator on which work(control, tpm) is done, then killed."""
    trace = Trace(path, state)
    with Emulator("--log", "level=0", state=uri.replace("%s", state),
                  env=trace.environment()) as e:
        control, tpm = e.start()
        work(control, tpm)
        e.kill()
    return trace


def a_life(control, tpm):
    """Counter, state that is stored and resumed, power cycles, a TPM that grows and is cleared."""
    tpm.nv_define(INDEX, 8)
    for value in range(1, 9):
        nv_write(tpm, value)
    control.store_volatile()
    nv_write(tpm, 9)
    tpm.nv_define(INDEX + 1, 2048)
    tpm.nv_write(INDEX + 1, bytes(range(256)) * 4)
    nv_write(tpm, 10)
    control.stop()
    control.init(1)  # resumes and removes the volatile state
    tpm.startup()
    nv_write(tpm, 11)
    tpm.shutdown(1)
    control.stop()
    control.init()
    tpm.startup(1)
    nv_write(tpm, 12)
    tpm.run(0x126, (vtpm.PLATFORM,), b"\0\0", 1)  # not a Clear, but an error: changes nothing
    nv_write(tpm, 13)
    blobs = [control.get_blob(kind)[3] for kind in (1, 2)]
    control.stop()
    for kind, blob in zip((1, 2), blobs):
        control.set_blob(kind, blob)
    control.init()
    nv_write(tpm, 14)


def test_service():
    for name, uri in STORES:
        with place() as (state, path):
            kept = path + ".kept"
            os.mkdir(kept)
            trace = serve(state, path, uri, a_life)
            result(trace, uri, f"emulator, {name}", "--value=14", f"--keep={kept}")
            disks = sorted(os.listdir(kept))
            tap.ok(len(disks) > 3, f"emulator, {name}: disks to go on from", disks)
            for disk in disks:
                go_on(f"{kept}/{disk}", f"{path}.{disk}", uri, f"{name} {disk}")


def go_on(state, path, uri, what):
    """A disk after a crash, in service again, crashes again."""
    reached = []

    def work(_, tpm):
        if tpm.nv_read(INDEX, 8) is None:
            tpm.nv_define(INDEX, 8)
            nv_write(tpm, 1)
        value = struct.unpack(">Q", tpm.nv_read(INDEX, 8))[0]
        nv_write(tpm, value + 1)
        nv_write(tpm, value + 2)
        reached.append(value + 2)

    trace = serve(state, path, uri, work)
    result(trace, uri, f"a second crash, {what}", f"--value={reached[0]}")


def authority(path):
    """A software-rooted authority with its certificate, below path."""
    names = {name: os.path.join(path, name) for name in ("A", "C", "request", "pem")}

    def run(tool, *arguments):
        return subprocess.run([os.path.join(os.path.dirname(SETUP), tool), *arguments], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    run("holdfast-ca", "init", "--dir", names["C"])
    run("holdfast-authority", "init", "--dir", names["A"], "--software")
    nonce = run("holdfast-ca", "nonce", "--dir", names["C"])
    run("holdfast-authority", "request", "--dir", names["A"], "--nonce", nonce, "--out", names["request"])
    run("holdfast-ca", "delegate", "--dir", names["C"], "--request", names["request"], "--out", names["pem"],
        "--allow-software")
    run("holdfast-authority", "install-certificate", "--dir", names["A"], names["pem"])
    return names["A"]


def test_setup():
    def setup(trace, *options):
        subprocess.run([SETUP, "--tpm2", "--tpm-state", *options], env=trace.environment(),
                       check=True, stdout=subprocess.DEVNULL)

    for name, uri in STORES:
        with place() as (state, path):
            here = uri.replace("%s", state)
            trace = Trace(path, state)
            setup(trace, here, "--ecc", "--createek")
            result(trace, uri, f"setup, {name}", "--value=-1")
            with Emulator(state=here) as e:
                control, _ = e.start()
                control.store_volatile()
                control.stop()
                e.kill()
            trace = Trace(path, state)
            setup(trace, here, "--reconfigure", "--pcr-banks", "sha256,sha384")
            result(trace, uri, f"setup --reconfigure, {name}", "--volatile-goes")
            issuer = authority(os.path.dirname(path))
            trace = Trace(path, state)
            files = tempfile.mkdtemp(dir=os.path.dirname(path))
            setup(trace, here, "--reissue-certificates", "--authority", issuer, "--write-ek-cert-files", files)
            result(trace, uri, f"setup --reissue-certificates, {name}", "--value=-1")
            trace = Trace(path, state)
            setup(trace, here, "--install-certificate", os.path.join(files, "ek-rsa2048.crt"))
            result(trace, uri, f"setup --install-certificate, {name}", "--value=-1")
            with Emulator(state=here) as e:
                control, _ = e.start()
                control.store_volatile()
                e.kill()
            trace = Trace(path, state)
            setup(trace, here, "--overwrite", "--ecc", "--createek")
            result(trace, uri, f"setup --overwrite, {name}", "--volatile-goes")
        with place() as (state, path):
            here, source = uri.replace("%s", state), path + ".source"
            os.mkdir(source)
            setup(Trace(path + ".made", source), source, "--ecc", "--createek")
            trace = Trace(path, state)
            setup(trace, here, "--copy-from", source)
            result(trace, uri, f"setup --copy-from, {name}", "--value=-1")


REASON = reason_not_here(vtpm.emulator_program())
for test in (test_stores, test_service, test_setup):
    if REASON:
        tap.skip(test.__name__, REASON)
        continue
    tap.attempt(test)
sys.exit(tap.finish())
