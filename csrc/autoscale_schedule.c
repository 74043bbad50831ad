#include "autoscale_schedule.h"

#include <math.h>

double ms_autoscale_schedule(const ms_autoscale_plan *plan, double t_s)
{
    if (plan->steps == 0) {
        return 0.0;
    }
    const double of_day_s = t_s - floor(t_s / plan->day_s) * plan->day_s;
    int32_t step = plan->steps - 1; /* before the first of the day the last of the day before holds */
    for (int32_t k = 0; k < plan->steps && plan->step_s[k] <= of_day_s; k++) {
        step = k;
    }
    return (double)plan->step_replicas[step];
}
