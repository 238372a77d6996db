/*
 * options.c - argv by the table, through getopt_long.
 *
 * The table is turned into getopt_long's own form, so that permutation, abbreviation and
 * `--name=value` behave as everywhere. Values are checked by kind as they come; the getters only
 * look up.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "base/options.h"

#include "base/error.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* getopt's `val` of row i is ROW_BASE + i; the three built-in options stand before the rows. */
enum { BUILTIN_HELP = 256, BUILTIN_VERSION, BUILTIN_COMPLETION, ROW_BASE = 1024 };

typedef struct {
    GPtrArray *texts; /* of char *, NULL-terminated when read; NULL: not given */
    int64_t number;
    HfSubOptions *sub;
} Value;

struct HfOptions {
    const HfProgram *program;
    const HfCommand *command;
    Value *values;       /* one a row */
    GPtrArray *operands; /* of char *, NULL-terminated */
};

static size_t count_rows(const HfOption *rows)
{
    size_t n = 0;
    while (rows[n].name) {
        n++;
    }
    return n;
}

static ssize_t find_row(const HfProgram *program, const char *name)
{
    for (size_t i = 0; program->options[i].name; i++) {
        if (strcmp(program->options[i].name, name) == 0) {
            return (ssize_t)i;
        }
    }
    return -1;
}

void hf_options_free(HfOptions *options)
{
    if (!options) {
        return;
    }
    for (size_t i = 0; options->program->options[i].name; i++) {
        if (options->values[i].texts) {
            g_ptr_array_unref(options->values[i].texts);
        }
        hf_suboptions_free(options->values[i].sub);
    }
    g_free(options->values);
    g_ptr_array_unref(options->operands);
    g_free(options);
}

/* getopt_long's table and short-option string of a program. */
static struct option *long_table(const HfProgram *program, GString *letters)
{
    size_t n = count_rows(program->options);
    struct option *table = g_new0(struct option, n + 4);
    g_string_append(letters, ":");
    bool h_taken = false;
    bool v_taken = false;
    for (size_t i = 0; i < n; i++) {
        const HfOption *row = &program->options[i];
        table[i] =
            (struct option){ .name = row->name,
                             .has_arg = row->kind == HF_KIND_FLAG         ? no_argument
                                        : row->flags & HF_OPTION_OPTIONAL ? optional_argument
                                                                          : required_argument,
                             .val = ROW_BASE + (int)i };
        if (row->letter) {
            g_string_append_c(letters, row->letter);
            g_string_append(letters, row->kind == HF_KIND_FLAG ? "" : ":");
            h_taken |= row->letter == 'h';
            v_taken |= row->letter == 'v';
        }
    }
    g_string_append(letters, h_taken ? "" : "h");
    g_string_append(letters, v_taken ? "" : "v");
    table[n] = (struct option){ .name = "help", .val = BUILTIN_HELP };
    table[n + 1] = (struct option){ .name = "version", .val = BUILTIN_VERSION };
    table[n + 2] = (struct option){ .name = "print-completion", .val = BUILTIN_COMPLETION };
    return table;
}

static ssize_t row_of_letter(const HfProgram *program, int letter)
{
    for (size_t i = 0; program->options[i].name; i++) {
        if (program->options[i].letter == letter) {
            return (ssize_t)i;
        }
    }
    return -1;
}

static bool take_value(HfOptions *options, size_t index, const char *text, GError **error)
{
    const HfOption *row = &options->program->options[index];
    Value *value = &options->values[index];
    g_autofree char *what = g_strdup_printf("--%s", row->name);
    int64_t number = value->number;
    if (row->kind == HF_KIND_FLAG) {
        number = 1;
        text = "true";
    } else if (text[0] == '\0' && (row->flags & (HF_OPTION_OPTIONAL | HF_OPTION_EMPTY))) {
        number = 0;
    } else if (!hf_value_check(row->kind, what, text, row->min, row->max, row->choices, &number,
                               error)) {
        return false;
    }
    if (row->kind == HF_KIND_SUB) {
        HfSubOptions *sub = hf_suboptions_parse(row->sub, what, text, error);
        if (!sub) {
            return false;
        }
        hf_suboptions_free(value->sub);
        value->sub = sub;
    }
    if (!value->texts) {
        value->texts = g_ptr_array_new_null_terminated(2, g_free, TRUE);
    } else if (!(row->flags & HF_OPTION_MULTI)) {
        g_ptr_array_set_size(value->texts, 0); /* the last one counts */
    }
    g_ptr_array_add(value->texts, g_strdup(text));
    value->number = number;
    return true;
}

/* What the user typed, for messages about an option getopt does not accept. */
static bool refuse(int result, char **argv, GError **error)
{
    if (optopt > 0 && optopt < 256 && result == '?') {
        return hf_error_set(error, HF_ERROR_USAGE, "unknown option '-%c'", optopt);
    }
    const char *word = argv[optind - 1];
    if (result == ':') {
        return hf_error_set(error, HF_ERROR_USAGE, "option '%s' wants a value", word);
    }
    if (optopt >= BUILTIN_HELP) {
        return hf_error_set(error, HF_ERROR_USAGE, "option '%s' takes no value", word);
    }
    return hf_error_set(error, HF_ERROR_USAGE, "unknown or ambiguous option '%s'", word);
}

static bool take_command(HfOptions *options, GError **error)
{
    const HfProgram *program = options->program;
    if (!program->commands) {
        return true;
    }
    if (options->operands->len == 0) {
        return program->command_noun
                   ? hf_error_set(error, HF_ERROR_USAGE, "Missing %s.", program->command_noun)
                   : hf_error_set(error, HF_ERROR_USAGE, "a command is missing");
    }
    const char *name = g_ptr_array_index(options->operands, 0);
    for (const HfCommand *c = program->commands; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            options->command = c;
            g_ptr_array_remove_index(options->operands, 0);
            return true;
        }
    }
    return program->command_noun
               ? hf_error_set(error, HF_ERROR_USAGE, "Unsupported %s '%s'.", program->command_noun,
                              name)
               : hf_error_set(error, HF_ERROR_USAGE, "unknown command '%s'", name);
}

static bool check_operands(const HfOptions *options, GError **error)
{
    const HfCommand *c = options->command;
    unsigned min = c ? c->min_operands : options->program->min_operands;
    unsigned max = c ? c->max_operands : options->program->max_operands;
    const char *operands = c ? c->operands : options->program->operands;
    unsigned have = options->operands->len;
    if (have < min) {
        return hf_error_set(error, HF_ERROR_USAGE, "an operand is missing: expected %s", operands);
    }
    if (have > max) {
        return hf_error_set(error, HF_ERROR_USAGE, "unexpected operand '%s'",
                            (const char *)g_ptr_array_index(options->operands, max));
    }
    return true;
}

static bool check_rows(const HfOptions *options, GError **error)
{
    for (size_t i = 0; options->program->options[i].name; i++) {
        const HfOption *row = &options->program->options[i];
        bool given = options->values[i].texts != NULL;
        bool known = !row->where || !options->command || (row->where & options->command->bit);
        if (given && !known) {
            return hf_error_set(error, HF_ERROR_USAGE, "option --%s is not for '%s'", row->name,
                                options->command->name);
        }
        bool needed = (row->flags & HF_OPTION_REQUIRED) &&
                      !(options->command && (row->optional & options->command->bit));
        if (!given && known && needed) {
            return hf_error_set(error, HF_ERROR_USAGE, "option --%s is missing", row->name);
        }
    }
    return true;
}

static void print_builtin(const HfOptions *options, int builtin)
{
    const HfProgram *program = options->program;
    if (builtin == BUILTIN_COMPLETION) {
        hf_options_print_completion(program, stdout);
    } else if (builtin == BUILTIN_VERSION) {
        printf("%s %s\n", program->version_title ? program->version_title : program->name,
               PACKAGE_VERSION);
    } else {
        hf_options_print_help(program, options->command, stdout);
    }
}

/* The row getopt found, or -1 for a built-in option. */
static ssize_t row_of_result(const HfProgram *program, int result)
{
    if (result >= ROW_BASE) {
        return result - ROW_BASE;
    }
    return result >= BUILTIN_HELP ? -1 : row_of_letter(program, result);
}

/* -h and -v are built in where no row took them. */
static int builtin_of_result(int result)
{
    switch (result) {
    case 'h': return BUILTIN_HELP;
    case 'v': return BUILTIN_VERSION;
    default: return result;
    }
}

/* Goes through argv. *ret_builtin: the first built-in option seen, or 0. */
static bool scan(HfOptions *options, int argc, char **argv, int *ret_builtin, GError **error)
{
    const HfProgram *program = options->program;
    g_autoptr(GString) letters = g_string_new(NULL);
    g_autofree struct option *table = long_table(program, letters);
    int builtin = 0;
    optind = 0; /* glibc: start anew */
    opterr = 0;
    for (;;) {
        int result = program->single_dash ? getopt_long_only(argc, argv, letters->str, table, NULL)
                                          : getopt_long(argc, argv, letters->str, table, NULL);
        if (result == -1) {
            break;
        }
        if (result == '?' || result == ':') {
            return refuse(result, argv, error);
        }
        ssize_t row = row_of_result(program, result);
        if (row < 0) {
            builtin = builtin ? builtin : builtin_of_result(result);
        } else if (!take_value(options, (size_t)row, optarg ? optarg : "", error)) {
            return false;
        }
    }
    for (int i = optind; i < argc; i++) {
        g_ptr_array_add(options->operands, g_strdup(argv[i]));
    }
    *ret_builtin = builtin;
    return true;
}

HfOptions *hf_options_parse(const HfProgram *program, int argc, char **argv, bool *ret_done,
                            GError **error)
{
    g_autoptr(HfOptions) options = g_new0(HfOptions, 1);
    options->program = program;
    options->values = g_new0(Value, count_rows(program->options) + 1);
    options->operands = g_ptr_array_new_null_terminated(4, g_free, TRUE);
    int builtin = 0;
    if (!scan(options, argc, argv, &builtin, error)) {
        return NULL;
    }
    bool commanded = take_command(options, builtin ? NULL : error);
    if (builtin) {
        print_builtin(options, builtin);
        *ret_done = true;
        return g_steal_pointer(&options);
    }
    if (!commanded || !check_rows(options, error) || !check_operands(options, error)) {
        return NULL;
    }
    *ret_done = false;
    return g_steal_pointer(&options);
}

HfOptions *hf_options_parse_or_exit(const HfProgram *program, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    bool done = false;
    HfOptions *options = hf_options_parse(program, argc, argv, &done, &error);
    if (!options) {
        fprintf(stderr, "%s: %s\nTry '%s --help'.\n", program->name, error->message, program->name);
        exit(program->usage_exit);
    }
    if (done) {
        hf_options_free(options);
        exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    return options;
}

const HfCommand *hf_options_command(const HfOptions *options)
{
    return options->command;
}

const char *const *hf_options_operands(const HfOptions *options)
{
    return (const char *const *)options->operands->pdata;
}

static const Value *value_of(const HfOptions *options, const char *name, const HfOption **ret_row)
{
    ssize_t row = find_row(options->program, name);
    g_assert(row >= 0);
    *ret_row = &options->program->options[row];
    return &options->values[row];
}

bool hf_options_has(const HfOptions *options, const char *name)
{
    const HfOption *row = NULL;
    return value_of(options, name, &row)->texts != NULL;
}

const char *hf_options_string(const HfOptions *options, const char *name)
{
    const HfOption *row = NULL;
    const Value *value = value_of(options, name, &row);
    return value->texts ? g_ptr_array_index(value->texts, value->texts->len - 1) : row->preset;
}

int64_t hf_options_int(const HfOptions *options, const char *name)
{
    const HfOption *row = NULL;
    const Value *value = value_of(options, name, &row);
    int64_t number = value->number;
    if (!value->texts && row->preset) {
        bool valid = hf_value_check(row->kind, name, row->preset, row->min, row->max, row->choices,
                                    &number, NULL);
        g_assert(valid);
    }
    return number;
}

bool hf_options_flag(const HfOptions *options, const char *name)
{
    return hf_options_int(options, name) != 0;
}

const char *const *hf_options_list(const HfOptions *options, const char *name)
{
    static const char *const nothing[] = { NULL };
    const HfOption *row = NULL;
    const Value *value = value_of(options, name, &row);
    return value->texts ? (const char *const *)value->texts->pdata : nothing;
}

const HfSubOptions *hf_options_sub(const HfOptions *options, const char *name)
{
    const HfOption *row = NULL;
    return value_of(options, name, &row)->sub;
}
