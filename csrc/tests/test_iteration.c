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
static const ms_batch prompts = {.prompt_tokens = 16.0, .prompt_work = 128.0};
static const ms_batch mixed = {.decoders = 4.0, .context = 64.0, .prompt_tokens = 16.0, .prompt_work = 128.0};

static void decoding_takes_its_formula(void)
{
    const ms_series tau = ms_iteration_seconds(&c, &decode);
    CHECK(tau.first == 4.0 + 0.25 * 4.0 + 0.125 * 64.0); /* 4 tokens < n* */
    CHECK(tau.slope == 0.125 * 4.0);
}

static void prefilling_takes_its_formula(void)
{
    const ms_series tau = ms_iteration_seconds(&c, &prompts);
    CHECK(tau.first == 4.0 + 0.5 * (16.0 - 8.0) + 0.03125 * 128.0);
    CHECK(tau.slope == 0.03125 * 16.0 * 16.0);
}

static void a_mixed_batch_pays_for_reading_the_context_again(void)
{
    const ms_series tau = ms_iteration_seconds(&c, &mixed);
    CHECK(tau.first ==
          4.0 + 0.5 * (20.0 - 8.0) + 0.25 * 4.0 + (0.125 + 0.0625) * 64.0 + 0.03125 * 128.0);
    CHECK(tau.slope == (0.125 + 0.0625) * 4.0 + 0.03125 * 16.0 * 16.0);
}

static void experts_are_loaded_as_tokens_ask_for_them(void)
{
    ms_coefficients moe = c;
    moe.ae_s = 3.0, moe.se = 0.5, moe.experts = 8.0, moe.top_k = 2.0;
    const double loaded = 1.0 - pow(1.0 - 2.0 / 8.0, 0.5 * 4.0);
    CHECK_NEAR(ms_iteration_seconds(&moe, &decode).first,
               ms_iteration_seconds(&c, &decode).first + 3.0 * loaded, 1e-15);
    CHECK(ms_iteration_seconds(&moe, &decode).slope == ms_iteration_seconds(&c, &decode).slope);
}

/* A dense model may leave the other three at 0: 0 experts would divide 0 by 0. */
static void a_dense_model_reads_no_expert(void)
{
    ms_coefficients dense = c;
    dense.experts = 0.0, dense.top_k = 0.0, dense.se = NAN;
    CHECK(ms_iteration_seconds(&dense, &decode).first == ms_iteration_seconds(&c, &decode).first);
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
        joules += ms_iteration_joules(k, &batch, 1.0);
        batch.context += batch.decoders;
        batch.prompt_work += batch.prompt_tokens * batch.prompt_tokens;
    }
    return joules;
}

static void one_iteration_draws_its_formula(void)
{
    const double tau = ms_iteration_seconds(&c, &mixed).first;
    CHECK(ms_iteration_joules(&c, &mixed, 1.0) == 2.0 * tau + 0.5 * 20.0 + 0.25 * 64.0);
    ms_coefficients capped = c;
    capped.p_cap_w = 2.0;
    CHECK(ms_iteration_joules(&capped, &mixed, 1.0) == 2.0 * tau);
}

static int is_capped(const ms_coefficients *k, const ms_batch *batch)
{
    ms_coefficients free_of_it = *k;
    free_of_it.p_cap_w = INFINITY;
    return ms_iteration_joules(k, batch, 1.0) < ms_iteration_joules(&free_of_it, batch, 1.0);
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
        const ms_series tau = ms_iteration_seconds(&k, &batch);
        const double j = (double)lcg_between(&chance, -2, n);
        const double gap = above * (tau.first + j * tau.slope) - k.ek_j_per_token * (batch.context + j * b);
        k.e_j_per_token = gap > 0.0 ? gap / (b + p) : 0.0;
        CHECK(ms_iteration_joules(&k, &batch, n) == joules_stepped(&k, batch, n));
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
    const ms_series tau = ms_iteration_seconds(&c, &mixed);
    for (double n = 1.0; n < 20.0; n += 1.0) {
        const ms_shares joules = ms_iteration_joule_shares(&c, &mixed, tau, n);
        CHECK(joules.decode == ms_iteration_joules(&c, &decode, n));
        CHECK(joules.decode + joules.prompt == ms_iteration_joules(&c, &mixed, n));
        CHECK(joules.prompt > 0.0);
        const ms_shares seconds = ms_iteration_second_shares(&c, &mixed, tau, n);
        CHECK(seconds.decode == ms_series_sum(ms_iteration_seconds(&c, &decode), n));
        CHECK(seconds.decode + seconds.prompt == ms_series_sum(ms_iteration_seconds(&c, &mixed), n));
    }
}

static void who_is_alone_pays_all(void)
{
    const ms_series decoding_s = ms_iteration_seconds(&c, &decode);
    const ms_shares decoding = ms_iteration_joule_shares(&c, &decode, decoding_s, 3.0);
    CHECK(decoding.decode == ms_iteration_joules(&c, &decode, 3.0) && decoding.prompt == 0.0);
    CHECK(ms_iteration_second_shares(&c, &decode, decoding_s, 3.0).decode == ms_series_sum(decoding_s, 3.0));
    CHECK(ms_iteration_second_shares(&c, &decode, decoding_s, 3.0).prompt == 0.0);
    const ms_series prefilling_s = ms_iteration_seconds(&c, &prompts);
    const ms_shares prefilling = ms_iteration_joule_shares(&c, &prompts, prefilling_s, 3.0);
    CHECK(prefilling.prompt == ms_iteration_joules(&c, &prompts, 3.0) && prefilling.decode == 0.0);
    CHECK(ms_iteration_second_shares(&c, &prompts, prefilling_s, 3.0).prompt == ms_series_sum(prefilling_s, 3.0));
    CHECK(ms_iteration_second_shares(&c, &prompts, prefilling_s, 3.0).decode == 0.0);
}

static void joules_of_known_durations_are_the_same(void)
{
    for (double n = 1.0; n < 20.0; n += 1.0) {
        CHECK(ms_iteration_joules_of(&c, &mixed, ms_iteration_seconds(&c, &mixed), n) ==
              ms_iteration_joules(&c, &mixed, n));
    }
}

int main(void)
{
    RUN(decoding_takes_its_formula);
    RUN(prefilling_takes_its_formula);
    RUN(a_mixed_batch_pays_for_reading_the_context_again);
    RUN(experts_are_loaded_as_tokens_ask_for_them);
    RUN(a_dense_model_reads_no_expert);
    RUN(a_series_sums_in_closed_form);
    RUN(one_iteration_draws_its_formula);
    RUN(the_cap_is_split_where_it_starts_or_ends_to_bind);
    RUN(shares_add_up);
    RUN(who_is_alone_pays_all);
    RUN(joules_of_known_durations_are_the_same);
    return report();
}
