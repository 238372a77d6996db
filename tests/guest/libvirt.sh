# shellcheck shell=bash
# libvirt.sh - for the tests of this folder that have a libvirtd: two of them, "here" and "there", in places
# of their own, that find holdfast under swtpm's names by the PATH of samples/libvirt-path.conf.
#
#     libvirtd_start there UUID; libvirtd_start here UUID; libvirtd_wait here
#     domain NAME JOB MODEL TPM-XML [XML]    defined here; the guest runs JOB; more devices
#     power_on NAME; facts; ask_guest change; off NAME
# Everything libvirtd writes goes into the test's directory: mount, network and process namespaces, which the
# test enters when this is sourced. Sources vm.sh. Must not: print results but those of "domain", "power_on"
# and "off".
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2034,SC2317  # pcr, banks, ek, counter are read by those who source this; functions for wait_for
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

# Where both keep their TPMs; nothing: each has its own.
libvirt_shared=

# libvirtd_start NAME UUID: a libvirtd whose directories are below $tap_dir/NAME.
libvirtd_start() {
    local name=$1 uuid=$2 root=$tap_dir/$1
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
{ [ -z "$libvirt_shared" ] || { mkdir -p /var/lib/libvirt/swtpm && mount --bind $libvirt_shared /var/lib/libvirt/swtpm; }; } &&
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

# domain NAME JOB MODEL TPM-XML [XML]: defined; the guest's init runs JOB.
domain() {
    local name=$1 place
    mkdir -p "$tap_dir/job.d"
    cp "$2" "$tap_dir/job.d/job"
    { cat "$guest_image/guest.cpio"
      (cd "$tap_dir/job.d" && echo job | busybox cpio -o -H newc 2>/dev/null)
    } >"$tap_dir/images/$name.initrd"
    for place in here there; do
        [ -d "$tap_dir/$place/vm" ] || continue
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
    <tpm model="$3">$4</tpm>${5:-}
  </devices>
</domain>
END_OF_XML
    ok "$vm_name: define" v define "$tap_dir/$name.xml"
    uuid=$(v domuuid "$name")
    swtpm_dir=${libvirt_shared:-$tap_dir/here/lib/swtpm}/$uuid
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

# move FROM TO NAME: live migration to the other libvirtd; the log is in $tap_dir/migrate.log.
move() {
    virsh -q -c "$(uri "$1")" migrate --live --p2p "$3" \
        "qemu+unix:///system?socket=$tap_dir/$2/run/libvirt-sock" \
        --migrateuri tcp://127.0.0.1 >"$tap_dir/migrate.log" 2>&1
}

# QEMU is libvirt's child: whether it runs is seen through virsh, not by a process number.
guest_runs() { :; }

# What "facts" asks for, what changes a TPM, and the end; and what a TPM 1.2 is asked.
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
# A TPM_Extend by hand: there are no tools for a TPM 1.2 in the guest.
cat >"$tap_dir/old" <<'END_OF_JOB'
while :; do
    case $(ask next) in
    facts) say pcr "$(cat /sys/class/tpm/tpm0/pcrs /sys/class/tpm/tpm0/device/pcrs 2>/dev/null | grep -m 1 '^PCR-16')" ;;
    change)
        exec 4<>/dev/tpm0
        printf '\000\301\000\000\000\042\000\000\000\024\000\000\000\020aaaaaaaaaaaaaaaaaaaa' >&4
        dd bs=4096 count=1 <&4 >/dev/null 2>&1
        exec 4>&- ;;
    off) break ;;
    esac
done
END_OF_JOB
ask_guest() {
    vm_expect ask
    guest_answer "$1"
}
# told: what the guest says when it was asked for "facts".
facts() {
    ask_guest facts
    told
}
told() {
    local what
    for what in pcr banks ek counter; do
        vm_expect "$what"
        eval "$what=\$words"
    done
}
# The same of a TPM 1.2.
pcr12() {
    ask_guest facts
    told12
}
told12() {
    vm_expect pcr
    pcr=$words
}
pcr='' banks='' ek='' counter=''
zeros=0000000000000000000000000000000000000000000000000000000000000000
