#!/bin/bash
# Power cuts: the emulator, or QEMU, is killed at a random moment while the guest writes to NV. The
# next boot must find every write the guest was told has been done, and a TPM that works.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1

cat >"$tap_dir/job" <<'END'
tpm2_nvdefine 0x1500001 -C o -s 8 -a 'ownerread|ownerwrite' >/dev/null 2>&1 &&
    printf '%08d' 0 | tpm2_nvwrite 0x1500001 -C o -i-
value=$(tpm2_nvread 0x1500001 -C o -s 8)
say value "$value"
# A leading 1 keeps the shell from taking 00000010 for octal.
while value=$((1$value + 1)) && value=${value#1} &&
    printf '%s' "$value" | tpm2_nvwrite 0x1500001 -C o -i-; do
    say wrote "$value" done
done
say stopped
sleep 600
END

rounds=${HOLDFAST_KILL_ROUNDS:-3}
last=00000000
for ((round = 0; round <= 2 * rounds; round++)); do
    victim=emulator
    [ $((round % 2)) -eq 0 ] || victim=QEMU
    [ $((round % 4)) -lt 2 ] && device=tpm-crb || device=tpm-tis
    vm_name="boot $round ($device)"
    tpm_start --locality reject-locality-4
    vm_boot "$tap_dir/job" "$device"
    vm_expect value
    if [ "$round" -eq 0 ]; then
        is "$words" 00000000 "$vm_name: the index is new"
    elif [ "$words" = "$(printf '%08d' $((10#$last + 1)))" ]; then
        pass "$vm_name: all acknowledged writes are there, and one more that was under way"
    else
        is "$words" "$last" "$vm_name: all acknowledged writes are there"
    fi
    last=$words
    # A few writes, then the cut somewhere in the next 0.3 seconds.
    for _ in 1 2 3; do
        vm_expect wrote
        last=${words% done}
    done
    [ "$round" -lt $((2 * rounds)) ] || break
    end=$(($(date +%s%N) + (RANDOM % 300) * 1000000))
    while [ "$(date +%s%N)" -lt "$end" ] && guest_event 5; do
        [[ "$event $words" =~ ^wrote\ ([0-9]{8})\ done$ ]] && last=${BASH_REMATCH[1]}
    done
    case $victim in
    emulator)
        kill_hard "$vm_pid" || bail "the emulator survived SIGKILL"
        ;;
    QEMU)
        kill -KILL "$guest_pid"
        ok "$vm_name: the emulator ends when QEMU is killed" wait_gone "$vm_pid" 5
        ;;
    esac
    # What the guest had said before the cut counts as well.
    while guest_event 0; do
        [[ "$event $words" =~ ^wrote\ ([0-9]{8})\ done$ ]] && last=${BASH_REMATCH[1]}
        [ "$event" != stopped ] || break
    done
    guest_kill
done
isnt "$last" 00000000 "the guest has written"
diag "the last acknowledged value is $last"
finish
