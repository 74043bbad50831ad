/* One iteration of a batching GPU server, and n of them at once.
 *
 *     gpu = g(p + (k + 1) B) + ab B + ak K + aq W + [p > 0] (a1 + ac C + akm K + akx K/B + abk B K) + [k B > 0] (d0 + d1 B)
 *     g(n) = a0 + c0 n + c1 max(0, n - n*) + aE (1 - (1 - top_k/E)^(sE n))         dense: aE = 0
 *            or, where knots are given, linear between them and beyond the last
 *     tau = gpu + host (sum)  or  after + max(gpu, host) (overlap),   host = h0 + h1 (B + prompts)
 *     eps = min( P_cap tau,  P0 tau - Ps (tau - gpu) + e (p + (k + 1) B) + ek K )            seconds, joules
 *
 * p prompt tokens, B decoding sequences, K their cached tokens, C = sum of c_i and W = sum of p_i (c_i + p_i/2)
 * over the prompts, c_i tokens of prompt i already cached. With B = 0 the terms of B and K vanish. Every
 * coefficient is at least 0. k drafts of each decoding sequence are checked beside its token, which a draft model makes in
 * d0 + d1 B seconds; 0 without speculative decoding.
 *
 * While the composition of the batch stands, K grows by B, with drafts by more, and each c_i by p_i an iteration, so gpu
 * is linear in the iteration's number, tau is constant while the host binds and linear from then on, eps linear
 * in each part, and n of them sum in closed form. */
#ifndef MS_ITERATION_H
#define MS_ITERATION_H

#include <stdint.h>

#include "maths.h"

enum { MS_MOST_KNOTS = 32 };

enum ms_host_kind {
    MS_HOST_SUM,    /* the host prepares an iteration while the GPU waits */
    MS_HOST_OVERLAP /* the host prepares the next iteration while the GPU works on this one */
};

/* The coefficients of a replica: powers are those of all its GPUs together. ae_s is 0 for a dense model; a1, ac, akm, akx and
 * abk are of iterations that carry prompts; host_s is h0, host_s_per_sequence h1, and after_s counts with MS_HOST_OVERLAP
 * only. draft_tokens is k, draft_s d0, draft_s_per_sequence d1. spared_w is Ps, by how much a GPU that waits for its host
 * draws less than P0. */
typedef struct ms_coefficients {
    double a0_s, c0_s_per_token, c1_s_per_token, nstar_tokens;
    double ae_s, se, experts, top_k;
    double ab_s_per_sequence, ak_s_per_token, akm_s_per_token, aq_s_per_token2;
    double a1_s, ac_s_per_token, akx_s_per_token, abk_s_per_token;
    double draft_tokens, draft_s, draft_s_per_sequence;
    double host_s, host_s_per_sequence, after_s;
    double p0_w, spared_w, e_j_per_token, ek_j_per_token, p_cap_w, p_idle_w;
    int32_t host_kind;                 /* enum ms_host_kind */
    int32_t knots;                     /* 0: g by a0, c0, c1, n*, aE; else at least 2 */
    double knot_tokens[MS_MOST_KNOTS]; /* rising */
    double knot_s[MS_MOST_KNOTS];
} ms_coefficients;

/* What an iteration does. */
typedef struct ms_batch {
    double decoders;      /* B */
    double context;       /* K, tokens */
    double prompt_tokens; /* p */
    double prompt_work;   /* W, tokens^2 */
    double prompt_prior;  /* C, tokens */
    double prompts;       /* how many */
    double ahead;         /* tokens an iteration by which K grows beyond B: right drafts */
    double products_s;    /* g of all its tokens, and */
    double decoders_s;    /* of the decoders alone; 0: it is yet to be worked out */
} ms_batch;

/* A quantity that starts at `first` and grows by `slope` an iteration. */
typedef struct ms_series {
    double first;
    double slope;
} ms_series;

/* Linear between knots, and beyond the last as before it; below the first knot its own value. */
MS_INLINE double ms_knot_seconds(const ms_coefficients *c, double tokens)
{
    int64_t k = 1;
    for (int32_t i = 1; i < c->knots - 1; i++) { /* of few, all are compared sooner than one after the other */
        k += c->knot_tokens[i] < tokens;
    }
    const double from = c->knot_tokens[k - 1], past = tokens - from;
    const double slope = (c->knot_s[k] - c->knot_s[k - 1]) / (c->knot_tokens[k] - from);
    return c->knot_s[k - 1] + (past > 0.0 ? slope * past : 0.0);
}

/* g(n) without knots. */
MS_INLINE double ms_formula_seconds(const ms_coefficients *c, double tokens)
{
    const double above = tokens - c->nstar_tokens;
    double seconds = c->a0_s + c->c0_s_per_token * tokens + c->c1_s_per_token * (above > 0.0 ? above : 0.0);
    if (c->ae_s > 0.0) {
        const double idle_share = ms_exp(c->se * tokens * ms_log(1.0 - c->top_k / c->experts));
        seconds += c->ae_s * (1.0 - idle_share);
    }
    return seconds;
}

/* g(n): seconds of the products with the weights, for so many tokens. */
MS_INLINE double ms_batch_seconds(const ms_coefficients *c, double tokens)
{
    return c->knots > 0 ? ms_knot_seconds(c, tokens) : ms_formula_seconds(c, tokens);
}

/* The host's time for an iteration of so many sequences, prompts too. */
MS_INLINE double ms_host_s(const ms_coefficients *c, double sequences)
{
    return c->host_s + c->host_s_per_sequence * sequences;
}

/* Seconds of an iteration that takes the GPU and the host so long. */
MS_INLINE double ms_with_host_s(const ms_coefficients *c, double gpu_s, double host_s)
{
    if (c->host_kind == MS_HOST_SUM) {
        return gpu_s + host_s;
    }
    return gpu_s < host_s ? c->after_s + host_s : gpu_s + c->after_s;
}

/* The sum of the first n terms: n first + slope n (n - 1) / 2. */
static inline double ms_series_sum(ms_series series, double n)
{
    return n * series.first + series.slope * (n * (n - 1.0) / 2.0);
}

/* Durations of the iterations of one composition: `floor_s` for the first `floored` of them, where the host binds,
 * then those of `busy`, counted from the first iteration too. */
typedef struct ms_durations {
    ms_series gpu;  /* what the GPU works, seconds */
    ms_series busy; /* what an iteration takes where the host does not bind */
    double floor_s;
    double floored; /* 0: never */
} ms_durations;

ms_durations ms_iteration_durations(const ms_coefficients *c, const ms_batch *batch);

/* The same, put where they stay: a structure that is handed back is read before its parts are stored. */
void ms_iteration_put_durations(const ms_coefficients *c, const ms_batch *batch, ms_durations *out);

/* Seconds of iteration j = 0, 1, ... */
double ms_durations_nth_s(const ms_durations *d, double j);

/* Seconds of the first n iterations. */
static inline double ms_durations_sum(const ms_durations *d, double n)
{
    if (d->floored == 0.0) {
        return ms_series_sum(d->busy, n);
    }
    if (n <= d->floored) {
        return n * d->floor_s;
    }
    return d->floored * d->floor_s + (ms_series_sum(d->busy, n) - ms_series_sum(d->busy, d->floored));
}

/* Joules of the first n iterations, split at the one where the power cap starts or ends to bind. */
double ms_iteration_joules(const ms_coefficients *c, const ms_batch *batch, const ms_durations *d, double n);

/* How n iterations are paid: the decoding sequences together, and the prompts together. */
typedef struct ms_shares {
    double decode;
    double prompt;
} ms_shares;

/* Joules: decoders pay eps(0, B, K), prompts what they add to it. `d` are the batch's durations. */
ms_shares ms_iteration_joule_shares(const ms_coefficients *c, const ms_batch *batch, const ms_durations *d, double n);

/* Seconds, decoders paying for what they would take alone: what USD per GPU-hour multiply. */
ms_shares ms_iteration_second_shares(const ms_coefficients *c, const ms_batch *batch, const ms_durations *d, double n);

#endif
