#include "timeline.h"

#include "check.h"

/* What a sample of this request holds, by convention of these tests. */
static ms_sample sample_of(int64_t request)
{
    const double x = (double)request;
    return (ms_sample){request, 0.5 * x, x + 1.0, x + 2.0, x + 3.0, 3 * request};
}

static int64_t in_system_of(int64_t request, int32_t pool)
{
    return 10 * request + pool;
}

static double energy_of(int64_t request, int32_t pool)
{
    return 0.25 * (double)request + 1000.0 * (double)pool;
}

static int32_t replicas_of(int64_t request, int32_t pool, int32_t k)
{
    return (int32_t)(11 * request) + 3 * pool + k;
}

static void offer(ms_timeline *t, int64_t request)
{
    const ms_sample sample = sample_of(request);
    const int32_t row = ms_timeline_add(t, &sample);
    CHECK((row >= 0) == ms_timeline_due(t, request)); /* it may thin first, and then refuse */
    for (int32_t p = 0; p < t->pools && row >= 0; p++) {
        t->in_system[row * t->pools + p] = in_system_of(request, p);
        t->energy_j[row * t->pools + p] = energy_of(request, p);
        t->prompt_tokens[row * t->pools + p] = 7 * request + p;
        t->cached_prompt_tokens[row * t->pools + p] = 5 * request + p;
        for (int32_t k = 0; k < 3; k++) {
            t->replicas[3 * (row * t->pools + p) + k] = replicas_of(request, p, k);
        }
    }
}

/* Rows stand at 0, stride, 2 stride, ... and hold what belongs to their request. */
static void check_rows(const ms_timeline *t, int64_t requests)
{
    CHECK(t->length <= MS_TIMELINE_MOST);
    CHECK(t->length == (requests + t->stride - 1) / t->stride);
    int wrong = 0;
    for (int32_t i = 0; i < t->length; i++) {
        const int64_t request = i * t->stride;
        const ms_sample sample = sample_of(request), *s = &t->samples[i];
        wrong += s->request != request || s->explored != sample.explored;
        wrong += s->time_s != sample.time_s || s->queue != sample.queue;
        wrong += s->queue_tracked != sample.queue_tracked || s->certificate != sample.certificate;
        for (int32_t p = 0; p < t->pools; p++) {
            wrong += t->in_system[i * t->pools + p] != in_system_of(request, p);
            wrong += t->energy_j[i * t->pools + p] != energy_of(request, p);
            wrong += t->prompt_tokens[i * t->pools + p] != 7 * request + p;
            wrong += t->cached_prompt_tokens[i * t->pools + p] != 5 * request + p;
            for (int32_t k = 0; k < 3; k++) {
                wrong += t->replicas[3 * (i * t->pools + p) + k] != replicas_of(request, p, k);
            }
        }
    }
    CHECK(wrong == 0);
}

static void run_through(int32_t pools, int64_t requests)
{
    ms_timeline t;
    CHECK(ms_timeline_init(&t, pools, 8, -1) == 0);
    CHECK(t.length == 0 && t.stride == 1);
    for (int64_t request = 0; request < requests; request++) {
        if (ms_timeline_due(&t, request)) {
            offer(&t, request);
        }
        CHECK(t.length <= MS_TIMELINE_MOST);
    }
    check_rows(&t, requests);
    ms_timeline known;
    CHECK(ms_timeline_init(&known, pools, 8, requests) == 0);
    CHECK(known.stride == t.stride); /* who knows how many come begins with the stride that the others end with */
    ms_timeline_free(&known);
    ms_timeline_free(&t);
    CHECK(t.samples == NULL && t.in_system == NULL && t.energy_j == NULL);
}

static void few_requests_are_all_sampled(void)
{
    run_through(2, 1);
    run_through(2, MS_TIMELINE_MOST - 1);
    run_through(2, MS_TIMELINE_MOST);
}

static void every_other_sample_goes_when_there_are_too_many(void)
{
    run_through(3, MS_TIMELINE_MOST + 1);
    run_through(3, MS_TIMELINE_MOST + 2);
    run_through(1, 3 * MS_TIMELINE_MOST);
    run_through(3, 100 * MS_TIMELINE_MOST + 17);
}

static void without_pools_there_are_samples_all_the_same(void)
{
    run_through(0, 5 * MS_TIMELINE_MOST);
}

static void the_stride_is_a_power_of_2_that_doubles(void)
{
    ms_timeline t;
    CHECK(ms_timeline_init(&t, 1, MS_TIMELINE_FEW, -1) == 0);
    int64_t stride = 1;
    for (int64_t request = 0; request < 40 * MS_TIMELINE_MOST; request++) {
        if (ms_timeline_due(&t, request)) {
            offer(&t, request);
        }
        if (t.stride != stride) {
            CHECK(t.stride == 2 * stride && request == MS_TIMELINE_MOST * stride);
            stride = t.stride;
        }
    }
    CHECK(stride == 64); /* 40 is less than 64, and more than 32 */
    ms_timeline_free(&t);
}

static void of_many_replicas_there_are_fewer_samples(void)
{
    const int32_t replicas[] = {1024, 1025, 2049, 4097, 100000}, most[] = {4096, 2048, 1024, 512, 512};
    for (int k = 0; k < 5; k++) {
        ms_timeline t;
        CHECK(ms_timeline_init(&t, 0, replicas[k], 4096) == 0);
        CHECK(t.most == most[k] && t.stride == 4096 / most[k]);
        ms_timeline_free(&t);
        CHECK(ms_timeline_init(&t, 0, replicas[k], -1) == 0);
        for (int64_t request = 0; request <= most[k]; request++) {
            offer(&t, request);
            CHECK(t.stride == (request < most[k] ? 1 : 2));
        }
        ms_timeline_free(&t);
    }
}

/* A request at which the samples are thinned need not be at a multiple of the new stride. */
static void a_sample_that_is_no_longer_due_is_refused(void)
{
    ms_timeline t;
    CHECK(ms_timeline_init(&t, 2, 1, -1) == 0);
    for (int64_t request = 0; request < MS_TIMELINE_MOST; request++) {
        offer(&t, request);
    }
    const ms_sample odd = sample_of(MS_TIMELINE_MOST + 1);
    CHECK(ms_timeline_add(&t, &odd) == -1);
    CHECK(t.length == MS_TIMELINE_MOST / 2 && t.stride == 2);
    check_rows(&t, MS_TIMELINE_MOST);
    ms_timeline_free(&t);
}

/* Of an odd number the last stays, too. */
static void the_last_of_an_odd_number_stays(void)
{
    ms_timeline t;
    CHECK(ms_timeline_init(&t, 2, 1, -1) == 0);
    t.most = 5;
    for (int64_t request = 0; request < 6; request++) {
        offer(&t, request);
    }
    CHECK(t.length == 3 && t.stride == 2);
    check_rows(&t, 5);
    ms_timeline_free(&t);
}

int main(void)
{
    RUN(few_requests_are_all_sampled);
    RUN(every_other_sample_goes_when_there_are_too_many);
    RUN(without_pools_there_are_samples_all_the_same);
    RUN(the_stride_is_a_power_of_2_that_doubles);
    RUN(of_many_replicas_there_are_fewer_samples);
    RUN(a_sample_that_is_no_longer_due_is_refused);
    RUN(the_last_of_an_odd_number_stays);
    return report();
}
