/*
 * trace.h - what the interposer writes down and what it can be told to spoil.
 *
 * One file, mapped shared by the traced process, its children and the test: a header, then records
 * of 8-byte alignment in the order in which the calls returned. $HF_TRACE names it; the file has
 * its full size from the start (zeros). The test arms a fault by writing to the header; it goes off
 * once, in whatever process makes the call. Native byte order: nothing here leaves the machine.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_TRACE_H
#define HOLDFAST_TESTS_TRACE_H

#include <stdint.h>

#define TRACE_MAGIC 0x68667472u

/* Kinds of calls a fault can be armed for; bits. */
enum {
    TRACE_FILES = 1,       /* open, read, write, sync, rename, ... of files and directories */
    TRACE_DESCRIPTORS = 2, /* what makes a descriptor: open, accept, socket, eventfd, ... */
    TRACE_MEMORY = 4,      /* malloc, calloc, realloc, memalign */
    TRACE_PAGES = 8,       /* mlock, madvise */
    TRACE_CHANNELS = 16,   /* read, write, send, recvmsg, poll of sockets */
};

/* What happens at the call. */
enum {
    TRACE_FAIL = 1, /* -1 and `fault_errno`; memory: NULL */
    TRACE_SHORT,    /* read and write: half of it, at least a byte */
    TRACE_KILL,     /* the process is killed before the call */
};

enum {
    TRACE_CREATE = 1, /* dir, name, inode: a new file */
    TRACE_WRITE,      /* inode, offset, data */
    TRACE_SIZE,       /* inode, offset: the new size */
    TRACE_SYNC,       /* inode, of a file or a directory */
    TRACE_RENAME,     /* dir, name, dir2, name2 */
    TRACE_UNLINK,     /* dir, name */
    TRACE_LINK,       /* inode, dir, name */
    TRACE_ANSWER,     /* bytes left over a socket: what was done is acknowledged */
};

typedef struct {
    uint32_t magic;
    uint32_t full;      /* records were lost: the file is too small */
    uint64_t used;      /* bytes of records */
    uint64_t first;     /* of these so many tell what was there before */
    uint64_t directory; /* inode of the directory of interest */
    uint64_t seen;      /* calls of the armed kinds since it was armed */
    uint32_t kinds;     /* 0: nothing armed */
    uint32_t action;    /* TRACE_FAIL, ... */
    uint64_t at;        /* goes off at this call (from 1); 0: never, calls are only counted */
    int32_t fault_errno;
    uint32_t stays; /* every call from then on */
    uint32_t fired; /* times it went off */
    char call[28];  /* where it went off last */
    char
        crash[96]; /* "LIBRARY FUNCTION" in which a process died of SIGSEGV, with $HF_TRACE_CRASH */
} TraceHeader;

typedef struct {
    uint32_t size; /* of the record, rounded up to 8; written last: 0 is the end */
    uint16_t op;
    uint16_t name_size, name2_size;
    uint16_t zero;
    uint32_t data_size;
    uint64_t inode, dir, dir2, offset;
    /* name, name2 (no terminators), data */
} TraceRecord;

#endif
