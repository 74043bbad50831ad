/* The satisfaction predictor of MESS+: one logistic regression a model, learnt by SGD.
 *
 *     s_hat[m] = sigmoid(sum_j weights[m][j] x[j] + bias[m])
 *
 * Features are feature-major: x[j] of request i lies at x[j * stride + i], so that a block of requests
 * is scored side by side. The sum runs over j = 0 ... d - 1 and the bias comes last, in every kernel:
 * scoring one request or a block of any size gives the same bits. */
#ifndef MS_PREDICTOR_H
#define MS_PREDICTOR_H

#include <stdint.h>

typedef struct ms_predictor {
    int32_t models;
    int32_t features;
    double learning_rate;
    double momentum;     /* velocity <- momentum * velocity + gradient, as PyTorch's SGD */
    double weight_decay; /* added to the gradient of weights and biases after clipping */
    double clip;         /* largest Euclidean norm of a step's gradient; 0 for none */
    int64_t version;     /* counts the steps */
    int64_t *versions;   /* [models] those of each head: its scores made under another version are stale */
    double *weights;     /* [models][features] */
    double *bias;        /* [models] */
    double *velocity;    /* [models][features + 1], the bias last; used where momentum > 0 */
    double *gradient;    /* [models], scratch: d loss / d logit */
} ms_predictor;

/* All weights, biases and velocities start at 0: every score is 1/2 until something is learnt. */
int ms_predictor_init(ms_predictor *self, int32_t models, int32_t features);
void ms_predictor_free(ms_predictor *self);

/* scores[(m - first) * score_stride + i] of n requests by the heads m = first ... end - 1. Without features x may be
 * NULL, here and below. */
void ms_predictor_score(const ms_predictor *self, int32_t first, int32_t end, const double *x, int64_t stride, int64_t n,
                        double *scores, int64_t score_stride);

/* One step on one request: x[features], labels[models] in [0, 1]; a NaN label takes no part.
 * The loss is the sum of the cross-entropies over the labelled models. */
void ms_predictor_learn(ms_predictor *self, const double *x, const double *labels);

/* Weights, biases and velocities of n predictors of one shape become the means of them all, summed in order. That is
 * no step, so versions stay; but scores made before are stale. */
void ms_predictor_average(ms_predictor *const *predictors, int32_t n);

#endif
