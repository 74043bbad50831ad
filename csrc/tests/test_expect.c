#include "expect.h"

#include <stdlib.h>

#include "fleets.h"

/* A fleet under way, asked for at any time: every replica and job stays as it is, and all are served. */
static void asking_early_changes_nothing(void)
{
    const int32_t sizes[] = {3, 256, 257, 600};
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, sizes[k], 20), api_of(1)};
        const size_t bytes = (size_t)sizes[k] * sizeof(ms_replica);
        const int32_t n = 4 * sizes[k];
        ms_fleet fleet;
        ms_queue done = {0};
        make(&fleet, 2, plans, MS_ROUND_ROBIN);
        ms_replica *before = malloc(bytes);
        ms_job *then = malloc((size_t)n * sizeof *then);
        CHECK(before != NULL && then != NULL);
        for (int32_t i = 0; i < n; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
            jobs[i].owner = i % 2 ? (void *)&fleet : NULL;
        }
        for (int turn = 0; turn < 50; turn++) {
            step(&fleet, &done);
            memcpy(before, fleet.replica, bytes);
            memcpy(then, jobs, (size_t)n * sizeof *then);
            for (int32_t i = 0; i <= sizes[k]; i++) { /* the API too */
                ms_expect_turns(&fleet, i);
                ms_expect_replica(&fleet, i);
            }
            CHECK(memcmp(before, fleet.replica, bytes) == 0 && memcmp(then, jobs, (size_t)n * sizeof *then) == 0);
        }
        CHECK(done.length + run_out(&fleet) == n);
        free(before);
        free(then);
        ms_fleet_free(&fleet);
    }
}

int main(void)
{
    RUN(asking_early_changes_nothing);
    return report();
}
