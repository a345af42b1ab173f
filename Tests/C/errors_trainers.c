/*
 * errors_trainers.c — wrong arguments of refrain_trainer_*, calls in the wrong order, and numbers
 * that stop being finite
 */
#define _GNU_SOURCE
#include "errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void options_of_trainers(void) {
  begin();
  static const struct {
    const char *options, *fragment;
  } wrong[] = {
      {"loss=crossentropi", "'crossentropy'"},
      {"loss=Adam(0.1)", "loss"},
      {"los=mse", "'loss'"},
      {"optimizer=adam(0.1)", "'Adam'"},
      {"optimizer=Adam(-0.1)", "learning_rate"},
      {"optimizer=Adam(0.1, beta1=1)", "beta1"},
      {"optimizer=Adam(0.1, beta=0.9)", "beta"},
      {"optimizer=mse", "optimizer"},
      {"optimizer=SGD(0.1, momentum=-1)", "momentum"},
      {"optimizer=none", "optimizer"},
      {"schedule=Cosine()", "column"},
      {"schedule=Step(0)", "column"},
      {"clip_norm=0", "clip_norm"},
      {"clip_norm=-1", "clip_norm"},
      {"clip_value=nan", "clip_value"},
      {"l2=-1", "l2"},
      {"threads=0", "threads"},
      {"threads=257", "threads"},
      {"seed=-1", "seed"},
      {"seed=1.5", "seed"},
      {"loss=mse, loss=mae", "loss"},
      {"epochs=3", "epochs"},
      {"loss=crossentropy(label_smoothing=1)", "label_smoothing"},
      {"loss=crossentropy(class_weights=[1, -1])", "class_weights"},
      {"loss=huber(0)", "column"},
      {"loss=[mse, nome]", "nome"},
      {"loss=mse, loss_weights=2", "loss_weights: expected a list"},
      {"loss=mse, loss_weights=[-1]", "loss_weights"},
      {"loss=mse, loss_weights=[none]", "loss_weights"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED_CASE(
        wrong[i].options, REFRAIN_NOTATION, wrong[i].fragment,
        refrain_trainer_create(world.model, wrong[i].options, (refrain_trainer **)&scratch.handle));
  }
  static const char *const misfits[] = {"loss=[mse, mse]", "loss=binary_crossentropy", "loss=[none]",
                                        "loss=[mse, none]", "loss=mse, loss_weights=[1, 1]",
                                        "loss=crossentropy(class_weights=[1, 1, 1])"};
  for (int64_t i = 0; i < COUNT_OF(misfits); i++) {
    REFUSED_CASE(
        misfits[i],
        EITHER(REFRAIN_ARGUMENT, REFRAIN_SHAPE) | EITHER(REFRAIN_NOTATION, REFRAIN_UNSUPPORTED), "",
        refrain_trainer_create(world.model, misfits[i], (refrain_trainer **)&scratch.handle));
  }
}

static void options_of_fits(void) {
  begin();
  static const struct {
    const char *options, *fragment;
  } wrong[] = {
      {"epochs=0", "epochs"},           {"epochs=-1", "epochs"},        {"epoch=1", "'epochs'"},
      {"batch_size=0", "batch_size"},   {"accumulate=0", "accumulate"}, {"patience=-1", "patience"},
      {"min_delta=-1", "min_delta"},    {"monitor=los", "monitor"},     {"shuffle=1", "shuffle"},
      {"epochs=99999999999", "epochs"}, {"restore_best", "column"},     {"lanes=2", "lanes"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED_CASE(
        wrong[i].options, REFRAIN_NOTATION, wrong[i].fragment,
        refrain_trainer_fit(world.trainer, &world.data, NULL, wrong[i].options, NULL, NULL));
  }
  int64_t updates = -1;
  CHECK_OK(refrain_trainer_updates(world.trainer, &updates));
  CHECK_EQUAL(updates, 0);
}

static void calls_in_the_wrong_order(void) {
  begin();
  refrain_trainer *bare = make_trainer(world.model, "optimizer=SGD(0.1)"), *full = world.trainer;
  float gradient[BATCH * CLASSES] = {1, -1, 1, -1};
  refrain_tensor dy = FLOATS(gradient, BATCH, CLASSES);
  REFUSED(REFRAIN_ORDER, "loss", refrain_trainer_fit(bare, &world.data, NULL, NULL, NULL, NULL));
  REFUSED(REFRAIN_ORDER, "interrupted",
          refrain_trainer_fit(full, &world.data, NULL, "resume=true", NULL, NULL));
  REFUSED(REFRAIN_ORDER, "forward", refrain_trainer_backward(bare, &dy, 1, NULL, 0));
  REFUSED(REFRAIN_ORDER, "forward",
          refrain_trainer_backward_loss(full, &world.target, 1, NULL, &scratch.number, NULL, 0));
  REFUSED(REFRAIN_ORDER, "backward", refrain_trainer_update(full, &scratch.number));
  REQUIRE_OK(refrain_trainer_forward(bare, &world.input, 1, NULL, 0));
  REFUSED(REFRAIN_ORDER, "loss",
          refrain_trainer_backward_loss(bare, &world.target, 1, NULL, &scratch.number, NULL, 0));
  REFUSED(REFRAIN_ORDER, "backward", refrain_trainer_update(bare, &scratch.number));
  CHECK_OK(refrain_trainer_backward(bare, &dy, 1, NULL, 0));
  REFUSED(REFRAIN_ORDER, "forward", refrain_trainer_backward(bare, &dy, 1, NULL, 0));
  CHECK_OK(refrain_trainer_update(bare, NULL));
  REFUSED(REFRAIN_ORDER, "backward", refrain_trainer_update(bare, &scratch.number));
  REFUSED(REFRAIN_ORDER, "forward", refrain_trainer_backward(bare, &dy, 1, NULL, 0));
  REQUIRE_OK(refrain_trainer_forward(bare, &world.input, 1, NULL, 0));
  REQUIRE_OK(refrain_trainer_backward(bare, &dy, 1, NULL, 0));
  REQUIRE_OK(refrain_trainer_zero_gradients(bare));
  REFUSED(REFRAIN_ORDER, "backward", refrain_trainer_update(bare, &scratch.number));
}

static void gradients_of_wrong_shape(void) {
  begin();
  float gradient[BATCH * TIMESTEPS * FEATURES] = {0};
  struct {
    refrain_tensor dy, dx;
    int64_t output_count, input_count;
    int status;
    const char *fragment;
  } wrong[] = {
      {FLOATS(gradient, BATCH, CLASSES + 1), world.input, 1, 0, REFRAIN_SHAPE, "output_gradients"},
      {FLOATS(gradient, BATCH - 1, CLASSES), world.input, 1, 0, REFRAIN_SHAPE, "output_gradients"},
      {FLOATS(gradient, BATCH, 1, CLASSES), world.input, 1, 0, REFRAIN_SHAPE, "output_gradients"},
      {IDS(gradient, BATCH, CLASSES), world.input, 1, 0, REFRAIN_SHAPE, "output_gradients"},
      {FLOATS(NULL, BATCH, CLASSES), world.input, 1, 0, REFRAIN_NULL_POINTER, "output_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), world.input, 0, 0, EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT),
       "output_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), world.input, -1, 0,
       EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT), "output_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), FLOATS(scratch.y, BATCH, TIMESTEPS, FEATURES + 1), 1, 1,
       REFRAIN_SHAPE, "input_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), FLOATS(scratch.y, BATCH, TIMESTEPS - 1, FEATURES), 1, 1,
       REFRAIN_SHAPE, "input_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), IDS(scratch.y, BATCH, TIMESTEPS), 1, 1, REFRAIN_SHAPE,
       "input_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), FLOATS(scratch.y, BATCH, TIMESTEPS, FEATURES), 1, -1,
       EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT), "input_gradients"},
      {FLOATS(gradient, BATCH, CLASSES), FLOATS(scratch.y, BATCH, TIMESTEPS, FEATURES), 1,
       INT64_MAX, EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT), "input_gradients"},
      {FLOATS(gradient, INT64_MAX, CLASSES), world.input, 1, 0,
       EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT), "output_gradients"},
  };
  REQUIRE_OK(refrain_trainer_forward(world.trainer, &world.input, 1, NULL, 0));
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(wrong[i].status, wrong[i].fragment,
            refrain_trainer_backward(world.trainer, &wrong[i].dy, wrong[i].output_count,
                                     &wrong[i].dx, wrong[i].input_count));
  }
  refrain_tensor dy = FLOATS(gradient, BATCH, CLASSES), dx = IDS(scratch.id, BATCH, TIMESTEPS);
  CHECK_OK(refrain_trainer_backward(world.trainer, &dy, 1, NULL, 0)); /* the pass was not used up */

  refrain_trainer *ids = make_trainer(world.ids_model, "");
  refrain_tensor x = IDS(world.ids, BATCH, TIMESTEPS);
  REQUIRE_OK(refrain_trainer_forward(ids, &x, 1, NULL, 0));
  REFUSED(EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT), "input_gradients",
          refrain_trainer_backward(ids, &dy, 1, &dx, 1));
  dx.data = NULL;
  CHECK_OK(refrain_trainer_backward(ids, &dy, 1, &dx, 1));
}

static void targets_of_wrong_shape(void) {
  begin();
  static int32_t classes[][BATCH] = {{0, CLASSES}, {-1, 0}, {0, INT32_MAX}, {INT32_MIN, 0}};
  refrain_trainer *trainer = world.trainer;
  REQUIRE_OK(refrain_trainer_forward(trainer, &world.input, 1, NULL, 0));
  for (int64_t i = 0; i < COUNT_OF(classes); i++) {
    refrain_tensor target = IDS(classes[i], BATCH);
    REFUSED(REFRAIN_ARGUMENT, "targets",
            refrain_trainer_backward_loss(trainer, &target, 1, NULL, &scratch.number, NULL, 0));
  }
  refrain_tensor wrong[] = {IDS(world.classes, BATCH - 1), FLOATS(world.x, BATCH),
                            FLOATS(world.x, BATCH, CLASSES + 1),
                            FLOATS(world.x, BATCH, TIMESTEPS, CLASSES)};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(REFRAIN_SHAPE, "targets",
            refrain_trainer_backward_loss(trainer, &wrong[i], 1, NULL, &scratch.number, NULL, 0));
  }
  float probabilities[BATCH * CLASSES] = {1, NAN, 0, 1};
  refrain_tensor soft = FLOATS(probabilities, BATCH, CLASSES);
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOT_FINITE), "targets",
          refrain_trainer_backward_loss(trainer, &soft, 1, NULL, &scratch.number, NULL, 0));
  float weights[BATCH] = {1, NAN};
  refrain_tensor weight = FLOATS(weights, BATCH);
  REFUSED(
      REFRAIN_ARGUMENT, "sample_weights",
      refrain_trainer_backward_loss(trainer, &world.target, 1, &weight, &scratch.number, NULL, 0));
  weights[1] = -1;
  REFUSED(
      REFRAIN_ARGUMENT, "sample_weights",
      refrain_trainer_backward_loss(trainer, &world.target, 1, &weight, &scratch.number, NULL, 0));
  CHECK_OK(refrain_trainer_backward_loss(trainer, &world.target, 1, NULL, NULL, NULL, 0));
}

static void learning_rates_and_names(void) {
  begin();
  static const double wrong[] = {-1, NAN, INFINITY, -INFINITY};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(REFRAIN_ARGUMENT, "learning_rate",
            refrain_trainer_set_learning_rate(world.trainer, wrong[i]));
  }
  REFUSED(REFRAIN_ARGUMENT, "metric", refrain_trainer_report(world.trainer, NAN));
  REFUSED(
      REFRAIN_NAME, "dense.weights",
      refrain_trainer_gradient_data(world.trainer, "dense.weights", &scratch.data, &scratch.size));
  double rate = 0;
  CHECK_OK(refrain_trainer_learning_rate(world.trainer, &rate));
  CHECK(rate == 0.1);
}

/* Nothing may be learned from numbers that are not finite. */
static void inputs_that_are_not_a_number(void) {
  begin();
  float x[BATCH * TIMESTEPS * FEATURES];
  memcpy(x, world.x, sizeof x);
  x[1] = NAN;
  refrain_tensor input = FLOATS(x, BATCH, TIMESTEPS, FEATURES);
  refrain_dataset data = make_dataset(&input, &world.target);
  int64_t count = 0;
  float *before = copy_parameters(world.model, &count);
  REFUSED(REFRAIN_NOT_FINITE, "layer",
          refrain_trainer_fit(world.trainer, &data, NULL, "epochs=2", NULL, NULL));
  REQUIRE_OK(refrain_trainer_forward(world.trainer, &input, 1, NULL, 0));
  REFUSED(REFRAIN_NOT_FINITE, "layer",
          refrain_trainer_backward_loss(world.trainer, &world.target, 1, NULL, &scratch.number,
                                        NULL, 0));
  REFUSED(EITHER(REFRAIN_ORDER, REFRAIN_NOT_FINITE), "",
          refrain_trainer_update(world.trainer, &scratch.number));
  float *after = copy_parameters(world.model, &count);
  CHECK_SAME(after, before, count);
  free(before);
  free(after);
}

/* A call that fails did nothing: gradients of earlier passes are still there, and good. */
static void a_backward_pass_that_fails_spoils_no_gradient(void) {
  begin();
  float x[BATCH * TIMESTEPS * FEATURES], before[CLASSES], *gradient = NULL;
  memcpy(x, world.x, sizeof x);
  x[1] = NAN;
  refrain_tensor wrong = FLOATS(x, BATCH, TIMESTEPS, FEATURES);
  REQUIRE_OK(refrain_trainer_forward(world.trainer, &world.input, 1, NULL, 0));
  REQUIRE_OK(refrain_trainer_backward_loss(world.trainer, &world.target, 1, NULL, NULL, NULL, 0));
  REQUIRE_OK(refrain_trainer_gradient_data(world.trainer, "dense.bias", &gradient, NULL));
  memcpy(before, gradient, sizeof before);
  REQUIRE_OK(refrain_trainer_forward(world.trainer, &wrong, 1, NULL, 0));
  REFUSED(REFRAIN_NOT_FINITE, "",
          refrain_trainer_backward_loss(world.trainer, &world.target, 1, NULL, &scratch.number,
                                        NULL, 0));
  CHECK_SAME(gradient, before, CLASSES);
}

static void validation_that_is_not_a_number(void) {
  begin();
  float x[BATCH * TIMESTEPS * FEATURES];
  memcpy(x, world.x, sizeof x);
  x[1] = NAN;
  refrain_tensor input = FLOATS(x, BATCH, TIMESTEPS, FEATURES);
  refrain_dataset data = make_dataset(&input, &world.target);
  REFUSED(REFRAIN_NOT_FINITE, "valid",
          refrain_trainer_fit(world.trainer, &world.data, &data, NULL, NULL, NULL));
}

static void steps_that_explode(void) {
  begin();
  refrain_model *model = make_model("Input(3) -> LSTM(4) -> Dense(1)", 1);
  refrain_trainer *trainer = make_trainer(model, "loss=mse, optimizer=SGD(1e30)");
  float y[BATCH] = {1, -1};
  refrain_tensor target = FLOATS(y, BATCH, 1);
  refrain_dataset data = make_dataset(&world.input, &target);
  REFUSED(REFRAIN_NOT_FINITE, "update",
          refrain_trainer_fit(trainer, &data, NULL, "epochs=50", NULL, NULL));
  CHECK(strstr(refrain_last_error(), "lstm") || strstr(refrain_last_error(), "dense"));
  int64_t count = 0;
  float *after = copy_parameters(model, &count);
  for (int64_t i = 0; i < count; i++) {
    if (!isfinite(after[i])) {
      CHECK(isfinite(after[i]));
      break;
    }
  }
  free(after);
}

static void an_update_that_is_not_finite_changes_nothing(void) {
  begin();
  int64_t count = 0, size = 0;
  float *before = copy_parameters(world.model, &count), *gradient = NULL;
  REQUIRE_OK(refrain_trainer_gradient_data(world.trainer, "dense.bias", &gradient, &size));
  gradient[0] = NAN;
  REFUSED(REFRAIN_NOT_FINITE, "dense.bias", refrain_trainer_update(world.trainer, &scratch.number));
  gradient[0] = INFINITY;
  REFUSED(REFRAIN_NOT_FINITE, "dense.bias", refrain_trainer_update(world.trainer, &scratch.number));
  float *after = copy_parameters(world.model, &count);
  CHECK_SAME(after, before, count);
  int64_t updates = -1;
  CHECK_OK(refrain_trainer_updates(world.trainer, &updates));
  CHECK_EQUAL(updates, 0);
  free(before);
  free(after);
}

/* ---- data from a callback -----------------------------------------------------------------------
 */

struct supplier {
  int cancel_at, end_at, second_epoch_end; /* batches; −1: never */
  int break_it;
  refrain_tensor input, target;
};

static int supply(void *user, int64_t epoch, int64_t batch, refrain_dataset *data) {
  struct supplier *supplier = user;
  if (batch == supplier->cancel_at) return 1;
  if (batch == (epoch > 0 ? supplier->second_epoch_end : supplier->end_at)) return 0;
  data->inputs = &supplier->input;
  data->input_count = 1;
  data->targets = supplier->break_it == 1 ? NULL : &supplier->target;
  data->target_count = 1;
  return 0;
}

static refrain_status fit_from(struct supplier *supplier, const char *options) {
  refrain_dataset data;
  memset(&data, 0, sizeof data);
  data.struct_size = sizeof data;
  data.next_batch = supply;
  data.user = supplier;
  return refrain_trainer_fit(world.trainer, &data, NULL, options, NULL, NULL);
}

static void callbacks_that_supply_nonsense(void) {
  begin();
  struct supplier good = {-1, 3, 3, 0, world.input, world.target}, wrong = good;
  CHECK_OK(fit_from(&good, "epochs=2"));
  wrong.end_at = 0;
  REFUSED(REFRAIN_ARGUMENT, "batch", fit_from(&wrong, "epochs=2"));
  wrong = good;
  wrong.cancel_at = 1;
  REFUSED(REFRAIN_CANCELLED, "", fit_from(&wrong, "epochs=2"));
  wrong = good;
  wrong.break_it = 1;
  REFUSED(REFRAIN_NULL_POINTER, "targets", fit_from(&wrong, "epochs=2"));
  wrong = good;
  wrong.input.shape[2] = 5;
  REFUSED(REFRAIN_SHAPE, "inputs", fit_from(&wrong, "epochs=2"));
  /* Epochs of different lengths break a promise to the library; it must only stay whole. */
  for (int end = 1; end < 6; end++) {
    wrong = good;
    wrong.second_epoch_end = end;
    refrain_status status = fit_from(&wrong, "epochs=3, accumulate=2");
    CHECK(status == REFRAIN_OK || status == REFRAIN_ARGUMENT);
    CHECK_OK(fit_from(&good, "epochs=1"));
  }
}

/* ---- checkpoints --------------------------------------------------------------------------------
 */

static void checkpoints_that_do_not_fit(void) {
  begin();
  char path[512], model_path[512];
  strcpy(path, temporary_path("checkpoint"));
  strcpy(model_path, temporary_path("model"));
  REQUIRE_OK(refrain_trainer_fit(world.trainer, &world.data, NULL, "batch_size=1", NULL, NULL));
  REQUIRE_OK(refrain_trainer_save(world.trainer, path));
  REQUIRE_OK(refrain_model_save(world.model, model_path));
  REFUSED(REFRAIN_FORMAT, "", refrain_trainer_load(world.trainer, model_path));
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load(path, (refrain_model **)&scratch.handle));
  REFUSED(REFRAIN_FILE, "missing", refrain_trainer_load(world.trainer, temporary_path("missing")));
  REFUSED(REFRAIN_FILE, "", refrain_trainer_load(world.trainer, temporary_path("")));
  REFUSED(REFRAIN_FILE, "", refrain_trainer_load(world.trainer, ""));
  REFUSED(REFRAIN_FILE, "no folder",
          refrain_trainer_save(world.trainer, temporary_path("no folder/x")));
  REFUSED(REFRAIN_FILE, "", refrain_trainer_save(world.trainer, temporary_path("")));
  static const char *const models[] = {"Input(3) -> LSTM(5) -> Dense(2, activation=softmax)",
                                       "Input(3) -> GRU(4) -> Dense(2, activation=softmax)"};
  for (int64_t i = 0; i < COUNT_OF(models); i++) {
    refrain_model *model = make_model(models[i], 1), *twin = make_model(models[i], 1);
    refrain_trainer *trainer = make_trainer(model, "loss=crossentropy, optimizer=SGD(0.1)");
    REFUSED(REFRAIN_FORMAT, "", refrain_trainer_load(trainer, path));
    CHECK(same_parameters(model, twin));
  }
  static const char *const options[] = {
      "loss=crossentropy, optimizer=Adam(0.1)", "loss=crossentropy, optimizer=SGD(0.2)",
      "loss=crossentropy, optimizer=SGD(0.1), seed=3", "loss=mse, optimizer=SGD(0.1)"};
  for (int64_t i = 0; i < COUNT_OF(options); i++) {
    REFUSED_CASE(options[i], REFRAIN_FORMAT, "",
                 refrain_trainer_load(make_trainer(world.model, options[i]), path));
  }
  CHECK_OK(refrain_trainer_load(world.trainer, path));
}

void errors_in_trainers(void) {
  RUN(options_of_trainers);
  RUN(options_of_fits);
  RUN(calls_in_the_wrong_order);
  RUN(gradients_of_wrong_shape);
  RUN(targets_of_wrong_shape);
  RUN(learning_rates_and_names);
  RUN(inputs_that_are_not_a_number);
  RUN(a_backward_pass_that_fails_spoils_no_gradient);
  RUN(validation_that_is_not_a_number);
  RUN(steps_that_explode);
  RUN(an_update_that_is_not_finite_changes_nothing);
  RUN(callbacks_that_supply_nonsense);
  RUN(checkpoints_that_do_not_fit);
}
