/* progress.c: see progress.h */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 14, LINE_WIDTH = 79 };

static const double REDRAW_SECONDS = 0.1;

void progress_begin(progress_state *state, const char *name, int64_t sequences,
                    epoch_record *history) {
  *state = (progress_state){.name = name, .sequences = sequences, .history = history,
                            .is_terminal = isatty(STDERR_FILENO)};
}

static void draw_bar(const progress_state *state, const refrain_progress *p) {
  double done = state->sequences ? (double)p->sequences / (double)state->sequences : 1;
  double epochs_left = (double)(p->epochs - p->epoch) - done, rate = p->sequences_per_second;
  double seconds_left = rate > 0 ? epochs_left * (double)state->sequences / rate : 0;
  fprintf(stderr, "\r%-4s %lld/%lld ", state->name, (long long)p->epoch + 1, (long long)p->epochs);
  for (int i = 0; i < BAR_WIDTH; i++) fputs(i < (int)(done * BAR_WIDTH) ? "█" : "·", stderr);
  fprintf(stderr, " loss %.4f  accuracy %.3f %6.0f seq/s %4.0f s left ", p->loss, p->accuracy, rate,
          seconds_left);
  fflush(stderr);
}

static void end_epoch(progress_state *state, const refrain_progress *p) {
  double seconds = p->seconds - state->epoch_start;
  state->epoch_start = p->seconds;
  if (state->epochs < MAXIMUM_EPOCHS)
    state->history[state->epochs++] = (epoch_record){p->loss, p->accuracy, p->valid_loss,
                                                     p->valid_accuracy, seconds};
  if (state->is_terminal) fprintf(stderr, "\r%*s\r", LINE_WIDTH, "");
  fprintf(stderr,
          "%-4s epoch %lld/%lld  loss %.4f  accuracy %.3f  validation: loss %.4f  accuracy %.3f"
          "  %.0f seq/s  %.2f s%s\n",
          state->name, (long long)p->epoch + 1, (long long)p->epochs, p->loss, p->accuracy,
          p->valid_loss, p->valid_accuracy, p->sequences_per_second, seconds,
          p->stopping ? "  stopping early" : "");
}

int progress_show(void *user, const refrain_progress *p) {
  progress_state *state = user;
  if (p->event == REFRAIN_EPOCH_END) {
    end_epoch(state, p);
  } else if (state->is_terminal && p->seconds - state->shown >= REDRAW_SECONDS) {
    state->shown = p->seconds;
    draw_bar(state, p);
  }
  return 0;
}
