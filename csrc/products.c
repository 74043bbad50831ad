#include "products.h"

#include <math.h>
#include <string.h>

/* floor(log2(tokens)) of at least 1 token. */
static int32_t octave_of(double tokens)
{
    uint64_t bits;
    memcpy(&bits, &tokens, sizeof bits);
    const int32_t octave = (int32_t)(bits >> 52) - 1023;
    return octave < MS_OCTAVES ? octave : MS_OCTAVES - 1;
}

static void index_knots(ms_products *self, const ms_coefficients *c)
{
    for (int32_t k = 0; k < 2 * MS_MOST_KNOTS; k++) {
        self->turn_tokens[k] = k + 2 < c->knots ? c->knot_tokens[k + 1] : INFINITY;
    }
    for (int32_t k = 0; k + 1 < c->knots; k++) {
        self->slope_s_per_token[k] = (c->knot_s[k + 1] - c->knot_s[k]) / (c->knot_tokens[k + 1] - c->knot_tokens[k]);
    }
    for (int32_t i = 0; i < MS_OCTAVES; i++) {
        const double from = i > 0 ? (double)((int64_t)1 << i) : 0.0;
        const double to = i < MS_OCTAVES - 1 ? (double)((int64_t)2 << i) : INFINITY;
        int32_t below = 0, within = 0;
        for (int32_t k = 0; k + 2 < c->knots; k++) {
            below += self->turn_tokens[k] < from;
            within += self->turn_tokens[k] >= from && self->turn_tokens[k] < to;
        }
        self->below[i] = (int8_t)below;
        self->turns = within > self->turns ? within : self->turns;
    }
}

void ms_products_init(ms_products *self, const ms_coefficients *coefficients)
{
    *self = (ms_products){.coefficients = coefficients};
    if (coefficients->knots > 0) {
        index_knots(self, coefficients);
    }
}

double ms_products_seconds(const ms_products *self, double tokens)
{
    const ms_coefficients *c = self->coefficients;
    if (c->knots == 0) {
        return ms_formula_seconds(c, tokens);
    }
    const int32_t below = self->below[octave_of(tokens)];
    int32_t k = below;
    for (int32_t i = 0; i < self->turns; i++) { /* without a branch: nobody can foretell where a prompt ends */
        k += self->turn_tokens[below + i] < tokens;
    }
    const double past = tokens - c->knot_tokens[k];
    return c->knot_s[k] + (past > 0.0 ? self->slope_s_per_token[k] * past : 0.0);
}

double ms_products_of_decoders(ms_products *self, int32_t decoders)
{
    const double n = (double)decoders, tokens = n + self->coefficients->draft_tokens * n;
    if (decoders >= MS_FEW_DECODERS) {
        return ms_products_seconds(self, tokens);
    }
    if (self->few_s[decoders] == 0.0) {
        self->few_s[decoders] = ms_products_seconds(self, tokens);
    }
    return self->few_s[decoders];
}
