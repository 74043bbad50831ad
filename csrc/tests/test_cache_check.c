#include "cache_check.h"

#include "check.h"
#include "error.h"
#include "passing.h"

/* Whatever does not add up is seen, wherever it is. */
static void a_check_sees_what_does_not_add_up(void)
{
    const ms_node_of_path path[] = {{1, 12}};
    for (int k = 0; k < 4; k++) {
        ms_cache cache;
        ms_cache_init(&cache, 4);
        ms_job first = with_path(0, 20, path, 1), second = with_path(1, 12, path, 1), gone = with_path(2, 30, NULL, 0);
        pass_by(&cache, &gone);
        ms_cache_admit(&cache, &first, 20, REPLICA);
        ms_cache_extend(&cache, &first, 20);
        ms_cache_admit(&cache, &second, 12, REPLICA);
        CHECK(ms_cache_check(&cache) == 0 && cache.twice == 3 && cache.cached == 7 && cache.nodes == 3);
        int64_t *const of[] = {&cache.nodes, &cache.twice, &cache.cached};
        for (int off = -1; off <= 1 && k < 3; off += 2) {
            *of[k] += off;
            CHECK(ms_cache_check(&cache) == MS_ERR_BLOCKS);
            *of[k] -= off;
        }
        CHECK(ms_cache_check(&cache) == 0);
        ms_cache_free(&cache);
    }
}

int main(void)
{
    RUN(a_check_sees_what_does_not_add_up);
    return report();
}
