/*
 * test-base.c - cursors, secrets, files, sockets and the option table: each works and refuses.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "base/secret.h"
#include "base/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void reader_reads_and_stops(void)
{
    static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 2, 'o', 'k', 0xee };
    HfReader r = hf_reader(data, sizeof(data));
    g_assert_cmphex(hf_reader_u8(&r), ==, 1);
    g_assert_cmphex(hf_reader_u16(&r), ==, 0x0203);
    g_assert_cmphex(hf_reader_u32(&r), ==, 0x04050607);
    g_assert_cmphex(hf_reader_u16_le(&r), ==, 0x0908);
    HfReader text = hf_reader_tpm2b(&r, 2);
    g_assert_cmpmem(hf_reader_bytes(&text, 2), 2, "ok", 2);
    g_assert_true(hf_reader_done(&text));
    g_assert_cmphex(hf_reader_u16(&r), ==, 0); /* one byte is left */
    g_assert_true(r.failed);
    g_assert_cmphex(hf_reader_u8(&r), ==, 0); /* stays failed, though the byte is there */
    g_assert_false(hf_reader_done(&r));
}

static void reader_refuses_long_tpm2b(void)
{
    static const uint8_t data[] = { 0, 4, 1, 2, 3, 4 };
    HfReader r = hf_reader(data, sizeof(data));
    HfReader sub = hf_reader_tpm2b(&r, 3);
    g_assert_true(r.failed && sub.failed);
    r = hf_reader(data, 5);
    sub = hf_reader_tpm2b(&r, 100);
    g_assert_true(r.failed && sub.failed);
    g_assert_null(hf_reader_bytes(&r, SIZE_MAX));
    r = hf_reader(NULL, 0);
    g_assert_nonnull(hf_reader_bytes(&r, 0));
    g_assert_true(hf_reader_done(&r));
}

static void writer_writes(void)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    hf_put_u16(w, 0);
    hf_put_u32(w, 0x01020304);
    hf_put_u64_le(w, 0x1122334455667788);
    hf_put_tpm2b(w, "ab", 2);
    hf_set_u16_at(w, 0, (uint16_t)w->len);
    g_autofree char *hex = hf_hex(w->data, w->len);
    g_assert_cmpstr(hex, ==,
                    "00120102030488776655443322110002"
                    "6162");
}

static void hex_parses_and_refuses(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) good = hf_hex_parse("00fFa1", "key", &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(good, NULL), g_bytes_get_size(good), "\x00\xff\xa1", 3);
    g_assert_null(hf_hex_parse("0", "key", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "key"));
    g_clear_error(&error);
    g_assert_null(hf_hex_parse("0g", "key", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
}

static void secret_is_wiped_and_compared(void)
{
    g_autoptr(HfSecret) secret = hf_secret_copy("0123456789", 10);
    g_assert_true(hf_secret_equal(secret->data, "0123456789", 10));
    g_assert_false(hf_secret_equal(secret->data, "0123456780", 10));
    hf_secret_truncate(secret, 4);
    g_assert_cmpuint(secret->size, ==, 4);
    g_assert_cmpmem(secret->data, 10, "0123\0\0\0\0\0\0", 10);
    hf_secret_free(NULL);
}

/* The page after the free: looked at through a pipe, because the kernel answers EFAULT for memory
 * that is gone. */
static void secret_memory_is_gone_after_free(void)
{
    HfSecret *secret = hf_secret_copy("top secret", 10);
    uint8_t *where = secret->data;
    hf_secret_free(secret);
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    ssize_t n = write(ends[1], where, 10);
    if (n == 10) { /* mapped again by somebody else: then it holds something else */
        char seen[10];
        g_assert_cmpint(read(ends[0], seen, 10), ==, 10);
        g_assert_cmpint(memcmp(seen, "top secret", 10), !=, 0);
    } else {
        g_assert_cmpint(errno, ==, EFAULT);
    }
    close(ends[0]);
    close(ends[1]);
}

typedef struct {
    char *path;
    int dir;
} Folder;

static void folder_open(Folder *f, gconstpointer data)
{
    (void)data;
    f->path = g_dir_make_tmp("holdfast-base-XXXXXX", NULL);
    f->dir = hf_dir_open(f->path, NULL);
    g_assert_cmpint(f->dir, >=, 0);
}

static void folder_close(Folder *f, gconstpointer data)
{
    (void)data;
    close(f->dir);
    g_autoptr(GDir) dir = g_dir_open(f->path, 0, NULL);
    for (const char *name = g_dir_read_name(dir); name; name = g_dir_read_name(dir)) {
        g_autofree char *path = g_build_filename(f->path, name, NULL);
        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(f->path), ==, 0);
    g_free(f->path);
}

static unsigned entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;
    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

static void file_is_replaced(Folder *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_true(hf_file_replace_at(f->dir, "a", "old", 3, 0600, "a", &error));
    g_assert_true(hf_file_replace_at(f->dir, "a", "newer", 5, 0640, "a", &error));
    g_assert_no_error(error);
    g_autoptr(GBytes) content = hf_file_read_at(f->dir, "a", 5, "a", &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(content, NULL), g_bytes_get_size(content), "newer", 5);
    struct stat st;
    g_assert_cmpint(fstatat(f->dir, "a", &st, 0), ==, 0);
    g_assert_cmphex(st.st_mode & 07777, ==, 0640);
    g_assert_cmpuint(entries(f->path), ==, 1);
    g_assert_false(hf_file_create_at(f->dir, "a", "x", 1, 0600, "a", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_EXISTS);
    g_assert_cmpuint(entries(f->path), ==, 1);
}

static void file_need_not_be_there(Folder *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) file = NULL;
    g_assert_true(hf_file_read_if_at(f->dir, "gone", 9, "gone", &file, &error));
    g_assert_no_error(error);
    g_assert_null(file);
    g_assert_true(hf_file_replace_at(f->dir, "there", "", 0, 0600, "there", NULL));
    g_assert_true(hf_file_read_if_at(f->dir, "there", 9, "there", &file, &error));
    g_assert_no_error(error);
    g_assert_nonnull(file);
    g_assert_cmpuint(g_bytes_get_size(file), ==, 0);
    g_clear_pointer(&file, g_bytes_unref);
    g_assert_cmpint(symlinkat("gone", f->dir, "dangling"), ==, 0);
    g_assert_false(hf_file_read_if_at(f->dir, "dangling", 9, "dangling", &file, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_assert_null(file);
}

/* What a command line names: a link or a pipe does. */
static void file_reads_what_is_named(Folder *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *link = g_build_filename(f->path, "link", NULL);
    g_autofree char *there = g_build_filename(f->path, "there", NULL);
    int ends[2];
    g_assert_true(hf_file_replace(there, "0123456789", 10, 0600, NULL));
    g_assert_cmpint(symlinkat("there", f->dir, "link"), ==, 0);
    g_autoptr(GBytes) linked = hf_file_read_input(link, 10, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(linked), ==, 10);
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(write(ends[1], "abc", 3), ==, 3);
    close(ends[1]);
    g_autofree char *end = g_strdup_printf("/dev/fd/%d", ends[0]);
    g_autoptr(GBytes) piped = hf_file_read_input(end, 10, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(piped), ==, 3);
    close(ends[0]);
    const char *const names[] = { link, f->path, "/dev/zero" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) { /* too long, a directory, endless */
        g_assert_null(hf_file_read_input(names[i], 9, &error));
        g_assert_nonnull(strstr(error->message, names[i]));
        g_clear_error(&error);
    }
    g_assert_cmpint(unlinkat(f->dir, "there", 0), ==, 0);
    g_assert_null(hf_file_read_input(link, 10, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
}

static void file_refuses_what_is_no_file(Folder *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_assert_null(hf_file_read_at(f->dir, "gone", 9, "gone", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_true(hf_file_replace_at(f->dir, "big", "0123456789", 10, 0600, "big", NULL));
    g_assert_null(hf_file_read_at(f->dir, "big", 9, "big", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_cmpint(symlinkat("big", f->dir, "link"), ==, 0);
    g_assert_cmpint(mkfifoat(f->dir, "fifo", 0600), ==, 0);
    g_assert_cmpint(mkdirat(f->dir, "folder", 0700), ==, 0);
    static const char *const names[] = { "link", "fifo", "folder" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_null(hf_file_read_at(f->dir, names[i], 99, names[i], &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, names[i]));
        g_clear_error(&error);
    }
    g_assert_false(hf_file_replace_at(f->dir, "folder", "x", 1, 0600, "folder", &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(entries(f->path), ==, 4); /* no temporary is left */
    g_clear_error(&error);
    g_autofree char *link = g_build_filename(f->path, "link", NULL);
    g_assert_cmpint(hf_dir_open(link, &error), ==, -1);
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
}

/* Where a command line says that a result goes: links are followed where only we can make them. */
static void file_is_written_where_it_may(Folder *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(f->path, "out", NULL);
    g_autofree char *target = g_build_filename(f->path, "target", NULL);
    g_assert_true(hf_file_write(path, "one", 3, 0640, &error));
    g_assert_true(hf_file_write(path, "two", 3, 0600, &error));
    g_assert_cmpint(symlink("out", target), ==, 0);
    g_assert_true(hf_file_write(target, "three", 5, 0600, &error));
    g_assert_true(g_file_test(target, G_FILE_TEST_IS_SYMLINK));
    g_autoptr(GBytes) through = hf_file_read(path, 99, &error);
    g_assert_cmpmem(g_bytes_get_data(through, NULL), g_bytes_get_size(through), "three", 5);
    g_assert_cmpint(chmod(f->path, 0777), ==, 0);
    g_assert_false(hf_file_write(target, "four", 4, 0600, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "others can write to"));
    g_clear_error(&error);
    g_autoptr(GBytes) after = hf_file_read(path, 99, &error);
    g_assert_cmpmem(g_bytes_get_data(after, NULL), g_bytes_get_size(after), "three", 5);
    g_assert_true(hf_file_write("/dev/null", "x", 1, 0600, &error));
    static const char *const bad[] = { "/nonexistent/x", "/", "/dev/", "/dev/full" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(hf_file_write(bad[i], "x", 1, 0600, &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
    }
}

static void output_keeps_off_what_is_shared(Folder *f, gconstpointer data)
{
    (void)data;
    static const char *const names[] = { "link", "second", "fifo", "folder" };
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(f->path, "log", NULL);
    hf_autofd int fd = hf_file_open_output(path, HF_OUTPUT_APPEND, 0600, &error);
    g_assert_no_error(error);
    g_assert_cmphex(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK), ==, O_APPEND);
    g_assert_true(hf_fd_write_all(fd, "first", 5, path, &error));
    hf_autofd int again = hf_file_open_output(path, HF_OUTPUT_PLAIN, 0600, &error);
    g_assert_true(hf_fd_write_all(again, "F", 1, path, &error));
    g_autoptr(GBytes) kept = hf_file_read(path, 99, &error);
    g_assert_cmpmem(g_bytes_get_data(kept, NULL), g_bytes_get_size(kept), "First", 5);
    g_assert_cmpint(symlinkat("log", f->dir, "link"), ==, 0);
    g_assert_cmpint(linkat(f->dir, "log", f->dir, "second", 0), ==, 0);
    g_assert_cmpint(mkfifoat(f->dir, "fifo", 0600), ==, 0);
    g_assert_cmpint(mkdirat(f->dir, "folder", 0700), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *other = g_build_filename(f->path, names[i], NULL);
        g_assert_cmpint(hf_file_open_output(other, HF_OUTPUT_EMPTY, 0600, &error), ==, -1);
        g_assert_nonnull(strstr(error->message, other));
        g_clear_error(&error);
    }
    g_autoptr(GBytes) whole = hf_file_read(path, 99, &error);
    g_assert_cmpuint(g_bytes_get_size(whole), ==, 5);
    g_assert_cmpint(unlinkat(f->dir, "second", 0), ==, 0);
    hf_autofd int cut = hf_file_open_output(path, HF_OUTPUT_EMPTY, 0600, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) empty = hf_file_read(path, 99, &error);
    g_assert_cmpuint(g_bytes_get_size(empty), ==, 0);
    hf_autofd int device = hf_file_open_output("/dev/null", HF_OUTPUT_EMPTY, 0600, &error);
    g_assert_no_error(error);
}

/* The kernel's own say 0 of themselves: an event log in securityfs, and /proc. */
static void file_without_a_size_is_read(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) all = hf_file_read("/proc/self/status", 65536, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(all), >, 100);
    g_assert_null(hf_file_read("/proc/self/status", 100, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
}

static void socket_passes_one_descriptor(void)
{
    g_autoptr(GError) error = NULL;
    int pair[2];
    int ends[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_true(hf_socket_send_fd(pair[0], "abcd", 4, ends[0], &error));
    char buffer[4];
    int fd = -1;
    g_assert_cmpint(hf_socket_receive(pair[1], buffer, 4, &fd, &error), ==, 4);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    close(fd);
    g_assert_true(hf_socket_send_fd(pair[0], "abcd", 4, ends[0], &error));
    int before = dup(ends[0]);
    close(before);
    g_assert_cmpint(hf_socket_receive(pair[1], buffer, 4, NULL, &error), ==, 4);
    int after = dup(ends[0]);
    close(after);
    g_assert_cmpint(after, ==, before); /* the stray one was closed */
    g_assert_no_error(error);
    close(ends[0]);
    close(ends[1]);
    close(pair[0]);
    close(pair[1]);
}

static void socket_keeps_deadlines(void)
{
    g_autoptr(GError) error = NULL;
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    char buffer[4];
    g_assert_true(hf_socket_write_full(pair[0], "ab", 2, &error));
    int64_t deadline = g_get_monotonic_time() + 20000;
    g_assert_false(hf_socket_read_full(pair[1], buffer, 4, deadline, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_TIMEOUT);
    g_clear_error(&error);
    close(pair[0]);
    g_assert_false(hf_socket_read_full(pair[1], buffer, 4, HF_NO_DEADLINE, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_CLOSED);
    g_clear_error(&error);
    g_assert_false(hf_socket_write_full(pair[1], "x", 1, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_CLOSED);
    close(pair[1]);
}

static void socket_listens_and_spares_files(Folder *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(f->path, "s", NULL);
    for (int i = 0; i < 2; i++) { /* the second finds a stale socket */
        hf_autofd int fd = hf_socket_listen_unix(path, 0620, (uid_t)-1, (gid_t)-1, 1, &error);
        g_assert_no_error(error);
        struct stat st;
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 0777, ==, 0620);
        hf_autofd int client = hf_socket_connect_unix(path, &error);
        g_assert_cmpint(client, >=, 0);
    }
    g_unlink(path);
    g_assert_true(hf_file_replace(path, "precious", 8, 0600, &error));
    g_assert_cmpint(hf_socket_listen_unix(path, 0600, (uid_t)-1, (gid_t)-1, 1, &error), ==, -1);
    g_assert_error(error, HF_ERROR, HF_ERROR_EXISTS);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_clear_error(&error);
    g_assert_cmpint(hf_socket_listen_tcp("localhost.invalid", 1, NULL, 1, &error), ==, -1);
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
}

/* What is set on the listener is there on every connection. */
static void socket_tcp_has_no_delay(void)
{
    g_autoptr(GError) error = NULL;
    hf_autofd int listener = hf_socket_listen_tcp("127.0.0.1", 0, NULL, 1, &error);
    g_assert_no_error(error);
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &size), ==, 0);
    hf_autofd int client = hf_socket_connect_tcp("127.0.0.1", ntohs(address.sin_port), &error);
    hf_autofd int server = hf_socket_accept(listener, &error);
    g_assert_no_error(error);
    const int ends[] = { client, server };
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        int on = 0;
        size = sizeof(on);
        g_assert_cmpint(getsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, &size), ==, 0);
        g_assert_cmpint(on, !=, 0);
    }
}

static const HfSubOption state_table[] = {
    { "dir", HF_KIND_PATH, "DIR", NULL, NULL, 0, 0, NULL },
    { "mode", HF_KIND_MODE, "MODE", NULL, "0640", 0, 0, NULL },
    { "level", HF_KIND_INT, "N", NULL, "1", 0, 20, NULL },
    { "lock", HF_KIND_FLAG, NULL, NULL, NULL, 0, 0, NULL },
    { "kind", HF_KIND_CHOICE, NULL, NULL, NULL, 0, 0, "a|b" },
    { "uid", HF_KIND_USER, "USER", NULL, NULL, 0, 0, NULL },
    { "profile", HF_KIND_STRING, "JSON", NULL, NULL, 0, 0, NULL },
    { 0 },
};

static void suboptions_follow_the_grammar(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSubOptions) sub = hf_suboptions_parse(
        state_table, "--tpmstate",
        "dir=/x,lock,mode=0600,profile={\"a\":1,\"b\":{}},dir=/y,uid=0,kind=b", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(hf_suboptions_string(sub, "dir"), ==, "/x"); /* the first one wins */
    g_assert_cmpstr(hf_suboptions_string(sub, "profile"), ==, "{\"a\":1,\"b\":{}}");
    g_assert_cmpint(hf_suboptions_int(sub, "mode"), ==, 0600);
    g_assert_cmpint(hf_suboptions_int(sub, "level"), ==, 1);
    g_assert_true(hf_suboptions_flag(sub, "lock"));
    g_assert_false(hf_suboptions_has(sub, "level"));
    g_assert_cmpint(hf_suboptions_uid(sub, "uid"), ==, 0);
    g_assert_false(hf_suboptions_has(NULL, "dir"));
}

static void suboptions_refuse(void)
{
    static const struct {
        const char *text;
        const char *word; /* in the message */
    } cases[] = {
        { "x=1", "Unknown option 'x'" },
        { "dir", "'dir' wants a value" },
        { "dir=", "dir in --tpmstate" },
        { "mode=0999", "octal" },
        { "mode=01000", "octal" },
        { "mode=-1", "octal" },
        { "level=21", "from 0 to 20" },
        { "level=0x1", "from 0 to 20" },
        { "lock=yes", "true, false" },
        { "kind=c", "one of a, b" },
        { "uid=nobody-here", "no user" },
        { "level=", "from 0 to 20" },
        { "level=99999999999999999999", "from 0 to 20" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(hf_suboptions_parse(state_table, "--tpmstate", cases[i].text, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_USAGE);
        g_assert_nonnull(strstr(error->message, cases[i].word));
    }
}

enum { RUN = 1, STOP = 2 };
static const HfCommand commands[] = {
    { "run", RUN, "Run it", "FILE", 1, 2 },
    { "stop", STOP, "Stop it", NULL, 0, 0 },
    { 0 },
};
static const HfOption rows[] = {
    { .name = "tpmstate", .kind = HF_KIND_SUB, .arg = "SPEC", .help = "state", .sub = state_table },
    { .name = "port",
      .letter = 'p',
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "port",
      .preset = "7",
      .min = 1,
      .max = 65535,
      .where = RUN,
      .features = "ports tcp" },
    { .name = "verbose", .letter = 'v', .help = "talk", .features = "tcp" },
    { .name = "pcr", .kind = HF_KIND_STRING, .arg = "N", .help = "pcr", .flags = HF_OPTION_MULTI },
    { .name = "files",
      .kind = HF_KIND_STRING,
      .arg = "WORDS",
      .help = "files",
      .flags = HF_OPTION_OPTIONAL },
    { 0 },
};
static const HfProgram program = {
    .name = "prog", .summary = "A program", .commands = commands, .options = rows, .usage_exit = 2
};

static HfOptions *parse(const char *line, GError **error)
{
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);
    bool done = false;
    return hf_options_parse(&program, (int)g_strv_length(argv), argv, &done, error);
}

static void options_parse(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfOptions) o =
        parse("prog run -p 9 --tpmst dir=/x file --pcr=1 -v --pcr 2 --port 10", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(hf_options_command(o)->name, ==, "run");
    g_assert_cmpstr(hf_options_operands(o)[0], ==, "file");
    g_assert_null(hf_options_operands(o)[1]);
    g_assert_cmpint(hf_options_int(o, "port"), ==, 10);
    g_assert_true(hf_options_flag(o, "verbose"));
    g_assert_cmpstr(hf_options_list(o, "pcr")[1], ==, "2");
    g_assert_null(hf_options_list(o, "pcr")[2]);
    g_assert_cmpstr(hf_suboptions_string(hf_options_sub(o, "tpmstate"), "dir"), ==, "/x");
    g_autoptr(HfOptions) plain = parse("prog stop", &error);
    g_assert_cmpint(hf_options_int(plain, "port"), ==, 7);
    g_assert_false(hf_options_flag(plain, "verbose"));
    g_assert_null(hf_options_sub(plain, "tpmstate"));
    g_assert_null(hf_options_list(plain, "pcr")[0]);
    g_assert_null(hf_options_string(plain, "files"));
    g_autoptr(HfOptions) alone = parse("prog run --files f", NULL);
    g_assert_nonnull(alone);
    g_assert_cmpstr(hf_options_string(alone, "files"), ==, "");
    g_assert_cmpstr(hf_options_operands(alone)[0], ==, "f");
    g_autoptr(HfOptions) joined = parse("prog run --files=a,b f", NULL);
    g_assert_nonnull(joined);
    g_assert_cmpstr(hf_options_string(joined, "files"), ==, "a,b");
}

static void options_refuse(void)
{
    static const struct {
        const char *line;
        const char *word;
    } cases[] = {
        { "prog", "command is missing" },
        { "prog jump", "unknown command 'jump'" },
        { "prog run", "operand is missing" },
        { "prog run a b c", "unexpected operand 'c'" },
        { "prog stop --port 3", "--port is not for 'stop'" },
        { "prog stop --nope", "--nope" },
        { "prog stop -x", "'-x'" },
        { "prog run f --port", "wants a value" },
        { "prog run f --port 0", "from 1 to 65535" },
        { "prog run f --port 5x", "from 1 to 65535" },
        { "prog stop --verbose=1", "takes no value" },
        { "prog stop --tpmstate size=1", "Unknown option 'size'" },
        { "prog stop --p", "ambiguous" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(cases[i].line, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_USAGE);
        if (!strstr(error->message, cases[i].word)) {
            g_error("'%s' in '%s'", cases[i].word, error->message);
        }
    }
}

static void options_tell_their_features(void)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    hf_options_features(&program, words);
    g_assert_cmpuint(words->len, ==, 2);
    g_assert_cmpstr(words->pdata[0], ==, "ports");
    g_assert_cmpstr(words->pdata[1], ==, "tcp");
}

static void log_shows_lines_and_hides_controls(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    hf_log_to_fd(ends[1]);
    hf_log_set_prefix("[id=1] ");
    hf_log(2, "not shown at level 1");
    hf_log(1, "a\nb\x1b[1m\u00e4\xc2\x9b");
    char line[128];
    ssize_t n = read(ends[0], line, sizeof(line));
    hf_log_set_prefix(NULL);
    hf_log_to_fd(STDERR_FILENO);
    g_assert_cmpmem(line, n, "[id=1] a\\x0ab\\x1b[1m\u00e4\\xc2\\x9b\n", 31);
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/bytes/reads-and-stops", reader_reads_and_stops);
    g_test_add_func("/base/bytes/refuses-long-tpm2b", reader_refuses_long_tpm2b);
    g_test_add_func("/base/bytes/writes", writer_writes);
    g_test_add_func("/base/bytes/hex", hex_parses_and_refuses);
    g_test_add_func("/base/secret/wiped-and-compared", secret_is_wiped_and_compared);
    g_test_add_func("/base/secret/gone-after-free", secret_memory_is_gone_after_free);
    g_test_add("/base/file/replaced", Folder, NULL, folder_open, file_is_replaced, folder_close);
    g_test_add("/base/file/need-not-be-there", Folder, NULL, folder_open, file_need_not_be_there,
               folder_close);
    g_test_add("/base/file/named", Folder, NULL, folder_open, file_reads_what_is_named,
               folder_close);
    g_test_add("/base/file/refuses", Folder, NULL, folder_open, file_refuses_what_is_no_file,
               folder_close);
    g_test_add("/base/file/written", Folder, NULL, folder_open, file_is_written_where_it_may,
               folder_close);
    g_test_add("/base/file/output", Folder, NULL, folder_open, output_keeps_off_what_is_shared,
               folder_close);
    g_test_add_func("/base/file/sizeless", file_without_a_size_is_read);
    g_test_add_func("/base/socket/descriptor", socket_passes_one_descriptor);
    g_test_add_func("/base/socket/deadline", socket_keeps_deadlines);
    g_test_add_func("/base/socket/no-delay", socket_tcp_has_no_delay);
    g_test_add("/base/socket/listen", Folder, NULL, folder_open, socket_listens_and_spares_files,
               folder_close);
    g_test_add_func("/base/suboptions/grammar", suboptions_follow_the_grammar);
    g_test_add_func("/base/suboptions/refuse", suboptions_refuse);
    g_test_add_func("/base/options/parse", options_parse);
    g_test_add_func("/base/options/refuse", options_refuse);
    g_test_add_func("/base/options/features", options_tell_their_features);
    g_test_add_func("/base/log/lines", log_shows_lines_and_hides_controls);
    return g_test_run();
}
