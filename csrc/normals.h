/* Normal quantiles of a block of uniforms, but for those in the tails, which are computed apart (draw.c). */
#ifndef MS_NORMALS_H
#define MS_NORMALS_H

#include <stdint.h>

/* out[i] is the quantile of u[i] where that is not in a tail (ms_normal_is_tail), and something else where it is: where
 * that is so, is written into `places` [n], in order. Returns how many these are. */
int32_t ms_normals_centres(const double *restrict u, int32_t n, double *restrict out, int32_t *restrict places);

#endif
