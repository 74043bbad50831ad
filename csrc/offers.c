#include "offers.h"

#include <math.h>

#include "expect.h"

enum {
    ONE_BY_ONE = 4, /* replicas refuse a head before all that have still to look are told of it */
    AHEAD = 4       /* so many later what is asked for now has come */
};

/* Who is up and has no next moment, which stands close to those of others. */
static int is_idle(const ms_fleet *self, int32_t replica)
{
    return self->failures[replica] == 0 && self->moments.values[replica] == INFINITY;
}

int32_t ms_offers_first_idle(const ms_fleet *self, const ms_pool *pool)
{
    for (int32_t i = pool->first; i < pool->first + pool->plan.replicas; i++) {
        if (is_idle(self, i)) {
            return i;
        }
    }
    return -1;
}

void ms_offers_begin(ms_fleet *self, ms_pool *pool, double t_s)
{
    pool->last_look_s = t_s;
    pool->refusals = 0;
    for (int32_t i = pool->first; i < pool->first + pool->plan.replicas; i++) {
        ms_expect_look(self, i + AHEAD);
        const double look_s = self->failures[i] == 0 ? ms_replica_look_s(&self->replica[i], t_s) : INFINITY;
        self->look_s[i] = look_s;
        pool->last_look_s = look_s < INFINITY && look_s > pool->last_look_s ? look_s : pool->last_look_s;
    }
}

int32_t ms_offers_next(ms_fleet *self, ms_pool *pool, double t_s)
{
    if (pool->shared.length == 0) {
        return -1;
    }
    double least_s = INFINITY;
    pool->looker = -1;
    for (int32_t i = pool->first; i < pool->first + pool->plan.replicas; i++) {
        if (self->look_s[i] >= t_s && self->look_s[i] < least_s) {
            least_s = self->look_s[i];
            pool->looker = i;
        }
    }
    return pool->looker;
}

/* Who has still to look, not before t_s, from a replica of the pool on; -1: nobody. */
static int32_t looking_from(const ms_fleet *self, const ms_pool *pool, int32_t from, double t_s)
{
    for (int32_t i = from; i < pool->first + pool->plan.replicas; i++) {
        if (self->look_s[i] >= t_s && self->look_s[i] < INFINITY) {
            return i;
        }
    }
    return -1;
}

int32_t ms_offers_looked(ms_fleet *self, int32_t replica, double t_s)
{
    ms_pool *pool = ms_pool_of(self, replica);
    self->look_s[replica] = INFINITY;
    if (pool->looker != replica) {
        return -1;
    }
    if (++pool->refusals < ONE_BY_ONE) {
        return ms_offers_next(self, pool, t_s);
    }
    pool->looker = -1;
    return pool->shared.length > 0 ? looking_from(self, pool, pool->first, t_s) : -1;
}

int32_t ms_offers_too(const ms_fleet *self, int32_t replica, double t_s)
{
    const ms_pool *pool = &self->pool[self->pool_of[replica]];
    return pool->looker >= 0 ? -1 : looking_from(self, pool, replica + 1, t_s);
}

void ms_offers_start(ms_fleet *self, int32_t replica, double t_s)
{
    const ms_pool *pool = ms_pool_of(self, replica);
    self->look_s[replica] = INFINITY;
    for (int32_t i = pool->first; i < replica && pool->last_look_s >= t_s; i++) {
        self->look_s[i] = self->look_s[i] > t_s ? self->look_s[i] : INFINITY;
    }
}
