/*
 * engine_profile.c - custom profiles, cut down to what the host can do.
 *
 * A flat JSON object is all that is understood: names and values are kept as they were written, so
 * what is not ours passes unchanged. Which algorithms are cut, and which sizes and attributes take
 * their place, is what swtpm's option remove-disabled does.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "engine/engine_profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_host.h"

#define NAME_MAX_LENGTH 32u /* libtpms' own */

typedef struct {
    char *key;   /* without quotation marks */
    char *value; /* as written */
} Member;

static void member_clear(void *data)
{
    Member *member = data;
    g_free(member->key);
    g_free(member->value);
}

/* --- a flat object --------------------------------------------------------------------------- */

static void skip_space(const char **cursor)
{
    while (**cursor && strchr(" \t\r\n", **cursor)) {
        (*cursor)++;
    }
}

/* Past a string that begins here. */
static bool skip_string(const char **cursor)
{
    const char *p = *cursor;
    if (*p++ != '"') {
        return false;
    }
    while (*p && *p != '"') {
        if ((unsigned char)*p < 0x20 || (*p == '\\' && p[1] == '\0')) {
            return false;
        }
        p += *p == '\\' ? 2 : 1;
    }
    if (*p != '"') {
        return false;
    }
    *cursor = p + 1;
    return true;
}

/* Past a number, true, false or null. */
static bool skip_word(const char **cursor)
{
    const char *begin = *cursor;
    while (g_ascii_isalnum(**cursor) || (**cursor && strchr("+-.", **cursor))) {
        (*cursor)++;
    }
    return *cursor > begin;
}

/* Past a value that begins here; of objects and lists only the ends are looked for. */
static bool skip_value(const char **cursor)
{
    unsigned depth = 0;
    do {
        skip_space(cursor);
        char c = **cursor;
        bool opens = c == '{' || c == '[';
        bool inside = depth > 0 && c && strchr("}],:", c);
        if (opens || inside) {
            depth += opens ? 1 : 0;
            depth -= c == '}' || c == ']' ? 1 : 0;
            (*cursor)++;
        } else if (c == '"' ? !skip_string(cursor) : !skip_word(cursor)) {
            return false;
        }
    } while (depth > 0);
    return true;
}

static bool read_member(const char **cursor, GArray *members)
{
    skip_space(cursor);
    const char *key = *cursor;
    if (!skip_string(cursor)) {
        return false;
    }
    const char *key_end = *cursor;
    skip_space(cursor);
    if (*(*cursor)++ != ':') {
        return false;
    }
    skip_space(cursor);
    const char *value = *cursor;
    if (!skip_value(cursor)) {
        return false;
    }
    Member member = { g_strndup(key + 1, (size_t)(key_end - key) - 2),
                      g_strndup(value, (size_t)(*cursor - value)) };
    g_array_append_val(members, member);
    skip_space(cursor);
    return true;
}

static GArray *read_object(const char *json)
{
    g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(Member));
    const char *cursor = json;
    g_array_set_clear_func(members, member_clear);
    skip_space(&cursor);
    if (*cursor != '{') {
        return NULL;
    }
    do {
        cursor++;
        if (!read_member(&cursor, members)) {
            return NULL;
        }
    } while (*cursor == ',');
    if (*cursor++ != '}') {
        return NULL;
    }
    skip_space(&cursor);
    return *cursor == '\0' ? g_steal_pointer(&members) : NULL;
}

static char *write_object(const GArray *members)
{
    g_autoptr(GString) json = g_string_new("{");
    for (unsigned i = 0; i < members->len; i++) {
        const Member *member = &g_array_index(members, Member, i);
        g_string_append_printf(json, "%s\"%s\":%s", i > 0 ? "," : "", member->key, member->value);
    }
    g_string_append_c(json, '}');
    return g_string_free(g_steal_pointer(&json), FALSE);
}

/* A string member without escapes, or NULL. Caller frees. */
static char *get_text(const GArray *members, const char *key)
{
    for (unsigned i = 0; i < members->len; i++) {
        const Member *member = &g_array_index(members, Member, i);
        size_t size = strlen(member->value);
        if (strcmp(member->key, key) == 0 && member->value[0] == '"' &&
            !strchr(member->value, '\\')) {
            return g_strndup(member->value + 1, size - 2);
        }
    }
    return NULL;
}

static void set_text(GArray *members, const char *key, const char *text)
{
    char *value = g_strdup_printf("\"%s\"", text);
    for (unsigned i = 0; i < members->len; i++) {
        Member *member = &g_array_index(members, Member, i);
        if (strcmp(member->key, key) == 0) {
            g_free(member->value);
            member->value = value;
            return;
        }
    }
    Member member = { g_strdup(key), value };
    g_array_append_val(members, member);
}

/* --- what is removed ------------------------------------------------------------------------- */

static GPtrArray *split(const char *list)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(list ? list : "", ",", -1);
    for (char **part = parts; *part; part++) {
        if (**part) {
            g_ptr_array_add(words, g_strdup(*part));
        }
    }
    return words;
}

static char *join(const GPtrArray *words)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (unsigned i = 0; i < words->len; i++) {
        g_string_append_printf(list, "%s%s", i > 0 ? "," : "",
                               (const char *)g_ptr_array_index(words, i));
    }
    return g_string_free(g_steal_pointer(&list), FALSE);
}

static bool has_word(const GPtrArray *words, const char *word)
{
    for (unsigned i = 0; i < words->len; i++) {
        if (strcmp(g_ptr_array_index(words, i), word) == 0) {
            return true;
        }
    }
    return false;
}

static void add_word(GPtrArray *words, const char *word)
{
    if (!has_word(words, word)) {
        g_ptr_array_add(words, g_strdup(word));
    }
}

/* The algorithm, and the least size of its keys. */
static void remove_algorithm(GPtrArray *words, const char *name)
{
    g_autofree char *size = g_strdup_printf("%s-min-size=", name);
    for (unsigned i = words->len; i > 0; i--) {
        const char *word = g_ptr_array_index(words, i - 1);
        if (strcmp(word, name) == 0 || g_str_has_prefix(word, size)) {
            g_ptr_array_remove_index(words, i - 1);
        }
    }
}

static bool least_size(GPtrArray *words, const char *prefix, unsigned least, GError **error)
{
    g_autofree char *wanted = g_strdup_printf("%s%u", prefix, least);
    for (unsigned i = 0; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);
        uint64_t size = 0;
        if (!g_str_has_prefix(word, prefix)) {
            continue;
        }
        if (!g_ascii_string_to_unsigned(word + strlen(prefix), 10, 0, G_MAXUINT16, &size, NULL)) {
            return hf_error_set(error, HF_ERROR_INVALID, "expected a number of bits, found '%s'",
                                word);
        }
        if (size < least) {
            g_free(words->pdata[i]);
            words->pdata[i] = g_steal_pointer(&wanted);
        }
        return true;
    }
    g_ptr_array_add(words, g_steal_pointer(&wanted));
    return true;
}

static bool lacks(HfProfileRemoval removal, HfHostAbility ability)
{
    return removal == HF_PROFILE_FIPS_HOST || !hf_host_can(ability);
}

static bool cut_algorithms(GPtrArray *words, HfProfileRemoval removal, GError **error)
{
    static const struct {
        const char *name;
        HfHostAbility ability;
    } rows[] = { { "camellia", HF_HOST_CAMELLIA },
                 { "tdes", HF_HOST_TDES },
                 { "rsaes", HF_HOST_RSAES },
                 { "ecc-nist-p192", HF_HOST_P192 } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (lacks(removal, rows[i].ability)) {
            remove_algorithm(words, rows[i].name);
        }
    }
    return !lacks(removal, HF_HOST_RSA1024) || (least_size(words, "ecc-min-size=", 224, error) &&
                                                least_size(words, "rsa-min-size=", 2048, error));
}

static void set_attributes(GPtrArray *words, HfProfileRemoval removal)
{
    static const struct {
        const char *name;
        HfHostAbility ability;
    } rows[] = { { "no-sha1-signing", HF_HOST_SHA1_SIGN },
                 { "no-sha1-verification", HF_HOST_SHA1_VERIFY },
                 { "no-unpadded-encryption", HF_HOST_UNPADDED } };
    for (size_t i = 0; !has_word(words, "fips-host") && i < G_N_ELEMENTS(rows); i++) {
        if (lacks(removal, rows[i].ability)) {
            add_word(words, rows[i].name);
        }
    }
    /* SHA-1 in HMAC is still allowed in FIPS mode: only where it is really off. */
    if (removal == HF_PROFILE_CHECK && words->len == 0 && !hf_host_can(HF_HOST_SHA1_HMAC)) {
        add_word(words, "no-sha1-hmac");
    }
}

static bool is_custom(const char *name)
{
    return name && (strcmp(name, "custom") == 0 || g_str_has_prefix(name, "custom:"));
}

static char *cut(GArray *members, const char *available, HfProfileRemoval removal, GError **error)
{
    g_autofree char *given = get_text(members, "Algorithms");
    g_autofree char *preset =
        given ? NULL : hf_profile_fact(available, "\"Name\":\"custom\"", "Algorithms");
    g_autofree char *list = get_text(members, "Attributes");
    g_autoptr(GPtrArray) algorithms = split(given ? given : preset);
    g_autoptr(GPtrArray) attributes = split(list);
    if (!given && !preset) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "the TPM library has no custom profile");
        return NULL;
    }
    if (!cut_algorithms(algorithms, removal, error)) {
        return NULL;
    }
    set_attributes(attributes, removal);
    g_autofree char *text = join(algorithms);
    set_text(members, "Algorithms", text);
    if (attributes->len > 0) {
        g_autofree char *joined = join(attributes);
        set_text(members, "Attributes", joined);
    }
    return write_object(members);
}

/* --- from outside ---------------------------------------------------------------------------- */

bool hf_profile_removal_parse(const char *text, HfProfileRemoval *ret_removal, GError **error)
{
    bool check = strcmp(text, "check") == 0;
    if (!check && strcmp(text, "fips-host") != 0) {
        return hf_error_set(error, HF_ERROR_USAGE, "expected check or fips-host, found '%s'", text);
    }
    *ret_removal = check ? HF_PROFILE_CHECK : HF_PROFILE_FIPS_HOST;
    return true;
}

char *hf_profile_prepare(const char *json, const char *available, HfProfileRemoval removal,
                         GError **error)
{
    g_autofree char *text = g_strstrip(g_strdup(json));
    g_autoptr(GArray) members = read_object(text);
    g_autofree char *name = members ? get_text(members, "Name") : NULL;
    if (!name) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "expected a profile, a JSON object with a \"Name\", found: %.100s", text);
        return NULL;
    }
    if (removal == HF_PROFILE_KEEP || !is_custom(name)) {
        return g_steal_pointer(&text);
    }
    return cut(members, available, removal, error);
}

char *hf_profile_by_name(const char *name, GError **error)
{
    static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-:";
    if (*name == '\0' || strlen(name) > NAME_MAX_LENGTH || strspn(name, allowed) != strlen(name)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "expected the name of a profile, 1 to %u letters, digits and .-: only, found "
                     "'%.100s'",
                     NAME_MAX_LENGTH, name);
        return NULL;
    }
    return g_strdup_printf("{\"Name\":\"%s\"}", name);
}

char *hf_profile_fact(const char *info, const char *section, const char *key)
{
    g_autofree char *begin = g_strdup_printf("\"%s\":\"", key);
    const char *at = section ? strstr(info, section) : info;
    at = at ? strstr(at, begin) : NULL;
    if (!at) {
        return NULL;
    }
    at += strlen(begin);
    return g_strndup(at, strcspn(at, "\""));
}
