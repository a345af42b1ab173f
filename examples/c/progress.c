/* progress.c: see progress.h */
#include "progress.h"

#include <stdio.h>

enum { BAR_WIDTH = 24 };

static void draw_bar(const progress_state *state, const refrain_progress *p) {
  double done = state->sequences ? (double)p->sequences / (double)state->sequences : 1;
  int filled = (int)(done * BAR_WIDTH);
  double rate = p->sequences_per_second;
  double whole = (double)(p->epochs - p->epoch) - done;
  double left = rate > 0 ? whole * (double)state->sequences / rate : 0;
  fprintf(stderr, "\r%-5s epoch %lld/%lld [", state->name, (long long)p->epoch + 1,
          (long long)p->epochs);
  for (int i = 0; i < BAR_WIDTH; i++) fputs(i < filled ? "█" : "·", stderr);
  fprintf(stderr, "] loss %.4f  accuracy %.3f  %6.0f seq/s  %3.0f s left ", p->loss, p->accuracy,
          rate, left);
  fflush(stderr);
}

int show_progress(void *user, const refrain_progress *p) {
  progress_state *state = user;
  if (p->event == REFRAIN_BATCH_END) {
    if (state->is_terminal && p->seconds - state->shown > 0.1) {
      state->shown = p->seconds;
      draw_bar(state, p);
    }
    return 0;
  }
  double seconds = p->seconds - state->epoch_start;
  state->epoch_start = p->seconds;
  if (state->epochs < MAXIMUM_EPOCHS)
    state->history[state->epochs++] = (struct epoch_record){
        p->loss, p->accuracy, p->valid_loss, p->valid_accuracy, seconds};
  if (state->is_terminal) fprintf(stderr, "\r%-100s\r", "");
  fprintf(stderr,
          "%-5s epoch %lld/%lld  loss %.4f  accuracy %.3f  valid loss %.4f  valid accuracy %.3f"
          "  %.0f seq/s  %.2f s%s\n",
          state->name, (long long)p->epoch + 1, (long long)p->epochs, p->loss, p->accuracy,
          p->valid_loss, p->valid_accuracy, p->sequences_per_second, seconds,
          p->stopping ? "  (stopping early)" : "");
  return 0;
}
