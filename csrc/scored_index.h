/* The best of many by the rule `scored`, without looking at all of them. */
#ifndef MS_SCORED_INDEX_H
#define MS_SCORED_INDEX_H

#include "dispatch_rules.h"

/* Whether there is an index for a choice. */
static inline int ms_scored_index_is_kept(const ms_choice *self)
{
    const ms_fleet *fleet = self->fleet;
    const ms_servers *servers = self->servers;
    const int is_kept = ms_servers_stand(servers) || ms_weights_rank(&fleet->dispatch.weights, fleet->looks.delay_s > 0.0);
    return is_kept && ms_choice_is_of_all(self) && servers->replicas > MS_SCAN_MOST;
}

/* The best of all that are up, the n in `matches` having been sent some of the `total` blocks of the prompt; -1: the index
 * does not tell, all are to be looked at. */
int32_t ms_scored_index_best(const ms_choice *self, int32_t n, int64_t total);

#endif
