/* Trees whose nodes have eight children each: the doubles of eight siblings are one line of the processor's cache, so that the
 * way from a leaf of 10,000 to the root reads 5 lines that few others share, where two children a node would make it 14.
 *
 * Level 0 are the leaves; those of a level stand side by side, and each level is filled up to whole groups of eight. */
#ifndef MS_EIGHTS_H
#define MS_EIGHTS_H

#include <math.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { MS_EIGHTS_LEVELS = 12 };

typedef struct ms_eights {
    int32_t top;                         /* level of the root */
    int32_t first[MS_EIGHTS_LEVELS + 1]; /* node i of level l is at first[l] + i */
} ms_eights;

/* For at least one leaf. */
static inline ms_eights ms_eights_of(int32_t leaves)
{
    ms_eights made = {0};
    int32_t nodes = leaves;
    do {
        const int32_t groups = (nodes + 7) / 8;
        made.first[made.top + 1] = made.first[made.top] + 8 * groups;
        made.top++;
        nodes = groups;
    } while (nodes > 1);
    return made;
}

static inline int32_t ms_eights_root(const ms_eights *self)
{
    return self->first[self->top];
}

/* All nodes, those that fill up included. */
static inline int32_t ms_eights_size(const ms_eights *self)
{
    return self->first[self->top] + 1;
}

/* ---- eight values side by side ---------------------------------------------------------------------------------
 *
 * Compilers do not see that scans for the least can be. */

#if defined(__SSE2__)
typedef __m128d ms_eights_pair;

static inline ms_eights_pair ms_eights_both(double value)
{
    return _mm_set1_pd(value);
}

static inline ms_eights_pair ms_eights_load(const double *values)
{
    return _mm_loadu_pd(values);
}

static inline ms_eights_pair ms_eights_lesser(ms_eights_pair a, ms_eights_pair b)
{
    return _mm_min_pd(a, b);
}

static inline ms_eights_pair ms_eights_greater(ms_eights_pair a, ms_eights_pair b)
{
    return _mm_max_pd(a, b);
}

static inline double ms_eights_least_of(ms_eights_pair a)
{
    return _mm_cvtsd_f64(_mm_min_sd(a, _mm_unpackhi_pd(a, a)));
}

/* A bit for each of the two that is `value`. */
static inline uint32_t ms_eights_equals(ms_eights_pair a, double value)
{
    return (uint32_t)_mm_movemask_pd(_mm_cmpeq_pd(a, _mm_set1_pd(value)));
}

/* Of the two, those whose bit of the lowest two of `who` is set by `with`, the others by `without`. */
static inline ms_eights_pair ms_eights_either(ms_eights_pair with, ms_eights_pair without, uint32_t who)
{
    static const int64_t TAKEN[4][2] = {{0, 0}, {-1, 0}, {0, -1}, {-1, -1}};
    const __m128d taken = _mm_castsi128_pd(_mm_loadu_si128((const __m128i *)(const void *)TAKEN[who & 3]));
    return _mm_or_pd(_mm_and_pd(taken, with), _mm_andnot_pd(taken, without));
}
#else
typedef struct ms_eights_pair {
    double first, second;
} ms_eights_pair;

static inline ms_eights_pair ms_eights_both(double value)
{
    return (ms_eights_pair){value, value};
}

static inline ms_eights_pair ms_eights_load(const double *values)
{
    return (ms_eights_pair){values[0], values[1]};
}

static inline ms_eights_pair ms_eights_lesser(ms_eights_pair a, ms_eights_pair b)
{
    return (ms_eights_pair){a.first < b.first ? a.first : b.first, a.second < b.second ? a.second : b.second};
}

static inline ms_eights_pair ms_eights_greater(ms_eights_pair a, ms_eights_pair b)
{
    return (ms_eights_pair){a.first > b.first ? a.first : b.first, a.second > b.second ? a.second : b.second};
}

static inline double ms_eights_least_of(ms_eights_pair a)
{
    return a.first < a.second ? a.first : a.second;
}

static inline uint32_t ms_eights_equals(ms_eights_pair a, double value)
{
    return (uint32_t)(a.first == value) | (uint32_t)(a.second == value) << 1;
}

static inline ms_eights_pair ms_eights_either(ms_eights_pair with, ms_eights_pair without, uint32_t who)
{
    return (ms_eights_pair){who & 1 ? with.first : without.first, who & 2 ? with.second : without.second};
}
#endif

/* At 8 - i of the first the i-th is infinite, of the second the least that there is. */
static const double MS_EIGHTS_ALL_BUT_ONE[16] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY,
                                                 -INFINITY, -INFINITY, INFINITY,  -INFINITY, -INFINITY, -INFINITY,
                                                 -INFINITY, -INFINITY, -INFINITY, -INFINITY};
static const double MS_EIGHTS_ONE[16] = {INFINITY, INFINITY,  INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,
                                         -INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};

/* The least of eight were the i-th this value, and a bit for each that is. It is stored by the caller only after: a processor
 * that reads two values of which one was just written waits until that is in its cache. */
static inline double ms_eights_least_with(const double *values, int32_t i, double value, uint32_t *who)
{
    const double *others = MS_EIGHTS_ALL_BUT_ONE + 8 - i, *one = MS_EIGHTS_ONE + 8 - i;
    const ms_eights_pair own = ms_eights_both(value);
    ms_eights_pair pairs[4];
    for (int k = 0; k < 4; k++) {
        const ms_eights_pair but_one = ms_eights_greater(ms_eights_load(values + 2 * k), ms_eights_load(others + 2 * k));
        pairs[k] = ms_eights_lesser(but_one, ms_eights_greater(own, ms_eights_load(one + 2 * k)));
    }
    const double least = ms_eights_least_of(
        ms_eights_lesser(ms_eights_lesser(pairs[0], pairs[1]), ms_eights_lesser(pairs[2], pairs[3])));
    *who = ms_eights_equals(pairs[0], least) | ms_eights_equals(pairs[1], least) << 2 |
           ms_eights_equals(pairs[2], least) << 4 | ms_eights_equals(pairs[3], least) << 6;
    return least;
}

/* The least of eight, and a bit for each that is. */
static inline double ms_eights_least(const double *values, uint32_t *who)
{
    return ms_eights_least_with(values, 0, values[0], who);
}

#endif
