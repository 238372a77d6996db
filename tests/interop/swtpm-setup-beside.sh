#!/usr/bin/env bash
# Ours under the name swtpm_setup beside Debian's swtpm_setup 0.7.1: the same command lines, exit codes compared, then
# either state is opened by either emulator and looked at: handles, attributes, templates, NV, PCR banks, TPM 1.2 flags.
# Known differences stand in the table with their reason.
# SPDX-License-Identifier: BSD-3-Clause
. "${top_srcdir:-.}/tests/tap.sh"
need swtpm swtpm_setup swtpm_localca tpm2_readpublic tpm2_nvreadpublic tpm2_getcap python3
names=$(realpath "$top_builddir/swtpm-names")
[ -x "$names/swtpm_setup" ] || bail "$names has no links"
look12=$(realpath "$top_srcdir/tests/interop/tpm12-look.py")
emulator=$(realpath "$emulator")
cd "$tap_dir" || bail "no directory"
export XDG_CONFIG_HOME=$tap_dir/xdg
mkdir xdg ca

cat >setup.conf <<END
create_certs_tool = $(type -P swtpm_localca)
create_certs_tool_config = $tap_dir/localca.conf
create_certs_tool_options = $tap_dir/localca.options
active_pcr_banks = sha256,sha384
END
printf 'statedir = %s\nsigningkey = %s/signkey.pem\nissuercert = %s/issuercert.pem\ncertserial = %s/certserial\n' \
    "$tap_dir/ca" "$tap_dir/ca" "$tap_dir/ca" "$tap_dir/ca" >localca.conf
echo '--platform-manufacturer Debian --platform-version 1 --platform-model QEMU' >localca.options
printf '0123456789abcdef0123456789ABCDEF\n' >key
printf 'a passphrase\n' >passphrase

# serve PROGRAM DIR ARGUMENTS...: an emulator for a copy of the state.
server=
serve() {
    local program=$1
    rm -rf served
    cp -r "$2" served
    shift 2
    free_ports 2
    start emulator "$program" socket --tpmstate "dir=$tap_dir/served" --flags not-need-init,startup-clear \
        --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" "$@"
    server=$started
    wait_port "$port" "$server" || { diag_file emulator.log; return 1; }
    export TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=$port
}

# look2: all that is in a TPM 2.0 but what differs from TPM to TPM.
look2() {
    local handle
    tpm2_getcap pcrs
    for handle in $(tpm2_getcap handles-persistent | sed 's/- //'); do
        echo "key $handle"
        tpm2_readpublic -c "$handle" | grep -Ev '^(name:|qualified name:|rsa:|[xy]:)'
    done
    for handle in $(tpm2_getcap handles-nv-index | sed 's/- //'); do
        tpm2_nvreadpublic "$handle" | grep -Ev '^ *(name|size):'
        tpm2_nvread "$handle" -C o 2>/dev/null | head -c 2 | od -An -tx1
    done
}

# beside WORDS...: run by both in directories of their own; $ours and $theirs are the exit codes.
ours=0 theirs=0
beside() {
    ours=0 theirs=0
    "$names/swtpm_setup" --tpm-state o "$@" >o.log 2>&1 || ours=$?
    swtpm_setup --tpm-state t "$@" >t.log 2>&1 || theirs=$?
}

# --- what is made

made() { # DESCRIPTION EMULATOR-OPTIONS WORDS...
    local what=$1 key=$2 side program
    local -a version=() keys=()
    shift 2
    [[ " $* " == *' --tpm2 '* ]] && version=(--tpm2)
    [ -z "$key" ] || keys=(--key "$key")
    rm -rf o t
    mkdir o t
    beside "$@" --config setup.conf --vmid vm:1
    if [ "$ours,$theirs" != 0,0 ]; then
        fail "$what: both make it" "ours $ours, Debian's $theirs"
        diag_file o.log
        return
    fi
    is "$(cd o && ls)" "$(cd t && ls)" "$what: the same files"
    for side in o t; do
        for program in "$emulator" swtpm; do
            if ! serve "$program" $side "${version[@]}" "${keys[@]}"; then
                fail "$what: $side opens with $program"
                continue
            fi
            if [ ${#version[@]} -gt 0 ]; then
                look2 >"$side.$(basename "$program")" 2>&1
            else
                python3 "$look12" "$port" "${owner[@]}" >"$side.$(basename "$program")" 2>&1
            fi
            stop "$server"
        done
    done
    if ok "$what: the same, seen by ours" cmp "o.$(basename "$emulator")" "t.$(basename "$emulator")" &&
        ok "$what: the same, seen by Debian's" cmp o.swtpm t.swtpm; then
        isnt "$(cat o.swtpm)" "" "$what: something was seen"
    else
        diag "$(diff o.swtpm t.swtpm)"
    fi
}
owner=()
made 'nothing but a TPM 2.0' '' --tpm2
made 'endorsement keys' '' --tpm2 --createek
made 'certificates, locked' '' --tpm2 --create-ek-cert --create-platform-cert --lock-nvram
made 'a platform certificate alone' '' --tpm2 --create-platform-cert
made 'keys that sign' '' --tpm2 --create-ek-cert --allow-signing
made 'keys that sign and decrypt' '' --tpm2 --createek --allow-signing --decryption
made 'RSA 3072' '' --tpm2 --create-ek-cert --rsa-keysize 3072
made 'the largest RSA key' '' --tpm2 --createek --rsa-keysize max
made 'a storage key' '' --tpm2 --createek --create-spk
made 'a storage key on P-384' '' --tpm2 --create-spk --ecc
made 'a storage key of RSA 3072' '' --tpm2 --createek --create-spk --rsa-keysize 3072
made 'PCR banks' '' --tpm2 --createek --pcr-banks sha1,sha512
made 'all PCR banks' '' --tpm2 --createek --pcr-banks -
made 'encrypted with a key' "file=$tap_dir/key,mode=aes-128-cbc" --tpm2 --createek --keyfile key
made 'encrypted with a passphrase' "pwdfile=$tap_dir/passphrase,mode=aes-256-cbc" --tpm2 --createek \
    --pwdfile passphrase --cipher aes-256-cbc
made 'a TPM 1.2' ''
made 'a TPM 1.2 with an endorsement key' '' --createek
made 'a TPM 1.2 with certificates' '' --create-ek-cert --create-platform-cert
made 'a TPM 1.2 with certificates, locked' '' --create-ek-cert --create-platform-cert --lock-nvram
owner=(ooo)
made 'a TPM 1.2 with an owner' '' --take-ownership --create-ek-cert --create-platform-cert --lock-nvram
owner=(secret)
made 'an owner with a password' '' --take-ownership --ownerpass secret --srkpass other --create-ek-cert --lock-nvram
like "$(cat o.swtpm)" 'read by the owner: 0 100100 1002 True 3082' 'the owner reads the certificate'
owner=('')
made 'a well-known owner, encrypted' "pwdfile=$tap_dir/passphrase,mode=aes-128-cbc" --take-ownership --owner-well-known \
    --srk-well-known --create-ek-cert --lock-nvram --pwdfile passphrase
like "$(cat o.swtpm)" 'read by the owner: 0 100100 1002 True 3082' 'and so does that one'

# --- exit codes

# state COUNT: o and t hold a TPM 2.0, or with `empty` nothing.
state() {
    rm -rf o t
    mkdir o t
    [ "$1" = empty ] || beside --tpm2 --createek
}
exits() { # STATE OURS THEIRS WORDS...
    local what=$1 want_ours=$2 want_theirs=$3
    shift 3
    state "$what"
    beside "$@"
    is "$ours,$theirs" "$want_ours,$want_theirs" "exit codes, $what: $*"
}
exits made 1 1 --tpm2 --createek
exits made 0 0 --tpm2 --createek --not-overwrite
exits made 0 0 --tpm2 --createek --overwrite
exits made 0 0 --tpm2 --overwrite --not-overwrite
exits made 0 0 --tpm2 --reconfigure --pcr-banks sha1
exits made 1 1 --tpm2 --reconfigure --createek
exits made 1 1 --tpm2 --reconfigure --pcr-banks sm3-256
exits empty 1 1 --reconfigure
exits empty 1 1 --tpm2 --take-ownership
exits empty 1 1 --ecc
exits empty 1 0 --allow-signing
exits empty 1 0 --overwrite --pcr-banks sha1
exits empty 1 1 --tpm2 --pcr-banks md5
# An empty value is no value, and a word too many in a list of banks is none.
exits empty 0 0 --tpm2 --vmid '' --pcr-banks '' --ownerpass '' --srkpass '' --tcsd-system-ps-file '' --swtpm_ioctl ''
exits empty 0 0 --tpm2 --pcr-banks ,sha1,,sha256,
exits empty 0 0 --take-ownership --ownerpass '' --srkpass ''
exits empty 1 1 --tpm2 --config ''
exits empty 1 1 --tpm2 --cipher ''
# swtpm leaves a name that is none out, even when none is left.
exits empty 1 0 --tpm2 --pcr-banks ,
exits empty 1 0 --tpm2 --pcr-banks sha256,sha265
exits empty 1 1 --tpm2 --rsa-keysize 1024
exits empty 1 1 --tpm2 --cipher des
exits empty 1 1 --tpm2 --keyfile nowhere
exits empty 1 1 --tpm2 --keyfile passphrase
exits empty 1 1 --tpm2 --runas no-such-user
exits empty 1 1 --tpm2 --config nowhere
exits empty 0 0 --tpm2 --createek --write-ek-cert-files "$tap_dir"
exits empty 0 0 --tpm2 operand
exits empty 1 1 --tpm2 --vmid
exits empty 1 1 --tpm2 --bogus
# No TPM to reconfigure: Debian's makes one.
exits empty 1 0 --tpm2 --reconfigure --pcr-banks sha1
# libtpms 0.9 has no profiles, 0.7.1 no such option.
exits empty 1 1 --tpm2 --profile-name default-v1

# --- what is lost

# Debian's loses the TPM in each of these; ours does not.
for words in '--reconfigure --pcr-banks sm3-256' '--overwrite --createek --pcr-banks sm3-256' \
    '--overwrite --create-ek-cert --config fails.conf'; do
    printf 'create_certs_tool = /bin/false\n' >fails.conf
    state made
    before=$(sha256sum <o/tpm2-00.permall)
    read -r -a list <<<"$words"
    beside --tpm2 "${list[@]}"
    is "$ours,$theirs" 1,1 "both fail: $words"
    is "$(sha256sum <o/tpm2-00.permall)" "$before" "our TPM is as it was"
done
finish
