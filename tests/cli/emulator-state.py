"""emulator-state.py - what a TPM keeps: over kill -9, a full disk, hand-over, and what it refuses.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import vtpm
from vtpm import Emulator, Tap, emulator_program, run, wait_until

tap = Tap()
INDEX = 0x01500010
PERMALL = "tpm2-00.permall"
BACKUP = PERMALL + ".bak"
DAMAGED = PERMALL + ".damaged"
VOLATILE = "tpm2-00.volatilestate"


def read(e, name):
    with open(os.path.join(e.state, name), "rb") as f:
        return f.read()


def content(directory, name):
    with open(os.path.join(directory, name), "rb") as f:
        return f.read()


def write(directory, name, data):
    with open(os.path.join(directory, name), "wb") as f:
        f.write(data)


def made_state(directory):
    """A TPM with an NV index and a volatile state; returns (permanent, volatile) files."""
    with Emulator(state=directory) as e:
        c, tpm = e.start()
        tpm.nv_define(INDEX, 8)
        tpm.nv_write(INDEX, b"precious")
        c.store_volatile()
        files = read(e, PERMALL), read(e, VOLATILE)
        e.kill()
    return files


def test_kill():
    """Every acknowledged NV write is there after kill -9 at a random time."""
    rounds, lost = 40, []
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory) as e:
            _, tpm = e.start()
            assert tpm.nv_define(INDEX, 8) == 0 and tpm.nv_write(INDEX, bytes(8)) == 0
        acknowledged = 0
        for i in range(rounds):
            with Emulator(state=directory) as e:
                _, tpm = e.start()
                found = tpm.nv_read(INDEX, 8)
                value = struct.unpack(">Q", found)[0] if found else -1
                # The write that was not answered may be there or not.
                if value not in (acknowledged, acknowledged + 1):
                    lost.append((i, acknowledged, value))
                acknowledged = max(value, 0)
                killer = threading.Timer(rng.uniform(0.0005, 0.03), e.process.kill)
                killer.start()
                try:
                    while True:
                        if tpm.nv_write(INDEX, struct.pack(">Q", acknowledged + 1)) != 0:
                            lost.append((i, "write refused"))
                            break
                        acknowledged += 1
                except (EOFError, ConnectionError, BrokenPipeError):
                    pass
                killer.join()
                e.wait()
        tap.equal(lost, [], f"kill -9, {rounds} times: every acknowledged NV write is there")
        tap.ok(acknowledged > 10, f"and there was something to lose ({acknowledged} writes)")
        leftovers = [n for n in os.listdir(directory) if n not in (".lock", PERMALL)]
        tap.ok(len(leftovers) <= 1, "temporaries do not pile up", leftovers)


def test_kill_at_init():
    """kill -9 while a TPM is made: there is none, or a whole one."""
    bad = []
    for i in range(15):
        with tempfile.TemporaryDirectory() as directory:
            with Emulator(state=directory) as e:
                c = e.control()
                c.send(vtpm.INIT, bytes(4))
                time.sleep(i * 0.0002)  # the moment to be hit, not a wait
                e.kill()
            with Emulator(state=directory) as e:
                result = e.control().init()
                if result:
                    bad.append((i, hex(result), e.messages()))
    tap.equal(bad, [], "kill -9 while a TPM is made: the next INIT works")


def corruptions(good):
    """Ways in which a state file is wrong: name -> bytes."""
    ways = {
        "empty": b"",
        "one byte": good[:1],
        "only a header": good[:10],
        "truncated by one byte": good[:-1],
        "cut in half": good[:len(good) // 2],
        "a byte too many": good + b"\0",
        "a foreign file": b"#!/bin/sh\nexit 0\n" * 100,
        "zeroes": bytes(len(good)),
        "a later version": b"\x03\x03" + good[2:],
        "encrypted": good[:5] + b"\x01" + good[6:],
        "another header size": good[:3] + b"\x0b" + good[4:],
        "a length that lies": good[:6] + b"\0\0\xff\xff" + good[10:],
        "a record that reaches past the end": good[:12] + b"\0\xff\xff\xff" + good[16:],
        "a record of size 0": b"\x02\x01\0\x0a\0\0\0\0\0\x10" + b"\0\x01\0\0\0\0",
        "larger than any state": good + bytes(600 * 1024),
    }
    # The blob of libtpms itself: magic number, and truncated within a valid file.
    inner = good[16:]
    for name, blob in (("another magic number", inner[:2] + b"\xde\xad\xbe\xef" + inner[6:]),
                       ("a blob cut short", inner[:-20])):
        ways[name] = (b"\x02\x01\0\x0a\0\0" + struct.pack(">I", 16 + len(blob)) + b"\0\x01" +
                      struct.pack(">I", len(blob)) + blob)
    return ways


def refused(state, description, permanent=None):
    """INIT fails with 0x101 and a reason, twice; files are untouched; the emulator lives."""
    before = {n: os.stat(os.path.join(state, n), follow_symlinks=False).st_ino
              for n in os.listdir(state) if n != ".lock"}
    with Emulator(state=state) as e:
        c = e.control()
        results = [c.init(), c.init(1)]
        alive = c.capability() == 0x1FFFF
        said = e.messages().strip().splitlines()
        after = {n: os.stat(os.path.join(state, n), follow_symlinks=False).st_ino
                 for n in os.listdir(state) if n != ".lock"}
        same = permanent is None or read(e, PERMALL) == permanent
    good = results == [0x101, 0x101] and alive and before == after and same
    tap.ok(good and len(said) == 2 and "cannot start" in said[0], description,
           f"{[hex(r) for r in results]} {said} {before} {after}")


def test_corrupt():
    with tempfile.TemporaryDirectory() as directory:
        permanent, volatile = made_state(directory)
        os.unlink(os.path.join(directory, VOLATILE))
        for name, data in corruptions(permanent).items():
            write(directory, PERMALL, data)
            refused(directory, f"permanent state: {name}", data)
        write(directory, PERMALL, permanent)
        for name, data in corruptions(volatile).items():
            write(directory, VOLATILE, data)
            refused(directory, f"volatile state: {name}", permanent)
        path = os.path.join(directory, PERMALL)
        os.unlink(os.path.join(directory, VOLATILE))
        os.rename(path, path + ".real")
        os.symlink(path + ".real", path)
        refused(directory, "permanent state: a symbolic link")
        os.unlink(path)
        os.mkfifo(path)
        refused(directory, "permanent state: a pipe")
        os.unlink(path)
        os.mkdir(path)
        refused(directory, "permanent state: a directory")
        os.rmdir(path)
        os.rename(path + ".real", path)
        os.chmod(path, 0)
        if os.geteuid() != 0:
            refused(directory, "permanent state: unreadable")
        os.chmod(path, 0o600)
        write(directory, VOLATILE, volatile)
        os.unlink(path)
        with Emulator(state=directory) as e:
            tap.ok(e.control().init() != 0 and e.files() == [".lock", VOLATILE],
                   "a volatile state without its permanent one makes no new TPM", e.messages())
        write(directory, PERMALL, permanent)
        with Emulator(state=directory) as e:
            _, tpm = e.start()
            tap.equal(tpm.nv_read(INDEX, 8), b"precious", "after all that, the state still works")


def test_backup():
    """--tpmstate backup: swtpm 0.11's permall.bak."""
    def value(e):
        _, tpm = e.start()
        return tpm.nv_read(INDEX, 8)

    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory) as e:
            _, tpm = e.start()
            tpm.nv_define(INDEX, 8)
            tpm.nv_write(INDEX, b"number 1")
            tap.ok(BACKUP not in e.files(), "without backup there is none", e.files())
        option = f"{directory},backup"
        with Emulator(state=option) as e:
            _, tpm = e.start()
            tpm.nv_write(INDEX, b"number 2")
            tpm.nv_write(INDEX, b"number 3")
            tap.ok(BACKUP in os.listdir(directory), "with it the state before the last one stays")
            e.kill()  # no shutdown, which stores once more
        last, before = (content(directory, name) for name in (PERMALL, BACKUP))
        os.unlink(os.path.join(directory, PERMALL))
        listed = run(emulator_program(), "socket", "--tpm2", "--print-states", "--tpmstate", f"dir={option}").stdout
        tap.ok('"permall"' in listed, "a state that was interrupted between two renames is there", listed)
        with Emulator(state=option) as e:
            tap.equal(value(e), b"number 2", "and starts from its backup")
        for name, data in {"empty": b"", "cut short": last[:100]}.items():
            write(directory, PERMALL, data)
            write(directory, BACKUP, before)
            with Emulator(state=option) as e:
                control, tpm = e.start()
                tap.equal(tpm.nv_read(INDEX, 8), b"number 2", f"{name}: the backup counts")
                tap.ok(e.messages().count("is used instead") == 1, f"{name}: and the log says so",
                       e.messages())
                tpm.nv_write(INDEX, b"number 4")
                control.shutdown()
                e.wait()
            tap.ok(content(directory, BACKUP) != data, f"{name}: what is damaged does not become the backup")
            with Emulator(state=option) as e:
                tap.equal(value(e), b"number 4", f"{name}: it goes on from there")
        for name, data in {"empty": b"", "cut short": last[:100]}.items():
            write(directory, PERMALL, data)
            write(directory, BACKUP, before)
            refused(directory, f"permanent state, {name}, and backup not asked for", data)
            write(directory, BACKUP, data)
            with Emulator(state=option) as e:
                tap.equal(e.control().init(), 0x101, f"{name}: nor is a damaged backup a TPM")
        os.unlink(os.path.join(directory, PERMALL))
        with Emulator(state=option) as e:
            tap.equal(e.control().init(), 0x101, "a damaged backup alone makes no new TPM")


def test_backup_inside():
    """A permanent state that can be read and that libtpms refuses: with backup the one before it, and
    loudly; but not for another reason than damage."""
    with tempfile.TemporaryDirectory() as directory:
        option = f"{directory},backup"
        with Emulator(state=option) as e:
            control, tpm = e.start()
            tpm.nv_define(INDEX, 8)
            tpm.nv_write(INDEX, b"number 1")
            tpm.nv_write(INDEX, b"number 2")
            e.kill()
        last, before = (content(directory, name) for name in (PERMALL, BACKUP))

        def changed(data, at, new):
            return data[:at] + new + data[at + len(new):]

        damages = {"its mark": changed(last, 18, b"\0"), "its middle": changed(last, 200, b"\xff" * 900),
                   "its end": changed(last, len(last) - 40, b"\xee" * 40)}
        for name, data in damages.items():
            write(directory, PERMALL, data)
            write(directory, BACKUP, before)
            refused(directory, f"{name} damaged, backup not asked for", data)
            tap.equal(content(directory, BACKUP), before, f"{name}: and the backup is left alone")
            with Emulator(state=option) as e:
                control, tpm = e.start()
                tap.equal(tpm.nv_read(INDEX, 8), b"number 1", f"{name}: the backup counts")
                said = e.messages()
                tap.ok(said.count("is refused: ") == 1 and said.count(f"{BACKUP}, is used instead") == 1,
                       f"{name}: and the log says so, once", said)
                tap.equal(content(directory, DAMAGED), data, f"{name}: what was damaged is kept aside")
                tpm.nv_write(INDEX, b"number 3")
                tap.equal((control.init(), tpm.startup(), tpm.nv_read(INDEX, 8)), (0, 0, b"number 3"),
                          f"{name}: it goes on from there")
                tap.equal(e.messages(), said, f"{name}: and nothing more is said")
                e.kill()
            tap.ok(content(directory, BACKUP) not in (data, b""), f"{name}: there is a new backup")
        both = damages["its mark"]
        newer = changed(last, 22, b"\xff\xff")  # the oldest version that can read it
        for name, data, backup in (("both are damaged", both, both), ("no backup", both, None),
                                   ("a later libtpms has made it", newer, before)):
            write(directory, PERMALL, data)
            if backup:
                write(directory, BACKUP, backup)
            else:
                os.unlink(os.path.join(directory, BACKUP))
            with Emulator(state=option) as e:
                results = [e.control().init() for _ in range(2)]
                tap.ok(results == [0x101] * 2 and "is used instead" not in e.messages(),
                       f"{name}: no TPM", f"{results} {e.messages()}")
            tap.equal(content(directory, PERMALL), data, f"{name}: and nothing is changed")
        write(directory, PERMALL, last)
        write(directory, BACKUP, before)
        write(directory, VOLATILE, before)  # not a volatile state
        with Emulator(state=option) as e:
            tap.equal((e.control().init(), content(directory, PERMALL)), (0x101, last),
                      "a damaged volatile state is no reason for an older permanent one")


def test_backup_alone():
    """What is left of a backup when nobody asks for one: no new TPM beside it, no older one later."""
    with tempfile.TemporaryDirectory() as directory:
        option = f"{directory},backup"
        with Emulator(state=option) as e:
            _, tpm = e.start()
            tpm.nv_define(INDEX, 8)
            tpm.nv_write(INDEX, b"number 1")
            e.kill()
        os.rename(os.path.join(directory, PERMALL), os.path.join(directory, "elsewhere"))
        with Emulator(state=directory) as e:
            results = [e.control().init() for _ in range(2)]
            tap.ok(results == [0x101] * 2 and 'expected "backup"' in e.messages(),
                   "interrupted between two renames, then without backup: no new TPM", e.messages())
            tap.ok(PERMALL not in e.files() and BACKUP in e.files(), "and the backup stays", e.files())
        os.rename(os.path.join(directory, "elsewhere"), os.path.join(directory, PERMALL))
        write(directory, DAMAGED, b"old")
        with Emulator(state=directory) as e:
            c = e.control()
            tap.ok(c.init() == 0 and BACKUP in e.files(), "started without backup it stays")
            tpm = c.data()
            tpm.startup()
            tap.equal([n for n in e.files() if n in (BACKUP, DAMAGED)], [],
                      "until something is stored: it is not the state before the last one then")


def mount_small(directory):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", directory],
                          capture_output=True, check=False).returncode == 0


def test_full_disk():
    with tempfile.TemporaryDirectory() as directory:
        if not mount_small(directory):
            tap.skip("a full disk", "a file system cannot be mounted here")
            return
        try:
            with Emulator(state=directory) as e:
                c, tpm = e.start()
                codes = [tpm.nv_define(INDEX, 8), tpm.nv_write(INDEX, b"precious")]
                tap.equal(codes, [0, 0], "there is room at first")
                with open(os.path.join(directory, "ballast"), "wb", buffering=0) as ballast:
                    try:
                        while True:
                            ballast.write(bytes(1024))
                    except OSError:
                        pass
                good = read(e, PERMALL)
                tap.ok(tpm.nv_write(INDEX, b"too much") != 0, "full disk: the command fails")
                tap.ok(tpm.run(0x181)[0] == 0x101, "and the TPM is in failure mode")
                tap.equal(read(e, PERMALL), good, "the state is the last acknowledged one")
                said = [s for s in e.messages().splitlines() if "could not be stored" in s]
                tap.ok(len(said) == 1 and "No space left" in said[0], "the log says why, once",
                       e.messages())
                os.unlink(os.path.join(directory, "ballast"))
                tap.equal((c.init(), tpm.startup()), (0, 0),
                          "with room again, INIT brings it back")
                tap.equal(tpm.nv_read(INDEX, 8), b"precious", "with what was acknowledged")
            with tempfile.TemporaryDirectory() as empty:
                if mount_small(empty):
                    write(empty, "ballast", b"")
                    with open(os.path.join(empty, "ballast"), "wb", buffering=0) as ballast:
                        try:
                            while True:
                                ballast.write(bytes(1024))
                        except OSError:
                            pass
                    with Emulator(state=empty) as e:
                        c = e.control()
                        tap.ok(c.init() != 0 and PERMALL not in e.files(),
                               "full disk: no TPM is made that could not be stored", e.messages())
                    subprocess.run(["umount", empty], check=False)
        finally:
            subprocess.run(["umount", directory], check=False)


def test_directory():
    missing = "/nonexistent/state"
    with Emulator(state=missing, wait=False) as e:
        tap.ok(e.wait() == 1 and missing in e.messages() and not os.path.exists(e.path),
               "a missing state directory is an error at start", e.messages())
    with tempfile.NamedTemporaryFile() as f, Emulator(state=f.name, wait=False) as e:
        tap.ok(e.wait() == 1 and f.name in e.messages(), "a file instead of it, too", e.messages())
    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory) as e:
            c, tpm = e.start()
            shutil.rmtree(directory)
            tap.ok(tpm.nv_define(INDEX, 8) != 0, "it vanishes: the command fails")
            tap.ok(c.init() != 0 and not os.path.exists(directory),
                   "and INIT makes no new TPM", e.messages())
        os.mkdir(directory)


def test_lock():
    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory) as one, Emulator(state=directory) as two:
            c1, tpm1 = one.start()
            c2 = two.control()
            result = c2.init()
            tap.ok(result == 9 and "locked" in two.messages(), "a state in use: INIT fails",
                   two.messages())
            tap.ok(any(t.endswith("/.lock") for t in one.fds().values()), "the lock is visible")
            tap.equal(c2.lock_storage(3), 9, "LOCK_STORAGE fails after its retries")
            tap.equal(tpm1.nv_define(INDEX, 8), 0, "the first one is not disturbed")
            c2.send(vtpm.LOCK_STORAGE, struct.pack(">I", 0xFFFFFFFF))
            two.process.send_signal(signal.SIGTERM)
            tap.equal(two.wait(), 0, "LOCK_STORAGE with endless retries: SIGTERM is heard")
        with Emulator(state=directory) as one, Emulator(state=directory) as two:
            c1, tpm1 = one.start()
            c2 = two.control()
            c2.send(vtpm.LOCK_STORAGE, struct.pack(">I", 1000))
            c1.get_blob(vtpm.SAVESTATE)
            tap.equal(c2.result(), 0, "GET_STATEBLOB of the savestate gives the lock to others")
            tap.ok(not any(t.endswith("/.lock") for t in one.fds().values()), "it is not held then")
            tpm1.sock.sendall(vtpm.Tpm.pack(0x17B, parameters=b"\0\4"))
            tap.equal(one.wait(), 1, "the old owner ends when it cannot have it back")
            tap.ok("locked" in one.messages(), "and says why", one.messages())
            tap.equal(c2.init(), 0, "the new owner works")
        with Emulator(state=directory) as one:
            c1, tpm1 = one.start()
            c1.get_blob(vtpm.SAVESTATE)
            tap.equal(c1.lock_storage(300), 0, "LOCK_STORAGE takes it back")
            c1.get_blob(vtpm.SAVESTATE)
            tap.ok(tpm1.random(4) and tpm1.nv_define(INDEX + 1, 8) == 0, "a command does, too")


def test_migration():
    with Emulator() as source, Emulator("--migration", "incoming") as target:
        c, tpm = source.start()
        tpm.nv_define(INDEX, 8)
        tpm.nv_write(INDEX, b"precious")
        tpm.pcr_extend(16)
        pcr = tpm.pcr_read(16)
        blobs = [c.get_blob(kind) for kind in (1, 2, 3)]
        tap.equal([b[0] for b in blobs], [0, 0, 0x800], "GET_STATEBLOB: two blobs, no savestate")
        tap.ok(all(b[2] == len(b[3]) for b in blobs), "their lengths agree")
        whole = blobs[1][3]
        _, _, total, first = c.get_blob(2, offset=0)
        pieces = c.get_blob(2, offset=1000)
        tap.ok(pieces[3] == first[1000:] and pieces[2] == total - 1000, "a fetch with an offset")
        tap.equal(c.get_blob(2, offset=1 << 30)[::3], (0, b""), "past the end")
        control = target.control()
        control.init()
        tap.ok(not any(t.endswith("/.lock") for t in target.fds().values()),
               "--migration incoming: INIT takes no lock")
        control.stop()
        tap.equal([control.set_blob(1, blobs[0][3]), control.set_blob(2, whole)], [0, 0],
                  "SET_STATEBLOB")
        tap.equal(control.init(1), 0, "INIT with what was set")
        twin = control.data()
        tap.equal((twin.pcr_read(16), twin.nv_read(INDEX, 8)), (pcr, b"precious"),
                  "the TPM goes on where it was")
        tap.ok(twin.random(16) != tpm.random(16), "but does not repeat its random numbers")
        tap.ok(VOLATILE not in target.files(), "nothing volatile stays")
        control.stop()
        tap.ok(control.set_blob(2, whole[:-5]) != 0, "a blob cut short is refused")
        tap.ok(control.set_blob(1, b"") != 0, "an empty permanent state is refused")
        result = control.init()
        tap.ok(result != 0, "and INIT then starts nothing else in its place", f"{result:#x}")


def test_volatile():
    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory) as e:
            c, tpm = e.start()
            tpm.pcr_extend(16)
            pcr = tpm.pcr_read(16)
            tap.equal(c.store_volatile(), 0, "STORE_VOLATILE")
            e.kill()
        with Emulator(state=directory) as e:
            c = e.control()
            tap.equal(c.init(), 0, "INIT resumes it")
            tap.ok(VOLATILE in e.files(), "the file stays without DELETE_VOLATILE")
            tpm = c.data()
            tap.equal(tpm.pcr_read(16), pcr, "PCRs are as they were")
            tap.ok(VOLATILE not in e.files(), "until the TPM goes on")
            c.store_volatile()
            e.kill()
        with Emulator(state=directory) as e:
            c = e.control()
            c.init()
            c.init()
            tpm = c.data()
            tpm.startup()
            tap.equal(tpm.pcr_read(16), bytes(32), "a second INIT is a power cycle, not the past")
            tpm.pcr_extend(16)
            tap.equal(tpm.pcr_read(16), pcr, "which begins as the first one did")
            c.store_volatile()
            e.kill()
        with Emulator(state=directory) as e:
            c = e.control()
            c.init(1)
            tpm = c.data()
            tap.equal(tpm.pcr_read(16), pcr, "DELETE_VOLATILE resumes it")
            tap.ok(VOLATILE not in e.files(), "and removes the file")


def orderly(state):
    """Whether the last shutdown was orderly: Startup(STATE) works."""
    with Emulator(state=state) as e:
        c = e.control()
        c.init()
        return c.data().startup(1) == 0


def test_auto_shutdown():
    def ended(end, *options):
        with tempfile.TemporaryDirectory() as directory:
            with Emulator(*options, state=directory) as e:
                c, tpm = e.start()
                end(e, c, tpm)
            return orderly(directory)

    def by_shutdown(e, c, _):
        c.shutdown()
        e.wait()

    tap.ok(ended(by_shutdown), "SHUTDOWN sends TPM2_Shutdown")
    tap.ok(ended(lambda e, c, t: e.kill(signal.SIGTERM)), "so does SIGTERM")
    tap.ok(ended(lambda e, c, t: e.kill(signal.SIGINT)), "and SIGINT")
    tap.ok(ended(lambda e, c, t: (c.stop(), e.kill())), "and STOP")
    tap.ok(ended(lambda e, c, t: (t.close(), e.wait()), "--terminate"), "and a lost connection")
    tap.ok(not ended(lambda e, c, t: e.kill()), "kill -9 does not, of course")
    tap.ok(not ended(by_shutdown, "--flags", "disable-auto-shutdown"),
           "disable-auto-shutdown: it is not sent")
    with Emulator() as e:
        c, tpm = e.start()
        c.init()
        tap.equal(tpm.startup(1), 0, "INIT of a running TPM sends it, too")


def test_names():
    with tempfile.TemporaryDirectory() as directory:
        os.umask(0o022)
        with Emulator("--tpmstate", f"dir={directory},mode=0600", state=directory) as e:
            e.start()
            mode = os.stat(os.path.join(directory, PERMALL)).st_mode & 0o777
            tap.equal((e.files(), mode), ([".lock", PERMALL], 0o600), "names and mode of the files")
        with Emulator(tpm2=False, state=directory) as e:
            c = e.control()
            tap.equal((c.init(), c.capability()), (0, 0x17FFF), "a TPM 1.2 beside it")
            tpm = c.data()
            startup = bytes.fromhex("00c10000000c000000990001")
            tap.equal(tpm.command(startup).hex(), "00c40000000a00000000", "answers")
            tap.ok("tpm-00.permall" in e.files(), "and has files of its own")
            c.stop()
            tap.equal(tpm.command(startup).hex(), "00c40000000a00000009", "switched off: FAIL")


for test in (test_kill, test_kill_at_init, test_corrupt, test_backup, test_backup_inside, test_backup_alone, test_full_disk, test_directory, test_lock,
             test_migration, test_volatile, test_auto_shutdown, test_names):
    tap.attempt(test)
sys.exit(tap.finish())
