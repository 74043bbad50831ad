#include "worlds.h"

enum { KEPT_S = 20 };

static int32_t where_its_session_is(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)fleet;
    double costs[REPLICAS_MOST];
    for (int32_t i = 0; i < n; i++) {
        costs[i] = (double)seen_unfinished[up[i]];
        if (job->session >= 0 && session_at[job->session] == up[i] && t_s - session_s[job->session] <= KEPT_S) {
            return up[i];
        }
    }
    return fleet->dispatch.random_ties ? any_of_least(job, up, costs, n) : first_of_least(up, seen_unfinished, n);
}

static void a_session_stays_where_it_was_sent_last(void)
{
    const int32_t sizes[] = {3, 20};
    const double delays_s[] = {0.0, 2.5};
    for (int k = 0; k < 8; k++) {
        ms_fleet fleet;
        const ms_dispatch_plan rule = {.rule = MS_SESSION,
                                       .session_ttl_s = KEPT_S,
                                       .state_delay_s = delays_s[k / 2 % 2],
                                       .random_ties = k / 4};
        make_world(&fleet, sizes[k % 2], &rule);
        CHECK(wander(&fleet, (uint64_t)k + 40, where_its_session_is) > 900);
        ms_fleet_free(&fleet);
    }
}

int main(void)
{
    RUN(a_session_stays_where_it_was_sent_last);
    return report();
}
