/*
 * test-confinement.c - a whole TPM at work behind the sandbox.
 *
 * The engine, a store and the stages together: each profile must let libtpms, libcrypto
 * and the C library do all they do in service. The TPM makes keys, signs, quotes, tests every
 * algorithm, writes NV and is switched off and on, all of it behind the filter (the emulator's in a
 * thread that has done nothing before), so that what is done lazily at first use is done there.
 * With Landlock and without, since without it libcrypto reads its configuration file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"
#include "engine/engine.h"
#include "sandbox/sandbox.h"
#include "state/store.h"

#define CHILD_SECONDS 60

enum { OWNER = 0x40000001, NULL_HIERARCHY = 0x40000007, PASSWORD_SESSION = 0x40000009 };
enum { NV_INDEX = 0x01800001, TPM_RC_RETRY = 0x922 };

typedef struct {
    HfSeccompProfile profile;
    bool landlock;
} Case;

static void give_up(const char *what, uint32_t code) G_GNUC_NORETURN;
static void give_up(const char *what, uint32_t code)
{
    g_autofree char *text = g_strdup_printf("# %s: %#x\n", what, code);
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
    _exit(1);
}

/* --- storage --- */

static HfStateKind kind_of(HfBlobKind kind)
{
    return kind == HF_BLOB_PERMANENT  ? HF_STATE_PERMANENT
           : kind == HF_BLOB_VOLATILE ? HF_STATE_VOLATILE
                                      : HF_STATE_SAVESTATE;
}

/* The emulator's TPM lies in a directory; that of holdfast-setup's child in secret memory. */
typedef struct {
    HfStore *store;                          /* NULL: memory */
    HfSecret *memory[HF_BLOB_SAVESTATE + 1]; /* by HfBlobKind */
    bool full;                               /* nothing can be saved any more */
} Shelf;

static GBytes *load(void *user, HfBlobKind kind, GError **error)
{
    const Shelf *shelf = user;
    if (shelf->store != NULL) {
        return shelf->store->class->load(shelf->store, kind_of(kind), error);
    }
    const HfSecret *blob = shelf->memory[kind];
    if (blob == NULL) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "no such blob");
        return NULL;
    }
    return g_bytes_new(blob->data, blob->size);
}

static bool drop(void *user, HfBlobKind kind, GError **error)
{
    Shelf *shelf = user;
    hf_secret_free(g_steal_pointer(&shelf->memory[kind]));
    return shelf->store == NULL || shelf->store->class->remove(shelf->store, kind_of(kind), error);
}

static bool save(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error)
{
    Shelf *shelf = user;
    if (shelf->full) {
        return hf_error_set(error, HF_ERROR_NO_SPACE, "the disk is full");
    }
    if (shelf->store != NULL) {
        return shelf->store->class->save(shelf->store, kind_of(kind), data, size, error);
    }
    hf_secret_free(g_steal_pointer(&shelf->memory[kind]));
    shelf->memory[kind] = hf_secret_copy(data, size);
    return true;
}

static const HfEngineStorage storage = { load, save, drop };

/* --- commands --- */

/* Runs a command with `sessions` empty password sessions; returns the response code. *ret_handle
 * (may be NULL): the first handle of the answer, 0 when it is too short for one. */
static uint32_t run_any(HfEngine *engine, uint32_t code, const uint32_t *handles, size_t n_handles,
                        unsigned sessions, GByteArray *parameters, uint32_t *ret_handle)
{
    g_autoptr(GByteArray) command = g_byte_array_new();
    size_t area = sessions > 0 ? 4 + 9 * (size_t)sessions : 0;
    guint size = parameters != NULL ? parameters->len : 0;
    hf_put_u16(command, sessions > 0 ? 0x8002 : 0x8001);
    hf_put_u32(command, (uint32_t)(10 + 4 * n_handles + area + size));
    hf_put_u32(command, code);
    for (size_t i = 0; i < n_handles; i++) {
        hf_put_u32(command, handles[i]);
    }
    if (sessions > 0) {
        hf_put_u32(command, 9 * sessions);
    }
    for (unsigned i = 0; i < sessions; i++) {
        hf_put_u32(command, PASSWORD_SESSION);
        hf_put_u16(command, 0);
        hf_put_u8(command, 0);
        hf_put_u16(command, 0);
    }
    if (parameters != NULL) {
        hf_put_bytes(command, parameters->data, parameters->len);
        g_byte_array_unref(parameters);
    }
    HfReader reader;
    uint32_t result = TPM_RC_RETRY;
    for (unsigned i = 0; i < 100 && result == TPM_RC_RETRY; i++) {
        const uint8_t *response = NULL;
        size_t length = hf_engine_process(engine, command->data, command->len, 0, &response);
        reader = hf_reader(response, length);
        (void)hf_reader_bytes(&reader, 6);
        result = hf_reader_u32(&reader);
    }
    if (ret_handle != NULL) {
        *ret_handle = hf_reader_left(&reader) >= 4 ? hf_reader_u32(&reader) : 0;
    }
    return result;
}

/* The same; any response code but 0 ends the child. */
static uint32_t run(HfEngine *engine, const char *what, uint32_t code, const uint32_t *handles,
                    size_t n_handles, unsigned sessions, GByteArray *parameters)
{
    uint32_t handle = 0;
    uint32_t result = run_any(engine, code, handles, n_handles, sessions, parameters, &handle);
    if (result != 0) {
        give_up(what, result);
    }
    return handle;
}

/* TPM2_CreatePrimary and TPM2_Create take the same: sensitive, public area, no data, no PCRs. */
static GByteArray *creation(const char *public_hex)
{
    GByteArray *p = g_byte_array_new();
    hf_put_u16(p, 4);
    hf_put_u32(p, 0);
    size_t n = strlen(public_hex) / 2;
    hf_put_u16(p, (uint16_t)n);
    for (size_t i = 0; i < n; i++) {
        hf_put_u8(p, (uint8_t)(g_ascii_xdigit_value(public_hex[2 * i]) << 4 |
                               g_ascii_xdigit_value(public_hex[2 * i + 1])));
    }
    hf_put_u16(p, 0);
    hf_put_u32(p, 0);
    return p;
}

/* type, SHA-256, attributes, no policy, parameters, no unique */
#define RSA_STORAGE "0001000b00030472000000060080004300100800000000000000"
#define RSA_SIGNING "0001000b00040072000000100014000b0800000000000000"
#define ECC_SIGNING              \
    "0023000b000400720000001000" \
    "18000b0003001000000000"

static void sign(HfEngine *engine, uint32_t key)
{
    GByteArray *p = g_byte_array_new();
    uint8_t digest[32] = { 1 };
    hf_put_u16(p, sizeof digest);
    hf_put_bytes(p, digest, sizeof digest);
    hf_put_u16(p, 0x0010); /* the key's scheme */
    hf_put_u16(p, 0x8024); /* ticket: none needed */
    hf_put_u32(p, NULL_HIERARCHY);
    hf_put_u16(p, 0);
    run(engine, "Sign", 0x15d, &key, 1, 1, p);

    p = g_byte_array_new();
    hf_put_u16(p, 0);
    hf_put_u16(p, 0x0010);
    hf_put_u32(p, 1);
    hf_put_u16(p, 0x000b);
    hf_put_bytes(p, "\x03\xff\xff\xff", 4);
    run(engine, "Quote", 0x158, &key, 1, 1, p);
}

static void flush(HfEngine *engine, uint32_t handle)
{
    GByteArray *p = g_byte_array_new();
    hf_put_u32(p, handle);
    run(engine, "FlushContext", 0x165, NULL, 0, 0, p);
}

static void use_keys(HfEngine *engine)
{
    static const char *const signing[] = { ECC_SIGNING, RSA_SIGNING };
    const uint32_t owner = OWNER;
    for (size_t i = 0; i < G_N_ELEMENTS(signing); i++) {
        uint32_t key = run(engine, "CreatePrimary", 0x131, &owner, 1, 1, creation(signing[i]));
        sign(engine, key);
        flush(engine, key);
    }
    uint32_t parent = run(engine, "CreatePrimary", 0x131, &owner, 1, 1, creation(RSA_STORAGE));
    for (size_t i = 0; i < G_N_ELEMENTS(signing); i++) {
        run(engine, "Create", 0x153, &parent, 1, 1, creation(signing[i]));
    }
    flush(engine, parent);
}

static GByteArray *nv_index(void)
{
    GByteArray *p = g_byte_array_new();
    hf_put_u16(p, 0);  /* no auth */
    hf_put_u16(p, 14); /* public area */
    hf_put_u32(p, NV_INDEX);
    hf_put_u16(p, 0x000b);
    hf_put_u32(p, 0x00020002); /* OWNERREAD, OWNERWRITE */
    hf_put_u16(p, 0);
    hf_put_u16(p, 1024);
    return p;
}

static void use_nv(HfEngine *engine)
{
    const uint32_t owner = OWNER;
    const uint32_t both[] = { OWNER, NV_INDEX };
    run(engine, "NV_DefineSpace", 0x12a, &owner, 1, 1, nv_index());
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t data[1024];
        memset(data, i, sizeof data);
        GByteArray *p = g_byte_array_new();
        hf_put_u16(p, sizeof data);
        hf_put_bytes(p, data, sizeof data);
        hf_put_u16(p, 0);
        run(engine, "NV_Write", 0x137, both, 2, 1, p);
    }
    run(engine, "NV_UndefineSpace", 0x122, both, 2, 1, NULL);
}

static GByteArray *byte(uint8_t value)
{
    GByteArray *p = g_byte_array_new();
    hf_put_u8(p, value);
    return p;
}

static void power(HfEngine *engine)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = hf_engine_power_on(engine, true, &error);
    if (result != 0) {
        give_up(error != NULL ? error->message : "power on", result);
    }
    result = hf_engine_startup(engine, 0);
    if (result != 0) {
        give_up("Startup", result);
    }
}

/* What goes wrong makes libtpms talk, through dprintf, which looks at what it writes to: a pipe
 * while it reads state, /dev/null or the log in failure mode. */
static void fail(HfEngine *engine, Shelf *shelf)
{
    const uint32_t owner = OWNER;
    shelf->full = true;
    if (run_any(engine, 0x12a, &owner, 1, 1, nv_index(), NULL) == 0 ||
        hf_engine_storage_error(engine) == NULL) {
        give_up("NV_DefineSpace on a full disk", 0);
    }
    (void)run_any(engine, 0x143, NULL, 0, 0, byte(1), NULL);
    hf_engine_power_off(engine);
    /* It begins as a state does. */
    static const uint8_t noise[64] = { 0x00, 0x03, 0xab, 0x36, 0x47, 0x23, 0x00, 0x01 };
    if (hf_engine_set_blob(engine, HF_BLOB_PERMANENT, noise, sizeof noise, NULL) == 0) {
        give_up("noise as state", 0);
    }
    hf_engine_drop_blobs(engine);
    shelf->full = false;
    power(engine);
}

static void work(HfEngine *engine, Shelf *shelf)
{
    power(engine); /* manufactures */
    use_keys(engine);
    use_nv(engine);
    run(engine, "SelfTest", 0x143, NULL, 0, 0, byte(1));
    g_autoptr(GError) error = NULL;
    if (!hf_engine_auto_shutdown(engine, &error)) {
        give_up(error->message, 0);
    }
    hf_engine_power_off(engine);
    power(engine); /* from what was stored */
    use_keys(engine);
    fail(engine, shelf);
}

typedef struct {
    HfEngine *engine;
    Shelf *shelf;
    int there; /* the thread runs: it writes a byte */
    int go;    /* the filter is in place: it reads one */
} Work;

static void *thread_work(void *data)
{
    const Work *mine = data;
    char byte_read = 'x';
    if (write(mine->there, &byte_read, 1) != 1 || read(mine->go, &byte_read, 1) != 1) {
        give_up("thread", 0);
    }
    work(mine->engine, mine->shelf);
    return NULL;
}

/* --- confinement --- */

static void must(bool done, const GError *error)
{
    if (!done) {
        give_up(error != NULL ? error->message : "system call", 0);
    }
}

static void enclose(const Case *test, const int *dir, size_t n_dirs)
{
    const HfSandboxPaths paths = { .state_dirs = dir, .n_state_dirs = n_dirs };
    bool active = false;
    g_autoptr(GError) error = NULL;
    must(hf_sandbox_drop_capabilities(&error), error);
    must(!test->landlock || hf_sandbox_landlock(&paths, &active, &error), error);
}

static HfEngine *new_engine(Shelf *shelf)
{
    g_autoptr(GError) error = NULL;
    HfEngine *engine = hf_engine_new(HF_TPM_2_0, &storage, shelf, &error);
    must(engine != NULL, error);
    return engine;
}

static void child_emulator(const Case *test, const char *path)
{
    g_autoptr(GError) error = NULL;
    const HfStoreConfig config = { .tpm2 = true, .fsync = true, .lock = true };
    bool one_file = test->profile == HF_PROFILE_EMULATOR_FILE;
    g_autofree char *uri = g_strdup_printf(one_file ? "file://%s/state" : "dir://%s", path);
    Shelf shelf = { .store = hf_store_open_uri(uri, &config, &error) };
    must(shelf.store != NULL, error);
    HfEngine *engine = new_engine(&shelf);
    const int dir = hf_store_dir_fd(shelf.store);
    enclose(test, &dir, dir >= 0);

    int there[2];
    int go[2];
    char byte_read;
    pthread_t thread;
    must(pipe(there) == 0 && pipe(go) == 0, NULL);
    Work mine = { engine, &shelf, there[1], go[0] };
    must(pthread_create(&thread, NULL, thread_work, &mine) == 0, NULL);
    must(read(there[0], &byte_read, 1) == 1, NULL);
    must(hf_sandbox_seccomp(test->profile, HF_SECCOMP_KILL, &error), error);
    must(shelf.store->class->lock(shelf.store, 0, &error), error);
    must(write(go[1], &byte_read, 1) == 1, NULL);
    must(pthread_join(thread, NULL) == 0, NULL);
    hf_engine_free(engine);
    hf_store_free(shelf.store);
}

static void child_manufacture(const Case *test)
{
    g_autoptr(GError) error = NULL;
    Shelf shelf = { 0 };
    HfEngine *engine = new_engine(&shelf);
    enclose(test, NULL, 0);
    must(hf_sandbox_seccomp(test->profile, HF_SECCOMP_KILL, &error), error);
    work(engine, &shelf);
    hf_engine_free(engine);
    for (HfBlobKind kind = HF_BLOB_PERMANENT; kind <= HF_BLOB_SAVESTATE; kind++) {
        (void)drop(&shelf, kind, NULL);
    }
}

static void child(const Case *test, const char *path)
{
    g_autoptr(GError) error = NULL;
    alarm(CHILD_SECONDS);
    must(hf_sandbox_stage1(&error), error);
    if (test->profile == HF_PROFILE_MANUFACTURE) {
        child_manufacture(test);
    } else {
        child_emulator(test, path);
    }
}

static void remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_assert_cmpint(g_unlink(file), ==, 0);
    }
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void test_confined(const void *data)
{
    const Case *test = data;
    const char *preload = g_getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        g_test_skip("valgrind makes system calls of its own");
        return;
    }
    if (test->landlock && hf_sandbox_landlock_abi() == 0) {
        g_test_skip("the kernel has no Landlock");
        return;
    }
    g_autofree char *path = g_dir_make_tmp("hf-confined.XXXXXX", NULL);
    g_assert_nonnull(path);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        child(test, path);
        exit(0);
    }
    int status = 0;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    remove_all(path);
    g_assert_cmpint(status, ==, 0);
}

int main(int argc, char **argv)
{
    static const Case emulator = { HF_PROFILE_EMULATOR, true };
    static const Case emulator_open = { HF_PROFILE_EMULATOR, false };
    static const Case one_file = { HF_PROFILE_EMULATOR_FILE, true };
    static const Case one_file_open = { HF_PROFILE_EMULATOR_FILE, false };
    static const Case manufacture = { HF_PROFILE_MANUFACTURE, true };
    static const Case manufacture_open = { HF_PROFILE_MANUFACTURE, false };
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/confinement/emulator", &emulator, test_confined);
    g_test_add_data_func("/confinement/emulator/no-landlock", &emulator_open, test_confined);
    g_test_add_data_func("/confinement/file", &one_file, test_confined);
    g_test_add_data_func("/confinement/file/no-landlock", &one_file_open, test_confined);
    g_test_add_data_func("/confinement/manufacture", &manufacture, test_confined);
    g_test_add_data_func("/confinement/manufacture/no-landlock", &manufacture_open, test_confined);
    return g_test_run();
}
