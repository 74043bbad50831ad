#include "tails.h"

#include "clones.h"
#include "maths.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* From the i-th on; `count` is how many there were before. */
MS_INLINE int32_t take_from(const double *uniforms, int64_t i, int64_t n, double *tails, int32_t count)
{
    for (; i < n; i++) {
        tails[count] = uniforms[i];
        count += ms_normal_is_tail(uniforms[i]);
    }
    return count;
}

MS_INLINE void put_from(const double *uniforms, int64_t i, int64_t n, const double *values, double *out)
{
    for (; i < n; i++) {
        const int is_tail = ms_normal_is_tail(uniforms[i]);
        out[i] = is_tail ? *values : out[i];
        values += is_tail;
    }
}

#if defined(MS_NEEDS_AVX512)
#define AVX512 __attribute__((target("avx512f,popcnt")))

AVX512 MS_INLINE __mmask8 avx512_are_tails(__m512d u)
{
    const __m512d off = _mm512_abs_pd(_mm512_sub_pd(u, _mm512_set1_pd(0.5)));
    return _mm512_cmp_pd_mask(off, _mm512_set1_pd(MS_NORMAL_CENTRE), _CMP_GT_OQ);
}

AVX512 static int32_t avx512_take(const double *uniforms, int64_t n, double *tails)
{
    int32_t count = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m512d u = _mm512_loadu_pd(uniforms + i);
        const __mmask8 mask = avx512_are_tails(u);
        _mm512_storeu_pd(tails + count, _mm512_maskz_compress_pd(mask, u));
        count += _mm_popcnt_u32(mask);
    }
    return take_from(uniforms, i, n, tails, count);
}

AVX512 static void avx512_put(const double *uniforms, int64_t n, const double *values, double *out)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __mmask8 mask = avx512_are_tails(_mm512_loadu_pd(uniforms + i));
        const __m512d centre = _mm512_loadu_pd(out + i), four = _mm512_loadu_pd(values);
        _mm512_storeu_pd(out + i, _mm512_mask_expand_pd(centre, mask, four));
        values += _mm_popcnt_u32(mask);
    }
    put_from(uniforms, i, n, values, out);
}
#endif

#if defined(MS_NEEDS_AVX2)
#define AVX2 __attribute__((target("avx2,popcnt")))

/* Halves of the k-th of four doubles, as places for vpermps. */
#define OF(k) 2 * (k), 2 * (k) + 1

/* By the mask of the tails among four: where each of the first is taken from, and which of them each tail gets. */
static const int32_t TAKEN[16][8] = {
    {OF(0), OF(1), OF(2), OF(3)}, {OF(0), OF(1), OF(2), OF(3)}, {OF(1), OF(0), OF(2), OF(3)}, {OF(0), OF(1), OF(2), OF(3)},
    {OF(2), OF(0), OF(1), OF(3)}, {OF(0), OF(2), OF(1), OF(3)}, {OF(1), OF(2), OF(0), OF(3)}, {OF(0), OF(1), OF(2), OF(3)},
    {OF(3), OF(0), OF(1), OF(2)}, {OF(0), OF(3), OF(1), OF(2)}, {OF(1), OF(3), OF(0), OF(2)}, {OF(0), OF(1), OF(3), OF(2)},
    {OF(2), OF(3), OF(0), OF(1)}, {OF(0), OF(2), OF(3), OF(1)}, {OF(1), OF(2), OF(3), OF(0)}, {OF(0), OF(1), OF(2), OF(3)}};
static const int32_t GIVEN[16][8] = {
    {OF(0), OF(0), OF(0), OF(0)}, {OF(0), OF(0), OF(0), OF(0)}, {OF(0), OF(0), OF(0), OF(0)}, {OF(0), OF(1), OF(0), OF(0)},
    {OF(0), OF(0), OF(0), OF(0)}, {OF(0), OF(0), OF(1), OF(0)}, {OF(0), OF(0), OF(1), OF(0)}, {OF(0), OF(1), OF(2), OF(0)},
    {OF(0), OF(0), OF(0), OF(0)}, {OF(0), OF(0), OF(0), OF(1)}, {OF(0), OF(0), OF(0), OF(1)}, {OF(0), OF(1), OF(0), OF(2)},
    {OF(0), OF(0), OF(0), OF(1)}, {OF(0), OF(0), OF(1), OF(2)}, {OF(0), OF(0), OF(1), OF(2)}, {OF(0), OF(1), OF(2), OF(3)}};

AVX2 MS_INLINE __m256d avx2_are_tails(__m256d u)
{
    const __m256d magnitude = _mm256_castsi256_pd(_mm256_set1_epi64x(INT64_MAX));
    const __m256d off = _mm256_and_pd(_mm256_sub_pd(u, _mm256_set1_pd(0.5)), magnitude);
    return _mm256_cmp_pd(off, _mm256_set1_pd(MS_NORMAL_CENTRE), _CMP_GT_OQ);
}

AVX2 MS_INLINE __m256d avx2_at(__m256d values, const int32_t places[8])
{
    const __m256i at = _mm256_loadu_si256((const __m256i *)(const void *)places);
    return _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(values), at));
}

AVX2 static int32_t avx2_take(const double *uniforms, int64_t n, double *tails)
{
    int32_t count = 0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256d u = _mm256_loadu_pd(uniforms + i);
        const int mask = _mm256_movemask_pd(avx2_are_tails(u));
        _mm256_storeu_pd(tails + count, avx2_at(u, TAKEN[mask]));
        count += _mm_popcnt_u32((unsigned)mask);
    }
    return take_from(uniforms, i, n, tails, count);
}

AVX2 static void avx2_put(const double *uniforms, int64_t n, const double *values, double *out)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const __m256d are_tails = avx2_are_tails(_mm256_loadu_pd(uniforms + i));
        const int mask = _mm256_movemask_pd(are_tails);
        const __m256d given = avx2_at(_mm256_loadu_pd(values), GIVEN[mask]);
        _mm256_storeu_pd(out + i, _mm256_blendv_pd(_mm256_loadu_pd(out + i), given, are_tails));
        values += _mm_popcnt_u32((unsigned)mask);
    }
    put_from(uniforms, i, n, values, out);
}
#endif

#if defined(MS_NEEDS_BASELINE)
static int32_t baseline_take(const double *uniforms, int64_t n, double *tails)
{
    return take_from(uniforms, 0, n, tails, 0);
}

static void baseline_put(const double *uniforms, int64_t n, const double *values, double *out)
{
    put_from(uniforms, 0, n, values, out);
}
#endif

int32_t ms_tails_take(const double *uniforms, int64_t n, double *tails)
{
    return MS_BEST(take, uniforms, n, tails);
}

void ms_tails_put(const double *uniforms, int64_t n, const double *values, double *out)
{
    MS_BEST(put, uniforms, n, values, out);
}
