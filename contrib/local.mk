# Packaging and system integration; nothing of it is installed by "make install", packages take what they want.
EXTRA_DIST += contrib/packages contrib/install-packages contrib/build.sh \
    contrib/debian/changelog contrib/debian/control contrib/debian/copyright contrib/debian/rules \
    contrib/debian/holdfast.docs contrib/debian/holdfast.examples contrib/debian/holdfast.install contrib/debian/holdfast.postrm \
    contrib/debian/holdfast-swtpm.install contrib/debian/holdfast-swtpm.sysusers contrib/debian/holdfast-swtpm.tmpfiles \
    contrib/debian/source/format contrib/debian/etc/swtpm_setup.conf contrib/debian/etc/swtpm-localca.conf \
    contrib/debian/etc/swtpm-localca.options \
    contrib/apparmor/usr.bin.holdfast contrib/apparmor/local/abstractions/libvirt-qemu contrib/apparmor/local/usr.sbin.libvirtd \
    contrib/selinux/holdfast.te contrib/selinux/holdfast.fc contrib/selinux/holdfast.if \
    contrib/selinux/holdfast_device.te contrib/selinux/holdfast_device.fc contrib/selinux/holdfast_virt.te contrib/selinux/holdfast_virt.if \
    contrib/systemd/holdfast@.service contrib/systemd/holdfast-ca.service contrib/systemd/holdfast-ca.socket \
    contrib/systemd/sysusers.d/holdfast-ca.conf contrib/systemd/sysusers.d/holdfast.conf contrib/systemd/tmpfiles.d/holdfast.conf
