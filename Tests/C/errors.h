/*
 * errors.h — what the files of the program `errors` share: one valid object of each type, and one
 * scratch block for outputs, which is watched
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "support.h"

enum { FEATURES = 3, CLASSES = 2, BATCH = 2, TIMESTEPS = 4, VOCABULARY = 7 };

/** Valid arguments: what a test breaks, one thing at a time. */
struct world {
  refrain_model *model;     /* Input(3) -> LSTM(4) -> Dense(2, softmax), float input */
  refrain_model *ids_model; /* Embedding(7, 3) -> GRU(4) -> Dense(2, softmax) */
  refrain_session *session; /* of model, lanes=2 */
  refrain_session *ids_session;
  refrain_trainer *trainer; /* of model, with a loss */
  refrain_tokenizer *tokenizer;
  refrain_scaler *scaler;   /* fitted to FEATURES features */
  refrain_metrics *metrics; /* of CLASSES classes */

  float x[BATCH * TIMESTEPS * FEATURES];
  int32_t ids[BATCH * TIMESTEPS];
  int32_t classes[BATCH];
  float probabilities[BATCH * CLASSES];
  refrain_tensor input, target;
  refrain_dataset data;
};
extern struct world world;

/** Where refused calls would write. */
struct scratch {
  void *handle, *guard;
  float y[BATCH * TIMESTEPS * VOCABULARY];
  float *data;
  double number;
  double matrix[64];
  int64_t size, other_size;
  int32_t id[16];
  char text[256];
  int64_t sizes[16];
};
extern struct scratch scratch;

/** Makes the world, and watches the scratch block. */
void begin(void);

void errors_in_handles(void);
void errors_in_models(void);
void errors_in_sessions(void);
void errors_in_generation(void);
void errors_in_trainers(void);
void errors_in_data(void);

#endif
