/* What the rules of dispatch share. A rule is a file of its own, dispatch_NAME.c. */
#ifndef MS_DISPATCH_RULES_H
#define MS_DISPATCH_RULES_H

#include "fleet.h"
#include "view.h"

/* A copy that comes, and the replicas that it may go to. */
typedef struct ms_choice {
    ms_fleet *fleet;
    ms_servers *servers;
    ms_job *job;
    const int32_t *up; /* [n] in order, n > 0 */
    int32_t n;
    double t_s;
} ms_choice;

typedef struct ms_dispatch_rule {
    int32_t (*pick)(const ms_choice *);               /* one of at least two, or an error */
    int32_t (*look)(const ms_choice *);               /* the same without a trace; NULL: pick leaves none */
    int (*sent)(const ms_choice *, int32_t replica);  /* where it goes, picked or the only one; returns 0 or an error */
} ms_dispatch_rule;

/* Whether the choice is among all replicas that are up: of these the fleet keeps indices. */
static inline int ms_choice_is_of_all(const ms_choice *self)
{
    return self->up == self->servers->up_replica;
}

/* Whether what stands as a replica is an API: where there is none, no pool is read. */
static inline int ms_choice_is_api(const ms_choice *self, int32_t replica)
{
    return self->servers->has_api && ms_fleet_is_api(self->fleet, replica);
}

/* Whether a replica of the model is among those it may go to. */
int ms_choice_has(const ms_choice *self, int32_t replica);

/* One of the copy's two draws. */
double ms_choice_uniform(const ms_choice *self, int second);

/* Requests in the queue of a replica's engine, and the share of its memory that the batch holds, as they are; 0 of an API. */
int64_t ms_choice_waiting_now(const ms_choice *self, int32_t replica);
double ms_choice_usage_now(const ms_choice *self, int32_t replica);

/* The same as far as is known. */
static inline int64_t ms_choice_waiting(const ms_choice *self, int32_t replica)
{
    const ms_looks *looks = &self->fleet->looks;
    return looks->delay_s > 0.0 ? looks->waiting[replica] : ms_choice_waiting_now(self, replica);
}

static inline double ms_choice_usage(const ms_choice *self, int32_t replica)
{
    const ms_looks *looks = &self->fleet->looks;
    return looks->delay_s > 0.0 ? looks->usage[replica] : ms_choice_usage_now(self, replica);
}

/* What is seen now is of then. */
static inline double ms_choice_as_of_s(const ms_choice *self)
{
    const ms_looks *looks = &self->fleet->looks;
    return looks->delay_s > 0.0 ? ms_looks_s(looks) : self->t_s;
}

/* Tokens of the prompt that the prefix cache of a replica holds, as far as is known; 0 of an API. */
int64_t ms_choice_cached(const ms_choice *self, int32_t replica);

/* Replicas that may hold something of the prompt, where all blocks are alike and caches are heard of: a block is where its
 * parent is, so these are who has the first. NULL: nobody. */
const ms_text_node *ms_choice_holders(const ms_choice *self);

/* A whole number below n, by one of these draws. */
int32_t ms_choice_draw(const ms_choice *self, int second, int32_t n);

/* The one of n replicas that costs least; any one of several. */
int32_t ms_choice_cheapest(const ms_choice *self, const int32_t *replicas, const double *costs, int32_t n);

/* The replica with the fewest unfinished requests, as far as is known; of several the first, or any one of them. */
int32_t ms_choice_least_loaded(const ms_choice *self, int random_ties);

#endif
