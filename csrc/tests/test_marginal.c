#include "marginal.h"

#include <math.h>

#include "check.h"

/* Watts 1, idle watts 1/4, and no energy a token: joules are seconds, less a quarter where a replica wakes. */
static const ms_server_cost server = {.model = 0,
                                      .share = 1.0,
                                      .places = 4.0,
                                      .decoder_tokens = 1.0,
                                      .known = {.coefficients = {.a0_s = 2.0,
                                                                 .ab_s_per_sequence = 0.5,
                                                                 .ak_s_per_token = 0.125,
                                                                 .c1_s_per_token = 0.25,
                                                                 .p0_w = 1.0,
                                                                 .p_cap_w = 100.0,
                                                                 .p_idle_w = 0.25},
                                                .max_batched_tokens = 8.0,
                                                .nominal_batch = 2.0,
                                                .mean_output_tokens = 11.0}};

/* An iteration of b with K = b (p + 11 / 2), and n prompt tokens beside them. */
static double seconds_of(double b, double p, double n)
{
    return 2.0 + 0.25 * (n + b) + 0.5 * b + 0.125 * b * (p + 5.5);
}

static void it_pays_what_it_adds(void)
{
    for (double b = 1; b < 4; b++) {
        const double prompt = seconds_of(b, 5, 5) - seconds_of(b, 5, 0);
        const double answer = 10.0 * (seconds_of(b + 1, 5, 0) - seconds_of(b, 5, 0));
        CHECK_NEAR(ms_marginal_cost(&server, 5, 0, b), prompt + answer, 1e-12);
    }
}

/* A budget of 8 that 3 who decode share leaves 5 for a prompt of 8; one for prompts alone has room for all of it. */
static void who_decodes_may_share_the_budget_of_prompts(void)
{
    const double answer = 10.0 * (seconds_of(4, 8, 0) - seconds_of(3, 8, 0)), base = seconds_of(3, 8, 0);
    const double shared = seconds_of(3, 8, 5) - base + seconds_of(3, 8, 3) - base;
    CHECK_NEAR(ms_marginal_cost(&server, 8, 0, 3), shared + answer, 1e-12);
    ms_server_cost apart = server;
    apart.decoder_tokens = 0.0;
    CHECK_NEAR(ms_marginal_cost(&apart, 8, 0, 3), seconds_of(3, 8, 8) - base + answer, 1e-12);
    ms_server_cost drafting = server;
    drafting.decoder_tokens = 3.0; /* takes more than there is: a token of the prompt in each iteration */
    CHECK_NEAR(ms_marginal_cost(&drafting, 2, 0, 3),
               2.0 * (seconds_of(3, 2, 1) - seconds_of(3, 2, 0)) + 10.0 * (seconds_of(4, 2, 0) - seconds_of(3, 2,
                   0)), 1e-12);
}

static void waking_a_replica_costs_the_base_less_idling(void)
{
    const double busy = seconds_of(0, 5, 5) + 10.0 * seconds_of(1, 5, 0);
    CHECK_NEAR(ms_marginal_cost(&server, 5, 0, 0), 0.75 * busy, 1e-12);
    ms_server_cost rented = server;
    rented.known.usd_per_s = 0.5; /* idling costs a tenant nothing here */
    CHECK_NEAR(ms_marginal_cost(&rented, 5, 0, 0), 0.5 * busy, 1e-12);
}

/* Beside 2 decoders a chunk has 6 tokens: a prompt of 15 takes 6, 6 and 3. */
static void chunks_leave_room_for_those_who_decode(void)
{
    const double prompt = 2.0 * (seconds_of(2, 15, 6) - seconds_of(2, 15, 0)) + seconds_of(2, 15, 3) - seconds_of(2,
        15, 0);
    const double answer = 10.0 * (seconds_of(3, 15, 0) - seconds_of(2, 15, 0));
    CHECK_NEAR(ms_marginal_cost(&server, 15, 0, 2), prompt + answer, 1e-12);
}

static void without_a_place_it_pays_its_share(void)
{
    ms_known_cost full = server.known;
    full.nominal_batch = 4.0;
    const int32_t prompt = 5;
    double expected;
    ms_known_costs(&full, &prompt, 1, &expected);
    CHECK(ms_marginal_cost(&server, 5, 0, 4) == expected && ms_marginal_cost(&server, 5, 0, 40) == expected);
}

static void loads_are_batches(void)
{
    ms_server_cost two[2] = {server, server};
    two[0].model = 1, two[0].share = 0.75;
    two[1].model = 1, two[1].share = 0.25, two[1].places = 8.0;
    const double known[3] = {7.0, 9.0, 11.0}, loads[3] = {0.1, 0.5, 0.2};
    double costs[3];
    ms_marginal_costs(two, 2, 3, 5, NULL, 0, known, loads, costs);
    CHECK(costs[0] == 7.0 && costs[2] == 11.0);
    CHECK(costs[1] == 0.75 * ms_marginal_cost(&two[0], 5, 0, 2) + 0.25 * ms_marginal_cost(&two[1], 5, 0, 4));
    for (int64_t up = 1; up < 50; up++) { /* as fleet.c divides */
        const double load[3] = {0, (double)(3 * up) / (double)(up * 4), 0};
        ms_marginal_costs(two, 1, 3, 5, NULL, 0, known, load, costs);
        CHECK(costs[1] == 0.75 * ms_marginal_cost(&two[0], 5, 0, 3));
    }
    const double withdrawn[3] = {7.0, INFINITY, 11.0};
    ms_marginal_costs(two, 2, 3, 5, NULL, 0, withdrawn, loads, costs);
    CHECK(costs[1] == INFINITY);
}

/* What each model has of the prompt stands `stride` apart; a server that keeps no prefixes computes all of it. */
static void what_is_cached_is_not_paid_for_where_prefixes_are_kept(void)
{
    const int32_t cached[] = {1, 9, 2, 9, 3, 9, 9, 9, 9, 9};
    const double known[3] = {0.0, 0.0, 0.0}, loads[3] = {0.25, 0.25, 0.25};
    ms_server_cost all[4] = {server, server, server, server};
    const int32_t models[] = {0, 1, 1, 2}, keeps[] = {1, 1, 0, 1};
    double costs[3], anew[3];
    for (int k = 0; k < 4; k++) {
        all[k].model = models[k], all[k].keeps_prefixes = keeps[k];
    }
    all[1].share = all[2].share = 0.5;
    ms_marginal_costs(all, 4, 3, 13, cached, 2, known, loads, costs);
    CHECK(costs[0] == ms_marginal_cost(&server, 13, 1, 1) && costs[2] == ms_marginal_cost(&server, 13, 3, 1));
    CHECK_NEAR(costs[1], 0.5 * ms_marginal_cost(&server, 13, 2, 1) + 0.5 * ms_marginal_cost(&server, 13, 0, 1), 1e-12);
    ms_marginal_costs(all, 4, 3, 13, NULL, 2, known, loads, anew);
    CHECK(anew[0] == ms_marginal_cost(&server, 13, 0, 1) && anew[0] > costs[0] && anew[2] == anew[0]);
}

/* Prompts whose work is paid for: 2^-6 s a token^2, beside 2^-5 s a token that is cached before a chunk, and a
 * second for a prompt at all. Of 21 tokens 2 are cached: chunks of 8, 8 and 3, after 2, 10 and 18. */
static void the_work_of_a_prompt_is_counted_by_chunks(void)
{
    ms_server_cost busy = server;
    busy.known.coefficients.aq_s_per_token2 = 0x1p-6;
    busy.known.coefficients.ac_s_per_token = 0x1p-5;
    busy.known.coefficients.a1_s = 1.0;
    busy.known.mean_output_tokens = 1.0; /* the first token comes with the prompt */
    const double p[] = {8.0, 8.0, 3.0};
    double expected = 0.0, prior = 2.0;
    for (int k = 0; k < 3; k++) {
        const double work = p[k] * (prior + p[k] / 2.0);
        expected += 0.75 * (2.0 + 0.25 * p[k] + 0x1p-6 * work + 1.0 + 0x1p-5 * prior);
        prior += p[k];
    }
    CHECK_NEAR(ms_marginal_cost(&busy, 21, 2, 0), expected, 1e-12);
}

int main(void)
{
    RUN(it_pays_what_it_adds);
    RUN(who_decodes_may_share_the_budget_of_prompts);
    RUN(waking_a_replica_costs_the_base_less_idling);
    RUN(chunks_leave_room_for_those_who_decode);
    RUN(without_a_place_it_pays_its_share);
    RUN(loads_are_batches);
    RUN(what_is_cached_is_not_paid_for_where_prefixes_are_kept);
    RUN(the_work_of_a_prompt_is_counted_by_chunks);
    return report();
}
