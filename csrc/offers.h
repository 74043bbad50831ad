/* Who takes the head of the queue that the replicas of a pool share.
 *
 * An idle replica does at once. If none is idle, each that another may join looks at the head once: at the first end of an
 * iteration from then on. Only the next of these looks is a moment of the calendar: most heads are taken at the first one, and
 * a pool has many replicas. The fleet tells when a replica has looked, or will not. */
#ifndef MS_OFFERS_H
#define MS_OFFERS_H

#include "fleet_state.h"

/* The first idle replica of a pool; -1: none is. */
int32_t ms_offers_first_idle(const ms_fleet *self, const ms_pool *pool);

/* The head of a pool's queue is new at t_s, and nobody is idle. */
void ms_offers_begin(ms_fleet *self, ms_pool *pool, double t_s);

/* The one who looks next at the head, not before t_s; -1: nobody does, or there is none. */
int32_t ms_offers_next(ms_fleet *self, ms_pool *pool, double t_s);

/* A replica has looked, or is not up any more. Whether the next one's turn has come. */
int ms_offers_looked(ms_fleet *self, int32_t replica);

#endif
