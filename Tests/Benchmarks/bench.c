/*
 * bench.c — times the workloads and holds them against the machine's limits
 *
 *   bench [--threads N] [--rounds N] [NAME …]   a table; every workload whose name starts with NAME;
 *                                               with several threads, also held against one
 *   bench --serve NAME --threads N              for comparisons: answers each line on standard
 *                                               input, a number of repetitions, with the seconds of
 *                                               each; those of peak are 10⁹ operations
 *   bench --repeat NAME COUNT                   the bare repetitions, for instruction counts
 *
 * Each workload runs in a process of its own; another tells how much memory it takes. A round measures
 * the machine, the workload, the machine again and, where there are several threads, the workload with
 * one in another process, so that a ratio compares what lay next to each other in time.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one workload ---------------------------------------------------------------------------- */

enum { ROUNDS_AT_MOST = 99, SAMPLES_AT_MOST = 20000, STEPS_TIMED_ALONE = 1000000 };

typedef struct {
  double bound, seconds, ratio, ratio_low, ratio_high, gflops, fraction;
  double tail, worst;    /* p99, or of a step p99.9; the longest */
  double speedup, speedup_low, speedup_high; /* against one thread; of several threads only */
} result;

/** Seconds of one repetition; several at a time where one is too short for the clock. */
static double sample(prepared *p, long repetitions) {
  double start = now();
  for (long i = 0; i < repetitions; i++) once(p);
  return (now() - start) / (double)repetitions;
}

/** Repeats it for a tenth of a second: processors that were idle take a while to be at their best. */
static double warm(prepared *p) {
  double start = now();
  long count = 0;
  while (count < 3 || now() - start < 0.1) once(p), count++;
  return (now() - start) / (double)count;
}

/** Takes `count` samples after a warm-up; returns their median and leaves them in order. */
static double sample_round(prepared *p, double *times, long count, long repetitions) {
  static double copy[SAMPLES_AT_MOST];
  warm(p);
  for (long i = 0; i < count; i++) times[i] = sample(p, repetitions);
  memcpy(copy, times, sizeof *copy * (size_t)count);
  return quantile(copy, count, 0.5);
}

/** A process that has the same work done by one thread, round by round, as it is asked. */
typedef struct {
  pid_t process;
  int asks, answers;
} rival;

/** What a rival is asked for: a round's samples. It answers with their median. */
typedef struct {
  long count, repetitions;
} demand;

/** Answers demands until there is nobody to ask. */
static void answer(const workload *w, int asks, int answers) {
  static double times[SAMPLES_AT_MOST];
  prepared *p = prepare(w, 1);
  demand d;
  while (read(asks, &d, sizeof d) == sizeof d) {
    double seconds = sample_round(p, times, d.count, d.repetitions);
    if (write(answers, &seconds, sizeof seconds) != sizeof seconds) break;
  }
  release(p);
}

/** To be started before this process has threads. */
static rival start_rival(const workload *w) {
  int asks[2], answers[2];
  if (pipe(asks) || pipe(answers)) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(asks[1]);
    close(answers[0]);
    answer(w, asks[0], answers[1]);
    _exit(0);
  }
  close(asks[0]);
  close(answers[1]);
  return (rival){child, asks[1], answers[0]};
}

static double ask(rival r, demand d) {
  double seconds;
  if (write(r.asks, &d, sizeof d) != sizeof d ||
      read(r.answers, &seconds, sizeof seconds) != sizeof seconds)
    fail("the process with one thread has ended");
  return seconds;
}

static void end_rival(rival r) {
  close(r.asks);
  close(r.answers);
  waitpid(r.process, NULL, 0);
}

static result measure(const workload *w, int threads, int rounds) {
  static double times[SAMPLES_AT_MOST];
  double ratios[ROUNDS_AT_MOST], bounds[ROUNDS_AT_MOST], peaks[ROUNDS_AT_MOST];
  double speedups[ROUNDS_AT_MOST];
  rival alone = {0};
  if (threads > 1) alone = start_rival(w);
  prepared *p = prepare(w, threads);
  cost c = cost_of(w);
  double rough = warm(p);
  long together = rough < 2e-5 ? (long)(2e-5 / rough) + 1 : 1;
  long per_round = (long)(0.15 / (rough * (double)together)) + 3;
  if (per_round * rounds > SAMPLES_AT_MOST) per_round = SAMPLES_AT_MOST / rounds;

  long count = 0;
  for (int round = 0; round < rounds; round++) {
    double before = machine_bound(&c, threads);
    double seconds = sample_round(p, times + count, per_round, together);
    count += per_round;
    double after = machine_bound(&c, threads);
    bounds[round] = before < after ? before : after;
    peaks[round] = machine_peak(threads);
    ratios[round] = seconds / bounds[round];
    if (threads > 1) speedups[round] = ask(alone, (demand){per_round, together}) / seconds;
  }
  result r = {0};
  r.bound = quantile(bounds, rounds, 0.5);
  r.ratio = quantile(ratios, rounds, 0.5);
  r.ratio_low = ratios[0];
  r.ratio_high = ratios[rounds - 1];
  r.seconds = quantile(times, count, 0.5);
  r.tail = quantile(times, count, 0.99);
  r.worst = times[count - 1];
  double flops = c.flops + (c.weight_bytes > 0 ? c.weight_reads * c.weight_bytes / 2 : 0);
  r.gflops = flops / r.seconds / 1e9;
  r.fraction = flops / r.seconds / quantile(peaks, rounds, 0.5);
  if (threads > 1) {
    r.speedup = quantile(speedups, rounds, 0.5);
    r.speedup_low = speedups[0];
    r.speedup_high = speedups[rounds - 1];
    end_rival(alone);
  }
  if (w->activity == STEP) {
    double *steps = malloc(sizeof *steps * STEPS_TIMED_ALONE);
    if (!steps) fail("no memory for the times");
    for (long i = 0; i < STEPS_TIMED_ALONE; i++) steps[i] = sample(p, 1);
    r.tail = quantile(steps, STEPS_TIMED_ALONE, 0.999);
    r.worst = steps[STEPS_TIMED_ALONE - 1];
    free(steps);
  }
  release(p);
  return r;
}

/** A time with three digits and its unit. */
static const char *show(double seconds) {
  static char texts[8][24];
  static int next;
  char *text = texts[next++ % 8];
  const char *unit = seconds < 1e-3 ? "us" : "ms";
  double value = seconds * (seconds < 1e-3 ? 1e6 : 1e3);
  snprintf(text, sizeof texts[0], value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s",
           value, unit);
  return text;
}

/** The most memory, in bytes, of a process that does nothing else; 0 if it failed. */
static double memory_of(const workload *w, int threads) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    prepared *p = prepare(w, threads);
    for (int i = 0; i < 3; i++) once(p);
    release(p);
    _exit(0);
  }
  int status;
  struct rusage usage;
  wait4(child, &status, 0, &usage);
  return status ? 0 : 1024.0 * (double)usage.ru_maxrss;
}

/** Runs a workload in a child and prints its line. */
static int report(const workload *w, int threads, int rounds) {
  int ends[2];
  if (pipe(ends)) fail("pipe");
  fflush(stdout);
  double memory = memory_of(w, threads);
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    result r = measure(w, threads, rounds);
    _exit(write(ends[1], &r, sizeof r) == sizeof r ? 0 : 1);
  }
  close(ends[1]);
  result r;
  int complete = read(ends[0], &r, sizeof r) == sizeof r;
  close(ends[0]);
  int status;
  waitpid(child, &status, 0);
  if (!complete || status) {
    printf("%-13s failed\n", w->name);
    return 1;
  }
  printf("%-13s %8s %8s  %5.2f (%.2f-%.2f) %7.1f %4.0f %%  %8s %8s %6.0f MB", w->name,
         show(r.bound), show(r.seconds), r.ratio, r.ratio_low, r.ratio_high, r.gflops,
         100 * r.fraction, show(r.tail), show(r.worst), memory / 1e6);
  if (threads > 1) printf("   %5.2f (%.2f-%.2f)", r.speedup, r.speedup_low, r.speedup_high);
  puts("");
  return 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

static int serve(const char *name, int threads) {
  const workload *w = find_workload(name);
  if (!w && strcmp(name, "peak")) fail("no such workload");
  prepared *p = w ? prepare(w, threads) : NULL;
  if (p) once(p);
  puts("ready");
  fflush(stdout);
  long repetitions;
  while (scanf("%ld", &repetitions) == 1) {
    printf("%.9f\n", p ? sample(p, repetitions) : 1e9 / machine_peak(threads));
    fflush(stdout);
  }
  if (p) release(p);
  machine_release();
  return 0;
}

static int repeat(const char *name, long count) {
  const workload *w = find_workload(name);
  if (!w) fail("no such workload");
  prepared *p = prepare(w, 1);
  for (long i = 0; i < count; i++) once(p);
  release(p);
  return 0;
}

int main(int argc, char **argv) {
  int threads = 1, rounds = 7, failures = 0;
  int first_name = argc;
  const char *served = NULL;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--threads") && i + 1 < argc) threads = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--rounds") && i + 1 < argc) rounds = atoi(argv[++i]);
    else if (!strcmp(argv[i], "--serve") && i + 1 < argc) served = argv[++i];
    else if (!strcmp(argv[i], "--repeat") && i + 2 < argc)
      return repeat(argv[i + 1], atol(argv[i + 2]));
    else if (argv[i][0] == '-') {
      puts("usage: bench [--threads N] [--rounds N] [NAME ...]\n"
           "       bench --serve NAME [--threads N]\n"
           "       bench --repeat NAME COUNT");
      return strcmp(argv[i], "--help") ? 2 : 0;
    } else {
      first_name = i;
      break;
    }
  }
  if (threads < 1 || threads > 64 || rounds < 1 || rounds > ROUNDS_AT_MOST)
    fail("threads are 1 to 64, rounds 1 to 99");
  if (served) return serve(served, threads);

  printf("%s\nlevel %s, %d thread(s): FMA peak %.0f GFLOP/s, %.2f ns a tanh, read bandwidth "
         "%.0f GB/s (16 kB), %.0f (256 kB), %.0f (8 MB)\n\n",
         refrain_build_info(), machine_level(), threads, machine_peak(threads) / 1e9,
         machine_activation() * 1e9, machine_read_bandwidth(1 << 14) / 1e9,
         machine_read_bandwidth(1 << 18) / 1e9, machine_read_bandwidth(1 << 23) / 1e9);
  machine_release();
  printf("              at least   median  times the least  GFLOP/s   peak       p99  slowest   "
         "memory%s\n                                  (lowest-highest)                  (a step: p99.9)\n",
         threads > 1 ? "   times as fast as one thread" : "");
  for (int i = 0; i < workload_count; i++) {
    int wanted = first_name == argc;
    for (int k = first_name; k < argc; k++)
      wanted |= !strncmp(workloads[i].name, argv[k], strlen(argv[k]));
    if (wanted && !(workloads[i].activity == STEP && threads > 1))
      failures += report(&workloads[i], threads, rounds);
  }
  return failures > 0;
}
