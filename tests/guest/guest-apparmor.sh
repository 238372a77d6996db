#!/bin/bash
# The emulator under its AppArmor profile, enforced by the kernel of a guest: it works in every place and with
# every front end that the profile names, without one denial, and is refused whatever lies elsewhere. And under
# libvirt's profiles with the lines of contrib/apparmor/local: those of a machine are what virt-aa-helper makes.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
PATH=$PATH:/usr/sbin:/sbin
need apparmor_parser aa-exec setpriv
[ -d /etc/apparmor.d/abstractions ] || skip_all "AppArmor's abstractions are not installed"

guest_extra=$tap_dir/extra
mkdir -p "$guest_extra"/{etc/apparmor.d/local,usr/libexec/holdfast/swtpm}
guest_add_module fuse cuse tpm_vtpm_proxy || {
    echo "1..0 # SKIP the guest's kernel has no modules fuse, cuse and tpm_vtpm_proxy"
    exit 0
}
probe=$top_builddir/tests/guest/probe
[ -x "$probe" ] || bail "$probe is not there"
guest_add "$emulator" "$top_builddir/holdfast-ctl" "$(type -P apparmor_parser)" "$(type -P setpriv)" "$(type -P aa-exec)" "$probe"
guest_add_fuse
cp -r /etc/apparmor.d/{abi,abstractions,tunables} "$guest_extra/etc/apparmor.d/"
cp "$top_srcdir/contrib/apparmor/usr.bin.holdfast" "$guest_extra/etc/apparmor.d/"
# libvirt's, and of two machines, as virt-aa-helper writes them.
helper=/usr/lib/libvirt/virt-aa-helper
first=11111111-1111-4111-8111-111111111111
second=22222222-2222-4222-8222-222222222222
if [ -x "$helper" ] && [ -e /etc/apparmor.d/usr.sbin.libvirtd ]; then
    cp /etc/apparmor.d/usr.sbin.libvirtd "$guest_extra/etc/apparmor.d/"
    cp -r "$top_srcdir/contrib/apparmor/local" "$guest_extra/etc/apparmor.d/"
    mkdir -p "$guest_extra/etc/apparmor.d/libvirt" "$guest_extra/etc/apparmor.d/local-empty/abstractions"
    : >"$guest_extra/etc/apparmor.d/local-empty/abstractions/libvirt-qemu"
    for uuid in $first $second; do
        "$helper" -c -d -u "libvirt-$uuid" <<END_OF_XML >"$tap_dir/helper" 2>&1 || bail "virt-aa-helper: $(cat "$tap_dir/helper")"
<domain type="qemu"><name>vm-${uuid%%-*}</name><uuid>$uuid</uuid><memory>65536</memory>
<os><type arch="x86_64" machine="pc">hvm</type></os>
<devices><tpm model="tpm-crb"><backend type="emulator" version="2.0"/></tpm></devices></domain>
END_OF_XML
        sed -n 's/^  "/&/p' "$tap_dir/helper" >"$guest_extra/etc/apparmor.d/libvirt/libvirt-$uuid.files"
        like "$(cat "$guest_extra/etc/apparmor.d/libvirt/libvirt-$uuid.files")" "swtpm/$uuid/tpm2/" "virt-aa-helper knows of the TPM"
        printf '#include <tunables/global>\nprofile libvirt-%s flags=(attach_disconnected) {\n  #include <abstractions/libvirt-qemu>\n  #include <libvirt/libvirt-%s.files>\n}\n' \
            "$uuid" "$uuid" >"$guest_extra/etc/apparmor.d/libvirt/libvirt-$uuid"
    done
fi
ln -s ../../../bin/holdfast "$guest_extra/usr/libexec/holdfast/swtpm/swtpm"
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
echo 'root:hash' >/etc/shadow
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
check "refused: what is not the emulator's" fails 'Permission denied' probe --profile holdfast read /etc/shadow
check "but not what is" probe --profile holdfast read /etc/passwd
check "refused: another program" fails 'Permission denied' probe --profile holdfast run /bin/true
say denials "$(denials | wc -l)"

# A machine of libvirt: its profile, and what starts in it. Without the lines of ours the program is not known.
if [ -e /etc/apparmor.d/usr.sbin.libvirtd ]; then
    first=11111111-1111-4111-8111-111111111111
    second=22222222-2222-4222-8222-222222222222
    load() { /usr/bin/apparmor_parser --skip-cache -r "/etc/apparmor.d/$1"; }
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
    places=/run/libvirt/qemu/swtpm
    for uuid in $first $second; do
        mkdir -p /var/lib/libvirt/swtpm/$uuid/tpm2
    done
    chown -R tss:tss /var/lib/libvirt/swtpm
    program=/usr/libexec/holdfast/swtpm/swtpm
    # emulate UUID STATE: by libvirt's command line. It stays in the foreground.
    emulate() {
        exec /usr/bin/setpriv --reuid tss --regid tss --clear-groups --bounding-set=-all /usr/bin/aa-exec -i -p "libvirt-$1" -- "$program" \
            socket --tpm2 --ctrl "type=unixio,path=$places/-1-vm-${1%%-*}-swtpm.sock,mode=0600" --terminate \
            --tpmstate "dir=/var/lib/libvirt/swtpm/$2/tpm2,mode=0600" --log "file=/var/log/swtpm/libvirt/qemu/vm-${1%%-*}-swtpm.log"
    }
    serves() {
        (emulate $first $first >/tmp/emulator.log 2>&1 3>&-) &
        pid=$!
        until_true test -S $socket || cat /tmp/emulator.log
    }
    ends() {
        until_true gone $pid
        wait $pid
        missing $socket
    }
    state=/var/lib/libvirt/swtpm/$first/tpm2/tpm2-00.permall
    socket=$places/-1-vm-11111111-swtpm.sock
    machine() { /usr/bin/setpriv --reuid tss --regid tss --clear-groups probe --profile "libvirt-$1" "$2" "$3"; }
    runs_in() { [ "$(cat "/proc/$pid/attr/current")" = "$1 (enforce)" ]; }
    denials() { dmesg | grep 'apparmor="DENIED".*profile="\(holdfast\|libvirt\)'; }
    seen=$(denials | wc -l)
    silent() {
        [ "$(denials | wc -l)" -le "$seen" ] || {
            denials | tail -n +$((seen + 1))
            false
        }
    }
    mv /etc/apparmor.d/local /etc/apparmor.d/local-ours
    mv /etc/apparmor.d/local-empty /etc/apparmor.d/local
    load libvirt/libvirt-$first
    check "libvirt: its profile alone does not know the program" denied 'Permission denied' eval "(emulate $first $first)"
    seen=$(denials | wc -l)
    cp /usr/bin/holdfast /usr/bin/swtpm
    program=/usr/bin/swtpm
    check "libvirt: a program of swtpm's name and place, as Debian's package has it, needs nothing of ours" serves
    check "libvirt: it is in its machine's profile" runs_in libvirt-$first
    check "libvirt: its machine uses it" machine $first tpm $socket
    check "libvirt: and it ends with the machine" ends
    check "libvirt: nothing was denied" silent
    program=/usr/libexec/holdfast/swtpm/swtpm
    rm -r /etc/apparmor.d/local /usr/bin/swtpm
    mv /etc/apparmor.d/local-ours /etc/apparmor.d/local
    check "libvirt: its profiles take the lines" sh -c "for name in usr.sbin.libvirtd libvirt/libvirt-$first libvirt/libvirt-$second; do
        /usr/bin/apparmor_parser --skip-cache -r /etc/apparmor.d/\$name || exit 1
    done"
    seen=$(denials | wc -l)
    check "libvirt: the emulator is asked what it can do" /usr/bin/aa-exec -i -p libvirtd -- /usr/libexec/holdfast/swtpm/swtpm socket --print-capabilities
    for domain in holdfast libvirt-$first; do
        [ $domain = holdfast ] || check "libvirt: the profile is taken away" /usr/bin/apparmor_parser -R $profile
        check "libvirt, $domain: it starts" serves
        check "libvirt, $domain: it is in this profile" runs_in $domain
        check "libvirt, $domain: its machine uses it" machine $first tpm $socket
        check "libvirt, $domain: and it ends with the machine" ends
        check "libvirt, $domain: it starts again" serves
        check "libvirt, $domain: libvirt may end it" probe --profile libvirtd signal $pid
        check "libvirt, $domain: it ends" ends
        check "libvirt, $domain: nothing was denied" silent
        check "libvirt, $domain: another machine may not read the state" denied 'Permission denied' machine $second read $state
        check "libvirt, $domain: but its own may" machine $first read $state
        seen=$(denials | wc -l)
    done
    check "libvirt: in its machine's profile, another's state is refused" denied "swtpm/$first/tpm2.*Permission denied" eval "(emulate $second $first)"
    check "libvirt: the machine's profile alone" fails 'Permission denied' probe --profile libvirt-$first read /etc/shadow
else
    check "the profile is taken away" /usr/bin/apparmor_parser -R $profile
fi
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
ok "$vm_name: the kernel has written every refusal down ($words)" test "$words" -ge 9
vm_expect end
ok "$vm_name: the VM powers off" guest_wait 20
finish
