#include "loops.h"

#include "dispatch.h"
#include "scales.h"
#include "scaling.h"

static ms_run loop;

/* Three replicas of model 0 at most, one of them at first; each is ready 4 * 0.25 s after it is wanted. */
static void make_scaled(int32_t dispatch, enum ms_autoscale_rule rule, double target)
{
    ms_run_config config = plain;
    ms_pool_plan plans[] = {pool_of(0, 3), pool_of(1, 1)};
    ms_autoscale_plan *plan = &plans[0].autoscale;
    config.keeps_delays = 1;
    *plan = plan_of(rule, target);
    plan->initial = plan->least = 1;
    plan->down_window_s = 0.0;
    for (int k = 0; k < MS_COLD_PHASES; k++) {
        plan->cold_start[k] = seconds(0.25);
    }
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = dispatch}, streams) == 0);
    loop.instances.brain[0].policy = lists;
}

/* Phases of the three, as digits. */
static int phases(void)
{
    return 100 * loop.fleet.phase[0] + 10 * loop.fleet.phase[1] + loop.fleet.phase[2];
}

enum { ROO = 100 * MS_READY + 10 * MS_OFF + MS_OFF, RLO = 100 * MS_READY + 10 * MS_LOADING + MS_OFF };
enum { RRO = 100 * MS_READY + 10 * MS_READY + MS_OFF, RDO = 100 * MS_READY + 10 * MS_DRAINING + MS_OFF };
enum { RLL = 100 * MS_READY + 10 * MS_LOADING + MS_LOADING, RRR = 100 * MS_READY + 10 * MS_READY + MS_READY };

static void decide(double t_s, int64_t unfinished)
{
    loop.now_s = t_s;
    loop.fleet.pool[0].unfinished = unfinished;
    CHECK(ms_scaling_decide(&loop, 0) == 0);
}

static void loaded(double t_s, int32_t replica)
{
    loop.now_s = t_s;
    CHECK(ms_scaling_loaded(&loop, replica) == 0);
}

/* Two requests a replica: one wants one replica, at once; the second comes when four wait, and goes again. */
static void a_run_starts_and_drains_replicas(void)
{
    const ms_run_config config = plain;
    ms_pool_plan plans[] = {pool_of(0, 2), pool_of(1, 1)};
    plans[0].autoscale = plan_of(MS_SCALES_BY_TARGET, 2.0);
    plans[0].autoscale.initial = 1;
    plans[0].autoscale.least = 1;
    plans[0].autoscale.down_window_s = 0.0;
    for (int k = 0; k < MS_COLD_PHASES; k++) {
        plans[0].autoscale.cold_start[k] = (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = 0.25};
    }
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
          streams) == 0);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(loop.fleet.phase[1] == MS_OFF && loop.fleet.pool[0].up == 1);
    loop.now_s = 2.0;
    loop.fleet.pool[0].unfinished = 4;
    CHECK(ms_scaling_decide(&loop, 0) == 0);
    CHECK(loop.fleet.phase[1] == MS_LOADING && loop.fleet.pool[0].loading == 1);
    loop.now_s = 3.0;
    CHECK(ms_scaling_loaded(&loop, 1) == 0);
    CHECK(loop.fleet.phase[1] == MS_READY && loop.fleet.pool[0].up == 2);
    CHECK(ms_meters_rented_s(&loop.fleet, 0, 5.0) == 5.0 + 3.0 && ms_meters_idle_s(&loop.fleet, 0, 5.0) == 8.0);
    loop.now_s = 6.0;
    loop.fleet.pool[0].unfinished = 0;
    CHECK(ms_scaling_decide(&loop, 0) == 0); /* it has nothing to do, and is off at once */
    CHECK(loop.fleet.phase[1] == MS_OFF && loop.fleet.pool[0].up == 1 && loop.fleet.draining == 0);
    CHECK(ms_meters_rented_s(&loop.fleet, 0, 10.0) == 10.0 + 4.0);
    ms_job job[2];
    for (int32_t k = 0; k < 2; k++) { /* the second, were it there, would be the emptier one */
        ms_job_init(&job[k], k, 0, 1, 1);
        CHECK(ms_dispatch_place(&loop.fleet, &job[k], -1, 10.0) == MS_PLACED);
        CHECK(loop.fleet.replica[0].own_queue.tail == &job[k]);
    }
    ms_run_free(&loop);
}

/* Those that load are called off first, the last of them; a call that was called off changes nothing when it is
 * over. */
static void what_loads_is_called_off_first(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    CHECK(ms_loop_begin(&loop) == 0);
    const ms_pool *pool = &loop.fleet.pool[0];
    CHECK(phases() == ROO && pool->up == 1 && pool->loading == 0 && loop.fleet.starts[1] == 0);
    decide(2.0, 6);
    CHECK(phases() == RLL && pool->loading == 2 && loop.fleet.ready_s[2] == 3.0 && loop.fleet.starts[2] == 1);
    decide(2.25, 4);
    CHECK(phases() == RLO && pool->loading == 1 && ms_meters_rented_s(&loop.fleet, 0, 2.25) == 2.25 + 2.0 * 0.25);
    decide(2.5, 6); /* it loads anew, until 3.5 s */
    CHECK(phases() == RLL && loop.fleet.starts[2] == 2 && loop.fleet.ready_s[2] == 3.5);
    loaded(3.0, 2);
    CHECK(phases() == RLL && pool->up == 1);
    loaded(3.0, 1);
    CHECK(phases() == RRO - MS_OFF + MS_LOADING && pool->up == 2 && pool->loading == 1);
    loaded(3.5, 2);
    CHECK(phases() == RRR && pool->up == 3 && pool->loading == 0 && loop.fleet.servers[0].up == 3);
    CHECK(ms_meters_rented_s(&loop.fleet, 0, 4.0) == 4.0 + 2.0 + 0.25 + 1.5);
    ms_run_free(&loop);
}

/* Those that load are called off before any that is ready, the first replica of a pool too. */
static void the_first_that_loads_is_called_off(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    loop.fleet.pool[0].plan.autoscale.initial = 0;
    CHECK(ms_loop_begin(&loop) == 0);
    decide(2.0, 4);
    CHECK(phases() == 100 * MS_LOADING + 10 * MS_LOADING + MS_OFF);
    loaded(3.0, 1);
    decide(3.0, 2);
    CHECK(phases() == 100 * MS_OFF + 10 * MS_READY + MS_OFF && loop.fleet.pool[0].up == 1);
    ms_run_free(&loop);
}

/* At 2 s four wait: the second loads, and is up at 3 s for the fifth. At 4 s three are left for one: it takes no
 * more, and is off as it has done what it has, at 3.5 + 5 s. The sixth goes to the first, whatever is there. */
static void who_drains_serves_to_the_end(void)
{
    ask(6, 0.0, 2, 5);
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    const double arrivals_s[] = {0.0, 0.0, 0.0, 1.5, 3.5, 4.25};
    memcpy(sheets[0].arrival_in, arrivals_s, sizeof arrivals_s);
    loop.fleet.pool[0].plan.autoscale.target = 2.0;
    begin(&loop);
    run_until(&loop, 3.75);
    CHECK(phases() == RRO && loop.fleet.replica[1].sequences.running == 1);
    loop.fleet.pool[0].plan.autoscale.target = 10.0; /* one is enough from now on */
    run_until(&loop, 4.0);
    CHECK(phases() == RDO && loop.fleet.draining == 1 && loop.fleet.pool[0].draining == 1 &&
          loop.fleet.pool[0].up == 1);
    CHECK(loop.fleet.servers[0].up == 1 && loop.fleet.replica[1].sequences.running == 1);
    run_until(&loop, 8.25);
    CHECK(phases() == RDO);
    run_until(&loop, 8.5);
    CHECK(phases() == ROO && loop.fleet.draining == 0 && loop.fleet.pool[0].draining == 0);
    CHECK(ms_meters_rented_s(&loop.fleet, 0, 20.0) == 20.0 + 6.5);
    CHECK(ms_meters_idle_s(&loop.fleet, 0, 8.5) == 1.5); /* of the second, from 2 to 3.5 s */
    end(&loop);
    const int32_t replicas[] = {0, 0, 0, 0, 1, 0};
    for (int i = 0; i < 6; i++) {
        CHECK(sheets[0].replica[i] == replicas[i] && sheets[0].status[i] == MS_COMPLETED);
    }
    CHECK(sheets[0].finish[4] == 8.5);
    ms_run_free(&loop);
}

/* The one with the fewest requests is closed, of equals the last. */
static void the_emptiest_is_closed(void)
{
    for (int busy = 0; busy < 3; busy++) {
        make_scaled(MS_ROUND_ROBIN, MS_SCALES_BY_TARGET, 2.0);
        CHECK(ms_loop_begin(&loop) == 0);
        decide(2.0, 6);
        loaded(3.0, 1);
        loaded(3.0, 2);
        ms_job jobs[3];
        for (int32_t k = 0; k < 3; k++) {
            jobs[k] = (ms_job){0};
            ms_job_init(&jobs[k], k, 0, 1, 1);
            if (k != busy) {
                ms_queue_push_tail(&loop.fleet.replica[k].own_queue, &jobs[k]);
            }
        }
        decide(4.0, 4);
        CHECK(loop.fleet.phase[busy] == MS_OFF && loop.fleet.pool[0].up == 2);
        decide(6.0, 2); /* of two equals the last */
        CHECK(loop.fleet.phase[busy == 2 ? 1 : 2] == MS_DRAINING);
        for (int32_t k = 0; k < 3; k++) {
            loop.fleet.replica[k].own_queue = (ms_queue){0};
        }
        ms_run_free(&loop);
    }
}

/* While all others drain, nobody can be started. */
static void who_drains_is_not_started_again(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    CHECK(ms_loop_begin(&loop) == 0);
    decide(2.0, 4);
    loaded(3.0, 1);
    ms_job job;
    ms_job_init(&job, 0, 0, 1, 1);
    ms_queue_push_tail(&loop.fleet.replica[1].own_queue, &job);
    loop.fleet.dispatch.decode_first = 1;
    loop.fleet.promised[0] = 2; /* that has more */
    decide(4.0, 2);
    CHECK(phases() == RDO);
    const int64_t awaited = loop.heap.length;
    decide(6.0, 6);
    CHECK(phases() == RDO + MS_LOADING - MS_OFF && loop.fleet.pool[0].loading == 1);
    CHECK(loop.heap.length == awaited + 2); /* that it is ready, and the next look */
    loop.fleet.replica[1].own_queue = (ms_queue){0};
    loop.fleet.promised[0] = 0;
    ms_scaling_settle(&loop);
    CHECK(phases() == RLL - 10 * MS_LOADING + 10 * MS_OFF && loop.fleet.draining == 0);
    ms_run_free(&loop);
}

/* With a shared queue a replica that loads takes from it once it is ready; one that drains takes no more. */
static void a_shared_queue_is_left_and_joined(void)
{
    make_scaled(MS_SHARED_QUEUE, MS_SCALES_BY_TARGET, 2.0);
    CHECK(ms_loop_begin(&loop) == 0);
    const ms_replica *second = &loop.fleet.replica[1];
    CHECK(second->queue == &second->own_queue);
    decide(2.0, 4);
    CHECK(second->queue == &second->own_queue);
    ms_job job;
    ms_job_init(&job, 0, 0, 1, 1);
    loop.fleet.replica[0].state = MS_RUNNING; /* and has no place */
    loop.fleet.replica[0].full = 1;
    ms_tournament_set(&loop.fleet.moments, 0, 9.0, ms_order(MS_ENDS, 0));
    ms_queue_push_tail(&loop.fleet.pool[0].shared, &job);
    loaded(3.0, 1);
    CHECK(second->queue == &loop.fleet.pool[0].shared && second->state == MS_BOUNDARY);
    CHECK(loop.fleet.moments.values[1] == 3.0);
    decide(4.0, 2);
    CHECK(second->queue == &second->own_queue && phases() == ROO);
    loop.fleet.pool[0].shared = (ms_queue){0};
    ms_run_free(&loop);
}

/* What was held while none was up goes to the first that is ready. */
static void a_replica_that_is_ready_takes_what_was_held(void)
{
    ask(1, 1.0, 4, 3);
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    loop.fleet.pool[0].plan.autoscale.initial = loop.fleet.pool[0].plan.autoscale.least = 0;
    begin(&loop);
    run_until(&loop, 0.0);
    CHECK(loop.fleet.pool[0].up == 0 && loop.fleet.servers[0].held.length == 1);
    run_until(&loop, 2.5);
    CHECK(phases() == 100 * MS_LOADING + 10 * MS_OFF + MS_OFF);
    end(&loop);
    CHECK(sheets[0].start[0] == 3.0 && sheets[0].finish[0] == 6.0 && sheets[0].replica[0] == 0);
    ms_run_free(&loop);
}

/* Of two pools that decode and have nobody up, the first that takes as long a request as is held comes up for it. */
static void what_is_held_counts_for_the_pool_that_takes_it(void)
{
    const int32_t prompt[] = {5, 40, 5}, max_new[] = {5, 5, 40};
    for (int c = 0; c < 6; c++) {
        const int k = c / 2, model = c % 2;
        const ms_run_config config = plain;
        ms_pool_plan plans[] = {pool_of(1 - model, 1), pool_of(model, 1), pool_of(model, 1)};
        plans[1].most_tokens = 20;
        for (int p = 1; p < 3; p++) {
            plans[p].autoscale = plan_of(MS_SCALES_BY_TARGET, 2.0);
        }
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 3, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
                          streams) == 0);
        CHECK(ms_loop_begin(&loop) == 0);
        ms_job job;
        ms_job_init(&job, 0, model, prompt[k], max_new[k]);
        ms_queue_push_tail(&loop.fleet.servers[model].held, &job);
        loop.now_s = 2.0;
        for (int32_t p = 1; p < 3; p++) {
            loop.fleet.pool[p].plan.limits.role = MS_ROLE_DECODE;
            CHECK(ms_scaling_decide(&loop, p) == 0);
            CHECK(loop.fleet.phase[p] == (p == 1 + (k > 0) ? MS_LOADING : MS_OFF));
        }
        loop.fleet.servers[model].held = (ms_queue){0};
        ms_run_free(&loop);
    }
}

/* By saturation: each replica that is ready with the memory that it uses, and what waits there. */
static void saturation_looks_at_those_that_are_ready(void)
{
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        make_scaled(is_shared ? MS_SHARED_QUEUE : MS_LEAST_LOADED, MS_SCALES_BY_SATURATION, 0.0);
        ms_autoscale_plan *plan = &loop.fleet.pool[0].plan.autoscale;
        plan->saturated_usage = 0.8;
        plan->saturated_waiting = 5.0;
        plan->spare_usage = 0.1;
        plan->spare_waiting = 3.0;
        CHECK(ms_loop_begin(&loop) == 0);
        ms_job waiting[4];
        for (int32_t k = 0; k < 4; k++) {
            ms_job_init(&waiting[k], k, 0, 1, 1);
        }
        ms_queue *queue = is_shared ? &loop.fleet.pool[0].shared : &loop.fleet.replica[0].own_queue;
        decide(2.0, 1);
        CHECK(phases() == ROO);
        ms_queue_push_tail(queue, &waiting[0]);
        ms_queue_push_tail(queue, &waiting[1]);
        decide(4.0, 2); /* 2 wait: 5 - 2 is enough to spare */
        CHECK(phases() == ROO);
        ms_queue_push_tail(queue, &waiting[2]);
        decide(6.0, 3);
        CHECK(phases() == RLO);
        decide(6.5, 3); /* one loads already */
        CHECK(phases() == RLO);
        loaded(7.0, 1);
        decide(8.0, 3); /* of the two each has 1.5 of what waits for both */
        CHECK(phases() == RRO);
        *queue = (ms_queue){0};
        ms_run_free(&loop);
    }
}

/* Looks come at multiples of the period, of each pool for itself, before anything else of their instant. */
static void looks_come_at_multiples_of_the_period(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(loop.heap.length == 1 && loop.heap.events[0].when.time_s == 2.0 && loop.heap.events[0].detail == 0);
    CHECK(loop.heap.events[0].when.order == ms_order(MS_RECONCILES, 1));
    loop.fleet.pool[1].plan.autoscale = loop.fleet.pool[0].plan.autoscale;
    loop.fleet.pool[1].plan.autoscale.rule = MS_SCALES_BY_SCHEDULE;
    CHECK(ms_scaling_decide(&loop, 1) == 0 && loop.heap.length == 2);
    ms_heap_pop(&loop.heap);
    CHECK(loop.heap.events[0].when.order == ms_order(MS_RECONCILES, 2) && loop.heap.events[0].detail == 1);
    ms_heap_pop(&loop.heap);
    decide(2.0, 0);
    CHECK(loop.heap.length == 1 && loop.heap.events[0].when.time_s == 4.0);
    ms_run_free(&loop);
}

/* What the router believes to be in the cache of a replica is forgotten as that is closed. */
static void what_a_closed_replica_has_is_forgotten(void)
{
    const ms_node_of_path path[] = {{1, 8}};
    make_scaled(MS_PREFIX_AFFINITY, MS_SCALES_BY_TARGET, 2.0);
    loop.fleet.dispatch.eviction_s = 1e9;
    CHECK(ms_loop_begin(&loop) == 0);
    decide(2.0, 4);
    loaded(3.0, 1);
    ms_job job;
    ms_job_init(&job, 0, 0, 10, 1);
    job.path = path;
    job.path_length = 1;
    ms_texts *texts = &loop.fleet.servers[0].texts;
    CHECK(ms_texts_add(texts, &job, 0) == 0 && ms_texts_add(texts, &job, 1) == 0);
    decide(4.0, 2);
    CHECK(phases() == ROO && texts->list[0].units == 10 && texts->list[1].units == 0);
    ms_run_free(&loop);
}

/* Two pools of model 0 that scale by saturation around one that scales by its target and one of model 1; each of model 0 has
 * three replicas, two of them up, and looks at 2 s. */
static void make_saturated(int32_t price, int32_t other_price)
{
    const ms_run_config config = plain;
    ms_pool_plan plans[] = {pool_of(0, 3), pool_of(0, 3), pool_of(1, 3), pool_of(0, 3)};
    for (int p = 0; p < 4; p += p == 1 ? 2 : 1) {
        ms_autoscale_plan *plan = &plans[p].autoscale;
        *plan = plan_of(p == 1 ? MS_SCALES_BY_TARGET : MS_SCALES_BY_SATURATION, 2.0);
        plan->initial = 2;
        plan->least = 1;
        plan->saturated_usage = 0.8;
        plan->saturated_waiting = 5.0;
        plan->spare_usage = 0.1;
        plan->spare_waiting = 3.0;
        plan->by_price = p == 0 ? price : p == 3 ? other_price : 0;
        for (int k = 0; k < MS_COLD_PHASES; k++) {
            plan->cold_start[k] = seconds(0.25);
        }
    }
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 4, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
                      streams) == 0);
    loop.instances.brain[0].policy = lists;
    CHECK(ms_loop_begin(&loop) == 0);
    loop.now_s = 2.0;
}

/* How many are up or load of the first and the last pool, after both have looked: in digits. */
static int sizes_after_a_look(void)
{
    CHECK(ms_scaling_decide(&loop, 0) == 0 && ms_scaling_decide(&loop, 3) == 0);
    return 10 * (loop.fleet.pool[0].up + loop.fleet.pool[0].loading) + loop.fleet.pool[3].up + loop.fleet.pool[3].loading;
}

/* So many wait at each replica of these pools. */
static void wait_there(ms_job *waiting, int32_t pool, int n)
{
    for (int32_t i = 0; i < 2; i++) {
        for (int k = 0; k < n; k++) {
            ms_job *job = &waiting[10 * pool + 5 * i + k];
            ms_job_init(job, k, 0, 1, 1);
            ms_queue_push_tail(&loop.fleet.replica[3 * pool + i].own_queue, job);
        }
    }
    loop.fleet.pool[pool].unfinished = 2 * n;
}

static void empty_queues(void)
{
    for (int32_t i = 0; i < 12; i++) {
        loop.fleet.replica[i].own_queue = (ms_queue){0};
    }
    ms_run_free(&loop);
}

/* In the mean of both pools at most 2 may wait at a replica: with 0 and 4 they stand, with 1 and 4 the cheapest grows, with
 * 0 and 1 the dearest shrinks; of equal prices the first in the file. What waits at the second pool does not count. */
static void of_several_pools_the_cheapest_grows_and_the_dearest_shrinks(void)
{
    static ms_job waiting[40];
    const int32_t prices[][2] = {{2, 1}, {1, 2}, {1, 1}};
    const int grown[] = {23, 32, 32}, shrunk[] = {12, 21, 12};
    for (int k = 0; k < 3; k++) {
        for (int busy = 0; busy < 3; busy++) {
            make_saturated(prices[k][0], prices[k][1]);
            wait_there(waiting, 0, busy == 1 ? 1 : 0);
            wait_there(waiting, 1, 4);
            wait_there(waiting, 3, busy == 2 ? 1 : 4);
            const int sizes = sizes_after_a_look();
            CHECK(sizes == (busy == 0 ? 22 : busy == 1 ? grown[k] : shrunk[k]));
            const ms_saturated *seen = &loop.fleet.servers[0].saturated;
            CHECK(seen->t_s == 2.0 && seen->unsaturated == 4 && seen->unfinished == (busy == 0 ? 8 : busy == 1 ? 10 : 2));
            CHECK(seen->usage == 0.0 && seen->waiting == (double)seen->unfinished);
            empty_queues();
        }
    }
}

/* Who cannot grow is passed over: it loads already, or all of its replicas are up. Who cannot shrink, likewise: it loads, has
 * its least, or its last replica has something to do or was not idle for long enough. */
static void who_cannot_change_leaves_it_to_another(void)
{
    static const struct {
        int32_t up, loading, least, unfinished;
        double idle_since_s;
        int may_grow, may_shrink;
    } cases[] = {
        {2, 0, 1, 0, 0.0, 1, 1}, {2, 1, 1, 0, 0.0, 0, 0}, {3, 0, 1, 0, 0.0, 0, 1}, {2, 0, 2, 0, 0.0, 1, 0},
        {1, 0, 0, 0, 0.0, 1, 1}, {1, 0, 0, 1, 0.0, 1, 0}, {1, 0, 0, 0, 0.5, 1, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        for (int grows = 0; grows < 2; grows++) {
            make_saturated(grows ? 1 : 2, grows ? 2 : 1); /* the first would, if it could */
            ms_pool *first = &loop.fleet.pool[0];
            first->up = cases[k].up;
            first->loading = cases[k].loading;
            first->plan.autoscale.least = cases[k].least;
            first->unfinished = cases[k].unfinished;
            first->autoscaler.idle_since_s = cases[k].idle_since_s;
            first->plan.autoscale.zero_after_s = 2.0;
            CHECK(ms_scaling_decide(&loop, 3) == 0);
            const ms_saturated *seen = &loop.fleet.servers[0].saturated;
            CHECK(seen->cheapest == (grows && cases[k].may_grow ? 0 : 3));
            CHECK(seen->dearest == (!grows && cases[k].may_shrink ? 0 : 3));
            ms_run_free(&loop);
        }
    }
}

/* All that decide at an instant go by the same look; at the next there is another. */
static void pools_of_one_instant_go_by_one_look(void)
{
    make_saturated(1, 2);
    CHECK(ms_scaling_decide(&loop, 0) == 0);
    const ms_saturated *seen = &loop.fleet.servers[0].saturated;
    CHECK(seen->unfinished == 0);
    loop.fleet.pool[0].unfinished = 7;
    CHECK(ms_scaling_decide(&loop, 3) == 0 && seen->unfinished == 0);
    loop.now_s = 4.0;
    CHECK(ms_scaling_decide(&loop, 0) == 0 && seen->unfinished == 7 && seen->t_s == 4.0);
    ms_run_free(&loop);
}

/* The errand of a load that was called off finds a replica that is off, is up, or loads until later. */
static void who_is_up_or_off_is_not_made_ready(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    CHECK(ms_loop_begin(&loop) == 0);
    loop.fleet.ready_s[0] = loop.fleet.ready_s[2] = 3.0;
    for (int32_t i = 0; i < 3; i += 2) {
        const int32_t phase = loop.fleet.phase[i];
        loaded(3.0, i);
        CHECK(loop.fleet.phase[i] == phase && loop.fleet.pool[0].up == 1 && loop.fleet.pool[0].loading == 0);
    }
    ms_run_free(&loop);
}

/* A pool that never scales, first, between or last, is left as it is; the others begin with their initial replicas, and look. */
static void pools_that_never_scale_are_passed_over(void)
{
    for (int32_t never = 0; never < 3; never++) {
        const ms_run_config config = plain;
        ms_pool_plan plans[] = {pool_of(0, 2), pool_of(1, 2), pool_of(0, 2)};
        for (int32_t p = 0; p < 3; p++) {
            if (p != never) {
                plans[p].autoscale = plan_of(MS_SCALES_BY_TARGET, 2.0);
                plans[p].autoscale.initial = 1;
            }
        }
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 3, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED},
                          streams) == 0);
        CHECK(ms_loop_begin(&loop) == 0 && loop.heap.length == 2);
        for (int32_t p = 0; p < 3; p++) {
            CHECK(loop.fleet.pool[p].up == (p == never ? 2 : 1) && loop.fleet.pool[p].autoscaler.looks == (p != never));
            CHECK(loop.fleet.phase[2 * p] == MS_READY && loop.fleet.phase[2 * p + 1] == (p == never ? MS_READY : MS_OFF));
        }
        ms_run_free(&loop);
    }
}

/* A decision comes by its pool, after the router's own, and a replica that has loaded by itself. */
static void errands_of_scaling_have_an_order(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_TARGET, 2.0);
    CHECK(ms_loop_begin(&loop) == 0 && is_due_as(&loop, MS_DO_SCALE, ms_order(MS_RECONCILES, 1), 0));
    decide(2.0, 3);
    CHECK(phases() == RLO && is_due_as(&loop, MS_DO_READY, ms_order(MS_ENDS, 1), 2));
    ms_run_free(&loop);
}

/* One replica until 10 s, from then on two. */
static void a_schedule_goes_by_the_time_of_the_look(void)
{
    make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_SCHEDULE, 0.0);
    ms_autoscale_plan *plan = &loop.fleet.pool[0].plan.autoscale;
    plan->steps = 2;
    plan->step_s[1] = 10.0;
    plan->step_replicas[0] = 1;
    plan->step_replicas[1] = 2;
    CHECK(ms_loop_begin(&loop) == 0);
    decide(9.5, 0);
    CHECK(phases() == ROO);
    decide(10.0, 0);
    CHECK(phases() == RLO);
    ms_run_free(&loop);
}

/* A prompt of 14 and its first token hold 15 of 80 until 2 s: 0.6125 are left of 0.8. */
static void saturation_looks_at_memory(void)
{
    for (int grows = 0; grows < 2; grows++) {
        ask(1, 0.0, 14, 60);
        make_scaled(MS_LEAST_LOADED, MS_SCALES_BY_SATURATION, 0.0);
        ms_autoscale_plan *plan = &loop.fleet.pool[0].plan.autoscale;
        plan->saturated_usage = 0.8;
        plan->saturated_waiting = 5.0;
        plan->spare_usage = grows ? 0.65 : 0.55;
        begin(&loop);
        run_until(&loop, 2.0);
        CHECK(phases() == (grows ? RLO : ROO));
        CHECK(loop.fleet.servers[0].saturated.usage == 15.0 / 80.0);
        end(&loop);
        ms_run_free(&loop);
    }
}

/* The last replica of a pool without work stays while another pool of the model has some, and that one is dearer. */
static void the_last_stays_while_others_are_at_work(void)
{
    for (int work = 0; work < 2; work++) {
        make_saturated(1, 2);
        ms_pool *first = &loop.fleet.pool[0];
        first->plan.autoscale.rule = MS_SCALES_BY_SCHEDULE; /* which leaves it the least that it may have */
        CHECK(ms_scaling_decide(&loop, 0) == 0 && first->up == 1);
        first->plan.autoscale.rule = MS_SCALES_BY_SATURATION;
        first->plan.autoscale.least = 0;
        first->plan.autoscale.zero_after_s = 0.0;
        loop.fleet.pool[3].unfinished = work;
        loop.now_s = 4.0;
        CHECK(ms_scaling_decide(&loop, 0) == 0 && first->up == work);
        loop.fleet.pool[3].unfinished = 0;
        ms_run_free(&loop);
    }
}

int main(void)
{
    RUN(a_run_starts_and_drains_replicas);
    RUN(what_loads_is_called_off_first);
    RUN(the_first_that_loads_is_called_off);
    RUN(who_drains_serves_to_the_end);
    RUN(the_emptiest_is_closed);
    RUN(who_drains_is_not_started_again);
    RUN(a_shared_queue_is_left_and_joined);
    RUN(a_replica_that_is_ready_takes_what_was_held);
    RUN(what_is_held_counts_for_the_pool_that_takes_it);
    RUN(saturation_looks_at_those_that_are_ready);
    RUN(looks_come_at_multiples_of_the_period);
    RUN(what_a_closed_replica_has_is_forgotten);
    RUN(of_several_pools_the_cheapest_grows_and_the_dearest_shrinks);
    RUN(who_cannot_change_leaves_it_to_another);
    RUN(pools_of_one_instant_go_by_one_look);
    RUN(who_is_up_or_off_is_not_made_ready);
    RUN(pools_that_never_scale_are_passed_over);
    RUN(errands_of_scaling_have_an_order);
    RUN(a_schedule_goes_by_the_time_of_the_look);
    RUN(saturation_looks_at_memory);
    RUN(the_last_stays_while_others_are_at_work);
    return report();
}
