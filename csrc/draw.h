/* Columns of random numbers: a quantile function applied to one counter-based uniform a request.
 *
 * `out[i]` belongs to request `first + i`. A quantile takes 52 bits, u = (k + 1/2) 2^-52, from words
 * (0, 1) of the block, or from words (2, 3) where `odd` is set: two components of a vector column
 * share a block. A Bernoulli or a choice takes 32 bits, u = (k + 1/2) 2^-32, from word 0. No u is
 * ever 0 or 1. */
#ifndef MS_DRAW_H
#define MS_DRAW_H

#include <stdint.h>

#include "philox.h"

/* u of 52 bits */
void ms_draw_uniform(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out);

/* u of 32 bits */
void ms_draw_choice(const ms_stream *stream, uint64_t first, int64_t n, double *out);

/* mean 1 */
void ms_draw_exponential(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out);

/* mean 0, standard deviation 1 */
void ms_draw_normal(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out);

/* exp(mu + sigma z), z standard normal */
void ms_draw_lognormal(const ms_stream *stream, int odd, uint64_t first, int64_t n, double mu,
                       double sigma, double *out);

/* Both quantile uniforms of each block, out[2 i] from words (0, 1) and out[2 i + 1] from words (2, 3). */
void ms_draw_uniform_pair(const ms_stream *stream, uint64_t first, int64_t n, double *out);

/* Two components of a vector column from one block a request: what ms_draw_normal gives without and with odd. */
void ms_draw_normal_pair(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd);

/* Token counts: min(most, 1 + floor(scale x)), x exponential: geometric on 1, 2, ... */
void ms_draw_geometric(const ms_stream *stream, uint64_t first, int64_t n, double scale, double most, int32_t *out);

/* The same of a model of its own for each request: models have streams alike but for the column, scales and mosts. */
void ms_draw_geometric_of(const ms_stream *stream, uint64_t first, int64_t n, const int32_t *model,
                          const uint32_t *columns, const double *scales, const double *mosts, int32_t *out);

/* Token counts: exp(mu + sigma z) to the nearest, at least 1 and at most `most`. */
void ms_draw_lognormal_count(const ms_stream *stream, uint64_t first, int64_t n, double mu, double sigma, double most,
                             int32_t *out);

/* 1 with probability sigmoid(slope (ability - difficulty[i])), else 0. */
void ms_draw_logistic(const ms_stream *stream, uint64_t first, int64_t n, double slope, double ability,
                      const double *difficulty, double *out);

/* The same quantile functions on given u in (0, 1), which is other memory than `out`: for tests and for laws built upon
 * them. */
void ms_draw_quantile_exponential(const double *u, int64_t n, double *out);
void ms_draw_quantile_normal(const double *u, int64_t n, double *out);

/* exp and log, elementwise: for tests and for columns that must not depend on libm. */
void ms_draw_exp_many(const double *x, int64_t n, double *out);
void ms_draw_log_many(const double *x, int64_t n, double *out);

/* Numbers become the sums of all up to each, from left to right, after those before them, whose sum is `before`: its
 * successor is returned. */
double ms_draw_sum_up(double *x, int64_t n, double before);

/* One u of 52 bits: what ms_draw_uniform gives for one request. */
double ms_draw_one(const ms_stream *stream, int odd, uint64_t request);

/* The exponential variate of one index, of mean 1. */
double ms_draw_one_exponential(const ms_stream *stream, int64_t index);

#endif
