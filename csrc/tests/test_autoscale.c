#include "autoscale.h"

#include "autoscale_concurrency.h"
#include "autoscale_saturation.h"
#include "autoscale_schedule.h"
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
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    CHECK(wanted(&scaler, &plan, 2.0, 10, 109) == 10 && wanted(&scaler, &plan, 4.0, 10, 121) == 13);
    CHECK(wanted(&scaler, &plan, 6.0, 2, 1000) == 6);   /* four more at once */
    CHECK(wanted(&scaler, &plan, 8.0, 20, 1000) == 40); /* or twice as many */
    CHECK(wanted(&scaler, &plan, 300.0, 13, 10) == 13); /* the hundred of 8 s are not forgotten */
    CHECK(wanted(&scaler, &plan, 308.0, 13, 10) == 1);
    ms_autoscale_free(&scaler);
}

static ms_autoscale_plan by_saturation(void)
{
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_SATURATION, 1.0);
    plan.saturated_usage = 0.8;
    plan.saturated_waiting = 5.0;
    plan.spare_usage = 0.1;
    plan.spare_waiting = 3.0;
    return plan;
}

static void saturation_adds_and_takes_one(void)
{
    ms_autoscaler scaler;
    const ms_autoscale_plan plan = by_saturation();
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
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
    ms_autoscale_free(&scaler);
}

static void a_rush_only_grows(void)
{
    ms_autoscaler scaler;
    const ms_autoscale_plan plan = plan_of(MS_SCALES_BY_CONCURRENCY, 10.0);
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    for (int k = 1; k < 30; k++) {
        CHECK(wanted(&scaler, &plan, 2.0 * k, 1, 5) == 1);
    }
    CHECK(wanted(&scaler, &plan, 60.0, 1, 60) == 3 && wanted(&scaler, &plan, 62.0, 1, 60) == 5);
    CHECK(wanted(&scaler, &plan, 122.0, 6, 1) == 5 && wanted(&scaler, &plan, 124.0, 6, 1) == 3);
    ms_autoscale_free(&scaler);
}

/* What loads counts as up: with something unfinished, and the least being none, one that loads is not called off. */
static void what_loads_is_as_good_as_up(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_TARGET, 10.0);
    plan.down_window_s = 0.0;
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
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
    ms_autoscale_free(&scaler);
}

/* ---- all looks so far, by the description of each rule --------------------------------------------------------- */

enum { LOOKS = 400 };

static ms_autoscale_look looks[LOOKS];
static double advices[LOOKS];

static double most_of(double a, double b)
{
    return a > b ? a : b;
}

static double least_of(double a, double b)
{
    return a < b ? a : b;
}

/* At look n: the least advice of a window up, the highest of one down, and how far a pool grows at once. */
static double target_by_hand(const ms_autoscale_plan *plan, int n)
{
    const double size = looks[n].ready + looks[n].loading, unfinished = (double)looks[n].unfinished;
    const int is_alike = size > 0.0 && fabs(unfinished / (plan->target * size) - 1.0) <= plan->tolerance;
    advices[n] = is_alike ? size : ceil(unfinished / plan->target);
    double least = advices[n], highest = advices[n];
    for (int k = 0; k <= n; k++) {
        const double age_s = looks[n].t_s - looks[k].t_s;
        least = age_s < plan->up_window_s ? least_of(least, advices[k]) : least;
        highest = age_s < plan->down_window_s ? most_of(highest, advices[k]) : highest;
    }
    const double wanted = least_of(most_of(size, least), highest);
    return least_of(wanted, most_of(ceil(size * plan->up_most_factor), size + plan->up_most_replicas));
}

static double mean_by_hand(int n, double window_s)
{
    double sum = 0.0;
    int count = 0;
    for (int k = 0; k <= n; k++) {
        if (looks[n].t_s - looks[k].t_s < window_s) {
            sum += (double)looks[k].unfinished;
            count++;
        }
    }
    return sum / count;
}

static struct {
    double since_s; /* of the last look in a rush; < 0: none that counts */
    double most;
} rush;

static double concurrency_by_hand(const ms_autoscale_plan *plan, int n)
{
    const double ready = most_of(looks[n].ready, 1.0), most = ceil(plan->up_most_factor * ready);
    const double least = floor(ready / plan->down_most_factor);
    const double stable = ceil(mean_by_hand(n, plan->stable_window_s) / plan->target);
    const double panic = ceil(mean_by_hand(n, plan->panic_window_s) / plan->target);
    double wanted = least_of(most_of(stable, least), most);
    if (panic >= plan->panic_threshold * ready) {
        rush.since_s = looks[n].t_s;
    } else if (rush.since_s >= 0.0 && looks[n].t_s - rush.since_s > plan->stable_window_s) {
        rush.since_s = -1.0;
        rush.most = 0.0;
    }
    if (rush.since_s >= 0.0) {
        wanted = most_of(most_of(wanted, least_of(most_of(panic, least), most)), rush.most);
        rush.most = wanted;
    }
    return wanted;
}

/* At least one while something is unfinished, or was within the time after which a pool goes to zero. */
static double awake_by_hand(const ms_autoscale_plan *plan, int n, double wanted)
{
    int k = n;
    while (k >= 0 && looks[k].unfinished == 0) {
        k--;
    }
    if (k == n) {
        return most_of(wanted, 1.0);
    }
    const double idle_s = looks[n].t_s - looks[k + 1].t_s;
    return looks[n].ready + looks[n].loading > 0 && idle_s < plan->zero_after_s ? most_of(wanted, 1.0) : wanted;
}

static void every_rule_does_what_it_says(void)
{
    int64_t changes = 0, zeros = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        lcg chance = {seed};
        ms_autoscaler scaler;
        const int is_target = seed % 2 == 0;
        ms_autoscale_plan plan = plan_of(is_target ? MS_SCALES_BY_TARGET : MS_SCALES_BY_CONCURRENCY, 4.0);
        plan.least = (int32_t)lcg_between(&chance, 0, 1);
        plan.up_window_s = 2.0 * (double)lcg_between(&chance, 0, 6);
        plan.down_window_s = 2.0 * (double)lcg_between(&chance, 0, 20);
        plan.up_most_factor = 1.0 + 0.5 * (double)lcg_between(&chance, 0, 4);
        plan.up_most_replicas = (int32_t)lcg_between(&chance, 0, 4);
        plan.stable_window_s = 20.0 + 2.0 * (double)lcg_between(&chance, 0, 5);
        plan.panic_window_s = 2.0 + 2.0 * (double)lcg_between(&chance, 0, 2);
        plan.zero_after_s = 8.0;
        plan.steps = seed % 4 == 3;
        plan.step_replicas[0] = 2;
        rush.since_s = -1.0;
        rush.most = 0.0;
        CHECK(ms_autoscale_init(&scaler, &plan) == 0);
        int32_t ready = 1;
        int64_t level = 3;
        for (int n = 0; n < LOOKS; n++) {
            level = lcg_between(&chance, 0, 15) == 0 ? lcg_between(&chance, 0, 1) * lcg_between(&chance, 0, 60) : level;
            const int32_t loading = (int32_t)lcg_between(&chance, 0, ready > 2 ? 2 : 0);
            const int64_t unfinished = level == 0 ? 0 : level + lcg_between(&chance, 0, 3);
            looks[n] = (ms_autoscale_look){
                .t_s = 2.0 * (n + 1), .ready = ready - loading, .loading = loading, .unfinished = unfinished};
            const double by_rule = is_target ? target_by_hand(&plan, n) : concurrency_by_hand(&plan, n);
            double expected = most_of(awake_by_hand(&plan, n, by_rule), plan.steps ? 2.0 : 0.0);
            expected = least_of(most_of(expected, plan.least), 12.0);
            const int32_t now = ms_autoscale_wanted(&scaler, &plan, &looks[n], 12);
            CHECK(now == (int32_t)expected);
            changes += now != ready;
            zeros += now == 0;
            ready = now;
        }
        ms_autoscale_free(&scaler);
    }
    CHECK(changes > 1000 && zeros > 100);
}

/* Phases of a cold start add up, each drawn by the start and the replica. */
static void a_cold_start_is_the_sum_of_its_phases(void)
{
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_TARGET, 4.0);
    double expected = 0.0;
    for (int k = 0; k < MS_COLD_PHASES; k++) {
        plan.cold_start[k] = (ms_wait){.law = MS_WAITS_EXPONENTIAL, .mean_s = 1.0 + k, .stream = {1, 30 +
            (uint32_t)k, 0, 0}};
        expected += ms_wait_s(&plan.cold_start[k], 7, 3);
    }
    CHECK(ms_autoscale_cold_start_s(&plan, 7, 3) == expected && ms_autoscale_cold_start_s(&plan, 8, 3) != expected);
}

/* By saturation the last replica goes, too, once it has had nothing to do for long enough; two go one by one. */
static void saturation_goes_to_zero_when_nothing_is_left(void)
{
    ms_autoscaler scaler;
    const ms_autoscale_plan plan = by_saturation();
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    const double times_s[] = {2.0, 4.0, 90.0, 92.0, 94.0};
    const int32_t ready[] = {2, 1, 1, 1, 0}, wanted_of[] = {1, 1, 1, 0, 0};
    for (int k = 0; k < 5; k++) {
        ms_autoscale_look look = {.t_s = times_s[k], .ready = ready[k]};
        for (int32_t i = 0; i < ready[k]; i++) {
            ms_autoscale_saturation_add(&look, &plan, 0.0, 0.0);
        }
        CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == wanted_of[k]);
    }
    ms_autoscale_look look = {.t_s = 96.0, .unfinished = 1};
    CHECK(ms_autoscale_wanted(&scaler, &plan, &look, 50) == 1);
    ms_autoscale_free(&scaler);
}

/* A schedule may say that nobody is up, whatever is unfinished. */
static void a_schedule_may_go_to_zero(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_SCHEDULE, 1.0);
    plan.steps = 2;
    plan.step_replicas[0] = 0;
    plan.step_s[1] = 50.0;
    plan.step_replicas[1] = 3;
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    CHECK(wanted(&scaler, &plan, 48.0, 2, 9) == 0 && wanted(&scaler, &plan, 50.0, 0, 0) == 3);
    CHECK(wanted(&scaler, &plan, 100.0, 3, 9) == 0);
    ms_autoscale_free(&scaler);
}

/* The last replica may go `zero_after_s` after the first look that found nothing to do; not before there was one. */
static void the_last_may_go_once_it_was_idle_for_long_enough(void)
{
    ms_autoscaler scaler;
    const ms_autoscale_plan plan = plan_of(MS_SCALES_BY_TARGET, 4.0); /* 90 s */
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    CHECK(!ms_autoscale_may_end(&scaler, &plan, 1e9));
    CHECK(wanted(&scaler, &plan, 10.0, 1, 0) == 1 && scaler.idle_since_s == 10.0);
    CHECK(!ms_autoscale_may_end(&scaler, &plan, 99.5) && ms_autoscale_may_end(&scaler, &plan, 100.0));
    CHECK(wanted(&scaler, &plan, 50.0, 1, 3) == 1 && !ms_autoscale_may_end(&scaler, &plan, 1e9));
    ms_autoscale_free(&scaler);
}

/* Idle time of a pool begins anew while a replica of it loads to help the others; once it is up, or with nothing to do
 * elsewhere, it goes on. */
static void who_loads_to_help_others_is_not_idle(void)
{
    const int32_t loading[] = {1, 0, 1};
    const int64_t elsewhere[] = {5, 5, 0};
    for (int k = 0; k < 3; k++) {
        ms_autoscaler scaler;
        const ms_autoscale_plan plan = by_saturation();
        CHECK(ms_autoscale_init(&scaler, &plan) == 0);
        scaler.idle_since_s = 4.0;
        const ms_autoscale_look look = {
            .t_s = 40.0, .ready = 1 - loading[k], .loading = loading[k], .unfinished_elsewhere = elsewhere[k]};
        ms_autoscale_wanted(&scaler, &plan, &look, 50);
        CHECK(scaler.idle_since_s == (k == 0 ? 40.0 : 4.0));
        ms_autoscale_free(&scaler);
    }
}

/* Of several pools one grows and one shrinks: the others stay as they are. With nothing to do anywhere, one replica goes;
 * while others have something, it stays up for them. */
static void another_pool_grows_or_shrinks_in_its_place(void)
{
    const ms_autoscale_plan plan = by_saturation();
    ms_autoscale_look look = {.t_s = 2.0, .ready = 2, .unfinished = 9};
    CHECK(ms_autoscale_saturation(&plan, &look) == 3.0);
    look.another_grows = 1;
    CHECK(ms_autoscale_saturation(&plan, &look) == 2.0);
    for (int i = 0; i < 2; i++) {
        ms_autoscale_saturation_add(&look, &plan, 0.0, 0.0);
    }
    CHECK(ms_autoscale_saturation(&plan, &look) == 1.0);
    look.another_shrinks = 1;
    CHECK(ms_autoscale_saturation(&plan, &look) == 2.0);
    ms_autoscale_look idle = {.t_s = 2.0, .ready = 1, .unsaturated = 1, .unfinished_elsewhere = 4};
    CHECK(ms_autoscale_saturation(&plan, &idle) == 1.0);
    idle.unfinished_elsewhere = 0;
    CHECK(ms_autoscale_saturation(&plan, &idle) == 0.0);
}

/* A rush at the very beginning is one: its most stays wanted, until it is over for a whole window. */
static void a_rush_may_come_in_the_first_second(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_CONCURRENCY, 10.0);
    plan.stable_window_s = 60.0;
    plan.panic_window_s = 6.0;
    plan.panic_threshold = 2.0;
    plan.up_most_factor = 10.0;
    plan.down_most_factor = 2.0;
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    for (int k = 0; k < 2; k++) {
        const ms_autoscale_look look = {.t_s = 0.5 * k, .ready = 1, .unfinished = k == 0 ? 40 : 0};
        CHECK(ms_autoscale_concurrency(&scaler, &plan, &look) == 4.0 && scaler.panic_most == 4);
    }
    ms_autoscale_free(&scaler);
}

/* Who wants more replicas than are counted remembers the most that are. */
static void a_rush_beyond_all_bounds_is_remembered_as_a_bound(void)
{
    ms_autoscaler scaler;
    ms_autoscale_plan plan = plan_of(MS_SCALES_BY_CONCURRENCY, 1.0);
    plan.up_most_factor = 1e10;
    CHECK(ms_autoscale_init(&scaler, &plan) == 0);
    for (int k = 0; k < 2; k++) {
        const ms_autoscale_look look = {.t_s = 0.5 + 60.0 * k, .ready = 1, .unfinished = k == 0 ? 5000000000 : 3};
        CHECK(ms_autoscale_concurrency(&scaler, &plan, &look) == (k == 0 ? 5e9 : 1e9));
        CHECK(scaler.panic_most == 1000000000);
    }
    ms_autoscale_free(&scaler);
}

int main(void)
{
    RUN(the_schedule_goes_on_from_the_day_before);
    RUN(a_target_has_a_tolerance_and_shrinks_late);
    RUN(saturation_adds_and_takes_one);
    RUN(a_rush_only_grows);
    RUN(what_loads_is_as_good_as_up);
    RUN(every_rule_does_what_it_says);
    RUN(a_cold_start_is_the_sum_of_its_phases);
    RUN(saturation_goes_to_zero_when_nothing_is_left);
    RUN(a_schedule_may_go_to_zero);
    RUN(the_last_may_go_once_it_was_idle_for_long_enough);
    RUN(who_loads_to_help_others_is_not_idle);
    RUN(another_pool_grows_or_shrinks_in_its_place);
    RUN(a_rush_may_come_in_the_first_second);
    RUN(a_rush_beyond_all_bounds_is_remembered_as_a_bound);
    return report();
}
