# Real Linux guests in QEMU; make check-guest. The image is kept in guest/ of the build directory.
guest_tests += tests/guest/guest-boot.sh tests/guest/guest-reset.sh tests/guest/guest-kill.sh \
    tests/guest/guest-quickstart.sh tests/guest/guest-firmware.sh tests/guest/guest-migrate.sh \
    tests/guest/guest-devices.sh tests/guest/guest-attest.sh tests/guest/guest-libvirt.sh tests/guest/guest-libvirt-shared.sh tests/guest/guest-libvirt-faults.sh tests/guest/guest-apparmor.sh tests/guest/guest-selinux.sh \
    tests/guest/guest-proxmox.sh
check_PROGRAMS += tests/guest/device-client tests/guest/device-attack tests/guest/probe
tests_guest_device_attack_SOURCES = tests/guest/device-attack.c
tests_guest_probe_SOURCES = tests/guest/probe.c
tests_guest_device_client_SOURCES = tests/guest/device-client.c
tests_guest_device_client_LDADD = -lpthread
EXTRA_DIST += samples/quickstart samples/libvirt-path.conf tests/guest/make-guest tests/guest/guest-init tests/guest/boot.sh tests/guest/vm.sh tests/guest/libvirt.sh

clean-local: clean-guest
.PHONY: clean-guest
clean-guest:
	-rm -rf guest
