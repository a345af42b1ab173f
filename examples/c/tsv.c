/* tsv.c: see tsv.h */
#include "tsv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int reviews_add(reviews *set, const char *label, const char *text) {
  if (set->count == set->capacity) {
    size_t capacity = set->capacity ? 2 * set->capacity : 1024;
    char **texts = realloc(set->texts, capacity * sizeof *texts);
    if (texts) set->texts = texts;
    char **labels = realloc(set->label_texts, capacity * sizeof *labels);
    if (labels) set->label_texts = labels;
    int32_t *numbers = realloc(set->labels, capacity * sizeof *numbers);
    if (numbers) set->labels = numbers;
    if (!texts || !labels || !numbers) return -1;
    set->capacity = capacity;
  }
  char *own_text = strdup(text), *own_label = strdup(label);
  if (!own_text || !own_label) {
    free(own_text);
    free(own_label);
    return -1;
  }
  set->texts[set->count] = own_text;
  set->label_texts[set->count] = own_label;
  set->labels[set->count++] = -1;
  return 0;
}

int reviews_read(reviews *set, const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  char *line = NULL;
  size_t room = 0, number = 0, before = set->count;
  ssize_t length;
  int result = 0;
  while (result == 0 && (length = getline(&line, &room, file)) != -1) {
    number++;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) line[--length] = 0;
    if (number == 1 && strcmp(line, "label\ttext") == 0) continue;
    char *tab = strchr(line, '\t');
    if (strlen(line) != (size_t)length) {
      fprintf(stderr, "%s:%zu: expected text, found a NUL byte\n", path, number);
      result = -1;
    } else if (!tab || tab == line) {
      fprintf(stderr, "%s:%zu: expected label<TAB>text, found '%.60s'\n", path, number, line);
      result = -1;
    } else {
      *tab = 0;
      result = reviews_add(set, line, tab + 1);
      if (result) fprintf(stderr, "%s:%zu: out of memory\n", path, number);
    }
  }
  if (result == 0 && ferror(file)) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    result = -1;
  }
  if (result == 0 && set->count == before) {
    fprintf(stderr, "%s: there is no review in this file\n", path);
    result = -1;
  }
  free(line);
  fclose(file);
  return result;
}

int reviews_write(const reviews *set, const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  fputs("label\ttext\n", file);
  for (size_t i = 0; i < set->count; i++)
    fprintf(file, "%s\t%s\n", set->label_texts[i], set->texts[i]);
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
    free(set->label_texts[i]);
  }
  free(set->texts);
  free(set->label_texts);
  free(set->labels);
  memset(set, 0, sizeof *set);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int assign(const label_set *labels, reviews *set, const char *role) {
  for (size_t i = 0; i < set->count; i++) {
    char **found = bsearch(&set->label_texts[i], labels->names, labels->count,
                           sizeof *labels->names, compare_names);
    if (!found) {
      fprintf(stderr, "the label '%s' of the %s data is not in the training data\n",
              set->label_texts[i], role);
      return -1;
    }
    set->labels[i] = (int32_t)(found - labels->names);
  }
  return 0;
}

int labels_assign(label_set *labels, reviews *train, reviews *valid) {
  labels->names = malloc(train->count * sizeof *labels->names);
  labels->count = 0;
  if (!labels->names) {
    fputs("out of memory\n", stderr);
    return -1;
  }
  memcpy(labels->names, train->label_texts, train->count * sizeof *labels->names);
  qsort(labels->names, train->count, sizeof *labels->names, compare_names);
  for (size_t i = 0; i < train->count; i++)
    if (i == 0 || strcmp(labels->names[i], labels->names[i - 1]) != 0)
      labels->names[labels->count++] = labels->names[i];
  if (labels->count < 2) {
    fprintf(stderr, "the training data have one class only, '%s'; there is nothing to learn\n",
            labels->names[0]);
    return -1;
  }
  return assign(labels, train, "training") || assign(labels, valid, "validation") ? -1 : 0;
}

void labels_free(label_set *labels) {
  free(labels->names);
  memset(labels, 0, sizeof *labels);
}
