/*
 * setup_run.c - the story of a run: look, lock, make, check, replace, tell.
 *
 * Everything that can fail comes before the one step that changes the directory, so a failure of
 * any kind leaves what was there.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/setup_run.h"

#include "base/error.h"
#include "base/log.h"
#include "tools/setup/certificate_files.h"
#include "tools/setup/certificate_match.h"
#include "tools/setup/narration.h"
#include "tools/setup/reissue.h"
#include "tools/setup/replacement.h"
#include "tools/setup/reproducible.h"
#include "tools/setup/state_copy.h"

static bool has_tpm(HfStore *store, bool *ret_there, GError **error)
{
    int64_t size;
    if (!store->class->stat(store, HF_STATE_PERMANENT, &size, error)) {
        return false;
    }
    *ret_there = size >= 0;
    return true;
}

/* What is only in a suspended TPM would be lost with the change. */
static bool not_suspended(HfStore *store, const HfSetupPlan *plan, GError **error)
{
    static const HfStateKind kinds[] = { HF_STATE_VOLATILE, HF_STATE_SAVESTATE };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        int64_t size;
        if (!store->class->stat(store, kinds[i], &size, error)) {
            return false;
        }
        if (size >= 0) {
            return hf_error_set(error, HF_ERROR_STATE,
                                "%s: the TPM is suspended (%s): let its machine go on and shut it "
                                "down first",
                                plan->state, hf_state_kind_name(kinds[i]));
        }
    }
    return true;
}

static bool refuse_existing(const HfSetupPlan *plan, GError **error)
{
    if (plan->copy_from) {
        return hf_error_set(error, HF_ERROR_EXISTS, "%s: there is a TPM already: nothing is copied",
                            plan->state);
    }
    if (plan->swtpm) {
        return hf_error_set(error, HF_ERROR_EXISTS, "Found existing TPM state '%s'.",
                            hf_state_kind_name(HF_STATE_PERMANENT));
    }
    return hf_error_set(error, HF_ERROR_EXISTS,
                        "%s: there is a TPM already (%s); --overwrite replaces it, "
                        "--not-overwrite keeps it",
                        plan->state, hf_state_kind_name(HF_STATE_PERMANENT));
}

/* Whether the run goes on: *ret_go_on false with success means that there is nothing to do. */
static bool decide(const HfSetupPlan *plan, HfStore *store, bool *ret_go_on, GError **error)
{
    bool there;
    if (!has_tpm(store, &there, error)) {
        return false;
    }
    if (plan->check_certificates || plan->withdraw_certificates) {
        *ret_go_on = true;
        return there || hf_error_set(error, HF_ERROR_NOT_FOUND,
                                     "%s: there is no TPM whose certificates could be looked at",
                                     plan->state);
    }
    if (plan->reissue || plan->install) {
        *ret_go_on = true;
        return there ? not_suspended(store, plan, error)
                     : hf_error_set(error, HF_ERROR_NOT_FOUND,
                                    "%s: there is no TPM whose certificates could be %s",
                                    plan->state, plan->install ? "replaced" : "issued anew");
    }
    if (plan->reconfigure) {
        *ret_go_on = true;
        return there || hf_error_set(error, HF_ERROR_NOT_FOUND,
                                     "%s: there is no TPM to reconfigure", plan->state);
    }
    if (there && plan->existing == HF_EXISTING_REFUSE) {
        return refuse_existing(plan, error);
    }
    *ret_go_on = !there || plan->existing == HF_EXISTING_REPLACE;
    return true;
}

static bool lock(HfStore *store, const char *name, GError **error)
{
    if (store->class->lock(store, 0, error)) {
        return true;
    }
    if (error && hf_error_is(*error, HF_ERROR_BUSY)) {
        g_prefix_error(error, "%s is in use by a running TPM: ", name);
    }
    return false;
}

/* *ret_seed NULL with success: the plan wants none. */
static bool derive_seed(const HfSetupPlan *plan, const HfEngines *engines, HfSecret **ret_seed,
                        GError **error)
{
    *ret_seed = NULL;
    if (!plan->reproducible_from) {
        return true;
    }
    if (!hf_reproducible_rehearse(plan, engines->maker, error) ||
        !(*ret_seed = hf_reproducible_seed(plan, error))) {
        g_prefix_error(error, "reproducible endorsement keys: ");
        return false;
    }
    hf_log(1, "The endorsement keys follow from %s and this host's TPM.", plan->reproducible_from);
    return true;
}

/* *ret_certifier NULL with success: the plan wants none. */
static bool open_certifier(const HfSetupPlan *plan, const HfEngineFacts *facts,
                           HfCertifier **ret_certifier, GError **error)
{
    *ret_certifier = NULL;
    if (!plan->ek_certificates && !plan->platform_certificate) {
        return true;
    }
    *ret_certifier = hf_certifier_open(plan, facts, error);
    if (!*ret_certifier) {
        g_prefix_error(error, plan->authority ? "authority: " : "certificates: ");
        return false;
    }
    if (plan->authority) {
        hf_log(1, "Certificates are issued by the authority %s.", (*ret_certifier)->description);
    }
    return true;
}

/* The search for the first key's primes takes longest: it is begun first. */
static HfManufacture *make_tpm2(const HfSetupPlan *plan, const HfEngines *engines,
                                const HfEngineFacts *facts, const HfSecret *seed, GError **error)
{
    g_autoptr(HfManufacture) made = hf_manufacture_begin(plan, engines->maker, seed, error);
    g_autoptr(HfCertifier) certifier = NULL;
    if (!made || !open_certifier(plan, facts, &certifier, error) ||
        !hf_manufacture_complete(made, plan, engines->maker, certifier, error)) {
        return NULL;
    }
    if (seed && (!hf_manufacture_set_profile(plan, engines->checker, error) ||
                 !hf_reproducible_check(plan, seed, made, engines->checker, error))) {
        return NULL;
    }
    return g_steal_pointer(&made);
}

static HfManufacture *make_tpm12(const HfSetupPlan *plan, const HfEngines *engines,
                                 const HfEngineFacts *facts, GError **error)
{
    g_autoptr(HfCertifier) certifier = NULL;
    return open_certifier(plan, facts, &certifier, error)
               ? hf_manufacture12_new(plan, engines->maker, certifier, error)
               : NULL;
}

static HfManufacture *make(const HfSetupPlan *plan, const HfEngines *engines, GError **error)
{
    g_autoptr(HfEngineFacts) facts = hf_engine_facts_read(engines->maker, error);
    g_autoptr(HfSecret) seed = NULL;
    /* The seed first, and its connection to the host TPM closed: some take one at a time. */
    if (!facts || !derive_seed(plan, engines, &seed, error)) {
        return NULL;
    }
    return plan->tpm12 ? make_tpm12(plan, engines, facts, error)
                       : make_tpm2(plan, engines, facts, seed, error);
}

static HfSecret *load(HfStore *store, GError **error);

/* What the new certificates say of the seed is shown to be true. */
static HfManufacture *reissue(const HfSetupPlan *plan, const HfEngines *engines, HfStore *store,
                              GError **error)
{
    g_autoptr(HfEngineFacts) facts = hf_engine_facts_read(engines->maker, error);
    g_autoptr(HfSecret) permanent = facts ? load(store, error) : NULL;
    g_autoptr(HfSecret) seed = NULL;
    return permanent && derive_seed(plan, engines, &seed, error)
               ? hf_reissue(plan, engines, facts, permanent, seed, error)
               : NULL;
}

static HfSecret *load(HfStore *store, GError **error)
{
    g_autoptr(GBytes) blob = store->class->load(store, HF_STATE_PERMANENT, error);
    if (!blob) {
        return NULL;
    }
    size_t size;
    const void *data = g_bytes_get_data(blob, &size);
    return hf_secret_copy(data, size);
}

static HfManufacture *reconfigure(const HfSetupPlan *plan, const HfEngines *engines, HfStore *store,
                                  bool *ret_changed, GError **error)
{
    g_autoptr(HfSecret) permanent = load(store, error);
    return permanent
               ? hf_manufacture_reconfigure(plan, engines->maker, permanent, ret_changed, error)
               : NULL;
}

static bool examine(const HfSetupPlan *plan, const HfEngines *engines, HfStore *store,
                    GError **error)
{
    g_autoptr(HfSecret) permanent = load(store, error);
    g_autoptr(HfSecret) changed = NULL;
    return permanent &&
           hf_certificates_examine(engines->maker, permanent, plan->withdraw_certificates, &changed,
                                   error) &&
           (!changed || hf_replacement_commit(store, changed, error));
}

static bool store_all(const HfSetupPlan *plan, const HfManufacture *made, HfStore *store,
                      GError **error)
{
    g_autoptr(HfCertificateFiles) files = NULL;
    if (plan->certificate_dir &&
        !(files = hf_certificate_files_prepare(plan->certificate_dir, made, error))) {
        return false;
    }
    if (!hf_replacement_commit(store, made->permanent, error)) {
        g_prefix_error(error, "the new TPM could not be stored: ");
        return false;
    }
    return !files || hf_certificate_files_publish(files, error);
}

static void display(const HfSetupPlan *plan, const HfManufacture *made)
{
    const HfTpmIdentity *tpm = &made->identity;
    hf_log(1, "TPM %s, level %u, revision %u, manufacturer %s, version %s", tpm->family, tpm->level,
           tpm->revision, tpm->manufacturer, tpm->version);
    for (unsigned i = 0; i < made->keys->len; i++) {
        const HfMadeKey *key = g_ptr_array_index(made->keys, i);
        HfTpmName name = hf_public_name(&key->public);
        g_autofree char *hex = hf_hex(name.data, name.size);
        hf_log(1, "key 0x%08x: %s, name %s", key->handle, key->title, hex);
    }
    for (unsigned i = 0; i < made->indices->len; i++) {
        const HfMadeIndex *index = g_ptr_array_index(made->indices, i);
        hf_log(1, "NV index 0x%08x: %s, %zu bytes, attributes 0x%08x", index->index, index->title,
               g_bytes_get_size(index->content), index->attributes);
    }
    if (!plan->tpm12) {
        g_autofree char *banks = hf_bank_names(&made->banks, false);
        hf_log(1, "PCR banks: %s", banks);
    }
}

/* What a run has open, closed in the right order. */
typedef struct {
    HfSecret *key;
    HfEnvelope *envelope;
    HfStore *store;
} Place;

static void place_clear(Place *place)
{
    hf_store_free(place->store);
    hf_envelope_free(place->envelope);
    hf_secret_free(place->key);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* Only looked at: nothing is made, no lock is taken, no key is needed. */
static HfStore *look(const HfSetupPlan *plan, const char *state, GError **error)
{
    const HfStoreConfig config = { .tpm2 = !plan->tpm12, .look_only = true };
    return hf_store_open_uri(state, &config, error);
}

static HfStore *open_locked(const HfSetupPlan *plan, HfEnvelope *envelope, const char *state,
                            GError **error)
{
    const HfStoreConfig config = {
        .tpm2 = !plan->tpm12, .fsync = true, .lock = true, .envelope = envelope
    };
    g_autoptr(HfStore) store = hf_store_open_uri(state, &config, error);
    return store && lock(store, state, error) ? g_steal_pointer(&store) : NULL;
}

static bool place_key(const HfSetupPlan *plan, Place *place, GError **error)
{
    if (plan->encrypted) {
        place->key = hf_key_read(&plan->key, error);
        if (!place->key) {
            return false;
        }
        place->envelope = hf_envelope_aes_new(place->key);
    }
    return true;
}

static bool place_open(const HfSetupPlan *plan, Place *place, GError **error)
{
    place->store = open_locked(plan, place->envelope, plan->state, error);
    return place->store != NULL;
}

/* Looked at before it is opened, which would make a file that is missing. */
static HfStore *open_source(const HfSetupPlan *plan, const Place *place, GError **error)
{
    bool there = false;
    g_autoptr(HfStore) looked_at = look(plan, plan->copy_from, error);
    if (!looked_at || !has_tpm(looked_at, &there, error)) {
        return NULL;
    }
    if (!there) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: there is no TPM to copy", plan->copy_from);
        return NULL;
    }
    hf_store_free(g_steal_pointer(&looked_at)); /* closing its file would give up a lock */
    return open_locked(plan, place->envelope, plan->copy_from, error);
}

/* The target is opened, and made, when there is something to put into it. */
static bool copy(const HfSetupPlan *plan, Place *place, GError **error)
{
    g_autoptr(HfStore) source = open_source(plan, place, error);
    g_autoptr(HfStateCopy) state =
        source ? hf_state_copy_take(source, plan->copy_from, error) : NULL;
    if (!state || !place_open(plan, place, error) ||
        !hf_state_copy_put(state, place->store, plan->state, error)) {
        return false;
    }
    hf_log(1, "The TPM of %s is in %s now, too: use one of them only.", plan->copy_from,
           plan->state);
    return true;
}

static bool check(const HfSetupPlan *plan, const HfManufacture *made, const HfEngines *engines,
                  GError **error)
{
    return plan->tpm12 ? hf_manufacture12_check(plan, made, engines->checker, error)
                       : hf_manufacture_check(made, engines->checker, error);
}

static bool work(const HfSetupPlan *plan, const HfEngines *engines, HfStore *store,
                 bool *ret_changed, GError **error)
{
    bool changed = true;
    g_autoptr(HfManufacture) made =
        plan->reissue || plan->install ? reissue(plan, engines, store, error)
        : plan->reconfigure            ? reconfigure(plan, engines, store, &changed, error)
                                       : make(plan, engines, error);
    if (!made || !check(plan, made, engines, error)) {
        return false;
    }
    hf_engine_child_dismiss(engines->checker);
    if (changed && !store_all(plan, made, store, error)) {
        return false;
    }
    if (plan->display) {
        display(plan, made);
    }
    *ret_changed = changed;
    return true;
}

bool hf_setup_run(const HfSetupPlan *plan, const HfEngines *engines, bool *ret_kept, GError **error)
{
    g_autoptr(HfStore) looked_at = look(plan, plan->state, error);
    g_auto(Place) place = { 0 };
    bool go_on = false;
    /* Looked at without the lock first: keeping a running TPM needs none. */
    if (!looked_at || !decide(plan, looked_at, &go_on, error)) {
        return false;
    }
    hf_store_free(g_steal_pointer(&looked_at)); /* closing its file would give up a lock */
    if (go_on && !place_key(plan, &place, error)) {
        return false;
    }
    if (go_on && plan->copy_from) {
        return copy(plan, &place, error);
    }
    /* Somebody may have been faster: looked at again. */
    if (go_on && (!place_open(plan, &place, error) || !decide(plan, place.store, &go_on, error))) {
        return false;
    }
    *ret_kept = !go_on;
    if (!go_on) {
        hf_say_kept(plan);
        return true;
    }
    if (plan->check_certificates || plan->withdraw_certificates) {
        return examine(plan, engines, place.store, error);
    }
    bool changed = false;
    hf_say_begin(plan);
    bool done = work(plan, engines, place.store, &changed, error);
    hf_say_end(plan, !done, changed);
    return done;
}
