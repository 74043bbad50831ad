#include "loops.h"

#include "draw.h"
#include "error.h"

/* What was asked, of a model with so many replicas and clients who do not wait forever. */
static void go_impatient(ms_run *loop, ms_patience patience, int32_t replicas, int32_t rule)
{
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, replicas)};
    config.keeps_delays = 1;
    config.patience = patience;
    serve(loop, &config, 1, plans, rule);
    go(loop, 1);
}

/* An answer takes 3 s and patience is 1.25 s: tries at 0, 1.25 + 1 and 2.25 + 1.25 + 2, each aborted at the next
 * boundary of its replica. */
static void pauses_grow_from_try_to_try(void)
{
    for (int says_so = 0; says_so < 2; says_so++) {
        ms_run loop;
        const ms_patience patience = {
            .wait = seconds(1.25), .aborts = 1, .retries = 2, .rates_giving_up = says_so, .backoff = seconds(1.0),
            .backoff_growth = 2.0};
        ask(1, 1.0, 4, 3);
        go_impatient(&loop, patience, 1, MS_LEAST_LOADED);
        const sheet *s = &sheets[0];
        CHECK(check_records(s, MS_IN_FLIGHT) == 0 && s->status[0] == MS_TIMED_OUT && s->attempts[0] == 3);
        CHECK(s->arrival[0] == 0.0 && s->start[0] == 5.5 && loop.now_s == 7.5);
        CHECK(s->energy[0] == 3.0 * (6.0 + 3.0)); /* two iterations of each try */
        CHECK(loop.attempts == 3 && loop.issued == 1 && loop.rated == 1);
        CHECK(loop.instances.brain[0].tracked[s->tenant[0]].rated == says_so);
        CHECK(loop.instances.delivered[s->tenant[0]].rated == 0);
        ms_run_free(&loop);
    }
}

/* Each try draws its own pair of replicas, other ones than what begins again after a failure. */
static void a_retry_draws_its_replicas_anew(void)
{
    ms_run loop;
    const ms_patience patience = {
        .wait = seconds(1.5), .aborts = 1, .retries = 1, .backoff = seconds(2.0), .backoff_growth = 1.0};
    ask(60, 100.0, 4, 9);
    go_impatient(&loop, patience, 4, MS_POWER_OF_TWO);
    const sheet *s = &sheets[0];
    CHECK(check_records(s, MS_TIMED_OUT) == 60);
    int differs = 0;
    for (int64_t i = 0; i < 60; i++) {
        int32_t least[3];
        const uint32_t subs[] = {1u << 16, 0, 1};
        for (int k = 0; k < 3; k++) {
            ms_stream stream = streams[0];
            stream.sub = subs[k];
            const int32_t a = (int32_t)(4.0 * ms_draw_one(&stream, 0, (uint64_t)i));
            int32_t b = (int32_t)(3.0 * ms_draw_one(&stream, 1, (uint64_t)i));
            b += b >= a;
            least[k] = a < b ? a : b; /* all are idle */
        }
        CHECK(s->replica[i] == least[0]);
        differs += least[0] != least[1] && least[0] != least[2];
    }
    CHECK(differs > 10);
    ms_run_free(&loop);
}

/* A request that was explored once is counted once, whatever its later tries are. */
static void tries_are_counted_apart_from_requests(void)
{
    ms_run loop;
    const ms_patience patience = {
        .wait = seconds(0.5), .aborts = 1, .retries = 3, .backoff = seconds(0.0), .backoff_growth = 1.0};
    ask(8, 100.0, 4, 9);
    plans_are(MS_PLAN_ALL, MS_PLAN_EXPLORE | 0, 0, 0);
    go_impatient(&loop, patience, 1, MS_LEAST_LOADED);
    CHECK(check_records(&sheets[0], MS_TIMED_OUT) == 8);
    CHECK(loop.attempts == 32 && loop.explored == 4 && loop.rated == 8);
    for (int64_t i = 0; i < 8; i++) {
        CHECK(sheets[0].attempts[i] == 4 && sheets[0].explored[i] == (i % 4 < 2));
    }
    ms_run_free(&loop);
}

/* Who has seen a first token stays; who waits for the whole answer goes. */
static void a_first_token_may_be_enough(void)
{
    for (int until_first = 0; until_first < 2; until_first++) {
        ms_run loop;
        const ms_patience patience = {.wait = seconds(1.0), .until_first_token = until_first, .aborts = 1};
        ask(1, 1.0, 4, 5);
        go_impatient(&loop, patience, 1, MS_LEAST_LOADED);
        CHECK(sheets[0].status[0] == (until_first ? MS_COMPLETED : MS_TIMED_OUT)); /* the token is there at 1 s */
        ms_run_free(&loop);
    }
}

/* The first asks both models, has one answer at 3 s and gives up on the other at 5.25 s: that takes nothing from the
 * second, whose only copy may have the memory of the one that is complete. */
static void who_gives_up_takes_only_what_is_under_way(void)
{
    ms_run loop;
    ask(2, 4.0, 4, 3);
    sheets[0].outputs[2] = 20; /* of the first by model 1 */
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    go_impatient(&loop, (ms_patience){.wait = seconds(5.25), .aborts = 1}, 1, MS_LEAST_LOADED);
    CHECK(sheets[0].status[0] == MS_TIMED_OUT && sheets[0].model[0] == 1);
    CHECK(sheets[0].status[1] == MS_COMPLETED && sheets[0].finish[1] == 7.0);
    ms_run_free(&loop);
}

/* Both models are asked, and neither has answered at 2.25 s: both stop at the end of their third iteration. */
static void who_gives_up_leaves_all_copies(void)
{
    ms_run loop;
    ask(1, 1.0, 4, 20);
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    go_impatient(&loop, (ms_patience){.wait = seconds(2.25), .aborts = 1}, 1, MS_LEAST_LOADED);
    CHECK(sheets[0].status[0] == MS_TIMED_OUT && loop.now_s == 3.0);
    CHECK(sheets[0].energy[0] == 2.0 * (6.0 + 2.0 * 3.0));
    ms_run_free(&loop);
}

/* What else was asked while exploring goes on, and is no reason to lose patience. */
static void who_is_answered_waits_no_longer(void)
{
    ms_run loop;
    const ms_patience patience = {.wait = seconds(5.25), .aborts = 1, .retries = 1, .backoff_growth = 1.0};
    ask(1, 1.0, 4, 3);
    sheets[0].outputs[0] = 20; /* by model 0 */
    plans_are(MS_PLAN_ALL, 0, 0, 0);
    go_impatient(&loop, patience, 1, MS_LEAST_LOADED);
    CHECK(sheets[0].status[0] == MS_COMPLETED && sheets[0].finish[0] == 3.0 && loop.attempts == 1);
    CHECK(sheets[0].energy[0] == (6.0 + 2.0 * 3.0) + (6.0 + 19.0 * 3.0)); /* both answers to their ends */
    ms_run_free(&loop);
}

/* Two who are turned away keep nothing open: the second try of each finds room. */
static void who_is_turned_away_may_ask_again(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].limits.max_num_seqs = 1;
    config.keeps_delays = 1;
    config.max_waiting = 0;
    config.patience = (ms_patience){.retries = 1, .backoff = seconds(4.0), .backoff_growth = 1.0};
    ask(3, 0.25, 4, 3);
    sheets[0].arrival_in[2] = 4.0; /* is in as the second asks again */
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(s->status[0] == MS_COMPLETED && s->status[1] == MS_REJECTED && s->status[2] == MS_COMPLETED);
    CHECK(s->attempts[1] == 2 && s->replica[1] == -1 && isnan(s->start[1]) && s->cost[1] == 0.0);
    ms_run_free(&loop);
}

static void what_no_model_takes_is_turned_away(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 4, 1.0);
    sheets[0].known[1] = sheets[0].known[4 + 1] = INFINITY; /* of both models */
    sheets[0].known[2] = INFINITY;                          /* of the first, which the policy wants */
    sheets[0].known[4 + 3] = INFINITY;                      /* of the last, which it wants */
    plans_are(0, 0, 0, 1);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(sheets[0].status[1] == MS_TOO_LONG && sheets[0].model[1] == -1 && sheets[0].tokens[1] == 0);
    CHECK(isnan(sheets[0].queue[1]) && isnan(sheets[0].start[1]) && sheets[0].cost[1] == 0.0);
    CHECK(sheets[0].model[0] == 0 && sheets[0].model[2] == 1 && sheets[0].model[3] == 0);
    CHECK(loop.issued == 4 && loop.attempts == 3 && loop.open_count == 0);
    ms_run_free(&loop);
}

/* ---- what a decision sees ------------------------------------------------------------------------------------- */

static double seen_loads[MODELS], seen_uniforms[4][4];
static int64_t decisions, n_uniforms = 2, wanted;

static int64_t watch(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions, double alpha,
                     double queue, const double *scores, const double *costs, const double *loads, const double *facts,
                     const double *features, const double *uniforms, const double *params_, double *state)
{
    (void)request, (void)step, (void)tenant, (void)dimensions, (void)alpha, (void)queue, (void)scores, (void)costs;
    (void)facts, (void)features, (void)params_, (void)state;
    memcpy(seen_loads, loads, (size_t)models * sizeof *loads);
    memcpy(seen_uniforms[decisions++ % 4], uniforms, (size_t)n_uniforms * sizeof *uniforms);
    return wanted;
}

/* Everyone is asked: the user sees the answer of the reference, or of another model where the reference cannot be had. */
static void the_reference_is_seen_where_it_can_be_had(void)
{
    for (int c = 0; c < 4; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.reference = c % 2;
        fill(&sheets[0], 0, 1, 1.0);
        sheets[0].known[c % 2] = c / 2 ? INFINITY : 1.0;
        plans_are(MS_PLAN_ALL, 0, 0, 0);
        make(&loop, &config, 0, MS_LEAST_LOADED);
        go(&loop, 1);
        CHECK(sheets[0].model[0] == (c / 2 ? 1 - c % 2 : c % 2) && sheets[0].status[0] == MS_COMPLETED);
        ms_run_free(&loop);
    }
}

/* Unfinished requests by places: the first of five sees nothing, the third two of 3 * 2, the last those of both models. */
static void a_decision_sees_the_load_of_all_models(void)
{
    for (int needs = 0; needs < 2; needs++) {
        for (int is_late = 0; is_late < 2; is_late++) {
            ms_run loop;
            ms_run_config config = plain;
            const ms_pool_plan plans[] = {pool_of(0, 2), pool_of(1, 1)};
            config.needs_loads = needs;
            ask(5, 0.25, 4, 3);
            const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED, .state_delay_s = is_late ? 0.375 : 0.0};
            CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &dispatch, streams) == 0);
            loop.instances.brain[0].policy = lists;
            loop.instances.brain[0].policy.decide = watch;
            begin(&loop);
            run_until(&loop, 0.0);
            CHECK(seen_loads[0] == 0.0 && seen_loads[1] == 0.0);
            run_until(&loop, 0.25);
            CHECK(seen_loads[0] == (needs && !is_late ? 1.0 / 6.0 : 0.0));
            wanted = 1;
            run_until(&loop, 0.5); /* the last look was at 0.375 s */
            CHECK(seen_loads[0] == (needs ? 2.0 / 6.0 : 0.0));
            wanted = 0;
            run_until(&loop, 1.0); /* at 0.75 s */
            CHECK(seen_loads[1] == (needs ? 1.0 / 3.0 : 0.0));
            end(&loop);
            ms_run_free(&loop);
        }
    }
}

/* Decided 0.125 s late, a request sees the loads of then: the second, of 0.25 s, the first one's. */
static void a_late_decision_sees_the_load_of_then(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.decision = seconds(0.125);
    ask(2, 0.25, 4, 3);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    loop.instances.brain[0].policy.decide = watch;
    begin(&loop);
    run_until(&loop, 0.25);
    CHECK(seen_loads[0] == 0.0);
    run_until(&loop, 0.375);
    CHECK(seen_loads[0] == 1.0 / 6.0 && seen_loads[1] == 0.0);
    end(&loop);
    ms_run_free(&loop);
}

/* Each attempt has uniforms of its own: the first those of its page, the k-th pairs those of its blocks from k *
 * pairs on, though decisions take time. */
static void each_attempt_draws_its_own_uniforms(void)
{
    for (int k = 0; k < 4; k++) {
        n_uniforms = k < 2 ? 4 : 2;
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        config.keeps_delays = 1;
        config.decision = k % 2 ? seconds(0.125) : plain.decision;
        config.uniforms = (int32_t)n_uniforms;
        config.patience = (ms_patience){.wait = seconds(0.5),
                                        .aborts = 1,
                                        .retries = 2,
                                        .backoff = seconds(0.25),
                                        .backoff_growth = 1.0,
                                        .uniforms = {5, 55, 0, 0}};
        ask(2, 100.0, 4, 9);
        for (int i = 0; i < 8; i++) {
            sheets[0].uniforms[i] = 0.125 * i;
        }
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        loop.instances.brain[0].policy.decide = watch;
        loop.instances.brain[0].policy.uniforms = (int32_t)n_uniforms;
        begin(&loop);
        run_until(&loop, 50.0);
        decisions = 0;
        end(&loop);
        CHECK(decisions == 3);
        for (int64_t u = 0; u < n_uniforms; u++) {
            CHECK(seen_uniforms[0][u] == 0.125 * (double)(n_uniforms + u));
        }
        for (uint32_t block = 0; block < n_uniforms; block++) { /* of both later attempts, one after the other */
            const uint32_t pairs = (uint32_t)n_uniforms / 2, attempt = 1 + block / pairs;
            ms_stream stream = config.patience.uniforms;
            double pair[2];
            stream.sub = attempt * pairs + block % pairs;
            ms_draw_uniform_pair(&stream, 1, 1, pair);
            CHECK(memcmp(&seen_uniforms[attempt][2 * (block % pairs)], pair, sizeof pair) == 0);
        }
        ms_run_free(&loop);
    }
    n_uniforms = 2;
}

/* What is there and cached where a copy would go, for each model. */
static void a_decision_may_see_where_copies_would_go(void)
{
    static ms_node_of_path path[] = {{1, 8}, {1, 8}};
    static const int64_t path_start[] = {0, 1, 2};
    ms_run loop;
    ms_run_config config = plain;
    const ms_pool_plan plans[] = {pool_of(0, 1), pool_of(1, 1)};
    config.needs_destinations = 1;
    ask(2, 20.0, 10, 2);
    plans_are(1, 0, 0, 0);
    sheets[0].page.path = path;
    sheets[0].page.path_start = path_start;
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
          streams) == 0);
    loop.instances.brain[0].policy = lists;
    for (int i = 0; i < 2; i++) {
        loop.fleet.replica[i].sequences.limits.prefix_cache = 1;
        loop.destinations[i].pool = -1;
    }
    begin(&loop);
    run_until(&loop, 10.0);
    for (int m = 0; m < 2; m++) {
        CHECK(loop.destinations[m].pool == m && loop.destinations[m].running == 0.0 && loop.destinations[m].cached == 0.0);
    }
    loop.destinations[0].pool = loop.destinations[1].pool = -1;
    end(&loop);
    CHECK(loop.destinations[0].pool == 0 && loop.destinations[0].cached == 0.0);
    CHECK(loop.destinations[1].pool == 1 && loop.destinations[1].cached == 8.0); /* the first went to model 1 */
    ms_run_free(&loop);
}

/* ---- where a model takes no more -------------------------------------------------------------------------------- */

/* Three models would be better told apart, but two do: full, a model's request goes to the more capable one, then
 * to the less capable one; an exploring one stays so; if none takes it, it is turned away from its own. */
static void the_next_model_takes_what_one_does_not(void)
{
    const int64_t plans[] = {0, 1, MS_PLAN_EXPLORE | 0, MS_PLAN_EXPLORE | 1};
    for (int asks = 0; asks < 2; asks++) {
        for (int k = 0; k < 4; k++) {
            for (int full = 0; full < 4; full++) {
                ms_run loop;
                ms_run_config config = plain;
                config.asks_next_model = asks;
                config.max_waiting = 0;
                ask(1, 1.0, 4, 3);
                plans_are(plans[k], 0, 0, 0);
                make(&loop, &config, 1, MS_LEAST_LOADED);
                const int64_t places[] = {6, 3};
                for (int m = 0; m < 2; m++) {
                    loop.fleet.pool[m].unfinished = full >> m & 1 ? places[m] : 0;
                }
                begin(&loop);
                run_until(&loop, 0.0);
                for (int m = 0; m < 2; m++) {
                    loop.fleet.pool[m].unfinished -= full >> m & 1 ? places[m] : 0;
                }
                end(&loop);
                const int own = k % 2, is_full = full >> own & 1, other_full = full >> (1 - own) & 1;
                const int goes_on = asks && is_full && !other_full;
                CHECK(sheets[0].model[0] == (goes_on ? 1 - own : own) && sheets[0].explored[0] == k / 2);
                CHECK(sheets[0].status[0] == (is_full && !goes_on ? MS_REJECTED : MS_COMPLETED));
                ms_run_free(&loop);
            }
        }
    }
}

/* A chain is not sent elsewhere as a whole, and nobody to a model that cannot be had. */
static void a_full_model_hands_on_neither_chains_nor_to_who_cannot_be_had(void)
{
    for (int is_chain = 0; is_chain < 2; is_chain++) {
        ms_run loop;
        ms_run_config config = plain;
        config.asks_next_model = 1;
        config.max_waiting = 0;
        ask(1, 1.0, 4, 3);
        plans_are(is_chain ? MS_PLAN_CHAIN | 0 : 0, 0, 0, 0);
        if (!is_chain) {
            sheets[0].known[1] = INFINITY;
        }
        make(&loop, &config, 1, MS_LEAST_LOADED);
        loop.fleet.pool[0].unfinished = 6;
        begin(&loop);
        run_until(&loop, 0.0);
        loop.fleet.pool[0].unfinished -= 6;
        end(&loop);
        CHECK(sheets[0].status[0] == MS_REJECTED && sheets[0].model[0] == 0);
        ms_run_free(&loop);
    }
}

/* ---- the timeline ---------------------------------------------------------------------------------------------- */

/* A sample before each request: both queues, of all tenants, whoever of them asks; requests in the system and energy by pool,
 * replicas that are up. */
static void a_sample_is_taken_as_a_request_comes(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    config.length = 3;
    config.initial_queue = 2.0;
    config.feedback_probability = 1.0;
    ask(3, 0.5, 4, 3);
    plans_are(MS_PLAN_EXPLORE | 0, 0, 0, 0);
    for (int i = 0; i < 3; i++) {
        sheets[0].satisfied_in[i] = 0.0; /* queues grow by 0.7 or 0.6 */
        sheets[0].tenant[i] = i % 2;
    }
    plans[0].coefficients.p_idle_w = 8.0;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    loop.fleet.pool[0].loading = 5;
    loop.fleet.pool[0].draining = 7;
    loop.fleet.pool[1].plan.limits.prefix_cache = 1;
    loop.fleet.replica[2].sequences.prompt_tokens = 50;
    loop.fleet.replica[2].sequences.cached_prompt_tokens = 30;
    begin(&loop);
    end(&loop);
    const double queues[] = {6.0, 6.7, 7.3}, energies_j[] = {0.0, 3.0 + 8.0 * 0.5, 6.0 + 3.0 + 8.0 * 0.5};
    CHECK(loop.timeline.length == 3);
    for (int i = 0; i < 3; i++) {
        const ms_sample *sample = &loop.timeline.samples[i];
        CHECK(sample->request == i && sample->time_s == 0.5 * i && sample->explored == (i > 0));
        CHECK_NEAR(sample->queue, queues[i], 1e-12);
        CHECK(same_bits(sample->queue, sample->queue_tracked));
        CHECK(loop.timeline.in_system[2 * i] == i && loop.timeline.in_system[2 * i + 1] == 0);
        CHECK_NEAR(loop.timeline.energy_j[2 * i], energies_j[i], 1e-12);
        CHECK(loop.timeline.replicas[6 * i] == 2 && loop.timeline.replicas[6 * i + 3] == 1);
        CHECK(loop.timeline.prompt_tokens[2 * i] == 0 && loop.timeline.cached_prompt_tokens[2 * i] == 0);
        CHECK(loop.timeline.prompt_tokens[2 * i + 1] == 50 && loop.timeline.cached_prompt_tokens[2 * i + 1] == 30);
        CHECK(loop.timeline.replicas[6 * i + 1] == 5 && loop.timeline.replicas[6 * i + 2] == 7);
    }
    ms_run_free(&loop);
}

/* Who has a first token reads on; of a chain nobody reads before the end. */
static void nobody_reads_the_middle_of_a_chain(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(2.5), .until_first_token = 1, .aborts = 1};
    ask(1, 1.0, 4, 5);
    plans_are(MS_PLAN_CHAIN | 0, 0, 0, 0);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].status[0] == MS_TIMED_OUT && loop.now_s == 3.0);
    ms_run_free(&loop);
}

/* Asked of both: that the other has a first token is none for the user. */
static void the_first_token_must_be_of_the_answer_that_is_seen(void)
{
    for (int late = 0; late < 2; late++) { /* which of the two has none by then */
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_delays = 1;
        config.patience = (ms_patience){.wait = seconds(1.5), .until_first_token = 1, .aborts = 1};
        ask(1, 1.0, 4, 5);
        plans_are(MS_PLAN_ALL, 0, 0, 0);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        loop.fleet.pool[late].plan.front_end = seconds(1.0);
        begin(&loop);
        end(&loop);
        CHECK(sheets[0].status[0] == (late == 1 ? MS_TIMED_OUT : MS_COMPLETED)); /* that of model 1 is seen */
        ms_run_free(&loop);
        config.reference = 0;
        ask(1, 1.0, 4, 5);
        plans_are(MS_PLAN_ALL, 0, 0, 0);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        loop.fleet.pool[late].plan.front_end = seconds(1.0);
        begin(&loop);
        end(&loop);
        CHECK(sheets[0].status[0] == (late == 0 ? MS_TIMED_OUT : MS_COMPLETED)); /* that of model 0 */
        ms_run_free(&loop);
    }
}

static int64_t exploring_at; /* the decision that explores, of all */

static int64_t explore_once(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
    double alpha,
                            double queue, const double *scores, const double *costs, const double *loads,
                            const double *facts, const double *features, const double *uniforms, const double *params_,
                            double *state)
{
    (void)request, (void)step, (void)tenant, (void)models, (void)dimensions, (void)alpha, (void)queue, (void)scores;
    (void)costs, (void)loads, (void)facts, (void)features, (void)uniforms, (void)params_, (void)state;
    return decisions++ == exploring_at ? MS_PLAN_EXPLORE : 0;
}

/* Whichever of its three tries explores, the request is one that was explored, and is counted once. */
static void a_request_is_explored_if_a_try_of_it_is(void)
{
    for (exploring_at = 0; exploring_at < 4; exploring_at++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        config.keeps_delays = 1;
        config.patience = (ms_patience){
            .wait = seconds(0.5), .aborts = 1, .retries = 2, .backoff = seconds(0.25), .backoff_growth = 1.0};
        ask(1, 1.0, 4, 9);
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        loop.instances.brain[0].policy.decide = explore_once;
        decisions = 0;
        begin(&loop);
        end(&loop);
        CHECK(decisions == 3 && sheets[0].attempts[0] == 3);
        CHECK(sheets[0].explored[0] == (exploring_at < 3) && loop.explored == (exploring_at < 3));
        ms_run_free(&loop);
    }
}

/* Of three models, whichever are full: the next more capable one, else the next less capable one. */
static void the_nearest_model_takes_what_one_does_not(void)
{
    const int expected[3][8] = {{0, 1, 0, 2, 0, 1, 0, 0}, {1, 1, 2, 2, 1, 1, 0, 1}, {2, 2, 2, 2, 1, 1, 0, 2}};
    for (int own = 0; own < 3; own++) {
        for (int full = 0; full < 8; full++) {
            ms_run loop;
            ms_run_config config = plain;
            const ms_pool_plan plans[] = {pool_of(0, 1), pool_of(1, 1), pool_of(2, 1)};
            config.models = 3;
            config.asks_next_model = 1;
            config.max_waiting = 0;
            ask(1, 1.0, 4, 3);
            sheets[0].known[2] = sheets[0].known[1];
            sheets[0].outputs[2] = 3;
            plans_are(own, 0, 0, 0);
            const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED};
            CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 3, plans, &dispatch, streams) == 0);
            loop.instances.brain[0].policy = lists;
            for (int m = 0; m < 3; m++) {
                loop.fleet.pool[m].unfinished = full >> m & 1 ? 3 : 0;
            }
            begin(&loop);
            run_until(&loop, 0.0);
            CHECK((loop.newest == NULL) == (full == 7) && (sheets[0].status[0] == MS_REJECTED) == (full == 7));
            CHECK(loop.newest != NULL ? loop.newest->seen == expected[own][full] : sheets[0].model[0] == own);
            ms_run_free(&loop);
        }
    }
}

/* One model that can take a request is enough, whichever it is. */
static void one_model_that_takes_it_is_enough(void)
{
    for (int who = 0; who < 2; who++) {
        ms_run loop;
        ask(1, 1.0, 4, 3);
        sheets[0].known[1 - who] = INFINITY;
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        begin(&loop);
        end(&loop);
        CHECK(sheets[0].status[0] == MS_COMPLETED && sheets[0].model[0] == who);
        ms_run_free(&loop);
    }
}

/* Without servers: all models that can be had answer, each is charged, in joules or in USD alone. */
static void without_servers_all_that_can_be_had_answer(void)
{
    for (int usd = 0; usd < 2; usd++) {
        ms_run loop;
        ms_run_config config = plain;
        config.in_usd = usd;
        fill(&sheets[0], 0, 3, 1.0);
        plans_are(MS_PLAN_ALL, MS_PLAN_ALL, MS_PLAN_ALL, 0);
        sheets[0].known[0] = INFINITY; /* of the first by model 0, of the third by model 1, which is the one that is seen */
        sheets[0].known[3 + 2] = INFINITY;
        make(&loop, &config, 0, MS_LEAST_LOADED);
        go(&loop, 1);
        const sheet *s = &sheets[0];
        const double costs[] = {s->known[3], s->known[1] + s->known[3 + 1], s->known[2]};
        const int32_t models[] = {1, 1, 0};
        for (int i = 0; i < 3; i++) {
            CHECK(s->status[i] == MS_COMPLETED && s->model[i] == models[i] && s->cost[i] == costs[i]);
            CHECK(s->energy[i] == (usd ? 0.0 : costs[i]) && s->exploration[i] == (i == 1 ? s->known[1] : 0.0));
        }
        CHECK_NEAR(loop.paid_j, usd ? 0.0 : costs[0] + costs[1] + costs[2], 1e-15);
        CHECK(loop.instances.brain[0].cost_counts[0] == 2 && loop.instances.brain[0].cost_counts[1] == 2);
        ms_run_free(&loop);
    }
}

/* Samples count requests as they come, from page to page: every one, or every second. */
static void samples_go_on_with_the_next_page(void)
{
    for (int stride = 1; stride <= 2; stride++) {
        ms_run loop;
        ms_run_config config = plain;
        config.length = 5;
        fill(&sheets[0], 0, 3, 1.0);
        fill(&sheets[1], 3, 2, 1.0);
        plans_are(0, 1, 0, 1);
        make(&loop, &config, 0, MS_LEAST_LOADED);
        loop.timeline.stride = stride;
        go(&loop, 2);
        CHECK(loop.timeline.length == (stride == 1 ? 5 : 3));
        for (int k = 0; k < loop.timeline.length; k++) {
            CHECK(loop.timeline.samples[k].request == k * stride);
            CHECK(loop.timeline.samples[k].time_s == (double)(k * stride));
        }
        ms_run_free(&loop);
    }
}

/* Of more requests than there is room for samples, rows are used again once every other sample has gone. */
static void a_row_of_the_timeline_is_written_anew(void)
{
    enum { ROWS = 4, REQUESTS = 7 };
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    ask(REQUESTS, 0.5, 4, 3);
    plans_are(0, 0, 0, 0);
    plans[0].coefficients.p_idle_w = 8.0;
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    ms_timeline *timeline = &loop.timeline;
    timeline->most = ROWS;
    for (int32_t i = 0; i < 2 * ROWS; i++) { /* as of samples that have gone */
        timeline->in_system[i] = timeline->prompt_tokens[i] = timeline->cached_prompt_tokens[i] = 1000;
        timeline->energy_j[i] = 1000.0;
        timeline->replicas[3 * i] = timeline->replicas[3 * i + 1] = timeline->replicas[3 * i + 2] = 1000;
    }
    begin(&loop);
    end(&loop);
    CHECK(timeline->length == ROWS && timeline->stride == 2);
    for (int32_t i = 0; i < 2 * ROWS; i++) {
        CHECK(timeline->in_system[i] < 1000 && timeline->energy_j[i] < 1000.0);
        CHECK(timeline->prompt_tokens[i] == 0 && timeline->cached_prompt_tokens[i] == 0);
        CHECK(timeline->replicas[3 * i] == (i % 2 == 0 ? 2 : 1) && timeline->replicas[3 * i + 1] == 0);
        CHECK(timeline->replicas[3 * i + 2] == 0);
    }
    ms_run_free(&loop);
}

/* Room is asked for when somebody comes and when a copy is sent: where there is none, the run ends and says why. */
static void a_run_without_memory_says_so(void)
{
    for (int of_jobs = 0; of_jobs < 2; of_jobs++) {
        ms_run loop;
        ask(1, 1.0, 4, 3);
        make(&loop, &plain, 1, MS_LEAST_LOADED);
        (of_jobs ? &loop.jobs : &loop.opens)->block_bytes = SIZE_MAX / 32; /* more than there is */
        CHECK(ms_loop_begin(&loop) == 0);
        CHECK(run(&loop, sheets, 1, 1000) == MS_ERR_MEMORY);
        ms_run_free(&loop);
    }
}

int main(void)
{
    RUN(pauses_grow_from_try_to_try);
    RUN(a_retry_draws_its_replicas_anew);
    RUN(tries_are_counted_apart_from_requests);
    RUN(a_first_token_may_be_enough);
    RUN(who_gives_up_takes_only_what_is_under_way);
    RUN(who_gives_up_leaves_all_copies);
    RUN(who_is_answered_waits_no_longer);
    RUN(who_is_turned_away_may_ask_again);
    RUN(what_no_model_takes_is_turned_away);
    RUN(the_reference_is_seen_where_it_can_be_had);
    RUN(a_decision_sees_the_load_of_all_models);
    RUN(each_attempt_draws_its_own_uniforms);
    RUN(a_decision_may_see_where_copies_would_go);
    RUN(the_next_model_takes_what_one_does_not);
    RUN(a_sample_is_taken_as_a_request_comes);
    RUN(nobody_reads_the_middle_of_a_chain);
    RUN(the_first_token_must_be_of_the_answer_that_is_seen);
    RUN(a_request_is_explored_if_a_try_of_it_is);
    RUN(the_nearest_model_takes_what_one_does_not);
    RUN(one_model_that_takes_it_is_enough);
    RUN(without_servers_all_that_can_be_had_answer);
    RUN(a_full_model_hands_on_neither_chains_nor_to_who_cannot_be_had);
    RUN(a_late_decision_sees_the_load_of_then);
    RUN(samples_go_on_with_the_next_page);
    RUN(a_row_of_the_timeline_is_written_anew);
    RUN(a_run_without_memory_says_so);
    return report();
}
