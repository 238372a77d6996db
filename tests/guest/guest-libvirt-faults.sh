#!/bin/bash
# libvirt when something is wrong, and what else its TPMs can: snapshots, machines that are not defined, models of other
# machines; an emulator that is killed, secrets that are wrong or missing, state that is damaged or gone. What
# libvirt then reports, what the emulator's log says, and that nothing is lost.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions for wait_for
# shellcheck source=tests/guest/libvirt.sh
. "${top_srcdir:=.}/tests/guest/libvirt.sh" || exit 1
need qemu-img pkill
libvirtd_start here 00000000-0000-4000-8000-000000000001
libvirtd_wait here
log() { echo "$tap_dir/here/log-swtpm/libvirt/qemu/$1-swtpm.log"; }
# made NAME: how many TPMs have been made for this machine.
made() { grep -c 'Successfully authored TPM state' "$(log "$1")"; }
# fails_to_start NAME REGEX WHAT: virsh says so, and nothing runs afterwards.
fails_to_start() {
    refuses 1 "$2" "$vm_name: $3" virsh -q -c "$(uri here)" start "$1"
    off "$1"
}

vm_name="snapshot"
qemu-img create -q -f qcow2 "$tap_dir/images/disk.qcow2" 64M
chmod 666 "$tap_dir/images/disk.qcow2"
domain two "$tap_dir/job" tpm-crb '<backend type="emulator" version="2.0"/>' \
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$tap_dir/images/disk.qcow2'/><target dev='vda' bus='virtio'/></disk>"
power_on two
ask_guest change
facts
kept=$pcr first=$counter
vm_expect ask
ok "$vm_name: it is made of a machine that runs" v snapshot-create-as two before
guest_answer change
facts
isnt "$pcr $counter" "$kept $first" "$vm_name: the TPM goes on"
vm_expect ask
talk here
ok "$vm_name: and gone back to" v snapshot-revert two before
guest_answer facts
told
is "$pcr $counter" "$kept $first" "$vm_name: the TPM is as it was, PCRs and NV"
ask_guest change
facts
is "$((16#$counter))" "$((16#$first + 1))" "$vm_name: and goes on from there"
first=$counter

vm_name="emulator killed"
pkill -KILL -f "^$tap_dir/build/swtpm-names/swtpm socket"
ok "$vm_name: it is gone" wait_for 5 no_emulator
is "$(v domstate two)" running "$vm_name: the machine runs on"
facts
is "$counter" "" "$vm_name: its guest gets no answers, and is not held up"
vm_expect ask
refuses 1 "Failed to save domain 'two'" "$vm_name: what needs the TPM's state is refused: managedsave" virsh -q -c "$(uri here)" managedsave two
is "$(v domstate two)" running "$vm_name: and the machine runs on"
ok "$vm_name: destroy" v destroy two
off two
power_on two
facts
is "$counter $pcr" "$first $zeros" "$vm_name: started again it has its TPM"
ask_guest off
vm_expect end
off two

vm_name="state damaged"
state=$swtpm_dir/tpm2/tpm2-00.permall
cp -p "$state" "$tap_dir/permall"
head -c 100 "$tap_dir/permall" >"$state"
: >"$(log two)"
fails_to_start two 'CMD_INIT: 0x101' "the machine does not start"
like "$(cat "$(log two)")" 'tpm2-00.permall: its header says [0-9]+ bytes, there are 100' "$vm_name: the log names the file"
is "$(stat -c %s "$state")" 100 "$vm_name: and it is left alone"
cp -p "$tap_dir/permall" "$state"
ok "$vm_name: with the file back it starts" v start two
ok "$vm_name: destroy" v destroy two
off two
refuses 1 'exclusive' "$vm_name: to keep and to remove is too much" virsh -q -c "$(uri here)" undefine two --snapshots-metadata --keep-tpm --tpm
ok "$vm_name: undefine --tpm" v undefine two --snapshots-metadata --tpm
ok "$vm_name: its state is gone" test ! -e "$swtpm_dir"

vm_name="persistent_state"
# transient NAME [ATTRIBUTE]: a machine that is not defined, with a number of its own.
transient() {
    sed "s|<name>two</name>|<name>$1</name><uuid>00000000-0000-4000-8000-00000000000a</uuid>|; s|<disk .*</disk>||; s|version=\"2.0\"|& ${2:-}|" \
        "$tap_dir/two.xml" >"$tap_dir/$1.xml"
    ok "$vm_name: create" v create "$tap_dir/$1.xml"
    ok "$vm_name: destroy" v destroy "$1"
    ok "$vm_name: the emulator is gone" wait_for 5 no_emulator
}
swtpm_dir=$tap_dir/here/lib/swtpm/00000000-0000-4000-8000-00000000000a
transient yes 'persistent_state="yes"'
ok "$vm_name: the TPM of a machine that is not defined stays" test -s "$swtpm_dir/tpm2/tpm2-00.permall"
transient yes 'persistent_state="yes"'
is "$(made yes)" 1 "$vm_name: the next one finds it"
transient no
ok "$vm_name: without it the TPM goes with the machine" test ! -e "$swtpm_dir"

vm_name="model"
for model in tpm-spapr tpm-spapr-proxy; do
    sed "s/tpm-crb/$model/; s|<disk .*</disk>||; s/two/other/" "$tap_dir/two.xml" >"$tap_dir/other.xml"
    refuses 1 'pSeries|spapr|not supported' "$vm_name: $model is for other machines" virsh -q -c "$(uri here)" define "$tap_dir/other.xml"
done

vm_name="secret"
id=11111111-2222-4333-8444-555555555555
backend="<backend type=\"emulator\" version=\"2.0\"><encryption secret=\"$id\"/></backend>"
domain safe "$tap_dir/job" tpm-crb "$backend"
fails_to_start safe "[Ss]ecret.*$id|$id" "there is none: the machine does not start"
v secret-define /dev/stdin <<END_OF_XML >/dev/null 2>&1 || bail "no secret"
<secret ephemeral="no" private="yes"><uuid>$id</uuid><usage type="vtpm"><name>test</name></usage></secret>
END_OF_XML
fails_to_start safe 'secret' "it has no value: the machine does not start"
printf 'a secret of libvirt' | base64 >"$tap_dir/secret"
printf 'another secret' | base64 >"$tap_dir/wrong"
v secret-set-value --plain --file "$tap_dir/secret" "$id"
ok "$vm_name: with one it starts" v start safe
ok "$vm_name: destroy" v destroy safe
off safe
state=$swtpm_dir/tpm2/tpm2-00.permall
before=$(sha256sum <"$state")
v secret-set-value --plain --file "$tap_dir/wrong" "$id"
fails_to_start safe 'CMD_INIT: 0x101' "a wrong one: the machine does not start"
like "$(cat "$(log safe)")" 'tpm2-00.permall cannot be decrypted: it was encrypted with another key' "$vm_name: the log says why"
is "$(sha256sum <"$state")" "$before" "$vm_name: and the state is as it was"
v secret-set-value --plain --file "$tap_dir/secret" "$id"

vm_name="state gone"
mv "$swtpm_dir" "$tap_dir/away"
ok "$vm_name: libvirt has a new TPM made" v start safe
is "$(made safe)" 2 "$vm_name: another one"
ok "$vm_name: destroy" v destroy safe
off safe
rm -rf "$swtpm_dir"
mv "$tap_dir/away" "$swtpm_dir"
ok "$vm_name: with the state back it starts" v start safe
is "$(made safe)" 2 "$vm_name: with what is there"
ok "$vm_name: destroy" v destroy safe
off safe
ok "$vm_name: undefine" v undefine safe
finish
