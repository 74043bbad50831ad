#include "recent.h"

void ms_recent_add(ms_recent *self, double t_s, double value, double window_s)
{
    while (self->length > 0 && self->time_s[self->first] <= t_s - window_s) {
        self->first = (self->first + 1) % self->room;
        self->length--;
    }
    const int32_t at = (self->first + self->length) % self->room;
    self->time_s[at] = t_s;
    self->value[at] = value;
    self->length++;
}
