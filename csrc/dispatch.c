#include "dispatch.h"

#include <math.h>

#include "accounts.h"
#include "dispatch_rules.h"
#include "error.h"
#include "expect.h"
#include "offers.h"
#include "view.h"

/* Whether a pool does not take a request: it is too long, as many are there as admission lets in, or the API is down or
 * has had as much as it takes. */
static int is_closed(const ms_fleet *fleet, const ms_pool *pool, int32_t prompt_tokens, int32_t max_new_tokens,
                     int64_t max_waiting, double t_s)
{
    if (!ms_fleet_pool_takes(fleet, pool, prompt_tokens, max_new_tokens)) {
        return 1;
    }
    if (pool->plan.is_api) {
        const int64_t tokens = (int64_t)prompt_tokens + max_new_tokens;
        return pool->up == 0 || !ms_api_limits_allow(&pool->api_limits, tokens, pool->unfinished, t_s);
    }
    const int64_t places = (int64_t)pool->up * pool->plan.limits.max_num_seqs;
    return max_waiting >= 0 && pool->unfinished >= places + max_waiting;
}

static int64_t tokens_of(const ms_job *job)
{
    return (int64_t)job->prompt_tokens + job->max_new_tokens;
}

static int is_short_enough_for_all(const ms_servers *servers, const ms_job *job)
{
    return ms_servers_all_take(servers, job->prompt_tokens, job->max_new_tokens);
}

/* Whether that can be told without asking each pool: none is an API, nor full, nor is the job too long for one. */
static int are_all_open(const ms_servers *servers, const ms_job *job, int64_t max_waiting)
{
    return max_waiting < 0 && !servers->has_api && is_short_enough_for_all(servers, job);
}

static int is_closed_to(const ms_fleet *fleet, const ms_pool *pool, const ms_job *job, int64_t max_waiting, double t_s)
{
    return is_closed(fleet, pool, job->prompt_tokens, job->max_new_tokens, max_waiting, t_s);
}

int ms_dispatch_takes(const ms_fleet *fleet, int32_t model, int32_t prompt_tokens, int32_t max_new_tokens,
                      int64_t max_waiting, double t_s)
{
    const ms_servers *servers = &fleet->servers[model];
    int32_t k = 0;
    while (k < servers->pools &&
           is_closed(fleet, &fleet->pool[servers->pool[k]], prompt_tokens, max_new_tokens, max_waiting, t_s)) {
        k++;
    }
    return k < servers->pools;
}

double ms_dispatch_retry_after_s(const ms_fleet *fleet, int32_t model, int32_t prompt_tokens, int32_t max_new_tokens,
                                 double t_s)
{
    const ms_servers *servers = &fleet->servers[model];
    double least_s = INFINITY;
    for (int32_t k = 0; k < servers->pools; k++) {
        const ms_pool *pool = &fleet->pool[servers->pool[k]];
        if (pool->plan.is_api && pool->up > 0 && ms_fleet_pool_takes(fleet, pool, prompt_tokens, max_new_tokens)) {
            const int64_t tokens = (int64_t)prompt_tokens + max_new_tokens;
            const double wait_s = ms_api_limits_wait_s(&pool->api_limits, tokens, pool->unfinished, t_s);
            least_s = wait_s < least_s ? wait_s : least_s;
        }
    }
    return least_s;
}

void ms_dispatch_queue(ms_fleet *fleet, ms_job *job, double t_s)
{
    ms_pool *pool = &fleet->pool[job->pool];
    if (job->server < 0) {
        ms_queue_push_tail(&pool->shared, job);
        if (pool->shared.head == job || ms_offers_first_idle(fleet, pool) >= 0) {
            ms_fleet_offer(fleet, pool, t_s);
        }
        return;
    }
    ms_replica *server = &fleet->replica[job->server];
    ms_fleet_act(fleet, job->server, ms_replica_submit(server, job, t_s), t_s);
}

static int enter(ms_fleet *fleet, ms_job *job, double t_s)
{
    if (fleet->pool[job->pool].plan.front_end.law != MS_WAITS_FOREVER) {
        return MS_TO_FRONT_END;
    }
    ms_dispatch_queue(fleet, job, t_s);
    if (job->server >= 0) {
        ms_view_note_load(fleet, job->server);
        ms_cache_expect(&fleet->replica[job->server].sequences.cache, job, 1);
    }
    return MS_PLACED;
}

/* Of pools whose crowds are these, the first of the least crowded; -1: no replica is up. */
static int32_t first_of_least(const double *crowds, int32_t pools)
{
    ms_eights_pair a = ms_eights_both(INFINITY), b = a, c = a, d = a;
    for (int32_t k = 0; k < pools; k += 8) {
        a = ms_eights_lesser(a, ms_eights_load(crowds + k));
        b = ms_eights_lesser(b, ms_eights_load(crowds + k + 2));
        c = ms_eights_lesser(c, ms_eights_load(crowds + k + 4));
        d = ms_eights_lesser(d, ms_eights_load(crowds + k + 6));
    }
    const double least = ms_eights_least_of(ms_eights_lesser(ms_eights_lesser(a, b), ms_eights_lesser(c, d)));
    int32_t k = 0;
    while (crowds[k] != least) {
        k++;
    }
    return least < INFINITY ? k : -1;
}

/* Whose queue a job goes to where replicas share one: that of the pool with the fewest requests a replica that is up. */
static ms_pool *least_crowded(ms_fleet *fleet, const ms_servers *servers, const ms_job *job, int64_t max_waiting,
                              double t_s)
{
    const int all_open = are_all_open(servers, job, max_waiting);
    const int32_t first = all_open ? first_of_least(servers->crowds, servers->pools) : -1;
    ms_pool *best = first >= 0 ? &fleet->pool[servers->pool[first]] : NULL;
    if (best != NULL) {
        return best;
    }
    double least = INFINITY;
    for (int32_t k = 0; k < servers->pools; k++) {
        ms_pool *pool = &fleet->pool[servers->pool[k]];
        if (!all_open && (pool->plan.is_api || is_closed_to(fleet, pool, job, max_waiting, t_s))) {
            continue;
        }
        const double crowd = servers->crowds[k];
        if (best == NULL || crowd < least || (pool->up == 0 && best->up == 0 && ms_pool_holds_before(pool, best))) {
            best = pool;
            least = crowd;
        }
    }
    return best;
}

static int place_shared(ms_fleet *fleet, const ms_servers *servers, ms_job *job, int64_t max_waiting, double t_s)
{
    ms_pool *best = least_crowded(fleet, servers, job, max_waiting, t_s);
    MS_TRY(ms_replica_fits(&fleet->replica[best->first], job));
    ms_pool_count(fleet, best, 1);
    job->pool = (int32_t)(best - fleet->pool);
    job->server = -1;
    return enter(fleet, job, t_s);
}

extern const ms_dispatch_rule ms_least_loaded, ms_round_robin, ms_power_of_two, ms_random_rule, ms_session, ms_prefix_affinity,
    ms_kv_router, ms_scored, ms_packed, ms_own;

static const ms_dispatch_rule *const rules[] = {
    [MS_LEAST_LOADED] = &ms_least_loaded,
    [MS_ROUND_ROBIN] = &ms_round_robin,
    [MS_POWER_OF_TWO] = &ms_power_of_two,
    [MS_SHARED_QUEUE] = &ms_least_loaded, /* among APIs, where no replicas of one's own are */
    [MS_RANDOM] = &ms_random_rule,
    [MS_SESSION] = &ms_session,
    [MS_PREFIX_AFFINITY] = &ms_prefix_affinity,
    [MS_KV_ROUTER] = &ms_kv_router,
    [MS_SCORED] = &ms_scored,
    [MS_PACKED] = &ms_packed,
    [MS_OWN_RULE] = &ms_own,
};

static int pick(const ms_choice *choice, int32_t *replica)
{
    const ms_dispatch_rule *rule = rules[choice->servers->rule];
    *replica = choice->n == 1 ? choice->up[0] : rule->pick(choice);
    if (*replica < 0) {
        return *replica;
    }
    ms_expect_replica(choice->fleet, *replica);
    return rule->sent != NULL ? rule->sent(choice, *replica) : 0;
}

static int call_api(ms_fleet *fleet, ms_pool *pool, int32_t replica, ms_job *job, double t_s)
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
    ms_api_limits_take(&pool->api_limits, tokens_of(job), t_s);
    ms_open_pools_note(fleet, pool, t_s);
    return ms_prompt_cache_send(&pool->prompt_cache, job, t_s);
}

static int send(ms_fleet *fleet, int32_t replica, ms_job *job, double t_s)
{
    ms_pool *pool = ms_pool_of(fleet, replica);
    ms_pool_count(fleet, pool, 1);
    job->pool = fleet->pool_of[replica];
    job->server = replica;
    if (pool->plan.is_api) {
        MS_TRY(call_api(fleet, pool, replica, job, t_s));
        ms_view_note_load(fleet, replica);
        return MS_CALLS_API;
    }
    ms_cache_expect(&fleet->replica[replica].sequences.cache, job, 0);
    const int error = ms_replica_fits(&fleet->replica[replica], job);
    return error ? error : enter(fleet, job, t_s);
}

/* Whether it is known of each pool what it lets in, and the job is too long for none. */
static int are_pools_known(const ms_servers *servers, const ms_job *job, int64_t max_waiting)
{
    return ms_open_pools_know(servers, max_waiting) && is_short_enough_for_all(servers, job);
}

/* Whether a pool takes it; `is_known`: its group's pools are, and have been asked. */
static int is_open(const ms_fleet *fleet, const ms_servers *servers, const ms_pool *pool, const ms_job *job, int is_known,
                   int64_t max_waiting, double t_s)
{
    return is_known ? ms_open_pools_takes(servers, pool, tokens_of(job)) : !is_closed_to(fleet, pool, job, max_waiting, t_s);
}

/* Puts replicas that are up and whose pool takes the job into the scratch list; returns how many. */
static int32_t gather_open(ms_fleet *fleet, const ms_servers *servers, const ms_job *job, int64_t max_waiting,
                           double t_s)
{
    const int are_known = are_pools_known(servers, job, max_waiting);
    int32_t n = 0;
    for (int32_t i = 0; i < servers->up; i++) {
        const ms_pool *pool = ms_pool_of(fleet, servers->up_replica[i]);
        if (is_open(fleet, servers, pool, job, are_known, max_waiting, t_s)) {
            fleet->scratch[n++] = servers->up_replica[i];
        }
    }
    return n;
}

int ms_dispatch_pick_decoder(ms_fleet *fleet, ms_job *job, double t_s, int32_t *replica)
{
    ms_servers *servers = &fleet->servers[fleet->models + job->model];
    const int32_t n = are_all_open(servers, job, -1) ? servers->up : gather_open(fleet, servers, job, -1, t_s);
    const int32_t *up = n == servers->up ? servers->up_replica : fleet->scratch;
    const ms_choice choice = {.fleet = fleet, .servers = servers, .job = job, .up = up, .n = n, .t_s = t_s};
    *replica = -1;
    return n > 0 ? pick(&choice, replica) : 0;
}

/* Where it is to decode is chosen before its prefill; if none is up, afterwards. */
static int promise(ms_fleet *fleet, ms_job *job, double t_s)
{
    MS_TRY(ms_dispatch_pick_decoder(fleet, job, t_s, &job->destination));
    job->is_promised = job->destination >= 0;
    if (job->is_promised) {
        fleet->promised[job->destination]++;
        ms_view_note_load(fleet, job->destination);
    }
    return 0;
}

/* Pools of a model that take a job now. */
typedef struct ms_openings {
    int32_t pools;
    int32_t own;    /* of them not APIs */
    int32_t holder; /* who holds it while none is up; -1: there is none */
} ms_openings;

/* Where each pool may be closed. */
static ms_openings openings_of_each(ms_fleet *fleet, ms_servers *servers, const ms_job *job, int64_t max_waiting, double t_s)
{
    const int are_known = are_pools_known(servers, job, max_waiting);
    if (are_known && ms_open_pools_ask(fleet, servers, tokens_of(job), t_s)) {
        return (ms_openings){.pools = servers->pools, .own = servers->own_pools, .holder = servers->holder};
    }
    ms_openings open = {.holder = -1};
    for (int32_t k = 0; k < servers->pools; k++) {
        const ms_pool *pool = &fleet->pool[servers->pool[k]];
        if (is_open(fleet, servers, pool, job, are_known, max_waiting, t_s)) {
            const int holds = open.pools++ == 0 || ms_pool_holds_before(pool, &fleet->pool[open.holder]);
            open.holder = holds ? servers->pool[k] : open.holder;
            open.own += !pool->plan.is_api;
        }
    }
    return open;
}

static ms_openings openings(ms_fleet *fleet, ms_servers *servers, const ms_job *job, int64_t max_waiting, double t_s)
{
    if (are_all_open(servers, job, max_waiting)) {
        return (ms_openings){.pools = servers->pools, .own = servers->pools, .holder = servers->holder};
    }
    return openings_of_each(fleet, servers, job, max_waiting, t_s);
}

/* Among the replicas that are up of the pools that take it. */
static ms_choice choice_of(ms_fleet *fleet, ms_servers *servers, ms_job *job, const ms_openings *open,
                           int64_t max_waiting, double t_s)
{
    ms_choice choice = {.fleet = fleet, .servers = servers, .job = job, .t_s = t_s};
    choice.up = servers->up_replica;
    choice.n = servers->up;
    if (open->pools < servers->pools) {
        choice.n = gather_open(fleet, servers, job, max_waiting, t_s);
        choice.up = fleet->scratch;
    }
    return choice;
}

int ms_dispatch_place(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s)
{
    ms_servers *servers = &fleet->servers[job->model];
    const ms_openings open = openings(fleet, servers, job, max_waiting, t_s);
    if (open.pools == 0) {
        return MS_TURNED_AWAY;
    }
    if (fleet->dispatch.rule == MS_SHARED_QUEUE && open.own > 0) {
        return place_shared(fleet, servers, job, max_waiting, t_s);
    }
    const ms_choice choice = choice_of(fleet, servers, job, &open, max_waiting, t_s);
    if (choice.n == 0) {
        ms_pool_count(fleet, &fleet->pool[open.holder], 1);
        job->pool = open.holder;
        job->server = -1;
        ms_queue_push_tail(&servers->held, job);
        return MS_PLACED;
    }
    int32_t replica;
    MS_TRY(pick(&choice, &replica));
    if (fleet->dispatch.decode_first && ms_fleet_is_split(fleet, job->model)) {
        MS_TRY(promise(fleet, job, t_s));
    }
    return send(fleet, replica, job, t_s);
}

int ms_dispatch_look(ms_fleet *fleet, ms_job *job, int64_t max_waiting, double t_s, int32_t *pool, int32_t *replica)
{
    ms_servers *servers = &fleet->servers[job->model];
    const ms_openings open = openings(fleet, servers, job, max_waiting, t_s);
    *pool = open.holder;
    *replica = -1;
    if (fleet->dispatch.rule == MS_SHARED_QUEUE && open.own > 0) {
        const ms_pool *shared = least_crowded(fleet, servers, job, max_waiting, t_s);
        *pool = (int32_t)(shared - fleet->pool);
        *replica = ms_offers_first_idle(fleet, shared);
        return 0;
    }
    if (open.pools == 0) {
        return 0;
    }
    const ms_choice choice = choice_of(fleet, servers, job, &open, max_waiting, t_s);
    if (choice.n > 0) {
        const ms_dispatch_rule *rule = rules[servers->rule];
        *replica = choice.n == 1 ? choice.up[0] : rule->look != NULL ? rule->look(&choice) : rule->pick(&choice);
        if (*replica < 0) {
            return *replica;
        }
        *pool = fleet->pool_of[*replica];
    }
    return 0;
}
