/* settings.c: see settings.h */
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "progress.h"

static const settings defaults = {.out = "demo", .seed = 42, .epochs = 5, .batch = 32,
                                  .threads = 1, .maxlen = 100, .words = 10000, .units = 64};

static void usage(FILE *out) {
  fprintf(out,
          "usage: reviews_train [--train FILE --valid FILE | --generate SEED] [options]\n\n"
          "Trains an LSTM and a GRU classifier on labelled texts and compares them.\n\n"
          "  --train FILE     label<TAB>text lines to learn from, in any number of classes\n"
          "  --valid FILE     the same, to validate on\n"
          "  --generate SEED  make up reviews (what happens without data, with the seed)\n"
          "  --write-tsv DIR  write the made-up reviews to DIR/train.tsv, DIR/valid.tsv and stop\n"
          "  --out DIR        for lstm.refrain, gru.refrain and history.json (%s)\n"
          "  --seed N         of parameters, dropout and shuffling (%llu)\n"
          "  --epochs N       passes over the training data (%d)\n"
          "  --batch N        reviews per update (%d)\n"
          "  --threads N      the results do not depend on it (%d)\n"
          "  --maxlen N       words of a review that are read (%d)\n"
          "  --words N        size of the vocabulary (%d)\n"
          "  --units N        of the recurrent layer (%d)\n"
          "  --help\n",
          defaults.out, defaults.seed, defaults.epochs, defaults.batch, defaults.threads,
          defaults.maxlen, defaults.words, defaults.units);
}

static int parse_count(const char *text, const char *name, int least, int greatest, int *value) {
  char *end;
  errno = 0;
  long parsed = strtol(text, &end, 10);
  if (errno || *end || end == text || parsed < least || parsed > greatest) {
    fprintf(stderr, "--%s: expected a whole number of %d to %d, found '%s'\n", name, least,
            greatest, text);
    return -1;
  }
  *value = (int)parsed;
  return 0;
}

static int parse_seed(const char *text, const char *name, unsigned long long *value) {
  char *end;
  errno = 0;
  unsigned long long parsed = strtoull(text, &end, 10);
  if (errno || *end || *text < '0' || *text > '9' || parsed > INT64_MAX) {
    fprintf(stderr, "--%s: expected a whole number of 0 to 2^63 - 1, found '%s'\n", name, text);
    return -1;
  }
  *value = parsed;
  return 0;
}

int settings_parse(settings *s, int argc, char **argv) {
  enum { TRAIN, VALID, GENERATE, WRITE_TSV, OUT, SEED, EPOCHS, BATCH, THREADS, MAXLEN, WORDS, UNITS,
         HELP };
  static const struct option options[] = {
      {"train", required_argument, 0, TRAIN},     {"valid", required_argument, 0, VALID},
      {"generate", required_argument, 0, GENERATE}, {"write-tsv", required_argument, 0, WRITE_TSV},
      {"out", required_argument, 0, OUT},         {"seed", required_argument, 0, SEED},
      {"epochs", required_argument, 0, EPOCHS},   {"batch", required_argument, 0, BATCH},
      {"threads", required_argument, 0, THREADS}, {"maxlen", required_argument, 0, MAXLEN},
      {"words", required_argument, 0, WORDS},     {"units", required_argument, 0, UNITS},
      {"help", no_argument, 0, HELP},             {0, 0, 0, 0}};
  enum { MILLION = 1000000 };
  int option, error = 0, generates = 0;
  *s = defaults;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
    case TRAIN: s->train = optarg; break;
    case VALID: s->valid = optarg; break;
    case GENERATE: generates = 1; error |= parse_seed(optarg, "generate", &s->seed); break;
    case WRITE_TSV: s->write_tsv = optarg; break;
    case OUT: s->out = optarg; break;
    case SEED: error |= parse_seed(optarg, "seed", &s->seed); break;
    case EPOCHS: error |= parse_count(optarg, "epochs", 1, MAXIMUM_EPOCHS, &s->epochs); break;
    case BATCH: error |= parse_count(optarg, "batch", 1, MILLION, &s->batch); break;
    case THREADS: error |= parse_count(optarg, "threads", 1, 256, &s->threads); break;
    case MAXLEN: error |= parse_count(optarg, "maxlen", 1, MILLION, &s->maxlen); break;
    case WORDS: error |= parse_count(optarg, "words", 2, MILLION, &s->words); break;
    case UNITS: error |= parse_count(optarg, "units", 1, MILLION, &s->units); break;
    case HELP: usage(stdout); return 1;
    default: usage(stderr); return -1;
    }
  }
  const char *wrong = optind < argc                           ? "unexpected argument"
                      : (!s->train) != (!s->valid)            ? "--train and --valid go together"
                      : s->train && (generates || s->write_tsv) ? "reviews are given or generated"
                                                              : NULL;
  if (wrong) {
    fprintf(stderr, "%s\n\n", wrong);
    usage(stderr);
  }
  return wrong || error ? -1 : 0;
}

void settings_print(FILE *out, const settings *s) {
  fprintf(out,
          "The usual settings: the %d most frequent words, at most %d of a review,\n"
          "Embedding(64), %d units with dropout=0.2 and recurrent_dropout=0.2, Dense with softmax,\n"
          "cross-entropy, Adam(0.001), batch_size=%d, epochs=%d. What differs, and why:\n\n"
          "  lengths            padding stands behind a review and is never read\n"
          "  Pooling(max)       the classifier sees the largest value that each unit reached, not\n"
          "                     its last: the word that decides may stand anywhere\n"
          "  l2=0.0003          a penalty on weights; these models soon learn reviews by heart\n"
          "  clip_norm=5        no update is larger than a gradient of that norm makes it\n"
          "  restore_best=true  the parameters of the epoch with the lowest validation loss stay\n\n",
          s->words, s->maxlen, s->units, s->batch, s->epochs);
}
