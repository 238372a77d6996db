/*
 * connection.h - one connection to the host TPM, over any TCTI.
 *
 * A connection is one ESYS context: it is used by one thread at a time and owns every object and
 * session that was made through it; all are flushed when it is closed. Keys and sessions are in
 * the other files of this folder; nothing of tpm2-tss shows in their headers.
 *
 * The order of use: open, then hf_storage_open (hwkey.h), which finds the SRK, holds its Name
 * against the pinned one and starts the salted session that everything after it runs in.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_CONNECTION_H
#define HOLDFAST_HWTPM_CONNECTION_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define HF_TCTI_DEFAULT "device:/dev/tpmrm0"

typedef struct HfConnection HfConnection;

/* tcti: "NAME:CONFIG" as tpm2-tss has it ("device:/dev/tpmrm0", "swtpm:path=/x"); NULL: the
 * default. HF_ERROR_IO "host TPM not reachable over TCTI ..." when there is none. */
HfConnection *hf_connection_open(const char *tcti, GError **error);
void hf_connection_free(HfConnection *connection);

/* What the TPM is doing for us. */
typedef struct {
    const char *command;  /* "TPM2_Create"; the one it has, or had last */
    const char *patience; /* why we wait, where the TPM asked for it: "TPM_RC_NV_RATE"; or NULL */
    unsigned count;       /* commands so far, this one among them */
    int64_t spent_us;     /* in the TPM, since the connection was opened */
} HfConnectionWork;

typedef void (*HfConnectionNote)(const HfConnectionWork *work, void *data);

/* Has `note` called when the TPM has taken two seconds of our time, and later from time to time,
 * from within whatever call is waiting. */
void hf_connection_watch(HfConnection *connection, HfConnectionNote note, void *data);

typedef enum { HF_HIERARCHY_OWNER, HF_HIERARCHY_ENDORSEMENT } HfHierarchy;

/* The password of a hierarchy, where the host's owner has set one; empty otherwise. */
bool hf_connection_set_auth(HfConnection *connection, HfHierarchy hierarchy, const HfSecret *secret,
                            GError **error);

typedef struct {
    char manufacturer[5]; /* four characters, as TPM2_PT_MANUFACTURER has them */
    char vendor[17];      /* vendor strings 1 to 4, joined */
    uint32_t firmware[2]; /* firmware version 1 and 2 */
    uint32_t revision;    /* of the TPM specification, times 100 */
} HfHostTpmFacts;

bool hf_connection_facts(HfConnection *connection, HfHostTpmFacts *ret_facts, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfConnection, hf_connection_free)

#endif
