#include "loops.h"

#include "clients.h"
#include "workers.h"

/* A decision takes 2.5 s. */
static ms_run_config decides(int32_t workers)
{
    ms_run_config config = plain;
    config.decision = seconds(2.5);
    config.router_workers = workers;
    return config;
}

static void decisions_wait_for_workers(void)
{
    for (int32_t workers = 0; workers < 3; workers++) {
        ms_run loop;
        ms_run_config config = decides(workers);
        fill(&sheets[0], 0, 3, 1.0);
        plans_are(0, 1, 0, 1);
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(ms_loop_begin(&loop) == 0 && run(&loop, sheets, 1, 1000) == MS_LOOP_OVER);
        CHECK(check_records(&sheets[0], MS_COMPLETED) == 3);
        const double expected[3][3] = {{2.5, 3.5, 4.5}, {2.5, 5.0, 7.5}, {2.5, 3.5, 5.0}};
        for (int i = 0; i < 3; i++) {
            CHECK(sheets[0].finish[i] == expected[workers][i]);
        }
        const double waits_s[] = {0.0, 1.5 + 3.0, 0.5};
        CHECK(loop.router_begun == 3 && loop.router_busy_s == 7.5 && loop.router_wait_s == waits_s[workers]);
        const double used_s[] = {2.0 + 1.0, 2.0, 2.0 + 1.0}; /* until the third comes, at 2 s */
        CHECK(loop.router_at_work == 0 && loop.router_used_s == used_s[workers] && loop.router_worked_s == 7.5);
        CHECK(loop.in_system == 0 && loop.in_system_integral == 7.5 + waits_s[workers]);
        ms_run_free(&loop);
    }
}

/* One worker, 2.5 s a decision; the second of four gives up in the queue at 1 + 1.25 s: the others move up. */
static void who_gives_up_leaves_the_queue(void)
{
    for (int who = 1; who < 4; who++) {
        ms_run loop;
        ms_run_config config = decides(1);
        ms_pool_plan plans[2] = {pool_of(0, 1)};
        config.keeps_delays = 1;
        config.patience = (ms_patience){.wait = seconds(1000.0)};
        ask(4, 0.5, 4, 1);
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        begin(&loop);
        run_until(&loop, 1.5);
        ms_desk *desk = &loop.desks[0];
        CHECK(desk->busy == 1 && desk->first->request == 1 && desk->last->request == 3 && loop.in_system == 4);
        ms_open *open = desk->first;
        while (open->request != who) {
            open = open->behind;
        }
        CHECK(open->waits);
        ms_workers_leave(&loop, open);
        CHECK(!open->waits && desk->first->request == (who == 1 ? 2 : 1) && desk->last->request == (who == 3 ? 2 : 3));
        CHECK(desk->first->before == NULL && desk->first->behind == desk->last && desk->last->before == desk->first &&
              desk->last->behind == NULL);
        ms_run_free(&loop);
    }
}

static void nobody_decides_for_who_has_given_up(void)
{
    ms_run loop;
    ms_run_config config = decides(1);
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.keeps_delays = 1;
    config.patience = (ms_patience){.wait = seconds(3.75), .rates_giving_up = 1};
    ask(4, 0.0, 4, 1); /* decided at 2.5 and 5 s, where the second's client is gone already; two never */
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    run_until(&loop, 4.0);
    CHECK(loop.in_system == 1 && loop.router_begun == 2 && loop.desks[0].first == NULL);
    end(&loop);
    const sheet *s = &sheets[0];
    CHECK(s->status[0] == MS_COMPLETED && s->start[0] == 2.5 && s->finish[0] == 3.5);
    for (int i = 1; i < 4; i++) {
        CHECK(s->status[i] == MS_TIMED_OUT && s->model[i] == -1 && isnan(s->queue[i]) && isnan(s->score[i]));
        CHECK(s->energy[i] == 0.0 && s->tokens[i] == 0);
    }
    CHECK(loop.router_begun == 2 && loop.router_busy_s == 5.0 && loop.router_wait_s == 2.5 && loop.desks[0].busy == 0);
    CHECK(loop.attempts == 1 && loop.issued == 4);
    CHECK(loop.instances.brain[0].tracked[0].rated + loop.instances.brain[0].tracked[1].rated == 3 + 1);
    ms_run_free(&loop);
}

/* Two instances have a desk each: the second's worker is free. */
static void each_instance_has_its_own_workers(void)
{
    static const int32_t instance[] = {0, 1, 0};
    ms_run loop;
    ms_run_config config = decides(1);
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.instances = 2;
    ask(3, 0.0, 4, 1);
    sheets[0].page.instance = instance;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    loop.instances.brain[1].policy = lists;
    begin(&loop);
    run_until(&loop, 1.0);
    CHECK(loop.desks[0].busy == 1 && loop.desks[1].busy == 1 && loop.desks[0].first->request == 2);
    CHECK(loop.desks[1].first == NULL);
    end(&loop);
    CHECK(sheets[0].start[0] == 2.5 && sheets[0].start[1] == 2.5 && sheets[0].start[2] == 5.0);
    ms_run_free(&loop);
}

/* Decided late, a request finds the queue of its tenant as it is then, and is told so in its record. */
static void a_late_decision_finds_the_queue_of_its_tenant(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.decision = seconds(0.5);
    config.feedback_probability = 1.0;
    ask(4, 0.25, 4, 1);
    for (int i = 0; i < 4; i++) {
        sheets[0].tenant[i] = i < 3;
        sheets[0].satisfied_in[i] = 0.0;
    }
    sheets[0].arrival_in[3] = 5.0;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].queue[0] == 0.0 && sheets[0].queue[1] == 0.6 && sheets[0].queue[2] == 0.6 + 0.6);
    CHECK(sheets[0].queue[3] == 0.0);
    CHECK(sheets[0].feedback_s[0] == 0.5 && sheets[0].feedback_s[3] == 5.5);
    ms_run_free(&loop);
}

/* What is decided at one instant comes by its attempt, after a client of the same number who asks then. */
static void decisions_of_one_instant_come_by_attempt(void)
{
    ms_run loop;
    const ms_run_config config = decides(0);
    ms_open opens[4];
    make(&loop, &config, 0, MS_LEAST_LOADED);
    for (int k = 3; k >= 0; k--) {
        opens[k] = (ms_open){.request = 5, .attempt = k, .brain = loop.instances.brain};
        CHECK(ms_workers_enter(&loop, &opens[k]) == 0);
    }
    CHECK(ms_clients_ask_at(&loop, 5, 2.5) == 0 && loop.heap.events[0].errand == MS_DO_CLIENT);
    for (int k = 0; k < 4; k++) {
        ms_heap_pop(&loop.heap);
        CHECK(loop.heap.events[0].subject == &opens[k] && loop.heap.events[0].errand == MS_DO_DECIDE);
    }
    ms_run_free(&loop);
}

/* The first of two who wait gives up and asks again: behind the other, and before nobody. */
static void who_asks_again_stands_last(void)
{
    ms_run loop;
    const ms_run_config config = decides(1);
    ms_open opens[3];
    make(&loop, &config, 0, MS_LEAST_LOADED);
    const ms_desk *desk = &loop.desks[0];
    for (int k = 0; k < 3; k++) {
        opens[k] = (ms_open){.request = k, .brain = loop.instances.brain};
        CHECK(ms_workers_enter(&loop, &opens[k]) == 0);
    }
    CHECK(desk->first == &opens[1] && opens[1].behind == &opens[2]);
    ms_workers_leave(&loop, &opens[1]);
    CHECK(ms_workers_enter(&loop, &opens[1]) == 0 && opens[1].waits);
    CHECK(desk->first == &opens[2] && opens[2].before == NULL && opens[2].behind == &opens[1]);
    CHECK(desk->last == &opens[1] && opens[1].before == &opens[2] && opens[1].behind == NULL);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(decisions_wait_for_workers);
    RUN(who_gives_up_leaves_the_queue);
    RUN(nobody_decides_for_who_has_given_up);
    RUN(each_instance_has_its_own_workers);
    RUN(a_late_decision_finds_the_queue_of_its_tenant);
    RUN(decisions_of_one_instant_come_by_attempt);
    RUN(who_asks_again_stands_last);
    return report();
}
