/* What the description of the rule `scored` says, in the plainest way: all are looked at. */
#ifndef MS_TEST_SCORED_H
#define MS_TEST_SCORED_H

#include "worlds.h"

/* Whole units of the prompt that the router has sent to each replica: from its start on, as far as anybody was
 * sent them. Returns how many the prompt has. */
static inline int64_t units_sent(const ms_fleet *fleet, const ms_job *job, int64_t unit, int64_t most_tokens, int64_t *units)
{
    int64_t total = 0;
    int is_over = 0;
    ms_part part;
    memset(units, 0, REPLICAS_MOST * sizeof *units);
    for (int32_t k = 0; ms_prompt_part(job, k, &part); k++) {
        const int64_t end = most_tokens > 0 && part.to > most_tokens ? most_tokens : part.to;
        const int64_t from = (most_tokens > 0 && part.from > most_tokens ? most_tokens : part.from) / unit;
        for (int64_t u = from; u < end / unit && !is_over; u++) {
            int anyone = 0;
            for (int32_t i = 0; i < fleet->replicas && part.id >= 0; i++) {
                const int64_t sent = most_tokens > 0 &&
                    sent_to[i][part.id] > most_tokens ? most_tokens : sent_to[i][part.id];
                const int has = u < sent / unit;
                units[i] += has;
                anyone |= has;
            }
            is_over = !anyone;
        }
        total = end / unit;
    }
    return total;
}

/* The places of those who got a request that nobody knew anything of, least recently first. */
static int32_t cold[REPLICAS_MOST], n_cold;

static inline void touch_cold(int32_t place, int32_t most)
{
    int32_t n = 0;
    for (int32_t k = 0; k < n_cold; k++) {
        if (cold[k] != place) {
            cold[n++] = cold[k];
        }
    }
    if (n == n_cold && n == most) {
        memmove(cold, cold + 1, (size_t)--n * sizeof *cold);
    }
    cold[n++] = place;
    n_cold = n;
}

static inline int32_t rank_of(int32_t place)
{
    int32_t k = 0;
    while (k < n_cold && cold[k] != place) {
        k++;
    }
    return k < n_cold ? k : -1;
}

/* "Sticky until saturated": leaves those to whom enough of the prompt was sent. */
static inline int32_t narrowed(const ms_fleet *fleet, const int64_t *units, int64_t total, const int32_t *up, int32_t n,
    int32_t *left)
{
    const ms_dispatch_plan *rule = &fleet->dispatch;
    double sticky_s = INFINITY, other_s = INFINITY;
    int32_t stuck = 0;
    for (int32_t i = 0; i < n && total > 0; i++) {
        const double time_s = (double)fleet->prefill_tokens[up[i]] / rule->peak_prefill;
        if ((double)units[up[i]] / (double)total >= rule->affinity) {
            left[stuck++] = up[i];
            sticky_s = time_s < sticky_s ? time_s : sticky_s;
        } else {
            other_s = time_s < other_s ? time_s : other_s;
        }
    }
    if (stuck == 0 || stuck == n || (rule->most_penalty_s > 0.0 && sticky_s - other_s > rule->most_penalty_s)) {
        memcpy(left, up, (size_t)n * sizeof *up);
        return n;
    }
    return stuck;
}

static inline int32_t best(ms_fleet *fleet, const ms_job *job, const int32_t *all, int32_t n, double t_s)
{
    const ms_dispatch_plan *rule = &fleet->dispatch;
    const ms_score_weights *w = &rule->weights;
    const int64_t unit = rule->index_block_tokens > BLOCK ? rule->index_block_tokens : BLOCK;
    int64_t units[REPLICAS_MOST], least = INT64_MAX, most = 0, busiest = 0;
    int32_t up[REPLICAS_MOST], never = 0, passed = 0, is_cold = 1;
    double costs[REPLICAS_MOST];
    const int64_t total = units_sent(fleet, job, unit, rule->index_tokens, units);
    int nobody_knows = 1;
    for (int32_t i = 0; i < n; i++) {
        nobody_knows = nobody_knows && units[all[i]] == 0;
    }
    if (rule->is_sticky) {
        n = narrowed(fleet, units, total, all, n, up);
    } else {
        memcpy(up, all, (size_t)n * sizeof *up);
    }
    for (int32_t i = 0; i < n; i++) {
        const int64_t q = seen_waiting[up[i]], unfinished = ms_replica_unfinished(&fleet->replica[up[i]]);
        least = q < least ? q : least;
        most = q > most ? q : most;
        busiest = unfinished > busiest ? unfinished : busiest;
        never += rank_of(up[i]) < 0;
        is_cold = is_cold && units[up[i]] == 0;
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t r = up[i], rank = rank_of(r);
        const int64_t q = seen_waiting[r], unfinished = ms_replica_unfinished(&fleet->replica[r]);
        const double queue = most > least ? (double)(most - q) / (double)(most - least) : 1.0;
        const double load = 0.5 * (1.0 - (double)(q < 128 ? q : 128) / 128);
        double score = w->queue * queue + w->kv_cache * (1.0 - seen_usage[r]) + w->load * load;
        double prompt = total > 0 ? w->prefix * ((double)units[r] / (double)total) : 0.0;
        const double tokens = (double)(fleet->prefill_tokens[r] + job->prompt_tokens - units[r] * unit);
        prompt += w->token_load * (1.0 - (tokens < rule->most_load_tokens ? tokens / rule->most_load_tokens : 1.0));
        score = score + prompt;
        const int is_bound = job->session >= 0 && session_at[job->session] == r &&
            t_s - session_s[job->session] <= rule->session_ttl_s;
        double router = w->session * is_bound;
        router += w->active > 0.0 ? w->active * (unfinished <= rule->idle_requests ? 1.0
            : (double)(busiest - unfinished) / (double)busiest * rule->most_busy_score) : 0.0;
        const double step = 1.0 - (double)(rank < 0 ? passed : never + rank) / (double)(n - 1);
        passed += rank < 0;
        const double coldness = !is_cold || n < 2 ? 0.5 : step > 0.0 ? step : 0.0;
        costs[i] = -(score + (router + (w->no_hit_lru > 0.0 ? w->no_hit_lru * coldness : 0.0)));
    }
    const int32_t winner = any_of_least(job, up, costs, n);
    if (nobody_knows) {
        touch_cold(winner, rule->cold_replicas);
    }
    return winner;
}

#endif
