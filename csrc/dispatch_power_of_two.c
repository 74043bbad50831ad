/* The less loaded of two that are drawn at random, of equals the first. Mitzenmacher, IEEE TPDS 12 (10), 2001. */
#include "dispatch_rules.h"

static int32_t pick(const ms_choice *self)
{
    const int32_t a = ms_choice_draw(self, 0, self->n);
    int32_t b = ms_choice_draw(self, 1, self->n - 1);
    b += b >= a;
    const int32_t first = self->up[a < b ? a : b], second = self->up[a < b ? b : a];
    return ms_view_seen(self->fleet, second) < ms_view_seen(self->fleet, first) ? second : first;
}

const ms_dispatch_rule ms_power_of_two = {.pick = pick};
