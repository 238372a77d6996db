#!/usr/bin/env bash
# holdfast-ctl, every command working and refusing, against a running emulator: holdfast, and
# Debian's swtpm when it is installed, because the protocol is the same.
# SPDX-License-Identifier: BSD-3-Clause
. "${top_srcdir:-.}/tests/tap.sh"
need python3

ctl=$top_builddir/holdfast-ctl
python=(env "PYTHONPATH=$top_srcdir/tests/cli" python3 -c)

# json EXPRESSION DESCRIPTION COMMAND...: what the command prints is one JSON value `v`, for which
# the Python expression is true.
json() {
    local expression=$1 description=$2 text
    shift 2
    text=$("$@" 2>&1 </dev/null)
    if printf '%s' "$text" |
        python3 -c 'import json, sys; v = json.load(sys.stdin); sys.exit(not eval(sys.argv[1]))' \
            "$expression" 2>/dev/null; then
        pass "$description"
    else
        fail "$description" "wanted: $expression"$'\n'" found: $text"
    fi
}

# answering SOCKET HEX: in the background, answers the first request on a UNIX socket with these
# bytes and closes; without HEX it stays silent.
answering() {
    start answering "${python[@]}" '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1] + ".new")
s.listen(1)
os.rename(sys.argv[1] + ".new", sys.argv[1])
c = s.accept()[0]
c.recv(4096)
if len(sys.argv) > 2:
    c.sendall(bytes.fromhex(sys.argv[2]))
    c.shutdown(socket.SHUT_WR)
c.recv(1)
' "$@"
    wait_socket "$1" "$started" || bail "the answering socket is not there"
}

no_emulator() {
    local nobody=$tap_dir/nobody
    refuses 2 'one of --unix PATH, --tcp HOST:PORT and --device PATH, found none' "no address" "$ctl" stop
    refuses 2 'found several' "two addresses" "$ctl" --unix x --tcp :1 stop
    refuses 2 'found several' "a socket and a device" "$ctl" --unix x --device /dev/null stop
    refuses 1 'cannot open /dev/no-such-tpm' "no device" "$ctl" --device /dev/no-such-tpm stop
    refuses 1 'STOP' "a device without these ioctls" "$ctl" --device /dev/null stop
    refuses 2 'command' "no command" "$ctl" --unix "$nobody"
    refuses 2 'frobnicate' "unknown command" "$ctl" --unix "$nobody" frobnicate
    refuses 2 'wombat' "unknown option" "$ctl" --unix "$nobody" stop --wombat
    refuses 2 'json' "--json where there are no facts" "$ctl" --unix "$nobody" stop --json
    refuses 2 'delete-volatile' "an option of another command" \
        "$ctl" --unix "$nobody" stop --delete-volatile
    refuses 2 'expected LOCALITY' "a missing operand" "$ctl" --unix "$nobody" locality
    refuses 2 "unexpected operand '1'" "an operand too many" "$ctl" --unix "$nobody" stop 1
    local bad
    for bad in 5 -1 x '' 0x5 4294967296; do
        refuses 2 'LOCALITY: expected a number from 0 to 4' "locality '$bad'" \
            "$ctl" --unix "$nobody" locality -- "$bad"
    done
    refuses 2 'SIZE: expected' "buffer size x" "$ctl" --unix "$nobody" buffer-size x
    refuses 2 'FLAGS: expected' "info flags 0xg" "$ctl" --unix "$nobody" info 0xg
    refuses 2 'RETRIES: expected' "retries -1" "$ctl" --unix "$nobody" lock-storage -- -1
    refuses 2 'permanent, volatile or savestate' "save an unknown type" \
        "$ctl" --unix "$nobody" save everything "$tap_dir/x"
    refuses 2 'permanent, volatile or savestate' "load an unknown type" \
        "$ctl" --unix "$nobody" load Permanent "$tap_dir/x"
    for bad in 1234 localhost: :0 :65536 :x ::1:99; do
        refuses 2 '^holdfast-ctl: --tcp: expected' "--tcp $bad" "$ctl" --tcp "$bad" stop
    done
    refuses 2 'timeout' "--timeout -1" "$ctl" --unix "$nobody" --timeout=-1 stop
    refuses 1 "nobody" "nobody listens there" "$ctl" --unix "$nobody" stop
    free_ports 1
    refuses 1 "$port" "nobody listens on that port" "$ctl" --tcp ":$port" stop

    # Files are looked at before the emulator is.
    refuses 1 'missing' "load a file that is not there" \
        "$ctl" --unix "$nobody" load permanent "$tap_dir/missing"
    head -c $((512 * 1024 + 1)) /dev/zero >"$tap_dir/large"
    refuses 1 'large' "load a file that is too large" \
        "$ctl" --unix "$nobody" load permanent "$tap_dir/large"
    refuses 1 'missing' "measure a file that is not there" \
        "$ctl" --unix "$nobody" hash "$tap_dir/missing"
    refuses 1 'directory' "measure a directory" "$ctl" --unix "$nobody" hash "$tap_dir"
}

# What an emulator that is broken or hostile can do.
bad_emulators() {
    local socket=$tap_dir/bad
    answering "$socket"
    refuses 1 'STOP: ' "an emulator that stays silent" "$ctl" --unix "$socket" --timeout 1 stop
    stop "$started"; rm -f "$socket"
    answering "$socket" ''
    refuses 1 'STOP: ' "an emulator that hangs up" "$ctl" --unix "$socket" stop
    stop "$started"; rm -f "$socket"
    answering "$socket" 0000
    refuses 1 'STOP: ' "half an answer" "$ctl" --unix "$socket" stop
    stop "$started"; rm -f "$socket"
    answering "$socket" 00000000000000007fffffff7fffffff
    refuses 1 'GET_STATEBLOB: .*2147483647' "a state of 2 GiB" \
        "$ctl" --unix "$socket" save permanent "$tap_dir/huge"
    ok "no file comes of it" test ! -e "$tap_dir/huge"
    stop "$started"; rm -f "$socket"
    answering "$socket" 000000000000001000000010"$(printf '{"a": not json}\0' | od -An -tx1 | tr -d ' \n')"
    refuses 1 'GET_INFO: expected JSON' "information that is not JSON" "$ctl" --unix "$socket" info
    stop "$started"; rm -f "$socket"
}

# pcr0: PCR 0 of SHA-256 after TPM2_Startup, in hexadecimal, over the data socket.
pcr0() {
    "${python[@]}" '
import sys, vtpm
t = vtpm.Tpm.unix(sys.argv[1])
assert t.startup() == 0
print(t.pcr_read(0).hex())
' "$1"
}

measurements() { # NAME: TPM is on and not started up
    local name=$1 wanted
    json 'v == {"established": False}' "$name: tpmEstablished is clear" "${at[@]}" established --json
    head -c 200000 /dev/urandom >"$tap_dir/kernel"
    ok "$name: measure a file" "${at[@]}" hash "$tap_dir/kernel"
    is "$("${at[@]}" established)" "established: yes" "$name: tpmEstablished is set by it"
    wanted=$(python3 -c '
import hashlib, sys
d = hashlib.sha256(open(sys.argv[1], "rb").read()).digest()
print(hashlib.sha256(bytes(31) + b"\4" + d).hexdigest())' "$tap_dir/kernel")
    is "$(pcr0 "$tap_dir/data")" "$wanted" "$name: PCR 0 holds the measurement"
    refuses 1 'RESET_TPMESTABLISHED: result 0x3d' "$name: locality 2 cannot clear tpmEstablished" \
        "${at[@]}" reset-established 2
    ok "$name: locality 3 can" "${at[@]}" reset-established 3
    is "$("${at[@]}" established)" "established: no" "$name: tpmEstablished is clear again"

    ok "$name: power cycle" "${at[@]}" init
    if "${at[@]}" hash - <"$tap_dir/kernel"; then
        is "$(pcr0 "$tap_dir/data")" "$wanted" "$name: the same from standard input"
    else
        fail "$name: measure standard input"
    fi
}

states() { # NAME PROGRAM: TPM is on and started up
    local name=$1 program=$2 state=$tap_dir/state-$1
    ok "$name: store the volatile state" "${at[@]}" store-volatile
    ok "$name: it is in the directory" test -s "$state/tpm2-00.volatilestate"
    ok "$name: save the permanent state" "${at[@]}" save permanent "$tap_dir/permanent"
    is "$(stat -c %a "$tap_dir/permanent")" 600 "$name: only its owner can read the file"
    ok "$name: save the volatile state, in clear" \
        "${at[@]}" save volatile "$tap_dir/volatile" --decrypted
    refuses 1 'no such state|has no savestate' "$name: a TPM 2 has no savestate" \
        "${at[@]}" save savestate "$tap_dir/savestate"
    ok "$name: no file comes of it" test ! -e "$tap_dir/savestate"
    refuses 1 'nowhere' "$name: save into a directory that is not there" \
        "${at[@]}" save permanent "$tap_dir/nowhere/permanent"
    refuses 1 'SET_STATEBLOB: result 0xa' "$name: load while the TPM is on" \
        "${at[@]}" load permanent "$tap_dir/permanent"

    ok "$name: switch off" "${at[@]}" stop
    refuses 1 'STORE_VOLATILE: result 0xa' "$name: nothing to store while off" \
        "${at[@]}" store-volatile
    refuses 1 'GET_STATEBLOB: ' "$name: nothing to save while off" \
        "${at[@]}" save permanent "$tap_dir/off"
    ok "$name: no file comes of it" test ! -e "$tap_dir/off"
    refuses 1 'RESET_TPMESTABLISHED: result 0xa' "$name: no tpmEstablished to clear while off" \
        "${at[@]}" reset-established 3
    refuses 1 'GET_TPMESTABLISHED: result 0xa' "$name: no tpmEstablished while off" \
        "${at[@]}" established
    refuses 1 'HASH_START: result 0xa' "$name: nothing to measure while off" \
        "${at[@]}" hash "$tap_dir/permanent"
    head -c 100 /dev/urandom >"$tap_dir/noise"
    refuses 1 'SET_STATEBLOB: result' "$name: load noise" "${at[@]}" load permanent "$tap_dir/noise"
    ok "$name: load the permanent state" "${at[@]}" load permanent "$tap_dir/permanent"
    ok "$name: load the volatile state" "${at[@]}" load volatile "$tap_dir/volatile"
    ok "$name: switch on with it" "${at[@]}" init --delete-volatile
    ok "$name: the volatile state is resumed, and gone" \
        test ! -e "$state/tpm2-00.volatilestate"
}

facts() { # NAME
    local name=$1
    like "$("${at[@]}" capabilities)" '^capabilities 0x[0-9a-f]+.*INIT.*SET_DATAFD' \
        "$name: capabilities in words"
    json 'v["capabilities"] & 0xffff == 0xffff and {"INIT", "SEND_COMMAND_HEADER"} < set(v["names"])' \
        "$name: capabilities as JSON" "${at[@]}" --json capabilities
    refuses 1 'cannot write' "$name: nowhere to print to" bash -c '"$@" >/dev/full' - \
        "${at[@]}" capabilities
    is "$("${at[@]}" config)" $'key for state files: no\nkey for migration: no' "$name: config"
    json 'v == {"flags": 0, "key": False, "migration-key": False}' "$name: config as JSON" \
        "${at[@]}" config --json
    json 'v["TPMSpecification"]["family"] == "2.0" and "TPMFeatures" in v' \
        "$name: information" "${at[@]}" info
    json 'list(v) == ["TPMAttributes"]' "$name: information by flags" "${at[@]}" info 0x2 --json
}

buffer() { # NAME: TPM is off
    local name=$1
    json 'v["min"] <= v["size"] <= v["max"]' "$name: size of the buffer" "${at[@]}" buffer-size --json
    json 'v["size"] == 3000' "$name: set the size" "${at[@]}" buffer-size 3000 --json
    like "$("${at[@]}" buffer-size 100000)" '^buffer: ([0-9]+) bytes \(possible: [0-9]+ to ([0-9]+)\)$' \
        "$name: a size that is too large becomes the largest"
    is "${BASH_REMATCH[1]-x}" "${BASH_REMATCH[2]-y}" "$name: that is the largest"
}

# suite NAME PROGRAM: all commands.
suite() {
    local name=$1 program=$2 control=$tap_dir/control-$1
    mkdir -m 700 "$tap_dir/state-$name"
    rm -f "$tap_dir/data"
    start "$name" "$program" socket --tpm2 --tpmstate "dir=$tap_dir/state-$name" \
        --ctrl "type=unixio,path=$control" --server "type=unixio,path=$tap_dir/data" \
        --locality reject-locality-4 --flags not-need-init
    wait_socket "$control" "$started" || { diag_file "$tap_dir/$name.log"; bail "$name did not start"; }
    at=("$ctl" --unix "$control" --timeout 20)

    facts "$name"
    refuses 1 'SET_BUFFERSIZE: result 0xa' "$name: the size is fixed while the TPM is on" \
        "${at[@]}" buffer-size 3000
    ok "$name: switch off" "${at[@]}" stop
    buffer "$name"
    ok "$name: switch on" "${at[@]}" init
    measurements "$name"
    states "$name" "$program"

    ok "$name: locality 3" "${at[@]}" locality 3
    refuses 1 'SET_LOCALITY: result 0x3d' "$name: locality 4 is rejected there" "${at[@]}" locality 4
    ok "$name: nothing to cancel is no error" "${at[@]}" cancel
    if "$program" --version | grep -q "^TPM emulator version 0[.]7"; then
        refuses 1 'LOCK_STORAGE: result 0xa' "$name: 0.7 cannot lock the storage" \
            "${at[@]}" lock-storage 3
    else
        ok "$name: lock the storage" "${at[@]}" lock-storage 3
    fi
    ok "$name: end it" "${at[@]}" shutdown
    ok "$name: it is gone" wait_gone "$started" 10
    refuses 1 "$control" "$name: nobody is there any more" "${at[@]}" stop
}

tcp() { # NAME PROGRAM
    local name=$1 program=$2
    free_ports 1
    mkdir -m 700 "$tap_dir/tcp-$name"
    start "tcp-$name" "$program" socket --tpm2 --tpmstate "dir=$tap_dir/tcp-$name" \
        --ctrl "type=tcp,port=$port"
    wait_port "$port" "$started" || bail "$name did not start"
    json '"capabilities" in v' "$name: over TCP" "$ctl" --tcp ":$port" capabilities --json
    ok "$name: over TCP, by address" "$ctl" --tcp "127.0.0.1:$port" init
    ok "$name: over TCP, in brackets" "$ctl" --tcp "[127.0.0.1]:$port" stop
    ok "$name: over TCP, end it" "$ctl" --tcp "localhost:$port" shutdown
    ok "$name: it is gone" wait_gone "$started" 10
}

no_emulator
bad_emulators
suite holdfast "$emulator"
tcp holdfast "$emulator"
if [ -n "$(type -P swtpm)" ] && [ "$emulator" != "$(type -P swtpm)" ]; then
    suite swtpm "$(type -P swtpm)"
else
    skip "the same with swtpm" "swtpm is not installed, or is what was tested"
fi
finish
