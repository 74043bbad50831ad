#include "cached.h"

#include "fleets.h"

static const ms_node_of_path path[] = {{1, 9}};

static ms_job with_path(int64_t request, int32_t model)
{
    ms_job job = ms_job_new(request, model, 12, 3);
    job.path = path;
    job.path_length = 1;
    return job;
}

static void make_cached(ms_fleet *fleet)
{
    ms_pool_plan plans[] = {api_of(0), pool_of(0, 3, 4), api_of(1)};
    plans[1].limits.kv_block_tokens = 4;
    plans[1].limits.prefix_cache = 1;
    make(fleet, 3, plans, MS_ROUND_ROBIN);
}

/* Of the replica with the fewest requests, of equals the first; APIs have none. */
static void it_is_what_the_emptiest_replica_has(void)
{
    ms_fleet fleet;
    make_cached(&fleet);
    const ms_job job = with_path(9, 0), other = with_path(9, 1);
    CHECK(ms_cached_tokens(&fleet, &job, 0.0) == 0);
    jobs[0] = with_path(0, 0);
    jobs[1] = with_path(1, 0);
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_CALLS_API); /* its turn comes first */
    CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 0.0) == MS_PLACED && jobs[1].server == 1);
    CHECK(run_out(&fleet) == 1);
    CHECK(ms_cached_tokens(&fleet, &job, 50.0) == 8 && ms_cached_tokens(&fleet, &other, 50.0) == 0);
    fleet.promised[1] = 1;
    CHECK(ms_cached_tokens(&fleet, &job, 50.0) == 0); /* the second has nothing */
    fleet.promised[2] = fleet.promised[3] = 1;
    CHECK(ms_cached_tokens(&fleet, &job, 50.0) == 8);
    fleet.promised[3] = 0;
    CHECK(ms_cached_tokens(&fleet, &job, 50.0) == 0);
    fleet.promised[1] = fleet.promised[2] = 0;
    ms_queue evicted = {0};
    ms_fleet_fail(&fleet, 2, 50.0, &evicted);
    ms_fleet_fail(&fleet, 3, 50.0, &evicted);
    CHECK(ms_cached_tokens(&fleet, &job, 50.0) == 8);
    ms_fleet_fail(&fleet, 1, 50.0, &evicted);
    CHECK(ms_cached_tokens(&fleet, &job, 50.0) == 0);
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(it_is_what_the_emptiest_replica_has);
    return report();
}
