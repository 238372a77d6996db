/*
 * device.c - control messages as ioctls, by the rows.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "control/device.h"

#include <string.h>
#include <sys/ioctl.h>

size_t hf_control_device_piece(const HfControlRow *row)
{
    if (row->number == HF_CONTROL_HASH_DATA) {
        return HF_CONTROL_DEVICE_HASH_PIECE;
    }
    return row->request_tail || row->response_tail ? HF_CONTROL_DEVICE_PIECE : 0;
}

/* The union is aligned as its widest field. */
static size_t alignment(const HfControlRow *row)
{
    size_t widest = 4;
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && row->request[i].width > 0; i++) {
        widest = MAX(widest, row->request[i].width);
    }
    return widest;
}

size_t hf_control_device_size(const HfControlRow *row)
{
    size_t piece = hf_control_device_piece(row);
    size_t request = row->request_size + (row->request_tail ? piece : 0);
    size_t response = row->response_size + (row->response_tail ? piece : 0);
    size_t align = alignment(row);
    return (MAX(request, response) + align - 1) / align * align;
}

unsigned long hf_control_device_request(const HfControlRow *row)
{
    unsigned direction = row->request_size > 0 ? _IOC_READ | _IOC_WRITE : _IOC_READ;
    return _IOC(direction, HF_CONTROL_IOCTL_TYPE, row->ioctl, hf_control_device_size(row));
}

static void host_put(uint8_t *p, uint64_t value, unsigned width)
{
    const uint16_t u16 = (uint16_t)value;
    const uint32_t u32 = (uint32_t)value;
    switch (width) {
    case 1: *p = (uint8_t)value; break;
    case 2: memcpy(p, &u16, sizeof(u16)); break;
    case 4: memcpy(p, &u32, sizeof(u32)); break;
    default: memcpy(p, &value, sizeof(value)); break;
    }
}

static uint64_t host_get(const uint8_t *p, unsigned width)
{
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    switch (width) {
    case 1: return *p;
    case 2: memcpy(&u16, p, sizeof(u16)); return u16;
    case 4: memcpy(&u32, p, sizeof(u32)); return u32;
    default: memcpy(&u64, p, sizeof(u64)); return u64;
    }
}

/* Fields of a union; returns where the tail begins. */
static size_t fields_put(uint8_t *buffer, const HfControlSlot *slots,
                         const HfControlMessage *message)
{
    size_t at = 0;
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && slots[i].width > 0; i++) {
        if (slots[i].width <= sizeof(uint64_t) && slots[i].field < HF_FIELD_COUNT) {
            host_put(buffer + at, message->value[slots[i].field], slots[i].width);
        }
        at += slots[i].width;
    }
    return at;
}

static size_t fields_get(const uint8_t *buffer, const HfControlSlot *slots,
                         HfControlMessage *message)
{
    size_t at = 0;
    for (size_t i = 0; i < HF_CONTROL_SLOTS_MAX && slots[i].width > 0; i++) {
        if (slots[i].field < HF_FIELD_COUNT) {
            message->value[slots[i].field] = host_get(buffer + at, slots[i].width);
        }
        at += slots[i].width;
    }
    return at;
}

static void tail_put(uint8_t *at, const HfControlRow *row, const void *tail, size_t n)
{
    g_assert(n <= hf_control_device_piece(row));
    if (n > 0) {
        memcpy(at, tail, n);
    }
}

void hf_control_device_put(uint8_t *buffer, const HfControlMessage *message, const void *tail,
                           size_t n)
{
    const HfControlRow *row = message->row;
    memset(buffer, 0, HF_CONTROL_DEVICE_MAX);
    tail_put(buffer + fields_put(buffer, row->request, message), row, tail, n);
}

void hf_control_device_get(const uint8_t *buffer, HfControlMessage *message,
                           const uint8_t **ret_tail)
{
    const HfControlRow *row = message->row;
    if (row->number == HF_CONTROL_GET_CAPABILITY) {
        message->value[HF_FIELD_RESULT] = HF_CONTROL_OK;
        message->value[HF_FIELD_FLAGS] = host_get(buffer, sizeof(uint64_t));
        return;
    }
    size_t at = fields_get(buffer, row->response, message);
    if (ret_tail) {
        *ret_tail = buffer + at;
    }
}

const HfControlRow *hf_control_device_row(unsigned long request)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].descriptor && hf_control_device_request(&rows[i]) == request) {
            return &rows[i];
        }
    }
    return NULL;
}

void hf_control_device_request_get(const uint8_t *buffer, HfControlMessage *message,
                                   const uint8_t **ret_tail)
{
    *ret_tail = buffer + fields_get(buffer, message->row->request, message);
}

void hf_control_device_response_put(uint8_t *buffer, const HfControlMessage *message,
                                    const void *tail, size_t n)
{
    const HfControlRow *row = message->row;
    memset(buffer, 0, HF_CONTROL_DEVICE_MAX);
    if (row->number == HF_CONTROL_GET_CAPABILITY) {
        host_put(buffer, message->value[HF_FIELD_FLAGS], sizeof(uint64_t));
        return;
    }
    tail_put(buffer + fields_put(buffer, row->response, message), row, tail, n);
}
