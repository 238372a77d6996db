#!/usr/bin/env bash
# Enrolment that ends in the middle: the process is killed at each of its calls that changes a file, one
# after the other. Each time the authority is what it was, or has its certificate, and enrols the next
# time; an answer that is on its way by files can still be installed. Then renewals under another name.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca openssl python3 tpm2_flushcontext strace

cd "$tap_dir" || exit 1
rules=(--dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub --approved-pcrs values)
flush() { TPM2TOOLS_TCTI=$host_tcti tpm2_flushcontext "$1" >/dev/null 2>&1; } # what a resource manager does
clean() { flush -t; flush -l; flush -s; }
enrols() { "$authority" enrol --dir A --server "unix:$PWD/s"; }
renews() { "$authority" enrol --dir "$1" --server "unix:$PWD/s" --renew; }
killed_at() { # CALL NUMBER
    {
        strace -f -o trace -e trace="$1" -e inject="$1:signal=KILL:when=$2" \
            "$authority" enrol --dir A --server "unix:$PWD/s" >killed.log 2>&1
    } 2>/dev/null
}
strace -o trace true 2>/dev/null || skip_all "strace cannot trace here"

fleet_make
serving_start "${rules[@]}" || { diag_file serve.log; bail "it does not serve"; }

### A first enrolment, while an answer by files is on its way
rm A/vma.pem A/chain.pem
{ "$authority" request --dir A --out introduction &&
    "$ca" challenge --dir C --request introduction --out challenge --ek-roots vendor/issuercert.pem &&
    "$authority" respond --dir A --challenge challenge --out response &&
    "$ca" delegate --dir C --request response --out way.pem --approver-public approver.pub \
        --approved-pcrs values; } >way.log 2>&1 || { diag_file way.log; bail "no answer on its way"; }
cp -r A A.before
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # which does not work under strace
calls=openat,renameat,unlinkat,fsync,fdatasync,linkat,write
strace -f -o trace -e trace="$calls" "$authority" enrol --dir A --server "unix:$PWD/s" >way.log 2>&1 ||
    bail "it cannot be traced"
ok "the straight path ends with a certificate" "$authority" status --dir A
is "$(ls A/*.next 2>/dev/null)" "" "and nothing waits"
# Calls that have to do with files of the authority; each of them is once the last that is not made.
mapfile -t counts < <(python3 - "$calls" <<'PY'
import re, sys
seen, wanted = {}, []
for line in open("trace"):
    match = re.match(r"\d+ +(\w+)\((.*)", line)
    if not match:
        continue
    call, rest = match.groups()
    seen[call] = seen.get(call, 0) + 1
    if call in ("renameat", "unlinkat", "fsync", "fdatasync", "linkat") or "O_CREAT" in rest:
        wanted.append("%s:%d" % (call, seen[call]))
print(*wanted, sep="\n")
PY
)
isnt "${#counts[@]}" 0 "there are calls to be killed at: ${#counts[@]}"
old=0 new=0 bad=0
for at in "${counts[@]}"; do
    rm -rf A
    cp -r A.before A
    if killed_at "${at%:*}" "${at#*:}"; then
        bad=$((bad + 1))
        diag "not killed at $at"
    fi
    clean
    if [ -e A/vma.pem ]; then
        new=$((new + 1))
        "$authority" status --dir A >after.log 2>&1 || { bad=$((bad + 1)); diag "$at: certificate, but it does not work"; diag_file after.log; }
    else
        old=$((old + 1))
        cp -r A A.other
        "$authority" install-certificate --dir A.other way.pem >after.log 2>&1 ||
            { bad=$((bad + 1)); diag "$at: the answer on its way does not fit any more"; diag_file after.log; }
        rm -rf A.other
    fi
    { enrols && "$authority" status --dir A; } >after.log 2>&1 ||
        { bad=$((bad + 1)); diag "$at: it does not enrol afterwards"; diag_file after.log; }
    [ -z "$(ls A/*.next 2>/dev/null)" ] || { bad=$((bad + 1)); diag "$at: a key still waits"; }
done
is "$bad" 0 "killed at each of ${#counts[@]} calls it has all or nothing ($old times nothing, $new times all)"
isnt "$old" 0 "it was killed before the certificate"
isnt "$new" 0 "and after"

### Refused: the key of before stays, with the answer on its way
rm -rf A
cp -r A.before A
key=$(sha256sum <A/vma.blob)
serving_start --dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub
refuses 1 "server refuses: .*no approved environment" "a refused enrolment" enrols
is "$(sha256sum <A/vma.blob)" "$key" "leaves the key"
ok "the answer on its way is installed" "$authority" install-certificate --dir A way.pem

### A renewal under another name
serving_start "${rules[@]}" --organization "Another Fleet"
before=$(cat A/* | sha256sum) records=$("$ca" list --dir C | wc -l)
refuses 1 'server refuses: renewal: the key.s certificate is for "CN=holdfast vMA [0-9a-f]+", found "CN=holdfast vMA [0-9a-f]+,O=Another Fleet" .--organization.' \
    "the CA renews a key's certificate under its name only" renews A
is "$(cat A/* | sha256sum) $("$ca" list --dir C | wc -l)" "$before $records" "host and CA are as they were"
serving_start "${rules[@]}"
ok "under the same name it is renewed" renews A
### Revoked, and a list is at hand
"$ca" crl --dir C --out clean.crl >/dev/null
ok "with a list that it is not on" "$authority" enrol --dir A --server "unix:$PWD/s" --renew --crl clean.crl
ok "status, too" "$authority" status --dir A --crl clean.crl
cp A/vma.pem good.pem
cat A/vma.pem A/chain.pem >both.pem
before=$(cat A/* | sha256sum)
"$ca" revoke --dir C --serial "$(openssl x509 -in A/vma.pem -noout -serial | cut -d= -f2)" \
    --reason certificateHold >/dev/null
refuses 1 "certificate .*is on hold since" "a certificate on hold is not installed" \
    "$authority" install-certificate --dir A both.pem --crl C/crl.pem
refuses 1 "does not work: .*is on hold since" "status says so" "$authority" status --dir A --crl C/crl.pem
like "$("$authority" status --dir A --crl C/crl.pem --json)" '"certificate-revoked"' "by its code"
ok "without a list nobody knows" "$authority" install-certificate --dir A both.pem
"$ca" crl --dir P >/dev/null
refuses 1 "list" "a list of another CA does not do" \
    "$authority" install-certificate --dir A both.pem --crl P/crl.pem
like "$("$authority" status --dir A --crl P/crl.pem --json)" '"revocation-unknown"' "to status it says nothing"
refuses 1 "nowhere" "nor one that is not there" "$authority" install-certificate --dir A both.pem --crl nowhere
is "$(cat A/* | sha256sum)" "$before" "the host is as it was"

# A key in a file can be renewed by a CA that does not know what was issued before.
serving_start "${rules[@]}" --allow-software
{ "$authority" init --dir S --software && renews S; } >fleet.log 2>&1 || diag_file fleet.log
"$ca" init --dir twin --root-key C/root.key --root-certificate C/root.pem >/dev/null
serving_start "${rules[@]/#C/twin}" --organization "Another Fleet" --allow-software
before=$(cat S/* | sha256sum)
refuses 1 'certificate: subject "CN=holdfast vMA [0-9a-f]+" expected, as in the one that is installed for this key, found ".*O=Another Fleet"' \
    "nor does the host take one" renews S
is "$(cat S/* | sha256sum)" "$before" "it is as it was"
finish
