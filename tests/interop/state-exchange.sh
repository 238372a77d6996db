#!/bin/bash
# One state directory, two programs: what Debian's swtpm has kept, holdfast finds, and the other way
# round, back and forth: an NV index, a persistent key, a counter. Neither opens what the other holds.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tpm2 swtpm openssl
[ -x "$emulator" ] || bail "$emulator is not there"
cd "$tap_dir" || bail "no directory"
swtpm=$(type -P swtpm)
pid=

# tpm_run PROGRAM: an emulator on $tap_dir/state.
tpm_run() {
    free_ports 2
    start tpm "$1" socket --tpm2 --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port" \
        --ctrl "type=tcp,port=$((port + 1))" --flags not-need-init,startup-clear
    pid=$started
    export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
    wait_port "$port" "$pid" || { diag_file tpm.log; bail "$1 does not open the state"; }
}

# tpm_end: as an orderly power off.
tpm_end() {
    tpm2_shutdown -c
    stop "$pid"
}

for direction in "swtpm holdfast" "holdfast swtpm"; do
    rm -rf state
    mkdir state
    case $direction in
    swtpm*) first=$swtpm second=$emulator ;;
    *) first=$emulator second=$swtpm ;;
    esac
    what="${direction/ / to }"

    tpm_run "$first"
    ok "$what: a key, an index and a counter are made" sh -c '
        tpm2_createprimary -Q -C o -G ecc -c key.ctx && tpm2_evictcontrol -Q -C o -c key.ctx 0x81000001 &&
        tpm2_readpublic -Q -c 0x81000001 -f pem -o key.pem &&
        tpm2_nvdefine -Q 0x1500001 -C o -s 12 && printf "twelve bytes" | tpm2_nvwrite 0x1500001 -C o -i- &&
        tpm2_nvdefine -Q 0x1500002 -C o -a "nt=counter|ownerread|ownerwrite" && tpm2_nvincrement 0x1500002 -C o'
    ek=$(tpm2_createek -Q -G ecc -c ek.ctx -u ek.pub -f pem && cat ek.pub)
    counter=$((16#$(tpm2_nvread 0x1500002 -C o -s 8 | od -An -tx1 | tr -d ' \n')))
    tpm_end
    is "$(echo state/*)" state/tpm2-00.permall "$what: the file has the name both know"
    is "$(od -An -tx1 -N 8 state/tpm2-00.permall | tr -d ' ')" 0201000a00000000 "$what: and the header"

    for program in "$second" "$first"; do
        tpm_run "$program"
        name=$what-${program##*/}
        is "$(tpm2_nvread 0x1500001 -C o -s 12)" "twelve bytes" "$name: the index is read"
        tpm2_readpublic -Q -c 0x81000001 -f pem -o again.pem
        ok "$name: the key is the same" cmp key.pem again.pem
        is "$(tpm2_createek -Q -G ecc -c ek.ctx -u ek.pub -f pem && cat ek.pub)" "$ek" "$name: the EK is the same"
        tpm2_nvincrement 0x1500002 -C o
        counter=$((counter + 1))
        is "$((16#$(tpm2_nvread 0x1500002 -C o -s 8 | od -An -tx1 | tr -d ' \n')))" "$counter" "$name: the counter goes on"
        ok "$name: the key works" sh -c '
            tpm2_create -Q -C 0x81000001 -G ecc -u child.pub -r child.priv &&
            tpm2_load -Q -C 0x81000001 -u child.pub -r child.priv -c child.ctx'
        tpm_end
    done
done

# A state in use is not opened a second time.
tpm_run "$swtpm"
free_ports 2
refuses any "[Ll]ock" "holdfast does not open what swtpm holds" timeout 20 "$emulator" socket --tpm2 \
    --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" \
    --flags not-need-init,startup-clear
tpm_end
tpm_run "$emulator"
free_ports 2
refuses any "lock" "swtpm does not open what holdfast holds" timeout 20 "$swtpm" socket --tpm2 \
    --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" \
    --flags not-need-init,startup-clear
tpm_end

# With a suspended state: swtpm writes it, we read it, and the other way round.
for direction in "swtpm holdfast" "holdfast swtpm"; do
    case $direction in
    swtpm*) first=$swtpm second=$emulator ;;
    *) first=$emulator second=$swtpm ;;
    esac
    what="${direction/ / to }, volatile state"
    rm -rf state
    mkdir state
    need swtpm_ioctl
    tpm_run "$first"
    tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
    tpm2_pcrread sha256:16 >pcr.before
    ok "$what: stored" swtpm_ioctl --tcp "127.0.0.1:$((port + 1))" -v
    kill_hard "$pid"
    ok "$what: the file is there" test -s state/tpm2-00.volatilestate
    free_ports 2
    start tpm "$second" socket --tpm2 --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port" \
        --ctrl "type=tcp,port=$((port + 1))"
    pid=$started
    wait_port "$port" "$pid" || bail "$second does not start"
    ok "$what: initialised" swtpm_ioctl --tcp "127.0.0.1:$((port + 1))" -i
    export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
    is "$(tpm2_pcrread sha256:16)" "$(cat pcr.before)" "$what: the PCR has its value without a startup"
    tpm_end
done
finish
