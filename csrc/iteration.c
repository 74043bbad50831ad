#include "iteration.h"

#include <math.h>

static ms_series gpu_seconds(const ms_coefficients *c, const ms_batch *batch)
{
    const double p = batch->prompt_tokens, decoders = batch->decoders;
    const double drafts = c->draft_tokens * decoders;
    const int is_known = batch->products_s > 0.0;
    ms_series gpu = {is_known ? batch->products_s : ms_batch_seconds(c, p + decoders + drafts), 0.0};
    if (decoders > 0.0) {
        double per_context = c->ak_s_per_token;
        if (p > 0.0) {
            per_context += c->akm_s_per_token + c->akx_s_per_token / decoders + c->abk_s_per_token * decoders;
        }
        gpu.first += c->ab_s_per_sequence * decoders + per_context * batch->context;
        gpu.slope += per_context * (decoders + batch->ahead);
    }
    if (drafts > 0.0) {
        gpu.first += c->draft_s + c->draft_s_per_sequence * decoders;
    }
    if (p > 0.0) {
        gpu.first += c->a1_s + c->ac_s_per_token * batch->prompt_prior + c->aq_s_per_token2 * batch->prompt_work;
        gpu.slope += c->ac_s_per_token * p + c->aq_s_per_token2 * p * p;
    }
    return gpu;
}

/* The iterations of a rising series that lie below `level`, 0 if none does; infinite if all do. */
static double below(ms_series series, double level)
{
    if (!(series.first < level)) {
        return 0.0;
    }
    if (!(series.slope > 0.0)) {
        return INFINITY;
    }
    double n = floor((level - series.first) / series.slope) + 1.0;
    while (n > 1.0 && !(series.first + (n - 1.0) * series.slope < level)) {
        n -= 1.0;
    }
    while (series.first + n * series.slope < level) {
        n += 1.0;
    }
    return n;
}

void ms_iteration_put_durations(const ms_coefficients *c, const ms_batch *batch, ms_durations *out)
{
    const double host_s = ms_host_s(c, batch->decoders + batch->prompts);
    const ms_series gpu = gpu_seconds(c, batch);
    const int overlaps = c->host_kind != MS_HOST_SUM;
    out->gpu = gpu;
    out->busy.first = gpu.first + (overlaps ? c->after_s : host_s);
    out->busy.slope = gpu.slope;
    out->floor_s = overlaps ? c->after_s + host_s : 0.0;
    out->floored = overlaps ? below(gpu, host_s) : 0.0;
}

ms_durations ms_iteration_durations(const ms_coefficients *c, const ms_batch *batch)
{
    ms_durations durations;
    ms_iteration_put_durations(c, batch, &durations);
    return durations;
}

double ms_durations_nth_s(const ms_durations *d, double j)
{
    return j < d->floored ? d->floor_s : d->busy.first + j * d->busy.slope;
}

static double series_range(ms_series series, double from, double to)
{
    return ms_series_sum(series, to) - ms_series_sum(series, from);
}

/* The first j in (0, n) where a linear series that changes its sign has the other one: no earlier than its root. */
static double sign_change(ms_series gap, double n)
{
    const int starts_below = gap.first < 0.0;
    double j = floor(-gap.first / gap.slope);
    j = j < 1.0 ? 1.0 : j;
    while (j < n - 1.0 && (gap.first + j * gap.slope < 0.0) == starts_below) {
        j += 1.0;
    }
    return j;
}

/* Of n iterations that take the server `tau` and its GPUs `gpu`, `context` tokens being cached before the first. */
static double series_joules(const ms_coefficients *c, const ms_batch *batch, double context, ms_series tau,
                            ms_series gpu, double n)
{
    const ms_series spared = {c->spared_w * (tau.first - gpu.first), c->spared_w * (tau.slope - gpu.slope)};
    const ms_series capped = {c->p_cap_w * tau.first, c->p_cap_w * tau.slope};
    const double tokens = batch->prompt_tokens + batch->decoders + c->draft_tokens * batch->decoders;
    const ms_series drawn = {c->p0_w * tau.first - spared.first + c->e_j_per_token * tokens +
                                 c->ek_j_per_token * context,
                             c->p0_w * tau.slope - spared.slope +
                                 c->ek_j_per_token * (batch->decoders + batch->ahead)};
    const ms_series gap = {capped.first - drawn.first, capped.slope - drawn.slope};
    const int cap_first = gap.first < 0.0;
    const int cap_last = gap.first + (n - 1.0) * gap.slope < 0.0;
    if (cap_first == cap_last) {
        return ms_series_sum(cap_first ? capped : drawn, n);
    }
    const double split = sign_change(gap, n);
    return ms_series_sum(cap_first ? capped : drawn, split) + series_range(cap_last ? capped : drawn, split, n);
}

double ms_iteration_joules(const ms_coefficients *c, const ms_batch *batch, const ms_durations *d, double n)
{
    if (d->floored == 0.0) {
        return series_joules(c, batch, batch->context, d->busy, d->gpu, n);
    }
    const ms_series floor_s = {d->floor_s, 0.0};
    if (n <= d->floored) {
        return series_joules(c, batch, batch->context, floor_s, d->gpu, n);
    }
    const ms_series rest = {ms_durations_nth_s(d, d->floored), d->busy.slope};
    const ms_series gpu = {d->gpu.first + d->floored * d->gpu.slope, d->gpu.slope};
    const double context = batch->context + d->floored * (batch->decoders + batch->ahead);
    return series_joules(c, batch, batch->context, floor_s, d->gpu, d->floored) +
           series_joules(c, batch, context, rest, gpu, n - d->floored);
}

/* Of the decoders of a batch alone. */
static void put_decode(const ms_coefficients *c, const ms_batch *batch, ms_batch *decode, ms_durations *durations)
{
    decode->decoders = batch->decoders;
    decode->context = batch->context;
    decode->prompt_tokens = decode->prompt_work = decode->prompt_prior = decode->prompts = 0.0;
    decode->ahead = batch->ahead;
    decode->products_s = decode->decoders_s = batch->decoders_s;
    ms_iteration_put_durations(c, decode, durations);
}

/* Where more tokens are quicker than fewer, as tiled kernels can be, prompts add nothing. */
static ms_shares split(double decode, double all)
{
    const double least = decode < all ? decode : all;
    return (ms_shares){least, all - least};
}

ms_shares ms_iteration_joule_shares(const ms_coefficients *c, const ms_batch *batch, const ms_durations *d, double n)
{
    const double all = ms_iteration_joules(c, batch, d, n);
    if (batch->decoders == 0.0 || batch->prompt_tokens == 0.0) {
        return split(batch->decoders == 0.0 ? 0.0 : all, all);
    }
    ms_batch decode;
    ms_durations alone;
    put_decode(c, batch, &decode, &alone);
    return split(ms_iteration_joules(c, &decode, &alone, n), all);
}

ms_shares ms_iteration_second_shares(const ms_coefficients *c, const ms_batch *batch, const ms_durations *d, double n)
{
    const double all = ms_durations_sum(d, n);
    if (batch->decoders == 0.0 || batch->prompt_tokens == 0.0) {
        return split(batch->decoders == 0.0 ? 0.0 : all, all);
    }
    ms_batch decode;
    ms_durations alone;
    put_decode(c, batch, &decode, &alone);
    return split(ms_durations_sum(&alone, n), all);
}
