/* What happens to the batch of a replica (sequences_state.h): sequences join, are paid for, and leave. */
#ifndef MS_SEQUENCES_H
#define MS_SEQUENCES_H

#include "sequences_memory.h"

void ms_sequences_free(ms_sequences *self);

void ms_sequences_init(ms_sequences *self, const ms_coefficients *coefficients, const ms_limits *limits);

/* Pays for n iterations and a fraction of the next. */
void ms_sequences_accrue(ms_sequences *self, int64_t n, double fraction);

/* What they draw; changes nothing. */
double ms_sequences_joules(const ms_sequences *self, int64_t n, double fraction);

/* Carries out n iterations of the present composition, which end at t_s; what completes goes to `done`. */
void ms_sequences_apply(ms_sequences *self, int64_t n, double t_s, ms_queue *done);

/* Takes the account of place i into its job. */
ms_job *ms_sequences_settle(ms_sequences *self, int32_t i);

/* Takes the sequence at place i out of the batch, between two iterations; or all that are aborted. */
ms_job *ms_sequences_leave(ms_sequences *self, int32_t i);
void ms_sequences_leave_aborted(ms_sequences *self, ms_queue *done);

/* Takes out the sequence at place i, which computes its tokens again later; what it has generated stays in the prefix
 * cache, if asked. */
ms_job *ms_sequences_preempt(ms_sequences *self, int32_t i, int keeps_generated);

/* Tokens that the next iteration takes from the partial prefill, if there is one, within the budget. */
int64_t ms_sequences_partial_chunk(const ms_sequences *self, int64_t budget);

/* A job joins at t_s, with at most `budget` prompt tokens in the next iteration. Returns 0 or an error. */
int ms_sequences_admit(ms_sequences *self, ms_job *job, double t_s, int64_t budget, int32_t replica);

/* A job whose KV is there, all but its last token's, which the next iteration computes, joins those who decode at t_s; at most
 * one prompt is under way. It brings its first token, if nobody has seen that. Returns 0 or an error. */
int ms_sequences_join(ms_sequences *self, ms_job *job, double t_s);

/* Works out the composition and its durations. */
void ms_sequences_compose(ms_sequences *self);

/* How many iterations the composition stands if nobody comes. */
int64_t ms_sequences_last(const ms_sequences *self);

#endif
