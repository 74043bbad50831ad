#include "worlds.h"

#include "error.h"

/* What the rule was shown last, and what it is to be shown if that is known; and what it answers. */
static struct shown {
    int64_t request, attempt, session, prompt_tokens, replicas;
    double now_s, numbers[REPLICAS_MOST], loads[REPLICAS_MOST], waiting[REPLICAS_MOST], usage[REPLICAS_MOST];
    double cached[REPLICAS_MOST], uniforms[2];
    int64_t calls;
} shown, due;
enum { BELOW_ALL = -1000 };
static int64_t answer;
static double constants[] = {1.0, 7.5}, room[] = {2.0, 1.0, 0.0};
static double *const memory = room + 1; /* its length stands before it */

static int64_t watch(int64_t request, int64_t attempt, int64_t session, int64_t prompt_tokens, double now_s,
                     int64_t replicas, const double *numbers, const double *loads, const double *waiting,
                     const double *usage, const double *cached, const double *uniforms, const double *params,
                         double *state)
{
    const size_t bytes = (size_t)replicas * sizeof(double);
    shown = (struct shown){request, attempt, session, prompt_tokens, replicas, now_s, {0}, {0}, {0}, {0}, {0},
                           {uniforms[0], uniforms[1]}, shown.calls + 1};
    memcpy(shown.numbers, numbers, bytes);
    memcpy(shown.loads, loads, bytes);
    memcpy(shown.waiting, waiting, bytes);
    memcpy(shown.usage, usage, bytes);
    memcpy(shown.cached, cached, bytes);
    CHECK(params == constants && state == memory);
    if (due.calls > 0) {
        CHECK(memcmp(numbers, due.numbers, bytes) == 0 && memcmp(loads, due.loads, bytes) == 0);
        CHECK(memcmp(waiting, due.waiting, bytes) == 0 && memcmp(usage, due.usage, bytes) == 0);
        CHECK(memcmp(cached, due.cached, bytes) == 0);
    }
    state[1] += 1.0;
    if (answer == BELOW_ALL) {
        return -7;
    }
    return answer >= 0 ? answer % replicas : -answer + replicas - 1; /* the last of them is -1 */
}

/* It goes by the number of the request, and notes what is to be shown. */
static int32_t in_turn(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)t_s;
    for (int32_t i = 0; i < n; i++) {
        due.numbers[i] = fleet->pool_of[up[i]] == 0 ? up[i] : up[i] - BETWEEN; /* among its model's */
        due.loads[i] = (double)seen_unfinished[up[i]];
        due.waiting[i] = (double)seen_waiting[up[i]];
        due.usage[i] = seen_usage[up[i]];
        due.cached[i] = (double)seen_cached(job, up[i]);
    }
    due.calls += n > 1;
    answer = job->request;
    return up[job->request % n];
}

/* As few as are read anew for each request, and as many as what is shown is kept of; now and then one is down, or a pool full. */
static void a_rule_of_ones_own_picks(void)
{
    for (int k = 0; k < 4; k++) {
        ms_fleet fleet;
        make_world(&fleet, k % 2 ? 20 : 3, &(ms_dispatch_plan){.rule = MS_OWN_RULE, .state_delay_s = k / 2 * 0.4});
        fleet.servers[0].own = (ms_own_rule){
            .pick = watch, .params = constants, .state = memory, .sees_loads = 1, .sees_engines = 1, .sees_caches = 1};
        shown.calls = due.calls = 0;
        memory[1] = 0.0;
        const int32_t chosen = wander(&fleet, (uint64_t)k + 60, in_turn);
        CHECK(chosen > 900 && shown.calls == chosen && memory[1] == (double)chosen);
        due.calls = 0;
        ms_fleet_free(&fleet);
    }
}

/* Three replicas: one runs a job with the same start and has another that waits, one is down, one has nothing. */
static void a_rule_sees_what_it_asked_for(void)
{
    const ms_node_of_path path[] = {{1, 9}};
    for (int sees = 0; sees < 8; sees++) {
        ms_fleet fleet;
        ms_queue evicted = {0};
        make_world(&fleet, 3, &(ms_dispatch_plan){.rule = MS_OWN_RULE});
        fleet.pool[0].plan.limits.max_num_seqs = 3;
        fleet.servers[0].own = (ms_own_rule){.pick = watch,
                                             .params = constants,
                                             .state = memory,
                                             .sees_loads = sees & 1,
                                             .sees_engines = sees & 2,
                                             .sees_caches = sees & 4};
        for (int32_t i = 0; i < 3; i++) {
            jobs[i] = ms_job_new(i, 0, 30, 5);
            jobs[i].path = path;
            jobs[i].path_length = 1;
        }
        answer = 0;
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED && jobs[0].server == 0);
        ms_queue done = {0};
        step(&fleet, &done);
        CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 0.5) == MS_PLACED && jobs[1].server == 0);
        ms_fleet_fail(&fleet, 1, 0.5, &evicted);
        jobs[2].session = 6;
        jobs[2].attempt = 2;
        answer = 1;
        CHECK(ms_dispatch_place(&fleet, &jobs[2], -1, 0.75) == MS_PLACED && jobs[2].server == 2 + BETWEEN);
        CHECK(shown.request == 2 && shown.attempt == 2 && shown.session == 6 && shown.prompt_tokens == 30);
        CHECK(shown.replicas == 2 && shown.now_s == 0.75 && shown.numbers[0] == 0.0 && shown.numbers[1] == 2.0);
        CHECK(shown.uniforms[0] == draw_of(&jobs[2], 0) && shown.uniforms[1] == draw_of(&jobs[2], 1));
        CHECK(shown.loads[0] == (sees & 1 ? 2.0 : 0.0) && shown.loads[1] == 0.0);
        CHECK(shown.waiting[0] == (sees & 2 ? 1.0 : 0.0) && shown.waiting[1] == 0.0);
        CHECK(shown.usage[0] == (sees & 2 ? 8.0 / 30.0 : 0.0) && shown.usage[1] == 0.0);
        CHECK(shown.cached[0] == (sees & 4 ? 8.0 : 0.0) && shown.cached[1] == 0.0);
        ms_fleet_free(&fleet);
    }
}

/* What is no place among those it may choose from is an error, and never the first. */
static void an_answer_that_names_nobody_is_an_error(void)
{
    ms_fleet fleet;
    make_world(&fleet, 3, &(ms_dispatch_plan){.rule = MS_OWN_RULE});
    fleet.servers[0].own = (ms_own_rule){.pick = watch, .params = constants, .state = memory};
    jobs[0] = ms_job_new(17, 0, 4, 5);
    answer = -1; /* as many as there are */
    CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_ERR_PICK);
    CHECK(fleet.wrong_request == 17 && fleet.wrong_pick == 3);
    jobs[2] = ms_job_new(19, 0, 4, 5);
    answer = BELOW_ALL;
    CHECK(ms_dispatch_place(&fleet, &jobs[2], -1, 0.0) == MS_ERR_PICK);
    CHECK(fleet.wrong_request == 19 && fleet.wrong_pick == -7);
    int32_t pool, replica;
    memory[1] = 5.0;
    CHECK(ms_dispatch_look(&fleet, &jobs[2], -1, 0.0, &pool, &replica) == MS_ERR_PICK && memory[1] == 5.0);
    answer = 3; /* 0 */
    jobs[1] = ms_job_new(18, 0, 4, 5);
    CHECK(ms_dispatch_place(&fleet, &jobs[1], -1, 0.0) == MS_PLACED && jobs[1].server == 0);
    ms_fleet_free(&fleet);
}

/* Among many whose blocks differ from pool to pool, caches are read anew for each. Where blocks are alike nobody is looked at
 * who has none of the prompt: what stands at 11, which nothing else changes, stays. */
static void caches_of_different_blocks_are_read_anew(void)
{
    const ms_node_of_path path[] = {{1, 12}};
    for (int c = 0; c < 4; c++) {
        const int sees = c % 2, are_alike = c / 2;
        ms_fleet fleet;
        ms_pool_plan plans[] = {pool_of(0, 12, 3), pool_of(0, 8, 2)};
        for (int k = 0; k < 2; k++) {
            plans[k].limits.kv_block_tokens = k && !are_alike ? 5 : 4;
            plans[k].limits.prefix_cache = 1;
        }
        CHECK(ms_fleet_init(&fleet, 2, plans, 1, &(ms_dispatch_plan){.rule = MS_OWN_RULE}, streams) == 0);
        fleet.servers[0].own = (ms_own_rule){.pick = watch, .params = constants, .state = memory, .sees_caches = sees};
        ms_queue done = {0};
        for (int32_t i = 0; i < 3; i++) {
            jobs[i] = ms_job_new(i, 0, 30, 5);
            jobs[i].path = path;
            jobs[i].path_length = 1;
            answer = i == 0 ? 3 : i == 1 ? 15 : 7;
            fleet.servers[0].view.cached[11] = are_alike ? 77.0 : 0.0;
            CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED && jobs[i].server == answer);
            CHECK(fleet.servers[0].block_tokens == (are_alike ? 4 : 0) && shown.replicas == 20);
            const double second = are_alike ? 12.0 : 10.0, stays = are_alike ? 77.0 : 0.0;
            for (int r = 0; r < 20 && i == 2; r++) {
                const double cached = !sees ? 0.0 : r == 3 ? 12.0 : r == 15 ? second : 0.0;
                CHECK(shown.cached[r] == (r == 11 ? stays : cached) && shown.numbers[r] == r);
            }
            for (int k = 0; k < 2; k++) { /* it starts, and ends its prompt */
                step(&fleet, &done);
            }
        }
        ms_fleet_free(&fleet);
    }
}

/* Who drains still fills its cache with what it has to prefill, and is not among those that are shown: what another had of
 * that prompt is shown for it alone. */
static void nothing_is_shown_of_who_drains(void)
{
    const ms_node_of_path paths_of[] = {{1, 12}, {2, 12}};
    ms_fleet fleet;
    ms_queue done = {0};
    ms_pool_plan plan = pool_of(0, 20, 3);
    plan.limits.kv_block_tokens = 4;
    plan.limits.prefix_cache = 1;
    CHECK(ms_fleet_init(&fleet, 1, &plan, 1, &(ms_dispatch_plan){.rule = MS_OWN_RULE}, streams) == 0);
    fleet.servers[0].own = (ms_own_rule){.pick = watch, .params = constants, .state = memory, .sees_caches = 1};
    const int32_t sent_to_them[] = {3, 14, 7, 7};
    for (int32_t i = 0; i < 4; i++) {
        jobs[i] = ms_job_new(i, 0, 30, 5);
        jobs[i].path = &paths_of[i == 3];
        jobs[i].path_length = 1;
        answer = sent_to_them[i];
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, 0.0) == MS_PLACED);
        if (i == 0) {
            fleet.failures[3]++;
            fleet.phase[3] = MS_DRAINING;
            ms_fleet_refresh(&fleet, 3);
        }
        CHECK(shown.replicas == (i == 0 ? 20 : 19));
        for (int r = 0; r < shown.replicas; r++) {
            CHECK(shown.cached[r] == (i == 2 && shown.numbers[r] == 15.0 ? 12.0 : 0.0));
        }
        for (int k = 0; k < 2 && i < 2; k++) { /* it starts, and ends its prompt */
            step(&fleet, &done);
        }
    }
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(a_rule_of_ones_own_picks);
    RUN(a_rule_sees_what_it_asked_for);
    RUN(an_answer_that_names_nobody_is_an_error);
    RUN(nothing_is_shown_of_who_drains);
    RUN(caches_of_different_blocks_are_read_anew);
    return report();
}
