#include "view.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "memory.h"
#include "open_pools.h"
#include "outlook.h"

/* What the rule knows of prompts; under kv_router and a rule of one's own, of which of them caches have a part. */
static int prepare_texts(ms_fleet *self, ms_servers *servers)
{
    const ms_dispatch_plan *plan = &self->dispatch;
    const int is_scored = servers->rule == MS_SCORED;
    int64_t unit = is_scored && plan->index_block_tokens > 1 ? plan->index_block_tokens : 1;
    int32_t own = 0;
    for (int32_t k = 0; k < servers->pools; k++) {
        const int64_t block = self->pool[servers->pool[k]].plan.limits.kv_block_tokens;
        if (!self->pool[servers->pool[k]].plan.is_api) {
            servers->block_tokens = own++ == 0 || block == servers->block_tokens ? block : 0;
        }
        unit = is_scored && k == 0 && block > unit ? block : unit;
    }
    const int hears_caches = servers->rule == MS_KV_ROUTER || servers->view.numbers != NULL;
    for (int32_t i = 0; i < servers->replicas && hears_caches; i++) {
        ms_cache *cache = &self->replica[servers->replica[i]].sequences.cache;
        cache->directory = &servers->texts;
        cache->place = i;
    }
    return ms_texts_init(&servers->texts, servers->replicas, unit, is_scored ? plan->index_tokens : 0, is_scored);
}

static int64_t lesser_limit(int64_t a, int64_t b)
{
    return b > 0 && b < a ? b : a;
}

/* What every pool takes, those included that decode what others prefill: of such a request none need be asked. */
static void find_common_limits(const ms_fleet *self, ms_servers *servers)
{
    servers->all_take = servers->all_take_prompt = INT64_MAX;
    servers->holder = -1;
    for (int32_t k = 0; k < servers->pools; k++) {
        const ms_pool *pool = &self->pool[servers->pool[k]];
        const int64_t memory_tokens = pool->plan.limits.kv_capacity_tokens;
        servers->most_memory_tokens = memory_tokens > servers->most_memory_tokens ? memory_tokens : servers->most_memory_tokens;
        servers->has_api |= pool->plan.is_api;
        servers->holder = k == 0 || ms_pool_holds_before(pool, &self->pool[servers->holder]) ? servers->pool[k] : servers->holder;
    }
    for (int32_t p = 0; p < self->pools && servers->pools > 0; p++) {
        const ms_pool_plan *plan = &self->pool[p].plan;
        if (plan->model != self->pool[servers->pool[0]].plan.model) {
            continue;
        }
        servers->all_take = lesser_limit(servers->all_take, plan->most_tokens);
        servers->all_take_prompt = lesser_limit(servers->all_take_prompt, plan->most_prompt_tokens);
    }
}

/* For weights whose sum no single number ranks: an engine is asked anew for each request, or the sum depends on it. */
static int prepare_standings(const ms_fleet *self, ms_servers *servers)
{
    const ms_score_weights *weights = &self->dispatch.weights;
    const int is_many = servers->rule == MS_SCORED && servers->replicas > MS_SCAN_MOST;
    if (!is_many || ms_weights_rank(weights, self->looks.delay_s > 0.0)) {
        return 0;
    }
    servers->behind = calloc((size_t)servers->replicas + 1, sizeof *servers->behind);
    if (servers->behind == NULL) {
        return MS_ERR_MEMORY;
    }
    const uint32_t waiting = (uint32_t)1 << MS_TERM_WAITING, terms = ms_view_terms(weights);
    MS_TRY(ms_members_init(&servers->idle, servers->replicas));
    MS_TRY(ms_standings_init(&servers->standings[0], servers->replicas, terms & ~waiting));
    MS_TRY(ms_standings_init(&servers->standings[1], servers->replicas, terms));
    for (int32_t i = 0; i < servers->replicas; i++) {
        ms_servers_mark(servers, servers->replica[i], i);
    }
    return 0;
}

static int prepare_crowds(ms_fleet *self, ms_servers *servers)
{
    const int32_t most = (servers->pools + 7) / 8 * 8;
    if (servers->rule != MS_SHARED_QUEUE) {
        return 0;
    }
    servers->crowds = ms_memory_take((size_t)most * sizeof *servers->crowds);
    if (servers->crowds == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t k = 0; k < most; k++) {
        servers->crowds[k] = INFINITY;
    }
    for (int32_t k = 0; k < servers->pools; k++) {
        ms_pool_show_crowd(self, &self->pool[servers->pool[k]]);
    }
    return 0;
}

int ms_view_prepare(ms_fleet *self, ms_servers *servers)
{
    find_common_limits(self, servers);
    MS_TRY(ms_open_pools_init(self, servers));
    MS_TRY(prepare_crowds(self, servers));
    self->is_watched |= self->looks.delay_s > 0.0 || servers->replicas > MS_SCAN_MOST;
    ms_bindings_init(&servers->sessions);
    MS_TRY(ms_ties_init(&servers->loads, servers->replicas));
    MS_TRY(ms_ties_init(&servers->heights, servers->replicas));
    MS_TRY(ms_ties_init(&servers->prefills, servers->replicas));
    MS_TRY(ms_ties_init(&servers->nevers, servers->replicas));
    for (int32_t i = 0; i < servers->replicas; i++) {
        ms_ties_set(&servers->loads, i, 0.0);
        ms_ties_set(&servers->heights, i, 0.0);
        ms_ties_set(&servers->prefills, i, 0.0);
        ms_ties_set(&servers->nevers, i, 0.0);
    }
    servers->stale = calloc((size_t)servers->replicas + 1, sizeof *servers->stale);
    servers->lag = calloc((size_t)servers->replicas + 1, sizeof *servers->lag);
    if (servers->stale == NULL || servers->lag == NULL) {
        return MS_ERR_MEMORY;
    }
    MS_TRY(prepare_standings(self, servers));
    MS_TRY(ms_cold_init(&servers->cold, servers->replicas, self->dispatch.cold_replicas));
    if (servers->rule == MS_OWN_RULE && servers->replicas > MS_SCAN_MOST) {
        MS_TRY(ms_own_view_init(&servers->view, servers->replicas));
    }
    return prepare_texts(self, servers);
}

void ms_view_free(ms_servers *servers)
{
    ms_ties_free(&servers->open_to);
    ms_memory_give(servers->crowds);
    ms_ties_free(&servers->loads);
    ms_ties_free(&servers->heights);
    ms_ties_free(&servers->prefills);
    ms_ties_free(&servers->nevers);
    ms_members_free(&servers->idle);
    ms_standings_free(&servers->standings[0]);
    ms_standings_free(&servers->standings[1]);
    free(servers->stale);
    free(servers->behind);
    free(servers->lag);
    ms_bindings_free(&servers->sessions);
    ms_texts_free(&servers->texts);
    ms_cold_free(&servers->cold);
    ms_own_view_free(&servers->view);
}

int64_t ms_view_unfinished(const ms_fleet *self, int32_t replica)
{
    const ms_pool *pool = ms_pool_of(self, replica);
    if (pool->plan.is_api) {
        return pool->unfinished;
    }
    int64_t unfinished = ms_replica_unfinished(&self->replica[replica]);
    if (pool->plan.front_end.law != MS_WAITS_FOREVER || pool->plan.detokenize_s > 0.0) {
        const ms_front *front = &self->front[replica];
        unfinished += front->waiting.length + front->served.length + front->detokenizing.length;
    }
    return self->dispatch.decode_first ? unfinished + self->promised[replica] : unfinished;
}

/* What the rule `scored` knows at once of many. */
static void show_to_scored(ms_fleet *self, ms_servers *servers, int32_t replica)
{
    const ms_score_weights *weights = &self->dispatch.weights;
    const int32_t place = self->place_of[replica];
    const int is_up = self->failures[replica] == 0;
    if (self->dispatch.is_sticky || ms_weights_are_of_tokens_alone(weights)) {
        ms_ties_set(&servers->prefills, place, is_up ? (double)self->prefill_tokens[replica] : INFINITY);
    }
    if (weights->no_hit_lru > 0.0) {
        ms_ties_set(&servers->nevers, place, is_up && servers->cold.position[place] < 0 ? 0.0 : INFINITY);
    }
    if (weights->active > 0.0 || ms_servers_stand(servers)) {
        ms_servers_mark(servers, replica, place);
    }
}

void ms_view_show_account(ms_fleet *self, int32_t replica)
{
    ms_servers *servers = &self->servers[ms_pool_of(self, replica)->servers];
    if (servers->rule == MS_SCORED && servers->replicas > MS_SCAN_MOST) {
        show_to_scored(self, servers, replica);
    }
    if (servers->rule == MS_KV_ROUTER && servers->replicas > MS_SCAN_MOST) {
        const double weight = self->failures[replica] == 0 ? ms_view_account(self, replica) : INFINITY;
        ms_ties_set(&servers->loads, self->place_of[replica], weight);
    }
}

void ms_view_tell_stir(ms_fleet *self, int32_t replica)
{
    ms_servers *servers = &self->servers[ms_pool_of(self, replica)->servers];
    if (self->looks.delay_s > 0.0) {
        ms_looks_stir(&self->looks, replica);
    } else if (ms_servers_stand(servers)) {
        ms_servers_mark(servers, replica, self->place_of[replica]);
    }
}

void ms_view_tell_load(ms_fleet *self, int32_t replica)
{
    ms_servers *servers = &self->servers[ms_pool_of(self, replica)->servers];
    if (servers->rule == MS_SCORED && servers->replicas > MS_SCAN_MOST) {
        show_to_scored(self, servers, replica);
    }
    if (self->looks.delay_s > 0.0) {
        ms_looks_note(&self->looks, replica);
    } else if (servers->replicas > MS_SCAN_MOST) {
        ms_view_show_load(self, replica);
    }
}

/* The least of this is what a rule looks for; packed wants the fullest of those with room before all others. */
static double weight_of(const ms_fleet *self, const ms_servers *servers, double load)
{
    return servers->rule == MS_PACKED && load < (double)self->dispatch.packed_requests ? -load : load;
}

/* Whether the rule may ask who has the least of the loads, with nothing else to go by; where queues are shared, among APIs
 * alone. */
static int asks_for_least(const ms_servers *servers)
{
    const int32_t rule = servers->rule;
    return rule == MS_LEAST_LOADED || rule == MS_PACKED || rule == MS_SESSION || rule == MS_PREFIX_AFFINITY ||
           (rule == MS_SHARED_QUEUE && servers->has_api);
}

void ms_view_show_load(ms_fleet *self, int32_t replica)
{
    ms_servers *servers = &self->servers[ms_pool_of(self, replica)->servers];
    const int is_up = self->failures[replica] == 0;
    const double load = (double)ms_view_unfinished(self, replica);
    if (self->looks.delay_s > 0.0) {
        self->looks.unfinished[replica] = (int64_t)load;
    }
    if (servers->rule == MS_KV_ROUTER || servers->rule == MS_SCORED) {
        ms_view_show_account(self, replica);
    } else if (servers->rule == MS_POWER_OF_TWO) {
        servers->loads.values[self->place_of[replica]] = load;
    } else if (asks_for_least(servers)) {
        ms_ties_set(&servers->loads, self->place_of[replica], is_up ? weight_of(self, servers, load) : INFINITY);
    }
    if (servers->own.sees_loads) {
        ms_own_view_show(&servers->view, self->place_of[replica], load);
    }
    if (servers->rule == MS_PREFIX_AFFINITY) {
        ms_ties_set(&servers->heights, self->place_of[replica], is_up ? -load : INFINITY);
    }
}

/* Whether the rule asks engines for what waits there and memory in use. */
static int asks_engines(const ms_fleet *self)
{
    return self->dispatch.rule == MS_SCORED || (self->dispatch.rule == MS_OWN_RULE && self->servers[0].own.sees_engines);
}

/* Who only has more of its memory in use stays where it stands, by what it had: that is no more than there is. */
static void look_into_engine(ms_fleet *self, int32_t replica, double time_s)
{
    ms_looks *looks = &self->looks;
    ms_servers *servers = &self->servers[ms_pool_of(self, replica)->servers];
    const int32_t place = self->place_of[replica];
    const int is_stirred = looks->until_s[replica] == -INFINITY;
    const int64_t waiting = ms_replica_waiting(&self->replica[replica]);
    const double usage = ms_outlook_kv_usage_until(&self->replica[replica], time_s, &looks->until_s[replica]);
    if (ms_servers_stand(servers)) {
        const int is_idle = ms_members_has(&servers->idle, place), is_known = servers->lag[place] == 0;
        const ms_score_weights *weights = &self->dispatch.weights;
        const int has_queue = looks->waiting[replica] > 0 && (weights->queue > 0.0 || weights->load > 0.0);
        const ms_standings *standings = &servers->standings[has_queue]; /* as in stand_anew */
        const int is_bound = standings->until_s[place] < time_s && waiting == looks->waiting[replica] &&
                             usage >= ms_standings_least(standings, place).of[MS_TERM_USAGE];
        if (is_idle || (is_stirred && !(is_known && is_bound))) {
            ms_servers_mark(servers, replica, place);
        }
    }
    looks->waiting[replica] = waiting;
    looks->usage[replica] = usage;
}

static void look_into_engines(ms_fleet *self)
{
    ms_looks *looks = &self->looks;
    const double time_s = ms_looks_s(looks);
    int32_t left = 0;
    for (int32_t i = 0; i < looks->n_watched; i++) {
        const int32_t replica = looks->watched[i];
        if (looks->until_s[replica] < time_s) {
            look_into_engine(self, replica, time_s);
        }
        looks->watched[left] = replica;
        left += looks->until_s[replica] < INFINITY;
    }
    looks->n_watched = left;
    for (int32_t m = 0; m < self->groups; m++) {
        self->servers[m].is_ranked = 0;
        self->servers[m].view.engines_known = 0;
    }
}

static int reads_caches(const ms_servers *servers)
{
    return servers->rule == MS_KV_ROUTER || (servers->rule == MS_OWN_RULE && servers->own.sees_caches);
}

int ms_view_poll_caches(ms_fleet *self, int prices)
{
    self->looks.settles = prices;
    for (int32_t i = 0; i < self->replicas && self->looks.delay_s > 0.0; i++) {
        const ms_pool *pool = ms_pool_of(self, i);
        if (pool->plan.limits.prefix_cache && (prices || reads_caches(&self->servers[pool->servers]))) {
            MS_TRY(ms_cache_poll(&self->replica[i].sequences.cache, &self->looks.polls));
        }
    }
    return 0;
}

/* Prices are those of what has begun by then. */
static void look_into_caches(ms_fleet *self)
{
    for (int32_t i = 0; i < self->replicas && self->looks.settles; i++) {
        if (self->replica[i].sequences.cache.past != NULL && self->replica[i].sequences.running > 0) {
            ms_replica_settle_cache(&self->replica[i], ms_looks_s(&self->looks));
            ms_view_stir(self, i); /* what its batch shares is counted */
        }
    }
    self->looks.polls++;
}

int ms_view_look(ms_fleet *self, double t_s)
{
    if (!ms_looks_due(&self->looks, t_s)) {
        return 0;
    }
    look_into_caches(self);
    for (int32_t replica = ms_looks_next(&self->looks); replica >= 0; replica = ms_looks_next(&self->looks)) {
        ms_view_show_load(self, replica);
    }
    if (asks_engines(self)) {
        look_into_engines(self);
    }
    return 1;
}
