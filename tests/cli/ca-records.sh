#!/usr/bin/env bash
# The records of the fleet's CA: what is revoked, the revocation list that says so to everybody (us,
# OpenSSL, GnuTLS), in which state each certificate is, and renewal. The authority is software-rooted
# here: what a host TPM has to do with it is enrol.sh's.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
need openssl certtool python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
setup=${HOLDFAST_SETUP:-$top_builddir/holdfast-setup}
probe=$top_builddir/tests/cli/pki-probe
cd "$tap_dir" || exit 1

# delegated HOST [OPTION...]: HOST.pem, the delegation and the root; HOST-vma.pem alone.
delegated() {
    local host=$1
    shift
    "$authority" request --dir "$host" --out hello &&
        "$ca" challenge --dir C --request hello --out challenge &&
        "$authority" respond --dir "$host" --challenge challenge --out response &&
        "$ca" delegate --dir C --request response --out "$host.pem" --allow-software "$@" &&
        openssl x509 -in "$host.pem" -out "$host-vma.pem"
}
serial() { openssl x509 -in "$1" -noout -serial | sed 's/serial=//'; }
# column NAME [OPTION...]: that member of everything that is listed.
column() {
    local name=$1
    shift
    "$ca" list --dir C --json "$@" | python3 -c '
import json, sys
print(*(e.get(sys.argv[1]) for e in json.load(sys.stdin)["issued"]))' "$name"
}
checked() { # CERTIFICATE [OPTION...]: by OpenSSL, with the list
    local certificate=$1
    shift
    openssl verify -x509_strict -crl_check -CAfile C/root.pem -CRLfile C/crl.pem "$@" "$certificate"
}
crl_of() { openssl crl -in C/crl.pem -noout "$@"; }

ok "a CA" "$ca" init --dir C
for host in A B; do
    ok "an authority" "$authority" init --dir $host --software
    ok "is delegated to" delegated $host
done
one=$(serial A-vma.pem)

### The list
ok "a list" "$ca" crl --dir C --crl-days 7
like "$(cat ok.log)" "revocation list 1, 0 revoked, the next is due at 20" "says number and date"
is "$(stat -c '%a' C/crl.pem)" 644 "everybody may have it"
ok "OpenSSL verifies it" crl_of -CAfile C/root.pem -verify
is "$(crl_of -crlnumber)" "crlNumber=0x01" "its number"
ok "GnuTLS verifies it" certtool --verify-crl --load-ca-certificate C/root.pem --infile C/crl.pem
ok "nothing is revoked, says OpenSSL" checked A-vma.pem
ok "a copy as DER" "$ca" crl --dir C --out copy.der --format der
ok "is the one in the directory" cmp copy.der C/crl.der
is "$(openssl crl -inform DER -in copy.der -noout -crlnumber)" "crlNumber=0x02" "the next number"
ok "a copy as PEM" "$ca" crl --dir C --out copy.pem
ok "too" cmp copy.pem C/crl.pem
is "$(python3 - "$(crl_of -lastupdate | sed 's/.*=//')" "$(crl_of -nextupdate | sed 's/.*=//')" <<'PY'
import sys
from datetime import datetime
a, b = (datetime.strptime(t, "%b %d %H:%M:%S %Y %Z") for t in sys.argv[1:])
print((b - a).days)
PY
)" 7 "the days stay as they were given"

### Revoke
refuses 2 "which certificate. --serial, --key or --host-ek" "nothing named" "$ca" revoke --dir C
refuses 2 "exclude each other" "too much named" "$ca" revoke --dir C --serial 12 --key 34
refuses 2 "reason" "a reason that is none" "$ca" revoke --dir C --serial "$one" --reason boredom
refuses 1 'no certificate with the serial number "1234"' "unknown" "$ca" revoke --dir C --serial 1234
refuses 1 'no certificate with the key "000b"' "an unknown key" "$ca" revoke --dir C --key 000b
refuses 1 'no certificate with the host endorsement key "ff"' "an unknown host" \
    "$ca" revoke --dir C --host-ek FF
is "$(crl_of -crlnumber)" "crlNumber=0x03" "a refusal makes no list"
refuses 1 "is not on hold" "release what is not held" \
    "$ca" revoke --dir C --serial "$one" --reason removeFromCRL
ok "on hold" "$ca" revoke --dir C --serial "$one" --reason certificateHold
refuses any "revoked" "OpenSSL refuses it" checked A-vma.pem
refuses 1 "is on hold already" "not twice" \
    "$ca" revoke --dir C --serial "$one" --reason certificateHold
refuses 1 "was put on hold.*end the hold first" "and it is not renewed" delegated A
ok "released" "$ca" revoke --dir C --serial "$one" --reason removeFromCRL
ok "OpenSSL takes it again" checked A-vma.pem
ok "revoked, by the serial number as OpenSSL prints it" \
    "$ca" revoke --dir C --serial "$(sed 's/../&:/g; s/:$//' <<<"$one")" --reason keyCompromise
like "$(cat ok.log)" "revoked .keyCompromise., .*CN=holdfast vMA.*revocation list 6" "it says what"
like "$(crl_of -text)" "Serial Number: $one.*CRL Reason Code:.*Key Compromise" "the list has it"
refuses any "certificate revoked" "OpenSSL refuses the certificate" checked A-vma.pem
refuses any "Revoked|revoked" "so does GnuTLS" \
    certtool --verify --load-ca-certificate C/root.pem --load-crl C/crl.pem --infile A-vma.pem
ok "the other one is as good as before" checked B-vma.pem
refuses 1 "was revoked already, at 20.*keyCompromise" "not twice" \
    "$ca" revoke --dir C --serial "$one" --reason superseded
refuses 1 "signing key: .*was revoked at .*keyCompromise.: the host needs a new key" \
    "the key gets no certificate any more" delegated A
is "$(column state)" "revoked valid" "the list of certificates says so"
is "$(column reason --state revoked)" keyCompromise "and why"
like "$("$ca" list --dir C)" "revoked .keyCompromise." "in words too"

### A crash in the middle of an append
printf '{"format":"holdfast-ca-re' >>C/revoked
ok "what is left of an append is not read" "$ca" list --dir C
is "$(column state)" "revoked valid" "and changes nothing"

### Renewal: what was certified before is still good
mkdir tpm cert
ok "B can certify" "$authority" install-certificate --dir B B.pem
ok "a virtual TPM certified by B" "$setup" --tpm2 --tpm-state tpm --create-ek-cert \
    --authority B --write-ek-cert-files cert
openssl x509 -in "$(find cert -name '*.crt' -o -name '*.cert' | head -1)" -out ek.pem 2>/dev/null ||
    openssl x509 -inform DER -in "$(find cert -type f | head -1)" -out ek.pem
verified() { "$probe" verify ek ek.pem "$1" C/root.pem "$(date +%s)"; }
is "$(verified B-vma.pem)" software-rooted "it verifies"
cp B-vma.pem B-before.pem
ok "B's certificate is renewed" delegated B --days 30
for what in subject pubkey "ext subjectKeyIdentifier"; do
    # shellcheck disable=SC2086
    is "$(openssl x509 -in B-vma.pem -noout -${what})" "$(openssl x509 -in B-before.pem -noout -${what})" \
        "the same ${what##* }"
done
isnt "$(serial B-vma.pem)" "$(serial B-before.pem)" "another serial number"
is "$(verified B-vma.pem)" software-rooted "the old TPM's certificate verifies with the new one"
ok "for OpenSSL too" openssl verify -x509_strict -CAfile C/root.pem -untrusted B-vma.pem \
    -purpose any ek.pem
is "$(column state)" "revoked superseded valid" "the one before is superseded"
is "$(column serial --state superseded)" "$(serial B-before.pem | tr A-F a-f)" "that one"
is "$(column state --serial "$(serial B-vma.pem)")" valid "one by its serial number"
key=$(column key --state valid)
is "$(column state --key "$key")" "superseded valid" "all of a key"
is "$(column state --environment software)" "revoked superseded valid" "of an environment"
is "$(column state --environment none)" "" "of another one"
ok "all of a key are revoked" "$ca" revoke --dir C --key "$key" --reason cessationOfOperation
is "$(column state)" "revoked revoked revoked" "the superseded one too"
is "$(openssl crl -in C/crl.pem -noout -text | grep -c 'Serial Number')" 3 "the list has all"
refuses 1 "was revoked already" "not again" "$ca" revoke --dir C --key "$key"
ok "a key whose work had ended may come back" delegated B

### Expired
"$ca" nonce --dir C >/dev/null # or the next act would put right what is changed here
python3 - <<'PY'
import json
lines = open("C/issued").read().splitlines()
last = json.loads(lines[-1])
last["not-after"] = 1700000000
open("C/issued", "w").write("\n".join(lines[:-1] + [json.dumps(last)]) + "\n")
PY
is "$(column state | sed 's/.* //')" expired "expired"
refuses 1 "has expired, at 2023-11-14" "is not revoked" \
    "$ca" revoke --dir C --serial "$(serial B-vma.pem)"

### The number never falls
rm C/crl.json
refuses 1 "crl.json: missing, and there is a crl.pem" "a lost number" "$ca" crl --dir C
echo '{"format":"holdfast-ca-crl","version":1,"minimum-reader":1,"number":0,"days":7}' >C/crl.json
refuses 1 'crl.json: member "number": 1 to' "a number that is none" "$ca" crl --dir C
finish
