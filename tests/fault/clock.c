/*
 * clock.c - a wall clock that somebody sets all the time: LD_PRELOAD=clock.so HF_CLOCK=forward|back.
 *
 * Each reading of the wall clock is an hour after, or before, the one before it. Other clocks are
 * what they are.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_long hours;
static long step;

__attribute__((constructor)) static void begin(void)
{
    const char *way = getenv("HF_CLOCK");
    if (way) {
        step = *way == 'f' ? 1 : -1;
    }
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ret_time->tv_sec += 3600 * step * (atomic_fetch_add(&hours, 1) + 1);
    }
    return result;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
    struct timespec now = { 0 };
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    ret_time->tv_sec = now.tv_sec;
    ret_time->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *ret_time)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time) {
        *ret_time = now.tv_sec;
    }
    return now.tv_sec;
}
