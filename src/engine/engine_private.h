/*
 * engine_private.h - what the files of this folder share: the engine object itself.
 *
 * engine.c owns its life, engine_callbacks.c is what libtpms calls back, engine_blobs.c moves state
 * in and out while the TPM is off, engine_command.c runs commands and cancels them,
 * engine_landing.c is where libtpms ends up when it gives up on a state, engine_seed.c patches a new TPM, engine_trace.c keeps libtpms' debug output off stderr. Nothing outside src/engine includes this.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_ENGINE_PRIVATE_H
#define HOLDFAST_ENGINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/secret.h"
#include "engine/engine.h"

#define HF_BLOB_KINDS 3u

/* A response buffer of libtpms: malloc'd and grown by it. */
typedef struct {
    unsigned char *data;
    uint32_t size;
    uint32_t room;
} HfResponse;

/* How the kinds of blob reach libtpms during one power on. */
typedef enum {
    HF_SUPPLY_STORAGE, /* ask the storage when libtpms asks */
    HF_SUPPLY_ABSENT,  /* known to be absent, or hidden */
    HF_SUPPLY_BLOB     /* read ahead, in `blob` */
} HfSupplyFrom;

typedef struct {
    HfSupplyFrom from;
    GBytes *blob;
} HfSupply;

/* How far the running command has come, as far as cancelling it is concerned. */
typedef enum {
    HF_PROGRESS_NONE,     /* libtpms has yet to ask for the locality */
    HF_PROGRESS_LOCALITY, /* it asked: it forgets earlier cancels within the next few instructions
                           */
    HF_PROGRESS_INSIDE    /* it came to the storage: that is behind it */
} HfProgress;

typedef struct {
    GMutex lock;
    GCond ended;         /* signalled when a command ends while somebody cancels it */
    atomic_int busy;     /* written under the lock */
    atomic_int progress; /* HfProgress */
    uint64_t serial;     /* counts commands; under the lock */
    unsigned waiters;    /* cancellers; under the lock */
    clockid_t cpu_time;  /* of the thread that runs the command; under the lock */
} HfCancel;

typedef struct {
    int null_fd; /* where libtpms' messages go by default */
    int read_fd; /* a pipe that catches them while it judges state */
    int write_fd;
    int user_fd; /* hf_engine_set_debug, -1: none */
} HfTrace;

struct HfEngine {
    char *profile;        /* for the first power on, or NULL */
    bool profile_applied; /* the first power on is behind us */
    HfTpmVersion version;
    const HfEngineStorage *storage;
    void *user;

    bool running;
    bool pristine;         /* made by the last power on, no command since */
    bool was_shut_down;    /* the last command was a successful TPM2_Shutdown */
    bool stir_at_startup;  /* resumed before Startup: stir the generator after it */
    uint8_t locality;      /* of the command that runs */
    GError *storage_error; /* the first since power on */
    bool stack_used;       /* libtpms has had a state on the stack */
    HfSupply supply[HF_BLOB_KINDS];

    bool set[HF_BLOB_KINDS]; /* hf_engine_set_blob was accepted and waits for power on */
    bool set_volatile;       /* ... and the volatile one is not empty */
    char *refusal;           /* why power on is refused until good blobs come, or NULL */

    uint8_t *command; /* libtpms decrypts parameters in place: it gets a copy */
    size_t command_room;
    HfResponse guest; /* to the last command of the guest */
    HfResponse own;   /* to the last command of the engine itself */

    HfSecret *rsa; /* engine_rsa.c, or NULL */

    HfTrace trace;
    HfCancel cancel;
    struct HfLanding *landing; /* engine_landing.c: while libtpms reads state, or NULL */
};

/* The result that stands for "failed" in this TPM's language: 9 or 0x101. */
uint32_t hf_engine_failure(const HfEngine *engine);
const char *hf_engine_result_words(uint32_t result);
const char *hf_blob_words(HfBlobKind kind);

/* engine_callbacks.c: the callbacks refer to `engine` until NULL is given. */
void hf_engine_register(HfEngine *engine);
/* A length in damaged state can lead libtpms past the end of it: it skips up to 65,535 bytes (what a
 * newer version has added) without a look at how many are left, takes the rest, now negative, for a
 * large number and reads on. It shall find zeros there, which are the mark of nothing, and not
 * memory that is not ours or not there. They end it soon: 26 bytes behind the longest skip were the
 * most, with a guard page behind each of some millions of damaged permanent and volatile states with keys, sessions and
 * NV indices in them. */
#define HF_PADDING (65535u + 4096u)
/* What libtpms takes and frees: larger than HF_MALLOC_MAPS, so that it is pages of its own, of
 * which only those with data are ever touched. */
#define HF_PADDING_MAPPED (2 * HF_MALLOC_MAPS)
G_STATIC_ASSERT(HF_PADDING_MAPPED >= HF_PADDING);
void hf_engine_remember(HfEngine *engine, GError *error); /* takes it */
/* Reads ahead what the next power on needs, so that nothing unreadable reaches libtpms. */
bool hf_engine_supply(HfEngine *engine, bool resume_volatile, GError **error);
/* From now on libtpms' questions go to the storage. */
void hf_engine_supply_end(HfEngine *engine);
/* The next power on will restore a volatile state. */
bool hf_engine_supplies_volatile(const HfEngine *engine);

/* Stores what libtpms was given by hf_engine_set_blob and runs with; a failure is remembered. */
void hf_engine_store_set(HfEngine *engine);
/* The engine of this process, or NULL. */
HfEngine *hf_engine_current(void);

/* engine_landing.c: call(argument), which makes libtpms read state; its result, or that of failure
 * mode when libtpms gave up on the state. */
uint32_t hf_engine_land(HfEngine *engine, uint32_t (*call)(uint32_t), uint32_t argument);

/* engine_blobs.c: forgets accepted blobs in libtpms and here; the refusal stays. */
void hf_engine_forget_blobs(HfEngine *engine);
void hf_engine_refuse(HfEngine *engine, const char *reason);

/* engine_memory.c: libtpms leaves the TPM's seeds on the stack where it reads or writes state. Wipes
 * what is below the caller, as far down as libtpms comes there. */
void hf_engine_wipe_stack(HfEngine *engine);

/* engine_command.c */
void hf_cancel_init(HfCancel *cancel);
void hf_cancel_clear(HfCancel *cancel);
void hf_cancel_progress(HfCancel *cancel, HfProgress progress);
/* Runs a command of our own at locality 0, again while the TPM asks for that; its response code, or
 * 0xffffffff when there is no response. */
uint32_t hf_engine_run_own(HfEngine *engine, const uint8_t *command, size_t size);
/* Mixes fresh random bytes into the generator of a resumed TPM. */
bool hf_engine_stir(HfEngine *engine, GError **error);

/* engine_trace.c */
bool hf_trace_open(HfTrace *trace, GError **error);
void hf_trace_close(HfTrace *trace);
void hf_trace_begin(HfTrace *trace);
/* What libtpms said last since begin, made printable, or NULL. Caller frees. */
char *hf_trace_end(HfTrace *trace);

/* engine_rsa.c: primes of RSA keys in use. NULL while there is no engine. */
HfSecret *hf_engine_rsa_cache(void);
#ifdef HF_RSA_SHIM
HfSecret *hf_rsa_cache_new(void);
void hf_rsa_cache_clear(HfSecret *secret); /* forgets all keys */
#else
static inline HfSecret *hf_rsa_cache_new(void)
{
    return NULL;
}
static inline void hf_rsa_cache_clear(HfSecret *secret)
{
    (void)secret;
}
#endif

/* Whether libtpms takes its random numbers from engine_random.c. */
bool hf_engine_random_linked(void);

#endif
