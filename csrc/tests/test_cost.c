#include "cost.h"

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
    ms_cost_known(known, &prompt, 1, &cost);
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

/* (10 - 1) / 1.5 iterations of 8 tokens, each with its draft. */
static void drafts_cost_what_they_take(void)
{
    ms_known_cost known = seconds;
    known.coefficients.draft_tokens = 1.0;
    known.coefficients.draft_s = 3.0;
    known.coefficients.draft_s_per_sequence = 0.25;
    known.mean_tokens = 1.5;
    const double iteration_s = 2.0 + 0.25 * 8.0 + 3.0 + 0.25 * 4.0 + 0.5 * 4.0 + 0.125 * 4.0 * (5.0 + 5.0);
    CHECK(cost_of(&known, 5) == chunk_s(5, 0) + 6.0 * iteration_s / 4.0);
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
    known.mean_output_tokens = 1.0;
    known.coefficients.ek_j_per_token = 0.0;
    for (int eighths = -2; eighths <= 2; eighths++) { /* what is drawn is less or more by so little */
        known.coefficients.e_j_per_token = 0.5;
        known.coefficients.p_cap_w = 1.0 + (0.5 * 5.0 + eighths / 8.0) / chunk_s(5, 0);
        CHECK_NEAR(cost_of(&known, 5), chunk_s(5, 0) + 2.5 + (eighths < 0 ? eighths / 8.0 : 0.0), 1e-12);
    }
}

static void check_many(const ms_known_cost *known)
{
    int32_t prompts[100];
    double costs[101];
    costs[100] = -1.0;
    for (int32_t i = 0; i < 100; i++) {
        prompts[i] = 1 + i * i;
    }
    ms_cost_known(known, prompts, 100, costs);
    for (int32_t i = 0; i < 100; i++) {
        CHECK(costs[i] == cost_of(known, prompts[i]));
    }
    CHECK(costs[100] == -1.0);
    for (int32_t i = 0; i < 100; i++) {
        prompts[i] = 1 + (i * 37) % 41; /* shorter after longer ones, too */
    }
    ms_cost_known(known, prompts, 100, costs);
    for (int32_t i = 0; i < 100; i++) {
        CHECK(costs[i] == cost_of(known, prompts[i]));
    }
}

/* Also where a formula's place is taken by knots. */
static void many_are_as_one(void)
{
    ms_known_cost known = seconds;
    known.coefficients.e_j_per_token = 0.5;
    check_many(&known);
    known.coefficients.knots = 2;
    known.coefficients.knot_tokens[0] = 1.0, known.coefficients.knot_tokens[1] = 8.0;
    known.coefficients.knot_s[0] = 2.0, known.coefficients.knot_s[1] = 5.0;
    check_many(&known);
}

/* Knots, all terms of prompts, and both kinds of host: chunk by chunk and step by step what iterations cost. */
static void knots_terms_and_hosts_cost_what_iterations_do(void)
{
    for (int i = 0; i < 8; i++) {
        ms_known_cost known = seconds;
        ms_coefficients *c = &known.coefficients;
        c->c0_s_per_token = 0.25, c->a1_s = 1.0, c->ac_s_per_token = 0.5, c->p_idle_w = 0.5, c->e_j_per_token = 0.25;
        c->akm_s_per_token = 0.0, c->host_s = 3.0, c->host_s_per_sequence = 1.0, c->after_s = 0.5;
        c->spared_w = 0.5; /* of a p0_w of 1 */
        c->host_kind = i & 1 ? MS_HOST_OVERLAP : MS_HOST_SUM;
        if (i & 2) {
            c->knots = 3;
            c->knot_tokens[0] = 1.0, c->knot_tokens[1] = 4.0, c->knot_tokens[2] = 8.0;
            c->knot_s[0] = 2.0, c->knot_s[1] = 5.0, c->knot_s[2] = 4.0;
        }
        known.usd_per_s = i & 4 ? 0.5 : 0.0;
        for (int32_t prompt = 1; prompt < 30; prompt++) {
            double cost = 0.0;
            for (double prior = 0.0; prior < prompt; prior += known.max_batched_tokens) {
                const double left = prompt - prior;
                const double p = left < known.max_batched_tokens ? left : known.max_batched_tokens;
                const ms_batch chunk = {
                    .prompt_tokens = p, .prompt_work = p * (prior + p / 2.0), .prompt_prior = prior, .prompts = 1.0};
                cost += ms_cost_of_batch(&known, &chunk, 1.0);
            }
            const ms_batch decode = {.decoders = 4.0, .context = 4.0 * (prompt + 5.0)};
            CHECK(cost_of(&known, prompt) == cost + 9.0 * ms_cost_of_batch(&known, &decode, 1.0) / 4.0);
        }
    }
}

static void a_table_has_the_cost_of_each_length(void)
{
    const double by_length[] = {0.0, 1.5, 2.5, 4.0};
    const int32_t prompts[] = {3, 1, 1, 2};
    double costs[] = {-1.0, -1.0, -1.0, -1.0, -1.0};
    ms_cost_look_up(by_length, prompts, 4, costs);
    CHECK(costs[0] == 4.0 && costs[1] == 1.5 && costs[2] == 1.5 && costs[3] == 2.5 && costs[4] == -1.0);
}

int main(void)
{
    RUN(a_table_has_the_cost_of_each_length);
    RUN(a_prompt_is_prefilled_in_chunks);
    RUN(an_answer_of_one_token_is_all_prefill);
    RUN(drafts_cost_what_they_take);
    RUN(money_is_seconds_times_a_price);
    RUN(joules_count_tokens_and_the_cap);
    RUN(many_are_as_one);
    RUN(knots_terms_and_hosts_cost_what_iterations_do);
    return report();
}
