/*
 * measurement.h - the device model's measurement: a digest of the code that will be the TPM.
 *
 *     measurement = SHA-256( "holdfast device model 1" ‖ 0x00 ‖ SHA-256(emulator) ‖ SHA-256(engine)
 * )
 *
 * emulator: the bytes of the program file `holdfast` that stands beside this program; engine: the
 * bytes of the libtpms shared object that this process has loaded (the one the emulator will load:
 * both are linked to the same name); the empty string in its place when libtpms is linked into the
 * program. Anyone can take it again with sha256sum. It is taken of files, not of a running process:
 * it says which code was installed when the TPM was made. What an emulator process really runs is
 * measured when it asks for its state's key, which is not this program's work.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_MEASUREMENT_H
#define HOLDFAST_TOOLS_SETUP_MEASUREMENT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 32 bytes. *error names the file that cannot be read. */
GBytes *hf_measurement_take(GError **error);
/* The same of two given files; engine NULL: linked into the emulator. */
GBytes *hf_measurement_of(const char *emulator, const char *engine, GError **error);

#endif
