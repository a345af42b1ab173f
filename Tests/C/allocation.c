/*
 * allocation.c — a warm step asks for no memory
 *
 * The program's own malloc and friends stand before the C library's, so the library under test
 * calls these.
 */
#include "support.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long allocations;

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  allocations++;
  return __libc_realloc(old, size);
}
void *memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size) {
  *result = memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}

static void allocations_are_seen(void) {
  long before = allocations;
  void *volatile seen = malloc(1);
  free(seen);
  CHECK_EQUAL(allocations, before + 1);
  before = allocations;
  refrain_model_release(make_model("Input(3) -> GRU(4)", 7));
  CHECK_SAYING(allocations > before, "the library's allocations are not counted");
}

/* A model with everything that a call about it needs. */
enum { BATCH = 19, TIMESTEPS = 13, ARRAYS = 3, WARM = 3, COUNTED = 5, NO_LOSS = -1 };

struct problem {
  const char *notation, *losses;
  /* For each output, the target's classes; 0 for floats shaped as the output; the last ones may
     have no loss. */
  int32_t classes[ARRAYS];
};

static const struct problem problems[] = {
    {"Input(20) -> RNN(33)", "mse", {0}},
    {"Input(20) -> RNN(34, activation=relu, return_sequences=true) -> "
     "LSTM(33, activation=softsign, recurrent_activation=hard_sigmoid)",
     "mse", {0}},
    /* Weights of a megabyte and more, for larger shards. */
    {"Input(20) -> LSTM(260)", "mse", {0}},
    {"Input(20) -> LSTM(33) -> Dense(3)", "crossentropy(label_smoothing=0.1)", {3}},
    {"Input(20) -> LSTM(90, return_sequences=true)", "mae", {0}},
    {"Input(20) -> GRU(33) -> Dense(4)", "crossentropy(class_weights=[1, 2, 3, 4])", {4}},
    {"Input(20) -> GRU(33, reset_after=false)", "huber", {0}},
    {"Input(7) -> LSTM(9, peephole=true, coupled=true, cell_clip=2, return_sequences=true) -> "
     "LSTM(6, projection=4, layer_norm=true, zoneout=0.1, zoneout_cell=0.2) -> Dense(3)",
     "mse", {0}},
    {"Input(7) -> GRU(9, layer_norm=true, learn_initial_state=true, return_sequences=true) -> "
     "RNN(5, layer_norm=true, clip=1, return_sequences=true) -> "
     "GRU(6, reset_after=false, layer_norm=true, recurrent_dropout=0.2)",
     "mse", {0}},
    {"Input(7) -> MGU(9, return_sequences=true) -> MinGRU(5, return_sequences=true) -> "
     "MinLSTM(5, return_sequences=true) -> SLSTM(6, zoneout=0.1)",
     "mse", {0}},
    {"x = Input(7)\ns = Input(1)\n[x, s] -> AUGRU(9, recurrent_dropout=0.1)", "mse", {0}},
    {"Input(6) -> Bidirectional(LSTM(9, return_sequences=true)) -> "
     "GRU(7, go_backwards=true, return_sequences=true) -> Bidirectional(GRU(5)) -> "
     "Dense(1, activation=sigmoid)",
     "binary_crossentropy", {0}},
    {"Embedding(50, 8, mask_zero=true) -> LSTM(12, dropout=0.2, recurrent_dropout=0.2, "
     "return_sequences=true) -> GRU(9, dropout=0.1, recurrent_dropout=0.1) -> "
     "Dense(3, activation=softmax)",
     "crossentropy", {3}},
    {"Input(20) -> Dense(9, activation=relu) -> LayerNorm -> Dropout(0.3) -> "
     "GRU(17, return_sequences=true) -> Pooling(max) -> Dense(5, activation=tanh)",
     "mse(reduction=sum)", {0}},
    {"Input(4) -> LSTM(6, return_sequences=true) -> Dense(5, activation=softmax)",
     "crossentropy(ignore_class=-1)", {5}},
    {"a = Input(5)\nb = Input(ids)\nc = Input(2, time=false)\ne = b -> Embedding(9, 4, "
     "mask_zero=true)\ns = [a, e] -> Concat -> LSTM(7, return_sequences=true)\n"
     "y = s -> Dense(3, activation=softmax)\nh = s -> GRU(6)\nz = [h, c] -> Concat -> Dense(2)\n"
     "[y, z]",
     "[crossentropy, mse]", {3, 0}},
    {"a = Input(3)\nb = Input(4)\nx = a -> LSTM(5, return_sequences=true)\ny = b -> "
     "GRU(5, return_sequences=true)\nz = [x, y] -> Add\nu = z -> Pooling(mean)\n[z, u]",
     "[mse, huber(delta=0.5)]", {0, 0}},
    {"x = Input(6)\n[y, w] = x -> Attention(7, dropout=0.2, return_weights=true)\n"
     "z = y -> Dense(3, activation=softmax)\n[z, w]",
     "[crossentropy, none], loss_weights=[2, 1]", {3, NO_LOSS}},
    {"a = Input(6)\nb = Input(6)\nx = [a, b] -> Attention(score=scaled_dot)\n"
     "y = [x, b] -> MultiHeadAttention(3, dropout=0.1)\nz = [y, a] -> Multiply\n"
     "v = z -> Attention(score=dot)\nu = [v, a] -> RepeatVector -> MultiHeadAttention(2, causal=true)\n"
     "[z, u]",
     "[mse, huber(delta=0.5)], loss_weights=[1, 0.2]", {0, 0}}};

static const char *const optimizers[] = {
    "Adam(0.001)",  "SGD(0.01)", "SGD(0.01, momentum=0.9, nesterov=true)", "RMSprop(0.001)",
    "Adagrad(0.01)", "AdamW(0.001)"};

/* One array for each input or output of a model, with a batch. */
struct arrays {
  refrain_tensor tensors[ARRAYS];
  int64_t count;
};

static int64_t element_count(const refrain_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
  return count;
}

static void *zeros(int64_t size) {
  void *memory = calloc((size_t)size, 1);
  REQUIRE(memory != NULL);
  return memory;
}

static int is_timed(const refrain_tensor *tensor) {
  return tensor->rank > 1 && tensor->shape[1] == TIMESTEPS;
}

/* Sizes for a batch, or for a timestep of `batch` lanes if `timesteps` is 0, and numbers. */
static struct arrays make_arrays(const refrain_model *model,
                                 refrain_status (*describe)(const refrain_model *, int64_t,
                                                            refrain_tensor *),
                                 int64_t count, int64_t batch, int64_t timesteps) {
  struct arrays arrays = {.count = count};
  REQUIRE(count <= ARRAYS);
  for (int64_t i = 0; i < count; i++) {
    refrain_tensor *tensor = &arrays.tensors[i];
    tensor->struct_size = sizeof *tensor;
    REQUIRE_OK(describe(model, i, tensor));
    tensor->shape[0] = batch;
    if (tensor->rank > 1 && tensor->shape[1] < 0) {
      tensor->shape[1] = timesteps;
      if (timesteps == 0) {
        tensor->rank--;
        memmove(&tensor->shape[1], &tensor->shape[2],
                (size_t)(tensor->rank - 1) * sizeof tensor->shape[0]);
      }
    }
    for (int axis = 1; axis < tensor->rank; axis++) {
      if (tensor->shape[axis] < 0) tensor->shape[axis] = timesteps; /* attention's keys */
    }
    int64_t elements = element_count(tensor);
    tensor->data = zeros(elements * 4);
    if (tensor->type == REFRAIN_INT32) {
      fill_ids(tensor->data, elements, 9, (uint64_t)i);
    } else {
      fill_random(tensor->data, elements, (uint64_t)i);
    }
  }
  return arrays;
}

static void free_arrays(struct arrays *arrays) {
  for (int64_t i = 0; i < arrays->count; i++) free(arrays->tensors[i].data);
}

/* Targets for a model's outputs. */
static struct arrays make_targets(const struct problem *problem, const struct arrays *outputs) {
  struct arrays targets = *outputs;
  for (int64_t i = 0; i < targets.count; i++) {
    refrain_tensor *tensor = &targets.tensors[i];
    if (problem->classes[i] == NO_LOSS) {
      targets.count = i;
      break;
    }
    if (problem->classes[i] > 0) {
      tensor->type = REFRAIN_INT32;
      tensor->rank--;
    }
    int64_t elements = element_count(tensor);
    tensor->data = zeros(elements * 4);
    if (problem->classes[i] > 0) {
      fill_ids(tensor->data, elements, problem->classes[i], (uint64_t)i);
    } else {
      for (int64_t k = 0; k < elements; k++) ((float *)tensor->data)[k] = (float)(k % 2);
    }
  }
  return targets;
}

/* Lengths and masks for the arrays with timesteps. */
static void pad(struct arrays *inputs, int has_lengths, int has_mask) {
  enum { ROWS = 64 };
  static int64_t lengths[ROWS];
  static uint8_t mask[ROWS * TIMESTEPS];
  for (int i = 0; i < ROWS; i++) lengths[i] = 1 + (i * 7) % TIMESTEPS;
  for (int i = 0; i < ROWS * TIMESTEPS; i++) mask[i] = i % 5 != 2;
  for (int64_t i = 0; i < inputs->count; i++) {
    refrain_tensor *tensor = &inputs->tensors[i];
    REQUIRE(tensor->shape[0] <= ROWS);
    tensor->lengths = has_lengths && is_timed(tensor) ? lengths : NULL;
    tensor->mask = has_mask && is_timed(tensor) ? mask : NULL;
  }
}

/* Runs `call` a few times to warm up, then requires that it allocates nothing. */
#define ALLOCATES_NOTHING(what, variant, call)                                                     \
  do {                                                                                             \
    for (int warm = 0; warm < WARM; warm++) CHECK_OK(call);                                        \
    long before = allocations;                                                                     \
    int failures = 0;                                                                              \
    for (int i = 0; i < COUNTED; i++) failures += (call) != REFRAIN_OK;                            \
    long found = allocations - before;                                                             \
    CHECK_SAYING(found == 0, "%s, %s: %ld allocations in %d calls", (what), (variant), found,      \
                 (int)COUNTED);                                                                    \
    CHECK_EQUAL(failures, 0);                                                                      \
  } while (0)

static int64_t input_count(const refrain_model *model) {
  int64_t count = 0;
  REQUIRE_OK(refrain_model_counts(model, &count, NULL));
  return count;
}

static int64_t output_count(const refrain_model *model) {
  int64_t count = 0;
  REQUIRE_OK(refrain_model_counts(model, NULL, &count));
  return count;
}

static void a_warm_timestep_allocates_nothing(void) {
  static const char *const models[] = {
      "Input(20) -> RNN(33)",
      "Input(20) -> LSTM(33)",
      "Input(20) -> GRU(33)",
      "Input(20) -> GRU(33, reset_after=false)",
      "Input(20) -> LSTM(17, peephole=true, projection=9, layer_norm=true, return_sequences=true) -> "
      "GRU(33, layer_norm=true, zoneout=0.1)",
      "Input(20) -> MGU(9, return_sequences=true) -> MinGRU(5, return_sequences=true) -> "
      "MinLSTM(5, return_sequences=true) -> SLSTM(33, learn_initial_state=true)",
      "Input(20) -> LSTM(17, return_sequences=true) -> GRU(16, return_sequences=true) -> "
      "Pooling(max) -> Dense(33, activation=softmax)",
      "Input(20) -> Dense(9, activation=relu) -> LayerNorm -> LSTM(33)",
      "Input(20) -> Attention(9) -> Dense(33)",
      "Input(20) -> GRU(17, return_sequences=true) -> Attention(score=scaled_dot)",
      "Embedding(50, 8) -> LSTM(33)"};
  static float x[60], y[99];
  static int32_t ids[3] = {1, 2, 49};
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 7);
    refrain_session *session = make_session(model, "lanes=3");
    if (strncmp(models[m], "Embedding", 9) == 0) {
      ALLOCATES_NOTHING(models[m], "step", refrain_session_step_ids(session, ids, y));
    } else {
      ALLOCATES_NOTHING(models[m], "step", refrain_session_step(session, x, y));
    }
    long before = allocations;
    CHECK_OK(refrain_session_reset(session, 1));
    CHECK_OK(refrain_session_reset(session, REFRAIN_ALL_LANES));
    CHECK_EQUAL(allocations, before);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

static void a_warm_timestep_with_tensors_allocates_nothing(void) {
  for (int64_t p = 0; p < COUNT_OF(problems); p++) {
    const char *notation = problems[p].notation;
    if (strstr(notation, "Bidirectional") || strstr(notation, "return_weights") ||
        strstr(notation, "RepeatVector")) {
      continue;
    }
    refrain_model *model = make_model(notation, 7);
    refrain_session *session = make_session(model, "lanes=3");
    struct arrays in = make_arrays(model, refrain_model_input, input_count(model), 3, 0);
    struct arrays out = make_arrays(model, refrain_model_output, output_count(model), 3, 0);
    ALLOCATES_NOTHING(
        notation, "step with tensors",
        refrain_session_step_tensors(session, in.tensors, in.count, out.tensors, out.count));
    free_arrays(&in);
    free_arrays(&out);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* Forward, backward from a loss or from gradients, and update. */
struct step {
  refrain_trainer *trainer;
  struct arrays in, out, targets, gradients;
  const refrain_tensor *sample_weights;
};

static refrain_status step_from_loss(struct step *step) {
  double loss, norm;
  refrain_status status = refrain_trainer_forward(step->trainer, step->in.tensors, step->in.count,
                                                  step->out.tensors, step->out.count);
  if (status == REFRAIN_OK) {
    status = refrain_trainer_backward_loss(
        step->trainer, step->targets.tensors, step->targets.count, step->sample_weights, &loss,
        step->gradients.tensors, step->gradients.count);
  }
  return status == REFRAIN_OK ? refrain_trainer_update(step->trainer, &norm) : status;
}

static refrain_status step_from_gradients(struct step *step) {
  refrain_status status =
      refrain_trainer_forward(step->trainer, step->in.tensors, step->in.count, NULL, 0);
  if (status == REFRAIN_OK) {
    status = refrain_trainer_backward(step->trainer, step->out.tensors, step->out.count,
                                      step->gradients.tensors, step->gradients.count);
  }
  return status == REFRAIN_OK ? refrain_trainer_update(step->trainer, NULL) : status;
}

static void check_batches(const struct problem *problem, const char *optimizer, int threads,
                          int has_lengths, int has_mask) {
  static float ones[BATCH] = {1, 1, 2, 0.5f, 1, 1, 1, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  char options[300], variant[80];
  snprintf(variant, sizeof variant, "threads=%d%s%s", threads, has_lengths ? ", lengths" : "",
           has_mask ? ", mask" : "");
  refrain_model *model = make_model(problem->notation, 7);
  struct step step = {0};
  step.in = make_arrays(model, refrain_model_input, input_count(model), BATCH, TIMESTEPS);
  step.out = make_arrays(model, refrain_model_output, output_count(model), BATCH, TIMESTEPS);
  step.gradients = make_arrays(model, refrain_model_input, step.in.count, BATCH, TIMESTEPS);
  for (int64_t i = 0; i < step.gradients.count; i++) {
    if (step.gradients.tensors[i].type == REFRAIN_INT32) {
      free(step.gradients.tensors[i].data);
      step.gradients.tensors[i].data = NULL;
    }
  }
  step.targets = make_targets(problem, &step.out);
  pad(&step.in, has_lengths, has_mask);
  refrain_tensor weights = FLOATS(ones, BATCH);

  snprintf(options, sizeof options, "threads=%d", threads);
  refrain_session *session = make_session(model, options);
  ALLOCATES_NOTHING(problem->notation, variant,
                    refrain_session_run(session, step.in.tensors, step.in.count, step.out.tensors,
                                        step.out.count));
  refrain_session_release(session);

  snprintf(options, sizeof options,
           "loss=%s, optimizer=%s, clip_norm=5, clip_parameter_norm=2, l2=0.0001, "
           "schedule=Cosine(steps=90, per=update), threads=%d",
           problem->losses, optimizer, threads);
  step.trainer = make_trainer(model, options);
  ALLOCATES_NOTHING(problem->notation, variant, step_from_loss(&step));
  ALLOCATES_NOTHING(problem->notation, variant, step_from_gradients(&step));
  step.sample_weights = &weights;
  step.gradients.count = 0;
  ALLOCATES_NOTHING(problem->notation, variant, step_from_loss(&step));
  refrain_trainer_release(step.trainer);

  step.gradients.count = step.in.count;
  free_arrays(&step.in);
  free_arrays(&step.out);
  free_arrays(&step.targets);
  free_arrays(&step.gradients);
  refrain_model_release(model);
}

static void a_warm_batch_allocates_nothing(void) {
  for (int64_t p = 0; p < COUNT_OF(problems); p++) {
    for (int variant = 0; variant < 8; variant++) {
      const char *optimizer = optimizers[(p + variant) % COUNT_OF(optimizers)];
      check_batches(&problems[p], optimizer, 1 + variant / 4, variant & 1, variant >> 1 & 1);
    }
  }
}

/* What a fit's batches allocate, from the end of one to the end of the next of its second epoch. */
struct fit_count {
  long at_batch_end, in_batches;
  int64_t batches;
};

static int count_batch(void *user, const refrain_progress *progress) {
  struct fit_count *count = user;
  if (progress->event == REFRAIN_BATCH_END && progress->epoch == 1) {
    if (progress->batch > 0) count->in_batches += allocations - count->at_batch_end;
    count->batches++;
  }
  count->at_batch_end = allocations;
  return 0;
}

static void a_warm_batch_of_a_fit_allocates_nothing(void) {
  enum { ROWS = 60 };
  static const char *const fits[] = {"epochs=2, batch_size=8",
                                     "epochs=2, batch_size=8, accumulate=3, threads=2"};
  for (int64_t p = 0; p < COUNT_OF(problems); p++) {
    for (int variant = 0; variant < 8; variant++) {
      refrain_model *model = make_model(problems[p].notation, 7);
      char options[200];
      snprintf(options, sizeof options, "loss=%s", problems[p].losses);
      refrain_trainer *trainer = make_trainer(model, options);
      struct arrays in =
          make_arrays(model, refrain_model_input, input_count(model), ROWS, TIMESTEPS);
      struct arrays out =
          make_arrays(model, refrain_model_output, output_count(model), ROWS, TIMESTEPS);
      struct arrays targets = make_targets(&problems[p], &out);
      pad(&in, variant & 1, variant >> 1 & 1);
      refrain_dataset data = make_dataset(in.tensors, targets.tensors);
      data.input_count = in.count;
      data.target_count = targets.count;
      struct fit_count count = {0};
      CHECK_OK(refrain_trainer_fit(trainer, &data, NULL, fits[variant / 4], count_batch, &count));
      CHECK_EQUAL(count.batches, (ROWS + 7) / 8);
      CHECK_SAYING(count.in_batches == 0, "%s, variant %d: %ld allocations in %d batches of a fit",
                   problems[p].notation, variant, count.in_batches, (int)count.batches - 1);
      free_arrays(&in);
      free_arrays(&out);
      free_arrays(&targets);
      refrain_trainer_release(trainer);
      refrain_model_release(model);
    }
  }
}

int main(int argc, char **argv) {
  check_start(argc, argv, 60);
  RUN(allocations_are_seen);
  RUN(a_warm_timestep_allocates_nothing);
  RUN(a_warm_timestep_with_tensors_allocates_nothing);
  RUN(a_warm_batch_allocates_nothing);
  RUN(a_warm_batch_of_a_fit_allocates_nothing);
  return check_finish();
}
