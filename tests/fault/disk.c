/*
 * disk.c - the synced content and entries, and the list of pieces that are not; see disk.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "disk.h"

#include <string.h>

#define SECTOR 512u

/* One piece that may be lost. Entries: `name` gets `file` (0: nothing), `from` loses its own. */
typedef struct {
    uint64_t file;
    GBytes *data; /* of a sector; NULL: a new size, or an entry */
    uint64_t offset;
    bool entry;
    char *name, *from;
} Piece;

struct Disk {
    uint64_t directory;
    uint64_t last_file;
    GHashTable *files;   /* inode -> number of the file: an inode is used again, a number is not */
    GHashTable *content; /* file -> GByteArray, synced */
    GHashTable *entries; /* name -> file, synced */
    GHashTable *now;     /* name -> file, as processes see it */
    GPtrArray *pieces;   /* of Piece, in the order of the calls */
};

static void piece_free(gpointer data)
{
    Piece *piece = data;
    if (piece->data) {
        g_bytes_unref(piece->data);
    }
    g_free(piece->name);
    g_free(piece->from);
    g_free(piece);
}

static uint64_t file_of(GHashTable *table, const void *key)
{
    const uint64_t *file = g_hash_table_lookup(table, key);
    return file ? *file : 0;
}

static void bind_name(GHashTable *entries, const char *name, uint64_t file)
{
    if (file == 0) {
        g_hash_table_remove(entries, name);
    } else {
        g_hash_table_insert(entries, g_strdup(name), g_memdup2(&file, sizeof(file)));
    }
}

static GHashTable *entries_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static GHashTable *content_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                 (GDestroyNotify)g_byte_array_unref);
}

static GByteArray *content_of(GHashTable *content, uint64_t file)
{
    GByteArray *bytes = g_hash_table_lookup(content, &file);
    if (!bytes) {
        bytes = g_byte_array_new();
        g_hash_table_insert(content, g_memdup2(&file, sizeof(file)), bytes);
    }
    return bytes;
}

Disk *disk_new(uint64_t directory)
{
    Disk *disk = g_new0(Disk, 1);
    disk->directory = directory;
    disk->files = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    disk->content = content_new();
    disk->entries = entries_new();
    disk->now = entries_new();
    disk->pieces = g_ptr_array_new_with_free_func(piece_free);
    return disk;
}

void disk_free(Disk *disk)
{
    if (disk) {
        g_hash_table_unref(disk->files);
        g_hash_table_unref(disk->content);
        g_hash_table_unref(disk->entries);
        g_hash_table_unref(disk->now);
        g_ptr_array_unref(disk->pieces);
        g_free(disk);
    }
}

/* --- what a piece does ------------------------------------------------------------------------ */

static void resize(GByteArray *bytes, uint64_t size)
{
    guint before = bytes->len;
    g_byte_array_set_size(bytes, (guint)size);
    if (size > before) {
        memset(bytes->data + before, 0, (size_t)size - before);
    }
}

static void apply(const Piece *piece, GHashTable *content, GHashTable *entries)
{
    if (piece->entry) {
        if (piece->from) {
            bind_name(entries, piece->from, 0);
        }
        bind_name(entries, piece->name, piece->file);
        return;
    }
    GByteArray *bytes = content_of(content, piece->file);
    if (!piece->data) {
        resize(bytes, piece->offset);
        return;
    }
    gsize size;
    const void *data = g_bytes_get_data(piece->data, &size);
    if (bytes->len < piece->offset + size) {
        resize(bytes, piece->offset + size);
    }
    memcpy(bytes->data + piece->offset, data, size);
}

/* --- calls ------------------------------------------------------------------------------------ */

static Piece *add(Disk *disk, uint64_t file)
{
    Piece *piece = g_new0(Piece, 1);
    piece->file = file;
    g_ptr_array_add(disk->pieces, piece);
    return piece;
}

static void add_entry(Disk *disk, uint64_t file, const char *name, const char *from)
{
    Piece *piece = add(disk, file);
    piece->entry = true;
    piece->name = g_strdup(name);
    piece->from = g_strdup(from);
    apply(piece, disk->content, disk->now);
}

static uint64_t size_now(const Disk *disk, uint64_t file)
{
    const GByteArray *bytes = g_hash_table_lookup(disk->content, &file);
    uint64_t size = bytes ? bytes->len : 0;
    for (unsigned i = 0; i < disk->pieces->len; i++) {
        const Piece *piece = disk->pieces->pdata[i];
        if (piece->file == file && !piece->entry) {
            uint64_t end = piece->data ? piece->offset + g_bytes_get_size(piece->data) : 0;
            size = piece->data ? MAX(size, end) : piece->offset;
        }
    }
    return size;
}

/* A longer file may have its size, and zeros, before it has its data. */
static void add_write(Disk *disk, uint64_t file, const TraceRecord *record, const uint8_t *data)
{
    uint64_t end = record->offset + record->data_size;
    if (end > size_now(disk, file)) {
        add(disk, file)->offset = end;
    }
    for (uint64_t at = record->offset; at < end;) {
        uint64_t n = MIN((at / SECTOR + 1) * SECTOR, end) - at;
        Piece *piece = add(disk, file);
        piece->offset = at;
        piece->data = g_bytes_new(data + (at - record->offset), n);
        at += n;
    }
}

/* file 0: the directory. */
static void sync_pieces(Disk *disk, uint64_t file)
{
    for (unsigned i = 0; i < disk->pieces->len;) {
        const Piece *piece = disk->pieces->pdata[i];
        if (file == 0 ? piece->entry : !piece->entry && piece->file == file) {
            apply(piece, disk->content, disk->entries);
            g_ptr_array_remove_index(disk->pieces, i);
        } else {
            i++;
        }
    }
}

/* A name of the record, when it is in our directory; else NULL. */
static char *our_name(const Disk *disk, uint64_t dir, const uint8_t *name, size_t size)
{
    return dir == disk->directory ? g_strndup((const char *)name, size) : NULL;
}

static bool call_entry(Disk *disk, const TraceRecord *record, const uint8_t *strings)
{
    g_autofree char *name = our_name(disk, record->dir, strings, record->name_size);
    g_autofree char *name2 =
        our_name(disk, record->dir2, strings + record->name_size, record->name2_size);
    if (!name) {
        g_assert_null(name2); /* a file from elsewhere: the model has no such disk */
        return false;
    }
    if (record->op == TRACE_CREATE) {
        disk->last_file++;
        g_hash_table_insert(disk->files, g_memdup2(&record->inode, sizeof(record->inode)),
                            g_memdup2(&disk->last_file, sizeof(disk->last_file)));
        add_entry(disk, disk->last_file, name, NULL);
    } else if (record->op == TRACE_LINK) {
        add_entry(disk, file_of(disk->files, &record->inode), name, NULL);
    } else if (record->op == TRACE_UNLINK) {
        add_entry(disk, 0, name, NULL);
    } else {
        g_assert_nonnull(name2);
        add_entry(disk, file_of(disk->now, name), name2, name);
    }
    return true;
}

static bool call_content(Disk *disk, const TraceRecord *record, const uint8_t *data)
{
    uint64_t file = file_of(disk->files, &record->inode);
    bool directory = record->inode == disk->directory;
    if (record->op == TRACE_SYNC && (file != 0 || directory)) {
        sync_pieces(disk, directory ? 0 : file);
    } else if (record->op == TRACE_WRITE && file != 0) {
        add_write(disk, file, record, data);
    } else if (record->op == TRACE_SIZE && file != 0) {
        add(disk, file)->offset = record->offset;
    }
    return file != 0 || directory;
}

bool disk_call(Disk *disk, const TraceRecord *record, const uint8_t *strings)
{
    switch (record->op) {
    case TRACE_CREATE:
    case TRACE_RENAME:
    case TRACE_UNLINK:
    case TRACE_LINK: return call_entry(disk, record, strings);
    case TRACE_WRITE:
    case TRACE_SIZE:
    case TRACE_SYNC:
        return call_content(disk, record, strings + record->name_size + record->name2_size);
    default: return false;
    }
}

unsigned disk_pieces(const Disk *disk)
{
    return disk->pieces->len;
}

/* --- what is there after a crash --------------------------------------------------------------- */

static GHashTable *copy_content(const Disk *disk)
{
    GHashTable *copy = content_new();
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, disk->content);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const GByteArray *bytes = value;
        g_byte_array_append(content_of(copy, *(const uint64_t *)key), bytes->data, bytes->len);
    }
    return copy;
}

GHashTable *disk_files(const Disk *disk, const uint8_t *chosen)
{
    g_autoptr(GHashTable) content = copy_content(disk);
    g_autoptr(GHashTable) entries = entries_new();
    GHashTable *files =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, disk->entries);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        bind_name(entries, key, *(const uint64_t *)value);
    }
    for (unsigned i = 0; i < disk->pieces->len; i++) {
        if (!chosen || chosen[i]) {
            apply(disk->pieces->pdata[i], content, entries);
        }
    }
    g_hash_table_iter_init(&iter, entries);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const GByteArray *bytes = content_of(content, *(const uint64_t *)value);
        g_hash_table_insert(files, g_strdup(key), g_bytes_new(bytes->data, bytes->len));
    }
    return files;
}
