/* What runs do, for a compiler that counts it: setup.py compiles the core with counters and this program, runs it, and
 * compiles the core anew by the counts.
 *
 * Runs of a router with four models: a cluster of eight replicas as scenarios/synthetic.toml has it, the same decisions
 * without servers, conversations of eight turns with prefix caches, and shorter ones of each schedule and, with few
 * replicas and many, each rule of dispatch: of a function that is reached here, what is not reached is compiled for size.
 * Their numbers need not be anybody's, since only how often each line of the core is reached counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop.h"
#include "training/usual_dispatch.h"

enum { MODELS = 4, FEATURES = 16, TURNS = 8, ROWS = 4096, UNIFORMS = 2 };

typedef struct training {
    int servers;
    int sessions;
    int late_labels;
    int impatient;    /* clients wait so long and ask again, and replicas fail */
    int apis;         /* every model is one */
    int large;        /* hundreds of replicas, and as much traffic for each */
    int32_t schedule; /* enum ms_schedule_kind */
    int32_t rule;     /* enum ms_dispatch */
    int64_t pages;
} training;

static const double alphas[] = {0.6};
static double of_policy[] = {MS_MESS_PARAMS, 1e-3, 0.1, 0.25, 0.0, 0.0, 0.0}; /* its length stands before the first */
static double state[] = {1.0, 0.0};

/* ---- memory -------------------------------------------------------------------------------------------- */

/* All that a run asked for, given back after it. */
static void *rooms[1024];
static int rooms_taken;

static void *room_for(size_t n, size_t size)
{
    void *room = calloc(n, size);
    if (room == NULL || rooms_taken == (int)(sizeof rooms / sizeof rooms[0])) {
        fputs("memory ran out\n", stderr);
        exit(1);
    }
    rooms[rooms_taken++] = room;
    return room;
}

static void give_back(void)
{
    while (rooms_taken > 0) {
        free(rooms[--rooms_taken]);
    }
}

static double *numbers(size_t n)
{
    return room_for(n, sizeof(double));
}

static int32_t *counts(size_t n)
{
    return room_for(n, sizeof(int32_t));
}

static void check(int error)
{
    if (error != 0) {
        fprintf(stderr, "error %d\n", error);
        exit(1);
    }
}

/* ---- chance -------------------------------------------------------------------------------------------- */

static uint64_t chance = 1;

/* In (0, 1): the upper bits of a linear congruential generator (Knuth's MMIX). */
static double unit(void)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return ((double)(chance >> 12) + 0.5) * 0x1p-52;
}

static double exponential(double mean)
{
    return -mean * log(unit());
}

static int32_t tokens(double mean, double most)
{
    return (int32_t)fmin(most, 1.0 + floor(exponential(mean)));
}

/* ---- requests ------------------------------------------------------------------------------------------ */

/* Memory of records, laid out by the list of their columns. */
static ms_record_columns records(void)
{
    ms_record_columns columns;
#define MAKE(type, name, value, is_late) columns.name = room_for(ROWS, sizeof(type));
    MS_RECORD_COLUMNS(MAKE)
#undef MAKE
    return columns;
}

static void fill_rows(ms_page *page, double *features, double *known, double *satisfied, double *uniforms, int32_t *outputs)
{
    for (int64_t i = 0; i < ROWS; i++) {
        const double difficulty = unit();
        for (int j = 0; j < FEATURES; j++) {
            features[j * ROWS + i] = difficulty + unit() - 1.0;
        }
        for (int k = 0; k < UNIFORMS; k++) {
            uniforms[UNIFORMS * i + k] = unit();
        }
        for (int m = 0; m < MODELS; m++) {
            known[m * ROWS + i] = (1 + m) * (1 + m) * (20.0 + 0.05 * page->prompt_tokens[i]);
            satisfied[m * ROWS + i] = difficulty < 0.4 + 0.11 * m ? 1.0 : 0.0;
            outputs[m * ROWS + i] = tokens(150.0, 2048.0);
        }
    }
}

/* Row i is turn i % TURNS of a conversation, whose first turn shares a system prompt with others. */
static void join_turns(ms_page *page)
{
    ms_page_turns *turns = &page->turns;
    int32_t *roots = counts(ROWS / TURNS), *first_child = counts(ROWS), *new_tokens = counts(ROWS);
    int64_t *starts = room_for(ROWS + 1, sizeof *starts), *session = room_for(ROWS, sizeof *session);
    double *wait_s = numbers(ROWS);
    turns->next_child = counts(ROWS);
    turns->model = counts(ROWS);
    page->path = room_for(ROWS * (TURNS + 1), sizeof *page->path);
    for (int32_t i = 0; i < ROWS; i++) {
        const int32_t turn = i % TURNS;
        if (turn == 0) {
            roots[i / TURNS] = i;
        }
        first_child[i] = turn + 1 < TURNS ? i + 1 : -1;
        turns->next_child[i] = -1;
        turns->model[i] = -1;
        new_tokens[i] = tokens(20.0, 2048.0);
        session[i] = (page->first + i) / TURNS;
        wait_s[i] = exponential(5.0);
        ms_node_of_path *path = page->path + starts[i];
        *path++ = (ms_node_of_path){session[i] % 50, 100};
        *path++ = (ms_node_of_path){1000 + page->first + i, page->prompt_tokens[i] += 100};
        starts[i + 1] = path - page->path;
    }
    turns->roots = roots;
    turns->n_roots = ROWS / TURNS;
    turns->first_child = first_child;
    turns->new_tokens = new_tokens;
    turns->session = session;
    turns->wait_s = wait_s;
    page->path_start = starts;
}

/* Requests one after another from `now_s` on, which moves to the last. */
static ms_page *page_of(int64_t first, const training *t, double *now_s)
{
    ms_page *page = room_for(1, sizeof *page);
    double *arrival_s = numbers(ROWS), *features = numbers(FEATURES * ROWS), *known = numbers(MODELS * ROWS);
    double *satisfied = numbers(MODELS * ROWS), *uniforms = numbers(UNIFORMS * ROWS);
    int32_t *outputs = counts(MODELS * ROWS);
    *page = (ms_page){.first = first, .n = ROWS, .open = ROWS, .tenant = counts(ROWS), .prompt_tokens = counts(ROWS)};
    for (int64_t i = 0; i < ROWS; i++) {
        if (!t->sessions || i % TURNS == 0) {
            *now_s += exponential((t->sessions ? 2.0 : 0.25) / (t->large ? 200.0 : 1.0));
        }
        arrival_s[i] = *now_s;
        page->prompt_tokens[i] = tokens(500.0, 8192.0);
    }
    fill_rows(page, features, known, satisfied, uniforms, outputs);
    if (t->sessions) {
        join_turns(page);
    }
    page->view = (ms_page_view){.n = ROWS,
                                .features = features,
                                .known_costs = known,
                                .uniforms = uniforms,
                                .prompt_tokens = page->prompt_tokens};
    page->arrival_s = arrival_s;
    page->output_tokens = t->servers ? outputs : NULL;
    page->satisfied = satisfied;
    page->delay_s = t->late_labels ? known : NULL; /* any numbers */
    page->record = records();
    return page;
}

/* ---- the cluster --------------------------------------------------------------------------------------- */

/* About as long as the iterations of an 8B model on one H100, times so much. */
static ms_coefficients seconds(double times)
{
    ms_coefficients c = {.ak_s_per_token = 4.2e-8 * times,
                         .akm_s_per_token = 1.8e-9 * times,
                         .aq_s_per_token2 = 7.9e-10 * times,
                         .a1_s = 2.4e-4 * times,
                         .akx_s_per_token = 5.9e-8 * times,
                         .ab_s_per_sequence = 3.5e-6 * times,
                         .host_kind = MS_HOST_OVERLAP,
                         .host_s = 0.0014,
                         .host_s_per_sequence = 4.1e-5,
                         .after_s = 5e-4,
                         .p0_w = 450.0 * times,
                         .p_cap_w = 700.0 * times,
                         .p_idle_w = 120.0 * times,
                         .e_j_per_token = 0.015 * times,
                         .knots = 19};
    for (int32_t k = 0; k < c.knots; k++) {
        c.knot_tokens[k] = floor(pow(1.66, k));
        c.knot_s[k] = (0.006 + 2e-5 * c.knot_tokens[k]) * times;
    }
    return c;
}

static void plan_pools(ms_pool_plan *plans, const training *t)
{
    const int32_t replicas[MODELS] = {1, 1, 3, 3};
    for (int m = 0; m < MODELS; m++) {
        plans[m] = (ms_pool_plan){.model = m,
                                  .replicas = t->large ? 400 : replicas[m],
                                  .coefficients = seconds(1.0 + m),
                                  .limits = {.schedule = t->schedule,
                                             .max_num_seqs = 256,
                                             .max_batched_tokens = 2048,
                                             .kv_capacity_tokens = 400000,
                                             .max_new_tokens = 2048,
                                             .kv_block_tokens = t->sessions ? 16 : 1,
                                             .prefix_cache = t->sessions}};
        if (t->apis) {
            plans[m].is_api = 1;
            plans[m].latency_s = 0.5;
            plans[m].tpot_s = 0.02;
            plans[m].usd_per_million_prompt_tokens = plans[m].usd_per_million_output_tokens = 1.0 + m;
        }
    }
}

static void prompt_costs(ms_prompt_cost *costs)
{
    for (int m = 0; m < MODELS; m++) {
        costs[m] = (ms_prompt_cost){.model = m,
                                    .of_model = 1,
                                    .share = 1.0,
                                    .known = {.coefficients = seconds(1.0 + m),
                                              .max_batched_tokens = 2048.0,
                                              .nominal_batch = 8.0,
                                              .mean_output_tokens = 150.0}};
    }
}

/* ---- a run --------------------------------------------------------------------------------------------- */

static ms_patience patience_of(const training *t)
{
    const ms_wait none = {.law = MS_WAITS_FOREVER}, some = {.law = MS_WAITS_EXPONENTIAL, .mean_s = 10.0};
    return (ms_patience){.wait = t->impatient ? some : none,
                         .aborts = 1,
                         .retries = 2,
                         .backoff = {.law = MS_WAITS_CONSTANT, .mean_s = 1.0},
                         .backoff_growth = 2.0};
}

static void plan_failures(ms_run *loop)
{
    check(ms_run_plan_breakdowns(loop, loop->fleet.replicas));
    for (int32_t i = 0; i < loop->fleet.replicas; i++) {
        loop->breakdowns[i] = (ms_breakdown){.replica = i, .random = 1, .fails = {1, 3, 0, 0}, .repairs = {1, 4, 0, 0}};
        loop->breakdowns[i].fails.sub = loop->breakdowns[i].repairs.sub = (uint32_t)i;
    }
}

static void set_router(ms_brain *brain, ms_predictor *predictor)
{
    check(ms_predictor_init(predictor, MODELS, FEATURES));
    predictor->learning_rate = 0.1;
    predictor->momentum = 0.9;
    brain->predictor = predictor;
    brain->policy = (ms_policy){.decide = ms_policy_mess_decide,
                                .rated = ms_policy_mess_rated,
                                .uniforms = UNIFORMS,
                                .params = of_policy + 1,
                                .state = state + 1};
}

static void run(const training *t)
{
    const ms_run_config config = {.models = MODELS,
                                  .uniforms = UNIFORMS,
                                  .tenants = 1,
                                  .features = FEATURES,
                                  .reference = MODELS - 1,
                                  .learns_every_answer = 1,
                                  .max_waiting = -1,
                                  .feedback_probability = 1.0,
                                  .keeps_delays = t->late_labels,
                                  .in_usd = t->apis,
                                  .patience = patience_of(t),
                                  .mtbf_s = t->impatient ? 1000.0 : 0.0,
                                  .mttr_s = 50.0,
                                  .horizon_s = INFINITY,
                                  .length = t->pages * ROWS,
                                  .instances = 1,
                                  .router_workers = 1,
                                  .reconcile_s = INFINITY};
    const ms_stream streams[2 * MODELS] = {{1, 2, 0, 0}};
    ms_pool_plan plans[MODELS];
    ms_prompt_cost costs[MODELS];
    ms_predictor predictor;
    ms_run loop;
    ms_dispatch_plan dispatch = usual_dispatch(t->rule);
    dispatch.packed_requests = 16; /* so that some fill */
    plan_pools(plans, t);
    prompt_costs(costs);
    check(ms_run_init(&loop, &config, alphas, 1.0, 0, t->servers ? MODELS : 0, plans,
                      &dispatch, streams));
    loop.prompt_costs = costs;
    loop.n_prompt_costs = MODELS;
    set_router(&loop.instances.brain[0], &predictor);
    if (t->impatient) {
        plan_failures(&loop);
    }
    check(ms_loop_begin(&loop));
    double now_s = 0.0;
    int status = MS_LOOP_NEEDS_PAGE;
    for (int64_t pages = 0; status != MS_LOOP_OVER; status = ms_loop_run(&loop, INT64_MAX)) {
        if (status < 0 || status == MS_LOOP_PAUSED) {
            check(status);
        } else if (pages < t->pages) {
            ms_loop_turn_page(&loop, page_of(pages++ * ROWS, t, &now_s));
        } else {
            ms_loop_no_more(&loop);
        }
    }
    printf("%lld events\n", (long long)loop.events);
    ms_run_free(&loop);
    ms_predictor_free(&predictor);
    give_back();
}

int main(void)
{
    const training long_ones[] = {{.servers = 1, .pages = 8}, {.pages = 8}, {.servers = 1, .sessions = 1, .pages = 8}};
    for (int k = 0; k < 3; k++) {
        run(&long_ones[k]);
    }
    for (int32_t rule = 0; rule < MS_OWN_RULE; rule++) {
        run(&(training){.servers = 1, .sessions = rule % 2, .late_labels = 1, .rule = rule, .pages = 2});
        run(&(training){.servers = 1, .sessions = !(rule % 2), .rule = rule, .pages = 2});
        run(&(training){.servers = 1, .sessions = 1, .large = 1, .rule = rule, .pages = 4});
    }
    for (int32_t schedule = MS_SCHEDULE_VLLM; schedule <= MS_SCHEDULE_TENSORRT_LLM; schedule++) {
        run(&(training){.servers = 1, .sessions = 1, .schedule = schedule, .pages = 2});
        run(&(training){.servers = 1, .schedule = schedule, .pages = 2});
    }
    run(&(training){.servers = 1, .impatient = 1, .pages = 2});
    run(&(training){.servers = 1, .impatient = 1, .late_labels = 1, .pages = 2});
    run(&(training){.servers = 1, .apis = 1, .pages = 2});
    run(&(training){.servers = 1, .apis = 1, .late_labels = 1, .pages = 2});
    return 0;
}
