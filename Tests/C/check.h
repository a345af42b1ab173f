/*
 * check.h — checks that count, name their line, and survive a crash of what they test
 *
 * A test is a function without arguments. check_run() calls it in a child process with a limit on
 * its time, so that a trap or a hang in the library is one more failure, with the line of the last
 * check that began, and the tests after it still run.
 *
 * A refusal is checked in three ways at once: the status, a message that was made by this very call
 * and contains a given fragment, and that every region of memory registered with check_watch()
 * still holds the pattern it was filled with.
 */
#ifndef CHECK_H
#define CHECK_H

#include <refrain.h>
#include <stddef.h>

/** Something that must be true. */
#define CHECK(condition) check_true(__FILE__, __LINE__, #condition, (condition) ? 1 : 0)

/** The same with a sentence, as for printf, that says what was found instead. */
#define CHECK_SAYING(condition, ...) \
  check_saying(__FILE__, __LINE__, #condition, (condition) ? 1 : 0, __VA_ARGS__)

/** Two integers that must be equal. */
#define CHECK_EQUAL(found, expected) \
  check_equal(__FILE__, __LINE__, #found, (int64_t)(found), (int64_t)(expected))

/** `count` floats that must be equal bit for bit. */
#define CHECK_SAME(found, expected, count) \
  check_same(__FILE__, __LINE__, #found, (found), (expected), (int64_t)(count))

/** `count` floats that may differ by `tolerance`, absolute. */
#define CHECK_NEAR(found, expected, count, tolerance) \
  check_near(__FILE__, __LINE__, #found, (found), (expected), (int64_t)(count), (tolerance))

/** A call that must succeed. */
#define CHECK_OK(call)                     \
  (check_begin(__FILE__, __LINE__, #call), \
   check_status(__FILE__, __LINE__, #call, REFRAIN_OK, (call)))

/** A call that must succeed for the test to make sense: ends the test otherwise. */
#define REQUIRE_OK(call) (CHECK_OK(call) ? (void)0 : check_abandon())

/** A condition without which the test makes no sense. */
#define REQUIRE(condition) (CHECK(condition) ? (void)0 : check_abandon())

/**
 * A call that must be refused.
 *
 * status    a refrain_status, or several joined with EITHER().
 * fragment  what the message must contain.
 */
#define REFUSED(status, fragment, call)                    \
  (check_begin(__FILE__, __LINE__, #call), check_poison(), \
   check_refusal(__FILE__, __LINE__, #call, NULL, (status), (fragment), (call)))

/** The same for a row of a table, which is named in the failure. */
#define REFUSED_CASE(name, status, fragment, call)          \
  (check_begin(__FILE__, __LINE__, (name)), check_poison(), \
   check_refusal(__FILE__, __LINE__, #call, (name), (status), (fragment), (call)))

/** One of several statuses, where the header leaves the choice open; joined with |. */
#define EITHER(a, b) (CHECK_SET | 1 << (a) | 1 << (b))
enum { CHECK_SET = 1 << 30 };

int check_true(const char *file, int line, const char *text, int condition);
int check_saying(const char *file, int line, const char *text, int condition, const char *format,
                 ...);
int check_equal(const char *file, int line, const char *text, int64_t found, int64_t expected);
int check_same(const char *file, int line, const char *text, const float *found,
               const float *expected, int64_t count);
int check_near(const char *file, int line, const char *text, const float *found,
               const float *expected, int64_t count, double tolerance);
int check_status(const char *file, int line, const char *text, refrain_status expected,
                 refrain_status found);
int check_refusal(const char *file, int line, const char *text, const char *name, int expected,
                  const char *fragment, refrain_status found);

/** Notes where the test is, for the report of a crash. */
void check_begin(const char *file, int line, const char *text);

/** Leaves a message of its own in refrain_last_error(), so that a stale one is recognised. */
void check_poison(void);

/** Fills memory with a pattern that refused calls must leave alone. */
void check_watch(void *memory, size_t size);

/** Forgets all watched regions. */
void check_unwatch(void);

/** Ends the current test. */
void check_abandon(void);

/** Says by name that something could not be tested here. */
void check_skip(const char *what, const char *why);

/** Runs a test; with an argument on the program's command line, only if its name contains it. */
void check_run(const char *name, void (*test)(void));

/** How many seconds a test of this program may take. */
void check_start(int argc, char **argv, unsigned seconds);

/** Prints "N passed, M failed"; the program's exit status. */
int check_finish(void);

#define RUN(test) check_run(#test, test)

#endif
