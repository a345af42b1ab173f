#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCHED_MAX = 16, PATTERN = 0xA5, ABANDONED = 99 };

/* Shared with the children, so that counts survive their crashes. */
static struct {
  int64_t passed, failed, skipped;
  int line;
  char file[64], text[160];
} *shared;

static struct {
  unsigned char *memory;
  size_t size;
} watched[WATCHED_MAX];
static int watched_count;

static const char *filter;
static unsigned time_limit;
static const char *const poison = "no such name: left by check_poison";

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int record(int passed) {
  if (passed) {
    shared->passed++;
  } else {
    shared->failed++;
  }
  return passed;
}

void check_begin(const char *file, int line, const char *text) {
  snprintf(shared->file, sizeof shared->file, "%s", base_name(file));
  snprintf(shared->text, sizeof shared->text, "%s", text);
  shared->line = line;
}

int check_true(const char *file, int line, const char *text, int condition) {
  if (!condition) printf("%s:%d: not true: %s\n", base_name(file), line, text);
  return record(condition);
}

int check_saying(const char *file, int line, const char *text, int condition, const char *format,
                 ...) {
  if (!condition) {
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%d: not true: %s: ", base_name(file), line, text);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
  }
  return record(condition);
}

int check_equal(const char *file, int line, const char *text, int64_t found, int64_t expected) {
  if (found != expected) {
    printf("%s:%d: %s: expected %" PRId64 ", found %" PRId64 "\n", base_name(file), line, text,
           expected, found);
  }
  return record(found == expected);
}

int check_same(const char *file, int line, const char *text, const float *found,
               const float *expected, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (memcmp(&found[i], &expected[i], sizeof(float)) != 0) {
      printf("%s:%d: %s[%" PRId64 "]: expected the bits of %.9g, found %.9g\n", base_name(file),
             line, text, i, (double)expected[i], (double)found[i]);
      return record(0);
    }
  }
  return record(1);
}

int check_near(const char *file, int line, const char *text, const float *found,
               const float *expected, int64_t count, double tolerance) {
  for (int64_t i = 0; i < count; i++) {
    double distance = fabs((double)found[i] - (double)expected[i]);
    if (!(distance <= tolerance)) {
      printf("%s:%d: %s[%" PRId64 "]: expected %.9g within %g, found %.9g\n", base_name(file), line,
             text, i, (double)expected[i], tolerance, (double)found[i]);
      return record(0);
    }
  }
  return record(1);
}

int check_status(const char *file, int line, const char *text, refrain_status expected,
                 refrain_status found) {
  if (found != expected) {
    printf("%s:%d: %s: expected %s, found %s: %s\n", base_name(file), line, text,
           refrain_status_name(expected), refrain_status_name(found),
           found == REFRAIN_OK ? "(done)" : refrain_last_error());
  }
  return record(found == expected);
}

void check_poison(void) { (void)refrain_describe(poison, NULL, 0, NULL); }

void check_watch(void *memory, size_t size) {
  if (watched_count == WATCHED_MAX) {
    printf("check_watch: more than %d regions\n", WATCHED_MAX);
    record(0);
    return;
  }
  memset(memory, PATTERN, size);
  watched[watched_count].memory = memory;
  watched[watched_count].size = size;
  watched_count++;
}

void check_unwatch(void) { watched_count = 0; }

/* The first watched region that changed, or −1; its pattern is put back for the checks to come. */
static int changed_region(size_t *offset) {
  for (int i = 0; i < watched_count; i++) {
    for (size_t at = 0; at < watched[i].size; at++) {
      if (watched[i].memory[at] != PATTERN) {
        *offset = at;
        memset(watched[i].memory, PATTERN, watched[i].size);
        return i;
      }
    }
  }
  return -1;
}

int check_refusal(const char *file, int line, const char *text, const char *name, int expected,
                  const char *fragment, refrain_status found) {
  const char *message = refrain_last_error();
  const char *reason = NULL;
  char detail[128] = "";
  size_t offset = 0;
  int region = changed_region(&offset);
  int statuses = expected & CHECK_SET ? expected : 1 << expected;
  if (found < 0 || found > REFRAIN_INTERNAL || !(statuses >> found & 1)) {
    reason = "status";
    for (refrain_status s = REFRAIN_OK; s <= REFRAIN_INTERNAL; s++) {
      if (statuses >> s & 1) {
        size_t used = strlen(detail);
        snprintf(detail + used, sizeof detail - used, "%s%s", used ? " or " : "expected ",
                 refrain_status_name(s));
      }
    }
  } else if (strstr(message, poison)) {
    reason = "the call left no message";
  } else if (message[0] == '\0') {
    reason = "the message is empty";
  } else if (!strstr(message, fragment)) {
    reason = "message";
    snprintf(detail, sizeof detail, "expected it to contain '%s'", fragment);
  } else if (region >= 0) {
    reason = "an output was written";
    snprintf(detail, sizeof detail, "watched region %d, byte %zu", region, offset);
  }
  if (reason) {
    printf("%s:%d: %s%s%s: %s: %s; found %s: %s\n", base_name(file), line, name ? name : "",
           name ? ": " : "", text, reason, detail, refrain_status_name(found),
           found == REFRAIN_OK ? "(done)" : message);
  }
  return record(!reason);
}

void check_abandon(void) { exit(ABANDONED); }

void check_skip(const char *what, const char *why) {
  printf("SKIPPED: %s: %s\n", what, why);
  shared->skipped++;
}

void check_start(int argc, char **argv, unsigned seconds) {
  filter = argc > 1 ? argv[1] : NULL;
  time_limit = seconds;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    perror("mmap");
    exit(2);
  }
}

void check_run(const char *name, void (*test)(void)) {
  if (filter && !strstr(name, filter)) return;
  check_begin(name, 0, "the test began");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(time_limit);
    test();
    exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) == -1 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    printf("%s: ended by signal %d (%s) at or after %s:%d: %s\n", name, WTERMSIG(status),
           strsignal(WTERMSIG(status)), shared->file, shared->line, shared->text);
    record(0);
  } else if (WEXITSTATUS(status) == ABANDONED) {
    printf("%s: given up\n", name);
  } else if (WEXITSTATUS(status) != 0) {
    printf("%s: exit status %d at or after %s:%d: %s\n", name, WEXITSTATUS(status), shared->file,
           shared->line, shared->text);
    record(0);
  }
}

int check_finish(void) {
  if (shared->passed + shared->failed == 0) {
    printf("no test ran\n");
    record(0);
  }
  if (shared->skipped) printf("%" PRId64 " skipped, see above\n", shared->skipped);
  printf("%" PRId64 " passed, %" PRId64 " failed\n", shared->passed, shared->failed);
  return shared->failed == 0 ? 0 : 1;
}
