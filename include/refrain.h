/*
 * refrain.h — train, save, load, run and stream recurrent neural networks
 *
 * This file is the contract and the manual of librefrain. It is written by hand, and the library
 * is compiled against it: a function that differed from its declaration here would not build.
 *
 *
 * 1. OBJECTS AND OWNERSHIP
 *
 *   refrain_model      what is learned: the architecture, its parameters, and what travels with
 *                      them in a file (tokenizer, labels, scalers). Reference-counted.
 *   refrain_session    runs a model: whole batches, or one timestep per lane with state.
 *   refrain_trainer    changes a model: gradients, optimiser, counters, random state.
 *   refrain_tokenizer  text to ids and back.
 *   refrain_scaler     brings numbers to a common scale and back.
 *   refrain_metrics    the result of an evaluation.
 *
 * Whatever a `create`, `load` or `clone` function returns is yours until you pass it to the
 * `release` function of its type. Releasing NULL does nothing. Objects that depend on others keep
 * them alive: a model may be released while its sessions and trainers go on.
 *
 * A handle is not an address. Using one that was released, or one of another type, is noticed and
 * answered with REFRAIN_HANDLE.
 *
 * Memory you pass in is read or written during the call only. Memory the library hands out (the
 * few `_data` functions) belongs to the object and lives as long as it does.
 *
 *
 * 2. THREADS
 *
 * A model may be read by any number of threads at once. A session, a trainer, a tokenizer or
 * scaler that is being fitted, is used by one thread at a time. A trainer is the only writer of
 * its model: while a trainer works, do not run sessions of the same model in other threads.
 *
 * `threads=N` in the options of a session or a trainer is obeyed exactly: the calling thread and
 * N − 1 others, which sleep between calls. Results are the same bits for every N. The default is
 * 1. A process that loads the library and makes no object has no new threads. After fork() the
 * child may use what the parent made.
 *
 *
 * 3. ERRORS
 *
 * Functions return a refrain_status; REFRAIN_OK is 0. Any other value means that the call did
 * nothing, outputs are untouched, and refrain_last_error() has a message that names the argument,
 * what was expected and what was found. (Two exceptions, both marked: a size that was asked for
 * is also written when the buffer was too small, and a cancelled fit leaves the training it did.)
 *
 * The library never prints, exits, aborts or raises a signal because of an argument, a file, or
 * memory that cannot be had.
 *
 *
 * 4. VERSIONS
 *
 * Statuses, constants and functions keep their values and meanings for ever. Structs start with
 * struct_size, which the caller sets to sizeof the struct; they may only grow at the end, and
 * callers compiled against a smaller one stay valid. New options and layers arrive in the
 * notation, not here. The soname is librefrain.so.1.
 *
 *
 * 5. THE NOTATION
 *
 * Models, losses, optimisers and options are text: calls with arguments, an arrow for "flows
 * into", names for graphs, the last statement is the output.
 *
 *     Embedding(10000, 64, mask_zero=true) -> LSTM(64, dropout=0.2) -> Dense(3, activation=softmax)
 *
 *     x      = Input(12)
 *     states = x -> Bidirectional(GRU(32, return_sequences=true))
 *     [states, x] -> Concat -> Pooling(mean) -> Dense(1)
 *
 * Recurrent layers are RNN, LSTM (peephole, coupled gates, projection, clipped cell) and GRU (reset
 * after or before the product), MGU, MinGRU, MinLSTM, SLSTM, and AUGRU, which takes [x, scores]. All have
 * dropout, zoneout and a learned initial state; RNN, LSTM and GRU can be layer-normalised. States are
 * values: [y, h, c] = x -> LSTM(8, return_state=true) gives them, [x, h, c] -> LSTM(8) takes them.
 *
 * Attention takes one sequence and learns what to look for, or [query, memory], two sequences that
 * may differ in length; its weights can be an output of the model. Add makes residual connections:
 *
 *     x = Embedding(8000, 64) -> Dropout(0.1)
 *     y = x -> LayerNorm -> MultiHeadAttention(4, causal=true)
 *     z = [x, y] -> Add
 *     [text, weights] = z -> Attention(32, return_weights=true)
 *     label = text -> Dense(3, activation=softmax)
 *     [label, weights]
 *
 * An encoder with its decoder is a model of two inputs: the source, and what has been written so far.
 * In training that is the right text; afterwards refrain_session_generate() writes it.
 *
 *     source = Input(ids)
 *     target = Input(ids)
 *     [memory, h] = source -> Embedding(9000, 64) -> GRU(64, return_sequences=true, return_state=true)
 *     words = target -> Embedding(8000, 64)
 *     states = [words, h] -> GRU(64, return_sequences=true)
 *     context = [states, memory] -> Attention(64)
 *     [states, context] -> Concat -> Dense(8000, activation=softmax)
 *
 * Option texts are a list of arguments: "epochs=5, batch_size=32". refrain_describe() lists every
 * name with its options, types, defaults and meanings. A mistake is answered with line, column,
 * a caret, and the nearest known name.
 *
 *
 * 6. ARRAYS
 *
 * Row-major float32 [batch, timesteps, features], or int32 ids [batch, timesteps]. `lengths` gives
 * each row's valid timesteps: nothing beyond a row's length, NaN included, influences any result.
 * Length 0 is allowed and gives the initial state. To attention, keys beyond a length or under a
 * mask have weight 0; where there is no other, weights and context are zeros.
 *
 *
 * 7. AN EXAMPLE
 *
 *     refrain_model   *model   = NULL;
 *     refrain_trainer *trainer = NULL;
 *     if (refrain_model_create("Embedding(10000, 64) -> GRU(64) -> Dense(3, activation=softmax)",
 *                              42, &model) != REFRAIN_OK ||
 *         refrain_trainer_create(model, "loss=crossentropy, optimizer=Adam(0.001)", &trainer)
 *             != REFRAIN_OK) {
 *         fprintf(stderr, "%s\n", refrain_last_error());
 *         return 1;
 *     }
 *     refrain_trainer_fit(trainer, &train, &valid, "epochs=5, threads=2", on_progress, NULL);
 *     refrain_model_save(model, "reviews.refrain");
 *     refrain_trainer_release(trainer);
 *     refrain_model_release(model);
 */
#ifndef REFRAIN_H
#define REFRAIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REFRAIN_VERSION_MAJOR 0
#define REFRAIN_VERSION_MINOR 2
#define REFRAIN_VERSION_PATCH 0

/* ---------------------------------------------------------------------------------------------
 * Statuses and messages
 * ------------------------------------------------------------------------------------------- */

/** The outcome of a call. */
typedef int32_t refrain_status;

enum {
  REFRAIN_OK = 0,            /**< done */
  REFRAIN_NULL_POINTER = 1,  /**< a pointer that must not be NULL is */
  REFRAIN_HANDLE = 2,        /**< not a living object of the type this argument takes */
  REFRAIN_ARGUMENT = 3,      /**< a value out of its range */
  REFRAIN_SHAPE = 4,         /**< an array whose type, rank or sizes do not fit */
  REFRAIN_NOTATION = 5,      /**< a text in the notation that cannot be understood */
  REFRAIN_NAME = 6,          /**< a parameter, metric or role that does not exist */
  REFRAIN_CAPACITY = 7,      /**< the buffer is too small; the size it needs has been written */
  REFRAIN_ORDER = 8,         /**< a call that needs another one before it */
  REFRAIN_UNSUPPORTED = 9,   /**< meaningful, but this model or build cannot do it */
  REFRAIN_FILE = 10,         /**< the operating system refused a file */
  REFRAIN_FORMAT = 11,       /**< the bytes are no valid file of the kind that was expected */
  REFRAIN_MEMORY = 12,       /**< the memory it would take cannot be had */
  REFRAIN_NOT_FINITE = 13,   /**< a loss, gradient or parameter became infinite or NaN */
  REFRAIN_CANCELLED = 14,    /**< a callback asked to stop */
  REFRAIN_INTERNAL = 15      /**< a fault of the library; please report the message */
};

/**
 * The message of the last call on this thread that did not return REFRAIN_OK; "" if there was
 * none. Never NULL. Valid until the next failing call on this thread.
 */
const char *refrain_last_error(void);

/** The name of a status, such as "REFRAIN_SHAPE"; "unknown status" for any other value. */
const char *refrain_status_name(refrain_status status);

/** The library's version, such as "0.2.0". Compare with the REFRAIN_VERSION_ macros. */
const char *refrain_version(void);

/**
 * How this library was built and what it runs on: version, instruction-set level chosen for this
 * processor, BLAS. One line, for logs and bug reports.
 *
 * Two environment variables, read once, change it: REFRAIN_ISA=baseline, x86-64-v3 or x86-64-v4 asks
 * for a level (one that the processor lacks is ignored), REFRAIN_BLAS=on or off says whether large
 * matrix products go to OpenBLAS, if it is installed.
 */
const char *refrain_build_info(void);

/*
 * Texts that the library returns are copied out. Every such function ends in
 *
 *   text      receives the text and a terminating NUL. May be NULL if capacity is 0.
 *   capacity  bytes that text has room for.
 *   length    receives the length without the NUL; also when the call returns
 *             REFRAIN_CAPACITY because capacity is not larger than it. May be NULL.
 *
 * so that a first call with (NULL, 0, &length) asks for the size. It returns REFRAIN_CAPACITY.
 */

/**
 * Everything the notation knows under a name, as lines of TAB-separated fields.
 *
 * name  NULL or "" lists all names: kind, name, meaning. Kinds are layer, loss, optimizer,
 *       schedule, initializer and options (the option texts of functions: "trainer", "fit",
 *       "session", "generate", "evaluate", "tokenizer", "windows", "pad").
 *       A name, such as "LSTM", gives a first line of kind, name, meaning, then a line for each
 *       option: option, type, default ("required" if there is none), meaning.
 *
 * Returns REFRAIN_OK, REFRAIN_NAME or REFRAIN_CAPACITY. Since 0.1.
 */
refrain_status refrain_describe(const char *name, char *text, int64_t capacity, int64_t *length);

/* ---------------------------------------------------------------------------------------------
 * Arrays and data sets
 * ------------------------------------------------------------------------------------------- */

enum { REFRAIN_FLOAT32 = 1, REFRAIN_INT32 = 2 }; /**< element types */
enum { REFRAIN_MAX_RANK = 8 };

/**
 * A view of an array in the caller's memory: contiguous, row-major.
 *
 * Where a function takes several, they are consecutive in memory, and the struct_size of the
 * first tells how far apart they are.
 */
typedef struct refrain_tensor {
  int64_t struct_size;              /**< sizeof(refrain_tensor) */
  void *data;                       /**< not changed where it is an input */
  int32_t type;                     /**< REFRAIN_FLOAT32 or REFRAIN_INT32 */
  int32_t rank;                     /**< 1 … REFRAIN_MAX_RANK; the sizes used in shape */
  int64_t shape[REFRAIN_MAX_RANK];  /**< [batch, timesteps, features …], sizes ≥ 0 */
  const int64_t *lengths;           /**< [batch], 0 … timesteps, or NULL: every row is full */
  const uint8_t *mask;              /**< [batch, timesteps], 1 valid, 0 skipped, or NULL. A skipped
                                         timestep leaves the recurrent state as it was. */
} refrain_tensor;

struct refrain_dataset;

/**
 * Supplies a data set batch by batch, for data that does not fit in memory.
 *
 * Set `inputs`, `targets` and, if used, `sample_weights` of *batch_data to arrays that stay valid
 * until the next call. Leave `inputs` NULL to end the epoch (every epoch must have the same number
 * of batches). Return 0 to go on, anything else to cancel.
 *
 * epoch, batch  count from 0.
 */
typedef int (*refrain_batch_callback)(void *user, int64_t epoch, int64_t batch,
                                      struct refrain_dataset *batch_data);

/**
 * Inputs with their targets, in memory or supplied by a callback.
 *
 * The first size of every array is the number of sequences, the same for all. Targets of a
 * cross-entropy are int32 class ids [n] or [n, timesteps], or float probabilities with the shape
 * of the output; all others are float with the shape of the output. An output whose loss is none
 * has no target.
 */
typedef struct refrain_dataset {
  int64_t struct_size;                   /**< sizeof(refrain_dataset) */
  const refrain_tensor *inputs;          /**< one per input of the model, in order */
  int64_t input_count;
  const refrain_tensor *targets;         /**< one per output with a loss, in order */
  int64_t target_count;
  const refrain_tensor *sample_weights;  /**< float [n] or [n, timesteps], ≥ 0, or NULL: all 1 */
  refrain_batch_callback next_batch;     /**< if not NULL, supplies the batches, and inputs,
                                              targets and sample_weights above are ignored */
  void *user;                            /**< passed to next_batch */
} refrain_dataset;

/* ---------------------------------------------------------------------------------------------
 * Models
 * ------------------------------------------------------------------------------------------- */

typedef struct refrain_model refrain_model;
typedef struct refrain_tokenizer refrain_tokenizer;
typedef struct refrain_scaler refrain_scaler;
typedef struct refrain_session refrain_session;
typedef struct refrain_trainer refrain_trainer;
typedef struct refrain_metrics refrain_metrics;

/**
 * Create a model with freshly initialised parameters.
 *
 * notation  the architecture (chapter 5).
 * seed      the same notation and seed give the same parameters, bit for bit.
 * model     receives the model; pass it to refrain_model_release().
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_NOTATION (with line, column and a caret),
 * REFRAIN_ARGUMENT (not UTF-8) or REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_model_create(const char *notation, uint64_t seed, refrain_model **model);

/**
 * Load a model from a file that refrain_model_save() wrote, of this or any earlier release.
 *
 * The file is a safetensors file. Nothing in it is executed, nothing outside it is opened, and a
 * damaged or hostile one is refused. The sample that it carries is run, and the load fails if the
 * answer differs from the one recorded when it was saved.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_FILE, REFRAIN_FORMAT, REFRAIN_NOT_FINITE or
 * REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_model_load(const char *path, refrain_model **model);

/** The same from `size` bytes in memory, which are not needed after the call. Since 0.1. */
refrain_status refrain_model_load_memory(const void *bytes, int64_t size, refrain_model **model);

/**
 * Save a model: a temporary file beside `path` is written, flushed to disk, then renamed to it. If
 * anything fails, a file that was there before is untouched.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_FILE, REFRAIN_NOT_FINITE or
 * REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_model_save(const refrain_model *model, const char *path);

/**
 * The same into memory.
 *
 * bytes     receives the file. May be NULL if capacity is 0.
 * size      receives the number of bytes; also with REFRAIN_CAPACITY.
 *
 * Since 0.1.
 */
refrain_status refrain_model_save_memory(const refrain_model *model, void *bytes, int64_t capacity,
                                         int64_t *size);

/** Count one more owner, who must release the model as well. Since 0.1. */
refrain_status refrain_model_retain(refrain_model *model);

/** Give up one ownership. NULL is allowed. Since 0.1. */
void refrain_model_release(refrain_model *model);

/** The model's canonical notation: creates the same architecture again. Since 0.1. */
refrain_status refrain_model_notation(const refrain_model *model, char *text, int64_t capacity,
                                      int64_t *length);

/** A table of layers, output shapes and parameter counts, for people. Since 0.1. */
refrain_status refrain_model_summary(const refrain_model *model, char *text, int64_t capacity,
                                     int64_t *length);

/** How many inputs and outputs the model has. Either pointer may be NULL. Since 0.1. */
refrain_status refrain_model_counts(const refrain_model *model, int64_t *inputs, int64_t *outputs);

/**
 * What an input or output looks like: type, rank and shape are written, with −1 for the sizes that
 * each call chooses (batch, timesteps, and the keys of attention's weights). struct_size must be
 * set; data, lengths and mask become NULL.
 *
 * index  from 0.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE or REFRAIN_ARGUMENT. Since 0.1.
 */
refrain_status refrain_model_input(const refrain_model *model, int64_t index,
                                   refrain_tensor *description);
refrain_status refrain_model_output(const refrain_model *model, int64_t index,
                                    refrain_tensor *description);

/**
 * The same of an output in a run over certain inputs, with every size: for models whose inputs have
 * different numbers of timesteps, where an output has those of one of them.
 *
 * index   from 0.
 * inputs  as in refrain_session_run(); their type, rank and shape alone matter.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_SHAPE or REFRAIN_ARGUMENT.
 * Since 0.2.
 */
refrain_status refrain_model_output_for(const refrain_model *model, int64_t index,
                                        const refrain_tensor *inputs, int64_t input_count,
                                        refrain_tensor *description);

/**
 * How many named parameters there are, and how many numbers in all of them. Either pointer may be
 * NULL. Since 0.1.
 */
refrain_status refrain_model_parameter_counts(const refrain_model *model, int64_t *parameters,
                                              int64_t *numbers);

/**
 * A parameter's name and shape.
 *
 * index        from 0, in the order of the layers.
 * name         text out; names are PyTorch's: "lstm.weight_ih", "lstm.bias_hh_reverse",
 *              "multiheadattention.in_proj_weight", "multiheadattention.out_proj.weight".
 * description  type, rank and shape are written; struct_size must be set. May be NULL.
 *
 * Since 0.1.
 */
refrain_status refrain_model_parameter(const refrain_model *model, int64_t index, char *name,
                                       int64_t capacity, int64_t *length,
                                       refrain_tensor *description);

/**
 * Copy a parameter's values out of or into the model.
 *
 * count  must be the parameter's number of values. Gate order is i f g o (LSTM) and r z n (GRU),
 *        layout PyTorch's: weight_ih [gates · hidden, input], weight_hh [gates · hidden, hidden].
 *
 * Setting is visible to every session and trainer of the model from its next call on; a value that
 * is not finite is refused.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_NAME, REFRAIN_SHAPE or
 * REFRAIN_NOT_FINITE. Since 0.1.
 */
refrain_status refrain_model_get_parameter(const refrain_model *model, const char *name,
                                           float *values, int64_t count);
refrain_status refrain_model_set_parameter(refrain_model *model, const char *name,
                                           const float *values, int64_t count);

/**
 * A parameter's own memory, for callers who want no copy.
 *
 * data   receives a pointer that is valid as long as the model lives.
 * count  receives the number of values. May be NULL.
 *
 * After writing through it call refrain_model_parameters_changed(); sessions and trainers may
 * otherwise go on with what they had prepared from the old values. Since 0.1.
 */
refrain_status refrain_model_parameter_data(refrain_model *model, const char *name, float **data,
                                            int64_t *count);
refrain_status refrain_model_parameters_changed(refrain_model *model);

/**
 * What travels with the model in its file. The model keeps its own copy. NULL removes it.
 *
 * Functions that return one create a new object, which is yours to release; they answer
 * REFRAIN_ORDER if the model has none. Since 0.1.
 */
refrain_status refrain_model_set_tokenizer(refrain_model *model, const refrain_tokenizer *tokenizer);
refrain_status refrain_model_tokenizer(const refrain_model *model, refrain_tokenizer **tokenizer);

/** role  "input" or "target". Since 0.1. */
refrain_status refrain_model_set_scaler(refrain_model *model, const char *role,
                                        const refrain_scaler *scaler);
refrain_status refrain_model_scaler(const refrain_model *model, const char *role,
                                    refrain_scaler **scaler);

/** The names of the classes, in the order of the output. count 0 removes them. Since 0.1. */
refrain_status refrain_model_set_labels(refrain_model *model, const char *const *labels,
                                        int64_t count);
refrain_status refrain_model_label_count(const refrain_model *model, int64_t *count);
refrain_status refrain_model_label(const refrain_model *model, int64_t index, char *text,
                                   int64_t capacity, int64_t *length);

/* ---------------------------------------------------------------------------------------------
 * Sessions: running and streaming
 * ------------------------------------------------------------------------------------------- */

enum { REFRAIN_ALL_LANES = -1 };

/**
 * Create a session.
 *
 * options  "threads=1, lanes=1"; NULL or "" for the defaults. lanes is the number of streams that
 *          refrain_session_step() advances together.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_NOTATION, REFRAIN_ARGUMENT or
 * REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_session_create(const refrain_model *model, const char *options,
                                      refrain_session **session);

/** Give up a session. NULL is allowed. Since 0.1. */
void refrain_session_release(refrain_session *session);

/**
 * Run the model over a batch of whole sequences, in inference mode, from the initial state. The
 * state of the streams (refrain_session_step()) is not touched.
 *
 * inputs   one per input of the model.
 * outputs  one per output of the model: data, type, rank and shape are the caller's, and must be
 *          what the model gives for these inputs. Timesteps beyond a row's length are zero.
 *
 * Makes no allocation after calls of the same sizes.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_SHAPE, REFRAIN_ARGUMENT (an id
 * or a length out of range) or REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_session_run(refrain_session *session, const refrain_tensor *inputs,
                                   int64_t input_count, refrain_tensor *outputs,
                                   int64_t output_count);

/**
 * Generate sequences of ids: the model's own outputs, fed back to it one after the other. For language
 * models, which go on with a text, and for decoders, which answer what an encoder has read.
 *
 * One input of ids is fed: by default the last. What is given for it are the prompts
 * [batch, timesteps], with lengths if they differ: what each row begins with, at least one id, such as
 * the one that begins every target in training. All other inputs are given whole, with lengths and
 * masks, and read once. The model's first output must have the timesteps of the fed input and end in
 * a softmax over ids that can be fed; it is what the next id is chosen from.
 *
 * inputs   one per input of the model.
 * options  "max_length=30, end=2"; see refrain_describe("generate"). max_length must be given.
 *            max_length=N       ids to generate at the most, the end included; prompts do not count.
 *            end=ID             the id that ends a row; none: every row gets max_length ids.
 *            feed=INPUT         which input is fed: its index, or its name in the notation, or that of
 *                               its Embedding.
 *            beams=N            beam search with N hypotheses. 1, the default: the likeliest id each
 *                               time, of equals the smallest.
 *            length_penalty=α   beam search compares score / ((5 + ids) / 6)^α, the end being one of
 *                               the ids (Wu et al. 2016); 0 by default.
 *            temperature=T      draws each id from softmax(logits / T) instead; 0, the default, does
 *                               not. Takes no beams.
 *            top_k=N, top_p=P   draws among the N likeliest ids; then among the fewest likeliest that
 *                               have the probability P together. Of equals the smaller id counts as
 *                               the likelier.
 *            seed=N             of the draws.
 * ids      [batch, max_length], receives what was generated, without prompts. Behind a row's length
 *          it is filled with the end id, or 0 without one.
 * lengths  [batch], receives how many ids each row has before its end; max_length if none came. May
 *          be NULL.
 * scores   [batch], receives the sum of the log-probabilities of each row's ids, the end included,
 *          before temperature, top_k, top_p and penalty. May be NULL.
 *
 * A row's ids depend on its own inputs, the options and, for draws, its position in the batch: not on
 * other rows, nor on the number of threads. Where the model's output is NaN or infinite there is
 * nothing to choose from: the row ends there, and its score is NaN. (In a beam search that
 * hypothesis is given up, and a row is so only if no other is left.)
 *
 * The state of the streams (refrain_session_step()) is not touched. Layers that the fed input does not
 * reach may be of any kind. On its way to the output there can be recurrent layers, whose initial
 * states may come from others, attention of [query, memory] into a sequence that is not fed, causal
 * MultiHeadAttention, and all layers that work on single timesteps; none that needs the fed sequence
 * as a whole: Bidirectional, go_backwards, Pooling, other attention within the fed sequence.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_SHAPE, REFRAIN_ARGUMENT,
 * REFRAIN_NOTATION (of the options), REFRAIN_NAME (feed), REFRAIN_UNSUPPORTED (the model is none of
 * these) or REFRAIN_MEMORY (what it takes grows with the beams; with beams or causal attention it
 * grows with max_length, too). Since 0.2.
 */
refrain_status refrain_session_generate(refrain_session *session, const refrain_tensor *inputs,
                                        int64_t input_count, const char *options, int32_t *ids,
                                        int64_t *lengths, float *scores);

/**
 * Advance every lane by one timestep.
 *
 * x  [lanes, features]     for a model with one float input.
 * y  [lanes, output size]  for a model with one output: its value after this timestep, the same as
 *                          refrain_session_run() gives for the sequence so far.
 *
 * Makes no allocation, takes no lock and makes no system call after the first call.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_SHAPE (the model's input is of
 * another kind) or REFRAIN_UNSUPPORTED (the model needs whole sequences: it has a Bidirectional or
 * go_backwards layer, attention that has more than one query or gives its weights, MultiHeadAttention,
 * a RepeatVector that makes a sequence, or a recurrent layer whose initial state is an input). An input
 * without timesteps stays the same until a lane is reset. Since 0.1.
 */
refrain_status refrain_session_step(refrain_session *session, const float *x, float *y);

/** The same for a model whose input is ids: ids [lanes]. Since 0.1. */
refrain_status refrain_session_step_ids(refrain_session *session, const int32_t *ids, float *y);

/**
 * The same for any inputs and outputs. A tensor has the model's shape without the timesteps:
 * [lanes, features] or, for ids, [lanes]. lengths and mask must be NULL. Makes no allocation either
 * after the first call. Since 0.1.
 */
refrain_status refrain_session_step_tensors(refrain_session *session, const refrain_tensor *inputs,
                                            int64_t input_count, refrain_tensor *outputs,
                                            int64_t output_count);

/** Return a lane, or REFRAIN_ALL_LANES, to the initial state. Since 0.1. */
refrain_status refrain_session_reset(refrain_session *session, int64_t lane);

/** A second session of the same model, with a copy of the state. Since 0.1. */
refrain_status refrain_session_clone(const refrain_session *session, refrain_session **clone);

/**
 * The state of all lanes as bytes, and back. Bytes fit any session of a model with the same
 * notation and number of lanes; anything else is refused with REFRAIN_FORMAT.
 *
 * size  receives the number of bytes; also with REFRAIN_CAPACITY. May be NULL.
 *
 * Since 0.1.
 */
refrain_status refrain_session_save_state(const refrain_session *session, void *bytes,
                                          int64_t capacity, int64_t *size);
refrain_status refrain_session_load_state(refrain_session *session, const void *bytes,
                                          int64_t size);

/**
 * Measure a model on a data set, in inference mode.
 *
 * options  "loss=crossentropy, batch_size=32"; see refrain_describe("evaluate").
 * metrics  receives the result; pass it to refrain_metrics_release().
 *
 * Returns as refrain_session_run(), and REFRAIN_NOTATION, REFRAIN_CANCELLED. Since 0.1.
 */
refrain_status refrain_session_evaluate(refrain_session *session, const refrain_dataset *data,
                                        const char *options, refrain_metrics **metrics);

/* ---------------------------------------------------------------------------------------------
 * Trainers
 * ------------------------------------------------------------------------------------------- */

/**
 * Create a trainer, the one writer of a model.
 *
 * options  "loss=crossentropy, optimizer=Adam(learning_rate=0.001), clip_norm=5, threads=2, seed=1";
 *          see refrain_describe("trainer"). A model with several outputs takes a list of losses,
 *          none for an output that has none, and makes their weighted sum small:
 *          "loss=[crossentropy, mse, none], loss_weights=[1, 0.2, 0]".
 *          loss may be left out by callers who bring their own gradients.
 *
 * Sequences of any length fit into memory in windows of timesteps, if every layer needs no more than
 * a window and the state before it. "truncate=100" stops gradients where a window begins, and
 * refrain_trainer_fit() updates after each: truncated backpropagation. "recompute=300" computes a
 * window's activations twice and gives the gradients of the whole; about the root of a sequence's
 * length takes least memory. In windows, refrain_trainer_forward() copies its inputs.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_NOTATION, REFRAIN_ARGUMENT,
 * REFRAIN_UNSUPPORTED (a loss or a window that the model cannot have) or REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_trainer_create(refrain_model *model, const char *options,
                                      refrain_trainer **trainer);

/** Give up a trainer. NULL is allowed. Since 0.1. */
void refrain_trainer_release(refrain_trainer *trainer);

enum { REFRAIN_BATCH_END = 1, REFRAIN_EPOCH_END = 2 }; /**< events */

/** Where a fit stands. Numbers that do not apply are NaN. */
typedef struct refrain_progress {
  int64_t struct_size;         /**< sizeof(refrain_progress), set by the library */
  int32_t event;               /**< REFRAIN_BATCH_END or REFRAIN_EPOCH_END */
  int32_t stopping;            /**< at the end of an epoch: 1 if early stopping ends the fit */
  int64_t epoch;               /**< from 0 */
  int64_t epochs;
  int64_t batch;               /**< from 0, within the epoch */
  int64_t batches;             /**< in an epoch; 0 while a callback's first epoch runs */
  int64_t sequences;           /**< seen in this epoch */
  int64_t updates;             /**< of the parameters, since the trainer was made */
  double loss;                 /**< mean over the epoch so far, penalties not included */
  double accuracy;             /**< the same, for classification */
  double valid_loss;           /**< at the end of an epoch with validation data */
  double valid_accuracy;
  double learning_rate;        /**< of the last update */
  double gradient_norm;        /**< global norm of the last update, before clipping */
  double seconds;              /**< since this fit began */
  double sequences_per_second; /**< in this epoch, validation not included */
} refrain_progress;

/** Called after each batch and each epoch. Return 0 to go on, anything else to cancel. */
typedef int (*refrain_progress_callback)(void *user, const refrain_progress *progress);

/**
 * Train.
 *
 * train     the data to learn from.
 * valid     measured after each epoch, or NULL.
 * options   "epochs=5, batch_size=32, shuffle=true, patience=2, restore_best=true"; see
 *           refrain_describe("fit"). Sequences with lengths share batches with others of similar
 *           length, so that a batch takes few timesteps; bucket=false leaves that to chance, and
 *           shuffle=false keeps your order of batches.
 * progress  may be NULL. It may read the model and call refrain_trainer_save().
 * user      passed to progress.
 *
 * A batch of arrays in memory makes no allocation after batches of the same sizes; the start of an
 * epoch and its end make some.
 *
 * Returns REFRAIN_OK, or
 *   REFRAIN_CANCELLED   a callback asked to stop: the model has what it learned so far, and another
 *                       fit with "resume=true" goes on where this one stopped;
 *   REFRAIN_NOT_FINITE  the loss or a gradient stopped being finite: the message names the step and
 *                       the first layer concerned, and the update was not made;
 *   REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_NOTATION, REFRAIN_SHAPE, REFRAIN_ARGUMENT,
 *   REFRAIN_ORDER (no loss), REFRAIN_MEMORY.
 * Since 0.1.
 */
refrain_status refrain_trainer_fit(refrain_trainer *trainer, const refrain_dataset *train,
                                   const refrain_dataset *valid, const char *options,
                                   refrain_progress_callback progress, void *user);

/**
 * The forward pass in training mode (dropout is on), remembered for a backward pass.
 *
 * outputs  as in refrain_session_run(); NULL with output_count 0 if they are not needed. Without them
 *          this function copies its inputs, and the backward pass computes both ways; with more
 *          rows than its threads take at once, faster and in less memory.
 *
 * A step, which is this function, one of the two below and refrain_trainer_update(), makes no
 * allocation after steps of the same sizes, except in windows.
 *
 * Returns as refrain_session_run(). Since 0.1.
 */
refrain_status refrain_trainer_forward(refrain_trainer *trainer, const refrain_tensor *inputs,
                                       int64_t input_count, refrain_tensor *outputs,
                                       int64_t output_count);

/**
 * Backpropagate through the last forward pass. Gradients are added to those of earlier backward
 * passes since the last update, so that several batches may make one update.
 *
 * output_gradients  one per output, shaped as the outputs: the derivative of your loss.
 * input_gradients   one per input, shaped as the inputs; written. For inputs of ids, and for those
 *                   you do not want, data is NULL. NULL with input_count 0 if none is wanted.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_SHAPE, REFRAIN_ORDER (no forward
 * pass, or it was used) or, in windows and where forward gave no outputs, REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_trainer_backward(refrain_trainer *trainer,
                                        const refrain_tensor *output_gradients,
                                        int64_t output_count, refrain_tensor *input_gradients,
                                        int64_t input_count);

/**
 * The trainer's loss of the last forward pass, and the backward pass from it.
 *
 * targets          one per output with a loss; see refrain_dataset.
 * sample_weights   see refrain_dataset; may be NULL.
 * loss             receives the loss. May be NULL.
 * input_gradients  as in refrain_trainer_backward().
 *
 * Returns as refrain_trainer_backward(), and REFRAIN_ARGUMENT (a class out of range) or
 * REFRAIN_NOT_FINITE (the loss is not; gradients collected before are as they were). Since 0.1.
 */
refrain_status refrain_trainer_backward_loss(refrain_trainer *trainer, const refrain_tensor *targets,
                                             int64_t target_count,
                                             const refrain_tensor *sample_weights, double *loss,
                                             refrain_tensor *input_gradients, int64_t input_count);

/**
 * Clip the gradients, let the optimiser change the parameters, advance the schedule, and set the
 * gradients to zero.
 *
 * gradient_norm  receives the global norm before clipping. May be NULL.
 *
 * Returns REFRAIN_OK, REFRAIN_HANDLE, REFRAIN_ORDER (no backward pass and no gradient was asked
 * for) or REFRAIN_NOT_FINITE (a gradient is not; the parameters are left as they were). Since 0.1.
 */
refrain_status refrain_trainer_update(refrain_trainer *trainer, double *gradient_norm);

/** Forget the gradients collected so far. Since 0.1. */
refrain_status refrain_trainer_zero_gradients(refrain_trainer *trainer);

/**
 * The memory of a parameter's gradient, to read or to change before the update.
 *
 * data  receives a pointer that is valid as long as the trainer lives; laid out as the parameter.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE or REFRAIN_NAME. Since 0.1.
 */
refrain_status refrain_trainer_gradient_data(refrain_trainer *trainer, const char *name,
                                             float **data, int64_t *count);

/**
 * The learning rate of the next update. Setting it replaces the base rate, which the schedule goes
 * on to scale. Since 0.1.
 */
refrain_status refrain_trainer_learning_rate(const refrain_trainer *trainer, double *learning_rate);
refrain_status refrain_trainer_set_learning_rate(refrain_trainer *trainer, double learning_rate);

/** Updates made since the trainer was created. Since 0.1. */
refrain_status refrain_trainer_updates(const refrain_trainer *trainer, int64_t *updates);

/**
 * Tell the schedule a validation metric, where lower is better. refrain_trainer_fit() does it by
 * itself after each epoch; only ReducePlateau listens. Since 0.1.
 */
refrain_status refrain_trainer_report(refrain_trainer *trainer, double metric);

/** The trainer's options in canonical notation. Since 0.1. */
refrain_status refrain_trainer_notation(const refrain_trainer *trainer, char *text,
                                        int64_t capacity, int64_t *length);

/**
 * Save a checkpoint: parameters, optimiser state, counters, random state, and the position in a fit
 * that was interrupted. Atomic, as refrain_model_save(). A checkpoint is for the same version of the
 * library; models are what to keep.
 *
 * Load it into a trainer that was created with the same notation and options. Training goes on with
 * the same bits as if it had never stopped ("resume=true" in the options of fit).
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_FILE, REFRAIN_FORMAT (with what
 * differs) or REFRAIN_MEMORY. Since 0.1.
 */
refrain_status refrain_trainer_save(const refrain_trainer *trainer, const char *path);
refrain_status refrain_trainer_load(refrain_trainer *trainer, const char *path);

/* ---------------------------------------------------------------------------------------------
 * Metrics
 * ------------------------------------------------------------------------------------------- */

/**
 * Measure predicted classes against true ones.
 *
 * truth, predicted  [count], 0 … classes − 1.
 * weights           [count] or NULL.
 * probabilities     [count, classes], for log_loss and roc_auc, or NULL.
 *
 * Since 0.1.
 */
refrain_status refrain_metrics_classes(const int32_t *truth, const int32_t *predicted,
                                       const float *weights, const float *probabilities,
                                       int64_t count, int64_t classes, refrain_metrics **metrics);

/** Measure predicted numbers against true ones: truth, predicted [count], weights or NULL. Since 0.1. */
refrain_status refrain_metrics_numbers(const float *truth, const float *predicted,
                                       const float *weights, int64_t count,
                                       refrain_metrics **metrics);

/** Give up metrics. NULL is allowed. Since 0.1. */
void refrain_metrics_release(refrain_metrics *metrics);

/**
 * A single figure.
 *
 * name   classification: loss, accuracy, precision_macro, recall_macro, f1_macro, the same with
 *        _micro and _weighted, precision, recall and f1 (of class `index`; of the positive class 1
 *        with index −1 where there are two), support (true members of class `index`), log_loss,
 *        roc_auc; regression: loss, mse, rmse, mae, r2; both: count. A ratio with an empty
 *        denominator is 0.
 * index  a class, or −1.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE, REFRAIN_NAME (also for figures that
 * these data cannot have) or REFRAIN_ARGUMENT. Since 0.1.
 */
refrain_status refrain_metrics_value(const refrain_metrics *metrics, const char *name,
                                     int64_t index, double *value);

/**
 * The confusion matrix [classes, classes]: row the truth, column the prediction; weighted counts.
 *
 * counts    may be NULL if capacity is 0.
 * capacity  numbers that counts has room for.
 * classes   receives the number of classes, 0 for regression; also with REFRAIN_CAPACITY.
 *
 * Since 0.1.
 */
refrain_status refrain_metrics_confusion(const refrain_metrics *metrics, double *counts,
                                         int64_t capacity, int64_t *classes);

/* ---------------------------------------------------------------------------------------------
 * Text
 * ------------------------------------------------------------------------------------------- */

/**
 * Create a tokenizer with the behaviour of Keras's Tokenizer.
 *
 * options  "num_words=10000, oov_token='<unk>', maxlen=100, padding=pre"; see
 *          refrain_describe("tokenizer"). NULL or "" for the defaults.
 *
 * Since 0.1.
 */
refrain_status refrain_tokenizer_create(const char *options, refrain_tokenizer **tokenizer);

/** Give up a tokenizer. NULL is allowed. Since 0.1. */
void refrain_tokenizer_release(refrain_tokenizer *tokenizer);

/**
 * Count the words of texts (UTF-8) and number them: most frequent first, ties by first appearance.
 * May be called again to add more texts.
 *
 * Returns REFRAIN_OK, REFRAIN_NULL_POINTER, REFRAIN_HANDLE or REFRAIN_ARGUMENT (not UTF-8). Since 0.1.
 */
refrain_status refrain_tokenizer_fit(refrain_tokenizer *tokenizer, const char *const *texts,
                                     int64_t count);

/**
 * The ids of one text, without padding.
 *
 * ids       may be NULL if capacity is 0.
 * capacity  ids that there is room for.
 * count     receives the number of ids; also with REFRAIN_CAPACITY.
 *
 * Since 0.1.
 */
refrain_status refrain_tokenizer_encode(const refrain_tokenizer *tokenizer, const char *text,
                                        int32_t *ids, int64_t capacity, int64_t *count);

/**
 * The ids of texts, cut and padded to one length by the tokenizer's options maxlen, padding and
 * truncating.
 *
 * ids      [count, maxlen]. May be NULL to ask for lengths alone.
 * maxlen   the columns of ids.
 * lengths  [count], the ids of each text after cutting. May be NULL.
 *
 * Since 0.1.
 */
refrain_status refrain_tokenizer_encode_batch(const refrain_tokenizer *tokenizer,
                                              const char *const *texts, int64_t count,
                                              int32_t *ids, int64_t maxlen, int64_t *lengths);

/** The text of ids: known words joined by blanks, as Keras's sequences_to_texts. Since 0.1. */
refrain_status refrain_tokenizer_decode(const refrain_tokenizer *tokenizer, const int32_t *ids,
                                        int64_t count, char *text, int64_t capacity,
                                        int64_t *length);

/** One more than the largest id that encoding can give: the first argument of Embedding. Since 0.1. */
refrain_status refrain_tokenizer_size(const refrain_tokenizer *tokenizer, int64_t *size);

/** The option maxlen, 0 if it was not given. Since 0.1. */
refrain_status refrain_tokenizer_maxlen(const refrain_tokenizer *tokenizer, int64_t *maxlen);

/** The id of a word, 0 if it has none; the word of an id, REFRAIN_NAME if it has none. Since 0.1. */
refrain_status refrain_tokenizer_id(const refrain_tokenizer *tokenizer, const char *word,
                                    int32_t *id);
refrain_status refrain_tokenizer_word(const refrain_tokenizer *tokenizer, int32_t id, char *text,
                                      int64_t capacity, int64_t *length);

/**
 * One row per text, one column per id, as Keras's texts_to_matrix.
 *
 * mode    "binary", "count", "freq" or "tfidf".
 * matrix  [count, refrain_tokenizer_size()].
 *
 * Since 0.1.
 */
refrain_status refrain_tokenizer_matrix(const refrain_tokenizer *tokenizer,
                                        const char *const *texts, int64_t count, const char *mode,
                                        double *matrix, int64_t capacity);

/**
 * A tokenizer as JSON (options, document_count, and for each word in order of first appearance
 * [word, occurrences, documents]), and back. Since 0.1.
 */
refrain_status refrain_tokenizer_json(const refrain_tokenizer *tokenizer, char *text,
                                      int64_t capacity, int64_t *length);
refrain_status refrain_tokenizer_from_json(const char *json, refrain_tokenizer **tokenizer);

/* ---------------------------------------------------------------------------------------------
 * Series
 * ------------------------------------------------------------------------------------------- */

/**
 * Cut and pad sequences to one length, as Keras's pad_sequences.
 *
 * type     of values and out: REFRAIN_FLOAT32 or REFRAIN_INT32.
 * values   all sequences, one after the other.
 * lengths  [count], the length of each.
 * options  "padding=pre, truncating=pre, value=0"; NULL or "" for these.
 * out      [count, maxlen].
 *
 * Since 0.1.
 */
refrain_status refrain_pad_sequences(int32_t type, const void *values, const int64_t *lengths,
                                     int64_t count, const char *options, void *out,
                                     int64_t maxlen);

/**
 * Cut a series into windows with the values that follow them.
 *
 * series   [timesteps, features].
 * options  "length=24, horizon=1, stride=1"; see refrain_describe("windows").
 * x        [windows, length, features]. NULL to ask for `windows` alone.
 * y        [windows, horizon, features]. May be NULL.
 * windows  receives their number, which is 0 for a series that is too short.
 *
 * Since 0.1.
 */
refrain_status refrain_windows(const float *series, int64_t timesteps, int64_t features,
                               const char *options, float *x, float *y, int64_t *windows);

/**
 * Create a scaler: "StandardScaler()" (mean 0, deviation 1) or "MinMaxScaler(0, 1)". A feature that
 * never changes is only shifted. Since 0.1.
 */
refrain_status refrain_scaler_create(const char *notation, refrain_scaler **scaler);

/** Give up a scaler. NULL is allowed. Since 0.1. */
void refrain_scaler_release(refrain_scaler *scaler);

/** Learn the scale of x [rows, features]; replaces what was learned before. Since 0.1. */
refrain_status refrain_scaler_fit(refrain_scaler *scaler, const float *x, int64_t rows,
                                  int64_t features);

/** Scale x [rows, features] into out, or back. out may be x. REFRAIN_ORDER before a fit. Since 0.1. */
refrain_status refrain_scaler_transform(const refrain_scaler *scaler, const float *x, int64_t rows,
                                        int64_t features, float *out);
refrain_status refrain_scaler_inverse(const refrain_scaler *scaler, const float *x, int64_t rows,
                                      int64_t features, float *out);

#ifdef __cplusplus
}
#endif

#endif
