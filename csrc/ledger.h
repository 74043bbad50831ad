/* The virtual queue of MESS+ and the sample-path certificate that comes with it.
 *
 *     Q <- max(0, Q + alpha - s)        for every answer that is rated
 *
 * On every path, in any order of ratings: S/T >= A/T - (Q_end - Q_start)/T, with T ratings, S the sum
 * of their s and A the sum of their alpha. A discounted or windowed queue decides otherwise, so a
 * plain one is kept beside it for the certificate. A queue may start above 0 (ms_ledger_start). */
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
    double initial;      /* what both queues started at: a place-holder that nobody is owed */
    int64_t rated;       /* T */
    double satisfied;    /* S */
    double promised;     /* A */
    int64_t averaged;    /* times that the queues were replaced by a mean of several, each a rounding */
    double *recent;      /* [window] the last shortfalls, a ring */
    double recent_sum;
} ms_ledger;

int ms_ledger_init(ms_ledger *self, double alpha, double discount, int64_t window);
void ms_ledger_free(ms_ledger *self);

/* Both queues start at this, before anything is rated. Not for windowed ones, which are what they have seen. */
void ms_ledger_start(ms_ledger *self, double queue);

/* One answer with satisfaction s in [0, 1] is rated. */
void ms_ledger_rate(ms_ledger *self, double satisfaction);

/* The lower bound on the mean satisfaction of rated answers, alpha - (Q - Q_start)/T; NaN before any. */
double ms_ledger_certificate(const ms_ledger *self);

/* Whether the certificate holds, with slack T 2^-52 (Q_max + 1) for rounding. It always must, unless the queues were
 * replaced by a mean: then it must of the total alone. */
int ms_ledger_holds(const ms_ledger *self);

/* ---- several ledgers of one promise, each of which rates a part of the answers ----------------------- */

/* Each queue becomes the mean of them all, summed in order. Their sum stays what it was, so the total's certificate
 * holds as before. Not for windowed queues: a mean of windows has no meaning. */
void ms_ledger_reconcile(ms_ledger *const *ledgers, int32_t n);

/* One ledger of all their ratings, whose queues are the sums of theirs; it remembers no window. With one ledger, that
 * ledger's figures. */
ms_ledger ms_ledger_total(ms_ledger *const *ledgers, int32_t n);

#endif
