/* The fewest unfinished requests; of several such replicas the first, or any one of them. */
#include "dispatch_rules.h"

static int32_t by_index(const ms_choice *self, int random_ties)
{
    const ms_ties *loads = &self->servers->loads;
    return self->servers->replica[ms_ties_pick(loads, random_ties ? ms_choice_draw(self, 0, ms_ties_count(loads)) : 0)];
}

int32_t ms_choice_least_loaded(const ms_choice *self, int random_ties)
{
    if (ms_choice_is_of_all(self) && self->servers->replicas > MS_SCAN_MOST) {
        return by_index(self, random_ties);
    }
    const ms_fleet *fleet = self->fleet;
    int64_t least = ms_fleet_seen(fleet, self->up[0]);
    int32_t first = 0, equal = 1;
    for (int32_t i = 1; i < self->n; i++) {
        const int64_t load = ms_fleet_seen(fleet, self->up[i]);
        equal = load < least ? 1 : equal + (load == least);
        first = load < least ? i : first;
        least = load < least ? load : least;
    }
    int32_t left = random_ties ? ms_choice_draw(self, 0, equal) : 0, i = first;
    while (left > 0) {
        left -= ms_fleet_seen(fleet, self->up[++i]) == least;
    }
    return self->up[i];
}

static int32_t pick(const ms_choice *self)
{
    return ms_choice_least_loaded(self, self->fleet->dispatch.random_ties);
}

const ms_dispatch_rule ms_least_loaded = {.pick = pick};
