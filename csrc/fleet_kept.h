/* What replicas have prefilled for others and hold until those have it. */
#ifndef MS_FLEET_KEPT_H
#define MS_FLEET_KEPT_H

#include "fleet.h"

/* A job that was prefilled for another replica is kept where that was. */
void ms_fleet_kept_add(ms_fleet *self, ms_job *job);

/* Its blocks there are let go, if it was. */
void ms_fleet_kept_let_go(ms_fleet *self, ms_job *job, double t_s);

#endif
