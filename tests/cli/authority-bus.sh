#!/usr/bin/env bash
# Somebody sits on the bus between holdfast-authority and the host TPM: signatures that were
# changed on the way are not used, an increment that the TPM never saw is not believed, and nothing
# that matters is authorised by a password. A TPM that is busy is asked again.
# SPDX-License-Identifier: BSD-3-Clause
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

bus always
like "$("$authority" status --dir A --tcti "$bus_tcti")" "dictionary attack lockout .0x921" \
    "a refusal is told in words and in its number"
finish
