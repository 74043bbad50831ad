/* The rule `schedule`, and the floor of the others: so many replicas from each step of the day on, until the next. */
#ifndef MS_AUTOSCALE_SCHEDULE_H
#define MS_AUTOSCALE_SCHEDULE_H

#include "autoscale_plan.h"

double ms_autoscale_schedule(const ms_autoscale_plan *plan, double t_s);

#endif
