/*
 * setup_options.h - what holdfast-setup was asked to do: command line and configuration as one
 * plan.
 *
 * The option table is swtpm_setup's with a few rows more. Everything that can be wrong with the
 * wishes themselves is found here, before anything is opened.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SETUP_OPTIONS_H
#define HOLDFAST_TOOLS_SETUP_SETUP_OPTIONS_H

#include "base/options.h"
#include "engine/engine_profile.h"
#include "state/keys.h"
#include "tools/setup/ek_table.h"
#include "tools/setup/pcr_banks.h"
#include "tools/setup/setup_config.h"

#define HF_PLAN_KEYS_MAX 8u
extern const HfProgram hf_setup_program;

typedef enum { HF_EXISTING_REFUSE, HF_EXISTING_KEEP, HF_EXISTING_REPLACE } HfExisting;

typedef struct {
    bool swtpm; /* we are swtpm_setup: its defaults, its sentences */
    bool tpm12;
    char *state; /* directory or URI */
    HfExisting existing;
    bool check_certificates;    /* of an existing TPM, nothing else */
    bool withdraw_certificates; /* the same, and remove those that do not match */
    bool reissue;               /* certificates of an existing TPM, nothing else */
    char *install;      /* file of certificates for an existing TPM, nothing else; or NULL */
    bool no_identities; /* reissue: certificates of IAK and IDevID stay */
    bool reconfigure;   /* PCR banks of an existing TPM, nothing else */
    char *copy_from;    /* the TPM there becomes that of `state`, nothing else; or NULL */

    bool create_ek;
    bool ek_certificates;
    bool platform_certificate;
    bool create_spk;
    HfTemplate spk;
    bool allow_signing; /* EKs sign instead of decrypting */
    bool decryption;    /* with allow_signing: they do both */
    bool lock_nvram;
    bool display;
    HfBankChoice banks;
    unsigned key_count;
    const HfEkRow *keys[HF_PLAN_KEYS_MAX]; /* as their certificates are written */

    bool encrypted; /* `key` says how */
    HfKeySource key;
    char *key_file; /* for key.file */

    bool take_ownership; /* TPM 1.2 only, with create_ek */
    HfSecret *owner_auth;
    HfSecret *srk_auth;

    char *logfile;         /* or NULL */
    char *certificate_dir; /* or NULL */
    char *vmid;            /* or NULL */
    /* The virtual machine's configuration, from which the endorsement seed follows; NULL: random. */
    char *reproducible_from;
    /* One of these two is not NULL when a certificate is to be made; the authority comes first. */
    char *authority;
    char *certs_tool;
    char *tcti;               /* or NULL */
    char *migration_policy;   /* or NULL: whatever the authority has, none where it has several */
    char *certs_tool_config;  /* or NULL */
    char *certs_tool_options; /* or NULL */
    unsigned certs_tool_seconds;
    char *profile; /* JSON, of the TPM 2.0 that is made (setup_profile.h); NULL: none */
    HfProfileRemoval profile_removal;
    int desk; /* seat at the process that has the authority's key (signing_desk.h); -1: none */
} HfSetupPlan;

/* What can be said about the command line alone: contradictions and missing options
 * (HF_ERROR_USAGE), what this build cannot do (HF_ERROR_UNSUPPORTED). swtpm: by the rules of
 * swtpm_setup, which minds less. */
bool hf_setup_options_check(const HfOptions *options, bool swtpm, GError **error);
/* Options that passed the check above, and `config` for what they leave out. rsa_limit: bits of the
 * largest RSA key the engine can make. */
HfSetupPlan *hf_setup_plan_new(const HfOptions *options, const HfSetupConfig *config, bool swtpm,
                               unsigned rsa_limit, GError **error);
void hf_setup_plan_free(HfSetupPlan *plan);

/* Options and configuration keys that were given and have no effect, one sentence each. Caller
 * unrefs. */
GPtrArray *hf_setup_ignored(const HfOptions *options, const HfSetupConfig *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSetupPlan, hf_setup_plan_free)

#endif
