#!/bin/bash
# samples/quickstart with an emulated host TPM: from nothing to a verified quote; a second run that
# uses the same VM; runs that are broken off or that find what they made tampered with. It leaves no
# process behind.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need qemu-system-x86_64 busybox tpm2 openssl swtpm
state=$tap_dir/q
# shellcheck disable=SC2317  # run by ok and refuses
quickstart() {
    "$top_srcdir/samples/quickstart" --emulated --programs "$top_builddir" --state "$state" "$@"
}
# left: the processes that have something to do with the state directory.
left() {
    local file line
    for file in /proc/[0-9]*/cmdline; do
        line=$(tr '\0' ' ' 2>/dev/null <"$file") || continue
        [[ $line != *"$state"* ]] || echo "${line:0:100}"
    done 2>/dev/null
}
# shellcheck disable=SC2317  # run by ok
nothing_left() { [ -z "$(left)" ]; }
# The image is made once for all tests.
mkdir -p "$state"
"$top_srcdir/tests/guest/make-guest" "$top_builddir/guest" || bail "no image for a guest"
cp -r "$top_builddir/guest" "$state/guest"

for run in first second; do
    device=tpm-crb
    [ "$run" = first ] || device=tpm-tis
    if ! ok "the $run run, $device" quickstart --device "$device"; then
        bail "no use in going on"
    fi
    cp "$tap_dir/ok.log" "$tap_dir/$run.log"
    log=$(cat "$tap_dir/ok.log")
    like "$log" "NO HARDWARE TPM IS USED" "it says plainly that no hardware TPM is used"
    like "$log" "root of trust.*endorsement key.*attestation key.*quote of sha256" "it shows the chain"
    like "$log" "openssl verify agrees.*: OK" "openssl has verified it too"
    like "$log" "refused, as it must be" "and a replayed quote was refused"
    is "$(left)" "" "no process is left"
    cp "$state/vm/ek.der" "$tap_dir/ek.$run"
done
ok "the second run has the VM of the first: the same EK certificate" cmp "$tap_dir/ek.first" "$tap_dir/ek.second"
like "$(cat "$tap_dir/second.log")" "is there from an earlier run" "and says so"
ok "it is certified for 0x81010001's key, by the authority, by the root" openssl verify -ignore_critical \
    -CAfile "$state/root.pem" -untrusted "$state/vma.pem" "$state/ek.pem"

# Broken off while the guest runs.
start broken "$top_srcdir/samples/quickstart" --emulated --programs "$top_builddir" --state "$state"
ok "a third run gets to its guest" wait_for 60 grep -q "It is up" "$tap_dir/broken.log"
kill -TERM "$started"
ok "it ends when it is told to" wait_gone "$started" 10
ok "and leaves no process" wait_for 5 nothing_left
ok "the next run works all the same" quickstart

# Refusals.
refuses 2 "what is \"--hardwear\"" "an unknown option" quickstart --hardwear
refuses 1 "tpm-crb or tpm-tis" "an unknown device" quickstart --device tpm-lpc
refuses 1 "made with another host TPM" "another host TPM for the same state" \
    "$top_srcdir/samples/quickstart" --programs "$top_builddir" --state "$state" --tcti device:/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tap_dir/other.key" \
    -subj "/CN=Quickstart fleet root" -out "$tap_dir/other.pem" 2>/dev/null
cp "$tap_dir/other.pem" "$state/ca/root.pem"
refuses 1 "this failed" "a root of the same name and another key" quickstart
is "$(left)" "" "no process is left after that"
finish
