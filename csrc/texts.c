#include "texts.h"

#include <stdlib.h>
#include <string.h>

#include "early.h"
#include "error.h"
#include "hash.h"
#include "memory.h"
#include "prompt.h"

enum {
    FIRST_BUCKETS = 64,
    FIRST_ROOM = 4, /* of entries that stand apart from their node */
    FEW = 16        /* entries are looked through */
};

int ms_texts_init(ms_texts *self, int32_t replicas, int64_t unit_tokens, int64_t most_tokens, int starts_go_first)
{
    *self = (ms_texts){.unit_tokens = unit_tokens,
                       .most_tokens = most_tokens,
                       .starts_go_first = starts_go_first,
                       .replicas = replicas};
    ms_store_init(&self->node_store, sizeof(ms_text_node));
    ms_store_init(&self->text_store, sizeof(ms_text));
    self->list = ms_memory_take(((size_t)replicas + 1) * sizeof *self->list);
    return self->list != NULL ? 0 : MS_ERR_MEMORY;
}

static void free_entries(ms_text_node *node)
{
    if (node->entries != node->own) {
        free(node->entries);
    }
}

void ms_texts_free(ms_texts *self)
{
    for (int64_t i = 0; i < self->node_buckets; i++) {
        for (ms_text_node *node = self->node_bucket[i]; node != NULL; node = node->next_in_bucket) {
            free_entries(node);
        }
    }
    ms_memory_give(self->list);
    free(self->node_bucket);
    free(self->text_bucket);
    ms_store_free(&self->node_store);
    ms_store_free(&self->text_store);
    *self = (ms_texts){0};
}

/* ---- finding ----------------------------------------------------------------------------------------- */

static ms_text_node **bucket_of(const ms_texts *self, int64_t id)
{
    return &self->node_bucket[ms_hash((uint64_t)id) & (uint64_t)(self->node_buckets - 1)];
}

void ms_texts_expect(const ms_texts *self, const ms_job *job)
{
    const int32_t parts = self->node_buckets > 0 ? job->path_length : 0;
    for (int32_t i = 0; i < parts; i++) {
        ms_early(bucket_of(self, job->path[i].id));
    }
    for (int32_t i = 0; i < parts; i++) {
        ms_early(*bucket_of(self, job->path[i].id));
    }
}

static ms_text_node **node_at(const ms_texts *self, int64_t id)
{
    ms_text_node **at = bucket_of(self, id);
    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next_in_bucket;
    }
    return at;
}

static uint64_t text_hash(int64_t id, int32_t replica)
{
    return ms_hash(ms_hash((uint64_t)id) + (uint64_t)replica);
}

static ms_text **text_at(const ms_texts *self, const ms_text_node *node, int32_t replica)
{
    ms_text **at = &self->text_bucket[text_hash(node->id, replica) & (uint64_t)(self->text_buckets - 1)];
    while (*at != NULL && ((*at)->node != node || (*at)->replica != replica)) {
        at = &(*at)->next_in_bucket;
    }
    return at;
}

const ms_text_node *ms_texts_find(const ms_texts *self, int64_t id)
{
    return self->node_buckets > 0 && id >= 0 ? *node_at(self, id) : NULL;
}

static ms_text_entry *entry_of(const ms_texts *self, const ms_text_node *node, int32_t replica)
{
    if (node->in_table) {
        const ms_text *text = *text_at(self, node, replica);
        return text != NULL ? &node->entries[text->at] : NULL;
    }
    for (int32_t k = 0; k < node->n; k++) {
        if (node->entries[k].replica == replica) {
            return &node->entries[k];
        }
    }
    return NULL;
}

const ms_text_entry *ms_texts_find_at(const ms_texts *self, const ms_text_node *node, int32_t replica)
{
    return entry_of(self, node, replica);
}

static int widen_nodes(ms_texts *self)
{
    const int64_t before = self->node_buckets, buckets = before > 0 ? 2 * before : FIRST_BUCKETS;
    ms_text_node **bucket = calloc((size_t)buckets, sizeof *bucket), **old = self->node_bucket;
    if (bucket == NULL) {
        return MS_ERR_MEMORY;
    }
    self->node_bucket = bucket;
    self->node_buckets = buckets;
    for (int64_t i = 0; i < before; i++) {
        for (ms_text_node *node = old[i], *next; node != NULL; node = next) {
            next = node->next_in_bucket;
            ms_text_node **at = &bucket[ms_hash((uint64_t)node->id) & (uint64_t)(buckets - 1)];
            node->next_in_bucket = *at;
            *at = node;
        }
    }
    free(old);
    return 0;
}

static int widen_texts(ms_texts *self)
{
    const int64_t before = self->text_buckets, buckets = before > 0 ? 2 * before : FIRST_BUCKETS;
    ms_text **bucket = calloc((size_t)buckets, sizeof *bucket), **old = self->text_bucket;
    if (bucket == NULL) {
        return MS_ERR_MEMORY;
    }
    self->text_bucket = bucket;
    self->text_buckets = buckets;
    for (int64_t i = 0; i < before; i++) {
        for (ms_text *text = old[i], *next; text != NULL; text = next) {
            next = text->next_in_bucket;
            ms_text **at = &bucket[text_hash(text->node->id, text->replica) & (uint64_t)(buckets - 1)];
            text->next_in_bucket = *at;
            *at = text;
        }
    }
    free(old);
    return 0;
}

/* ---- the list of a replica --------------------------------------------------------------------------- */

/* The newest text has all that is its own. */
static void settle(ms_text_list *list)
{
    if (list->alone > 0) {
        list->newest->units += list->alone;
        list->alone = 0;
    }
}

static void link_newest(ms_text_list *list, ms_text *text)
{
    settle(list);
    text->older = list->newest;
    text->newer = NULL;
    *(list->newest != NULL ? &list->newest->newer : &list->oldest) = text;
    list->newest = text;
}

static void unlink_text(ms_text_list *list, ms_text *text)
{
    *(text->older != NULL ? &text->older->newer : &list->oldest) = text->newer;
    *(text->newer != NULL ? &text->newer->older : &list->newest) = text->older;
}

/* ---- the entries of a node --------------------------------------------------------------------------- */

static void put_into_table(ms_texts *self, ms_text *text)
{
    ms_text **at = text_at(self, text->node, text->replica);
    text->next_in_bucket = *at;
    *at = text;
    self->n_in_table++;
}

/* Entries of nobody go; the others keep their order. */
static void close_up(ms_text_node *node)
{
    int32_t left = 0;
    for (int32_t k = 0; k < node->n; k++) {
        if (node->entries[k].replica >= 0) {
            node->entries[left] = node->entries[k];
            node->entries[left].text->at = left;
            left++;
        }
    }
    node->n = left;
}

static int make_room(ms_text_node *node)
{
    if (node->n < node->room) {
        return 0;
    }
    const int32_t room = node->room > 1 ? 2 * node->room : FIRST_ROOM;
    ms_text_entry *entries = malloc((size_t)room * sizeof *entries);
    if (entries == NULL) {
        return MS_ERR_MEMORY;
    }
    memcpy(entries, node->entries, (size_t)node->n * sizeof *entries);
    free_entries(node);
    node->entries = entries;
    node->room = room;
    return 0;
}

/* Returns 0 or an error. */
static int add_entry(ms_texts *self, ms_text *text, int32_t from)
{
    ms_text_node *node = text->node;
    const int become_many = !node->in_table && node->n == FEW, are_many = node->in_table || become_many;
    const int64_t more = become_many ? FEW + 1 : 1;
    while (are_many && self->text_buckets < self->n_in_table + more) {
        MS_TRY(widen_texts(self));
    }
    MS_TRY(make_room(node));
    text->at = node->n;
    node->entries[node->n++] = (ms_text_entry){text->replica, from, from, text};
    node->live++;
    self->n_texts++;
    for (int32_t k = become_many ? 0 : text->at; are_many && k < node->n; k++) {
        if (node->entries[k].replica >= 0) {
            put_into_table(self, node->entries[k].text);
        }
    }
    node->in_table = are_many;
    return 0;
}

static void remove_entry(ms_texts *self, const ms_text *text)
{
    ms_text_node *node = text->node;
    if (node->in_table) {
        *text_at(self, node, text->replica) = text->next_in_bucket;
        self->n_in_table--;
    }
    node->entries[text->at] = (ms_text_entry){.replica = -1};
    node->live--;
    self->n_texts--;
    if (node->live == 0) {
        *node_at(self, node->id) = node->next_in_bucket;
        self->n_nodes--;
        free_entries(node);
        ms_store_give(&self->node_store, node);
    } else if (node->n > 2 * node->live) {
        close_up(node);
    }
}

/* ---- what goes --------------------------------------------------------------------------------------- */

static void drop(ms_texts *self, ms_text *text)
{
    unlink_text(&self->list[text->replica], text);
    if (text->node != NULL) {
        remove_entry(self, text);
    }
    ms_store_give(&self->text_store, text);
}

void ms_texts_trim(ms_texts *self, int32_t replica, int64_t units)
{
    ms_text_list *list = &self->list[replica];
    while (list->units > units) {
        settle(list);
        ms_text *text = list->oldest;
        ms_text_entry *entry = text->node != NULL ? &text->node->entries[text->at] : NULL;
        const int64_t excess = list->units - units, all = entry != NULL ? entry->to - entry->from : text->units;
        const int64_t gone = excess < all ? excess : all;
        list->units -= gone;
        if (gone == all) {
            drop(self, text);
        } else if (entry == NULL) {
            text->units -= gone;
        } else if (self->starts_go_first) {
            entry->from += (int32_t)gone;
        } else {
            entry->to -= (int32_t)gone;
        }
    }
}

void ms_texts_forget(ms_texts *self, int32_t replica)
{
    ms_texts_trim(self, replica, 0);
}

/* ---- what is sent ------------------------------------------------------------------------------------ */

static ms_text_node *find_or_make_node(ms_texts *self, int64_t id)
{
    if (self->n_nodes == self->node_buckets && widen_nodes(self) != 0) {
        return NULL;
    }
    ms_text_node **at = node_at(self, id);
    if (*at == NULL) {
        ms_text_node *node = ms_store_take(&self->node_store);
        if (node != NULL) {
            *node = (ms_text_node){.id = id, .entries = node->own, .room = 1};
            *at = node;
            self->n_nodes++;
        }
    }
    return *at;
}

static ms_text *make_text(ms_texts *self, ms_text_node *node, int32_t replica, int64_t from)
{
    ms_text *text = ms_store_take(&self->text_store);
    if (text == NULL) {
        return NULL;
    }
    *text = (ms_text){.node = node, .replica = replica};
    if (node != NULL && add_entry(self, text, (int32_t)from) != 0) {
        ms_store_give(&self->text_store, text);
        return NULL;
    }
    return text;
}

/* What a replica has of a node becomes its newest, and is made if there is nothing; NULL without memory. */
static ms_text_entry *renew(ms_texts *self, int64_t id, int32_t replica, int64_t from)
{
    ms_text_node *node = find_or_make_node(self, id);
    ms_text_entry *entry = node != NULL ? entry_of(self, node, replica) : NULL;
    ms_text *text = entry != NULL ? entry->text : NULL;
    if (text != NULL) {
        unlink_text(&self->list[replica], text);
    } else {
        text = node != NULL ? make_text(self, node, replica, from) : NULL;
    }
    if (text == NULL) {
        return NULL;
    }
    link_newest(&self->list[replica], text);
    return &node->entries[text->at];
}

int ms_texts_put(ms_texts *self, int64_t id, int32_t replica)
{
    return renew(self, id, replica, 0) != NULL ? 0 : MS_ERR_MEMORY;
}

void ms_texts_remove(ms_texts *self, int64_t id, int32_t replica)
{
    const ms_text_node *node = ms_texts_find(self, id);
    const ms_text_entry *entry = node != NULL ? entry_of(self, node, replica) : NULL;
    if (entry != NULL) {
        self->list[replica].units -= entry->to - entry->from;
        drop(self, entry->text);
    }
}

static int add_part(ms_texts *self, const ms_part *part, int32_t replica)
{
    ms_text_list *list = &self->list[replica];
    const int64_t from = ms_texts_units(self, part->from), to = ms_texts_units(self, part->to);
    if (from == to) {
        return 0;
    }
    if (part->id < 0) {
        if (list->alone == 0 && (list->newest == NULL || list->newest->node != NULL)) {
            ms_text *alone = make_text(self, NULL, replica, 0);
            if (alone == NULL) {
                return MS_ERR_MEMORY;
            }
            link_newest(list, alone);
        }
        list->alone += to - from;
        list->units += to - from;
        return 0;
    }
    ms_text_entry *entry = renew(self, part->id, replica, from);
    if (entry == NULL) {
        return MS_ERR_MEMORY;
    }
    list->units -= entry->to - entry->from;
    entry->from = (int32_t)from;
    entry->to = entry->to > to ? entry->to : (int32_t)to;
    list->units += entry->to - entry->from;
    return 0;
}

int ms_texts_add(ms_texts *self, const ms_job *job, int32_t replica)
{
    ms_part part;
    int32_t parts = 0;
    while (ms_prompt_part(job, parts, &part)) {
        parts++;
    }
    for (int32_t i = 0; i < parts; i++) {
        ms_prompt_part(job, self->starts_go_first ? i : parts - 1 - i, &part);
        MS_TRY(add_part(self, &part, replica));
    }
    return 0;
}
