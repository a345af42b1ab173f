/* progress.h: a bar while a model trains, or a line per epoch where the output is no terminal */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <refrain.h>

enum { MAXIMUM_EPOCHS = 1000 };

/* What the callback shows and keeps. */
typedef struct {
  const char *name;    /* shown before the bar */
  int64_t sequences;   /* in an epoch */
  int is_terminal;
  double shown;        /* seconds at which the bar was last drawn */
  double epoch_start;
  int epochs;          /* done */
  struct epoch_record {
    double loss, accuracy, valid_loss, valid_accuracy, seconds;
  } history[MAXIMUM_EPOCHS];
} progress_state;

/* For refrain_trainer_fit; user is a progress_state. */
int show_progress(void *user, const refrain_progress *progress);

#endif
