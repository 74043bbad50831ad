/* The scores that dispatch_scored.c adds up, of one replica each. */
#ifndef MS_SCORES_H
#define MS_SCORES_H

#include "dispatch_rules.h"

enum { MS_LOAD_MOST = 128 };

typedef struct ms_range {
    int64_t least;
    int64_t most;
} ms_range;

/* Who has no queue scores as much as by any range that it is in. */
static const ms_range MS_ALL_ALIKE = {0, 0};

/* Each falls, or stays, as what it is given rises: so it is with every sum below, rounded or not. */
static inline double ms_score_engine(const ms_score_weights *weights, int64_t waiting, double usage, ms_range queue)
{
    const int64_t q = waiting;
    const double shorter = queue.most > queue.least ? (double)(queue.most - q) / (double)(queue.most - queue.least) : 1.0;
    const double load = 0.5 * (1.0 - (double)(q < MS_LOAD_MOST ? q : MS_LOAD_MOST) / MS_LOAD_MOST);
    return weights->queue * shorter + weights->kv_cache * (1.0 - usage) + weights->load * load;
}

/* Of who was sent so many of the `total` blocks of the prompt, and has so many tokens to come with it. */
static inline double ms_score_prompt(const ms_dispatch_plan *plan, int64_t matched, int64_t total, int64_t to_come)
{
    double score = total > 0 ? plan->weights.prefix * ((double)matched / (double)total) : 0.0;
    if (plan->weights.token_load > 0.0) {
        const double tokens = (double)to_come;
        score += plan->weights.token_load * (1.0 - (tokens < plan->most_load_tokens ? tokens / plan->most_load_tokens : 1.0));
    }
    return score;
}

static inline double ms_score_activity(const ms_dispatch_plan *plan, int64_t unfinished, int64_t most)
{
    return unfinished <= plan->idle_requests ? 1.0 : (double)(most - unfinished) / (double)most * plan->most_busy_score;
}

static inline double ms_score_router(const ms_dispatch_plan *plan, int is_bound, int64_t unfinished, int64_t most, double coldness)
{
    const ms_score_weights *weights = &plan->weights;
    double score = weights->session * (double)is_bound;
    score += weights->active > 0.0 ? weights->active * ms_score_activity(plan, unfinished, most) : 0.0;
    return score + (weights->no_hit_lru > 0.0 ? weights->no_hit_lru * coldness : 0.0);
}

/* ---- of one replica of a choice ------------------------------------------------------------------------- */

static inline double ms_score_of_engine(const ms_choice *self, int32_t replica, ms_range queue)
{
    const int64_t waiting = ms_choice_waiting(self, replica);
    return ms_score_engine(&self->fleet->dispatch.weights, waiting, ms_choice_usage(self, replica), queue);
}

static inline double ms_score_of_prompt(const ms_choice *self, int32_t replica, int64_t total)
{
    const ms_fleet *fleet = self->fleet;
    const int64_t matched = fleet->matched[replica], there = matched * self->servers->texts.unit_tokens;
    const int64_t to_come = fleet->prefill_tokens[replica] + self->job->prompt_tokens - there;
    return ms_score_prompt(&fleet->dispatch, matched, total, to_come);
}

static inline ms_range ms_score_range(const ms_choice *self)
{
    ms_range range = {INT64_MAX, INT64_MIN};
    for (int32_t i = 0; i < self->n; i++) {
        const int64_t q = ms_choice_waiting(self, self->up[i]);
        range.least = q < range.least ? q : range.least;
        range.most = q > range.most ? q : range.most;
    }
    return range;
}

/* ---- what the router knows by itself ---------------------------------------------------------------------- */

/* Of those who may be chosen. */
typedef struct ms_known {
    int32_t bound; /* session: where it is; -1: nowhere */
    int64_t most;  /* active: unfinished requests */
    int32_t is_cold; /* no_hit_lru: nobody was sent any of the prompt */
    int32_t never; /* of them never got such a request, */
    int32_t passed; /* and so many of these were looked at */
} ms_known;

static inline int32_t ms_score_bound(const ms_choice *self)
{
    ms_bindings *bindings = &self->servers->sessions;
    if (!(self->fleet->dispatch.weights.session > 0.0) || self->job->session < 0) {
        return -1;
    }
    ms_bindings_expire(bindings, self->t_s - self->fleet->dispatch.session_ttl_s);
    return ms_bindings_find(bindings, self->job->session);
}

/* Whether nobody that may be chosen was sent any of the prompt: n replicas in `matches` were. */
static inline int ms_score_is_cold(const ms_choice *self, int32_t n)
{
    int32_t i = 0;
    while (i < n && !ms_choice_has(self, self->fleet->matches[i])) {
        i++;
    }
    return i == n;
}

static inline ms_known ms_score_known(const ms_choice *self, int32_t matched)
{
    const ms_fleet *fleet = self->fleet;
    ms_cold *cold = &self->servers->cold;
    ms_known known = {.bound = ms_score_bound(self)};
    for (int32_t i = 0; i < self->n && fleet->dispatch.weights.active > 0.0; i++) {
        const int64_t unfinished = ms_view_unfinished(fleet, self->up[i]);
        known.most = unfinished > known.most ? unfinished : known.most;
    }
    known.is_cold = fleet->dispatch.weights.no_hit_lru > 0.0 && ms_score_is_cold(self, matched);
    if (known.is_cold) {
        ms_cold_number(cold);
        for (int32_t i = 0; i < self->n; i++) {
            known.never += cold->position[fleet->place_of[self->up[i]]] < 0;
        }
    }
    return known;
}

/* To be asked of each in order. */
static inline double ms_score_coldness(const ms_choice *self, int32_t replica, ms_known *known)
{
    if (!known->is_cold || self->n < 2) {
        return 0.5;
    }
    const int32_t position = self->servers->cold.position[self->fleet->place_of[replica]];
    const int32_t rank = position < 0 ? known->passed++ : known->never + position;
    const double score = 1.0 - (double)rank / (double)(self->n - 1);
    return score > 0.0 ? score : 0.0;
}

static inline double ms_score_of_router(const ms_choice *self, int32_t replica, ms_known *known)
{
    const ms_score_weights *weights = &self->fleet->dispatch.weights;
    const int64_t unfinished = weights->active > 0.0 ? ms_view_unfinished(self->fleet, replica) : 0;
    const double coldness = weights->no_hit_lru > 0.0 ? ms_score_coldness(self, replica, known) : 0.0;
    return ms_score_router(&self->fleet->dispatch, replica == known->bound, unfinished, known->most, coldness);
}

/* ---- with an index ---------------------------------------------------------------------------------------- */

/* What replicas are measured by. */
static inline ms_range ms_score_measure(const ms_servers *servers)
{
    return (ms_range){servers->least_waiting, servers->most_waiting};
}

/* The least that one can cost, whatever its engine and its load are: without a look at it. Not where nobody was sent any of the
 * prompt. */
static inline double ms_score_least(const ms_choice *self, int32_t replica, int64_t total, const ms_known *known)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const double score = ms_score_engine(&plan->weights, 0, 0.0, MS_ALL_ALIKE) + ms_score_of_prompt(self, replica, total);
    return -(score + ms_score_router(plan, replica == known->bound, 0, 1, 0.5));
}

static inline double ms_score_cost(const ms_choice *self, int32_t replica, ms_range queue, int64_t total, ms_known *known)
{
    const double score = ms_score_of_engine(self, replica, queue) + ms_score_of_prompt(self, replica, total);
    return -(score + ms_score_of_router(self, replica, known));
}

/* What is stale of unfinished requests is put right first. */
static inline int64_t ms_score_busiest(const ms_choice *self)
{
    const ms_fleet *fleet = self->fleet;
    ms_servers *servers = self->servers;
    if (!(fleet->dispatch.weights.active > 0.0)) {
        return 0;
    }
    for (int32_t i = 0; i < servers->n_stale; i++) {
        const int32_t replica = servers->stale[i], place = fleet->place_of[replica];
        const double unfinished = (double)ms_view_unfinished(fleet, replica);
        ms_ties_set(&servers->heights, place, fleet->failures[replica] == 0 ? -unfinished : INFINITY);
    }
    return (int64_t)-ms_ties_least(&servers->heights);
}

#endif
