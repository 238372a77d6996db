/*
 * capture.c - pcapng blocks, IPv4 and TCP headers, one write a message.
 *
 * Blocks are little-endian (the section's head says so), the packets in them are in network order.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINK_RAW_IP 101u

#define IP_SIZE 20u
#define TCP_SIZE 20u
#define IP_PROTOCOL_TCP 6u
#define LOOPBACK 0x7f000001u
#define TPM_PORT 2321u
#define CLIENT_PORT 49152u
#define TCP_PUSH_ACK 0x18u
#define MESSAGE_MAX (16u * 1024u)

typedef struct {
    uint16_t port;
    uint32_t sent; /* bytes so far: the sequence number of the next one */
} Side;

struct HfCapture {
    int fd; /* -1: given up */
    char *label;
    bool checksums;
    Side client, tpm;
};

static int open_file(const HfCaptureSettings *settings, GError **error)
{
    if (settings->fd >= 0) {
        if (fcntl(settings->fd, F_SETFD, FD_CLOEXEC) != 0) {
            hf_error_errno(error, errno, "--pcap: descriptor %d", settings->fd);
            return -1;
        }
        return settings->fd;
    }
    HfOutput how = HF_OUTPUT_APPEND | (settings->truncate ? HF_OUTPUT_EMPTY : 0);
    hf_autofd int fd = hf_file_open_output(settings->file, how, settings->mode, error);
    if (fd < 0) {
        g_prefix_error(error, "--pcap: ");
        return -1;
    }
    if (settings->mode_given && fchmod(fd, settings->mode) != 0) {
        hf_error_errno(error, errno, "--pcap: mode of %s", settings->file);
        return -1;
    }
    return hf_fd_steal(&fd);
}

/* A block is its type, its length, its body and its length again. */
static GByteArray *block_begin(uint32_t type)
{
    GByteArray *block = g_byte_array_new();
    hf_put_u32_le(block, type);
    hf_put_u32_le(block, 0);
    return block;
}

static bool block_end(HfCapture *capture, GByteArray *block, GError **error)
{
    while (block->len % 4 != 0) {
        hf_put_u8(block, 0);
    }
    uint32_t length = GUINT32_TO_LE(block->len + 4);
    hf_put_u32_le(block, block->len + 4);
    memcpy(block->data + 4, &length, sizeof(length));
    return hf_fd_write_all(capture->fd, block->data, block->len, capture->label, error);
}

static bool write_head(HfCapture *capture, GError **error)
{
    g_autoptr(GByteArray) section = block_begin(BLOCK_SECTION);
    hf_put_u32_le(section, BYTE_ORDER_MAGIC);
    hf_put_u16_le(section, 1); /* version 1.0 */
    hf_put_u16_le(section, 0);
    hf_put_u64_le(section, UINT64_MAX); /* length not known */

    g_autoptr(GByteArray) interface = block_begin(BLOCK_INTERFACE);
    hf_put_u16_le(interface, LINK_RAW_IP);
    hf_put_u16_le(interface, 0);
    hf_put_u32_le(interface, 0); /* packets are whole */
    return block_end(capture, section, error) && block_end(capture, interface, error);
}

HfCapture *hf_capture_open(const HfCaptureSettings *settings, GError **error)
{
    g_autoptr(HfCapture) capture = g_new0(HfCapture, 1);
    capture->label = g_strdup_printf("--pcap %s", settings->file ? settings->file : "descriptor");
    capture->checksums = settings->checksums;
    capture->client = (Side){ .port = CLIENT_PORT, .sent = 1 };
    capture->tpm = (Side){ .port = TPM_PORT, .sent = 1 };
    capture->fd = open_file(settings, error);
    bool begun = capture->fd >= 0 && write_head(capture, error);
    return begun ? g_steal_pointer(&capture) : NULL;
}

void hf_capture_free(HfCapture *capture)
{
    if (capture) {
        hf_fd_close(&capture->fd);
        g_free(capture->label);
        g_free(capture);
    }
}

/* The Internet checksum (RFC 1071) of what follows a partial sum. */
static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        sum += hf_fetch_u16(data + i);
    }
    if (size % 2 != 0) {
        sum += (uint32_t)data[size - 1] << 8;
    }
    while (sum > UINT16_MAX) {
        sum = (sum & UINT16_MAX) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static void add_packet(GByteArray *block, bool checksums, const Side *from, const Side *to,
                       const uint8_t *data, size_t size)
{
    guint ip = block->len;
    hf_put_u16(block, 0x4500); /* version 4, header of 5 words */
    hf_put_u16(block, (uint16_t)(IP_SIZE + TCP_SIZE + size));
    hf_put_u32(block, 0x4000); /* do not fragment */
    hf_put_u16(block, (64u << 8) | IP_PROTOCOL_TCP);
    hf_put_u16(block, 0);
    hf_put_u32(block, LOOPBACK);
    hf_put_u32(block, LOOPBACK);

    guint tcp = block->len;
    hf_put_u16(block, from->port);
    hf_put_u16(block, to->port);
    hf_put_u32(block, from->sent);
    hf_put_u32(block, to->sent);
    hf_put_u16(block, (5u << 12) | TCP_PUSH_ACK);
    hf_put_u16(block, UINT16_MAX);
    hf_put_u32(block, 0); /* checksum, urgent pointer */
    hf_put_bytes(block, data, size);

    if (checksums) {
        /* TCP's covers addresses, protocol and length, too. */
        uint32_t pseudo = 2 * (LOOPBACK >> 16) + 2 * (LOOPBACK & UINT16_MAX) + IP_PROTOCOL_TCP +
                          TCP_SIZE + (uint32_t)size;
        hf_set_u16_at(block, tcp + 16, checksum(pseudo, block->data + tcp, TCP_SIZE + size));
        hf_set_u16_at(block, ip + 10, checksum(0, block->data + ip, IP_SIZE));
    }
}

static void add(HfCapture *capture, Side *from, const Side *to, const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    uint64_t now = (uint64_t)g_get_real_time();
    uint32_t length = (uint32_t)(IP_SIZE + TCP_SIZE + size);

    g_assert(size <= MESSAGE_MAX);
    g_autoptr(GByteArray) block = block_begin(BLOCK_PACKET);
    hf_put_u32_le(block, 0); /* the first interface */
    hf_put_u32_le(block, (uint32_t)(now >> 32));
    hf_put_u32_le(block, (uint32_t)now);
    hf_put_u32_le(block, length);
    hf_put_u32_le(block, length);
    add_packet(block, capture->checksums, from, to, data, size);
    from->sent += (uint32_t)size;
    if (!block_end(capture, block, &error)) {
        hf_log(1, "%s; nothing is recorded any more", error->message);
        hf_fd_close(&capture->fd);
    }
    explicit_bzero(block->data, block->len);
}

void hf_capture_command(HfCapture *capture, const uint8_t *data, size_t size)
{
    if (capture && capture->fd >= 0) {
        add(capture, &capture->client, &capture->tpm, data, size);
    }
}

void hf_capture_response(HfCapture *capture, const uint8_t *data, size_t size)
{
    if (capture && capture->fd >= 0) {
        add(capture, &capture->tpm, &capture->client, data, size);
    }
}
