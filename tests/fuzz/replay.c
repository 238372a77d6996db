/*
 * replay.c - runs a fuzz target over its corpus, one TAP line a file.
 *
 * replay-NAME reads every file of corpus/NAME below $top_srcdir/tests/fuzz (or the files it is
 * given). An input that crashes ends the program: the plan is then not met, and the last line of
 * the log names the file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *corpus(const char *program)
{
    const char *top = g_getenv("top_srcdir");
    const char *dash = strstr(program, "replay-");
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *folder = g_build_filename(top ? top : ".", "tests", "fuzz", "corpus",
                                               dash ? dash + strlen("replay-") : "", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name = NULL; dir && (name = g_dir_read_name(dir));) {
        g_ptr_array_add(files, g_build_filename(folder, name, NULL));
    }
    g_ptr_array_sort(files, by_name);
    return files;
}

int main(int argc, char **argv)
{
    g_autofree char *program = g_path_get_basename(argv[0]);
    g_autoptr(GPtrArray) files = corpus(program);
    if (argc > 1 && argv[1][0] != '-') {
        g_ptr_array_set_size(files, 0);
        for (int i = 1; i < argc; i++) {
            g_ptr_array_add(files, g_strdup(argv[i]));
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%u\n", MAX(files->len, 1));
    if (files->len == 0) {
        printf("not ok 1 - %s has a corpus\n", program);
        return 1;
    }
    for (unsigned i = 0; i < files->len; i++) {
        g_autofree char *text = NULL;
        gsize size = 0;
        g_autofree char *name = g_path_get_basename(files->pdata[i]);
        printf("# %s\n", name);
        if (!g_file_get_contents(files->pdata[i], &text, &size, NULL)) {
            printf("not ok %u - %s can be read\n", i + 1, name);
            return 1;
        }
        /* A copy of its exact size, so that valgrind and ASan see a read past its end. */
        g_autofree uint8_t *bytes = g_memdup2(text, size);
        LLVMFuzzerTestOneInput(bytes ? bytes : (const uint8_t *)"", size);
        printf("ok %u - %s\n", i + 1, name);
    }
    return 0;
}
