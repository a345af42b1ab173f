/* report.h: the comparison of trained models as a table, and as JSON for a plot */
#ifndef REPORT_H
#define REPORT_H

#include "progress.h"
#include "tsv.h"

enum { MAXIMUM_CLASSES = 64 };

/* What one model's training came to. Plain numbers, so that it can go through a pipe. */
typedef struct {
  char name[16];
  int64_t parameters;
  double seconds_per_epoch;
  int64_t peak_memory; /* bytes, of the process that trained it */
  double train_loss, train_accuracy;
  double valid_loss, valid_accuracy, precision, recall, f1;
  double class_precision[MAXIMUM_CLASSES], class_recall[MAXIMUM_CLASSES];
  double class_f1[MAXIMUM_CLASSES], class_support[MAXIMUM_CLASSES];
  double confusion[MAXIMUM_CLASSES * MAXIMUM_CLASSES];
  int epochs;
  struct epoch_record history[MAXIMUM_EPOCHS];
} model_result;

/* One table for all models, then each one's confusion matrix and figures per class. */
void report_print(FILE *out, const model_result *results, int count, const label_set *labels);

/* The same, with the history, as JSON. Returns 0, or -1 after printing why. */
int report_write_json(const char *path, const model_result *results, int count,
                      const label_set *labels, const char *description);

#endif
