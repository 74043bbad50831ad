/* What routers see of prefix caches. */
#ifndef MS_CACHED_H
#define MS_CACHED_H

#include <stdint.h>

#include "fleet.h"

/* Tokens of a job's prompt that the replica of its model with the fewest unfinished requests, of several the first, holds at
 * t_s; 0 where none is up. */
int64_t ms_cached_tokens(ms_fleet *fleet, const ms_job *job, double t_s);

#endif
