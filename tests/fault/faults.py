"""faults.py - calls that fail: a full disk, an I/O error, a quota, an interruption, half a read or
write, no descriptors, no memory, no locked pages; each at every call in turn.

A guest gets an answer or the process ends with a reason; the state is that of before or that of
after, never less; the log says what happened.

SPDX-License-Identifier: BSD-3-Clause
"""
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

from interpose import (CHANNELS, DESCRIPTORS, FAIL, FILES, KILL, MEMORY, PAGES, SHORT, Trace,
                       reason_not_here)

import vtpm
from vtpm import Control, Emulator, Tap

INDEX = 0x01500000
SETUP = os.path.join(os.environ.get("top_builddir", "."), "holdfast-setup")
BASE = tempfile.mkdtemp(prefix="hf-fault.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
STORES = (("dir", "%s"), ("file", "file://%s/state"),
          ("slots", "slots://%s/state"))
# Calls that a signal may interrupt; they are made again.
RESTARTED = {"open", "openat", "read", "pread", "write", "pwrite", "fsync", "fdatasync",
             "ftruncate", "fcntl(F_SETLK)"}
# How GLib ends a process whose memory is used up: g_error.
NO_MEMORY = (-signal.SIGTRAP, -signal.SIGABRT)

tap = Tap()
number = 0


def new_place():
    global number
    number += 1
    state = f"{BASE}/state{number}"
    os.mkdir(state, 0o700)
    return state


def counter(tpm):
    data = tpm.nv_read(INDEX, 8)
    return struct.unpack(">Q", data)[0] if data else None


def write(tpm, value):
    """The response code, or None when the emulator is gone."""
    try:
        return tpm.nv_write(INDEX, struct.pack(">Q", value))
    except (OSError, EOFError):
        return None


class Served:
    """An emulator under the interposer that is started again when a fault has ended it."""

    def __init__(self, uri):
        self.state = new_place()
        self.uri = uri.replace("%s", self.state)
        self.trace = Trace(f"{self.state}.trace", self.state)
        self.emulator = None
        self.value = 0
        self.begin()
        self.tpm.nv_define(INDEX, 8)
        self.next(0)

    def begin(self):
        self.emulator = Emulator(state=self.uri, env=self.trace.environment())
        self.control, self.tpm = self.emulator.start()

    def next(self, fault_armed):
        self.value += 1
        return write(self.tpm, self.value)

    def said(self):
        return self.emulator.messages()

    def gone(self):
        """The exit code of a process that ended, or None."""
        try:
            return self.emulator.wait(0.2) if self.tpm_gone() else None
        except subprocess.TimeoutExpired:
            return None

    def tpm_gone(self):
        return self.emulator.process.poll() is not None

    def again(self, killed):
        """Another power cycle, or another process; what the counter is then."""
        if killed or self.tpm_gone():
            self.emulator.kill()
            self.emulator.end()
            self.begin()
        else:
            result = self.control.init()
            if result:
                raise OSError(f"INIT {result:#x}: {self.said()}")
            self.tpm.startup()
        return counter(self.tpm)

    def end(self):
        self.emulator.end()
        self.trace.close()


def sweep(served, kinds, action, code, act, judge, stays=False):
    """act() with a fault at each call in turn, until none went off. Problems, calls tried."""
    problems, at = [], 0
    while True:
        at += 1
        served.trace.arm(kinds, action, code, at, stays)
        before = len(served.said())
        answer = act()
        _, fired, call = served.trace.disarm()
        if not fired:
            return problems, at - 1
        said = served.said()[before:]
        problem = judge(answer, call, said)
        if problem:
            problems.append(f"{call} (call {at}): {problem}; log: {said!r}")


def judge_write(served, killed):
    """The verdict on a write of the counter, after a restart."""
    def judge(answer, call, said):
        wanted = served.value
        found = served.again(killed)
        served.value = found if found is not None else -1
        if answer == 0 and found != wanted:
            return f"acknowledged {wanted}, found {found}"
        if found not in (wanted, wanted - 1):
            return f"wrote {wanted}, found {found}"
        if answer is None:
            return "no answer"
        if answer and not said:
            return f"answered {answer:#x}, and the log says nothing"
        return None
    return judge


def test_service():
    """NV writes; then a power cycle, or SIGKILL and another process."""
    faults = [("ENOSPC", FAIL, errno.ENOSPC), ("EIO", FAIL, errno.EIO),
              ("EDQUOT", FAIL, errno.EDQUOT), ("EMFILE", FAIL, errno.EMFILE),
              ("ENOMEM", FAIL, errno.ENOMEM), ("EROFS", FAIL, errno.EROFS), ("a short one", SHORT, 0)]
    for name, uri in STORES:
        served = Served(uri)
        for killed in (False, True):
            for fault, action, code in faults[:2] if killed else faults:
                problems, tried = sweep(served, FILES, action, code, lambda: served.next(True),
                                        judge_write(served, killed))
                tap.ok(not problems and tried > 2,
                       f"{name}: NV_Write, {fault} at each of {tried} calls, then "
                       f"{'SIGKILL' if killed else 'a power cycle'}", "\n".join(problems))
        served.end()


def test_persistent():
    """A disk that stays broken: every command that stores says so, and one that has room again
    goes on."""
    for name, uri in STORES:
        for fault, code in (("ENOSPC", errno.ENOSPC), ("EIO", errno.EIO)):
            served = Served(uri)
            served.trace.arm(FILES, FAIL, code, 1, stays=True)
            first = served.next(True)
            second = write(served.tpm, served.value + 1)
            off = served.control.init()
            said = served.said()
            served.trace.disarm()
            found = served.again(False)
            tap.ok(first and second and first != 0 and second != 0, f"{name}: a disk with {fault}: "
                   "answers are errors", f"{first} {second}")
            tap.ok(os.strerror(code) in said, f"{name}: {fault}: the log has the reason", said)
            tap.ok(off in (0, 0x101), f"{name}: {fault}: INIT is refused or works", f"{off:#x}")
            tap.equal(found, served.value - 1, f"{name}: {fault}: then the last acknowledged state")
            tap.equal(write(served.tpm, 7), 0, f"{name}: {fault}: which can be written again")
            served.end()


def test_interrupted():
    """EINTR is not an error."""
    for name, uri in STORES:
        served = Served(uri)

        def judge(answer, call, _):
            if call not in RESTARTED:
                served.value = served.again(False)
                return None
            return None if answer == 0 else f"answered {answer}"
        problems, tried = sweep(served, FILES, FAIL, errno.EINTR, lambda: served.next(True), judge)
        tap.ok(not problems and tried > 2, f"{name}: NV_Write, EINTR at each of {tried} calls",
               "\n".join(problems))
        served.end()


def test_killed():
    """SIGKILL before each call."""
    for name, uri in STORES:
        served = Served(uri)

        def judge(answer, call, _):
            wanted = served.value
            served.value = served.again(True)
            return None if served.value in (wanted, wanted - 1) else f"found {served.value}"
        problems, tried = sweep(served, FILES, KILL, 0, lambda: served.next(True), judge)
        tap.ok(not problems and tried > 2, f"{name}: NV_Write, killed before each of {tried} calls",
               "\n".join(problems))
        served.end()


def test_volatile():
    """STORE_VOLATILE, INIT that removes it, and SET_STATEBLOB: the permanent state stays."""
    for name, uri in STORES:
        served = Served(uri)
        blob = served.control.get_blob(vtpm.PERMANENT)[3]

        def store():
            return served.control.store_volatile()

        def resume():
            served.control.store_volatile()
            return served.control.init(1)

        def replace():
            served.control.stop()
            return served.control.set_blob(vtpm.PERMANENT, blob) or served.control.init()

        def judge(answer, call, said):
            found = served.again(act is replace)  # an engine that refused a state wants it again
            if found != served.value:
                return f"found {found}"
            return None if answer == 0 or said else f"answered {answer:#x}, the log says nothing"
        for what, act in (("STORE_VOLATILE", store), ("INIT", resume), ("SET_STATEBLOB", replace)):
            for fault, code in (("ENOSPC", errno.ENOSPC), ("EIO", errno.EIO)):
                problems, tried = sweep(served, FILES, FAIL, code, act, judge)
                tap.ok(not problems and tried > 1,
                       f"{name}: {what}, {fault} at each of {tried} calls", "\n".join(problems))
        served.end()


def refused_calls(served):
    """Which calls of the next command can fail so that it is refused; until none does."""
    calls = []
    while True:
        served.trace.arm(FILES, FAIL, errno.EIO, len(calls) + 1)
        answer = served.tpm.random(4)
        _, fired, call = served.trace.disarm()
        if answer is not None or not fired:
            return calls
        calls.append(call)


def test_gone_for_good():
    """A volatile state that was resumed is gone before its guest goes on, also when its removal takes
    more than one attempt: what a disk has not taken may be there again after a power cut."""
    for name, uri in STORES:
        served = Served(uri)
        problems, at, refused = [], 0, 0
        while True:
            at += 1
            codes = [served.control.store_volatile(), served.control.init()]
            served.trace.arm(FILES, FAIL, errno.EIO, at)
            answer = served.tpm.random(4)
            _, fired, call = served.trace.disarm()
            if not fired:
                break
            if answer is None and not any(codes):
                refused += 1
                calls = refused_calls(served)
                if not any("sync" in c for c in calls):
                    problems.append(f"{call} (call {at}): goes on after {calls}")
            elif any(codes):
                problems.append(f"{call} (call {at}): {codes}")
        tap.ok(not problems and refused > 1,
               f"{name}: no command before the volatile state is gone from the disk, {refused} of "
               f"{at - 1} calls that fail", "\n".join(problems))
        served.end()


class Moved:
    """A migration over shared storage: a source that has handed its TPM out, and a target, under the
    interposer, that holds it back until its guest's first command."""

    def __init__(self, uri, options=()):
        self.state = new_place()
        uri = uri.replace("%s", self.state)
        if uri.startswith("file://"):
            options = (*options, "--tpmstate", f"backend-uri={uri},lock")
        self.options, self.uri = options, uri
        self.source = Emulator(*options, state=uri)
        self.control, self.tpm = self.source.start()
        self.tpm.nv_define(INDEX, 8)
        self.value = 1
        write(self.tpm, self.value)
        self.pcr = self.tpm.pcr_read(0)
        blobs = [self.control.get_blob(kind)[3] for kind in (1, 2, 3)]
        self.trace = Trace(f"{self.state}.trace", self.state)
        self.target = Emulator("--migration", "release-lock-outgoing,incoming", *options, state=uri,
                               env=self.trace.environment())
        control = self.target.control()
        codes = [control.stop(), control.set_blob(1, blobs[0]), control.set_blob(2, blobs[1]),
                 control.init(1)]
        if any(codes):
            raise OSError(f"{codes}: {self.target.messages()}")
        self.twin = control.data()

    def first_command(self):
        """An NV write of the target's guest: its response code, or None."""
        return write(self.twin, self.value + 1)

    def stored(self):
        """The counter that another emulator finds, when both are gone."""
        for emulator in (self.source, self.target):
            if emulator.process.poll() is None:
                emulator.kill()
        with Emulator(*self.options, state=self.uri) as e:
            _, tpm = e.start()
            return counter(tpm)

    def end(self):
        self.source.end()
        self.target.end()
        self.trace.close()


def source_goes_on(moved):
    """What is wrong, or None. It may not when the target's command has changed what is stored."""
    if moved.control.lock_storage(300) == 0:
        answer, found = write(moved.tpm, 7), moved.stored()
        return None if (answer, found) == (0, 7) else f"the source: {answer}, then found {found}"
    said, found = moved.source.messages(), moved.stored()
    return None if "out of date" in said and found == moved.value + 1 else f"found {found}: {said!r}"


def target_goes_on(moved, said):
    if "failure mode" in said:  # the engine's own store failed: it wants a power cycle
        found = moved.stored()
        return None if found in (moved.value, moved.value + 1) else f"found {found}"
    answer, found = moved.first_command(), moved.stored()
    return None if (answer, found) == (0, moved.value + 1) else f"again: {answer}, then found {found}"


def fails_at_flush(uri, options, action, code, back):
    """Each call of the first command at a target fails: problems, calls tried. With `back` the
    source goes on then, otherwise the target."""
    problems, at = [], 0
    while True:
        at += 1
        moved = Moved(uri, options)
        before = len(moved.target.messages())
        moved.trace.arm(FILES, action, code, at)
        answer = moved.first_command()
        _, fired, call = moved.trace.disarm()
        said = moved.target.messages()[before:]
        if not fired:
            moved.end()
            return problems, at - 1
        problem = None
        if answer is None and action != KILL:
            problem = "no answer"
        elif answer and not said:
            problem = f"answered {answer:#x}, and the log says nothing"
        elif answer != 0 and back:
            moved.target.kill()
            problem = source_goes_on(moved)
        elif answer != 0:
            problem = target_goes_on(moved, said)
        moved.end()
        if problem:
            problems.append(f"{call} (call {at}): {problem}; log: {said!r}")


def test_incoming():
    """The first command where a TPM has come to: it stores what was held back, and the source can
    take the TPM back as long as it is not answered."""
    key = f"{BASE}/key"
    with open(key, "w") as f:
        f.write("0f" * 32)
    encrypted = ("--key", f"file={key},mode=aes-256-cbc")
    everything = [("ENOSPC", FAIL, errno.ENOSPC, False), ("ENOSPC", FAIL, errno.ENOSPC, True),
                  ("EIO", FAIL, errno.EIO, True), ("EDQUOT", FAIL, errno.EDQUOT, False),
                  ("SIGKILL", KILL, 0, True)]
    for name, uri in STORES:
        for what, options, faults in (("", (), everything),
                                      (", encrypted", encrypted, everything[1:2] + everything[4:])):
            for fault, action, code, back in faults:
                problems, tried = fails_at_flush(uri, options, action, code, back)
                tap.ok(not problems and tried > 2,
                       f"{name}{what}: a target's first command, {fault} at each of {tried} calls, then "
                       f"the {'source' if back else 'target'} goes on", "\n".join(problems))


def test_incoming_persistent():
    """A disk that stays broken, and a store that vanishes, before a target's first command."""
    for name, uri in STORES:
        moved = Moved(uri)
        moved.trace.arm(FILES, FAIL, errno.ENOSPC, 1, stays=True)
        codes = [moved.first_command(), moved.twin.pcr_extend(16), moved.twin.startup()]
        said = moved.target.messages()
        moved.trace.disarm()
        tap.equal(codes, [0x101] * 3, f"{name}: a full disk: no command is run")
        tap.equal(said.count("is not run: "), 1, f"{name}: and that is said once")
        tap.ok(os.strerror(errno.ENOSPC) in said, f"{name}: with its reason", said)
        code = moved.first_command()
        tap.equal((code, moved.twin.pcr_read(16), counter(moved.twin)), (0, bytes(32), 2),
                  f"{name}: with room again it goes on from where it was")
        moved.end()
        moved = Moved(uri)
        for path, _, names in os.walk(moved.state):
            for n in names:
                os.unlink(os.path.join(path, n))
        os.rmdir(moved.state)
        code = moved.first_command()
        tap.ok(code == 0x101 and "is not run: " in moved.target.messages(),
               f"{name}: the store was removed: the command is not run", moved.target.messages())
        moved.end()


def test_hand_out():
    """A state that cannot be read when it is handed out: it is not taken for changed, nor for the same."""
    for name, uri in STORES:
        served = Served(uri)
        served.trace.arm(FILES, FAIL, errno.EIO, 1, stays=True)
        served.control.get_blob(vtpm.SAVESTATE)
        served.control.config()  # the hand-over is behind the answer
        _, fired, call = served.trace.disarm()
        answer = served.control.lock_storage(3)
        tap.ok(fired and answer == 9 and "cannot be told" in served.said(),
               f"{name}: {call} fails while the state is handed out: the lock is not taken again",
               f"{answer} {served.said()}")
        tap.equal((served.control.init(), served.tpm.startup(), counter(served.tpm)),
                  (0, 0, served.value), f"{name}: INIT loads what is stored")
        served.end()


def digest(state):
    return {name: open(f"{state}/{name}", "rb").read() for name in sorted(os.listdir(state))
            if name not in (".lock",) and not name.startswith("TMP")}


def attempt(state, trace):
    """A start with INIT and a write: (what came of it, what was said)."""
    emulator = Emulator("--pid", f"file={state}.pid", state=state, env=trace.environment(),
                        wait=False)
    control = None

    def ready():
        nonlocal control
        if emulator.process.poll() is not None:
            return True
        try:
            control = Control.unix(emulator.path)
        except OSError:
            return False
        return True
    vtpm.wait_until(ready, "the start or its failure")
    outcome = "ended"
    try:
        if control:
            outcome = f"INIT {control.init():#x}"
            tpm = control.data()
            outcome = f"Startup {tpm.startup():#x}"
            outcome = f"value {counter(tpm)}"  # None: INIT was refused
    except (OSError, EOFError) as problem:
        outcome += f" {problem}"
    _, fired, call = trace.disarm()
    code = emulator.process.poll()
    if control:
        control.close()
    if code is None:
        emulator.process.terminate()
        code = emulator.wait()
    said = emulator.messages()
    emulator.end()
    return outcome, code, fired, call, said


def test_start():
    """Every call from the first on, of a start on a TPM that is there."""
    served = Served("%s")
    state, value = served.state, served.value
    served.end()
    for what, kinds, code in (("EIO, files", FILES, errno.EIO),
                              ("EMFILE", DESCRIPTORS, errno.EMFILE),
                              ("ENOMEM, locked pages", PAGES, errno.ENOMEM),
                              ("EIO, sockets", CHANNELS, errno.EIO)):
        trace = Trace(f"{state}.trace", state)
        problems, at, worked = [], 0, 0
        while True:
            at += 1
            trace.arm(kinds, FAIL, code, at)
            outcome, exit_code, fired, call, said = attempt(state, trace)
            if not fired:
                break
            worked += outcome == f"value {value}"
            if exit_code not in (0, 1):
                problems.append(f"{call} ({at}): exit code {exit_code}; {outcome}; {said!r}")
            elif outcome != f"value {value}" and not said and kinds != CHANNELS:
                problems.append(f"{call} ({at}): {outcome}, exit code {exit_code}, nothing said")
            elif outcome.startswith("value") and outcome != "value None" and outcome != f"value {value}":
                problems.append(f"{call} ({at}): {outcome}")
        tap.ok(not problems and at > 1,
               f"start, {what} at each of {at - 1} calls ({worked} did no harm)",
               "\n".join(problems))
        trace.close()
    with Emulator(state=state) as e:
        _, tpm = e.start()
        tap.equal(counter(tpm), value, "after all these starts the TPM is the same")


def test_memory():
    """malloc and its kin return NULL: an answer, or an end that says so."""
    served = Served("%s")

    def act_nv():
        return served.next(True)

    def act_key():
        try:
            return served.tpm.command(ECC_PRIMARY)[6:10] and 0
        except (OSError, EOFError):
            return None

    def act_control():
        try:
            served.control.get_blob(vtpm.PERMANENT)
            served.control.store_volatile()
            return served.control.init(1) and 1
        except (OSError, EOFError):
            return None
    for what, act, step in (("NV_Write", act_nv, 1), ("CreatePrimary", act_key, 29),
                            ("control channel", act_control, 7)):
        problems, at, ends = [], 0, 0
        while True:
            at += step
            served.trace.arm(MEMORY, FAIL, errno.ENOMEM, at)
            wanted, before = served.value, len(served.said())
            answer = act()
            if answer is None:
                vtpm.wait_until(served.tpm_gone, "the end of the process")
            _, fired, call = served.trace.disarm()
            if not fired:
                break
            code, said = served.emulator.process.poll(), served.said()[before:]
            ends += code is not None
            if code is not None and (code not in NO_MEMORY or "allocate" not in said):
                problems.append(f"{call} ({at}): exit code {code}: {said!r}")
            wanted = served.value
            found = served.again(False)
            if found not in (wanted, wanted - 1) or (answer == 0 and found != wanted):
                problems.append(f"{call} ({at}): answer {answer}, {wanted}, found {found}")
            served.value = found
        tap.ok(not problems and at > step,
               f"no memory, {what}: {at // step - 1} allocations of {at - step}, {ends} ended the "
               "process", "\n".join(problems[:20]))
    served.end()


ECC_PRIMARY = vtpm.Tpm.pack(0x131, (vtpm.NULL,), bytes.fromhex(
    "0004" "0000" "0000"
    "001a" "0023" "000b" "00030472" "0000" "0006" "0080" "0043" "0010" "0003" "0010" "0000" "0000"
    "0000" "00000000"), 1)


def test_setup():
    """Making and replacing a TPM: the old one or the new one."""
    state = new_place()
    argv = [SETUP, "--tpm2", "--ecc", "--createek", "--tpm-state", state]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    trace = Trace(f"{state}.trace", state)

    def run():
        done = subprocess.run(argv + ["--overwrite"], env=trace.environment(), check=False,
                              capture_output=True, text=True)
        return done.returncode, done.stderr + done.stdout
    for what, kinds, code, step in (("ENOSPC", FILES, errno.ENOSPC, 1),
                                    ("EMFILE", DESCRIPTORS, errno.EMFILE, 1),
                                    ("ENOMEM, locked pages", PAGES, errno.ENOMEM, 3),
                                    ("no memory", MEMORY, errno.ENOMEM, 499)):
        problems, at = [], 0
        while True:
            at += step
            before = digest(state)
            trace.arm(kinds, FAIL, code, at)
            exit_code, said = run()
            _, fired, call = trace.disarm()
            if not fired:
                break
            after = digest(state)
            ended = kinds == MEMORY and exit_code in NO_MEMORY
            if exit_code not in (0, 1) and not ended:
                problems.append(f"{call} ({at}): exit code {exit_code}: {said!r}")
            elif exit_code == 1 and after != before and call != "fsync":  # of the directory
                problems.append(f"{call} ({at}): failed, and the state is another: {said!r}")
            elif exit_code == 0 and after == before:
                problems.append(f"{call} ({at}): done, and the state is the same")
            elif exit_code != 0 and not said:
                problems.append(f"{call} ({at}): exit code {exit_code}, nothing said")
        tap.ok(not problems and at > step, f"setup --overwrite, {what} at {at // step - 1} calls",
               "\n".join(problems[:20]))
    with Emulator(state=state) as e:
        e.start()
        tap.ok(True, "after all this the TPM starts")
    trace.close()


REASON = reason_not_here(vtpm.emulator_program())
only = sys.argv[1:]
for test in (test_service, test_persistent, test_interrupted, test_killed, test_volatile,
             test_gone_for_good, test_hand_out, test_incoming, test_incoming_persistent, test_start, test_memory, test_setup):
    if only and test.__name__ not in only:
        continue
    if REASON:
        tap.skip(test.__name__, REASON)
        continue
    tap.attempt(test)
shutil.rmtree(BASE, ignore_errors=True)
sys.exit(tap.finish())
