#!/bin/bash
# libvirt as it is: a libvirtd and virsh of Debian that find holdfast under swtpm's names, by the PATH of
# samples/libvirt-path.conf. Define, start, reset, managedsave and restore, encryption, PCR banks, live
# migration to a second libvirtd, undefine; TPM 2.0 and 1.2; an emulator of our own (backend external). What may go wrong: guest-libvirt-faults.sh.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2119,SC2317  # tpm_start without options; functions for wait_for
# shellcheck source=tests/guest/libvirt.sh
. "${top_srcdir:=.}/tests/guest/libvirt.sh" || exit 1
like "${sample%%:*}" '/libexec/holdfast/swtpm$' "the sample names the folder of swtpm's names first"

libvirtd_start there 00000000-0000-4000-8000-000000000002
libvirtd_start here 00000000-0000-4000-8000-000000000001
libvirtd_wait here
libvirtd_wait there

vm_name="TPM 2.0, tpm-crb"
v secret-define /dev/stdin <<'END_OF_XML' >/dev/null 2>&1 || bail "no secret"
<secret ephemeral="no" private="yes">
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <usage type="vtpm"><name>test</name></usage>
</secret>
END_OF_XML
printf 'a secret of libvirt' | base64 >"$tap_dir/secret"
ok "libvirt keeps a secret" v secret-set-value --plain --file "$tap_dir/secret" 11111111-2222-4333-8444-555555555555

domain two "$tap_dir/job" tpm-crb '<backend type="emulator" version="2.0"/>'
power_on two
ok "$vm_name: the emulator is this one" emulator_runs
ok "$vm_name: its state is in libvirt's place" test -s "$swtpm_dir/tpm2/tpm2-00.permall"
facts
is "$pcr" "$zeros" "$vm_name: PCR 16 has its start value"
like "$ek" '0x81010001.*0x1C00002|0x81010016.*0x1C00016' "$vm_name: it was made with an EK and its certificate"
ask_guest change
facts
changed=$pcr
isnt "$changed" "$zeros" "$vm_name: the guest changes it"
first=$counter
vm_expect ask
ok "$vm_name: reset" v reset two
vm_expect boot
facts
is "$pcr $counter" "$zeros $first" "$vm_name: PCR 16 starts anew, NV is there"
ask_guest change
vm_expect ask
ok "$vm_name: managedsave" v managedsave two
off two
talk here
ok "$vm_name: restore" v start two
guest_answer facts
told
is "$pcr $((16#$counter))" "$changed $((16#$first + 1))" "$vm_name: the TPM goes on as it was"

there() { [ -z "$(virsh -q -c "$(uri there)" list --name | tr -d '\n')" ]; }
vm_name="live migration to another libvirtd"
vm_expect ask
if move here there two; then
    pass "$vm_name: it moves"
    talk there
    guest_answer facts
    told
    is "$pcr $((16#$counter))" "$changed $((16#$first + 1))" "$vm_name: with its TPM"
    ask_guest off
    vm_expect end
    ok "$vm_name: it ends there" wait_for 20 there
else
    diag_file "$tap_dir/migrate.log"
    diag_file "$tap_dir/there/log/libvirtd.log"
    fail "$vm_name: it moves"
    guest_answer off
fi
vm_name="TPM 2.0, tpm-crb"
off two
ok "$vm_name: undefine" v undefine two
ok "$vm_name: its state is gone" test ! -e "$swtpm_dir"

vm_name="encrypted, PCR bank sha384"
domain safe "$tap_dir/job" tpm-tis '<backend type="emulator" version="2.0"><encryption secret="11111111-2222-4333-8444-555555555555"/><active_pcr_banks><sha256/><sha384/></active_pcr_banks></backend>'
power_on safe
facts
is "$banks" "pcr-sha256 pcr-sha384" "$vm_name: the guest sees these banks"
is "$(od -An -tx1 -j 4 -N 2 "$swtpm_dir/tpm2/tpm2-00.permall" | tr -d ' ')" 0009 "$vm_name: the state is encrypted"
ask_guest change
facts
first=$counter
ask_guest off
vm_expect end
off safe
power_on safe
facts
is "$counter" "${first:-a value}" "$vm_name: it starts again"
vm_expect ask
ok "$vm_name: destroy" v destroy safe
off safe
ok "$vm_name: undefine, the state is kept when that is wanted" v undefine safe --keep-tpm
ok "$vm_name: it is there" test -s "$swtpm_dir/tpm2/tpm2-00.permall"

vm_name="TPM 1.2, tpm-tis"
domain one "$tap_dir/old" tpm-tis '<backend type="emulator" version="1.2"/>'
power_on one
pcr12
like "$pcr" '^PCR-16: (00 ?){20}' "$vm_name: the guest has it"
changed=$pcr
ask_guest change
pcr12
isnt "$pcr" "$changed" "$vm_name: and changes it"
changed=$pcr
vm_expect ask
ok "$vm_name: managedsave" v managedsave one
off one
talk here
ok "$vm_name: restore" v start one
guest_answer facts
told12
is "$pcr" "$changed" "$vm_name: the TPM goes on as it was"
vm_expect ask
ok "$vm_name: it moves to another libvirtd" move here there one || diag_file "$tap_dir/migrate.log"
talk there
guest_answer facts
told12
is "$pcr" "$changed" "$vm_name: with its TPM"
ask_guest off
vm_expect end
ok "$vm_name: it ends there" wait_for 20 there
off one
ok "$vm_name: undefine" v undefine one

vm_name="backend external"
tpm_start
chmod 666 "$vm_socket"
domain own "$tap_dir/job" tpm-crb "<backend type=\"external\"><source type=\"unix\" mode=\"connect\" path=\"$vm_socket\"/></backend>"
power_on own
facts
is "$pcr" "$zeros" "$vm_name: the guest has a TPM"
ask_guest off
vm_expect end
ok "$vm_name: it is off" wait_for 20 is_off own
ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
ok "$vm_name: undefine" v undefine own
finish
