#!/bin/bash
# A Linux guest finds its TPM over tpm-crb and tpm-tis and uses it: PCRs, keys, NV. The VM is
# stopped and started again with the same state; the emulator runs as a daemon and not as one.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1

cat >"$tap_dir/first" <<'END'
check "the kernel has a TPM" test -c /dev/tpmrm0
say version "$(cat /sys/class/tpm/tpm0/tpm_version_major)"
check "its PCRs can be read" tpm2_pcrread
say pcr0 "$(cat /sys/class/tpm/tpm0/pcr-sha256/0)"
check "a PCR can be extended" tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
say pcr16 "$(cat /sys/class/tpm/tpm0/pcr-sha256/16)"
check "an RSA EK can be made" tpm2_createek -G rsa -c ek.ctx -u ek.pub
check "an AK can be made" tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -f pem
check "a quote can be made" tpm2_quote -c ak.ctx -l sha256:0,7,16 -q 0123456789abcdef -m quote -s quote.sig -o quote.pcrs -g sha256
check "and is right" tpm2_checkquote -u ak.pub -m quote -s quote.sig -f quote.pcrs -g sha256 -q 0123456789abcdef
check "a storage key can be made" tpm2_createprimary -C o -G ecc -c srk.ctx
check "and kept" tpm2_evictcontrol -C o -c srk.ctx 0x81000001
check "an NV index can be defined" tpm2_nvdefine 0x1500001 -C o -s 33 -a 'ownerread|ownerwrite|authread|authwrite'
printf "%s" "the guest was here before, really" >text
check "and written" tpm2_nvwrite 0x1500001 -C o -i text
check "and a wrong password is refused" sh -c '! tpm2_nvread 0x1500001 -C 0x1500001 -P wrong'
END
cat >"$tap_dir/second" <<'END'
say nv "$(tpm2_nvread 0x1500001 -C o -s 33)"
check "the kept key is still there" tpm2_readpublic -c 0x81000001
check "and works" tpm2_create -C 0x81000001 -G ecc -u key.pub -r key.priv
say pcr16 "$(cat /sys/class/tpm/tpm0/pcr-sha256/16)"
END
zeros=0000000000000000000000000000000000000000000000000000000000000000

for device in tpm-crb tpm-tis; do
    case $device in
    tpm-crb) options=() how="in the foreground" ;;
    tpm-tis) options=(--daemon) how="as a daemon" ;;
    esac
    rm -rf "$vm_state"
    mkdir "$vm_state"

    vm_name="$device, first boot"
    tpm_start "${options[@]}"
    vm_boot "$tap_dir/first" "$device" -no-reboot
    vm_expect version
    is "$words" 2 "$vm_name: it is a TPM 2"
    vm_expect pcr0
    isnt "$words" "$zeros" "$vm_name: the firmware has measured itself"
    vm_expect pcr16
    isnt "$words" "$zeros" "$vm_name: the extended PCR shows it"
    vm_expect end
    ok "$vm_name: the VM powers off" guest_wait 20
    ok "$vm_name: the emulator ($how) ends with it" wait_gone "$vm_pid" 5

    vm_name="$device, second boot"
    tpm_start "${options[@]}"
    vm_boot "$tap_dir/second" "$device" -no-reboot
    vm_expect nv
    is "$words" "the guest was here before, really" "$vm_name: NV holds what was written"
    vm_expect pcr16
    is "$words" "$zeros" "$vm_name: PCR 16 starts anew"
    vm_expect end
    ok "$vm_name: the VM powers off" guest_wait 20
    ok "$vm_name: the emulator ($how) ends with it" wait_gone "$vm_pid" 5
    ok "$vm_name: its socket is gone" test ! -e "$vm_socket"
done
finish
