#include "open_pools.h"

#include <math.h>

#include "error.h"

/* Tokens that a pool lets in at t_s: infinite, it never asks for how many; below 0, none. */
static double most_of(const ms_pool *pool, double t_s)
{
    if (!pool->plan.is_api) {
        return INFINITY;
    }
    const int is_open = pool->up > 0 && ms_api_limits_allow(&pool->api_limits, 0, pool->unfinished, t_s);
    return is_open ? ms_bucket_most(&pool->api_limits.tokens, t_s) : -1.0;
}

int ms_open_pools_init(const ms_fleet *fleet, ms_servers *servers)
{
    for (int32_t k = 0; k < servers->pools; k++) {
        ms_pool *pool = &fleet->pool[servers->pool[k]];
        pool->rank = k;
        servers->own_pools += !pool->plan.is_api;
    }
    if (!servers->has_api || servers->pools <= MS_SCAN_MOST) {
        return 0;
    }
    MS_TRY(ms_ties_init(&servers->open_to, servers->pools));
    for (int32_t k = 0; k < servers->pools; k++) {
        ms_ties_set(&servers->open_to, k, -1.0);
    }
    return 0;
}

void ms_open_pools_note(ms_fleet *fleet, const ms_pool *pool, double t_s)
{
    ms_servers *servers = &fleet->servers[pool->servers];
    if (servers->open_to.values != NULL) {
        const double most = most_of(pool, t_s);
        if (most != servers->open_to.values[pool->rank]) {
            ms_ties_set(&servers->open_to, pool->rank, most);
        }
    }
}

int ms_open_pools_ask(ms_fleet *fleet, ms_servers *servers, int64_t tokens, double t_s)
{
    const int32_t n = ms_ties_below(&servers->open_to, (double)tokens, fleet->scratch);
    for (int32_t k = 0; k < n; k++) {
        ms_open_pools_note(fleet, &fleet->pool[servers->pool[fleet->scratch[k]]], t_s);
    }
    return (double)tokens <= ms_ties_least(&servers->open_to);
}
