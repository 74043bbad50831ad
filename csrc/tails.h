/* The tails of a block of uniforms, which the normal quantile computes apart: taken out, and put back. Compilers do not
 * vectorise either. */
#ifndef MS_TAILS_H
#define MS_TAILS_H

#include <stdint.h>

enum { MS_TAILS_MORE = 8 }; /* what `tails` and `values` must have room for beyond n */

/* Writes those of the n uniforms that lie in a tail (ms_normal_is_tail) one behind the other; returns how many. */
int32_t ms_tails_take(const double *uniforms, int64_t n, double *tails);

/* Puts one value for each tail, in that order, where it was among the n of `out`. */
void ms_tails_put(const double *uniforms, int64_t n, const double *values, double *out);

#endif
