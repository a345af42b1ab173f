/* settings.h: what reviews_train was asked to do */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdio.h>

typedef struct {
  const char *train, *valid; /* TSV files; NULL: generated reviews */
  const char *out;           /* folder for models and history.json */
  const char *write_tsv;     /* folder for the generated reviews, instead of training */
  unsigned long long seed;   /* of parameters, dropout, shuffling and generated reviews */
  int epochs, batch, threads, maxlen, words, units;
} settings;

/* Reads the command line. Returns 0 to go on, 1 after --help, -1 after printing an error. */
int settings_parse(settings *s, int argc, char **argv);

/* Tells how the models are made, and which settings are not the usual ones and why. */
void settings_print(FILE *out, const settings *s);

#endif
