/*
 * crl_set.h - the revocation lists that a verifier was given, and which numbers it knows of.
 *
 * Having a set means that a list of the certificate's issuer is required. Of several by one issuer
 * each must be genuine, and the one with the highest number counts; it must be in date, and its number must
 * not be below one that is known from earlier: so an older list, from before a revocation, is found
 * out while it is still in date. What was learnt can be asked and kept (hf_crl_set_known).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_CRL_SET_H
#define HOLDFAST_PKI_CRL_SET_H

#include "pki/crl.h"

typedef struct HfCrlSet HfCrlSet;

HfCrlSet *hf_crl_set_new(void);
void hf_crl_set_free(HfCrlSet *set);
/* Takes a reference. */
void hf_crl_set_add(HfCrlSet *set, HfCrl *crl);
/* All lists of a file. */
bool hf_crl_set_load(HfCrlSet *set, const char *path, GError **error);
/* This number of that issuer (its key identifier) was seen; the highest counts. Copies both. */
void hf_crl_set_know(HfCrlSet *set, GBytes *key_id, GBytes *number);

/* What the lists say of a certificate. */
typedef enum {
    HF_CRL_ANSWER_GOOD,    /* a list that may be believed does not name it */
    HF_CRL_ANSWER_REVOKED, /* such a list does, */
    HF_CRL_ANSWER_HELD,    /* or says that it is on hold (certificateHold) */
    HF_CRL_ANSWER_UNKNOWN, /* no list of its issuer, or none that may be believed */
} HfCrlAnswer;

/* Is the certificate, whose signature by `issuer` was verified, revoked at `at` (seconds since 1970)?
 * `name` and `issuer_name` are what messages call them. *ret_crl (may be NULL): the list that says it
 * is not, borrowed. An error is set with every answer but HF_CRL_ANSWER_GOOD: HF_ERROR_POLICY when it
 * is revoked or on hold, no list of the issuer is there, or the one there is not in date, too old by
 * its number, or not the issuer's to sign; HF_ERROR_AUTH when it is forged or by another key;
 * HF_ERROR_UNSUPPORTED when it is only a part. */
HfCrlAnswer hf_crl_set_ask(HfCrlSet *set, const HfCertificate *certificate, const char *name,
                           const HfCertificate *issuer, const char *issuer_name, gint64 at,
                           const HfCrl **ret_crl, GError **error);
/* The same for who only wants to know whether it is good. */
bool hf_crl_set_check(HfCrlSet *set, const HfCertificate *certificate, const char *name,
                      const HfCertificate *issuer, const char *issuer_name, gint64 at,
                      const HfCrl **ret_crl, GError **error);

/* Calls for each issuer of which a number is known, told or learnt from a genuine list. */
void hf_crl_set_known(const HfCrlSet *set, void (*each)(GBytes *key_id, GBytes *number, void *user),
                      void *user);

/* "2026-11-21T12:00:00Z". Caller frees. */
char *hf_crl_time_text(gint64 seconds);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCrlSet, hf_crl_set_free)

#endif
