#include "autoscale.h"

#include "check.h"
#include "dispatch.h"
#include "loops.h"
#include "scaling.h"

static ms_autoscale_plan plan_of(enum ms_autoscale_rule rule, double target)
{
    return (ms_autoscale_plan){.rule = (int32_t)rule,
                               .period_s = 2.0,
                               .target = target,
                               .tolerance = 0.1,
                               .up_most_factor = 1000.0,
                               .up_most_replicas = 4,
                               .down_most_factor = 2.0,
                               .down_window_s = 300.0,
                               .stable_window_s = 60.0,
                               .panic_window_s = 6.0,
                               .panic_threshold = 2.0,
                               .zero_after_s = 90.0,
                               .day_s = 100.0};
}

static int32_t wanted(ms_autoscaler *scaler, const ms_autoscale_plan *plan, double t_s, int32_t ready, int64_t unfinished)
{
    const ms_autoscale_look look = {.t_s = t_s, .ready = ready, .unfinished = unfinished};
    return ms_autoscale_wanted(scaler, plan, &look, 50);
}

static void the_schedule_goes_on_from_the_day_before(void)
{
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_SCHEDULE, 1.0);
    plan.steps = 2;
    plan.step_s[0] = 10.0;
    plan.step_replicas[0] = 5;
    plan.step_s[1] = 60.0;
    plan.step_replicas[1] = 2;
    CHECK(ms_autoscale_schedule(&plan, 0.0) == 2.0 && ms_autoscale_schedule(&plan, 10.0) == 5.0);
    CHECK(ms_autoscale_schedule(&plan, 159.0) == 5.0 && ms_autoscale_schedule(&plan, 160.0) == 2.0);
}

static void a_target_has_a_tolerance_and_shrinks_late(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_TARGET, 10.0);
    plan.up_most_factor = 2.0;
    CHECK(ms_autoscaler_init(&scaler, &plan) == 0);
    CHECK(wanted(&scaler, &plan, 2.0, 10, 109) == 10 && wanted(&scaler, &plan, 4.0, 10, 121) == 13);
    CHECK(wanted(&scaler, &plan, 6.0, 2, 1000) == 6);   /* four more at once */
    CHECK(wanted(&scaler, &plan, 8.0, 20, 1000) == 40); /* or twice as many */
    CHECK(wanted(&scaler, &plan, 300.0, 13, 10) == 13); /* the hundred of 8 s are not forgotten */
    CHECK(wanted(&scaler, &plan, 308.0, 13, 10) == 1);
    ms_autoscaler_free(&scaler);
}

static void saturation_adds_and_takes_one(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_SATURATION, 1.0);
    plan.saturated_usage = 0.8;
    plan.saturated_waiting = 5.0;
    plan.spare_usage = 0.1;
    plan.spare_waiting = 3.0;
    CHECK(ms_autoscaler_init(&scaler, &plan) == 0);
    ms_autoscale_look look = {.t_s = 60.0, .ready = 2, .unfinished = 9};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 3); /* all are saturated */
    ms_autoscale_saturation_add(&look, &plan, 0.65, 0.0);
    ms_autoscale_saturation_add(&look, &plan, 0.72, 0.0);
    ms_autoscale_saturation_add(&look, &plan, 0.85, 0.0);
    ms_autoscale_saturation_add(&look, &plan, 0.10, 5.0);
    CHECK(look.unsaturated == 2 && ms_autoscale_wanted(&scaler, &plan, &look, 50) == 2);
    look.usage = 0.65 + 0.76;
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 3);
    look.loading = 1;
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 3); /* it is on its way */
    look = (ms_autoscale_look){.t_s = 120.0, .ready = 2, .unfinished = 1};
    ms_autoscale_saturation_add(&look, &plan, 0.25, 0.0);
    ms_autoscale_saturation_add(&look, &plan, 0.375, 0.0);
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 1);
    ms_autoscaler_free(&scaler);
}

static void a_rush_only_grows(void)
{
    ms_autoscaler scaler;
    const ms_autoscale_plan plan = plan_of(MS_SCALES_BY_CONCURRENCY, 10.0);
    CHECK(ms_autoscaler_init(&scaler, &plan) == 0);
    for (int k = 1; k < 30; k++) {
        CHECK(wanted(&scaler, &plan, 2.0 * k, 1, 5) == 1);
    }
    CHECK(wanted(&scaler, &plan, 60.0, 1, 60) == 3 && wanted(&scaler, &plan, 62.0, 1, 60) == 5);
    CHECK(wanted(&scaler, &plan, 122.0, 6, 1) == 5 && wanted(&scaler, &plan, 124.0, 6, 1) == 3);
    ms_autoscaler_free(&scaler);
}

/* Two requests a replica: one wants one replica, at once; the second comes when four wait, and goes again. */
static void a_run_starts_and_drains_replicas(void)
{
    ms_run loop;
    const ms_run_config config = plain;
    (void)sheets;
    ms_pool_plan plans[] = {pool_of(0, 2), pool_of(1, 1)};
    plans[0].autoscale = plan_of(MS_SCALES_BY_TARGET, 2.0);
    plans[0].autoscale.initial = 1;
    plans[0].autoscale.least = 1;
    plans[0].autoscale.down_window_s = 0.0;
    for (int k = 0; k < MS_COLD_PHASES; k++) {
        plans[0].autoscale.cold_start[k] = (ms_wait){.law = MS_WAITS_CONSTANT, .mean_s = 0.25};
    }
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, streams) == 0);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(loop.fleet.phase[1] == MS_OFF && loop.fleet.pool[0].up == 1);
    loop.now_s = 2.0;
    loop.fleet.pool[0].unfinished = 4;
    CHECK(ms_scaling_decide(&loop, 0) == 0);
    CHECK(loop.fleet.phase[1] == MS_LOADING && loop.fleet.pool[0].loading == 1);
    loop.now_s = 3.0;
    CHECK(ms_scaling_loaded(&loop, 1) == 0);
    CHECK(loop.fleet.phase[1] == MS_READY && loop.fleet.pool[0].up == 2);
    CHECK(ms_fleet_rented_s(&loop.fleet, 0, 5.0) == 5.0 + 3.0 && ms_fleet_idle_s(&loop.fleet, 0, 5.0) == 8.0);
    loop.now_s = 6.0;
    loop.fleet.pool[0].unfinished = 0;
    CHECK(ms_scaling_decide(&loop, 0) == 0); /* it has nothing to do, and is off at once */
    CHECK(loop.fleet.phase[1] == MS_OFF && loop.fleet.pool[0].up == 1 && loop.fleet.draining == 0);
    CHECK(ms_fleet_rented_s(&loop.fleet, 0, 10.0) == 10.0 + 4.0);
    ms_job job[2];
    for (int32_t k = 0; k < 2; k++) { /* the second, were it there, would be the emptier one */
        ms_job_init(&job[k], k, 0, 1, 1);
        CHECK(ms_dispatch_place(&loop.fleet, &job[k], -1, 10.0) == MS_PLACED);
        CHECK(loop.fleet.replica[0].own_queue.tail == &job[k]);
    }
    ms_run_free(&loop);
}

int main(void)
{
    RUN(the_schedule_goes_on_from_the_day_before);
    RUN(a_target_has_a_tolerance_and_shrinks_late);
    RUN(saturation_adds_and_takes_one);
    RUN(a_rush_only_grows);
    RUN(a_run_starts_and_drains_replicas);
    return report();
}
