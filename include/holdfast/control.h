/*
 * control.h - numbers and sizes of the control channel, for clients and servers.
 *
 * The control channel is how a virtual machine monitor drives a TPM emulator beside the TPM
 * commands: power on, off, locality, measured launch, state in and out. It is the protocol of
 * swtpm (see holdfast-control(7)). On a stream socket every message is a 32-bit command number and
 * a body of fixed size; two commands have a tail whose length stands in the body. Every response
 * starts with a 32-bit result, 0 for success. All integers are big-endian. There is no other
 * framing. On a character device (CUSE) the same commands are ioctls of type 'P' whose number is
 * the command number less one, with integers of the host's byte order.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CONTROL_H
#define HOLDFAST_CONTROL_H

/* Command numbers on the socket. Body and response are given after the number, `result` (u32)
 * opens every response. */
enum {
    HF_CONTROL_GET_CAPABILITY = 0x01,       /* -> result, u32 capabilities */
    HF_CONTROL_INIT = 0x02,                 /* u32 flags (HF_CONTROL_INIT_*) -> result */
    HF_CONTROL_SHUTDOWN = 0x03,             /* -> result; the emulator ends */
    HF_CONTROL_GET_TPMESTABLISHED = 0x04,   /* -> result, u8 bit, 3 x 0 */
    HF_CONTROL_SET_LOCALITY = 0x05,         /* u8 locality (up to 3 more bytes) -> result */
    HF_CONTROL_HASH_START = 0x06,           /* -> result */
    HF_CONTROL_HASH_DATA = 0x07,            /* u32 length, data -> result */
    HF_CONTROL_HASH_END = 0x08,             /* -> result */
    HF_CONTROL_CANCEL_TPM_CMD = 0x09,       /* -> result */
    HF_CONTROL_STORE_VOLATILE = 0x0a,       /* -> result */
    HF_CONTROL_RESET_TPMESTABLISHED = 0x0b, /* u8 locality (up to 3 more bytes) -> result */
    HF_CONTROL_GET_STATEBLOB = 0x0c,        /* u32 flags, u32 type, u32 offset
                                             * -> result, u32 flags, u32 total, u32 length, data */
    HF_CONTROL_SET_STATEBLOB = 0x0d,        /* u32 flags, u32 type, u32 length, data -> result */
    HF_CONTROL_STOP = 0x0e,                 /* -> result */
    HF_CONTROL_GET_CONFIG = 0x0f,           /* -> result, u32 flags (HF_CONTROL_CONFIG_*) */
    HF_CONTROL_SET_DATAFD = 0x10,           /* one descriptor as SCM_RIGHTS -> result */
    HF_CONTROL_SET_BUFFERSIZE = 0x11,       /* u32 size (0 asks) -> result, u32 size, min, max */
    HF_CONTROL_GET_INFO = 0x12,             /* u64 flags, u32 offset, u32 0
                                             * -> result, u32 total, u32 length, text */
    HF_CONTROL_LOCK_STORAGE = 0x13,         /* u32 retries of 10 ms -> result */
};

/* The ioctl of a command. */
#define HF_CONTROL_IOCTL_TYPE 'P'
#define HF_CONTROL_IOCTL_NUMBER(command) ((command)-1)

/* Capability bits, the answer to GET_CAPABILITY. */
#define HF_CONTROL_CAP_INIT 0x00001u
#define HF_CONTROL_CAP_SHUTDOWN 0x00002u
#define HF_CONTROL_CAP_GET_TPMESTABLISHED 0x00004u
#define HF_CONTROL_CAP_SET_LOCALITY 0x00008u
#define HF_CONTROL_CAP_HASHING 0x00010u
#define HF_CONTROL_CAP_CANCEL_TPM_CMD 0x00020u
#define HF_CONTROL_CAP_STORE_VOLATILE 0x00040u
#define HF_CONTROL_CAP_RESET_TPMESTABLISHED 0x00080u
#define HF_CONTROL_CAP_GET_STATEBLOB 0x00100u
#define HF_CONTROL_CAP_SET_STATEBLOB 0x00200u
#define HF_CONTROL_CAP_STOP 0x00400u
#define HF_CONTROL_CAP_GET_CONFIG 0x00800u
#define HF_CONTROL_CAP_SET_DATAFD 0x01000u
#define HF_CONTROL_CAP_SET_BUFFERSIZE 0x02000u
#define HF_CONTROL_CAP_GET_INFO 0x04000u
#define HF_CONTROL_CAP_SEND_COMMAND_HEADER 0x08000u /* the data channel knows TPM_SEND_COMMAND */
#define HF_CONTROL_CAP_LOCK_STORAGE 0x10000u

/* Results of the channel itself; any other value is the TPM's. */
#define HF_CONTROL_OK 0x000u
#define HF_CONTROL_BAD_PARAMETER 0x003u /* a field out of range, no descriptor where one is due */
#define HF_CONTROL_FAIL 0x009u
#define HF_CONTROL_BAD_ORDINAL 0x00au   /* unknown command, or not in this state */
#define HF_CONTROL_KEY_NOT_FOUND 0x00du /* the blob is encrypted and there is no key */
#define HF_CONTROL_IO_ERROR 0x01fu      /* data descriptor present; storage not lockable */
#define HF_CONTROL_BAD_DATASIZE 0x02bu  /* blob header of another size */
#define HF_CONTROL_BAD_VERSION 0x02eu   /* blob needs a newer reader */
#define HF_CONTROL_BAD_LOCALITY 0x03du  /* above 4, or 4 where it is rejected */
#define HF_CONTROL_TPM_FAILURE 0x101u   /* TPM 2: state unreadable, failure mode */
#define HF_CONTROL_RETRY 0x800u         /* no such state blob */

/* INIT: forget the stored volatile state once it was resumed. */
#define HF_CONTROL_INIT_DELETE_VOLATILE 0x1u

/* Types of state blobs. */
#define HF_CONTROL_BLOB_PERMANENT 1u
#define HF_CONTROL_BLOB_VOLATILE 2u
#define HF_CONTROL_BLOB_SAVESTATE 3u

/* Flags of state blobs: asked for in clear; is encrypted. */
#define HF_CONTROL_STATE_DECRYPTED 0x1u
#define HF_CONTROL_STATE_ENCRYPTED 0x2u

/* GET_CONFIG: keys the emulator was given. */
#define HF_CONTROL_CONFIG_FILE_KEY 0x1u
#define HF_CONTROL_CONFIG_MIGRATION_KEY 0x2u

/* Highest locality that may be set. */
#define HF_CONTROL_LOCALITY_MAX 4u

/* A blob on the wire is refused when it is longer. */
#define HF_CONTROL_BLOB_MAX (512u * 1024u)

/* A GET_INFO response carries at most this much text. */
#define HF_CONTROL_INFO_MAX 3072u

/* A command's fixed body must be there this long after its first byte, or the channel is closed. */
#define HF_CONTROL_BODY_TIMEOUT_MS 500

#endif
