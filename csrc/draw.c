#include "draw.h"

#include "maths.h"

/* 52 bits of two words as (k + 1/2) 2^-52: exact, and never 0 or 1. */
MS_INLINE double uniform52(uint64_t high, uint64_t low)
{
    const uint64_t k = (high << 20) | (low >> 12);
    return ((ms_from_bits(0x4330000000000000u | k) - 0x1p52) + 0.5) * 0x1p-52;
}

MS_INLINE double uniform32(uint64_t word)
{
    return ((ms_from_bits(0x4330000000000000u | word) - 0x1p52) + 0.5) * 0x1p-32;
}

MS_INLINE void lanes52(const ms_stream *stream, int odd, uint64_t first, double u[MS_LANES])
{
    uint64_t w0[MS_LANES], w1[MS_LANES], w2[MS_LANES], w3[MS_LANES];
    ms_philox_lanes(stream, first, w0, w1, w2, w3);
    const uint64_t *high = odd ? w2 : w0, *low = odd ? w3 : w1;
    for (int i = 0; i < MS_LANES; i++) {
        u[i] = uniform52(high[i], low[i]);
    }
}

MS_INLINE void copy_out(const double block[MS_LANES], int64_t left, double *out)
{
    const int64_t n = left < MS_LANES ? left : MS_LANES;
    for (int64_t i = 0; i < n; i++) {
        out[i] = block[i];
    }
}

MS_CLONES void ms_draw_uniform(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        double u[MS_LANES];
        lanes52(stream, odd, first + (uint64_t)start, u);
        copy_out(u, n - start, out + start);
    }
}

MS_CLONES void ms_draw_choice(const ms_stream *stream, uint64_t first, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        uint64_t w0[MS_LANES], w1[MS_LANES], w2[MS_LANES], w3[MS_LANES];
        double u[MS_LANES];
        ms_philox_lanes(stream, first + (uint64_t)start, w0, w1, w2, w3);
        for (int i = 0; i < MS_LANES; i++) {
            u[i] = uniform32(w0[i]);
        }
        copy_out(u, n - start, out + start);
    }
}

MS_CLONES void ms_quantile_exponential(const double *u, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_exponential_quantile(u[i]);
    }
}

MS_CLONES void ms_exp_many(const double *x, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_exp(x[i]);
    }
}

MS_CLONES void ms_log_many(const double *x, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_log(x[i]);
    }
}

enum { NORMAL_BLOCK = 1024 };

/* 85 % of the draws lie in the central range. They are computed for all, side by side; the tails,
 * which cost a logarithm and a root, are gathered, computed side by side and put back. */
MS_INLINE void normal_block(const double *u, int64_t n, double *out)
{
    double tail_u[NORMAL_BLOCK], tail_z[NORMAL_BLOCK];
    int32_t tail_at[NORMAL_BLOCK];
    int32_t tails = 0;
    for (int64_t i = 0; i < n; i++) {
        tail_u[tails] = u[i];
        tail_at[tails] = (int32_t)i;
        tails += ms_normal_is_tail(u[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = ms_normal_centre(u[i] - 0.5);
    }
    for (int32_t i = 0; i < tails; i++) {
        const double tail = tail_u[i] < 0.5 ? tail_u[i] : 1.0 - tail_u[i];
        const double z = ms_normal_tail(sqrt(-ms_log(tail)));
        tail_z[i] = tail_u[i] < 0.5 ? -z : z;
    }
    for (int32_t i = 0; i < tails; i++) {
        /* beyond sqrt(-ln p) = 5, once in 36 thousand million draws on a side, the far range */
        const double nearest = tail_u[i] < 0.5 ? tail_u[i] : 1.0 - tail_u[i];
        out[tail_at[i]] = nearest < 1.4e-11 ? ms_normal_outer(tail_u[i]) : tail_z[i];
    }
}

MS_CLONES void ms_quantile_normal(const double *u, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += NORMAL_BLOCK) {
        normal_block(u + start, n - start < NORMAL_BLOCK ? n - start : NORMAL_BLOCK, out + start);
    }
}

MS_CLONES void ms_draw_exponential(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        double u[MS_LANES];
        lanes52(stream, odd, first + (uint64_t)start, u);
        for (int i = 0; i < MS_LANES; i++) {
            u[i] = ms_exponential_quantile(u[i]);
        }
        copy_out(u, n - start, out + start);
    }
}

void ms_draw_normal(const ms_stream *stream, int odd, uint64_t first, int64_t n, double *out)
{
    double u[NORMAL_BLOCK];
    for (int64_t start = 0; start < n; start += NORMAL_BLOCK) {
        const int64_t block = n - start < NORMAL_BLOCK ? n - start : NORMAL_BLOCK;
        ms_draw_uniform(stream, odd, first + (uint64_t)start, block, u);
        ms_quantile_normal(u, block, out + start);
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

MS_INLINE void lanes52_pair(const ms_stream *stream, uint64_t first, double even[MS_LANES], double odd[MS_LANES])
{
    uint64_t w0[MS_LANES], w1[MS_LANES], w2[MS_LANES], w3[MS_LANES];
    ms_philox_lanes(stream, first, w0, w1, w2, w3);
    for (int i = 0; i < MS_LANES; i++) {
        even[i] = uniform52(w0[i], w1[i]);
        odd[i] = uniform52(w2[i], w3[i]);
    }
}

MS_CLONES void ms_draw_uniform_pair(const ms_stream *stream, uint64_t first, int64_t n, double *out)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        double even[MS_LANES], odd[MS_LANES];
        lanes52_pair(stream, first + (uint64_t)start, even, odd);
        const int64_t length = n - start < MS_LANES ? n - start : MS_LANES;
        for (int64_t i = 0; i < length; i++) {
            out[2 * (start + i)] = even[i];
            out[2 * (start + i) + 1] = odd[i];
        }
    }
}

static MS_CLONES void uniform_columns(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        double a[MS_LANES], b[MS_LANES];
        lanes52_pair(stream, first + (uint64_t)start, a, b);
        copy_out(a, n - start, even + start);
        copy_out(b, n - start, odd + start);
    }
}

void ms_draw_normal_pair(const ms_stream *stream, uint64_t first, int64_t n, double *even, double *odd)
{
    double a[NORMAL_BLOCK], b[NORMAL_BLOCK];
    for (int64_t start = 0; start < n; start += NORMAL_BLOCK) {
        const int64_t block = n - start < NORMAL_BLOCK ? n - start : NORMAL_BLOCK;
        uniform_columns(stream, first + (uint64_t)start, block, a, b);
        ms_quantile_normal(a, block, even + start);
        ms_quantile_normal(b, block, odd + start);
    }
}

MS_CLONES void ms_draw_geometric(const ms_stream *stream, uint64_t first, int64_t n, double scale, double most,
                                 int32_t *out)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        double u[MS_LANES];
        lanes52(stream, 0, first + (uint64_t)start, u);
        for (int i = 0; i < MS_LANES; i++) {
            const double count = 1.0 + floor(ms_exponential_quantile(u[i]) * scale);
            u[i] = count < most ? count : most;
        }
        const int64_t length = n - start < MS_LANES ? n - start : MS_LANES;
        for (int64_t i = 0; i < length; i++) {
            out[start + i] = (int32_t)u[i];
        }
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
    double x[NORMAL_BLOCK];
    for (int64_t start = 0; start < n; start += NORMAL_BLOCK) {
        const int64_t block = n - start < NORMAL_BLOCK ? n - start : NORMAL_BLOCK;
        ms_draw_lognormal(stream, 0, first + (uint64_t)start, block, mu, sigma, x);
        to_counts(x, block, most, out + start);
    }
}

MS_CLONES void ms_draw_logistic(const ms_stream *stream, uint64_t first, int64_t n, double slope, double ability,
                                const double *difficulty, double *out)
{
    for (int64_t start = 0; start < n; start += MS_LANES) {
        uint64_t w0[MS_LANES], w1[MS_LANES], w2[MS_LANES], w3[MS_LANES];
        double u[MS_LANES], hard[MS_LANES];
        const int64_t length = n - start < MS_LANES ? n - start : MS_LANES;
        for (int64_t i = 0; i < MS_LANES; i++) {
            hard[i] = difficulty[start + (i < length ? i : 0)];
        }
        ms_philox_lanes(stream, first + (uint64_t)start, w0, w1, w2, w3);
        for (int i = 0; i < MS_LANES; i++) {
            u[i] = uniform32(w0[i]) < ms_sigmoid(slope * (ability - hard[i])) ? 1.0 : 0.0;
        }
        copy_out(u, length, out + start);
    }
}

double ms_draw_one(const ms_stream *stream, int odd, uint64_t request)
{
    const uint32_t key[2] = {stream->seed, stream->column};
    const uint32_t counter[4] = {(uint32_t)request, (uint32_t)(request >> 32), stream->replication,
                                 stream->sub};
    uint32_t words[4];
    ms_philox_block(key, counter, words);
    return odd ? uniform52(words[2], words[3]) : uniform52(words[0], words[1]);
}
