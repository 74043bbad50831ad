#include "api_limits.h"

#include <math.h>

#include "check.h"
#include "prompt_cache.h"

static void a_bucket_starts_full_and_fills_up_to_the_brim(void)
{
    ms_bucket bucket;
    ms_bucket_init(&bucket, 120.0, 4.0);
    CHECK(ms_bucket_level(&bucket, 0.0) == 8.0);
    ms_bucket_take(&bucket, 8.0, 0.0);
    CHECK(ms_bucket_level(&bucket, 0.0) == 0.0 && !ms_bucket_has(&bucket, 1.0, 0.0));
    CHECK(ms_bucket_level(&bucket, 1.5) == 3.0);
    CHECK(ms_bucket_has(&bucket, 3.0, 1.5) && !ms_bucket_has(&bucket, 3.5, 1.5));
    const double most = ms_bucket_most(&bucket, 1.5); /* 3, and what rounding may hide */
    CHECK(most > 3.0 && most < 3.1 && ms_bucket_has(&bucket, most, 1.5) && !ms_bucket_has(&bucket, nextafter(most, 4.0), 1.5));
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

/* A call that comes as soon as the bucket has what it takes is let in, whatever rounding makes of the time in
 * between; one that comes a thousandth of that earlier is not. */
static void rounding_refuses_no_call(void)
{
    for (int per_minute = 1; per_minute <= 400; per_minute++) {
        ms_bucket bucket;
        ms_bucket_init(&bucket, per_minute, 60.0);
        const double t_s = 0.1 * per_minute, one_s = 60.0 / per_minute;
        ms_bucket_take(&bucket, per_minute, t_s);
        CHECK(ms_bucket_has(&bucket, 1.0, t_s + one_s) && !ms_bucket_has(&bucket, 1.0, t_s + 0.999 * one_s));
        ms_bucket_take(&bucket, 1.0, t_s + one_s);
        CHECK(bucket.level >= 0.0 && bucket.level < 1e-9 && bucket.since_s == t_s + one_s);
    }
}

/* A bucket of 60, one a second, that holds 20: 40 are there after 20 s, 60 after 40, 61 never. The later of two tells. */
static void a_call_hears_how_long_it_has_to_wait(void)
{
    ms_bucket bucket;
    ms_bucket_init(&bucket, 60.0, 60.0);
    ms_bucket_take(&bucket, 40.0, 3.0);
    CHECK(ms_bucket_wait_s(&bucket, 20.0, 3.0) == 0.0 && ms_bucket_wait_s(&bucket, 40.0, 3.0) == 20.0);
    CHECK(ms_bucket_wait_s(&bucket, 60.0, 8.0) == 35.0 && isinf(ms_bucket_wait_s(&bucket, 61.0, 8.0)));
    ms_api_limits limits;
    const ms_limits_plan plan = {
        .requests_per_minute = 60.0, .tokens_per_minute = 600.0, .burst_s = 1.0, .most_calls = 2};
    ms_api_limits_init(&limits, &plan);
    CHECK(ms_api_limits_wait_s(&limits, 10, 0, 0.0) == 0.0);
    ms_api_limits_take(&limits, 4, 0.0);
    CHECK(ms_api_limits_wait_s(&limits, 5, 1, 0.0) == 1.0); /* for its request */
    CHECK(ms_api_limits_wait_s(&limits, 10, 1, 0.75) == 0.25 && ms_api_limits_wait_s(&limits, 10, 1, 1.0) == 0.0);
    CHECK(isinf(ms_api_limits_wait_s(&limits, 11, 1, 0.0)) && isinf(ms_api_limits_wait_s(&limits, 1, 2, 5.0)));
    limits.requests.level = 1.0;
    CHECK(ms_api_limits_wait_s(&limits, 9, 1, 0.0) == 0.3); /* for its tokens */
}

/* At 10^7 s the clock goes on by 1.9e-9 s, and the bucket fills by 1.9e-7 in that: more than is forgiven. */
static void late_in_a_run_too_who_waits_is_let_in_and_not_before(void)
{
    const double step_s = nextafter(1e7, INFINITY) - 1e7;
    for (int k = 0; k < 1000; k++) {
        ms_bucket bucket;
        ms_bucket_init(&bucket, 6000.0, 0.05);
        const double t_s = 1e7 + 0.0137 * k;
        ms_bucket_take(&bucket, 5.0 - 1e-3 * k, t_s);
        const double wait_s = ms_bucket_wait_s(&bucket, 5.0, t_s);
        CHECK(wait_s == 0.0 || ms_bucket_has(&bucket, 5.0, t_s + wait_s));
        CHECK(wait_s == 0.0 || !ms_bucket_has(&bucket, 5.0, t_s + wait_s - 2.0 * step_s));
    }
}

int main(void)
{
    RUN(a_bucket_starts_full_and_fills_up_to_the_brim);
    RUN(without_a_limit_a_bucket_never_runs_dry);
    RUN(calls_at_once_are_limited);
    RUN(rounding_refuses_no_call);
    RUN(a_call_hears_how_long_it_has_to_wait);
    RUN(late_in_a_run_too_who_waits_is_let_in_and_not_before);
    return report();
}
