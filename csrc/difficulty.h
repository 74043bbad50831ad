/* What a router sees of a request under IRT: one noisy view of its difficulty among pure noise.
 *
 * Feature 0 is `signal` z + sqrt(1 - signal^2) e, of the difficulty z in standard deviations from its mean; that and all
 * others are standard normal, e and they what ms_draw_normal_pair gives, the k-th pair by the stream of sub k. */
#ifndef MS_DIFFICULTY_H
#define MS_DIFFICULTY_H

#include <stdint.h>

#include "philox.h"

typedef struct ms_difficulty_law {
    ms_stream stream; /* sub is not used */
    double signal;    /* correlation of feature 0 and difficulty, in [0, 1] */
    double mean;      /* of difficulties */
    double deviation;
} ms_difficulty_law;

/* Feature j of request first + i goes to out[j * n + i]: columns. */
void ms_difficulty_columns(const ms_difficulty_law *law, uint64_t first, int64_t n, int32_t dimensions,
                           const double *difficulty, double *out);

/* The same to out[i * dimensions + j]: rows. */
void ms_difficulty_rows(const ms_difficulty_law *law, uint64_t first, int64_t n, int32_t dimensions,
                        const double *difficulty, double *out);

/* Features of requests that are asked for about in order, drawn when they are: so many that they stay in the processor's
 * cache until they are used, which columns of a whole page do not. */
typedef struct ms_feature_rows {
    ms_difficulty_law law;
    int32_t dimensions;
    int64_t first; /* requests first ... end - 1 */
    int64_t end;
    double *rows;  /* [MS_FEATURE_ROWS][dimensions] of these, and one for another, out of turn */
} ms_feature_rows;

enum { MS_FEATURE_ROWS = 256 };

int ms_feature_rows_init(ms_feature_rows *self, const ms_difficulty_law *law, int32_t dimensions);
void ms_feature_rows_free(ms_feature_rows *self);

/* The row of a request, until another's is asked for. `difficulty` is its own, behind which lie those of the next ones, `n`
 * with it; the rows of `left` requests, at least 1, lie one behind the other. */
const double *ms_feature_rows_of(ms_feature_rows *self, int64_t request, const double *difficulty, int64_t n, int64_t *left);

#endif
