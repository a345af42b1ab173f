/*
 * files.c — damaged files, and disks that refuse
 */
#define _GNU_SOURCE
#include "support.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MUTATIONS = 4000 };

static uint32_t state = 12345;
static uint32_t random_below(uint32_t bound) {
  state = state * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)(state >> 4) * bound) >> 28);
}

/* Whatever a file says, its model is small here: a batch of ids, or of floats, must run. */
static void run_loaded(refrain_model *model) {
  static int32_t ids[2 * 3];
  static float x[2 * 3 * 64], y[1 << 12];
  refrain_session *session = NULL;
  refrain_tensor in = FLOATS(NULL, 0), out = in;
  int64_t inputs = 0, outputs = 0, width = 1;
  CHECK_OK(refrain_model_counts(model, &inputs, &outputs));
  CHECK_OK(refrain_model_input(model, 0, &in));
  CHECK_OK(refrain_model_output(model, 0, &out));
  if (inputs != 1 || outputs != 1) return;
  in.shape[0] = out.shape[0] = 2;
  if (in.rank > 1 && in.shape[1] < 0) in.shape[1] = 3;
  if (out.rank > 1 && out.shape[1] < 0) out.shape[1] = 3;
  for (int32_t axis = 2; axis < in.rank; axis++) width *= in.shape[axis];
  int64_t count = 1;
  for (int32_t axis = 0; axis < out.rank; axis++) count *= out.shape[axis];
  if (width > 64 || count > COUNT_OF(y)) return;
  in.data = in.type == REFRAIN_INT32 ? (void *)ids : (void *)x;
  out.data = y;
  CHECK_OK(refrain_session_create(model, "", &session));
  CHECK_OK(refrain_session_run(session, &in, 1, &out, 1));
  refrain_session_release(session);
}

/* A file that loads must hold a model that runs and saves. Returns whether it loaded. */
static int loads(const char *bytes, int64_t size) {
  refrain_model *model = NULL, *const untouched = NULL;
  check_begin(__FILE__, __LINE__, "loading a damaged file");
  check_poison();
  refrain_status status = refrain_model_load_memory(bytes, size, &model);
  if (status != REFRAIN_OK) {
    CHECK_SAYING(!strstr(refrain_last_error(), "check_poison"), "a refusal without a message");
    CHECK_SAYING(
        status == REFRAIN_FORMAT || status == REFRAIN_NOT_FINITE || status == REFRAIN_MEMORY,
        "%s: %s", refrain_status_name(status), refrain_last_error());
    CHECK(model == untouched);
    return 0;
  }
  int64_t again;
  CHECK_SAYING(refrain_model_save_memory(model, NULL, 0, &again) == REFRAIN_CAPACITY, "%s",
               refrain_last_error());
  run_loaded(model);
  refrain_model_release(model);
  return 1;
}

static char *make_file(int64_t *size) {
  refrain_model *model = make_model("Embedding(7, 3) -> GRU(4) -> Dense(2, activation=softmax)", 7);
  CHECK_OK(refrain_model_set_labels(model, (const char *[]){"no", "yes"}, 2));
  refrain_model_save_memory(model, NULL, 0, size);
  char *bytes = malloc((size_t)*size);
  CHECK_OK(refrain_model_save_memory(model, bytes, *size, size));
  refrain_model_release(model);
  return bytes;
}

static void every_truncation_is_refused(void) {
  int64_t size = 0;
  char *bytes = make_file(&size);
  CHECK_SAYING(loads(bytes, size), "the whole file does not load: %s", refrain_last_error());
  for (int64_t length = 0; length < size; length++) {
    char *copy =
        malloc((size_t)length + 1); /* a block of its own, so that a reader past it is caught */
    memcpy(copy, bytes, (size_t)length);
    CHECK_SAYING(!loads(copy, length), "the first %lld bytes of %lld load", (long long)length,
                 (long long)size);
    free(copy);
  }
  free(bytes);
}

/* The length of the header, in the first eight bytes, claims anything. */
static void header_lengths_that_lie_are_refused(void) {
  int64_t size = 0;
  char *bytes = make_file(&size);
  uint64_t header;
  memcpy(&header, bytes, 8);
  uint64_t wrong[64 + 8] = {
      0, 1, header - 1, header + 1, (uint64_t)size, (uint64_t)size - 8, UINT64_MAX, UINT64_MAX - 7};
  for (int bit = 0; bit < 64; bit++) wrong[8 + bit] = header ^ (uint64_t)1 << bit;
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    memcpy(bytes, &wrong[i], 8);
    CHECK_SAYING(!loads(bytes, size), "a header of %llu bytes", (unsigned long long)wrong[i]);
  }
  free(bytes);
}

static void mutations_are_refused_or_run(void) {
  int64_t size = 0;
  char *bytes = make_file(&size);
  static const char *const pieces[] = {"9999999999",
                                       "-1",
                                       "[",
                                       "{",
                                       "\"",
                                       "1e309",
                                       "LSTM(2000000000)",
                                       "null",
                                       "\\ud800",
                                       "18446744073709551615",
                                       "\xff",
                                       "->"};
  int loaded = 0;
  for (int i = 0; i < MUTATIONS; i++) {
    int64_t length = size;
    char *copy = malloc((size_t)size + 64);
    memcpy(copy, bytes, (size_t)size);
    uint64_t header;
    memcpy(&header, bytes, 8);
    /* most damage goes to the header, where the meaning is */
    uint32_t range = random_below(4) ? (uint32_t)header + 8 : (uint32_t)size;
    for (uint32_t edits = 1 + random_below(3); edits > 0; edits--) {
      uint32_t at = random_below(range);
      const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
      size_t room = strlen(piece);
      switch (random_below(5)) {
        case 0:
          copy[at] ^= (char)(1 << random_below(8));
          break;
        case 1:
          copy[at] = (char)random_below(256);
          break;
        case 2:
          if (at + room < (size_t)size) memcpy(copy + at, piece, room);
          break;
        case 3:
          if (length > at + 9) {
            memmove(copy + at, copy + at + 8, (size_t)length - at - 8);
            length -= 8;
          }
          break;
        default:
          if (length + 8 <= size + 48) {
            memmove(copy + at + 8, copy + at, (size_t)length - at);
            length += 8;
          }
          break;
      }
    }
    loaded += loads(copy, length);
    free(copy);
  }
  printf("%d of %d mutations still load as valid models\n", loaded, MUTATIONS);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  CHECK_SAYING(usage.ru_maxrss < 200 * 1024, "reading damaged files took %ld KB", usage.ru_maxrss);
  free(bytes);
}

/* ---- the file system ---------------------------------------------------------------------------
 */

static int entries(void) {
  char command[600], line[32] = "";
  snprintf(command, sizeof command, "ls -A %s | wc -l", temporary_path(""));
  FILE *pipe = popen(command, "r");
  if (pipe) {
    if (!fgets(line, sizeof line, pipe)) line[0] = 0;
    pclose(pipe);
  }
  return atoi(line);
}

static void what_is_no_model_file_is_not_loaded(void) {
  int64_t size = 0;
  char *bytes = make_file(&size);
  refrain_model *model = NULL;
  REFUSED(REFRAIN_FILE, "No such file", refrain_model_load(temporary_path("missing"), &model));
  REFUSED(REFRAIN_FILE, "folder", refrain_model_load(temporary_path(""), &model));
  CHECK_SAYING(mkfifo(temporary_path("fifo"), 0600) == 0, "no FIFO");
  REFUSED(REFRAIN_FILE, "regular", refrain_model_load(temporary_path("fifo"), &model));
  unlink(temporary_path("fifo"));
  REFUSED(REFRAIN_FILE, "regular", refrain_model_load("/dev/zero", &model));
  FILE *file = fopen(temporary_path("empty"), "wb");
  fclose(file);
  REFUSED(REFRAIN_FORMAT, "at least 8", refrain_model_load(temporary_path("empty"), &model));
  unlink(temporary_path("empty"));
  file = fopen(temporary_path("model"), "wb");
  fwrite(bytes, 1, (size_t)size, file);
  fclose(file);
  CHECK_OK(refrain_model_load(temporary_path("model"), &model));
  refrain_trainer *trainer = NULL;
  CHECK_OK(refrain_trainer_create(model, "", &trainer));
  REFUSED(REFRAIN_FORMAT, "checkpoint", refrain_trainer_load(trainer, temporary_path("model")));
  CHECK_OK(refrain_trainer_save(trainer, temporary_path("checkpoint")));
  refrain_model *other = NULL;
  REFUSED(REFRAIN_FORMAT, "refrain model",
          refrain_model_load(temporary_path("checkpoint"), &other));
  unlink(temporary_path("checkpoint"));
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  free(bytes);
}

/* What cannot be saved leaves the old file and no other. */
static void what_cannot_be_saved_leaves_the_old_file(void) {
  refrain_model *model = make_model("Input(3) -> LSTM(200) -> Dense(2)", 7), *old = NULL;
  char path[512];
  int64_t size = 0;
  char *bytes = make_file(&size);
  snprintf(path, sizeof path, "%s", temporary_path("model"));
  FILE *file = fopen(path, "wb");
  REQUIRE(file && fwrite(bytes, 1, (size_t)size, file) == (size_t)size);
  fclose(file);
  free(bytes);
  REFUSED(REFRAIN_FILE, "No such file", refrain_model_save(model, temporary_path("missing/model")));
  CHECK(strstr(refrain_last_error(), "missing/model") != NULL);
  REFUSED(REFRAIN_FILE, "regular", refrain_model_save(model, "/dev/full"));
  REFUSED(REFRAIN_FILE, "regular", refrain_model_save(model, temporary_path("")));
  REFUSED(REFRAIN_FILE, "", refrain_model_save(model, ""));
  REFUSED(REFRAIN_FILE, "", refrain_model_save(model, "/proc/nothing/model"));

  pid_t child = fork();
  if (child == 0) {
    struct rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit); /* SIGXFSZ would end the process */
    refrain_status status = refrain_model_save(model, path);
    int is_default = signal(SIGXFSZ, SIG_DFL) == SIG_DFL;
    _exit(status == REFRAIN_FILE && strstr(refrain_last_error(), "large") && is_default ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  CHECK_SAYING(WIFEXITED(status) && WEXITSTATUS(status) == 0,
               "a save beyond the size limit ended with %d", status);
  CHECK_SAYING(entries() == 1, "%d files are left in the folder", entries());
  CHECK_OK(refrain_model_load(path, &old));
  char notation[128];
  CHECK_OK(refrain_model_notation(old, notation, sizeof notation, NULL));
  CHECK_SAYING(strstr(notation, "Embedding(7, 3)"), "the old file is now '%s'", notation);
  refrain_model_release(old);

  /* permissions stay, links keep pointing */
  chmod(path, 0640);
  CHECK_SAYING(symlink("model", temporary_path("link")) == 0, "no link");
  CHECK_OK(refrain_model_save(model, temporary_path("link")));
  struct stat info;
  CHECK_SAYING(lstat(temporary_path("link"), &info) == 0 && S_ISLNK(info.st_mode),
               "the link was replaced");
  CHECK_SAYING(stat(path, &info) == 0 && (info.st_mode & 0777) == 0640, "permissions are %o",
               info.st_mode & 0777);
  CHECK_OK(refrain_model_load(path, &old));
  CHECK_OK(refrain_model_notation(old, notation, sizeof notation, NULL));
  CHECK_SAYING(strstr(notation, "LSTM(200)"), "the file behind the link is '%s'", notation);
  refrain_model_release(old);
  unlink(temporary_path("link"));
  CHECK(symlink("nowhere", temporary_path("dangling")) == 0);
  REFUSED(REFRAIN_FILE, "dangling", refrain_model_save(model, temporary_path("dangling")));
  unlink(temporary_path("dangling"));
  char longest[256];
  memset(longest, 'n', 255);
  longest[255] = 0;
  CHECK_OK(refrain_model_save(model, temporary_path(longest)));
  unlink(temporary_path(longest));

  /* a parameter that is not finite cannot be saved */
  float *data;
  CHECK_OK(refrain_model_parameter_data(model, "dense.bias", &data, NULL));
  data[1] = NAN;
  REFUSED(REFRAIN_NOT_FINITE, "dense.bias", refrain_model_save(model, path));
  unlink(path);
  CHECK_SAYING(entries() == 0, "%d files are left in the folder", entries());
  refrain_model_release(model);
}

/* Rights do not hold back the superuser, so the test gives up that right where it can. */
static void a_folder_that_is_read_only(void) {
  refrain_model *model = make_model("Input(3) -> GRU(2)", 7);
  char path[512], name[512];
  snprintf(path, sizeof path, "%s", temporary_path("closed"));
  snprintf(name, sizeof name, "%s", temporary_path("closed/model"));
  REQUIRE(mkdir(path, 0755) == 0);
  REQUIRE_OK(refrain_model_save(model, name));
  int64_t before = 0, after = 0;
  unsigned char *old = read_file(name, &before);
  REQUIRE(chmod(temporary_path(""), 0755) == 0 && chmod(path, 0555) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && seteuid(65534) != 0) _exit(2);
    refrain_status status = refrain_model_save(model, name);
    _exit(status == REFRAIN_FILE && strstr(refrain_last_error(), "Permission denied") &&
                  strstr(refrain_last_error(), name)
              ? 0
              : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
    check_skip("saving into a read-only folder", "the superuser's rights cannot be given up here");
  } else {
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  unsigned char *new = read_file(name, &after);
  CHECK(new && after == before && memcmp(old, new, (size_t)before) == 0);
  free(old);
  free(new);
  chmod(path, 0755);
  unlink(name);
}

/* Files that promise much must be refused within the memory there is. */
static void a_limit_on_memory_is_an_error(void) {
  char text[256];
  if (!limit_memory((size_t)1 << 28)) {
    check_skip("a limit on memory", "the address sanitizer needs terabytes of addresses");
    return;
  }
  static const int sizes[] = {4000, 6000, 12000, 50000, 200000};
  for (int64_t i = 0; i < COUNT_OF(sizes); i++) {
    refrain_model *model = NULL;
    snprintf(text, sizeof text, "Input(3) -> LSTM(%d)", sizes[i]);
    REFUSED_CASE(text, REFRAIN_MEMORY, "memory", refrain_model_create(text, 1, &model));
    CHECK(model == NULL);
  }
  refrain_model *model = make_model("Input(64) -> LSTM(512) -> Dense(2)", 1);
  refrain_session *session = NULL;
  refrain_trainer *trainer = NULL;
  int64_t size = 0; /* the memory of streams may be asked for when they begin */
  refrain_status status = refrain_session_create(model, "lanes=2000000", &session);
  if (status == REFRAIN_OK) status = refrain_session_save_state(session, NULL, 0, &size);
  CHECK_EQUAL(status, REFRAIN_MEMORY);
  static float x[16 * 64], y[16 * 2];
  refrain_tensor in = FLOATS(x, 16, 1, 64);
  run_batch(make_session(model, ""), in, FLOATS(y, 16, 2));
  CHECK_OK(refrain_trainer_create(model, "loss=mse", &trainer)); /* the rest goes on */
}

int main(int argc, char **argv) {
  check_start(argc, argv, 300);
  RUN(every_truncation_is_refused);
  RUN(header_lengths_that_lie_are_refused);
  RUN(mutations_are_refused_or_run);
  RUN(what_is_no_model_file_is_not_loaded);
  RUN(what_cannot_be_saved_leaves_the_old_file);
  RUN(a_folder_that_is_read_only);
  RUN(a_limit_on_memory_is_an_error);
  return check_finish();
}
