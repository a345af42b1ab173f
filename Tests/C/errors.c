/*
 * errors.c — every way of calling the library wrongly
 *
 * Each wrong call must give a status other than REFRAIN_OK, a message that names the argument, and
 * outputs that were not touched. This file has what concerns all functions: messages and texts.
 */
#define _GNU_SOURCE
#include "errors.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct world world;
struct scratch scratch;

void begin(void) {
  static const char *const texts[] = {"a good film", "a bad film"};
  static int32_t truth[] = {0, 1, 1}, predicted[] = {0, 1, 0};
  check_unwatch();
  world.model = make_model("Input(3) -> LSTM(4) -> Dense(2, activation=softmax)", 1);
  world.ids_model = make_model("Embedding(7, 3) -> GRU(4) -> Dense(2, activation=softmax)", 2);
  world.session = make_session(world.model, "lanes=2");
  world.ids_session = make_session(world.ids_model, "lanes=2");
  world.trainer = make_trainer(world.model, "loss=crossentropy, optimizer=SGD(0.1)");
  REQUIRE_OK(refrain_tokenizer_create("maxlen=4", &world.tokenizer));
  REQUIRE_OK(refrain_tokenizer_fit(world.tokenizer, texts, 2));
  fill_random(world.x, COUNT_OF(world.x), 3);
  REQUIRE_OK(refrain_scaler_create("StandardScaler()", &world.scaler));
  REQUIRE_OK(refrain_scaler_fit(world.scaler, world.x, BATCH * TIMESTEPS, FEATURES));
  REQUIRE_OK(refrain_metrics_classes(truth, predicted, NULL, NULL, 3, CLASSES, &world.metrics));
  fill_ids(world.ids, COUNT_OF(world.ids), VOCABULARY, 4);
  fill_ids(world.classes, COUNT_OF(world.classes), CLASSES, 5);
  for (int64_t i = 0; i < COUNT_OF(world.probabilities); i++) world.probabilities[i] = 0.5f;
  world.input = FLOATS(world.x, BATCH, TIMESTEPS, FEATURES);
  world.target = IDS(world.classes, BATCH);
  world.data = make_dataset(&world.input, &world.target);
  check_watch(&scratch, sizeof scratch);
}

/* ---- messages -----------------------------------------------------------------------------------
 */

static void statuses_have_names(void) {
  static const char *const names[] = {
      "REFRAIN_OK",     "REFRAIN_NULL_POINTER", "REFRAIN_HANDLE",    "REFRAIN_ARGUMENT",
      "REFRAIN_SHAPE",  "REFRAIN_NOTATION",     "REFRAIN_NAME",      "REFRAIN_CAPACITY",
      "REFRAIN_ORDER",  "REFRAIN_UNSUPPORTED",  "REFRAIN_FILE",      "REFRAIN_FORMAT",
      "REFRAIN_MEMORY", "REFRAIN_NOT_FINITE",   "REFRAIN_CANCELLED", "REFRAIN_INTERNAL"};
  for (int32_t i = 0; i < COUNT_OF(names); i++) {
    CHECK_EQUAL(strcmp(refrain_status_name(i), names[i]), 0);
  }
  static const int32_t unknown[] = {-1, 16, INT32_MAX, INT32_MIN};
  for (int64_t i = 0; i < COUNT_OF(unknown); i++) {
    CHECK_EQUAL(strcmp(refrain_status_name(unknown[i]), "unknown status"), 0);
  }
}

static void versions_agree_with_the_header(void) {
  char expected[32];
  snprintf(expected, sizeof expected, "%d.%d.%d", REFRAIN_VERSION_MAJOR, REFRAIN_VERSION_MINOR,
           REFRAIN_VERSION_PATCH);
  CHECK_EQUAL(strcmp(refrain_version(), expected), 0);
  CHECK(strstr(refrain_build_info(), expected) != NULL);
  CHECK(strchr(refrain_build_info(), '\n') == NULL);
}

static void no_message_before_an_error(void) {
  REQUIRE(refrain_last_error() != NULL);
  CHECK_EQUAL(refrain_last_error()[0], 0);
  refrain_model *model = make_model("Input(3) -> GRU(2)", 1);
  CHECK_EQUAL(refrain_last_error()[0], 0);
  CHECK_EQUAL(refrain_model_retain(NULL), REFRAIN_NULL_POINTER);
  CHECK(strlen(refrain_last_error()) > 0);
  char before[256];
  snprintf(before, sizeof before, "%s", refrain_last_error());
  CHECK_OK(refrain_model_retain(model));
  CHECK_EQUAL(strcmp(before, refrain_last_error()), 0);
}

static void *fail_elsewhere(void *other_message) {
  CHECK_EQUAL(refrain_last_error()[0], 0);
  CHECK_EQUAL(refrain_describe("elsewhere", NULL, 0, NULL), REFRAIN_NAME);
  snprintf(other_message, 256, "%s", refrain_last_error());
  return NULL;
}

static void messages_belong_to_their_thread(void) {
  char here[256], elsewhere[256] = "";
  CHECK_EQUAL(refrain_describe("over_here", NULL, 0, NULL), REFRAIN_NAME);
  const char *message = refrain_last_error();
  snprintf(here, sizeof here, "%s", message);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, fail_elsewhere, elsewhere) == 0);
  REQUIRE(pthread_join(thread, NULL) == 0);
  CHECK(strstr(elsewhere, "elsewhere") != NULL);
  CHECK(strstr(here, "over_here") != NULL);
  CHECK_EQUAL(strcmp(here, refrain_last_error()), 0);
  CHECK(message == refrain_last_error());
}

/* ---- the notation -------------------------------------------------------------------------------
 */

static const struct {
  const char *notation;
  const char *line, *column; /* what the message must say, or NULL: anything */
  const char *suggestion;    /* what it must propose, or NULL */
} mistakes[] = {
    {"", "line 1", "column 1", NULL},
    {"   \n\t ", NULL, NULL, NULL},
    {"# only a comment", NULL, NULL, NULL},
    {"Input(3) -> LSTN(4)", "line 1", "column 13", "'LSTM'"},
    {"Input(3) -> lstm(4)", "line 1", "column 13", "'LSTM'"},
    {"Input(3) ->\n  LSTM(4, unit=3)", "line 2", "column 11", "'units'"},
    {"Input(3) -> LSTM(4, droput=0.5)", "line 1", "column 21", "'dropout'"},
    {"Input(3) -> LSTM(4) -> Dense(2, activation=sofmax)", "line 1", "column 44", "'softmax'"},
    {"Input(3) -> LSTM(4) -> Pooling(maen)", "line 1", "column 32", "'mean'"},
    {"states = Input(3) -> GRU(4)\nstate -> Dense(2)", "line 2", "column 1", "'states'"},
    {"Input(3) -> LSTM", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(", "line 1", "column 18", NULL},
    {"Input(3) -> LSTM(4", "line 1", NULL, NULL},
    {"Input(3) -> LSTM()", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4,,)", "line 1", "column 20", NULL},
    {"Input(3) -> LSTM(4, units=4)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4, dropout=0.1, dropout=0.2)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(units=4, 5)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4, true, true, true, 0, 0, true, none, tanh, sigmoid, true, zeros, zeros, "
     "zeros, a, b)",
     "line 1", NULL, NULL},
    {"Input(3) -> LSTM(0)", "line 1", "column 18", NULL},
    {"Input(3) -> LSTM(-1)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4.5)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(true)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM('4')", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(99999999999999999999)", "line 1", "column 18", NULL},
    {"Input(3) -> LSTM(4, dropout=1)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4, dropout=nan)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4, dropout=1e999)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4, return_sequences=yes)", "line 1", NULL, NULL},
    {"Input(3) LSTM(4)", "line 1", "column 10", NULL},
    {"Input(3) -> -> LSTM(4)", "line 1", "column 13", NULL},
    {"Input(3) -> LSTM(4) ->", "line 1", NULL, NULL},
    {"-> LSTM(4)", "line 1", "column 1", NULL},
    {"Input(3) -> LSTM(4) -> GRU(4)", NULL, NULL, NULL},
    {"Input(3) -> Pooling(mean) -> LSTM(2)", NULL, NULL, NULL},
    {"LSTM(4)", NULL, NULL, NULL},
    {"Input(ids) -> LSTM(4)", NULL, NULL, NULL},
    {"Input(3) -> Embedding(5, 2) -> LSTM(2)", NULL, NULL, NULL},
    {"Input(3) -> LSTM(4, name=a) -> Dense(2, name=a)", NULL, NULL, NULL},
    {"x = Input(3)\nx = Input(4)\nx -> LSTM(2)", "line 2", NULL, NULL},
    {"x = x -> LSTM(2)", "line 1", NULL, NULL},
    {"[Input(3), Input(4)] -> Add -> LSTM(2)", NULL, NULL, NULL},
    {"Input(3) -> Bidirectional(Dense(2))", NULL, NULL, NULL},
    {"Input(3) -> Bidirectional(3)", NULL, NULL, NULL},
    {"Input(3) -> Adam(0.1)", "line 1", "column 13", NULL},
    {"Input(3) -> LSTM(4) \x01", "line 1", "column 21", NULL},
    {"Input(3) -> LSTM(4, name='unclosed)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4) -> D\xC3\xA9nse(2)", "line 1", NULL, NULL},
    {"[a, b] = Input(3)", "line 1", NULL, NULL},
    {"Input(ids)", NULL, NULL, NULL},
    {"Input(3) -> LSTM(4, activation=softmax)", "line 1", NULL, NULL},
    {"Input(3) -> LSTM(4) $", "line 1", "column 21", NULL},
};

static void mistakes_in_notation_are_pointed_at(void) {
  begin();
  for (int64_t i = 0; i < COUNT_OF(mistakes); i++) {
    const char *notation = mistakes[i].notation;
    REFUSED_CASE(notation, REFRAIN_NOTATION, "line ",
                 refrain_model_create(notation, 1, (refrain_model **)&scratch.handle));
    const char *message = refrain_last_error();
    int well_formed = strstr(message, ", column ") != NULL && strchr(message, '^') != NULL &&
                      (!mistakes[i].line || strstr(message, mistakes[i].line)) &&
                      (!mistakes[i].column || strstr(message, mistakes[i].column)) &&
                      (!mistakes[i].suggestion || (strstr(message, "did you mean") &&
                                                   strstr(message, mistakes[i].suggestion)));
    if (!CHECK(well_formed)) printf("  of '%s':\n%s\n", notation, message);
  }
}

static void the_caret_stands_under_the_mistake(void) {
  CHECK_EQUAL(
      refrain_model_create("Input(3) ->\n LSTM(4, unit=3)", 1, (refrain_model **)&scratch.handle),
      REFRAIN_NOTATION);
  const char *second = strchr(refrain_last_error(), '\n');
  REQUIRE(second != NULL);
  const char *third = strchr(second + 1, '\n');
  REQUIRE(third != NULL);
  const char *mistake = strstr(second, "unit"), *caret = strchr(third, '^');
  REQUIRE(mistake != NULL && caret != NULL);
  CHECK_EQUAL(caret - third, mistake - second);
}

static void bytes_that_are_not_utf8_are_refused(void) {
  begin();
  static const char *const broken[] = {"Input(3) -> \xFF(4)", "\xC3", "\xED\xA0\x80",
                                       "\xF8\x88\x80\x80\x80"};
  for (int64_t i = 0; i < COUNT_OF(broken); i++) {
    REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "UTF-8",
            refrain_model_create(broken[i], 1, (refrain_model **)&scratch.handle));
    REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NOTATION), "UTF-8",
            refrain_session_create(world.model, broken[i], (refrain_session **)&scratch.handle));
    REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_NAME), "UTF-8",
            refrain_describe(broken[i], scratch.text, sizeof scratch.text, &scratch.size));
  }
}

/* Texts whose length or depth must not be able to exhaust the stack. */
static void long_and_deep_notation_is_refused(void) {
  begin();
  static char text[1 << 20];
  static const char *const pieces[] = {
      "[",  "(",          "Bidirectional(", "LSTM(", "-",   "'",     "a", "9",
      "\n", "Input(3)->", "Concat->",       "x=",    "[x,", "name=", "#"};
  for (int64_t i = 0; i < COUNT_OF(pieces); i++) {
    size_t size = strlen(pieces[i]), at = 0;
    for (; at + size < sizeof text; at += size) memcpy(text + at, pieces[i], size);
    text[at] = '\0';
    REFUSED_CASE(pieces[i], REFRAIN_NOTATION, "line ",
                 refrain_model_create(text, 1, (refrain_model **)&scratch.handle));
    if (pieces[i][0] == '#') continue; /* a comment alone is a list of no options */
    REFUSED_CASE(pieces[i], REFRAIN_NOTATION, "line ",
                 refrain_session_create(world.model, text, (refrain_session **)&scratch.handle));
    CHECK(strlen(refrain_last_error()) < 1000);
  }
}

/* With a limit, so that a library that tries them all the same does not take the machine's memory.
 */
static void sizes_beyond_memory_are_refused(void) {
  begin();
  if (!limit_memory((size_t)4 << 30)) {
    check_skip("sizes beyond memory", "the address sanitizer needs terabytes of addresses");
    return;
  }
  static const char *const monsters[] = {
      "Input(3) -> LSTM(2000000)",
      "Input(3) -> LSTM(2147483647)",
      "Input(2147483647) -> GRU(2147483647)",
      "Embedding(2147483647, 2147483647) -> RNN(1)",
      "Embedding(1073741824, 65536) -> RNN(1)",
      "Input(3) -> RNN(2, return_sequences=true) -> Dense(2147483647) -> Dense(2147483647)",
      "Input([2147483647, 2147483647]) -> Dense(2)",
      "Input(9223372036854775807) -> LSTM(2)",
      "Input(3) -> Dense(9223372036854775807)",
      "Input(3) -> Bidirectional(LSTM(4611686018427387904))",
  };
  for (int64_t i = 0; i < COUNT_OF(monsters); i++) {
    REFUSED_CASE(
        monsters[i],
        EITHER(REFRAIN_MEMORY, REFRAIN_NOTATION) | EITHER(REFRAIN_ARGUMENT, REFRAIN_MEMORY), "",
        refrain_model_create(monsters[i], 1, (refrain_model **)&scratch.handle));
  }
}

/* ---- texts that the library returns -------------------------------------------------------------
 */

typedef refrain_status text_call(char *text, int64_t capacity, int64_t *length);

static refrain_status text_of_describe(char *text, int64_t capacity, int64_t *length) {
  return refrain_describe("LSTM", text, capacity, length);
}
static refrain_status text_of_notation(char *text, int64_t capacity, int64_t *length) {
  return refrain_model_notation(world.model, text, capacity, length);
}
static refrain_status text_of_summary(char *text, int64_t capacity, int64_t *length) {
  return refrain_model_summary(world.model, text, capacity, length);
}
static refrain_status text_of_parameter(char *text, int64_t capacity, int64_t *length) {
  return refrain_model_parameter(world.model, 0, text, capacity, length, NULL);
}
static refrain_status text_of_label(char *text, int64_t capacity, int64_t *length) {
  return refrain_model_label(world.model, 1, text, capacity, length);
}
static refrain_status text_of_trainer(char *text, int64_t capacity, int64_t *length) {
  return refrain_trainer_notation(world.trainer, text, capacity, length);
}
static refrain_status text_of_decode(char *text, int64_t capacity, int64_t *length) {
  static const int32_t ids[] = {1, 2, 3};
  return refrain_tokenizer_decode(world.tokenizer, ids, 3, text, capacity, length);
}
static refrain_status text_of_word(char *text, int64_t capacity, int64_t *length) {
  return refrain_tokenizer_word(world.tokenizer, 2, text, capacity, length);
}
static refrain_status text_of_json(char *text, int64_t capacity, int64_t *length) {
  return refrain_tokenizer_json(world.tokenizer, text, capacity, length);
}

static const struct {
  const char *name;
  text_call *call;
} text_calls[] = {
    {"describe", text_of_describe},       {"model_notation", text_of_notation},
    {"model_summary", text_of_summary},   {"model_parameter", text_of_parameter},
    {"model_label", text_of_label},       {"trainer_notation", text_of_trainer},
    {"tokenizer_decode", text_of_decode}, {"tokenizer_word", text_of_word},
    {"tokenizer_json", text_of_json},
};

static void texts_are_copied_into_what_there_is_room_for(void) {
  static const char *const labels[] = {"negative", "positive"};
  static char text[1 << 16];
  begin();
  REQUIRE_OK(refrain_model_set_labels(world.model, labels, 2));
  check_unwatch();
  check_watch(text, sizeof text);
  for (int64_t i = 0; i < COUNT_OF(text_calls); i++) {
    const char *name = text_calls[i].name;
    text_call *call = text_calls[i].call;
    int64_t length = -1, again = -1;
    REFUSED_CASE(name, REFRAIN_CAPACITY, "", call(NULL, 0, &length));
    REQUIRE(length > 0 && length + 1 < (int64_t)sizeof text);
    REFUSED_CASE(name, REFRAIN_CAPACITY, "", call(text, length, &again));
    CHECK_EQUAL(again, length);
    again = -1;
    REFUSED_CASE(name, REFRAIN_CAPACITY, "", call(text, 1, &again));
    CHECK_EQUAL(again, length);
    REFUSED_CASE(name, REFRAIN_CAPACITY, "", call(text, 0, NULL));
    again = -1;
    REFUSED_CASE(name, REFRAIN_ARGUMENT, "capacity", call(text, -1, &again));
    REFUSED_CASE(name, REFRAIN_ARGUMENT, "capacity", call(text, INT64_MIN, &again));
    REFUSED_CASE(name, REFRAIN_NULL_POINTER, "", call(NULL, 16, &again));
    CHECK_EQUAL(again, -1);
    text[length + 1] = 'x';
    CHECK_OK(call(text, length + 1, NULL));
    CHECK_EQUAL(strlen(text), length);
    CHECK_EQUAL(text[length + 1], 'x');
    check_unwatch();
    check_watch(text, sizeof text);
  }
}

static void unknown_names_are_refused_with_the_nearest(void) {
  begin();
  static const char *const names[][2] = {{"LSTN", "'LSTM'"}, {"adam", "'Adam'"}, {"fitt", "'fit'"}};
  for (int64_t i = 0; i < COUNT_OF(names); i++) {
    REFUSED(REFRAIN_NAME, names[i][1],
            refrain_describe(names[i][0], scratch.text, sizeof scratch.text, &scratch.size));
  }
}

int main(int argc, char **argv) {
  check_start(argc, argv, 120);
  RUN(statuses_have_names);
  RUN(versions_agree_with_the_header);
  RUN(no_message_before_an_error);
  RUN(messages_belong_to_their_thread);
  RUN(mistakes_in_notation_are_pointed_at);
  RUN(the_caret_stands_under_the_mistake);
  RUN(bytes_that_are_not_utf8_are_refused);
  RUN(long_and_deep_notation_is_refused);
  RUN(sizes_beyond_memory_are_refused);
  RUN(texts_are_copied_into_what_there_is_room_for);
  RUN(unknown_names_are_refused_with_the_nearest);
  errors_in_handles();
  errors_in_models();
  errors_in_sessions();
  errors_in_generation();
  errors_in_trainers();
  errors_in_data();
  return check_finish();
}
