#!/bin/bash
# holdfast-setup makes encrypted state and linear files that holdfast and Debian's swtpm open, and
# reconfigures those of swtpm_setup; with a wrong key, or something else in the file, nothing changes.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh disable=SC2317 # functions that ok calls
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tpm2 swtpm swtpm_setup
setup=$top_builddir/holdfast-setup
{ [ -x "$emulator" ] && [ -x "$setup" ]; } || bail "$emulator or $setup is not there"
case $emulator in /*) ;; *) emulator=$PWD/$emulator ;; esac
case $setup in /*) ;; *) setup=$PWD/$setup ;; esac
cd "$tap_dir" || bail "no directory"
export XDG_CONFIG_HOME=$tap_dir
swtpm=$(type -P swtpm)
printf '000102030405060708090a0b0c0d0e0f\n' >key16
printf '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f' >key32
printf 'correct horse\n' >phrase

# serves PROGRAM URI [OPTION...]: the TPM there has the RSA endorsement key.
serves() {
    local program=$1 uri=$2 pid found
    shift 2
    free_ports 2
    start tpm "$program" socket --tpm2 --tpmstate "backend-uri=$uri" --server "type=tcp,port=$port" \
        --ctrl "type=tcp,port=$((port + 1))" --flags not-need-init,startup-clear "$@"
    pid=$started
    export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
    wait_port "$port" "$pid" || { diag_file tpm.log; return 1; }
    found=$(tpm2_getcap handles-persistent | grep -c 0x81010001)
    tpm2_shutdown -c
    stop "$pid"
    [ "$found" = 1 ]
}
sum() { sha256sum place/* file 2>/dev/null; }

# Our state, for both; swtpm_setup's, for us.
for where in "dir://$tap_dir/place" "file://$tap_dir/file"; do
    kind=${where%%:*}
    while IFS='|' read -r name ours theirs; do
        # shellcheck disable=SC2086 # words
        for maker in holdfast-setup swtpm_setup; do
            rm -rf place file
            mkdir place
            program=$setup
            [ $maker = swtpm_setup ] && program=swtpm_setup
            what="$kind, $maker, $name"
            ok "$what: made" "$program" --tpm2 --tpmstate "$where" --createek $ours
            ok "$what: holdfast opens it" serves "$emulator" "$where" $theirs
            ok "$what: swtpm opens it" serves "$swtpm" "$where" $theirs
            ok "$what: holdfast-setup reconfigures it" \
                "$setup" --tpm2 --tpmstate "$where" --reconfigure --pcr-banks sha384 $ours
            ok "$what: swtpm_setup too" \
                swtpm_setup --tpm2 --tpmstate "$where" --reconfigure --pcr-banks sha256,sha384 $ours
            ok "$what: and the EK is still there" serves "$emulator" "$where" $theirs
        done
    done <<EOF
plain||
hexadecimal|--keyfile key16|--key file=key16
hexadecimal-256|--keyfile key32 --cipher aes-256-cbc|--key file=key32,mode=aes-256-cbc
passphrase-256|--pwdfile phrase --cipher aes-256-cbc|--key pwdfile=phrase,mode=aes-256-cbc
EOF
done

# From descriptors.
rm -rf place file
mkdir place
exec 7<phrase 8<key32
ok "--pwdfile-fd" "$setup" --tpm2 --tpm-state place --createek --pwdfile-fd 7 --cipher aes-256-cbc
ok "opens with the passphrase" serves "$emulator" "dir://$tap_dir/place" --key pwdfile=phrase,mode=aes-256-cbc
ok "--keyfile-fd" "$setup" --tpm2 --tpm-state place --overwrite --createek --keyfile-fd 8 --cipher aes-256-cbc
ok "opens with the key" serves "$emulator" "dir://$tap_dir/place" --key file=key32,mode=aes-256-cbc
exec 7<&- 8<&-

# Nothing changes.
before=$(sum)
refuses 1 "another key, or altered" "reconfigure with another key" "$setup" --tpm2 --tpm-state place \
    --reconfigure --pcr-banks sha1 --pwdfile phrase --cipher aes-256-cbc
refuses 1 "expected a key of 256 bits" "with one of another size" "$setup" --tpm2 --tpm-state place \
    --reconfigure --pcr-banks sha1 --keyfile key16
refuses 1 "is encrypted, and no key was given" "without a key" "$setup" --tpm2 --tpm-state place \
    --reconfigure --pcr-banks sha1
refuses 1 "expected 32 hexadecimal digits, found 64" "overwrite with a key file of the wrong size" \
    "$setup" --tpm2 --tpm-state place --overwrite --keyfile key32
refuses 1 "cannot open --keyfile: missing" "with one that is missing" \
    "$setup" --tpm2 --tpm-state place --overwrite --keyfile missing
refuses 1 "there is a TPM already" "without --overwrite" "$setup" --tpm2 --tpm-state place --keyfile key16
ok "--not-overwrite needs no key" "$setup" --tpm2 --tpm-state place --not-overwrite --keyfile missing
is "$(sum)" "$before" "the state is as it was"

printf 'a letter' >file
before=$(sum)
refuses 1 "found something else, which is left alone" "a file with something in it" \
    "$setup" --tpm2 --tpm-state "file://$tap_dir/file" --overwrite
is "$(sum)" "$before" "it is as it was"
rm file
refuses 1 "cannot open --keyfile: missing" "a file that is missing, with no key" \
    "$setup" --tpm2 --tpm-state "file://$tap_dir/file" --createek --keyfile missing
ok "is not made" test ! -e file
ok "a file" "$setup" --tpm2 --tpm-state "file://$tap_dir/file" --createek
refuses 1 "there is a TPM already" "is not replaced" "$setup" --tpm2 --tpm-state "file://$tap_dir/file"
before=$(sum)
ok "--overwrite replaces it" "$setup" --tpm2 --tpm-state "file://$tap_dir/file" --overwrite --createek
isnt "$(sum)" "$before" "by another TPM"
ok "that works" serves "$emulator" "file://$tap_dir/file"
start tpm "$emulator" socket --tpm2 --tpmstate "backend-uri=file://$tap_dir/file,lock" \
    --ctrl "type=unixio,path=$tap_dir/control" --flags not-need-init --pid "file=$tap_dir/pid"
wait_for 10 test -s pid || bail "the emulator does not start"
wait_for 10 "$top_builddir/holdfast-ctl" config --unix "$tap_dir/control"
refuses 1 "in use by a running TPM" "a running TPM that locked its file is not overwritten" \
    "$setup" --tpm2 --tpm-state "file://$tap_dir/file" --overwrite
stop "$started"
finish
