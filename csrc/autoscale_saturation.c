/* The rule `saturation`: the saturation analyzer of llm-d's workload variant autoscaler (WVA).
 *
 * A replica is saturated from so much memory in use, or so many waiting requests, on. One more is wanted when the others have
 * less left of either, in the mean, than is to be spare, or when there are none; one fewer when they would still have that
 * with the load of all on one replica less. While a replica loads, nothing changes. Source: llm-d/llm-d-workload-variant-
 * autoscaler@14bed5d0, docs/saturation-analyzer.md, and @2ca0f701, docs/saturation-scaling-config.md, for the thresholds. A
 * look is at an instant instead of the peak of the minute before it. Pools of one model that scale by this rule are looked at
 * together: the cheapest of those where nobody loads, and that has a replica left, gets the one that is wanted, and the
 * dearest gives the one that is not. */
#include "autoscale.h"

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
