#include "fleets.h"
#include "players.h"

/* What all pools take is the least that one of them does; 0 is no limit. */
static void what_every_pool_takes_is_known(void)
{
    ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 1, 4), pool_of(1, 1, 4), api_of(2)};
    plans[0].most_tokens = 100;
    plans[0].most_prompt_tokens = 60;
    plans[1].most_tokens = 90;
    plans[1].most_prompt_tokens = 70;
    ms_fleet fleet;
    make(&fleet, 4, plans, MS_LEAST_LOADED);
    CHECK(fleet.servers[0].all_take == 90 && fleet.servers[0].all_take_prompt == 60 && !fleet.servers[0].has_api);
    CHECK(fleet.servers[1].all_take == INT64_MAX && fleet.servers[1].all_take_prompt == INT64_MAX);
    CHECK(fleet.servers[2].has_api);
    const int32_t prompts[] = {60, 61, 65, 71, 60}, outputs[] = {30, 29, 35, 1, 41};
    /* of both the first; 61 is too much for it; 100 for the second, ... */
    const int32_t where_to[] = {0, 1, -1, -1, -1};
    for (int k = 0; k < 5; k++) {
        jobs[k] = ms_job_new(k, 0, prompts[k], outputs[k]);
        const int how = ms_dispatch_place(&fleet, &jobs[k], -1, 0.0);
        CHECK(how == (where_to[k] < 0 ? MS_TURNED_AWAY : MS_PLACED));
        CHECK(where_to[k] < 0 || jobs[k].server == where_to[k]);
        CHECK(ms_fleet_takes(&fleet, 0, prompts[k], outputs[k]) == (where_to[k] >= 0));
    }
    ms_fleet_free(&fleet);
    plans[0].most_prompt_tokens = 1;
    make(&fleet, 4, plans, MS_LEAST_LOADED);
    CHECK(fleet.servers[0].all_take == 90 && fleet.servers[0].all_take_prompt == 1);
    ms_fleet_free(&fleet);
    make(&fleet, 3, plans, MS_LEAST_LOADED);
    CHECK(ms_fleet_takes(&fleet, 1, 1, 1) && !ms_fleet_takes(&fleet, 2, 1, 1)); /* without a pool nobody takes anything */
    ms_fleet_free(&fleet);
}

/* What is prefilled is to fit into one of the pools that decode it: neither of the two takes all that the other does. */
static void what_no_decoder_takes_is_not_prefilled(void)
{
    for (int32_t model = 0; model < MODELS_MOST; model++) {
        ms_pool_plan plans[] = {pool_of(model, 1, 9), pool_of(model, 1, 4), pool_of(model, 1, 4)};
        plans[0].limits.role = MS_ROLE_PREFILL;
        plans[1].limits.role = plans[2].limits.role = MS_ROLE_DECODE;
        plans[1].most_tokens = 100;
        plans[1].most_prompt_tokens = 11;
        plans[2].most_tokens = 61;
        ms_fleet fleet;
        CHECK(ms_fleet_init(&fleet, 3, plans, MODELS_MOST, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, streams) == 0);
        CHECK(fleet.servers[model].all_take == 61 && fleet.servers[model].all_take_prompt == 11);
        const int32_t prompts[] = {11, 11, 12, 40, 12}, outputs[] = {89, 90, 49, 22, 50};
        for (int k = 0; k < 5; k++) {
            const int fits = k % 2 == 0 && k < 4; /* the first there, the third here; the others into neither */
            jobs[k] = ms_job_new(k, model, prompts[k], outputs[k]);
            CHECK(ms_fleet_takes(&fleet, model, prompts[k], outputs[k]) == fits);
            CHECK(ms_dispatch_place(&fleet, &jobs[k], -1, 0.0) == (fits ? MS_PLACED : MS_TURNED_AWAY));
        }
        ms_fleet_free(&fleet);
    }
}

/* Blocks of all replicas of a model, if they are alike: those of an API do not count, nor another model's. */
static void blocks_of_a_model_are_known_if_they_are_alike(void)
{
    for (int k = 0; k < 3; k++) {
        ms_pool_plan plans[] = {pool_of(1, 1, 4), api_of(0), pool_of(0, 1, 4), pool_of(0, 1, 4)};
        plans[0].limits.kv_block_tokens = 2;
        plans[2].limits.kv_block_tokens = 8;
        plans[3].limits.kv_block_tokens = k == 0 ? 8 : k == 1 ? 4 : 16;
        ms_fleet fleet;
        make(&fleet, 4, plans, MS_KV_ROUTER);
        CHECK(fleet.servers[0].block_tokens == (k == 0 ? 8 : 0) && fleet.servers[0].texts.unit_tokens == 1);
        CHECK(fleet.servers[1].block_tokens == 2);
        CHECK(fleet.replica[2].sequences.cache.directory == &fleet.servers[0].texts);
        CHECK(fleet.replica[2].sequences.cache.place == 1 && fleet.replica[3].sequences.cache.place == 2);
        ms_fleet_free(&fleet);
    }
}

/* Of each model from the start, wherever its pools stand: how crowded they are, and minus the most that one has. */
static void what_a_rule_compares_is_its_own_models(void)
{
    const ms_pool_plan plans[] = {pool_of(1, 3, 4), pool_of(0, 20, 4), pool_of(0, 1, 4)};
    ms_fleet fleet;
    make(&fleet, 3, plans, MS_SHARED_QUEUE);
    CHECK(fleet.servers[0].crowds[0] == 0.0 && fleet.servers[0].crowds[1] == 0.0 && fleet.servers[1].crowds[0] == 0.0);
    ms_fleet_free(&fleet);
    make(&fleet, 3, plans, MS_PREFIX_AFFINITY);
    for (int32_t i = 0; i < 3; i++) {
        CHECK(place(&fleet, i, 0, -1, 0.0) == MS_PLACED && jobs[i].server == 3 + i);
        CHECK(value_of(&fleet.servers[0].heights, i) == -1.0 && value_of(&fleet.servers[0].heights, i + 1) == 0.0);
    }
    ms_fleet_free(&fleet);
}

/* The list of blocks that a scoring router keeps is in units of its own, or the first pool's if these are larger. */
static void a_router_counts_in_units(void)
{
    const int64_t own[] = {0, 1, 6, 16}, units[] = {8, 8, 8, 16};
    for (int k = 0; k < 4; k++) {
        ms_pool_plan plans[] = {pool_of(0, 1, 4), pool_of(0, 1, 4)};
        plans[0].limits.kv_block_tokens = 8;
        plans[1].limits.kv_block_tokens = 32;
        ms_fleet fleet;
        const ms_dispatch_plan rule = {.rule = MS_SCORED, .index_block_tokens = own[k], .index_tokens = 77};
        CHECK(ms_fleet_init(&fleet, 2, plans, MODELS_MOST, &rule, streams) == 0);
        CHECK(fleet.servers[0].texts.unit_tokens == units[k] && fleet.servers[0].texts.starts_go_first);
        CHECK(fleet.servers[0].texts.most_tokens == 77 && fleet.replica[0].sequences.cache.directory == NULL);
        ms_fleet_free(&fleet);
        const ms_dispatch_plan tree = {.rule = MS_PREFIX_AFFINITY, .index_block_tokens = own[k], .index_tokens = 77};
        CHECK(ms_fleet_init(&fleet, 2, plans, MODELS_MOST, &tree, streams) == 0);
        CHECK(fleet.servers[0].texts.unit_tokens == 1 && !fleet.servers[0].texts.starts_go_first);
        CHECK(fleet.servers[0].texts.most_tokens == 0);
        ms_fleet_free(&fleet);
    }
}

/* Twenty replicas: the index of loads is that of the last look, 2 s apart; that one is down is seen at once. */
static void the_index_follows_looks(void)
{
    const int32_t rules[] = {MS_LEAST_LOADED, MS_PREFIX_AFFINITY};
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 20, 4)};
        const double delay_s = k % 2 ? 2.0 : 0.0;
        const ms_dispatch_plan rule = {
            .rule = rules[k / 2], .state_delay_s = delay_s, .eviction_s = 1e9, .balance_abs = 1 << 20};
        ms_fleet fleet;
        ms_queue evicted = {0};
        CHECK(ms_fleet_init(&fleet, 1, plans, MODELS_MOST, &rule, streams) == 0);
        const ms_ties *loads = &fleet.servers[0].loads, *heights = &fleet.servers[0].heights;
        for (int i = 0; i < 3; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.5) == MS_PLACED);
            CHECK(jobs[i].server == (delay_s > 0.0 ? 0 : i));
        }
        CHECK(ms_ties_count(loads) == (delay_s > 0.0 ? 20 : 17) && ms_ties_least(loads) == 0.0);
        CHECK(ms_view_look(&fleet, 1.5) == 0 && ms_view_look(&fleet, 2.0) == (delay_s > 0.0));
        CHECK(ms_ties_count(loads) == (delay_s > 0.0 ? 19 : 17));
        CHECK(value_of(loads, 0) == (delay_s > 0.0 ? 3.0 : 1.0));
        CHECK(ms_view_seen(&fleet, 0) == (delay_s > 0.0 ? 3 : 1) && ms_view_seen(&fleet, 5) == 0);
        CHECK(ms_ties_least(heights) == (k / 2 ? (delay_s > 0.0 ? -3.0 : -1.0) : 0.0));
        ms_fleet_fail(&fleet, 0, 2.5, &evicted);
        CHECK(isinf(value_of(loads, 0)) && ms_view_seen(&fleet, 0) == 0);
        CHECK(k / 2 == 0 || isinf(value_of(heights, 0)));
        ms_fleet_free(&fleet);
    }
}

/* packed: minus the load of who has room, the load of who is full, as of the last look, 2 s apart. */
static void the_index_of_packed_has_room_first(void)
{
    for (int k = 0; k < 2; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 20, 4)};
        const ms_dispatch_plan rule = {.rule = MS_PACKED, .packed_requests = 3, .state_delay_s = k ? 2.0 : 0.0};
        ms_fleet fleet;
        ms_queue evicted = {0};
        CHECK(ms_fleet_init(&fleet, 1, plans, MODELS_MOST, &rule, streams) == 0);
        const ms_ties *loads = &fleet.servers[0].loads;
        for (int i = 0; i < 5; i++) {
            CHECK(place(&fleet, i, 0, -1, 0.5) == MS_PLACED && jobs[i].server == (k ? 0 : i / 3));
        }
        CHECK(value_of(loads, 0) == (k ? 0.0 : 3.0) && ms_ties_least(loads) == (k ? 0.0 : -2.0));
        CHECK(ms_view_look(&fleet, 2.0) == k);
        CHECK(value_of(loads, 0) == (k ? 5.0 : 3.0) && value_of(loads, 1) == (k ? 0.0 : -2.0));
        ms_fleet_fail(&fleet, 0, 2.5, &evicted);
        CHECK(isinf(value_of(loads, 0)) && value_of(loads, 0) > 0.0);
        repair(&fleet, 0, 3.5);
        CHECK(value_of(loads, 0) == 0.0 && ms_ties_count(loads) == (k ? 20 : 1));
        ms_fleet_free(&fleet);
    }
}

/* Where rules look into engines, queues and memory are those of the last look, at its own time. */
static void a_look_into_engines_is_for_its_time(void)
{
    const int32_t rules[] = {MS_SCORED, MS_OWN_RULE, MS_OWN_RULE, MS_LEAST_LOADED};
    for (int k = 0; k < 4; k++) {
        const ms_pool_plan plans[] = {pool_of(0, 2, 1)};
        const ms_dispatch_plan rule = {.rule = rules[k], .state_delay_s = 2.0};
        ms_fleet fleet;
        ms_queue done = {0};
        CHECK(ms_fleet_init(&fleet, 1, plans, MODELS_MOST, &rule, streams) == 0);
        jobs[0] = ms_job_new(0, 0, 4, 50);
        jobs[1] = ms_job_new(1, 0, 4, 50);
        for (int i = 0; i < 2; i++) {
            ms_queue_push_tail(&fleet.replica[0].own_queue, &jobs[i]);
        }
        ms_fleet_act(&fleet, 0, ms_replica_notify(&fleet.replica[0], 0.0), 0.0);
        for (int i = 0; i < 3; i++) {
            step(&fleet, &done); /* it decodes from 1 s on */
        }
        fleet.servers[0].is_ranked = fleet.servers[0].view.engines_known = 1;
        fleet.servers[0].own.sees_engines = k == 1;
        CHECK(ms_view_look(&fleet, 5.5) == 1 && ms_looks_s(&fleet.looks) == 4.0);
        CHECK(fleet.looks.waiting[0] == (k < 2) && fleet.looks.waiting[1] == 0);
        CHECK(fleet.looks.usage[0] == (k < 2 ? 7.0 / 1000.0 : 0.0)); /* of the iteration that ends at 4 s */
        CHECK(fleet.servers[0].is_ranked == (k >= 2) && fleet.servers[0].view.engines_known == (k >= 2));
        ms_fleet_free(&fleet);
    }
}

/* Prices are those of what has begun by a look: the engine is looked at anew, for memory that its batch then shares. */
static void what_is_settled_for_prices_is_looked_at(void)
{
    for (int prices = 0; prices < 2; prices++) {
        ms_pool_plan plan = pool_of(0, 2, 1);
        ms_fleet fleet;
        ms_queue done = {0};
        plan.limits.prefix_cache = 1;
        plan.limits.kv_block_tokens = 1;
        const ms_dispatch_plan rule = {.rule = MS_SCORED, .state_delay_s = 2.0};
        CHECK(ms_fleet_init(&fleet, 1, &plan, MODELS_MOST, &rule, streams) == 0);
        CHECK(ms_view_poll_caches(&fleet, prices) == 0);
        jobs[0] = ms_job_new(0, 0, 4, 50);
        ms_queue_push_tail(&fleet.replica[0].own_queue, &jobs[0]);
        ms_fleet_act(&fleet, 0, ms_replica_notify(&fleet.replica[0], 0.0), 0.0);
        for (int i = 0; i < 3; i++) {
            step(&fleet, &done);
        }
        fleet.looks.until_s[0] = 100.0; /* it told what it has until then */
        fleet.looks.usage[0] = -1.0;
        CHECK(ms_view_look(&fleet, 5.5) == 1);
        CHECK(fleet.looks.usage[0] == (prices ? 7.0 / 1000.0 : -1.0));
        ms_fleet_free(&fleet);
    }
}

int main(void)
{
    RUN(what_every_pool_takes_is_known);
    RUN(what_no_decoder_takes_is_not_prefilled);
    RUN(blocks_of_a_model_are_known_if_they_are_alike);
    RUN(what_a_rule_compares_is_its_own_models);
    RUN(a_router_counts_in_units);
    RUN(the_index_follows_looks);
    RUN(the_index_of_packed_has_room_first);
    RUN(a_look_into_engines_is_for_its_time);
    RUN(what_is_settled_for_prices_is_looked_at);
    return report();
}
