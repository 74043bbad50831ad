/* exp, log and quantile functions from + - x / and sqrt alone.
 *
 * libm gives other bits on a machine without FMA or with another version; these do not, and they
 * vectorise. Accuracy, over the range stated, against mpmath (tests/test_draw.py):
 *
 *     ms_exp               1 ulp     |x| <= 708; beyond it e^708 or e^-708, never 0 or infinite
 *     ms_log               1 ulp     positive normal numbers
 *     ms_normal_quantile   relative 1e-15 (Wichura: "about 1 part in 10^16") */
#ifndef MS_MATHS_H
#define MS_MATHS_H

#include <math.h> /* sqrt, floor, fabs only: exact in IEEE 754, one instruction each */
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "clones.h"

MS_INLINE double ms_from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

MS_INLINE uint64_t ms_to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ln 2 in two parts: high * k is exact for |k| < 2^11. */
#define MS_LN2_HIGH 0x1.62e42fefa0000p-1
#define MS_LN2_LOW 0x1.cf79abc9e3b3ap-40

/* 2^k of a whole k with k + 1023 in [1, 2046]: adding 2^52 puts the integer into the low bits, without a cast. */
MS_INLINE double ms_two_to(double k)
{
    return ms_from_bits(ms_to_bits(k + (1023.0 + 0x1p52)) << 52);
}

/* e^x: x = k ln 2 + r with |r| <= ln(2)/2, e^r by its Taylor polynomial of degree 13 (whose
 * remainder, 4e-18, is far below half an ulp), times 2^k in two exact factors. */
MS_INLINE double ms_exp(double x)
{
    const double low = x < -708.0 ? -708.0 : x;
    const double clipped = low > 708.0 ? 708.0 : low;
    const double k = floor(clipped * 0x1.71547652b82fep0 + 0.5);
    const double r = (clipped - k * MS_LN2_HIGH) - k * MS_LN2_LOW;
    double s = 1.0 / 6227020800.0;
    s = s * r + 1.0 / 479001600.0;
    s = s * r + 1.0 / 39916800.0;
    s = s * r + 1.0 / 3628800.0;
    s = s * r + 1.0 / 362880.0;
    s = s * r + 1.0 / 40320.0;
    s = s * r + 1.0 / 5040.0;
    s = s * r + 1.0 / 720.0;
    s = s * r + 1.0 / 120.0;
    s = s * r + 1.0 / 24.0;
    s = s * r + 1.0 / 6.0;
    s = s * r + 0.5;
    const double power = 1.0 + (r + r * r * s);
    return power * ms_two_to(k);
}

/* ln x: x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), and with s = f / (2 + f)
 * ln(1 + f) = f - f^2/2 + s (f^2/2 + R), R = 2 s^2/3 + 2 s^4/5 + ...: the series of artanh, arranged
 * so that its rounding errors come in late (the arrangement of FDLIBM's e_log.c). */
MS_INLINE double ms_log(double x)
{
    const uint64_t bits = ms_to_bits(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    const double k = ms_from_bits(0x4330000000000000u | (bits >> 52)) - (0x1p52 + 1023.0);
    const double f =
        ms_from_bits((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    double series = 2.0 / 25.0;
    series = series * z + 2.0 / 23.0;
    series = series * z + 2.0 / 21.0;
    series = series * z + 2.0 / 19.0;
    series = series * z + 2.0 / 17.0;
    series = series * z + 2.0 / 15.0;
    series = series * z + 2.0 / 13.0;
    series = series * z + 2.0 / 11.0;
    series = series * z + 2.0 / 9.0;
    series = series * z + 2.0 / 7.0;
    series = series * z + 2.0 / 5.0;
    series = series * z + 2.0 / 3.0;
    const double half_square = 0.5 * f * f;
    return k * MS_LN2_HIGH -
           ((half_square - (s * (half_square + series * z) + k * MS_LN2_LOW)) - f);
}

MS_INLINE double ms_sigmoid(double z)
{
    return 1.0 / (1.0 + ms_exp(-z));
}

/* x^-kappa for x >= 1; two square roots where kappa is the paper's 1/4. */
MS_INLINE double ms_inverse_power(double x, double kappa)
{
    return kappa == 0.25 ? 1.0 / sqrt(sqrt(x)) : ms_exp(-kappa * ms_log(x));
}

/* The three ranges of Wichura's algorithm AS 241, PPND16 (Applied Statistics 37(3), 1988, 477-484); the
 * centre for doubles and for vectors of them (normals.c). */
#define MS_NORMAL_CENTRE_FOR(real, name)                        \
MS_INLINE real name(real q)                                     \
{                                                               \
    const real r = 0.180625 - q * q;                            \
    real a = 2509.0809287301226727 * r + 33430.575583588128105; \
    a = a * r + 67265.770927008700853;                          \
    a = a * r + 45921.953931549871457;                          \
    a = a * r + 13731.693765509461125;                          \
    a = a * r + 1971.5909503065514427;                          \
    a = a * r + 133.14166789178437745;                          \
    a = a * r + 3.387132872796366608;                           \
    real b = 5226.495278852854561 * r + 28729.085735721942674;  \
    b = b * r + 39307.89580009271061;                           \
    b = b * r + 21213.794301586595867;                          \
    b = b * r + 5394.1960214247511077;                          \
    b = b * r + 687.1870074920579083;                           \
    b = b * r + 42.313330701600911252;                          \
    b = b * r + 1.0;                                            \
    return q * a / b;                                           \
}
MS_NORMAL_CENTRE_FOR(double, ms_normal_centre)

/* root = sqrt(-ln(tail probability)) <= 5 */
MS_INLINE double ms_normal_tail(double root)
{
    const double r = root - 1.6;
    double c = 7.7454501427834140764e-4;
    c = c * r + 0.0227238449892691845833;
    c = c * r + 0.24178072517745061177;
    c = c * r + 1.27045825245236838258;
    c = c * r + 3.64784832476320460504;
    c = c * r + 5.7694972214606914055;
    c = c * r + 4.6303378461565452959;
    c = c * r + 1.42343711074968357734;
    double d = 1.05075007164441684324e-9;
    d = d * r + 5.475938084995344946e-4;
    d = d * r + 0.0151986665636164571966;
    d = d * r + 0.14810397642748007459;
    d = d * r + 0.68976733498510000455;
    d = d * r + 1.6763848301838038494;
    d = d * r + 2.05319162663775882187;
    d = d * r + 1.0;
    return c / d;
}

/* root > 5 */
MS_INLINE double ms_normal_far_tail(double root)
{
    const double r = root - 5.0;
    double e = 2.01033439929228813265e-7;
    e = e * r + 2.71155556874348757815e-5;
    e = e * r + 0.0012426609473880784386;
    e = e * r + 0.026532189526576123093;
    e = e * r + 0.29656057182850489123;
    e = e * r + 1.7848265399172913358;
    e = e * r + 5.4637849111641143699;
    e = e * r + 6.6579046435011037772;
    double f = 2.04426310338993978564e-15;
    f = f * r + 1.4215117583164458887e-7;
    f = f * r + 1.8463183175100546818e-5;
    f = f * r + 7.868691311456132591e-4;
    f = f * r + 0.0148753612908506148525;
    f = f * r + 0.13692988092273580531;
    f = f * r + 0.59983220655588793769;
    f = f * r + 1.0;
    return e / f;
}

/* a < b ? a : b, and a > b ? a : b, by one instruction: compilers may make a branch of either, which costs more where
 * nobody can foretell its way. */
#if defined(__SSE2__)
MS_INLINE double ms_less(double a, double b)
{
    return _mm_cvtsd_f64(_mm_min_sd(_mm_set_sd(a), _mm_set_sd(b)));
}

MS_INLINE double ms_more(double a, double b)
{
    return _mm_cvtsd_f64(_mm_max_sd(_mm_set_sd(a), _mm_set_sd(b)));
}
#else
MS_INLINE double ms_less(double a, double b)
{
    return a < b ? a : b;
}

MS_INLINE double ms_more(double a, double b)
{
    return a > b ? a : b;
}
#endif

MS_INLINE int64_t ms_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#define MS_NORMAL_CENTRE 0.425 /* how far the central range goes from 1/2 */

/* Whether u lies outside the central range. */
MS_INLINE int ms_normal_is_tail(double u)
{
    return fabs(u - 0.5) > MS_NORMAL_CENTRE;
}

MS_INLINE double ms_normal_outer(double u)
{
    const double tail = u < 0.5 ? u : 1.0 - u;
    const double root = sqrt(-ms_log(tail));
    const double z = root <= 5.0 ? ms_normal_tail(root) : ms_normal_far_tail(root);
    return u < 0.5 ? -z : z;
}

/* The standard normal quantile of 0 < u < 1. */
MS_INLINE double ms_normal_quantile(double u)
{
    return ms_normal_is_tail(u) ? ms_normal_outer(u) : ms_normal_centre(u - 0.5);
}

/* The unit-mean exponential quantile of 0 < u < 1. */
MS_INLINE double ms_exponential_quantile(double u)
{
    return -ms_log(1.0 - u);
}

#endif
