/* The virtual queue of MESS+ and the sample-path certificate that comes with it.
 *
 *     Q <- max(0, Q + alpha - s)        for every answer that is rated
 *
 * On every path, in any order of ratings: S/T >= A/T - (Q_end - Q_start)/T, with T ratings, S the sum
 * of their s and A the sum of their alpha. A discounted or windowed queue decides otherwise, so a
 * plain one is kept beside it for the certificate. */
#ifndef MS_LEDGER_H
#define MS_LEDGER_H

#include <stdint.h>

typedef struct ms_ledger {
    double alpha;
    double discount;     /* Q <- max(0, discount * Q + alpha - s); 1 is the paper's */
    int64_t window;      /* Q = max(0, sum of alpha - s over the last `window` ratings); 0 for none */
    double queue;        /* what the router sees */
    double plain;        /* the undiscounted queue that the certificate speaks of */
    double plain_max;
    int64_t rated;       /* T */
    double satisfied;    /* S */
    double promised;     /* A */
    double *recent;      /* [window] the last shortfalls, a ring */
    double recent_sum;
} ms_ledger;

int ms_ledger_init(ms_ledger *self, double alpha, double discount, int64_t window);
void ms_ledger_free(ms_ledger *self);

/* One answer with satisfaction s in [0, 1] is rated. */
void ms_ledger_rate(ms_ledger *self, double satisfaction);

/* The lower bound on the mean satisfaction of rated answers, alpha - Q/T; NaN before any. */
double ms_ledger_certificate(const ms_ledger *self);

/* Whether the certificate holds, with slack T 2^-52 (Q_max + 1) for rounding. It always must. */
int ms_ledger_holds(const ms_ledger *self);

#endif
