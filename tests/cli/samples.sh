#!/usr/bin/env bash
# The samples are not prose: XML is parsed, the configuration read by the program, the script run with a real QEMU.
# SPDX-License-Identifier: BSD-3-Clause
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
finish
