#!/usr/bin/env bash
# Every kind of key that swtpm_setup of 0.11 makes, as tpm2-tools and openssl find it in the TPM: handle, attributes, policy,
# algorithms, NV indices and what is in them, names of files, fields of certificates. The TPM makes each key once more from the
# template as it is written in the TCG's documents. Then what the engine cannot make, of which nothing is written.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154,SC2012,SC2094  # functions are called by ok and refuses; tap_dir is tap.sh's; names are ours; stat reads no contents
. "${top_srcdir:-.}/tests/tap.sh"
need tpm2_createprimary tpm2_readpublic tpm2_nvreadpublic openssl python3

names=$(realpath "$top_builddir/swtpm-names")
setup=$names/swtpm_setup
export XDG_CONFIG_HOME=$tap_dir/config TMPDIR=$tap_dir TSS2_LOG=all+none
cd "$tap_dir" || exit 1
mkdir config
words=$([ "$(id -u)" != 0 ] || echo root)
"$setup" --create-config-files "$words" >/dev/null || bail "no configuration"
sed -i "s|^create_certs_tool = .*|create_certs_tool = $names/swtpm_localca|" config/swtpm_setup.conf

policy_a=837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa
policy_b384=b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12
policy_b512=b8221ca69e8550a4914de3faa6a18c072cc01208073a928d5d66d59ef79e49a429c41a6b269571d57edb25fbdb1838425608b413cd616a5f6db5b6071af99bea
iak256=5437182326e414fca797d5f174615a1641f61255797c3a2b22c21d120b2d1e07
iak384=129d94ebf84556652c6eef43bbb757512ac87e52be7b349ca6ce4d826f749fcf672f51716c5cbb605f313bf345aab312
idevid256=ad6b3a2284fd698a0710bf5cc1b9bdf15e2532e3f601fa4b93a6a8fa8de579ea
idevid384=4db1aa836d0b5615df6ee53a40ef70c61c217f4303d44695925972bc927006cfa5cbdf6dc18c4dbe329b2f1542c3dd33

# made DIR OPTION...
made() {
    local dir=$1
    shift
    mkdir -p "$dir" "$dir.files"
    "$setup" --tpm2 --tpm-state "$dir" --createek --create-ek-cert --create-platform-cert --lock-nvram --vmid "guest $dir" \
        --write-ek-cert-files "$dir.files" "$@"
}
power_on() { # DIR
    rm -f sock sock.ctrl
    start tpm "$emulator" socket --tpm2 --tpmstate "dir=$1" --server type=unixio,path=sock \
        --ctrl type=unixio,path=sock.ctrl --flags not-need-init,startup-clear
    { wait_socket sock.ctrl "$started" && wait_socket sock "$started"; } || bail "the emulator did not start"
}
export TPM2TOOLS_TCTI=swtpm:path=$tap_dir/sock

# unique KIND VALUE: the unique field as tpm2_createprimary -u takes it (tpm2-tss' structure as it is in memory): so many
# zeros, for a point twice; or a label, for a point as its x.
unique() {
    python3 - "$@" <<'PY'
import struct, sys
kind, value = sys.argv[1:]
rsa = lambda b: struct.pack("=H", len(b)) + b
point = lambda x, y: struct.pack("=H128sH128s", len(x), x, len(y), y)
data = {"rsa-zeros": lambda: rsa(bytes(int(value))), "ecc-zeros": lambda: point(bytes(int(value)), bytes(int(value))),
        "rsa-label": lambda: rsa(value.encode()), "ecc-label": lambda: point(value.encode(), b"")}[kind]()
sys.stdout.buffer.write(data)
PY
}
field() { sed -n "/^$1:/,/^[a-z]/s/^  $2: *//p" public.yaml | head -1; } # SECTION FIELD
# key HANDLE ALGORITHM HASH ATTRIBUTES POLICY UNIQUE...: what is persistent there is what this template makes.
key() {
    local handle=$1 algorithm=$2 hash=$3 attributes=$4 policy=$5
    tpm2_readpublic -c "$handle" >public.yaml 2>tool.log || { diag_file tool.log; return 1; }
    is "$(field name-alg value)" "$hash" "$handle: nameAlg"
    is "$(field attributes raw)" "$attributes" "$handle: attributes"
    is "$(sed -n 's/^authorization policy: *//p' public.yaml)" "$policy" "$handle: policy"
    printf %s "$policy" | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >policy
    unique "$6" "$7" >unique
    { tpm2_createprimary -C e -G "$algorithm" -g "$hash" -a "$attributes" -L policy -u unique -c again.ctx &&
        tpm2_readpublic -c again.ctx >again.yaml; } >tool.log 2>&1 || diag_file tool.log
    is "$(sed -n 's/^name: //p' again.yaml)" "$(sed -n 's/^name: //p' public.yaml)" "$handle: the TPM makes it again from the template"
    tpm2_flushcontext -t >/dev/null
    : >again.yaml
}
# certified INDEX FILE [HANDLE]: locked, what the file has, for the key at HANDLE.
certified() {
    local index=$1 file=$2 handle=${3:-}
    tpm2_nvreadpublic "$index" >index.yaml
    is "$(sed -n '/attributes/,/size/s/^ *value: *0x//p' index.yaml)" 62072801 "$index: attributes"
    is "$(sed -n 's/^ *size: *//p' index.yaml)" "$(stat -c %s "$file")" "$index: as long as the certificate"
    tpm2_nvread "$index" -o index.der 2>/dev/null
    ok "$index: is $(basename "$file")" cmp index.der "$file"
    is "$(stat -c %a "$file")" 640 "$(basename "$file"): mode"
    openssl x509 -inform DER -in "$file" -out certificate.pem
    ok "$index: verifies" openssl verify -CAfile "$ca/swtpm-localca-rootca-cert.pem" -untrusted "$ca/issuercert.pem" certificate.pem
    [ -n "$handle" ] || return 0
    tpm2_readpublic -c "$handle" -f pem -o key.pem >/dev/null 2>&1
    is "$(openssl x509 -in certificate.pem -noout -pubkey | sha256sum)" "$(openssl pkey -pubin -in key.pem | sha256sum)" \
        "$index: for the key at $handle"
}
says() { openssl x509 -in certificate.pem -noout "$@" -nameopt RFC2253 2>&1; }
# An EK's certificate: what openssl finds in it. KEY USAGE
endorses() {
    is "$(says -subject)" "subject=CN=guest $1" "$1: the subject is the machine"
    is "$(says -ext keyUsage,extendedKeyUsage,basicConstraints | tr -s ' \n' ' ')" \
        "X509v3 Basic Constraints: critical CA:FALSE X509v3 Key Usage: critical $2 X509v3 Extended Key Usage: 2.23.133.8.1 " \
        "$1: usage"
    like "$(says -ext subjectAltName)" 'critical.*DirName:/2.23.133.2.1=id:00001014/2.23.133.2.2=swtpm/2.23.133.2.3=id:' "$1: names of the TPM"
}
# The certificate of an identity key: TPM FILE OF THE FIRST EK'S CERTIFICATE
identifies() {
    local serial key
    is "$(says -subject)" "subject=serialNumber=guest $1" "$1: the subject is a serial number"
    is "$(says -ext keyUsage,extendedKeyUsage,basicConstraints | tr -s ' \n' ' ')" \
        "X509v3 Basic Constraints: critical CA:FALSE X509v3 Key Usage: critical Digital Signature " "$1: it signs; no extended usage"
    serial=$(openssl x509 -inform DER -in "$2" -noout -serial | sed 's/.*=//' | tr A-F a-f)
    key=$(openssl x509 -inform DER -in "$2" -noout -ext authorityKeyIdentifier | sed -n 's/^ *//;s/keyid://;2p' | tr -d : | tr A-F a-f)
    is "$(openssl asn1parse -in certificate.pem -strparse "$(openssl asn1parse -in certificate.pem |
        awk -F: '/Subject Alternative Name/ { found = 1 } found && /OCTET STRING/ { print $1 + 0; exit }')" 2>/dev/null |
        tr -s ' ' | sed -n 's/.*\(cont \[ 0 \]\|OBJECT :\(.*\)\|OCTET STRING :\(.*\)\).*/\2\3/p' | tr '\n' ' ' | tr -s ' ')" \
        " 1.3.6.1.5.5.7.8.4 2.23.133.1.2 IBM:$key:$serial " "$1: the TPM by manufacturer, issuer and number of its EK certificate"
}
ca=config/var/lib/swtpm-localca

# --- every kind, made together with others

ok "RSA-2048 and P-384, IAK P-384, IDevID RSA-2048" made one --ek1keyalgo rsa2048 --ek2keyalgo ecc_nist_p384 \
    --iakkeyalgo ecc_nist_p384 --idevidkeyalgo rsa2048
power_on one
is "$(tpm2_getcap handles-persistent | tr -d '\n')" "- 0x81010001- 0x81010016- 0x81020000- 0x81020001" "four keys"
is "$(tpm2_getcap handles-nv-index | tr -d '\n')" "- 0x1C00002- 0x1C00016- 0x1C08000- 0x1C90100- 0x1C90200" "five indices"
key 0x81010001 rsa2048:null:aes128cfb sha256 0x300b2 $policy_a rsa-zeros 256
key 0x81010016 ecc384:null:aes256cfb sha384 0x300f2 $policy_b384 ecc-zeros 0
key 0x81020001 ecc384:ecdsa-sha384:null sha384 0x500f2 $iak384 ecc-label IAK
key 0x81020000 rsa2048:rsapss-sha256:null sha256 0x400f2 $idevid256 rsa-label IDEVID
certified 0x1c00016 one.files/ek-secp384r1.crt 0x81010016
endorses one "Key Agreement"
certified 0x1c00002 one.files/ek-rsa2048.crt 0x81010001
endorses one "Key Encipherment"
certified 0x1c90100 one.files/iak-secp384r1.crt 0x81020001
identifies one one.files/ek-rsa2048.crt
certified 0x1c90200 one.files/idevid-rsa2048.crt 0x81020000
identifies one one.files/ek-rsa2048.crt
tpm2_nvread 0x1c08000 -o index.der 2>/dev/null
openssl x509 -inform DER -in index.der -out certificate.pem
is "$(says -ext extendedKeyUsage | tail -1 | tr -d ' ')" 2.23.133.8.2 "the platform's"
is "$(ls one.files)" "ek-rsa2048.crt
ek-secp384r1.crt
iak-secp384r1.crt
idevid-rsa2048.crt" "names of the files"
stop "$started"

ok "P-256 and RSA-3072, IAK RSA-3072, IDevID P-256, by their other names" made two --ek1keyalgo secp256r1 --ek2keyalgo rsa3072 \
    --iakkeyalgo rsa3072 --idevidkeyalgo secp256r1
power_on two
key 0x8101000a ecc256:null:aes128cfb sha256 0x300b2 $policy_a ecc-zeros 32
key 0x8101001c rsa3072:null:aes256cfb sha384 0x300f2 $policy_b384 rsa-zeros 0
key 0x81020001 rsa3072:rsapss-sha384:null sha384 0x500f2 $iak384 rsa-label IAK
key 0x81020000 ecc256:ecdsa-sha256:null sha256 0x400f2 $idevid256 ecc-label IDEVID
certified 0x1c0000a two.files/ek-secp256r1.crt 0x8101000a
certified 0x1c0001c two.files/ek-rsa3072.crt 0x8101001c
certified 0x1c90100 two.files/iak-rsa3072.crt 0x81020001
identifies two two.files/ek-secp256r1.crt
certified 0x1c90200 two.files/idevid-secp256r1.crt 0x81020000
stop "$started"

ok "P-521 alone, IAK P-256, IDevID P-384" made three --ek1keyalgo ecc_nist_p521 --ek2keyalgo none --iakkeyalgo ecc_nist_p256 \
    --idevidkeyalgo ecc_nist_p384
power_on three
is "$(tpm2_getcap handles-persistent | tr -d '\n')" "- 0x81010018- 0x81020000- 0x81020001" "three keys"
key 0x81010018 ecc521:null:aes256cfb sha512 0x300f2 $policy_b512 ecc-zeros 0
key 0x81020001 ecc256:ecdsa-sha256:null sha256 0x500f2 $iak256 ecc-label IAK
key 0x81020000 ecc384:ecdsa-sha384:null sha384 0x400f2 $idevid384 ecc-label IDEVID
certified 0x1c00018 three.files/ek-secp521r1.crt 0x81010018
certified 0x1c90100 three.files/iak-secp256r1.crt 0x81020001
identifies three three.files/ek-secp521r1.crt
certified 0x1c90200 three.files/idevid-secp384r1.crt 0x81020000
stop "$started"

ok "the configuration's, RSA-2048 and RSA-3072" sh -c "{ cat config/swtpm_setup.conf; printf '%s\n' 'iakkeyalgo = rsa2048' \
    'idevidkeyalgo = rsa3072' 'ek2keyalgo = secp256r1'; } >keys.conf"
ok "are made" made four --config keys.conf
power_on four
key 0x8101000a ecc256:null:aes128cfb sha256 0x300b2 $policy_a ecc-zeros 32
key 0x81020001 rsa2048:rsapss-sha256:null sha256 0x500f2 $iak256 rsa-label IAK
key 0x81020000 rsa3072:rsapss-sha384:null sha384 0x400f2 $idevid384 rsa-label IDEVID
certified 0x1c90100 four.files/iak-rsa2048.crt 0x81020001
certified 0x1c90200 four.files/idevid-rsa3072.crt 0x81020000
stop "$started"
ok "an option counts before the configuration" made five --config keys.conf --iakkeyalgo none
is "$(ls five.files | tr '\n' ' ')" "ek-rsa2048.crt ek-secp256r1.crt idevid-rsa3072.crt " "no IAK"
ok "--no-iak" made six --config keys.conf --no-iak
is "$(ls six.files | tr '\n' ' ')" "ek-rsa2048.crt ek-secp256r1.crt " "neither"

# --- endorsement keys that sign: their templates are in NV

template() { # INDEX ATTRIBUTES BYTES
    tpm2_nvread "$1" -o template 2>/dev/null
    is "$(od -An -tx1 -j 4 -N 4 template | tr -d ' ')" "$2" "$1: a template with these attributes"
    is "$(stat -c %s template)" "$3" "$1: its length"
}
ok "RSA-2048 and P-256, signing" made seven --allow-signing --ek2keyalgo secp256r1
power_on seven
key 0x81010001 rsa2048:null:null sha256 0x400b2 $policy_a rsa-zeros 256
key 0x8101000a ecc256:null:null sha256 0x400b2 $policy_a ecc-zeros 32
template 0x1c00004 000400b2 310
template 0x1c0000c 000400b2 118
certified 0x1c00002 seven.files/ek-rsa2048.crt 0x81010001
endorses seven "Digital Signature"
stop "$started"
ok "RSA-3072 and P-521, that decrypt, too" made eight --rsa-keysize max --allow-signing --decryption --ek2keyalgo secp521r1
power_on eight
key 0x8101001c rsa3072:null:null sha384 0x600f2 $policy_b384 rsa-zeros 0
key 0x81010018 ecc521:null:null sha512 0x600f2 $policy_b512 ecc-zeros 0
template 0x1c0001d 000600f2 70
template 0x1c00019 000600f2 86
certified 0x1c0001c eight.files/ek-rsa3072.crt 0x8101001c
endorses eight "Digital Signature, Key Encipherment"
stop "$started"

# --- what cannot be made: one sentence, and nothing is written

cannot() { # REGEX OPTION...
    local regex=$1
    shift
    refuses 1 "$regex" "$*" made none "$@"
    is "$(ls -A none none.files | tr -d '\n')" "none:none.files:" "nothing is written"
}
for option in --ek1keyalgo --ek2keyalgo --iakkeyalgo --idevidkeyalgo; do
    cannot "^swtpm_setup: $option: the engine makes RSA keys of at most 3072 bits, not rsa4096$" $option rsa4096
done
cannot "^swtpm_setup: --rsa-keysize: the engine makes RSA keys of at most 3072 bits, not 4096$" --rsa-keysize 4096
for option in --iakkeyalgo --idevidkeyalgo; do
    cannot "$option: expected rsa2048, rsa3072, rsa4096, ecc_nist_p256, ecc_nist_p384, none, found \"ecc_nist_p521\"" $option ecc_nist_p521
done
cannot "ek1keyalgo: expected .*ecc_nist_p521, none, found \"ml-kem-768\"" --ek1keyalgo ml-kem-768
cannot "ek2keyalgo: there is one RSA-2048 endorsement key already" --ek2keyalgo rsa2048
cannot "certificates need at least one endorsement key" --ek1keyalgo none --ek2keyalgo none
finish
