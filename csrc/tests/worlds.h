/* Fleets in random use, and what a router could know of them by keeping account in the plainest way: rules of
 * dispatch are compared with what their descriptions say. */
#ifndef MS_TEST_WORLDS_H
#define MS_TEST_WORLDS_H

#include "draw.h"
#include "fleets.h"
#include "outlook.h"
#include "prompt.h"

enum { REPLICAS_MOST = 64, NODES = 12, BLOCK = 4, WORLD_JOBS = 1500, BETWEEN = 3 };

/* What is seen of each replica: as it is, or as it was at the last look. */
static int64_t seen_unfinished[REPLICAS_MOST], seen_waiting[REPLICAS_MOST];
static double seen_usage[REPLICAS_MOST];
enum { TEXTS = 9 };
static int64_t seen_blocks[REPLICAS_MOST][TEXTS]; /* that its cache held of each text that prompts share */

/* Up to where each node was sent to each replica, 0 for nothing, and in which order replicas came by it. */
static int64_t sent_to[REPLICAS_MOST][NODES], came_by[REPLICAS_MOST][NODES], comings;

/* Where each session was sent last, and when; -1 for nowhere. */
enum { SESSIONS = 8 };
static int32_t session_at[SESSIONS];
static double session_s[SESSIONS];

/* Which of `up` a rule should pick. */
typedef int32_t (*expected_fn)(ms_fleet *, const ms_job *, const int32_t *up, int32_t n, double t_s);

static ms_node_of_path paths[WORLD_JOBS][2];

/* The longest of the texts that prompts share; a prompt has the start of one. */
static inline void put_path(int32_t text, ms_node_of_path *path)
{
    const int32_t root = text / 3;
    path[0] = (ms_node_of_path){root, 5 + 4 * root};
    path[1] = (ms_node_of_path){3 + text, 5 + 4 * root + 14};
}

/* A prompt of one or two nodes of a tree, of which it may have a part, and text of its own. */
static inline ms_job job_of_world(lcg *chance, int32_t request)
{
    const int32_t root = (int32_t)lcg_between(chance, 0, 2), child = 3 * root + (int32_t)lcg_between(chance, 0, 2);
    put_path(child, paths[request]);
    const int32_t second = paths[request][0].end_tokens + (int32_t)lcg_between(chance, 1, 14);
    ms_job job = ms_job_new(request, 0, second + (int32_t)lcg_between(chance, 0, 9), 1 + request % 6);
    paths[request][1].end_tokens = second;
    job.path = paths[request];
    job.path_length = (int32_t)lcg_between(chance, 0, 2);
    job.session = lcg_between(chance, -1, SESSIONS - 1);
    job.attempt = (int32_t)lcg_between(chance, 0, 2);
    return job;
}

static inline double draw_of(const ms_job *job, int second)
{
    ms_stream stream = streams[0];
    stream.sub = (uint32_t)job->attempt;
    return ms_draw_one(&stream, second, (uint64_t)job->request);
}

/* The k-th, by the copy's first draw, of those that cost least. */
static inline int32_t any_of_least(const ms_job *job, const int32_t *up, const double *costs, int32_t n)
{
    double least = INFINITY;
    int32_t equal = 0;
    for (int32_t i = 0; i < n; i++) {
        least = costs[i] < least ? costs[i] : least;
    }
    for (int32_t i = 0; i < n; i++) {
        equal += costs[i] == least;
    }
    int32_t left = (int32_t)(draw_of(job, 0) * equal);
    for (int32_t i = 0; i < n; i++) {
        if (costs[i] == least && left-- == 0) {
            return up[i];
        }
    }
    return -1;
}

static inline int32_t first_of_least(const int32_t *up, const int64_t *of, int32_t n)
{
    int32_t best = up[0];
    for (int32_t i = 1; i < n; i++) {
        best = of[up[i]] < of[best] ? up[i] : best;
    }
    return best;
}

static inline void see(const ms_fleet *fleet, int32_t i, double t_s)
{
    seen_unfinished[i] = ms_replica_unfinished(&fleet->replica[i]);
    seen_waiting[i] = fleet->replica[i].own_queue.length;
    seen_usage[i] = ms_outlook_kv_usage(&fleet->replica[i], t_s);
    for (int32_t text = 0; text < TEXTS; text++) {
        ms_node_of_path path[2];
        put_path(text, path);
        ms_job job = ms_job_new(0, 0, path[1].end_tokens, 1);
        job.path = path;
        job.path_length = 2;
        seen_blocks[i][text] = ms_cache_find(&fleet->replica[i].sequences.cache, &job, job.prompt_tokens).present;
    }
}

/* Tokens of a prompt, in whole blocks, that the cache of a replica was seen to hold. */
static inline int64_t seen_cached(const ms_job *job, int32_t replica)
{
    if (job->path_length == 0) {
        return 0;
    }
    const int64_t blocks = job->path[job->path_length - 1].end_tokens / BLOCK;
    const int64_t seen = seen_blocks[replica][paths[job->request][1].id - 3];
    return (seen < blocks ? seen : blocks) * BLOCK;
}

static inline void forget(int32_t replica)
{
    memset(seen_blocks[replica], 0, sizeof seen_blocks[replica]);
    memset(sent_to[replica], 0, sizeof sent_to[replica]);
}

static inline void note_sent(const ms_job *job, double t_s)
{
    for (int32_t k = 0; k < job->path_length; k++) {
        int64_t *to = &sent_to[job->server][job->path[k].id];
        if (*to == 0) {
            came_by[job->server][job->path[k].id] = comings++;
        }
        *to = job->path[k].end_tokens > *to ? job->path[k].end_tokens : *to;
    }
    if (job->session >= 0) {
        session_at[job->session] = job->server;
        session_s[job->session] = t_s;
    }
}

/* Two pools of one model whose replicas have prefix caches: with `replicas` of them 2/3 and 1/3. Three replicas of another
 * model, whom nobody asks, stand between them, so that replicas of the second are not numbered as their model's are. */
static inline void make_world(ms_fleet *fleet, int32_t replicas, const ms_dispatch_plan *rule)
{
    ms_pool_plan plans[] = {pool_of(0, replicas - replicas / 3, 3), pool_of(1, BETWEEN, 1), pool_of(0, replicas / 3, 2)};
    for (int k = 0; k < 3; k++) {
        plans[k].limits.kv_capacity_tokens = 120;
        plans[k].limits.kv_block_tokens = BLOCK;
        plans[k].limits.prefix_cache = 1;
    }
    CHECK(ms_fleet_init(fleet, 3, plans, 2, rule, streams) == 0);
    fleet->servers[0].own.sees_caches = 1;
    CHECK(ms_view_poll_caches(fleet, 0) == 0);
    memset(seen_unfinished, 0, sizeof seen_unfinished);
    memset(seen_waiting, 0, sizeof seen_waiting);
    memset(seen_usage, 0, sizeof seen_usage);
    memset(seen_blocks, 0, sizeof seen_blocks);
    memset(sent_to, 0, sizeof sent_to);
    memset(session_at, -1, sizeof session_at);
    comings = 0;
}

/* Replicas of model 0 that are up and whose pool is open. */
static inline int32_t list_open(const ms_fleet *fleet, int64_t max_waiting, int32_t *up)
{
    int32_t n = 0;
    for (int32_t i = 0; i < fleet->replicas; i++) {
        const ms_pool *pool = &fleet->pool[fleet->pool_of[i]];
        const int64_t places = (int64_t)pool->up * pool->plan.limits.max_num_seqs;
        if (pool->plan.model == 0 && fleet->failures[i] == 0 && (max_waiting < 0 || pool->unfinished < places + max_waiting)) {
            up[n++] = i;
        }
    }
    return n;
}

static inline void look_until(ms_fleet *fleet, double t_s, double delay_s)
{
    static double last_s;
    const double look_s = floor(t_s / delay_s) * delay_s;
    last_s = look_s < last_s ? 0.0 : last_s; /* another fleet begins at 0 */
    for (int32_t i = 0; i < fleet->replicas && look_s > last_s; i++) {
        see(fleet, i, look_s);
    }
    CHECK(ms_view_look(fleet, t_s) == (look_s > last_s));
    last_s = look_s;
}

/* Jobs come, replicas serve, fail and are mended; each copy goes where it is expected to. Returns how many could
 * choose. */
static inline int32_t wander(ms_fleet *fleet, uint64_t seed, expected_fn expected)
{
    lcg chance = {seed};
    ms_queue done = {0}, evicted = {0};
    const double delay_s = fleet->dispatch.state_delay_s;
    int32_t placed = 0, chosen = 0, wrong = 0;
    double t_s = 0.0;
    while (placed < WORLD_JOBS && wrong == 0) {
        const int64_t what = lcg_between(&chance, 0, 99);
        const int32_t r = (int32_t)lcg_between(&chance, 0, fleet->replicas - 1);
        if (what < 2 && ms_pool_of(fleet, r)->up > 1 && fleet->failures[r] == 0) {
            const int64_t before = evicted.length;
            ms_fleet_fail(fleet, r, t_s, &evicted);
            fleet->pool[fleet->pool_of[r]].unfinished -= evicted.length - before;
            for (const ms_job *job = evicted.head; job != NULL; job = job->next) {
                ms_accounts_release(fleet, (ms_job *)job);
            }
            forget(r);
            seen_unfinished[r] = 0; /* that it is down is seen at once */
        } else if (what < 4 && fleet->failures[r] > 0) {
            repair(fleet, r, t_s);
        } else if (what < 40) {
            int32_t up[REPLICAS_MOST];
            const int64_t max_waiting = lcg_between(&chance, -6, 3);
            ms_job *job = &jobs[placed];
            *job = job_of_world(&chance, placed++);
            for (int32_t i = 0; i < fleet->replicas && delay_s == 0.0; i++) {
                see(fleet, i, t_s);
            }
            const int32_t n = list_open(fleet, max_waiting, up);
            const int32_t where_to = n > 0 ? expected(fleet, job, up, n, t_s) : -1;
            const int how = ms_dispatch_place(fleet, job, max_waiting < 0 ? -1 : max_waiting, t_s);
            CHECK(how == (n > 0 ? MS_PLACED : MS_TURNED_AWAY));
            wrong += n > 0 && !CHECK(job->server == where_to);
            chosen += n > 1;
            if (n > 0) {
                note_sent(job, t_s);
            }
        } else {
            const double next_s = fleet->moments.values[ms_tournament_best(&fleet->moments)];
            if (next_s < INFINITY && delay_s > 0.0) {
                look_until(fleet, next_s, delay_s);
            }
            t_s = next_s < INFINITY ? step(fleet, &done) : t_s;
        }
    }
    return chosen;
}

#endif
