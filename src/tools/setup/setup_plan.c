/*
 * setup_plan.c - command line and configuration, put together into a plan.
 *
 * An option counts before the configuration, and that before what is built in.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "crypto/hash.h"
#include "tools/setup/setup_options.h"

#define TOOL_SECONDS 600 /* for one certificate; the first one may make a CA */

void hf_setup_plan_free(HfSetupPlan *plan)
{
    if (!plan) {
        return;
    }
    g_free(plan->state);
    g_free(plan->copy_from);
    g_free(plan->install);
    g_free(plan->certificate_dir);
    g_free(plan->vmid);
    g_free(plan->reproducible_from);
    g_free(plan->authority);
    g_free(plan->tcti);
    g_free(plan->migration_policy);
    g_free(plan->certs_tool);
    g_free(plan->certs_tool_config);
    g_free(plan->certs_tool_options);
    g_free(plan->logfile);
    g_free(plan->profile);
    g_free(plan->key_file);
    hf_secret_free(plan->owner_auth);
    hf_secret_free(plan->srk_auth);
    g_free(plan);
}

/* A value and where it came from. */
typedef struct {
    const char *text; /* NULL: given nowhere */
    char *what;
} Wish;

static void wish_clear(Wish *wish)
{
    g_free(wish->what);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

static Wish wish_for(const HfOptions *o, const char *option, const HfSetupConfig *config,
                     const char *configured, const char *key)
{
    const char *given = hf_options_string(o, option);
    if (given && *given != '\0') {
        return (Wish){ given, g_strdup_printf("--%s", option) };
    }
    return (Wish){ configured, configured ? g_strdup_printf("%s, %s", config->path, key) : NULL };
}

static bool check_limit(const HfEkRow *row, const Wish *wish, unsigned limit, GError **error)
{
    return row->rsa_bits <= limit ||
           hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "%s: the engine makes RSA keys of at most %u bits, not %s", wish->what,
                        limit, wish->text);
}

static bool add_key(HfSetupPlan *plan, const HfEkRow *row, const char *what, GError **error)
{
    for (unsigned i = 0; i < plan->key_count; i++) {
        if (plan->keys[i] == row) {
            return hf_error_set(error, HF_ERROR_USAGE, "%s: there is one %s %s already", what,
                                row->title,
                                row->kind == HF_CERT_EK ? "endorsement key" : "identity key");
        }
    }
    plan->keys[plan->key_count++] = row;
    return true;
}

/* One of --ek1keyalgo, --ek2keyalgo. */
static bool add_wish(HfSetupPlan *plan, const Wish *wish, const HfEkRow *preset, unsigned limit,
                     GError **error)
{
    if (wish->text && strcmp(wish->text, "none") == 0) {
        return true;
    }
    const HfEkRow *row = wish->text ? hf_ek_row_find(wish->text, wish->what, error) : preset;
    return row && check_limit(row, wish, limit, error) &&
           add_key(plan, row, wish->text ? wish->what : "endorsement keys", error);
}

/* A larger RSA key comes beside RSA-2048: Windows and AD CS look for that one only. */
static bool add_large_rsa(HfSetupPlan *plan, const Wish *wish, unsigned limit, GError **error)
{
    if (!wish->text || strcmp(wish->text, "2048") == 0) {
        return true;
    }
    bool max = strcmp(wish->text, "max") == 0;
    uint64_t bits = 0;
    if (!max && !g_ascii_string_to_unsigned(wish->text, 10, 2048, 16384, &bits, NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: expected 2048, 3072 or max, found \"%s\"",
                            wish->what, wish->text);
    }
    const HfEkRow *row = max ? hf_ek_row_rsa_max(limit) : hf_ek_row_rsa((unsigned)bits);
    if (!row) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: there is no RSA endorsement key of this size, %s", wish->what,
                            wish->text);
    }
    if (!check_limit(row, wish, limit, error)) {
        return false;
    }
    return row->rsa_bits == 2048 || add_key(plan, row, wish->what, error);
}

/* swtpm_setup has one RSA key, of the size that was asked for. */
static bool add_only_rsa(HfSetupPlan *plan, const Wish *wish, unsigned limit, GError **error)
{
    if (!add_large_rsa(plan, wish, limit, error)) {
        return false;
    }
    return plan->key_count > 0 || add_key(plan, hf_ek_row_rsa(2048), "endorsement keys", error);
}

static bool add_identity(HfSetupPlan *plan, HfCertKind kind, const Wish *wish, unsigned limit,
                         GError **error)
{
    if (!wish->text || strcmp(wish->text, "none") == 0) {
        return true;
    }
    const HfEkRow *row = hf_identity_row_find(kind, wish->text, wish->what, error);
    return row && check_limit(row, wish, limit, error) && add_key(plan, row, wish->what, error);
}

static bool plan_keys(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c, unsigned limit,
                      GError **error)
{
    g_auto(Wish) first = wish_for(o, "ek1keyalgo", c, c->ek1keyalgo, "ek1keyalgo");
    g_auto(Wish) second = wish_for(o, "ek2keyalgo", c, c->ek2keyalgo, "ek2keyalgo");
    g_auto(Wish) size = wish_for(o, "rsa-keysize", c, c->rsa_keysize, "rsa_keysize");
    if (first.text) {
        size.text = NULL; /* the algorithm says it more exactly */
    }
    bool single = plan->swtpm && !first.text;
    return (single ? add_only_rsa(plan, &size, limit, error)
                   : add_wish(plan, &first, hf_ek_row_rsa(2048), limit, error) &&
                         add_large_rsa(plan, &size, limit, error)) &&
           add_wish(plan, &second, hf_ek_row_find("ecc_nist_p384", "", NULL), limit, error);
}

static bool plan_identities(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c,
                            unsigned limit, GError **error)
{
    g_auto(Wish) iak = wish_for(o, "iakkeyalgo", c, c->iakkeyalgo, "iakkeyalgo");
    g_auto(Wish) idevid = wish_for(o, "idevidkeyalgo", c, c->idevidkeyalgo, "idevidkeyalgo");
    return hf_options_flag(o, "no-iak") ||
           (add_identity(plan, HF_CERT_IAK, &iak, limit, error) &&
            add_identity(plan, HF_CERT_IDEVID, &idevid, limit, error));
}

/* swtpm_setup's storage key has the size of its RSA key, or is on P-384. */
static HfTemplate spk_template(const HfSetupPlan *plan, const HfOptions *o)
{
    bool ecc = hf_options_flag(o, "ecc");
    if (!plan->swtpm) {
        return ecc ? HF_TEMPLATE_SRK_P256 : HF_TEMPLATE_SRK_RSA2048;
    }
    const char *size = hf_options_string(o, "rsa-keysize");
    bool large = size && strcmp(size, "2048") != 0;
    return ecc ? HF_TEMPLATE_SRK_P384 : large ? HF_TEMPLATE_SRK_RSA3072 : HF_TEMPLATE_SRK_RSA2048;
}

static bool plan_tool(HfSetupPlan *plan, const HfSetupConfig *c, GError **error)
{
    uint64_t seconds = TOOL_SECONDS;
    if (c->certs_tool_timeout &&
        !g_ascii_string_to_unsigned(c->certs_tool_timeout, 10, 1, 86400, &seconds, NULL)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s, create_certs_tool_timeout: expected seconds, 1 to 86400, found "
                            "\"%s\"",
                            c->path, c->certs_tool_timeout);
    }
    plan->certs_tool_seconds = (unsigned)seconds;
    plan->certs_tool = g_strdup(c->certs_tool);
    plan->certs_tool_config = g_strdup(c->certs_tool_config);
    plan->certs_tool_options = g_strdup(c->certs_tool_options);
    return true;
}

/* The auth value of a TPM 1.2: SHA-1 of the password; the well-known password is 20 zeros, hashed as
 * any other, which is swtpm_setup's own idea. */
static HfSecret *auth_of(const HfOptions *o, const char *password, const char *well_known)
{
    static const char zeros[20];
    HfSecret *auth = hf_secret_new(hf_hash_size(HF_HASH_SHA1));
    bool is_known = hf_options_flag(o, well_known);
    const char *text = is_known ? zeros : hf_options_string(o, password);
    hf_hash_once(HF_HASH_SHA1, text, is_known ? sizeof(zeros) : strlen(text), auth->data);
    return auth;
}

static void plan_key_source(HfSetupPlan *plan, const HfOptions *o)
{
    static const struct {
        const char *option;
        bool fd;
        HfKeyForm form;
    } sources[] = {
        { "keyfile", false, HF_KEY_HEX },
        { "keyfile-fd", true, HF_KEY_HEX },
        { "pwdfile", false, HF_KEY_PBKDF2 },
        { "pwdfile-fd", true, HF_KEY_PBKDF2 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        const char *name = sources[i].option;
        if (!hf_options_has(o, name)) {
            continue;
        }
        plan->encrypted = true;
        plan->key_file = sources[i].fd ? NULL : g_strdup(hf_options_string(o, name));
        plan->key = (HfKeySource){
            .option = sources[i].fd
                          ? (sources[i].form == HF_KEY_HEX ? "--keyfile-fd" : "--pwdfile-fd")
                          : (sources[i].form == HF_KEY_HEX ? "--keyfile" : "--pwdfile"),
            .file = plan->key_file,
            .fd = sources[i].fd ? (int)hf_options_int(o, name) : -1,
            .form = sources[i].form,
            .size = hf_key_mode_size(hf_options_string(o, "cipher")),
        };
    }
}

/* Keys of a TPM 2.0; a TPM 1.2 has one, always the same. */
static bool plan_all_keys(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c,
                          unsigned limit, GError **error)
{
    if (plan->tpm12 || plan->reconfigure) {
        return true;
    }
    return (!plan->create_ek || plan_keys(plan, o, c, limit, error)) &&
           (!(plan->create_ek || hf_options_has(o, "iakkeyalgo") ||
              hf_options_has(o, "idevidkeyalgo")) ||
            plan_identities(plan, o, c, limit, error));
}

static bool plan_authority(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c,
                           GError **error)
{
    const char *given = hf_options_string(o, "authority");
    const char *tcti = hf_options_string(o, "tcti");
    const char *policy = hf_options_string(o, "migration-policy");
    plan->authority = g_strdup(given ? given : c->authority);
    plan->tcti = g_strdup(tcti ? tcti : c->tcti);
    plan->migration_policy = g_strdup(policy ? policy : c->migration_policy);
    if (!plan->authority && plan->reproducible_from) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "--reproducible-from needs the derivation key of an authority: give "
                            "--authority DIR");
    }
    if (!plan->authority && !plan->certs_tool &&
        (plan->ek_certificates || plan->platform_certificate)) {
        return hf_error_set(
            error, HF_ERROR_FAILED,
            "no authority to issue the certificates: give --authority DIR, or a line "
            "\"authority = DIR\" in %s",
            c->path ? c->path : HF_SYSCONFDIR "/" HF_SETUP_CONFIG_NAME);
    }
    return true;
}

/* swtpm_setup takes both together; keeping is what cannot be regretted. */
static HfExisting existing_of(const HfOptions *o)
{
    if (hf_options_flag(o, "not-overwrite")) {
        return HF_EXISTING_KEEP;
    }
    return hf_options_flag(o, "overwrite") ? HF_EXISTING_REPLACE : HF_EXISTING_REFUSE;
}

/* What needs no second look. */
static HfSetupPlan *plan_from_options(const HfOptions *o, bool swtpm)
{
    HfSetupPlan *plan = g_new0(HfSetupPlan, 1);
    const char *state = hf_options_string(o, "tpm-state");
    plan->swtpm = swtpm;
    plan->desk = -1;
    plan->tpm12 = !hf_options_flag(o, "tpm2");
    plan->take_ownership = hf_options_flag(o, "take-ownership");
    if (plan->tpm12) {
        plan->owner_auth = auth_of(o, "ownerpass", "owner-well-known");
        plan->srk_auth = auth_of(o, "srkpass", "srk-well-known");
    }
    plan->logfile = g_strdup(hf_options_string(o, "logfile"));
    plan->state = g_strdup(state ? state : hf_options_string(o, "tpmstate"));
    plan->existing = existing_of(o);
    plan->check_certificates = hf_options_flag(o, "check-certificates");
    plan->withdraw_certificates = hf_options_flag(o, "withdraw-certificates");
    plan->reissue = hf_options_flag(o, "reissue-certificates");
    plan->no_identities = hf_options_flag(o, "no-iak");
    plan->install = g_strdup(hf_options_string(o, "install-certificate"));
    plan->reconfigure = hf_options_flag(o, "reconfigure");
    plan->copy_from = g_strdup(hf_options_string(o, "copy-from"));
    plan->ek_certificates = plan->reissue || hf_options_flag(o, "create-ek-cert");
    plan->platform_certificate = hf_options_flag(o, "create-platform-cert");
    plan->create_ek = plan->ek_certificates || plan->platform_certificate || plan->take_ownership ||
                      hf_options_flag(o, "createek");
    plan->create_spk = hf_options_flag(o, "create-spk");
    plan->spk = spk_template(plan, o);
    plan->allow_signing = hf_options_flag(o, "allow-signing");
    plan->decryption = !plan->allow_signing || hf_options_flag(o, "decryption");
    plan->lock_nvram = hf_options_flag(o, "lock-nvram");
    plan->display = hf_options_flag(o, "display");
    plan->certificate_dir = g_strdup(hf_options_string(o, "write-ek-cert-files"));
    const char *vmid = hf_options_string(o, "vmid");
    plan->vmid = vmid && *vmid != '\0' ? g_strdup(vmid) : NULL;
    plan->reproducible_from = g_strdup(hf_options_string(o, "reproducible-from"));
    plan_key_source(plan, o);
    return plan;
}

static bool plan_banks(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c,
                       GError **error)
{
    g_auto(Wish) banks = wish_for(o, "pcr-banks", c, c->active_pcr_banks, "active_pcr_banks");
    return hf_bank_choice_parse(banks.text ? banks.text : HF_BANKS_DEFAULT,
                                banks.text ? banks.what : "PCR banks", &plan->banks, error);
}

HfSetupPlan *hf_setup_plan_new(const HfOptions *o, const HfSetupConfig *c, bool swtpm,
                               unsigned rsa_limit, GError **error)
{
    g_autoptr(HfSetupPlan) plan = plan_from_options(o, swtpm);
    if (!plan_banks(plan, o, c, error) || !plan_all_keys(plan, o, c, rsa_limit, error) ||
        !plan_tool(plan, c, error) || !plan_authority(plan, o, c, error)) {
        return NULL;
    }
    if (!plan->tpm12 && (plan->ek_certificates || plan->platform_certificate) &&
        (plan->key_count == 0 || plan->keys[0]->kind != HF_CERT_EK)) {
        hf_error_set(error, HF_ERROR_USAGE,
                     "certificates need at least one endorsement key, and all are \"none\"");
        return NULL;
    }
    return g_steal_pointer(&plan);
}
