#!/bin/bash
# The emulator under its SELinux policy, enforced by the kernel of a guest: Debian's base policy and its modules qemu and
# virt with those of contrib/selinux, files labelled by their contexts. Every front end works in the domain that is
# its own, and what libvirt starts in the machine's, without one denial; whatever lies elsewhere, and another
# machine's, is refused.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
PATH=$PATH:/usr/sbin:/sbin
need checkmodule semodule_package semodule setfiles runcon setpriv chcon
pp=
for place in /usr/libexec/selinux/hll/pp /usr/lib/selinux/hll/pp; do
    [ ! -x "$place" ] || pp=$place
done
[ -n "$pp" ] || skip_all "the compiler of SELinux modules is not there"

guest_extra=$tap_dir/extra
mkdir -p "$guest_extra"
guest_add_module fuse cuse tpm_vtpm_proxy || skip_all "the guest's kernel has no modules fuse, cuse and tpm_vtpm_proxy"

# Debian's policy is only unpacked: installing it would label this machine.
deb=$(find "$guest_image" -name 'selinux-policy-default_*.deb' | head -n 1)
if [ -z "$deb" ]; then
    (cd "$guest_image" && apt-get -q download selinux-policy-default >"$tap_dir/download.log" 2>&1)
    deb=$(find "$guest_image" -name 'selinux-policy-default_*.deb' | head -n 1)
    [ -n "$deb" ] || skip_all "Debian's policy cannot be downloaded"
fi
work=$tap_dir/policy
mkdir -p "$work/root/var/lib/selinux/default" "$work/root/etc/selinux"
dpkg-deb -x "$deb" "$work/debian" || bail "the package cannot be unpacked"
cp -r "$work/debian/etc/selinux/default" "$work/root/etc/selinux/"
printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' >"$work/root/etc/selinux/config"
modules=(holdfast holdfast_device holdfast_virt)
for name in "${modules[@]}"; do
    contexts=()
    [ ! -e "$top_srcdir/contrib/selinux/$name.fc" ] || contexts=(-f "$top_srcdir/contrib/selinux/$name.fc")
    ok "$name compiles" checkmodule -M -m -o "$work/$name.mod" "$top_srcdir/contrib/selinux/$name.te"
    ok "and is packed" semodule_package -o "$work/$name.pp" -m "$work/$name.mod" "${contexts[@]}"
done
# The base and what a libvirt is made of, without the name of a user that another module has. All others but ours may do as they like,
# and the guest's root file system takes labels as one on a disk does.
bunzip2 -c "$work/debian/usr/share/selinux/default/base.pp.bz2" >"$work/base.pp"
for name in qemu virt; do
    bunzip2 -c "$work/debian/usr/share/selinux/default/$name.pp.bz2" >"$work/$name.pp"
done
"$pp" "$work/base.pp" "$work/base.all" && grep -v '^(selinuxuser sddm' "$work/base.all" >"$work/base.cil"
printf '%s\n' '(typepermissive kernel_t)' '(typepermissive init_t)' '(allow file_type root_t (filesystem (associate)))' >"$work/others.cil"
ok "they go into Debian's policy" semodule -p "$work/root" -s default -n -N -D -i "$work/base.cil" "$work/others.cil" \
    "$work/qemu.pp" "$work/virt.pp" "$work/holdfast.pp" "$work/holdfast_device.pp" "$work/holdfast_virt.pp"
policy=$(find "$work/root/etc/selinux/default/policy" -name 'policy.*' 2>/dev/null)
[ -n "$policy" ] || bail "there is no policy"

mkdir -p "$guest_extra"/etc/selinux/default/contexts/files "$guest_extra"/usr/libexec
probe=$top_builddir/tests/guest/probe
[ -x "$probe" ] || bail "$probe is not there"
guest_add "$emulator" "$top_builddir/holdfast-ctl" "$(type -P setfiles)" "$(type -P runcon)" "$(type -P setpriv)" "$(type -P chcon)" "$probe"
guest_add_fuse
cp "$policy" "$guest_extra/etc/selinux/policy"
cp "$work/root/etc/selinux/config" "$guest_extra/etc/selinux/"
cp "$work"/root/etc/selinux/default/contexts/files/file_contexts* "$guest_extra/etc/selinux/default/contexts/files/"
# The probe where a domain begins: as the emulator, as QEMU; and a shell that is libvirtd.
mkdir -p "$guest_extra/usr/sbin" "$guest_extra/root"
cp "$probe" "$guest_extra/usr/bin/probe-holdfast"
cp "$probe" "$guest_extra/usr/bin/qemu-system-probe"
cp "$(type -P busybox)" "$guest_extra/usr/sbin/libvirtd"
ln -s /usr/sbin/libvirtd "$guest_extra/root/busybox"
printf 'root:x:0:0::/root:/bin/sh\nholdfast:x:100:100::/:/bin/sh\ntss:x:101:101::/:/bin/sh\n' >"$guest_extra/etc/passwd"
printf 'root:x:0:\nholdfast:x:100:\ntss:x:101:\n' >"$guest_extra/etc/group"
guest_append=security=selinux

cat >"$tap_dir/job" <<'END'
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/holdfast/one /var/lib/holdfast/two /run/holdfast/one /run/holdfast/two /srv/tpm
printf 00112233445566778899aabbccddeeff >/var/lib/holdfast/key
echo secret >/srv/tpm/secret
echo 'root:hash' >/etc/shadow
insmod /modules/fuse.ko && insmod /modules/cuse.ko && insmod /modules/tpm_vtpm_proxy.ko
until_true test -c /dev/cuse && until_true test -c /dev/vtpmx
mkdir -p /run/libvirt/qemu/swtpm /var/log/libvirt /var/log/swtpm/libvirt/qemu
for machine in a b; do
    mkdir -p /var/lib/libvirt/swtpm/$machine/tpm2
    : >/var/log/swtpm/libvirt/qemu/$machine-swtpm.log
done
chown -R tss:tss /var/lib/libvirt/swtpm /run/libvirt/qemu/swtpm /var/log/swtpm
contexts=/etc/selinux/default/contexts/files/file_contexts
mount -t selinuxfs selinuxfs /sys/fs/selinux
check "the policy is loaded" dd if=/etc/selinux/policy of=/sys/fs/selinux/load bs=16M
check "files are labelled" /usr/bin/setfiles -F $contexts /bin /usr /etc /var /run /srv /dev /tmp /root
check "the probe is labelled as the emulator" /usr/bin/chcon system_u:object_r:holdfast_exec_t:s0 /usr/bin/probe-holdfast
echo 0 >/proc/sys/kernel/printk_ratelimit # no refusal is left out of the log
echo 1 >/sys/fs/selinux/enforce
check "SELinux enforces" grep -q 1 /sys/fs/selinux/enforce
confined() { [ "$(tr -d '\000' <"/proc/$1/attr/current")" = "system_u:system_r:${2:-holdfast_t:s0}" ]; }
denials() { dmesg | grep 'avc: *denied.*scontext=system_u:system_r:\(holdfast\|svirt\)'; }
# silent: nothing was denied since the last look.
seen=0
silent() {
    now=$(denials | wc -l)
    [ "$now" -le "$seen" ] || {
        denials | tail -n +$((seen + 1))
        seen=$now
        return 1
    }
}
# The service manager runs a program, in the domain of its unit if that names one; what it says goes where it may write.
cat >/root/unit <<'END_OF_UNIT'
/usr/bin/runcon system_u:system_r:init_t:s0 sh -c '[ -z "$domain" ] || printf %s "system_u:system_r:$domain" >/proc/self/attr/exec
    exec "$@" </dev/null >/var/lib/holdfast/said 2>&1 3>&-' sh "$@"
code=$?
cat /var/lib/holdfast/said
exit $code
END_OF_UNIT

# wait_denied: a refusal that was meant is in the kernel's log, and is not looked at again.
more() { [ "$(denials | wc -l)" -gt "$seen" ]; }
wait_denied() {
    until_true more
    seen=$(denials | wc -l)
}

# serve WHAT SOCKET OPTION...: a daemon that works, is confined, and ends.
serve() {
    place=$1 socket=$2
    shift 2
    check "$place: it starts" sh /root/unit holdfast socket --tpm2 --daemon --ctrl "type=unixio,path=$socket,mode=0660" --pid "file=$socket.pid" "$@"
    check "$place: it is in its domain" confined "$(cat "$socket.pid")"
    check "$place: INIT" holdfast-ctl --unix "$socket" init
    check "$place: its volatile state is stored" holdfast-ctl --unix "$socket" store-volatile
    check "$place: SHUTDOWN" holdfast-ctl --unix "$socket" shutdown
    check "$place: it ends" until_true missing "$socket.pid"
    check "$place: nothing was denied" silent
}
own=/run/holdfast/one/s
serve "a directory" $own --tpmstate dir=/var/lib/holdfast/one
serve "encrypted" $own --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex
serve "a linear file" $own --tpmstate backend-uri=file:///var/lib/holdfast/linear,lock
serve "slots" $own --tpmstate backend-uri=slots:///var/lib/holdfast/slots
chown -R holdfast:holdfast /var/lib/holdfast/two /run/holdfast/two
serve "as another user" /run/holdfast/two/s --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex --runas holdfast
/usr/bin/runcon system_u:system_r:init_t:s0 sh -c 'echo 1 >/sys/fs/selinux/booleans/holdfast_listen && echo 1 >/sys/fs/selinux/commit_pending_bools'
serve "at a TCP port, which the administrator allows" $own --tpmstate dir=/var/lib/holdfast/one --server type=tcp,port=12345
echo 0 >/sys/fs/selinux/booleans/holdfast_listen
echo 1 >/sys/fs/selinux/commit_pending_bools

# The front ends that are devices: their unit names the domain.
device() { domain=holdfast_device_t:s0 sh /root/unit /usr/bin/holdfast "$@"; }
check "cuse: it starts" device cuse -n vtpm7 --tpm2 --tpmstate dir=/var/lib/holdfast/one --pid file=/run/holdfast/one/cuse
check "cuse: the device is there" until_true test -c /dev/vtpm7
check "cuse: it is in its domain" confined "$(cat /run/holdfast/one/cuse)" holdfast_device_t:s0
check "cuse: the device is labelled" sh -c "/usr/bin/setfiles -F $contexts /dev && probe label /dev/vtpm7 | grep -a tpm_device_t"
check "cuse: INIT" holdfast-ctl --device /dev/vtpm7 init
check "cuse: its volatile state is stored" holdfast-ctl --device /dev/vtpm7 store-volatile
check "cuse: SHUTDOWN" holdfast-ctl --device /dev/vtpm7 shutdown
check "cuse: it ends" until_true missing /run/holdfast/one/cuse
check "cuse: nothing was denied" silent
check "vtpm-proxy: it starts" device chardev --vtpm-proxy --tpm2 --daemon --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex \
    --pid file=/run/holdfast/two/proxy --ctrl type=unixio,path=/run/holdfast/two/p --runas holdfast
check "vtpm-proxy: it is in its domain" confined "$(cat /run/holdfast/two/proxy)" holdfast_device_t:s0
check "vtpm-proxy: the kernel's driver uses it" until_true tpm2_getrandom -T device:/dev/tpmrm0 8 --hex
check "vtpm-proxy: SHUTDOWN" holdfast-ctl --unix /run/holdfast/two/p shutdown
check "vtpm-proxy: it ends" until_true missing /run/holdfast/two/proxy
check "vtpm-proxy: nothing was denied" silent

# libvirt: two machines, each with two categories of its own; state and log are labelled as it labels them.
# denied TEXT COMMAND...: as fails; the command may be a function.
denied() {
    text=$1
    shift
    "$@" >/tmp/denied.log 2>&1 && {
        cat /tmp/denied.log
        return 1
    }
    cat /tmp/denied.log
    grep -q "$text" /tmp/denied.log
}
virtd() {
    rm -f /var/log/libvirt/said
    domain=virtd_t:s0-s0:c0.c1023 sh /root/unit /root/busybox sh -c '"$@" </dev/null >>/var/log/libvirt/said 2>&1' sh "$@"
    code=$?
    cat /var/log/libvirt/said
    return $code
}
for machine in a:c1,c2 b:c3,c4; do
    label=system_u:object_r:svirt_image_t:s0:${machine#*:}
    /usr/bin/chcon -R $label /var/lib/libvirt/swtpm/${machine%:*}/tpm2 /var/log/swtpm/libvirt/qemu/${machine%:*}-swtpm.log
done
places=/run/libvirt/qemu/swtpm
state=/var/lib/libvirt/swtpm/a/tpm2/tpm2-00.permall
# emulate LABEL MACHINE [STATE]: as libvirt's command line is.
emulate() {
    virtd /usr/bin/setpriv --reuid tss --regid tss --clear-groups --bounding-set=-all /usr/bin/runcon "system_u:system_r:$1" /usr/bin/holdfast socket --tpm2 \
        --daemon --pid file=$places/$2.pid --terminate --ctrl type=unixio,path=$places/$2.sock,mode=0600 \
        --tpmstate dir=/var/lib/libvirt/swtpm/${3:-$2}/tpm2,mode=0600 --log file=/var/log/swtpm/libvirt/qemu/$2-swtpm.log
}
# machine LABEL ACTION WORD: what a QEMU may do.
machine() {
    label=$1
    shift
    virtd /usr/bin/setpriv --reuid tss --regid tss --clear-groups /usr/bin/runcon "system_u:system_r:$label" /usr/bin/qemu-system-probe "$@"
}
for domain in svirt_t holdfast_virt_t; do
    check "libvirt, $domain: it starts" emulate $domain:s0:c1,c2 a
    check "libvirt, $domain: it has its machine's label" confined "$(cat $places/a.pid)" $domain:s0:c1,c2
    check "libvirt, $domain: its socket, too" sh -c "probe label $places/a.sock | grep -a s0:c1,c2"
    check "libvirt, $domain: another machine may not connect" denied 'Permission denied' machine svirt_t:s0:c3,c4 unix $places/a.sock
    wait_denied
    check "libvirt, $domain: its machine uses it" machine svirt_t:s0:c1,c2 tpm $places/a.sock
    check "libvirt, $domain: and it ends with the machine" until_true missing $places/a.pid
    check "libvirt, $domain: its state has its machine's label" sh -c "probe label $state | grep -a svirt_image_t:s0:c1,c2"
    check "libvirt, $domain: nothing was denied" silent
    check "libvirt, $domain: another machine may not read the state" denied 'Permission denied' machine svirt_t:s0:c3,c4 read $state
    wait_denied
    check "libvirt, $domain: but its own may" machine svirt_t:s0:c1,c2 read $state
    check "libvirt, $domain: another's state is refused" denied 'swtpm/a/tpm2.*Permission denied' emulate $domain:s0:c3,c4 b a
    wait_denied
done
in_domain() { virtd /usr/bin/probe-holdfast read /proc/self/attr/current | grep -a '^system_u:system_r:holdfast_virt_t:'; }
check "libvirt: asked what it can do, it is in the domain of the program" in_domain
check "libvirt: it is told" virtd /usr/bin/holdfast socket --print-capabilities
check "libvirt: nothing was denied" silent

# What none of them may, whoever has taken it over.
within() {
    case $1 in
    holdfast_virt_t*) virtd /usr/bin/runcon "system_u:system_r:$1" /usr/bin/probe-holdfast "$2" "$3" ;;
    *) domain=$1 sh /root/unit /usr/bin/probe-holdfast "$2" "$3" ;;
    esac
}
for place in holdfast_t:s0 holdfast_device_t:s0 holdfast_virt_t:s0:c1,c2; do
    check "$place: it may read what is everybody's" within $place read /etc/passwd
    check "$place: /etc/shadow is refused" denied 'Permission denied' within $place read /etc/shadow
    check "$place: a connection to the network is refused" denied 'Permission denied' within $place connect 9
    check "$place: another program is refused" denied 'Permission denied' within $place run /bin/true
done
check "without a domain, only nobody is at that port" fails 'Connection refused' probe connect 9
wait_denied

refused() {
    what_not=$1 text=$2
    shift 2
    check "refused: $what_not" fails "$text.*Permission denied" sh /root/unit holdfast socket --tpm2 --flags not-need-init "$@"
}
refused "state elsewhere" srv/tpm --tpmstate dir=/srv/tpm --ctrl type=unixio,path=$own
refused "a linear file elsewhere" srv/tpm --tpmstate backend-uri=file:///srv/tpm/linear --ctrl type=unixio,path=$own
refused "a key elsewhere" srv/tpm/secret --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --key file=/srv/tpm/secret
refused "a log elsewhere" etc/log --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --log file=/etc/log
refused "a socket elsewhere" etc/s --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=/etc/s
refused "a pid file elsewhere" etc/pid --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --pid file=/etc/pid
refused "a TCP port that nobody has allowed" 'port 12345' --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --server type=tcp,port=12345
check "refused: a device in the domain of the services" fails '/dev/cuse: Permission denied' sh /root/unit holdfast cuse --tpm2 -n vtpm8 --tpmstate dir=/var/lib/holdfast/one
check "nothing was left of them" sh -c '! ls /etc/log /etc/s /etc/pid /srv/tpm/linear /srv/tpm/tpm2-00.permall /srv/tpm/.lock 2>/dev/null | grep .'
written() { [ "$(denials | wc -l)" -ge $((seen + 8)) ]; }
until_true written # the kernel writes them in its own time
say denials "$(($(denials | wc -l) - seen))"
echo 0 >/sys/fs/selinux/enforce
check "without it, state elsewhere is fine" sh -c "holdfast socket --tpm2 --daemon --tpmstate dir=/srv/tpm --ctrl type=unixio,path=$own &&
    holdfast-ctl --unix $own init && holdfast-ctl --unix $own shutdown"
END

vm_name=SELinux
guest_boot "$tap_dir/vm" "$tap_dir/job" none none
vm_expect boot
vm_expect denials
ok "$vm_name: the kernel has written refusals down ($words)" test "$words" -ge 8
vm_expect end
ok "$vm_name: the VM powers off" guest_wait 20
finish
