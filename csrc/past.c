#include "past.h"

#include <stdlib.h>

#include "error.h"
#include "hash.h"

enum { FIRST_ROOM = 16 };

void ms_past_init(ms_past *self, const int64_t *look)
{
    *self = (ms_past){.look = look, .of_look = *look};
}

void ms_past_free(ms_past *self)
{
    free(self->notes);
    free(self->slots);
    *self = (ms_past){0};
}

/* Where a key is, or would be put. */
static int32_t *slot_of(const ms_past *self, uint64_t key)
{
    const uint64_t mask = 2 * (uint64_t)self->room - 1;
    uint64_t at = ms_hash(key) & mask;
    while (self->slots[at] > 0 && self->notes[self->slots[at] - 1].key != key) {
        at = (at + 1) & mask;
    }
    return &self->slots[at];
}

/* From the last note back: whoever was put after another may stand behind it. */
void ms_past_forget(ms_past *self)
{
    while (self->length > 0) {
        *slot_of(self, self->notes[self->length - 1].key) = 0;
        self->length--;
    }
    self->of_look = *self->look;
}

static int widen(ms_past *self)
{
    const int32_t room = self->room > 0 ? 2 * self->room : FIRST_ROOM;
    ms_past_note *notes = realloc(self->notes, (size_t)room * sizeof *notes);
    if (notes == NULL) {
        return MS_ERR_MEMORY;
    }
    self->notes = notes;
    int32_t *slots = calloc(2 * (size_t)room, sizeof *slots);
    if (slots == NULL) {
        return MS_ERR_MEMORY;
    }
    free(self->slots);
    self->slots = slots;
    self->room = room;
    for (int32_t i = 0; i < self->length; i++) {
        *slot_of(self, notes[i].key) = i + 1;
    }
    return 0;
}

int ms_past_put(ms_past *self, uint64_t key, int64_t present)
{
    if (self->length == self->room) {
        MS_TRY(widen(self));
    }
    int32_t *slot = slot_of(self, key);
    if (*slot == 0) {
        self->notes[self->length++] = (ms_past_note){key, present};
        *slot = self->length;
    }
    return 0;
}

const ms_past_note *ms_past_find(const ms_past *self, uint64_t key)
{
    if (ms_past_is_empty(self)) {
        return NULL;
    }
    const int32_t slot = *slot_of(self, key);
    return slot > 0 ? &self->notes[slot - 1] : NULL;
}
