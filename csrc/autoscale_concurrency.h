/* The rule `concurrency`: Knative's pod autoscaler (KPA).
 *
 * Looks find the unfinished requests of the pool; the means of those of the stable and of the panic window, over the target,
 * are what is wanted. Of the stable one never more than up_most_factor times the replicas that are up, nor less than one of
 * down_most_factor. While the panic window wants panic_threshold times those that are up, and for a stable window after, the
 * pool only grows. Source: knative.dev, "About autoscaling" (kpa-specific), and knative/serving, pkg/autoscaler/scaling/
 * autoscaler.go. Looks come every period instead of being gathered by second, and include what waits. */
#ifndef MS_AUTOSCALE_CONCURRENCY_H
#define MS_AUTOSCALE_CONCURRENCY_H

#include "autoscale_plan.h"

double ms_autoscale_concurrency(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look);

#endif
