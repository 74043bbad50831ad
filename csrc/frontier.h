/* What a promise costs at least, with outcomes known: the frontier of satisfaction and cost over many requests.
 *
 * Each request goes to one model m, at cost c_m, for satisfaction s_m in [0, 1]. Least total cost for a given total
 * satisfaction is a linear program with one coupling constraint. Its solution starts every request on its cheapest
 * model and then climbs, steepest saving first: along the lower convex hull of its points (s_m, c_m), each step from
 * one corner to the next gains satisfaction at a slope of cost per satisfaction, and steps are taken in rising order
 * of slope. That order is kept by a histogram on a logarithmic grid of slopes: 256 bins per factor of 2, of equal
 * width within it, from 2^-32 up to 2^32; what lies beyond goes into the end bins. */
#ifndef MS_FRONTIER_H
#define MS_FRONTIER_H

#include <stdint.h>

enum { MS_FRONTIER_BINS = 16384, MS_FRONTIER_SUMS = 3, MS_FRONTIER_MODELS = 256 };

/* Steps whose slopes share a bin; all 0 where there are none. */
typedef struct ms_frontier_bin {
    double gain;  /* satisfaction that they add */
    double cost;  /* cost that they add */
    double least; /* the smallest of their slopes */
    double most;  /* and the greatest */
} ms_frontier_bin;

/* Frontiers of several tenants, each with its own promise.
 *
 * sums[tenant]: requests, their satisfaction and cost on the cheapest models (of equally cheap ones the most
 * satisfying), then the satisfaction of all requests on each model, then their cost on each. */
typedef struct ms_frontier {
    int64_t models;        /* at most MS_FRONTIER_MODELS */
    double *sums;          /* [tenants][MS_FRONTIER_SUMS + 2 models] */
    ms_frontier_bin *bins; /* [tenants][MS_FRONTIER_BINS] */
} ms_frontier;

/* Adds n requests; satisfied and costs are [models][n], and costs >= 0, infinite where a model cannot be had (some
 * model always can). Sums run in request order. */
void ms_frontier_add(ms_frontier *self, int64_t n, const int32_t *tenant, const double *satisfied,
                     const double *costs);

#endif
