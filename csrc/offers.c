#include "offers.h"

#include <math.h>

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
    for (int32_t i = pool->first; i < pool->first + pool->plan.replicas; i++) {
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

int ms_offers_looked(ms_fleet *self, int32_t replica)
{
    self->look_s[replica] = INFINITY;
    return ms_pool_of(self, replica)->looker == replica;
}
