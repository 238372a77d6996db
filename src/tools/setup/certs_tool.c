/*
 * certs_tool.c - runs create_certs_tool and takes what it leaves.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/certs_tool.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define INFO_SPECIFICATION_AND_ATTRIBUTES 3u

struct HfCertsTool {
    const HfSetupPlan *plan;
    JsonNode *info; /* what the library says about itself */
};

void hf_certs_tool_free(HfCertsTool *tool)
{
    if (tool) {
        g_clear_pointer(&tool->info, json_node_unref);
        g_free(tool);
    }
}

/* Given as a path, or to be found in PATH. */
static bool can_run(const char *program)
{
    g_autofree char *found = g_find_program_in_path(program);
    return found != NULL;
}

HfCertsTool *hf_certs_tool_new(const HfSetupPlan *plan, HfEngineChild *engine, GError **error)
{
    if (!can_run(plan->tool)) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "create_certs_tool: cannot run \"%s\"", plan->tool);
        return NULL;
    }
    g_autofree char *json = hf_engine_child_info(engine, INFO_SPECIFICATION_AND_ATTRIBUTES, error);
    g_autoptr(JsonNode) info = json ? json_from_string(json, error) : NULL;
    if (!info || !JSON_NODE_HOLDS_OBJECT(info)) {
        g_prefix_error(error, "what the engine says about itself: ");
        return NULL;
    }
    HfCertsTool *tool = g_new0(HfCertsTool, 1);
    tool->plan = plan;
    tool->info = g_steal_pointer(&info);
    return tool;
}

/* --- the command line --- */

static void add(GPtrArray *argv, const char *option, const char *value)
{
    g_ptr_array_add(argv, g_strdup(option));
    if (value) {
        g_ptr_array_add(argv, g_strdup(value));
    }
}

static void add_if(GPtrArray *argv, const char *option, const char *value)
{
    if (value) {
        add(argv, option, value);
    }
}

/* An option from the library's JSON: "OBJECT", "MEMBER". */
static bool add_fact(GPtrArray *argv, const HfCertsTool *tool, const char *option,
                     const char *object, const char *member, GError **error)
{
    JsonObject *root = json_node_get_object(tool->info);
    JsonNode *node = json_object_get_member(root, object);
    JsonNode *value = node && JSON_NODE_HOLDS_OBJECT(node)
                          ? json_object_get_member(json_node_get_object(node), member)
                          : NULL;
    if (!value || !JSON_NODE_HOLDS_VALUE(value)) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED, "the engine says nothing about its %s, %s",
                            object, member);
    }
    g_autofree char *text = json_node_get_value_type(value) == G_TYPE_STRING
                                ? g_strdup(json_node_get_string(value))
                                : g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(value));
    add(argv, option, text);
    return true;
}

static char *hex_of(GBytes *bytes)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);
    return hf_hex(data, size);
}

/* An RSA modulus, or "x=HEX,y=HEX,id=CURVE". */
static char *key_text(const HfPublicKey *key)
{
    if (hf_public_key_kind(key) == HF_KEY_RSA) {
        uint32_t exponent = 0;
        g_autoptr(GBytes) modulus = hf_public_key_modulus(key, &exponent);
        return hex_of(modulus);
    }
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;
    hf_public_key_point(key, &x, &y);
    g_autofree char *x_hex = hex_of(x);
    g_autofree char *y_hex = hex_of(y);
    return g_strdup_printf("x=%s,y=%s,id=secp%ur1", x_hex, y_hex, hf_public_key_bits(key));
}

static bool make_argv(const HfCertsTool *tool, const char *type, const HfPublicKey *key,
                      const char *dir, GPtrArray *argv, GError **error)
{
    const HfSetupPlan *plan = tool->plan;
    g_autofree char *parameters = key_text(key);
    add(argv, plan->tool, NULL);
    add(argv, "--type", type);
    add(argv, "--ek", parameters);
    add(argv, "--dir", dir);
    if (plan->allow_signing) {
        add(argv, "--allow-signing", NULL);
        if (plan->decryption) {
            add(argv, "--decryption", NULL);
        }
    }
    add_if(argv, "--logfile", plan->logfile);
    add_if(argv, "--vmid", plan->vmid);
    if (!add_fact(argv, tool, "--tpm-spec-family", "TPMSpecification", "family", error) ||
        !add_fact(argv, tool, "--tpm-spec-level", "TPMSpecification", "level", error) ||
        !add_fact(argv, tool, "--tpm-spec-revision", "TPMSpecification", "revision", error) ||
        !add_fact(argv, tool, "--tpm-manufacturer", "TPMAttributes", "manufacturer", error) ||
        !add_fact(argv, tool, "--tpm-model", "TPMAttributes", "model", error) ||
        !add_fact(argv, tool, "--tpm-version", "TPMAttributes", "version", error)) {
        return false;
    }
    add(argv, "--tpm2", NULL);
    add_if(argv, "--configfile", plan->tool_config);
    add_if(argv, "--optsfile", plan->tool_options);
    return true;
}

/* --- the run --- */

static void log_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        if (**line != '\0') {
            hf_log(1, "  %s", *line);
        }
    }
}

static bool run(GPtrArray *argv, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    int status = 0;
    g_autofree char *line = g_strjoinv(" ", (char **)argv->pdata);
    hf_log(1, "  Invoking %s", line);
    if (!g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
                      &status, &cause)) {
        return hf_error_set(error, HF_ERROR_FAILED, "create_certs_tool: %s", cause->message);
    }
    log_lines(out);
    if (status == 0) {
        log_lines(err);
        return true;
    }
    g_strchomp(err);
    return hf_error_set(error, HF_ERROR_FAILED, "%s %s %d%s%s", (char *)argv->pdata[0],
                        WIFSIGNALED(status) ? "died of signal" : "exit with status",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                        *err ? ": " : "", err);
}

/* What the program left, when it is a certificate of `key`. */
static HfCertificate *take(const char *path, const HfPublicKey *key, GError **error)
{
    g_autoptr(GBytes) der = hf_file_read(path, HF_CERTIFICATE_MAX, error);
    g_autoptr(HfCertificate) certificate =
        der ? hf_certificate_new(der, "the certificate it made", error) : NULL;
    g_autoptr(HfPublicKey) certified = NULL;
    if (certificate) {
        gsize size = 0;
        const void *data = g_bytes_get_data(certificate->spki, &size);
        certified = hf_public_key_from_spki(data, size, error);
    }
    if (!certified) {
        g_prefix_error(error, "create_certs_tool: ");
        return NULL;
    }
    if (!hf_public_key_equal(certified, key)) {
        hf_error_set(error, HF_ERROR_AUTH,
                     "create_certs_tool: the certificate it made is one of another key");
        return NULL;
    }
    return g_steal_pointer(&certificate);
}

/* With everything the program left in it, but for directories. */
static void clear_directory(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        (void)g_unlink(file);
    }
    if (dir) {
        g_dir_close(dir);
    }
    (void)g_rmdir(path);
}

HfCertificate *hf_certs_tool_issue(HfCertsTool *tool, const char *type, const HfPublic *key,
                                   GError **error)
{
    g_autoptr(HfPublicKey) public_key = hf_public_key_of(key, error);
    if (!public_key) {
        return NULL;
    }
    g_autoptr(GError) cause = NULL;
    g_autofree char *dir = g_dir_make_tmp("swtpm_setup.certs.XXXXXX", &cause);
    if (!dir) {
        hf_error_set(error, HF_ERROR_IO, "directory for certificates: %s", cause->message);
        return NULL;
    }
    g_autofree char *name = g_strconcat(type, ".cert", NULL);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_null_terminated(32, g_free, TRUE);
    bool made = make_argv(tool, type, public_key, dir, argv, error) && run(argv, error);
    HfCertificate *certificate = made ? take(path, public_key, error) : NULL;
    clear_directory(dir);
    return certificate;
}
