#include "worlds.h"

static int has(const int32_t *up, int32_t n, int32_t replica)
{
    for (int32_t i = 0; i < n; i++) {
        if (up[i] == replica) {
            return 1;
        }
    }
    return 0;
}

/* The most tokens of a part that went to one of `up`, and who came by it first of those with as many. */
static int64_t longest(const ms_fleet *fleet, const ms_part *part, const int32_t *up, int32_t n, int32_t *who)
{
    int64_t most = part->from, came = INT64_MAX;
    for (int32_t i = 0; i < fleet->replicas && part->id >= 0; i++) {
        const int64_t to = sent_to[i][part->id] < part->to ? sent_to[i][part->id] : part->to;
        if (has(up, n, i) && to > part->from && (to > most || (to == most && came_by[i][part->id] < came))) {
            most = to;
            came = came_by[i][part->id];
            *who = i;
        }
    }
    return most;
}

static int32_t where_its_start_went(ms_fleet *fleet, const ms_job *job, const int32_t *up, int32_t n, double t_s)
{
    (void)t_s;
    const ms_dispatch_plan *rule = &fleet->dispatch;
    const int32_t emptiest = first_of_least(up, seen_unfinished, n);
    int64_t most = 0, matched = 0;
    int32_t who = -1;
    for (int32_t i = 0; i < n; i++) {
        most = seen_unfinished[up[i]] > most ? seen_unfinished[up[i]] : most;
    }
    const int64_t least = seen_unfinished[emptiest];
    if (most - least > rule->balance_abs && (double)most > rule->balance_rel * (double)least) {
        return emptiest;
    }
    ms_part part;
    for (int32_t i = 0; ms_prompt_part(job, i, &part); i++) {
        const int64_t to = longest(fleet, &part, up, n, &who);
        matched = to > part.from ? to : matched;
        if (to < part.to) {
            break;
        }
    }
    return (double)matched / job->prompt_tokens > rule->cache_threshold ? who : emptiest;
}

static void a_copy_goes_where_its_start_went_while_loads_are_alike(void)
{
    const int32_t sizes[] = {3, 20};
    const double delays_s[] = {0.0, 2.5}, thresholds[] = {0.3, 0.6, 0.5};
    for (int k = 0; k < 12; k++) {
        ms_fleet fleet;
        const ms_dispatch_plan rule = {.rule = MS_PREFIX_AFFINITY,
                                       .state_delay_s = delays_s[k / 2 % 2],
                                       .cache_threshold = thresholds[k / 4],
                                       .balance_abs = 1 + k / 4,
                                       .balance_rel = 1.5,
                                       .tree_tokens = INT64_MAX,
                                       .eviction_s = 30.0};
        make_world(&fleet, sizes[k % 2], &rule);
        CHECK(wander(&fleet, (uint64_t)k + 20, where_its_start_went) > 900);
        ms_fleet_free(&fleet);
    }
}

static const ms_dispatch_plan forgetful = {.rule = MS_PREFIX_AFFINITY,
                                           .cache_threshold = 0.1,
                                           .balance_abs = 100,
                                           .balance_rel = 1.0,
                                           .tree_tokens = 12,
                                           .eviction_s = 10.0};

/* Every 10 s no more than 12 tokens are remembered of each replica. Of one prompt of 4 + 12 and another of 8 after
 * it, 4 and 8 are left; of the other and the first after it, 12 of the first, so that the other goes elsewhere. */
static void what_is_beyond_is_forgotten_from_time_to_time(void)
{
    static const ms_node_of_path one[] = {{1, 4}, {2, 16}}, other[] = {{3, 8}};
    const ms_pool_plan plan = pool_of(0, 2, 4);
    ms_fleet fleet;
    CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &forgetful, streams) == 0);
    ms_texts *texts = &fleet.servers[0].texts;
    const double times_s[] = {0.0, 9.5, 10.0, 19.5, 19.75, 20.0};
    const int64_t units[] = {16, 24, 12, 12, 24, 12}, evictions[] = {0, 0, 1, 1, 1, 2};
    for (int32_t i = 0; i < 6; i++) {
        const int is_other = i != 0 && i != 4;
        jobs[i] = ms_job_new(i, 0, is_other ? 8 : 16, 2);
        jobs[i].path = is_other ? other : one;
        jobs[i].path_length = is_other ? 1 : 2;
        if (i == 1) { /* the other text is there, too, and the first at the other replica */
            CHECK(ms_texts_add(texts, &jobs[1], 0) == 0 && ms_texts_add(texts, &jobs[0], 1) == 0);
        }
        if (i == 4) {
            CHECK(ms_texts_add(texts, &jobs[4], 0) == 0);
        } else {
            CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, times_s[i]) == MS_PLACED && jobs[i].server == (i == 5));
        }
        CHECK(texts->list[0].units == units[i] && fleet.servers[0].evictions == evictions[i]);
        CHECK(texts->list[1].units == (i == 0 ? 0 : i == 1 ? 16 : i == 5 ? 20 : 12));
    }
    ms_fleet_free(&fleet);
}

/* The first of three is down: of the others both are cut to what may be remembered of each. */
static void all_forget_though_some_are_down(void)
{
    static const ms_node_of_path path[] = {{1, 16}};
    const ms_pool_plan plan = pool_of(0, 3, 4);
    ms_fleet fleet;
    ms_queue evicted = {0};
    CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &forgetful, streams) == 0);
    ms_fleet_fail(&fleet, 0, 0.0, &evicted);
    jobs[0] = ms_job_new(0, 0, 16, 2);
    jobs[0].path = path;
    jobs[0].path_length = 1;
    for (int32_t i = 1; i < 3; i++) {
        CHECK(ms_texts_add(&fleet.servers[0].texts, &jobs[0], i) == 0);
    }
    CHECK(place(&fleet, 1, 0, -1, 10.0) == MS_PLACED);
    for (int32_t i = 1; i < 3; i++) {
        CHECK(fleet.servers[0].texts.list[i].units == 12 + 4 * (jobs[1].server == i)); /* and its own prompt */
    }
    ms_fleet_free(&fleet);
}

int main(void)
{
    RUN(a_copy_goes_where_its_start_went_while_loads_are_alike);
    RUN(what_is_beyond_is_forgotten_from_time_to_time);
    RUN(all_forget_though_some_are_down);
    return report();
}
