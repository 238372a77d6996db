/*
 * error.c - the error domain and the two ways to set an error.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/error.h"
#undef hf_error_set
#undef hf_error_errno

#include <errno.h>
#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(holdfast - error, hf_error)

static HfErrorCode code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT: return HF_ERROR_NOT_FOUND;
    case EEXIST: return HF_ERROR_EXISTS;
    case EACCES:
    case EPERM: return HF_ERROR_ACCESS;
    case ENOSPC:
    case EDQUOT: return HF_ERROR_NO_SPACE;
    case EAGAIN:
    case EBUSY: return HF_ERROR_BUSY;
    case ETIMEDOUT: return HF_ERROR_TIMEOUT;
    default: return HF_ERROR_IO;
    }
}

/* g_strerror would load character sets, files that a confined process may not open. */
static const char *words_of_errno(int errnum)
{
    const char *words = strerrordesc_np(errnum);
    return words ? words : "unknown error";
}

bool hf_error_errno(GError **error, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, HF_ERROR, (int)code_of_errno(errnum), "%s: %s", text,
                words_of_errno(errnum));
    return false;
}

bool hf_error_set(GError **error, HfErrorCode code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, HF_ERROR, (int)code, text);
    return false;
}

bool hf_error_is(const GError *error, HfErrorCode code)
{
    return error && error->domain == HF_ERROR && error->code == (int)code;
}
