"""emulator-process.py - the command line, and the process: daemon, pid file, log, signals, facts.

SPDX-License-Identifier: BSD-3-Clause
"""
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile

import vtpm
from vtpm import Control, Emulator, Tap, run, wait_until

tap = Tap()
PROGRAM = os.path.abspath(vtpm.emulator_program())
BASE = tempfile.mkdtemp(prefix="hf-test.")
STATE = os.path.join(BASE, "state")
os.mkdir(STATE, 0o700)
CTRL = f"type=unixio,path={BASE}/c"
DIR = f"dir={STATE}"


def socket_run(*options, **more):
    return run(PROGRAM, "socket", *options, **more)


def one_line(result):
    """What was said, without the hint at --help: one line."""
    lines = [s for s in result.stderr.splitlines() if not s.startswith("Try '")]
    return len(lines) == 1 and not result.stdout


def refuse(code, pattern, *options, program=PROGRAM, interface=("socket",), **more):
    result = run(program, *interface, *options, **more)
    good = result.returncode == code and re.search(pattern, result.stderr) and one_line(result)
    tap.ok(good and not os.path.exists(f"{BASE}/c"), f"refused: {' '.join(options) or interface}",
           f"exit {result.returncode}: {result.stderr}")


def test_usage():
    state = ("--tpmstate", DIR)
    refuse(2, "Missing TPM interface type", interface=())
    refuse(2, "Unsupported TPM interface type 'nothing'", interface=("nothing",))
    for options, pattern in [
            (("--nonsense",), "nonsense"),
            (("--tpm2", "operand"), "operand"),
            (("--ctrl",), "--ctrl"),
            (("--ctrl", "type=unixio,path=/x,nonsense=1"), "Unknown option 'nonsense'"),
            (("--ctrl", "type=carrier-pigeon"), "carrier-pigeon"),
            (("--ctrl", "type=unixio,path=/x,mode=999"), "999"),
            (("--ctrl", "type=tcp,port=65536"), "65536"),
            (("--ctrl", "type=unixio,fd=2"), "2"),
            (("--ctrl", "type=unixio,path=/x,uid=nobody-of-this-name"), "nobody-of-this-name"),
            (("--port", "-1"), "--port"),
            (("--log", "fd=0"), "fd in --log"),
            (("--port", "12x"), "12x"),
            (("--fd", "1"), "--fd"),
            (("--seccomp", "action=maybe"), "maybe"),
            (("--log", "level=-1"), "-1")]:
        refuse(2, pattern, "--tpm2", *state, *options)
    for options, pattern in [
            (("--ctrl", "path=/x"), "type is missing"),
            (("--ctrl", "type=unixio"), "is missing"),
            (("--ctrl", "type=tcp,path=/x"), "path is for type=unixio"),
            (("--ctrl", "type=unixio,port=1,path=/x"), "for type=tcp"),
            (("--ctrl", "type=unixio,fd=3,path=/x"), "fd excludes path"),
            (("--ctrl", "type=unixio,fd=3,clientfd=4"), "clientfd excludes"),
            (("--ctrl", "type=tcp,clientfd=4"), "clientfd is for"),
            (("--ctrl", CTRL, "--fd", "3", "--port", "1"), "exclude each other"),
            (("--ctrl", CTRL, "--server", "type=tcp,port=1", "--fd", "3"), "exclude each other"),
            (("--ctrl", CTRL, "--server", "type=tcp"), "is missing"),
            (("--ctrl", CTRL, "--flags", "startup-clear,startup-state"), "exclude each other"),
            (("--ctrl", CTRL, "--flags", "startup-deactivated"), "for TPM 1.2"),
            (("--ctrl", CTRL, "--flags", "not-need-init", "--migration", "incoming"), "excludes"),
            (("--ctrl", CTRL, "--log", f"file={BASE}/log,fd=3"), "exclude each other"),
            (("--ctrl", CTRL, "--pid", f"file={BASE}/pid,fd=3"), "file or fd"),
            (("--print-states", "--print-capabilities"), "exclude each other"),
            (("--print-info", "x"), "--print-info"),
            (("--print-info", "-1"), "--print-info"),
            (("--print-info", "0x7z"), "--print-info"),
            (("--ctrl", "type=unixio,clientfd=5", "--fd", "5"), "5 twice"),
            (("--ctrl", "type=unixio,fd=5", "--server", "type=unixio,fd=5"), "5 twice"),
            (("--ctrl", CTRL, "--pid", "fd=5", "--log", "fd=5"), "5 twice"),
            (("--ctrl", CTRL, "--fd", "5", "--log", "fd=5"), "5 twice"),
            (("--ctrl", CTRL, "--key", "fd=5", "--migration-key", "fd=5"), "5 twice"),
            (("--ctrl", CTRL, "--pcap", "fd=5", "--log", "fd=5"), "5 twice"),
            (("--ctrl", CTRL, "--server", CTRL), "/c twice"),
            ((), "nothing to serve"),
            (("--port", "0", "--locality", ""), "nothing to serve"),
            (("--ctrl", ""), "type is missing"),
            (("--ctrl", CTRL, "--key", ""), "pwdfd is missing"),
            (("--ctrl", CTRL, "--pid", ""), "file or fd"),
            (("--server", "type=tcp,port=1"), "never be started")]:
        refuse(2, pattern, "--tpm2", *state, *options)
    refuse(2, "tpmstate", "--tpm2", "--ctrl", CTRL)
    refuse(2, "exclude each other", "--tpmstate", f"{DIR},backend-uri=dir://{STATE}", "--ctrl", CTRL)
    swtpm = os.path.join(BASE, "swtpm")
    os.symlink(PROGRAM, swtpm)
    refuse(1, "nonsense", "--nonsense", program=swtpm)
    refuse(1, "Missing TPM interface type", program=swtpm, interface=())
    refuse(1, "exclude each other", "--fd", "3", "--port", "1", program=swtpm)
    result = socket_run("--help")
    tap.ok(result.returncode == 0 and "--tpmstate" in result.stdout, "--help")
    result = run(PROGRAM, "--version")
    tap.ok(result.returncode == 0 and result.stdout.startswith("holdfast "), "--version")


def test_unusable():
    state = ("--tpm2", "--tpmstate", DIR)
    with open(f"{BASE}/file", "w"):
        pass
    refuse(1, f"{BASE}/file", *state, "--ctrl", f"type=unixio,path={BASE}/file")
    refuse(1, "/nonexistent/c", *state, "--ctrl", "type=unixio,path=/nonexistent/c")
    refuse(1, "at most|1 to 107", *state, "--ctrl", "type=unixio,path=/" + "x" * 200)
    refuse(1, "descriptor 77", *state, "--ctrl", "type=unixio,clientfd=77")
    with open(f"{BASE}/file") as f:
        refuse(1, "stream socket", *state, "--ctrl", f"type=unixio,clientfd={f.fileno()}",
               pass_fds=[f.fileno()])
    left, right = socket.socketpair()
    with left, right:
        refuse(1, "listens", *state, "--ctrl", f"type=unixio,fd={left.fileno()}",
               pass_fds=[left.fileno()])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refuse(1, "port", *state, "--ctrl", f"type=tcp,port={taken.getsockname()[1]}")
    refuse(1, "bind address", *state, "--ctrl", "type=tcp,port=1,bindaddr=not-an-address")
    refuse(1, "nobody-of-this-name", *state, "--ctrl", CTRL, "--runas", "nobody-of-this-name")
    for option, name in (("--log", "log"), ("--pid", "pid")):
        victim, link = f"{BASE}/victim", f"{BASE}/link"
        with open(victim, "w") as f:
            f.write("mine")
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(victim, link)
        refuse(1, link, *state, "--ctrl", CTRL, option, f"file={link}")
        with open(victim) as f:
            tap.equal(f.read(), "mine", f"{name}: the target of a symbolic link is left alone")
    os.mkfifo(f"{BASE}/fifo")
    for option in ("--log", "--pid"):  # nobody reads there
        refuse(1, "No such device", *state, "--ctrl", CTRL, option, f"file={BASE}/fifo")
    result = socket_run(*state, "--ctrl", "type=unixio,path=/nonexistent/c",
                        "--log", f"file={BASE}/start.log")
    with open(f"{BASE}/start.log") as f:
        tap.ok("/nonexistent/c" in f.read() and "/nonexistent/c" in result.stderr,
               "a failing start is told on stderr and in the log")


def test_facts():
    def features(*options):
        result = socket_run(*options, "--print-capabilities")
        facts = json.loads(result.stdout)
        tap.ok(result.returncode == 0 and facts["type"] == "swtpm" and facts["version"] and
               result.stdout.count("\n") == 1, "--print-capabilities " + " ".join(options))
        return facts["features"]

    order = ["tpm-1.2", "tpm-2.0", "tpm-send-command-header", "flags-opt-startup",
             "flags-opt-disable-auto-shutdown", "ctrl-opt-terminate", "cmdarg-seccomp",
             "cmdarg-key-fd", "cmdarg-pwd-fd", "cmdarg-print-states", "cmdarg-chroot",
             "cmdarg-migration", "nvram-backend-dir", "nvram-backend-file", "rsa-keysize-1024",
             "rsa-keysize-2048", "rsa-keysize-3072", "rsa-keysize-4096", "cmdarg-profile",
             "cmdarg-print-profiles", "profile-opt-remove-disabled", "cmdarg-print-info",
             "tpmstate-opt-lock", "tpmstate-dir-backend-opt-backup",
             "tpmstate-dir-backend-opt-fsync", "cmdarg-pcap", "systemd-notify"]
    v2 = features("--tpm2")
    tap.equal(v2, [f for f in order if f in v2], "features are swtpm's, in its order")
    wanted = {"tpm-1.2", "tpm-2.0", "tpm-send-command-header", "flags-opt-startup",
              "flags-opt-disable-auto-shutdown", "ctrl-opt-terminate", "cmdarg-seccomp",
              "cmdarg-print-states", "cmdarg-migration", "nvram-backend-dir", "rsa-keysize-2048"}
    tap.ok(wanted <= set(v2), "and none is missing", wanted - set(v2))
    tap.ok(not any(f.startswith("rsa") for f in features()), "RSA key sizes only with --tpm2")
    tap.equal(socket_run("--tpm2", "--tpmstate", DIR, "--print-states").stdout,
              '{ "type": "swtpm", "states": [] }', "--print-states of an empty directory")
    with tempfile.TemporaryDirectory() as directory:
        with Emulator(state=directory) as e:
            c, _ = e.start()
            c.store_volatile()
            e.kill()
        result = socket_run("--tpm2", "--tpmstate", f"dir={directory}", "--print-states")
        sizes = {s["name"]: s["size"] for s in json.loads(result.stdout)["states"]}
        real = {n: os.path.getsize(os.path.join(directory, f"tpm2-00.{n}"))
                for n in ("permall", "volatilestate")}
        tap.equal(sizes, real, "--print-states: names and sizes")
    refuse(1, "/nonexistent", "--tpm2", "--tpmstate", "dir=/nonexistent", "--print-states")
    tap.equal(json.loads(socket_run("--print-capabilities").stdout)["profiles"], {}, "a TPM 1.2 has no profiles")
    info = json.loads(socket_run("--tpm2", "--print-info", "7").stdout)
    tap.equal(json.loads(socket_run("--tpm2", "--print-info", "0x7").stdout), info, "--print-info in hexadecimal")
    tap.equal(info["TPMSpecification"]["family"], "2.0", "--print-info")


def pid_in(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def test_pid():
    path = os.path.join(BASE, "pid")
    with Emulator("--pid", f"file={path}") as e:
        wait_until(lambda: pid_in(path), "the pid file")
        tap.equal(pid_in(path), str(e.process.pid), "pid file: the number, no newline")
        tap.ok(os.path.exists(e.path), "the socket is there before it")
        tap.equal(e.kill(signal.SIGTERM), 0, "SIGTERM: exit 0")
        tap.ok(not os.path.exists(path) and not os.path.exists(e.path),
               "pid file and socket are removed")
    with Emulator("--pid", f"file={path}") as e:
        wait_until(lambda: pid_in(path), "the pid file")
        os.unlink(path)
        with open(path, "w") as f:
            f.write("another")
        e.kill(signal.SIGINT)
        tap.equal((e.process.returncode, pid_in(path)), (0, "another"),
                  "SIGINT: exit 0; a pid file of somebody else is left alone")
    os.unlink(path)
    reader, writer = os.pipe()
    with Emulator("--pid", f"fd={writer}", pass_fds=[writer]) as e:
        os.close(writer)
        tap.equal(os.read(reader, 100), str(e.process.pid).encode(), "--pid fd")
        tap.equal(os.read(reader, 100), b"", "which is closed then")
    os.close(reader)


def test_daemon():
    """The parent ends when the TPM can be used, or failed; relative paths mean the caller's."""
    directory = tempfile.mkdtemp(dir=BASE)
    os.mkdir(f"{directory}/s")
    options = ("--tpm2", "--daemon", "--tpmstate", "dir=s", "--ctrl", "type=unixio,path=c",
               "--pid", "file=pid", "--log", "file=log,level=2")
    result = socket_run(*options, cwd=directory)
    pid = pid_in(f"{directory}/pid")
    tap.equal((result.returncode, result.stdout, result.stderr), (0, "", ""), "--daemon: exit 0")
    tap.ok(pid and os.path.exists(f"/proc/{pid}"), "it runs in the background")
    control = Control.unix(f"{directory}/c")
    tap.equal((control.init(), os.listdir(f"{directory}/s") != []), (0, True),
              "relative paths are those of the caller")
    tap.equal(os.readlink(f"/proc/{pid}/fd/1"), "/dev/null", "stdout is let go")
    second = socket_run(*(o.replace("path=c", "path=c2").replace("file=pid", "file=pid2")
                          for o in options), "--flags", "not-need-init", cwd=directory)
    tap.ok(second.returncode == 1 and "locked" in open(f"{directory}/log").read() and
           second.stderr != "" and not os.path.exists(f"{directory}/c2"),
           "--daemon: a start that fails is exit 1, with the reason, and leaves nothing",
           f"{second.returncode} {second.stderr}")
    control.shutdown()
    wait_until(lambda: not os.path.exists(f"{directory}/pid"), "the end of the daemon")
    tap.ok(not os.path.exists(f"{directory}/c"), "SHUTDOWN ends it")


def test_log():
    path = os.path.join(BASE, "log")
    with open(path, "w") as f:
        f.write("before\n")
    with Emulator("--log", f"file={path},level=2,prefix=[id=7] ") as e:
        e.start()
        e.kill(signal.SIGTERM)
    with open(path) as f:
        lines = f.read().splitlines()
    tap.ok(lines[0] == "before" and any("CMD_INIT" in s for s in lines), "--log appends", lines)
    tap.ok(all(s.startswith("[id=7] ") for s in lines[1:]), "with the prefix", lines)
    with Emulator("--log", f"file={path},truncate") as e:
        e.start()
        e.kill(signal.SIGTERM)
        tap.equal((open(path).read(), e.messages()), ("", ""), "level 1: nothing, when all is well")
    with Emulator("--log", "level=20") as e:
        _, tpm = e.start()
        tap.ok(tpm.random(4), "level 20: the library's own messages harm nothing")


def test_signals():
    with Emulator() as e:
        _, tpm = e.start()
        tpm.sock.sendall(vtpm.Tpm.rsa_primary(3072))
        tap.equal(e.kill(signal.SIGTERM), 0, "SIGTERM while a command runs: exit 0")
    with Emulator() as e:
        c = e.control()
        c.send(vtpm.HASH_DATA, b"\0\0\1\0")
        tap.equal(e.kill(signal.SIGTERM), 0, "SIGTERM while a request is incomplete")
    with Emulator() as e:
        c = e.control()
        tap.equal((c.shutdown(), e.wait()), (0, 0), "SHUTDOWN: the answer, then exit 0")


def test_confinement():
    with Emulator() as e:
        e.start()
        with open(f"/proc/{e.process.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":", 1) for line in f)
        tap.equal((status["Seccomp"].strip(), status["NoNewPrivs"].strip(),
                   int(status["CapEff"], 16), int(status["CapBnd"], 16)), ("2", "1", 0, 0),
                  "filter on, no new privileges, no capabilities")
        threads = os.listdir(f"/proc/{e.process.pid}/task")
        seccomp = []
        for thread in threads:
            with open(f"/proc/{e.process.pid}/task/{thread}/status") as f:
                seccomp += [s.split()[1] for s in f if s.startswith("Seccomp:")]
        tap.equal(seccomp, ["2", "2"], "both threads are under the filter")
    if os.geteuid() == 0 and shutil.which("getent") and run("getent", "passwd", "nobody").stdout:
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            state = os.path.join(directory, "state")
            os.mkdir(state, 0o700)
            os.chown(directory, 65534, 65534)
            os.chown(state, 65534, 65534)
            sockets = os.path.join(directory, "sockets")
            os.mkdir(sockets)
            os.chown(sockets, 65534, 65534)
            os.chmod(sockets, 0o300)  # it may make names there, and not read them
            path = os.path.join(sockets, "c")
            with Emulator("--runas", "nobody", state=state, control=f"type=unixio,path={path}",
                          wait=False) as e:
                def connected():
                    try:
                        return Control.unix(path)
                    except OSError:
                        return None
                control = wait_until(connected, "the socket")
                owner = os.stat(f"/proc/{e.process.pid}/task").st_uid
                with open(f"/proc/{e.process.pid}/status") as f:
                    uid = [s.split()[1:] for s in f if s.startswith("Uid:")][0]
                tap.ok(control.init() == 0 and set(uid) == {"65534"}, "--runas",
                       f"{uid} {owner} {e.messages()}")
                tap.equal(os.stat(os.path.join(state, "tpm2-00.permall")).st_uid, 65534,
                          "state belongs to the user")
                control.shutdown()
                e.wait()
                tap.ok(not os.path.exists(path), "and the socket is removed, from a directory that it cannot read")
    else:
        tap.skip("--runas", "not root, or no user nobody")


for test in (test_usage, test_unusable, test_facts, test_pid, test_daemon, test_log, test_signals,
             test_confinement):
    tap.attempt(test)
shutil.rmtree(BASE, ignore_errors=True)
sys.exit(tap.finish())
