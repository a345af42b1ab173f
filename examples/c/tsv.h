/* tsv.h: labelled texts from files of `label<TAB>text` lines */
#ifndef TSV_H
#define TSV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Texts with their labels, as arrays side by side. */
typedef struct {
  char *source;       /* the file's path; NULL if they come from elsewhere */
  char **texts;       /* UTF-8 */
  char **label_names; /* as they stood in the file */
  int32_t *labels;    /* their numbers, written by labels_assign */
  size_t *lines;      /* in the file, from 1 */
  size_t count, capacity;
} reviews;

/* The names of the classes, sorted; the number of a class is its place here. */
typedef struct {
  char **names; /* owned by the training data */
  size_t count;
} label_set;

/* Adds copies of a label and a text. Returns 0, or -1 if there is no memory. */
int reviews_add(reviews *set, const char *label, const char *text, size_t line);

/* Reads a file of UTF-8, with LF or CRLF, into an empty set. A first line `label<TAB>text` is a
 * header; every other line is split at its first TAB. On a line of another form, or any other
 * failure, prints what is wrong, with file name and line number, to stderr and returns -1. */
int reviews_read(reviews *set, const char *path);

/* Writes a file that reviews_read reads. Returns 0, or -1 after printing why. */
int reviews_write(const reviews *set, const char *path);

void reviews_free(reviews *set);

/* Collects the labels of `train` and numbers those of both sets. Training data of a single class,
 * and a label that only `valid` has, are errors: prints which and where, and returns -1. `labels`
 * must not outlive `train`. */
int labels_assign(label_set *labels, reviews *train, reviews *valid);

void labels_free(label_set *labels);

#endif
