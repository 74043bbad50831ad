#include "drafts.h"

#include <string.h>

#include "draw.h"

/* share[x]: probability of x tokens after the first in an iteration. */
static void shares_of(int32_t tokens, const double *accepted, double *share)
{
    double all = 1.0;
    for (int32_t j = 0; j < tokens; j++) {
        share[j] = all * (1.0 - accepted[j]);
        all *= accepted[j];
    }
    share[tokens] = all;
}

/* The chain of tokens so far: first passage beyond `goal`, by iterations and tokens beyond; cumulated into `table`, of
 * rows of `width` entries. */
static void passage_of(const double *share, int32_t most, int32_t goal, double *table, int32_t width)
{
    double here[MS_DRAFTS_STRIDE] = {1.0}, sum = 0.0;
    for (int32_t n = 0; n < goal; n++) {
        double next[MS_DRAFTS_STRIDE] = {0.0}, beyond[MS_DRAFTS_MOST + 1] = {0.0};
        for (int32_t at = n; at < goal; at++) { /* after n iterations there are n tokens at least */
            for (int32_t x = 0; x < most; x++) {
                const int32_t to = at + 1 + x;
                *(to < goal ? &next[to] : &beyond[to - goal]) += here[at] * share[x];
            }
        }
        for (int32_t v = 0; v < most; v++) {
            sum += beyond[v];
            table[n * width + (width > 1 ? v : 0)] = sum;
        }
        memcpy(here, next, sizeof here);
    }
}

void ms_drafts_init(ms_drafts *self, int32_t tokens, const double *accepted, const ms_stream *stream)
{
    double share[MS_DRAFTS_MOST + 1];
    memset(self, 0, sizeof *self);
    self->tokens = tokens;
    self->stream = *stream;
    shares_of(tokens, accepted, share);
    for (int32_t x = 0; x <= tokens; x++) {
        self->mean_tokens += (x + 1) * share[x];
    }
    for (int32_t goal = 1; goal < MS_DRAFTS_STRIDE; goal++) {
        passage_of(share, tokens + 1, goal, self->passage[goal], 1);
    }
    passage_of(share, tokens + 1, MS_DRAFTS_STRIDE, self->stride[0], MS_DRAFTS_MOST + 1);
}

int64_t ms_drafts_iterations(const ms_drafts *self, uint64_t request, int64_t tokens)
{
    ms_stream stream = self->stream;
    int64_t iterations = 0;
    for (stream.sub = 0; tokens > 0; stream.sub++) {
        const double u = ms_draw_one(&stream, 0, request);
        int32_t n = 0, v = 0;
        if (tokens < MS_DRAFTS_STRIDE) {
            const double *passage = self->passage[tokens];
            while (n < tokens - 1 && u >= passage[n]) {
                n++;
            }
            return iterations + n + 1;
        }
        while (n < MS_DRAFTS_STRIDE - 1 && u >= self->stride[n][self->tokens]) {
            n++;
        }
        while (v < self->tokens && u >= self->stride[n][v]) {
            v++;
        }
        iterations += n + 1;
        tokens -= MS_DRAFTS_STRIDE + v;
    }
    return iterations;
}
