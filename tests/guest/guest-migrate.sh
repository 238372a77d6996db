#!/bin/bash
# A guest on its way: live migration between two QEMUs with an emulator each (states of their own, and
# one shared state directory), saved to a file and resumed at the source, cancelled, and
# savevm/loadvm. PCRs, a loaded key, sessions and NV are as they were, nothing is lost or repeated.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
need qemu-img

# /dev/tpm0 itself: nothing is flushed when it is closed.
cat >"$tap_dir/job" <<'END_OF_JOB'
export TPM2TOOLS_TCTI=device:/dev/tpm0
facts() {
    say pcr "$(cat /sys/class/tpm/tpm0/pcr-sha256/16)"
    say counter "$(tpm2_nvread 0x1500001 -C o | hexdump -ve '1/1 "%02x"')"
    say key "$(tpm2_readpublic -c 0x80000000 -n /tmp/name >/dev/null 2>&1 && hexdump -ve '1/1 "%02x"' /tmp/name)"
    say sessions "$(tpm2_getcap handles-loaded-session | tr -d '\n') $(tpm2_getcap handles-saved-session | tr -d '\n')"
}
{
    tpm2_nvdefine 0x1500001 -C o -a 'nt=counter|ownerread|ownerwrite' && tpm2_nvincrement 0x1500001 -C o
    tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
    tpm2_createprimary -C n -g sha256 -G ecc256:ecdsa-sha256 -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' -c primary.ctx
    # A session that is saved, and one that stays in the TPM: StartAuthSession by hand.
    tpm2_startauthsession --policy-session -S saved.ctx && tpm2_policypcr -S saved.ctx -l sha256:16 -L before
    exec 4<>/dev/tpm0
    printf '\200\001\000\000\000\053\000\000\001\166\100\000\000\007\100\000\000\007\000\020aaaaaaaaaaaaaaaa\000\000\001\000\020\000\013' >&4
    dd bs=4096 count=1 <&4 >session
    exec 4>&-
} >/tmp/setup.log 2>&1 || cat /tmp/setup.log
facts
while :; do
    case $(ask next) in
    facts) facts ;;
    work)
        # Commands all the time; the host moves the guest meanwhile.
        n=0
        while [ "$n" -lt 30 ]; do
            tpm2_nvincrement 0x1500001 -C o && n=$((n + 1))
            [ "$n" -ne 3 ] || say working
        done
        say worked "$n" ;;
    extend)
        tpm2_pcrextend 16:sha256=0202020202020202020202020202020202020202020202020202020202020202
        tpm2_nvincrement 0x1500001 -C o
        facts ;;
    sign)
        check "the loaded key signs, and the signature is good" sh -c 'echo hello >m &&
            tpm2_sign -c 0x80000000 -g sha256 -o s m && tpm2_verifysignature -c 0x80000000 -g sha256 -m m -s s'
        check "the saved session goes on" sh -c 'tpm2_policypcr -S saved.ctx -l sha256:16 -L after &&
            tpm2_flushcontext saved.ctx' ;;
    off) break ;;
    esac
done
END_OF_JOB

# ask_guest ANSWER: the guest asks what is next and is told.
ask_guest() {
    vm_expect ask
    guest_answer "$1"
}

# facts: what the guest finds, into $facts; the counter into $counter.
facts() {
    local what
    facts='' counter=
    for what in pcr counter key sessions; do
        vm_expect "$what"
        facts+="$what $words"$'\n'
        [ "$what" != counter ] || counter=$((16#$words))
    done
}

# boot_source DEVICE [QEMU OPTION...]: a new TPM and its guest, which has set everything up.
boot_source() {
    rm -rf "$vm_state"
    mkdir "$vm_state"
    tpm_start "${source_options[@]}"
    vm_boot "$tap_dir/job" "$@"
    facts
    before=$facts
    like "$facts" 'key [0-9a-f]{68}' "$vm_name: the guest has a loaded key"
    like "$facts" 'sessions - 0x3000001 *- 0x3000000|sessions - 0x[23]00000. *- 0x[23]00000' "$vm_name: a session that is loaded and one that is saved"
}
source_options=()

# swap: guest_* and vm_* are those of the other side from here on.
swap() {
    local name other kept
    for name in guest_pid guest_to guest_from guest_monitor guest_work vm_pid vm_socket vm_state; do
        other=other_$name
        kept=${!name}
        printf -v "$name" %s "${!other:-}"
        printf -v "$other" %s "$kept"
    done
}

# target DEVICE STATE QEMU-OPTION OPTION...: the other side: an emulator with that state directory, and a QEMU
# that waits for a guest.
target() {
    local device=$1 state=$2 option=$3
    shift 3
    swap
    vm_state=$state vm_socket=$tap_dir/control2
    tpm_start --log "file=$tap_dir/target.log" "$@"
    rm -f "$tap_dir/incoming"
    guest_boot "$tap_dir/vm2" "$tap_dir/job" "$vm_socket" "$device" -incoming "unix:$tap_dir/incoming" \
        ${option:+"$option"}
    tap_pids+=("$guest_pid")
    wait_socket "$tap_dir/incoming" "$guest_pid" || vm_bail "the target does not listen"
    swap
}

# migrate DEVICE STATE OPTION...: the running guest moves to a new target. Afterwards vm_* and guest_* are
# those of the target.
migrate() {
    local device=$1 state=$2
    shift 2
    target "$device" "$state" "" "$@"
    guest_command "migrate -d unix:$tap_dir/incoming"
    ok "$vm_name: the source is done" vm_monitor 30 'postmigrate' "info status"
    guest_kill
    ok "$vm_name: its emulator ends" wait_gone "$vm_pid" 5
    swap
}

# fall_back [JOB-ANSWER...]: the guest moves to a target that is given up, after the guest has gone on there
# when it has answers; then it runs at the source again.
fall_back() {
    local answer
    target tpm-crb "$vm_state" -S --migration release-lock-outgoing,incoming
    guest_command "migrate -d unix:$tap_dir/incoming"
    ok "$vm_name: the source is done" vm_monitor 30 'postmigrate' "info status"
    swap
    ok "$vm_name: the target has it" vm_monitor 30 'paused' "info status"
    for answer in "$@"; do
        [ "$answer" != "$1" ] || guest_command cont
        guest_answer "$answer"
        facts
        vm_expect ask
    done
    guest_kill
    ok "$vm_name: the target is gone" wait_gone "$vm_pid" 5
    swap
    guest_command cont
    ok "$vm_name: the source runs again" vm_monitor 10 'VM status: running' "info status"
}

power_off() {
    ask_guest off
    vm_expect end
    ok "$vm_name: the VM powers off" guest_wait 20
    ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
    vm_state=$tap_dir/state vm_socket=$tap_dir/control
}

cat >"$tap_dir/again" <<'END_OF_JOB'
say counter "$(tpm2_nvread 0x1500001 -C o | hexdump -ve '1/1 "%02x"')"
END_OF_JOB

for device in tpm-crb tpm-tis; do
    vm_name="live migration, $device"
    if [ "$device" = tpm-crb ]; then
        target=$tap_dir/target-state target_options=() source_options=()
    else
        vm_name+=", shared state"
        target=$vm_state target_options=(--migration "release-lock-outgoing,incoming")
        source_options=(--migration release-lock-outgoing)
    fi
    boot_source "$device"
    mkdir -p "$target"
    ask_guest work
    vm_expect working
    migrate "$device" "$target" "${target_options[@]}"
    vm_expect worked
    ask_guest facts
    old=$counter
    facts
    is "$counter" "$((old + 30))" "$vm_name: every command has run once"
    is "$(grep -v ^counter <<<"$facts")" "$(grep -v ^counter <<<"$before")" "$vm_name: PCR, key and sessions are there"
    ask_guest sign
    power_off
    # The TPM that has moved is the one that is in the target's directory.
    vm_name+=", again from its state"
    vm_state=$target
    tpm_start
    vm_boot "$tap_dir/again" "$device" 2>/dev/null
    vm_expect counter
    is "$((16#$words))" "$((old + 30))" "$vm_name: NV is as the guest left it"
    vm_expect end
    guest_wait 20
    vm_state=$tap_dir/state
done

vm_name="the target fails, shared state"
source_options=(--migration release-lock-outgoing)
boot_source tpm-crb
vm_expect ask
fall_back
guest_answer extend
old=$counter
facts
is "$counter" "$((old + 1))" "$vm_name: the guest goes on with its TPM"
vm_expect ask
guest_answer sign
vm_expect ask
vm_name="the guest went on at the target, shared state"
fall_back extend
counter_there=$counter
guest_answer extend
ok "$vm_name: the source's emulator ends at the next command" wait_gone "$vm_pid" 20
like "$(cat "$tap_dir/emulator.log")" 'not the one that was handed out' "$vm_name: and says why"
guest_kill
tpm_start
vm_boot "$tap_dir/again" tpm-crb
vm_expect counter
is "$((16#$words))" "$counter_there" "$vm_name: what is stored is the target's"
vm_expect end
ok "$vm_name: the VM powers off" guest_wait 20
ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5

vm_name="resumed at the source"
source_options=()
qemu-img create -q -f qcow2 "$tap_dir/disk.qcow2" 1G
boot_source tpm-crb -drive "file=$tap_dir/disk.qcow2,format=qcow2,if=virtio"
other=("$emulator" socket --tpm2 --tpmstate "dir=$vm_state" --flags not-need-init
    --ctrl "type=unixio,path=$tap_dir/other" --pid "file=$tap_dir/other.pid")
refuses 1 'lock' "$vm_name: another emulator cannot have the state" "${other[@]}"
guest_command "migrate_set_parameter max-bandwidth 1"
guest_command "migrate -d \"exec:cat >/dev/null\""
ok "$vm_name: a migration runs" vm_monitor 10 'Migration status: active' "info migrate"
guest_command migrate_cancel
ok "$vm_name: and is cancelled" vm_monitor 10 'Migration status: cancelled' "info migrate"
ask_guest extend
old=$counter
facts
is "$counter" "$((old + 1))" "$vm_name: after that the TPM works on"
guest_command "migrate_set_parameter max-bandwidth 1G"
guest_command "migrate -d \"exec:cat >$tap_dir/moved\""
ok "$vm_name: the guest is written to a file, its state handed out" vm_monitor 30 postmigrate "info status"
start other "${other[@]}"
ok "$vm_name: meanwhile another emulator can have the state" wait_file "$tap_dir/other.pid" "$started"
stop "$started"
guest_command cont
ok "$vm_name: it runs again" vm_monitor 10 'VM status: running' "info status"
ask_guest extend
old=$counter
facts
is "$counter" "$((old + 1))" "$vm_name: and so does the TPM, which has its storage again"

vm_name="savevm and loadvm"
saved=$facts
ok "$vm_name: the guest asks" vm_hear
guest_command "savevm one"
ok "$vm_name: it is saved" vm_monitor 30 ' one ' "info snapshots"
guest_answer extend
facts
isnt "$facts" "$saved" "$vm_name: the guest goes on, and changes its TPM"
vm_expect ask
guest_command "loadvm one"
ok "$vm_name: it is back" vm_monitor 30 'VM status: running' "info status"
guest_answer facts
facts
is "$facts" "$saved" "$vm_name: PCR, counter, key and sessions are those of the snapshot"
ask_guest sign
power_off
finish
