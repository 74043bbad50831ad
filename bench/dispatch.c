/* What a request costs by the rule of dispatch: prints the CPU nanoseconds of one.
 *
 *     dispatch RULE REPLICAS POOLS REQUESTS
 *         [STATE_DELAY_S [WEIGHT_OF_SESSION WEIGHT_OF_ACTIVE WEIGHT_OF_NO_HIT_LRU WEIGHT_OF_TOKEN_LOAD IS_STICKY]]
 *
 * With a weight of token_load, and none of active and no_hit_lru, engines are not asked.
 *
 * The rule `own` is one of a user's that looks at all loads, as Numba would compile it; `own_two` looks at two of them, and
 * `own_caches` at all loads and caches. `loop` and `loop_caches` are their loops alone, over arrays that nobody fills.
 *
 * Conversations of four turns, on replicas each of which gets one turn every two seconds and takes one to answer. What is
 * timed is the second half: everything of the fleet, from the choice of a replica to the last token, but nothing of
 * requests, routing and records. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dispatch.h"
#include "training/usual_dispatch.h"
#include "view.h"

enum { TURNS = 4 };

typedef struct turn {
    ms_job job;
    ms_node_of_path path[1];
} turn;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* Whether a name is that one. */
static int is_name(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static int32_t number_of(const char *rule)
{
    static const char *const names[] = {"least_loaded", "round_robin",     "power_of_two", "shared_queue", "random",
                                        "session",      "prefix_affinity", "kv_router",    "scored",       "packed",
                                        "own",          "own_two",         "own_caches"};
    for (int32_t i = 0; i < (int32_t)(sizeof names / sizeof names[0]); i++) {
        if (is_name(names[i], rule)) {
            return i < MS_OWN_RULE ? i : MS_OWN_RULE;
        }
    }
    fail("no such rule");
    return -1;
}

static int64_t emptiest(int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
                        int64_t replicas, const double *numbers, const double *loads, const double *waiting,
                        const double *usage, const double *cached, const double *uniforms, const double *params,
                        double *state)
{
    (void)request, (void)attempt, (void)session, (void)prompt_tokens, (void)now_s, (void)numbers, (void)waiting, (void)usage,
        (void)cached, (void)uniforms, (void)params, (void)state;
    int64_t best = 0;
    for (int64_t i = 1; i < replicas; i++) {
        best = loads[i] < loads[best] ? i : best;
    }
    return best;
}

static int64_t emptier(int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
                       int64_t replicas, const double *numbers, const double *loads, const double *waiting,
                       const double *usage, const double *cached, const double *uniforms, const double *params,
                       double *state)
{
    (void)request, (void)attempt, (void)session, (void)prompt_tokens, (void)now_s, (void)numbers, (void)waiting, (void)usage,
        (void)cached, (void)params, (void)state;
    const int64_t a = (int64_t)(uniforms[0] * (double)replicas), b = (int64_t)(uniforms[1] * (double)replicas);
    return loads[b] < loads[a] ? b : a;
}

static int64_t least_work(int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
                          int64_t replicas, const double *numbers, const double *loads, const double *waiting,
                          const double *usage, const double *cached, const double *uniforms, const double *params,
                          double *state)
{
    (void)request, (void)attempt, (void)session, (void)prompt_tokens, (void)now_s, (void)numbers, (void)waiting, (void)usage,
        (void)uniforms, (void)params, (void)state;
    int64_t best = 0;
    for (int64_t i = 1; i < replicas; i++) {
        best = 500.0 * loads[i] - cached[i] < 500.0 * loads[best] - cached[best] ? i : best;
    }
    return best;
}

static ms_own_rule own_rule(const char *rule)
{
    const int sees_caches = is_name(rule, "own_caches");
    return (ms_own_rule){.pick = is_name(rule, "own_two") ? emptier : sees_caches ? least_work : emptiest,
                         .sees_loads = 1,
                         .sees_caches = sees_caches};
}

/* What a loop takes by itself. */
static int calls_alone(ms_pick_fn pick, int32_t replicas, int64_t requests)
{
    double *columns = calloc(2 * (size_t)replicas, sizeof *columns);
    int64_t sum = 0;
    if (columns == NULL) {
        fail("memory ran out");
    }
    const clock_t began = clock();
    for (int64_t i = 0; i < requests; i++) {
        sum += pick(i, 0, 0, 0, 0.0, replicas, NULL, columns, NULL, NULL, columns + replicas, NULL, NULL, NULL);
    }
    free(columns);
    printf("%.1f\n", (double)(clock() - began) / CLOCKS_PER_SEC * 1e9 / (double)requests);
    return sum == 0 ? 0 : 1;
}

/* The k-th turn of a conversation sends 150 tokens more than the one before. */
static turn *turn_of(int64_t request, int64_t active)
{
    turn *made = malloc(sizeof *made);
    if (made == NULL) {
        fail("memory ran out");
    }
    const int32_t k = (int32_t)(request / active % TURNS), tokens = 200 + 150 * k;
    ms_job_init(&made->job, request, 0, tokens, 50);
    made->path[0] = (ms_node_of_path){request % active + active * (request / (active * TURNS)), tokens};
    made->job.path = made->path;
    made->job.path_length = 1;
    made->job.session = made->path[0].id;
    return made;
}

static void advance(ms_fleet *fleet, double until_s)
{
    for (;;) {
        const int32_t replica = ms_tournament_best(&fleet->moments);
        const double time_s = fleet->moments.values[replica];
        if (!(time_s <= until_s)) {
            return;
        }
        ms_view_look(fleet, time_s);
        if (ms_kind_of(fleet->moments.orders[replica]) == MS_ENDS) {
            ms_queue done = {0};
            if (ms_fleet_finish(fleet, replica, &done) != 0) {
                fail("finish");
            }
            for (ms_job *job = ms_queue_pop(&done); job != NULL; job = ms_queue_pop(&done)) {
                fleet->pool[job->pool].unfinished--;
                free(job);
            }
        }
        if (ms_fleet_start(fleet, replica, time_s) != 0) {
            fail("start");
        }
    }
}

/* The k-th word as a number; 0 where there are fewer. */
static double number_at(int count, char **words, int k)
{
    return count > k ? atof(words[k]) : 0.0;
}

static ms_dispatch_plan plan_of(int count, char **words)
{
    const double session = number_at(count, words, 6), busy = number_at(count, words, 7);
    const double unknown = number_at(count, words, 8), token_load = number_at(count, words, 9);
    const int tokens_alone = token_load > 0.0 && !(busy > 0.0 || unknown > 0.0);
    ms_dispatch_plan plan = usual_dispatch(number_of(words[1]));
    plan.state_delay_s = number_at(count, words, 5);
    plan.packed_requests = 4; /* of half a request a replica: an eighth of them fill */
    plan.is_sticky = number_at(count, words, 10) > 0.0;
    plan.weights.queue = plan.weights.kv_cache = tokens_alone ? 0.0 : 2.0;
    plan.weights.token_load = token_load;
    plan.weights.session = session;
    plan.weights.active = busy;
    plan.weights.no_hit_lru = unknown;
    return plan;
}

static void make(ms_fleet *fleet, int32_t replicas, int32_t pools, const ms_dispatch_plan *plan)
{
    const ms_stream stream = {1, 2, 0, 0};
    ms_pool_plan *plans = calloc((size_t)pools, sizeof *plans);
    if (plans == NULL) {
        fail("memory ran out");
    }
    for (int32_t p = 0; p < pools; p++) {
        plans[p] = (ms_pool_plan){.replicas = replicas / pools,
                                  .coefficients = {.a0_s = 0.02, .p0_w = 100.0, .p_cap_w = 700.0, .ab_s_per_sequence = 1e-5},
                                  .limits = {.max_num_seqs = 256,
                                             .max_batched_tokens = 8192,
                                             .kv_capacity_tokens = 50000,
                                             .kv_block_tokens = 16,
                                             .prefix_cache = 1}};
        plans[p].front_end.law = MS_WAITS_FOREVER;
    }
    if (ms_fleet_init(fleet, pools, plans, 1, plan, &stream) != 0) {
        fail("init");
    }
    free(plans);
}

int main(int count, char **words)
{
    if (count < 5) {
        fail("dispatch RULE REPLICAS POOLS REQUESTS [STATE_DELAY_S [WEIGHTS ...]]");
    }
    const int32_t replicas = atoi(words[2]), pools = atoi(words[3]);
    const int64_t requests = atoll(words[4]), active = 4 * (int64_t)replicas;
    if (is_name(words[1], "loop") || is_name(words[1], "loop_caches")) {
        return calls_alone(is_name(words[1], "loop") ? emptiest : least_work, replicas, requests);
    }
    const ms_dispatch_plan plan = plan_of(count, words);
    ms_fleet fleet;
    make(&fleet, replicas, pools, &plan);
    fleet.servers[0].own = own_rule(words[1]);
    const double gap_s = 2.0 / (double)replicas;
    clock_t began = 0;
    for (int64_t request = 0; request < requests; request++) {
        const double time_s = (double)request * gap_s;
        if (request == requests / 2) {
            began = clock();
        }
        advance(&fleet, time_s);
        ms_view_look(&fleet, time_s);
        turn *made = turn_of(request, active);
        if (ms_dispatch_place(&fleet, &made->job, -1, time_s) != MS_PLACED) {
            fail("not placed");
        }
    }
    printf("%.1f\n", (double)(clock() - began) / CLOCKS_PER_SEC * 1e9 / (double)(requests - requests / 2));
    return 0;
}
