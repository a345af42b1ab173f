/* generate.c: see generate.h
 *
 * A review is a judgement, often among sentences that only describe. Which words it has says little
 * about its class, their order nearly everything:
 *
 *   negation         "the plot is not dull" is praise, and so is "nothing dull about the plot"
 *   double negation  "nobody could say that the plot is not good"
 *   contrast         what follows `but` counts, what follows `although` or `, not` does not
 *   quantity         what most of it is counts, not what some of it is
 *   balance          praise `and` blame in one sentence are neutral, as is "neither good nor dull"
 *
 * So a good word is nearly as frequent in bad reviews as in good ones. Sentences that describe use
 * the same small words, `but`, `not`, `nobody`, to no effect.
 */
#include "generate.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { NEGATIVE, NEUTRAL, POSITIVE };

/* Percent of clauses that deny something: of those that stand alone, and of joined ones. */
enum { ALONE = 50, JOINED = 10 };

static const char *const labels[] = {"negative", "neutral", "positive"};
static const char *const praise[] = {"good",  "great", "superb",  "moving",
                                     "clever", "funny", "charming", "gripping"};
static const char *const blame[] = {"bad",     "dull",  "awful", "boring",
                                    "clumsy", "tedious", "weak", "lifeless"};
static const char *const degrees[] = {"", "", "", "very ", "really ", "quite ", "so ", "truly "};
static const char *const aspects[] = {"plot",     "acting", "script", "music",  "camera work",
                                      "dialogue", "ending", "story",  "pacing", "cast"};
static const char *const films[] = {"film", "movie", "picture", "comedy", "drama", "thriller"};
static const char *const subjects[] = {"a dog and a sailor", "two sisters in a small town",
                                       "a teacher who moves to the coast", "the last train north",
                                       "an old violin", "a summer in the city"};
static const char *const people[] = {"hero", "sailor", "teacher", "captain", "older sister"};
static const char *const places[] = {"town", "harbour", "island", "valley", "station"};

#define PICK(w, list) ((list)[choose(w, (unsigned)(sizeof(list) / sizeof *(list)))])

/* A review being written. */
typedef struct {
  char text[1024];
  size_t length;
  uint64_t random;
} writer;

/* A number below `count`. SplitMix64: Steele, Lea & Flood 2014. */
static unsigned choose(writer *w, unsigned count) {
  uint64_t z = w->random += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (unsigned)((z ^ (z >> 31)) % count);
}

static void say(writer *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(w->text + w->length, sizeof w->text - w->length, format, arguments);
  va_end(arguments);
  w->length += (size_t)length;
}

static const char *word(writer *w, int positive) {
  return positive ? PICK(w, praise) : PICK(w, blame);
}

/* "the plot is good", or the same by denying the opposite, or by denying its denial. */
static void clause(writer *w, int positive, const char *aspect, int percent_denied) {
  const char *same = word(w, positive), *opposite = word(w, !positive);
  const char *degree = PICK(w, degrees);
  if ((int)choose(w, 100) >= percent_denied) {
    say(w, "the %s is %s%s", aspect, degree, same);
    return;
  }
  switch (choose(w, 8)) {
  case 0: say(w, "nobody could say that the %s is not %s%s", aspect, degree, same); break;
  case 1: say(w, "nobody could call the %s %s%s", aspect, degree, opposite); break;
  case 2: say(w, "there is nothing %s about the %s", opposite, aspect); break;
  case 3:
  case 4: say(w, "the %s is never %s%s", aspect, degree, opposite); break;
  default: say(w, "the %s is not %s%s", aspect, degree, opposite); break;
  }
}

/* Words are drawn in statements of their own: C may evaluate arguments in any order, and the same
 * seed must give the same reviews with every compiler. */

/* A sentence that comes down on one side. */
static void decide(writer *w, int positive, const char *one, const char *other) {
  const char *same = word(w, positive), *more = word(w, positive), *opposite = word(w, !positive);
  const char *film = PICK(w, films), *degree = PICK(w, degrees);
  switch (choose(w, 10)) {
  case 0:
    clause(w, positive, one, JOINED);
    say(w, " and ");
    clause(w, positive, other, JOINED);
    break;
  case 1:
    clause(w, !positive, one, JOINED);
    say(w, ", but ");
    clause(w, positive, other, JOINED);
    break;
  case 2:
    clause(w, positive, one, JOINED);
    say(w, ", although ");
    clause(w, !positive, other, JOINED);
    break;
  case 3:
    say(w, "although ");
    clause(w, !positive, one, JOINED);
    say(w, ", ");
    clause(w, positive, other, JOINED);
    break;
  case 4: say(w, "some of it is %s, most of it is %s", opposite, same); break;
  case 5: say(w, "most of it is %s, some of it is %s", same, opposite); break;
  case 6: say(w, "the %s is %s, not %s", one, same, opposite); break;
  case 7:
    if (choose(w, 2))
      say(w, "a %s %s, %s and %s%s", same, film, more, degree, word(w, positive));
    else
      say(w, "it is not a %s %s", opposite, film);
    break;
  default: clause(w, positive, one, ALONE); break;
  }
}

/* A sentence in which both sides weigh the same. */
static void balance(writer *w, const char *one, const char *other) {
  int positive = (int)choose(w, 2);
  const char *first = word(w, positive), *second = word(w, !positive);
  switch (choose(w, 5)) {
  case 0: say(w, "the %s is neither %s nor %s", one, first, second); break;
  case 1: say(w, "some of it is %s, some of it is %s", first, second); break;
  default:
    clause(w, positive, one, JOINED);
    say(w, " and ");
    clause(w, !positive, other, JOINED);
    break;
  }
}

/* A sentence that says nothing about quality. */
static void describe(writer *w) {
  const char *film = PICK(w, films), *subject = PICK(w, subjects);
  const char *person = PICK(w, people), *place = PICK(w, places);
  switch (choose(w, 8)) {
  case 0: say(w, "it is a %s about %s", film, subject); break;
  case 1: say(w, "this %s is about %s", film, subject); break;
  case 2: say(w, "the %s is not from the %s", person, place); break;
  case 3: say(w, "the %s never leaves the %s", person, place); break;
  case 4: say(w, "nobody in the %s has a name, but the %s has", place, person); break;
  case 5: say(w, "it is set in a %s, although the %s is from the city", place, person); break;
  case 6: say(w, "neither the %s nor the dog is in most of it", person); break;
  default: say(w, "there is a %s and there is some snow about the %s", person, place); break;
  }
}

static void judge(writer *w, int label) {
  unsigned count = sizeof aspects / sizeof *aspects;
  unsigned first = choose(w, count);
  unsigned second = (first + 1 + choose(w, count - 1)) % count;
  if (label == NEUTRAL)
    balance(w, aspects[first], aspects[second]);
  else
    decide(w, label == POSITIVE, aspects[first], aspects[second]);
}

static void write_review(writer *w, int label) {
  enum { MAXIMUM_SENTENCES = 3 };
  unsigned sentences = 1 + choose(w, MAXIMUM_SENTENCES), judging = choose(w, sentences);
  w->length = 0;
  for (unsigned i = 0; i < sentences; i++) {
    if (i > 0) say(w, " ");
    size_t start = w->length;
    if (i == judging && !(label == NEUTRAL && choose(w, 12) == 0))
      judge(w, label);
    else
      describe(w);
    w->text[start] = (char)toupper((unsigned char)w->text[start]);
    say(w, ".");
  }
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The texts in an order that bsearch can use; NULL if there is no memory. */
static char **sorted_texts(const reviews *set) {
  char **texts = malloc((set->count + 1) * sizeof *texts);
  if (!texts) return NULL;
  if (set->count > 0) memcpy(texts, set->texts, set->count * sizeof *texts);
  qsort(texts, set->count, sizeof *texts, compare_texts);
  return texts;
}

int reviews_generate(reviews *set, size_t count, uint64_t seed, const reviews *apart) {
  const reviews nothing = {0};
  if (!apart) apart = &nothing;
  char **taken = sorted_texts(apart);
  writer w = {.random = seed};
  int error = !taken;
  for (size_t i = 0; !error && i < count; i++) {
    int label = (int)(i % 3);
    const char *text = w.text;
    do write_review(&w, label);
    while (bsearch(&text, taken, apart->count, sizeof *taken, compare_texts));
    error = reviews_add(set, labels[label], w.text, 0);
  }
  free(taken);
  if (error) fputs("out of memory\n", stderr);
  return error ? -1 : 0;
}
