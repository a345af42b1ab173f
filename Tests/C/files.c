/* files.c: damaged files, and disks that refuse */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

/* A file that loads must hold a model that runs and saves. Returns whether it loaded. */
static int loads(const char *bytes, int64_t size) {
  refrain_model *model = NULL;
  refrain_status status = refrain_model_load_memory(bytes, size, &model);
  if (status != REFRAIN_OK) {
    CHECK(strlen(refrain_last_error()) > 0, "a refusal without a message");
    CHECK(status == REFRAIN_FORMAT || status == REFRAIN_NOT_FINITE || status == REFRAIN_MEMORY,
          "%s: %s", refrain_status_name(status), refrain_last_error());
    return 0;
  }
  int64_t again;
  CHECK(refrain_model_save_memory(model, NULL, 0, &again) == REFRAIN_CAPACITY, "%s", refrain_last_error());
  refrain_model_release(model);
  return 1;
}

static char *make_file(int64_t *size) {
  refrain_model *model = make("Embedding(7, 3) -> GRU(4) -> Dense(2, activation=softmax)");
  OK(refrain_model_set_labels(model, (const char *[]){"no", "yes"}, 2));
  refrain_model_save_memory(model, NULL, 0, size);
  char *bytes = malloc((size_t)*size);
  OK(refrain_model_save_memory(model, bytes, *size, size));
  refrain_model_release(model);
  return bytes;
}

static void test_truncation(const char *bytes, int64_t size) {
  char *copy;
  for (int64_t length = 0; length < size; length++) {
    copy = malloc((size_t)length + 1); /* a block of its own, so that a reader past it is caught */
    memcpy(copy, bytes, (size_t)length);
    CHECK(!loads(copy, length), "the first %lld bytes of %lld load", (long long)length, (long long)size);
    free(copy);
  }
}

static void test_mutation(const char *bytes, int64_t size) {
  static const char *const pieces[] = {"9999999999", "-1", "[", "{", "\"", "1e309", "LSTM(2000000000)",
                                       "null", "\\ud800", "18446744073709551615", "\xff", "->"};
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
      case 0: copy[at] ^= (char)(1 << random_below(8)); break;
      case 1: copy[at] = (char)random_below(256); break;
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
  CHECK(usage.ru_maxrss < 200 * 1024, "reading damaged files took %ld KB", usage.ru_maxrss);
}

/* ---- the file system --------------------------------------------------------------------------- */

static char folder[] = "/tmp/refrain-files-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[4][512];
  static int next;
  next = (next + 1) % 4;
  snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
  return path[next];
}

static int entries(void) {
  char command[600], line[32] = "";
  snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
  FILE *pipe = popen(command, "r");
  if (pipe) {
    if (!fgets(line, sizeof line, pipe)) line[0] = 0;
    pclose(pipe);
  }
  return atoi(line);
}

static void test_loading(const char *bytes, int64_t size) {
  refrain_model *model = NULL;
  FAILS(REFRAIN_FILE, "No such file", refrain_model_load(in_folder("missing"), &model));
  FAILS(REFRAIN_FILE, "folder", refrain_model_load(folder, &model));
  CHECK(mkfifo(in_folder("fifo"), 0600) == 0, "no FIFO");
  FAILS(REFRAIN_FILE, "regular", refrain_model_load(in_folder("fifo"), &model));
  unlink(in_folder("fifo"));
  FAILS(REFRAIN_FILE, "regular", refrain_model_load("/dev/zero", &model));
  FILE *file = fopen(in_folder("empty"), "wb");
  fclose(file);
  FAILS(REFRAIN_FORMAT, "at least 8", refrain_model_load(in_folder("empty"), &model));
  unlink(in_folder("empty"));
  file = fopen(in_folder("model"), "wb");
  fwrite(bytes, 1, (size_t)size, file);
  fclose(file);
  OK(refrain_model_load(in_folder("model"), &model));
  refrain_trainer *trainer = NULL;
  OK(refrain_trainer_create(model, "", &trainer));
  FAILS(REFRAIN_FORMAT, "checkpoint", refrain_trainer_load(trainer, in_folder("model")));
  OK(refrain_trainer_save(trainer, in_folder("checkpoint")));
  refrain_model *other = NULL;
  FAILS(REFRAIN_FORMAT, "refrain model", refrain_model_load(in_folder("checkpoint"), &other));
  unlink(in_folder("checkpoint"));
  refrain_trainer_release(trainer);
  refrain_model_release(model);
}

/* What cannot be saved leaves the old file and no other. */
static void test_saving(void) {
  refrain_model *model = make("Input(3) -> LSTM(200) -> Dense(2)"), *old = NULL;
  char path[512];
  snprintf(path, sizeof path, "%s", in_folder("model"));
  FAILS(REFRAIN_FILE, "No such file", refrain_model_save(model, in_folder("missing/model")));
  FAILS(REFRAIN_FILE, "regular", refrain_model_save(model, "/dev/full"));
  FAILS(REFRAIN_FILE, "regular", refrain_model_save(model, folder));
  FAILS(REFRAIN_FILE, "", refrain_model_save(model, ""));
  FAILS(REFRAIN_FILE, "", refrain_model_save(model, "/proc/nothing/model"));

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
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a save beyond the size limit ended with %d", status);
  CHECK(entries() == 1, "%d files are left in the folder", entries());
  OK(refrain_model_load(path, &old));
  char notation[128];
  OK(refrain_model_notation(old, notation, sizeof notation, NULL));
  CHECK(strstr(notation, "Embedding(7, 3)"), "the old file is now '%s'", notation);
  refrain_model_release(old);

  /* permissions stay, links keep pointing */
  chmod(path, 0640);
  CHECK(symlink("model", in_folder("link")) == 0, "no link");
  OK(refrain_model_save(model, in_folder("link")));
  struct stat info;
  CHECK(lstat(in_folder("link"), &info) == 0 && S_ISLNK(info.st_mode), "the link was replaced");
  CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0640, "permissions are %o", info.st_mode & 0777);
  OK(refrain_model_load(path, &old));
  OK(refrain_model_notation(old, notation, sizeof notation, NULL));
  CHECK(strstr(notation, "LSTM(200)"), "the file behind the link is '%s'", notation);
  refrain_model_release(old);
  unlink(in_folder("link"));
  CHECK(symlink("nowhere", in_folder("dangling")) == 0, "no link");
  FAILS(REFRAIN_FILE, "dangling", refrain_model_save(model, in_folder("dangling")));
  unlink(in_folder("dangling"));
  char longest[256];
  memset(longest, 'n', 255);
  longest[255] = 0;
  OK(refrain_model_save(model, in_folder(longest)));
  unlink(in_folder(longest));

  /* a parameter that is not finite cannot be saved */
  float *data;
  OK(refrain_model_parameter_data(model, "dense.bias", &data, NULL));
  data[1] = NAN;
  FAILS(REFRAIN_NOT_FINITE, "dense.bias", refrain_model_save(model, path));
  unlink(path);
  CHECK(entries() == 0, "%d files are left in the folder", entries());
  refrain_model_release(model);
}

int main(void) {
  CHECK(mkdtemp(folder) != NULL, "no temporary folder");
  int64_t size = 0;
  char *bytes = make_file(&size);
  CHECK(loads(bytes, size), "the whole file does not load: %s", refrain_last_error());
  test_truncation(bytes, size);
  test_mutation(bytes, size);
  test_loading(bytes, size);
  test_saving();
  free(bytes);
  rmdir(folder);
  return finish("files");
}
