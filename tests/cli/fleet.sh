# shellcheck shell=bash
# fleet.sh - a fleet in $tap_dir: CA, host TPM, authority, virtual TPMs, and a privacy CA.
#
#     . "$top_srcdir/tests/tap.sh"
#     . "$top_srcdir/tests/cli/host-tpm.sh"
#     . "$top_srcdir/tests/cli/fleet.sh"
#     cd "$tap_dir"
#     fleet_make                      # C: the fleet's CA, A: an authority in the host TPM "host", P: a privacy CA
#     vtpm_make one                   # a virtual TPM of A that serves at one.sock
#     request one; certify...; activate one answer
#
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2154  # tap_dir, top_builddir, started and host_tcti are of the other two

attest=$top_builddir/holdfast-attest
authority=$top_builddir/holdfast-authority
ca=$top_builddir/holdfast-ca

# request NAME [OPTION...]: NAME.request of the attestation key in NAME.ak.
request() { local name=$1; shift; "$attest" enroll --dir "$name.ak" --tcti "swtpm:path=$tap_dir/$name.sock" --request "$name.request" "$@"; }
# activate NAME ANSWER [OPTION...]
activate() { local name=$1 answer=$2; shift 2; "$attest" enroll --dir "$name.ak" --activate "$answer" "$@"; }
# enrol_key NAME [OPTION...]: NAME.ak gets an attestation key and a certificate of P.
enrol_key() {
    local name=$1
    shift
    request "$name" "$@" >/dev/null &&
        "$ca" certify --dir P --request "$name.request" --out answer --vma-root C/root.pem --ek-roots vendor/issuercert.pem >/dev/null &&
        activate "$name" answer --ca-root P/root.pem >/dev/null
}
# tool NAME COMMAND...: a tpm2-tools command at the TPM NAME; what it says goes to tool.log.
tool() { local name=$1; shift; TPM2TOOLS_TCTI=swtpm:path=$tap_dir/$name.sock "$@" >tool.log 2>&1; }

fleet_make() {
    host_tpm_make host || { diag_file host.log; bail "no host TPM could be made"; }
    host_tpm_start host || bail "the host TPM did not start"
    "$ca" init --dir C >/dev/null || bail "no CA"
    "$ca" init --dir P --subject "privacy CA" >/dev/null || bail "no CA"
    { "$authority" init --dir A --tcti "$host_tcti" --make-approver approver.key &&
        openssl pkey -in approver.key -pubout -out approver.pub &&
        "$authority" approve --dir A --approver-key approver.key &&
        "$authority" pcrs --dir A >values &&
        "$authority" request --dir A --out introduction &&
        "$ca" challenge --dir C --request introduction --out challenge --ek-roots vendor/issuercert.pem &&
        "$authority" respond --dir A --challenge challenge --out response &&
        "$ca" delegate --dir C --request response --out vma.pem --approver-public approver.pub \
            --approved-pcrs values &&
        "$authority" install-certificate --dir A vma.pem; } >fleet.log 2>&1 ||
        { diag_file fleet.log; bail "no authority could be made"; }
}

# soft_delegated CA: the software-rooted authority S, made when it is not there, and CA.s.pem.
soft_delegated() {
    { [ -d S ] || "$authority" init --dir S --software; } >soft.log 2>&1
    { "$authority" request --dir S --out s.hello &&
        "$ca" challenge --dir "$1" --request s.hello --out s.challenge &&
        "$authority" respond --dir S --challenge s.challenge --out s.response &&
        "$ca" delegate --dir "$1" --request s.response --out "$1.s.pem" --allow-software; } >>soft.log 2>&1 ||
        { diag_file soft.log; bail "no software-rooted authority"; }
}

# vtpm_make NAME [OPTION...]: options are for holdfast-setup; of authority A unless they name one.
vtpm_make() {
    local name=$1 of=(--authority A)
    shift
    [[ " $* " != *" --authority "* ]] || of=()
    mkdir "$name"
    "$top_builddir/holdfast-setup" --tpm2 --tpm-state "$name" "${of[@]}" --create-ek-cert \
        --create-platform-cert "$@" >"$name.log" 2>&1 || { diag_file "$name.log"; bail "no vTPM"; }
    start "$name" "$top_builddir/holdfast" socket --tpm2 --tpmstate "dir=$name" \
        --server "type=unixio,path=$name.sock" --ctrl "type=unixio,path=$name.sock.ctrl" \
        --flags not-need-init,startup-clear
    wait_socket "$name.sock.ctrl" "$started" || bail "no vTPM"
    wait_socket "$name.sock" "$started" || bail "no vTPM"
}
