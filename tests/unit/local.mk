# One program a module: unit_tests += tests/unit/test-NAME, its sources and libraries below.
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/unit/tap-run
EXTRA_DIST += tests/unit/tap-run

unit_tests += tests/unit/test-base
tests_unit_test_base_SOURCES = tests/unit/test-base.c
tests_unit_test_base_LDADD = libbase.a $(GLIB_LIBS)

unit_tests += tests/unit/test-base-ends
tests_unit_test_base_ends_SOURCES = tests/unit/test-base-ends.c
tests_unit_test_base_ends_LDADD = libbase.a $(GLIB_LIBS)
unit_tests += tests/unit/test-sandbox
tests_unit_test_sandbox_SOURCES = tests/unit/test-sandbox.c
tests_unit_test_sandbox_LDADD = libsandbox.a libbase.a $(GLIB_LIBS)
unit_tests += tests/unit/test-confinement
tests_unit_test_confinement_SOURCES = tests/unit/test-confinement.c
tests_unit_test_confinement_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_confinement_LDADD = libsandbox.a libstate.a $(ENGINE_LIBS)
unit_tests += tests/unit/test-crypto
tests_unit_test_crypto_SOURCES = tests/unit/test-crypto.c
tests_unit_test_crypto_LDADD = libcrypto.a libbase.a $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
unit_tests += tests/unit/test-engine
tests_unit_test_engine_SOURCES = tests/unit/test-engine.c
tests_unit_test_engine_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_engine_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_engine_LDADD = $(ENGINE_LIBS)

unit_tests += tests/unit/test-state
tests_unit_test_state_SOURCES = tests/unit/test-state.c
state_test_libs = libstate.a libcrypto.a libbase.a $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
tests_unit_test_state_LDADD = $(state_test_libs)
unit_tests += tests/unit/test-state-encryption
tests_unit_test_state_encryption_SOURCES = tests/unit/test-state-encryption.c
tests_unit_test_state_encryption_LDADD = $(state_test_libs)
unit_tests += tests/unit/test-store-linear
store_place = tests/unit/store-place.c tests/unit/store-place.h
tests_unit_test_store_linear_SOURCES = tests/unit/test-store-linear.c $(store_place)
tests_unit_test_store_linear_LDADD = $(state_test_libs)
unit_tests += tests/unit/test-store-file
tests_unit_test_store_file_SOURCES = tests/unit/test-store-file.c $(store_place)
tests_unit_test_store_file_LDADD = $(state_test_libs)
unit_tests += tests/unit/test-store-slots
tests_unit_test_store_slots_SOURCES = tests/unit/test-store-slots.c $(store_place)
tests_unit_test_store_slots_LDADD = $(state_test_libs)
unit_tests += tests/unit/test-store-crash
tests_unit_test_store_crash_SOURCES = tests/unit/test-store-crash.c $(store_place)
tests_unit_test_store_crash_LDADD = $(state_test_libs)

pki_world = tests/unit/pki-world.c tests/unit/pki-world.h
pki_test_libs = libpki.a libcrypto.a libbase.a $(GNUTLS_LIBS) $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
unit_tests += tests/unit/test-pki-issue
tests_unit_test_pki_issue_SOURCES = tests/unit/test-pki-issue.c $(pki_world)
tests_unit_test_pki_issue_LDADD = $(pki_test_libs)
unit_tests += tests/unit/test-pki-chain
tests_unit_test_pki_chain_SOURCES = tests/unit/test-pki-chain.c $(pki_world)
tests_unit_test_pki_chain_LDADD = $(pki_test_libs)

unit_tests += tests/unit/test-pki-nested
tests_unit_test_pki_nested_SOURCES = tests/unit/test-pki-nested.c $(pki_world)
tests_unit_test_pki_nested_LDADD = $(pki_test_libs)
unit_tests += tests/unit/test-pki-identity
tests_unit_test_pki_identity_SOURCES = tests/unit/test-pki-identity.c $(pki_world)
tests_unit_test_pki_identity_LDADD = $(pki_test_libs)

unit_tests += tests/unit/test-pki-crl
tests_unit_test_pki_crl_SOURCES = tests/unit/test-pki-crl.c $(pki_world)
tests_unit_test_pki_crl_LDADD = $(pki_test_libs)

live_tpm_sources = tests/unit/live_tpm.c tests/unit/live_tpm.h
live_tpm_libs = libtpm2.a libcrypto.a $(ENGINE_LIBS) $(LIBCRYPTO_LIBS)
unit_tests += tests/unit/test-tpm2-command
tests_unit_test_tpm2_command_SOURCES = tests/unit/test-tpm2-command.c $(live_tpm_sources)
tests_unit_test_tpm2_command_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_tpm2_command_LDADD = $(live_tpm_libs)
unit_tests += tests/unit/test-pki-encoding tests/unit/test-pki-hostile
tests_unit_test_pki_encoding_SOURCES = tests/unit/test-pki-encoding.c $(pki_world)
tests_unit_test_pki_encoding_LDADD = $(pki_test_libs)
tests_unit_test_pki_hostile_SOURCES = tests/unit/test-pki-hostile.c $(pki_world)
tests_unit_test_pki_hostile_LDADD = $(pki_test_libs)

unit_tests += tests/unit/test-tpm2-public
tests_unit_test_tpm2_public_SOURCES = tests/unit/test-tpm2-public.c
tests_unit_test_tpm2_public_LDADD = libtpm2.a libcrypto.a libbase.a $(LIBCRYPTO_LIBS) $(GLIB_LIBS)
unit_tests += tests/unit/test-tpm2-policy
tests_unit_test_tpm2_policy_SOURCES = tests/unit/test-tpm2-policy.c $(live_tpm_sources)
tests_unit_test_tpm2_policy_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_tpm2_policy_LDADD = $(live_tpm_libs)
unit_tests += tests/unit/test-tpm2-attest
tests_unit_test_tpm2_attest_SOURCES = tests/unit/test-tpm2-attest.c $(live_tpm_sources)
tests_unit_test_tpm2_attest_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_tpm2_attest_LDADD = $(live_tpm_libs)
unit_tests += tests/unit/test-setup
tests_unit_test_setup_SOURCES = tests/unit/test-setup.c
tests_unit_test_setup_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_setup_LDADD = $(SETUP_LIBS)

unit_tests += tests/unit/test-ca-verify
tests_unit_test_ca_verify_SOURCES = tests/unit/test-ca-verify.c \
    src/tools/ca/ca_environment.c src/tools/ca/ca_environment.h \
    src/tools/ca/ca_verify.c src/tools/ca/ca_verify.h
tests_unit_test_ca_verify_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_unit_test_ca_verify_LDADD = $(holdfast_ca_LDADD)
unit_tests += tests/unit/test-net
tests_unit_test_net_SOURCES = tests/unit/test-net.c
tests_unit_test_net_LDADD = $(holdfast_ca_LDADD)
unit_tests += tests/unit/test-enrolment
tests_unit_test_enrolment_SOURCES = tests/unit/test-enrolment.c $(pki_world) \
    src/tools/ca/ca_environment.c src/tools/ca/ca_environment.h
tests_unit_test_enrolment_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_unit_test_enrolment_LDADD = $(holdfast_ca_LDADD)
unit_tests += tests/unit/test-setup-engine
tests_unit_test_setup_engine_SOURCES = tests/unit/test-setup-engine.c
tests_unit_test_setup_engine_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_setup_engine_LDADD = $(SETUP_LIBS)
emulator_test_libs = libemulator.a libcontrol.a libstate.a libsandbox.a $(ENGINE_LIBS) \
    $(GLIB_LIBS)
unit_tests += tests/unit/test-control tests/unit/test-command-frame
tests_unit_test_control_SOURCES = tests/unit/test-control.c
tests_unit_test_control_LDADD = $(emulator_test_libs)
tests_unit_test_control_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_command_frame_SOURCES = tests/unit/test-command-frame.c
tests_unit_test_command_frame_LDADD = libemulator.a libbase.a $(GLIB_LIBS)
unit_tests += tests/unit/test-two-threads
tests_unit_test_two_threads_SOURCES = tests/unit/test-two-threads.c
tests_unit_test_two_threads_LDADD = $(emulator_test_libs) $(FUSE_LIBS)
tests_unit_test_two_threads_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
unit_tests += tests/unit/test-device-control
tests_unit_test_device_control_SOURCES = tests/unit/test-device-control.c
tests_unit_test_device_control_LDADD = $(emulator_test_libs)
tests_unit_test_device_control_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
unit_tests += tests/unit/test-control-device
tests_unit_test_control_device_SOURCES = tests/unit/test-control-device.c
tests_unit_test_control_device_LDADD = libcontrol.a libbase.a $(GLIB_LIBS)

unit_tests += tests/unit/test-engine-rsa
tests_unit_test_engine_rsa_SOURCES = tests/unit/test-engine-rsa.c $(live_tpm_sources)
tests_unit_test_engine_rsa_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_engine_rsa_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_engine_rsa_LDADD = $(live_tpm_libs)
unit_tests += tests/unit/test-tpm12
tests_unit_test_tpm12_SOURCES = tests/unit/test-tpm12.c
tests_unit_test_tpm12_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_tpm12_LDADD = $(SETUP_LIBS)

unit_tests += tests/unit/test-engine-pages
tests_unit_test_engine_pages_SOURCES = tests/unit/test-engine-pages.c $(live_tpm_sources)
tests_unit_test_engine_pages_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_engine_pages_LDADD = $(live_tpm_libs)

unit_tests += tests/unit/test-engine-seed
tests_unit_test_engine_seed_SOURCES = tests/unit/test-engine-seed.c $(live_tpm_sources)
tests_unit_test_engine_seed_LDFLAGS = $(AM_LDFLAGS) $(ENGINE_LDFLAGS)
tests_unit_test_engine_seed_LDADD = $(live_tpm_libs)
