#!/bin/bash
# What contrib has for the system around the emulator, as the programs that will read it see it: systemd's unit,
# users and directories, the AppArmor profile, the SELinux policy; and that these programs would find a fault.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2016,SC2317,SC2013  # single quotes: for the programs that read them; parse is called by ok; words
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
contrib=$(cd "$top_srcdir" && pwd)/contrib
program=$(cd "$top_builddir" && pwd)/holdfast
PATH=$PATH:/usr/sbin:/sbin
cd "$tap_dir" || bail "no directory"
has() { [ -n "$(type -P "$1")" ]; }

unit=holdfast@.service
if has systemd-analyze; then
    mkdir units
    sed "s|^ExecStart=/usr/bin/holdfast|ExecStart=$program|; /^Documentation=/d" "$contrib/systemd/$unit" >units/$unit
    ok "systemd takes $unit" systemd-analyze verify --man=no "units/$unit"
    # Faults in a line are told and passed over: silence is what counts.
    is "$(systemd-analyze verify --man=no units/$unit 2>&1 | grep -F "$unit")" "" "and finds nothing to say about it"
    sed 's/^ProtectSystem=.*/ProtectSystem=stritc/' units/$unit >units/wrong@.service
    like "$(systemd-analyze verify --man=no units/wrong@.service 2>&1)" stritc "a typing error would be found"
    for file in holdfast-ca.service holdfast-ca.socket; do
        sed "s|^ExecStart=/usr/bin/holdfast-ca|ExecStart=$program-ca|; /^Documentation=/d" \
            "$contrib/systemd/$file" >units/$file
    done
    is "$(systemd-analyze verify --man=no units/holdfast-ca.service units/holdfast-ca.socket 2>&1)" "" \
        "systemd takes holdfast-ca.service and its socket, and finds nothing to say"
    if systemd-analyze security --help 2>&1 | grep -q -- --offline; then
        ok "what the service leaves open is little (systemd-analyze security)" \
            systemd-analyze security --offline=true --threshold=20 units/holdfast-ca.service
    else
        skip "systemd-analyze security" "this systemd-analyze cannot do so offline"
    fi
else
    skip "systemd takes $unit" "systemd-analyze is not installed"
fi

# The unit's own command line, with directories of ours; READY=1 is what Type=notify waits for.
is "$(sed -n 's/^Type=//p' "$contrib/systemd/$unit")" notify "the unit waits for readiness"
mkdir state run
command=$(sed -n 's/^ExecStart=//p' "$contrib/systemd/$unit")
command=${command//\/var\/lib\/holdfast\/%i/$tap_dir/state}
command=${command//\/run\/holdfast\/%i/$tap_dir/run}
command=${command/\/usr\/bin\/holdfast/$program}
command=${command/\$HOLDFAST_OPTIONS/}
read -ra words <<<"$command"
ok "its command line is ready when it says so" /usr/bin/env python3 -c '
import os, socket, subprocess, sys
there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
there.bind("notify")
there.settimeout(20)
with subprocess.Popen(sys.argv[1:], env={**os.environ, "NOTIFY_SOCKET": os.path.abspath("notify")}) as process:
    try:
        assert b"READY=1" in there.recv(4096).split(b"\n")
        socket.socket(socket.AF_UNIX).connect("run/tpm.sock")
        assert os.stat("run/tpm.sock").st_mode & 0o777 == 0o660
    finally:
        process.terminate()
sys.exit(process.returncode)' "${words[@]}"

# The CA's, with the socket that its service manager gives it.
"$program-ca" init --dir ca >/dev/null
command=$(sed -n 's/^ExecStart=//p' "$contrib/systemd/holdfast-ca.service")
command=${command/\/usr\/bin\/holdfast/$program}
command=${command/\/var\/lib\/holdfast-ca/$tap_dir/ca}
read -ra words <<<"${command/\$HOLDFAST_CA_OPTIONS/--allow-software}"
start ca /usr/bin/env python3 "$top_srcdir/tests/cli/serve-client.py" activate unix:ca.sock "${words[@]}"
ok "the CA's command line is ready when it says so" wait_for 20 grep -q READY=1 ca.log || diag_file ca.log
ok "and serves at the socket it was given" /usr/bin/env python3 "$top_srcdir/tests/cli/serve-client.py" magic ca.sock
stop "$started"

if has systemd-sysusers && has systemd-tmpfiles; then
    mkdir -p root/etc
    ok "systemd-sysusers makes the users" systemd-sysusers --root="$tap_dir/root" \
        "$contrib/systemd/sysusers.d/holdfast.conf" "$contrib/systemd/sysusers.d/holdfast-ca.conf"
    like "$(cat root/etc/passwd)" 'holdfast:x:' "they are there"
    like "$(cat root/etc/passwd)" 'holdfast-ca:x:' "the CA's, too"
    ok "systemd-tmpfiles makes the directories" systemd-tmpfiles --create --root="$tap_dir/root" \
        "$contrib/systemd/tmpfiles.d/holdfast.conf"
    is "$(stat -c %a root/var/lib/holdfast root/run/holdfast | xargs)" "711 755" "with their modes"
else
    skip "systemd-sysusers and systemd-tmpfiles" "they are not installed"
fi
is "$(sed -n 's/^User=//p' "$contrib/systemd/$unit")" "$(awk '$1 == "u" { print $2 }' "$contrib/systemd/sysusers.d/holdfast.conf")" \
    "the unit's user is the one that is made"

if has apparmor_parser && [ -d /etc/apparmor.d/abstractions ]; then
    parse() { apparmor_parser --skip-kernel-load --skip-cache --quiet "$@"; }
    ok "AppArmor takes the profile" parse "$contrib/apparmor/usr.bin.holdfast"
    is "$(apparmor_parser -N "$contrib/apparmor/usr.bin.holdfast" 2>/dev/null)" holdfast "it has its name"
    sed 's/capability setuid,/capability setuit,/' "$contrib/apparmor/usr.bin.holdfast" >wrong
    refuses any . "a capability that does not exist would be found" parse wrong
else
    skip "AppArmor takes the profile" "apparmor_parser is not installed"
fi

if has checkmodule && has semodule_package; then
    for name in holdfast holdfast_device holdfast_virt; do
        ok "SELinux' compiler takes $name" checkmodule -M -m -o $name.mod "$contrib/selinux/$name.te"
        contexts=()
        [ ! -e "$contrib/selinux/$name.fc" ] || contexts=(-f "$contrib/selinux/$name.fc")
        ok "a package is made, with the contexts of files" semodule_package -o $name.pp -m $name.mod "${contexts[@]}"
    done
    sed '/^type holdfast_var_lib_t;/d' "$contrib/selinux/holdfast.te" >holdfast.te
    refuses any holdfast_var_lib_t "a type that does not exist would be found" checkmodule -M -m -o wrong.mod holdfast.te
    # A context without a type of the module labels nothing.
    for name in holdfast holdfast_device; do
        for type in $(grep -o 'holdfast_[a-z_]*_t' "$contrib/selinux/$name.fc" | sort -u); do
            ok "the type $type of the contexts is the module's" grep -q "^type $type;" "$contrib/selinux/$name.te"
        done
    done
else
    skip "SELinux' compiler takes the policy" "checkmodule and semodule_package are not installed"
fi
if [ -e /usr/share/selinux/devel/Makefile ]; then
    mkdir policy
    cp "$contrib"/selinux/holdfast* policy
    cat >policy/hfprobe.te <<'END'
policy_module(hfprobe, 1.0)
gen_require(`type init_t;')
holdfast_domtrans(init_t)
holdfast_stream_connect(init_t)
holdfast_manage_state(init_t)
holdfast_virt_domtrans(init_t)
END
    ok "another module can use the interfaces" make -s -C policy -f /usr/share/selinux/devel/Makefile hfprobe.pp
else
    skip "another module can use the interfaces" "selinux-policy-dev is not installed"
fi
finish
