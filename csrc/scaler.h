/* Features in one scale: (x - mean) / standard deviation, over all that were learnt from so far.
 *
 * Mean and sum of squared deviations run as in B. P. Welford, "Note on a method for calculating corrected sums of
 * squares and products", Technometrics 4 (1962). A feature that has not moved yet, or by no more than rounding does,
 * is 0; so are all of them for the first MS_SCALER_FIRST lessons, whose deviations may be far too small. */
#ifndef MS_SCALER_H
#define MS_SCALER_H

#include <stdint.h>

enum { MS_SCALER_FIRST = 16 };

typedef struct ms_scaler {
    int32_t features;
    int64_t count;
    double *mean;     /* [features] */
    double *squares;  /* [features] sum of squared deviations from the mean */
    double *inverse;  /* [features] 1 / standard deviation, or 0 */
    double *standard; /* [features] the last one seen, in this scale */
} ms_scaler;

int ms_scaler_init(ms_scaler *self, int32_t features);
void ms_scaler_free(ms_scaler *self);

/* Takes one more into account, and puts it into `standard`. */
void ms_scaler_see(ms_scaler *self, const double *x);

#endif
