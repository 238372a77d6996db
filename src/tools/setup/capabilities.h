/*
 * capabilities.h - what this build and its engine can do, for --print-capabilities and the plan.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CAPABILITIES_H
#define HOLDFAST_TOOLS_SETUP_CAPABILITIES_H

#include "base/options.h"
#include "tools/setup/engine_child.h"

/* What the engine says about itself, as swtpm tells it to its certificate tool. */
typedef struct {
    char *family;       /* "2.0", "1.2" */
    char *manufacturer; /* "id:00001014" */
    char *model;        /* "swtpm" */
    char *version;      /* "id:20191023" */
    uint32_t level;
    uint32_t revision;
} HfEngineFacts;

HfEngineFacts *hf_engine_facts_read(HfEngineChild *engine, GError **error);
void hf_engine_facts_free(HfEngineFacts *facts);

/* Bits of the largest RSA key the engine makes. */
bool hf_capabilities_rsa_limit(HfEngineChild *engine, unsigned *ret_bits, GError **error);
/* One line of JSON on standard output, in swtpm_setup's shape. */
bool hf_capabilities_print(const HfProgram *program, HfEngineChild *engine, bool has_tpm12,
                           GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfEngineFacts, hf_engine_facts_free)

#endif
