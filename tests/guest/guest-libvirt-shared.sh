#!/bin/bash
# Two libvirtds that keep their TPMs on one shared file system: live migration there and back with a lock that
# changes hands, one that is called off, encrypted state, TPM 1.2. libvirt goes by the kind of the file system: here it
# is a FUSE mount of the kind fuse.glusterfs.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions for wait_for
# shellcheck source=tests/guest/libvirt.sh
. "${top_srcdir:=.}/tests/guest/libvirt.sh" || exit 1
need bindfs

mkdir "$tap_dir/pool" "$tap_dir/shared"
chmod 711 "$tap_dir/pool"
bindfs -o subtype=glusterfs "$tap_dir/pool" "$tap_dir/shared" 2>"$tap_dir/bindfs.log" ||
    skip_all "no FUSE file system can be mounted here: $(cat "$tap_dir/bindfs.log")"
libvirt_shared=$tap_dir/shared
libvirtd_start there 00000000-0000-4000-8000-000000000002
libvirtd_start here 00000000-0000-4000-8000-000000000001
libvirtd_wait here
libvirtd_wait there

trap 'v list --name | xargs -r -n 1 virsh -q -c "$(uri here)" destroy >/dev/null 2>&1; umount -l "$tap_dir/shared"; guest_kill; tap_cleanup' EXIT

# The command lines of the emulators that run.
emulators() { pgrep -af "^$tap_dir/build/swtpm-names/swtpm socket"; }
one_emulator() { [ "$(emulators | wc -l)" = 1 ]; }

# moved FROM TO NAME: it moves, and the emulator with it; then the guest waits for an answer.
moved() {
    vm_expect ask
    if move "$@"; then
        pass "$vm_name: it moves"
    else
        diag_file "$tap_dir/migrate.log"
        diag_file "$tap_dir/$2/log/libvirtd.log"
        diag_file "$tap_dir/$1/log-swtpm/libvirt/qemu/$3-swtpm.log"
        diag_file "$tap_dir/$2/log-swtpm/libvirt/qemu/$3-swtpm.log"
        vm_bail "$vm_name: it does not move"
    fi
    talk "$2"
    ok "$vm_name: one emulator runs in the end" wait_for 10 one_emulator
    like "$(emulators)" '--migration release-lock-outgoing,incoming' "$vm_name: it was told of the migration"
}

move_says() {
    local code=0
    move "$@" || code=$?
    cat "$tap_dir/migrate.log"
    return "$code"
}

for uri in here there; do
    virsh -q -c "$(uri $uri)" secret-define /dev/stdin <<'END_OF_XML' >/dev/null 2>&1 || bail "no secret"
<secret ephemeral="no" private="yes">
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <usage type="vtpm"><name>test</name></usage>
</secret>
END_OF_XML
    printf 'a secret of libvirt' | base64 >"$tap_dir/secret"
    virsh -q -c "$(uri $uri)" secret-set-value --plain --file "$tap_dir/secret" 11111111-2222-4333-8444-555555555555
done

vm_name="shared storage, TPM 2.0"
domain two "$tap_dir/job" tpm-crb '<backend type="emulator" version="2.0"><encryption secret="11111111-2222-4333-8444-555555555555"/></backend>'
# libvirt looks for the mount by a path that has to be there: at a TPM's first start it is not yet.
power_on two
untold() { ! emulators | grep -q release-lock; }
ok "$vm_name: at the first start the emulator is not told" untold
refuses 1 'does not support migration with shared storage' "$vm_name: and the machine is not moved" move_says here there two
ask_guest off
vm_expect end
off two
power_on two
like "$(emulators)" '--migration release-lock-outgoing$' "$vm_name: the emulator is told that its state is shared"
facts
ask_guest change
facts
ek_first=$ek changed=$pcr
isnt "$changed" "$zeros" "$vm_name: the guest changes its TPM"

vm_name="called off"
v migrate-setspeed two 1
move here there two &
moving=$!
job_runs() { v domjobinfo two 2>/dev/null | grep -q 'Job type: *Unbounded'; }
ok "$vm_name: a migration runs" wait_for 20 job_runs
v domjobabort two
wait "$moving"
isnt "$?" 0 "$vm_name: it fails"
ok "$vm_name: one emulator runs in the end" wait_for 10 one_emulator
old=$counter
ask_guest change
facts
is "$((16#$counter))" "$((16#$old + 1))" "$vm_name: the guest goes on with its TPM"
old=$counter changed=$pcr
v migrate-setspeed two 1024

vm_name="there"
moved here there two
guest_answer facts
told
is "$pcr $counter $ek" "$changed $old $ek_first" "$vm_name: the TPM is as it was"
ask_guest change
facts
is "$((16#$counter))" "$((16#$old + 1))" "$vm_name: it goes on"
old=$counter changed=$pcr

vm_name="and back"
moved there here two
guest_answer facts
told
is "$pcr $counter" "$changed $old" "$vm_name: the TPM is as it was"
ask_guest change
facts
old=$counter
ask_guest off
vm_expect end
off two
vm_name="started again"
power_on two
facts
is "$counter $pcr $ek" "$old $zeros $ek_first" "$vm_name: with all that was stored on either side"
ask_guest off
vm_expect end
off two
ok "$vm_name: the state was encrypted all the time" test \
    "$(od -An -tx1 -j 4 -N 2 "$swtpm_dir/tpm2/tpm2-00.permall" | tr -d ' ')" = 0009
ok "$vm_name: undefine" v undefine two
ok "$vm_name: its state is gone" test ! -e "$swtpm_dir"

vm_name="shared storage, TPM 1.2"
domain one "$tap_dir/old" tpm-tis '<backend type="emulator" version="1.2"/>'
mkdir -p "$swtpm_dir/tpm1.2"
chmod 711 "$swtpm_dir"
chmod 700 "$swtpm_dir/tpm1.2"
chown tss: "$swtpm_dir/tpm1.2"
power_on one
like "$(emulators)" '--migration release-lock-outgoing$' "$vm_name: the emulator is told that its state is shared"
pcr12
like "$pcr" '^PCR-16: (00 ?){20}' "$vm_name: PCR 16 has its start value"
changed=$pcr
ask_guest change
pcr12
isnt "$pcr" "$changed" "$vm_name: the guest changes it"
changed=$pcr
moved here there one
guest_answer facts
told12
is "$pcr" "$changed" "$vm_name: the TPM is as it was"
ask_guest change
pcr12
isnt "$pcr" "$changed" "$vm_name: and goes on"
changed=$pcr
moved there here one
guest_answer facts
told12
is "$pcr" "$changed" "$vm_name: and back"
ask_guest off
vm_expect end
off one
ok "$vm_name: undefine" v undefine one
finish
