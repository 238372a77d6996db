#!/bin/bash
# The emulator inside a guest, where a kernel has CUSE and the vTPM proxy: `holdfast cuse` under its
# ioctls, tpm2-tools and Debian's swtpm_ioctl; `holdfast chardev --vtpm-proxy` under the kernel's
# TPM driver; what each must refuse. The sandbox is on, with its default of killing.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/guest/vm.sh
. "${top_srcdir:=.}/tests/guest/vm.sh" || exit 1

client=$top_builddir/tests/guest/device-client
[ -x "$client" ] || bail "$client is not there"
attack=$top_builddir/tests/guest/device-attack
[ -x "$attack" ] || bail "$attack is not there"
guest_extra=$tap_dir/extra
mkdir -p "$guest_extra/etc"
need setpriv
guest_add "$emulator" "$client" "$attack" "$top_builddir/holdfast-ctl" "$(type -P setpriv)"
guest_add_fuse
[ -z "$(type -P swtpm_ioctl)" ] || guest_add "$(type -P swtpm_ioctl)"
guest_add_module fuse cuse tpm_vtpm_proxy || {
    echo "1..0 # SKIP the guest's kernel has no modules fuse, cuse and tpm_vtpm_proxy"
    exit 0
}
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$guest_extra/etc/passwd"
printf 'root:x:0:\nnobody:x:65534:\n' >"$guest_extra/etc/group"

# What both jobs use.
cat >"$tap_dir/common" <<'END'
# The host wakes it up.
suspend() {
    say asleep
    echo mem >/sys/power/state
}
# lose DEVICE CALL PID: that emulator is killed hard while a client is in the system call of this number.
lose() {
    device-attack lost "$1" >/tmp/lost 2>&1 &
    client=$!
    check "a client waits for a long command" until_true grep -q "^$2 " /proc/$client/syscall
    kill -KILL "$3"
    until_true gone $client
    sed 's/^\(not-\)\{0,1\}ok /&killed meanwhile: /' /tmp/lost >&3
    check "killed meanwhile: the device goes" until_true missing "$1"
}
use_tpm() {
    export TPM2TOOLS_TCTI="device:$1"
    check "$2: tpm2_getrandom" sh -c 'test "$(tpm2_getrandom 16 --hex | wc -c)" -eq 32'
    check "$2: tpm2_pcrread" tpm2_pcrread sha256:0,16
    check "$2: tpm2_pcrextend" tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
    check "$2: tpm2_createprimary" tpm2_createprimary -C o -G ecc -c /tmp/primary.ctx
    check "$2: tpm2_evictcontrol" tpm2_evictcontrol -C o -c /tmp/primary.ctx 0x81000001
    check "$2: tpm2_nvdefine" tpm2_nvdefine 0x1500001 -C o -s 8 -a 'ownerread|ownerwrite'
    check "$2: tpm2_nvwrite" sh -c 'printf holdfast | tpm2_nvwrite 0x1500001 -C o -i-'
    check "$2: tpm2_nvread" sh -c 'test "$(tpm2_nvread 0x1500001 -C o)" = holdfast'
}
used_tpm() {
    export TPM2TOOLS_TCTI="device:$1"
    check "$2: NV is as it was" sh -c 'test "$(tpm2_nvread 0x1500001 -C o)" = holdfast'
    check "$2: the kept key is there" tpm2_readpublic -c 0x81000001
}
END

cat "$tap_dir/common" - >"$tap_dir/proxy" <<'END'
proxy="holdfast chardev --vtpm-proxy"
mkdir -m 700 /tmp/s2 /tmp/s12 /tmp/empty
check "no proxy without its module" fails 'vtpmx.*tpm_vtpm_proxy' $proxy --tpm2 --tpmstate dir=/tmp/empty
insmod /modules/tpm_vtpm_proxy.ko
until_true test -c /dev/vtpmx
check "refused: a user who may not" fails 'vtpmx: Permission denied' /usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups $proxy --tpm2 --tpmstate dir=/tmp/empty
check "and no state was made" test -z "$(ls /tmp/empty)"

$proxy --tpm2 --tpmstate dir=/tmp/s2 --log file=/tmp/log,level=2 >/tmp/out 2>/tmp/err &
pid=$!
until_true test -s /tmp/out
say line "$(cat /tmp/out)"
check "/dev/tpm0 appears" until_true test -c /dev/tpmrm0
check "the kernel knows it as a TPM 2" test "$(cat /sys/class/tpm/tpm0/tpm_version_major)" = 2
check "its PCRs are in sysfs" grep -q '^0*$' /sys/class/tpm/tpm0/pcr-sha256/16
use_tpm /dev/tpmrm0 "vtpm-proxy"
check "the raw device works too" tpm2_getrandom -T device:/dev/tpm0 8 --hex
check "the kernel has set the locality" grep -q 'TPM command 0x20001000, 11 bytes: response 0x0' /tmp/log
check "it runs in its sandbox" grep -q '^Seccomp:.*2' /proc/$pid/status
kill -TERM $pid
say_exit $pid
check "the device goes with it" until_true missing /dev/tpm0

check "a daemon says its line and returns" sh -c "$proxy --daemon --pid file=/tmp/pid --tpm2 --tpmstate dir=/tmp/s2 >/tmp/out"
say daemon "$(cat /tmp/out)"
check "the device of the daemon appears" until_true test -c /dev/tpmrm0
used_tpm /dev/tpmrm0 "as a daemon"
kill -KILL "$(cat /tmp/pid)"
check "killed hard, the device goes with it" until_true missing /dev/tpm0

$proxy --tpm2 --tpmstate dir=/tmp/s2 >/tmp/out 2>/tmp/err &
pid=$!
check "after that it comes again" until_true test -c /dev/tpmrm0
used_tpm /dev/tpmrm0 "after it was killed"
device-attack proxy /dev/tpm0 >&3
check "refused: to take the module away" fails 'busy\|unavailable' rmmod tpm_vtpm_proxy
tpm2_pcrextend 16:sha256=0303030303030303030303030303030303030303030303030303030303030303
tpm2_pcrread sha256:16 >/tmp/before
check "the machine is suspended and wakes up" suspend
tpm2_pcrread sha256:16 >/tmp/after
check "the TPM is as it was" cmp /tmp/before /tmp/after
used_tpm /dev/tpmrm0 "after the suspend"
lose /dev/tpm0 1 $pid

chown -R nobody:nobody /tmp/s2
$proxy --tpm2 --tpmstate dir=/tmp/s2 --runas nobody --ctrl type=unixio,path=/tmp/s2/ctl >/tmp/out 2>/tmp/err &
pid=$!
check "as another user, who could not make it" until_true test -c /dev/tpmrm0
check "it is that user" grep -q '^Uid:.65534.65534' /proc/$pid/status
used_tpm /dev/tpmrm0 "as another user"
check "its control channel" holdfast-ctl --unix /tmp/s2/ctl capabilities
check "SHUTDOWN on it" holdfast-ctl --unix /tmp/s2/ctl shutdown
say_exit $pid

$proxy --tpmstate dir=/tmp/s12 --log file=/tmp/log12,level=2 >/tmp/out 2>/tmp/err &
pid=$!
check "a TPM 1.2 appears" until_true test -e /sys/class/tpm/tpm0/pcrs
check "the kernel reads its PCRs" grep -q '^PCR-16: 00' /sys/class/tpm/tpm0/pcrs
check "and has set its locality" grep -q 'TPM command 0x[25]0001000, 11 bytes: response 0x0' /tmp/log12
kill -INT $pid
say_exit $pid
END

cat "$tap_dir/common" - >"$tap_dir/cuse" <<'END'
mkdir -m 700 /tmp/s1 /tmp/s2 /tmp/s3 /tmp/s12 /tmp/empty
cuse="holdfast cuse --tpm2"
for library in /usr/lib/*/libfuse3.so*; do
    mv "$library" /tmp/libfuse3
    check "no CUSE without libfuse3" fails 'the command cuse needs libfuse3: libfuse3.so' $cuse --tpmstate dir=/tmp/empty -n vtpm0
    mv /tmp/libfuse3 "$library"
done
check "no CUSE without its module" fails 'cuse.*is the module' $cuse --tpmstate dir=/tmp/empty -n vtpm0
insmod /modules/fuse.ko
insmod /modules/cuse.ko
until_true test -c /dev/cuse

# Refusals first: nothing may be left of them.
check "refused: a user who may not" fails '/dev/cuse: Permission denied' /usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups $cuse --tpmstate dir=/tmp/empty -n vtpm0
check "refused: a name that is there" fails '/dev/null: is there already' $cuse --tpmstate dir=/tmp/empty -n null
check "refused: numbers of another device" fails 'did not make /dev/vtpm0, major 1, minor 3' $cuse --tpmstate dir=/tmp/empty -n vtpm0 --maj 1 --min 3
check "no device is left" missing /dev/vtpm0
check "and no state" test -z "$(ls /tmp/empty)"

check "it goes to the background when the device is there" sh -c "$cuse --tpmstate dir=/tmp/s1 --pid file=/tmp/pid -n vtpm0 --log file=/tmp/log,level=2 && test -c /dev/vtpm0"
check "refused: the name of a device that runs" fails '/dev/vtpm0: is there already' $cuse --tpmstate dir=/tmp/empty -n vtpm0
check "it runs in its sandbox" grep -q '^Seccomp:.*2' /proc/$(cat /tmp/pid)/status
pid=$(cat /tmp/pid)
device-client /dev/vtpm0 >&3
check "SHUTDOWN ends the process" until_true gone "$pid"
check "and its device" until_true missing /dev/vtpm0
check "and its pid file" missing /tmp/pid

chown nobody:nobody /tmp/s2
$cuse --foreground --tpmstate dir=/tmp/s2 -n vtpm1 --maj 240 --min 7 --flags startup-clear --runas nobody --log level=2 2>/tmp/log2 &
pid=$!
check "in the foreground, as another user, with numbers" until_true test -c /dev/vtpm1
check "the numbers are these" sh -c 'test "$(stat -c %t:%T /dev/vtpm1)" = f0:7'
check "it is that user" grep -q '^Uid:.65534.65534' /proc/$pid/status
use_tpm /dev/vtpm1 "cuse"
$cuse --foreground --tpmstate dir=/tmp/s3 -n vtpm3 --maj 240 --min 7 >/tmp/clash 2>&1
check "refused: the numbers of a device that runs" grep -q 'did not make /dev/vtpm3' /tmp/clash
kill -TERM $pid
say_exit $pid
check "SIGTERM: the device is gone" until_true missing /dev/vtpm1

$cuse --foreground --tpmstate dir=/tmp/s2 -n vtpm1 --runas nobody 2>/tmp/log2 &
pid=$!
until_true test -c /dev/vtpm1
if type swtpm_ioctl >/dev/null; then
    control="swtpm_ioctl --tpm-device /dev/vtpm1"
    check "swtpm_ioctl -c" sh -c "$control -c | grep 0x16fff"
    check "swtpm_ioctl -i" $control -i
    check "swtpm_ioctl -g" $control -g
    check "swtpm_ioctl -l 2" $control -l 2
    check "swtpm_ioctl -l 5 is refused" fails 'ocality' $control -l 5
    check "swtpm_ioctl -h -" sh -c "printf measured | $control -h -"
    check "swtpm_ioctl -e" sh -c "$control -e | grep 1"
    check "swtpm_ioctl -r 3" $control -r 3
    check "swtpm_ioctl --info" sh -c "$control --info 1 | grep TPMSpecification"
    check "swtpm_ioctl -b" $control -b 0
    check "swtpm_ioctl -C" $control -C
    check "swtpm_ioctl -l 0" $control -l 0
    export TPM2TOOLS_TCTI=device:/dev/vtpm1
    tpm2_startup -c
    tpm2_pcrextend 16:sha256=0202020202020202020202020202020202020202020202020202020202020202
    tpm2_pcrread sha256:16 >/tmp/before
    tpm2_nvdefine 0x1500010 -C o -s 2048 -a 'ownerread|ownerwrite'
    tpm2_nvdefine 0x1500011 -C o -s 2048 -a 'ownerread|ownerwrite'
    check "swtpm_ioctl -v" $control -v
    check "swtpm_ioctl --save permanent" $control --save permanent /tmp/permanent
    check "swtpm_ioctl --save volatile" $control --save volatile /tmp/volatile
    check "the file is the whole state" test "$(stat -c %s /tmp/permanent)" -gt 3072
    check "swtpm_ioctl --stop" $control --stop
    check "swtpm_ioctl --load permanent" $control --load permanent /tmp/permanent
    check "swtpm_ioctl --load volatile" $control --load volatile /tmp/volatile
    check "swtpm_ioctl -i with them" $control -i
    tpm2_pcrread sha256:16 >/tmp/after
    check "the PCR is what it was" cmp /tmp/before /tmp/after
    used_tpm /dev/vtpm1 "after the transfer"
    check "swtpm_ioctl -s" $control -s
    say_exit $pid
else
    kill -TERM $pid
    say_exit $pid
fi

$cuse --foreground --tpmstate dir=/tmp/s3 -n vtpm3 --log file=/tmp/log3,level=1 2>/dev/null &
pid=$!
until_true test -c /dev/vtpm3
device-attack cuse /dev/vtpm3 >&3
check "refused: to take the module away" fails 'busy\|unavailable' rmmod cuse
check "the machine is suspended and wakes up" suspend
check "and works" tpm2_getrandom -T device:/dev/vtpm3 8 --hex
lose /dev/vtpm3 0 $pid
check "and its name is free" sh -c "$cuse --tpmstate dir=/tmp/s3 --pid file=/tmp/pid --flags startup-clear -n vtpm3 --log file=/tmp/log3,level=1"
check "the TPM is there again" tpm2_getrandom -T device:/dev/vtpm3 8 --hex
pid=$(cat /tmp/pid)
echo 1 >/sys/class/cuse/vtpm3/abort
check "taken away by the kernel, it ends" until_true gone "$pid"
check "says why" grep -q 'the kernel has taken /dev/vtpm3 away' /tmp/log3
check "and leaves no pid file" missing /tmp/pid

holdfast cuse --foreground --tpmstate backend-uri=file:///tmp/one-file -n vtpm12 --seccomp action=kill 2>&1 &
pid=$!
check "TPM 1.2, its state in one file" until_true test -c /dev/vtpm12
check "INIT" holdfast-ctl --device /dev/vtpm12 init
printf '\000\301\000\000\000\014\000\000\000\231\000\001' >/tmp/startup12
check "TPM_Startup and TPM_GetRandom" sh -c 'exec 4<>/dev/vtpm12; cat /tmp/startup12 >&4; dd bs=4096 count=1 <&4 2>/dev/null | hexdump -ve "1/1 \"%02x\"" | grep 00c40000000a00000000'
check "SHUTDOWN" holdfast-ctl --device /dev/vtpm12 shutdown
say_exit $pid
END

# The guest suspends itself to RAM, and is woken up.
wake() {
    vm_expect asleep
    vm_monitor 30 suspended 'info status' || vm_bail "$vm_name: the machine does not go to sleep"
    guest_command system_wakeup
}

run_guest() { # JOB
    vm_name=$1
    guest_boot "$tap_dir/vm" "$tap_dir/$1" "" none -no-reboot
    vm_expect boot
}

run_guest proxy
vm_expect line
like "$words" '^New TPM device: /dev/tpm0 \(major/minor = [0-9]+/[0-9]+\)$' "proxy: the line of the device"
# Incus takes the seventh word.
read -r -a parts <<<"$words"
like "${parts[6]}" '^[0-9]+/[0-9]+\)$' "proxy: its seventh word has the numbers"
vm_expect exit
is "$words" 0 "proxy: SIGTERM, exit 0"
vm_expect daemon
like "$words" '^New TPM device: /dev/tpm0 ' "proxy: the line of a daemon"
wake
vm_expect exit
is "$words" 0 "proxy: SHUTDOWN, exit 0"
vm_expect exit
is "$words" 0 "proxy: SIGINT, exit 0"
vm_expect end
guest_wait 20

run_guest cuse
vm_expect exit
is "$words" 0 "cuse: SIGTERM, exit 0"
vm_expect exit
is "$words" 0 "cuse: SHUTDOWN by swtpm_ioctl, exit 0"
wake
vm_expect exit
is "$words" 0 "cuse: SHUTDOWN of a TPM 1.2, exit 0"
vm_expect end
guest_wait 20
finish
