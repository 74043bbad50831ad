#include "prompt_cache.h"

#include "check.h"
#include "jobs.h"

/* Kept for 10 s, at least 8 tokens, beyond that in steps of 4. */
static const ms_prompt_cache_plan ten_seconds = {.keep_s = 10.0, .least_tokens = 8, .step_tokens = 4};

/* Sends a prompt of these nodes; returns what is sold cheaper of it. */
static int32_t send(ms_prompt_cache *cache, double t_s, int32_t n, const ms_node_of_path *path)
{
    ms_job job = ms_job_new(0, 0, 1000, 5);
    job.path = path;
    job.path_length = n;
    job.cached_prompt_tokens = -1;
    CHECK(ms_prompt_cache_send(cache, &job, t_s) == 0);
    return job.cached_prompt_tokens;
}

#define SEND(cache, t_s, n, ...) send(cache, t_s, n, (const ms_node_of_path[]){__VA_ARGS__})

static void a_prompt_that_comes_again_is_cheaper(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &ten_seconds);
    CHECK(SEND(&cache, 0.0, 2, {1, 20}, {2, 50}) == 0);
    CHECK(SEND(&cache, 1.0, 2, {1, 20}, {2, 50}) == 48); /* 8 and ten steps of 4 of the 50 */
    CHECK(SEND(&cache, 1.0, 1, {1, 20}) == 20 && cache.used == 2);
    CHECK(SEND(&cache, 1.0, 2, {1, 20}, {3, 50}) == 20); /* goes on otherwise */
    CHECK(SEND(&cache, 1.0, 2, {4, 20}, {2, 50}) == 0);  /* begins otherwise, so its end is not there */
    CHECK(SEND(&cache, 1.0, 0, {0, 0}) == 0 && cache.used == 4);
    ms_prompt_cache_free(&cache);
    CHECK(cache.slots == NULL && cache.used == 0 && cache.room == 0 && cache.plan.keep_s == 10.0);
}

/* 10 s after it was sent last, to the very end; each node by itself. */
static void what_is_not_sent_again_is_forgotten(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &ten_seconds);
    CHECK(SEND(&cache, 0.0, 2, {1, 20}, {2, 52}) == 0);
    CHECK(SEND(&cache, 10.0, 1, {1, 20}) == 20);
    CHECK(SEND(&cache, 10.0, 2, {1, 20}, {2, 52}) == 52);
    CHECK(SEND(&cache, 20.0, 1, {1, 20}) == 20);
    CHECK(SEND(&cache, 20.5, 2, {1, 20}, {2, 52}) == 20); /* the second was sent last at 10 s */
    CHECK(SEND(&cache, 31.0, 2, {1, 20}, {2, 52}) == 0);
    ms_prompt_cache_free(&cache);
}

/* Of a node it knows the longest part that was sent. */
static void of_a_node_a_part_may_be_there(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &ten_seconds);
    CHECK(SEND(&cache, 0.0, 2, {1, 20}, {2, 28}) == 0);
    CHECK(SEND(&cache, 1.0, 2, {1, 20}, {2, 48}) == 28); /* as far as it went */
    CHECK(SEND(&cache, 2.0, 2, {1, 20}, {2, 40}) == 40); /* no more than is asked for */
    CHECK(SEND(&cache, 3.0, 2, {1, 20}, {2, 60}) == 48); /* of which it has forgotten nothing */
    CHECK(SEND(&cache, 4.0, 2, {1, 24}, {2, 60}) == 20); /* what follows a part is not found */
    ms_prompt_cache_free(&cache);
}

static void what_is_sold_goes_in_steps(void)
{
    const int32_t sent[] = {7, 8, 11, 12, 15, 16}, sold[] = {0, 8, 8, 12, 12, 16};
    for (int k = 0; k < 6; k++) {
        ms_prompt_cache cache;
        ms_prompt_cache_init(&cache, &ten_seconds);
        SEND(&cache, 0.0, 1, {1, sent[k]});
        CHECK(SEND(&cache, 0.0, 1, {1, sent[k]}) == sold[k]);
        ms_prompt_cache_free(&cache);
    }
}

static void of_what_was_never_sent_nothing_is_sold(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &(ms_prompt_cache_plan){.keep_s = 10.0, .least_tokens = 1, .step_tokens = 1});
    CHECK(SEND(&cache, 0.0, 1, {1, 20}) == 0 && SEND(&cache, 0.0, 1, {1, 20}) == 20);
    ms_prompt_cache_free(&cache);
}

static void a_provider_that_keeps_nothing_says_nothing(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &(ms_prompt_cache_plan){.least_tokens = 8, .step_tokens = 4});
    CHECK(SEND(&cache, 0.0, 1, {1, 20}) == -1 && SEND(&cache, 0.0, 1, {1, 20}) == -1 && cache.slots == NULL);
    ms_prompt_cache_free(&cache);
}

/* Its table is never more than half full, and does not grow by what has run out. */
static void the_table_holds_what_is_kept(void)
{
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &ten_seconds);
    for (int64_t k = 0; k < 500; k++) {
        CHECK(SEND(&cache, (double)k, 1, {k << 20, 8}) == 0);
        CHECK(SEND(&cache, (double)k, 1, {(k > 10 ? k - 10 : 0) << 20, 8}) == 8);
        CHECK(2 * cache.used <= cache.room && cache.room <= 128);
    }
    for (int64_t k = 0; k < 500; k++) { /* at one instant nothing runs out */
        SEND(&cache, 1000.0, 2, {k << 20, 8}, {k << 20 | 1, 16});
        CHECK(2 * cache.used <= cache.room);
    }
    CHECK(cache.used == 1000 && cache.room >= 2000 && cache.room <= 8000);
    for (int64_t k = 0; k < 500; k++) {
        CHECK(SEND(&cache, 1001.0, 2, {k << 20, 8}, {k << 20 | 1, 16}) == 16);
    }
    CHECK(cache.used == 1000);
    ms_prompt_cache_free(&cache);
}

/* Of two nodes that fall on one place both are found, whichever came first. */
static void no_node_hides_another(void)
{
    for (int64_t k = 1; k < 500; k++) {
        ms_prompt_cache cache;
        ms_prompt_cache_init(&cache, &ten_seconds);
        CHECK(SEND(&cache, 0.0, 1, {0, 20}) == 0 && SEND(&cache, 0.0, 1, {k, 16}) == 0);
        CHECK(SEND(&cache, 0.0, 1, {0, 20}) == 20 && SEND(&cache, 0.0, 1, {k, 16}) == 16 && cache.used == 2);
        ms_prompt_cache_free(&cache);
    }
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

/* A table that is built anew has what was there, in whichever slot, and nothing else. */
static void nothing_is_there_that_was_not_sent(void)
{
    for (int64_t first = 0; first < 4000; first += 40) {
        ms_prompt_cache few;
        ms_prompt_cache_init(&few, &ten_seconds);
        for (int64_t k = 0; k < 40; k++) {
            CHECK(SEND(&few, 0.0, 1, {first + k, 20}) == 0 && few.used == k + 1);
        }
        for (int64_t k = 0; k < 40; k++) {
            CHECK(SEND(&few, 0.0, 1, {first + k, 20}) == 20 && few.used == 40);
        }
        ms_prompt_cache_free(&few);
    }
    ms_prompt_cache cache;
    ms_prompt_cache_init(&cache, &ten_seconds);
    for (int64_t k = 1; k < 1000; k++) {
        CHECK(SEND(&cache, 0.0, 1, {k, 20}) == 0 && cache.used == k);
    }
    CHECK(SEND(&cache, 0.0, 1, {0, 20}) == 0 && cache.used == 1000);
    ms_prompt_cache_free(&cache);
}

int main(void)
{
    RUN(a_prompt_that_comes_again_is_cheaper);
    RUN(what_is_not_sent_again_is_forgotten);
    RUN(of_a_node_a_part_may_be_there);
    RUN(what_is_sold_goes_in_steps);
    RUN(a_provider_that_keeps_nothing_says_nothing);
    RUN(the_table_holds_what_is_kept);
    RUN(no_node_hides_another);
    RUN(prompts_are_remembered_as_long_as_they_are_kept);
    RUN(nothing_is_there_that_was_not_sent);
    RUN(of_what_was_never_sent_nothing_is_sold);
    return report();
}
