/* The least of a fixed number of values, each of which changes often, and who has it: of equals, any one by its rank.
 *
 * A tree whose nodes hold the least value below them and how many have it. */
#ifndef MS_TIES_H
#define MS_TIES_H

#include <stdint.h>

#include "eights.h"

typedef struct ms_ties {
    int32_t players;
    ms_eights tree;
    double *values;  /* by node, players first; those beyond the players are infinite */
    int32_t *counts; /* by node: players below it that have its value */
} ms_ties;

int ms_ties_init(ms_ties *self, int32_t players); /* all infinite */
void ms_ties_free(ms_ties *self);
void ms_ties_set(ms_ties *self, int32_t player, double value);

/* Sets all players at once. */
void ms_ties_fill(ms_ties *self, const double *values);

/* The k-th, from 0 on, of the ms_ties_count players that have the least value. */
int32_t ms_ties_pick(const ms_ties *self, int32_t k);

/* How many of them stand before a player. */
int32_t ms_ties_rank(const ms_ties *self, int32_t player);

/* Puts players whose values are below this one into `players`, in order; returns how many. */
int32_t ms_ties_below(const ms_ties *self, double value, int32_t *players);

static inline double ms_ties_least(const ms_ties *self)
{
    return self->values[ms_eights_root(&self->tree)];
}

static inline int32_t ms_ties_count(const ms_ties *self)
{
    return self->counts[ms_eights_root(&self->tree)];
}

#endif
