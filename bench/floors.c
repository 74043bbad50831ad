/* What scoring costs at least on the machine at hand, to be measured beside it: its loads alone, and its arithmetic alone.
 * Compiled by bench_limits.py for this very machine (-march=native), which the package's portable clones are not. */
#include <stdint.h>

#include "maths.h"

enum { LANES = 32, MODELS = 4, SUMS = 64 };

/* Reads n doubles in order and adds them up in registers: what memory allows. */
double floor_loads(const double *x, int64_t n)
{
    double sum[SUMS] = {0}, total = 0.0;
    for (int64_t i = 0; i + SUMS <= n; i += SUMS) {
        for (int k = 0; k < SUMS; k++) {
            sum[k] += x[i + k];
        }
    }
    for (int k = 0; k < SUMS; k++) {
        total += sum[k];
    }
    return total;
}

/* Scores one block of requests again and again, whose features [d][LANES] stay in the nearest cache: what arithmetic
 * allows, without contraction to FMA and with sums in order, as everywhere here. */
void floor_arithmetic(const double *weights, const double *bias, int64_t features, const double *x, int64_t blocks,
                      double *scores)
{
    for (int64_t block = 0; block < blocks; block++) {
        double sum[MODELS][LANES] = {{0}};
        for (int64_t j = 0; j < features; j++) {
            for (int m = 0; m < MODELS; m++) {
                for (int i = 0; i < LANES; i++) {
                    sum[m][i] += weights[m * features + j] * x[j * LANES + i];
                }
            }
        }
        for (int m = 0; m < MODELS; m++) {
            for (int i = 0; i < LANES; i++) {
                scores[m * LANES + i] = ms_sigmoid(sum[m][i] + bias[m]);
            }
        }
        __asm__ volatile("" ::: "memory"); /* each block is done, although the last one did the same */
    }
}
