"""swtpm-clients.py - the command lines with which other programs start swtpm, run with ours in its place.

Each is run as that program runs it (its words, its working directory, its descriptors), used as it is used, and ended
as it is ended: by SHUTDOWN, by a signal, by a connection that is lost. What can be seen from outside is put down: what
answers, what INIT and a command give, files with their modes, exit codes. Where Debian's swtpm is installed it goes
through the same, and both must have the same to show; where it is not, ours must still do what is said here.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import vtpm
from vtpm import Control, Tap, Tpm, wait_until

tap = Tap()
NAMES = os.path.join(os.path.abspath(os.environ.get("top_builddir", ".")), "swtpm-names")
DEBIAN = "/usr/bin" if os.access("/usr/bin/swtpm", os.X_OK) and not os.path.islink("/usr/bin/swtpm") else None
CONTROL, DATA = "control", "data"

# name, words of swtpm, what ends it, further marks. DIR: the directory of the TPM, which is also the working directory;
# PORT and PORT1: two free ports, one behind the other; LISTEN: a descriptor of a socket that listens at DIR/sock.
# "on": the TPM is on without INIT; "started": it has had its Startup; "new": not in swtpm 0.7, so ours alone.
CLIENTS = [
    ("tpm2-tss, its tests", "socket --tpm2 -p PORT --ctrl type=tcp,port=PORT1 --log fd=1,level=5 --flags not-need-init "
     "--tpmstate dir=DIR --seccomp action=none", signal.SIGTERM, "on"),
    ("tpm2-tools, its tests", "socket --tpm2 --server port=PORT --ctrl type=tcp,port=PORT1 --flags not-need-init "
     "--tpmstate dir=. --seccomp action=none", signal.SIGTERM, "on"),
    ("tpm2-pytss, its tests", "socket --tpm2 --server port=PORT --ctrl type=tcp,port=PORT1 --flags not-need-init "
     "--tpmstate dir=DIR --seccomp action=none", signal.SIGKILL, "on"),
    ("tpm2-abrmd, its manual", "socket --tpm2 --server type=tcp,port=PORT --ctrl type=tcp,port=PORT1 --tpmstate dir=DIR "
     "--flags startup-clear --daemon --pid file=DIR/pid", "shutdown", "on started daemon"),
    ("Keylime", "socket --tpmstate dir=DIR --tpm2 --ctrl type=tcp,port=PORT1 --server type=tcp,port=PORT "
     "--flags not-need-init,startup-clear", signal.SIGTERM, "on started"),
    ("IBM's TSS", "socket --tpm2 --tpmstate dir=DIR --server type=tcp,port=PORT,disconnect --ctrl type=tcp,port=PORT1",
     "shutdown", ""),
    ("QEMU's manual", "socket --tpmstate dir=DIR --ctrl type=unixio,path=DIR/sock --tpm2 --log level=20", "shutdown", "loud"),
    ("virt-manager's and osbuild's, by hand", "socket --tpmstate dir=DIR --ctrl type=unixio,path=DIR/sock --log file=DIR/log,"
     "level=20 --tpm2 -t -d", "hangup", "daemon"),
    ("libvirt", "socket --ctrl type=unixio,path=DIR/sock,mode=0600 --tpmstate dir=DIR,mode=0600 --log file=DIR/log "
     "--terminate --tpm2", "hangup", ""),
    ("libvirt before 9", "socket --daemon --ctrl type=unixio,path=DIR/sock,mode=0600 --tpmstate dir=DIR,mode=0600 "
     "--log file=DIR/log --terminate --pid file=DIR/pid --tpm2", "shutdown", "daemon"),
    ("Incus and LXD", "socket --tpm2 --tpmstate dir=DIR --ctrl type=unixio,path=sock", "hangup", "stays"),
    ("Proxmox VE", "socket --tpmstate backend-uri=file://DIR/volume,mode=0600 --ctrl type=unixio,path=DIR/sock,mode=0600 "
     "--pid file=DIR/pid --terminate --daemon --log 'file=DIR/log,level=1,prefix=[id=1700000000] ' --tpm2", "hangup",
     "daemon volume"),
    ("cloud-hypervisor", "socket --tpmstate dir=DIR --ctrl type=unixio,path=DIR/sock --flags startup-clear --tpm2",
     "shutdown", "on started"),
    ("bhyve", "socket --tpmstate dir=DIR --tpm2 --server type=unixio,path=DIR/data --flags not-need-init,startup-clear",
     signal.SIGTERM, "on started"),
    ("systemd-vmspawn and mkosi", "socket --tpm2 --tpmstate dir=DIR --ctrl type=unixio,fd=LISTEN", signal.SIGTERM, ""),
    ("Quickemu", "socket --ctrl type=unixio,path=DIR/sock --terminate --tpmstate dir=DIR --tpm2", "hangup", ""),
    ("kola", "socket --tpm2 --ctrl type=unixio,path=DIR/sock --terminate --tpmstate dir=DIR", signal.SIGTERM, ""),
    ("Xen", "socket --tpm2 --tpmstate dir=DIR --ctrl type=unixio,path=DIR/sock --log file=DIR/log --terminate --daemon "
     "--pid file=DIR/pid", signal.SIGTERM, "daemon"),
    ("NixOS, its tests", "socket --tpmstate dir=DIR --ctrl type=unixio,path=DIR/sock,terminate --pid file=DIR/pid --tpm2 "
     "--daemon --log file=DIR/log,level=6", "leave", "daemon new"),
    ("a TPM 1.2 of old scripts", "socket --tpmstate dir=DIR -p PORT --ctrl type=unixio,path=DIR/sock", signal.SIGINT, "1.2"),
]

SETUPS = [
    ("mkosi", "--tpm-state DIR --tpm2 --pcr-banks sha256 --config /dev/null"),
    ("systemd-vmspawn", "--tpm-state DIR --tpm2 --pcr-banks sha256 --not-overwrite"),
    ("Keylime", "--tpm2 --tpmstate DIR --createek --decryption --create-ek-cert --create-platform-cert --lock-nvram "
     "--not-overwrite --pcr-banks sha1,sha256 --display"),
    ("Xen", "--tpm2 --tpm-state DIR --createek --create-ek-cert --create-platform-cert --lock-nvram --not-overwrite "
     "--write-ek-cert-files DIR --logfile DIR/log"),
    ("libvirt", "--tpm2 --tpm-state DIR --vmid vm:4e6bd6c0-0000-4000-8000-000000000000 --logfile DIR/log --createek "
     "--create-ek-cert --create-platform-cert --lock-nvram --not-overwrite"),
    ("libvirt-1.2", "--tpm-state DIR --vmid vm --logfile DIR/log --createek --create-ek-cert --create-platform-cert "
     "--lock-nvram --not-overwrite"),
    ("by-hand", "--tpmstate dir://DIR --tpm2 --create-ek-cert --create-platform-cert --overwrite"),
    ("ansible", "--tpm-state DIR --tpm2 --createek --allow-signing --decryption --create-ek-cert --create-platform-cert "
     "--display --overwrite"),
]


def free_ports():
    """A port whose successor is free, too."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def split(text):
    """Words; what stands in single quotes is one."""
    parts = text.split("'")
    return [word for i, part in enumerate(parts) for word in ([part] if i % 2 else part.split())]


class Scene:
    """One program, started with one client's words in a directory of its own."""

    def __init__(self, program, words, marks):
        self.marks = marks.split()
        self.dir = tempfile.mkdtemp(prefix="hf-test.")
        self.port = free_ports()
        self.seen = {}
        self.listener = None
        fds = ()
        if "LISTEN" in words:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(f"{self.dir}/sock")
            self.listener.listen(1)
            fds = (self.listener.fileno(),)
            words = words.replace("LISTEN", str(fds[0]))
        if "volume" in self.marks:
            with open(f"{self.dir}/volume", "wb") as f:
                f.truncate(4 << 20)
        words = words.replace("DIR", self.dir).replace("PORT1", str(self.port + 1)).replace("PORT", str(self.port))
        self.words = split(words)
        self.environment = {k: v for k, v in os.environ.items() if k not in ("TPM_PATH", "TPM_PORT")}
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen((program, *self.words), cwd=self.dir, env=self.environment, pass_fds=fds,
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        if "daemon" in self.marks:
            self.seen["start"] = self.process.wait(vtpm.DEADLINE)

    def pid(self):
        if "daemon" not in self.marks:
            return self.process.pid
        name = f"{self.dir}/pid"
        if os.path.exists(name):
            with open(name, encoding="ascii") as f:
                return int(f.read())
        found = subprocess.run(("pgrep", "-f", self.dir), stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        return int(found[0])

    def connect(self, kind):
        """A channel of this kind, as soon as it is there; None when there is none."""
        text = " ".join(self.words)
        path = {CONTROL: "sock", DATA: "data"}[kind]
        port = self.port + (kind == CONTROL)
        is_unix = f"path={self.dir}/{path}" in text or f"path={path}" in text or (kind == CONTROL and self.listener)
        if not is_unix and f"port={port}" not in text and not (kind == DATA and f"-p {port}" in text):
            return None
        cls = Control if kind == CONTROL else Tpm

        def attempt():
            try:
                return cls.unix(f"{self.dir}/{path}") if is_unix else cls.tcp(port)
            except OSError:
                return None
        return wait_until(attempt, f"the {kind} channel")

    def files(self):
        found = {}
        for name in os.listdir(self.dir):
            state = os.lstat(os.path.join(self.dir, name))
            kind = "socket" if stat.S_ISSOCK(state.st_mode) else "file"
            # The mode of the lock is nobody's business.
            found[name] = (kind, "" if name == ".lock" else oct(stat.S_IMODE(state.st_mode)))
        return found

    def use(self):
        """What the client does, as far as all do it."""
        command = bytes.fromhex("00c10000000c000000990001" if "1.2" in self.marks else "80010000000c000001440000")
        control = self.connect(CONTROL)
        data = self.connect(DATA)
        if control:
            self.seen["capabilities"] = hex(control.capability() & 0xFFFF)
            self.seen["keys"] = control.config()
            self.seen["size"] = control.buffersize(0)
        if control and not data:
            data = control.data()
        before = data.command(command)[6:10].hex()
        self.seen["a Startup before INIT"] = before
        if control:
            if "-p" in self.words or ",disconnect" in " ".join(self.words):
                data.close()
                data = self.connect(DATA)
            self.seen["INIT"] = control.init()
            self.seen["Startup"] = data.command(command)[6:10].hex()
            self.seen["locality"] = (control.set_locality(3), control.set_locality(5))
        self.seen["files"] = self.files()
        return control, data

    def end(self, how, control, data):
        pid = self.pid()
        if how == "shutdown":
            self.seen["SHUTDOWN"] = control.shutdown()
        elif how == "hangup":
            data.close()
        elif how == "leave":
            control.close()
        else:
            os.kill(pid, how)
        if "stays" in self.marks:
            self.seen["stays"] = control.capability() != 0
            control.shutdown()
        if "daemon" not in self.marks:
            self.seen["exit code"] = self.process.wait(vtpm.DEADLINE)
        else:
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the daemon")
        self.seen["left"] = self.files()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        if self.listener:
            self.listener.close()
        subprocess.run(("rm", "-rf", self.dir), check=True)


def play(program, words, how, marks):
    scene = Scene(program, words, marks)
    try:
        scene.end(how, *scene.use())
    except Exception as problem:
        scene.output.seek(0)
        scene.seen["problem"] = f"{problem!r} {scene.output.read()[-300:]}"
    finally:
        scene.close()
    return scene.seen


def expect(name, seen, how, marks):
    """What must be so without anybody to compare with."""
    on = "on" in marks.split()
    tap.equal(seen.get("problem"), None, f"{name}: started, used, ended")
    failed = "00000009" if "1.2" in marks.split() else "00000101"
    again = "00000026" if "1.2" in marks.split() else "00000100"
    tap.equal(seen.get("a Startup before INIT"), (again if "started" in marks else "00000000") if on else failed,
              f"{name}: the TPM is {'on' if on else 'off'} at first")
    if "INIT" in seen:
        tap.equal((seen["INIT"], seen["Startup"]), (0, "00000000"), f"{name}: INIT and Startup")
    if how != signal.SIGKILL:
        tap.ok(not {"sock", "data", "pid"} & set(seen.get("left", {"sock": 1})) or "LISTEN" in name, f"{name}: it tidies up",
               seen.get("left"))
        tap.equal(seen.get("exit code", 0), 0, f"{name}: exit code")


def comparable(seen, how):
    """Without what may differ: swtpm has a lock file sooner, and dies of SIGINT, while ours ends in order."""
    for files in ("files", "left"):
        seen.get(files, {}).pop(".lock", None)
    if how == signal.SIGINT:
        seen.pop("exit code", None)
        seen.pop("left", None)
    return seen


def setups(program):
    """Exit codes and files of swtpm_setup as others call it, each twice: a TPM that is there is met, too."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="hf-test.") as base:
        environment = dict(os.environ, XDG_CONFIG_HOME=base, PATH=f"{program}:{os.environ['PATH']}")

        def call(words):
            return subprocess.run((f"{program}/swtpm_setup", *words.split()), cwd=base, env=environment, check=False,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        found["configuration"] = call("--create-config-files=root,skip-if-exist")
        for name, words in SETUPS:
            os.mkdir(f"{base}/{name}")
            words = words.replace("DIR", f"{base}/{name}")
            found[name] = call(words), call(words), sorted(os.listdir(f"{base}/{name}"))
    return found


def compare(name, ours, theirs):
    tap.equal({k: v for k, v in ours.items() if v != theirs.get(k)}, {}, f"{name}: as swtpm")
    for key in ours:
        if ours[key] != theirs.get(key):
            tap.diag(f"{key}: ours {ours[key]}, swtpm's {theirs.get(key)}")


for name, words, how, marks in CLIENTS:
    ours = play(f"{NAMES}/swtpm", words, how, marks)
    expect(name if "fd=LISTEN" not in words else f"{name} LISTEN", ours, how, marks)
    if not DEBIAN or "new" in marks.split():
        tap.skip(f"{name}: as swtpm", "Debian's swtpm is not installed" if not DEBIAN else "swtpm 0.7 does not know it")
        continue
    theirs = play(f"{DEBIAN}/swtpm", words, how, marks)
    compare(name, comparable(ours, how), comparable(theirs, how))
ours = setups(NAMES)
tap.equal({k: v for k, v in ours.items() if k != "configuration" and v[0] != 0}, {}, "swtpm_setup: all make a TPM")
if DEBIAN:
    compare("swtpm_setup", ours, setups(DEBIAN))
else:
    tap.skip("swtpm_setup: as swtpm's", "Debian's swtpm is not installed")
sys.exit(tap.finish())
