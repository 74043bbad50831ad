/* When a pool changes its size: the options of the rules, what they look at, and what they remember. */
#ifndef MS_AUTOSCALE_PLAN_H
#define MS_AUTOSCALE_PLAN_H

#include <stdint.h>

#include "recent.h"
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

typedef struct ms_autoscaler {
    ms_recent recent;
    double idle_since_s; /* looks have found nothing unfinished since; infinite: the last one did */
    double panic_s;      /* concurrency: when it was last in a rush; < 0: it is not */
    int32_t panic_most;
    int64_t looks;
} ms_autoscaler;

#endif
