# shellcheck shell=bash
# boot.sh - boots the guest of make-guest in QEMU and talks with it; for tests and the quickstart.
#
#     guest_prepare DIR                      the image, made if need be
#     guest_add PROGRAM...; guest_add_module NAME...     more for the next boots, in $guest_extra
#     guest_boot WORK JOB CTRL-SOCKET tpm-crb [-no-reboot | QEMU options...]
#     while guest_event 60; do case $event in ...; esac; done
# One guest at a time. WORK is a directory for this VM: console.log, qemu.log, the pipes and the
# files the guest gives. Must not: know what a job does; use anything of tap.sh.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2034  # guest_*, event and words are read by those who source this

guest_source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
guest_pid=       # of the running QEMU
guest_work=      # its directory
guest_image=     # where make-guest left kernel and initramfs
guest_qemu=(qemu-system-x86_64) # or a command that ends in it, with more options of its own in front
guest_append=    # more for the kernel's command line
guest_extra=     # a directory that is laid over the image's root, or nothing
event='' words='' # what guest_event heard: the first word, and the rest

guest_prepare() {
    "$guest_source/make-guest" "$1" && guest_image=$1
}

# guest_accel: kvm only where it runs this guest; some machines have a /dev/kvm that opens and then
# never gets a Linux kernel going, so it must have processor support and boot a kernel once.
guest_accel() {
    if [ -z "${HOLDFAST_ACCEL:-}" ]; then
        HOLDFAST_ACCEL=tcg
        if [ -r /dev/kvm ] && [ -w /dev/kvm ] && grep -Eqw 'vmx|svm' /proc/cpuinfo; then
            [ -s "$guest_image/accel" ] || {
                # With no init to run the kernel panics, and QEMU ends because of -no-reboot.
                if timeout 20 qemu-system-x86_64 -accel kvm -nodefaults -no-reboot -display none \
                    -m 128 -kernel "$guest_image/vmlinuz" -append "panic=-1 quiet" \
                    </dev/null >/dev/null 2>&1; then
                    echo kvm
                else
                    echo tcg
                fi >"$guest_image/accel"
            }
            HOLDFAST_ACCEL=$(cat "$guest_image/accel")
        fi
    fi
    if [ "$HOLDFAST_ACCEL" = kvm ]; then
        echo "-accel kvm -cpu host"
    else
        echo "-accel tcg -cpu max,la57=off"
    fi
}

# guest_add PROGRAM...: each, and the shared libraries it needs, into $guest_extra.
guest_add() {
    local program file
    for program in "$@"; do
        mkdir -p "$guest_extra/usr/bin"
        cp -L "$program" "$guest_extra/usr/bin/"
        ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }'
    done | sort -u | while read -r file; do
        mkdir -p "$guest_extra$(dirname "/usr${file#/usr}")"
        cp -L "$file" "$guest_extra/usr${file#/usr}"
    done
}

# guest_add_fuse: libfuse3, where the emulator has the front end cuse: it loads the library when it
# needs it, so no list of libraries has it.
guest_add_fuse() {
    local name path
    # shellcheck disable=SC2154  # tap.sh knows the tree
    name=$(sed -n 's/^#define HF_FUSE_LIBRARY "\(.*\)"/\1/p' "$top_builddir/config.h")
    path=$(ldconfig -p | awk -v name="$name" '$1 == name { print $NF; exit }')
    [ -n "$path" ] || return 0
    path=/usr${path#/usr}
    mkdir -p "$guest_extra$(dirname "$path")"
    cp -L "$path" "$guest_extra$path"
}

# guest_add_module NAME...: kernel modules into /modules; guest_modules says whether there are any.
guest_add_module() {
    local name
    mkdir -p "$guest_extra/modules"
    for name in "$@"; do
        find "$(cat "$guest_image/modules")/" -name "$name.ko" -exec cp {} "$guest_extra/modules/" \;
        [ -s "$guest_extra/modules/$name.ko" ] || return 1
    done
}

# guest_boot WORK JOB SOCKET DEVICE [QEMU OPTIONS...]: returns once QEMU runs. JOB is a script for
# guest-init; SOCKET the emulator's control socket; DEVICE tpm-crb or tpm-tis, or "none" for a VM
# without a TPM. Sets guest_pid.
guest_boot() {
    local job=$2 socket=$3 device=$4 accel pipe
    local -a attached=()
    guest_work=$1
    shift 4
    mkdir -p "$guest_work/job"
    cp -p "$job" "$guest_work/job/job" # with its time: the initramfs is measured
    { cat "$guest_image/guest.cpio"
      (cd "$guest_work/job" && echo job | busybox cpio -o -H newc 2>/dev/null)
      [ -z "$guest_extra" ] || (cd "$guest_extra" && find . | busybox cpio -o -H newc 2>/dev/null)
    } >"$guest_work/initrd"
    for pipe in talk.in talk.out monitor.in monitor.out; do
        rm -f "$guest_work/$pipe"
        mkfifo -m 600 "$guest_work/$pipe"
    done
    # Opened for both directions, so that neither side waits for the other and none sees an end.
    exec {guest_to}<>"$guest_work/talk.in" {guest_from}<>"$guest_work/talk.out" \
        {guest_monitor}<>"$guest_work/monitor.in"
    accel=$(guest_accel)
    [ "$device" = none ] || attached=(-chardev "socket,id=tpm,path=$socket"
        -tpmdev "emulator,id=tpm0,chardev=tpm" -device "$device,tpmdev=tpm0")
    # shellcheck disable=SC2086  # several words
    "${guest_qemu[@]}" $accel -machine pc -m 256 -nodefaults -display none \
        -kernel "$guest_image/vmlinuz" -initrd "$guest_work/initrd" \
        -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check $guest_append" \
        -chardev "file,id=console,path=$guest_work/console.log,append=on" -serial chardev:console \
        -chardev "pipe,id=talk,path=$guest_work/talk" -serial chardev:talk \
        -chardev "pipe,id=monitor,path=$guest_work/monitor" -mon chardev=monitor,mode=readline \
        "${attached[@]}" "$@" \
        </dev/null >"$guest_work/qemu.log" 2>&1 &
    guest_pid=$!
}

guest_runs() { [ -n "$guest_pid" ] && kill -0 "$guest_pid" 2>/dev/null; }

# guest_line SECONDS: one line from the guest into $line; fails when the time is up or QEMU is gone
# and nothing is left in the pipe.
guest_line() {
    local end=$((SECONDS + $1 + 1)) part
    line=
    while :; do
        if IFS= read -r -t 0.2 -u "$guest_from" part; then
            line+=$part
            return 0
        fi
        line+=$part
        if ! guest_runs && ! read -r -t 0 -u "$guest_from"; then
            return 1
        fi
        [ "$SECONDS" -lt "$end" ] || return 1
    done
}

# guest_event SECONDS: the next thing the guest says: $event is its first word, $words the rest. A
# file it gives is in WORK under its name before this returns.
guest_event() {
    local line
    event='' words=''
    while [ -z "$event" ]; do
        guest_line "$1" || return 1
        # UEFI clears every terminal it finds, this one too, and leaves no line of its own.
        while [[ $line =~ $'\e'\[[0-9\;=]*[A-Za-z] ]]; do
            line=${line//"${BASH_REMATCH[0]}"/}
        done
        event=${line%% *}
        words=${line#"$event"}
        words=${words# }
    done
    if [ "$event" = file ]; then
        while guest_line "$1" && [ "$line" != . ]; do
            printf '%s\n' "$line"
        done | base64 -d >"$guest_work/${words//\//_}"
    fi
}

# guest_answer TEXT: the line an "ask" waits for. guest_send FILE: what a "want" waits for.
guest_answer() { printf '%s\n' "$*" >&"$guest_to"; }
guest_send() { { base64 "$1"; echo .; } >&"$guest_to"; }

# guest_command TEXT: to QEMU's monitor (system_reset, quit, ...).
guest_command() { printf '%s\n' "$*" >&"$guest_monitor"; }

# guest_wait SECONDS: QEMU ends by itself within that time; its exit code.
guest_wait() {
    local end=$((SECONDS + $1 + 1)) code=0
    while guest_runs; do
        [ "$SECONDS" -lt "$end" ] || return 124
        sleep 0.05
    done
    wait "$guest_pid" 2>/dev/null || code=$?
    guest_close
    return "$code"
}

# guest_kill: no more QEMU, whatever it was doing. For cleaning up, and for power cuts.
guest_kill() {
    [ -n "$guest_pid" ] || return 0
    kill -KILL "$guest_pid" 2>/dev/null
    wait "$guest_pid" 2>/dev/null
    guest_close
}

guest_close() {
    guest_pid=
    exec {guest_to}>&- {guest_from}>&- {guest_monitor}>&-
}
