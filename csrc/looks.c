#include "looks.h"

#include <stdlib.h>

#include "error.h"

int ms_looks_init(ms_looks *self, double delay_s, int32_t replicas)
{
    *self = (ms_looks){.delay_s = delay_s};
    if (!(delay_s > 0.0)) {
        return 0;
    }
    const size_t n = (size_t)replicas + 1;
    self->unfinished = calloc(n, sizeof(int64_t));
    self->waiting = calloc(n, sizeof(int64_t));
    self->usage = calloc(n, sizeof(double));
    self->until_s = calloc(n, sizeof(double));
    self->watched = calloc(n, sizeof(int32_t));
    self->changed = calloc(n, sizeof(int32_t));
    self->is_changed = calloc(n, 1);
    if (self->unfinished == NULL || self->waiting == NULL || self->usage == NULL || self->until_s == NULL ||
        self->watched == NULL || self->changed == NULL || self->is_changed == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < replicas; i++) {
        self->until_s[i] = INFINITY; /* nothing runs yet */
    }
    return 0;
}

void ms_looks_free(ms_looks *self)
{
    free(self->unfinished);
    free(self->waiting);
    free(self->usage);
    free(self->until_s);
    free(self->watched);
    free(self->changed);
    free(self->is_changed);
    *self = (ms_looks){0};
}

void ms_looks_note(ms_looks *self, int32_t replica)
{
    if (!self->is_changed[replica]) {
        self->is_changed[replica] = 1;
        self->changed[self->n_changed++] = replica;
    }
}

int ms_looks_due(ms_looks *self, double t_s)
{
    if (!(self->delay_s > 0.0) || !(t_s < 0x1p62 * self->delay_s)) {
        return 0;
    }
    int64_t index = (int64_t)(t_s / self->delay_s);
    index += (double)(index + 1) * self->delay_s <= t_s; /* the quotient is rounded */
    index -= (double)index * self->delay_s > t_s;
    if (index <= self->index) {
        return 0;
    }
    self->index = index;
    return 1;
}

int32_t ms_looks_next(ms_looks *self)
{
    if (self->n_changed == 0) {
        return -1;
    }
    const int32_t replica = self->changed[--self->n_changed];
    self->is_changed[replica] = 0;
    return replica;
}
