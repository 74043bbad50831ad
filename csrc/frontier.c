#include "frontier.h"

#include <math.h>
#include <string.h>

#include "clones.h"

enum { MANTISSA = 52, OCTAVE_BITS = 8, LEAST_EXPONENT = 1023 - 32 };
enum { TILE = 64, TOGETHER = 4 }; /* requests side by side, models whose sums stay in registers */

/* Where requests of a tile stand: on their cheapest model, and after their first step, if there is one. */
typedef struct ms_first_steps {
    double satisfied[TILE];
    double cost[TILE];
    double gain[TILE]; /* 0: none */
    double dearer[TILE];
    double reached[TILE]; /* satisfaction after it */
} ms_first_steps;

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

/* Climbs a request's hull from the point (s, c); its models stand `stride` apart. */
static void climb(ms_frontier_bin *bins, int64_t models, const double *satisfied, const double *costs, int64_t stride,
                  double s, double c)
{
    while (s < 1.0) {
        int64_t next = -1;
        double gain = 0.0, cost = 0.0;
        for (int64_t m = 0; m < models * stride; m += stride) {
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

/* Of `length` requests side by side; where answers satisfy or not, that is all of their way. */
MS_CLONES static void step_first(ms_first_steps *restrict self, int64_t models, int64_t length,
                                 const double *restrict satisfied, const double *restrict costs, int64_t stride)
{
    for (int64_t i = 0; i < length; i++) {
        self->satisfied[i] = self->reached[i] = satisfied[i];
        self->cost[i] = costs[i];
        self->gain[i] = self->dearer[i] = 0.0;
    }
    for (int64_t m = 1; m < models; m++) {
        const double *s = satisfied + m * stride, *c = costs + m * stride;
        for (int64_t i = 0; i < length; i++) {
            const int is_better = (c[i] < self->cost[i]) | ((c[i] == self->cost[i]) & (s[i] > self->satisfied[i]));
            self->satisfied[i] = is_better ? s[i] : self->satisfied[i];
            self->cost[i] = is_better ? c[i] : self->cost[i];
        }
    }
    for (int64_t m = 0; m < models; m++) {
        const double *s = satisfied + m * stride, *c = costs + m * stride;
        for (int64_t i = 0; i < length; i++) {
            const double more = s[i] - self->satisfied[i], dearer = c[i] - self->cost[i];
            const int is_first = (self->gain[i] == 0.0) | (dearer * self->gain[i] < self->dearer[i] * more);
            const int is_next = (more > 0.0) & (c[i] < INFINITY) & is_first;
            self->gain[i] = is_next ? more : self->gain[i];
            self->dearer[i] = is_next ? dearer : self->dearer[i];
            self->reached[i] = is_next ? s[i] : self->reached[i];
        }
    }
}

/* What `models` of a tenant give and cost, added to sums that stand `apart` for the two; a constant, for sums in registers. */
MS_INLINE void add_models(double *sums, int64_t apart, int models, int64_t length, const double *satisfied,
                          const double *costs, int64_t stride, const double *cheapest)
{
    double given[TOGETHER], cost[TOGETHER];
    for (int m = 0; m < models; m++) {
        given[m] = sums[m];
        cost[m] = sums[apart + m];
    }
    for (int64_t i = 0; i < length; i++) {
        if (cheapest[i] == INFINITY) {
            continue; /* no model can take it, whoever chooses */
        }
        for (int m = 0; m < models; m++) {
            given[m] += satisfied[m * stride + i];
            cost[m] += costs[m * stride + i];
        }
    }
    for (int m = 0; m < models; m++) {
        sums[m] = given[m];
        sums[apart + m] = cost[m];
    }
}

/* Requests of one tenant. */
static void add_sums(double *sums, int64_t models, int64_t length, const double *satisfied, const double *costs,
                     int64_t stride, const ms_first_steps *steps, int64_t first)
{
    const double *cheapest = steps->cost + first;
    int64_t m = 0;
    for (; m + TOGETHER <= models; m += TOGETHER) {
        add_models(sums + MS_FRONTIER_SUMS + m, models, TOGETHER, length, satisfied + m * stride, costs + m * stride, stride,
                   cheapest);
    }
    for (; m < models; m++) {
        add_models(sums + MS_FRONTIER_SUMS + m, models, 1, length, satisfied + m * stride, costs + m * stride, stride, cheapest);
    }
    double count = sums[0], given = sums[1], cost = sums[2]; /* in registers: the compiler must not do so by itself */
    for (int64_t i = 0; i < length; i++) {
        if (cheapest[i] < INFINITY) {
            count += 1.0;
            given += steps->satisfied[first + i];
            cost += cheapest[i];
        }
    }
    sums[0] = count;
    sums[1] = given;
    sums[2] = cost;
}

/* Steps of a tile. Who takes one is looked for first, since nobody can foretell it. */
static void add_steps(ms_frontier *self, const int32_t *tenant, int64_t length, const double *satisfied,
                      const double *costs, int64_t stride, const ms_first_steps *steps)
{
    int64_t who[TILE + 1], count = 0;
    for (int64_t i = 0; i < length; i++) {
        who[count] = i;
        count += steps->gain[i] > 0.0;
    }
    for (int64_t k = 0; k < count; k++) {
        const int64_t i = who[k];
        ms_frontier_bin *bins = self->bins + (int64_t)tenant[i] * MS_FRONTIER_BINS;
        if (steps->reached[i] == 1.0) {
            add_step(bins, steps->gain[i], steps->dearer[i]);
        } else {
            climb(bins, self->models, satisfied + i, costs + i, stride, steps->satisfied[i], steps->cost[i]);
        }
    }
}

void ms_frontier_add(ms_frontier *self, int64_t n, const int32_t *tenant, const double *satisfied,
                     const double *costs)
{
    const int64_t models = self->models;
    ms_first_steps steps;
    for (int64_t start = 0; start < n; start += TILE) {
        const int64_t length = n - start < TILE ? n - start : TILE;
        step_first(&steps, models, length, satisfied + start, costs + start, n);
        for (int64_t i = 0, next; i < length; i = next) {
            const int32_t whose = tenant[start + i];
            for (next = i + 1; next < length && tenant[start + next] == whose;) {
                next++;
            }
            add_sums(self->sums + whose * (MS_FRONTIER_SUMS + 2 * models), models, next - i, satisfied + start + i,
                     costs + start + i, n, &steps, i);
        }
        add_steps(self, tenant + start, length, satisfied + start, costs + start, n, &steps);
    }
}
