#include "autoscale.h"

#include "check.h"
#include "scales.h"

static int32_t wanted(ms_autoscaler *scaler, const ms_autoscale_plan *plan, double t_s, int32_t ready,
    int64_t unfinished)
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

/* What loads counts as up: with something unfinished, and the least being none, one that loads is not called off. */
static void what_loads_is_as_good_as_up(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_TARGET, 10.0);
    plan.down_window_s = 0.0;
    CHECK(ms_autoscaler_init(&scaler, &plan) == 0);
    ms_autoscale_look look = {.t_s = 2.0, .loading = 1};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 1); /* nothing to do, but not for long enough */
    look = (ms_autoscale_look){.t_s = 95.0, .loading = 1};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 0);
    look = (ms_autoscale_look){.t_s = 97.0};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 0);
    look = (ms_autoscale_look){.t_s = 99.0, .unfinished = 1};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 1);
    look = (ms_autoscale_look){.t_s = 101.0, .loading = 1};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 1); /* it counts anew */
    ms_autoscaler_free(&scaler);
}

int main(void)
{
    RUN(the_schedule_goes_on_from_the_day_before);
    RUN(a_target_has_a_tolerance_and_shrinks_late);
    RUN(saturation_adds_and_takes_one);
    RUN(a_rush_only_grows);
    RUN(what_loads_is_as_good_as_up);
    return report();
}
