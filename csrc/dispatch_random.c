/* Any one, all equally likely. */
#include "dispatch_rules.h"

static int32_t pick(const ms_choice *self)
{
    return self->up[ms_choice_draw(self, 0, self->n)];
}

const ms_dispatch_rule ms_random_rule = {.pick = pick};
