#!/usr/bin/env bash
# Somebody sits on the bus between holdfast-authority and the host TPM: signatures that were
# changed on the way are not used, an increment that the TPM never saw is not believed, and nothing
# that matters is authorised by a password. A TPM that is busy is asked again.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
cd "$tap_dir" || exit 1
bus_pid=

# bus MODE: a new bus before the TPM; $bus_tcti reaches it.
bus() {
    [ -z "$bus_pid" ] || stop "$bus_pid"
    rm -rf bus
    start bus python3 "$top_srcdir/tests/cli/tpmbus.py" "$tap_dir/bus" "$tap_dir/one/sock" "$1"
    bus_pid=$started
    bus_tcti=swtpm:path=$tap_dir/bus/sock
    wait_socket bus/sock "$bus_pid" || bail "the bus did not start"
}
generation() { "$authority" status --dir A --tcti "$host_tcti" --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["generation"])'; }
codes() { "$authority" status --dir A --tcti "$1" --json | python3 -c '
import json, sys
print(" ".join(p["code"] for p in json.load(sys.stdin)["problems"]))'; }

host_tpm_start one || bail "the host TPM did not start"
"$authority" approver-key key >/dev/null || bail "no approver's key"
ok "an authority is made" "$authority" init --dir A --tcti "$host_tcti" --approver-public key.pub
ok "and approved" "$authority" approve --dir A --approver-key key
nonce=$(printf '%064d' 1)

bus watch
is "$(codes "$bus_tcti")" "no-certificate" "the key works through an honest bus"
wait_file bus/seen "$bus_pid"
is "$(grep -c 15d bus/seen)" 1 "it signed once"
is "$(sed -n '/17f/,$p' bus/seen | head -5 | tr '\n' ' ')" "17f 149 16c 16a 15d " \
    "after PCRs, counter, command and authorisation, and nothing else"

bus hmacless
ok "a TPM without TPM2_HMAC can be an authority's" "$authority" init --dir N --tcti "$bus_tcti" \
    --approver-public key.pub --counter-index 0x01804847
ok "without a derivation key" test ! -e N/derive.blob
refuses 1 "the host TPM has no TPM2_HMAC" "nor is one made by command" \
    "$authority" derivation-key --dir N --tcti "$bus_tcti"
ok "with another TPM it would be" "$authority" derivation-key --dir N --tcti "$host_tcti"

bus sign
is "$(codes "$bus_tcti")" "sign-failed no-certificate" "status: a changed signature is not used"
refuses 1 "does not verify with the pinned public key|host TPM: sign" \
    "nor does a request contain one" \
    "$authority" request --dir A --tcti "$bus_tcti" --nonce "$nonce" --out request
ok "nothing was written" test ! -e request

before=$(generation)
bus increment
refuses 1 "increment the generation counter" "an increment the TPM did not confirm is an error" \
    "$authority" bump-generation --dir A --tcti "$bus_tcti" --approver-key key
is "$(generation)" "$before" "it was not done indeed"

bus busy
is "$(codes "$bus_tcti")" "no-certificate" "a TPM that is busy is asked again"
wait_file bus/seen "$bus_pid"
is "$(grep -c 15d bus/seen)" 3 "twice"

bus rate
before=$(generation)
ok "a TPM that limits NV writes is waited for" \
    "$authority" bump-generation --dir A --tcti "$bus_tcti" --approver-key key
is "$(generation)" "$((before + 1))" "and it was done once"

bus slow
ok "a TPM that takes 200 ms for a command does for a request" \
    "$authority" request --dir A --tcti "$bus_tcti" --out slow
like "$(cat ok.log)" "host TPM: at work on TPM2_[A-Za-z_]* .[0-9]* commands, [0-9.]* s so far" \
    "and what it is doing is told meanwhile"

### The same under a virtual TPM that is being made
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
{ "$ca" init --dir C >/dev/null && "$authority" approve --dir A --tcti "$host_tcti" --approver-key key >/dev/null &&
    "$authority" pcrs --dir A --tcti "$host_tcti" >values; } || bail "no CA"
{ "$authority" request --dir A --tcti "$host_tcti" --nonce "$("$ca" nonce --dir C)" --out request &&
    "$ca" delegate --dir C --request request --out vma.pem --approver-public key.pub --approved-pcrs values \
        --allow-unproved-ek >/dev/null && "$authority" install-certificate --dir A vma.pem >/dev/null; } || bail "no delegation"
makes() { # NAME
    rm -rf "$1" && mkdir "$1"
    "$top_builddir/holdfast-setup" --tpm2 --tpm-state "$1" --authority A --tcti "$bus_tcti" --create-ek-cert \
        --create-platform-cert --write-ek-cert-files "$1"
}
good() { openssl verify -x509_strict -purpose any -CAfile C/root.pem -untrusted A/vma.pem "$1/ek-rsa2048.crt"; }
bus slow
ok "setup goes on with a TPM that takes 200 ms for a command" makes slow-vm
like "$(cat ok.log)" "host TPM: at work on TPM2_" "and tells what it is doing"
bus busy
ok "with one that is busy" makes busy-vm
bus testing
ok "with one that is testing itself" makes testing-vm
wait_file bus/seen "$bus_pid"
is "$(grep -c 15d bus/seen)" 6 "which is asked three times more"
openssl x509 -inform DER -in testing-vm/ek-rsa2048.crt -out testing-vm/ek-rsa2048.crt 2>/dev/null
ok "what comes of it is good" good testing-vm
bus lockout
refuses 1 "dictionary attack lockout .0x921" "a lockout is not waited for" makes lockout-vm
ok "and no TPM was made" test ! -e lockout-vm/tpm2-00.permall
bus gone
refuses 1 "host TPM|connection|TCTI" "nor is one whose line goes dead at the second certificate" makes gone-vm
ok "of which nothing is left" test ! -e gone-vm/tpm2-00.permall

bus always
like "$("$authority" status --dir A --tcti "$bus_tcti")" "dictionary attack lockout .0x921" \
    "a refusal is told in words and in its number"
finish
