/* The whole test framework: CHECK notes what does not hold and goes on, RUN counts test functions.
 *
 * A test that checks nothing fails. Failures go to stderr; stdout gets the one line that the Makefile
 * adds up. */
#ifndef MS_CHECK_H
#define MS_CHECK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FAILURES_SHOWN = 20 }; /* of a program; the others are counted */

static long check_count, check_failures;
static int tests_passed, tests_failed;

/* Evaluates to whether it held. */
#define CHECK(condition) check_that((condition) != 0, #condition, __FILE__, __LINE__)

/* |actual - expected| <= tolerance * max(1, |expected|) */
#define CHECK_NEAR(actual, expected, tolerance) \
    check_near(actual, expected, tolerance, #actual, __FILE__, __LINE__)

#define RUN(test) run_test(test, #test)

static inline int check_that(int holds, const char *what, const char *file, int line)
{
    check_count++;
    if (!holds && check_failures++ < FAILURES_SHOWN) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    }
    return holds;
}

static inline int check_near(double actual, double expected, double tolerance, const char *what,
                             const char *file, int line)
{
    const double size = fabs(expected) > 1.0 ? fabs(expected) : 1.0;
    check_count++;
    if (!(fabs(actual - expected) <= tolerance * size)) {
        if (check_failures++ < FAILURES_SHOWN) {
            fprintf(stderr, "%s:%d: %s is %.17g, expected %.17g\n", file, line, what, actual, expected);
        }
        return 0;
    }
    return 1;
}

static inline void run_test(void (*test)(void), const char *name)
{
    const long checks_before = check_count, failures_before = check_failures;
    test();
    if (check_count > checks_before && check_failures == failures_before) {
        tests_passed++;
    } else {
        tests_failed++;
        fprintf(stderr, "FAILED %s\n", name);
    }
}

/* The exit code of main. */
static inline int report(void)
{
    printf("%d %d %ld\n", tests_passed, tests_failed, check_count);
    return tests_failed > 0;
}

/* Knuth's MMIX generator: chance of the tests' own, so that they do not lean on what they test. */
typedef struct lcg {
    uint64_t state;
} lcg;

static inline uint64_t lcg_next(lcg *self)
{
    self->state = self->state * 6364136223846793005u + 1442695040888963407u;
    return self->state >> 11; /* 53 bits: the low ones of an LCG are poor */
}

/* lowest, ..., highest with equal probability (but for a bias below 2^-40) */
static inline int64_t lcg_between(lcg *self, int64_t lowest, int64_t highest)
{
    return lowest + (int64_t)(lcg_next(self) % (uint64_t)(highest - lowest + 1));
}

/* in [0, 1) */
static inline double lcg_unit(lcg *self)
{
    return (double)lcg_next(self) * 0x1p-53;
}

static inline int same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* FNV-1a over whole words: pins the bits of an array in one number, whatever the byte order. */
static inline uint64_t hash_of(const double *x, int64_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, x + i, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    return hash;
}

#endif
