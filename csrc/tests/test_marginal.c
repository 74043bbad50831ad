#include "marginal.h"

#include <math.h>

#include "check.h"

/* Watts 1, idle watts 1/4, and no energy a token: joules are seconds, less a quarter where a replica wakes. */
static const ms_server_cost server = {.model = 0,
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

/* Of two tokens the second takes an iteration: 0.25 + 0.5 s, and 0.125 s for each of 5 + 2 / 2 tokens. */
static void a_short_answer_is_paid_too(void)
{
    ms_server_cost brief = server;
    brief.known.mean_output_tokens = 2.0;
    CHECK_NEAR(ms_marginal_cost(&brief, 5, 0, 2), 0.25 * 5.0 + 0.75 + 0.125 * 6.0, 1e-12);
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

/* Beside 2 decoders a chunk has 6 tokens: a prompt of 15 takes 6, 6 and 3, one of 13 takes 6, 6 and 1. */
static void chunks_leave_room_for_those_who_decode(void)
{
    for (double rest = 1.0; rest <= 3.0; rest += 2.0) {
        const double p = 12.0 + rest, none = seconds_of(2, p, 0);
        const double prompt = 2.0 * (seconds_of(2, p, 6) - none) + seconds_of(2, p, rest) - none;
        CHECK_NEAR(ms_marginal_cost(&server, p, 0, 2), prompt + 10.0 * (seconds_of(3, p, 0) - none), 1e-12);
    }
}

static void without_a_place_it_pays_its_share(void)
{
    ms_known_cost full = server.known;
    full.nominal_batch = 4.0;
    const int32_t prompt = 5;
    double expected;
    ms_cost_known(&full, &prompt, 1, &expected);
    CHECK(ms_marginal_cost(&server, 5, 0, 4) == expected && ms_marginal_cost(&server, 5, 0, 40) == expected);
}

/* By the pool where it would go; with none, as in a full batch of the first. */
static void it_is_priced_where_it_would_go(void)
{
    ms_server_cost two[2] = {server, server};
    two[0].model = 1, two[0].pool = 3;
    two[1].model = 1, two[1].pool = 5, two[1].places = 8.0;
    const double known[3] = {7.0, 9.0, 11.0};
    double costs[3];
    ms_destination to[3] = {{.pool = 0}, {.pool = 5, .running = 4.0, .cached = 2.0}, {.pool = -1}};
    ms_marginal_costs(two, 2, 3, 5, to, known, costs);
    CHECK(costs[0] == 7.0 && costs[2] == 11.0 && costs[1] == ms_marginal_cost(&two[1], 5, 2, 4));
    to[1] = (ms_destination){.pool = 3, .running = 1.0};
    ms_marginal_costs(two, 2, 3, 5, to, known, costs);
    CHECK(costs[1] == ms_marginal_cost(&two[0], 5, 0, 1));
    to[1] = (ms_destination){.pool = -1};
    ms_marginal_costs(two, 2, 3, 5, to, known, costs);
    CHECK(costs[1] == ms_marginal_cost(&two[0], 5, 0, 4));
    to[1] = (ms_destination){.pool = 0}; /* an API, which stands first in the file: it has no such cost */
    ms_marginal_costs(two, 2, 3, 5, to, known, costs);
    CHECK(costs[1] == 9.0);
    to[1] = (ms_destination){.pool = -1};
    const double withdrawn[3] = {7.0, INFINITY, 11.0};
    ms_marginal_costs(two, 2, 3, 5, to, withdrawn, costs);
    CHECK(costs[1] == INFINITY);
    two[0].model = 0, two[1].model = 2; /* the first of each model, wherever it stands */
    to[0] = to[1] = to[2];
    ms_marginal_costs(two, 2, 3, 5, to, known, costs);
    CHECK(costs[0] == ms_marginal_cost(&two[0], 5, 0, 4) && costs[2] == ms_marginal_cost(&two[1], 5, 0, 8));
}

/* Prompts whose work is paid for: 2^-6 s a token^2, beside 2^-5 s a token that is cached before a chunk, a second for a
 * prompt at all, and half a second of the host for each. Of 21 tokens 2 are cached: chunks of 8, 8 and 3, after 2, 10 and
 * 18. */
static void the_work_of_a_prompt_is_counted_by_chunks(void)
{
    ms_server_cost busy = server;
    busy.known.coefficients.aq_s_per_token2 = 0x1p-6;
    busy.known.coefficients.ac_s_per_token = 0x1p-5;
    busy.known.coefficients.a1_s = 1.0;
    busy.known.coefficients.host_s_per_sequence = 0.5;
    busy.known.mean_output_tokens = 1.0; /* the first token comes with the prompt */
    const double p[] = {8.0, 8.0, 3.0};
    double expected = 0.0, prior = 2.0;
    for (int k = 0; k < 3; k++) {
        const double work = p[k] * (prior + p[k] / 2.0);
        expected += 0.75 * (2.0 + 0.25 * p[k] + 0x1p-6 * work + 1.0 + 0x1p-5 * prior + 0.5);
        prior += p[k];
    }
    CHECK_NEAR(ms_marginal_cost(&busy, 21, 2, 0), expected, 1e-12);
    const double alone = 2.0 + 0.25 * 3.0 + 0x1p-6 * 3.0 * (2.0 + 1.5) + 1.0 + 0x1p-5 * 2.0 + 0.5; /* 3 tokens after 2 */
    CHECK_NEAR(ms_marginal_cost(&busy, 5, 2, 0), 0.75 * alone, 1e-12);
}

/* Where more tokens are quicker than fewer it adds nothing, and takes nothing away. */
static void nothing_is_saved_by_a_request(void)
{
    ms_server_cost tiled = server;
    tiled.known.coefficients = (ms_coefficients){
        .knots = 2, .knot_tokens = {1.0, 9.0}, .knot_s = {9.0, 1.0}, .p0_w = 1.0, .p_cap_w = 100.0, .p_idle_w = 0.25};
    CHECK(ms_marginal_cost(&tiled, 4, 0, 2) == 0.0);
    tiled.known.coefficients.p_idle_w = 2.0; /* and where it draws less than idling */
    CHECK(ms_marginal_cost(&tiled, 4, 0, 0) == 0.0);
}

int main(void)
{
    RUN(it_pays_what_it_adds);
    RUN(who_decodes_may_share_the_budget_of_prompts);
    RUN(waking_a_replica_costs_the_base_less_idling);
    RUN(chunks_leave_room_for_those_who_decode);
    RUN(without_a_place_it_pays_its_share);
    RUN(it_is_priced_where_it_would_go);
    RUN(the_work_of_a_prompt_is_counted_by_chunks);
    RUN(nothing_is_saved_by_a_request);
    RUN(a_short_answer_is_paid_too);
    return report();
}
