#include "ledger.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "maths.h"

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

void ms_ledger_start(ms_ledger *self, double queue)
{
    self->queue = self->plain = self->plain_max = self->initial = queue;
}

static double positive(double x)
{
    return ms_more(x, 0.0);
}

void ms_ledger_rate(ms_ledger *self, double satisfaction)
{
    const double shortfall = self->alpha - satisfaction;
    self->plain = positive(self->plain + shortfall);
    self->plain_max = ms_more(self->plain, self->plain_max);
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
    return self->rated == 0 ? NAN : (self->promised - (self->plain - self->initial)) / (double)self->rated;
}

int ms_ledger_holds(const ms_ledger *self)
{
    const double rated = (double)self->rated, roundings = rated * rated + (double)self->averaged;
    const double slack = roundings * 0x1p-52 * (self->plain_max + 1.0);
    return self->satisfied >= self->promised - (self->plain - self->initial) - slack;
}

void ms_ledger_reconcile(ms_ledger *const *ledgers, int32_t n)
{
    const ms_ledger total = ms_ledger_total(ledgers, n);
    const double queue = total.queue / n, plain = total.plain / n;
    for (int32_t i = 0; i < n; i++) {
        ms_ledger *ledger = ledgers[i];
        ledger->queue = queue;
        ledger->plain = plain;
        ledger->plain_max = plain > ledger->plain_max ? plain : ledger->plain_max;
        ledger->averaged++;
    }
}

ms_ledger ms_ledger_total(ms_ledger *const *ledgers, int32_t n)
{
    ms_ledger total = {.alpha = ledgers[0]->alpha, .discount = ledgers[0]->discount};
    for (int32_t i = 0; i < n; i++) {
        const ms_ledger *ledger = ledgers[i];
        total.queue += ledger->queue;
        total.plain += ledger->plain;
        total.plain_max += ledger->plain_max;
        total.initial += ledger->initial;
        total.rated += ledger->rated;
        total.satisfied += ledger->satisfied;
        total.promised += ledger->promised;
        total.averaged += ledger->averaged;
    }
    return total;
}
