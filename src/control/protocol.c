/*
 * protocol.c - the rows of the control protocol.
 *
 * To add a command, add a row here (its number in include/holdfast/control.h) and a handler in
 * src/emulator/control_handlers.c; the unit test refuses a row whose sizes disagree.
 *
 * How long an error response is. QEMU up to 9.1 reads the length of the successful response,
 * whatever the result; with a shorter one its main loop hangs. QEMU 9.2 reads the result first, and
 * the rest only when it is 0, for the commands where swtpm's error is shorter; bytes it does not
 * read would be taken for the next response. swtpm_ioctl and cloud-hypervisor read once. Hence, by
 * row:
 *  - result only (INIT, SHUTDOWN, SET_LOCALITY, HASH_*, CANCEL, STORE_VOLATILE, RESET_*,
 * SET_STATEBLOB, STOP, SET_DATAFD, LOCK_STORAGE): 4 bytes always, no question arises.
 *  - GET_CAPABILITY, GET_CONFIG: cannot fail.
 *  - GET_TPMESTABLISHED: asked by QEMU whenever the guest reads the TIS register, also after an
 *    INIT that failed, and by cloud-hypervisor before INIT. All QEMUs read 8 bytes. So a client
 *    that has handed in its data channel always gets them: a TPM that is off, or refuses, was not
 *    established. All others get the error, in 4 bytes, as from swtpm.
 *  - GET_STATEBLOB: all QEMUs read the 16 bytes of the header, whatever the result: always 16.
 *  - SET_BUFFERSIZE: 16 bytes for QEMU 7.2, 4 for 9.2: no error length fits both. The only error
 *    is to set a size while the TPM runs; every QEMU sends STOP, which cannot fail, before. 4
 *    bytes, as swtpm.
 *  - GET_INFO: not used by QEMU; 4 bytes as swtpm.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "control/protocol.h"

#define NONE                 \
    {                        \
        {                    \
            HF_FIELD_ZERO, 0 \
        }                    \
    }
#define RESULT                 \
    {                          \
        {                      \
            HF_FIELD_RESULT, 4 \
        }                      \
    }

#define ROW(command)                                  \
    .name = #command, .number = HF_CONTROL_##command, \
    .ioctl = HF_CONTROL_IOCTL_NUMBER(HF_CONTROL_##command)

static const HfControlRow rows[] = {
    { ROW(GET_CAPABILITY), .response_size = 8, .error_size = 8, .request = NONE,
      .response = { { HF_FIELD_RESULT, 4 }, { HF_FIELD_FLAGS, 4 } } },
    { ROW(INIT), .capability = HF_CONTROL_CAP_INIT, .request_size = 4, .response_size = 4,
      .error_size = 4, .request = { { HF_FIELD_FLAGS, 4 } }, .response = RESULT },
    { ROW(SHUTDOWN), .capability = HF_CONTROL_CAP_SHUTDOWN, .response_size = 4, .error_size = 4,
      .request = NONE, .response = RESULT },
    { ROW(GET_TPMESTABLISHED), .capability = HF_CONTROL_CAP_GET_TPMESTABLISHED, .response_size = 8,
      .error_size = 4, .request = NONE,
      .response = { { HF_FIELD_RESULT, 4 }, { HF_FIELD_BIT, 1 }, { HF_FIELD_ZERO, 3 } } },
    /* QEMU and swtpm_ioctl send the whole union of request and response: the locality and three
     * bytes that mean nothing; others send one byte. */
    { ROW(SET_LOCALITY), .capability = HF_CONTROL_CAP_SET_LOCALITY, .request_size = 1, .padding = 3,
      .response_size = 4, .error_size = 4, .request = { { HF_FIELD_LOCALITY, 1 } },
      .response = RESULT },
    { ROW(HASH_START), .capability = HF_CONTROL_CAP_HASHING, .when = HF_CONTROL_WHEN_RUNNING,
      .response_size = 4, .error_size = 4, .request = NONE, .response = RESULT },
    { ROW(HASH_DATA), .capability = HF_CONTROL_CAP_HASHING, .when = HF_CONTROL_WHEN_RUNNING,
      .request_size = 4, .request_tail = true, .response_size = 4, .error_size = 4,
      .request = { { HF_FIELD_LENGTH, 4 } }, .response = RESULT },
    { ROW(HASH_END), .capability = HF_CONTROL_CAP_HASHING, .when = HF_CONTROL_WHEN_RUNNING,
      .response_size = 4, .error_size = 4, .request = NONE, .response = RESULT },
    { ROW(CANCEL_TPM_CMD), .capability = HF_CONTROL_CAP_CANCEL_TPM_CMD,
      .when = HF_CONTROL_WHEN_RUNNING, .response_size = 4, .error_size = 4, .request = NONE,
      .response = RESULT },
    { ROW(STORE_VOLATILE), .capability = HF_CONTROL_CAP_STORE_VOLATILE,
      .when = HF_CONTROL_WHEN_RUNNING, .response_size = 4, .error_size = 4, .request = NONE,
      .response = RESULT },
    { ROW(RESET_TPMESTABLISHED), .capability = HF_CONTROL_CAP_RESET_TPMESTABLISHED,
      .when = HF_CONTROL_WHEN_RUNNING, .request_size = 1, .padding = 3, .response_size = 4,
      .error_size = 4, .request = { { HF_FIELD_LOCALITY, 1 } }, .response = RESULT },
    { ROW(GET_STATEBLOB), .capability = HF_CONTROL_CAP_GET_STATEBLOB,
      .when = HF_CONTROL_WHEN_RUNNING, .request_size = 12, .response_size = 16, .error_size = 16,
      .response_tail = true,
      .request = { { HF_FIELD_FLAGS, 4 }, { HF_FIELD_TYPE, 4 }, { HF_FIELD_OFFSET, 4 } },
      .response = { { HF_FIELD_RESULT, 4 },
                    { HF_FIELD_FLAGS, 4 },
                    { HF_FIELD_TOTAL, 4 },
                    { HF_FIELD_LENGTH, 4 } } },
    { ROW(SET_STATEBLOB), .capability = HF_CONTROL_CAP_SET_STATEBLOB,
      .when = HF_CONTROL_WHEN_STOPPED, .request_size = 12, .request_tail = true, .response_size = 4,
      .error_size = 4,
      .request = { { HF_FIELD_FLAGS, 4 }, { HF_FIELD_TYPE, 4 }, { HF_FIELD_LENGTH, 4 } },
      .response = RESULT },
    { ROW(STOP), .capability = HF_CONTROL_CAP_STOP, .response_size = 4, .error_size = 4,
      .request = NONE, .response = RESULT },
    { ROW(GET_CONFIG), .capability = HF_CONTROL_CAP_GET_CONFIG, .response_size = 8, .error_size = 8,
      .request = NONE, .response = { { HF_FIELD_RESULT, 4 }, { HF_FIELD_FLAGS, 4 } } },
    { ROW(SET_DATAFD), .capability = HF_CONTROL_CAP_SET_DATAFD, .descriptor = true,
      .response_size = 4, .error_size = 4, .request = NONE, .response = RESULT },
    /* Allowed in any state to ask; to set a size the TPM must be off, which the handler checks. */
    { ROW(SET_BUFFERSIZE), .capability = HF_CONTROL_CAP_SET_BUFFERSIZE, .request_size = 4,
      .response_size = 16, .error_size = 4, .request = { { HF_FIELD_SIZE, 4 } },
      .response = { { HF_FIELD_RESULT, 4 },
                    { HF_FIELD_SIZE, 4 },
                    { HF_FIELD_MIN, 4 },
                    { HF_FIELD_MAX, 4 } } },
    { ROW(GET_INFO), .capability = HF_CONTROL_CAP_GET_INFO, .request_size = 16, .response_size = 12,
      .error_size = 4, .response_tail = true,
      .request = { { HF_FIELD_FLAGS, 8 }, { HF_FIELD_OFFSET, 4 }, { HF_FIELD_ZERO, 4 } },
      .response = { { HF_FIELD_RESULT, 4 }, { HF_FIELD_TOTAL, 4 }, { HF_FIELD_LENGTH, 4 } } },
    { ROW(LOCK_STORAGE), .capability = HF_CONTROL_CAP_LOCK_STORAGE, .request_size = 4,
      .response_size = 4, .error_size = 4, .request = { { HF_FIELD_RETRIES, 4 } },
      .response = RESULT },
};

const HfControlRow *hf_control_rows(size_t *ret_count)
{
    *ret_count = G_N_ELEMENTS(rows);
    return rows;
}

const HfControlRow *hf_control_row(uint32_t number)
{
    if (number < 1 || number > G_N_ELEMENTS(rows)) {
        return NULL;
    }
    return &rows[number - 1];
}

uint32_t hf_control_capabilities(void)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        bits |= rows[i].capability;
    }
    return bits;
}
