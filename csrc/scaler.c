#include "scaler.h"

#include <stdlib.h>

#include "error.h"
#include "maths.h"

static const double ROUNDING = 1e-12; /* a deviation no larger than this share of the mean is none */

int ms_scaler_init(ms_scaler *self, int32_t features)
{
    const size_t d = (size_t)features + 1;
    *self = (ms_scaler){.features = features};
    self->mean = calloc(d, sizeof(double));
    self->squares = calloc(d, sizeof(double));
    self->inverse = calloc(d, sizeof(double));
    self->standard = calloc(d, sizeof(double));
    if (self->mean == NULL || self->squares == NULL || self->inverse == NULL || self->standard == NULL) {
        ms_scaler_free(self);
        return MS_ERR_MEMORY;
    }
    return 0;
}

void ms_scaler_free(ms_scaler *self)
{
    free(self->mean);
    free(self->squares);
    free(self->inverse);
    free(self->standard);
    *self = (ms_scaler){0};
}

/* 1 / standard deviation; 0 where it is not known, or infinite. */
static double inverse_of(const ms_scaler *self, int32_t j)
{
    const double deviation = sqrt(self->squares[j] / (double)self->count);
    const int moves = self->count >= MS_SCALER_FIRST && deviation > ROUNDING * fabs(self->mean[j]);
    const double inverse = moves ? 1.0 / deviation : 0.0;
    return inverse < INFINITY ? inverse : 0.0;
}

void ms_scaler_see(ms_scaler *self, const double *x)
{
    self->count++;
    for (int32_t j = 0; j < self->features; j++) {
        const double before = x[j] - self->mean[j];
        self->mean[j] += before / (double)self->count;
        self->squares[j] += before * (x[j] - self->mean[j]);
        self->inverse[j] = inverse_of(self, j);
        self->standard[j] = self->inverse[j] > 0.0 ? (x[j] - self->mean[j]) * self->inverse[j] : 0.0;
    }
}
