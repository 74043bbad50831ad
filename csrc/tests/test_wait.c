#include "wait.h"

#include "check.h"
#include "draw.h"

static ms_wait of(enum ms_wait_law law)
{
    return (ms_wait){.law = (int32_t)law, .mean_s = 3.0, .mu = 0.5, .sigma = 0.25, .stream = {.seed = 7, .column = 9}};
}

static void each_law_is_its_own(void)
{
    const ms_wait forever = of(MS_WAITS_FOREVER), constant = of(MS_WAITS_CONSTANT);
    CHECK(ms_wait_s(&forever, 5, 0) == INFINITY && ms_wait_s(&constant, 5, 0) == 3.0);
    const ms_wait exponential = of(MS_WAITS_EXPONENTIAL), lognormal = of(MS_WAITS_LOGNORMAL);
    for (int32_t attempt = 0; attempt < 3; attempt++) {
        for (int64_t request = 0; request < 5; request++) {
            ms_stream stream = exponential.stream;
            stream.sub = (uint32_t)attempt;
            double x;
            ms_draw_exponential(&stream, 0, (uint64_t)request, 1, &x);
            CHECK(ms_wait_s(&exponential, request, attempt) == 3.0 * x);
            ms_draw_lognormal(&stream, 0, (uint64_t)request, 1, 0.5, 0.25, &x);
            CHECK(ms_wait_s(&lognormal, request, attempt) == x && x > 0.0);
        }
    }
}

static void attempts_and_requests_wait_for_times_of_their_own(void)
{
    for (int law = MS_WAITS_EXPONENTIAL; law <= MS_WAITS_LOGNORMAL; law++) {
        const ms_wait self = of((enum ms_wait_law)law);
        CHECK(ms_wait_s(&self, 1, 0) == ms_wait_s(&self, 1, 0));
        CHECK(ms_wait_s(&self, 1, 0) != ms_wait_s(&self, 2, 0) && ms_wait_s(&self, 1, 0) != ms_wait_s(&self, 1, 1));
    }
}

static void the_means_are_those_of_the_laws(void)
{
    enum { MANY = 20000 };
    const ms_wait exponential = of(MS_WAITS_EXPONENTIAL), lognormal = of(MS_WAITS_LOGNORMAL);
    double sum = 0.0, sum_of_logarithms = 0.0;
    for (int64_t request = 0; request < MANY; request++) {
        sum += ms_wait_s(&exponential, request, 0);
        sum_of_logarithms += log(ms_wait_s(&lognormal, request, 0));
    }
    CHECK(fabs(sum / MANY - 3.0) < 5.0 * 3.0 / sqrt((double)MANY));
    CHECK(fabs(sum_of_logarithms / MANY - 0.5) < 5.0 * 0.25 / sqrt((double)MANY));
}

int main(void)
{
    RUN(each_law_is_its_own);
    RUN(attempts_and_requests_wait_for_times_of_their_own);
    RUN(the_means_are_those_of_the_laws);
    return report();
}
