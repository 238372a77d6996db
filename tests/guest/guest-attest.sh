#!/bin/bash
# A guest proves how it has booted: UEFI measures, holdfast-attest gets an attestation key certified and quotes inside the guest,
# the verifier follows it to the fleet's root and holds the boot against reference values; another initramfs is found
# out, by samples/ci-boot-check. And the same with tools that are not ours on either side: tpm2-tools' quote before
# our verifier, our quote before tpm2_checkquote, the chains before openssl.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2119,SC2154,SC2317  # tpm_start without options is meant; what fleet.sh and
# boot.sh set; functions are called by ok
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
# shellcheck source=tests/cli/host-tpm.sh
. "$top_srcdir/tests/cli/host-tpm.sh"
# shellcheck source=tests/cli/letters.sh
. "$top_srcdir/tests/cli/letters.sh"
# shellcheck source=tests/cli/fleet.sh
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca
code=/usr/share/OVMF/OVMF_CODE_4M.fd vars=/usr/share/OVMF/OVMF_VARS_4M.fd
if [ ! -r "$code" ] || [ ! -r "$vars" ]; then
    skip_all "ovmf is not installed"
fi
cd "$tap_dir" || exit 1
selection=sha256:0,1,2,3,4,5,6,7,9

# One job for all boots: it is in the initramfs, which is measured.
cat >job <<'END'
mount -t securityfs securityfs /sys/kernel/security
selection=sha256:0,1,2,3,4,5,6,7,9
if [ "$(ask role)" = first ]; then
    check "a request is made" holdfast-attest enroll --dir ak --request request
    give request
    take answer
    take privacy-ca.pem
    check "the certificate is installed" holdfast-attest enroll --dir ak --activate answer --ca-root privacy-ca.pem
    tar -cf ak.tar ak
    give ak.tar
    check "the quote goes into files, too" holdfast-attest quote --dir ak --nonce 00ff --selection $selection \
        --quote q.msg --signature q.sig --pcrs q.pcrs --ak-public q.pub
    check "tpm2_checkquote takes it" tpm2_checkquote -u q.pub -m q.msg -s q.sig -f q.pcrs -q 00ff
    check "and refuses another nonce" sh -c "! tpm2_checkquote -u q.pub -m q.msg -s q.sig -f q.pcrs -q 00fe"
    check "tpm2-tools read the EK certificate" tpm2_nvread 0x1c00002 -o t.ek
    check "make an EK" tpm2_createek -G rsa -c ek.ctx
    check "and an AK" tpm2_createak -C ek.ctx -c t.ctx -G ecc -g sha256 -s ecdsa -u t.pub
    give t.ek
    give t.pub
    take t.credential
    check "open a challenge" sh -c "tpm2_startauthsession --policy-session -S session && tpm2_policysecret -S session -c e &&
        tpm2_activatecredential -c t.ctx -C ek.ctx -i t.credential -o t.activated -P session:session"
    check "and quote" tpm2_quote -c t.ctx -l $selection -q "$(ask nonce)" -m t.msg -s t.sig -o t.pcrs -g sha256
    cp /sys/kernel/security/tpm0/binary_bios_measurements t.log
    for file in t.activated t.msg t.sig t.pcrs t.log; do give $file; done
else
    take ak.tar
    tar -xf ak.tar
fi
check "the guest quotes" holdfast-attest quote --dir ak --nonce "$(ask nonce)" --selection $selection --out evidence
give evidence
END

fleet_make
"$top_builddir/holdfast-setup" --tpm2 --tpm-state "$vm_state" --authority A --create-ek-cert --create-platform-cert \
    --pcr-banks sha256 >setup.log 2>&1 || { diag_file setup.log; bail "no vTPM"; }
guest_extra=$tap_dir/extra
guest_add "$top_builddir/holdfast-attest"

# boot JOB ROLE: a boot, up to its first question.
boot() {
    cp "$vars" vars.fd
    tpm_start
    vm_boot "$1" tpm-crb -no-reboot -m 512 -drive "if=pflash,format=raw,unit=0,readonly=on,file=$code" \
        -drive "if=pflash,format=raw,unit=1,file=$tap_dir/vars.fd"
    vm_expect ask
    guest_answer "$2"
}
given() { vm_expect file && cp "$guest_work/${words//\//_}" .; }
wanted() { vm_expect want && guest_send "$words"; }
over() {
    vm_expect end
    ok "$vm_name: the VM powers off" guest_wait 20
    ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
}
# pipeline CODE WHAT [OPTION...]: samples/ci-boot-check, whose COMMAND is this test's guest, ends with CODE.
pipeline() {
    local wanted=$1 what=$2 code=0 nonce
    shift 2
    rm -f asked given
    mkfifo asked given
    # shellcheck disable=SC2016  # the inner shell expands
    ATTEST=$attest "$top_srcdir/samples/ci-boot-check" --ca-root P/root.pem --root C/root.pem --selection "$selection" \
        --reference boot.reference "$@" -- sh -c 'echo "$HOLDFAST_NONCE" >asked && cat given' >pipeline.log 2>&1 &
    local job=$!
    vm_expect ask
    read -r nonce <asked
    guest_answer "$nonce"
    given
    cat evidence >given
    wait "$job" || code=$?
    is "$code" "$wanted" "$what"
    [ "$code" = "$wanted" ] || diag_file pipeline.log 50
}

vm_name="first boot"
boot job first
given
cp P/root.pem privacy-ca.pem
ok "the privacy CA certifies the guest's key" "$ca" certify --dir P --request request --out answer --vma-root C/root.pem
wanted
wanted
given
given
given
"$attest" challenge --ek-certificate t.ek --ak-public t.pub --out t.credential --secret-out t.secret || bail "no challenge"
wanted
vm_expect ask
guest_answer 0123456789abcdef
for _ in 1 2 3 4 5; do given; done
openssl x509 -in vma.pem -out own-vma.pem
ok "what tpm2-tools made in the guest is verified" "$attest" verify --quote t.msg --signature t.sig --pcrs t.pcrs --event-log t.log \
    --ak-public t.pub --ek-certificate t.ek --chain own-vma.pem --root C/root.pem --secret t.secret --activated t.activated \
    --nonce 0123456789abcdef --selection "$selection"
like "$(tr -d '\n' <ok.log)" "hardware-rooted.*child of this endorsement key.*leads to sha256:0, .*sha256:9" "up to the firmware's log"
: >no.log
refuses 1 'check "event log" failed' "but not with one that is empty" "$attest" verify --quote t.msg --signature t.sig --pcrs t.pcrs \
    --event-log no.log --ak-public t.pub --ek-certificate t.ek --chain own-vma.pem --root C/root.pem --secret t.secret \
    --activated t.activated --nonce 0123456789abcdef --selection "$selection"
pipeline 0 "a boot that is known to be good is learnt" --learn
like "$(tr -d '\n' <pipeline.log)" "hardware-rooted.*quote of $selection.*event log of [0-9]* events leads to sha256:0" "with the kernel's own log"
over
record evidence 5 >ak.der
ok "openssl verifies the attestation key's chain" openssl verify -x509_strict -CAfile P/root.pem ak.der
record evidence 8 >ek.der
ok "and the endorsement key's" openssl verify -x509_strict -CAfile C/root.pem -untrusted own-vma.pem -ignore_critical ek.der
ok "which is the one that tpm2-tools read" cmp ek.der t.ek
sed -n 's/^# event sha256:9:/event sha256:9:/p; /^\[/p; /^sha256:[0-7]:/p' boot.reference >events.reference

vm_name="second boot"
boot job again
wanted
pipeline 0 "the next boot passes the pipeline"
like "$(<pipeline.log)" "as the reference values say: boot" "and it says so"
ok "by its events, too" "$attest" verify evidence --ca-root P/root.pem --nonce "$(python3 -c '
import struct, sys
data = open("evidence", "rb").read()[24:]
size = struct.unpack(">H", data[6:8])[0]
print(data[10 + size:10 + size + 32].hex())')" --selection "$selection" --reference events.reference
over

vm_name="another initramfs"
sed 's/^mount/echo tampered\n&/' job >tampered
boot tampered again
wanted
pipeline 3 "another initramfs fails it" --report bad.json
like "$(<pipeline.log)" "the guest did NOT boot as boot.reference says" "and it says so"
is "$(python3 -c '
import json
r = json.load(open("bad.json"))
print(r["proved"], "9" in [d.split(":")[1] for d in r["reference"]["differences"]])')" "True True" "PCR 9 is other than it was"
over
finish
