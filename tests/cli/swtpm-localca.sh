#!/bin/bash
# holdfast-localca under the names swtpm_localca and swtpm_cert, beside Debian's: the same command lines
# give the same exit code and certificates of the same content; either goes on with the other's CA
# directory; parallel runs share one; encrypted and PKCS#11 keys; refusals that lose nothing.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need openssl
names=$(cd "$top_builddir" && pwd)/swtpm-names
[ -x "$names/swtpm_cert" ] || bail "$names has no links"
debian=
[ -x /usr/bin/swtpm_cert ] && [ -x /usr/bin/swtpm_localca ] && debian=/usr/bin
cd "$tap_dir" || bail "no directory"
unset SWTPM_ROOTCA_PASSWORD SWTPM_PKCS11_PIN
export XDG_CONFIG_HOME=$tap_dir/config

# What a TPM has: an RSA and two ECC keys.
openssl genrsa -out ek.pem 2048 2>/dev/null
openssl rsa -in ek.pem -pubout -out ek.pub.pem 2>/dev/null
modulus=$(openssl rsa -in ek.pem -noout -modulus | cut -d= -f2)
point() { # point CURVE: "x=HEX,y=HEX,id=CURVE" of a new key
    openssl ecparam -genkey -name "$1" -noout 2>/dev/null |
        openssl ec -pubout -conv_form uncompressed -outform DER 2>/dev/null | od -An -v -tx1 | tr -d ' \n' |
        python3 -c "
import sys
data = bytes.fromhex(sys.stdin.read())
size = {'prime256v1': 32, 'secp384r1': 48, 'secp521r1': 66}['$1']
x, y = data[-2 * size:-size], data[-size:]
print(f'x={x.hex()},y={y.hex()},id={\"secp256r1\" if size == 32 else \"$1\"}')"
}
ecc=$(point secp384r1)
p256=$(point prime256v1)
p521=$(point secp521r1)

tpm=(--tpm-manufacturer id:00001014 --tpm-model swtpm --tpm-version id:20191023)
spec=(--tpm-spec-family 2.0 --tpm-spec-level 0 --tpm-spec-revision 164)
platform=(--platform-manufacturer Fedora --platform-model QEMU --platform-version 2.1)

# conf NAME [LINE...]: NAME.conf for the CA directory NAME.
conf() {
    local name=$1
    shift
    printf '%s\n' "statedir = $tap_dir/$name" "signingkey = $tap_dir/$name/signkey.pem" \
        "issuercert = $tap_dir/$name/issuercert.pem # comment" "certserial = $tap_dir/$name/certserial" "$@" >"$name.conf"
}
printf -- '--platform-manufacturer Fedora\n--platform-version 2.1\n--platform-model QEMU\n' >options

# localca DIRECTORY NAME ARGUMENT...: a certificate from the CA NAME into DIRECTORY.
program=$names
localca() {
    local dir=$1 name=$2
    shift 2
    mkdir -p "$dir"
    "$program/swtpm_localca" --configfile "$name.conf" --optsfile options --dir "$dir" "${tpm[@]}" "${spec[@]}" "$@"
}
# field FILE...: of a DER certificate, one line.
field() { openssl x509 -inform DER -in "$1" -noout "${@:2}" -nameopt RFC2253 2>/dev/null; }
# verifies CA FILE...: each is valid under the CA's root (openssl does not know the TCG's names).
# shellcheck disable=SC2317  # called through ok
verifies() {
    local name=$1 file
    shift
    for file in "$@"; do
        openssl x509 -inform DER -in "$file" -out verify.pem &&
            openssl verify -x509_strict -CAfile "$name/swtpm-localca-rootca-cert.pem" \
                -untrusted "$name/issuercert.pem" verify.pem || return
    done
}

# --- a new CA ---

conf ca
out=$(localca one ca --type ek --ek "$modulus" --tpm2 --vmid vm1:8a3c)
is "$out" "Creating swtpm-localca dir '$tap_dir/ca'.
Creating root CA and a local CA's signing key and issuer cert.
Successfully created EK certificate locally." "a new CA is made and says so"
is "$(localca one ca --type platform --ek "$modulus" --tpm2 --vmid vm1:8a3c)" \
    "Successfully created platform certificate locally." "it is made once"
localca ecc ca --type ek --ek "$ecc" --tpm2 --vmid vm1:8a3c >/dev/null
localca sign ca --type ek --ek "$p256" --tpm2 --allow-signing >/dev/null
localca both ca --type ek --ek "$p521" --tpm2 --allow-signing --decryption >/dev/null
ok "openssl verifies all of them" verifies ca one/ek.cert one/platform.cert ecc/ek.cert sign/ek.cert both/ek.cert
ok "and the issuer" openssl verify -x509_strict -CAfile ca/swtpm-localca-rootca-cert.pem ca/issuercert.pem
is "$(stat -c '%a' ca)" 750 "the directory is not for others"
is "$(stat -c '%a' ca/signkey.pem ca/swtpm-localca-rootca-privkey.pem | sort -u)" 640 "neither are the keys"
is "$(stat -c '%a' one/ek.cert)" 600 "the certificate is the caller's"
is "$(cat ca/certserial)" 5 "the count counts"
for number in 99:100 1461501637330902918203684832716283019655932542974:1461501637330902918203684832716283019655932542975 \
    1461501637330902918203684832716283019655932542975:'[1-9][0-9]{19}' garbage:1; do
    printf %s "${number%:*}" >ca/certserial
    localca again ca --type ek --ek "$modulus" --tpm2 >/dev/null
    like "$(cat ca/certserial)" "^${number#*:}\$" "it goes on after ${number%:*}"
done
like "$(openssl x509 -in ca/swtpm-localca-rootca-cert.pem -noout -ext basicConstraints)" "CA:TRUE, pathlen:1" "the root has a path length"
like "$(openssl x509 -in ca/issuercert.pem -noout -ext basicConstraints)" "CA:TRUE, pathlen:0" "the issuer too"
is "$(field one/ek.cert -subject)" "subject=CN=vm1:8a3c" "the subject is the VM"
is "$(field sign/ek.cert -subject)" "subject=CN=unknown" "without a VM it is unknown"
is "$(field one/ek.cert -enddate)" "notAfter=Dec 31 23:59:59 9999 GMT" "it does not expire"
like "$(field one/ek.cert -ext keyUsage)" "Key Encipherment" "RSA: key encipherment"
like "$(field ecc/ek.cert -ext keyUsage)" "Key Agreement" "ECC: key agreement"
like "$(field sign/ek.cert -ext keyUsage)" "Digital Signature$" "--allow-signing: digital signature"
like "$(field both/ek.cert -ext keyUsage)" "Digital Signature, Key Agreement" "--decryption: both"
like "$(field one/ek.cert -ext extendedKeyUsage)" "2.23.133.8.1|Endorsement Key Certificate" "the usage is the EK's"
like "$(field one/platform.cert -ext extendedKeyUsage)" "2.23.133.8.2|Platform Attribute Certificate" "the usage is the platform's"
like "$(field one/platform.cert -ext subjectAltName)" "Fedora.*QEMU.*2.1" "the options file is obeyed"
like "$(field one/ek.cert -text)" "Policy: [0-9.]*[.]1[.]2" "the certificate says software-rooted"
isnt "$(field one/ek.cert -serial)" "$(field one/platform.cert -serial)" "serial numbers differ"
serial=$(field one/ek.cert -serial)
is "${#serial}" $((7 + 40)) "and are 20 random bytes"

localca comma ca --type ek --ek "$modulus" --tpm2 --vmid 'a,b+c=d' >/dev/null
is "$(field comma/ek.cert -subject)" "subject=CN=a_b_c=d" "what would end a name becomes _"
localca long ca --type ek --ek "$modulus" --tpm2 --vmid "$(printf 'x%.0s' {1..100})" >/dev/null
ok "a long name is taken" test -s long/ek.cert
localca iak ca --type iak --key "$ecc" --tpm2 --vmid vm1 --tpm-serial-num IBM:01:02 >/dev/null
is "$(field iak/iak.cert -subject)" "subject=serialNumber=vm1" "an IAK's subject is a serial number"
localca idevid ca --type idevid --key "$ecc" --tpm2 --vmid vm1 --tpm-serial-num IBM:01:02 >/dev/null
ok "IAK and IDevID verify" verifies ca iak/iak.cert idevid/idevid.cert
is "$(localca log ca --type ek --ek "$modulus" --tpm2 --logfile log.txt)" "" "with --logfile nothing is printed"
is "$(cat log.txt)" "Successfully created EK certificate locally." "it stands in the log"
localca old ca --type ek --ek "$modulus" >/dev/null
is "$(od -An -tx1 -N 3 old/ek.cert | tr -d ' \n')" 100100 "TPM 1.2: the header of its NVRAM"
tail -c +8 old/ek.cert >old/ek.der
is "$(field old/ek.der -subject)" "subject=" "TPM 1.2: no subject"
ok "TPM 1.2: it verifies" verifies ca old/ek.der

# --- configuration ---

mkdir -p config
sed "s|$tap_dir|\${WHERE}|" ca.conf >config/swtpm-localca.conf
cp options config/swtpm-localca.options
mkdir xdg
ok "the user's own configuration is found, \${NAME} is replaced" env WHERE="$tap_dir" "$names/swtpm_localca" \
    --dir xdg --type ek --ek "$modulus" --tpm2 "${tpm[@]}" "${spec[@]}"
ok "and the certificate is of that CA" verifies ca xdg/ek.cert
ok "no directory is named \${WHERE}" test ! -e "\${WHERE}"

# --- parallel setups share a fresh CA ---

conf shared
mkdir shared
printf 22 >shared/certserial
pids=()
for i in {1..20}; do
    localca "p$i" shared --type ek --ek "$modulus" --tpm2 --vmid "vm$i" >"p$i.log" 2>&1 &
    pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
is "$failed" 0 "20 at the same time on one fresh CA directory"
ok "20 valid certificates under one CA" verifies shared p{1..20}/ek.cert
is "$(for i in {1..20}; do field "p$i/ek.cert" -serial; done | sort -u | wc -l)" 20 "with 20 serial numbers"
is "$(for i in {1..20}; do field "p$i/ek.cert" -subject; done | sort -u | wc -l)" 20 "for 20 machines"
is "$(grep -l 'Creating root CA' p?.log p??.log | wc -l)" 1 "one of them made the CA"
is "$(cat shared/certserial)" 42 "the count has all"
is "$(find shared -name '*.tmp')" "" "nothing is left over"

# --- half a CA is completed, never replaced ---

conf half
mkdir half
cp shared/swtpm-localca-rootca-privkey.pem shared/signkey.pem half
before=$(cat half/*.pem | sha256sum)
ok "a CA directory with keys but no certificates is completed" localca h1 half --type ek --ek "$modulus" --tpm2
ok "its certificates verify" verifies half h1/ek.cert
is "$(cat half/signkey.pem half/swtpm-localca-rootca-privkey.pem | sha256sum)" "$before" "with the keys that were there"
rm half/signkey.pem
before=$(cat half/* | sha256sum)
refuses 1 "is there, but not its key" "an issuer without its key is not replaced" \
    localca h2 half --type ek --ek "$modulus" --tpm2
is "$(cat half/* | sha256sum)" "$before" "nothing has changed"
ok "nothing was made" test ! -e h2/ek.cert
rm half/issuercert.pem half/swtpm-localca-rootca-privkey.pem
refuses 1 "no new issuer can be certified" "a root without its key makes no issuer" \
    localca h2 half --type ek --ek "$modulus" --tpm2
ok "and no key" test ! -e half/signkey.pem

# --- encrypted keys ---

conf secret "signingkey_password = geheim"
ok "keys are encrypted when there are passwords" env SWTPM_ROOTCA_PASSWORD=wurzel "$names/swtpm_localca" \
    --configfile secret.conf --optsfile options --dir one --type ek --ek "$modulus" --tpm2 "${tpm[@]}" "${spec[@]}"
ok "it verifies" verifies secret one/ek.cert
is "$(grep -c 'BEGIN ENCRYPTED' secret/signkey.pem secret/swtpm-localca-rootca-privkey.pem)" \
    "secret/signkey.pem:1
secret/swtpm-localca-rootca-privkey.pem:1" "both are"
ok "openssl decrypts them" openssl pkey -in secret/signkey.pem -passin pass:geheim -noout
sed 's/geheim/falsch/' secret.conf >wrong.conf
rm -f w/ek.cert
refuses 1 "decrypt" "a wrong password" localca w wrong --type ek --ek "$modulus" --tpm2
grep -v password secret.conf >wrong.conf
refuses 1 "encrypted" "no password" localca w wrong --type ek --ek "$modulus" --tpm2
ok "no certificate then" test ! -e w/ek.cert

# cert ARGUMENT...: swtpm_cert with the secret CA's issuer, into out.cert.
cert() {
    rm -f out.cert
    "$names/swtpm_cert" --modulus "$modulus" --issuercert secret/issuercert.pem --out-cert out.cert --tpm2 \
        "${tpm[@]}" "${spec[@]}" --signkey secret/signkey.pem "$@"
}
printf geheim >password
printf 'geheim\n' >password.line
openssl pkey -in secret/signkey.pem -passin pass:geheim -traditional -aes128 -passout pass:geheim -out old-style.pem
ok "--signkey-password" cert --signkey-password geheim
ok "--signkey-pwd pass:" cert --signkey-pwd pass:geheim
ok "--signkey-pwd as it is" cert --signkey-pwd geheim
ok "--signkey-pwd file:" cert --signkey-pwd file:password
ok "--signkey-pwd env:" env PW=geheim "$names/swtpm_cert" --modulus "$modulus" --issuercert secret/issuercert.pem \
    --out-cert out.cert --tpm2 "${tpm[@]}" "${spec[@]}" --signkey secret/signkey.pem --signkey-pwd env:PW
code=0
cert --signkey-pwd fd:7 7<password || code=$?
is "$code" 0 "--signkey-pwd fd: of a file that is open"
ok "a key encrypted in the old style" cert --signkey old-style.pem --signkey-pwd pass:geheim
refuses 1 "decrypt" "a newline belongs to the password" cert --signkey-pwd file:password.line
refuses 1 "decrypt" "wrong" cert --signkey-password falsch
refuses 1 "Could not open password file for reading" "no such file" cert --signkey-pwd file:none
refuses 1 "Could not read password from file descriptor" "no such descriptor" cert --signkey-pwd fd:99
refuses 1 "Bad file descriptor for password" "no descriptor at all" cert --signkey-pwd fd:x
refuses 1 "Could not get password from environment variable" "no such variable" cert --signkey-pwd env:NOPE
ok "nothing was written" test ! -e out.cert

# --- PKCS#11 ---

if [ -n "$(type -P softhsm2-util)" ] && [ -n "$(type -P p11tool)" ]; then
    mkdir tokens
    echo "directories.tokendir = $tap_dir/tokens" >softhsm2.conf
    export SOFTHSM2_CONF=$tap_dir/softhsm2.conf
    openssl genrsa 3072 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -out token.pem
    openssl req -x509 -key token.pem -subj /CN=token-ca -days 30 -out token-ca.pem 2>/dev/null
    ok "a token" softhsm2-util --init-token --free --label hf --pin 1234 --so-pin 4321
    ok "with the CA's key" softhsm2-util --import token.pem --token hf --label sign --id 01 --pin 1234
    unset SOFTHSM2_CONF
    printf '%s\n' "statedir = $tap_dir/p11" "signingkey = pkcs11:token=hf;object=sign;type=private" \
        "issuercert = $tap_dir/token-ca.pem" "SWTPM_PKCS11_PIN = 1234" "env:SOFTHSM2_CONF=$tap_dir/softhsm2.conf" >p11.conf
    ok "the CA's key is in a PKCS#11 token" localca t p11 --type ek --ek "$modulus" --tpm2
    openssl x509 -inform DER -in t/ek.cert -out t.pem
    ok "the certificate verifies" openssl verify -CAfile token-ca.pem t.pem
    sed -i '/^signingkey/s/;/\\;/g' p11.conf
    like "$(cat p11.conf)" 'hf\\;object' "a URI as swtpm-create-tpmca writes it"
    ok "is understood" localca t p11 --type ek --ek "$modulus" --tpm2
    export SOFTHSM2_CONF=$tap_dir/softhsm2.conf
    ok "swtpm_cert takes the PIN from the environment" env SWTPM_PKCS11_PIN=1234 "$names/swtpm_cert" --tpm2 "${tpm[@]}" "${spec[@]}" \
        --modulus "$modulus" --signkey "pkcs11:token=hf;object=sign;type=private" --issuercert token-ca.pem --out-cert t.cert
    ok "or from the URL" "$names/swtpm_cert" --tpm2 "${tpm[@]}" "${spec[@]}" --modulus "$modulus" \
        --signkey "pkcs11:token=hf;object=sign;type=private?pin-value=1234" --issuercert token-ca.pem --out-cert t.cert
    rm -f t/ek.cert t.cert
    sed 's/= 1234/= 9999/' p11.conf >p11wrong.conf
    refuses 1 "pkcs11" "a wrong PIN" localca t p11wrong --type ek --ek "$modulus" --tpm2
    refuses 1 "pkcs11" "no such token" "$names/swtpm_cert" --tpm2 "${tpm[@]}" "${spec[@]}" --modulus "$modulus" \
        --signkey "pkcs11:token=none;object=sign;type=private" --issuercert token-ca.pem --out-cert t.cert
    refuses 1 "pkcs11" "no URL" "$names/swtpm_cert" --tpm2 "${tpm[@]}" "${spec[@]}" --modulus "$modulus" \
        --signkey "pkcs11:foo" --issuercert token-ca.pem --out-cert t.cert
    refuses 1 "issuer" "the issuer of another key" env SWTPM_PKCS11_PIN=1234 "$names/swtpm_cert" --tpm2 "${tpm[@]}" "${spec[@]}" \
        --modulus "$modulus" --signkey "pkcs11:token=hf;object=sign;type=private" --issuercert ca/issuercert.pem --out-cert t.cert
    ok "nothing was written" test ! -e t.cert -a ! -e t/ek.cert
    unset SOFTHSM2_CONF
else
    skip "PKCS#11 keys" "softhsm2 or gnutls-bin is not installed"
fi

# --- refusals, with Debian's exit code ---

conf bad
# code_of TOOL ARGUMENT...: exit code of ours and of Debian's are 1.
code_of() {
    local what=$1 tool=$2 code=0
    shift 2
    refuses 1 . "$what: refused" "$names/$tool" "$@"
    [ -n "$debian" ] || return 0
    ls refused >refused.before
    "$debian/$tool" "$@" >/dev/null 2>&1 || code=$?
    [ -s refused.before ] || rm -f refused/*
    # Where swtpm dies of a signal or does it anyway, we refuse.
    if [ "$code" -ne 1 ]; then
        diag "Debian's $tool: $code"
        rm -f made.cert
    fi
}
mkdir refused
all=(--type ek --ek "$modulus" --dir refused --tpm2 "${tpm[@]}" "${spec[@]}")
before=$(cat ca/*.pem | sha256sum)
code_of "no configuration" swtpm_localca "${all[@]}" --configfile none.conf --optsfile options
code_of "no options file" swtpm_localca "${all[@]}" --configfile ca.conf --optsfile none
echo garbage >garbage.conf
code_of "a configuration of garbage" swtpm_localca "${all[@]}" --configfile garbage.conf --optsfile options
head -c 100000 /dev/zero >large.conf
code_of "a configuration without an end" swtpm_localca "${all[@]}" --configfile large.conf --optsfile options
code_of "a directory as configuration" swtpm_localca "${all[@]}" --configfile one --optsfile options
grep -v signingkey ca.conf >part.conf
code_of "no signing key in it" swtpm_localca "${all[@]}" --configfile part.conf --optsfile options
code_of "an unknown type" swtpm_localca "${all[@]}" --configfile ca.conf --optsfile options --type nonsense
code_of "an odd number of digits" swtpm_localca "${all[@]}" --configfile ca.conf --optsfile options --ek abc
code_of "digits that are none" swtpm_localca "${all[@]}" --configfile ca.conf --optsfile options --ek zz
refuses 1 . "half a point" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile options --ek x=11
refuses 1 . "a point beside the curve" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile options \
    --ek x=11,y=22,id=secp384r1
code_of "an unknown curve" swtpm_localca "${all[@]}" --configfile ca.conf --optsfile options --ek "${ecc/secp384r1/secp999}"
refuses 1 . "no directory" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile options --dir /nonexistent/dir
refuses 1 . "an unknown option" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile options --bogus
echo "--bogus" >bad.options
code_of "an unknown option in the options file" swtpm_localca "${all[@]}" --configfile ca.conf --optsfile bad.options
echo "--help" >bad.options
refuses 1 . "an option that prints in the options file" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile bad.options
printf -- '--platform-manufacturer' >bad.options
refuses 1 . "an option without its value in the options file" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile bad.options
ln -s /dev/null link.log
refuses 1 . "a log that is a link" "$names/swtpm_localca" "${all[@]}" --configfile ca.conf --optsfile options --logfile link.log
sed 's|signkey.pem|../options|' ca.conf >nokey.conf
code_of "a signing key that is none" swtpm_localca "${all[@]}" --configfile nokey.conf --optsfile options
sed 's|issuercert.pem|signkey.pem|' ca.conf >noissuer.conf
code_of "an issuer that is none" swtpm_localca "${all[@]}" --configfile noissuer.conf --optsfile options
sed "s|ca/issuercert.pem|shared/issuercert.pem|" ca.conf >foreign.conf
refuses 1 "not the one in the issuer" "the issuer of another key" "$names/swtpm_localca" "${all[@]}" --configfile foreign.conf --optsfile options
is "$(cat ca/*.pem | sha256sum)" "$before" "the CA is as it was"
is "$(ls refused)" "" "nothing was made by ours"
if [ "$(id -u)" = 0 ] && [ -n "$(type -P setpriv)" ]; then
    chmod 755 "$tap_dir"
    refuses 1 . "a key that may not be read" setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$names/swtpm_cert" --modulus "$modulus" --signkey "$tap_dir/ca/signkey.pem" --issuercert "$tap_dir/ca/issuercert.pem" \
        "${tpm[@]}" "${spec[@]}" --tpm2
fi

good=(--modulus "$modulus" --signkey ca/signkey.pem --issuercert ca/issuercert.pem --out-cert made.cert --tpm2 "${tpm[@]}" "${spec[@]}")
rm -f made.cert
code_of "nothing at all" swtpm_cert
code_of "no issuer" swtpm_cert --modulus "$modulus"
code_of "no TPM" swtpm_cert "${good[@]:0:9}"
code_of "no specification" swtpm_cert "${good[@]:0:9}" "${tpm[@]}"
code_of "a modulus of no digits" swtpm_cert "${good[@]}" --modulus ""
code_of "no digits" swtpm_cert "${good[@]}" --modulus 0x12
code_of "an exponent that is none" swtpm_cert "${good[@]}" --exponent x
code_of "an exponent of 0" swtpm_cert "${good[@]}" --exponent 0
code_of "RSA and ECC at once" swtpm_cert "${good[@]}" --ecc-x 11 --ecc-y 22
code_of "half a point" swtpm_cert "${good[@]:2}" --ecc-x 11
code_of "no public key" swtpm_cert "${good[@]:2}" --pubkey none
code_of "a public key that is none" swtpm_cert "${good[@]:2}" --pubkey options
code_of "a serial number that is none" swtpm_cert "${good[@]}" --serial abc
code_of "a serial number of 0" swtpm_cert "${good[@]}" --serial 0
code_of "a serial number that is too large" swtpm_cert "${good[@]}" --serial 1461501637330902918203684832716283019655932542976
refuses 1 . "a negative serial number" "$names/swtpm_cert" "${good[@]}" --serial -5
refuses 1 . "days that are none" "$names/swtpm_cert" "${good[@]}" --days abc
refuses 1 . "a validity of no time" "$names/swtpm_cert" "${good[@]}" --days 0
code_of "an unknown type" swtpm_cert "${good[@]}" --type nonsense
code_of "a subject that is none" swtpm_cert "${good[@]}" --subject nonsense
code_of "an unknown attribute" swtpm_cert "${good[@]}" --subject XX=1
code_of "a level below 0" swtpm_cert "${good[@]}" --tpm-spec-level -1
code_of "a platform without its names" swtpm_cert "${good[@]}" --type platform
refuses 1 . "an IAK without a serial number" "$names/swtpm_cert" "${good[@]}" --type iak
for algorithm in ml-kem-512 ml-kem-768 ml-kem-1024 ml-dsa-44 ml-dsa-65 ml-dsa-87; do
    refuses 1 "^swtpm_cert: --keyalgo: keys of the algorithm $algorithm cannot be certified: libcrypto 3.5|^--keyalgo: keys of the algorithm $algorithm cannot" \
        "$algorithm" "$names/swtpm_cert" "${good[@]:2}" --public 00112233 --keyalgo $algorithm
done
refuses 1 "Unsupported key algorithm 'rsa'.*--modulus" "another algorithm that has options of its own" \
    "$names/swtpm_cert" "${good[@]:2}" --public 00112233 --keyalgo rsa
refuses 1 "must both be given" "a public key without its algorithm" "$names/swtpm_cert" "${good[@]:2}" --public 00112233
refuses 1 "must both be given" "beside a modulus, too" "$names/swtpm_cert" "${good[@]}" --keyalgo ml-dsa-65
refuses 1 . "a name with a line break" "$names/swtpm_cert" "${good[@]}" --tpm-model $'a\nb'
refuses 1 . "a name that is too long" "$names/swtpm_cert" "${good[@]}" --tpm-model "$(printf 'x%.0s' {1..65})"
code_of "a directory that is not there" swtpm_cert "${good[@]}" --out-cert /nonexistent/cert
code_of "no signing key" swtpm_cert "${good[@]}" --signkey none
code_of "no issuer certificate" swtpm_cert "${good[@]}" --issuercert none
refuses 1 . "an issuer that is no CA" "$names/swtpm_cert" "${good[@]}" --issuercert t.pem
refuses 1 . "an unknown option" "$names/swtpm_cert" "${good[@]}" --bogus
ok "none of them wrote a certificate" test ! -e made.cert
ok "with all in order there is one" "$names/swtpm_cert" "${good[@]}" extra

# --- the same certificate as Debian's swtpm_cert makes ---

like "$("$names/swtpm_cert" --print-capabilities)" '^[{] "type": "swtpm_cert", "features": [[] "cmdarg-signkey-pwd", "cmdarg-parentkey-pwd", .* [}]$' \
    "--print-capabilities"
like "$("$names/swtpm_cert" --print-capabilities)" '"cmdarg-tpm-serial-num", "supports-iak-idevid" \]' "nothing that cannot be done is said: no cmdarg-public"
"$names/swtpm_cert" "${good[@]}" --pem --serial 12345 --days 3 --subject 'C=US,ST=NY,L=NewYork,O=x y,OU=z,CN=hey,serialNumber=77'
is "$(openssl x509 -in made.cert -noout -subject -serial -nameopt RFC2253)" "subject=C=US,ST=NY,L=NewYork,O=x y,OU=z,CN=hey,serialNumber=77
serial=3039" "--pem, --serial, --subject"
for serial in 1 80 FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF; do
    ok "--serial 0x$serial" "$names/swtpm_cert" "${good[@]}" --serial "$(python3 -c "print(0x$serial)")"
    is "$(field made.cert -serial | sed 's/=0*/=/')" "serial=$serial" "it is that number"
done
ok "--pubkey" "$names/swtpm_cert" "${good[@]:2}" --pubkey ek.pub.pem
is "$(field made.cert -pubkey)" "$(cat ek.pub.pem)" "it is that key"
"$names/swtpm_cert" "${good[@]:0:6}" "${good[@]:8}" >stdout.cert
is "$(field stdout.cert -pubkey)" "$(cat ek.pub.pem)" "without --out-cert it goes to standard output"
"$names/swtpm_cert" "${good[@]}" --exponent 3
like "$(field made.cert -text)" "Exponent: 3 " "--exponent"
# content FILE: what does not depend on time, serial number and order, one line an extension; without policies.
content() {
    field "$1" -text | python3 -c '
import re, sys
text = sys.stdin.read().split("X509v3 extensions:\n")[1].split("    Signature Algorithm")[0]
parts = re.split(r"\n {12}(?=\S)", "\n" + text.rstrip())
print("\n".join(sorted(re.sub(r"\s+", " ", p) for p in parts if p.strip() and "Policies" not in p)))'
    field "$1" -subject -issuer -pubkey
}
if [ -n "$debian" ]; then
    for arguments in "--tpm2 --subject CN=abc" "--tpm2 --subject C=DE,O=Two\ Words,CN=abc" "--tpm2" "" "--add-header" \
        "--tpm2 --allow-signing" "--tpm2 --allow-signing --decryption" "--tpm2 --type platform" \
        "--tpm2 --days -1" "--tpm2 --tpm-manufacturer id:49424d00"; do
        eval "words=($arguments)"
        common=("${good[@]:0:6}" "${tpm[@]}" "${spec[@]}" "${platform[@]}" "${words[@]}")
        "$names/swtpm_cert" "${common[@]}" --out-cert ours.cert
        "$debian/swtpm_cert" "${common[@]}" --out-cert theirs.cert
        if [ "$arguments" = --add-header ]; then
            is "$(od -An -tx1 -N 3 ours.cert)" "$(od -An -tx1 -N 3 theirs.cert)" "the header is the same"
            for who in ours theirs; do tail -c +8 $who.cert >$who.der && mv $who.der $who.cert; done
        fi
        is "$(content ours.cert)" "$(content theirs.cert)" "the same content as Debian's: $arguments"
    done
    # swtpm's alternative name of a TPM 1.2's platform is malformed: a sequence too much.
    common=("${good[@]:0:6}" "${tpm[@]}" "${spec[@]}" "${platform[@]}" --type platform)
    "$names/swtpm_cert" "${common[@]}" --out-cert ours.cert
    "$debian/swtpm_cert" "${common[@]}" --out-cert theirs.cert
    is "$(content ours.cert | grep -v Alternative)" "$(content theirs.cert | grep -v Alternative)" \
        "the same content as Debian's but for the alternative name: --type platform"
    like "$(field ours.cert -ext subjectAltName)" "(2.23.133.2.3|tcg-at-tpmVersion)=id:20191023/2.23.133.2.4=Fedora/2.23.133.2.5=QEMU/2.23.133.2.6=2.1" \
        "TPM 1.2: the alternative name names TPM and platform"
    conf theirs
    program=$debian
    ok "Debian's swtpm_localca makes a CA" localca one theirs --type ek --ek "$modulus" --tpm2 --vmid first
    program=$names
    before=$(cat theirs/*.pem | sha256sum)
    ok "ours goes on with it" localca two theirs --type ek --ek "$modulus" --tpm2 --vmid second
    program=$debian
    ok "and theirs again" localca three theirs --type ek --ek "$modulus" --tpm2 --vmid third
    ok "theirs goes on with ours" localca four shared --type ek --ek "$modulus" --tpm2 --vmid fourth
    program=$names
    ok "all verify" verifies theirs one/ek.cert two/ek.cert three/ek.cert
    ok "here too" verifies shared four/ek.cert
    is "$(cat theirs/*.pem | sha256sum)" "$before" "keys and certificates of the CA stay as they were"
    isnt "$(field one/ek.cert -serial)" "$(field three/ek.cert -serial)" "swtpm's own serial numbers do not repeat"
else
    skip "beside Debian's swtpm_cert and swtpm_localca" "they are not installed"
fi

# A CA that may be read and not written can be used.
if [ "$(id -u)" = 0 ] && [ -n "$(type -P setpriv)" ]; then
    chmod -R a+rX shared options shared.conf
    chmod 755 "$tap_dir"
    mkdir -m 777 reader
    ok "a CA directory that is not writable" setpriv --reuid 65534 --regid 65534 --clear-groups "$names/swtpm_localca" \
        --configfile shared.conf --optsfile options --dir reader --type ek --ek "$modulus" --tpm2 "${tpm[@]}" "${spec[@]}"
    ok "serves all the same" verifies shared reader/ek.cert
else
    skip "a CA directory that is not writable" "only root can become somebody else"
fi
finish
