"""ca-acts.py - the fleet's CA is killed, or a call fails, at each of an act's calls in turn.

Whatever happens: the audit log is whole, what an act gave away has its line, the next act works and
puts right what was interrupted, and a request that was not granted can be made again.

SPDX-License-Identifier: BSD-3-Clause
"""
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile

from interpose import FAIL, FILES, KILL, Trace, reason_not_here
from sweep import EINTR, EMFILE, HALF, NOTHING, Case

from vtpm import Tap

TOP = os.environ.get("top_builddir", ".")
CA = os.path.abspath(os.path.join(TOP, "holdfast-ca"))
AUTHORITY = os.path.abspath(os.path.join(TOP, "holdfast-authority"))
# name, kinds, action, errno; every so manieth call
FAULTS = ((("killed", FILES, KILL, 0), 1), (("ENOSPC", FILES, FAIL, errno.ENOSPC), 1), (EINTR, 5), (HALF, 5), (EMFILE, 3),
          (NOTHING, 499))

tap = Tap()
base = tempfile.mkdtemp(prefix="hf-ca.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def run(*command, env=None):
    return subprocess.run(command, cwd=base, env=env, capture_output=True, text=True, check=False,
                          timeout=60)


def must(*command):
    done = run(*command)
    if done.returncode:
        raise OSError(f"{command}: {done.stderr}")
    return done.stdout


def prepare():
    """A CA with a certificate, and a request that waits for its own."""
    must(CA, "init", "--dir", "before")
    for host in "A", "B":
        must(AUTHORITY, "init", "--dir", host, "--software")
        must(AUTHORITY, "request", "--dir", host, "--out", "hello")
        must(CA, "challenge", "--dir", "before", "--request", "hello", "--out", "challenge")
        must(AUTHORITY, "respond", "--dir", host, "--challenge", "challenge", "--out", host + ".response")
    must(CA, "delegate", "--dir", "before", "--request", "A.response", "--allow-software",
         "--out", "A.pem")
    must(CA, "crl", "--dir", "before")
    return json.loads(must(CA, "list", "--dir", "before", "--json"))["issued"][0]["serial"]


def log(directory):
    """What `audit` says: whether it is whole, and the acts."""
    done = run(CA, "audit", "--dir", directory, "--json")
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return False, [], done.stderr
    return said["whole"], [act["event"] for act in said["acts"]], said.get("error")


def lines(directory, name):
    try:
        with open(os.path.join(base, directory, name), "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


class Act:
    """One command on a copy of the CA, and what its lines in the log are."""

    def __init__(self, name, events, *options, out=False, code=0):
        self.name, self.events, self.options, self.out, self.code = name, events, options, out, code
        self.command = [CA, name, "--dir", "C", *options, *(["--out", "out"] if out else [])]

    def begin(self):
        for name in "C", "out":
            path = os.path.join(base, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
        shutil.copytree(os.path.join(base, "before"), os.path.join(base, "C"))

    def judge(self, done, before):
        """What is wrong after a fault; None: nothing."""
        whole, events, error = log("C")
        added = events[len(before):]
        if not whole or events[:len(before)] != before:
            return f"the log is not whole: {error}"
        if added != self.events[:len(added)]:
            return f"it has lines of {added}"
        complete = added == self.events
        if done.returncode == self.code and not complete and self.code == 0:
            return f"it was done, and the log has {added}"
        if self.code and "is software-rooted" in done.stderr and not complete and \
                "the refusal is not in the audit log" not in done.stderr:
            return "refused, and nobody hears that it is not recorded"
        if os.path.exists(os.path.join(base, "out")) and not complete:
            return "something was handed out without its line"
        if done.returncode > 0 and done.returncode != self.code and not done.stderr:
            return "it failed and says nothing"
        return self.judge_next(len(events), complete)

    def judge_next(self, count, complete):
        done = run(CA, "nonce", "--dir", "C")
        whole, events, error = log("C")
        if done.returncode or not whole or len(events) != count + 1:
            return f"the next act: {done.stderr} {error}"
        for event, name in ("delegate", "issued"), ("revoke", "revoked"):
            if events.count(event) != lines("C", name):
                return f"{events.count(event)} lines of {event}, {lines('C', name)} of {name}"
        if self.name != "delegate" or self.code:
            return None
        again = run(*self.command)
        if complete and "used already" not in again.stderr:
            return f"recorded, and the nonce is still good: {again.stdout} {again.stderr}"
        if not complete and again.returncode:
            return f"not recorded, and cannot be had again: {again.stderr}"
        return None


def sweep(act, trace, fault, step):
    problems, at = [], 0
    before = log("before")[1]
    while True:
        at += step
        act.begin()
        trace.arm(fault[1], fault[2], fault[3], at)
        done = run(*act.command, env=trace.environment(crash=True))
        _, fired, call = trace.disarm()
        if not fired:
            return problems, at // step - 1
        problem = act.judge(done, before)
        if fault[2] != KILL and done.returncode != act.code:
            said = done.stdout + done.stderr
            problem = problem or Case(fault, call, done.returncode, said, trace.crash()).problem((0, 1))
        if problem:
            problems.append(f"{call} (call {at}): {problem}; exit code {done.returncode}: {done.stderr}")


def test_acts(trace, serial):
    acts = (
        Act("nonce", ["nonce"]),
        Act("challenge", ["nonce"], "--request", "hello", out=True),
        Act("delegate", ["delegate"], "--request", "B.response", "--allow-software", out=True),
        Act("delegate", ["refuse"], "--request", "B.response", out=True, code=1),
        Act("revoke", ["revoke", "crl"], "--serial", serial),
        Act("crl", ["crl"]),
    )
    for act in acts:
        for fault, step in FAULTS:
            problems, tried = sweep(act, trace, fault, step)
            tap.ok(not problems and tried > (10 if step == 1 else 0),
                   f"{act.name}{' refused' if act.code else ''}: {fault[0]} at "
                   f"{'each' if step == 1 else f'one in {step}'} of {tried * step} calls", "\n".join(problems))


def test_full_disk(trace, serial):
    """A disk that stays full from some call on: no act, no matter how often it is tried."""
    act = Act("revoke", ["revoke", "crl"], "--serial", serial)
    act.begin()
    before = log("C")[1]
    for _ in range(3):
        trace.arm(FILES, FAIL, errno.ENOSPC, 1, True)
        done = run(*act.command, env=trace.environment())
        trace.disarm()
        tap.ok(done.returncode == 1 and os.strerror(errno.ENOSPC) in done.stderr, "a full disk: refused",
               done.stderr)
    tap.equal(log("C"), (True, before, None), "and no line")
    tap.equal(run(*act.command).returncode, 0, "with room again it is done")


def test_init(trace):
    for (name, _, action, code), _ in FAULTS[:2]:
        problems, at, fired = [], 0, True
        while fired:
            at += 1
            place = f"new{name}{at}"
            trace.arm(FILES, action, code, at)
            done = run(CA, "init", "--dir", place, env=trace.environment())
            _, fired, call = trace.disarm()
            there = os.path.exists(os.path.join(base, place, "root.pem"))
            if done.returncode == 0 and not there:
                problems.append(f"{call} (call {at}): said to be made, and is not")
            if there and (not log(place)[0] or log(place)[1] != ["init"]):
                problems.append(f"{call} (call {at}): {log(place)}")
            shutil.rmtree(os.path.join(base, place), ignore_errors=True)
        tap.ok(not problems and at > 10, f"init: {name} at each of {at - 1} calls", "\n".join(problems))


def main():
    reason = reason_not_here(CA)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    serial = prepare()
    os.mkdir(os.path.join(base, "nothing"))
    trace = Trace(os.path.join(base, "trace"), os.path.join(base, "nothing"))
    test_acts(trace, serial)
    test_full_disk(trace, serial)
    test_init(trace)
    trace.close()
    shutil.rmtree(base)
    return tap.finish()


sys.exit(main())
