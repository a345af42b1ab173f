/* tsv.h: labelled texts from files of `label<TAB>text` lines */
#ifndef TSV_H
#define TSV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Texts with the numbers of their labels. */
typedef struct {
  char **texts;
  char **label_texts; /* as they stood in the file */
  int32_t *labels;    /* set by labels_assign */
  size_t count, capacity;
} reviews;

/* The sorted names of the classes. */
typedef struct {
  char **names;
  size_t count;
} label_set;

/* Adds a review; returns 0, or -1 if there is no memory. */
int reviews_add(reviews *set, const char *label, const char *text);

/* Reads a file. A first line `label<TAB>text` is a header. On a line of another form, or any other
 * failure, prints what is wrong with file name and line number to stderr and returns -1. */
int reviews_read(reviews *set, const char *path);

/* Writes a file that reviews_read reads. */
int reviews_write(const reviews *set, const char *path);

void reviews_free(reviews *set);

/* Collects the labels of `train`; they and those of `valid` become numbers. A label that only
 * `valid` has is an error. */
int labels_assign(label_set *labels, reviews *train, reviews *valid);

void labels_free(label_set *labels);

#endif
