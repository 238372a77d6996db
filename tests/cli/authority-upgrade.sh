#!/usr/bin/env bash
# Every state a host can come into, from before its first approval to after the end of its TPM: what
# holdfast-authority status says of it, in words and JSON and by its exit code, what it advises, and whether
# holdfast-setup can have a virtual TPM certified then.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
need swtpm tpm2_pcrextend tpm2_clear openssl python3

authority=$top_builddir/holdfast-authority
ca=$top_builddir/holdfast-ca
setup=$top_builddir/holdfast-setup
export TSS2_LOG=all+none
cd "$tap_dir" || exit 1

auth() { local command=$1; shift; "$authority" "$command" --dir A "$@"; }
approve() { auth approve --approver-key approver.key "$@"; }
bump() { auth bump-generation --approver-key approver.key; }
made=0
makes() { "$setup" --tpm2 --tpm-state "vm$made" --authority A --create-ek-cert --lock-nvram --logfile setup.log; }

# state DESCRIPTION PROBLEMS NOTES [ADVICE]: codes; works if there are no problems, and setup agrees.
state() {
    local what=$1 problems=$2 notes=$3 advice=${4:-} code=0 found
    auth status >words 2>&1 || code=$?
    is "$code" "$([ -z "$problems" ] && echo 0 || echo 1)" "$what: exit code"
    auth status --json >json
    found=$(python3 - <<'PY'
import json
s = json.load(open("json"))
words = open("words").read()
assert s["works"] == (not s["problems"])
for p in s["problems"] + s["notes"]:
    assert p["text"] in words and "to do: " + p["to-do"] in words, p
print(" ".join(p["code"] for p in s["problems"]) + "/" + " ".join(p["code"] for p in s["notes"]))
PY
    )
    is "$found" "$problems/$notes" "$what: status"
    [ -z "$advice" ] || like "$(grep 'to do' words)" "$advice" "$what: advice"
    mkdir "vm$((++made))"
    if [ -z "$problems" ]; then
        ok "$what: setup certifies" makes
    else
        refuses 1 "${refusal:-.}" "$what: setup refuses" makes
    fi
}
reboot() { host_tpm_stop; host_tpm_start "${1:-one}" || bail "the host TPM did not start"; }
tpm() { TPM2TOOLS_TCTI=$host_tcti "$@" >tool.log 2>&1; }
pcr_policy() { python3 -c 'import json; print(json.load(open("json"))["approved-policy"])'; }

### From nothing
host_tpm_start one || bail "the host TPM did not start"
"$ca" init --dir C >/dev/null || bail "no CA"
refusal="no authority here|No such file|cannot open" state "nothing there" no-authority "" "holdfast-authority init"
auth init --tcti "$host_tcti" --make-approver approver.key >/dev/null || bail "no authority"
openssl pkey -in approver.key -pubout -out approver.pub
refusal="no certificate installed" state "not approved" "no-approval no-certificate" "" "--offline where the approver's key is elsewhere"
approve >/dev/null
refusal="no certificate installed" state "not delegated to" "no-certificate" "" "holdfast-authority enrol, or request, respond"
auth pcrs >old.pcrs
delegation() { # DAYS
    auth request --nonce "$("$ca" nonce --dir C)" --out request &&
        "$ca" delegate --dir C --request request --out vma.pem --approver-public approver.pub --approved-pcrs old.pcrs \
            --allow-unproved-ek --days "$1" && auth install-certificate vma.pem
}
delegation 365 >/dev/null || bail "not delegated to"
state "approved and running" "" ""
mv approver.key away.key
state "the approver's key is elsewhere" "" ""
mv away.key approver.key

### The upgrade, approved beforehand
host_pcr_extend 7
auth pcrs >new.pcrs
reboot
before=$(sha256sum <A/approval.json)
ok "the state after the update is approved beforehand" approve --pcr-values new.pcrs
like "$(cat ok.log)" "for a state to come; the present one stays approved" "and said to be so"
is "$(sha256sum <A/approval.json)" "$before" "the present approval stays as it is"
is "$(stat -c %a A/approval-next.json)" 600 "the other is beside it"
state "before the reboot" "" "approved-beforehand" "counts as soon as the host is in that state"
like "$(cat words)" "it has others of sha256:7" "and in what it differs"
old_policy=$(pcr_policy)
reboot && host_pcr_extend 7
state "after the reboot" "" "in-beforehand" "until bump-generation"
isnt "$(pcr_policy)" "$old_policy" "the other policy is in force"
# says POLICY CERTIFICATE: it is in the certificate's extension.
says() { python3 -c 'import sys; sys.exit(bytes.fromhex(sys.argv[1]) not in open(sys.argv[2], "rb").read())' "$@"; }
mkdir one-by-one batched other
certified=(--tpm2 --authority A --create-ek-cert)
"$setup" "${certified[@]}" --tpm-state one-by-one --write-ek-cert-files one-by-one >/dev/null
ok "and in what is certified" says "$(pcr_policy)" one-by-one/ek-rsa2048.crt
printf -- '--tpm-state batched --write-ek-cert-files batched\n--tpm-state other\n' >many
"$setup" "${certified[@]}" --batch many >/dev/null
ok "in a batch, too" says "$(pcr_policy)" batched/ek-rsa2048.crt
reboot && host_pcr_extend 2
refusal="PCRs changed since the approval" \
    state "after a reboot into something else" "pcr-changed" "approved-beforehand" "find out what has changed before anything else"
like "$(cat words)" "approval of .*: sha256:2; the state approved beforehand, at .*, is another one, too: sha256:2, sha256:7" \
    "both are compared"
reboot
state "back in the old state" "" "approved-beforehand"
reboot && host_pcr_extend 7
ok "the new state is approved for good" approve
ok "nothing is left beside it" test ! -e A/approval-next.json
state "for good" "" ""
reboot
refusal="PCRs changed since the approval" state "the old state again" "pcr-changed" ""
host_pcr_extend 7

### The upgrade, approved after the reboot; the generation
reboot && host_pcr_extend 4
refusal="PCRs changed since the approval" state "rebooted into what is not approved" "pcr-changed" ""
approve >/dev/null
state "approved after the reboot" "" ""
approve --pcr-values old.pcrs >/dev/null
cp A/approval.json approval.old
cp A/approval-next.json next.old
bump >/dev/null
refusal="generation revoked" state "the generation was bumped" "generation-revoked" "beforehand-revoked" "for the present generation"
approve >/dev/null
ok "the revoked one that was made beforehand is gone" test ! -e A/approval-next.json
state "approved for this generation" "" ""
cp A/approval.json approval.new
cp approval.old A/approval.json
refusal="generation revoked" state "an approval of an older generation put back" "generation-revoked" ""
cp approval.new A/approval.json
cp next.old A/approval-next.json
state "an old one made beforehand put back" "" "beforehand-revoked"
reboot
refusal="generation revoked" state "and the host in that state" "generation-revoked" "in-beforehand"
reboot && host_pcr_extend 4
rm A/approval-next.json
approve --generation 1000 >/dev/null
state "an approval for generations to come" "" ""
echo rubbish >A/approval-next.json
state "one made beforehand that is broken" "" "beforehand-invalid" "have that state approved anew"
approve >/dev/null
ok "the next approval removes it" test ! -e A/approval-next.json
head -c 100 approval.new >A/approval.json
refusal="approval.json" state "a broken approval" "approval-invalid" "" "have the state approved anew"
approve >/dev/null

### The certificate
"$ca" crl --dir C >/dev/null && cp C/crl.pem crl.pem
ok "not revoked" auth status --crl crl.pem
serial=$(openssl x509 -in A/vma.pem -noout -serial | sed 's/serial=//' | tr A-F a-f)
"$ca" revoke --dir C --serial "$serial" --reason superseded >/dev/null
refuses 1 "does not work: the certificate was revoked at .*: superseded.*" "revoked, by the CA's list" auth status --crl C/crl.pem
like "$(cat refuses.log)" "to do: ask who keeps the CA why" "revoked: advice"
refuses 1 "nowhere" "a list that is not there" auth status --crl nowhere
openssl x509 -in C/root.pem -out other.pem
refuses 1 "to do: get the CA's present revocation list" "a file that is no list" auth status --crl other.pem
auth pcrs >old.pcrs
delegation 20 >/dev/null || bail "not delegated to"
state "valid for a short time, not about to end" "" ""
# The same key's certificate, by the CA's key, with so many days left of a hundred.
arc=$(sed -n 's/^#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
record request 3 >request.der
cat >ca.conf <<END
[ca]
default_ca = fleet
[fleet]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
x509_extensions = vma
[any]
commonName = supplied
[vma]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
extendedKeyUsage = 2.23.133.8.1,2.23.133.8.2
certificatePolicies = 2.23.133.11.1.1,2.23.133.11.1.2,$arc.1.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
dated() {
    : >index
    echo 77 >serial
    openssl req -inform DER -in request.der -out request.csr
    openssl ca -batch -notext -config ca.conf -cert C/root.pem -keyfile C/root.key -in request.csr -out dated.pem \
        -startdate "$(date -u -d "$(($1 - 100)) days" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$1 days" +%Y%m%d%H%M%SZ)" \
        >openssl.log 2>&1 || { diag_file openssl.log; bail "no certificate"; }
    cp dated.pem A/vma.pem
}
dated 34
state "a third of its time left" "" ""
dated 29
state "less than a month" "" "certificate-expiring" "enrol --renew"
dated -1
refusal="the certificate expired at" state "expired" "certificate-expired" "" "the key stays and what it has certified too"
dated 101
refusal="is not valid before" state "not valid yet" "certificate-early" "" "clocks"
rm A/vma.pem
refusal="no certificate installed" state "not there" "no-certificate" ""
echo rubbish >A/vma.pem
refusal="vma.pem" state "rubbish" "certificate-invalid" "" "install the one that the CA gave"
cp C/root.pem A/vma.pem
refusal="issuer|key" state "one of another key" "certificate-invalid" ""
delegation 20 >/dev/null
state "renewed" "" ""

### Keys of another policy, files of another authority
cp -r A saved
"$authority" approver-key foreign.key
openssl pkey -in foreign.key -pubout -out A/approver.pem
refusal="approver.pem" state "another approver's public key" "invalid" "" "put back the file that is named"
cp saved/approver.pem A/
"$authority" init --dir B --tcti "$host_tcti" --approver-public foreign.key.pub --counter-index 0x01804847 >/dev/null ||
    bail "no second authority"
cp B/vma.blob A/vma.blob
refusal="authPolicy" state "a key of another policy" "invalid" ""
like "$(cat words)" "A/vma.blob: .*authPolicy" "the file is named"
cp saved/vma.blob A/
state "put back" "" ""

### The TPM
tpm tpm2_nvundefine -C o 0x01804846 || bail "cannot delete the counter"
refusal="generation counter" state "the generation counter was deleted" "generation-unknown" "" "makes it anew"
cp A/approval.json approval.deleted
ok "it is made anew with the next approval" approve
like "$(cat ok.log)" "was not there and is made anew: all earlier approvals are revoked" "and said"
state "made anew" "" ""
cp A/approval.json approval.new
cp approval.deleted A/approval.json
refusal="generation revoked" state "the earlier approval stays revoked" "generation-revoked" ""
cp approval.new A/approval.json
host_tpm_stop
refusal="not reachable|connect|TCTI" state "the TPM cannot be reached" "tpm-unreachable" "" "--tcti is right"
host_tpm_start two || bail "the other TPM did not start"
old_tcti=$host_tcti
sed -i "s,swtpm:path=[^\"]*,$old_tcti," A/manifest.json
refusal="TPM replaced" state "another TPM" "tpm-replaced" "" "put the TPM back"
reboot one && host_pcr_extend 4
sed -i "s,swtpm:path=[^\"]*,$host_tcti," A/manifest.json
state "the TPM is back" "" ""
tpm tpm2_clear -c l || bail "cannot clear"
refusal="TPM replaced or cleared" state "TPM2_Clear" "tpm-cleared" "" "its keys are gone for good: move the directory away"
refuses 1 "TPM replaced or cleared" "no approval heals that" approve
mv A cleared
ok "a new authority in the cleared TPM" auth init --tcti "$host_tcti" --approver-public approver.pub
approve >/dev/null && auth pcrs >old.pcrs && delegation 365 >/dev/null
state "and all is well" "" ""

finish
