#include "histogram.h"

#include <float.h>

#include "check.h"

enum { BINS = 640 };

static const double least = 0x1p-20;

/* Each octave is cut into `per_octave` bins of equal ratio: edges by multiplication and square roots alone. */
static void edges_of(double start, int per_octave, int64_t bins, double *edges)
{
    double ratio = 2.0;
    for (int k = per_octave; k > 1; k /= 2) {
        ratio = sqrt(ratio);
    }
    for (int64_t i = 0; i <= bins; i++) {
        if (i % per_octave == 0) {
            edges[i] = start;
            start *= 2.0;
        } else {
            edges[i] = edges[i - 1] * ratio;
        }
    }
}

static int64_t naive_bin(const double *edges, int64_t bins, double x)
{
    int64_t bin = 0;
    while (bin + 1 < bins && x >= edges[bin + 1]) {
        bin++;
    }
    return bin;
}

/* Whether x lies within rounding of the edge where its bin begins or ends. */
static int is_at_an_edge(const double *edges, int64_t bin, double x)
{
    return fabs(x / edges[bin] - 1.0) < 1e-12 || fabs(x / edges[bin + 1] - 1.0) < 1e-12;
}

static void compare(int per_octave, double span)
{
    enum { N = 20011 };
    static double values[N], edges[BINS + 1];
    static int64_t counts[BINS], expected[BINS];
    memset(counts, 0, sizeof counts);
    memset(expected, 0, sizeof expected);
    edges_of(least, per_octave, BINS, edges);
    lcg chance = {(uint64_t)per_octave};
    double sum = 0.0;
    int64_t zeros = 0;
    for (int i = 0; i < N; i++) {
        /* from far below the first edge to far beyond the last */
        double x = least * 0x1p-3 * pow(2.0, span * lcg_unit(&chance));
        x = lcg_between(&chance, 0, 49) == 0 ? 0.0 : x;
        const int64_t bin = naive_bin(edges, BINS, x);
        x = x > 0.0 && is_at_an_edge(edges, bin, x) ? x * (1.0 + 1e-9) : x;
        values[i] = x;
        sum += x;
        if (x == 0.0) {
            zeros++;
        } else {
            expected[naive_bin(edges, BINS, x)]++;
        }
    }
    ms_log_histogram h = {.counts = counts, .bins = BINS, .least = least, .bins_per_octave = per_octave};
    ms_log_histogram_add(&h, values, N);
    CHECK(h.zeros == zeros);
    CHECK_NEAR(h.sum, sum, 1e-12);
    for (int i = 0; i < BINS; i++) {
        CHECK(counts[i] == expected[i]);
    }
}

static void bins_are_those_of_a_table_of_edges(void)
{
    compare(1, 60.0);
    compare(8, 85.0);
    compare(16, 48.0);
    compare(32, 30.0);
}

static ms_log_histogram small(int64_t *counts, int64_t bins)
{
    memset(counts, 0, (size_t)bins * sizeof *counts);
    return (ms_log_histogram){.counts = counts, .bins = bins, .least = 1.0, .bins_per_octave = 1.0};
}

static void zeros_and_nan_go_into_no_bin(void)
{
    int64_t counts[4];
    ms_log_histogram h = small(counts, 4);
    const double values[] = {0.0, -0.0, NAN, 3.0, NAN, 0.0};
    ms_log_histogram_add(&h, values, 6);
    CHECK(h.zeros == 3 && h.sum == 3.0);
    CHECK(counts[0] == 0 && counts[1] == 1 && counts[2] == 0 && counts[3] == 0);
}

static void what_is_beyond_the_ends_goes_into_the_end_bins(void)
{
    int64_t counts[4];
    ms_log_histogram h = small(counts, 4);
    const double low[] = {0.999, 0.5, 1e-300, DBL_MIN}, high[] = {16.001, 1e6, 1e300, DBL_MAX};
    ms_log_histogram_add(&h, low, 4);
    CHECK(counts[0] == 4);
    ms_log_histogram_add(&h, high, 4);
    CHECK(counts[3] == 4 && counts[0] == 4 && counts[1] == 0 && counts[2] == 0);
    CHECK(h.zeros == 0);
    const double endless[] = {INFINITY};
    ms_log_histogram_add(&h, endless, 1);
    CHECK(counts[3] == 5 && h.sum == INFINITY);
    const double tiny[] = {0x1p-1070};
    ms_log_histogram_add(&h, tiny, 1);
    CHECK(counts[0] == 5);
}

static void one_bin_takes_everything(void)
{
    int64_t count = 0;
    ms_log_histogram h = {.counts = &count, .bins = 1, .least = 1.0, .bins_per_octave = 4.0};
    const double values[] = {1e-9, 1.0, 1e9};
    ms_log_histogram_add(&h, values, 3);
    CHECK(count == 3);
}

/* The sum runs from the first value to the last, so that it does not show where chunks begin. */
static void chunks_do_not_show(void)
{
    enum { N = 1500 };
    static double values[N];
    static int64_t whole_counts[BINS], part_counts[BINS];
    lcg chance = {3};
    for (int i = 0; i < N; i++) {
        values[i] = i % 97 == 0 ? 0.0 : (i % 89 == 0 ? NAN : 100.0 * lcg_unit(&chance));
    }
    ms_log_histogram whole = {.counts = whole_counts, .bins = BINS, .least = least, .bins_per_octave = 16.0};
    ms_log_histogram parts = whole;
    parts.counts = part_counts;
    ms_log_histogram_add(&whole, values, N);
    for (int64_t at = 0; at < N;) {
        const int64_t n = lcg_between(&chance, 0, N - at < 300 ? N - at : 300);
        ms_log_histogram_add(&parts, values + at, n);
        at += n;
    }
    CHECK(same_bits(whole.sum, parts.sum) && whole.zeros == parts.zeros);
    CHECK(memcmp(whole_counts, part_counts, sizeof whole_counts) == 0);
    int64_t counted = whole.zeros;
    for (int i = 0; i < BINS; i++) {
        counted += whole_counts[i];
    }
    int64_t numbers = 0;
    for (int i = 0; i < N; i++) {
        numbers += values[i] == values[i];
    }
    CHECK(counted == numbers);
}

int main(void)
{
    RUN(bins_are_those_of_a_table_of_edges);
    RUN(zeros_and_nan_go_into_no_bin);
    RUN(what_is_beyond_the_ends_goes_into_the_end_bins);
    RUN(one_bin_takes_everything);
    RUN(chunks_do_not_show);
    return report();
}
