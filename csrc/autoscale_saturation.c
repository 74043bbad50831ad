#include "autoscale_saturation.h"

void ms_autoscale_saturation_add(ms_autoscale_look *look, const ms_autoscale_plan *plan, double usage, double waiting)
{
    if (usage < plan->saturated_usage && waiting < plan->saturated_waiting) {
        look->unsaturated++;
        look->usage += usage;
        look->waiting += waiting;
    }
}

/* Whether so many replicas under the load of those that are not saturated have enough to spare. */
static int is_enough(const ms_autoscale_plan *plan, const ms_autoscale_look *look, int32_t replicas)
{
    return replicas > 0 && plan->saturated_usage - look->usage / (double)replicas >= plan->spare_usage &&
           plan->saturated_waiting - look->waiting / (double)replicas >= plan->spare_waiting;
}

double ms_autoscale_saturation(const ms_autoscale_plan *plan, const ms_autoscale_look *look)
{
    const double size = (double)(look->ready + look->loading);
    if (look->unfinished == 0 && look->unfinished_elsewhere == 0 && size <= 1.0) {
        return 0.0; /* which is put off, and never below the least */
    }
    if (look->loading > 0) {
        return size;
    }
    if (!is_enough(plan, look, look->unsaturated)) {
        return look->another_grows ? size : size + 1.0;
    }
    return is_enough(plan, look, look->unsaturated - 1) && !look->another_shrinks ? size - 1.0 : size;
}
