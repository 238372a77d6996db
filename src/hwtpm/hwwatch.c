/*
 * hwwatch.c - a TCTI around a TCTI.
 *
 * Time counts while a command is with the TPM, and while we wait because it asked for that. When
 * it has come to FIRST_NOTE_US, and later at doubling distances, somebody is told, also in the
 * middle of a command: the wait is on the TCTI's own descriptors where it has any. Where it has
 * none (a TCTI that is a program, say), the answer is waited for without a word.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwwatch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"

#define WATCH_MAGIC 0x686f6c6466617374ULL
#define FIRST_NOTE_US (2 * G_USEC_PER_SEC)
#define MOST_NOTE_US (16 * G_USEC_PER_SEC)
#define TICK_MS 500
#define DESCRIPTORS_MAX 4
#define HEADER_SIZE 10U

struct HfWatch {
    TSS2_TCTI_CONTEXT_COMMON_V2 tcti; /* first: ESYS has a pointer to it */
    TSS2_TCTI_CONTEXT *inner;
    HfConnectionNote note;
    void *data;
    HfConnectionWork work;
    int64_t since;    /* the clock runs from here; 0: it stands */
    int64_t spent_us; /* before `since` */
    bool begun;       /* the size of the answer was asked for: part of it is in the TCTI */
    int64_t next_us;  /* of time spent, when to tell */
    int64_t step_us;
};

static const struct {
    uint32_t code;
    const char *name;
} commands[] = {
    { TPM2_CC_ActivateCredential, "TPM2_ActivateCredential" },
    { TPM2_CC_Certify, "TPM2_Certify" },
    { TPM2_CC_CertifyCreation, "TPM2_CertifyCreation" },
    { TPM2_CC_Create, "TPM2_Create" },
    { TPM2_CC_CreatePrimary, "TPM2_CreatePrimary" },
    { TPM2_CC_FlushContext, "TPM2_FlushContext" },
    { TPM2_CC_GetCapability, "TPM2_GetCapability" },
    { TPM2_CC_HMAC, "TPM2_HMAC" },
    { TPM2_CC_Load, "TPM2_Load" },
    { TPM2_CC_LoadExternal, "TPM2_LoadExternal" },
    { TPM2_CC_NV_Certify, "TPM2_NV_Certify" },
    { TPM2_CC_NV_DefineSpace, "TPM2_NV_DefineSpace" },
    { TPM2_CC_NV_Increment, "TPM2_NV_Increment" },
    { TPM2_CC_NV_Read, "TPM2_NV_Read" },
    { TPM2_CC_NV_ReadPublic, "TPM2_NV_ReadPublic" },
    { TPM2_CC_PCR_Read, "TPM2_PCR_Read" },
    { TPM2_CC_PolicyAuthorize, "TPM2_PolicyAuthorize" },
    { TPM2_CC_PolicyCommandCode, "TPM2_PolicyCommandCode" },
    { TPM2_CC_PolicyNV, "TPM2_PolicyNV" },
    { TPM2_CC_PolicyPCR, "TPM2_PolicyPCR" },
    { TPM2_CC_PolicySecret, "TPM2_PolicySecret" },
    { TPM2_CC_Quote, "TPM2_Quote" },
    { TPM2_CC_ReadPublic, "TPM2_ReadPublic" },
    { TPM2_CC_Sign, "TPM2_Sign" },
    { TPM2_CC_StartAuthSession, "TPM2_StartAuthSession" },
    { TPM2_CC_Unseal, "TPM2_Unseal" },
    { TPM2_CC_VerifySignature, "TPM2_VerifySignature" },
};

static const char *command_name(uint32_t code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].code == code) {
            return commands[i].name;
        }
    }
    return "a command";
}

static const char *patience(uint32_t code)
{
    switch (code) {
    case TPM2_RC_RETRY: return "TPM_RC_RETRY";
    case TPM2_RC_YIELDED: return "TPM_RC_YIELDED";
    case TPM2_RC_TESTING: return "TPM_RC_TESTING";
    case TPM2_RC_NV_RATE: return "TPM_RC_NV_RATE";
    default: return NULL;
    }
}

static int64_t spent(const HfWatch *watch)
{
    return watch->spent_us + (watch->since ? g_get_monotonic_time() - watch->since : 0);
}

static void clock_start(HfWatch *watch)
{
    if (watch->since == 0) {
        watch->since = g_get_monotonic_time();
    }
}

static void clock_stop(HfWatch *watch)
{
    watch->spent_us = spent(watch);
    watch->since = 0;
}

static void tell(HfWatch *watch)
{
    int64_t now = spent(watch);

    if (!watch->note || now < watch->next_us) {
        return;
    }
    watch->work.spent_us = now;
    watch->note(&watch->work, watch->data);
    watch->next_us = now + watch->step_us;
    watch->step_us = MIN(watch->step_us * 2, MOST_NOTE_US);
}

static TSS2_RC watch_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, uint8_t const *command)
{
    HfWatch *watch = (HfWatch *)tcti;
    HfReader r = hf_reader(command, size);

    (void)hf_reader_u16(&r);
    (void)hf_reader_u32(&r);
    watch->work.command = command_name(hf_reader_u32(&r));
    watch->work.count++;
    watch->begun = false;
    clock_start(watch);
    tell(watch);
    return Tss2_Tcti_Transmit(watch->inner, size, command);
}

/* Until there is an answer to read, or at least until reading will not tell less than polling. */
static TSS2_RC wait_for_answer(HfWatch *watch)
{
    TSS2_TCTI_POLL_HANDLE handles[DESCRIPTORS_MAX];
    size_t count = DESCRIPTORS_MAX;
    int64_t end = g_get_monotonic_time() + HF_WATCH_LIMIT_S * G_USEC_PER_SEC;

    if (Tss2_Tcti_GetPollHandles(watch->inner, handles, &count) != TSS2_RC_SUCCESS || count == 0 ||
        count > DESCRIPTORS_MAX) {
        return TSS2_RC_SUCCESS;
    }
    for (size_t i = 0; i < count; i++) {
        handles[i].events = POLLIN;
    }
    while (g_get_monotonic_time() < end) {
        int ready = poll(handles, count, TICK_MS);

        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return TSS2_RC_SUCCESS;
        }
        tell(watch);
    }
    return TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC watch_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *answer,
                             int32_t timeout)
{
    HfWatch *watch = (HfWatch *)tcti;
    bool wait = timeout == TSS2_TCTI_TIMEOUT_BLOCK && !watch->begun;
    TSS2_RC rc = wait ? wait_for_answer(watch) : TSS2_RC_SUCCESS;

    if (rc == TSS2_RC_SUCCESS) {
        rc = Tss2_Tcti_Receive(watch->inner, size, answer, timeout);
    }
    /* Who asks for the size first has had the TCTI read a header; with a short answer there is
     * nothing left then that a descriptor could announce. */
    watch->begun = rc == TSS2_RC_SUCCESS && !answer;
    watch->work.patience = NULL;
    if (rc == TSS2_RC_SUCCESS && answer && *size >= HEADER_SIZE) {
        HfReader r = hf_reader(answer + 6, 4);

        watch->work.patience = patience(hf_reader_u32(&r));
    }
    /* A TPM that asks for patience is waited for on the same clock. */
    if (rc == TSS2_RC_SUCCESS && answer && !watch->work.patience) {
        clock_stop(watch);
    }
    return rc;
}

static void watch_finalize(TSS2_TCTI_CONTEXT *tcti)
{
    (void)tcti; /* hf_watch_free */
}

static TSS2_RC watch_cancel(TSS2_TCTI_CONTEXT *tcti)
{
    return Tss2_Tcti_Cancel(((HfWatch *)tcti)->inner);
}

static TSS2_RC watch_poll_handles(TSS2_TCTI_CONTEXT *tcti, TSS2_TCTI_POLL_HANDLE *handles,
                                  size_t *count)
{
    return Tss2_Tcti_GetPollHandles(((HfWatch *)tcti)->inner, handles, count);
}

static TSS2_RC watch_locality(TSS2_TCTI_CONTEXT *tcti, uint8_t locality)
{
    return Tss2_Tcti_SetLocality(((HfWatch *)tcti)->inner, locality);
}

static TSS2_RC watch_sticky(TSS2_TCTI_CONTEXT *tcti, TPM2_HANDLE *handle, uint8_t sticky)
{
    return Tss2_Tcti_MakeSticky(((HfWatch *)tcti)->inner, handle, sticky);
}

HfWatch *hf_watch_new(TSS2_TCTI_CONTEXT *inner)
{
    HfWatch *watch = g_new0(HfWatch, 1);

    watch->tcti = (TSS2_TCTI_CONTEXT_COMMON_V2){
        .v1 = {
            .magic = WATCH_MAGIC,
            .version = 2,
            .transmit = watch_transmit,
            .receive = watch_receive,
            .finalize = watch_finalize,
            .cancel = watch_cancel,
            .getPollHandles = watch_poll_handles,
            .setLocality = watch_locality,
        },
        .makeSticky = watch_sticky,
    };
    watch->inner = inner;
    watch->next_us = FIRST_NOTE_US;
    watch->step_us = FIRST_NOTE_US;
    return watch;
}

void hf_watch_free(HfWatch *watch)
{
    g_free(watch);
}

TSS2_TCTI_CONTEXT *hf_watch_tcti(HfWatch *watch)
{
    return (TSS2_TCTI_CONTEXT *)&watch->tcti;
}

void hf_watch_tell(HfWatch *watch, HfConnectionNote note, void *data)
{
    watch->note = note;
    watch->data = data;
}
