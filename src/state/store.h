/*
 * store.h - a TPM at rest: the named blobs of one TPM, behind one interface.
 *
 * A store keeps up to three blobs (permanent, volatile, savestate) of one TPM, in swtpm's file
 * formats, so that either program opens the other's state, or in our own. save() is durable when it
 * returns.
 * A store is a small const struct of functions; this header is the interface, store_dir.h and later
 * files make one.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_STORE_H
#define HOLDFAST_STATE_STORE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "state/envelope.h"
#include "state/medium.h"

/* Index of a blob: name on disk "permall", "volatilestate", "savestate". */
typedef enum {
    HF_STATE_PERMANENT,
    HF_STATE_VOLATILE,
    HF_STATE_SAVESTATE,
    HF_STATE_COUNT
} HfStateKind;

typedef struct HfStore HfStore;

typedef struct {
    const char *scheme; /* "dir", "file", "slots" */
    /* The blob of libtpms, out of its envelope; never empty. HF_ERROR_NOT_FOUND only when it is
     * certainly absent; otherwise as the envelope and hf_file_read_at say. */
    GBytes *(*load)(HfStore *store, HfStateKind kind, GError **error);
    /* Of 1 to HF_STATE_BLOB_MAX bytes. On failure what was stored before is still there (after a
     * failed sync of the directory: that or the new one). */
    bool (*save)(HfStore *store, HfStateKind kind, const uint8_t *data, size_t size,
                 GError **error);
    /* Durable; absent before is fine. */
    bool (*remove)(HfStore *store, HfStateKind kind, GError **error);
    /* Size of the stored form (file size) or -1 when absent. */
    bool (*stat)(HfStore *store, HfStateKind kind, int64_t *ret_size, GError **error);
    /* Takes the lock (of a file: if the configuration asks for one), trying again every 10 ms up to `retries` times; already held: fine.
     * HF_ERROR_BUSY when another process has it. */
    bool (*lock)(HfStore *store, unsigned retries, GError **error);
    void (*unlock)(HfStore *store);
    void (*free)(HfStore *store);
} HfStoreClass;

struct HfStore {
    const HfStoreClass *class;
    /* Of the last load, for a log: that an older state stands in for one that is damaged, and why.
     * NULL: nothing of the kind. */
    char *remark;
};

static inline void hf_store_free(HfStore *store)
{
    if (store) {
        g_free(store->remark);
        store->class->free(store);
    }
}

const char *hf_state_kind_name(HfStateKind kind); /* "permall" ... */

typedef struct {
    bool tpm2;       /* file prefix "tpm2-00." or "tpm-00." */
    bool mode_given; /* mode exact; else 0640 & ~umask */
    mode_t mode;
    bool fsync;           /* normally true; false: as swtpm, not durable when save returns */
    HfEnvelope *envelope; /* borrowed, outlives the store; NULL: plain */
    /* Of a directory: the permanent state before the last one stays as "permall.bak", as swtpm 0.11
     * has it, and counts where "permall" is damaged, or missing: then somebody was interrupted
     * between two renames. Without it such a file is an error where "permall" is missing, and is
     * removed with the first save: it would become older and older. */
    bool backup;

    /* Of stores in one file; a directory is always locked, and never made. */
    bool lock;                     /* take a lock on a linear file at all */
    bool look_only;                /* a file that is missing is not made, but an empty store */
    const HfMediumOps *medium_ops; /* NULL: the system's */
    void *medium_user;
} HfStoreConfig;

/* swtpm's directory backend. The directory must exist (HF_ERROR_NOT_FOUND otherwise) and stays
 * open; nothing is created or locked yet. */
HfStore *hf_store_dir_open(const char *path, const HfStoreConfig *config, GError **error);
/* Of a directory with `backup`: who knows what is inside the permanent state has found the last one
 * damaged, for this reason; until the next save load gives the one before it. NULL: the last one
 * again. False: not such a store. */
bool hf_store_dir_use_backup(HfStore *store, const char *why);
/* The same for "dir://PATH" or a plain path; for "file://PATH" as store_linear.h says, for
 * "slots://PATH" as store_slots.h. */
HfStore *hf_store_open_uri(const char *uri, const HfStoreConfig *config, GError **error);
/* The file of a store that keeps all in one, opened as the configuration says. */
HfMedium *hf_store_medium_open(const char *path, const HfStoreConfig *config, GError **error);
/* The directory's descriptor, for confinement (-1 for other stores). */
int hf_store_dir_fd(const HfStore *store);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfStore, hf_store_free)

#endif
