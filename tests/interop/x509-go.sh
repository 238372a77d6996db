#!/usr/bin/env bash
# Every kind of certificate that a fleet makes, with Go's crypto/x509 and the rules of who builds on it
# (x509-look.go); and with OpenSSL and GnuTLS what the other tests do not have: attestation keys, nested chains.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_nvread openssl certtool python3
[ -n "$(type -P go)" ] || skip_all "go is not installed (Debian: golang-go)"

probe=$(realpath "$top_builddir/tests/cli/pki-probe")
source=$(realpath "$top_srcdir/tests/interop/x509-look.go")
cd "$tap_dir" || exit 1
export GO111MODULE=off GOCACHE=$tap_dir/go GOPATH=$tap_dir/go GOFLAGS="" TSS2_LOG=all+none
ok "the program is built" go build -o x509-look "$source" || finish

look() { ./x509-look "$@"; } # ROOT BETWEEN KIND LEAF
openssl_takes() { openssl verify -x509_strict -check_ss_sig -purpose any -CAfile "$1" -untrusted "$2" "$3"; }
gnutls_takes() { # ROOT BETWEEN LEAF PURPOSE
    cat "$3" "$2" >both.pem
    certtool --verify --load-ca-certificate "$1" --infile both.pem --verify-purpose "$4"
}
nv() { TPM2TOOLS_TCTI=swtpm:path=$tap_dir/$1.sock tpm2_nvread "$2" 2>/dev/null | openssl x509 -inform DER -out "$3"; }

fleet_make
vtpm_make small --ek1keyalgo rsa2048 --ek2keyalgo ecc_nist_p256
vtpm_make large --ek1keyalgo rsa3072 --ek2keyalgo ecc_nist_p384
openssl x509 -in A/vma.pem -out A.pem
: >nothing.pem
nv small 0x1c00002 rsa2048.pem
nv small 0x1c0000a p256.pem
nv large 0x1c0001c rsa3072.pem
nv large 0x1c00016 p384.pem
nv small 0x1c08000 platform.pem
ok "the delegation" look C/root.pem nothing.pem vma A.pem
for name in rsa2048 p256 rsa3072 p384; do
    ok "$name: the EK certificate" look C/root.pem A.pem ek $name.pem
    refuses 1 "unknown authority" "$name: not without its authority" look C/root.pem nothing.pem ek $name.pem
    refuses 1 "unknown authority" "$name: nor in another fleet" look P/root.pem A.pem ek $name.pem
    refuses 1 "incompatible key usage" "$name: nor as a server's" look C/root.pem A.pem tls $name.pem
done
ok "the platform certificate" look C/root.pem A.pem platform platform.pem
refuses 1 "extended key usage 2.23.133.8.1 expected" "which is no EK's" look C/root.pem A.pem ek platform.pem

### IAK and IDevID
{ "$authority" request --dir A --out introduction && "$ca" challenge --dir C --request introduction --out challenge --ek-roots vendor/issuercert.pem &&
    "$authority" respond --dir A --challenge challenge --out response &&
    "$ca" delegate --dir C --request response --out vma.both --approver-public approver.pub --approved-pcrs values --identity-keys &&
    "$authority" install-certificate --dir A vma.both; } >identity.log 2>&1 || { diag_file identity.log; bail "no right to identity keys"; }
openssl x509 -in A/vma.pem -out D.pem
ok "the delegation for them" look C/root.pem nothing.pem vma-identity D.pem
refuses 1 "extended key usages" "is another one" look C/root.pem nothing.pem vma D.pem
vtpm_make device --iakkeyalgo ecc_nist_p384 --idevidkeyalgo rsa2048 --vmid "vm:device"
nv device 0x1c00002 device-ek.pem
nv device 0x1c90100 iak.pem
nv device 0x1c90200 idevid.pem
ok "the EK certificate beside them" look C/root.pem D.pem ek device-ek.pem
for kind in iak idevid; do
    ok "$kind" look C/root.pem D.pem $kind $kind.pem
    refuses 1 "may not give it" "$kind: not below the authority's certificate of before" look C/root.pem A.pem $kind $kind.pem
    refuses 1 "extended key usage 2.23.133.8.1 expected" "$kind: which is no EK's" look C/root.pem D.pem ek $kind.pem
    refuses 1 "incompatible key usage" "$kind: nor a server's" look C/root.pem D.pem tls $kind.pem
done
refuses 1 "extended key usage 2.23.133.8.3 expected" "an IDevID is no IAK" look C/root.pem D.pem iak idevid.pem
refuses 1 "extended key usage: that of" "an IAK is no IDevID" look C/root.pem D.pem idevid iak.pem

### Attestation keys, by a privacy CA
for kind in p256 p384 rsa2048; do
    { request small --new-key --key-algorithm $kind >/dev/null &&
        "$ca" certify --dir P --request small.request --out answer --vma-root C/root.pem --crl-url http://ca.example/p.crl >/dev/null &&
        activate small answer --ca-root P/root.pem >/dev/null; } || bail "$kind: no AK certificate"
    ok "attestation key $kind: Go" look P/root.pem nothing.pem ak small.ak/ak.pem
    ok "attestation key $kind: OpenSSL" openssl_takes P/root.pem P/root.pem small.ak/ak.pem
    ok "attestation key $kind: GnuTLS" gnutls_takes P/root.pem nothing.pem small.ak/ak.pem 2.23.133.8.3
    refuses any "Not verified|purpose" "attestation key $kind: no server's, says GnuTLS" \
        gnutls_takes P/root.pem nothing.pem small.ak/ak.pem 1.3.6.1.5.5.7.3.1
    refuses 1 "incompatible key usage" "attestation key $kind: nor does Go" look P/root.pem nothing.pem tls small.ak/ak.pem
done

### A nested authority
{ "$authority" init --dir B --tcti "swtpm:path=$tap_dir/small.sock" --approver-public approver.pub &&
    "$authority" approve --dir B --approver-key approver.key &&
    { echo '[inner]' && "$authority" pcrs --dir B && echo 'nested = 1'; } >C/environments &&
    "$authority" request --dir B --out hello && "$ca" challenge --dir C --request hello --vma-root C/root.pem --out challenge &&
    "$authority" respond --dir B --challenge challenge --out response &&
    "$ca" delegate --dir C --request response --approver-public approver.pub --name-constraints --out B.both &&
    "$authority" install-certificate --dir B B.both; } >nested.log 2>&1 || { diag_file nested.log; bail "no nested authority"; }
openssl x509 -in B/vma.pem -out B.pem
vtpm_make inner --authority B
nv inner 0x1c00002 inner.pem
nv inner 0x1c08000 inner-platform.pem
ok "nested: the delegation: Go" look C/root.pem nothing.pem vma B.pem
ok "nested: OpenSSL" openssl_takes C/root.pem C/root.pem B.pem
ok "nested: the EK certificate: Go" look C/root.pem B.pem ek inner.pem
ok "nested: OpenSSL" openssl_takes C/root.pem B.pem inner.pem
ok "nested: GnuTLS" gnutls_takes C/root.pem B.pem inner.pem 2.23.133.8.1
ok "nested: the platform certificate: Go" look C/root.pem B.pem platform inner-platform.pem

### What an authority whose key was stolen could make
openssl pkey -in <(openssl x509 -in p384.pem -noout -pubkey) -pubin -outform DER -out ek.spki
mkdir forge
"$probe" write forge p256 ek.spki >/dev/null || bail "no fleet"
ok "with this authority there is nothing wrong" look forge/root.pem forge/vma.pem ek forge/ek.pem
issue() { # NAME EXTENSIONS
    printf '%s\n' "${@:2}" >ext
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -subj "/CN=vtpm.invalid" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA forge/vma.pem -CAkey forge/vma.key -days 9 -extfile ext -out "$1.pem" 2>/dev/null
}
issue server 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' 'extendedKeyUsage=serverAuth' \
    'subjectAltName=DNS:vtpm.invalid' 'authorityKeyIdentifier=keyid'
refuses 1 "incompatible key usage" "a server's certificate: Go" look forge/root.pem forge/vma.pem tls server.pem
refuses any "purpose|usage" "a server's certificate: OpenSSL" openssl verify -purpose sslserver -CAfile forge/root.pem \
    -untrusted forge/vma.pem server.pem
refuses any "Not verified|purpose" "a server's certificate: GnuTLS" gnutls_takes forge/root.pem forge/vma.pem server.pem 1.3.6.1.5.5.7.3.1
issue subca 'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign' 'extendedKeyUsage=2.23.133.8.1' \
    'subjectKeyIdentifier=hash' 'authorityKeyIdentifier=keyid'
printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,keyAgreement' 'extendedKeyUsage=2.23.133.8.1' \
    'authorityKeyIdentifier=keyid' >ext
openssl req -new -key server.key -subj /CN=x -out below.csr 2>/dev/null
openssl x509 -req -in below.csr -CA subca.pem -CAkey subca.key -days 9 -extfile ext -out below.pem 2>/dev/null
cat subca.pem forge/vma.pem >between.pem
refuses 1 "too many intermediates" "a CA below the authority: Go" look forge/root.pem between.pem tls below.pem
refuses any "path length" "a CA below the authority: OpenSSL" openssl_takes forge/root.pem between.pem below.pem
refuses any "Not verified" "a CA below the authority: GnuTLS" gnutls_takes forge/root.pem between.pem below.pem 2.23.133.8.1
refuses 1 "is not one of the trusted roots" "a CA below the authority: ours" \
    "$probe" verify ek below.pem subca.pem forge/root.pem "$(date +%s)"
finish
