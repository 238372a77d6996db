#!/usr/bin/python3
"""gates.py - what the sources promise and no compiler checks.

Usage: gates.py GATE, one of: includes, sizes, globals, files, formatting, shellcheck, options.
Prints TAP. Reads the include table from HACKING.md and the exceptions from tests/source/exceptions.
An exception that is no longer needed fails the gate: the list only shrinks.
SPDX-License-Identifier: BSD-3-Clause
"""
import os
import re
import shutil
import subprocess
import sys

SRC = os.environ.get("top_srcdir", ".")
BUILD = os.environ.get("top_builddir", ".")
FUNCTION_LINES, COMPLEXITY, FILE_LINES = 100, 15, 1000
results = []


def check(name, problems):
    """One TAP line; the problems, if any, as its diagnostics."""
    results.append(not problems)
    print(f"{'not ' if problems else ''}ok {len(results)} - {name}")
    for problem in problems:
        print(f"#   {problem}")


def skip(name, reason):
    results.append(True)
    print(f"ok {len(results)} - {name} # SKIP {reason}")


def sources(*suffixes, below=("src", "include", "tests")):
    found = []
    for top in below:
        for folder, _, names in os.walk(os.path.join(SRC, top)):
            found += [os.path.join(folder, n) for n in names if n.endswith(suffixes)]
    return sorted(found)


def relative(path):
    return os.path.relpath(path, SRC)


def read(path):
    with open(path, encoding="utf-8") as handle:
        return handle.read()


def exceptions(kind):
    """Lines "KIND WHAT LIMIT reason" of the exception list, as {what: limit}."""
    found = {}
    for line in read(os.path.join(SRC, "tests/source/exceptions")).splitlines():
        words = line.split(None, 3)
        if len(words) == 4 and words[0] == kind:
            found[words[1]] = words[2]
    return found


def include_table():
    """HACKING.md's folder table: {folder: (allowed folders, allowed system headers)}."""
    table = {}
    for line in read(os.path.join(SRC, "HACKING.md")).splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`src/"):
            folder = cells[0].strip("`").removeprefix("src/").rstrip("/")
            allowed = set(re.findall(r"[a-z0-9_/]+", cells[2])) - {"none"}
            table[folder] = (allowed, set(re.findall(r"`<([^>]+)>`", cells[3])))
    return table


RESTRICTED = ("libtpms/", "tss2/", "gnutls/", "libtasn1.h", "seccomp.h", "openssl/",
              "json-glib/", "fuse", "cuse", "linux/landlock.h", "linux/vtpm_proxy.h")


def includes():
    table = include_table()
    check("HACKING.md has a row for every folder of src",
          [f"no row: src/{f}" for f in
           sorted({folder_of(p) for p in sources(".c", ".h", below=("src",))}) if f not in table])
    problems = []
    for path in sources(".c", ".h", below=("src",)):
        folder = folder_of(path)
        allowed, system = table.get(folder, (set(), set()))
        for line in read(path).splitlines():
            match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if match:
                problems += include_problem(relative(path), folder, allowed, system, *match.groups())
    check("includes run downward as HACKING.md says", problems)
    check("an edge that is not in the table is found",
          [] if include_problem("src/base/x.c", "base", set(), set(), '"', "engine/engine.h") and
          include_problem("src/base/x.c", "base", set(), set(), "<", "gnutls/x509.h") else
          ["the check accepts a wrong edge"])


def folder_of(path):
    folder = os.path.dirname(os.path.relpath(path, os.path.join(SRC, "src")))
    return folder


def include_problem(path, folder, allowed, system, kind, name):
    if kind == "<":
        hit = [r for r in RESTRICTED if name.startswith(r)]
        if hit and not any(name.startswith(s.rstrip("*")) for s in system):
            return [f"{path}: <{name}> is not for this folder"]
        return []
    if name in ("config.h", "holdfast/control.h"):
        return []
    target = os.path.dirname(name)
    if not target:
        return [f'{path}: "{name}" has no folder']
    if target != folder and target not in allowed:
        return [f'{path}: "{name}": {folder} may not include {target}']
    return []


def sizes():
    if not shutil.which("pmccabe"):
        skip("functions and files are small", "pmccabe is not installed")
        return
    allowed = exceptions("function")
    problems, used = [], set()
    # tests included: a test that nobody can read proves nothing
    output = subprocess.run(["pmccabe", *sources(".c")], capture_output=True, text=True, check=True)
    for line in output.stdout.splitlines():
        words = line.split("\t")
        complexity, lines = int(words[0]), int(words[4])
        match = re.match(r"(.*)\(\d+\): (.*)", words[5])
        name = relative(match.group(1)) + ":" + match.group(2)
        if lines > FUNCTION_LINES or complexity > COMPLEXITY:
            limit = allowed.get(name)
            used.add(name)
            if not limit or lines > int(limit.split("/")[0]) or complexity > int(limit.split("/")[1]):
                problems.append(f"{name}: {lines} lines, complexity {complexity}"
                                f" (limits {FUNCTION_LINES} and {COMPLEXITY})")
    problems += [f"exception no longer needed: {n}" for n in allowed if n not in used]
    check(f"functions: at most {FUNCTION_LINES} lines, complexity {COMPLEXITY}", problems)
    allowed, problems = exceptions("file"), []
    for path in sources(".c", ".h", ".sh", ".py"):
        lines, name = read(path).count("\n"), relative(path)
        if lines > int(allowed.get(name, FILE_LINES)):
            problems.append(f"{name}: {lines} lines")
        elif name in allowed and lines <= FILE_LINES:
            problems.append(f"exception no longer needed: {name}")
    check(f"files: at most {FILE_LINES} lines", problems)


def globals_():
    if not shutil.which("nm"):
        skip("writable globals", "nm is not installed")
        return
    allowed, problems, used, seen = exceptions("global"), [], set(), 0
    for folder, _, names in os.walk(os.path.join(BUILD, "src")):
        for name in (n for n in names if n.endswith(".o")):
            seen += 1
            path = os.path.join(folder, name)
            output = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
            for line in output.splitlines():
                words = line.split()
                if len(words) != 3 or words[1] not in "bBdDcC":
                    continue
                symbol = re.sub(r"\.\d+$", "", words[2])
                if symbol.startswith((".", "__")) or re.match(r"(q|g_define_type_id).*", symbol):
                    continue  # compiler's own; GQuark of the error domain, set once
                if relocated_only(path, symbol):
                    continue
                used.add(symbol)
                if symbol not in allowed:
                    problems.append(f"{os.path.relpath(path, BUILD)}: {symbol}")
    if seen == 0:
        check("writable globals", ["no object files: build first"])
        return
    if not sanitized():
        problems += [f"exception no longer needed: {n}" for n in allowed if n not in used]
    check("no writable globals but the named ones", problems)


def relocated_only(path, symbol):
    """Constant data with addresses in it (.data.rel.ro) is written by the loader alone."""
    output = subprocess.run(["objdump", "-t", path], capture_output=True, text=True, check=True)
    pattern = re.compile(r"\s(\.data\.rel\.ro\S*)\s.*\s" + re.escape(symbol) + r"(\.\d+)?$", re.M)
    return bool(pattern.search(output.stdout))


def sanitized():
    return "#define HF_SANITIZERS" in read(os.path.join(BUILD, "config.h"))


def built():
    """What is in the repository and was made by a compiler; nothing where there is no repository."""
    listed = subprocess.run(["git", "-C", SRC, "ls-files", "-z"], capture_output=True, text=True,
                            check=False).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        path = os.path.join(SRC, name)
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as handle:
                if handle.read(8).startswith((b"\x7fELF", b"!<arch>\n")):
                    found.append(f"{name}: a program or library, expected sources only")
    return found


def files():
    problems, names = [], {}
    for path in sources(".c", ".h"):
        names.setdefault(os.path.basename(path), []).append(relative(path))
        lines = read(path).splitlines()
        end = next((i for i, l in enumerate(lines[:40]) if "*/" in l), 0)
        head = "\n".join(lines[:end + 1])
        if not lines or not lines[0].startswith("/*") or end < 3:
            problems.append(f"{relative(path)}: does not open with a comment that says what it is for")
        if "SPDX-License-Identifier: BSD-3-Clause" not in head:
            problems.append(f"{relative(path)}: no SPDX line in its first comment")
    check("every file opens with what it is for", problems)
    check("basenames are unique", [f"{n}: {' '.join(p)}" for n, p in names.items() if len(p) > 1])
    check("nothing that was built is in the repository", built())
    check("no goto, no TODO", [f"{relative(p)}:{i}: {l.strip()}" for p in sources(".c", ".h")
                               for i, l in enumerate(read(p).splitlines(), 1)
                               if re.search(r"\bgoto\b.*;|\bTODO\b|\bFIXME\b|\bXXX\b(?!X)", l)
                               and "XXXXXX" not in l])


def formatting():
    if not shutil.which("clang-format"):
        skip("clang-format", "clang-format is not installed")
        return
    run = subprocess.run(["clang-format", "--style=file", "--dry-run", "-Werror",
                          *[os.path.abspath(p) for p in sources(".c", ".h")]],
                         capture_output=True, text=True, cwd=SRC, check=False)
    wrong = sorted({relative(l.split(":")[0]) for l in run.stderr.splitlines() if "error:" in l})
    check("clang-format has nothing to change", wrong)


def scripts():
    found = []
    for top in ("tests", "samples", "contrib", ".ci", "."):
        base = os.path.join(SRC, top)
        for folder, folders, names in os.walk(base):
            folders[:] = [] if top == "." else folders
            for name in names:
                path = os.path.join(folder, name)
                if os.path.islink(path) or (top == "." and name != "autogen.sh"):
                    continue  # configure and its like are made, not written
                with open(path, "rb") as handle:
                    first = handle.readline(80)
                if re.match(rb"#!\s*/\S*(\s\S*)?\b(ba)?sh\b", first) or b"shellcheck shell=" in first:
                    found.append(path)
    return sorted(set(found))


def shellcheck():
    if not shutil.which("shellcheck"):
        skip("shellcheck", "shellcheck is not installed")
        return
    problems = []
    for path in scripts():
        run = subprocess.run(["shellcheck", "--external-sources", "--source-path", SRC,
                              "--format=gcc", path], capture_output=True, text=True, check=False)
        problems += [l.replace(SRC + "/", "") for l in run.stdout.splitlines()]
    check(f"shellcheck: {len(scripts())} scripts", problems)


def swtpm_pages():
    """Which page tells what a program of swtpm's name does: {name: page}; from Makefile.am."""
    text = read(os.path.join(SRC, "Makefile.am")).replace("\\\n", " ")
    pairs = re.search(r"^swtpm_pages = (.*)", text, re.M).group(1).split()
    return {name.removesuffix(".8"): page for name, page in (pair.split(":") for pair in pairs) if name.endswith(".8")}


def programs():
    """Ours, and those of swtpm's names."""
    own = [n for n in os.listdir(BUILD)
           if re.fullmatch(r"holdfast(-[a-z]+)?", n) and os.access(os.path.join(BUILD, n), os.X_OK)
           and os.path.isfile(os.path.join(BUILD, n))]
    links = os.path.join(BUILD, "swtpm-names")
    return sorted(own) + [os.path.join("swtpm-names", n) for n in sorted(os.listdir(links))]


def help_of(program, *command):
    run = subprocess.run([os.path.join(BUILD, program), *command, "--help"],
                         capture_output=True, text=True, check=True)
    return run.stdout


def options():
    found = programs()
    if not found:
        check("programs are built", ["none found"])
    for program in found:
        name = program.removeprefix("swtpm-names/")
        page = swtpm_pages().get(name, "none") if name != program else f"{program}.1"
        pod = os.path.join(SRC, "man", f"{page}.pod")
        if not os.path.exists(pod):
            check(f"{program}: has a manual page", [relative(pod)])
            continue
        text, page = help_of(program), read(pod)
        told = set(re.findall(r"^\s+(?:-\w, )?--?([a-z][\w-]*)", text, re.M)) - {"help", "version",
                                                                               "print-completion"}
        subs = set(re.findall(r"^ {20,}([a-z][\w-]*)(?:=| *$|: )", text, re.M))
        documented = set(re.findall(r"^=item B<(?:-\w>, B<)?--?([\w-]+)", page, re.M))
        problems = [f"--{o}: not in the manual" for o in sorted(told - documented)]
        problems += [f"--{o}: in the manual, not in the program"
                     for o in sorted(documented - told - {"help", "version", "print-completion"})]
        problems += [f"sub-option {s}: not in the manual" for s in sorted(subs)
                     if not re.search(r"B<" + re.escape(s) + r"(?:=|>)", page)]
        commands = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.M)
        for line in commands.group(1).splitlines() if commands else []:
            name = line.split()[0]
            if not re.search(r"^=(?:item|head2|head3) B<(?:\S+ )?" + re.escape(name) + r"[> ]", page, re.M):
                problems.append(f"command {name}: not in the manual")
        check(f"{program}: options and manual agree ({len(told)} options)", problems)
        completion = subprocess.run([os.path.join(BUILD, program), "--print-completion"],
                                    capture_output=True, text=True, check=True).stdout
        bash = subprocess.run(["bash", "-n"], input=completion, capture_output=True, text=True,
                              check=False)
        missing = [f"--{o}: not completed" for o in sorted(told) if f"-{o}" not in completion]
        check(f"{program}: completion is bash and knows every option", missing + bash.stderr.splitlines())


GATES = {"includes": includes, "sizes": sizes, "globals": globals_, "files": files,
         "formatting": formatting, "shellcheck": shellcheck, "options": options}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in GATES:
        print(__doc__, file=sys.stderr)
        return 2
    GATES[sys.argv[1]]()
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
