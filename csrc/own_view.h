/* What a rule of the user's own is shown of many replicas: kept between two choices, as most of it stays as it was. */
#ifndef MS_OWN_VIEW_H
#define MS_OWN_VIEW_H

#include <stdint.h>

#include "dispatch_plan.h"

/* Columns of those that are up, in order. */
typedef struct ms_own_view {
    double *numbers; /* and so are the others, one after another in its memory; NULL: nothing is kept */
    double *loads;
    double *waiting;
    double *usage;
    double *cached;  /* 0 between two choices */
    int32_t *at;     /* [replicas] by place: which of them it is; -1: it is not up */
    int32_t is_known;        /* who is up has not changed since, so that numbers and loads hold, */
    int32_t engines_known;   /* nor has there been a look since, so that waiting and usage do */
} ms_own_view;

/* Of so many replicas. Returns 0 or an error. */
int ms_own_view_init(ms_own_view *self, int32_t replicas);
void ms_own_view_free(ms_own_view *self);

/* Columns one after another, each of so many numbers. */
void ms_own_view_lay(ms_own_view *self, double *memory, int32_t room);

/* The load of the replica at a place has changed. */
static inline void ms_own_view_show(ms_own_view *self, int32_t place, double load)
{
    if (self->is_known && self->at[place] >= 0) {
        self->loads[self->at[place]] = load;
    }
}

#endif
