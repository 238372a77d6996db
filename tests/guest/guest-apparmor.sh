#!/bin/bash
# The emulator under its AppArmor profile, enforced by the kernel of a guest: it works in every place and with
# every front end that the profile names, without one denial, and is refused whatever lies elsewhere.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
PATH=$PATH:/usr/sbin:/sbin
need apparmor_parser setpriv
[ -d /etc/apparmor.d/abstractions ] || skip_all "AppArmor's abstractions are not installed"

guest_extra=$tap_dir/extra
mkdir -p "$guest_extra"/{etc/apparmor.d/local,usr/libexec/holdfast/swtpm}
guest_add "$emulator" "$top_builddir/holdfast-ctl" "$(type -P apparmor_parser)" "$(type -P setpriv)"
guest_add_fuse
cp -r /etc/apparmor.d/{abi,abstractions,tunables} "$guest_extra/etc/apparmor.d/"
cp "$top_srcdir/contrib/apparmor/usr.bin.holdfast" "$guest_extra/etc/apparmor.d/"
ln -s ../../../bin/holdfast "$guest_extra/usr/libexec/holdfast/swtpm/swtpm"
guest_add_module fuse cuse tpm_vtpm_proxy || {
    echo "1..0 # SKIP the guest's kernel has no modules fuse, cuse and tpm_vtpm_proxy"
    exit 0
}
printf 'root:x:0:0::/root:/bin/sh\ntss:x:100:100::/:/bin/sh\n' >"$guest_extra/etc/passwd"
printf 'root:x:0:\ntss:x:100:\n' >"$guest_extra/etc/group"

cat >"$tap_dir/job" <<'END'
ip link set lo up
mount -t securityfs securityfs /sys/kernel/security
check "the kernel enforces AppArmor" grep -q apparmor /sys/kernel/security/lsm
profile=/etc/apparmor.d/usr.bin.holdfast
check "the profile is loaded" /usr/bin/apparmor_parser --skip-cache -r $profile
check "and enforced" grep -q '^holdfast (enforce)' /sys/kernel/security/apparmor/profiles
confined() { [ "$(cat "/proc/$1/attr/current")" = "holdfast (enforce)" ]; }
denials() { dmesg | grep 'apparmor="DENIED".*profile="holdfast"'; }
silent() { ! denials; }

# serve WHAT SOCKET PROGRAM OPTION...: a daemon that works, is confined, and ends.
serve() {
    place=$1 socket=$2
    shift 2
    check "$place: it starts" "$@" --tpm2 --daemon --ctrl "type=unixio,path=$socket,mode=0600" --pid "file=$socket.pid"
    check "$place: it is confined" confined "$(cat "$socket.pid")"
    check "$place: INIT" holdfast-ctl --unix "$socket" init
    check "$place: its volatile state is stored" holdfast-ctl --unix "$socket" store-volatile
    check "$place: SHUTDOWN" holdfast-ctl --unix "$socket" shutdown
    check "$place: it ends" until_true missing "$socket.pid"
    check "$place: nothing was denied" silent
    denials
}
mkdir -p -m 755 /var/lib /run /var/log
mkdir -p /var/lib/holdfast/one /var/lib/holdfast/two /var/lib/holdfast/root /run/holdfast /run/qemu-server /var/lib/incus/vm \
    /var/lib/libvirt/swtpm/u/tpm2 /run/libvirt/qemu/swtpm /var/log/swtpm/libvirt/qemu /srv/tpm
chown tss:tss /var/lib/libvirt/swtpm/u/tpm2 /run/libvirt/qemu/swtpm /var/log/swtpm/libvirt/qemu
printf 00112233445566778899aabbccddeeff >/var/lib/holdfast/key
own=/run/holdfast/s
serve "a directory" $own holdfast socket --tpmstate dir=/var/lib/holdfast/one --log file=/run/holdfast/log,level=5 --pcap file=/run/holdfast/pcap
serve "encrypted" $own holdfast socket --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex
serve "a linear file" $own holdfast socket --tpmstate backend-uri=file:///var/lib/holdfast/linear,lock
serve "slots" $own holdfast socket --tpmstate backend-uri=slots:///var/lib/holdfast/slots
serve "over TCP" $own holdfast socket --tpmstate dir=/var/lib/holdfast/one --server type=tcp,port=4321
serve "as libvirt does" /run/libvirt/qemu/swtpm/1-vm-swtpm.sock /usr/bin/setpriv --reuid tss --regid tss --clear-groups --bounding-set=-all \
    /usr/libexec/holdfast/swtpm/swtpm socket --tpmstate dir=/var/lib/libvirt/swtpm/u/tpm2,mode=0600 --log file=/var/log/swtpm/libvirt/qemu/vm-swtpm.log --terminate
serve "as Proxmox does" /run/qemu-server/100.swtpm /usr/libexec/holdfast/swtpm/swtpm socket --tpmstate backend-uri=file:///var/lib/holdfast/volume,mode=0600 --terminate --log 'file=/run/qemu-server/100-swtpm.log,level=1,prefix=[id=1] '
cd /var/lib/incus/vm
serve "as Incus does" swtpm-vm.sock /usr/libexec/holdfast/swtpm/swtpm socket --tpmstate dir=/var/lib/incus/vm
cd /root
mkdir /run/holdfast/tss
chown -R tss:tss /run/holdfast/tss /var/lib/holdfast/two
serve "as another user" /run/holdfast/tss/s holdfast socket --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex --runas tss
mkdir -p /var/lib/holdfast/root/state /var/lib/holdfast/root/dev
mknod -m 666 /var/lib/holdfast/root/dev/urandom c 1 9
holdfast socket --tpm2 --daemon --chroot /var/lib/holdfast/root --tpmstate dir=/state --ctrl type=unixio,path=/c --pid file=/pid >/tmp/chroot.log 2>&1
check "in a root of its own: it is confined" confined "$(cat /var/lib/holdfast/root/pid)"
check "in a root of its own: it works" sh -c 'holdfast-ctl --unix /var/lib/holdfast/root/c init && holdfast-ctl --unix /var/lib/holdfast/root/c shutdown'
check "in a root of its own: nothing was denied" silent

insmod /modules/tpm_vtpm_proxy.ko && insmod /modules/fuse.ko && insmod /modules/cuse.ko
until_true test -c /dev/vtpmx && until_true test -c /dev/cuse
holdfast chardev --vtpm-proxy --tpm2 --tpmstate dir=/var/lib/holdfast/one >/tmp/out 2>/tmp/err &
pid=$!
check "vtpm-proxy: the device appears" until_true test -c /dev/tpmrm0
check "vtpm-proxy: it is confined" confined $pid
check "vtpm-proxy: the kernel's driver uses it" tpm2_getrandom -T device:/dev/tpmrm0 8 --hex
kill -TERM $pid
say_exit $pid
check "vtpm-proxy: nothing was denied" silent
if holdfast cuse --help >/dev/null 2>&1; then
    holdfast cuse --foreground -n vtpm7 --tpm2 --tpmstate dir=/var/lib/holdfast/one >/tmp/out 2>/tmp/err &
    pid=$!
    check "cuse: the device appears" until_true test -c /dev/vtpm7
    check "cuse: it is confined" confined $pid
    check "cuse: it works" holdfast-ctl --device /dev/vtpm7 init
    kill -TERM $pid
    say_exit $pid
    check "cuse: nothing was denied" silent
else
    say exit 0
fi
denials

# Refused by the profile alone: root may all of this.
echo secret >/srv/tpm/secret
check "refused: state elsewhere" fails 'srv/tpm.*Permission denied' holdfast socket --tpm2 --tpmstate dir=/srv/tpm --ctrl type=unixio,path=$own
check "refused: a linear file elsewhere" fails 'srv/tpm.*Permission denied' holdfast socket --tpm2 --tpmstate backend-uri=file:///srv/tpm/linear --ctrl type=unixio,path=$own
check "refused: a key elsewhere" fails 'srv/tpm/secret.*Permission denied' holdfast socket --tpm2 --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --key file=/srv/tpm/secret
check "refused: a log elsewhere" fails 'etc/log.*Permission denied' holdfast socket --tpm2 --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --log file=/etc/log
check "refused: a socket elsewhere" fails 'etc/s.*Permission denied' holdfast socket --tpm2 --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=/etc/s
check "refused: a pid file elsewhere" fails 'etc/pid.*Permission denied' holdfast socket --tpm2 --tpmstate dir=/var/lib/holdfast/one --ctrl type=unixio,path=$own --pid file=/etc/pid
check "refused: a device that is not its own" fails "dev/ttyS1.*Permission denied" holdfast chardev --chardev /dev/ttyS1 --tpm2 --tpmstate dir=/var/lib/holdfast/one --flags not-need-init
check "nothing was left of them" sh -c '! ls /etc/log /etc/s /etc/pid /srv/tpm/linear /srv/tpm/tpm2-00.permall /srv/tpm/.lock 2>/dev/null | grep .'
say denials "$(denials | wc -l)"
check "the profile is taken away" /usr/bin/apparmor_parser -R $profile
check "without it, state elsewhere is fine" sh -c "holdfast socket --tpm2 --daemon --tpmstate dir=/srv/tpm --ctrl type=unixio,path=$own &&
    holdfast-ctl --unix $own init && holdfast-ctl --unix $own shutdown"
END

vm_name=AppArmor
guest_boot "$tap_dir/vm" "$tap_dir/job" none none
vm_expect boot
vm_expect exit
is "$words" 0 "$vm_name: vtpm-proxy ends when it is told"
vm_expect exit
is "$words" 0 "$vm_name: cuse ends when it is told"
vm_expect denials
ok "$vm_name: the kernel has written every refusal down ($words)" test "$words" -ge 7
vm_expect end
ok "$vm_name: the VM powers off" guest_wait 20
finish
