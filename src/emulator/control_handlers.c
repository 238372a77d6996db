/*
 * control_handlers.c - the commands of the control channel, one function each.
 *
 * The table at the end is indexed by command number; a unit test holds it against the rows. Those
 * that do not enter the engine never wait for a running command: GET_CAPABILITY, SET_LOCALITY,
 * CANCEL_TPM_CMD, GET_CONFIG, SET_DATAFD, LOCK_STORAGE.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/control_handlers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"

typedef uint32_t Handler(HfControlContext *context, HfControlRequest *request,
                         HfControlResponse *response);

static uint32_t field(const HfControlRequest *request, HfControlField name)
{
    return (uint32_t)request->message.value[name];
}

static uint32_t get_capability(HfControlContext *context, HfControlRequest *request,
                               HfControlResponse *response)
{
    (void)request;
    bool v2 = hf_emulator_version(context->emulator) == HF_TPM_2_0;
    response->message.value[HF_FIELD_FLAGS] =
        hf_control_capabilities() | (v2 ? HF_CONTROL_CAP_SEND_COMMAND_HEADER : 0);
    return HF_CONTROL_OK;
}

static uint32_t init(HfControlContext *context, HfControlRequest *request,
                     HfControlResponse *response)
{
    (void)response;
    return hf_emulator_init(context->emulator, field(request, HF_FIELD_FLAGS));
}

static uint32_t stop(HfControlContext *context, HfControlRequest *request,
                     HfControlResponse *response)
{
    (void)request;
    (void)response;
    hf_emulator_stop(context->emulator);
    return HF_CONTROL_OK;
}

/* Why a virtual machine monitor gets no error: src/control/protocol.c. */
static uint32_t get_established(HfControlContext *context, HfControlRequest *request,
                                HfControlResponse *response)
{
    (void)request;
    bool bit = false;
    uint32_t result = HF_CONTROL_BAD_ORDINAL;
    if (hf_emulator_running(context->emulator)) {
        result = hf_engine_get_established(hf_emulator_enter(context->emulator), &bit);
        hf_emulator_leave(context->emulator);
    }
    response->message.value[HF_FIELD_BIT] = bit && result == HF_CONTROL_OK;
    return context->monitor ? HF_CONTROL_OK : result;
}

static uint32_t set_locality(HfControlContext *context, HfControlRequest *request,
                             HfControlResponse *response)
{
    (void)response;
    bool set =
        hf_emulator_set_locality(context->emulator, (uint8_t)field(request, HF_FIELD_LOCALITY));
    return set ? HF_CONTROL_OK : HF_CONTROL_BAD_LOCALITY;
}

static uint32_t hash_start(HfControlContext *context, HfControlRequest *request,
                           HfControlResponse *response)
{
    (void)request;
    (void)response;
    HfEngine *engine = NULL;
    if (!hf_emulator_enter_to_change(context->emulator, &engine)) {
        return HF_CONTROL_FAIL;
    }
    uint32_t result = hf_engine_hash_start(engine);
    hf_emulator_leave(context->emulator);
    return result;
}

static uint32_t hash_end(HfControlContext *context, HfControlRequest *request,
                         HfControlResponse *response)
{
    (void)request;
    (void)response;
    uint32_t result = hf_engine_hash_end(hf_emulator_enter(context->emulator));
    hf_emulator_leave(context->emulator);
    return result;
}

static uint32_t cancel(HfControlContext *context, HfControlRequest *request,
                       HfControlResponse *response)
{
    (void)request;
    (void)response;
    return hf_emulator_cancel(context->emulator);
}

static uint32_t store_volatile(HfControlContext *context, HfControlRequest *request,
                               HfControlResponse *response)
{
    (void)request;
    (void)response;
    return hf_emulator_store_volatile(context->emulator);
}

static uint32_t reset_established(HfControlContext *context, HfControlRequest *request,
                                  HfControlResponse *response)
{
    (void)response;
    uint32_t locality = field(request, HF_FIELD_LOCALITY);
    if (locality > HF_CONTROL_LOCALITY_MAX) {
        return HF_CONTROL_BAD_LOCALITY;
    }
    HfEngine *engine = NULL;
    if (!hf_emulator_enter_to_change(context->emulator, &engine)) {
        return HF_CONTROL_FAIL;
    }
    uint32_t result = hf_engine_reset_established(engine, (uint8_t)locality);
    hf_emulator_leave(context->emulator);
    return result;
}

static bool is_blob(uint32_t type)
{
    return type == HF_BLOB_PERMANENT || type == HF_BLOB_VOLATILE || type == HF_BLOB_SAVESTATE;
}

/* A fetch in pieces (offset not 0) goes on in the state of its first piece. */
static uint32_t fetch_blob(HfControlContext *context, uint32_t type, uint32_t flags,
                           uint32_t offset)
{
    if (context->blob && context->blob_type == type && context->blob_request_flags == flags &&
        offset > 0) {
        return HF_CONTROL_OK;
    }
    GBytes *blob = NULL;
    uint32_t blob_flags = 0;
    uint32_t result =
        hf_emulator_get_blob(context->emulator, (HfBlobKind)type, flags, &blob, &blob_flags);
    if (result != HF_CONTROL_OK) {
        return result;
    }
    hf_control_context_clear(context);
    context->blob = blob;
    context->blob_type = type;
    context->blob_request_flags = flags;
    context->blob_flags = blob_flags;
    return HF_CONTROL_OK;
}

static uint32_t get_stateblob(HfControlContext *context, HfControlRequest *request,
                              HfControlResponse *response)
{
    uint32_t type = field(request, HF_FIELD_TYPE);
    uint32_t offset = field(request, HF_FIELD_OFFSET);
    if (!is_blob(type)) {
        return HF_CONTROL_FAIL;
    }
    uint32_t result = fetch_blob(context, type, field(request, HF_FIELD_FLAGS), offset);
    if (result != HF_CONTROL_OK) {
        return result;
    }
    gsize size = g_bytes_get_size(context->blob);
    gsize start = MIN(offset, size);
    response->tail = g_bytes_new_from_bytes(context->blob, start, size - start);
    response->message.value[HF_FIELD_FLAGS] = context->blob_flags;
    response->message.value[HF_FIELD_TOTAL] = size - start;
    response->message.value[HF_FIELD_LENGTH] = size - start;
    return HF_CONTROL_OK;
}

static uint32_t set_stateblob(HfControlContext *context, HfControlRequest *request,
                              HfControlResponse *response)
{
    (void)response;
    const GByteArray *tail = request->tail;
    return hf_emulator_set_blob(context->emulator, (HfBlobKind)field(request, HF_FIELD_TYPE),
                                field(request, HF_FIELD_FLAGS), tail->data, tail->len);
}

static uint32_t get_config(HfControlContext *context, HfControlRequest *request,
                           HfControlResponse *response)
{
    (void)request;
    response->message.value[HF_FIELD_FLAGS] = hf_emulator_config_flags(context->emulator);
    return HF_CONTROL_OK;
}

/* What was not refused before, or while its tail was fed, is done by now. */
static uint32_t done(HfControlContext *context, HfControlRequest *request,
                     HfControlResponse *response)
{
    (void)context;
    (void)request;
    (void)response;
    return HF_CONTROL_OK;
}

/* A socket that can be shut down; a read from another kind (AF_NETLINK, AF_PACKET) never ends. The
 * kernel tells it by its answer to a way of shutting down that there is not. */
static bool can_be_shut(int fd)
{
    return shutdown(fd, -1) != 0 && errno == EINVAL;
}

static uint32_t set_datafd(HfControlContext *context, HfControlRequest *request,
                           HfControlResponse *response)
{
    (void)response;
    if (request->fd < 0 || !can_be_shut(request->fd)) {
        hf_log(1, "SET_DATAFD: expected a stream socket with the request, found %s",
               request->fd < 0 ? "no descriptor" : "another kind of descriptor");
        return HF_CONTROL_BAD_PARAMETER;
    }
    int fd = request->fd;
    request->fd = -1;
    if (!hf_data_channel_offer(context->data, fd)) {
        return HF_CONTROL_IO_ERROR;
    }
    context->monitor = true;
    return HF_CONTROL_OK;
}

static uint32_t set_buffersize(HfControlContext *context, HfControlRequest *request,
                               HfControlResponse *response)
{
    uint32_t wanted = field(request, HF_FIELD_SIZE);
    if (wanted != 0 && hf_emulator_running(context->emulator)) {
        return HF_CONTROL_BAD_ORDINAL;
    }
    uint32_t min = 0;
    uint32_t max = 0;
    HfEngine *engine = hf_emulator_enter(context->emulator);
    response->message.value[HF_FIELD_SIZE] = hf_engine_buffer_size(engine, wanted, &min, &max);
    hf_emulator_leave(context->emulator);
    response->message.value[HF_FIELD_MIN] = min;
    response->message.value[HF_FIELD_MAX] = max;
    return HF_CONTROL_OK;
}

static uint32_t get_info(HfControlContext *context, HfControlRequest *request,
                         HfControlResponse *response)
{
    uint32_t offset = field(request, HF_FIELD_OFFSET);
    HfEngine *engine = hf_emulator_enter(context->emulator);
    g_autofree char *text = hf_engine_info(engine, request->message.value[HF_FIELD_FLAGS]);
    hf_emulator_leave(context->emulator);
    size_t total = text ? strlen(text) + 1 : 0;
    if (!text || offset + UINT64_C(1) >= total) {
        return text ? HF_CONTROL_BAD_PARAMETER : HF_CONTROL_FAIL;
    }
    size_t length = MIN(total - offset, (size_t)HF_CONTROL_INFO_MAX);
    response->tail = g_bytes_new(text + offset, length);
    response->message.value[HF_FIELD_TOTAL] = total;
    response->message.value[HF_FIELD_LENGTH] = length;
    return HF_CONTROL_OK;
}

static uint32_t lock_storage(HfControlContext *context, HfControlRequest *request,
                             HfControlResponse *response)
{
    (void)response;
    g_autoptr(GError) error = NULL;
    if (hf_emulator_lock_storage(context->emulator, &error)) {
        return HF_CONTROL_OK;
    }
    if (hf_error_is(error, HF_ERROR_BUSY) && field(request, HF_FIELD_RETRIES) > 0) {
        request->message.value[HF_FIELD_RETRIES]--;
        return HF_CONTROL_RETRY;
    }
    hf_log(1, "LOCK_STORAGE: %s", error->message);
    return HF_CONTROL_FAIL;
}

static Handler *const handlers[] = {
    [HF_CONTROL_GET_CAPABILITY] = get_capability,
    [HF_CONTROL_INIT] = init,
    [HF_CONTROL_SHUTDOWN] = stop, /* the process ends when the response is sent */
    [HF_CONTROL_GET_TPMESTABLISHED] = get_established,
    [HF_CONTROL_SET_LOCALITY] = set_locality,
    [HF_CONTROL_HASH_START] = hash_start,
    [HF_CONTROL_HASH_DATA] = done,
    [HF_CONTROL_HASH_END] = hash_end,
    [HF_CONTROL_CANCEL_TPM_CMD] = cancel,
    [HF_CONTROL_STORE_VOLATILE] = store_volatile,
    [HF_CONTROL_RESET_TPMESTABLISHED] = reset_established,
    [HF_CONTROL_GET_STATEBLOB] = get_stateblob,
    [HF_CONTROL_SET_STATEBLOB] = set_stateblob,
    [HF_CONTROL_STOP] = stop,
    [HF_CONTROL_GET_CONFIG] = get_config,
    [HF_CONTROL_SET_DATAFD] = set_datafd,
    [HF_CONTROL_SET_BUFFERSIZE] = set_buffersize,
    [HF_CONTROL_GET_INFO] = get_info,
    [HF_CONTROL_LOCK_STORAGE] = lock_storage,
};

bool hf_control_handled(uint32_t number)
{
    return number < G_N_ELEMENTS(handlers) && handlers[number];
}

uint32_t hf_control_admit(HfControlContext *context, const HfControlRequest *request)
{
    const HfControlRow *row = request->message.row;
    bool running = hf_emulator_running(context->emulator);
    if ((row->when == HF_CONTROL_WHEN_RUNNING && !running) ||
        (row->when == HF_CONTROL_WHEN_STOPPED && running)) {
        return HF_CONTROL_BAD_ORDINAL;
    }
    if (row->number == HF_CONTROL_SET_STATEBLOB) {
        if (field(request, HF_FIELD_LENGTH) > HF_CONTROL_BLOB_MAX) {
            hf_log(1, "SET_STATEBLOB: expected at most %u bytes, found %u", HF_CONTROL_BLOB_MAX,
                   field(request, HF_FIELD_LENGTH));
            return HF_CONTROL_FAIL;
        }
        return is_blob(field(request, HF_FIELD_TYPE)) ? HF_CONTROL_OK : HF_CONTROL_BAD_PARAMETER;
    }
    return HF_CONTROL_OK;
}

uint32_t hf_control_feed(HfControlContext *context, HfControlRequest *request, const uint8_t *data,
                         size_t size)
{
    if (request->message.row->number == HF_CONTROL_SET_STATEBLOB) {
        g_byte_array_append(request->tail, data, (guint)size);
        return HF_CONTROL_OK;
    }
    uint32_t result = hf_engine_hash_data(hf_emulator_enter(context->emulator), data, size);
    hf_emulator_leave(context->emulator);
    return result;
}

void hf_control_handle(HfControlContext *context, HfControlRequest *request,
                       HfControlResponse *response, bool *ret_again)
{
    const HfControlRow *row = request->message.row;
    g_assert(hf_control_handled(row->number));
    uint32_t result = handlers[row->number](context, request, response);
    *ret_again = row->number == HF_CONTROL_LOCK_STORAGE && result == HF_CONTROL_RETRY;
    response->message.value[HF_FIELD_RESULT] = result;
}

void hf_control_settle(HfControlContext *context, const HfControlRequest *request)
{
    switch (request->message.row->number) {
    case HF_CONTROL_SHUTDOWN: hf_emulator_end(context->emulator, 0); break;
    case HF_CONTROL_GET_STATEBLOB:
        /* The last blob was fetched, whether there is one or not: the state may be elsewhere now.
         */
        if (field(request, HF_FIELD_TYPE) == HF_CONTROL_BLOB_SAVESTATE) {
            hf_emulator_hand_over(context->emulator);
            if (context->blob_type != HF_CONTROL_BLOB_SAVESTATE) {
                hf_control_context_clear(context); /* there was no saved state */
            }
        }
        break;
    case HF_CONTROL_INIT:
    case HF_CONTROL_STOP: hf_control_context_clear(context); break;
    default: break;
    }
}

void hf_control_context_clear(HfControlContext *context)
{
    g_clear_pointer(&context->blob, g_bytes_unref);
}
