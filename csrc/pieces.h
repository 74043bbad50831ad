/* The pieces of a job's text, one for each node of a prefix cache (cache.h): those of its path, its own prompt, and what this
 * copy has generated. */
#ifndef MS_PIECES_H
#define MS_PIECES_H

#include <stdint.h>

#include "blocks.h"
#include "job.h"

enum ms_piece_kind { MS_PIECE_SHARED, MS_PIECE_OWN, MS_PIECE_GENERATED };

/* Of a node its blocks from `first` to `end` - 1, counted from the start of the text. */
typedef struct ms_piece {
    uint64_t key;
    int64_t first;
    int64_t end;
} ms_piece;

static inline uint64_t ms_piece_key(enum ms_piece_kind kind, int64_t id)
{
    return (uint64_t)id << 2 | (uint64_t)kind;
}

static inline int ms_piece_is_generated(uint64_t key)
{
    return (key & 3) == MS_PIECE_GENERATED;
}

/* The i-th of the first `tokens` of a job's text; 0 past the last. */
static inline int ms_piece_of(const ms_block_size *block, const ms_job *job, int64_t tokens, int32_t i, ms_piece *piece)
{
    const int32_t length = job->path_length;
    const int64_t shared = length > 0 ? job->path[length - 1].end_tokens : 0;
    int64_t from, to;
    if (i < length) {
        from = i > 0 ? job->path[i - 1].end_tokens : 0;
        to = job->path[i].end_tokens;
        piece->key = ms_piece_key(MS_PIECE_SHARED, job->path[i].id);
    } else if (i == length && shared < job->prompt_tokens) {
        from = shared;
        to = job->prompt_tokens;
        piece->key = ms_piece_key(MS_PIECE_OWN, job->request);
    } else {
        from = job->prompt_tokens;
        to = i == length + (shared < job->prompt_tokens) ? tokens : from;
        piece->key = ms_piece_key(MS_PIECE_GENERATED, job->text);
    }
    to = to < tokens ? to : tokens;
    piece->first = ms_blocks_within(block, from);
    piece->end = ms_blocks_within(block, to);
    return from < to;
}

#endif
