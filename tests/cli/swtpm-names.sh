#!/bin/bash
# holdfast-ctl under the names swtpm_ioctl and swtpm_bios, beside Debian's programs of these names: the
# same command lines against the same emulator (ours and swtpm's), output and exit code compared; then
# what ours does better, and what both refuse.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
[ -x "$emulator" ] || bail "$emulator is not there"
names=$(cd "$top_builddir" && pwd)/swtpm-names
[ -x "$names/swtpm_ioctl" ] || bail "$names has no links"
case $emulator in /*) ;; *) emulator=$PWD/$emulator ;; esac
debian=
if [ -x /usr/bin/swtpm ] && [ -x /usr/bin/swtpm_ioctl ] && [ -x /usr/bin/swtpm_bios ]; then
    debian=/usr/bin
fi
cd "$tap_dir" || bail "no directory"
pid=

# run OUT COMMAND...: output, messages and exit code into OUT.*; the program's own name is cut out.
run() {
    local out=$1 code=0
    shift
    "$@" >"$out.stdout" 2>"$out.stderr" </dev/null || code=$?
    echo "$code" >"$out.code"
}

# same PROGRAM ARGUMENT...: ours and Debian's print the same and end the same.
same() {
    local program=$1 what="$target_name: $*"
    shift
    run ours "$names/$program" "${target[@]}" "$@"
    if [ -z "$debian" ]; then
        skip "$what" "Debian's swtpm is not installed"
        return
    fi
    run theirs "$debian/$program" "${target[@]}" "$@"
    # Their messages do not always end in a newline.
    if cmp -s ours.stdout theirs.stdout && cmp -s ours.code theirs.code &&
        [ "$(cat ours.stderr)" = "$(cat theirs.stderr)" ]; then
        pass "$what"
    else
        fail "$what"
        diag "ours: $(cat ours.code) $(cat ours.stdout ours.stderr)"
        diag "theirs: $(cat theirs.code) $(cat theirs.stdout theirs.stderr)"
    fi
}

# same_code PROGRAM ARGUMENT...: the exit code is the same, the texts are each one's own.
same_code() {
    local program=$1 what="$target_name: exit code of $*"
    shift
    run ours "$names/$program" "${target[@]}" "$@"
    if [ -z "$debian" ]; then
        skip "$what" "Debian's swtpm is not installed"
        return
    fi
    run theirs "$debian/$program" "${target[@]}" "$@"
    is "$(cat ours.code)" "$(cat theirs.code)" "$what"
}

# begin PROGRAM VERSION OPTION...: an emulator that is stopped, with a control and a data socket.
begin() {
    local program=$1
    shift
    rm -rf state control data
    mkdir state
    start emulator "$program" socket --tpmstate "dir=$tap_dir/state" --ctrl "type=unixio,path=$tap_dir/control" \
        --server "type=unixio,path=$tap_dir/data" "$@"
    pid=$started
    if ! wait_socket control "$pid" || ! wait_socket data "$pid"; then
        diag_file emulator.log
        bail "$program does not start"
    fi
}

ioctl() { "$names/swtpm_ioctl" "${target[@]}" "$@"; }

ioctl_table() {
    target=(--unix "$tap_dir/control")
    same swtpm_ioctl -g
    same swtpm_ioctl -c
    same swtpm_ioctl -b 0
    same swtpm_ioctl -b 3000
    same swtpm_ioctl -b 1
    same swtpm_ioctl -b 4096
    same swtpm_ioctl -b x
    same swtpm_ioctl --info 1
    same swtpm_ioctl --info 0x3
    same swtpm_ioctl --info 7
    same swtpm_ioctl --info x
    same swtpm_ioctl -l 0
    same swtpm_ioctl -l 5
    same swtpm_ioctl -l x
    same swtpm_ioctl -e
    same swtpm_ioctl -h data
    same swtpm_ioctl -v
    same swtpm_ioctl -C
    same swtpm_ioctl -r 3
    same swtpm_ioctl --save permanent none
    ok "$target_name: nothing is left of a blob that could not be had" test ! -s none
    same swtpm_ioctl --save nonsense file
    same swtpm_ioctl --save permanent
    same swtpm_ioctl --load permanent
    same swtpm_ioctl --load permanent /nonexistent/file
    same swtpm_ioctl --load nonsense control
    same swtpm_ioctl -c -g
    same swtpm_ioctl
    same_code swtpm_ioctl --bogus
    same_code swtpm_ioctl -b
    same_code swtpm_ioctl --save
    same_code swtpm_ioctl --help
    same_code swtpm_ioctl --version
    same swtpm_ioctl --stop
    same swtpm_ioctl -i
    same swtpm_ioctl -e
    same swtpm_ioctl -b 3000
    same swtpm_ioctl -h data
    same swtpm_ioctl -e
    same swtpm_ioctl -r 0
    same swtpm_ioctl -r 3
    same swtpm_ioctl -r 9
    same swtpm_ioctl -e
    same swtpm_ioctl -h -
    same swtpm_ioctl -C
    same swtpm_ioctl -v
    same swtpm_ioctl --save permanent blob.permanent
    same swtpm_ioctl --save volatile blob.volatile
    same swtpm_ioctl --save savestate blob.savestate
    same swtpm_ioctl --save permanent /nonexistent/file
    same swtpm_ioctl --load permanent blob.permanent
    is "$(stat -c '%a %s' blob.savestate)" "600 0" "$target_name: no savestate is an empty file"
    ok "$target_name: a blob comes out" test -s blob.permanent
    same swtpm_ioctl --stop
    same swtpm_ioctl --load permanent blob.permanent
    same swtpm_ioctl --load volatile blob.volatile
    head -c 9 blob.permanent >blob.short
    same swtpm_ioctl --load permanent blob.short
    same swtpm_ioctl -i
}

# What the file holds is what the device gives: in whatever pieces it travels.
ioctl_pieces() {
    local size
    for size in 1 7 4096; do
        rm -f blob.pieces
        ok "$target_name: SWTPM_IOCTL_BUFFERSIZE=$size, out" \
            env SWTPM_IOCTL_BUFFERSIZE=$size "$names/swtpm_ioctl" "${target[@]}" --save permanent blob.pieces
        ok "$target_name: stopped" ioctl --stop
        ok "$target_name: SWTPM_IOCTL_BUFFERSIZE=$size, in" \
            env SWTPM_IOCTL_BUFFERSIZE=$size "$names/swtpm_ioctl" "${target[@]}" --load permanent blob.pieces
        ok "$target_name: and it starts" ioctl -i
    done
    ioctl --save permanent /dev/stdout >blob.stdout
    ok "$target_name: a blob goes to standard output, too" cmp blob.stdout blob.pieces
    ok "$target_name: which is still a link" test -L /dev/stdout
}

for which in holdfast swtpm; do
    if [ $which = swtpm ]; then
        if [ -z "$debian" ]; then
            skip "swtpm_ioctl against Debian's swtpm" "it is not installed"
            continue
        fi
        target_name="swtpm's emulator"
        begin "$debian/swtpm" --tpm2
    else
        target_name="our emulator"
        begin "$emulator" --tpm2
    fi
    ioctl_table
    ioctl_pieces
    # Really transmitted: the retries are 10 ms each, and the storage is held by another program.
    if [ $which = holdfast ]; then
        ok "$target_name: --lock-storage" ioctl --lock-storage 3
        same_code swtpm_ioctl --lock-storag x
    fi
    ok "$target_name: SHUTDOWN (-s)" ioctl -s
    ok "$target_name: ends it" wait_gone "$pid" 5
    target_name="nobody"
    same swtpm_ioctl -c
done

# How many retries travel: a server that only listens says it.
cat >server.py <<'PY'
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind("retries.new")
listener.listen(1)
os.rename("retries.new", "retries")  # who sees it can connect
connection, _ = listener.accept()
data = b""
while len(data) < 8:
    data += connection.recv(8)
print(data.hex(), flush=True)
connection.sendall(bytes(4))
PY
start server python3 server.py
wait_socket retries "$started" || bail "no server"
ok "--lock-storage N is answered" "$names/swtpm_ioctl" --unix retries --lock-storage 258
wait_gone "$started" 5
is "$(cat server.log)" "0000001300000102" "N is transmitted"

target_name="targets"
target=()
free_ports 1
same swtpm_ioctl --unix /nonexistent/socket -c
same swtpm_ioctl -c
same swtpm_ioctl --tcp ":$port" -c
same swtpm_ioctl --tcp "127.0.0.1:x" -c
same_code swtpm_ioctl --tcp "127.0.0.1:70000" -c
same swtpm_ioctl --tpm-device /nonexistent/device -c
same swtpm_ioctl --tpm-device /dev/null -c
same swtpm_ioctl -c /dev/null
same swtpm_bios --unix /nonexistent/socket
same swtpm_bios --tcp ":$port"
same swtpm_bios --tcp "127.0.0.1:x"
same swtpm_bios --tpm-device /nonexistent/device
same swtpm_bios --tpm-device /dev/null
same_code swtpm_bios --bogus
same_code swtpm_bios -x
same_code swtpm_bios --unix
same_code swtpm_bios -h
export TCSD_USE_TCP_DEVICE=1 TCSD_TCP_DEVICE_PORT=$port TCSD_TCP_DEVICE_HOSTNAME=127.0.0.1
same swtpm_bios
unset TCSD_USE_TCP_DEVICE TCSD_TCP_DEVICE_PORT TCSD_TCP_DEVICE_HOSTNAME
like "$("$names/swtpm_bios" -v)" '^TPM emulator BIOS emulator version [0-9.]+' "swtpm_bios -v"
like "$("$names/swtpm" --version)" '^TPM emulator version [0-9.]+' "swtpm --version"
like "$("$names/swtpm_setup" --version)" '^TPM emulator setup tool version [0-9.]+' "swtpm_setup --version"
# Scripts find out by these words what an emulator can do.
refuses 1 "Missing TPM interface type[.]" "swtpm without an interface" "$names/swtpm"
refuses 1 "Unsupported TPM interface type 'nonsense'[.]" "swtpm with an unknown one" "$names/swtpm" nonsense
like "$("$names/swtpm_ioctl" --version)" '^TPM emulator control tool version [0-9.]+' "swtpm_ioctl --version"

# Control over TCP, the host left out.
free_ports 2
rm -rf state && mkdir state
start emulator "$emulator" socket --tpm2 --tpmstate "dir=$tap_dir/state" --ctrl "type=tcp,port=$((port + 1))" \
    --server "type=tcp,port=$port,disconnect" --flags not-need-init
wait_port "$port" "$started" || bail "the emulator did not start"
is "$("$names/swtpm_ioctl" --tcp ":$((port + 1))" -e)" "tpmEstablished is 0" "--tcp :PORT"
is "$("$names/swtpm_ioctl" --tcp "[127.0.0.1]:$((port + 1))" -e)" "tpmEstablished is 0" "--tcp [HOST]:PORT"
# Every command a connection of its own: the server closes after each.
ok "swtpm_bios over TCP with a server that disconnects" "$names/swtpm_bios" --tpm2 --tcp ":$port" -c -cs -u
ok "as tcsd would be told" env TCSD_USE_TCP_DEVICE=1 TCSD_TCP_DEVICE_PORT="$port" TCSD_TCP_DEVICE_HOSTNAME=127.0.0.1 \
    "$names/swtpm_bios" --tpm2 -n -cs
stop "$started"

bios_same() {
    local what="$target_name: swtpm_bios $*"
    "$names/swtpm_ioctl" --unix "$tap_dir/control" -i
    run ours "$names/swtpm_bios" "${target[@]}" "$@"
    if [ -z "$debian" ]; then
        skip "$what" "Debian's swtpm is not installed"
        return
    fi
    "$names/swtpm_ioctl" --unix "$tap_dir/control" -i
    run theirs "$debian/swtpm_bios" "${target[@]}" "$@"
    sed -i 's/Imcremental/Incremental/' theirs.stdout
    is "$(cat ours.code ours.stdout ours.stderr)" "$(cat theirs.code theirs.stdout theirs.stderr)" "$what"
}

for which in holdfast swtpm; do
    target=(--tpm2 --unix "$tap_dir/data")
    if [ $which = swtpm ]; then
        if [ -z "$debian" ]; then
            skip "swtpm_bios against Debian's swtpm" "it is not installed"
            continue
        fi
        target_name="swtpm's emulator"
        begin "$debian/swtpm" --tpm2
    else
        target_name="our emulator"
        begin "$emulator" --tpm2
    fi
    bios_same
    bios_same -c
    bios_same -s
    bios_same -d
    bios_same -n
    bios_same -n -u
    bios_same -o
    bios_same -c -cs
    bios_same -c -ea
    bios_same -c -u
    bios_same -cs
    bios_same -n -cs
    "$names/swtpm_ioctl" --unix control -i
    ok "$target_name: Startup(CLEAR)" "$names/swtpm_bios" "${target[@]}" -c
    same swtpm_bios -c
    refuses 128 "^TPM2_Startup returned error code 0x00000100$" "$target_name: a second Startup is refused with 128" \
        "$names/swtpm_bios" "${target[@]}" -c
    ok "$target_name: the platform gets a password (-u)" "$names/swtpm_bios" "${target[@]}" -n -u
    refuses 128 "^TPM2_HierarchyChangeAuth returned error code 0x000009a2$" "$target_name: which is not empty" \
        "$names/swtpm_bios" "${target[@]}" -n -u
    stop "$pid"
done

# TPM 1.2
target=(--unix "$tap_dir/data")
target_name="TPM 1.2"
if [ -z "$debian" ]; then
    skip "swtpm_bios with a TPM 1.2" "Debian's swtpm is not installed"
else
    begin "$debian/swtpm"
    bios_same
    bios_same -c
    bios_same -d
    bios_same -n
    bios_same -o
    bios_same -c -cs
    bios_same -c -ea
    bios_same -c -u
    bios_same -s
    same swtpm_bios -c
    same swtpm_bios -d
    # A TPM that was deactivated stays so until it is reset.
    cat >deactivate.py <<'PY'
import socket
connection = socket.socket(socket.AF_UNIX)
connection.connect("data")
for command in "00c10000000c4000000a0020", "00c10000000c4000000a0008", "00c10000000b0000007201":
    connection.sendall(bytes.fromhex(command))
    answer = connection.recv(4096)
    assert answer[6:10] == bytes(4), answer.hex()
PY
    for program in "$debian" "$names"; do
        "$names/swtpm_ioctl" --unix control -i
        "$names/swtpm_bios" "${target[@]}" -c
        ok "a TPM 1.2 is deactivated" python3 deactivate.py
        "$names/swtpm_ioctl" --unix control -i
        run reset."${program##*/}" "$program/swtpm_bios" "${target[@]}" -c -ea
    done
    is "$(cat reset.swtpm-names.code)" 129 "$target_name: -ea says that a reset is needed"
    is "$(cat reset.swtpm-names.{code,stdout,stderr})" "$(cat reset.bin.{code,stdout,stderr})" "$target_name: as swtpm_bios does"
    "$names/swtpm_ioctl" --unix control -i
    ok "$target_name: after the reset it is active" "$names/swtpm_bios" "${target[@]}" -c -ea
    stop "$pid"
fi
finish
