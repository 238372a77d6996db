#!/bin/bash
# python3-tpm2-pytss (Debian's) over tpm2-tss' swtpm TCTI: random bytes, a primary key, a quote that
# another library verifies, NV, and the EK certificates of a TPM that was manufactured.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
[ -x "$emulator" ] || bail "$emulator is not there"
# Debian's Python is the one that Debian's module is for.
/usr/bin/python3 -c 'import tpm2_pytss, cryptography' 2>/dev/null || skip_all "python3-tpm2-pytss is not installed"
names=$(cd "$top_builddir" && pwd)/swtpm-names
mkdir "$tap_dir/state" "$tap_dir/ca" "$tap_dir/certs"
printf "%s = $tap_dir/ca/%s\n" statedir . signingkey key.pem issuercert cert.pem certserial serial >"$tap_dir/localca.conf"
: >"$tap_dir/localca.options"
printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
    "$names/swtpm_localca" "$tap_dir/localca.conf" "$tap_dir/localca.options" >"$tap_dir/setup.conf"
ok "a TPM with certificates" "$names/swtpm_setup" --tpm2 --tpm-state "$tap_dir/state" --config "$tap_dir/setup.conf" \
    --create-ek-cert --write-ek-cert-files "$tap_dir/certs" --lock-nvram --vmid pytss || bail "no TPM"

free_ports 2
start emulator "$emulator" socket --tpm2 --tpmstate "dir=$tap_dir/state" \
    --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" --flags not-need-init,startup-clear
wait_port "$port" "$started" || { diag_file "$tap_dir/emulator.log"; bail "the emulator did not start"; }

# Every line of the script's standard output is a result.
while read -r verdict description; do
    case $verdict in
    ok) pass "$description" ;;
    *) fail "$description" "$verdict" ;;
    esac
done < <(TSS2_LOG=all+NONE timeout 120 /usr/bin/python3 "$top_srcdir/tests/interop/pytss-client.py" \
    "swtpm:host=127.0.0.1,port=$port" "$tap_dir/certs" 2>"$tap_dir/client.log" || echo "failed the client ran to its end")
diag_file "$tap_dir/client.log"
ok "the emulator lives" kill -0 "$started"
stop "$started"
finish
