#include "fleets.h"

static void time_is_busy_idle_or_down(void)
{
    const ms_pool_plan plans[] = {pool_of(0, 1, 2), pool_of(1, 3, 2)};
    ms_fleet fleet;
    ms_queue evicted = {0};
    make(&fleet, 2, plans, MS_LEAST_LOADED);
    jobs[0] = ms_job_new(0, 0, 4, 3);
    ms_dispatch_place(&fleet, &jobs[0], -1, 10.0);
    CHECK(run_out(&fleet) == 1);
    CHECK(ms_fleet_busy_s(&fleet, 0, 20.0) == 3.0 && ms_fleet_idle_s(&fleet, 0, 20.0) == 17.0);
    ms_fleet_fail(&fleet, 0, 20.0, &evicted);
    CHECK(ms_fleet_idle_s(&fleet, 0, 25.0) == 17.0);
    repair(&fleet, 0, 30.0);
    CHECK(ms_fleet_idle_s(&fleet, 0, 35.0) == 22.0);
    CHECK(ms_fleet_meter_j(&fleet, 0, 35.0) == jobs[0].energy_j && jobs[0].energy_j == 6.0 + 2.0 * 3.0);
    CHECK(ms_fleet_energy_j(&fleet, 0, 35.0) == jobs[0].energy_j + 3.0 * 22.0);
    CHECK(ms_fleet_busy_s(&fleet, 1, 35.0) == 0.0 && ms_fleet_idle_s(&fleet, 1, 35.0) == 105.0);
    CHECK(ms_fleet_energy_j(&fleet, 1, 35.0) == 315.0 && ms_fleet_meter_j(&fleet, 1, 35.0) == 0.0);
    ms_fleet_fail(&fleet, 0, 40.0, &evicted);
    repair(&fleet, 0, 42.0);
    CHECK(fleet.down_s[0] == 12.0 && ms_fleet_idle_s(&fleet, 0, 45.0) == 30.0);
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(time_is_busy_idle_or_down);
    return report();
}
