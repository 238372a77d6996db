"""attack-paths.py - somebody else was at the place first.

Every path that a program is given, or makes, is taken beforehand by what another user of that
directory could put there: a symbolic link, a hard link, a link that leads nowhere yet, a FIFO, a
socket, a directory. The program ends with an error or does not mind; it never hangs, and nothing
behind the link is changed, emptied, made or given away (CVE-2020-28407 was this, in swtpm's state,
log and pid files). Then the same as a race: the object is changed all the time while programs start.

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

import vtpm
from vtpm import Tap, wait_until

tap = Tap()
BUILD = os.environ.get("top_builddir", ".")
BASE = tempfile.mkdtemp(prefix="hf-paths.")
EMULATOR = os.path.join(BUILD, "holdfast")
SETUP = os.path.join(BUILD, "holdfast-setup")
AUTHORITY = os.path.join(BUILD, "holdfast-authority")
CA = os.path.join(BUILD, "holdfast-ca")
LOCALCA = os.path.abspath(os.path.join(BUILD, "swtpm-names", "swtpm_localca"))
CONTENT = b"root:x:0:0:\n"
LIMIT = 60


class Place:
    """A directory with a victim in it, and a free name."""

    count = 0

    def __init__(self):
        Place.count += 1
        self.dir = os.path.join(BASE, f"p{Place.count}")
        os.mkdir(self.dir, 0o700)
        self.victim = os.path.join(self.dir, "victim")
        with open(self.victim, "wb") as f:
            f.write(CONTENT)
        os.chmod(self.victim, 0o640)
        self.nowhere = os.path.join(self.dir, "nowhere")
        self.before = self.look()

    def look(self):
        st = os.stat(self.victim)
        with open(self.victim, "rb") as f:
            return f.read(), st.st_mode, st.st_uid, st.st_gid, os.path.lexists(self.nowhere)

    def unharmed(self):
        return self.look() == self.before


def make_socket(path, _):
    with socket.socket(socket.AF_UNIX) as s, contextlib.suppress(FileNotFoundError):
        s.bind(path)


KINDS = {
    "a symbolic link": lambda path, place: os.symlink(place.victim, path),
    "a link to nothing": lambda path, place: os.symlink(place.nowhere, path),
    "a link to itself": lambda path, place: os.symlink(path, path),
    "a hard link": lambda path, place: os.link(place.victim, path),
    "a FIFO": lambda path, place: os.mkfifo(path),
    "a directory": lambda path, place: os.mkdir(path),
    "a socket": make_socket,
}


def plant(kind, path, place):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    KINDS[kind](path, place)


def finish(argv, listening=None, **more):
    """Runs to its end, or until it serves at the socket `listening`. Exit code or None, output."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   **more)
        try:
            wait_until(lambda: process.poll() is not None or (listening and serves(listening)),
                       "end or service", LIMIT)
            code = process.poll()
        except TimeoutError:
            code = "hangs"
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            code = "hangs"
            process.kill()
            process.wait()
        output.seek(0)
        return code, output.read().decode(errors="replace")


def serves(path):
    """Whether it answers: one whose TPM does not start listens, too, and ends."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.settimeout(LIMIT)
            s.connect(path)
            s.sendall(b"\0\0\0\1")
            return len(s.recv(8)) == 8
        except OSError:
            return False


def emulator(place, *options, state=None, path=None):
    """One whose TPM is switched on at once, so that it ends when its state is not usable."""
    path = path or os.path.join(place.dir, "control")
    if state is None:
        state = os.path.join(place.dir, "state")
        os.makedirs(state, exist_ok=True)
    where = f"backend-uri={state}" if "://" in state else f"dir={state}"
    argv = [EMULATOR, "socket", "--tpm2", "--tpmstate", where, "--flags",
            "not-need-init,startup-clear", "--ctrl", f"type=unixio,path={path},mode=0666", *options]
    return finish(argv, path)


def judge(what, kind, place, result, path, may_work=False):
    code, said = result
    refused = isinstance(code, int) and code != 0 and path in said
    harmless = refused or (may_work and code in (0, None))
    tap.ok(harmless and place.unharmed(), f"{what}: {kind} is "
           + ("refused by name" if refused else "no harm"),
           f"exit {code}: {said}; victim {place.look()}")


def test_emulator_outputs():
    options = {
        "log": ("--log", "file={}"), "emptied log": ("--log", "file={},truncate"),
        "pid file": ("--pid", "file={}"),
        "pcap": ("--pcap", "file={}"), "emptied pcap": ("--pcap", "file={},truncate=true"),
        "pcap with a mode": ("--pcap", "file={},mode=0666"),
    }
    for what, (option, value) in options.items():
        for kind in KINDS:
            place = Place()
            path = os.path.join(place.dir, "out")
            plant(kind, path, place)
            judge(what, kind, place, emulator(place, option, value.format(path)), path)


def test_emulator_sockets():
    for kind in KINDS:
        place = Place()
        path = os.path.join(place.dir, "control")
        plant(kind, path, place)
        judge("control socket", kind, place, emulator(place, path=path), path,
              may_work=kind == "a socket")
        place = Place()
        path = os.path.join(place.dir, "data")
        plant(kind, path, place)
        judge("data socket", kind, place, emulator(place, "--server", f"type=unixio,path={path}"),
              path, may_work=kind == "a socket")


def test_emulator_state():
    place = Place()
    code, said = emulator(place)
    tap.ok(code is None, "control: a TPM is made and serves", said)
    made = os.path.join(place.dir, "state")
    for name in (".lock", "tpm2-00.permall", "tpm2-00.volatilestate"):
        for kind in KINDS:
            place = Place()
            state = os.path.join(place.dir, "state")
            shutil.copytree(made, state)
            plant(kind, os.path.join(state, name), place)
            # A lock is not written: another name for a file that is locked is no harm to it. What
            # is left of a volatile state of no use is removed, by its name.
            judge(name, kind, place, emulator(place), name,
                  may_work=(name, kind) == (".lock", "a hard link") or "volatile" in name)
    for scheme in ("file", "slots"):
        for kind in KINDS:
            place = Place()
            path = os.path.join(place.dir, "one")
            plant(kind, path, place)
            judge(f"{scheme}://", kind, place, emulator(place, state=f"{scheme}://{path}"), path)


def test_inputs():
    for what, option in (("key file", "--key"), ("passphrase file", "--migration-key")):
        for kind in ("a link to nothing", "a link to itself", "a directory", "a socket"):
            place = Place()
            path = os.path.join(place.dir, "key")
            plant(kind, path, place)
            name = "file" if option == "--key" else "pwdfile"
            result = emulator(place, option, f"{name}={path}")
            judge(what, kind, place, result, path)


def setup(place, *options, state=None):
    state = state or os.path.join(place.dir, "made")
    os.makedirs(state, exist_ok=True)
    return finish([SETUP, "--tpm2", "--ecc", "--tpm-state", state, *options],
                  env=dict(os.environ, XDG_CONFIG_HOME=place.dir))


def test_setup():
    for kind in KINDS:
        place = Place()
        path = os.path.join(place.dir, "log")
        plant(kind, path, place)
        judge("log of holdfast-setup", kind, place, setup(place, "--logfile", path), path)
        for name in (".lock", "tpm2-00.permall"):
            place = Place()
            state = os.path.join(place.dir, "made")
            os.mkdir(state)
            plant(kind, os.path.join(state, name), place)
            judge(f"{name} of holdfast-setup", kind, place, setup(place, "--overwrite"), name,
                  may_work=kind == "a hard link")
        place = Place()
        path = os.path.join(place.dir, "holdfast-setup.conf")
        plant(kind, path, place)
        if kind != "a link to nothing":
            judge("configuration", kind, place, setup(place, "--config", path), path)


def test_localca():
    """With swtpm_localca's own files; its state directory is made by its first call."""
    for kind in KINDS:
        for name, option in (("log", "--logfile"), ("configuration", "--configfile")):
            if (name, kind) == ("configuration", "a FIFO"):
                continue  # may be a pipe, and waits for who writes there
            place = Place()
            path = os.path.join(place.dir, name)
            plant(kind, path, place)
            result = finish([LOCALCA, "--type", "ek", "--ek", "x=1,y=2,id=secp384r1", "--dir",
                             place.dir, option, path])
            judge(f"{name} of swtpm_localca", kind, place, result, path)


def digest(directory):
    sums = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as f:
                    sums[path] = hashlib.sha256(f.read()).hexdigest()
    return sums


def every_file(directory):
    return sorted(os.path.relpath(path, directory) for path in digest(directory))


def test_directories():
    """Each file of an authority and of a CA, and the directory itself."""
    place = Place()
    made = {"authority": os.path.join(place.dir, "A"), "ca": os.path.join(place.dir, "C")}
    code, said = finish([AUTHORITY, "init", "--software", "--dir", made["authority"]])
    tap.equal((code, code and said), (0, 0), "control: an authority")
    code, said = finish([CA, "init", "--dir", made["ca"]])
    tap.equal((code, code and said), (0, 0), "control: a CA")
    uses = {
        "authority": lambda d, p: finish([AUTHORITY, "request", "--dir", d, "--nonce", "00" * 32,
                                          "--out", os.path.join(p.dir, "request")]),
        "ca": lambda d, p: finish([CA, "crl", "--dir", d]),
    }
    for what, use in uses.items():
        worked = {}
        for name in every_file(made[what]):
            for kind in KINDS:
                place = Place()
                copy = os.path.join(place.dir, "copy")
                shutil.copytree(made[what], copy)
                plant(kind, os.path.join(copy, name), place)
                code, said = use(copy, place)
                tap.ok(code in (0, 1) and place.unharmed() and (code == 0 or said),
                       f"{what}: {kind} for {name} does no harm", f"{code} {said} {place.look()}")
                worked.setdefault(kind, []).append(code == 0)
        for kind, results in worked.items():
            tap.ok(not all(results), f"{what}: {kind} is refused where the file is read")
        place = Place()
        link = os.path.join(place.dir, "link")
        os.symlink(made[what], link)
        before = digest(made[what])
        code, said = use(link, place)
        tap.ok(code == 1 and link in said and digest(made[what]) == before,
               f"{what}: a link for the directory is refused", f"{code} {said}")


class Flipper(threading.Thread):
    """Puts one thing after the other at a path until it is told to stop, by rename: there is always
    something. `on_socket`: when a program has made a socket there."""

    def __init__(self, path, place, others, on_socket=False):
        super().__init__()
        self.path, self.place, self.others, self.on_socket = path, place, others, on_socket
        self.stopping = threading.Event()
        self.turns = 0

    def run(self):
        new = self.path + ".new"
        while not self.stopping.is_set():
            if self.on_socket:
                try:
                    if not stat.S_ISSOCK(os.lstat(self.path).st_mode):
                        continue
                except FileNotFoundError:
                    continue
            for make in self.others:
                try:
                    make(new)
                    os.rename(new, self.path)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.unlink(new)
                self.turns += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


def plain_file(path):
    with open(path, "wb"):
        pass


def test_races():
    """The victim stays whole however the changes fall between the steps of a start."""
    for what, option, value in (("log", "--log", "file={},truncate"), ("pid file", "--pid", "file={}"),
                                ("pcap", "--pcap", "file={},truncate=true,mode=0666")):
        place = Place()
        path = os.path.join(place.dir, "out")
        with Flipper(path, place, [plain_file, lambda new: os.symlink(place.victim, new),
                                   lambda new: os.link(place.victim, new)]) as flipper:
            codes = [emulator(place, option, value.format(path))[0] for _ in range(25)]
        tap.ok(place.unharmed() and "hangs" not in codes,
               f"{what}: {flipper.turns} changes during {len(codes)} starts do no harm",
               f"{codes} {place.look()}")


def slowed():
    """strace, holding a program for a moment between making its socket and what it does with it;
    or nothing, and then the moment is short."""
    with open(EMULATOR, "rb") as f:
        sanitized = b"__asan_init" in f.read()
    if sanitized or not shutil.which("strace"):
        return []
    return ["strace", "-f", "-o", os.path.join(BASE, "calls"), "-e", "trace=listen",
            "-e", "inject=listen:delay_enter=50000:delay_exit=50000"]


def test_socket_race():
    uid = ",uid=65534,gid=65534" if os.geteuid() == 0 else ""
    place = Place()
    path = os.path.join(place.dir, "swapped")
    state = os.path.join(place.dir, "state")
    os.mkdir(state)
    wrapper = slowed()
    argv = wrapper + [EMULATOR, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl",
                      f"type=unixio,path={path},mode=0666{uid}"]
    with Flipper(path, place, [lambda new: os.symlink(place.victim, new)], True) as flipper:
        for _ in range(4 if wrapper else 50):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            before = flipper.turns
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)
            wait_until(lambda: process.poll() is not None or flipper.turns > before, "a swap")
            if uid:  # a link cannot be given away: an error
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(LIMIT)
    tap.ok(place.unharmed() and flipper.turns > 0,
           f"control socket: {flipper.turns} swaps for a link while it gets mode and owner",
           str(place.look()))


def main():
    for test in (test_emulator_outputs, test_emulator_sockets, test_emulator_state, test_inputs,
                 test_setup, test_localca, test_directories, test_races, test_socket_race):
        tap.attempt(test)
    shutil.rmtree(BASE, ignore_errors=True)
    return tap.finish()


sys.exit(main())
