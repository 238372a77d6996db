/*
 * ca_service.h - the fleet's CA as the answers of a server: one function a kind of request.
 *
 * Requests are worked on one at a time on the server's worker; what they are judged by (HfCaServiceRules)
 * can be exchanged from another thread and counts from the next request on. A line of the log for
 * each request that was granted or refused.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_SERVICE_H
#define HOLDFAST_TOOLS_CA_CA_SERVICE_H

#include "tools/ca/ca_service_rules.h"

typedef struct HfCaService HfCaService;

/* Takes both. */
HfCaService *hf_ca_service_new(HfCaDir *ca, HfCaServiceRules *rules);
void hf_ca_service_free(HfCaService *service);
/* From any thread; takes the rules. */
void hf_ca_service_set_rules(HfCaService *service, HfCaServiceRules *rules);
/* For HfServerFunctions.answer; `service` is an HfCaService. */
GBytes *hf_ca_service_answer(void *service, uint16_t kind, GBytes *payload, const char *peer,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaService, hf_ca_service_free)

#endif
