/*
 * setup_profile.c - looks for a profile where it is named, and lists those there are.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/setup_profile.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tools/common/swtpm_config.h"

#define SUFFIX ".json"
#define DISTRIBUTION "swtpm/profiles" /* where swtpm's packages put them */

/* --- where they are -------------------------------------------------------------------------- */

/* The first of the directories that exists; NULL: none. Caller frees. */
static char *distribution_dir(void)
{
    static const char *const places[] = { HF_DATADIR "/" DISTRIBUTION, "/usr/share/" DISTRIBUTION };
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (access(places[i], F_OK) == 0) {
            return g_strdup(places[i]);
        }
    }
    return NULL;
}

static char *text_of(GBytes *bytes)
{
    return bytes ? g_strstrip(g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)))
                 : NULL;
}

/* Administrators link files, shells make pipes: --profile-file <(...). */
static char *read_file(const char *path, GError **error)
{
    g_autoptr(GBytes) bytes = hf_file_read_input(path, HF_PROFILE_MAX, error);
    return text_of(bytes);
}

/* Whether there is DIR/NAME.json; its path then. */
static bool find_in(const char *dir, const char *name, char **ret_path)
{
    g_autofree char *file = g_strconcat(name, SUFFIX, NULL);
    g_autofree char *path = dir ? g_build_filename(dir, file, NULL) : NULL;
    if (!path || access(path, R_OK) != 0) {
        return false;
    }
    *ret_path = g_steal_pointer(&path);
    return true;
}

/* --- those built in -------------------------------------------------------------------------- */

/* NULL: the library has none, which is no error. */
static JsonNode *built_in(HfEngineChild *engine, GError **error)
{
    g_autofree char *json = hf_engine_child_info(engine, HF_ENGINE_INFO_PROFILES, error);
    return json ? json_from_string(json, error) : NULL;
}

static JsonArray *built_in_list(JsonNode *root)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonNode *list = object ? json_object_get_member(object, "AvailableProfiles") : NULL;
    return list && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;
}

/* The Name of a profile, borrowed; NULL: it is none. */
static const char *name_of(JsonNode *profile)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(profile) ? json_node_get_object(profile) : NULL;
    JsonNode *name = object ? json_object_get_member(object, "Name") : NULL;
    return name && JSON_NODE_HOLDS_VALUE(name) ? json_node_get_string(name) : NULL;
}

char **hf_setup_profile_names(HfEngineChild *engine, GError **error)
{
    g_autoptr(JsonNode) root = built_in(engine, error);
    if (!root) {
        g_prefix_error(error, "the profiles of the engine: ");
        return NULL;
    }
    GPtrArray *names = g_ptr_array_new();
    JsonArray *list = built_in_list(root);
    for (unsigned i = 0; list && i < json_array_get_length(list); i++) {
        const char *name = name_of(json_array_get_element(list, i));
        if (name) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* "custom:NAME" is a name for a profile of the kind "custom". */
static char *built_in_by_name(const char *name, HfEngineChild *engine, GError **error)
{
    g_auto(GStrv) names = hf_setup_profile_names(engine, error);
    g_autofree char *kind = g_strndup(name, strcspn(name, ":"));
    if (!names) {
        return NULL;
    }
    if (!g_strv_contains((const char *const *)names, kind)) {
        g_autofree char *all = g_strjoinv(", ", names);
        hf_error_set(error, HF_ERROR_NOT_FOUND,
                     "there is no profile '%s': neither a file %s" SUFFIX
                     " nor built into libtpms, "
                     "which has %s",
                     name, name, all);
        return NULL;
    }
    return hf_profile_by_name(name, error);
}

/* --- the choice ------------------------------------------------------------------------------ */

/* Of the one directory that the prefix of the name means. */
static char *from_directory(const char *dir, const char *name, GError **error)
{
    g_autofree char *path = NULL;
    if (!find_in(dir, name, &path)) {
        hf_error_set(error, HF_ERROR_NOT_FOUND,
                     "there is no profile '%s' there: cannot read %s/%s" SUFFIX, name,
                     dir ? dir : "swtpm/profiles", name);
        return NULL;
    }
    return read_file(path, error);
}

static char *by_name(const char *given, const HfSetupConfig *config, HfEngineChild *engine,
                     GError **error)
{
    static const char *const prefixes[] = { "local:", "distro:", "builtin:", "" };
    g_autofree char *distribution = distribution_dir();
    const char *const dirs[] = { config->local_profiles_dir, distribution };
    size_t place = 0;
    while (!g_str_has_prefix(given, prefixes[place])) {
        place++;
    }
    const char *name = given + strlen(prefixes[place]);
    g_autofree char *checked = hf_profile_by_name(name, error); /* no / in it, above all */
    if (!checked) {
        return NULL;
    }
    if (place < G_N_ELEMENTS(dirs)) {
        return from_directory(dirs[place], name, error);
    }
    for (size_t i = 0; prefixes[place][0] == '\0' && i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = NULL;
        if (find_in(dirs[i], name, &path)) {
            return read_file(path, error);
        }
    }
    return built_in_by_name(name, engine, error);
}

static char *from_descriptor(int number, GError **error)
{
    hf_autofd int fd = number;
    g_autoptr(GBytes) bytes = hf_fd_read_all(fd, HF_PROFILE_MAX, "descriptor", error);
    return text_of(bytes);
}

static bool given(const HfOptions *o, const HfSetupConfig *config, HfEngineChild *engine,
                  char **ret_json, GError **error)
{
    const char *option = hf_options_has(o, "profile")           ? "profile"
                         : hf_options_has(o, "profile-name")    ? "profile-name"
                         : hf_options_has(o, "profile-file")    ? "profile-file"
                         : hf_options_has(o, "profile-file-fd") ? "profile-file-fd"
                                                                : NULL;
    if (!option) {
        return true;
    }
    const char *kind = option + strlen("profile");
    *ret_json =
        *kind == '\0'                ? g_strdup(hf_options_string(o, option))
        : strcmp(kind, "-name") == 0 ? by_name(hf_options_string(o, option), config, engine, error)
        : strcmp(kind, "-file") == 0 ? read_file(hf_options_string(o, option), error)
                                     : from_descriptor((int)hf_options_int(o, option), error);
    if (!*ret_json) {
        g_prefix_error(error, "--%s: ", option);
    }
    return *ret_json != NULL;
}

static bool configured(const HfSetupConfig *config, char **ret_json, GError **error)
{
    if (config->profile_file) {
        *ret_json = read_file(config->profile_file, error);
        if (!*ret_json) {
            g_prefix_error(error, "%s, profile_file: ", config->path);
        }
        return *ret_json != NULL;
    }
    *ret_json = g_strdup(config->profile);
    return true;
}

bool hf_setup_profile_choose(HfSetupPlan *plan, const HfOptions *options,
                             const HfSetupConfig *config, HfEngineChild *engine, GError **error)
{
    const char *removal = hf_options_string(options, "profile-remove-disabled");
    if (plan->tpm12 || plan->reconfigure || plan->check_certificates ||
        plan->withdraw_certificates || plan->reissue) {
        return true;
    }
    if (!hf_engine_has_profiles()) {
        if (config->profile || config->profile_file) {
            hf_log(1,
                   "Warning: %s: the profile has no effect, the TPM gets the profile \"null\": "
                   "this libtpms has no other.",
                   config->path);
        }
        return true;
    }
    return (!removal || hf_profile_removal_parse(removal, &plan->profile_removal, error)) &&
           given(options, config, engine, &plan->profile, error) &&
           (plan->profile || configured(config, &plan->profile, error));
}

/* --- the list -------------------------------------------------------------------------------- */

/* The profile of a file, by the name that --profile-name knows it by; NULL: it holds none. */
static JsonNode *load_named(const char *dir, const char *file, GError **error)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autofree char *text = read_file(path, error);
    g_autoptr(JsonNode) profile = text ? json_from_string(text, error) : NULL;
    g_autofree char *name = g_strndup(file, strlen(file) - strlen(SUFFIX));
    if (!text || (error && *error)) {
        return NULL;
    }
    if (!profile || !name_of(profile)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a JSON object with a \"Name\"", path);
        return NULL;
    }
    json_object_set_string_member(json_node_get_object(profile), "Name", name);
    return g_steal_pointer(&profile);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the files in `dir`, in order. */
static GPtrArray *list_files(const char *dir)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) stream = g_dir_open(dir, 0, NULL);
    for (const char *name = NULL; stream && (name = g_dir_read_name(stream)) != NULL;) {
        if (g_str_has_suffix(name, SUFFIX)) {
            g_ptr_array_add(files, g_strdup(name));
        }
    }
    g_ptr_array_sort(files, compare_names);
    return files;
}

static void add_directory(JsonObject *all, const char *title, const char *dir)
{
    if (!dir || access(dir, R_OK) != 0) {
        return;
    }
    g_autoptr(GPtrArray) files = list_files(dir);
    g_autoptr(JsonArray) list = json_array_new();
    for (unsigned i = 0; i < files->len; i++) {
        g_autoptr(GError) error = NULL;
        JsonNode *profile = load_named(dir, g_ptr_array_index(files, i), &error);
        if (profile) {
            json_array_add_element(list, profile);
        } else {
            fprintf(stderr, "Left out: %s\n", error->message);
        }
    }
    json_object_set_array_member(all, title, g_steal_pointer(&list));
}

bool hf_setup_profiles_print(const HfSetupConfig *config, HfEngineChild *engine, GError **error)
{
    g_autoptr(JsonNode) root = built_in(engine, error);
    if (!root) {
        return false;
    }
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *all = json_object_new();
    json_node_take_object(node, all);
    JsonArray *list = built_in_list(root);
    if (list) {
        g_autofree char *distribution = distribution_dir();
        add_directory(all, "local", config->local_profiles_dir);
        add_directory(all, "distro", distribution);
        json_object_set_array_member(all, "builtin", json_array_ref(list));
    }
    g_autofree char *text = json_to_string(node, FALSE);
    puts(text);
    return true;
}
