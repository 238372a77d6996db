#!/usr/bin/env bash
# holdfast-attest verify on evidence: what it proves of a virtual TPM and of a hardware one, and how
# the boot is held against reference values. Then attacks, each refused by the check it fails. Where a
# TPM would not sign the forgery, a key does that is in no TPM and has a certificate of the privacy CA:
# so that the check alone stands in the way.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_pcrextend openssl python3

cd "$tap_dir" || exit 1
nonce=00112233445566778899aabbccddeeff
selection=sha256:0,2,4,7,9
arc=$(sed -n 's/^#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
forge() { python3 "$top_srcdir/tests/cli/forge.py" "$@"; }
quote() { # NAME OUT [OPTION...]
    local name=$1 out=$2
    shift 2
    "$attest" quote --dir "$name.ak" --nonce "$nonce" --selection "$selection" --out "$out" "$@" >quote.log 2>&1 ||
        bail "cannot quote: $(<quote.log)"
}
judge() { local file=$1; shift; "$attest" verify "$file" --ca-root P/root.pem --nonce "$nonce" --selection "$selection" "$@"; }
full() { local file=$1; shift; judge "$file" --root C/root.pem "$@"; }
measure() { # NAME LOG: what a firmware would
    local arguments
    mapfile -t arguments < <(forge extends "$2")
    tool "$1" tpm2_pcrextend "${arguments[@]}"
}
say() { python3 -c 'import json, sys; r = json.load(sys.stdin); print(*(eval(x) for x in sys.argv[1:]))' "$@"; }

fleet_make
for name in one two; do
    vtpm_make $name --pcr-banks sha1,sha256
    enrol_key $name || bail "$name: cannot enrol"
done
ln -s "$tap_dir/host/sock" hard.sock
ln -s "$tap_dir/host/sock.ctrl" hard.sock.ctrl
forge log log 0:firmware 2:option-rom 4:separator 4:loader 7:db 7:separator 9:kernel
measure one log || bail "cannot extend"
quote one e --event-log log

### What is proved
ok "a virtual TPM" full e
cp ok.log tree
like "$(<tree)" "^verified: the quote is by a key inside the TPM whose endorsement key this chain certifies" "what was proved comes first"
like "$(tr -d '\n' <tree)" "root of trust: .*manufacturer authority: .*hardware-rooted: its key is in the host's hardware TPM.*endorsement key of the virtual TPM: .*host TPM's endorsement key: [0-9a-f]{64}.*migration policy: none.*attestation key: 000b.*certified by the privacy CA .*CN=privacy CA.*its certificate names this endorsement key.*child of this endorsement key.*quote of $selection.*nonce $nonce" \
    "the tree goes from the root to the quote"
like "$(<tree)" "event log of 7 events leads to sha256:0, sha256:2, sha256:4, sha256:7, sha256:9" "the event log leads to the PCRs"
like "$(<tree)" "no reference values: nothing says whether this is as it should be" "and what it does not know"
full e --json >result.json
is "$(say <result.json 'r["verified"]' 'r["proved"]' 'r["rooted"]' 'r["below-endorsement-key"]' 'len(r["passed"])')" \
    "True True hardware-rooted True 12" "--json says the same"
is "$(say <result.json 'r["pcrs"]["sha256:4"]')" \
    "$(TPM2TOOLS_TCTI=swtpm:path=$tap_dir/one.sock tpm2_pcrread sha256:4 | sed -n 's/.*4 *: 0x//p' | tr A-F a-f)" "with the PCR's value"
ok "the privacy CA's word alone" judge e
ln -s P/root.pem linked.pem
piped() { "$attest" verify <(cat e) --ca-root linked.pem --nonce "$nonce" --selection "$selection"; }
ok "evidence through a pipe, its root by a link" piped
like "$(tr -d '\n' <ok.log)" "a TPM that the privacy CA vouches for.*by its word, in a virtual TPM, hardware-rooted.*host TPM's endorsement key: .*was not looked at" \
    "is said to be no more than that"
quote one less --without-ek --event-log none
ok "evidence that does not name the TPM" judge less
like "$(<ok.log)" "no event log: nothing is known but the values" "without event log"
refuses 1 'check "EK certificate chain" failed: the evidence has no EK certificate' "is not enough for who wants the chain" full less
openssl x509 -in vma.pem -out own-vma.pem # without the text above it
parcel bare e 9-
refuses 1 'check "EK certificate chain" failed' "the vMA certificate is missing" full bare
ok "unless the verifier has it" full bare --chain own-vma.pem
for kind in p384 rsa2048; do
    enrol_key two --new-key --key-algorithm $kind || bail "$kind: cannot enrol"
    quote two "$kind.e"
    ok "an attestation key of $kind" full "$kind.e"
done
if tool two tpm2_nvreadpublic 0x1c00016; then
    enrol_key two --new-key --ek p384 || bail "cannot enrol"
    quote two ek384.e
    ok "below a P-384 endorsement key" full ek384.e
    like "$(<ok.log)" "endorsement key of the virtual TPM: .*384.*" "which the tree says"
fi
enrol_key hard || bail "cannot enrol a hardware TPM"
quote hard hard.e
ok "a hardware TPM" judge hard.e --ek-roots vendor/issuercert.pem
like "$(tr -d '\n' <ok.log)" "a vendor of TPMs.*endorsement key of the hardware TPM: .*child of this endorsement key" "which the tree says"
refuses 1 'check "EK certificate chain" failed: the EK certificate is not one of a virtual TPM, and no vendor root is pinned' \
    "a hardware TPM where virtual ones are expected" full hard.e
refuses 1 'check "EK certificate chain" failed: the EK certificate is one of a virtual TPM, and no root' \
    "a virtual TPM where hardware ones are expected" judge e --ek-roots vendor/issuercert.pem
"$attest" quote --dir one.ak --nonce "$nonce" --selection "$selection" --quote q.msg --signature q.sig --pcrs q.pcrs --ak-public ak.pub
parts() {
    "$attest" verify --quote q.msg --signature q.sig --ak-public ak.pub --ak-certificate one.ak/ak.pem --ca-root P/root.pem --nonce "$nonce" \
        --selection "$selection" "$@"
}
record e 8 >ek.der
ok "part by part" parts
ok "with values, log and chain" parts --pcrs q.pcrs --event-log log --ek-certificate ek.der --chain own-vma.pem --root C/root.pem
like "$(tr -d '\n' <ok.log)" "names this endorsement key.*child of this endorsement key.*leads to sha256:0" "all of it is proved"

### Reference values
ok "what was verified becomes the reference" full e --write-reference reference
like "$(<reference)" "sha256:4:[0-9a-f]{64}.*# event sha256:4:[0-9a-f]{64}" "with values, and events to choose from"
ok "the machine is as the reference says" full e --reference reference
like "$(<ok.log)" "as the reference values say: boot" "which the tree says"
sed -n 's/^# event sha256:4:/event sha256:4:/p; /^\[/p; /^sha256:7:/p' reference >events
ok "by its events" full e --reference events
printf '%s\n' "may sha256:4:$(printf other | sha256sum | cut -c1-64)" >>events
ok "more may happen" full e --reference events
sed -e 's/^\[.*/[other]/' -e 's/:[0-9a-f]*$/:00/; s/:00$/:'"$(printf '%064d' 5)"'/' reference >other
cat other >two-boots && sed 's/^\[boot/[right one/' reference >>two-boots
refuses 3 'check "reference values" failed: not as "other": sha256:0: expected 0000.*, found .*, and 4 more' "another boot" full e --reference other
like "$(full e --reference other 2>/dev/null)" "^proved, but not as it should be; other than in \"other\":.*sha256:9: expected.*proved is: " "the tree says what is proved, and what differs"
is "$(full e --reference other --json 2>/dev/null | say 'r["verified"]' 'r["proved"]' 'r["reference"]["fits"]' 'r["failed"]' 'len(r["reference"]["differences"])')" \
    "False True False reference values 5" "--json says so, too"
ok "one of several boots" full e --reference two-boots
like "$(<ok.log)" "as the reference values say: right one" "is named"
sed "s/^event .*/event sha256:4:$(printf '%064d' 6)/" events >other-events
refuses 3 'the log lacks the event 0{63}6' "an event that did not happen" full e --reference other-events
grep -v "sha256:4:$(printf loader | sha256sum | cut -c1-64)" events >fewer-events
refuses 3 'sha256:4: an event that is not listed: [0-9a-f]{64} .event 4 of the log' "one that should not have happened" full e --reference fewer-events
quote one no-log --event-log none
refuses 3 "sha256:4: its events are not proved: there is no event log" "events without a log" full no-log --reference events
tool one tpm2_pcrextend "9:sha256=$(printf '%064d' 9)"
quote one later --event-log log
ok "later measurements that are in no log" full later
like "$(<ok.log)" "and not to sha256:9: what it says of those is not proved" "are said to be such"
refuses 3 'not as "boot": sha256:9: expected' "and are not as they were" full later --reference reference
printf '[x]\nevent sha256:9:%s\n' "$(printf kernel | sha256sum | cut -c1-64)" >event9
ok "their events are proved as long as the log leads there" full e --reference event9
refuses 3 "sha256:9: its events are not proved: the log does not lead to its value" "and not when it does not" full later --reference event9
while read -r why text; do
    printf '%b' "$text" >bad
    refuses 1 "bad: .*$why" "reference values: $why" full e --reference bad
done <<END
expected.first sha256:0:00
has.no.lines [x]\n
has.no.lines [x]\n[y]\nsha256:0:$(printf '%064d' 0)
there.twice [x]\nsha256:0:$(printf '%064d' 0)\nsha256:0:$(printf '%064d' 0)
there.twice [x]\nsha256:0:$(printf '%064d' 0)\n[x]\n
expected.32.bytes [x]\nsha256:0:00
bank.md5.is [x]\nmd5:0:00
BANK:NUMBER:HEX [x]\nsomething
PCRs.0.to.15 [x]\nevent sha256:17:$(printf '%064d' 0)
.NAME..expected [x
UTF-8 \0377
END
printf '[x]\nsha256:1:%064d\n' 0 >unasked
refuses 2 'reference values .x.: sha256:1 is not among the PCRs of --selection' "reference values of a PCR that was not asked for" \
    full e --reference unasked

### Revocation
if ! "$ca" crl --dir C >/dev/null || ! "$ca" crl --dir P >/dev/null; then
    bail "no lists"
fi
cp C/crl.pem c.crl && cp P/crl.pem p.crl
ok "lists of both CAs" full e --crl c.crl --crl p.crl --crl-seen seen
is "$(grep -c 'not revoked: list 1 of' ok.log)" 2 "the tree says by which"
refuses 1 'check "AK certificate" failed: .*no revocation list|check "AK certificate" failed: .*revocation list' "none of the privacy CA" full e --crl c.crl
refuses 1 'check "EK certificate chain" failed: .*revocation list' "none of the fleet's CA" full e --crl p.crl
serial=$(openssl x509 -in one.ak/ak.pem -noout -serial | sed 's/serial=//' | tr A-F a-f)
"$ca" revoke --dir P --serial "$serial" --reason keyCompromise >/dev/null || bail "cannot revoke"
refuses 1 'check "AK certificate" failed: the AK certificate was revoked at .*: keyCompromise' "a revoked attestation key" \
    full e --crl c.crl --crl P/crl.pem --crl-seen seen
refuses 1 'check "AK certificate" failed: .*is an old one: number 2 was seen' "an older list, which does not say so" full e --crl c.crl --crl p.crl --crl-seen seen
serial=$(openssl x509 -in own-vma.pem -noout -serial | sed 's/serial=//' | tr A-F a-f)
"$ca" revoke --dir C --serial "$serial" >/dev/null || bail "cannot revoke"
refuses 1 'check "EK certificate chain" failed: the vMA certificate was revoked' "a revoked authority" full e --crl C/crl.pem --crl p.crl

### Other TPMs, other keys, other times
refuses 1 'check "AK certificate" failed: .*not below, one of the pinned privacy CAs' "another privacy CA" \
    "$attest" verify e --ca-root C/root.pem --nonce $nonce --selection $selection
refuses 1 'check "EK certificate chain" failed: .*not one of the trusted roots' "another fleet" judge e --root P/root.pem
refuses 1 'check "nonce" failed: nonce: expected ff00, found 0011' "a replayed quote" full e --nonce ff00
enrol_key two --new-key || bail "cannot enrol"
quote two two.e
for tag in 1 2 3 4 5 7 8 9; do record two.e $tag >two.$tag; done
parcel bad e 1=two.1 2=two.2
refuses 1 'check "signature" failed' "the quote of another TPM" full bad
parcel bad e 5=two.5
refuses 1 'check "AK certificate" failed: the AK certificate is for another key' "the certificate of another attestation key" full bad
parcel bad e 3=two.3
refuses 1 'check "AK certificate" failed: the AK certificate is for another key' "another attestation key" full bad
parcel bad e 8=two.8
refuses 1 'check "endorsement key" failed: it is not the key in the EK certificate' "the EK certificate of another TPM" full bad
parcel bad e 7=two.7 8=two.8 9=two.9
refuses 1 'check "bond" failed: the AK certificate is for a key in another TPM' "its endorsement key, too" full bad
refuses 1 'check "bond" failed: the AK certificate is for a key in another TPM' "also where nobody wants the chain" judge bad
parcel bad e 2^-1
refuses 1 'check "signature" failed' "an altered signature" full bad
parcel bad e 5^-1
refuses 1 'check "AK certificate" failed: .*signature' "an altered AK certificate" full bad
parcel bad e 8^-1
refuses 1 'check "EK certificate chain" failed: .*signature' "an altered EK certificate" full bad
parcel bad e 4^12
refuses 1 'check "PCR values" failed: PCR digest: expected .* from the given values' "altered PCR values" full bad
quote one short --event-log none --selection sha256:0,2,4,7
refuses 1 'check "PCR selection" failed: .*found sha256:0,2,4,7$' "a quote of fewer PCRs" full short
"$attest" quote --dir one.ak --nonce $nonce --selection sha1:0+sha256:0 --out turned >/dev/null
refuses 1 'check "PCR selection" failed: .*expected sha256:0\+sha1:0, found sha1:0\+sha256:0' "banks in another order" \
    full turned --selection sha256:0+sha1:0
ok "which is right where it was asked for" full turned --selection sha1:0+sha256:0

### Event logs
log() { local name=$1; shift; forge log-edit bad.log log "$@"; parcel bad e 10=bad.log; }
log digest digest=4
refuses 1 'check "event log" failed: .*leads to another value of PCR 4' "an event's digest is altered" full bad
log size size=2
refuses 1 'check "event log" failed: event log: event 2: its data are larger than what is left' "an event's length is altered" full bad
log order swap=3
refuses 1 'check "event log" failed: .*leads to another value of PCR 4' "the order is altered" full bad
log append append=7:more
refuses 1 'check "event log" failed: .*leads to another value of PCR 7' "an event is appended" full bad
log drop drop=1
refuses 1 'check "event log" failed: .*leads to another value of PCR 0' "an event is left out" full bad
log cut cut=3
refuses 1 'check "event log" failed: event log: event 7' "the log is cut" full bad
forge log other.log 0:firmware 2:option-rom 4:another-loader 7:db
parcel bad e 10=other.log
refuses 1 'check "event log" failed: .*leads to another value of PCR 4' "the log of another machine" full bad
printf 'no log at all, but long enough to be one' >none.log
parcel bad e 10=none.log
refuses 1 'check "event log" failed: event log: header' "something that is no log" full bad
log data data=7
ok "what no digest covers proves nothing" full bad
if grep -aq '#ernel' ok.log; then fail "and is not shown"; else pass "and is not shown"; fi
log later append=9:more
ok "above PCR 7 a log may say less or more" full bad
like "$(<ok.log)" "and not to sha256:9: what it says of those is not proved" "and proves nothing there"

### A key in no TPM that got a certificate
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out soft.key 2>/dev/null
openssl req -new -key soft.key -subj /CN=soft -out soft.csr 2>/dev/null
record less 3 >less.area
bond() { # FILE: an endorsement key's public area, for the extension
    record "$1" 8 | openssl x509 -inform DER -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -c1-64
}
soft_certificate() { # OUT [SED-SCRIPT]
    local out=$1
    shift
    printf '%s\n' "keyUsage=critical,digitalSignature" "extendedKeyUsage=2.23.133.8.3" \
        "certificatePolicies=$arc.1.1" "$arc.2.3=DER:3025020101""0420$(bond e)" >soft.ext
    sed -i -e "${1:-}" soft.ext
    openssl x509 -req -in soft.csr -CA P/root.pem -CAkey P/root.key -extfile soft.ext -days 5 -outform DER -out "$out" 2>/dev/null
}
soft_certificate soft.der
soft() { # OUT OLD [EDIT...]
    local out=$1 old=$2
    shift 2
    forge quote forged "$old" soft.key "$@" && parcel "$out" forged 5=soft.der
}
soft bad less
ok "a forged quote with all that is asked for is taken: the privacy CA vouches for the key" judge bad
soft bad less magic=ff544348
refuses 1 'check "quote" failed: .*magic: expected 0xff544347' "wrong magic, well signed" judge bad
soft bad less type=8017
refuses 1 'check "quote" failed: ' "wrong type, well signed" judge bad
soft bad less nonce=0011
refuses 1 'check "nonce" failed: .*found 0011$' "another nonce" judge bad
soft bad less nonce=$nonce"00"
refuses 1 'check "nonce" failed' "a longer nonce" judge bad
soft bad less nonce=
refuses 1 'check "nonce" failed: .*found none' "no nonce" judge bad
soft bad less select=sha256:950000
refuses 1 'check "PCR selection" failed: .*found sha256:0,2,4,7$' "a truncated selection" judge bad
soft bad less select=sha256:95
refuses 1 'check "PCR selection" failed: .*found sha256:0,2,4,7$' "a truncated map" judge bad
soft bad less select=sha1:950200
refuses 1 'check "PCR selection" failed: .*found sha1:0,2,4,7,9' "another bank" judge bad
soft bad less select=sha256:950200+sha256:010000
refuses 1 'check "quote" failed: ' "a bank twice" judge bad
soft bad less "digest=$(printf '%064d' 1)"
refuses 1 'check "PCR values" failed: PCR digest: .*found 0{63}1' "another digest" judge bad
soft bad less digest=
refuses 1 'check "PCR values" failed: PCR digest: .*found none' "no digest" judge bad
soft bad less tail=00
refuses 1 'check "quote" failed: ' "something after the quote" judge bad
printf 'sha256:0:%064d\n' 0 >few
soft bad less values=few
refuses 1 'check "PCR values" failed: .*none for sha256:2' "values are missing" judge bad
soft bad e
refuses 1 'check "signer" failed: signer: expected qualified name' "a key that is not below the endorsement key it was certified for" full bad
for row in "0x10000 restricted" "0x2 fixedTPM" "0x10 fixedParent" "0x20 sensitiveDataOrigin" "0x40000 sign"; do
    read -r bit what <<<"$row"
    forge area bad.area soft.key "$bit"
    soft bad less area=bad.area
    refuses 1 "check \"attestation key\" failed: .*$what must be set" "an attestation key without $what" judge bad
done
soft_certificate soft.der 's/^extendedKeyUsage=/&serverAuth,/'
soft bad less
refuses 1 'check "AK certificate" failed: .*further extended key usages' "a certificate for other uses, too" judge bad
soft_certificate soft.der 's/^extendedKeyUsage=.*/extendedKeyUsage=serverAuth/'
soft bad less
refuses 1 'check "AK certificate" failed: .*lacks the extended key usage 2.23.133.8.3' "the certificate of a server" judge bad
soft_certificate soft.der "/^$arc.2.3=/d"
soft bad e
refuses 1 'check "bond" failed: the AK certificate does not say in which TPM the key is' "a certificate that names no TPM" full bad
soft_certificate soft.der "s/^certificatePolicies=.*/certificatePolicies=$arc.1.2/"
soft bad e
refuses 1 'check "bond" failed: the AK certificate says software-rooted, the EK certificate hardware-rooted' "two certificates that do not agree" full bad
soft bad less
ok "a software-rooted TPM" judge bad
refuses 1 'check "AK certificate" failed: the TPM is software-rooted, but only hardware-rooted' "where only hardware-rooted ones are wanted" judge bad --hardware-only

### Out of date
record e 5 >ak.der
for when in expired early; do
    word="has expired"
    [ $when = expired ] || word="is not valid yet"
    forge resign $when.der ak.der P/root.key $when
    parcel bad e 5=$when.der
    refuses 1 "check \"AK certificate\" failed: the AK certificate $word" "AK certificate: $when" full bad
    openssl x509 -in own-vma.pem -outform DER -out vma.der
    forge resign $when.der vma.der C/root.key $when
    refuses 1 "check \"EK certificate chain\" failed: .*vMA certificate $word" "vMA certificate: $when" full e --chain $when.der
done
forge resign forged.der ak.der C/root.key early
parcel bad e 5=forged.der
refuses 1 'check "AK certificate" failed: .*signature' "an AK certificate by another CA's key" full bad

### Files that are none
head -c 100 e >bad
refuses 1 "bad: quote: size" "half of the evidence" full bad
refuses 1 "reference: not a quote" "something else" full reference
parcel bad e 7-
refuses 1 "bad: quote: EK certificate: not expected without EK" "records that do not go together" full bad
parcel bad e 5-
refuses 1 "bad: quote: AK certificate: 1 to" "no AK certificate" full bad
is "$(full bad --json 2>/dev/null | say 'r["verified"]' 'r["failed"]')" "False input" "--json says so"
refuses 1 "nowhere" "no file" full nowhere
refuses 2 "option --ca-root is missing" "nobody is trusted" "$attest" verify e --nonce $nonce
refuses 2 "option --quote does not go with an evidence file" "evidence and parts" full e --quote q.msg
refuses 2 "option --secret does not go with --ak-certificate" "certificate and challenge" parts --secret e
refuses 2 "only with --pcrs" "reference values without values" parts --reference reference
refuses 2 "one of --nonce and --nonce-file" "no nonce" "$attest" verify e --ca-root P/root.pem
finish
