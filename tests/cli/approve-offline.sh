#!/usr/bin/env bash
# An approver whose key is never on the host: what is to be signed goes out, signatures come back, from
# holdfast-authority, from openssl, from a PKCS#11 token; nothing else is signed or believed.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm openssl

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
cd "$tap_dir" || exit 1
umask 022
auth() { local command=$1; shift; "$authority" "$command" --dir A "$@"; }
sign() { "$authority" sign-approval --offline box --approver-key "${key:-approver.key}" "$@"; }

host_tpm_start one || bail "the host TPM did not start"
"$authority" approver-key approver.key
"$authority" approver-key foreign.key
ok "an authority" auth init --tcti "$host_tcti" --approver-public approver.key.pub
auth pcrs >values
refuses 2 "approver-key" "no key and no directory" auth approve
refuses 1 "box: waits for the approver's signature" "the counter's first value has to be signed" \
    auth approve --offline box
is "$(find box -name '*.digest' -size 32c | wc -l)" 1 "it is one digest of 32 bytes"
refuses 1 "nothing waits there" "values that were not asked about are not signed" \
    sign --pcr-values values --generation 1
refuses 2 "both expected" "values without a generation" sign --pcr-values values
ok "the approver signs" sign
refuses 1 "generation [0-9]+: box: waits" "then the approval itself waits" auth approve --offline box
generation=$(sed -n 's/.*generation \([0-9]*\): box.*/\1/p' refuses.log)
ok "and no approval was written" test ! -e A/approval.json
is "$(find box -name '*.digest' | wc -l)" 3 "signing and derivation key at once"
sed 's/^\(sha256:7:\)../\1ff/' values >other
refuses 1 "nothing waits there" "other PCR values are not signed" \
    sign --pcr-values other --generation "$generation"
refuses 1 "nothing waits there" "another generation is not" \
    sign --pcr-values values --generation "$((generation + 1))"
refuses 1 "nothing waits there" "another counter is not" \
    sign --pcr-values values --generation "$generation" --counter-index 0x01804847
key=foreign.key
refuses 1 "nothing waits there" "nor is it anything for another approver" \
    sign --pcr-values values --generation "$generation"
key=approver.key
for digest in box/*.digest; do
    [ -e "${digest%.digest}.sig" ] || openssl pkeyutl -sign -inkey foreign.key -pkeyopt digest:sha256 \
        -in "$digest" -out "${digest%.digest}.sig"
done
refuses 1 "\.sig: not the approver's signature" "the signature of another key is not believed" \
    auth approve --offline box
ok "and no approval was written" test ! -e A/approval.json
ok "the approver's replace it" sign --pcr-values values --generation "$generation"
ok "the host is approved" auth approve --offline box
ok "and the TPM signs" sh -c "'$authority' status --dir A | grep -q 'no certificate' &&
    ! '$authority' status --dir A | grep -q -e approv -e sign"
ok "again, without a question" auth approve --offline box

### Revocation, signed by openssl
refuses 1 "box: waits" "a revocation waits" auth bump-generation --offline box
for digest in box/*.digest; do
    [ -e "${digest%.digest}.sig" ] || openssl pkeyutl -sign -inkey approver.key -pkeyopt digest:sha256 \
        -in "$digest" -out "${digest%.digest}.sig"
done
ok "openssl signs it" auth bump-generation --offline box
refuses 1 "box: waits" "good for one step only" auth bump-generation --offline box
refuses 1 "generation $((generation + 1)): box: waits" "and the approval is to be given anew" \
    auth approve --offline box

### A token
if [ -z "$(type -P softhsm2-util)" ] || [ -z "$(type -P p11tool)" ]; then
    skip "an approver's key in a token" "softhsm2-util and p11tool are not installed"
    finish
fi
mkdir tokens
echo "directories.tokendir = $tap_dir/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$tap_dir/softhsm2.conf
printf 1234 >pin
softhsm2-util --init-token --free --label approver --so-pin 1234 --pin 1234 >/dev/null 2>&1
openssl pkcs8 -topk8 -nocrypt -in approver.key -out approver.p8
if ! softhsm2-util --import approver.p8 --token approver --label approver --id 01 --pin 1234 >/dev/null 2>&1; then
    skip "an approver's key in a token" "softhsm2 takes no key here"
    finish
fi
url="pkcs11:token=approver;object=approver;type=private?pin-source=$tap_dir/pin"
ok "an approver's key in a token approves" auth approve --approver-key "$url"
rm box/*
refuses 1 "box: waits" "a revocation" auth bump-generation --offline box
printf 9999 >pin
refuses 1 "pkcs11 key|PKCS" "not with a wrong PIN" auth approve --approver-key "$url"
finish
