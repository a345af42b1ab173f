/* generate.h: made-up reviews, for a demonstration without data */
#ifndef GENERATE_H
#define GENERATE_H

#include "tsv.h"

/* Adds `count` reviews, negative, neutral and positive in turn. The same seed gives the same ones.
 *
 * apart  none of the new reviews is one of these, so that they can serve for validation; or NULL.
 *
 * Returns 0, or -1 after printing why. */
int reviews_generate(reviews *set, size_t count, uint64_t seed, const reviews *apart);

#endif
