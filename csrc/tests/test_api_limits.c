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

int main(void)
{
    RUN(a_bucket_starts_full_and_fills_up_to_the_brim);
    RUN(without_a_limit_a_bucket_never_runs_dry);
    RUN(calls_at_once_are_limited);
    RUN(prompts_are_remembered_as_long_as_they_are_kept);
    return report();
}
