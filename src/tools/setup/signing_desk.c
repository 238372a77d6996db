/*
 * signing_desk.c - both sides of the signing process: its loop, and the signer that asks it.
 *
 * A request is child_message.h's with the payload: TPM2B authority, TCTI, migration policy, device
 * model (empty: none), then the data. A failure's reply is u8 error code and the message.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/signing_desk.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/socket.h"
#include "tools/setup/child_message.h"

#define TEXT_MAX 8192u

enum { ASK_KEY = 1, ASK_SIGN, ASK_DERIVE, ASK_HOST };
enum { REPLY_DONE = 1, REPLY_FAILED };

struct HfSigningDesk {
    pid_t pid;
    int control; /* each byte on it brings the descriptor of a seat */
};

/* --- the desk -------------------------------------------------------------------------------- */

typedef struct {
    HfAuthorityDir *authority; /* or NULL: none is open */
    char *names[4];            /* of what is open, as a request has them */
    GArray *seats;             /* struct pollfd; the first is the control socket */
} Desk;

typedef struct {
    char *names[4];
    HfReader data;
} Request;

static void names_clear(char **names)
{
    for (size_t i = 0; i < 4; i++) {
        g_clear_pointer(&names[i], g_free);
    }
}

static void request_clear(Request *request)
{
    names_clear(request->names);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, request_clear)

static bool request_read(const HfSecret *payload, Request *request, GError **error)
{
    HfReader r = hf_reader(payload->data, payload->size);
    for (size_t i = 0; i < 4; i++) {
        HfReader name = hf_reader_tpm2b(&r, TEXT_MAX);
        request->names[i] = g_strndup((const char *)name.data, hf_reader_left(&name));
    }
    request->data = hf_reader_rest(&r);
    return !r.failed || hf_error_set(error, HF_ERROR_INVALID, "signing request: malformed");
}

static void close_authority(Desk *desk)
{
    g_clear_pointer(&desk->authority, hf_authority_free);
    names_clear(desk->names);
}

/* `count` of the four names have to be those of what is open. */
static bool is_open(const Desk *desk, const Request *request, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (g_strcmp0(desk->names[i], request->names[i]) != 0) {
            return false;
        }
    }
    return desk->authority != NULL;
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

/* The old one is closed first: some host TPMs take one connection at a time. */
static bool open_authority(Desk *desk, const Request *request, size_t count, GError **error)
{
    if (is_open(desk, request, count)) {
        return true;
    }
    close_authority(desk);
    const HfKeyWish wish = { .migration_policy = or_null(request->names[2]),
                             .device_model = or_null(request->names[3]) };
    desk->authority = hf_authority_open(request->names[0], or_null(request->names[1]),
                                        count == 4 ? &wish : NULL, error);
    for (size_t i = 0; desk->authority && i < 4; i++) {
        desk->names[i] = g_strdup(i < count ? request->names[i] : "");
    }
    return desk->authority != NULL;
}

/* u8 algorithm, u8 rooted, TPM2B approved policy in force (empty: none), the key's SPKI */
static HfSecret *describe(const HfSigner *signer, GBytes *tcb)
{
    size_t size, tcb_size = 0;
    const void *spki = g_bytes_get_data(signer->spki, &size);
    const void *policy = tcb ? g_bytes_get_data(tcb, &tcb_size) : NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    hf_put_u8(bytes, (uint8_t)signer->algorithm);
    hf_put_u8(bytes, (uint8_t)signer->rooted);
    hf_put_tpm2b(bytes, policy, tcb_size);
    hf_put_bytes(bytes, spki, size);
    return hf_secret_copy(bytes->data, bytes->len);
}

static HfSecret *host_chain(HfAuthorityDir *authority, GError **error)
{
    g_autoptr(GBytes) chain = hf_authority_host_chain(authority, error);
    return chain ? hf_secret_copy(g_bytes_get_data(chain, NULL), g_bytes_get_size(chain)) : NULL;
}

static HfSecret *sign(HfSigner *signer, const HfReader *data, GError **error)
{
    g_autoptr(GBytes) made = signer->class->sign(signer, data->data, data->size, error);
    size_t size;
    const void *signature = made ? g_bytes_get_data(made, &size) : NULL;
    return made ? hf_secret_copy(signature, size) : NULL;
}

/* A TPM without resource manager may have no room for both keys at once: then the other one is let
 * go of, with the authority. */
static HfSecret *derive(Desk *desk, const Request *request, GError **error)
{
    const HfReader *data = &request->data;
    bool was_open = is_open(desk, request, 2);
    HfSecret *made = NULL;
    if (open_authority(desk, request, 2, was_open ? NULL : error)) {
        made =
            hf_authority_derive(desk->authority, data->data, data->size, was_open ? NULL : error);
    }
    if (made || !was_open) {
        return made;
    }
    close_authority(desk);
    return open_authority(desk, request, 2, error)
               ? hf_authority_derive(desk->authority, data->data, data->size, error)
               : NULL;
}

static HfSecret *do_request(Desk *desk, uint8_t code, const Request *request, GError **error)
{
    if (code == ASK_DERIVE) {
        return derive(desk, request, error);
    }
    if (!open_authority(desk, request, 4, error) ||
        !hf_authority_certificate(desk->authority, error)) {
        return NULL;
    }
    HfSigner *signer = hf_authority_signer(desk->authority, error);
    if (!signer) {
        return NULL;
    }
    switch (code) {
    case ASK_KEY: return describe(signer, hf_authority_facts(desk->authority)->tcb_digest);
    case ASK_HOST: return host_chain(desk->authority, error);
    default: return sign(signer, &request->data, error);
    }
}

static bool reply_failed(int seat, const GError *error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    hf_put_u8(bytes, (uint8_t)error->code);
    hf_put_bytes(bytes, error->message, strlen(error->message));
    return hf_message_send(seat, REPLY_FAILED, bytes->data, bytes->len, NULL);
}

/* false: the seat is left. */
static bool serve(Desk *desk, int seat)
{
    g_autoptr(GError) error = NULL;
    g_auto(Request) request = { 0 };
    uint8_t code = 0;
    g_autoptr(HfSecret) payload = hf_message_receive(seat, HF_NO_DEADLINE, &code, NULL);
    if (!payload) {
        return false;
    }
    g_autoptr(HfSecret) made =
        request_read(payload, &request, &error) ? do_request(desk, code, &request, &error) : NULL;
    if (!made) {
        close_authority(desk);
        return reply_failed(seat, error);
    }
    return hf_message_send(seat, REPLY_DONE, made->data, made->size, NULL);
}

static bool take_seat(Desk *desk, int control)
{
    uint8_t byte;
    struct pollfd seat = { .fd = -1, .events = POLLIN };
    if (hf_socket_receive(control, &byte, 1, &seat.fd, NULL) <= 0) {
        return false;
    }
    if (seat.fd >= 0) {
        g_array_append_val(desk->seats, seat);
    }
    return true;
}

G_GNUC_NORETURN static void desk_main(int control, pid_t parent)
{
    Desk desk = { .seats = g_array_new(FALSE, TRUE, sizeof(struct pollfd)) };
    const struct pollfd first = { .fd = control, .events = POLLIN };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    g_array_append_val(desk.seats, first);
    for (bool more = getppid() == parent; more;) {
        struct pollfd *seats = (struct pollfd *)(void *)desk.seats->data;
        unsigned count = desk.seats->len;
        if (poll(seats, count, -1) < 0) {
            more = errno == EINTR;
            continue;
        }
        for (unsigned i = count - 1; i > 0; i--) {
            if (seats[i].revents && !serve(&desk, seats[i].fd)) {
                (void)close(seats[i].fd);
                g_array_remove_index_fast(desk.seats, i);
            }
        }
        seats = (struct pollfd *)(void *)desk.seats->data;
        more = !seats[0].revents || take_seat(&desk, control);
    }
    close_authority(&desk); /* flushes what it has in the host TPM */
    g_array_unref(desk.seats);
    _exit(0);
}

HfSigningDesk *hf_signing_desk_start(GError **error)
{
    pid_t parent = getpid();
    hf_autofd int fd = -1;
    pid_t pid = hf_child_fork("the signing process", &fd, error);
    if (pid < 0) {
        return NULL;
    }
    if (pid == 0) {
        desk_main(fd, parent);
    }
    HfSigningDesk *desk = g_new0(HfSigningDesk, 1);
    desk->pid = pid;
    desk->control = hf_fd_steal(&fd);
    return desk;
}

int hf_signing_desk_seat(HfSigningDesk *desk, GError **error)
{
    hf_autofd int ours = -1;
    hf_autofd int theirs = -1;
    if (!hf_child_pair(&ours, &theirs, error)) {
        return -1;
    }
    return hf_socket_send_fd(desk->control, "s", 1, theirs, error) ? hf_fd_steal(&ours) : -1;
}

/* It is let go, not killed: it has sessions to flush. */
void hf_signing_desk_free(HfSigningDesk *desk)
{
    if (desk) {
        int status;
        hf_fd_close(&desk->control);
        hf_child_reap(desk->pid, &status);
        g_free(desk);
    }
}

/* --- those who ask --------------------------------------------------------------------------- */

typedef struct {
    HfSigner base;
    HfDeskKey key;  /* its texts are in `names` */
    GBytes *tcb;    /* or NULL */
    char *names[4]; /* owned */
} DeskSigner;

static HfSecret *ask(const HfDeskKey *key, uint8_t code, const void *data, size_t size,
                     GError **error)
{
    const char *names[4] = { key->authority, key->tcti, key->wish.migration_policy,
                             key->wish.device_model };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t result = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *name = names[i] ? names[i] : "";
        if (strlen(name) > TEXT_MAX) {
            hf_error_set(error, HF_ERROR_INVALID, "name of %zu bytes, expected at most %u",
                         strlen(name), TEXT_MAX);
            return NULL;
        }
        hf_put_tpm2b(bytes, name, strlen(name));
    }
    hf_put_bytes(bytes, data, size);
    g_autoptr(HfSecret) reply = NULL;
    if (hf_message_send(key->seat, code, bytes->data, bytes->len, error)) {
        reply = hf_message_receive(key->seat, HF_NO_DEADLINE, &result, error);
    }
    if (!reply) {
        g_prefix_error(error, "the signing process: ");
        return NULL;
    }
    if (result != REPLY_DONE) {
        HfErrorCode kind = reply->size > 0 ? (HfErrorCode)reply->data[0] : HF_ERROR_FAILED;
        g_autofree char *text =
            g_strndup((const char *)reply->data + 1, reply->size > 0 ? reply->size - 1 : 0);
        hf_error_set(error, kind, "%s", text);
        return NULL;
    }
    return g_steal_pointer(&reply);
}

static GBytes *desk_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    const DeskSigner *self = (const DeskSigner *)signer;
    g_autoptr(HfSecret) signature = ask(&self->key, ASK_SIGN, digest, size, error);
    return signature ? g_bytes_new(signature->data, signature->size) : NULL;
}

static void desk_free(HfSigner *signer)
{
    DeskSigner *self = (DeskSigner *)signer;
    names_clear(self->names);
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    g_clear_pointer(&self->tcb, g_bytes_unref);
    g_free(self);
}

static const HfSignerClass desk_class = { .name = "desk", .sign = desk_sign, .free = desk_free };

HfSigner *hf_desk_signer_new(const HfDeskKey *key, GError **error)
{
    g_autoptr(HfSecret) reply = ask(key, ASK_KEY, NULL, 0, error);
    if (!reply) {
        return NULL;
    }
    HfReader r = hf_reader(reply->data, reply->size);
    HfSignAlgorithm algorithm = (HfSignAlgorithm)hf_reader_u8(&r);
    HfRooted rooted = (HfRooted)hf_reader_u8(&r);
    HfReader tcb = hf_reader_tpm2b(&r, HF_HASH_MAX);
    size_t tcb_size = hf_reader_left(&tcb);
    if (r.failed || hf_reader_left(&r) == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "the signing process: malformed answer");
        return NULL;
    }
    DeskSigner *self = g_new0(DeskSigner, 1);
    char **names = self->names;
    self->base.class = &desk_class;
    self->base.algorithm = algorithm;
    self->base.rooted = rooted;
    self->tcb = tcb_size > 0 ? g_bytes_new(tcb.data, tcb_size) : NULL;
    self->base.spki = g_bytes_new(reply->data + r.offset, hf_reader_left(&r));
    names[0] = g_strdup(key->authority);
    names[1] = g_strdup(key->tcti);
    names[2] = g_strdup(key->wish.migration_policy);
    names[3] = g_strdup(key->wish.device_model);
    self->key = (HfDeskKey){ .seat = key->seat, .authority = names[0], .tcti = names[1] };
    self->key.wish = (HfKeyWish){ .migration_policy = names[2], .device_model = names[3] };
    return &self->base;
}

GBytes *hf_desk_signer_tcb(const HfSigner *signer)
{
    g_assert(signer->class == &desk_class);
    return ((const DeskSigner *)signer)->tcb;
}

GBytes *hf_desk_signer_host_chain(const HfSigner *signer, GError **error)
{
    g_assert(signer->class == &desk_class);
    g_autoptr(HfSecret) chain = ask(&((const DeskSigner *)signer)->key, ASK_HOST, NULL, 0, error);
    return chain ? g_bytes_new(chain->data, chain->size) : NULL;
}

HfSecret *hf_desk_derive(const HfDeskKey *key, const void *data, size_t size, GError **error)
{
    return ask(key, ASK_DERIVE, data, size, error);
}
