/* The state of a replica, and a jump of it: n iterations of one composition, which end at a boundary. */
#ifndef MS_JUMP_H
#define MS_JUMP_H

#include <stdint.h>

#include "sequences.h"

enum ms_replica_state {
    MS_IDLE,     /* nothing to do */
    MS_BOUNDARY, /* between two iterations: ms_replica_start is due at this instant */
    MS_RUNNING,  /* in a jump that ends at boundary_s */
    MS_DOWN      /* failed */
};

/* What is read together stands together, as in ms_sequences. */
typedef struct ms_replica {
    int32_t index;
    int32_t state;
    int32_t full;            /* sglang: the head of the queue is not looked at until somebody leaves */
    int32_t kept_places;     /* of those whose transfer to here has begun, and who are not in the batch yet */
    double base_s;           /* the jump of the present composition starts here; */
    int64_t limit_iterations;  /* it changes by itself after so many, */
    int64_t target_iterations; /* and the next boundary to stop at comes after so many */
    double boundary_s;       /* infinite unless running */
    ms_queue *queue; /* its own, or one shared by the pool */
    const struct ms_schedule *schedule;
    ms_queue own_queue;
    ms_queue arrived;   /* jobs from elsewhere that join its next iteration, before its queue, */
    ms_queue coming; /* with limits.lookahead: who came too late for the iteration that comes next, in order */
    ms_queue departing; /* and jobs whose transfer to here has just begun: its owner sees to them */
    double busy_since_s;
    double busy_s;
    int64_t jumps;
    int64_t preemptions;
    double ratio;            /* sglang: part of the answers under way for which memory is kept free, as set last */
    int64_t ratio_clock;     /* and from when on it falls */
    int64_t poll_clock;      /* the clock as the last iteration of prompts ended (lookahead.h) */
    ms_sequences sequences;  /* in the batch */
    ms_queue incoming;  /* jobs on their way to here */
} ms_replica;

/* When n iterations of the present composition end. */
double ms_jump_end_s(const ms_replica *self, int64_t n);

/* So many iterations of it, when they end, and when all but the last of them do. */
typedef struct ms_jump_point {
    int64_t n;
    double end_s;
    double before_s;
} ms_jump_point;

/* The fewest iterations, at least 1, whose end is at or after t_s; if there are none, all. */
ms_jump_point ms_jump_find(const ms_replica *self, double t_s);
int64_t ms_jump_until(const ms_replica *self, double t_s);

/* It runs, and stops after n iterations. */
void ms_jump_aim(ms_replica *self, int64_t n);

/* Whether a new head of the queue could change the composition under way. */
int ms_jump_may_be_joined(const ms_replica *self);

/* ---- for schedules -------------------------------------------------------------------------------------- */

/* The head of the queue joins with at most `budget` tokens. `*used` are the blocks of the next iteration. Returns 0 or
 * an error. */
int ms_jump_admit(ms_replica *self, double t_s, int64_t budget, int64_t *used, int32_t *pulled);

/* Takes the sequence at place i out of the batch; the caller puts it back into the queue. */
ms_job *ms_jump_preempt(ms_replica *self, int32_t i, int keeps_generated);

/* A jump of what is in the batch begins, of at most so many iterations; if nobody is, the replica is idle. */
int ms_jump_begin(ms_replica *self, double t_s, int64_t most);

#endif
