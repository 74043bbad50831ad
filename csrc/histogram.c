#include "histogram.h"

#include "clones.h"
#include "maths.h"

enum { BLOCK = 256 };

/* The bin of each value, as a double: -1 for zeros, -2 for NaN. */
MS_CLONES static void find_bins(const double *values, int64_t n, double scale, double offset, double last, double *bins)
{
    for (int64_t i = 0; i < n; i++) {
        const double x = values[i];
        const double bin = floor(ms_log(x > 0.0 ? x : 1.0) * scale + offset);
        const double within = bin < 0.0 ? 0.0 : (bin > last ? last : bin);
        bins[i] = x > 0.0 ? within : (x == x ? -1.0 : -2.0);
    }
}

void ms_log_histogram_add(ms_log_histogram *self, const double *values, int64_t n)
{
    const double scale = self->bins_per_octave * 0x1.71547652b82fep0; /* 1 / ln 2 */
    const double offset = -ms_log(self->least) * scale;
    double bins[BLOCK], sum = self->sum;
    int64_t nowhere[8] = {0}; /* zeros, and values that are no number: one place for all would wait for itself */
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t length = n - start < BLOCK ? n - start : BLOCK;
        find_bins(values + start, length, scale, offset, (double)(self->bins - 1), bins);
        int64_t zeros = 0;
        for (int64_t i = 0; i < length; i++) { /* without a branch: nobody can foretell who waited */
            zeros += bins[i] == -1.0;
            ++*(bins[i] >= 0.0 ? self->counts + (int64_t)bins[i] : &nowhere[i % 8]);
            sum += bins[i] >= 0.0 ? values[start + i] : 0.0;
        }
        self->zeros += zeros;
    }
    self->sum = sum;
}
