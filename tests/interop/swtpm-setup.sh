#!/bin/bash
# Debian's swtpm_setup starts our emulator as its --tpm and makes a TPM with it: inherited sockets,
# the pid file it waits for, state that opens afterwards with everything in it.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tpm2 swtpm_setup swtpm_localca openssl
[ -x "$emulator" ] || bail "$emulator is not there"
cd "$tap_dir" || bail "no directory"
mkdir state ca certificates

cat >setup.conf <<END
create_certs_tool = $(type -P swtpm_localca)
create_certs_tool_config = $tap_dir/localca.conf
create_certs_tool_options = $tap_dir/localca.options
active_pcr_banks = sha256,sha384
END
cat >localca.conf <<END
statedir = $tap_dir/ca
signingkey = $tap_dir/ca/signkey.pem
issuercert = $tap_dir/ca/issuercert.pem
certserial = $tap_dir/ca/certserial
END
echo "--platform-manufacturer Debian --platform-version 1 --platform-model QEMU" >localca.options

# shellcheck disable=SC2317  # run by ok and refuses
setup() {
    swtpm_setup --tpm "$emulator socket" --tpm2 --tpm-state "$tap_dir/state" --config setup.conf \
        --logfile "$tap_dir/setup.log" "$@"
}
if ! ok "swtpm_setup makes a TPM with our emulator" setup --create-ek-cert --create-platform-cert \
    --lock-nvram --vmid vm-1 --write-ek-cert-files certificates; then
    diag_file setup.log
    bail "no TPM, nothing to look at"
fi
code=0
setup --createek >/dev/null 2>&1 || code=$?
is "$code" 1 "it finds that TPM, and does not make another"
like "$(tail -n 1 setup.log)" "existing TPM" "and says so"
ok "nor with --not-overwrite" setup --createek --not-overwrite
# Both print what they learnt from the emulator itself.
like "$(swtpm_setup --tpm "$emulator socket" --print-capabilities)" 'tpm-2.0.*tpm2-rsa-keysize-2048' \
    "its capabilities are those of our emulator"

open_tpm() {
    free_ports 2
    start emulator "$emulator" socket --tpm2 --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port" \
        --ctrl "type=tcp,port=$((port + 1))" --flags not-need-init,startup-clear
    export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
    wait_port "$port" "$started" || { diag_file emulator.log; bail "the state does not open"; }
}
open_tpm
for key in 0x81010001 0x81010016; do
    ok "the EK $key is there" tpm2_readpublic -Q -c "$key" -f pem -o "$key.pem"
done
tpm2_createek -Q -G rsa -c ek.ctx -u ek.pem -f pem
ok "the RSA EK is what the standard template gives" cmp ek.pem 0x81010001.pem
tpm2_flushcontext -t
for pair in 0x1c00002:rsa2048:0x81010001 0x1c00016:secp384r1:0x81010016; do
    IFS=: read -r index name key <<<"$pair"
    ok "the certificate $index is there" tpm2_nvread -Q "$index" -C o -o "$name.der"
    ok "it is the file that was written" cmp "$name.der" "certificates/ek-$name.crt"
    openssl x509 -inform DER -in "$name.der" -out "$name.pem"
    openssl x509 -in "$name.pem" -noout -pubkey >"$name.key" 2>/dev/null
    ok "it is for that EK" bash -c "openssl pkey -pubin -in '$name.key' -outform DER | cmp - <(openssl pkey -pubin -in '$key.pem' -outform DER)"
    refuses any "lock|auth|0x" "it is locked" tpm2_nvwrite "$index" -C p -i localca.options
done
ok "the platform certificate is there" tpm2_nvread -Q 0x1c08000 -C o -o platform.der
like "$(tpm2_getcap pcrs)" 'sha384: \[ 0,' "the PCR banks are those of the configuration"
like "$(tpm2_getcap pcrs)" 'sha1: \[ \]' "and no others"
stop "$started"

ok "--reconfigure changes the PCR banks" setup --reconfigure --pcr-banks sha256
open_tpm
like "$(tpm2_getcap pcrs)" 'sha384: \[ \]' "so it is"
ok "with the EK still there" tpm2_readpublic -Q -c 0x81010001 -f pem -o again.pem
ok "the same" cmp again.pem 0x81010001.pem
stop "$started"
finish
