/*
 * errors_handles.c — every function with every kind of wrong handle, and every pointer that must
 * not be NULL
 */
#include "errors.h"

#include <string.h>

enum kind { MODEL, SESSION, TRAINER, TOKENIZER, SCALER, METRICS, KINDS };

/* A call with `handle` in the place in question and valid arguments everywhere else. */
typedef refrain_status handle_call(void *handle);

#define WITH(label, call) \
  static refrain_status label(void *handle) { return call; }

static int64_t *out_size(void) { return &scratch.size; }
static refrain_tensor described(void) { return FLOATS(NULL, 0); }

WITH(model_save, refrain_model_save(handle, temporary_path("never")))
WITH(model_save_memory, refrain_model_save_memory(handle, scratch.text, 256, out_size()))
WITH(model_retain, refrain_model_retain(handle))
WITH(model_notation, refrain_model_notation(handle, scratch.text, 256, out_size()))
WITH(model_summary, refrain_model_summary(handle, scratch.text, 256, out_size()))
WITH(model_counts, refrain_model_counts(handle, out_size(), &scratch.other_size))
WITH(model_input, refrain_model_input(handle, 0, (refrain_tensor[]){described()}))
WITH(model_output, refrain_model_output(handle, 0, (refrain_tensor[]){described()}))
WITH(model_output_for, refrain_model_output_for(handle, 0, &world.input, 1,
                                                (refrain_tensor[]){described()}))
WITH(model_parameter_counts,
     refrain_model_parameter_counts(handle, out_size(), &scratch.other_size))
WITH(model_parameter, refrain_model_parameter(handle, 0, scratch.text, 256, out_size(), NULL))
WITH(model_get_parameter, refrain_model_get_parameter(handle, "dense.bias", scratch.y, 2))
WITH(model_set_parameter, refrain_model_set_parameter(handle, "dense.bias", world.x, 2))
WITH(model_parameter_data,
     refrain_model_parameter_data(handle, "dense.bias", &scratch.data, out_size()))
WITH(model_parameters_changed, refrain_model_parameters_changed(handle))
WITH(model_set_tokenizer, refrain_model_set_tokenizer(handle, world.tokenizer))
WITH(model_set_no_tokenizer, refrain_model_set_tokenizer(handle, NULL))
WITH(model_tokenizer, refrain_model_tokenizer(handle, (refrain_tokenizer **)&scratch.handle))
WITH(model_set_scaler, refrain_model_set_scaler(handle, "input", world.scaler))
WITH(model_scaler, refrain_model_scaler(handle, "input", (refrain_scaler **)&scratch.handle))
WITH(model_set_labels, refrain_model_set_labels(handle, NULL, 0))
WITH(model_label_count, refrain_model_label_count(handle, out_size()))
WITH(model_label, refrain_model_label(handle, 0, scratch.text, 256, out_size()))
WITH(session_create, refrain_session_create(handle, NULL, (refrain_session **)&scratch.handle))
WITH(trainer_create, refrain_trainer_create(handle, NULL, (refrain_trainer **)&scratch.handle))

WITH(session_run, refrain_session_run(handle, &world.input, 1,
                                      (refrain_tensor[]){FLOATS(scratch.y, BATCH, CLASSES)}, 1))
WITH(session_generate,
     refrain_session_generate(handle, (refrain_tensor[]){IDS(world.ids, BATCH, TIMESTEPS)}, 1,
                              "max_length=4", scratch.id, scratch.sizes, scratch.y))
WITH(session_step, refrain_session_step(handle, world.x, scratch.y))
WITH(session_step_ids, refrain_session_step_ids(handle, world.ids, scratch.y))
WITH(session_step_tensors,
     refrain_session_step_tensors(handle, (refrain_tensor[]){FLOATS(world.x, BATCH, FEATURES)}, 1,
                                  (refrain_tensor[]){FLOATS(scratch.y, BATCH, CLASSES)}, 1))
WITH(session_reset, refrain_session_reset(handle, REFRAIN_ALL_LANES))
WITH(session_clone, refrain_session_clone(handle, (refrain_session **)&scratch.handle))
WITH(session_save_state,
     refrain_session_save_state(handle, scratch.y, sizeof scratch.y, out_size()))
WITH(session_load_state, refrain_session_load_state(handle, world.x, sizeof world.x))
WITH(session_evaluate, refrain_session_evaluate(handle, &world.data, "loss=crossentropy",
                                                (refrain_metrics **)&scratch.handle))

WITH(trainer_fit, refrain_trainer_fit(handle, &world.data, NULL, NULL, NULL, NULL))
WITH(trainer_forward,
     refrain_trainer_forward(handle, &world.input, 1,
                             (refrain_tensor[]){FLOATS(scratch.y, BATCH, CLASSES)}, 1))
WITH(trainer_backward,
     refrain_trainer_backward(handle, (refrain_tensor[]){FLOATS(world.x, BATCH, CLASSES)}, 1, NULL,
                              0))
WITH(trainer_backward_loss,
     refrain_trainer_backward_loss(handle, &world.target, 1, NULL, &scratch.number, NULL, 0))
WITH(trainer_update, refrain_trainer_update(handle, &scratch.number))
WITH(trainer_zero_gradients, refrain_trainer_zero_gradients(handle))
WITH(trainer_gradient_data,
     refrain_trainer_gradient_data(handle, "dense.bias", &scratch.data, out_size()))
WITH(trainer_learning_rate, refrain_trainer_learning_rate(handle, &scratch.number))
WITH(trainer_set_learning_rate, refrain_trainer_set_learning_rate(handle, 0.1))
WITH(trainer_updates, refrain_trainer_updates(handle, out_size()))
WITH(trainer_report, refrain_trainer_report(handle, 1))
WITH(trainer_notation, refrain_trainer_notation(handle, scratch.text, 256, out_size()))
WITH(trainer_save, refrain_trainer_save(handle, temporary_path("never")))
WITH(trainer_load, refrain_trainer_load(handle, temporary_path("never")))

WITH(tokenizer_fit, refrain_tokenizer_fit(handle, (const char *[]){"a"}, 1))
WITH(tokenizer_encode, refrain_tokenizer_encode(handle, "a", scratch.id, 16, out_size()))
WITH(tokenizer_encode_batch,
     refrain_tokenizer_encode_batch(handle, (const char *[]){"a"}, 1, scratch.id, 4, scratch.sizes))
WITH(tokenizer_decode,
     refrain_tokenizer_decode(handle, world.ids, 2, scratch.text, 256, out_size()))
WITH(tokenizer_size, refrain_tokenizer_size(handle, out_size()))
WITH(tokenizer_maxlen, refrain_tokenizer_maxlen(handle, out_size()))
WITH(tokenizer_id, refrain_tokenizer_id(handle, "a", scratch.id))
WITH(tokenizer_word, refrain_tokenizer_word(handle, 1, scratch.text, 256, out_size()))
WITH(tokenizer_matrix,
     refrain_tokenizer_matrix(handle, (const char *[]){"a"}, 1, "binary", scratch.matrix, 64))
WITH(tokenizer_json, refrain_tokenizer_json(handle, scratch.text, 256, out_size()))
WITH(attached_tokenizer, refrain_model_set_tokenizer(world.model, handle))

WITH(scaler_fit, refrain_scaler_fit(handle, world.x, 2, FEATURES))
WITH(scaler_transform, refrain_scaler_transform(handle, world.x, 2, FEATURES, scratch.y))
WITH(scaler_inverse, refrain_scaler_inverse(handle, world.x, 2, FEATURES, scratch.y))
WITH(attached_scaler, refrain_model_set_scaler(world.model, "input", handle))

WITH(metrics_value, refrain_metrics_value(handle, "accuracy", -1, &scratch.number))
WITH(metrics_confusion, refrain_metrics_confusion(handle, scratch.matrix, 64, out_size()))

static const struct {
  const char *name;
  handle_call *call;
  enum kind kind;
  int null_is_allowed;
} handle_calls[] = {
#define ROW(kind, label) {#label, label, kind, 0}
    ROW(MODEL, model_save),
    ROW(MODEL, model_save_memory),
    ROW(MODEL, model_retain),
    ROW(MODEL, model_notation),
    ROW(MODEL, model_summary),
    ROW(MODEL, model_counts),
    ROW(MODEL, model_input),
    ROW(MODEL, model_output),
    ROW(MODEL, model_output_for),
    ROW(MODEL, model_parameter_counts),
    ROW(MODEL, model_parameter),
    ROW(MODEL, model_get_parameter),
    ROW(MODEL, model_set_parameter),
    ROW(MODEL, model_parameter_data),
    ROW(MODEL, model_parameters_changed),
    ROW(MODEL, model_set_tokenizer),
    ROW(MODEL, model_set_no_tokenizer),
    ROW(MODEL, model_tokenizer),
    ROW(MODEL, model_set_scaler),
    ROW(MODEL, model_scaler),
    ROW(MODEL, model_set_labels),
    ROW(MODEL, model_label_count),
    ROW(MODEL, model_label),
    ROW(MODEL, session_create),
    ROW(MODEL, trainer_create),
    ROW(SESSION, session_run),
    ROW(SESSION, session_step),
    ROW(SESSION, session_step_ids),
    ROW(SESSION, session_step_tensors),
    ROW(SESSION, session_reset),
    ROW(SESSION, session_clone),
    ROW(SESSION, session_save_state),
    ROW(SESSION, session_load_state),
    ROW(SESSION, session_generate),
    ROW(SESSION, session_evaluate),
    ROW(TRAINER, trainer_fit),
    ROW(TRAINER, trainer_forward),
    ROW(TRAINER, trainer_backward),
    ROW(TRAINER, trainer_backward_loss),
    ROW(TRAINER, trainer_update),
    ROW(TRAINER, trainer_zero_gradients),
    ROW(TRAINER, trainer_gradient_data),
    ROW(TRAINER, trainer_learning_rate),
    ROW(TRAINER, trainer_set_learning_rate),
    ROW(TRAINER, trainer_updates),
    ROW(TRAINER, trainer_report),
    ROW(TRAINER, trainer_notation),
    ROW(TRAINER, trainer_save),
    ROW(TRAINER, trainer_load),
    ROW(TOKENIZER, tokenizer_fit),
    ROW(TOKENIZER, tokenizer_encode),
    ROW(TOKENIZER, tokenizer_encode_batch),
    ROW(TOKENIZER, tokenizer_decode),
    ROW(TOKENIZER, tokenizer_size),
    ROW(TOKENIZER, tokenizer_maxlen),
    ROW(TOKENIZER, tokenizer_id),
    ROW(TOKENIZER, tokenizer_word),
    ROW(TOKENIZER, tokenizer_matrix),
    ROW(TOKENIZER, tokenizer_json),
    {"attached_tokenizer", attached_tokenizer, TOKENIZER, 1},
    ROW(SCALER, scaler_fit),
    ROW(SCALER, scaler_transform),
    ROW(SCALER, scaler_inverse),
    {"attached_scaler", attached_scaler, SCALER, 1},
    ROW(METRICS, metrics_value),
    ROW(METRICS, metrics_confusion),
#undef ROW
};

static void null_handles(void) {
  begin();
  for (int64_t i = 0; i < COUNT_OF(handle_calls); i++) {
    if (handle_calls[i].null_is_allowed) continue;
    REFUSED_CASE(handle_calls[i].name, REFRAIN_NULL_POINTER, "NULL", handle_calls[i].call(NULL));
  }
}

static void handles_of_another_type(void) {
  begin();
  void *handles[KINDS] = {world.model,     world.session, world.trainer,
                          world.tokenizer, world.scaler,  world.metrics};
  for (int64_t i = 0; i < COUNT_OF(handle_calls); i++) {
    for (int kind = 0; kind < KINDS; kind++) {
      if (kind == (int)handle_calls[i].kind) continue;
      REFUSED_CASE(handle_calls[i].name, REFRAIN_HANDLE, "expected a refrain_",
                   handle_calls[i].call(handles[kind]));
    }
  }
}

/* Addresses of all kinds, small numbers, and living handles with a bit changed. */
static void garbage_handles(void) {
  begin();
  static int variable;
  int64_t local = 0;
  uintptr_t living[] = {(uintptr_t)world.model, (uintptr_t)world.session, (uintptr_t)world.metrics};
  void *garbage[16 + 3 * 64] = {(void *)1,          (void *)8,
                                (void *)0xDEADBEEF, (void *)UINTPTR_MAX,
                                (void *)INTPTR_MAX, (void *)(UINTPTR_MAX - 15),
                                &variable,          &local,
                                scratch.text,       (void *)0xA5A5A5A5A5A5A5A5u};
  int count = 10;
  for (int i = 0; i < 3; i++) {
    for (int bit = 0; bit < 64; bit++) {
      void *changed = (void *)(living[i] ^ (uintptr_t)1 << bit);
      if (changed != world.ids_model && changed != world.ids_session) garbage[count++] = changed;
    }
  }
  for (int64_t i = 0; i < COUNT_OF(handle_calls); i++) {
    for (int g = 0; g < count; g++) {
      REFUSED_CASE(handle_calls[i].name, REFRAIN_HANDLE, "", handle_calls[i].call(garbage[g]));
    }
  }
}

static void release_all(void) {
  refrain_session_release(world.session);
  refrain_trainer_release(world.trainer);
  refrain_model_release(world.model);
  refrain_tokenizer_release(world.tokenizer);
  refrain_scaler_release(world.scaler);
  refrain_metrics_release(world.metrics);
}

static void released_handles(void) {
  begin();
  void *handles[KINDS] = {world.model,     world.session, world.trainer,
                          world.tokenizer, world.scaler,  world.metrics};
  release_all();
  struct world old = world;
  for (int round = 0; round < 2; round++) {
    for (int64_t i = 0; i < COUNT_OF(handle_calls); i++) {
      if (handle_calls[i].call == attached_tokenizer || handle_calls[i].call == attached_scaler)
        continue;
      REFUSED_CASE(handle_calls[i].name, REFRAIN_HANDLE, "released",
                   handle_calls[i].call(handles[handle_calls[i].kind]));
    }
    begin(); /* new objects take the places of the old ones, but not their handles */
    REFUSED(REFRAIN_HANDLE, "released", attached_tokenizer(old.tokenizer));
    REFUSED(REFRAIN_HANDLE, "released", attached_scaler(old.scaler));
  }
}

static void release_takes_anything(void) {
  begin();
  int variable = 0;
  void *anything[] = {NULL,         (void *)1,     &variable,     (void *)UINTPTR_MAX,
                      world.model,  world.session, world.trainer, world.tokenizer,
                      world.scaler, world.metrics};
  struct world w = world;
  for (int64_t i = 0; i < COUNT_OF(anything); i++) {
    if (anything[i] != w.model) refrain_model_release(anything[i]);
    if (anything[i] != w.session) refrain_session_release(anything[i]);
    if (anything[i] != w.trainer) refrain_trainer_release(anything[i]);
    if (anything[i] != w.tokenizer) refrain_tokenizer_release(anything[i]);
    if (anything[i] != w.scaler) refrain_scaler_release(anything[i]);
    if (anything[i] != w.metrics) refrain_metrics_release(anything[i]);
  }
  check_unwatch();
  CHECK_OK(model_counts(w.model));
  CHECK_OK(session_reset(w.session));
  CHECK_OK(trainer_updates(w.trainer));
  CHECK_OK(tokenizer_size(w.tokenizer));
  CHECK_OK(scaler_transform(w.scaler));
  CHECK_OK(metrics_value(w.metrics));
  release_all();
  release_all();
  CHECK_EQUAL(model_counts(w.model), REFRAIN_HANDLE);
}

/* ---- pointers that must not be NULL -------------------------------------------------------------
 */

#define IS_NULL(fragment, call) REFUSED(REFRAIN_NULL_POINTER, fragment, call)

static void null_pointers_to_models(void) {
  begin();
  struct world *w = &world;
  IS_NULL("notation", refrain_model_create(NULL, 1, (refrain_model **)&scratch.handle));
  IS_NULL("model", refrain_model_create("Input(3) -> GRU(2)", 1, NULL));
  IS_NULL("path", refrain_model_load(NULL, (refrain_model **)&scratch.handle));
  IS_NULL("model", refrain_model_load(temporary_path("x"), NULL));
  IS_NULL("bytes", refrain_model_load_memory(NULL, 8, (refrain_model **)&scratch.handle));
  int64_t size = 0;
  unsigned char *bytes = model_bytes(w->model, &size);
  IS_NULL("model", refrain_model_load_memory(bytes, size, NULL));
  IS_NULL("path", refrain_model_save(w->model, NULL));
  IS_NULL("bytes", refrain_model_save_memory(w->model, NULL, 16, &scratch.size));
  IS_NULL("size", refrain_model_save_memory(w->model, scratch.text, 256, NULL));
  IS_NULL("description", refrain_model_input(w->model, 0, NULL));
  IS_NULL("description", refrain_model_output(w->model, 0, NULL));
  IS_NULL("description", refrain_model_output_for(w->model, 0, &w->input, 1, NULL));
  refrain_tensor output = described();
  IS_NULL("inputs", refrain_model_output_for(w->model, 0, NULL, 1, &output));
  IS_NULL("name", refrain_model_get_parameter(w->model, NULL, scratch.y, 2));
  IS_NULL("values", refrain_model_get_parameter(w->model, "dense.bias", NULL, 2));
  IS_NULL("name", refrain_model_set_parameter(w->model, NULL, w->x, 2));
  IS_NULL("values", refrain_model_set_parameter(w->model, "dense.bias", NULL, 2));
  IS_NULL("name", refrain_model_parameter_data(w->model, NULL, &scratch.data, &scratch.size));
  IS_NULL("data", refrain_model_parameter_data(w->model, "dense.bias", NULL, &scratch.size));
  REQUIRE_OK(refrain_model_set_tokenizer(w->model, w->tokenizer));
  REQUIRE_OK(refrain_model_set_scaler(w->model, "input", w->scaler));
  IS_NULL("tokenizer", refrain_model_tokenizer(w->model, NULL));
  IS_NULL("role", refrain_model_set_scaler(w->model, NULL, w->scaler));
  IS_NULL("role", refrain_model_scaler(w->model, NULL, (refrain_scaler **)&scratch.handle));
  IS_NULL("scaler", refrain_model_scaler(w->model, "input", NULL));
  IS_NULL("labels", refrain_model_set_labels(w->model, NULL, 2));
  IS_NULL("labels[1]", refrain_model_set_labels(w->model, (const char *[]){"a", NULL}, 2));
  IS_NULL("count", refrain_model_label_count(w->model, NULL));
  CHECK_OK(refrain_model_counts(w->model, NULL, NULL));
  CHECK_OK(refrain_model_parameter_counts(w->model, NULL, NULL));
}

static void null_pointers_to_sessions_and_trainers(void) {
  begin();
  struct world *w = &world;
  refrain_tensor y = FLOATS(scratch.y, BATCH, CLASSES);
  IS_NULL("session", refrain_session_create(w->model, NULL, NULL));
  IS_NULL("inputs", refrain_session_run(w->session, NULL, 1, &y, 1));
  IS_NULL("outputs", refrain_session_run(w->session, &w->input, 1, NULL, 1));
  IS_NULL("x", refrain_session_step(w->session, NULL, scratch.y));
  IS_NULL("y", refrain_session_step(w->session, w->x, NULL));
  IS_NULL("ids", refrain_session_step_ids(w->ids_session, NULL, scratch.y));
  IS_NULL("y", refrain_session_step_ids(w->ids_session, w->ids, NULL));
  IS_NULL("inputs", refrain_session_step_tensors(w->session, NULL, 1, &y, 1));
  refrain_tensor x = FLOATS(w->x, BATCH, FEATURES);
  IS_NULL("outputs", refrain_session_step_tensors(w->session, &x, 1, NULL, 1));
  IS_NULL("clone", refrain_session_clone(w->session, NULL));
  IS_NULL("bytes", refrain_session_save_state(w->session, NULL, 16, &scratch.size));
  IS_NULL("bytes", refrain_session_load_state(w->session, NULL, 16));
  IS_NULL("data", refrain_session_evaluate(w->session, NULL, "loss=crossentropy",
                                           (refrain_metrics **)&scratch.handle));
  IS_NULL("metrics", refrain_session_evaluate(w->session, &w->data, "loss=crossentropy", NULL));
  IS_NULL("trainer", refrain_trainer_create(w->model, NULL, NULL));
  IS_NULL("train", refrain_trainer_fit(w->trainer, NULL, NULL, NULL, NULL, NULL));
  IS_NULL("inputs", refrain_trainer_forward(w->trainer, NULL, 1, &y, 1));
  IS_NULL("outputs", refrain_trainer_forward(w->trainer, &w->input, 1, NULL, 1));
  REQUIRE_OK(refrain_trainer_forward(w->trainer, &w->input, 1, NULL, 0));
  IS_NULL("output_gradients", refrain_trainer_backward(w->trainer, NULL, 1, NULL, 0));
  IS_NULL("targets",
          refrain_trainer_backward_loss(w->trainer, NULL, 1, NULL, &scratch.number, NULL, 0));
  IS_NULL("input_gradients",
          refrain_trainer_backward_loss(w->trainer, &w->target, 1, NULL, &scratch.number, NULL, 1));
  IS_NULL("name", refrain_trainer_gradient_data(w->trainer, NULL, &scratch.data, &scratch.size));
  IS_NULL("data", refrain_trainer_gradient_data(w->trainer, "dense.bias", NULL, &scratch.size));
  IS_NULL("learning_rate", refrain_trainer_learning_rate(w->trainer, NULL));
  IS_NULL("updates", refrain_trainer_updates(w->trainer, NULL));
  IS_NULL("path", refrain_trainer_save(w->trainer, NULL));
  IS_NULL("path", refrain_trainer_load(w->trainer, NULL));
}

static void null_pointers_to_data(void) {
  begin();
  struct world *w = &world;
  const char *texts[] = {"a", NULL};
  refrain_metrics **metrics = (refrain_metrics **)&scratch.handle;
  IS_NULL("truth", refrain_metrics_classes(NULL, w->classes, NULL, NULL, 2, 2, metrics));
  IS_NULL("predicted", refrain_metrics_classes(w->classes, NULL, NULL, NULL, 2, 2, metrics));
  IS_NULL("metrics", refrain_metrics_classes(w->classes, w->classes, NULL, NULL, 2, 2, NULL));
  IS_NULL("truth", refrain_metrics_numbers(NULL, w->x, NULL, 2, metrics));
  IS_NULL("predicted", refrain_metrics_numbers(w->x, NULL, NULL, 2, metrics));
  IS_NULL("metrics", refrain_metrics_numbers(w->x, w->x, NULL, 2, NULL));
  IS_NULL("name", refrain_metrics_value(w->metrics, NULL, -1, &scratch.number));
  IS_NULL("value", refrain_metrics_value(w->metrics, "accuracy", -1, NULL));
  IS_NULL("counts", refrain_metrics_confusion(w->metrics, NULL, 4, &scratch.size));
  IS_NULL("classes", refrain_metrics_confusion(w->metrics, scratch.matrix, 64, NULL));
  IS_NULL("tokenizer", refrain_tokenizer_create(NULL, NULL));
  IS_NULL("texts", refrain_tokenizer_fit(w->tokenizer, NULL, 2));
  IS_NULL("texts[1]", refrain_tokenizer_fit(w->tokenizer, texts, 2));
  IS_NULL("text", refrain_tokenizer_encode(w->tokenizer, NULL, scratch.id, 16, &scratch.size));
  IS_NULL("ids", refrain_tokenizer_encode(w->tokenizer, "a", NULL, 16, &scratch.size));
  IS_NULL("count", refrain_tokenizer_encode(w->tokenizer, "a", scratch.id, 16, NULL));
  IS_NULL("texts",
          refrain_tokenizer_encode_batch(w->tokenizer, NULL, 2, scratch.id, 4, scratch.sizes));
  IS_NULL("texts[1]",
          refrain_tokenizer_encode_batch(w->tokenizer, texts, 2, scratch.id, 4, scratch.sizes));
  IS_NULL("ids", refrain_tokenizer_decode(w->tokenizer, NULL, 2, scratch.text, 256, &scratch.size));
  IS_NULL("size", refrain_tokenizer_size(w->tokenizer, NULL));
  IS_NULL("maxlen", refrain_tokenizer_maxlen(w->tokenizer, NULL));
  IS_NULL("word", refrain_tokenizer_id(w->tokenizer, NULL, scratch.id));
  IS_NULL("id", refrain_tokenizer_id(w->tokenizer, "film", NULL));
  IS_NULL("texts", refrain_tokenizer_matrix(w->tokenizer, NULL, 2, "count", scratch.matrix, 64));
  IS_NULL("texts[1]",
          refrain_tokenizer_matrix(w->tokenizer, texts, 2, "count", scratch.matrix, 64));
  IS_NULL("mode", refrain_tokenizer_matrix(w->tokenizer, texts, 1, NULL, scratch.matrix, 64));
  IS_NULL("matrix", refrain_tokenizer_matrix(w->tokenizer, texts, 1, "count", NULL, 64));
  IS_NULL("json", refrain_tokenizer_from_json(NULL, (refrain_tokenizer **)&scratch.handle));
  IS_NULL("lengths", refrain_pad_sequences(REFRAIN_INT32, w->ids, NULL, 2, NULL, scratch.id, 4));
  IS_NULL("values",
          refrain_pad_sequences(REFRAIN_INT32, NULL, (int64_t[]){1, 2}, 2, NULL, scratch.id, 4));
  IS_NULL("out", refrain_pad_sequences(REFRAIN_INT32, w->ids, (int64_t[]){1, 2}, 2, NULL, NULL, 4));
  IS_NULL("series", refrain_windows(NULL, 8, 3, "length=2", scratch.y, NULL, &scratch.size));
  IS_NULL("windows", refrain_windows(w->x, 8, 3, "length=8", NULL, NULL, NULL));
  IS_NULL("notation", refrain_scaler_create(NULL, (refrain_scaler **)&scratch.handle));
  IS_NULL("scaler", refrain_scaler_create("StandardScaler()", NULL));
  IS_NULL("x", refrain_scaler_fit(w->scaler, NULL, 2, FEATURES));
  IS_NULL("x", refrain_scaler_transform(w->scaler, NULL, 2, FEATURES, scratch.y));
  IS_NULL("out", refrain_scaler_transform(w->scaler, w->x, 2, FEATURES, NULL));
  IS_NULL("x", refrain_scaler_inverse(w->scaler, NULL, 2, FEATURES, scratch.y));
  IS_NULL("out", refrain_scaler_inverse(w->scaler, w->x, 2, FEATURES, NULL));
}

void errors_in_handles(void) {
  RUN(null_handles);
  RUN(handles_of_another_type);
  RUN(garbage_handles);
  RUN(released_handles);
  RUN(release_takes_anything);
  RUN(null_pointers_to_models);
  RUN(null_pointers_to_sessions_and_trainers);
  RUN(null_pointers_to_data);
}
