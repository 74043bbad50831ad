#include "predictor.h"

#include <stdlib.h>
#include <string.h>

#include "clones.h"
#include "error.h"
#include "fours.h"
#include "maths.h"

enum { LANES = 32 }; /* requests side by side, by MS_TILE heads: 16 registers of 512 bits */

int ms_predictor_init(ms_predictor *self, int32_t models, int32_t features)
{
    const size_t m = (size_t)models, heads = (size_t)ms_predictor_heads(models), d = (size_t)features;
    *self = (ms_predictor){.models = models, .features = features};
    self->weights = calloc(heads * d + 1, sizeof(double));
    self->bias = calloc(heads, sizeof(double));
    self->velocity = calloc(m * (d + 1), sizeof(double));
    self->gradient = calloc(m, sizeof(double));
    self->move = calloc(d + 1, sizeof(double));
    self->rows = calloc(MS_ROWS * d + 1, sizeof(double));
    if (ms_scaler_init(&self->scaler, features) || self->rows == NULL || self->move == NULL || self->weights == NULL ||
        self->bias == NULL || self->velocity == NULL || self->gradient == NULL) {
        ms_predictor_free(self);
        return MS_ERR_MEMORY;
    }
    return 0;
}

void ms_predictor_free(ms_predictor *self)
{
    free(self->weights);
    free(self->bias);
    free(self->velocity);
    free(self->gradient);
    free(self->move);
    free(self->rows);
    ms_scaler_free(&self->scaler);
    *self = (ms_predictor){0};
}

/* `models` rows of weights against one block of LANES requests; sums stay in registers. */
MS_INLINE void score_tile(const double *weights, const double *bias, int models, int32_t features,
                          const double *x, int64_t stride, double *scores, int64_t score_stride)
{
    double sum[MS_TILE][LANES] = {{0}};
    for (int32_t j = 0; j < features; j++) {
        const double *column = x + (int64_t)j * stride;
        for (int m = 0; m < models; m++) {
            const double w = weights[(int64_t)m * features + j];
            for (int i = 0; i < LANES; i++) {
                sum[m][i] += w * column[i];
            }
        }
    }
    for (int m = 0; m < models; m++) {
        double *out = scores + (int64_t)m * score_stride;
        for (int i = 0; i < LANES; i++) {
            out[i] = ms_sigmoid(sum[m][i] + bias[m]);
        }
    }
}

MS_CLONES static void score_block(const ms_predictor *self, const double *x, int64_t stride, double *scores,
                                  int64_t score_stride)
{
    const int32_t d = self->features, models = self->models;
    const double *weights = self->weights, *bias = self->bias;
    int32_t m = 0;
    for (; m + MS_TILE <= models; m += MS_TILE) {
        score_tile(weights + (int64_t)m * d, bias + m, MS_TILE, d, x, stride, scores + m * score_stride, score_stride);
    }
    for (; m < models; m++) {
        score_tile(weights + (int64_t)m * d, bias + m, 1, d, x, stride, scores + m * score_stride, score_stride);
    }
}

static double logit_one(const ms_predictor *self, int32_t model, const double *x, int64_t stride)
{
    const double *w = self->weights + (int64_t)model * self->features;
    const int32_t d = self->features;
    double sum = 0.0;
    int32_t j = 0;
    for (; j + 4 <= d; j += 4, w += 4, x += 4 * stride) { /* the same sum; unrolled since a step on every answer lives here */
        sum += w[0] * x[0];
        sum += w[1] * x[stride];
        sum += w[2] * x[2 * stride];
        sum += w[3] * x[3 * stride];
    }
    for (; j < d; j++, w++, x += stride) {
        sum += *w * *x;
    }
    return sum + self->bias[model];
}

static double score_one(const ms_predictor *self, int32_t model, const double *x, int64_t stride)
{
    return ms_sigmoid(logit_one(self, model, x, stride));
}

/* w[m * features + k] x[k * stride] of four features k and MS_TILE heads m, added to each head's sum in the order of the
 * features. Weights are read as they lie and the products turned: read feature by feature they would come one at a time. */
MS_INLINE void add_four(ms_four *sum, const double *w, int64_t features, const double *x, int64_t stride)
{
    const ms_four y = stride == 1 ? *(const ms_four *)x : (ms_four){x[0], x[stride], x[2 * stride], x[3 * stride]};
    ms_four products[4];
    for (int m = 0; m < 4; m++) {
        products[m] = *(const ms_four *)(w + m * features) * y;
    }
    ms_fours_turn(products);
    for (int k = 0; k < 4; k++) {
        *sum += products[k];
    }
}

/* Logits of MS_TILE heads of one request side by side, of the same bits as one by one. */
MS_INLINE void logits_of_tile(const double *weights, const double *bias, int32_t features, const double *x,
                              int64_t stride, ms_four *logits)
{
    const int64_t d = features;
    ms_four sum = {0.0};
    int32_t j = 0;
    for (; j + 4 <= features; j += 4) {
        add_four(&sum, weights + j, d, x + j * stride, stride);
    }
    for (; j < features; j++) {
        sum += (ms_four){weights[j], weights[d + j], weights[2 * d + j], weights[3 * d + j]} * x[j * stride];
    }
    *logits = sum + *(const ms_four *)bias;
}

MS_INLINE void squash(ms_four logits, double *scores)
{
    ms_four out;
    for (int m = 0; m < MS_TILE; m++) {
        out[m] = ms_sigmoid(logits[m]);
    }
    *(ms_four *)scores = out;
}

MS_CLONES static void score_heads(const double *weights, const double *bias, int32_t features, const double *x,
                                  int64_t stride, double *scores, int64_t score_stride)
{
    ms_four logits;
    double out[MS_TILE];
    logits_of_tile(weights, bias, features, x, stride, &logits);
    squash(logits, out);
    for (int m = 0; m < MS_TILE; m++) {
        scores[m * score_stride] = out[m];
    }
}

MS_CLONES static void sum_heads(const double *weights, const double *bias, int32_t features, const double *row,
                                double *logits)
{
    logits_of_tile(weights, bias, features, row, 1, (ms_four *)logits);
}

MS_CLONES static void squash_heads(const double *logits, double *scores)
{
    squash(*(const ms_four *)logits, scores);
}

static void score_request(const ms_predictor *self, const double *x, int64_t stride, double *scores, int64_t score_stride)
{
    int32_t m = 0;
    for (; m + MS_TILE <= self->models; m += MS_TILE, scores += MS_TILE * score_stride) {
        score_heads(self->weights + (int64_t)m * self->features, self->bias + m, self->features, x, stride, scores,
                    score_stride);
    }
    for (; m < self->models; m++, scores += score_stride) {
        *scores = score_one(self, m, x, stride);
    }
}

/* Without features x may be NULL, which takes no offset. */
static const double *from_request(const ms_predictor *self, const double *x, int64_t i)
{
    return self->features > 0 ? x + i : x;
}

void ms_predictor_score(const ms_predictor *self, const double *x, int64_t stride, int64_t n, double *scores,
                        int64_t score_stride)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        score_block(self, from_request(self, x, i), stride, scores + i, score_stride);
    }
    for (; i < n; i++) {
        score_request(self, from_request(self, x, i), stride, scores + i, score_stride);
    }
}

/* Columns lie far apart: each line is read once for all its requests, and the next is on its way by then. */
static void gather(const double *restrict x, int64_t stride, int32_t features, int64_t n, int64_t rows,
                   double *restrict out)
{
    for (int32_t j = 0; j < features; j++) {
        const double *column = x + j * stride;
        for (int64_t i = 0; i < rows; i++) {
            out[i * features + j] = column[i];
        }
        __builtin_prefetch(column + (3 * rows < n ? 3 * rows : 0));
    }
}

const double *ms_predictor_row(ms_predictor *self, int64_t request, const double *x, int64_t stride, int64_t n)
{
    if (stride == 1) {
        return x;
    }
    int64_t i = request - self->rows_first;
    if (i < 0 || i >= self->rows_kept) {
        const int64_t rows = n < MS_ROWS ? 1 : MS_ROWS;
        gather(x, stride, self->features, n, rows, self->rows);
        self->rows_first = request;
        self->rows_kept = rows;
        i = 0;
    }
    return self->rows + i * self->features;
}

void ms_predictor_score_row(const ms_predictor *self, const double *row, double *scores)
{
    for (int32_t m = 0; m < self->models; m += MS_TILE) {
        score_heads(self->weights + (int64_t)m * self->features, self->bias + m, self->features, row, 1, scores + m, 1);
    }
}

void ms_predictor_logits_row(const ms_predictor *self, const double *row, double *logits)
{
    for (int32_t m = 0; m < self->models; m += MS_TILE) {
        sum_heads(self->weights + (int64_t)m * self->features, self->bias + m, self->features, row, logits + m);
    }
}

void ms_predictor_scores_of(int32_t models, const double *logits, double *scores)
{
    for (int32_t m = 0; m < models; m += MS_TILE) {
        squash_heads(logits + m, scores + m);
    }
}

/* Scales all gradients by clip / norm where the norm exceeds clip. The gradient of model m is
 * gradient[m] * (x, 1), so the squared norm is the sum of gradient[m]^2, `gradients`, times (|x|^2 + 1). */
static double clip_scale(const ms_predictor *self, const double *x, double gradients)
{
    if (self->clip <= 0.0) {
        return 1.0;
    }
    double squares = 1.0;
    for (int32_t j = 0; j < self->features; j++) {
        squares += x[j] * x[j];
    }
    const double norm = sqrt(squares * gradients);
    return norm > self->clip ? self->clip / norm : 1.0;
}

/* How far a parameter goes down its gradient; `memory` is its velocity, or AdaGrad's sum. */
MS_INLINE double move_of(const ms_predictor *self, double gradient, double parameter, double *memory)
{
    const double decayed = gradient + self->weight_decay * parameter;
    if (self->optimizer == MS_ADAGRAD) {
        *memory += decayed * decayed;
        return decayed == 0.0 ? 0.0 : self->learning_rate * decayed / sqrt(*memory);
    }
    *memory = self->momentum * *memory + decayed;
    return self->learning_rate * *memory;
}

/* A loop of its own for each optimizer: without a branch it is vectorised. */
MS_CLONES static void descend(const ms_predictor *self, const double *restrict x, double gradient, double *restrict w,
                              double *restrict memory)
{
    const double rate = self->learning_rate, momentum = self->momentum, decay = self->weight_decay;
    for (int32_t j = 0; j < self->features; j++) {
        memory[j] = momentum * memory[j] + (gradient * x[j] + decay * w[j]);
        w[j] -= rate * memory[j];
    }
}

static void step_in_features(const ms_predictor *self, int32_t model, const double *x, double gradient)
{
    double *w = self->weights + (int64_t)model * self->features;
    double *v = self->velocity + (int64_t)model * (self->features + 1);
    if (self->optimizer == MS_SGD) {
        descend(self, x, gradient, w, v);
    } else {
        for (int32_t j = 0; j < self->features; j++) {
            w[j] -= move_of(self, gradient * x[j], w[j], v + j);
        }
    }
    self->bias[model] -= move_of(self, gradient, self->bias[model], v + self->features);
}

/* The bias that belongs to standardized features. */
static double centred_bias(const ms_predictor *self, const double *w, double bias)
{
    for (int32_t j = 0; j < self->features; j++) {
        bias += w[j] * self->scaler.mean[j];
    }
    return bias;
}

/* The same in the scaler's scale: z are the features there. */
static void step_in_scale(const ms_predictor *self, int32_t model, const double *z, double gradient)
{
    const int32_t d = self->features;
    const ms_scaler *scale = &self->scaler;
    double *w = self->weights + (int64_t)model * d, *bias = self->bias + model;
    double *v = self->velocity + (int64_t)model * (d + 1), *move = self->move;
    const double centred = self->weight_decay > 0.0 ? centred_bias(self, w, *bias) : 0.0;
    double of_logit = move[d] = move_of(self, gradient, centred, v + d);
    for (int32_t j = 0; j < d; j++) {
        const double own = scale->inverse[j] > 0.0 ? w[j] / scale->inverse[j] : 0.0;
        move[j] = move_of(self, gradient * z[j], own, v + j);
        of_logit += move[j] * z[j];
    }
    const double most = 2.0 * fabs(gradient) / (1.0 - self->momentum);
    const double share = fabs(of_logit) > most ? most / fabs(of_logit) : 1.0;
    *bias -= share * move[d];
    for (int32_t j = 0; j < d; j++) {
        const double change = share * move[j] * scale->inverse[j];
        w[j] -= change;
        *bias += change * scale->mean[j];
    }
}

/* The features of a lesson as its steps see them. */
static const double *seen(ms_predictor *self, const double *x)
{
    if (!self->standardizes) {
        return x;
    }
    ms_scaler_see(&self->scaler, x);
    return self->scaler.standard;
}

static void step(ms_predictor *self, int32_t model, const double *x, double gradient)
{
    if (self->standardizes) {
        step_in_scale(self, model, x, gradient);
    } else {
        step_in_features(self, model, x, gradient);
    }
}

void ms_predictor_learn_one(ms_predictor *self, const double *x, int32_t model, double label, const double *scores)
{
    const double gradient = (scores != NULL ? scores[model] : score_one(self, model, x, 1)) - label;
    x = seen(self, x);
    step(self, model, x, clip_scale(self, x, gradient * gradient) * gradient);
    self->version++;
}

void ms_predictor_learn_scored(ms_predictor *self, const double *x, const double *labels, const double *scores)
{
    double gradients = 0.0;
    for (int32_t m = 0; m < self->models; m++) {
        const int known = labels[m] == labels[m]; /* false for NaN alone */
        if (known && scores != NULL) {
            self->gradient[m] = scores[m] - labels[m];
        } else {
            self->gradient[m] = known ? score_one(self, m, x, 1) - labels[m] : 0.0;
        }
        gradients += self->gradient[m] * self->gradient[m];
    }
    x = seen(self, x);
    const double scale = clip_scale(self, x, gradients);
    for (int32_t m = 0; m < self->models; m++) {
        if (labels[m] == labels[m]) {
            step(self, m, x, scale * self->gradient[m]);
        }
    }
    self->version++;
}

void ms_predictor_learn(ms_predictor *self, const double *x, const double *labels)
{
    ms_predictor_learn_scored(self, x, labels, NULL);
}

static void add(double *sums, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sums[i] += values[i];
    }
}

static void divide(double *values, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) {
        values[i] /= by;
    }
}

void ms_predictor_average(ms_predictor *const *predictors, int32_t n)
{
    const ms_predictor *mean = predictors[0];
    const size_t m = (size_t)mean->models, weights = m * (size_t)mean->features, velocities = weights + m;
    for (int32_t i = 1; i < n; i++) {
        add(mean->weights, predictors[i]->weights, weights);
        add(mean->bias, predictors[i]->bias, m);
        add(mean->velocity, predictors[i]->velocity, velocities);
    }
    divide(mean->weights, weights, n);
    divide(mean->bias, m, n);
    divide(mean->velocity, velocities, n);
    for (int32_t i = 1; i < n; i++) {
        memcpy(predictors[i]->weights, mean->weights, weights * sizeof(double));
        memcpy(predictors[i]->bias, mean->bias, m * sizeof(double));
        memcpy(predictors[i]->velocity, mean->velocity, velocities * sizeof(double));
    }
}
