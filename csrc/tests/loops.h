/* Pages with their memory, policies by list and small clusters, for tests of the whole loop. */
#ifndef MS_TEST_LOOPS_H
#define MS_TEST_LOOPS_H

#include "check.h"
#include "loop.h"
#include "meters.h"
#include "players.h"
#include "view.h"

/* No two sizes are equal: one taken for another is seen. Nor are there as many tenants. */
enum { MODELS = 2, FEATURES = 4, UNIFORMS = 6, REQUESTS_MOST = 600, NO_STATUS = 99 };

/* Of what dispatches, and of what decodes for it. */
static const ms_stream streams[2 * MODELS] = {{1, 7, 0, 0}, {1, 8, 0, 0}, {1, 9, 0, 0}, {1, 10, 0, 0}};
static const double alphas[] = {0.7, 0.6, 0.5}; /* of tenants; nobody is of the last */

/* ---- a page with its memory ----------------------------------------------------------------------- */

typedef struct sheet {
    ms_page page;
    double arrival_in[REQUESTS_MOST], features[FEATURES * REQUESTS_MOST], known[MODELS * REQUESTS_MOST];
    double satisfied_in[MODELS * REQUESTS_MOST], uniforms[UNIFORMS * REQUESTS_MOST], feedback[REQUESTS_MOST];
    double delay[MODELS * REQUESTS_MOST];
    int32_t tenant[REQUESTS_MOST], prompt[REQUESTS_MOST], outputs[MODELS * REQUESTS_MOST];
    double arrival[REQUESTS_MOST], queue[REQUESTS_MOST], score[REQUESTS_MOST], satisfied[REQUESTS_MOST];
    double feedback_s[REQUESTS_MOST], start[REQUESTS_MOST], first_token[REQUESTS_MOST], finish[REQUESTS_MOST];
    double energy[REQUESTS_MOST], cost[REQUESTS_MOST], exploration[REQUESTS_MOST];
    uint8_t explored[REQUESTS_MOST];
    int32_t model[REQUESTS_MOST], replica[REQUESTS_MOST], tokens[REQUESTS_MOST], preemptions[REQUESTS_MOST],
        attempts[REQUESTS_MOST];
    int32_t cached_prompt[REQUESTS_MOST];
    int64_t cached_recompute[REQUESTS_MOST];
    int8_t status[REQUESTS_MOST];
} sheet;

/* Uniforms and features from the third of each on. */
static inline void fill_further(sheet *s, int64_t first, int64_t n)
{
    lcg chance = {(uint64_t)first + 12};
    for (int64_t i = 0; i < n; i++) {
        for (int k = 2; k < UNIFORMS; k++) {
            s->uniforms[UNIFORMS * i + k] = lcg_unit(&chance);
        }
        for (int k = 2; k < FEATURES; k++) {
            s->features[k * n + i] = 2.0 * lcg_unit(&chance) - 1.0;
        }
    }
}

/* What no model has, where there is room: whoever reads it is seen. */
static inline void fill_beyond(sheet *s, int64_t n)
{
    for (int64_t i = MODELS * n; i < (MODELS + 1) * n && i < MODELS * REQUESTS_MOST; i++) {
        s->known[i] = s->satisfied_in[i] = s->delay[i] = 1e9;
        s->outputs[i] = 1000000;
    }
}

/* Requests first ... first + n - 1, one every `gap_s`. Everyone's feedback is drawn. */
static inline void fill(sheet *s, int64_t first, int64_t n, double gap_s)
{
    lcg chance = {(uint64_t)first + 11};
    memset(s, 0, sizeof *s);
    for (int64_t i = 0; i < n; i++) {
        s->arrival_in[i] = gap_s * (double)(first + i);
        s->tenant[i] = (int32_t)lcg_between(&chance, 0, 1);
        s->prompt[i] = (int32_t)lcg_between(&chance, 1, 30);
        s->feedback[i] = lcg_unit(&chance);
        s->status[i] = NO_STATUS;
        for (int k = 0; k < 2; k++) {
            s->uniforms[UNIFORMS * i + k] = lcg_unit(&chance);
            s->features[k * n + i] = 2.0 * lcg_unit(&chance) - 1.0;
        }
        for (int m = 0; m < MODELS; m++) {
            s->known[m * n + i] = 1.0 + m + lcg_unit(&chance);
            s->satisfied_in[m * n + i] = lcg_unit(&chance) < 0.5 + 0.3 * m ? 1.0 : 0.0;
            s->outputs[m * n + i] = (int32_t)lcg_between(&chance, 1, 20);
            s->delay[m * n + i] = 10.0 * lcg_unit(&chance);
        }
    }
    fill_further(s, first, n);
    fill_beyond(s, n);
    s->page = (ms_page){.first = first,
                        .n = n,
                        .open = n,
                        .view = {.n = n, .features = s->features, .known_costs = s->known, .uniforms = s->uniforms},
                        .arrival_s = s->arrival_in,
                        .tenant = s->tenant,
                        .prompt_tokens = s->prompt,
                        .output_tokens = s->outputs,
                        .satisfied = s->satisfied_in,
                        .delay_s = s->delay, /* counts where a run keeps delays */
                        .feedback_uniform = s->feedback,
                        .record = {.arrival_s = s->arrival,
                                   .explored = s->explored,
                                   .model = s->model,
                                   .replica = s->replica,
                                   .output_tokens = s->tokens,
                                   .queue = s->queue,
                                   .score = s->score,
                                   .satisfied = s->satisfied,
                                   .feedback_s = s->feedback_s,
                                   .start_s = s->start,
                                   .first_token_s = s->first_token,
                                   .finish_s = s->finish,
                                   .preemptions = s->preemptions,
                                   .cached_prompt_tokens = s->cached_prompt,
                                   .cached_recompute_tokens = s->cached_recompute,
                                   .attempts = s->attempts,
                                   .energy_j = s->energy,
                                   .cost = s->cost,
                                   .exploration_cost = s->exploration,
                                   .status = s->status}};
}

/* ---- policies ---------------------------------------------------------------------------------------- */

/* The plan of request r is params[1 + r % params[0]]. */
static inline int64_t by_list(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                       double alpha, double queue, const double *scores, const double *costs,
                       const double *loads, const double *facts, const double *features,
                       const double *uniforms, const double *params, double *state)
{
    (void)step, (void)models, (void)alpha, (void)queue, (void)scores, (void)costs, (void)loads, (void)facts;
    (void)tenant, (void)dimensions, (void)features, (void)uniforms, (void)state;
    return (int64_t)params[1 + request % (int64_t)params[0]];
}

/* A chain asks the other model after the first, then is content; params[7] is what it says instead. */
static inline int64_t then_the_other(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                              const double *scores, const double *costs, const double *facts,
                              const double *uniforms, const double *params, double *state)
{
    (void)tenant, (void)scores, (void)costs, (void)facts, (void)uniforms, (void)state;
    if (params[7] != 0.0 && request == 5) {
        return (int64_t)params[7];
    }
    return stage == 0 && request % 2 == 0 ? 1 - model : models;
}

/* Refuses the label of the request params[6]. */
static inline int64_t refuse(int64_t request, int64_t tenant, int64_t model, double alpha, double satisfaction,
                      double queue, const double *params, double *state)
{
    (void)tenant, (void)model, (void)alpha, (void)satisfaction, (void)queue, (void)state;
    return request == (int64_t)params[6] ? -42 : 0;
}

static inline int64_t refuse_lesson(int64_t request, int64_t tenant, int64_t models, int64_t dimensions,
                             const double *given, const double *labels, const double *params, double *state)
{
    (void)tenant, (void)models, (void)dimensions, (void)given, (void)labels, (void)state;
    return request == (int64_t)params[6] ? -43 : 0;
}

static double params[8];

static inline void plans_are(int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t plans[] = {a, b, c, d};
    memset(params, 0, sizeof params);
    params[0] = 4.0;
    for (int k = 0; k < 4; k++) {
        params[1 + k] = (double)plans[k];
    }
}

static const ms_policy lists = {
    .decide = by_list, .finish = then_the_other, .uniforms = UNIFORMS, .params = params};

/* ---- a loop -------------------------------------------------------------------------------------------- */

static const ms_run_config plain = {.models = MODELS,
                                     .uniforms = UNIFORMS,
                                     .tenants = 3,
                                     .features = FEATURES,
                                     .reference = 1,
                                     .needs_loads = 1,
                                     .max_waiting = -1,
                                     .feedback_probability = 0.5,
                                     .horizon_s = INFINITY,
                                     .length = -1,
                                     .instances = 1,
                                     .reconcile_s = INFINITY};

/* Every iteration takes a second and draws 2 J, and 1 J a token. */
static inline ms_pool_plan pool_of(int32_t model, int32_t replicas)
{
    return (ms_pool_plan){
        .model = model,
        .replicas = replicas,
        .coefficients = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0},
        .limits = {.max_num_seqs = 3, .max_batched_tokens = 16, .kv_capacity_tokens = 80, .track_usage = 1},
        .usd_per_s = 0.01};
}

static inline void make(ms_run *loop, const ms_run_config *config, int servers, int32_t dispatch)
{
    ms_pool_plan plans[] = {pool_of(0, 2), pool_of(1, 1)};
    if (servers == 2) {
        plans[1] = (ms_pool_plan){.model = 1,
                                  .replicas = 1,
                                  .is_api = 1,
                                  .limits = {.max_num_seqs = 1},
                                  .latency_s = 0.5,
                                  .tpot_s = 0.25,
                                  .usd_per_million_prompt_tokens = 1.0,
                                  .usd_per_million_output_tokens = 2.0};
    }
    CHECK(ms_run_init(loop, config, alphas, 1.0, 0, servers ? 2 : 0, plans, &(ms_dispatch_plan){.rule = dispatch},
                      streams) == 0);
    loop->instances.brain[0].policy = lists;
}

/* The loop asks for a page: all that came on the last one is routed, and it is not known that there are no more. An errand that
 * hands back a number of its own would say the same. */
static inline void check_needs_page(const ms_run *loop)
{
    CHECK(!loop->arrivals_over && loop->next_s == INFINITY);
}

static inline void no_more(ms_run *loop)
{
    check_needs_page(loop);
    ms_loop_no_more(loop);
}

/* Runs over sheets[0 .. count) in steps of `budget` events. Returns MS_LOOP_OVER, or an error. */
static inline int run(ms_run *loop, sheet *sheets, int count, int64_t budget)
{
    int turned = 0;
    for (;;) {
        const int status = ms_loop_run(loop, budget);
        if (status == MS_LOOP_NEEDS_PAGE && turned < count) {
            check_needs_page(loop);
            ms_loop_turn_page(loop, &sheets[turned++].page);
        } else if (status == MS_LOOP_NEEDS_PAGE) {
            no_more(loop);
        } else if (status != MS_LOOP_PAUSED) {
            return status;
        }
    }
}

/* Every request has its record, and what it says hangs together. Returns how many have this status. */
static inline int64_t check_records(const sheet *s, int8_t status)
{
    int64_t n = 0;
    CHECK(s->page.open == 0);
    for (int64_t i = 0; i < s->page.n; i++) {
        n += s->status[i] == status;
        CHECK(s->status[i] >= MS_COMPLETED && s->status[i] <= MS_TIMED_OUT);
        CHECK(s->model[i] >= 0 && s->model[i] < MODELS);
        CHECK(s->tokens[i] == s->outputs[s->model[i] * s->page.n + i]);
        CHECK(s->cost[i] >= s->exploration[i] && s->exploration[i] >= 0.0);
        CHECK(s->queue[i] >= 0.0);
        if (s->status[i] == MS_COMPLETED) {
            CHECK(s->satisfied[i] == s->satisfied_in[s->model[i] * s->page.n + i]);
            CHECK(s->arrival[i] <= s->start[i] && s->start[i] <= s->first_token[i]);
            CHECK(s->first_token[i] <= s->finish[i]);
        } else {
            CHECK(isnan(s->satisfied[i]) && isnan(s->feedback_s[i]) && isnan(s->finish[i]));
        }
    }
    return n;
}

static inline double sum_of(const double *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

static inline double meters_of(const ms_run *loop)
{
    return ms_meters_iterations_j(&loop->fleet, 0, loop->now_s) + ms_meters_iterations_j(&loop->fleet, 1, loop->now_s);
}

static sheet sheets[3];

static inline void break_down(ms_run *loop, int32_t replica, double at_s, double for_s)
{
    CHECK(ms_run_plan_breakdowns(loop, 1) == 0);
    loop->breakdowns[0].replica = replica;
    loop->breakdowns[0].time_s = at_s;
    loop->breakdowns[0].for_s = for_s;
}

/* One model on these pools; the other model has a replica that nobody asks. */
static inline void serve(ms_run *loop, const ms_run_config *config, int32_t n, ms_pool_plan *plans, int32_t dispatch)
{
    plans[n] = pool_of(1, 1);
    CHECK(ms_run_init(loop, config, alphas, 1.0, 0, n + 1, plans, &(ms_dispatch_plan){.rule = dispatch},
                      streams) == 0);
    loop->instances.brain[0].policy = lists;
}

static inline ms_pool_plan api(int32_t model)
{
    return (ms_pool_plan){.model = model,
                          .replicas = 1,
                          .is_api = 1,
                          .limits = {.max_num_seqs = 1},
                          .latency_s = 0.5,
                          .tpot_s = 0.25,
                          .usd_per_million_output_tokens = 1e6};
}

static inline ms_wait seconds(double s)
{
    return (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = s};
}

static inline void go(ms_run *loop, int pages)
{
    CHECK(ms_loop_begin(loop) == 0);
    CHECK(run(loop, sheets, pages, 1000) == MS_LOOP_OVER);
    CHECK(loop->open_count == 0 && loop->labels_to_come == 0 && loop->in_system == 0);
}

/* Requests of model 0 with a prompt and an answer of so many tokens. */
static inline void ask(int64_t n, double gap_s, int32_t prompt, int32_t output)
{
    fill(&sheets[0], 0, n, gap_s);
    plans_are(0, 0, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        sheets[0].prompt[i] = prompt;
        sheets[0].outputs[i] = sheets[0].outputs[n + i] = output;
        sheets[0].feedback[i] = 0.0;
    }
}

/* The one page of a run that is looked at in between. */
static inline void begin(ms_run *loop)
{
    CHECK(ms_loop_begin(loop) == 0);
    ms_loop_turn_page(loop, &sheets[0].page);
}

/* Up to and with the last event at or before t_s. */
static inline void run_until(ms_run *loop, double t_s)
{
    for (int status = MS_LOOP_PAUSED; status == MS_LOOP_PAUSED;) {
        const double replicas_s = loop->fleet.moments.values[ms_tournament_best(&loop->fleet.moments)];
        const double heap_s = loop->heap.length > 0 ? loop->heap.events[0].when.time_s : INFINITY;
        const int comes = loop->next < ms_page_coming(loop->page);
        const double page_s = comes ? loop->page->arrival_s[ms_page_comes(loop->page, loop->next)] : INFINITY;
        if (replicas_s > t_s && heap_s > t_s && page_s > t_s) {
            return;
        }
        status = ms_loop_run(loop, 1);
        if (status == MS_LOOP_NEEDS_PAGE) {
            no_more(loop);
            status = MS_LOOP_PAUSED;
        }
    }
}

/* Whether the next errand of a kind comes at this place among those of its instant. */
static inline int is_due_as(ms_run *loop, enum ms_errand errand, uint64_t order, uint64_t suborder)
{
    for (int status = MS_LOOP_PAUSED; status != MS_LOOP_OVER; status = ms_loop_run(loop, 1)) {
        for (int64_t k = 0; k < loop->heap.length; k++) {
            const ms_event *event = &loop->heap.events[k];
            if (event->errand == (int32_t)errand) {
                return event->when.order == order && event->when.suborder == suborder;
            }
        }
        if (status == MS_LOOP_NEEDS_PAGE) {
            no_more(loop);
        }
    }
    return 0;
}

/* Request 8, whose chain ends with the second model, is alone on the first page. */
static inline void ask_eighth(int64_t plan)
{
    fill(&sheets[0], 8, 1, 1.0);
    plans_are(plan, plan, plan, plan);
    sheets[0].prompt[0] = 4;
    sheets[0].outputs[0] = sheets[0].outputs[1] = 3;
}

/* Of many replicas an index is kept of their loads: it has what is there. */
static inline int64_t check_loads(const ms_run *loop)
{
    int64_t n = 0;
    for (int32_t g = 0; g < loop->fleet.groups; g++) {
        const ms_servers *servers = &loop->fleet.servers[g];
        for (int32_t i = 0; i < servers->replicas && servers->replicas > MS_SCAN_MOST; i++) {
            const int32_t replica = servers->replica[i];
            const double load = (double)ms_view_unfinished(&loop->fleet, replica);
            n += CHECK(value_of(&servers->loads, i) == (loop->fleet.failures[replica] > 0 ? INFINITY : load));
        }
    }
    return n;
}

/* To the end, where nothing is left anywhere. */
static inline void end(ms_run *loop)
{
    run_until(loop, INFINITY);
    check_loads(loop);
    CHECK(loop->open_count == 0 && loop->in_system == 0 && loop->labels_to_come == 0);
    for (int32_t p = 0; p < loop->fleet.pools; p++) {
        CHECK(loop->fleet.pool[p].unfinished == 0);
    }
    for (int32_t i = 0; i < loop->fleet.replicas; i++) {
        CHECK(loop->fleet.kept[i] == NULL && loop->fleet.promised[i] == 0);
        CHECK(loop->fleet.replica[i].sequences.set_aside == 0 && loop->fleet.replica[i].kept_places == 0);
    }
}

#endif
