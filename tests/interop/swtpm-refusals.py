"""swtpm-refusals.py - command lines that are wrong, given to ours under swtpm's names and to Debian's programs.

A value that is missing, a value that is wrong, a name that is unknown, things that exclude each other: where swtpm
refuses ours does, with the same exit code, and says why in one message that is no page of usage; files stay as they are.
MEANT has what ours refuses though swtpm goes on: each is something else than what was written.

SPDX-License-Identifier: BSD-3-Clause
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from vtpm import Tap  # noqa: E402  pylint: disable=wrong-import-position

tap = Tap()
NAMES = os.path.join(os.path.abspath(os.environ.get("top_builddir", ".")), "swtpm-names")
DEBIAN = "/usr/bin"
MODULUS = "c" + "5" * 511

EMULATOR = "socket --tpm2 --tpmstate dir=st --ctrl type=unixio,path=c"
SETUP = "--tpm2 --tpmstate st"
LOCALCA = ("--type ek --dir . --vmid x --tpm2 --configfile localca.conf --optsfile empty --tpm-spec-family 2.0 --tpm-spec-level 0 "
           "--tpm-spec-revision 164 --tpm-manufacturer id:00001014 --tpm-model swtpm --tpm-version id:1")
CERT = ("--signkey k.pem --issuercert c.pem --out-cert out --tpm-manufacturer id:1 --tpm-model m --tpm-version id:1 "
        "--tpm-spec-family 2.0 --tpm-spec-level 0 --tpm-spec-revision 164 --tpm2")

# Program, what stands before, option, values; "" is an empty value, None none at all.
ENDPOINTS = ["type=tcp,port=-1", "type=tcp,port=abc", "type=tcp,port=70000", "type=tcp,port=7003,bindaddr=nonsense",
             "type=tcp,port=7003,nonsense", "type=tcp,port=7003,nonsense=1", "type=nonsense", "type=unixio", "type=unixio,path=",
             "type=unixio,path=/nonexistent/x", "type=unixio,path=dir", "type=unixio,path=s,mode=999", "type=unixio,path=s,mode=1777",
             "type=unixio,path=s,mode=x", "type=unixio,path=s,uid=nonsense", "type=unixio,path=s,gid=nonsense",
             "type=unixio,path=" + "x" * 120, "type=unixio,fd=1", "type=unixio,fd=abc", "type=tcp,fd=77", "type=tcp,fd=1", "path=s",
             "type", "=", "type=", "type=tcp,port", "type=tcp,port=", "type = tcp"]
KEYS = ["file", "file=", "file=nonexistent", "file=badkey", "file=empty", "file=st", "file=key256", "file=key,mode=aes-256-cbc",
        "file=key,mode=nonsense", "file=key,mode=", "file=key,format=nonsense", "file=key,nonsense", "pwdfile",
        "pwdfile=nonexistent", "pwdfile=pwd,kdf=nonsense", "fd=77", "fd=abc", "pwdfd=77", "mode=aes-cbc", "kdf=sha512", "key", "nonsense",
        "", None]
REFUSED = [
    ("swtpm", "", "", [None, "nonsense"]),
    ("swtpm", EMULATOR, "", ["extra", "--nonsense", "-Z"]),
    ("swtpm", EMULATOR, "--port", [None, "-1", "65536", "99999999999", "abc", "1x"]),
    ("swtpm", EMULATOR, "-p", [None, "65536"]),
    ("swtpm", EMULATOR, "--fd", [None, "", "0", "1", "2", "77", "-1", "abc", "3x"]),
    ("swtpm", EMULATOR, "--server", [*ENDPOINTS, "", None]),
    ("swtpm", "socket --tpm2 --tpmstate dir=st", "--ctrl", [
        *ENDPOINTS, "type=unixio,clientfd=77", "type=unixio,clientfd=1", "type=unixio,fd=5,clientfd=6", "type=tcp,clientfd=77", "", None]),
    ("swtpm", "socket --tpm2 --ctrl type=unixio,path=c --flags not-need-init", "--tpmstate", [
        "", None, "dir", "dir=", "dir=nonexistent", "dir=file", "nonsense", "nonsense=1", "dir=st,mode=abc", "dir=st,mode=1777", "dir=st,mode=",
        "backend-uri=", "backend-uri=nonsense", "backend-uri=file:///nonexistent/x", "backend-uri=dir://nonexistent",
        "backend-uri=nbd://x", "/st"]),
    ("swtpm", EMULATOR, "--key", KEYS),
    ("swtpm", EMULATOR, "--migration-key", KEYS),
    ("swtpm", EMULATOR, "--log", ["file=", "file=/nonexistent/l", "file=st", "fd=abc", "file=l,level=abc", "file=l,level=",
                                  "file=l,nonsense", "file=l,prefix=", "nonsense", None]),
    ("swtpm", EMULATOR, "--locality", ["nonsense", None]),
    ("swtpm", EMULATOR, "--pid", ["file=", "file=/nonexistent/p", "file=st", "fd=77", "fd=abc", "fd=-1", "nonsense", "", None]),
    ("swtpm", EMULATOR, "--flags", ["nonsense", "startup-nonsense", None]),
    ("swtpm", EMULATOR, "--seccomp", ["action", "action=", "action=nonsense", "nonsense", "action=none,nonsense", None]),
    ("swtpm", EMULATOR, "--runas", ["no-such-user", "99999999999", "-1", None]),
    ("swtpm_setup", "", "", [None, "--nonsense", "extra", "--tpm2", "--tpmstate"]),
    ("swtpm_setup", "--tpm2", "--tpmstate", ["", None, "nonexistent", "file", "nbd://x", "file:///nonexistent/x", "file://"]),
    ("swtpm_setup", SETUP, "", ["--nonsense", "--take-ownership", "--decryption=1", "--createe=1", "-c"]),
    ("swtpm_setup", SETUP, "--config", ["", None, "nonexistent"]),
    ("swtpm_setup", SETUP, "--keyfile", ["", None, "nonexistent", "badkey", "st"]),
    ("swtpm_setup", SETUP, "--keyfile-fd", [None, "nonsense", "77"]),
    ("swtpm_setup", SETUP, "--pwdfile", [None, "nonexistent", "st"]),
    ("swtpm_setup", SETUP, "--pwdfile-fd", [None, "nonsense", "77"]),
    ("swtpm_setup", SETUP, "--cipher", ["", None, "nonsense"]),
    ("swtpm_setup", SETUP, "--pcr-banks", [None, "md5", "SHA256"]),
    ("swtpm_setup", SETUP + " --createek", "--rsa-keysize", ["", None, "0", "1024", "-1", "2048x", "nonsense"]),
    ("swtpm_setup", SETUP, "--runas", [None, "no-such-user"]),
    ("swtpm_setup", SETUP, "--write-ek-cert-files", [None, "nonexistent"]),
    ("swtpm_setup", SETUP, "--logfile", [None, "/nonexistent/l", "st"]),
    ("swtpm_setup", SETUP + " --create-ek-cert", "--config", ["badtool.conf", "falsetool.conf"]),
    ("swtpm_setup", "--tpmstate st", "", ["--ecc", "--create-spk", "--reconfigure"]),
    ("swtpm_localca", LOCALCA, "--ek", ["", None, "xyz", "x=1,y=2", "x=zz,y=2,id=secp384r1", MODULUS + "z"]),
    ("swtpm_localca", f"{LOCALCA} --ek {MODULUS}", "", ["--type=nonsense", "--dir=nonexistent", "--configfile=nonexistent",
                                                       "--configfile=nostate.conf", "--tpm-spec-revision=-1"]),
    ("swtpm_cert", CERT, "--modulus", ["xx", "", None]),
    ("swtpm_cert", CERT, "", ["--nonsense", "--ecc-x=11", "--pubkey=nonexistent", "--pubkey=file"]),
    ("swtpm_cert", f"{CERT} --modulus {MODULUS}", "", [
        "--signkey=nonexistent", "--signkey=file", "--issuercert=file", "--issuercert=nonexistent", "--out-cert=/nonexistent/x",
        "--type=nonsense", "--signkey-pwd=file:nonexistent", "--signkey-pwd=fd:77", "--signkey"]),
    ("swtpm_ioctl", "", "", [None, "--nonsense", "--unix", "--tcp", "-l", "--save", "--load", "-b", "--info"]),
    ("swtpm_ioctl", "--unix nonexistent", "", ["-c", "-l x", "-r 99", "--save permanent", "--load permanent nonexistent", "-b -1"]),
    ("swtpm_bios", "", "", ["--nonsense", "-x", "--tcp", "--unix", "--unix nonexistent", "--tpm-device nonexistent", "--tcp :x"]),
]

MEANT = [
    ("swtpm", EMULATOR + " --server type=tcp,port=7003,disconnect=yes", "swtpm reads 'yes' as no"),
    ("swtpm", EMULATOR + " --flags not-need-init=maybe", "... and this as no, too"),
    ("swtpm", EMULATOR + " --server type=tcp,port=7003,path=s", "a path that nobody serves"),
    ("swtpm", EMULATOR + " --server type=unixio,path=s,port=7003", "a port that nobody serves"),
    ("swtpm", EMULATOR + " --server type=unixio,path=c", "the second socket takes the name of the first away"),
    ("swtpm", EMULATOR + " --server type=tcp,port=0", "a port that nobody knows"),
    ("swtpm", EMULATOR + " --flags startup-clear,startup-state", "one of both counts, which is not said"),
    ("swtpm", EMULATOR + " --key file=key,pwdfile=pwd", "one of both keys counts, which is not said"),
    ("swtpm", EMULATOR + " --key pwdfile=empty", "the empty passphrase, mostly of a pipe that broke"),
    ("swtpm", EMULATOR + " --log file", "a log in the file 'true'"),
    ("swtpm", EMULATOR + " --log file=l,fd=2", "one of both counts"),
    ("swtpm", EMULATOR + " --pid file", "a pid file of the name 'true'"),
    ("swtpm", "socket --tpm2 --ctrl type=unixio,path=c", "INIT would fail: there is no place for the state"),
    ("swtpm", "socket --tpm2 --ctrl type=unixio,path=c --tpmstate dir=nonexistent", "INIT would fail"),
    ("swtpm", "socket --tpm2 --ctrl type=unixio,path=c --tpmstate backend-uri=file://file --flags not-need-init",
     "what was in the file would be lost"),
    ("swtpm", "socket --tpm2 --ctrl type=unixio,path=c --tpmstate dir=st,backend-uri=dir://dir", "one of both counts"),
    ("swtpm_setup", SETUP + " --keyfile key --pwdfile pwd", "one of both counts"),
    ("swtpm_setup", SETUP + " --pwdfile empty", "the empty passphrase"),
    ("swtpm_setup", SETUP + " --reconfigure --pcr-banks sha1", "there is no TPM to reconfigure; swtpm makes one without keys"),
    ("swtpm_setup", SETUP + " --pcr-banks sha256,sha265", "a bank that does not exist is left out without a word"),
    ("swtpm_setup", "--tpm2 --tpmstate file://file", "what was in the file would be lost"),
    ("swtpm_setup", "--tpmstate st --allow-signing", "for TPM 2.0 alone, as newer swtpm says"),
    ("swtpm_setup", "--tpmstate st --pcr-banks sha1", "for TPM 2.0 alone, as newer swtpm says"),
]


def prepare():
    def put(name, text):
        with open(name, "w", encoding="ascii") as f:
            f.write(text)
    for name in ("st", "dir", "ca"):
        os.mkdir(name)
    put("key", "00" * 16)
    put("key256", "00" * 32)
    put("badkey", "xx")
    put("pwd", "secret")
    put("empty", "")
    put("file", "somebody's\n" * 100)
    put("localca.conf", "".join(f"{key} = {os.getcwd()}/ca{name}\n" for key, name in (
        ("statedir", ""), ("signingkey", "/k"), ("issuercert", "/c"), ("certserial", "/s"))))
    put("nostate.conf", "signingkey = x\n")
    put("badtool.conf", "create_certs_tool = /nonexistent/tool\n")
    put("falsetool.conf", "create_certs_tool = /bin/false\n")
    subprocess.run(("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-keyout", "k.pem", "-out", "c.pem"),
                   check=True, stderr=subprocess.DEVNULL)


def tree():
    """What is there, but what a program may leave behind of itself: logs, pid files, a CA, .lock."""
    found = {}
    for where, _, names in os.walk("."):
        for name in names:
            path = os.path.join(where, name)
            if name not in ("l", "p", "s", "c", ".lock") and not path.startswith("./ca/") and os.path.isfile(path):
                with open(path, "rb") as f:
                    found[path] = f.read()
    return found


def call(where, program, words):
    try:
        done = subprocess.run((os.path.join(where, program), *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=60, check=False)
        return done.returncode, done.stderr.strip(), done.stdout.strip()
    except subprocess.TimeoutExpired:
        return "it goes on", "", ""


def said(program, text, output):
    """One message; tools that keep a log say in it how far they came, too, and swtpm_ioctl and swtpm_bios as much as swtpm's."""
    lines = [line for line in text.splitlines() if not line.startswith("Try '")]
    if program == "swtpm":
        return len(lines) == 1 and not output
    return program in ("swtpm_ioctl", "swtpm_bios") or (text + output != "" and not text.startswith("Usage"))


def refused(program, words, reason=None):
    before = tree()
    code, text, output = call(NAMES, program, words)
    right = before == tree() and said(program, text, output)
    shown = " ".join(word if len(word) < 100 else word[:20] + "..." for word in [program, *words] if word not in EMULATOR.split())
    if reason:
        tap.ok(code == 1 and right, f"{shown}: {reason}", f"{code}: {text} {output}")
    else:
        theirs = call(DEBIAN, program, words)[0]
        tap.ok(code == theirs and right, f"{shown}: exit code {theirs}", f"ours {code}: {text} {output}")


if not os.access(f"{DEBIAN}/swtpm_setup", os.X_OK) or os.path.islink(f"{DEBIAN}/swtpm_setup"):
    print("1..0 # SKIP Debian's swtpm and swtpm-tools are not installed")
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="hf-test.") as base:
    os.chdir(base)
    os.environ["XDG_CONFIG_HOME"] = base
    prepare()
    for name, words, option, values in REFUSED:
        for value in values:
            given = [option] if option else []
            given += [] if value is None else value.split() if not option else [value]
            refused(name, words.split() + given)
            subprocess.run("rm -rf st; mkdir st", shell=True, check=True)
    for name, words, why in MEANT:
        refused(name, words.split(), why)
    os.chdir("/")
sys.exit(tap.finish())
