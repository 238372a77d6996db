#!/usr/bin/env bash
# samples/ci-boot-check: a guest's boot as a step of a pipeline. The guest is a virtual TPM whose PCRs
# are extended as a firmware does; tests/guest has one with a Linux around it.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154,SC2016  # functions are called by ok and refuses; tap_dir is
# tap.sh's; sh -c expands its own words
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_pcrextend openssl python3

cd "$tap_dir" || exit 1
forge() { python3 "$top_srcdir/tests/cli/forge.py" "$@"; }
guest=("$attest" quote --dir one.ak --nonce "{nonce}" --event-log log --out -)
check() { ATTEST=$attest "$top_srcdir/samples/ci-boot-check" --ca-root P/root.pem --root C/root.pem "$@"; }
# boot EVENT...: the TPM is reset, and measured into; the log is the firmware's.
boot() {
    local arguments
    "$top_builddir/holdfast-ctl" --unix one.sock.ctrl init >/dev/null || bail "cannot reset the TPM"
    tool one tpm2_startup -c
    forge log log "$@"
    mapfile -t arguments < <(forge extends log)
    tool one tpm2_pcrextend "${arguments[@]}" || bail "cannot measure: $(<tool.log)"
}

fleet_make
vtpm_make one --pcr-banks sha1,sha256
enrol_key one || bail "cannot enrol"

boot 0:firmware 4:loader 7:secure-boot
ok "a boot that is known to be good is learnt" check --reference boot.reference --learn -- "${guest[@]}"
boot 0:firmware 4:loader 7:secure-boot
ok "the same boot passes" check --reference boot.reference --report good.json -- "${guest[@]}"
like "$(<ok.log)" "as the reference values say: boot" "and says so"
is "$(python3 -c 'import json; r = json.load(open("good.json")); print(r["verified"], r["reference"]["fits"])')" "True True" "the report, too"
boot 0:firmware 4:tampered-loader 7:secure-boot
refuses 3 "the guest did NOT boot as boot.reference says" "a tampered boot fails the pipeline" \
    check --reference boot.reference --report bad.json -- "${guest[@]}"
is "$(python3 -c '
import json
r = json.load(open("bad.json"))
print(r["verified"], r["proved"], [d.split(":")[1] for d in r["reference"]["differences"]])')" "False True ['4']" "the report says where"
refuses 1 "event log.*leads to another value of PCR 4" "it cannot hide behind the log of a good one" \
    check --reference boot.reference -- sh -c 'python3 "$1" log log 0:firmware 4:loader 7:secure-boot && shift && "$@"' \
    sh "$top_srcdir/tests/cli/forge.py" "${guest[@]}"
forge log log 0:firmware 4:tampered-loader 7:secure-boot
"${guest[@]/\{nonce\}/00112233}" >old 2>/dev/null
refuses 1 'check "nonce" failed' "nor behind evidence of another time" check --reference boot.reference -- cat old
refuses 1 "the guest gave no evidence" "a guest that is not there" check --reference boot.reference -- false
refuses 1 "not a quote" "one that says something else" check --reference boot.reference -- echo hello
refuses 1 'check "AK certificate" failed' "one that another CA vouches for" env ATTEST="$attest" \
    "$top_srcdir/samples/ci-boot-check" --ca-root C/root.pem --reference boot.reference -- "${guest[@]}"
refuses 2 "reference is missing" "no reference" check -- "${guest[@]}"
refuses 2 "COMMAND is missing" "no command" check --reference boot.reference
refuses 2 "what is \"--refrence\"" "a typing error" check --refrence x -- true
finish
