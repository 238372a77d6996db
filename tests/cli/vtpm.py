"""vtpm.py - what Python tests share: an emulator process, its control channel, its data channel.

    with Emulator() as e:                       # a process with a state directory of its own
        e.control().init()
        tpm = e.data()                          # SET_DATAFD, as QEMU does
        assert tpm.startup() == 0

The emulator is $HOLDFAST_EMULATOR, or holdfast in $top_builddir; any program with swtpm's options
does. Python's standard library only; no sleeps but the pauses inside wait_until, which has a
deadline. Tap writes the results. Must not know anything that is not in the TPM 2.0 specification
or in include/holdfast/control.h.

SPDX-License-Identifier: BSD-3-Clause
"""
import array
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

DEADLINE = float(os.environ.get("HOLDFAST_TEST_DEADLINE", "30"))

GET_CAPABILITY, INIT, SHUTDOWN, GET_TPMESTABLISHED, SET_LOCALITY = 1, 2, 3, 4, 5
HASH_START, HASH_DATA, HASH_END, CANCEL, STORE_VOLATILE = 6, 7, 8, 9, 10
RESET_TPMESTABLISHED, GET_STATEBLOB, SET_STATEBLOB, STOP = 11, 12, 13, 14
GET_CONFIG, SET_DATAFD, SET_BUFFERSIZE, GET_INFO, LOCK_STORAGE = 15, 16, 17, 18, 19

PERMANENT, VOLATILE, SAVESTATE = 1, 2, 3

OWNER, NULL, ENDORSEMENT, PLATFORM = 0x40000001, 0x40000007, 0x4000000B, 0x4000000C


def emulator_program():
    top = os.environ.get("top_builddir", ".")
    return os.environ.get("HOLDFAST_EMULATOR", os.path.join(top, "holdfast"))


def wait_until(condition, what="the event", deadline=DEADLINE):
    """Polls until condition() is true and returns its value; raises after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {deadline} s")
        time.sleep(0.005)


def recv_exact(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError(f"closed after {len(data)} of {size} bytes")
        data += part
    return data


class Tap:
    """Results in TAP; finish() prints the plan and gives the exit code."""

    def __init__(self):
        self.number = 0
        self.failed = 0

    def ok(self, condition, description, why=""):
        self.number += 1
        if not condition:
            self.failed += 1
        print(f"{'ok' if condition else 'not ok'} {self.number} - {description}", flush=True)
        if not condition and why:
            self.diag(why)
        return bool(condition)

    def equal(self, found, wanted, description):
        return self.ok(found == wanted, description, f"wanted {wanted!r}\n found {found!r}")

    def skip(self, description, reason):
        self.number += 1
        print(f"ok {self.number} - {description} # SKIP {reason}", flush=True)

    @staticmethod
    def diag(text):
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    def attempt(self, test, *arguments):
        """A broken test must not hide the others."""
        try:
            test(*arguments)
        except Exception as problem:
            self.ok(False, " ".join([test.__name__, *map(str, arguments)]), repr(problem))

    def finish(self):
        print(f"1..{self.number}", flush=True)
        return 1 if self.failed else 0


class Control:
    """A control channel. Every command returns its result; `rest` has what came after it."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(DEADLINE)
        self.rest = b""

    @classmethod
    def unix(cls, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        return cls(sock)

    @classmethod
    def tcp(cls, port, host="127.0.0.1"):
        return cls(socket.create_connection((host, port)))

    def close(self):
        self.sock.close()

    def send(self, number, body=b"", fds=()):
        data = struct.pack(">I", number) + body
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            self.sock.sendmsg([data], rights)
        else:
            self.sock.sendall(data)

    def result(self):
        return struct.unpack(">I", recv_exact(self.sock, 4))[0]

    def plain(self, number, body=b"", fds=()):
        """A command whose answer is its result."""
        self.send(number, body, fds)
        return self.result()

    def words(self, number, count, body=b""):
        """Result 0 and `count` words more, or raises."""
        self.send(number, body)
        result = self.result()
        if result:
            raise OSError(f"command {number}: result {result:#x}")
        return struct.unpack(f">{count}I", recv_exact(self.sock, 4 * count))

    def capability(self):
        return self.words(GET_CAPABILITY, 1)[0]

    def config(self):
        return self.words(GET_CONFIG, 1)[0]

    def init(self, flags=0):
        return self.plain(INIT, struct.pack(">I", flags))

    def stop(self):
        return self.plain(STOP)

    def shutdown(self):
        return self.plain(SHUTDOWN)

    def cancel(self):
        return self.plain(CANCEL)

    def store_volatile(self):
        return self.plain(STORE_VOLATILE)

    def set_locality(self, locality):
        return self.plain(SET_LOCALITY, bytes([locality, 0, 0, 0]))

    def established(self):
        self.send(GET_TPMESTABLISHED)
        result, bit = struct.unpack(">IB3x", recv_exact(self.sock, 8))
        if result:
            raise OSError(f"GET_TPMESTABLISHED: result {result:#x}")
        return bit

    def reset_established(self, locality):
        return self.plain(RESET_TPMESTABLISHED, bytes([locality]))

    def hash_start(self):
        return self.plain(HASH_START)

    def hash_data(self, data):
        return self.plain(HASH_DATA, struct.pack(">I", len(data)) + data)

    def hash_end(self):
        return self.plain(HASH_END)

    def buffersize(self, size=0):
        return self.words(SET_BUFFERSIZE, 3, struct.pack(">I", size))

    def info(self, flags):
        total, length = self.words(GET_INFO, 2, struct.pack(">QII", flags, 0, 0))
        assert length == total
        return recv_exact(self.sock, length).rstrip(b"\0").decode()

    def get_blob(self, kind, flags=1, offset=0):
        """(result, state flags, total length, data)"""
        self.send(GET_STATEBLOB, struct.pack(">III", flags, kind, offset))
        result, state_flags, total, length = struct.unpack(">IIII", recv_exact(self.sock, 16))
        return result, state_flags, total, recv_exact(self.sock, length)

    def set_blob(self, kind, blob, flags=0):
        self.send(SET_STATEBLOB, struct.pack(">III", flags, kind, len(blob)))
        self.sock.sendall(blob)
        return self.result()

    def lock_storage(self, retries=0):
        return self.plain(LOCK_STORAGE, struct.pack(">I", retries))

    def set_datafd(self, *fds):
        return self.plain(SET_DATAFD, b"", fds)

    def data(self):
        """A data channel through SET_DATAFD."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            result = self.set_datafd(theirs.fileno())
        if result:
            ours.close()
            raise OSError(f"SET_DATAFD: result {result:#x}")
        return Tpm(ours)


class Tpm:
    """A data channel: TPM commands; the methods return response codes unless said otherwise."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(DEADLINE)

    @classmethod
    def tcp(cls, port, host="127.0.0.1"):
        return cls(socket.create_connection((host, port)))

    @classmethod
    def unix(cls, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        return cls(sock)

    def close(self):
        self.sock.close()

    def response(self):
        head = recv_exact(self.sock, 10)
        return head + recv_exact(self.sock, struct.unpack(">I", head[2:6])[0] - 10)

    def command(self, data):
        """Sends a command, returns the response."""
        self.sock.sendall(data)
        return self.response()

    @staticmethod
    def pack(code, handles=(), parameters=b"", sessions=None):
        """A command; sessions: how many empty password sessions it has (None: no session area)."""
        body = b"".join(struct.pack(">I", h) for h in handles)
        tag = 0x8001
        if sessions is not None:
            tag = 0x8002
            area = bytes.fromhex("4000000900000000") + b"\0"
            body += struct.pack(">I", 9 * sessions) + area * sessions
        body += parameters
        return struct.pack(">HII", tag, 10 + len(body), code) + body

    def run(self, code, handles=(), parameters=b"", sessions=None):
        """(response code, rest of the response)"""
        response = self.command(self.pack(code, handles, parameters, sessions))
        return struct.unpack(">I", response[6:10])[0], response[10:]

    def startup(self, kind=0):
        return self.run(0x144, parameters=struct.pack(">H", kind))[0]

    def shutdown(self, kind=0):
        return self.run(0x145, parameters=struct.pack(">H", kind))[0]

    def random(self, size=16):
        code, rest = self.run(0x17B, parameters=struct.pack(">H", size))
        return rest[2:] if code == 0 else None

    def pcr_extend(self, pcr, digest=b"\x01" * 32, algorithm=0x000B):
        data = struct.pack(">IH", 1, algorithm) + digest
        return self.run(0x182, (pcr,), data, 1)[0]

    def pcr_read(self, pcr, algorithm=0x000B):
        """The value, or None."""
        select = bytearray(3)
        select[pcr // 8] = 1 << pcr % 8
        data = struct.pack(">IHB", 1, algorithm, 3) + bytes(select)
        code, rest = self.run(0x17E, parameters=data)
        return rest[-32:] if code == 0 else None

    def nv_define(self, index, size, attributes=0x00020002):
        public = struct.pack(">IHIHH", index, 0x000B, attributes, 0, size)
        return self.run(0x12A, (OWNER,), b"\0\0" + struct.pack(">H", len(public)) + public, 1)[0]

    def nv_write(self, index, data, offset=0):
        parameters = struct.pack(">H", len(data)) + data + struct.pack(">H", offset)
        return self.run(0x137, (OWNER, index), parameters, 1)[0]

    def nv_read(self, index, size, offset=0):
        """The bytes, or None."""
        code, rest = self.run(0x14E, (OWNER, index), struct.pack(">HH", size, offset), 1)
        if code:
            return None
        length = struct.unpack(">H", rest[4:6])[0]
        return rest[6:6 + length]

    @classmethod
    def rsa_primary(cls, bits, unique=b"", hierarchy=NULL):
        """The command CreatePrimary of a storage key."""
        sensitive = struct.pack(">HHH", 4, 0, 0)
        public = struct.pack(">HHIHHHHHHIH", 0x0001, 0x000B, 0x00030472, 0, 0x0006, 128, 0x0043,
                             0x0010, bits, 0, len(unique)) + unique
        parameters = sensitive + struct.pack(">H", len(public)) + public + b"\0\0" + b"\0\0\0\0"
        return cls.pack(0x131, (hierarchy,), parameters, 1)

    def flush(self, handle):
        return self.run(0x165, parameters=struct.pack(">I", handle))[0]


class Tpm12(Tpm):
    """Commands of a TPM 1.2."""

    def run12(self, code, parameters=b""):
        response = self.command(struct.pack(">HII", 0x00C1, 10 + len(parameters), code) + parameters)
        return struct.unpack(">I", response[6:10])[0], response[10:]

    def startup12(self, kind=1):
        return self.run12(0x99, struct.pack(">H", kind))[0]

    def extend(self, pcr, digest=b"\x05" * 20):
        return self.run12(0x14, struct.pack(">I", pcr) + digest)[0]

    def pcr(self, pcr):
        return self.run12(0x15, struct.pack(">I", pcr))[1]

    def save_state(self):
        return self.run12(0x98)[0]

    def nv_define12(self, index, size):
        """An area that anybody may read and write while the NV is not locked."""
        pcrs = struct.pack(">H3xB20x", 3, 0x1F)
        public = struct.pack(">HI", 0x18, index) + pcrs + pcrs + struct.pack(">HI3xI", 0x17, 1, size)
        return self.run12(0xCC, public + bytes(20))[0]

    def nv_write12(self, index, data):
        return self.run12(0xCD, struct.pack(">III", index, 0, len(data)) + data)[0]

    def nv_read12(self, index, size):
        code, rest = self.run12(0xCF, struct.pack(">III", index, 0, size))
        return rest[4:] if code == 0 else None

    def make_ek(self):
        parameters = struct.pack(">IHHI", 1, 3, 1, 12) + struct.pack(">III", 2048, 2, 0)
        return self.run12(0x78, bytes(20) + parameters)[0]

    def read_ek(self):
        """The public part, or None."""
        code, rest = self.run12(0x7C, bytes(20))
        return rest[:-20] if code == 0 else None

    def capability(self, area, sub=None):
        parameters = struct.pack(">II", area, 0) if sub is None else struct.pack(">III", area, 4, sub)
        code, rest = self.run12(0x65, parameters)
        return rest[4:] if code == 0 else None


def data12(control):
    """A data channel to a TPM 1.2, through SET_DATAFD."""
    return Tpm12(control.data().sock)


class Emulator:
    """`holdfast socket --tpm2` with a state directory and a UNIX control socket."""

    def __init__(self, *options, state=None, tpm2=True, control=None, program=None, wait=True,
                 pass_fds=(), env=None, wrapper=()):
        self.base = tempfile.mkdtemp(prefix="hf-test.")
        self.state = state
        if state is None:
            self.state = os.path.join(self.base, "state")
            os.mkdir(self.state, 0o700)
        self.path = os.path.join(self.base, "control")
        self.log = os.path.join(self.base, "log")
        argv = list(wrapper) + [program or emulator_program(), "socket"]
        argv += ["--tpm2"] if tpm2 else []
        argv += ["--tpmstate", ("backend-uri=" if "://" in self.state else "dir=") + self.state]
        argv += ["--ctrl", control or f"type=unixio,path={self.path}"]
        argv += options
        self.argv = argv
        self.output = open(self.log, "wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.output, pass_fds=pass_fds, env=env)
        if wait:
            wait_until(lambda: os.path.exists(self.path) or self.process.poll() is not None,
                       "the control socket")
            if self.process.poll() is not None:
                said = self.messages()
                self.end()
                raise RuntimeError("the emulator ended: " + said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def messages(self):
        with open(self.log, "r", errors="replace") as f:
            return f.read()

    def control(self):
        def attempt():
            try:
                return Control.unix(self.path)
            except (ConnectionRefusedError, FileNotFoundError):  # not yet bound, or listening
                return None
        return wait_until(attempt, "the control socket to listen")

    def start(self, flags=0):
        """A control channel and a data channel of a TPM that is on and started up."""
        control = self.control()
        result = control.init(flags)
        if result:
            raise OSError(f"INIT: result {result:#x}: {self.messages()}")
        tpm = control.data()
        code = tpm.startup()
        if code not in (0, 0x100):
            raise OSError(f"TPM2_Startup: {code:#x}")
        return control, tpm

    def wait(self, deadline=DEADLINE):
        """The exit code."""
        return self.process.wait(deadline)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.wait()

    def fds(self):
        """What the process has open: descriptor -> target."""
        found = {}
        directory = f"/proc/{self.process.pid}/fd"
        for name in os.listdir(directory):
            try:
                found[int(name)] = os.readlink(os.path.join(directory, name))
            except FileNotFoundError:
                pass
        return found

    def files(self):
        return sorted(os.listdir(self.state))

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.output.close()
        shutil.rmtree(self.base, ignore_errors=True)


def run(*argv, timeout=DEADLINE, **more):
    """A finished process with its output as text."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False, **more)


if __name__ == "__main__":
    sys.exit("vtpm.py is a module of the tests")
