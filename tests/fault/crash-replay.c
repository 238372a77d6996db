/*
 * crash-replay.c - every crash in a trace: what was acknowledged is there, whatever the disk lost.
 *
 *     crash-replay new TRACE DIRECTORY       an empty trace, with what the directory holds now
 *     crash-replay check TRACE URI [OPTION...]
 *         URI              the store, with %s for the directory: dir://%s, file://%s/state
 *         --value=N        the blobs are of a real TPM, whose NV counter is N in the end: start it
 *         --volatile-goes  a change may also stop where the volatile state is gone already
 *         --keep=DIR       a few of the disks stay there, in 0, 1, ...
 *
 * Between two answers the directory may be found as it was at the first or at the second, and as
 * nothing else; after every one of these crashes the store is written to and read. Prints TAP.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "disk.h"
#include "emulator/emulator.h"
#include "state/store.h"

#define TRACE_SIZE_MAX (64u * 1024u * 1024u)
#define NV_INDEX 0x01500000u
#define KEPT 12u
#define RANDOM_CHOICES 16u

typedef struct {
    const char *uri;
    gint64 value; /* -1: the blobs are of no TPM */
    gboolean volatile_goes;
    char *keep;
} Options;

typedef struct {
    Options options;
    char *scratch;       /* a directory, in memory where there is one */
    GHashTable *known;   /* digest of a disk -> what was recovered from it */
    GPtrArray *expected; /* what was recovered at the n-th answer */
    unsigned crashes, wrong, kept;
    GRand *random;
} Check;

/* --- the trace -------------------------------------------------------------------------------- */

static TraceHeader *map_trace(const char *path, bool fresh)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_TRUNC : 0), 0666);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(!fresh || ftruncate(fd, TRACE_SIZE_MAX) == 0);
    void *map = mmap(NULL, TRACE_SIZE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(map != MAP_FAILED);
    (void)close(fd);
    return map;
}

static void append(TraceHeader *trace, TraceRecord record, const char *name, const char *data)
{
    uint8_t *out = (uint8_t *)(trace + 1) + trace->used;
    record.name_size = (uint16_t)(name ? strlen(name) : 0);
    record.size = (uint32_t)(sizeof(record) + record.name_size + record.data_size + 7) / 8 * 8;
    memcpy(out, &record, sizeof(record));
    memcpy(out + sizeof(record), name ? name : "", record.name_size);
    memcpy(out + sizeof(record) + record.name_size, data ? data : "", record.data_size);
    trace->used += record.size;
}

static int trace_new(const char *path, const char *directory)
{
    TraceHeader *trace = map_trace(path, true);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    struct stat st;
    g_assert_nonnull(dir);
    g_assert_cmpint(stat(directory, &st), ==, 0);
    trace->magic = TRACE_MAGIC;
    trace->directory = st.st_ino;
    for (const char *name = NULL; (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(directory, name, NULL);
        g_autofree char *text = NULL;
        gsize size = 0;
        if (lstat(file, &st) == 0 && S_ISREG(st.st_mode)) {
            g_assert_true(g_file_get_contents(file, &text, &size, NULL));
            TraceRecord record = { .op = TRACE_CREATE,
                                   .inode = st.st_ino,
                                   .dir = trace->directory };
            append(trace, record, name, NULL);
            record =
                (TraceRecord){ .op = TRACE_WRITE, .inode = st.st_ino, .data_size = (uint32_t)size };
            append(trace, record, NULL, text);
            append(trace, (TraceRecord){ .op = TRACE_SYNC, .inode = st.st_ino }, NULL, NULL);
        }
    }
    append(trace, (TraceRecord){ .op = TRACE_SYNC, .inode = trace->directory }, NULL, NULL);
    trace->first = trace->used;
    return 0;
}

/* The record at *at, which moves on; NULL at the end. */
static const TraceRecord *next(const TraceHeader *trace, uint64_t *at, const uint8_t **ret_strings)
{
    const uint8_t *record = (const uint8_t *)(trace + 1) + *at;
    if (*at >= trace->used) {
        return NULL;
    }
    g_assert_cmpuint(((const TraceRecord *)record)->size, >, 0);
    *at += ((const TraceRecord *)record)->size;
    *ret_strings = record + sizeof(TraceRecord);
    return (const TraceRecord *)record;
}

/* --- one disk --------------------------------------------------------------------------------- */

static void empty_directory(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name = NULL; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_assert_cmpint(unlink(file), ==, 0);
    }
}

static void put_files(const char *directory, GHashTable *files)
{
    GHashTableIter iter;
    gpointer name, bytes;
    empty_directory(directory);
    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &name, &bytes)) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        gsize size = 0;
        const char *data = g_bytes_get_data(bytes, &size);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(write(fd, data ? data : "", size), ==, size);
        (void)close(fd);
    }
}

static char *digest_files(GHashTable *files)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(files), (GCompareFunc)strcmp);
    for (GList *l = names; l; l = l->next) {
        gsize size = 0;
        const uint8_t *data = g_bytes_get_data(g_hash_table_lookup(files, l->data), &size);
        g_autofree char *head = g_strdup_printf("%s/%zu/", (char *)l->data, size);
        g_checksum_update(sum, (const guchar *)head, -1);
        if (size > 0) {
            g_checksum_update(sum, data, (gssize)size);
        }
    }
    return g_strdup(g_checksum_get_string(sum));
}

static HfStore *open_store(const Check *check, GError **error)
{
    const HfStoreConfig config = { .tpm2 = true, .fsync = true, .lock = true, .backup = true };
    const char *mark = strstr(check->options.uri, "%s");
    g_autofree char *uri = g_strdup_printf("%.*s%s%s", (int)(mark - check->options.uri),
                                           check->options.uri, check->scratch, mark + 2);
    return hf_store_open_uri(uri, &config, error);
}

/* "digest|-|digest" of what the store finds, or why it refuses. */
static char *look(HfStore *store)
{
    g_autoptr(GString) found = g_string_new(NULL);
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) blob = store->class->load(store, (HfStateKind)kind, &error);
        if (blob) {
            g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, blob);
            g_string_append(found, digest);
        } else if (hf_error_is(error, HF_ERROR_NOT_FOUND)) {
            g_string_append(found, "-");
        } else {
            return g_strdup_printf("refused: %s", error->message);
        }
        g_string_append(found, "|");
    }
    return g_string_free(g_steal_pointer(&found), FALSE);
}

/* A blob is replaced; the others stay. */
static char *write_after(HfStore *store)
{
    static const uint8_t blob[] = "after the crash";
    g_autoptr(GError) error = NULL;
    g_autofree char *before = look(store);
    if (!store->class->save(store, HF_STATE_PERMANENT, blob, sizeof(blob), &error)) {
        return g_strdup_printf("cannot be written to: %s", error->message);
    }
    g_autofree char *after = look(store);
    g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, blob, sizeof(blob));
    bool others = g_strcmp0(strchr(before, '|'), strchr(after, '|')) == 0;
    return others && g_str_has_prefix(after, digest)
               ? NULL
               : g_strdup_printf("a save turns %s into %s", before, after);
}

/* The counter of the TPM in the store, -1 when it has none; -2 and *ret_why: it does not work. */
static gint64 start_tpm(HfStore *store, char **ret_why)
{
    static const uint8_t startup[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0 };
    static const uint8_t read[] = { 0x80, 2, 0,    0,    0,    35,   0, 0, 1, 0x4e, 0x40, 0,
                                    0,    1, 0x01, 0x50, 0x00, 0x00, 0, 0, 0, 9,    0x40, 0,
                                    0,    9, 0,    0,    0,    0,    0, 0, 8, 0,    0 };
    HfEmulatorConfig config = { .version = HF_TPM_2_0, .no_auto_shutdown = true };
    uint8_t response[HF_TPM_BUFFER_MAX];
    GError *error = NULL;
    g_autoptr(HfEmulator) emulator = hf_emulator_new(&config, store, &error);
    g_assert_no_error(error);
    uint32_t result = hf_emulator_init(emulator, 0);
    size_t n = result == 0 ? hf_emulator_execute(emulator, startup, sizeof(startup), response) : 0;
    uint32_t code = n >= 10 ? hf_fetch_u32(response + 6) : 0xffff;
    if (result != 0 || (code != 0 && code != 0x100)) {
        *ret_why = g_strdup_printf("INIT 0x%x, Startup 0x%x", result, code);
        return -2;
    }
    n = hf_emulator_execute(emulator, read, sizeof(read), response);
    code = hf_fetch_u32(response + 6);
    if (code == 0x28b || code == 0x14a) { /* not defined, not written */
        return -1;
    }
    if (code != 0 || n < 24) {
        *ret_why = g_strdup_printf("NV_Read 0x%x", code);
        return -2;
    }
    return (gint64)hf_fetch_u32(response + 20);
}

/* What the store makes of the files, as a line: equal lines are equal states. */
static char *recover(Check *check, GHashTable *files)
{
    g_autofree char *digest = digest_files(files);
    const char *known = g_hash_table_lookup(check->known, digest);
    g_autoptr(GError) error = NULL;
    char *why = NULL;
    if (known) {
        return g_strdup(known);
    }
    put_files(check->scratch, files);
    g_autoptr(HfStore) store = open_store(check, &error);
    char *found = store ? look(store) : g_strdup_printf("refused: %s", error->message);
    if (store && !store->class->lock(store, 0, &error)) {
        why = g_strdup_printf("cannot be locked: %s", error->message);
    } else if (store && check->options.value >= 0) {
        bool none = g_str_has_prefix(found, "-|");
        gint64 value = start_tpm(g_steal_pointer(&store), &why);
        char *more = g_strdup_printf("%s %" G_GINT64_FORMAT, found, none ? -1 : value);
        g_free(found);
        found = more;
    } else if (store) {
        why = write_after(store);
    }
    if (why) {
        g_free(found);
        found = g_strdup_printf("refused: %s", why);
        g_free(why);
    }
    g_hash_table_insert(check->known, g_steal_pointer(&digest), g_strdup(found));
    return found;
}

/* --- crashes ---------------------------------------------------------------------------------- */

static void keep(Check *check, GHashTable *files)
{
    g_autofree char *name = g_strdup_printf("%u", check->kept);
    g_autofree char *path = g_build_filename(check->options.keep, name, NULL);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    put_files(path, files);
    check->kept++;
}

/* The same permanent state, and no volatile one. */
static bool only_volatile_gone(const char *found, const char *wanted)
{
    g_auto(GStrv) a = g_strsplit(found, "|", -1);
    g_auto(GStrv) b = g_strsplit(wanted, "|", -1);
    return g_strv_length(a) == HF_STATE_COUNT + 1u && g_strv_length(b) == HF_STATE_COUNT + 1u &&
           strcmp(a[0], b[0]) == 0 && (strcmp(a[1], "-") == 0 || strcmp(a[1], b[1]) == 0) &&
           (strcmp(a[2], "-") == 0 || strcmp(a[2], b[2]) == 0) && strcmp(a[3], b[3]) == 0;
}

static bool allowed(const Check *check, const char *found, unsigned answers)
{
    const char *last = check->expected->pdata[answers];
    const char *new = check->expected->pdata[MIN(answers + 1, check->expected->len - 1)];
    return !g_str_has_prefix(found, "refused") &&
           (strcmp(found, last) == 0 || strcmp(found, new) == 0 ||
            (check->options.volatile_goes && only_volatile_gone(found, last)));
}

static void crash(Check *check, const Disk *disk, const uint8_t *chosen, unsigned answers,
                  unsigned calls)
{
    g_autoptr(GHashTable) files = disk_files(disk, chosen);
    unsigned before = g_hash_table_size(check->known);
    g_autofree char *found = recover(check, files);
    check->crashes++;
    if (!allowed(check, found, answers)) {
        if (check->wrong++ < 5) {
            printf("# after call %u, %u answers, %u pieces:\n#   found %s\n#   before %s\n"
                   "#   after %s\n",
                   calls, answers, disk_pieces(disk), found,
                   (char *)check->expected->pdata[answers],
                   (char *)check->expected->pdata[MIN(answers + 1, check->expected->len - 1)]);
        }
    }
    bool is_new = g_hash_table_size(check->known) > before;
    if (check->options.keep && is_new && check->kept < KEPT &&
        g_rand_int_range(check->random, 0, 20) == 0) {
        keep(check, files);
    }
}

/* All choices of a few pieces; of many: none, all, each alone, all but each, the first ones, any. */
static void crash_here(Check *check, const Disk *disk, unsigned answers, unsigned calls)
{
    unsigned n = disk_pieces(disk);
    g_autofree uint8_t *chosen = g_malloc0(n + 1);
    crash(check, disk, NULL, answers, calls); /* killed only */
    if (n <= 6) {
        for (unsigned bits = 0; bits < 1u << n; bits++) {
            for (unsigned i = 0; i < n; i++) {
                chosen[i] = (bits >> i) & 1;
            }
            crash(check, disk, chosen, answers, calls);
        }
        return;
    }
    for (unsigned i = 0; i <= n; i++) {
        for (unsigned way = 0; way < 3; way++) {
            for (unsigned j = 0; j < n; j++) {
                chosen[j] = way == 0 ? j == i : way == 1 ? j != i : j < i;
            }
            crash(check, disk, chosen, answers, calls);
        }
    }
    for (unsigned round = 0; round < RANDOM_CHOICES; round++) {
        for (unsigned j = 0; j < n; j++) {
            chosen[j] = (uint8_t)g_rand_boolean(check->random);
        }
        crash(check, disk, chosen, answers, calls);
    }
}

static Disk *disk_before(const TraceHeader *trace, uint64_t *ret_at)
{
    Disk *disk = disk_new(trace->directory);
    const uint8_t *strings = NULL;
    for (*ret_at = 0; *ret_at < trace->first;) {
        const TraceRecord *record = next(trace, ret_at, &strings);
        (void)disk_call(disk, record, strings);
    }
    g_assert_cmpuint(disk_pieces(disk), ==, 0);
    return disk;
}

static void expect(Check *check, const Disk *disk)
{
    g_autoptr(GHashTable) files = disk_files(disk, NULL);
    g_ptr_array_add(check->expected, recover(check, files));
}

static void collect_answers(Check *check, const TraceHeader *trace)
{
    uint64_t at;
    g_autoptr(Disk) disk = disk_before(trace, &at);
    const uint8_t *strings = NULL;
    expect(check, disk);
    for (const TraceRecord *record; (record = next(trace, &at, &strings));) {
        if (record->op == TRACE_ANSWER) {
            expect(check, disk);
        } else {
            (void)disk_call(disk, record, strings);
        }
    }
    expect(check, disk);
}

static unsigned play(Check *check, const TraceHeader *trace)
{
    uint64_t at;
    g_autoptr(Disk) disk = disk_before(trace, &at);
    const uint8_t *strings = NULL;
    unsigned answers = 0, calls = 0;
    crash_here(check, disk, answers, calls);
    for (const TraceRecord *record; (record = next(trace, &at, &strings));) {
        bool answer = record->op == TRACE_ANSWER;
        answers += answer;
        if (answer || disk_call(disk, record, strings)) {
            calls += !answer;
            crash_here(check, disk, answers, calls);
        }
    }
    return calls;
}

/* The counter never goes back, and is N in the end. */
static bool values_right(const Check *check)
{
    gint64 last = -1;
    for (unsigned i = 0; i < check->expected->len; i++) {
        const char *space = strrchr(check->expected->pdata[i], ' ');
        gint64 value = space ? g_ascii_strtoll(space + 1, NULL, 10) : -2;
        if (value < last) {
            printf("# answer %u: %s\n", i, (char *)check->expected->pdata[i]);
            return false;
        }
        last = value;
    }
    return last == check->options.value;
}

static int check_trace(const char *path, const Options *options)
{
    const TraceHeader *trace = map_trace(path, false);
    Check check = { .options = *options };
    const char *memory = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
    check.scratch = g_strdup_printf("%s/hf-crash.XXXXXX", memory);
    g_assert_nonnull(g_mkdtemp(check.scratch));
    check.known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    check.expected = g_ptr_array_new_with_free_func(g_free);
    check.random = g_rand_new_with_seed(20261121);
    hf_log_set_level(0);
    g_assert_cmpuint(trace->magic, ==, TRACE_MAGIC);
    g_assert_cmpuint(trace->full, ==, 0);
    collect_answers(&check, trace);
    unsigned calls = play(&check, trace);
    bool right = options->value < 0 || values_right(&check);
    printf("%sok 1 - %u crashes after %u calls, %u answers: %u disks, the last acknowledged state "
           "or the next on each\n",
           check.wrong == 0 && calls > 0 ? "" : "not ", check.crashes, calls,
           check.expected->len - 2, g_hash_table_size(check.known));
    printf("%sok 2 - and what was acknowledged is what was asked for\n1..2\n", right ? "" : "not ");
    empty_directory(check.scratch);
    (void)g_rmdir(check.scratch);
    g_free(check.scratch);
    g_hash_table_unref(check.known);
    g_ptr_array_unref(check.expected);
    g_rand_free(check.random);
    return check.wrong == 0 && calls > 0 && right ? 0 : 1;
}

int main(int argc, char **argv)
{
    Options options = { .value = -1 };
    const GOptionEntry entries[] = {
        { "value", 0, 0, G_OPTION_ARG_INT64, &options.value, "counter in the end", "N" },
        { "volatile-goes", 0, 0, G_OPTION_ARG_NONE, &options.volatile_goes, "", NULL },
        { "keep", 0, 0, G_OPTION_ARG_FILENAME, &options.keep, "some disks stay there", "DIR" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("new|check TRACE ...");
    g_option_context_add_main_entries(context, entries, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!g_option_context_parse(context, &argc, &argv, NULL) || argc != 4) {
        fprintf(stderr, "usage: crash-replay new TRACE DIRECTORY | check TRACE URI\n");
        return 2;
    }
    if (strcmp(argv[1], "new") == 0) {
        return trace_new(argv[2], argv[3]);
    }
    options.uri = argv[3];
    return check_trace(argv[2], &options);
}
