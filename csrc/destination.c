#include "destination.h"

#include "dispatch.h"
#include "error.h"
#include "replica.h"

int ms_destination_find(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s, ms_destination *destination)
{
    int32_t pool, replica;
    MS_TRY(ms_dispatch_look(fleet, job, max_waiting, t_s, &pool, &replica));
    *destination = (ms_destination){.pool = pool};
    if (replica >= 0) {
        destination->running = (double)ms_fleet_seen(fleet, replica);
        if (!ms_fleet_is_api(fleet, replica)) {
            destination->cached = (double)ms_replica_cached_tokens(&fleet->replica[replica], job, t_s);
        }
    } else if (pool >= 0) { /* it waits for whoever has a place first */
        const ms_pool *shared = &fleet->pool[pool];
        destination->running = shared->up > 0 ? (double)(shared->unfinished / shared->up)
                                              : (double)shared->plan.limits.max_num_seqs;
    }
    return 0;
}
