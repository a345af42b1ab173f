/*
 * bench.h — the parts of the benchmark: workloads, the machine's limits, clocks and medians
 */
#ifndef BENCH_H
#define BENCH_H

#include <refrain.h>
#include <stddef.h>

/* ---- workloads ------------------------------------------------------------------------------- */

/** What is timed. */
typedef enum { TRAIN, RUN, STEP } activity;

/** A recurrent layer, as far as counting its arithmetic needs to know. */
typedef struct {
  int input, hidden, gates, directions;
} recurrent;

/** One line of the table. */
typedef struct {
  const char *name;
  activity activity;
  const char *notation;
  int batch, timesteps;
  int features;    /* of a float input; 0 for ids */
  int vocabulary;  /* of an input of ids */
  int outputs;
  int every_step;  /* whether there is an output, and a target, at each timestep */
  int short_rows;  /* whether sequences have lengths, most of them far from the window's */
  recurrent layers[2];
} workload;

extern const workload workloads[];
extern const int workload_count;

/** The workload with this name, or NULL. */
const workload *find_workload(const char *name);

/** A workload with its model and data, ready to be repeated. */
typedef struct prepared prepared;

/** Ends the process with a message if the library refuses. */
prepared *prepare(const workload *w, int threads);

/** One training step, one batch run or one timestep. */
void once(prepared *p);

void release(prepared *p);

/** The arithmetic and traffic that one repetition cannot do without. */
typedef struct {
  double flops;         /* of matrix products */
  double activations;   /* sigmoids and tanhs */
  double parameters;    /* swept by Adam */
  double weight_bytes;  /* read anew in each of `weight_reads` steps of a single row; else 0 */
  double weight_reads;
} cost;

cost cost_of(const workload *w);

/* ---- the machine ----------------------------------------------------------------------------- */

/** The instruction-set level whose limits are measured: REFRAIN_ISA, or the processor's best. */
const char *machine_level(void);

/** Multiply-adds per second times 2, on each of `threads` threads at once, summed. */
double machine_peak(int threads);

/** Seconds for one tanh of many, by a rational function in registers. */
double machine_activation(void);

/** Bytes per second, read again and again from a block of this size. */
double machine_read_bandwidth(double bytes);

/** Seconds for one sweep of Adam's arithmetic over this many parameters. */
double machine_update(double parameters);

/** Gives back the memory in which all this was measured. */
void machine_release(void);

/** Seconds in which no machine with these limits could be done. */
double machine_bound(const cost *c, int threads);

/* ---- clocks ---------------------------------------------------------------------------------- */

/** Seconds, from any start. */
double now(void);

/** The value below which this fraction of the values lies; sorts them. */
double quantile(double *values, long count, double fraction);

/** Ends the process with a message. */
void fail(const char *what);

#endif
