#include "products.h"

#include <math.h>

#include "check.h"

static const ms_coefficients dense = {.a0_s = 1.0, .c0_s_per_token = 0.25, .c1_s_per_token = 0.5, .nstar_tokens = 100.0};
static const ms_coefficients experts = {.a0_s = 1.0, .c0_s_per_token = 0.25, .ae_s = 2.0, .se = 0.5, .experts = 8.0, .top_k = 2.0};

/* Of the built-in profiles' knots, of which three lie in one octave; times that also fall. */
static ms_coefficients of_a_profile(void)
{
    static const double knots[] = {1, 4, 8, 16, 32, 64, 65, 96, 128, 129, 192, 256, 257, 384, 512, 513, 1024, 2048, 8192};
    ms_coefficients c = {.knots = 19};
    for (int k = 0; k < 19; k++) {
        c.knot_tokens[k] = knots[k];
        c.knot_s[k] = 0.01 + knots[k] / 3e4 + (k % 3 == 1 ? 0.002 : 0.0);
    }
    return c;
}

/* As many knots as there may be, all within an octave, within a token, or far apart; and as few. */
static ms_coefficients of_knots(int32_t knots, double first, double step, double factor)
{
    ms_coefficients c = {.knots = knots};
    double tokens = first;
    for (int32_t k = 0; k < knots; k++) {
        c.knot_tokens[k] = tokens;
        c.knot_s[k] = 0.5 + 0.1 * k * (k % 2 == 0 ? 1.0 : 1.7);
        tokens = tokens * factor + step;
    }
    return c;
}

static void check_all(const ms_coefficients *c)
{
    ms_products products;
    ms_products_init(&products, c);
    for (double tokens = 1.0; tokens < 9000.0; tokens += 1.0) {
        CHECK(ms_products_seconds(&products, tokens) == ms_batch_seconds(c, tokens));
    }
    for (int32_t k = 0; k < c->knots; k++) { /* at its edges, and fractions of a token */
        const double at = fmax(c->knot_tokens[k], 1.0);
        CHECK(ms_products_seconds(&products, at) == ms_batch_seconds(c, at));
        CHECK(ms_products_seconds(&products, nextafter(at, INFINITY)) == ms_batch_seconds(c, nextafter(at, INFINITY)));
        CHECK(ms_products_seconds(&products, fmax(nextafter(at, 0.0), 1.0)) == ms_batch_seconds(c, fmax(nextafter(at, 0.0), 1.0)));
    }
    for (double tokens = 1.0; tokens < 0x1p70; tokens *= 1.9) { /* beyond all octaves too */
        CHECK(ms_products_seconds(&products, tokens) == ms_batch_seconds(c, tokens));
    }
}

static void seconds_are_those_of_the_iteration(void)
{
    const ms_coefficients profile = of_a_profile();
    const ms_coefficients many[] = {dense, experts, profile, of_knots(2, 1.0, 5.0, 1.0), of_knots(3, 0.25, 0.25, 1.0),
                                    of_knots(MS_MOST_KNOTS, 1024.0, 8.0, 1.0), of_knots(MS_MOST_KNOTS, 1.0, 0.03, 1.0),
                                    of_knots(MS_MOST_KNOTS, 1.0, 0.0, 4.0), of_knots(MS_MOST_KNOTS, 3.0, 1.0, 1.3)};
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        check_all(&many[i]);
    }
    ms_products products;
    ms_products_init(&products, &profile);
    CHECK(products.turns == 3);
    CHECK(ms_products_seconds(&products, 6.0) == 0.01 + 4.0 / 3e4 + 0.002 + ((0.01 + 8.0 / 3e4) - (0.01 + 4.0 / 3e4 + 0.002)) / 4.0 * 2.0);
}

/* No more knots are tried than lie in one octave: here 2 and 3, and 1.5 in the one before. */
static void few_knots_are_tried(void)
{
    const ms_coefficients c = {.knots = 5, .knot_tokens = {1.0, 1.5, 2.0, 3.0, 9.0}, .knot_s = {1.0, 2.0, 4.0, 5.0, 6.0}};
    ms_products products;
    ms_products_init(&products, &c);
    CHECK(products.turns == 2);
    check_all(&c);
}

/* With drafts each decoder has tokens of its own; few are worked out once. */
static void decoders_are_worked_out_once(void)
{
    ms_coefficients c = dense;
    c.draft_tokens = 3.0;
    ms_products products;
    ms_products_init(&products, &c);
    for (int32_t n = 1; n < 2 * MS_FEW_DECODERS; n++) {
        CHECK(ms_products_of_decoders(&products, n) == ms_batch_seconds(&c, 4.0 * n));
    }
    CHECK(products.few_s[5] == ms_batch_seconds(&c, 20.0));
    products.few_s[5] = 7.0;
    CHECK(ms_products_of_decoders(&products, 5) == 7.0);
}

int main(void)
{
    RUN(seconds_are_those_of_the_iteration);
    RUN(few_knots_are_tried);
    RUN(decoders_are_worked_out_once);
    return report();
}
