/*
 * support.h — arrays, random numbers, models and folders for the tests
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "check.h"

#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) ((int64_t)(sizeof(array) / sizeof((array)[0])))

/** A view of floats or ids: FLOATS(data, batch, timesteps, features), IDS(data, batch, timesteps).
 */
#define FLOATS(data, ...)                                                             \
  make_tensor(REFRAIN_FLOAT32, (data), (int32_t)COUNT_OF(((int64_t[]){__VA_ARGS__})), \
              (int64_t[]){__VA_ARGS__})
#define IDS(data, ...)                                                              \
  make_tensor(REFRAIN_INT32, (data), (int32_t)COUNT_OF(((int64_t[]){__VA_ARGS__})), \
              (int64_t[]){__VA_ARGS__})

refrain_tensor make_tensor(int32_t type, void *data, int32_t rank, const int64_t *shape);

/** A data set in memory with one input and one target. */
refrain_dataset make_dataset(const refrain_tensor *input, const refrain_tensor *target);

/** A number that follows from a seed: uniform over 64 bits. Advances *state. */
uint64_t next_random(uint64_t *state);

/** `count` floats of −1 … 1. */
void fill_random(float *values, int64_t count, uint64_t seed);

/** `count` ids of 0 … limit − 1. */
void fill_ids(int32_t *ids, int64_t count, int32_t limit, uint64_t seed);

/** Objects whose creation is not what the test is about: the test ends if it fails. */
refrain_model *make_model(const char *notation, uint64_t seed);
refrain_session *make_session(const refrain_model *model, const char *options);
refrain_trainer *make_trainer(refrain_model *model, const char *options);

/** All parameters one after the other. free() it. */
float *copy_parameters(const refrain_model *model, int64_t *count);

/** Whether two models have the same parameters, bit for bit. */
int same_parameters(const refrain_model *a, const refrain_model *b);

/** A model as a file in memory. free() it. */
unsigned char *model_bytes(const refrain_model *model, int64_t *size);

/** A session's state. free() it. */
unsigned char *state_bytes(const refrain_session *session, int64_t *size);

/** Runs a batch of one input and one output; the test ends if it fails. */
void run_batch(refrain_session *session, refrain_tensor input, refrain_tensor output);

/** A path in a folder of this process, which ends with it. Valid until the fourth next call. */
const char *temporary_path(const char *name);

/** A whole file; NULL if it cannot be read. free() it. */
unsigned char *read_file(const char *path, int64_t *size);

/** Limits the address space of this process; 0 where a sanitizer needs all of it. */
int limit_memory(size_t bytes);

/** Threads of this process. */
int thread_count(void);

/**
 * Threads of this process; if they are more than `at_most`, then again for up to a second: the kernel
 * may list a thread for a moment after it was joined.
 */
int settled_thread_count(int at_most);

/** Checks how many threads this process has. */
#define CHECK_THREADS(count) CHECK_EQUAL(settled_thread_count(count), count)

#endif
