#include "wait.h"

#include <math.h>

#include "draw.h"

double ms_wait_s(const ms_wait *self, int64_t request, int32_t attempt)
{
    ms_stream stream = self->stream;
    stream.sub = (uint32_t)attempt;
    double x = INFINITY;
    switch ((enum ms_wait_law)self->law) {
    case MS_WAITS_FOREVER:
        return x;
    case MS_WAITS_CONSTANT:
        return self->mean_s;
    case MS_WAITS_EXPONENTIAL:
        ms_draw_exponential(&stream, 0, (uint64_t)request, 1, &x);
        return self->mean_s * x;
    case MS_WAITS_LOGNORMAL:
        ms_draw_lognormal(&stream, 0, (uint64_t)request, 1, self->mu, self->sigma, &x);
        return x;
    }
    return x;
}
