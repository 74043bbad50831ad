#include "instances.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

/* Features that are gathered with those of the next requests serve an instance only 1 request in `count`; with more
 * instances than these, each request's alone cost less. */
enum { MS_SHARING_MOST = 8 };

static int init_brains(ms_instances *self, int32_t models, int32_t dimensions, const double *alphas, double discount,
                       int64_t window)
{
    const int is_in_turn = self->count <= MS_SHARING_MOST;
    for (int32_t i = 0; i < self->count; i++) {
        ms_brain *brain = &self->brain[i];
        const int error =
            ms_brain_init(brain, models, self->tenants, dimensions, alphas, discount, window, is_in_turn);
        if (error) {
            return error;
        }
        for (int32_t k = 0; k < self->tenants; k++) {
            self->tracked[k * self->count + i] = &brain->tracked[k];
        }
    }
    return 0;
}

int ms_instances_init(ms_instances *self, int32_t count, int32_t models, int32_t tenants, int32_t dimensions,
                      const double *alphas, double discount, int64_t window)
{
    const size_t n = (size_t)count, k = (size_t)tenants;
    *self = (ms_instances){.count = count, .tenants = tenants};
    self->brain = calloc(n, sizeof *self->brain);
    self->delivered = calloc(k, sizeof *self->delivered);
    self->tracked = calloc(k * n, sizeof(ms_ledger *));
    self->predictor = calloc(n, sizeof(ms_predictor *));
    if (self->brain == NULL || self->delivered == NULL || self->tracked == NULL || self->predictor == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < tenants; i++) {
        MS_TRY(ms_ledger_init(&self->delivered[i], alphas[i], discount, window));
    }
    return init_brains(self, models, dimensions, alphas, discount, window);
}

void ms_instances_start(ms_instances *self, double queue)
{
    for (int32_t k = 0; k < self->tenants; k++) {
        ms_ledger_start(&self->delivered[k], queue);
        for (int32_t i = 0; i < self->count; i++) {
            ms_ledger_start(self->tracked[k * self->count + i], queue);
        }
    }
}

void ms_instances_free(ms_instances *self)
{
    for (int32_t i = 0; i < self->count && self->brain != NULL; i++) {
        ms_brain_free(&self->brain[i]);
    }
    for (int32_t i = 0; i < self->tenants && self->delivered != NULL; i++) {
        ms_ledger_free(&self->delivered[i]);
    }
    free(self->brain);
    free(self->delivered);
    free(self->tracked);
    free(self->predictor);
    *self = (ms_instances){0};
}

void ms_instances_turn_page(ms_instances *self)
{
    for (int32_t i = 0; i < self->count; i++) {
        ms_brain_turn_page(&self->brain[i]);
    }
}

int64_t ms_instances_learnt(const ms_instances *self)
{
    int64_t learnt = 0;
    for (int32_t i = 0; i < self->tenants * self->count; i++) {
        learnt += self->tracked[i]->rated;
    }
    for (int32_t i = 0; i < self->count && self->brain[i].predictor != NULL; i++) {
        learnt += self->brain[i].predictor->version;
    }
    return learnt;
}

void ms_instances_reconcile(ms_instances *self)
{
    self->reconciliations++;
    for (int32_t k = 0; k < self->tenants; k++) {
        ms_ledger_reconcile(self->tracked + k * self->count, self->count);
    }
    if (self->brain[0].predictor == NULL) {
        return;
    }
    for (int32_t i = 0; i < self->count; i++) {
        self->predictor[i] = self->brain[i].predictor;
    }
    ms_predictor_average(self->predictor, self->count);
    ms_instances_turn_page(self); /* scores of the present page are stale */
}

ms_ledger ms_instances_tracked(const ms_instances *self, int32_t tenant)
{
    return ms_ledger_total(self->tracked + tenant * self->count, self->count);
}

double ms_instances_certificate(const ms_instances *self)
{
    double promised = 0.0;
    int64_t rated = 0;
    for (int32_t k = 0; k < self->tenants; k++) {
        const ms_ledger total = ms_instances_tracked(self, k);
        promised += total.alpha * (double)total.rated - (total.plain - total.initial);
        rated += total.rated;
    }
    return rated > 0 ? promised / (double)rated : NAN;
}
