#!/usr/bin/env bash
# The samples are not prose: XML is parsed, the configuration read by the program, the script run with a real QEMU.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2016,SC2317  # the inner shells expand; functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
samples=$top_srcdir/samples

ok "libvirt-domain.xml is XML" /usr/bin/python3 -c \
    'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$samples/libvirt-domain.xml"
if command -v virt-xml-validate >/dev/null; then
    ok "libvirt-domain.xml is what libvirt takes" virt-xml-validate "$samples/libvirt-domain.xml" domain
else
    skip "libvirt-domain.xml is what libvirt takes" "virt-xml-validate is not installed"
fi

# Read to its end, the configuration leads to its authority, which is not there.
mkdir "$tap_dir/state"
sed "s|= /var/lib/holdfast/authority|= $tap_dir/no-authority|" "$samples/holdfast-setup.conf" >"$tap_dir/setup.conf"
refuses 1 "$tap_dir/no-authority" "holdfast-setup.conf is read" "$top_builddir/holdfast-setup" --tpm2 \
    --tpm-state "$tap_dir/state" --config "$tap_dir/setup.conf" --create-ek-cert
printf 'authorty = x\n' >>"$tap_dir/setup.conf"
refuses 1 "authorty" "and a key with a typing error is refused by name" "$top_builddir/holdfast-setup" --tpm2 \
    --tpm-state "$tap_dir/state" --config "$tap_dir/setup.conf" --create-ek-cert

if command -v qemu-system-x86_64 >/dev/null; then
    printf 'info tpm\nquit\n' | HOLDFAST=$emulator timeout 60 "$samples/vm-with-tpm" "$tap_dir/state" \
        -nodefaults -display none -S -monitor stdio >"$tap_dir/monitor" 2>&1
    if grep -q 'model=tpm-crb' "$tap_dir/monitor"; then
        pass "vm-with-tpm starts a machine that has a TPM"
    else
        fail "vm-with-tpm starts a machine that has a TPM"
        diag_file "$tap_dir/monitor"
    fi
else
    skip "vm-with-tpm starts a machine that has a TPM" "qemu-system-x86_64 is not installed"
fi
refuses 2 "usage:" "vm-with-tpm wants a state directory" "$samples/vm-with-tpm"

# Proxmox: swtpm's names in PATH, a raw volume, a machine that is started a second time.
names=$(cd "$top_builddir" && pwd)/swtpm-names
mkdir "$tap_dir/ca" "$tap_dir/runtime"
printf "%s = $tap_dir/ca/%s\n" statedir . signingkey key.pem issuercert cert.pem certserial serial >"$tap_dir/localca.conf"
printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
    "$names/swtpm_localca" "$tap_dir/localca.conf" "$top_srcdir/contrib/debian/etc/swtpm-localca.options" >"$tap_dir/swtpm_setup.conf"
# proxmox VOLUME: the sample with its monitor's output in $tap_dir/monitor.
proxmox() {
    printf 'info tpm\nquit\n' | PATH=$names:$PATH RUNTIME=$tap_dir/runtime CONFIG=$tap_dir/swtpm_setup.conf timeout 60 \
        "$samples/proxmox-vm-with-tpm" "$1" 100 -nodefaults -display none -S -monitor stdio >"$tap_dir/monitor" 2>&1
}
proxmox_shown() {
    local code=0
    proxmox "$1" || code=$?
    cat "$tap_dir/monitor"
    return "$code"
}
# at_end FILE: it is there no more.
at_end() { [ ! -e "$1" ]; }
if command -v qemu-system-x86_64 >/dev/null; then
    truncate -s 4M "$tap_dir/volume.raw"
    for time in first second; do
        if proxmox "$tap_dir/volume.raw" && grep -q 'model=tpm-tis' "$tap_dir/monitor"; then
            pass "proxmox-vm-with-tpm starts a machine that has a TPM: the $time time"
        else
            fail "proxmox-vm-with-tpm starts a machine that has a TPM: the $time time"
            diag_file "$tap_dir/monitor"
        fi
        ok "its emulator ends with it" wait_for 10 at_end "$tap_dir/runtime/100.swtpm.pid"
        case $time in
        first) made=$(find "$tap_dir/ca" -type f -exec sha256sum {} + | sort) ;;
        second) is "$(find "$tap_dir/ca" -type f -exec sha256sum {} + | sort)" "$made" "no new TPM is made the second time" ;;
        esac
    done
    isnt "$made" "" "the TPM has certificates"
    is "$(stat -c %s "$tap_dir/volume.raw")" 4194304 "the volume has its size"
    head -c 4M /dev/urandom >"$tap_dir/foreign.raw"
    before=$(sha256sum <"$tap_dir/foreign.raw")
    refuses 1 "foreign.raw" "a volume in which something else is, is refused" proxmox_shown "$tap_dir/foreign.raw"
    is "$(sha256sum <"$tap_dir/foreign.raw")" "$before" "and left alone"
else
    skip "proxmox-vm-with-tpm starts a machine that has a TPM" "qemu-system-x86_64 is not installed"
fi
refuses 2 "usage:" "proxmox-vm-with-tpm wants a volume and a number" "$samples/proxmox-vm-with-tpm" volume

# cloud-hypervisor is not in Debian: its client, with its manners, stands in for it.
mkdir "$tap_dir/cloud"
ok "cloud-hypervisor-vm-with-tpm serves what cloud-hypervisor asks for" env HOLDFAST="$emulator" XDG_RUNTIME_DIR="$tap_dir" \
    CLOUD_HYPERVISOR="$top_srcdir/tests/cli/cloud-hypervisor.py" timeout 60 \
    "$samples/cloud-hypervisor-vm-with-tpm" "$tap_dir/cloud" --kernel none
ok "and leaves nothing behind" sh -c '! ls -d "$1"/vm-with-tpm.*' - "$tap_dir"
refuses 1 "nowhere" "a state directory that is not there is an error" env HOLDFAST="$emulator" XDG_RUNTIME_DIR="$tap_dir" \
    CLOUD_HYPERVISOR=true "$samples/cloud-hypervisor-vm-with-tpm" "$tap_dir/nowhere"
refuses 2 "usage:" "cloud-hypervisor-vm-with-tpm wants a state directory" "$samples/cloud-hypervisor-vm-with-tpm"
finish
