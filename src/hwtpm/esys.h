/*
 * esys.h - the inside of src/hwtpm: the connection's members and how an ESYS call is made.
 *
 * Only files of this folder include it. Every ESYS call goes through HF_TPM, which repeats the
 * call while the TPM says "not now" (with a back-off and an end) and puts a response code into
 * words. Handles that must be flushed are noted with hf_esys_own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_ESYS_H
#define HOLDFAST_HWTPM_ESYS_H

#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "base/bytes.h"
#include "base/error.h"
#include "hwtpm/connection.h"
#include "hwtpm/hwwatch.h"
#include "tpm2/pcr.h"
#include "tpm2/template.h"

struct HfConnection {
    TSS2_TCTI_CONTEXT *tcti;
    HfWatch *watch; /* around tcti; what ESYS speaks to */
    ESYS_CONTEXT *esys;
    char *tcti_name;
    ESYS_TR srk;     /* ESYS_TR_NONE until hf_storage_open */
    bool srk_owned;  /* transient: flushed at the end */
    ESYS_TR session; /* salted HMAC session; ESYS_TR_NONE until hf_storage_open */
    HfTemplate ek;   /* the endorsement key to use; HF_TEMPLATE_COUNT: not chosen yet */
    GArray *owned;   /* ESYS_TR of transient objects and sessions to flush */
};

/* The connection flushes `handle` when it is closed, if hf_esys_flush was not called before. */
void hf_esys_own(HfConnection *connection, ESYS_TR handle);
void hf_esys_flush(HfConnection *connection, ESYS_TR handle);

/* Memory that ESYS allocated. */
void hf_esys_free(void *p);
#define hf_autoesys __attribute__((cleanup(hf_esys_cleanup)))
void hf_esys_cleanup(void *pointer_to_pointer);

typedef struct {
    int64_t end_us;
    unsigned wait_us;
} HfBackoff;

/* True when `rc` means "again later" and it is not too late; has waited then. */
bool hf_backoff_again(HfBackoff *backoff, TSS2_RC rc);

/* True for success; else sets *error "host TPM: WHAT: WORDS (0x...)": HF_ERROR_UNSUPPORTED when the
 * TPM has no such algorithm, size or command, HF_ERROR_TPM for everything else. */
bool hf_esys_check(TSS2_RC rc, const char *what, GError **error);

/* The code without layer and without parameter, handle or session number. */
TSS2_RC hf_esys_base_code(TSS2_RC rc);

/* The raw code of a call, after repeats. */
#define HF_TPM_RC(call)                             \
    ({                                              \
        HfBackoff backoff_ = { 0, 0 };              \
        TSS2_RC rc_;                                \
        do {                                        \
            rc_ = (call);                           \
        } while (hf_backoff_again(&backoff_, rc_)); \
        rc_;                                        \
    })

/* A transient primary key from `template`, owned by the connection. */
bool hf_esys_primary(HfConnection *connection, ESYS_TR hierarchy, const HfPublic *template,
                     const char *what, ESYS_TR *ret_handle, GError **error);
/* True and *ret_handle (for Esys_TR_Close) when a key of that template is persistent at `handle`.
 */
bool hf_esys_persistent(HfConnection *connection, uint32_t handle, HfTemplate which,
                        ESYS_TR *ret_handle);
/* TPM2_Create and TPM2_Load of `what` ("signing key") under a parent; its authorisation is
 * `session`, `extra` (or ESYS_TR_NONE) is one more session that encrypts. */
typedef struct {
    ESYS_TR handle, session, extra;
} HfParent;
/* What is given to a new key; NULL: none. */
typedef struct {
    GBytes *outside_info;
    const HfSecret *auth; /* its authorisation value; goes to the TPM encrypted */
} HfNewKey;
struct HfKeyBlob *hf_esys_create(HfConnection *connection, const HfParent *parent,
                                 const HfPublic *template, const HfNewKey *new_key,
                                 const char *what, GError **error);
/* The value that authorises the use of a loaded key; NULL: the empty one. */
bool hf_esys_authorize(HfConnection *connection, ESYS_TR handle, const HfSecret *auth,
                       GError **error);
struct HfHostKey *hf_esys_load(HfConnection *connection, const HfParent *parent,
                               const struct HfKeyBlob *blob, const char *what, GError **error);
/* Handles and lists inside this folder: a loaded key (hwkey.h), a counter (hwcounter.h), PCRs. */
struct HfHostKey;
ESYS_TR hf_host_key_handle(const struct HfHostKey *key);
struct HfCounter;
ESYS_TR hf_counter_handle(const struct HfCounter *counter);
void hf_esys_selection(const HfPcrSelection *selection, TPML_PCR_SELECTION *ret_pcrs);

/* HF_TPM("create key", error, Esys_Create(...)): true on success. */
#define HF_TPM(what, error, call) hf_esys_check(HF_TPM_RC(call), (what), (error))

#endif
