/*
 * engine_landing.c - where libtpms ends up when it gives up on a state that it reads.
 *
 * What libtpms holds for impossible (an algorithm it does not know in a key it reads back) makes it
 * jump to the beginning of the command that runs. There is none while it reads state: the jump
 * would lead anywhere, one damaged byte of a file or of a migration is enough. So the function
 * that jumps is one of the executable here (engine_shim.h), and while state is read it leads back
 * to hf_engine_land, which says that the state is refused. libtpms is then in failure mode, until
 * the next power on, and what it was given to read is not freed. At any other time the jump is libtpms' own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#undef _FORTIFY_SOURCE /* with it longjmp has another name, and the linker shall see this one */
#include "config.h"

#include <setjmp.h>
#include <stdlib.h>

#include "engine/engine_private.h"
#include "engine/engine_shim.h"

struct HfLanding {
    jmp_buf place;
};

typedef void (*Jump)(struct __jmp_buf_tag *place, int value);

uint32_t hf_engine_land(HfEngine *engine, uint32_t (*call)(uint32_t), uint32_t argument)
{
    struct HfLanding landing;
    uint32_t result;

    if (_setjmp(landing.place) != 0) {
        engine->landing = NULL;
        return hf_engine_failure(engine);
    }
    engine->landing = &landing;
    result = call(argument);
    engine->landing = NULL;
    return result;
}

static G_NORETURN void jump(Jump real, struct __jmp_buf_tag *place, int value)
{
    HfEngine *engine = hf_engine_current();

    real(engine && engine->landing ? engine->landing->place : place, value);
    abort();
}

/* libtpms calls the one or the other, as it was built. */
HF_REAL_DECLARE(void, __longjmp_chk, (struct __jmp_buf_tag place[1], int value))
HF_REAL_DECLARE(void, longjmp, (struct __jmp_buf_tag place[1], int value))

/* NOLINTNEXTLINE(bugprone-reserved-identifier): glibc's name */
G_NORETURN void HF_SHIM(__longjmp_chk)(struct __jmp_buf_tag place[1], int value);

void HF_SHIM(__longjmp_chk)(struct __jmp_buf_tag place[1], int value)
{
    Jump real;

    HF_REAL(real, __longjmp_chk);
    jump(real, place, value);
}

void HF_SHIM(longjmp)(struct __jmp_buf_tag place[1], int value)
{
    Jump real;

    HF_REAL(real, longjmp);
    jump(real, place, value);
}
