/* When a pool changes its size: the rules of autoscalers, one a file, and what they have in common.
 *
 * Every `period_s` a rule looks at its pool and says how many replicas it wants; that is never less than `least`, nor
 * than the schedule of the day says, nor more than there are in the pool. To zero it goes only when nothing was unfinished
 * at any look for `zero_after_s`, and from zero as soon as something is. */
#ifndef MS_AUTOSCALE_H
#define MS_AUTOSCALE_H

#include <stdint.h>

#include "wait.h"

enum ms_autoscale_rule {
    MS_SCALES_NEVER,
    MS_SCALES_BY_SCHEDULE,
    MS_SCALES_BY_TARGET,
    MS_SCALES_BY_CONCURRENCY,
    MS_SCALES_BY_SATURATION
};

enum { MS_MOST_STEPS = 96, MS_COLD_PHASES = 4 };

typedef struct ms_autoscale_plan {
    int32_t rule; /* enum ms_autoscale_rule */
    int32_t least;
    int32_t initial; /* up when the run begins */
    double period_s;
    double zero_after_s;
    double target;    /* unfinished requests of a replica */
    double tolerance; /* target: share of it by which the mean may be off */
    double up_window_s;   /* target: grows by the least advice of so long, */
    double down_window_s; /* and shrinks by the highest; concurrency: shrinks by the highest */
    double up_most_factor;   /* grows by no more than to so many times its size, */
    int32_t up_most_replicas; /* target: or by so many, whichever is more */
    double down_most_factor;  /* concurrency: shrinks by no more than to one of so many */
    double stable_window_s;   /* concurrency: over which the mean is taken, */
    double panic_window_s;    /* and in which a rush shows */
    double panic_threshold;   /* that wants so many times the replicas that are up */
    double saturated_usage;   /* saturation: of memory, from which on a replica is saturated, */
    double saturated_waiting; /* or of requests that wait there; */
    double spare_usage;       /* what the others have left of these in the mean is at least so much */
    double spare_waiting;
    int32_t by_price;         /* saturation: of all pools in the order of what a replica costs, the lowest first */
    int32_t steps; /* of the schedule; 0: none */
    double day_s;
    double step_s[MS_MOST_STEPS]; /* rising from 0 on */
    int32_t step_replicas[MS_MOST_STEPS];
    ms_wait cold_start[MS_COLD_PHASES]; /* one after another, drawn by the k-th start and replica of the pool */
} ms_autoscale_plan;

/* What a rule looks at. */
typedef struct ms_autoscale_look {
    double t_s;
    int32_t ready;
    int32_t loading;
    int64_t unfinished;
    int32_t unsaturated; /* saturation: replicas of all its model's pools that are up and not saturated, */
    double usage;        /* and the sums of theirs */
    double waiting;
    int64_t unfinished_elsewhere; /* requests that the others of these pools have */
    int32_t another_grows;        /* one of them would, in its place, */
    int32_t another_shrinks;
} ms_autoscale_look;

/* The advice, or the looks, of the last so many seconds. */
typedef struct ms_recent {
    double *time_s;
    double *value;
    int32_t room;
    int32_t length;
    int32_t first;
} ms_recent;

typedef struct ms_autoscaler {
    ms_recent recent;
    double idle_since_s; /* looks have found nothing unfinished since; infinite: the last one did */
    double panic_s;      /* concurrency: when it was last in a rush; < 0: it is not */
    int32_t panic_most;
    int64_t looks;
} ms_autoscaler;

int ms_autoscaler_init(ms_autoscaler *self, const ms_autoscale_plan *plan);
void ms_autoscaler_free(ms_autoscaler *self);

/* Forgets what is older than `window_s`, and adds a value; memory was allocated at first. */
void ms_recent_add(ms_recent *self, double t_s, double value, double window_s);

/* Replicas that are wanted, at most `most`. */
int32_t ms_autoscale_wanted(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look,
                            int32_t most);

/* The fewest replicas that a pool may have at t_s. */
int32_t ms_autoscale_least(const ms_autoscale_plan *plan, double t_s);

/* Whether its last replica may go: it had nothing to do for long enough. */
int ms_autoscale_may_end(const ms_autoscaler *self, const ms_autoscale_plan *plan, double t_s);

/* The rules: how many they want, whatever the limits. */
double ms_autoscale_schedule(const ms_autoscale_plan *plan, double t_s);
double ms_autoscale_target(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look);
double ms_autoscale_saturation(const ms_autoscale_plan *plan, const ms_autoscale_look *look);
double ms_autoscale_concurrency(ms_autoscaler *self, const ms_autoscale_plan *plan, const ms_autoscale_look *look);

/* saturation: a replica that is up, with the share of its memory in use and the requests that wait, joins what is looked at. */
void ms_autoscale_saturation_add(ms_autoscale_look *look, const ms_autoscale_plan *plan, double usage, double waiting);

/* How long the k-th start of a pool's replica takes. */
double ms_cold_start_s(const ms_autoscale_plan *plan, int64_t k, int32_t replica);

#endif
