#!/bin/bash
# contrib/debian builds: the tree that "make dist" makes, with contrib/debian as debian/, becomes two packages; what is in them,
# what they say of each other and of swtpm, and that the programs of an unpacked package run.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need dpkg-buildpackage dpkg-deb dh make
cd "$top_builddir" || bail "no build directory"
tree=$tap_dir/holdfast-dist
make -s distdir distdir="$tree" top_distdir="$tree" >"$tap_dir/dist.log" 2>&1 </dev/null ||
    { diag_file "$tap_dir/dist.log"; bail "make distdir"; }
cp -r "$tree/contrib/debian" "$tree/debian" || bail "contrib/debian is not distributed"
cd "$tree" || bail "no tree"
missing=$(dpkg-checkbuilddeps 2>&1) || skip_all "${missing#*error: }"
version=$(dpkg-parsechangelog -S Version)

# What surrounds a test (make's flags, sanitizers) is not for the build.
ok "the packages are built" env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u LDFLAGS \
    DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" dpkg-buildpackage -us -uc -b || finish
cd "$tap_dir" || bail "no directory"
mv holdfast_"$version"_*.deb holdfast.deb
mv holdfast-swtpm_"$version"_*.deb names.deb || bail "a package is missing"
for package in holdfast names; do
    dpkg-deb -c "$package.deb" | awk '{ print $6 }' >"$package.list"
done
contains() { ok "$1 has $2" grep -qx "\./$2" "$1.list"; }
for program in holdfast holdfast-setup holdfast-authority holdfast-ca holdfast-attest holdfast-ctl; do
    contains holdfast usr/bin/$program
    contains holdfast usr/share/man/man1/$program.1.gz
    contains holdfast usr/share/bash-completion/completions/$program
done
for file in usr/libexec/holdfast/swtpm/swtpm usr/share/man/man5/holdfast-state.5.gz lib/systemd/system/holdfast@.service \
    usr/lib/sysusers.d/holdfast.conf usr/lib/tmpfiles.d/holdfast.conf usr/share/doc/holdfast/copyright \
    usr/share/doc/holdfast/examples/apparmor/usr.bin.holdfast usr/share/doc/holdfast/examples/vm-with-tpm; do
    contains holdfast "$file"
done
like "$(dpkg-deb --fsys-tarfile holdfast.deb | tar -xO ./usr/share/doc/holdfast/examples/libvirt-path.conf)" 'PATH=/usr/libexec/holdfast/swtpm:' \
    "the sample for libvirt names the package's folder"
is "$(dpkg-deb -c holdfast.deb | awk '$6 ~ "swtpm/man/man" && $1 ~ /x/ && $1 !~ /^d/')" "" "manual pages are no programs"
like "$(dpkg-deb -I holdfast.deb postrm)" 'rmdir /run/holdfast /var/lib/holdfast' "what is empty is removed in the end"
refuses 1 '^$' "no sample is there that wants the source tree" sh -c 'grep quickstart holdfast.list || { echo; exit 1; }'
refuses 1 '^$' "holdfast leaves swtpm's names in /usr/bin alone" sh -c 'grep -E "/usr/(bin|share/man/man.|share/bash-completion/completions)/swtpm" holdfast.list || { echo; exit 1; }'
names='swtpm swtpm_setup swtpm_ioctl swtpm_bios swtpm_cert swtpm_localca'
for name in $names; do
    contains names usr/bin/"$name"
    contains names usr/share/man/man8/"$name".8.gz
    contains names usr/share/bash-completion/completions/"$name"
    contains holdfast usr/libexec/holdfast/swtpm/man/man8/"$name".8
done
is "$(dpkg-deb -I names.deb conffiles | sort | xargs)" \
    "/etc/swtpm-localca.conf /etc/swtpm-localca.options /etc/swtpm_setup.conf" "swtpm's files in /etc are configuration files"
is "$(dpkg-deb -f names.deb Conflicts)" "swtpm, swtpm-tools" "holdfast-swtpm is not beside swtpm"
is "$(dpkg-deb -f names.deb Replaces)" "swtpm, swtpm-tools" "it takes its place"
like "$(dpkg-deb -f names.deb Provides)" "swtpm .*swtpm-tools" "for other packages it is swtpm"
like "$(dpkg-deb -f names.deb Depends)" "holdfast \(= ${version//./\\.}\)" "it wants the programs of the same version"
is "$(dpkg-deb -f holdfast.deb Conflicts)" "" "holdfast alone can be installed beside swtpm"
like "$(dpkg-deb -f holdfast.deb Depends)" "libtpms0" "it knows the libraries that it needs"
like "$(dpkg-deb -I holdfast.deb postinst)" "systemd-sysusers" "the service's user is made"
# The owner of a directory must be there before the directory.
order=$(dpkg-deb -I names.deb postinst | grep -o 'systemd-sysusers \|systemd-tmpfiles ' | xargs)
is "$order" "systemd-sysusers systemd-tmpfiles" "the CA's user is made, then its directory"

mkdir root
dpkg-deb -x holdfast.deb root
dpkg-deb -x names.deb root
for page in root/usr/share/man/man*/swtpm*; do
    ok "${page##*/} is a page of ours" test -e "root/usr/share/man/$(zcat "$page" | sed -n 's/^\.so //p').gz"
done
is "$(root/usr/bin/holdfast --version | head -1)" "holdfast ${version%-*}" "the unpacked program runs"
for name in $names; do
    for directory in usr/bin usr/libexec/holdfast/swtpm; do
        link=root/$directory/$name
        ok "$directory/$name leads to a program of the package" test -x "$(readlink -e "$link")"
        [ "$link" != root/usr/bin/swtpm ] || continue
        like "$(readlink "$link")" '^[^/]' "by a relative link"
    done
done
# AppArmor profiles of others go by the path, and the kernel follows links.
ok "usr/bin/swtpm is no link" test ! -L root/usr/bin/swtpm
ok "but the emulator" cmp root/usr/bin/swtpm root/usr/bin/holdfast
like "$(root/usr/bin/swtpm socket --print-capabilities)" '"type": "swtpm"' "as swtpm it has swtpm's capabilities"
# They would be read in /etc; here they are named.
mkdir state
sed "s|/var/lib/swtpm-localca|$tap_dir/ca|" root/etc/swtpm-localca.conf >localca.conf
mkdir ca
sed "s|= /usr/bin|= $tap_dir/root/usr/bin|; s|/etc/swtpm-localca.conf|$tap_dir/localca.conf|; s|/etc/swtpm-localca.options|$tap_dir/root&|" \
    root/etc/swtpm_setup.conf >setup.conf
ok "the configuration files are right" root/usr/bin/swtpm_setup --tpm2 --tpm-state state --config setup.conf \
    --create-ek-cert --create-platform-cert --lock-nvram --vmid packaged
ok "a CA came to be" test -s ca/issuercert.pem
finish
