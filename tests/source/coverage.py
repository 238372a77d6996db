#!/usr/bin/python3
"""coverage.py - how much of each folder of src the tests have run.

coverage.py BUILD [--at-least PERCENT FOLDER...]   a table; fails when one of these is below
coverage.py BUILD FILE                             that file's lines that were never run
coverage.py BUILD --files FOLDER                   a table of the folder's files

Reads what a build with --enable-coverage has left (gcov, of gcc). A line or branch that several
programs share counts as run when one of them ran it, and what no test has started counts as never run.
SPDX-License-Identifier: BSD-3-Clause
"""
import collections
import json
import os
import subprocess
import sys

SRC = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def gcov(build):
    """{source: ({line: runs}, {(line, branch): runs})}"""
    lines = collections.defaultdict(collections.Counter)
    branches = collections.defaultdict(collections.Counter)
    notes = [os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(build, "src"))
             for name in names if name.endswith(".gcno")]
    for start in range(0, len(notes), 50):
        said = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities"]
                              + [os.path.relpath(n, build) for n in notes[start:start + 50]],
                              cwd=build, capture_output=True, check=True, text=True).stdout
        for text in said.splitlines():
            report = json.loads(text)
            for entry in report["files"]:
                name = os.path.relpath(os.path.join(report["current_working_directory"], entry["file"]), SRC)
                for line in entry["lines"]:
                    lines[name][line["line_number"]] += line["count"]
                    for i, branch in enumerate(line["branches"]):
                        if not branch["throw"]:
                            branches[name][line["line_number"], i] += branch["count"]
    return lines, branches


def share(runs):
    return sum(1 for n in runs if n > 0), len(runs)


def table(lines, branches, sources, group):
    """{name: share of the lines}, and prints it with the branches."""
    totals = collections.defaultdict(lambda: [0, 0, 0, 0])
    for source in sources:
        found = share(lines[source].values()) + share(branches[source].values())
        name = group(source)
        totals[name] = [a + b for a, b in zip(totals[name], found)]
    print(f"{'':40}{'lines':>8}{'run':>9}{'branches':>12}{'run':>9}")
    for name, (ran, all_lines, taken, all_branches) in sorted(totals.items()):
        print(f"{name:40}{all_lines:8}{100 * ran / all_lines:8.1f}%{all_branches:12}"
              f"{100 * taken / max(all_branches, 1):8.1f}%")
    return {name: 100 * total[0] / total[1] for name, total in totals.items()}


def main():
    build, *rest = sys.argv[1:]
    lines, branches = gcov(build)
    ours = [source for source in lines if source.startswith("src/")]
    if rest and rest[0] == "--files":
        table(lines, branches, [s for s in ours if os.path.dirname(s) == rest[1]], str)
        return 0
    if rest and rest[0] != "--at-least":
        print(*sorted(n for n, runs in lines[rest[0]].items() if runs == 0), sep="\n")
        return 0
    found = table(lines, branches, ours, os.path.dirname)
    low = [f for f in rest[2:] if found.get(f, 0) < float(rest[1])]
    for folder in low:
        print(f"{folder}: {found.get(folder, 0):.1f} % of the lines are run, expected {rest[1]} %")
    return bool(low)


if __name__ == "__main__":
    sys.exit(main())
