/*
 * fuzz-link.c - what a server answers to a client: whatever it is, the client has the answer to its
 * request, of at most the length of its row, or a reason.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "fuzz.h"
#include "net/address.h"
#include "net/link.h"
#include "tools/common/enrolment_kinds.h"

/* Fits into the buffer of a socket, so that nobody has to read while it is written. */
#define SIZE_MAX_IN 65536u

static int listener = -1;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void clean(void)
{
    (void)unlink(address.sun_path);
}

static void listen_once(void)
{
    if (listener >= 0) {
        return;
    }
    g_snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/holdfast-fuzz-%d", (int)getpid());
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    (void)atexit(clean);
}

/* As the head says, if the client is to believe it. */
static void check_answer(const uint8_t *data, size_t size, const HfExchange *exchange,
                         GBytes *answer)
{
    g_assert_cmpuint(size, >=, HF_FRAME_HEAD_SIZE);
    g_assert_cmpuint(hf_fetch_u16(data + 6), ==, exchange->answer);
    g_assert_cmpuint(g_bytes_get_size(answer), ==, hf_fetch_u32(data + 8));
    g_assert_cmpuint(g_bytes_get_size(answer), <=, exchange->answer_max);
    g_assert_cmpmem(g_bytes_get_data(answer, NULL), g_bytes_get_size(answer),
                    data + HF_FRAME_HEAD_SIZE, g_bytes_get_size(answer));
}

static void ask(const uint8_t *data, size_t size)
{
    const HfExchange *exchange = hf_enrolment_kinds();
    g_autofree char *url = g_strconcat("unix:", address.sun_path, NULL);
    g_autoptr(GBytes) payload = g_bytes_new_static("request", 7);
    GError *error = NULL;
    g_autoptr(HfLink) link = hf_link_open(url, NULL, 5, &error);
    g_assert_no_error(error);
    int other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    g_assert_cmpint(send(other, data, size, MSG_NOSIGNAL), ==, (ssize_t)size);
    (void)shutdown(other, SHUT_WR);
    g_autoptr(GBytes) answer = hf_link_ask(link, exchange, payload, 5, &error);
    g_assert_false(hf_error_is(error, HF_ERROR_TIMEOUT) && size == 0);
    if (answer) {
        check_answer(data, size, exchange, answer);
    }
    fuzz_told(answer != NULL, &error);
    (void)close(other);
}

static void parse_address(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *host = NULL;
    uint16_t port = 0;
    bool tls = false;
    GError *error = NULL;
    bool good = hf_address_parse(text, "input", &host, &port, &error);

    g_assert_true(!good || (host[0] != '\0' && port != 0 && !strpbrk(host, "[]")));
    fuzz_told(good, &error);
    fuzz_told(hf_link_check(text, &tls, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE_MAX_IN) {
        return 0;
    }
    listen_once();
    ask(data, size);
    parse_address(data, size);
    return 0;
}
