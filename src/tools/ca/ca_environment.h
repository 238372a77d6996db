/*
 * ca_environment.h - the approved environments, by name, in a file that people read and write.
 *
 *     # a comment
 *     [rack-a 2026-11]
 *     pcrs = sha256:0,2,4,7          the selection; this is the default
 *     sha256:0:HEX                   a line for each selected PCR, as holdfast-authority pcrs
 *     ...                            prints it
 *     minimum-generation = 3         the host's counter must have reached it
 *     migration-policy = none        which a host may have; several lines; none of them: any
 *     device-model = tpm-2.0         the same, what the host's key may be for
 *     emulator = HEX                 measurement of an approved emulator; the same
 *     nested = 1                     hosts whose TPM is a virtual one may be here too, so many levels
 *                                    deep; without it none
 *     event-log = required           the host must send its firmware's event log; one that is sent
 *                                    must always replay to the quoted PCRs
 *
 * Everything else is refused, with its line; so are a name, a PCR or a single value twice. Several
 * sections may have the same PCR values; the first one that fits a host is used.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_ENVIRONMENT_H
#define HOLDFAST_TOOLS_CA_CA_ENVIRONMENT_H

#include "base/error.h"
#include "tpm2/pcr.h"

#define HF_CA_ENVIRONMENTS_FILE "environments"
#define HF_CA_ENVIRONMENTS_SIZE_MAX (4u * 1024u * 1024u)

typedef struct {
    char *name;
    HfPcrSelection selection;
    HfPcrValues *values;
    uint64_t minimum_generation; /* 0: not asked */
    bool event_log;              /* required */
    unsigned nested;             /* levels that are allowed; 0: none */
    GPtrArray *migration;        /* char *; empty: any */
    GPtrArray *models;           /* char *, device models; empty: any */
    GPtrArray *emulators;        /* GBytes; empty: any */
} HfCaEnvironment;

HfCaEnvironment *hf_ca_environment_new(const char *name);
void hf_ca_environment_free(HfCaEnvironment *environment);

/* All of them, freed with the array. HF_ERROR_INVALID "LABEL: line N: ...". */
GPtrArray *hf_ca_environments_parse(GBytes *file, const char *label, GError **error);
/* NULL when there is none of that name. */
HfCaEnvironment *hf_ca_environment_find(GPtrArray *environments, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaEnvironment, hf_ca_environment_free)

#endif
