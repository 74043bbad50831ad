#include "iteration.h"

#include "check.h"
#include "maths.h"

/* Powers of two: every result below is exact. */
static const ms_coefficients c = {.a0_s = 4.0,
                                  .c1_s_per_token = 0.5,
                                  .nstar_tokens = 8.0,
                                  .ab_s_per_sequence = 0.25,
                                  .ak_s_per_token = 0.125,
                                  .akm_s_per_token = 0.0625,
                                  .aq_s_per_token2 = 0.03125,
                                  .p0_w = 2.0,
                                  .e_j_per_token = 0.5,
                                  .ek_j_per_token = 0.25,
                                  .p_cap_w = 1000.0,
                                  .p_idle_w = 1.0};

static const ms_batch decode = {.decoders = 4.0, .context = 64.0};
static const ms_batch prompts = {.prompt_tokens = 16.0, .prompt_work = 128.0, .prompts = 1.0};
static const ms_batch mixed = {
    .decoders = 4.0, .context = 64.0, .prompt_tokens = 16.0, .prompt_work = 128.0, .prompts = 1.0};

/* Durations and joules of a batch as they stand in most tests: no host, so the GPU's are all. */
static ms_series gpu_of(const ms_coefficients *k, const ms_batch *batch)
{
    return ms_iteration_durations(k, batch).gpu;
}

static double joules_of(const ms_coefficients *k, const ms_batch *batch, double n)
{
    const ms_durations tau = ms_iteration_durations(k, batch);
    return ms_iteration_joules(k, batch, &tau, n);
}

static double seconds_of(const ms_coefficients *k, const ms_batch *batch, double n)
{
    const ms_durations tau = ms_iteration_durations(k, batch);
    return ms_durations_sum(&tau, n);
}

static void decoding_takes_its_formula(void)
{
    const ms_series tau = gpu_of(&c, &decode);
    CHECK(tau.first == 4.0 + 0.25 * 4.0 + 0.125 * 64.0); /* 4 tokens < n* */
    CHECK(tau.slope == 0.125 * 4.0);
}

static void prefilling_takes_its_formula(void)
{
    const ms_series tau = gpu_of(&c, &prompts);
    CHECK(tau.first == 4.0 + 0.5 * (16.0 - 8.0) + 0.03125 * 128.0);
    CHECK(tau.slope == 0.03125 * 16.0 * 16.0);
}

static void a_mixed_batch_pays_for_reading_the_context_again(void)
{
    const ms_series tau = gpu_of(&c, &mixed);
    CHECK(tau.first ==
          4.0 + 0.5 * (20.0 - 8.0) + 0.25 * 4.0 + (0.125 + 0.0625) * 64.0 + 0.03125 * 128.0);
    CHECK(tau.slope == (0.125 + 0.0625) * 4.0 + 0.03125 * 16.0 * 16.0);
}

/* The least that there may be of a prompt, of which 7 tokens are computed, beside the 4 who decode. */
static void one_token_of_a_prompt_counts(void)
{
    const ms_batch last = {
        .decoders = 4.0, .context = 64.0, .prompt_tokens = 1.0, .prompt_prior = 7.0, .prompt_work = 7.5, .prompts = 1.0};
    const ms_series tau = gpu_of(&c, &last);
    CHECK(tau.first == 4.0 + 0.25 * 4.0 + (0.125 + 0.0625) * 64.0 + 0.03125 * 7.5); /* 5 tokens < n* */
    CHECK(tau.slope == (0.125 + 0.0625) * 4.0 + 0.03125);
}

static void experts_are_loaded_as_tokens_ask_for_them(void)
{
    ms_coefficients moe = c;
    moe.ae_s = 0.75, moe.se = 0.5, moe.experts = 8.0, moe.top_k = 2.0;
    const double loaded = 1.0 - pow(1.0 - 2.0 / 8.0, 0.5 * 4.0);
    CHECK_NEAR(gpu_of(&moe, &decode).first,
               gpu_of(&c, &decode).first + 0.75 * loaded, 1e-15);
    CHECK(gpu_of(&moe, &decode).slope == gpu_of(&c, &decode).slope);
}

/* A dense model may leave the other three at 0: 0 experts would divide 0 by 0. */
static void a_dense_model_reads_no_expert(void)
{
    ms_coefficients dense = c;
    dense.experts = 0.0, dense.top_k = 0.0, dense.se = NAN;
    CHECK(gpu_of(&dense, &decode).first == gpu_of(&c, &decode).first);
}

static void a_series_sums_in_closed_form(void)
{
    const ms_series series = {3.0, 0.5};
    double sum = 0.0;
    for (int n = 0; n < 100; n++) {
        CHECK(ms_series_sum(series, (double)n) == sum);
        sum += 3.0 + 0.5 * n;
    }
}

static double joules_stepped(const ms_coefficients *k, ms_batch batch, int n)
{
    double joules = 0.0;
    for (int i = 0; i < n; i++) {
        joules += joules_of(k, &batch, 1.0);
        batch.context += batch.decoders;
        batch.prompt_work += batch.prompt_tokens * batch.prompt_tokens;
    }
    return joules;
}

static void one_iteration_draws_its_formula(void)
{
    const double tau = gpu_of(&c, &mixed).first;
    CHECK(joules_of(&c, &mixed, 1.0) == 2.0 * tau + 0.5 * 20.0 + 0.25 * 64.0);
    ms_coefficients capped = c;
    capped.p_cap_w = 2.0;
    CHECK(joules_of(&capped, &mixed, 1.0) == 2.0 * tau);
}

static int is_capped(const ms_coefficients *k, const ms_batch *batch)
{
    ms_coefficients free_of_it = *k;
    free_of_it.p_cap_w = INFINITY;
    return joules_of(k, batch, 1.0) < joules_of(&free_of_it, batch, 1.0);
}

/* The cap may bind first and stop, or begin to: both must come up, and joules are exact in integers. */
static void the_cap_is_split_where_it_starts_or_ends_to_bind(void)
{
    lcg chance = {10};
    int stops = 0, begins = 0;
    for (int i = 0; i < 20000; i++) {
        ms_coefficients k = {.a0_s = (double)lcg_between(&chance, 1, 5),
                             .ab_s_per_sequence = (double)lcg_between(&chance, 0, 2),
                             .ak_s_per_token = (double)lcg_between(&chance, 0, 2),
                             .aq_s_per_token2 = (double)(2 * lcg_between(&chance, 0, 1)),
                             .ek_j_per_token = (double)lcg_between(&chance, 0, 20),
                             .p0_w = 1.0};
        const double above = (double)lcg_between(&chance, 0, 8), b = (double)lcg_between(&chance, 1, 2);
        const double p = b * (double)lcg_between(&chance, 0, 1);
        const ms_batch batch = {.decoders = b,
                                .context = (double)lcg_between(&chance, 5, 20),
                                .prompt_tokens = p,
                                .prompt_work = p * p};
        const int n = (int)lcg_between(&chance, 1, 30);
        k.p_cap_w = k.p0_w + above;
        /* joules a token (of 1, 2 or 4: exact) such that cap and draw meet at about iteration j */
        const ms_series tau = gpu_of(&k, &batch);
        const double j = (double)lcg_between(&chance, -2, n);
        const double gap = above * (tau.first + j * tau.slope) - k.ek_j_per_token * (batch.context + j * b);
        k.e_j_per_token = gap > 0.0 ? gap / (b + p) : 0.0;
        CHECK(joules_of(&k, &batch, n) == joules_stepped(&k, batch, n));
        ms_batch last = batch;
        last.context += (n - 1) * b;
        last.prompt_work += (n - 1) * p * p;
        const int binds_first = is_capped(&k, &batch), binds_last = is_capped(&k, &last);
        stops += binds_first && !binds_last;
        begins += !binds_first && binds_last;
    }
    CHECK(stops > 500 && begins > 500);
}

static void shares_add_up(void)
{
    const ms_durations tau = ms_iteration_durations(&c, &mixed);
    for (double n = 1.0; n < 20.0; n += 1.0) {
        const ms_shares joules = ms_iteration_joule_shares(&c, &mixed, &tau, n);
        CHECK(joules.decode == joules_of(&c, &decode, n));
        CHECK(joules.decode + joules.prompt == joules_of(&c, &mixed, n));
        CHECK(joules.prompt > 0.0);
        const ms_shares seconds = ms_iteration_second_shares(&c, &mixed, &tau, n);
        CHECK(seconds.decode == seconds_of(&c, &decode, n));
        CHECK(seconds.decode + seconds.prompt == seconds_of(&c, &mixed, n));
    }
}

static void who_is_alone_pays_all(void)
{
    const ms_durations decoding_s = ms_iteration_durations(&c, &decode);
    const ms_shares decoding = ms_iteration_joule_shares(&c, &decode, &decoding_s, 3.0);
    CHECK(decoding.decode == joules_of(&c, &decode, 3.0) && decoding.prompt == 0.0);
    CHECK(ms_iteration_second_shares(&c, &decode, &decoding_s, 3.0).decode == ms_durations_sum(&decoding_s, 3.0));
    CHECK(ms_iteration_second_shares(&c, &decode, &decoding_s, 3.0).prompt == 0.0);
    const ms_durations prefilling_s = ms_iteration_durations(&c, &prompts);
    const ms_shares prefilling = ms_iteration_joule_shares(&c, &prompts, &prefilling_s, 3.0);
    CHECK(prefilling.prompt == joules_of(&c, &prompts, 3.0) && prefilling.decode == 0.0);
    CHECK(ms_iteration_second_shares(&c, &prompts, &prefilling_s, 3.0).prompt == ms_durations_sum(&prefilling_s, 3.0));
    CHECK(ms_iteration_second_shares(&c, &prompts, &prefilling_s, 3.0).decode == 0.0);
}

static void prompts_add_their_five_terms(void)
{
    ms_coefficients k = c;
    k.c0_s_per_token = 0.5, k.a1_s = 2.0, k.ac_s_per_token = 0.25, k.akx_s_per_token = 0.5, k.abk_s_per_token = 0.125;
    ms_batch batch = mixed;
    batch.prompt_prior = 32.0;
    const ms_series gpu = gpu_of(&k, &batch), before = gpu_of(&c, &batch);
    CHECK(gpu.first == before.first + 0.5 * 20.0 + 2.0 + 0.25 * 32.0 + 0.5 * 64.0 / 4.0 + 0.125 * 4.0 * 64.0);
    CHECK(gpu.slope == before.slope + 0.25 * 16.0 + 0.5 + 0.125 * 16.0);
    CHECK(gpu_of(&k, &decode).first == gpu_of(&c, &decode).first + 0.5 * 4.0);
    CHECK(gpu_of(&k, &prompts).first == gpu_of(&c, &prompts).first + 0.5 * 16.0 + 2.0);
}

/* Knots at 1, 4 and 8 tokens: linear between, the last slope beyond, the first value before. */
static void knots_replace_the_fixed_time(void)
{
    const ms_coefficients k = {.a0_s = 99.0, .knots = 3, .knot_tokens = {2.0, 4.0, 8.0}, .knot_s = {3.0, 5.0, 4.0}};
    const double tokens[] = {1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0}, seconds[] = {3.0, 3.0, 4.0, 5.0, 4.5, 4.0, 3.0};
    for (int i = 0; i < 7; i++) {
        const ms_batch batch = {.prompt_tokens = tokens[i], .prompts = 1.0};
        CHECK(gpu_of(&k, &batch).first == seconds[i]);
    }
}

static double stepped_s(const ms_coefficients *k, ms_batch batch, int n, double *joules)
{
    double seconds = 0.0;
    for (int i = 0; i < n; i++) {
        seconds += seconds_of(k, &batch, 1.0);
        *joules += joules_of(k, &batch, 1.0);
        batch.context += batch.decoders;
        batch.prompt_work += batch.prompt_tokens * batch.prompt_tokens;
        batch.prompt_prior += batch.prompt_tokens;
    }
    return seconds;
}

/* Hosts that never, at first and always bind; n iterations at once equal n of one, exactly. */
static void host_time_adds_or_hides_the_gpu(void)
{
    lcg chance = {20};
    int never = 0, at_first = 0, always = 0;
    for (int i = 0; i < 20000; i++) {
        const ms_coefficients k = {.a0_s = (double)lcg_between(&chance, 1, 20),
                                   .ak_s_per_token = (double)lcg_between(&chance, 0, 1),
                                   .aq_s_per_token2 = (double)(2 * lcg_between(&chance, 0, 1)),
                                   .ac_s_per_token = (double)lcg_between(&chance, 0, 1),
                                   .host_s = (double)lcg_between(&chance, 0, 60),
                                   .host_s_per_sequence = (double)lcg_between(&chance, 0, 4),
                                   .after_s = (double)lcg_between(&chance, 0, 2),
                                   .host_kind = lcg_between(&chance, 0, 1) ? MS_HOST_OVERLAP : MS_HOST_SUM,
                                   .p0_w = 2.0,
                                   .spared_w = (double)lcg_between(&chance, 0, 2),
                                   .ek_j_per_token = (double)lcg_between(&chance, 0, 3),
                                   .p_cap_w = (double)lcg_between(&chance, 3, 8)};
        const ms_batch batch = {.decoders = (double)lcg_between(&chance, 1, 3),
                                .context = (double)lcg_between(&chance, 5, 20),
                                .prompt_tokens = (double)lcg_between(&chance, 0, 1),
                                .prompts = 1.0};
        const int n = (int)lcg_between(&chance, 1, 30);
        double joules = 0.0;
        const double seconds = stepped_s(&k, batch, n, &joules);
        CHECK(seconds_of(&k, &batch, n) == seconds);
        CHECK(joules_of(&k, &batch, n) == joules);
        const ms_durations tau = ms_iteration_durations(&k, &batch);
        const double h = k.host_s + k.host_s_per_sequence * (batch.decoders + 1.0);
        const double expected = k.host_kind == MS_HOST_SUM ? tau.gpu.first + h
                                                           : k.after_s + (tau.gpu.first > h ? tau.gpu.first : h);
        CHECK(ms_durations_nth_s(&tau, 0.0) == expected);
        never += tau.floored == 0.0, always += tau.floored >= n, at_first += tau.floored > 0.0 && tau.floored < n;
    }
    CHECK(never > 500 && at_first > 500 && always > 500);
}

/* The GPU draws P0 while it waits for the host, or less by what is spared, up to the cap: decoders pay what they would
 * alone. */
static void waiting_for_the_host_draws_as_work_does(void)
{
    ms_coefficients k = {.a0_s = 4.0, .host_s = 2.0, .host_s_per_sequence = 1.0, .p0_w = 2.0, .p_cap_w = 9.0, .p_idle_w = 1.0};
    const ms_batch batch = {.decoders = 2.0, .prompt_tokens = 1.0, .prompts = 1.0};
    const ms_durations tau = ms_iteration_durations(&k, &batch);
    const ms_shares joules = ms_iteration_joule_shares(&k, &batch, &tau, 1.0);
    CHECK(joules.decode == 2.0 * 8.0 && joules.prompt == 2.0);
    const ms_shares seconds = ms_iteration_second_shares(&k, &batch, &tau, 1.0);
    CHECK(seconds.decode == 8.0 && seconds.prompt == 1.0);
    k.spared_w = 1.5; /* of 9 s the GPU works 4, alone of 8 */
    const ms_shares sparing = ms_iteration_joule_shares(&k, &batch, &tau, 1.0);
    CHECK(sparing.decode == 2.0 * 8.0 - 1.5 * 4.0 && sparing.prompt == 2.0 - 1.5);
    k.e_j_per_token = 100.0;
    CHECK(joules_of(&k, &batch, 1.0) == 9.0 * 9.0);
}

/* Tiled kernels can take longer for fewer tokens: decoders then pay what the whole iteration takes, no more. */
static void nobody_is_paid_for_a_quicker_iteration(void)
{
    const ms_coefficients k = {
        .knots = 2, .knot_tokens = {1.0, 9.0}, .knot_s = {9.0, 1.0}, .p0_w = 1.0, .p_cap_w = 9.0};
    const ms_batch batch = {.decoders = 1.0, .prompt_tokens = 8.0, .prompts = 1.0};
    const ms_durations tau = ms_iteration_durations(&k, &batch);
    const ms_shares joules = ms_iteration_joule_shares(&k, &batch, &tau, 1.0);
    CHECK(joules.decode == 1.0 && joules.prompt == 0.0);
}

/* Two drafts of each of 4 decoders: 12 tokens, more than n*, and 3 + 4/4 seconds to make them. An iteration gives a token and
 * 0.5 right drafts of each in the mean. */
static void drafts_are_made_and_checked(void)
{
    ms_coefficients k = c;
    k.draft_tokens = 2.0, k.draft_s = 3.0, k.draft_s_per_sequence = 0.25;
    ms_batch batch = decode;
    batch.ahead = 2.0;
    const ms_series gpu = gpu_of(&k, &batch);
    CHECK(gpu.first == 4.0 + 0.5 * (12.0 - 8.0) + 0.25 * 4.0 + 0.125 * 64.0 + 3.0 + 0.25 * 4.0);
    CHECK(gpu.slope == 0.125 * (4.0 + 2.0));
    const double first_j = 2.0 * gpu.first + 0.5 * 12.0 + 0.25 * 64.0;
    CHECK(joules_of(&k, &batch, 1.0) == first_j);
    CHECK(joules_of(&k, &batch, 2.0) == 2.0 * first_j + 2.0 * gpu.slope + 0.25 * (4.0 + 2.0));
    const ms_series beside = gpu_of(&k, &mixed);
    CHECK(beside.first == gpu_of(&c, &mixed).first + 0.5 * 8.0 + 3.0 + 0.25 * 4.0);
    const ms_batch alone = {.decoders = 1.0, .context = 16.0};
    k.draft_tokens = 1.0;
    CHECK(gpu_of(&k, &alone).first == gpu_of(&c, &alone).first + 3.0 + 0.25); /* the fewest drafts there are; 2 tokens < n* */
    CHECK(gpu_of(&k, &prompts).first == gpu_of(&c, &prompts).first); /* nobody drafts */
}

/* g of a batch may be known; that of its decoders alone is another. */
static void what_is_known_of_products_is_used(void)
{
    ms_batch alone = decode, beside = mixed;
    alone.products_s = beside.decoders_s = 5.0;
    CHECK(gpu_of(&c, &alone).first == 5.0 + 0.25 * 4.0 + 0.125 * 64.0 && gpu_of(&c, &alone).slope == 0.125 * 4.0);
    CHECK(gpu_of(&c, &beside).first == gpu_of(&c, &mixed).first);
    const ms_durations tau = ms_iteration_durations(&c, &beside);
    CHECK(ms_iteration_second_shares(&c, &beside, &tau, 1.0).decode == 14.0);
}

/* Which iterations the host binds, where the quotient that tells them is rounded up or down: as counted one by one. */
static void iterations_below_the_host_are_counted_exactly(void)
{
    lcg chance = {30};
    for (int i = 0; i < 20000; i++) {
        ms_coefficients k = {.a0_s = lcg_unit(&chance), .ak_s_per_token = 0.01 * lcg_unit(&chance), .p_cap_w = 1.0};
        const ms_batch batch = {.decoders = 3.0, .context = (double)lcg_between(&chance, 3, 99)};
        const ms_series gpu = gpu_of(&k, &batch);
        const int64_t meet = lcg_between(&chance, 0, 40);
        k.host_kind = MS_HOST_OVERLAP;
        k.host_s = gpu.first + (double)meet * gpu.slope;
        const int64_t side = lcg_between(&chance, -1, 1);
        k.host_s = side == 0 ? k.host_s : nextafter(k.host_s, side > 0 ? INFINITY : 0.0);
        double floored = 0.0;
        while (gpu.first + floored * gpu.slope < k.host_s) {
            floored += 1.0;
        }
        CHECK(ms_iteration_durations(&k, &batch).floored == floored);
    }
    ms_coefficients flat = {.a0_s = 1.0, .host_s = 2.0, .host_kind = MS_HOST_OVERLAP, .p_cap_w = 1.0};
    CHECK(ms_iteration_durations(&flat, &decode).floored == INFINITY);
    flat.host_s = 1.0;
    CHECK(ms_iteration_durations(&flat, &decode).floored == 0.0);
}

int main(void)
{
    RUN(decoding_takes_its_formula);
    RUN(prefilling_takes_its_formula);
    RUN(a_mixed_batch_pays_for_reading_the_context_again);
    RUN(one_token_of_a_prompt_counts);
    RUN(experts_are_loaded_as_tokens_ask_for_them);
    RUN(a_dense_model_reads_no_expert);
    RUN(a_series_sums_in_closed_form);
    RUN(one_iteration_draws_its_formula);
    RUN(the_cap_is_split_where_it_starts_or_ends_to_bind);
    RUN(shares_add_up);
    RUN(who_is_alone_pays_all);
    RUN(prompts_add_their_five_terms);
    RUN(knots_replace_the_fixed_time);
    RUN(host_time_adds_or_hides_the_gpu);
    RUN(waiting_for_the_host_draws_as_work_does);
    RUN(nobody_is_paid_for_a_quicker_iteration);
    RUN(drafts_are_made_and_checked);
    RUN(what_is_known_of_products_is_used);
    RUN(iterations_below_the_host_are_counted_exactly);
    return report();
}
