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

/* Of each part of the tree somebody was asked for: who wins it, unless that is nobody. */
static void who_is_next_in_each_part_was_asked_for(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 600, 20), api_of(1)};
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 2, plans, MS_ROUND_ROBIN);
    for (int32_t i = 0; i < 600; i++) {
        CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED);
    }
    for (int turn = 0; turn < 500; turn++) {
        step(&fleet, &done);
        for (int32_t i = 0; i < 600; i++) {
            const ms_expected *expected = &fleet.expected;
            CHECK(expected->asked[i >> 3 * expected->far] == ms_tournament_winner(&fleet.moments, i, expected->far));
            CHECK(expected->asked_near[i >> 3 * expected->near] == ms_tournament_winner(&fleet.moments, i, expected->near));
        }
    }
    CHECK(fleet.expected.count > 500 && done.length + run_out(&fleet) == 600);
    ms_fleet_free(&fleet);
}

/* Whatever its size, a fleet has no more parts than there is room for. */
static void parts_are_bounded(void)
{
    for (int32_t replicas = 1; replicas <= 100000; replicas += replicas < 5000 ? 7 : 997) {
        ms_tournament moments = {.players = replicas, .tree = ms_eights_of(replicas)};
        ms_expected expected;
        ms_expect_init(&expected, &moments);
        CHECK(1 <= expected.far && expected.far <= expected.near && expected.near <= expected.far + 1);
        CHECK(expected.near <= moments.tree.top && (replicas - 1) >> 3 * expected.far < MS_EXPECTED_PARTS);
    }
}

int main(void)
{
    RUN(asking_early_changes_nothing);
    RUN(who_is_next_in_each_part_was_asked_for);
    RUN(parts_are_bounded);
    return report();
}
