#include "draw.h"

#include <stddef.h>

#include "clones.h"
#include "maths.h"
#include "normals.h"

enum { BLOCK = 1024, LANES = 8 }; /* values on their way through the cache, and side by side */

static int64_t at_once(int64_t left)
{
    return left < BLOCK ? left : BLOCK;
}

void ms_draw_uniform(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out)
{
    ms_philox_uniforms(stream, first, n, odd ? NULL : out, odd ? out : NULL);
}

void ms_draw_choice(const ms_stream *stream, uint64_t first, int64_t n, double *out)
{
    ms_philox_choices(stream, first, n, out);
}

MS_CLONES void ms_draw_quantile_exponential(const double *u, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_exponential_quantile(u[i]);
    }
}

MS_CLONES void ms_draw_exp_many(const double *x, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_exp(x[i]);
    }
}

MS_CLONES void ms_draw_log_many(const double *x, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_log(x[i]);
    }
}

/* 85 % of the draws lie in the central range, which is computed for all, side by side. The tails, which cost a logarithm
 * and a root, are computed side by side as well, in whole vectors, so that none is left to be computed by itself; a loop
 * for the roots and one for the rest keep more of them under way than one would. Returns how many lie beyond
 * sqrt(-ln p) = 5, once in 36 thousand million draws on a side. */
MS_INLINE int32_t normal_block(const double *restrict u, int32_t n, double *restrict out)
{
    int32_t places[BLOCK];
    double tails[BLOCK + LANES], z[BLOCK + LANES];
    const int32_t count = ms_normals_centres(u, n, out, places), whole = (count + LANES - 1) / LANES * LANES;
    for (int32_t i = 0; i < count; i++) {
        tails[i] = u[places[i]];
    }
    for (int32_t i = count; i < count + LANES; i++) {
        tails[i] = 0.5;
    }
    int32_t far = 0;
    for (int32_t i = 0; i < whole; i++) {
        const double tail = tails[i] < 0.5 ? tails[i] : 1.0 - tails[i];
        far += tail < 1.4e-11;
        z[i] = sqrt(-ms_log(tail));
    }
    for (int32_t i = 0; i < whole; i++) {
        const double distance = ms_normal_tail(z[i]);
        z[i] = tails[i] < 0.5 ? -distance : distance;
    }
    for (int32_t i = 0; i < count; i++) {
        out[places[i]] = z[i];
    }
    return far;
}

MS_CLONES void ms_draw_quantile_normal(const double *u, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t block = at_once(n - start);
        const int32_t far = normal_block(u + start, (int32_t)block, out + start);
        for (int64_t i = start; i < start + block && far > 0; i++) {
            if (ms_normal_is_tail(u[i])) {
                out[i] = ms_normal_outer(u[i]);
            }
        }
    }
}

void ms_draw_exponential(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        double u[BLOCK];
        const int64_t length = at_once(n - start);
        ms_draw_uniform(stream, odd, first + (uint64_t)start, length, u);
        ms_draw_quantile_exponential(u, length, out + start);
    }
}

void ms_draw_normal(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out)
{
    double u[BLOCK];
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t block = at_once(n - start);
        ms_draw_uniform(stream, odd, first + (uint64_t)start, block, u);
        ms_draw_quantile_normal(u, block, out + start);
    }
}

static MS_CLONES void exp_affine(double *x, int64_t n, double mu, double sigma)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = ms_exp(mu + sigma * x[i]);
    }
}

void ms_draw_lognormal(const ms_stream *stream, int odd, uint64_t first, int64_t n, double mu,
                       double sigma, double *out)
{
    ms_draw_normal(stream, odd, first, n, out);
    exp_affine(out, n, mu, sigma);
}

void ms_draw_uniform_pair(const ms_stream *stream, uint64_t first, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        double even[BLOCK], odd[BLOCK];
        const int64_t length = at_once(n - start);
        ms_philox_uniforms(stream, first + (uint64_t)start, length, even, odd);
        for (int64_t i = 0; i < length; i++) {
            out[2 * (start + i)] = even[i];
            out[2 * (start + i) + 1] = odd[i];
        }
    }
}

void ms_draw_normal_pair(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd)
{
    double a[BLOCK], b[BLOCK];
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t block = at_once(n - start);
        ms_philox_uniforms(stream, first + (uint64_t)start, block, a, b);
        ms_draw_quantile_normal(a, block, even + start);
        ms_draw_quantile_normal(b, block, odd + start);
    }
}

MS_INLINE int32_t geometric(double u, double scale, double most)
{
    const double count = 1.0 + floor(ms_exponential_quantile(u) * scale);
    return (int32_t)(count < most ? count : most);
}

static MS_CLONES void geometric_quantile(const double *u, int64_t n, double scale, double most, int32_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = geometric(u[i], scale, most);
    }
}

static MS_CLONES void geometric_quantiles(const double *u, int64_t n, const double *scales, const double *mosts,
                                          int32_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = geometric(u[i], scales[i], mosts[i]);
    }
}

void ms_draw_geometric(const ms_stream *stream, uint64_t first, int64_t n, double scale, double most, int32_t *out)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        double u[BLOCK];
        const int64_t length = at_once(n - start);
        ms_philox_uniforms(stream, first + (uint64_t)start, length, u, NULL);
        geometric_quantile(u, length, scale, most, out + start);
    }
}

void ms_draw_geometric_of(const ms_stream *stream, uint64_t first, int64_t n, const int32_t *model,
                          const uint32_t *columns, const double *scales, const double *mosts, int32_t *out)
{
    for (int64_t start = 0; start < n; start += BLOCK) {
        double u[BLOCK], scale[BLOCK], most[BLOCK];
        uint64_t column[BLOCK];
        const int64_t length = at_once(n - start);
        for (int64_t i = 0; i < length; i++) {
            const int32_t m = model[start + i];
            column[i] = columns[m];
            scale[i] = scales[m];
            most[i] = mosts[m];
        }
        ms_philox_uniforms_of(stream, column, first + (uint64_t)start, length, u);
        geometric_quantiles(u, length, scale, most, out + start);
    }
}

static MS_CLONES void to_counts(const double *x, int64_t n, double most, int32_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        const double rounded = floor(x[i] + 0.5);
        const double least = rounded < 1.0 ? 1.0 : rounded;
        out[i] = (int32_t)(least < most ? least : most);
    }
}

void ms_draw_lognormal_count(const ms_stream *stream, uint64_t first, int64_t n, double mu, double sigma, double most,
                             int32_t *out)
{
    double x[BLOCK];
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t block = at_once(n - start);
        ms_draw_lognormal(stream, 0, first + (uint64_t)start, block, mu, sigma, x);
        to_counts(x, block, most, out + start);
    }
}

static MS_CLONES void bernoulli(const double *u, int64_t n, double slope, double ability, const double *difficulty,
                                double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = u[i] < ms_sigmoid(slope * (ability - difficulty[i])) ? 1.0 : 0.0;
    }
}

/* The same by an exponential of relative error 4e-6, in half the time: u < 1 / (1 + e^x) where u (1 + e^x) < 1. Returns
 * whether any draw is too close for that. */
static MS_CLONES int bernoulli_roughly(const double *u, int64_t n, double slope, double ability, const double *difficulty,
                                       double *out)
{
    int any_close = 0;
    for (int64_t i = 0; i < n; i++) {
        const double x = slope * (difficulty[i] - ability);
        const double low = x < -80.0 ? -80.0 : x;
        const double clipped = low > 80.0 ? 80.0 : low;
        const double k = floor(clipped * 0x1.71547652b82fep0 + 0.5);
        const double r = clipped - k * 0x1.62e42fefa39efp-1; /* ln 2 */
        const double power = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0)))));
        const double excess = u[i] * (power * ms_two_to(k)) + (u[i] - 1.0);
        out[i] = excess < 0.0 ? 1.0 : 0.0;
        any_close |= !(fabs(excess) > 1e-5); /* NaN is */
    }
    return any_close;
}

void ms_draw_logistic(const ms_stream *stream, uint64_t first, int64_t n, double slope, double ability,
                      const double *difficulty, double *out)
{
    enum { PART = 256 }; /* one of 200 has a close draw */
    for (int64_t start = 0, length; start < n; start += length) {
        double u[PART];
        length = n - start < PART ? n - start : PART;
        ms_philox_choices(stream, first + (uint64_t)start, length, u);
        if (bernoulli_roughly(u, length, slope, ability, difficulty + start, out + start)) {
            bernoulli(u, length, slope, ability, difficulty + start, out + start);
        }
    }
}

double ms_draw_sum_up(double *x, int64_t n, double before)
{
    for (int64_t i = 0; i < n; i++) {
        before += x[i];
        x[i] = before;
    }
    return before;
}

double ms_draw_one(const ms_stream *stream, int odd, uint64_t request)
{
    const uint32_t key[2] = {stream->seed, stream->column};
    const uint32_t counter[4] = {(uint32_t)request, (uint32_t)(request >> 32), stream->replication,
                                 stream->sub};
    uint32_t words[4];
    ms_philox_block(key, counter, words);
    return odd ? ms_uniform52(words[2], words[3]) : ms_uniform52(words[0], words[1]);
}

double ms_draw_one_exponential(const ms_stream *stream, int64_t index)
{
    double x;
    ms_draw_exponential(stream, 0, (uint64_t)index, 1, &x);
    return x;
}
