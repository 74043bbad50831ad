#include "prompt_cache.h"

#include <stdlib.h>

#include "error.h"
#include "hash.h"

enum { FIRST_ROOM = 64 };

typedef struct ms_remembered {
    int64_t id; /* of the node; -1: the slot is free */
    int32_t end_tokens;
    double sent_s;
} ms_remembered;

void ms_prompt_cache_init(ms_prompt_cache *self, const ms_prompt_cache_plan *plan)
{
    *self = (ms_prompt_cache){.plan = *plan};
}

void ms_prompt_cache_free(ms_prompt_cache *self)
{
    free(self->slots);
    *self = (ms_prompt_cache){.plan = self->plan};
}

static ms_remembered *slot_of(ms_remembered *slots, int64_t room, int64_t id)
{
    const uint64_t mask = (uint64_t)room - 1;
    uint64_t at = ms_hash((uint64_t)id) & mask;
    while (slots[at].id >= 0 && slots[at].id != id) {
        at = (at + 1) & mask;
    }
    return &slots[at];
}

static int is_kept(const ms_prompt_cache *self, const ms_remembered *node, double t_s)
{
    return node->id >= 0 && t_s - node->sent_s <= self->plan.keep_s;
}

/* Makes room for `more` nodes, and drops those that have run out. */
static int make_room(ms_prompt_cache *self, int32_t more, double t_s)
{
    if (2 * (self->used + more) <= self->room) {
        return 0;
    }
    int64_t kept = more, room = FIRST_ROOM;
    for (int64_t i = 0; i < self->room; i++) {
        kept += is_kept(self, &self->slots[i], t_s);
    }
    while (room < 4 * kept) {
        room *= 2;
    }
    ms_remembered *slots = malloc((size_t)room * sizeof *slots);
    if (slots == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int64_t i = 0; i < room; i++) {
        slots[i].id = -1;
    }
    for (int64_t i = 0; i < self->room; i++) {
        if (is_kept(self, &self->slots[i], t_s)) {
            *slot_of(slots, room, self->slots[i].id) = self->slots[i];
        }
    }
    free(self->slots);
    self->slots = slots;
    self->room = room;
    self->used = kept - more;
    return 0;
}

/* What is sold of so many tokens that are there. */
static int32_t sold(const ms_prompt_cache_plan *plan, int32_t tokens)
{
    if (tokens < plan->least_tokens) {
        return 0;
    }
    return plan->least_tokens + (tokens - plan->least_tokens) / plan->step_tokens * plan->step_tokens;
}

int ms_prompt_cache_send(ms_prompt_cache *self, ms_job *job, double t_s)
{
    if (self->plan.keep_s <= 0.0) {
        return 0;
    }
    MS_TRY(make_room(self, job->path_length, t_s));
    int32_t cached = 0;
    int is_whole = 1;
    for (int32_t k = 0; k < job->path_length; k++) {
        const ms_node_of_path *node = &job->path[k];
        ms_remembered *known = slot_of(self->slots, self->room, node->id);
        const int is_there = is_kept(self, known, t_s);
        const int32_t end = is_there ? known->end_tokens : 0;
        if (is_whole && is_there) {
            cached = end < node->end_tokens ? end : node->end_tokens;
        }
        is_whole = is_whole && end >= node->end_tokens;
        self->used += known->id < 0;
        *known = (ms_remembered){node->id, end > node->end_tokens ? end : node->end_tokens, t_s};
    }
    job->cached_prompt_tokens = sold(&self->plan, cached);
    return 0;
}
