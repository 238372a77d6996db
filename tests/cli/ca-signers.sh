#!/usr/bin/env bash
# The key of the fleet's CA in a file, in a PKCS#11 token and in a TPM: everything that it signs with
# each of them, by commands and while it serves. Then wrong PINs, tokens and TPMs that are not there or
# are others, and a TPM that goes while the CA works.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/serving.sh"
need tpm2_dictionarylockout swtpm swtpm_setup swtpm_localca openssl python3 softhsm2-util p11tool

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
attest=${HOLDFAST_ATTEST:-$top_builddir/holdfast-attest}
cd "$tap_dir" || exit 1
umask 077

### Who asks: a host, and a hardware TPM for its attestation key
ok "a host" "$authority" init --dir A --software
"$authority" request --dir A --out hello >/dev/null
host_tpm_make guest || { diag_file guest.log; bail "no TPM could be made"; }
host_tpm_start guest || bail "the TPM did not start"
ok "a TPM asks for a certificate of its key" \
    "$attest" enroll --dir guest.ak --tcti "$host_tcti" --request ak.request
host_tpm_stop

### A token
mkdir tokens
echo "directories.tokendir = $tap_dir/tokens" >softhsm2.conf
export SOFTHSM2_CONF=$tap_dir/softhsm2.conf
softhsm2-util --init-token --free --label fleet --so-pin 4711 --pin 123456 >/dev/null 2>&1
token_key() { # NAME ID
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$1.p8" 2>/dev/null
    softhsm2-util --import "$1.p8" --token fleet --label "$1" --id "$2" --pin 123456 >/dev/null 2>&1
}
if ! token_key root 01 || ! token_key other 02; then
    skip_all "softhsm2 takes no key here"
fi
url() { echo "pkcs11:token=fleet;object=$1;type=private"; }
echo 123456 >pin
echo 654321 >pin.wrong

### The same acts with each
# acts CA [OPTION...]: everything that a CA signs.
acts() {
    local dir=$1
    shift
    "$ca" challenge --dir "$dir" --request hello --out challenge "$@" &&
        "$authority" respond --dir A --challenge challenge --out response &&
        "$ca" delegate --dir "$dir" --request response --allow-software --out "$dir.pem" "$@" &&
        openssl x509 -in "$dir.pem" -out "$dir-vma.pem" &&
        openssl verify -x509_strict -CAfile "$dir/root.pem" "$dir-vma.pem" &&
        "$ca" certify --dir "$dir" --request ak.request --ek-roots vendor/issuercert.pem \
            --out "$dir.answer" "$@" &&
        "$ca" nonce --dir "$dir" "$@" &&
        "$ca" revoke --dir "$dir" --reason superseded --serial "$(openssl x509 -in "$dir-vma.pem" -noout -serial |
            sed 's/.*=//')" "$@" &&
        "$ca" crl --dir "$dir" "$@" &&
        openssl crl -in "$dir/crl.pem" -noout -CAfile "$dir/root.pem" -verify
}
# whole CA: its log, without its key.
whole() { "$ca" audit --dir "$1" --verify; }
events() { "$ca" audit --dir "$1" --json | python3 -c '
import json, sys
print(*(a["event"] for a in json.load(sys.stdin)["acts"]))'; }
all_acts="init nonce delegate certify nonce revoke crl crl"

ok "a CA with a key in a file" "$ca" init --dir F
ok "does all its acts" acts F
is "$(events F)" "$all_acts" "and records them"
ok "a CA whose key is in a token" "$ca" init --dir P --root-key "$(url root)" --pin file:pin
is "$(stat -c %a P/signer.json)" 600 "remembers which"
is "$(find P -name root.key)" "" "has no key of its own"
is "$(grep -c -e 123456 -r P | grep -vc ":0$")" 0 "and no PIN"
is "$(openssl pkey -in root.p8 -pubout)" "$(openssl x509 -in P/root.pem -noout -pubkey)" "its key is that one"
ok "does all its acts" acts P --pin file:pin
is "$(events P)" "$all_acts" "and records them"
ok "its log can be verified without token and PIN" env SOFTHSM2_CONF=/nowhere "$ca" audit --dir P --verify
ok "its certificates can be listed without them" env SOFTHSM2_CONF=/nowhere "$ca" list --dir P
ok "the PIN from a descriptor" bash -c "'$ca' crl --dir P --pin fd:5 5<pin"
ok "the PIN from the environment" env PIN_OF_CA=123456 "$ca" crl --dir P --pin env:PIN_OF_CA
host_tpm_start home || bail "the CA's TPM did not start"
home=$host_tcti
# tries N: so many wrong PINs in a row before the TPM locks itself, and none so far.
tries() { TPM2TOOLS_TCTI=$home tpm2_dictionarylockout -s -n "$1" -t 100000 -l 100000 -c; }
tries 32 || bail "the TPM's limit for wrong PINs cannot be set"
ok "a CA whose key is in a TPM" "$ca" init --dir T --root-key "tpm:$home" --pin file:pin
is "$(stat -c %a T/signer.json T/root.blob | uniq)" 600 "remembers which"
is "$(find T -name root.key)" "" "has no key of its own"
ok "does all its acts" acts T --pin file:pin
is "$(events T)" "$all_acts" "and records them"
like "$(openssl x509 -in T/root.pem -noout -text)" "ASN1 OID: prime256v1" "its key is P-256"
ok "a CA whose key is in a TPM, without a PIN" "$ca" init --dir U --root-key "tpm:$home"
ok "does all its acts" acts U

### PINs
# unchanged CA COMMAND...: whatever is refused, the CA stays as it was.
state() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }
pin_refused() { # CA CODE REGEX DESCRIPTION OPTION...
    local dir=$1 code=$2 regex=$3 description=$4 before
    shift 4
    before=$(state "$dir")
    refuses "$code" "$regex" "$description" "$ca" nonce --dir "$dir" "$@"
    is "$(state "$dir")" "$before" "nothing is done"
}
pin_refused P 1 "key in a PKCS#11 token: .*PIN" "a token and a wrong PIN" --pin file:pin.wrong
pin_refused P 1 "key in a PKCS#11 token: .*PIN" "a token and no PIN"
pin_refused T 1 "PIN of the signing key is wrong .*the TPM counts wrong ones" "a TPM and a wrong PIN" \
    --pin file:pin.wrong
pin_refused T 1 "PIN of the signing key is wrong" "a TPM and no PIN"
tries 2 || bail "the TPM's limit for wrong PINs cannot be set"
for _ in 1 2; do "$ca" nonce --dir T --pin file:pin.wrong >/dev/null 2>&1; done
pin_refused T 1 "the TPM is in dictionary attack lockout" "after too many wrong ones the right one does not do" \
    --pin file:pin
ok "a key without PIN is not concerned" "$ca" nonce --dir U
tries 32
ok "the TPM's owner ends that" "$ca" nonce --dir T --pin file:pin
pin_refused P 2 "pin: file:NAME, fd:NUMBER or env:NAME expected" "a PIN on the command line" --pin 123456
is "$(grep -c 123456 refuses.log)" 0 "which is not repeated"
pin_refused P 2 "expected" "pass: is on the command line, too" --pin pass:123456
pin_refused P 1 "pin: .*nowhere" "a file that is not there" --pin file:nowhere
pin_refused P 2 "pin: fd:NUMBER expected" "a descriptor that is none" --pin fd:five
pin_refused P 1 "descriptor 77" "a descriptor that is not open" --pin fd:77
pin_refused P 1 "no variable NO_SUCH_PIN" "a variable that is not there" --pin env:NO_SUCH_PIN
chmod 644 pin
pin_refused P 1 "must not be open to others" "a file that all can read" --pin file:pin
chmod 600 pin
printf '%040d' 0 >pin.long
refuses 1 "at most 32 bytes expected, found 40" "a PIN that no TPM takes" \
    "$ca" init --dir L --root-key "tpm:$home" --pin file:pin.long
is "$(find L -type f)" "" "leaves nothing"
refuses 2 "a PIN does not belong into the URL" "a PIN in the URL" \
    "$ca" init --dir L --root-key "$(url root)?pin-value=123456"
refuses 1 "PIN" "init with a wrong PIN" "$ca" init --dir L --root-key "$(url root)" --pin file:pin.wrong
is "$(find L -type f)" "" "leaves nothing"
refuses 2 "key-algorithm: not with --root-key" "a kind of key for one that is there" \
    "$ca" init --dir L --root-key "$(url root)" --key-algorithm p384

### Keys that are not there, or are others
refuses 1 "key in a PKCS#11 token: " "a token that is not there" \
    env SOFTHSM2_CONF=/nowhere "$ca" crl --dir P --pin file:pin
refuses 1 "key in a PKCS#11 token: " "a key that is not in the token" \
    "$ca" init --dir L --root-key "$(url nobody)" --pin file:pin
for dir in P T U; do cp -a $dir $dir.good; done
sed -i 's/object=root/object=other/' P/signer.json
pin_refused P 1 "root.pem: is not the certificate of the CA's key .pkcs11" "another key of the token" \
    --pin file:pin
cp U/root.blob T/root.blob
pin_refused T 1 "root.pem: is not the certificate of the CA's key .tpm" "another key of the TPM" \
    --pin file:pin
sed -i 's/"kind" : "tpm"/"kind" : "abacus"/' U/signer.json
pin_refused U 1 'signer.json: member "kind": "pkcs11" or "tpm" expected' "a kind that is none"
rm -r P T U
for dir in P T U; do mv $dir.good $dir; done
cp -a T half && rm half/root.blob
pin_refused half 1 "root.blob" "a key whose blob is lost" --pin file:pin
head -c 100 T/root.blob >half/root.blob
pin_refused half 1 "root.blob" "or cut" --pin file:pin
host_tpm_stop
pin_refused T 1 "host TPM not reachable" "a TPM that is off" --pin file:pin
host_tpm_start guest || bail "the other TPM did not start"
ln -s "$tap_dir/guest/sock" home/sock
ln -s "$tap_dir/guest/sock.ctrl" home/sock.ctrl
pin_refused T 1 "TPM replaced or cleared" "another TPM in its place" --pin file:pin
host_tpm_stop
rm -f home/sock home/sock.ctrl

### Somebody on the way to the TPM
bus_pid=
bus() { # MODE: between the CA V and its TPM
    [ -z "$bus_pid" ] || stop "$bus_pid"
    rm -rf bus V && cp -a U V
    start bus python3 "$top_srcdir/tests/cli/tpmbus.py" "$tap_dir/bus" "$tap_dir/home/sock" "$1"
    bus_pid=$started
    wait_socket bus/sock "$bus_pid" || bail "the bus did not start"
    sed -i "s|$home|swtpm:path=$tap_dir/bus/sock|" V/signer.json
}
asked() { # CA: a request that it could grant
    "$ca" challenge --dir "$1" --request hello --out challenge >/dev/null &&
        "$authority" respond --dir A --challenge challenge --out response >/dev/null
}
host_tpm_start home || bail "the CA's TPM did not start again"
asked U || bail "there is no request"
bus gone
before=$(state V)
refuses 1 "not done, since it cannot be recorded: .*host TPM" \
    "a TPM that goes between the certificate and its line" \
    "$ca" delegate --dir V --request response --allow-software --out gone.pem
is "$(state V)" "$before" "nothing is done"
is "$(ls gone.pem 2>/dev/null)" "" "nothing is handed out"
bus sign
refuses 1 "response failed|does not verify with the pinned public key" "altered signatures" \
    "$ca" delegate --dir V --request response --allow-software --out gone.pem
is "$(state V)" "$before" "nothing is done"
bus watch
ok "with nobody meddling the same request is granted" \
    "$ca" delegate --dir V --request response --allow-software --out gone.pem
host_tpm_stop

### While it serves
host_tpm_start home || bail "the CA's TPM did not start again"
enrols() { # HOST
    "$authority" init --dir "$1" --software >/dev/null && "$authority" enrol --dir "$1" --server "unix:$PWD/s"
}
serving_refused() { # CA REGEX DESCRIPTION OPTION...
    local dir=$1 regex=$2 description=$3
    shift 3
    refuses 1 "$regex" "$description" timeout 20 "$ca" serve --dir "$dir" --unix s --allow-software "$@"
}
serving_refused P "PIN" "no service with a wrong PIN for the token" --pin file:pin.wrong
serving_refused T "PIN of the signing key is wrong" "nor for the TPM" --pin file:pin.wrong
serving_start --dir P --allow-software --pin file:pin || { diag_file serve.log; bail "it does not serve"; }
ok "a key in a token serves" enrols host.p
serving_start --dir T --allow-software --pin file:pin || { diag_file serve.log; bail "it does not serve"; }
ok "a key in a TPM serves" enrols host.t
host_tpm_stop
before=$(state T)
refuses 1 "server refuses" "its TPM is gone: nobody is served" enrols host.gone
is "$(state T)" "$before" "and nothing recorded or given"
like "$(cat serve.log)" "refused: not done, since it cannot be recorded: .*host TPM" "the log says why"
host_tpm_start home || bail "the CA's TPM did not start again"
ok "it is there again: the next host is served" "$authority" enrol --dir host.gone --server "unix:$PWD/s"
is "$(events T | tr ' ' '\n' | tail -n 4 | tr '\n' ' ')" "nonce delegate nonce delegate " "with its lines"
ok "and the log is whole" whole T
finish
