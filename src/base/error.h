/*
 * error.h - the one error domain of holdfast.
 *
 * Every function that can fail takes a GError ** last and sets it exactly when it returns false or
 * NULL. The code says what kind of failure it was, so that callers can decide; the message is the
 * one line an operator reads: it names the file or field, what was expected and what was found.
 * Messages start in lower case and end without a full stop, so that prefixes compose.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_ERROR_H
#define HOLDFAST_BASE_ERROR_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_ERROR (hf_error_quark())

typedef enum {
    HF_ERROR_FAILED,      /* anything that has no kind of its own */
    HF_ERROR_USAGE,       /* the command line is wrong: exit code 2 */
    HF_ERROR_INVALID,     /* bytes from outside are malformed or out of range */
    HF_ERROR_NOT_FOUND,   /* the thing named does certainly not exist */
    HF_ERROR_EXISTS,      /* the thing to be made is there already */
    HF_ERROR_BUSY,        /* locked by, or in use by, another process */
    HF_ERROR_ACCESS,      /* the operating system refused access */
    HF_ERROR_NO_SPACE,    /* disk full or quota reached */
    HF_ERROR_IO,          /* any other failure of a file, device or socket */
    HF_ERROR_TIMEOUT,     /* a deadline passed */
    HF_ERROR_CLOSED,      /* the peer closed the connection */
    HF_ERROR_UNSUPPORTED, /* well formed, but this build or version cannot do it */
    HF_ERROR_STATE,       /* not now: the object is in a state that does not allow it */
    HF_ERROR_AUTH,        /* a signature, MAC or secret does not verify */
    HF_ERROR_KEY,         /* a key has the wrong size */
    HF_ERROR_POLICY,      /* the policy of a key or of the fleet forbids it */
    HF_ERROR_TPM,         /* a TPM answered with a response code */
    HF_ERROR_NO_HOST,     /* the name of a host leads to no address */
} HfErrorCode;

GQuark hf_error_quark(void);

/* Sets *error from an errno value; the text is "MESSAGE: STRERROR". ENOENT, EEXIST, EACCES/EPERM,
 * ENOSPC/EDQUOT, EAGAIN/EBUSY and ETIMEDOUT get their own code, everything else HF_ERROR_IO.
 * Returns false, so that a caller can write `return hf_error_errno(...)`. */
bool hf_error_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets *error with the given code. Returns false. */
bool hf_error_set(GError **error, HfErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* True when `error` is of our domain and has this code. NULL is allowed. */
bool hf_error_is(const GError *error, HfErrorCode code);

#if defined(__clang_analyzer__) || defined(HF_ANALYSIS)
/* Analyzers that do not look into error.c are told what is returned. */
#define hf_error_set(...) ((void)hf_error_set(__VA_ARGS__), false)
#define hf_error_errno(...) ((void)hf_error_errno(__VA_ARGS__), false)
#endif

#endif
