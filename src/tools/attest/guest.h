/*
 * guest.h - the guest's side: its TPM, and the directory of its attestation key (AK).
 *
 * Directory mode 0700, files 0600, each replaced atomically:
 *   ak.json   what was pinned: the TCTI, the storage root key's Name, which endorsement key
 *   ak.blob   the AK under that endorsement key (tools/common/blob_file.h)
 *   request   the request that waits for its answer (tools/common/ak_enrolment.h)
 *   ak.pem    the AK's certificate, then those of the CAs above it
 * Nothing in it is of use without the TPM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_GUEST_H
#define HOLDFAST_TOOLS_ATTEST_GUEST_H

#include "base/options.h"
#include "hwtpm/hwendorsement.h"

#define HF_GUEST_REQUEST "request"
#define HF_GUEST_CERTIFICATE "ak.pem"

typedef struct {
    char *path;
    int fd;
    char *tcti;
    GBytes *srk_name;
    HfConnection *connection;
    HfTemplate ek_template;
    HfPublic ek;
    GBytes *ek_certificate; /* DER; NULL: the TPM has none */
    HfHostKey *ak;
    HfKeyBlob *unsaved; /* of an AK that was just made; NULL: it is in the directory */
} HfGuest;

/* The guest of --dir with its AK. make: a directory or AK that is not there is made, by --tcti,
 * --ek and --key-algorithm, and --new-key makes them anew; else HF_ERROR_NOT_FOUND. A new AK is not
 * in the directory before hf_guest_save. Who makes has the directory for himself (HF_ERROR_BUSY).
 * HF_ERROR_STATE when the TPM, or its endorsement key, is another one than was pinned, or the EK
 * certificate in NV is for another key. */
HfGuest *hf_guest_open(const HfOptions *options, bool make, GError **error);
void hf_guest_free(HfGuest *guest);
/* Puts a new AK into the directory; request and certificate of the one before go first. If it is
 * interrupted there is either no AK or the new one. */
bool hf_guest_save(HfGuest *guest, GError **error);
/* "DIR/NAME". Caller frees. */
char *hf_guest_label(const HfGuest *guest, const char *name);

/* holdfast-attest enroll, quote. */
bool hf_guest_enroll(const HfOptions *options, GError **error);
bool hf_guest_quote(const HfOptions *options, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfGuest, hf_guest_free)

#endif
