/* The marginal cost of a request: what it adds to the batch that is under way where it goes.
 *
 * With b running requests like it on a replica, K = b (p + mean_output / 2):
 *   its prompt   what its chunks add to iterations of these b
 *   its answer   mean_output - 1 iterations of b + 1 instead of b
 * On an idle replica (b = 0) it pays these iterations whole, less the idle power that is drawn without it. Where all
 * places are taken it waits and makes no batch larger: it pays its share of a full one, 1/b of its iterations, as a
 * known cost does (cost.h).
 *
 * The replica is the one that dispatch would choose now; b is what the router sees of its unfinished requests
 * (destination.h). */
#ifndef MS_MARGINAL_H
#define MS_MARGINAL_H

#include <stdint.h>

#include "cost.h"

/* One pool of a model; those of one model stand together. */
typedef struct ms_server_cost {
    int32_t model;
    int32_t pool;          /* of the cluster */
    double places;        /* max_num_seqs of one replica */
    double decoder_tokens; /* of an iteration's budget, that one who decodes takes; 0: the budget is for prompts alone */
    ms_known_cost known;
} ms_server_cost;

/* Where a request would go if it went to a model. */
typedef struct ms_destination {
    int32_t pool;   /* -1: none of the model takes it now */
    double running; /* unfinished requests of the replica */
    double cached;  /* tokens of the prompt in its cache */
} ms_destination;

/* Joules or USD of a request, so many of whose prompt's tokens are in the cache, on a replica with b running requests,
 * b a whole number. */
double ms_marginal_cost(const ms_server_cost *server, double prompt, double cached, double running);

/* costs[models]: marginal where a model has servers here, the known cost elsewhere; infinite stays infinite. What nobody
 * takes now would wait at the first pool of the model. */
void ms_marginal_costs(const ms_server_cost *servers, int32_t n, int32_t models, double prompt,
                       const ms_destination *destinations, const double *known, double *costs);

#endif
