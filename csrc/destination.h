/* Where a request would go if a router sent it to a model now: what a marginal cost is reckoned by (marginal.h). */
#ifndef MS_DESTINATION_H
#define MS_DESTINATION_H

#include "fleet.h"
#include "marginal.h"

/* By the rule of dispatch, which does not remember that it was asked. Of `least_loaded` without a delay, which evens loads
 * out, and of replicas that share a queue and are all busy, `running` is the mean of the pool, rounded down. Returns 0 or an error. */
int ms_destination_find(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s, ms_destination *destination);

#endif
