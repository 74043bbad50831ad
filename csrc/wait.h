/* How long somebody waits: a law of seconds, drawn for one attempt of one request. */
#ifndef MS_WAIT_H
#define MS_WAIT_H

#include <stdint.h>

#include "philox.h"

enum ms_wait_law { MS_WAITS_FOREVER, MS_WAITS_CONSTANT, MS_WAITS_EXPONENTIAL, MS_WAITS_LOGNORMAL };

typedef struct ms_wait {
    int32_t law;      /* enum ms_wait_law */
    double mean_s;
    double mu, sigma; /* of the lognormal's logarithm */
    ms_stream stream; /* sub is the attempt */
} ms_wait;

/* Seconds, at least 0; infinite for MS_WAITS_FOREVER. */
double ms_wait_s(const ms_wait *self, int64_t request, int32_t attempt);

#endif
