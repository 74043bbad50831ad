/* What a cluster is: pools of replicas, and what dispatch keeps of those of each model.
 *
 * Replicas are numbered over all pools in order. Every dispatch rule sees only replicas that are up. */
#ifndef MS_FLEET_STATE_H
#define MS_FLEET_STATE_H

#include <math.h>
#include <stdint.h>

#include "api_limits.h"
#include "autoscale_plan.h"
#include "bindings.h"
#include "calendar.h"
#include "cold.h"
#include "dispatch_plan.h"
#include "early.h"
#include "looks.h"
#include "own_view.h"
#include "philox.h"
#include "prompt_cache.h"
#include "replica.h"
#include "members.h"
#include "standings.h"
#include "texts.h"
#include "ties.h"
#include "wait.h"

/* Of a replica of a pool that an autoscaler changes; others are always ready, and may fail. */
enum ms_phase { MS_READY, MS_LOADING, MS_DRAINING, MS_OFF };

typedef struct ms_pool_plan {
    int32_t model;
    int32_t replicas;
    int32_t is_api;
    ms_coefficients coefficients;
    ms_limits limits;
    int64_t most_tokens;       /* longer requests, prompt and answer, it does not take; 0: no such limit */
    int64_t most_prompt_tokens; /* nor longer prompts; 0: no such limit */
    double kv_bytes_per_token; /* that a transfer of its KV takes */
    ms_wait front_end;         /* of law MS_WAITS_FOREVER: it has none */
    int32_t front_end_workers; /* of each replica; 0: as many as are needed */
    double detokenize_s;
    double usd_per_s;       /* of one replica */
    double latency_s;       /* of an API */
    double tpot_s;
    double usd_per_million_prompt_tokens;
    double usd_per_million_output_tokens;
    double usd_per_million_cached_prompt_tokens;
    ms_limits_plan api_limits;
    ms_prompt_cache_plan prompt_cache;
    ms_autoscale_plan autoscale;
} ms_pool_plan;

typedef struct ms_pool {
    ms_pool_plan plan;
    ms_autoscaler autoscaler;
    int32_t first;      /* its first replica */
    int32_t servers;    /* among those of the fleet */
    int32_t loading;
    int32_t draining;
    int32_t up;         /* with the next, and what is shared, read for every request where queues are */
    int64_t unfinished; /* running, waiting or held, in a front end or being detokenized; a prefill's until its KV is away */
    ms_queue shared;    /* of all its replicas, under MS_SHARED_QUEUE, */
    double last_look_s; /* when the last of them looks at its head (offers.c), */
    int32_t looker;     /* and who does next; -1: nobody, or all of them are told of it */
    int32_t refusals;   /* who has looked and gone on without it */
    int64_t crossing;   /* of the unfinished, the ones that it has prefilled and whose KV it holds still */
    ms_api_limits api_limits;
    ms_prompt_cache prompt_cache; /* of an API */
    ms_products products; /* of its replicas, and those of later */
    int32_t alike;        /* pools with its coefficients; of these, the first such pool */
    int32_t rank;         /* among those of its model */
} ms_pool;

/* The jobs of one replica, or of a pool with a shared queue, that are outside its GPUs. */
typedef struct ms_front {
    ms_queue waiting;      /* for a worker */
    ms_queue served;       /* by a worker */
    ms_queue detokenizing;
} ms_front;

/* Pools of one model that scale by saturation, as they were at an instant. */
typedef struct ms_saturated {
    double t_s;
    int32_t unsaturated; /* of all of them, as in ms_autoscale_look */
    double usage;
    double waiting;
    int64_t unfinished;
    int32_t cheapest;    /* the one that grows, and the one that shrinks, if one is to; -1: none can */
    int32_t dearest;
} ms_saturated;

enum { MS_STALE = 1, MS_BEHIND = 2 };

/* All pools of one model, but for those that decode what others of it prefill, which stand by themselves. */
typedef struct ms_servers {
    int32_t rule;          /* enum ms_dispatch */
    int32_t pools;
    int32_t *pool;         /* [pools] */
    int32_t replicas;
    int32_t *replica;      /* [replicas] in order */
    int32_t up;
    int32_t *up_replica;   /* [up] in order */
    ms_ties loads;         /* for many replicas: what the rule compares, by place in `replica`; infinite while down;
                              of MS_POWER_OF_TWO the leaves alone, also while down */
    ms_ties heights;       /* prefix_affinity: what is least is minus that */
    int64_t turn;
    ms_bindings sessions;  /* session: where they are */
    ms_texts texts;        /* rules that know prompts: what went where, or of what caches have a part, by place */
    ms_cold cold;          /* scored: who got prompts that nobody knew */
    int64_t most_memory_tokens; /* of one */
    int64_t block_tokens;  /* of all its replicas' memory; 0: they differ, or there are none */
    int64_t all_take;        /* tokens of a request that every pool takes, */
    int64_t all_take_prompt; /* and of a prompt, */
    int32_t holder;          /* and the pool that holds it while none is up */
    int32_t has_api;
    int32_t own_pools;       /* that are not APIs */
    double *crowds;          /* shared_queue, by rank of a pool: unfinished requests a replica that is up; infinite where none is,
                                and where groups of eight are filled up */
    ms_ties open_to;         /* tokens that each of many pools lets in (open_pools.h) */
    int32_t is_ranked;     /* scored: `loads` are of the last look, but for those that are stale, */
    int64_t least_waiting; /* of that look, over all that are up, */
    int64_t most_waiting;
    int64_t busiest;       /* and the most unfinished requests of one, that they are measured by */
    ms_ties prefills;      /* scored: prompt tokens that are to come, by place; infinite while down */
    ms_ties nevers;        /* scored: 0 for who is not in `cold`; infinite for who is, and while down */
    int32_t *stale;        /* scored: replicas that have changed since */
    int32_t n_stale;
    int8_t *lag;           /* scored, by place: MS_STALE, and MS_BEHIND */
    ms_standings standings[2]; /* scored: where `loads` would not do, of those that are up and have something to do: where
                                  nobody waits, and where somebody does; */
    ms_members idle;       /* and places of those that have nothing to do */
    int32_t *behind;       /* scored: replicas of which these do not know what has changed */
    int32_t n_behind;
    int64_t evictions;     /* prefix_affinity: turns of its eviction so far */
    ms_queue held;         /* while no replica is up */
    ms_stream stream;      /* draws of the rule */
    ms_own_rule own;       /* a rule of the user's own, */
    ms_own_view view;      /* and what it is shown, where they are many */
    ms_saturated saturated;
} ms_servers;

/* What an idle replica has used, which stays so until something happens to it. */
typedef struct ms_rest {
    double meter_j;
    double busy_s;
    int64_t prompt_tokens;
    int64_t cached_prompt_tokens;
} ms_rest;

enum { MS_EXPECTED = 8, MS_EXPECTED_PARTS = 192 };

/* Of a large fleet: what was asked for early (expect.c). */
typedef struct ms_expected {
    int32_t far;  /* levels of the tournament of moments: who wins a part there has its turn within some hundred events, */
    int32_t near; /* or some tens */
    int32_t asked[MS_EXPECTED_PARTS];      /* for whom, by part of that level */
    int32_t asked_near[MS_EXPECTED_PARTS]; /* the same */
    int32_t soon[MS_EXPECTED];             /* the last of them, in turns */
    uint32_t count;
} ms_expected;

typedef struct ms_fleet {
    int32_t pools;
    int32_t models;
    int32_t groups;          /* models, or with split prefill and decode twice as many */
    int32_t replicas;
    ms_dispatch_plan dispatch;
    ms_looks looks;          /* what dispatch sees, where that is not what is */
    ms_pool *pool;           /* [pools] */
    ms_servers *servers;     /* [groups] of models, then what decodes for each */
    ms_front *front;         /* [replicas + pools]; of pools with a shared queue after those of replicas */
    ms_replica *replica;     /* [replicas]; an API stands as one, whose ms_replica is never used */
    int32_t *pool_of;        /* [replicas] */
    int32_t *place_of;       /* [replicas] place in its model's `replica` */
    int32_t *failures;       /* [replicas] causes that keep it down */
    int8_t *phase;           /* [replicas] enum ms_phase */
    int64_t *starts;         /* [replicas] times that it began to load */
    double *ready_s;         /* [replicas] when it has loaded */
    int32_t draining;        /* of all pools */
    double *down_s;          /* [replicas] failed, or off */
    double *down_since_s;
    ms_cache_stores stores;  /* of all replicas' prefix caches, */
    int32_t has_caches;      /* if any has one */
    ms_rest *rest;           /* [replicas] meters.c, */
    uint8_t *is_at_rest;     /* [replicas] where that is known */
    int32_t is_watched;      /* looks, or indices of many replicas, are told of what happens to them */
    ms_tournament moments;   /* the next moment of each replica */
    int64_t *prefill_tokens; /* [replicas] accounts.c */
    int64_t *held_tokens;    /* [replicas] */
    ms_job **kept;           /* [replicas] the first of the jobs that each has prefilled for another and still holds */
    double *look_s;          /* [replicas] when each looks at the head of a queue that it shares; infinite: not for that head */
    int64_t *promised;       /* [replicas] jobs before their prefill that are to decode there */
    int32_t *scratch;        /* [replicas + 1], and so are those that follow */
    int32_t *matches;
    int32_t *sticky;
    int64_t *matched;        /* 0 between two choices */
    double *costs;
    double *seen;            /* [MS_OWN_COLUMNS * replicas] what a rule of the user's own looks at; else NULL */
    int64_t wrong_request;   /* the last for which such a rule failed, and what it returned */
    int64_t wrong_pick;
    ms_expected expected;
    void (*ask_for_record)(const void *owner); /* asks early for what the end of the last job of an owner writes */
} ms_fleet;

/* Where in `front` a job of this pool and server stands; server -1: in that of the pool. */
static inline int32_t ms_fleet_front_of(const ms_fleet *self, int32_t pool, int32_t server)
{
    return server >= 0 ? server : self->replicas + pool;
}

/* Whether a pool can ever take so long a request. */
static inline int ms_pool_takes(const ms_pool *self, int32_t prompt_tokens, int32_t max_new_tokens)
{
    const int64_t prompt = prompt_tokens, most = self->plan.most_tokens, most_prompt = self->plan.most_prompt_tokens;
    return (most == 0 || prompt + max_new_tokens <= most) && (most_prompt == 0 || prompt <= most_prompt);
}

/* Whether a pool, and not another of its model that takes a request too, is to wake for it while none is up: the one that
 * stands first in the file, but of those that scale by saturation the cheapest. */
static inline int ms_pool_holds_before(const ms_pool *self, const ms_pool *earlier)
{
    const ms_autoscale_plan *mine = &self->plan.autoscale, *other = &earlier->plan.autoscale;
    return mine->rule == MS_SCALES_BY_SATURATION && other->rule == MS_SCALES_BY_SATURATION && mine->by_price < other->by_price;
}

static inline int ms_fleet_takes(const ms_fleet *self, int32_t group, int32_t prompt_tokens, int32_t max_new_tokens);

/* Whether a pool can take a request, and what it prefills also fits into one of those that decode it, which are asked the
 * same. */
static inline int ms_fleet_pool_takes(const ms_fleet *self, const ms_pool *pool, int32_t prompt_tokens,
                                      int32_t max_new_tokens)
{
    const int32_t decoders = self->models + pool->servers;
    const int ends_here = pool->plan.limits.role != MS_ROLE_PREFILL || self->servers[decoders].pools == 0;
    return ms_pool_takes(pool, prompt_tokens, max_new_tokens) &&
           (ends_here || ms_fleet_takes(self, decoders, prompt_tokens, max_new_tokens));
}

/* Whether a request is so short that no pool need be asked whether it can take it. */
static inline int ms_servers_all_take(const ms_servers *self, int32_t prompt_tokens, int32_t max_new_tokens)
{
    return prompt_tokens <= self->all_take_prompt && (int64_t)prompt_tokens + max_new_tokens <= self->all_take;
}

/* Whether some pool of a group can; a group without pools cannot. */
static inline int ms_fleet_takes(const ms_fleet *self, int32_t group, int32_t prompt_tokens, int32_t max_new_tokens)
{
    const ms_servers *servers = &self->servers[group];
    int32_t k = 0;
    if (servers->pools > 0 && ms_servers_all_take(servers, prompt_tokens, max_new_tokens)) {
        return 1;
    }
    while (k < servers->pools &&
           !ms_fleet_pool_takes(self, &self->pool[servers->pool[k]], prompt_tokens, max_new_tokens)) {
        k++;
    }
    return k < servers->pools;
}

/* Where pools have queues, how crowded each is stands close to the others': of each request all are asked. Quotients that differ
 * do so as doubles too. */
static inline void ms_pool_show_crowd(ms_fleet *self, const ms_pool *pool)
{
    double *crowds = self->servers[pool->servers].crowds;
    if (crowds != NULL) {
        crowds[pool->rank] = pool->up > 0 ? (double)pool->unfinished / (double)pool->up : INFINITY;
    }
}

/* So many more of a pool's requests are unfinished, or of its replicas up. */
static inline void ms_pool_count(ms_fleet *self, ms_pool *pool, int64_t change)
{
    pool->unfinished += change;
    ms_pool_show_crowd(self, pool);
}

static inline void ms_pool_count_up(ms_fleet *self, ms_pool *pool, int32_t change)
{
    pool->up += change;
    ms_pool_show_crowd(self, pool);
}

static inline ms_pool *ms_pool_of(const ms_fleet *self, int32_t replica)
{
    return &self->pool[self->pool_of[replica]];
}

/* Whether a model's replicas that prefill are others than those that decode. */
static inline int ms_fleet_is_split(const ms_fleet *self, int32_t model)
{
    return self->groups > self->models && self->servers[self->models + model].replicas > 0;
}

/* Whether its replicas stand in trees of what their scores are made of. */
static inline int ms_servers_stand(const ms_servers *self)
{
    return self->standings[0].until_s != NULL;
}

/* A replica has changed since all were ranked. Where it stands will be read before long: at the next request, unless that finds
 * somebody who has nothing to do. */
static inline void ms_servers_mark(ms_servers *self, int32_t replica, int32_t place)
{
    const int is_stale = (self->lag[place] & MS_STALE) != 0;
    if (!is_stale && ms_servers_stand(self) && self->idle.count == 0) {
        ms_standings_expect(&self->standings[0], place);
    }
    self->stale[self->n_stale] = replica;
    self->n_stale += !is_stale;
    self->lag[place] |= MS_STALE;
}

#endif
