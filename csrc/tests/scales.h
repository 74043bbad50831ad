/* Plans of autoscalers by rule and target, for their tests. */
#ifndef MS_TEST_SCALES_H
#define MS_TEST_SCALES_H

#include "autoscale_plan.h"

static inline ms_autoscale_plan plan_of(enum ms_autoscale_rule rule, double target)
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

#endif
