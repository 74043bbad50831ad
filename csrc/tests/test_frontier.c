#include "frontier.h"

#include "check.h"

enum { MODELS = 3, SUMS = MS_FRONTIER_SUMS + 2 * MODELS, MANY = 6, MANY_SUMS = MS_FRONTIER_SUMS + 2 * MANY };
enum { TILES = 9 }; /* models, of which eight are summed by fours */

static double sums[2 * (MS_FRONTIER_SUMS + 2 * TILES)];
static ms_frontier_bin bins[2 * MS_FRONTIER_BINS];
static const int32_t nobody_else[64];

static ms_frontier empty(int64_t models)
{
    memset(sums, 0, sizeof sums);
    memset(bins, 0, sizeof bins);
    return (ms_frontier){.models = models, .sums = sums, .bins = bins};
}

/* The i-th bin in rising order that holds a step of a tenant; NULL beyond the last. */
static const ms_frontier_bin *used_by(int tenant, int i)
{
    for (int64_t b = 0; b < MS_FRONTIER_BINS; b++) {
        const ms_frontier_bin *bin = &bins[tenant * MS_FRONTIER_BINS + b];
        if (bin->gain > 0.0 && i-- == 0) {
            return bin;
        }
    }
    return NULL;
}

static const ms_frontier_bin *used(int i)
{
    return used_by(0, i);
}

static int is_bin(const ms_frontier_bin *bin, double gain, double cost, double least, double most)
{
    return bin != NULL && bin->gain == gain && bin->cost == cost && bin->least == least && bin->most == most;
}

static void a_request_climbs_from_the_cheapest_to_the_cheapest_that_satisfies(void)
{
    ms_frontier f = empty(MODELS);
    const double costs[] = {2.0, 9.0, 5.0}, satisfied[] = {0.0, 1.0, 1.0};
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    CHECK(sums[0] == 1.0 && sums[1] == 0.0 && sums[2] == 2.0);
    CHECK(is_bin(used(0), 1.0, 3.0, 3.0, 3.0));
    CHECK(used(1) == NULL);
}

static void who_is_satisfied_by_the_cheapest_never_climbs(void)
{
    ms_frontier f = empty(MODELS);
    const double costs[] = {5.0, 2.0, 2.0}, satisfied[] = {1.0, 0.0, 1.0}; /* of equal costs the satisfying one */
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    CHECK(sums[1] == 1.0 && sums[2] == 2.0);
    CHECK(used(0) == NULL);
}

/* (0, 0), (.25, 1), (.5, 8), (1, 10): from .25 on, slope 12 to the last; (.5, 8) lies above that line. In any order. */
static void only_corners_of_the_hull_are_steps(void)
{
    static const double cost_of[] = {0.0, 1.0, 8.0, 10.0}, satisfaction_of[] = {0.0, 0.25, 0.5, 1.0};
    for (int order = 0; order < 256; order++) {
        const int whose[] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6};
        double costs[4], satisfied[4];
        int seen = 0;
        for (int m = 0; m < 4; m++) {
            costs[m] = cost_of[whose[m]];
            satisfied[m] = satisfaction_of[whose[m]];
            seen |= 1 << whose[m];
        }
        if (seen == 15) { /* each once */
            ms_frontier f = empty(MODELS + 1);
            ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
            CHECK(is_bin(used(0), 0.25, 1.0, 4.0, 4.0));
            CHECK(is_bin(used(1), 0.75, 9.0, 12.0, 12.0));
            CHECK(used(2) == NULL && sums[1] == 0.0 && sums[2] == 0.0);
        }
    }
}

static void what_cannot_be_had_is_no_corner(void)
{
    ms_frontier f = empty(MODELS);
    const double costs[] = {INFINITY, 2.0, INFINITY}, satisfied[] = {0.5, 0.25, 1.0};
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    CHECK(sums[1] == 0.25 && sums[2] == 2.0);
    CHECK(used(0) == NULL);
    CHECK(sums[MS_FRONTIER_SUMS + MODELS] == INFINITY); /* nor is the model alone a choice */
}

/* Nobody's choice can serve it; one that costs nothing counts. */
static void what_no_model_takes_is_not_counted(void)
{
    enum { N = 3 };
    ms_frontier f = empty(MODELS);
    const double satisfied[MODELS * N] = {0.0, 1.0, 0.5, 0.0, 1.0, 0.5, 1.0, 1.0, 0.5};
    double costs[MODELS * N];
    for (int m = 0; m < MODELS; m++) {
        costs[m * N] = 1.0 + m, costs[m * N + 1] = INFINITY, costs[m * N + 2] = 0.0;
    }
    ms_frontier_add(&f, N, nobody_else, satisfied, costs);
    CHECK(sums[0] == 2.0 && sums[1] == 0.5 && sums[2] == 1.0);
    for (int m = 0; m < MODELS; m++) {
        CHECK(sums[MS_FRONTIER_SUMS + m] == (m == 2 ? 1.5 : 0.5));
        CHECK(sums[MS_FRONTIER_SUMS + MODELS + m] == 1.0 + m);
    }
}

/* 1/2048 more for 1. */
static void the_smallest_gain_is_a_step(void)
{
    ms_frontier f = empty(2);
    const double costs[] = {0.0, 1.0}, satisfied[] = {0.5, 0.5 + 0x1p-11};
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    CHECK(is_bin(used(0), 0x1p-11, 1.0, 2048.0, 2048.0) && used(1) == NULL);
}

static void points_on_one_line_are_steps_of_one_slope(void)
{
    ms_frontier f = empty(MODELS);
    const double costs[] = {0.0, 1.0, 2.0}, satisfied[] = {0.0, 0.5, 1.0};
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    CHECK(is_bin(used(0), 1.0, 2.0, 2.0, 2.0));
    CHECK(used(1) == NULL);
}

static void steps_that_share_a_bin_are_added(void)
{
    ms_frontier f = empty(2);
    const double near = 100.0 * (1.0 + 0x1p-10);
    const double costs[] = {0.0, 0.0, 0.0, 100.0, near, 200.0}, satisfied[] = {0.0, 0.0, 0.0, 1.0, 1.0, 1.0};
    ms_frontier_add(&f, 3, nobody_else, satisfied, costs);
    CHECK(is_bin(used(0), 2.0, 100.0 + near, 100.0, near));
    CHECK(is_bin(used(1), 1.0, 200.0, 200.0, 200.0));
}

static int64_t bin_of_step(double slope)
{
    ms_frontier f = empty(2);
    const double costs[] = {0.0, slope}, satisfied[] = {0.0, 1.0};
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    return used(0) - bins;
}

/* A bin is at most 1/256 of its slopes wide, and at least 1/512. */
static void bins_rise_with_slopes_and_are_narrow(void)
{
    for (double slope = 0x1p-31; slope < 0x1p31; slope *= 1.37) {
        const int64_t bin = bin_of_step(slope), following = bin_of_step(slope * (1.0 + 1.0 / 512.0));
        CHECK(bin == following || bin == following - 1);
        CHECK(bin < bin_of_step(slope * (1.0 + 1.0 / 255.0)));
    }
}

static void what_is_beyond_the_grid_goes_into_the_end_bins(void)
{
    ms_frontier f = empty(2);
    const double costs[] = {0.0, 0.0, 0x1p-1070, 0x1p900}, satisfied[] = {0.0, 0.0, 1.0, 1.0};
    ms_frontier_add(&f, 2, nobody_else, satisfied, costs);
    CHECK(is_bin(&bins[0], 1.0, 0x1p-1070, 0x1p-1070, 0x1p-1070));
    CHECK(is_bin(&bins[MS_FRONTIER_BINS - 1], 1.0, 0x1p900, 0x1p900, 0x1p900));
}

static void tenants_and_models_are_summed_apart(void)
{
    ms_frontier f = empty(MODELS);
    const int32_t tenant[] = {1, 0, 1};
    const double costs[] = {1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 100.0, 200.0, 300.0};
    const double satisfied[] = {0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0};
    ms_frontier_add(&f, 3, tenant, satisfied, costs);
    const double first[] = {1.0, 1.0, 2.0, 1.0, 1.0, 0.0, 2.0, 20.0, 200.0};
    const double second[] = {2.0, 0.0, 4.0, 0.0, 2.0, 1.0, 4.0, 40.0, 400.0};
    CHECK(memcmp(sums, first, sizeof first) == 0);
    CHECK(memcmp(sums + SUMS, second, sizeof second) == 0);
    CHECK(used_by(0, 0) == NULL);
    CHECK(is_bin(used_by(1, 0), 1.0, 9.0, 9.0, 9.0) && is_bin(used_by(1, 1), 1.0, 27.0, 27.0, 27.0));
    CHECK(used_by(1, 2) == NULL);
}

static void blocks_do_not_show(void)
{
    enum { N = 500 };
    static double costs[MANY * N], satisfied[MANY * N], whole_sums[2 * MANY_SUMS];
    static ms_frontier_bin whole[2 * MS_FRONTIER_BINS];
    static int32_t tenant[N];
    lcg chance = {7};
    for (int i = 0; i < MANY * N; i++) {
        costs[i] = lcg_between(&chance, 0, 1) == 0 ? INFINITY : 100.0 * lcg_unit(&chance);
        satisfied[i] = (double)lcg_between(&chance, 0, 4) / 4.0;
    }
    for (int i = 0; i < N; i++) {
        tenant[i] = (int32_t)lcg_between(&chance, 0, 1);
    }
    ms_frontier f = empty(MANY);
    ms_frontier_add(&f, N, tenant, satisfied, costs);
    memcpy(whole_sums, sums, sizeof whole_sums);
    memcpy(whole, bins, sizeof whole);
    f = empty(MANY);
    for (int64_t at = 0; at < N;) {
        const int64_t n = lcg_between(&chance, 1, N - at < 70 ? N - at : 70);
        double some_costs[MANY * 70], some_satisfied[MANY * 70];
        for (int m = 0; m < MANY; m++) {
            memcpy(some_costs + m * n, costs + m * N + at, (size_t)n * sizeof(double));
            memcpy(some_satisfied + m * n, satisfied + m * N + at, (size_t)n * sizeof(double));
        }
        ms_frontier_add(&f, n, tenant + at, some_satisfied, some_costs);
        at += n;
    }
    CHECK(whole_sums[0] + whole_sums[MANY_SUMS] > N - 30 && whole_sums[0] + whole_sums[MANY_SUMS] < N);
    CHECK(memcmp(whole_sums, sums, sizeof whole_sums) == 0);
    CHECK(memcmp(whole, bins, sizeof whole) == 0);
}

/* From (.5, 1) on the third model would be next, were it to be had. */
static void what_cannot_be_had_is_no_later_corner(void)
{
    ms_frontier f = empty(MODELS + 1);
    const double costs[] = {0.0, 1.0, INFINITY, 9.0}, satisfied[] = {0.0, 0.5, 0.75, 1.0};
    ms_frontier_add(&f, 1, nobody_else, satisfied, costs);
    CHECK(is_bin(used(0), 0.5, 1.0, 2.0, 2.0) && is_bin(used(1), 0.5, 8.0, 16.0, 16.0) && used(2) == NULL);
    f = empty(MODELS);
    ms_frontier_add(&f, 1, nobody_else, (const double[]){0.0, 0.5, 0.75}, (const double[]){0.0, 1.0, INFINITY});
    CHECK(is_bin(used(0), 0.5, 1.0, 2.0, 2.0) && used(1) == NULL);
}

/* However many models and requests: of each model all that it gives and costs, in whole numbers. */
static void sums_of_many_models_are_those_of_loops(void)
{
    enum { N = 130 };
    static double costs[TILES * N], satisfied[TILES * N];
    static int32_t tenant[N];
    lcg chance = {3};
    for (int i = 0; i < TILES * N; i++) {
        costs[i] = (double)lcg_between(&chance, 1, 100);
        satisfied[i] = (double)lcg_between(&chance, 0, 1);
    }
    for (int i = 0; i < N; i++) {
        tenant[i] = (int32_t)lcg_between(&chance, 0, 1);
    }
    for (int models = 1; models <= TILES; models++) {
        ms_frontier f = empty(models);
        ms_frontier_add(&f, N, tenant, satisfied, costs);
        for (int whose = 0; whose < 2; whose++) {
            const double *own = sums + whose * (MS_FRONTIER_SUMS + 2 * models);
            double count = 0.0;
            for (int m = 0; m < models; m++) {
                double given = 0.0, cost = 0.0;
                count = 0.0;
                for (int i = 0; i < N; i++) {
                    count += tenant[i] == whose;
                    given += tenant[i] == whose ? satisfied[m * N + i] : 0.0;
                    cost += tenant[i] == whose ? costs[m * N + i] : 0.0;
                }
                CHECK(own[MS_FRONTIER_SUMS + m] == given && own[MS_FRONTIER_SUMS + models + m] == cost);
            }
            CHECK(own[0] == count);
        }
    }
}

int main(void)
{
    RUN(a_request_climbs_from_the_cheapest_to_the_cheapest_that_satisfies);
    RUN(who_is_satisfied_by_the_cheapest_never_climbs);
    RUN(only_corners_of_the_hull_are_steps);
    RUN(what_cannot_be_had_is_no_corner);
    RUN(what_no_model_takes_is_not_counted);
    RUN(the_smallest_gain_is_a_step);
    RUN(points_on_one_line_are_steps_of_one_slope);
    RUN(steps_that_share_a_bin_are_added);
    RUN(bins_rise_with_slopes_and_are_narrow);
    RUN(what_is_beyond_the_grid_goes_into_the_end_bins);
    RUN(tenants_and_models_are_summed_apart);
    RUN(blocks_do_not_show);
    RUN(what_cannot_be_had_is_no_later_corner);
    RUN(sums_of_many_models_are_those_of_loops);
    return report();
}
