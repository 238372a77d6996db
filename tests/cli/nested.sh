#!/usr/bin/env bash
# A host that is itself a guest: its "hardware" is its virtual TPM. hardware (Debian's swtpm, with its
# vendor's certificate) <- authority A <- virtual TPM one <- authority B in it <- virtual TPM two <-
# authority D in that <- virtual TPM three. A verifier follows all of it; then nesting is not allowed, too
# deep, rooted in software, revoked, missing, another TPM's.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca tpm2_createak tpm2_quote openssl python3

selection=sha256:0,7 nonce=00112233445566778899aabbccddeeff
export TSS2_LOG=all+none
cd "$tap_dir" || exit 1

at() { echo "swtpm:path=$tap_dir/$1.sock"; }
# vtpm NAME AUTHORITY
vtpm() { vtpm_make "$1" --authority "$2"; }
# introduce AUTHORITY TCTI: an authority in this TPM, approved; NAME.hello introduces it.
introduce() {
    "$authority" init --dir "$1" --tcti "$2" --approver-public approver.pub &&
        "$authority" approve --dir "$1" --approver-key approver.key &&
        "$authority" request --dir "$1" --out "$1.hello"
}
challenge() { local name=$1; shift; "$ca" challenge --dir C --request "$name.hello" --out "$name.challenge" "$@"; }
respond() { "$authority" respond --dir "$1" --challenge "$1.challenge" --out "$1.request"; }
delegate() {
    local name=$1
    shift
    "$ca" delegate --dir C --request "$name.request" --out "$name.pem" --approver-public approver.pub "$@"
}
installed() { "$authority" install-certificate --dir "$1" "$1.pem"; }
# above NAME: the certificates in its TPM above that of the endorsement key.
above() {
    local index
    for index in 0x1c00100 0x1c00101 0x1c00102; do
        TPM2TOOLS_TCTI=$(at "$1") tpm2_nvread "$index" 2>/dev/null
    done >"$1.above"
    [ -s "$1.above" ]
}
# prove NAME: all that a verifier wants of a guest with this TPM, into NAME.*.
prove() {
    local name=$1
    tool "$name" tpm2_nvread 0x1c00002 -o "$name.ek" && above "$name" &&
        tool "$name" tpm2_createak -C 0x81010001 -c ak.ctx -G ecc -g sha256 -s ecdsa -u "$name.ak" &&
        tool "$name" tpm2_flushcontext -t &&
        "$attest" challenge --ek-certificate "$name.ek" --ak-public "$name.ak" --out cred \
            --secret-out "$name.secret" &&
        tool "$name" tpm2_startauthsession --policy-session -S policy.ctx &&
        tool "$name" tpm2_policysecret -S policy.ctx -c e &&
        tool "$name" tpm2_activatecredential -c ak.ctx -C 0x81010001 -i cred -o "$name.activated" \
            -P session:policy.ctx &&
        tool "$name" tpm2_flushcontext policy.ctx && tool "$name" tpm2_flushcontext -t &&
        tool "$name" tpm2_quote -c ak.ctx -l "$selection" -q "$nonce" -m "$name.quote" -s "$name.signature" &&
        tool "$name" tpm2_flushcontext -t
}
# verify NAME [OPTION...]: the chain is NAME.above unless --chain is given.
verify() {
    local name=$1 chain=(--chain "$1.above")
    shift
    [[ " $* " != *" --chain "* ]] || chain=()
    "$attest" verify --quote "$name.quote" --signature "$name.signature" --ak-public "$name.ak" --nonce "$nonce" \
        --selection "$selection" --ek-certificate "$name.ek" --secret "$name.secret" --activated "$name.activated" \
        --root C/root.pem "${chain[@]}" "$@"
}
facts() { python3 -c 'import json, sys
r = json.load(sys.stdin)
print(r["rooted"], r["rooted-in-the-end"], [h["rooted"] for h in r["hosts"]])'; }
environment() { # NAME AUTHORITY [LINE...]: a section of the CA's environments
    printf '[%s]\n' "$1"
    "$authority" pcrs --dir "$2"
    shift 2
    printf '%s\n' "$@"
}

fleet_make
vtpm one A

### The inner host: its TPM is virtual
ok "an authority in a virtual TPM introduces itself" introduce B "$(at one)"
refuses 1 "one of a virtual TPM, which is no host TPM unless its fleet is pinned for that .--vma-root" \
    "it is no host TPM" challenge B --ek-roots vendor/issuercert.pem
ek=$("$authority" status --dir B --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["host-ek"])')
refuses 1 "one of a virtual TPM" "nor if its endorsement key is listed" challenge B --ek-digest "$ek"
refuses 1 "nested host: the issuer .* of the vMA certificate is not one of the trusted roots" \
    "a virtual TPM of another fleet" challenge B --vma-root P/root.pem
ok "unless nesting is allowed: the fleet's root is pinned" challenge B --vma-root C/root.pem
like "$(cat ok.log)" "fleet CN=.*a virtual TPM, nested 1 level, hardware-rooted" "who vouches is said"
ok "the virtual TPM opens the challenge" respond B
environment outer A >C/environments
"$authority" pcrs --dir B >inner.pcrs
refuses 1 "the host's TPM is a virtual one, nested 1 level, and the environment allows 0" \
    "no environment allows it" delegate B --approved-pcrs inner.pcrs
environment flat B >>C/environments
refuses 1 "environment \"flat\": the host's TPM is a virtual one, nested 1 level" "nor this one" \
    delegate B --environment flat
environment inner B "nested = 1" >>C/environments
printf '[bad]\nnested = 4\n' >bad
refuses 1 "nested: a number from 1 to 3 expected" "a number that is none" delegate B --environments bad
printf '[bad]\nnested = 1\nnested = 1\n' >bad
refuses 1 "nested is there twice" "twice" delegate B --environments bad
"$authority" request --dir B --nonce "$("$ca" nonce --dir C)" --out B.unproved >/dev/null
refuses 1 "its certificate is one of a virtual TPM, and the host was not challenged as a nested one" \
    "unchallenged it does not pass as hardware" "$ca" delegate --dir C --request B.unproved --out x.pem \
    --approver-public approver.pub --environment inner --allow-unproved-ek
respond B
ok "an environment that allows it" delegate B
like "$(cat ok.log)" "nested, environment inner" "the delegation says that it is nested"
ok "it is installed" installed B
ok "status" "$authority" status --dir B
like "$(cat ok.log)" "works .*nested" "says so, too"
serving_start --dir C --approver-public approver.pub --ek-roots vendor/issuercert.pem || diag_file serve.log
refuses 1 "server refuses: .*no host TPM unless its fleet is pinned" "a CA that serves takes no nested host unasked" \
    "$authority" enrol --dir B --server "unix:$PWD/s" --renew
serving_start --dir C --approver-public approver.pub --vma-root C/root.pem || diag_file serve.log
ok "and one when its fleet is pinned" "$authority" enrol --dir B --server "unix:$PWD/s" --renew
stop "$serving"
vtpm two B

### The verifier
ok "a guest of the inner host proves itself" prove two
refuses 1 "the TPM is nested, its host's TPM is a virtual one, and that is not accepted" \
    "nesting is not accepted by default" verify two
ok "one level is, when it is said" verify two --nested 1
like "$(cat ok.log)" "hardware-rooted: .*endorsement key of the virtual TPM of the host, level 1.*nested: its key is in another.*endorsement key of the virtual TPM: .*attestation key" \
    "the tree shows both levels"
is "$(verify two --nested 1 --json | facts)" "nested hardware-rooted ['hardware-rooted']" "--json too"
ok "what it rests on in the end is hardware" verify two --nested 1 --hardware-only
refuses 1 "not accepted: only hardware-rooted ones" "but not without asking" verify two --hardware-only
ok "the first level by itself" prove one
ok "is as ever" verify one
is "$(verify one --json | facts)" "hardware-rooted hardware-rooted []" "hardware-rooted, no host"
ok "and with more allowed than there is" verify one --nested 3
openssl x509 -in vma.pem -out A.vma && openssl x509 -in B.pem -out B.vma
openssl x509 -inform DER -in one.ek -out one.ek.pem
chain() { cat "$@" >chain.pem; }
chain B.vma one.ek.pem A.vma
ok "the same in files" verify two --nested 1 --chain chain.pem
chain B.vma C/root.pem one.ek.pem A.vma C/root.pem
ok "with the root after each" verify two --nested 1 --chain chain.pem
refuses 1 "host TPM, level 1: the TPM is a virtual one, and its EK certificate and that of the vMA above it are missing" \
    "the outer chain is missing" verify two --nested 1 --chain B.vma
chain B.vma one.ek.pem
refuses 1 "host TPM, level 1: exactly one CA .* found 1" "the outer authority is" verify two --nested 1 --chain chain.pem
chain B.vma one.ek.pem B.vma
refuses 1 "host TPM, level 1: the issuer of the EK certificate is .*, but the next" "another authority" \
    verify two --nested 1 --chain chain.pem
vtpm sibling A
tool sibling tpm2_nvread 0x1c00002 -o sibling.ek
openssl x509 -inform DER -in sibling.ek -out sibling.pem
chain B.vma sibling.pem A.vma
refuses 1 "host TPM, level 1: its EK certificate is that of another TPM: SHA-256 $ek" \
    "the outer chain of another virtual TPM of that host" verify two --nested 1 --chain chain.pem
chain B.vma one.ek.pem A.vma one.ek.pem A.vma
refuses 1 "2 certificates follow the chain of a TPM that is hardware-rooted" "more than there is" \
    verify two --nested 1 --chain chain.pem

mkdir b1 b2
printf -- '--tpm-state b1\n--tpm-state b2\n' >many
ok "a batch by the inner authority" "$top_builddir/holdfast-setup" --tpm2 --create-ek-cert --authority B --batch many --jobs 2
start b1-tpm "$top_builddir/holdfast" socket --tpm2 --tpmstate dir=b1 --server type=unixio,path=b1.sock \
    --ctrl type=unixio,path=b1.sock.ctrl --flags not-need-init,startup-clear
wait_socket b1.sock "$started" || bail "no virtual TPM"
above b1
ok "has the outer chain, too" cmp b1.above two.above

### The privacy CA
ask() { "$attest" enroll --dir two.key --tcti "$(at two)" --request two.enroll; }
certify() { "$ca" certify --dir P --request two.enroll --out answer --vma-root C/root.pem "$@"; }
ok "the guest asks a privacy CA" ask
refuses 1 'check "EK certificate" failed: the TPM is nested' "which does not accept it by default" certify
ok "but when it is told to" certify --nested 1 --hardware-only
like "$(cat ok.log)" "virtual TPM, nested 1 level, hardware-rooted" "and says what it believes"
ok "the answer is opened" "$attest" enroll --dir two.key --activate answer
ok "the guest's evidence" "$attest" quote --dir two.key --nonce "$nonce" --selection "$selection" --out evidence
judge() { "$attest" verify evidence --nonce "$nonce" --selection "$selection" --ca-root P/root.pem "$@"; }
refuses 1 "the TPM is nested, .* not accepted .--nested" "a privacy CA's word for a nested TPM" judge
ok "where it is accepted" judge --nested 1
refuses 1 "with --root its chain can say what it rests on" "it does not say that there is hardware" \
    judge --nested 1 --hardware-only
ok "the chain in the evidence does" judge --nested 1 --hardware-only --root C/root.pem
is "$(judge --nested 1 --root C/root.pem --json | python3 -c 'import json, sys
print(len(json.load(sys.stdin)["hosts"]))')" 1 "with the host"
openssl x509 -in B.vma -outform DER -out B.der
cp evidence whole
parcel evidence whole 9=B.der
refuses 1 "host TPM, level 1: the TPM is a virtual one, and its EK certificate .* are missing" \
    "not without the host's certificates" judge --nested 1 --root C/root.pem

### A level more
ok "an authority in the nested virtual TPM" introduce D "$(at two)"
ok "is challenged" challenge D --vma-root C/root.pem
like "$(cat ok.log)" "nested 2 levels, hardware-rooted" "as what it is"
respond D
refuses 1 "environment \"inner\": the host's TPM is a virtual one, nested 2 levels, and the environment allows 1" \
    "the environment's limit" delegate D --environment inner
environment deep D "nested = 2" >>C/environments
ok "an environment that allows two" delegate D --environment deep
installed D >/dev/null || bail "not installed"
vtpm three D
ok "its guest proves itself" prove three
refuses 1 "host TPM, level 1: the TPM is nested more than 1 level deep" "the verifier's limit" verify three --nested 1
ok "two are accepted" verify three --nested 2 --hardware-only
is "$(verify three --nested 2 --json | facts)" "nested hardware-rooted ['nested', 'hardware-rooted']" "both are shown"

### Software at the outside
{ "$authority" init --dir S --software && "$authority" request --dir S --nonce "$("$ca" nonce --dir C)" --out S.request &&
    delegate S --allow-software && installed S; } >soft.log 2>&1 || { diag_file soft.log; bail "no software authority"; }
vtpm soft S
introduce T "$(at soft)" >/dev/null
ok "a host whose virtual TPM is software-rooted is challenged" challenge T --vma-root C/root.pem
like "$(cat ok.log)" "nested 1 level, software-rooted" "as what it is"
respond T
refuses 1 "the host's virtual TPM is software-rooted; --allow-software" "it is not delegated to" delegate T --environment inner
ok "unless told to" delegate T --environment inner --allow-software
installed T >/dev/null
vtpm four T
ok "its guest proves itself" prove four
ok "to who accepts it" verify four --nested 1
like "$(cat ok.log)" "software-rooted: its key is in software.*nested: its key is in another" "and it is shown as that"
is "$(verify four --nested 1 --json | facts)" "nested software-rooted ['software-rooted']" "to programs, too"
refuses 1 "host TPM, level 1: the TPM is software-rooted, but only hardware-rooted" "hardware it is not" \
    verify four --nested 1 --hardware-only

### Revocation
"$ca" crl --dir C >/dev/null
ok "a host is challenged with the fleet's list" challenge B --vma-root C/root.pem --crl C/crl.pem
"$ca" crl --dir P >/dev/null
refuses 1 "nested host: a revocation list of .* is required, found .CN=privacy CA" "not with another's alone" challenge B --vma-root C/root.pem --crl P/crl.pem
ok "none of them is revoked" verify two --nested 1 --crl C/crl.pem
serial=$(openssl x509 -in A.vma -noout -serial | sed 's/serial=//' | tr A-F a-f)
challenge B --vma-root C/root.pem >/dev/null
respond B >/dev/null
# The same CA in another place, which hears of what C revokes by a list alone.
cp -a C Q
elsewhere() {
    "$ca" delegate --dir Q --request B.request --out Q.pem --approver-public approver.pub --environment inner "$@"
}
cp -a C/nonces kept
python3 - C/nonces/* <<'EOF'
import json, sys
for path in sys.argv[1:]:
    with open(path, encoding="ascii") as f:
        nonce = json.load(f)
    if "nested" in nonce:
        assert nonce["version"] == nonce["minimum-reader"] == 3
        del nonce["chain"], nonce["roots"]
        nonce["version"] = nonce["minimum-reader"] = 2
        with open(path, "w", encoding="ascii") as f:
            json.dump(nonce, f)
EOF
refuses 1 "nonce: a nested host's chain is expected in it, and it has none" "a nonce of before chains were kept" \
    delegate B --environment inner
rm -r C/nonces
mv kept C/nonces
"$ca" revoke --dir C --serial "$serial" --reason certificateHold >/dev/null
refuses 1 "verified again since the challenge: EK certificate: the vMA certificate above it was revoked .serial number $serial" \
    "the outer authority is put on hold between challenge and delegation" delegate B --environment inner
like "$("$ca" audit --dir C --event refuse | tail -n 1)" "delegate.*verified again since the challenge" "that is recorded"
serving_start --dir C --approver-public approver.pub --vma-root C/root.pem --environment inner || diag_file serve.log
refuses 1 "verified again since the challenge: EK certificate: the vMA certificate above it" "a CA that serves looks again, too" \
    hostile ask s 3 B.request answer
stop "$serving"
serving=
refuses 1 "verified again since the challenge: EK certificate: nested host: the vMA certificate is on hold since" \
    "by a list the CA hears of it elsewhere" elsewhere --crl C/crl.pem
refuses 1 "nested host: a revocation list of .* is required, found .CN=privacy CA" "not by a list of another" \
    elsewhere --crl P/crl.pem
ok "without a list nobody knows there" elsewhere
"$ca" revoke --dir C --serial "$serial" --reason removeFromCRL >/dev/null
ok "the hold is over: the same request is granted" delegate B --environment inner --crl C/crl.pem
"$ca" revoke --dir C --serial "$serial" --reason keyCompromise >/dev/null
refuses 1 "host TPM, level 1: the vMA certificate was revoked" "the outer authority is revoked" \
    verify two --nested 1 --crl C/crl.pem
refuses 1 "host TPM, level 2: the vMA certificate was revoked" "two levels out" verify three --nested 2 --crl C/crl.pem
refuses 1 "nested host: the vMA certificate was revoked" "nor where the list says so" \
    challenge B --vma-root C/root.pem --crl C/crl.pem
refuses 1 "the vMA certificate above it was revoked .serial number $serial" "no host below it is challenged any more" \
    challenge B --vma-root C/root.pem

### The host's own certificate
ok "status of the inner host" "$authority" status --dir B
tool one tpm2_nvundefine -C p 0x1c00002
tool one tpm2_nvundefine -C p 0x1c00016
refuses 1 "it is a virtual one and has no EK certificate any more.*" "its TPM has lost its certificate" "$authority" status --dir B
like "$(cat refuses.log)" "to do: .*--reissue-certificates" "what to do is said"
is "$("$authority" status --dir B --json | python3 -c 'import json,sys; print([p["code"] for p in json.load(sys.stdin)["problems"]])')" \
    "['no-host-chain']" "to programs, too"
mkdir lost
refuses 1 "it is a virtual one and has no EK certificate any more" "no guest gets a TPM that nobody could follow" \
    "$top_builddir/holdfast-setup" --tpm2 --tpm-state lost --create-ek-cert --authority B
is "$(ls lost)" "" "nothing was made"
finish
