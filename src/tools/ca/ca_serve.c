/*
 * ca_serve.c - `holdfast-ca serve`: the CA answers over UNIX sockets and TLS.
 *
 * Everything that is named is opened first, then the user is changed, all capabilities and all other
 * files go, then the worker starts, all other system calls go and the service manager is told. SIGTERM and SIGINT end it when what is being
 * worked on is answered; SIGHUP reads rules and TLS files again, and keeps the old ones if the new
 * ones are wrong.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/activation.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/socket.h"
#include "net/address.h"
#include "net/server.h"
#include "sandbox/sandbox.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_confine.h"
#include "tools/ca/ca_key.h"
#include "tools/ca/ca_service.h"
#include "tools/common/enrolment_kinds.h"

#define BACKLOG 128
#define PROGRAM "holdfast-ca"

typedef struct {
    const HfOptions *options;
    HfCaService *service;
    const HfCaDir *ca; /* of service */
    HfServer *server;
    int signal_fd;
    int notify_fd;
    unsigned tls_listeners;
    unsigned listeners;
} Serve;

static bool load_tls(Serve *serve, GError **error)
{
    const HfTlsFiles files = {
        .certificate = hf_options_string(serve->options, "tls-certificate"),
        .key = hf_options_string(serve->options, "tls-key"),
        .believed = hf_options_string(serve->options, "tls-clients"),
    };
    g_autoptr(HfTls) tls = NULL;

    if (serve->tls_listeners == 0) {
        return true;
    }
    if (!files.certificate || !files.key) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--tls-certificate and --tls-key expected: TCP is TLS only");
    }
    tls = hf_tls_server(&files, error);
    if (tls) {
        hf_server_set_tls(serve->server, tls);
    }
    return tls != NULL;
}

static void reload(Serve *serve)
{
    const char *dir = hf_options_string(serve->options, "dir");
    g_autoptr(GError) error = NULL;
    HfCaDir where = { .path = (char *)(uintptr_t)dir };
    HfCaServiceRules *rules = hf_ca_service_rules_new(serve->options, &where, &error);

    if (!rules || !load_tls(serve, &error)) {
        hf_ca_service_rules_free(rules);
        hf_log(1, "not read again, all stays as it was: %s", error->message);
        return;
    }
    hf_ca_service_set_rules(serve->service, rules);
    hf_log(1, "rules read again");
}

static void interrupted(void *user, HfServer *server)
{
    Serve *serve = user;
    struct signalfd_siginfo info;

    if (read(serve->signal_fd, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGHUP) {
        reload(serve);
    } else {
        hf_server_stop(server);
    }
}

static void report(void *user, const char *peer, const GError *error)
{
    (void)user;
    hf_log(1, "%s: %s", peer, error->message);
}

static GBytes *answer(void *user, uint16_t kind, GBytes *payload, const char *peer, GError **error)
{
    return hf_ca_service_answer(((Serve *)user)->service, kind, payload, peer, error);
}

static bool open_signals(Serve *serve, GError **error)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigaction(SIGPIPE, &ignore, NULL) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0) {
        serve->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    return serve->signal_fd >= 0 || hf_error_errno(error, errno, "cannot set up signals");
}

/* Users by name or number. */
static bool read_peers(const HfOptions *options, GArray *peers, GError **error)
{
    for (const char *const *user = hf_options_list(options, "unix-peer"); *user; user++) {
        uid_t uid = 0;

        if (!hf_sandbox_look_up(*user, &uid, error)) {
            return false;
        }
        g_array_append_val(peers, uid);
    }
    return true;
}

static void add_listener(Serve *serve, int fd, bool tls, const GArray *peers)
{
    if (tls) {
        hf_server_listen_tls(serve->server, fd);
    } else {
        hf_server_listen_unix(serve->server, fd, (const uid_t *)(const void *)peers->data,
                              peers->len);
    }
    serve->listeners++;
    serve->tls_listeners += tls;
}

static bool listen_tcp(Serve *serve, const char *text, const GArray *peers, GError **error)
{
    g_autofree char *host = NULL;
    uint16_t port = 0;
    int fd;

    if (!hf_address_parse(text, "--listen", &host, &port, error)) {
        return false;
    }
    fd = hf_socket_listen_tcp(host, port, NULL, BACKLOG, error);
    if (fd >= 0) {
        add_listener(serve, fd, true, peers);
    }
    return fd >= 0;
}

/* Its family; false when connections cannot come from it. */
static bool look_at_activated(int fd, int *ret_family, GError **error)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, ret_family, &size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
        return hf_error_errno(error, errno, "socket %d of the service manager", fd);
    }
    if (type != SOCK_STREAM || !listens) {
        return hf_error_set(
            error, HF_ERROR_INVALID,
            "socket %d of the service manager: a stream socket that listens expected", fd);
    }
    return true;
}

/* What the service manager has opened for us: a UNIX socket is one, everything else is TLS. */
static bool take_activated(Serve *serve, const GArray *peers, GError **error)
{
    unsigned first = 0, count = 0;

    if (!hf_activation_take(&first, &count, error)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        int family = 0;
        int fd = (int)(first + i);

        if (!look_at_activated(fd, &family, error)) {
            return false;
        }
        add_listener(serve, fd, family != AF_UNIX, peers);
    }
    return true;
}

/* A socket that a server has left behind, at which nobody answers, makes room. */
static bool clear_stale(const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;
    struct stat found;
    hf_autofd int fd = -1;

    if (lstat(path, &found) != 0 || !S_ISSOCK(found.st_mode)) {
        return true; /* nothing there, or bind() says what is */
    }
    fd = hf_socket_connect_unix(path, &local);
    if (fd >= 0) {
        return hf_error_set(error, HF_ERROR_BUSY, "%s: somebody serves there", path);
    }
    return errno != ECONNREFUSED || unlink(path) == 0 ||
           hf_error_errno(error, errno, "%s: cannot remove it", path);
}

static bool open_listeners(Serve *serve, GError **error)
{
    const HfOptions *options = serve->options;
    const char *path = hf_options_string(options, "unix");
    g_autoptr(GArray) peers = g_array_new(FALSE, FALSE, sizeof(uid_t));

    if (!read_peers(options, peers, error) || !take_activated(serve, peers, error)) {
        return false;
    }
    for (const char *const *text = hf_options_list(options, "listen"); *text; text++) {
        if (!listen_tcp(serve, *text, peers, error)) {
            return false;
        }
    }
    if (path) {
        if (!clear_stale(path, error)) {
            return false;
        }
        int fd = hf_socket_listen_unix(path, (mode_t)hf_options_int(options, "unix-mode"),
                                       (uid_t)-1, (gid_t)-1, BACKLOG, error);

        if (fd < 0) {
            return false;
        }
        add_listener(serve, fd, false, peers);
    }
    return serve->listeners > 0 ||
           hf_error_set(error, HF_ERROR_USAGE, "--unix PATH or --listen ADDR:PORT expected");
}

/* As the user it will be: can the CA do its work? */
static bool check_directory(const HfCaDir *ca, GError **error)
{
    return faccessat(ca->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) == 0 ||
           hf_error_errno(error, errno, "%s: user %u must be able to write it", ca->path,
                          (unsigned)geteuid());
}

static bool prepare(Serve *serve, GError **error)
{
    const HfOptions *options = serve->options;
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    g_autoptr(HfCaServiceRules) rules = ca ? hf_ca_service_rules_new(options, ca, error) : NULL;

    if (!rules || !hf_ca_key_try(ca->signer, error) || !open_signals(serve, error) ||
        !open_listeners(serve, error) || !load_tls(serve, error)) {
        return false;
    }
    serve->notify_fd = hf_notify_open(error);
    if (error && *error) {
        return false;
    }
    if (!hf_ca_confine_memory(error) ||
        !hf_sandbox_become(hf_options_string(options, "runas"), error) ||
        !hf_sandbox_drop_capabilities(error) || !check_directory(ca, error) ||
        !hf_ca_confine_files(options, ca, error)) {
        return false;
    }
    serve->ca = ca;
    serve->service = hf_ca_service_new(g_steal_pointer(&ca), g_steal_pointer(&rules));
    return true;
}

bool hf_ca_command_serve(const HfOptions *options, GError **error)
{
    static const HfServerFunctions functions = { answer, report, interrupted };
    const HfServerLimits limits = {
        .connections = (unsigned)hf_options_int(options, "max-connections"),
        .a_source = MAX(1, (unsigned)hf_options_int(options, "max-connections") / 4),
    };
    Serve serve = { .options = options, .signal_fd = -1, .notify_fd = -1 };
    GError *local = NULL;
    bool good;

    serve.server = hf_server_new(&functions, &serve, hf_enrolment_kinds(), &limits);
    hf_log_set_prefix(PROGRAM ": ");
    good = prepare(&serve, &local) && hf_server_start(serve.server, &local) &&
           hf_ca_confine_calls(options, serve.ca, &local);
    if (good) {
        hf_notify_ready(&serve.notify_fd);
        good = hf_server_run(serve.server, serve.signal_fd, &local);
    }
    hf_log_set_prefix("");
    hf_server_free(serve.server);
    hf_ca_service_free(serve.service);
    hf_fd_close(&serve.notify_fd);
    hf_fd_close(&serve.signal_fd);
    if (!good) {
        g_propagate_error(error, local);
    }
    return good;
}
