/*
 * engine_child.c - both sides of the engine's process: the parent's handle and the child's loop.
 *
 * The conversation is child_message.h's, on a socket pair. The reply's code says whether it went
 * well; the payload of a failure is its message. Both sides bound every size; the parent does not
 * trust the child with more than its answers.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/engine_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "engine/engine.h"
#include "sandbox/sandbox.h"
#include "tools/setup/child_message.h"

#define REPLY_SECONDS 120
#define AHEAD_MAX 24u /* their answers, of 4 KB at most, have room in a socket */

enum { ASK_POWER_ON = 1, ASK_COMMAND, ASK_INFO, ASK_SEED, ASK_FORGET, ASK_FINISH, ASK_PROFILE };
enum { REPLY_DONE = 1, REPLY_FAILED };

/* A command that was sent before its turn. */
typedef struct {
    GBytes *command;
    HfSecret *answer; /* when something else was asked after it; else NULL */
    uint8_t code;     /* the answer's */
} Ahead;

struct HfEngineChild {
    pid_t pid;
    int fd;
    GQueue ahead; /* Ahead, as they were sent */
};

/* --- the child ------------------------------------------------------------------------------- */

typedef struct {
    int fd;
    HfEngine *engine;
    HfSecret *permanent; /* NULL: certainly absent */
} Child;

static GBytes *memory_load(void *user, HfBlobKind kind, GError **error)
{
    const Child *child = user;
    if (kind != HF_BLOB_PERMANENT || !child->permanent) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "no such blob in memory");
        return NULL;
    }
    HfSecret *copy = hf_secret_copy(child->permanent->data, child->permanent->size);
    return g_bytes_new_with_free_func(copy->data, copy->size, (GDestroyNotify)hf_secret_free, copy);
}

static bool memory_save(void *user, HfBlobKind kind, const uint8_t *data, size_t size,
                        GError **error)
{
    Child *child = user;
    if (kind != HF_BLOB_PERMANENT || size == 0 || size > HF_BLOB_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "blob %d of %zu bytes cannot be kept", kind,
                            size);
    }
    hf_secret_free(child->permanent);
    child->permanent = hf_secret_copy(data, size);
    return true;
}

static bool memory_remove(void *user G_GNUC_UNUSED, HfBlobKind kind, GError **error)
{
    /* Only the permanent blob is ever kept, and nothing may ask to remove that. */
    return kind != HF_BLOB_PERMANENT ||
           hf_error_set(error, HF_ERROR_INVALID, "the permanent blob cannot be removed");
}

static const HfEngineStorage memory_storage = { memory_load, memory_save, memory_remove };

static bool reply_failed(const Child *child, const GError *error)
{
    const char *text = error ? error->message : "the TPM gave no reason";
    return hf_message_send(child->fd, REPLY_FAILED, text, strlen(text), NULL);
}

static bool answer_power_on(Child *child, const HfSecret *payload)
{
    if (payload->size > 0) {
        hf_secret_free(child->permanent);
        child->permanent = hf_secret_copy(payload->data, payload->size);
    }
    g_autoptr(GError) error = NULL;
    uint32_t result = hf_engine_power_on(child->engine, false, &error);
    if (result != HF_TPM_SUCCESS) {
        return reply_failed(child, error);
    }
    const GError *storage = hf_engine_storage_error(child->engine);
    return storage ? reply_failed(child, storage)
                   : hf_message_send(child->fd, REPLY_DONE, NULL, 0, NULL);
}

static bool answer_command(Child *child, const HfSecret *payload)
{
    if (!hf_engine_running(child->engine)) {
        g_autoptr(GError) off = g_error_new_literal(HF_ERROR, HF_ERROR_STATE, "the TPM is off");
        return reply_failed(child, off);
    }
    const uint8_t *response = NULL;
    size_t size = hf_engine_process(child->engine, payload->data, payload->size, 0, &response);
    const GError *storage = hf_engine_storage_error(child->engine);
    return storage ? reply_failed(child, storage)
                   : hf_message_send_command(child->fd, REPLY_DONE, response, size, NULL);
}

static bool answer_seed(Child *child, const HfSecret *payload)
{
    g_autoptr(GError) error = NULL;
    return hf_engine_set_endorsement_seed(child->engine, payload, &error)
               ? hf_message_send(child->fd, REPLY_DONE, NULL, 0, NULL)
               : reply_failed(child, error);
}

/* u8 what is removed, then the JSON text. */
static bool answer_profile(Child *child, const HfSecret *payload)
{
    g_autoptr(GError) error = NULL;
    HfProfileRemoval removal = payload->size > 0 ? payload->data[0] : HF_PROFILE_KEEP;
    g_autofree char *json =
        payload->size > 0 ? g_strndup((const char *)payload->data + 1, payload->size - 1) : NULL;
    g_autofree char *available = hf_engine_info(child->engine, HF_ENGINE_INFO_PROFILES);
    g_autofree char *ready = hf_profile_prepare(json ? json : "", available, removal, &error);
    return ready && hf_engine_set_profile(child->engine, ready, &error)
               ? hf_message_send(child->fd, REPLY_DONE, NULL, 0, NULL)
               : reply_failed(child, error);
}

static bool answer_forget(Child *child)
{
    hf_engine_power_off(child->engine);
    g_clear_pointer(&child->permanent, hf_secret_free);
    return hf_message_send(child->fd, REPLY_DONE, NULL, 0, NULL);
}

static bool answer_info(Child *child, const HfSecret *payload)
{
    HfReader r = hf_reader(payload->data, payload->size);
    g_autofree char *json = hf_engine_info(child->engine, hf_reader_u64(&r));
    return hf_message_send(child->fd, REPLY_DONE, json, json ? strlen(json) : 0, NULL);
}

/* The last answer: false ends the loop. */
static bool answer_finish(Child *child)
{
    hf_engine_power_off(child->engine);
    if (child->permanent) {
        hf_message_send(child->fd, REPLY_DONE, child->permanent->data, child->permanent->size,
                        NULL);
    } else {
        reply_failed(child, NULL);
    }
    return false;
}

static bool answer(Child *child, uint8_t code, const HfSecret *payload)
{
    switch (code) {
    case ASK_POWER_ON: return answer_power_on(child, payload);
    case ASK_COMMAND: return answer_command(child, payload);
    case ASK_INFO: return answer_info(child, payload);
    case ASK_PROFILE: return answer_profile(child, payload);
    case ASK_SEED: return answer_seed(child, payload);
    case ASK_FORGET: return answer_forget(child);
    case ASK_FINISH: return answer_finish(child);
    default: return false;
    }
}

/* Descriptors other than the socket and stderr go away; 0 and 1 lead nowhere. */
static bool close_descriptors(int keep, GError **error)
{
    int null = TEMP_FAILURE_RETRY(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
        return hf_error_errno(error, errno, "/dev/null");
    }
    unsigned first = STDERR_FILENO + 1;
    if ((unsigned)keep > first) {
        close_range(first, (unsigned)keep - 1, 0);
    }
    close_range((unsigned)keep + 1, ~0u, 0); /* `null` is in one of the two */
    return true;
}

static bool confine(GError **error)
{
    bool active;
    const HfSandboxPaths nothing = { 0 };
    return hf_sandbox_landlock(&nothing, &active, error) && hf_sandbox_drop_capabilities(error) &&
           hf_sandbox_seccomp(HF_PROFILE_MANUFACTURE, HF_SECCOMP_KILL, error);
}

G_GNUC_NORETURN static void child_main(HfTpmVersion version, int fd, pid_t parent)
{
    g_autoptr(GError) error = NULL;
    Child child = { .fd = fd };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    hf_engine_tune_malloc(); /* what libtpms reads a state from is pages that go when it frees them */
    if (!close_descriptors(fd, &error) ||
        !(child.engine = hf_engine_new(version, &memory_storage, &child, &error)) ||
        !confine(&error)) {
        reply_failed(&child, error);
        _exit(1);
    }
    for (bool more = true; more;) {
        uint8_t code = 0;
        g_autoptr(HfSecret) payload = hf_message_receive(fd, HF_NO_DEADLINE, &code, NULL);
        more = payload && answer(&child, code, payload);
    }
    hf_engine_free(child.engine);
    hf_secret_free(child.permanent);
    _exit(0);
}

/* --- the parent ------------------------------------------------------------------------------ */

HfEngineChild *hf_engine_child_start(HfTpmVersion version, GError **error)
{
    pid_t parent = getpid();
    hf_autofd int fd = -1;
    pid_t pid = hf_child_fork("the TPM's process", &fd, error);
    if (pid < 0) {
        return NULL;
    }
    if (pid == 0) {
        child_main(version, fd, parent);
    }
    HfEngineChild *child = g_new0(HfEngineChild, 1);
    child->pid = pid;
    child->fd = hf_fd_steal(&fd);
    return child;
}

static void ahead_free(void *data)
{
    Ahead *ahead = data;
    g_bytes_unref(ahead->command);
    hf_secret_free(ahead->answer);
    g_free(ahead);
}

void hf_engine_child_dismiss(HfEngineChild *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
    }
}

void hf_engine_child_free(HfEngineChild *child)
{
    if (!child) {
        return;
    }
    hf_fd_close(&child->fd);
    hf_child_end(child->pid);
    g_queue_clear_full(&child->ahead, ahead_free);
    g_free(child);
}

/* Why the conversation broke, when the child's end explains it better than the socket's error. */
static void explain_death(HfEngineChild *child, GError **error)
{
    int status = 0;
    /* Only a child that ends closes its socket, so there is nothing long to wait for. */
    if (!hf_error_is(*error, HF_ERROR_TIMEOUT) && child->pid > 0 &&
        hf_child_reap(child->pid, &status)) {
        child->pid = 0;
    }
    if (WIFSIGNALED(status)) {
        g_prefix_error(error, "the TPM's process was ended by signal %d: ", WTERMSIG(status));
    } else {
        g_prefix_error(error, "the TPM's process gave no answer: ");
    }
}

static HfSecret *receive(HfEngineChild *child, uint8_t *ret_code, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + REPLY_SECONDS * G_USEC_PER_SEC;
    g_autoptr(GError) local = NULL;
    HfSecret *reply = hf_message_receive(child->fd, deadline, ret_code, &local);
    if (!reply) {
        explain_death(child, &local);
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return reply;
}

/* The payload of a reply that says it went well. */
static HfSecret *judge(HfSecret *reply, bool good, GError **error)
{
    if (reply && !good) {
        g_autofree char *text = g_strndup((const char *)reply->data, reply->size);
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        hf_error_set(error, HF_ERROR_FAILED, "%s", valid);
        g_clear_pointer(&reply, hf_secret_free);
    }
    return reply;
}

/* To what was sent ahead, up to `last` or (NULL) all of it. */
static bool take_answers(HfEngineChild *child, const Ahead *last, GError **error)
{
    for (GList *l = child->ahead.head; l; l = l->next) {
        Ahead *ahead = l->data;
        if (!ahead->answer && !(ahead->answer = receive(child, &ahead->code, error))) {
            return false;
        }
        if (ahead == last) {
            break;
        }
    }
    return true;
}

static HfSecret *ask(HfEngineChild *child, uint8_t code, const void *data, size_t size,
                     GError **error)
{
    uint8_t result = 0;
    if (!take_answers(child, NULL, error)) {
        return NULL;
    }
    /* A child that failed early has left its message behind: read also when writing fails. */
    bool sent = (code == ASK_COMMAND ? hf_message_send_command : hf_message_send)(child->fd, code,
                                                                                  data, size, NULL);
    HfSecret *reply = receive(child, &result, error);
    return judge(reply, sent && result == REPLY_DONE, error);
}

static Ahead *find_ahead(HfEngineChild *child, const uint8_t *command, size_t size)
{
    for (GList *l = child->ahead.head; l; l = l->next) {
        Ahead *ahead = l->data;
        size_t sent = 0;
        const void *bytes = g_bytes_get_data(ahead->command, &sent);
        if (sent == size && memcmp(bytes, command, size) == 0) {
            return ahead;
        }
    }
    return NULL;
}

static HfSecret *collect(HfEngineChild *child, Ahead *ahead, GError **error)
{
    HfSecret *reply = NULL;
    if (take_answers(child, ahead, error)) {
        reply = judge(g_steal_pointer(&ahead->answer), ahead->code == REPLY_DONE, error);
    }
    g_queue_remove(&child->ahead, ahead);
    ahead_free(ahead);
    return reply;
}

bool hf_engine_child_power_on(HfEngineChild *child, const HfSecret *permanent, GError **error)
{
    g_autoptr(HfSecret) reply = ask(child, ASK_POWER_ON, permanent ? permanent->data : NULL,
                                    permanent ? permanent->size : 0, error);
    return reply != NULL;
}

bool hf_engine_child_set_seed(HfEngineChild *child, const HfSecret *seed, GError **error)
{
    g_autoptr(HfSecret) reply = ask(child, ASK_SEED, seed->data, seed->size, error);
    return reply != NULL;
}

bool hf_engine_child_set_profile(HfEngineChild *child, const char *json, HfProfileRemoval removal,
                                 GError **error)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    hf_put_u8(payload, (uint8_t)removal);
    hf_put_bytes(payload, json, strlen(json));
    g_autoptr(HfSecret) reply = ask(child, ASK_PROFILE, payload->data, payload->len, error);
    return reply != NULL;
}

bool hf_engine_child_forget(HfEngineChild *child, GError **error)
{
    g_autoptr(HfSecret) reply = ask(child, ASK_FORGET, NULL, 0, error);
    return reply != NULL;
}

static bool transmit(void *user, const uint8_t *command, size_t size, GByteArray *response,
                     GError **error)
{
    Ahead *ahead = find_ahead(user, command, size);
    g_autoptr(HfSecret) reply =
        ahead ? collect(user, ahead, error) : ask(user, ASK_COMMAND, command, size, error);
    if (!reply) {
        return false;
    }
    hf_put_bytes(response, reply->data, reply->size);
    return true;
}

HfTransport hf_engine_child_transport(HfEngineChild *child)
{
    return (HfTransport){ transmit, child };
}

static bool transmit_ahead(void *user, const uint8_t *command, size_t size,
                           GByteArray *response G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    HfEngineChild *child = user;
    if (g_queue_get_length(&child->ahead) < AHEAD_MAX) {
        Ahead *ahead = g_new0(Ahead, 1);
        ahead->command = hf_secret_bytes_take(g_memdup2(command, size), size);
        g_queue_push_tail(&child->ahead, ahead);
        /* Should it not arrive, there is no answer either. */
        (void)hf_message_send_command(child->fd, ASK_COMMAND, command, size, NULL);
    }
    return false;
}

HfTransport hf_engine_child_ahead(HfEngineChild *child)
{
    return (HfTransport){ transmit_ahead, child };
}

char *hf_engine_child_info(HfEngineChild *child, uint64_t flags, GError **error)
{
    uint8_t payload[8];
    hf_store_u32(payload, (uint32_t)(flags >> 32));
    hf_store_u32(payload + 4, (uint32_t)flags);
    g_autoptr(HfSecret) reply = ask(child, ASK_INFO, payload, sizeof(payload), error);
    return reply ? g_strndup((const char *)reply->data, reply->size) : NULL;
}

HfSecret *hf_engine_child_finish(HfEngineChild *child, GError **error)
{
    return ask(child, ASK_FINISH, NULL, 0, error);
}
