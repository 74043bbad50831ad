#include "loops.h"

#include "copies.h"
#include "error.h"

/* The replica fails at 2.5 s, in its third iteration: the API answers, and what was drawn is paid at once. */
static void an_api_takes_over_from_a_replica_that_fails(void)
{
    for (int usd = 0; usd < 2; usd++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[3] = {pool_of(0, 1), api(0)};
        config.in_usd = usd;
        ask(1, 1.0, 4, 5);
        serve(&loop, &config, 2, plans, MS_LEAST_LOADED);
        break_down(&loop, 0, 2.5, 50.0);
        CHECK(ms_loop_begin(&loop) == 0);
        ms_loop_turn_page(&loop, &sheets[0].page);
        CHECK(ms_loop_run(&loop, 1) == MS_LOOP_PAUSED); /* it is routed */
        ms_loop_no_more(&loop);
        while (loop.paid_j == 0.0) {
            CHECK(ms_loop_run(&loop, 1) == MS_LOOP_PAUSED);
        }
        CHECK(loop.now_s == 2.5);
        CHECK(loop.paid_j == 6.0 + 3.0 + 1.5); /* before the answer is there */
        CHECK(ms_loop_run(&loop, 1000) == MS_LOOP_OVER);
        const sheet *s = &sheets[0];
        CHECK(s->status[0] == MS_COMPLETED && s->replica[0] == 1);
        CHECK(s->start[0] == 0.0 && s->first_token[0] == 1.0 && s->finish[0] == 2.5 + 0.5 + 4 * 0.25);
        CHECK(s->energy[0] == 10.5 && s->exploration[0] == 0.0); /* the user's answer, though a replica failed */
        CHECK_NEAR(s->cost[0], usd ? 5.0 + 2.5 * 0.01 : 10.5, 1e-12);
        CHECK(loop.fleet.pool[0].unfinished == 0 && loop.fleet.pool[1].unfinished == 0);
        ms_run_free(&loop);
    }
}

/* Its second model fails, or turns it away: what the first has cost stays, and is no answer. */
static void a_chain_may_end_without_an_answer(void)
{
    for (int c = 0; c < 2; c++) {
        ms_run loop;
        ms_run_config config = plain;
        const ms_pool_plan plans[2] = {pool_of(0, 1), api(1)};
        config.lose_on_failure = 1;
        ask(1, 1.0, 4, 2);
        plans_are(MS_PLAN_CHAIN | 0, 0, 0, 0);
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
              streams) == 0);
        loop.instances.brain[0].policy = lists;
        break_down(&loop, 1, c ? 1.0 : 2.25, 50.0);
        go(&loop, 1);
        const sheet *s = &sheets[0];
        CHECK(s->status[0] == (c ? MS_REJECTED : MS_LOST) && s->model[0] == 1);
        CHECK(s->start[0] == 0.0 && s->energy[0] == 9.0 && s->exploration[0] == 9.0);
        CHECK(loop.instances.delivered[s->tenant[0]].rated == 0);
        CHECK(loop.instances.brain[0].tracked[s->tenant[0]].rated == 0);
        ms_run_free(&loop);
    }
}

/* Forty requests, one every `gap_s`, each a chain from model 0 on, with servers or none: all are completed. */
static const sheet *chains(ms_run *loop, double gap_s, int servers)
{
    fill(&sheets[0], 0, 40, gap_s);
    plans_are(MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0, MS_PLAN_CHAIN | 0);
    make(loop, &plain, servers, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(loop) == 0);
    CHECK(run(loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(check_records(&sheets[0], MS_COMPLETED) == 40);
    return &sheets[0];
}

static void a_chain_is_charged_for_what_came_before(void)
{
    ms_run loop;
    const sheet *s = chains(&loop, 50.0, 0);
    for (int64_t i = 0; i < 40; i++) {
        const int both = i % 2 == 0;
        CHECK(s->model[i] == both && s->explored[i] == 0);
        CHECK(s->exploration[i] == (both ? s->known[i] : 0.0));
        CHECK(s->cost[i] == s->known[i] + (both ? s->known[40 + i] : 0.0));
    }
    CHECK(loop.instances.delivered[0].rated + loop.instances.delivered[1].rated == 40); /* one label each */
    ms_run_free(&loop);
}

/* A chain starts with its first model, and its answer is the last one's. */
static void a_chain_on_servers_keeps_its_first_start(void)
{
    ms_run loop;
    const sheet *s = chains(&loop, 100.0, 1); /* nobody waits for anybody */
    for (int64_t i = 0; i < 40; i++) {
        const int both = i % 2 == 0;
        const double prefill_s = s->prompt[i] > 16 ? 2.0 : 1.0; /* chunks of 16 tokens */
        const double first_s = both ? prefill_s + s->outputs[i] - 1 : 0.0;
        CHECK(s->start[i] == s->arrival[i] && s->replica[i] == (both ? 2 : 0));
        CHECK(s->first_token[i] == s->arrival[i] + first_s + prefill_s);
        CHECK(s->finish[i] == s->first_token[i] + s->tokens[i] - 1);
    }
    ms_run_free(&loop);
}

static void run_into(int64_t bad_plan, int error, int servers)
{
    ms_run loop;
    fill(&sheets[0], 0, 20, 1.0);
    plans_are(0, 1, bad_plan, 0);
    make(&loop, &plain, servers, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.finish = NULL;
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000) == error);
    CHECK(loop.error_request == 2 && loop.error_plan == bad_plan);
    ms_run_free(&loop);
}

static void an_illegal_plan_is_an_error(void)
{
    for (int servers = 0; servers < 2; servers++) {
        run_into(MODELS, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_MODEL, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_ALL | MS_PLAN_EXPLORE, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_CHAIN | MS_PLAN_EXPLORE | 1, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_EXPLORE | MODELS, MS_ERR_PLAN, servers);
        run_into(MS_PLAN_CHAIN, MS_ERR_PLAN, servers); /* it makes no chains */
        run_into(1 << 23, MS_ERR_PLAN, servers);
        run_into(-1, MS_ERR_POLICY, servers);
        run_into(-1000, MS_ERR_POLICY, servers);
    }
}

static void a_chain_that_names_no_model_is_an_error(void)
{
    const double wrong[] = {MODELS + 1, -1, 77};
    for (int k = 0; k < 6; k++) {
        ms_run loop;
        fill(&sheets[0], k / 2, 20, 1.0);
        plans_are(MS_PLAN_CHAIN, MS_PLAN_CHAIN, 1, 1);
        params[7] = wrong[k % 3];
        make(&loop, &plain, k / 3, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_NEXT);
        CHECK(loop.error_request == 5 && loop.error_plan == (int64_t)wrong[k % 3]);
        ms_run_free(&loop);
    }
}

static int64_t asked;

static int64_t never_content(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                             const double *scores, const double *costs, const double *facts, const double *uniforms,
                             const double *params_, double *state)
{
    (void)request, (void)tenant, (void)models, (void)scores, (void)costs, (void)facts, (void)uniforms, (void)params_;
    (void)state;
    asked = stage + 1;
    return 1 - model;
}

static void a_chain_without_an_end_is_an_error(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    plans_are(MS_PLAN_CHAIN, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.finish = never_content;
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 1, 1000000) == MS_ERR_CHAIN);
    CHECK(asked == MS_CHAIN_MOST && loop.error_request == 0);
    ms_run_free(&loop);
}

/* What its policy was told of the request at the start, though others came since. */
static int64_t ends_with_what_it_knew(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                                      const double *scores, const double *costs, const double *facts,
                                      const double *uniforms, const double *params_, double *state)
{
    (void)scores, (void)params_, (void)state;
    const sheet *s = &sheets[0];
    CHECK(tenant == s->tenant[request] && memcmp(uniforms, &s->uniforms[UNIFORMS * request], UNIFORMS * sizeof *uniforms) == 0);
    for (int64_t m = 0; m < models; m++) {
        CHECK(costs[m] == s->known[m * s->page.n + request] && facts[m] == 10.0 * (double)request + (double)m);
    }
    asked++;
    return stage == 0 ? 1 - model : models;
}

static void a_chain_is_told_what_was_known_at_its_start(void)
{
    static double facts[MODELS * REQUESTS_MOST];
    ms_run loop;
    fill(&sheets[0], 0, 20, 0.25);
    for (int i = 0; i < 40; i++) {
        facts[i] = 10.0 * (i % 20) + i / 20;
    }
    sheets[0].page.view.facts = facts;
    plans_are(MS_PLAN_CHAIN, MS_PLAN_CHAIN, MS_PLAN_CHAIN | 1, MS_PLAN_CHAIN | 1);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.finish = ends_with_what_it_knew;
    asked = 0;
    go(&loop, 1);
    CHECK(asked == 40 && check_records(&sheets[0], MS_COMPLETED) == 20);
    ms_run_free(&loop);
}

static void a_pool_passes_over_what_it_cannot_take(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 20, 5.0);
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.fleet.pool[0].plan.most_tokens = loop.fleet.servers[0].all_take = 20;
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    for (int i = 0; i < 20; i++) {
        const int fits = sheets[0].prompt[i] + sheets[0].outputs[i] <= 20;
        CHECK(sheets[0].status[i] == (fits ? MS_COMPLETED : MS_REJECTED));
    }
    ms_run_free(&loop);
}

/* ---- what a copy costs ------------------------------------------------------------------------------------------ */

/* Of 1,000 prompt tokens 3 USD a million, of 512 that the provider remembers 1, of 10 tokens of the answer 15;
 * twice that for this request. A replica is paid by the time of its shares: 10 iterations of a second. */
static void each_kind_of_server_has_its_price(void)
{
    static ms_node_of_path path[] = {{1, 600}, {1, 600}};
    static const int64_t path_start[] = {0, 1, 2};
    static const double factors[] = {1.0, 2.0, 5.0, 5.0};
    for (int is_api = 0; is_api < 2; is_api++) {
        for (int usd = 0; usd < 2; usd++) {
            ms_run loop;
            ms_run_config config = plain;
            ms_pool_plan plans[2] = {is_api ? api(0) : pool_of(0, 1)};
            config.in_usd = usd;
            plans[0].usd_per_million_prompt_tokens = 3.0;
            plans[0].usd_per_million_cached_prompt_tokens = 1.0;
            plans[0].usd_per_million_output_tokens = 15.0;
            plans[0].prompt_cache = (ms_prompt_cache_plan){.keep_s = 0.5, .least_tokens = 256, .step_tokens = 128};
            plans[0].limits.kv_capacity_tokens = 2000;
            plans[0].limits.max_batched_tokens = 1000;
            ask(2, is_api ? 0.25 : 100.0, 1000, 10);
            sheets[0].page.price_factor = factors;
            sheets[0].page.path = path;
            sheets[0].page.path_start = path_start;
            serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
            begin(&loop);
            end(&loop);
            const sheet *s = &sheets[0];
            const double api_usd[] = {(3000.0 + 150.0) / 1e6, 2.0 * (488.0 * 3.0 + 512.0 + 150.0) / 1e6};
            const double energy_j = is_api ? 0.0 : 2.0 + 1000.0 - 2.0 + 9.0 * 3.0; /* the cap is 1,000 W */
            for (int i = 0; i < 2; i++) {
                CHECK_NEAR(s->energy[i], energy_j, 1e-9);
                CHECK_NEAR(s->cost[i], usd ? (is_api ? api_usd[i] : 0.1) : energy_j, 1e-12);
                CHECK(s->cached_prompt[i] == (is_api && i == 1 ? 512 : 0));
            }
            ms_run_free(&loop);
        }
    }
}

/* An API that remembers nothing sells nothing cheaper, whatever a replica had found. */
static void who_keeps_nothing_sells_nothing_cheaper(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[3] = {pool_of(0, 1), api(0)};
    plans[0].limits.prefix_cache = 1;
    plans[0].limits.kv_block_tokens = 2;
    plans[1].usd_per_million_prompt_tokens = 1e6;
    plans[1].usd_per_million_output_tokens = 0.0;
    plans[1].usd_per_million_cached_prompt_tokens = 0.0;
    config.in_usd = 1;
    static ms_node_of_path path[] = {{1, 8}, {1, 8}};
    static const int64_t path_start[] = {0, 1, 2};
    ask(2, 10.0, 10, 3);
    sheets[0].page.path = path;
    sheets[0].page.path_start = path_start;
    serve(&loop, &config, 2, plans, MS_LEAST_LOADED);
    break_down(&loop, 0, 10.5, 50.0);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].replica[1] == 1 && sheets[0].cached_prompt[1] == 8);
    CHECK_NEAR(sheets[0].cost[1], 10.0 + 0.5 * 0.01, 1e-12);
    ms_run_free(&loop);
}

/* From a replica of one price to one of another, as the first fails at 2.5 s; a pool of two of the other model stands before
 * theirs. */
static void what_was_used_before_a_failure_keeps_its_price(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[4] = {pool_of(1, 2), pool_of(0, 1), pool_of(0, 1)};
    plans[2].usd_per_s = 1.0;
    config.in_usd = 1;
    ask(1, 1.0, 4, 4);
    serve(&loop, &config, 3, plans, MS_LEAST_LOADED);
    break_down(&loop, 2, 2.5, 50.0);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].replica[0] == 3 && sheets[0].start[0] == 0.0 && sheets[0].finish[0] == 6.5);
    CHECK_NEAR(sheets[0].cost[0], 2.5 * 0.01 + 4.0 * 1.0, 1e-12);
    CHECK(sheets[0].energy[0] == 6.0 + 3.0 + 1.5 + 6.0 + 9.0);
    ms_run_free(&loop);
}

/* ---- what a copy is made of ------------------------------------------------------------------------------------ */

/* The job of a request that was just placed, of one model. */
static const ms_job *job_of(const ms_run *loop, int32_t model)
{
    const ms_job *job = loop->newest->jobs;
    while (job->model != model) {
        job = job->sibling;
    }
    return job;
}

/* The answer that the user sees goes on in the last node, where prompts grow; not that of others, nor of a chain. */
static void a_copy_knows_what_its_prompt_is_made_of(void)
{
    static ms_node_of_path path[] = {{7, 1}, {1, 5}, {2, 9}};
    static const int64_t path_start[] = {0, 1, 3}, session[] = {40, 41};
    static const int32_t new_tokens[] = {0, 0};
    static int32_t none[] = {-1, -1};
    const int64_t plans[] = {0, MS_PLAN_ALL, MS_PLAN_CHAIN | 0};
    for (int k = 0; k < 6; k++) {
        ms_run loop;
        ask(2, 1.0, 12, 3);
        plans_are(plans[k % 3], plans[k % 3], 0, 0);
        sheets[0].page.path = path;
        sheets[0].page.path_start = path_start;
        sheets[0].page.turns = (ms_page_turns){
            .session = session, .new_tokens = k / 3 ? new_tokens : NULL, .first_child = none, .next_child = none};
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        begin(&loop);
        run_until(&loop, 1.0);
        const ms_job *job = job_of(&loop, 0);
        CHECK(job->request == 1 && job->session == 41 && job->path == path + 1 && job->path_length == 2);
        CHECK(job->prompt_tokens == 12 && job->output_tokens == 3 && job->attempt == 0 && job->owner == loop.newest);
        CHECK(job->answer_node == (k == 3 ? 2 : -1));
        if (k % 3 == 1) {
            CHECK(job_of(&loop, 1)->answer_node == (k == 4 ? 2 : -1));
        }
        end(&loop);
        ms_run_free(&loop);
    }
}

/* From its arrival on, however late it is decided. */
static void a_copy_is_as_urgent_as_its_tenant(void)
{
    const int32_t priority[] = {3, 5};
    const double objective_s[] = {2.0, 4.0};
    for (int is_ordered = 0; is_ordered < 2; is_ordered++) {
        ms_run loop;
        ms_run_config config = plain;
        config.decision = seconds(0.25);
        ask(1, 1.0, 12, 3);
        sheets[0].arrival_in[0] = 1.5;
        sheets[0].tenant[0] = 1;
        make(&loop, &config, 1, MS_LEAST_LOADED);
        loop.priority = is_ordered ? priority : NULL;
        loop.ttft_objective_s = objective_s;
        begin(&loop);
        run_until(&loop, 1.75);
        const ms_job *job = job_of(&loop, 0);
        CHECK(job->priority == (is_ordered ? 5 : 0) && job->arrival_s == (is_ordered ? 1.5 : 0.0));
        CHECK(is_ordered ? job->deadline_s == 5.5 : 1);
        end(&loop);
        ms_run_free(&loop);
    }
}

/* A copy of each model that can be had; who is turned away by one of them has the answer of the other. */
static void all_models_are_asked_that_can_be_had(void)
{
    for (int full = 0; full < 2; full++) {
        ms_run loop;
        ms_run_config config = plain;
        config.max_waiting = 0;
        config.feedback_probability = 1.0;
        ask(1, 1.0, 4, 3);
        plans_are(MS_PLAN_ALL, 0, 0, 0);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        loop.fleet.pool[full].plan.limits.max_num_seqs = 0; /* no room */
        begin(&loop);
        end(&loop);
        const sheet *s = &sheets[0];
        CHECK(s->status[0] == (full == 0 ? MS_COMPLETED : MS_REJECTED)); /* that of model 1 is seen */
        CHECK(s->energy[0] == 12.0 && s->exploration[0] == (full == 0 ? 0.0 : 12.0));
        CHECK(loop.instances.delivered[s->tenant[0]].rated == (full == 0));
        CHECK(loop.instances.brain[0].cost_counts[0] == (full == 1) &&
              loop.instances.brain[0].cost_counts[1] == (full == 0));
        ms_run_free(&loop);
    }
}

/* ---- the horizon ----------------------------------------------------------------------------------------------- */

/* At 1.5 s the first runs, the second waits, and the third is on its way from a chain. */
static void what_is_under_way_is_charged_at_the_horizon(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].limits.max_num_seqs = 1;
    config.horizon_s = 1.5;
    ask(2, 0.5, 4, 3);
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(loop.in_system == 2);
    ms_loop_cut(&loop);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_IN_FLIGHT) == 2 && s->energy[0] == 6.0 + 1.5 && s->energy[1] == 0.0);
    CHECK(s->start[0] == 0.0 && s->first_token[0] == 1.0 && isnan(s->start[1]) && s->replica[0] == 0);
    CHECK(loop.paid_j == 7.5 && loop.in_system == 0 && loop.in_system_integral == 1.5 + 1.0);
    ms_run_free(&loop);
}

static int64_t content_with_the_third(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                                      const double *scores, const double *costs, const double *facts,
                                      const double *uniforms, const double *params_, double *state)
{
    (void)request, (void)tenant, (void)scores, (void)costs, (void)facts, (void)uniforms, (void)params_, (void)state;
    return stage < 2 ? 1 - model : models;
}

/* Models 0, 1 and 0 again: what the first two cost is no part of the answer's price. */
static void a_long_chain_adds_up_what_came_before(void)
{
    ms_run loop;
    ask(1, 1.0, 4, 3);
    sheets[0].outputs[1] = 5; /* by model 1 */
    plans_are(MS_PLAN_CHAIN | 0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.finish = content_with_the_third;
    begin(&loop);
    end(&loop);
    const sheet *s = &sheets[0];
    CHECK(s->model[0] == 0 && s->energy[0] == 12.0 + 18.0 + 12.0 && s->exploration[0] == 30.0);
    CHECK(s->start[0] == 0.0 && s->first_token[0] == 9.0 && s->finish[0] == 11.0);
    ms_run_free(&loop);
}

/* What clients allow is their own where a page tells it, else as long as the answer. */
static void a_copy_may_be_allowed_more_than_it_gives(void)
{
    static const int32_t allowed[] = {50, 60};
    for (int tells = 0; tells < 2; tells++) {
        ms_job job;
        ask(2, 1.0, 12, 3);
        sheets[0].outputs[2 + 1] = 9; /* of request 1 by model 1 */
        sheets[0].page.max_new_tokens = tells ? allowed : NULL;
        const ms_open open = {.page = &sheets[0].page, .i = 1, .request = 1, .seen = 0, .attempt = 2};
        for (int32_t m = 0; m < MODELS; m++) {
            ms_copies_write(&open, m, &job);
            CHECK(job.output_tokens == (m ? 9 : 3) && job.max_new_tokens == (tells ? 60 : job.output_tokens));
            CHECK(job.attempt == 2 << 16 && job.model == m && job.request == 1 && job.session == -1);
        }
    }
}

/* Without servers an answer costs what is known of it, in joules or in US dollars, whenever its label comes. */
static void without_servers_an_answer_costs_what_is_known(void)
{
    for (int c = 0; c < 4; c++) {
        const int in_usd = c % 2, comes_later = c / 2;
        ms_run loop;
        ms_run_config config = plain;
        config.in_usd = in_usd;
        config.keeps_delays = comes_later;
        fill(&sheets[0], 0, 8, 1.0);
        plans_are(0, MS_PLAN_ALL, 1, 0);
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        const sheet *s = &sheets[0];
        double paid_j = 0.0;
        for (int i = 0; i < 8; i++) {
            const double a = s->known[i], b = s->known[8 + i], cost = i % 4 == 1 ? a + b : i % 4 == 2 ? b : a;
            CHECK(s->cost[i] == cost && s->energy[i] == (in_usd ? 0.0 : cost));
            paid_j += s->energy[i];
        }
        CHECK_NEAR(loop.paid_j, paid_j, 1e-15);
        ms_run_free(&loop);
    }
}

/* A chain's next model comes by its request and model, an API's answer by its server and request. */
static void errands_of_copies_have_an_order(void)
{
    ms_run loop;
    ask_eighth(MS_PLAN_CHAIN | 0);
    make(&loop, &plain, 2, MS_LEAST_LOADED);
    begin(&loop);
    CHECK(is_due_as(&loop, MS_DO_CHAIN, ms_order(MS_RETRIES, 8), 1));
    CHECK(is_due_as(&loop, MS_DO_API, ms_order(MS_ENDS, 2), 3 + 8));
    end(&loop);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(an_api_takes_over_from_a_replica_that_fails);
    RUN(a_chain_may_end_without_an_answer);
    RUN(a_chain_is_charged_for_what_came_before);
    RUN(a_chain_on_servers_keeps_its_first_start);
    RUN(an_illegal_plan_is_an_error);
    RUN(a_chain_that_names_no_model_is_an_error);
    RUN(a_chain_without_an_end_is_an_error);
    RUN(a_chain_is_told_what_was_known_at_its_start);
    RUN(a_pool_passes_over_what_it_cannot_take);
    RUN(each_kind_of_server_has_its_price);
    RUN(who_keeps_nothing_sells_nothing_cheaper);
    RUN(what_was_used_before_a_failure_keeps_its_price);
    RUN(a_copy_knows_what_its_prompt_is_made_of);
    RUN(a_copy_is_as_urgent_as_its_tenant);
    RUN(all_models_are_asked_that_can_be_had);
    RUN(what_is_under_way_is_charged_at_the_horizon);
    RUN(a_long_chain_adds_up_what_came_before);
    RUN(a_copy_may_be_allowed_more_than_it_gives);
    RUN(without_servers_an_answer_costs_what_is_known);
    RUN(errands_of_copies_have_an_order);
    return report();
}
