/* report.h: the comparison of trained models as a table, and as JSON for a plot */
#ifndef REPORT_H
#define REPORT_H

#include "progress.h"
#include "tsv.h"

enum { MAXIMUM_CLASSES = 64 };

typedef struct {
  double precision, recall, f1, support;
} class_result;

/* What the training of one model came to. Without pointers, so that it can go through a pipe.
 * Losses and what follows are those of the finished model, without dropout. */
typedef struct {
  char name[16];
  char notation[256], trainer[256], fit[128]; /* the texts that say what was trained and how */
  int64_t parameters;
  int64_t peak_memory; /* bytes, of the process that trained it */
  double train_loss, train_accuracy;
  double valid_loss, valid_accuracy, precision, recall, f1; /* macro: means over the classes */
  class_result classes[MAXIMUM_CLASSES];
  double confusion[MAXIMUM_CLASSES * MAXIMUM_CLASSES]; /* [classes, classes], row the truth */
  int epochs;
  epoch_record history[MAXIMUM_EPOCHS];
} model_result;

/* One table for all models, then each one's confusion matrix and figures per class. */
void report_print(FILE *out, const model_result *results, int count, const label_set *labels);

/* The same, with settings and history, as JSON. `data` says where the reviews came from. Returns
 * 0, or -1 after printing why. */
int report_write_json(const char *path, const model_result *results, int count,
                      const label_set *labels, const char *data);

#endif
