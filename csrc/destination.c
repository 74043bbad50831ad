#include "destination.h"

#include "dispatch.h"
#include "error.h"
#include "replica.h"
#include "view.h"

/* The least loaded of replicas, who has no more than the mean of them. */
static int goes_by_load(const ms_fleet *fleet)
{
    return fleet->dispatch.rule == MS_LEAST_LOADED && !(fleet->looks.delay_s > 0.0);
}

/* Unfinished requests a replica of a pool, rounded down; as many as have places where none is up. */
static double mean_of(const ms_pool *pool)
{
    return pool->up > 0 ? (double)(pool->unfinished / pool->up) : (double)pool->plan.limits.max_num_seqs;
}

int ms_destination_find(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s, ms_destination *destination)
{
    int32_t pool, replica;
    MS_TRY(ms_dispatch_look(fleet, job, max_waiting, t_s, &pool, &replica));
    *destination = (ms_destination){.pool = pool};
    if (pool < 0) {
        return 0;
    }
    destination->running = replica >= 0 && !goes_by_load(fleet) ? (double)ms_view_seen(fleet, replica)
                                                                : mean_of(&fleet->pool[pool]);
    if (replica >= 0 && !ms_fleet_is_api(fleet, replica)) {
        ms_replica *server = &fleet->replica[replica];
        destination->cached = (double)ms_replica_cached_tokens(server, job, t_s);
        if (server->sequences.cache.past == NULL) {
            ms_view_stir(fleet, replica); /* what its batch shares is counted */
        }
    }
    return 0;
}
