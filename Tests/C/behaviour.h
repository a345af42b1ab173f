/*
 * behaviour.h — what the files of the program `behaviour` share: a small task that can be learned
 */
#ifndef BEHAVIOUR_H
#define BEHAVIOUR_H

#include "support.h"

enum { N = 50, STEPS = 6 };

/** Sequences of ids and lengths; the class is which of three kinds the last id is of. */
typedef struct {
  int32_t ids[N][STEPS], classes[N];
  int64_t lengths[N];
  refrain_tensor x, y;
  refrain_dataset data;
} task;

void make_task(task *t, uint32_t seed);

/** A model for the task, with dropout; it has fewer than CLASSIFIER_NUMBERS numbers. */
extern const char *const classifier;
enum { CLASSIFIER_NUMBERS = 4000 };

/** All parameters, through their own memory. */
void parameters_of(refrain_model *model, float *values, int64_t *count);

int same_bits(const float *a, const float *b, size_t count);

void behaviour_of_models(void);
void behaviour_of_training(void);
void behaviour_of_generation(void);
void behaviour_in_a_process(void);
void behaviour_at_the_edges(void);

#endif
