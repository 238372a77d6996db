/*
 * test-command-frame.c - framing of the data channel: pieces, the next command, the TCG header,
 * sizes that no command has.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <glib.h>
#include <string.h>

#include "base/bytes.h"
#include "emulator/command_frame.h"

static GByteArray *command(uint32_t size, size_t present)
{
    GByteArray *out = g_byte_array_new();
    hf_put_u16(out, 0x8001);
    hf_put_u32(out, size);
    hf_put_u32(out, 0x17b);
    g_byte_array_set_size(out, (guint)present);
    return out;
}

static GByteArray *prefixed(uint8_t locality, uint32_t size, const GByteArray *inner)
{
    GByteArray *out = g_byte_array_new();
    hf_put_u32(out, 8);
    hf_put_u8(out, locality);
    hf_put_u32(out, size);
    hf_put_bytes(out, inner->data, inner->len);
    return out;
}

static void test_pieces(void)
{
    static const uint32_t sizes[] = { 10, 11, 12, 100, 4095, 4096 };
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) bytes = command(sizes[i], sizes[i] + 7);
        HfCommandFrame frame;
        for (size_t n = 0; n < sizes[i]; n++) {
            g_assert_false(hf_command_frame_find(bytes->data, n, true, &frame));
        }
        for (size_t n = sizes[i]; n <= sizes[i] + 7; n++) {
            g_assert_true(hf_command_frame_find(bytes->data, n, true, &frame));
            g_assert_cmpuint(frame.offset, ==, 0);
            g_assert_cmpuint(frame.size, ==, sizes[i]);
            g_assert_cmpuint(frame.used, ==, sizes[i]);
            g_assert_false(frame.prefixed);
        }
    }
}

static void test_header(void)
{
    g_autoptr(GByteArray) inner = command(12, 12);
    g_autoptr(GByteArray) bytes = prefixed(3, 12, inner);
    HfCommandFrame frame;
    for (size_t n = 0; n < bytes->len; n++) {
        g_assert_false(hf_command_frame_find(bytes->data, n, true, &frame));
    }
    hf_put_u8(bytes, 0x80);
    g_assert_true(hf_command_frame_find(bytes->data, bytes->len, true, &frame));
    g_assert_true(frame.prefixed);
    g_assert_cmpuint(frame.locality, ==, 3);
    g_assert_cmpuint(frame.offset, ==, 9);
    g_assert_cmpuint(frame.size, ==, 12);
    g_assert_cmpuint(frame.used, ==, 21);
}

/* A TPM 1.2 knows no header: the bytes are a command with a size of 0x80312 or so. */
static void test_no_header(void)
{
    g_autoptr(GByteArray) inner = command(12, 12);
    g_autoptr(GByteArray) bytes = prefixed(3, 12, inner);
    HfCommandFrame frame;
    g_assert_true(hf_command_frame_find(bytes->data, bytes->len, false, &frame));
    g_assert_false(frame.prefixed);
    g_assert_cmpuint(frame.size, ==, bytes->len);
}

/* Everything at hand is taken, so that it can be refused in band. */
static void test_impossible_sizes(void)
{
    static const uint32_t sizes[] = { 0, 1, 9, 4097, 5000, UINT32_MAX };
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) bytes = command(sizes[i], 40);
        g_autoptr(GByteArray) outer = prefixed(0, sizes[i], bytes);
        HfCommandFrame frame;
        g_assert_false(hf_command_frame_find(bytes->data, 5, true, &frame));
        g_assert_true(hf_command_frame_find(bytes->data, bytes->len, true, &frame));
        g_assert_cmpuint(frame.size, ==, 40);
        g_assert_cmpuint(frame.used, ==, 40);
        g_assert_true(hf_command_frame_find(outer->data, outer->len, true, &frame));
        g_assert_true(frame.prefixed);
        g_assert_cmpuint(frame.offset, ==, 9);
        g_assert_cmpuint(frame.size, ==, 40);
        g_assert_cmpuint(frame.used, ==, 49);
    }
    /* A size too small may be all that comes; one too large has a header still on its way. */
    g_autoptr(GByteArray) small = command(6, 6);
    g_autoptr(GByteArray) large = command(4097, 9);
    HfCommandFrame frame;
    g_assert_true(hf_command_frame_find(small->data, small->len, true, &frame));
    g_assert_false(hf_command_frame_find(large->data, large->len, true, &frame));
}

static void test_longest(void)
{
    g_autoptr(GByteArray) inner = command(4096, 4096);
    g_autoptr(GByteArray) bytes = prefixed(0, 4096, inner);
    HfCommandFrame frame;
    g_assert_cmpuint(bytes->len, ==, HF_COMMAND_FRAME_MAX);
    g_assert_true(hf_command_frame_find(bytes->data, bytes->len, true, &frame));
    g_assert_cmpuint(frame.used, ==, HF_COMMAND_FRAME_MAX);
}

static void test_rest(void)
{
    g_autoptr(GByteArray) bytes = command(100, 20);
    HfCommandFrame frame = hf_command_frame_rest(bytes->data, bytes->len, true);
    g_assert_cmpuint(frame.size, ==, 20);
    g_assert_cmpuint(frame.used, ==, 20);
    g_assert_false(frame.prefixed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/command-frame/pieces", test_pieces);
    g_test_add_func("/command-frame/header", test_header);
    g_test_add_func("/command-frame/no-header", test_no_header);
    g_test_add_func("/command-frame/impossible-sizes", test_impossible_sizes);
    g_test_add_func("/command-frame/longest", test_longest);
    g_test_add_func("/command-frame/rest", test_rest);
    return g_test_run();
}
