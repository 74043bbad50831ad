/* Function multi-versioning: one portable binary, compiled for AVX2 and AVX-512 as well.
 *
 * Put MS_CLONES before a definition whose loops vectorise; the dynamic loader then picks the best
 * version once. Contraction to FMA is off everywhere (-ffp-contract=off) and no kernel reorders a
 * sum, so every version returns the same bits. It needs IFUNC (ELF, glibc); elsewhere it is empty.
 * MESSSIM_NO_AVX512 leaves AVX-512 out, so that one may measure what machines without it run on one that has it. */
#ifndef MS_CLONES_H
#define MS_CLONES_H

#include <stddef.h>

#if defined(__x86_64__) && defined(__ELF__) && defined(__GLIBC__) && !defined(MESSSIM_NO_CLONES) && \
    ((defined(__clang__) && __clang_major__ >= 17) || (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 11))
#define MS_HAS_CLONES 1
#if defined(MESSSIM_NO_AVX512)
#define MS_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define MS_CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#endif
#else
#define MS_CLONES
#endif

/* Functions written by hand for an instruction set are called avx512_name, avx2_name and baseline_name. These are the
 * sets that the build may need; MS_BEST calls the best version for this machine, or the only one. */
#if defined(MS_HAS_CLONES) || defined(__AVX512F__)
#define MS_NEEDS_AVX512 1
#endif
#if defined(MS_HAS_CLONES) || (defined(__AVX2__) && !defined(__AVX512F__))
#define MS_NEEDS_AVX2 1
#endif
#if defined(MS_HAS_CLONES) || !(defined(__AVX2__) || defined(__AVX512F__))
#define MS_NEEDS_BASELINE 1
#endif

#if defined(MESSSIM_NO_AVX512)
#define MS_SUPPORTS_AVX512 0
#else
#define MS_SUPPORTS_AVX512 __builtin_cpu_supports("avx512f")
#endif

#if defined(MS_HAS_CLONES)
#define MS_BEST(name, ...)                                                \
    (MS_SUPPORTS_AVX512 ? avx512_##name(__VA_ARGS__)                      \
     : __builtin_cpu_supports("avx2")  ? avx2_##name(__VA_ARGS__)         \
                                       : baseline_##name(__VA_ARGS__))
#elif defined(MS_NEEDS_AVX512)
#define MS_BEST(name, ...) avx512_##name(__VA_ARGS__)
#elif defined(MS_NEEDS_AVX2)
#define MS_BEST(name, ...) avx2_##name(__VA_ARGS__)
#else
#define MS_BEST(name, ...) baseline_##name(__VA_ARGS__)
#endif

/* Inlined into each version of its caller, so that it is compiled for that version's target. */
#define MS_INLINE static inline __attribute__((always_inline))

#endif
