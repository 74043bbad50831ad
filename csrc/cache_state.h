/* What a prefix cache (cache.h) is made of: nodes, whose blocks jobs hold, or which lie in stretches of the order they go in. */
#ifndef MS_CACHE_STATE_H
#define MS_CACHE_STATE_H

#include <stdint.h>

/* Blocks first ... to - 1 of a node, released at once. */
typedef struct ms_cache_stretch {
    struct ms_node *node; /* NULL in one that a node has for itself, unused */
    int64_t first;
    int64_t to;
    struct ms_cache_stretch *older;
    struct ms_cache_stretch *newer;
    struct ms_cache_stretch *deeper; /* of the same node */
    struct ms_cache_stretch *shallower;
} ms_cache_stretch;

/* Blocks are counted from the start of the text: a node has those from `first` on. */
typedef struct ms_node {
    uint64_t key;
    struct ms_node *next; /* in its bucket */
    struct ms_node **at;  /* what leads to it there */
    int64_t first;
    int64_t present;
    int64_t held;
    struct ms_hold *holds;
    struct ms_cache_stretch *shallowest; /* released last: the others are deeper and older */
    struct ms_cache_stretch own;         /* the first of them, beside the node: most have no other */
} ms_node;

/* A job uses the blocks of a node up to `to`, and may use them up to `end`. */
typedef struct ms_hold {
    ms_node *node;
    int64_t to;
    int64_t end;
    struct ms_hold *above;    /* of the same job, nearer to the start */
    struct ms_hold *previous; /* of the same node */
    struct ms_hold *next;
} ms_hold;

#endif
