#!/usr/bin/env bash
# One issuer of EK certificates for a whole fleet: a vMA asks with the certificate that it has signed
# itself, the CA issues. Everybody who verifies goes on as before. Then what is not to be had: requests
# of nobody, of others, altered, outside of what was delegated, of keys that do not do, and revoked.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca openssl python3

probe=$top_builddir/tests/cli/pki-probe
cd "$tap_dir" || exit 1

issue() { # REQUEST [OPTION...]: ek.pem and issuer.pem
    local request=$1
    shift
    rm -f ek.pem issuer.pem
    "$ca" issue --dir C --request "$request" --out issued.pem "$@" &&
        openssl x509 -in issued.pem -out ek.pem &&
        awk '/BEGIN/ { n++ } n == 2' issued.pem >issuer.pem
}
field() { openssl x509 -in "$1" -noout "${@:2}"; }
arc=$(sed -n 's/#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
# extension CERTIFICATE NUMBER: the value of that one of ours.
extension() { openssl asn1parse -in "$1" | grep -A 1 ":$arc.$2\$" | sed -n 's/.*HEX DUMP\]://p'; }
lines() { "$ca" audit --dir C | wc -l; }
serial() { field "$1" -serial | sed 's/.*=//'; }

### A host TPM, its authority, a virtual TPM and its certificates
fleet_make
vtpm_make one --write-ek-cert-files "$tap_dir"
request_of() { find "$1" -maxdepth 1 -type f -iname "*$2*" | head -n 1; }
rsa=$(request_of . rsa2048) ecc=$(request_of . secp)
openssl x509 -in vma.pem -out vma-only.pem
for name in "$rsa" "$ecc"; do
    openssl x509 -inform DER -in "$name" -out "$name.pem" 2>/dev/null || cp "$name" "$name.pem"
done
ask=$(basename "$rsa").pem
cat vma-only.pem >>"$ask"

### The straight path
refuses 1 "this CA issues no certificates of TPMs" "no issuer" issue "$ask"
ok "the fleet's issuer" "$ca" issuer --dir C
like "$(cat ok.log)" "issuer made, CN=holdfast fleet issuer [0-9a-f]{40}" "has a name"
is "$(stat -c %a C/issuer C/issuer/root.key | tr '\n' ' ')" "700 600 " "and a key of its own"
refuses 1 "issuer/root.key: there is a key already" "only one" "$ca" issuer --dir C
ok "the request of a vMA is granted" issue "$ask"
like "$(cat ok.log)" "EK certificate of a hardware-rooted TPM$" "and it is said what it is"
ok "OpenSSL verifies it" openssl verify -x509_strict -purpose any -CAfile C/root.pem -untrusted issuer.pem ek.pem
is "$("$probe" verify ek ek.pem issuer.pem C/root.pem "$(date +%s)")" hardware-rooted "so do we"
is "$(field ek.pem -pubkey)" "$(field "$ask" -pubkey)" "it is for the same key"
for what in subjectAltName extendedKeyUsage keyUsage certificatePolicies; do
    is "$(field ek.pem -ext $what)" "$(field "$ask" -ext $what)" "the same $what"
done
is "$(extension ek.pem 2.1)" "$(extension "$ask" 2.1)" "the same holding"
isnt "$(extension ek.pem 2.1)" "" "which says something"
is "$(extension issuer.pem 2.2)" "$(extension vma-only.pem 2.2)" "the issuer has the vMA's mandate"
is "$(field ek.pem -issuer | sed 's/issuer=//')" "$(field issuer.pem -subject | sed 's/subject=//')" "issued by the fleet"
isnt "$(field issuer.pem -pubkey)" "$(field vma-only.pem -pubkey)" "not by the host"
is "$(field issuer.pem -ext certificatePolicies | grep -c 2.23.133.11)" 0 "whose key is not said to be in a TPM"
before=$(lines)
first=$(serial ek.pem)
ok "the same request again" issue "$ask"
like "$(cat ok.log)" "issued before" "has the same answer"
is "$(serial ek.pem)" "$first" "certificate by certificate"
is "$(lines)" "$before" "and no more lines in the log"
openssl x509 -in "$(basename "$ecc").pem" -out ecc.pem
ok "another key of this TPM, the vMA's certificate from here" issue ecc.pem --vma vma-only.pem
is "$(lines)" "$((before + 1))" "is one more line: the issuer's certificate was there"
like "$("$ca" audit --dir C --event issue)" "EK certificate, hardware-rooted  .*host-ek [0-9a-f]{64}" "with the host's TPM"

### A relying party: the privacy CA
request one >/dev/null
openssl x509 -in "$ask" -out one.pem && cp "$ask" one.ask
issue one.ask >/dev/null
openssl x509 -in ek.pem -outform DER -out ek.der
openssl x509 -in issuer.pem -outform DER -out issuer.der
parcel registered.request one.request 4=ek.der 5=issuer.der
certify() { local file=$1; shift; "$ca" certify --dir P --request "$file" --out answer --vma-root C/root.pem "$@"; }
ok "believes the issuer as it believes authorities" certify registered.request --hardware-only
like "$(cat ok.log)" "virtual TPM, hardware-rooted" "for what they are"
like "$("$ca" list --dir P --json | tail -n 20)" "holdfast fleet issuer" "and knows who issued"
cp registered.request one.ak/request
ok "the TPM opens its answer" activate one answer --ca-root P/root.pem

### What is refused
nothing() { is "$(lines)" "$((before + 1))" "nothing but the refusal is recorded"; }
refused() { # REGEX DESCRIPTION REQUEST [OPTION...]
    local regex=$1 description=$2
    shift 2
    before=$(lines)
    refuses 1 "$regex" "$description" issue "$@"
    nothing
}
serial_der() { openssl x509 -inform DER -in "$1" -noout -serial | sed 's/.*=//'; }
as_pem() { openssl x509 -inform DER -in "$1" -out "$2" 2>/dev/null || cp "$1" "$2"; }
refused "expected a chain of 2 or 3 certificates, found 1" "without the vMA's certificate" one.pem
refused "is one of the issuer's already" "what the issuer has issued itself" issued.pem
soft_delegated C
"$authority" install-certificate --dir S C.s.pem >/dev/null || bail "its certificate is not installed"
openssl x509 -in C.s.pem -out s-only.pem
mkdir soft.files && vtpm_make soft --authority S --write-ek-cert-files "$tap_dir/soft.files"
as_pem soft.files/ek-rsa2048.crt soft-ek.pem
cat soft-ek.pem s-only.pem >soft.ask
ok "a software-rooted one is granted" issue soft.ask
like "$(cat ok.log)" "of a software-rooted TPM" "as such"
is "$("$probe" verify ek ek.pem issuer.pem C/root.pem "$(date +%s)")" software-rooted "and verifies as such"
refused "software-rooted, but only hardware-rooted ones" "but not with --hardware-only" soft.ask --hardware-only
cat one.pem s-only.pem >mixed.ask
refused "there is no vMA certificate|signature|issuer" "under another authority's certificate" mixed.ask
"$ca" init --dir O --subject "other fleet" >/dev/null
soft_delegated O
cat soft-ek.pem O.s.pem >other.ask
refused "not one of the trusted roots" "delegated to by another fleet" other.ask

# What an authority's key could sign: S's is in a file. forged EDIT: the certificate of soft, changed.
forged() {
    openssl x509 -in soft-ek.pem -outform DER -out plain.der
    python3 - "$@" <<'PY' || return 1
import subprocess, sys

def element(data, at):
    size, head = data[at + 1], 2
    if size & 0x80:
        n = size & 0x7F
        size, head = int.from_bytes(data[at + 2:at + 2 + n], "big"), 2 + n
    return data[at:at + head + size], data[at + head:at + head + size]

def whole(tag, content):
    n = len(content)
    size = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else bytes([0x82]) + n.to_bytes(2, "big")
    return bytes([tag]) + size + content

_, outer = element(open("plain.der", "rb").read(), 0)
tbs_whole, tbs = element(outer, 0)
algorithm, _ = element(outer, len(tbs_whole))
parts, at = [], 0
while at < len(tbs):
    part, _ = element(tbs, at)
    parts.append(part)
    at += len(part)
if sys.argv[1] == "key":
    parts[6] = open(sys.argv[2], "rb").read()
new = whole(0x30, b"".join(parts))
if sys.argv[1] == "text":
    old, other = (text.encode() for text in sys.argv[2:])
    assert new.count(old) == 1 and len(old) == len(other), (new.count(old), sys.argv)
    new = new.replace(old, other)
open("forged.tbs", "wb").write(new)
subprocess.run(["openssl", "dgst", "-sha256", "-sign", "S/vma.key", "-out", "forged.sig", "forged.tbs"], check=True)
signature = b"\0" + open("forged.sig", "rb").read()
open("forged.der", "wb").write(whole(0x30, new + algorithm + whole(3, signature)))
PY
    openssl x509 -inform DER -in forged.der -out forged.ask && cat s-only.pem >>forged.ask
}
forged_key() { # OPENSSL-ALGORITHM [OPTION...]: a certificate for such a key
    openssl genpkey -algorithm "$@" -out other.key 2>/dev/null &&
        openssl pkey -in other.key -pubout -outform DER -out other.spki && forged key other.spki
}
ok "a certificate that is signed anew is as good" forged none
ok "and granted" issue forged.ask
ok "a migration policy that was not delegated" forged text none away
refused "outside of what the vMA certificate allows: .*migration policy" "is refused" forged.ask
ok "a short RSA key" forged_key RSA -pkeyopt rsa_keygen_bits:1024
refused "2048" "is refused" forged.ask
ok "a curve that is none of ours" forged_key EC -pkeyopt ec_paramgen_curve:secp256k1
refused "curve" "is refused" forged.ask
ok "a key of another kind" forged_key ED25519
refused "kind|key" "is refused" forged.ask
openssl x509 -in one.pem -outform DER -out bad.der
python3 - <<'PY'
data = bytearray(open("bad.der", "rb").read())
data[-1] ^= 1
open("bad.der", "wb").write(data)
PY
openssl x509 -inform DER -in bad.der -out bad.ask && cat vma-only.pem >>bad.ask
refused "signature does not verify" "an altered request" bad.ask
before=$(lines)
refuses 1 "values" "no certificate at all" issue values
is "$(lines)" "$before" "is not even a request"

### Over a connection
register() { # DIR EK-CERTIFICATE [OPTION...]
    local dir=$1 file=$2
    shift 2
    rm -f registered.pem
    "$authority" register --dir "$dir" --ek-certificate "$file" --server "unix:$PWD/s" --out registered.pem "$@"
}
serving_start --dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub --approved-pcrs values ||
    { diag_file serve.log; bail "the CA does not serve"; }
ok "an authority registers" register A "$ecc"
ok "the same certificate as by files" bash -c "'$ca' issue --dir C --request ecc.pem --vma vma-only.pem --out files.pem &&
    cmp files.pem registered.pem"
like "$(cat serve.log)" "EK certificate of a hardware-rooted TPM, issued before" "the log says what it is"
refuses 1 "not signed by this key of the authority" "an EK certificate of another authority" register A soft-ek.pem
refuses 1 "server refuses: .*software-rooted, but only" "a software-rooted authority" register S soft-ek.pem
refuses 1 "nowhere" "a certificate that is not there" register A nowhere
is "$(ls registered.pem 2>/dev/null)" "" "leaves nothing"
like "$("$ca" audit --dir C --event refuse | tail -n 1)" "refuse  user [0-9]+, process [0-9]+  issue  " \
    "who was refused is recorded"
serving_start --dir C --allow-software || bail "the CA does not serve"
ok "where such are delegated to" register S soft-ek.pem
serving_start --dir P --allow-software || bail "the privacy CA does not serve"
refuses 1 "server refuses: this CA issues no certificates of TPMs" "a CA without an issuer" register A "$ecc"
"$ca" issuer --dir P >/dev/null
refuses 1 "server refuses: .*not one of the trusted roots" "one of another fleet" register A "$ecc"

### Revocation
revoke() { "$ca" revoke --dir C --serial "$1" --reason "$2"; }
own_certify() { "$ca" certify --dir C --request registered.request --out own.answer --vma-root C/root.pem; }
ok "the fleet's CA certifies keys of such a TPM" own_certify
revoke "$(serial_der ek.der)" certificateHold >/dev/null
refuses 1 "EK certificate: it was revoked" "an EK certificate on hold" own_certify
refused "EK certificate: it was revoked" "is not given out again" one.ask
revoke "$(serial_der ek.der)" removeFromCRL >/dev/null
revoke "$(serial_der issuer.der)" certificateHold >/dev/null
refused "the issuer's certificate for this authority was revoked" "the issuer's certificate on hold" one.ask
refuses 1 "the vMA certificate above it was revoked" "counts for relying parties" own_certify
refuses 1 "is on hold since" "by the list, too" certify registered.request --crl C/crl.pem
revoke "$(serial_der issuer.der)" removeFromCRL >/dev/null
ok "until it ends" issue one.ask
"$ca" revoke --dir C --host-ek "$("$authority" status --dir A --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["host-ek"])')" >/dev/null
refused "the vMA certificate above it was revoked" "of a revoked host nothing is had" one.ask
refuses 1 "was revoked" "and what it had is nothing any more" own_certify

### The key of the issuer in a TPM; the logs
ok "a fleet whose issuer's key is in a TPM" "$ca" issuer --dir O --issuer-key "tpm:$host_tcti"
is "$(find O/issuer -name root.key)" "" "and not in a file"
ok "issues" "$ca" issue --dir O --request other.ask --out issued.pem
ok "the logs are whole" bash -c "'$ca' audit --dir C --verify && '$ca' audit --dir O --verify"
finish
