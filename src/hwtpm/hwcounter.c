/*
 * hwcounter.c - the generation counter.
 *
 * An increment wears NV out (about 100,000 in a chip's life): it happens when an operator revokes,
 * never by itself, once apart that gives the index its first value.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwcounter.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwpolicy.h"
#include "hwtpm/hwsession.h"
#include "tpm2/approval.h"
#include "tpm2/nvindex.h"

struct HfCounter {
    HfConnection *connection;
    ESYS_TR handle;
    HfPublic approver;
    HfNvPublic area;
};

HfTpmName hf_counter_expected_name(uint32_t index, const HfPublic *approver)
{
    return hf_approval_counter_name(index, approver);
}

static bool area_fits(const HfNvPublic *area, const HfNvPublic *expected)
{
    return area->index == expected->index && area->name_alg == expected->name_alg &&
           (area->attributes & ~(uint32_t)TPMA_NV_WRITTEN) == expected->attributes &&
           area->policy_size == expected->policy_size &&
           memcmp(area->policy, expected->policy, expected->policy_size) == 0 &&
           area->size == expected->size;
}

static bool read_area(HfConnection *connection, ESYS_TR handle, HfNvPublic *ret_area,
                      GError **error)
{
    hf_autoesys TPM2B_NV_PUBLIC *area = NULL;
    uint8_t scratch[sizeof(TPMS_NV_PUBLIC)];
    size_t offset = 0;
    TSS2_RC rc;

    if (!HF_TPM("read the generation counter's public area", error,
                Esys_NV_ReadPublic(connection->esys, handle, connection->session, ESYS_TR_NONE,
                                   ESYS_TR_NONE, &area, NULL))) {
        return false;
    }
    rc = Tss2_MU_TPMS_NV_PUBLIC_Marshal(&area->nvPublic, scratch, sizeof(scratch), &offset);
    g_assert(rc == TSS2_RC_SUCCESS);
    return hf_nv_public_parse(scratch, offset, ret_area, error);
}

HfCounter *hf_counter_open(HfConnection *connection, uint32_t index, const HfPublic *approver,
                           GError **error)
{
    g_autoptr(HfCounter) counter = g_new0(HfCounter, 1);
    HfNvPublic expected;
    TSS2_RC rc;

    counter->connection = connection;
    counter->handle = ESYS_TR_NONE;
    counter->approver = *approver;
    rc = HF_TPM_RC(Esys_TR_FromTPMPublic(connection->esys, index, ESYS_TR_NONE, ESYS_TR_NONE,
                                         ESYS_TR_NONE, &counter->handle));
    if (hf_esys_base_code(rc) == TPM2_RC_HANDLE) {
        counter->handle = ESYS_TR_NONE;
        hf_error_set(error, HF_ERROR_STATE,
                     "the generation counter (NV index 0x%08x) is not in the host TPM: it was "
                     "deleted, or the TPM replaced or cleared",
                     index);
        return NULL;
    }
    if (!hf_esys_check(rc, "find the generation counter", error)) {
        counter->handle = ESYS_TR_NONE;
        return NULL;
    }
    if (!read_area(connection, counter->handle, &counter->area, error)) {
        return NULL;
    }
    hf_approval_counter(index, approver, &expected);
    if (!area_fits(&counter->area, &expected)) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "NV index 0x%08x of the host TPM is not a generation counter of this approver",
                     index);
        return NULL;
    }
    return g_steal_pointer(&counter);
}

void hf_counter_free(HfCounter *counter)
{
    if (!counter) {
        return;
    }
    if (counter->handle != ESYS_TR_NONE) {
        Esys_TR_Close(counter->connection->esys, &counter->handle);
    }
    g_free(counter);
}

bool hf_counter_define(HfConnection *connection, uint32_t index, const HfPublic *approver,
                       GError **error)
{
    const TPM2B_AUTH empty = { 0 };
    HfNvPublic expected;
    TPM2B_NV_PUBLIC area = { 0 };
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC rc;

    hf_approval_counter(index, approver, &expected);
    area.nvPublic.nvIndex = expected.index;
    area.nvPublic.nameAlg = expected.name_alg;
    area.nvPublic.attributes = expected.attributes;
    area.nvPublic.dataSize = expected.size;
    area.nvPublic.authPolicy.size = expected.policy_size;
    memcpy(area.nvPublic.authPolicy.buffer, expected.policy, expected.policy_size);
    rc = HF_TPM_RC(Esys_NV_DefineSpace(connection->esys, ESYS_TR_RH_OWNER, connection->session,
                                       ESYS_TR_NONE, ESYS_TR_NONE, &empty, &area, &handle));
    if (hf_esys_base_code(rc) == TPM2_RC_NV_DEFINED) {
        g_autoptr(HfCounter) there = NULL;

        hf_session_mend(connection);
        there = hf_counter_open(connection, index, approver, NULL);

        if (!there) {
            return hf_error_set(error, HF_ERROR_EXISTS,
                                "NV index 0x%08x of the host TPM is in use by something else; "
                                "choose another with --counter-index",
                                index);
        }
        return true;
    }
    if (!hf_esys_check(rc, "define the generation counter", error)) {
        return false;
    }
    Esys_TR_Close(connection->esys, &handle);
    return true;
}

ESYS_TR hf_counter_handle(const HfCounter *counter)
{
    return counter->handle;
}

bool hf_counter_is_written(const HfCounter *counter)
{
    return (counter->area.attributes & TPMA_NV_WRITTEN) != 0;
}

static bool need_written(const HfCounter *counter, GError **error)
{
    return hf_counter_is_written(counter) ||
           hf_error_set(error, HF_ERROR_STATE,
                        "the generation counter has no value yet: nothing was approved so far");
}

bool hf_counter_name(const HfCounter *counter, HfTpmName *ret_name, GError **error)
{
    if (!need_written(counter, error)) {
        return false;
    }
    *ret_name = hf_nv_public_name(&counter->area);
    return true;
}

bool hf_counter_value(HfCounter *counter, uint64_t *ret_value, GError **error)
{
    hf_autoesys TPM2B_MAX_NV_BUFFER *data = NULL;
    HfReader r;

    if (!need_written(counter, error) ||
        !HF_TPM("read the generation counter", error,
                Esys_NV_Read(counter->connection->esys, counter->handle, counter->handle,
                             counter->connection->session, ESYS_TR_NONE, ESYS_TR_NONE, 8, 0,
                             &data))) {
        return false;
    }
    r = hf_reader(data->buffer, data->size);
    *ret_value = hf_reader_u64(&r);
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_TPM,
                            "host TPM: generation counter: 8 bytes expected, found %u", data->size);
    }
    return true;
}

/* The steps before PolicyAuthorize, in the TPM and in *ret_approved. */
static bool bump_steps(HfCounter *counter, ESYS_TR session, HfDigest *ret_approved, GError **error)
{
    ESYS_CONTEXT *esys = counter->connection->esys;
    uint64_t value = 0;

    if (hf_counter_is_written(counter)) {
        HfTpmName name = hf_nv_public_name(&counter->area);

        if (!hf_counter_value(counter, &value, error) ||
            !hf_hwpolicy_counter(counter->connection, session, counter->handle, value, TPM2_EO_EQ,
                                 error)) {
            return false;
        }
        *ret_approved = hf_approval_next_bump(value, &name);
    } else {
        if (!HF_TPM("PolicyNvWritten", error,
                    Esys_PolicyNvWritten(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         TPM2_NO))) {
            return false;
        }
        *ret_approved = hf_approval_first_bump();
    }
    return HF_TPM("PolicyCommandCode", error,
                  Esys_PolicyCommandCode(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         TPM2_CC_NV_Increment));
}

static bool bump_in(HfCounter *counter, ESYS_TR session, HfSigner *approver, GError **error)
{
    TPMT_TK_VERIFIED ticket = { 0 };
    g_autoptr(GBytes) signature = NULL;
    HfDigest approved;
    HfDigest digest;

    if (!bump_steps(counter, session, &approved, error)) {
        return false;
    }
    digest = hf_approval_digest(&approved, HF_APPROVAL_BUMP);
    signature = approver->class->sign(approver, digest.data, digest.size, error);
    return signature &&
           hf_hwpolicy_ticket(counter->connection, &counter->approver, &approved, HF_APPROVAL_BUMP,
                              signature, &ticket, error) &&
           hf_hwpolicy_authorize(counter->connection, session, &counter->approver, &approved,
                                 HF_APPROVAL_BUMP, &ticket, error) &&
           HF_TPM("increment the generation counter", error,
                  Esys_NV_Increment(counter->connection->esys, counter->handle, counter->handle,
                                    session, ESYS_TR_NONE, ESYS_TR_NONE));
}

bool hf_counter_bump(HfCounter *counter, HfSigner *approver, uint64_t *ret_value, GError **error)
{
    ESYS_TR session = ESYS_TR_NONE;
    bool done;

    if (!hf_session_policy(counter->connection, &session, error)) {
        return false;
    }
    done = bump_in(counter, session, approver, error);
    hf_esys_flush(counter->connection, session);
    if (!done) {
        return false;
    }
    /* The Name is another one after the first write. */
    return read_area(counter->connection, counter->handle, &counter->area, error) &&
           hf_counter_value(counter, ret_value, error);
}
