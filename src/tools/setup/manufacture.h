/*
 * manufacture.h - makes a TPM: keys, certificates in NV, PCR banks; and proves that it did.
 *
 * Works on an engine in its own process (engine_child.h) and returns everything that was made,
 * the permanent blob included; nothing is written anywhere. hf_manufacture_check loads the blob
 * into a second engine that knows nothing of the first and looks at all of it again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_MANUFACTURE_H
#define HOLDFAST_TOOLS_SETUP_MANUFACTURE_H

#include "tools/setup/engine_child.h"
#include "tools/setup/certifier.h"

/* Where the certificates that are not an EK's are. */
#define HF_NV_CHAIN 0x01c00100u /* first index; more pieces follow */
#define HF_NV_CHAIN_LAST 0x01c001ffu
#define HF_NV_PLATFORM 0x01c08000u

typedef struct {
    const char *title; /* "RSA-2048 EK" */
    uint32_t handle;   /* persistent */
    HfPublic public;   /* as the TPM made it */
} HfMadeKey;

typedef struct {
    char *title; /* "certificate of the RSA-2048 EK" */
    uint32_t index;
    uint32_t attributes; /* as they read when everything is written and locked */
    GBytes *content;
    const HfEkRow *certifies; /* the content is this key's certificate; NULL: something else */
    size_t header;            /* bytes of the content before that certificate (TPM 1.2) */
    GBytes *spki;             /* that key, DER; NULL: something else */
} HfMadeIndex;

typedef struct {
    GPtrArray *keys;    /* HfMadeKey; none in a TPM 1.2 */
    HfPublicKey *ek12;  /* endorsement key of a TPM 1.2, or NULL */
    GPtrArray *indices; /* HfMadeIndex */
    HfPcrSelection banks;
    HfTpmIdentity identity;
    char *profile; /* what the TPM says of its profile, JSON; of a TPM 2.0 */
    HfSecret *permanent;
} HfManufacture;

/* Gives the next TPM that `engine` makes the plan's profile, if there is one. */
bool hf_manufacture_set_profile(const HfSetupPlan *plan, HfEngineChild *engine, GError **error);
/* A new TPM: it is on, and its first key is under way in the engine's process, while the caller
 * does what the rest needs. seed: of its endorsement hierarchy (reproducible.h); NULL: random. */
HfManufacture *hf_manufacture_begin(const HfSetupPlan *plan, HfEngineChild *engine,
                                    const HfSecret *seed, GError **error);
/* The rest of it, as planned. certifier: NULL when the plan asks for no certificates. */
bool hf_manufacture_complete(HfManufacture *made, const HfSetupPlan *plan, HfEngineChild *engine,
                             HfCertifier *certifier, GError **error);
/* What the key of this row is made from. */
void hf_manufacture_template(const HfSetupPlan *plan, const HfEkRow *row, HfPublic *ret_template);
/* The TPM in `permanent` with other PCR banks. *ret_changed false: it has them already, and what is
 * returned need not be stored. */
HfManufacture *hf_manufacture_reconfigure(const HfSetupPlan *plan, HfEngineChild *engine,
                                          const HfSecret *permanent, bool *ret_changed,
                                          GError **error);
void hf_manufacture_free(HfManufacture *made);

/* Loads made->permanent into `engine` (fresh, off) and compares: every key, every index and its
 * attributes, every certificate's key with the TPM's, the PCR banks. */
bool hf_manufacture_check(const HfManufacture *made, HfEngineChild *engine, GError **error);

/* The same for a TPM 1.2: enabled, activated, with endorsement key, owner, certificates as planned.
 */
HfManufacture *hf_manufacture12_new(const HfSetupPlan *plan, HfEngineChild *engine,
                                    HfCertifier *certifier, GError **error);
/* What of it can be seen from outside: the endorsement key (by the owner's auth when there is an
 * owner), every area's size and attributes, the content of those that can be read. */
bool hf_manufacture12_check(const HfSetupPlan *plan, const HfManufacture *made,
                            HfEngineChild *engine, GError **error);

/* For both: empty, and an entry of made->indices (borrowed) that takes `title` and refers to
 * `content`. */
HfManufacture *hf_manufacture_empty(void);
HfMadeIndex *hf_manufacture_add_index(HfManufacture *made, uint32_t index, uint32_t attributes,
                                      GBytes *content, char *title);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfManufacture, hf_manufacture_free)

#endif
