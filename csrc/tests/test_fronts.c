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
        sheets[0].page.delay_s = sheets[0].delay;
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

int main(void)
{
    RUN(one_request_by_hand);
    RUN(nobody_is_left_outside);
    return report();
}
