/* The less loaded of two that are drawn at random, of equals the first. Mitzenmacher, IEEE TPDS 12 (10), 2001. */
#include "dispatch_rules.h"

/* Of many replicas their loads stand close together (view.c). */
static int64_t load_of(const ms_choice *self, int32_t replica)
{
    const ms_servers *servers = self->servers;
    const int is_kept = servers->replicas > MS_SCAN_MOST;
    return is_kept ? (int64_t)servers->loads.values[self->fleet->place_of[replica]] : ms_view_seen(self->fleet, replica);
}

static int32_t pick(const ms_choice *self)
{
    const int32_t a = ms_choice_draw(self, 0, self->n);
    int32_t b = ms_choice_draw(self, 1, self->n - 1);
    b += b >= a;
    const int32_t first = self->up[a < b ? a : b], second = self->up[a < b ? b : a];
    return load_of(self, second) < load_of(self, first) ? second : first;
}

const ms_dispatch_rule ms_power_of_two = {.pick = pick};
