#!/bin/bash
# What src/pki issues is accepted by OpenSSL and GnuTLS and says to them what it should; what they
# make for keys and requests is understood here, and refused where it should be.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # the functions are called through ok and refuses
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "$top_srcdir/tests/tap.sh"
need openssl certtool

probe=$top_builddir/tests/cli/pki-probe
cd "$tap_dir" || exit 1
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ek-rsa.key 2>/dev/null
openssl pkey -in ek-rsa.key -pubout -outform DER -out ek-rsa.der
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ek-ecc.key 2>/dev/null
openssl pkey -in ek-ecc.key -pubout -outform DER -out ek-ecc.der

# text FILE: the certificate as OpenSSL shows it, on one line.
text() { openssl x509 -in "$1" -noout -text | tr -s ' \n' ' '; }

# verify_with_openssl LEAF ROOT VMA OPTION...
verify_with_openssl() {
    local leaf=$1 root=$2 vma=$3
    shift 3
    openssl verify -x509_strict -check_ss_sig -CAfile "$root" -untrusted "$vma" "$@" "$leaf"
}

# verify_with_certtool LEAF VMA ROOT OPTION...
verify_with_certtool() {
    local leaf=$1 vma=$2 root=$3
    shift 3
    cat "$leaf" "$vma" >certtool-chain.pem
    certtool --verify --load-ca-certificate "$root" --infile certtool-chain.pem "$@"
}

for row in "p256 ecc" "p384 rsa" "rsa3072 rsa"; do
    read -r kind ek <<<"$row"
    mkdir "$kind"
    ok "$kind: a fleet's certificates are written" "$probe" write "$kind" "$kind" "ek-$ek.der"
    now=$(date +%s)
    root=$kind/root.pem vma=$kind/vma.pem
    for leaf in ek platform; do
        purpose=2.23.133.8.1
        [ "$leaf" = platform ] && purpose=2.23.133.8.2
        ok "$kind: OpenSSL verifies the $leaf certificate strictly" \
            verify_with_openssl "$kind/$leaf.pem" "$root" "$vma" -purpose any
        ok "$kind: OpenSSL finds the policy in the whole chain ($leaf)" \
            verify_with_openssl "$kind/$leaf.pem" "$root" "$vma" -purpose any -policy_check \
            -explicit_policy -policy 1.3.6.1.4.1.32473.1.1.1
        refuses any "policy" "$kind: OpenSSL does not find another policy ($leaf)" \
            verify_with_openssl "$kind/$leaf.pem" "$root" "$vma" -purpose any -policy_check \
            -explicit_policy -policy 1.3.6.1.4.1.32473.1.1.2
        refuses any "purpose|usage" "$kind: OpenSSL takes the $leaf certificate for no TLS server" \
            verify_with_openssl "$kind/$leaf.pem" "$root" "$vma" -purpose sslserver
        ok "$kind: GnuTLS verifies the $leaf certificate for its usage" \
            verify_with_certtool "$kind/$leaf.pem" "$vma" "$root" --verify-purpose "$purpose"
        refuses any "Not verified|purpose" "$kind: GnuTLS refuses it for TLS servers ($leaf)" \
            verify_with_certtool "$kind/$leaf.pem" "$vma" "$root" \
            --verify-purpose 1.3.6.1.5.5.7.3.1
        is "$("$probe" verify "$leaf" "$kind/$leaf.pem" "$vma" "$root" "$now")" hardware-rooted \
            "$kind: our own verifier agrees ($leaf)"
    done
    is "$(openssl x509 -in "$kind/ek.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
        sha256sum)" "$(sha256sum <"ek-$ek.der")" "$kind: the EK certificate has the EK's key"
    ok "$kind: OpenSSL verifies the request's signature" \
        openssl req -in "$kind/request.pem" -noout -verify
    is "$(openssl req -in "$kind/request.pem" -noout -subject -nameopt RFC2253,-esc_msb)" \
        'subject=CN=host\, 7,O=Fleet' "$kind: OpenSSL reads the request's subject"
done

refuses any "error" "OpenSSL refuses another fleet's root" \
    verify_with_openssl p256/ek.pem p384/root.pem p256/vma.pem -purpose any
refuses 1 "not one of the trusted roots" "so do we" \
    "$probe" verify ek p256/ek.pem p256/vma.pem p384/root.pem "$now"
refuses 1 "the vMA certificate has expired" "we refuse it when the delegation has expired" \
    "$probe" verify ek p256/ek.pem p256/vma.pem p256/root.pem $((now + 366 * 86400))

# The fields, as OpenSSL reads them.
ek=$(text p384/ek.pem)
like "$ek" 'Version: 3' "EK: version 3"
like "$ek" 'Subject: Subject Public Key Info' "EK: the subject is empty"
like "$ek" 'Not After : Dec 31 23:59:59 9999 GMT' "EK: no expiry"
like "$ek" 'X509v3 Basic Constraints: critical CA:FALSE' "EK: basic constraints"
like "$ek" 'X509v3 Key Usage: critical Key Encipherment X509v3' "EK: key usage of an RSA key"
like "$(text p256/ek.pem)" 'X509v3 Key Usage: critical Key Agreement X509v3' \
    "EK: key usage of an ECC key"
like "$ek" 'X509v3 Extended Key Usage: (2\.23\.133\.8\.1|Endorsement Key Certificate) X509v3' \
    "EK: extended key usage, not critical"
like "$ek" 'X509v3 Subject Alternative Name: critical DirName:.*id:00001014.*id:20191023' \
    "EK: subject alternative name, critical"
like "$ek" 'X509v3 Authority Key Identifier: ([0-9A-F]{2}:){19}[0-9A-F]{2} ' \
    "EK: authority key identifier without issuer and serial number"
like "$ek" 'CA Issuers - URI:http://ca.example/vma.der' "EK: where the vMA certificate is"
like "$ek" 'X509v3 Certificate Policies: Policy: 1.3.6.1.4.1.32473.1.1.1 ' "EK: policy"
like "$ek" '1.3.6.1.4.1.32473.1.2.1: ' "EK: own extension, not critical"
like "$ek" 'X509v3 Subject Directory Attributes: ' "EK: subject directory attributes"
[[ $ek == *"CRL Distribution"* ]] && found=yes || found=no
is "$found" no "EK: no CRL distribution point"

vma=$(text p384/vma.pem)
like "$vma" 'X509v3 Basic Constraints: critical CA:TRUE, pathlen:0' "vMA: basic constraints"
like "$vma" 'X509v3 Key Usage: critical Certificate Sign X509v3' "vMA: key usage"
like "$vma" 'X509v3 Extended Key Usage: (2\.23\.133\.8\.1|Endorsement Key Certificate), ' \
    "vMA: extended key usages"
like "$vma" 'Policy: 2.23.133.11.1.1 Policy: 2.23.133.11.1.2 Policy: 1.3.6.1.4.1.32473.1.1.1' \
    "vMA: policies"
like "$vma" 'X509v3 Name Constraints: critical Permitted: DNS:vtpm.invalid email:vtpm.invalid' \
    "vMA: permitted names"
like "$vma" 'Excluded: IP:0.0.0.0/0.0.0.0 IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0' "vMA: excluded names"
like "$vma" 'URI:http://ca.example/fleet.crl' "vMA: CRL distribution point"
like "$(text p384/root.pem)" \
    'CA:TRUE, pathlen:1 X509v3 Key Usage: critical Certificate Sign, CRL Sign' "root: CA"
is "$(openssl x509 -in p384/platform.pem -noout -subject -nameopt RFC2253)" \
    'subject=CN=guest\, with \+ odd = name' "platform: the subject is the name of the VM"
like "$(text p384/platform.pem)" 'Extended Key Usage: (2\.23\.133\.8\.2|.*Platform.*) X509v3' \
    "platform: extended key usage"

# Keys other programs made.
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out pkcs8.key 2>/dev/null
openssl ec -in pkcs8.key -out sec1.key 2>/dev/null
openssl rsa -in ek-rsa.key -traditional -out pkcs1.key 2>/dev/null
openssl pkey -in pkcs8.key -aes256 -passout pass:x -out encrypted.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key 2>/dev/null
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key 2>/dev/null
openssl genpkey -algorithm ED25519 -out ed25519.key
chmod 600 ./*.key
is "$("$probe" signer pkcs8.key)" 1.2.840.10045.4.3.2 "a PKCS#8 key signs"
is "$("$probe" signer sec1.key)" 1.2.840.10045.4.3.2 "a SEC1 key signs"
is "$("$probe" signer pkcs1.key)" 1.2.840.113549.1.1.11 "a PKCS#1 key signs"
refuses 1 "is encrypted" "an encrypted key is refused" "$probe" signer encrypted.key
refuses 1 "RSA, P-256 or P-384, found ECC P-521" "P-521 does not sign" "$probe" signer p521.key
refuses 1 "weak.key" "RSA of 1024 bits does not sign" "$probe" signer weak.key
refuses 1 "ed25519.key" "Ed25519 does not sign" "$probe" signer ed25519.key
install -m 600 p256/root.pem certificate.key
refuses 1 "expected a private key in PEM" "a certificate is no key" "$probe" signer certificate.key

# Requests other programs made.
openssl req -new -key pkcs8.key -subj '/O=Fleet/CN=host 8' -out good.csr
openssl req -new -key pkcs8.key -subj '/CN=host 8' -sha512 -out sha512.csr
openssl req -new -key p521.key -subj '/CN=host 8' -sha256 -out p521.csr
is "$("$probe" request good.csr)" 'CN=host 8,O=Fleet' "OpenSSL's request is read"
refuses 1 "algorithm that is not accepted" "a request with SHA-512 is refused" \
    "$probe" request sha512.csr
refuses 1 "found ECC P-521" "a request for a P-521 key is refused" "$probe" request p521.csr
refuses 1 "expected DER or" "a certificate is no request" "$probe" request p256/root.pem

finish
