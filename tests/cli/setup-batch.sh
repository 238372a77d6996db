#!/usr/bin/env bash
# holdfast-setup --batch: many TPMs in one call, beside each other; a wrong line, a TPM that cannot be made, a
# process that dies and a kill in the middle cost the others nothing, and the same call again makes what is missing.
# What it costs the host TPM is counted on its bus.
# SPDX-License-Identifier: BSD-3-Clause
# Functions are run by ok and refuses, and what stands in single quotes is for another shell:
# shellcheck disable=SC2016,SC2317
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need python3 openssl
setup=$(realpath "$top_builddir/holdfast-setup")
names=$(realpath "$top_builddir/swtpm-names")
authority=$(realpath "$top_builddir/holdfast-authority")
ca=$(realpath "$top_builddir/holdfast-ca")
cd "$tap_dir" || bail "no directory"
export XDG_CONFIG_HOME=$tap_dir/config TMPDIR=$tap_dir/tmp
mkdir config tmp

# batch NAME COUNT [OPTION...]: a file NAME with COUNT lines, and the directories NAME.1 and so on.
batch() {
    local name=$1 count=$2 i
    shift 2
    for ((i = 1; i <= count; i++)); do
        mkdir "$name.$i"
        printf '%s ' --tpm-state "$tap_dir/$name.$i" "$@"
        printf -- '--vmid %s-%s\n' "$name" "$i"
    done >"$name"
}
sums() { sha256sum "$@" | sort; }
loads() { "$setup" --tpm2 --tpm-state "$1" --reconfigure --pcr-banks sha256 | grep -q 'as it was asked for'; }

# --- usage
batch lone 1
refuses 2 'jobs is for --batch' '--jobs alone' "$setup" --tpm2 --tpm-state lone.1 --jobs 2
refuses 2 'jobs' 'no jobs at all' "$setup" --tpm2 --batch lone --jobs 0
refuses 2 'tpm-state is for one TPM' 'one state for all' "$setup" --tpm2 --batch lone --tpm-state lone.1
refuses 2 'vmid is for one TPM' 'one name for all' "$setup" --tpm2 --batch lone --vmid x
refuses 2 'pwdfile-fd can be read once' 'one descriptor for all' "$setup" --tpm2 --batch lone --pwdfile-fd 3
refuses 1 'nofile.*No such file' 'a file that is not there' "$setup" --tpm2 --batch nofile
printf '# nothing\n\n' >empty
refuses 1 'there is no TPM in it' 'a file without a TPM' "$setup" --tpm2 --batch empty
printf -- '--tpm-state lone.1\0\n' >zero
refuses 1 'text file in UTF-8' 'a file that is no text' "$setup" --tpm2 --batch zero
ok 'nothing was made' test ! -e lone.1/tpm2-00.permall

# --- lines that are wrong, beside some that are not
batch mixed 2 --createek
mkdir 'with a blank'
{
    printf '   # a comment, with "one quote\n\n'
    printf -- '--tpm-state "with a blank" --pcr-banks sha384\n'
    printf -- '--tpm-state mixed.3 --bogus\n'
    printf -- '--tpm-state mixed.4 --batch other\n'
    printf -- '--tpm-state mixed.5 --authority A\n'
    printf -- '--tpm-state mixed.6 "unfinished\n'
    printf -- '--tpm-state mixed.7 word\n'
    printf -- '--createek\n'
    printf -- '--tpm-state %s/./mixed.1\n' "$tap_dir"
    printf -- '--tpm-state mixed.8 --pwdfile-fd 3\n'
    printf -- '--tpm-state mixed.9 --help\n'
    printf -- '--tpm-state missing\n'
} >>mixed
refuses 1 'mixed: 10 of 13 failed: lines 6, 7, 8, 9, 10, 11, 12, 13, 14, 15$' 'wrong lines are counted' \
    "$setup" --tpm2 --batch mixed --jobs 1
cp refuses.log mixed.log
for said in "line 6: unknown or ambiguous option '--bogus'" 'line 7: --batch is for the whole run' \
    'line 8: --authority is for the whole run' 'line 9: .*quot' 'line 10: unexpected operand "word"' \
    'line 11: --tpm-state must be given' 'line 12: the state .* is that of line 1 already' \
    'line 13: --pwdfile-fd can be read once' 'line 14: expected the options of a TPM' \
    'line 15: cannot open state directory missing: No such file'; do
    ok "said: $said" grep -Eq "^holdfast-setup: mixed, $said" mixed.log
done
like "$(grep -c ' of 13: line ' mixed.log)" '^13$' 'each TPM is told when it is ready'
ok 'the first of the good ones is made' loads mixed.1
ok 'the second' loads mixed.2
ok 'the third has what its line says' sh -c "'$setup' --tpm2 --tpm-state 'with a blank' --reconfigure --pcr-banks sha384 | grep -q 'as it was asked for'"
before=$(sums mixed.*/tpm2-00.permall)
refuses 1 'Finished: 0 done, 3 there already, 10 failed' 'again: what is there stays' "$setup" --tpm2 --batch mixed
is "$(sums mixed.*/tpm2-00.permall)" "$before" 'byte for byte'
ok 'from standard input, --overwrite' sh -c "head -2 mixed | '$setup' --tpm2 --overwrite --batch -"
isnt "$(sums mixed.*/tpm2-00.permall)" "$before" 'makes others'
ok '--logfile has the words of each TPM' sh -c "'$setup' --tpm2 --overwrite --batch lone --logfile log && grep -q '^lone, line 1: Making a TPM 2.0' log"
ok '--display, too' sh -c "'$setup' --tpm2 --overwrite --batch lone --display | grep -q '^lone, line 1: TPM 2.0, level'"
ok 'TPM 1.2 beside 2.0' sh -c "mkdir old new && printf -- '--tpm-state old\n--tpm-state new --tpm2\n' | '$setup' --batch -"
ok 'each has its own' test -s old/tpm-00.permall -a -s new/tpm2-00.permall
# --- beside each other, and killed: a certificate tool knows who is at work
make_tool() { # NAME SCRIPT
    printf '#!/bin/sh\nfor word; do [ "$last" != --vmid ] || vm=$word; [ "$last" != --dir ] || dir=$word; last=$word; done\n%s\n' \
        "$2" >"$1"
    chmod +x "$1"
    printf 'create_certs_tool = %s\n' "$tap_dir/$1" >config/swtpm_setup.conf
}
as_swtpm() { "$names/swtpm_setup" --tpm2 --createek --create-ek-cert --ek1keyalgo ecc_nist_p256 --ek2keyalgo none "$@"; }
# The tool of each waits until both are there.
make_tool together "cd '$tap_dir' && : >here.\$vm
for i in \$(seq 1000); do [ -e here.both-1 ] && [ -e here.both-2 ] && { echo together >&2; exit 1; }; sleep 0.02; done
echo alone >&2; exit 1"
batch both 2
refuses 1 'line 1: .*together' 'two at a time are two at a time' as_swtpm --batch both --jobs 2
rm here.*
mkfifo gate
make_tool gated "cd '$tap_dir' && : >here.\$vm; [ \$vm != killed-2 ] || read line <gate; exit 1"
batch killed 4
sed -i 's/$/ --createek/' killed
# Lines 1, 3 and 4 need no certificate; the tool of line 2 waits for good.
sed -i '2s/$/ --create-ek-cert/' killed
start killed "$names/swtpm_setup" --tpm2 --createek --ek1keyalgo ecc_nist_p256 --ek2keyalgo none \
    --batch killed --jobs 2
main=$started
ok 'the others do not wait for one that takes long' wait_or_gone "$main" grep -q '3 of 4' killed.log
wait_or_gone "$main" test -e here.killed-2
kids=$(cat "/proc/$main/task/$main/children")
like "$kids" '[0-9]+ [0-9]+' 'a process for the TPM and one for the key'
kill_hard "$main"
all_gone() { local pid; for pid in $kids; do gone "$pid" || return 1; done; }
ok 'killed, it takes its processes along' wait_for 10 all_gone
ok 'the TPM that was under way is not there' test ! -e killed.2/tpm2-00.permall
before=$(sums killed.*/tpm2-00.permall)
is "$(wc -l <<<"$before")" 3 'the others are'
sed -i 's/ --create-ek-cert//' killed
ok 'the same call again' sh -c "'$setup' --tpm2 --batch killed >again.log"
like "$(tail -1 again.log)" 'Finished: 1 done, 3 there already, 0 failed' 'makes what is missing'
is "$(sums killed.[134]/tpm2-00.permall)" "$before" 'and nothing else'
ok 'which is a TPM' loads killed.2

# A process that is killed is one line that failed.
batch dead 3
sed -i '2s/$/ --create-ek-cert/' dead
make_tool gated2 "cd '$tap_dir' && echo \$PPID >worker && read line <gate"
start dead "$names/swtpm_setup" --tpm2 --createek --ek1keyalgo ecc_nist_p256 --ek2keyalgo none --batch dead --jobs 1
main=$started
ok 'a process of a batch' wait_file worker "$main"
kill -KILL "$(cat worker)"
wait "$main"
is $? 1 'is killed: exit code 1'
ok 'which is told' grep -q 'dead, line 2: its process was ended by signal 9' dead.log
like "$(cat dead.log)" 'Finished: 2 done, 0 there already, 1 failed' 'the others are made'

# --- an authority with its key in a file, and one in a host TPM
"$authority" approver-key approver.key >/dev/null || bail "no approver"
"$ca" init --dir C --subject Fleet >/dev/null || bail "no CA"
ok 'an authority with a key in a file' "$authority" init --dir F --software
delegated() { # DIR OPTION...
    local dir=$1
    shift
    "$authority" request --dir "$dir" --nonce "$("$ca" nonce --dir C)" --out request &&
        "$ca" delegate --dir C --request request --out "$dir.pem" "$@" &&
        "$authority" install-certificate --dir "$dir" "$dir.pem"
}
ok 'has its certificate' delegated F --allow-software
certified=(--tpm2 --create-ek-cert --create-platform-cert)
with_files() { # FILE: its lines with a directory for the certificates
    sed -i 's|--tpm-state \([^ ]*\)|& --write-ek-cert-files \1|' "$1"
}
verified() { # DIR... : the certificates in it are of the fleet
    local authority=$1 dir file
    shift
    for dir; do
        for file in ek-rsa2048 ek-secp384r1; do
            openssl x509 -inform der -in "$dir/$file.crt" -out ek.pem &&
                openssl verify -x509_strict -CAfile C/root.pem -untrusted "$authority/vma.pem" ek.pem || return 1
        done
    done
}
batch soft 4
with_files soft
ok 'certifies a batch' "$setup" "${certified[@]}" --batch soft --authority F
ok 'each certificate verifies' verified F soft.[1-4]
is "$(sha256sum soft.*/ek-*.crt | cut -c1-64 | sort -u | wc -l)" 8 'and is of its own TPM'
batch lost 2
refuses 1 'line 1: authority: .*nowhere.*line 2: authority: |lost: 2 of 2 failed' 'an authority that is not there' \
    "$setup" "${certified[@]}" --batch lost --authority nowhere
like "$(cat refuses.log)" 'lost, line 2: authority: .*nowhere' 'is told for each TPM'
ok 'and none is made' test ! -e lost.1/tpm2-00.permall -a ! -e lost.2/tpm2-00.permall

if ! type -P swtpm >/dev/null; then
    skip 'an authority in a host TPM' 'swtpm is not installed'
    finish
fi
host_tpm_start one || bail 'the host TPM did not start'
python3 "$top_srcdir/tests/cli/tpmbus.py" "$tap_dir/bus" "$tap_dir/one/sock" watch 2>bus.log &
tap_pids+=("$!")
bus=$!
bus_tcti=swtpm:path=$tap_dir/bus/sock
wait_socket bus/sock "$bus" || bail 'the bus did not start'
ok 'an authority in a host TPM' "$authority" init --dir A --tcti "$bus_tcti" --approver-public approver.key.pub
"$authority" approve --dir A --approver-key approver.key >/dev/null || bail 'not approved'
"$authority" pcrs --dir A >A.pcrs
ok 'has its certificate, too' delegated A --approver-public approver.key.pub --allow-unproved-ek \
    --approved-pcrs A.pcrs

# counted DESCRIPTION TPMS COMMAND...: what the command costs the host TPM; $seen has the codes.
counted() {
    local description=$1 tpms=$2 before
    shift 2
    before=$(wc -l <bus/seen)
    ok "$description" "$@" || return
    # The bus writes down all of them when a client has left; the last of our commands is a flush.
    seen_more() { [ "$(tail -n +"$((before + 1))" bus/seen | grep -c '^15d$')" -ge 1 ]; }
    wait_for 10 seen_more
    tail -n +"$((before + 1))" bus/seen >counted
    diag "$description: $(wc -l <counted) commands"
    is "$(grep -c '^15d$' counted)" "$((3 * tpms))" "$description: three signatures a TPM"
    # Session and key, once: what a TPM more costs is five commands a signature.
    commands=$(wc -l <counted)
}
batch single 1
commands=0
counted 'a single TPM' 1 "$setup" "${certified[@]}" --tpm-state single.1 --authority A
is "$(grep -c '^177$' counted)" 1 'a single TPM: one verification of the policy'
alone=$commands
batch hard 5
with_files hard
counted 'five TPMs' 5 "$setup" "${certified[@]}" --batch hard --authority A --jobs 3
is "$(grep -c '^177$' counted)" 1 'five TPMs: one verification of the policy for all'
is "$commands" "$((alone + 4 * 3 * 5))" 'a TPM more is fifteen commands more'
ok 'all verify' verified A hard.[1-5]
batch again 2
mkdir again.certs
printf 'alpha\n' >again.conf1
printf 'beta\n' >again.conf2
sed -i -e '1s/$/ --reproducible-from again.conf1/' -e '2s/$/ --reproducible-from again.conf2/' again
with_files again
counted 'reproducible keys' 2 "$setup" "${certified[@]}" --batch again --authority A --jobs 2
is "$(grep -c '^155$' counted)" 2 'one derivation a TPM'
cp again.1/ek-rsa2048.crt first.crt
ok 'once more' "$setup" "${certified[@]}" --overwrite --batch again --authority A
is "$(openssl x509 -inform der -in again.1/ek-rsa2048.crt -noout -pubkey)" \
    "$(openssl x509 -inform der -in first.crt -noout -pubkey)" 'they come back'
isnt "$(openssl x509 -inform der -in again.2/ek-rsa2048.crt -noout -pubkey)" \
    "$(openssl x509 -inform der -in first.crt -noout -pubkey)" 'each its own'
ok 'a host in another state' host_pcr_extend 7
batch refused 2
refuses 1 'line 2: authority: .*PCRs changed|refused: 2 of 2 failed' 'signs nothing' \
    "$setup" "${certified[@]}" --batch refused --authority A
like "$(cat refuses.log)" 'line [12]: .*PCRs changed since the approval' 'and says why'
ok 'nor is a TPM made' test ! -e refused.1/tpm2-00.permall -a ! -e refused.2/tpm2-00.permall
finish
