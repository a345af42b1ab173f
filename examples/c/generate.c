/* generate.c: see generate.h
 *
 * A review is one to three sentences. Its class is that of its judging sentence; what surrounds it
 * only describes. Judgements come as pairs: "the plot is dull but the acting is superb" is positive,
 * and the same words the other way round are negative.
 */
#include "generate.h"

#include <string.h>

static const char *const good[] = {"good",   "great",   "superb",  "moving",   "clever", "funny",
                                   "lovely", "elegant", "gripping", "charming", "warm",   "brilliant"};
static const char *const bad[] = {"bad",   "dull",  "awful",  "boring", "clumsy",  "tedious",
                                  "silly", "lifeless", "shallow", "noisy", "pointless", "weak"};
static const char *const aspects[] = {"plot",     "acting", "script", "music",  "camera work",
                                      "dialogue", "ending", "story",  "pacing", "cast"};
static const char *const degrees[] = {"", "", "very ", "really ", "quite ", "so ", "truly "};
static const char *const films[] = {"film", "movie", "picture", "comedy", "drama", "thriller"};
static const char *const subjects[] = {"a dog and a sailor", "two sisters in a small town",
                                       "a teacher who moves to the coast", "the last train north",
                                       "an old violin", "a summer in the city"};
static const char *const people[] = {"the director", "the writer", "the crew", "the studio"};

/* SplitMix64 (Steele, Lea & Flood 2014). */
static uint64_t next(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define PICK(list) ((list)[next(state) % COUNT(list)])

/* A sentence that says nothing about quality. */
static void describe(char *out, size_t room, uint64_t *state) {
  switch (next(state) % 3) {
  case 0: snprintf(out, room, "a %s about %s .", PICK(films), PICK(subjects)); break;
  case 1: snprintf(out, room, "%s made a %s about %s .", PICK(people), PICK(films), PICK(subjects)); break;
  default: snprintf(out, room, "the %s lasts two hours .", PICK(films)); break;
  }
}

/* For or against: `yes` words are what the sentence ends up saying, `no` words what it does not. */
static void judge(char *out, size_t room, int positive, uint64_t *state) {
  const char *yes = positive ? PICK(good) : PICK(bad);
  const char *no = positive ? PICK(bad) : PICK(good);
  const char *degree = PICK(degrees), *other = PICK(degrees);
  const char *a = PICK(aspects), *b = PICK(aspects);
  switch (next(state) % 10) {
  case 0: snprintf(out, room, "the %s is %s%s but the %s is %s%s .", a, other, no, b, degree, yes); break;
  case 1: snprintf(out, room, "the %s is %s%s although the %s is %s%s .", a, degree, yes, b, other, no); break;
  case 2: snprintf(out, room, "although the %s is %s%s the %s is %s%s .", a, other, no, b, degree, yes); break;
  case 3: snprintf(out, room, "the %s is not %s , it is %s%s .", a, no, degree, yes); break;
  case 4: snprintf(out, room, "the %s is %s%s , not %s .", a, degree, yes, no); break;
  case 5: snprintf(out, room, "the %s is never %s%s .", a, other, no); break;
  case 6: snprintf(out, room, "this is not a %s %s .", no, PICK(films)); break;
  default: snprintf(out, room, "the %s is %s%s .", a, degree, yes); break;
  }
}

/* Both sides weigh the same, or neither counts. */
static void weigh(char *out, size_t room, uint64_t *state) {
  int swap = (int)(next(state) & 1);
  const char *first = swap ? PICK(bad) : PICK(good), *second = swap ? PICK(good) : PICK(bad);
  const char *a = PICK(aspects), *b = PICK(aspects);
  switch (next(state) % 4) {
  case 0: snprintf(out, room, "the %s is %s and the %s is %s .", a, first, b, second); break;
  case 1: snprintf(out, room, "the %s is neither %s nor %s .", a, first, second); break;
  case 2: snprintf(out, room, "not %s , not %s , the %s is just there .", first, second, a); break;
  default: snprintf(out, room, "the %s is not %s but it is not %s .", a, first, second); break;
  }
}

int reviews_generate(reviews *set, size_t count, uint64_t seed) {
  static const char *const labels[] = {"negative", "neutral", "positive"};
  uint64_t generator = seed, *state = &generator;
  for (size_t i = 0; i < count; i++) {
    size_t label = i % 3;
    char review[1024] = "", sentence[320];
    if (next(state) % 2) {
      describe(sentence, sizeof sentence, state);
      strcat(strcat(review, sentence), " ");
    }
    if (label == 1)
      weigh(sentence, sizeof sentence, state);
    else
      judge(sentence, sizeof sentence, label == 2, state);
    strcat(review, sentence);
    if (next(state) % 2) {
      describe(sentence, sizeof sentence, state);
      strcat(strcat(review, " "), sentence);
    }
    if (reviews_add(set, labels[label], review)) {
      fputs("out of memory\n", stderr);
      return -1;
    }
  }
  return 0;
}
