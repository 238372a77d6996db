#!/usr/bin/env bash
# The audit log of the fleet's CA: each act has its line, in a chain that ends at a signed head. Then
# whatever somebody who can write the directory, but has no key, might do to it. Crashes and failing
# writes are tests/fault/ca-acts.py's; who asks over a connection is in serve.sh.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
need openssl python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
cd "$tap_dir" || exit 1

delegated() { # HOST [OPTION...]
    local host=$1
    shift
    "$authority" request --dir "$host" --out hello &&
        "$ca" challenge --dir C --request hello --out challenge &&
        "$authority" respond --dir "$host" --challenge challenge --out response &&
        "$ca" delegate --dir C --request response --out "$host.pem" "$@"
}
audit() { "$ca" audit --dir C "$@"; }
verify() { "$ca" audit --dir "${1:-C}" --verify; }
# column NAME [OPTION...]: that member of all acts.
column() {
    local name=$1
    shift
    audit --json "$@" | python3 -c '
import json, sys
print(*(e.get(sys.argv[1]) for e in json.load(sys.stdin)["acts"]))' "$name"
}

### A line for each act
ok "a CA" "$ca" init --dir C
ok "its log is whole from the start" verify
like "$(cat ok.log)" "C: whole, 1 lines, the last is [0-9a-f]{64}" "and says where it ends"
is "$(stat -c %a C/audit C/audit.head | uniq)" 600 "it is the CA's alone"
cp C/audit.head head.first
for host in A B; do
    ok "an authority" "$authority" init --dir $host --software
done
refuses 1 "the request is software-rooted" "a refusal" delegated A
ok "a delegation" delegated A --allow-software
ok "another one" delegated B --allow-software
ok "a nonce" "$ca" nonce --dir C
nonce=$(cat ok.log)
serial=$("$ca" list --dir C --json | python3 -c '
import json, sys; print(json.load(sys.stdin)["issued"][0]["serial"])')
ok "a revocation" "$ca" revoke --dir C --serial "$serial" --reason keyCompromise
ok "a list" "$ca" crl --dir C
refuses 1 "already" "what the operator got wrong himself is no act" \
    "$ca" revoke --dir C --serial "$serial" --reason keyCompromise
is "$(column event)" "init nonce refuse nonce delegate nonce delegate nonce revoke crl crl" "in order"
is "$(column sequence)" "1 2 3 4 5 6 7 8 9 10 11" "numbered"
is "$(column requester | tr ' ' '\n' | sort -u | tr '\n' ' ')" "$(id -u) user " "who asked"
is "$(column act --event refuse)" delegate "what was refused"
like "$(column reason --event refuse)" "software-rooted" "and why"
is "$(column nonce --event nonce | sed 's/.* //')" "$nonce" "which nonce"
is "$(column sha256 --event delegate | sed 's/ .*//')" \
    "$(openssl x509 -in A.pem -outform DER | sha256sum | cut -d ' ' -f 1)" "which certificate"
is "$(column sha256 --event crl | sed 's/.* //')" "$(sha256sum <C/crl.der | cut -d ' ' -f 1)" \
    "which list"
is "$(column number --event crl)" "1 2" "with which number"
is "$(column sha256 --event init)" \
    "$(openssl x509 -in C/root.pem -outform DER | sha256sum | cut -d ' ' -f 1)" "and whose log it is"
is "$(column event --serial "${serial^^}")" "delegate revoke" "all about a certificate"
is "$(column event --event revoke --event init)" "init revoke" "of some kinds"
is "$(column event --environment software)" "delegate delegate revoke" "of an environment"
is "$(column event --requester "user 4711")" "" "of somebody who never asked"
is "$(column event --key "$(column key --event revoke)")" "delegate revoke" "of a key"
like "$(audit --event revoke)" "^9  20.*Z  revoke  user $(id -u)  $serial  .*keyCompromise$" "in words"
refuses 2 "event" "a kind that is none" audit --event party
refuses 2 "exclude each other" "too much named" audit --serial 12 --key 34
refuses 1 "no CA here" "no CA" "$ca" audit --dir nowhere
ok "an earlier head is in it" audit --verify --head head.first

### A copy without the key can be verified, by who cannot write it
mkdir copy && cp C/root.pem C/audit C/audit.head C/issued C/revoked copy/
ok "a copy without a key" verify copy
is "$(find copy -newer copy/root.pem -name '.*' | wc -l)" 0 "nothing was written there"

### What somebody might do to it
# tampered DESCRIPTION REGEX COMMAND...: on a copy; it is noticed by audit, and named.
tampered() {
    local description=$1 regex=$2
    shift 2
    rm -rf T && cp -a C T
    "$@" || bail "the change \"$description\" was not made"
    refuses 3 "$regex" "$description" verify T
}
line() { sed -i "$@" T/audit; }
head_member() { # NAME VALUE
    python3 - "$@" <<'PY'
import json, sys
head = json.load(open("T/audit.head"))
head[sys.argv[1]] = type(head[sys.argv[1]])(sys.argv[2])
json.dump(head, open("T/audit.head", "w"))
PY
}
# The chain and sizes made anew after a change, as far as one can without the key.
chained() {
    python3 - <<'PY'
import hashlib, json
lines = [json.loads(l) for l in open("T/audit")]
out, before = b"", lines[0]["previous"]
for n, line in enumerate(lines):
    line.update(sequence=n + 1, previous=before)
    text = json.dumps(line, separators=(",", ":")).encode()
    before = hashlib.sha256(text).hexdigest()
    out += text + b"\n"
open("T/audit", "wb").write(out)
head = json.load(open("T/audit.head"))
head.update(sequence=len(lines), size=len(out), line=before)
json.dump(head, open("T/audit.head", "w"))
PY
}
rechained() { line "$@" && chained; }
cut_off() { head -n 9 C/audit >T/audit; }
set_back() { cut_off && chained; }
set_back_all() { cp head.first T/audit.head && rm T/issued T/revoked; }
forged() { tail -n 1 C/issued | sed 's/"serial":"/&ff/' >>T/issued; }
missing_issue() { sed -i '$d' T/issued; }
other_ca() { "$ca" init --dir O >/dev/null && cp O/audit O/audit.head T/; }
many() { for _ in {1..400}; do tail -n 1 C/audit; done >>T/audit; }

tampered "a line is changed" "T/audit: line 5: changed: line 6 does not follow" \
    line '5s/user/usex/'
tampered "a line is made unreadable" 'T/audit: line 5: member "event": ' line '5s/delegate/relegate/'
tampered "a line is no JSON" "T/audit: line 7: " line '7s/.*/x/'
tampered "a line is taken out" "T/audit: line 5: number 5 expected, found 6" line 5d
tampered "a line is put in" "T/audit: line 6: number 6 expected, found 5" line 5p
tampered "lines change places" "line 5: number 5 expected, found 6" line '5{h;d};6G'
tampered "the last line is changed" "line 11: not the line that audit.head ends with" \
    line '11s/user/usex/'
tampered "the end is cut off" "T/audit: it ends after line 9, and more is expected" cut_off
tampered "all is chained anew after a change" "audit.head: the signature does not verify" \
    rechained '5s/user/usex/'
tampered "all is chained anew without the end" "the signature does not verify" set_back
tampered "the head has another number" "the signature does not verify" head_member sequence 9
tampered "the head has another size" "the signature does not verify" head_member size 100
tampered "the head's signature is none" 'member "signature"' head_member signature ""
tampered "there is no head" "audit.head: missing" rm T/audit.head
tampered "there is no log" "audit: missing" rm T/audit
tampered "the log is another CA's" "the signature does not verify" other_ca
tampered "a certificate is put into issued" "T/issued: line 3: no act in audit says so" forged
tampered "a certificate in issued is changed" "audit: line 5: line 1 of issued says something else" \
    sed -i '1s/"not-after":[0-9]*/"not-after":1/' T/issued
tampered "a certificate is taken out of issued" \
    "audit: line 7: what was done is missing at the end of issued" missing_issue
tampered "a revocation is taken out" "audit: line 9: what was done is missing at the end of revoked" \
    rm T/revoked
tampered "a revocation's reason is changed" "line 9: line 1 of revoked says something else" \
    sed -i 's/keyCompromise/superseded/' T/revoked
rm -rf T && cp -a C T && set_back_all && head -n 1 C/audit >T/audit
ok "all put back to an earlier time is whole" verify T
cp C/audit.head head.now
refuses 3 "it ends with line 1, head.now with line 11: it was set back" \
    "but not for who kept a head" "$ca" audit --dir T --verify --head head.now
refuses 3 "head.forged: the signature does not verify" "nor with a head that was made up" \
    bash -c "sed 's/\"size\" : [0-9]*/\"size\" : 7/' head.now >head.forged; '$ca' audit --dir C --head head.forged"
is "$("$ca" audit --dir T --json --head head.now 2>/dev/null | python3 -c '
import json, sys; a = json.load(sys.stdin); print(a["whole"], a["error"][-15:])')" \
    "False it was set back" "JSON says so too"

### An act is not done on a log that is not whole at its end
rm -rf T && cp -a C T && line '11s/user/usex/'
refuses 1 "line 11: not the line that audit.head ends with" "no act" "$ca" nonce --dir T
is "$(find T/nonces -type f | wc -l)" "$(find C/nonces -type f | wc -l)" "no nonce"
rm -rf T && cp -a C T && many
refuses 1 "more behind line 11, .* than an interrupted act leaves" "nor with much behind it" \
    "$ca" crl --dir T
is "$(sha256sum <T/crl.der)" "$(sha256sum <C/crl.der)" "no list"
rm -rf T && cp -a C T && rm T/audit T/audit.head
refuses 1 "audit.head: missing" "nor on one that is gone" "$ca" revoke --dir T --serial "$(
    "$ca" list --dir C --json --state valid | python3 -c '
import json, sys; print(json.load(sys.stdin)["issued"][0]["serial"])')"
ok "the records can still be read" "$ca" list --dir T

### A root that is there already
umask 077
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out own.key 2>/dev/null
root_of() { # NAME BASIC-CONSTRAINTS
    openssl req -x509 -new -key own.key -subj "/CN=own $1" -days 30 -out "$1.pem" \
        -addext "basicConstraints=critical,$2" -addext "keyUsage=critical,keyCertSign,cRLSign"
}
root_of root CA:TRUE && root_of narrow CA:TRUE,pathlen:0 && root_of leaf CA:FALSE
refuses 2 "root-certificate: only with --root-key" "a certificate without its key" \
    "$ca" init --dir N --root-certificate root.pem
refuses 2 "not with a key in a TPM" "a certificate of a key that is to be made" \
    "$ca" init --dir N --root-key tpm:swtpm --root-certificate root.pem
refuses 1 "root.pem: it is the certificate of another key" "a certificate of another key" \
    "$ca" init --dir N --root-key A/vma.key --root-certificate C/root.pem
refuses 1 "is not one of a CA" "a certificate of no CA" \
    "$ca" init --dir N --root-key own.key --root-certificate leaf.pem
refuses 1 "allows no CA below it" "one that allows no authority below it" \
    "$ca" init --dir N --root-key own.key --root-certificate narrow.pem
refuses 1 "nowhere" "a key that is not there" "$ca" init --dir N --root-key nowhere
is "$(find N -name 'root.*')" "" "nothing of these stays"
ok "a CA from them" "$ca" init --dir N --root-key own.key --root-certificate root.pem
is "$(openssl x509 -in N/root.pem -outform DER | sha256sum)" \
    "$(openssl x509 -in root.pem -outform DER | sha256sum)" "its certificate is that one"
ok "it works with that key" "$ca" crl --dir N
ok "OpenSSL says so" openssl crl -in N/crl.pem -noout -CAfile root.pem -verify
ok "its log is signed with it" verify N

### What a crash leaves
rm -rf T && cp -a C T && tail -n 1 C/audit >>T/audit
ok "a whole line behind the head" verify T
like "$(cat ok.log)" "whole, 11 lines.*an act after the last line was interrupted" "does not count"
ok "the next act" "$ca" nonce --dir T
ok "removes it" verify T
is "$(grep -c . T/audit)" 12 "and takes its place"
rm -rf T && cp -a C T && printf '{"format":' >>T/audit && printf '{"for' >>T/revoked
ok "half a line" verify T
ok "the same" "$ca" nonce --dir T
ok "and again" verify T
finish
