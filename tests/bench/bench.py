#!/usr/bin/env python3
"""bench.py - our emulator and Debian's swtpm side by side: table, JSON, plots.

Usage: bench.py [--quick] [--static PROGRAM] [--more LABEL=PROGRAM] [--disk DIR] [--out DIR] [--only PART[,PART]]

Runs from `make bench` (results kept in tests/bench/results/DATE-COMMIT.*) and `make bench-quick`
(fewer rounds, into bench-quick.* of the build directory). Every figure is measured in this run, A B
A B, and shown as a median; a part that cannot run is named with the reason and has no figure.
It never fails because of a time. Needs swtpm and swtpm_setup; gnuplot makes the plots.

SPDX-License-Identifier: BSD-3-Clause
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from goals import judge, lines as goal_lines

SRC = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
DRIVER = os.path.join(BUILD, "tests/bench/bench-driver")
MINIMAL = os.path.join(BUILD, "tests/bench/bench-minimal")
FORKED = os.path.join(BUILD, "tests/bench/bench-forked")
HOLDFAST = os.path.join(BUILD, "holdfast")

UNITS = {"_system_calls": "calls a command", "_programs": "programs", "_percent": "%",
         "host_tpm": "a TPM", "_kb": "KB", "idle_wakeups": "wake-ups",
         "descriptors": "descriptors", "batch": "us a TPM"}


def unit(measure):
    return next((u for part, u in UNITS.items()
                 if measure.endswith(part) or measure.startswith(part)), "us")


class Bench:
    def __init__(self, options):
        self.options = options
        self.quick = options.quick
        self.samples = {}  # measure -> subject -> [samples]
        self.notes = []
        self.software = None  # an authority with its key in a file
        self.more = dict(option.split("=", 1) for option in options.more)
        # A directory of its own on each: tmpfs for the programs, a disk for the syncs.
        self.memory = tempfile.mkdtemp(prefix="hf-bench-run.", dir="/dev/shm")
        self.disk = tempfile.mkdtemp(prefix="hf-bench-run.", dir=options.disk)

    def close(self):
        shutil.rmtree(self.memory, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)

    def note(self, text):
        self.notes.append(text)
        print("note: " + text, file=sys.stderr)

    def add(self, measure, subject, samples):
        self.samples.setdefault(measure, {}).setdefault(subject, []).extend(samples)

    def subjects(self, *names):
        known = {"holdfast": f"{HOLDFAST}@dir=%s",
                 "holdfast_nosync": f"{HOLDFAST}@dir=%s,fsync=false",
                 "slots": f"{HOLDFAST}@backend-uri=slots://%s/tpm.slots",
                 "swtpm": f"{shutil.which('swtpm')}@dir=%s",
                 "static": f"{self.options.static}@dir=%s",
                 "limit": f"{MINIMAL}@dir=%s"}
        known.update({label: f"{program}@dir=%s" for label, program in self.more.items()})
        return [f"{n}@{known[n]}" for n in names
                if (n != "static" or self.options.static) and (n != "slots" or self.has_slots())]

    @staticmethod
    def has_slots():
        out = subprocess.run([HOLDFAST, "socket", "--help"], capture_output=True, text=True,
                             check=False).stdout
        return "slots://" in out

    def driver(self, base, rounds, measure, subjects, wrapper=(), popen=False):
        argv = [*wrapper, DRIVER, base, str(rounds), measure, *subjects]
        if popen:
            return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{measure}: " + done.stderr.strip()[-600:])
        return [json.loads(line) for line in done.stdout.splitlines()]

    def measure(self, base, rounds, measure, names, suffix=""):
        for line in self.driver(base, rounds, measure, self.subjects(*names)):
            self.add(line["measure"] + suffix, line["subject"], line["samples"])

    # -- the parts

    def launch(self):
        rounds = 15 if self.quick else 100
        names = ("holdfast", "swtpm", "static", *self.more, "limit")
        self.measure(self.memory, rounds, "launch-fresh", names)
        self.measure(self.memory, rounds, "launch-existing", names)
        if not self.quick:
            self.measure(self.disk, rounds, "launch-existing", names, "_disk")

    def roundtrip(self):
        rounds = 3 if self.quick else 12
        self.measure(self.memory, rounds, "roundtrip", ("holdfast", "swtpm", "static"))
        limit = self.driver(self.memory, rounds, "limit", self.subjects("limit"))
        for inside, bare in zip(limit[::2], limit[1::2]):
            name = inside["measure"].replace("_limit", "")
            took = statistics.median(inside["samples"])
            self.add(name, "in_process", inside["samples"])
            self.add(name, "bare_socketpair", bare["samples"])
            self.add(name, "limit", [took + s for s in bare["samples"]])

    def counts(self):
        """System calls a command: the difference between a long run and a short one."""
        if not shutil.which("strace"):
            self.note("system calls: strace is not installed")
            return
        for name, what in (("getrandom_32", "count-getrandom"), ("pcr_read", "count-pcr-read"),
                           ("pcr_extend", "count-pcr-extend"), ("nv_read_64", "count-nv-read")):
            for subject in ("holdfast", "swtpm"):
                calls = [self.traced(subject, n, what) for n in (100, 600)]
                # Start-up differs by a few calls from run to run.
                self.add(name + "_system_calls", subject,
                         [round((calls[1] - calls[0]) / 500, 1)])

    def traced(self, subject, rounds, what):
        log = os.path.join(self.memory, "strace")
        spec = self.subjects(subject)[0].split("@", 2)
        wrapped = os.path.join(self.memory, "traced")
        with open(wrapped, "w", encoding="ascii") as f:
            f.write(f'#!/bin/sh\nexec strace -qq -f -o {log} {spec[1]} "$@"\n')
        os.chmod(wrapped, 0o700)
        self.driver(self.memory, rounds, what, [f"{spec[0]}@{wrapped}@{spec[2]}"])
        with open(log, encoding="utf-8", errors="replace") as f:
            # a call that another thread interrupts in the log is two lines
            return sum(1 for line in f if "resumed>" not in line and "+++" not in line)

    def keys(self):
        names = ("holdfast", "swtpm", "static")
        self.measure(self.memory, 2 if self.quick else 10, "ecc", names)
        self.measure(self.memory, 3 if self.quick else 24, "rsa", names)

    def storage(self):
        """NV writes, and in turn with them what the disk takes for such a state ("storage")."""
        rounds = 10 if self.quick else 60
        names = ("holdfast", "swtpm", "holdfast_nosync", "slots")
        self.measure(self.memory, rounds, "nv-write", names, "_tmpfs")
        self.measure(self.disk, rounds, "nv-write", names, "_disk")

    def memory_use(self):
        for count in (1, 20) if self.quick else (1, 100, 500):
            for subject in ("holdfast", "swtpm", "static", *self.more, "limit"):
                for spec in self.subjects(subject):
                    self.hold(self.driver(self.memory, count, "hold", [spec], popen=True),
                              subject, count)
            self.hold(self.forked(count), "forked", count)

    def thousand(self):
        """1,000 TPMs on one host: each costs what the first did, and none wakes up."""
        count = 50 if self.quick else 1000
        for subject in ("holdfast", "static"):
            for spec in self.subjects(subject):
                self.hold(self.driver(self.memory, count, "hold", [spec], popen=True),
                          subject, count)

    @staticmethod
    def forked(count):
        return subprocess.Popen([FORKED, str(count)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)

    def hold(self, child, subject, count):
        before = available_kb()
        pids = json.loads(child.stdout.readline())["samples"]
        took = json.loads(child.stdout.readline())["samples"]
        if count >= 100:
            self.add(f"host_memory_{count}_kb", subject, [(before - available_kb()) / count])
            self.add(f"start_first_{count // 10}_of_{count}", subject, took[:count // 10])
            self.add(f"start_last_{count // 10}_of_{count}", subject, took[-count // 10:])
        if count > 1 and subject != "forked":
            self.add(f"descriptors_{count}", subject,
                     [len(os.listdir(f"/proc/{int(pid)}/fd")) for pid in pids])
        used = [rollup(int(pid)) for pid in pids]
        self.add(f"pss_{count}_kb", subject, [u["Pss"] for u in used])
        self.add(f"private_{count}_kb", subject,
                 [u["Private_Dirty"] + u["Private_Clean"] for u in used])
        self.add(f"private_dirty_{count}_kb", subject, [u["Private_Dirty"] for u in used])
        if count > 1:
            before = [switches(int(pid)) for pid in pids]
            time.sleep(2 if self.quick else 10)
            after = [switches(int(pid)) for pid in pids]
            self.add(f"idle_wakeups_10s_{count}", subject, [b - a for a, b in zip(before, after)])
        child.stdin.close()
        child.wait()

    def migrate(self):
        self.measure(self.memory, 5 if self.quick else 40, "migrate", ("holdfast", "swtpm", "static"))

    def busy(self):
        self.measure(self.memory, 3 if self.quick else 15, "busy", ("holdfast", "swtpm"))
        self.measure(self.memory, 3 if self.quick else 15, "cancel", ("holdfast", "swtpm"))

    def setup(self):
        """RSA-2048 and P-384 endorsement keys, without certificates and with three of them."""
        if not shutil.which("swtpm_setup"):
            self.note("setup: swtpm_setup is not installed")
            return
        rounds = 3 if self.quick else 25
        self.software = self.software or self.authority()
        program = os.path.join(BUILD, "holdfast-setup")
        ours = f"{program} --tpm2 --tpm-state %s --createek"
        swtpm = "swtpm_setup --tpm2 --tpm-state %s --createek --pcr-banks sha256"
        more = "--create-ek-cert --create-platform-cert"
        certified = (f"{ours} {more} --authority {self.software}",
                     f"{swtpm} {more} {self.localca()}")
        self.commands("setup_rsa2048_p384_no_certificates", rounds, ours, swtpm)
        self.commands("setup_rsa2048_p384_3_certificates", rounds, *certified)
        self.commands("setup_rsa2048_p384_3_certificates_lazy", max(1, rounds // 3), *certified,
                      how="commands-lazy")
        self.programs(*certified)

    def programs(self, *commands):
        """How many programs a manufacture starts, itself among them."""
        if not shutil.which("strace"):
            self.note("programs: strace is not installed")
            return
        log = os.path.join(self.memory, "strace")
        for subject, command in zip(("holdfast", "swtpm"), commands):
            state = tempfile.mkdtemp(dir=self.memory)
            subprocess.run(["strace", "-qq", "-f", "-e", "trace=execve", "-o", log,
                            *command.replace("%s", state).split()], check=True,
                           stdout=subprocess.DEVNULL)
            with open(log, encoding="utf-8", errors="replace") as f:
                self.add("setup_programs", subject,
                         [sum(1 for line in f if "execve" in line and line.rstrip().endswith("= 0"))])

    def authority(self, tcti=None):
        """An authority, certified by a fleet's CA: its key in a file, or in the host TPM."""
        path = os.path.join(self.memory, "hardware" if tcti else "authority")
        fleet, approver = path + ".fleet", path + ".approver"
        allow = ["--allow-software"]
        run("holdfast-ca", "init", "--dir", fleet)
        if tcti:
            run("holdfast-authority", "approver-key", approver)
            run("holdfast-authority", "init", "--dir", path, "--tcti", tcti,
                "--approver-public", approver + ".pub")
            run("holdfast-authority", "approve", "--dir", path, "--approver-key", approver)
            with open(path + ".pcrs", "w", encoding="ascii") as f:
                f.write(run("holdfast-authority", "pcrs", "--dir", path) + "\n")
            allow = ["--allow-unproved-ek", "--approver-public", approver + ".pub",
                     "--approved-pcrs", path + ".pcrs"]
        else:
            run("holdfast-authority", "init", "--software", "--dir", path)
        nonce = run("holdfast-ca", "nonce", "--dir", fleet)
        run("holdfast-authority", "request", "--dir", path, "--nonce", nonce, "--out",
            path + ".request")
        run("holdfast-ca", "delegate", "--dir", fleet, "--request", path + ".request", "--out",
            path + ".pem", *allow)
        run("holdfast-authority", "install-certificate", "--dir", path, path + ".pem")
        return path

    def batch(self):
        """Many TPMs in one call, with three certificates each; microseconds a TPM."""
        count, rounds = (8, 1) if self.quick else (100, 3)
        state = os.path.join(self.memory, "host-tpm")
        os.mkdir(state)
        host = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--server",
             f"type=unixio,path={state}/s", "--ctrl", f"type=unixio,path={state}/s.ctrl",
             "--flags", "not-need-init,startup-clear"], stderr=subprocess.DEVNULL)
        try:
            wait_for(f"{state}/s.ctrl")
            software = self.software = self.software or self.authority()
            hardware = self.authority(f"swtpm:path={state}/s")
            for _ in range(rounds):
                for subject, authority, jobs in (("one_at_a_time", software, ["--jobs", "1"]),
                                                 ("all_processors", software, []),
                                                 ("all_processors_host_tpm", hardware, [])):
                    self.add("batch_3_certificates", subject,
                             [self.batch_once(count, authority, jobs)])
            self.host_tpm_counts(state, hardware)
        finally:
            host.terminate()
            host.wait()

    def host_tpm_counts(self, state, authority):
        """What one TPM, in a call of its own, costs the host TPM: counted on the way there."""
        bus = os.path.join(self.memory, "bus")
        watcher = subprocess.Popen([sys.executable, os.path.join(SRC, "tests/cli/tpmbus.py"), bus,
                                    f"{state}/s", "watch"], stderr=subprocess.DEVNULL)
        try:
            wait_for(f"{bus}/sock")
            self.batch_once(1, authority, ["--tcti", f"swtpm:path={bus}/sock"])
            # It writes all of them down whenever a client leaves.
            codes = wait_for(f"{bus}/seen", "15d\n").split()
            self.add("host_tpm_signatures", "holdfast", [codes.count("15d")])
            self.add("host_tpm_policy_verifications", "holdfast", [codes.count("177")])
        finally:
            watcher.terminate()
            watcher.wait()

    def batch_once(self, count, authority, jobs):
        base = tempfile.mkdtemp(dir=self.memory)
        lines = os.path.join(base, "lines")
        with open(lines, "w", encoding="ascii") as f:
            for n in range(count):
                os.mkdir(f"{base}/{n}")
                f.write(f"--tpm-state {base}/{n} --vmid {n}\n")
        start = time.monotonic()
        subprocess.run([os.path.join(BUILD, "holdfast-setup"), "--tpm2", "--create-ek-cert",
                        "--create-platform-cert", "--batch", lines, "--authority", authority,
                        *jobs], check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - start
        shutil.rmtree(base)
        return took * 1e6 / count

    def commands(self, measure, rounds, ours, theirs, how="commands"):
        for line in self.driver(self.memory, rounds, how,
                                [f"holdfast@{ours}@-", f"swtpm@{theirs}@-"]):
            self.add(measure, line["subject"], line["samples"])

    def localca(self):
        ca = os.path.join(self.memory, "ca")
        os.mkdir(ca)
        conf, setup = os.path.join(ca, "localca.conf"), os.path.join(ca, "setup.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(f"statedir = {ca}\nsigningkey = {ca}/key.pem\nissuercert = {ca}/cert.pem\n"
                    f"certserial = {ca}/serial\n")
        with open(setup, "w", encoding="utf-8") as f:
            f.write("create_certs_tool = /usr/bin/swtpm_localca\n"
                    f"create_certs_tool_config = {conf}\n"
                    "create_certs_tool_options = /etc/swtpm-localca.options\n")
        return f"--config {setup}"


def run(program, command, *argv):
    done = subprocess.run([os.path.join(BUILD, program), command, *argv], check=False,
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{program} {command}: {done.stderr}")
    return done.stdout.strip()


def wait_for(path, text=None, seconds=10):
    """The file, when there is one (with this text in it): its content; a socket's is empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.path.exists(path):
            if not text:
                return ""
            with open(path, encoding="ascii") as f:
                found = f.read()
            if text in found:
                return found
        time.sleep(0.01)
    raise RuntimeError(f"{path}: not there after {seconds} s")


def available_kb():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("MemAvailable"))


def rollup(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}


def switches(pid):
    """Times that threads of the process were woken: voluntary context switches."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt"))
    return total


def summary(samples):
    ordered = sorted(samples)
    return {"n": len(ordered), "median": statistics.median(ordered), "min": ordered[0],
            "p90": ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]}


def text_of(result):
    lines = ["holdfast and swtpm, measured side by side", ""]
    lines += [f"{key}: {value}" for key, value in result["machine"].items()]
    lines += ["", f"{'measure':36} {'subject':30} {'median':>12} {'min':>12} {'p90':>12} {'n':>6}"]
    for measure, row in result["table"].items():
        for subject, s in row.items():
            lines.append(f"{measure:36} {subject:30} {s['median']:12.2f} {s['min']:12.2f} "
                         f"{s['p90']:12.2f} {s['n']:6d}  {unit(measure)}")
    lines += [""] + goal_lines(result["goals"])
    lines += [""] + ["note: " + note for note in result["notes"]]
    return "\n".join(lines).rstrip() + "\n"


PLOTS = {
    "launch": ("exec to the answer of Startup", "us", ["launch_fresh", "launch_existing"]),
    "roundtrip": ("round trip, one processor", "us",
                  ["getrandom_32", "pcr_read", "pcr_extend", "nv_read_64"]),
    "keys": ("keys", "us", ["p256_sign", "p256_quote", "p256_create", "rsa2048_sign",
                            "rsa2048_decrypt", "rsa2048_quote"]),
    "memory": ("memory of one of 100 or 500 idle TPMs", "KB",
               ["pss_100_kb", "private_100_kb", "pss_500_kb", "private_500_kb"]),
    "storage": ("NV write of 64 bytes", "us", ["nv_write_64_tmpfs", "nv_write_64_disk"]),
}


def plot(table, out):
    """Bars with gnuplot; False when it is not there."""
    if not shutil.which("gnuplot"):
        return False
    for name, (title, what, measures) in PLOTS.items():
        rows = [m for m in measures if m in table]
        columns = [s for s in ("holdfast", "holdfast_nosync", "slots", "static", "swtpm", "forked",
                               "limit")
                   if any(s in table[m] for m in rows)]
        if not rows:
            continue
        data = ["x " + " ".join(columns)]
        data += [m + " " + " ".join(f"{table[m][c]['median']:.2f}" if c in table[m] else "NaN"
                                    for c in columns) for m in rows]
        script = (f'set terminal svg size 800,400 font "sans,11"\nset output "{out}-{name}.svg"\n'
                  f'set title "{title} (medians)" noenhanced\nset ylabel "{what}"\n'
                  'set style data histogram\nset style fill solid 0.8\nset yrange [0:*]\n'
                  'set grid y\nset key top left noenhanced\nset xtics noenhanced\n'
                  f'$data << EOD\n{chr(10).join(data)}\nEOD\n'
                  f'plot for [i=2:{len(columns) + 1}] $data using i:xtic(1) title columnheader(i)\n')
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return True


def describe(options):
    def output(*argv):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                if line.startswith("model name")), platform.machine())
    changed = output("git", "-C", SRC, "status", "--porcelain", "--untracked-files=no")
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": output("git", "-C", SRC, "rev-parse", "--short=10", "HEAD")
                      + (" and uncommitted changes" if changed else ""),
            "kernel": platform.release(), "cpu": f"{cpu}, {os.cpu_count()} processors",
            "load before": " ".join(f"{x:.2f}" for x in os.getloadavg()),
            "disk": output("findmnt", "-nro", "FSTYPE,SOURCE", "-T", options.disk),
            "swtpm": output("swtpm", "--version").splitlines()[0],
            "libtpms": output("pkg-config", "--modversion", "libtpms"),
            "openssl": output("pkg-config", "--modversion", "libcrypto")}


PARTS = ("launch", "roundtrip", "counts", "keys", "storage", "memory_use", "thousand", "migrate",
         "busy", "setup", "batch")


def main():
    parser = argparse.ArgumentParser(description="measure holdfast beside swtpm")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--static", help="a holdfast of --enable-static-engine, measured too")
    parser.add_argument("--more", action="append", default=[], metavar="LABEL=PROGRAM",
                        help="another build, for the launch and the memory")
    parser.add_argument("--disk", default="/var/tmp", help="directory on a real disk")
    parser.add_argument("--out", help="directory of the results")
    parser.add_argument("--only", help="parts: " + ",".join(PARTS))
    options = parser.parse_args()
    if not shutil.which("swtpm"):
        sys.exit("bench: swtpm is not installed: there is nothing to compare with")
    bench = Bench(options)
    try:
        result = {"machine": describe(options)}
        for part in options.only.split(",") if options.only else PARTS:
            print(f"... {part}", file=sys.stderr, flush=True)
            getattr(bench, part)()
    finally:
        bench.close()
    table = {m: {s: summary(v) for s, v in row.items()} for m, row in bench.samples.items()}
    goals = [row for row in judge(table) if row["reached"] is not None or not options.only]
    result.update(table=table, goals=goals, notes=bench.notes)
    write(options, result)
    return 0


def write(options, result):
    machine = result["machine"]
    if options.quick or options.only:
        out = os.path.join(options.out or BUILD, "bench-quick")
    else:
        name = machine["date"][:10] + "-" + machine["commit"].split()[0]
        out = os.path.join(options.out or os.path.join(SRC, "tests/bench/results"), name)
    if not plot(result["table"], out):
        result["notes"].append("no plots: gnuplot is not installed")
    with open(out + ".json", "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    text = text_of(result)
    with open(out + ".txt", "w", encoding="utf-8") as f:
        f.write(text)
    print(text, end="")
    print(f"written: {out}.txt, .json and plots", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
