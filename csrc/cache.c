#include "cache.h"

#include <stdlib.h>

#include "early.h"
#include "error.h"
#include "hash.h"
#include "texts.h"

/* Blocks from ... to - 1 of a node, released at once. */
struct ms_stretch {
    struct ms_node *node; /* NULL in one that a node has for itself, unused */
    int64_t from;
    int64_t to;
    struct ms_stretch *older;
    struct ms_stretch *newer;
    struct ms_stretch *deeper; /* of the same node */
    struct ms_stretch *shallower;
};

/* Blocks are counted from the start of the text: a node has those from `first` on. */
typedef struct ms_node {
    uint64_t key;
    struct ms_node *next; /* in its bucket */
    struct ms_node **at;  /* what leads to it there */
    int64_t first;
    int64_t present;
    int64_t held;
    struct ms_hold *holds;
    struct ms_stretch *shallowest; /* released last: the others are deeper and older */
    struct ms_stretch own;         /* the first of them, beside the node: most have no other */
} ms_node;

/* A job uses the blocks of a node up to `to`, and may use them up to `end`. */
struct ms_hold {
    ms_node *node;
    int64_t to;
    int64_t end;
    struct ms_hold *above;    /* of the same job, nearer to the start */
    struct ms_hold *previous; /* of the same node */
    struct ms_hold *next;
};

typedef struct ms_stretch ms_stretch;
typedef struct ms_hold ms_hold;

enum kind { SHARED, OWN, GENERATED };
enum { FIRST_BUCKETS = 64 };

/* A node of a text, as a job comes by. */
typedef struct text_part {
    uint64_t key;
    int64_t first;
    int64_t end;
} text_part;

void ms_cache_init(ms_cache *self, int64_t block_tokens)
{
    *self = (ms_cache){.block = ms_block_size_of(block_tokens)};
    ms_store_init(&self->node_store, sizeof(ms_node));
    ms_store_init(&self->stretch_store, sizeof(ms_stretch));
    ms_store_init(&self->hold_store, sizeof(ms_hold));
}

void ms_cache_free(ms_cache *self)
{
    free(self->bucket);
    self->bucket = NULL;
    self->buckets = 0;
    ms_store_free(&self->node_store);
    ms_store_free(&self->stretch_store);
    ms_store_free(&self->hold_store);
}

void ms_cache_clear(ms_cache *self)
{
    const ms_cache before = *self;
    for (int64_t i = 0; i < self->buckets && self->directory != NULL; i++) {
        for (const ms_node *node = self->bucket[i]; node != NULL; node = node->next) {
            ms_texts_remove(self->directory, (int64_t)node->key, self->place);
        }
    }
    ms_cache_free(self);
    ms_cache_init(self, self->block.tokens);
    self->evicted = before.evicted;
    self->texts = before.texts;
    self->directory = before.directory;
    self->place = before.place;
}

/* ---- texts ---------------------------------------------------------------------------------------------- */

static uint64_t key_of(enum kind kind, int64_t id)
{
    return (uint64_t)id << 2 | (uint64_t)kind;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The i-th part of the first `tokens` of a job's text; 0 past the last. */
static int part_of(const ms_cache *self, const ms_job *job, int64_t tokens, int32_t i, text_part *part)
{
    const int32_t length = job->path_length;
    const int64_t shared = length > 0 ? job->path[length - 1].end_tokens : 0;
    int64_t from, to;
    if (i < length) {
        from = i > 0 ? job->path[i - 1].end_tokens : 0;
        to = job->path[i].end_tokens;
        part->key = key_of(SHARED, job->path[i].id);
    } else if (i == length && shared < job->prompt_tokens) {
        from = shared;
        to = job->prompt_tokens;
        part->key = key_of(OWN, job->request);
    } else {
        from = job->prompt_tokens;
        to = i == length + (shared < job->prompt_tokens) ? tokens : from;
        part->key = key_of(GENERATED, job->text);
    }
    part->first = ms_blocks_within(&self->block, from);
    part->end = ms_blocks_within(&self->block, min(to, tokens));
    return from < min(to, tokens);
}

int ms_cache_first_id(const ms_job *job, int64_t block_tokens, int64_t *id)
{
    const ms_cache blocks = {.block = ms_block_size_of(block_tokens)};
    text_part part;
    int32_t i = 0;
    while (part_of(&blocks, job, job->prompt_tokens, i, &part) && part.first == part.end) {
        i++;
    }
    *id = (int64_t)part.key;
    return part.first < part.end;
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
    ms_node **before = self->bucket;
    const int64_t buckets = self->buckets;
    ms_node **bucket = calloc((size_t)(buckets > 0 ? 2 * buckets : FIRST_BUCKETS), sizeof(ms_node *));
    if (bucket == NULL) {
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
    node = ms_store_take(&self->node_store);
    if (node != NULL) {
        *node = (ms_node){.key = key, .first = first, .present = first, .held = first};
        put_first(self, node);
        self->nodes++;
        if (self->directory != NULL && (key & 3) != GENERATED &&
            ms_texts_put(self->directory, (int64_t)key, self->place) != 0) {
            self->error = MS_ERR_MEMORY;
        }
    }
    return node;
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
    if (self->directory != NULL) {
        ms_texts_remove(self->directory, (int64_t)node->key, self->place);
    }
    ms_store_give(&self->node_store, node);
}

/* ---- stretches ------------------------------------------------------------------------------------------- */

static void drop_stretch(ms_cache *self, ms_stretch *stretch)
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
        ms_store_give(&self->stretch_store, stretch);
    }
}

static void add_stretch(ms_cache *self, ms_node *node, int64_t from, int64_t to)
{
    ms_stretch *stretch = node->own.node == NULL ? &node->own : ms_store_take(&self->stretch_store);
    if (stretch == NULL) {
        self->error = MS_ERR_MEMORY;
        return;
    }
    *stretch = (ms_stretch){.node = node, .from = from, .to = to, .older = self->newest, .deeper = node->shallowest};
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
    for (ms_stretch *s = node->shallowest; s != NULL && s->from < to; s = node->shallowest) {
        const int64_t end = min(s->to, to);
        self->cached -= end - s->from;
        s->from = end;
        if (s->from < s->to) {
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
        ms_stretch *stretch = self->oldest;
        ms_node *node = stretch->node;
        const int64_t some = min(blocks, stretch->to - stretch->from);
        blocks -= some;
        stretch->to -= some;
        node->present = stretch->to;
        if (stretch->from == stretch->to) {
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

static ms_hold *add_hold(ms_cache *self, ms_job *job, const text_part *part)
{
    ms_node *node = find_or_make(self, part->key, part->first);
    ms_hold *hold = node != NULL ? ms_store_take(&self->hold_store) : NULL;
    if (hold != NULL) {
        *hold = (ms_hold){.node = node, .to = part->first, .end = part->end, .above = job->holds, .next = node->holds};
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
    node->present = node->present > to ? node->present : to;
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
    ms_store_give(&self->hold_store, hold);
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
    if (job->path_length > 0 && self->buckets > 0) {
        ms_node *const *at = &self->bucket[bucket_of(self, key_of(SHARED, job->path[job->path_length - 1].id))];
        ms_early(again ? (const void *)*at : at);
        ms_early(again && *at != NULL ? (const void *)&(*at)->own : at);
    }
}

ms_hits ms_cache_find(const ms_cache *self, const ms_job *job, int64_t tokens)
{
    ms_hits hits = {0, 0};
    int is_held = 1;
    text_part part;
    for (int32_t i = 0; self->nodes > 0 && part_of(self, job, tokens, i, &part); i++) {
        const ms_node *node = find(self, part.key);
        const int64_t held = node != NULL ? min(node->held, part.end) : part.first;
        const int64_t present = node != NULL ? min(node->present, part.end) : part.first;
        hits.held = is_held ? held : hits.held;
        hits.present = present;
        is_held = is_held && held == part.end;
        if (present < part.end) {
            break;
        }
    }
    return hits;
}

int64_t ms_cache_admit(ms_cache *self, ms_job *job, int64_t tokens, int32_t replica)
{
    int64_t present = 0;
    int is_whole = 1;
    text_part part;
    job->holds = NULL;
    if (job->generated_tokens == 0) {
        job->text = (int64_t)replica << 40 | self->texts++;
    }
    for (int32_t i = 0; part_of(self, job, tokens, i, &part); i++) {
        ms_hold *hold = add_hold(self, job, &part);
        if (hold == NULL) {
            break;
        }
        if (is_whole) {
            present = min(hold->node->present, part.end);
            raise_hold(self, hold, present);
            is_whole = present == part.end;
        } else if (present < part.first && hold->node->present > part.first) {
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
    const text_part generated = {.key = key_of(GENERATED, job->text),
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

/* ---- whether all is as it must be -------------------------------------------------------------------------- */

/* Adds what a node has to the totals of a cache; returns whether it follows from its uses and stretches. */
static int add_node(const ms_node *node, ms_cache *sum)
{
    int64_t held = node->first, uses = 0;
    for (const ms_hold *hold = node->holds; hold != NULL; hold = hold->next) {
        held = hold->to > held ? hold->to : held;
        uses += hold->to - node->first;
    }
    int64_t present = held;
    int follows = node->held == held;
    for (const ms_stretch *s = node->shallowest; s != NULL; s = s->deeper) {
        follows = follows && s->from == present && s->to > s->from;
        present = s->to;
    }
    sum->nodes++;
    sum->twice += uses - (held - node->first);
    sum->cached += present - held;
    return follows && node->present == present;
}

int ms_cache_check(const ms_cache *self)
{
    ms_cache sum = {0};
    int adds_up = 1;
    for (int64_t i = 0; i < self->buckets; i++) {
        for (const ms_node *node = self->bucket[i]; node != NULL; node = node->next) {
            adds_up = add_node(node, &sum) && adds_up;
        }
    }
    adds_up = adds_up && sum.nodes == self->nodes && sum.twice == self->twice && sum.cached == self->cached;
    return adds_up ? 0 : MS_ERR_BLOCKS;
}
