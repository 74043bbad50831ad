/* Who takes the head of the queue that the replicas of a pool share.
 *
 * An idle replica does at once. If none is idle, each that another may join looks at the head once: at the first end of an
 * iteration from then on, though another may have taken it, or nobody may wait any more, by then. Only the next of these looks is
 * a moment of the calendar: most heads are taken at the first one, and a pool has many replicas. Of a head that several have
 * refused, as they do whose memory is short, all looks are. The fleet tells when a replica has looked, or will not. */
#ifndef MS_OFFERS_H
#define MS_OFFERS_H

#include "fleet_state.h"

/* The first idle replica of a pool; -1: none is. */
int32_t ms_offers_first_idle(const ms_fleet *self, const ms_pool *pool);

/* The head of a pool's queue is new at t_s, and nobody is idle. */
void ms_offers_begin(ms_fleet *self, ms_pool *pool, double t_s);

/* The one who looks next at the head, not before t_s; -1: nobody does, or there is none. */
int32_t ms_offers_next(ms_fleet *self, ms_pool *pool, double t_s);

/* A replica has looked and goes on without the head, or is not up any more. Who looks next, if its turn has come; -1: nobody. */
int32_t ms_offers_looked(ms_fleet *self, int32_t replica, double t_s);

/* Who looks, too, after `replica`, at a head that several have refused; -1: nobody. */
int32_t ms_offers_too(const ms_fleet *self, int32_t replica, double t_s);

/* A replica starts at t_s with other sequences than before: its look is over, and so are those at this instant of the replicas
 * before it, who start in the order of their numbers. */
void ms_offers_start(ms_fleet *self, int32_t replica, double t_s);

#endif
