/*
 * tsan_glib.c - GLib's mutexes and conditions by those of pthread, for ThreadSanitizer.
 *
 * GLib's own are futex calls in a library that was not built with ThreadSanitizer, which then sees
 * no order between two threads where there is one. What stands in the program wins over the library.
 * Only for `make check-tsan`: a lock is allocated when it is first used, and never freed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static void *made(gpointer *place, size_t size)
{
    pthread_mutex_lock(&making);
    if (!*place) {
        *place = calloc(1, size); /* all zero is an initialized one, with glibc */
    }
    void *lock = *place;
    pthread_mutex_unlock(&making);
    return lock;
}

static pthread_mutex_t *mutex_of(GMutex *mutex)
{
    return made(&mutex->p, sizeof(pthread_mutex_t));
}

static pthread_cond_t *cond_of(GCond *cond)
{
    return made(&cond->p, sizeof(pthread_cond_t));
}

void g_mutex_init(GMutex *mutex)
{
    mutex->p = NULL;
}

void g_mutex_clear(GMutex *mutex)
{
    mutex->p = NULL;
}

void g_mutex_lock(GMutex *mutex)
{
    pthread_mutex_lock(mutex_of(mutex));
}

gboolean g_mutex_trylock(GMutex *mutex)
{
    return pthread_mutex_trylock(mutex_of(mutex)) == 0;
}

void g_mutex_unlock(GMutex *mutex)
{
    pthread_mutex_unlock(mutex_of(mutex));
}

void g_cond_init(GCond *cond)
{
    cond->p = NULL;
}

void g_cond_clear(GCond *cond)
{
    cond->p = NULL;
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
    pthread_cond_wait(cond_of(cond), mutex_of(mutex));
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    struct timespec now;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    clock_gettime(CLOCK_MONOTONIC, &now);
    gint64 left = end_time - (now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000);
    gint64 nanoseconds = end.tv_nsec + MAX(left, 0) % G_USEC_PER_SEC * 1000;
    end.tv_sec += MAX(left, 0) / G_USEC_PER_SEC + nanoseconds / 1000000000;
    end.tv_nsec = nanoseconds % 1000000000;
    return pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), &end) != ETIMEDOUT;
}

void g_cond_signal(GCond *cond)
{
    pthread_cond_signal(cond_of(cond));
}

void g_cond_broadcast(GCond *cond)
{
    pthread_cond_broadcast(cond_of(cond));
}
