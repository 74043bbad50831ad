#include "link.h"

#include <math.h>
#include <stddef.h>

#include "error.h"

void ms_link_init(ms_link *self, double bytes_per_s)
{
    *self = (ms_link){.bytes_per_s = bytes_per_s, .next_s = INFINITY};
}

void ms_link_free(ms_link *self)
{
    ms_heap_free(&self->ends);
}

/* Bytes a second of each; some are there. */
static double share(const ms_link *self)
{
    return self->bytes_per_s / (double)self->ends.length;
}

static void advance(ms_link *self, double t_s)
{
    self->carried = self->ends.length > 0 ? self->carried + (t_s - self->since_s) * share(self) : 0.0;
    self->since_s = t_s;
}

static void foresee(ms_link *self)
{
    if (self->ends.length == 0) {
        self->next_s = INFINITY;
        return;
    }
    const double left = self->ends.events[0].when.time_s - self->carried;
    self->next_s = self->since_s + (left > 0.0 ? left / share(self) : 0.0); /* below 0 by rounding */
}

int ms_link_join(ms_link *self, void *transfer, uint64_t order, uint64_t suborder, double bytes, double t_s)
{
    advance(self, t_s);
    ms_event *end = ms_heap_push(&self->ends, self->carried + bytes, order, suborder);
    if (end != NULL) {
        end->subject = transfer;
        end->errand = MS_DO_TRANSFERRED;
        end->detail = 0;
    }
    foresee(self);
    return end != NULL ? 0 : MS_ERR_MEMORY;
}

void ms_link_leave(ms_link *self, const void *transfer, double t_s)
{
    advance(self, t_s);
    ms_heap_take_back(&self->ends, MS_DO_TRANSFERRED, transfer);
    foresee(self);
}

void *ms_link_end(ms_link *self, double t_s)
{
    if (self->next_s != t_s) {
        return NULL;
    }
    const ms_event first = self->ends.events[0];
    ms_heap_pop(&self->ends);
    self->carried = first.when.time_s; /* not a rounding less */
    self->since_s = t_s;
    foresee(self);
    return first.subject;
}
