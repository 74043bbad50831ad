/* Speculative decoding: how many iterations an answer takes whose tokens a draft model guesses.
 *
 * In an iteration k drafts are checked at once; the j-th is right with probability accepted[j - 1] if all before it are. An
 * iteration gives the right ones and one token more: X in 1 ... k + 1 tokens, independently of all others. An answer of L
 * tokens takes the first N with X_1 + ... + X_N >= L.
 *
 * N is drawn exactly, by renewal: 64 tokens at a time, of which a table knows how many iterations they take and by how many
 * tokens the last of them goes beyond, and by a table of N for what is left. A uniform each. */
#ifndef MS_DRAFTS_H
#define MS_DRAFTS_H

#include <stdint.h>

#include "philox.h"

enum { MS_DRAFTS_MOST = 16, MS_DRAFTS_STRIDE = 64 };

typedef struct ms_drafts {
    int32_t tokens;     /* k, at least 1 */
    double mean_tokens; /* of an iteration */
    ms_stream stream;   /* sub is not used */
    /* P(N <= n) for L tokens, below a stride: passage[L][n - 1] */
    double passage[MS_DRAFTS_STRIDE][MS_DRAFTS_STRIDE];
    /* of a stride, P(N < n, or N = n and at most v tokens beyond): stride[n - 1][v] */
    double stride[MS_DRAFTS_STRIDE][MS_DRAFTS_MOST + 1];
} ms_drafts;

/* `accepted` has k probabilities, 1 <= k <= MS_DRAFTS_MOST. */
void ms_drafts_init(ms_drafts *self, int32_t tokens, const double *accepted, const ms_stream *stream);

/* N of a request for so many tokens; 0 for none. */
int64_t ms_drafts_iterations(const ms_drafts *self, uint64_t request, int64_t tokens);

#endif
