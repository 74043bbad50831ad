#include "worlds.h"

/* Whole units of the prompt that the router has sent to each replica: from its start on, as far as anybody was
 * sent them. Returns how many the prompt has. */
static int64_t units_sent(const ms_fleet *fleet, const ms_job *job, int64_t unit, int64_t most_tokens, int64_t *units)
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

static void touch_cold(int32_t place, int32_t most)
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

static int32_t rank_of(int32_t place)
{
    int32_t k = 0;
    while (k < n_cold && cold[k] != place) {
        k++;
    }
    return k < n_cold ? k : -1;
}

/* "Sticky until saturated": leaves those to whom enough of the prompt was sent. */
static int32_t narrowed(const ms_fleet *fleet, const int64_t *units, int64_t total, const int32_t *up, int32_t n,
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

static int32_t best(ms_fleet *fleet, const ms_job *job, const int32_t *all, int32_t n, double t_s)
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

static void a_copy_goes_where_the_sum_of_scores_is_best(void)
{
    const ms_score_weights weights[] = {
        {.queue = 2.0, .kv_cache = 2.0, .prefix = 3.0},
        {.session = 1.0, .load = 4.0, .prefix = 1.0},
        {.queue = 1.0, .token_load = 2.0, .active = 1.0},
        {.no_hit_lru = 2.0, .prefix = 1.0, .load = 1.0},
        {.queue = 1.0, .prefix = 2.0, .session = 0.5, .active = 0.25, .no_hit_lru = 0.5},
        {.queue = 1.0, .prefix = 1.0, .session = 1.0}, /* much is equal */
        {.load = 256.0, .prefix = 2.0},
        {.token_load = 2.0, .prefix = 1.0, .session = 0.5}, /* no engine is asked */
        {.active = 2.0, .load = 1.0, .prefix = 1.0},
        {.no_hit_lru = 0.5, .active = 1.0, .kv_cache = 1.0},
    };
    const int32_t sizes[] = {3, 20};
    for (int k = 0; k < 80; k++) {
        ms_fleet fleet;
        const ms_dispatch_plan rule = {.rule = MS_SCORED,
                                       .weights = weights[k / 8],
                                       .state_delay_s = k / 2 % 2 ? 2.5 : 0.0,
                                       .session_ttl_s = 20.0,
                                       .index_block_tokens = k % 3 == 0 ? 6 : 0,
                                       .index_blocks = 1000000,
                                       .index_tokens = k % 5 == 0 ? 18 : 0,
                                       .most_load_tokens = 64.0,
                                       .idle_requests = 1,
                                       .most_busy_score = 0.5,
                                       .cold_replicas = 2 + k % 2,
                                       .is_sticky = k / 4 % 2,
                                       .affinity = 0.5,
                                       .most_penalty_s = k % 7 == 0 ? 0.0 : 0.02,
                                       .peak_prefill = 1000.0};
        make_world(&fleet, sizes[k % 2], &rule);
        n_cold = 0;
        CHECK(wander(&fleet, (uint64_t)k + 100, best) > 900);
        ms_fleet_free(&fleet);
    }
}

/* Prompts of nodes 1 (16 tokens), 2 and 3 (16 more each). */
static ms_job prompt_of(int32_t request, const ms_node_of_path *path, int32_t n)
{
    ms_job job = ms_job_new(request, 0, 16 * n, 2);
    job.path = path;
    job.path_length = n;
    return job;
}

/* Where the list is too long what was sent first goes, of one prompt its start. Without a start the rest is not
 * found. A replica of whose memory nothing is known has 31,250 blocks. */
static void a_list_that_is_full_forgets_the_oldest_blocks(void)
{
    const int64_t unknown = (int64_t)1 << 31, configured[] = {8, 6, 0, 0}, memory[] = {1000, 1000, 24, unknown};
    const int64_t left[] = {8, 6, 6, 31250};
    const int32_t sent[] = {32, 32, 32, 4 * 31251};
    for (int k = 0; k < 4; k++) {
        const ms_node_of_path path[] = {{1, 16}, {2, sent[k]}};
        ms_pool_plan plan = pool_of(0, 2, 4);
        plan.limits.kv_block_tokens = 4;
        plan.limits.kv_capacity_tokens = memory[k];
        const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.prefix = 1.0}, .index_blocks = configured[k]};
        ms_fleet fleet;
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
        jobs[0] = prompt_of(0, path, 2);
        jobs[0].prompt_tokens = 23; /* that fits */
        jobs[0].output_tokens = 1;
        CHECK(fleet.servers[0].texts.unit_tokens == 4);
        CHECK(ms_texts_add(&fleet.servers[0].texts, &jobs[0], 1) == 0);
        ms_job next = jobs[0];
        next.request = 1;
        CHECK(ms_dispatch_place(&fleet, &next, -1, 0.0) == MS_PLACED && next.server == 1);
        CHECK(fleet.servers[0].texts.list[1].units == left[k]);
        CHECK(fleet.prefill_tokens[1] == 23 - sent[k]); /* by what the router believes */
        ms_fleet_free(&fleet);
    }
}

/* Blocks in the middle that only another has do not break the line: 1 has all of node 1 and 2, 0 the end of 1 alone. */
static void a_block_that_anybody_has_continues_the_prompt(void)
{
    const ms_node_of_path path[] = {{1, 16}, {2, 32}};
    ms_pool_plan plan = pool_of(0, 2, 4);
    plan.limits.kv_block_tokens = 4;
    const ms_dispatch_plan rule = {.rule = MS_SCORED, .weights = {.prefix = 1.0}, .index_blocks = 100};
    for (int first_left = 0; first_left <= 4; first_left++) {
        ms_fleet fleet;
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
        ms_texts *texts = &fleet.servers[0].texts;
        const ms_job half = prompt_of(0, path, 1);
        CHECK(ms_texts_add(texts, &half, 0) == 0);
        jobs[0] = prompt_of(1, path, 2);
        CHECK(ms_texts_add(texts, &jobs[0], 1) == 0);
        ms_texts_trim(texts, 1, 4 + first_left); /* of its node 1 the last so many blocks are left */
        CHECK(ms_dispatch_place(&fleet, &jobs[0], -1, 0.0) == MS_PLACED);
        CHECK(jobs[0].server == (first_left == 0 ? jobs[0].server : 1)); /* 4 of 8 blocks against 4 and more */
        ms_fleet_free(&fleet);
    }
}

int main(void)
{
    RUN(a_copy_goes_where_the_sum_of_scores_is_best);
    RUN(a_list_that_is_full_forgets_the_oldest_blocks);
    RUN(a_block_that_anybody_has_continues_the_prompt);
    return report();
}
