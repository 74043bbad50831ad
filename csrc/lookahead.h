/* Planning one iteration ahead, as asynchronous engines do: iteration n + 1 is put together when n starts.
 *
 * So who comes during n is in n + 2 at the earliest. Until it is seen a job stands in `coming`; it is when the iteration
 * under way at its coming has ended and the next one starts, or at once if there is nothing else to do: an iteration of
 * nobody takes no time. A replica that was idle plans its first iteration when it starts it.
 *
 * With limits.recv_interval = N who comes is looked for after an iteration of prompts, and then after every N-th decode
 * iteration only: scheduler_recv_skipper.py of sglang, where prompts count 1,000 and a decode iteration 1.
 *
 * Answers are of known length, as where max_tokens ends them: who is complete takes no part in the next iteration. Its
 * place and its blocks are free at once, and who gives up leaves as without lookahead. */
#ifndef MS_LOOKAHEAD_H
#define MS_LOOKAHEAD_H

#include <stdint.h>

#include "jump.h"

/* A job comes at t_s. */
void ms_lookahead_put(ms_replica *self, ms_job *job, double t_s);

/* An iteration starts: whoever was there when the one before it started joins the queue. */
void ms_lookahead_see(ms_replica *self);

/* Whoever comes joins the queue. */
void ms_lookahead_see_all(ms_replica *self);

/* Whether who comes may be looked at before the composition changes by itself: it would not stand behind others. */
int ms_lookahead_matters(const ms_replica *self);

/* A jump that begins, or goes on, stops where who comes is looked at. */
void ms_lookahead_aim(ms_replica *self);

/* The iterations of the composition under way after which the first who comes is looked at; at most limit_iterations. */
int64_t ms_lookahead_until(const ms_replica *self);

#endif
