/* Seconds of an iteration's products with the weights, g(n) of iteration.h, as replicas with the same coefficients look them
 * up: they ask in every iteration. Every value is that of ms_batch_seconds, to the bit. */
#ifndef MS_PRODUCTS_H
#define MS_PRODUCTS_H

#include <stdint.h>

#include "iteration.h"

enum { MS_FEW_DECODERS = 64, MS_OCTAVES = 32 };

typedef struct ms_products {
    const ms_coefficients *coefficients;
    double few_s[MS_FEW_DECODERS]; /* for so many decoders alone; 0: not worked out yet */
    int32_t turns;                 /* where knots are given: how many lie in one octave, at most */
    int8_t below[MS_OCTAVES];      /* and how many before an octave that begins at 2^i tokens */
    double turn_tokens[2 * MS_MOST_KNOTS];      /* knots but the first and the last, then infinity */
    double slope_s_per_token[MS_MOST_KNOTS];    /* behind each knot but the last */
} ms_products;

/* `coefficients` must outlive it, as they are. */
void ms_products_init(ms_products *self, const ms_coefficients *coefficients);

/* Of a decoding batch without prompts. */
double ms_products_of_decoders(ms_products *self, int32_t decoders);

/* Of any tokens, at least 1. */
double ms_products_seconds(const ms_products *self, double tokens);

#endif
