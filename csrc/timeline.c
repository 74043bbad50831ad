#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

static int32_t most_of(int32_t replicas)
{
    int32_t most = MS_TIMELINE_MOST;
    for (int32_t few = MS_TIMELINE_FEW; few < replicas && most > MS_TIMELINE_LEAST; few *= 2) {
        most /= 2;
    }
    return most;
}

/* The stride that `requests` requests end with. */
static int64_t last_stride(int64_t requests, int32_t most)
{
    int64_t stride = 1;
    while ((requests - 1) / stride >= most) {
        stride *= 2;
    }
    return stride;
}

int ms_timeline_init(ms_timeline *self, int32_t pools, int32_t replicas, int64_t requests)
{
    const int32_t most = most_of(replicas);
    const size_t rows = (size_t)most + 1, width = (size_t)pools;
    *self = (ms_timeline){.pools = pools, .most = most, .stride = last_stride(requests, most)};
    self->samples = calloc(rows, sizeof *self->samples);
    self->in_system = calloc(rows * width + 1, sizeof *self->in_system);
    self->energy_j = calloc(rows * width + 1, sizeof *self->energy_j);
    self->prompt_tokens = calloc(rows * width + 1, sizeof *self->prompt_tokens);
    self->cached_prompt_tokens = calloc(rows * width + 1, sizeof *self->cached_prompt_tokens);
    self->replicas = calloc(3 * rows * width + 1, sizeof *self->replicas);
    const int whole = self->samples != NULL && self->in_system != NULL && self->energy_j != NULL &&
                      self->prompt_tokens != NULL && self->cached_prompt_tokens != NULL && self->replicas != NULL;
    return whole ? 0 : MS_ERR_MEMORY;
}

void ms_timeline_free(ms_timeline *self)
{
    free(self->samples);
    free(self->in_system);
    free(self->energy_j);
    free(self->prompt_tokens);
    free(self->cached_prompt_tokens);
    free(self->replicas);
    *self = (ms_timeline){0};
}

static void thin(ms_timeline *self)
{
    const size_t width = (size_t)self->pools;
    int32_t kept = 0;
    for (int32_t i = 0; i < self->length; i += 2, kept++) {
        const size_t from = (size_t)i * width, to = (size_t)kept * width;
        self->samples[kept] = self->samples[i];
        memmove(self->in_system + to, self->in_system + from, width * sizeof *self->in_system);
        memmove(self->energy_j + to, self->energy_j + from, width * sizeof *self->energy_j);
        memmove(self->prompt_tokens + to, self->prompt_tokens + from, width * sizeof *self->prompt_tokens);
        memmove(self->cached_prompt_tokens + to, self->cached_prompt_tokens + from,
                width * sizeof *self->cached_prompt_tokens);
        memmove(self->replicas + 3 * to, self->replicas + 3 * from, 3 * width * sizeof *self->replicas);
    }
    self->length = kept;
    self->stride *= 2;
}

int32_t ms_timeline_add(ms_timeline *self, const ms_sample *sample)
{
    if (self->length == self->most) {
        thin(self);
        if (!ms_timeline_due(self, sample->request)) {
            return -1;
        }
    }
    self->samples[self->length] = *sample;
    return self->length++;
}
