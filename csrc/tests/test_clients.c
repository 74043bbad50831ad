#include "loops.h"

#include "clients.h"

static void clients_wait_for_their_answers(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.clients = 4;
    config.length = 120;
    config.think_s = 2.0;
    fill(&sheets[0], 0, 100, 1.0);
    fill(&sheets[1], 100, 100, 1.0);
    sheets[0].page.arrival_s = sheets[1].page.arrival_s = NULL;
    plans_are(0, 1, MS_PLAN_ALL, 1);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 2, 1000) == MS_LOOP_OVER);
    CHECK(check_records(&sheets[0], MS_COMPLETED) == 100);
    CHECK(sheets[1].page.open == 80 && loop.issued == 120 && loop.open_count == 0);
    CHECK(sheets[0].arrival[3] == 0.0 && sheets[0].arrival[4] > 2.0);
    for (int64_t i = 4; i < 100; i++) { /* at each moment at most 4 wait for their answer */
        int waiting = 0;
        for (int64_t j = 0; j < i; j++) {
            waiting += sheets[0].finish[j] > sheets[0].arrival[i];
        }
        CHECK(waiting <= 3);
    }
    ms_run_free(&loop);
}

int main(void)
{
    RUN(clients_wait_for_their_answers);
    return report();
}
