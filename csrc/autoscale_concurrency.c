#include "autoscale_concurrency.h"

#include "maths.h"

static double mean_of_last(const ms_recent *recent, double t_s, double window_s)
{
    double sum = 0.0;
    int32_t n = 0;
    for (int32_t k = 0; k < recent->length; k++) {
        const int32_t at = (recent->first + k) % recent->room;
        if (recent->time_s[at] > t_s - window_s) {
            sum += recent->value[at];
            n++;
        }
    }
    return sum / (double)n;
}

static double within(double wanted, double least, double most)
{
    return ms_less(ms_more(wanted, least), most);
}

double ms_autoscale_concurrency(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look)
{
    ms_recent_add(&self->recent, look->t_s, (double)look->unfinished, plan->stable_window_s);
    const double ready = ms_more((double)look->ready, 1.0);
    const double most = ceil(plan->up_most_factor * ready), least = floor(ready / plan->down_most_factor);
    const double stable = ceil(mean_of_last(&self->recent, look->t_s, plan->stable_window_s) / plan->target);
    const double rush = ceil(mean_of_last(&self->recent, look->t_s, plan->panic_window_s) / plan->target);
    double wanted = within(stable, least, most);
    if (rush / ready >= plan->panic_threshold) {
        self->panic_s = look->t_s;
    } else if (look->t_s - self->panic_s > plan->stable_window_s) {
        self->panic_s = -1.0;
        self->panic_most = 0;
    }
    if (self->panic_s >= 0.0) {
        wanted = ms_more(ms_more(wanted, within(rush, least, most)), (double)self->panic_most);
        self->panic_most = wanted < 1e9 ? (int32_t)wanted : 1000000000;
    }
    return wanted;
}
