#include "api_limits.h"

#include "check.h"
#include "prompt_cache.h"

static void a_bucket_starts_full_and_fills_up_to_the_brim(void)
{
    ms_bucket bucket;
    ms_bucket_init(&bucket, 120.0, 4.0);
    CHECK(ms_bucket_level(&bucket, 0.0) == 8.0);
    ms_bucket_take(&bucket, 8.0, 0.0);
    CHECK(!ms_bucket_has(&bucket, 1.0, 0.0));
    CHECK(ms_bucket_level(&bucket, 1.5) == 3.0);
    CHECK(ms_bucket_has(&bucket, 3.0, 1.5) && !ms_bucket_has(&bucket, 3.5, 1.5));
    CHECK(ms_bucket_level(&bucket, 100.0) == 8.0);
}

static void without_a_limit_a_bucket_never_runs_dry(void)
{
    ms_bucket bucket;
    ms_bucket_init(&bucket, 0.0, 60.0);
    for (int k = 0; k < 10; k++) {
        ms_bucket_take(&bucket, 1e12, 0.0);
        CHECK(ms_bucket_has(&bucket, 1e12, 0.0));
    }
}

static void calls_at_once_are_limited(void)
{
    ms_api_limits limits;
    ms_api_limits_init(&limits, &(ms_limits_plan){.burst_s = 60.0, .most_calls = 2});
    CHECK(ms_api_limits_allow(&limits, 1000, 1, 0.0) && !ms_api_limits_allow(&limits, 1, 2, 0.0));
}

/* One node a prompt, seen again or not; the table is built anew many times. */
static void prompts_are_remembered_as_long_as_they_are_kept(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &(ms_prompt_cache_plan){.keep_s = 100.0, .least_tokens = 4, .step_tokens = 2});
    for (int32_t k = 0; k < 20000; k++) {
        const int32_t back = k % 3 == 2 ? 50 : k % 3 == 1 ? 202 : 0;
        const ms_node_of_path node = {back <= k ? k - back : k, 7};
        ms_job job;
        ms_job_init(&job, k, 0, 9, 1);
        job.path = &node;
        job.path_length = 1;
        CHECK(ms_prompt_cache_send(&cache, &job, (double)k) == 0);
        if (k >= 300 && k % 3 == 0) {
            CHECK(job.cached_prompt_tokens == 0);
        }
        CHECK(cache.room <= 2048);
    }
    ms_prompt_cache_free(&cache);
}

static int32_t sold_of(ms_prompt_cache *cache, ms_node_of_path first, ms_node_of_path second, double t_s)
{
    const ms_node_of_path path[] = {first, second};
    ms_job job;
    ms_job_init(&job, 0, 0, second.end_tokens, 1);
    job.path = path;
    job.path_length = 2;
    CHECK(ms_prompt_cache_send(cache, &job, t_s) == 0);
    return job.cached_prompt_tokens;
}

/* Up to the first node that is not there whole, from 4 tokens on, in steps of 2. */
static void a_prompt_finds_what_begins_like_it(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &(ms_prompt_cache_plan){.keep_s = 100.0, .least_tokens = 4, .step_tokens = 2});
    const ms_node_of_path start = {1, 4}, longer = {1, 6}, tail = {2, 11}, other = {3, 9}, cut = {2, 9}, less = {1, 3};
    CHECK(sold_of(&cache, start, tail, 0.0) == 0);
    CHECK(sold_of(&cache, start, tail, 1.0) == 10);
    CHECK(sold_of(&cache, start, cut, 2.0) == 8);
    CHECK(sold_of(&cache, start, tail, 3.0) == 10);
    CHECK(sold_of(&cache, start, other, 4.0) == 4);
    CHECK(sold_of(&cache, longer, tail, 5.0) == 4);
    CHECK(sold_of(&cache, longer, tail, 6.0) == 10);
    CHECK(sold_of(&cache, less, (ms_node_of_path){4, 20}, 7.0) == 0);
    CHECK(sold_of(&cache, longer, tail, 500.0) == 0);
    ms_prompt_cache_free(&cache);
}

int main(void)
{
    RUN(a_bucket_starts_full_and_fills_up_to_the_brim);
    RUN(without_a_limit_a_bucket_never_runs_dry);
    RUN(calls_at_once_are_limited);
    RUN(prompts_are_remembered_as_long_as_they_are_kept);
    RUN(a_prompt_finds_what_begins_like_it);
    return report();
}
