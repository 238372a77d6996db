/*
 * enrolment_kinds.c - the table of exchanges of the enrolment protocol.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/enrolment_kinds.h"

#include "tools/common/parcel.h"

#define CERTIFICATES_MAX (64u * 1024u)

const HfExchange *hf_enrolment_kinds(void)
{
    static const HfExchange kinds[] = {
        { HF_ASK_INTRODUCTION, HF_TELL_CHALLENGE, "introduction", 64 * 1024, 16 * 1024 },
        { HF_ASK_DELEGATION, HF_TELL_DELEGATION, "delegation request", HF_PARCEL_FILE_MAX,
          CERTIFICATES_MAX },
        { HF_ASK_EK, HF_TELL_EK, "EK request", 32 * 1024, CERTIFICATES_MAX },
        { HF_ASK_AK, HF_TELL_AK, "AK request", 64 * 1024, CERTIFICATES_MAX },
        { 0 },
    };

    return kinds;
}
