#include "loops.h"

#include "fronts.h"

static void one_request_by_hand(void)
{
    ms_run loop;
    fill(&sheets[0], 0, 1, 1.0);
    sheets[0].prompt[0] = sheets[0].outputs[0] = 2;
    plans_are(0, 0, 0, 0);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.fleet.pool[0].plan.front_end = seconds(0.5);
    loop.fleet.pool[0].plan.detokenize_s = 0.25;
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    CHECK(sheets[0].start[0] == 0.5 && sheets[0].first_token[0] == 1.5 && sheets[0].finish[0] == 2.75);
    CHECK_NEAR(sheets[0].energy[0], meters_of(&loop), 1e-12);
    ms_run_free(&loop);
}

/* Everything at once: nobody is left anywhere, and all energy is paid for. */
static void nobody_is_left_outside(void)
{
    for (int c = 0; c < 96; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.keeps_delays = 1;
        config.decision = c % 2 ? seconds(0.5) : (ms_wait){0};
        config.router_workers = c / 2 % 3;
        config.lose_on_failure = c / 6 % 2;
        config.horizon_s = c % 5 == 0 ? 40.0 : INFINITY;
        config.patience = (ms_patience){.wait = c / 12 % 2 ? seconds(12.0) : (ms_wait){0},
                                        .aborts = c / 24 % 2,
                                        .retries = 1,
                                        .backoff = seconds(0.5),
                                        .backoff_growth = 1.0};
        fill(&sheets[0], 0, 120, 0.75);
        plans_are(0, MS_PLAN_ALL, 1, MS_PLAN_CHAIN | 0);
        make(&loop, &config, 1, c / 48 ? MS_SHARED_QUEUE : MS_LEAST_LOADED);
        for (int p = 0; p < 2; p++) {
            loop.fleet.pool[p].plan.front_end = seconds(0.75);
            loop.fleet.pool[p].plan.front_end_workers = c / 48 ? 0 : c / 2 % 3;
            loop.fleet.pool[p].plan.detokenize_s = c % 3 ? 0.5 : 0.0;
        }
        break_down(&loop, c % 3, 6.25, 5.0);
        CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        if (config.horizon_s < INFINITY) {
            ms_loop_cut(&loop);
        }
        double energy_j = 0.0;
        for (int64_t i = 0; i < loop.issued; i++) {
            energy_j += sheets[0].energy[i];
        }
        CHECK_NEAR(energy_j, meters_of(&loop), 1e-9);
        CHECK(loop.open_count == 0 && loop.in_system == 0);
        for (int32_t place = 0; place < loop.fleet.replicas + loop.fleet.pools; place++) {
            const ms_front *front = &loop.fleet.front[place];
            CHECK(front->waiting.length + front->served.length + front->detokenizing.length == 0);
        }
        for (int p = 0; p < 2 && config.horizon_s == INFINITY; p++) {
            CHECK(loop.fleet.pool[p].unfinished == 0);
        }
        CHECK(loop.desks[0].first == NULL || config.horizon_s < INFINITY);
        ms_run_free(&loop);
    }
}

/* One worker, half a second each; three come at once: they queue at 0.5, 1 and 1.5 s, and start with iterations. */
static void a_front_end_serves_in_order(void)
{
    for (int workers = 0; workers < 3; workers++) {
        for (int is_shared = 0; is_shared < 2; is_shared++) {
            ms_run loop;
            ms_pool_plan plans[2] = {pool_of(0, 1)};
            plans[0].front_end = seconds(0.5);
            plans[0].front_end_workers = workers;
            ask(3, 0.0, 4, 2);
            serve(&loop, &plain, 1, plans, is_shared ? MS_SHARED_QUEUE : MS_LEAST_LOADED);
            begin(&loop);
            run_until(&loop, 0.25);
            const ms_front *front = &loop.fleet.front[is_shared ? loop.fleet.replicas : 0];
            int64_t next = 0;
            for (const ms_job *job = front->served.head; job != NULL; job = job->next) {
                CHECK(job->request == next++);
            }
            for (const ms_job *job = front->waiting.head; job != NULL; job = job->next) {
                CHECK(job->request == next++);
            }
            CHECK(front->served.length == (workers == 0 ? 3 : workers) &&
                  front->waiting.length == 3 - front->served.length);
            CHECK(loop.fleet.pool[0].unfinished == 3 && ms_view_unfinished(&loop.fleet, 0) == (is_shared ? 0 : 3));
            for (const ms_job *job = front->waiting.head; job != NULL; job = job->next) {
                CHECK(job->place == MS_AWAITS_FRONT_END && ms_fronts_have(job));
            }
            CHECK(front->served.head->place == MS_IN_FRONT_END && ms_fronts_have(front->served.head));
            end(&loop);
            const double starts_s[3][3] = {{0.5, 0.5, 0.5}, {0.5, 1.5, 1.5}, {0.5, 0.5, 1.5}};
            for (int i = 0; i < 3; i++) {
                CHECK(sheets[0].start[i] == starts_s[workers][i]);
            }
            ms_run_free(&loop);
        }
    }
}

/* The replica fails at 0.75 s: who is with a worker, waits for one or runs begins again as it is mended, in order. */
static void a_failure_empties_the_front_end(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].front_end = seconds(0.5);
    plans[0].front_end_workers = 1;
    ask(3, 0.0, 4, 2);
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    break_down(&loop, 0, 0.75, 3.25);
    begin(&loop);
    run_until(&loop, 0.75);
    const ms_front *front = &loop.fleet.front[0];
    CHECK(front->served.length == 0 && front->waiting.length == 0 && loop.fleet.servers[0].held.length == 3);
    CHECK(loop.fleet.pool[0].unfinished == 3 && loop.fleet.servers[0].held.head->request == 0);
    end(&loop);
    CHECK(sheets[0].start[0] == 0.5 && sheets[0].start[1] == 5.5 && sheets[0].start[2] == 5.5);
    CHECK(sheets[0].finish[0] == 4.0 + 0.5 + 2.0);
    ms_run_free(&loop);
}

/* Who waits for a worker leaves at once, who is with one as that is done, and takes no place in the queue. */
static void who_gives_up_before_the_queue_never_comes_there(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].front_end = seconds(2.0);
    plans[0].front_end_workers = 1;
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(1.0), .aborts = 1};
    ask(3, 0.0, 4, 2);
    sheets[0].arrival_in[2] = 1.5; /* has the worker at 2 s, but gives up at 2.5 */
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    run_until(&loop, 1.0);
    CHECK(loop.in_system == 1 && loop.fleet.pool[0].unfinished == 1 && loop.fleet.front[0].waiting.length == 0);
    CHECK(loop.fleet.front[0].served.length == 1 && loop.fleet.front[0].served.head->aborted);
    run_until(&loop, 2.0);
    CHECK(loop.fleet.front[0].served.head->request == 2 && loop.fleet.pool[0].unfinished == 1);
    end(&loop);
    CHECK(loop.now_s == 4.0 && loop.fleet.replica[0].jumps == 0);
    CHECK(check_records(&sheets[0], MS_TIMED_OUT) == 3 && sheets[0].energy[0] == 0.0);
    ms_run_free(&loop);
}

/* Two come to each of many replicas; who waits for the worker has left by 1 s, and the index of loads knows it. */
static void who_gives_up_among_many_is_no_load(void)
{
    enum { MANY = MS_SCAN_MOST + 4 };
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, MANY)};
    plans[0].front_end = seconds(2.0);
    plans[0].front_end_workers = 1;
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(1.0), .aborts = 1};
    ask(2 * MANY, 0.0, 4, 2);
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    run_until(&loop, 0.5);
    CHECK(loop.fleet.pool[0].unfinished == 2 * MANY && check_loads(&loop) == MANY);
    run_until(&loop, 1.0);
    CHECK(loop.fleet.pool[0].unfinished == MANY && check_loads(&loop) == MANY);
    end(&loop);
    ms_run_free(&loop);
}

/* An answer that is being detokenized is the replica's until it is out, whatever becomes of that; who gives up
 * then pays for all of it. */
static void an_answer_is_out_when_it_is_detokenized(void)
{
    for (int c = 0; c < 4; c++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        plans[0].detokenize_s = 1.0;
        config.keeps_delays = 1;
        const int gives_up = c == 1, fails = c == 2, is_shared = c == 3;
        config.patience = (ms_patience){.wait = gives_up ? seconds(2.5) : (ms_wait){0}, .aborts = 1};
        ask(1, 0.0, 4, 2);
        serve(&loop, &config, 1, plans, is_shared ? MS_SHARED_QUEUE : MS_LEAST_LOADED);
        break_down(&loop, fails ? 0 : 1, 2.25, 3.0);
        begin(&loop);
        run_until(&loop, 2.125);
        const ms_job *job = loop.fleet.front[0].detokenizing.head;
        CHECK(job != NULL && job->place == MS_DETOKENIZES && ms_fronts_have(job) && job->server == 0);
        CHECK(loop.fleet.pool[0].unfinished == 1 && ms_view_unfinished(&loop.fleet, 0) == 1);
        run_until(&loop, 2.75);
        CHECK(loop.fleet.front[0].detokenizing.length == 1);
        end(&loop);
        CHECK(sheets[0].status[0] == (gives_up ? MS_TIMED_OUT : MS_COMPLETED) && sheets[0].energy[0] == 6.0 + 3.0);
        CHECK(gives_up || sheets[0].finish[0] == 3.0);
        ms_run_free(&loop);
    }
}

/* Nobody detokenizes for who has gone before the last token. */
static void who_is_gone_is_not_detokenized(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].detokenize_s = 1.0;
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(1.5)};
    ask(1, 0.0, 4, 2);
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].status[0] == MS_TIMED_OUT && loop.now_s == 2.0 && sheets[0].energy[0] == 9.0);
    ms_run_free(&loop);
}

/* At the horizon what is in a front end, or being detokenized, is charged and recorded as in flight. */
static void the_horizon_empties_front_ends(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].front_end = seconds(0.5);
    plans[0].front_end_workers = 1;
    plans[0].detokenize_s = 9.0;
    config.horizon_s = 3.25;
    ask(3, 0.0, 4, 2);
    sheets[0].arrival_in[1] = sheets[0].arrival_in[2] = 3.0;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
    const ms_front *front = &loop.fleet.front[0];
    CHECK(front->detokenizing.length == 1 && front->served.length == 1 && front->waiting.length == 1);
    ms_loop_cut(&loop);
    CHECK(front->detokenizing.length == 0 && front->served.length == 0 && front->waiting.length == 0);
    CHECK(check_records(&sheets[0], MS_IN_FLIGHT) == 3 && sheets[0].energy[0] == 9.0 && sheets[0].energy[1] == 0.0);
    CHECK(sheets[0].replica[0] == 0 && sheets[0].replica[1] == -1);
    ms_run_free(&loop);
}

/* Three at a worker each or waiting for one, and three answers that end at one instant: what is charged at the horizon comes in
 * their order. */
static void what_is_withdrawn_comes_in_order(void)
{
    for (int after = 0; after < 2; after++) {
        ms_run loop;
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        ms_queue out = {0};
        plans[0].front_end = after ? (ms_wait){0} : seconds(0.5);
        plans[0].front_end_workers = 2;
        plans[0].detokenize_s = 0.5;
        ask(3, 0.0, 4, 2);
        serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
        begin(&loop);
        run_until(&loop, after ? 2.25 : 0.25);
        const ms_front *front = &loop.fleet.front[0];
        CHECK(front->served.length == (after ? 0 : 2) && front->detokenizing.length == (after ? 3 : 0));
        ms_fronts_withdraw(&loop, 0, &out);
        CHECK(out.length == 3);
        for (int64_t i = 0; out.length > 0; i++) {
            CHECK(ms_queue_pop(&out)->request == i);
        }
        ms_run_free(&loop);
    }
}

/* Six come at once, and are through at one instant: they queue in the order of requests. */
static void who_is_through_at_one_instant_queues_in_order(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    plans[0].front_end = seconds(0.5);
    plans[0].limits.max_num_seqs = 1;
    ask(6, 0.0, 4, 1);
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    for (int i = 0; i < 6; i++) {
        CHECK(sheets[0].start[i] == 0.5 + i);
    }
    ms_run_free(&loop);
}

/* Two pools of one model take turns: each has workers, work and detokenizing of its own. */
static void every_pool_has_a_front_end_of_its_own(void)
{
    ms_run loop;
    ms_pool_plan plans[3] = {pool_of(0, 1), pool_of(0, 1)};
    plans[0].front_end = seconds(0.5);
    plans[1].front_end = seconds(1.0);
    plans[0].front_end_workers = 2;
    plans[1].front_end_workers = 1;
    plans[0].detokenize_s = 0.25;
    plans[1].detokenize_s = 0.75;
    ask(4, 0.0, 4, 2);
    serve(&loop, &plain, 2, plans, MS_ROUND_ROBIN);
    begin(&loop);
    end(&loop);
    const double starts_s[] = {0.5, 1.0, 0.5, 2.0}, finish_s[] = {2.75, 3.75, 2.75, 4.75};
    for (int i = 0; i < 4; i++) {
        CHECK(sheets[0].replica[i] == i % 2 && sheets[0].start[i] == starts_s[i] && sheets[0].finish[i] == finish_s[i]);
    }
    ms_run_free(&loop);
}

/* At 3 s an answer is out, and a request comes: it finds that replica with less to do than the other. Labels, looks of a scaler
 * and retries of that instant come later, too. */
static void an_answer_is_out_before_who_comes_at_that_instant(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    plans[0].detokenize_s = 1.0;
    ask(3, 0.0, 4, 2);
    sheets[0].outputs[0] = 9;
    sheets[0].arrival_in[2] = 3.0;
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    run_until(&loop, 2.5);
    CHECK(loop.heap.events[0].when.time_s == 3.0 && loop.heap.events[0].when.order == ms_order(MS_ENDS, 1));
    end(&loop);
    CHECK(sheets[0].replica[0] == 0 && sheets[0].finish[1] == 3.0 && sheets[0].replica[1] == 1);
    CHECK(sheets[0].start[2] == 3.0 && sheets[0].replica[2] == 1);
    ms_run_free(&loop);
}

/* They come by their replica, then by request and attempt: the second, after a failure of 1 s at 8.25 s. */
static void errands_of_a_front_end_have_an_order(void)
{
    ms_run loop;
    ask_eighth(1);
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    loop.fleet.pool[1].plan.front_end = seconds(0.5);
    loop.fleet.pool[1].plan.detokenize_s = 0.25;
    break_down(&loop, 2, 8.25, 1.0);
    begin(&loop);
    CHECK(is_due_as(&loop, MS_DO_FRONT_END, ms_order(MS_ARRIVES, 2), (uint64_t)9 << 24));
    CHECK(is_due_as(&loop, MS_DO_RETRY, ms_order(MS_RETRIES, 8), 1));
    CHECK(is_due_as(&loop, MS_DO_FRONT_END, ms_order(MS_ARRIVES, 2), ((uint64_t)9 << 24) + 1));
    CHECK(is_due_as(&loop, MS_DO_DETOKENIZED, ms_order(MS_ENDS, 2), ((uint64_t)9 << 24) + 1));
    end(&loop);
    ms_run_free(&loop);
}

/* Scored by unfinished requests among many, while engines are polled: an answer that is out is none of them, and who served it is
 * chosen as any other that is idle. Drawn anew in each of these runs. */
static void who_has_detokenized_is_idle_again(void)
{
    for (uint32_t k = 0; k < 6; k++) {
        ms_run loop;
        ms_pool_plan plans[] = {pool_of(0, 20), pool_of(1, 1)};
        const ms_stream draws[2 * MODELS] = {{7 + k, 7, 0, 0}};
        const ms_dispatch_plan rule = {.rule = MS_SCORED,
                                       .state_delay_s = 100.0,
                                       .weights = {.active = 1.0},
                                       .most_busy_score = 0.5,
                                       .cold_replicas = 9};
        int served[21] = {0};
        plans[0].detokenize_s = 2.0;
        ask(21, 1.0, 4, 30);
        sheets[0].outputs[0] = 3; /* served at 3 s, out at 5 s */
        sheets[0].arrival_in[1] = 4.5;
        for (int i = 2; i < 21; i++) {
            sheets[0].arrival_in[i] = 6.0;
        }
        CHECK(ms_run_init(&loop, &plain, alphas, 1.0, 0, 2, plans, &rule, draws) == 0);
        loop.instances.brain[0].policy = lists;
        go(&loop, 1);
        for (int i = 1; i < 21; i++) {
            CHECK(sheets[0].status[i] == MS_COMPLETED && served[sheets[0].replica[i]]++ == 0);
        }
        ms_run_free(&loop);
    }
}

int main(void)
{
    RUN(one_request_by_hand);
    RUN(nobody_is_left_outside);
    RUN(a_front_end_serves_in_order);
    RUN(a_failure_empties_the_front_end);
    RUN(who_gives_up_before_the_queue_never_comes_there);
    RUN(who_gives_up_among_many_is_no_load);
    RUN(an_answer_is_out_when_it_is_detokenized);
    RUN(who_is_gone_is_not_detokenized);
    RUN(the_horizon_empties_front_ends);
    RUN(what_is_withdrawn_comes_in_order);
    RUN(who_is_through_at_one_instant_queues_in_order);
    RUN(every_pool_has_a_front_end_of_its_own);
    RUN(an_answer_is_out_before_who_comes_at_that_instant);
    RUN(errands_of_a_front_end_have_an_order);
    RUN(who_has_detokenized_is_idle_again);
    return report();
}
