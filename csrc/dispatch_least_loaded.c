/* The fewest unfinished requests; of several such replicas the first, or any one of them. */
#include "dispatch_rules.h"

static int32_t pick(const ms_choice *self)
{
    return ms_choice_least_loaded(self, self->fleet->dispatch.random_ties);
}

const ms_dispatch_rule ms_least_loaded = {.pick = pick};
