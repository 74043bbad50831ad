#include "frontier.h"

#include <math.h>
#include <string.h>

enum { MANTISSA = 52, OCTAVE_BITS = 8, LEAST_EXPONENT = 1023 - 32 };
/* Requests whose models are put side by side: rows of one request lie far apart. */
enum { TILE = 32, TILE_VALUES = 4096 };

/* The leading bits of a positive double are the logarithm's integer part and a linear part within the octave. */
static int64_t bin_of(double slope)
{
    uint64_t bits;
    memcpy(&bits, &slope, sizeof bits);
    const int64_t bin = (int64_t)(bits >> (MANTISSA - OCTAVE_BITS)) - ((int64_t)LEAST_EXPONENT << OCTAVE_BITS);
    return bin < 0 ? 0 : (bin < MS_FRONTIER_BINS ? bin : MS_FRONTIER_BINS - 1);
}

static void add_step(ms_frontier_bin *bins, double gain, double cost)
{
    const double slope = cost / gain;
    ms_frontier_bin *bin = &bins[bin_of(slope)];
    const int is_first = bin->gain == 0.0;
    bin->least = is_first || slope < bin->least ? slope : bin->least;
    bin->most = is_first || slope > bin->most ? slope : bin->most;
    bin->gain += gain;
    bin->cost += cost;
}

/* Climbs a request's hull from the point (s, c). */
static void climb(ms_frontier_bin *bins, int64_t models, const double *satisfied, const double *costs, double s,
                  double c)
{
    while (s < 1.0) {
        int64_t next = -1;
        double gain = 0.0, cost = 0.0;
        for (int64_t m = 0; m < models; m++) {
            const double more = satisfied[m] - s, dearer = costs[m] - c;
            if (more > 0.0 && costs[m] < INFINITY && (next < 0 || dearer * gain < cost * more)) { /* slopes compared without division */
                next = m;
                gain = more;
                cost = dearer;
            }
        }
        if (next < 0) {
            return;
        }
        add_step(bins, gain, cost);
        s = satisfied[next];
        c = costs[next];
    }
}

static void add_one(ms_frontier *self, int32_t tenant, const double *satisfied, const double *costs)
{
    const int64_t models = self->models;
    double *sums = self->sums + tenant * (MS_FRONTIER_SUMS + 2 * models);
    double *satisfied_sums = sums + MS_FRONTIER_SUMS, *cost_sums = satisfied_sums + models;
    double s = satisfied[0], c = costs[0];
    for (int64_t m = 0; m < models; m++) {
        const int is_better = costs[m] < c || (costs[m] == c && satisfied[m] > s);
        s = is_better ? satisfied[m] : s;
        c = is_better ? costs[m] : c;
    }
    if (c == INFINITY) {
        return; /* no model can take it, whoever chooses */
    }
    for (int64_t m = 0; m < models; m++) {
        satisfied_sums[m] += satisfied[m];
        cost_sums[m] += costs[m];
    }
    sums[0] += 1.0;
    sums[1] += s;
    sums[2] += c;
    climb(self->bins + (int64_t)tenant * MS_FRONTIER_BINS, models, satisfied, costs, s, c);
}

void ms_frontier_add(ms_frontier *self, int64_t n, const int32_t *tenant, const double *satisfied,
                     const double *costs)
{
    const int64_t models = self->models;
    const int64_t tile = models * TILE <= TILE_VALUES ? TILE : TILE_VALUES / models;
    double s[TILE_VALUES], c[TILE_VALUES];
    for (int64_t start = 0; start < n; start += tile) {
        const int64_t length = n - start < tile ? n - start : tile;
        for (int64_t m = 0; m < models; m++) {
            for (int64_t i = 0; i < length; i++) {
                s[i * models + m] = satisfied[m * n + start + i];
                c[i * models + m] = costs[m * n + start + i];
            }
        }
        for (int64_t i = 0; i < length; i++) {
            add_one(self, tenant[start + i], s + i * models, c + i * models);
        }
    }
}
