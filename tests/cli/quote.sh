#!/usr/bin/env bash
# holdfast-attest quote: a guest's evidence, of a virtual TPM and of a hardware one, and in the forms
# of tpm2-tools, held against tpm2_checkquote.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_checkquote openssl python3

cd "$tap_dir" || exit 1
nonce=00112233445566778899aabbccddeeff
quote() { local name=$1; shift; "$attest" quote --dir "$name.ak" --nonce "$nonce" "$@"; }
checked() { tpm2_checkquote -u ak.pub -m q.msg -s q.sig -f q.pcrs -q "$1"; }

fleet_make
vtpm_make one --pcr-banks sha1,sha256,sha384
ln -s "$tap_dir/host/sock" hard.sock
ln -s "$tap_dir/host/sock.ctrl" hard.sock.ctrl
tool one tpm2_pcrextend "4:sha256=$(printf '%064d' 4),sha1=$(printf '%040d' 4)"

refuses 1 "nowhere" "no directory" "$attest" quote --dir nowhere --nonce aa --out e
request one >/dev/null
refuses 1 "has no certificate yet .run holdfast-attest enroll" "no certificate yet" quote one --out e
if [ -e e ]; then fail "nothing is left"; else pass "nothing is left"; fi

for kind in p256 p384 rsa2048; do
    enrol_key one --new-key --key-algorithm $kind || bail "$kind: cannot enrol"
    ok "$kind: evidence" quote one --out e
    like "$(<ok.log)" "e: quote of sha256:0,2,4,7, without an event log" "$kind: and what is in it"
    ok "$kind: as tpm2_quote has it" quote one --quote q.msg --signature q.sig --pcrs q.pcrs --ak-public ak.pub
    ok "$kind: tpm2_checkquote takes it" checked $nonce
    refuses any "" "$kind: and refuses another nonce" checked ff
done
is "$(record e 1 | head -c 4 | od -An -tx1)" " ff 54 43 47" "record 1 is what the TPM signed"
is "$(record e 4 | cut -d: -f1,2 | tr '\n' ' ')" "sha256:0 sha256:2 sha256:4 sha256:7 " "record 4 has the values"
record e 5 >ak.der
ok "record 5 is the attestation key's certificate" openssl verify -x509_strict -CAfile P/root.pem ak.der
record e 8 >ek.der
tool one tpm2_nvread 0x1c00002 -o nv.der
ok "record 8 is the EK certificate in NV" cmp ek.der nv.der
ok "several banks" quote one --out e --selection "sha256:4,7,10+sha1:4"
is "$(record e 4 | cut -d: -f1,2 | tr '\n' ' ')" "sha256:4 sha256:7 sha256:10 sha1:4 " "in the order asked for"
for selection in sha384:0,7+sha1:4 sha256:0,1,2,3,4,5,6,7 sha256:0,1,2,3,4,5,6,7,9 sha384:all+sha256:all+sha1:all; do
    quote one --selection "$selection" --quote q.msg --signature q.sig --pcrs q.pcrs --ak-public ak.pub
    ok "tpm2_checkquote takes $selection" checked $nonce
done
ok "all PCRs of all banks" quote one --out e --selection "sha384:all+sha256:all+sha1:all"
ok "without the endorsement key" quote one --out less --without-ek
is "$(record less 7 | wc -c) $(record less 8 | wc -c)" "0 0" "neither key nor certificate"
head -c 32 /dev/urandom >nonce
ok "a nonce in a file" "$attest" quote --dir one.ak --nonce-file nonce --out e
is "$(record e 1 | od -An -v -tx1 | tr -d ' \n' | grep -c "$(od -An -v -tx1 nonce | tr -d ' \n')")" 1 "it is in what was signed"
printf 'any bytes' >log
ok "an event log" quote one --out e --event-log log
is "$(record e 10)" "any bytes" "goes along as it is"

enrol_key hard || bail "cannot enrol a hardware TPM"
ok "a hardware TPM" quote hard --out hard.e --quote q.msg --signature q.sig --pcrs q.pcrs --ak-public ak.pub
ok "tpm2_checkquote takes its quote" checked $nonce

refuses 2 "one of --nonce and --nonce-file expected" "no nonce" "$attest" quote --dir one.ak --out e
refuses 2 "one of --nonce and --nonce-file expected" "two nonces" quote one --out e --nonce-file nonce
: >empty
refuses 2 "empty: expected 1 to 66 bytes" "an empty nonce" "$attest" quote --dir one.ak --nonce-file empty --out e
refuses 2 "quote: --out or --quote expected" "nowhere to write to" quote one
refuses 2 "PCR selection" "a malformed selection" quote one --out e --selection sha256
refuses 1 "holdfast-attest: the TPM does not have the PCRs sha1:0" "a bank that the TPM does not have" quote hard --out e --selection sha256:0+sha1:0
refuses 1 "no-log" "an event log that is not there" quote one --out e --event-log no-log
refuses 1 "TPM replaced" "another TPM" quote one --out e --tcti "swtpm:path=$tap_dir/hard.sock"
cp one.ak/ak.pem earlier.pem
request one --new-key >/dev/null
refuses 1 "attestation key has no certificate yet" "a new key has no certificate" quote one --out e
cp earlier.pem one.ak/ak.pem
refuses 1 "for an earlier attestation key" "a certificate of an earlier key" quote one --out e

# A device of the kernel gives an answer in parts, and is silent after the last.
start pty python3 "$top_srcdir/tests/cli/pty-tpm.py" "$tap_dir/one.sock" "$tap_dir/tpm0"
wait_for 10 test -e tpm0 || bail "no device"
device=device:$tap_dir/tpm0
rm -r one.ak
ok "over a device, from the beginning" timeout 60 "$attest" enroll --dir one.ak --tcti "$device" --request one.request
"$ca" certify --dir P --request one.request --out answer --vma-root C/root.pem >/dev/null
ok "to the end" timeout 60 "$attest" enroll --dir one.ak --activate answer
ok "and a quote" timeout 60 "$attest" quote --dir one.ak --nonce $nonce --out device.e
finish
