#include "autoscale_target.h"

#include <math.h>

static double advice(const ms_autoscale_plan *plan, const ms_autoscale_look *look)
{
    const double size = (double)(look->ready + look->loading), unfinished = (double)look->unfinished;
    if (size > 0.0 && fabs(unfinished / (plan->target * size) - 1.0) <= plan->tolerance) {
        return size;
    }
    return ceil(unfinished / plan->target);
}

double ms_autoscale_target(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look)
{
    const double size = (double)(look->ready + look->loading), now = advice(plan, look);
    const double window_s = plan->up_window_s > plan->down_window_s ? plan->up_window_s : plan->down_window_s;
    double least = now, highest = now;
    ms_recent_add(&self->recent, look->t_s, now, window_s);
    for (int32_t k = 0; k < self->recent.length; k++) {
        const int32_t at = (self->recent.first + k) % self->recent.room;
        const double age_s = look->t_s - self->recent.time_s[at], value = self->recent.value[at];
        if (age_s < plan->up_window_s && value < least) {
            least = value;
        }
        if (age_s < plan->down_window_s && value > highest) {
            highest = value;
        }
    }
    double wanted = size < least ? least : size;
    wanted = wanted > highest ? highest : wanted;
    const double by_factor = ceil(size * plan->up_most_factor), by_replicas = size + (double)plan->up_most_replicas;
    const double most = by_factor > by_replicas ? by_factor : by_replicas;
    return wanted < most ? wanted : most;
}
