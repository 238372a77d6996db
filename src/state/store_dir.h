/*
 * store_dir.h - swtpm's directory of state.
 *
 * Files: tpm2-00.permall, tpm2-00.volatilestate, tpm2-00.savestate (TPM 1.2: tpm-00.…), while being
 * written TMP2-00.permall … (TMP-00.…), and .lock. A file is only ever replaced by a complete,
 * durable one; a TMP file left by a crash is replaced by the next write and never read.
 *
 * The lock is swtpm's (record_lock.h): over .lock, whose descriptor is open exactly while it is
 * locked. Such a lock belongs to the process: lock after becoming a daemon, and one store a
 * directory and process.
 *
 * The directory may be reached over symbolic links (the operator named it); the files may not be
 * links, and only regular files are read.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_STORE_DIR_H
#define HOLDFAST_STATE_STORE_DIR_H

#include "state/store.h"

#define HF_STORE_LOCK_NAME ".lock"

#endif
