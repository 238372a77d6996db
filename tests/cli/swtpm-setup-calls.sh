#!/usr/bin/env bash
# swtpm_setup as others call it: libvirt's and Proxmox's command lines, no configuration at all, many at once on a new CA,
# certificate tools that hang, lie or make something that does not fit, identity keys, TPM 1.2.
# SPDX-License-Identifier: BSD-3-Clause
# Functions are run by ok and refuses, and what stands in single quotes is for another shell:
# shellcheck disable=SC2016,SC2317
. "${top_srcdir:-.}/tests/tap.sh"
need openssl python3 timeout
names=$(realpath "$top_builddir/swtpm-names")
[ -x "$names/swtpm_setup" ] || bail "$names has no links"
setup=$names/swtpm_setup
emulator=$(realpath "$emulator")
cd "$tap_dir" || bail "no directory"
export XDG_CONFIG_HOME=$tap_dir/xdg TMPDIR=$tap_dir/tmp
mkdir xdg tmp
ok 'the configuration of this test' "$setup" --create-config-files root,skip-if-exist

# opens DIR EMULATOR-OPTIONS: our emulator starts from the state, which must exist.
opens() {
    local dir=$1
    shift
    free_ports 2
    start emulator "$emulator" socket --tpmstate "dir=$tap_dir/$dir,must-exist" --flags not-need-init,startup-clear \
        --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" "$@"
    wait_port "$port" "$started" && stop "$started"
}

# --- libvirt 9
# What libtpms 0.10 adds comes last, as in swtpm_setup 0.10.
profiles=$("$setup" --tpm2 --print-profiles | python3 -c 'import json, sys
names = [p["Name"] for p in json.load(sys.stdin).get("builtin", [])]
print(", \"cmdarg-profile\", \"cmdarg-profile-remove-disabled\" ], \"profiles\": [ \"%s\"" % "\", \"".join(names) if names else "")')
is "$("$setup" --print-capabilities)" "{ \"type\": \"swtpm_setup\", \"features\": [ \"tpm-1.2\", \"tpm-2.0\", \
\"cmdarg-keyfile-fd\", \"cmdarg-pwdfile-fd\", \"tpm12-not-need-root\", \"cmdarg-write-ek-cert-files\", \
\"cmdarg-create-config-files\", \"cmdarg-reconfigure-pcr-banks\", \"cmdarg-ek1keyalgo\", \"cmdarg-ek2keyalgo\", \
\"cmdarg-iakkeyalgo\", \"cmdarg-idevidkeyalgo\", \"tpm2-rsa-keysize-2048\", \"tpm2-rsa-keysize-3072\"$profiles ], \
\"version\": \"$("$setup" --version | sed -n 's/.* version \([^ ,]*\).*/\1/p;1q')\" }" \
    'capabilities in their order'
printf 'secret of libvirt' >passphrase
mkdir lv lv12 in
libvirt() { # WORDS...: with the passphrase on descriptor 27
    "$setup" "$@" 27<passphrase
}
makes=(--vmid 'guest:4d2d6f2c-0000-0000-0000-000000000000' --createek --create-ek-cert --create-platform-cert
    --lock-nvram --not-overwrite)
ok 'libvirt makes an encrypted TPM 2.0' libvirt --tpm2 --pwdfile-fd 27 --cipher aes-256-cbc --tpm-state "$tap_dir/lv" \
    --logfile "$tap_dir/lv.log" "${makes[@]}"
like "$(cat lv.log)" 'Successfully created NVRAM area 0x1c00002 for RSA 2048 EK certificate' 'the log says what it did'
ok 'the emulator opens it' opens lv --tpm2 --key "pwdfile=$tap_dir/passphrase,mode=aes-256-cbc"
is "$(od -An -tx1 -j4 -N2 lv/tpm2-00.permall)" ' 00 09' 'it is encrypted'
before=$(sha256sum <lv/tpm2-00.permall)
ok 'a second time nothing is done' libvirt --tpm2 --pwdfile-fd 27 --cipher aes-256-cbc --tpm-state "$tap_dir/lv" \
    --logfile "$tap_dir/lv.log" "${makes[@]}"
is "$(sha256sum <lv/tpm2-00.permall)" "$before" 'nothing'
ok 'libvirt changes its PCR banks' libvirt --tpm2 --pwdfile-fd 27 --cipher aes-256-cbc --tpm-state "$tap_dir/lv" \
    --logfile "$tap_dir/lv.log" --pcr-banks sha256,sha512 --reconfigure
like "$(cat lv.log)" 'Successfully activated PCR banks sha256,sha512 among sha1,sha256,sha384,sha512' 'it says which'
ok 'it opens still' opens lv --tpm2 --key "pwdfile=$tap_dir/passphrase,mode=aes-256-cbc"
before=$(sha256sum <lv/tpm2-00.permall)
printf 'something else' >passphrase
refuses 1 'wrong|key|HMAC|authentic' 'not with another passphrase' libvirt --tpm2 --pwdfile-fd 27 --cipher aes-256-cbc \
    --tpm-state "$tap_dir/lv" --pcr-banks sha1 --reconfigure
refuses 1 '.' 'nor with none' "$setup" --tpm2 --tpm-state "$tap_dir/lv" --pcr-banks sha1 --reconfigure
refuses 1 'descriptor|fd|27' 'nor from a descriptor that is not open' "$setup" --tpm2 --pwdfile-fd 27 --tpm-state "$tap_dir/lv" \
    --pcr-banks sha1 --reconfigure
is "$(sha256sum <lv/tpm2-00.permall)" "$before" 'and nothing is lost'
ok 'libvirt makes a TPM 1.2' libvirt --tpm-state "$tap_dir/lv12" --logfile "$tap_dir/lv12.log" "${makes[@]}"
is "$(ls lv12)" tpm-00.permall 'it is there'
ok 'the emulator opens it' opens lv12
ok 'an incoming migration' "$setup" --tpm2 --tpm-state "$tap_dir/in" --overwrite
ok 'again, over what is there' "$setup" --tpm2 --tpm-state "$tap_dir/in" --overwrite

# --- Proxmox
truncate -s 4M volume
proxmox() {
    "$setup" --tpmstate "file://$tap_dir/volume" --createek --create-ek-cert --create-platform-cert --lock-nvram \
        --config "$XDG_CONFIG_HOME/swtpm_setup.conf" --runas "$(id -u)" --not-overwrite "$@"
}
ok 'Proxmox makes a TPM 2.0 in a volume' proxmox --tpm2 --ecc
is "$(head -c 8 volume)" nilmptws 'it is in it'
before=$(sha256sum <volume)
ok 'and keeps it' proxmox --tpm2 --ecc
is "$(sha256sum <volume)" "$before" 'as it is'
rm volume
truncate -s 4M volume
ok 'a TPM 1.2 too' proxmox
printf 'somebody else'"'"'s data' >volume
refuses 1 'volume' 'a volume with something else in it' proxmox --tpm2
is "$(cat volume)" "somebody else's data" 'keeps that'

# --- certificate tools that go wrong
mkdir state
"$setup" --tpm2 --tpm-state state --createek >/dev/null
before=$(sha256sum <state/tpm2-00.permall)
# wrong NAME REGEX SCRIPT...: $dir is --dir, $localca our swtpm_localca with all its arguments.
wrong() {
    cat >tool <<END
#!/bin/bash
args=("\$@")
while [ "\$1" != --dir ]; do shift; done
dir=\$2
localca() { $names/swtpm_localca "\${args[@]}" >/dev/null; }
$3
END
    chmod +x tool
    refuses 1 "$2" "a tool that $1" "$setup" --tpm2 --tpm-state state --overwrite --create-ek-cert --config tool.conf
    is "$(sha256sum <state/tpm2-00.permall)" "$before" 'leaves the TPM that was there'
    is "$(ls tmp)" '' 'and no file behind'
}
printf 'create_certs_tool = %s/tool\ncreate_certs_tool_timeout = 1\n' "$tap_dir" >tool.conf
sed -n 's/^create_certs_tool_/&/p' xdg/swtpm_setup.conf >>tool.conf
wrong 'hangs' 'did not end within 1 seconds' 'sleep 1000 & echo $! >child; echo $$ >parent; sleep 1000'
ok 'it was killed' gone "$(cat parent)"
ok 'with what it started' wait_for 5 gone "$(cat child)"
wrong 'never stops talking' 'did not end within 1 seconds' 'while :; do cat /dev/zero; done'
sed -i 's/^create_certs_tool_timeout.*/create_certs_tool_timeout = 60/' tool.conf
wrong 'fails late' 'exit with status 4: late' 'localca; echo late >&2; exit 4'
wrong 'fails in two lines' 'exit with status 4: first; second$' 'echo first >&2; echo second >&2; exit 4'
wrong 'makes a directory' 'ek.cert' 'mkdir "$dir/ek.cert" && rmdir "$dir/ek.cert"; ln -s /dev/zero "$dir/ek.cert"'
wrong 'makes a file without end' 'ek.cert' 'head -c 1000000 /dev/zero >"$dir/ek.cert"'
wrong 'makes half a certificate' 'X.509' 'localca; truncate -s 500 "$dir/ek.cert"'
wrong 'appends something' 'X.509' 'localca; echo more >>"$dir/ek.cert"'
openssl ecparam -name prime256v1 -genkey -noout -out big.key 2>/dev/null
{ echo '[e]'; printf 'nsComment = '; head -c 3000 /dev/zero | tr '\0' x; echo; } >big.cnf
wrong 'makes a certificate that does not fit' 'NV index 0x01c00002' "localca
openssl x509 -inform DER -in \"\$dir/ek.cert\" -noout -pubkey >\"\$dir/pub\"
openssl x509 -new -force_pubkey \"\$dir/pub\" -key $tap_dir/big.key -subj /CN=big -days 1 -extfile $tap_dir/big.cnf \
    -extensions e -outform DER -out \"\$dir/ek.cert\" 2>/dev/null"
# A platform certificate may be an attribute certificate, which names no key.
cat >ac.cnf <<'END'
asn1 = SEQUENCE:certificate
[certificate]
info = SEQUENCE:info
algorithm = SEQUENCE:algorithm
signature = FORMAT:HEX,BITSTRING:00112233
[info]
version = INTEGER:1
holder = SEQUENCE:holder
issuer = IMPLICIT:0C,SEQUENCE:nothing
algorithm = SEQUENCE:algorithm
serial = INTEGER:4711
validity = SEQUENCE:validity
attributes = SEQUENCE:nothing
[holder]
name = IMPLICIT:1C,SEQUENCE:nothing
[algorithm]
oid = OID:sha256WithRSAEncryption
[validity]
from = GENTIME:20260101000000Z
to = GENTIME:20360101000000Z
[nothing]
END
openssl asn1parse -genconf ac.cnf -noout -out ac.der
attributed() { # OTHER-KINDS...: a tool that issues the attribute certificate for the platform, or for others
    printf '#!/bin/bash\nargs=("$@")\nwhile [ "$1" != --dir ]; do shift; done\n%s "${args[@]}" || exit\nfor kind in %s; do
        [ ! -e "$2/$kind.cert" ] || cp %s/ac.der "$2/$kind.cert"; done\n' "$names/swtpm_localca" "$*" "$tap_dir" >tool
    chmod +x tool
    mkdir -p ac
    "$setup" --tpm2 --tpm-state ac --overwrite --create-ek-cert --create-platform-cert --config tool.conf
}
ok 'an attribute certificate for the platform' attributed platform
like "$("$setup" --tpm2 --tpm-state ac --check-certificates 2>&1)" \
    '0x01c08000: certificate of the platform: an attribute certificate, for no key' 'it is in the TPM'
refuses 1 'X.509' 'but not for an endorsement key' attributed ek
truncate -s -1 ac.der
refuses 1 'X.509' 'nor is half a one taken' attributed platform
wrong 'talks without end and fails' 'exit with status 5' 'yes | head -c 3000000; yes | head -c 3000000 >&2; exit 5'
[ "$(wc -c <refuses.log)" -lt 1000000 ]
is $? 0 'the log does not grow without end'
printf 'create_certs_tool_timeout = soon\n' >soon.conf
refuses 1 'create_certs_tool_timeout: expected seconds' 'a time that is none' \
    "$setup" --tpm2 --tpm-state state --overwrite --create-ek-cert --config soon.conf
ok 'a tool that is right, at last' "$setup" --tpm2 --tpm-state state --overwrite --create-ek-cert
isnt "$(sha256sum <state/tpm2-00.permall)" "$before" 'makes another TPM'

# --- many at once, on a CA that does not exist yet
mkdir many
cp -r xdg many/xdg
rm -rf many/xdg/var
sed -i "s|$tap_dir/xdg|$tap_dir/many/xdg|" many/xdg/*.conf
pids=()
for i in 1 2 3 4 5 6 7 8; do
    mkdir "many/$i" "many/certs$i"
    XDG_CONFIG_HOME=$tap_dir/many/xdg "$setup" --tpm2 --tpm-state "many/$i" --create-ek-cert --create-platform-cert --ek2keyalgo none \
        --vmid "vm$i" --write-ek-cert-files "many/certs$i" >"many/$i.log" 2>&1 &
    pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
    wait "$pid" || failed=$((failed + 1))
done
is "$failed" 0 'eight setups at once on a new CA'
ca=many/xdg/var/lib/swtpm-localca
good=0
for i in 1 2 3 4 5 6 7 8; do
    openssl x509 -inform DER -in "many/certs$i/ek-rsa2048.crt" -out "many/$i.pem" &&
        openssl verify -CAfile $ca/swtpm-localca-rootca-cert.pem -untrusted $ca/issuercert.pem "many/$i.pem" >/dev/null 2>&1 &&
        good=$((good + 1))
done
is "$good" 8 'all their certificates are of that one CA'
is "$(for i in 1 2 3 4 5 6 7 8; do openssl x509 -in "many/$i.pem" -noout -serial; done | sort -u | wc -l)" 8 'with eight serial numbers'

# --- no configuration at all: a system where nothing of swtpm has been installed
fresh() { # DIR: /etc without swtpm's files, and without /var/lib/swtpm-localca; in namespaces of its own
    unshare -m bash -c '
        mount -t tmpfs none /mnt && mkdir /mnt/up /mnt/work &&
        mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work none /etc &&
        rm -f /etc/swtpm_setup.conf /etc/swtpm-localca.conf /etc/swtpm-localca.options || exit 77
        if [ -d /var/lib/swtpm-localca ]; then mount -t tmpfs none /var/lib/swtpm-localca || exit 77; fi
        unset XDG_CONFIG_HOME; export HOME=$2/home; mkdir -p $2/home $2/state $2/certs
        "$1" --tpm2 --tpm-state "$2/state" --create-ek-cert --create-platform-cert --write-ek-cert-files "$2/certs" &&
        "$1" --tpm2 --tpm-state "$2/state" --create-ek-cert --overwrite' - "$setup" "$1"
}
apart=$(unshare -m true 2>&1) # fails where / is no mount point
if [ "$(id -u)" = 0 ] && [ -d /var/lib/swtpm-localca ] && [ -z "$apart" ]; then
    mkdir fresh
    code=0
    fresh "$tap_dir/fresh" >fresh.log 2>&1 || code=$?
    if [ "$code" = 77 ]; then
        skip 'no configuration at all' 'no overlay can be mounted here'
    else
        is "$code" 0 'no configuration at all' || diag_file fresh.log
        like "$(openssl x509 -inform DER -in fresh/certs/ek-rsa2048.crt -noout -issuer)" swtpm-localca 'a local CA is made and used'
        is "$(ls fresh/home tmp)" $'fresh/home:\n\ntmp:' 'nothing is put anywhere else'
    fi
else
    skip 'no configuration at all' 'not root, no mount namespace, or no CA directory in /var/lib to stand for'
fi
# An ordinary user, who may write nowhere but at home.
if [ "$(id -u)" = 0 ] && [ -z "$apart" ] && type -P setpriv >/dev/null; then
    mkdir user
    chown nobody user
    chmod 711 "$tap_dir"
    mkdir user/state user/tmp
    chown nobody user/state user/tmp
    ok 'a user without any file' unshare -m bash -c '
        mount -t tmpfs none /mnt && mkdir /mnt/up /mnt/work &&
        mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work none /etc &&
        rm -f /etc/swtpm_setup.conf /etc/swtpm-localca.conf /etc/swtpm-localca.options
        unset XDG_CONFIG_HOME; export HOME=$2/user TMPDIR=$2/user/tmp
        setpriv --reuid nobody --clear-groups "$1" --tpm2 --tpm-state "$2/user/state" --create-ek-cert' - "$setup" "$tap_dir"
    ok 'has a CA of their own then' test -s user/.config/var/lib/swtpm-localca/issuercert.pem
else
    skip 'a user without any file' 'only root can become somebody else, with a mount namespace'
fi
finish
