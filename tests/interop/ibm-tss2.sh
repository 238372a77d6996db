#!/bin/bash
# IBM's TSS 2 command line tools (Debian's tss2) over their socket interface: the form with the TCG
# prefix ("mssim", which ends every connection with a session end that is no TPM command) and the
# raw one. Keys, sessions with parameter encryption, NV, PCRs, quotes, the EK certificate.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tssgetrandom tsscreateprimary openssl
[ -x "$emulator" ] || bail "$emulator is not there"
case $emulator in /*) ;; *) emulator=$PWD/$emulator ;; esac
names=$(cd "$top_builddir" && pwd)/swtpm-names
cd "$tap_dir" || bail "no directory"

# A TPM with certificates of the kinds these tools know: RSA-2048 and ECC P-256.
mkdir state ca
printf '%s = ca/%s\n' statedir . signingkey key.pem issuercert cert.pem certserial serial | sed "s|ca/|$tap_dir/ca/|" >localca.conf
printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
    "$names/swtpm_localca" "$tap_dir/localca.conf" "$tap_dir/localca.options" >setup.conf
: >localca.options
ok "a TPM with certificates" "$names/swtpm_setup" --tpm2 --tpm-state state --config setup.conf --create-ek-cert \
    --ek1keyalgo rsa2048 --ek2keyalgo ecc_nist_p256 --lock-nvram --vmid ibm || bail "no TPM"

free_ports 2
start emulator "$emulator" socket --tpm2 --tpmstate "dir=$tap_dir/state" \
    --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" \
    --flags not-need-init,startup-clear
wait_port "$port" "$started" || { diag_file emulator.log; bail "the emulator did not start"; }
export TPM_INTERFACE_TYPE=socsim TPM_SERVER_NAME=127.0.0.1 TPM_COMMAND_PORT=$port TPM_PLATFORM_PORT=$((port + 1))
# Otherwise a session can only be used by the process that began it.
export TPM_ENCRYPT_SESSIONS=0

# tool NAME ARGUMENT...: one of the tools; it may not hang.
tool() {
    local name=$1
    shift
    timeout 60 "tss$name" "$@"
}

for type in mssim raw; do
    export TPM_SERVER_TYPE=$type TPM_DATA_DIR=$tap_dir/$type
    mkdir "$type"
    cd "$type" || bail "no directory"
    ok "$type: random bytes" tool getrandom -by 32 -of random
    is "$(stat -c %s random)" 32 "$type: as many as asked"
    isnt "$(tool getrandom -by 16)" "$(tool getrandom -by 16)" "$type: and others each time"
    ok "$type: properties" tool getcapability -cap 6

    # PCR 16: what is extended is the text with zeros behind it.
    tool pcrreset -ha 16
    ok "$type: extend a PCR" tool pcrextend -ha 16 -halg sha256 -ic x
    want=$({ head -c 32 /dev/zero; printf x; head -c 31 /dev/zero; } | sha256sum | cut -d ' ' -f 1)
    is "$(tool pcrread -ha 16 -halg sha256 -ns)" "$want" "$type: its value is the one computed here"
    refuses any TPM_RC_LOCALITY "$type: PCR 17 cannot be reset from locality 0" tool pcrreset -ha 17

    echo message >message
    for algorithm in rsa ecc; do
        flag=(-rsa)
        [ $algorithm = rsa ] || flag=(-ecc nistp256)
        ok "$type, $algorithm: a primary key" tool createprimary -hi o -st "${flag[@]}" -pwdk parent
        ok "$type, $algorithm: a restricted signing key" tool create -hp 80000000 -pwdp parent -sir \
            "${flag[@]}" -kt f -kt p -pwdk secret -opu key.pub -opr key.priv -opem key.pem
        ok "$type, $algorithm: is loaded" tool load -hp 80000000 -pwdp parent -ipu key.pub -ipr key.priv
        ok "$type, $algorithm: an unrestricted one" tool create -hp 80000000 -pwdp parent -si \
            "${flag[@]}" -kt f -kt p -pwdk secret -opu sign.pub -opr sign.priv -opem sign.pem
        ok "$type, $algorithm: is loaded, too" tool load -hp 80000000 -pwdp parent -ipu sign.pub -ipr sign.priv

        ok "$type, $algorithm: an HMAC session" tool startauthsession -se h -sym aes
        ok "$type, $algorithm: signs in it" tool sign -hk 80000002 -halg sha256 "-$algorithm" -if message \
            -os signature -pwdk secret -se0 02000000 1
        ok "$type, $algorithm: verified by the TPM" tool verifysignature -hk 80000002 -halg sha256 \
            "-$algorithm" -if message -is signature
        printf 'other' >other
        refuses any TPM_RC_SIGNATURE "$type, $algorithm: not another message" \
            tool verifysignature -hk 80000002 -halg sha256 "-$algorithm" -if other -is signature
        refuses any TPM_RC_BAD_AUTH "$type, $algorithm: a wrong password is refused" \
            tool sign -hk 80000002 -halg sha256 "-$algorithm" -if message -pwdk wrong
        ok "$type, $algorithm: response encryption" tool getrandom -by 8 -se0 02000000 41
        ok "$type, $algorithm: the session is flushed" tool flushcontext -ha 02000000

        ok "$type, $algorithm: a quote" tool quote -hp 0 -hp 16 -hk 80000001 -pwdk secret -salg "$algorithm" \
            -qd other -os quote.sig -oa quote
        # TPM2B_DATA extraData behind magic, type, the signer's name.
        is "$(od -An -tx1 -j 42 -N 7 quote | tr -d ' \n')" 00056f74686572 "$type, $algorithm: has the nonce"
        ok "$type, $algorithm: is verified by the TPM" tool verifysignature -hk 80000001 -halg sha256 \
            "-$algorithm" -if quote -is quote.sig
        for handle in 80000002 80000001 80000000; do
            tool flushcontext -ha $handle
        done
    done

    ok "$type: an NV index" tool nvdefinespace -ha 01500001 -hi o -pwdn pass -sz 1500
    head -c 1500 /dev/urandom >nv
    ok "$type: is written" tool nvwrite -ha 01500001 -pwdn pass -if nv
    ok "$type: and read" tool nvread -ha 01500001 -pwdn pass -sz 1500 -of nv.read
    ok "$type: the same" cmp nv nv.read
    refuses any TPM_RC_NV_RANGE "$type: not beyond its end" tool nvread -ha 01500001 -pwdn pass -sz 10 -off 1495
    refuses any TPM_RC_BAD_AUTH "$type: not with a wrong password" tool nvread -ha 01500001 -pwdn wrong -sz 10
    ok "$type: undefined" tool nvundefinespace -ha 01500001 -hi o
    refuses any TPM_RC_HANDLE "$type: and gone" tool nvread -ha 01500001 -pwdn pass -sz 10

    for algorithm in rsa ec; do
        like "$(tool createek -ce -alg $algorithm 2>&1)" "[Cc]ertificate" "$type: the $algorithm EK certificate is found"
    done
    tool dictionaryattacklockreset
    cd ..
done
ok "the emulator lives" kill -0 "$started"
stop "$started"
finish
