#!/bin/bash
# A guest reboots itself, and is reset from outside: the TPM starts again each time, with NV as it
# was, PCRs at their start values and the reset counted; no trace of dictionary-attack lockout.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1

cat >"$tap_dir/job" <<'END'
tpm2_nvdefine 0x1500001 -C o -a 'nt=counter|ownerread|ownerwrite' >/dev/null 2>&1 &&
    tpm2_nvdefine 0x1500002 -C o -s 1 -p secret -a 'authread|authwrite' >/dev/null
say pcr16 "$(cat /sys/class/tpm/tpm0/pcr-sha256/16)"
say pcr0 "$(cat /sys/class/tpm/tpm0/pcr-sha256/0)"
say resets "$(tpm2_readclock | awk '/^ *res(e|tar)t_count:/ { printf "%d ", $2 }')"
say lockout "$(tpm2_getcap properties-variable | awk '$1 == "TPM2_PT_LOCKOUT_COUNTER:" { print $2 }')"
tpm2_nvincrement 0x1500001 -C o
say counter "$(tpm2_nvread 0x1500001 -C o | hexdump -ve '1/1 "%02x"')"
# Using an object that is subject to the lockout is what an unclean reset is held against.
printf x | tpm2_nvwrite 0x1500002 -C 0x1500002 -P secret -i-
tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
case $(ask next) in
reboot)
    reboot -f ;;
wait)
    sleep 600 ;;
esac
END
zeros=0000000000000000000000000000000000000000000000000000000000000000
resets=
pcr0=

for device in tpm-tis tpm-crb; do
    rm -rf "$vm_state"
    mkdir "$vm_state"
    tpm_start --seccomp action=kill
    vm_name="$device, start"
    vm_boot "$tap_dir/job" "$device"
    n=0
    for next in reboot wait "power off"; do
        vm_expect pcr16
        is "$words" "$zeros" "$vm_name: PCR 16 is at its start value"
        vm_expect pcr0
        [ "$n" -eq 0 ] || is "$words" "$pcr0" "$vm_name: the firmware measures the same again"
        pcr0=$words
        vm_expect resets
        # The restart count, when the emulator has saved the TPM for a guest that did not.
        [ "$n" -eq 0 ] || isnt "$words" "$resets" "$vm_name: the TPM has counted the reset"
        resets=$words
        vm_expect lockout
        is "$words" 0x0 "$vm_name: nothing is held against the lockout"
        vm_expect counter
        [ "$n" -eq 0 ] && base=$((16#$words))
        is "$((16#$words))" "$((base + n))" "$vm_name: the NV counter goes on from where it was"
        n=$((n + 1))
        vm_expect ask
        guest_answer "$next"
        case $next in
        reboot)
            vm_name="$device, reboot $n"
            vm_expect boot
            ;;
        wait)
            guest_command system_reset
            vm_name="$device, reset by QEMU"
            vm_expect boot
            ;;
        esac
    done
    vm_expect end
    ok "$vm_name: the VM powers off" guest_wait 20
    ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
done
finish
