#!/usr/bin/python3
"""attack-ca.py - a CA that serves, taken over by a client.

System calls are made inside of it (taken.py), in the thread that hears the clients and in the one
that works: the network, programs, other processes, files that are not the CA's. Then what others of
its own user could get from it: memory, core files, keys as text.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from taken import AT_FDCWD, Taken, forbidden, has_landlock, is_sanitized, may_trace, outcome
from vtpm import Tap, wait_until

tap = Tap()
TOP = os.path.abspath(os.environ.get("top_builddir", "."))
CA = os.environ.get("HOLDFAST_CA", os.path.join(TOP, "holdfast-ca"))
AUTHORITY = os.environ.get("HOLDFAST_AUTHORITY", os.path.join(TOP, "holdfast-authority"))


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


class Serving:
    """A CA that serves at DIRECTORY/s, and a host without TPM that it delegates to."""

    def __init__(self, directory, *options):
        self.directory = directory
        self.ca = os.path.join(directory, "C")
        self.rules = os.path.join(directory, "rules")
        self.values = os.path.join(self.rules, "values")
        if not os.path.exists(self.ca):
            os.mkdir(self.rules)
            with open(self.values, "w") as f:
                f.writelines(f"sha256:{n}:{'00' * 32}\n" for n in (0, 2, 4, 7))
            for command in ([CA, "init", "--dir", self.ca],
                            [AUTHORITY, "init", "--dir", self.host(), "--software"]):
                code, text = run(*command)
                if code != 0:
                    raise RuntimeError(text)
        self.log = open(os.path.join(directory, "log"), "w+")
        self.process = subprocess.Popen(
            [CA, "serve", "--dir", self.ca, "--unix", self.socket(), "--allow-software",
             "--approved-pcrs", self.values, *options], stdin=subprocess.DEVNULL, stderr=self.log)
        wait_until(self.is_there, "the CA serves")

    def host(self):
        return os.path.join(self.directory, "A")

    def socket(self):
        return os.path.join(self.directory, "s")

    def is_there(self):
        """Stage 3 is over when it is ready: nothing of what it may do comes later."""
        if self.process.poll() is not None:
            raise RuntimeError("it ended: " + self.text())
        return self.status("Seccomp") == ("2" if "none" not in self.process.args else "0") and \
            os.path.exists(self.socket())

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)[field]

    def text(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def worker(self):
        threads = [int(t) for t in os.listdir(f"/proc/{self.process.pid}/task")]
        return next(t for t in threads if t != self.process.pid)

    def enrols(self):
        return run(AUTHORITY, "enrol", "--dir", self.host(), "--server", "unix:" + self.socket(),
                   "--renew")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.process.terminate()
            self.process.wait(20)
        self.log.close()
        if os.path.exists(self.socket()):
            os.unlink(self.socket())


def test_killed(directory):
    # Nonces are made by link(); where links may go is for Landlock.
    cases = forbidden(is_sanitized(CA), permitted=("linkat",))
    cases.append(("options of a socket", "setsockopt", 0, 1, 2, bytes(4), 4))
    for what, name, *arguments in cases:
        with Serving(directory) as ca:
            taken = Taken(ca.process)
            tap.equal(outcome(taken, name, *arguments), "SIGSYS", f"{what}: the process ends")
            taken.release()


def test_worker(directory):
    for what, name, *arguments in (("a program", "execve", "/bin/true", 0, 0),
                                   ("a connection", "socket", 2, 1, 0)):
        with Serving(directory) as ca:
            taken = Taken(ca.process, ca.worker())
            tap.equal(outcome(taken, name, *arguments), "SIGSYS",
                      f"{what}, in the thread that works: the process ends")
            taken.release()


def test_paths(directory):
    with Serving(directory) as ca:
        other = os.path.join(directory, "other")
        own = os.path.join(ca.ca, "root.pem")
        with open(other, "w") as f:
            f.write("not yours")
        taken = Taken(ca.process)
        read, write, new = os.O_RDONLY, os.O_WRONLY, os.O_CREAT | os.O_WRONLY
        for what, name, *arguments in (
                ("its own certificate", "openat", AT_FDCWD, own, read, 0),
                ("a new file of its own", "openat", AT_FDCWD, ca.ca + "/new", new, 0o600),
                ("its rules", "openat", AT_FDCWD, ca.values, read, 0)):
            tap.equal(outcome(taken, name, *arguments), "done", f"control: {what} can be opened")
        for what, name, *arguments in (
                ("a file of everybody", "openat", AT_FDCWD, "/etc/passwd", read, 0),
                ("the same by a way out", "openat", AT_FDCWD, ca.ca + "/../other", read, 0),
                ("a file beside its directory, to write", "openat", AT_FDCWD, other, write, 0),
                ("a new file beside it", "openat", AT_FDCWD, other + ".new", new, 0o600),
                ("the host's directory", "openat", AT_FDCWD, ca.host() + "/manifest.json", read, 0),
                ("its rules, to write", "openat", AT_FDCWD, ca.values, write, 0),
                ("a new rule", "openat", AT_FDCWD, ca.rules + "/new", new, 0o600),
                ("a rule removed", "unlinkat", AT_FDCWD, ca.values, 0),
                ("its own memory", "openat", AT_FDCWD, "/proc/self/mem", os.O_RDWR, 0),
                ("a device", "openat", AT_FDCWD, "/dev/zero", read, 0),
                ("a file moved in", "renameat", AT_FDCWD, other, AT_FDCWD, ca.ca + "/in"),
                ("its key moved out", "renameat", AT_FDCWD, ca.ca + "/root.key", AT_FDCWD, other),
                ("its key linked out", "linkat", AT_FDCWD, ca.ca + "/root.key", AT_FDCWD,
                 other + ".key", 0),
                ("a file linked in", "linkat", AT_FDCWD, other, AT_FDCWD, ca.ca + "/in", 0),
                ("its socket removed", "unlinkat", AT_FDCWD, ca.socket(), 0)):
            found = outcome(taken, name, *arguments)
            tap.ok(found in ("EACCES", "EXDEV"), f"{what}: refused", found)
        taken.release()
        os.unlink(ca.ca + "/new")
        with open(other) as f:
            tap.equal(f.read(), "not yours", "what is not the CA's is as it was")
        code, text = ca.enrols()
        tap.equal(code, 0, "and it still serves") or tap.diag(text)
        os.unlink(other)


def memory_of(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            first, last = (int(x, 16) for x in line.split()[0].split("-"))
            if "w" in line.split()[1]:
                memory.seek(first)
                try:
                    yield memory.read(last - first)
                except OSError:
                    pass


def test_process(directory):
    with Serving(directory) as ca:
        tap.equal(ca.enrols()[0], 0, "control: a host enrols")
        with open(f"/proc/{ca.process.pid}/limits") as f:
            core = re.search(r"Max core file size +(\d+) +(\d+)", f.read())
        tap.equal(core.groups(), ("0", "0"), "no core file is ever written")
        tap.equal(ca.status("NoNewPrivs"), "1", "no new privileges")
        tap.equal({ca.status(f) for f in ("CapEff", "CapPrm", "CapInh", "CapAmb")}, {"0" * 16},
                  "no capabilities")
        tap.equal(os.stat(f"/proc/{ca.process.pid}/maps").st_uid, 0, "it is not dumpable")
        if is_sanitized(CA):
            tap.skip("its memory", "AddressSanitizer locks none, and has more than can be searched")
            return
        locked = int(ca.status("VmLck").split()[0])
        said = "memory is not locked" in ca.text()
        tap.ok((locked > 4096) != said, "all of its memory is locked, or the log says why not",
               f"{locked} KiB: {ca.text()}")
        with open(ca.ca + "/root.key", "rb") as f:
            key = [line for line in f.read().split(b"\n") if line and b"-----" not in line]
        with open(ca.ca + "/root.pem", "rb") as f:
            public = f.read().replace(b"\n", b"")
        # What the certificate has too is no secret: the end of the key's file.
        lines = [line for line in key if line not in public]
        everything = b"".join(memory_of(ca.process.pid))
        tap.ok(len(everything) > 1 << 16 and ca.ca.encode() in everything,
               "control: its memory can be searched", len(everything))
        tap.ok(lines and not any(line in everything for line in lines),
               "its key's file is nowhere in it", lines)


def test_actions(directory):
    for action, filters in (("log", "2"), ("none", "0")):
        with Serving(directory, "--seccomp", action) as ca:
            tap.equal((ca.status("Seccomp"), ca.enrols()[0]), (filters, 0), f"--seccomp {action}")


def main():
    reason = may_trace()
    if reason:
        tap.skip("system calls from inside", reason)
        return tap.finish()
    directory = tempfile.mkdtemp(prefix="hf-test.")
    try:
        test_process(directory)
        test_actions(directory)
        test_killed(directory)
        test_worker(directory)
        if has_landlock():
            test_paths(directory)
        else:
            tap.skip("files from inside", "this kernel has no Landlock")
    finally:
        shutil.rmtree(directory)
    return tap.finish()


sys.exit(main())
