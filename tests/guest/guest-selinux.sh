#!/bin/bash
# The emulator under its SELinux policy, enforced by the kernel of a guest: Debian's base policy with the module
# of contrib/selinux, files labelled by its contexts, started from the service manager's domain. It works in the places
# that the contexts name, without one denial, and is refused whatever lies elsewhere.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1
PATH=$PATH:/usr/sbin:/sbin
need checkmodule semodule_package semodule setfiles runcon setpriv
pp=
for place in /usr/libexec/selinux/hll/pp /usr/lib/selinux/hll/pp; do
    [ ! -x "$place" ] || pp=$place
done
[ -n "$pp" ] || skip_all "the compiler of SELinux modules is not there"

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
ok "the module compiles" checkmodule -M -m -o "$work/holdfast.mod" "$top_srcdir/contrib/selinux/holdfast.te"
ok "and is packed" semodule_package -o "$work/holdfast.pp" -m "$work/holdfast.mod" -f "$top_srcdir/contrib/selinux/holdfast.fc"
# The base alone, without the name of a user that another module has. All others but ours may do as they like,
# and the guest's root file system takes labels as one on a disk does.
bunzip2 -c "$work/debian/usr/share/selinux/default/base.pp.bz2" >"$work/base.pp"
"$pp" "$work/base.pp" "$work/base.all" && grep -v '^(selinuxuser sddm' "$work/base.all" >"$work/base.cil"
printf '%s\n' '(typepermissive kernel_t)' '(typepermissive init_t)' '(allow file_type root_t (filesystem (associate)))' >"$work/others.cil"
ok "it goes into Debian's policy" semodule -p "$work/root" -s default -n -N -D -i "$work/base.cil" "$work/others.cil" "$work/holdfast.pp"
policy=$(find "$work/root/etc/selinux/default/policy" -name 'policy.*' 2>/dev/null)
[ -n "$policy" ] || bail "there is no policy"

guest_extra=$tap_dir/extra
mkdir -p "$guest_extra"/etc/selinux/default/contexts/files "$guest_extra"/usr/libexec
guest_add "$emulator" "$top_builddir/holdfast-ctl" "$(type -P setfiles)" "$(type -P runcon)" "$(type -P setpriv)"
cp "$policy" "$guest_extra/etc/selinux/policy"
cp "$work/root/etc/selinux/config" "$guest_extra/etc/selinux/"
cp "$work"/root/etc/selinux/default/contexts/files/file_contexts* "$guest_extra/etc/selinux/default/contexts/files/"
printf 'root:x:0:0::/root:/bin/sh\nholdfast:x:100:100::/:/bin/sh\n' >"$guest_extra/etc/passwd"
printf 'root:x:0:\nholdfast:x:100:\n' >"$guest_extra/etc/group"
guest_append=security=selinux

cat >"$tap_dir/job" <<'END'
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/holdfast/one /var/lib/holdfast/two /run/holdfast/one /run/holdfast/two /srv/tpm
printf 00112233445566778899aabbccddeeff >/var/lib/holdfast/key
echo secret >/srv/tpm/secret
contexts=/etc/selinux/default/contexts/files/file_contexts
mount -t selinuxfs selinuxfs /sys/fs/selinux
check "the policy is loaded" dd if=/etc/selinux/policy of=/sys/fs/selinux/load bs=16M
check "files are labelled" /usr/bin/setfiles -F $contexts /bin /usr /etc /var /run /srv /dev /tmp /root
echo 0 >/proc/sys/kernel/printk_ratelimit # no refusal is left out of the log
echo 1 >/sys/fs/selinux/enforce
check "SELinux enforces" grep -q 1 /sys/fs/selinux/enforce
confined() { [ "$(tr -d '\000' <"/proc/$1/attr/current")" = system_u:system_r:holdfast_t:s0 ]; }
denials() { dmesg | grep 'avc: *denied.*scontext=system_u:system_r:holdfast_t'; }
silent() { ! denials; }
# The service manager runs a program; what it says goes where it may write.
cat >/root/unit <<'END_OF_UNIT'
/usr/bin/runcon system_u:system_r:init_t:s0 sh -c '"$@" </dev/null >/var/lib/holdfast/said 2>&1 3>&-' sh "$@"
code=$?
cat /var/lib/holdfast/said
exit $code
END_OF_UNIT

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
    denials
}
own=/run/holdfast/one/s
serve "a directory" $own --tpmstate dir=/var/lib/holdfast/one
serve "encrypted" $own --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex
serve "a linear file" $own --tpmstate backend-uri=file:///var/lib/holdfast/linear,lock
serve "slots" $own --tpmstate backend-uri=slots:///var/lib/holdfast/slots
chown -R holdfast:holdfast /var/lib/holdfast/two /run/holdfast/two
serve "as another user" /run/holdfast/two/s --tpmstate dir=/var/lib/holdfast/two --key file=/var/lib/holdfast/key,format=hex --runas holdfast
denials

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
check "nothing was left of them" sh -c '! ls /etc/log /etc/s /etc/pid /srv/tpm/linear /srv/tpm/tpm2-00.permall /srv/tpm/.lock 2>/dev/null | grep .'
written() { [ "$(denials | wc -l)" -ge 6 ]; }
until_true written # the kernel writes them in its own time
say denials "$(denials | wc -l)"
echo 0 >/sys/fs/selinux/enforce
check "without it, state elsewhere is fine" sh -c "holdfast socket --tpm2 --daemon --tpmstate dir=/srv/tpm --ctrl type=unixio,path=$own &&
    holdfast-ctl --unix $own init && holdfast-ctl --unix $own shutdown"
END

vm_name=SELinux
guest_boot "$tap_dir/vm" "$tap_dir/job" none none
vm_expect boot
vm_expect denials
ok "$vm_name: the kernel has written refusals down ($words)" test "$words" -ge 6
vm_expect end
ok "$vm_name: the VM powers off" guest_wait 20
finish
