#include "minima.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

static const ms_terms NONE = {{INFINITY, INFINITY, INFINITY, INFINITY}};

int ms_minima_init(ms_minima *self, int32_t places)
{
    *self = (ms_minima){.leaves = 1};
    while (self->leaves < places) {
        self->leaves *= 2;
    }
    const size_t nodes = 2 * (size_t)self->leaves;
    self->node = malloc(nodes * sizeof *self->node);
    if (self->node == NULL) {
        return MS_ERR_MEMORY;
    }
    for (size_t i = 0; i < nodes; i++) {
        self->node[i] = NONE;
    }
    return 0;
}

void ms_minima_free(ms_minima *self)
{
    free(self->node);
    *self = (ms_minima){0};
}

static double lesser(double a, double b)
{
    return b < a ? b : a;
}

void ms_minima_set(ms_minima *self, int32_t place, const ms_terms *terms)
{
    int32_t at = self->leaves + place;
    ms_terms least = terms != NULL ? *terms : NONE;
    while (!ms_terms_are_same(&self->node[at], &least)) {
        self->node[at] = least;
        if (at == 1) {
            return;
        }
        const ms_terms *other = &self->node[at ^ 1];
        for (int k = 0; k < MS_TERMS; k++) {
            least.of[k] = lesser(least.of[k], other->of[k]);
        }
        at /= 2;
    }
}
