#!/bin/bash
# Measured boot: SeaBIOS and UEFI (OVMF), tpm-tis and tpm-crb. What the firmware has written into its
# event log, extended again in order, gives the PCRs the TPM has. And a TPM 1.2 under a kernel.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2119  # tpm_start without options is meant
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1

cat >"$tap_dir/job" <<'END_OF_JOB'
mount -t securityfs securityfs /sys/kernel/security
log=/sys/kernel/security/tpm0/binary_bios_measurements
cp "$log" log && tpm2_eventlog log >events 2>/dev/null
say events "$(grep -c '^- EventNum' events)"
say efi "$(test -d /sys/firmware/efi && echo yes || echo no)"
# "  sha256:" is followed by lines "    0  : 0x..." of what the events come to.
for pcr in 0 1 2 3 4 5 6 7; do
    logged=$(sed -n '/^pcrs:/,$p' events | sed -n '/^ *sha256:/,$p' | sed -n "s/^ *$pcr *: 0x//p" | head -n 1)
    has=$(tr A-F a-f <"/sys/class/tpm/tpm0/pcr-sha256/$pcr")
    say pcr "$pcr" "$logged" "$has"
done
END_OF_JOB

cat >"$tap_dir/old" <<'END_OF_JOB'
say version "$(cat /sys/class/tpm/tpm0/tpm_version_major 2>/dev/null)"
say pcr11 "$(sed -n 's/^PCR-11: //p' /sys/class/tpm/tpm0/pcrs | tr -d ' ')"
say state "$(cat /sys/class/tpm/tpm0/enabled /sys/class/tpm/tpm0/active /sys/class/tpm/tpm0/owned | tr '\n' ' ')"
# TPM_Extend of PCR 11 by hand, and its new value.
exec 4<>/dev/tpm0
printf '\000\301\000\000\000\042\000\000\000\024\000\000\000\013aaaaaaaaaaaaaaaaaaaa' >&4
dd bs=4096 count=1 <&4 2>/dev/null | hexdump -ve '1/1 "%02x"' >answer
say extend "$(cat answer)"
exec 4>&-
say pcr11 "$(sed -n 's/^PCR-11: //p' /sys/class/tpm/tpm0/pcrs | tr -d ' ')"
END_OF_JOB

# firmware NAME DEVICE QEMU-OPTIONS...: one boot, and what it measured.
firmware() {
    local name=$1 device=$2 number logged has
    shift 2
    vm_name="$name, $device"
    rm -rf "$vm_state"
    mkdir "$vm_state"
    tpm_start
    vm_boot "$tap_dir/job" "$device" -no-reboot "$@"
    vm_expect events
    ok "$vm_name: its event log has events ($words)" test "${words:-0}" -ge 5
    vm_expect efi
    is "$words" "$([ "$name" = UEFI ] && echo yes || echo no)" "$vm_name: EFI is there, or not"
    for _ in 0 1 2 3 4 5 6 7; do
        vm_expect pcr
        read -r number logged has <<<"$words"
        is "$has" "${logged:-nothing}" "$vm_name: the log comes to what PCR $number is"
    done
    vm_expect end
    ok "$vm_name: the VM powers off" guest_wait 20
    ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
}

firmware SeaBIOS tpm-tis
firmware SeaBIOS tpm-crb

code=/usr/share/OVMF/OVMF_CODE_4M.fd vars=/usr/share/OVMF/OVMF_VARS_4M.fd
if [ -r "$code" ] && [ -r "$vars" ]; then
    for device in tpm-crb tpm-tis; do
        cp "$vars" "$tap_dir/vars.fd"
        firmware UEFI "$device" -drive "if=pflash,format=raw,unit=0,readonly=on,file=$code" \
            -drive "if=pflash,format=raw,unit=1,file=$tap_dir/vars.fd"
    done
else
    skip "UEFI" "ovmf is not installed"
fi

vm_name="TPM 1.2, tpm-tis"
rm -rf "$vm_state"
mkdir "$vm_state"
vm_tpm=()
tpm_start
vm_boot "$tap_dir/old" tpm-tis -no-reboot
vm_expect version
is "$words" 1 "$vm_name: the kernel takes it for a TPM 1.2"
vm_expect pcr11
is "$words" 0000000000000000000000000000000000000000 "$vm_name: PCR 11 has its start value"
vm_expect state
is "$words" "1 1 0 " "$vm_name: enabled, active, not owned"
vm_expect extend
sum=$({ head -c 20 /dev/zero; printf aaaaaaaaaaaaaaaaaaaa; } | sha1sum | cut -d ' ' -f 1)
is "$words" "00c40000001e00000000$sum" "$vm_name: TPM_Extend answers"
vm_expect pcr11
is "${words,,}" "$sum" "$vm_name: and the kernel reads it"
vm_expect end
ok "$vm_name: the VM powers off" guest_wait 20
ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
finish
