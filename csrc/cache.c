#include "cache.h"

#include <stdlib.h>

#include "cache_state.h"
#include "early.h"
#include "error.h"
#include "hash.h"
#include "past.h"
#include "pieces.h"
#include "texts.h"

enum { FIRST_BUCKETS = 64, EXPECTED_NODES = 2 };

void ms_cache_init(ms_cache *self, int64_t block_tokens)
{
    *self = (ms_cache){.block = ms_block_size_of(block_tokens)};
}

void ms_cache_free(ms_cache *self)
{
    free(self->bucket);
    self->bucket = NULL;
    self->buckets = 0;
    if (self->owns_stores) {
        ms_cache_stores_drop(self->stores);
    }
    self->stores = NULL;
    if (self->past != NULL) {
        ms_past_free(self->past);
        free(self->past);
        self->past = NULL;
    }
}

int ms_cache_poll(ms_cache *self, const int64_t *look)
{
    if (self->past == NULL) {
        self->past = malloc(sizeof *self->past);
        if (self->past == NULL) {
            return MS_ERR_MEMORY;
        }
        ms_past_init(self->past, look);
    }
    return 0;
}

/* ---- texts ---------------------------------------------------------------------------------------------- */

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int ms_cache_first_id(const ms_job *job, int64_t block_tokens, int64_t *id)
{
    const ms_block_size block = ms_block_size_of(block_tokens);
    ms_piece piece;
    int32_t i = 0;
    while (ms_piece_of(&block, job, job->prompt_tokens, i, &piece) && piece.first == piece.end) {
        i++;
    }
    *id = (int64_t)piece.key;
    return piece.first < piece.end;
}

/* ---- nodes ---------------------------------------------------------------------------------------------- */

static int64_t bucket_of(const ms_cache *self, uint64_t key)
{
    return (int64_t)(ms_hash(key) & (uint64_t)(self->buckets - 1));
}

static ms_node *find(const ms_cache *self, uint64_t key)
{
    ms_node *node = self->buckets > 0 ? self->bucket[bucket_of(self, key)] : NULL;
    while (node != NULL && node->key != key) {
        node = node->next;
    }
    return node;
}

static void put_first(ms_cache *self, ms_node *node)
{
    node->at = &self->bucket[bucket_of(self, node->key)];
    node->next = *node->at;
    if (node->next != NULL) {
        node->next->at = &node->next;
    }
    *node->at = node;
}

static int widen(ms_cache *self)
{
    if (self->stores == NULL) {
        self->stores = ms_cache_stores_make();
        self->owns_stores = 1;
    }
    ms_node **before = self->bucket;
    const int64_t buckets = self->buckets;
    ms_node **bucket = calloc((size_t)(buckets > 0 ? 2 * buckets : FIRST_BUCKETS), sizeof(ms_node *));
    if (bucket == NULL || self->stores == NULL) {
        free(bucket);
        return MS_ERR_MEMORY;
    }
    self->bucket = bucket;
    self->buckets = buckets > 0 ? 2 * buckets : FIRST_BUCKETS;
    for (int64_t i = 0; i < buckets; i++) {
        for (ms_node *node = before[i], *next; node != NULL; node = next) {
            next = node->next;
            put_first(self, node);
        }
    }
    free(before);
    return 0;
}

static ms_node *find_or_make(ms_cache *self, uint64_t key, int64_t first)
{
    ms_node *node = find(self, key);
    if (node != NULL) {
        return node;
    }
    if (2 * self->nodes >= self->buckets && widen(self) != 0) {
        return NULL;
    }
    node = ms_store_take(&self->stores->nodes);
    if (node != NULL) {
        *node = (ms_node){.key = key, .first = first, .present = first, .held = first};
        put_first(self, node);
        self->nodes++;
        if (self->directory != NULL && !ms_piece_is_generated(key) &&
            ms_texts_put(self->directory, (int64_t)key, self->place) != 0) {
            self->error = MS_ERR_MEMORY;
        }
    }
    return node;
}

/* What has gone since the last look is for routers to find until the next. */
static void forget_past(ms_cache *self)
{
    for (int32_t i = 0; i < self->past->length && self->directory != NULL; i++) {
        if (find(self, self->past->notes[i].key) == NULL) {
            ms_texts_remove(self->directory, (int64_t)self->past->notes[i].key, self->place);
        }
    }
    ms_past_forget(self->past);
}

/* What is present of a node is about to change. Nobody else asks for what a copy has generated. */
static void note_past(ms_cache *self, const ms_node *node)
{
    if (self->past == NULL || ms_piece_is_generated(node->key)) {
        return;
    }
    if (ms_past_is_void(self->past)) {
        forget_past(self);
    }
    if (ms_past_put(self->past, node->key, node->present) != 0) {
        self->error = MS_ERR_MEMORY;
    }
}

static int was_there(const ms_cache *self, const ms_node *node)
{
    const ms_past_note *note = self->past != NULL ? ms_past_find(self->past, node->key) : NULL;
    return note != NULL && note->present > node->first;
}

static void forget_if_empty(ms_cache *self, ms_node *node)
{
    if (node->holds != NULL || node->present > node->first) {
        return;
    }
    *node->at = node->next;
    if (node->next != NULL) {
        node->next->at = node->at;
    }
    self->nodes--;
    if (self->directory != NULL && !was_there(self, node)) {
        ms_texts_remove(self->directory, (int64_t)node->key, self->place);
    }
    ms_store_give(&self->stores->nodes, node);
}

void ms_cache_clear(ms_cache *self)
{
    for (int64_t i = 0; i < self->buckets; i++) {
        for (ms_node *node = self->bucket[i], *next; node != NULL; node = next) {
            next = node->next;
            if (self->directory != NULL) {
                ms_texts_remove(self->directory, (int64_t)node->key, self->place);
            }
            ms_cache_stores_give(self->stores, node);
        }
    }
    free(self->bucket);
    const ms_cache before = *self;
    ms_cache_init(self, self->block.tokens);
    self->stores = before.stores;
    self->owns_stores = before.owns_stores;
    self->evicted = before.evicted;
    self->texts = before.texts;
    self->directory = before.directory;
    self->place = before.place;
    self->past = before.past;
    if (self->past != NULL) {
        forget_past(self);
    }
}

/* ---- stretches ------------------------------------------------------------------------------------------- */

static void drop_stretch(ms_cache *self, ms_cache_stretch *stretch)
{
    *(stretch->older != NULL ? &stretch->older->newer : &self->oldest) = stretch->newer;
    *(stretch->newer != NULL ? &stretch->newer->older : &self->newest) = stretch->older;
    *(stretch->shallower != NULL ? &stretch->shallower->deeper : &stretch->node->shallowest) = stretch->deeper;
    if (stretch->deeper != NULL) {
        stretch->deeper->shallower = stretch->shallower;
    }
    if (stretch == &stretch->node->own) {
        stretch->node = NULL;
    } else {
        ms_store_give(&self->stores->stretches, stretch);
    }
}

static void add_stretch(ms_cache *self, ms_node *node, int64_t from, int64_t to)
{
    ms_cache_stretch *stretch = node->own.node == NULL ? &node->own : ms_store_take(&self->stores->stretches);
    if (stretch == NULL) {
        self->error = MS_ERR_MEMORY;
        return;
    }
    *stretch = (ms_cache_stretch){.node = node, .first = from, .to = to, .older = self->newest, .deeper = node->shallowest};
    *(self->newest != NULL ? &self->newest->newer : &self->oldest) = stretch;
    self->newest = stretch;
    if (node->shallowest != NULL) {
        node->shallowest->shallower = stretch;
    }
    node->shallowest = stretch;
    self->cached += to - from;
}

/* Blocks of the node before `to` are used: they leave the list. */
static void take_from_list(ms_cache *self, ms_node *node, int64_t to)
{
    for (ms_cache_stretch *s = node->shallowest; s != NULL && s->first < to; s = node->shallowest) {
        const int64_t end = min(s->to, to);
        self->cached -= end - s->first;
        s->first = end;
        if (s->first < s->to) {
            return;
        }
        drop_stretch(self, s);
    }
}

void ms_cache_evict(ms_cache *self, int64_t blocks)
{
    self->evicted += blocks;
    self->cached -= blocks;
    while (blocks > 0 && self->oldest != NULL) {
        ms_cache_stretch *stretch = self->oldest;
        ms_node *node = stretch->node;
        const int64_t some = min(blocks, stretch->to - stretch->first);
        blocks -= some;
        stretch->to -= some;
        note_past(self, node);
        node->present = stretch->to;
        if (stretch->first == stretch->to) {
            drop_stretch(self, stretch);
            forget_if_empty(self, node);
            if (self->oldest != NULL) { /* nothing has looked there since its release */
                ms_early(self->oldest->newer);
                ms_early(self->oldest->node);
            }
        }
    }
    if (blocks > 0) {
        self->error = MS_ERR_BLOCKS; /* there are not so many that nobody uses */
    }
}

/* ---- holds ----------------------------------------------------------------------------------------------- */

static ms_hold *add_hold(ms_cache *self, ms_job *job, const ms_piece *piece)
{
    ms_node *node = find_or_make(self, piece->key, piece->first);
    ms_hold *hold = node != NULL ? ms_store_take(&self->stores->holds) : NULL;
    if (hold != NULL) {
        *hold = (ms_hold){.node = node, .to = piece->first, .end = piece->end, .above = job->holds, .next = node->holds};
        if (node->holds != NULL) {
            node->holds->previous = hold;
        }
        node->holds = hold;
        job->holds = hold;
    } else {
        self->error = MS_ERR_MEMORY;
    }
    return hold;
}

/* The job uses the blocks of a node before `to`, whether they were there or not. */
static void raise_hold(ms_cache *self, ms_hold *hold, int64_t to)
{
    ms_node *node = hold->node;
    if (to <= hold->to) {
        return;
    }
    take_from_list(self, node, to);
    self->twice += to - hold->to;
    hold->to = to;
    if (to > node->held) {
        self->twice -= to - node->held;
        node->held = to;
    }
    if (to > node->present) {
        note_past(self, node);
        node->present = to;
    }
}

/* The deepest use of a job ends; what nobody else uses becomes the newest stretch. */
static void end_hold(ms_cache *self, ms_job *job)
{
    ms_hold *hold = job->holds;
    ms_node *node = hold->node;
    const int64_t held = node->held, to = hold->to;
    job->holds = hold->above;
    *(hold->previous != NULL ? &hold->previous->next : &node->holds) = hold->next;
    if (hold->next != NULL) {
        hold->next->previous = hold->previous;
    }
    ms_store_give(&self->stores->holds, hold);
    node->held = node->first;
    for (ms_hold *other = node->holds; other != NULL && node->held < held; other = other->next) {
        node->held = other->to > node->held ? other->to : node->held;
    }
    self->twice -= (to - node->first) - (held - node->held);
    if (node->held < held) {
        add_stretch(self, node, node->held, held);
    }
    forget_if_empty(self, node);
}

/* ---- what jobs do ---------------------------------------------------------------------------------------- */

void ms_cache_expect(const ms_cache *self, const ms_job *job, int again)
{
    for (int32_t i = 0; i < job->path_length && i < EXPECTED_NODES && self->buckets > 0; i++) {
        ms_node *const *at = &self->bucket[bucket_of(self, ms_piece_key(MS_PIECE_SHARED, job->path[job->path_length - 1 - i].id))];
        if (!again) {
            ms_early(at);
        } else if (*at != NULL) {
            ms_early(*at);
            ms_early(&(*at)->own);
        }
    }
}

void ms_cache_expect_end(const ms_cache *self, const ms_job *job, int part)
{
    const ms_hold *hold = job->holds;
    if (part == 0) {
        ms_early(hold);
        ms_early(self->newest);
        return;
    }
    for (int k = 1; k < part && hold != NULL; k++) {
        hold = hold->above;
    }
    if (hold != NULL) {
        ms_early(hold->node);
        ms_early(&hold->node->own);
        ms_early(hold->above);
        ms_early(hold->next);
    }
}

ms_hits ms_cache_find(const ms_cache *self, const ms_job *job, int64_t tokens)
{
    ms_hits hits = {0, 0};
    int is_held = 1;
    ms_piece piece;
    for (int32_t i = 0; self->nodes > 0 && ms_piece_of(&self->block, job, tokens, i, &piece); i++) {
        const ms_node *node = find(self, piece.key);
        const int64_t held = node != NULL ? min(node->held, piece.end) : piece.first;
        const int64_t present = node != NULL ? min(node->present, piece.end) : piece.first;
        hits.held = is_held ? held : hits.held;
        hits.present = present;
        is_held = is_held && held == piece.end;
        if (present < piece.end) {
            break;
        }
    }
    return hits;
}

int64_t ms_cache_seen(const ms_cache *self, const ms_job *job, int64_t tokens)
{
    if (self->past == NULL || ms_past_is_empty(self->past)) {
        return ms_cache_find(self, job, tokens).present;
    }
    int64_t seen = 0;
    ms_piece piece;
    for (int32_t i = 0; ms_piece_of(&self->block, job, tokens, i, &piece); i++) {
        const ms_past_note *note = ms_past_find(self->past, piece.key);
        const ms_node *node = note == NULL ? find(self, piece.key) : NULL;
        seen = min(note != NULL ? note->present : node != NULL ? node->present : piece.first, piece.end);
        if (seen < piece.end) {
            break;
        }
    }
    return seen;
}

int64_t ms_cache_admit(ms_cache *self, ms_job *job, int64_t tokens, int32_t replica)
{
    int64_t present = 0;
    int is_whole = 1;
    ms_piece piece;
    job->holds = NULL;
    if (job->generated_tokens == 0) {
        job->text = (int64_t)replica << 40 | self->texts++;
    }
    for (int32_t i = 0; ms_piece_of(&self->block, job, tokens, i, &piece); i++) {
        ms_hold *hold = add_hold(self, job, &piece);
        if (hold == NULL) {
            break;
        }
        if (is_whole) {
            present = min(hold->node->present, piece.end);
            raise_hold(self, hold, present);
            is_whole = present == piece.end;
        } else if (present < piece.first && hold->node->present > piece.first) {
            self->error = MS_ERR_BLOCKS; /* a block without its parent */
        }
    }
    return present;
}

/* Whether the uses above this one need no look: it is complete, and not for having no blocks. */
static int is_complete(const ms_hold *hold)
{
    return hold->to == hold->end && hold->end > hold->node->first;
}

void ms_cache_extend(ms_cache *self, ms_job *job, int64_t tokens)
{
    const int64_t blocks = ms_blocks_within(&self->block, tokens);
    for (ms_hold *hold = job->holds; hold != NULL && !is_complete(hold); hold = hold->above) {
        raise_hold(self, hold, min(blocks, hold->end));
    }
}

int ms_cache_is_ahead(const ms_job *job)
{
    for (const ms_hold *hold = job->holds; hold != NULL && !is_complete(hold); hold = hold->above) {
        if (hold->to < hold->end && hold->node->present > hold->to) {
            return 1;
        }
    }
    return 0;
}

/* What was generated becomes the job's, in the node of its own or the one that it continues. */
static void join_generated(ms_cache *self, ms_job *job, int64_t tokens, int is_answered)
{
    const ms_piece generated = {.key = ms_piece_key(MS_PIECE_GENERATED, job->text),
                                 .first = ms_blocks_within(&self->block, job->prompt_tokens),
                                 .end = ms_blocks_within(&self->block, tokens)};
    const int continues = is_answered && job->answer_node >= 0;
    ms_hold *deepest = job->holds;
    const int is_apart = deepest->node->key == generated.key;
    if (is_apart && continues) { /* computed again after a preemption: its blocks are the job's alone */
        deepest->node->present = deepest->node->held = deepest->to = deepest->node->first;
        end_hold(self, job);
    } else if (!is_apart && !continues && add_hold(self, job, &generated) == NULL) {
        return;
    }
    raise_hold(self, job->holds, generated.end);
}

void ms_cache_give_back(ms_cache *self, ms_job *job, int64_t tokens, int keeps_generated, int is_answered)
{
    if (keeps_generated && tokens > job->prompt_tokens) {
        join_generated(self, job, tokens, is_answered);
    }
    ms_cache_let_go(self, job);
}

void ms_cache_let_go(ms_cache *self, ms_job *job)
{
    while (job->holds != NULL) {
        end_hold(self, job);
    }
}
