#!/bin/bash
# holdfast-attest against a real TPM's answers: Debian's swtpm driven by tpm2-tools plays the guest,
# pki-probe the fleet that certified its endorsement key. Everything verifies; then one thing at a time is
# wrong, and the message names the check.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # the functions are called through ok and refuses
# shellcheck source-path=SCRIPTDIR source=../tap.sh
. "${top_srcdir:-.}/tests/tap.sh"
need swtpm tpm2_createek tpm2_quote tpm2_activatecredential tpm2_makecredential python3 openssl

attest=$top_builddir/holdfast-attest
probe=$top_builddir/tests/cli/pki-probe
cd "$tap_dir" || exit 1
selection=sha256:0,2,4,7
nonce=00112233445566778899aabbccddeeff

mkdir state
start swtpm swtpm socket --tpm2 --tpmstate dir=state --server type=unixio,path=tpm.sock \
    --ctrl type=unixio,path=tpm.sock.ctrl --flags not-need-init,startup-clear
wait_socket tpm.sock "$started" || bail "swtpm did not start"
export TPM2TOOLS_TCTI=swtpm:path=$tap_dir/tpm.sock TSS2_LOG=all+none

# tool COMMAND...: a tpm2-tools command; the TPM has no resource manager, so its slots are emptied.
tool() {
    "$@" >tool.log 2>&1 || { diag "failed: $*"; diag_file tool.log; return 1; }
    tpm2_flushcontext -t >/dev/null 2>&1
}

# make_ek NAME KIND: NAME.ctx, NAME.pub (public area), NAME.der (SPKI), certificates in NAME/.
make_ek() {
    tool tpm2_createek -c "$1.ctx" -G "$2" -u "$1.pub" &&
        tool tpm2_readpublic -c "$1.ctx" -f der -o "$1.der" &&
        mkdir "$1" && "$probe" write "$1" p256 "$1.der"
}

# make_ak NAME EK KIND HASH SCHEME
make_ak() { tool tpm2_createak -C "$2.ctx" -c "$1.ctx" -G "$3" -g "$4" -s "$5" -u "$1.pub"; }

# challenge NAME EK AK [OPTION...]: NAME.cred and NAME.secret.
challenge() {
    local name=$1 ek=$2 ak=$3
    shift 3
    "$attest" challenge --ek-certificate "$ek/ek.pem" --ak-public "$ak.pub" --out "$name.cred" \
        --secret-out "$name.secret" "$@"
}

# activate CREDENTIAL EK AK OUT: by policy A, or by the empty password where the EK allows it.
activate() {
    local auth=()
    if [ "$2" != ek384 ]; then
        tool tpm2_startauthsession --policy-session -S policy.ctx &&
            tool tpm2_policysecret -S policy.ctx -c e || return 1
        auth=(-P session:policy.ctx)
    fi
    local code=0
    tool tpm2_activatecredential -c "$3.ctx" -C "$2.ctx" -i "$1" -o "$4" "${auth[@]}" || code=1
    [ ${#auth[@]} -eq 0 ] || tpm2_flushcontext policy.ctx >/dev/null 2>&1
    return $code
}

# quote NAME AK [OPTION...]: NAME.msg, NAME.sig, NAME.pcrs.
quote() {
    local name=$1 ak=$2
    shift 2
    tool tpm2_quote -c "$ak.ctx" -l "$selection" -q "$nonce" -m "$name.msg" -s "$name.sig" \
        -o "$name.pcrs" "$@"
}

# verify [OPTION VALUE...]: with what is right, each changed by what is given.
verify() {
    local -A with=([--quote]=q.msg [--signature]=q.sig [--ak-public]=ak.pub [--nonce]=$nonce
        [--pcrs]=q.pcrs [--selection]=$selection [--ek-certificate]=ek/ek.pem [--chain]=ek/vma.pem
        [--root]=ek/root.pem [--secret]=c.secret [--activated]=c.act)
    local arguments=() flags=() option
    while [ $# -gt 0 ]; do
        case $1 in
        --json | --hardware-only) flags+=("$1") && shift ;;
        *) with[$1]=$2 && shift 2 ;;
        esac
    done
    for option in "${!with[@]}"; do
        [ -z "${with[$option]}" ] || arguments+=("$option" "${with[$option]}")
    done
    "$attest" verify "${arguments[@]}" "${flags[@]}"
}

# flipped FILE OFFSET: a copy, FILE.bad, with one bit of that byte turned.
flipped() {
    python3 - "$1" "$2" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[int(sys.argv[2])] ^= 1
open(sys.argv[1] + ".bad", "wb").write(data)
PYTHON
}

tool tpm2_pcrextend "7:sha256=$(printf '%064d' 7)" || bail "the TPM does not work"
make_ek ek rsa || bail "cannot make an RSA endorsement key"
make_ek ek256 ecc || bail "cannot make a P-256 endorsement key"
make_ek ek384 ecc384 || bail "cannot make a P-384 endorsement key"

# The straight path, for kinds of endorsement and attestation keys.
for row in "ek rsa sha256 rsassa" "ek ecc sha256 ecdsa" "ek256 rsa sha256 rsapss" \
    "ek384 ecc sha256 ecdsa"; do
    read -r ek kind hash scheme <<<"$row"
    what="$ek, $kind $scheme"
    rm -f way.*
    make_ak way "$ek" "$kind" "$hash" "$scheme" || bail "$what: cannot make an AK"
    ok "$what: a challenge is made" challenge way "$ek" way
    ok "$what: tpm2_activatecredential opens it" activate way.cred "$ek" way way.act
    is "$(stat -c '%a %s' way.secret)" "600 32" "$what: the secret is private"
    if cmp -s way.secret way.act; then
        fail "$what: the secret stays with the verifier"
    else
        pass "$what: the secret stays with the verifier"
    fi
    quote way way --scheme "$scheme" || bail "$what: cannot quote"
    ok "$what: it all verifies" verify --quote way.msg --signature way.sig --pcrs way.pcrs \
        --ak-public way.pub --secret way.secret --activated way.act \
        --ek-certificate "$ek/ek.pem" --chain "$ek/vma.pem" --root "$ek/root.pem"
    ok "$what: and with the EK's public area given" verify --quote way.msg --signature way.sig \
        --pcrs "" --ak-public way.pub --secret way.secret --activated way.act \
        --ek-certificate "$ek/ek.pem" --chain "$ek/vma.pem" --root "$ek/root.pem" \
        --ek-public "$ek.pub"
done

make_ak ak ek ecc sha256 ecdsa
make_ak ak2 ek ecc sha256 ecdsa
for name in c c2; do
    challenge $name ek ak || bail "cannot make a challenge"
    activate $name.cred ek ak $name.act || bail "cannot activate"
done
quote q ak

verify >tree 2>&1
like "$(<tree)" "^verified: " "the tree says what was proved first"
like "$(<tree)" "root of trust: .*manufacturer authority: .*hardware-rooted.*endorsement key of the virtual TPM: RSA-2048.*attestation key: 000b.*quote of $selection" \
    "the tree goes from the root to the quote"
like "$(<tree)" "sha256:7 [0-9a-f]{64}" "the tree shows the PCR values"
verify --json >result.json
is "$(python3 -c '
import json
r = json.load(open("result.json"))
print(r["verified"], r["rooted"], r["quote"]["selection"], r["quote"]["nonce"], len(r["passed"]))')" \
    "True hardware-rooted $selection $nonce 10" "--json says the same"
like "$(verify --pcrs "" --json)" '"pcr-values-compared":false' \
    "--json admits that PCR values were not compared"

# The forms PCR values come in.
quote v ak -F values
ok "tpm2_quote -F values" verify --quote v.msg --signature v.sig --pcrs v.pcrs
tool tpm2_pcrread -o read.pcrs "$selection"
ok "tpm2_pcrread -o" verify --pcrs read.pcrs
python3 - >text.pcrs <<'PYTHON'
data = open("v.pcrs", "rb").read()
for i, pcr in enumerate((0, 2, 4, 7)):
    print(f"sha256:{pcr}:{data[32 * i:32 * i + 32].hex()}")
PYTHON
ok "lines of text" verify --pcrs text.pcrs

# Each check refuses by its name.
refuses 1 'check "EK certificate chain"' "another fleet's root" verify --root ek256/root.pem
refuses 1 'check "EK certificate chain"' "another fleet's authority" verify --chain ek256/vma.pem
refuses 1 'check "EK certificate chain"' "the root in place of the authority" \
    verify --chain ek/root.pem
refuses 1 'check "EK certificate chain"' "a platform certificate for the EK's" \
    verify --ek-certificate ek/platform.pem
refuses 1 'check "endorsement key".*expected the key in the EK certificate' \
    "another EK's public area" verify --ek-public ek256.pub
refuses 1 'check "credential activation"' "the answer to another challenge" \
    verify --activated c2.act
refuses 1 'check "credential activation"' "another attestation key of the same TPM" \
    verify --ak-public ak2.pub
refuses 1 'check "credential activation"' "another TPM's EK certificate" \
    verify --ek-certificate ek384/ek.pem --chain ek384/vma.pem --root ek384/root.pem
head -c 31 c.act >short.act
refuses 1 'check "credential activation".*expected 32 bytes' "an answer that is too short" \
    verify --activated short.act
flipped q.msg 0
refuses 1 'check "quote".*magic: expected 0xff544347' "a quote not made in a TPM" \
    verify --quote q.msg.bad
flipped q.msg 5
refuses 1 'check "quote".*type: expected' "an attestation of another type" verify --quote q.msg.bad
flipped q.msg 60
refuses 1 'check "signature"' "an altered quote" verify --quote q.msg.bad
flipped q.sig 20
refuses 1 'check "signature"' "an altered signature" verify --signature q.sig.bad
quote q2 ak2
refuses 1 'check "signature"' "a quote by another key" \
    verify --quote q2.msg --signature q2.sig --pcrs q2.pcrs
refuses 1 'check "nonce".*expected 00ff' "another nonce" verify --nonce 00ff
tool tpm2_quote -c ak.ctx -l sha256:0,2 -q "$nonce" -m less.msg -s less.sig
refuses 1 'check "PCR selection".*found sha256:0,2$' "a quote of fewer PCRs" \
    verify --quote less.msg --signature less.sig --pcrs ""
flipped v.pcrs 127
refuses 1 'check "PCR values"' "other PCR values" \
    verify --quote v.msg --signature v.sig --pcrs v.pcrs.bad
verify --nonce 00ff --json >refused.json 2>/dev/null
is "$(python3 -c '
import json
r = json.load(open("refused.json"))
print(r["verified"], r["failed"], len(r["passed"]))')" "False nonce 6" "--json names the failed check"

# Revocation: the fleet's CA is a directory of holdfast-ca with the keys that are there; OpenSSL's lists
# do as well as ours.
ca=$top_builddir/holdfast-ca
"$ca" init --dir fleet --root-key ek/root.key --root-certificate ek/root.pem >/dev/null ||
    bail "no CA from the key and certificate that are there"
serial=$(openssl x509 -in ek/vma.pem -noout -serial | sed 's/serial=//' | tr A-F a-f)
printf '{"format":"holdfast-ca-issued","version":2,"minimum-reader":1,"time":"t","serial":"%s","subject":"s","rooted":"hardware-rooted","key":"000b","migration-policy":"none","platform":"p","not-after":4000000000}\n' \
    "$serial" >fleet/issued
verify >unchecked.tree 2>&1
like "$(<unchecked.tree)" "revocation was not looked at" "the tree admits that nobody looked for revocation"
"$ca" crl --dir fleet >/dev/null && cp fleet/crl.pem first.pem
ok "a list that does not have the authority" verify --crl first.pem --crl-seen seen
like "$(<ok.log)" "not revoked: list 1 of .*, the next is due at" "the tree says by which list"
is "$(verify --crl first.pem --json | python3 -c '
import json, sys
r = json.load(sys.stdin)["revocation"]
print(r["checked"], r["list-number"])')" "True 1" "--json too"
ok "the same list again" verify --crl first.pem --crl-seen seen
"$ca" crl --dir fleet >/dev/null && cp fleet/crl.der second.der
ok "the next one, DER" verify --crl second.der --crl-seen seen
refuses 1 'check "EK certificate chain" failed: revocation list 1 of .* is an old one: number 2 was seen' \
    "an older list, which is still in date" verify --crl first.pem --crl-seen seen
ok "who has seen nothing cannot know" verify --crl first.pem
"$ca" revoke --dir fleet --serial "$serial" --reason keyCompromise >/dev/null || bail "cannot revoke"
refuses 1 'check "EK certificate chain" failed: the vMA certificate was revoked at 20.*: keyCompromise .revocation list 3' \
    "a revoked authority" verify --crl fleet/crl.pem
"$ca" init --dir other --root-key ek256/root.key --root-certificate ek256/root.pem >/dev/null &&
    "$ca" crl --dir other >/dev/null
refuses 1 'by another key of that name than the root certificate' "another fleet's list of that name" \
    verify --crl other/crl.pem
flipped fleet/crl.der -1
refuses 1 'revocation list of .*signature does not verify|is not a valid revocation list' "a forged list" \
    verify --crl fleet/crl.der.bad
head -c 100 fleet/crl.der >cut.der
refuses 1 'cut.der' "a truncated list" verify --crl cut.der
refuses 1 'ek/vma.pem: expected DER or' "no list" verify --crl ek/vma.pem
refuses 1 'nowhere' "a missing list" verify --crl nowhere
refuses 2 'crl-seen: only with --crl' "numbers without lists" verify --crl-seen seen
echo '{}' >seen.bad
refuses 1 'seen.bad' "a file of numbers that is none" verify --crl first.pem --crl-seen seen.bad
cat >crl.conf <<'END'
[ca]
default_ca = here
[here]
database = index
crlnumber = crlnumber
default_md = sha256
crl_extensions = ext
[ext]
authorityKeyIdentifier = keyid
END
: >index
openssl_crl() { # OUT NUMBER START END
    echo "$2" >crlnumber
    openssl ca -gencrl -config crl.conf -cert ek/root.pem -keyfile ek/root.key -out "$1" \
        -crl_lastupdate "$3" -crl_nextupdate "$4" 2>openssl.log || diag_file openssl.log
}
openssl_crl o.pem 0A 20200101000000Z 20490101000000Z
ok "a list of OpenSSL's" verify --crl o.pem
openssl_crl stale.pem 0B 20200101000000Z 20210101000000Z
refuses 1 'revocation list 11 of .* is out of date: the next one was due at 2021-01-01' "a stale list" \
    verify --crl stale.pem
openssl_crl early.pem 0C 20490101000000Z 20490201000000Z
refuses 1 'revocation list 12 of .* is not valid yet' "one from the future" verify --crl early.pem
printf 'R\t360101000000Z\t261120120000Z,keyCompromise\t%s\tunknown\t/CN=vMA\n' "${serial^^}" >index
openssl_crl revoked.pem 0D 20200101000000Z 20490101000000Z
refuses 1 'was revoked at 2026-11-20T12:00:00Z: keyCompromise .revocation list 13' "revoked by OpenSSL" \
    verify --crl revoked.pem
printf '%s\n' 'issuingDistributionPoint = critical,@idp' '[idp]' 'onlyuser = TRUE' >>crl.conf
: >index
openssl_crl part.pem 0E 20200101000000Z 20490101000000Z
refuses 1 'a complete list is expected, found one with the extension 2.5.29.28' "a list that is a part" \
    verify --crl part.pem
sed -i '/^crl_extensions/d' crl.conf
openssl_crl old.pem 0F 20200101000000Z 20490101000000Z
refuses 1 'not a valid revocation list: it has no key identifier of its issuer' "a list without extensions" \
    verify --crl old.pem

# Keys that get no challenge.
tool tpm2_createprimary -C e -G ecc -c sign.ctx -a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
tool tpm2_readpublic -c sign.ctx -o unrestricted.pub
refuses 1 "unrestricted.pub: attestation key: attribute restricted must be set" \
    "a signing key that is not restricted gets no challenge" challenge x ek unrestricted
refuses 1 "ek.pub: attestation key: attribute decrypt must be clear" "an EK is no attestation key" \
    challenge x ek ek
refuses 1 "expected the key in the EK certificate, found another" "the wrong EK public area" \
    challenge x ek ak --ek-public ek256.pub
head -c 40 ak.pub >cut.pub
refuses 1 "cut.pub: public area: " "a truncated public area" challenge x ek cut
refuses 1 "none.pub" "a missing file is named" challenge x ek none
left=$(find . -name 'x.*')
is "$left" "" "a refused challenge leaves nothing"

# Credentials for one TPM and key open nowhere else.
refuses any "" "the TPM does not open a challenge for another key" activate c.cred ek ak2 no.act
refuses any "" "the TPM does not open a challenge with another EK" activate c.cred ek384 ak no.act
# tpm2_makecredential makes the same kind of file.
printf 'sixteen byte key' >plain
name=$(tpm2_readpublic -c ak.ctx 2>/dev/null | sed -n 's/^name: //p')
tpm2_flushcontext -t >/dev/null 2>&1
tool tpm2_makecredential -T none -u ek.pub -s plain -n "$name" -o theirs.cred
is "$(od -An -tx1 -N12 c.cred)" "$(od -An -tx1 -N8 theirs.cred | tr -d '\n') 00 44 00 20" \
    "the credential file has tpm2-tools' header"

# Usage.
refuses 2 "nonce" "a nonce that is not hex" verify --nonce xyz
refuses 2 "PCR selection" "a malformed selection" verify --selection sha256
refuses 2 "quote" "a missing option" verify --quote ""
refuses 2 "" "no command" "$attest"
refuses 2 "" "an option of the other command" challenge x ek ak --quote q.msg
finish
