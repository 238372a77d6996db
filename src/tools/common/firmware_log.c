/*
 * firmware_log.c - finding the firmware's event log.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/firmware_log.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "hwtpm/connection.h"
#include "tools/common/evidence.h"

#define KERNEL_LOG "/sys/kernel/security/tpm0/binary_bios_measurements"

bool hf_firmware_log(const char *path, const char *tcti, GBytes **ret_log, GError **error)
{
    g_autoptr(GError) local = NULL;
    hf_autofd int fd = -1;

    *ret_log = NULL;
    if (path && strcmp(path, "none") == 0) {
        return true;
    }
    if (path) {
        *ret_log = hf_file_read(path, HF_EVIDENCE_LOG_MAX, error);
        return *ret_log != NULL;
    }
    if (g_str_has_prefix(tcti ? tcti : HF_TCTI_DEFAULT, "device:")) {
        /* securityfs says size 0 of what has contents: read to the end. Who may not read it, or
         * has none, sends none. */
        fd = TEMP_FAILURE_RETRY(open(KERNEL_LOG, O_RDONLY | O_CLOEXEC));
        *ret_log = fd >= 0 ? hf_fd_read_all(fd, HF_EVIDENCE_LOG_MAX, KERNEL_LOG, &local) : NULL;
        if (local) {
            hf_log(1, "the firmware's event log is left out: %s", local->message);
        }
    }
    return true;
}
