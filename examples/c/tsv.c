/* tsv.c: see tsv.h */
#include "tsv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more; the arrays that could be enlarged stay so if one cannot. */
static int reserve(reviews *set) {
  if (set->count < set->capacity) return 0;
  size_t capacity = set->capacity ? 2 * set->capacity : 1024;
  char **texts = realloc(set->texts, capacity * sizeof *texts);
  if (texts) set->texts = texts;
  char **names = realloc(set->label_names, capacity * sizeof *names);
  if (names) set->label_names = names;
  int32_t *labels = realloc(set->labels, capacity * sizeof *labels);
  if (labels) set->labels = labels;
  size_t *lines = realloc(set->lines, capacity * sizeof *lines);
  if (lines) set->lines = lines;
  if (!texts || !names || !labels || !lines) return -1;
  set->capacity = capacity;
  return 0;
}

int reviews_add(reviews *set, const char *label, const char *text, size_t line) {
  if (reserve(set)) return -1;
  char *own_text = strdup(text), *own_label = strdup(label);
  if (!own_text || !own_label) {
    free(own_text);
    free(own_label);
    return -1;
  }
  set->texts[set->count] = own_text;
  set->label_names[set->count] = own_label;
  set->labels[set->count] = -1;
  set->lines[set->count++] = line;
  return 0;
}

/* The offset of the first byte that is not UTF-8 (Unicode 15, table 3-7), or -1. */
static ptrdiff_t find_invalid_utf8(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  for (size_t i = 0; s[i];) {
    size_t following = s[i] < 0x80   ? 0
                       : s[i] < 0xC2 ? 4 /* a continuation, or an overlong form */
                       : s[i] < 0xE0 ? 1
                       : s[i] < 0xF0 ? 2
                       : s[i] < 0xF5 ? 3
                                     : 4;
    if (following == 4) return (ptrdiff_t)i;
    unsigned char least = s[i] == 0xE0 ? 0xA0 : s[i] == 0xF0 ? 0x90 : 0x80;
    unsigned char greatest = s[i] == 0xED ? 0x9F : s[i] == 0xF4 ? 0x8F : 0xBF;
    for (size_t k = 1; k <= following; k++) {
      if (s[i + k] < least || s[i + k] > greatest) return (ptrdiff_t)i;
      least = 0x80;
      greatest = 0xBF;
    }
    i += following + 1;
  }
  return -1;
}

/* Adds one line, without its line break, to the set. */
static int read_line(reviews *set, char *line, size_t length, size_t number) {
  const char *path = set->source;
  char *tab = strchr(line, '\t');
  ptrdiff_t invalid = find_invalid_utf8(line);
  if (strlen(line) != length) {
    fprintf(stderr, "%s:%zu: byte %zu of the line is NUL\n", path, number, strlen(line) + 1);
  } else if (invalid >= 0) {
    fprintf(stderr, "%s:%zu: byte %td of the line is not UTF-8\n", path, number, invalid + 1);
  } else if (length == 0) {
    fprintf(stderr, "%s:%zu: expected label<TAB>text, found an empty line\n", path, number);
  } else if (!tab) {
    fprintf(stderr, "%s:%zu: expected label<TAB>text, found no TAB in '%.60s'\n", path, number,
            line);
  } else if (tab == line) {
    fprintf(stderr, "%s:%zu: expected label<TAB>text, found no label before the TAB\n", path,
            number);
  } else {
    *tab = 0;
    if (reviews_add(set, line, tab + 1, number) == 0) return 0;
    fprintf(stderr, "%s:%zu: out of memory\n", path, number);
  }
  return -1;
}

int reviews_read(reviews *set, const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  char *line = NULL;
  size_t room = 0, number = 0;
  ssize_t length;
  set->source = strdup(path);
  int error = set->source ? 0 : -1;
  errno = 0;
  while (!error && (length = getline(&line, &room, file)) != -1) {
    char *start = line;
    number++;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) line[--length] = 0;
    if (number == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0) { /* byte order mark */
      start += 3;
      length -= 3;
    }
    if (number == 1 && strcmp(start, "label\ttext") == 0) continue;
    error = read_line(set, start, (size_t)length, number);
  }
  if (!error && !feof(file)) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    error = -1;
  }
  if (!error && set->count == 0) {
    fprintf(stderr, "%s: there are no reviews in this file\n", path);
    error = -1;
  }
  free(line);
  fclose(file);
  return error;
}

int reviews_write(const reviews *set, const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  fputs("label\ttext\n", file);
  for (size_t i = 0; i < set->count; i++)
    fprintf(file, "%s\t%s\n", set->label_names[i], set->texts[i]);
  int failed = ferror(file);
  if (fclose(file) || failed) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  return 0;
}

void reviews_free(reviews *set) {
  for (size_t i = 0; i < set->count; i++) {
    free(set->texts[i]);
    free(set->label_names[i]);
  }
  free(set->texts);
  free(set->label_names);
  free(set->labels);
  free(set->lines);
  free(set->source);
  *set = (reviews){0};
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int number_labels(const label_set *labels, reviews *set) {
  for (size_t i = 0; i < set->count; i++) {
    char **found = bsearch(&set->label_names[i], labels->names, labels->count,
                           sizeof *labels->names, compare_names);
    if (!found) {
      fprintf(stderr, "%s:%zu: the label '%s' does not occur in the training data\n", set->source,
              set->lines[i], set->label_names[i]);
      return -1;
    }
    set->labels[i] = (int32_t)(found - labels->names);
  }
  return 0;
}

int labels_assign(label_set *labels, reviews *train, reviews *valid) {
  labels->count = 0;
  labels->names = malloc(train->count * sizeof *labels->names);
  if (!labels->names) {
    fputs("out of memory\n", stderr);
    return -1;
  }
  memcpy(labels->names, train->label_names, train->count * sizeof *labels->names);
  qsort(labels->names, train->count, sizeof *labels->names, compare_names);
  for (size_t i = 0; i < train->count; i++)
    if (i == 0 || strcmp(labels->names[i], labels->names[labels->count - 1]) != 0)
      labels->names[labels->count++] = labels->names[i];
  if (labels->count < 2) {
    fprintf(stderr, "%s: every review has the label '%s'; there must be at least two classes\n",
            train->source, labels->names[0]);
    return -1;
  }
  return number_labels(labels, train) || number_labels(labels, valid) ? -1 : 0;
}

void labels_free(label_set *labels) {
  free(labels->names);
  *labels = (label_set){0};
}
