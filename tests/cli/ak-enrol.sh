#!/usr/bin/env bash
# Enrolment of an attestation key with a privacy CA, by files: virtual TPMs of an authority whose key
# is in a host TPM, and that host TPM itself, with its vendor's certificate. Then forged, foreign,
# replayed and altered ones, each refused by the check it fails.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154,SC2016  # functions are called by ok and refuses; tap_dir is
# tap.sh's; sh -c expands its own words
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_createak openssl python3

probe=$top_builddir/tests/cli/pki-probe
cd "$tap_dir" || exit 1
certify() { local file=$1; shift; "$ca" certify --dir P --request "$file" --out answer "$@"; }

fleet_make
for name in one two; do
    vtpm_make "$name"
done

### The straight path
ok "the guest asks" request one
is "$(stat -c %a one.ak one.ak/ak.blob one.ak/request | tr '\n' ' ')" "700 600 600 " "what it keeps is its own"
ok "the privacy CA believes the fleet's root" certify one.request --vma-root C/root.pem
like "$(cat ok.log)" "for a virtual TPM, hardware-rooted" "and says what it believes"
cp answer first.answer
if grep -aq "privacy CA" answer; then fail "the certificate is not in the clear"; else pass "the certificate is not in the clear"; fi
refuses 1 "another endorsement key or another attestation key|another attestation key|not the one to the request" \
    "another virtual TPM does not get it" sh -c '"$0" enroll --dir two.ak --tcti "$1" --request x &&
    "$0" enroll --dir two.ak --activate answer' "$attest" "swtpm:path=$tap_dir/two.sock"
ok "the guest's TPM opens it" activate one answer --ca-root P/root.pem
openssl x509 -in one.ak/ak.pem -noout -text >ak.text
like "$(cat ak.text)" "2.23.133.8.3|Attestation Identity Key Certificate" "its extended key usage is an attestation key's"
like "$(cat ak.text)" "2.23.133.11.1.2" "it says that the key stays in its TPM"
ok "openssl verifies it" openssl verify -x509_strict -CAfile P/root.pem one.ak/ak.pem
refuses 1 "no request waits for an answer" "the same answer again is refused" activate one answer
like "$("$ca" list --dir P)" "attestation key, virtual TPM, hardware-rooted" "the CA's record has it"
ok "the same key asks again" request one
refuses 1 "not the one to the request that waits" "an answer to an earlier request is refused" activate one first.answer
certify one.request --vma-root C/root.pem >/dev/null
refuses 1 "not, and is not below, one of the pinned" "the answer of another CA than was named is refused" \
    activate one answer --ca-root C/root.pem
ok "with the root it is installed" activate one answer --ca-root P/root.pem
for kind in p384 rsa2048; do
    ok "a new key, $kind" request one --new-key --key-algorithm "$kind"
    ok "$kind: certified" certify one.request --vma-root C/root.pem
    ok "$kind: activated" activate one answer
done
if tool one tpm2_nvreadpublic 0x1c00016; then
    ok "with the P-384 endorsement key" request one --new-key --ek p384
    ok "P-384 endorsement key: certified" certify one.request --vma-root C/root.pem
    ok "P-384 endorsement key: activated" activate one answer
fi

### A hardware TPM, by its vendor
ln -s "$tap_dir/host/sock" hard.sock
ln -s "$tap_dir/host/sock.ctrl" hard.sock.ctrl
ok "a hardware TPM asks" request hard
refuses 1 'check "EK certificate" failed: endorsement key: nobody vouches' "a vendor that is not pinned" \
    certify hard.request --vma-root C/root.pem
ok "its vendor is pinned" certify hard.request --ek-roots vendor/issuercert.pem
like "$(cat ok.log)" "for a hardware TPM" "the CA says which kind"
ok "it opens the answer" activate hard answer

### Attacks on the CA
request one --new-key >/dev/null
request two --new-key >/dev/null
refuses 2 "whose TPMs are to be believed" "nothing pinned" certify one.request
refuses 1 'check "vMA certificate" failed: .*not one of the trusted roots' "an unknown fleet" \
    certify one.request --vma-root P/root.pem
record two.request 4 >two.ek
record two.request 3 >two.ekpub
parcel bad.request one.request 4=two.ek
refuses 1 'check "endorsement key" failed: .*not the key in the EK certificate' \
    "the EK certificate of another virtual TPM" certify bad.request --vma-root C/root.pem
parcel stolen.request one.request 4=two.ek 3=two.ekpub
cp stolen.request one.ak/request
ok "its endorsement key too: an answer is made" certify stolen.request --vma-root C/root.pem
refuses 1 "does not open it" "but the TPM with the attestation key cannot open it" activate one answer
parcel bad.request one.request 4^-3
refuses 1 'check "EK certificate" failed: .*signature' "a forged EK certificate" \
    certify bad.request --vma-root C/root.pem
openssl x509 -inform DER -in two.ek -noout -pubkey | openssl pkey -pubin -outform DER -out two.spki
mkdir forged
"$probe" write forged p256 two.spki >probe.log 2>&1 || diag_file probe.log
openssl x509 -in forged/ek.pem -outform DER -out forged.der
openssl x509 -in forged/vma.pem -outform DER -out forgedvma.der
parcel bad.request two.request 4=forged.der 5=forgedvma.der
refuses 1 'check "vMA certificate" failed' "an authority that nobody delegated to" \
    certify bad.request --vma-root C/root.pem
parcel bad.request one.request 5-
refuses 1 'check "vMA certificate" failed: .*--vma' "no vMA certificate" certify bad.request --vma-root C/root.pem
openssl x509 -in vma.pem -out own-vma.pem
ok "unless the CA has it" certify bad.request --vma-root C/root.pem --vma own-vma.pem
tool one tpm2_createprimary -C e -G ecc -c sign.ctx -a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
tool one tpm2_readpublic -c sign.ctx -o unrestricted
tool one tpm2_flushcontext -t
parcel bad.request one.request 2=unrestricted
refuses 1 'check "attestation key" failed: .*restricted must be set' "a key that is not restricted" \
    certify bad.request --vma-root C/root.pem
record one.request 2 >area
python3 - <<'PY'
data = bytearray(open("area", "rb").read())
data[7] ^= 2
open("movable", "wb").write(data)
PY
parcel bad.request one.request 2=movable
refuses 1 'check "attestation key" failed: .*fixedTPM must be set' "a key that may leave its TPM" \
    certify bad.request --vma-root C/root.pem
record two.request 2 >two.area
parcel bad.request one.request 2=two.area
cp bad.request one.ak/request
ok "the attestation key of another TPM: an answer is made" certify bad.request --vma-root C/root.pem
refuses 1 "another attestation key" "but it is for another key" activate one answer
head -c 100 one.request >bad.request
refuses 1 "AK request" "half a request" certify bad.request --vma-root C/root.pem

### Altered answers
request one >/dev/null
certify one.request --vma-root C/root.pem >/dev/null
parcel bad.answer answer 5^40
refuses 1 "sealed certificates" "altered certificates" activate one bad.answer
parcel bad.answer answer 3^40
refuses 1 "does not open it" "an altered credential" activate one bad.answer
parcel bad.answer answer 2^5
refuses 1 "another attestation key" "an altered name" activate one bad.answer
ok "after all of them the right answer is still taken" activate one answer
refuses 2 "one of --request, --activate and --server" "neither of both" "$attest" enroll --dir one.ak
refuses 1 "there is no attestation key|nowhere" "a directory that is not there" "$attest" enroll --dir nowhere --activate answer
refuses 1 "TPM replaced" "another TPM than the one of the directory" "$attest" enroll --dir one.ak \
    --tcti "swtpm:path=$tap_dir/two.sock" --request x

### A software-rooted TPM
soft_delegated C
"$authority" install-certificate --dir S C.s.pem >/dev/null || bail "its certificate is not installed"
vtpm_make soft --authority S
request soft >/dev/null
ok "a software-rooted TPM's key is certified" certify soft.request --vma-root C/root.pem
like "$(cat ok.log)" "software-rooted" "as such"
refuses 1 'check "EK certificate" failed: .*software-rooted, but only hardware-rooted' \
    "but not with --hardware-only" certify soft.request --vma-root C/root.pem --hardware-only
ok "which a hardware-rooted one passes" certify one.request --vma-root C/root.pem --hardware-only

### Revocation
"$ca" crl --dir C >/dev/null && cp C/crl.pem before.pem
"$ca" crl --dir P >/dev/null
ok "an authority that is on no list" certify one.request --vma-root C/root.pem --crl before.pem
refuses 1 'failed: a revocation list of .* is required' "a list of another CA" \
    certify one.request --vma-root C/root.pem --crl P/crl.pem
refuses 1 "C/root.pem" "no list" certify one.request --vma-root C/root.pem --crl C/root.pem
refuses 1 "nowhere" "a list that is not there" certify one.request --vma-root C/root.pem --crl nowhere
sed 's/^\(MI.\{40\}\)./\1Z/' before.pem >bad.pem
refuses 1 "bad.pem|does not verify" "an altered list" certify one.request --vma-root C/root.pem --crl bad.pem
own_certify() { "$ca" certify --dir C --request "$1" --out own.answer --vma-root C/root.pem; }
ok "the fleet's CA as privacy CA" own_certify one.request
revoke() { "$ca" revoke --dir C --serial "$(openssl x509 -in vma.pem -noout -serial | sed 's/.*=//')" --reason "$1"; }
revoke certificateHold >/dev/null || bail "cannot revoke"
refuses 1 'check "EK certificate" failed: .*the vMA certificate above it was revoked' \
    "it knows what it put on hold, without a list" own_certify one.request
revoke removeFromCRL >/dev/null
ok "until that ends" own_certify one.request
revoke keyCompromise >/dev/null
refuses 1 'check "EK certificate" failed: .*the vMA certificate above it was revoked' "and what it revoked" \
    own_certify one.request
ok "the other authority is not concerned" own_certify soft.request
ok "another CA cannot know it" certify one.request --vma-root C/root.pem
refuses 1 'failed: the vMA certificate was revoked at' "but with the list" \
    certify one.request --vma-root C/root.pem --crl C/crl.pem
refuses 1 'failed: the vMA certificate was revoked at' "the newest of several counts" \
    certify one.request --vma-root C/root.pem --crl C/crl.pem --crl before.pem
ok "which says nothing of the other authority" certify soft.request --vma-root C/root.pem --crl C/crl.pem

### The audit log
is "$("$ca" audit --dir P --event certify | wc -l)" "$("$ca" list --dir P | grep -c "attestation key")" \
    "each certificate has its line in the audit log"
like "$("$ca" audit --dir P --event refuse)" "  certify  .*check \"attestation key\" failed" "and so have refusals"
ok "it is whole" "$ca" audit --dir P --verify
finish
