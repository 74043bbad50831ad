/* Dispatch: which replica of its model a copy goes to, and where it waits. */
#ifndef MS_DISPATCH_H
#define MS_DISPATCH_H

#include "fleet.h"

enum ms_placed { MS_PLACED, MS_TURNED_AWAY, MS_CALLS_API, MS_TO_FRONT_END };

/* Sends a job to a replica of its model at t_s; `max_waiting` < 0: nobody is turned away but by APIs that are down or
 * have had as much as they take.
 * Returns an ms_placed (an API's job is for the caller to finish, job->replica being set, and one that goes to a front
 * end for the caller to see through it), or an error. */
int ms_dispatch_place(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s);

/* Where ms_dispatch_place would send a job, which stays where it is: a pool, or -1, and a replica of it, or -1 where it
 * would wait for one. Returns 0 or an error. */
int ms_dispatch_look(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s, int32_t *pool, int32_t *replica);

/* Whether some pool of a model takes such a request now. */
int ms_dispatch_takes(const ms_fleet *fleet, int32_t model, int32_t prompt_tokens, int32_t max_new_tokens,
                      int64_t max_waiting, double t_s);

/* How long it is until the limits a minute of one of a model's APIs have enough for such a request, as a Retry-After says, if
 * nobody else asks; infinite where none tells: those that are down, or busy with as many calls as they take, do not. */
double ms_dispatch_retry_after_s(const ms_fleet *fleet, int32_t model, int32_t prompt_tokens, int32_t max_new_tokens,
                                 double t_s);

/* Where a job that is prefilled elsewhere is to decode; -1: none that takes it is up. Returns 0 or an error. */
int ms_dispatch_pick_decoder(ms_fleet *fleet, ms_job *job, double t_s, int32_t *replica);

/* A job that has a place comes to the queue there. */
void ms_dispatch_queue(ms_fleet *fleet, ms_job *job, double t_s);

#endif
