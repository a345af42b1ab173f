/*
 * blas.c — OpenBLAS under the library, beside a host that uses it as well
 *
 * The Makefile runs this program with REFRAIN_BLAS=on once for each flavour of OpenBLAS, which it
 * puts first in LD_LIBRARY_PATH, once for a file that is none, and with REFRAIN_BLAS off and unset.
 * The program is the host: it opens the OpenBLAS that our library finds, and multiplies with it.
 *
 * Only the flavour pthread may be used by our library. All numbers are right under any.
 */
#define _GNU_SOURCE
#include "support.h"

#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what this run has under it -------------------------------------------------------------- */

enum { FLAVOUR_LENGTH = 16 };

/** "pthread", "serial", "openmp", "broken"; "" for what the system has. */
static char flavour[FLAVOUR_LENGTH];
/** Whether our library may open OpenBLAS for large products, and use it then. */
static int is_wanted, is_used;

static int is_flavour(const char *name) { return strcmp(flavour, name) == 0; }

/* Reads the environment. Returns whether the flavour that it asks for is installed. */
static int find_flavour(void) {
  const char *setting = getenv("REFRAIN_BLAS"), *path = getenv("LD_LIBRARY_PATH");
  const char *name = path ? strstr(path, "openblas-") : NULL;
  if (name) sscanf(name, "openblas-%15[a-z]", flavour);
#ifdef __x86_64__
  is_wanted = setting && strcmp(setting, "on") == 0;
#else
  is_wanted = !setting || strcmp(setting, "off") != 0;
#endif
  is_used = is_wanted && is_flavour("pthread");
  if (!name) return 1;
  char file[512];
  snprintf(file, sizeof file, "%.*s/libopenblas.so.0", (int)strcspn(path, ":"), path);
  return access(file, R_OK) == 0;
}

/* Whether a file with the text in its path is mapped into this process. */
static int is_mapped(const char *text) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[1024];
  int found = 0;
  while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, text) != NULL;
  if (maps) fclose(maps);
  return found;
}

/* ---- the host -------------------------------------------------------------------------------- */

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

static struct {
  void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
  int (*threads)(void);
  void (*set_threads)(int);
} host;

static void *needed(void *library, const char *name) {
  void *symbol = dlsym(library, name);
  REQUIRE(symbol != NULL);
  return symbol;
}

static void host_opens_openblas(void) {
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != NULL);
  *(void **)&host.sgemm = needed(library, "cblas_sgemm");
  *(void **)&host.threads = needed(library, "openblas_get_num_threads");
  *(void **)&host.set_threads = needed(library, "openblas_set_num_threads");
  char folder[FLAVOUR_LENGTH + 16];
  snprintf(folder, sizeof folder, "/openblas-%s/", flavour);
  CHECK_SAYING(is_mapped(folder), "OpenBLAS is not that of the flavour %s", flavour);
}

/* Products of the host; all sizes differ. */
enum { HOST_M = 208, HOST_N = 192, HOST_K = 176 };
static float host_a[HOST_M][HOST_K], host_b[HOST_K][HOST_N];

typedef struct {
  int m, n, k;
  double expected[HOST_M][HOST_N];
} product;

/** Large enough for OpenBLAS's threads, and too small. */
static product shared = {.m = HOST_M, .n = HOST_N, .k = HOST_K}, lone = {.m = 40, .n = 24, .k = 56};

static void expect(product *p) {
  for (int m = 0; m < p->m; m++)
    for (int k = 0; k < p->k; k++)
      for (int n = 0; n < p->n; n++)
        p->expected[m][n] += (double)host_a[m][k] * (double)host_b[k][n];
}

static void prepare_host_products(void) {
  fill_random(&host_a[0][0], HOST_M * HOST_K, 21);
  fill_random(&host_b[0][0], HOST_K * HOST_N, 22);
  expect(&shared);
  expect(&lone);
}

/* How many numbers of the host's product are wrong. */
static int host_errors(const product *p) {
  static float c[HOST_M * HOST_N];
  int errors = 0;
  memset(c, 0xff, (size_t)p->m * (size_t)p->n * sizeof *c); /* NaN */
  host.sgemm(ROW_MAJOR, PLAIN, PLAIN, p->m, p->n, p->k, 1, &host_a[0][0], HOST_K, &host_b[0][0],
             HOST_N, 0, c, p->n);
  for (int m = 0; m < p->m; m++)
    for (int n = 0; n < p->n; n++)
      errors += !(fabs((double)c[m * p->n + n] - p->expected[m][n]) <= 1e-6 * p->k);
  return errors;
}

/* ---- the model whose products are large ------------------------------------------------------ */

/* Eight sequences go through a layer together: products of 520 × 536 × 520 forward and 520 × 520 ×
   536 backward, two of each in a batch. */
enum { B = 16, T = 65, I = 520, H = 536, SHARD = 8 * T };
static const char *const large = "Input(520) -> Dense(536)";
static float x[B * T][I], target[B * T][H], weight[H][I], bias[H];

static refrain_model *make_large_model(void) {
  refrain_model *model = make_model(large, 5);
  fill_random(&x[0][0], (int64_t)B * T * I, 1);
  fill_random(&target[0][0], (int64_t)B * T * H, 2);
  fill_random(bias, H, 3);
  REQUIRE_OK(refrain_model_set_parameter(model, "dense.bias", bias, H));
  REQUIRE_OK(refrain_model_get_parameter(model, "dense.weight", &weight[0][0], (int64_t)H * I));
  return model;
}

static void run_large(refrain_session *session, float *y) {
  run_batch(session, FLOATS(x, B, T, I), FLOATS(y, B, T, H));
}

/* The rows of a large result are checked by thirds, which meets every row of a tile. */
enum { EVERY = 3 };

/* found [B·T, columns] against first · second + shift, with second [depth, columns] at
   second[k · deep + n · wide]. The tolerance is relative to the sum of the terms' magnitudes. */
static void check_product(const char *name, const float *found, const float *first, int depth,
                          const float *second, int deep, int wide, int columns,
                          const float *shift) {
  static double sum[H], size[H];
  int wrong = 0;
  for (int row = 0; row < B * T; row += EVERY) {
    for (int n = 0; n < columns; n++) sum[n] = size[n] = shift ? (double)shift[n] : 0;
    for (int k = 0; k < depth; k++) {
      double factor = (double)first[row * depth + k];
      for (int n = 0; n < columns; n++) {
        double term = factor * (double)second[k * deep + n * wide];
        sum[n] += term;
        size[n] += fabs(term);
      }
    }
    for (int n = 0; n < columns; n++)
      wrong += !(fabs((double)found[row * columns + n] - sum[n]) <= 1e-6 * fabs(size[n]));
  }
  CHECK_SAYING(wrong == 0, "%s: %d numbers are wrong", name, wrong);
}

/* ---- tests for every run --------------------------------------------------------------------- */

static void check_that_info_says_what_is_used(void) {
  const char *info = refrain_build_info(), *expected = "not loaded";
  if (is_wanted) {
    if (flavour[0] == '\0') return;
    expected = is_used ? "OpenBLAS 0." : is_flavour("broken") ? "not found" : "not used";
  }
  CHECK_SAYING(strstr(info, expected), "'%s' lacks '%s'", info, expected);
  if (is_used) CHECK_SAYING(!strstr(info, "not "), "'%s' though OpenBLAS may be used", info);
}

static void large_products_are_right(void) {
  static float y[B * T][H], again[B * T][H], dx[B * T][I];
  refrain_model *model = make_large_model();
  refrain_session *one = make_session(model, ""), *two = make_session(model, "threads=2");
  run_large(one, &y[0][0]);
  check_product("a run", &y[0][0], &x[0][0], I, &weight[0][0], 1, I, H, bias);
  run_large(two, &again[0][0]);
  CHECK_SAME(&again[0][0], &y[0][0], B * T * H);
  check_that_info_says_what_is_used();

  refrain_trainer *trainer = make_trainer(model, "optimizer=SGD(0.1), threads=2");
  refrain_tensor in = FLOATS(x, B, T, I), out = FLOATS(again, B, T, H);
  refrain_tensor dy = FLOATS(target, B, T, H), din = FLOATS(dx, B, T, I);
  memset(again, 0, sizeof again);
  CHECK_OK(refrain_trainer_forward(trainer, &in, 1, &out, 1));
  CHECK_SAME(&again[0][0], &y[0][0], B * T * H);
  CHECK_OK(refrain_trainer_backward(trainer, &dy, 1, &din, 1));
  check_product("a backward pass", &dx[0][0], &target[0][0], H, &weight[0][0], I, 1, I, NULL);
  refrain_trainer_release(trainer);
  refrain_session_release(two);
  refrain_session_release(one);
  refrain_model_release(model);
}

/* A model of usual size, run and trained on `threads` threads. */
static void run_and_train_small(const char *notation, int threads) {
  enum { N = 24, STEPS = 70, IN = 40, OUT = 3 };
  static float inputs[N][STEPS][IN], outputs[N][OUT];
  char options[64];
  snprintf(options, sizeof options, "threads=%d", threads);
  refrain_model *model = make_model(notation, 7);
  refrain_session *session = make_session(model, options);
  fill_random(&inputs[0][0][0], (int64_t)N * STEPS * IN, 8);
  refrain_tensor in = FLOATS(inputs, N, STEPS, IN), out = FLOATS(outputs, N, OUT);
  run_batch(session, in, out);
  snprintf(options, sizeof options, "loss=mse, threads=%d", threads);
  refrain_trainer *trainer = make_trainer(model, options);
  refrain_dataset data = make_dataset(&in, &out);
  CHECK_OK(refrain_trainer_fit(trainer, &data, &data, "batch_size=24", NULL, NULL));
  CHECK_THREADS(1 + 2 * (threads - 1));
  refrain_trainer_release(trainer);
  refrain_session_release(session);
  refrain_model_release(model);
}

/* Products of 560 × 512 × 40, 560 × 40 × 512 and the like. */
static const char *const small_models[] = {
    "Input(40) -> LSTM(128) -> Dense(3)",
    "Input(40) -> Dense(96, activation=relu) -> GRU(128) -> Dense(3)"};

static void small_products_never_load_it(void) {
  for (int64_t m = 0; m < COUNT_OF(small_models); m++) {
    run_and_train_small(small_models[m], 1);
    run_and_train_small(small_models[m], 2);
  }
  CHECK_SAYING(!is_mapped("openblas"), "OpenBLAS was loaded");
  CHECK_THREADS(1);
}

static void large_products_load_it_only_if_asked(void) {
  static float y[B * T][H];
  refrain_model *model = make_large_model();
  refrain_session *session = make_session(model, "");
  run_large(session, &y[0][0]);
  /* What the system has, if anything, is not this test's to say. */
  int is_known = !is_wanted || flavour[0] != '\0';
  CHECK_SAYING(!is_known || is_mapped("libopenblas") == (is_wanted && !is_flavour("broken")),
               "OpenBLAS is loaded: %d", is_mapped("libopenblas"));
  if (!is_wanted) CHECK_THREADS(1);
  refrain_session_release(session);
  refrain_model_release(model);
}

/* ---- tests beside a host --------------------------------------------------------------------- */

/* Else all tests could pass without OpenBLAS. */
static void large_products_have_the_bits_of_one_thread(void) {
  static float y[B * T][H], c[SHARD][H];
  host_opens_openblas();
  refrain_model *model = make_large_model();
  refrain_session *session = make_session(model, "");
  run_large(session, &y[0][0]);
  for (int row = 0; row < SHARD; row++) memcpy(c[row], bias, sizeof bias);
  host.set_threads(1);
  host.sgemm(ROW_MAJOR, PLAIN, TRANSPOSED, SHARD, H, I, 1, &x[0][0], I, &weight[0][0], I, 1,
             &c[0][0], H);
  CHECK_SAME(&y[0][0], &c[0][0], SHARD * H);
  refrain_session_release(session);
  refrain_model_release(model);
}

static void the_hosts_thread_count_is_kept(void) {
  static float y[B * T][H], frame[I], row[H], endless[B * T][I];
  host_opens_openblas();
  refrain_model *model = make_large_model();
  refrain_session *one = make_session(model, ""), *two = make_session(model, "threads=2");
  refrain_trainer *trainer = make_trainer(model, "loss=mse, optimizer=SGD(0.01), threads=2");
  memset(endless, 0x7f, sizeof endless); /* 3.4e38 */
  refrain_tensor in = FLOATS(x, B, T, I), out = FLOATS(y, B, T, H), goal = FLOATS(target, B, T, H);
  refrain_tensor much = FLOATS(endless, B, T, I), narrow = FLOATS(x, B, T, I - 1);
  refrain_dataset data = make_dataset(&in, &goal), wild = make_dataset(&much, &goal);

  for (int count = 1; count <= 3; count++) {
    host.set_threads(count);
    int before = host.threads();
    if (!is_flavour("serial")) CHECK_EQUAL(before, count);
#define KEEPS_COUNT(what) \
  CHECK_SAYING(host.threads() == before, "%s left %d of %d threads", what, host.threads(), before)
    run_large(one, &y[0][0]);
    KEEPS_COUNT("a run");
    run_large(two, &y[0][0]);
    KEEPS_COUNT("a run on two threads");
    CHECK_OK(refrain_session_step(one, frame, row));
    KEEPS_COUNT("a step");
    refrain_metrics *metrics = NULL;
    CHECK_OK(refrain_session_evaluate(two, &data, "loss=mse", &metrics));
    KEEPS_COUNT("an evaluation");
    refrain_metrics_release(metrics);
    CHECK_OK(refrain_trainer_forward(trainer, &in, 1, NULL, 0));
    KEEPS_COUNT("a forward pass");
    CHECK_OK(refrain_trainer_backward_loss(trainer, &goal, 1, NULL, NULL, NULL, 0));
    KEEPS_COUNT("a backward pass");
    CHECK_OK(refrain_trainer_update(trainer, NULL));
    KEEPS_COUNT("an update");
    CHECK_OK(refrain_trainer_fit(trainer, &data, NULL, "batch_size=16", NULL, NULL));
    KEEPS_COUNT("a fit");
    REFUSED(REFRAIN_SHAPE, "519", refrain_session_run(two, &narrow, 1, &out, 1));
    KEEPS_COUNT("a shape that does not fit");
    REFUSED(REFRAIN_NOT_FINITE, "loss",
            refrain_trainer_fit(trainer, &wild, NULL, "batch_size=16", NULL, NULL));
    KEEPS_COUNT("a loss that is not finite");
#undef KEEPS_COUNT
  }
  CHECK_EQUAL(host_errors(&shared), 0);
  refrain_trainer_release(trainer);
  refrain_session_release(two);
  refrain_session_release(one);
  refrain_model_release(model);
}

/* How often the threads of this process other than the caller have been switched from; −1 while
   one of them is awake. */
static long switches_of_sleepers(void) {
  long total = 0;
  DIR *tasks = opendir("/proc/self/task");
  REQUIRE(tasks != NULL);
  for (struct dirent *entry; (entry = readdir(tasks)) && total >= 0;) {
    if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid()) continue;
    char path[300], line[128], is_asleep = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status)) {
      const char *count = strstr(line, "ctxt_switches:");
      if (count) total += atol(count + strlen("ctxt_switches:"));
      if (strncmp(line, "State:\tS", 8) == 0) is_asleep = 1;
    }
    if (status) fclose(status);
    if (!is_asleep) total = -1;
  }
  closedir(tasks);
  return total;
}

/* Waits until the other threads have slept for a while, since they wait awake at first. */
static long wait_for_sleep(void) {
  long switches = -1;
  for (int i = 0; i < 100; i++) {
    long before = switches_of_sleepers();
    usleep(50000);
    switches = switches_of_sleepers();
    if (switches >= 0 && switches == before) return switches;
  }
  return -1;
}

static void our_products_never_wake_its_threads(void) {
  static float y[B * T][H];
  host_opens_openblas();
  host.set_threads(3);
  CHECK_EQUAL(host_errors(&shared), 0);
  CHECK_SAYING(thread_count() > 1, "OpenBLAS has no threads");
  refrain_model *model = make_large_model(), *small = make_model("Input(8) -> LSTM(9)", 5);
  refrain_session *session = make_session(model, "lanes=3"), *stream = make_session(small, "");
  run_large(session, &y[0][0]);
  long before = wait_for_sleep();
  REQUIRE(before >= 0);
  for (int i = 0; i < 3; i++) run_large(session, &y[0][0]);
  CHECK_OK(refrain_session_step(session, &x[0][0], &y[0][0]));
  for (int i = 0; i < 100; i++) CHECK_OK(refrain_session_step(stream, &x[0][0], &y[0][0]));
  long after = switches_of_sleepers();
  CHECK_SAYING(after == before, "%ld switches of sleeping threads, then %ld", before, after);
  /* That waking shows: */
  CHECK_EQUAL(host_errors(&shared), 0);
  CHECK_SAYING(switches_of_sleepers() != before, "the host's own product woke none");
  refrain_session_release(stream);
  refrain_session_release(session);
  refrain_model_release(small);
  refrain_model_release(model);
}

/* ---- at the same time ------------------------------------------------------------------------ */

/** Each of our threads runs so many batches: few where our library keeps out of OpenBLAS. */
static int rounds(void) { return is_used ? 100 : 20; }

typedef struct {
  refrain_model *model;
  const char *options;
  const float *expected;
  float (*y)[H];
  int errors;
} runner;

static atomic_int at_work;

static void *run_rounds(void *argument) {
  runner *r = argument;
  refrain_session *session = make_session(r->model, r->options);
  refrain_tensor in = FLOATS(x, B, T, I), out = FLOATS(r->y, B, T, H);
  for (int i = 0; i < rounds(); i++) {
    memset(r->y, 0xff, sizeof(float[B * T][H]));
    r->errors += refrain_session_run(session, &in, 1, &out, 1) != REFRAIN_OK ||
                 memcmp(r->y, r->expected, sizeof(float[B * T][H])) != 0;
  }
  refrain_session_release(session);
  at_work--;
  return NULL;
}

static void sessions_and_a_host_multiply_at_once(void) {
  static float expected[B * T][H], y[3][B * T][H];
  host_opens_openblas();
  host.set_threads(2);
  int before = host.threads();
  refrain_model *model = make_large_model();
  refrain_session *session = make_session(model, "");
  run_large(session, &expected[0][0]);
  check_product("a run alone", &expected[0][0], &x[0][0], I, &weight[0][0], 1, I, H, bias);

  runner runners[] = {{model, "threads=2", &expected[0][0], y[0], 0},
                      {model, "threads=1", &expected[0][0], y[1], 0},
                      {model, "threads=1", &expected[0][0], y[2], 0}};
  pthread_t threads[COUNT_OF(runners)];
  at_work = COUNT_OF(runners);
  for (int i = 0; i < COUNT_OF(runners); i++)
    REQUIRE(pthread_create(&threads[i], NULL, run_rounds, &runners[i]) == 0);
  /* Many small products more: they are where concurrent calls of a serial OpenBLAS meet. */
  int products = 0, wrong = 0;
  for (; at_work > 0 || products < rounds(); products++)
    wrong += host_errors(products % 50 == 0 ? &shared : &lone) != 0;
  for (int i = 0; i < COUNT_OF(runners); i++) {
    pthread_join(threads[i], NULL);
    CHECK_SAYING(runners[i].errors == 0, "%d of %d runs with %s beside others are wrong",
                 runners[i].errors, rounds(), runners[i].options);
  }
  CHECK_SAYING(wrong == 0, "%d of the host's %d products are wrong", wrong, products);
  CHECK_SAYING(host.threads() == before, "%d of %d threads are left", host.threads(), before);
  CHECK_EQUAL(host_errors(&shared), 0);
  refrain_session_release(session);
  refrain_model_release(model);
}

/* ---- fork ------------------------------------------------------------------------------------ */

typedef struct {
  refrain_model *model;
  refrain_session *one, *two;
  refrain_trainer *trainer;
  const float *expected;
  int host_threads;
} heirloom;

/* Trains without changing the model, so that runs can be compared. */
static const char *const still = "loss=mse, optimizer=SGD(0), threads=2";

/* What a child does with what it found; the number of the first step that failed, or 0. */
static int failing_step(const heirloom *h) {
  static float y[B * T][H];
  refrain_tensor in = FLOATS(x, B, T, I), out = FLOATS(y, B, T, H), goal = FLOATS(target, B, T, H);
  refrain_dataset data = make_dataset(&in, &goal);
  refrain_session *sessions[] = {h->one, h->two, make_session(h->model, "threads=2")};
  for (int i = 0; i < 3; i++) {
    memset(y, 0xff, sizeof y);
    if (refrain_session_run(sessions[i], &in, 1, &out, 1)) return 1 + i;
    if (memcmp(y, h->expected, sizeof y) != 0) return 11 + i;
  }
  if (refrain_trainer_fit(h->trainer, &data, NULL, "epochs=2, batch_size=16", NULL, NULL)) return 4;
  refrain_trainer *own = make_trainer(h->model, still);
  if (refrain_trainer_fit(own, &data, NULL, "batch_size=16", NULL, NULL)) return 5;
  if (host.threads() != h->host_threads) return 6;
  /* OpenMP's threads do not survive fork, so a host that has that flavour must not multiply. */
  if (!is_flavour("openmp") && host_errors(&shared)) return 7;
  refrain_trainer_release(own);
  refrain_session_release(sessions[2]);
  return 0;
}

static void check_child(pid_t child) {
  enum { SECONDS = 10, A_SECOND = 50 };
  int status = -1;
  pid_t ended = 0;
  for (int i = 0; i < SECONDS * A_SECOND && ended == 0; i++) {
    ended = waitpid(child, &status, WNOHANG);
    if (ended == 0) usleep(1000000 / A_SECOND);
  }
  if (ended == 0) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  CHECK_SAYING(ended == child, "a forked child did not end");
  if (ended == child)
    CHECK_SAYING(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                 "a forked child failed with status %d, at step %d", status, WEXITSTATUS(status));
}

static void forked_children_run_and_train(void) {
  static float expected[B * T][H];
  host_opens_openblas();
  host.set_threads(2);
  heirloom h = {.model = make_large_model(), .expected = &expected[0][0]};
  h.host_threads = host.threads();
  h.one = make_session(h.model, "");
  h.two = make_session(h.model, "threads=2");
  h.trainer = make_trainer(h.model, still);
  run_large(h.one, &expected[0][0]);
  run_large(h.two, &expected[0][0]);
  CHECK_EQUAL(host_errors(&shared), 0);
  for (int i = 0; i < 2; i++) {
    pid_t child = fork();
    if (child == 0) {
      /* the second child has a child of its own */
      int step = failing_step(&h);
      if (i == 1 && step == 0) {
        pid_t grandchild = fork();
        int status = -1;
        if (grandchild == 0) _exit(failing_step(&h));
        waitpid(grandchild, &status, 0);
        step = WIFEXITED(status) ? WEXITSTATUS(status) : 20;
      }
      _exit(step);
    }
    check_child(child);
    CHECK_EQUAL(failing_step(&h), 0);
    CHECK_EQUAL(host_errors(&shared), 0);
  }
  refrain_trainer_release(h.trainer);
  refrain_session_release(h.two);
  refrain_session_release(h.one);
  refrain_model_release(h.model);
}

/* A fork may fall between any two instructions of a product in another thread. */
static void children_forked_during_products_run(void) {
  enum { FORKS = 150 };
  static float expected[B * T][H], y[B * T][H], mine[B * T][H];
  host_opens_openblas();
  host.set_threads(2);
  refrain_model *model = make_large_model();
  refrain_session *session = make_session(model, "");
  run_large(session, &expected[0][0]);
  runner r = {model, "threads=1", &expected[0][0], y, 0};
  pthread_t thread;
  at_work = 1;
  REQUIRE(pthread_create(&thread, NULL, run_rounds, &r) == 0);
  refrain_tensor in = FLOATS(x, B, T, I), out = FLOATS(mine, B, T, H);
  for (int i = 0; i < FORKS && at_work > 0; i++) {
    pid_t child = fork();
    if (child == 0) {
      if (host.threads() != 2) _exit(1);
      if (refrain_session_run(session, &in, 1, &out, 1)) _exit(2);
      if (memcmp(mine, expected, sizeof mine) != 0) _exit(3);
      _exit(host.threads() == 2 ? 0 : 4);
    }
    check_child(child);
  }
  pthread_join(thread, NULL);
  CHECK_EQUAL(r.errors, 0);
  CHECK_EQUAL(host.threads(), 2);
  refrain_session_release(session);
  refrain_model_release(model);
}

int main(int argc, char **argv) {
  check_start(argc, argv, 60);
  int is_installed = find_flavour();
  RUN(small_products_never_load_it);
  if (is_installed) {
    RUN(large_products_are_right);
    RUN(large_products_load_it_only_if_asked);
  } else {
    check_skip(flavour, "this flavour of OpenBLAS is not installed");
  }
  if (is_installed && flavour[0] != '\0' && !is_flavour("broken")) {
    prepare_host_products();
    if (is_used) RUN(large_products_have_the_bits_of_one_thread);
    RUN(the_hosts_thread_count_is_kept);
    if (!is_flavour("serial")) RUN(our_products_never_wake_its_threads);
    RUN(sessions_and_a_host_multiply_at_once);
    RUN(forked_children_run_and_train);
    if (!is_flavour("serial")) RUN(children_forked_during_products_run);
  }
  return check_finish();
}
