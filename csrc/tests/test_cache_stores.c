#include "cache_stores.h"

#include "cache.h"
#include "cache_state.h"
#include "check.h"

static int length_of(const ms_store *store)
{
    int n = 0;
    for (const void *block = store->unused; block != NULL; memcpy(&block, block, sizeof block)) {
        n++;
    }
    return n;
}

/* One node with two holds and two stretches, the first of which is beside it. */
static void a_node_goes_with_all_that_it_has(void)
{
    ms_cache_stores stores;
    ms_cache_stores_init(&stores);
    ms_node *node = ms_store_take(&stores.nodes);
    ms_hold *holds[] = {ms_store_take(&stores.holds), ms_store_take(&stores.holds)};
    ms_cache_stretch *deeper = ms_store_take(&stores.stretches);
    *holds[0] = (ms_hold){.node = node, .next = holds[1]};
    *holds[1] = (ms_hold){.node = node, .previous = holds[0]};
    *deeper = (ms_cache_stretch){.node = node, .shallower = &node->own};
    *node = (ms_node){.holds = holds[0], .shallowest = &node->own, .own = {.node = node, .deeper = deeper}};
    ms_cache_stores_give(&stores, node);
    CHECK(length_of(&stores.nodes) == 1 && length_of(&stores.holds) == 2 && length_of(&stores.stretches) == 1);
    ms_cache_stores_free(&stores);
    CHECK(stores.nodes.slabs == NULL && stores.holds.slabs == NULL && stores.stretches.slabs == NULL);
    ms_cache_stores_drop(NULL);
}

/* A node of each of two stretches of text, and one of its own. */
static void admit(ms_cache *cache, int32_t number)
{
    static const ms_node_of_path path[] = {{1, 32}, {2, 96}};
    ms_job job;
    ms_job_init(&job, number, 0, 120, 1);
    job.path = path;
    job.path_length = 2;
    CHECK(ms_cache_admit(cache, &job, 120, number) == 0 && cache->nodes == 3 && cache->error == 0);
}

/* What one cache has given back, as all at once, another takes; one that shares nothing makes its own. */
static void caches_share_what_they_have_given_back(void)
{
    ms_cache_stores stores;
    ms_cache one, other, alone;
    ms_cache_stores_init(&stores);
    ms_cache_init(&one, 16);
    ms_cache_init(&other, 16);
    ms_cache_init(&alone, 16);
    one.stores = other.stores = &stores;
    admit(&one, 1);
    ms_cache_clear(&one);
    CHECK(one.nodes == 0 && length_of(&stores.nodes) == 3 && length_of(&stores.holds) == 3);
    admit(&alone, 2);
    CHECK(alone.stores != NULL && length_of(&stores.nodes) == 3);
    admit(&other, 3);
    CHECK(length_of(&stores.nodes) == 0 && length_of(&stores.holds) == 0);
    admit(&one, 4);
    ms_cache_free(&one);
    ms_cache_free(&other);
    ms_cache_free(&alone);
    ms_cache_stores_free(&stores);
}

int main(void)
{
    RUN(a_node_goes_with_all_that_it_has);
    RUN(caches_share_what_they_have_given_back);
    return report();
}
