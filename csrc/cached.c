#include "cached.h"

#include "replica.h"

int64_t ms_cached_tokens(ms_fleet *fleet, const ms_job *job, double t_s)
{
    const ms_servers *servers = &fleet->servers[job->model];
    int32_t best = -1;
    for (int32_t k = 0; k < servers->up; k++) {
        const int32_t i = servers->up_replica[k];
        if (!fleet->pool[fleet->pool_of[i]].plan.is_api &&
            (best < 0 || ms_fleet_unfinished(fleet, i) < ms_fleet_unfinished(fleet, best))) {
            best = i;
        }
    }
    return best < 0 ? 0 : ms_replica_cached_tokens(&fleet->replica[best], job, t_s);
}
