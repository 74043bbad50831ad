/* What a prefix cache held at the last look of those who poll it, where it holds something else now.
 *
 * A look itself does nothing: the first change of a node after it notes what there was, and with the first change after the
 * next look all notes are void. So looks cost in proportion to what changes between them. */
#ifndef MS_PAST_H
#define MS_PAST_H

#include <stdint.h>

typedef struct ms_past_note {
    uint64_t key;    /* of a node, */
    int64_t present; /* and up to where its blocks were there */
} ms_past_note;

typedef struct ms_past {
    const int64_t *look; /* the number of the last look, */
    int64_t of_look;     /* and of the one that the notes are of */
    int32_t length;
    int32_t room;        /* of `notes`; a power of two, or 0 */
    ms_past_note *notes;
    int32_t *slots;      /* [2 room] which note by key, from 1 on; 0: none */
} ms_past;

void ms_past_init(ms_past *self, const int64_t *look);
void ms_past_free(ms_past *self);

/* All is as it was at the last look. */
void ms_past_forget(ms_past *self);

/* Whether there was a look since the notes were taken, so that they are void. */
static inline int ms_past_is_void(const ms_past *self)
{
    return self->of_look != *self->look;
}

/* Whether nothing is known to have changed since the last look. */
static inline int ms_past_is_empty(const ms_past *self)
{
    return self->length == 0 || ms_past_is_void(self);
}

/* A node is about to change, and notes are not void: notes what there is of it, unless it has changed since the look. Returns 0 or
 * an error. */
int ms_past_put(ms_past *self, uint64_t key, int64_t present);

/* What there was of a node; NULL: it has not changed since. */
const ms_past_note *ms_past_find(const ms_past *self, uint64_t key);

#endif
