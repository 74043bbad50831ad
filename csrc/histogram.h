/* A histogram on a logarithmic grid: percentiles of a stream in bounded memory. */
#ifndef MS_HISTOGRAM_H
#define MS_HISTOGRAM_H

#include <stdint.h>

typedef struct ms_log_histogram {
    int64_t *counts;         /* [bins] */
    int64_t bins;
    double least;            /* lower edge of the first bin, a power of 2; smaller values go into it */
    double bins_per_octave;
    int64_t zeros;
    double sum;
} ms_log_histogram;

/* Counts n values >= 0; NaN does not take part. */
void ms_log_histogram_add(ms_log_histogram *self, const double *values, int64_t n);

#endif
