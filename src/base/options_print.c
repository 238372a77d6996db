/*
 * options_print.c - what else comes from the option table: help, completion, feature words.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/options.h"

#include <string.h>

static bool shown(const HfOption *row, const HfCommand *command)
{
    if (row->flags & HF_OPTION_HIDDEN) {
        return false;
    }
    return !command || !row->where || (row->where & command->bit);
}

/* Where long options may have one dash, the shortest are known by it. */
static const char *dashes(const HfProgram *program, const HfOption *row)
{
    return program->single_dash && strlen(row->name) <= 2 ? "-" : "--";
}

static char *left_column(const HfProgram *program, const HfOption *row)
{
    g_autofree char *letter =
        row->letter ? g_strdup_printf("-%c, ", row->letter) : g_strdup("    ");
    if (row->flags & HF_OPTION_OPTIONAL) {
        return g_strdup_printf("  %s--%s[=%s]", letter, row->name, row->arg);
    }
    return g_strdup_printf("  %s%s%s%s%s", letter, dashes(program, row), row->name,
                           row->kind == HF_KIND_FLAG ? "" : " ",
                           row->kind == HF_KIND_FLAG ? "" : row->arg);
}

static void print_sub_rows(FILE *out, const HfSubOption *sub)
{
    for (; sub && sub->name; sub++) {
        bool flag = sub->kind == HF_KIND_FLAG;
        const char *value = flag ? "" : sub->kind == HF_KIND_CHOICE ? sub->choices : sub->arg;
        fprintf(out, "%32s%s%s%s", "", sub->name, flag ? "" : "=", value);
        if (sub->help) {
            fprintf(out, ": %s", sub->help);
        }
        if (sub->preset) {
            fprintf(out, " (default: %s)", sub->preset);
        }
        fputc('\n', out);
    }
}

static void print_row(FILE *out, const HfProgram *program, const HfOption *row)
{
    g_autofree char *left = left_column(program, row);
    fprintf(out, strlen(left) > 29 ? "%s\n%30s" : "%-29s %s", left,
            strlen(left) > 29 ? "" : row->help);
    if (strlen(left) > 29) {
        fputs(row->help, out);
    }
    if (row->flags & HF_OPTION_IGNORED) {
        fputs(" (accepted and ignored)", out);
    }
    if (row->kind == HF_KIND_CHOICE) {
        fprintf(out, " [%s]", row->choices);
    }
    if (row->preset) {
        fprintf(out, " (default: %s)", row->preset);
    }
    fputc('\n', out);
    print_sub_rows(out, row->sub);
}

static void print_usage(FILE *out, const HfProgram *program, const HfCommand *command)
{
    const char *operands = command ? command->operands : program->operands;
    fprintf(out, "Usage: %s%s%s [OPTION...]%s%s\n", program->name, program->commands ? " " : "",
            command             ? command->name
            : program->commands ? "COMMAND"
                                : "",
            operands ? " " : "", operands ? operands : "");
    const char *says = command ? command->help : program->summary;
    fprintf(out, "%c%s.\n", g_ascii_toupper(says[0]), says + 1);
}

void hf_options_print_help(const HfProgram *program, const HfCommand *command, FILE *out)
{
    print_usage(out, program, command);
    if (!command && program->commands) {
        fputs("\nCommands:\n", out);
        for (const HfCommand *c = program->commands; c->name; c++) {
            fprintf(out, "  %-22s %s\n", c->name, c->help);
        }
    }
    fputs("\nOptions:\n", out);
    for (const HfOption *row = program->options; row->name; row++) {
        if (shown(row, command)) {
            print_row(out, program, row);
        }
    }
    fputs("      --help                  show this help\n"
          "      --version               show the version\n"
          "      --print-completion      show a bash completion script\n",
          out);
}

static void print_words(FILE *out, const HfProgram *program, const HfCommand *command)
{
    for (const HfOption *row = program->options; row->name; row++) {
        if (shown(row, command)) {
            fprintf(out, " %s%s", dashes(program, row), row->name);
        }
    }
    fputs(" --help --version", out);
}

/* Words for the value of an option: choices, sub-option names, or nothing (file names). */
static void print_value_case(FILE *out, const HfOption *row)
{
    if (row->kind == HF_KIND_CHOICE) {
        g_auto(GStrv) words = g_strsplit(row->choices, "|", -1);
        g_autofree char *joined = g_strjoinv(" ", words);
        fprintf(out, "        --%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return;;\n",
                row->name, joined);
    } else if (row->kind == HF_KIND_SUB) {
        fprintf(out, "        --%s) compopt -o nospace; COMPREPLY=($(compgen -W '", row->name);
        for (const HfSubOption *s = row->sub; s->name; s++) {
            fprintf(out, "%s%s%s", s == row->sub ? "" : " ", s->name,
                    s->kind == HF_KIND_FLAG ? "" : "=");
        }
        fputs("' -- \"$cur\")); return;;\n", out);
    } else if (row->kind == HF_KIND_PATH) {
        fprintf(out, "        --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n", row->name);
    } else if (row->kind != HF_KIND_FLAG) {
        fprintf(out, "        --%s) return;;\n", row->name);
    }
}

void hf_options_print_completion(const HfProgram *program, FILE *out)
{
    g_autofree char *function = g_strdelimit(g_strdup_printf("_%s", program->name), "-", '_');
    fprintf(out, "# bash completion for %s\n%s()\n{\n", program->name, function);
    fputs("    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words\n"
          "    case $prev in\n",
          out);
    for (const HfOption *row = program->options; row->name; row++) {
        print_value_case(out, row);
    }
    fputs("    esac\n    case ${COMP_WORDS[1]} in\n", out);
    for (const HfCommand *c = program->commands; c && c->name; c++) {
        fprintf(out, "        %s) words='", c->name);
        print_words(out, program, c);
        fputs("';;\n", out);
    }
    fputs("        *) words='", out);
    for (const HfCommand *c = program->commands; c && c->name; c++) {
        fprintf(out, " %s", c->name);
    }
    print_words(out, program, NULL);
    fprintf(out,
            "';;\n    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
            "complete -F %s %s\n",
            function, program->name);
}

void hf_options_features(const HfProgram *program, GPtrArray *words)
{
    for (const HfOption *row = program->options; row->name; row++) {
        if (!row->features) {
            continue;
        }
        g_auto(GStrv) list = g_strsplit(row->features, " ", -1);
        for (char **word = list; *word; word++) {
            if (!g_ptr_array_find_with_equal_func(words, *word, g_str_equal, NULL)) {
                g_ptr_array_add(words, g_strdup(*word));
            }
        }
    }
}
