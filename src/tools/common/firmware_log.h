/*
 * firmware_log.h - the firmware's event log (tpm2/event_log.h) where the kernel keeps it, or a file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_FIRMWARE_LOG_H
#define HOLDFAST_TOOLS_COMMON_FIRMWARE_LOG_H

#include <glib.h>
#include <stdbool.h>

/* path: of the log; "none": no log; NULL: the kernel's, where tcti (NULL: the default) is a device
 * of this machine and there is one that may be read. *ret_log is NULL when there is none. */
bool hf_firmware_log(const char *path, const char *tcti, GBytes **ret_log, GError **error);

#endif
