/* When a pool changes its size: the rules of autoscalers, one a file, and what they have in common.
 *
 * Every `period_s` a rule looks at its pool and says how many replicas it wants; that is never less than `least`, nor
 * than the schedule of the day says, nor more than there are in the pool. To zero it goes only when nothing was unfinished
 * at any look for `zero_after_s`, and from zero as soon as something is. */
#ifndef MS_AUTOSCALE_H
#define MS_AUTOSCALE_H

#include "autoscale_plan.h"

int ms_autoscale_init(ms_autoscaler *self, const ms_autoscale_plan *plan);
void ms_autoscale_free(ms_autoscaler *self);

/* Replicas that are wanted, at most `most`. */
int32_t ms_autoscale_wanted(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look,
                            int32_t most);

/* The fewest replicas that a pool may have at t_s. */
int32_t ms_autoscale_least(const ms_autoscale_plan *plan, double t_s);

/* Whether its last replica may go: it had nothing to do for long enough. */
int ms_autoscale_may_end(const ms_autoscaler *self, const ms_autoscale_plan *plan, double t_s);

/* How long the k-th start of a pool's replica takes. */
double ms_autoscale_cold_start_s(const ms_autoscale_plan *plan, int64_t k, int32_t replica);

#endif
