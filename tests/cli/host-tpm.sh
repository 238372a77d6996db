# shellcheck shell=bash
# host-tpm.sh - an emulated TPM that stands in for the host's hardware TPM: Debian's swtpm.
#
#     . "$top_srcdir/tests/tap.sh"
#     . "$top_srcdir/tests/cli/host-tpm.sh"
#     host_tpm_start one              # state in $tap_dir/one; $host_tcti reaches it
#     host_tpm_stop
#     host_tpm_start one              # the same TPM after a reboot of the host
#     host_tpm_start two              # another TPM
#
# Must not: use our own emulator; what is tested must not also be its own measure.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2154  # tap_dir and started are tap.sh's

# shellcheck disable=SC2034  # for the tests
host_tcti=
host_tpm_pid=

# host_tpm_start NAME: power on; fails when it does not come up.
host_tpm_start() {
    local dir=$tap_dir/$1
    mkdir -p "$dir"
    rm -f "$dir/sock" "$dir/sock.ctrl"
    start "host-tpm-$1" swtpm socket --tpm2 --tpmstate "dir=$dir" \
        --server "type=unixio,path=$dir/sock" --ctrl "type=unixio,path=$dir/sock.ctrl" \
        --flags not-need-init,startup-clear
    host_tpm_pid=$started
    # shellcheck disable=SC2034
    host_tcti=swtpm:path=$dir/sock
    wait_socket "$dir/sock.ctrl" "$host_tpm_pid" && wait_socket "$dir/sock" "$host_tpm_pid"
}

# host_tpm_stop: power off.
host_tpm_stop() {
    [ -z "$host_tpm_pid" ] || stop "$host_tpm_pid"
    host_tpm_pid=
}

# host_pcr_extend PCR: as a boot of something else would.
host_pcr_extend() {
    TPM2TOOLS_TCTI=$host_tcti tpm2_pcrextend \
        "$1:sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
}

# host_tpm_make NAME: a TPM as it comes from its vendor, with an endorsement certificate in NV, of
# the vendor in $tap_dir/vendor: swtpm-localca-rootca-cert.pem certifies issuercert.pem, and that
# the TPM. Not started.
host_tpm_make() {
    local vendor=$tap_dir/vendor
    mkdir -p "$vendor" "$tap_dir/$1"
    printf 'statedir = %s\nsigningkey = %s\nissuercert = %s\ncertserial = %s\n' "$vendor" \
        "$vendor/signkey.pem" "$vendor/issuercert.pem" "$vendor/certserial" >"$vendor/localca.conf"
    : >"$vendor/options"
    printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
        "$(type -P swtpm_localca)" "$vendor/localca.conf" "$vendor/options" >"$vendor/setup.conf"
    swtpm_setup --tpm2 --tpmstate "$tap_dir/$1" --config "$vendor/setup.conf" --create-ek-cert \
        --runas "$(id -un)" >"$tap_dir/$1.log" 2>&1
}
