/* reverse_words.c: an encoder and a decoder with attention, and what they say, letter by letter
 *
 *     reverse_words            made-up words
 *     reverse_words FILE       the words of a file, one in a line, of 3 to 10 letters a to z
 *
 * One GRU reads a word, another writes it backwards: it begins with the state in which the first
 * ended, and at every letter looks back at all states of the first (Bahdanau et al. 2015). It
 * learns by being shown the right letters so far and asked for the next. When it is on its own
 * there are none to show: refrain_session_generate() gives it back what it wrote itself, either
 * the likeliest letter each time, or the best of several beginnings that it follows side by side
 * (beam search).
 *
 * The measure is how many words it writes without any mistake, of words that it never saw. Beside
 * it stands the same network without attention, where all of a word must fit into one state. On
 * made-up words the program ends with status 1 if attention does not get 95 of 100 right.
 */
#include <refrain.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORTEST = 3, LONGEST = 10, MADE_UP = 3500, MOST = 20000 };
enum { START = 1, END = 2, FIRST_LETTER = 3, IDS = FIRST_LETTER + 26 }; /* 0 is padding */
enum { EPOCHS = 12, SHOWN = 5 };

static const char WITH_ATTENTION[] =
    "source = Input(ids)\n"
    "target = Input(ids)\n"
    "[memory, h] = source -> Embedding(29, 24)"
    " -> GRU(64, return_sequences=true, return_state=true)\n"
    "letters = target -> Embedding(29, 24)\n"
    "states = [letters, h] -> GRU(64, return_sequences=true)\n"
    "context = [states, memory] -> Attention(32)\n"
    "[states, context] -> Concat -> Dense(29, activation=softmax)";

static const char WITHOUT[] =
    "source = Input(ids)\n"
    "target = Input(ids)\n"
    "h = source -> Embedding(29, 24) -> GRU(64)\n"
    "letters = target -> Embedding(29, 24)\n"
    "[letters, h] -> GRU(64, return_sequences=true) -> Dense(29, activation=softmax)";

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* ---- words ----------------------------------------------------------------------------------- */

typedef struct {
  char letters[LONGEST + 1];
} word;

static const char *one_of(const char *const *texts, int count) { return texts[rand() % count]; }

/* One to four syllables. */
static word make_up(void) {
  static const char *const heads[] = {"b", "d", "f", "g",  "h",  "k",  "l",  "m", "n",
                                      "p", "r", "s", "st", "tr", "br", "dr", "v", "z"};
  static const char *const middles[] = {"a", "e", "i", "o", "u"};
  static const char *const tails[] = {"", "", "n", "r", "s", "l"};
  word made = {{0}};
  char text[4 * 4 + 1];
  do {
    text[0] = '\0';
    for (int syllables = 1 + rand() % 4; syllables > 0; syllables--) {
      strcat(text, one_of(heads, 18));
      strcat(text, one_of(middles, 5));
      strcat(text, one_of(tails, 6));
    }
  } while (strlen(text) < SHORTEST || strlen(text) > LONGEST);
  strcpy(made.letters, text);
  return made;
}

/* The words of a file; lines of anything else are left out. -1 if it cannot be read. */
static int64_t read_words(const char *path, word *words) {
  char line[256];
  int64_t count = 0;
  FILE *file = fopen(path, "r");
  if (!file) {
    perror(path);
    return -1;
  }
  while (count < MOST && fgets(line, sizeof line, file)) {
    size_t length = strcspn(line, "\r\n");
    line[length] = '\0';
    if (length < SHORTEST || length > LONGEST) continue;
    if (strspn(line, "abcdefghijklmnopqrstuvwxyz") != length) continue;
    strcpy(words[count++].letters, line);
  }
  fclose(file);
  return count;
}

static int compare(const void *a, const void *b) {
  return strcmp(((const word *)a)->letters, ((const word *)b)->letters);
}

/* Every word once, in an order of chance. */
static int64_t shuffled(word *words, int64_t count) {
  int64_t kept = 0;
  qsort(words, (size_t)count, sizeof *words, compare);
  for (int64_t i = 0; i < count; i++)
    if (kept == 0 || compare(&words[i], &words[kept - 1]) != 0) words[kept++] = words[i];
  for (int64_t i = kept - 1; i > 0; i--) {
    int64_t j = rand() % (i + 1);
    word swapped = words[i];
    words[i] = words[j];
    words[j] = swapped;
  }
  return kept;
}

/* Words and what is to be written for them, as ids. */
typedef struct {
  int64_t count;
  const word *words;
  int32_t *source;         /* [count, LONGEST] */
  int32_t *shown, *next;   /* [count, LONGEST + 1]: START and the letters; the letters and END */
  int64_t *lengths, *more; /* [count], of words, and one more */
  refrain_tensor inputs[2], target;
  refrain_dataset dataset;
} pairs;

static int32_t id_of(char letter) { return FIRST_LETTER + (letter - 'a'); }

static refrain_tensor ids_tensor(int32_t *ids, int64_t rows, int64_t timesteps, int64_t *lengths) {
  return (refrain_tensor){.struct_size = sizeof(refrain_tensor), .data = ids,
                          .type = REFRAIN_INT32, .rank = 2, .shape = {rows, timesteps},
                          .lengths = lengths};
}

static int make_pairs(pairs *p, const word *words, int64_t count) {
  size_t rows = (size_t)count;
  p->count = count;
  p->words = words;
  p->source = calloc(rows * LONGEST, sizeof *p->source);
  p->shown = calloc(rows * (LONGEST + 1), sizeof *p->shown);
  p->next = calloc(rows * (LONGEST + 1), sizeof *p->next);
  p->lengths = calloc(rows, sizeof *p->lengths);
  p->more = calloc(rows, sizeof *p->more);
  if (!p->source || !p->shown || !p->next || !p->lengths || !p->more) return -1;
  for (int64_t row = 0; row < count; row++) {
    const char *letters = words[row].letters;
    int64_t length = (int64_t)strlen(letters);
    int32_t *shown = p->shown + row * (LONGEST + 1), *next = p->next + row * (LONGEST + 1);
    shown[0] = START;
    for (int64_t t = 0; t < length; t++) {
      p->source[row * LONGEST + t] = id_of(letters[t]);
      shown[t + 1] = next[t] = id_of(letters[length - 1 - t]);
    }
    next[length] = END;
    p->lengths[row] = length;
    p->more[row] = length + 1;
  }
  p->inputs[0] = ids_tensor(p->source, count, LONGEST, p->lengths);
  p->inputs[1] = ids_tensor(p->shown, count, LONGEST + 1, p->more);
  p->target = ids_tensor(p->next, count, LONGEST + 1, NULL);
  p->dataset = (refrain_dataset){.struct_size = sizeof p->dataset, .inputs = p->inputs,
                                 .input_count = 2, .targets = &p->target, .target_count = 1};
  return 0;
}

static void free_pairs(pairs *p) {
  free(p->source);
  free(p->shown);
  free(p->next);
  free(p->lengths);
  free(p->more);
}

/* ---- the network ----------------------------------------------------------------------------- */

static int train(refrain_model *model, const pairs *p) {
  refrain_trainer *trainer = NULL;
  char options[128];
  snprintf(options, sizeof options,
           "loss=crossentropy, optimizer=Adam(0.005), clip_norm=1, seed=1, schedule=Cosine(%d)",
           EPOCHS);
  int error = failed(refrain_trainer_create(model, options, &trainer));
  snprintf(options, sizeof options, "epochs=%d, batch_size=32", EPOCHS);
  error = error || failed(refrain_trainer_fit(trainer, &p->dataset, NULL, options, NULL, NULL));
  refrain_trainer_release(trainer);
  return error ? -1 : 0;
}

/* Writes every word; how many are right. The first few are printed if `shows`. */
static int64_t write_words(refrain_session *session, const pairs *p, const char *options,
                           int shows) {
  int64_t right = 0, *lengths = malloc((size_t)p->count * sizeof *lengths);
  int32_t *ids = malloc((size_t)(p->count * (LONGEST + 1)) * sizeof *ids);
  int32_t *starts = malloc((size_t)p->count * sizeof *starts);
  int error = !lengths || !ids || !starts;
  for (int64_t row = 0; !error && row < p->count; row++) starts[row] = START;
  /* What the decoder is fed with begins with START, and goes on with what it writes. */
  refrain_tensor inputs[2] = {p->inputs[0], ids_tensor(starts, p->count, 1, NULL)};
  error = error || failed(refrain_session_generate(session, inputs, 2, options, ids, lengths, NULL));
  for (int64_t row = 0; !error && row < p->count; row++) {
    const int32_t *written = ids + row * (LONGEST + 1), *expected = p->next + row * (LONGEST + 1);
    int is_right = lengths[row] == p->lengths[row] &&
                   memcmp(written, expected, (size_t)lengths[row] * sizeof *ids) == 0;
    right += is_right;
    if (!shows || row >= SHOWN) continue;
    printf("  %-*s ", LONGEST, p->words[row].letters);
    for (int64_t t = 0; t < lengths[row]; t++)
      putchar(written[t] < FIRST_LETTER ? '?' : 'a' + written[t] - FIRST_LETTER);
    puts(is_right ? "" : "  (wrong)");
  }
  free(lengths);
  free(ids);
  free(starts);
  return error ? -1 : right;
}

/* The shares of words that are right: the likeliest letter each time, and by beam search. */
static int learn(const char *notation, const pairs *known, const pairs *unseen, double rates[2],
                 int shows) {
  static const char *const options[] = {"max_length=11, end=2", "max_length=11, end=2, beams=4"};
  refrain_model *model = NULL;
  refrain_session *session = NULL;
  int error = failed(refrain_model_create(notation, 1, &model)) || train(model, known) ||
              failed(refrain_session_create(model, NULL, &session));
  for (int i = 0; i < 2 && !error; i++) {
    int64_t right = write_words(session, unseen, options[i], shows && i == 0);
    error = right < 0;
    rates[i] = (double)right / (double)unseen->count;
  }
  refrain_session_release(session);
  refrain_model_release(model);
  return error ? -1 : 0;
}

int main(int argc, char **argv) {
  double with[2] = {0}, without[2] = {0};
  pairs known = {0}, unseen = {0};
  word *words = calloc(MOST, sizeof *words);
  int64_t count = MADE_UP;
  if (!words) return 1;
  srand(1);
  if (argc > 1) {
    count = read_words(argv[1], words);
  } else {
    puts("These words are made up.");
    for (int64_t i = 0; i < count; i++) words[i] = make_up();
  }
  if (count > 0) count = shuffled(words, count);
  int64_t held_out = count / 7;
  if (held_out < 1) {
    if (count >= 0)
      fprintf(stderr, "%s: expected 7 words of %d to %d letters a to z or more, found %lld\n",
              argv[1], SHORTEST, LONGEST, (long long)count);
    free(words);
    return 1;
  }
  int error = make_pairs(&unseen, words, held_out) ||
              make_pairs(&known, words + held_out, count - held_out) ||
              learn(WITH_ATTENTION, &known, &unseen, with, 1) ||
              learn(WITHOUT, &known, &unseen, without, 0);
  if (!error) {
    printf("Right from end to beginning, of %lld words that were not among the %lld to learn from:\n",
           (long long)unseen.count, (long long)known.count);
    printf("                      likeliest letter  4 beams\n");
    printf("  with attention                 %.3f    %.3f\n", with[0], with[1]);
    printf("  without                        %.3f    %.3f\n", without[0], without[1]);
    error = argc < 2 && !(with[0] > 0.95 && with[1] > 0.95);
  }
  free_pairs(&known);
  free_pairs(&unseen);
  free(words);
  if (error) fputs("reverse_words: failed\n", stderr);
  return error ? 1 : 0;
}
