#include "cold.h"

#include <stdlib.h>

#include "error.h"

int ms_cold_init(ms_cold *self, int32_t places, int32_t most)
{
    *self = (ms_cold){.most = most, .oldest = -1, .newest = -1};
    const size_t room = (size_t)places + 1;
    self->next = calloc(room, sizeof(int32_t));
    self->previous = calloc(room, sizeof(int32_t));
    self->position = calloc(room, sizeof(int32_t));
    if (self->next == NULL || self->previous == NULL || self->position == NULL) {
        ms_cold_free(self);
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < places; i++) {
        self->position[i] = -1;
    }
    return 0;
}

void ms_cold_free(ms_cold *self)
{
    free(self->next);
    free(self->previous);
    free(self->position);
    *self = (ms_cold){0};
}

static void take_out(ms_cold *self, int32_t place)
{
    const int32_t before = self->previous[place], after = self->next[place];
    *(before < 0 ? &self->oldest : &self->next[before]) = after;
    *(after < 0 ? &self->newest : &self->previous[after]) = before;
    self->position[place] = -1;
    self->length--;
}

void ms_cold_touch(ms_cold *self, int32_t place)
{
    if (self->position[place] >= 0) {
        take_out(self, place);
    } else if (self->length == self->most) {
        take_out(self, self->oldest);
    }
    self->previous[place] = self->newest;
    self->next[place] = -1;
    *(self->newest < 0 ? &self->oldest : &self->next[self->newest]) = place;
    self->newest = place;
    self->position[place] = self->length++;
}

void ms_cold_number(ms_cold *self)
{
    int32_t k = 0;
    for (int32_t place = self->oldest; place >= 0; place = self->next[place]) {
        self->position[place] = k++;
    }
}
