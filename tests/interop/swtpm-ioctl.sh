#!/bin/bash
# Debian's swtpm_ioctl speaks with our control channel, over a UNIX and a TCP socket: every command
# it knows, in the states where it works and in those where it must be refused.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need swtpm_ioctl
[ -x "$emulator" ] || bail "$emulator is not there"
cd "$tap_dir" || bail "no directory"

for kind in unix tcp; do
    rm -rf state
    mkdir state
    free_ports 2
    case $kind in
    unix)
        control="type=unixio,path=$tap_dir/control"
        target=(--unix "$tap_dir/control") ;;
    tcp)
        control="type=tcp,port=$((port + 1))"
        target=(--tcp "127.0.0.1:$((port + 1))") ;;
    esac
    start emulator "$emulator" socket --tpm2 --tpmstate "dir=$tap_dir/state" --ctrl "$control" \
        --server "type=tcp,port=$port"
    pid=$started
    wait_port "$port" "$pid" || { diag_file emulator.log; bail "the emulator did not start"; }
    ioctl() { swtpm_ioctl "${target[@]}" "$@"; }

    like "$(ioctl -c)" '^ptm capability is 0x1?ffff$' "$kind: capabilities (-c)"
    is "$(ioctl -g)" "ptm configuration flags: 0x0" "$kind: configuration: no keys (-g)"
    like "$(ioctl --info 1)" '"family":"2.0"' "$kind: the specification (--info)"
    like "$(ioctl -b 0)" '^TPM buffersize: +4096' "$kind: the buffer size (-b 0)"

    # Stopped.
    refuses 1 0xa "$kind: nothing is established before INIT (-e)" ioctl -e
    refuses 1 0xa "$kind: no hash before INIT (-h)" ioctl -h data
    refuses 1 0xa "$kind: no cancel before INIT (-C)" ioctl -C
    refuses 1 0xa "$kind: no volatile state before INIT (-v)" ioctl -v
    refuses 1 0xa "$kind: no reset of 'established' before INIT (-r)" ioctl -r 3
    ok "$kind: a locality can be set (-l)" ioctl -l 2
    ok "$kind: back to locality 0" ioctl -l 0
    like "$(ioctl -b 3000)" '^TPM buffersize: +3000' "$kind: the buffer size is set (-b 3000)"
    like "$(ioctl -b 4096)" '^TPM buffersize: +4096' "$kind: and set back"
    ok "$kind: STOP is no error (--stop)" ioctl --stop

    # Running.
    ok "$kind: INIT (-i)" ioctl -i
    ok "$kind: the state is there" test -s state/tpm2-00.permall
    refuses 1 0xa "$kind: the buffer size is fixed now (-b)" ioctl -b 3000
    like "$(ioctl -e)" '^tpmEstablished is 0$' "$kind: not established (-e)"
    ok "$kind: a measured launch (-h)" ioctl -h data
    like "$(ioctl -e)" '^tpmEstablished is 1$' "$kind: established"
    refuses 1 0x3d "$kind: locality 0 may not reset that (-r 0)" ioctl -r 0
    ok "$kind: locality 3 may (-r 3)" ioctl -r 3
    like "$(ioctl -e)" '^tpmEstablished is 0$' "$kind: not established any more"
    ok "$kind: cancel (-C)" ioctl -C
    ok "$kind: the volatile state is stored (-v)" ioctl -v
    ok "$kind: there it is" test -s state/tpm2-00.volatilestate

    # Blobs: the running TPM's out, into another one's place.
    ok "$kind: the permanent state goes out (--save)" ioctl --save permanent permanent.1
    ok "$kind: the volatile state too" ioctl --save volatile volatile.1
    ok "$kind: the savestate too, though there is none" ioctl --save savestate savestate.1
    ok "$kind: both have something in them" test -s permanent.1 -a -s volatile.1
    refuses 1 0xa "$kind: no state comes into a running TPM (--load)" ioctl --load permanent permanent.1
    ok "$kind: STOP" ioctl --stop
    rm -f state/tpm2-00.*
    ok "$kind: the permanent state comes back (--load)" ioctl --load permanent permanent.1
    ok "$kind: the volatile state too" ioctl --load volatile volatile.1
    head -c 40 permanent.1 >half
    refuses 1 "0x" "$kind: half a state is refused" ioctl --load permanent half
    ok "$kind: the permanent state again" ioctl --load permanent permanent.1
    ok "$kind: and the volatile one" ioctl --load volatile volatile.1
    ok "$kind: INIT" ioctl -i
    ok "$kind: the permanent state goes out again" ioctl --save permanent permanent.2
    ok "$kind: it is the same" cmp permanent.1 permanent.2
    ok "$kind: SHUTDOWN (-s)" ioctl -s
    ok "$kind: ends the emulator" wait_gone "$pid" 5
    code=0
    wait "$pid" || code=$?
    is "$code" 0 "$kind: with exit code 0"
    refuses 1 . "$kind: nobody is there any more" ioctl -c
done
finish
