/*
 * log.c - one log a process, one write a line.
 *
 * The state below is the process's log: set up by main before threads exist, only read afterwards.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writable on purpose: the process has one log (named in the list of writable globals). */
static struct {
    int fd;
    bool output; /* fd is stdout, beside which errors have stderr */
    unsigned level;
    bool dumps;
    char *prefix;
} the_log = { .fd = STDERR_FILENO, .level = 1 };

void hf_log_to_fd(int fd)
{
    the_log.fd = fd;
    the_log.output = false;
}

void hf_log_to_output(void)
{
    the_log.fd = STDOUT_FILENO;
    the_log.output = true;
}

void hf_log_set_level(unsigned level)
{
    the_log.level = level;
}

unsigned hf_log_level(void)
{
    return the_log.level;
}

void hf_log_set_dumps(bool dumps)
{
    the_log.dumps = dumps;
}

void hf_log_set_prefix(const char *prefix)
{
    g_free(the_log.prefix);
    the_log.prefix = g_strdup(prefix);
}

/* Control characters, also those of two bytes in UTF-8 (U+0080 to U+009F), which a terminal obeys. */
static void append_clean(GString *line, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
        if (c < 0x20 || c == 0x7f) {
            g_string_append_printf(line, "\\x%02x", c);
        } else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
            g_string_append_printf(line, "\\x%02x\\x%02x", c, next);
            p++;
        } else {
            g_string_append_c(line, *p);
        }
    }
}

static void write_line(int fd, const char *text)
{
    if (fd < 0) {
        return;
    }
    g_autoptr(GString) line = g_string_new(NULL);
    if (the_log.prefix) {
        append_clean(line, the_log.prefix);
    }
    append_clean(line, text);
    g_string_append_c(line, '\n');
    ssize_t ignored = write(fd, line->str, line->len);
    (void)ignored; /* a log that cannot be written must not stop a TPM */
}

void hf_log(unsigned level, const char *format, ...)
{
    if (level > the_log.level) {
        return;
    }
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    write_line(the_log.fd, text);
}

/* Whether the log is where standard error goes, perhaps by another descriptor. */
static bool log_is_stderr(void)
{
    struct stat log, standard;
    return the_log.fd == STDERR_FILENO ||
           (fstat(the_log.fd, &log) == 0 && fstat(STDERR_FILENO, &standard) == 0 &&
            log.st_dev == standard.st_dev && log.st_ino == standard.st_ino);
}

void hf_log_error(const char *context, const GError *error)
{
    g_autofree char *text = g_strdup_printf("%s: %s", context, error->message);
    if (!the_log.output) {
        write_line(the_log.fd, text);
    }
    if (the_log.output || !log_is_stderr()) {
        write_line(STDERR_FILENO, text);
    }
}

/* One write each, without memory of its own. */
static void write_bare(const char *text)
{
    char line[256];
    int n = g_snprintf(line, sizeof(line), "%s%s\n", the_log.prefix ? the_log.prefix : "", text);
    size_t size = MIN((size_t)n, sizeof(line) - 1);
    int fds[] = { the_log.output ? -1 : the_log.fd,
                  the_log.fd == STDERR_FILENO ? -1 : STDERR_FILENO };
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        ssize_t ignored = fds[i] < 0 ? 0 : write(fds[i], line, size);
        (void)ignored;
    }
}

static void glib_message(const char *domain G_GNUC_UNUSED, GLogLevelFlags level,
                         const char *message, void *user G_GNUC_UNUSED)
{
    if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0) {
        write_bare(message ? message : "GLib failed");
    }
}

void hf_log_take_glib(void)
{
    (void)g_log_set_default_handler(glib_message, NULL);
}

void hf_log_dump(unsigned level, const char *title, const void *data, size_t n)
{
    if (level > the_log.level || !the_log.dumps) {
        return;
    }
    const uint8_t *p = data;
    hf_log(level, "%s length %zu", title, n);
    for (size_t i = 0; i < n; i += 16) {
        g_autoptr(GString) line = g_string_new(" ");
        for (size_t k = i; k < n && k < i + 16; k++) {
            g_string_append_printf(line, "%02X ", p[k]);
        }
        hf_log(level, "%s", line->str);
    }
}
