#!/usr/bin/env bash
# What holdfast-setup makes, seen by others: Debian's swtpm opens the state, tpm2-tools read keys and NV, openssl verifies
# the certificates; attributes are those of a state that Debian's swtpm_setup made.
# SPDX-License-Identifier: BSD-3-Clause
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm swtpm_setup tpm2_readpublic tpm2_nvread tpm2_nvreadpublic tpm2_createek openssl
setup=$top_builddir/holdfast-setup
authority=$top_builddir/holdfast-authority
fleet=$top_builddir/holdfast-ca
export XDG_CONFIG_HOME=$tap_dir/config
mkdir "$XDG_CONFIG_HOME"

# open_state DIR: Debian's swtpm serves a copy of the state; tpm2-tools find it. close_state ends it.
server=
open_state() {
    rm -rf "$tap_dir/served"
    cp -r "$1" "$tap_dir/served"
    free_ports 2
    start swtpm swtpm socket --tpm2 --tpmstate "dir=$tap_dir/served" --flags not-need-init,startup-clear \
        --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))"
    server=$started
    wait_port "$port" "$server" || bail "swtpm does not open the state of $1"
    export TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=$port
}
close_state() { stop "$server"; }

# nv INDEX FILE: the content of an index.
nv() { tpm2_nvread "$1" -o "$2" 2>/dev/null; }
# attributes INDEX: as the TPM says.
attributes() { tpm2_nvreadpublic "$1" | sed -n 's/^ *value: //p' | tail -1; }
hash_of() { tpm2_nvreadpublic "$1" | sed -n 's/^ *friendly: //p' | head -1; }
# key_of CERTIFICATE: its public key, PEM.
key_of() { openssl x509 -inform DER -in "$1" -noout -pubkey; }
# public_key HANDLE: of a persistent key, PEM.
public_key() { tpm2_readpublic -c "$1" -f pem -o "$tap_dir/handle.pem" >/dev/null && cat "$tap_dir/handle.pem"; }
equal() { # DESCRIPTION FOUND WANTED
    if [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1" "found $2, wanted $3"
    fi
}

# --- the reference: what Debian's swtpm_setup makes
mkdir "$tap_dir/reference" "$tap_dir/ca"
printf 'create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = /etc/swtpm-localca.options\n' \
    "$tap_dir/localca.conf" >"$tap_dir/swtpm_setup.conf"
printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' \
    "$tap_dir/ca" "$tap_dir/ca" "$tap_dir/ca" "$tap_dir/ca" >"$tap_dir/localca.conf"
swtpm_setup --tpm2 --tpm-state "$tap_dir/reference" --create-ek-cert --create-platform-cert --lock-nvram \
    --config "$tap_dir/swtpm_setup.conf" --vmid ref >"$tap_dir/reference.log" 2>&1 ||
    { diag_file "$tap_dir/reference.log"; bail 'swtpm_setup could not make the reference'; }
open_state "$tap_dir/reference"
indices='0x01c00002 0x01c00016 0x01c08000'
declare -A wanted
for index in $indices; do
    wanted[$index]="$(attributes "$index") $(hash_of "$index")"
done
equal 'the reference has the attributes we know' "${wanted[0x01c00016]}" '0x62072801 sha256'
wanted_handles=$(tpm2_getcap handles-persistent)
wanted_rsa=$(tpm2_readpublic -c 0x81010001 | grep -v -e '^name' -e '^qualified' -e '^ *rsa:' -e 'raw:')
wanted_ecc=$(tpm2_readpublic -c 0x81010016 | grep -v -e '^name' -e '^qualified' -e '^ *[xy]:')
close_state

# inspect DIR AUTHORITY: everything that must hold for a state made with certificates.
inspect() {
    local index nv_file=$tap_dir/nv
    open_state "$1"
    for index in $indices; do
        equal "$2: index $index has swtpm's attributes and hash" "$(attributes "$index") $(hash_of "$index")" "${wanted[$index]}"
    done
    equal "$2: the same persistent handles" "$(tpm2_getcap handles-persistent)" "$wanted_handles"
    equal "$2: the RSA key is of the same kind" \
        "$(tpm2_readpublic -c 0x81010001 | grep -v -e '^name' -e '^qualified' -e '^ *rsa:' -e 'raw:')" "$wanted_rsa"
    equal "$2: the ECC key is of the same kind" \
        "$(tpm2_readpublic -c 0x81010016 | grep -v -e '^name' -e '^qualified' -e '^ *[xy]:')" "$wanted_ecc"
    if ! nv 0x01c00002 "$nv_file.rsa" || ! nv 0x01c00016 "$nv_file.ecc" ||
        ! nv 0x01c08000 "$nv_file.platform" || ! nv 0x01c00100 "$nv_file.chain"; then
        bail "$2: NV cannot be read"
    fi
    equal "$2: the RSA certificate is of the RSA key" "$(key_of "$nv_file.rsa")" "$(public_key 0x81010001)"
    equal "$2: the ECC certificate is of the ECC key" "$(key_of "$nv_file.ecc")" "$(public_key 0x81010016)"
    equal "$2: the platform certificate is of the RSA key" "$(key_of "$nv_file.platform")" "$(public_key 0x81010001)"
    tpm2_createek -G rsa -c "$tap_dir/ek.ctx" -u "$tap_dir/ek.pem" -f pem >/dev/null
    equal "$2: a guest's tpm2_createek gives the certified key" "$(cat "$tap_dir/ek.pem")" "$(key_of "$nv_file.rsa")"
    close_state
    equal "$2: the file of the RSA certificate is what NV holds" \
        "$(sha256sum <"$tap_dir/certs/ek-rsa2048.crt")" "$(sha256sum <"$nv_file.rsa")"
    equal "$2: the file of the ECC certificate is what NV holds" \
        "$(sha256sum <"$tap_dir/certs/ek-secp384r1.crt")" "$(sha256sum <"$nv_file.ecc")"
    equal "$2: mode of the files" "$(stat -c %a "$tap_dir/certs/ek-rsa2048.crt")" 640
    openssl x509 -inform DER -in "$nv_file.chain" -out "$tap_dir/issuer.pem"
    for index in rsa ecc; do
        openssl x509 -inform DER -in "$nv_file.$index" -out "$tap_dir/leaf.pem"
        ok "$2: openssl verifies the $index certificate strictly" openssl verify -x509_strict \
            -CAfile "$tap_dir/fleet/root.pem" -untrusted "$tap_dir/issuer.pem" "$tap_dir/leaf.pem"
        refuses any 'verification failed|unable to get' "$2: and not without the issuer from NV" \
            openssl verify -x509_strict -CAfile "$tap_dir/fleet/root.pem" "$tap_dir/leaf.pem"
    done
    openssl x509 -in "$tap_dir/leaf.pem" -noout -text >"$tap_dir/leaf.txt"
    ok "$2: the subject is empty" grep -Eq '^ *Subject: *$' "$tap_dir/leaf.txt"
    openssl asn1parse -in "$tap_dir/leaf.pem" -strparse \
        "$(openssl asn1parse -in "$tap_dir/leaf.pem" | sed -n '/X509v3 Subject Alternative Name/,/OCTET STRING/s/^ *\([0-9]*\):.*OCTET STRING.*/\1/p')" \
        >"$tap_dir/san.txt"
    ok "$2: the model says that it is virtual" grep -q 'holdfast vTPM' "$tap_dir/san.txt"
    ok "$2: the manufacturer is what the TPM reports" grep -q 'id:49424D00' "$tap_dir/san.txt"
}

# make DIR OPTION...: with everything libvirt asks for.
# shellcheck disable=SC2317  # called through ok and refuses
make() {
    local where=$1
    shift
    mkdir -p "$where" "$tap_dir/certs"
    "$setup" --tpm2 --tpm-state "$where" --create-ek-cert --create-platform-cert --lock-nvram \
        --vmid "vm:0b3c" --write-ek-cert-files "$tap_dir/certs" "$@"
}

# --- an authority with its key in a file
delegated() { # DIR REQUEST-OPTION...: the fleet's CA certifies the authority in DIR
    local where=$1 nonce
    shift
    nonce=$("$fleet" nonce --dir "$tap_dir/fleet") &&
        "$authority" request --dir "$where" --nonce "$nonce" --out "$where.request" &&
        "$fleet" delegate --dir "$tap_dir/fleet" --request "$where.request" --out "$where.pem" "$@" &&
        "$authority" install-certificate --dir "$where" "$where.pem"
}
ok 'the fleet has a CA' "$fleet" init --dir "$tap_dir/fleet" || bail 'no CA'
"$authority" init --software --dir "$tap_dir/soft" >"$tap_dir/soft.log" 2>&1
refuses 1 'certificate' 'an authority without a certificate issues none' make "$tap_dir/vm0" --authority "$tap_dir/soft"
ok 'and makes no TPM' test ! -e "$tap_dir/vm0/tpm2-00.permall"
delegated "$tap_dir/soft" --allow-software >>"$tap_dir/soft.log" 2>&1 ||
    { diag_file "$tap_dir/soft.log"; bail 'no software authority'; }
ok 'a TPM with certificates, software-rooted' make "$tap_dir/vm1" --authority "$tap_dir/soft" ||
    bail 'nothing to look at'
inspect "$tap_dir/vm1" software
made=$(sha256sum <"$tap_dir/vm1/tpm2-00.permall")
refuses 1 'missing-certs' 'a certificate directory that is not there' \
    "$setup" --tpm2 --tpm-state "$tap_dir/vm1" --create-ek-cert --overwrite --authority "$tap_dir/soft" \
    --write-ek-cert-files "$tap_dir/missing-certs"
equal 'leaves the TPM as it was' "$(sha256sum <"$tap_dir/vm1/tpm2-00.permall")" "$made"
ok 'no hidden file is left' test -z "$(find "$tap_dir/certs" -name '.*.crt*')"

# --- keys of other kinds
mkdir "$tap_dir/kinds"
ok 'RSA-3072, signing keys, a storage key' "$setup" --tpm2 --tpm-state "$tap_dir/kinds" --create-ek-cert \
    --authority "$tap_dir/soft" --rsa-keysize max --allow-signing --decryption --create-spk --ecc
open_state "$tap_dir/kinds"
equal 'four persistent keys' "$(tpm2_getcap handles-persistent | sort | tr -d '\n')" \
    '- 0x81000001- 0x81010001- 0x81010016- 0x8101001C'
equal 'attributes of a key that signs and decrypts' \
    "$(tpm2_readpublic -c 0x81010001 | sed -n '/^attributes/,/raw/s/.*raw: //p')" 0x600b2
ok 'not locked' test "$(attributes 0x01c0001c | head -1)" = 0x62072001
for index in 0x01c00004 0x01c0001d 0x01c00017; do
    ok "the template is at $index" nv "$index" "$tap_dir/template"
done
nv 0x01c0001c "$tap_dir/nv.rsa3072"
equal 'the RSA-3072 certificate is of the RSA-3072 key' "$(key_of "$tap_dir/nv.rsa3072")" "$(public_key 0x8101001c)"
ok 'its use is both' grep -q 'Digital Signature, Key Encipherment' \
    <(openssl x509 -inform DER -in "$tap_dir/nv.rsa3072" -noout -text)
close_state

# --- an authority with its key in the host TPM, for which Debian's swtpm stands in
host_tpm_start host || bail 'the host TPM does not start'
{
    "$authority" init --dir "$tap_dir/hard" --tcti "$host_tcti" --make-approver "$tap_dir/approver.pem" &&
        "$authority" approve --dir "$tap_dir/hard" --approver-key "$tap_dir/approver.pem" &&
        "$authority" pcrs --dir "$tap_dir/hard" >"$tap_dir/approved" &&
        delegated "$tap_dir/hard" --approver-public "$tap_dir/hard/approver.pem" \
            --approved-pcrs "$tap_dir/approved" --allow-unproved-ek
} >"$tap_dir/hard.log" 2>&1 || { diag_file "$tap_dir/hard.log"; bail 'no authority in the host TPM'; }
ok 'a TPM with certificates, rooted in the host TPM' make "$tap_dir/vm2" --authority "$tap_dir/hard" ||
    bail 'nothing to look at'
inspect "$tap_dir/vm2" hardware
made=$(sha256sum <"$tap_dir/vm2/tpm2-00.permall")
ok 'and another one over it' make "$tap_dir/vm2" --authority "$tap_dir/hard" --overwrite
ok 'which is another one' test "$(sha256sum <"$tap_dir/vm2/tpm2-00.permall")" != "$made"
made=$(sha256sum <"$tap_dir/vm2/tpm2-00.permall")
host_pcr_extend 4
refuses 1 'PCR' 'with the PCRs of the host changed no certificate is made' \
    make "$tap_dir/vm2" --authority "$tap_dir/hard" --overwrite
equal 'and the TPM is as it was' "$(sha256sum <"$tap_dir/vm2/tpm2-00.permall")" "$made"
refuses 1 'authority' 'nor without the host TPM' \
    make "$tap_dir/vm2" --authority "$tap_dir/hard" --overwrite --tcti "swtpm:path=$tap_dir/nothing"
equal 'and the TPM is as it was still' "$(sha256sum <"$tap_dir/vm2/tpm2-00.permall")" "$made"

# --- Debian's programs take over the state
ok "swtpm_setup changes the banks of our TPM" swtpm_setup --tpm2 --tpm-state "$tap_dir/vm1" --reconfigure \
    --pcr-banks sha384
ok "and we those of swtpm_setup's" "$setup" --tpm2 --tpm-state "$tap_dir/reference" --reconfigure --pcr-banks sha1,sha512
open_state "$tap_dir/reference"
ok 'they are active' test "$(tpm2_getcap pcrs | grep -c '\[ 0')" = 2
ok 'the keys are there still' tpm2_readpublic -c 0x81010016
close_state
open_state "$tap_dir/vm1"
ok 'the keys are there still, after swtpm_setup' tpm2_readpublic -c 0x81010016
close_state

finish
