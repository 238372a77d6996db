/*
 * enrolment_kinds.h - what can be asked of a `holdfast-ca serve`: the table of exchanges.
 *
 * One row a request (net/frame.h): its number, the number of its answer, how large either may be.
 * The server takes only what is in the table; the client takes no other answer. To add a kind: a
 * pair of numbers here that was never used, a row in enrolment_kinds.c, a handler in
 * tools/ca/ca_service.c, its row in man/holdfast-enrolment.7.pod. Numbers are for good. Requests are
 * odd, their answers the next even number; 1 to 15 hosts, 17 to 31 guests, 33 to 47 records.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_ENROLMENT_KINDS_H
#define HOLDFAST_TOOLS_COMMON_ENROLMENT_KINDS_H

#include "net/frame.h"

enum {
    HF_ASK_INTRODUCTION = 1, /* introduction (enrolment.h) */
    HF_TELL_CHALLENGE = 2,   /* challenge (enrolment.h) */
    HF_ASK_DELEGATION = 3,   /* delegation request (evidence.h) */
    HF_TELL_DELEGATION = 4,  /* the certificate, then those above it, the root last, PEM */
    HF_ASK_EK = 5,           /* an EK certificate as a vMA signed it, and the vMA's, DER */
    HF_TELL_EK = 6,          /* the EK certificate and the issuer's, PEM */
    HF_ASK_AK = 17,  /* request for the certificate of an attestation key (ak_enrolment.h) */
    HF_TELL_AK = 18, /* the certificate, encrypted (ak_enrolment.h) */
};

/* All rows, then one of zeros. */
const HfExchange *hf_enrolment_kinds(void);

#endif
