#!/bin/bash
# libvirt as it is: a libvirtd and virsh of Debian that find holdfast under swtpm's names, by the PATH of
# samples/libvirt-path.conf. Define, start, reset, managedsave and restore, encryption, PCR banks, live
# migration to a second libvirtd, undefine; TPM 2.0 and 1.2; an emulator of our own (backend external).
#
# Everything libvirtd writes goes into the test's directory: mount, network and process namespaces.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2119,SC2317  # tpm_start without options; functions for wait_for
if [ "$(id -u)" != 0 ]; then
    echo "1..0 # SKIP only root can give libvirtd a place of its own"
    exit 0
elif [ -z "${HF_LIBVIRT_INSIDE:-}" ]; then
    if ! unshare --mount --net --pid --fork --mount-proc true 2>/dev/null; then
        echo "1..0 # SKIP no mount, network and process namespaces here"
        exit 0
    fi
    # Every process of that namespace ends with the test.
    HF_LIBVIRT_INSIDE=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc \
        --propagation private -- bash "$0" "$@"
fi
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
need libvirtd virsh ip pgrep
getent passwd libvirt-qemu tss >/dev/null || skip_all "libvirt-daemon-system is not installed"
names=$(cd "$top_builddir" && pwd)/swtpm-names
[ -x "$names/swtpm_setup" ] || bail "$names is not there"

# Other users must get at the programs, wherever they were built.
chmod 711 "$tap_dir"
mkdir -p "$tap_dir/build"
cp "$top_builddir"/holdfast "$top_builddir"/holdfast-{setup,ctl,localca} "$tap_dir/build/"
cp -P -r "$names" "$tap_dir/build/"
mkdir "$tap_dir/images"
cp "$guest_image/vmlinuz" "$tap_dir/images/"
chmod 755 "$tap_dir/build" "$tap_dir/build/swtpm-names" "$tap_dir/images"
chmod 644 "$tap_dir/images/vmlinuz"
ip link set lo up

# The PATH that the sample gives the service, with the folder of this build in place of the installed one.
sample=$(sed -n 's/^Environment=PATH=//p' "$top_srcdir/samples/libvirt-path.conf")
libvirt_path=$tap_dir/build/swtpm-names:${sample#*:}
like "${sample%%:*}" '/libexec/holdfast/swtpm$' "the sample names the folder of swtpm's names first"

# libvirtd_start NAME UUID COMMAND...: a libvirtd whose directories are below $tap_dir/NAME.
libvirtd_start() {
    local name=$1 uuid=$2 root=$tap_dir/$1
    shift 2
    mkdir -p "$root"/{run,lib,etc/qemu,log,cache,log-swtpm,ca,home,vm}
    chmod 711 "$root"
    chmod 755 "$root"/*
    chown tss: "$root/ca"
    cat >"$root/etc/libvirtd.conf" <<END_OF_CONF
host_uuid = "$uuid"
unix_sock_group = "root"
auth_unix_rw = "none"
log_outputs = "2:file:$root/log/libvirtd.log"
END_OF_CONF
    cat >"$root/etc/qemu.conf" <<END_OF_CONF
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
END_OF_CONF
    cat >"$root/start" <<END_OF_START
mount --bind $root/run /run/libvirt && mount --bind $root/lib /var/lib/libvirt &&
mount --bind $root/etc /etc/libvirt && mount --bind $root/log /var/log/libvirt &&
mount --bind $root/cache /var/cache/libvirt && mount --bind $root/log-swtpm /var/log/swtpm &&
{ [ ! -d /var/lib/swtpm-localca ] || mount --bind $root/ca /var/lib/swtpm-localca; } && mount --bind $root/vm /mnt &&
exec env HOME=$root/home PATH=$libvirt_path libvirtd -p $root/run/libvirtd.pid
END_OF_START
    start "libvirtd-$name" unshare --mount --uts --propagation private -- bash -c "hostname $name; . $root/start"
}
# libvirtd_wait NAME: it asks every QEMU what it can do before it answers.
libvirtd_wait() {
    local name=$1
    wait_for 60 virsh -c "$(uri "$name")" version || {
        diag "$(virsh -c "$(uri "$name")" version 2>&1)"
        diag_file "$tap_dir/libvirtd-$name.log"
        bail "libvirtd does not start"
    }
}
uri() { echo "qemu:///system?socket=$tap_dir/$1/run/libvirt-sock"; }
v() { virsh -q -c "$(uri here)" "$@"; }

# Directories to mount on.
for place in /run /var/log /var/cache; do
    mount -t tmpfs -o mode=755 tmpfs "$place" || bail "cannot mount on $place"
done
mkdir -p /run/libvirt /var/log/libvirt /var/log/swtpm /var/cache/libvirt

# talk NAME: the guest's serial port of that libvirtd, for guest_event.
talk() {
    guest_work=$tap_dir/$1/vm
    [ -z "${guest_to:-}" ] || exec {guest_to}>&- {guest_from}>&-
    exec {guest_to}<>"$guest_work/talk.in" {guest_from}<>"$guest_work/talk.out"
}

# domain NAME JOB MODEL TPM-XML: defined; the guest's init runs JOB.
domain() {
    local name=$1 place
    mkdir -p "$tap_dir/job.d"
    cp "$2" "$tap_dir/job.d/job"
    { cat "$guest_image/guest.cpio"
      (cd "$tap_dir/job.d" && echo job | busybox cpio -o -H newc 2>/dev/null)
    } >"$tap_dir/images/$name.initrd"
    for place in here there; do
        for pipe in talk.in talk.out; do
            rm -f "$tap_dir/$place/vm/$pipe"
            mkfifo "$tap_dir/$place/vm/$pipe"
            chmod 666 "$tap_dir/$place/vm/$pipe"
        done
    done
    cat >"$tap_dir/$name.xml" <<END_OF_XML
<domain type="qemu">
  <name>$name</name>
  <memory unit="MiB">256</memory>
  <os>
    <type arch="x86_64" machine="pc">hvm</type>
    <kernel>$tap_dir/images/vmlinuz</kernel>
    <initrd>$tap_dir/images/$name.initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 random.trust_cpu=on</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode="custom" match="exact"><model fallback="allow">qemu64</model></cpu>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>$(type -P qemu-system-x86_64)</emulator>
    <serial type="file"><source path="/mnt/console.log" append="on"/><target port="0"/></serial>
    <serial type="pipe"><source path="/mnt/talk"/><target port="1"/></serial>
    <memballoon model="none"/>
    <tpm model="$3">$4</tpm>
  </devices>
</domain>
END_OF_XML
    ok "$vm_name: define" v define "$tap_dir/$name.xml"
    uuid=$(v domuuid "$name")
    swtpm_dir=$tap_dir/here/lib/swtpm/$uuid
}

failed_start() {
    diag_file "$tap_dir/here/log/libvirtd.log"
    diag_file "$tap_dir/here/log-swtpm/libvirt/qemu/$1-swtpm.log"
    diag_file "$tap_dir/here/log/qemu/$1.log"
    vm_bail "$vm_name: the machine did not start"
}

# power_on NAME: start it, and hear from its init.
power_on() {
    talk here
    ok "$vm_name: start" v start "$1" || failed_start "$1"
    vm_expect boot
}

# off NAME: whoever ends it, it is off in the end, and its emulator with it.
off() {
    ok "$vm_name: it is off" wait_for 20 is_off "$1"
    ok "$vm_name: the emulator is gone" wait_for 5 no_emulator
}
is_off() { [ "$(v domstate "$1")" = "shut off" ]; }
emulator_runs() { pgrep -f "^$tap_dir/build/swtpm-names/swtpm socket" >/dev/null; }
no_emulator() { ! emulator_runs; }

# QEMU is libvirt's child: whether it runs is seen through virsh, not by a process number.
guest_runs() { :; }

cat >"$tap_dir/job" <<'END_OF_JOB'
tpm2_nvdefine 0x1500001 -C o -a 'nt=counter|ownerread|ownerwrite' >/dev/null 2>&1
while :; do
    case $(ask next) in
    facts)
        say pcr "$(cat /sys/class/tpm/tpm0/pcr-sha256/16)"
        say banks "$(cd /sys/class/tpm/tpm0 && echo pcr-*)"
        say ek "$(tpm2_getcap handles-persistent | tr -d '\n') $(tpm2_getcap handles-nv-index | tr -d '\n')"
        say counter "$(tpm2_nvread 0x1500001 -C o | hexdump -ve '1/1 "%02x"')" ;;
    change)
        tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
        tpm2_nvincrement 0x1500001 -C o ;;
    off) break ;;
    esac
done
END_OF_JOB
cat >"$tap_dir/old" <<'END_OF_JOB'
say version "$(cat /sys/class/tpm/tpm0/tpm_version_major 2>/dev/null)"
END_OF_JOB

ask_guest() {
    vm_expect ask
    guest_answer "$1"
}
facts() {
    local what
    ask_guest facts
    for what in pcr banks ek counter; do
        vm_expect "$what"
        eval "$what=\$words"
    done
}
pcr='' banks='' ek='' counter=''
zeros=0000000000000000000000000000000000000000000000000000000000000000

libvirtd_start there 00000000-0000-4000-8000-000000000002
libvirtd_start here 00000000-0000-4000-8000-000000000001
libvirtd_wait here
libvirtd_wait there

vm_name="TPM 2.0, tpm-crb"
v secret-define /dev/stdin <<'END_OF_XML' >/dev/null 2>&1 || bail "no secret"
<secret ephemeral="no" private="yes">
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <usage type="vtpm"><name>test</name></usage>
</secret>
END_OF_XML
printf 'a secret of libvirt' | base64 >"$tap_dir/secret"
ok "libvirt keeps a secret" v secret-set-value --plain --file "$tap_dir/secret" 11111111-2222-4333-8444-555555555555

domain two "$tap_dir/job" tpm-crb '<backend type="emulator" version="2.0"/>'
power_on two
ok "$vm_name: the emulator is this one" emulator_runs
ok "$vm_name: its state is in libvirt's place" test -s "$swtpm_dir/tpm2/tpm2-00.permall"
facts
is "$pcr" "$zeros" "$vm_name: PCR 16 has its start value"
like "$ek" '0x81010001.*0x1C00002|0x81010016.*0x1C00016' "$vm_name: it was made with an EK and its certificate"
ask_guest change
facts
changed=$pcr
isnt "$changed" "$zeros" "$vm_name: the guest changes it"
first=$counter
vm_expect ask
ok "$vm_name: reset" v reset two
vm_expect boot
facts
is "$pcr $counter" "$zeros $first" "$vm_name: PCR 16 starts anew, NV is there"
ask_guest change
vm_expect ask
ok "$vm_name: managedsave" v managedsave two
off two
talk here
ok "$vm_name: restore" v start two
guest_answer facts
for what in pcr banks ek counter; do
    vm_expect "$what"
    eval "$what=\$words"
done
is "$pcr $((16#$counter))" "$changed $((16#$first + 1))" "$vm_name: the TPM goes on as it was"

vm_name="live migration to another libvirtd"
vm_expect ask
if v migrate --live --p2p two "qemu+unix:///system?socket=$tap_dir/there/run/libvirt-sock" \
    --migrateuri tcp://127.0.0.1 >"$tap_dir/migrate.log" 2>&1; then
    pass "$vm_name: it moves"
    talk there
    guest_answer facts
    for what in pcr banks ek counter; do
        vm_expect "$what"
        eval "$what=\$words"
    done
    is "$pcr $((16#$counter))" "$changed $((16#$first + 1))" "$vm_name: with its TPM"
    ask_guest off
    vm_expect end
    there() { [ -z "$(virsh -q -c "$(uri there)" list --name | tr -d '\n')" ]; }
    ok "$vm_name: it ends there" wait_for 20 there
else
    diag_file "$tap_dir/migrate.log"
    diag_file "$tap_dir/there/log/libvirtd.log"
    fail "$vm_name: it moves"
    guest_answer off
fi
vm_name="TPM 2.0, tpm-crb"
off two
ok "$vm_name: undefine" v undefine two
ok "$vm_name: its state is gone" test ! -e "$swtpm_dir"

vm_name="encrypted, PCR bank sha384"
domain safe "$tap_dir/job" tpm-tis '<backend type="emulator" version="2.0"><encryption secret="11111111-2222-4333-8444-555555555555"/><active_pcr_banks><sha256/><sha384/></active_pcr_banks></backend>'
power_on safe
facts
is "$banks" "pcr-sha256 pcr-sha384" "$vm_name: the guest sees these banks"
is "$(od -An -tx1 -j 4 -N 2 "$swtpm_dir/tpm2/tpm2-00.permall" | tr -d ' ')" 0009 "$vm_name: the state is encrypted"
ask_guest change
facts
first=$counter
ask_guest off
vm_expect end
off safe
printf 'another secret' | base64 >"$tap_dir/wrong"
v secret-set-value --plain --file "$tap_dir/wrong" 11111111-2222-4333-8444-555555555555
refuses 1 'error' "$vm_name: it does not start with another secret" virsh -q -c "$(uri here)" start safe
off safe
v secret-set-value --plain --file "$tap_dir/secret" 11111111-2222-4333-8444-555555555555
power_on safe
facts
is "$counter" "${first:-a value}" "$vm_name: it starts again with its own"
vm_expect ask
ok "$vm_name: destroy" v destroy safe
off safe
ok "$vm_name: undefine, the state is kept when that is wanted" v undefine safe --keep-tpm
ok "$vm_name: it is there" test -s "$swtpm_dir/tpm2/tpm2-00.permall"

vm_name="TPM 1.2, tpm-tis"
domain one "$tap_dir/old" tpm-tis '<backend type="emulator" version="1.2"/>'
power_on one
vm_expect version
is "$words" 1 "$vm_name: the guest has it"
vm_expect end
off one
ok "$vm_name: undefine" v undefine one

vm_name="backend external"
tpm_start
chmod 666 "$vm_socket"
domain own "$tap_dir/job" tpm-crb "<backend type=\"external\"><source type=\"unix\" mode=\"connect\" path=\"$vm_socket\"/></backend>"
power_on own
facts
is "$pcr" "$zeros" "$vm_name: the guest has a TPM"
ask_guest off
vm_expect end
ok "$vm_name: it is off" wait_for 20 is_off own
ok "$vm_name: the emulator ends with it" wait_gone "$vm_pid" 5
ok "$vm_name: undefine" v undefine own
finish
