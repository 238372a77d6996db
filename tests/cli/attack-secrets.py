"""attack-secrets.py - where secrets may be found that were given to a program.

Keys and passphrases in all the places that outlive or leave a process: its arguments, environment,
descriptors, log, a core dump, swap, and memory that it has freed. A running emulator needs its key:
it is in memory once, locked (not swapped) and not dumped. The tools need theirs for a moment: they
are stopped by ptrace as they exit, and nothing is left in them or in the processes they made.

SPDX-License-Identifier: BSD-3-Clause
"""
import base64
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

from vtpm import Emulator, Tap, emulator_program, wait_until

tap = Tap()
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
BASE = tempfile.mkdtemp(prefix="hf-secrets.")
SETUP, AUTHORITY, CA = (os.path.join(BUILD, f"holdfast-{n}") for n in ("setup", "authority", "ca"))
LOCALCA = os.path.join(BUILD, "swtpm-names", "swtpm_localca")
PTRACE_TRACEME, PTRACE_CONT, PTRACE_SETOPTIONS = 0, 7, 0x4200
FORKS, EXIT, EXITKILL = 0x2 | 0x4 | 0x8, 0x40, 0x100000
EVENT_EXIT = 6
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request, pid, data=0):
    if libc.ptrace(request, pid, None, ctypes.c_void_p(data)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request}: {os.strerror(number)}")


def mappings(pid):
    """(start, end, permissions, name, flags)"""
    found = []
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            if head:
                found.append([int(head[1], 16), int(head[2], 16), head[3], head[4], set()])
            elif line.startswith("VmFlags:"):
                found[-1][4] = set(line.split()[1:])
    return found


def places(pid, secret):
    """Where it is in the memory of a process: (name of the mapping, its flags)"""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, permissions, name, flags in mappings(pid):
            if "r" not in permissions or name in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                continue
            memory.seek(start)
            try:
                content = memory.read(end - start)
            except OSError:
                continue
            found += [(name or "anonymous", flags)] * content.count(secret)
    return found


def write(name, content):
    path = os.path.join(BASE, name)
    with open(path, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(content)
    return path


class Leftover:
    """Runs a program and looks into each process of it as it exits. `secrets`: what is looked for by
    name, or a function that says so then."""

    def __init__(self, secrets):
        self.secrets = secrets if callable(secrets) else lambda: secrets
        self.found, self.cores = [], []
        self.exits = 0

    def look(self, pid):
        self.exits += 1
        with open(f"/proc/{pid}/limits") as f:
            self.cores += [s.split()[4] for s in f if s.startswith("Max core")]
        for name, secret in self.secrets().items():
            for where, _ in places(pid, secret):
                self.found.append(f"{name} in {where}")

    def run(self, *argv):
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                preexec_fn=lambda: libc.ptrace(PTRACE_TRACEME, 0, None, None))
            os.waitpid(process.pid, 0)
            ptrace(PTRACE_SETOPTIONS, process.pid, FORKS | EXIT | EXITKILL)
            ptrace(PTRACE_CONT, process.pid)
            process.returncode = self.follow(process.pid)
            output.seek(0)
            return process.returncode, output.read().decode(errors="replace")

    def follow(self, first):
        code, new = None, set()
        while code is None:
            pid, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                code = os.waitstatus_to_exitcode(status) if pid == first else code
                continue
            number, event = os.WSTOPSIG(status), status >> 16
            if event == EVENT_EXIT:
                self.look(pid)
            if event or (number == signal.SIGSTOP and pid != first and pid not in new):
                new.add(pid)  # begins with a SIGSTOP that nobody sent
                number = 0
            ptrace(PTRACE_CONT, pid, 0 if number == signal.SIGTRAP else number)
        return code


def expect_clean(what, secrets, *argv):
    trace = Leftover(secrets)
    code, said = trace.run(*argv)
    tap.equal((code, code and said), (0, 0), f"{what}: works")
    tap.ok(not trace.found and trace.exits > 0,
           f"{what}: nothing is left in its {trace.exits} process(es)", "; ".join(trace.found))
    tap.equal(set(trace.cores), {"0"}, f"{what}: leaves no core file")
    shown = [n for n, s in trace.secrets().items() if s in said.encode()]
    tap.equal(shown, [], f"{what}: nothing is in its messages")


def control_case():
    """A program that does not wipe is found out."""
    secret = os.urandom(12).hex().encode()
    trace = Leftover({"secret": secret})
    trace.run("/bin/sh", "-c", f"read -r line <{write('plain', secret + b'%c' % 10)}; exit 0")
    tap.ok(trace.found, "control: the secret of a shell is found in it")


# --- the emulator ---

def test_emulator():
    key, passphrase = os.urandom(32), os.urandom(12).hex().encode()
    secrets = {"key": key, "digits of the key": key.hex().encode(), "passphrase": passphrase,
               "upper-case digits": key.hex().upper().encode()}
    options = ("--key", f"file={write('key', key.hex().encode())},mode=aes-256-cbc,format=hex",
               "--migration-key", f"pwdfile={write('passphrase', passphrase)},mode=aes-256-cbc",
               "--log", "level=1")
    with Emulator(*options) as e:
        control, tpm = e.start()
        tpm.nv_define(0x01500000, 8)
        tpm.nv_write(0x01500000, b"12345678")
        control.get_blob(1)
        pid = e.process.pid
        if os.geteuid() == 0:
            for name, secret in secrets.items():
                found = places(pid, secret)
                if name == "key":
                    tap.equal(len(found), 1, "the key is in memory once")
                    tap.ok(all({"lo", "dd"} <= flags for _, flags in found),
                           "locked, and left out of dumps", str(found))
                else:
                    tap.equal(found, [], f"{name}: not in memory")
        else:
            tap.skip("memory of an emulator", "only root may read that of one that is not dumpable")
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                content = f.read()
            tap.ok(not any(s in content for s in secrets.values()), f"/proc/PID/{name}: no secret")
        kept = [t for t in e.fds().values() if t.startswith(BASE)]
        tap.equal(kept, [], "/proc/PID/fd: the files they came from are closed")
        tap.ok(not any(s.decode(errors="replace") in e.messages() for s in secrets.values()),
               "the log: no secret", e.messages())
        with open(os.path.join(e.state, "tpm2-00.permall"), "rb") as f:
            content = f.read()
        tap.ok(not any(s in content for s in secrets.values()), "the state: no secret")


def seed_in(blob):
    """The endorsement seed in a permanent state: the first of six secrets of 64 bytes."""
    found = re.search(rb"(?:\x00\x40[\s\S]{64}){6}", blob)
    return blob[found.start() + 2:found.start() + 66]


def strays(pid, seed):
    """Where it is, other than in variables of libtpms: of those there are two as long as it is on."""
    found = [name for name, _ in places(pid, seed)]
    return [n for n in found if n in ("[heap]", "[stack]")] + found[2:]


def test_state():
    """The TPM's seeds, while it runs: nothing that was read, stored, handed out or refused is left."""
    state = os.path.join(BASE, "seeds")
    os.mkdir(state)
    with Emulator(state=state) as e:
        control, tpm = e.start()
        control.stop()
        with open(os.path.join(state, "tpm2-00.permall"), "rb") as f:
            seed = seed_in(f.read())
        e.kill()
    stores = {"a directory": state}
    for kind in ("file", "slots"):
        uri = f"{kind}://{BASE}/seeds.{kind}"
        subprocess.run([SETUP, "--tpm2", "--tpm-state", uri, "--copy-from", state], check=True,
                       stdout=subprocess.DEVNULL)
        stores[kind] = uri
    for name, uri in stores.items():
        with Emulator("--migration", "incoming", state=uri) as e:
            control, pid = e.control(), e.process.pid
            control.init()
            tap.equal((len(places(pid, seed)), strays(pid, seed)), (2, []), f"{name}: seeds after INIT")
            tpm = control.data()
            tpm.startup()
            tpm.nv_define(0x01500000, 1024)
            tpm.nv_write(0x01500000, bytes(1024))
            tap.equal(strays(pid, seed), [], f"{name}: after commands that store")
            blobs = [control.get_blob(kind)[3] for kind in (1, 2, 3)]
            wait_until(lambda: not strays(pid, seed), f"{name}: the end of a hand-over")
            tap.ok(True, f"{name}: after GET_STATEBLOB of everything")
            tap.equal(control.lock_storage(300), 0, f"{name}: the storage is taken back")
            control.store_volatile()
            control.stop()
            wait_until(lambda: not strays(pid, seed), f"{name}: the end of STOP")
            codes = control.set_blob(1, blobs[0]), control.set_blob(2, blobs[1]), control.init(1)
            tap.equal((codes, strays(pid, seed)), ((0, 0, 0), []), f"{name}: after SET_STATEBLOB and INIT")
            tpm.random(4)
            tap.equal(strays(pid, seed), [], f"{name}: and a command")
            control.stop()
            at = blobs[0].index(seed) + 200
            bad = blobs[0][:at] + b"\xff" * 400 + blobs[0][at + 400:]
            tap.ok(control.set_blob(1, bad) != 0 and not strays(pid, seed),
                   f"{name}: after a state that is refused", str(strays(pid, seed)))


def test_state_lost():
    """The same when it cannot be stored."""
    state = os.path.join(BASE, "lost")
    os.mkdir(state)
    with Emulator(state=state) as e:
        _, tpm = e.start()
        with open(os.path.join(state, "tpm2-00.permall"), "rb") as f:
            seed = seed_in(f.read())
        shutil.rmtree(state)
        code = tpm.nv_define(0x01500000, 8)
        tap.equal((code, strays(e.process.pid, seed)), (0x101, []), "seeds after a store that failed")


def test_setup_state():
    """holdfast-setup that reads and writes a state: neither it nor its engines keep the seeds."""
    state = os.path.join(BASE, "remade")
    os.mkdir(state)
    subprocess.run([SETUP, "--tpm2", "--tpm-state", state, "--createek", "--ek1keyalgo", "none"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(state, "tpm2-00.permall"), "rb") as f:
        seed = seed_in(f.read())
    for what, wanted, options in (("--reconfigure", 0, ("--reconfigure", "--pcr-banks", "sha384")),
                                  ("that refuses", 1, ("--withdraw-certificates",)),
                                  ("--copy-from", 0, ("--copy-from", state))):
        trace = Leftover({"seed": seed})
        target = state if what != "--copy-from" else f"slots://{BASE}/copied"
        code, said = trace.run(SETUP, "--tpm2", "--tpm-state", target, *options)
        left = [n for n in trace.found if "[heap]" in n or "[stack]" in n]
        tap.ok(code == wanted and not left, f"setup {what}: no seeds on heap and stack",
               f"{code} {said} {trace.found}")


def test_no_core():
    """Neither limit nor signal makes it leave a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT):
        with Emulator() as e:
            e.start()
            e.process.send_signal(number)
            _, status = os.waitpid(e.process.pid, 0)
            e.process.returncode = os.waitstatus_to_exitcode(status)
            tap.ok(os.WIFSIGNALED(status) and not os.WCOREDUMP(status),
                   f"{number.name}: no core dump", hex(status))


def test_peers():
    """Another process of the same user."""
    if os.geteuid() != 0:
        tap.skip("another process of the same user", "only root can become one")
        return
    os.chmod(BASE, 0o755)
    state = os.path.join(BASE, "theirs")
    os.mkdir(state, 0o700)
    os.chown(state, 65534, 65534)
    with Emulator("--runas", "65534", "--flags", "not-need-init", state=state, wait=False,
                  control=f"type=unixio,path={state}/control") as e:
        wait_until(lambda: os.path.exists(os.path.join(state, "tpm2-00.permall")), "its start")
        look = ("import os,sys\nos.setgid(65534)\nos.setuid(65534)\nfor n in ('mem', 'environ', "
                "'maps', 'fd'):\n try:\n  p = f'/proc/{sys.argv[1]}/{n}'\n  os.listdir(p) if n == "
                "'fd' else open(p, 'rb').read(1)\n  print(n)\n except OSError: pass\n")
        said = subprocess.run([sys.executable, "-c", look, str(e.process.pid)], cwd="/",
                              capture_output=True, text=True, check=True).stdout
        tap.equal((said, e.process.poll()), ("", None), "another process of the user opens neither memory nor descriptors")


# --- the tools ---

def test_setup():
    key, passphrase = os.urandom(16), os.urandom(12).hex().encode()
    for what, option, secrets in (
            ("holdfast-setup --keyfile", ("--keyfile", write("setup-key", key.hex().encode())),
             {"key": key, "digits of the key": key.hex().encode()}),
            ("holdfast-setup --pwdfile", ("--pwdfile", write("setup-pass", passphrase)),
             {"passphrase": passphrase})):
        state = os.path.join(BASE, option[0])
        os.mkdir(state)
        expect_clean(what, secrets, SETUP, "--tpm2", "--tpm-state", state, "--createek",
                     "--ek1keyalgo", "none", "--ek2keyalgo", "ecc_nist_p384", *option)


def private_key(path):
    """What there is of a PEM private key on P-256 or P-384: its text, and its number."""
    with open(path) as f:
        lines = [s.strip() for s in f]
    body = [s for s in lines if s and not s.startswith("-----")]
    der = base64.b64decode("".join(body))
    number = re.search(rb"\x02\x01\x01\x04[\x1f-\x31]", der)
    size = der[number.end() - 1]
    # The first line is the same for all keys of a kind; so is the end, which is public.
    scalar = der[number.end():number.end() + size].lstrip(b"\0")
    return {"private key": scalar, "the same, reversed": scalar[::-1], "its text": body[1].encode()}


def rsa_numbers(path):
    """The secret numbers of an RSA key in PKCS#8 or PKCS#1, found by their place in it."""
    with open(path) as f:
        body = "".join(s.strip() for s in f if not s.startswith("-----"))
    der, numbers = base64.b64decode(body), []
    at = re.search(rb"\x02\x01\x00\x02\x82", der).start()
    while at < len(der) and der[at] == 2:
        size, at = der[at + 1], at + 2
        if size & 0x80:
            extra = size & 0x7F
            size, at = int.from_bytes(der[at:at + extra], "big"), at + extra
        numbers.append(der[at:at + size].lstrip(b"\0"))
        at += size
    return {"private exponent": numbers[3], "first prime": numbers[4], "second prime": numbers[5]}


def key_in(folder):
    """The one file with a private key."""
    paths = [os.path.join(d, n) for d, _, names in os.walk(folder) for n in names]
    keys = [p for p in paths if "PRIVATE KEY" in open(p, errors="replace").read()]
    if len(keys) != 1:
        raise RuntimeError(f"private keys: {keys}")
    return keys[0]


def test_authorities():
    home, fleet = os.path.join(BASE, "A"), os.path.join(BASE, "C")
    for what, folder, argv in (
            ("holdfast-authority init", home, [AUTHORITY, "init", "--software", "--dir", home]),
            ("holdfast-authority request", home, [AUTHORITY, "request", "--dir", home, "--nonce",
                                                  "00" * 32, "--out", os.path.join(BASE, "r")]),
            ("holdfast-ca init", fleet, [CA, "init", "--dir", fleet]),
            ("holdfast-ca crl", fleet, [CA, "crl", "--dir", fleet])):
        expect_clean(what, lambda: private_key(key_in(folder)), *argv)


def may_look():
    try:
        control_case()
    except OSError as problem:
        return str(problem)
    return None if os.geteuid() == 0 else "only root may trace a process that is not dumpable"


def test_localca():
    """swtpm_localca, which makes its CA first."""
    state = os.path.join(BASE, "L")
    os.mkdir(state)
    config = write("localca.conf", f"statedir = {state}\nsigningkey = {state}/key.pem\nissuercert = "
                   f"{state}/cert.pem\ncertserial = {state}/serial\n".encode())
    modulus = (1 << 2047 | int.from_bytes(os.urandom(250), "big") | 1).to_bytes(256, "big").hex()

    def all_keys():
        names = ("key.pem", "swtpm-localca-rootca-privkey.pem")
        return {f"{k} of {n}": v for n in names
                for k, v in rsa_numbers(os.path.join(state, n)).items()}

    for what in ("swtpm_localca, first call", "swtpm_localca, again"):
        expect_clean(what, all_keys, LOCALCA, "--type", "ek", "--ek", modulus, "--dir", state,
                     "--configfile", config, "--vmid", "vm", "--tpm2", "--tpm-manufacturer",
                     "id:00001014", "--tpm-model", "swtpm", "--tpm-version", "id:20191023",
                     "--tpm-spec-family", "2.0", "--tpm-spec-level", "0", "--tpm-spec-revision",
                     "164")


def sanitized():
    with open(emulator_program(), "rb") as f:
        return b"__asan_init" in f.read()


def main():
    if sanitized():
        print("1..0 # SKIP AddressSanitizer keeps what was freed, and shadows all memory")
        shutil.rmtree(BASE, ignore_errors=True)
        return 0
    tests = [test_emulator, test_no_core, test_peers]
    reason = may_look()
    if reason:
        tap.skip("what tools leave in memory", reason)
    else:
        tests += [test_state, test_state_lost, test_setup_state, test_setup, test_authorities,
                  test_localca]
    for test in tests:
        tap.attempt(test)
    shutil.rmtree(BASE, ignore_errors=True)
    return tap.finish()


sys.exit(main())
