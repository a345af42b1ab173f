#define _GNU_SOURCE
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

refrain_tensor make_tensor(int32_t type, void *data, int32_t rank, const int64_t *shape) {
  refrain_tensor tensor;
  memset(&tensor, 0, sizeof tensor);
  tensor.struct_size = sizeof tensor;
  tensor.data = data;
  tensor.type = type;
  tensor.rank = rank;
  memcpy(tensor.shape, shape, (size_t)rank * sizeof shape[0]);
  return tensor;
}

refrain_dataset make_dataset(const refrain_tensor *input, const refrain_tensor *target) {
  refrain_dataset data;
  memset(&data, 0, sizeof data);
  data.struct_size = sizeof data;
  data.inputs = input;
  data.input_count = 1;
  data.targets = target;
  data.target_count = 1;
  return data;
}

/* SplitMix64: Steele, Lea & Flood 2014. */
uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

void fill_random(float *values, int64_t count, uint64_t seed) {
  for (int64_t i = 0; i < count; i++) {
    values[i] = (float)(next_random(&seed) >> 40) / (float)(1 << 23) - 1;
  }
}

void fill_ids(int32_t *ids, int64_t count, int32_t limit, uint64_t seed) {
  for (int64_t i = 0; i < count; i++) ids[i] = (int32_t)(next_random(&seed) % (uint64_t)limit);
}

refrain_model *make_model(const char *notation, uint64_t seed) {
  refrain_model *model = NULL;
  REQUIRE_OK(refrain_model_create(notation, seed, &model));
  return model;
}

refrain_session *make_session(const refrain_model *model, const char *options) {
  refrain_session *session = NULL;
  REQUIRE_OK(refrain_session_create(model, options, &session));
  return session;
}

refrain_trainer *make_trainer(refrain_model *model, const char *options) {
  refrain_trainer *trainer = NULL;
  REQUIRE_OK(refrain_trainer_create(model, options, &trainer));
  return trainer;
}

float *copy_parameters(const refrain_model *model, int64_t *count) {
  int64_t parameters = 0, done = 0;
  REQUIRE_OK(refrain_model_parameter_counts(model, &parameters, count));
  float *values = malloc((size_t)*count * sizeof *values + 1);
  REQUIRE(values != NULL);
  for (int64_t i = 0; i < parameters; i++) {
    char name[256];
    refrain_tensor shape = FLOATS(NULL, 0);
    REQUIRE_OK(refrain_model_parameter(model, i, name, sizeof name, NULL, &shape));
    int64_t size = 1;
    for (int32_t axis = 0; axis < shape.rank; axis++) size *= shape.shape[axis];
    REQUIRE(done + size <= *count);
    REQUIRE_OK(refrain_model_get_parameter(model, name, values + done, size));
    done += size;
  }
  REQUIRE(done == *count);
  return values;
}

int same_parameters(const refrain_model *a, const refrain_model *b) {
  int64_t count_a = 0, count_b = 0;
  float *values_a = copy_parameters(a, &count_a), *values_b = copy_parameters(b, &count_b);
  int same = count_a == count_b && memcmp(values_a, values_b, (size_t)count_a * sizeof(float)) == 0;
  free(values_a);
  free(values_b);
  return same;
}

unsigned char *model_bytes(const refrain_model *model, int64_t *size) {
  *size = -1;
  CHECK_EQUAL(refrain_model_save_memory(model, NULL, 0, size), REFRAIN_CAPACITY);
  REQUIRE(*size > 0);
  unsigned char *bytes = malloc((size_t)*size);
  REQUIRE(bytes != NULL);
  REQUIRE_OK(refrain_model_save_memory(model, bytes, *size, size));
  return bytes;
}

unsigned char *state_bytes(const refrain_session *session, int64_t *size) {
  *size = -1;
  CHECK_EQUAL(refrain_session_save_state(session, NULL, 0, size), REFRAIN_CAPACITY);
  REQUIRE(*size > 0);
  unsigned char *bytes = malloc((size_t)*size);
  REQUIRE(bytes != NULL);
  REQUIRE_OK(refrain_session_save_state(session, bytes, *size, size));
  return bytes;
}

void run_batch(refrain_session *session, refrain_tensor input, refrain_tensor output) {
  REQUIRE_OK(refrain_session_run(session, &input, 1, &output, 1));
}

static char folder[64];
static pid_t folder_owner;

static void remove_folder(void) {
  if (getpid() != folder_owner) return;
  DIR *entries = opendir(folder);
  if (!entries) return;
  for (struct dirent *entry; (entry = readdir(entries));) {
    char path[sizeof folder + sizeof entry->d_name + 1];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (remove(path) != 0) chmod(path, 0700), remove(path);
  }
  closedir(entries);
  rmdir(folder);
}

const char *temporary_path(const char *name) {
  static char paths[4][512];
  static int next;
  if (folder_owner != getpid()) {
    snprintf(folder, sizeof folder, "/tmp/refrain-tests-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
    folder_owner = getpid();
    atexit(remove_folder);
  }
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s%s%s", folder, *name ? "/" : "", name);
  return path;
}

unsigned char *read_file(const char *path, int64_t *size) {
  FILE *file = fopen(path, "rb");
  *size = 0;
  if (!file) return NULL;
  unsigned char *bytes = NULL;
  if (fseek(file, 0, SEEK_END) == 0 && (*size = ftell(file)) >= 0) {
    rewind(file);
    bytes = malloc((size_t)*size + 1);
    if (bytes && fread(bytes, 1, (size_t)*size, file) != (size_t)*size) {
      free(bytes);
      bytes = NULL;
    }
  }
  fclose(file);
  return bytes;
}

int limit_memory(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  (void)bytes;
  return 0;
#else
  struct rlimit limit = {bytes, bytes};
  return setrlimit(RLIMIT_AS, &limit) == 0;
#endif
}

int thread_count(void) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) return -1;
  for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

int settled_thread_count(int at_most) {
  int count = thread_count();
  for (int i = 0; i < 1000 && count > at_most; i++) {
    usleep(1000);
    count = thread_count();
  }
  return count;
}
