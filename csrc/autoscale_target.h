/* The rule `target`: of the unfinished requests each replica is to have so many, as with KEDA on a Horizontal Pod Autoscaler of
 * Kubernetes and a metric of type AverageValue.
 *
 * Advice is ceil(unfinished / target), or as many as there are while the mean is within the tolerance of it. The pool grows
 * to the least advice of the window up, and shrinks to the highest of the window down; in one decision it grows to at most
 * up_most_factor times its size, or by up_most_replicas if that is more. Sources: Kubernetes 1.32,
 * pkg/controller/podautoscaler (replica_calculator.go, horizontal.go: stabilizeRecommendationWithBehaviors and scale-up
 * policies), and kubernetes.io, "Horizontal Pod Autoscaling"; keda.sh, "ScaledObject specification". */
#ifndef MS_AUTOSCALE_TARGET_H
#define MS_AUTOSCALE_TARGET_H

#include "autoscale_plan.h"

double ms_autoscale_target(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look);

#endif
