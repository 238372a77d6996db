"""taken.py - a process that an attacker has taken over: for tests.

System calls are made in it from outside, with ptrace, at the place where it waits for its next
request. `forbidden` are those that an attack needs and that end a process of ours in service.

    taken = Taken(process)                 # a subprocess.Popen; or one of its other threads
    outcome(taken, "openat", AT_FDCWD, "/etc/passwd", os.O_RDONLY, 0)    # "EACCES"
    taken.release()

SPDX-License-Identifier: BSD-3-Clause
"""
import ctypes
import errno
import os
import platform
import signal
import socket
import struct
import subprocess

AT_FDCWD = -100
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS = 9, 12, 13
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WALL = 0x40000000
WORDS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
         "fs_base gs_base ds es fs gs").split()
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
# x86-64
NUMBERS = dict(
    read=0, mmap=9, mprotect=10, socket=41, connect=42, sendto=44, bind=49, socketpair=53, setsockopt=54, clone=56,
    fork=57, vfork=58, execve=59, kill=62, truncate=76, chdir=80, ptrace=101, setuid=105, prctl=157,
    mount=165, openat=257, mkdirat=258, unlinkat=263, renameat=264, linkat=265, symlinkat=266,
    fchmodat=268, unshare=272, process_vm_readv=310, memfd_create=319, bpf=321, execveat=322,
    io_uring_setup=425, clone3=435, pidfd_open=434, pidfd_getfd=438, open=2)

libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request}: {os.strerror(number)}")


class Killed(Exception):
    """The process did not survive the call: the signal."""


class Taken:
    """A process that is made to do system calls of our choice: its first thread, or another one."""

    def __init__(self, process, thread=None):
        self.process = process
        self.pid = thread or process.pid
        ptrace(PTRACE_ATTACH, self.pid)
        self.status()
        self.memory = open(f"/proc/{self.pid}/mem", "r+b", buffering=0)
        self.before = self.registers()
        self.memory.seek(self.before["rip"] - 2)
        if self.memory.read(2) != b"\x0f\x05":
            raise RuntimeError("the process does not wait in a system call")

    def status(self):
        _, status = os.waitpid(self.pid, WALL)
        if os.WIFSIGNALED(status) or os.WIFEXITED(status):
            self.process.returncode = os.waitstatus_to_exitcode(status)
            raise Killed(-self.process.returncode)

    def registers(self):
        block = ctypes.create_string_buffer(8 * len(WORDS))
        ptrace(PTRACE_GETREGS, self.pid, block)
        return dict(zip(WORDS, struct.unpack(f"{len(WORDS)}Q", block.raw)))

    def set_registers(self, registers):
        values = [registers[w] & 0xFFFFFFFFFFFFFFFF for w in WORDS]
        ptrace(PTRACE_SETREGS, self.pid,
               ctypes.create_string_buffer(struct.pack(f"{len(WORDS)}Q", *values)))

    def call(self, name, *arguments):
        """What the kernel returns; texts and bytes are put below the stack."""
        registers = dict(self.before, rax=NUMBERS[name], orig_rax=-1, rip=self.before["rip"] - 2)
        room = (self.before["rsp"] - 16384) & ~15
        for register, value in zip(ARGUMENTS, arguments):
            if isinstance(value, (str, bytes)):
                data = value.encode() + b"\0" if isinstance(value, str) else value
                self.memory.seek(room)
                self.memory.write(data)
                value = room
                room += (len(data) + 15) & ~15
            registers[register] = value
        self.set_registers(registers)
        ptrace(PTRACE_SINGLESTEP, self.pid)
        self.status()
        return struct.unpack("q", struct.pack("Q", self.registers()["rax"]))[0]

    def release(self):
        self.memory.close()
        if self.process.returncode is None:
            self.set_registers(self.before)
            ptrace(PTRACE_DETACH, self.pid)


def outcome(taken, name, *arguments):
    try:
        result = taken.call(name, *arguments)
    except Killed as end:
        return signal.Signals(end.args[0]).name
    return errno.errorcode.get(-result, str(result)) if result < 0 else "done"


def forbidden(sanitized, permitted=()):
    """What kills the process, whatever follows; but for calls that this one may make."""
    address = struct.pack("<H", socket.AF_INET) + struct.pack(">H", 80) + bytes(12)
    private = socket.AF_UNIX
    cases = [
        ("a TCP socket", "socket", socket.AF_INET, socket.SOCK_STREAM, 0),
        ("a UNIX socket", "socket", private, socket.SOCK_STREAM, 0),
        ("a netlink socket", "socket", socket.AF_NETLINK, socket.SOCK_RAW, 0),
        ("a connection", "connect", 0, address, len(address)),
        ("a name for a socket", "bind", 0, address, len(address)),
        ("a program", "execve", "/bin/true", 0, 0),
        ("a program by descriptor", "execveat", AT_FDCWD, "/bin/true", 0, 0, 0),
        ("a process", "fork"),
        ("a process that shares memory", "vfork"),
        ("a process by clone3", "clone3", bytes(88), 88),
        ("another process's memory", "process_vm_readv", os.getpid(), 0, 0, 0, 0, 0),
        ("another process's descriptors", "pidfd_open", os.getpid(), 0),
        ("a signal to another process", "kill", os.getpid(), 0),
        ("memory to run code from", "mmap", 0, 4096, 7, 0x22, -1, 0),
        ("a file in memory, to be run", "memfd_create", "code", 0),
        ("another user", "setuid", 0),
        ("a name space", "unshare", 0x10000000),
        ("a mount", "mount", "none", "/", "tmpfs", 0, 0),
        ("a BPF program", "bpf", 5, bytes(64), 64),
        ("an io_uring", "io_uring_setup", 4, bytes(120)),
        ("a directory", "mkdirat", AT_FDCWD, "d", 0o700),
        ("a symbolic link", "symlinkat", "/etc/passwd", AT_FDCWD, "l"),
        ("a hard link", "linkat", AT_FDCWD, "/etc/passwd", AT_FDCWD, "l", 0),
        ("a file cut by its name", "truncate", "/etc/passwd", 0),
        ("a mode by name", "fchmodat", AT_FDCWD, "/etc/passwd", 0o777),
        ("another working directory", "chdir", "/"),
    ]
    if not sanitized:  # their reports are made by a task that stops all others
        cases += [
            ("ptrace", "ptrace", 16, os.getpid(), 0, 0),
            ("to be dumpable again", "prctl", 4, 1, 0, 0, 0),
            ("a thread", "clone", 0x11, 0, 0, 0, 0),
        ]
    return [case for case in cases if case[1] not in permitted]


def has_landlock():
    return libc.syscall(444, None, 0, 1) > 0


def may_trace():
    """None, or why a process that is not dumpable cannot be traced here."""
    if platform.machine() != "x86_64":
        return "the numbers are those of x86-64"
    child = subprocess.Popen(["sleep", "60"])
    try:
        ptrace(PTRACE_ATTACH, child.pid)
        os.waitpid(child.pid, 0)
        ptrace(PTRACE_DETACH, child.pid)
    except OSError as problem:
        return str(problem)
    finally:
        child.kill()
        child.wait()
    return None if os.geteuid() == 0 else "only root may trace a process that is not dumpable"


def is_sanitized(program):
    with open(program, "rb") as f:
        return b"__asan_init" in f.read()
