#include "drafts.h"

#include <math.h>

#include "check.h"

static const ms_stream chance = {1, 7, 0, 0};
static ms_drafts drafts;

/* X is 1, 2 or 3 with probabilities 1/2, 1/4 and 1/4. */
static void iterations_have_the_law_of_first_passage(void)
{
    ms_drafts_init(&drafts, 2, (const double[]){0.5, 0.5}, &chance);
    CHECK(drafts.mean_tokens == 1.75);
    CHECK(drafts.passage[1][0] == 1.0);
    CHECK(drafts.passage[2][0] == 0.5 && drafts.passage[2][1] == 1.0);
    CHECK(drafts.passage[3][0] == 0.25 && drafts.passage[3][1] == 0.75 && drafts.passage[3][2] == 1.0);
    double before = 0.0;
    for (int32_t n = 0; n < MS_DRAFTS_STRIDE; n++) {
        for (int32_t v = 0; v <= 2; v++) {
            CHECK(drafts.stride[n][v] >= before);
            before = drafts.stride[n][v];
        }
    }
    CHECK_NEAR(before, 1.0, 1e-12);
    CHECK(drafts.stride[20][2] == 0.0 && drafts.stride[21][2] > 0.0); /* 64 tokens take 22 iterations at least */
}

static void an_answer_takes_as_many_as_its_tokens_ask_for(void)
{
    ms_drafts_init(&drafts, 2, (const double[]){0.5, 0.5}, &chance);
    double sum = 0.0;
    for (uint64_t request = 0; request < 2000; request++) {
        const int64_t n = ms_drafts_iterations(&drafts, request, 1000);
        CHECK(n >= 334 && n <= 1000);
        sum += (double)n;
        CHECK(ms_drafts_iterations(&drafts, request, 1) == 1 && ms_drafts_iterations(&drafts, request, 0) == 0);
    }
    CHECK_NEAR(sum / 2000, 1000 / 1.75, 1.5); /* a mean of 2,000, each with a deviation of 11 */
}

static void drafts_that_are_always_or_never_right_leave_nothing_to_chance(void)
{
    for (int64_t tokens = 1; tokens < 300; tokens++) {
        ms_drafts_init(&drafts, 2, (const double[]){1.0, 1.0}, &chance);
        CHECK(ms_drafts_iterations(&drafts, 3, tokens) == (tokens + 2) / 3);
        ms_drafts_init(&drafts, 2, (const double[]){0.0, 0.0}, &chance);
        CHECK(ms_drafts_iterations(&drafts, 3, tokens) == tokens);
    }
}

int main(void)
{
    RUN(iterations_have_the_law_of_first_passage);
    RUN(an_answer_takes_as_many_as_its_tokens_ask_for);
    RUN(drafts_that_are_always_or_never_right_leave_nothing_to_chance);
    return report();
}
