#!/usr/bin/env bash
# Enrolment of a host by challenge: the fleet's CA knows the vendor of the host's TPM, or the TPM
# itself, and has it open a secret that only it can open, for its own attestation key. Then what
# must be refused: other vendors, TPMs, keys, challenges and answers.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
need swtpm swtpm_setup swtpm_localca tpm2_nvdefine openssl python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
cd "$tap_dir" || exit 1
umask 022

auth() { local command=$1; shift; "$authority" "$command" --dir A "$@"; }
challenge() { # INTRODUCTION [OPTION...]
    local request=$1
    shift
    "$ca" challenge --dir C --request "$request" --out challenge "$@"
}
delegate() { # REQUEST [OPTION...]
    local request=$1
    shift
    "$ca" delegate --dir C --request "$request" --out out.pem --approver-public approver.pub \
        --approved-pcrs values "$@"
}
ek_of() { "$authority" status --dir "$1" --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["host-ek"])'; }
issued() { "$ca" list --dir C --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["issued"][-1].get(sys.argv[1]))' "$1"; }
host_tpm2() { local tool=$1; shift; TPM2TOOLS_TCTI=$host_tcti "tpm2_$tool" "$@" >/dev/null 2>&1; }

### Two hosts whose TPMs are of the same vendor
host_tpm_make two || { diag_file two.log; bail "no second TPM could be made"; }
host_tpm_start two || bail "the second TPM did not start"
ok "a second host" "$authority" init --dir B --tcti "$host_tcti" --make-approver other.key
"$authority" approve --dir B --approver-key other.key >/dev/null
ok "introduces itself" "$authority" request --dir B --out introduction.b
host_tpm_stop
host_tpm_make one || { diag_file one.log; bail "no TPM could be made"; }
host_tpm_start one || bail "the host TPM did not start"
ok "a CA" "$ca" init --dir C
ok "an authority" auth init --tcti "$host_tcti" --make-approver approver.key
openssl pkey -in approver.key -pubout -out approver.pub
auth approve --approver-key approver.key >/dev/null
auth pcrs >values

### The straight path
ok "the host introduces itself" auth request --out introduction
ok "its vendor is known: it is challenged" challenge introduction --ek-roots vendor/issuercert.pem
like "$(cat ok.log)" "endorsement key: vendor .*CN=swtpm-localca" "the CA says which vendor vouches"
is "$(stat -c %a C/nonces/*)" 600 "the secret is the CA's alone"
ok "the host's TPM opens it" auth respond --challenge challenge --out response
ok "nobody else can read the secret in the answer" \
    python3 -c 'import glob, json
secret = bytes.fromhex(json.load(open(glob.glob("C/nonces/*")[0]))["secret"])
assert secret not in open("response", "rb").read() and secret not in open("challenge", "rb").read()'
ok "it is delegated to" delegate response
is "$(grep -c "nothing proves" ok.log)" 0 "without a reservation"
is "$(issued ek-proof | cut -c 1-7)" "vendor " "the record says who vouched"
is "$(issued host-ek)" "$(ek_of A)" "for which endorsement key"
ok "the certificate is installed" auth install-certificate out.pem
ok "status: works" auth status
is "$(ls C/nonces)" "" "the challenge is used up"
refuses 1 "nonce: .*used already" "the answer is good once only" delegate response
ok "renewal: introduced" auth request --out introduction
ok "challenged" challenge introduction --ek-roots vendor/issuercert.pem
ok "answered" auth respond --challenge challenge --out response
ok "delegated" delegate response
like "$(cat ok.log)" "renewed" "as a renewal"
is "$(openssl x509 -in out.pem -noout -pubkey)" "$(openssl x509 -in A/vma.pem -noout -pubkey)" \
    "of the same key"

### Somebody plays an introduction again and again
for _ in {1..20}; do
    challenge introduction --ek-roots vendor/issuercert.pem >/dev/null
done
is "$(find C/nonces -type f | wc -l)" 16 "one endorsement key has 16 challenges at a time"
is "$("$ca" audit --dir C --event challenge --host-ek "$(ek_of A)" | tail -n +3 | wc -l)" 16 \
    "and no more lines in the audit log"
ok "the last of them is answered" auth respond --challenge challenge --out response
ok "and delegated to" delegate response

### Who vouches
refuses 1 "nobody vouches for it: no vendor root is pinned .--ek-roots., and .*--ek-digest.*$(ek_of A)" \
    "no vendor, not listed" challenge introduction
refuses 1 "no pinned vendor root stands above it" "a vendor's root without its intermediate" \
    challenge introduction --ek-roots vendor/swtpm-localca-rootca-cert.pem
openssl x509 -in vendor/issuercert.pem -outform DER -out issuer.der
head -c 7 /dev/zero >>issuer.der
host_tpm2 nvdefine -C o 0x01c00100 -s "$(stat -c %s issuer.der)" -a 'authread|ownerwrite|ownerread|no_da' &&
    host_tpm2 nvwrite -C o -i issuer.der 0x01c00100
auth request --out introduction.above
ok "which the TPM itself can bring along" \
    challenge introduction.above --ek-roots vendor/swtpm-localca-rootca-cert.pem
mkdir roots && cp vendor/issuercert.pem roots/ && touch roots/.hidden
ok "a directory of vendors" challenge introduction --ek-roots roots
cp approver.pub roots/
refuses 1 "approver.pub" "with something else in it" challenge introduction --ek-roots roots
mkdir empty
refuses 1 "empty: certificates expected" "an empty one" challenge introduction --ek-roots empty
refuses 1 "No such file|nowhere" "none" challenge introduction --ek-roots nowhere
issuer_make foreign "/CN=Foreign Vendor"
refuses 1 "no pinned vendor root stands above it" "another vendor" \
    challenge introduction --ek-roots foreign.pem
# A vendor of the same name, whose key is another.
issuer_make same "$(openssl x509 -in vendor/issuercert.pem -noout -subject -nameopt compat |
    sed 's/^subject= *\(.*\)/\/\1/; s/^\/\//\//')"
refuses 1 "EK certificate: " "a vendor of the same name" challenge introduction --ek-roots same.pem
ok "an endorsement key can be listed" challenge introduction --ek-digest "$(ek_of A)"
like "$(cat ok.log)" "endorsement key: listed" "and the CA says so"
{ echo "# the fleet"; echo; echo "$(ek_of B)  host-b"; ek_of A | tr a-f A-F; } >list
ok "in a file" challenge introduction --ek-list list
refuses 1 "nobody vouches" "another one's does not do" challenge introduction --ek-digest "$(ek_of B)"
refuses 1 "ek-digest" "a digest that is none" challenge introduction --ek-digest 1234
echo "not hex" >list
refuses 1 "list: line 1" "a list that is none" challenge introduction --ek-list list
printf '%s\n\0%s\n' "$(ek_of B)" "$(ek_of A)" >list
refuses 1 "list: text expected, found a zero byte" "a list that goes on behind a zero byte" \
    challenge introduction --ek-list list

### Forged endorsement certificates, keys and attestation keys
forged() { # NAME SIGNER.pem SIGNER.key EXTENSIONS [OPTION...]: one for the host's endorsement key
    local name=$1 signer=$2 key=$3
    record introduction 6 | openssl x509 -inform DER -pubkey -noout >ek.pub
    printf '%s\n' "$4" >forged.ext
    shift 4
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout scrap.key \
        -subj "/CN=forged" -out scrap.csr 2>/dev/null
    openssl x509 -req -in scrap.csr -force_pubkey ek.pub -CA "$signer" -CAkey "$key" -days 5 \
        -extfile forged.ext -outform DER -out "$name.der" "$@" 2>/dev/null
    parcel "$name" introduction "6=$name.der"
}
forged plain foreign.pem foreign.key "basicConstraints=critical,CA:FALSE"
refuses 1 "no pinned vendor root stands above it.*CN=forged" "a forged endorsement certificate" \
    challenge plain --ek-roots vendor/issuercert.pem
ok "a plain one of a vendor that is pinned does" challenge plain --ek-roots foreign.pem
forged usage foreign.pem foreign.key "extendedKeyUsage=serverAuth"
refuses 1 "extended key usage 2.23.133.8.1 expected" "one for something else" \
    challenge usage --ek-roots foreign.pem
forged authority_itself foreign.pem foreign.key "basicConstraints=critical,CA:TRUE"
refuses 1 "it is one of a CA" "one of a CA" challenge authority_itself --ek-roots foreign.pem
arc=$(sed -n 's/^#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
forged virtual foreign.pem foreign.key "certificatePolicies=$arc.1.1"
refuses 1 "it is one of a virtual TPM" "one of a virtual TPM" challenge virtual --ek-roots foreign.pem
forged weak foreign.pem foreign.key "basicConstraints=critical,CA:FALSE" -sha1
refuses 1 "algorithm or key that is not safe|does not verify" "one signed over SHA-1" challenge weak --ek-roots foreign.pem
between() { # NAME BITS EXTENSION...: a CA of the vendor's, and one that it signed
    local name=$1 bits=$2
    shift 2
    printf '%s\n' "basicConstraints=critical,CA:TRUE" "$@" >between.ext
    openssl req -new -newkey "rsa:$bits" -nodes -keyout "$name.key" -subj "/CN=$name" -out "$name.csr" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA foreign.pem -CAkey foreign.key -days 5 -extfile between.ext \
        -out "$name.pem" 2>/dev/null
    forged "$name" "$name.pem" "$name.key" "basicConstraints=critical,CA:FALSE"
    openssl x509 -in "$name.pem" -outform DER -out "$name.above"
    parcel "$name" introduction "6=$name.der" "7=$name.above"
}
between large 2048 "nameConstraints=critical,excluded;DNS:example.org,permitted;email:example.net"
ok "one by a CA between, which constrains names that no TPM has" challenge large --ek-roots foreign.pem
between small 1024
refuses 1 "algorithm or key that is not safe" "one by a CA with a key that is too small" challenge small --ek-roots foreign.pem
between names 2048 "nameConstraints=critical,permitted;dirName:somebody" "[somebody]" "C=XX"
refuses 1 "\"CN=names\" above it constrains names of a kind that is not understood" \
    "one by a CA that may name others alone" challenge names --ek-roots foreign.pem
openssl req -new -key scrap.key -subj /CN=forged -out scrap.csr
openssl_ca -in scrap.csr -cert foreign.pem -keyfile foreign.key -out old.pem "${EXPIRED[@]}"
openssl x509 -in old.pem -outform DER -out old.der
record introduction 6 >good.der
# Its key is another one: that is found first.
parcel other_key introduction 6=old.der
refuses 1 "its certificate is for another key" "one for another key" \
    challenge other_key --ek-roots foreign.pem
issuer_make late /CN=Late
openssl_ca -selfsign -in <(openssl req -new -key late.key -subj /CN=Late) -keyfile late.key \
    -extensions ext -extfile <(printf '[ext]\nbasicConstraints=critical,CA:TRUE\n') -out late.pem \
    "${EXPIRED[@]}"
forged late late.pem late.key "basicConstraints=critical,CA:FALSE"
refuses 1 "has expired" "an expired vendor" challenge late --ek-roots late.pem
parcel bad introduction 6^-1
refuses 1 "EK certificate: " "an altered endorsement certificate" \
    challenge bad --ek-roots vendor/issuercert.pem
head -c 40 /dev/urandom >noise
parcel bad introduction 6=noise
refuses 1 "EK certificate is not a valid certificate" "noise as such" \
    challenge bad --ek-roots vendor/issuercert.pem
parcel bad introduction.above 7=noise
refuses 1 "certificates above the EK certificate" "noise as what stands above it" \
    challenge bad --ek-roots vendor/swtpm-localca-rootca-cert.pem
parcel bad introduction 6-
refuses 1 "the host TPM has no certificate for it" "no endorsement certificate" \
    challenge bad --ek-roots vendor/issuercert.pem
parcel bad introduction 5^5
refuses 1 "endorsement key: " "an endorsement key of other attributes" \
    challenge bad --ek-roots vendor/issuercert.pem
record introduction.b 5 >ek.b
parcel bad introduction 5=ek.b
refuses 1 "its certificate is for another key" "an endorsement key with the certificate of another" \
    challenge bad --ek-roots vendor/issuercert.pem
for at in "6 userWithAuth|attributes" "7 attributes"; do
    parcel bad introduction "4^${at%% *}"
    refuses 1 "attestation key: " "an attestation key whose attribute byte ${at%% *} is another" \
        challenge bad --ek-roots vendor/issuercert.pem
done
parcel bad introduction 4-
refuses 1 "AK: missing in a hardware-rooted introduction" "no attestation key" \
    challenge bad --ek-roots vendor/issuercert.pem
head -c 300 introduction >bad
refuses 1 "size: .*truncated" "a truncated introduction" challenge bad --ek-roots vendor/issuercert.pem
refuses 1 "not a host introduction" "something else" challenge response --ek-roots vendor/issuercert.pem
is "$(issued host-ek)" "$(ek_of A)" "nothing was issued in all of this"

### Challenges and answers that are not for this host, not for this request, or not made at all
fresh() { # a new challenge for host A, and its answer
    challenge introduction --ek-roots vendor/issuercert.pem >/dev/null &&
        auth respond --challenge challenge --out response
}
ok "a fresh answer" fresh
cp challenge challenge.old
cp response response.old
ok "another one" fresh
record response.old 18 >answer.old
parcel bad response 18=answer.old
refuses 1 "answer: wrong" "the answer to an earlier challenge" delegate bad
parcel bad response 18^0
refuses 1 "answer: wrong" "an altered answer" delegate bad
parcel bad response 18-
refuses 1 "answer: missing" "no answer" delegate bad
parcel bad response 5^0
refuses 1 "answer: wrong" "an answer in an altered request" delegate bad
parcel bad response 17^-1
refuses 1 "proof: |request" "an altered proof" delegate bad
ok "untouched, it is still good" delegate response
auth request --nonce "$("$ca" nonce --dir C)" --out unchallenged
refuses 1 "nothing proves that the attestation key is in its TPM.*--allow-unproved-ek" \
    "a request that answers nothing" delegate unchallenged
ok "but by an option that says what is not proved" delegate unchallenged --allow-unproved-ek
like "$(cat ok.log)" "nothing proves" "and the CA says it again"
is "$(issued ek-proof)" "unproved" "also in its record"
challenge introduction.b --ek-roots vendor/issuercert.pem >/dev/null
refuses 1 "challenge: it is for another attestation key" "the challenge of another host" \
    auth respond --challenge challenge --out denied
record introduction 4 >ak.a
parcel mixed introduction.b 4=ak.a
ok "the CA cannot see that AK and EK are of two TPMs" challenge mixed --ek-roots vendor/issuercert.pem
refuses 1 "challenge: the host TPM does not open it" "but a TPM does: its AK, another's EK" \
    auth respond --challenge challenge --out denied
record introduction.b 4 >ak.b
parcel mixed introduction 4=ak.b
ok "nor the other way round" challenge mixed --ek-roots vendor/issuercert.pem
record challenge 2 >name.b
record response 10 >ak.tpmt
python3 - <<'PY'
import hashlib
open("name.a", "wb").write(b"\x00\x0b" + hashlib.sha256(open("ak.a", "rb").read()).digest())
PY
parcel forged_challenge challenge 2=name.a
refuses 1 "challenge: the host TPM does not open it" "its own EK, another's AK" \
    auth respond --challenge forged_challenge --out denied
ok "an honest challenge again" challenge introduction --ek-roots vendor/issuercert.pem
for tag in 3 4; do
    parcel bad challenge "$tag^-1"
    refuses 1 "challenge: the host TPM does not open it" "record $tag of a challenge altered" \
        auth respond --challenge bad --out denied
done
parcel bad challenge 3-
refuses 1 "AK name, credential and seed expected, or none" "half a challenge" \
    auth respond --challenge bad --out denied
head -c 60 challenge >bad
refuses 1 "size: .*truncated" "a truncated challenge" auth respond --challenge bad --out denied
refuses 1 "No such file" "no challenge" auth respond --challenge nowhere --out denied
parcel bad challenge 2- 3- 4-
ok "a challenge without a secret is answered" auth respond --challenge bad --out response
refuses 1 "answer: missing" "which the CA does not take" delegate response
auth respond --challenge challenge --out response
record introduction.b 5 >ek.b
parcel bad response 14=ek.b 15-
refuses 1 "endorsement key: another one than was challenged" "another endorsement key than challenged" \
    delegate bad
ok "nothing was written" test ! -e denied

### Approved environments by name
named() { # REQUEST [OPTION...]: as delegate, with the CA's own list
    local request=$1
    shift
    "$ca" delegate --dir C --request "$request" --out out.pem --approver-public approver.pub "$@"
}
answered() { # [OPTION...]: a fresh request in `response`
    challenge introduction --ek-roots vendor/issuercert.pem >/dev/null &&
        auth respond --challenge challenge --out response "$@"
}
sed 's/:[0-9a-f]*$/:00000000000000000000000000000000000000000000000000000000000000ff/' values >values.no
generation=$(auth status --json | python3 -c 'import json,sys
print(json.load(sys.stdin)["generation"])')
# environments TEXT: the list, of which TEXT is in the section that fits the host
environments() {
    { echo "# test"; echo "[elsewhere]"; cat values.no; echo; echo "[rack a]"; cat values
      printf '%s\n' "$1"; } >C/environments
}
environments ""
answered || bail "no request"
refuses 1 "no approved environment: sha256:0" "in the list, but not in the environment that is asked for" \
    named response --environment elsewhere
refuses 1 'no environment "nowhere" is approved' "one that is not in the list" \
    named response --environment nowhere
ok "one that is, and fits" named response --environment "rack a"
like "$(cat ok.log)" "environment rack a" "is named"
is "$(issued environment)" "rack a" "also in the record"
like "$(openssl asn1parse -in out.pem -strparse "$(openssl asn1parse -in out.pem |
    sed -n "/:$arc.2.2\$/{n;s/^ *\([0-9]*\):.*/\1/p}")")" "UTF8STRING *:rack a.*UTF8STRING *:none" \
    "and in the certificate, with the migration policy"
ok "it can be installed" auth install-certificate out.pem
answered
ok "the list is used without being named" named response
answered
cp C/environments list.txt && rm C/environments
refuses 1 "none is approved" "no list, none approved" named response
refuses 1 "No such file" "a list that is not there" named response --environments nowhere
ok "a list elsewhere" named response --environments list.txt
environments "minimum-generation = $((generation + 1))"
answered
refuses 1 "environment \"rack a\": generation: the host's counter is at $generation, at least $((generation + 1)) expected" \
    "a host that is behind" named response
parcel bad response 20^-1
refuses 1 "answer: wrong|generation: " "an altered generation" named bad
environments "minimum-generation = $generation"
parcel bad response 19- 20- 21-
refuses 1 "generation: the host does not say" "no generation" named bad
parcel bad response 20^-1
refuses 1 "generation: signature" "an altered one" named bad
parcel bad response 19^3
refuses 1 "generation: index name" "one of another index" named bad
record response.old 20 >counter.old
record response.old 21 >counter.sig
parcel bad response 20=counter.old 21=counter.sig
refuses 1 "generation: nonce" "one of an earlier request" named bad
ok "a host that has reached it" named response
environments "migration-policy = fleet"
answered
refuses 1 'migration policy: "none" is not one of' "another migration policy" named response
environments "migration-policy = fleet
migration-policy = none"
ok "one of several" named response
environments "minimum-generation = x"
refuses 1 "C/environments: line [0-9]*: minimum-generation: a number" "a list with a mistake" named response

### Event log
# What the firmware measures, in the TPM and in its log.
cat >event-log.py <<'PY'
import hashlib, struct, sys
log = open("event.log", "wb")
spec = b"Spec ID Event03\0" + struct.pack("<IBBBB", 0, 0, 2, 0, 2)
spec += struct.pack("<IHHHH", 2, 4, 20, 11, 32) + b"\0"
log.write(struct.pack("<II20sI", 0, 3, bytes(20), len(spec)) + spec)
for pcr in 0, 2, 4, 7, 7:
    data = b"measured into %d" % pcr
    sha1, sha256 = hashlib.sha1(data), hashlib.sha256(data)
    log.write(struct.pack("<IIIH20sH32sI", pcr, 4, 2, 4, sha1.digest(), 11, sha256.digest(), 4))
    log.write(bytes(4))
    print(f"{pcr}:sha1={sha1.hexdigest()},sha256={sha256.hexdigest()}")
PY
host_tpm_stop
host_tpm_start one || bail "the host TPM did not start again"
python3 event-log.py >extends
while read -r extend; do host_tpm2 pcrextend "$extend"; done <extends
auth approve --approver-key approver.key >/dev/null
auth pcrs >values
ok "tpm2-tools read the log that we made" tpm2_eventlog event.log
environments "event-log = required"
answered
refuses 1 "event log: required, but the host sent none" "no event log" named response
answered --event-log event.log
ok "one that leads to the quoted PCRs" named response
ok "none can be sent" answered --event-log none
refuses 1 "event log: required" "which is refused" named response
python3 -c 'd = bytearray(open("event.log", "rb").read()); d[-20] ^= 1
open("altered.log", "wb").write(d); open("cut.log", "wb").write(d[:-3])'
answered --event-log altered.log
refuses 1 "environment .rack a.: event log: it leads to another value of PCR 7 than was quoted" \
    "an altered one" named response
environments ""
refuses 1 "another value of PCR 7" "which is refused also where none is required" named response
answered --event-log cut.log
refuses 1 "event log: event 5" "one that is cut off" named response
answered --event-log approver.pub
refuses 1 "event log: header" "something else" named response
refuses 1 "No such file" "none where one is named" answered --event-log nowhere
rm C/environments

### Another TPM
host_tpm_stop
host_tpm_start two || bail "the second TPM did not start"
challenge introduction --ek-roots vendor/issuercert.pem >/dev/null
refuses 1 "TPM replaced" "the challenge in another TPM" \
    auth respond --tcti "$host_tcti" --challenge challenge --out denied
refuses 1 "another attestation key" "in another host" \
    "$authority" respond --dir B --challenge challenge --out denied
ok "the other host answers its own" challenge introduction.b --ek-roots vendor/issuercert.pem
ok "with success" "$authority" respond --dir B --challenge challenge --out response.b
refuses 1 "signing key: authPolicy" "but its approver is another" delegate response.b
openssl pkey -in other.key -pubout -out other.pub
"$authority" pcrs --dir B >values.b
ok "and when that one is expected" "$ca" delegate --dir C --request response.b --out b.pem \
    --approver-public other.pub --approved-pcrs values.b
is "$(issued host-ek)" "$(ek_of B)" "it is delegated to"

### Without a host TPM
ok "a software-rooted authority" "$authority" init --dir S --software
ok "introduces itself" "$authority" request --dir S --out introduction.s
ok "gets a nonce" challenge introduction.s
ok "responds" "$authority" respond --dir S --challenge challenge --out response.s
refuses 1 "its key is in no TPM" "is not delegated to" delegate response.s
ok "but where that is allowed" delegate response.s --allow-software
challenge introduction --ek-roots vendor/issuercert.pem >/dev/null
refuses 1 "for a host TPM, this authority has none" "and opens no challenge" \
    "$authority" respond --dir S --challenge challenge --out denied
like "$("$ca" audit --dir C --event refuse)" "  challenge  host-ek $(ek_of A)  endorsement key: nobody vouches" \
    "the audit log has who was refused"
ok "it is whole" "$ca" audit --dir C --verify
finish
