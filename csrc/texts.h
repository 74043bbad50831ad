/* What a router believes to be in the caches of replicas: the prompts that it has sent there.
 *
 * Of each node of a path (job.h), the tokens `from` ... `to` - 1 are believed to be at a replica, counted in units of so
 * many tokens. What goes first, where there is too much, is what was sent least recently. What a prompt alone says is
 * counted, but not looked for. */
#ifndef MS_TEXTS_H
#define MS_TEXTS_H

#include <stdint.h>

#include "job.h"
#include "store.h"

typedef struct ms_text_entry ms_text_entry;
typedef struct ms_text_node ms_text_node;

/* One turn of a replica's order: it has something of a node; or of no node, what prompts alone said. */
typedef struct ms_text {
    struct ms_text_node *node;
    int32_t replica;
    int32_t at;    /* its entry of the node */
    int64_t units; /* without a node */
    struct ms_text *next_in_bucket;
    struct ms_text *older; /* at the same replica */
    struct ms_text *newer;
} ms_text;

/* What a replica has of a node: units `from` ... `to` - 1 of prompts. Those of a node stand side by side: a request looks at all. */
struct ms_text_entry {
    int32_t replica; /* -1: it has nothing any more, 0 ... 0 */
    int32_t from;
    int32_t to;
    ms_text *text;
};

/* One line of the processor's cache, with the entry that most have alone. */
struct ms_text_node {
    int64_t id;
    struct ms_text_node *next_in_bucket;
    ms_text_entry *entries; /* [n], room for more, in the order in which replicas came by it */
    int32_t n;
    int32_t room;
    int32_t live;     /* entries of replicas that have something */
    int32_t in_table; /* whether they are found by a table: they are many */
    ms_text_entry own[1];
};

/* At one replica. */
typedef struct ms_text_list {
    ms_text *oldest;
    ms_text *newest;
    int64_t units;
    int64_t alone; /* of these, what `newest`, a text of no node, has besides its own: it is not read to be told */
} ms_text_list;

typedef struct ms_texts {
    int64_t unit_tokens;
    int64_t most_tokens;
    int32_t starts_go_first; /* of one prompt its start is the oldest; else its end */
    int32_t replicas;
    ms_text_list *list;      /* [replicas] */
    int64_t n_nodes;
    int64_t n_texts;         /* of nodes, */
    int64_t n_in_table;      /* and of those whose entries are many */
    int64_t node_buckets;    /* a power of two; 0: there are none yet */
    int64_t text_buckets;
    ms_text_node **node_bucket;
    ms_text **text_bucket;
    ms_store node_store;
    ms_store text_store;
} ms_texts;

/* Of a prompt only the first `most_tokens` count; 0: all. */
int ms_texts_init(ms_texts *self, int32_t replicas, int64_t unit_tokens, int64_t most_tokens, int starts_go_first);
void ms_texts_free(ms_texts *self);

/* The prompt of a job is sent to a replica. Returns 0 or an error. */
int ms_texts_add(ms_texts *self, const ms_job *job, int32_t replica);

/* At a replica there is no more than `units`. */
void ms_texts_trim(ms_texts *self, int32_t replica, int64_t units);

/* A replica is gone, and its cache with it. */
void ms_texts_forget(ms_texts *self, int32_t replica);

/* The parts of a prompt will be looked for: asks early for where the nodes of its path are, and then for these. */
void ms_texts_expect(const ms_texts *self, const ms_job *job);

/* Who has something of a node; NULL: nobody. */
const ms_text_node *ms_texts_find(const ms_texts *self, int64_t id);

/* What a replica has of a node; NULL: nothing. */
const ms_text_entry *ms_texts_find_at(const ms_texts *self, const ms_text_node *node, int32_t replica);

/* So many tokens from the start of a prompt, in whole units. */
static inline int64_t ms_texts_units(const ms_texts *self, int64_t tokens)
{
    return (self->most_tokens > 0 && tokens > self->most_tokens ? self->most_tokens : tokens) / self->unit_tokens;
}

/* For those who know what replicas have: one has something of a node, or has nothing of it any more. The first returns 0
 * or an error. */
int ms_texts_put(ms_texts *self, int64_t id, int32_t replica);
void ms_texts_remove(ms_texts *self, int64_t id, int32_t replica);

#endif
