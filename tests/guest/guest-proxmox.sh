#!/bin/bash
# A guest on a machine that is started as Proxmox VE starts it (samples/proxmox-vm-with-tpm): the TPM on a volume of its
# own, made at the first start, found at the second, and moved to an empty volume by a live migration.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions for wait_for
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
names=$(cd "$top_builddir" && pwd)/swtpm-names
mkdir "$tap_dir/ca" "$tap_dir/runtime"
export PATH=$names:$PATH RUNTIME=$tap_dir/runtime CONFIG=$tap_dir/swtpm_setup.conf
printf "%s = $tap_dir/ca/%s\n" statedir . signingkey key.pem issuercert cert.pem certserial serial >"$tap_dir/localca.conf"
printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' "$names/swtpm_localca" \
    "$tap_dir/localca.conf" "$top_srcdir/contrib/debian/etc/swtpm-localca.options" >"$CONFIG"

# volume NAME: an empty one of 4 MiB, a block device where one can be had; its path in $volume.
volume() {
    volume=$tap_dir/$1.raw
    truncate -s 4M "$volume"
    local device
    if device=$(losetup -f --show "$volume" 2>/dev/null) && [ -b "$device" ]; then
        loops+=("$device")
        volume=$device
    fi
}
loops=()
cleanup() {
    local pid
    guest_kill
    # An emulator that no machine has come to runs on.
    for pid in "$tap_dir"/runtime/*.pid; do
        [ ! -s "$pid" ] || kill "$(cat "$pid")" 2>/dev/null
    done
    [ ${#loops[@]} -eq 0 ] || losetup -d "${loops[@]}"
    tap_cleanup
}
trap cleanup EXIT

cat >"$tap_dir/job" <<'END_OF_JOB'
tpm2_nvdefine 0x1500001 -C o -a 'nt=counter|ownerread|ownerwrite' >/dev/null 2>&1
tpm2_nvincrement 0x1500001 -C o
facts() {
    say counter "$(tpm2_nvread 0x1500001 -C o | hexdump -ve '1/1 "%02x"')"
    say pcr "$(cat /sys/class/tpm/tpm0/pcr-sha256/16)"
    say nv "$(tpm2_getcap handles-nv-index | tr -d '\n')"
}
tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
facts
while [ "$(ask next)" = facts ]; do facts; done
END_OF_JOB
facts() {
    vm_expect counter
    counter=$((16#$words))
    vm_expect pcr
    pcr=$words
    vm_expect nv
}
ended() { [ ! -e "$tap_dir/runtime/$1.swtpm.pid" ]; }

volume source
case $volume in
/dev/*) vm_name="a block device" ;;
*) vm_name="a file" ;;
esac
guest_qemu=("$top_srcdir/samples/proxmox-vm-with-tpm" "$volume" 100)
guest_boot "$tap_dir/vm" "$tap_dir/job" none none
vm_expect boot
facts
like "$words" '0x1C0001[60]' "$vm_name: the TPM was made with the certificate of its EK"
first=$counter
vm_expect ask
guest_answer end
vm_expect end
ok "$vm_name: the machine powers off" guest_wait 20
ok "$vm_name: the emulator ends with it" wait_for 5 ended 100

guest_boot "$tap_dir/vm" "$tap_dir/job" none none
vm_expect boot
facts
is "$counter" "$((first + 1))" "$vm_name: at the second start the TPM is the same"
vm_expect ask

# The target of a migration gets no setup: an empty volume, and an emulator that waits for its state.
vm_name="live migration to another volume"
old_pcr=$pcr
tap_pids+=("$guest_pid")
from_pid=$guest_pid from_to=$guest_to from_from=$guest_from from_monitor=$guest_monitor from_work=$guest_work
from_volume=$volume
volume target
swtpm socket --tpmstate "backend-uri=file://$volume,mode=0600" --ctrl "type=unixio,path=$tap_dir/runtime/101.swtpm,mode=0600" \
    --pid "file=$tap_dir/runtime/101.swtpm.pid" --terminate --daemon \
    --log "file=$tap_dir/runtime/101-swtpm.log,level=1,prefix=[id=1] " --tpm2 || vm_bail "no emulator at the target"
guest_qemu=(qemu-system-x86_64 -accel tcg)
guest_boot "$tap_dir/vm2" "$tap_dir/job" "$tap_dir/runtime/101.swtpm" tpm-tis -incoming "unix:$tap_dir/incoming"
tap_pids+=("$guest_pid")
wait_socket "$tap_dir/incoming" "$guest_pid" || vm_bail "the target does not listen"
to_pid=$guest_pid to_to=$guest_to to_from=$guest_from to_monitor=$guest_monitor
guest_pid=$from_pid guest_to=$from_to guest_from=$from_from guest_monitor=$from_monitor guest_work=$from_work
guest_command "migrate -d unix:$tap_dir/incoming"
ok "$vm_name: the source is done" vm_monitor 30 postmigrate "info status"
guest_kill
ok "$vm_name: its emulator ends" wait_for 5 ended 100
guest_pid=$to_pid guest_to=$to_to guest_from=$to_from guest_monitor=$to_monitor guest_work=$tap_dir/vm2
guest_answer facts
facts
is "$counter $pcr" "$((first + 1)) $old_pcr" "$vm_name: the TPM is as it was"
vm_expect ask
guest_answer end
vm_expect end
ok "$vm_name: the machine powers off" guest_wait 20
ok "$vm_name: the emulator ends with it" wait_for 5 ended 101
isnt "$volume" "$from_volume" "$vm_name: it is another volume"
guest_qemu=("$top_srcdir/samples/proxmox-vm-with-tpm" "$volume" 101)
guest_boot "$tap_dir/vm" "$tap_dir/job" none none
vm_expect boot
facts
is "$counter" "$((first + 2))" "$vm_name: and is started from it"
vm_expect ask
guest_answer end
vm_expect end
ok "$vm_name: the machine powers off at last" guest_wait 20
finish
