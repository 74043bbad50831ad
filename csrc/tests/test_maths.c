#include "maths.h"

#include "check.h"

/* True values to the last bit, from mpmath with 50 digits. */
static const struct {
    double x, value;
} exps[] = {
    {1.0, 0x1.5bf0a8b145769p+1},     {-1.0, 0x1.78b56362cef38p-2},
    {0.5, 0x1.a61298e1e069cp+0},     {0x1.0p-30, 0x1.00000004p+0},
    {10.0, 0x1.5829dcf95056p+14},    {-30.0, 0x1.a56e0c2ac7f75p-44},
    {700.0, 0x1.d945df4f8ec8ep+1009}, {-700.0, 0x1.14f2b0fb9307fp-1010},
    {708.0, 0x1.586f6bf260cf1p+1021}, {-708.0, 0x1.7c8ab2288c9abp-1022},
};
static const struct {
    double x, value;
} logs[] = {
    {2.0, 0x1.62e42fefa39efp-1},
    {0.5, -0x1.62e42fefa39efp-1},
    {0x1.5bf0a8b145769p+1, 1.0},
    /* both sides of sqrt(1/2) and of sqrt(2), where the power of two changes */
    {0x1.6a09e667f3bcdp-1, -0x1.62e42fefa39eep-2},
    {0x1.6a09e667f3bccp-1, -0x1.62e42fefa39f1p-2},
    {0x1.6a09e667f3bcdp+0, 0x1.62e42fefa39fp-2},
    {1.0 + 0x1.0p-52, 0x1.fffffffffffffp-53},
    {1.0 - 0x1.0p-53, -0x1.0p-53},
    {10.0, 0x1.26bb1bbb55516p+1},
    {0x1.0p-1022, -0x1.6232bdd7abcd2p+9},
    {0x1.fffffffffffffp+1023, 0x1.62e42fefa39efp+9},
};
static const struct {
    double u, value;
} quantiles[] = {
    {0x1.0p-53, -0x1.06b48528cea52p+3},   {1.0 - 0x1.0p-53, 0x1.06b48528cea52p+3},
    {1e-12, -0x1.c234fba57a32ap+2},       {1e-9, -0x1.7fdc11f44b5a7p+2},
    {0.01, -0x1.29c5c4630ff0fp+1},        {0.075, -0x1.7085226d3e524p+0},
    {0.25, -0x1.5956b87528a49p-1},        {0.49, -0x1.9aba9f4786911p-6},
    {0.75, 0x1.5956b87528a49p-1},         {0.925, 0x1.7085226d3e525p+0},
    {0.975, 0x1.f5c0331eeff83p+0},        {0.999, 0x1.8b8cbb720447p+1},
};

static double ulp(double x)
{
    return nextafter(fabs(x), INFINITY) - fabs(x);
}

static void exp_is_within_an_ulp(void)
{
    for (size_t i = 0; i < sizeof exps / sizeof exps[0]; i++) {
        CHECK(fabs(ms_exp(exps[i].x) - exps[i].value) <= ulp(exps[i].value));
    }
    CHECK(ms_exp(0.0) == 1.0);
    CHECK(ms_exp(-0.0) == 1.0);
}

static void exp_is_clipped_at_708(void)
{
    CHECK(ms_exp(1e9) == ms_exp(708.0));
    CHECK(ms_exp(INFINITY) == ms_exp(708.0));
    CHECK(ms_exp(-1e9) == ms_exp(-708.0));
    CHECK(ms_exp(-INFINITY) == ms_exp(-708.0));
    CHECK(ms_exp(-INFINITY) > 0.0);
    CHECK(ms_exp(NAN) != ms_exp(NAN));
}

static void log_is_within_an_ulp(void)
{
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        CHECK(fabs(ms_log(logs[i].x) - logs[i].value) <= ulp(logs[i].value));
    }
    CHECK(ms_log(1.0) == 0.0);
}

/* The C library's are within an ulp themselves. */
static void exp_and_log_agree_with_libm(void)
{
    lcg chance = {2};
    for (int i = 0; i < 100000; i++) {
        const double x = 1416.0 * lcg_unit(&chance) - 708.0;
        const double y = exp(x);
        CHECK(fabs(ms_exp(x) - y) <= 2.0 * ulp(y));
        CHECK(fabs(ms_log(y) - log(y)) <= 2.0 * ulp(log(y)));
        const double near_one = 0.5 + 1.5 * lcg_unit(&chance);
        CHECK(fabs(ms_log(near_one) - log(near_one)) <= 2.0 * ulp(log(near_one)));
    }
}

static void the_normal_quantile_is_within_its_bound(void)
{
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        CHECK(fabs(ms_normal_quantile(quantiles[i].u) - quantiles[i].value) <=
              1e-15 * fabs(quantiles[i].value));
    }
    CHECK(ms_normal_quantile(0.5) == 0.0);
}

/* 1 - u is exact for the u of a draw, so the two tails are one function. */
static void the_normal_quantile_is_odd(void)
{
    lcg chance = {3};
    for (int i = 0; i < 20000; i++) {
        const double u = ((double)(lcg_next(&chance) >> 1) + 0.5) * 0x1p-52;
        CHECK(ms_normal_quantile(u) == -ms_normal_quantile(1.0 - u));
    }
}

static void the_normal_quantile_inverts_the_distribution(void)
{
    lcg chance = {4};
    for (int i = 0; i < 20000; i++) {
        const double tail = ms_exp(-36.0 * lcg_unit(&chance)) / 2.0;
        const double z = ms_normal_quantile(tail);
        /* d ln(tail) / dz is about -z: an error of 1e-15 in z shows as 1e-15 z^2 */
        CHECK(fabs(erfc(-z / sqrt(2.0)) / 2.0 / tail - 1.0) <= 2e-15 * (4.0 + z * z));
    }
}

static void the_exponential_quantile_stays_finite(void)
{
    CHECK(ms_exponential_quantile(0x1p-53) > 0.0);
    CHECK_NEAR(ms_exponential_quantile(1.0 - 0x1p-53), 53.0 * log(2.0), 1e-15);
    CHECK_NEAR(ms_exponential_quantile(0.5), log(2.0), 1e-15);
}

static void the_sigmoid_saturates(void)
{
    CHECK(ms_sigmoid(0.0) == 0.5);
    CHECK_NEAR(ms_sigmoid(2.0), 1.0 / (1.0 + exp(-2.0)), 1e-15);
    CHECK_NEAR(ms_sigmoid(-2.0) + ms_sigmoid(2.0), 1.0, 1e-15);
    CHECK(ms_sigmoid(1e6) == 1.0);
    CHECK(ms_sigmoid(-1e6) >= 0.0 && ms_sigmoid(-1e6) < 1e-300);
}

static void the_inverse_power_of_a_quarter_equals_the_general_one(void)
{
    for (double t = 1.0; t < 1e12; t *= 1.37) {
        const double general = ms_exp(-0.25 * ms_log(t));
        CHECK(fabs(ms_inverse_power(t, 0.25) / general - 1.0) <= 1e-14);
        CHECK_NEAR(ms_inverse_power(t, 0.5), 1.0 / sqrt(t), 1e-14);
    }
    CHECK(ms_inverse_power(7.0, 0.0) == 1.0);
    CHECK(ms_inverse_power(16.0, 0.25) == 0.5);
}

/* Of equals and of what is no number, the second, as of `a < b ? a : b`. */
static void less_and_more_are_the_second_unless_the_first_is(void)
{
    CHECK(ms_less(1.0, 2.0) == 1.0 && ms_less(2.0, 1.0) == 1.0 && ms_more(1.0, 2.0) == 2.0 && ms_more(2.0, 1.0) == 2.0);
    const volatile double zero = 0.0, none = NAN; /* what is not known when compiled */
    CHECK(signbit(ms_less(zero, -zero)) && !signbit(ms_less(-zero, zero)));
    CHECK(signbit(ms_more(zero, -zero)) && !signbit(ms_more(-zero, zero)));
    CHECK(ms_less(none, 1.0) == 1.0 && isnan(ms_less(1.0, none)));
    CHECK(ms_more(none, 1.0) == 1.0 && isnan(ms_more(1.0, none)));
}

int main(void)
{
    RUN(exp_is_within_an_ulp);
    RUN(exp_is_clipped_at_708);
    RUN(log_is_within_an_ulp);
    RUN(exp_and_log_agree_with_libm);
    RUN(the_normal_quantile_is_within_its_bound);
    RUN(the_normal_quantile_is_odd);
    RUN(the_normal_quantile_inverts_the_distribution);
    RUN(the_exponential_quantile_stays_finite);
    RUN(the_sigmoid_saturates);
    RUN(the_inverse_power_of_a_quarter_equals_the_general_one);
    RUN(less_and_more_are_the_second_unless_the_first_is);
    return report();
}
