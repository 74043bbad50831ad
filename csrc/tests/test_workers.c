#include "loops.h"

#include "workers.h"

static void decisions_wait_for_workers(void)
{
    for (int32_t workers = 0; workers < 3; workers++) {
        ms_run loop;
        ms_run_config config = plain;
        config.decision = seconds(2.5);
        config.router_workers = workers;
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
        CHECK(loop.in_system == 0 && loop.in_system_integral == 7.5 + waits_s[workers]);
        ms_run_free(&loop);
    }
}

int main(void)
{
    RUN(decisions_wait_for_workers);
    return report();
}
