/*
 * ca_service.c - what the server answers.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_service.h"

#include "base/error.h"
#include "base/log.h"
#include "tools/ca/ca_core.h"
#include "tools/common/enrolment_kinds.h"

struct HfCaService {
    HfCaDir *ca;
    HfCaRules *rules; /* the worker's own */
    GMutex lock;      /* of next */
    HfCaRules *next;  /* to be taken by the worker, or NULL */
};

HfCaService *hf_ca_service_new(HfCaDir *ca, HfCaRules *rules)
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
    hf_ca_rules_free(service->next);
    hf_ca_rules_free(service->rules);
    hf_ca_dir_free(service->ca);
    g_free(service);
}

void hf_ca_service_set_rules(HfCaService *service, HfCaRules *rules)
{
    g_mutex_lock(&service->lock);
    hf_ca_rules_free(service->next);
    service->next = rules;
    g_mutex_unlock(&service->lock);
}

static void take_rules(HfCaService *service)
{
    g_mutex_lock(&service->lock);
    if (service->next) {
        hf_ca_rules_free(service->rules);
        service->rules = g_steal_pointer(&service->next);
    }
    g_mutex_unlock(&service->lock);
}

static GBytes *challenge(HfCaService *service, GBytes *payload, const char *peer, GError **error)
{
    g_autofree char *vouched = NULL;
    GBytes *answer =
        hf_ca_challenge(service->ca, service->rules, payload, "introduction", &vouched, error);

    if (answer) {
        hf_log(1, "%s: challenged; endorsement key: %s", peer,
               vouched ? vouched : "none, software-rooted");
    }
    return answer;
}

static GBytes *delegate(HfCaService *service, GBytes *payload, const char *peer, GError **error)
{
    g_autoptr(HfCaDelegated) delegated =
        hf_ca_delegate(service->ca, service->rules, payload, "delegation request", error);
    g_autofree char *subject = NULL;

    if (!delegated) {
        return NULL;
    }
    subject = hf_certificate_subject_text(delegated->certificate);
    hf_log(1, "%s: %s to %s (%s%s%s)", peer,
           delegated->renewal ? "delegation renewed" : "delegated", subject,
           hf_rooted_text(delegated->rooted), delegated->environment ? ", environment " : "",
           delegated->environment ? delegated->environment : "");
    return hf_ca_delegated_pem(service->ca, delegated);
}

/* A row for each request of enrolment_kinds.c. */
static const struct {
    uint16_t kind;
    GBytes *(*answer)(HfCaService *service, GBytes *payload, const char *peer, GError **error);
} answers[] = {
    { HF_ASK_INTRODUCTION, challenge },
    { HF_ASK_DELEGATION, delegate },
};

GBytes *hf_ca_service_answer(void *user, uint16_t kind, GBytes *payload, const char *peer,
                             GError **error)
{
    HfCaService *service = user;
    g_autoptr(GError) local = NULL;

    take_rules(service);
    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        if (answers[i].kind == kind) {
            GBytes *answer = answers[i].answer(service, payload, peer, &local);

            if (!answer) {
                hf_log(1, "%s: refused: %s", peer, local->message);
                g_propagate_error(error, g_steal_pointer(&local));
            }
            return answer;
        }
    }
    hf_error_set(error, HF_ERROR_UNSUPPORTED, "request of kind %u: not answered here", kind);
    return NULL;
}
