/* The satisfaction predictor of MESS+: one logistic regression a model, learnt by SGD or AdaGrad.
 *
 *     s_hat[m] = sigmoid(sum_j weights[m][j] x[j] + bias[m])
 *
 * A block of requests whose features are feature-major, x[j] of request i at x[j * stride + i], is scored side by side;
 * of a single one the heads are. The sum runs over j = 0 ... d - 1 and the bias comes last, in every kernel:
 * scoring one request or a block of any size gives the same bits.
 *
 * A predictor that standardizes takes its steps in the scale of scaler.h: momentum, decay, clip and AdaGrad's sums are
 * those of u and c in s_hat = sigmoid(sum_j u[j] z[j] + c), z[j] = (x[j] - mean[j]) / deviation[j]. Weights and biases
 * stay those of x itself, so that a score costs no more and does not move when the scale does. No such step moves the
 * logit of its own request by more than 2 |d loss / d logit| / (1 - momentum), half of what Newton's step may: many
 * features, or one far out, cannot make it diverge. */
#ifndef MS_PREDICTOR_H
#define MS_PREDICTOR_H

#include <stddef.h>
#include <stdint.h>

#include "scaler.h"

enum {
    MS_TILE = 4, /* heads that are scored side by side */
    MS_ROWS = 8  /* requests whose features are put side by side at once: those of a line of the cache */
};

enum ms_optimizer {
    MS_SGD,
    MS_ADAGRAD /* learning_rate / sqrt(sum of squared gradients), parameter by parameter (Duchi, Hazan and Singer, JMLR 2011) */
};

typedef struct ms_predictor {
    int32_t models;
    int32_t features;
    int32_t optimizer;   /* enum ms_optimizer */
    int32_t standardizes;
    double learning_rate;
    double momentum;     /* velocity <- momentum * velocity + gradient, as PyTorch's SGD */
    double weight_decay; /* added to the gradient of weights and biases after clipping */
    double clip;         /* largest Euclidean norm of a step's gradient; 0 for none */
    int64_t version;     /* counts the steps */
    double *weights;     /* [heads][features], of which those behind the models' stay 0 */
    double *bias;        /* [heads] */
    double *velocity;    /* [models][features + 1], the bias last; AdaGrad: sums of squared gradients */
    double *gradient;    /* [models], scratch: d loss / d logit */
    double *move;        /* [features + 1], scratch: how far a head's parameters go */
    double *rows;        /* [MS_ROWS][features] of `rows_kept` requests from `rows_first` on */
    int64_t rows_first;
    int64_t rows_kept;
    ms_scaler scaler;
} ms_predictor;

/* Heads of so many models: whole tiles, so that none is scored alone. */
static inline int32_t ms_predictor_heads(int32_t models)
{
    return (models + MS_TILE - 1) / MS_TILE * MS_TILE;
}

/* All weights, biases and velocities start at 0: every score is 1/2 until something is learnt. */
int ms_predictor_init(ms_predictor *self, int32_t models, int32_t features);
void ms_predictor_free(ms_predictor *self);

/* scores[m * score_stride + i] of n requests: x[j * stride + i] is feature j of request i. Without features x may be NULL,
 * here and below. */
void ms_predictor_score(const ms_predictor *self, const double *x, int64_t stride, int64_t n, double *scores,
                        int64_t score_stride);

/* The features of a request side by side, until another's are asked for; x[0], x[stride], ... are where they come from, and
 * behind each there are those of the next requests, `n` with this one, which are likely to be asked for next. Those that lie
 * side by side as they are, with a stride of 1, are handed back. */
const double *ms_predictor_row(ms_predictor *self, int64_t request, const double *x, int64_t stride, int64_t n);

/* The features of a request that were put side by side with an earlier one's; NULL: they were not. */
static inline const double *ms_predictor_row_kept(const ms_predictor *self, int64_t request)
{
    const int64_t i = request - self->rows_first;
    return i >= 0 && i < self->rows_kept ? self->rows + i * self->features : NULL;
}

/* Other requests have these numbers from now on. */
static inline void ms_predictor_forget_rows(ms_predictor *self)
{
    self->rows_kept = 0;
}

/* scores[heads] of one such row. */
void ms_predictor_score_row(const ms_predictor *self, const double *row, double *scores);

/* The same in two steps, for who has something else to do in between: logits[heads] of one such row, and their scores. */
void ms_predictor_logits_row(const ms_predictor *self, const double *row, double *logits);
void ms_predictor_scores_of(int32_t models, const double *logits, double *scores);

/* One step on one request: x[features], labels[models] in [0, 1]; a NaN label takes no part.
 * The loss is the sum of the cross-entropies over the labelled models. */
void ms_predictor_learn(ms_predictor *self, const double *x, const double *labels);

/* The same, where x has been scored by the present weights of all labelled models: scores[models]; NULL: it has not. */
void ms_predictor_learn_scored(ms_predictor *self, const double *x, const double *labels, const double *scores);

/* The same with a label of one model alone, to the same bits; nothing branches on which it is, which no processor can
 * foresee. */
void ms_predictor_learn_one(ms_predictor *self, const double *x, int32_t model, double label, const double *scores);

/* Weights, biases and velocities of n predictors of one shape become the means of them all, summed in order. That is
 * no step, so the version stays; but scores made before are stale. Each keeps its own scale. */
void ms_predictor_average(ms_predictor *const *predictors, int32_t n);

#endif
