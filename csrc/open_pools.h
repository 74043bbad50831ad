/* Which pools of a model with many APIs let a call in: each is asked again only where that is not known.
 *
 * A bucket fills up until it is taken from (api_limits.h), and calls under way become fewer until another is made. So an API
 * that would let in so many tokens does so until the next call, or until it fails. Of each that number is kept as it was when
 * last asked, and the least of them in a tree: where a call has no more, all are open to it. */
#ifndef MS_OPEN_POOLS_H
#define MS_OPEN_POOLS_H

#include "fleet_state.h"

/* Of groups with more pools than looking at all is worth, some of them APIs. Nothing is known yet. */
int ms_open_pools_init(const ms_fleet *fleet, ms_servers *servers);

/* Whether it is kept, and tells of such a call: pools of one's own that admit no more than so many are not looked at here. */
static inline int ms_open_pools_know(const ms_servers *self, int64_t max_waiting)
{
    return self->open_to.values != NULL && (max_waiting < 0 || self->own_pools == 0);
}

/* An API of a pool was called at t_s, or fails. */
void ms_open_pools_note(ms_fleet *fleet, const ms_pool *pool, double t_s);

/* Asks those that may be closed to a call of so many tokens, none too long for any pool; returns whether all are open.
 * Afterwards ms_open_pools_takes tells of each. */
int ms_open_pools_ask(ms_fleet *fleet, ms_servers *servers, int64_t tokens, double t_s);

static inline int ms_open_pools_takes(const ms_servers *self, const ms_pool *pool, int64_t tokens)
{
    return (double)tokens <= self->open_to.values[pool->rank];
}

#endif
