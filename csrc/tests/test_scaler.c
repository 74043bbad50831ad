#include "scaler.h"

#include <math.h>

#include "check.h"

static void it_is_mean_and_deviation_of_all_seen(void)
{
    enum { N = 500 };
    static double x[N];
    lcg chance = {5};
    ms_scaler scaler;
    CHECK(ms_scaler_init(&scaler, 2) == 0);
    for (int n = 0; n < N; n++) {
        x[n] = 1e6 + 30.0 * lcg_unit(&chance);
        const double both[2] = {x[n], -2.0 * x[n]};
        ms_scaler_see(&scaler, both);
        double mean = 0.0, squares = 0.0;
        for (int i = 0; i <= n; i++) {
            mean += x[i] / (n + 1);
        }
        for (int i = 0; i <= n; i++) {
            squares += (x[i] - mean) * (x[i] - mean);
        }
        if (n + 1 < MS_SCALER_FIRST) {
            CHECK(scaler.standard[0] == 0.0 && scaler.standard[1] == 0.0);
        } else {
            CHECK_NEAR(scaler.standard[0], (x[n] - mean) / sqrt(squares / (n + 1)), 1e-6);
            CHECK_NEAR(scaler.standard[1], -scaler.standard[0], 1e-9);
        }
    }
    ms_scaler_free(&scaler);
}

static void what_does_not_move_is_nothing(void)
{
    ms_scaler scaler;
    CHECK(ms_scaler_init(&scaler, 3) == 0);
    for (int n = 0; n < 100; n++) {
        const double x[3] = {0.1, 0.0, n % 2 == 0 ? 1e300 : -1e300};
        ms_scaler_see(&scaler, x);
        CHECK(scaler.standard[0] == 0.0 && scaler.standard[1] == 0.0 && scaler.standard[2] == 0.0);
    }
    ms_scaler_free(&scaler);
    CHECK(scaler.mean == NULL && scaler.standard == NULL);
}

/* A feature of about 1000 that moves by this share of it either way: by 1e-12 and less is rounding. */
static void what_moves_by_more_than_rounding_counts(void)
{
    const double moves[] = {0.8e-12, 1.2e-12};
    for (int k = 0; k < 2; k++) {
        ms_scaler scaler;
        CHECK(ms_scaler_init(&scaler, 1) == 0);
        for (int n = 0; n < 100; n++) {
            const double x = 1000.0 * (1.0 + (n % 2 == 0 ? moves[k] : -moves[k]));
            ms_scaler_see(&scaler, &x);
        }
        CHECK((scaler.standard[0] < 0.0) == (k == 1));
        ms_scaler_free(&scaler);
    }
}

int main(void)
{
    RUN(it_is_mean_and_deviation_of_all_seen);
    RUN(what_does_not_move_is_nothing);
    RUN(what_moves_by_more_than_rounding_counts);
    return report();
}
