#include "iteration.h"

#include <math.h>

ms_series ms_iteration_seconds(const ms_coefficients *c, const ms_batch *batch)
{
    const double p = batch->prompt_tokens, decoders = batch->decoders;
    ms_series tau = {ms_batch_seconds(c, p + decoders), 0.0};
    if (decoders > 0.0) {
        const double per_context = c->ak_s_per_token + (p > 0.0 ? c->akm_s_per_token : 0.0);
        tau.first += c->ab_s_per_sequence * decoders + per_context * batch->context;
        tau.slope += per_context * decoders;
    }
    if (p > 0.0) {
        tau.first += c->aq_s_per_token2 * batch->prompt_work;
        tau.slope += c->aq_s_per_token2 * p * p;
    }
    return tau;
}

static double series_range(ms_series series, double from, double to)
{
    return ms_series_sum(series, to) - ms_series_sum(series, from);
}

/* The first j in (0, n) where a linear series that changes its sign has the other one. */
static double sign_change(ms_series gap, double n)
{
    const int starts_below = gap.first < 0.0;
    double j = floor(-gap.first / gap.slope);
    j = j < 1.0 ? 1.0 : j;
    j = j > n - 1.0 ? n - 1.0 : j;
    while (j > 1.0 && (gap.first + (j - 1.0) * gap.slope < 0.0) != starts_below) {
        j -= 1.0;
    }
    while (j < n - 1.0 && (gap.first + j * gap.slope < 0.0) == starts_below) {
        j += 1.0;
    }
    return j;
}

double ms_iteration_joules(const ms_coefficients *c, const ms_batch *batch, double n)
{
    return ms_iteration_joules_of(c, batch, ms_iteration_seconds(c, batch), n);
}

double ms_iteration_joules_of(const ms_coefficients *c, const ms_batch *batch, ms_series tau, double n)
{
    const ms_series capped = {c->p_cap_w * tau.first, c->p_cap_w * tau.slope};
    const ms_series drawn = {c->p0_w * tau.first + c->e_j_per_token * (batch->prompt_tokens + batch->decoders) +
                                 c->ek_j_per_token * batch->context,
                             c->p0_w * tau.slope + c->ek_j_per_token * batch->decoders};
    const ms_series gap = {capped.first - drawn.first, capped.slope - drawn.slope};
    const int cap_first = gap.first < 0.0;
    const int cap_last = gap.first + (n - 1.0) * gap.slope < 0.0;
    if (cap_first == cap_last) {
        return ms_series_sum(cap_first ? capped : drawn, n);
    }
    const double split = sign_change(gap, n);
    return ms_series_sum(cap_first ? capped : drawn, split) + series_range(cap_last ? capped : drawn, split, n);
}

static ms_batch decode_part(const ms_batch *batch)
{
    return (ms_batch){.decoders = batch->decoders, .context = batch->context};
}

static ms_shares split(double decode, double all)
{
    return (ms_shares){decode, all - decode};
}

ms_shares ms_iteration_joule_shares(const ms_coefficients *c, const ms_batch *batch, ms_series tau, double n)
{
    const double all = ms_iteration_joules_of(c, batch, tau, n);
    if (batch->decoders == 0.0 || batch->prompt_tokens == 0.0) {
        return split(batch->decoders == 0.0 ? 0.0 : all, all);
    }
    const ms_batch decode = decode_part(batch);
    return split(ms_iteration_joules(c, &decode, n), all);
}

ms_shares ms_iteration_second_shares(const ms_coefficients *c, const ms_batch *batch, ms_series tau, double n)
{
    const double all = ms_series_sum(tau, n);
    if (batch->decoders == 0.0 || batch->prompt_tokens == 0.0) {
        return split(batch->decoders == 0.0 ? 0.0 : all, all);
    }
    const ms_batch decode = decode_part(batch);
    return split(ms_series_sum(ms_iteration_seconds(c, &decode), n), all);
}
