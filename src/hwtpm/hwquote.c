/*
 * hwquote.c - reading PCRs, quoting them, certifying a key's creation.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwquote.h"

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwsession.h"
#include "hwtpm/hwpolicy.h"

/* A TPM gives at most eight PCRs a call; with the update counter unchanged over all calls the
 * values are of one moment. Somebody may be extending just now: try again, but not for ever. */
#define READS_MAX 8

/* Takes what one call gave into `values` and out of `left`. */
static bool take_values(const TPML_PCR_SELECTION *got, const TPML_DIGEST *digests,
                        HfPcrSelection *left, HfPcrValues *values, GError **error)
{
    uint32_t next = 0;

    for (uint32_t b = 0; b < got->count && b < left->count; b++) {
        const TPMS_PCR_SELECTION *bank = &got->pcrSelections[b];

        if (bank->hash != left->banks[b].hash) {
            break;
        }
        for (unsigned i = 0; i < 8u * bank->sizeofSelect && i < 32; i++) {
            if (!(bank->pcrSelect[i / 8] & (1u << (i % 8)))) {
                continue;
            }
            if (next >= digests->count || !(left->banks[b].mask & (1u << i))) {
                return hf_error_set(error, HF_ERROR_TPM, "host TPM: PCR read: lists do not match");
            }
            if (!hf_pcr_values_add(values, bank->hash, i, digests->digests[next].buffer,
                                   digests->digests[next].size, error)) {
                return false;
            }
            left->banks[b].mask &= ~(1u << i);
            next++;
        }
    }
    if (next == 0) {
        g_autofree char *text = hf_pcr_selection_text(left);

        return hf_error_set(error, HF_ERROR_UNSUPPORTED, "the host TPM does not have the PCRs %s",
                            text);
    }
    return true;
}

/* ret_values stays NULL without error when PCRs changed in between. */
static bool read_once(HfConnection *connection, const HfPcrSelection *selection,
                      HfPcrValues **ret_values, GError **error)
{
    g_autoptr(HfPcrValues) values = hf_pcr_values_new();
    HfPcrSelection left = *selection;
    UINT32 first = 0;

    for (bool started = false; hf_pcr_selection_total(&left) > 0; started = true) {
        hf_autoesys TPML_PCR_SELECTION *got = NULL;
        hf_autoesys TPML_DIGEST *digests = NULL;
        TPML_PCR_SELECTION wanted;
        UINT32 update = 0;

        hf_esys_selection(&left, &wanted);
        if (!HF_TPM("read PCRs", error,
                    Esys_PCR_Read(connection->esys, connection->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &wanted, &update, &got, &digests))) {
            return false;
        }
        if (started && update != first) {
            return true;
        }
        first = update;
        if (!take_values(got, digests, &left, values, error)) {
            return false;
        }
    }
    *ret_values = g_steal_pointer(&values);
    return true;
}

HfPcrValues *hf_hwpcr_read(HfConnection *connection, const HfPcrSelection *selection,
                           GError **error)
{
    HfPcrValues *values = NULL;
    bool done = true;

    /* Authenticated, since somebody may approve what is read here. */
    g_assert(connection->session != ESYS_TR_NONE);
    hf_session_audit(connection);
    for (int i = 0; i < READS_MAX && done && !values; i++) {
        done = read_once(connection, selection, &values, error);
    }
    hf_session_mend(connection);
    if (done && !values) {
        hf_error_set(error, HF_ERROR_TPM, "host TPM: the PCRs do not hold still");
    }
    return values;
}

static void return_attest(const TPM2B_ATTEST *attest, const TPMT_SIGNATURE *signature,
                          GBytes **ret_attest, GBytes **ret_signature)
{
    *ret_attest = g_bytes_new(attest->attestationData, attest->size);
    *ret_signature = hf_esys_signature_bytes(signature);
}

bool hf_hwquote(HfConnection *connection, HfHostKey *ak, const HfPcrSelection *selection,
                GBytes *extra, GBytes **ret_attest, GBytes **ret_signature, GError **error)
{
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
    hf_autoesys TPM2B_ATTEST *attest = NULL;
    hf_autoesys TPMT_SIGNATURE *signature = NULL;
    TPM2B_DATA qualifying = { 0 };
    TPML_PCR_SELECTION pcrs;

    hf_esys_selection(selection, &pcrs);
    if (!HF_ESYS_FILL(extra, "qualifying data", &qualifying, error) ||
        !HF_TPM("quote", error,
                Esys_Quote(connection->esys, hf_host_key_handle(ak), connection->session,
                           ESYS_TR_NONE, ESYS_TR_NONE, &qualifying, &scheme, &pcrs, &attest,
                           &signature))) {
        return false;
    }
    return_attest(attest, signature, ret_attest, ret_signature);
    return true;
}

bool hf_hwcertify_creation(HfConnection *connection, HfHostKey *ak, HfHostKey *key,
                           const HfKeyBlob *blob, GBytes *extra, GBytes **ret_attest,
                           GBytes **ret_signature, GError **error)
{
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
    hf_autoesys TPM2B_ATTEST *attest = NULL;
    hf_autoesys TPMT_SIGNATURE *signature = NULL;
    TPMT_TK_CREATION ticket = { 0 };
    TPM2B_DATA qualifying = { 0 };
    TPM2B_DIGEST hash = { 0 };

    if (!HF_ESYS_FILL(extra, "qualifying data", &qualifying, error) ||
        !HF_ESYS_FILL(blob->creation_hash, "creation hash", &hash, error) ||
        !hf_esys_ticket_parse(blob->creation_ticket, "creation ticket", &ticket, error) ||
        !HF_TPM("certify the signing key's creation", error,
                Esys_CertifyCreation(connection->esys, hf_host_key_handle(ak),
                                     hf_host_key_handle(key), connection->session, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &qualifying, &hash, &scheme, &ticket, &attest,
                                     &signature))) {
        return false;
    }
    return_attest(attest, signature, ret_attest, ret_signature);
    return true;
}

bool hf_hwcertify_counter(HfConnection *connection, HfHostKey *ak, HfCounter *counter,
                          GBytes *extra, GBytes **ret_attest, GBytes **ret_signature,
                          GError **error)
{
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
    hf_autoesys TPM2B_ATTEST *attest = NULL;
    hf_autoesys TPMT_SIGNATURE *signature = NULL;
    TPM2B_DATA qualifying = { 0 };
    ESYS_TR nv = hf_counter_handle(counter);

    if (!HF_ESYS_FILL(extra, "qualifying data", &qualifying, error) ||
        !HF_TPM("certify the generation counter", error,
                Esys_NV_Certify(connection->esys, hf_host_key_handle(ak), nv, nv,
                                connection->session, ESYS_TR_PASSWORD, ESYS_TR_NONE, &qualifying,
                                &scheme, 8, 0, &attest, &signature))) {
        return false;
    }
    return_attest(attest, signature, ret_attest, ret_signature);
    return true;
}
