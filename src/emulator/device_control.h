/*
 * device_control.h - the control commands of a character device: one ioctl in, one answer out.
 *
 * Knows the ioctls (control/device.h) and the handlers (control_handlers.h), not CUSE. State blobs
 * are longer than an ioctl, so a transfer may go on:
 *  - GET_STATEBLOB gives a piece; the rest by GET_STATEBLOB with higher offsets, or by `read`;
 *  - SET_STATEBLOB with less than a whole piece ends a blob; one with a whole piece, or an empty
 *    one at the start, may be followed by more of them and by `write`.
 * Any other ioctl, a TPM command, and the end of the client end a transfer that is under way.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_DEVICE_CONTROL_H
#define HOLDFAST_EMULATOR_DEVICE_CONTROL_H

#include "control/device.h"
#include "emulator/emulator.h"

typedef struct HfDeviceControl HfDeviceControl;

typedef enum {
    HF_DEVICE_DONE,    /* the answer is in the buffer */
    HF_DEVICE_UNKNOWN, /* there is no such ioctl, or its sizes are wrong */
    HF_DEVICE_BUSY,    /* LOCK_STORAGE: an earlier one still waits */
    HF_DEVICE_AGAIN,   /* LOCK_STORAGE: ask hf_device_control_again in 10 ms */
} HfDeviceAnswer;

HfDeviceControl *hf_device_control_new(HfEmulator *emulator);
void hf_device_control_free(HfDeviceControl *control); /* NULL allowed */

/* `request` as ioctl(2) has it; `in` are the in_size bytes of its union that the client gave, up to
 * out_size bytes of answer fit. buffer (HF_CONTROL_DEVICE_MAX bytes) gets *ret_size bytes. */
HfDeviceAnswer hf_device_control_ioctl(HfDeviceControl *control, unsigned long request,
                                       const uint8_t *in, size_t in_size, size_t out_size,
                                       uint8_t *buffer, size_t *ret_size);
/* The LOCK_STORAGE that waits, once more. */
HfDeviceAnswer hf_device_control_again(HfDeviceControl *control, uint8_t *buffer, size_t *ret_size);
/* Its client does not want the answer any more. */
void hf_device_control_forget(HfDeviceControl *control);
/* After the answer was sent. */
void hf_device_control_settle(HfDeviceControl *control);

/* read: the next bytes of a blob that GET_STATEBLOB has begun. False: there is none under way. */
bool hf_device_control_read(HfDeviceControl *control, size_t max, const uint8_t **ret_data,
                            size_t *ret_size);
/* write: more of a blob that SET_STATEBLOB has begun. False: there is none under way, and these
 * bytes are a TPM command; any transfer has ended then. *ret_taken: they fit. */
bool hf_device_control_write(HfDeviceControl *control, const uint8_t *data, size_t size,
                             bool *ret_taken);
/* The client has left. */
void hf_device_control_reset(HfDeviceControl *control);

#endif
