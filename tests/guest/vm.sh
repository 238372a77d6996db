# shellcheck shell=bash
# vm.sh - for the tests of this folder: one VM with its TPM, seen from outside.
#
# Sources tap.sh and boot.sh, checks that a guest can run here, and ends QEMU and the emulator when
# the test does. Must not: print results of its own but those a guest reports with "check".
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
# shellcheck source=tests/guest/boot.sh
. "$top_srcdir/tests/guest/boot.sh"

need qemu-system-x86_64 busybox tpm2 openssl
[ -x "$emulator" ] || bail "$emulator is not there"
guest_prepare "$top_builddir/guest" || bail "no image for a guest"
trap 'guest_kill; tap_cleanup' EXIT

vm_state=$tap_dir/state
vm_socket=$tap_dir/control
vm_pid=
vm_tpm=(--tpm2) # empty for a TPM 1.2
mkdir -p "$vm_state"

# tpm_start [OPTION...]: the emulator as libvirt starts it; its pid in vm_pid. With --daemon the
# command itself must return once the socket is there.
tpm_start() {
    local pidfile=$tap_dir/emulator.pid option daemon=
    local -a arguments=(socket "${vm_tpm[@]}" --tpmstate "dir=$vm_state" --terminate
        --ctrl "type=unixio,path=$vm_socket" --log "file=$tap_dir/emulator.log")
    rm -f "$vm_socket" "$pidfile"
    for option in "$@"; do
        [ "$option" != --daemon ] || daemon=1
    done
    if [ -n "$daemon" ]; then
        "$emulator" "${arguments[@]}" --pid "file=$pidfile" "$@" >"$tap_dir/daemon.log" 2>&1 ||
            bail "the emulator did not become a daemon: $(cat "$tap_dir/daemon.log")"
        [ -S "$vm_socket" ] || bail "the daemon's socket is not there when its parent returns"
        vm_pid=$(cat "$pidfile")
        tap_pids+=("$vm_pid")
    else
        start emulator "$emulator" "${arguments[@]}" "$@"
        vm_pid=$started
        wait_socket "$vm_socket" "$vm_pid" || vm_bail "the emulator did not start"
    fi
}

# vm_bail REASON: bail with what the machines had to say.
vm_bail() {
    diag_file "$tap_dir/emulator.log"
    diag_file "$tap_dir/vm/qemu.log"
    diag_file "$tap_dir/vm/console.log" 40
    bail "$*"
}

# vm_boot JOB DEVICE [QEMU OPTIONS...]: boot, and wait until guest-init is there.
vm_boot() {
    local job=$1 device=$2
    shift 2
    guest_boot "$tap_dir/vm" "$job" "$vm_socket" "$device" "$@"
    vm_expect boot
}

# vm_hear: the next event; results of the guest's checks become results of the test.
vm_hear() {
    while guest_event 90; do
        case $event in
        ok) pass "$vm_name: $words" ;;
        not-ok)
            fail "$vm_name: $words"
            diag_file "$tap_dir/vm/console.log"
            ;;
        *) return 0 ;;
        esac
    done
    return 1
}
vm_name=guest

# vm_expect EVENT: the next event must be this one.
vm_expect() {
    vm_hear || vm_bail "$vm_name: waited for \"$1\", but the guest is silent or gone"
    [ "$event" = "$1" ] || vm_bail "$vm_name: wanted \"$1\", found \"$event $words\""
}

# vm_monitor SECONDS REGEX COMMAND: a command to QEMU's monitor, again and again until its answer
# matches; fails when the time is up.
vm_monitor() {
    local end=$((SECONDS + $1 + 1)) regex=$2 answer part from
    exec {from}<>"$guest_work/monitor.out"
    while [ "$SECONDS" -lt "$end" ]; do
        answer=
        guest_command "$3"
        # An answer ends with a prompt on a line without end.
        while IFS= read -r -t 0.3 -u "$from" part; do
            answer+=$part$'\n'
        done
        if [[ $answer$part =~ $regex ]]; then
            exec {from}>&-
            return 0
        fi
    done
    diag "the monitor's last answer to \"$3\": $answer$part"
    exec {from}>&-
    return 1
}
