/* The instances of a router, and what was delivered to whom.
 *
 * Each instance is a router of its own for the requests that come to it: it owns its virtual queues, its step, its
 * predictor, its estimates of cost and its policy's state, and hears the labels of what it routed, nothing else. When
 * they are reconciled, each virtual queue becomes the mean over the instances, tenant by tenant, and so do the
 * predictors' weights. What else an instance has learnt (costs, the policy's state) stays its own.
 *
 * The mean keeps the sum of the queues, so the certificate holds for the sum over instances:
 *     S/T >= A/T - (sum of Q - Q_start)/T        T, S, A over all ratings of a tenant */
#ifndef MS_INSTANCES_H
#define MS_INSTANCES_H

#include <stdint.h>

#include "brain.h"

typedef struct ms_instances {
    int32_t count;
    int32_t tenants;
    ms_brain *brain;          /* [count] */
    ms_ledger *delivered;     /* [tenants] of all answers, as if all were rated: only the simulator knows */
    ms_ledger **tracked;      /* [tenants][count] the brains' own ledgers */
    ms_predictor **predictor; /* [count] scratch */
    int64_t reconciliations;
    int64_t reconciled; /* what ms_instances_learnt was at the last */
} ms_instances;

/* The brains' policies, predictors and estimates are then set by the caller. */
int ms_instances_init(ms_instances *self, int32_t count, int32_t models, int32_t tenants, int32_t dimensions,
                      const double *alphas, double discount, int64_t window);
/* Every queue starts at this; before any rating. */
void ms_instances_start(ms_instances *self, double queue);

void ms_instances_free(ms_instances *self);

/* A new page begins. */
void ms_instances_turn_page(ms_instances *self);

void ms_instances_reconcile(ms_instances *self);

/* How much the instances have learnt: ratings and steps of predictors. Unless it has risen, to reconcile them again
 * would only round. */
int64_t ms_instances_learnt(const ms_instances *self);

/* One ledger of all that a tenant's users have rated: its queue is the sum over instances. */
ms_ledger ms_instances_tracked(const ms_instances *self, int32_t tenant);

/* alpha - (Q - Q_start)/T over all tenants and instances; NaN before any rating. */
double ms_instances_certificate(const ms_instances *self);

#endif
