#!/bin/bash
# The chain of a TPM that swtpm_setup made with certificates of swtpm_localca, as holdfast-attest verify sees it: whole, and
# rooted in software.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need openssl tpm2_createek tpm2_quote tpm2_activatecredential
built=$(cd "$top_builddir" && pwd)
attest=$built/holdfast-attest names=$built/swtpm-names
cd "$tap_dir" || bail "no directory"
mkdir state certs other
for ca in ca otherca; do
    printf '%s\n' "statedir = $tap_dir/$ca" "signingkey = $tap_dir/$ca/signkey.pem" "issuercert = $tap_dir/$ca/issuercert.pem" \
        "certserial = $tap_dir/$ca/certserial" >$ca.conf
done
printf '%s\n' "--platform-manufacturer QEMU --platform-version 2.1 --platform-model q35" >options
printf '%s\n' "create_certs_tool = $names/swtpm_localca" "create_certs_tool_config = $tap_dir/ca.conf" \
    "create_certs_tool_options = $tap_dir/options" >setup.conf
"$names/swtpm_setup" --tpm2 --tpm-state state --config setup.conf --create-ek-cert --create-platform-cert --vmid vm1 \
    --write-ek-cert-files certs --logfile setup.log || bail "no TPM: $(cat setup.log)"
sed "s|$tap_dir/ca.conf|$tap_dir/otherca.conf|" setup.conf >other.conf
"$names/swtpm_setup" --tpm2 --tpm-state other --config other.conf --create-ek-cert --logfile other.log || bail "no other TPM"

start emulator "$emulator" socket --tpm2 --tpmstate dir=state --server "type=unixio,path=$tap_dir/tpm.sock" \
    --ctrl "type=unixio,path=$tap_dir/tpm.sock.ctrl" --flags not-need-init,startup-clear
wait_socket tpm.sock "$started" || bail "the emulator did not start"
export TPM2TOOLS_TCTI=swtpm:path=$tap_dir/tpm.sock TSS2_LOG=all+none
tool() {
    "$@" >tool.log 2>&1 || { diag "failed: $*"; diag_file tool.log; return 1; }
    tpm2_flushcontext -t >/dev/null 2>&1
}

tool tpm2_createak -C 0x81010001 -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub || bail "no attestation key"
tool tpm2_quote -c ak.ctx -l sha256:0,7 -q 00aa -m q.msg -s q.sig -o q.pcrs || bail "no quote"
ok "a challenge for the EK certificate that swtpm_localca made" "$attest" challenge --ek-certificate certs/ek-rsa2048.crt \
    --ak-public ak.pub --out cred --secret-out secret
tool tpm2_startauthsession --policy-session -S policy.ctx && tool tpm2_policysecret -S policy.ctx -c e
ok "the TPM answers it" tool tpm2_activatecredential -c ak.ctx -C 0x81010001 -i cred -o answer -P session:policy.ctx

verify() { # CA OPTION...
    local ca=$1
    shift
    "$attest" verify --ek-certificate certs/ek-rsa2048.crt --chain "$ca/issuercert.pem" \
        --root "$ca/swtpm-localca-rootca-cert.pem" --ak-public ak.pub --quote q.msg --signature q.sig --nonce 00aa \
        --pcrs q.pcrs --selection sha256:0,7 --secret secret --activated answer "$@"
}
ok "its chain verifies" verify ca
like "$(cat ok.log)" "software-rooted" "as software-rooted"
verify ca --json >verdict.json
is "$(python3 -c 'import json; v = json.load(open("verdict.json")); print(v["rooted"] if "rooted" in v else v["tpm"])')" software-rooted "and says so in JSON"
refuses 1 "software-rooted, but only hardware-rooted" "not where hardware is asked for" verify ca --hardware-only
refuses 1 "issuer|signature|root" "nor under the CA of another host" verify otherca
finish
