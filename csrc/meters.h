/* What a fleet has used, seconds busy, idle and rented, joules and tokens of prompts, and how full it is. */
#ifndef MS_METERS_H
#define MS_METERS_H

#include "fleet_state.h"

double ms_meters_busy_s(const ms_fleet *self, int32_t pool, double t_s);
double ms_meters_idle_s(const ms_fleet *self, int32_t pool, double t_s);
double ms_meters_iterations_j(const ms_fleet *self, int32_t pool, double t_s); /* iterations only */

/* Energy of a pool until t_s, idle power included. */
double ms_meters_energy_j(const ms_fleet *self, int32_t pool, double t_s);

/* Prompt tokens that its replicas have started so far, where they have a prefix cache, and how many of them were there. */
int64_t ms_meters_prompt_tokens(const ms_fleet *self, int32_t pool, int64_t *cached);

/* Replica-seconds until t_s that a pool of an autoscaler was not off. */
double ms_meters_rented_s(const ms_fleet *self, int32_t pool, double t_s);

/* Unfinished requests of a model per place. */
double ms_meters_load(const ms_fleet *self, int32_t model);

#endif
