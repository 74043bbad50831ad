#include "cost.h"

#include <math.h>

#include "check.h"

/* Watts 1 and no energy a token: joules are seconds. */
static const ms_known_cost seconds = {.coefficients = {.a0_s = 2.0,
                                                       .c1_s_per_token = 0.25,
                                                       .ab_s_per_sequence = 0.5,
                                                       .ak_s_per_token = 0.125,
                                                       .akm_s_per_token = 1e9, /* never mixed */
                                                       .aq_s_per_token2 = 0.0625,
                                                       .p0_w = 1.0,
                                                       .p_cap_w = 100.0},
                                      .max_batched_tokens = 8.0,
                                      .nominal_batch = 4.0,
                                      .mean_output_tokens = 10.0};

static double cost_of(const ms_known_cost *known, int32_t prompt)
{
    double cost;
    ms_known_costs(known, &prompt, 1, &cost);
    return cost;
}

static double chunk_s(double p, double cached)
{
    return 2.0 + 0.25 * p + 0.0625 * p * (cached + p / 2.0);
}

/* (10 - 1) iterations of 4, of which a quarter each, with K = 4 (p + 10 / 2) */
static double decode_s(double prompt)
{
    return 9.0 * (2.0 + 0.25 * 4.0 + 0.5 * 4.0 + 0.125 * 4.0 * (prompt + 5.0)) / 4.0;
}

static void a_prompt_is_prefilled_in_chunks(void)
{
    CHECK(cost_of(&seconds, 5) == chunk_s(5, 0) + decode_s(5));
    CHECK(cost_of(&seconds, 8) == chunk_s(8, 0) + decode_s(8));
    CHECK(cost_of(&seconds, 9) == chunk_s(8, 0) + chunk_s(1, 8) + decode_s(9));
    CHECK(cost_of(&seconds, 28) ==
          chunk_s(8, 0) + chunk_s(8, 8) + chunk_s(8, 16) + chunk_s(4, 24) + decode_s(28));
}

static void an_answer_of_one_token_is_all_prefill(void)
{
    ms_known_cost known = seconds;
    known.mean_output_tokens = 1.0;
    CHECK(cost_of(&known, 5) == chunk_s(5, 0));
}

static void money_is_seconds_times_a_price(void)
{
    ms_known_cost known = seconds;
    known.usd_per_s = 0.5;
    known.coefficients.p0_w = 77.0; /* power takes no part */
    CHECK(cost_of(&known, 28) == 0.5 * cost_of(&seconds, 28));
}

static void joules_count_tokens_and_the_cap(void)
{
    ms_known_cost known = seconds;
    known.coefficients.e_j_per_token = 0.5;
    known.coefficients.ek_j_per_token = 0.25;
    const double decode_j = 9.0 * (0.5 * 4.0 + 0.25 * 4.0 * (5.0 + 5.0)) / 4.0;
    CHECK(cost_of(&known, 5) == cost_of(&seconds, 5) + 0.5 * 5.0 + decode_j);
    known.coefficients.p_cap_w = 1.0;
    CHECK(cost_of(&known, 5) == cost_of(&seconds, 5));
}

static void many_are_as_one(void)
{
    int32_t prompts[100];
    double costs[101];
    costs[100] = -1.0;
    for (int32_t i = 0; i < 100; i++) {
        prompts[i] = 1 + i * i;
    }
    ms_known_costs(&seconds, prompts, 100, costs);
    for (int32_t i = 0; i < 100; i++) {
        CHECK(costs[i] == cost_of(&seconds, prompts[i]));
    }
    CHECK(costs[100] == -1.0);
}

/* The sum of its iterations, each by the general formula. */
static double by_iterations(const ms_known_cost *known, double prompt)
{
    const double most = known->max_batched_tokens, b = known->nominal_batch;
    const double whole = floor(prompt / most), rest = prompt - whole * most;
    const ms_batch chunk = {.prompt_tokens = most, .prompt_work = most * (most / 2.0), .prompts = 1.0};
    const ms_batch last = {.prompt_tokens = rest,
                           .prompt_work = rest * (prompt - rest + rest / 2.0),
                           .prompt_prior = prompt - rest,
                           .prompts = 1.0};
    const ms_batch decode = {.decoders = b, .context = b * (prompt + known->mean_output_tokens / 2.0)};
    const double chunks = whole > 0.0 ? ms_batch_cost(known, &chunk, whole) : 0.0;
    return (chunks + (rest > 0.0 ? ms_batch_cost(known, &last, 1.0) : 0.0)) +
           (known->mean_output_tokens - 1.0) * (ms_batch_cost(known, &decode, 1.0) / b);
}

/* Terms of prompts, a host that adds or hides and idle power; by the knee, and by knots that are the same line. */
static void all_terms_cost_what_their_iterations_do(void)
{
    ms_known_cost known = seconds;
    known.coefficients.a1_s = 0.5;
    known.coefficients.ac_s_per_token = 0.125;
    known.coefficients.c0_s_per_token = 0.0625;
    known.coefficients.host_s = 2.0;
    known.coefficients.host_s_per_sequence = 0.5;
    known.coefficients.after_s = 0.25;
    known.coefficients.p_idle_w = 0.25;
    for (int32_t kind = MS_HOST_SUM; kind <= MS_HOST_OVERLAP; kind++) {
        known.coefficients.host_kind = kind;
        for (int32_t prompt = 1; prompt < 40; prompt++) {
            ms_known_cost knots = known;
            knots.coefficients.knots = 2;
            knots.coefficients.knot_tokens[1] = 64.0;
            knots.coefficients.knot_s[0] = 2.0;
            knots.coefficients.knot_s[1] = 2.0 + 64.0 * 0.3125;
            CHECK(cost_of(&known, prompt) == by_iterations(&known, prompt));
            CHECK(cost_of(&knots, prompt) == by_iterations(&knots, prompt));
            CHECK_NEAR(cost_of(&knots, prompt), cost_of(&known, prompt), 1e-9);
        }
    }
}

int main(void)
{
    RUN(all_terms_cost_what_their_iterations_do);
    RUN(a_prompt_is_prefilled_in_chunks);
    RUN(an_answer_of_one_token_is_all_prefill);
    RUN(money_is_seconds_times_a_price);
    RUN(joules_count_tokens_and_the_cap);
    RUN(many_are_as_one);
    return report();
}
