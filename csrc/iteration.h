/* One iteration of a batching GPU server, and n of them at once.
 *
 *     tau = g(p + B) + ab B + (ak + [p > 0] akm) K + aq W                               seconds
 *     g(n) = a0 + c1 max(0, n - n*) + aE (1 - (1 - top_k/E)^(sE n))                     dense: aE = 0
 *     eps = min( P_cap tau,  P0 tau + e (p + B) + ek K )                                 joules
 *
 * p prompt tokens, B decoding sequences, K their cached tokens, W = sum over prompts of p_i (c_i + p_i/2)
 * with c_i tokens of prompt i already cached. With B = 0 the terms of B and K vanish.
 *
 * While the composition of the batch stands, K grows by B and each c_i by p_i an iteration, so tau and
 * eps are linear in the iteration's number and n of them sum in closed form. */
#ifndef MS_ITERATION_H
#define MS_ITERATION_H

#include <stdint.h>

#include "maths.h"

/* Of a whole replica: powers are those of all its GPUs together. */
typedef struct ms_coefficients {
    double a0_s;
    double c1_s_per_token;
    double nstar_tokens;
    double ae_s;             /* 0 for a dense model */
    double se;
    double experts;
    double top_k;
    double ab_s_per_sequence;
    double ak_s_per_token;
    double akm_s_per_token;
    double aq_s_per_token2;
    double p0_w;
    double e_j_per_token;
    double ek_j_per_token;
    double p_cap_w;
    double p_idle_w;
} ms_coefficients;

/* What an iteration does. */
typedef struct ms_batch {
    double decoders;      /* B */
    double context;       /* K, tokens */
    double prompt_tokens; /* p */
    double prompt_work;   /* W, tokens^2 */
} ms_batch;

/* A quantity that starts at `first` and grows by `slope` an iteration. */
typedef struct ms_series {
    double first;
    double slope;
} ms_series;

/* g(n): seconds of the products with the weights, for so many tokens. */
MS_INLINE double ms_batch_seconds(const ms_coefficients *c, double tokens)
{
    const double above = tokens - c->nstar_tokens;
    double seconds = c->a0_s + c->c1_s_per_token * (above > 0.0 ? above : 0.0);
    if (c->ae_s > 0.0) {
        const double idle_share = ms_exp(c->se * tokens * ms_log(1.0 - c->top_k / c->experts));
        seconds += c->ae_s * (1.0 - idle_share);
    }
    return seconds;
}

/* Seconds of an iteration. */
ms_series ms_iteration_seconds(const ms_coefficients *c, const ms_batch *batch);

/* The sum of the first n terms: n first + slope n (n - 1) / 2. */
static inline double ms_series_sum(ms_series series, double n)
{
    return n * series.first + series.slope * (n * (n - 1.0) / 2.0);
}

/* Joules of the first n iterations, split at the one where the cap starts or ends to bind. */
double ms_iteration_joules(const ms_coefficients *c, const ms_batch *batch, double n);

/* The same where the batch's durations are known already. */
double ms_iteration_joules_of(const ms_coefficients *c, const ms_batch *batch, ms_series tau, double n);

/* How n iterations are paid: the decoding sequences together, and the prompts together. */
typedef struct ms_shares {
    double decode;
    double prompt;
} ms_shares;

/* Joules: decoders pay eps(0, B, K), prompts what they add to it. `tau` are the batch's durations. */
ms_shares ms_iteration_joule_shares(const ms_coefficients *c, const ms_batch *batch, ms_series tau, double n);

/* Seconds, shared by the same rule: what USD per GPU-hour multiply. */
ms_shares ms_iteration_second_shares(const ms_coefficients *c, const ms_batch *batch, ms_series tau, double n);

#endif
