#include "drafts.h"

#include <math.h>

#include "check.h"
#include "draw.h"

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

/* Two drafts that are right with 1/2, then 1/4: X is 1, 2 or 3 with 1/2, 3/8 and 1/8. Not the other way round. */
static void each_draft_has_its_own_chance(void)
{
    ms_drafts_init(&drafts, 2, (const double[]){0.5, 0.25}, &chance);
    CHECK(drafts.mean_tokens == 0.5 + 2 * 0.375 + 3 * 0.125);
    CHECK(drafts.passage[2][0] == 0.5 && drafts.passage[3][0] == 0.125 &&
          drafts.passage[3][1] == 0.125 + 0.5 * 0.5 + 0.375);
    double three[4] = {0.0};
    ms_drafts_init(&drafts, 3, (const double[]){0.5, 0.25, 0.5}, &chance); /* 1/2, 3/8, 1/16, 1/16 */
    for (int n = 0; n < 4; n++) {
        three[n] = drafts.passage[4][n];
    }
    CHECK(three[0] == 1.0 / 16 && three[3] == 1.0 && three[2] == 1.0 - 1.0 / 8);
}

/* By definition: one iteration after the other, each with the tokens that its chance gives. */
static void many_answers_have_the_law_of_the_chain(void)
{
    const double accepted[] = {0.9, 0.6, 0.3};
    ms_drafts_init(&drafts, 3, accepted, &chance);
    lcg dice = {4};
    for (int32_t tokens = 5; tokens < 200; tokens = 2 * tokens + 1) { /* below a stride, and beyond */
        enum { ANSWERS = 20000 };
        double sum = 0.0, squares = 0.0, naive = 0.0, naive_squares = 0.0;
        for (uint64_t request = 0; request < ANSWERS; request++) {
            const double n = (double)ms_drafts_iterations(&drafts, request, tokens);
            int64_t m = 0;
            for (int32_t left = tokens; left > 0; m++) {
                int32_t j = 0;
                while (j < 3 && lcg_unit(&dice) < accepted[j]) {
                    j++;
                }
                left -= j + 1;
            }
            sum += n;
            squares += n * n;
            naive += (double)m;
            naive_squares += (double)(m * m);
        }
        const double mean = sum / ANSWERS, variance = squares / ANSWERS - mean * mean;
        const double expected = naive / ANSWERS, spread = naive_squares / ANSWERS - expected * expected;
        CHECK(fabs(mean - expected) < 6.0 * sqrt(2.0 * spread / ANSWERS));
        CHECK(fabs(variance / spread - 1.0) < 0.1);
    }
}

/* Two tokens take one iteration with 1/2, else two: by the first draw of the request's own. */
static void every_answer_has_its_own_draw(void)
{
    ms_drafts_init(&drafts, 2, (const double[]){0.5, 0.5}, &chance);
    int64_t short_ones = 0;
    for (uint64_t request = 0; request < 40; request++) {
        const int is_short = ms_draw_one(&chance, 0, request) < 0.5;
        CHECK(ms_drafts_iterations(&drafts, request, 2) == (is_short ? 1 : 2));
        short_ones += is_short;
    }
    CHECK(short_ones > 10 && short_ones < 30);
}

int main(void)
{
    RUN(iterations_have_the_law_of_first_passage);
    RUN(an_answer_takes_as_many_as_its_tokens_ask_for);
    RUN(drafts_that_are_always_or_never_right_leave_nothing_to_chance);
    RUN(each_draft_has_its_own_chance);
    RUN(many_answers_have_the_law_of_the_chain);
    RUN(every_answer_has_its_own_draw);
    return report();
}
