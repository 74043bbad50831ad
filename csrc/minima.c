#include "minima.h"

#include <math.h>

#include "error.h"
#include "memory.h"

static const ms_terms NONE = {{INFINITY, INFINITY, INFINITY, INFINITY}};

int ms_minima_init(ms_minima *self, int32_t places)
{
    *self = (ms_minima){.tree = ms_eights_of(places)};
    const int32_t nodes = ms_eights_size(&self->tree);
    self->node = ms_memory_take((size_t)nodes * sizeof *self->node);
    if (self->node == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < nodes; i++) {
        self->node[i] = NONE;
    }
    return 0;
}

void ms_minima_free(ms_minima *self)
{
    ms_memory_give(self->node);
    *self = (ms_minima){0};
}

static double lesser(double a, double b)
{
    return b < a ? b : a;
}

/* The least of each term of eight. */
static ms_terms least_of(const ms_terms *terms)
{
    ms_terms least = terms[0];
    for (int32_t i = 1; i < 8; i++) {
        for (int k = 0; k < MS_TERMS; k++) {
            least.of[k] = lesser(least.of[k], terms[i].of[k]);
        }
    }
    return least;
}

void ms_minima_set(ms_minima *self, int32_t place, const ms_terms *terms)
{
    ms_terms least = terms != NULL ? *terms : NONE;
    int32_t i = place;
    for (int32_t level = 0; !ms_terms_are_same(&self->node[self->tree.first[level] + i], &least); level++) {
        self->node[self->tree.first[level] + i] = least;
        if (level == self->tree.top) {
            return;
        }
        i /= 8;
        least = least_of(&self->node[self->tree.first[level] + 8 * i]);
    }
}
