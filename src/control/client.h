/*
 * client.h - the client's end of the control channel (of holdfast's emulator or of swtpm).
 *
 * One function a command; each sends its request, waits for the answer and returns true when the
 * result is 0. Otherwise *error is HF_ERROR_TPM with a message that names the command and the
 * result, and hf_control_client_result() gives the number; a channel that breaks or stays silent
 * is HF_ERROR_CLOSED, HF_ERROR_TIMEOUT or HF_ERROR_IO with result 0. Not for several threads.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CONTROL_CLIENT_H
#define HOLDFAST_CONTROL_CLIENT_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/control.h"

typedef struct HfControlClient HfControlClient;

HfControlClient *hf_control_client_connect_unix(const char *path, GError **error);
HfControlClient *hf_control_client_connect_tcp(const char *host, uint16_t port, GError **error);
/* The character device of an emulator that runs on CUSE; here nothing has a timeout, and
 * set_datafd is HF_ERROR_UNSUPPORTED. */
HfControlClient *hf_control_client_open_device(const char *path, GError **error);
/* A channel over a connected stream socket, which it takes over. */
HfControlClient *hf_control_client_new(int fd);
void hf_control_client_free(HfControlClient *client); /* disconnects; NULL allowed */

/* How long to wait for each answer; default 20 s. 0: for ever. */
void hf_control_client_set_timeout(HfControlClient *client, unsigned milliseconds);
/* Writes state blobs and data to hash in pieces of at most `size` bytes on a socket; 0, the
 * default: at once. For testing servers. */
void hf_control_client_set_piece(HfControlClient *client, size_t size);
/* Result of the last answer; 0 when the last call got none. */
uint32_t hf_control_client_result(const HfControlClient *client);

bool hf_control_client_get_capability(HfControlClient *client, uint32_t *ret_bits, GError **error);
bool hf_control_client_init(HfControlClient *client, uint32_t flags, GError **error);
bool hf_control_client_shutdown(HfControlClient *client, GError **error);
bool hf_control_client_stop(HfControlClient *client, GError **error);
bool hf_control_client_get_established(HfControlClient *client, bool *ret_bit, GError **error);
bool hf_control_client_reset_established(HfControlClient *client, uint8_t locality, GError **error);
bool hf_control_client_set_locality(HfControlClient *client, uint8_t locality, GError **error);
bool hf_control_client_hash_start(HfControlClient *client, GError **error);
/* Of any size up to 4 GiB; sent as one command. */
bool hf_control_client_hash_data(HfControlClient *client, const void *data, size_t size,
                                 GError **error);
bool hf_control_client_hash_end(HfControlClient *client, GError **error);
bool hf_control_client_cancel(HfControlClient *client, GError **error);
bool hf_control_client_store_volatile(HfControlClient *client, GError **error);
bool hf_control_client_get_config(HfControlClient *client, uint32_t *ret_flags, GError **error);
/* Hands over one end of a connected stream socket as data channel; `passed` stays the caller's. */
bool hf_control_client_set_datafd(HfControlClient *client, int passed, GError **error);
/* size 0 asks. ret_ arguments may be NULL. */
bool hf_control_client_set_buffersize(HfControlClient *client, uint32_t size, uint32_t *ret_size,
                                      uint32_t *ret_min, uint32_t *ret_max, GError **error);
/* JSON text about the TPM library, fetched to its end. Caller frees. */
char *hf_control_client_get_info(HfControlClient *client, uint64_t flags, GError **error);
bool hf_control_client_lock_storage(HfControlClient *client, uint32_t retries, GError **error);

/* The whole blob (as many answers as it takes), HF_CONTROL_BLOB_*. flags:
 * HF_CONTROL_STATE_DECRYPTED or 0; *ret_flags: HF_CONTROL_STATE_ENCRYPTED or 0. HF_ERROR_NOT_FOUND
 * (result HF_CONTROL_RETRY) when the TPM has no such blob. Note that fetching
 * HF_CONTROL_BLOB_SAVESTATE makes the emulator give up its storage lock. */
GBytes *hf_control_client_get_stateblob(HfControlClient *client, uint32_t type, uint32_t flags,
                                        uint32_t *ret_flags, GError **error);
bool hf_control_client_set_stateblob(HfControlClient *client, uint32_t type, uint32_t flags,
                                     const void *data, size_t size, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfControlClient, hf_control_client_free)

#endif
