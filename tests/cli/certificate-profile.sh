#!/usr/bin/env bash
# Every field of every certificate that a fleet makes, in a host TPM's authority: root, vMA, endorsement
# keys RSA-2048, RSA-3072, P-256 and P-384, platform; attestation keys, by a privacy CA; those of an
# authority in a virtual TPM; IAK and IDevID. Read by a decoder of its own (der-profile.py), out
# of the virtual TPM's NV memory; OpenSSL and GnuTLS verify what they are given.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm tpm2_nvread openssl certtool python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
setup=${HOLDFAST_SETUP:-$top_builddir/holdfast-setup}
export XDG_CONFIG_HOME=$tap_dir/config TSS2_LOG=all+none
mkdir -p "$XDG_CONFIG_HOME"
cd "$tap_dir" || exit 1
umask 022
arc=$(sed -n 's/^#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
url=http://ca.example/vma.cer crl=http://ca.example/fleet.crl

host_tpm_start one || bail "the host TPM did not start"
ok "a CA" "$ca" init --dir C --organization Fleet
"$authority" approver-key approver.key
ok "an authority" "$authority" init --dir A --tcti "$host_tcti" --approver-public approver.key.pub \
    --device-model tpm-2.0 --aia-url $url --platform-manufacturer Maker --platform-model Board --platform-version 7
"$authority" approve --dir A --approver-key approver.key >/dev/null
"$authority" pcrs --dir A >values
"$authority" request --dir A --nonce "$("$ca" nonce --dir C)" --out request
ok "its delegation" "$ca" delegate --dir C --request request --out vma.pem --approver-public approver.key.pub \
    --approved-pcrs values --allow-unproved-ek --organization Fleet --crl-url $crl --name-constraints
ok "is installed" "$authority" install-certificate --dir A vma.pem
host_ek=$("$authority" status --dir A --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["host-ek"])')
tcb=$("$authority" status --dir A --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["approved-policy"])')

# made NAME FIRST SECOND: a TPM with these endorsement keys, then running.
made() {
    mkdir "$1"
    "$setup" --tpm2 --tpm-state "$1" --create-ek-cert --create-platform-cert --authority A \
        --ek1keyalgo "$2" --ek2keyalgo "$3" --vmid "vm-$1" --write-ek-cert-files "$1"
}
run() {
    start "vtpm-$1" "$emulator" socket --tpm2 --tpmstate "dir=$1" --server "type=unixio,path=$1/sock" \
        --ctrl "type=unixio,path=$1/sock.ctrl" --flags not-need-init,startup-clear
    wait_socket "$1/sock.ctrl" "$started" && wait_socket "$1/sock" "$started"
}
nv() { TPM2TOOLS_TCTI=swtpm:path=$tap_dir/$1/sock tpm2_nvread "$2" >"$3" 2>/dev/null; }

ok "a TPM with RSA-2048 and P-256" made small rsa2048 ecc_nist_p256
ok "one with RSA-3072 and P-384" made large rsa3072 ecc_nist_p384
refuses 1 "at most [0-9]* bits, not rsa4096" "RSA-4096, which this engine cannot make" made none rsa4096 none
ok "nothing was made" test -z "$(ls none)"
for name in small large; do
    run $name || bail "the virtual TPM did not start"
    vtpm=$started
    nv $name 0x01c08000 $name.platform.der
    nv $name 0x01c00100 $name.chain.der
    TPM2TOOLS_TCTI=swtpm:path=$tap_dir/$name/sock tpm2_getcap properties-fixed >$name.properties
    [ $name = small ] && { nv small 0x01c00002 rsa2048.der; nv small 0x01c0000a p256.der; }
    [ $name = large ] && { nv large 0x01c0001c rsa3072.der; nv large 0x01c00016 p384.der; }
    stop "$vtpm"
done
openssl x509 -in vma.pem -outform DER -out vma.der
openssl x509 -in C/root.pem -outform DER -out root.der
is "$(sha256sum <small.chain.der)" "$(sha256sum <vma.der)" "the chain in NV is the delegation certificate"
for row in "rsa2048 small/ek-rsa2048.crt" "p256 small/ek-secp256r1.crt" "rsa3072 large/ek-rsa3072.crt" \
    "p384 large/ek-secp384r1.crt"; do
    read -r name file <<<"$row"
    is "$(sha256sum <"$name.der")" "$(sha256sum <"$file")" "$name: NV holds what the file does"
done

profile() {
    python3 "$top_srcdir/tests/cli/der-profile.py" --arc "$arc" --aia "$url" --crl "$crl" --host-ek "$host_ek" \
        --tcb "$tcb" --properties small.properties --vma vma.der --root root.der "$@"
}
ok "the root, every field" profile root root.der
ok "the delegation, every field" profile vma vma.der
for name in rsa2048 p256 rsa3072 p384; do
    ok "$name: the EK certificate, every field" profile "ek-$name" $name.der
    openssl x509 -inform DER -in $name.der -out $name.pem
    ok "$name: OpenSSL verifies it strictly" openssl verify -x509_strict -check_ss_sig -purpose any \
        -CAfile C/root.pem -untrusted vma.pem $name.pem
    cat $name.pem vma.pem >chain.pem
    ok "$name: GnuTLS for its usage" certtool --verify --load-ca-certificate C/root.pem --infile chain.pem \
        --verify-purpose 2.23.133.8.1
done
for name in small large; do
    ok "$name: the platform certificate, every field" profile platform $name.platform.der
    openssl x509 -inform DER -in $name.platform.der -out platform.pem
    ok "$name: OpenSSL verifies it strictly" openssl verify -x509_strict -purpose any \
        -CAfile C/root.pem -untrusted vma.pem platform.pem
done
ok "serial numbers: positive, at most 20 octets, each once" \
    python3 "$top_srcdir/tests/cli/der-profile.py" serials root.der vma.der rsa2048.der p256.der rsa3072.der \
    p384.der small.platform.der large.platform.der

### Attestation keys
attest=$top_builddir/holdfast-attest
run small || bail "the virtual TPM did not start"
ok "a privacy CA" "$ca" init --dir P --subject "privacy CA"
openssl x509 -in P/root.pem -outform DER -out privacy.der
ak() { # KIND EK
    "$attest" enroll --dir key --tcti "swtpm:path=$tap_dir/small/sock" --new-key --key-algorithm "$1" --ek "$2" --request ask &&
        "$ca" certify --dir P --request ask --out answer --vma-root C/root.pem --crl-url "$crl" &&
        "$attest" enroll --dir key --activate answer --ca-root P/root.pem && openssl x509 -in key/ak.pem -outform DER -out "ak-$1.der"
}
for row in "p256 rsa2048" "p384 p256" "rsa2048 rsa2048"; do
    read -r kind ek <<<"$row"
    ok "attestation key $kind" ak "$kind" "$ek"
    ok "attestation key $kind: every field" profile --root privacy.der --ek "$ek.der" "ak-$kind" "ak-$kind.der"
done
refuses 1 "bond: endorsement key" "the decoder: bound to another endorsement key" \
    profile --root privacy.der --ek rsa2048.der ak-p384 ak-p384.der
refuses 1 "keyUsage" "an EK certificate is none" profile --root vma.der --ek p256.der ak-p256 p256.der

### Nested
inner() {
    "$authority" init --dir B --tcti "swtpm:path=$tap_dir/small/sock" --approver-public approver.key.pub \
        --device-model tpm-2.0 --aia-url "$url" --platform-manufacturer Maker --platform-model Board --platform-version 7 &&
        "$authority" approve --dir B --approver-key approver.key && "$authority" request --dir B --out hello &&
        "$ca" challenge --dir C --request hello --vma-root C/root.pem --out challenge &&
        "$authority" respond --dir B --challenge challenge --out request &&
        { echo '[inner]' && "$authority" pcrs --dir B && echo 'nested = 1'; } >C/environments &&
        "$ca" delegate --dir C --request request --out inner.pem --approver-public approver.key.pub --organization Fleet \
            --crl-url "$crl" --name-constraints && "$authority" install-certificate --dir B inner.pem
}
ok "an authority in the virtual TPM" inner
fact() { "$authority" status --dir B --json | python3 -c "import json,sys; print(json.load(sys.stdin)['$1'])"; }
nested() { profile --nested --host-ek "$(fact host-ek)" --tcb "$(fact approved-policy)" --vma inner.der "$@"; }
openssl x509 -in inner.pem -outform DER -out inner.der
ok "its delegation, every field" nested vma inner.der
mkdir deep
ok "a TPM of it" "$setup" --tpm2 --tpm-state deep --create-ek-cert --authority B --write-ek-cert-files deep \
    --ek1keyalgo rsa2048 --ek2keyalgo ecc_nist_p384
ok "nested rsa2048: every field" nested ek-rsa2048 deep/ek-rsa2048.crt
ok "nested p384: every field" nested ek-p384 deep/ek-secp384r1.crt
refuses 1 "certificatePolicies" "which does not pass as hardware-rooted" \
    profile --host-ek "$(fact host-ek)" --tcb "$(fact approved-policy)" --vma inner.der ek-p384 deep/ek-secp384r1.crt
stop "$started"

### IAK and IDevID
identity() {
    "$authority" request --dir A --nonce "$("$ca" nonce --dir C)" --out request &&
        "$ca" delegate --dir C --request request --out identity.pem --approver-public approver.key.pub --approved-pcrs values \
            --allow-unproved-ek --organization Fleet --crl-url "$crl" --name-constraints --identity-keys &&
        "$authority" install-certificate --dir A identity.pem
}
ok "the authority's right to them" identity
openssl x509 -in identity.pem -outform DER -out identity.der
ok "the delegation, every field" profile --identity-keys vma identity.der
refuses 1 "extKeyUsage" "which is another one than without" profile vma identity.der
refuses 1 "extKeyUsage" "and the other way round" profile --identity-keys vma vma.der
devices() { # DIR IAK IDEVID
    mkdir "$1" && "$setup" --tpm2 --tpm-state "$1" --create-ek-cert --create-platform-cert --authority A --vmid "vm:$1" \
        --iakkeyalgo "$2" --idevidkeyalgo "$3" --write-ek-cert-files "$1"
}
ok "a TPM with IAK RSA-2048 and IDevID P-256" devices device1 rsa2048 ecc_nist_p256
ok "one with IAK P-384 and IDevID RSA-3072" devices device2 ecc_nist_p384 rsa3072
for row in "device1 iak rsa2048 rsa2048" "device1 idevid secp256r1 p256" "device2 iak secp384r1 p384" "device2 idevid rsa3072 rsa3072"; do
    read -r dir kind file short <<<"$row"
    ok "$kind $short: every field" profile --vma identity.der --ek "$dir/ek-rsa2048.crt" --vmid "vm:$dir" "$kind-$short" "$dir/$kind-$file.crt"
    openssl x509 -inform DER -in "$dir/$kind-$file.crt" -out one.pem
    ok "$kind $short: OpenSSL verifies it strictly" openssl verify -x509_strict -check_ss_sig -purpose any \
        -CAfile C/root.pem -untrusted identity.pem one.pem
done
for row in "ek-rsa2048 ek-rsa2048" "ek-p384 ek-secp384r1"; do
    read -r kind file <<<"$row"
    ok "$kind beside them: every field" profile --vma identity.der "$kind" "device1/$file.crt"
done
refuses 1 "extKeyUsage" "an IDevID is no IAK" profile --vma identity.der --ek device1/ek-rsa2048.crt --vmid vm:device1 iak-p256 device1/idevid-secp256r1.crt
refuses 1 "bond|hwSerialNum" "one of another TPM" profile --vma identity.der --ek device2/ek-rsa2048.crt --vmid vm:device1 idevid-p256 device1/idevid-secp256r1.crt
refuses 1 "subject" "one of another machine" profile --vma identity.der --ek device1/ek-rsa2048.crt --vmid vm:device2 idevid-p256 device1/idevid-secp256r1.crt

# The decoder sees what is wrong: one of another kind, another host, a byte elsewhere.
refuses 1 "authorityKeyIdentifier" "the decoder refuses the certificate of another issuer" profile ek-p256 vma.der
refuses 1 "key" "an EK certificate of another key" profile ek-p384 p256.der
refuses 1 "holding" "one of another host" profile ek-p256 p256.der --host-ek "$(printf '%064d' 0)"
refuses 1 "serial" "a serial number twice" \
    python3 "$top_srcdir/tests/cli/der-profile.py" serials p256.der p256.der
finish
