/*
 * control_server.c - the control thread.
 *
 * A client is a small state machine fed by poll: bytes are collected until a request is complete
 * (codec), a tail is passed on as it comes, and the answer leaves in one write. What follows a
 * request in the same segment is the next request, when it begins with the number of a command;
 * anything else means that the request was too long, or unknown and with a body, and is dropped:
 * taken for requests it would be answered, and the client would be out of step for good.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/control_server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "emulator/control_handlers.h"
#include "emulator/frontend.h"

#define INPUT_SIZE 8192u
/* A response without its tail is shorter. */
#define RESPONSE_ROOM 64u
/* A tail, or a client that reads its answer, must get on within this time. */
#define PROGRESS_TIMEOUT_MS 2000
#define LOCK_PAUSE_MS 10
/* After accept failed (too many open files): the listener stays readable, so it is not asked. */
#define ACCEPT_PAUSE_MS 200

typedef enum {
    PHASE_REQUEST, /* collecting number and body */
    PHASE_TAIL,    /* passing the tail on */
    PHASE_AGAIN,   /* asking the handler again in a moment */
    PHASE_DRAIN,   /* answered and to be closed: taking what the client still sends */
} Phase;

typedef struct {
    HfEmulator *emulator;
    HfControlContext context;
    HfControlConfig config;
    int fd; /* the client, or -1 */
    uint8_t input[INPUT_SIZE];
    size_t have;
    Phase phase;
    bool refused;                 /* accept failed the last time: no client before the deadline */
    int64_t deadline;             /* of the phase, or HF_NO_DEADLINE */
    const HfControlRow *previous; /* whose padding may still come */
    bool unsure;  /* the request is complete, what follows does not tell yet what it is */
    bool overdue; /* and never will */
    HfControlRequest request;
    uint32_t result; /* of the tail so far */
    uint64_t tail_left;
    int passed;          /* descriptor that came with bytes not yet used, or -1 */
    size_t passed_until; /* bytes of input it belongs to */
} Server;

static int64_t deadline_in(int milliseconds)
{
    return g_get_monotonic_time() + milliseconds * INT64_C(1000);
}

static void tail_free(Server *server)
{
    if (server->request.tail) {
        /* A state blob holds the TPM's seeds. */
        if (server->request.tail->len > 0) {
            explicit_bzero(server->request.tail->data, server->request.tail->len);
        }
        g_byte_array_unref(server->request.tail);
        server->request.tail = NULL;
    }
}

static void disconnect(Server *server)
{
    hf_fd_close(&server->fd);
    hf_fd_close(&server->passed);
    hf_fd_close(&server->request.fd);
    tail_free(server);
    hf_control_context_clear(&server->context);
    explicit_bzero(server->input, sizeof(server->input));
    server->have = 0;
    server->phase = PHASE_REQUEST;
    server->deadline = HF_NO_DEADLINE;
    server->previous = NULL;
    server->unsure = false;
    if (server->config.terminate) {
        hf_emulator_end(server->emulator, 0);
    }
}

static void consume(Server *server, size_t used)
{
    server->have -= used;
    memmove(server->input, server->input + used, server->have);
    explicit_bzero(server->input + server->have, used); /* it may be of a state blob */
    server->passed_until -= MIN(used, server->passed_until);
}

/* Waits until the client takes more; false when it does not, or the process is told to end. */
static bool wait_writable(Server *server)
{
    struct pollfd p[2] = { { .fd = server->fd, .events = POLLOUT },
                           { .fd = server->config.signal_fd, .events = POLLIN } };
    int n = 0;
    do {
        n = poll(p, G_N_ELEMENTS(p), PROGRESS_TIMEOUT_MS);
    } while (n < 0 && errno == EINTR);
    return n > 0 && p[1].revents == 0;
}

static bool send_all(Server *server, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(server->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN && wait_writable(server)) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static void respond(Server *server, HfControlResponse *response)
{
    gsize tail_size = response->tail ? g_bytes_get_size(response->tail) : 0;
    g_autoptr(GByteArray) out = g_byte_array_sized_new((guint)(RESPONSE_ROOM + tail_size));
    hf_control_response_put(out, &response->message);
    hf_log_dump(2, " Ctrl Rsp:", out->data, out->len); /* without a blob's seeds */
    if (response->tail) {
        const uint8_t *data = g_bytes_get_data(response->tail, NULL);
        g_byte_array_append(out, data, (guint)tail_size);
    }
    HfFarewell *farewell = server->config.farewell;
    bool last = farewell && response->message.row->number == HF_CONTROL_SHUTDOWN;
    if (last) {
        g_assert(out->len == sizeof(farewell->bytes));
        memcpy(farewell->bytes, out->data, out->len);
        farewell->fd = hf_fd_steal(&server->fd);
    }
    bool sent = last || send_all(server, out->data, out->len);
    explicit_bzero(out->data, out->len);
    hf_log(2, " CMD_%s: result 0x%x", response->message.row->name,
           (unsigned)response->message.value[HF_FIELD_RESULT]);
    hf_control_settle(&server->context, &server->request);
    if (!sent) {
        disconnect(server);
    }
}

/* The request is complete: do it, or, when it was refused on the way, only say so. */
static void finish(Server *server)
{
    HfControlResponse response = { .message = { .row = server->request.message.row } };
    bool again = false;
    if (server->result == HF_CONTROL_OK) {
        hf_control_handle(&server->context, &server->request, &response, &again);
    } else {
        response.message.value[HF_FIELD_RESULT] = server->result;
    }
    if (again) {
        server->phase = PHASE_AGAIN;
        server->deadline = deadline_in(LOCK_PAUSE_MS);
        return;
    }
    server->phase = PHASE_REQUEST;
    server->deadline = HF_NO_DEADLINE;
    hf_fd_close(&server->request.fd);
    tail_free(server);
    respond(server, &response);
    g_clear_pointer(&response.tail, g_bytes_unref);
}

/* A length no blob has: the answer, and then the connection ends, for what follows cannot be
 * told from requests. What the client already sent is taken off, or it would lose the answer. */
static void refuse_length(Server *server)
{
    HfControlResponse response = { .message = { .row = server->request.message.row } };
    response.message.value[HF_FIELD_RESULT] = server->result;
    respond(server, &response);
    if (server->fd >= 0) {
        (void)shutdown(server->fd, SHUT_WR);
        server->have = 0;
        server->phase = PHASE_DRAIN;
        server->deadline = deadline_in(HF_CONTROL_BODY_TIMEOUT_MS);
    }
}

/* Number and body are there. */
static void begin(Server *server)
{
    const HfControlRow *row = server->request.message.row;
    server->previous = row;
    server->request.fd = -1;
    if (row->descriptor) {
        server->request.fd = hf_fd_steal(&server->passed);
    }
    server->result = hf_control_admit(&server->context, &server->request);
    if (!row->request_tail) {
        finish(server);
        return;
    }
    server->tail_left = server->request.message.value[HF_FIELD_LENGTH];
    if (row->number == HF_CONTROL_SET_STATEBLOB) {
        if (server->tail_left > HF_CONTROL_BLOB_MAX) {
            refuse_length(server);
            return;
        }
        server->request.tail = g_byte_array_sized_new((guint)server->tail_left);
    }
    server->phase = PHASE_TAIL;
    server->deadline = deadline_in(PROGRESS_TIMEOUT_MS);
}

static void unknown(Server *server)
{
    static const HfControlRow nothing = { .name = "(unknown)",
                                          .response_size = 4,
                                          .error_size = 4,
                                          .response = { { HF_FIELD_RESULT, 4 } } };
    HfControlResponse response = { .message = { .row = &nothing } };
    response.message.value[HF_FIELD_RESULT] = HF_CONTROL_BAD_ORDINAL;
    server->previous = NULL;
    server->request.message.row = &nothing;
    server->deadline = HF_NO_DEADLINE;
    respond(server, &response);
}

/* Requests that only report leave out what is too much; the others must not be done by mistake. */
static bool must_be_exact(const HfControlRow *row)
{
    return row->response_size == 4 && row->padding == 0;
}

/* A request of `used` bytes is complete. What came with it and is no request is dropped; *ret_long
 * says that the request is to be refused for it. False: not known before more bytes come. */
static bool cut_surplus(Server *server, size_t *used, bool *ret_long)
{
    const HfControlMessage *message = &server->request.message;
    uint64_t end = *used + (message->row->request_tail ? message->value[HF_FIELD_LENGTH] : 0);
    *ret_long = false;
    if (end >= server->have) {
        return true;
    }
    switch (hf_control_rest(server->input + end, server->have - (size_t)end, message->row)) {
    case HF_CONTROL_REST_PADDING: *used = server->have; return true;
    case HF_CONTROL_REST_UNSURE:
        if (!server->overdue) {
            return false;
        }
        break;
    case HF_CONTROL_REST_SURPLUS: break;
    case HF_CONTROL_REST_NONE:
    case HF_CONTROL_REST_REQUEST:
    default: return true;
    }
    server->have = (size_t)end;
    *ret_long = must_be_exact(message->row);
    return true;
}

/* Nothing of it is done, and nothing of it stays. */
static void refuse_long(Server *server)
{
    server->previous = NULL;
    hf_log(1, "CMD_%s: expected nothing after the request, found more bytes",
           server->request.message.row->name);
    server->have = 0;
    server->request.fd = -1;
    server->result = hf_control_admit(&server->context, &server->request);
    if (server->result == HF_CONTROL_OK) {
        server->result = HF_CONTROL_BAD_PARAMETER;
    }
    finish(server);
}

/* False when more bytes are needed. */
static bool step_request(Server *server)
{
    size_t used = 0;
    bool too_long = false;
    HfControlParse parse = hf_control_request_parse(server->input, server->have, server->previous,
                                                    &server->request.message, &used);
    switch (parse) {
    case HF_CONTROL_PARSE_IDLE: server->deadline = HF_NO_DEADLINE; return false;
    case HF_CONTROL_PARSE_MORE:
        if (server->deadline == HF_NO_DEADLINE) {
            server->deadline = deadline_in(HF_CONTROL_BODY_TIMEOUT_MS);
        }
        return false;
    case HF_CONTROL_PARSE_READY:
        if (!cut_surplus(server, &used, &too_long)) {
            if (!server->unsure) {
                server->deadline = deadline_in(HF_CONTROL_BODY_TIMEOUT_MS);
            }
            server->unsure = true;
            return false;
        }
        server->unsure = false;
        server->deadline = HF_NO_DEADLINE;
        if (too_long) {
            refuse_long(server);
            return true;
        }
        hf_log_dump(2, " Ctrl Cmd:", server->input, used);
        consume(server, used);
        begin(server);
        return true;
    case HF_CONTROL_PARSE_UNKNOWN:
    default:
        server->have = 0; /* its body, of a length nobody knows, goes with it */
        unknown(server);
        return true;
    }
}

static bool step_tail(Server *server)
{
    size_t n = (size_t)MIN(server->tail_left, server->have);
    if (n > 0) {
        if (server->result == HF_CONTROL_OK) {
            server->result = hf_control_feed(&server->context, &server->request, server->input, n);
        }
        consume(server, n);
        server->tail_left -= n;
        server->deadline = deadline_in(PROGRESS_TIMEOUT_MS);
    }
    if (server->tail_left > 0) {
        return false;
    }
    finish(server);
    return true;
}

/* Goes as far as the bytes at hand allow. */
static void advance(Server *server)
{
    bool on = true;
    while (on && server->fd >= 0) {
        switch (server->phase) {
        case PHASE_REQUEST: on = server->have > 0 && step_request(server); break;
        case PHASE_TAIL: on = step_tail(server); break;
        case PHASE_AGAIN: on = false; break;
        case PHASE_DRAIN:
        default:
            server->have = 0;
            on = false;
            break;
        }
        /* A descriptor nobody asked for goes with the bytes it came with. */
        if (server->passed_until == 0) {
            hf_fd_close(&server->passed);
        }
    }
}

static void receive(Server *server)
{
    int passed = -1;
    ssize_t n = hf_socket_receive(server->fd, server->input + server->have,
                                  sizeof(server->input) - server->have, &passed, NULL);
    if (n <= 0) {
        disconnect(server);
        return;
    }
    server->have += (size_t)n;
    if (passed >= 0) {
        hf_fd_close(&server->passed);
        server->passed = passed;
        server->passed_until = server->have;
    }
    advance(server);
}

static void accept_client(Server *server)
{
    g_autoptr(GError) error = NULL;
    server->fd = hf_socket_accept(server->config.listener, &error);
    server->context.monitor = false;
    if (server->fd < 0 && !server->refused) {
        hf_log(1, "control channel: %s", error->message);
    }
    server->refused = server->fd < 0;
    server->deadline = server->refused ? deadline_in(ACCEPT_PAUSE_MS) : HF_NO_DEADLINE;
}

/* The deadline of the phase passed. */
static void expire(Server *server)
{
    if (server->phase == PHASE_AGAIN) {
        finish(server);
        advance(server);
        return;
    }
    if (server->unsure) {
        server->overdue = true;
        advance(server);
        server->overdue = false;
        return;
    }
    if (server->phase != PHASE_DRAIN) {
        hf_log(1, "control channel: the rest of a request did not come in time, disconnecting");
    }
    disconnect(server);
}

static int poll_timeout(const Server *server)
{
    if (server->deadline == HF_NO_DEADLINE) {
        return -1;
    }
    int64_t left = server->deadline - g_get_monotonic_time();
    return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

static void turn(Server *server)
{
    /* While a handler waits for its next try, requests stay in the socket. */
    bool again = server->phase == PHASE_AGAIN;
    bool pausing = server->fd < 0 && server->deadline != HF_NO_DEADLINE;
    int channel = server->fd >= 0 ? server->fd : server->config.listener;
    struct pollfd p[3] = { { .fd = server->config.signal_fd, .events = POLLIN },
                           { .fd = hf_emulator_end_fd(server->emulator), .events = POLLIN },
                           { .fd = pausing ? -1 : channel, .events = again ? POLLRDHUP : POLLIN } };
    int n = poll(p, G_N_ELEMENTS(p), poll_timeout(server));
    if (n < 0) {
        return; /* EINTR */
    }
    if (p[0].revents != 0) {
        hf_frontend_take_signal(server->emulator, server->config.signal_fd);
    } else if (p[1].revents == 0 && p[2].revents != 0) {
        if (again) {
            disconnect(server);
        } else if (server->fd >= 0) {
            receive(server);
        } else {
            accept_client(server);
        }
    }
    if (server->deadline == HF_NO_DEADLINE || g_get_monotonic_time() < server->deadline) {
        return;
    }
    if (server->fd >= 0) {
        expire(server);
    } else {
        server->deadline = HF_NO_DEADLINE; /* the listener is asked again */
    }
}

int hf_control_server_run(HfEmulator *emulator, HfDataChannel *data, const HfControlConfig *config)
{
    g_autofree Server *server = g_new0(Server, 1);
    int exit_code = 0;
    server->emulator = emulator;
    server->context = (HfControlContext){ .emulator = emulator, .data = data };
    server->config = *config;
    server->fd = config->connection;
    server->request.fd = -1;
    server->passed = -1;
    server->deadline = HF_NO_DEADLINE;
    while (!hf_emulator_ending(emulator, &exit_code)) {
        turn(server);
    }
    disconnect(server);
    hf_fd_close(&server->config.listener);
    return exit_code;
}
