#include "ledger.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

int ms_ledger_init(ms_ledger *self, double alpha, double discount, int64_t window)
{
    *self = (ms_ledger){.alpha = alpha, .discount = discount, .window = window};
    if (window > 0) {
        self->recent = calloc((size_t)window, sizeof(double));
        if (self->recent == NULL) {
            return MS_ERR_MEMORY;
        }
    }
    return 0;
}

void ms_ledger_free(ms_ledger *self)
{
    free(self->recent);
    self->recent = NULL;
}

static double positive(double x)
{
    return x > 0.0 ? x : 0.0;
}

void ms_ledger_rate(ms_ledger *self, double satisfaction)
{
    const double shortfall = self->alpha - satisfaction;
    self->plain = positive(self->plain + shortfall);
    if (self->plain > self->plain_max) {
        self->plain_max = self->plain;
    }
    if (self->window > 0) {
        double *oldest = self->recent + self->rated % self->window;
        self->recent_sum += shortfall - *oldest;
        *oldest = shortfall;
        self->queue = positive(self->recent_sum);
    } else {
        self->queue = positive(self->discount * self->queue + shortfall);
    }
    self->rated++;
    self->satisfied += satisfaction;
    self->promised += self->alpha;
}

double ms_ledger_certificate(const ms_ledger *self)
{
    return self->rated == 0 ? NAN : (self->promised - self->plain) / (double)self->rated;
}

int ms_ledger_holds(const ms_ledger *self)
{
    const double slack = (double)self->rated * 0x1p-52 * (self->plain_max + 1.0);
    return self->satisfied >= self->promised - self->plain - slack * (double)self->rated;
}
