#include "loops.h"

/* Busy and idle seconds are those until the last arrival, whatever is served later. */
static void clocks_are_read_at_the_last_arrival(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    ask(2, 10.0, 4, 5); /* 5 s on one replica, and then as long after the last arrival */
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    CHECK(loop.last_arrival_s == 10.0 && loop.now_s == 15.0);
    CHECK(loop.busy_s[0] == 5.0 && loop.idle_s[0] == 15.0);
    CHECK(loop.busy_s[1] == 0.0 && loop.idle_s[1] == 10.0);
    ms_run_free(&loop);
}

/* Whatever is pending: the address sanitizer tells of what is left behind. */
static void a_loop_may_be_freed_at_any_moment(void)
{
    for (int c = 0; c < 32; c++) {
        for (int64_t events = 0; events < 400; events += 1 + events / 8) {
            ms_run loop;
            ms_predictor predictor;
            ms_run_config config = plain;
            config.keeps_delays = c % 2;
            config.learns_every_answer = c / 2 % 2;
            config.feedback_probability = 0.9;
            config.max_waiting = c % 3 == 0 ? 1 : -1;
            fill(&sheets[0], 0, 100, 2.0);
            sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
            plans_are(MS_PLAN_ALL, 0, c % 5 == 0 ? MS_PLAN_CHAIN | 0 : 1, MS_PLAN_ALL);
            make(&loop, &config, c / 4 % 3, c % 4);
            CHECK(ms_predictor_init(&predictor, MODELS, 2) == 0);
            loop.instances.brain[0].predictor = &predictor;
            if (c / 4 % 3 > 0) {
                break_down(&loop, 0, 20.0, 5.0);
            }
            CHECK(ms_loop_begin(&loop) == 0);
            ms_loop_turn_page(&loop, &sheets[0].page);
            CHECK(ms_loop_run(&loop, events) >= 0);
            ms_run_free(&loop);
            ms_predictor_free(&predictor);
        }
    }
}

static void a_loop_that_never_began_may_be_freed(void)
{
    ms_run loop;
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    ms_run_free(&loop);
    make(&loop, &plain, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_run(&loop, 10) == MS_LOOP_NEEDS_PAGE);
    ms_loop_no_more(&loop);
    CHECK(ms_loop_run(&loop, 10) == MS_LOOP_OVER);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(clocks_are_read_at_the_last_arrival);
    RUN(a_loop_may_be_freed_at_any_moment);
    RUN(a_loop_that_never_began_may_be_freed);
    return report();
}
