# Other people's programs against ours: make check-interop.
interop_tests += tests/interop/tpm2-tools.sh tests/interop/state-exchange.sh \
    tests/interop/state-encrypted.sh tests/interop/state-linear.sh \
    tests/interop/setup-state.sh \
    tests/interop/swtpm-ioctl.sh tests/interop/swtpm-setup.sh tests/interop/setup.sh
interop_tests += tests/interop/ibm-tss2.sh tests/interop/pytss.sh
EXTRA_DIST += tests/interop/pytss-client.py tests/interop/newer-swtpm tests/interop/x509-look.go
interop_tests += tests/interop/x509-go.sh
interop_tests += tests/interop/debian-package.sh tests/interop/integration.sh
interop_tests += tests/interop/swtpm-setup-beside.sh tests/interop/tpm12.py tests/interop/tpm-tools.sh
interop_tests += tests/interop/swtpm-refusals.py
EXTRA_DIST += tests/interop/tpm12-look.py
