/*
 * errors_data.c — wrong arguments of metrics, tokenizers, padding, windows and scalers
 */
#include "errors.h"

#include <math.h>
#include <string.h>

static const int64_t impossible_counts[] = {-1, INT64_MIN, INT64_MAX, (int64_t)1 << 62,
                                            (int64_t)1 << 61};

static void metrics_of_classes(void) {
  begin();
  refrain_metrics **metrics = (refrain_metrics **)&scratch.handle;
  int32_t good[] = {0, 1, 1};
  static int32_t wrong[][3] = {{0, 2, 1}, {-1, 0, 0}, {0, 0, INT32_MAX}, {INT32_MIN, 0, 0}};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(REFRAIN_ARGUMENT, "truth",
            refrain_metrics_classes(wrong[i], good, NULL, NULL, 3, 2, metrics));
    REFUSED(REFRAIN_ARGUMENT, "predicted",
            refrain_metrics_classes(good, wrong[i], NULL, NULL, 3, 2, metrics));
  }
  for (int64_t i = 0; i < COUNT_OF(impossible_counts); i++) {
    REFUSED(REFRAIN_ARGUMENT, "count",
            refrain_metrics_classes(good, good, NULL, NULL, impossible_counts[i], 2, metrics));
    REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_MEMORY), "classes",
            refrain_metrics_classes(good, good, NULL, NULL, 3, impossible_counts[i], metrics));
    REFUSED(REFRAIN_ARGUMENT, "count",
            refrain_metrics_numbers(world.x, world.x, NULL, impossible_counts[i], metrics));
  }
  REFUSED(REFRAIN_ARGUMENT, "classes",
          refrain_metrics_classes(good, good, NULL, NULL, 3, 0, metrics));
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_MEMORY), "classes",
          refrain_metrics_classes(good, good, NULL, NULL, 3, (int64_t)1 << 32, metrics));
  static float weights[][3] = {{1, NAN, 1}, {1, -1, 1}, {INFINITY, 1, 1}};
  for (int64_t i = 0; i < COUNT_OF(weights); i++) {
    REFUSED(REFRAIN_ARGUMENT, "weights",
            refrain_metrics_classes(good, good, weights[i], NULL, 3, 2, metrics));
    REFUSED(REFRAIN_ARGUMENT, "weights",
            refrain_metrics_numbers(world.x, world.x, weights[i], 3, metrics));
  }
}

static void figures(void) {
  begin();
  static const char *const names[] = {"", "acuracy", "Accuracy", "rmse", "r2", "precision_micr"};
  for (int64_t i = 0; i < COUNT_OF(names); i++) {
    REFUSED_CASE(names[i], REFRAIN_NAME, names[i],
                 refrain_metrics_value(world.metrics, names[i], -1, &scratch.number));
  }
  REFUSED(REFRAIN_NAME, "log_loss", /* needs probabilities */
          refrain_metrics_value(world.metrics, "log_loss", -1, &scratch.number));
  static const int64_t indices[] = {-2, CLASSES, INT64_MAX, INT64_MIN};
  for (int64_t i = 0; i < COUNT_OF(indices); i++) {
    REFUSED(REFRAIN_ARGUMENT, "index",
            refrain_metrics_value(world.metrics, "precision", indices[i], &scratch.number));
    REFUSED(REFRAIN_ARGUMENT, "index",
            refrain_metrics_value(world.metrics, "support", indices[i], &scratch.number));
  }
  int64_t classes = -1;
  REFUSED(REFRAIN_CAPACITY, "counts", refrain_metrics_confusion(world.metrics, NULL, 0, &classes));
  CHECK_EQUAL(classes, CLASSES);
  REFUSED(REFRAIN_CAPACITY, "counts",
          refrain_metrics_confusion(world.metrics, scratch.matrix, 3, &classes));
  REFUSED(REFRAIN_ARGUMENT, "capacity",
          refrain_metrics_confusion(world.metrics, scratch.matrix, -1, &scratch.size));
  check_unwatch();
  refrain_metrics *numbers = NULL;
  REQUIRE_OK(refrain_metrics_numbers(world.x, world.x, NULL, 4, &numbers));
  CHECK_OK(refrain_metrics_confusion(numbers, NULL, 0, &classes));
  CHECK_EQUAL(classes, 0);
  check_watch(&scratch, sizeof scratch);
  static const int64_t any_index[] = {-1, 0, 5, INT64_MAX, INT64_MIN};
  for (int64_t i = 0; i < COUNT_OF(any_index); i++) {
    REFUSED(EITHER(REFRAIN_NAME, REFRAIN_ARGUMENT), "",
            refrain_metrics_value(numbers, "accuracy", any_index[i], &scratch.number));
  }
}

static void options_of_tokenizers(void) {
  begin();
  static const char *const wrong[] = {"num_words=0",  "num_word=5",      "maxlen=-1",
                                      "padding=left", "truncating=none", "oov_token=5",
                                      "lower=1",      "filters=none",    "5"};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED_CASE(wrong[i], REFRAIN_NOTATION, "column",
                 refrain_tokenizer_create(wrong[i], (refrain_tokenizer **)&scratch.handle));
  }
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "split",
          refrain_tokenizer_create("split=''", (refrain_tokenizer **)&scratch.handle));
}

static void texts_of_tokenizers(void) {
  begin();
  const char *texts[] = {"a good film", "\xC3("};
  refrain_tokenizer *t = world.tokenizer;
  int64_t size = 0, again = 0;
  REQUIRE_OK(refrain_tokenizer_size(t, &size));
  REFUSED(REFRAIN_ARGUMENT, "texts[1]", refrain_tokenizer_fit(t, texts, 2));
  REFUSED(REFRAIN_ARGUMENT, "text",
          refrain_tokenizer_encode(t, texts[1], scratch.id, 16, &scratch.size));
  REFUSED(REFRAIN_ARGUMENT, "texts[1]",
          refrain_tokenizer_encode_batch(t, texts, 2, scratch.id, 4, scratch.sizes));
  REFUSED(REFRAIN_ARGUMENT, "texts[1]",
          refrain_tokenizer_matrix(t, texts, 2, "binary", scratch.matrix, 64));
  REFUSED(REFRAIN_ARGUMENT, "word", refrain_tokenizer_id(t, texts[1], scratch.id));
  for (int64_t i = 0; i < COUNT_OF(impossible_counts); i++) {
    int64_t count = impossible_counts[i];
    /* before any text is looked at: memory for so many must not be asked for */
    REFUSED(REFRAIN_ARGUMENT, "count", refrain_tokenizer_fit(t, texts, count));
    REFUSED(REFRAIN_ARGUMENT, "",
            refrain_tokenizer_encode_batch(t, texts, count, scratch.id, 4, scratch.sizes));
    REFUSED(REFRAIN_ARGUMENT, "",
            refrain_tokenizer_encode_batch(t, texts, 1, scratch.id, count, scratch.sizes));
    REFUSED(REFRAIN_ARGUMENT, "count",
            refrain_tokenizer_decode(t, world.ids, count, scratch.text, 256, &scratch.size));
    REFUSED(REFRAIN_ARGUMENT, "",
            refrain_tokenizer_matrix(t, texts, count, "count", scratch.matrix, 64));
  }
  REFUSED(REFRAIN_ARGUMENT, "capacity",
          refrain_tokenizer_encode(t, "a", scratch.id, -1, &scratch.size));
  REFUSED(REFRAIN_ARGUMENT, "capacity",
          refrain_tokenizer_matrix(t, texts, 1, "count", scratch.matrix, -1));
  REFUSED(REFRAIN_CAPACITY, "",
          refrain_tokenizer_matrix(t, texts, 1, "count", scratch.matrix, size - 1));
  REFUSED(EITHER(REFRAIN_NAME, REFRAIN_ARGUMENT), "mode",
          refrain_tokenizer_matrix(t, texts, 1, "counts", scratch.matrix, 64));
  int64_t count = -1;
  REFUSED(REFRAIN_CAPACITY, "ids",
          refrain_tokenizer_encode(t, "a good film", scratch.id, 2, &count));
  CHECK_EQUAL(count, 3);
  REFUSED(REFRAIN_CAPACITY, "ids", refrain_tokenizer_encode(t, "a good film", NULL, 0, &count));
  static const int32_t ids[] = {-1, 0, 1000, INT32_MAX, INT32_MIN};
  for (int64_t i = 0; i < COUNT_OF(ids); i++) {
    REFUSED(REFRAIN_NAME, "", refrain_tokenizer_word(t, ids[i], scratch.text, 256, &scratch.size));
    char text[64];
    CHECK_OK(refrain_tokenizer_decode(t, &ids[i], 1, text, sizeof text, NULL));
  }
  CHECK_OK(refrain_tokenizer_size(t, &again));
  CHECK_EQUAL(again, size);
}

static void json_of_tokenizers(void) {
  begin();
  static const char *const wrong[] = {
      "",
      "{",
      "null",
      "[]",
      "{}",
      "5",
      "\"text\"",
      "{\"a\":1}",
      "{\"word_index\":{}}",
      "\xFF",
      "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
  refrain_tokenizer **out = (refrain_tokenizer **)&scratch.handle;
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED_CASE(wrong[i], EITHER(REFRAIN_FORMAT, REFRAIN_ARGUMENT), "",
                 refrain_tokenizer_from_json(wrong[i], out));
  }
  char json[4096], copy[4096];
  int64_t length = 0;
  REQUIRE_OK(refrain_tokenizer_json(world.tokenizer, json, sizeof json, &length));
  for (int64_t cut = 0; cut < length; cut++) {
    memcpy(copy, json, (size_t)cut);
    copy[cut] = '\0';
    REFUSED(EITHER(REFRAIN_FORMAT, REFRAIN_ARGUMENT), "", refrain_tokenizer_from_json(copy, out));
  }
  uint64_t seed = 1;
  check_unwatch();
  for (int round = 0; round < 2000; round++) {
    memcpy(copy, json, (size_t)length + 1);
    uint64_t random = next_random(&seed);
    copy[random % (uint64_t)length] = (char)(random >> 32 & 0x7F);
    refrain_tokenizer *tokenizer = NULL;
    check_begin(__FILE__, __LINE__, copy);
    refrain_status status = refrain_tokenizer_from_json(copy, &tokenizer);
    CHECK(status == REFRAIN_OK || status == REFRAIN_FORMAT || status == REFRAIN_ARGUMENT);
    if (status == REFRAIN_OK) {
      int32_t ids[16];
      int64_t count = 0;
      CHECK_OK(refrain_tokenizer_encode(tokenizer, "a good film", ids, 16, &count));
      refrain_tokenizer_release(tokenizer);
    }
  }
}

static void padding(void) {
  begin();
  int64_t lengths[] = {2, 3};
  REFUSED(REFRAIN_ARGUMENT, "type",
          refrain_pad_sequences(0, world.ids, lengths, 2, NULL, scratch.id, 4));
  REFUSED(REFRAIN_ARGUMENT, "type",
          refrain_pad_sequences(3, world.ids, lengths, 2, NULL, scratch.id, 4));
  static const char *const options[] = {"padding=left", "pading=pre", "value=true", "maxlen=3"};
  for (int64_t i = 0; i < COUNT_OF(options); i++) {
    REFUSED_CASE(
        options[i], REFRAIN_NOTATION, "column",
        refrain_pad_sequences(REFRAIN_INT32, world.ids, lengths, 2, options[i], scratch.id, 4));
  }
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "value",
          refrain_pad_sequences(REFRAIN_INT32, world.ids, lengths, 2, "value=1.5", scratch.id, 4));
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "value",
          refrain_pad_sequences(REFRAIN_INT32, world.ids, lengths, 2, "value=3000000000",
                                scratch.id, 4));
  for (int64_t i = 0; i < COUNT_OF(impossible_counts); i++) {
    int64_t count = impossible_counts[i];
    REFUSED(REFRAIN_ARGUMENT, "count",
            refrain_pad_sequences(REFRAIN_INT32, world.ids, lengths, count, NULL, scratch.id, 4));
    REFUSED(REFRAIN_ARGUMENT, "maxlen",
            refrain_pad_sequences(REFRAIN_INT32, world.ids, lengths, 2, NULL, scratch.id, count));
    int64_t wrong[] = {2, count};
    REFUSED(REFRAIN_ARGUMENT, "lengths[1]",
            refrain_pad_sequences(REFRAIN_INT32, world.ids, wrong, 2, NULL, scratch.id, 4));
  }
  int64_t overflowing[] = {INT64_MAX, INT64_MAX};
  REFUSED(REFRAIN_ARGUMENT, "lengths",
          refrain_pad_sequences(REFRAIN_INT32, world.ids, overflowing, 2, NULL, scratch.id, 4));
}

static void windows(void) {
  begin();
  static const char *const options[] = {NULL,
                                        "",
                                        "length=0",
                                        "length=-1",
                                        "length=2, horizon=-1",
                                        "length=2, stride=0",
                                        "lenght=2",
                                        "length=2.5"};
  for (int64_t i = 0; i < COUNT_OF(options); i++) {
    REFUSED_CASE(options[i] ? options[i] : "NULL", REFRAIN_NOTATION, "column",
                 refrain_windows(world.x, 8, 3, options[i], scratch.y, NULL, &scratch.size));
  }
  for (int64_t i = 0; i < COUNT_OF(impossible_counts); i++) {
    REFUSED(REFRAIN_ARGUMENT, "timesteps",
            refrain_windows(world.x, impossible_counts[i], 3, "length=2", scratch.y, NULL,
                            &scratch.size));
    REFUSED(REFRAIN_ARGUMENT, "features",
            refrain_windows(world.x, 8, impossible_counts[i], "length=2", scratch.y, NULL,
                            &scratch.size));
  }
  check_unwatch();
  int64_t count = -1;
  CHECK_OK(refrain_windows(world.x, 2, 3, "length=5", NULL, NULL, &count));
  CHECK_EQUAL(count, 0);
  CHECK_OK(refrain_windows(world.x, 0, 3, "length=5", NULL, NULL, &count));
  CHECK_EQUAL(count, 0);
  CHECK_OK(
      refrain_windows(world.x, 8, 3, "length=2147483647, horizon=2147483647", NULL, NULL, &count));
  CHECK_EQUAL(count, 0);
}

static void scalers(void) {
  begin();
  static const char *const notations[] = {
      "",        "StandardScalar()", "Standard", "MinMaxScaler(0, 1, 2)", "MinMaxScaler(low=0)",
      "LSTM(4)", "StandardScaler(1)"};
  refrain_scaler **out = (refrain_scaler **)&scratch.handle;
  for (int64_t i = 0; i < COUNT_OF(notations); i++) {
    REFUSED_CASE(notations[i], REFRAIN_NOTATION, "column",
                 refrain_scaler_create(notations[i], out));
  }
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "",
          refrain_scaler_create("MinMaxScaler(1, 1)", out));
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "",
          refrain_scaler_create("MinMaxScaler(2, 1)", out));
  check_unwatch();
  refrain_scaler *fresh = NULL;
  REQUIRE_OK(refrain_scaler_create("StandardScaler()", &fresh));
  check_watch(&scratch, sizeof scratch);
  REFUSED(REFRAIN_ORDER, "fit", refrain_scaler_transform(fresh, world.x, 2, FEATURES, scratch.y));
  REFUSED(REFRAIN_ORDER, "fit", refrain_scaler_inverse(fresh, world.x, 2, FEATURES, scratch.y));
  int shape = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  REFUSED(shape, "features",
          refrain_scaler_transform(world.scaler, world.x, 2, FEATURES + 1, scratch.y));
  REFUSED(shape, "features",
          refrain_scaler_inverse(world.scaler, world.x, 2, FEATURES - 1, scratch.y));
  REFUSED(REFRAIN_ARGUMENT, "rows", refrain_scaler_fit(fresh, world.x, 0, FEATURES));
  REFUSED(REFRAIN_ARGUMENT, "features", refrain_scaler_fit(fresh, world.x, 2, 0));
  for (int64_t i = 0; i < COUNT_OF(impossible_counts); i++) {
    int64_t count = impossible_counts[i];
    REFUSED(REFRAIN_ARGUMENT, "", refrain_scaler_fit(fresh, world.x, count, FEATURES));
    REFUSED(REFRAIN_ARGUMENT, "", refrain_scaler_fit(fresh, world.x, 2, count));
    REFUSED(REFRAIN_ARGUMENT, "rows",
            refrain_scaler_transform(world.scaler, world.x, count, FEATURES, scratch.y));
    REFUSED(shape, "", refrain_scaler_inverse(world.scaler, world.x, 2, count, scratch.y));
  }
  static const float wrong[] = {NAN, INFINITY};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    float x[2 * FEATURES] = {1, 2, 3, 4, wrong[i], 6};
    REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOT_FINITE), "",
            refrain_scaler_fit(fresh, x, 2, FEATURES));
    REFUSED(REFRAIN_ORDER, "fit", refrain_scaler_transform(fresh, world.x, 2, FEATURES, scratch.y));
  }
}

void errors_in_data(void) {
  RUN(metrics_of_classes);
  RUN(figures);
  RUN(options_of_tokenizers);
  RUN(texts_of_tokenizers);
  RUN(json_of_tokenizers);
  RUN(padding);
  RUN(windows);
  RUN(scalers);
}
