/* Replicas that come and go: those of a pool that an autoscaler changes.
 *
 * A replica is off, loads, is ready, or drains: it takes no more, and is off when its last request has left. While it loads it
 * draws idle power and is paid for, and serves nothing. Off, it costs nothing, and its cache is empty. Each of the three
 * counts as a cause that keeps it from taking requests (fleet.h, `failures`). */
#ifndef MS_SCALING_H
#define MS_SCALING_H

#include "run.h"

/* When a run begins: those of autoscaled pools that are not up are off, and the first decisions are due. */
int ms_scaling_begin(ms_run *run);

/* The errands: an autoscaler decides for its pool, and a replica has loaded. */
int ms_scaling_decide(ms_run *run, int32_t pool);
int ms_scaling_loaded(ms_run *run, int32_t replica);

/* Replicas that have drained are off. */
void ms_scaling_settle(ms_run *run);

#endif
