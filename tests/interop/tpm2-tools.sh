#!/bin/bash
# tpm2-tools over tpm2-tss' swtpm TCTI: the data port, the control port beside it, localities, keys,
# sessions, NV, policies, attestation; and what a TPM must refuse.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2016  # the inner shells expand
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tpm2 openssl
[ -x "$emulator" ] || bail "$emulator is not there"
cd "$tap_dir" || bail "no directory"
mkdir state

free_ports 2
start emulator "$emulator" socket --tpm2 --tpmstate "dir=$tap_dir/state" \
    --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" \
    --flags not-need-init,startup-clear
wait_port "$port" "$started" || { diag_file emulator.log; bail "the emulator did not start"; }
export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"

# There is no resource manager: every tool frees the objects it has loaded when it is done.
real=$(type -P tpm2)
mkdir bin
for tool in "$(dirname "$real")"/tpm2_*; do
    name=${tool##*/tpm2_}
    printf '#!/bin/sh\n"%s" %s "$@"\ncode=$?\n' "$real" "$name" >"bin/tpm2_$name"
    # A tool that fails leaves its session behind as well.
    [ "$name" = flushcontext ] || printf '"%s" flushcontext -t\n[ $code = 0 ] || "%s" flushcontext -l\n' \
        "$real" "$real" >>"bin/tpm2_$name"
    echo "exit \$code" >>"bin/tpm2_$name"
done
chmod +x bin/*
PATH=$tap_dir/bin:$PATH

ok "selftest" tpm2_selftest --fulltest
ok "startup a second time is no error for tpm2_startup" tpm2_startup -c
ok "random bytes" tpm2_getrandom 32 -o random
is "$(stat -c %s random)" 32 "as many as asked"
isnt "$(tpm2_getrandom --hex 16)" "$(tpm2_getrandom --hex 16)" "and others each time"
like "$(tpm2_getcap properties-fixed)" 'TPM2_PT_MANUFACTURER' "capabilities"

# PCRs
ok "extend a PCR" tpm2_pcrextend 16:sha256="$(printf x | sha256sum | cut -d ' ' -f 1)"
want=$({ head -c 32 /dev/zero; printf x | openssl dgst -sha256 -binary; } | sha256sum | cut -d ' ' -f 1)
like "$(tpm2_pcrread sha256:16 | tr A-F a-f)" "0x$want" "its value is the one computed here"
ok "reset it" tpm2_pcrreset 16
like "$(tpm2_pcrread sha256:16)" '0x0{64}' "it is zero"
refuses any "locality" "PCR 17 cannot be reset from locality 0" tpm2_pcrreset 17

# Keys
for algorithm in rsa2048 ecc256 ecc384; do
    ok "$algorithm: a primary key" tpm2_createprimary -C o -G "$algorithm" -c primary.ctx
    ok "$algorithm: a signing key below an ECC parent" sh -c "
        tpm2_createprimary -Q -C o -G ecc -c parent.ctx &&
        tpm2_create -Q -C parent.ctx -G $algorithm -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' \
            -p secret -u key.pub -r key.priv &&
        tpm2_load -Q -C parent.ctx -u key.pub -r key.priv -c key.ctx"
    echo message >message
    ok "$algorithm: it signs" tpm2_sign -c key.ctx -p secret -g sha256 -f plain -o signature message
    tpm2_readpublic -Q -c key.ctx -f pem -o key.pem
    ok "$algorithm: openssl verifies" openssl dgst -sha256 -verify key.pem -signature signature message
    refuses any "auth|0x98e|0x9a2" "$algorithm: a wrong password is refused" \
        tpm2_sign -c key.ctx -p wrong -g sha256 -o nothing message
done
tpm2_dictionarylockout -Q -c

head -c 8 /dev/urandom | dd of=key.priv bs=1 seek=60 conv=notrunc status=none
refuses any "integrity" "a private part that was tampered with is refused" \
    tpm2_load -Q -C parent.ctx -u key.pub -r key.priv -c tampered.ctx

ok "an object is sealed to PCR 16" sh -c '
    tpm2_createpolicy -Q --policy-pcr -l sha256:16 -L pcr.policy &&
    tpm2_createprimary -Q -C o -G ecc -c parent.ctx &&
    printf "the secret" | tpm2_create -Q -C parent.ctx -L pcr.policy -i- -u seal.pub -r seal.priv &&
    tpm2_load -Q -C parent.ctx -u seal.pub -r seal.priv -c seal.ctx'
is "$(tpm2_unseal -c seal.ctx -p pcr:sha256:16)" "the secret" "and unsealed"
tpm2_pcrextend 16:sha256="$(printf y | sha256sum | cut -d ' ' -f 1)"
refuses any "policy" "not any more when the PCR has changed" tpm2_unseal -c seal.ctx -p pcr:sha256:16

# EK, AK, credential, quote
ok "an EK" tpm2_createek -G rsa -c ek.ctx -u ek.pub
ok "an AK" tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pem -f pem -n ak.name
printf 'twelve bytes' >secret
ok "a credential is made" tpm2_makecredential -T none -u ek.pub -s secret \
    -n "$(od -An -tx1 ak.name | tr -d ' \n')" -o credential
ok "and activated" sh -c '
    tpm2_startauthsession --policy-session -S session.ctx &&
    tpm2_policysecret -Q -S session.ctx -c e &&
    tpm2_activatecredential -Q -c ak.ctx -C ek.ctx -i credential -o activated -P session:session.ctx
    code=$?; tpm2_flushcontext session.ctx; exit $code'
ok "it is the same" cmp secret activated
ok "not for another name" sh -c '
    tpm2_makecredential -Q -T none -u ek.pub -s secret -n 000b$(printf x | sha256sum | cut -d " " -f 1) -o other &&
    tpm2_startauthsession --policy-session -S session.ctx &&
    tpm2_policysecret -Q -S session.ctx -c e || exit 1
    tpm2_activatecredential -Q -c ak.ctx -C ek.ctx -i other -o nothing -P session:session.ctx; code=$?
    tpm2_flushcontext session.ctx; [ $code -ne 0 ]'
ok "a quote" tpm2_quote -Q -c ak.ctx -l sha256:0,16 -q abcd -m quote -s quote.sig -o quote.pcrs -g sha256
ok "is right" tpm2_checkquote -u ak.pem -m quote -s quote.sig -f quote.pcrs -g sha256 -q abcd
refuses any . "is not right for another nonce" \
    tpm2_checkquote -u ak.pem -m quote -s quote.sig -f quote.pcrs -g sha256 -q abce

# NV
ok "an NV index" tpm2_nvdefine -Q 0x1500001 -C o -s 1500 -p pass -a 'authread|authwrite'
head -c 1500 /dev/urandom >nv
ok "is written" tpm2_nvwrite -Q 0x1500001 -C 0x1500001 -P pass -i nv
ok "and read" tpm2_nvread -Q 0x1500001 -C 0x1500001 -P pass -o nv.read
ok "the same" cmp nv nv.read
refuses any "auth|0x98e" "not with a wrong password" tpm2_nvread 0x1500001 -C 0x1500001 -P wrong
refuses any "range|0x146|more bytes" "not beyond its end" \
    tpm2_nvread 0x1500001 -C 0x1500001 -P pass -s 10 --offset 1495
ok "undefined" tpm2_nvundefine 0x1500001
refuses any "handle|0x18b" "and gone" tpm2_nvread 0x1500001 -C o
ok "a persistent key" sh -c 'tpm2_createprimary -Q -C o -c p.ctx && tpm2_evictcontrol -Q -C o -c p.ctx 0x81000001'

# Sessions, the clock, shutting down
ok "an encrypted session" sh -c '
    tpm2_startauthsession --hmac-session -c 0x81000001 -S s.ctx && tpm2_sessionconfig s.ctx --enable-encrypt --enable-decrypt &&
    tpm2_getrandom -Q 16 -S s.ctx -o r; code=$?; tpm2_flushcontext s.ctx; exit $code'
before=$(tpm2_readclock | awk '$1 == "reset_count:" { print $2 }')
ok "shutdown" tpm2_shutdown -c
ok "the owner hierarchy is cleared" tpm2_clear
refuses any "handle|0x18b" "the persistent key is gone with it" tpm2_readpublic -c 0x81000001
like "$before" '^[0-9]+$' "the clock tells the number of resets"
ok "the emulator lives" kill -0 "$started"
stop "$started"
ok "and ends when told" gone "$started"
finish
