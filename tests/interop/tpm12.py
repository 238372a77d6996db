#!/usr/bin/env python3
"""tpm12.py - a TPM 1.2 between Debian's swtpm and holdfast: directories, linear files, encrypted states,
volatile and saved states, migration blobs, in both directions; swtpm_bios of either at the emulator of either.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/cli"))
import vtpm  # pylint: disable=wrong-import-position
from vtpm import Emulator, Tap, data12  # pylint: disable=wrong-import-position

tap = Tap()
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
PROGRAMS = {"holdfast": vtpm.emulator_program(), "swtpm": shutil.which("swtpm")}
DIRECTIONS = (("swtpm", "holdfast"), ("holdfast", "swtpm"))
INDEX = 0x0001F000
PERMANENT_FLAGS, VOLATILE_FLAGS = 0x108, 0x109


def emulator(name, state, *options):
    return Emulator(*options, tpm2=False, program=PROGRAMS[name], state=state)


@contextlib.contextmanager
def place(kind):
    with tempfile.TemporaryDirectory(prefix="hf-12.") as directory:
        yield directory if kind == "dir" else f"file://{directory}/tpm"


def facts(tpm):
    """What a TPM is, and what does not change with a power cycle."""
    return {"endorsement key": tpm.read_ek(), "NV": tpm.nv_read12(INDEX, 8), "areas": tpm.capability(0x0D),
            "permanent flags": tpm.capability(4, PERMANENT_FLAGS)}


def fill(control, tpm):
    """Endorsement key, an NV area, PCRs, a measured launch; returns the facts."""
    codes = [tpm.startup12(), tpm.make_ek(), tpm.nv_define12(INDEX, 8), tpm.nv_write12(INDEX, b"precious"),
             tpm.extend(10), control.hash_start(), control.hash_data(b"launch"), control.hash_end()]
    assert codes == [0] * len(codes), codes
    found = facts(tpm)
    assert all(found.values()), found
    return found


def pcrs(tpm):
    return [tpm.pcr(n) for n in range(24)]


def exchange(first, second, what, state, options):
    """What the first has kept, the second finds; then the first again."""
    with emulator(first, state, *options) as e:
        control = e.control()
        assert control.init() == 0, e.messages()
        tpm = data12(control)
        wanted = fill(control, tpm)
        tap.equal(control.established(), 1, f"{what}: a measured launch sets the bit")
        launch = pcrs(tpm)
        assert tpm.save_state() == 0 and control.stop() == 0
        control.shutdown()
        e.wait()
    with emulator(second, state, *options) as e:
        control = e.control()
        tap.equal(control.init(), 0, f"{what}: INIT")
        tpm = data12(control)
        tap.equal(tpm.startup12(2), 0, f"{what}: Startup(STATE) with what was saved")
        tap.equal(pcrs(tpm)[:16], launch[:16], f"{what}: PCRs are as they were")
        tap.equal(facts(tpm), wanted, f"{what}: key, NV and flags, too")
        tap.equal((control.established(), control.reset_established(3), control.established()), (1, 0, 0),
                  f"{what}: the bit is there, and is reset from locality 3")
        tap.ok(tpm.extend(11) == 0 and control.store_volatile() == 0, f"{what}: its volatile state is stored")
        running = pcrs(tpm)
        e.kill()
    with emulator(first, state, *options) as e:
        control = e.control()
        tap.equal(control.init(), 0, f"{what}, and back: INIT")
        tpm = data12(control)
        tap.equal((tpm.startup12(), pcrs(tpm)), (0x26, running), f"{what}, and back: it goes on where it was")
        tap.equal(control.established(), 0, f"{what}, and back: with the bit as it was")


def write_keys(directory):
    path = os.path.join(directory, "key")
    for name, content in (("128", "00112233445566778899aabbccddeeff"), ("256", "0f" * 32), ("phrase", "a passphrase")):
        with open(path + name, "w", encoding="ascii") as f:
            f.write(content)
    return {"AES-128": ("--key", f"file={path}128,mode=aes-128-cbc"),
            "AES-256": ("--key", f"file={path}256,mode=aes-256-cbc"),
            "a passphrase": ("--key", f"pwdfile={path}phrase,mode=aes-256-cbc"),
            "a passphrase by SHA-512": ("--key", f"pwdfile={path}phrase,kdf=sha512")}


def test_exchange(keys):
    for first, second in DIRECTIONS:
        for kind in ("dir", "file"):
            with place(kind) as state:
                exchange(first, second, f"{first} to {second}, {kind}", state, ())
        for name, options in keys.items():
            with place("dir") as state:
                exchange(first, second, f"{first} to {second}, {name}", state, options)


def test_migration(keys):
    """Blobs over the control channel, in clear, from encrypted states, and under a migration key."""
    wrapped = (*keys["AES-256"], "--migration-key", keys["a passphrase"][1])
    for first, second in DIRECTIONS:
        for name, options, flags in (("in clear", (), 1), ("encrypted", keys["AES-128"], 0),
                                     ("with a migration key", wrapped, 1)):
            what = f"migration, {first} to {second}, {name}"
            with place("dir") as here, place("dir") as there, emulator(first, here, *options) as source, \
                    emulator(second, there, *options) as target:
                control, other = source.control(), target.control()
                assert control.init() == 0, source.messages()
                tpm = data12(control)
                wanted = fill(control, tpm)
                assert tpm.save_state() == 0
                before = pcrs(tpm)
                blobs = {kind: control.get_blob(kind, flags) for kind in (1, 2, 3)}
                results = [other.set_blob(kind, blob[3], blob[1]) for kind, blob in blobs.items()]
                tap.equal((results, other.init(1)), ([0] * 3, 0), f"{what}: three blobs are taken")
                moved = data12(other)
                tap.equal((pcrs(moved), facts(moved)), (before, wanted), f"{what}: the TPM is as it was")
                bad = bytearray(blobs[1][3])
                bad[len(bad) // 2] ^= 1
                other.stop()
                refused = other.set_blob(1, bytes(bad), blobs[1][1]) != 0
                tap.ok(refused or not options, f"{what}: with a bit changed it is refused", target.messages())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_bios():
    """swtpm_bios: the same flags and exit codes whichever two meet."""
    tools = {"holdfast": os.path.join(BUILD, "swtpm-names/swtpm_bios"), "swtpm": shutil.which("swtpm_bios")}
    found = {}
    for tool, program in tools.items():
        for name in PROGRAMS:
            with place("dir") as state:
                port = free_port()
                with emulator(name, state, "--server", f"type=tcp,port={port},disconnect") as e:
                    control = e.control()
                    control.init()
                    said = []
                    for options in ((), ("-ea",), ("-cs",), ("-d",), ("-u",), ("-o",)):
                        code = vtpm.run(program, "--tcp", f"127.0.0.1:{port}", *options).returncode
                        control.init()
                        code2 = vtpm.run(program, "--tcp", f"127.0.0.1:{port}", *options).returncode
                        tpm = vtpm.Tpm12(socket.create_connection(("127.0.0.1", port)))
                        flags = [tpm.capability(4, PERMANENT_FLAGS)]
                        tpm = vtpm.Tpm12(socket.create_connection(("127.0.0.1", port)))
                        flags.append(tpm.capability(4, VOLATILE_FLAGS))
                        control.init()
                        said.append((options, code, code2, [f and f.hex() for f in flags]))
                    found[tool, name] = said
    wanted = found["swtpm", "swtpm"]
    for pair, said in found.items():
        tap.equal(said, wanted, f"swtpm_bios of {pair[0]} at the emulator of {pair[1]}")


if not PROGRAMS["swtpm"] or not shutil.which("swtpm_bios"):
    print("1..0 # SKIP Debian's swtpm is not installed")
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="hf-12.") as keys_in:
    all_keys = write_keys(keys_in)
    for test, *arguments in ((test_exchange, all_keys), (test_migration, all_keys), (test_bios,)):
        tap.attempt(test, *arguments)
sys.exit(tap.finish())
