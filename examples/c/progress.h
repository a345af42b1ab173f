/* progress.h: a bar while a model trains, or a line per epoch where the output is no terminal */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <refrain.h>

enum { MAXIMUM_EPOCHS = 1000 };

/* One epoch, in the training's own terms: loss and accuracy are means over its batches, with
 * dropout and while the parameters changed. Seconds include the validation. */
typedef struct {
  double loss, accuracy, valid_loss, valid_accuracy, seconds;
} epoch_record;

/* What the callback shows and keeps. */
typedef struct {
  const char *name;      /* shown before the bar */
  int64_t sequences;     /* in an epoch */
  int is_terminal;       /* stderr */
  double shown;          /* seconds at which the bar was last drawn */
  double epoch_start;    /* seconds */
  epoch_record *history; /* [MAXIMUM_EPOCHS], the caller's */
  int epochs;            /* done */
} progress_state;

void progress_begin(progress_state *state, const char *name, int64_t sequences,
                    epoch_record *history);

/* For refrain_trainer_fit; user is a progress_state. Writes to stderr. */
int progress_show(void *user, const refrain_progress *progress);

#endif
