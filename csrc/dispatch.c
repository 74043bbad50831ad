#include "dispatch.h"

#include <math.h>

#include "draw.h"
#include "error.h"

/* Whether a pool does not take a request: it is too long, as many are there as admission lets in, or the API is down or
 * has had as much as it takes. */
static int is_closed(const ms_pool *pool, int32_t prompt_tokens, int32_t output_tokens, int64_t max_waiting, double t_s)
{
    if (!ms_pool_takes(pool, prompt_tokens, output_tokens)) {
        return 1;
    }
    if (pool->plan.is_api) {
        const int64_t tokens = (int64_t)prompt_tokens + output_tokens;
        return pool->up == 0 || !ms_api_limits_allow(&pool->api_limits, tokens, pool->unfinished, t_s);
    }
    const int64_t places = (int64_t)pool->up * pool->plan.limits.max_num_seqs;
    return max_waiting >= 0 && pool->unfinished >= places + max_waiting;
}

static int is_closed_to(const ms_pool *pool, const ms_job *job, int64_t max_waiting, double t_s)
{
    return is_closed(pool, job->prompt_tokens, job->output_tokens, max_waiting, t_s);
}

int ms_dispatch_takes(const ms_fleet *fleet, int32_t model, int32_t prompt_tokens, int32_t output_tokens,
                      int64_t max_waiting, double t_s)
{
    const ms_servers *servers = &fleet->servers[model];
    int32_t k = 0;
    while (k < servers->pools &&
           is_closed(&fleet->pool[servers->pool[k]], prompt_tokens, output_tokens, max_waiting, t_s)) {
        k++;
    }
    return k < servers->pools;
}

void ms_dispatch_queue(ms_fleet *fleet, ms_job *job, double t_s)
{
    ms_pool *pool = &fleet->pool[job->pool];
    if (job->server < 0) {
        ms_queue_push_tail(&pool->shared, job);
        if (pool->shared.length == 1 || ms_fleet_first_idle(fleet, pool) >= 0) {
            ms_fleet_offer(fleet, pool, t_s);
        }
        return;
    }
    ms_replica *server = &fleet->replica[job->server];
    ms_queue_push_tail(&server->own_queue, job);
    if (server->own_queue.length == 1) {
        ms_fleet_act(fleet, job->server, ms_replica_notify(server, t_s), t_s);
    }
}

static int enter(ms_fleet *fleet, ms_job *job, double t_s)
{
    if (fleet->pool[job->pool].plan.front_end.law != MS_WAITS_FOREVER) {
        return MS_TO_FRONT_END;
    }
    ms_dispatch_queue(fleet, job, t_s);
    if (job->server >= 0) {
        ms_fleet_note_load(fleet, job->server);
    }
    return MS_PLACED;
}

static int place_shared(ms_fleet *fleet, const ms_servers *servers, ms_job *job, int64_t max_waiting, double t_s)
{
    ms_pool *best = NULL;
    double least = INFINITY;
    for (int32_t k = 0; k < servers->pools; k++) {
        ms_pool *pool = &fleet->pool[servers->pool[k]];
        const double crowd = pool->up > 0 ? (double)pool->unfinished / (double)pool->up : INFINITY;
        if (!pool->plan.is_api && !is_closed_to(pool, job, max_waiting, t_s) && (best == NULL || crowd < least)) {
            least = crowd;
            best = pool;
        }
    }
    const int error = ms_replica_fits(&fleet->replica[best->first], job);
    if (error) {
        return error;
    }
    best->unfinished++;
    job->pool = (int32_t)(best - fleet->pool);
    job->server = -1;
    return enter(fleet, job, t_s);
}

static int32_t least_of(const ms_fleet *fleet, const int32_t *up, int32_t n)
{
    int32_t best = up[0];
    for (int32_t i = 1; i < n; i++) {
        if (ms_fleet_unfinished(fleet, up[i]) < ms_fleet_unfinished(fleet, best)) {
            best = up[i];
        }
    }
    return best;
}

static int32_t least_of_two(const ms_fleet *fleet, const ms_servers *servers, const ms_job *job,
                            const int32_t *up, int32_t n)
{
    ms_stream stream = servers->stream;
    stream.sub = (uint32_t)job->attempt;
    const double first = ms_draw_one(&stream, 0, (uint64_t)job->request);
    const double second = ms_draw_one(&stream, 1, (uint64_t)job->request);
    int32_t a = (int32_t)(first * (double)n);
    int32_t b = (int32_t)(second * (double)(n - 1));
    a = a < n ? a : n - 1;
    b = b < n - 1 ? b : n - 2;
    b += b >= a;
    const int32_t pair[2] = {up[a < b ? a : b], up[a < b ? b : a]};
    return least_of(fleet, pair, 2);
}

static int32_t pick(const ms_fleet *fleet, ms_servers *servers, const ms_job *job, const int32_t *up, int32_t n)
{
    if (n == 1) {
        return up[0];
    }
    if (fleet->dispatch == MS_ROUND_ROBIN) {
        return up[servers->turn++ % n];
    }
    if (fleet->dispatch == MS_POWER_OF_TWO) {
        return least_of_two(fleet, servers, job, up, n);
    }
    if (up == servers->up_replica && servers->replicas > MS_SCAN_MOST) {
        return servers->replica[ms_tournament_best(&servers->loads)];
    }
    return least_of(fleet, up, n);
}

static int call_api(ms_pool *pool, int32_t replica, ms_job *job, double t_s)
{
    const double first_token_s = t_s + pool->plan.latency_s;
    job->replica = replica;
    job->finish_s = first_token_s + pool->plan.tpot_s * (double)(job->output_tokens - 1);
    if (job->start_s != job->start_s) { /* else a replica that failed had begun, and set it once and for all */
        job->start_s = t_s;
    }
    if (job->first_token_s != job->first_token_s) {
        job->first_token_s = first_token_s;
    }
    ms_api_limits_take(&pool->api_limits, (int64_t)job->prompt_tokens + job->output_tokens, t_s);
    return ms_prompt_cache_send(&pool->prompt_cache, job, t_s);
}

static int send(ms_fleet *fleet, int32_t replica, ms_job *job, double t_s)
{
    ms_pool *pool = ms_fleet_pool_of(fleet, replica);
    pool->unfinished++;
    job->pool = fleet->pool_of[replica];
    job->server = replica;
    if (pool->plan.is_api) {
        MS_TRY(call_api(pool, replica, job, t_s));
        ms_fleet_note_load(fleet, replica);
        return MS_CALLS_API;
    }
    const int error = ms_replica_fits(&fleet->replica[replica], job);
    return error ? error : enter(fleet, job, t_s);
}

/* Puts replicas that are up and whose pool takes the job into the scratch list; returns how many. */
static int32_t gather_open(ms_fleet *fleet, const ms_servers *servers, const ms_job *job, int64_t max_waiting,
                           double t_s)
{
    int32_t n = 0;
    for (int32_t i = 0; i < servers->up; i++) {
        if (!is_closed_to(ms_fleet_pool_of(fleet, servers->up_replica[i]), job, max_waiting, t_s)) {
            fleet->scratch[n++] = servers->up_replica[i];
        }
    }
    return n;
}

int ms_dispatch_place(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s)
{
    ms_servers *servers = &fleet->servers[job->model];
    int32_t open = 0, first_open = -1, own = 0;
    for (int32_t k = 0; k < servers->pools; k++) {
        const ms_pool *pool = &fleet->pool[servers->pool[k]];
        if (!is_closed_to(pool, job, max_waiting, t_s)) {
            first_open = open++ == 0 ? servers->pool[k] : first_open;
            own += !pool->plan.is_api;
        }
    }
    if (open == 0) {
        return MS_TURNED_AWAY;
    }
    if (fleet->dispatch == MS_SHARED_QUEUE && own > 0) {
        return place_shared(fleet, servers, job, max_waiting, t_s);
    }
    const int32_t *up = servers->up_replica;
    int32_t n = servers->up;
    if (open < servers->pools) {
        n = gather_open(fleet, servers, job, max_waiting, t_s);
        up = fleet->scratch;
    }
    if (n == 0) {
        fleet->pool[first_open].unfinished++;
        job->pool = first_open;
        job->server = -1;
        ms_queue_push_tail(&servers->held, job);
        return MS_PLACED;
    }
    return send(fleet, pick(fleet, servers, job, up, n), job, t_s);
}
