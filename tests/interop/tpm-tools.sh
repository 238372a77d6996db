#!/bin/bash
# A TPM 1.2 with an owner: TrouSerS' daemon and tpm-tools as clients. What they made with one emulator, an NV area and
# sealed data, they find with Debian's swtpm over the same state, and back.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
PATH=$PATH:/usr/sbin:/sbin
need swtpm swtpm_bios swtpm_ioctl tcsd tpm_takeownership setpriv
[ "$(id -u)" = 0 ] || skip_all "tcsd wants its files to be those of the user tss"
getent passwd tss >/dev/null || skip_all "there is no user tss"
cd "$tap_dir" || bail "no directory"
chmod 711 "$tap_dir"
mkdir state ps
chown tss:tss ps

# tpm_run PROGRAM: the emulator on ./state, and a tcsd that uses it.
tpm_run() {
    free_ports 3
    start tpm "$1" socket --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port,disconnect" \
        --ctrl "type=tcp,port=$((port + 1))"
    tpm=$started
    wait_port "$((port + 1))" "$tpm" || bail "$1 does not start"
    swtpm_ioctl --tcp "127.0.0.1:$((port + 1))" -i || bail "$1: no INIT"
    swtpm_bios --tcp "127.0.0.1:$port" -o || bail "$1: no Startup"
    cat >tcsd.conf <<END_OF_CONF
port = $((port + 2))
system_ps_file = $tap_dir/ps/system.data
END_OF_CONF
    chown root:tss tcsd.conf
    chmod 640 tcsd.conf
    export TCSD_TCP_DEVICE_HOSTNAME=127.0.0.1 TCSD_TCP_DEVICE_PORT=$port TCSD_USE_TCP_DEVICE=1 TSS_TCSD_PORT=$((port + 2))
    start tcsd tcsd -f -e -c "$tap_dir/tcsd.conf"
    tcsd=$started
    wait_port "$((port + 2))" "$tcsd" || { diag_file tcsd.log; bail "tcsd does not start"; }
}
tpm_end() {
    stop "$tcsd"
    swtpm_ioctl --tcp "127.0.0.1:$((port + 1))" -s
    wait_gone "$tpm" 10 || bail "the emulator does not end"
}

echo "for this TPM alone" >secret
for direction in "swtpm holdfast" "holdfast swtpm"; do
    case $direction in
    swtpm*) first=$(type -P swtpm) second=$emulator ;;
    *) first=$emulator second=$(type -P swtpm) ;;
    esac
    what=${direction/ / to }
    rm -rf state ps/* sealed
    mkdir state
    tpm_run "$first"
    # Physical presence, enabled, activated; an endorsement key.
    ok "$what: swtpm_bios makes it ready" swtpm_bios --tcp "127.0.0.1:$port" -n -cs
    swtpm_ioctl --tcp "127.0.0.1:$((port + 1))" -i
    swtpm_bios --tcp "127.0.0.1:$port" -o
    like "$(tpm_version | tr -d '\0')" 'Chip Version: +1\.2' "$what: tpm_version"
    ok "$what: an endorsement key is made" tpm_createek
    ok "$what: and an owner" tpm_takeownership -y -z
    like "$(tpm_getpubek -z 2>/dev/null)" 'Public Endorsement Key' "$what: who sees that key"
    ok "$what: an NV area" tpm_nvdefine -i 0x00011111 -s 16 -p 'OWNERREAD|OWNERWRITE' -y -z
    ok "$what: is written" tpm_nvwrite -i 0x00011111 -d "sixteen bytes..." -s 16 -z
    tpm_nvread -i 0x00011111 -s 16 -z >nv.before
    like "$(cat nv.before)" 'sixteen bytes' "$what: and read"
    ok "$what: data is sealed" tpm_sealdata -z -i secret -o sealed -p 10
    is "$(tpm_unsealdata -z -i sealed)" "$(cat secret)" "$what: and unsealed"
    tpm_end
    tpm_run "$second"
    tpm_nvread -i 0x00011111 -s 16 -z >nv.after
    is "$(cat nv.after)" "$(cat nv.before)" "$what: the NV area is there"
    is "$(tpm_unsealdata -z -i sealed)" "$(cat secret)" "$what: sealed data is unsealed by the other"
    refuses 255 'has been disabled' "$what: a second owner is refused" tpm_takeownership -y -z
    ok "$what: its owner clears it" tpm_clear -z
    tpm_end
done
finish
