/*
 * capture.h - a record of the TPM's commands and responses for Wireshark and its like.
 *
 * The file is pcapng (IETF draft-ietf-opsawg-pcapng): a section, one interface of raw IP packets,
 * then one enhanced packet block a message. A message is the payload of an IPv4/TCP packet between
 * 127.0.0.1 port 49152 and 127.0.0.1 port 2321, the port at which dissectors look for a TPM. A file
 * that is not empty gets another section, which the format allows.
 * Beware: commands carry authorization values in clear. Must not: stop a TPM; when the record
 * cannot be written that is logged once and the record ends.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_CAPTURE_H
#define HOLDFAST_EMULATOR_CAPTURE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "emulator/emulator_options.h"

typedef struct HfCapture HfCapture;

/* Opens the file (O_NOFOLLOW) or takes the descriptor over, and writes the head of a section. */
HfCapture *hf_capture_open(const HfCaptureSettings *settings, GError **error);
void hf_capture_free(HfCapture *capture); /* NULL allowed */

/* One message of at most 16 KiB. One thread at a time. NULL: nothing happens. */
void hf_capture_command(HfCapture *capture, const uint8_t *data, size_t size);
void hf_capture_response(HfCapture *capture, const uint8_t *data, size_t size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCapture, hf_capture_free)

#endif
