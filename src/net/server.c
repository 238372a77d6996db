/*
 * server.c - the loop: listeners, callers, the worker.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "net/caller.h"
#include "net/source.h"

#define ACCEPTS_A_TURN 16
#define STOP_S 10
/* After the system had no descriptor for a connection. */
#define PAUSE_US (G_USEC_PER_SEC / 5)
/* What the process has open beside connections, generously. */
#define OTHER_FILES 64

typedef struct {
    int fd;
    bool tls;
    GArray *peers; /* uid_t; UNIX only */
} Listener;

/* A request on its way to the worker and its answer on the way back. */
typedef struct {
    gatomicrefcount references; /* caller's table and queue */
    uint64_t id;
    uint16_t kind, answer_kind;
    GBytes *payload; /* NULL: the worker shall end */
    char *peer;
    GBytes *frame;
    bool refused;
    gint abandoned; /* atomic: nobody waits for it any more */
} Job;

struct HfServer {
    const HfServerFunctions *functions;
    void *user;
    const HfExchange *exchanges;
    HfServerLimits limits;
    GPtrArray *listeners; /* Listener */
    GPtrArray *callers;   /* HfCaller, oldest first */
    GHashTable *waiting;  /* id of a caller -> Job */
    HfTls *tls;
    uint64_t last_id;
    uid_t own;
    GThread *thread;      /* the worker */
    int wake_fd;          /* the worker has a result */
    GAsyncQueue *jobs;    /* Job */
    GAsyncQueue *results; /* Job */
    int64_t accept_after; /* monotonic */
    bool stopping;
    int64_t stop_deadline;
};

static void listener_free(void *p)
{
    Listener *listener = p;

    hf_fd_close(&listener->fd);
    g_array_unref(listener->peers);
    g_free(listener);
}

static void job_unref(void *p)
{
    Job *job = p;

    if (g_atomic_ref_count_dec(&job->references)) {
        g_clear_pointer(&job->payload, g_bytes_unref);
        g_clear_pointer(&job->frame, g_bytes_unref);
        g_free(job->peer);
        g_free(job);
    }
}

static Job *job_new(void)
{
    Job *job = g_new0(Job, 1);

    g_atomic_ref_count_init(&job->references);
    return job;
}

HfServer *hf_server_new(const HfServerFunctions *functions, void *user, const HfExchange *exchanges,
                        const HfServerLimits *limits)
{
    HfServer *server = g_new0(HfServer, 1);

    server->functions = functions;
    server->user = user;
    server->exchanges = exchanges;
    server->limits = *limits;
    server->wake_fd = -1;
    server->listeners = g_ptr_array_new_with_free_func(listener_free);
    server->callers = g_ptr_array_new_with_free_func((GDestroyNotify)hf_caller_free);
    server->waiting = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, job_unref);
    server->jobs = g_async_queue_new_full(job_unref);
    server->results = g_async_queue_new_full(job_unref);
    return server;
}

static Listener *listen_at(HfServer *server, int fd, bool tls)
{
    Listener *listener = g_new0(Listener, 1);

    /* Who was there and has gone again must not be waited for. */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    listener->fd = fd;
    listener->tls = tls;
    listener->peers = g_array_new(FALSE, FALSE, sizeof(uid_t));
    g_ptr_array_add(server->listeners, listener);
    return listener;
}

void hf_server_listen_unix(HfServer *server, int fd, const uid_t *peers, size_t n_peers)
{
    Listener *listener = listen_at(server, fd, false);

    if (n_peers > 0) {
        g_array_append_vals(listener->peers, peers, (guint)n_peers);
    }
}

void hf_server_listen_tls(HfServer *server, int fd)
{
    (void)listen_at(server, fd, true);
}

void hf_server_set_tls(HfServer *server, HfTls *tls)
{
    HfTls *before = server->tls;

    server->tls = hf_tls_ref(tls);
    hf_tls_unref(before);
}

/* The worker. */

static void work_on(HfServer *server, Job *job)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) payload = NULL;

    if (g_atomic_int_get(&job->abandoned)) {
        return;
    }
    payload = server->functions->answer(server->user, job->kind, job->payload, job->peer, &error);
    job->refused = !payload;
    job->frame = payload ? hf_frame_new(job->answer_kind, payload) : hf_frame_refusal(error);
}

static void wake(HfServer *server)
{
    uint64_t one = 1;
    ssize_t put = write(server->wake_fd, &one, sizeof(one));

    (void)put; /* full: it is awake */
}

static void *worker(void *p)
{
    HfServer *server = p;

    g_async_queue_push(server->results, job_new());
    for (;;) {
        Job *job = g_async_queue_pop(server->jobs);

        if (!job->payload) {
            job_unref(job);
            return NULL;
        }
        work_on(server, job);
        g_async_queue_push(server->results, job);
        wake(server);
    }
}

static void submit(HfServer *server, HfCaller *caller)
{
    Job *job = job_new();

    job->id = caller->id;
    job->kind = caller->exchange->request;
    job->answer_kind = caller->exchange->answer;
    job->payload = hf_caller_take(caller);
    job->peer = g_strdup(caller->peer);
    g_atomic_ref_count_inc(&job->references);
    g_hash_table_insert(server->waiting, &job->id, job);
    g_async_queue_push(server->jobs, job);
}

static HfCaller *find_caller(HfServer *server, uint64_t id)
{
    for (unsigned i = 0; i < server->callers->len; i++) {
        HfCaller *caller = g_ptr_array_index(server->callers, i);

        if (caller->id == id) {
            return caller;
        }
    }
    return NULL;
}

static void step(HfServer *server, HfCaller *caller)
{
    g_autoptr(GError) error = NULL;

    if (!hf_caller_step(caller, server->exchanges, &error)) {
        server->functions->report(server->user, caller->peer, error);
    }
    if (caller->state == HF_CALLER_WAITING) {
        submit(server, caller);
    }
}

static void deliver(HfServer *server)
{
    uint64_t count = 0;
    ssize_t got = read(server->wake_fd, &count, sizeof(count));
    Job *job;

    (void)got; /* nothing there: somebody else's wake */
    while ((job = g_async_queue_try_pop(server->results))) {
        HfCaller *caller = find_caller(server, job->id);

        (void)g_hash_table_remove(server->waiting, &job->id);
        if (caller && job->frame) {
            hf_caller_answer(caller, job->frame, server->stopping);
            step(server, caller);
        }
        job_unref(job);
    }
}

/* Callers. */

static void drop(HfServer *server, unsigned index)
{
    HfCaller *caller = g_ptr_array_index(server->callers, index);
    Job *job = g_hash_table_lookup(server->waiting, &caller->id);

    if (job) {
        g_atomic_int_set(&job->abandoned, 1);
    }
    g_ptr_array_remove_index(server->callers, index);
}

/* Makes room for one more from `source`; false when there is none to be had. */
static bool make_room(HfServer *server, const char *source)
{
    unsigned same = 0;
    int oldest = -1, oldest_same = -1;

    for (unsigned i = 0; i < server->callers->len; i++) {
        const HfCaller *caller = g_ptr_array_index(server->callers, i);
        bool of_same = g_str_equal(caller->source, source);
        bool busy = caller->state == HF_CALLER_WAITING || caller->state == HF_CALLER_ANSWER;

        same += of_same;
        if (!busy && oldest < 0) {
            oldest = (int)i;
        }
        if (!busy && of_same && oldest_same < 0) {
            oldest_same = (int)i;
        }
    }
    if (same >= server->limits.a_source) {
        oldest = oldest_same;
    } else if (server->callers->len < server->limits.connections) {
        return true;
    }
    if (oldest < 0) {
        return false;
    }
    drop(server, (unsigned)oldest);
    return true;
}

/* A client whose user may not ask here is told so. */
static void check_peer(const HfServer *server, const Listener *listener, HfCaller *caller,
                       uid_t uid)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) frame = NULL;
    bool allowed = uid == 0 || uid == server->own;

    for (unsigned i = 0; i < listener->peers->len; i++) {
        allowed |= g_array_index(listener->peers, uid_t, i) == uid;
    }
    if (!allowed) {
        hf_error_set(&error, HF_ERROR_POLICY, "user %u may not ask here", (unsigned)uid);
        frame = hf_frame_refusal(error);
        server->functions->report(server->user, caller->peer, error);
        hf_caller_answer(caller, frame, true);
    }
}

static void welcome(HfServer *server, const Listener *listener, int fd)
{
    g_autofree char *peer = NULL;
    g_autofree char *source = NULL;
    g_autoptr(GError) error = NULL;
    HfStream *stream = NULL;
    HfCaller *caller;
    uid_t uid = 0;

    if (!hf_source_of(fd, &peer, &source, &uid) || !make_room(server, source)) {
        (void)close(fd);
        return;
    }
    stream =
        listener->tls ? hf_stream_tls(fd, server->tls, NULL, &error) : hf_stream_plain(fd, &error);
    if (!stream) {
        server->functions->report(server->user, peer, error);
        return;
    }
    caller = hf_caller_new(++server->last_id, stream, peer, source);
    g_ptr_array_add(server->callers, caller);
    if (!listener->tls) {
        check_peer(server, listener, caller, uid);
    }
    step(server, caller);
}

static void accept_some(HfServer *server, const Listener *listener)
{
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                server->accept_after = g_get_monotonic_time() + PAUSE_US;
            }
            return;
        }
        welcome(server, listener, fd);
    }
}

/* The loop. */

static int timeout_until(int64_t deadline)
{
    int64_t left = deadline - g_get_monotonic_time();

    return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, 60000);
}

/* Fills `set`: interrupt, worker, listeners (none while accepting pauses), callers. */
static int prepare(HfServer *server, GArray *set, int interrupt_fd, unsigned *ret_listeners)
{
    struct pollfd entry = { .fd = interrupt_fd, .events = POLLIN };
    int64_t deadline = server->stopping ? server->stop_deadline : INT64_MAX;
    bool pause = g_get_monotonic_time() < server->accept_after;

    g_array_set_size(set, 0);
    g_array_append_val(set, entry);
    entry.fd = server->wake_fd;
    g_array_append_val(set, entry);
    *ret_listeners = pause ? 0 : server->listeners->len;
    for (unsigned i = 0; i < *ret_listeners; i++) {
        entry.fd = ((const Listener *)g_ptr_array_index(server->listeners, i))->fd;
        g_array_append_val(set, entry);
    }
    deadline = pause ? MIN(deadline, server->accept_after) : deadline;
    for (unsigned i = 0; i < server->callers->len; i++) {
        const HfCaller *caller = g_ptr_array_index(server->callers, i);

        entry.fd = hf_stream_fd(caller->stream);
        entry.events = caller->events;
        g_array_append_val(set, entry);
        deadline = hf_caller_pending(caller) ? 0 : MIN(deadline, caller->deadline);
    }
    return deadline == INT64_MAX ? -1 : timeout_until(deadline);
}

/* `ready`: a pollfd for each of the first n callers. */
static void step_callers(HfServer *server, const struct pollfd *ready, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        HfCaller *caller = g_ptr_array_index(server->callers, i);

        if (caller->state == HF_CALLER_WAITING) {
            if (ready[i].revents & (POLLHUP | POLLERR)) {
                caller->state = HF_CALLER_GONE;
            }
        } else if (ready[i].revents != 0 || hf_caller_pending(caller)) {
            step(server, caller);
        }
    }
}

static void tidy(HfServer *server)
{
    int64_t now = g_get_monotonic_time();

    for (unsigned i = server->callers->len; i-- > 0;) {
        HfCaller *caller = g_ptr_array_index(server->callers, i);
        g_autoptr(GError) error = NULL;
        bool idle = caller->state == HF_CALLER_HANDSHAKE || caller->state == HF_CALLER_HEAD ||
                    caller->state == HF_CALLER_BODY;

        if (now >= caller->deadline && hf_caller_expire(caller, &error)) {
            server->functions->report(server->user, caller->peer, error);
        }
        if (caller->state == HF_CALLER_GONE || (server->stopping && idle)) {
            drop(server, i);
        }
    }
}

static bool turn(HfServer *server, GArray *set, int interrupt_fd, GError **error)
{
    unsigned listeners = 0;
    unsigned callers = server->callers->len;
    int timeout = prepare(server, set, interrupt_fd, &listeners);
    const struct pollfd *ready = (const struct pollfd *)(void *)set->data;

    if (poll((struct pollfd *)(void *)set->data, set->len, timeout) < 0) {
        return errno == EINTR || hf_error_errno(error, errno, "poll");
    }
    step_callers(server, ready + 2 + listeners, callers);
    for (unsigned i = 0; i < listeners; i++) {
        if (ready[2 + i].revents != 0) {
            accept_some(server, g_ptr_array_index(server->listeners, i));
        }
    }
    if (ready[1].revents != 0) {
        deliver(server);
    }
    if (ready[0].revents != 0) {
        server->functions->interrupted(server->user, server);
    }
    tidy(server);
    return true;
}

void hf_server_stop(HfServer *server)
{
    server->stopping = true;
    server->stop_deadline = g_get_monotonic_time() + STOP_S * (int64_t)G_USEC_PER_SEC;
    g_ptr_array_set_size(server->listeners, 0);
}

/* As many descriptors as the limits want. */
static bool raise_files(const HfServer *server, GError **error)
{
    rlim_t wanted = server->limits.connections + OTHER_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return hf_error_errno(error, errno, "limit of open files");
    }
    if (limit.rlim_cur >= wanted) {
        return true;
    }
    if (limit.rlim_max < wanted) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "%u connections expected, but the system allows %lu open files",
                            server->limits.connections, (unsigned long)limit.rlim_max);
    }
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
           hf_error_errno(error, errno, "limit of open files");
}

bool hf_server_start(HfServer *server, GError **error)
{
    if (!raise_files(server, error)) {
        return false;
    }
    server->own = geteuid();
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0) {
        return hf_error_errno(error, errno, "eventfd");
    }
    server->thread = g_thread_try_new("worker", worker, server, error);
    if (!server->thread) {
        return false;
    }
    job_unref(g_async_queue_pop(server->results)); /* its first word */
    return true;
}

static void end_worker(HfServer *server)
{
    if (server->thread) {
        g_async_queue_push_front(server->jobs, job_new());
        (void)g_thread_join(g_steal_pointer(&server->thread));
    }
}

void hf_server_free(HfServer *server)
{
    if (!server) {
        return;
    }
    end_worker(server);
    g_ptr_array_unref(server->listeners);
    g_ptr_array_unref(server->callers);
    g_hash_table_unref(server->waiting);
    g_async_queue_unref(server->jobs);
    g_async_queue_unref(server->results);
    hf_tls_unref(server->tls);
    hf_fd_close(&server->wake_fd);
    g_free(server);
}

bool hf_server_run(HfServer *server, int interrupt_fd, GError **error)
{
    g_autoptr(GArray) set = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    bool good = true;

    while (good && (!server->stopping ||
                    (server->callers->len > 0 && g_get_monotonic_time() < server->stop_deadline))) {
        good = turn(server, set, interrupt_fd, error);
    }
    end_worker(server);
    return good;
}
