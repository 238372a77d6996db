#!/usr/bin/env bash
# IAK and IDevID certificates of a host's authority: what an authority without the right says, how the fleet's CA delegates it, what
# it issues, what others make of that, the fleet's one issuer, a quote by an IAK,
# a reissue, and a TPM whose keys have changed.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154,SC2012  # functions are called by ok and refuses; tap_dir is tap.sh's; names are ours
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_nvread tpm2_readpublic tpm2_changeeps openssl certtool python3

cd "$tap_dir" || exit 1
export TSS2_LOG=all+none
setup=$top_builddir/holdfast-setup
probe=$top_builddir/tests/cli/pki-probe
arc=$(sed -n 's/^#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
json() { python3 -c "import json,sys; print(json.load(sys.stdin)$1)"; }
says() { openssl x509 -in "$1" -noout "${@:2}" -nameopt RFC2253; }
pem() { openssl x509 -inform DER -in "$1" -out "$2"; }
nv() { tool "$1" tpm2_nvread "$2" -o nv.der && pem nv.der "$3"; } # TPM INDEX FILE
delegated() { # OUT [OPTION...]
    local out=$1
    shift
    "$authority" request --dir A --out introduction &&
        "$ca" challenge --dir C --request introduction --out challenge --ek-roots vendor/issuercert.pem &&
        "$authority" respond --dir A --challenge challenge --out response &&
        "$ca" delegate --dir C --request response --out "$out" --approver-public approver.pub --approved-pcrs values "$@"
}
make() { # DIR OPTION...
    mkdir -p "$1" "$1.files"
    "$setup" --tpm2 --tpm-state "$1" --create-ek-cert --create-platform-cert --vmid "vm:$1" --authority A \
        --write-ek-cert-files "$1.files" "${@:2}"
}
verify() { "$probe" verify "$1" "$2" "$3" C/root.pem "$(date +%s)"; } # KIND LEAF VMA

### An authority that was delegated to before, or without the option
fleet_make
cp vma.pem old.both && openssl x509 -in vma.pem -out old.pem
for key in IAK IDevID; do
    option=--${key,,}keyalgo
    refuses 1 "^holdfast-setup: authority: A: its certificate does not allow it to certify an $key \(holdfast-ca delegate --identity-keys\); --no-iak leaves such keys out$" \
        "without the right: no $key" make none "$option" ecc_nist_p256
    is "$(find none none.files -type f ! -name .lock)" "" "nothing is made"
done
printf 'iakkeyalgo = rsa2048\nauthority = %s\n' "$tap_dir/A" >setup.conf
refuses 1 "certify an IAK" "nor where the configuration wants one" make none --config setup.conf
printf '%s\n' "--tpm-state none --iakkeyalgo rsa2048" "--tpm-state plain" >lines
mkdir -p plain
refuses 1 "certify an IAK" "of a batch this one is not made" "$setup" --tpm2 --create-ek-cert --authority A --batch lines
ok "the others are" test -s plain/tpm2-00.permall
ok "with --no-iak it goes as before" make before --config setup.conf --no-iak
ok "a key without a certificate needs no right" "$setup" --tpm2 --tpm-state none --createek --iakkeyalgo ecc_nist_p256
is "$("$authority" status --dir A --json | json '["identity-keys"]')" False "the status has it"

### The CA delegates it, and says so everywhere
ok "the same authority, with the option" delegated vma.both --identity-keys
like "$(<ok.log)" "delegation renewed to .*, also IAK and IDevID\)" "the CA says so"
openssl x509 -in vma.both -out vma.pem
is "$(says vma.pem -ext extendedKeyUsage | tail -1 | tr -d ' ')" "2.23.133.8.1,2.23.133.8.2,2.23.133.8.3,$arc.3.1" "the certificate does"
is "$(says old.pem -ext extendedKeyUsage | tail -1 | tr -d ' ')" "2.23.133.8.1,2.23.133.8.2" "the one before did not"
is "$("$ca" list --dir C --json | json '["issued"][0].get("identity-keys")')" None "the record, before"
is "$("$ca" list --dir C --json | json '["issued"][-1]["identity-keys"]')" yes "the record, now"
is "$("$ca" audit --dir C --json --event delegate | json '["acts"][-1]["identity-keys"]')" yes "the audit log"
ok "which is whole" "$ca" audit --dir C --verify
ok "it is installed" "$authority" install-certificate --dir A vma.both
is "$("$authority" status --dir A --json | json '["identity-keys"]')" True "the status has it"
like "$("$authority" status --dir A)" "works .*, also IAK and IDevID\)" "in words, too"
refuses 2 "only.*hosts|answer" "a server for guests alone has no use for it" "$ca" serve --dir C --answer guests --identity-keys --unix sock

### What is issued
kinds=(rsa2048 rsa3072 ecc_nist_p256 ecc_nist_p384)
names=(rsa2048 rsa3072 secp256r1 secp384r1)
short=(rsa2048 rsa3072 p256 p384)
for i in 0 1 2 3; do
    j=$((3 - i))
    ok "a TPM with IAK ${kinds[i]} and IDevID ${kinds[j]}" make "t$i" --iakkeyalgo "${kinds[i]}" --idevidkeyalgo "${kinds[j]}"
    pem "t$i.files/iak-${names[i]}.crt" "iak-${short[i]}.pem"
    pem "t$i.files/idevid-${names[j]}.crt" "idevid-${short[j]}.pem"
    pem "t$i.files/ek-rsa2048.crt" "ek-$i.pem"
    cp "iak-${short[i]}.pem" "iak$i.pem" && cp "idevid-${short[j]}.pem" "idevid$i.pem"
done
for i in 0 1 2 3; do
    for kind in iak idevid; do
        leaf=$kind$i.pem
        is "$(verify $kind "$leaf" vma.pem)" "hardware-rooted" "$leaf: verified"
        ok "$leaf: OpenSSL" openssl verify -x509_strict -purpose any -CAfile C/root.pem -untrusted vma.pem "$leaf"
        is "$(says "$leaf" -subject)" "subject=serialNumber=vm:t$i" "$leaf: the subject is a serial number"
        refuses any "lacks the extended key usage" "$leaf: is no EK's" verify ek "$leaf" vma.pem
        refuses any "vMA certificate lacks the extended key usage" "$leaf: not below the certificate of before" verify $kind "$leaf" old.pem
    done
    refuses any "lacks the extended key usage" "iak$i.pem is no IDevID's" verify idevid "iak$i.pem" vma.pem
    refuses any "lacks the extended key usage" "idevid$i.pem is no IAK's" verify iak "idevid$i.pem" vma.pem
    ok "ek-$i.pem: as before" verify ek "ek-$i.pem" vma.pem
    ok "ek-$i.pem: below the certificate of before, too" verify ek "ek-$i.pem" old.pem
done
gnutls_takes() { # LEAF PURPOSE
    cat "$1" vma.pem >both.pem
    certtool --verify --load-ca-certificate C/root.pem --infile both.pem --verify-purpose "$2"
}
ok "GnuTLS: IAK as what attests" gnutls_takes iak0.pem 2.23.133.8.3
ok "GnuTLS: IDevID for its own usage" gnutls_takes idevid0.pem "$arc.3.1"
refuses any "Not verified|purpose" "GnuTLS: IDevID is not what attests" gnutls_takes idevid0.pem 2.23.133.8.3
refuses any "Not verified|purpose" "GnuTLS: nor an EK" gnutls_takes idevid0.pem 2.23.133.8.1
refuses any "Not verified|purpose" "GnuTLS: IAK is no EK" gnutls_takes iak0.pem 2.23.133.8.1
for purpose in sslclient sslserver smimesign; do
    refuses any "purpose|usage" "OpenSSL: IDevID is not for $purpose" \
        openssl verify -purpose $purpose -CAfile C/root.pem -untrusted vma.pem idevid0.pem
done

### In the TPM
serve() { # NAME
    rm -f "$1.sock" "$1.sock.ctrl"
    start "$1" "$emulator" socket --tpm2 --tpmstate "dir=$1" --server "type=unixio,path=$1.sock" \
        --ctrl "type=unixio,path=$1.sock.ctrl" --flags not-need-init,startup-clear
    { wait_socket "$1.sock.ctrl" "$started" && wait_socket "$1.sock" "$started"; } || bail "the emulator did not start"
}
serve t2
for row in "0x1c90100 0x81020001 iak2.pem" "0x1c90200 0x81020000 idevid2.pem"; do
    read -r index handle file <<<"$row"
    nv t2 "$index" nv.pem
    ok "NV has $file" cmp nv.pem "$file"
    tool t2 tpm2_readpublic -c "$handle" -f pem -o key.pem
    is "$(says "$file" -pubkey | sha256sum)" "$(openssl pkey -pubin -in key.pem | sha256sum)" "$file is for the key at $handle"
done
stop "$started"
ok "the TPM's certificates match its keys" "$setup" --tpm2 --tpm-state t2 --check-certificates
like "$(<ok.log)" "NV index 0x01c90100: certificate of the IAK: matches" "the IAK's, too"
like "$(<ok.log)" "NV index 0x01c90200: certificate of the IDevID: matches" "and the IDevID's"

### Many in one call, of an authority in software, and of one in a virtual TPM
mkdir batch1 batch2
printf '%s\n' "--tpm-state batch1 --iakkeyalgo ecc_nist_p256 --vmid b1" "--tpm-state batch2 --idevidkeyalgo ecc_nist_p256 --vmid b2" >lines
ok "a batch" "$setup" --tpm2 --create-ek-cert --authority A --batch lines
serve batch1
nv batch1 0x1c90100 now.pem
is "$(verify iak now.pem vma.pem)" hardware-rooted "its IAK"
stop "$started"
serve batch2
nv batch2 0x1c90200 now.pem
is "$(verify idevid now.pem vma.pem)" hardware-rooted "its IDevID"
stop "$started"
soft() {
    "$authority" init --dir S --software && "$authority" request --dir S --out s.hello &&
        "$ca" challenge --dir C --request s.hello --out s.challenge && "$authority" respond --dir S --challenge s.challenge --out s.response &&
        "$ca" delegate --dir C --request s.response --out s.both --allow-software --identity-keys && "$authority" install-certificate --dir S s.both
}
ok "an authority in software" soft
openssl x509 -in s.both -out s.pem
mkdir soft.tpm
ok "a TPM of it" "$setup" --tpm2 --tpm-state soft.tpm --create-ek-cert --authority S --iakkeyalgo ecc_nist_p256 --idevidkeyalgo rsa2048
serve soft.tpm
nv soft.tpm 0x1c90100 soft-iak.pem
is "$(verify iak soft-iak.pem s.pem)" software-rooted "its IAK says software-rooted"
attest=$top_builddir/holdfast-attest
{ tool soft.tpm tpm2_quote -c 0x81020001 -l sha256:0,2,4,7 -q 0011 -m t.quote -s t.signature -o t.pcrs -F values -g sha256 &&
    tool soft.tpm tpm2_readpublic -c 0x81020001 -o t.public; } || bail "no quote"
stop "$started"
soft_judge() {
    "$attest" verify --quote t.quote --signature t.signature --ak-public t.public --nonce 0011 --ak-certificate soft-iak.pem \
        --root C/root.pem --chain s.pem "$@"
}
ok "its quote is believed" soft_judge
refuses 1 'check "IAK certificate" failed: the TPM is software-rooted, but only hardware-rooted' "but with --hardware-only" soft_judge --hardware-only
refuses any "the issuer of the IAK certificate is" "not below the authority with the host's TPM" verify iak soft-iak.pem vma.pem
serve t0
inner() {
    "$authority" init --dir B --tcti "swtpm:path=$tap_dir/t0.sock" --approver-public approver.pub &&
        "$authority" approve --dir B --approver-key approver.key && "$authority" request --dir B --out hello &&
        "$ca" challenge --dir C --request hello --vma-root C/root.pem --vma vma.pem --out challenge &&
        "$authority" respond --dir B --challenge challenge --out response &&
        { echo '[inner]' && "$authority" pcrs --dir B && echo 'nested = 1'; } >C/environments &&
        "$ca" delegate --dir C --request response --approver-public approver.pub --identity-keys --out B.both &&
        "$authority" install-certificate --dir B B.both
}
ok "an authority in the virtual TPM" inner
rm -f C/environments
openssl x509 -in B.both -out B.pem
mkdir deep
ok "a TPM of it" "$setup" --tpm2 --tpm-state deep --create-ek-cert --authority B --iakkeyalgo ecc_nist_p256
stop "$started"
serve deep
nv deep 0x1c90100 deep-iak.pem
{ tool deep tpm2_quote -c 0x81020001 -l sha256:0,2,4,7 -q 0011 -m t.quote -s t.signature -o t.pcrs -F values -g sha256 &&
    tool deep tpm2_readpublic -c 0x81020001 -o t.public; } || bail "no quote"
stop "$started"
deep_judge() {
    "$attest" verify --quote t.quote --signature t.signature --ak-public t.public --nonce 0011 --ak-certificate deep-iak.pem \
        --root C/root.pem --chain B.pem --chain ek-0.pem --chain vma.pem "$@"
}
ok "its quote is followed to the hardware" deep_judge --nested 1 --hardware-only
refuses 1 'check "IAK certificate" failed: the TPM is nested' "where that is accepted" deep_judge

### A quote by an IAK, verified with nothing but the fleet's root
nonce=00112233445566778899
schemes=(rsapss rsapss ecdsa ecdsa)
hashes=(sha256 sha384 sha256 sha384)
quote() { # TPM HANDLE [SCHEME HASH]: t.quote, t.signature, t.pcrs and t.public
    tool "$1" tpm2_quote -c "$2" -l sha256:0,2,4,7 -q "$nonce" -m t.quote -s t.signature -o t.pcrs -F values \
        --scheme "${3:-ecdsa}" -g "${4:-sha256}" &&
        tool "$1" tpm2_readpublic -c "$2" -o t.public
}
judge() { # CERTIFICATE [OPTION...]
    "$attest" verify --quote t.quote --signature t.signature --ak-public t.public --nonce "$nonce" --pcrs t.pcrs --ak-certificate "$@"
}
for i in 0 1 2 3; do
    serve "t$i"
    ok "the TPM quotes with its IAK, ${kinds[i]}" quote "t$i" 0x81020001 "${schemes[i]}" "${hashes[i]}"
    ok "which is believed" judge "iak$i.pem" --root C/root.pem --chain vma.pem --hardware-only
    stop "$started"
done
like "$(<ok.log)" "verified: the quote is by a key inside the TPM for which this chain certifies it" "in words"
like "$(<ok.log)" "initial attestation key \(IAK\) of the virtual TPM: .*serial number of the TPM: IBM:[0-9a-f]{40}:[0-9a-f]+" "the TPM by its number"
cat iak3.pem vma.pem >iak3.both
ok "the authority's certificate may be behind it" judge iak3.both --root C/root.pem --json
verdict() { json "$1" <ok.log; }
is "$(verdict '["verified"]')" True "as JSON: verified"
is "$(verdict '["passed"]')" "['IAK certificate', 'attestation key', 'quote', 'signature', 'nonce', 'PCR selection', 'signer', 'PCR values']" "by these checks"
is "$(verdict '["rooted"]')" hardware-rooted "what it is rooted in"
is "$(verdict '["attestation-key-certificate"]["endorsement-key"]')" \
    "$(says ek-3.pem -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d ' ' -f 1)" "of which endorsement key's TPM"
is "$(verdict '["endorsement-key-verified"]')" False "whose certificate nobody has shown"
"$ca" crl --dir C --out C.crl >/dev/null || bail "no list"
ok "with a list" judge iak3.both --root C/root.pem --crl C.crl
refuses 1 'check "IAK certificate" failed: the vMA certificate lacks the extended key usage 2.23.133.8.3' "below the certificate of before" \
    judge iak3.pem --root C/root.pem --chain old.pem
refuses 1 'check "IAK certificate" failed: the issuer .* is not one of the trusted roots' "another root" judge iak3.both --root P/root.pem
refuses 1 'check "IAK certificate" failed: the AK certificate is for another key' "another TPM's certificate" judge iak2.pem --root C/root.pem --chain vma.pem
refuses 1 'check "IAK certificate" failed: the IAK certificate lacks the extended key usage 2.23.133.8.3' "an IDevID's certificate" \
    judge idevid3.pem --root C/root.pem --chain vma.pem
refuses 1 'check "IAK certificate" failed: the key usage of the IAK certificate' "an EK's certificate" judge ek-3.pem --root C/root.pem --chain vma.pem
refuses 1 'check "AK certificate" failed: the certificate of the privacy CA is one of an authority that makes virtual TPMs' \
    "the fleet's root as a privacy CA's does not make the authority one" judge iak3.both --ca-root C/root.pem
refuses 1 'check "nonce" failed' "another nonce" judge iak3.both --root C/root.pem --nonce 0011
refuses 2 "option --ca-root is missing" "neither root" judge iak3.both
for option in --ek-certificate --ek-public --ek-roots; do
    refuses 2 "option $option does not go with --ak-certificate of an initial attestation key" "$option" \
        judge iak3.both --root C/root.pem $option ek-3.pem
done
serve t3
ok "the IDevID signs what looks like a quote" tool t3 tpm2_sign -c 0x81020000 -g sha256 -s rsapss -o t.signature t.quote
tool t3 tpm2_readpublic -c 0x81020000 -o t.public
refuses 1 'check "IAK certificate" failed: the AK certificate is for another key' "which is not the IAK's" judge iak3.both --root C/root.pem
refuses 1 'check "IAK certificate" failed' "whatever its certificate" judge idevid3.pem --root C/root.pem --chain vma.pem
enrolled() { enrol_key t3 --new-key --ek rsa2048 && quote t3 0x81020001 ecdsa sha384; }
ok "the same TPM enrols a key at a privacy CA" enrolled
refuses 1 'check "IAK certificate" failed' "whose certificate is no IAK's" judge t3.ak/ak.pem --root C/root.pem --chain vma.pem
stop "$started"

# A restricted key below another one says so in the quote: it is none that was made with the TPM, whoever certifies it.
serve t2
{ tool t2 tpm2_createek -G rsa -c ek.ctx -u ek.pub && tool t2 tpm2_flushcontext -t &&
    tool t2 tpm2_createak -C ek.ctx -c child.ctx -G ecc -g sha256 -s ecdsa -u child.pub -f pem; } || bail "$(<tool.log)"
tool t2 tpm2_flushcontext -t
mkdir child self
openssl pkey -pubin -in child.pub -outform DER -out child.der && says iak2.pem -pubkey | openssl pkey -pubin -outform DER -out self.der
{ "$probe" identity child p256 child.der >/dev/null && "$probe" identity self p256 self.der >/dev/null; } || bail "no fleet"
ok "another fleet's authority certifies this TPM's IAK" quote t2 0x81020001
ok "which is believed where that fleet is" judge self/iak.pem --root self/root.pem --chain self/vma.pem
ok "it certifies a key below an endorsement key" quote t2 child.ctx
refuses 1 'check "signer" failed' "which is no IAK: the quote says where it is" judge child/iak.pem --root child/root.pem --chain child/vma.pem
stop "$started"

### The fleet's one issuer
"$ca" issuer --dir C >/dev/null || bail "no issuer"
issued() { # NAME: of NAME.pem by the issuer: NAME.issued, NAME.leaf, NAME.above
    rm -f "$1.issued" && cat "$1.pem" vma.pem >"$1.ask" && "$ca" issue --dir C --request "$1.ask" --out "$1.issued" &&
        openssl x509 -in "$1.issued" -out "$1.leaf" && awk '/BEGIN/ { n++ } n == 2' "$1.issued" >"$1.above"
}
for kind in iak idevid; do
    ok "$kind: the issuer issues it" issued ${kind}2
    like "$(<ok.log)" "I[AD][A-Za-z]* certificate of a hardware-rooted TPM$" "$kind: and says what it is"
    ok "$kind: verified" verify $kind ${kind}2.leaf ${kind}2.above
    for what in -subject -pubkey "-ext subjectAltName,keyUsage,extendedKeyUsage"; do
        # shellcheck disable=SC2086  # two words of one
        is "$(says ${kind}2.leaf $what)" "$(says ${kind}2.pem $what)" "$kind: the same $what"
    done
    ok "$kind: once more" issued ${kind}2
    like "$(<ok.log)" "issued before" "$kind: is the same"
    like "$("$ca" audit --dir C --event issue --json | json '["acts"][-1]["rooted"]')" "I[AD][A-Za-z]* certificate, hardware-rooted" "$kind: the audit log"
done
cat iak2.pem old.pem >iak2.old
refuses 1 "vMA certificate lacks the extended key usage 2.23.133.8.3" "not for the certificate of before" \
    "$ca" issue --dir C --request iak2.old --out none.pem
nv_platform() { serve t3 && nv t3 0x1c08000 platform.pem && stop "$started"; }
nv_platform
cat platform.pem vma.pem >platform.ask
refuses 1 "EK certificate lacks the extended key usage" "no platform certificate" "$ca" issue --dir C --request platform.ask --out none.pem
cat iak2.issued idevid2.issued >both.issued
install() { "$setup" --tpm2 --tpm-state "$1" --install-certificate "$2"; }
refuses 1 "of its 2 certificates of keys 0 are for keys of this TPM" "not into another TPM" install t3 both.issued
sum() { sha256sum <"$1/tpm2-00.permall"; }
before=$(sum t2)
cat idevid2.issued iak2.leaf idevid2.leaf >twice.issued
refuses 1 "is for the same key as one before it" "two for one key" install t2 twice.issued
printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nauthorityKeyIdentifier=keyid\n' 2.23.133.8.3 >iak.ext
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout site.key -subj "/CN=a site" -out site.pem 2>/dev/null
says idevid2.pem -pubkey >idevid.pub
openssl req -new -key site.key -subj /CN=x -out csr 2>/dev/null
openssl x509 -req -in csr -CA site.pem -CAkey site.key -CAcreateserial -force_pubkey idevid.pub -extfile iak.ext -out swapped.pem 2>/dev/null
refuses 1 "of its 1 certificates of keys 0 are for keys of this TPM" "the key that signs anything does not get a certificate of one that attests" \
    install t2 swapped.pem
is "$(sum t2)" "$before" "nothing was changed"
ok "into the TPM" install t2 both.issued
serve t2
nv t2 0x1c90100 now.pem
ok "the IAK's is in NV" cmp now.pem iak2.leaf
nv t2 0x1c90200 now.pem
ok "the IDevID's, too" cmp now.pem idevid2.leaf
nv t2 0x1c00002 now.pem
ok "the EK's stays" cmp now.pem ek-2.pem
stop "$started"

### Over a connection
start ca "$ca" serve --dir C --unix ca.sock --approver-public approver.pub --approved-pcrs values --identity-keys --ek-roots vendor/issuercert.pem
wait_socket ca.sock "$started" || bail "the server did not start"
register() { "$authority" register --dir A --server unix:ca.sock --ek-certificate "$1" --out "$2"; }
ok "an IAK is registered" register iak1.pem registered.pem
like "$(<ok.log)" "registered.pem: the IAK certificate, issued by the fleet" "and it says so"
openssl x509 -in registered.pem -out registered.leaf
awk '/BEGIN/ { n++ } n == 2' registered.pem >registered.above
ok "verified" verify iak registered.leaf registered.above
ok "an IDevID" register idevid1.pem registered.pem
like "$(<ok.log)" "registered.pem: the IDevID certificate, issued by the fleet" "says so"
ok "an EK, as before" register ek-1.pem registered.pem
cp -r A renewed && openssl x509 -in old.both -out renewed/vma.pem
is "$("$authority" status --dir renewed --json | json '["identity-keys"]')" False "an authority without the right"
ok "a renewal over the connection" "$authority" enrol --dir renewed --server unix:ca.sock --renew
is "$("$authority" status --dir renewed --json | json '["identity-keys"]')" True "has the right"
stop "$started"

### Anew
reissue() { "$setup" --tpm2 --tpm-state "$1" --reissue-certificates --authority A --vmid "vm:$1" "${@:2}"; }
mkdir again
ok "all certificates anew" reissue t1 --write-ek-cert-files again
is "$(ls again | tr '\n' ' ')" "ek-rsa2048.crt ek-secp384r1.crt iak-rsa3072.crt idevid-secp256r1.crt " "the identities', too"
pem again/iak-rsa3072.crt again.pem
pem again/ek-rsa2048.crt again-ek.pem
ok "verified" verify iak again.pem vma.pem
is "$(says again.pem -pubkey)" "$(says iak1.pem -pubkey)" "of the same key"
like "$("$probe" verify iak again.pem vma.pem C/root.pem "$(date +%s)")" hardware-rooted "hardware-rooted"
serial=$(says again-ek.pem -serial | sed 's/.*=//' | tr A-F a-f)
like "$(openssl asn1parse -in again.pem | sed -n '/Subject Alternative/{n;p}' | sed 's/.*DUMP\]://' | python3 -c 'import sys
print(bytes.fromhex(sys.stdin.read().strip()).decode("latin-1"))')" ":$serial$" "with the number of the new EK certificate"
ok "they match" "$setup" --tpm2 --tpm-state t1 --check-certificates
cp A/vma.pem new.A && openssl x509 -in old.both -out A/vma.pem
before=$(sum t1)
refuses 1 "authority: A: its certificate does not allow it to certify an IAK" "not by an authority without the right" reissue t1
is "$(sum t1)" "$before" "nothing was changed"
ok "--no-iak: the others alone" reissue t1 --no-iak
serve t1
nv t1 0x1c90100 now.pem
ok "the IAK's stays" cmp now.pem again.pem
tool t1 tpm2_evictcontrol -C o -c 0x81020000 || bail "cannot evict"
stop "$started"
cp new.A A/vma.pem
ok "with the right, again, of a key that is not persistent any more" reissue t1
ok "they match" "$setup" --tpm2 --tpm-state t1 --check-certificates
ok "the state of a key without a certificate" "$setup" --tpm2 --tpm-state none --reissue-certificates --authority A
serve none
nv none 0x1c90100 now.pem
ok "it gets one" verify iak now.pem vma.pem

### Other keys than before
ok "the endorsement seed is changed" tool none tpm2_changeeps
stop "$started"
refuses 1 "of 3 certificates are not for this TPM's keys" "the certificates match no more" "$setup" --tpm2 --tpm-state none --check-certificates
like "$(<refuses.log)" "certificate of the IAK: does not match" "the IAK's among them"
refuses 1 "is not for the (endorsement|IAK) key that this TPM has now" "no new ones for keys that somebody has changed" reissue none
ok "withdrawn" "$setup" --tpm2 --tpm-state none --withdraw-certificates
like "$(<ok.log)" "NV index 0x01c90100: withdrawn" "the IAK's, too"

### A revoked authority
"$ca" revoke --dir C --serial "$(says vma.pem -serial | sed 's/.*=//')" >/dev/null || bail "cannot revoke"
refuses 1 "revoked" "the issuer issues nothing more for it" "$ca" issue --dir C --request iak2.ask --out none.pem
serve t3
quote t3 0x81020001 ecdsa sha384
stop "$started"
"$ca" crl --dir C --out C.crl >/dev/null || bail "no list"
ok "without a list nobody sees it" judge iak3.both --root C/root.pem
refuses 1 'check "IAK certificate" failed: .*revoked' "with one a quote is not believed" judge iak3.both --root C/root.pem --crl C.crl

finish
