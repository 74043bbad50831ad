#include "own_view.h"

#include <stdlib.h>

#include "error.h"

void ms_own_view_lay(ms_own_view *self, double *memory, int32_t room)
{
    self->numbers = memory;
    self->loads = self->numbers + room;
    self->waiting = self->loads + room;
    self->usage = self->waiting + room;
    self->cached = self->usage + room;
}

int ms_own_view_init(ms_own_view *self, int32_t replicas)
{
    *self = (ms_own_view){0};
    const size_t room = (size_t)replicas + 1;
    double *memory = calloc(MS_OWN_COLUMNS * room, sizeof *memory);
    self->at = calloc(room, sizeof *self->at);
    if (memory == NULL || self->at == NULL) {
        free(memory);
        ms_own_view_free(self);
        return MS_ERR_MEMORY;
    }
    ms_own_view_lay(self, memory, replicas + 1);
    return 0;
}

void ms_own_view_free(ms_own_view *self)
{
    free(self->numbers);
    free(self->at);
    *self = (ms_own_view){0};
}
