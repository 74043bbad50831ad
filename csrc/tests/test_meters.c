#include "fleets.h"

static void time_is_busy_idle_or_down(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 2), pool_of(1, 3, 2)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    jobs[0] = ms_job_new(0, 0, 4, 3);
    ms_dispatch_place(&fleet, &jobs[0], -1, 10.0);
    CHECK(run_out(&fleet) == 1);
    CHECK(ms_meters_busy_s(&fleet, 0, 20.0) == 3.0 && ms_meters_idle_s(&fleet, 0, 20.0) == 17.0);
    ms_fleet_fail(&fleet, 0, 20.0, &evicted);
    CHECK(ms_meters_idle_s(&fleet, 0, 25.0) == 17.0);
    repair(&fleet, 0, 30.0);
    CHECK(ms_meters_idle_s(&fleet, 0, 35.0) == 22.0);
    CHECK(ms_meters_iterations_j(&fleet, 0, 35.0) == jobs[0].energy_j && jobs[0].energy_j == 6.0 + 2.0 * 3.0);
    CHECK(ms_meters_energy_j(&fleet, 0, 35.0) == jobs[0].energy_j + 3.0 * 22.0);
    CHECK(ms_meters_busy_s(&fleet, 1, 35.0) == 0.0 && ms_meters_idle_s(&fleet, 1, 35.0) == 105.0);
    CHECK(ms_meters_energy_j(&fleet, 1, 35.0) == 315.0 && ms_meters_iterations_j(&fleet, 1, 35.0) == 0.0);
    ms_fleet_fail(&fleet, 0, 40.0, &evicted);
    repair(&fleet, 0, 42.0);
    CHECK(fleet.down_s[0] == 12.0 && ms_meters_idle_s(&fleet, 0, 45.0) == 30.0);
    ms_fleet_free(&fleet);
}

/* Three replicas: one is off from 2 s on, one loads since 3 s after it was off for 2 s, one drains: only the first
 * is away. */
static void what_is_off_is_not_rented(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 3, 2), api_of(1)};
    ms_fleet fleet;
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    const int8_t phases[] = {MS_OFF, MS_LOADING, MS_DRAINING};
    for (int i = 0; i < 3; i++) {
        fleet.phase[i] = phases[i];
        fleet.failures[i] = 1;
        fleet.down_since_s[i] = 2.0;
    }
    fleet.down_s[1] = 2.0;
    CHECK(ms_meters_rented_s(&fleet, 0, 10.0) == 2.0 + 8.0 + 10.0);
    CHECK(ms_meters_idle_s(&fleet, 0, 10.0) == 20.0 && ms_meters_energy_j(&fleet, 0, 10.0) == 3.0 * 20.0);
    CHECK(ms_meters_rented_s(&fleet, 1, 10.0) == 0.0 && ms_meters_idle_s(&fleet, 1, 10.0) == 0.0);
    fleet.down_s[1] = 12.0; /* rounding may not make idle time negative */
    CHECK(ms_meters_idle_s(&fleet, 0, 10.0) == 12.0);
    ms_fleet_free(&fleet);
}

/* Amid iterations busy time and energy are those so far: 2.5 of three seconds, of which the first drew 2 + 4 J. */
static void meters_are_read_amid_iterations(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 2)};
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 1, plans, MS_LEAST_LOADED);
    CHECK(ms_meters_energy_j(&fleet, 0, 0.5) == 3.0 && ms_meters_energy_j(&fleet, 0, 1.0) == 6.0); /* while both are idle */
    CHECK(place(&fleet, 0, 0, -1, 1.0) == MS_PLACED);
    for (int k = 0; k < 3; k++) {
        step(&fleet, &done); /* starts, ends its prompt and goes on */
        if (k == 0) { /* what works is read anew each time */
            CHECK(ms_meters_energy_j(&fleet, 0, 1.25) == 6.0 + 0.25 * 6.0 + 0.25 * 3.0);
            CHECK(ms_meters_energy_j(&fleet, 0, 1.5) == 6.0 + 0.5 * 6.0 + 0.5 * 3.0);
        }
    }
    CHECK(ms_meters_busy_s(&fleet, 0, 3.5) == 2.5 && ms_meters_idle_s(&fleet, 0, 3.5) == 4.5);
    CHECK(ms_meters_iterations_j(&fleet, 0, 3.5) == 6.0 + 1.5 * 3.0);
    CHECK(ms_meters_energy_j(&fleet, 0, 3.5) == 6.0 + 1.5 * 3.0 + 3.0 * 4.5);
    run_out(&fleet);
    const double used_j = ms_meters_energy_j(&fleet, 0, 100.0);
    CHECK(used_j == jobs[0].energy_j + 3.0 * (200.0 - ms_meters_busy_s(&fleet, 0, 100.0)));
    CHECK(ms_meters_energy_j(&fleet, 0, 101.0) == used_j + 6.0);
    ms_fleet_free(&fleet);
}

/* Tokens of prompts are those of replicas with a prefix cache alone. */
static void tokens_of_prompts_add_up_over_replicas(void)
{
    ms_pool_plan plans[] = {pool_of(0, 2, 2), pool_of(1, 2, 2), api_of(2)};
    plans[0].limits.prefix_cache = plans[2].limits.prefix_cache = 1;
    ms_fleet fleet;
    make(&fleet, 3, plans, MS_LEAST_LOADED);
    for (int i = 0; i < 4; i++) {
        fleet.replica[i].sequences.prompt_tokens = 10 + i;
        fleet.replica[i].sequences.cached_prompt_tokens = 1 + i;
    }
    int64_t cached[3] = {-1, -1, -1};
    CHECK(ms_meters_prompt_tokens(&fleet, 0, &cached[0]) == 21 && cached[0] == 3);
    CHECK(ms_meters_energy_j(&fleet, 0, 0.0) == 0.0); /* which reads what idle replicas have used once and for all */
    CHECK(ms_meters_prompt_tokens(&fleet, 0, &cached[0]) == 21 && cached[0] == 3);
    CHECK(ms_meters_prompt_tokens(&fleet, 1, &cached[1]) == 0 && cached[1] == 0);
    CHECK(ms_meters_prompt_tokens(&fleet, 2, &cached[2]) == 0 && cached[2] == 0);
    ms_fleet_free(&fleet);
}

/* Of two replicas one works, 6 J/s while it computes the prompt of 4 tokens, and the other idles at 3 W. */
static void whoever_works_is_read_anew(void)
{
    for (int32_t who = 0; who < 2; who++) {
        ms_pool_plan plan = pool_of(0, 2, 2);
        ms_fleet fleet;
        ms_queue done = {0};
        int64_t cached;
        plan.limits.prefix_cache = 1;
        make(&fleet, 1, &plan, MS_LEAST_LOADED);
        CHECK(ms_meters_energy_j(&fleet, 0, 0.0) == 0.0);
        jobs[0] = ms_job_new(0, 0, 4, 3);
        ms_queue_push_tail(&fleet.replica[who].own_queue, &jobs[0]);
        ms_fleet_act(&fleet, who, ms_replica_notify(&fleet.replica[who], 0.0), 0.0);
        step(&fleet, &done);
        CHECK(ms_meters_energy_j(&fleet, 0, 0.25) == 0.25 * 9.0 && ms_meters_energy_j(&fleet, 0, 0.5) == 0.5 * 9.0);
        CHECK(ms_meters_prompt_tokens(&fleet, 0, &cached) == 4 && cached == 0);
        fleet.replica[1 - who].sequences.prompt_tokens = 77; /* which it had not as it was read */
        CHECK(ms_meters_prompt_tokens(&fleet, 0, &cached) == 4);
        ms_fleet_free(&fleet);
    }
}

/* Requests in progress for each place of the model's replicas, its APIs' places among them. */
static void the_load_of_a_model_is_that_of_its_pools(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 2, 4), pool_of(1, 3, 2), pool_of(2, 1, 1), api_of(1)};
    ms_fleet fleet;
    make(&fleet, 4, plans, MS_ROUND_ROBIN);
    for (int32_t i = 0; i < 6; i++) {
        CHECK(place(&fleet, i, i < 4, -1, 0.0) >= 0);
    }
    CHECK(ms_meters_load(&fleet, 0) == 2.0 / 8.0 && ms_meters_load(&fleet, 1) == 4.0 / 16.0 && ms_meters_load(&fleet, 2) == 0.0);
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(time_is_busy_idle_or_down);
    RUN(what_is_off_is_not_rented);
    RUN(meters_are_read_amid_iterations);
    RUN(tokens_of_prompts_add_up_over_replicas);
    RUN(whoever_works_is_read_anew);
    RUN(the_load_of_a_model_is_that_of_its_pools);
    return report();
}
