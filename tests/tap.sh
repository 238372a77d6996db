# shellcheck shell=bash
# tap.sh - what shell tests share: TAP on stdout, a directory of their own, processes that are gone
# when the test ends, waiting for events with a deadline.
#
#     . "$top_srcdir/tests/tap.sh"
#     need tpm2_pcrread                       # not installed: the whole file is a skip
#     free_ports 2; start emu "$emulator" socket --tpm2 --server "type=tcp,port=$port" ...
#     wait_port "$port" "$started" || bail "the emulator did not start"
#     ok "PCRs can be read" tpm2_pcrread
#     refuses 1 "no such directory" "a missing state directory is an error" "$emulator" ...
#     finish
#
# Must not: know anything about a TPM but the emulator's file name. bash 5, no other tool than
# coreutils; diagnostics are "# ..." lines, nothing else is printed.
# SPDX-License-Identifier: BSD-3-Clause
set -u
: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${top_builddir:=$PWD}"
export top_srcdir top_builddir

# The emulator under test. HOLDFAST_EMULATOR names another one that understands the same options
# (/usr/bin/swtpm proves a test against the program we stand in for).
# shellcheck disable=SC2034  # for the tests
emulator=${HOLDFAST_EMULATOR:-$top_builddir/holdfast}

tap_number=0
tap_failures=0
tap_pids=()
tap_dir=$(mktemp -d "${TMPDIR:-/tmp}/hf-test.XXXXXX")

# tap_cleanup: end what was started (newest first), remove the directory. Runs at every exit.
tap_cleanup() {
    local i
    for ((i = ${#tap_pids[@]} - 1; i >= 0; i--)); do
        stop "${tap_pids[i]}"
    done
    if [ -n "${HOLDFAST_KEEP:-}" ]; then
        diag "kept $tap_dir"
    else
        rm -rf "$tap_dir"
    fi
}
trap tap_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# diag TEXT...: explain something in the log.
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# diag_file FILE [LINES]: the end of a file, explained as such.
diag_file() {
    [ -s "$1" ] || return 0
    diag "--- the end of $(basename "$1"):"
    tail -n "${2:-20}" "$1" | sed 's/^/#   /'
}

# pass DESCRIPTION / fail DESCRIPTION [WHY...]: one result.
pass() { printf 'ok %d - %s\n' "$((++tap_number))" "$1"; }
fail() {
    printf 'not ok %d - %s\n' "$((++tap_number))" "$1"
    tap_failures=$((tap_failures + 1))
    shift
    [ $# -eq 0 ] || diag "$*"
    return 0
}

# skip DESCRIPTION REASON: one result that could not be had here.
skip() { printf 'ok %d - %s # SKIP %s\n' "$((++tap_number))" "$1" "$2"; }

# skip_all REASON: nothing in this file can run here.
skip_all() {
    printf '1..0 # SKIP %s\n' "$*"
    exit 0
}

# bail REASON: what the rest of the file builds on is broken; counts as a failure.
bail() {
    fail "$*"
    finish
}

# finish: the plan line; the file fails if one of its results did. Ends the script.
finish() {
    printf '1..%d\n' "$tap_number"
    [ "$tap_failures" -eq 0 ]
    exit
}

# need COMMAND...: skip the file if a command is missing here.
need() {
    local command
    for command in "$@"; do
        [ -n "$(type -P "$command")" ] || skip_all "$command is not installed"
    done
}

# ok DESCRIPTION COMMAND...: the command succeeds; its output is shown only if not.
ok() {
    local description=$1 code=0
    shift
    "$@" >"$tap_dir/ok.log" 2>&1 </dev/null || code=$?
    if [ "$code" -eq 0 ]; then
        pass "$description"
    else
        fail "$description" "exit code $code from: $*"
        diag_file "$tap_dir/ok.log"
        return 1
    fi
}

# refuses CODE REGEX DESCRIPTION COMMAND...: exactly this exit code, and REGEX (extended) in what
# it printed. CODE "any" is any code but 0 and those of a death by signal.
refuses() {
    local want=$1 regex=$2 description=$3 code=0
    shift 3
    "$@" >"$tap_dir/refuses.log" 2>&1 </dev/null || code=$?
    if [ "$want" = any ] && [ "$code" -gt 0 ] && [ "$code" -lt 126 ]; then
        want=$code
    fi
    if [ "$code" != "$want" ]; then
        fail "$description" "wanted exit code $want, found $code, from: $*"
    elif ! grep -Eq -- "$regex" "$tap_dir/refuses.log"; then
        fail "$description" "wanted a message matching \"$regex\", from: $*"
    else
        pass "$description"
        return 0
    fi
    diag_file "$tap_dir/refuses.log"
    return 1
}

# is GOT WANT DESCRIPTION, isnt GOT OTHER DESCRIPTION, like GOT REGEX DESCRIPTION: compare texts.
is() {
    if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "wanted: $2"$'\n'" found: $1"; fi
}
isnt() {
    if [ "$1" != "$2" ]; then pass "$3"; else fail "$3" "wanted another text than: $2"; fi
}
like() {
    if [[ $1 =~ $2 ]]; then pass "$3"; else fail "$3" "wanted a match of: $2"$'\n'" found: $1"; fi
}

# wait_for SECONDS COMMAND...: run the command again and again until it succeeds or time is up.
wait_for() {
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

# start NAME COMMAND...: in the background, output in $tap_dir/NAME.log, the pid in $started; it is
# ended when the test ends.
started=
start() {
    local name=$1
    shift
    "$@" >"$tap_dir/$name.log" 2>&1 </dev/null &
    started=$!
    tap_pids+=("$started")
}

# gone PID: no such process, or only its remains.
gone() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    [[ $stat =~ \)\ [ZX]\  ]]
}

# stop PID: ask a process to end (TERM) and wait for its end; after five seconds it is killed.
stop() {
    gone "$1" && { wait "$1" 2>/dev/null; return 0; }
    kill -TERM "$1" 2>/dev/null
    if ! wait_for 5 gone "$1"; then
        diag "process $1 did not end by itself"
        kill_hard "$1"
    fi
    wait "$1" 2>/dev/null
    return 0
}

# kill_hard PID: SIGKILL, as a crash would; returns when the process is no more.
kill_hard() {
    kill -KILL "$1" 2>/dev/null
    { wait "$1"; } 2>/dev/null
    wait_for 5 gone "$1"
}

# wait_gone PID SECONDS: the process ends by itself within that time.
wait_gone() { wait_for "$2" gone "$1"; }

# tap_listens HEXPORT: somebody listens on that TCP port (connecting would use up a client).
tap_listens() { grep -Eqi "^ *[0-9]+: [0-9A-F]+:$1 [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6; }

# wait_port PORT PID, wait_socket PATH PID, wait_file PATH PID: until it is there; fails after ten
# seconds or when the process that should make it has ended.
wait_port() { wait_or_gone "$2" tap_listens "$(printf '%04X' "$1")"; }
wait_socket() { wait_or_gone "$2" test -S "$1"; }
wait_file() { wait_or_gone "$2" test -s "$1"; }
wait_or_gone() {
    local pid=$1 end=$((SECONDS + 11))
    shift
    until "$@" 2>/dev/null; do
        if gone "$pid" || [ "$SECONDS" -ge "$end" ]; then
            return 1
        fi
        sleep 0.02
    done
}

# free_ports COUNT: sets $port to the first of COUNT neighbouring TCP ports nobody uses now.
port=
free_ports() {
    local i
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        for ((i = 0; i < $1; i++)); do
            grep -Eqi ":$(printf '%04X' $((port + i))) [0-9A-F]+:[0-9A-F]{4} " \
                /proc/net/tcp /proc/net/tcp6 2>/dev/null && continue 2
        done
        return 0
    done
}
