/* The rule `saturation`: the saturation analyzer of llm-d's workload variant autoscaler (WVA).
 *
 * A replica is saturated from so much memory in use, or so many waiting requests, on. One more is wanted when the others have
 * less left of either, in the mean, than is to be spare, or when there are none; one fewer when they would still have that
 * with the load of all on one replica less. While a replica loads, nothing changes. Source: llm-d/llm-d-workload-variant-
 * autoscaler@14bed5d0, docs/saturation-analyzer.md, and @2ca0f701, docs/saturation-scaling-config.md, for the thresholds. A
 * look is at an instant instead of the peak of the minute before it. Pools of one model that scale by this rule are looked at
 * together: the cheapest of those where nobody loads, and that has a replica left, gets the one that is wanted, and the
 * dearest gives the one that is not. */
#ifndef MS_AUTOSCALE_SATURATION_H
#define MS_AUTOSCALE_SATURATION_H

#include "autoscale_plan.h"

double ms_autoscale_saturation(const ms_autoscale_plan *plan, const ms_autoscale_look *look);

/* A replica that is up, with the share of its memory in use and the requests that wait, joins what is looked at. */
void ms_autoscale_saturation_add(ms_autoscale_look *look, const ms_autoscale_plan *plan, double usage, double waiting);

#endif
