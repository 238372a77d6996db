/*
 * batch_file.c - reads the file of --batch and finds everything that is wrong with its lines.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/batch_file.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/setup/setup_options.h"

/* Of the whole run. The authority is one, because one process has it open. */
static const char *const of_the_run[] = { "batch",
                                          "jobs",
                                          "config",
                                          "runas",
                                          "logfile",
                                          "authority",
                                          "tcti",
                                          "create-config-files",
                                          "print-capabilities",
                                          "print-profiles" };
/* Of one TPM. */
static const char *const of_a_tpm[] = { "tpm-state", "tpmstate", "vmid", "write-ek-cert-files",
                                        "reproducible-from" };
/* A descriptor can be read to its end once. */
static const char *const of_neither[] = { "keyfile-fd", "pwdfile-fd", "profile-file-fd" };

static bool refuse(const HfOptions *options, const char *const *names, size_t count,
                   const char *why, GError **error)
{
    for (size_t i = 0; i < count; i++) {
        if (hf_options_has(options, names[i])) {
            return hf_error_set(error, HF_ERROR_USAGE, "--%s %s", names[i], why);
        }
    }
    return true;
}

bool hf_batch_check(const HfOptions *options, GError **error)
{
    return refuse(options, of_a_tpm, G_N_ELEMENTS(of_a_tpm),
                  "is for one TPM: with --batch it goes into the lines of the file", error) &&
           refuse(options, of_neither, G_N_ELEMENTS(of_neither),
                  "can be read once only: with --batch give files", error);
}

static void line_free(void *data)
{
    HfBatchLine *line = data;
    hf_options_free(line->options);
    g_clear_error(&line->error);
    g_free(line);
}

static HfOptions *parse_words(const HfProgram *program, GPtrArray *words, GError **error)
{
    bool done = false;
    /* getopt moves the words around: a copy of the pointers. */
    g_autofree char **argv = g_memdup2(words->pdata, (words->len + 1) * sizeof(char *));
    g_autoptr(HfOptions) options = hf_options_parse(program, (int)words->len, argv, &done, error);
    if (options && (done || hf_options_operands(options)[0])) {
        hf_error_set(error, HF_ERROR_USAGE,
                     done ? "expected the options of a TPM, found --help or one like it"
                          : "unexpected operand \"%s\"",
                     hf_options_operands(options)[0]);
        return NULL;
    }
    return g_steal_pointer(&options);
}

/* The line alone says what it may not say; together with the command line it has to make sense. */
static HfOptions *parse_line(const char *text, const HfBatchCommand *command, GError **error)
{
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) local = NULL;
    int count = 0;
    if (!g_shell_parse_argv(text, &count, &words, &local)) {
        hf_error_set(error, HF_ERROR_USAGE, "%s", local->message);
        return NULL;
    }
    g_autoptr(GPtrArray) alone = g_ptr_array_new_null_terminated((guint)count + 1, NULL, TRUE);
    g_autoptr(GPtrArray) all = g_ptr_array_new_null_terminated((guint)count + 1, NULL, TRUE);
    g_ptr_array_add(alone, command->argv[0]);
    for (int i = 0; i < command->argc; i++) {
        g_ptr_array_add(all, command->argv[i]);
    }
    for (int i = 0; i < count; i++) {
        g_ptr_array_add(alone, words[i]);
        g_ptr_array_add(all, words[i]);
    }
    g_autoptr(HfOptions) own = parse_words(command->program, alone, error);
    if (!own ||
        !refuse(own, of_the_run, G_N_ELEMENTS(of_the_run),
                "is for the whole run: it goes on the command line", error) ||
        !refuse(own, of_neither, G_N_ELEMENTS(of_neither),
                "can be read once only: in a batch give files", error)) {
        return NULL;
    }
    g_autoptr(HfOptions) options = parse_words(command->program, all, error);
    return options && hf_setup_options_check(options, command->swtpm, error)
               ? g_steal_pointer(&options)
               : NULL;
}

static const char *state_of(const HfOptions *options)
{
    const char *state = hf_options_string(options, "tpm-state");
    return state ? state : hf_options_string(options, "tpmstate");
}

/* Two lines for one TPM are a mistake that would otherwise go unnoticed: the second finds it made. */
static void check_state(HfBatchLine *line, GHashTable *states)
{
    char *name = g_canonicalize_filename(line->state, NULL);
    const HfBatchLine *before = g_hash_table_lookup(states, name);
    if (!before) {
        g_hash_table_insert(states, name, line);
        return;
    }
    hf_error_set(&line->error, HF_ERROR_USAGE, "the state \"%s\" is that of line %u already",
                 line->state, before->number);
    g_clear_pointer(&line->options, hf_options_free);
    line->state = NULL;
    g_free(name);
}

GPtrArray *hf_batch_file_parse(const char *text, size_t size, const char *label,
                               const HfBatchCommand *command, GError **error)
{
    if (size > 0 && (memchr(text, '\0', size) || !g_utf8_validate(text, (gssize)size, NULL))) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a text file in UTF-8", label);
        return NULL;
    }
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(line_free);
    g_autoptr(GHashTable) states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *copy = g_strndup(text, size);
    g_auto(GStrv) texts = g_strsplit(copy, "\n", -1);
    for (unsigned i = 0; texts[i]; i++) {
        const char *words = g_strstrip(texts[i]);
        if (words[0] == '\0' || words[0] == '#') {
            continue;
        }
        HfBatchLine *line = g_new0(HfBatchLine, 1);
        g_ptr_array_add(lines, line);
        line->number = i + 1;
        line->options = parse_line(words, command, &line->error);
        if (line->options) {
            line->state = state_of(line->options);
            check_state(line, states);
        }
        if (line->error) {
            g_prefix_error(&line->error, "%s, line %u: ", label, line->number);
        }
    }
    if (lines->len == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: there is no TPM in it", label);
        return NULL;
    }
    return g_steal_pointer(&lines);
}

static bool is_input(const char *path)
{
    return strcmp(path, "-") == 0;
}

const char *hf_batch_file_label(const char *path)
{
    return is_input(path) ? "standard input" : path;
}

GPtrArray *hf_batch_file_read(const char *path, const HfBatchCommand *command, GError **error)
{
    bool input = is_input(path);
    const char *label = hf_batch_file_label(path);
    g_autoptr(GBytes) bytes = input ? hf_fd_read_all(STDIN_FILENO, HF_BATCH_FILE_MAX, label, error)
                                    : hf_file_read(path, HF_BATCH_FILE_MAX, error);
    if (!bytes) {
        return NULL;
    }
    size_t size;
    const char *text = g_bytes_get_data(bytes, &size);
    return hf_batch_file_parse(text ? text : "", size, label, command, error);
}
