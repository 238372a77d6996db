#!/usr/bin/python3
"""coverage.py - how much of each folder of src the tests have run: coverage.py BUILD [FILE].

Reads what a build with CFLAGS='-O0 -g --coverage' has left (gcov, of gcc). A line or branch that
several programs share counts as run when one of them ran it. With FILE: that file's lines that were
never run.
SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import json
import os
import subprocess
import sys


def gcov(build):
    """{source: ({line: runs}, {(line, branch): runs})}"""
    lines = collections.defaultdict(collections.Counter)
    branches = collections.defaultdict(collections.Counter)
    notes = [os.path.join(folder, name) for folder, _, names in os.walk(build)
             for name in names if name.endswith(".gcda")]
    for start in range(0, len(notes), 50):
        said = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities"]
                              + [os.path.relpath(n, build) for n in notes[start:start + 50]],
                              cwd=build, capture_output=True, check=True, text=True).stdout
        for text in said.splitlines():
            for entry in json.loads(text)["files"]:
                for line in entry["lines"]:
                    lines[entry["file"]][line["line_number"]] += line["count"]
                    for i, branch in enumerate(line["branches"]):
                        if not branch["throw"]:
                            branches[entry["file"]][line["line_number"], i] += branch["count"]
    return lines, branches


def share(runs):
    return sum(1 for n in runs if n > 0), len(runs)


def main():
    build = sys.argv[1]
    lines, branches = gcov(build)
    if len(sys.argv) > 2:
        never = sorted(n for n, runs in lines[sys.argv[2]].items() if runs == 0)
        print(*never, sep="\n")
        return
    folders = collections.defaultdict(lambda: [0, 0, 0, 0])
    for source in lines:
        if source.startswith("src/"):
            found = share(lines[source].values()) + share(branches[source].values())
            total = folders[os.path.dirname(source)]
            folders[os.path.dirname(source)] = [a + b for a, b in zip(total, found)]
    print(f"{'folder':24}{'lines':>8}{'run':>9}{'branches':>12}{'run':>9}")
    for folder, (ran, all_lines, taken, all_branches) in sorted(folders.items()):
        print(f"{folder:24}{all_lines:8}{100 * ran / all_lines:8.1f}%{all_branches:12}"
              f"{100 * taken / max(all_branches, 1):8.1f}%")


if __name__ == "__main__":
    main()
