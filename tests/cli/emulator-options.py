"""emulator-options.py - pcap, readiness, chroot, profiles, state that must exist, TPM 1.2 as QEMU uses it.

SPDX-License-Identifier: BSD-3-Clause
"""
import json
import os
import re
import shutil
import socket
import struct
import sys
import tempfile

import vtpm
from vtpm import Control, Emulator, Tap, Tpm, run, wait_until

tap = Tap()
PROGRAM = os.path.abspath(vtpm.emulator_program())
BASE = tempfile.mkdtemp(prefix="hf-test.")
NEW = os.path.join(BASE, "new")
os.mkdir(NEW, 0o700)


def refuse(pattern, *options, code=1):
    result = run(PROGRAM, "socket", "--tpmstate", f"dir={NEW}", "--ctrl", f"type=unixio,path={BASE}/c",
                 *options)
    tap.ok(result.returncode == code and re.search(pattern, result.stderr), f"refused: {' '.join(options)}",
           f"exit {result.returncode}: {result.stderr}")


def inet_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packets(data):
    """The blocks of a pcapng file: a list of sections, each a list of IP packets."""
    sections, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and struct.unpack_from("<I", data, at + length - 4)[0] == length
        body = data[at + 8:at + length - 4]
        if kind == 0x0A0D0D0A:
            assert struct.unpack_from("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
            sections.append([])
        elif kind == 1:
            assert struct.unpack_from("<HHI", body) == (101, 0, 0)
        else:
            assert kind == 6
            interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
            assert interface == 0 and captured == original and (high << 32) + low > 1.7e15
            sections[-1].append(body[20:20 + captured])
        at += length
    return sections


def test_pcap():
    path = os.path.join(BASE, "record")
    with Emulator("--pcap", f"file={path},checksums,mode=0600") as e:
        _, tpm = e.start()
        asked = Tpm.pack(0x17B, parameters=struct.pack(">H", 8))
        answered = tpm.command(asked)
    with open(path, "rb") as f:
        record = packets(f.read())
    tap.equal((len(record), os.stat(path).st_mode & 0o777), (1, 0o600), "pcap: one section, mode as told")
    payloads = [p[40:] for p in record[0]]
    tap.ok(asked in payloads and payloads[payloads.index(asked) + 1] == answered,
           "pcap: command and response, whole and in order")
    ports = {struct.unpack_from(">HH", p, 20) for p in record[0]}
    tap.equal(ports, {(49152, 2321), (2321, 49152)}, "pcap: between a client and port 2321")
    good = all(struct.unpack_from(">H", p, 2)[0] == len(p) and inet_sum(p[:20]) == 0xFFFF and
               inet_sum(p[12:20] + struct.pack(">HH", 6, len(p) - 20) + p[20:]) == 0xFFFF
               for p in record[0])
    tap.ok(good, "pcap: lengths and checksums are right")
    following, right = {}, True
    for p in record[0]:
        source, _, sequence, acknowledged = struct.unpack_from(">HHII", p, 20)
        right &= following.get(source, 1) == sequence
        following[source] = sequence + len(p) - 40
    tap.ok(right and len(following) == 2, "pcap: sequence numbers follow each other")

    with open(path, "ab") as f, Emulator("--pcap", f"fd={f.fileno()}", pass_fds=[f.fileno()]) as e:
        e.start()
    with open(path, "rb") as f:
        again = packets(f.read())
    tap.ok(len(again) == 2 and again[0] == record[0] and again[1], "pcap: fd, another section is appended")
    tap.equal({struct.unpack_from(">H", p, 36)[0] for p in again[1]}, {0}, "pcap: no checksums unless told")
    with Emulator("--pcap", f"file={path},truncate") as e:
        e.start()
    with open(path, "rb") as f:
        tap.equal(len(packets(f.read())), 1, "pcap: truncate")


def test_pcap_refusals():
    link, victim = os.path.join(BASE, "link"), os.path.join(BASE, "victim")
    with open(victim, "w", encoding="ascii") as f:
        f.write("mine")
    os.symlink(victim, link)
    refuse("link", "--tpm2", "--pcap", f"file={link}")
    with open(victim, encoding="ascii") as f:
        tap.equal(f.read(), "mine", "pcap: the target of a symbolic link is left alone")
    refuse("found both or none", "--pcap", "truncate", code=2)
    refuse("found both or none", "--pcap", f"file={BASE}/x,fd=9", code=2)
    refuse("descriptor 77", "--pcap", "fd=77")
    refuse("/nonexistent/x", "--pcap", "file=/nonexistent/x")
    refuse("No space left", "--pcap", "file=/dev/full")
    refuse("Unknown option", "--pcap", "nonsense", code=2)
    # A record that cannot go on: the reader of a pipe goes away.
    reader, writer = os.pipe()
    with Emulator("--pcap", f"fd={writer}", pass_fds=[writer]) as e:
        os.close(writer)
        control = e.control()
        os.close(reader)
        tap.equal(control.init(0), 0, "pcap: the reader is gone, INIT works")
        tpm = control.data()
        tap.equal((tpm.startup(), len(tpm.random(8) or b"")), (0, 8), "pcap: and so do commands")
        tap.equal(e.messages().count("nothing is recorded any more"), 1, "pcap: it is said once")


def test_notify():
    for name, address in ((f"{BASE}/notify", f"{BASE}/notify"), ("@hf-test-%d" % os.getpid(),
                                                                 "\0hf-test-%d" % os.getpid())):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(vtpm.DEADLINE)
            with Emulator(env={**os.environ, "NOTIFY_SOCKET": name}) as e:
                tap.equal(manager.recv(100), b"READY=1", f"ready: said to {name[0]}...")
                tap.equal(e.control().init(0), 0, "ready: and it is")
                open_sockets = [t for t in e.fds().values() if "socket" in t]
                tap.ok(len(open_sockets) <= 2, "ready: the socket is closed afterwards", open_sockets)
    for name in ("relative", "@", f"{BASE}/nobody", "/" + "x" * 120):
        with Emulator(env={**os.environ, "NOTIFY_SOCKET": name}) as e:
            tap.ok(e.control().init(0) == 0 and "NOTIFY_SOCKET" in e.messages(),
                   f"ready: NOTIFY_SOCKET={name[:12]} is complained about, the TPM works")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{BASE}/notify2")
        manager.setblocking(False)
        with open(f"{BASE}/state-file", "wb"):
            pass
        run(PROGRAM, "socket", "--tpm2", "--tpmstate", f"dir={BASE}/state-file", "--flags", "not-need-init",
            "--ctrl", f"type=unixio,path={BASE}/c", env={**os.environ, "NOTIFY_SOCKET": f"{BASE}/notify2"})
        try:
            said = manager.recv(100)
        except BlockingIOError:
            said = None
        tap.equal(said, None, "ready: not said by a TPM that did not start")


def test_chroot():
    if os.geteuid() != 0:
        tap.skip("chroot", "only root may")
        return
    root = os.path.join(BASE, "root")
    os.makedirs(os.path.join(root, "state"), 0o700)
    os.chown(root, 65534, 65534)
    os.chown(os.path.join(root, "state"), 65534, 65534)
    os.chmod(BASE, 0o755)
    program = shutil.copy(PROGRAM, os.path.join(BASE, "holdfast"))
    pid = os.path.join(root, "pid")
    result = run(program, "socket", "--tpm2", "--chroot", root, "--runas", "nobody", "--tpmstate", "dir=/state",
                 "--ctrl", "type=unixio,path=/control", "--log", "file=/log", "--pid", "file=/pid", "--daemon",
                 "--pcap", "file=/record")
    tap.ok(result.returncode == 0, "chroot: with a user's name, a log, as a daemon", result.stderr)
    with open(pid, encoding="ascii") as f:
        number = int(f.read())
    try:
        tap.equal(os.readlink(f"/proc/{number}/root"), root, "chroot: it is in there")
        tap.equal(os.stat(f"/proc/{number}").st_uid in (65534, 0), True, "chroot: it runs")
        with open(f"/proc/{number}/status", encoding="ascii") as f:
            status = f.read()
        tap.ok(re.search(r"^Uid:\t65534\t65534", status, re.M), "chroot: as the user", status)
        control = Control.unix(os.path.join(root, "control"))
        tap.equal(control.init(0), 0, "chroot: the TPM starts without /dev and /etc")
        tpm = control.data()
        tap.ok(tpm.startup() == 0 and tpm.random(16), "chroot: and answers")
        control.shutdown()
        wait_until(lambda: not os.path.exists(pid), "the pid file's end")
    finally:
        if os.path.exists(pid):
            os.kill(number, 15)
    tap.equal(sorted(os.listdir(root)), ["log", "record", "state"], "chroot: socket and pid file are gone")
    tap.ok("tpm2-00.permall" in os.listdir(os.path.join(root, "state")), "chroot: the state is in it")
    refuse("/nonexistent", "--tpm2", "--chroot", "/nonexistent")
    refuse("nobody-of-this-name", "--tpm2", "--chroot", root, "--runas", "nobody-of-this-name")


def profile_of(state):
    """What --print-info tells of the TPM that is there."""
    result = run(PROGRAM, "socket", "--tpm2", "--tpmstate", f"dir={state}", "--print-info", "0x20")
    return json.loads(result.stdout)["ActiveProfile"] if result.returncode == 0 else result.stderr


def made_with(profile):
    """The profile of a TPM that is made with this one."""
    with Emulator("--profile", profile) as e:
        e.start()
        return profile_of(e.state)


def check_profiles_made():
    tap.equal(made_with("name=default-v1")["Name"], "default-v1", "a profile of the library's by its name")
    path = os.path.join(BASE, "profile.json")
    with open(path, "w", encoding="ascii") as f:
        f.write(' {"Name": "custom:few", "Description": "d"} \n')
    for spec, what in ((f"file={path}", "from a file"), ('profile={"Name":"custom:few","Description":"d"}', "as text")):
        found = made_with(spec)
        tap.equal((found["Name"], found["Description"]), ("custom:few", "d"), f"a custom profile {what}")
    cut = made_with('profile={"Name":"custom"},remove-disabled=fips-host')
    words = cut["Algorithms"].split(",")
    tap.ok({"rsa-min-size=2048", "ecc-min-size=224"} <= set(words) and not {"camellia", "tdes", "rsaes"} & set(words) and
           cut["Attributes"] == "no-sha1-signing,no-sha1-verification,no-unpadded-encryption",
           "remove-disabled=fips-host cuts a custom profile", cut)
    tap.ok("camellia" in made_with("name=default-v1,remove-disabled=fips-host")["Algorithms"], "and no other")
    tap.ok("camellia" in made_with('profile={"Name":"custom"},remove-disabled=check')["Algorithms"],
           "remove-disabled=check leaves what works here")
    for spec in ("name=nonsense", 'profile={"Name":"custom","Algorithms":"rsa"}'):
        refuse("libtpms refuses the profile", "--tpm2", "--flags", "not-need-init", "--profile", spec)
    for spec in ("profile={", 'profile={"Name":7}', "name=a/b", f"file={BASE}/missing", "fd=77"):
        refuse("--profile: ", "--tpm2", "--profile", spec)
    tap.equal([n for n in os.listdir(NEW) if not n.startswith(".")], [], "none of these makes a TPM")
    with Emulator() as e:
        e.start()
        e.kill()
        before = profile_of(e.state)
        tap.equal(before["Name"], "null", "without one the profile is that of libtpms 0.9")
        with Emulator("--profile", "name=default-v1", state=e.state) as again:
            tap.ok(again.control().init() != 0 and "exists already" in again.messages(),
                   "a TPM that is there keeps its profile", again.messages())
        tap.equal(profile_of(e.state), before, "and itself")


def test_profiles():
    result = run(PROGRAM, "socket", "--tpm2", "--print-profiles")
    known = json.loads(result.stdout)
    tap.ok(result.returncode == 0 and isinstance(known, dict), "--print-profiles")
    refuse("is for --tpm2", "--profile", "name=default-v1", code=2)
    refuse("one of name, profile", "--tpm2", "--profile", "name=a,file=b", code=2)
    refuse("often", "--tpm2", "--profile", "name=null,remove-disabled=often", code=2)
    refuse("exclude each other", "--tpm2", "--print-profiles", "--print-states", code=2)
    facts = json.loads(run(PROGRAM, "socket", "--tpm2", "--print-capabilities").stdout)
    if known:
        tap.equal(facts["profiles"]["names"], [p["Name"] for p in known["AvailableProfiles"]],
                  "--print-capabilities names them")
        tap.ok({"sha1", "camellia"} <= set(facts["profiles"]["algorithms"]["canbedisabled"].split(",")) and
               facts["profiles"]["commands"]["implemented"], "and what a custom one can leave out", facts["profiles"])
        tap.skip("--profile without profiles", "this libtpms has profiles")
        check_profiles_made()
        return
    for spec in ("name=default-v1", 'profile={"Name":"custom","Algorithms":"rsa,aes"}'):
        refuse("--profile: libtpms 0[.]9[.][0-9]+ has no profiles, libtpms 0[.]10 is the first", "--tpm2",
               "--profile", spec)
    tap.ok(facts["profiles"] == {} and not [f for f in facts["features"] if "profile" in f], "and none is promised")
    tap.skip("--profile", "libtpms 0.9 has no profiles")
    tap.equal([n for n in os.listdir(NEW) if n[0] != "."], [], "nothing was made by all these refusals")


def test_must_exist():
    with Emulator() as e:
        e.start()
        kept = os.path.join(BASE, "kept")
        shutil.copytree(e.state, kept)
    empty = os.path.join(BASE, "empty")
    os.mkdir(empty)
    with Emulator(state=f"{empty},must-exist") as e:
        control = e.control()
        tap.equal(control.init(0), 0x101, "must-exist: INIT is refused when there is no TPM")
        tap.ok("must-exist" in e.messages() and "permall" in e.messages(), "must-exist: the log says why",
               e.messages())
        tap.equal([n for n in os.listdir(empty) if not n.startswith(".")], [], "must-exist: nothing is made")
        with Emulator() as source:
            other, tpm = source.start()
            tpm.pcr_extend(16)
            value = tpm.pcr_read(16)
            blobs = {kind: other.get_blob(kind)[3] for kind in (vtpm.PERMANENT, vtpm.VOLATILE)}
        control.stop()
        results = [control.set_blob(kind, blob) for kind, blob in blobs.items()]
        tap.equal((results, control.init(0)), ([0, 0], 0), "must-exist: state that was brought in is state")
        tap.equal(control.data().pcr_read(16), value, "must-exist: and it is that TPM")
    with Emulator(state=f"{kept},must-exist") as e:
        tap.equal(e.control().init(0), 0, "must-exist: a TPM that is there starts")
    result = run(PROGRAM, "socket", "--tpm2", "--flags", "not-need-init", "--tpmstate", f"dir={NEW},must-exist",
                 "--ctrl", f"type=unixio,path={BASE}/c")
    tap.ok(result.returncode == 1 and "must-exist" in result.stderr,
           "must-exist: with --flags not-need-init it is an error at start", result.stderr)


def test_reasons():
    with Emulator() as e:
        control = e.control()
        tpm = control.data()
        tap.equal(tpm.run(0x17B, parameters=b"\0\x08")[0], 0x101, "off: a command is answered with 0x101")
        tpm.run(0x17B, parameters=b"\0\x08")
        tap.equal(len(re.findall("0x17b: answered with 0x101, the TPM is off", e.messages())), 1,
                  "off: the reason is logged, once")
        control.init(0)
        tap.equal(tpm.startup(), 0, "then it works")
    with Emulator("--locality", "reject-locality-4") as e:
        _, tpm = e.start()
        tap.equal(tpm.run(0x20001000, parameters=b"\x01")[0], 0x101, "SetLocality that is not allowed: 0x101")
        tap.ok("allow-set-locality" in e.messages(), "the log says what is missing")
    with Emulator("--log", f"file={BASE}/log,level=2,prefix=[id=7] ") as e:
        e.start()
    with open(f"{BASE}/log", encoding="utf-8") as f:
        lines = f.read().splitlines()
    tap.ok(lines and all(s.startswith("[id=7] ") for s in lines), "every line has the prefix, blanks and all",
           lines)
    tap.ok(any(s.startswith("[id=7]  ") for s in lines), "messages of level 2 are indented", lines)


def qemu_power_on(control, size, flags=0):
    """What QEMU sends at start and at each reset."""
    results = [control.stop(), control.buffersize(0)[0] - 4096, control.stop(),
               control.buffersize(size)[0] - size]
    return results + [control.init(flags)]


def test_tpm12():
    """QEMU's way through the control channel, tpm-tis with a TPM 1.2."""
    with Emulator(tpm2=False) as e, Emulator(tpm2=False) as other:
        control = e.control()
        tpm = vtpm.data12(control)
        probe2 = tpm.command(bytes.fromhex("80010000000a00000181"))
        probe1 = tpm.command(bytes.fromhex("00c10000000a000000f1"))
        tap.equal((probe2, probe1), (bytes.fromhex("00c40000000a00000009"),) * 2,
                  "1.2: probes while it is off tell the version by their tag")
        tap.equal(control.capability(), 0x17FFF, "1.2: capabilities")
        tap.equal(qemu_power_on(control, 4096), [0] * 5, "1.2: STOP, SET_BUFFERSIZE, INIT")
        tap.equal(control.established(), 0, "1.2: not established")
        tap.equal([control.set_locality(n) for n in (0, 3, 5)], [0, 0, 0x3D], "1.2: localities")
        control.set_locality(0)
        tap.equal(control.hash_start(), 0x26, "1.2: HASH_START before Startup")
        tap.equal(tpm.startup12(), 0x1C, "1.2: after which the TPM is in failed mode, as libtpms has it")
        tap.equal(qemu_power_on(control, 4096), [0] * 5, "1.2: until it is switched on again")
        tap.equal((tpm.startup12(), tpm.run12(0x50)[0]), (0, 0), "1.2: Startup, SelfTestFull")
        fresh = tpm.pcr(10)
        tap.equal((fresh, tpm.extend(10)), (bytes(20), 0), "1.2: PCR 10 is extended")
        value = tpm.pcr(10)
        tap.ok(value != fresh, "1.2: and has changed")
        tap.equal((control.hash_start(), control.hash_data(b"measured"), control.hash_end()), (0, 0, 0),
                  "1.2: a measured launch")
        tap.equal(control.established(), 1, "1.2: sets the bit")
        tap.equal((control.reset_established(3), control.established()), (0, 0), "1.2: which is reset")
        launch = tpm.pcr(17)
        tap.equal(tpm.extend(10), 0, "1.2: another value")
        value = tpm.pcr(10)
        tap.equal(control.cancel(), 9, "1.2: CANCEL")
        tap.equal(control.plain(vtpm.SET_BUFFERSIZE, struct.pack(">I", 3072)), 10, "1.2: no SET_BUFFERSIZE while it runs")
        # Migration: QEMU fetches the three, the other side sets what there is.
        blobs = {kind: control.get_blob(kind)[3] for kind in (1, 2)}
        tap.equal(control.get_blob(3)[0], 0x800, "1.2: no third one without SaveState")
        target = other.control()
        tap.equal([target.stop()] + [target.set_blob(k, b) for k, b in blobs.items()], [0, 0, 0],
                  "1.2: the other takes the blobs")
        tap.equal(qemu_power_on(target, 4096, 1), [0] * 5, "1.2: and starts from them")
        moved = vtpm.data12(target)
        tap.equal((moved.pcr(10), moved.pcr(17)), (value, launch), "1.2: with the PCRs")
        tap.equal(moved.startup12(), 0x26, "1.2: and it is started up already")
        target.stop()
        target.init(0)
        tap.ok(moved.startup12(2) != 0, "1.2: Startup(STATE) does not bring back what was not saved")
        # Reboot of the guest.
        tap.equal(qemu_power_on(target, 4096), [0] * 5, "1.2: reset")
        tap.equal((moved.startup12(), moved.pcr(10)), (0, fresh), "1.2: PCR 10 starts anew")
        tap.equal(moved.run12(0x98)[0], 0, "1.2: SaveState")
        tap.equal(target.get_blob(3)[0], 0, "1.2: then there is a third blob")
        tap.equal(qemu_power_on(target, 4096), [0] * 5, "1.2: power cycle")
        tap.equal(moved.startup12(2), 0, "1.2: Startup(STATE)")
        tap.equal(target.shutdown(), 0, "1.2: SHUTDOWN")
        tap.equal(other.wait(), 0, "1.2: and it ends")
    for kind, code in (("startup-clear", 0x26), ("startup-deactivated", 0x26), ("not-need-init", 0)):
        with Emulator("--flags", kind, tpm2=False) as e:
            tap.equal(vtpm.data12(e.control()).startup12(), code, f"1.2: --flags {kind}")


for test in [f for n, f in sorted(globals().items()) if n.startswith("test_")]:
    try:
        test()
    except Exception as problem:  # pylint: disable=broad-except
        tap.ok(False, f"{test.__name__} went through", repr(problem))
shutil.rmtree(BASE, ignore_errors=True)
sys.exit(tap.finish())
