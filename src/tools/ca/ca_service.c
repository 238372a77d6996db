/*
 * ca_service.c - what the server answers.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_service.h"

#include "base/error.h"
#include "base/log.h"
#include "tools/ca/ca_core.h"
#include "tools/ca/ca_issuer.h"
#include "tools/common/enrolment_kinds.h"

struct HfCaService {
    HfCaDir *ca;
    HfCaServiceRules *rules; /* the worker's own */
    GMutex lock;             /* of next */
    HfCaServiceRules *next;  /* to be taken by the worker, or NULL */
};

HfCaService *hf_ca_service_new(HfCaDir *ca, HfCaServiceRules *rules)
{
    HfCaService *service = g_new0(HfCaService, 1);

    service->ca = ca;
    service->rules = rules;
    g_mutex_init(&service->lock);
    return service;
}

void hf_ca_service_free(HfCaService *service)
{
    if (!service) {
        return;
    }
    g_mutex_clear(&service->lock);
    hf_ca_service_rules_free(service->next);
    hf_ca_service_rules_free(service->rules);
    hf_ca_dir_free(service->ca);
    g_free(service);
}

void hf_ca_service_set_rules(HfCaService *service, HfCaServiceRules *rules)
{
    g_mutex_lock(&service->lock);
    hf_ca_service_rules_free(service->next);
    service->next = rules;
    g_mutex_unlock(&service->lock);
}

static void take_rules(HfCaService *service)
{
    g_mutex_lock(&service->lock);
    if (service->next) {
        hf_ca_service_rules_free(service->rules);
        service->rules = g_steal_pointer(&service->next);
    }
    g_mutex_unlock(&service->lock);
}

static GBytes *challenge(HfCaService *service, GBytes *payload, const char *peer, GError **error)
{
    g_autofree char *vouched = NULL;
    GBytes *answer = hf_ca_challenge(service->ca, service->rules->hosts, payload, "introduction",
                                     &vouched, error);

    if (answer) {
        hf_log(1, "%s: challenged; endorsement key: %s", peer,
               vouched ? vouched : "none, software-rooted");
    }
    return answer;
}

static GBytes *delegate(HfCaService *service, GBytes *payload, const char *peer, GError **error)
{
    g_autoptr(HfCaDelegated) delegated =
        hf_ca_delegate(service->ca, service->rules->hosts, payload, "delegation request", error);
    g_autofree char *subject = NULL;

    if (!delegated) {
        return NULL;
    }
    subject = hf_certificate_subject_text(delegated->certificate);
    hf_log(1, "%s: %s to %s (%s%s%s%s)", peer,
           delegated->renewal ? "delegation renewed" : "delegated", subject,
           hf_rooted_text(delegated->rooted), delegated->environment ? ", environment " : "",
           delegated->environment ? delegated->environment : "",
           hf_delegation_has_identity_keys(delegated->certificate) ? ", also IAK and IDevID" : "");
    return hf_ca_delegated_pem(service->ca, delegated);
}

/* Software-rooted ones are granted where such are delegated to. */
static GBytes *issue(HfCaService *service, GBytes *payload, const char *peer, GError **error)
{
    bool hardware_only = !service->rules->hosts->allow_software;
    g_autoptr(HfCaEk) ek =
        hf_ca_issue(service->ca, payload, "EK request", NULL, hardware_only, error);

    if (!ek) {
        return NULL;
    }
    hf_log(1, "%s: %s of a %s TPM%s", peer, hf_chain_kind_text(ek->kind),
           hf_rooted_text(ek->rooted), ek->again ? ", issued before" : "");
    return hf_ca_ek_pem(ek);
}

static GBytes *attest(HfCaService *service, GBytes *payload, const char *peer, GError **error)
{
    g_autoptr(HfCaAttested) attested =
        hf_ca_attest(service->ca, service->rules->guests, payload, "AK request", error);
    g_autofree char *subject = NULL;

    if (!attested) {
        return NULL;
    }
    subject = hf_certificate_subject_text(attested->certificate);
    hf_log(1, "%s: certificate of %s for a %s", peer, subject, attested->tpm);
    return g_bytes_ref(attested->answer);
}

/* A row for each request of enrolment_kinds.c. */
static const struct {
    uint16_t kind;
    bool of_guests;
    GBytes *(*answer)(HfCaService *service, GBytes *payload, const char *peer, GError **error);
} answers[] = {
    { HF_ASK_INTRODUCTION, false, challenge },
    { HF_ASK_DELEGATION, false, delegate },
    { HF_ASK_EK, false, issue },
    { HF_ASK_AK, true, attest },
};

static GBytes *answer(HfCaService *service, uint16_t kind, GBytes *payload, const char *peer,
                      GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        const HfCaServiceRules *rules = service->rules;
        bool of_guests = answers[i].of_guests;

        if (answers[i].kind != kind) {
            continue;
        }
        if (of_guests ? rules->guests != NULL : rules->hosts != NULL) {
            return answers[i].answer(service, payload, peer, error);
        }
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "requests of %s are not answered here",
                     of_guests ? "guests" : "hosts");
        return NULL;
    }
    hf_error_set(error, HF_ERROR_UNSUPPORTED, "request of kind %u: not answered here", kind);
    return NULL;
}

GBytes *hf_ca_service_answer(void *user, uint16_t kind, GBytes *payload, const char *peer,
                             GError **error)
{
    HfCaService *service = user;
    g_autoptr(GError) local = NULL;
    GBytes *told;

    take_rules(service);
    hf_ca_dir_set_requester(service->ca, peer);
    told = answer(service, kind, payload, peer, &local);
    if (!told) {
        hf_log(1, "%s: refused: %s", peer, local->message);
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return told;
}
