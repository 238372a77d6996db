/*
 * test-sandbox.c - the stages of the sandbox, tried from inside.
 *
 * Each case runs in a child process, since there is no way back from a stage. The seccomp cases
 * try every system call number there could be, in all three processor modes, and hold what the
 * kernel does against the published list. Nothing here is simulated: where the kernel or the user
 * lacks what a case needs, the case is a skip with its reason.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "sandbox/sandbox.h"

#define LAST_CALL 1023
#define MOST_CALLS 34 /* of a profile; what raises it should be worth it */
#define CHILD_SECONDS 20

#if !defined(HF_SANITIZERS) && !defined(HF_COVERAGE)
#define STRICT true
#else
#define STRICT false /* the list is wider */
#endif

/* --- children --- */

typedef void (*Body)(const void *data);

/* Ends a child with a message for the parent; survives every stage. */
static void give_up(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;
static void give_up(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    ssize_t ignored = write(STDERR_FILENO, "# ", 2);
    ignored = write(STDERR_FILENO, text, strlen(text));
    ignored = write(STDERR_FILENO, "\n", 1);
    (void)ignored;
    _exit(1);
}

#define check(expression)                                                              \
    do {                                                                               \
        if (!(expression)) {                                                           \
            give_up("line %d: %s is not so (errno %d)", __LINE__, #expression, errno); \
        }                                                                              \
    } while (0)

/* The wait status of a child that ran body. A child that hangs dies of SIGALRM. */
static int run(Body body, const void *data)
{
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        body(data);
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        g_assert_cmpint(errno, ==, EINTR);
    }
    return status;
}

static void run_well(Body body, const void *data)
{
    int status = run(body, data);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static bool killed_by(int status, int signal_number)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == signal_number;
}

static bool not_root(void)
{
    if (geteuid() != 0) {
        g_test_skip("only root can change its user and capabilities");
    }
    return geteuid() != 0;
}

static bool no_seccomp(void)
{
    const char *preload = g_getenv("LD_PRELOAD");
    bool valgrind = preload != NULL && strstr(preload, "vgpreload") != NULL;
    if (valgrind) {
        g_test_skip("valgrind makes system calls of its own");
    }
    return valgrind;
}

static bool no_landlock(int needed)
{
    bool lacking = hf_sandbox_landlock_abi() < needed;
    if (lacking) {
        g_autofree char *why = g_strdup_printf("Landlock version %d is needed, the kernel has %d",
                                               needed, hf_sandbox_landlock_abi());
        g_test_skip(why);
    }
    return lacking;
}

static bool status_has(const char *line)
{
    g_autofree char *text = NULL;
    return g_file_get_contents("/proc/self/status", &text, NULL, NULL) && strstr(text, line);
}

static void *wait_for_end(void *data)
{
    char byte;
    int fd = GPOINTER_TO_INT(data);
    ssize_t n = read(fd, &byte, 1);
    return GINT_TO_POINTER((int)n);
}

/* Leaves the child with a second thread. */
static void start_thread(void)
{
    int ends[2];
    pthread_t thread;
    check(pipe(ends) == 0);
    check(pthread_create(&thread, NULL, wait_for_end, GINT_TO_POINTER(ends[0])) == 0);
}

/* --- stage 1 --- */

static void body_stage1(const void *data G_GNUC_UNUSED)
{
    for (int fd = 0; fd <= 2; fd += 2) {
        close(fd);
    }
    check(hf_sandbox_stage1(NULL));
    struct stat null, st;
    check(stat("/dev/null", &null) == 0);
    for (int fd = 0; fd <= 2; fd += 2) {
        check(fstat(fd, &st) == 0 && st.st_rdev == null.st_rdev);
    }
    check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    check(status_has("NoNewPrivs:\t1\n"));
    struct rlimit core;
    check(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
}

static void test_stage1(void)
{
    run_well(body_stage1, NULL);
}

/* Debuggers of the same user stay out: ptrace asks for a dumpable process. */
static void body_no_ptrace(const void *data G_GNUC_UNUSED)
{
    pid_t debugger = fork();
    check(debugger >= 0);
    if (debugger == 0) {
        char path[64];
        g_snprintf(path, sizeof path, "/proc/%d/mem", getppid());
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        _exit(fd < 0 && errno == EACCES ? 0 : 1);
    }
    int status = 0;
    check(waitpid(debugger, &status, 0) == debugger && WIFEXITED(status));
    check(WEXITSTATUS(status) == 0);
}

static void body_closed_to_peers(const void *data)
{
    check(hf_sandbox_become("12345", NULL));
    check(hf_sandbox_stage1(NULL));
    body_no_ptrace(data);
}

static void test_closed_to_peers(void)
{
    if (!not_root()) {
        run_well(body_closed_to_peers, NULL);
    }
}

/* --- user and capabilities --- */

static void body_become_name(const void *data)
{
    const char *name = data;
    check(hf_sandbox_stage1(NULL));
    check(hf_sandbox_become(name, NULL));
    check(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534 && getegid() == 65534);
    check(setuid(0) < 0 && setgid(0) < 0);
    gid_t groups[64];
    int n = getgroups(G_N_ELEMENTS(groups), groups);
    for (int i = 0; i < n; i++) {
        check(groups[i] != 0);
    }
    check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    check(hf_sandbox_become(name, NULL)); /* once more is no harm */
}

static void body_become_number(const void *data G_GNUC_UNUSED)
{
    gid_t some[] = { 0, 1 };
    check(setgroups(G_N_ELEMENTS(some), some) == 0);
    check(hf_sandbox_become("12345", NULL));
    check(getuid() == 12345 && getgid() == 12345 && getgroups(0, NULL) == 0);
    g_autoptr(GError) error = NULL;
    check(!hf_sandbox_become("0", &error) && hf_error_is(error, HF_ERROR_ACCESS));
}

static void test_become(void)
{
    if (!not_root()) {
        run_well(body_become_name, "nobody");
        run_well(body_become_number, NULL);
    }
}

static void test_become_refuses(void)
{
    static const struct {
        const char *user;
        HfErrorCode code;
    } cases[] = {
        { "no-such-user-here", HF_ERROR_NOT_FOUND },
        { "", HF_ERROR_NOT_FOUND },
        { "-1", HF_ERROR_NOT_FOUND },
        { "12x", HF_ERROR_NOT_FOUND },
        { "4294967295", HF_ERROR_INVALID },
        { "99999999999999999999", HF_ERROR_INVALID },
    };
    uid_t before = geteuid();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(hf_sandbox_become(cases[i].user, &error));
        g_assert_error(error, HF_ERROR, (int)cases[i].code);
        g_assert_nonnull(strstr(error->message, cases[i].user));
    }
    g_assert_true(hf_sandbox_become(NULL, NULL));
    g_assert_cmpint(geteuid(), ==, before);
}

static void check_no_capabilities(void)
{
    static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        char line[64];
        g_snprintf(line, sizeof line, "%s:\t0000000000000000\n", sets[i]);
        if (!status_has(line)) {
            give_up("%s is not empty", sets[i]);
        }
    }
}

static void body_capabilities(const void *data)
{
    check(hf_sandbox_stage1(NULL));
    check(hf_sandbox_become(data, NULL));
    check(hf_sandbox_drop_capabilities(NULL));
    if (data == NULL) {
        check_no_capabilities();
        check(setuid(1) < 0 && errno == EPERM);
    }
    check(status_has("CapEff:\t0000000000000000\n") && status_has("CapPrm:\t0000000000000000\n"));
    check(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void body_stage2_with_threads(const void *data G_GNUC_UNUSED)
{
    start_thread();
    g_autoptr(GError) error = NULL;
    check(!hf_sandbox_drop_capabilities(&error) && hf_error_is(error, HF_ERROR_STATE));
    g_clear_error(&error);
    bool active = false;
    check(!hf_sandbox_landlock(&(HfSandboxPaths){ 0 }, &active, &error));
    check(hf_error_is(error, HF_ERROR_STATE));
}

static void test_capabilities(void)
{
    run_well(body_stage2_with_threads, NULL);
    if (!not_root()) {
        run_well(body_capabilities, NULL);
        run_well(body_capabilities, "nobody");
    }
}

/* --- Landlock --- */

typedef struct {
    char *top;
    int state, runtime, outside; /* three directories in it */
} Tree;

static int make_dir(const char *top, const char *name)
{
    g_autofree char *path = g_build_filename(top, name, NULL);
    int fd = hf_dir_make(path, 0700, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(hf_file_create_at(fd, "old", "old", 3, 0600, "old", NULL));
    return fd;
}

static void tree_open(Tree *tree)
{
    tree->top = g_dir_make_tmp("hf-sandbox.XXXXXX", NULL);
    g_assert_nonnull(tree->top);
    tree->state = make_dir(tree->top, "state");
    tree->runtime = make_dir(tree->top, "runtime");
    tree->outside = make_dir(tree->top, "outside");
}

static void tree_close(Tree *tree)
{
    int dirs[] = { tree->state, tree->runtime, tree->outside };
    static const char *const names[] = { "state", "runtime", "outside" };
    for (size_t i = 0; i < G_N_ELEMENTS(dirs); i++) {
        (void)unlinkat(dirs[i], "old", 0);
        (void)unlinkat(dirs[i], "new", 0);
        close(dirs[i]);
        g_autofree char *path = g_build_filename(tree->top, names[i], NULL);
        g_assert_cmpint(g_rmdir(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(tree->top), ==, 0);
    g_free(tree->top);
}

static void enclose(const Tree *tree, bool keep_network)
{
    const HfSandboxPaths paths = { .state_dirs = &tree->state,
                                   .n_state_dirs = 1,
                                   .unlink_dirs = &tree->runtime,
                                   .n_unlink_dirs = 1,
                                   .keep_network = keep_network };
    bool active = false;
    check(hf_sandbox_landlock(&paths, &active, NULL));
    check(active);
}

static bool denied(int result)
{
    return result < 0 && errno == EACCES;
}

static void body_landlock_inside(const void *data)
{
    const Tree *tree = data;
    enclose(tree, false);
    int dir = tree->state;
    g_autoptr(GBytes) old = hf_file_read_at(dir, "old", 16, "old", NULL);
    check(old != NULL && g_bytes_get_size(old) == 3);
    check(hf_file_replace_at(dir, "old", "newer", 5, 0600, "old", NULL));
    check(hf_file_replace_at(dir, "new", "new", 3, 0640, "new", NULL));
    check(openat(dir, "new", O_WRONLY | O_TRUNC | O_CLOEXEC) >= 0);
    check(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
    check(renameat(dir, "new", dir, "old") == 0);
    check(unlinkat(dir, "old", 0) == 0);
}

static void body_landlock_outside(const void *data)
{
    const Tree *tree = data;
    g_autofree char *absolute = g_build_filename(tree->top, "outside", "old", NULL);
    hf_autofd int before = openat(tree->outside, "old", O_RDONLY | O_CLOEXEC);
    enclose(tree, false);
    char byte;
    check(read(before, &byte, 1) == 1); /* what is open stays open */
    check(denied(openat(tree->outside, "old", O_RDONLY | O_CLOEXEC)));
    check(denied(open(absolute, O_WRONLY | O_CLOEXEC)));
    check(denied(open("/etc/passwd", O_RDONLY | O_CLOEXEC)));
    check(denied(open("/etc/ssl/openssl.cnf", O_RDONLY | O_CLOEXEC)) || errno == ENOENT);
    check(denied(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    check(denied(openat(tree->outside, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
    check(denied(unlinkat(tree->outside, "old", 0)));
    check(renameat(tree->state, "old", tree->outside, "new") < 0);
    check(errno == EXDEV || errno == EACCES);
    check(linkat(tree->outside, "old", tree->state, "new", 0) < 0);
    check(denied(openat(tree->state, "../outside/old", O_RDONLY | O_CLOEXEC)));
    char *const argv[] = { (char[]){ "true" }, NULL };
    check(denied(execv("/bin/true", argv)));
}

/* Only files: no directories, links, sockets or devices, not even in the state directory. */
static void body_landlock_kinds(const void *data)
{
    const Tree *tree = data;
    enclose(tree, false);
    check(denied(mkdirat(tree->state, "new", 0700)));
    check(denied(symlinkat("/etc/passwd", tree->state, "new")));
    check(denied(mknodat(tree->state, "new", S_IFIFO | 0600, 0)));
    check(denied(mknodat(tree->state, "new", S_IFSOCK | 0600, 0)));
}

static void body_landlock_unlink_dir(const void *data)
{
    const Tree *tree = data;
    enclose(tree, false);
    check(denied(openat(tree->runtime, "old", O_RDONLY | O_CLOEXEC)));
    check(denied(openat(tree->runtime, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
    check(unlinkat(tree->runtime, "old", 0) == 0);
}

static void test_landlock_files(void)
{
    if (no_landlock(1)) {
        return;
    }
    static const Body bodies[] = { body_landlock_inside, body_landlock_outside, body_landlock_kinds,
                                   body_landlock_unlink_dir };
    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        Tree tree;
        tree_open(&tree);
        run_well(bodies[i], &tree);
        tree_close(&tree);
    }
}

static int connect_somewhere(void)
{
    hf_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0);
    /* Port 1 of this host: nobody listens, and whoever does is not asked anything. */
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static int bind_somewhere(void)
{
    hf_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0);
    struct sockaddr_in here = { .sin_family = AF_INET };
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(fd, (struct sockaddr *)&here, sizeof here);
}

static void body_landlock_network(const void *data)
{
    enclose(data, false);
    check(denied(connect_somewhere()));
    check(denied(bind_somewhere()));
}

static void body_landlock_keep_network(const void *data)
{
    enclose(data, true);
    check(!denied(connect_somewhere()));
    check(bind_somewhere() == 0);
}

static void test_landlock_network(void)
{
    if (no_landlock(4)) {
        return;
    }
    Tree tree;
    tree_open(&tree);
    run_well(body_landlock_network, &tree);
    run_well(body_landlock_keep_network, &tree);
    tree_close(&tree);
}

static void body_landlock_signal(const void *data)
{
    check(kill(getppid(), 0) == 0);
    enclose(data, false);
    check(kill(getpid(), 0) == 0);
    check(kill(getppid(), 0) < 0 && errno == EPERM);
}

static void test_landlock_signal(void)
{
    if (no_landlock(6)) {
        return;
    }
    Tree tree;
    tree_open(&tree);
    run_well(body_landlock_signal, &tree);
    tree_close(&tree);
}

static void body_landlock_refuses(const void *data G_GNUC_UNUSED)
{
    int closed = 1000;
    bool active = false;
    g_autoptr(GError) error = NULL;
    const HfSandboxPaths paths = { .state_dirs = &closed, .n_state_dirs = 1 };
    check(!hf_sandbox_landlock(&paths, &active, &error));
    check(error != NULL && strstr(error->message, "1000") != NULL && !active);
    hf_autofd int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    check(fd >= 0); /* refused: nothing changed */
}

static void test_landlock_refuses(void)
{
    if (!no_landlock(1)) {
        run_well(body_landlock_refuses, NULL);
    }
}

/* --- seccomp: every number --- */

typedef enum { MODE_64, MODE_X32, MODE_32 } Mode;

typedef struct {
    HfSeccompProfile profile;
    Mode mode;
    long number;
    long args[6];
} Call;

static void enter(HfSeccompProfile profile, HfSeccompAction action)
{
    g_autoptr(GError) error = NULL;
    if (!hf_sandbox_seccomp(profile, action, &error)) {
        give_up("%s", error->message);
    }
}

#ifdef __x86_64__
static void call_32(long number)
{
    long result = number;
    __asm__ volatile("int $0x80"
                     : "+a"(result)
                     : "b"(-1L), "c"(-1L), "d"(-1L), "S"(-1L), "D"(-1L)
                     : "memory", "r8", "r9", "r10", "r11");
}
#endif

#define CALL_WORKED 3 /* exit code of the child below */

static void body_call(const void *data)
{
    const Call *call = data;
    enter(call->profile, HF_SECCOMP_KILL);
#ifdef __x86_64__
    if (call->mode == MODE_32) {
        call_32(call->number);
        _exit(0);
    }
#endif
    long number = call->mode == MODE_X32 ? call->number | 0x40000000L : call->number;
    const long *a = call->args;
    long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    _exit(result == -1 ? 0 : CALL_WORKED);
}

/* The published list: does it allow this number whatever the arguments are? */
static bool listed(HfSeccompProfile profile, long number)
{
    HfSeccompRule rule;
    for (size_t i = 0; hf_seccomp_rule(profile, i, &rule); i++) {
        if (rule.number == number && rule.condition == NULL) {
            return true;
        }
    }
    return false;
}

/* uretprobe (Linux 6.11) and uprobe (6.18): the kernel does not show them to any filter, and
 * refuses them itself unless they come from its own trampoline page. */
static bool never_filtered(Mode mode, long number)
{
#ifdef __x86_64__
    return mode == MODE_64 && (number == 335 || number == 336);
#else
    (void)mode;
    (void)number;
    return false;
#endif
}

static void try_every_number(HfSeccompProfile profile, Mode mode)
{
    unsigned alive = 0;
    for (long number = 0; number <= LAST_CALL; number++) {
        const Call call = { profile, mode, number, { -1, -1, -1, -1, -1, -1 } };
        int status = run(body_call, &call);
        bool expected = mode == MODE_64 && listed(profile, number);
        if (never_filtered(mode, number) && !killed_by(status, SIGSYS)) {
            g_assert_false(WIFEXITED(status) && WEXITSTATUS(status) == CALL_WORKED);
            continue;
        }
        if (killed_by(status, SIGSYS) == expected) {
            g_test_message("call %ld in mode %d: wait status %#x", number, (int)mode, status);
            g_test_fail();
        }
        alive += expected;
    }
    g_test_message("%u calls with any arguments, %u numbers tried", alive, LAST_CALL + 1);
}

static void test_every_number(const void *profile)
{
    if (!no_seccomp()) {
        try_every_number((HfSeccompProfile)GPOINTER_TO_INT(profile), MODE_64);
    }
}

static void test_other_modes(const void *profile)
{
    if (no_seccomp()) {
        return;
    }
#ifdef __x86_64__
    try_every_number((HfSeccompProfile)GPOINTER_TO_INT(profile), MODE_X32);
    try_every_number((HfSeccompProfile)GPOINTER_TO_INT(profile), MODE_32);
#else
    (void)profile;
    g_test_skip("this processor has no second set of system calls");
#endif
}

/* --- seccomp: arguments --- */

static const struct {
    Call call;
    bool killed;
    bool strict; /* only in builds without sanitizers */
} argument_cases[] = {
    { { 0, MODE_64, SYS_mmap, { 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
      false,
      false },
    { { 0, MODE_64, SYS_mmap, { 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
      true,
      false },
    { { 0, MODE_64, SYS_mmap, { 0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } }, true, false },
    { { 0, MODE_64, SYS_mprotect, { 0, 4096, PROT_READ | PROT_WRITE } }, false, false },
    { { 0, MODE_64, SYS_mprotect, { 0, 4096, PROT_READ | PROT_EXEC } }, true, false },
    { { 0, MODE_64, SYS_fcntl, { -1, F_SETLK } }, false, false },
    { { 0, MODE_64, SYS_fcntl, { -1, F_GETLK } }, false, false },
    { { 0, MODE_64, SYS_fcntl, { -1, F_SETOWN } }, true, false },
    { { 0, MODE_64, SYS_fcntl, { -1, F_NOTIFY } }, true, false },
    { { 0, MODE_64, SYS_ioctl, { -1, TCGETS } }, false, false },
    { { 0, MODE_64, SYS_ioctl, { -1, TIOCSTI } }, true, true },
    { { 0, MODE_64, SYS_madvise, { 0, 0, MADV_DONTNEED } }, false, false },
    { { 0, MODE_64, SYS_madvise, { 0, 0, MADV_HWPOISON } }, true, true },
    { { 0, MODE_64, SYS_futex, { 0, FUTEX_WAIT_PRIVATE } }, false, false },
    { { 0, MODE_64, SYS_futex, { 0, FUTEX_WAKE } }, false, false },
    { { 0, MODE_64, SYS_futex, { 0, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME } }, false, false },
    { { 0, MODE_64, SYS_futex, { 0, FUTEX_LOCK_PI } }, true, true },
    { { 0, MODE_64, SYS_futex, { 0, FUTEX_CMP_REQUEUE_PI } }, true, true },
    { { 0, MODE_64, SYS_tgkill, { 1, 1, 0 } }, true, false },
};

static void test_arguments(void)
{
    if (no_seccomp()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(argument_cases); i++) {
        if (argument_cases[i].strict && !STRICT) {
            continue;
        }
        int status = run(body_call, &argument_cases[i].call);
        if (killed_by(status, SIGSYS) != argument_cases[i].killed) {
            g_test_message("case %zu (call %ld): wait status %#x", i, argument_cases[i].call.number,
                           status);
            g_test_fail();
        }
    }
}

/* --- seccomp: manners --- */

static void test_listing(const void *data)
{
    HfSeccompProfile profile = (HfSeccompProfile)GPOINTER_TO_INT(data);
    g_autoptr(GHashTable) calls = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    HfSeccompRule rule;
    for (size_t i = 0; hf_seccomp_rule(profile, i, &rule); i++) {
        g_assert_cmpstr(rule.name, !=, NULL);
        g_assert_cmpuint(strlen(rule.reason), >, 3);
        if (rule.refused == 0) {
            g_hash_table_add(calls, g_strdup(rule.name));
        }
        g_test_message("%-18s %s%s%s%s", rule.name, rule.condition ? rule.condition : "",
                       rule.condition ? ": " : "", rule.reason,
                       rule.refused != 0 ? " (not made, answered with an error)" : "");
    }
    g_test_message("%u system calls", g_hash_table_size(calls));
    if (STRICT) {
        g_assert_cmpuint(g_hash_table_size(calls), <=, MOST_CALLS);
    }
    static const char *const never[] = { "socket", "connect", "bind",   "execve",  "execveat",
                                         "fork",   "vfork",   "clone3", "mount",   "setuid",
                                         "capset", "kill",    "bpf",    "unshare", "setsockopt" };
    for (size_t i = 0; i < G_N_ELEMENTS(never); i++) {
        g_assert_false(g_hash_table_contains(calls, never[i]));
    }
}

/* What is answered with an error is not done, and the C library can live with the error. */
static void body_refused(const void *data G_GNUC_UNUSED)
{
    g_autofree char *name = NULL;
    hf_autofd int fd = g_file_open_tmp("hf-refused.XXXXXX", &name, NULL);
    check(fd >= 0 && write(fd, "1234", 4) == 4 && unlink(name) == 0);
    enter(HF_PROFILE_EMULATOR_FILE, HF_SECCOMP_KILL);
    check(lseek(fd, 0, SEEK_SET) == -1 && errno == ESPIPE);
    check(ioctl(fd, TCGETS, NULL) == -1 && errno == ENOTTY);
    check(dprintf(fd, "%d", 56) == 2);
    char back[8];
    check(pread(fd, back, sizeof(back), 0) == 6 && memcmp(back, "123456", 6) == 0);
}

static void test_refused(void)
{
    if (!STRICT) {
        g_test_skip("the list is wider in this build");
    } else if (!no_seccomp()) {
        run_well(body_refused, NULL);
    }
}

static void body_log(const void *data G_GNUC_UNUSED)
{
    enter(HF_PROFILE_EMULATOR, HF_SECCOMP_LOG);
    check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
    check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void body_none(const void *data G_GNUC_UNUSED)
{
    enter(HF_PROFILE_EMULATOR, HF_SECCOMP_NONE);
    check(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0);
}

static void test_actions(void)
{
    if (!no_seccomp()) {
        run_well(body_log, NULL);
        run_well(body_none, NULL);
    }
}

/* Two pipes: the thread says that it runs, then waits for a byte. */
typedef struct {
    const Tree *tree;
    int there[2];
    int go[2];
} Meeting;

static void meet(const Meeting *meeting)
{
    char byte = 'x';
    check(write(meeting->there[1], &byte, 1) == 1);
    check(read(meeting->go[0], &byte, 1) == 1);
}

/* Makes the thread, and the filter once it runs. */
static pthread_t start_confined(void *(*function)(void *), Meeting *meeting)
{
    char byte;
    pthread_t thread;
    check(pipe(meeting->there) == 0 && pipe(meeting->go) == 0);
    check(pthread_create(&thread, NULL, function, meeting) == 0);
    check(read(meeting->there[0], &byte, 1) == 1);
    enter(HF_PROFILE_EMULATOR, HF_SECCOMP_KILL);
    check(write(meeting->go[1], &byte, 1) == 1);
    return thread;
}

static void *make_socket(void *data)
{
    meet(data);
    (void)socket(AF_UNIX, SOCK_STREAM, 0);
    _exit(0);
}

/* A thread that is there already is bound too, and its offence ends the whole process. */
static void body_threads(const void *data G_GNUC_UNUSED)
{
    Meeting meeting = { 0 };
    (void)pthread_join(start_confined(make_socket, &meeting), NULL);
}

static void test_threads(void)
{
    if (!no_seccomp()) {
        g_assert_true(killed_by(run(body_threads, NULL), SIGSYS));
    }
}

static void body_abort(const void *data G_GNUC_UNUSED)
{
    check(hf_sandbox_stage1(NULL));
    enter(HF_PROFILE_EMULATOR, HF_SECCOMP_KILL);
    abort();
}

static void test_abort(void)
{
    if (!no_seccomp()) {
        g_assert_true(killed_by(run(body_abort, NULL), SIGABRT));
    }
}

/* --- all stages at once: what a process in service does --- */

static void use_memory(void)
{
    for (size_t size = 16; size <= 32u * 1024 * 1024; size *= 2) {
        char *p = malloc(size);
        check(p != NULL);
        memset(p, 1, size);
        p = realloc(p, size * 2);
        check(p != NULL);
        free(p);
    }
}

static void *serve(void *data)
{
    const Meeting *meeting = data;
    meet(meeting);
    use_memory();
    int dir = meeting->tree->state;
    for (int i = 0; i < 10; i++) {
        check(hf_file_replace_at(dir, "old", "state", 5, 0600, "old", NULL));
        g_autoptr(GBytes) back = hf_file_read_at(dir, "old", 100, "old", NULL);
        check(back != NULL);
    }
    (void)clock();
    return NULL;
}

static void body_service(const void *data)
{
    check(hf_sandbox_stage1(NULL));
    check(hf_sandbox_drop_capabilities(NULL));
    if (hf_sandbox_landlock_abi() > 0) {
        enclose(data, false);
    }
    Meeting meeting = { .tree = data };
    check(pthread_join(start_confined(serve, &meeting), NULL) == 0);
    use_memory();
    exit(0);
}

/* A poll with a time limit that is stopped and continued goes on by restart_syscall. */
static void body_stopped(const void *data)
{
    const int *fds = data;
    enter(HF_PROFILE_EMULATOR, HF_SECCOMP_KILL);
    struct pollfd p = { .fd = fds[0], .events = POLLIN };
    check(write(fds[3], "x", 1) == 1);
    check(poll(&p, 1, CHILD_SECONDS * 1000) == 1);
}

/* The state letter of a process. */
static char state_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return strrchr(text, ')')[2];
}

static void wait_state(pid_t pid, char state)
{
    int64_t deadline = g_get_monotonic_time() + CHILD_SECONDS * G_USEC_PER_SEC;
    while (state_of(pid) != state) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        sched_yield();
    }
}

static void test_stopped(void)
{
    if (no_seccomp()) {
        return;
    }
    int fds[4];
    char byte;
    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(pipe(fds + 2), ==, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        body_stopped(fds);
        _exit(0);
    }
    int status = 0;
    g_assert_cmpint(read(fds[2], &byte, 1), ==, 1);
    wait_state(pid, 'S');
    g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
    g_assert_cmpint(waitpid(pid, &status, WUNTRACED), ==, pid);
    g_assert_true(WIFSTOPPED(status));
    g_assert_cmpint(kill(pid, SIGCONT), ==, 0);
    wait_state(pid, 'S');
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        close(fds[i]);
    }
}

static void test_service(void)
{
    if (no_seccomp()) {
        return;
    }
    Tree tree;
    tree_open(&tree);
    run_well(body_service, &tree);
    tree_close(&tree);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sandbox/stage1", test_stage1);
    g_test_add_func("/sandbox/stage1/closed-to-peers", test_closed_to_peers);
    g_test_add_func("/sandbox/become", test_become);
    g_test_add_func("/sandbox/become/refuses", test_become_refuses);
    g_test_add_func("/sandbox/capabilities", test_capabilities);
    g_test_add_func("/sandbox/landlock/files", test_landlock_files);
    g_test_add_func("/sandbox/landlock/network", test_landlock_network);
    g_test_add_func("/sandbox/landlock/signal", test_landlock_signal);
    g_test_add_func("/sandbox/landlock/refuses", test_landlock_refuses);
    void *emulator = GINT_TO_POINTER(HF_PROFILE_EMULATOR);
    void *one_file = GINT_TO_POINTER(HF_PROFILE_EMULATOR_FILE);
    void *manufacture = GINT_TO_POINTER(HF_PROFILE_MANUFACTURE);
    g_test_add_data_func("/sandbox/seccomp/listing/emulator", emulator, test_listing);
    g_test_add_data_func("/sandbox/seccomp/listing/file", one_file, test_listing);
    g_test_add_data_func("/sandbox/seccomp/listing/manufacture", manufacture, test_listing);
    g_test_add_data_func("/sandbox/seccomp/numbers/emulator", emulator, test_every_number);
    g_test_add_data_func("/sandbox/seccomp/numbers/file", one_file, test_every_number);
    g_test_add_data_func("/sandbox/seccomp/numbers/manufacture", manufacture, test_every_number);
    g_test_add_data_func("/sandbox/seccomp/modes/emulator", emulator, test_other_modes);
    g_test_add_data_func("/sandbox/seccomp/modes/manufacture", manufacture, test_other_modes);
    g_test_add_func("/sandbox/seccomp/arguments", test_arguments);
    g_test_add_func("/sandbox/seccomp/refused", test_refused);
    g_test_add_func("/sandbox/seccomp/actions", test_actions);
    g_test_add_func("/sandbox/seccomp/threads", test_threads);
    g_test_add_func("/sandbox/seccomp/abort", test_abort);
    g_test_add_func("/sandbox/service", test_service);
    g_test_add_func("/sandbox/service/stopped", test_stopped);
    return g_test_run();
}
