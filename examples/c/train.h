/* train.h: train and measure one classifier of reviews */
#ifndef TRAIN_H
#define TRAIN_H

#include <refrain.h>

#include "report.h"
#include "settings.h"
#include "tsv.h"

/* Reviews as the library takes them. */
typedef struct {
  int32_t *ids;     /* [count, maxlen], 0 behind the end */
  int64_t *lengths; /* [count] */
  refrain_tensor x, y;
  refrain_dataset dataset; /* points to x and y: not to be copied */
} encoded;

/* Everything the training of one model needs. */
typedef struct {
  const settings *settings;
  const refrain_tokenizer *tokenizer;
  const label_set *labels;
  encoded train, valid;
} training_data;

/* Prints the library's message to stderr and returns 1 if a call failed. */
int failed(refrain_status status);

/* Encodes the reviews; `set` must outlive `out`. Returns 0, or -1 after printing why. */
int encode(const refrain_tokenizer *tokenizer, const reviews *set, int maxlen, encoded *out);
void encoded_free(encoded *reviews);

/* Trains and measures a model, and saves it with tokenizer and labels as `file` in the folder of
 * the settings.
 *
 * The work is done in a child process, so that its peak memory is that of this one model with the
 * data: what the kernel reports when it ends (wait4, ru_maxrss). fork() comes before anything in
 * this process has threads.
 *
 * layer  "LSTM" or "GRU".
 *
 * Returns 0, or -1 after printing why. */
int train_in_child(const char *layer, const char *file, const training_data *data,
                   model_result *result);

#endif
