/*
 * behaviour_models.c — what a model keeps, and who keeps a model
 */
#include "behaviour.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_model_survives_its_file(void) {
  task t;
  make_task(&t, 4);
  refrain_model *model = make_model(
      "Embedding(9, 4, mask_zero=true) -> Bidirectional(GRU(5)) -> Dense(3, activation=softmax)",
      7);
  refrain_tokenizer *tokenizer = NULL, *back = NULL;
  CHECK_OK(refrain_tokenizer_create("num_words=5, oov_token='<unk>', maxlen=6", &tokenizer));
  CHECK_OK(refrain_tokenizer_fit(tokenizer, (const char *[]){"the cat sat", "the dog é"}, 2));
  CHECK_OK(refrain_model_set_tokenizer(model, tokenizer));
  CHECK_OK(refrain_model_set_labels(model, (const char *[]){"a", "b\n\"c\"", "ü"}, 3));
  refrain_scaler *scaler = NULL;
  CHECK_OK(refrain_scaler_create("MinMaxScaler(-1, 1)", &scaler));
  CHECK_OK(refrain_scaler_fit(scaler, (float[]){1, 3}, 2, 1));
  CHECK_OK(refrain_model_set_scaler(model, "target", scaler));
  int64_t size = 0, again = 0;
  REFUSED(REFRAIN_CAPACITY, "bytes", refrain_model_save_memory(model, NULL, 0, &size));
  char *bytes = malloc((size_t)size), *second = malloc((size_t)size);
  CHECK_OK(refrain_model_save_memory(model, bytes, size, &size));
  refrain_model *loaded = NULL;
  CHECK_OK(refrain_model_load_memory(bytes, size, &loaded));
  CHECK_OK(refrain_model_save_memory(loaded, second, size, &again));
  CHECK_SAYING(size == again && memcmp(bytes, second, (size_t)size) == 0,
               "a loaded model saves to other bytes");
  char label[32], json[4096], json2[4096];
  CHECK_OK(refrain_model_label(loaded, 1, label, sizeof label, NULL));
  CHECK_SAYING(strcmp(label, "b\n\"c\"") == 0, "label '%s'", label);
  CHECK_OK(refrain_model_tokenizer(loaded, &back));
  CHECK_OK(refrain_tokenizer_json(tokenizer, json, sizeof json, NULL));
  CHECK_OK(refrain_tokenizer_json(back, json2, sizeof json2, NULL));
  CHECK_SAYING(strcmp(json, json2) == 0, "the tokenizer changed");
  refrain_scaler *scaler2 = NULL;
  CHECK_OK(refrain_model_scaler(loaded, "target", &scaler2));
  float scaled;
  CHECK_OK(refrain_scaler_transform(scaler2, (float[]){2.5f}, 1, 1, &scaled));
  CHECK_SAYING(scaled == 0.5f, "scaled to %g", scaled);

  refrain_session *s1 = make_session(model, ""), *s2 = make_session(loaded, "threads=2");
  refrain_model_release(loaded);
  float y1[N][3], y2[N][3];
  refrain_tensor o1 = FLOATS(y1, N, 3), o2 = FLOATS(y2, N, 3);
  CHECK_OK(refrain_session_run(s1, &t.x, 1, &o1, 1));
  CHECK_OK(refrain_session_run(s2, &t.x, 1, &o2, 1));
  CHECK_SAYING(same_bits(&y1[0][0], &y2[0][0], N * 3), "a loaded model predicts other bits");

  /* one more owner */
  CHECK_OK(refrain_model_retain(model));
  refrain_model_release(model);
  int64_t n;
  CHECK_OK(refrain_model_label_count(model, &n));
  refrain_model_release(model);
  REFUSED(REFRAIN_HANDLE, "released", refrain_model_label_count(model, &n));
  CHECK_OK(refrain_session_run(s1, &t.x, 1, &o2, 1));
  CHECK_SAYING(same_bits(&y1[0][0], &y2[0][0], N * 3), "a session lost its model");

  char text[256], canonical[256];
  refrain_model *graph = make_model(
      "a=Input(3);b = a->LSTM( 4,return_sequences = true , dropout=0.50)\n[a,b]->Concat->Dense(2)",
      7);
  CHECK_OK(refrain_model_notation(graph, text, sizeof text, NULL));
  refrain_model *copy = make_model(text, 7);
  CHECK_OK(refrain_model_notation(copy, canonical, sizeof canonical, NULL));
  CHECK_SAYING(strcmp(text, canonical) == 0, "'%s' became '%s'", text, canonical);
  CHECK_SAYING(strcmp(text,
                      "a = Input(3)\nb = a -> LSTM(4, return_sequences=true, dropout=0.5)\n[a, b] "
                      "-> Concat -> Dense(2)") == 0,
               "canonical text '%s'", text);
  refrain_model_release(graph);
  refrain_model_release(copy);
  refrain_session_release(s1);
  refrain_session_release(s2);
  refrain_scaler_release(scaler);
  refrain_scaler_release(scaler2);
  refrain_tokenizer_release(tokenizer);
  refrain_tokenizer_release(back);
  free(bytes);
  free(second);
}

static void parameters_that_are_set_are_used(void) {
  refrain_model *model = make_model("Input(2) -> GRU(3) -> Dense(1)", 7);
  refrain_session *session = make_session(model, "");
  float x[2] = {1, -1}, y0, y1, y2, *bias;
  CHECK_OK(refrain_session_step(session, x, &y0));
  CHECK_OK(refrain_session_reset(session, 0));
  CHECK_OK(refrain_model_set_parameter(model, "dense.bias", (float[]){10}, 1));
  CHECK_OK(refrain_session_step(session, x, &y1));
  CHECK_SAYING(fabsf(y1 - y0 - 10) < 1e-5f, "set: %g and %g", y0, y1);
  CHECK_OK(refrain_session_reset(session, 0));
  CHECK_OK(refrain_model_parameter_data(model, "gru.bias_ih", &bias, NULL));
  for (int i = 0; i < 3; i++) bias[3 + i] = 100; /* z = 1: the state stays 0 */
  CHECK_OK(refrain_model_parameters_changed(model));
  CHECK_OK(refrain_session_step(session, x, &y2));
  CHECK_SAYING(fabsf(y2 - 10) < 1e-5f, "written through the pointer: %g", y2);
  refrain_session_release(session);
  refrain_model_release(model);
}

void behaviour_of_models(void) {
  RUN(a_model_survives_its_file);
  RUN(parameters_that_are_set_are_used);
}
