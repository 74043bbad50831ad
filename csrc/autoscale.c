#include "autoscale.h"

#include <math.h>
#include <stdlib.h>

#include "autoscale_concurrency.h"
#include "autoscale_saturation.h"
#include "autoscale_schedule.h"
#include "autoscale_target.h"
#include "error.h"

/* Rules that keep nothing have room for it, too. */
static double longest_window_s(const ms_autoscale_plan *plan)
{
    if (plan->rule == MS_SCALES_BY_TARGET) {
        return plan->up_window_s > plan->down_window_s ? plan->up_window_s : plan->down_window_s;
    }
    return plan->stable_window_s;
}

int ms_autoscale_init(ms_autoscaler *self, const ms_autoscale_plan *plan)
{
    *self = (ms_autoscaler){.idle_since_s = INFINITY, .panic_s = -1.0};
    if (plan->rule == MS_SCALES_NEVER) {
        return 0;
    }
    self->recent.room = (int32_t)(longest_window_s(plan) / plan->period_s) + 2;
    self->recent.time_s = calloc((size_t)self->recent.room, sizeof(double));
    self->recent.value = calloc((size_t)self->recent.room, sizeof(double));
    return self->recent.time_s != NULL && self->recent.value != NULL ? 0 : MS_ERR_MEMORY;
}

void ms_autoscale_free(ms_autoscaler *self)
{
    free(self->recent.time_s);
    free(self->recent.value);
    self->recent = (ms_recent){0};
}

static double by_rule(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look)
{
    switch ((enum ms_autoscale_rule)plan->rule) {
    case MS_SCALES_BY_TARGET:
        return ms_autoscale_target(self, plan, look);
    case MS_SCALES_BY_CONCURRENCY:
        return ms_autoscale_concurrency(self, plan, look);
    case MS_SCALES_BY_SATURATION:
        return ms_autoscale_saturation(plan, look);
    case MS_SCALES_BY_SCHEDULE:
    case MS_SCALES_NEVER:
        break;
    }
    return 0.0;
}

/* Not to zero before it has been idle for long enough, and away from there as soon as it is not. */
static double awake(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look, double wanted)
{
    if (look->unfinished_elsewhere > 0 && look->loading > 0) {
        self->idle_since_s = INFINITY; /* it comes to help the others */
    }
    if (look->unfinished > 0) {
        self->idle_since_s = INFINITY;
        return wanted > 1.0 ? wanted : 1.0;
    }
    if (self->idle_since_s == INFINITY) {
        self->idle_since_s = look->t_s;
    }
    const int is_up = look->ready + look->loading > 0;
    return wanted < 1.0 && is_up && look->t_s - self->idle_since_s < plan->zero_after_s ? 1.0 : wanted;
}

int ms_autoscale_may_end(const ms_autoscaler *self, const ms_autoscale_plan *plan, double t_s)
{
    return t_s - self->idle_since_s >= plan->zero_after_s;
}

int32_t ms_autoscale_least(const ms_autoscale_plan *plan, double t_s)
{
    const double floor_of_day = ms_autoscale_schedule(plan, t_s);
    return floor_of_day > (double)plan->least ? (int32_t)floor_of_day : plan->least;
}

int32_t ms_autoscale_wanted(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look,
                            int32_t most)
{
    double wanted = by_rule(self, plan, look);
    if (plan->rule != MS_SCALES_BY_SCHEDULE) {
        wanted = awake(self, plan, look, wanted);
    }
    const double least = (double)ms_autoscale_least(plan, look->t_s);
    wanted = wanted > least ? wanted : least;
    return wanted < (double)most ? (int32_t)wanted : most;
}

double ms_autoscale_cold_start_s(const ms_autoscale_plan *plan, int64_t k, int32_t replica)
{
    double seconds = 0.0;
    for (int32_t phase = 0; phase < MS_COLD_PHASES; phase++) {
        seconds += ms_wait_s(&plan->cold_start[phase], k, replica);
    }
    return seconds;
}
