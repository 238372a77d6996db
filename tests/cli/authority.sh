#!/usr/bin/env bash
# holdfast-authority and holdfast-ca against an emulated host TPM: from nothing to a delegation
# certificate, then everything that must be refused: a changed host, a revoked generation, another
# TPM, another approver, altered files and requests, used nonces.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm tpm2_pcrextend openssl python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
cd "$tap_dir" || exit 1
umask 022

auth() { local command=$1; shift; "$authority" "$command" --dir A "$@"; }
status_code() { "$authority" status --dir A --json | python3 -c '
import json, sys
print(" ".join(p["code"] for p in json.load(sys.stdin)["problems"]))'; }
nonce() { "$ca" nonce --dir C; }
delegate() { # REQUEST [OPTION...]
    local request=$1
    shift
    "$ca" delegate --dir C --request "$request" --out out.pem --approver-public approver.pub \
        --allow-unproved-ek "$@"
}
files_of() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }

# alter NEW OLD TAG [OFFSET]: a copy of a parcel in which one byte of one record is another, the
# last one or that at OFFSET (below 0: from the end).
alter() {
    python3 - "$@" <<'PY'
import struct, sys
new, old, tag = sys.argv[1], sys.argv[2], int(sys.argv[3])
offset = int(sys.argv[4]) if len(sys.argv) > 4 else -1
data = bytearray(open(old, "rb").read())
at = 18
while at < len(data):
    t, size = struct.unpack(">HI", data[at:at + 6])
    if t == tag:
        data[at + 6 + (offset if offset >= 0 else size + offset)] ^= 1
        break
    at += 6 + size
else:
    sys.exit("no such record")
open(new, "wb").write(data)
PY
}

### Without anything
refuses 1 "no authority here|cannot open|No such file" "no directory" auth approve --approver-key x
refuses 1 "not reachable over TCTI" "no TPM there" \
    "$authority" init --dir A --tcti "swtpm:path=$tap_dir/none" --make-approver approver.key
refuses 1 "over TCTI .device:$tap_dir/no-device.: No such file" "a device that is not there" \
    "$authority" init --dir A --tcti "device:$tap_dir/no-device" --make-approver approver.key
is "$(ls -A A 2>/dev/null)" "" "and nothing is left of it"
is "$(status_code)" "no-authority" "status says that there is no authority"
refuses 2 "one of --approver-public and --make-approver" "no approver named" \
    auth init --tcti "swtpm:path=$tap_dir/none"
refuses 2 "counter-index" "a counter index outside the owner's range" \
    auth init --counter-index 0x01c00002 --make-approver x
refuses 2 "pcrs|PCR|bank" "a PCR selection that is none" \
    auth init --pcrs sha256:99 --make-approver x
refuses 1 "no CA here" "no CA" nonce

### The straight path
host_tpm_start one || bail "the host TPM did not start"
ok "a CA is made" "$ca" init --dir C --subject "Test fleet"
refuses 1 "there is a CA already" "and not made twice" "$ca" init --dir C
ok "an authority is made" auth init --tcti "$host_tcti" --make-approver approver.key
refuses 1 "there is an authority already" "and not made twice" \
    auth init --tcti "$host_tcti" --make-approver other.key
is "$(stat -c %a A A/* C C/root.key approver.key | sort -u | tr '\n' ' ')" "600 700 " \
    "directories are 0700, files 0600"
openssl pkey -in approver.key -pubout -out approver.pub
is "$(status_code)" "no-approval no-certificate" "status: neither approved nor certified"
refuses 1 "nothing approved yet" "no request before an approval" \
    auth request --nonce "$(nonce)" --out request
ok "the present state is approved" auth approve --approver-key approver.key
is "$(status_code)" "no-certificate" "status: not certified"
auth pcrs >values
is "$(cut -d: -f1,2 values | tr '\n' ' ')" "sha256:0 sha256:2 sha256:4 sha256:7 " "PCR values are shown"
n=$(nonce)
ok "a delegation is requested" auth request --nonce "$n" --out request
ok "it is granted" delegate request --approved-pcrs values
cp out.pem certificate.pem
ok "the certificate is installed" auth install-certificate certificate.pem
ok "status: works" auth status
is "$(status_code)" "" "status has no reason why not"
ok "openssl verifies the chain" openssl verify -x509_strict -purpose any \
    -CAfile C/root.pem A/vma.pem
like "$(openssl x509 -in A/vma.pem -noout -text)" "CA:TRUE, pathlen:0.*(2.23.133.8.1|Endorsement Key Certificate)" \
    "the certificate is a CA for EK certificates only"
like "$("$ca" list --dir C)" "hardware-rooted  CN=holdfast vMA" "the CA has it on record"
is "$("$ca" list --dir C --json | python3 -c 'import json,sys
print(len(json.load(sys.stdin)["issued"]))')" 1 "once"
refuses 1 "nonce: .*used already" "the nonce is good once only" delegate request --approved-pcrs values
ok "a renewal keeps the key" auth request --nonce "$(nonce)" --out renewal
ok "and is granted" delegate renewal --approved-pcrs values
is "$(openssl x509 -in out.pem -noout -pubkey)" "$(openssl x509 -in A/vma.pem -noout -pubkey)" \
    "with the same public key"
host_tpm_stop
is "$(status_code)" "tpm-unreachable" "status: the TPM cannot be reached"
host_tpm_start one || bail "the host TPM did not start again"
ok "status works again after a reboot into the same state" auth status

### The state of the host changes
host_pcr_extend 7
is "$(status_code)" "pcr-changed" "status: PCRs changed"
like "$(auth status)" "PCRs changed since the approval .*sha256:7[^0-9,]" "and says which"
before=$(files_of A)
rm -f denied
refuses 1 "PCRs changed since the approval" "no request can be signed" \
    auth request --nonce "$(nonce)" --out denied
is "$(files_of A)" "$before" "nothing was changed"
ok "and nothing written" test ! -e denied
ok "a new approval heals it" auth approve --approver-key approver.key
ok "status works" auth status
ok "a request is made" auth request --nonce "$(nonce)" --out changed
refuses 1 "no approved environment: sha256:7" "which the CA does not grant, naming the PCR" \
    delegate changed --approved-pcrs values
auth pcrs >values2
ok "unless that state is on its list too" delegate changed --approved-pcrs values --approved-pcrs values2
refuses 1 "wanted|selected|PCR|selection|missing|without" "a list for other PCRs is refused" \
    delegate changed --pcrs sha256:0,2,4,7,8 --approved-pcrs values
host_tpm_stop
host_tpm_start one || bail "the host TPM did not start again"
is "$(status_code)" "pcr-changed" "status: back in the old state, which is not approved any more"
ok "values from a file can be approved" auth approve --approver-key approver.key --pcr-values values
ok "status works" auth status
refuses 1 "pcrs|PCR|HEX|value" "a file that holds no values cannot" \
    auth approve --approver-key approver.key --pcr-values approver.pub
ok "status still works" auth status

### Generations
cp A/approval.json approval.old
ok "the generation is bumped" auth bump-generation --approver-key approver.key
is "$(status_code)" "generation-revoked" "status: revoked"
refuses 1 "generation revoked" "no request can be signed" \
    auth request --nonce "$(nonce)" --out denied
refuses 1 "generation.*revoked" "an old generation cannot be approved" \
    auth approve --approver-key approver.key --generation 0
ok "a new approval heals it" auth approve --approver-key approver.key
ok "status works" auth status
cp A/approval.json approval.new
cp approval.old A/approval.json
is "$(status_code)" "generation-revoked" "the approval of before, put back, stays revoked"
cp approval.new A/approval.json

### Other approvers
ok "an approver's key can be made" "$authority" approver-key foreign.key
is "$(openssl pkey -in foreign.key -pubout)" "$(cat foreign.key.pub)" "with its public part"
refuses 1 "exists|taken" "and is not overwritten" "$authority" approver-key foreign.key
before=$(files_of A)
refuses 1 "not the key of this authority's approver" "a foreign approver cannot approve" \
    auth approve --approver-key foreign.key
refuses 1 "not the key of this authority's approver" "nor bump" \
    auth bump-generation --approver-key foreign.key
is "$(files_of A)" "$before" "nothing was changed"
ok "a second authority of another approver" "$authority" init --dir B --tcti "$host_tcti" \
    --approver-public foreign.key.pub --counter-index 0x01804847 --key-algorithm rsa-2048 \
    --migration-policy fleet
ok "is approved" "$authority" approve --dir B --approver-key foreign.key
ok "requests" "$authority" request --dir B --nonce "$(nonce)" --out request.b
refuses 1 "signing key: authPolicy" "the CA refuses a key bound to another approver" \
    delegate request.b --approved-pcrs values
ok "and grants it (RSA) when told of that one" "$ca" delegate --dir C --request request.b \
    --out b.pem --approver-public foreign.key.pub --approved-pcrs values \
    --allow-unproved-ek
refuses 1 "for another key" "its certificate cannot be installed elsewhere" \
    auth install-certificate b.pem
ok "but there" "$authority" install-certificate --dir B b.pem
ok "where it works" "$authority" status --dir B
refuses 1 "in use by something else" "an index of another approver is not taken over" \
    "$authority" init --dir E --tcti "$host_tcti" --approver-public foreign.key.pub
cp B/approval.json A/approval.json
is "$(status_code)" "approval-invalid" "the approval of another authority is none"
cp approval.new A/approval.json

### The derivation key
derivation() { "$authority" status --dir A --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["derivation-key"])'; }
is "$(derivation)" "approved" "status: the derivation key was made and approved with the rest"
before=$(files_of A)
refuses 1 "derive.blob: there is a derivation key already" "it is not made twice" auth derivation-key
is "$(files_of A)" "$before" "nothing was changed"
mv A/derive.blob derive.old
is "$(derivation)" "none" "status: an authority without one"
ok "which works" auth status
ok "gets one by command" auth derivation-key
ok "another one" test "$(sha256sum <A/derive.blob)" != "$(sha256sum <derive.old)"
is "$(stat -c %a A/derive.blob)" 600 "in a file of mode 0600"
is "$(derivation)" "approved" "which the approval covers"
head -c 100 derive.old >A/derive.blob
is "$(derivation)" "broken" "status: a truncated one"
ok "certificates are issued all the same" auth status
refuses 1 "there is a derivation key already" "nor is that one replaced" auth derivation-key
cp A/vma.blob A/derive.blob
is "$(derivation)" "broken" "status: another kind of key"
cp B/derive.blob A/derive.blob
is "$(derivation)" "broken" "status: that of another approver"
mv derive.old A/derive.blob
python3 - <<'PY'
import json
a = json.load(open("approval.new"))
del a["derive-policy"], a["derive-signature"]
a["version"] = 1
json.dump(a, open("A/approval.json", "w"))
PY
is "$(derivation)" "not approved" "status: an approval of before there were such keys"
ok "which still lets certificates be signed" auth status
sed '/"derive-signature"/d; s/\("derive-policy" : "[0-9a-f]*"\),/\1/' approval.new >A/approval.json
is "$(status_code)" "approval-invalid" "half an approval of it is none"
python3 - <<'PY'
import json
a = json.load(open("approval.new"))
a["derive-signature"] = a["signature"]
json.dump(a, open("A/approval.json", "w"))
PY
refuses 1 "the derive-signature is not the approver's" "nor is one for the signing key" \
    auth request --nonce "$(nonce)" --out denied
cp approval.new A/approval.json

### Files of the authority
refuse_file() { # NAME REGEX DESCRIPTION
    refuses 1 "$2" "$3" auth request --nonce "$(nonce)" --out denied
    cp "saved/$1" "A/$1"
}
cp -r A saved
for name in manifest.json vma.blob approver.pem approval.json; do
    head -c 100 "saved/$name" >"A/$name"
    refuse_file "$name" "$name" "truncated $name"
    : >"A/$name"
    refuse_file "$name" "$name" "empty $name"
    rm "A/$name"
    ln -s "$tap_dir/saved/$name" "A/$name"
    refuses 1 "$name" "$name is a symbolic link" auth request --nonce "$(nonce)" --out denied
    rm "A/$name"
    cp "saved/$name" "A/$name"
done
ok "all put back, it works" auth status
for tag in 1 2 5; do
    alter A/vma.blob saved/vma.blob "$tag"
    refuse_file vma.blob "vma.blob|does not know the signing key|TPM|signing key" \
        "altered record $tag of the key blob"
done
cp foreign.key.pub A/approver.pem
refuse_file approver.pem "another key than the one the manifest names" "a foreign approver.pem"
sed 's/"generation" : [0-9]*/"generation" : 99/' saved/approval.json >A/approval.json
refuse_file approval.json 'member "policy" does not follow' "a raised generation"
sed 's/"signature" : "30\(..\)02\(..\)\(....\)/"signature" : "30\102\2ffff/' \
    saved/approval.json >A/approval.json
refuse_file approval.json "signature is not the approver's" "an altered signature"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
    -subj /CN=x -out A/vma.pem 2>/dev/null
is "$(status_code)" "certificate-invalid" "status: a certificate for another key"
echo rubbish >A/vma.pem
is "$(status_code)" "certificate-invalid" "status: a certificate that is none"
cp saved/vma.pem A/
chmod 777 A
refuses 1 "0700 expected" "a directory that others can write" auth status
chmod 700 A

# Each member of the manifest: missing, of another type, out of range; and one that is not known.
while IFS= read -r row; do
    name=${row%% *}
    python3 - "$row" <<'PY'
import json, sys
name, kind = sys.argv[1].split()
m = json.load(open("saved/manifest.json"))
if kind == "missing":
    del m[name]
elif kind == "type":
    m[name] = [1]
elif kind == "range":
    m[name] = -1 if isinstance(m[name], int) else ""
elif kind == "control":
    m[name] = "a\nb"
else:
    m[name] = 1
json.dump(m, open("A/manifest.json", "w"))
PY
    refuse_file manifest.json "manifest.json: (member \"$name\"|format)" "manifest: $row"
done < <(python3 -c '
import json
for name in json.load(open("saved/manifest.json")):
    for kind in "missing", "type", "range":
        print(name, kind)
print("tcti control")
print("surprise unknown")')
sed 's/"minimum-reader" : 1/"minimum-reader" : 3/; s/"version" : 1/"version" : 3/' \
    saved/manifest.json >A/manifest.json
refuse_file manifest.json "needs a reader of version 3" "a manifest for newer readers"
sed 's/"version" : 1/"version" : 3, "news" : 1/' saved/manifest.json >A/manifest.json
ok "a newer manifest that older readers understand" auth status
cp saved/manifest.json A/

### Requests, altered on the way
refuse_request() { # FILE REGEX DESCRIPTION
    refuses 1 "$2" "$3" delegate "$1" --approved-pcrs values
}
ok "a fresh request" auth request --nonce "$(nonce)" --out good
issued=$(cat C/issued)
alter bad good 2
refuse_request bad "nonce: this CA did not give it out" "request: nonce"
alter bad good 3
refuse_request bad "certification request" "request: PKCS#10"
alter bad good 6
refuse_request bad "signing key|certification request" "request: the key's public area"
alter bad good 6 6
refuse_request bad "signing key: attributes" "request: the key's attributes"
alter bad good 7
refuse_request bad "creation of the signing key" "request: creation data"
alter bad good 8
refuse_request bad "creation of the signing key" "request: creation attest"
alter bad good 9
refuse_request bad "creation of the signing key" "request: creation signature"
alter bad good 10 6
refuse_request bad "attestation key" "request: the AK's attributes"
alter bad good 11
refuse_request bad "quote: " "request: quote"
alter bad good 11 0
refuse_request bad "quote: .*magic" "request: magic of the quote"
alter bad good 12
refuse_request bad "quote: " "request: signature of the quote"
alter bad good 13 12
refuse_request bad "PCR values: " "request: PCR values"
alter bad good 14 5
refuse_request bad "endorsement key" "request: the EK's attributes"
alter bad good 14 -5
refuse_request bad "proof: " "request: EK"
alter bad good 4
refuse_request bad "proof: " "request: migration policy"
alter bad good 5
refuse_request bad "proof: " "request: platform"
alter bad good 17
refuse_request bad "proof: |request" "request: proof"
head -c 500 good >bad
refuse_request bad "size: .*truncated" "request: truncated"
{ cat good; echo; } >bad
refuse_request bad "size: " "request: extended"
printf 'something else entirely, long enough for a head' >bad
refuse_request bad "not a delegation request" "request: another file"
: >bad
refuse_request bad "not a delegation request" "request: empty"
ln -sf good link
refuse_request link "link|symbolic" "request: a symbolic link"
refuses 1 "No such file|cannot open" "request: missing" delegate none --approved-pcrs values
refuses 2 "approver-public" "no approver named" \
    "$ca" delegate --dir C --request good --out out.pem --approved-pcrs values
refuses 1 "none is approved" "no environment is approved" delegate good
is "$(cat C/issued)" "$issued" "nothing was issued in all of this"
ok "and the request itself is still good" delegate good --approved-pcrs values

### Another TPM
host_tpm_stop
host_tpm_start two || bail "the other TPM did not start"
other() { "$authority" "$1" --dir A --tcti "$host_tcti" "${@:2}"; }
refuses 1 "TPM replaced" "another TPM" other request --nonce "$(nonce)" --out denied
like "$(other status)" "TPM replaced or cleared" "status says so"
is "$(other status --json | python3 -c 'import json,sys
print(json.load(sys.stdin)["problems"][0]["code"])')" "tpm-replaced" "also to programs"
host_tpm_stop
host_tpm_start one || bail "the host TPM did not start again"
ok "the old TPM is known again" auth status
TPM2TOOLS_TCTI=$host_tcti tpm2_nvundefine -C o 0x01804846 >/dev/null
is "$(status_code)" "generation-unknown" "status: the generation counter was deleted"
TPM2TOOLS_TCTI=$host_tcti tpm2_clear -c l >/dev/null
is "$(status_code)" "tpm-cleared" "status: the TPM was cleared"

### Without a host TPM
ok "a software-rooted authority" "$authority" init --dir S --software
ok "requests" "$authority" request --dir S --nonce "$(nonce)" --out request.s
refuses 1 "software-rooted: its key is in no TPM" "the CA does not delegate to it" \
    "$ca" delegate --dir C --request request.s --out s.pem
ok "unless told to" "$ca" delegate --dir C --request request.s --out s.pem --allow-software
ok "the certificate is installed" "$authority" install-certificate --dir S s.pem
like "$("$authority" status --dir S)" "works .software-rooted" "status says what it is"
refuses 1 "in a file, not in a TPM" "it can have no derivation key" \
    "$authority" derivation-key --dir S
refuses 1 "there is nothing to approve" "it needs no approval" \
    "$authority" approve --dir S --approver-key approver.key
"$authority" request --dir S --nonce "$(nonce)" --out request.s
alter bad request.s 17
refuses 1 "proof" "an altered proof" "$ca" delegate --dir C --request bad --out s.pem --allow-software
ok "an authority with a key that is there" "$authority" init --dir K --key-file foreign.key
refuses 1 "key|PEM" "not with a public key" "$authority" init --dir K2 --key-file foreign.key.pub
is "$(ls -A K2)" "" "of which nothing is left"
finish
