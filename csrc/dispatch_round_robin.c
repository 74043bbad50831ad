/* One after another. */
#include "dispatch_rules.h"

static int32_t pick(const ms_choice *self)
{
    return self->up[self->servers->turn++ % self->n];
}

static int32_t look(const ms_choice *self)
{
    return self->up[self->servers->turn % self->n];
}

const ms_dispatch_rule ms_round_robin = {.pick = pick, .look = look};
