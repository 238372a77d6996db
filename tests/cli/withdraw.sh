#!/usr/bin/env bash
# holdfast-setup --check-certificates and --withdraw-certificates: after TPM2_ChangeEPS the certificates
# in NV are for keys that are gone; it is said, and they are removed by command and not otherwise.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
need tpm2_changeeps tpm2_clear tpm2_nvreadpublic

authority=$top_builddir/holdfast-authority
ca=$top_builddir/holdfast-ca
setup=$top_builddir/holdfast-setup
cd "$tap_dir" || exit 1
export XDG_CONFIG_HOME=$tap_dir/config
mkdir config vm plain
export TSS2_LOG=all+none

look() { "$setup" --tpm2 --tpm-state "$@" --check-certificates; }
withdraw() { "$setup" --tpm2 --tpm-state "$@" --withdraw-certificates; }
sum() { (cd "$1" && find . -type f ! -name .lock -exec sha256sum {} + | sort); }
guest() { # DIR: the TPM runs
    rm -f guest.sock guest.sock.ctrl
    start guest "$emulator" socket --tpm2 --tpmstate "dir=$1" \
        --server "type=unixio,path=$tap_dir/guest.sock" \
        --ctrl "type=unixio,path=$tap_dir/guest.sock.ctrl" --flags not-need-init,startup-clear \
        --log "level=1,file=$tap_dir/emulator.log"
    wait_socket guest.sock "$started" || bail "the emulator did not start"
}
tool() { TPM2TOOLS_TCTI=swtpm:path=$tap_dir/guest.sock "$@" >tool.log 2>&1; }
indices() { TPM2TOOLS_TCTI=swtpm:path=$tap_dir/guest.sock tpm2_nvreadpublic | grep -Eio '^0x1c[0-9a-f]+' | tr a-f A-F | tr '\n' ' '; }

refuses 2 'requires --tpm2' "not for a TPM 1.2" "$setup" --tpm-state vm --check-certificates
refuses 2 'cannot go with --createek' "nothing is made meanwhile" look vm --createek
refuses 1 'there is no TPM whose certificates' "no TPM" look vm
"$ca" init --dir C --subject Fleet >/dev/null || bail "no CA"
"$authority" init --dir A --software >/dev/null || bail "no authority"
"$authority" request --dir A --nonce "$("$ca" nonce --dir C)" --out request || bail "no request"
"$ca" delegate --dir C --request request --out A.pem --allow-software >/dev/null || bail "no delegation"
"$authority" install-certificate --dir A A.pem >/dev/null || bail "no certificate"
"$setup" --tpm2 --tpm-state vm --create-ek-cert --create-platform-cert --authority A >/dev/null ||
    bail "no TPM"
"$setup" --tpm2 --tpm-state plain --createek >/dev/null || bail "no plain TPM"

before=$(sum vm)
ok "the certificates of a new TPM match" look vm
is "$(look vm | grep -c ': matches')" 3 "all three of them"
refuses 1 'all 3 certificates match their keys: there is nothing to withdraw' \
    "matching certificates are not withdrawn" withdraw vm
is "$(sum vm)" "$before" "nothing was changed"
refuses 1 'no certificates of endorsement keys' "a TPM without certificates" look plain
refuses 1 'no certificates of endorsement keys' "has none to withdraw" withdraw plain

guest vm
refuses 1 'in use by a running TPM' "a TPM that runs is not looked at" look vm
refuses 1 'in use by a running TPM' "nor is anything withdrawn from it" withdraw vm
ok "TPM2_Clear" tool tpm2_clear -c p
stop "$started"
ok "keeps the endorsement keys: the certificates match" look vm
guest vm
ok "TPM2_ChangeEPS" tool tpm2_changeeps
stop "$started"
is "$(grep -c 'other endorsement keys now' emulator.log)" 1 "the emulator's log says what that means"
before=$(sum vm)
refuses 1 '3 of 3 certificates are not for this TPM' "does not: that is said" look vm
is "$(look vm 2>/dev/null | grep -c 'for another key')" 3 "of each certificate"
is "$(sum vm)" "$before" "and nothing more"
ok "they are withdrawn" withdraw vm
refuses 1 'no certificates of endorsement keys' "and gone" look vm
guest vm
is "$(indices)" "0x1C00100 " "the issuer's certificate stays in NV"
stop "$started"
finish
