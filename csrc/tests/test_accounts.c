#include "fleets.h"
#include "players.h"

/* Two replicas with blocks of 4 tokens. */
static void make_two(ms_fleet *fleet)
{
    ms_pool_plan plan = pool_of(0, 2, 4);
    plan.limits.kv_block_tokens = 4;
    make(fleet, 1, &plan, MS_KV_ROUTER);
}

/* Prompts are held in whole blocks; what is to be computed of them is counted in tokens. */
static void a_prompt_is_charged_and_released(void)
{
    ms_fleet fleet;
    make_two(&fleet);
    ms_job a = ms_job_new(0, 0, 6, 5), b = ms_job_new(1, 0, 8, 5);
    ms_accounts_charge(&fleet, &a, 1, 6);
    CHECK(a.charged_to == 1 && fleet.prefill_tokens[1] == 6 && fleet.held_tokens[1] == 8);
    ms_accounts_charge(&fleet, &b, 1, 3);
    CHECK(fleet.prefill_tokens[1] == 9 && fleet.held_tokens[1] == 16);
    CHECK(fleet.prefill_tokens[0] == 0 && fleet.held_tokens[0] == 0);
    ms_accounts_release(&fleet, &a);
    CHECK(fleet.prefill_tokens[1] == 3 && fleet.held_tokens[1] == 8);
    ms_accounts_release(&fleet, &a); /* once */
    CHECK(fleet.prefill_tokens[1] == 3 && fleet.held_tokens[1] == 8);
    ms_accounts_release(&fleet, &b);
    CHECK(fleet.prefill_tokens[1] == 0 && fleet.held_tokens[1] == 0);
    ms_fleet_free(&fleet);
}

/* At a boundary at 5 s. From the last on, as far as who was prefilled before; one that was preempted says nothing
 * of others. */
static void who_has_a_first_token_is_not_prefilled_any_more(void)
{
    ms_fleet fleet;
    make_two(&fleet);
    ms_job jobs_[5], *batch[5];
    const double first_s[] = {2.0, 4.0, 5.0, 3.0, NAN}; /* long ago, overlooked, now, long ago but preempted, not yet */
    for (int i = 0; i < 5; i++) {
        jobs_[i] = ms_job_new(i, 0, 8, 5);
        jobs_[i].first_token_s = first_s[i];
        ms_accounts_charge(&fleet, &jobs_[i], 0, i == 3 ? 0 : 10 + i);
        batch[i] = &jobs_[i];
    }
    jobs_[3].preemptions = 1;
    fleet.replica[0].sequences.jobs = batch;
    fleet.replica[0].sequences.running = 5;
    ms_accounts_settle(&fleet, 0, 5.0);
    CHECK(fleet.prefill_tokens[0] == 14 && fleet.held_tokens[0] == 40);
    CHECK(jobs_[2].charged_prefill_tokens == 0 && jobs_[4].charged_prefill_tokens == 14);
    ms_accounts_charge(&fleet, &jobs_[0], 0, 7); /* behind one that was prefilled before it is not looked for */
    ms_accounts_settle(&fleet, 0, 5.5);
    CHECK(jobs_[0].charged_prefill_tokens == 7 && fleet.prefill_tokens[0] == 21);
    fleet.replica[0].sequences.jobs = NULL;
    fleet.replica[0].sequences.running = 0;
    ms_fleet_free(&fleet);
}

/* A prompt of 100 tokens takes two iterations of 64, the answer two more; the second comes amid the first. */
static void a_replica_keeps_its_account_up(void)
{
    ms_fleet fleet;
    ms_queue done = {0};
    make_two(&fleet);
    jobs[0] = ms_job_new(0, 0, 100, 3);
    jobs[1] = ms_job_new(1, 0, 6, 1);
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED);
    CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 0.5) == MS_PLACED);
    const int32_t at = jobs[0].server;
    CHECK(jobs[1].server == 1 - at && fleet.prefill_tokens[at] == 100 && fleet.held_tokens[1 - at] == 8);
    const int64_t prefill[] = {100, 100, 0, 0}, held[] = {100, 100, 100, 0};
    double t_s = 0.0;
    for (int k = 0; k < 4;) {
        t_s = step(&fleet, &done);
        if (fleet.moments.values[ms_tournament_best(&fleet.moments)] > k + 0.75) { /* all of that second is over */
            CHECK(fleet.prefill_tokens[at] == prefill[k] && fleet.held_tokens[at] == held[k]);
            k++;
        }
    }
    CHECK(fleet.prefill_tokens[1 - at] == 0 && fleet.held_tokens[1 - at] == 0 && t_s >= 3.0);
    ms_fleet_free(&fleet);
}

/* kv_router finds the least of many by an index of their weights: prefill, scaled, and what is held. */
static void the_index_shows_what_accounts_say(void)
{
    ms_pool_plan plan = pool_of(0, 17, 4);
    const ms_dispatch_plan rule = {.rule = MS_KV_ROUTER, .prefill_load_scale = 0.5};
    ms_fleet fleet;
    ms_queue evicted = {0};
    CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
    ms_job job = ms_job_new(0, 0, 10, 5);
    ms_accounts_charge(&fleet, &job, 3, 6);
    CHECK(ms_view_account(&fleet, 3) == 0.5 * 6.0 + 10.0);
    CHECK(value_of(&fleet.servers[0].loads, 3) == 13.0 && value_of(&fleet.servers[0].loads, 4) == 0.0);
    CHECK(ms_ties_count(&fleet.servers[0].loads) == 16);
    ms_fleet_fail(&fleet, 4, 1.0, &evicted);
    CHECK(ms_ties_count(&fleet.servers[0].loads) == 15 && isinf(value_of(&fleet.servers[0].loads, 4)));
    repair(&fleet, 4, 2.0);
    ms_accounts_release(&fleet, &job);
    CHECK(ms_ties_count(&fleet.servers[0].loads) == 17 && ms_ties_least(&fleet.servers[0].loads) == 0.0);
    ms_fleet_free(&fleet);
}

/* Where a job is to decode it counts until it is there, or is wanted no more. */
static void a_promise_is_kept_once(void)
{
    ms_fleet fleet;
    make_two(&fleet);
    ms_job job = ms_job_new(0, 0, 10, 5);
    job.destination = 1;
    job.is_promised = 1;
    fleet.dispatch.decode_first = 1;
    fleet.promised[1] = 2;
    CHECK(ms_view_unfinished(&fleet, 1) == 2);
    ms_accounts_release(&fleet, &job);
    ms_accounts_release(&fleet, &job);
    CHECK(fleet.promised[1] == 1 && !job.is_promised && ms_view_unfinished(&fleet, 1) == 1);
    ms_fleet_free(&fleet);
}

/* A prompt of one token, in blocks of none, of 1 and of 2 tokens. */
static void one_token_is_charged_too(void)
{
    const int32_t blocks[] = {0, 1, 2};
    const int64_t held[] = {1, 1, 2};
    for (int k = 0; k < 3; k++) {
        ms_fleet fleet;
        ms_pool_plan plan = pool_of(0, 2, 4);
        plan.limits.kv_block_tokens = blocks[k];
        make(&fleet, 1, &plan, MS_KV_ROUTER);
        ms_job job = ms_job_new(0, 0, 1, 5), *batch[] = {&job};
        ms_accounts_charge(&fleet, &job, 1, 1);
        CHECK(fleet.prefill_tokens[1] == 1 && fleet.held_tokens[1] == held[k]);
        job.first_token_s = 2.0;
        fleet.replica[1].sequences.jobs = batch;
        fleet.replica[1].sequences.running = 1;
        ms_accounts_settle(&fleet, 1, 2.0);
        CHECK(fleet.prefill_tokens[1] == 0 && fleet.held_tokens[1] == held[k]);
        fleet.replica[1].sequences.jobs = NULL;
        fleet.replica[1].sequences.running = 0;
        ms_accounts_release(&fleet, &job);
        CHECK(fleet.held_tokens[1] == 0);
        ms_fleet_free(&fleet);
    }
}

int main(void)
{
    RUN(a_prompt_is_charged_and_released);
    RUN(who_has_a_first_token_is_not_prefilled_any_more);
    RUN(a_replica_keeps_its_account_up);
    RUN(the_index_shows_what_accounts_say);
    RUN(a_promise_is_kept_once);
    RUN(one_token_is_charged_too);
    return report();
}
